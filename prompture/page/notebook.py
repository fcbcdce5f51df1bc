"""What a notebook shows of results: tables without script, which every viewer lets through."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from prompture.markup import clipped, paragraphs, table, text_html
from prompture.page.results import Findings, Leaf, Result, usd, walk, written
from prompture.types import JSONValue

MOST_ROWS = 100
"""A longer value is shown by its first leaves."""
_AROUND = 32
_LONGEST = 200
_MARK = "background:#e0a80040;color:inherit;border-bottom:2px solid #c79500"


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
