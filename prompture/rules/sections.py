"""Parts of a document: the section under a heading, repeated blocks, long passages, and lists of plain values."""

import re
from collections.abc import Iterable, Iterator

from prompture.rules import data
from prompture.rules.concepts import normalise, similarity
from prompture.rules.fields import SchemaField
from prompture.rules.label_pairs import Pair
from prompture.rules.labelled import FREE_KINDS, Index, matching, read_alone
from prompture.rules.page import FieldCandidate, Line, Page, TextRange
from prompture.rules.parsers import read
from prompture.rules.render import accepts, render
from prompture.types import Span

_ANCHOR_FIT = 0.9  # a heading must name the object itself, not contain a word of it


def section_scope(field: SchemaField, page: Page, scope: TextRange) -> TextRange | None:
    """What stands under a heading line that names the object, up to the next heading or two blank lines."""
    lines = page.layout.within(scope.start, scope.end)
    for place, line in enumerate(lines):
        heading = line.words.strip("*#=-_ \t").rstrip(":").strip()
        if not heading or len(heading) > 60 or len(line.cells) > 1:
            continue
        if similarity(normalise(heading), {phrase: 1.0 for phrase in field.phrases}) < _ANCHOR_FIT:
            continue
        # The line right below is content, even where it looks like a heading.
        end = next(
            (later.start for later in lines[place + 2 :] if _heading(later.words, line.words)),
            scope.end,
        )
        return TextRange(line.end, end)
    return None


def _heading(words: str, like: str) -> bool:
    """Whether a line opens a section the way `like` does: the same mark before or after the words."""
    if like.startswith("#"):
        return words.startswith("#")
    if like.endswith(":"):
        return words.endswith(":") and len(words) <= 60
    if like.isupper():
        return words.isupper() and not any(c.isdigit() for c in words) and len(words) <= 60
    return False


def repeated(
    fields: Iterable[SchemaField], page: Page, scope: TextRange, index: Index
) -> Iterator[TextRange]:
    """The blocks of a list: from each place of the label that comes first to the next such place.

    One block alone counts when it holds the labels of at least two of the fields.
    """
    places: dict[str, list[int]] = {}
    for field in fields:
        found = sorted(_places(field, index, scope))
        if found:
            places[field.name] = found
    if not places:
        return
    # By place, then by name: two labels of one place give the same blocks in every run.
    anchor = min(places, key=lambda field: (places[field][0], field))
    starts = places[anchor]
    # A label that stands once repeats nothing; two labels are then needed to believe in a block.
    if len(starts) == 1:
        if len(places) >= 2 or scope.start:
            yield TextRange(starts[0], scope.end)
        return
    most = max(len(found) for found in places.values())
    if len(places) < 2 and most < 2:
        return
    for start, after in zip(starts, [*starts[1:], scope.end], strict=True):
        yield TextRange(start, after)


def _places(field: SchemaField, index: Index, scope: TextRange) -> set[int]:
    found: set[int] = set()
    if field.kind in {"object", "array"}:
        return found
    for key, fit in matching(index, field.phrases).items():
        if fit < _ANCHOR_FIT:
            continue
        found.update(
            pair.label_start
            for pair in index.within(key, scope)
            if pair.relation in {"colon", "under", "leader", "markup"}
        )
    return found


LONGEST = 20_000
_TAG = re.compile(r"</?(?:b|i|u|em|strong|p|br|font|span)\b[^<>\n]{0,100}>", re.IGNORECASE)
_LABEL = re.compile(r"(?P<label>[^:\n.—–]{2,60}?)\s*(?P<mark>:|\.-?|—|–|-)\s*(?P<rest>.*)")
_HEADING = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2})?\.?|[IVX]{1,4}\.)?\s*(?:[A-Z][\w-]{0,30})(?: [\w-]{1,30}){0,5}:?"
)
_ARTICLE_PARTS = frozenset(data.words("articles", "headings"))


def read_long(
    field: SchemaField, page: Page, scope: TextRange, index: Index
) -> list[FieldCandidate]:
    """The passages after a field's label: each a candidate, white space collapsed."""
    return [found for found in _passages(field, page, scope, index) if found is not None]


MOST_PASSAGES = 50
"""A label that stands more often is the label of many things, and no one passage is meant."""


def _passages(
    field: SchemaField, page: Page, scope: TextRange, index: Index
) -> Iterator[FieldCandidate | None]:
    lines = page.layout.within(scope.start, scope.end)
    left = MOST_PASSAGES
    for place, line in enumerate(lines):
        begin, score = _after_label(field, line)
        if score < 0.8:
            continue
        left -= 1
        if left < 0:
            return
        end = _passage_end(index, lines, place, begin)
        yield _candidate(field, page, begin, min(end, begin + LONGEST, scope.end), score)


