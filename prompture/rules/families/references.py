"""Take references apart: author, title, date, journal, volume, pages, publisher and identifiers.

A reference is read outside in: identifiers, year, volume and pages have forms of their own; the author is what stands
before the year or the quoted title; the title ends with its quotation mark or sentence. Where a style leaves the
border open (a comma after a title may be part of it) the part stays null.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prompture.rules import data
from prompture.rules.families.people import is_author_list, leading_authors, split_authors
from prompture.rules.fields import SchemaField
from prompture.rules.page import FieldCandidate, Page, TextRange
from prompture.rules.render import accepts
from prompture.types import Span

_MARKER = re.compile(r"\s*(?:\[\w{1,12}\]|\(?\d{1,3}[.)]|\d{1,3}(?=\s[A-ZÀ-Þ]))\s+")
YEAR = r"(?:1[5-9]|20)\d\d[a-z]?"
_MONTH = rf"(?:{data.alternatives('citations', 'months')})\.?"
_BRACKETED = re.compile(rf"\((?P<date>{YEAR}(?:, {_MONTH}(?: \d{{1,2}})?)?)\)")
_BARE = re.compile(
    rf"(?<![\w–/:-])(?P<date>(?:\d{{1,2}} {_MONTH},? |{_MONTH} \d{{1,2}},? |{_MONTH}(?: ?[/–-] ?{_MONTH})?,? )?{YEAR})(?![\d–/-]|\.\d)",
    re.IGNORECASE,
)
_URL = re.compile(r"https?://[^\s<>\"”]{4,300}")
_DOI = re.compile(r"(?<![/\w])10\.\d{4,9}/[^\s\"<>,;]{2,100}")
_PAGES = re.compile(
    r"(?P<pages>(?<![A-Za-z])(?:[Pp]{1,2}\.? ?)[A-Z]?\d{1,6}(?: ?[-–—] ?[A-Z]?\d{1,6})?)(?![\d-])"
)
_RANGE = re.compile(
    r"(?<=[:,;] )(?P<pages>[A-Z]?\d{1,6} ?[-–—] ?[A-Z]?\d{1,6})(?=[.,;)\s]|$)|(?<=:)(?P<tight>\d{1,6} ?[-–—] ?\d{1,6})(?=[.,;)\s]|$)"
)
_VOLUME = re.compile(
    r"(?P<volume>(?<![A-Za-z])(?:[Vv]ol(?:ume)?\.? ?|[Vv]\. ?)(?:\d{1,4}|[IVXL]{1,7})(?:,? (?:[Nn]o|[Ii]ssue|[Nn]r|n°)\.? ?\d{1,4}(?:[-–/]\d{1,3})?| ?\(\d{1,4}(?:[-–/]\d{1,3})?\))?)(?!\d)"
)
_JOURNAL = re.compile(
    r"(?P<journal>[A-ZÀ-Þ][^\d\"“”]{2,110}?)[,.]? (?P<volume>\d{1,4}(?: ?\(\d{1,3}(?:[-–/]\d{1,3})?\)|\.\d{1,2}(?=[,:(]))?) ?[,:;] ?"
    r"(?P<pages>(?:pp?\. ?)?[A-Z]?\d{1,6}(?: ?[-–—] ?[A-Z]?\d{1,6})?)(?=[.,;)\s]|$)"
)
_DATED_JOURNAL = re.compile(
    r"(?P<journal>[A-ZÀ-Þ][^\d\"“”]{2,110}?)[,.]? \(?(?P<year>(?:1[89]|20)\d\d)(?: [A-Z][a-z]{2}(?: \d{1,2})?)?\)?[;.,] ?"
    r"(?P<volume>\d{1,4}(?: ?\(\d{1,4}(?:[-–/]\d{1,3})?\))?) ?: ?(?P<pages>[A-Z]?\d{1,6}(?: ?[-–—] ?[A-Z]?\d{1,6})?)"
)
_EDITION = re.compile(
    r"(?P<edition>\d{1,2} ?(?:st|nd|rd|th) (?:ed(?:ition|n)?\b\.?)|(?:[Ss]econd|[Tt]hird|[Ff]ourth|[Ff]ifth|[Rr]ev(?:ised|\.)) (?:ed(?:ition|n)?\b\.?))"
)
_PLACE = re.compile(
    r"(?:^|[.(?!”\"] ?)(?P<location>[A-ZÀ-Þ][A-Za-zÀ-ÿ-]+(?: [A-ZÀ-Þ][A-Za-zÀ-ÿ-]+){0,2}(?:,? (?:[A-Z]{2}|[A-Z][a-z]{1,9}\.?))?) ?: "
    r"(?P<publisher>[A-ZÀ-Þ][^.,:;()\d]{2,70}?)(?:,? ?\(?(?:1[5-9]|20)\d\d[a-z]?\)?)?[.)]*\s*$"
)
_QUOTED = re.compile(r"[“\"«] ?(?P<title>[^“”\"«»]{6,400}?)[,.]? ?[”\"»]")
_RUNS_ON = re.compile(
    r"\d ?\(\d|, ?\d{1,4} ?[-–,(:]|, \d{1,4}$|\bpp?$|\b(?:19|20)\d\d$|, [Vv](?:ol)?$|https?:|\bedition$|\((?:trans|ed)s?\.|University Press|, [Nn]o$|, v \d|, p \d|\bedn?$|, trans$|, Proceedings of\b| volume \d| at [A-Z][a-z]+, [A-Z][a-z]+$"
)
_ABBREVIATION = re.compile(rf"(?:\b[A-Z]|\b(?:{data.alternatives('citations', 'abbreviations')}))$")


LONGEST = 2500  # characters of one reference
_HEADING = re.compile(
    rf"\W*(?:\d+\.?\s*)?(?:{data.alternatives('citations', 'headings')})\W*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a reference: offsets into the reference's text."""

    start: int
    end: int


