"""Our messages as the Responses API's input items."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prompture.codecs.base import arguments_text
from prompture.codecs.histories import wire_ids
from prompture.codecs.openai_models import DIALECT
from prompture.codecs.plain_text import is_plain, part_text, result_text, text_only
from prompture.errors import ConfigurationError, UnsupportedError
from prompture.media import settled
from prompture.types import Document, File, Image, Message, Part, Text

Item = dict[str, Any]
ID_CHARS = 64
"""Characters of a call's id that the API takes."""


def input_items(messages: Iterable[Message], *, stored: bool) -> list[Item]:
    """``stored`` says that the provider keeps responses, so that items may be named by id."""
    turns = list(messages)
    ids = wire_ids(turns, limit=ID_CHARS)
    custom: set[str] = set()
    found: list[Item] = []
    for message, known in zip(turns, ids, strict=True):
        items = list(_items(message, known, stored=stored, custom=custom))
        custom |= {str(i.get("call_id")) for i in items if i.get("type") == "custom_tool_call"}
        found += items
    return found


def _items(
    message: Message, ids: Mapping[str, str], *, stored: bool, custom: set[str]
) -> Iterator[Item]:
    """``custom`` has the ids of earlier calls of custom tools, whose results are marked."""
    if message.role == "tool":
        yield _result(message, ids, custom)
        return
    if message.role != "assistant":
        if message.parts:
            yield {"role": message.role, "content": _content(message)}
        return
    native = message.native
    if native is not None and native.dialect == DIALECT:
        for item in echoed(native.payload, stored):
            id = item.get("call_id")
            yield {**item, "call_id": ids[id]} if id in ids and id is not None else item
        return
    if text := text_only(message):
        yield {"role": "assistant", "content": text}
    for call in message.calls:
        yield {
            "type": "function_call",
            "call_id": ids[call.id],
            "name": call.name,
            "arguments": arguments_text(call),
        }


def echoed(items: Iterable[Item], stored: bool) -> Iterator[Item]:
    """The items of an earlier answer, as they were.

    Where nothing is stored, a reasoning item without its encrypted content means nothing to the
    provider; it is left out, and the items that followed it lose the ids that point to it.
    """
    whole = list(items)
    if stored or all(i.get("encrypted_content") for i in whole if i.get("type") == "reasoning"):
        yield from ({k: v for k, v in i.items() if k != "id" or v} for i in whole)
        return
    for item in whole:
        if item.get("type") == "message":
            yield {"role": "assistant", "content": _said(item)}
        elif item.get("type") != "reasoning":
            yield {key: value for key, value in item.items() if key != "id"}


def _said(item: Item) -> str:
    parts = item.get("content") or ()
    return "".join(str(p.get("text") or p.get("refusal") or "") for p in parts)


def _content(message: Message) -> str | list[Item]:
    if isinstance(message.content, str):
        return message.content
    if message.role == "system":
        return text_only(message)
    return [_part(part) for part in message.content]


def _result(message: Message, ids: Mapping[str, str], custom: set[str]) -> Item:
    if not message.call_id:
        raise ConfigurationError("a tool turn needs the call_id of the call it answers")
    plain = is_plain(message)
    output = result_text(message) if plain else [_part(part) for part in message.parts]
    id = ids[message.call_id]
    kind = "custom_tool_call_output" if id in custom else "function_call_output"
    return {"type": kind, "call_id": id, "output": output}


def _part(part: Part) -> Item:
    if isinstance(part, (Text, Document)):
        return {"type": "input_text", "text": part_text(part)}
    return _image(settled(part)) if isinstance(part, Image) else _file(settled(part))


def _image(image: Image) -> Item:
    url = image.url or _data_url(image.media_type, image.data)
    return {"type": "input_image", "image_url": url, "detail": image.detail or "auto"}


def _file(file: File) -> Item:
    if file.id is not None:
        return {"type": "input_file", "file_id": file.id}
    if file.media_type.startswith("image/"):
        return _image(Image(data=file.data, url=file.url, media_type=file.media_type))
    if file.url is not None:
        return {"type": "input_file", "file_url": file.url}
    if file.media_type.startswith(("audio/", "video/")):
        raise UnsupportedError(f"{file.media_type} cannot be sent here; only documents and images")
    data = _data_url(file.media_type, file.data)
    return {"type": "input_file", "filename": file.name, "file_data": data}


def _data_url(media_type: str, data: bytes | None) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data or b'').decode()}"
