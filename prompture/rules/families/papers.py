"""The first page of a scientific article: title, authors, affiliations, keywords, date.

The page is read line by line; each line is a name line, an institution, a mark of the journal, or neither. The title
is what stands right above the first authors, the authors are the name lines around the institutions."""

import re

from prompture.rules.candidates import Index
from prompture.rules.families import Family
from prompture.rules.families.people import names_in
from prompture.rules.families.title_pages import (
    ABSTRACT,
    INSTITUTION,
    NOISE,
    flat,
    head_lines,
    is_article,
    read_head,
    span_of,
)
from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.page import Candidate, Line, Page, Scope
from prompture.rules.render import accepts, candidates_of
from prompture.rules.sections import COMMON_KINDS, values_of_kind
from prompture.rules.sources import DATE_KINDS, dates, days_by_start
from prompture.rules.values import Reading
from prompture.types import Span

_STAMP = re.compile(r"arxiv:\S{5,30}(?:\s+\[[\w.-]{2,20}\])?\s+", re.IGNORECASE)
# On a title page these are the publisher's addresses, not the authors'.
_OFFICE = re.compile(r"^[\w.-]*(?:permission|reprint|subscri)[\w.-]*@", re.IGNORECASE)


class Papers(Family):
    """The title page of an article."""

    def candidates(
        self, field: Field, page: Page, scope: Scope, found: list[Candidate], index: Index
    ) -> list[Candidate] | None:
        """Title, keywords, and the date of an arXiv stamp."""
        if field.concept == "keywords":
            return _keywords(field, page, scope)
        if field.concept == "title":
            return _title(field, page, scope, found)
        if field.concept == "publication_date" and field.kind in DATE_KINDS:
            return [*dates(field, page, scope, found), *_stamped(field, page)]
        return None

    def values(self, field: Field, page: Page, scope: Scope) -> list[Candidate] | None:
        """Authors, institutions, and the addresses that are not the publisher's."""
        if field.concept == "authors" and "string" in field.types:
            return _authors(page, scope)
        if field.concept == "affiliations" and "string" in field.types:
            return _affiliations(page, scope)
        if field.kind in COMMON_KINDS and is_article(page):
            listed = values_of_kind(field, page, scope)
            return [one for one in listed if not _OFFICE.search(str(one.value))]
        return None


FAMILY = Papers()


