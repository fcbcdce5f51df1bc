"""What each provider refuses, written from the wire digest alone: nothing of the rewriter is imported.

``broken(schema, dialect)`` lists the rules that a schema breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Rule = Callable[[dict[str, Any]], Iterator[str]]

SCALARS = {"string", "number", "integer", "boolean", "null"}
LOOK = re.compile(r"\(\?(?:[=!]|<[=!])")
OPENAI_WORDS = set(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "const",
        "$ref",
        "$defs",
        "description",
        "title",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    ]
)
OPENAI_FORMATS = set(
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]
)
ANTHROPIC_WORDS = set(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "allOf",
        "enum",
        "const",
        "$ref",
        "$defs",
        "description",
        "title",
        "pattern",
        "format",
        "minItems",
    ]
)
GEMINI_WORDS = set(
    [
        "$id",
        "$defs",
        "$ref",
        "$anchor",
        "type",
        "format",
        "description",
        "enum",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
        "properties",
        "additionalProperties",
        "required",
        "propertyOrdering",
    ]
)
GEMINI_OPENAPI_WORDS = set(
    [
        "type",
        "format",
        "description",
        "nullable",
        "enum",
        "items",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "pattern",
        "properties",
        "required",
        "propertyOrdering",
        "anyOf",
        "title",
    ]
)
MOONSHOT_WORDS = set(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "$ref",
        "$defs",
        "$id",
        "description",
        "title",
        "default",
    ]
)
COHERE_WORDS = set(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "const",
        "$ref",
        "$defs",
        "description",
        "title",
        "pattern",
        "format",
    ]
)
LOOSE_WORDS = OPENAI_WORDS | set(
    ["minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties", "prefixItems"]
)


Found = list[tuple[str, dict[str, Any]]]
_walked: list[tuple[Any, Found]] = []


def subschemas(schema: Any) -> Found:
    """Every schema in a rewritten schema, with its path; a boolean counts as none.

    A dozen rules look through one schema after another, so the last walk is kept."""
    if not _walked or _walked[0][0] is not schema:
        found: Found = []
        _walk(schema, "", found)
        _walked[:] = [(schema, found)]
    return _walked[0][1]


def _walk(schema: Any, path: str, found: Found) -> None:
    if not isinstance(schema, dict):
        return
    found.append((path, schema))
    for word in ("properties", "$defs"):
        for name, sub in schema.get(word, {}).items():
            _walk(sub, f"{path}/{word}/{name}", found)
    for word in ("items", "additionalProperties"):
        _walk(schema.get(word), f"{path}/{word}", found)
    for word in ("anyOf", "allOf", "oneOf", "prefixItems"):
        for i, sub in enumerate(schema.get(word, ())):
            _walk(sub, f"{path}/{word}/{i}", found)


def native(schema: Any) -> Any:
    """A rewritten schema as JSON Schema: Gemini's ``nullable`` said as a type."""
    if isinstance(schema, list):
        return [native(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {k: v if k in ("enum", "const") else native(v) for k, v in schema.items()}
    if found.get("nullable") is True:
        del found["nullable"]
        return {"anyOf": [found, {"type": "null"}]}
    return found


def resolve(root: dict[str, Any], ref: str) -> dict[str, Any]:
    if ref == "#":
        return root
    assert ref.startswith("#/$defs/"), ref
    return root["$defs"][ref.removeprefix("#/$defs/")]


def is_recursive(root: dict[str, Any]) -> bool:
    def leads(schema: dict[str, Any], onto: tuple[str, ...], done: set[str]) -> bool:
        for _, part in subschemas({k: v for k, v in schema.items() if k != "$defs"}):
            ref = part.get("$ref")
            if ref in onto:
                return True
            if ref and ref not in done:
                if leads(resolve(root, ref), (*onto, ref), done):
                    return True
                done.add(ref)
        return False

    return leads(root, ("#",), set())


def nesting(
    root: dict[str, Any], schema: dict[str, Any], memo: dict[str, int], on: tuple[str, ...] = ()
) -> int:
    """Objects and arrays within each other, references followed, a cycle once."""
    ref = schema.get("$ref")
    if ref is not None:
        if ref in on:
            return 0
        if ref not in memo:
            memo[ref] = nesting(root, resolve(root, ref), memo, (*on, ref))
        return memo[ref]
    inner = [*schema.get("properties", {}).values(), *schema.get("prefixItems", ())]
    inner += [
        schema[w] for w in ("items", "additionalProperties") if isinstance(schema.get(w), dict)
    ]
    level = 1 if schema.get("type") in ("object", "array") else 0
    within = max((nesting(root, sub, memo, on) for sub in inner), default=0)
    beside = max(
        (nesting(root, sub, memo, on) for w in ("anyOf", "allOf") for sub in schema.get(w, ())),
        default=0,
    )
    return max(level + within, beside)


def rule_words(schema: dict[str, Any], words: set[str]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        for word in sub.keys() - words:
            yield f"{path}: {word} is not allowed"


def rule_refs(schema: dict[str, Any], *, beside: set[str]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        if path and "$defs" in sub:
            yield f"{path}: $defs below the root"
        ref = sub.get("$ref")
        if ref is None:
            continue
        if ref != "#" and ref.removeprefix("#/$defs/") not in schema.get("$defs", {}):
            yield f"{path}: {ref} does not resolve"
        extra = sub.keys() - {"$ref", "$defs"} - beside
        if extra:
            yield f"{path}: {sorted(extra)} beside $ref"


def rule_root_object(schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("type") != "object" or "anyOf" in schema:
        yield "the root is not an object"


def rule_closed(schema: dict[str, Any]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        if sub.get("type") == "object" and sub.get("additionalProperties") is not False:
            yield f"{path}: not closed"
        if "properties" in sub and sub.get("type") != "object":
            yield f"{path}: properties without type object"


def rule_all_required(schema: dict[str, Any]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        if sub.get("type") == "object" and set(sub.get("required", ())) != set(
            sub.get("properties", ())
        ):
            yield f"{path}: not every property is required"


def rule_required_exist(schema: dict[str, Any]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        if set(sub.get("required", ())) - set(sub.get("properties", ())):
            yield f"{path}: required names that are no properties"
        if len(set(sub.get("required", ()))) != len(sub.get("required", ())):
            yield f"{path}: a name required twice"


def rule_typed(schema: dict[str, Any]) -> Iterator[str]:
    """Every place says what it is."""
    for path, sub in subschemas(schema):
        if sub.keys().isdisjoint({"type", "anyOf", "allOf", "$ref", "enum", "const"}):
            yield f"{path}: no type"
        if sub.get("type") == "array" and "items" not in sub and "prefixItems" not in sub:
            yield f"{path}: an array without items"


def rule_single_types(schema: dict[str, Any]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        if "type" in sub and sub["type"] not in SCALARS | {"object", "array"}:
            yield f"{path}: type {sub['type']!r}"


def rule_formats(schema: dict[str, Any], formats: set[str]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        if "format" in sub and sub["format"] not in formats:
            yield f"{path}: format {sub['format']}"


def rule_patterns(schema: dict[str, Any]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        if LOOK.search(sub.get("pattern", "")):
            yield f"{path}: lookaround"


def rule_enums(schema: dict[str, Any], kinds: tuple[type, ...]) -> Iterator[str]:
    for path, sub in subschemas(schema):
        values = [*sub.get("enum", ()), *([sub["const"]] if "const" in sub else [])]
        if "enum" in sub and not values:
            yield f"{path}: an empty enum"
        for value in values:
            if not isinstance(value, kinds):
                yield f"{path}: a {type(value).__name__} in an enum"
        if len({"number" if type(v) in (int, float) else type(v).__name__ for v in values}) > 1:
            yield f"{path}: an enum of mixed types"
        if len(values) != len({(type(v).__name__, v) for v in values}):
            yield f"{path}: a value twice in an enum"


def rule_not_recursive(schema: dict[str, Any]) -> Iterator[str]:
    if is_recursive(schema):
        yield "recursion"


def rule_depth(schema: dict[str, Any], most: int) -> Iterator[str]:
    if (depth := nesting(schema, schema, {})) > most:
        yield f"nests {depth} levels deep, most is {most}"


def rule_properties(schema: dict[str, Any], most: int) -> Iterator[str]:
    count = sum(len(sub.get("properties", ())) for _, sub in subschemas(schema))
    if count > most:
        yield f"{count} properties, most is {most}"


def rule_enum_sizes(schema: dict[str, Any], *, most: int, long: int, chars: int) -> Iterator[str]:
    total = 0
    for path, sub in subschemas(schema):
        values = sub.get("enum", ())
        total += len(values)
        if len(values) > long and sum(len(str(value)) for value in values) > chars:
            yield f"{path}: an enum too long"
    if total > most:
        yield f"{total} enum values, most is {most}"


def rule_chars(schema: dict[str, Any], most: int) -> Iterator[str]:
    total = 0
    for _, sub in subschemas(schema):
        names = [*sub.get("properties", ()), *sub.get("$defs", ()), *sub.get("enum", ())]
        names += [sub["const"]] if "const" in sub else []
        total += sum(len(str(name)) for name in names)
    if total > most:
        yield f"{total} characters of names and values, most is {most}"


def openai(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, OPENAI_WORDS)
    yield from rule_refs(schema, beside=set())
    yield from rule_root_object(schema)
    yield from rule_closed(schema)
    yield from rule_all_required(schema)
    yield from rule_required_exist(schema)
    yield from rule_typed(schema)
    yield from rule_single_types(schema)
    yield from rule_formats(schema, OPENAI_FORMATS)
    yield from rule_patterns(schema)
    yield from rule_enums(schema, (str, int, float, bool, type(None)))
    yield from rule_depth(schema, 10)
    yield from rule_properties(schema, 5000)
    yield from rule_enum_sizes(schema, most=1000, long=250, chars=15_000)
    yield from rule_chars(schema, 120_000)


def xai(schema: dict[str, Any]) -> Iterator[str]:
    yield from openai(schema)
    yield from rule_words(schema, OPENAI_WORDS - {"minItems", "maxItems"})


def deepseek(schema: dict[str, Any]) -> Iterator[str]:
    yield from openai(schema)
    yield from rule_formats(schema, {"email", "hostname", "ipv4", "ipv6", "uuid"})


def anthropic(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, ANTHROPIC_WORDS)
    yield from rule_refs(schema, beside=set())
    yield from rule_root_object(schema)
    yield from rule_closed(schema)
    yield from rule_required_exist(schema)
    yield from rule_typed(schema)
    yield from rule_single_types(schema)
    yield from rule_formats(schema, OPENAI_FORMATS | {"uri"})
    yield from rule_patterns(schema)
    yield from rule_enums(schema, (str, int, float, bool, type(None)))
    yield from rule_not_recursive(schema)
    optionals = unions = 0
    for path, sub in subschemas(schema):
        optionals += len(set(sub.get("properties", ())) - set(sub.get("required", ())))
        unions += "anyOf" in sub
        if sub.get("minItems", 0) > 1:
            yield f"{path}: minItems {sub['minItems']}"
        for name in sub.get("properties", ()):
            if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name):
                yield f"{path}: property name {name!r}"
    if optionals > 24:
        yield f"{optionals} optional properties, most is 24"
    if unions > 16:
        yield f"{unions} unions, most is 16"


def gemini(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, GEMINI_WORDS)
    yield from rule_refs(schema, beside=set())
    yield from rule_typed(schema)
    yield from rule_single_types(schema)
    yield from rule_required_exist(schema)
    yield from rule_enums(schema, (str, int, float))
    yield from rule_not_recursive(schema)
    for path, sub in subschemas(schema):
        if "propertyOrdering" in sub and set(sub["propertyOrdering"]) != set(sub["properties"]):
            yield f"{path}: propertyOrdering"
        if any(isinstance(value, bool) for value in sub.get("enum", ())):
            yield f"{path}: a boolean in an enum"


def gemini_openapi(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, GEMINI_OPENAPI_WORDS)
    yield from rule_typed(schema)
    yield from rule_single_types(schema)
    yield from rule_required_exist(schema)
    yield from rule_enums(schema, (str,))
    for path, sub in subschemas(schema):
        if sub.get("type") == "null":
            yield f"{path}: type null"
        if "enum" in sub and sub.get("type") != "string":
            yield f"{path}: an enum of no strings"


def moonshot(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, MOONSHOT_WORDS)
    yield from rule_refs(schema, beside={"description", "title", "$defs", "$id"})
    yield from rule_root_object(schema)
    yield from rule_required_exist(schema)
    yield from rule_single_types(schema)
    yield from rule_enums(schema, (str, int, float))
    yield from rule_depth(schema, 5)
    yield from rule_properties(schema, 100)
    yield from rule_enum_sizes(schema, most=500, long=250, chars=7_500)
    for path, sub in subschemas(schema):
        is_any = not sub and path.endswith("/additionalProperties")
        if sub.keys().isdisjoint({"type", "anyOf", "$ref"}) and not is_any:
            yield f"{path}: no type"
        if "anyOf" in sub:
            if not 1 <= len(sub["anyOf"]) <= 10:
                yield f"{path}: {len(sub['anyOf'])} branches"
            if extra := sub.keys() - {"anyOf", "description", "title", "$defs", "$id"}:
                yield f"{path}: {sorted(extra)} beside anyOf"
        if sub.get("required") == []:
            yield f"{path}: an empty required"
        if sub.keys() & {"items"} and sub.get("type") != "array":
            yield f"{path}: items of no array"
        if sub.get("items") == {}:
            yield f"{path}: empty items"
        for name in sub.get("properties", ()):
            if name in ("$defs", "$ref", "anyOf", "required", "additionalProperties"):
                yield f"{path}: property name {name!r}"
        for name in sub.get("$defs", ()):
            if "/" in name:
                yield f"{path}: definition {name!r}"
        for value in sub.get("enum", ()):
            wanted = {"string": str, "integer": int, "number": (int, float)}[sub["type"]]
            if isinstance(value, bool) or not isinstance(value, wanted):
                yield f"{path}: {value!r} is no {sub['type']}"
            elif isinstance(value, int | float) and (abs(value) >= 2**53 or "e" in repr(value)):
                yield f"{path}: {value!r} out of range"
    yield from rule_terminates(schema)


def rule_terminates(schema: dict[str, Any]) -> Iterator[str]:
    """Each definition has a finite value."""
    finite: set[str] = set()

    def ends(sub: dict[str, Any]) -> bool:
        if "$ref" in sub:
            return sub["$ref"] in finite
        if "anyOf" in sub:
            return any(ends(part) for part in sub["anyOf"])
        return all(ends(sub["properties"][name]) for name in sub.get("required", ()))

    for _ in range(len(schema.get("$defs", ())) + 1):
        finite |= {f"#/$defs/{name}" for name, sub in schema.get("$defs", {}).items() if ends(sub)}
        finite |= {"#"} if ends(schema) else set()
    for name in schema.get("$defs", ()):
        if f"#/$defs/{name}" not in finite:
            yield f"{name} never ends"


def cohere(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, COHERE_WORDS)
    yield from rule_root_object(schema)
    yield from rule_refs(schema, beside=set())
    yield from rule_typed(schema)
    yield from rule_single_types(schema)
    yield from rule_required_exist(schema)
    yield from rule_formats(schema, {"date-time", "uuid", "date", "time"})
    yield from rule_patterns(schema)
    yield from rule_not_recursive(schema)
    yield from rule_closed(schema)
    if not schema.get("required"):
        yield "nothing required at the root"


def loose(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, LOOSE_WORDS)
    yield from rule_root_object(schema)
    yield from rule_refs(schema, beside={"description", "title"})
    yield from rule_single_types(schema)
    yield from rule_required_exist(schema)
    yield from rule_enums(schema, (str, int, float, bool, type(None)))


def ollama(schema: dict[str, Any]) -> Iterator[str]:
    yield from rule_words(schema, LOOSE_WORDS)
    yield from rule_refs(schema, beside={"description", "title"})
    yield from rule_single_types(schema)
    for path, sub in subschemas(schema):
        pattern = sub.get("pattern", "^$")
        if not (pattern.startswith("^") and pattern.endswith("$")):
            yield f"{path}: a pattern without anchors"


RULES: dict[str, Rule] = {
    "openai": openai,
    "openai-compatible": loose,
    "groq": openai,
    "mistral": openai,
    "xai": xai,
    "deepseek": deepseek,
    "anthropic": anthropic,
    "gemini": gemini,
    "gemini-openapi": gemini_openapi,
    "moonshot": moonshot,
    "cohere": cohere,
    "ollama": ollama,
}


def broken(schema: dict[str, Any], dialect: str) -> list[str]:
    """The rules of the dialect that the schema breaks."""
    _walked.clear()  # the schema may have been changed since
    return list(RULES[dialect](schema))
