"""What keeps answers, and who may ask for one.

A store keeps answers by key, and for each key that is being asked for a *lease*: who has it asks, the
others wait. A lease ends by itself, so that a killed process holds nobody for long.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from threading import Event, Lock, Thread
from typing import Any, Protocol, TypeVar

from prompture import forks
from prompture.errors import ConfigurationError
from prompture.observe import log
from prompture.types import COMPLETE, Completion

T = TypeVar("T")
LEASE = 4.0
"""Seconds after which others no longer wait for one whose process is gone."""
_BEAT = 1.0
"""Seconds between two renewals: one that comes late ends no lease."""
SLOW, REST = 0.2, 5.0
"""A store that took so many seconds to fail is left alone for so long: a call asks it up to four
times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What is kept of an answer. ``usd`` is what it cost, "" where nobody knows."""

    value: bytes
    model: str
    usd: str
    made: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a store holds. ``hits`` are those of the answers that are still there; ``rows`` are
    model, price and hits of each."""

    answers: int
    size: int
    hits: int
    oldest: float | None
    rows: tuple[tuple[str, str, int], ...]


class AnswerStore(Protocol):
    """Where answers lie. ``blocks``: its methods may wait for a disk or a network, so an event
    loop calls them in a thread. Times are seconds since 1970."""

    blocks: bool

    def get(self, id: str, *, after: float) -> StoredAnswer | None:
        """The answer, if it was made after this moment; it counts as used."""
        ...

    def put(self, id: str, answer: StoredAnswer) -> None:
        """Keep an answer; those that were used longest ago make room."""
        ...

    def drop(self, id: str) -> None: ...

    def take(self, id: str, owner: str, seconds: float) -> str | None:
        """Take the lease of a key; where somebody else has it, who that is."""
        ...

    def renew(self, leases: Iterable[tuple[str, str]], seconds: float) -> None:
        """Let leases end so many seconds from now."""
        ...

    def release(self, id: str, owner: str) -> None: ...

    def tally(self) -> Tally: ...

    def clear(self, *, before: float | None = None) -> int:
        """Forget all answers, or those made before a moment; how many."""
        ...

    def close(self) -> None: ...


class MemoryStore:
    """Answers of this process. A forked child begins with a copy of them."""

    blocks = False

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._max = max_bytes
        self._clock = clock
        self._lock = forks.fork_lock()
        self._answers: OrderedDict[str, StoredAnswer] = OrderedDict()
        self._hits: dict[str, int] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._size = 0
        forks.renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        self._leases = {}  # those who had them are in the parent

    def get(self, id: str, *, after: float) -> StoredAnswer | None:
        with self._lock:
            found = self._answers.get(id)
            if found is None:
                return None
            if found.made <= after:
                self._forget(id)
                return None
            self._answers.move_to_end(id)
            self._hits[id] = self._hits.get(id, 0) + 1
            return found

    def put(self, id: str, answer: StoredAnswer) -> None:
        with self._lock:
            self._forget(id)
            self._answers[id] = answer
            self._size += len(answer.value)
            while self._size > self._max:
                self._forget(next(iter(self._answers)))

    def drop(self, id: str) -> None:
        with self._lock:
            self._forget(id)

    def _forget(self, id: str) -> None:
        if (found := self._answers.pop(id, None)) is not None:
            self._size -= len(found.value)
            self._hits.pop(id, None)

    def take(self, id: str, owner: str, seconds: float) -> str | None:
        now = self._clock()
        with self._lock:
            other, until = self._leases.get(id, ("", 0.0))
            # One that ends later still was taken before the clock was set back.
            if now < until <= now + 10 * seconds:
                return other
            self._leases[id] = owner, now + seconds
            return None

    def renew(self, leases: Iterable[tuple[str, str]], seconds: float) -> None:
        until = self._clock() + seconds
        with self._lock:
            for id, owner in leases:
                if self._leases.get(id, ("",))[0] == owner:
                    self._leases[id] = owner, until

    def release(self, id: str, owner: str) -> None:
        with self._lock:
            if self._leases.get(id, ("",))[0] == owner:
                del self._leases[id]

    def tally(self) -> Tally:
        with self._lock:
            rows = [(a.model, a.usd, self._hits.get(id, 0)) for id, a in self._answers.items()]
            made = [a.made for a in self._answers.values()]
        return tallied(rows, self._size, min(made, default=None))

    def clear(self, *, before: float | None = None) -> int:
        with self._lock:
            gone = [id for id, a in self._answers.items() if before is None or a.made < before]
            for id in gone:
                self._forget(id)
        return len(gone)

    def close(self) -> None:
        return


def tallied(rows: Iterable[tuple[str, str, int]], size: int, oldest: float | None) -> Tally:
    kept = tuple(rows)
    return Tally(
        answers=len(kept), size=size, hits=sum(n for _, _, n in kept), oldest=oldest, rows=kept
    )


class Lease:
    """The right to ask for one answer, while others wait for it."""

    __slots__ = ("_leases", "id", "owner")

    def __init__(self, leases: Leases, id: str, owner: str) -> None:
        self.id, self.owner = id, owner
        self._leases: Leases | None = leases

    def release(self) -> None:
        """Let the others go on: the answer is there, or there will be none."""
        if self._leases is not None:
            leases, self._leases = self._leases, None
            leases.release(self)

    def done(self) -> None:
        """Nothing more is to be done with it."""
        self._leases = None

    def answered(self) -> None:
        """The answer is there and will be judged: that takes no longer than a lease."""
        if self._leases is not None:
            self._leases.let_run_out(self)

    def __del__(self) -> None:
        # Left by somebody who was interrupted. Of a file it ends by itself: no disk in here.
        if self._leases is not None:
            self._leases.forget(self)


