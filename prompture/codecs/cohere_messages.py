"""A conversation as Cohere's messages."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from prompture.codecs.base import arguments_text
from prompture.codecs.cohere_models import sees
from prompture.codecs.plain_text import is_plain, part_text, text_of, text_only
from prompture.errors import UnsupportedError
from prompture.media import settled
from prompture.types import Document, File, Image, Message, Part, Request, Text

DIALECT = "cohere_v2"
Body = dict[str, Any]
_ECHOED = ("content", "tool_plan", "tool_calls", "citations")


def messages(request: Request) -> list[Body]:
    """Every turn. Raises UnsupportedError for images the model does not see, and for files."""
    turns = [_message(m, request.model) for m in request.messages]
    return [t for t in turns if t.keys() - {"role"}]


def _message(message: Message, model: str) -> Body:
    if message.role == "tool":
        return _result(message)
    if message.role == "assistant":
        return _assistant(message)
    return {"role": message.role, "content": _content(message, model)}


def _assistant(message: Message) -> Body:
    native = message.native
    if native is not None and native.dialect == DIALECT and isinstance(native.payload, Mapping):
        kept = {key: native.payload[key] for key in _ECHOED if native.payload.get(key)}
        return {"role": "assistant", **kept}
    turn: Body = {"role": "assistant"}
    text = text_only(message)
    if message.calls:
        # Words beside calls are a plan here; content beside calls is what no model writes.
        if text:
            turn["tool_plan"] = text
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_text(call)},
            }
            for call in message.calls
        ]
    elif text:
        turn["content"] = text
    return turn


def _result(message: Message) -> Body:
    """A tool's result. There is no mark for a failed one: its document says ``error``."""
    if not is_plain(message):
        raise UnsupportedError("Cohere reads only text in a tool result: put images in a user turn")
    content: Any = text_of(message)
    if message.is_error:
        content = [{"type": "document", "document": {"data": {"error": content}}}]
    return {"role": "tool", "tool_call_id": message.call_id or "", "content": content}


def _content(message: Message, model: str) -> str | list[Body]:
    if isinstance(message.content, str):
        return message.content
    parts = [_part(p, message, model) for p in message.content]
    return parts[0]["text"] if len(parts) == 1 and "text" in parts[0] else parts


def _part(part: Part, message: Message, model: str) -> Body:
    if isinstance(part, (Text, Document)):
        return {"type": "text", "text": part_text(part)}
    if isinstance(part, File):
        part = settled(part)
        if not part.media_type.startswith("image/") or part.id is not None:
            return {"type": "text", "text": _words_of(part)}
        part = Image(data=part.data, url=part.url, media_type=part.media_type)
    if message.role == "system":
        raise UnsupportedError("Cohere's system turn is text only: put images in a user turn")
    if not sees(model):
        raise UnsupportedError(f"{model} sees no images: command-a-plus and the vision models do")
    return {"type": "image_url", "image_url": _image(settled(part))}


def _image(image: Image) -> Body:
    url = image.url
    if url is None:
        url = f"data:{image.media_type};base64,{base64.b64encode(image.data or b'').decode()}"
    return {"url": url, "detail": image.detail} if image.detail else {"url": url}


def _words_of(file: File) -> str:
    """A text file is read here; Cohere reads no other."""
    if file.data is None or not file.media_type.startswith("text/"):
        raise UnsupportedError("Cohere reads no files: send their text, or images of their pages")
    try:
        return file.data.decode()
    except UnicodeDecodeError as exc:
        raise UnsupportedError("a text file for Cohere must be UTF-8") from exc
