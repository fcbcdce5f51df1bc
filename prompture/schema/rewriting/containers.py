"""Rewritten schemas of what has parts: objects (named properties, open dicts, both at once), lists, and
tuples as objects."""

from __future__ import annotations

import re

from prompture.json_values import JSONObject, JSONValue
from prompture.schema.rewriting.alternatives import (
    ANYTHING,
    NOTHING,
    Alt,
    ArrayShape,
    Conj,
    ObjectShape,
)
from prompture.schema.rewriting.codec import SAME, TEXT, ValueCodec, list_codec
from prompture.schema.rewriting.compilation import Compilation, Node, Spot
from prompture.schema.rewriting.notes import annotate
from prompture.schema.rewriting.records import (
    KEY,
    VALUE,
    DictAsPairs,
    DictCodec,
    Presence,
    Property,
    RecordCodec,
    TupleAsObject,
)
from prompture.schema.rewriting.scalars import keep_words
from prompture.schema.rewriting.unions import choose, nullable, without_null

_OBJECT = frozenset({"object"})
_ARRAY = frozenset({"array"})
_REST = "rest"
OTHERS = "other_fields"


def obj(c: Compilation, alt: Alt, spot: Spot) -> Node:
    """An object of any sort."""
    shape = alt.shape or ObjectShape()
    is_open = shape.rest != NOTHING or bool(shape.patterns)
    if shape.rest is None and not c.exact and (shape.properties or shape.patterns):
        is_open = bool(shape.patterns)
    named = shape.properties or shape.required
    # Without named properties a list of pairs is enough, and no extra field is needed.
    if is_open and not named:
        return _dict(c, alt, spot)
    node = record(c, alt, spot, is_open=is_open)
    # Then values need not be walked at all, and raw JSON can be checked directly.
    if node.codec.is_plain() and all(part is SAME for part in node.codec.parts()):
        node.codec = SAME
    return node


def _dict(c: Compilation, alt: Alt, spot: Spot) -> Node:
    shape = alt.shape or ObjectShape()
    if c.dialect.closed == "open":
        value = _rest(c, shape, spot.inside("additionalProperties"))
        schema: JSONObject = {"type": "object"}
        schema["additionalProperties"] = True if value is None else value.schema
        notes = keep_words(c, alt.words, schema, spot)
        notes += _key_notes(c, shape, spot)
        annotate(schema, None, [*notes, *alt.notes])
        return Node(
            schema,
            SAME if value is None or value.codec is SAME else DictCodec(value.codec),
            _OBJECT,
            label="object",
        )
    found = _pairs(c, shape, spot)
    words = {"minItems" if w == "minProperties" else "maxItems": n for w, n in alt.words.items()}
    notes = keep_words(c, words, found.schema, spot)
    annotate(found.schema, None, [*notes, *alt.notes])
    return found


def _pairs(c: Compilation, shape: ObjectShape, spot: Spot) -> Node:
    """The list of {key, value} for keys that nobody named."""
    within = spot.inside("additionalProperties").inside()
    value = _rest(c, shape, within)
    if value is None or (c.cap is not None and within.depth >= c.cap):
        value = c.text(ANYTHING, within, why=None)
    c.properties += 2
    key: JSONObject = {"type": "string"}
    annotate(key, None, _key_notes(c, shape, spot))
    pair = {
        "type": "object",
        "properties": {KEY: key, VALUE: value.schema},
        "required": [KEY, VALUE],
        **c.closing(),
    }
    c.change(
        spot,
        "pairs",
        f"an open dict becomes a list of {{key, value}}: objects of {c.dialect.name} are closed",
    )
    return Node({"type": "array", "items": pair}, DictAsPairs(value.codec), _OBJECT, label="object")


def _rest(c: Compilation, shape: ObjectShape, spot: Spot) -> Node | None:
    """The value under a key that nobody named; None where it may be anything."""
    conjs = [conj for _, conj in shape.patterns if conj != NOTHING]
    rest = ANYTHING if shape.rest is None else shape.rest
    if shape.rest is None and shape.patterns and not c.exact:
        rest = NOTHING
    if rest != NOTHING:
        conjs.append(rest)
    if any(conj == ANYTHING or conj == (True,) or conj == ({},) for conj in conjs):
        return None
    return choose(c, [c.node(conj, spot) for conj in conjs], spot)


def _key_notes(c: Compilation, shape: ObjectShape, spot: Spot) -> list[str]:
    notes = []
    if shape.patterns:
        notes.append("names match " + " or ".join(pattern for pattern, _ in shape.patterns))
    for names in shape.names:
        if isinstance(names, dict):
            notes += [
                f"names: {word} {names[word]}"
                for word in ("pattern", "enum", "maxLength")
                if word in names
            ]
    if notes:
        c.change(spot, "names", "the names of a dict are described, not enforced", unenforced=True)
    return notes


