"""What stands around a value: the envelope of a list, which is asked for, and the wrappings that
models add.

Providers refuse a schema whose root is a list, so a list of things is asked for as one object:
``{"items": [...]}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from prompture.json_values import NAN_BECAME_NULL
from prompture.schema.document import role_of
from prompture.schema.exact_json import Doubtful, ExactDecoder
from prompture.schema.key_check import SchemaKeys, check_keys, keys_of, validated
from prompture.schema.known_keys import AllowedKeys
from prompture.schema.partial import Path
from prompture.schema.problems import InvalidValue, Problem
from prompture.schema.repair import NotJSON, parse, read_exactly
from prompture.schema.rewriting import Rewrite
from prompture.schema.rewriting.codec import SAME, Deferred, ListCodec, ValueCodec
from prompture.schema.rewriting.records import RecordCodec
from prompture.schema.source import Source
from prompture.types import JSON, JSONValue

if TYPE_CHECKING:
    from prompture.extraction.examples import Example

KEY = "items"
_ITEM = f"/properties/{KEY}/items"
_HOISTED = ("$defs", "definitions", "$schema")


# One envelope for each source: plans and known keys are found by the source again.
@lru_cache(maxsize=256)
def envelope_of(one: Source[Any]) -> Source[Any]:
    """The source of a list of the things that ``one`` describes."""
    described = f"Every {one.name} in the document, in order"
    schema = {
        "type": "object",
        "properties": {KEY: {"type": "array", "items": schema_under(one.json_schema, _ITEM)}},
        "required": [KEY],
        "additionalProperties": False,
        **hoisted(one.json_schema, _ITEM),
    }
    return Source(
        # OpenAI takes names of 64 characters at most.
        f"{one.name[:54]}_items",
        f"{described}: {one.description}" if one.description else f"{described}.",
        schema,
        typed=False,
        _checker=_Each(one),
    )


def in_items(each: Example) -> Example:
    """An example of one thing, or of a list of them, as one of the envelope."""
    items = each.value if each.is_list or isinstance(each.value, list) else [each.value]
    return replace(each, value={KEY: items}, is_list=False)


class _Each:
    """Validates an envelope: each of its items by itself, with the checker of one."""

    def __init__(self, one: Source[Any]) -> None:
        self._one = one

    def validate(self, value: JSONValue) -> JSONValue:
        items = value.get(KEY) if isinstance(value, Mapping) else value
        if not isinstance(items, list):
            raise InvalidValue([Problem(f"/{KEY}", "must be a list", "type")])
        return [self._one.validate(item) for item in items]

    def validate_json(self, text: str | bytes) -> JSONValue:
        try:
            value = read_exactly(text)
        except Doubtful as doubt:
            message = f"is no answer: {doubt.reason}"
            raise InvalidValue([Problem("", message, "json_doubtful")]) from None
        except (ValueError, RecursionError):
            raise InvalidValue([Problem("", "is not JSON", "json_invalid")]) from None
        return self.validate(value)

    def allowed_keys(self) -> AllowedKeys:
        """Where which keys may stand."""
        one = keys_of(self._one)
        return AllowedKeys(fields={KEY: lambda: AllowedKeys(items=lambda: one.root)})


# The schema of one stands deeper in the envelope. Its definitions move to the root, where providers
# expect them, and its references follow; a schema with an $id is its own root, and stays whole.


def _has_own_base(schema: JSON) -> bool:
    return "$id" in schema or "id" in schema


def schema_under(schema: JSON, base: str) -> JSONValue:
    """A schema as it stands at ``base`` in another, without its definitions."""
    if _has_own_base(schema):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _HOISTED}
    return _moved(kept, base)


def hoisted(schema: JSON, base: str) -> dict[str, JSONValue]:
    """The definitions of a schema that stands at ``base``, for the root of the other."""
    if _has_own_base(schema):
        return {}
    return {
        key: _moved(schema[key], base, role_of(key, "schema")) for key in _HOISTED if key in schema
    }


def _moved(node: JSONValue, base: str, role: str = "schema") -> JSONValue:
    """The schema with its references as they are from the root of the envelope. Data in it (a
    ``const``) and schemas with an $id of their own, which references count from, stay."""
    if role == "data":
        return node
    if isinstance(node, list):
        return [_moved(each, base, role) for each in node]
    if not isinstance(node, Mapping) or (role == "schema" and isinstance(node.get("$id"), str)):
        return node
    moved = {key: _moved(value, base, role_of(key, role)) for key, value in node.items()}
    ref = node.get("$ref")
    if role == "schema" and isinstance(ref, str) and (ref == "#" or ref.startswith("#/")):
        is_kept = any(ref.startswith(f"#/{key}/") for key in _HOISTED)
        moved["$ref"] = ref if is_kept else f"#{base}{ref[1:]}"
    return moved


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Where a provider's answer has the list, and how one of its items is read."""

    path: Path
    read: Callable[[str], JSONValue]
    """The value of an item's text, mended where it is nearly JSON. Raises InvalidValue."""
    written: Callable[[str], JSONValue] = read_exactly
    """The JSON of such a text in the schema's shape, before validators. Raises ValueError."""