def _after_label(field: SchemaField, line: Line) -> tuple[int, float]:
    """Where the passage begins on a line, and how well its label fits."""
    lead = len(line.text) - len(line.text.lstrip())
    whole = similarity(normalise(line.words), field.phrases) if len(line.words) <= 60 else 0.0
    if whole >= 0.8:
        return line.start + len(line.text), whole
    match = _LABEL.match(line.text, lead)
    if match is None:
        return 0, 0.0
    return line.start + match.start("rest"), similarity(normalise(match["label"]), field.phrases)


def _passage_end(index: Index, lines: tuple[Line, ...], place: int, begin: int) -> int:
    last = lines[place].end
    for at in range(place + 1, len(lines)):  # no slice: a copy for each label is a square
        line = lines[at]
        if line.start - begin > LONGEST or _closes(index, line, started=last > begin):
            break
        last = line.end
    return last


def _closes(index: Index, line: Line, *, started: bool) -> bool:
    """Whether a line begins something else: a label of the schema, a part of an article, a heading after a gap."""
    match = _LABEL.match(line.text.lstrip())
    label = normalise(match["label"] if match else line.words)
    if label in index.wanted and (match is not None and match["mark"] == ":"):
        return True
    if label in _ARTICLE_PARTS or re.fullmatch(
        r"(?:\d{1,2}|i{1,3}) (?:introduction|background)", label
    ):
        return True
    return (
        started and line.gap and len(line.words) < 40 and _HEADING.fullmatch(line.words) is not None
    )


def _candidate(
    field: SchemaField, page: Page, begin: int, end: int, score: float
) -> FieldCandidate | None:
    passage = page.text[begin:end]
    trimmed = passage.strip()
    if not trimmed:
        return None
    start = begin + passage.index(trimmed)
    value = " ".join(_TAG.sub(" ", trimmed).split())
    if not any(c.isalpha() for c in value) or not accepts(field.schema, value):
        return None
    kind = "exact" if value == trimmed else "normalised"
    return FieldCandidate(value, (Span(start, start + len(trimmed), kind),), round(score * 0.98, 4))


_BULLET = re.compile(
    r"(?P<indent>\s*)(?:[-*•·●▪◦‣–]|\(?\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(?P<item>.+)"
)
COMMON_KINDS = frozenset({"email", "doi", "uuid", "iban", "uri"})
_SEPARATORS = (";", "•", "·", ",")


def read_list(
    field: SchemaField, page: Page, scope: TextRange, index: Index
) -> list[FieldCandidate]:
    """The values of a list of strings or numbers; empty when the text offers none. `field` is one of them."""
    if field.kind in COMMON_KINDS:
        return values_of_kind(field, page, scope)
    listed = _bullets(field, page, scope) or _after_list_label(field, page, scope, index)
    return _distinct(iter(listed))


