"""Conversations as versioned JSON. Nothing but JSON is read, and all of it is checked.

Version 1::

    {"format": "prompture.conversation", "version": 1,
     "model": "openai/gpt-5", "system": "", "summary": "", "notes": [],
     "messages": [{"role": "user", "content": "hi"}, ...], "charges": [...]}

A message has those fields of ``Message`` that differ from their defaults. A part has a ``type``;
bytes are base64. A provider's own item (``native``) may hold bytes and other items, for which JSON
has no form: they become objects with the one key ``$bytes`` or ``$native``. An object that has
such a key of its own is wrapped in one with the key ``$object``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, Required, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from prompture.errors import ConfigurationError
from prompture.money import Bill, Charge, Cost
from prompture.schema.pydantic_errors import problems_of
from prompture.types import (
    JSON,
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
_TAGS = ("$native", "$bytes", "$object")
_TYPES: dict[type, str] = {Text: "text", Document: "document", Image: "image", File: "file"}
# 1e999999 is short, and without an exponent, as amounts are written, a megabyte.
_MAX_EXPONENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedConversation:
    """What a file holds. ``model`` is ``"provider/model"``, ``system`` the system turn."""

    model: str = ""
    system: str = ""
    summary: str = ""
    notes: list[str] = field(default_factory=list)
    messages: tuple[Message, ...] = ()
    bill: Bill = field(default_factory=Bill)


# Writing


def dump(saved: SavedConversation) -> str:
    """The JSON text. Raises ConfigurationError for what JSON cannot hold."""
    body = {
        "format": FORMAT,
        "version": VERSION,
        "model": saved.model,
        "system": saved.system,
        "summary": saved.summary,
        "notes": saved.notes,
        "messages": [_message_row(m) for m in saved.messages],
        "charges": [c.as_dict() for c in saved.bill.charges],
    }
    try:
        text = json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False)
        # Half of a surrogate pair (a file's name in a tool's result may have one) has no UTF-8.
        return text if _is_utf8(text) else json.dumps(body, indent=1)
    except (ValueError, TypeError) as exc:
        raise ConfigurationError(
            f"a call's arguments or a provider's item cannot be saved: {exc}"
        ) from exc


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _message_row(message: Message) -> JSON:
    row = {
        f.name: value
        for f in fields(message)
        if (value := getattr(message, f.name)) != f.default or f.name in ("role", "content")
    }
    if not isinstance(message.content, str):
        row["content"] = [_part_row(part) for part in message.content]
    if message.calls:
        row["calls"] = [{f.name: getattr(c, f.name) for f in fields(c)} for c in message.calls]
    if message.native is not None:
        row["native"] = _tagged(message.native)["$native"]
    return row


def _part_row(part: Part) -> JSON:
    # By isinstance, for a part may be of a subclass.
    kind = next(kind for of, kind in _TYPES.items() if isinstance(part, of))
    row = {f.name: getattr(part, f.name) for f in fields(part)}
    if row.get("data") is not None:
        row["data"] = base64.b64encode(row["data"]).decode()
    return {"type": kind, **{name: value for name, value in row.items() if value is not None}}


def _tagged(value: object) -> Any:
    """A provider's item as JSON."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Native):
        return {"$native": {"dialect": value.dialect, "payload": _tagged(value.payload)}}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [_tagged(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        made = {key: _tagged(item) for key, item in value.items()}
        return {"$object": made} if any(tag in made for tag in _TAGS) else made
    raise ConfigurationError(
        f"a provider's item holds a {type(value).__name__}: it cannot be saved"
    )


# Reading: by Pydantic, from the types themselves where the file has their fields.


def load(text: str | bytes) -> SavedConversation:
    """What ``dump`` wrote. Of a charge its amount is restored, its lines by bucket are not.

    Raises ConfigurationError, with a JSON pointer to what is wrong.
    """
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
        # As JSON again: Pydantic is strict then, and takes a list for a tuple all the same. The
        # text itself may hold what load_json has bounded or mended.
        return _adapter().validate_json(json.dumps(body), strict=True)
    except ValidationError as exc:
        problem = problems_of(exc, lambda: body).problems[0]
        # Without a cause, for Pydantic's error prints the conversation.
        raise ConfigurationError(
            f"saved conversation, {problem.pointer}: {problem.message}"
        ) from None


@cache
def _adapter() -> TypeAdapter[SavedConversation]:
    # The type checker sees the row, not what its validator makes of it.
    of: Any = _Saved
    return TypeAdapter(of)


def _restored(value: object) -> Any:
    """A provider's item as it was; the inverse of ``_tagged``."""
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "$native":
            return _native(inner)
        if key == "$bytes":
            return _decoded(inner)
        if key == "$object" and isinstance(inner, dict):
            return {name: _restored(item) for name, item in inner.items()}
    return {name: _restored(item) for name, item in value.items()}


def _native(row: object) -> Native:
    if not isinstance(row, dict) or not isinstance(row.get("dialect"), str):
        raise ValueError("must be an object with dialect and payload")
    return Native(row["dialect"], _restored(row.get("payload")))


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("must be base64")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("must be base64") from None


def _dollars(text: object) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount.adjusted()) > _MAX_EXPONENT:
        raise ValueError("must be a decimal number in quotes, US dollars")
    return amount


def _not_negative(amount: Decimal | None) -> Decimal | None:
    # Of a price alone: a cache that was written and never read has a negative saving.
    if amount is not None and amount < 0:
        raise ValueError("must be US dollars from 0 on")
    return amount


def _cost(*, usd: Decimal | None, saving_usd: Decimal | None = None, **named: Any) -> Cost:
    return Cost(usd=usd, saving=saving_usd or Decimal(0), **named)


def _conversation(*, charges: tuple[Charge, ...] = (), **named: Any) -> SavedConversation:
    return SavedConversation(bill=Bill(charges), **named)


def _into(make: Callable[..., Any]) -> AfterValidator:
    return AfterValidator(lambda row: make(**row))


def _type_of(row: object) -> object:
    return row.get("type") if isinstance(row, dict) else None


_Part: TypeAlias = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Document, Tag("document")]
    | Annotated[Image, Tag("image")]
    | Annotated[File, Tag("file")],
    Discriminator(
        _type_of,
        custom_error_type="part",
        custom_error_message="must have a type: text, document, image or file",
    ),
]
_Content: TypeAlias = Annotated[
    Annotated[str, Tag("text")] | Annotated[tuple[_Part, ...], Tag("parts")],
    Discriminator(lambda content: "text" if isinstance(content, str) else "parts"),
]
_Dollars: TypeAlias = Annotated[Decimal | None, BeforeValidator(_dollars)]
_Count: TypeAlias = Annotated[int, Field(ge=0)]


