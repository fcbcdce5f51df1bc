"""Options of a request that a dialect, or a family of models, may not have: refused in one way, or sent in
another form.

Nothing that the caller asked for is dropped: it goes out, or UnsupportedError says why not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

from prompture.errors import UnsupportedError
from prompture.types import JSON, Request, Tool

T = TypeVar("T")
_REFUSED: Mapping[str, str] = {
    "seed": "has no seed",
    "stop": "has no stop strings",
    "logprobs": "reports no logprobs",
    "json_mode": "has no JSON mode; give a schema, or a tool",
    "metadata": "takes no metadata",
    "parallel_tools": "cannot be kept from calling several tools at once",
}


def refuse(request: Request, api: str, *options: str) -> None:
    """Raise UnsupportedError where the request sets one of the options, which ``api`` (its name,
    as the subject of a sentence) has no parameter for."""
    for name in options:
        if _is_asked(request, name):
            raise UnsupportedError(f"{api} {_REFUSED[name]}")


def _is_asked(request: Request, name: str) -> bool:
    match name:
        case "seed" | "logprobs":
            return getattr(request, name) is not None
        case "json_mode":
            # A schema asks for more than JSON mode does, and takes its place.
            return request.json_mode and request.schema is None
        case "parallel_tools":
            return bool(request.tools) and request.parallel_tools is False
    return bool(getattr(request, name))


def tool_choice(request: Request) -> str | None:
    """``"auto"``, ``"none"``, ``"required"``, the name of a tool on offer, or None for the
    provider's default. Raises UnsupportedError for a call that no tool on offer can be."""
    choice = request.tool_choice
    if choice in (None, "auto", "none"):
        return choice
    if not request.tools:
        raise UnsupportedError(f"tool_choice {choice!r} needs tools")
    if choice != "required" and choice not in [tool.name for tool in request.tools]:
        raise UnsupportedError(f"tool_choice names {choice!r}, which is not among the tools")
    return choice


