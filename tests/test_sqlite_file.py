"""The ledger's file, a cache's and that of shared limits are held in one way."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import prompture.drivers
from prompture import forks
from prompture.drivers import shared_cache, shared_limits
from prompture.drivers.shared_cache import SQLiteStore
from prompture.drivers.shared_limits import SQLiteFile
from prompture.errors import ConfigurationError
from prompture.spend.database import SQLite
from prompture.sqlite_file import SharedFile

KINDS: dict[str, Callable[[Path], SharedFile]] = {
    "ledger": SQLite,
    "cache": lambda path: SQLiteStore(path, 1_000_000),
    "limits": SQLiteFile,
}


@pytest.mark.skipif(os.name == "nt", reason="modes")
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_file_is_its_owners_alone(kind: str, tmp_path: Path) -> None:
    held = KINDS[kind](tmp_path / "folder" / "a.db")
    held._opened()
    assert stat.S_IMODE(held.path.stat().st_mode) == 0o600
    held.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_forked_child_opens_its_own_connection(kind: str, tmp_path: Path) -> None:
    held = KINDS[kind](tmp_path / "a.db")
    before = held._opened()
    child = os.fork()
    if not child:
        found = 1
        try:
            # The parent's is neither used nor closed: SQLite forbids both.
            found = int(held._opened() is before or before not in forks._of_parents)
        finally:
            os._exit(found)
    assert os.waitpid(child, 0)[1] == 0
    assert held._opened() is before
    held.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file is not moved there")
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("how", ["moved", "removed"])
def test_a_file_that_is_taken_away_is_made_anew(kind: str, how: str, tmp_path: Path) -> None:
    held = KINDS[kind](tmp_path / "a.db")
    before = held._opened()
    if how == "moved":
        held.path.rename(tmp_path / "b.db")
    else:
        held.path.unlink()
    assert held._opened() is not before
    assert held.path.exists()
    held.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file is not moved there")
def test_a_ledger_that_is_moved_away_loses_no_row(tmp_path: Path) -> None:
    held = SQLite(tmp_path / "a.db")
    held.run("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
    held.insert("t", ["n"], [(1,)])
    held.path.rename(tmp_path / "may.db")
    held.insert("t", ["n"], [(2,)])
    assert held.read("SELECT n FROM t") == [(2,)]
    held.close()
    # What stood in the log alone went along.
    moved = SQLite(tmp_path / "may.db")
    assert moved.read("SELECT n FROM t") == [(1,)]
    moved.close()


CACHE_AND_LIMITS = {"cache": shared_cache.KIND, "limits": shared_limits.KIND}


@pytest.mark.parametrize("kind", list(CACHE_AND_LIMITS))
def test_a_file_has_a_version(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about, module = CACHE_AND_LIMITS[kind], getattr(prompture.drivers, f"shared_{kind}")
    path = tmp_path / "a.db"
    table = "answers" if kind == "cache" else "limits"

    def opened() -> sqlite3.Connection:
        held = KINDS[kind](path)
        try:
            return held._opened()
        finally:
            held.close()

    def columns() -> set[str]:
        with closing(sqlite3.connect(path)) as sql:
            return {row[1] for row in sql.execute(f"PRAGMA table_info({table})")}

    opened()
    # A later version has one more column: what was there is begun anew.
    wider = tuple(
        text.replace(f"EXISTS {table} (", f"EXISTS {table} (more TEXT, ") for text in about.tables
    )
    monkeypatch.setattr(module, "KIND", replace(about, version=2, tables=wider))
    opened()
    assert "more" in columns()
    # And is left alone by the one before.
    monkeypatch.setattr(module, "KIND", about)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"newer Prompture.*version is 2.* reads 1.*upgr"):
        opened()
    assert path.read_bytes() == before and "more" in columns()


def test_limits_of_before_there_was_a_version_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        sql.execute(
            "CREATE TABLE IF NOT EXISTS limits (scope TEXT PRIMARY KEY, requests REAL,"
            " tokens REAL, paused REAL) WITHOUT ROWID"
        )
        sql.execute("INSERT INTO limits VALUES ('s', ?, 0, 0)", (time.time() + 30,))
    store = SQLiteFile(path)
    wait, _ = store.reserve("s", 0, 0, (60, None), 0.0)
    assert 20 < wait < 40
    store.close()
    with closing(sqlite3.connect(path)) as sql:
        assert sql.execute("PRAGMA user_version").fetchone() == (1,)


def test_limits_leave_a_database_of_something_else_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("CREATE TABLE limits (mine)")
    before = path.read_bytes()
    store = SQLiteFile(path)
    with pytest.raises(ConfigurationError, match="something else; give the limits a file of"):
        store.reserve("s", 0, 0, (60, None), 0.0)
    store.close()
    assert path.read_bytes() == before
