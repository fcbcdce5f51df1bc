"""Anything that describes a type, made into one value: its JSON Schema and how to check against it.

``source(schema)`` is cached per type, so that a repeated call costs a look-up.
"""

from __future__ import annotations

import copyreg
import marshal
import re
import typing
import unicodedata
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ForwardRef,
    Generic,
    Literal,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
)

from pydantic import TypeAdapter

from prompture.compat import adapter_type
from prompture.errors import SchemaError
from prompture.forks import fork_lock

if TYPE_CHECKING:
    from prompture.schema.partial_typed import Shape

T = TypeVar("T")

NAME_LENGTH = 64
CACHE_SIZE = 256
"""Sources kept for types, and as many again for JSON Schemas; the oldest goes first."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_DIGEST_FROM = 1024  # bytes of a JSON Schema's content beyond which its digest is the key


class Checker(Protocol):
    def validate(self, value: object) -> Any: ...
    def validate_json(self, text: str | bytes) -> Any: ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Source(Generic[T]):
    """A schema that was understood.

    ``name`` is fit for the name of a function (``[A-Za-z0-9_-]{1,64}``). ``json_schema`` is
    plain JSON and shared: do not change it. ``typed`` is False where the schema was a JSON Schema,
    whose values are plain JSON. Equal by identity; the same type gives the same Source.
    """

    name: str
    description: str
    json_schema: Mapping[str, Any]
    typed: bool
    _checker: Checker
    _made_of: tuple[Any, ...] = ()
    """The schema, and the context if there is one; empty where it was not made by ``source``."""

    def __copy__(self) -> Source[T]:
        return self

    def __deepcopy__(self, memo: object) -> Source[T]:
        return self  # it never changes, and its validators cannot be copied

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made of: another process makes its own validators."""
        if self._made_of:
            return _again, self._made_of
        return copyreg.__newobj__, (type(self),), self.__getstate__()  # type: ignore[attr-defined]

    def validate(self, value: object) -> T:
        """The typed value of a JSON value (dicts, lists, str, ...; Decimals are numbers).

        It is read as JSON is: a date is a string. Raises InvalidValue.
        """
        checked: T = self._checker.validate(value)
        return checked

    def validate_json(self, text: str | bytes) -> T:
        """The typed value of JSON text, the fastest way in.

        Raises InvalidValue, whose ``not_json`` says that the text is no JSON.
        """
        checked: T = self._checker.validate_json(text)
        return checked

    def bound(self, context: object) -> Source[T]:
        """The same schema, whose validators see ``context`` (Pydantic's validation context).
        A JSON Schema has no validators."""
        if context is None or not self.typed:
            return self
        checker = self._checker.bound(context)  # type: ignore[attr-defined]
        made_of = (*self._made_of[:1], context) if self._made_of else ()
        return replace(self, _checker=checker, _made_of=made_of)

    @property
    def shape(self) -> Shape:
        """What a value looks like while it is still being written (``schema.partial_typed``)."""
        if self.typed:
            return self._checker.shape  # type: ignore[attr-defined,no-any-return]
        from prompture.schema.partial_typed import PLAIN

        return PLAIN

    def __repr__(self) -> str:
        return f"Source({self.name!r}, typed={self.typed})"


@typing.overload
def source(schema: type[T]) -> Source[T]: ...
@typing.overload
def source(schema: TypeAdapter[T]) -> Source[T]: ...
@typing.overload
def source(schema: object) -> Source[Any]: ...
def source(schema: object) -> Source[Any]:
    """The Source of a Pydantic model, dataclass, TypedDict, NamedTuple, Enum, Literal, union,
    scalar, ``list[T]``, generic, TypeAdapter, or JSON Schema (a dict; true or false).

    Raises SchemaError, which says what is wrong, where, and what to do.
    """
    if isinstance(schema, type):
        return _TYPES.get(schema) or _TYPES.put(schema, _typed(schema))
    if isinstance(schema, (Mapping, bool)):
        return _of_mapping(_WHOLE[schema] if isinstance(schema, bool) else schema)
    try:
        key = _key(schema)
        found = _TYPES.get(key)
    except TypeError:  # known by identity alone, and kept alive
        key = _Identity(schema)
        found = _TYPES.get(key)
    return found or _TYPES.put(key, _typed(schema))


def _again(schema: object, context: object = None) -> Source[Any]:
    return source(schema).bound(context)


class _Cache:
    """A bounded dict; reading takes no lock, and the oldest entry leaves first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sources: dict[Hashable, Source[Any]] = {}
        self._lock = fork_lock()
        # No lock: one look-up in a dict is atomic, and a Source once in it never changes.
        self.get = self._sources.get

    def put(self, key: Hashable, made: Source[Any]) -> Source[Any]:
        with self._lock:
            while len(self._sources) >= self._size and key not in self._sources:
                del self._sources[next(iter(self._sources))]
            # Two threads may have made the same Source; both get the first, for it is known by identity.
            return self._sources.setdefault(key, made)


class _Identity:
    """A key equal only to that of the same object. It keeps the object alive: another one could
    otherwise get its ``id``."""

    __slots__ = ("_held",)

    def __init__(self, held: object) -> None:
        self._held = held

    def __hash__(self) -> int:
        return id(self._held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other._held is self._held


_WHOLE: dict[bool, dict[str, Any]] = {True: {}, False: {"not": {}}}
"""JSON Schema's ``true`` (anything) and ``false`` (nothing), as dicts."""
_TYPES = _Cache(CACHE_SIZE)
_SCHEMAS = _Cache(CACHE_SIZE)


