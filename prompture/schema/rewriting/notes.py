"""What a rewrite reports: changes for the user, and descriptions for the model."""

from __future__ import annotations

import json
from dataclasses import dataclass

from prompture.json_values import JSONObject, JSONValue


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the rewritten schema expresses differently.

    Attributes:
        pointer: JSON Pointer into the *original schema*.
        rewrite: which rewrite, such as ``"optional"``, ``"pairs"``, ``"text"``, ``"constraint"``.
        reason: what was done and which rule of the dialect asked for it.
        unenforced: the model is no longer made to obey something; only the local check sees to it.
    """

    pointer: str
    rewrite: str
    reason: str
    unenforced: bool = False

    def __str__(self) -> str:
        mark = " (only checked locally)" if self.unenforced else ""
        return f"{self.pointer or '/'}: {self.reason}{mark}"


_LONGEST_NOTES = 900
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


def in_words(word: str, value: JSONValue) -> str:
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
    schema: JSONObject, description: str | None, notes: tuple[str, ...] | list[str]
) -> None:
    """Put a description and notes on a rewritten schema, before the description that it has."""
    text = "; ".join(notes)
    known = schema.get("description")
    # Descriptions are paid for in tokens with every call.
    if len(text) > _LONGEST_NOTES:
        text = text[: _LONGEST_NOTES - 1] + "…"
    all_notes = "; ".join(part for part in (text, known) if part)
    text = f"{description} ({all_notes})" if description and all_notes else description or all_notes
    if text:
        schema["description"] = text


_ASIDE = frozenset(
    {"not", "if", "dependentRequired", "dependentSchemas", "dependencies", "contains"}
    | {"minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"}
)


def side_notes(schema: JSONObject) -> tuple[str, ...]:
    """Conditions that no dialect can express, in words."""
    if schema.keys().isdisjoint(_ASIDE):
        return ()
    if "not" in schema and schema["not"] not in (False, {"not": {}}):
        return (f"not: {_brief(schema['not'])}", *_conditions(schema))
    return _conditions(schema)


def _conditions(schema: JSONObject) -> tuple[str, ...]:
    found = []
    if "if" in schema:
        condition = _brief(schema["if"])
        found += [
            f"if {condition} {word} {_brief(schema[word])}"
            for word in ("then", "else")
            if word in schema
        ]
    for word in ("dependentRequired", "dependentSchemas", "dependencies"):
        needs = schema.get(word)
        if isinstance(needs, dict):
            found.extend(f"with {name} also {_need(need)}" for name, need in needs.items())
    counts = ("contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties")
    found += [f"{word}: {_brief(schema[word])}" for word in counts if word in schema]
    return tuple(found)


def _need(need: JSONValue) -> str:
    names = need.get("required") if isinstance(need, dict) and need.keys() == {"required"} else need
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return " and ".join(names) or "nothing"
    return _brief(need)


def _brief(value: JSONValue, most: int = 160) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= most else text[: most - 1] + "…"


_LONGEST_OUTLINE = 1_000
_SHORTEST_OUTLINE = 80
_OUTLINED_CHARS = 60_000  # characters of all outlines of one schema, after which they are short
_LEFT_OUT = frozenset({"$schema", "$id", "$comment", "examples", "definitions", "$defs"})


class SchemaOutlines:
    """Describe the schemas of one document in their own words."""

    def __init__(self) -> None:
        self._chars_left = _OUTLINED_CHARS
        self._known: dict[tuple[int, ...], str] = {}

    def of(self, conj: tuple[JSONValue, ...]) -> str:
        """Describe a schema, abbreviating once most characters are used up."""
        key = tuple(map(id, conj))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _outline(
                conj[0] if len(conj) == 1 else {"allOf": list(conj)}
            )
        most = _LONGEST_OUTLINE if self._chars_left > 0 else _SHORTEST_OUTLINE
        self._chars_left -= len(known)
        return known if len(known) <= most else known[: most - 1] + "…"

    def of_properties(self, named: dict[str, tuple[JSONValue, ...]]) -> str:
        """Properties that are described, not typed."""
        properties = {name: conj[0] if conj else True for name, conj in named.items()}
        return "among them " + _outline({"properties": properties})


def _outline(schema: JSONValue) -> str:
    text = json.dumps(_bare(schema, 6), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _LONGEST_OUTLINE else text[: _LONGEST_OUTLINE - 1] + "…"


def _bare(schema: JSONValue, depth: int) -> JSONValue:
    if isinstance(schema, dict):
        if depth == 0:
            return {"…": "…"}
        return {key: _bare(sub, depth - 1) for key, sub in schema.items() if key not in _LEFT_OUT}
    if isinstance(schema, list):
        return [_bare(item, depth - 1) for item in schema[:40]]
    return schema
