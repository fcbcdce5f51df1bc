"""The title page of an article, line by line: names, institutions, marks of the journal.

The title is what stands right above the first authors; the authors are the name lines around the institutions.
"""

import re
from dataclasses import dataclass

from prompture.rules import data
from prompture.rules.families.people import clean, is_name, names_in
from prompture.rules.fields import SchemaField
from prompture.rules.page import FieldCandidate, Line, Page, TextRange
from prompture.rules.render import accepts
from prompture.types import Span

HEAD_LINES = 60  # lines of the first page that may belong to the head
LATEST_AUTHORS = 25  # a name further down is in the text, not above it
_BELOW_AUTHORS = re.compile(data.alternatives("articles", "below_authors"), re.IGNORECASE)
_MARKED = re.compile(r"\b[A-Z]\.|[,\d*†‡§¶|]")
_ARTICLE = re.compile(data.alternatives("articles", "marks"), re.IGNORECASE)
ABSTRACT = re.compile(rf"\s*(?:{data.alternatives('articles', 'abstract')})\b", re.IGNORECASE)
NOISE = re.compile(data.alternatives("articles", "noise"), re.IGNORECASE)
INSTITUTION = re.compile(data.alternatives("articles", "institutions"), re.IGNORECASE)
_SHORT_TITLE = re.compile(r"(?:short|running) (?:title|head)|running head", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """What the lines of a title page are: the lines of the title, and the names with their places."""

    title: tuple[Line, ...]
    names: tuple[tuple[str, int, int], ...]


def span_of(line: Line, kind: str) -> Span:
    start = line.start + len(line.text) - len(line.text.lstrip())
    return Span(start, start + len(line.words), kind)


def is_article(page: Page) -> bool:
    """Whether a text opens like a scientific article."""
    return len(set(match.group().lower() for match in _ARTICLE.finditer(page.text[:4000]))) >= 2


def read_head(page: Page) -> Head:
    """Read the title page."""
    return page.once("title page", lambda: _read(page))


def _read(page: Page) -> Head:
    lines = head_lines(page)
    names = {
        place: found
        for place, line in enumerate(lines)
        if (found := names_in(flat(line.text), cut=True))
    }
    first = _first_authors(lines, names)
    if first is None:
        return Head((), ())
    begin = first
    while begin and first - begin < 6 and _of_title(lines[begin - 1].words):
        begin -= 1
    title = tuple(line for line in lines[begin:first] if not _SHORT_TITLE.match(line.words))
    title = _without_masthead(page, title)
    if title and (title[-1].words.endswith("_") or _goes_on(title[-1].words)):
        title = ()
    # A title of six lines that still goes on upwards is text.
    if not _worded(title) or (begin and _of_title(lines[begin - 1].words)):
        title = ()
    return Head(title, tuple(_authors(page, lines, names, first)))


def _without_masthead(page: Page, title: tuple[Line, ...]) -> tuple[Line, ...]:
    """Leave out what the journal prints above a title: dates, numbers, a section in capitals."""
    cut = 0
    for place, line in enumerate(title[:-1]):
        dated = _days_only(page, line) or (
            len(line.words) < 45
            and re.search(r"\b(?:19|20)\d\d\b|\d:\d\d|^\d{4}-\d{3}[\dX]", line.words)
        )
        shouted = line.words.isupper() and not title[place + 1].words.isupper()
        if dated or shouted:
            cut = place + 1
    return title[cut:]


def _days_only(page: Page, line: Line) -> bool:
    start = line.start + len(line.text) - len(line.text.lstrip())
    return any(day.start == start and day.end == start + len(line.words) for day in page.dates)


def flat(text: str) -> str:
    return text.replace("\u00a0", " ")


def head_lines(page: Page) -> tuple[Line, ...]:
    lines = page.layout.lines[:HEAD_LINES]
    stop = next(
        (place for place, line in enumerate(lines) if place > 1 and ABSTRACT.match(line.text)),
        None,
    )
    return lines[:stop] if stop is not None else lines[: HEAD_LINES // 2]


Names = dict[int, list[tuple[str, int, int]]]


def _first_authors(lines: tuple[Line, ...], names: Names) -> int | None:
    """The first line of authors: names with an institution, mail, more names or the end of the head soon below."""
    for place in sorted(names):
        if place == 0 or place > LATEST_AUTHORS:
            continue
        below = lines[place + 1 : place + 4]
        near = (
            len(below) < 2
            or any(_BELOW_AUTHORS.search(line.text) for line in below)
            or any(len(names.get(place + n, ())) > 1 for n in (1, 2))
        )
        alone = len(names[place]) == 1 and not _MARKED.search(lines[place].text)
        if alone and len(names.get(place + 1, ())) == 1:
            if _goes_on(lines[place - 1].words):
                continue
            return None if not _chain(lines, names, place) else place
        if (
            near
            or INSTITUTION.search(" ".join(line.text for line in below))
            or len(names[place]) > 2
        ):
            return place
    return None


def _goes_on(words: str) -> bool:
    """Whether a line of a title cannot be its last."""
    return (
        re.search(
            r"(?:\b(?:of|the|and|in|on|for|with|to|a|an|by|from|at|as|via|using|&)|[,:–-])$",
            words,
            re.IGNORECASE,
        )
        is not None
    )


def _chain(lines: tuple[Line, ...], names: Names, place: int) -> bool:
    """Whether lines of one name each are a list of authors rather than the end of a title and one author."""
    count = 0
    while len(names.get(place + count, ())) == 1:
        count += 1
    marked = sum(_MARKED.search(line.text) is not None for line in lines[place : place + count])
    return count >= 3 or (
        marked > 0
        and not lines[place].words.isupper()
        and _MARKED.search(lines[place].text) is not None
    )


def _of_title(words: str) -> bool:
    if _SHORT_TITLE.match(words):
        return True
    return not NOISE.search(words) and not _address(words)


def _address(words: str) -> bool:
    """Whether a line is an institution, not a title that mentions one ("laboratory tests")."""
    return bool(INSTITUTION.search(words)) and (
        "," in words or len(words.split()) <= 5 or INSTITUTION.match(words) is not None
    )


def _worded(lines: tuple[Line, ...]) -> bool:
    words = " ".join(line.words for line in lines)
    return 3 <= len(words.split()) <= 45 and words[:1].isalnum() and not words[:1].islower()


def _authors(
    page: Page, lines: tuple[Line, ...], names: Names, first: int
) -> list[tuple[str, int, int]]:
    """All names from the first author line on, lines of one list taken together; each name once."""
    found: dict[str, tuple[str, int, int]] = {}
    place = first
    while place < len(lines):
        if place not in names:
            place += 1
            continue
        end = place
        while (
            end + 1 in names
            and (len(names[end + 1]) > 1 or len(names[end]) > 1)
            and not lines[end + 1].gap
        ):
            end += 1
        block = page.text[lines[place].start : lines[end].end]
        listed = names_in(_joined(block), cut=True)
        if place != first and (
            not _plausible(lines, end, block, len(listed)) or _is_town(lines, place, block, listed)
        ):
            listed = []
        for name, begin, stop in listed:
            at = lines[place].start
            found.setdefault(name, (name, at + begin, at + stop))
        place = end + 1
    return list(found.values())


def _plausible(lines: tuple[Line, ...], end: int, block: str, count: int) -> bool:
    """Below the first authors, streets and towns look like names: more names need an institution or mail below."""
    below = lines[end + 1].text if end + 1 < len(lines) else ""
    return (
        count > 2
        or re.search(r"\b[A-Z]\. ", block) is not None
        or bool(INSTITUTION.search(below))
        or "@" in below
    )


def _is_town(
    lines: tuple[Line, ...], place: int, block: str, listed: list[tuple[str, int, int]]
) -> bool:
    """Whether one bare name right below an institution is its town: "San Francisco"."""
    above = lines[place - 1].text
    return len(listed) == 1 and INSTITUTION.search(above) is not None and not _MARKED.search(block)


def _joined(block: str) -> str:
    """Lines of a list of names as one: a line end after a mark or a separator ends a name, any other goes on.

    As long as the block, so that places in it are places in the text.
    """
    text = flat(block).replace("\r", " ")
    kept = re.sub(
        r"(?<=[\d*†‡§¶])\s?\n|\n(?=\s*[|])", lambda end: ",".ljust(len(end.group())), text
    ).split("\n")
    joined = kept[0]
    for line in kept[1:]:
        whole = is_name(clean(re.split(r"[,;&]|\band\b", joined)[-1])) and is_name(
            clean(re.split(r"[,;&]|\band\b", line)[0])
        )
        joined += ("," if whole else " ") + line
    return joined


def read_title(
    field: SchemaField, page: Page, scope: TextRange, found: list[FieldCandidate]
) -> list[FieldCandidate]:
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
    return [*found, FieldCandidate(value, spans, 0.8)]


_TITLE_LABEL = re.compile(r"title\s*:\s*", re.IGNORECASE)


def _cut_off(candidate: FieldCandidate, page: Page) -> bool:
    """Whether a labelled title fills its line and may go on in the next."""
    place = page.layout.line_at(candidate.spans[0].end - 1)
    lines = page.layout.lines
    return (
        len(lines[place].text) > 60
        and place + 1 < len(lines)
        and not lines[place + 1].gap
        and ":" not in lines[place + 1].text[:40]
    )


def read_authors(page: Page, scope: TextRange) -> list[FieldCandidate]:
    """The authors of an article, in order."""
    if scope.start or not is_article(page):
        return []
    return [
        FieldCandidate(
            name,
            (Span(start, end, "exact" if page.text[start:end] == name else "normalised"),),
            0.8,
        )
        for name, start, end in dict.fromkeys(read_head(page).names)
    ]


def read_affiliations(page: Page, scope: TextRange) -> list[FieldCandidate]:
    """The institutions among the lines of the head: each up to the comma that its address follows."""
    if scope.start or not is_article(page):
        return []
    lines = head_lines(page)
    found: dict[str, FieldCandidate] = {}
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
        found.setdefault(
            value, FieldCandidate(value, tuple(span_of(line, kind) for line in group), 0.7)
        )
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


_ROLE = re.compile(data.alternatives("articles", "roles"), re.IGNORECASE)