def _key(schema: Any) -> Hashable:
    """A type form as a key that keeps the order of a union's and a Literal's members.

    ``int | str == str | int``, but a value that fits both is read as the first. Raises TypeError
    for a form with a name in it (``list["Receipt"]``), which means something else elsewhere.
    """
    args = get_args(schema)
    if isinstance(schema, (str, ForwardRef)):
        raise TypeError("a forward reference is no key")
    if not args:
        return schema  # type: ignore[no-any-return]
    origin = get_origin(schema)
    if origin is Literal:
        return (Literal, *((type(arg), arg) for arg in args))
    if origin is Annotated:
        return (Annotated, _key(args[0]), *args[1:])
    return (origin, *map(_key, args))


def _of_mapping(schema: Any) -> Source[Any]:
    from prompture.schema.jsonschema_check import plain_copy

    try:
        content = marshal.dumps(schema, 2)  # version 2: equal content gives equal bytes
    except (ValueError, TypeError):  # not made of JSON's own types alone, or too deep
        schema = plain_copy(schema)
        content = marshal.dumps(schema, 2)
    key = content if len(content) < _DIGEST_FROM else blake2b(content, digest_size=20).digest()
    return _SCHEMAS.get(key) or _SCHEMAS.put(key, _untyped(plain_copy(schema)))


def _untyped(schema: dict[str, Any]) -> Source[Any]:
    from prompture.schema.jsonschema_check import JSONSchemaChecker
    from prompture.schema.metaschema import refuse_no_schema

    refuse_no_schema(schema)
    checker = JSONSchemaChecker(schema)
    title = schema.get("title")
    name = safe_name(title if isinstance(title, str) else "") or "extraction"
    description = _text(schema.get("description"))
    return Source(name, description, schema, typed=False, _checker=checker, _made_of=(schema,))


def _typed(schema: object) -> Source[Any]:
    from prompture.schema.pydantic_check import TypedChecker
    from prompture.schema.type_adapter import adapter_of, json_schema_of, pydantic_form

    _refuse_what_is_no_type(schema)
    adapter = adapter_of(pydantic_form(schema))
    json_schema = json_schema_of(adapter, schema)
    name = safe_name(_type_name(schema)) or "extraction"
    checker = TypedChecker(adapter, json_schema)
    description = _description(json_schema)
    return Source(name, description, json_schema, typed=True, _checker=checker, _made_of=(schema,))


def _refuse_what_is_no_type(schema: object) -> None:
    if schema is None or schema is NoneType:
        raise SchemaError("None is no schema: there is nothing to extract")
    if isinstance(schema, (str, bytes)):
        raise SchemaError(
            "a string is no schema; give a type, or a JSON Schema as a dict (json.loads its text);"
            " the schema comes before the text: extract(schema, text)"
        )
    if isinstance(schema, list):
        of = _type_name(schema[0]) if len(schema) == 1 else "T"
        raise SchemaError(f"a list is no schema; for a list of values give list[{of}]")
    if isinstance(schema, (FunctionType, BuiltinFunctionType, MethodType, ModuleType)):
        raise SchemaError(f"a {type(schema).__name__} is no schema; give a type or a JSON Schema")
    if isinstance(schema, (int, float, tuple, set, frozenset)):
        raise SchemaError(f"a value of type {type(schema).__name__} is no schema; give its type")
    if not isinstance(schema, type) and hasattr(type(schema), "__pydantic_validator__"):
        raise SchemaError(f"{type(schema).__name__}(...) is an instance; give the class itself")


def _type_name(schema: object) -> str:
    """``Receipt``, ``list_of_Receipt``, ``Cat_or_Dog``, ``int_by_str`` (a dict)."""
    if isinstance(schema, TypeAdapter):
        return _type_name(adapter_type(schema, "value"))
    origin, args = get_origin(schema), get_args(schema)
    if origin is Annotated:
        return _type_name(args[0])
    if origin is Literal:
        return "choice"
    if origin in (typing.Union, UnionType):
        return "_or_".join(_type_name(arg) for arg in args if arg is not NoneType)
    if isinstance(schema, (str, ForwardRef)):
        return getattr(schema, "__forward_arg__", str(schema))
    name = getattr(schema, "__name__", None) or getattr(origin, "__name__", "")
    if not args:
        return str(name)
    names = [_type_name(arg) for arg in args if arg is not Ellipsis]
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(names) == 2:
        return f"{names[1]}_by_{names[0]}"
    return f"{name}_of_{'_and_'.join(names)}"


def safe_name(name: str) -> str:
    """The name as every provider takes it for a schema or a tool: ``[A-Za-z0-9_-]{0,64}``. It is
    empty where nothing of it can be kept."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("_", plain).strip("_")[:NAME_LENGTH]


def _description(json_schema: Mapping[str, Any]) -> str:
    """The root's description, also where the root is a reference (a recursive model)."""
    reference = json_schema.get("$ref")
    if "description" not in json_schema and isinstance(reference, str):
        home = json_schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
        return _text(home.get("description"))
    return _text(json_schema.get("description"))


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""
