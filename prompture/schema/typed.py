"""Values of Python types: Pydantic's validators, their errors told in JSON pointers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from copy import copy
from decimal import Decimal
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from types import FrameType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import (
    PydanticSchemaGenerationError,
    PydanticUndefinedAnnotation,
    PydanticUserError,
)
from pydantic_core import SchemaError as CoreSchemaError
from pydantic_core import SchemaValidator

from prompture.errors import SchemaError
from prompture.schema.blunders import blunder
from prompture.schema.check import InvalidValue, Problem
from prompture.schema.chunked_validation import LARGE_CHARS, no_collection, yielding
from prompture.schema.cores import Core, nodes_of
from prompture.schema.finite import refuse_infinite
from prompture.schema.held import MARK, MENDABLE, compiled, exact, full, quick
from prompture.schema.pointer import pointer
from prompture.schema.pydantic_errors import problems_of

if TYPE_CHECKING:
    from prompture.schema.partial_typed import Shape

_LONG_NUMBER = re.compile(r"(?<![\w\".])-?\d(?:\.?\d){15,}(?:[eE][-+]?\d+)?(?![\w\"])")
# A raw JSON float reaches a Decimal field by way of a binary double (pydantic-core), which keeps
# 15 significant digits for certain; longer ones are read again out of marked texts.

_OPAQUE = frozenset({"any", "function-plain", "function-before", "function-wrap", "json"})


class _Validators:
    """The validators of one type, each made when first needed; ``config`` is that of the type."""

    __slots__ = ("_adapter", "_config", "_made")

    def __init__(self, adapter: TypeAdapter[Any], config: Any) -> None:
        self._adapter = adapter
        self._config = config
        self._made: dict[tuple[str, bool], Any] = {}

    def get(self, name: str, *, yields: bool = False) -> Any:
        """The quick, the full, or the exact one (see ``held``); ``yields`` for a long answer."""
        made = self._made.get((name, yields))
        if made is None:
            core = {"quick": quick, "full": full, "exact": exact}[name](self._adapter.core_schema)
            made = self._compiled(yielding(core) if yields else core)
            self._made[name, yields] = made
        return made

    def _compiled(self, core: Core) -> Any:
        if isinstance(self._adapter.validator, SchemaValidator):
            return compiled(core, self._config)
        # Pydantic's plugins (a tracer's) see what is validated here too.
        from pydantic.plugin._schema_validator import create_schema_validator

        kind: Any = getattr(self._adapter, "_type", object)
        home, name = getattr(kind, "__module__", ""), getattr(kind, "__qualname__", str(kind))
        make: Any = create_schema_validator
        return make(core, kind, home, name, "TypeAdapter", config=self._config, _use_prebuilt=False)


class TypedChecker:
    """Validates JSON for one type: one call of pydantic-core, two where something is mended."""

    __slots__ = (
        "_by_name",
        "_config",
        "_context",
        "_core",
        "_exact",
        "_open",
        "_shape",
        "_validators",
        "_withhold",
    )

    def __init__(self, adapter: TypeAdapter[Any], json_schema: Mapping[str, Any]) -> None:
        traits = _Traits(adapter.core_schema)
        self._core = adapter.core_schema
        self._config = config = config_of(adapter)
        self._context: Any = None
        self._shape: Shape | None = None
        self._validators = _Validators(adapter, config)
        self._by_name = None if traits.names_clash else True
        self._exact = traits.decimals
        self._open = traits.opaque or traits.takes_more
        hides = bool(config and config.get("hide_input_in_errors"))
        self._withhold = hides or traits.hides_input or _mentions_secret(json_schema)

    def bound(self, context: Any) -> TypedChecker:
        """The same, for validators that are to see this context."""
        other = copy(self)
        other._context, other._shape = context, None
        return other

    @property
    def core(self) -> Core:
        """The type's core schema."""
        return self._core

    @property
    def shape(self) -> Shape:
        """What unfinished values look like; its validators are made when first needed."""
        if self._shape is None:
            from prompture.schema.partial_typed import shape_of

            self._shape = shape_of(
                full(self._core),
                config=self._config,
                by_name=self._by_name,
                context=self._context,
            )
        return self._shape

    def validate_json(self, text: str | bytes) -> Any:
        if len(text) > LARGE_CHARS:
            with no_collection():
                return self._checked(text, yields=True)
        return self._checked(text, yields=False)

    def validate(self, value: Any) -> Any:
        return self.validate_json(to_json(value))

    def _checked(self, text: str | bytes, *, yields: bool) -> Any:
        try:
            found = self._read("quick", text, yields=yields)
        except ValidationError as error:
            found = self._mended(text, error, yields=yields)
        if self._open:
            refuse_infinite(text)
        return self._exactly(text, found) if self._exact else found

    def _read(self, name: str, text: str | bytes, *, yields: bool) -> Any:
        """Raises ValidationError, and InvalidValue for whatever else a validator raised."""
        validator = self._validators.get(name, yields=yields)
        try:
            return validator.validate_json(
                text, by_alias=True, by_name=self._by_name, context=self._context
            )
        except (ValidationError, MemoryError):
            raise
        except Exception as error:  # a user's validator may raise anything
            raise blunder(error, withhold=self._withhold) from error

    def _mended(self, text: str | bytes, refusal: ValidationError, *, yields: bool) -> Any:
        """What the answer is once mended, if mending may help. Raises InvalidValue."""
        kinds = {line["type"] for line in refusal.errors(include_url=False, include_input=False)}
        if kinds & MENDABLE:
            try:
                return self._read("full", text, yields=yields)
            except ValidationError as error:
                refusal = error
        # `from None`: Pydantic's error prints the document.
        raise problems_of(refusal, lambda: _loaded(text), withhold=self._withhold) from None

    def _exactly(self, text: str | bytes, found: Any) -> Any:
        plain = text.decode() if isinstance(text, bytes) else text
        if not _LONG_NUMBER.search(plain) or MARK[0] in plain or _ESCAPED_MARK in plain:
            return found
        marked = json.dumps(json.loads(plain, parse_float=_long_as_text))
        try:
            return self._validators.get("exact").validate_json(
                marked, by_alias=True, by_name=self._by_name, context=self._context
            )
        except Exception:  # a user's validator that took the first reading alone
            return found


