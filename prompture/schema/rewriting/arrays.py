"""Arrays: lists, and tuples as objects."""

from __future__ import annotations

from prompture.json_values import JSONObject, JSONValue
from prompture.schema.rewriting.alternatives import (
    ANYTHING,
    NOTHING,
    Alt,
    ArrayShape,
    Conj,
    ObjectShape,
)
from prompture.schema.rewriting.codec import SAME, list_codec
from prompture.schema.rewriting.compilation import Compilation, Node, Spot
from prompture.schema.rewriting.notes import annotate
from prompture.schema.rewriting.objects import record
from prompture.schema.rewriting.records import RecordCodec, TupleAsObject
from prompture.schema.rewriting.scalars import keep_words

_ARRAY = frozenset({"array"})
_REST = "rest"


def array(c: Compilation, alt: Alt, spot: Spot) -> Node:
    """An array of any sort."""
    items = alt.items or ArrayShape()
    if not items.prefix:
        return _list(c, alt, items.rest, spot)
    rest = items.rest if items.rest_stated or c.exact else NOTHING
    most = alt.words.get("maxItems")
    if isinstance(most, int) and most <= len(items.prefix):
        rest = NOTHING
    if c.dialect.prefix and (not c.dialect.plain_patterns or _is_fixed(alt, items, rest)):
        return _native(c, alt, rest, spot)
    return _tuple(c, alt, rest, spot)


def _list(c: Compilation, alt: Alt, rest: Conj, spot: Spot) -> Node:
    schema: JSONObject = {"type": "array"}
    words = dict(alt.words)
    if rest == NOTHING:
        words["maxItems"] = 0
        rest = ANYTHING
    node = c.node(rest, spot.inside("items"))
    if node.schema or not c.dialect.any:
        schema["items"] = node.schema
    notes = keep_words(c, words, schema, spot)
    annotate(schema, None, [*notes, *alt.notes])
    return Node(schema, list_codec(node.codec), _ARRAY, label="array")


def _is_fixed(alt: Alt, items: ArrayShape, rest: Conj) -> bool:
    return rest == NOTHING and alt.words.get("minItems") == len(items.prefix)


def _native(c: Compilation, alt: Alt, rest: Conj, spot: Spot) -> Node:
    items = alt.items or ArrayShape()
    prefix = [
        c.node(conj, spot.inside("prefixItems", str(i))) for i, conj in enumerate(items.prefix)
    ]
    schema: JSONObject = {"type": "array", "prefixItems": [node.schema for node in prefix]}
    words, codec = dict(alt.words), SAME
    if rest == NOTHING:
        words["maxItems"] = min(words.get("maxItems", len(prefix)), len(prefix))
    elif rest != ANYTHING:
        node = c.node(rest, spot.inside("items"))
        schema["items"], codec = node.schema, node.codec
    notes = keep_words(c, words, schema, spot)
    annotate(schema, None, [*notes, *alt.notes])
    return Node(
        schema, list_codec(codec, tuple(node.codec for node in prefix)), _ARRAY, label="array"
    )


def _tuple(c: Compilation, alt: Alt, rest: Conj, spot: Spot) -> Node:
    """Positions become properties of a closed object, which the record compiles."""
    items = alt.items or ArrayShape()
    names = tuple(f"item{i + 1}" for i in range(len(items.prefix)))
    least = alt.words.get("minItems", 0)
    shape = ObjectShape(
        dict(zip(names, items.prefix, strict=True)), rest=NOTHING, required=names[:least]
    )
    if any(shape.properties[name] == NOTHING for name in shape.required):
        return c.never(spot)
    end = next((i for i, conj in enumerate(items.prefix) if conj == NOTHING), len(names))
    has_rest = rest != NOTHING and end == len(names)
    if has_rest:
        shape.properties[_REST] = (c.keep({"type": "array", "items": c.keep(_as_schema(rest))}),)
        shape.required += (_REST,)
    tokens: dict[str, tuple[str, ...]]
    tokens = {name: ("prefixItems", str(i)) for i, name in enumerate(names)} | {_REST: ("items",)}
    node = record(c, Alt("object", shape=shape), spot, tokens=tokens)
    c.change(
        spot, "tuple", f"positions become {names[0]}, ...: {c.dialect.name} has no prefixItems"
    )
    notes = keep_words(c, {w: n for w, n in alt.words.items() if w == "uniqueItems"}, {}, spot)
    annotate(node.schema, None, ["a list, item by item", *notes, *alt.notes])
    assert isinstance(node.codec, RecordCodec)
    codec = TupleAsObject(node.codec, names[:end], rest=_REST if has_rest else None)
    return Node(node.schema, codec, _ARRAY, label="array")


def _as_schema(conj: Conj) -> JSONValue:
    return conj[0] if len(conj) == 1 else {"allOf": list(conj)} if conj else True
