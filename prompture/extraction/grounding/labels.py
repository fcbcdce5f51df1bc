"""What speaks for a place beside the other values: the name of its field, and what the schema says
of it, in the words around. Of a state that a contract names often, the one in "shall be governed
by the laws of" is the ``governing_law``."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache

from prompture.extraction.grounding.spans import Path, Places
from prompture.types import JSONValue, Span

Label = tuple[tuple[str, float], ...]
"""The beginnings of words that may stand at a value, each with its weight."""

_BEFORE, _AFTER = 140, 80
"""Characters around a place that may hold a label."""
_BEHIND = 25
_OTHER_LINE = 20
"""Characters that a label behind its value, or in another line, is as good as farther off."""
_TITLED, _DESCRIBED = 0.8, 0.4
"""What a word of the title, or of the description, weighs against one of the field's name."""
_MOST_WORDS = 12
_MOST_PLACES = 360
"""So many places of a label are looked at, for a value that stands in very many."""
_WORD = re.compile(r"[^\W\d_]+")
_KEY_WORD = re.compile(r"[^\W\d_]+|\d+")
_LINKS = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "by",
        "de",
        "der",
        "des",
        "di",
        "du",
        "for",
        "la",
        "le",
        "of",
        "the",
        "und",
        "y",
    ]
)
_RULE = re.compile(r"(?m)^\|(?:[ \t]*:?-{2,}:?[ \t]*\|)+[ \t]*$")
_TABLE_END = re.compile(r"\n(?!\|)")
_CELL_END = re.compile(r"(?<!\\)\|")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ENDS = re.compile(r"[.;:!?](?=\s)|\n\s*\n")
_COMMON_WORDS = (
    "a an and any are as at be by can each for from given has if in into is it its must no not null"
    " of on one only or other out per such than that the their there this to was were what when"
    " where which who whose will with without as e g eg ie yyyy mm dd iso string value values field"
    " text format printed written stated fully otherwise number name list optional key first last"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_ENDINGS = re.compile(r"(?:ations?|ings?|ions?|ed|ers?|ies|es|s|y|e)\Z")


class PipeTables:
    """The pipe tables of a text: which cell a place is in, and the heads of columns."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._rules = [m.start() for m in _RULE.finditer(text)] if "|-" in text else []
        self._rows = [m.start() for m in re.finditer(r"(?m)^\|", text)] if self._rules else []
        self._heads: dict[int, tuple[tuple[frozenset[str], ...], int]] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def row(self, at: int) -> int | None:
        """The number of the line of a table that a place is in; None outside tables."""
        index = bisect_right(self._rows, at) - 1
        return index if index >= 0 and self._text.find("\n", self._rows[index], at) < 0 else None

    def line(self, row: int) -> int:
        """Where a line of a table begins."""
        return self._rows[row]

    def head(self, at: int) -> frozenset[str]:
        """The words at the head of the column of a place."""
        row = self.row(at)
        index = bisect_right(self._rules, at) - 1
        if row is None or index < 0:
            return frozenset()
        if index not in self._heads:
            self._heads[index] = self._head_line(self._rules[index])
        heads, end = self._heads[index]
        # Another table, without a head, may follow.
        if self._rows[row] <= self._rules[index] or at >= end:
            return frozenset()
        column = len(_CELL_END.findall(self._text, self._rows[row], at)) - 1
        return heads[column] if column < len(heads) else frozenset()

    def _head_line(self, rule: int) -> tuple[tuple[frozenset[str], ...], int]:
        """The heads of the columns of the table with this rule, and where the table ends."""
        start = self._text.rfind("\n", 0, max(0, rule - 1)) + 1
        stop = _TABLE_END.search(self._text, rule)
        line = self._text[start:rule]
        cells = _CELL_END.split(line)[1:] if line.startswith("|") else ()
        return tuple(map(_key_words, cells)), stop.start() if stop else len(self._text)


class Labels:
    """The labels of a value's fields, and how near they stand to places of a text."""

    def __init__(self, text: str, schema: Mapping[str, JSONValue] | None = None) -> None:
        self._text = text
        self._schema = schema
        self._lower: str | None = None
        self._places: dict[str, list[int]] = {}
        self._known: dict[tuple[int, int, Label], float] = {}
        self._names: dict[tuple[str, ...], list[frozenset[str]]] = {}
        self.tables = PipeTables(text)

    def of(self, path: Path) -> Label:
        """The label of a leaf: words of its field's name, then those of its description."""
        name = next((key for key in reversed(path) if isinstance(key, str)), "")
        found = {stem: 1.0 for stem in _stems(name)}
        for words, weight in _described(self._schema, path):
            for stem in _stems(words):
                found.setdefault(stem, weight)
        return tuple(found.items())[:_MOST_WORDS]

    def heading(self, path: Path, span: Span) -> float:
        """How much of the head of a table's column, over a place, is the name of a leaf's field:
        from 0 to 1."""
        head = self.tables.head(span.start) if self.tables else frozenset[str]()
        if not head:
            return 0.0
        field = tuple("*" if isinstance(key, int) else key for key in path)
        if field not in self._names:
            name = next((key for key in reversed(path) if isinstance(key, str)), "")
            titles = (
                words for words, weight in _described(self._schema, path) if weight == _TITLED
            )
            self._names[field] = [_key_words(words) for words in (name, *titles)]
        shares = (
            sum(any(_is_short_for(a, b) for b in head) for a in words) / max(len(words), len(head))
            for words in self._names[field]
        )
        return max(shares, default=0.0)

    def nearness(self, span: Span, label: Label) -> float:
        """How much of a label stands in the sentence or line of a place: 0 for nothing, 1 for the
        whole name right beside it."""
        key = (span.start, span.end, label)
        if key not in self._known:
            self._known[key] = self._nearness(span, label)
        return self._known[key]

    def _nearness(self, span: Span, label: Label) -> float:
        head = self._text[max(0, span.start - _BEFORE) : span.start].lower()
        tail = self._text[span.end : span.end + _AFTER].lower()
        head = head[max((found.end() for found in _ENDS.finditer(head[:-2])), default=0) :]
        if self.tables and (row := self.tables.row(span.start)) is not None:
            # The line above is another row.
            head = head[-max(1, span.start - self.tables.line(row)) :]
            tail = tail.partition("\n")[0]
        end = _ENDS.search(tail)
        tail = tail[: end.start()] if end else tail
        # A label mostly stands before its value and in its line, or in the line above.
        line, below = head.rfind("\n"), tail.find("\n")
        words = [
            (word.group(), len(head) - word.end() + _OTHER_LINE * (word.start() < line))
            for word in _WORD.finditer(head)
        ]
        words += [
            (
                word.group(),
                _BEHIND + 2 * word.start() + 2 * _OTHER_LINE * (word.start() > below >= 0),
            )
            for word in _WORD.finditer(tail)
        ]
        total = sum(weight == 1.0 for _, weight in label) or 1
        near = 0.0
        for stem, weight in label:
            gaps = [gap for word, gap in words if word.startswith(stem)]
            if gaps:
                near += weight * self._rarity(stem) * max(0.3, 1.0 - min(gaps) / 120)
        return min(1.0, near / total)

    def _rarity(self, stem: str) -> float:
        """1 for a word that stands once or twice in the text, 0 for one that stands everywhere."""
        return max(0.0, 1.0 - 0.17 * math.log(max(1, len(self._stem_places(stem)) - 1)))

    def beside(self, spans: Places, label: Label) -> Iterator[int]:
        """Of very many places of a value, the indexes of those next to the label's words."""
        for stem, _ in label:
            if len(self._stem_places(stem)) >= _MOST_PLACES:  # a word like this is no label
                continue
            for at in self._stem_places(stem):
                index = bisect_left(spans, at, key=lambda span: span.start)
                yield from range(max(0, index - 1), min(len(spans), index + 1))

    def _stem_places(self, stem: str) -> list[int]:
        if stem not in self._places:
            self._lower = self._text.lower() if self._lower is None else self._lower
            found: list[int] = []
            at = self._lower.find(stem)
            while at >= 0 and len(found) < _MOST_PLACES:
                found.append(at)
                at = self._lower.find(stem, at + len(stem))
            self._places[stem] = found
        return self._places[stem]


@lru_cache(maxsize=4096)
def _key_words(words: str) -> frozenset[str]:
    """The words of a field's name or of a column's head, figures too: "q1_2024" is q, 1 and 2024."""
    plain = _CAMEL.sub(" ", words[:200]).lower()
    return frozenset(_stem(word) for word in _KEY_WORD.findall(plain) if word not in _LINKS)


def _is_short_for(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= 3 and long.startswith(short))


@lru_cache(maxsize=1024)
def _stems(words: str) -> tuple[str, ...]:
    """The beginnings of the words that say something, each once."""
    plain = _CAMEL.sub(" ", words[:600].replace("_", " ").replace("-", " ")).lower()
    stems = (_stem(word) for word in _WORD.findall(plain) if word not in _COMMON)
    return tuple(dict.fromkeys(stem for stem in stems if len(stem) >= 3))


def _stem(word: str) -> str:
    stem = _ENDINGS.sub("", word)
    # Cancelled is of cancel, and shipped of ship.
    if stem != word and len(stem) >= 4 and stem[-1] == stem[-2] and stem[-1] not in "aeious":
        stem = stem[:-1]
    return stem if len(stem) >= 3 else word


def _described(schema: Mapping[str, JSONValue] | None, path: Path) -> Iterator[tuple[str, float]]:
    """Titles and descriptions of a leaf in a JSON Schema, each with its weight."""
    nodes = [schema] if schema is not None else []
    for step in path:
        inner: list[Mapping[str, JSONValue]] = []
        for node in _alternatives(schema, nodes):
            inner += _children(node, step)
        nodes = inner[:16]
    for node in _alternatives(schema, nodes):
        for word, weight in (("title", _TITLED), ("description", _DESCRIBED)):
            if isinstance(words := node.get(word), str):
                yield words, weight


def _children(node: Mapping[str, JSONValue], step: str | int) -> list[Mapping[str, JSONValue]]:
    if isinstance(step, str):
        properties = node.get("properties")
        if isinstance(properties, Mapping) and step in properties:
            return [child for child in (properties[step],) if isinstance(child, Mapping)]
        found = node.get("additionalProperties")
    else:
        firsts = node.get("prefixItems")
        listed = isinstance(firsts, list) and step < len(firsts)
        found = firsts[step] if listed and isinstance(firsts, list) else node.get("items")
    return [found] if isinstance(found, Mapping) else []


def _alternatives(
    schema: Mapping[str, JSONValue] | None, nodes: list[Mapping[str, JSONValue]]
) -> Iterator[Mapping[str, JSONValue]]:
    """The nodes, with those that they refer to or are made of."""
    stack, seen = nodes[::-1], 0
    while stack and seen < 64:
        seen += 1
        node = stack.pop()
        yield node
        where = node.get("$ref")
        if isinstance(where, str) and where.startswith("#/"):
            target: JSONValue = dict(schema or {})
            for part in where[2:].split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key) if isinstance(target, Mapping) else None
            if isinstance(target, Mapping):
                stack.append(target)
        for word in ("anyOf", "oneOf", "allOf"):
            if isinstance(parts := node.get(word), list):
                stack += [part for part in parts if isinstance(part, Mapping)]
