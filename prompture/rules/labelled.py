"""Candidates of a field: every labelled place in a scope that its parser can read."""

import dataclasses
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prompture.rules import data
from prompture.rules.concepts import normalise, similarity
from prompture.rules.fields import SchemaField
from prompture.rules.forms import is_compound, unit_of, unit_printed
from prompture.rules.label_pairs import TRUST, Pair
from prompture.rules.numbers import CURRENCY, CURRENCY_CODES, is_currency, is_priced
from prompture.rules.page import FieldCandidate, Page, ParsedValue, TextRange
from prompture.rules.parsers import read
from prompture.rules.render import render

# Kinds whose values have a form of their own; the rest take whatever text stands by the label.
FREE_KINDS = frozenset({"text", "title", "keywords", "address", "longtext"})
# Relations between label and value (`label_pairs.TRUST`): free text counts only where it stands beside its label.
_ONLY_BESIDE = frozenset({"colon", "markup", "leader", "under", "slot", "inline"})
_APART = frozenset({"below", "loose", "cell", "slot", "above"})
# Kinds that must fill a window which is apart from its label: a day inside a sentence below is another's.
_WHOLE = frozenset({"identifier", "date", "datetime", "money", "number", "integer", "case"})
_FIGURES = frozenset({"money", "number", "integer", "percent"})
# Of several numbers in one window the first is meant, but less surely; of several addresses of mail none is.
_RIVALLED = {"money": 0.2, "number": 0.2, "integer": 0.2, "email": 1.0}
_MARKED = frozenset(
    {"colon", "markup", "leader", "under", "cell", "slot", "below", "loose", "above"}
)
# What makes a number a part of something else: a range, a code, a version, a share of a whole.
_GOES_ON = re.compile(
    r"[-–—]\s?[^\W_]|\s?/\s?(?:[^\W\d_]|\d+\s?/|(?:[2348]|16)\b)| [-–—] ?\d|[.,:]\d|[^\W\d_]{0,3}\d| ?[¼-¾⅐-⅞]| \d"
    r"|\s?[x×*^]\s?\d|e[-+]\d|\s?°\s?[SW]\b"  # 5 x 10 cm, 10^3, 33.86° S
    r"|[^\W\d_]{1,3}[.,]\d|o(?![^\W_])"  # a digit that a scan has read as a letter: 1O.50, 1O
    r"|\s(?:to|bis|à|au|until|through|or|oder|ou)\s\d",
    re.IGNORECASE,
)
# The same with a currency mark before the second amount, "$10.00 - $20.00", and lists of numbers: "5, 6", "5 and 6".
_SECOND = re.compile(
    r"\s?(?:(?P<listed>[,;&+]|(?<=\s)(?:and|und|et|y|e|plus)\b)|[-–—/]|(?<=\s)(?:to|bis|à|au|or|oder|ou)\b)"
    r"\s?(?P<mark>[^\w\s]{1,2}|[^\W\d_]{1,3})?\s?\d",
    re.IGNORECASE,
)
_RATE_LABEL = re.compile(r"[^\W\d_]{1,20}\.?\s?-?\s?%")
_NEXT_AMOUNT = re.compile(r" ?[-–—]? ?\d")
# "AB-12", "10-12", "< 12", "3 x 12" (before a currency mark, too).
_CAME_ON = re.compile(
    r"(?P<letters>[^\W\d_]+)[-–/]?$|\d\s?[-–—/:.]\s?$|[<>≤≥]=?\s?(?:[^\W\d_]{3}|[^\w\s]{1,2})?\s?$"
    r"|(?:^|[\s\d])[x×*]\s?(?:[^\W\d_]{3}|[^\w\s]{1,2})?\s?$"
)
# Words and then a comma or a bracket with words: "free for members, 10 for guests", "none (deposit 20)".
_OTHER_CLAUSE = re.compile(r"[^\W\d_]{3}[^,;(]{0,80}[,;]|\([^()]{0,80}[^\W\d_]{3}[^()]{0,80}$")
_ELSEWHERE = frozenset(data.words("labels", "elsewhere"))  # "see page 4"
_FORMERLY = frozenset(data.words("labels", "formerly"))  # "was 20.00, now 15.00"
_OUT_OF = re.compile(
    r"^\s?(?:/|(?:out )?of|von|sur|su|de|di)\s?\d{1,4}(?:[.,]\d)?\b"
)  # 4/5, "4 out of 5"
_LABEL_BEHIND = re.compile(r"[(\[;|,]|[^\W\d_][^\s:：=]{0,30}\s?[:：=]")


