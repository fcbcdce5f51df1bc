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
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Required, TypeAlias, TypeVar

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
from prompture.given import why
from prompture.money import ZERO, Bill, Charge, Cost
from prompture.schema.problems import problems_of
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

T = TypeVar("T")
FORMAT = "prompture.conversation"
VERSION = 1
_TAGS = ("$native", "$bytes", "$object")
_TYPES: dict[type, str] = {Text: "text", Document: "document", Image: "image", File: "file"}
# 1e999999 is short, and without an exponent, as amounts are written, a megabyte.
_MAX_EXPONENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedConversation:
    """What a file holds. ``model`` is ``"provider/model"``, ``system`` the system turn, ``waits`` are
    the runs of turns that wait for approval."""

    model: str = ""
    system: str = ""
    summary: str = ""
    notes: list[str] = field(default_factory=list)
    messages: tuple[Message, ...] = ()
    bill: Bill = field(default_factory=Bill)
    waits: list[str] = field(default_factory=list)


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
        "messages": [message_row(m) for m in saved.messages],
        "charges": [c.as_dict() for c in saved.bill.charges],
        **({"waits": saved.waits} if saved.waits else {}),
    }
    return json_text(body)


def json_text(body: JSON) -> str:
    """JSON that is UTF-8 and strict. Raises ConfigurationError for what JSON cannot hold."""
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


def message_row(message: Message) -> JSON:
    row = {
        f.name: value
        for f in fields(message)
        if (value := getattr(message, f.name)) != f.default or f.name in ("role", "content")
    }
    if not isinstance(message.content, str):
        row["content"] = [part_row(part) for part in message.content]
    if message.calls:
        row["calls"] = [{f.name: getattr(c, f.name) for f in fields(c)} for c in message.calls]
    if message.native is not None:
        row["native"] = _tagged(message.native)["$native"]
    return row


def part_row(part: Part) -> JSON:
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
    body = body_of(text, FORMAT, VERSION, "conversation")
    return validated(_adapter(), body, "conversation")


def body_of(text: str | bytes, format: str, version: int, kind: str) -> dict[str, Any]:
    """The object of a file of this kind. Raises ConfigurationError for any other text."""
    try:
        body = load_json(text)
    except UnreadableJSON as exc:
        raise ConfigurationError(f"the saved {kind} is not JSON: {exc}") from exc
    if not isinstance(body, dict) or body.get("format") != format:
        raise ConfigurationError(f"this JSON is no saved {kind}")
    if body.get("version") != version:
        raise ConfigurationError(
            f"the {kind} was saved in version {body.get('version')!r}; this one reads {version}"
        )
    return body


def validated(adapter: TypeAdapter[T], body: JSON, kind: str) -> T:
    """The value of a file. Raises ConfigurationError with a JSON pointer to what is wrong."""
    try:
        # As JSON again: Pydantic is strict then, and takes a list for a tuple all the same. The
        # text itself may hold what load_json has bounded or mended.
        return adapter.validate_json(json.dumps(body), strict=True)
    except ValidationError as exc:
        problem = problems_of(exc, lambda: body).problems[0]
        # Without a cause, for Pydantic's error prints the conversation.
        raise ConfigurationError(f"saved {kind}, {problem.pointer}: {problem.message}") from None


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write a file that its owner alone may read. A crash leaves the old file or the new one."""
    target = Path(path)
    if target.exists() and not target.is_file():  # a device or a pipe is not to be replaced
        target.write_text(text, encoding="utf-8")
        return
    # A temporary file is readable by its owner alone, as a conversation should be; os.replace puts
    # it in place in one step.
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", delete=False
    ) as part:
        try:
            part.write(text)
            part.flush()
            os.fsync(part.fileno())  # a power cut, too, must not leave an empty file
            part.close()  # Windows moves no file that is open
            os.replace(part.name, target)
        except BaseException:  # an interrupt, too, leaves no half of a file behind
            part.close()
            os.unlink(part.name)
            raise


def read_whole(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file. Raises ConfigurationError."""
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"cannot read {str(path)!r}: {why(exc)}") from exc


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


def _cost(*, usd: Decimal | None, saving_usd: Decimal | None = ZERO, **named: Any) -> Cost:
    return Cost(usd=usd, saving=saving_usd, **named)


def _conversation(*, charges: tuple[Charge, ...] = (), **named: Any) -> SavedConversation:
    return SavedConversation(bill=Bill(charges), **named)


def into(make: Callable[..., Any]) -> AfterValidator:
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
ContentRow: TypeAlias = Annotated[
    Annotated[str, Tag("text")] | Annotated[tuple[_Part, ...], Tag("parts")],
    Discriminator(lambda content: "text" if isinstance(content, str) else "parts"),
]
_Dollars: TypeAlias = Annotated[Decimal | None, BeforeValidator(_dollars)]
Count: TypeAlias = Annotated[int, Field(ge=0)]


class MessageRow(TypedDict, total=False):
    role: Required[Role]
    content: ContentRow
    calls: tuple[ToolCall, ...]
    call_id: str | None
    name: str | None
    is_error: bool
    reasoning: str
    native: Annotated[object, AfterValidator(_native)]


class UsageRow(TypedDict, total=False):
    input_tokens: Count
    output_tokens: Count
    cache_read_tokens: Count
    cache_write_tokens: Count
    reasoning_tokens: Count
    reported: bool


class _Cost(TypedDict, total=False):
    usd: Required[Annotated[_Dollars, AfterValidator(_not_negative)]]
    reason: str
    source: str
    as_of: str
    saving_usd: _Dollars


class ChargeRow(TypedDict, total=False):
    provider: Required[str]
    model: Required[str]
    usage: Required[Annotated[UsageRow, AfterValidator(lambda row: Usage(**row, requests=1))]]
    cost: Required[Annotated[_Cost, into(_cost)]]
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
    waits: list[str]
    messages: Required[tuple[Annotated[MessageRow, into(Message)], ...]]
    charges: tuple[Annotated[ChargeRow, into(Charge)], ...]


_Saved: TypeAlias = Annotated[_Conversation, into(_conversation)]
