"""The page of evidence: documents with their spans marked, and the values beside them.

One HTML file that needs nothing else. All that stands in it without script is written here; script
adds what moves. What a document holds is escaped in ``prompture.markup``; the script is a constant,
and the page's own policy runs no other.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import TypeAlias, TypeGuard

from prompture import given
from prompture.documents.layout import located
from prompture.errors import PromptureError
from prompture.json_values import escape
from prompture.markup import attribute, clipped, label, text_html
from prompture.money import Bill
from prompture.page.marks import Marking, column_width, marked
from prompture.page.pictures import figures, labels_of, parts_of
from prompture.page.results import (
    STATES,
    Findings,
    Leaf,
    OneOfSeveral,
    Result,
    is_branch,
    members,
    usd,
    written,
)
from prompture.types import Document, FileDocument, JSONValue, Text

Outcome: TypeAlias = Result | BaseException
"""A document's result, or the error that it ended with."""
LONGEST_VALUE = 2000
"""Of a longer value, so many characters are in the tree."""


def to_html(
    results: Outcome | Iterable[Outcome],
    *,
    title: str = "",
    names: Sequence[str] = (),
    pictures: bool = True,
) -> str:
    """A page of one result, or of several with an index, as the text of an HTML file.

    ``names`` are those of the documents, in the order of the results; where none is given, a
    document's own. An error among the results is shown in its place. ``pictures``: whether pages
    of files that were read are shown as such, beside their text. Write the page as UTF-8.
    Raises ConfigurationError where something else is given.
    """
    made = _outcomes(results)
    named = _names(names, len(made))
    sheets = [
        _Sheet(at, each, name, pictures=pictures)
        for at, (each, name) in enumerate(zip(made, named, strict=True), 1)
    ]
    only = sheets[0] if len(sheets) == 1 else None
    shown = title or (only.name if only else "Extraction")
    bill = sum((each.bill for each in sheets), Bill())
    facts = [*([only.model] if only and only.model else [f"{len(sheets)} documents"]), usd(bill)]
    return "".join(
        _filled(
            title=label(shown),
            heading=text_html(shown),
            facts=text_html(" · ".join(filter(None, facts))),
            many="" if only else " class=many",
            index="" if only else _index(sheets),
            sheets="".join(piece for each in sheets for piece in each.html()),
        )
    )


def _outcomes(results: Outcome | Iterable[Outcome]) -> list[Outcome]:
    if _is_outcome(results):
        return [results]
    if isinstance(results, (str, bytes, dict)) or not isinstance(results, Iterable):
        raise given.wrong("results", "an Extraction, or a list of them and of errors", results)
    found: list[object] = list(results)
    made = [each for each in found if _is_outcome(each)]
    if len(made) < len(found):
        bad = next(each for each in found if not _is_outcome(each))
        raise given.wrong("each of the results", "an Extraction or an error", bad)
    if not made:
        raise given.wrong("results", "at least one Extraction", found)
    return made


def _names(names: Sequence[str], count: int) -> list[str]:
    """A name for each document, "" where there is none."""
    found = None if isinstance(names, (str, bytes)) else list(names)
    if found is None or len(found) > count or not all(isinstance(each, str) for each in found):
        raise given.wrong("names", f"a list of texts, at most one a result ({count})", names)
    return found + [""] * (count - len(found))


def _is_outcome(value: object) -> TypeGuard[Outcome]:
    names = ("sources", "text", "cost")
    return isinstance(value, BaseException) or all(hasattr(value, name) for name in names)


