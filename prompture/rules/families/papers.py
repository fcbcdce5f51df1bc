"""The first page of a scientific article: title, authors, affiliations, keywords, date.

The page is read line by line; each line is a name line, an institution, a mark of the journal, or neither. The title
is what stands right above the first authors, the authors are the name lines around the institutions."""

import re

from prompture.rules import data
from prompture.rules.concepts import normalise
from prompture.rules.families import DocumentFamily
from prompture.rules.fields import SchemaField
from prompture.rules.labelled import Index
from prompture.rules.page import FieldCandidate, Line, Page, ParsedValue, TextRange
from prompture.rules.render import accepts, candidates_of
from prompture.rules.sections import COMMON_KINDS, values_of_kind
from prompture.rules.unlabelled import DATE_KINDS, dates, days_by_start
from prompture.types import Span

_STAMP = re.compile(r"arxiv:\S{5,30}(?:\s+\[[\w.-]{2,20}\])?\s+", re.IGNORECASE)
_LISTS = frozenset({"authors", "affiliations"})
# On a title page these are the publisher's addresses, not the authors'.
_OFFICE = re.compile(r"^[\w.-]*(?:permission|reprint|subscri)[\w.-]*@", re.IGNORECASE)


class Papers(DocumentFamily):
    """The title page of an article."""

    def candidates(
        self,
        field: SchemaField,
        page: Page,
        scope: TextRange,
        found: list[FieldCandidate],
        index: Index,
    ) -> list[FieldCandidate] | None:
        """Title, keywords, and the date of an arXiv stamp."""
        if field.concept == "keywords":
            return _keywords(field, page, scope)
        if field.concept == "title":
            from prompture.rules.families.title_pages import read_title

            return read_title(field, page, scope, found)
        if field.concept == "publication_date" and field.kind in DATE_KINDS:
            return [*dates(field, page, scope, found), *_stamped(field, page)]
        return None

    def values(
        self, field: SchemaField, page: Page, scope: TextRange
    ) -> list[FieldCandidate] | None:
        """Authors, institutions, and the addresses that are not the publisher's."""
        if field.concept not in _LISTS and field.kind not in COMMON_KINDS:
            return None
        # Compiled at first need: it takes 20 ms, and most schemas are of no articles.
        from prompture.rules.families.title_pages import is_article, read_affiliations, read_authors

        if field.concept == "authors" and "string" in field.types:
            return read_authors(page, scope)
        if field.concept == "affiliations" and "string" in field.types:
            return read_affiliations(page, scope)
        if field.kind in COMMON_KINDS and is_article(page):
            listed = values_of_kind(field, page, scope)
            return [one for one in listed if not _OFFICE.search(str(one.value))]
        return None


FAMILY = Papers()


def _stamped(field: SchemaField, page: Page) -> list[FieldCandidate]:
    """The date of an arXiv stamp."""
    stamp = _STAMP.search(page.text[:3000])
    day = days_by_start(page).get(stamp.end()) if stamp else None
    return candidates_of(field, ParsedValue(day, day.start, day.end), page, 0.88) if day else []


def _keywords(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """What follows "Keywords", over line ends while the list goes on."""
    from prompture.rules.families.title_pages import ABSTRACT, NOISE

    found: list[FieldCandidate] = []
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
            found.append(FieldCandidate(value, (Span(at, stop, kind),), 0.9))
    return found[:1]


_KEYWORDS = re.compile(r"\s*(?P<label>[A-Za-zäöüéÀ ]{5,30}?)\s*(?:[:.—–-]|$)\s*(?P<rest>.*)")


def _after_keywords(field: SchemaField, line: Line) -> int | None:
    match = _KEYWORDS.match(line.text)
    if match is None or field.phrases.get(normalise(match["label"]), 0) < 0.9:
        return None
    return line.start + match.start("rest")


_AFTER_KEYWORDS = re.compile(data.alternatives("articles", "keywords_end"), re.IGNORECASE)


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
