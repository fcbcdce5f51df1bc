"""What the things of everyday documents are called: field names, printed labels, the two sides of a trade."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from prompture.rules import data
from prompture.rules.labels import normalise

_ITEM_CONCEPTS = frozenset(
    ["quantity", "unit_price", "line_total", "item_description", "item_code", "unit", "tax_rate", "tax_total", "discount", "position", "date", "currency"]
)  # fmt: skip
# A "number" outside a list is a number of the document, not the position of an item.
_ITEMS_ONLY = frozenset({"item_description", "position"})
_GROUP_LOSS = 0.05  # of the weight of a label, for each group further down


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
def _everyday() -> tuple[Concept, ...]:
    found = []
    for name, section in data.load("concepts").items():
        if name != "sources":
            labels = tuple(data.split(group) for group in section.get("labels", ()))
            found.append(Concept(name, str(section["kind"]), data.split(section["names"]), labels))
    return tuple(found)


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