class _Sheet:
    """One document of the page with its values."""

    def __init__(self, number: int, outcome: Outcome, name: str, *, pictures: bool) -> None:
        self.number = number
        self.pictures = pictures
        self.result = None if isinstance(outcome, BaseException) else outcome
        self.error = outcome if isinstance(outcome, BaseException) else None
        self.name = name or _own_name(self.result) or f"Document {number}"
        self.model = self.result.model if self.result else ""
        self.bill = self.result.cost if self.result else _bill_of(outcome)
        self.found = Findings(self.result) if self.result else None

    def html(self) -> Iterator[str]:
        """The document, and the values beside it."""
        name = label(self.name)
        if self.result is None or self.found is None:
            yield (
                f'<article class="sheet failed" id=document-{self.number} aria-label="{name}">'
                f"<div class=fault><h2><bdi>{text_html(self.name)}</bdi></h2>"
                f"<p>{text_html(_fault(self.error))}</p></div></article>"
            )
            return
        parts = parts_of(self.result.documents or (Text(self.result.text),))
        markings = markings_of(self.found)
        pictures, notes = figures(parts, markings) if self.pictures else ("", [])
        width = column_width(self.result.text)
        yield (
            f'<article class="sheet{" mono" * bool(width)}" id=document-{self.number}'
            f' aria-label="{name}" data-layout={"pictures" if pictures else "text"}>'
            f"{self._strip(len(self.result.text), pictures=bool(pictures), mono=bool(width))}"
            f'<div class=view tabindex=0 role=region aria-label="{name}">'
            f"<div class=pics>{pictures}</div>"
            f"<div class=text{f' style=--cols:{width}' if width else ''}>"
        )
        yield from marked(self.result.text, markings, labels_of(parts))
        yield "</div></div>"
        yield "<div class=ruler aria-hidden=true></div>"
        # Screen readers read a change of what is there before, not what appears.
        yield "<div class='sr spoken' role=status></div><div class=card hidden></div></section>"
        yield f'<section class=values id=values-{self.number} aria-label="Values of {name}">'
        yield from _head(self.found)
        yield from _tree(self.found, title=f"Values of {self.name}")
        yield "<p class='none quiet' hidden style='padding:0 16px'>No value fits the filter.</p>"
        yield from _about(self.result, notes)
        yield "</section></article>"

    def _strip(self, chars: int, *, pictures: bool, mono: bool) -> str:
        """The line above the document: its name, and how it is shown."""
        toggles = [
            ("layout", "Pictures", "Pictures of the pages, or their text (v)", True, pictures),
            ("zoom", "Larger", "Larger pictures (z)", False, pictures),
            ("calm", "Other places", "Mark the other places of values, too (o)", True, True),
            ("mono", "Fixed width", "Letters of one width (m)", mono, True),
        ]
        buttons = "".join(
            f"<button class=b type=button data-toggle={name} aria-pressed={str(is_on).lower()}"
            f' title="{title}">{words}</button>'
            for name, words, title, is_on, is_there in toggles
            if is_there
        )
        return (
            f"<section class=paper><div class=strip><h2><bdi>{text_html(self.name)}</bdi></h2>"
            f"<span class=quiet>{chars:,} characters</span>"
            f"<span class='push needs-js'>{buttons}</span></div>"
        )


def markings_of(found: Findings) -> list[Marking]:
    """What is to be marked in the text: the places of the leaves, and those of other values."""
    markings = []
    for pointer, spans in found.evidence.sources.items():
        leaf = found.leaves.get(pointer)
        number = leaf.number if leaf else 0
        is_conflict = pointer in found.evidence.conflicts
        markings += [Marking(s, pointer, number, i == 0, is_conflict) for i, s in enumerate(spans)]
    for pointer in found.evidence.conflicts:
        for other in found.evidence.others(pointer):
            spans = located({pointer: other.spans}, found.documents)[pointer]
            markings += [Marking(span, pointer, 0, True, True) for span in spans]
    return [piece for each in dict.fromkeys(markings) for piece in each.pieces()]


def _head(found: Findings) -> Iterator[str]:
    """How much of the value is proven, and the filters."""
    placed, sought = found.counts()
    yield (
        f"<div class=head><p><b>{placed:,} of {sought:,}</b> value{'s' * (sought != 1)}"
        " found in the text</p>"
    )
    counts = [(state, found.states[state]) for state in STATES if found.states[state]]
    meter = "".join(
        f"<i data-state={state} style='flex:{count}'></i>"
        for state, count in counts
        if state != "empty"
    )
    yield f"<div class=meter aria-hidden=true>{meter}</div>"
    chips = "".join(
        f'<button class=chip type=button aria-pressed=false data-state={state} title="{STATES[state]}">'
        f"{state} <b>{count:,}</b></button>"
        for state, count in counts
    )
    yield f'<div class="filters needs-js" role=group aria-label="Show only">{chips}</div></div>'


def _tree(found: Findings, *, title: str) -> Iterator[str]:
    """The value as nested lists: a WAI-ARIA tree, which script makes move."""
    yield f'<ul class=tree role=tree aria-label="{label(title)}">'
    if is_branch(found.value):
        yield from _branches(found, found.value, "", 1)
    else:
        yield _leaf_html(found.leaves[""], "value", 1)
    yield "</ul>"


def _branches(found: Findings, value: JSONValue, path: str, level: int) -> Iterator[str]:
    for key, inner in members(value):
        place = f"{path}/{escape(key)}"
        # An item of a list is counted from 0, as in its pointer.
        name = str(key)
        if place in found.leaves:
            yield _leaf_html(found.leaves[place], name, level)
            continue
        count = f"{len(inner)} {'item' if isinstance(inner, list) else 'field'}{'s' * (len(inner) != 1)}"
        # With a name of its own: that by content would be all that it holds.
        yield (
            f"<li class=g role=treeitem aria-expanded=true aria-level={level} tabindex=-1 "
            f'aria-label="{label(clipped(name, 200))}, {count}" data-path="{attribute(place)}">'
            f"<div class=row><span class=key>{_key_html(name)}</span>"
            f"<span class=count>{count}</span></div>"
            f"{''.join(map(_other_html, found.evidence.others(place)))}<ul role=group>"
        )
        yield from _branches(found, inner, place, level + 1)
        yield "</ul></li>"