def take_apart(text: str) -> dict[str, Part]:
    """The parts of one reference whose borders are sure."""
    parts: dict[str, Part] = {}
    marker = _MARKER.match(text)
    begin = marker.end() if marker else len(text) - len(text.lstrip())
    _identifiers(text, parts)
    date = _date(text, begin, parts)
    if date is not None:
        parts["date"] = date
    author = _author(text, begin, date)
    if author is not None:
        parts["author"] = author
    title = _title(text, begin, author, date)
    if title is not None:
        parts["title"] = title
    rest = max([begin, *(parts[name].end for name in ("author", "title") if name in parts)])
    _where(text, rest, parts, after_title=title is not None)
    return parts


def _identifiers(text: str, parts: dict[str, Part]) -> None:
    url = _URL.search(text)
    if url is not None:
        parts["url"] = Part(url.start(), url.start() + len(url.group().rstrip(".,;)]")))
    doi = next(
        (m for m in _DOI.finditer(text) if url is None or not url.start() <= m.start() < url.end()),
        None,
    )
    if doi is not None:
        parts["doi"] = Part(doi.start(), doi.start() + len(doi.group().rstrip(".,;)")))


def _date(text: str, begin: int, parts: dict[str, Part]) -> Part | None:
    """The year of publication: the only one, or the one in brackets or after the author, or the last."""
    taken = [(part.start, part.end) for part in parts.values()]
    bracketed = [m for m in _BRACKETED.finditer(text, begin) if not _inside(m.start(), taken)]
    bare = [
        m
        for m in _BARE.finditer(text, begin)
        if (
            not _inside(m.start(), taken)
            and not re.search(r"(?:pp?\.|[:;,]) ?$", text[max(0, m.start() - 4) : m.start()])
        )
        or m.group()[0].isalpha()
        or m.end() >= len(text.rstrip()) - 2
        or text[max(0, m.start() - 2) : m.start()] == ", "
    ]
    bare = [m for m in bare if not _inside(m.start(), taken)]
    distinct = {m["date"] for m in [*bracketed, *bare]}
    for group in (bracketed, bare):
        if group and len(distinct) == 1:
            return Part(*group[0].span("date"))
    if bracketed:
        return (
            Part(*bracketed[0].span("date"))
            if is_author_list(text[begin : bracketed[0].start()]) or len(bracketed) == 1
            else None
        )
    if not bare:
        return None
    if is_author_list(text[begin : bare[0].start()]):
        return Part(*bare[0].span("date"))
    last = bare[-1]
    return Part(*last.span("date")) if len(text.rstrip(" .)")) == last.end() else None


def _inside(at: int, taken: list[tuple[int, int]]) -> bool:
    return any(start <= at < end for start, end in taken)


def _author(text: str, begin: int, date: Part | None) -> Part | None:
    """The authors: what stands before the year or before the quoted title, when it reads as names."""
    ends: list[int] = []
    if date is not None:
        ends.append(date.start - 1 if text[date.start - 1 : date.start] == "(" else date.start)
    quoted = _QUOTED.search(text, begin)
    if quoted is not None:
        ends.append(quoted.start())
    sentence = _first_stop(text, begin)
    if sentence is not None:
        ends.append(sentence)
    leading = leading_authors(text, begin)
    for end in sorted(ends):
        stop = begin + len(text[begin:end].rstrip(" ,:;(“‘'"))
        if stop > begin and is_author_list(text[begin:stop]):
            return Part(begin, stop)
    return Part(begin, leading) if leading is not None else None