class Leases:
    """The leases of this process in a store, and what a store cannot do."""

    def __init__(self, store: AnswerStore) -> None:
        self.store = store
        self._warned = False
        self._rests_until = 0.0
        self._renew()
        forks.renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        # In a forked child: the leases, and the thread, are the parent's.
        self._own: dict[str, tuple[str, float]] = {}
        self._beating: dict[str, str] = {}
        self._names = (f"{os.getpid()}-{uuid.uuid4().hex[:12]}-{n}" for n in count())
        self._lock = Lock()
        self._thread: Thread | None = None
        self._over = Event()

    def asking(self, id: str) -> str:
        """Who in this process is asking for a key, "" for nobody."""
        owner, until = self._own.get(id, ("", 0.0))
        return owner if until > time.monotonic() else ""

    def take(self, id: str) -> Lease | str:
        """The lease of a key, or who else has it. Where the store does not work, a lease that
        only this process sees."""
        with self._lock:
            # Of two threads that come here at once, one gets it, and no store is asked for the other.
            if here := self.asking(id):
                return here
            owner = next(self._names)
            self._own[id] = owner, float("inf")
        other: str | None = self.trying(lambda store: store.take(id, owner, LEASE), None)
        lease = Lease(self, id, owner)
        if other is not None:
            self.forget(lease)
            lease.done()
            return other or owner
        with self._lock:
            self._beating[id] = owner
            if self._thread is None:
                self._thread = Thread(target=self._beat, name="prompture-cache", daemon=True)
                self._thread.start()
        return lease

    def release(self, lease: Lease) -> None:
        self.trying(lambda store: store.release(lease.id, lease.owner), None)
        self.forget(lease)

    def forget(self, lease: Lease) -> None:
        """Let a lease end by itself."""
        with self._lock:
            if self._own.get(lease.id, ("",))[0] == lease.owner:
                del self._own[lease.id]
                self._beating.pop(lease.id, None)

    def let_run_out(self, lease: Lease) -> None:
        """Renew a lease for the last time."""
        with self._lock:
            if self._own.get(lease.id, ("",))[0] == lease.owner:
                self._own[lease.id] = lease.owner, time.monotonic() + LEASE
                self._beating.pop(lease.id, None)
        self.trying(lambda store: store.renew(((lease.id, lease.owner),), LEASE), None)

    def _beat(self) -> None:
        """Renew the leases of this process while it has any: the thread."""
        lock, over = self._lock, self._over
        while True:
            over.wait(_BEAT)
            with lock:
                held = tuple(self._beating.items())
                if not held:
                    self._thread = None
                    return
            self._renewed(held)

    def _renewed(self, held: tuple[tuple[str, str], ...]) -> None:
        self.trying(lambda store: store.renew(held, LEASE), None)

    def trying(self, work: Callable[[AnswerStore], T], otherwise: T) -> T:
        """Do some work in the store. A cache that does not work keeps no answer back: that is
        reported once, and the models are asked."""
        began = time.monotonic()
        if began < self._rests_until:
            return otherwise
        try:
            return work(self.store)
        except ConfigurationError:
            raise
        except Exception as exc:  # of a disk or a network, each with errors of its own
            if (now := time.monotonic()) - began > SLOW:
                self._rests_until = now + REST
            if not self._warned:
                self._warned = True
                log.warning("the cache does not work (%s); models are asked", _words(exc))
            return otherwise

    def doing(self, work: Callable[[AnswerStore], T], what: str) -> T:
        """The same for those who want to know. Raises ConfigurationError."""
        try:
            return work(self.store)
        except ConfigurationError:
            raise
        except Exception as exc:  # as above
            raise ConfigurationError(f"cannot {what} the cache: {_words(exc)}") from exc


def _words(exc: Exception) -> str:
    # Those of other packages may quote a URL with its password.
    words = str(exc) if isinstance(exc, (sqlite3.Error, OSError)) else ""
    return f"{type(exc).__name__}: {words}" if words else type(exc).__name__


class CallCache(Protocol):
    """What a call asks of a ``Cache``."""

    blocks: bool
    checks: bool

    def lookup(self, id: str) -> StoredAnswer | Lease | str: ...

    def key(self, parts: Mapping[str, Any], body: bytes) -> str: ...

    def put(self, id: str, value: bytes, *, model: str, usd: Decimal | None) -> None: ...

    def drop(self, id: str) -> None: ...


class KeptLater:
    """What becomes of an answer in a cache, once its reader has judged it. A pickled one is
    None: it belongs to this process."""

    __slots__ = ("_drop", "_keep", "blocks")

    def __init__(self, keep: Callable[[], None], drop: Callable[[], None], *, blocks: bool) -> None:
        self._keep, self._drop = keep, drop
        self.blocks = blocks

    def judged(self, *, valid: bool) -> None:
        """Keep a valid answer; forget another. Later calls do nothing."""
        work = self._keep if valid else self._drop
        self._keep = self._drop = _nothing
        work()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def _nothing() -> None:
    return


def is_whole(completion: Completion) -> bool:
    """Whether an answer is one to keep: ended by the model, not refused, and not empty."""
    return (
        completion.stop_reason in COMPLETE
        and not completion.refusal
        and bool(completion.tool_calls or completion.text.strip())
    )
