"""``quotes=True``: the model quotes the document beside the value.

It is asked for ``{"value": ..., "quotes": [{"at": pointer, "quote": words}]}``. Like any rewriting,
this has an exact way back: the schema, the validators and snapshots see the value alone. Of several
places of a value, that in its quotation is taken; nothing else is believed of what a model quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from prompture.extraction.envelope import hoisted, schema_under
from prompture.extraction.ungrounded import Leaves, leaves_of
from prompture.json_values import pointer, segments_of
from prompture.schema.repair import NotJSON, read_exactly, search
from prompture.schema.rewriting import Rewrite, rewrite
from prompture.schema.rewriting.codec import Deferred, RootWrapper, ValueCodec
from prompture.types import JSON, JSONValue

Quotation: TypeAlias = tuple[str, str]
"""The place that the model named, and what it quoted for it."""

_CONTEXT = 60
"""Characters of a line, on each side, that an example quotes with a value."""
_DESCRIPTION = (
    "Passages of the document that show the values: copied letter by letter, each of at most 20"
    " words. One may serve all values of an object. None for what the document does not state."
)
_AT = (
    "JSON pointer of what the passage shows, counted from the {name}: /total, or /items/0 for an"
    " object"
)


def quoted(schema: JSON, dialect: str) -> Rewrite:
    """``rewrite``, for a value with its quotations."""
    name, quotes = _free_names(schema)
    base = f"/properties/{name}"
    whole = {
        "type": "object",
        "properties": {
            name: schema_under(schema, base),
            quotes: {
                "type": "array",
                "description": _DESCRIPTION,
                "items": {
                    "type": "object",
                    "properties": {
                        "at": {"type": "string", "description": _AT.format(name=name)},
                        "quote": {"type": "string"},
                    },
                    "required": ["at", "quote"],
                    "additionalProperties": False,
                },
            },
        },
        "required": [name, quotes],
        "additionalProperties": False,
        **hoisted(schema, base),
    }
    found = rewrite(whole, dialect)
    changes = [c for c in found.changes if not c.pointer.startswith(f"/properties/{quotes}")]
    return Rewrite(
        found.schema,
        found.dialect,
        # They are about the user's schema, which knows no such property.
        tuple(replace(c, pointer=c.pointer.removeprefix(base)) for c in changes),
        False,
        QuotedCodec(found.codec, name, quotes),
    )


def _free_names(schema: JSON) -> tuple[str, str]:
    """Names for the value and the quotations that stand nowhere in the schema, so that an answer
    without quotations is known for what it is."""
    text = json.dumps(schema)
    name, quotes = "value", "quotes"
    while f'"{name}"' in text:
        name = f"the_{name}"
    while f'"{quotes}"' in text:
        quotes = f"the_{quotes}"
    return name, quotes


class QuotedCodec(RootWrapper):
    """The value under one name, its quotations under another."""

    __slots__ = ("quotes", "root")

    def __init__(self, root: ValueCodec, name: str, quotes: str) -> None:
        while isinstance(root, Deferred):
            root = root.target
        super().__init__(root.inside(name), name)
        self.root = root
        self.quotes = quotes

    def forward(self, value: JSONValue) -> JSONValue:
        return self.with_quotes(value, ())

    def with_quotes(self, value: JSONValue, quotations: Iterable[Quotation]) -> JSONValue:
        """A value and quotations as the model shall write them."""
        quotes = [{"at": at, "quote": quote} for at, quote in quotations]
        return self.root.forward({self.name: value, self.quotes: quotes})

    def restore(self, value: JSONValue) -> JSONValue:
        """The value alone. A model that left the quotations out, or all of this, is understood."""
        if not isinstance(value, dict):
            return self.inner.restore(value)
        if self.name not in value:
            # An open schema would take the quotations for a part of the value.
            is_beside = len(value) > 1 and _are_quotations(value.get(self.quotes))
            bare = {k: v for k, v in value.items() if not is_beside or k != self.quotes}
            return self.inner.restore(bare)
        is_wrapped = self.quotes in value or len(value) == 1
        return self.inner.restore(value[self.name] if is_wrapped else value)

    def are_alone(self, restored: JSONValue, answer: JSONValue) -> bool:
        """Whether what was restored of an answer are its quotations, and there is no value."""
        if isinstance(answer, dict) and self.name in answer:
            return False
        is_lone = isinstance(restored, dict) and restored.keys() == {self.quotes}
        return is_lone and _are_quotations(restored[self.quotes])

    def begun(self, node: JSONValue) -> ValueCodec:
        # The quotations may come first: they are no part of the value.
        if isinstance(node, dict) and self.quotes in node:
            return self
        return super().begun(node)

    def quotations(self, answer: JSONValue) -> list[Quotation]:
        """What the model quoted; what is no quotation is passed over."""
        if not isinstance(answer, dict) or self.quotes not in answer:
            return []
        whole = self.root.restore({self.quotes: answer[self.quotes]})
        quotes = whole.get(self.quotes) if isinstance(whole, dict) else None
        return [
            (one["at"], one["quote"])
            for one in (quotes if isinstance(quotes, list) else ())
            if isinstance(one, dict)
            and isinstance(one.get("at"), str)
            and isinstance(one.get("quote"), str)
            and one["quote"].strip()
        ]


def _are_quotations(found: JSONValue) -> bool:
    if not isinstance(found, list):
        return False
    return all(isinstance(each, dict) and each.keys() == {"at", "quote"} for each in found)


def by_pointer(
    quotations: Iterable[Quotation], plain: JSONValue, answer: JSONValue, rewritten: Rewrite
) -> dict[str, tuple[str, ...]]:
    """The quotations by the pointers of the value, in the schema's own shape.

    The model names places in the shape that it was asked for, which ``answer`` has.
    """
    wanted: dict[tuple[str, ...], list[str]] = {}
    for at, quote in quotations:
        wanted.setdefault(_steps(at), []).append(quote)
    if not wanted:
        return {}
    codec = rewritten.codec
    own = codec.name if isinstance(codec, QuotedCodec) else ""
    found: dict[str, tuple[str, ...]] = {}
    places = rewritten.places(answer)
    for path, _ in leaves_of(plain):
        where, here = pointer(path), tuple(map(str, path))
        there = tuple(places.of(here))
        there = there[1:] if there[:1] == (own,) else there
        # Of the leaf itself, or of the nearest that holds it, in either shape.
        for steps in (there, here):
            for depth in range(len(steps), -1, -1):
                quotes = wanted.get(steps[:depth]) or wanted.get((own, *steps[:depth]))
                if quotes and where not in found:
                    found[where] = tuple(quotes)
    return found


def written_in(text: str, codec: QuotedCodec) -> JSONValue:
    """The answer with its quotations, out of a model's text; None where it has none."""
    try:
        return _quoting(read_exactly(text), codec)
    except (ValueError, RecursionError):
        pass
    try:
        found = search(text).candidates
    except NotJSON:
        return None
    answers = (_quoting(one.value, codec) for one in found)
    return next((each for each in answers if isinstance(each, dict) and codec.quotes in each), None)


