"""Pydantic's TypeAdapter of a type, and its JSON Schema, or an error that says what to do.

``typing.TypedDict`` on Python 3.11 is refused by Pydantic. Before 3.12 the class does not record
which of its bases was total, so Pydantic asks for ``typing_extensions.TypedDict``. What matters is
in ``__required_keys__``, so the same type is made again with the other class; a value of either is
a plain dict.
"""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Iterator
from types import FrameType, UnionType
from typing import Annotated, Any, get_args, get_origin

import typing_extensions
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import (
    PydanticSchemaGenerationError,
    PydanticUndefinedAnnotation,
    PydanticUserError,
)
from pydantic_core import SchemaError as CoreSchemaError

from prompture.compat import rebuild
from prompture.errors import SchemaError
from prompture.given import shown
from prompture.json_values import pointer


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


def json_schema_of(adapter: TypeAdapter[Any], schema: object) -> dict[str, Any]:
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


def _complete(adapter: TypeAdapter[Any]) -> bool:
    return bool(getattr(adapter, "pydantic_complete", True))


def _completed(adapter: TypeAdapter[Any], schema: object) -> TypeAdapter[Any]:
    names = caller_names()
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        rebuild(schema, names)
        return TypeAdapter(schema)
    rebuild(adapter, names)
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


def _fields_without_schema(schema: object) -> Iterator[str]:
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


def _named(schema: object) -> str:
    return getattr(schema, "__name__", None) or shown(schema)


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


# typing.TypedDict

_NEEDED = sys.version_info < (3, 12)


def pydantic_form(schema: object) -> Any:
    """The schema with each ``typing.TypedDict`` in it made anew, or the schema itself."""
    return _rebuilt(schema, {}) if _NEEDED else schema


def _rebuilt(schema: object, made: dict[Any, Any]) -> Any:
    if typing.is_typeddict(schema):
        return made.get(schema) or _rebuilt_typed_dict(schema, made)
    args = get_args(schema)
    if not args or get_origin(schema) is typing.Literal:
        return schema
    fresh = tuple(_rebuilt(arg, made) for arg in args)
    if all(new is old for new, old in zip(fresh, args, strict=True)):
        return schema
    return _with_args(schema, fresh)


def _with_args(schema: object, args: tuple[Any, ...]) -> Any:
    origin: Any = get_origin(schema)
    if origin is Annotated:
        form: Any = Annotated
        return form[args]
    if isinstance(schema, UnionType) or origin is typing.Union:
        return typing.Union[args]  # noqa: UP007
    return origin[args]


def _rebuilt_typed_dict(schema: Any, made: dict[Any, Any]) -> Any:
    hints = typing_extensions.get_type_hints(schema, include_extras=True)
    made[schema] = schema  # a recursive one is left to Pydantic, which says what to do
    fields = {
        name: _wrapper(schema, name, hint)[_rebuilt(_without_required(hint), made)]
        for name, hint in hints.items()
    }
    make: Any = typing_extensions.TypedDict
    fresh = make(schema.__name__, fields)
    fresh.__doc__, fresh.__module__ = schema.__doc__, schema.__module__
    config = getattr(schema, "__pydantic_config__", None)
    if config is not None:
        fresh.__pydantic_config__ = config
    made[schema] = fresh
    return fresh


def _wrapper(schema: Any, name: str, hint: Any) -> Any:
    """``Required`` or ``NotRequired``; a hint that was a string is not in ``__required_keys__``."""
    origin = get_origin(hint)
    if origin in (typing_extensions.Required, typing_extensions.NotRequired):
        return origin
    required = name in schema.__required_keys__
    return typing_extensions.Required if required else typing_extensions.NotRequired


def _without_required(hint: object) -> Any:
    """The hint without ``Required`` or ``NotRequired`` around it."""
    while get_origin(hint) in (typing_extensions.Required, typing_extensions.NotRequired):
        hint = get_args(hint)[0]
    return hint
