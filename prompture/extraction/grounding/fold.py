"""Text folded for comparison, with the way back, and where its words begin and end.

Folding is NFKD with case folded (so composed and decomposed accents, full-width letters and
ligatures are alike), one kind of quote, dash and space, digits of every script as 0 to 9, and
without what is not printed (soft hyphens, zero-width spaces, marks of direction).
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from prompture.compat import cached_property
from prompture.rules.numbers import FRACTIONS

_DASHES = "‐‑‒–—―−﹘﹣－"
_SINGLE = "‘’‚‛`´ʼ＇"
_DOUBLE = "“”„‟«»＂″"
_SAME = {
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys(_SINGLE, "'"),
    **dict.fromkeys(_DOUBLE, '"'),
    "ı": "i",
    "İ": "i",
}
_RAISED = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNPRINTED = frozenset(
    "\u00ad\u034f\u061c\u0640\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff\ufe0e\ufe0f"
)
# Printable ASCII is taken by the run, and what folds to itself: a step for each character would
# be slow.
_PIECE = re.compile(
    r"(?P<plain>[!-~]+(?:(?: |(?<!-)\n)[!-~]+)*)|(?<=[0-9A-Za-z]-)\n(?=[0-9A-Za-z])"
    r"|(?P<space>\s+)|(?P<same>[\u4e00-\u9fff\u0e01-\u0e32]+|(?<=[A-Za-z])[\u0300-\u0314]+)|.",
    re.DOTALL,
)
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u064b-\u065f\u0670]+")
"""Of Latin, Greek and Cyrillic letters; the vowels of Hebrew and Arabic."""
_JOINER = "\u200d"
_LINE_END = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")

# Scripts whose words are not parted by spaces; Hangul because particles follow a word unparted.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_JAMO_WITHIN = ("\u1160", "\u11ff")
_SKIN = ("\U0001f3fb", "\U0001f3ff")
_RUN_BEFORE = re.compile(r"[^\W_]*\Z")
_RUN = re.compile(r"[^\W_]*")
_CODE_BEFORE = re.compile(r"[^\W_]+(?:[-/][^\W_]+)*\Z")
_CODE = re.compile(r"[^\W_]+(?:[-/][^\W_]+)*")
_REACH = 40
"""A word or code is looked at so far: what goes on longer is cut, which bounds the work."""
_BEFORE_FIGURES_WORDS = (
    "x no nr nos art p pp v q h fy c s us hk nz rs rm usd eur gbp chf jpy cny inr aud cad sgd"
    " myr hkd nzd sek nok dkk pln czk huf brl mxn zar krw thb idr php"
)
_BEFORE_FIGURES = frozenset(_BEFORE_FIGURES_WORDS.split())
"""Short words that may stand right before digits without making a code of them: v2, q3, EUR5.
Not so "a": the 4 of A4 is no figure."""
_NUMERALS = frozenset("〇零一二三四五六七八九十百千")
"""Figures as Chinese characters: 四年 is no part of 二〇二四年."""
_TIED = frozenset("-./:,'@&+#")
"""Marks that tie a single character to the next: the A of A-7, the 5 of 5:30."""


@dataclass(frozen=True)
class Folded:
    """A folded text and, for each of its characters, which character of the source it is of."""

    text: str
    offsets: array[int]

    @cached_property
    def without_hyphens(self) -> Folded:
        """Without the hyphens between letters: "exam-ple" of a line's end, "e-mail"."""
        return self._without(re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])"))

    @cached_property
    def without_accents(self) -> Folded:
        """With the letters alone of letters with accents."""
        return self._without(_ACCENTS)

    def _without(self, marks: re.Pattern[str]) -> Folded:
        kept: list[str] = []
        offsets: array[int] = array("L")
        end = 0
        for found in marks.finditer(self.text):
            kept.append(self.text[end : found.start()])
            offsets.extend(self.offsets[end : found.start()])
            end = found.end()
        kept.append(self.text[end:])
        return Folded("".join(kept), offsets + self.offsets[end:])

    def places(self, wanted: str, *, most: int) -> Iterator[tuple[int, int]]:
        """Where ``wanted`` (folded too) stands as words of its own, in offsets of the source."""
        at = self.text.find(wanted) if wanted else -1
        while at >= 0 and most > 0:
            end = at + len(wanted)
            if self.is_whole(at, end):
                most -= 1
                yield self.offsets[at], self.offsets[end - 1] + 1
                at = self.text.find(wanted, end)
            else:
                at = self.text.find(wanted, at + 1)

    def is_whole(self, start: int, end: int) -> bool:
        """Whether no character, word, number or code is cut at either end."""
        offsets = self.offsets
        if start and offsets[start - 1] == offsets[start]:
            return False
        if end < len(offsets) and offsets[end - 1] == offsets[end]:
            return False
        if "@" in self.text[start:end] and _is_in_address(self.text, start, end):
            return False
        return ends_whole(self.text, start, end) and begins_whole(self.text, start, end)