@dataclass(frozen=True, slots=True)
class Index:
    """The pairs of a document by the words of their labels, so that a field looks at few of them.

    `by_stem` are the labels that have a word with these first letters; `wanted` the labels that the schema asks for.
    """

    by_key: Mapping[str, tuple[Pair, ...]]
    by_stem: Mapping[str, frozenset[str]]
    wanted: frozenset[str]
    memo: dict[object, dict[str, float]] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    def within(self, key: str, scope: TextRange) -> tuple[Pair, ...]:
        """The pairs of a label whose label and window lie in a scope, in order."""
        listed = self.by_key[key]
        # By halving: sections ask for the same label again and again.
        first = bisect_left(listed, scope.start, key=lambda pair: pair.label_start)
        last = bisect_left(listed, scope.end, key=lambda pair: pair.label_start)
        return tuple(
            pair
            for pair in listed[first:last]
            if scope.holds(pair.label_start, pair.end) and scope.start <= pair.start
        )


def index_pairs(pairs: Sequence[Pair], wanted: frozenset[str]) -> Index:
    """Index pairs by label and by the first letters of each word of it."""
    by_key: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_key[pair.key].append(pair)
    by_stem: dict[str, set[str]] = defaultdict(set)
    for key in by_key:
        for word in (*key.split(), key.replace(" ", "")):
            by_stem[word[:4]].add(key)  # four letters survive most plurals and misreadings
    return Index(
        {
            key: tuple(sorted(found, key=lambda pair: pair.label_start))
            for key, found in by_key.items()
        },
        {stem: frozenset(keys) for stem, keys in by_stem.items()},
        wanted,
    )


def matching(index: Index, phrases: Mapping[str, float]) -> dict[str, float]:
    """The labels of a document that fit phrases, with how well."""
    asked = tuple(phrases.items())
    if asked not in index.memo:
        keys: set[str] = set()
        for phrase in phrases:
            keys.update(*(index.by_stem.get(word[:4], ()) for word in phrase.split()))
        # Sorted, for a set's order changes from process to process, and with it equal scores.
        scored = {key: similarity(key, phrases) for key in sorted(keys)}
        # Below 0.6 no relation lifts a label over the threshold.
        index.memo[asked] = {key: score for key, score in scored.items() if score >= 0.6}
    return index.memo[asked]


def labelled(
    field: SchemaField, index: Index, page: Page, scope: TextRange
) -> Iterator[FieldCandidate]:
    """What stands by the labels of a field inside a scope, as JSON values."""
    if not field.phrases:
        return
    for key, fit in matching(index, field.phrases).items():
        for pair in index.within(key, scope):
            found = _of_pair(field, pair, page, fit)
            if found is not None:
                yield found


def _of_pair(field: SchemaField, pair: Pair, page: Page, fit: float) -> FieldCandidate | None:
    trust = TRUST[pair.relation]
    if pair.relation == "array":  # one value is no list
        return None
    if field.kind in FREE_KINDS and pair.relation not in _ONLY_BESIDE and fit < 0.9:
        return None
    # Free text needs more than a gap of one space after its label, and a line of its own.
    if field.kind in FREE_KINDS and pair.relation in {"prefix", "loose", "above"}:
        return None
    reading = read(field.kind, page, pair.start, pair.end, field=field)
    if reading is None:
        reading = _loosely(field, pair, page)
    if reading is None or (
        pair.relation in _APART and field.kind in _WHOLE and not _covers(field, reading, pair, page)
    ):
        return None
    if (
        field.kind in FREE_KINDS
        and pair.relation in {"leader", "cell"}
        and not any(c.isalpha() for c in str(reading.value))
    ):
        return None  # a page number of a table of contents
    if field.kind in _FIGURES and not (
        stands_alone(
            field,
            reading,
            page,
            TextRange(pair.start, pair.end),
            marked=pair.relation in _MARKED,
            label=page.text[pair.label_start : pair.start],
        )
        # "Total pages: 12": by a label with further words an amount must look like one.
        and (field.kind != "money" or fit >= 0.87 or _is_amount(reading, pair, page.text))
    ):
        return None
    # A value further into its window has other words before it, which may be the real label.
    distance = reading.start - pair.start
    if distance > 4 and field.kind in {"date", "datetime"} and pair.relation in {"below", "cell"}:
        return None
    if field.kind not in FREE_KINDS and distance > 12:
        trust -= 0.1 if field.kind in {"date", "money", "currency"} and distance < 40 else 0.25
    if reading.rivals:
        trust -= _RIVALLED.get(field.kind, 0.0)
    written = render(field, reading, page)
    if written is None:
        return None
    value, span = written
    return FieldCandidate(value, (span,), round(fit * trust, 4), (pair.label_start, pair.label_end))


