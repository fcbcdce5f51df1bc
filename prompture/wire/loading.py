"""JSON that somebody else wrote: one loader, with bounds.

Python's own raises RecursionError for deep nesting, takes NaN, Infinity and 1e999 for numbers,
and leaves halves of surrogate pairs in strings, which nothing can print, encode or store.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from json import JSONDecoder
from typing import Any, NoReturn

from prompture.json_values import DEPTH_LIMIT, TOO_DEEP, UNLIKE, is_too_deep, unlike_key

DIGIT_LIMIT = 1000
"""Digits of an integer, at most: reading takes the square of their number."""

_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


_FLOAT_DIGITS = 15
"""Significant digits that a float keeps for certain."""
_MARK = "\ue000"
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


class LongFloat(float):
    """A float that knows the digits it was written with: a model's Decimals come within a body."""

    __slots__ = ("digits",)

    digits: str

    def __new__(cls, digits: str) -> LongFloat:
        made = super().__new__(cls, digits)
        made.digits = digits
        return made

    def __reduce__(self) -> tuple[type[LongFloat], tuple[str]]:
        return LongFloat, (self.digits,)


def with_digits(value: Any) -> str:
    """A value that ``load_json`` read as JSON text again, with every digit of its numbers."""
    text = json.dumps(value, ensure_ascii=False)
    marked = _marked(value)
    if marked is value or _MARK in text:
        return text
    return _MARKED.sub(r"\1", json.dumps(marked, ensure_ascii=False))


def _marked(value: Any) -> Any:
    """The value with marked texts for its long numbers; the same object where it has none."""
    if isinstance(value, LongFloat):
        return _MARK + value.digits
    if isinstance(value, dict):
        made = {key: _marked(each) for key, each in value.items()}
        return made if any(made[key] is not value[key] for key in value) else value
    if isinstance(value, list):
        listed = [_marked(each) for each in value]
        return listed if any(a is not b for a, b in zip(listed, value, strict=True)) else value
    return value


class UnreadableJSON(ValueError):
    """The text is no JSON, or more than may be read. The message quotes none of it."""


def load_json(
    data: str | bytes | bytearray,
    *,
    number: Callable[[str], Any] | None = None,
    unique: bool = False,
    halves: bool = False,
    strict: bool = True,
) -> Any:
    """The value that foreign JSON holds. Raises UnreadableJSON, and nothing else.

    Bytes are UTF-8, or what their byte order mark (or their zeros) show. Numbers are finite;
    ``number`` reads those with a point or an exponent (Decimal or str for money). Half a
    surrogate pair becomes U+FFFD (``halves`` keeps it: a stream's next event may hold the other
    half). Of a key that comes twice the last value is kept, as in every
    other reader; ``unique`` refuses one with unlike values instead (a model's own
    writing). ``strict=False`` takes line breaks and tabs in strings.
    """
    text = data if isinstance(data, str) else _decoded(bytes(data))
    try:
        value = _decoder(text, number=number, unique=unique, strict=strict).decode(
            text.removeprefix("\ufeff")
        )
        # Counting is cheap and never too low; only then is the value walked.
        if text.count("[") + text.count("{") > DEPTH_LIMIT and is_too_deep(value):
            raise UnreadableJSON(TOO_DEEP)
    except RecursionError:
        raise UnreadableJSON(TOO_DEEP) from None
    except UnreadableJSON:
        raise
    except json.JSONDecodeError as exc:
        raise UnreadableJSON(f"{exc.msg} (line {exc.lineno}, column {exc.colno})") from None
    except (ValueError, ArithmeticError):
        raise UnreadableJSON("a number in it cannot be read") from None
    return _whole(value) if not halves and _may_hold_halves(text) else value


def _decoded(data: bytes) -> str:
    try:
        # UTF-16 and UTF-32 show in the first two bytes, by a mark or a zero; the rest is UTF-8.
        if data[:2].isascii() and data[1:2] not in (b"", b"\0") and data[0]:
            return data.decode()
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as exc:
        raise UnreadableJSON(f"it is not {exc.encoding.upper()} (byte {exc.start})") from None


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise UnreadableJSON("a number in it is too large")
    return value if len(text) <= _FLOAT_DIGITS else LongFloat(text)


def _integer(text: str) -> int:
    if len(text) > DIGIT_LIMIT:
        raise UnreadableJSON(f"a number in it has more than {DIGIT_LIMIT:,} digits")
    return int(text)


def _constant(name: str) -> NoReturn:
    raise UnreadableJSON(f"{name} is no number in JSON")


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    # The lengths first: nearly no object has a key twice, and every object passes here.
    if len(made) != len(pairs) and unlike_key(pairs, made):
        raise UnreadableJSON(UNLIKE)
    return made


_SHORT = JSONDecoder(parse_float=_finite, parse_constant=_constant)
_LONG = JSONDecoder(parse_float=_finite, parse_int=_integer, parse_constant=_constant)
_UNIQUE = JSONDecoder(
    parse_float=_finite, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_unlike
)


def _decoder(
    text: str, *, number: Callable[[str], Any] | None, unique: bool, strict: bool
) -> JSONDecoder:
    if number is None and strict and not unique:
        # A text that is too short for a number too long is spared a call for each integer.
        return _LONG if len(text) > DIGIT_LIMIT else _SHORT
    if number is None and strict:
        return _UNIQUE
    return JSONDecoder(
        parse_float=number or _finite,
        parse_int=_integer,
        parse_constant=_constant,
        strict=strict,
        object_pairs_hook=_unlike if unique else None,
    )


def _may_hold_halves(text: str) -> bool:
    if "\\u" in text and _ESCAPED_HALF.search(text):
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _whole(value: Any) -> Any:
    """The value with U+FFFD for each half of a surrogate pair."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_HALF.sub("\ufffd", key): _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return value


def shape(value: object) -> str:
    """What a JSON value is, for an error that may quote neither a document nor a key."""
    if isinstance(value, Mapping):
        names = [key for key in value if isinstance(key, str) and _PLAIN_NAME(key)]
        return f"an object with {', '.join(names[:8])}" if names else "an object"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return _JSON_NAMES.get(type(value), type(value).__name__)


_PLAIN_NAME = re.compile(r"[A-Za-z_]{1,24}").fullmatch
_JSON_NAMES = {str: "a string", int: "a number", float: "a number", bool: "a boolean"}
_JSON_NAMES[type(None)] = "null"
