"""Find the words of a value that has a slip (a letter more, less, other or swapped), or whose words are
parted otherwise: glued together, torn apart, with other marks between them ("SMBCNikko Securities",
"Fr ankreich", "81750.JOHOR BAHRU").

Words are compared whole. A word with a digit, a negation and a mark such as % must be the same;
any other may differ in one letter inside it, if it is no word of the text itself. A word that
only one of the two has must be an article or the like.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping

from prompture.compat import cached_property
from prompture.extraction.grounding.fold import Folded, fold_words, is_unspaced
from prompture.types import Span

# At 0.80 one of 12,697 false values of the corpus finds a place, at 0.95 no true one loses its own
# (scripts/eval_grounding.py).
CUTOFF = 0.88
"""The least share of letters that must be the same."""
LEAST = 8
MOST = 2000
"""Values of fewer or more characters are not looked for approximately."""

_GAP = 2
"""So many articles in a row may be left out."""
_MOST_PIVOTS = 300
"""So many places of the rarest word are tried."""
_TOKEN = re.compile(
    r"(?:(?<![\w.])[-+]?\.|(?<!\w)[-+])?\d[^\W_]*(?:[.,:/'-][^\W_]+)*"
    r"|[^\W\d_\u0300-\u036f][^\W\d_]*[\u0300-\u036f]?(?:[^\W\d_]|[\u0300-\u036f])*"
    r"(?:'[^\W\d_]+|[-./]?\d[^\W_]*(?:[-./]?[^\W_]+)*)?"
    r"|[%‰°$€£¥₹<>=≤≥±+§]"
)
_NEGATIONS_WORDS = (
    "no not non nor never none without cannot neither nobody nothing unless except excluding"
    " false denies denied negative nicht kein keine keinen keinem keiner ohne nie weder pas"
    " sans aucun aucune jamais ni sin nunca ninguna ningun ninguno não sem nem niet geen"
    " zonder senza mai нет не без bez ej inte utan ikke uden nie brak ne није нема değil yok"
    " hayır nem nincs nélkül ei eivät ilman nu fără δεν δε όχι μη μην χωρίς لا لم لن ليس ليست غير بدون دون"
    " אין לא ללא בלי אינו אינה नहीं न मत बिना không chưa tidak bukan tanpa"
)
NEGATIONS = frozenset(fold_words(_NEGATIONS_WORDS).split())
_LIGHT_WORDS = (
    "a an the of and de la le les du des der die das den dem del el los las da do di y e et"
    " und & il lo i van von"
)
_LIGHT = frozenset(_LIGHT_WORDS.split())
_ARTICLES_WORDS = "a an the le la les der die das el los las il lo gli"
_ARTICLES = frozenset(_ARTICLES_WORDS.split())

_LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*")
_LEAST_LETTERS = 6
"""Of fewer letters, glued words are found within other words too easily."""
_BETWEEN = re.compile(r"[ .,;:'\"()\[\]{}|·•_*-]+")
_BEFORE_DIGIT = re.compile(r"[.,-]+\Z")
# The runs that hold nothing to keep, without a look at each.
_HELD = re.compile(r"[ .,;:'\"()\[\]{}|·•_*-]++(?!\d)")


def words_in(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _is_fixed(word: str) -> bool:
    """Whether a word must be the same on both sides."""
    return (
        word in NEGATIONS
        or word.endswith("n't")
        or not word[0].isalpha()
        # In a script without spaces a word may be a whole sentence, and one letter its "not".
        or any(c.isdigit() or is_unspaced(c) for c in word)
    )


class Nearly:
    """The words of a folded text, to look values up in."""

    def __init__(self, folded: Folded) -> None:
        self._folded = folded

    @cached_property
    def words(self) -> list[str]:
        return words_in(self._folded.text)

    @cached_property
    def _bounds(self) -> tuple[array[int], array[int]]:
        """Starts and ends of the words: most values are not there at all, and need none."""
        starts, ends = array("L"), array("L")
        for found in _TOKEN.finditer(self._folded.text):
            starts.append(found.start())
            ends.append(found.end())
        return starts, ends

    def start(self, word: int) -> int:
        return self._bounds[0][word]

    def end(self, word: int) -> int:
        return self._bounds[1][word]

    @cached_property
    def at(self) -> dict[str, list[int]]:
        index: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            index.setdefault(word, []).append(place)
        return index

    @cached_property
    def _alike(self) -> dict[tuple[str, int], list[str]]:
        """The words of the text by first letter and length."""
        index: dict[tuple[str, int], list[str]] = {}
        for word in self.at:
            if len(word) >= 4 and not _is_fixed(word):
                index.setdefault((word[0], len(word)), []).append(word)
        return index

    def of(self, words: str) -> tuple[Span, ...]:
        """The best place of a value's words, if they are near enough: at most one."""
        if not LEAST <= len(words) <= MOST:
            return ()
        wanted = words_in(fold_words(words))
        chars = sum(map(len, wanted))
        if chars < LEAST or len(wanted) > len(self.words):
            return ()
        options = [self._options(word) for word in wanted]
        if any(not o and w not in _LIGHT for o, w in zip(options, wanted, strict=True)):
            return ()
        best = max(self._tried(wanted, options), key=lambda found: found[0], default=None)
        return () if best is None else (self._span(*best),)

    def _options(self, word: str) -> Mapping[str, int]:
        """The words of the text that may stand for one of the value, with the letters that
        differ."""
        if word in self.at:
            return {word: 0}
        # A slip in a short word makes another word of it.
        if len(word) < 4 or _is_fixed(word):
            return {}
        return {
            other: 1
            for length in (len(word) - 1, len(word), len(word) + 1)
            for other in self._alike.get((word[0], length), ())
            if _is_slip(word, other)
        }

    def _tried(
        self, wanted: list[str], options: list[Mapping[str, int]]
    ) -> Iterator[tuple[float, int, int, bool]]:
        """Score, first and last word, and whether every word is the same, of each place tried."""
        counts = {
            i: sum(len(self.at[w]) for w in option) for i, option in enumerate(options) if option
        }
        if not counts:
            return
        # From the rarest word, the longest of equals: it stands in the fewest places to try.
        pivot = min(counts, key=lambda i: (counts[i], -len(wanted[i])))
        chars = sum(map(len, wanted))
        places = [at for word in options[pivot] for at in self.at[word]][:_MOST_PIVOTS]
        for at in places:
            lost: float = options[pivot][self.words[at]]
            after = self._walk(options[pivot + 1 :], wanted[pivot + 1 :], at, 1)
            before = self._walk(options[:pivot][::-1], wanted[:pivot][::-1], at, -1)
            # A word of the value is missing there, and it is none of the light ones.
            if after is None or before is None:
                continue
            lost += after[1] + before[1]
            score = 1 - lost / chars
            if score < CUTOFF or self._is_denied(before[0], wanted[0]):
                continue
            # The words of an address or a code may begin within it: b@c.de in a.b@c.de.
            if self._folded.is_whole(self.start(before[0]), self.end(after[0])):
                yield score, before[0], after[0], lost == 0

    def _walk(
        self, options: list[Mapping[str, int]], wanted: list[str], at: int, step: int
    ) -> tuple[int, float] | None:
        """Follow the value's words from a place: the last word reached, and the letters lost."""
        lost = 0.0
        for index, (option, word) in enumerate(zip(options, wanted, strict=True)):
            skipped = 0.0
            for gap in range(1, _GAP + 2):
                place = at + gap * step
                if not 0 <= place < len(self.words):
                    break
                other = self.words[place]
                if other in option:
                    lost += option[other] + skipped
                    at = place
                    break
                if other not in _LIGHT:
                    break
                skipped += len(other) / 2
            else:
                place = -1
            if not (0 <= place < len(self.words) and self.words[place] in option):
                # What a value ends with is a part of it: the IL of "Rosharon, IL" is no article.
                is_outer = index == len(wanted) - 1
                if word not in (_LIGHT if not is_outer else _ARTICLES if step < 0 else ()):
                    return None
                lost += len(word) / 2
        return at, lost

    def _is_denied(self, first: int, word: str) -> bool:
        """Whether a negation that the value has not stands right before its place."""
        before = self.words[first - 1] if first else ""
        return word not in NEGATIONS and (before in NEGATIONS or before.endswith("n't"))

    def _span(self, score: float, first: int, last: int, same: bool) -> Span:
        start, end = self.start(first), self.end(last)
        offsets = self._folded.offsets
        kind = "normalised" if same else "fuzzy"
        return Span(offsets[start], offsets[end - 1] + 1, kind, 0.9 if same else round(score, 3))


def _is_slip(word: str, other: str) -> bool:
    """Whether two words of one first letter differ in one letter inside, or in a last "s"."""
    if word == other + "s" or other == word + "s":
        return True
    length = min(len(word), len(other))
    if max(len(word), len(other)) < 5:
        return False
    head = 0
    while head < length and word[head] == other[head]:
        head += 1
    tail = 0
    while tail < length - head and word[-1 - tail] == other[-1 - tail]:
        tail += 1
    a, b = word[head : len(word) - tail], other[head : len(other) - tail]
    if tail == 0 or head == 0:  # the first and the last letter are no slip: ill, bill
        return False
    return max(len(a), len(b)) <= 1 or (len(a) == len(b) == 2 and a == b[::-1])


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
    return sorted(word for word in _LETTERS.findall(words) if word in NEGATIONS)


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
