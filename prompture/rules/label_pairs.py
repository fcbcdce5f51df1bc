"""Labels and the values beside, after or under them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from prompture.rules.cells import Cell
from prompture.rules.concepts import QUALIFIERS, everyday_labels, normalise
from prompture.rules.numbers import CURRENCY
from prompture.rules.page import Layout, Line

# How far a relation between label and value is trusted; a candidate's score is its label's fit times this.
TRUST = {
    "colon": 1.0,
    "markup": 1.0,
    "array": 1.0,  # for lists alone
    "leader": 1.0,
    "prefix": 0.95,
    "slot": 0.95,  # the cell of a written table that is its label's
    "inline": 0.94,
    "cell": 0.93,
    "below": 0.86,
    "loose": 0.8,
    "above": 0.76,
    "under": 0.9,
}

_SEPARATOR = re.compile(
    r"(?P<label>[^:：=\n]{1,60}?)\s*(?P<mark>[:：]-?|=|\.{3,}|…+)\s*(?P<value>.*)", re.DOTALL
)
_COLON = re.compile(r"[:：=]")
_MARK_FIRST = re.compile(r"[:：=]-?\s*")
_MARK_BEHIND = re.compile(r"\s*[:：=]")
_MORE_WORDS = re.compile(r"\s+([^\W\d_][^:：=\d\n]{0,40}?)\s?[:：=]")
_NEXT_PAIR = re.compile(r"[;&]\s?[A-Za-z_][\w.-]{0,30}\s?=")
_TRAIL = re.compile(r"[^\s:：=]+(?:\s[^\s:：=]+){0,4}\s*$")
_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"[^\W\d_]")
_JSON = re.compile(
    r"\"(?P<key>[^\"\\\n]{1,60})\"\s{0,4}:\s{0,4}(?:\"(?P<quoted>[^\"\\\n]{0,2000})\"|(?P<bare>[^\s,{}\[\]\"]{1,60})|(?P<array>\[[^\[\]{}]{0,2000}\]))"
)
_XML = re.compile(
    r"<(?P<key>[A-Za-z_][\w.-]{0,60})(?: [^<>\n]{0,200})?>(?P<quoted>[^<>]{1,2000})(?P<bare>)(?P<array>)</(?P=key)>"
)
_MARKUP = re.compile(r"[\s{\[,]*[\"<{]")


@dataclass(frozen=True, slots=True)
class Pair:
    """A label (its normal form and place) and the window `[start, end)` its value may be read from."""

    key: str
    label_start: int
    label_end: int
    start: int
    end: int
    relation: str
    line: int


def find_pairs(layout: Layout, wanted: Iterable[str]) -> list[Pair]:
    """Every label with its window. `wanted` are phrases in normal form that count even without a separator."""
    known = frozenset(wanted)
    ending = known | everyday_labels()
    # Three letters rule out most cells before a label is put in normal form, which is slow.
    first_words = frozenset(phrase.split()[0][:3] for phrase in known)
    found: list[Pair] = []
    parts = _parts_of_grids(layout, ending)
    for index, line in enumerate(layout.lines):
        part = parts.get(index, "")
        for place in range(len(line.cells)):
            # Labels that the schema does not ask for end a value, too.
            inner = list(_of_middle(line, index, place, ending))
            found.extend(
                _ended(pair, inner)
                for pair in (
                    *(
                        _of_grid(layout, index, place, part, known)
                        if part
                        else _of_cell(layout, index, line, place, known)
                    ),
                    *(
                        ()
                        if part in {"head", "only head"}
                        else _of_start(line, index, place, known, first_words)
                    ),
                    *(one for one in inner if one.key in known),
                )
            )
        found.extend(_after_amounts(line, index, known))
    found.extend(_of_markup(layout))
    return found


def _parts_of_grids(layout: Layout, ending: frozenset[str]) -> dict[int, str]:
    """What the lines of written tables are that have headings: "head" ("only head" over a single row) and "row", or
    "form" where labels and values stand side by side."""
    parts: dict[int, str] = {}
    for first, last, headed in layout.grids:
        rows = range(first + 1, last)
        # A figure in the first row is a value: "Order number | OR-99120" is no row of headings.
        of_words = headed and not any(_figures(layout.lines[first]))
        if _is_form(layout.lines[first + of_words : last], ending):
            parts.update(dict.fromkeys(range(first, last), "form"))
            continue
        if not headed or not rows:
            continue
        parts.update(dict.fromkeys(rows, "row"))
        parts[first] = "only head" if len(rows) == 1 else "head"
    return parts


def _is_form(lines: Sequence[Line], ending: frozenset[str]) -> bool:
    """Whether every other cell of a table's rows is a label."""
    if not lines or lines[0].cells[-1].slot % 2 == 0:
        return False
    labels = [cell for line in lines for cell in line.cells if cell.slot % 2 == 0][:_MOST_LABELS]
    return 2 * sum(normalise(cell.text) in ending for cell in labels) >= len(labels) > 0


