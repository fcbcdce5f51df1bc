"""Conversations as versioned JSON. Nothing but JSON is read, and all of it is checked."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from prompture.errors import ConfigurationError
from prompture.money import Bill, Charge, Cost
from prompture.types import (
    Document,
    File,
    Image,
    Message,
    Native,
    Part,
    Role,
    Text,
    ToolCall,
    Usage,
)
from prompture.wire.loading import UnreadableJSON, load_json

FORMAT = "prompture.conversation"
VERSION = 1
_ROLES = get_args(Role)
_MARKS = ("$native", "$bytes", "$object")
_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


class _Bad(Exception):
    """Something in the JSON is not as it should be; ``args`` are its pointer and what is wrong."""


def dump(state: Mapping[str, Any], messages: tuple[Message, ...], bill: Bill) -> str:
    """The JSON text. ``state`` holds plain JSON values. Raises ConfigurationError where a
    provider's own item cannot be written."""
    body = {
        "format": FORMAT,
        "version": VERSION,
        **state,
        "messages": [_message(m) for m in messages],
        "charges": [c.as_dict() for c in bill.charges],
    }
    try:
        return json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False)
    except ValueError as exc:
        raise ConfigurationError(
            f"a call's arguments or a provider's item cannot be saved: {exc}"
        ) from exc


def load(text: str | bytes) -> tuple[dict[str, Any], tuple[Message, ...], Bill]:
    """What ``dump`` wrote; a charge's lines by bucket are not restored, its amount is. Raises ConfigurationError, which says where it is wrong."""
    try:
        body = load_json(text)
    except UnreadableJSON as exc:
        raise ConfigurationError(f"the saved conversation is not JSON: {exc}") from exc
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise ConfigurationError("this JSON is no saved conversation")
    if body.get("version") != VERSION:
        raise ConfigurationError(
            f"the conversation was saved in version {body.get('version')!r}; this one reads"
            f" {VERSION}"
        )
    try:
        messages = tuple(
            _read_message(row, f"/messages/{i}")
            for i, row in enumerate(_list(body.get("messages"), "/messages"))
        )
        charges = _list(body.get("charges", []), "/charges")
        bill = Bill(tuple(_charge(row, f"/charges/{i}") for i, row in enumerate(charges)))
    except _Bad as exc:
        raise ConfigurationError(f"saved conversation, {exc.args[0]}: {exc.args[1]}") from None
    except RecursionError:
        raise ConfigurationError("the saved conversation is nested too deeply") from None
    return body, messages, bill


def _message(message: Message) -> dict[str, Any]:
    content = message.content
    row: dict[str, Any] = {
        "role": message.role,
        "content": content if isinstance(content, str) else [_part(p) for p in content],
    }
    if message.calls:
        row["calls"] = [_call(c) for c in message.calls]
    for key in ("call_id", "name", "is_error", "reasoning"):
        if value := getattr(message, key):
            row[key] = value
    if message.native is not None:
        row["native"] = _plain(message.native)["$native"]
    return row


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "raw_arguments": call.raw_arguments,
        "problem": call.problem,
    }


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Document):
        return {"type": "document", "text": part.text, "name": part.name}
    kind = "image" if isinstance(part, Image) else "file"
    row: dict[str, Any] = {"type": kind, "media_type": part.media_type}
    for key in ("url", "id", "name", "detail"):
        if value := getattr(part, key, None):
            row[key] = value
    if part.data is not None:
        row["data"] = base64.b64encode(part.data).decode()
    return row


