"""A tool's JSON Schema, in the few words that Ollama's server keeps of it.

The server reads parameters into a record of ``type``, ``description``, ``enum`` and ``items``
per property and forgets the rest (source: ``ToolProperty`` in
https://github.com/ollama/ollama/blob/main/api/types.go). What it would forget is put into the
property's description, where the model reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prompture.schema.pointer import referenced
from prompture.types import JSON

_KEPT = ("type", "description", "enum", "items")
_NOISE = {"title", "$schema", "$id", "$comment", "additionalProperties", "examples"}
_ROOT = {"type", "properties", "required", "$defs", "definitions"}
_DEPTH = 6


def parameters(schema: JSON) -> tuple[dict[str, Any], str]:
    """An object schema for a tool, with local references resolved and every property reduced;
    and what of the root must be said in the tool's description."""
    root = _resolve(schema, schema, ())
    reduced: dict[str, Any] = {
        "type": "object",
        "properties": {n: _property(p) for n, p in (root.get("properties") or {}).items()},
    }
    if root.get("required"):
        reduced["required"] = list(root["required"])
    words = root.pop("description", "")
    rest = {k: v for k, v in root.items() if k not in _ROOT | _NOISE}
    return reduced, _described({"description": words}, rest) if rest else words


def _property(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    schema = _one_of_types(schema)
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema and "enum" not in kept:
        kept["enum"] = [schema["const"]]
    rest = {k: v for k, v in schema.items() if k not in {*_KEPT, *_NOISE, "const"}}
    if rest:
        kept["description"] = _described(kept, rest)
    return kept


def _described(schema: JSON, rest: JSON) -> str:
    words = json.dumps(rest, ensure_ascii=False, default=str)
    return f"{schema.get('description', '')} (JSON Schema: {words})".strip()


def _one_of_types(schema: JSON) -> JSON:
    """``anyOf`` of one schema and null, or of plain types, as a list of types."""
    branches = schema.get("anyOf") or schema.get("oneOf")
    if not isinstance(branches, list) or not all(isinstance(b, Mapping) for b in branches):
        return schema
    types = [b.get("type") for b in branches]
    rich = [b for b in branches if b.keys() - {"type"} - _NOISE]
    if not all(isinstance(t, str) for t in types) or len(rich) > 1:
        return schema
    outer = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
    merged = {**(rich[0] if rich else {}), **outer, "type": types}
    if "enum" in merged and "null" in types:
        merged["enum"] = [*merged["enum"], None]
    return merged


def _resolve(schema: Any, root: JSON, within: tuple[str, ...]) -> Any:
    """The schema with local references put in place. One that leads back into itself, or is
    nested too deep, becomes any object."""
    if isinstance(schema, list):
        return [_resolve(s, root, within) for s in schema]
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        name = reference.rpartition("/")[2]
        if reference in within or len(within) == _DEPTH:
            return {"type": "object", "description": f"another {name}"}
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        target = _resolve(_target(reference, root), root, (*within, reference))
        return {**target, **_resolve(rest, root, within)}
    kept = {k: v for k, v in schema.items() if k not in ("$defs", "definitions")}
    return {k: _resolve(v, root, within) for k, v in kept.items()}


def _target(reference: str, root: JSON) -> Any:
    found = referenced(root, reference)
    return found if isinstance(found, Mapping) else {}
