"""The database behind the ledger and the budgets, opened by several at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from prompture.errors import ConfigurationError
from prompture.spend import database


class Refusing:
    """A connection on which the switch to the write-ahead log is refused so often."""

    def __init__(self, real: sqlite3.Connection, times: int, words: str) -> None:
        self._real, self.left, self._words = real, times, words

    def execute(self, sql: str, *rest: Any) -> Any:
        if "journal_mode" in sql and self.left:
            self.left -= 1
            raise sqlite3.OperationalError(self._words)
        return self._real.execute(sql, *rest)

    def close(self) -> None:
        self._real.close()


@pytest.mark.parametrize(
    ("times", "words", "opens"), [(3, "database is locked", True), (1, "disk I/O error", False)]
)
def test_another_process_that_opens_it_just_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, words: str, opens: bool
) -> None:
    real = sqlite3.connect
    made: list[Any] = []

    def connect(*args: Any, **kwargs: Any) -> Any:
        made.append(Refusing(real(*args, **kwargs), times, words))
        return made[-1]

    monkeypatch.setattr(database.sqlite3, "connect", connect)
    store = database.SQLite(tmp_path / "ledger.db")
    if opens:
        assert store.read("SELECT 1") == [(1,)]
        assert made[0].left == 0
    else:
        with pytest.raises(ConfigurationError, match=words):
            store.read("SELECT 1")
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            made[0].execute("SELECT 1")
    for each in made:
        each.close()
