"""What is known of the leaves of a result, for pages; and the tables that notebooks show of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol, TypeAlias

from prompture.json_values import (
    DEPTH_LIMIT,
    Segment,
    escape,
    kind_of,
    same,
    segments_of,
    value_at,
)
from prompture.markup import clipped, paragraphs, table, text_html
from prompture.money import Bill, short_usd
from prompture.types import Document, JSONValue, Span, Text


class OneOfSeveral(Protocol):
    """A value that stands against others of its place, with its spans (``Claim``)."""

    @property
    def value(self) -> JSONValue: ...
    @property
    def spans(self) -> tuple[Span, ...]: ...


Conflicts: TypeAlias = Mapping[str, Sequence[OneOfSeveral]]
"""By JSON pointer, the values that stand against each other, the one that was taken first."""

STATES = {
    "exact": "Stands in the text, verbatim",
    "normalised": "Stands in the text in another form: case, spacing, format of a number or date",
    "fuzzy": "Stands in the text nearly so: a letter or an accent is different",
    "ambiguous": "Stands in several places, and nothing shows which is meant",
    "conflict": "The text gives several values",
    "inferred": "Not looked for in the text, which need not print it: true and false, members of"
    " an enum, defaults, computed fields",
    "absent": "Not found in the text, which should print it",
    "empty": "No value: null, or a text or list with nothing in it",
}
"""What may be known of a leaf, with its meaning."""
MOST_ROWS = 100
"""A longer value is shown by its first leaves."""
_AROUND = 32
_LONGEST = 200
_MARK = "background:#e0a80040;color:inherit;border-bottom:2px solid #c79500"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of a value that holds no other. ``state`` is one of STATES."""

    pointer: str
    value: JSONValue
    state: str
    number: int
    spans: Sequence[Span] = ()
    others: Sequence[OneOfSeveral] = ()
    """Values that stand against it."""
    read: str = ""
    """What the model wrote, where the schema's own code made another value of it."""


@dataclass(slots=True)
class Evidence:
    """What is known of the places of a value's parts."""

    sources: Mapping[str, Sequence[Span]]
    conflicts: Conflicts = field(default_factory=dict)
    ungrounded: Mapping[str, str] = field(default_factory=dict)

    def leaf(self, pointer: str, value: JSONValue, number: int) -> Leaf:
        """What is known of one leaf."""
        spans = tuple(self.sources.get(pointer, ()))
        others = self.others(pointer)
        return Leaf(pointer, value, self._state(pointer, value, spans), number, spans, others)

    def others(self, pointer: str) -> Sequence[OneOfSeveral]:
        """The values that were not taken."""
        return self.conflicts.get(pointer, ())[1:]

    def _state(self, pointer: str, value: JSONValue, spans: Sequence[Span]) -> str:
        if self._is_in_conflict(pointer):
            return "conflict"
        if spans:
            first = spans[0]
            if first.ambiguous:
                return "ambiguous"
            return first.kind if first.kind in STATES else "fuzzy"
        if value is None or value in ("", [], {}):
            return "empty"
        return self.ungrounded.get(pointer, "inferred")

    def _is_in_conflict(self, pointer: str) -> bool:
        """Whether the leaf, or a branch that holds it, stands against other values."""
        while self.conflicts and pointer not in self.conflicts:
            pointer, has_more, _ = pointer.rpartition("/")
            if not has_more:
                return False
        return bool(self.conflicts)


def is_branch(value: JSONValue) -> bool:
    """Whether the value holds others."""
    return isinstance(value, (dict, list)) and bool(value)


def walk(value: JSONValue, path: str = "", depth: int = 0) -> Iterator[tuple[str, JSONValue]]:
    """The leaves of a value in its order, with their JSON pointers."""
    if not is_branch(value) or depth > DEPTH_LIMIT:
        yield path, value
        return
    for key, inner in members(value):
        yield from walk(inner, f"{path}/{escape(key)}", depth + 1)


def members(value: JSONValue) -> Iterator[tuple[Segment, JSONValue]]:
    yield from value.items() if isinstance(value, dict) else enumerate(value)


def written(value: JSONValue) -> str:
    """A leaf in words: a string as it stands, anything else as JSON."""
    if isinstance(value, str):
        return value or '""'
    if value is None or isinstance(value, (bool, int, float, dict, list)):
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            # A Decimal within; an int of more digits than Python writes.
            return str(Decimal(value)) if isinstance(value, int) else repr(value)
    return str(value)


