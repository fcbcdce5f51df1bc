"""Keywords of JSON Schema as ``jsonschema`` calls them, where its own would not do.

A problem that is about one property points to it: ``path`` holds its name, also if it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from jsonschema.exceptions import ValidationError

from prompture.schema.formats import FORMATS
from prompture.schema.patterns import matcher

_MAGNITUDE = 5_000  # of the exponent; beyond it, arithmetic takes too long

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matcher(pattern)(instance):
        yield ValidationError("")


def _format(_: Any, name: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    test = FORMATS.get(name)
    if test and isinstance(instance, str) and not test(instance):
        yield ValidationError("")


def _properties(
    validator: Any, properties: Any, instance: Any, _: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, subschema in properties.items():
            if name in instance:
                yield from _of_property(validator, subschema, instance, name)


def _of_property(
    validator: Any, subschema: Any, instance: dict[str, Any], name: str
) -> Iterator[ValidationError]:
    if subschema is False:  # for which jsonschema would point to the object
        yield ValidationError("", path=(name,), instance=instance[name])
    else:
        yield from validator.descend(instance[name], subschema, path=name, schema_path=name)


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, _: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        fits = matcher(pattern)
        for name in instance:
            if fits(name):
                yield from _of_property(validator, subschema, instance, name)


def _additional_properties(
    validator: Any, subschema: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict) or subschema is True:
        return
    known = schema.get("properties", {})
    tests = [matcher(pattern) for pattern in schema.get("patternProperties", ())]
    for name in instance:
        if name in known or any(test(name) for test in tests):
            continue
        yield from _of_property(validator, subschema, instance, name)


def _required(_: Any, names: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        yield from _missing(names, instance)


def _dependent_required(
    _: Any, dependencies: Any, instance: Any, __: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, needed in dependencies.items():
            if name in instance:
                yield from _missing(needed, instance)


def _dependencies(
    validator: Any, dependencies: Any, instance: Any, _: Any
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


def _missing(names: Any, instance: dict[str, Any]) -> Iterator[ValidationError]:
    for name in dict.fromkeys(names):
        if name not in instance:
            yield ValidationError("", path=(name,), validator="required", instance=None)


def _multiple_of(_: Any, divisor: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, (int, float, Decimal)) or isinstance(instance, bool):
        return
    if not _divides(divisor, instance):
        yield ValidationError("")


def _divides(divisor: Any, number: Any) -> bool:
    """In decimal, as both are written: 0.1 is a tenth."""
    whole, part = (_as_written(one) for one in (number, divisor))
    if not whole.is_finite() or abs(whole.adjusted()) > _MAGNITUDE:
        return False
    return (Fraction(whole) / Fraction(part)).denominator == 1


def _as_written(number: Any) -> Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _unique_items(_: Any, asked: bool, instance: Any, __: Any) -> Iterator[ValidationError]:
    if asked and isinstance(instance, list):
        kept = {_frozen(item) for item in instance}
        if len(kept) != len(instance):
            yield ValidationError("")


def _frozen(value: Any) -> Any:
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
