"""Answers that processes share in a SQLite file, and machines in Redis."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from prompture.drivers.bounded import within_deadline
from prompture.drivers.cache_stores import StoredAnswer, Tally, tallied
from prompture.errors import ConfigurationError, MissingExtra
from prompture.observe import log
from prompture.sqlite_file import FileKind, SharedFile
from prompture.wire import deadline

T = TypeVar("T")
PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
KIND = FileKind(
    name="the cache",
    mark=0x50435445,
    version=1,
    tables=(
        "CREATE TABLE IF NOT EXISTS answers (id TEXT PRIMARY KEY, value BLOB NOT NULL,"
        " model TEXT NOT NULL, usd TEXT NOT NULL, made REAL NOT NULL, used REAL NOT NULL,"
        " hits INTEGER NOT NULL)",
        "CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used)",
        "CREATE TABLE IF NOT EXISTS leases (id TEXT PRIMARY KEY, owner TEXT NOT NULL,"
        " until REAL NOT NULL)",
    ),
)


class SQLiteStore(SharedFile):
    """Answers in a file of this user's alone. Threads share a connection; a forked child opens its
    own. A cache that is damaged is set aside, with a warning; a file of another kind is left alone.
    """

    blocks = True

    def __init__(self, path: Path, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path, PATIENCE)
        self._max = max_bytes
        self._clock = clock
        self._was_ours = False

    def _seconds(self) -> float:
        # Most of a call's time is the model's, which can do without a cache.
        left = deadline.left(deadline.until())
        return self._patience if left is None else min(self._patience, left / 4)

    def get(self, id: str, *, after: float) -> StoredAnswer | None:
        def work(sql: sqlite3.Connection) -> StoredAnswer | None:
            row = sql.execute(
                "SELECT value, model, usd, made FROM answers WHERE id = ? AND made > ?", (id, after)
            ).fetchone()
            if row is None:
                return None
            sql.execute(
                "UPDATE answers SET used = ?, hits = hits + 1 WHERE id = ?", (self._clock(), id)
            )
            value, model, usd, made = row
            return StoredAnswer(value=value, model=model, usd=usd, made=made)

        return self._do(work)

    def put(self, id: str, answer: StoredAnswer) -> None:
        def work(sql: sqlite3.Connection) -> None:
            sql.execute(
                "INSERT OR REPLACE INTO answers (id, value, model, usd, made, used, hits)"
                " VALUES (?, ?, ?, ?, ?, ?, 0)",
                (id, answer.value, answer.model, answer.usd, answer.made, self._clock()),
            )
            self._evict(sql)

        self._do(work)

    def _evict(self, sql: sqlite3.Connection) -> None:
        """Delete what was used longest ago, a twentieth at a time, until the file is short enough."""
        gone = 1
        while gone > 0 and _used_bytes(sql) > self._max:
            # One is always left: the one that was put just now.
            gone = sql.execute(
                "DELETE FROM answers WHERE id IN (SELECT id FROM answers ORDER BY used LIMIT"
                " (SELECT min(count(*) - 1, count(*) / 20 + 1) FROM answers))"
            ).rowcount

    def drop(self, id: str) -> None:
        self._do(lambda sql: sql.execute("DELETE FROM answers WHERE id = ?", (id,)))

    def take(self, id: str, owner: str, seconds: float) -> str | None:
        now = self._clock()

        def work(sql: sqlite3.Connection) -> str | None:
            # One statement, so that of two processes one gets it.
            taken = sql.execute(
                "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
                " SET owner = excluded.owner, until = excluded.until"
                # One that ends so late was taken before the clock was set back.
                " WHERE until <= ? OR until > ?",
                (id, owner, now + seconds, now, now + 10 * seconds),
            ).rowcount
            if taken:
                return None
            row = sql.execute("SELECT owner FROM leases WHERE id = ?", (id,)).fetchone()
            # It may have been given back a moment ago: then nobody is known by name.
            return row[0] if row else ""

        return self._do(work)

    def renew(self, leases: Iterable[tuple[str, str]], seconds: float) -> None:
        rows = [(self._clock() + seconds, id, owner) for id, owner in leases]
        self._do(
            lambda sql: sql.executemany(
                "UPDATE leases SET until = ? WHERE id = ? AND owner = ?", rows
            )
        )

    def release(self, id: str, owner: str) -> None:
        self._do(
            lambda sql: sql.execute("DELETE FROM leases WHERE id = ? AND owner = ?", (id, owner))
        )

    def tally(self) -> Tally:
        def work(sql: sqlite3.Connection) -> Tally:
            rows = sql.execute("SELECT model, usd, hits FROM answers").fetchall()
            (oldest,) = sql.execute("SELECT min(made) FROM answers").fetchone()
            return tallied(rows, _used_bytes(sql), oldest)

        return self._do(work)

    def clear(self, *, before: float | None = None) -> int:
        def work(sql: sqlite3.Connection) -> int:
            gone = sql.execute(
                "DELETE FROM answers WHERE ? IS NULL OR made < ?", (before, before)
            ).rowcount
            sql.execute("VACUUM")
            # What was deleted would stay readable in the log.
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return gone

        return self._do(work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in the file. A damaged one is set aside, and the work is done in a new one.
        Raises sqlite3.Error and OSError where it cannot be done now."""
        try:
            with self._held() as sql:
                return work(sql)
        except sqlite3.OperationalError:
            raise  # locked, full, read only: the file itself may be whole
        # SQLite quotes what it cannot read in its words, which are then no text.
        except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
            with self._lock:
                self._set_aside(exc)
                return work(self._opened())

    def _prepare(self, sql: sqlite3.Connection) -> None:
        # First: a database of something else is left as it is.
        KIND.set_up(sql, self.path)
        self._log_ahead(sql)
        # A damaged name of a model is no reason to give up its answer.
        sql.text_factory = partial(str, encoding="utf-8", errors="replace")
        # An answer that a power cut takes is asked for again.
        sql.execute("PRAGMA synchronous=OFF")
        # Of processes that are gone; a file that is used for years must not fill with them.
        sql.execute("DELETE FROM leases WHERE until < ?", (self._clock() - 3600,))
        self._was_ours = True

    def _set_aside(self, error: Exception) -> None:
        self.close()
        if not self._was_ours and not _bears_our_mark(self.path):
            raise ConfigurationError(
                f"{str(self.path)!r} is a file of something else, no cache; give the cache a file of"
                " its own"
            ) from error
        if _is_whole(self.path):  # another process was faster
            return
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(self._clock())}-{os.getpid()}")
        os.replace(self.path, aside)
        for end in ("-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)
        log.warning(
            "the cache %s is damaged (%s) and was set aside as %s; a new one begins",
            self.path,
            type(error).__name__,
            aside.name,
        )


def _used_bytes(sql: sqlite3.Connection) -> int:
    (pages,) = sql.execute("PRAGMA page_count").fetchone()
    (free,) = sql.execute("PRAGMA freelist_count").fetchone()
    (size,) = sql.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def _bears_our_mark(path: Path) -> bool:
    """Whether what stands there was a cache once. A user's own file, named by mistake, is not moved."""
    with path.open("rb") as file:
        head = file.read(72)
    # https://sqlite.org/fileformat.html: the application's number is the 4 bytes from 68 on. Zeros
    # are what a power cut may leave, as nothing waits for the disk here.
    return not head.strip(b"\0") or (
        head.startswith(b"SQLite format 3\0") and head[68:72] == KIND.mark.to_bytes(4, "big")
    )


def _is_whole(path: Path) -> bool:
    try:
        made: Any = sqlite3.connect(path, timeout=PATIENCE)
    except sqlite3.Error:
        return False
    try:
        (word,) = made.execute("PRAGMA quick_check(1)").fetchone()
        return word == "ok" and path.stat().st_size > 0
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    finally:
        made.close()


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
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
        )
        self._ttl = None if ttl is None else max(1, round(ttl * 1000))
        self._clock = clock

    def get(self, id: str, *, after: float) -> StoredAnswer | None:
        def work(client: Any) -> StoredAnswer | None:
            kept = client.get(_ANSWERS + id)
            if kept is None:
                return None
            head, _, value = kept.partition(b"\n")
            about = json.loads(head)
            if about["made"] <= after:
                return None
            client.hincrby(_HITS, id, 1)
            return StoredAnswer(value=value, **about)

        return self._do(work)

    def put(self, id: str, answer: StoredAnswer) -> None:
        about = {"model": answer.model, "usd": answer.usd, "made": answer.made}
        kept = json.dumps(about).encode() + b"\n" + answer.value

        def work(client: Any) -> None:
            client.set(_ANSWERS + id, kept, px=self._ttl)
            # Those of an answer before it, which Redis forgot by itself.
            client.hdel(_HITS, id)

        self._do(work)

    def drop(self, id: str) -> None:
        self._do(lambda client: (client.delete(_ANSWERS + id), client.hdel(_HITS, id)))

    def take(self, id: str, owner: str, seconds: float) -> str | None:
        def work(client: Any) -> str | None:
            if client.set(_LEASES + id, owner, nx=True, px=round(seconds * 1000)):
                return None
            other = client.get(_LEASES + id)
            return other.decode() if other else ""

        return self._do(work)

    def renew(self, leases: Iterable[tuple[str, str]], seconds: float) -> None:
        for id, owner in leases:
            self._eval(_RENEW, id, owner, round(seconds * 1000))

    def release(self, id: str, owner: str) -> None:
        self._eval(_RELEASE, id, owner)

    def _eval(self, script: str, id: str, *values: Any) -> None:
        self._do(lambda client: client.eval(script, 1, _LEASES + id, *values))

    def _do(self, work: Callable[[Any], T]) -> T:
        # As with a file: most of a call's time is the model's.
        return within_deadline(lambda: work(self._client), PATIENCE, share=0.25)

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