def _title(field: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    """What stands right above the first authors, unless a label names the title."""
    if scope.start or not is_article(page):
        return found
    found = [candidate for candidate in found if not _cut_off(candidate, page)]
    if any(candidate.score >= 0.9 for candidate in found):
        return found
    title = read_head(page).title
    if not title:
        return found
    lead = _TITLE_LABEL.match(title[0].words)
    skip = lead.end() if lead else 0
    words = [title[0].words[skip:], *(line.words for line in title[1:])]
    value = " ".join(words).strip(' "“”')
    if not value or not accepts(field.schema, value):
        return found
    first = span_of(title[0], "normalised" if skip or len(title) > 1 else "exact")
    spans = (
        Span(first.start + skip, first.end, first.kind),
        *(span_of(line, "normalised") for line in title[1:]),
    )
    if page.text[spans[0].start : spans[0].end] != value:
        spans = tuple(Span(span.start, span.end, "normalised") for span in spans)
    return [*found, Candidate(value, spans, 0.8)]


_TITLE_LABEL = re.compile(r"title\s*:\s*", re.IGNORECASE)


def _cut_off(candidate: Candidate, page: Page) -> bool:
    """Whether a labelled title fills its line and may go on in the next."""
    place = page.layout.line_at(candidate.spans[0].end - 1)
    lines = page.layout.lines
    return (
        len(lines[place].text) > 60
        and place + 1 < len(lines)
        and not lines[place + 1].gap
        and ":" not in lines[place + 1].text[:40]
    )


def _authors(page: Page, scope: Scope) -> list[Candidate]:
    """The authors of an article, in order."""
    if scope.start or not is_article(page):
        return []
    return [
        Candidate(
            name,
            (Span(start, end, "exact" if page.text[start:end] == name else "normalised"),),
            0.8,
        )
        for name, start, end in dict.fromkeys(read_head(page).names)
    ]


def _stamped(field: Field, page: Page) -> list[Candidate]:
    """The date of an arXiv stamp."""
    stamp = _STAMP.search(page.text[:3000])
    day = days_by_start(page).get(stamp.end()) if stamp else None
    return candidates_of(field, Reading(day, day.start, day.end), page, 0.88) if day else []


def _affiliations(page: Page, scope: Scope) -> list[Candidate]:
    """The institutions among the lines of the head: each up to the comma that its address follows."""
    if scope.start or not is_article(page):
        return []
    lines = head_lines(page)
    found: dict[str, Candidate] = {}
    place = 0
    while place < len(lines):
        end = _institution_end(lines, place)
        if end is None:
            place += 1
            continue
        group = lines[place : end + 1]
        place = end + 1
        value = " ".join(line.words for line in group).rstrip(",;. ")
        kind = "exact" if len(group) == 1 else "normalised"
        found.setdefault(value, Candidate(value, tuple(span_of(line, kind) for line in group), 0.7))
    return list(found.values())


def _institution_end(lines: tuple[Line, ...], place: int) -> int | None:
    """The last line of an institution that begins on a line; None when none begins or its end is unclear."""
    words = lines[place].words
    if (
        not _institution(words)
        or words.startswith(("and ", "(", "for the "))
        or not words[0].isalnum()
    ):
        return None
    end = place
    while end - place < 3:
        later = lines[end + 1].words if end + 1 < len(lines) else ""
        if lines[end].words.endswith(","):
            if not _institution(later) or re.match(r"\d", later):
                return end
        elif not later.endswith(",") or names_in(flat(later)) or "@" in later:
            return None
        end += 1
    return None


def _institution(words: str) -> bool:
    return (
        bool(INSTITUTION.search(words))
        and not NOISE.search(words)
        and len(words) <= 160
        and not _ROLE.search(words)
    )


_ROLE = re.compile(
    r"present address|lecturer|professor|\bis with\b|correspond|director|student|supported|author|fellow|e-?mail",
    re.IGNORECASE,
)


def _keywords(field: Field, page: Page, scope: Scope) -> list[Candidate]:
    """What follows "Keywords", over line ends while the list goes on."""
    found: list[Candidate] = []
    lines = page.layout.within(scope.start, scope.end)
    for place, line in enumerate(lines):
        begin = _after_keywords(field, line)
        if begin is None:
            continue
        start, end = (
            (begin, line.end) if page.text[begin : line.end].strip() else (line.end, line.end)
        )
        for later in lines[place + 1 : place + 5]:
            if page.text[start:end].strip() and not _listed_on(page.text[start:end].strip(), later):
                break
            if NOISE.search(later.words) or ABSTRACT.match(later.text):
                break
            end = later.end
        value = " ".join(page.text[start:end].split()).strip(" .:-—–")
        if len(value) >= 3 and accepts(field.schema, value):
            at = page.text.index(value.split()[0], start)
            kind = "exact" if page.text[at : at + len(value)] == value else "normalised"
            stop = at + len(page.text[at:end].rstrip(" .\n"))
            found.append(Candidate(value, (Span(at, stop, kind),), 0.9))
    return found[:1]


_KEYWORDS = re.compile(r"\s*(?P<label>[A-Za-zäöüéÀ ]{5,30}?)\s*(?:[:.—–-]|$)\s*(?P<rest>.*)")


def _after_keywords(field: Field, line: Line) -> int | None:
    match = _KEYWORDS.match(line.text)
    if match is None or field.phrases.get(normalise(match["label"]), 0) < 0.9:
        return None
    return line.start + match.start("rest")


_AFTER_KEYWORDS = re.compile(
    r"correspond|this work|support|fund|e-?mail|\bfax\b|introduction|abbreviation|\bPACS\b|:|©|\d{4}",
    re.IGNORECASE,
)


def _listed_on(text: str, later: Line) -> bool:
    """Whether a list of keywords goes on in the next line: it broke off after a comma, or inside a word or phrase."""
    if later.gap or text.endswith(".") or _AFTER_KEYWORDS.search(later.words):
        return False
    if text.endswith((",", ";", "-", "·")):
        return True
    return (
        len(text) > 40
        and len(later.words) < 120
        and ("," in later.words or ";" in later.words or later.words.endswith("."))
    )
