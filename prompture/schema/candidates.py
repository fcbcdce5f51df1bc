"""Find every JSON value in a text, in prose or in code fences; those that are nearly JSON, too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from prompture.schema.exact_json import Doubtful, ExactDecoder
from prompture.schema.lenient import Reading, Unreadable, read
from prompture.schema.one_edit import end_of_block, readings
from prompture.types import JSONValue

_SCALAR_LIMIT = 8_000
_ATTEMPTS = 200  # brackets at which a value is looked for
MARK = re.compile(r"(?P<fence>(?:```|~~~)[ \t]*(?P<language>[\w+.-]*))|[\[{]")
SCALAR = re.compile(r"\s*(?:-?\d|\"|true\b|false\b|null\b|True\b|False\b|None\b|')")
_LIKELY = re.compile(
    r"\{\s*(?:[\"'“„}/#]|[A-Za-z_$][\w$.-]*\"?\s*:)"
    r"|\[\s*(?:[\[{\"'“\]\d/#-]|(?:true|false|null|True|False|None)\b)"
)
_BROKEN = re.compile(r"\{\s*(?:[\"'“„]|[A-Za-z_$][\w$.-]*\"?\s*:)|\[\s*[\[{\"]")
_RESTART = re.compile(r"\n[ \t]*\n(?=\S)|```|~~~")
_DATA = frozenset({"", "json", "json5", "jsonc", "jsonl", "text", "txt", "plaintext", "output"})
"""Languages of fences in which an answer stands; another language's may hold an example."""
_HEADLESS = re.compile(r"\s*\"[^\"\n\[\]{},:;]{1,100}\"\s*:")
_GOES_ON = re.compile(
    r"[\d\"]|\s*,?\s*\w{1,60}[\"']\s*:|\s*[,;]?\s*\"(?:[^\"\\\n]|\\.){0,200}\"\s*:|[ \t]*,\s*[\[{]|[ \t]*,[ \t]*[\"\d]"
)
_CLOSERS = re.compile(r"[\s\]}]*")
_IN_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LOOK_AHEAD = 2_000
_KEYED = re.compile(r"[\"'”]\s*:\Z")
_BARE_KEYED = re.compile(r"[{,]\s*\w+\s*:\Z")
_SLIP = "one slip of the pen"
DOUBTFUL = frozenset(
    {_SLIP, "missing commas", "quotes inside strings", "stray backslashes", "unquoted text"}
)
"""Repairs after which a key that nobody knows shows that something else was meant."""
_BARE = frozenset({"unquoted text", _SLIP})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that stands in a text, from ``start`` to ``end``.

    ``value`` is exact: floats of more than 15 significant digits are Decimals.
    ``example``: it stands in a fence of another language. ``stray``: its bracket, which is never
    closed, stands in a sentence. Several that start at one place are
    the readings of a value with a slip in it.
    """

    value: JSONValue
    text: str
    start: int
    end: int
    fenced: bool = False
    example: bool = False
    repairs: tuple[str, ...] = ()
    cut: bool = False
    stray: bool = False

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(slots=True)
class FoundValues:
    """What a text holds: values left to right, and the brackets that are not whole.

    ``refusals`` say why; ``broken`` is where a value begins that cannot be read, and how far
    reading got.
    """

    candidates: list[Candidate]
    refusals: list[str]
    broken: list[tuple[int, int]]
    stripped: tuple[str, ...] = ()

    @property
    def is_one(self) -> bool:
        """Whether it holds one value, which is whole, and nothing beside it."""
        return len(self.candidates) == 1 and not self.broken and not self.candidates[0].cut


class Search:
    """Looks for values from left to right; the work is at most a few times the text's length."""

    def __init__(self, text: str, found: FoundValues) -> None:
        self._text = text
        self._found = found
        self._at = 0
        self._fence = ""
        # Brackets that begin no value are read up to their fault, and the text behind them again:
        # without a limit a text of nothing but "[" would take the square of its length.
        self._work = 4 * len(text) + 100_000

    def run(self) -> Iterator[Candidate]:
        if headless := _headless(self._text, 0, ""):
            yield headless
            self._at = headless.end
        for _ in range(_ATTEMPTS):
            mark = MARK.search(self._text, self._at)
            if mark is None or self._work < 0:
                return
            self._at = mark.end()
            if mark["fence"]:
                yield from self._at_fence(mark["language"])
            elif self._is_likely(mark.start()):
                yield from self._at_bracket(mark.start())

    def _at_fence(self, language: str) -> Iterator[Candidate]:
        text, at = self._text, self._at
        self._fence = "" if self._fence else _kind_of_fence(language)
        if not self._fence:
            return
        one = _fenced_scalar(text, at, self._fence) or _headless(text, at, self._fence)
        if one:
            yield one
            self._at = one.end

    def _is_likely(self, start: int) -> bool:
        likely = bool(self._fence or _LIKELY.match(self._text, start))
        return likely and not _is_member(self._text, start, self._found)

    def _at_bracket(self, start: int) -> Iterator[Candidate]:
        text, broken, behind = self._text, self._found.broken, self._at
        in_a_sentence = not self._fence and _in_a_sentence(text, start)
        try:
            made, self._at = _candidates_at(text, start, self._fence)
        except Unreadable as refusal:
            self._found.refusals.append(refusal.reason)
            self._work -= refusal.at - start
            if _BROKEN.match(text, start):
                self._skip(start, refusal, in_a_sentence=in_a_sentence)
            return
        if made[0].cut and in_a_sentence:
            broken.append((start, start))
            self._at = behind
            made = [replace(made[0], stray=True)]
        elif broken and text[self._at : self._at + 60].lstrip()[:1] in ("]", "}", ","):
            return
        for candidate in made:
            if self._fence or _stands_alone(text, start, candidate):
                yield candidate

    def _skip(self, start: int, refusal: Unreadable, *, in_a_sentence: bool) -> None:
        """Go on behind a broken value, no part of which is the answer; or inside of it, where it
        is a bracket in a sentence."""
        restart = _RESTART.search(self._text, refusal.at)
        behind = restart.start() if restart else len(self._text)
        harmless = in_a_sentence or self._fence == "other" or refusal.is_template
        self._found.broken.append((start, start if harmless else behind))
        if not in_a_sentence:
            self._at = behind


