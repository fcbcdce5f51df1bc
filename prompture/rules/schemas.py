"""JSON Schema read for its shape: references followed, null taken out, allOf merged."""

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 12


def resolve(schema: Any, root: Mapping[str, Any], depth: int = 0) -> tuple[Mapping[str, Any], bool]:
    """Follow references and take "null" out: the schema of the value, and whether null is allowed."""
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return {}, True
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target, nullable = resolve(_pointed(reference, root), root, depth + 1)
        return {**target, **{k: v for k, v in schema.items() if k != "$ref"}}, nullable
    for keyword in ("anyOf", "oneOf"):
        choices = schema.get(keyword)
        if isinstance(choices, list) and choices:
            return _union(schema, keyword, root, depth)
    parts = schema.get("allOf")
    if isinstance(parts, list) and parts:
        return _merged(schema, root, depth)
    types = schema.get("type")
    if isinstance(types, list):
        kept = [name for name in types if name != "null"]
        return {**schema, "type": kept[0] if len(kept) == 1 else kept}, "null" in types
    return schema, types == "null"


def _pointed(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#"):
        return {}
    target: Any = root
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        target = target.get(key) if isinstance(target, Mapping) else None
    return target


def _union(
    schema: Mapping[str, Any], keyword: str, root: Mapping[str, Any], depth: int
) -> tuple[Mapping[str, Any], bool]:
    outer = {k: v for k, v in schema.items() if k != keyword}
    resolved = [resolve(choice, root, depth + 1) for choice in schema[keyword]]
    nullable = any(null for _, null in resolved)
    real = [choice for choice, _ in resolved if choice.get("type") != "null"]
    if not real:
        return outer, True
    names = [choice.get("type") for choice in real]
    if len(real) > 1 and all(
        isinstance(name, str) and name not in {"object", "array"} for name in names
    ):
        merged: dict[str, Any] = {}
        for choice in reversed(real):
            merged.update(choice)
        return {**merged, "type": names, **outer}, nullable
    return {**real[0], **outer}, nullable


def _merged(
    schema: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> tuple[Mapping[str, Any], bool]:
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    outer = {k: v for k, v in schema.items() if k != "allOf"}
    for part in [*schema["allOf"], outer]:
        inner, _ = resolve(part, root, depth + 1)
        merged.update(inner)
        if isinstance(inner.get("properties"), Mapping):
            properties.update(inner["properties"])
        if isinstance(inner.get("required"), list):
            required.extend(inner["required"])
    if properties:
        merged["properties"], merged["required"] = properties, required
    return merged, False


def json_types(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types a resolved schema names, or those its keywords and constants imply."""
    named = schema.get("type")
    if isinstance(named, str):
        return frozenset({named})
    if isinstance(named, list):
        return frozenset(name for name in named if isinstance(name, str))
    if "properties" in schema:
        return frozenset({"object"})
    if "items" in schema or "prefixItems" in schema:
        return frozenset({"array"})
    return frozenset({"string"})
