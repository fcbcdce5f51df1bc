"""Grounding: where in the text each value of an extraction stands.

Strings are looked for as words of their own, after folding case, white space, accents' forms and
typographic marks; then, word by word, with a slip in a letter. Numbers, dates and times are
looked for by value, however they are printed. Words with digits and negations must be the same.
Where a value stands in several places, all values are placed together: those of an object near
each other, the items of a list in the order of the text and apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext

from prompture import given
from prompture.compat import cached_property
from prompture.extraction.grounding.apart import apart
from prompture.extraction.grounding.figures import Figures, beside, is_glued, number_in, number_of
from prompture.extraction.grounding.fold import Folded, fold, fold_words, is_hangul, is_unspaced
from prompture.extraction.grounding.fragments import Fragments
from prompture.extraction.grounding.leaves import leaves
from prompture.extraction.grounding.moments import Moments, is_moment
from prompture.extraction.grounding.nearly import Nearly, Squeezed
from prompture.extraction.grounding.placing import Placing
from prompture.extraction.grounding.quantities import Quantities, quantity
from prompture.extraction.grounding.spans import Places, within_quotes
from prompture.extraction.grounding.spelled import spelled_number
from prompture.json_values import pointer
from prompture.types import EXACT, Document, FileDocument, JSONValue, Span

MOST_PLACES = 2000
"""Of a string that stands in more places, so many are weighed."""

_OUTER = " \t\r\n.,;:!?\"'()[]{}<>*_|•·、。，；：！？「」『』（）【】《》“”‘’«»"
_CODE = re.compile(r"[^\W_](?:[ ./()-]{0,3}[^\W_]){6,63}\Z")


def ground(
    value: JSONValue,
    text: str | Document,
    *,
    schema: Mapping[str, JSONValue] | None = None,
    quotes: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, tuple[Span, ...]]:
    """Spans in ``text`` (code points) by JSON pointer of ``value``'s leaves, best first.

    ``value`` is JSON, or anything Pydantic can make JSON of. A leaf that the text does not
    hold, and null, true and false, have no entry. At most five spans a leaf. Spans of a value
    that stands in several places, where nothing says which is meant, are ``ambiguous``.
    Names of fields, and the titles and descriptions of a JSON ``schema``, are looked for around
    the places. Of a document that was read from a file, spans have page and boxes. ``quotes`` are
    stretches of the text by pointer, of a leaf or of what holds it: of a leaf's places, one that
    stands in such a stretch is chosen. They make no place, and one that does not stand in the text,
    word for word, has no effect. Raises ValueError for a value that contains itself.
    """
    if isinstance(text, Document):
        found = ground(value, text.text, schema=schema, quotes=quotes)
        if not isinstance(text, FileDocument):
            return found
        from prompture.documents.layout import located

        return located(found, (text,))
    if not isinstance(text, str):
        raise given.wrong("text", "a string or a Document", text)
    plain = _plain(value)
    stated = {
        path: leaf
        for path, leaf in leaves(plain)
        if leaf is not None and not isinstance(leaf, bool)
    }
    with localcontext(EXACT):  # the caller's own may round, or raise
        page = _Page(text, stated.values())
        places = {path: spans for path, leaf in stated.items() if (spans := page.places(leaf))}
        if quotes:
            places = within_quotes(places, quotes, page.quoted)
    settled = Placing(text, places, schema).settled(plain)
    return {pointer(path): spans for path, spans in apart(plain, settled, text).items()}


def _plain(value: JSONValue) -> JSONValue:
    from prompture.schema.exact_json import to_plain

    # Text with half a character of a pair is a string to us, but none that Pydantic writes.
    return value if _is_json(value) else to_plain(value)


def _is_json(value: JSONValue) -> bool:
    stack, seen = [value], set[int]()
    while stack:
        one = stack.pop()
        if type(one) in (dict, list):
            if id(one) in seen:  # it may contain itself
                return False
            seen.add(id(one))
        if type(one) is dict:
            if not all(type(key) is str for key in one):
                return False
            stack.extend(one.values())
        elif type(one) is list:
            stack.extend(one)
        elif one is not None and type(one) not in (str, int, float, bool):
            return False
    return True


class ReadText:
    """A text that is read once, to see whether it holds values that come one by one."""

    def __init__(self, text: str) -> None:
        self._page = _Page(text, None)

    def holds(self, leaf: JSONValue) -> bool:
        """Whether ``ground`` would find a place for this string or number."""
        with localcontext(EXACT):
            return bool(self._page.places(leaf))


class _Page:
    """A text with the indexes that values are looked up in, each made when first needed."""

    def __init__(self, text: str, leaves: Iterable[JSONValue] | None) -> None:
        self._text = text
        self._leaves = leaves
        self._known: dict[tuple[type, JSONValue], Places] = {}

    def places(self, leaf: JSONValue) -> Places:
        """Where a leaf stands, in the order of the text."""
        key = (type(leaf), leaf)
        if key not in self._known:
            self._known[key] = self._search(leaf)
        return self._known[key]

    def quoted(self, quote: str) -> Places:
        """Where a quotation stands, word for word."""
        words = quote.strip()
        return (self._worded(words) or self._broken(words)) if words else ()

    def _search(self, leaf: JSONValue) -> Places:
        if isinstance(leaf, (int, float)):
            number = number_of(leaf)
            if number is None:
                return ()
            return self._figures.of(number) or self._quantities.in_words(number)
        words = str(leaf).strip()
        if not words:
            return ()
        if is_moment(words):  # the digits of a day are those of a code: 2024/0815
            return self._worded(words) or self._moments.of(words)
        # The first way that finds something ends the search, so the order is that of trust: words
        # as they stand first, words with a slip last.
        ways: tuple[Callable[[str], Places], ...] = (
            self._worded,
            self._moments.of,
            self._figure,
            self._quantities.of,
            self._quantities.currency,
            self._in_figures,
            self._broken,
            self._bare,
            self._spaced,
            self._unaccented,
            self._squeezed,
            self._fragments.of,
            self._nearly.of,
        )
        return next((found for way in ways if (found := way(words))), ())

    @cached_property
    def _folded(self) -> Folded:
        return fold(self._text)

    @cached_property
    def _moments(self) -> Moments:
        return Moments(self._text)

    @cached_property
    def _nearly(self) -> Nearly:
        return Nearly(self._folded)

    @cached_property
    def _quantities(self) -> Quantities:
        return Quantities(self._text, self._folded, lambda: self._figures)

    def _in_figures(self, words: str) -> Places:
        """A number in words where the text has figures."""
        number = spelled_number(words) if len(words) <= 40 else None
        if number is None:
            return ()
        found = self._figures.of(Decimal(number)) or self._quantities.in_words(Decimal(number))
        return tuple(replace(span, kind="normalised", score=0.85) for span in found)

    @cached_property
    def _fragments(self) -> Fragments:
        return Fragments(self._text, self._folded, self._nearly)

    def _squeezed(self, words: str) -> Places:
        """With its words glued together or torn apart."""
        return self._without_gaps.of(words, most=MOST_PLACES)

    @cached_property
    def _without_gaps(self) -> Squeezed:
        return Squeezed(self._folded)

    @cached_property
    def _figures(self) -> Figures:
        if self._leaves is None:
            return Figures(self._text, None)
        wanted: list[Decimal] = []
        for leaf in self._leaves:
            if isinstance(leaf, str):
                if len(leaf) > 60:
                    continue
                if found := number_in(leaf.strip()) or quantity(leaf.strip()):
                    wanted.append(found[0])
                elif (spelled := spelled_number(leaf.strip())) is not None:
                    wanted.append(Decimal(spelled))
            elif (number := number_of(leaf)) is not None:
                wanted.append(number)
        return Figures(self._text, wanted)

    def _worded(self, words: str) -> Places:
        """As words of their own, verbatim or folded."""
        wanted = fold_words(words)
        spans = tuple(
            self._words_at(start, end, words)
            for start, end in self._folded.places(wanted, most=MOST_PLACES)
        )
        return self._careful(spans)

    def _words_at(self, start: int, end: int, words: str) -> Span:
        if words[0].isdigit() and is_glued(self._text, start):
            return Span(start, end, "normalised", 0.7)  # as surely as the number is there
        if self._text[start:end] == words:
            return Span(start, end)
        # Other letters are a sign that another mention was meant; another line's end is none.
        same = " ".join(self._text[start:end].split()) == " ".join(words.split())
        return Span(start, end, "normalised", 0.95 if same else 0.9)

    def _careful(self, spans: Places) -> Places:
        """Of a value in a script without spaces, the places where nothing of the script stands
        right before, if there are such; a single character must have one, or be the only one."""
        if len(spans) < 2 or not is_unspaced(self._text[spans[0].start]):
            return spans
        parted = tuple(s for s in spans if self._is_parted(s))
        return parted or spans

    def _is_parted(self, span: Span) -> bool:
        before = self._text[span.start - 1 : span.start]
        if before and is_unspaced(before):
            return False
        after = self._text[span.end : span.end + 1]
        single = span.end - span.start == 1
        return is_hangul(self._text[span.start]) or not (single and after and is_unspaced(after))

    def _figure(self, words: str) -> Places:
        """A number given as a string, with the currency or percent sign that it has."""
        if len(words) > 60 or (found := number_in(words)) is None:
            return ()
        number, unit, places = found
        spans = tuple(
            s for s in self._figures.of(number) if s.score > 0.8 and self._as_exact(s, places)
        )
        if unit:
            return tuple(b for s in spans if (b := beside(self._text, s, unit)) is not None)
        return spans

    def _as_exact(self, span: Span, places: int) -> bool:
        """Whether a printed number is given to as many decimal places, or one of the two is
        whole: 1.10 is not 1.1, but 30 is 30.00."""
        tail = re.search(r"[.,٫](\d+)\D*\Z", self._text[span.start : span.end])
        printed = len(tail[1]) if tail else 0
        return printed in (places, 0, 3) or places == 0 or (printed == 2 and places == 1)

    def _broken(self, words: str) -> Places:
        """With a hyphen that ends a line, or without one."""
        wanted = fold(words).without_hyphens.text.strip()
        return tuple(
            Span(start, end, "normalised", 0.9)
            for start, end in self._folded.without_hyphens.places(wanted, most=MOST_PLACES)
        )

    def _bare(self, words: str) -> Places:
        """Without its outer marks: a full stop, quotes, brackets."""
        bare = words.strip(_OUTER)
        if not bare or bare == words:
            return ()
        return tuple(Span(s.start, s.end, "normalised", 0.95) for s in self._worded(bare))

    def _unaccented(self, words: str) -> Places:
        """With accents left out by one of the two, as in Greek capitals."""
        wanted = fold(words).without_accents.text.strip()
        # Shorter words are others without their accents: où and ou.
        if len(wanted) < 4:
            return ()
        return tuple(
            Span(start, _with_accents(self._text, end), "fuzzy", 0.9)
            for start, end in self._folded.without_accents.places(wanted, most=MOST_PLACES)
        )

    def _spaced(self, words: str) -> Places:
        """A long code or telephone number, however it is grouped."""
        wanted = fold_words(words).lstrip("+(")
        if not _CODE.match(wanted):
            return ()
        letters = [c for c in wanted if c.isalnum()]
        digits = sum(c.isdigit() for c in letters)
        # Fewer digits, or more letters than digits, are found in other codes too easily.
        if digits < 7 or 2 * digits < len(letters):
            return ()
        pattern = re.compile(r"[ ./()-]{0,3}".join(map(re.escape, letters)))
        folded = self._folded
        return tuple(
            Span(folded.offsets[m.start()], folded.offsets[m.end() - 1] + 1, "normalised", 0.9)
            for m in pattern.finditer(folded.text)
            if folded.is_whole(m.start(), m.end())
        )


def _with_accents(text: str, end: int) -> int:
    """The end of a place, behind the accents that stand there as characters of their own."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
