"""Our messages as Anthropic's: content blocks, merged turns, cache marks."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from prompture.codecs.anthropic_answer import DIALECT
from prompture.codecs.histories import wire_ids
from prompture.codecs.plain_text import text_only
from prompture.errors import ConfigurationError, UnsupportedError
from prompture.media import settled
from prompture.types import Document, File, Image, Message, Part, Request, Text

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
Block = dict[str, Any]
ID_CHARS, ID_LETTERS = 64, "a-zA-Z0-9_-"
"""Ids of calls, as Anthropic and Bedrock take them; those of other providers have more."""


def system_blocks(messages: Iterable[Message]) -> list[Block]:
    """Every system turn, in order, as text blocks of the top-level ``system``."""
    said = [text_only(m) for m in messages if m.role == "system"]
    return [{"type": "text", "text": text} for text in said if text.strip()]


def wire_messages(messages: Iterable[Message]) -> list[Block]:
    """User and assistant turns; neighbours of one role are merged, tool results go first.

    Empty turns are left out: the API refuses empty text.
    """
    given = list(messages)
    ids = wire_ids(given, limit=ID_CHARS, allowed=ID_LETTERS)
    turns: list[Block] = []
    for message, known in zip(given, ids, strict=True):
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message, known)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise ConfigurationError("anthropic: the request has no message with any content")
    for turn in turns:
        # Results must come before anything else the user says. The sort is stable.
        if turn["role"] == "user":
            turn["content"].sort(key=lambda b: b["type"] != "tool_result")
    return turns


def _blocks(message: Message, ids: Mapping[str, str]) -> list[Block]:
    if message.role == "tool":
        return [_tool_result(message, ids)]
    if message.role == "user":
        return [block for part in message.parts if (block := part_block(part))]
    native = message.native
    if native is not None and native.dialect == DIALECT:
        return [
            {**b, "id": ids.get(b["id"], b["id"])} if b.get("type") == "tool_use" else dict(b)
            for b in native.payload
            if b.get("type") != "text" or str(b.get("text") or "").strip()
        ]
    blocks: list[Block] = []
    if (text := text_only(message)).strip():
        blocks.append({"type": "text", "text": text})
    blocks += [
        {"type": "tool_use", "id": ids[call.id], "name": call.name, "input": call.arguments or {}}
        for call in message.calls
    ]
    return blocks


def _tool_result(message: Message, ids: Mapping[str, str]) -> Block:
    if not message.call_id:
        raise ConfigurationError("anthropic: a tool turn needs the call_id of the call it answers")
    block: Block = {"type": "tool_result", "tool_use_id": ids[message.call_id]}
    content = [b for part in message.parts if (b := part_block(part))]
    if len(content) == 1 and content[0]["type"] == "text":
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if message.is_error:
        block["is_error"] = True
    return block


def part_block(part: Part) -> Block | None:
    """One part as a block; None for blank text."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, Document):
        return _text_document(part.text, part.name) if part.text.strip() else None
    return _image(settled(part)) if isinstance(part, Image) else _file(settled(part))


def _text_document(text: str, title: str) -> Block:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return _titled({"type": "document", "source": source}, title)


def _titled(block: Block, title: str) -> Block:
    return {**block, "title": title} if title else block


def _image(image: Image) -> Block:
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return {"type": "image", "source": _base64(image.media_type, image.data or b"", IMAGES)}


def _base64(media_type: str, data: bytes, allowed: tuple[str, ...]) -> Block:
    if media_type not in allowed:
        raise UnsupportedError(
            f"anthropic: {media_type} cannot be sent; it takes {', '.join(allowed)}"
        )
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}


def _file(file: File) -> Block:
    if file.id is not None:
        kind = "image" if file.media_type in IMAGES else "document"
        return {"type": kind, "source": {"type": "file", "file_id": file.id}}
    if file.media_type in IMAGES:
        image = Image(data=file.data, url=file.url, media_type=file.media_type)
        return _image(image)
    if file.url is not None:
        source: Block = {"type": "url", "url": file.url}
        return _titled({"type": "document", "source": source}, file.name)
    media_type, data = file.media_type, file.data or b""
    if media_type.startswith("text/"):
        return _text_document(data.decode(errors="replace"), file.name)
    source = _base64(media_type, data, ("application/pdf",))
    return _titled({"type": "document", "source": source}, file.name)


def cache_mark(request: Request) -> Block | None:
    """The ``cache_control`` that the request asks for."""
    if not request.cache:
        return None
    if request.cache is True:
        return {"type": "ephemeral"}
    if request.cache not in ("5m", "1h"):
        raise UnsupportedError(f"anthropic caches for '5m' or '1h', not {request.cache!r}")
    return {"type": "ephemeral", "ttl": request.cache}


def mark_cached(body: Block, mark: Block) -> None:
    """Put the mark behind what stays the same from call to call.

    That is the tools and the system text. The messages follow only where the conversation goes
    on (or where there is nothing else): marking a single document would pay for writing a cache
    that nobody reads.
    """
    stable = body.get("system") or body.get("tools")
    if stable:
        stable[-1]["cache_control"] = mark
    turns = body["messages"]
    if not stable or len(turns) > 1:
        last = turns[-1]["content"][-1]
        if last["type"] in ("text", "image", "document", "tool_result", "tool_use"):
            last["cache_control"] = mark


def shorten(body: Block) -> None:
    """Write lone plain text as a string, the shorthand that the API has for it."""
    for holder, key in [(body, "system"), *((turn, "content") for turn in body["messages"])]:
        blocks = holder.get(key)
        if blocks and len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            holder[key] = blocks[0]["text"]
