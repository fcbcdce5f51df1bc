"""Conditions that no dialect has, in words: not, if, contains, dependencies."""

from __future__ import annotations

import json
from typing import Any

_ASIDE = frozenset(
    {"not", "if", "dependentRequired", "dependentSchemas", "dependencies", "contains"}
    | {"minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"}
)


def side_notes(schema: dict[str, Any]) -> tuple[str, ...]:
    """What no dialect is told but in words."""
    if schema.keys().isdisjoint(_ASIDE):
        return ()
    if "not" in schema and schema["not"] not in (False, {"not": {}}):
        return (f"not: {_brief(schema['not'])}", *_conditions(schema))
    return _conditions(schema)


def _conditions(schema: dict[str, Any]) -> tuple[str, ...]:
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


def _need(need: Any) -> str:
    names = need.get("required") if isinstance(need, dict) and need.keys() == {"required"} else need
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return " and ".join(names) or "nothing"
    return _brief(need)


def _brief(value: Any, most: int = 160) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= most else text[: most - 1] + "…"
