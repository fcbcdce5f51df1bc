"""The cheapest model that can do what is needed.

A wish may be written ``"cheapest?json_schema&context>=200k&provider=openai,google"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from prompture import given
from prompture.catalog.cost import cost_of
from prompture.catalog.lookup import MAIN
from prompture.catalog.models import Entry
from prompture.errors import UnknownOption
from prompture.provider_names import catalog_key
from prompture.types import Usage

TYPICAL = Usage(input_tokens=2000, output_tokens=500, requests=1, reported=True)
"""A page of a document in, a filled schema out: the call by which models are compared."""
ABILITIES = ("json_schema", "tools", "vision", "pdf", "audio", "video", "reasoning", "temperature")
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}
_SIZE = re.compile(r"(context|input|output)>=(\d{1,9})([km]?)", re.IGNORECASE)
_KNOWN = f"{', '.join(ABILITIES)}, context>=N, input>=N, output>=N, provider=A,B, deprecated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a model must have. ``abilities`` are of ``ABILITIES``; sizes are tokens.

    ``providers`` are models.dev keys, none means any. A feature or a limit that the catalogue
    does not state counts as missing.
    """

    abilities: frozenset[str] = frozenset()
    context: int = 0
    input: int = 0
    output: int = 0
    providers: tuple[str, ...] = ()
    deprecated: bool = False

    def met_by(self, entry: Entry) -> bool:
        """Whether the model is known to have it all, and writes text."""
        features, limits = entry.features, entry.limits
        sizes = (
            (self.context, limits.context),
            (self.input, limits.input or limits.context),
            (self.output, limits.output),
        )
        return (
            (not self.providers or entry.provider in self.providers)
            and (self.deprecated or entry.status != "deprecated")
            and features.outputs in (None, ("text",))
            and _talks(entry)
            and limits.output is not None
            and all(getattr(features, name) for name in self.abilities)
            and all(have is not None and have >= wanted for wanted, have in sizes if wanted)
        )


def _talks(entry: Entry) -> bool:
    """Whether it is a chat model: an embedding's output is listed as text, too."""
    features = entry.features
    known = features.tools or features.temperature or features.reasoning
    # By its features: the catalogue states no kind of model.
    return bool(known) and "embed" not in entry.id.lower()


def parse_needs(wish: str) -> Needs:
    """Needs of ``"cheapest"`` or ``"cheapest?..."``. Raises UnknownOption for a foreign word."""
    name, _, query = wish.partition("?")
    if name != "cheapest":
        raise UnknownOption(f'"{wish}" does not begin with "cheapest"')
    abilities: set[str] = set()
    sizes: dict[str, int] = {}
    providers: list[str] = []
    for term in filter(None, query.split("&")):
        size = _SIZE.fullmatch(term)
        if size:
            what, number, unit = size.groups()
            sizes[what.lower()] = int(number) * _UNITS[unit.lower()]
        elif term.startswith("provider="):
            providers += [catalog_key(p) for p in term.removeprefix("provider=").split(",") if p]
        elif term in ABILITIES or term == "deprecated":
            abilities.add(term)
        else:
            raise UnknownOption(f'"{term}" in "{wish}" is not known; known are {_KNOWN}')
    return Needs(
        abilities=frozenset(abilities - {"deprecated"}),
        providers=tuple(providers),
        deprecated="deprecated" in abilities,
        **sizes,
    )


def cheapest_of(
    entries: Callable[[str], Iterable[Entry]],
    find: Callable[[str], Entry | None],
    needs: Needs,
    *,
    among: Iterable[str | Entry] | None = None,
    usage: Usage = TYPICAL,
) -> list[Entry]:
    """The models that meet the needs and whose price is known, cheapest first.

    ``among`` are entries, ``"provider/model"`` names or providers; the main providers if not
    given. Of equal prices, the one with the later release comes first.
    """
    offered = _offered(entries, find, among if among is not None else needs.providers or MAIN)
    priced: dict[str, tuple[Decimal, Entry]] = {}
    for entry in offered:
        usd = cost_of(usage, entry).usd if needs.met_by(entry) else None
        if usd is not None:
            priced[entry.key] = (usd, entry)
    # Two sorts, of which the second keeps the order of the first where prices are equal.
    newest_first = sorted(priced.values(), key=lambda p: (p[1].released, p[1].key), reverse=True)
    return [entry for _, entry in sorted(newest_first, key=lambda p: p[0])]


def _offered(
    entries: Callable[[str], Iterable[Entry]],
    find: Callable[[str], Entry | None],
    among: Iterable[str | Entry],
) -> Iterator[Entry]:
    if isinstance(among, (str, Entry)):
        among = (among,)
    if not isinstance(among, Iterable):
        raise given.wrong("among", "providers, models or entries", among)
    for item in among:
        if isinstance(item, Entry):
            yield item
        elif not isinstance(item, str):
            raise given.wrong("an item of among", "a provider, a model or an entry", item)
        elif "/" in item:
            entry = find(item)
            if entry is not None:
                yield entry
        else:
            yield from entries(catalog_key(item))
