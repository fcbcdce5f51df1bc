"""What the things of everyday documents are called: field names, printed labels and how well they fit, the two sides of a trade."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeVar

from prompture.errors import MissingExtra
from prompture.rules import data

_ITEM_CONCEPTS = frozenset(
    ["quantity", "unit_price", "line_total", "item_description", "item_code", "unit", "tax_rate", "tax_total", "discount", "position", "date", "currency"]
)  # fmt: skip
# A "number" outside a list is a number of the document, not the position of an item.
_ITEMS_ONLY = frozenset({"item_description", "position"})
_GROUP_LOSS = 0.05  # of the weight of a label, for each group further down
FUZZY_AT_LEAST = 86.0  # rapidfuzz ratio: one slip in seven letters, two in fourteen

_PARENTHESES = re.compile(r"\([^()]{0,40}\)|\[[^\[\]]{0,40}\]")
_PERCENT = re.compile(r"@? ?\d{1,3}(?:[.,]\d{1,2})? ?%")
# "pH" and "kW" are no two words.
_CAMEL = re.compile(r"(?<=[a-z0-9])(?<!\b[a-z](?=[A-Z]\b))(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z][a-z]{2})")
_TOKEN = re.compile(r"[^\W_]+|[#%№]")
_SPACED = re.compile(r"\b(?:[^\W\d_] ){3,}[^\W\d_]\b")
_MWST = re.compile(r"\bM[wW]\.?\s?S[tT]\b")  # no camel: German VAT
_NUMBER_SIGN = re.compile(r"\b[nN]\s?[°º]|№")  # № would come apart as "No"

_SAME = data.by_word("labels", "same")
T = TypeVar("T")
_CURRENCY_WORDS = frozenset(data.words("labels", "currencies"))
_FILLERS = frozenset(data.words("labels", "fillers"))
QUALIFIERS = frozenset(data.words("labels", "qualifiers"))
"""Words that change what a label means: an "order date" is no "date due"."""

DENIALS = frozenset(data.words("labels", "denials"))
"""Words that deny what follows them."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing that documents state. `names` are what schemas call it; `labels` what documents print, in
    groups, the likeliest first; `kind` is the parser of its value (`parsers.read`)."""

    name: str
    kind: str
    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...] = ()


class Concepts:
    """Concepts by the names that schemas give them. Of several with one name the first is meant."""

    def __init__(self, concepts: Iterable[Concept]) -> None:
        self._labels: dict[str, Mapping[str, float]] = {}
        self._named: dict[str, tuple[Concept, ...]] = {}
        for concept in concepts:
            self._labels.setdefault(concept.name, _weights(concept))
            for name in dict.fromkeys(normalise(name) for name in (*concept.names, concept.name)):
                self._named[name] = (*self._named.get(name, ()), concept)

    def labels(self, concept: str) -> Mapping[str, float]:
        """The labels of a concept in normal form, with their weights (0 to 1)."""
        return self._labels[concept]

    def find(self, phrases: Iterable[str], *, items: bool) -> Concept | None:
        """The concept that one of the phrases names; the first phrase counts first.

        `items`: the field is one of an item in a list, where "date" or "amount" are the item's.
        """
        tries = [self._named.get(phrase, ()) for phrase in phrases]
        if items:
            for concepts in tries:
                for concept in concepts:
                    if concept.name in _ITEM_CONCEPTS:
                        return concept
        for concepts in tries:
            for concept in concepts:
                if items or concept.name not in _ITEMS_ONLY:
                    return concept
        return None


def _weights(concept: Concept) -> dict[str, float]:
    weights: dict[str, float] = {}
    for rank, group in enumerate(concept.labels):
        for phrase in group:
            # A phrase of two groups keeps the weight of the likelier one.
            weights.setdefault(normalise(phrase), round(0.98 - _GROUP_LOSS * rank, 3))
    return weights


@lru_cache(maxsize=16)
def all_concepts(further: tuple[Concept, ...] = ()) -> Concepts:
    """The everyday concepts, and `further` ones after them."""
    return Concepts([*_everyday(), *further])


def concept_labels(concept: str) -> Mapping[str, float]:
    """The labels of an everyday concept in normal form, with their weights."""
    return all_concepts().labels(concept)


@cache
def everyday_labels() -> frozenset[str]:
    """The labels of all everyday concepts, and of the parts of a party, in normal form."""
    labels = (label for one in _everyday() for label in concept_labels(one.name))
    return frozenset({*labels, *_roles()})


@cache
def _everyday() -> tuple[Concept, ...]:
    found = []
    for name, section in data.load("concepts").items():
        if name != "sources":
            labels = tuple(_group(group) for group in section.get("labels", ()))
            found.append(Concept(name, str(section["kind"]), data.split(section["names"]), labels))
    return tuple(found)


def _group(text: str) -> tuple[str, ...]:
    """The labels of one group; "@name" is a list that several concepts share."""
    return data.words("labels", text[1:]) if text.startswith("@") else data.split(text)


@cache
def side_words() -> tuple[tuple[str, str], ...]:
    """The words for each side in normal form, longest first: ("bill to name", "buyer")."""
    # The longest first, so that "bill to name" is not read as "bill to" with a rest.
    pairs = [
        (normalise(word), side)
        for side in ("seller", "buyer")
        for word in data.words("parties", side)
    ]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


@cache
def _roles() -> dict[str, str]:
    return {normalise(word): role for word, role in data.by_word("parties", "roles").items()}


def party_role(phrases: Iterable[str]) -> str | None:
    """The part of a party that one of the phrases names: "zip code" is its "postcode"."""
    return next((_roles()[phrase] for phrase in phrases if phrase in _roles()), None)


def split_party(phrases: Iterable[str]) -> tuple[str | None, str | None]:
    """Read "vendor city" as ("seller", "city"), "company" as ("seller", "name"); (None, None) otherwise."""
    for phrase in phrases:
        for word, side in side_words():
            if phrase == word:
                return side, "name"
            if phrase.startswith(word + " "):
                role = party_role([phrase[len(word) + 1 :]])
                if role:
                    return side, role
    return None, None


@lru_cache(maxsize=8192)
def normalise(label: str) -> str:
    """The normal form of a label or a field name: words in lower case, no accents, one word for "no./nr/#"."""
    return " ".join(_words(label))


def _words(label: str) -> list[str]:
    # Bounded: a line without a gap may be a whole page.
    text = _PERCENT.sub(" ", _PARENTHESES.sub(_aside, label[:200]))
    text = _NUMBER_SIGN.sub(r" number ", text)
    text = _MWST.sub("mwst", text)
    text = _SPACED.sub(lambda run: run.group().replace(" ", ""), text)
    if text.upper() != text:  # capitals all through have no camel case
        text = _CAMEL.sub(" ", text)
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    words = [_SAME.get(word, word) for word in map(_mended, _TOKEN.findall(plain))]
    kept = [
        word
        for word in words
        if word not in _CURRENCY_WORDS and word not in _FILLERS and word != "%"
    ]
    return kept or words  # "RM" alone is still a label


_SLIPS = tuple(str.maketrans("01", letters) for letters in ("ol", "oi"))


def _mended(word: str) -> str:
    """A word of a label in which a scan has read o as 0, or l or i as 1: "t0tal", "tota1". Digits are never mended."""
    if len(word) < 4 or word.isalpha() or word.isdigit():
        return word
    tries = (word.translate(slips) for slips in _SLIPS)
    return next((one for one in tries if one in _label_words()), word)


@cache
def _label_words() -> frozenset[str]:
    """The words of all everyday labels, as they are written in the data: in normal form."""
    groups = (group for one in _everyday() for group in one.labels)
    return frozenset(word for group in groups for label in group for word in label.split())


def _aside(brackets: re.Match[str]) -> str:
    """Brackets are kept when words stand in them ("incl. GST"), not for codes and units ("(380)", "(RM)")."""
    inside = brackets.group()[1:-1]
    letters = sum(c.isalpha() for c in inside)
    return f" {inside} " if letters >= 3 and not any(c.isdigit() for c in inside) else " "


def similarity(label: str, phrases: Mapping[str, float]) -> float:
    """How well a label (in normal form) fits phrases (normal form to weight): 0 to 1.

    An exact phrase keeps its weight. A misspelt one (OCR) loses some; one with extra words loses more, and all when
    an extra word changes the meaning; a phrase's head word alone ("date" for "invoice date") gets least.
    """
    exact = phrases.get(label)
    if exact is not None:
        return exact
    # Independent guesses, of which the surest counts: they never add up.
    return max(
        _spelt(label, phrases),
        _contained(label, phrases),
        _closed_up(label, phrases),
        _with_tax(label, phrases),
    )


_TAXES = frozenset({"gst", "vat", "tax", "sst", "mwst", "ust", "tva", "iva", "btw"})
_OF_TOTALS = frozenset({"total", "due", "payable"})
_OF_NET = frozenset({"net", "sub", "subtotal", "excl", "without", "line"})


def _with_tax(label: str, phrases: Mapping[str, float]) -> float:
    """A label of a total that says that tax is in it, "Total due (GST incl.)": what it is called without."""
    words = label.split()
    rest = [word for word in words if word not in _TAXES and word != "incl"]
    if len(rest) != len(words) - 2 or "incl" not in words:
        return 0.0
    if _OF_TOTALS.isdisjoint(rest) or not _OF_NET.isdisjoint(rest):
        return 0.0
    return phrases.get(" ".join(rest), 0.0) * 0.97


def _spelt(label: str, phrases: Mapping[str, float]) -> float:
    if len(label) < 5:  # one slip makes another word of it: "date", "rate"
        return 0.0
    ratio = _ratio()
    best = 0.0
    for phrase, weight in phrases.items():
        # A cheap test first: no phrase so much longer reaches the ratio.
        if abs(len(phrase) - len(label)) > 3 or len(phrase) < 5:
            continue
        score = ratio(label, phrase, score_cutoff=FUZZY_AT_LEAST)
        if score and _same_digits(label, phrase) and not _turned(label, phrase):
            best = max(best, weight * score / 100 * 0.97)
    return best


def _closed_up(label: str, phrases: Mapping[str, float]) -> float:
    """A label that a PDF's text layer has broken inside a word, "br uttosumme", or a scan has written as one, "INVOICENO"."""
    if len(label) < 8:
        return 0.0
    closed = label.replace(" ", "")
    tries = (closed, closed[:-2] + "number" if closed.endswith(("no", "nr")) else closed)
    return max(
        (weight * 0.95 for phrase, weight in phrases.items() if phrase.replace(" ", "") in tries),
        default=0.0,
    )


