"""Random values: names, texts, JSON, schemas with an instance, answers with a slip of the pen."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

# Words of Pydantic's core schemas, of JSON Schema, of Python and of this project's own formats.
WORDS = [
    "type",
    "schema",
    "fields",
    "field",
    "default",
    "config",
    "metadata",
    "ref",
    "definitions",
    "serialization",
    "expected",
    "cls",
    "mode",
    "function",
    "strict",
    "items_schema",
    "choices",
    "discriminator",
    "tag",
    "model",
    "root",
    "computed_fields",
    "$ref",
    "$defs",
    "$id",
    "$schema",
    "properties",
    "required",
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "enum",
    "const",
    "title",
    "description",
    "format",
    "pattern",
    "minimum",
    "additionalProperties",
    "patternProperties",
    "if",
    "then",
    "else",
    "class",
    "def",
    "self",
    "None",
    "__class__",
    "__init__",
    "__proto__",
    "constructor",
    "items",
    "keys",
    "get",
    "copy",
    "json",
    "dict",
    "value",
    "key",
    "other_fields",
    "rest",
    "answer",
    "result",
    "results",
    "data",
    "list",
    "kind",
    "item",
    "name",
    "arguments",
    "error",
    "text",
    "content",
    "role",
    "id",
    "usage",
    "model_name",
    "sources",
    "cost",
]
LETTERS = "aeiounrst áßçñøŁжאبمकไ日本語한국 _-./~%$€\"'\\{}[]:,0123456789\n\t"
ODD = (
    "\u202e",
    "\x00",
    "\x1b[2J",
    "\ufeff",
    "e\u0301",
    "\ud800",
    "\u200b",
    "𝔘",
    "👩‍👩‍👧",
    "\x85",
    "</think>",
    "```",
)


def name(rng: Random) -> str:
    """A field's name: mostly one that somebody's format gives a meaning to."""
    kind = rng.random()
    if kind < 0.7:
        return rng.choice(WORDS)
    if kind < 0.9:
        return "".join(rng.choice("abcxyz_09") for _ in range(rng.randint(1, 8)))
    return plain_text(rng, 12) or "x"


def names(rng: Random, most: int = 5) -> list[str]:
    return list(dict.fromkeys(name(rng) for _ in range(rng.randint(1, most))))


def text(rng: Random, most: int = 40, *, odd: float = 0.1) -> str:
    found = "".join(rng.choice(LETTERS) for _ in range(rng.randint(0, most)))
    if rng.random() < odd:
        at = rng.randint(0, len(found))
        found = found[:at] + rng.choice(ODD) + found[at:]
    return found


def plain_text(rng: Random, most: int = 30) -> str:
    """A text without halves of surrogate pairs: those are sent as ``?``."""
    return text(rng, most).replace("\ud800", "")


def word(rng: Random) -> str:
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 9)))


def integer(rng: Random) -> int:
    return rng.choice([0, 1, -1, 7, 2**31, -(2**53), rng.randint(-(10**6), 10**6)])


def number(rng: Random) -> float | int:
    return rng.choice(
        [0.0, 0.5, -12.25, 1e-7, 1e20, integer(rng), round(rng.uniform(-1e6, 1e6), 2)]
    )


def value(rng: Random, depth: int = 3) -> Any:
    """Any JSON value."""
    makers: list[Callable[[], Any]] = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: integer(rng),
        lambda: number(rng),
        lambda: plain_text(rng),
    ]
    if depth:
        makers += [
            lambda: [value(rng, depth - 1) for _ in range(rng.randint(0, 3))],
            lambda: {n: value(rng, depth - 1) for n in names(rng, 3)},
        ]
    return rng.choice(makers)()


def pair(rng: Random, depth: int = 3) -> tuple[dict[str, Any], Any]:
    """A JSON Schema and a value that is valid under it."""
    kinds = ["string", "integer", "number", "boolean", "enum", "date", "nullable"]
    if depth:
        kinds += ["object", "object", "array", "map", "union", "ref"]
    kind = rng.choice(kinds)
    if kind == "string":
        return {"type": "string"}, plain_text(rng)
    if kind == "integer":
        return {"type": "integer"}, integer(rng)
    if kind == "number":
        return {"type": "number"}, number(rng)
    if kind == "boolean":
        return {"type": "boolean"}, rng.random() < 0.5
    if kind == "enum":
        members = list(dict.fromkeys(word(rng) for _ in range(rng.randint(1, 4))))
        return {"type": "string", "enum": members}, rng.choice(members)
    if kind == "date":
        return {
            "type": "string",
            "format": "date",
        }, f"20{rng.randint(10, 29)}-0{rng.randint(1, 9)}-17"
    if kind == "nullable":
        inner, made = pair(rng, 0)
        return {"anyOf": [inner, {"type": "null"}]}, None if rng.random() < 0.4 else made
    return _nested(rng, kind, depth)


def _nested(rng: Random, kind: str, depth: int) -> tuple[dict[str, Any], Any]:
    if kind == "array":
        inner, made = pair(rng, depth - 1)
        return {"type": "array", "items": inner}, [made] * rng.randint(0, 3)
    if kind == "map":
        inner, made = pair(rng, depth - 1)
        return {"type": "object", "additionalProperties": inner}, {n: made for n in names(rng, 3)}
    if kind == "union":
        text_or = {"type": "string"}, plain_text(rng)
        inner, made = rng.choice([record(rng, depth - 1), ({"type": "integer"}, integer(rng))])
        return {"anyOf": [text_or[0], inner]}, rng.choice([text_or[1], made])
    if kind == "ref":
        inner, made = record(rng, depth - 1)
        called = rng.choice(["Item", "type", "a/b", "x~y"])
        pointer = called.replace("~", "~0").replace("/", "~1")
        schema = {"$defs": {called: inner}, "$ref": f"#/$defs/{pointer}"}
        # A reference is read from the root: inside of another schema it would point elsewhere.
        return (schema, made) if depth == 3 else (inner, made)
    return record(rng, depth)


def record(rng: Random, depth: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    """A closed object with required and optional properties, and an instance."""
    properties, made = {}, {}
    required = []
    for n in names(rng):
        properties[n], inner = pair(rng, max(depth - 1, 0))
        if rng.random() < 0.7:
            required.append(n)
            made[n] = inner
        elif rng.random() < 0.5:
            made[n] = inner
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return schema, made


def sentence(rng: Random) -> str:
    """A document that says a few things."""
    lines = []
    for _ in range(rng.randint(1, 12)):
        shown = rng.choice(
            [
                text(rng, 20),
                str(number(rng)),
                f"{rng.randint(1, 31)}.{rng.randint(1, 12)}.20{rng.randint(10, 29)}",
                word(rng),
            ]
        )
        lines.append(rng.choice([f"{word(rng)}: {shown}", f"| {shown} | {word(rng)} |", shown]))
    return rng.choice(["\n", "\r\n", " "]).join(lines)


def slip(rng: Random, answer: str) -> str:
    """The answer with one structural character deleted, doubled, or replaced by a neighbour."""
    at = rng.choice(structure(answer))
    how = rng.choice(["delete", "double", "replace", "move"])
    if how == "delete":
        return answer[:at] + answer[at + 1 :]
    if how == "double":
        return answer[:at] + answer[at] + answer[at:]
    if how == "replace":
        return answer[:at] + rng.choice("{}[]\",:;'()") + answer[at + 1 :]
    return answer[:at] + answer[at + 1 : at + 2] + answer[at] + answer[at + 2 :]


def structure(answer: str) -> list[int]:
    """Where JSON has its brackets, commas, colons and the quotes around its strings."""
    places, inside, escaped = [], False, False
    for i, c in enumerate(answer):
        if inside and (escaped or c == "\\"):
            escaped = not escaped
        elif c == '"':
            inside = not inside
            places.append(i)
        elif not inside and c in "{}[],:":
            places.append(i)
    return places


def wrapped(rng: Random, answer: str) -> str:
    """The answer as models dress it."""
    return rng.choice(
        [
            answer,
            f"```json\n{answer}\n```",
            f"```\n{answer}\n```\n",
            f"Here it is:\n\n{answer}\n",
            f"<think>Hm, {{ no }}.</think>\n{answer}",
            f"\ufeff{answer}",
            f"{answer}\n\nLet me know if you need more.",
        ]
    )


def pieces(rng: Random, data: bytes) -> list[bytes]:
    """The bytes cut anywhere."""
    cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.randint(0, 12)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def dumped(rng: Random, value: Any) -> str:
    """JSON in one of the usual layouts."""
    return json.dumps(
        value,
        ensure_ascii=rng.random() < 0.3,
        indent=rng.choice([None, None, 2]),
        separators=rng.choice([None, (",", ":")]),
    )