def _loaded(text: str | bytes) -> Any:
    return json.loads(text)


def config_of(adapter: TypeAdapter[Any]) -> Any:
    """The configuration that was given with the type itself (``TypeAdapter(..., config=...)``)."""
    given = getattr(adapter, "_config", None)
    if not given:
        return None
    try:
        from pydantic._internal._config import ConfigWrapper
    except ImportError:  # a Pydantic that keeps it elsewhere
        return None
    return ConfigWrapper(given).core_config(title=None)


def adapter_of(schema: Any) -> TypeAdapter[Any]:
    """A complete TypeAdapter of the type (the given one, if it is one).

    Names that an annotation mentions and Pydantic cannot find are looked up where this package
    was called from. Raises SchemaError for what Pydantic cannot make a validator for.
    """
    try:
        adapter = schema if isinstance(schema, TypeAdapter) else TypeAdapter(schema)
        if not _complete(adapter):
            adapter = _completed(adapter, schema)
    except PydanticUndefinedAnnotation as error:
        raise SchemaError(
            f"{_named(schema)} mentions {error.name!r}, which is not defined where the schema is "
            "used; define it first, or pass a TypeAdapter that is complete"
        ) from None
    except PydanticSchemaGenerationError as error:
        raise SchemaError(f"{_named(schema)} is no schema: {_unknown_type(error)}") from error
    except PydanticUserError as error:
        raise SchemaError(f"{_named(schema)} is no schema: {_first_line(error)}") from error
    except CoreSchemaError as error:  # such as a pattern with look-around
        why = " ".join(str(error).split())
        raise SchemaError(f"{_named(schema)} is no schema: {why[:300]}") from error
    except MemoryError:
        raise
    except Exception as error:  # hooks of the user's own types may raise anything
        raise SchemaError(
            f"{_named(schema)} is no schema: {_first_line(error) or type(error).__name__}"
        ) from error
    return adapter


