"""Labels: normal form, and how well the label of a document fits the field of a schema."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from prompture.errors import MissingExtra
from prompture.rules import data

FUZZY_AT_LEAST = 86.0  # rapidfuzz ratio: one slip in seven letters, two in fourteen

_PARENTHESES = re.compile(r"\([^()]{0,40}\)|\[[^\[\]]{0,40}\]")
_PERCENT = re.compile(r"@? ?\d{1,3}(?:[.,]\d{1,2})? ?%")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z][a-z]{2})")
_TOKEN = re.compile(r"[^\W_]+|[#%№]")
_SPACED = re.compile(r"\b(?:[^\W\d_] ){3,}[^\W\d_]\b")
_NUMBER_SIGN = re.compile(r"\b([nN])\s?[°º]")

_SAME = data.by_word("labels", "same")
_CURRENCY_WORDS = frozenset(data.words("labels", "currencies"))
_FILLERS = frozenset(data.words("labels", "fillers"))
QUALIFIERS = frozenset(data.words("labels", "qualifiers"))
"""Words that change what a label means: an "order date" is no "date due"."""


@lru_cache(maxsize=8192)
def normalise(label: str) -> str:
    """The normal form of a label or a field name: words in lower case, no accents, one word for "no./nr/#"."""
    return " ".join(_words(label))


def _words(label: str) -> list[str]:
    text = _PERCENT.sub(" ", _PARENTHESES.sub(_aside, label[:200]))
    text = _NUMBER_SIGN.sub(r" number ", text)
    text = _SPACED.sub(lambda run: run.group().replace(" ", ""), text)
    if text.upper() != text:  # capitals all through have no camel case
        text = _CAMEL.sub(" ", text)
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    words = [_SAME.get(word, word) for word in _TOKEN.findall(plain)]
    kept = [
        word
        for word in words
        if word not in _CURRENCY_WORDS and word not in _FILLERS and word != "%"
    ]
    return kept or words  # "RM" alone is still a label


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
    return max(_spelt(label, phrases), _contained(label, phrases), _closed_up(label, phrases))


def _spelt(label: str, phrases: Mapping[str, float]) -> float:
    if len(label) < 5:
        return 0.0
    ratio = _ratio()
    best = 0.0
    for phrase, weight in phrases.items():
        if abs(len(phrase) - len(label)) > 3 or len(phrase) < 5:
            continue
        score = ratio(label, phrase, score_cutoff=FUZZY_AT_LEAST)
        if score and _same_digits(label, phrase) and not _turned(label, phrase):
            best = max(best, weight * score / 100 * 0.97)
    return best


def _closed_up(label: str, phrases: Mapping[str, float]) -> float:
    """A label that a PDF's text layer has broken inside a word: "br uttosumme"."""
    if " " not in label or len(label) < 8:
        return 0.0
    closed = label.replace(" ", "")
    return max(
        (weight * 0.95 for phrase, weight in phrases.items() if phrase.replace(" ", "") == closed),
        default=0.0,
    )


def _turned(label: str, phrase: str) -> bool:
    """Whether two spellings differ in a word that turns the meaning: "excl tax" is no misspelt "incl tax"."""
    return bool((set(label.split()) ^ set(phrase.split())) & (QUALIFIERS | {"incl"}))


def _same_digits(label: str, phrase: str) -> bool:
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