def _loosely(field: SchemaField, pair: Pair, page: Page) -> ParsedValue | None:
    """A string by its own label that is not of the form its name suggests: a "prep time" of 20 minutes, a code of letters."""
    plain = (
        field.types == {"string"}
        and not field.schema.get("format")
        and field.concept is None
        and not field.party
    )
    if (
        not plain
        or field.kind not in {"time", "identifier"}
        or pair.relation not in {"colon", "markup", "leader", "under", "slot"}
    ):
        return None
    reading = read("text", page, pair.start, pair.end)
    longest = 40 if field.kind == "time" else 20
    return (
        reading
        if reading is not None
        and reading.end - reading.start <= longest
        and page.text[reading.start : reading.end].count(" ") <= 4
        else None
    )


def _covers(field: SchemaField, reading: ParsedValue, pair: Pair, page: Page) -> bool:
    """Whether a value is all that stands in the window, a currency mark or a unit aside."""
    before, after = page.text[pair.start : reading.start], page.text[reading.end : pair.end]
    # "Tax 5.00" below "Total" is the tax.
    if field.kind == "money" and any(not is_currency(w) for w in re.findall(r"[^\W\d_]+", before)):
        return False
    counted = field.kind in _FIGURES and unit_of(after.strip(" .)")) is not None  # "24 months"
    return sum(map(str.isalnum, before)) <= 3 and (counted or sum(map(str.isalnum, after)) <= 4)


def read_alone(field: SchemaField, page: Page, start: int, end: int) -> ParsedValue | None:
    """The value that fills a cell or an item of a list; None where a number there is a part of something else."""
    reading = read(field.kind, page, start, end, field=field)
    if reading is None or field.kind not in _FIGURES:
        return reading
    alone = stands_alone(field, reading, page, TextRange(start, end), marked=True)
    return reading if alone else None


def stands_alone(
    field: SchemaField,
    reading: ParsedValue,
    page: Page,
    window: TextRange,
    *,
    marked: bool,
    label: str = "",
) -> bool:
    """Whether a number is what its window says, a currency mark, a unit and brackets aside: not the
    4 of "see page 4", the 20 of "20-30" or the 12 of "AB-12".

    `marked`: the window is the whole of a cell, or what follows a colon, so that words in it speak of the number.
    A number that is counted in another unit than the field is not what the field asks for.
    """
    text, kind = page.text, field.kind
    unit = unit_printed(text, label, reading.start, reading.end)
    # An amount is counted in nothing but money: a deposit of "3 months' rent" is none, nor what stands by "VAT %".
    if kind == "money" and _RATE_LABEL.match(label):
        return False
    other = kind == "money" or field.unit not in (None, unit)
    if unit and unit not in CURRENCY_CODES and other:
        return False
    if field.unit in CURRENCY_CODES and unit in CURRENCY_CODES and unit != field.unit:
        return False
    head, tail = text[window.start : reading.start], text[reading.end : window.end]
    printed = text[reading.start : reading.end]
    decimals = re.search(r"[.,]\d{2}\D?$", printed) is not None
    if _goes_on(printed, tail, decimals=decimals) or _came_on(printed, head):
        return False
    words = [word for word in re.findall(r"[^\W_]+", head) if not _is_mark(word)]
    if any(word.lower() in _FORMERLY for word in words):
        return False
    if marked and _OTHER_CLAUSE.search(head):
        return False
    # Cents or a currency mark beside it: an amount, whatever words are around.
    if kind == "money" and (decimals or is_priced(text, reading.start, reading.end)):
        return True
    if any(word.lower() in _ELSEWHERE for word in words):
        return False
    if not marked:
        return decimals or not words
    # Words before the number make it a part of what they say; a unit or "no" is short.
    if sum(map(len, words)) > 3:
        return False
    rest = _LABEL_BEHIND.split(_OUT_OF.sub("", tail, count=1), maxsplit=1)[0]
    return kind in {"money", "percent"} or not any(c.isdigit() for c in rest)


