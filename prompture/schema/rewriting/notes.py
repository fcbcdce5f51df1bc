"""What a dialect cannot enforce, in short plain words for the description."""

from __future__ import annotations

from typing import Any

_MOST = 900
_WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "pattern": "matches {}",
    "format": "format {}",
}
_COUNTED = {"Length": "character", "Items": "item", "Properties": "field"}


def in_words(word: str, value: Any) -> str:
    """``("maxItems", 5)`` is "at most 5 items"."""
    if word in _WORDS:
        return _WORDS[word].format(value)
    if word == "uniqueItems":
        return "no item twice"
    counted = _COUNTED.get(word[3:])
    if counted is None:
        return f"{word} {value}"
    plural = "" if value == 1 else "s"
    return f"at {'least' if word.startswith('min') else 'most'} {value} {counted}{plural}"


def annotate(
    schema: dict[str, Any], description: str | None, notes: tuple[str, ...] | list[str]
) -> None:
    """Put a description and notes on a rewritten schema, before what it already says."""
    said = "; ".join(notes)
    known = schema.get("description")
    if len(said) > _MOST:
        said = said[: _MOST - 1] + "…"
    notes_said = "; ".join(part for part in (said, known) if part)
    text = (
        f"{description} ({notes_said})" if description and notes_said else description or notes_said
    )
    if text:
        schema["description"] = text
