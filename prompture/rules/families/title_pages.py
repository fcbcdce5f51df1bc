"""The title page of an article, line by line: names, institutions, marks of the journal.

The title is what stands right above the first authors; the authors are the name lines around the institutions.
"""

import re
from dataclasses import dataclass

from prompture.rules.families.people import clean, is_name, names_in
from prompture.rules.page import Line, Page
from prompture.types import Span

HEAD_LINES = 60


LATEST_AUTHORS = 25


_BELOW_AUTHORS = re.compile(
    r"@|^\s*(?:\(?received|submitted|accepted|published|revised|e-?mail)", re.IGNORECASE
)


_MARKED = re.compile(r"\b[A-Z]\.|[,\d*†‡§¶|]")


_ARTICLE = re.compile(
    r"\babstract\b|\bkey ?words\b|\barxiv\b|\bdoi\b|universit|\binstitute?\b|\bdepartment\b|\blaborator",
    re.IGNORECASE,
)


ABSTRACT = re.compile(
    r"\s*(?:abstract|summary|a b s t r a c t|introduction|1\.? introduction|key ?words|background|objective|résumé|zusammenfassung)\b",
    re.IGNORECASE,
)


NOISE = re.compile(
    r"arxiv:|https?:|www\.|\bdoi\b|@|\bissn\b|\bvol(?:ume)?\b\.?|\bno\.\s?\d|\bpp?\.\s?\d|received|accepted|published|copyright|©|\(c\)|all rights|open access"
    r"|research article|original (?:article|paper|research)|review article|short (?:title|paper)|running (?:title|head)|^\W*\d+(?: of \d+)?\W*$|^\s*(?:[A-Z] ){3,}|journal of|proceedings"
    r"|elsevier|springer|ieee|acm\b|preprint|draft|technical report|submitted|to appear|downloaded|available online|creative commons|licen[cs]e|classification:"
    r"|contents lists|printed in|presented (?:at|as)|publishing company|world scientific|workshop paper|in press|manuscript|sciencedirect|^\W*(?:viewpoint|letter|article|editorial|commentary|perspective|correspondence|brief communication|paper)s?\W*$|press\b|^\s*citation",
    re.IGNORECASE,
)


INSTITUTION = re.compile(
    r"universit|\bdepartment\b|\bdept\b|\binstitut|\blaborator|\bschool of\b|\bcollege\b|\bhospital\b|\bcent(?:er|re)\b|\bfacult|\bacademy\b|\bdivision of\b|\bdivision\b"
    r"|\bcollaboration\b|\bCNRS\b|\bINFN\b|\bpolitecnico\b|\bécole\b|\becole\b|\bmax-planck|\bfakult|\bdipartimento\b|\bcorporation\b|\bbell lab|\bresearch\b.*,|\bfoundation\b",
    re.IGNORECASE,
)


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
    if "head" not in page.memo:
        page.memo["head"] = _read(page)
    head: Head = page.memo["head"]
    return head


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
    if title and title[-1].words.endswith((",", "_")):
        title = ()
    if title and _goes_on(title[-1].words):
        title = ()
    if not _worded(title) or (begin and _broken(lines[begin - 1].words)):
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
    """Whether a line is an institution, not a title that speaks of one ("laboratory tests")."""
    return bool(INSTITUTION.search(words)) and (
        "," in words or len(words.split()) <= 5 or INSTITUTION.match(words) is not None
    )


def _broken(words: str) -> bool:
    """Whether a line that ended the title upwards looks like a part of it after all."""
    return _of_title(words)


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