def fold(text: str) -> Folded:
    """The folded text with its offsets. White space is one space each; none stands between two
    characters of a script without spaces, nor after a hyphen at a line's end."""
    folded: list[str] = []
    offsets: array[int] = array("L")
    hidden = ""
    for piece in _PIECE.finditer(text):
        start, end = piece.span()
        if plain := piece["plain"]:
            folded.extend(plain.lower().replace("`", "'").replace("\n", " "))
            offsets.extend(range(start, end))
        elif piece["space"]:
            if not _is_no_gap(text, piece, folded, hidden):
                folded.append(" ")
                offsets.append(start)
        elif piece["same"]:
            folded.extend(piece["same"])
            offsets.extend(range(start, end))
        elif (character := text[start]) == "\n":
            continue  # behind a hyphen that breaks a word
        elif character in _UNPRINTED and not _joins(character, folded):
            hidden = character
            continue
        else:
            _add(_folded(character), character, start, folded, offsets)
        hidden = ""
    return Folded("".join(folded), offsets)


def fold_words(words: str) -> str:
    """A value folded as ``fold`` does, without outer white space."""
    return fold(words).text.strip()


def _add(plain: str, character: str, at: int, folded: list[str], offsets: array[int]) -> None:
    if plain != character and character in _RAISED and folded and folded[-1].isdigit():
        plain = character  # 10² is not 102
    for one in plain:
        place = len(folded)
        rank = unicodedata.combining(one)
        if not rank or not place or _rank(folded[-1]) <= rank:
            folded.append(one)
            offsets.append(at)
            continue
        # Marks in canonical order, whichever order they were typed in; a few steps bound the work.
        while rank and len(folded) - place < 8 and place and _rank(folded[place - 1]) > rank:
            place -= 1
        folded.insert(place, one)
        offsets.insert(place, at)
        if place < len(folded) - 1:
            offsets[place:] = array("L", sorted(offsets[place:]))


def _rank(character: str) -> int:
    return 0 if character.isascii() else unicodedata.combining(character)


@lru_cache(maxsize=8192)
def _folded(character: str) -> str:
    if character in _SAME:
        return _SAME[character]
    digit = unicodedata.decimal(character, None)
    # Digits of every script have a value, which NFKD does not give.
    if digit is not None:
        return str(digit)
    if unicodedata.decomposition(character).startswith(("<fraction>", "<circle>")):
        return character  # ½ is not 12, and ① is no 1
    # Before, for what it takes apart may have case (ligatures); after, for folding may compose.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(_SAME.get(c, c) for c in folded) or character


def _is_no_gap(text: str, space: re.Match[str], folded: list[str], hidden: str) -> bool:
    """Whether white space parts nothing: it follows white space or a hyphen that breaks a word."""
    end = space.end()
    if not folded or folded[-1] == " ":
        return bool(folded)
    if end >= len(text):
        return False
    before, after = folded[-1], text[end]
    if _UNSPACED.match(after) and _UNSPACED.match(before):
        return not (is_hangul(after) or is_hangul(before))
    if not _LINE_END.search(space.group()):
        return False
    if hidden == "\u00ad":
        return after.isalnum()
    return before == "-" and len(folded) > 1 and folded[-2].isalnum() and after.isalnum()


def _joins(character: str, folded: list[str]) -> bool:
    """Whether a character joins two pictures to one: a family of four holds none of three."""
    return character == _JOINER and bool(folded) and unicodedata.category(folded[-1])[0] == "S"


def is_unspaced(character: str) -> bool:
    """Whether a character is of a script that does not part words by spaces."""
    return not character.isascii() and _UNSPACED.match(character) is not None


def is_hangul(character: str) -> bool:
    """Whether a character is a Korean syllable or a part of one."""
    return "\uac00" <= character <= "\ud7ff" or "\u1100" <= character <= "\u11ff"


def is_joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of ``at`` belong to one word or figure."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if (not after.isascii() and _continues(after)) or _JOINER in (before, after):
        return True
    if (before.isdigit() and after.isdigit()) or (before in _NUMERALS and after in _NUMERALS):
        return True
    if not before.isascii() and _continues(before):
        before = _base(text, at - 1)
    return before.isalpha() and after.isalpha() and not (is_unspaced(before) or is_unspaced(after))


def _continues(character: str) -> bool:
    """Whether a character adds to the one before: an accent, a vowel sign, the rest of a
    syllable, the colour of an emoji's skin."""
    return (
        unicodedata.category(character)[0] == "M"
        or _JAMO_WITHIN[0] <= character <= _JAMO_WITHIN[1]
        or _SKIN[0] <= character <= _SKIN[1]
    )


