"""Does a JSON value fit a vendor SDK's own type? Strict at every depth.

``check(value, annotation)`` walks the annotation: TypedDicts (total or not, Required and
NotRequired), pydantic models (by alias), unions, literals, iterables and mappings. A key that a
TypedDict or model does not declare is a problem, also deep inside, and so is a wrong primitive
type: no coercion is done. For a union, the problems of the closest member are told.
"""

from __future__ import annotations

import base64
import collections.abc as abc
import datetime
import enum
import os
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

import pydantic
import typing_extensions as te

_WRAPPERS = {typing.Required, typing.NotRequired, te.Required, te.NotRequired}
_READ_ONLY = {getattr(te, "ReadOnly", None), getattr(typing, "ReadOnly", None)} - {None}
_SEQUENCES = {list, tuple, abc.Iterable, abc.Sequence, abc.Collection, set}
_MAPPINGS = {dict, abc.Mapping, abc.MutableMapping}


def check(value: Any, annotation: Any, *, path: str = "") -> list[str]:
    """What keeps ``value`` from being of the type, each with its path; empty where nothing."""
    origin = get_origin(annotation)
    if origin in _WRAPPERS or origin in _READ_ONLY or origin is Annotated:
        return check(value, get_args(annotation)[0], path=path)
    if isinstance(annotation, (te.TypeAliasType, getattr(typing, "TypeAliasType", ()))):
        return check(value, annotation.__value__, path=path)
    if isinstance(annotation, (str, ForwardRef, typing.TypeVar)):
        raise TypeError(f"unresolved annotation {annotation!r} at {path or '/'}")
    if isinstance(origin, (te.TypeAliasType, getattr(typing, "TypeAliasType", ()))):
        return check(value, origin.__value__[get_args(annotation)], path=path)
    if origin in (Union, types.UnionType):
        return _union(value, get_args(annotation), path)
    if origin is Literal or origin is te.Literal:
        return [] if _is_literal(value, get_args(annotation)) else [_not(value, annotation, path)]
    if te.is_typeddict(annotation):
        return _typed_dict(value, annotation, path)
    if origin is not None:
        return _generic(value, origin, get_args(annotation), path)
    return _plain(value, annotation, path)


def _plain(value: Any, annotation: Any, path: str) -> list[str]:
    if annotation in (Any, object):
        return []
    if annotation in (None, type(None)):
        return [] if value is None else [_not(value, "null", path)]
    if not isinstance(annotation, type):
        raise TypeError(f"cannot check against {annotation!r} at {path or '/'}")
    if issubclass(annotation, pydantic.BaseModel):
        return _model(value, annotation, path)
    if annotation in _MAPPINGS:
        return [] if isinstance(value, dict) else [_not(value, annotation, path)]
    if annotation in _SEQUENCES:
        return [] if isinstance(value, list) else [_not(value, annotation, path)]
    if issubclass(annotation, enum.Enum):
        known = {member.value for member in annotation}
        return [] if value in known else [_not(value, annotation, path)]
    if getattr(annotation, "_is_protocol", False):
        return _protocol(value, annotation, (), path)
    return [] if _is_primitive(value, annotation) else [_not(value, annotation, path)]


def _is_primitive(value: Any, annotation: type) -> bool:
    if annotation is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is bytes:
        return isinstance(value, str) and _is_base64(value)
    if issubclass(annotation, (datetime.date, datetime.time, datetime.timedelta, os.PathLike)):
        return False
    return isinstance(value, annotation)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        return False
    return True


