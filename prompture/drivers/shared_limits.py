"""Limits a minute that processes keep together: a SQLite file, or Redis.

A store keeps until when an allowance is used up, one number for requests and one for tokens. A
process reserves its next request's moment ahead and sends then, so that processes take turns. What
a process that was killed had reserved is one moment, and passes: nothing has to be cleared up.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from prompture import forks
from prompture.drivers.bounded import within_deadline
from prompture.drivers.limits import due, used_up
from prompture.errors import ConfigurationError, MissingExtra, StoreUnavailable
from prompture.given import why
from prompture.sqlite_file import FileKind, SharedFile, writing
from prompture.wire import deadline

Rates: TypeAlias = "tuple[float | None, float | None]"
"""Requests and tokens a minute."""
PATIENCE = 5.0
"""Seconds to wait for another process, or for the server."""
TICK = 1.0
"""Seconds: a clock that was set back by less makes nobody wait for long."""


class SharedStore(Protocol):
    """What a gate asks of a store. Each method may wait, and raises StoreUnavailable."""

    def reserve(
        self, scope: str, tokens: int, owed: int, rates: Rates, burst_seconds: float
    ) -> tuple[float, float]:
        """Take the next request's place, with its tokens and those that are still owed; seconds to
        wait for it, and seconds that are left of a pause."""
        ...

    def pause(self, scope: str, seconds: float) -> None:
        """All processes pause."""
        ...


_stores: dict[str, SharedStore] = {}
_lock = forks.fork_lock()


def store_at(where: str | os.PathLike[str]) -> SharedStore:
    """The store of a path or a URL, one in each process. Raises MissingExtra for Redis without its
    package, and ConfigurationError for another kind of URL."""
    text = os.fspath(where)
    is_url = "://" in text
    # Absolute: the working directory may change.
    key = text if is_url else str(Path(text).expanduser().absolute())
    with _lock:
        found = _stores.get(key)
        if found is None:
            found = _stores[key] = Redis(text) if is_url else SQLiteFile(Path(key))
        return found


class SQLiteFile(SharedFile):
    """A file on this machine's disk (not on a network's). Each change is one short transaction."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path, PATIENCE)
        self._clock = clock
        """The time of day: of all clocks the one that processes have in common."""

    def _seconds(self) -> float:
        return deadline.sooner(self._patience, deadline.until()) or self._patience

    def reserve(
        self, scope: str, tokens: int, owed: int, rates: Rates, burst_seconds: float
    ) -> tuple[float, float]:
        def change(db: sqlite3.Connection) -> tuple[float, float]:
            now = self._now(db)
            rows = db.execute(_READ, (scope,)).fetchall()
            requests, used, paused = rows[0] if rows else (0.0, 0.0, 0.0)
            wait = 0.0
            if rates[0] is not None:
                wait = due(requests, now, burst_seconds)
                requests = used_up(requests, now, 1, rates[0])
            if rates[1] is not None and (tokens or owed):
                used += owed * 60.0 / rates[1]
                wait = max(wait, due(used, now, burst_seconds))
                used = used_up(used, now, tokens, rates[1])
            db.execute(_WRITE, (scope, requests, used, paused))
            return wait, max(0.0, paused - now)

        wait, pause = self._changed(change)
        return wait, pause

    def pause(self, scope: str, seconds: float) -> None:
        def change(db: sqlite3.Connection) -> None:
            until = self._now(db) + seconds
            db.execute("INSERT OR IGNORE INTO limits VALUES (?, 0, 0, 0)", (scope,))
            db.execute("UPDATE limits SET paused = max(paused, ?) WHERE scope = ?", (until, scope))

        self._changed(change)

    def _now(self, db: sqlite3.Connection) -> float:
        """The time. Where the clock was set back since the last change, all moments are, too."""
        now = self._clock()
        rows = db.execute(_READ, (_CLOCK,)).fetchall()
        seen = rows[0][0] if rows else 0.0
        if (back := seen - now) > TICK and rows:
            db.execute(_SHIFT, (back, back, back))
        if abs(seen - now) > TICK:
            db.execute(_WRITE, (_CLOCK, now, 0.0, 0.0))
        return now

    def _changed(self, change: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            with self._held() as db, writing(db):
                return change(db)
        except (sqlite3.Error, OSError) as exc:
            raise StoreUnavailable(f"the shared limits in {self.path}: {why(exc)}") from exc

    def _prepare(self, sql: sqlite3.Connection) -> None:
        # A limit that a power cut loses is no loss: the disk need not be waited for.
        sql.execute("PRAGMA synchronous=OFF")
        KIND.set_up(sql, self.path)


_COLUMNS = "limits (scope TEXT PRIMARY KEY, requests REAL, tokens REAL, paused REAL) WITHOUT ROWID"
KIND = FileKind(
    name="the limits",
    mark=0x50434C4D,
    version=1,
    tables=(f"CREATE TABLE IF NOT EXISTS {_COLUMNS}",),
    unmarked=(f"CREATE TABLE {_COLUMNS}",),
)
_READ = "SELECT requests, tokens, paused FROM limits WHERE scope = ?"
_WRITE = "INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?)"
_SHIFT = "UPDATE limits SET requests = requests - ?, tokens = tokens - ?, paused = paused - ?"
_CLOCK = ""
"""The scope of the row that has the time of the last change (to within ``TICK``)."""


class Redis:
    """A server for several machines. Its own clock counts: theirs differ."""

    def __init__(self, url: str, client: Any = None) -> None:
        scheme = url.partition("://")[0]
        if scheme not in ("redis", "rediss", "unix", "valkey", "valkeys"):
            raise ConfigurationError(
                f"Limits.shared takes a path or a redis:// URL, and none with {scheme}://"
            )
        try:
            import redis
        except ImportError as exc:
            raise MissingExtra(
                extra="redis", package="redis", otherwise="; a path needs nothing (SQLite)"
            ) from exc
        self._failures = (redis.RedisError, OSError)
        # The same protocol; the package knows only its own name for it.
        url = url.replace("valkey", "redis", 1) if scheme.startswith("valkey") else url
        try:
            self._client = client or redis.Redis.from_url(
                url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
            )
        except ValueError as exc:
            raise ConfigurationError("Limits.shared: the URL of Redis does not work") from exc
        self._reserve = self._client.register_script(_RESERVE)
        self._pause = self._client.register_script(_PAUSE)

    def reserve(
        self, scope: str, tokens: int, owed: int, rates: Rates, burst_seconds: float
    ) -> tuple[float, float]:
        found = self._asked(
            self._reserve, scope, [rates[0] or 0, rates[1] or 0, tokens, owed, burst_seconds]
        )
        return float(found[0]), float(found[1])

    def pause(self, scope: str, seconds: float) -> None:
        self._asked(self._pause, scope, [seconds])

    def _asked(self, script: Any, scope: str, values: list[float]) -> Any:
        try:
            ask = partial(script, keys=[f"prompture:limits:{scope}"], args=values)
            return within_deadline(ask, PATIENCE)
        except self._failures as exc:
            # Its words may hold the URL, and so the password.
            raise StoreUnavailable(f"the shared limits in Redis: {type(exc).__name__}") from exc

    def close(self) -> None:
        self._client.close()


# A key of a scope that nobody uses goes by itself after a day. Numbers as texts: Lua's own way to
# return them cuts off their fractions.
_RESERVE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local held = redis.call('HMGET', KEYS[1], 'requests', 'tokens', 'paused')
local requests, used, paused = tonumber(held[1] or 0), tonumber(held[2] or 0), tonumber(held[3] or 0)
local rpm, tpm, tokens = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local owed, burst, wait = tonumber(ARGV[4]), tonumber(ARGV[5]), 0
if rpm > 0 then
  wait = math.max(wait, requests - now - burst)
  requests = math.max(requests, now) + 60 / rpm
end
if tpm > 0 and (tokens > 0 or owed ~= 0) then
  used = used + owed * 60 / tpm
  wait = math.max(wait, used - now - burst)
  used = math.max(used, now) + tokens * 60 / tpm
end
redis.call('HSET', KEYS[1], 'requests', string.format('%.6f', requests),
           'tokens', string.format('%.6f', used))
redis.call('EXPIRE', KEYS[1], 86400)
return {string.format('%.6f', wait), string.format('%.6f', math.max(0, paused - now))}
"""
_PAUSE = """
local time = redis.call('TIME')
local until_ = time[1] + time[2] / 1000000 + tonumber(ARGV[1])
local held = tonumber(redis.call('HGET', KEYS[1], 'paused') or 0)
redis.call('HSET', KEYS[1], 'paused', string.format('%.6f', math.max(held, until_)))
redis.call('EXPIRE', KEYS[1], math.max(86400, math.ceil(tonumber(ARGV[1]))))
return 1
"""
