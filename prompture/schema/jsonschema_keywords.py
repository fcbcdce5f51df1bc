"""Keywords of JSON Schema as ``jsonschema`` calls them, where its own would not do, and its errors
as problems that a model can act on.

A message quotes the schema, not the value. A problem that is about one property points to it: ``path`` holds its name, also if it is missing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from jsonschema.exceptions import ValidationError

from prompture.json_values import Segment, pointer
from prompture.schema.formats import ADVICE, FORMATS
from prompture.schema.patterns import matcher
from prompture.schema.problems import Problem, excerpt, kind_in_words
from prompture.types import JSONValue

_MEMBERS_SHOWN = 12
_TEXT_LENGTH = 120
_MAGNITUDE = 5_000  # of the exponent; beyond it, arithmetic takes too long


class _Validator(Protocol):
    """What the keywords need of a validator of ``jsonschema``."""

    def descend(
        self, instance: object, schema: object, *, path: object = None, schema_path: object = None
    ) -> Iterator[ValidationError]: ...


Keyword = Callable[[_Validator, JSONValue, JSONValue, JSONValue], Iterator[ValidationError]]


def _pattern(_: object, pattern: str, instance: object, __: object) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matcher(pattern)(instance):
        yield ValidationError("")


def _format(_: object, name: str, instance: object, __: object) -> Iterator[ValidationError]:
    test = FORMATS.get(name)
    if test and isinstance(instance, str) and not test(instance):
        yield ValidationError("")


def _properties(
    validator: _Validator, properties: JSONValue, instance: JSONValue, _: JSONValue
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, subschema in properties.items():
            if name in instance:
                yield from _of_property(validator, subschema, instance, name)


def _of_property(
    validator: _Validator, subschema: JSONValue, instance: dict[str, JSONValue], name: str
) -> Iterator[ValidationError]:
    if subschema is False:  # for which jsonschema would point to the object
        yield ValidationError("", path=(name,), instance=instance[name])
    else:
        yield from validator.descend(instance[name], subschema, path=name, schema_path=name)


def _pattern_properties(
    validator: _Validator, patterns: JSONValue, instance: JSONValue, _: JSONValue
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        fits = matcher(pattern)
        for name in instance:
            if fits(name):
                yield from _of_property(validator, subschema, instance, name)


def _additional_properties(
    validator: _Validator, subschema: JSONValue, instance: JSONValue, schema: JSONValue
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict) or subschema is True:
        return
    known = schema.get("properties", {})
    tests = [matcher(pattern) for pattern in schema.get("patternProperties", ())]
    for name in instance:
        if name in known or any(test(name) for test in tests):
            continue
        yield from _of_property(validator, subschema, instance, name)


def _required(_: object, names: object, instance: object, __: object) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        yield from _missing(names, instance)


def _dependent_required(
    _: JSONValue, dependencies: JSONValue, instance: JSONValue, __: JSONValue
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, needed in dependencies.items():
            if name in instance:
                yield from _missing(needed, instance)


def _dependencies(
    validator: _Validator, dependencies: JSONValue, instance: JSONValue, _: JSONValue
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for name, needed in dependencies.items():
        if name not in instance:
            continue
        if isinstance(needed, list):
            yield from _missing(needed, instance)
        else:
            yield from validator.descend(instance, needed, schema_path=name)


def _missing(names: JSONValue, instance: dict[str, JSONValue]) -> Iterator[ValidationError]:
    for name in dict.fromkeys(names):
        if name not in instance:
            yield ValidationError("", path=(name,), validator="required", instance=None)


def _multiple_of(
    _: object, divisor: object, instance: object, __: object
) -> Iterator[ValidationError]:
    if not isinstance(instance, (int, float, Decimal)) or isinstance(instance, bool):
        return
    if not _divides(divisor, instance):
        yield ValidationError("")


def _divides(divisor: object, number: object) -> bool:
    """In decimal, as both are written: 0.1 is a tenth."""
    whole, part = (_as_written(one) for one in (number, divisor))
    if not whole.is_finite() or abs(whole.adjusted()) > _MAGNITUDE:
        return False
    return (Fraction(whole) / Fraction(part)).denominator == 1


def _as_written(number: JSONValue) -> Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _unique_items(
    _: object, asked: bool, instance: object, __: object
) -> Iterator[ValidationError]:
    if asked and isinstance(instance, list):
        kept = {_frozen(item) for item in instance}
        if len(kept) != len(instance):
            yield ValidationError("")


def _frozen(value: object) -> JSONValue:
    """A hashable stand-in that is equal where JSON values are: ``1 == 1.0``, ``1 != true``."""
    if isinstance(value, dict):
        return frozenset((name, _frozen(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return ("[", *map(_frozen, value))
    return ("?", value) if isinstance(value, bool) else value


KEYWORDS: dict[str, Keyword] = {
    "pattern": _pattern,
    "format": _format,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "required": _required,
    "dependentRequired": _dependent_required,
    "dependencies": _dependencies,
    "multipleOf": _multiple_of,
    "uniqueItems": _unique_items,
}


# Messages


class _Error(Protocol):
    """A ValidationError of ``jsonschema``, as far as it is read here."""

    validator: str | None
    validator_value: JSONValue
    instance: JSONValue
    context: Sequence[_Error]
    schema_path: Sequence[object]
    relative_path: Sequence[Segment]
    absolute_path: Sequence[Segment]


def problems_of(error: _Error) -> Iterator[Problem]:
    """The problems of one error; of a union, those of the branch that was meant."""
    if error.validator in ("anyOf", "oneOf") and error.context:
        yield from _of_union(error)
    else:
        yield _problem(error, _message(error))


def _problem(error: _Error, message: str) -> Problem:
    kind = str(error.validator or "false")
    missing = kind == "required"
    shown = None if missing else excerpt(error.instance)
    return Problem(pointer(error.absolute_path), message, kind, shown)


def _of_union(error: _Error) -> Iterator[Problem]:
    branches: dict[object, list[_Error]] = defaultdict(list)
    for inner in error.context:
        if inner.schema_path:  # a branch that is `false` has none, and cannot be meant
            branches[inner.schema_path[0]].append(inner)
    if not branches:
        yield _problem(error, "is not allowed")
        return
    meant = [found for found in branches.values() if not any(map(_misfits, found))]
    if len(meant) == 1 or len(branches) == 1:
        for inner in (meant or list(branches.values()))[0]:
            yield from problems_of(inner)
        return
    types = _expected_types(branches)
    if types and not meant:
        yield _problem(error, f"must be {types}, not {kind_in_words(error.instance)}")
        return
    likely = min(meant or branches.values(), key=len)
    first = next(problems_of(likely[0]))
    where = pointer(error.absolute_path)
    place = f"{first.pointer.removeprefix(where)} " if first.pointer != where else ""
    count = len(error.validator_value)
    message = f"fits none of {count} forms; for the nearest, {place}{first.message}"
    yield _problem(error, message)


def _misfits(error: _Error) -> bool:
    """Whether the value is of another kind than this branch: its type, or its tag, is wrong."""
    depth = len(error.relative_path)
    if error.validator in ("const", "enum"):
        return depth <= 1
    return error.validator == "type" and depth == 0


def _expected_types(branches: dict[object, list[_Error]]) -> str:
    """``"a string or null"``, where every branch fails for the type of the value alone."""
    names: list[str] = []
    for found in branches.values():
        first = found[0]
        if len(found) > 1 or first.validator != "type" or first.relative_path:
            return ""
        names += _type_names(first.validator_value)
    return _or(list(dict.fromkeys(names)))


def _message(error: _Error) -> str:
    explain = _MESSAGES.get(error.validator or "")
    if explain:
        return explain(error.validator_value, error.instance)
    if error.validator is None:
        return "is not allowed"
    return f"does not satisfy {error.validator}"


def _type(asked: object, value: object) -> str:
    return f"must be {_or(_type_names(asked))}, not {kind_in_words(value)}"


def _type_names(asked: JSONValue) -> list[str]:
    names = [asked] if isinstance(asked, str) else asked
    return [_ARTICLES.get(name, name) for name in names]


_ARTICLES = {
    "integer": "an integer",
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "number": "a number",
    "boolean": "a boolean",
}


def _or(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _text(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _TEXT_LENGTH else text[: _TEXT_LENGTH - 1] + "…"


def _enum(members: JSONValue, _: JSONValue) -> str:
    shown = ", ".join(_text(member) for member in members[:_MEMBERS_SHOWN])
    more = len(members) - _MEMBERS_SHOWN
    return f"must be one of {shown}" + (f" or {more} more" if more > 0 else "")


def _format_message(name: str, _: object) -> str:
    return f"must be {ADVICE.get(name, f'in the format {name}')}"


def _count(what: str, bound: str) -> Callable[[JSONValue, JSONValue], str]:
    def explain(limit: JSONValue, value: JSONValue) -> str:
        unit = what if limit != 1 else {"properties": "property"}.get(what, what.removesuffix("s"))
        return f"must have at {bound} {limit} {unit}, not {len(value)}"

    return explain


def _bound(words: str) -> Callable[[JSONValue, JSONValue], str]:
    return lambda limit, _: f"must be {words} {limit}"


_MESSAGES: dict[str, Callable[[JSONValue, JSONValue], str]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda asked, _: f"must be {_text(asked)}",
    "required": lambda _, __: "is required",
    **dict.fromkeys(
        ("additionalProperties", "properties", "patternProperties"),
        lambda _, __: "is not allowed",
    ),
    "unevaluatedProperties": lambda _, __: "holds a property that is not allowed",
    "unevaluatedItems": lambda _, __: "holds an item that is not allowed",
    "additionalItems": lambda _, __: "holds more items than are allowed",
    "items": lambda _, __: "holds more items than are allowed",
    "pattern": lambda asked, _: f"must match the pattern {_text(asked)}",
    "format": _format_message,
    "minLength": _count("characters", "least"),
    "maxLength": _count("characters", "most"),
    "minItems": _count("items", "least"),
    "maxItems": _count("items", "most"),
    "minProperties": _count("properties", "least"),
    "maxProperties": _count("properties", "most"),
    "minimum": _bound("at least"),
    "maximum": _bound("at most"),
    "exclusiveMinimum": _bound("greater than"),
    "exclusiveMaximum": _bound("less than"),
    "multipleOf": _bound("a multiple of"),
    "uniqueItems": lambda _, __: "must not hold the same item twice",
    "contains": lambda _, __: "must hold an item of the form that is asked for",
    "not": lambda _, __: "has a form that is not allowed",
    "anyOf": lambda asked, _: f"fits none of {len(asked)} forms",
    "oneOf": lambda asked, _: f"fits more than one of {len(asked)} forms, where one is asked for",
}