def _kind_of_fence(language: str) -> str:
    return "json" if language.lower() in _DATA else "other"


def _is_member(text: str, start: int, found: FoundValues) -> bool:
    """Whether a bracket follows a key, or stands among the members of a broken value."""
    before = text[max(0, start - 120) : start].rstrip()
    if _KEYED.search(before):
        return True
    return bool(found.broken) and (
        before[-1:] in (",", "[", "{") or _BARE_KEYED.search(before) is not None
    )


def _in_a_sentence(text: str, start: int) -> bool:
    line = text[text.rfind("\n", 0, start) + 1 : start].rstrip()
    return any(map(str.isalpha, line)) and not line.endswith((":", "=", ">", "("))


def _candidates_at(text: str, start: int, fence: str) -> tuple[list[Candidate], int]:
    """The value at a bracket, or each of its readings, and its end. Raises Unreadable."""
    strict = ExactDecoder()
    try:
        value, end = strict.raw_decode(text, start)
    except Doubtful as doubt:
        raise Unreadable(doubt.reason, start, final=True) from doubt
    except (ValueError, RecursionError):
        return _mended(text, start, fence)
    if _goes_on(text, start, end):
        return _slipped(text, start, fence, Unreadable("it goes on behind its end", end))
    one = Candidate(value, strict.written(value, text[start:end]), start, end)
    notes = tuple(strict.notes)
    return [_placed(one, text, fence, notes)], end


def _placed(one: Candidate, text: str, fence: str, notes: Iterable[str]) -> Candidate:
    if fence:
        around: tuple[str, ...] = ("a code fence around it",)
    else:
        alone = not text[: one.start].strip() and not text[one.end :].strip()
        around = () if alone else ("text around it",)
    repairs = (*around, *notes)
    return replace(one, fenced=bool(fence), example=fence == "other", repairs=repairs)