def shown_value(value: object, plain: JSONValue) -> JSONValue:
    """The value as plain JSON: as the schema's own code made it of ``plain``, the answer, unless
    that has other parts, for which the answer's places do not hold."""
    from prompture.schema.exact_json import to_plain

    try:
        typed = to_plain(value)
    except Exception:  # a serializer of the user's own
        return plain
    if plain is None or kind_of(typed) != kind_of(plain):
        return typed if plain is None else plain
    has_all = {path for path, _ in walk(plain)} <= {path for path, _ in walk(typed)}
    return typed if has_all else plain


def leaves_of(value: JSONValue, plain: JSONValue, evidence: Evidence) -> dict[str, Leaf]:
    """The leaves by pointer. Those that have places are numbered, in the order of the value."""
    found: dict[str, Leaf] = {}
    number = 0
    for path, inner in walk(value):
        has_place = bool(evidence.sources.get(path) or evidence.conflicts.get(path))
        number += has_place
        answer = inner if plain is None else value_at(plain, segments_of(path), inner)
        is_other = written(answer) != written(inner) and not same(answer, inner)
        found[path] = replace(
            evidence.leaf(path, inner, number if has_place else 0),
            read=written(answer) if is_other and not is_branch(answer) else "",
        )
    return found


class Result(Protocol):
    """What a page shows of an ``Extraction``."""

    @property
    def value(self) -> Any: ...
    @property
    def plain(self) -> JSONValue: ...
    @property
    def text(self) -> str: ...
    @property
    def documents(self) -> tuple[Text | Document, ...]: ...
    @property
    def sources(self) -> Mapping[str, tuple[Span, ...]]: ...
    @property
    def conflicts(self) -> Conflicts: ...
    @property
    def ungrounded(self) -> Mapping[str, str]: ...
    @property
    def chunks(self) -> Sequence[Any]: ...
    @property
    def model(self) -> str: ...
    @property
    def strategy(self) -> str: ...
    @property
    def cost(self) -> Bill: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def changes(self) -> Sequence[object]: ...


class Findings:
    """A result's value with its leaves, as pages and notebooks show it."""

    def __init__(self, result: Result) -> None:
        self.documents = result.documents
        self.value = shown_value(result.value, result.plain)
        self.evidence = Evidence(result.sources, result.conflicts, result.ungrounded)
        self.leaves = leaves_of(self.value, result.plain, self.evidence)
        self.states = Counter(leaf.state for leaf in self.leaves.values())

    def counts(self) -> tuple[int, int]:
        """How many values have a place, and how many were looked for."""
        placed = sum(bool(leaf.spans) for leaf in self.leaves.values())
        return placed, placed + self.states["absent"]


def usd(bill: Bill) -> str:
    """What a bill comes to, in a few words; "" where nothing was billed."""
    if not bill:
        return ""
    if bill.total is not None:
        return f"${short_usd(bill.total)}"
    return f"at least ${short_usd(bill.known)}" if bill.known else "cost unknown"


# Notebooks: tables without script, which every viewer lets through.


def summary(result: Result) -> str:
    """A result's leaves, each with the words of the document that hold it."""
    found = Findings(result)
    rows = [_row(leaf, result.text) for leaf in islice(found.leaves.values(), MOST_ROWS)]
    placed, sought = found.counts()
    counted = f"{placed:,} of {sought:,} value{'s' * (sought != 1)} found in the text"
    caption = " · ".join(filter(None, (result.model, usd(result.cost), counted)))
    headings = ("value at", "value", "in the text", "")
    left = len(found.leaves) - len(rows)
    more = [f"… and {left:,} more: result.to_html() has all."] if left else []
    return table(headings, rows, caption=caption, html_columns={2}) + paragraphs(more)


def _row(leaf: Leaf, text: str) -> tuple[str, ...]:
    state = "" if leaf.state in ("exact", "empty") else leaf.state
    return leaf.pointer, clipped(written(leaf.value), _LONGEST), _quotation(leaf, text), state


def _quotation(leaf: Leaf, text: str) -> str:
    """The leaf's best place, with the words around it on its line, as HTML."""
    if not leaf.spans:
        return ""
    start, end = leaf.spans[0].start, leaf.spans[0].end
    before = text[max(0, start - _AROUND) : start].rpartition("\n")[2]
    after = text[end : end + _AROUND].partition("\n")[0]
    words = clipped(text[start:end], _LONGEST)
    return f"{text_html(before)}<mark style='{_MARK}'>{text_html(words)}</mark>{text_html(after)}"


def growing(value: JSONValue, is_final: Callable[[str], bool], open_path: str | None) -> str:
    """A value that is still being written: what is there, and what of it will not change."""
    rows = []
    for pointer, leaf in islice(walk(value), MOST_ROWS):
        state = "growing" if pointer == open_path else "final" * is_final(pointer)
        rows.append((pointer, clipped(written(leaf), _LONGEST), state))
    return table(("value at", "value", ""), rows)
