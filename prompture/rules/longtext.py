"""Long passages: everything after a label, over line ends, up to the next label or heading."""

import re
from collections.abc import Iterator

from prompture.rules.fields import Field
from prompture.rules.labels import normalise, similarity
from prompture.rules.layout import Line
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.render import accepts
from prompture.types import Span

LONGEST = 20_000
_TAG = re.compile(r"</?(?:b|i|u|em|strong|p|br|font|span)\b[^<>\n]{0,100}>", re.IGNORECASE)
_LABEL = re.compile(r"(?P<label>[^:\n.—–]{2,60}?)\s*(?P<mark>:|\.-?|—|–|-)\s*(?P<rest>.*)")
_HEADING = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2})?\.?|[IVX]{1,4}\.)?\s*(?:[A-Z][\w-]{0,30})(?: [\w-]{1,30}){0,5}:?"
)
_PARTS = frozenset(
    [
        "introduction",
        "keywords",
        "key",
        "words",
        "references",
        "index",
        "terms",
        "acknowledgements",
        "acknowledgments",
        "author",
        "summary",
        "background",
    ]
) | {"key words", "index terms", "author summary", "significance statement"}


def read_long(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """The passages after a field's label: each a candidate, white space collapsed."""
    return [found for found in _passages(name, page, scope) if found is not None]


MOST_PASSAGES = 50
"""A label that stands more often is the label of many things, and no one passage is meant."""


def _passages(name: Field, page: Page, scope: Scope) -> Iterator[Candidate | None]:
    lines = page.layout.within(scope.start, scope.end)
    left = MOST_PASSAGES
    for place, line in enumerate(lines):
        begin, score = _after_label(name, line)
        if score < 0.8:
            continue
        left -= 1
        if left < 0:
            return
        end = _end(page, lines, place, begin)
        yield _candidate(name, page, begin, min(end, begin + LONGEST, scope.end), score)


def _after_label(name: Field, line: Line) -> tuple[int, float]:
    """Where the passage begins on a line, and how well its label fits."""
    lead = len(line.text) - len(line.text.lstrip())
    whole = similarity(normalise(line.words), name.phrases) if len(line.words) <= 60 else 0.0
    if whole >= 0.8:
        return line.start + len(line.text), whole
    match = _LABEL.match(line.text, lead)
    if match is None:
        return 0, 0.0
    return line.start + match.start("rest"), similarity(normalise(match["label"]), name.phrases)


def _end(page: Page, lines: tuple[Line, ...], place: int, begin: int) -> int:
    last = lines[place].end
    for at in range(place + 1, len(lines)):  # no slice: a copy for each label is a square
        line = lines[at]
        if line.start - begin > LONGEST or _closes(page, line, started=last > begin):
            break
        last = line.end
    return last


def _closes(page: Page, line: Line, *, started: bool) -> bool:
    """Whether a line begins something else: a label of the schema, a part of an article, a heading after a gap."""
    match = _LABEL.match(line.text.lstrip())
    label = normalise(match["label"] if match else line.words)
    if label in page.memo.get("wanted", ()) and (match is not None and match["mark"] == ":"):
        return True
    if label in _PARTS or re.fullmatch(r"(?:\d{1,2}|i{1,3}) (?:introduction|background)", label):
        return True
    return (
        started and line.gap and len(line.words) < 40 and _HEADING.fullmatch(line.words) is not None
    )


def _candidate(name: Field, page: Page, begin: int, end: int, score: float) -> Candidate | None:
    passage = page.text[begin:end]
    trimmed = passage.strip()
    if not trimmed:
        return None
    start = begin + passage.index(trimmed)
    value = " ".join(_TAG.sub(" ", trimmed).split())
    if not any(c.isalpha() for c in value) or not accepts(name.schema, value):
        return None
    kind = "exact" if value == trimmed else "normalised"
    return Candidate(value, (Span(start, start + len(trimmed), kind),), round(score * 0.98, 4))
