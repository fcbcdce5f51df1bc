"""The JSON value in a model's answer: whole, in a fence, in prose, or nearly JSON.

Valid JSON is never touched, and prose is never turned into a value. Typed values are best read
from ``Parsed.text``, which has every digit that the model wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from prompture.copying import PicklableError
from prompture.schema.candidates import MARK, SCALAR, Candidate, FoundValues, Search, from_reading
from prompture.schema.exact_json import Doubtful, ExactDecoder
from prompture.schema.exact_json import read_exactly as read_exactly
from prompture.schema.lenient import Unreadable, read
from prompture.types import JSONValue

TEXT_LIMIT = 16_000_000
"""Characters beyond which text that is not JSON as it stands is refused."""

_REASONING = re.compile(r"\s*<(think|thinking|thought|reasoning|analysis)>", re.IGNORECASE)
_REASONING_END = re.compile(r"</(?:think|thinking|thought|reasoning|analysis)>", re.IGNORECASE)


class NotJSON(PicklableError, ValueError):
    """There is no JSON value in the text.

    ``reason`` is short and quotes none of it. ``truncated``: there is the beginning of one, and
    the text ends before its end.
    """

    def __init__(self, reason: str, *, truncated: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value found in text.

    ``repairs`` names what was mended or stripped, empty where the text was JSON. ``text`` is JSON
    text of the value. ``truncated``: the tail was cut and has been closed.
    """

    value: JSONValue
    repairs: tuple[str, ...] = ()
    text: str = ""
    truncated: bool = False


def parse(text: str, *, allow_truncated: bool = False) -> Parsed:
    """The JSON value in ``text``, chosen without knowing what is wanted.

    Of several values, those in code fences (of JSON before those of other languages) win over
    those in prose; of these, the last that is at
    least half as long as the longest (a corrected answer follows its draft; a remark is shorter
    than the answer). An array of scalars, or an empty object, in the middle of a sentence is no
    value: ``[1]`` is a citation. Raises NotJSON; where the value is cut off, its ``truncated`` is
    set, unless ``allow_truncated``: then the tail is closed, cut numbers and words are dropped,
    and a cut string keeps what there is of it.
    """
    found = search(text)
    chosen = choice(found)
    if chosen.cut and not allow_truncated:
        raise NotJSON("the JSON value is cut off", truncated=True)
    return Parsed(
        json.loads(chosen.text), (*found.stripped, *chosen.repairs), chosen.text, chosen.cut
    )


def search(text: str) -> FoundValues:
    """Every value that the text holds; one, where the text is JSON as it stands.

    Raises NotJSON where the text is JSON that is not to be taken, or is too long.
    """
    if whole := _whole(text):
        return FoundValues([whole], [], [])
    if len(text) > TEXT_LIMIT:
        raise NotJSON(f"the text is longer than {TEXT_LIMIT:,} characters and not JSON")
    found = FoundValues([], [], [])
    body = _without_wrapping(text, found)
    if found.stripped and (whole := _whole(body)):
        found.candidates = [whole]
    else:
        found.candidates = list(Search(body, found).run()) or list(_lenient_scalar(body))
    if not found.candidates and not found.refusals:
        found.refusals.append("" if body.strip() else "the text is empty")
    return found


def choice(found: FoundValues) -> Candidate:
    """The one that ``parse`` takes. Raises NotJSON where there is none."""
    pool = [one for one in found.candidates if one.fenced and not one.example]
    pool = pool or [one for one in found.candidates if not one.example] or found.candidates
    pool = [one for one in pool if not one.stray] or pool
    if not pool:
        raise NotJSON(_why_none(found.refusals[0]))
    # A corrected answer follows its draft and is about as long; a remark behind the answer is shorter.
    longest = max(one.length for one in pool)
    chosen = next(one for one in reversed(pool) if 2 * one.length >= longest)
    if any(one.start == chosen.start and one is not chosen for one in pool):
        raise NotJSON(_why_none("it may be read in several ways"))
    return chosen


def _why_none(reason: str) -> str:
    if not reason:
        return "there is no JSON in the text"
    return reason if reason == "the text is empty" else f"the text is almost JSON, but {reason}"


def _whole(text: str) -> Candidate | None:
    """The text as it stands, if it is JSON."""
    strict = ExactDecoder()
    try:
        value = strict.decode(text)
    except Doubtful as doubt:
        raise NotJSON(doubt.reason) from None
    except (ValueError, RecursionError):
        return None
    clean = strict.written(value, text)
    return Candidate(value, clean, 0, len(text), repairs=tuple(strict.notes))


def _without_wrapping(text: str, found: FoundValues) -> str:
    """The text without a byte order mark and without the reasoning before the answer."""
    stripped: dict[str, None] = {}
    if text.startswith("\ufeff"):
        text = text.lstrip("\ufeff")
        stripped["a byte order mark"] = None
    opened = _REASONING.match(text)
    if opened:
        end = _REASONING_END.search(text, opened.end())
        if end is None:
            raise NotJSON("the reasoning before the answer is cut off", truncated=True)
        text = text[end.end() :]
        stripped["reasoning before the answer"] = None
    # A template may have opened the block in the prompt; then only its end is in the answer.
    *_, last = (None, *_REASONING_END.finditer(text))
    if last and _has_value(text[last.end() :]) and not _is_in_a_value(text, last.start()):
        text = text[last.end() :]
        stripped["reasoning before the answer"] = None
    found.stripped = tuple(stripped)
    return text


def _is_in_a_value(text: str, at: int) -> bool:
    """Whether a tag is a part of a string of the answer."""
    return any(
        one.start < at < one.end and not one.cut
        for one in Search(text, FoundValues([], [], [])).run()
    )


def _has_value(text: str) -> bool:
    return bool(MARK.search(text) or SCALAR.match(text))


def _lenient_scalar(text: str) -> Iterator[Candidate]:
    """A text that is one scalar in another spelling, such as ``'abc'`` or ``None``."""
    body = text.strip()
    if not SCALAR.match(body):
        return
    try:
        reading = read(body)
        number = body[0].isdigit() or body[0] == "-"  # one that JSON does not know, such as 007
        if reading.end != len(body) or number or (reading.cut and body[0] != '"'):
            return
        yield from_reading(reading, body, 0, "")
    except Unreadable:
        return