def _turned(label: str, phrase: str) -> bool:
    """Whether two spellings differ in a word that turns the meaning: "excl tax" is no misspelt "incl tax"."""
    return bool((set(label.split()) ^ set(phrase.split())) & (QUALIFIERS | {"incl"})) or _prefixed(
        label, phrase
    )


def _prefixed(left: str, right: str) -> bool:
    """Whether a word of one is a word of the other with letters before it: "unpaid" is no misspelt "paid"."""
    ours, theirs = set(left.split()), set(right.split())
    return any(
        one != other and (one.endswith(other) or other.endswith(one))
        for one in ours - theirs
        for other in theirs - ours
        if min(len(one), len(other)) >= 4
    )


def _same_digits(label: str, phrase: str) -> bool:
    # "tax 1" and "tax 2" are two things, not one with a slip.
    return [c for c in label if c.isdigit()] == [c for c in phrase if c.isdigit()]


def _contained(label: str, phrases: Mapping[str, float]) -> float:
    words = set(label.split())
    best = 0.0
    for phrase, weight in phrases.items():
        wanted = set(phrase.split())
        extra = words - wanted
        if wanted <= words and len(extra) <= 2 and not extra & QUALIFIERS:
            best = max(best, weight * (0.86 - 0.06 * len(extra)))
    return best