def _first_stop(text: str, begin: int) -> int | None:
    """The end of the first sentence that is not an initial: "Isaac, Glynn. The ..." or "Dembski, William A. The ..."."""
    for match in re.finditer(r"[.:] +(?=[“\"‘'«A-ZÀ-Þ])", text[begin : begin + 600]):
        end = begin + match.start()
        before = text[begin:end]
        if match.group()[0] == ":":
            if re.search(r"(?:\b[A-Z]{1,3}\.?|et al\.?)$", before):
                return end
            continue
        if not re.search(r"\b[A-ZÀ-Þ]$", before):
            return end
        last = re.split(r" and | & | et | a |;", before)[-1]
        after = text[begin + match.end() :]
        if "," in last and not re.match(
            r"(?:[A-ZÀ-Þ]\.|[A-ZÀ-Þ][\w'-]+(?: [A-Z]\.?)*(?:,| and| &)|and |&)", after
        ):
            return end + 1
    return None


def _title(text: str, begin: int, author: Part | None, date: Part | None) -> Part | None:
    quoted = _QUOTED.search(text, author.end if author else begin)
    if quoted is not None and quoted.start() - (author.end if author else begin) < 25:
        return Part(*quoted.span("title"))
    if author is None:
        return None
    after = author.end
    follows_date = date is not None and 0 <= date.start - author.end <= 4
    if follows_date and date is not None:
        after = date.end
    elif text[author.end : author.end + 1] not in {".", ":"} and not text[: author.end].endswith(
        "."
    ):
        return None
    start = after + len(re.match(r"(?:[\s.,:;)\]]|\[\d{4}\])*", text[after:]).group())  # type: ignore[union-attr]
    if start >= len(text) or not (
        text[start].isupper() or text[start].isdigit() or text[start] in "'‘¿["
    ):
        return None
    end = _sentence_end(text, start)
    if end is not None:
        aside = re.search(
            r" \((?:unpublished|doctoral|master|ph\.? ?d)[^()]{0,60}\)$",
            text[start:end],
            re.IGNORECASE,
        )
        end = start + aside.start() if aside else end
    if (
        end is None
        or is_author_list(text[start:end])
        or _RUNS_ON.search(text, start, end)
        or (not text[end:].strip(" .") and "," in text[start:end])
    ):
        return None
    return (
        Part(start, end)
        if end - start >= 8 and not text[start:].startswith(("In ", "In:", "http", "Available"))
        else None
    )


def _sentence_end(text: str, start: int) -> int | None:
    """Where the sentence of a title ends: a full stop that is no abbreviation, with more behind it."""
    for match in re.finditer(r"[.?!](?=\s+[^a-z\s])|\.(?=\s*$)", text[start : start + 500]):
        end = start + match.start()
        if match.group() != ".":
            return end + 1
        if not _ABBREVIATION.search(text[start:end]):
            return end
    return None


def _where(text: str, rest: int, parts: dict[str, Part], *, after_title: bool) -> None:
    """Journal, volume and pages; or place and publisher; and the edition."""
    _numbered(text, rest, parts, after_title=after_title)
    edition = _EDITION.search(text, rest)
    if edition is not None:
        parts["edition"] = Part(*edition.span("edition"))
    if "journal" not in parts:
        place = _PLACE.search(text, rest)
        if place is not None and not re.search(
            r"\b[Ii]n$", text[: place.start("location")].rstrip()
        ):
            parts["location"], parts["publisher"] = (
                Part(*place.span("location")),
                Part(*place.span("publisher")),
            )


def _numbered(text: str, rest: int, parts: dict[str, Part], *, after_title: bool) -> None:
    lead = re.match(r"[\s.,;:”\"'’»)?!]*", text[rest:])
    start = rest + (lead.end() if lead else 0)
    for form in (_JOURNAL, _DATED_JOURNAL):
        match = form.match(text, start)
        if (
            match is not None
            and after_title
            and ". " not in match["journal"].replace("J. ", "").strip()
            and not match["journal"].startswith(("In ", "in "))
        ):
            if re.match(r", ?\d", text[match.end() :]) or re.fullmatch(
                r"(?:1[89]|20)\d\d", match["volume"]
            ):
                return
            _journal(match, parts)
            if not re.fullmatch(r"(?:19|20)\d\d", match["pages"]):
                parts["pages"] = Part(*match.span("pages"))
            return
    volume = _VOLUME.search(text, rest)
    if volume is not None:
        parts["volume"] = Part(*volume.span("volume"))
    pages = _PAGES.search(text, rest)
    if pages is not None:
        parts["pages"] = Part(*pages.span("pages"))
        return
    ranges = [m for m in _RANGE.finditer(text, rest) if not _is_years(m.group())]
    if len(ranges) == 1:
        group = "pages" if ranges[0]["pages"] else "tight"
        parts["pages"] = Part(*ranges[0].span(group))


