"""Parameters of tools as providers take them: what JSON Schema lets one leave out is written.

OpenAI and others refuse an object without ``properties``, an array without ``items`` and
parameters without a ``type``; written out they mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompture.types import JSON

_OF_NAMES = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords that hold schemas by names of other people's making."""
_OF_ONE = ("items", "additionalProperties", "contains", "not", "if", "then", "else")
_OF_MANY = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_HOLD_SCHEMAS = frozenset((*_OF_NAMES, *_OF_ONE, *_OF_MANY))


def written_out(parameters: JSON) -> dict[str, Any]:
    """A tool's parameters with nothing left out. Names of fields are not looked at."""
    root = dict(parameters)
    if "$ref" not in root and not any(key in root for key in ("anyOf", "oneOf", "allOf")):
        root["type"] = "object"
    node = _node(root)
    return node if "type" not in node else {**node, "properties": node.get("properties") or {}}


def _node(schema: JSON) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key not in _HOLD_SCHEMAS:
            found[key] = value
        elif key in _OF_NAMES and isinstance(value, Mapping):
            found[key] = {name: _schema(each) for name, each in value.items()}
        elif key in _OF_MANY and isinstance(value, (list, tuple)):
            found[key] = [_schema(each) for each in value]
        elif key in _OF_ONE:
            found[key] = _schema(value)
        else:
            found[key] = value
    kind = found.get("type")
    kinds = kind if isinstance(kind, (list, tuple)) else (kind,)
    if "object" in kinds and not isinstance(found.get("properties"), Mapping):
        found["properties"] = {}
    if "array" in kinds and "items" not in found and "prefixItems" not in found:
        found["items"] = {}
    return found


def _schema(schema: Any) -> Any:
    is_schema = type(schema) is dict or isinstance(schema, Mapping)
    return _node(schema) if is_schema else schema