def _plain(value: Any) -> Any:
    """A provider's item as JSON; what JSON has not is marked, and marks of its own are wrapped."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Native):
        return {"$native": {"dialect": value.dialect, "payload": _plain(value.payload)}}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        made = {key: _plain(item) for key, item in value.items()}
        return {"$object": made} if any(mark in made for mark in _MARKS) else made
    raise ConfigurationError(
        f"a provider's item holds a {type(value).__name__}: it cannot be saved"
    )


def _revived(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_revived(item, where) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "$native":
            return _native(inner, where)
        if key == "$bytes":
            return _bytes(inner, where)
        if key == "$object" and isinstance(inner, dict):
            return {name: _revived(item, where) for name, item in inner.items()}
    return {name: _revived(item, where) for name, item in value.items()}


def _native(row: Any, where: str) -> Native:
    row = _dict(row, where)
    return Native(_str(row, "dialect", where), _revived(row.get("payload"), f"{where}/payload"))


def _read_message(row: Any, where: str) -> Message:
    row = _dict(row, where)
    role = row.get("role")
    if role not in _ROLES:
        raise _Bad(f"{where}/role", f"must be one of {', '.join(_ROLES)}")
    content = row.get("content", "")
    if not isinstance(content, str):
        content = tuple(
            _read_part(p, f"{where}/content/{i}")
            for i, p in enumerate(_list(content, f"{where}/content"))
        )
    calls = _list(row.get("calls", []), f"{where}/calls")
    native = row.get("native")
    return Message(
        role=role,
        content=content,
        calls=tuple(_read_call(c, f"{where}/calls/{i}") for i, c in enumerate(calls)),
        call_id=_maybe(row, "call_id", where),
        name=_maybe(row, "name", where),
        is_error=bool(row.get("is_error", False)),
        reasoning=_maybe(row, "reasoning", where) or "",
        native=None if native is None else _native(native, f"{where}/native"),
    )


def _read_call(row: Any, where: str) -> ToolCall:
    row = _dict(row, where)
    arguments = row.get("arguments")
    if arguments is not None:
        arguments = _dict(arguments, f"{where}/arguments")
    return ToolCall(
        id=_str(row, "id", where),
        name=_str(row, "name", where),
        arguments=arguments,
        raw_arguments=_maybe(row, "raw_arguments", where) or "",
        problem=_maybe(row, "problem", where),
    )


def _read_part(row: Any, where: str) -> Part:
    row = _dict(row, where)
    kind = row.get("type")
    if kind == "text":
        return Text(_str(row, "text", where))
    if kind == "document":
        return Document(_str(row, "text", where), _maybe(row, "name", where) or "")
    if kind not in ("image", "file"):
        raise _Bad(f"{where}/type", "must be text, document, image or file")
    data = row.get("data")
    given: dict[str, Any] = {
        "data": None if data is None else _bytes(data, f"{where}/data"),
        "url": _maybe(row, "url", where),
        "media_type": _str(row, "media_type", where),
    }
    try:
        if kind == "image":
            return Image(**given, detail=_maybe(row, "detail", where))
        name = _maybe(row, "name", where) or "document"
        return File(**given, id=_maybe(row, "id", where), name=name)
    except ValueError as exc:
        raise _Bad(where, str(exc)) from None


def _charge(row: Any, where: str) -> Charge:
    row = _dict(row, where)
    usage, cost = _dict(row.get("usage"), f"{where}/usage"), _dict(row.get("cost"), f"{where}/cost")
    counts: dict[str, Any] = {name: _count(usage, name, f"{where}/usage") for name in _USAGE}
    return Charge(
        provider=_str(row, "provider", where),
        model=_str(row, "model", where),
        usage=Usage(**counts, requests=1, reported=bool(usage.get("reported"))),
        cost=Cost(
            usd=_amount(cost, "usd", where),
            reason=_maybe(cost, "reason", where) or "",
            source=_maybe(cost, "source", where) or "",
            as_of=_maybe(cost, "as_of", where) or "",
            saving=_amount(cost, "saving_usd", where) or Decimal(0),
        ),
        status=_str(row, "status", where),
        request_id=_maybe(row, "request_id", where),
        seconds=_seconds(row, where),
        note=_maybe(row, "note", where) or "",
    )


def _count(row: Mapping[str, Any], key: str, where: str) -> int:
    value = row.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Bad(f"{where}/{key}", "must be a whole number of at least 0")
    return value


def _seconds(row: Mapping[str, Any], where: str) -> float:
    value = row.get("seconds", 0.0)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
        raise _Bad(f"{where}/seconds", "must be a number of at least 0")
    return float(value)


def _amount(row: Mapping[str, Any], key: str, where: str) -> Decimal | None:
    text = _maybe(row, key, f"{where}/cost")
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    # A saving is less than nothing where a cache cost more to write than it spared.
    if not amount.is_finite() or abs(amount.adjusted()) > 50 or (amount < 0 and key == "usd"):
        raise _Bad(f"{where}/cost/{key}", "must be a decimal number in quotes, dollars from 0 on")
    return amount


def _bytes(text: Any, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _Bad(where, "must be base64") from None


def _dict(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Bad(where, "must be an object")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Bad(where, "must be a list")
    return value


def _str(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise _Bad(f"{where}/{key}", "must be a string")
    return value


def _maybe(row: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if row.get(key) is None else _str(row, key, where)
