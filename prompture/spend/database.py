"""The database under the ledger and under shared budgets: SQLite, or any SQLAlchemy URL.

The statements are plain enough for every database: named parameters, no upserts.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from prompture.errors import ConfigurationError, MissingExtra, PromptureError
from prompture.forks import renewed_at_fork
from prompture.given import why
from prompture.sqlite_file import SharedFile, writing

Params: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Sequence[Any]]
Execute: TypeAlias = Callable[..., Rows]
"""``execute(sql, params)``: the rows, none for a statement that has none."""
PATIENCE = 30.0
"""Seconds to wait for another process that writes."""


class Database(Protocol):
    """What the ledger and shared budgets ask of a database.

    ``transaction`` locks for writing from the start, commits at the end, and rolls back on an
    exception. ``insert`` leaves out rows whose key is there already. ``run`` with
    ``taken_is_fine`` ignores that a key is there already.
    """

    @contextmanager
    def transaction(self) -> Iterator[Execute]: ...

    def read(self, sql: str, params: Params = ...) -> Rows: ...

    def run(self, sql: str, params: Params = ..., *, taken_is_fine: bool = False) -> None: ...

    def insert(self, table: str, columns: Sequence[str], rows: Rows) -> None: ...

    def close(self) -> None: ...


def is_url(where: str | os.PathLike[str]) -> bool:
    """Whether it names a database rather than a file."""
    return isinstance(where, str) and "://" in where


def place_of(where: str | os.PathLike[str]) -> str:
    """One key for all the ways to write one place: what is counted twice there would be wrong."""
    return str(where) if is_url(where) else str(Path(where).expanduser().resolve())


def database(where: str | os.PathLike[str]) -> Database:
    """The database at a path or URL. Raises MissingExtra without SQLAlchemy for a URL."""
    # Absolute, as a forked child may open it again elsewhere, and ":memory:" is a file here.
    return SQLAlchemy(str(where)) if is_url(where) else SQLite(Path(where).expanduser().absolute())


@contextmanager
def database_errors(failed: str, callers: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Raise errors of a database as ConfigurationError, whose message begins with ``failed``.

    Each database has exceptions of its own. ``callers`` returns whether the exception is of the
    block's own code; it is then left as it is.
    """
    try:
        yield
    except PromptureError:
        raise
    except Exception as exc:  # each database has errors of its own; they become ours
        if callers():
            raise
        # The words of other databases' errors quote the statement, and their address.
        words = f": {exc}" if isinstance(exc, (sqlite3.Error, OSError)) else ""
        raise ConfigurationError(f"{failed}: {type(exc).__name__}{words}") from exc


class SQLite(SharedFile):
    """A file.

    Write-ahead logging lets readers read while one process writes. A commit outlives a killed
    process, and the file a power cut. Threads share one connection, which ``_lock`` guards (it is
    re-entrant: ``insert`` is a transaction of its own); forked children open their own.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, PATIENCE)
        self._tables: dict[str, None] = {}
        """What made them: a file that is moved away leaves its name to a new one, without any."""

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except (sqlite3.Error, OSError) as exc:
            raise ConfigurationError(f"cannot open the ledger {self.path}: {why(exc)}") from exc

    def _made(self) -> sqlite3.Connection:
        if self.path.exists() and not os.access(self.path, os.W_OK):
            return self._to_read()
        return super()._made()

    def _prepare(self, sql: sqlite3.Connection) -> None:
        self._log_ahead(sql)
        sql.execute("PRAGMA synchronous=NORMAL")
        for table in self._tables:
            sql.execute(table)

    def _to_read(self) -> sqlite3.Connection:
        """A file that may only be read. In a folder that may only be read too there is no place
        for a lock, and nobody who writes."""
        for mode in ("mode=ro", "mode=ro&immutable=1"):
            made = self._connected(f"{self.path.as_uri()}?{mode}", uri=True)
            try:
                made.execute("SELECT name FROM sqlite_master").fetchone()
                return made
            except sqlite3.OperationalError as exc:
                made.close()
                failed = exc
        raise failed

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        with self._lock:
            connection = self._open()
            with writing(connection):
                yield lambda sql, params=(): connection.execute(sql, params).fetchall()

    def read(self, sql: str, params: Params | None = None) -> Rows:
        with self._lock:
            return self._open().execute(sql, params or {}).fetchall()

    def run(self, sql: str, params: Params | None = None, *, taken_is_fine: bool = False) -> None:
        with self._lock:
            try:
                self._open().execute(sql, params or {})
                if sql.startswith("CREATE TABLE"):
                    self._tables[sql] = None
            except sqlite3.IntegrityError:
                if not taken_is_fine:
                    raise

    def insert(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        if not rows:
            return
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our names
        with self._lock, self.transaction():
            self._open().executemany(sql, rows)


class SQLAlchemy:
    """Whatever SQLAlchemy reaches: PostgreSQL, MySQL, ..."""

    def __init__(self, url: str) -> None:
        try:
            import sqlalchemy
        except ImportError as exc:
            raise MissingExtra(
                extra="ledger", package="sqlalchemy", otherwise="; a path needs nothing (SQLite)"
            ) from exc
        self._text = sqlalchemy.text
        self._taken = sqlalchemy.exc.IntegrityError
        try:
            self._engine = sqlalchemy.create_engine(url)
        except ImportError as exc:
            scheme = url.partition("://")[0]
            raise ConfigurationError(
                f"a ledger at {scheme}:// needs the database's own package:"
                f" pip install {exc.name or scheme.partition('+')[2]}"
            ) from exc
        except sqlalchemy.exc.ArgumentError as exc:
            raise ConfigurationError(
                f"the ledger's URL does not work: {type(exc).__name__}"
            ) from exc
        renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        # In a forked child: the pool is emptied, and the parent's connections are left open.
        self._engine.dispose(close=False)

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        with self._engine.begin() as connection:

            def execute(sql: str, params: Params | None = None) -> Rows:
                result = connection.execute(self._text(sql), params or {})
                return result.fetchall() if result.returns_rows else []

            yield execute

    def read(self, sql: str, params: Params | None = None) -> Rows:
        with self.transaction() as execute:
            return execute(sql, params)

    def run(self, sql: str, params: Params | None = None, *, taken_is_fine: bool = False) -> None:
        try:
            with self.transaction() as execute:
                execute(sql, params)
        except self._taken:
            if not taken_is_fine:
                raise

    def insert(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        if not rows:
            return
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        marks = ", ".join(f":{name}" for name in columns)
        sql = self._text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})")  # noqa: S608 - our names
        try:
            with self._engine.begin() as connection:
                connection.execute(sql, named)
        except self._taken:
            # Some rows are there already, after a crash: insert them one by one.
            for row in named:
                self.run(sql.text, row, taken_is_fine=True)

    def close(self) -> None:
        self._engine.dispose()
