"""JSON read and written with every digit, and the rules that make a model's JSON no answer.

The rules hold however the text came to be JSON: a key that comes twice with unlike values, a
number that is not finite and an escape that was none are no values. NaN is null, and noted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, partial
from json import JSONDecoder
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid4

from prompture.copying import PicklableError
from prompture.json_values import (
    DEPTH_LIMIT,
    NAN_BECAME_NULL,
    TOO_DEEP,
    UNLIKE,
    Segment,
    is_too_deep,
    pointer,
    unlike_key,
)
from prompture.schema.problems import InvalidValue, Problem
from prompture.types import JSONValue

DUPLICATES = "a key that came twice with one value"
_INFINITE = "a number is not finite"
_MEANT = "a string has a control character where a backslash was meant: double each backslash"
# What no text has, and a writer of LaTeX or of paths means by a letter behind one backslash. Tried
# on five million pieces of real text, each as JSON: a line may begin with "eq", a label be "C:".
_MISREAD = re.compile(
    # Commands whose first letter was taken for an escape's: \frac, \beta, \text{...}, x \neq y.
    r"(?<!\\)(?:\\\\)*\\(?:b(?:ar|egin|inom|f|m)\{|t(?:ext(?:bf|it|rm|tt|sc)?|frac|ilde)\{"
    r"|right[)\]}|.]|(?:b(?:ecause|eta|oldsymbol|ullet|mod|ot)|f(?:rac|orall|lat|box|otnote)"
    r"|t(?:imes|heta)|nabla|(?<=[\w})] \\)neq|r(?:ho|angle))(?![a-z]))"
    # A path of Windows: C:\temp, C:\new\files.
    r"|(?<=\")(?<!\\\")(?:[A-Za-z]:\\[bfr][a-z]|[C-E]:\\t[a-z]"
    r"|[A-Za-z]:\\[bfnrt][\w. -]*\\[bf][A-Za-z])"
)


class Doubtful(PicklableError, ValueError):
    """The text is JSON, and not to be taken. ``reason`` quotes none of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def unlike_refused(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    """The object of the pairs. Raises Doubtful where a key has two unlike values."""
    made = dict(pairs)
    if unlike_key(pairs, made):
        raise Doubtful(UNLIKE)
    return made


def read_exactly(text: str | bytes) -> JSONValue:
    """``json.loads`` with the numbers of ``exact_float``. Raises ValueError, RecursionError."""
    plain = text if isinstance(text, str) else text.decode(json.detect_encoding(text))
    value: JSONValue = json.loads(plain, parse_float=exact_float)
    refuse_deep(value, plain)
    return value


def refuse_deep(value: object, text: str) -> None:
    """Raise Doubtful where the value of the text is nested too deeply for those who walk it."""
    # Counting is cheap and never too low; only then is the value walked.
    if text.count("[") + text.count("{") > DEPTH_LIMIT and is_too_deep(value):
        raise Doubtful(TOO_DEEP)


class ExactDecoder:
    """The standard library's decoder, which also notes what that one ignores. Floats of more than 15
    significant digits come as Decimals."""

    def __init__(self) -> None:
        self.notes: dict[str, None] = {}

    @cached_property
    def _decoder(self) -> JSONDecoder:
        return JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_float=exact_float
        )

    def decode(self, text: str) -> JSONValue:
        """Raises ValueError for what is no JSON, Doubtful for what is no answer."""
        # Nearly always there is neither NaN nor a key twice. A decoder with hooks calls a Python
        # function for each object; this one does not, and counting the keys afterwards is cheap.
        if "NaN" not in text:
            found = self._taken(_USUAL.decode, text)
            if _has_keys(text, found):
                return found
        return self._taken(self._decoder.decode, text)

    def raw_decode(self, text: str, start: int) -> tuple[JSONValue, int]:
        found: tuple[JSONValue, int] = self._taken(self._decoder.raw_decode, text, start)
        if "\\" in text and _MISREAD.search(text, start, found[1]):
            raise Doubtful(_MEANT)
        refuse_deep(found[0], text[start : found[1]])
        return found

    def _taken(self, read: JSONValue, *given: JSONValue) -> JSONValue:
        self.notes.clear()
        found = read(*given)
        if len(given) == 1 and "\\" in given[0] and _MISREAD.search(given[0]):
            raise Doubtful(_MEANT)
        if len(given) == 1:
            refuse_deep(found, given[0])
        return found

    def written(self, value: object, text: str) -> str:
        """JSON text of the value: the text that it came in, unless that has NaN in it."""
        if NAN_BECAME_NULL not in self.notes:
            return text
        return to_json(value)

    def _object(self, pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
        made = unlike_refused(pairs)
        if len(made) != len(pairs):
            self.notes[DUPLICATES] = None
        return made

    def _constant(self, name: str) -> None:
        if name != "NaN":
            raise Doubtful(_INFINITE)
        self.notes[NAN_BECAME_NULL] = None


def exact_float(digits: str) -> float | Decimal:
    """A Decimal where a float could not keep every digit; 0.0 for what is nearer to it than any
    other float. Raises Doubtful for an infinite one."""
    found = float(digits)
    if math.isinf(found):
        raise Doubtful(_INFINITE)
    # Past the floats an exponent may be one that Decimal refuses, or works on for ever.
    return found if len(digits) <= 16 or not found else Decimal(digits)


def with_floats(value: object) -> JSONValue:
    """The value with floats for Decimals, which keep an answer's digits until it is checked."""
    if isinstance(value, dict):
        return {key: with_floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_floats(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def refuse_constant(_: str) -> JSONValue:
    """The ``parse_constant`` that refuses NaN and Infinity. Raises Doubtful."""
    raise Doubtful(_INFINITE)


_USUAL = JSONDecoder(parse_float=exact_float, parse_constant=refuse_constant)


def is_plain(text: str, value: object) -> bool:
    """Whether a text that was validated holds nothing but the keys of its value, each once, and
    nothing that these rules look at. It is a count, far cheaper than to read the text again."""
    if ("N" in text and "NaN" in text) or ("I" in text and "Infinity" in text):
        return False
    if "\\" in text and _MISREAD.search(text):
        return False
    return _has_keys(text, value)


def _has_keys(text: str, value: object) -> bool:
    """Whether the text has as many keys as its value; False where that cannot be counted."""
    try:
        keys = _keys_in(value)
    except RecursionError:
        return False
    if text.count(":") == keys:
        return True  # each key has its colon, and there is no other
    return text.count('":') == keys and not _APART.search(text)


_APART = re.compile(r'"[ \t\n\r]+:')


def _keys_in(value: JSONValue) -> int:
    """How many keys the JSON of a value had for certain; some more where that is not known."""
    kind = type(value)
    if kind in _SCALARS:
        return 0
    if kind is list:
        return _keys_in_list(value)
    if kind is dict:
        return len(value) + _keys_in_each(value.values())
    given = getattr(value, "__pydantic_fields_set__", None)
    if given is not None:
        held = value.__dict__
        inner = held.values() if len(held) == len(given) else map(held.get, given)
        return len(given) + _keys_in_each(inner)
    if is_dataclass(kind):
        return _keys_in_dataclass(value)
    return 0


def _keys_in_each(values: Iterable[JSONValue]) -> int:
    found = 0
    for each in values:
        if type(each) not in _SCALARS:
            found += _keys_in(each)
    return found


def _keys_in_list(values: list[JSONValue]) -> int:
    if not values:
        return 0
    held = getattr(values[0], "__dict__", None)
    if not held or not _SCALARS.issuperset(map(type, held.values())):
        return _keys_in_each(values)
    try:  # nor have the others any keys in theirs, most likely
        return sum(map(len, map(_FIELDS_SET, values)))
    except AttributeError:
        return _keys_in_each(values)


def _keys_in_dataclass(value: JSONValue) -> int:
    found = 0
    for each in fields(value):
        held = getattr(value, each.name, each.default)
        if held is not each.default:  # a default may be from the text or not
            found += 1 + _keys_in(held)
    return found


_FIELDS_SET = attrgetter("__pydantic_fields_set__")


_SCALARS: frozenset[type] = frozenset(
    {str, int, float, bool, type(None), date, datetime, time, timedelta, Decimal, UUID}
)


def to_json(value: object) -> str:
    """JSON text of a JSON value, in which Decimals stand as numbers, digit by digit.

    Raises InvalidValue where the value is none that JSON can carry.
    """
    mark = ""

    def number(found: object) -> str:
        nonlocal mark
        if not isinstance(found, Decimal):
            raise TypeError(f"is a {type(found).__name__}, which JSON does not have")
        mark = mark or uuid4().hex
        return f"{mark}{found}"

    try:
        try:
            return json.dumps(value)
        except TypeError:  # there are Decimals in it
            text = json.dumps(value, default=number)
    except TypeError as error:
        raise InvalidValue([Problem("", str(error), "json_type")]) from None
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        message = "is nested too deeply" if deep else "contains itself"
        raise InvalidValue([Problem("", message, "json_type")]) from None
    return re.sub(f'"{mark}([^"]*)"', r"\1", text) if mark else text


def to_plain(value: object) -> JSONValue:
    """Plain JSON of a value, by alias: what has no form in it as text, bytes that are no text in
    base64. Raises ValueError for a value that contains itself."""
    from pydantic import TypeAdapter
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    write = partial(to_jsonable_python, by_alias=True, serialize_unknown=True)
    try:
        return write(value)
    except (PydanticSerializationError, UnicodeError):  # a model's own mode for bytes
        return write(TypeAdapter(Any).dump_python(value, by_alias=True), bytes_mode="base64")


# Numbers that are none: NaN, Infinity, and those too large for a float

# One set of characters in front, by which the search runs: alternatives take three times as long.
_TOO_LARGE = re.compile(r"[0-9](?:[eE]\+?[0-9]{3}|[0-9]{308})")
_MESSAGE = "must be a finite number"


def refuse_infinite(text: str | bytes) -> None:
    """Raise InvalidValue where JSON text, which was read as such, holds one."""
    plain = text.decode() if isinstance(text, bytes) else text
    if "NaN" in plain or "Infinity" in plain or _TOO_LARGE.search(plain):
        refuse_infinite_in(json.loads(plain))


def refuse_infinite_in(value: object) -> None:
    """Raise InvalidValue where a JSON value holds one."""
    found = [Problem(pointer(path), _MESSAGE, "finite_number") for path in _infinite((), value)]
    if found:
        raise InvalidValue(found)


def _infinite(path: tuple[Segment, ...], value: object) -> Iterator[tuple[Segment, ...]]:
    pending = [(path, value)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, float) and not math.isfinite(node):
            yield path
        elif isinstance(node, (dict, list)):
            inner = node.items() if isinstance(node, dict) else enumerate(node)
            pending += [((*path, key), one) for key, one in inner]


_LONG_NUMBER = re.compile(r"(?<![\w\".])-?\d(?:\.?\d){15,}(?:[eE][-+]?\d+)?(?![\w\"])")
_DIGITS_AS_ZEROS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))


def has_long_number(text: str) -> bool:
    """Whether a number with more digits than a float keeps stands in a text of JSON."""
    # Each has 16 digits and points in a row: that is found, or not, in a tenth of the time.
    row = b"0" * 16 in text.encode("ascii", "replace").translate(_DIGITS_AS_ZEROS)
    return row and _LONG_NUMBER.search(text) is not None