def stated(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are set."""
    return {name: value for name, value in options.items() if value is not None}


def sampling(request: Request, name: str, *, taken: bool, why: str) -> float | None:
    """The value to send for ``temperature`` or ``top_p``; None to leave it out.

    Where the model does not take it, 1 is left out: it is the default of both. Raises
    UnsupportedError for any other value, with ``why`` behind the option's name.
    """
    value: float | None = getattr(request, name)
    if value is None or taken:
        return value
    if value != 1:
        raise UnsupportedError(f"{request.model} takes no {name} {why}; leave it out")
    return None


def check_temperature(request: Request, most: float) -> None:
    """Raise UnsupportedError where the temperature is above what the API takes (HTTP 400)."""
    if request.temperature is not None and request.temperature > most:
        raise UnsupportedError(
            f"{request.model} takes a temperature of {most:g} at most, not {request.temperature:g}"
        )


@lru_cache(256)
def schema_name(name: str) -> str:
    """A schema's name, with the characters that providers take in one."""
    # OpenAI's pattern for names, which the copies repeat.
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "answer"


def effort_of(request: Request) -> str | None:
    """The effort that ``reasoning`` asks for. Raises UnsupportedError for a number of tokens,
    which is no effort; 0 is ``"none"``."""
    asked = request.reasoning
    if isinstance(asked, int):
        if asked:
            raise UnsupportedError(
                f"{request.model}: reasoning takes an effort here, not a number of tokens"
            )
        return "none"
    return asked


def unknown_effort(
    request: Request, efforts: Iterable[str], effort: object = None
) -> UnsupportedError:
    """The error for an ``effort`` (the request's own, where it is None) that the model has not."""
    known = ", ".join(efforts) or "no effort: it does not reason"
    asked = request.reasoning if effort is None else effort
    return UnsupportedError(f"reasoning: {request.model} has no effort {asked!r}; it takes {known}")


def declaration(tool: Tool, parameters: str = "parameters") -> dict[str, Any]:
    """A tool as a provider reads it, its schema under the key ``parameters``."""
    declared: dict[str, Any] = {"name": tool.name, parameters: full_parameters(tool.parameters)}
    if tool.description:
        declared["description"] = tool.description
    return declared


_OF_NAMES = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords that hold schemas by names of other people's making."""
_OF_ONE = ("items", "additionalProperties", "contains", "not", "if", "then", "else")
_OF_MANY = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_HOLD_SCHEMAS = frozenset((*_OF_NAMES, *_OF_ONE, *_OF_MANY))


class ToolParameters(dict[str, Any]):
    """Parameters of a tool that nobody changes: what ``full_parameters`` makes of them is kept."""

    full: dict[str, Any] | None = None


def full_parameters(parameters: JSON) -> dict[str, Any]:
    """A tool's parameters with what JSON Schema lets one leave out.

    OpenAI and others refuse an object without ``properties``, an array without ``items`` and
    parameters without a ``type``; with them they mean the same.
    """
    if not isinstance(parameters, ToolParameters):
        return _full_parameters(parameters)
    if parameters.full is None:
        parameters.full = _full_parameters(parameters)
    return parameters.full


def _full_parameters(parameters: JSON) -> dict[str, Any]:
    root = dict(parameters)
    # A type beside a reference or alternatives would narrow them.
    if "$ref" not in root and not any(key in root for key in ("anyOf", "oneOf", "allOf")):
        root["type"] = "object"
    node = _node(root)
    return node if "type" not in node else {**node, "properties": node.get("properties") or {}}


def _node(schema: JSON) -> dict[str, Any]:
    found: dict[str, Any] = dict(schema)
    for key in _HOLD_SCHEMAS.intersection(found):  # most nodes hold none: every call comes here
        value = found[key]
        if key in _OF_NAMES and isinstance(value, Mapping):
            found[key] = {name: _schema(each) for name, each in value.items()}
        elif key in _OF_MANY and isinstance(value, (list, tuple)):
            found[key] = [_schema(each) for each in value]
        elif key in _OF_ONE:
            found[key] = _schema(value)
    kind = found.get("type")
    kinds = kind if isinstance(kind, (list, tuple)) else (kind,)
    if "object" in kinds and not isinstance(found.get("properties"), Mapping):
        found["properties"] = {}
    # OpenAI's "array schema missing items" (HTTP 400); Gemini asks for them too.
    if "array" in kinds and "items" not in found and "prefixItems" not in found:
        found["items"] = {}
    return found


def _schema(schema: Any) -> Any:
    is_schema = type(schema) is dict or isinstance(schema, Mapping)
    return _node(schema) if is_schema else schema


# Rules that hold for a family of models, looked up by the model's name.


class Families(Generic[T]):
    """A table of rules. The first pattern that is found in a name gives the rules of that model;
    ``otherwise`` are those of a name that no pattern knows."""

    def __init__(self, *table: tuple[str, T], otherwise: T) -> None:
        self._table = [(re.compile(pattern), rules) for pattern, rules in table]
        self._otherwise = otherwise
        self.of = lru_cache(maxsize=256)(self._of)

    def _of(self, model: str) -> T:
        """The rules of a model."""
        return next((rules for found, rules in self._table if found.search(model)), self._otherwise)


class Efforts:
    """The efforts of reasoning that a family takes; ``renamed`` are ours that it calls otherwise."""

    def __init__(self, known: str, renamed: Mapping[str, str] | None = None) -> None:
        """``known`` are names between blanks."""
        self._known = known.split()
        self._renamed = renamed or {}

    def name(self, request: Request) -> str:
        """The request's effort as the family names it. Raises UnsupportedError for one that it
        has not."""
        effort = self._renamed.get(str(request.reasoning), str(request.reasoning))
        if effort not in self._known:
            raise unknown_effort(request, self._known, effort)
        return effort