def json_schema_of(adapter: TypeAdapter[Any], schema: Any) -> dict[str, Any]:
    """The JSON Schema (validation mode, by alias) of a type.

    Raises SchemaError, naming the field, where a part of it has none.
    """
    try:
        return adapter.json_schema(by_alias=True, mode="validation")
    except PydanticUserError as error:
        where = pointer(_fields_without_schema(schema))
        raise SchemaError(
            f"{_named(schema)} has no JSON Schema{f' at {where}' if where else ''}: "
            f"{_first_line(error)}; annotate it with a type that JSON can carry, or with "
            "pydantic.WithJsonSchema"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # hooks of the user's own types may raise anything
        raise SchemaError(
            f"the JSON Schema of {_named(schema)} cannot be made:"
            f" {_first_line(error) or type(error).__name__}"
        ) from error


def to_json(value: Any) -> str:
    """JSON text of a JSON value, in which Decimals stand as numbers, digit by digit.

    Raises InvalidValue where the value is none that JSON can carry.
    """
    mark = ""

    def number(found: Any) -> str:
        nonlocal mark
        if not isinstance(found, Decimal):
            raise TypeError(f"is a {type(found).__name__}, which JSON does not have")
        mark = mark or uuid4().hex
        return f"{mark}{found}"

    try:
        try:
            return json.dumps(value)
        except TypeError:  # there are Decimals in it
            text = json.dumps(value, default=number)
    except TypeError as error:
        raise InvalidValue([Problem("", str(error), "json_type")]) from None
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        message = "is nested too deeply" if deep else "contains itself"
        raise InvalidValue([Problem("", message, "json_type")]) from None
    return re.sub(f'"{mark}([^"]*)"', r"\1", text) if mark else text


def to_plain(value: Any) -> Any:
    """Plain JSON of a value, by alias: what has no form in it as text, bytes that are no text in
    base64. Raises ValueError for a value that contains itself."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    write = partial(to_jsonable_python, by_alias=True, serialize_unknown=True)
    try:
        return write(value)
    except (PydanticSerializationError, UnicodeError):  # a model's own mode for bytes
        return write(TypeAdapter(Any).dump_python(value, by_alias=True), bytes_mode="base64")


def _long_as_text(digits: str) -> float | str:
    return float(digits) if len(digits) < 16 else MARK + digits


_ESCAPED_MARK = json.dumps(MARK[0])[1:-1]


def _complete(adapter: TypeAdapter[Any]) -> bool:
    return bool(getattr(adapter, "pydantic_complete", True))


def _completed(adapter: TypeAdapter[Any], schema: Any) -> TypeAdapter[Any]:
    names = caller_names()
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        schema.model_rebuild(force=True, raise_errors=True, _types_namespace=names)
        return TypeAdapter(schema)
    adapter.rebuild(force=True, raise_errors=True, _types_namespace=names)
    return adapter


def caller_names() -> dict[str, Any]:
    """Global and local names of the nearest frame outside this package and Pydantic."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        home = str(frame.f_globals.get("__name__", ""))
        if home.partition(".")[0] not in ("prompture", "pydantic"):
            return {**frame.f_globals, **frame.f_locals}
        frame = frame.f_back
    return {}


def _fields_without_schema(schema: Any) -> Iterator[str]:
    """The path to the first field that has no JSON Schema of its own."""
    fields = getattr(schema, "model_fields", None) or getattr(schema, "__annotations__", None)
    for name, field in dict(fields or {}).items():
        annotation: Any = getattr(field, "annotation", field)
        try:
            TypeAdapter(annotation).json_schema()
        except PydanticUserError:
            yield name
            yield from _fields_without_schema(annotation)
            return
        except Exception:  # noqa: S112 - only the message of an error in hand depends on it
            continue


def _named(schema: Any) -> str:
    return getattr(schema, "__name__", None) or repr(schema)[:80]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


_UNKNOWN_TYPE = re.compile(r"schema for (?:<class '([^']+)'>|([\w.\[\], ]+?))\. ")


def _unknown_type(error: Exception) -> str:
    """Pydantic's own advice is to allow any instance, which a model cannot give."""
    found = _UNKNOWN_TYPE.search(str(error))
    if not found:
        return _first_line(error)
    name = (found[1] or found[2]).rpartition(".")[2]
    if "Iterator" in name or "Generator" in name:
        return f"{name} is read once and lazily; give list[...], whose items are checked"
    return (
        f"{name} is a class whose fields Pydantic does not know; make it a Pydantic model, a "
        "dataclass or a TypedDict, or annotate the field with a type that JSON can carry"
    )


def _mentions_secret(node: Any) -> bool:
    if isinstance(node, Mapping):
        return node.get("format") == "password" or any(map(_mentions_secret, node.values()))
    return isinstance(node, list) and any(map(_mentions_secret, node))


class _Traits:
    """What a core schema holds that changes how values are read."""

    def __init__(self, core_schema: Any) -> None:
        self.names_clash = False
        self.decimals = False
        self.opaque = False
        self.hides_input = False
        self.takes_more = False
        for node in nodes_of(core_schema):
            self._note(node)

    def _note(self, node: Core) -> None:
        kind = node.get("type")
        function = node.get("function")
        if isinstance(function, Mapping):
            _refuse_awaitable(function.get("function"))
        if kind == "decimal":
            self.decimals = True
        elif kind in _OPAQUE:
            self.opaque = True
        elif kind in _NAMED:
            self.names_clash |= _names_clash(node["fields"])
        config = node.get("config") or {}
        self.hides_input |= bool(config.get("hide_input_in_errors"))
        extra = node.get("extra_behavior", config.get("extra_fields_behavior"))
        self.takes_more |= extra == "allow"


_NAMED = frozenset({"model-fields", "typed-dict", "dataclass-args"})


def _refuse_awaitable(validator: Any) -> None:
    """Nobody awaits a validator: its coroutine would stand in the place of the value."""
    if iscoroutinefunction(validator) or isasyncgenfunction(validator):
        name = getattr(validator, "__qualname__", repr(validator))
        raise SchemaError(f"the validator {name} is async, and nobody awaits it: make it a def")


def _names_clash(fields: Any) -> bool:
    """Whether some field's alias is the name of another field.

    Reading by name as well as by alias would then put a value into the wrong field.
    """
    keyed = isinstance(fields, dict)  # else a dataclass's arguments
    named = fields.items() if keyed else ((f["name"], f) for f in fields)
    pairs = [(name, field.get("validation_alias")) for name, field in named]
    names = {name for name, _ in pairs}
    return any(alias != name and alias in names for name, a in pairs for alias in _first_keys(a))


def _first_keys(alias: Any) -> list[str]:
    """The top-level keys that an alias (a name, a path, or several paths) may be found under."""
    if alias is None:
        return []
    if isinstance(alias, str):
        return [alias]
    paths = alias if alias and isinstance(alias[0], list) else [alias]
    return [path[0] for path in paths if path]