def _mended(text: str, start: int, fence: str) -> tuple[list[Candidate], int]:
    try:
        reading = read(text, start)
    except Unreadable as refusal:
        if refusal.final or not _LIKELY.match(text, start):
            raise
        return _slipped(text, start, fence, refusal)
    if not reading.cut and _goes_on(text, start, reading.end):
        goes_on = Unreadable("it goes on behind its end", reading.end)
        return _slipped(text, start, fence, goes_on)
    return [from_reading(reading, text, start, fence)], reading.end


def _slipped(text: str, start: int, fence: str, refusal: Unreadable) -> tuple[list[Candidate], int]:
    """The readings of a value with one slip in it. Raises ``refusal`` where there is none."""
    values, end = readings(text, start)
    if not values:
        raise refusal
    made = [Candidate(value, written, start, end) for value, written in values]
    return [_placed(one, text, fence, (_SLIP,)) for one in made], end


def from_reading(reading: Reading, text: str, start: int, fence: str) -> Candidate:
    strict = ExactDecoder()
    try:
        value = strict.decode(reading.text)
    except Doubtful as doubt:
        raise Unreadable(doubt.reason, reading.end, final=True) from doubt
    except ValueError as error:  # an integer of more digits than Python converts
        raise Unreadable("a number has too many digits", reading.end, final=True) from error
    except RecursionError:
        raise Unreadable("it is nested too deeply", reading.end, final=True) from None
    cut = ("a cut tail",) if reading.cut else ()
    one = Candidate(value, reading.text, start, reading.end, cut=reading.cut)
    return _placed(one, text, fence, (*reading.mended, *strict.notes, *cut))


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether what stands behind a whole value shows that it was not whole."""
    if text[start - 1 : start] == text[end : end + 1] == '"':
        return False
    if _GOES_ON.match(text, end):
        return True
    closed = _CLOSERS.match(text, end)
    at = closed.end() if closed else end
    if text[end:at].strip() and _GOES_ON.match(text, at):
        return True
    rest = text[at : at + _LOOK_AHEAD].partition("```")[0]
    if rest[:1] not in ("{", "[", '"', ","):
        return False
    depth = 0
    for mark in re.findall(r"[\[{]|[\]}]", _IN_STRING.sub("", rest)):
        depth += 1 if mark in "[{" else -1
        if depth < 0:
            return True
    return False


def _headless(text: str, at: int, fence: str) -> Candidate | None:
    """An object without its opening brace, where the text or a fence begins."""
    begins = _HEADLESS.match(text, at)
    if not begins:
        return None
    end = end_of_block(text, at)
    strict = ExactDecoder()
    written = "{" + text[at:end].lstrip()
    try:
        value = strict.decode(written)
    except (ValueError, RecursionError):
        return None
    one = Candidate(value, strict.written(value, written), at, end)
    return _placed(one, text, fence, (*strict.notes, _SLIP))


def _stands_alone(text: str, start: int, candidate: Candidate) -> bool:
    """Whether it is an answer and not a part of a sentence."""
    if not _BARE.isdisjoint(candidate.repairs):
        clear = False
    elif isinstance(candidate.value, dict):
        clear = bool(candidate.value)
    else:
        clear = any(isinstance(one, (dict, list)) for one in candidate.value)
    before = text[text.rfind("\n", 0, start) + 1 : start].rstrip()
    return clear or not before or before.endswith((":", "=", ">"))


def _fenced_scalar(text: str, start: int, fence: str) -> Candidate | None:
    end = text.find("\n```", start)
    end = end if end >= 0 else len(text)
    inner = text[start:end]
    if len(inner) > _SCALAR_LIMIT or not SCALAR.match(inner):
        return None
    strict = ExactDecoder()
    try:
        value = strict.decode(inner.strip())
    except (ValueError, RecursionError):
        return None
    if isinstance(value, (dict, list)):
        return None
    one = Candidate(value, strict.written(value, inner.strip()), start, end)
    return _placed(one, text, fence, strict.notes)