def _is_literal(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(value == one and type(value) is type(one) for one in allowed)


def _union(value: Any, members: tuple[Any, ...], path: str) -> list[str]:
    best: list[str] | None = None
    for member in members:
        problems = check(value, member, path=path)
        if not problems:
            return []
        if best is None or _distance(value, member, problems) < _distance(value, None, best):
            best = problems
    return best or [_not(value, members, path)]


def _distance(value: Any, member: Any, problems: list[str]) -> tuple[int, int]:
    """A problem deeper down, or a discriminator that fits, means a closer member."""
    depth = max(problem.split(":", 1)[0].count("/") for problem in problems)
    wrong_tag = any("/type:" in p or "/role:" in p for p in problems)
    return (int(wrong_tag), len(problems) - 100 * depth)


def _typed_dict(value: Any, annotation: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [_not(value, annotation, path)]
    hints = _hints(annotation)
    extra = getattr(annotation, "__extra_items__", None)
    problems = [
        f"{path}/{key}: missing in {annotation.__name__}"
        for key in sorted(_required(annotation) - value.keys())
    ]
    for key, item in value.items():
        if key in hints:
            problems += check(item, hints[key], path=f"{path}/{key}")
        elif extra not in (None, te.NoExtraItems):
            problems += check(item, extra, path=f"{path}/{key}")
        else:
            problems.append(f"{path}/{key}: unknown key of {annotation.__name__}")
    return problems


@cache
def _hints(annotation: Any) -> dict[str, Any]:
    return te.get_type_hints(annotation, include_extras=True)


@cache
def _required(annotation: Any) -> frozenset[str]:
    """``__required_keys__`` is wrong under ``from __future__ import annotations``: go by the
    resolved hints, and each class's own totality for the keys that it adds to its bases'."""
    bases = [b for b in getattr(annotation, "__orig_bases__", ()) if te.is_typeddict(b)]
    required = set().union(*map(_required, bases))
    inherited = {key for base in bases for key in _hints(base)}
    for key, hint in _hints(annotation).items():
        marker = get_origin(hint)
        if marker in (typing.NotRequired, te.NotRequired):
            required.discard(key)
        elif marker in (typing.Required, te.Required) or (
            key not in inherited and annotation.__total__
        ):
            required.add(key)
    return frozenset(required)


def _model(value: Any, annotation: type[pydantic.BaseModel], path: str) -> list[str]:
    """A pydantic model, with its fields named as on the wire (alias) or as in Python."""
    if not isinstance(value, dict):
        return [_not(value, annotation, path)]
    fields: dict[str, Any] = {}
    missing = set()
    for name, info in annotation.model_fields.items():
        alias = info.serialization_alias or info.alias or name
        hint: Any = info.annotation
        fields[alias] = hint
        if annotation.model_config.get("populate_by_name"):
            fields.setdefault(name, hint)
        if info.is_required() and not {alias, name} & value.keys():
            missing.add(alias)
    problems = [f"{path}/{key}: missing in {annotation.__name__}" for key in sorted(missing)]
    for key, item in value.items():
        if key in fields:
            problems += check(item, fields[key], path=f"{path}/{key}")
        else:
            problems.append(f"{path}/{key}: unknown key of {annotation.__name__}")
    return problems


def _generic(value: Any, origin: Any, args: tuple[Any, ...], path: str) -> list[str]:
    if origin in _MAPPINGS:
        if not isinstance(value, dict):
            return [_not(value, origin, path)]
        return [
            problem
            for key, item in value.items()
            for problem in check(item, args[1], path=f"{path}/{key}")
        ]
    if origin in _SEQUENCES:
        return _items(value, args[0], path)
    if getattr(origin, "_is_protocol", False):
        return _protocol(value, origin, args, path)
    if isinstance(origin, type) and issubclass(origin, pydantic.BaseModel):
        return _model(value, origin, path)
    raise TypeError(f"cannot check against {origin!r} at {path or '/'}")


def _protocol(value: Any, origin: Any, args: tuple[Any, ...], path: str) -> list[str]:
    """``SequenceNotStr[str]`` of the generated SDKs is the only protocol that is JSON."""
    if not origin.__name__.startswith("Sequence"):
        return [_not(value, origin, path)]
    return _items(value, args[0] if args else Any, path)


def _items(value: Any, item: Any, path: str) -> list[str]:
    if not isinstance(value, list):
        return [_not(value, "a list", path)]
    return [p for i, one in enumerate(value) for p in check(one, item, path=f"{path}/{i}")]


def _not(value: Any, annotation: Any, path: str) -> str:
    name = getattr(annotation, "__name__", str(annotation))
    return f"{path or '/'}: {_short(value)} is not {name}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(str, list(value)[:6]))}"
    return repr(value)[:80]
