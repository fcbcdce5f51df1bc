"""The JSON value in a model's answer: whole, in a fence, in prose, or nearly JSON.

Valid JSON is never touched, and prose is never turned into a value. Typed values are best read
from ``Parsed.text``, which has every digit that the model wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from prompture.schema.guess import GUESS_LIMIT, guess
from prompture.schema.lenient import Reading, Unreadable, read

TEXT_LIMIT = 16_000_000
"""Characters beyond which text that is not JSON as it stands is refused."""

_ATTEMPTS = 200  # brackets at which a value is looked for
_REASONING = re.compile(r"\s*<(think|thinking|thought|reasoning|analysis)>", re.IGNORECASE)
_REASONING_END = re.compile(r"</(?:think|thinking|thought|reasoning|analysis)>", re.IGNORECASE)
_MARK = re.compile(r"(?P<fence>(?:```|~~~)[ \t]*[\w+.-]*)|[\[{]")
_SCALAR = re.compile(r"\s*(?:-?\d|\"|true\b|false\b|null\b|True\b|False\b|None\b|')")
_LIKELY = re.compile(
    r"\{\s*(?:[\"'“„}/#]|[A-Za-z_$][\w$.-]*\s*:)|\[\s*(?:[\[{\"'“\]\d/#-]|(?:true|false|null|True|False|None)\b)"
)
_BROKEN = re.compile(r"\{\s*(?:[\"'“„]|[A-Za-z_$][\w$.-]*\s*:)|\[\s*[\[{\"]")
_RESTART = re.compile(r"\n[ \t]*\n(?=\S)|```|~~~")
_DUPLICATES = "duplicate keys: the last value was kept"
_CONSTANTS = "NaN or Infinity became null"
_GUESSED = "json-repair"
_BARE = frozenset({"unquoted text", _GUESSED})


class NotJSON(ValueError):
    """There is no JSON value in the text.

    ``reason`` is short and quotes none of it. ``truncated``: there is the beginning of one, and
    the text ends before its end.
    """

    def __init__(self, reason: str, *, truncated: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.truncated = truncated

    def __reduce__(self) -> tuple[Any, ...]:
        return _not_json, (self.reason, self.truncated)


def _not_json(reason: str, truncated: bool) -> NotJSON:
    return NotJSON(reason, truncated=truncated)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value found in text.

    ``repairs`` names what was mended or stripped, empty where the text was JSON. ``text`` is JSON
    text of the value. ``truncated``: the tail was cut and has been closed.
    """

    value: Any
    repairs: tuple[str, ...] = ()
    text: str = ""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    value: Any
    text: str
    length: int
    fenced: bool
    repairs: tuple[str, ...] = ()
    cut: bool = False


def parse(text: str, *, allow_truncated: bool = False) -> Parsed:
    """The JSON value in ``text``.

    Of several values, those in code fences win over those in prose; of these, the last that is at
    least half as long as the longest (a corrected answer follows its draft; a remark is shorter
    than the answer). An array of scalars, or an empty object, in the middle of a sentence is no
    value: ``[1]`` is a citation. Raises NotJSON; where the value is cut off, its ``truncated`` is
    set, unless ``allow_truncated``: then the tail is closed, cut numbers and words are dropped,
    and a cut string keeps what there is of it.
    """
    whole = _whole(text)
    if whole is not None:
        return whole
    if len(text) > TEXT_LIMIT:
        raise NotJSON(f"the text is longer than {TEXT_LIMIT:,} characters and not JSON")
    body, stripped = _without_wrapping(text)
    if stripped and (whole := _whole(body)) is not None:
        return Parsed(whole.value, (*stripped, *whole.repairs), whole.text)
    refusals: list[str] = []
    found = _choice(_candidates(body, refusals)) or _lenient_scalar(body)
    if found is None:
        raise NotJSON(_why_none(body, refusals))
    if found.cut and not allow_truncated:
        raise NotJSON("the JSON value is cut off", truncated=True)
    return Parsed(found.value, (*stripped, *found.repairs), found.text, found.cut)


def _why_none(body: str, refusals: list[str]) -> str:
    if not body.strip():
        return "the text is empty"
    if refusals:
        return f"the text is almost JSON, but {refusals[0]}"
    return "there is no JSON in the text"


def read_exactly(text: str | bytes) -> Any:
    """``json.loads``, but a float of more than 15 significant digits comes as a Decimal."""
    return json.loads(text, parse_float=_exact)


def _exact(digits: str) -> float | Decimal:
    return float(digits) if len(digits) <= 16 else Decimal(digits)


class _Strict:
    """The standard parser, noting what it would pass over in silence."""

    def __init__(self) -> None:
        self.notes: dict[str, None] = {}
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            self.notes[_DUPLICATES] = None
        return made

    def _constant(self, _: str) -> None:
        self.notes[_CONSTANTS] = None


def _whole(text: str) -> Parsed | None:
    """The text as it stands, if it is JSON."""
    strict = _Strict()
    try:
        value = strict.decoder.decode(text)
    except (ValueError, RecursionError):
        return None
    # NaN is not JSON, so the text may not go on as it is.
    clean = json.dumps(value) if _CONSTANTS in strict.notes else text
    return Parsed(value, tuple(strict.notes), clean)


