"""The lists of a title page: institutions and keywords."""

import re

from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.layout import Line
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.people import names_in
from prompture.rules.render import accepts
from prompture.rules.title_pages import (
    ABSTRACT,
    INSTITUTION,
    NOISE,
    flat,
    head_lines,
    is_article,
    span_of,
)
from prompture.types import Span


def read_affiliations(page: Page, scope: Scope) -> list[Candidate]:
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


def read_keywords(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """What follows "Keywords", over line ends while the list goes on."""
    found: list[Candidate] = []
    lines = page.layout.within(scope.start, scope.end)
    for place, line in enumerate(lines):
        begin = _after_keywords(name, line)
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
        if len(value) >= 3 and accepts(name.schema, value):
            at = page.text.index(value.split()[0], start)
            kind = "exact" if page.text[at : at + len(value)] == value else "normalised"
            stop = at + len(page.text[at:end].rstrip(" .\n"))
            found.append(Candidate(value, (Span(at, stop, kind),), 0.9))
    return found[:1]


_KEYWORDS = re.compile(r"\s*(?P<label>[A-Za-zäöüéÀ ]{5,30}?)\s*(?:[:.—–-]|$)\s*(?P<rest>.*)")


def _after_keywords(name: Field, line: Line) -> int | None:
    match = _KEYWORDS.match(line.text)
    if match is None or name.phrases.get(normalise(match["label"]), 0) < 0.9:
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
