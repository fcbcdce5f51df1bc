"""The ledger's file, a cache's and that of shared limits are held in one way."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from prompture import forks
from prompture.drivers.shared_cache import SQLiteStore
from prompture.drivers.shared_limits import SQLiteFile
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
