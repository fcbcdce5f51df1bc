"""Schemas in the words of the schema itself, shortened, for what the model writes as JSON text."""

from __future__ import annotations

import json
from typing import Any

from prompture.schema.rewriting.alts import Conj

_MOST = 1_000
_SHORT = 80
_INK = 60_000  # characters for all sketches of one schema, after which they are short
_LEFT_OUT = frozenset({"$schema", "$id", "$comment", "examples", "definitions", "$defs"})


class Sketches:
    """Sketches of one document's schemas."""

    def __init__(self) -> None:
        self._ink = _INK
        self._known: dict[tuple[int, ...], str] = {}

    def of(self, conj: Conj) -> str:
        """One schema; in full only for as long as there is ink."""
        key = tuple(map(id, conj))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _sketch(conj[0] if len(conj) == 1 else {"allOf": list(conj)})
        most = _MOST if self._ink > 0 else _SHORT
        self._ink -= len(known)
        return known if len(known) <= most else known[: most - 1] + "…"

    def of_properties(self, named: dict[str, Conj]) -> str:
        """Properties that are described, not typed."""
        properties = {name: conj[0] if conj else True for name, conj in named.items()}
        return "among them " + _sketch({"properties": properties})


def _sketch(schema: Any) -> str:
    text = json.dumps(_bare(schema, 6), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def _bare(schema: Any, depth: int) -> Any:
    if isinstance(schema, dict):
        if depth == 0:
            return {"…": "…"}
        return {key: _bare(sub, depth - 1) for key, sub in schema.items() if key not in _LEFT_OUT}
    if isinstance(schema, list):
        return [_bare(item, depth - 1) for item in schema[:40]]
    return schema