def _goes_on(printed: str, tail: str, *, decimals: bool) -> bool:
    """Whether what follows a number makes another value of the two: a range, a sum, a list, a share."""
    going = _GOES_ON.match(tail)
    if going is not None and not (decimals and _NEXT_AMOUNT.fullmatch(going.group())):
        return True
    if is_compound(tail):
        return True
    mark = CURRENCY.match(tail.lstrip())
    second = _SECOND.match(tail.lstrip()[mark.end() :] if mark else tail)
    if second is not None and (mark or _is_mark(second["mark"]) or second["listed"]):
        return True
    # A year of two: 2023/24. (4/5 is a rating, 3/4 a part of one.)
    return bool(re.fullmatch(r"(?:19|20)\d\d", printed) and re.match(r"\s?/\s?\d", tail))


def _came_on(printed: str, head: str) -> bool:
    """Whether what stands before a number makes it a part of something else: a code, a range, a bound, a product."""
    # The 234,50 of "1 234,50 kr", where the rest of the window is not understood.
    if re.search(r"(?<!\d)\d{1,3}[ \u00a0]$", head) and re.match(r"\d{3}(?!\d)", printed):
        return True
    coming = _CAME_ON.search(head)
    return coming is not None and not _is_mark(coming["letters"])


def _is_mark(word: str | None) -> bool:
    return word is not None and CURRENCY.fullmatch(word) is not None


def _is_amount(reading: ParsedValue, pair: Pair, text: str) -> bool:
    printed = text[reading.start : reading.end]
    return bool(re.search(r"[.,'’]\d", printed)) or is_priced(text, reading.start, reading.end)


# Chosen on the developing half of the corpus: below, wrong values outnumber right ones.
THRESHOLD = 0.66
# Two values nearer than this are as likely as each other; neither is given.
MARGIN = 0.015


def choose(
    candidates: Iterable[FieldCandidate], *, threshold: float = THRESHOLD, margin: float = MARGIN
) -> FieldCandidate | None:
    """The best candidate; None below the threshold, or when another value scores within the margin.

    The same value in several places makes it a little surer.
    """
    groups: dict[str, list[FieldCandidate]] = {}
    for candidate in candidates:
        groups.setdefault(_same(candidate.value), []).append(candidate)
    ranked = sorted(
        (
            (max(c.score for c in group) + 0.004 * min(len(group) - 1, 3), key)
            for key, group in groups.items()
        ),
        # The value itself decides between equal scores, so that the result never depends on an
        # order.
        key=lambda pair: (-pair[0], pair[1]),
    )
    if not ranked or ranked[0][0] < threshold:
        return None
    # No value is better than one of two that are as likely.
    if len(ranked) > 1 and ranked[1][0] > ranked[0][0] - margin:
        return None
    return min(groups[ranked[0][1]], key=lambda c: (-c.score, c.spans[0].start if c.spans else 0))


def _same(value: object) -> str:
    return (
        (normalise(value) or value) if isinstance(value, str) and len(value) < 200 else repr(value)
    )


def settle_claims(
    candidates: Mapping[str, list[FieldCandidate]],
) -> dict[str, list[FieldCandidate]]:
    """Leave each labelled place to the field whose label fits it best: the due date is not also the date."""
    best: dict[tuple[int, int], float] = {}
    for found in candidates.values():
        for candidate in found:
            if candidate.label is not None:
                best[candidate.label] = max(best.get(candidate.label, 0.0), candidate.score)
    return {
        # A little below the best is still let in: two fields may truly share a label (total, amount
        # due).
        name: [c for c in found if c.label is None or c.score >= best[c.label] - 0.02]
        for name, found in candidates.items()
    }