def record(
    c: Compilation,
    alt: Alt,
    spot: Spot,
    *,
    is_open: bool = False,
    tokens: dict[str, tuple[str, ...]] | None = None,
) -> Node:
    """An object of named properties; its codec is always a Record. ``tokens``: where each stands in the schema."""
    shape = alt.shape or ObjectShape()
    wanted = {name: shape.schema_of(name) for name in (*shape.properties, *shape.required)}
    names = {name: conj for name, conj in wanted.items() if conj != NOTHING}
    required = set(shape.required)
    names, spilt = _spill(c, names, spot)
    is_open = is_open or bool(spilt)
    c.properties += len(names) + is_open
    wires = _wire_names(c, list(names), spot)
    # Anthropic takes only so many optional properties in all; the others become nullable.
    native = c.allowance.optionals([name for name in names if name not in required])
    fields, properties = [], {}
    for name, conj in names.items():
        within = spot.inside(*(tokens[name] if tokens else ("properties", name)))
        node = c.node(conj, within)
        presence: Presence = (
            "required" if name in required else "optional" if name in native else "null"
        )
        node.schema, presence = _presence(c, node, presence, conj, within)
        if node.kinds == {"null"} and c.dialect.null == "nullable":
            c.change(
                within, "literal", f"null stands as a string: {c.dialect.name} has no type for it"
            )
        # Pydantic writes "T | None = None": absent means the same as null in fewer tokens and needs no union.
        skips = presence == "optional" and not c.exact and _defaults_to_null(conj)
        if skips:
            node.schema = without_null(c, node.schema)
        fields.append(Property(name, wires[name], node.codec, presence, node.kinds, skips))
        properties[wires[name]] = node.schema
    schema: JSONObject = {"type": "object", "properties": properties}
    apart, rest = _others(c, shape, spot, schema, spilt) if is_open else (None, SAME)
    must = [field.wire for field in fields if field.presence != "optional"]
    must += [apart] if apart else []
    if must or c.dialect.all_required:
        schema["required"] = must
    schema |= (
        {} if "additionalProperties" in schema else c.closing(is_open=is_open and apart is None)
    )
    notes = keep_words(c, alt.words, schema, spot)
    annotate(schema, None, [*notes, *alt.notes])
    return Node(
        c.ordered(schema),
        RecordCodec(fields, rest=rest, apart=apart),
        _OBJECT,
        label=_label(schema),
    )


def _spill(
    c: Compilation, names: dict[str, Conj], spot: Spot
) -> tuple[dict[str, Conj], dict[str, Conj]]:
    """Split off the properties that are too many for the root: (those kept, the others)."""
    most = c.trimming.fields
    if most is None or spot.depth or len(names) < most:
        return names, {}
    c.change(
        spot,
        "text",
        f"{len(names) - most + 1} properties go into the field for the rest: {c.dialect.name} {c.trimming.limit}",
        unenforced=True,
    )
    order = list(names)
    return {n: names[n] for n in order[: most - 1]}, {n: names[n] for n in order[most - 1 :]}


def _others(
    c: Compilation, shape: ObjectShape, spot: Spot, schema: JSONObject, spilt: dict[str, Conj]
) -> tuple[str | None, ValueCodec]:
    """Where the keys go that nobody named: beside the others, or into a field of their own."""
    if c.dialect.closed == "open" and not spilt:
        value = _rest(c, shape, spot.inside("additionalProperties"))
        if value is not None:
            schema["additionalProperties"] = value.schema
        return None, SAME if value is None else value.codec
    properties = schema["properties"]
    name = OTHERS
    # A user may have named a property so.
    while name in properties or name in shape.properties:
        name += "_"
    typed = (shape.patterns or shape.rest) and not spilt
    if typed and (c.cap is None or spot.depth + 3 <= c.cap):
        node = _pairs(c, shape, spot)
        annotate(node.schema, None, ["fields not named above; empty if none"])
        properties[name] = node.schema
        return name, node.codec
    properties[name] = {"type": "string"}
    annotate(
        properties[name], None, ["fields not named above, as the text of a JSON object; {} if none"]
    )
    if spilt:
        annotate(properties[name], None, [c.outlines.of_properties(spilt)])
    c.change(
        spot,
        "others",
        f"keys that nobody named go into {name!r}: objects of {c.dialect.name} are closed",
    )
    return name, TEXT


def _presence(
    c: Compilation, node: Node, presence: Presence, conj: Conj, spot: Spot
) -> tuple[JSONObject, Presence]:
    """How the absence of a property is said, and its schema with that."""
    if presence != "null":
        return node.schema, presence
    if not node.null and c.allowance.union():
        c.change(
            spot, "optional", f"may be left out; {c.dialect.name} wants it, so null means absent"
        )
        return nullable(c, node.schema), "null"
    if node.null and not c.exact:
        return node.schema, "either"
    c.change(spot, "optional", "may be left out; a list of none or one says which")
    # Null is a value here, so it cannot mean "absent".
    schema: JSONObject = {"type": "array", "items": node.schema}
    if "maxItems" in c.dialect.words:
        schema["maxItems"] = 1
    annotate(schema, None, ["empty if absent, else the one value"])
    return schema, "list"


def _defaults_to_null(conj: Conj) -> bool:
    return any(isinstance(part, dict) and part.get("default", 0) is None for part in conj)


def _wire_names(c: Compilation, names: list[str], spot: Spot) -> dict[str, str]:
    """Each property's name in the rewritten schema."""
    dialect = c.dialect
    if dialect.names is None and not dialect.taken:
        return {name: name for name in names}
    found: dict[str, str] = {}
    used = set(names)
    for name in names:
        wire = name
        if name in dialect.taken or (dialect.names and not re.search(dialect.names, name)):
            base = re.sub(r"[^a-zA-Z0-9_.-]+", "_", name).strip("_")[:56] or "field"
            wire, count = base, 2
            while wire in used or wire in dialect.taken:
                wire, count = f"{base}_{count}", count + 1
            used.add(wire)
            c.change(
                spot.at("properties", name),
                "name",
                f"called {wire!r}: {dialect.name} refuses the name",
            )
        found[name] = wire
    return found


def _label(schema: JSONObject) -> str:
    for sub in schema["properties"].values():
        for value in (sub.get("const"), *(sub["enum"] if len(sub.get("enum", ())) == 1 else ())):
            if isinstance(value, str) and value:
                return value[:40]
    return "object"


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
