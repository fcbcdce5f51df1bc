"""Our messages as Converse's: content blocks, merged turns, cache points."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from prompture.codecs.anthropic_request import ID_CHARS, ID_LETTERS
from prompture.codecs.bedrock_answer import DIALECT
from prompture.codecs.histories import wire_ids
from prompture.codecs.plain_text import part_text, text_only
from prompture.errors import ConfigurationError, UnsupportedError
from prompture.media import settled
from prompture.types import Document, File, Image, Message, Part, Request, Text

Block = dict[str, Any]
_IMAGES = {f"image/{kind}": kind for kind in ("png", "jpeg", "gif", "webp")}
_OFFICE = "application/vnd.openxmlformats-officedocument"
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}


def system_blocks(messages: Iterable[Message]) -> list[Block]:
    """Every system turn, in order."""
    said = [text_only(m) for m in messages if m.role == "system"]
    return [{"text": text} for text in said if text.strip()]


def wire_messages(messages: Iterable[Message]) -> list[Block]:
    """User and assistant turns in alternation: neighbours of one role are merged, tool results
    go first. Blank text is left out, as the API refuses it."""
    given = list(messages)
    ids = wire_ids(given, limit=ID_CHARS, allowed=ID_LETTERS)
    turns: list[Block] = []
    for message, known in zip(given, ids, strict=True):
        if message.role == "system" or not (blocks := _blocks(message, known)):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[0]["role"] != "user":
        raise ConfigurationError("bedrock: the first message must be a user's, with content")
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda b: "toolResult" not in b)
            _introduce(turn["content"])
    return turns


def _introduce(blocks: list[Block]) -> None:
    """A document needs a text beside it; where there is none, its name is that text."""
    names = [b["document"]["name"] for b in blocks if "document" in b]
    if names and not any("text" in b for b in blocks):
        blocks.append({"text": f"Attached: {', '.join(names)}"})


def _blocks(message: Message, ids: Mapping[str, str]) -> list[Block]:
    if message.role == "tool":
        return [_tool_result(message, ids)]
    if message.role == "user":
        return [block for part in message.parts if (block := _part(part))]
    native = message.native
    if native is not None and native.dialect == DIALECT:
        kept = (b for b in native.payload if b.get("text", "x").strip())
        return [_echoed(block, ids) for block in kept]
    text = text_only(message)
    blocks: list[Block] = [{"text": text}] if text.strip() else []
    for call in message.calls:
        use = {"toolUseId": ids[call.id], "name": call.name, "input": call.arguments or {}}
        blocks.append({"toolUse": use})
    return blocks


def _echoed(block: Block, ids: Mapping[str, str]) -> Block:
    use = block.get("toolUse")
    if not use:
        return dict(block)
    id = use.get("toolUseId")
    return {**block, "toolUse": {**use, "toolUseId": ids.get(id, id)}}


def _tool_result(message: Message, ids: Mapping[str, str]) -> Block:
    if not message.call_id:
        raise ConfigurationError("bedrock: a tool turn needs the call_id of the call it answers")
    content = [b for part in message.parts if (b := _part(part))]
    # The content may be neither missing nor blank.
    result: Block = {
        "toolUseId": ids[message.call_id],
        "content": content or [{"text": "(no output)"}],
    }
    if message.is_error:
        result["status"] = "error"
    return {"toolResult": result}


def _part(part: Part) -> Block | None:
    if isinstance(part, (Text, Document)):
        return {"text": part_text(part)} if part.text.strip() else None
    if isinstance(part, Image):
        part = settled(part)
        source, media_type = _source(part.url, part.data, part.media_type)
        return {"image": {"format": _format(_IMAGES, media_type), "source": source}}
    if part.id is not None:
        raise UnsupportedError("bedrock has no uploaded files: pass bytes, or an s3:// URL")
    part = settled(part)
    if part.media_type in _IMAGES:
        return _part(Image(data=part.data, url=part.url, media_type=part.media_type))
    source, media_type = _source(part.url, part.data, part.media_type)
    kind = _format(_DOCUMENTS, media_type)
    return {"document": {"format": kind, "name": _name(part), "source": source}}


def _source(url: str | None, data: bytes | None, media_type: str) -> tuple[Block, str]:
    if url is not None:
        if url.startswith("s3://"):
            return {"s3Location": {"uri": url}}, media_type
        raise UnsupportedError("bedrock fetches no URLs but s3:// ones: pass the bytes")
    return {"bytes": base64.b64encode(data or b"").decode()}, media_type


def _format(known: dict[str, str], media_type: str) -> str:
    if media_type not in known:
        raise UnsupportedError(f"bedrock: {media_type} cannot be sent; it takes {', '.join(known)}")
    return known[media_type]


def _name(file: File) -> str:
    """A document's name may hold letters, digits, single spaces, hyphens and brackets."""
    name = re.sub(r"[^A-Za-z0-9\-()\[\]]+", " ", file.name.rpartition(".")[0] or file.name)
    return name.strip() or "document"


def cache_point(request: Request) -> Block | None:
    """The cache point that the request asks for."""
    if not request.cache:
        return None
    if not re.search(r"claude|nova", request.model):
        raise UnsupportedError(f"{request.model} has no prompt cache on bedrock")
    if request.cache is True:
        return {"cachePoint": {"type": "default"}}
    if request.cache not in ("5m", "1h"):
        raise UnsupportedError(f"bedrock caches for '5m' or '1h', not {request.cache!r}")
    return {"cachePoint": {"type": "default", "ttl": request.cache}}


def mark_cached(body: Block, point: Block, *, tools: bool) -> None:
    """Put a point behind what stays the same from call to call, and behind a conversation that
    goes on (compare ``anthropic_request.mark_cached``). ``tools`` is whether tools may have one."""
    stable = body.get("system")
    if not stable and tools and "toolConfig" in body:
        stable = body["toolConfig"]["tools"]
    if stable:
        stable.append(point)
    turns = body["messages"]
    if (not stable or len(turns) > 1) and turns[-1]["role"] == "user":
        turns[-1]["content"].append(point)
