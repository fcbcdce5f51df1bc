"""The words of JSON Schema that say something about values, and schemas that have but one of them."""

from __future__ import annotations

from typing import Any

ASSERTIONS = frozenset(
    {
        "type",
        "enum",
        "const",
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
    }
    | {
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "properties",
        "patternProperties",
        "required",
    }
    | {
        "additionalProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "items",
        "prefixItems",
    }
    | {
        "additionalItems",
        "contains",
        "minContains",
        "maxContains",
        "minItems",
        "maxItems",
        "uniqueItems",
    }
    | {"minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum"}
    | {"exclusiveMaximum", "multipleOf", "unevaluatedProperties", "unevaluatedItems"}
)
JOINS = frozenset(
    {
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "not",
        "enum",
        "const",
    }
)
_REF = frozenset({"$ref"})


def is_bare_ref(schema: dict[str, Any]) -> bool:
    """A ``$ref`` and nothing beside it but titles and the like."""
    return (schema.keys() & ASSERTIONS) == _REF