def _journal(match: re.Match[str], parts: dict[str, Part]) -> None:
    """The journal's name and the volume, which takes the "vol." that stands between them."""
    printed, start = match["journal"], match.start("journal")
    prefix = _VOLUME_WORD.search(printed)
    name = printed[: prefix.start()] if prefix else printed
    parts["journal"] = Part(start, start + len(name.rstrip(" ,.")))
    parts["volume"] = Part(
        start + prefix.start("word") if prefix else match.start("volume"), match.end("volume")
    )


_VOLUME_WORD = re.compile(r",? ?(?P<word>(?:[Vv]ol(?:ume)?|[Vv]|[Nn]o|Bd)\.?|[Nn]°)$")


def _is_years(text: str) -> bool:
    return re.fullmatch(r"(?:1\d|20)\d\d ?[-–—] ?(?:1\d|20)?\d\d", text.strip()) is not None


def read_references(
    wanted: Sequence[tuple[str, SchemaField]], page: Page, scope: TextRange
) -> list[dict[str, FieldCandidate]]:
    """One record for each reference, in order. `wanted` are parts and the fields that take them."""
    found: list[dict[str, FieldCandidate]] = []
    for start, end in _entries(page, scope):
        text = page.text[start:end]
        parts = take_apart(text)
        record: dict[str, FieldCandidate] = {}
        for name, field in wanted:
            part = parts.get(name)
            if part is not None:
                candidate = _candidate(field, text, part, start)
                if candidate is not None:
                    record[field.name] = candidate
        found.append(record)
    return found


def _candidate(field: SchemaField, text: str, part: Part, offset: int) -> FieldCandidate | None:
    printed = text[part.start : part.end]
    if "array" in field.types:
        return _names(field, printed, part, offset)
    if "integer" in field.types and "string" not in field.types:
        year = re.match(r"\d{4}", printed)
        return (
            FieldCandidate(
                int(year.group()),
                (Span(offset + part.start, offset + part.start + 4, "normalised"),),
                0.8,
            )
            if year
            else None
        )
    value = " ".join(printed.split())
    if "string" not in field.types or not value or not accepts(field.schema, value):
        return None
    return FieldCandidate(
        value,
        (
            Span(
                offset + part.start,
                offset + part.end,
                "exact" if value == printed else "normalised",
            ),
        ),
        0.8,
    )


def _names(field: SchemaField, printed: str, part: Part, offset: int) -> FieldCandidate | None:
    names = split_authors(printed)
    if not names:
        return None
    return FieldCandidate(
        names, (Span(offset + part.start, offset + part.end, "normalised"),), 0.75
    )


def _entries(page: Page, scope: TextRange) -> Iterator[tuple[int, int]]:
    """The references: one a line where lines hold a year each, else one for each marker or paragraph."""
    lines = list(page.layout.within(scope.start, scope.end))
    heading = next(
        (place for place, line in enumerate(lines) if _HEADING.fullmatch(line.text)), None
    )
    if heading is not None:
        lines = lines[heading + 1 :]
    if not lines:
        return
    dated = sum(re.search(YEAR, line.text) is not None for line in lines)
    every = dated >= 0.6 * len(lines) and sum(len(line.words) for line in lines) / len(lines) > 60
    begins = [
        every or line.gap or place == 0 or _begins(line.words) for place, line in enumerate(lines)
    ]
    starts = [line.start for line, begin in zip(lines, begins, strict=True) if begin]
    if heading is None and (len(starts) < 2 or dated < 0.5 * len(starts)):
        return
    for start, after in zip(starts, [*starts[1:], lines[-1].end], strict=True):
        entry = page.text[start:after].rstrip()
        if 15 <= len(entry) <= LONGEST:
            yield start, start + len(entry)


def _begins(words: str) -> bool:
    return re.match(r"\[\w{1,12}\]\s|\(?\d{1,3}[.)]\s", words) is not None
