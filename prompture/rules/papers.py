"""The first page of a scientific article: title, authors, affiliations, keywords, date.

The page is read line by line; each line is a name line, an institution, a mark of the journal, or neither. The title
is what stands right above the first authors, the authors are the name lines around the institutions.
"""

import re
from dataclasses import dataclass

from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.layout import Line
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.people import clean, is_name, names_in
from prompture.rules.render import accepts
from prompture.types import Span

CONCEPTS = frozenset({"title", "keywords"})
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
_ABSTRACT = re.compile(
    r"\s*(?:abstract|summary|a b s t r a c t|introduction|1\.? introduction|key ?words|background|objective|résumé|zusammenfassung)\b",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"arxiv:|https?:|www\.|\bdoi\b|@|\bissn\b|\bvol(?:ume)?\b\.?|\bno\.\s?\d|\bpp?\.\s?\d|received|accepted|published|copyright|©|\(c\)|all rights|open access"
    r"|research article|original (?:article|paper|research)|review article|short (?:title|paper)|running (?:title|head)|^\W*\d+(?: of \d+)?\W*$|^\s*(?:[A-Z] ){3,}|journal of|proceedings"
    r"|elsevier|springer|ieee|acm\b|preprint|draft|technical report|submitted|to appear|downloaded|available online|creative commons|licen[cs]e|classification:"
    r"|contents lists|printed in|presented (?:at|as)|publishing company|world scientific|workshop paper|in press|manuscript|sciencedirect|^\W*(?:viewpoint|letter|article|editorial|commentary|perspective|correspondence|brief communication|paper)s?\W*$|press\b|^\s*citation",
    re.IGNORECASE,
)
_INSTITUTION = re.compile(
    r"universit|\bdepartment\b|\bdept\b|\binstitut|\blaborator|\bschool of\b|\bcollege\b|\bhospital\b|\bcent(?:er|re)\b|\bfacult|\bacademy\b|\bdivision of\b|\bdivision\b"
    r"|\bcollaboration\b|\bCNRS\b|\bINFN\b|\bpolitecnico\b|\bécole\b|\becole\b|\bmax-planck|\bfakult|\bdipartimento\b|\bcorporation\b|\bbell lab|\bresearch\b.*,|\bfoundation\b",
    re.IGNORECASE,
)
_SHORT_TITLE = re.compile(r"(?:short|running) (?:title|head)|running head", re.IGNORECASE)
_STAMP = re.compile(r"arxiv:\S{5,30}(?:\s+\[[\w.-]{2,20}\])?\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """What the lines of a title page are: the lines of the title, and the names with their places."""

    title: tuple[Line, ...]
    names: tuple[tuple[str, int, int], ...]


def weigh(name: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    """Candidates of the title and the keywords, from the page's layout."""
    if name.concept == "keywords":
        return _keywords(name, page, scope)
    if scope.start or not is_article(page):
        return found
    found = [candidate for candidate in found if not _cut_off(candidate, page)]
    if any(candidate.score >= 0.9 for candidate in found):
        return found
    title = read_head(page).title
    if not title:
        return found
    value = " ".join(line.words for line in title)
    kind = "exact" if len(title) == 1 else "normalised"
    return (
        [*found, Candidate(value, tuple(_span(line, kind) for line in title), 0.8)]
        if accepts(name.schema, value)
        else found
    )


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


def _span(line: Line, kind: str) -> Span:
    start = line.start + len(line.text) - len(line.text.lstrip())
    return Span(start, start + len(line.words), kind)


def is_article(page: Page) -> bool:
    """Whether a text opens like a scientific article."""
    return len(set(match.group().lower() for match in _ARTICLE.finditer(page.text[:4000]))) >= 2


def read_authors(page: Page, scope: Scope) -> list[Candidate]:
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


def read_head(page: Page) -> Head:
    """Read the title page."""
    if "head" not in page.memo:
        page.memo["head"] = _read(page)
    head: Head = page.memo["head"]
    return head


def _read(page: Page) -> Head:
    lines = _head_lines(page)
    names = {
        place: found
        for place, line in enumerate(lines)
        if (found := names_in(_flat(line.text), cut=True))
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


def _flat(text: str) -> str:
    return text.replace("\u00a0", " ")


def _head_lines(page: Page) -> tuple[Line, ...]:
    lines = page.layout.lines[:HEAD_LINES]
    stop = next(
        (place for place, line in enumerate(lines) if place > 1 and _ABSTRACT.match(line.text)),
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
            or _INSTITUTION.search(" ".join(line.text for line in below))
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
    return not _NOISE.search(words) and not _address(words)


def _address(words: str) -> bool:
    """Whether a line is an institution, not a title that speaks of one ("laboratory tests")."""
    return bool(_INSTITUTION.search(words)) and (
        "," in words or len(words.split()) <= 5 or _INSTITUTION.match(words) is not None
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
        if place != first and not _plausible(lines, end, block, len(listed)):
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
        or bool(_INSTITUTION.search(below))
        or "@" in below
    )


def _joined(block: str) -> str:
    """Lines of a list of names as one: a line end after a mark or a separator ends a name, any other goes on.

    As long as the block, so that places in it are places in the text.
    """
    flat = _flat(block).replace("\r", " ")
    kept = re.sub(
        r"(?<=[\d*†‡§¶])\s?\n|\n(?=\s*[|])", lambda end: ",".ljust(len(end.group())), flat
    ).split("\n")
    joined = kept[0]
    for line in kept[1:]:
        whole = is_name(clean(re.split(r"[,;&]|\band\b", joined)[-1])) and is_name(
            clean(re.split(r"[,;&]|\band\b", line)[0])
        )
        joined += ("," if whole else " ") + line
    return joined


def read_affiliations(page: Page, scope: Scope) -> list[Candidate]:
    """The institutions among the lines of the head: each up to the comma that its address follows."""
    if scope.start or not is_article(page):
        return []
    lines = _head_lines(page)
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
        found.setdefault(value, Candidate(value, tuple(_span(line, kind) for line in group), 0.7))
    return list(found.values())


def _institution_end(lines: tuple[Line, ...], place: int) -> int | None:
    """The last line of an institution that begins on a line; None when none begins or its end is unclear."""
    words = lines[place].words
    if not _institution(words) or words.startswith(("and ", "(")) or not words[0].isalnum():
        return None
    end = place
    while end - place < 3:
        later = lines[end + 1].words if end + 1 < len(lines) else ""
        if lines[end].words.endswith(","):
            if not _institution(later) or re.match(r"\d", later):
                return end
        elif not later.endswith(",") or names_in(_flat(later)) or "@" in later:
            return None
        end += 1
    return None


def _institution(words: str) -> bool:
    return (
        bool(_INSTITUTION.search(words))
        and not _NOISE.search(words)
        and len(words) <= 160
        and not _ROLE.search(words)
    )


_ROLE = re.compile(
    r"present address|lecturer|professor|\bis with\b|correspond|director|student|supported|author|fellow|e-?mail",
    re.IGNORECASE,
)


def _keywords(name: Field, page: Page, scope: Scope) -> list[Candidate]:
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
            if _NOISE.search(later.words) or _ABSTRACT.match(later.text):
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


def stamped(page: Page) -> int | None:
    """Where the date of an arXiv stamp begins."""
    match = _STAMP.search(page.text[:3000])
    return match.end() if match else None
