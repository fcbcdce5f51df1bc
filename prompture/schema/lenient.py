"""A reader of almost-JSON: one pass over one value, which it writes out again as JSON text.

Numbers and strings are copied, not converted, so that no digit is lost. What it mends, it names;
what it would have to guess, it refuses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from prompture.copying import PicklableError
from prompture.json_values import DEPTH_LIMIT, TOO_DEEP
from prompture.schema.lexemes import (
    BARE_KEY,
    BARE_VALUE,
    CURLY_QUOTED,
    HALF_CHARACTER,
    INFINITE,
    KEY_AHEAD,
    KEY_CUT,
    LITERALS,
    LOOSE_LENGTH,
    MEMBER_INSIDE,
    NUMBER,
    PLAIN_STRING,
    PREFIXED,
    QUOTE,
    SEPARATED,
    SLOPPY_NUMBER,
    SPACE,
    STRING,
    STRUCTURE,
    TRIPLE,
    WHOLE_ESCAPES,
    WORD,
    Ambiguous,
    as_json_string,
)

_PLACEHOLDER = "a placeholder stands for a value"


class Unreadable(PicklableError, Exception):
    """This is no value; ``final`` where guessing on would risk a wrong one."""

    def __init__(self, reason: str, at: int, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at
        self.final = final

    @property
    def is_template(self) -> bool:
        """Whether it is a form to be filled in, and no answer."""
        return self.reason == _PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Reading:
    """``text`` is JSON; ``end`` is where the value ended; ``cut`` if the input ended before it."""

    text: str
    end: int
    mended: tuple[str, ...]
    cut: bool


def read(text: str, start: int = 0) -> Reading:
    """The value that starts at ``start``. Raises Unreadable."""
    return _Reader(text, start).run()


class _Reader:
    """A pushdown machine; ``_open`` holds the brackets not yet closed, ``_filled`` whether each
    has a member."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = self._at = start
        self._out: list[str] = []
        self._open: list[str] = []
        self._filled: list[bool] = []
        self._mended: dict[str, None] = {}

    def run(self) -> Reading:
        try:
            self._value()
            while self._open:
                self._member()
        except _End:
            return self._closed()
        return self._reading(cut=False)

    def _reading(self, *, cut: bool) -> Reading:
        return Reading("".join(self._out), self._at, tuple(self._mended), cut)

    def _closed(self) -> Reading:
        """The value with its tail closed. A key without a value, and a number or word that may
        go on, are dropped; a string keeps what there is of it."""
        while self._out and self._out[-1] in (",", ":"):
            del self._out[-2 if self._out[-1] == ":" else -1 :]
        self._out += ["}" if b == "{" else "]" for b in reversed(self._open)]
        self._at = len(self._text)
        return self._reading(cut=True)

    def _member(self) -> None:
        """One member of the innermost bracket, or its end."""
        before = self._at
        commas = self._commas()
        here = self._peek()
        bracket = self._open[-1]
        if here == ("}" if bracket == "{" else "]"):
            self._close(trailing=commas > 0)
            return
        if self._filled[-1]:
            self._between(commas, broken="\n" in self._text[before : self._at])
        elif commas:
            raise self._refusal("a comma before the first member", final=bracket == "[")
        if bracket == "{":
            self._whole_key()
        self._filled[-1] = True
        self._value()

    def _commas(self) -> int:
        count = 0
        while self._peek() == ",":
            self._at += 1
            count += 1
        return count

    def _between(self, commas: int, *, broken: bool) -> None:
        if commas > 1:
            if self._open[-1] == "[":
                raise self._refusal("a member is missing between two commas", final=True)
            self._mend("doubled commas")
        if not commas:
            keyed = self._open[-1] == "{" and KEY_AHEAD.match(self._text, self._at)
            if not (broken or keyed) or _SEPARATOR_INSIDE.search(self._out[-1]):
                raise self._refusal("a comma is missing")
            self._mend("missing commas")
        self._out.append(",")

    def _close(self, *, trailing: bool) -> None:
        if trailing:
            self._mend("trailing commas")
        self._out.append(self._text[self._at])
        self._at += 1
        self._open.pop()
        self._filled.pop()

    def _whole_key(self) -> None:
        written = len(self._out)
        try:
            self._key()
        except _End:
            del self._out[written:]
            raise

    def _key(self) -> None:
        here = self._text[self._at]
        if here in "\"'":
            self._string(is_key=True)
        elif here in "“„":
            self._curly_quoted()
        elif bare := BARE_KEY.match(self._text, self._at):
            self._put(f'"{bare[0]}"', bare.end(), "unquoted keys")
        else:
            # `1,234.50` is one number to its writer, so nothing may be guessed from its parts.
            one = here.isdigit() and self._text[self._at - 1] == ","
            raise self._refusal("a key was expected", final=one)
        if self._peek() != ":":
            raise self._refusal("a colon was expected after the key")
        self._out.append(":")
        self._at += 1

    def _value(self) -> None:
        here = self._peek()
        if here in "{[":
            self._descend(here)
        elif here in "\"'":
            self._string()
        elif here in "“„":
            self._curly_quoted()
        elif number := NUMBER.match(self._text, self._at):
            self._scalar(number[0], number.end())
        else:
            self._odd_scalar()

    def _descend(self, bracket: str) -> None:
        if len(self._open) == DEPTH_LIMIT:
            raise self._refusal(TOO_DEEP, final=True)
        self._open.append(bracket)
        self._filled.append(False)
        self._out.append(bracket)
        self._at += 1

    def _odd_scalar(self) -> None:
        word = WORD.match(self._text, self._at)
        if word and word[0] in LITERALS:
            text, mended = LITERALS[word[0]]
            self._scalar(text, word.end(), mended)
            return
        sloppy = SLOPPY_NUMBER.match(self._text, self._at)
        if sloppy and (sloppy[2] or sloppy[3]):
            self._sloppy_number(sloppy)
            return
        if INFINITE.match(self._text, self._at):
            raise self._refusal("a number is not finite", final=True)
        if PREFIXED.match(self._text, self._at):
            raise self._refusal("a string is not one of JSON", final=True)
        bare = BARE_VALUE.match(self._text, self._at)
        if bare and self._open and self._open[-1] == "{":
            if MEMBER_INSIDE.search(bare[0]) or _almost_a_literal(bare[0].rstrip()):
                raise self._refusal("a value without quotes has no clear end")
            self._put(json.dumps(bare[0].rstrip()), bare.end(), "unquoted text")
            return
        if self._runs_out():
            raise _End
        if self._text[self._at] in ".…<":
            raise self._refusal(_PLACEHOLDER, final=True)
        raise self._refusal("a value was expected")

    def _sloppy_number(self, found: re.Match[str]) -> None:
        sign, whole, part = found[1], found[2], found[3]
        if len(whole) > 1 and whole[0] == "0":
            self._put(f'"{found[0]}"', found.end(), "numbers with leading zeros became text")
            return
        number = f"{'-' if sign == '-' else ''}{whole or '0'}{'.' + part if part else ''}"
        self._scalar(number, found.end(), "odd spellings of numbers")

    def _scalar(self, text: str, end: int, mended: str = "") -> None:
        if end == len(self._text) and self._open:
            raise _End  # its digits or letters may go on
        self._put(text, end, mended)

    def _string(self, *, is_key: bool = False) -> None:
        text, at = self._text, self._at
        quote = text[at]
        plain = PLAIN_STRING.match(text, at) if quote == '"' else None
        plain = plain or STRING[quote].match(text, at)
        if plain is None:
            self._cut_string()
        assert plain is not None
        triple = TRIPLE.match(text, at)
        if triple and self._ends_at(triple.end(), is_key=is_key):
            inner = triple[1] if triple[1] is not None else triple[2]
            self._put(self._escaped(inner), triple.end(), "triple quotes")
        elif not text.startswith(3 * quote, at) and self._ends_at(plain.end(), is_key=is_key):
            self._quoted(plain[0][1:-1], plain.end(), quote)
        elif is_key:
            raise self._refusal("a key has no clear end")
        else:
            self._loose_string(quote)

    def _quoted(self, inner: str, end: int, quote: str) -> None:
        if quote == "'":
            self._mend("single quotes")
        self._put(self._escaped(inner), end)

    def _loose_string(self, quote: str) -> None:
        """A string with quotes in it that were not escaped."""
        text, at = self._text, self._at
        end, stop = at + 1, min(len(text), at + LOOSE_LENGTH)
        while found := QUOTE[quote].match(text, end, stop):
            end = found.end()
            if self._ends_at(end, is_loose=True):
                break
        else:
            raise self._refusal("a string with quotes in it has no clear end")
        inner = text[at + 1 : end - 1]
        bare = inner.replace("\\" + quote, "")
        if quote == "'":
            bare = _APOSTROPHE.sub("", bare).replace("'", '"')
        in_list = self._open[-1:] == ["["]
        if STRUCTURE.search(bare) or (in_list and SEPARATED.search(bare)) or not _paired(bare):
            raise self._refusal("a string with quotes in it has no clear end")
        self._mend("quotes inside strings")
        self._quoted(inner, end, quote)

    def _cut_string(self) -> None:
        """Keep what there is of a string that never ends, unless it is a key."""
        whole = WHOLE_ESCAPES.match(self._text, self._at + 1)
        inner = HALF_CHARACTER.sub("", whole[0]) if whole else ""
        if self._out and self._out[-1] != ":" and self._open[-1:] == ["{"]:
            raise _End
        self._out.append(self._escaped(inner))
        raise _End

    def _curly_quoted(self) -> None:
        found = CURLY_QUOTED.match(self._text, self._at)
        if not found:
            raise self._refusal("a typographic quote is not closed")
        self._put(self._escaped(found[1]), found.end(), "typographic quotes")

    def _ends_at(self, end: int, *, is_key: bool = False, is_loose: bool = False) -> bool:
        """Whether a string may end there, by what follows it."""
        gap = SPACE.match(self._text, end)
        at = gap.end() if gap else end
        follows = self._text[at : at + 1]
        if is_key or not follows:
            return not follows or follows == ":"
        if not self._open or follows in "}]":
            return follows in "}]," or not self._open
        if self._open[-1] == "[":
            return follows == "," or (follows in _BEGINNINGS and "\n" in self._text[end:at])
        if follows != ",":
            return not is_loose and KEY_AHEAD.match(self._text, at) is not None
        return self._key_after(at)

    def _key_after(self, comma: int) -> bool:
        """Whether a key follows a comma, or the end of the object or of the input."""
        gap = SPACE.match(self._text, comma + 1)
        at = gap.end() if gap else comma + 1
        if self._text[at : at + 1] in ("", "}", ",", "]"):
            return True
        return bool(KEY_AHEAD.match(self._text, at) or KEY_CUT.match(self._text, at, at + 400))

    def _escaped(self, inner: str) -> str:
        try:
            text, mended = as_json_string(inner)
        except Ambiguous:
            why = "a string has backslashes that may be escapes or not: double each"
            raise self._refusal(why, final=True) from None
        for what in mended:
            self._mend(what)
        return text

    def _runs_out(self) -> bool:
        """Whether the rest of the input is the beginning of a number or word."""
        rest = self._text[self._at : self._at + 60]
        return self._at + len(rest) == len(self._text) and bool(
            re.fullmatch(r"[-+]?[\w.]*[-+]?\d*", rest)
        )

    def _peek(self) -> str:
        """The next character that is neither space nor comment. Raises _End where none is."""
        if self._text[self._at : self._at + 1] in _SOLID:
            return self._text[self._at]
        skipped = SPACE.match(self._text, self._at)
        end = skipped.end() if skipped else self._at
        if end > self._at and not self._text[self._at : end].isspace():
            self._mend("comments")
        self._at = end
        if end == len(self._text):
            raise _End
        return self._text[end]

    def _put(self, text: str, end: int, mended: str = "") -> None:
        self._out.append(text)
        self._at = end
        if mended:
            self._mend(mended)

    def _mend(self, what: str) -> None:
        self._mended[what] = None

    def _refusal(self, reason: str, *, final: bool = False) -> Unreadable:
        return Unreadable(reason, self._at, final=final)


_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_BEGINNINGS = "\"'“„[{-0123456789tfn"
_SEPARATOR_INSIDE = re.compile(r"[,:;]\"\Z")


def _paired(inner: str) -> bool:
    """Whether its quotes open and close words, or are inches."""
    opened = False
    for found in re.finditer('"', re.sub(r'(?<=\d)"(?!\w)', "", inner)):
        before = _at(found.string, found.start() - 1)
        after = _at(found.string, found.end())
        if (after if opened else before).isalnum():
            return False
        opened = not opened
    return not opened


def _at(text: str, at: int) -> str:
    return text[at : at + 1] if at >= 0 else ""


def _almost_a_literal(word: str) -> bool:
    """Whether it is ``true``, ``false``, ``null`` or ``none`` with a slip in it."""
    if not word.isalpha() or not 3 <= len(word) <= 6 or word.lower() == "none":
        return False
    return any(SequenceMatcher(None, word.lower(), w).ratio() >= 0.75 for w in _WORDS)


_WORDS = ("true", "false", "null", "none")
_SOLID = frozenset('{}[]",:')


class _End(Exception):
    """The input ended inside the value."""
