"""Scalars and literals: which of their keywords the dialect takes, and which go into the description."""

from __future__ import annotations

import json
import re

from prompture.json_values import JSONObject, JSONValue, kind_of, same
from prompture.schema.patterns import is_usable
from prompture.schema.rewriting.alternatives import Alt
from prompture.schema.rewriting.codec import SAME, TEXT, Compared, ValueCodec, unfit
from prompture.schema.rewriting.compilation import Compilation, Node, Spot
from prompture.schema.rewriting.notes import annotate, in_words

_SAFE = 2**53 - 1


def scalar(c: Compilation, alt: Alt, spot: Spot) -> Node:
    """A string, number, boolean or null."""
    if alt.kind == "null" and c.dialect.null == "nullable":
        return literal(c, Alt("null", values=[None]), spot)
    schema: JSONObject = {"type": alt.kind}
    words = alt.words
    if alt.kind == "number" and words and c.dialect.integer_bounds:
        c.change(
            spot,
            "constraint",
            f"{c.dialect.name} enforces bounds of integers only",
            unenforced=True,
        )
    notes = keep_words(c, words, schema, spot)
    if notes or alt.notes:
        annotate(schema, None, [*notes, *alt.notes])
    return Node(schema, SAME, alt.kinds(), null=alt.kind == "null", label=alt.kind)


def keep_words(c: Compilation, words: JSONObject, schema: JSONObject, spot: Spot) -> list[str]:
    """Carry over the words that the dialect takes; the others, in words."""
    notes = []
    for word, value in words.items():
        refusal = _refusal(c, word, value)
        if refusal is None:
            schema[word] = plain(value) if word == "pattern" and c.dialect.plain_patterns else value
        elif value is not False and not (
            word.startswith("min") and value == 0 and word != "minimum"
        ):
            text = in_words(word, value)
            notes.append(text)
            c.change(
                spot,
                "constraint",
                f'"{text}" moves into the description: {refusal}',
                unenforced=True,
            )
    return notes


def _refusal(c: Compilation, word: str, value: JSONValue) -> str | None:
    dialect = c.dialect
    if word not in dialect.words:
        return f"{dialect.name} has no {word}"
    if word == "format" and dialect.formats is not None and value not in dialect.formats:
        return f"{dialect.name} does not know this format"
    if word == "pattern" and not is_usable(value):
        return "it is no pattern that can be run safely"
    # Strict modes compile patterns into grammars, which cannot look around; loose ones pass them on.
    if word == "pattern" and dialect.closed != "open" and looks_around(value):
        return f"{dialect.name} refuses lookaround and back-references"
    if word == "pattern" and dialect.plain_patterns and plain(value) is None:
        return f"{dialect.name} takes simple anchored patterns only"
    if word == "minItems" and dialect.min_items is not None and value > dialect.min_items:
        return f"{dialect.name} takes minItems up to {dialect.min_items}"
    if word in ("minItems", "maxItems", "minLength", "maxLength"):
        most = dialect.limits.repeats
        if most is not None and value > most:
            return f"a count of {value} makes the grammar of {dialect.name} too large"
    return None


def literal(c: Compilation, alt: Alt, spot: Spot) -> Node:
    """An enum or const whose values are of one kind."""
    values = alt.values or []
    kinds, notes = alt.kinds(), list(alt.notes)
    if alt.kind == "null" and c.dialect.null == "anyOf":
        return Node({"type": "null"}, SAME, kinds, null=True, label="null")
    if alt.kind == "boolean" and (len(values) == 2 or "boolean" not in c.dialect.enums):
        if len(values) == 1:
            notes.append(f"always {str(values[0]).lower()}")
            c.change(spot, "enum", f"{c.dialect.name} has no enum of booleans", unenforced=True)
        schema: JSONObject = {"type": "boolean"}
        annotate(schema, None, notes)
        return Node(schema, SAME, kinds, label="boolean")
    if alt.kind not in c.dialect.enums or _is_out_of_range(values):
        return _labelled(c, alt, spot)
    if not c.allowance.enum(values):
        return _too_long(c, alt, spot)
    schema = {"type": _type_of(values)}
    schema |= (
        {"const": values[0]} if len(values) == 1 and c.dialect.const else {"enum": list(values)}
    )
    annotate(schema, None, notes)
    return Node(schema, SAME, kinds, label=str(values[0])[:40] if len(values) == 1 else alt.kind)