def _ratio() -> Callable[..., float]:
    try:
        from rapidfuzz import fuzz
    except ImportError as missing:
        raise MissingExtra(extra="local", package="rapidfuzz") from missing
    ratio: Callable[..., float] = fuzz.ratio
    return ratio


def best_choice(printed: str, allowed: list[T]) -> T | None:
    """The one allowed value that a printed text names; None when none or several do."""
    words = normalise(printed)
    if not words:
        return None
    equal = [value for value in allowed if normalise(str(value)) == words]
    if len(equal) == 1:
        return equal[0]
    padded = f" {words} "
    inside = [
        value
        for value in allowed
        if normalise(str(value)) and f" {normalise(str(value))} " in padded
    ]
    # "not approved" names "approved" and means another.
    denied = is_denied(printed) and not any(is_denied(str(value)) for value in inside)
    if len(inside) == 1 and not denied:
        return inside[0]
    if equal or inside or denied:
        return None
    return _closest(words, allowed)


def is_denied(text: str) -> bool:
    """Whether a text has a word that denies what it says: "not approved", "by no one", "to be approved"."""
    # As printed, for the normal form of "no" is "number".
    return not DENIALS.isdisjoint(re.findall(r"[^\W\d_]+", text.casefold()))


def _closest(words: str, allowed: list[T]) -> T | None:
    ratio = _ratio()
    scored = sorted(
        ((ratio(words, normalise(str(value))), index) for index, value in enumerate(allowed)),
        reverse=True,
    )
    if not scored or scored[0][0] < 88 or (len(scored) > 1 and scored[1][0] > scored[0][0] - 5):
        return None
    best = allowed[scored[0][1]]
    return None if _prefixed(words, normalise(str(best))) else best
