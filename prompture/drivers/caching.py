"""``Cache``: answers that are kept and given again, for nothing.

An answer is found by a digest of the request as its provider would get it: URL, body (so the model,
messages, schema, tools, options and pictures) and headers, without any key. Who finds none takes a
*lease* and asks; others who want the same wait for that answer, in whichever thread, task or process.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar, cast

from prompture import given
from prompture.drivers.cache_stores import AnswerStore, Lease, Leases, MemoryStore, StoredAnswer
from prompture.drivers.shared_cache import RedisStore, SQLiteStore
from prompture.errors import ConfigurationError
from prompture.money import ZERO, add_usd
from prompture.wire.secrets import shown_place

K = TypeVar("K")
VERSION = 1
"""Of what is kept, and of how requests are digested: another number finds nothing of before."""
_MEGABYTE = 1_000_000
_TTL = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What a cache holds. ``size`` is in bytes; ``hits`` and ``saved`` (US dollars, where the price
    is known) are those of the answers that are still there; ``oldest`` is seconds since 1970."""

    answers: int
    size: int
    hits: int
    saved: Decimal
    oldest: float | None
    models: Mapping[str, int]
    """How many answers there are of each ``provider/model``."""


class Cache:
    """Keeps the answers of models, and gives them again to whoever asks the same.

    Arguments:
        where: a file that processes may share (SQLite), a URL (``redis://...``, extra ``redis``),
            or None for the memory of this process.
        ttl: how long an answer is good for: seconds, a timedelta, or ``"30m"``, ``"12h"``, ``"7d"``;
            None: for ever.
        max_mb: megabytes that it may hold; answers that were used longest ago make room. Redis
            has a limit of its own (``maxmemory``).
        namespace: answers are given only to those with the same one (a tenant, say).

    Only whole answers are kept, and those of extractions only once they have been found valid.
    Threads, tasks and drivers may share one. A pickled or copied one shares its file.
    """

    def __init__(
        self,
        where: str | os.PathLike[str] | None = None,
        *,
        ttl: float | str | timedelta | None = None,
        max_mb: float | None = None,
        namespace: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if where is not None and (not isinstance(where, (str, os.PathLike)) or not str(where)):
            raise given.wrong("Cache: where", "a path, a URL or None", where)
        self.where = where
        self.ttl = _seconds(ttl)
        self.max_mb = given.number(max_mb, "Cache: max_mb", above=0, wanted="a number above 0")
        self.namespace = given.words(namespace, "Cache: namespace", empty=True) or ""
        self.checks = False
        """Whether an answer is kept only once its reader has found it valid."""
        self._clock = clock
        self.leases = Leases(_store(where, self.max_mb, self.ttl, clock))

    @property
    def blocks(self) -> bool:
        """Whether it may wait for a disk or a network: never in an event loop, then."""
        return self.leases.store.blocks

    def checked(self) -> Cache:
        """The same cache, for a caller that says of each answer whether it is to be kept."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, checks=True)
        return other

    def call_class(self, kind: type[K]) -> type[K]:
        """The class of calls that ask this cache first, for the one that does not."""
        from prompture.drivers.cached_call import cached

        return cast("type[K]", cached(cast(Any, kind)))

    def lookup(self, id: str) -> StoredAnswer | Lease | str:
        """An answer; or the lease to ask for one; or who else is asking for it."""
        leases = self.leases
        if other := leases.asking(id):  # in this process: no disk need be asked
            return other
        found = leases.trying(lambda store: self._get(store, id), None)
        if found is not None:
            return found
        lease = leases.take(id)
        if isinstance(lease, str):
            return lease
        # Who had the lease before may have kept its answer just now.
        if (found := leases.trying(lambda store: self._get(store, id), None)) is not None:
            lease.release()
            return found
        return lease

    def _get(self, store: AnswerStore, id: str) -> StoredAnswer | None:
        if self.ttl is None:
            return store.get(id, after=0.0)
        now = self._clock()
        found = store.get(id, after=now - self.ttl)
        # One of a day to come was made before the clock was set right: nobody knows how old it is.
        return None if found is not None and found.made > now + self.ttl else found

    def put(self, id: str, value: bytes, *, model: str, usd: Decimal | None) -> None:
        """Keep an answer."""
        answer = StoredAnswer(
            value=value, model=model, usd="" if usd is None else f"{usd:f}", made=self._clock()
        )
        self.leases.trying(lambda store: store.put(id, answer), None)

    def drop(self, id: str) -> None:
        """Forget an answer."""
        self.leases.trying(lambda store: store.drop(id), None)

    def key(self, parts: Mapping[str, Any], body: bytes) -> str:
        """The digest by which an answer is found, of the parts that ``CachedCall`` gives."""
        found = hashlib.sha256()
        text = json.dumps([VERSION, self.namespace, parts], sort_keys=True, default=str)
        # A prompt may hold half a surrogate pair. JSON holds no zero byte: the body begins behind it.
        found.update(text.encode("utf-8", "surrogatepass"))
        found.update(b"\0")
        found.update(body)
        return found.hexdigest()

    def stats(self) -> CacheStats:
        """What it holds. Raises ConfigurationError where it cannot be read."""
        tally = self.leases.doing(lambda store: store.tally(), "read")
        models: dict[str, int] = {}
        saved = ZERO
        for model, usd, hits in tally.rows:
            models[model] = models.get(model, 0) + 1
            if usd and hits:
                with suppress(InvalidOperation):  # damaged, on a disk
                    saved = add_usd([saved, Decimal(usd) * hits])
        return CacheStats(
            answers=tally.answers,
            size=tally.size,
            hits=tally.hits,
            saved=saved,
            oldest=tally.oldest,
            models=models,
        )

    def clear(self, *, older_than: float | str | timedelta | None = None) -> int:
        """Forget all answers, or those that are older; how many. Raises ConfigurationError where it
        cannot be written."""
        age = _seconds(older_than, "older_than")
        before = None if age is None else self._clock() - age
        return self.leases.doing(lambda store: store.clear(before=before), "clear")

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self.leases.store.close()

    def __reduce__(self) -> tuple[Any, ...]:
        settings = {"ttl": self.ttl, "max_mb": self.max_mb, "namespace": self.namespace}
        return _made, (self.where, settings, self.checks)

    # A copy of a driver keeps its answers in the same place.
    def __copy__(self) -> Cache:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Cache:
        return self

    def __repr__(self) -> str:
        where = "" if self.where is None else repr(shown_place(self.where))
        return f"Cache({where})"


def _made(where: Any, settings: Mapping[str, Any], checks: bool) -> Cache:
    made = Cache(where, **settings)
    return made.checked() if checks else made


def _store(
    where: str | os.PathLike[str] | None,
    max_mb: float | None,
    ttl: float | None,
    clock: Callable[[], float],
) -> AnswerStore:
    size = int(max_mb * _MEGABYTE) if max_mb is not None else None
    if where is None:
        return MemoryStore(size or 256 * _MEGABYTE, clock)
    if isinstance(where, str) and "://" in where:
        if not where.startswith(("redis://", "rediss://", "unix://")):
            raise ConfigurationError("Cache: a URL begins with redis://, rediss:// or unix://")
        if max_mb is not None:
            raise ConfigurationError("Cache: Redis has its own limit (maxmemory); leave max_mb out")
        return RedisStore(where, ttl, clock)
    path = Path(where).expanduser().absolute()
    if path.is_dir():
        raise ConfigurationError(f"Cache: {str(where)!r} is a folder; give a file")
    return SQLiteStore(path, size or 1000 * _MEGABYTE, clock)


def _seconds(ttl: object, name: str = "ttl") -> float | None:
    if isinstance(ttl, timedelta):
        ttl = ttl.total_seconds()
    if isinstance(ttl, str):
        found = _TTL.fullmatch(ttl.strip())
        if found is None:
            raise given.wrong(
                f"Cache: {name}", "seconds, or a time such as '30m', '12h' or '7d'", ttl
            )
        ttl = float(found[1]) * _UNITS[found[2]]
    wanted = "seconds above 0, a timedelta, or a time such as '30m' or '7d'"
    return given.number(ttl, f"Cache: {name}", above=0, wanted=wanted)
