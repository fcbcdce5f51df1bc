"""A SQLite file that threads, processes and forked children share: the ledger's, a cache's, limits'."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from prompture.errors import ConfigurationError
from prompture.forks import left_to_parent, renewed_at_fork
from prompture.observe import log


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """What a file of ours holds, written into its head (``application_id``, ``user_version``), so
    that no other database is taken for one. Another layout of the tables is another version."""

    name: str
    mark: int
    version: int
    tables: tuple[str, ...]
    """The statements that make them, each ``CREATE ... IF NOT EXISTS``."""
    unmarked: tuple[str, ...] = ()
    """Those of files that were made before there was a mark, as SQLite writes them."""

    def set_up(self, sql: sqlite3.Connection, path: Path) -> None:
        """Make the tables where they are not; those of an older version are begun anew.

        Raises ConfigurationError for a database of something else, or of a newer version, which is
        left as it is.
        """
        # In one transaction: another process may do the same at this moment.
        with writing(sql):
            found = sql.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            (mark,) = sql.execute("PRAGMA application_id").fetchone()
            (version,) = sql.execute("PRAGMA user_version").fetchone()
            is_ours = mark == self.mark or all(text in self.unmarked for _, _, text in found)
            if not is_ours:
                raise ConfigurationError(
                    f"{str(path)!r} is a database of something else; give {self.name} a file of"
                    " its own"
                )
            if version > self.version:
                raise ConfigurationError(
                    f"{str(path)!r} was made by a newer Prompture (its version is {version}, this"
                    f" one reads {self.version}); give {self.name} another file, or upgrade"
                )
            # A file without a version has the tables of the first.
            if found and (version or 1) < self.version:
                for kind, name, _ in found:
                    if kind == "table":  # its indexes go with it
                        sql.execute(f'DROP TABLE "{name}"')
            for statement in self.tables:
                sql.execute(statement)
            if (mark, version) != (self.mark, self.version):
                sql.execute(f"PRAGMA application_id={self.mark}")
                sql.execute(f"PRAGMA user_version={self.version}")


class SharedFile:
    """A file of this user's alone, and this process's one connection to it.

    Threads share the connection: whoever uses it holds ``_lock`` (it is re-entrant). A forked child
    opens its own. ``patience`` is how many seconds to wait for another process that writes.
    Subclasses set up a new connection in ``_prepare``.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self.path = path
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._waits = patience
        self._file: tuple[int, int] | None = None
        """Of the connection: its name may come to be that of another file."""
        self._lock = RLock()
        renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        # In a forked child. SQLite forbids it to use the parent's connection, or to close it.
        if self._connection is not None:
            left_to_parent(self._connection)
        self._connection, self._lock = None, RLock()

    def _seconds(self) -> float:
        """How long to wait for others now; a subclass may have less time."""
        return self._patience

    @contextmanager
    def _held(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone. Raises sqlite3.Error and OSError."""
        seconds = self._seconds()
        if seconds >= self._patience:
            with self._lock:
                yield self._waiting(seconds)
            return
        if not self._lock.acquire(timeout=seconds):
            raise sqlite3.OperationalError("another thread holds the database")
        try:
            yield self._waiting(seconds)
        finally:
            self._lock.release()

    def _waiting(self, seconds: float) -> sqlite3.Connection:
        """The connection, which waits so long for another process."""
        made = self._opened()
        if seconds != self._waits:
            made.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")
            self._waits = seconds
        return made

    def _opened(self) -> sqlite3.Connection:
        """The connection, made where there is none. Raises sqlite3.Error and OSError."""
        made = self._connection
        if made is not None and not made.in_transaction and _identity(self.path) != self._file:
            self._leave(made)
        if self._connection is None:
            self._waits = self._seconds()
            self._connection = self._made()
            self._file = _identity(self.path)
        return self._connection

    def _leave(self, made: sqlite3.Connection) -> None:
        """Let go of a file that was moved or removed: other processes no longer see it."""
        log.warning("%s was moved or removed; a new file begins there", self.path)
        self._connection = None
        # What stands in the log alone would be lost: SQLite finds that by the file's name.
        with suppress(sqlite3.Error):
            made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made.close()

    def _made(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Documents, answers, labels with names of customers: for the owner alone. SQLite gives its
        # other files this mode, too.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        made = self._connected(str(self.path))
        try:
            self._prepare(made)
        except BaseException:  # no connection is left open
            made.close()
            raise
        return made

    def _connected(self, name: str, *, uri: bool = False) -> sqlite3.Connection:
        return sqlite3.connect(
            name, timeout=self._seconds(), isolation_level=None, check_same_thread=False, uri=uri
        )

    def _prepare(self, sql: sqlite3.Connection) -> None:
        """Set up a connection that was just made."""

    def _log_ahead(self, sql: sqlite3.Connection) -> None:
        """Turn on the write-ahead log, which lets readers read while one process writes.

        SQLite waits for every lock but that of another process which does the same at this moment:
        so it is asked again.
        """
        until = time.monotonic() + self._seconds()
        while True:
            try:
                sql.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc) or time.monotonic() > until:
                    raise
                time.sleep(0.01)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        # A program that only read a file need not close it.
        if connection := getattr(self, "_connection", None):
            connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def writing(sql: sqlite3.Connection) -> Iterator[None]:
    """A transaction, which an exception undoes."""
    # Locked from the start: a transaction that only reads first may find at its first write that
    # another process was faster, and cannot wait then.
    sql.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:  # an interrupt must not leave half a change, or the file locked
        sql.execute("ROLLBACK")
        raise
    sql.execute("COMMIT")