_MOST_LABELS = 40  # of a table that are looked at


def _of_grid(
    layout: Layout, index: int, place: int, part: str, known: frozenset[str]
) -> Iterator[Pair]:
    """The pairs of a written table that has headings."""
    line = layout.lines[index]
    cell = line.cells[place]
    match = _SEPARATOR.fullmatch(cell.text)
    if match is not None and match["value"]:
        yield from _of_cell(layout, index, line, place, frozenset())
        return
    label = match["label"] if match is not None else cell.text
    if part == "only head":
        under = layout.below(index, cell, reach=1)
        if under is not None and normalise(under.text) not in known:
            yield from _pair(label, cell.start, (under.start, under.end), "slot", index)
        return
    follower = line.cells[place + 1] if place + 1 < len(line.cells) else None
    # In a row of several values, each is its column's.
    sides = cell.slot % 2 == 0 if part == "form" else part == "row" and len(line.cells) == 2
    if follower is not None and sides and (part == "row" or follower.slot == cell.slot + 1):
        relation = "slot" if part == "form" else "cell"
        yield from _pair(label, cell.start, (follower.start, follower.end), relation, index)


def _ended(pair: Pair, inner: list[Pair]) -> Pair:
    """A pair whose window ends where the next known label of its cell begins: "Name: Ann, Age: 36"."""
    ends = [one.label_start for one in inner if pair.start < one.label_start < pair.end]
    return replace(pair, end=min(ends)) if ends else pair


def _pair(
    label: str, label_start: int, window: tuple[int, int], relation: str, line: int
) -> Iterator[Pair]:
    # A label without a letter is a number, and a long one is a sentence.
    if not _LETTER.search(label) or len(label) > 60 or window[0] >= window[1]:
        return
    key = normalise(label)
    if key and len(key.split()) <= 8:  # more words are a sentence
        yield Pair(key, label_start, label_start + len(label), window[0], window[1], relation, line)


def _of_cell(
    layout: Layout, index: int, line: Line, place: int, known: frozenset[str]
) -> Iterator[Pair]:
    cell = line.cells[place]
    # A cell of a value, or of JSON and XML, which _of_markup reads.
    if _MARK_FIRST.match(cell.text) or _MARKUP.match(cell.text):
        return
    match = _SEPARATOR.fullmatch(cell.text)
    follower = line.cells[place + 1] if place + 1 < len(line.cells) else None
    if match is None:
        yield from _without_mark(layout, index, line, place, known)
        return
    label, value = match["label"], match["value"]
    # The colon of "https://" ends no label.
    if value.startswith("//") or not label.strip():
        return
    relation = "colon" if match["mark"][0] in ":：=" else "leader"
    if value:
        begin, end = match.start("value"), len(cell.text)
        # name=Ann; age=36
        if match["mark"] == "=" and (following := _NEXT_PAIR.search(cell.text, begin)):
            end = following.start()
        # "TOTAL: RM" and its amount in the next cell.
        if follower is not None and CURRENCY.fullmatch(value.strip()):
            end = follower.end - cell.start
        yield from _pair(label, cell.start, (cell.start + begin, cell.start + end), relation, index)
        return
    if follower is not None and not _is_label(line, place + 1):
        yield from _pair(
            label, cell.start, (follower.start, _value_end(line, place + 1)), relation, index
        )
        return
    under = layout.below(index, cell, reach=1)
    if under is not None and follower is None and not _labelled(under.text):
        yield from _pair(label, cell.start, (under.start, under.end), "under", index)
    # Forms may print the caption below its value.
    if index and len(line.cells) == 1 and len(layout.lines[index - 1].cells) == 1:
        over = layout.lines[index - 1].cells[0]
        yield from _pair(label, cell.start, (over.start, over.end), "above", index)


