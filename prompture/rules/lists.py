"""Lists of plain values: all of a kind (addresses of mail), what stands after a label, bullets under a heading."""

import re
from collections.abc import Iterator

from prompture.rules.blocks import section_scope
from prompture.rules.candidates import FREE_KINDS, Index, matching
from prompture.rules.fields import Field
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.pairs import Pair
from prompture.rules.paper_lists import read_affiliations
from prompture.rules.papers import read_authors
from prompture.rules.render import render
from prompture.rules.title_pages import is_article
from prompture.rules.values import read
from prompture.types import Span

_BULLET = re.compile(r"\s*(?:[-*•·●▪◦‣–]|\(?\d{1,3}[.)])\s+(?P<item>.+)")
# On a title page these are the publisher's addresses, not the authors'.
_OFFICE = re.compile(r"^[\w.-]*(?:permission|reprint|subscri)[\w.-]*@", re.IGNORECASE)
_COMMON_KINDS = frozenset({"email", "doi", "uuid", "iban", "uri"})
_SEPARATORS = (";", "•", "·", ",")


def read_list(single: Field, page: Page, scope: Scope, index: Index) -> list[Candidate]:
    """The values of a list of strings or numbers; empty when the text offers none."""
    if single.concept == "authors" and "string" in single.types:
        return read_authors(page, scope)
    if single.concept == "affiliations" and "string" in single.types:
        return read_affiliations(page, scope)
    if single.kind in _COMMON_KINDS:
        return _distinct(_of_kind(single, page, scope))
    listed = _bullets(single, page, scope) or _after_label(single, page, scope, index)
    return _distinct(iter(listed))


def _distinct(found: Iterator[Candidate]) -> list[Candidate]:
    kept: dict[str, Candidate] = {}
    for candidate in found:
        kept.setdefault(repr(candidate.value), candidate)
    return list(kept.values())


def _of_kind(single: Field, page: Page, scope: Scope) -> Iterator[Candidate]:
    at = scope.start
    while at < scope.end:
        reading = read(single.kind, page, at, scope.end, name=single)
        if reading is None:
            return
        written = render(single, reading, page)
        if written is not None and not (_OFFICE.search(str(written[0])) and is_article(page)):
            yield Candidate(written[0], (written[1],), 0.9)
        at = max(reading.end, at + 1)


def _after_label(single: Field, page: Page, scope: Scope, index: Index) -> list[Candidate]:
    fits = matching(index, single.phrases)
    pairs = [
        (fit, pair)
        for key, fit in fits.items()
        for pair in index.within(key, scope)
        if fit >= 0.8 and pair.relation in {"colon", "leader", "under", "inline", "markup"}
    ]
    for _, pair in sorted(pairs, key=lambda found: (-found[0], found[1].start)):
        found = list(_split(single, page, pair))
        if found:
            return found
    return []


def _split(single: Field, page: Page, pair: Pair) -> Iterator[Candidate]:
    line = page.layout.lines[page.layout.line_at(pair.start)]
    start, end = pair.start, max(pair.end, line.end)
    window = page.text[start:end]
    mark = next((mark for mark in _SEPARATORS if mark in window), None)
    at = 0
    for piece in window.split(mark) if mark else [window]:
        last = (
            re.match(r"(.{2,60}?) (?:and|&|und|et) (?=.{2,60}$)", piece)
            if mark == "," and start + at + len(piece) == end
            else None
        )
        cut = last.end() if last else 0
        if last is not None:
            yield from _item(single, page, start + at, start + at + last.end(1))
        yield from _item(single, page, start + at + cut, start + at + len(piece))
        at += len(piece) + 1


def _item(single: Field, page: Page, start: int, end: int) -> Iterator[Candidate]:
    piece = page.text[start:end]
    trimmed = (
        piece.strip().rstrip(".").strip("\"'[]") if single.kind in FREE_KINDS else piece.strip()
    )
    if not trimmed:
        return
    begin = start + piece.index(trimmed)
    reading = read(single.kind, page, begin, begin + len(trimmed), name=single)
    written = render(single, reading, page) if reading else None
    if written is not None:
        yield Candidate(
            written[0], (Span(written[1].start, written[1].end, written[1].kind, 0.9),), 0.9
        )


def _bullets(single: Field, page: Page, scope: Scope) -> list[Candidate]:
    under = section_scope(single, page, scope)
    if under is None:
        return []
    found: list[Candidate] = []
    for line in page.layout.within(under.start, under.end):
        match = _BULLET.fullmatch(line.text)
        if match is None:
            if found:
                break
            continue
        found.extend(_item(single, page, line.start + match.start("item"), line.end))
    return found
