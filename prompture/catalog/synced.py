"""The models that providers list themselves, held against the catalogue and kept in a file of the user's.

``driver.sync_models()`` and ``prompture models --sync`` write it; look-ups ask it last, for what it
has no price, and a model that the catalogue knows under a name like it must stay priced.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prompture.catalog.lookup import bare_id
from prompture.catalog.models import Entry
from prompture.catalog.sources import CatalogSource
from prompture.errors import ConfigurationError
from prompture.given import why
from prompture.types import JSON, ModelInfo
from prompture.wire.loading import load_json

log = logging.getLogger("prompture.catalog")
VARIABLE = "PROMPTURE_MODELS"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSync:
    """What came of holding a provider's own list against the catalogue.

    Attributes:
        provider: the key that its models are kept under.
        models: what the provider lists.
        new: ids that the catalogue does not know.
        gone: ids that the catalogue lists and the provider does not, or not for this key.
        unpriced: ids whose price is unknown; see ``set_price``.
        path: the file that keeps them; None where they were not kept.
    """

    provider: str
    models: tuple[ModelInfo, ...] = field(default=(), repr=False)
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    path: Path | None = None

    def __str__(self) -> str:
        return (
            f"{self.provider}: {len(self.models)} models, {len(self.new)} new, "
            f"{len(self.gone)} gone, {len(self.unpriced)} without a price"
        )


def held_against(
    provider: str,
    models: Iterable[ModelInfo],
    *,
    find: Callable[[str], Entry | None],
    ids: Iterable[str],
    free: bool = False,
) -> ModelSync:
    """Compare a provider's own list with the catalogue's. ``find`` and ``ids`` are the catalogue's
    of this provider, without what was synced before; ``free`` providers have no prices."""
    listed = {model.id: model for model in models if model.id}
    known = {model: find(model) for model in listed}
    here = {bare_id(provider, model).lower() for model in listed}
    unpriced = [m for m, entry in known.items() if entry is None or entry.rates is None]
    return ModelSync(
        provider=provider,
        models=tuple(listed.values()),
        new=tuple(sorted(m for m, entry in known.items() if entry is None)),
        gone=tuple(sorted(m for m in ids if bare_id(provider, m).lower() not in here)),
        unpriced=() if free else tuple(sorted(unpriced)),
    )


def path_of(environ: Mapping[str, str]) -> Path | None:
    """The user's file: ``PROMPTURE_MODELS``, else in the folder for the user's data. None where the
    catalogue is to be the packaged one alone (``PROMPTURE_CATALOG=snapshot``)."""
    if chosen := environ.get(VARIABLE, "").strip():
        return Path(chosen).expanduser()
    if environ.get("PROMPTURE_CATALOG", "").strip().lower() == "snapshot":
        return None
    from platformdirs import user_data_path

    return user_data_path("prompture", appauthor=False) / "models.json"


def read(path: Path | None) -> CatalogSource | None:
    """What the file has; None where there is none, or it cannot be read: that is logged, for a call
    that was paid for must not fail over a list of names."""
    if path is None or not path.is_file():
        return None
    try:
        providers = _providers(path)
    except ConfigurationError as exc:
        log.warning("%s", exc)
        return None
    newest = max((str(p.get("as_of", "")) for p in providers.values()), default="")
    return CatalogSource(providers, "synced", newest)


def keep(path: Path, provider: str, models: Iterable[ModelInfo]) -> None:
    """Put a provider's models into the file, in the place of those it had; in one step, so that no
    other process reads half of it. Raises ConfigurationError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            providers = dict(_providers(path)) if path.is_file() else {}
            today = datetime.now(UTC).date().isoformat()
            providers[provider] = {
                "as_of": today,
                "models": {model.id: _record(model, today) for model in models},
            }
            whole = {"version": _VERSION, "providers": providers}
            _put(path, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    except OSError as exc:
        raise ConfigurationError(f"the models cannot be kept in {str(path)!r}: {why(exc)}") from exc


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other threads and processes from changing the file between our reading and writing."""
    try:
        import fcntl
    except ImportError:  # Windows: of two at once, the last wins
        yield
        return
    # The folder: the file itself is another one after each writing.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _put(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as part:
            part.write(text)
        os.replace(name, path)
    except BaseException:  # no half-written file is left behind
        os.unlink(name)
        raise


def _providers(path: Path) -> Mapping[str, Any]:
    try:
        data = load_json(path.read_bytes(), number=str)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{str(path)!r} ({VARIABLE}) cannot be read: {exc}") from exc
    providers = data.get("providers") if isinstance(data, dict) else None
    if not isinstance(providers, dict) or data.get("version") != _VERSION:
        raise ConfigurationError(
            f"{str(path)!r} ({VARIABLE}) is no list of models of version {_VERSION}; delete it, and "
            f"sync again"
        )
    return {key: p for key, p in providers.items() if isinstance(p, dict)}


def _record(model: ModelInfo, today: str) -> JSON:
    """A model in the shape of models.dev, so that it is read like any other."""
    limit = {"context": model.context_tokens, "output": model.output_tokens}
    stated = {name: count for name, count in limit.items() if count}
    released = {}
    if model.created and 0 < model.created < 32_503_680_000:  # before the year 3000
        day = datetime.fromtimestamp(model.created, UTC).date().isoformat()
        released = {"release_date": day}
    return {"as_of": today, **({"limit": stated} if stated else {}), **released}