def item_reader(one: Source[Any], rewrite: Rewrite) -> ItemReader | None:
    """None where the rewriting for the provider leaves no list that could be read by item."""
    place = _list_codec(rewrite.codec)
    if place is None:
        return None
    path, item = place
    same = item is SAME

    def read(raw: str) -> JSONValue:
        try:
            return validated(one, raw) if same else _restored(one, item, raw)
        # Mending changes nothing about a valid text that breaks the schema. NaN is read as a number
        # first, and is null once mended.
        except InvalidValue as exc:
            if not exc.not_json and "NaN" not in raw:
                raise
        try:
            mended = parse(raw).text
        except NotJSON as exc:
            message = f"must be JSON: {exc}"
            raise InvalidValue([Problem("", message, "json_invalid")]) from exc
        return validated(one, mended) if same else _restored(one, item, mended)

    def written(raw: str) -> JSONValue:
        try:
            answer = read_exactly(raw)
        except ValueError:
            answer = read_exactly(parse(raw).text)
        return answer if same or answer is None else item.restore(answer)

    return ItemReader(path, read, written)


def _restored(one: Source[Any], item: ValueCodec, raw: str) -> JSONValue:
    try:
        answer = ExactDecoder().decode(raw)
    except Doubtful as doubt:
        raise InvalidValue(
            [Problem("", f"is no answer: {doubt.reason}", "json_doubtful")]
        ) from None
    except (ValueError, RecursionError):
        raise InvalidValue([Problem("", "must be JSON", "json_invalid")]) from None
    plain = item.restore(answer) if answer is not None else None
    value = one.validate(plain)
    check_keys(one, plain, value)
    return value


def _list_codec(codec: ValueCodec) -> tuple[Path, ValueCodec] | None:
    if codec is SAME:
        return (KEY,), SAME
    field = codec.by_name.get(KEY) if isinstance(codec, RecordCodec) else None
    if field is None or field.presence == "list":
        return None
    inner = field.codec
    while isinstance(inner, Deferred):
        inner = inner.target
    if inner is SAME:
        return (field.wire,), SAME
    if isinstance(inner, ListCodec) and not inner.prefix:
        return (field.wire,), inner.item
    return None


# Wrappings: a key, the shape of a schema, a tool call written as text

_DEPTH = 3
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input", "kwargs")
_OF_CALLS = frozenset(
    (
        *_ARGUMENTS,
        "name",
        "function",
        "type",
        "id",
        "call_id",
        "index",
        "tool",
        "tool_name",
        "recipient_name",
        "action",
    )
)
_OF_SCHEMAS = frozenset(
    [
        "properties",
        "type",
        "title",
        "description",
        "required",
        "$schema",
        "$defs",
        "definitions",
        "$id",
        "additionalProperties",
    ]
)


def is_wrapping(answer: JSONValue, keys: SchemaKeys) -> bool:
    """Whether it is a tool call or a schema, of which no key may be read as data."""
    return _arguments_of(answer, keys) is not None or _properties_of(answer, keys) is not None


def inner_values(answer: JSONValue, keys: SchemaKeys) -> Iterator[JSONValue]:
    """Values inside a wrapping, which may be the one that is wanted: outermost first."""
    for _ in range(_DEPTH):
        answer = _inner(answer, keys)
        if answer is None:
            return
        if not is_wrapping(answer, keys):
            yield answer


def _inner(answer: JSONValue, keys: SchemaKeys) -> JSONValue:
    if isinstance(answer, str):
        return _object_in(answer)
    if isinstance(answer, list):  # of one object: that is the object
        is_one = len(answer) == 1 and isinstance(answer[0], dict) and not keys.takes_lists
        return answer[0] if is_one else None
    if not isinstance(answer, dict):
        return None
    # Before the only key: {"arguments": ...} is a call, whatever else it may look like.
    for inside in (_arguments_of(answer, keys), _properties_of(answer, keys)):
        if inside is not None:
            return inside
    if len(answer) != 1:
        return None
    ((key, inner),) = answer.items()
    if keys.knows(key):
        return None
    return inner if isinstance(inner, (dict, list)) else _object_in(inner)


def _object_in(text: JSONValue) -> JSONValue:
    """The object or list that a text is the JSON of: it was encoded twice."""
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return None
    decoder = ExactDecoder()
    try:
        found = decoder.decode(text)
    except (ValueError, RecursionError):
        return None
    return None if NAN_BECAME_NULL in decoder.notes else found  # nobody would note it


def _arguments_of(answer: JSONValue, keys: SchemaKeys) -> JSONValue:
    """The arguments of a tool call; None where the object is none."""
    if not isinstance(answer, dict) or not answer.keys() <= _OF_CALLS:
        return None
    function = answer.get("function")
    if isinstance(function, dict) and not keys.knows("function"):
        return _arguments_of(function, keys)
    for word in _ARGUMENTS:
        inner = answer.get(word)
        if inner is not None and not keys.knows(word):
            return inner if isinstance(inner, dict) else _object_in(inner)
    return None


def _properties_of(answer: JSONValue, keys: SchemaKeys) -> JSONValue:
    """The data that was put in the place of a schema's properties; the properties themselves
    where it is a schema."""
    if not isinstance(answer, dict) or not answer.keys() <= _OF_SCHEMAS:
        return None
    inner = answer.get("properties")
    return inner if isinstance(inner, dict) and not keys.knows("properties") else None
