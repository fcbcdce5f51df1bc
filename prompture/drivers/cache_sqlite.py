"""Answers in a SQLite file, which processes share."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from prompture.drivers.cache_stores import StoredAnswer, Tally, tallied
from prompture.errors import ConfigurationError
from prompture.observe import log
from prompture.sqlite_file import SharedFile, writing

T = TypeVar("T")
PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
_APPLICATION = 0x50435445
"""Marks our files, so that no other database is taken for a cache."""
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY, value BLOB NOT NULL, model TEXT NOT NULL, usd TEXT NOT NULL,
    made REAL NOT NULL, used REAL NOT NULL, hits INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used);
CREATE TABLE IF NOT EXISTS leases (id TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL);
"""


class SQLiteStore(SharedFile):
    """Answers in a file of this user's alone. Threads share a connection; a forked child opens its
    own. A file that is damaged is set aside, with a warning."""

    blocks = True

    def __init__(self, path: Path, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path, PATIENCE)
        self._max = max_bytes
        self._clock = clock

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
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, 0)",
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
                " SET owner = excluded.owner, until = excluded.until WHERE until <= ?",
                (id, owner, now + seconds, now),
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
        with self._lock:
            try:
                return work(self._opened())
            except sqlite3.OperationalError:
                raise  # locked, full, read only: the file itself may be whole
            except sqlite3.DatabaseError as exc:
                self._set_aside(exc)
                return work(self._opened())

    def _prepare(self, sql: sqlite3.Connection) -> None:
        (mark,) = sql.execute("PRAGMA application_id").fetchone()
        (tables,) = sql.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != _APPLICATION and tables:
            raise ConfigurationError(
                f"{str(self.path)!r} is a database of something else; give the cache a file of its"
                " own"
            )
        self._log_ahead(sql)
        # An answer that a power cut takes is asked for again.
        sql.execute("PRAGMA synchronous=OFF")
        with writing(sql):
            for statement in filter(str.strip, _TABLES.split(";")):
                sql.execute(statement)
            sql.execute(f"PRAGMA application_id={_APPLICATION}")
            # Of processes that are gone; a file that is used for years must not fill with them.
            sql.execute("DELETE FROM leases WHERE until < ?", (self._clock() - 3600,))

    def _set_aside(self, error: Exception) -> None:
        self.close()
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


def _is_whole(path: Path) -> bool:
    try:
        made: Any = sqlite3.connect(path, timeout=PATIENCE)
    except sqlite3.Error:
        return False
    try:
        (word,) = made.execute("PRAGMA quick_check(1)").fetchone()
        return word == "ok" and path.stat().st_size > 0
    except sqlite3.Error:
        return False
    finally:
        made.close()
