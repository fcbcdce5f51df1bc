"""The first page of a scientific article: title, authors, affiliations, keywords, date.

The page is read line by line; each line is a name line, an institution, a mark of the journal, or neither. The title
is what stands right above the first authors, the authors are the name lines around the institutions.
"""

import re

from prompture.rules.fields import Field
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.paper_lists import read_keywords
from prompture.rules.render import accepts
from prompture.rules.title_pages import is_article, read_head, span_of
from prompture.types import Span

CONCEPTS = frozenset({"title", "keywords"})
_STAMP = re.compile(r"arxiv:\S{5,30}(?:\s+\[[\w.-]{2,20}\])?\s+", re.IGNORECASE)


def weigh(name: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    """Candidates of the title and the keywords, from the page's layout."""
    if name.concept == "keywords":
        return read_keywords(name, page, scope)
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
    if not value or not accepts(name.schema, value):
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


def stamped(page: Page) -> int | None:
    """Where the date of an arXiv stamp begins."""
    match = _STAMP.search(page.text[:3000])
    return match.end() if match else None
