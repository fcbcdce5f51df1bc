"""The parts of a turn as Chat Completions has them."""

from __future__ import annotations

import base64
from typing import Any, Literal, TypeAlias

from prompture.codecs.plain_text import part_text
from prompture.errors import UnsupportedError
from prompture.media import settled
from prompture.types import Document, File, Image, Part, Text

Body: TypeAlias = dict[str, Any]
Files: TypeAlias = Literal["", "data", "url", "document_url"]


def part_of(part: Part, *, files: Files, image_urls: bool) -> Body:
    """One part. ``files`` and ``image_urls`` are the knobs of ``OpenAIChat``. Raises
    UnsupportedError for what the provider cannot take."""
    if isinstance(part, (Text, Document)):
        return {"type": "text", "text": part_text(part)}
    if isinstance(part, Image):
        return _image(settled(part), urls=image_urls)
    part = settled(part)
    if part.id is None and part.media_type.startswith("image/"):
        picture = Image(data=part.data, url=part.url, media_type=part.media_type)
        return _image(picture, urls=image_urls)
    return _file(part, files)


def _image(image: Image, *, urls: bool) -> Body:
    if image.url is not None and not urls:
        raise UnsupportedError("this provider fetches no image URLs: pass the image's bytes")
    url: Body = {"url": image.url or data_url(image.data, image.media_type)}
    if image.detail:
        url["detail"] = image.detail
    return {"type": "image_url", "image_url": url}


def _file(file: File, files: Files) -> Body:
    if file.data is not None and _is_text(file.media_type):
        return {"type": "text", "text": file.data.decode(errors="replace")}
    if not files:
        raise UnsupportedError(
            "this provider's chat API takes no files: send the text or page images"
        )
    if file.id is not None and files == "document_url":
        return {"type": "file", "file_id": file.id}
    if file.id is not None:
        return {"type": "file", "file": {"file_id": file.id}}
    if file.url is not None and files == "data":
        raise UnsupportedError("this provider fetches no file URLs: pass the file's bytes")
    url = file.url or data_url(file.data, file.media_type)
    if files == "document_url":
        return {"type": "document_url", "document_url": url, "document_name": file.name}
    return {"type": "file", "file": {"filename": file.name, "file_data": url}}


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in ("application/json", "application/xml")


def data_url(data: bytes | None, media_type: str) -> str:
    """``data:<type>;base64,<bytes>``."""
    return f"data:{media_type};base64,{base64.b64encode(data or b'').decode()}"


def mark_cached(messages: list[Body], cache: bool | str) -> None:
    """Put ``cache_control`` on the last block of the last system or first user turn."""
    control: Body = {"type": "ephemeral"}
    if isinstance(cache, str):
        control["ttl"] = cache
    stable = [m for m in messages if m["role"] == "system"] or messages[:1]
    if not stable:
        return
    turn = stable[-1]
    if isinstance(turn["content"], str):
        turn["content"] = [{"type": "text", "text": turn["content"]}]
    if turn["content"]:
        turn["content"][-1]["cache_control"] = control