def _quoting(answer: JSONValue, codec: QuotedCodec) -> JSONValue:
    """The answer, or what has the quotations in the objects of one key around it."""
    inner = answer
    while isinstance(inner, dict) and len(inner) == 1 and codec.name not in inner:
        (inner,) = inner.values()
    return inner if isinstance(inner, dict) and codec.quotes in inner else answer


_INDEX = re.compile(r"\[(\d+)\]")


def _steps(at: str) -> tuple[str, ...]:
    """The keys of a place, however it is written: /items/0/price, items[0].price, $.items[0]."""
    if at.startswith(("/", "#/")):
        return segments_of(at.removesuffix("/"))  # not stripped: a key may end in a blank
    at = _INDEX.sub(r"/\1", at.strip().removeprefix("$").lstrip("."))
    if not at.strip("/#"):
        return ()
    return segments_of("/" + (at if "/" in at else at.replace(".", "/")).lstrip("/"))


def example_quotes(value: JSONValue, text: str, rewritten: Rewrite, schema: JSON) -> JSONValue:
    """An example's value in the model's shape, with a quotation for each leaf that its text
    holds."""
    from prompture.extraction.grounding import ground

    codec = rewritten.codec
    assert isinstance(codec, QuotedCodec)
    answer = codec.with_quotes(value, ())
    spans, look, places = ground(value, text), Leaves(schema), rewritten.places(answer)
    found: list[Quotation] = []
    for path, leaf in leaves_of(value):
        where = pointer(path)
        if where in spans and look.why(path, value, leaf) == "absent":
            at = pointer(places.of(tuple(map(str, path)))).removeprefix(f"/{codec.name}")
            found.append((at, _line_of(text, spans[where][0].start, spans[where][0].end)))
    return codec.with_quotes(value, found)


def _line_of(text: str, start: int, end: int) -> str:
    """The line of a place, or its words nearby."""
    before = text[max(0, start - _CONTEXT) : start].rpartition("\n")[2]
    after = text[end : end + _CONTEXT].partition("\n")[0]
    if len(before) == _CONTEXT:  # it begins within a word
        before = before.partition(" ")[2]
    if len(after) == _CONTEXT:
        after = after.rpartition(" ")[0]
    return f"{before}{text[start:end]}{after}".strip()
