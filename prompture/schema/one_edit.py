"""Read JSON with one wrong, missing or extra character: every value that is one edit away.

An edit puts in, leaves out, replaces or swaps one character of JSON's punctuation near the place
where the text stops being JSON. Where several edits lead to unlike values, each is a reading.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator

from prompture.schema.exact_json import Doubtful, exact_float, refuse_constant, unlike_refused
from prompture.types import JSONValue

LENGTH_LIMIT = 8_000
"""Characters beyond which it is not tried: each edit takes a parse."""

_MARKS = '",:[]{}'
_PLACES = 24  # marks before the fault at which the slip may be
_MARK = re.compile(r'["\[\]{}(),:;\'`“”‘’]')
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_FENCE = re.compile(r"\n[ \t]*(?:```|~~~)")
_VALUES = re.compile(r"[\[\]{}]|\"[^\"]*\"\s*:")
_ODD = re.compile(r"[,:;'`\"]\Z|\A[,:;'`\"]")
_ODD_KEY = re.compile(r"[\"\[\]{}:,;\\`]|'\Z|\A'")


def readings(text: str, start: int) -> tuple[list[tuple[JSONValue, str]], int]:
    """The unlike values (with their JSON text) that the broken value at ``start`` may be, and
    its end. None where it is cut off, too long, or has more than one slip."""
    end = end_of_block(text, start)
    piece = text[start:end]
    if not piece or len(piece) > LENGTH_LIMIT:
        return [], end
    found: dict[str, tuple[JSONValue, str]] = {}
    fault = _fault(piece)
    for edited, at in _edits(piece, fault):
        try:
            value = _DECODER.decode(edited)
        except (ValueError, RecursionError):
            continue
        if at >= 0 and _is_inside(edited, at):
            continue
        if isinstance(value, (dict, list)):
            found.setdefault(json.dumps(value, default=str), (value, _written(value, edited)))
    kept = [one for one in found.values() if not _is_odd(one[0])]
    return kept or list(found.values()), end


def _written(value: object, text: str) -> str:
    try:
        json.loads(text)
    except ValueError:  # line breaks in strings
        from prompture.schema.exact_json import to_json

        return to_json(value)
    return text


def end_of_block(text: str, start: int) -> int:
    """The end of the last bracket before the next fence, or ``start`` where what follows it
    shows that the value went on and was cut off."""
    fence = _FENCE.search(text, start)
    stop = fence.start() if fence else len(text)
    end = max(text.rfind("}", start, stop), text.rfind("]", start, stop)) + 1
    return end if end and not _VALUES.search(text, end, stop) else start


_DECODER = json.JSONDecoder(
    strict=False,
    object_pairs_hook=unlike_refused,
    parse_float=exact_float,
    parse_constant=refuse_constant,
)


def _fault(piece: str) -> int:
    """Where it stops being JSON."""
    try:
        _, end = _DECODER.raw_decode(piece)
    except json.JSONDecodeError as error:
        return error.pos
    except (Doubtful, ValueError, RecursionError):
        return len(piece)
    return end


def _edits(piece: str, fault: int) -> Iterator[tuple[str, int]]:
    """Texts one edit away, each with the place of a mark that must not be inside a string (-1:
    none)."""
    places = [found.start() for found in _MARK.finditer(piece, 0, fault + 2)][-_PLACES:]
    near = range(max(0, fault - 1), min(len(piece), fault + 2))
    seen = set()
    for at in sorted({0, *places, *near}):
        for edit in _edits_at(piece, at):
            if edit[0] not in seen:
                seen.add(edit[0])
                yield edit


def _edits_at(piece: str, at: int) -> Iterator[tuple[str, int]]:
    here, before, after = piece[at], piece[:at], piece[at + 1 :]
    is_mark = _MARK.match(here) is not None
    if is_mark and (here != '"' or _MARK.match(before[-1:]) or _MARK.match(after[:1])):
        yield before + after, -1  # a lone quote in a text may have been meant
    for mark in _MARKS:
        if mark != here and not here.isspace() and (mark == '"' or not here.isalnum()):
            yield before + mark + after, -1 if mark == '"' else at
    for where in (at, at + 1):
        if where < len(piece):
            yield from _insertions(piece, where)
    if after and (is_mark or after[0] in _MARKS) and not (here.isspace() or after[0].isspace()):
        yield before + after[0] + here + after[1:], -1


def _insertions(piece: str, at: int) -> Iterator[tuple[str, int]]:
    before, after = piece[:at], piece[at:]
    for mark in _MARKS:
        if mark != '"':
            yield before + mark + after, at
        elif not (before[-1:].isspace() and after[:1].isspace()):
            edited = before + mark + after
            # An opening quote stands before its word, a closing one behind it.
            closes = edited.count('"', 0, at) % 2
            if not (before[-1:] if closes else after[:1]).isspace():
                yield edited, -1


def _is_inside(text: str, at: int) -> bool:
    """Whether a place is inside a string."""
    spans = [found.span() for found in _STRING.finditer(text)]
    index = bisect_right(spans, (at, len(text))) - 1
    return index >= 0 and spans[index][0] < at < spans[index][1]


def _is_odd(value: object) -> bool:
    """Whether it has a key or a text that looks as if the slip were still in it."""
    if isinstance(value, dict):
        return any(_ODD_KEY.search(key) or _is_odd(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_is_odd, value))
    return isinstance(value, str) and bool(_ODD.search(value) or _lone_bracket(value))


def _lone_bracket(text: str) -> bool:
    """Whether it begins or ends with a bracket that nothing in it closes or opens."""
    return any(
        (text.endswith(shut) and opened not in text)
        or (text.startswith(opened) and shut not in text)
        for opened, shut in ("{}", "[]")
    )
