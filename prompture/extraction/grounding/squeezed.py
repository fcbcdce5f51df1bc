"""Find a value whose words are parted otherwise in the text: glued together, torn apart, or with
other marks between them ("SMBCNikko Securities", "Fr ankreich", "81750.JOHOR BAHRU")."""

from __future__ import annotations

import re
from array import array

from prompture.compat import cached_property
from prompture.extraction.grounding.fold import Folded, fold_words
from prompture.extraction.grounding.nearly import NEGATIONS
from prompture.types import Span

_LEAST_LETTERS = 6
"""Of fewer letters, glued words are found within other words too easily."""
_BETWEEN = re.compile(r"[ .,;:'\"()\[\]{}|·•_*-]+")
_BEFORE_DIGIT = re.compile(r"[.,-]+\Z")
# The runs that hold nothing to keep, without a look at each.
_HELD = re.compile(r"[ .,;:'\"()\[\]{}|·•_*-]++(?!\d)")
_WORD = re.compile(r"[^\W\d_]+")


class Squeezed:
    """A folded text without what parts its words. What parts digits stays, for 1 2 is not 12."""

    def __init__(self, folded: Folded) -> None:
        self._folded = folded

    @cached_property
    def _bare(self) -> str:
        return _BETWEEN.sub(_kept, _HELD.sub("", self._folded.text))

    @cached_property
    def _squeezed(self) -> tuple[str, array[int]]:
        return _squeeze(self._folded.text)

    def of(self, words: str, *, most: int) -> tuple[Span, ...]:
        """The places that have a value's letters and digits, with whole words at both ends."""
        folded_words = fold_words(words)
        wanted, _ = _squeeze(folded_words)
        if sum(c.isalpha() for c in wanted) < _LEAST_LETTERS:
            return ()
        # Most values are not there at all, which needs no way back.
        if wanted not in self._bare:
            return ()
        text, at = self._squeezed
        found: list[Span] = []
        place = text.find(wanted)
        while place >= 0 and len(found) < most:
            start, end = at[place], at[place + len(wanted) - 1] + 1
            if self._folded.is_whole(start, end) and self._same_sense(folded_words, start, end):
                offsets = self._folded.offsets
                found.append(Span(offsets[start], offsets[end - 1] + 1, "normalised", 0.85))
                place = text.find(wanted, place + len(wanted))
            else:
                place = text.find(wanted, place + 1)
        return tuple(found)

    def _same_sense(self, words: str, start: int, end: int) -> bool:
        """Whether both or none negate: "is not able" is not "is notable"."""
        return _negations(words) == _negations(self._folded.text[start:end])


def _negations(words: str) -> list[str]:
    return sorted(word for word in _WORD.findall(words) if word in NEGATIONS)


def _kept(run: re.Match[str]) -> str:
    """What stays of a run of marks: what parts two figures, the sign of -5, the point of .5."""
    text, (start, stop), marks = run.string, run.span(), run.group()
    if not text[stop : stop + 1].isdigit():
        return ""
    if start and text[start - 1].isdigit():
        return marks.strip() or " "
    sign = _BEFORE_DIGIT.search(marks)
    # The point of No.5 is none of a number.
    is_glued = start and text[start - 1].isalnum() and len(marks) == 1
    return sign.group() if sign and not (is_glued and sign.group() in ".,") else ""


def _squeeze(text: str) -> tuple[str, array[int]]:
    kept: list[str] = []
    at: array[int] = array("L")
    end = 0
    for run in _BETWEEN.finditer(text):
        start, stop = run.span()
        kept.append(text[end:start])
        at.extend(range(end, start))
        end = stop
        marks = _kept(run)
        kept.append(marks)
        at.extend([start] * len(marks))
    kept.append(text[end:])
    at.extend(range(end, len(text)))
    return "".join(kept), at