def _key_html(name: str) -> str:
    # A name may be broken at its underscores, before anywhere else.
    words = text_html(clipped(name, 200)).replace("_", "_<wbr>")
    return f"<bdi>{words}</bdi>" if name else "<i>(empty name)</i>"


def _leaf_html(leaf: Leaf, name: str, level: int) -> str:
    number = f" data-n={leaf.number}" if leaf.number else ""
    others = "".join(map(_other_html, leaf.others))
    if leaf.read:
        words = text_html(clipped(leaf.read, 300))
        others += f"<span class=changed>the answer: <bdi>{words}</bdi></span>"
    return (
        f"<li class=leaf role=treeitem aria-level={level} tabindex=-1 data-state={leaf.state} "
        f'data-pointer="{attribute(leaf.pointer)}"{_measures(leaf)}>'
        f"<span class=key{number}>{_key_html(name)}</span>{_value_html(leaf.value)}"
        f'<span class=tag title="{STATES[leaf.state]}"><span>{leaf.state}</span></span>{others}</li>'
    )


def _measures(leaf: Leaf) -> str:
    """What script shows of the best place: its certainty, its page."""
    if not leaf.spans:
        return ""
    best = leaf.spans[0]
    page = f" data-page={best.page}" if best.page is not None else ""
    return f' data-score="{best.score:.2f}" data-start={best.start} data-end={best.end}{page}'


def _other_html(other: OneOfSeveral) -> str:
    count = len(other.spans)
    places = f"{count} place{'s' * (count != 1)}" if count else "no place found"
    return f"<span class=other>or {_value_html(other.value)} <small>{places}</small></span>"


def _value_html(value: JSONValue) -> str:
    kind = "s" if isinstance(value, str) else "j"
    return f'<bdi class="value {kind}">{text_html(clipped(written(value), LONGEST_VALUE))}</bdi>'


def _about(result: Result, notes: Sequence[str]) -> Iterator[str]:
    facts = [("Model", result.model), ("Strategy", result.strategy), ("Cost", str(result.cost))]
    read = (each.notes for each in result.documents if isinstance(each, FileDocument))
    facts += [("Note", note) for note in dict.fromkeys([*result.notes, *chain(*read), *notes])]
    failed = ((at, each.error) for at, each in enumerate(result.chunks) if each.error is not None)
    facts += [(f"Chunk {at}", f"not read: {_fault(error)}") for at, error in failed]
    facts += [("Schema", str(change)) for change in result.changes]
    listed = "".join(f"<dt>{name}</dt><dd>{text_html(words)}</dd>" for name, words in facts)
    yield (
        "<details class=about><summary>Model, cost, notes</summary>"
        f"<dl>{listed}</dl><div class=wide>{result.cost._repr_html_()}</div></details>"
    )


def _own_name(result: Result | None) -> str:
    """The names of the documents that were read."""
    found = result.documents if result else ()
    return ", ".join(each.name for each in found if isinstance(each, Document) and each.name)


def _fault(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"


def _bill_of(outcome: Outcome) -> Bill:
    """What was paid before an error."""
    bill = outcome.bill if isinstance(outcome, PromptureError) else None
    return bill or Bill()


def _index(sheets: Sequence[_Sheet]) -> str:
    """Links to the documents, each with what is to be known before it is opened."""
    lines = []
    for each in sheets:
        if each.found is None:
            state = f"<small class=bad>{text_html(type(each.error).__name__)}</small>"
        else:
            open_questions = [
                f"{each.found.states[state]:,} {state}"
                for state in ("conflict", "ambiguous", "inferred", "absent")
                if each.found.states[state]
            ]
            state = f"<small>{' · '.join([f'{len(each.found.leaves):,} values', *open_questions])}</small>"
        lines.append(
            f"<li><a href=#document-{each.number}><bdi>{text_html(each.name)}</bdi>{state}</a></li>"
        )
    return f"<nav class=index aria-label=Documents><ol>{''.join(lines)}</ol></nav>"


@cache
def _template() -> tuple[str, ...]:
    """The page in pieces, between which the parts stand that are filled in, by their names."""
    home = files("prompture.page")
    script = home.joinpath("page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = home.joinpath("page.html").read_text(encoding="utf-8")
    page = page.replace("{{hash}}", f"sha256-{digest}").replace("{{script}}", script)
    return tuple(re.split(r"\{\{(\w+)\}\}", page))


def _filled(**parts: str) -> Iterator[str]:
    # Never by replacing in the text that was filled in: a document may hold such names.
    for at, piece in enumerate(_template()):
        yield parts[piece] if at % 2 else piece