def values_of_kind(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """All values of the field's kind in a scope, each once."""
    return _distinct(_of_kind(field, page, scope))


def _distinct(found: Iterator[FieldCandidate]) -> list[FieldCandidate]:
    kept: dict[str, FieldCandidate] = {}
    for candidate in found:
        # repr() keeps 1 and True apart, and takes values that have no hash.
        kept.setdefault(repr(candidate.value), candidate)
    return list(kept.values())


def _of_kind(field: SchemaField, page: Page, scope: TextRange) -> Iterator[FieldCandidate]:
    at = scope.start
    while at < scope.end:
        reading = read(field.kind, page, at, scope.end, field=field)
        if reading is None:
            return
        written = render(field, reading, page)
        if written is not None:
            yield FieldCandidate(written[0], (written[1],), 0.9)
        # At least one further: a reading of no length must not come again for ever.
        at = max(reading.end, at + 1)


def _after_list_label(
    field: SchemaField, page: Page, scope: TextRange, index: Index
) -> list[FieldCandidate]:
    fits = matching(index, field.phrases)
    pairs = [
        (fit, pair)
        for key, fit in fits.items()
        for pair in index.within(key, scope)
        if fit >= 0.8
        and pair.relation in {"colon", "leader", "under", "slot", "inline", "markup", "array"}
    ]
    # The best label first; of equal ones, the first in the text.
    for _, pair in sorted(pairs, key=lambda found: (-found[0], found[1].start)):
        places = [place for place in _places_of_items(page, pair) if _has_letters(page, place)]
        items = [list(_item(field, page, start, end)) for start, end in places]
        # A list of numbers is whole or none: the 1 of "1, 2-3" alone would be another list.
        if field.kind not in FREE_KINDS and not all(items):
            continue
        if found := [one for item in items for one in item]:
            return found
    return []


def _has_letters(page: Page, place: tuple[int, int]) -> bool:
    return any(c.isalnum() for c in page.text[place[0] : place[1]])


def _places_of_items(page: Page, pair: Pair) -> Iterator[tuple[int, int]]:
    if pair.relation == "array" or _ARRAY.match(page.text, pair.start, pair.end):
        stop = page.text.find("]", pair.start, pair.end)
        for found in _ARRAY_ITEM.finditer(page.text, pair.start, stop if stop >= 0 else pair.end):
            yield found.span(found.lastindex or 0)
        return
    place = page.layout.line_at(pair.start)
    line = page.layout.lines[place]
    if pair.relation == "under" and (below := _indented(page, pair, place)):
        yield from ((one.start, one.end) for one in below)
        return
    # A list goes on over all cells of its line.
    start, end = pair.start, pair.end if pair.relation == "slot" else max(pair.end, line.end)
    masked = _masked(page.text[start:end])
    # In this order: items apart by semicolons may have commas of their own.
    mark = next((mark for mark in _SEPARATORS if mark in masked), None)
    at = start
    for piece in masked.split(mark) if mark else [masked]:
        stop = at + len(piece)
        # "a, b and c": the last piece between commas is two items.
        last = _LAST_TWO.match(piece) if mark and stop == end else None
        if last is not None:
            yield at, at + last.end(1)
        yield at + (last.end() if last else 0), stop
        at = stop + 1


_LAST_TWO = re.compile(r"(.{1,60}?),? (?:and|&|und|et|y|e|or|oder|ou) (?=.{1,60}$)", re.DOTALL)
_ARRAY = re.compile(r"\s*\[\s*[\"'\d-]")
_ARRAY_ITEM = re.compile(r"\"([^\"\\\n]{0,2000})\"|'([^'\\\n]{0,2000})'|([^\s,\[\]\"']{1,60})")
_ENCLOSED = re.compile(
    r"\([^()\n]{0,200}\)|\[[^\[\]\n]{0,200}\]|\"[^\"\n]{0,200}\"|(?<!\w)'[^'\n]{0,200}'(?!\w)|“[^”\n]{0,200}”|«[^»\n]{0,200}»"
)
_INSIDE_NUMBER = re.compile(r"(?<=\d),(?=\d)")


def _masked(window: str) -> str:
    """A text in which nothing inside brackets, quotes and numbers separates: as long as the text."""
    hidden = _ENCLOSED.sub(lambda found: "_" * len(found.group()), window)
    # 1,5 and 2,000 are numbers, unless all commas are between digits: 1,2,3.
    spaced = re.search(r",\s", hidden) is not None
    return _INSIDE_NUMBER.sub("_", hidden) if spaced or hidden.count(",") == 1 else hidden


def _indented(page: Page, pair: Pair, place: int) -> list[Line]:
    """The lines below a label that stand further in than it, when there are several: each is an item."""
    label = page.layout.lines[pair.line]
    margin = pair.label_start - label.start
    below: list[Line] = []
    for at in range(place, len(page.layout.lines)):  # no slice: a copy for each label is a square
        line = page.layout.lines[at]
        if len(line.text) - len(line.text.lstrip()) <= margin or (line.gap and below):
            break
        below.append(line)
    return below if len(below) > 1 else []


_QUOTED = re.compile(r"\"[^\"]+\"|'[^']+'|“[^”]+”|«[^»]+»|`[^`]+`")


def _item(
    field: SchemaField, page: Page, start: int, end: int, *, sentence: bool = False
) -> Iterator[FieldCandidate]:
    """One item. `sentence`: it stands on lines of its own, where a full stop is its own, too."""
    piece = page.text[start:end]
    trimmed = piece.strip()
    if field.kind in FREE_KINDS:
        trimmed = trimmed.rstrip(".") if trimmed.count(".") == 1 and not sentence else trimmed
        trimmed = trimmed[1:-1] if _QUOTED.fullmatch(trimmed) else trimmed
    if not trimmed:
        return
    begin = start + piece.index(trimmed)
    reading = read_alone(field, page, begin, begin + len(trimmed))
    written = render(field, reading, page) if reading else None
    if written is not None:
        yield FieldCandidate(
            written[0], (Span(written[1].start, written[1].end, written[1].kind, 0.9),), 0.9
        )


def _bullets(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    under = section_scope(field, page, scope)
    if under is None:
        return []
    items: list[list[tuple[int, int]]] = []
    indent = 0
    for line in page.layout.within(under.start, under.end):
        match = _BULLET.fullmatch(line.text)
        if match is not None:
            indent = match.end("indent")
            items.append([(line.start + match.start("item"), line.end)])
        elif items and not line.gap and len(line.text) - len(line.text.lstrip()) > indent:
            items[-1].append((line.start, line.end))
        elif items:  # the first line that is no part of an item ends the list
            break
    return [one for places in items for one in _wrapped(field, page, places)]


def _wrapped(
    field: SchemaField, page: Page, places: list[tuple[int, int]]
) -> Iterator[FieldCandidate]:
    """An item that goes on below: its lines together."""
    if len(places) == 1 or field.kind not in FREE_KINDS:
        yield from _item(field, page, *places[0], sentence=True)
        return
    start, end = places[0][0], places[-1][1]
    value = " ".join(page.text[start:end].split())
    if accepts(field.schema, value):
        trimmed = start + len(page.text[start:end].rstrip())
        yield FieldCandidate(value, (Span(start, trimmed, "normalised", 0.9),), 0.9)