def _without_mark(
    layout: Layout, index: int, line: Line, place: int, known: frozenset[str]
) -> Iterator[Pair]:
    cell = line.cells[place]
    if len(cell.text) > 60:
        return
    follower = line.cells[place + 1] if place + 1 < len(line.cells) else None
    if follower is not None:
        mark = _MARK_FIRST.match(follower.text)
        if mark is not None:
            yield from _after_mark(line, index, place, mark.end())
            return
        # A label that the schema asks for is no value: "Name | City | Team".
        if not _is_label(line, place + 1) and normalise(follower.text) not in known:
            end = _value_end(line, place + 1)
            yield from _pair(cell.text, cell.start, (follower.start, end), "cell", index)
    under = layout.below(index, cell)
    if (
        under is not None
        and not _labelled(under.text)
        and not (line.grid >= 0 and normalise(under.text) in known)
        and _same_width(layout, line, under)
        and not _of_rows(layout, line, under)
    ):
        yield from _pair(cell.text, cell.start, (under.start, under.end), "below", index)
        if len(line.cells) > 1:
            return
    following = layout.lines[index + 1] if index + 1 < len(layout.lines) else None
    # The next line has a label of its own: nothing was filled in here.
    if following is not None and normalise(following.cells[0].text) not in known:
        yield from _loose(line, following, cell, index)


def _same_width(layout: Layout, line: Line, under: Cell) -> bool:
    """Under three headings or more a value counts only in a full row: gaps are often narrowed on the way to text."""
    row = layout.lines[layout.line_at(under.start)]
    return len(line.cells) < 3 or len(row.cells) == len(line.cells)


def _of_rows(layout: Layout, line: Line, under: Cell) -> bool:
    """Whether a cell under three headings or more is in the first of several rows, which is no value of its own."""
    at = layout.line_at(under.start)
    here, first = _figures(line), _figures(layout.lines[at])
    # A line with figures in the same places is a row itself: an entry of contents and its page.
    if any(first) and first == here:
        return True
    followed = len(here) > 2 and at + 1 < len(layout.lines)
    return followed and any(first) and first == _figures(layout.lines[at + 1])


def _figures(line: Line) -> list[bool]:
    return [any(c.isdigit() for c in cell.text) for cell in line.cells]


def _loose(line: Line, following: Line, cell: Cell, index: int) -> Iterator[Pair]:
    """Values on the next line in no clear column: under a heading alone on its line, or alone under headings."""
    if len(line.cells) > 1 and len(following.cells) > 1:
        return
    for other in following.cells:
        if _labelled(other.text) or _MARK_FIRST.match(other.text):
            continue
        yield from _pair(cell.text, cell.start, (other.start, other.end), "loose", index)


def _after_mark(line: Line, index: int, place: int, skip: int) -> Iterator[Pair]:
    """The label's colon stands in the next cell, alone or before the value."""
    cell, follower = line.cells[place], line.cells[place + 1]
    if follower.text[skip:]:
        yield from _pair(
            cell.text, cell.start, (follower.start + skip, follower.end), "colon", index
        )
        return
    if place + 2 < len(line.cells) and not _is_label(line, place + 2):
        value = line.cells[place + 2]
        yield from _pair(cell.text, cell.start, (value.start, value.end), "colon", index)


def _value_end(line: Line, place: int) -> int:
    """Where a value that begins in a cell ends: a currency mark alone is followed by its amount."""
    is_mark = CURRENCY.fullmatch(line.cells[place].text) is not None
    return line.cells[min(place + is_mark, len(line.cells) - 1)].end


def _is_label(line: Line, place: int) -> bool:
    """Whether a cell is a label itself: it ends with a colon, or the next cell begins with one."""
    behind = line.cells[place + 1 : place + 2]
    return _labelled(line.cells[place].text) or any(_MARK_FIRST.match(c.text) for c in behind)


def _labelled(text: str) -> bool:
    match = _SEPARATOR.fullmatch(text)
    return (
        match is not None
        and match["mark"][0] in ":：="
        and bool(_LETTER.search(match["label"]))
        and not text.startswith("http")
    )