def _labelled(c: Compilation, alt: Alt, spot: Spot) -> Node:
    """Values of a kind that has no enum: strings stand for them."""
    codec = ValueLabels(alt.values or [])
    labels = codec.labels()
    if alt.kind != "null":  # in a union it becomes nullable; alone the record reports it
        c.change(
            spot,
            "literal",
            f"{alt.kind} values stand as strings of their JSON: {c.dialect.name} has no such enum",
        )
    # The dialect takes no more enum values: JSON text, described.
    if not c.allowance.enum(labels):
        node = Node({"type": "string"}, TEXT, alt.kinds(), label=alt.kind)
        annotate(node.schema, None, [_one_of(labels), *alt.notes])
        return node
    schema: JSONObject = {"type": "string", "enum": labels}
    annotate(schema, None, alt.notes)
    return Node(schema, codec, alt.kinds(), label=alt.kind)


def _too_long(c: Compilation, alt: Alt, spot: Spot) -> Node:
    values = alt.values or []
    c.change(
        spot,
        "enum",
        f"an enum of {len(values)} values is more than {c.dialect.name} takes; it moves into the description",
        unenforced=True,
    )
    schema: JSONObject = {"type": _type_of(values)}
    annotate(schema, None, [_one_of([str(value) for value in values]), *alt.notes])
    return Node(schema, SAME, alt.kinds(), label=alt.kind)


def _one_of(values: list[str]) -> str:
    return "one of " + ", ".join(values)


def _type_of(values: list[JSONValue]) -> str:
    first = values[0]
    if isinstance(first, str):
        return "string"
    if isinstance(first, bool):
        return "boolean"
    if first is None:
        return "null"
    return "integer" if all(isinstance(value, int) for value in values) else "number"


def _is_out_of_range(values: list[JSONValue]) -> bool:
    """Numbers that a double does not hold exactly, or that are written with an exponent."""
    return any(
        isinstance(value, int | float) and (abs(value) > _SAFE or "e" in repr(value))
        for value in values
    )


_LOOK = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]|\(\?P[=>]")


_PLAIN = re.compile(
    r"\^(?:[A-Za-z0-9 _:@,;=/-]|\[[A-Za-z0-9 _:@,;=/.+-]+\]|\\[.()\[\]{}|?*+^$]"
    r"|[()|?*+]|\{\d{1,2}(?:,\d{1,2})?\})*\$"
)


_WRITTEN_OUT = (
    ("(?:", "("),
    ("[\\w", "[A-Za-z0-9_"),
    ("[\\d", "[0-9"),
    ("\\d", "[0-9]"),
    ("\\w", "[A-Za-z0-9_]"),
    ("\\/", "/"),
    ("\\-]", "-]"),
)


def looks_around(pattern: str) -> bool:
    """It has a lookahead, a lookbehind or a back-reference, which no provider takes."""
    return bool(_LOOK.search(pattern))


def plain(pattern: str) -> str | None:
    """The pattern in what every grammar converter understands: anchored, characters, classes, groups, counts.

    None where it needs more. ``\\d`` and ``\\w`` are written out as ECMA-262 means them.
    """
    for escape, written in _WRITTEN_OUT:
        pattern = pattern.replace(escape, written)
    return (
        pattern
        if _PLAIN.fullmatch(pattern) and "(?" not in pattern and "(|" not in pattern
        else None
    )


class ValueLabels(ValueCodec):
    """Each value stands under a string: the compact JSON of it."""

    __slots__ = ("_kinds", "_table")
    partial = "opaque"

    def __init__(self, values: list[JSONValue]) -> None:
        self._table = {label_of(value): value for value in values}
        self._kinds = frozenset(kind_of(value) for value in values)

    def labels(self) -> list[str]:
        return list(self._table)

    def is_plain(self) -> bool:
        return False

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        if not isinstance(other, ValueLabels):
            return False
        shared = {*self.labels()} & {*other.labels()}
        return all(same(self.restore(label), other.restore(label)) for label in shared)

    def forward(self, value: JSONValue) -> JSONValue:
        label = label_of(value)
        if label in self._table:
            return label
        for label, known in self._table.items():
            if same(known, value):
                return label
        return unfit(value, self._kinds, self.restore) if isinstance(value, str) else value

    def restore(self, value: JSONValue) -> JSONValue:
        """The value, made anew: it may be an object, which the caller may change."""
        return json.loads(value) if isinstance(value, str) and value in self._table else value


def label_of(value: JSONValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