class _Message(TypedDict, total=False):
    role: Required[Role]
    content: _Content
    calls: tuple[ToolCall, ...]
    call_id: str | None
    name: str | None
    is_error: bool
    reasoning: str
    native: Annotated[object, AfterValidator(_native)]


class _Usage(TypedDict, total=False):
    input_tokens: _Count
    output_tokens: _Count
    cache_read_tokens: _Count
    cache_write_tokens: _Count
    reasoning_tokens: _Count
    reported: bool


class _Cost(TypedDict, total=False):
    usd: Required[Annotated[_Dollars, AfterValidator(_not_negative)]]
    reason: str
    source: str
    as_of: str
    saving_usd: _Dollars


class _Charge(TypedDict, total=False):
    provider: Required[str]
    model: Required[str]
    usage: Required[Annotated[_Usage, AfterValidator(lambda row: Usage(**row, requests=1))]]
    cost: Required[Annotated[_Cost, _into(_cost)]]
    status: Required[str]
    request_id: str | None
    seconds: Annotated[float, Field(ge=0)]
    note: str


@with_config(ConfigDict(val_json_bytes="base64"))
class _Conversation(TypedDict, total=False):
    model: str
    system: str
    summary: str
    notes: list[str]
    messages: Required[tuple[Annotated[_Message, _into(Message)], ...]]
    charges: tuple[Annotated[_Charge, _into(Charge)], ...]


_Saved: TypeAlias = Annotated[_Conversation, _into(_conversation)]