def _base(text: str, at: int) -> str:
    """The character that the marks at ``at`` stand on."""
    for back in range(at, max(-1, at - 8), -1):
        if not _continues(text[back]):
            return text[back]
    return text[at]


def ends_whole(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` ends where its last word, number or code ends."""
    if end >= len(text):
        return True
    if is_joined(text, end):
        return False
    last, beyond = text[end - 1], text[end]
    if not last.isalnum() or is_unspaced(last):
        return True
    tail = text[end : end + _REACH]
    if end - start == 1 and beyond in _TIED and tail[1:2].isalnum():
        return False
    if (beyond == "_" and tail[1:2].isalnum()) or tail.startswith(("++", "#")):
        return False  # first_name; C++, C#
    run = _before(text, start, end, _RUN_BEFORE)
    if not last.isdigit():
        if tail.startswith("'t") and not tail[2:3].isalpha():
            return False  # can't
        return not (beyond.isdigit() and (len(run) == 1 or _has_digit(run)))
    if beyond in FRACTIONS:
        return False  # the 2 of 2½
    if beyond in ".," and tail[1:2].isdigit():
        # 12 is cut out of 12.5 and 12,500; 2024 is whole in "2024,25 pages".
        return beyond == "," and len(run) >= 4 and "." not in text[start:end]
    if beyond.isalpha() and not is_unspaced(beyond):
        more = _run(tail)
        return not (_is_mixed(run) or (_has_digit(more) and not re.match(r"t\d\d:", tail)))
    return not (beyond in "-/" and _is_cut_code(_before(text, start, end, _CODE_BEFORE), tail))


def _is_cut_code(code: str, tail: str) -> bool:
    """Whether a code that ends with a digit goes on behind the mark that ``tail`` begins with."""
    if tail[1:2].isdigit():
        # The month of 2024-05-01 is whole; 12-345 is cut out of 12-345-6.
        return _is_mixed(code) or (tail[0] in code and not _MONTH.fullmatch(code))
    return "-" in code and tail[0] == "-" and _MORE_OF_CODE.match(tail, 1) is not None


def begins_whole(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` begins where its first word, number or code begins."""
    if start <= 0:
        return True
    if is_joined(text, start):
        return False
    first, beyond = text[start], text[start - 1]
    if first in "+-" and beyond.isalnum() and text[start + 1 : start + 2].isdigit():
        return False  # the -5 of 5-5
    if not first.isalnum() or is_unspaced(first):
        return True
    head = text[max(0, start - _REACH) : start]
    if end - start == 1 and beyond in _TIED and head[-2:-1].isalnum():
        return False
    if beyond == "_" and head[-2:-1].isalnum():
        return False
    run = _run(text[start : min(end, start + _REACH)])
    if not first.isdigit():
        return not (beyond.isdigit() and (len(run) == 1 or _has_digit(run)))
    if beyond in ".," and head[-2:-1].isdigit():
        return len(run) >= 4
    if beyond.isalpha() and not is_unspaced(beyond):
        found = _RUN_BEFORE.search(head)
        word = found.group() if found else ""
        # A long word before digits is glued to them by the layout; a short one makes a code.
        return not _is_mixed(run) and (word in _BEFORE_FIGURES or len(word) >= 6)
    if (beyond == "-" and head[-2:-1].isalnum()) or (beyond == "/" and head[-2:-1].isdigit()):
        found = _CODE.match(text, start, min(end, start + _REACH))
        return not (found and _is_mixed(found.group()))
    return True


_MONTH = re.compile(r"(?:19|20)\d\d[-/](?:0?[1-9]|1[0-2])")
_MORE_OF_CODE = re.compile(r"[a-z]\d{0,4}(?![^\W_])")
"""The b of cl-44-b (the text is folded); the pcr of covid-19-pcr is a word of its own."""
_MORE_OF_ADDRESS = re.compile(r"[.-]?\w")
_OF_ADDRESS_BEFORE = re.compile(r"[\w.+-]\Z")


def _is_in_address(text: str, start: int, end: int) -> bool:
    """Whether an address of mail is a part of another: b@c.com of a.b@c.com.br."""
    within = _MORE_OF_ADDRESS.match(text, end) and text[end - 1].isalnum()
    before = _OF_ADDRESS_BEFORE.search(text[max(0, start - 1) : start]) and text[start].isalnum()
    return bool(within or before)


def _before(text: str, start: int, end: int, pattern: re.Pattern[str]) -> str:
    found = pattern.search(text[max(start, end - _REACH) : end])
    return found.group() if found else ""


def _run(text: str) -> str:
    found = _RUN.match(text)
    return found.group() if found else ""


def _has_digit(run: str) -> bool:
    return any(c.isdigit() for c in run)


def _is_mixed(run: str) -> bool:
    return _has_digit(run) and any(c.isalpha() for c in run)
