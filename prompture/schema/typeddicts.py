"""``typing.TypedDict`` on Python 3.11, which Pydantic refuses there.

Before 3.12 the class does not record which of its bases was total, so Pydantic asks for
``typing_extensions.TypedDict``. What matters is in ``__required_keys__``, so the same type is
made again with the other class; a value of either is a plain dict.
"""

from __future__ import annotations

import sys
import typing
from typing import Annotated, Any, get_args, get_origin

import typing_extensions

_NEEDED = sys.version_info < (3, 12)


def modern(schema: Any) -> Any:
    """The schema with each ``typing.TypedDict`` in it made anew, or the schema itself."""
    return _modern(schema, {}) if _NEEDED else schema


def _modern(schema: Any, made: dict[Any, Any]) -> Any:
    if isinstance(schema, typing._TypedDictMeta):  # type: ignore[attr-defined]
        return made.get(schema) or _again(schema, made)
    args = get_args(schema)
    if not args or get_origin(schema) is typing.Literal:
        return schema
    fresh = tuple(_modern(arg, made) for arg in args)
    if all(new is old for new, old in zip(fresh, args, strict=True)):
        return schema
    return _with_args(schema, fresh)


def _with_args(schema: Any, args: tuple[Any, ...]) -> Any:
    origin: Any = get_origin(schema)
    if origin is Annotated:
        form: Any = Annotated
        return form[args]
    if isinstance(schema, typing.types.UnionType) or origin is typing.Union:  # type: ignore[attr-defined]
        return typing.Union[args]  # noqa: UP007
    return origin[args]


def _again(schema: Any, made: dict[Any, Any]) -> Any:
    hints = typing_extensions.get_type_hints(schema, include_extras=True)
    made[schema] = schema  # a recursive one is left to Pydantic, which says what to do
    fields = {
        name: _wrapper(schema, name, hint)[_modern(_bare(hint), made)]
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


def _bare(hint: Any) -> Any:
    """The hint without ``Required`` or ``NotRequired`` around it."""
    while get_origin(hint) in (typing_extensions.Required, typing_extensions.NotRequired):
        hint = get_args(hint)[0]
    return hint