def _without_wrapping(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without a byte order mark and without the reasoning before the answer."""
    stripped: list[str] = []
    if text.startswith("\ufeff"):
        text = text.lstrip("\ufeff")
        stripped.append("a byte order mark")
    opened = _REASONING.match(text)
    ends = list(_REASONING_END.finditer(text, opened.end() if opened else 0))
    if opened and not ends:
        raise NotJSON("the reasoning before the answer is cut off", truncated=True)
    # A template may have opened the block in the prompt; then only its end is in the answer.
    end = ends[0] if opened and ends else ends[-1] if ends else None
    if end and (opened or _has_value(text[end.end() :])):
        text = text[end.end() :]
        stripped.append("reasoning before the answer")
    return text, tuple(stripped)


def _has_value(text: str) -> bool:
    return bool(_MARK.search(text) or _SCALAR.match(text))


def _choice(candidates: Iterator[_Candidate]) -> _Candidate | None:
    found = list(candidates)
    pool = [one for one in found if one.fenced] or found
    if not pool:
        return None
    longest = max(one.length for one in pool)
    return next(one for one in reversed(pool) if 2 * one.length >= longest)


def _candidates(text: str, refusals: list[str]) -> Iterator[_Candidate]:
    """Every value in the text, left to right; the work is at most a few times its length."""
    at, fenced, work = 0, False, 4 * len(text) + 100_000
    for _ in range(_ATTEMPTS):
        mark = _MARK.search(text, at)
        if mark is None or work < 0:
            return
        at = mark.end()
        if mark["fence"]:
            fenced = not fenced
            if fenced and (scalar := _fenced_scalar(text, at)):
                yield scalar
            continue
        start = mark.start()
        if not fenced and not _LIKELY.match(text, start):
            continue
        try:
            candidate, at = _candidate(text, start, fenced=fenced)
        except Unreadable as refusal:
            refusals.append(refusal.reason)
            work -= refusal.at - start
            if _BROKEN.match(text, start):
                # A part of a broken value is not the answer.
                restart = _RESTART.search(text, refusal.at)
                at = restart.start() if restart else len(text)
            continue
        if fenced or _stands_alone(text, start, candidate):
            yield candidate


def _candidate(text: str, start: int, *, fenced: bool) -> tuple[_Candidate, int]:
    """The value at a bracket, and its end. Raises Unreadable."""
    where = "a code fence around it" if fenced else "text around it"
    around = (where,) if fenced or text[:start].strip() else ()
    strict = _Strict()
    try:
        value, end = strict.decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return _mended(text, start, around, fenced=fenced)
    if not around and text[end:].strip():
        around = (where,)
    notes = (*around, *strict.notes)
    clean = json.dumps(value) if _CONSTANTS in strict.notes else text[start:end]
    return _Candidate(value, clean, end - start, fenced, notes), end


def _mended(
    text: str, start: int, around: tuple[str, ...], *, fenced: bool
) -> tuple[_Candidate, int]:
    try:
        reading = read(text, start)
    except Unreadable as refusal:
        found = _LIKELY.match(text, start) and not refusal.final and guess(text, start)
        if not found:
            raise
        value, written, end = found
        return _Candidate(value, written, end - start, fenced, (_GUESSED,)), end
    return _from_reading(reading, start, around, fenced=fenced), reading.end


def _from_reading(
    reading: Reading, start: int, around: tuple[str, ...], *, fenced: bool
) -> _Candidate:
    strict = _Strict()
    try:
        value = strict.decoder.decode(reading.text)
    except ValueError as error:  # an integer of more digits than Python converts
        raise Unreadable("a number has too many digits", reading.end, final=True) from error
    cut = ("a cut tail",) if reading.cut else ()
    notes = (*around, *reading.mended, *strict.notes, *cut)
    return _Candidate(value, reading.text, reading.end - start, fenced, notes, reading.cut)


def _stands_alone(text: str, start: int, candidate: _Candidate) -> bool:
    """Whether it is an answer and not a part of a sentence."""
    if not _BARE.isdisjoint(candidate.repairs):
        clear = False
    elif isinstance(candidate.value, dict):
        clear = bool(candidate.value)
    else:
        clear = any(isinstance(one, (dict, list)) for one in candidate.value)
    before = text[text.rfind("\n", 0, start) + 1 : start].rstrip()
    return clear or not before or before.endswith((":", "="))


def _fenced_scalar(text: str, start: int) -> _Candidate | None:
    end = text.find("\n```", start)
    inner = text[start : end if end >= 0 else len(text)]
    if len(inner) > GUESS_LIMIT or not _SCALAR.match(inner):
        return None
    found = _whole(inner.strip())
    if found is None or isinstance(found.value, (dict, list)):
        return None
    around = ("a code fence around it", *found.repairs)
    return _Candidate(found.value, found.text, len(inner), fenced=True, repairs=around)


def _lenient_scalar(text: str) -> _Candidate | None:
    """A text that is one scalar in another spelling, such as ``'abc'`` or ``None``."""
    body = text.strip()
    if not _SCALAR.match(body):
        return None
    try:
        reading = read(body)
        number = body[0].isdigit() or body[0] == "-"  # one that JSON does not know, such as 007
        if reading.end != len(body) or number or (reading.cut and body[0] != '"'):
            return None
        return _from_reading(reading, 0, (), fenced=False)
    except Unreadable:
        return None
