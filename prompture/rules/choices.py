"""Enumerations: which of the allowed values a printed text names."""

from typing import Any

from prompture.errors import MissingExtra
from prompture.rules.fields import Field
from prompture.rules.labels import normalise


def choices(name: Field) -> list[Any]:
    """The values an enumeration allows."""
    if "const" in name.schema:
        return [name.schema["const"]]
    listed = name.schema.get("enum")
    return [value for value in listed if value is not None] if isinstance(listed, list) else []


def best_choice(printed: str, allowed: list[Any]) -> Any | None:
    """The one allowed value that a printed text names; None when none or several do."""
    words = normalise(printed)
    if not words:
        return None
    equal = [value for value in allowed if normalise(str(value)) == words]
    if len(equal) == 1:
        return equal[0]
    padded = f" {words} "
    inside = [
        value
        for value in allowed
        if normalise(str(value)) and f" {normalise(str(value))} " in padded
    ]
    if len(inside) == 1:
        return inside[0]
    if equal or inside:
        return None
    return _closest(words, allowed)


def _closest(words: str, allowed: list[Any]) -> Any | None:
    try:
        from rapidfuzz import fuzz
    except ImportError as missing:
        raise MissingExtra(extra="local", package="rapidfuzz") from missing
    scored = sorted(
        ((fuzz.ratio(words, normalise(str(value))), index) for index, value in enumerate(allowed)),
        reverse=True,
    )
    if not scored or scored[0][0] < 88 or (len(scored) > 1 and scored[1][0] > scored[0][0] - 5):
        return None
    return allowed[scored[0][1]]