def _of_start(
    line: Line, index: int, place: int, known: frozenset[str], first_words: frozenset[str]
) -> Iterator[Pair]:
    """A known label that begins a cell and goes over into its value: "Invoice No. 123", "TOTAL RM 5.00"."""
    cell = line.cells[place]
    first = normalise(cell.text.split(" ", 1)[0].split(":", 1)[0])
    if not first or first[:3] not in first_words:
        return
    longest: Pair | None = None
    for count, word in enumerate(_WORD.finditer(cell.text)):
        if count == 7:  # no label of the vocabulary is longer
            break
        label = cell.text[: word.end()].rstrip(".:#-")
        key = normalise(label)
        # What a colon ends is a pair of its colon, which `_of_cell` reads.
        if _COLON.search(word.group()) or _MARK_BEHIND.match(cell.text, word.end()):
            longest = None if key in known else longest
            break
        # The longest wins: "Invoice No" before "Invoice".
        if key in known and word.end() < len(cell.text):
            window = (cell.start + word.end(), cell.end)
            longest = Pair(key, cell.start, cell.start + len(label), *window, "prefix", index)
    # "Total hours: 12" is by a label of its own.
    if longest is not None and not _goes_on(cell.text[longest.start - cell.start :]):
        yield longest


def _goes_on(rest: str) -> bool:
    """Whether a label has further words before its colon, other than a currency's, or one that turns its meaning:
    "TOTAL SAVING 0.00"."""
    following = _WORD.search(rest)
    if following is not None and normalise(following.group()) in QUALIFIERS:
        return True
    found = _MORE_WORDS.match(rest)
    return found is not None and any(
        not CURRENCY.fullmatch(word) for word in re.findall(r"[^\W\d_]+", found[1])
    )


def _of_middle(line: Line, index: int, place: int, known: frozenset[str]) -> Iterator[Pair]:
    """Labels inside a cell, before a colon: "INV NO :GKJ3 DATE:02/02/17" has two."""
    cell = line.cells[place]
    if len(cell.text) > 400:  # prose: eight colons of it would cost more than they give
        return
    for colon in list(_COLON.finditer(cell.text))[:8]:
        before = _TRAIL.search(cell.text, max(0, colon.start() - 60), colon.start())
        if before is None:
            continue
        for word in _WORD.finditer(cell.text, before.start(), colon.start()):
            label = cell.text[word.start() : colon.start()].rstrip()
            key = normalise(label)
            if key in known and _fresh(cell.text, word.start()):
                window = (cell.start + colon.end(), cell.end)
                yield Pair(
                    key,
                    cell.start + word.start(),
                    cell.start + word.start() + len(label),
                    *window,
                    "inline",
                    index,
                )
                break


_AFTER_AMOUNT = re.compile(
    r"(?<=\d[.,:]\d\d)\s{1,40}(?P<label>[^\W\d_]{2,20}(?: [^\W\d_]{2,20}){0,3})\s{1,40}"
    r"(?P<value>(?:[^\s\d]{1,3}\s?)?\d[\d.,]{0,17}[.,]\d\d)(?!\S)"
)


def _after_amounts(line: Line, index: int, known: frozenset[str]) -> Iterator[Pair]:
    """Labels between two amounts, as scans and narrow papers have them: "SAVING 0.00 TOTAL 41.50"."""
    if line.grid >= 0:
        return
    for found in _AFTER_AMOUNT.finditer(line.text):
        key = normalise(found["label"])
        if key in known:
            begin, end = (line.start + place for place in found.span("label"))
            window = (line.start + found.start("value"), line.start + found.end("value"))
            yield Pair(key, begin, end, *window, "inline", index)


def _fresh(text: str, at: int) -> bool:
    """Whether a label inside a cell begins there: what is before it ends a value, not a longer label."""
    before = text[:at].split()
    return bool(before) and (any(c.isdigit() for c in before[-1]) or before[-1][-1] in ",;.)]|")


def _of_markup(layout: Layout) -> Iterator[Pair]:
    """Keys of JSON and elements of XML that hold a plain value, or an array of them."""
    for form in (_JSON, _XML):
        for match in form.finditer(layout.text):
            group = next(name for name in ("quoted", "bare", "array") if match[name] is not None)
            relation = "array" if group == "array" else "markup"
            line = layout.line_at(match.start("key"))
            yield from _pair(match["key"], match.start("key"), match.span(group), relation, line)
