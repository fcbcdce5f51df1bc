"""Lists of references: each entry taken apart into author, title, date and the rest.

A reference is read outside in: identifiers, year, volume and pages have forms of their own; the author is what stands
before the year or the quoted title; the title ends with its quotation mark or sentence. Where a style leaves the
border open (a comma after a title may be part of it) the part stays null.
"""

import re
from collections.abc import Iterator, Sequence

from prompture.rules.families import Family
from prompture.rules.families.people import split_authors
from prompture.rules.families.reference_parts import YEAR, Part, take_apart
from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.render import accepts
from prompture.types import Span

LONGEST = 2500
_ROLES: dict[str, tuple[str, ...]] = {
    "author": ("author", "authors", "author names", "creator", "creators"),
    "title": ("title", "article title", "work title"),
    "date": (
        "date",
        "year",
        "publication year",
        "publication date",
        "year published",
        "issued",
        "date published",
    ),
    "journal": ("journal", "journal name", "journal title", "periodical"),
    "volume": ("volume", "volume number", "vol"),
    "pages": ("pages", "page", "page range", "page numbers"),
    "publisher": ("publisher", "publisher name", "publishing house"),
    "location": (
        "location",
        "place",
        "city",
        "place publication",
        "publication place",
        "publisher location",
        "address",
    ),
    "doi": ("doi", "digital object identifier"),
    "url": ("url", "link", "web address", "website"),
    "edition": ("edition",),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}

_HEADING = re.compile(
    r"\W*(?:\d+\.?\s*)?(?:references|bibliography|works cited|literature(?: cited)?|literatur|bibliographie|références)\W*",
    re.IGNORECASE,
)


class Citations(Family):
    """Lists of bibliographic records: an author, a title, and two more of their parts."""

    def rows(
        self, field: Field, fields: Sequence[Field], page: Page, scope: Scope
    ) -> list[dict[str, Candidate]] | None:
        """One record for each reference, in order."""
        roles = {_role(one) for one in fields}
        if not {"author", "title"} <= roles or len(roles & _FURTHER) < 2:
            return None
        return _references(fields, page, scope)


FAMILY = Citations()
_FURTHER = frozenset({"date", "journal", "pages", "volume", "publisher", "doi"})


def _role(field: Field) -> str | None:
    return _ROLE_OF.get(normalise(field.name))


def _references(fields: Sequence[Field], page: Page, scope: Scope) -> list[dict[str, Candidate]]:
    found: list[dict[str, Candidate]] = []
    for start, end in _entries(page, scope):
        text = page.text[start:end]
        parts = take_apart(text)
        record: dict[str, Candidate] = {}
        for field in fields:
            part = parts.get(_role(field) or "")
            if part is not None:
                candidate = _candidate(field, text, part, start)
                if candidate is not None:
                    record[field.name] = candidate
        found.append(record)
    return found


def _candidate(field: Field, text: str, part: Part, offset: int) -> Candidate | None:
    printed = text[part.start : part.end]
    if "array" in field.types:
        return _names(field, printed, part, offset)
    if "integer" in field.types and "string" not in field.types:
        year = re.match(r"\d{4}", printed)
        return (
            Candidate(
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
    return Candidate(
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


def _names(field: Field, printed: str, part: Part, offset: int) -> Candidate | None:
    names = split_authors(printed)
    if not names:
        return None
    return Candidate(names, (Span(offset + part.start, offset + part.end, "normalised"),), 0.75)


def _entries(page: Page, scope: Scope) -> Iterator[tuple[int, int]]:
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
