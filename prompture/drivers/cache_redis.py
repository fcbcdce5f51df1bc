"""Answers in Redis, which machines share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from prompture.drivers.cache_stores import StoredAnswer, Tally, tallied
from prompture.errors import MissingExtra

_ANSWERS, _LEASES, _HITS = (
    "prompture:cache:answer:",
    "prompture:cache:lease:",
    "prompture:cache:hits",
)
# Only its owner's lease is renewed or given back, and nobody comes in between.
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) end"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"


class RedisStore:
    """Answers at a URL. Redis itself forgets them after ``ttl`` seconds, and makes room by its own
    rules (``maxmemory``). The package's own connections bear threads and forks."""

    blocks = True

    def __init__(self, url: str, ttl: float | None, clock: Callable[[], float] = time.time) -> None:
        try:
            import redis
        except ImportError as exc:
            raise MissingExtra(extra="redis", package="redis") from exc
        self._client: Any = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
        self._ttl = None if ttl is None else max(1, round(ttl * 1000))
        self._clock = clock

    def get(self, id: str, *, after: float) -> StoredAnswer | None:
        kept = self._client.get(_ANSWERS + id)
        if kept is None:
            return None
        head, _, value = kept.partition(b"\n")
        about = json.loads(head)
        if about["made"] <= after:
            return None
        self._client.hincrby(_HITS, id, 1)
        return StoredAnswer(value=value, **about)

    def put(self, id: str, answer: StoredAnswer) -> None:
        about = {"model": answer.model, "usd": answer.usd, "made": answer.made}
        kept = json.dumps(about).encode() + b"\n" + answer.value
        self._client.set(_ANSWERS + id, kept, px=self._ttl)

    def drop(self, id: str) -> None:
        self._client.delete(_ANSWERS + id)
        self._client.hdel(_HITS, id)

    def take(self, id: str, owner: str, seconds: float) -> str | None:
        if self._client.set(_LEASES + id, owner, nx=True, px=round(seconds * 1000)):
            return None
        other = self._client.get(_LEASES + id)
        return other.decode() if other else ""

    def renew(self, leases: Iterable[tuple[str, str]], seconds: float) -> None:
        for id, owner in leases:
            self._client.eval(_RENEW, 1, _LEASES + id, owner, round(seconds * 1000))

    def release(self, id: str, owner: str) -> None:
        self._client.eval(_RELEASE, 1, _LEASES + id, owner)

    def tally(self) -> Tally:
        counts = {id.decode(): int(n) for id, n in self._client.hgetall(_HITS).items()}
        rows, size, oldest = [], 0, None
        for key in self._client.scan_iter(match=f"{_ANSWERS}*", count=1000):
            # It may have ended since.
            if (kept := self._client.get(key)) is not None:
                about = json.loads(kept.partition(b"\n")[0])
                hits = counts.get(key.decode().removeprefix(_ANSWERS), 0)
                rows.append((about["model"], about["usd"], hits))
                size += len(kept)
                oldest = min(about["made"], oldest or about["made"])
        return tallied(rows, size, oldest)

    def clear(self, *, before: float | None = None) -> int:
        gone = 0
        for key in self._client.scan_iter(match=f"{_ANSWERS}*", count=1000):
            kept = self._client.get(key) if before is not None else b""
            if before is None or (kept and json.loads(kept.partition(b"\n")[0])["made"] < before):
                gone += self._client.delete(key)
                self._client.hdel(_HITS, key.decode().removeprefix(_ANSWERS))
        return gone

    def close(self) -> None:
        self._client.close()
