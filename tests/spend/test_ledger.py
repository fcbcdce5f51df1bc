"""The ledger: what it keeps, and that it survives kills, forks, and being read meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import prompture
from prompture import Completion, LedgerReader, Usage, catalog, labels, ledger
from prompture.catalog import Rates
from prompture.drivers import meter
from prompture.errors import ConfigurationError, ServerError
from prompture.money import Charge, Cost
from prompture.spend import journal
from prompture.spend.journal import COLUMNS, WRITTEN, line_of, row_of, usage_of
from prompture.spend.ledger import Ledger
from prompture.spend.ledger_query import since_of
from prompture.testing import AsyncFunctionDriver, FunctionDriver
from prompture.types import Request, user

ROOT = Path(__file__).parents[2]
RATES = Rates(input=Decimal(1), output=Decimal(2))
SECRET = "the document's own words"
USED = Usage(input_tokens=100, output_tokens=10, cache_read_tokens=7, requests=1, reported=True)
REQUEST = Request(model="m", messages=(user(SECRET),))


def answer(request: Request) -> Completion:
    return Completion(text=SECRET, usage=USED, request_id="req-1")


def fail(request: Request) -> Completion:
    raise ServerError("broken", provider="scripted", status=500)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(params=["path", "url"])
def where(request: pytest.FixtureRequest, place: Path, monkeypatch: Any) -> Any:
    monkeypatch.setenv("XDG_STATE_HOME", str(place.parent / "state"))
    return str(place) if request.param == "path" else f"sqlite:///{place}"


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_one_row_a_call(colour: str, where: str, place: Path) -> None:
    def call(function: Any) -> None:
        if colour == "sync":
            FunctionDriver(function, prices=RATES).complete(REQUEST)
        else:
            asyncio.run(AsyncFunctionDriver(function, prices=RATES).complete(REQUEST))

    with ledger(where, labels={"team": "docs"}):
        call(answer)
        with labels(job="a"), labels(customer=7):
            call(answer)
        if colour == "sync":
            with pytest.raises(ServerError):
                call(fail)
    book = LedgerReader(where)
    rows = list(book.rows())
    assert [r["status"] for r in rows] == ["ok", "ok", *(["error"] if colour == "sync" else [])]
    first = rows[0]
    assert (first["provider"], first["model"], first["request_id"]) == ("scripted", "m", "req-1")
    assert Decimal(first["usd"]) == Decimal("0.00012")
    assert (first["input_tokens"], first["output_tokens"]) == (100, 10)
    assert first["cache_read_tokens"] == 7
    buckets = json.loads(first["buckets"])
    assert sum(Decimal(r) * n / per for _, n, r, per, _ in buckets) == Decimal("0.00012")
    assert usage_of(first) == USED
    assert json.loads(first["labels"]) == {"team": "docs"}
    assert json.loads(rows[1]["labels"]) == {"team": "docs", "job": "a", "customer": "7"}
    assert abs(datetime.fromisoformat(first["at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert SECRET.encode() not in b"".join(p.read_bytes() for p in place.parent.glob("ledger*"))
    assert not list(place.parent.rglob("*.journal"))
    by_job = {s.key: s.calls for s in book.sums("label:job")}
    assert by_job == {"a": 1, "": len(rows) - 1}
    book.close()


def test_nothing_is_noted_unless_it_is_on(place: Path) -> None:
    FunctionDriver(answer).complete(REQUEST)
    assert not place.exists()
    with pytest.raises(ConfigurationError, match="no ledger"):
        LedgerReader(place)
    opened = ledger(place)
    assert ledger(place) is opened
    opened.close()
    FunctionDriver(answer).complete(REQUEST)
    assert not list(LedgerReader(place).rows())
    assert opened not in meter.active()


def test_the_environment_turns_it_on(place: Path) -> None:
    code = "from prompture.testing import ScriptedDriver\nScriptedDriver(['x']).generate('hello')\n"
    env = {**os.environ, "PROMPTURE_LEDGER": str(place)}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, check=True)
    assert LedgerReader(place).sums("provider")[0].calls == 1


def test_it_can_be_read_while_it_is_written(place: Path) -> None:
    driver = FunctionDriver(answer)
    with ledger(place) as writing:
        for _ in range(50):
            driver.complete(REQUEST)
        writing.flush()
        book = LedgerReader(place)
        assert book.sums()[0].calls == 50
        driver.complete(REQUEST)
        writing.flush()
        assert book.sums()[0].calls == 51


def test_a_reader_sees_every_call_that_was_made_before(place: Path) -> None:
    driver = FunctionDriver(answer, prices=RATES)
    with ledger(place):
        reader = LedgerReader(place)
        for calls in (1, 2, 3):
            driver.generate("x")
            assert sum(found.calls for found in reader.sums("model")) == calls
            assert len(list(LedgerReader(place).rows())) == calls


def test_a_ledger_that_cannot_be_written_can_be_read(place: Path, monkeypatch: Any) -> None:
    driver = FunctionDriver(answer, prices=RATES)
    with ledger(place) as book:
        driver.generate("x")
        book.flush()
        monkeypatch.setattr(book._database, "insert", failing := _Failing())
        driver.generate("x")
        assert len(list(LedgerReader(place).rows())) == 1
        assert failing.asked
        monkeypatch.undo()
    assert len(list(LedgerReader(place).rows())) == 2


class _Failing:
    asked = False

    def __call__(self, *_: object) -> None:
        self.asked = True
        raise sqlite3.OperationalError("database is locked")


def test_one_file_is_one_ledger_however_it_is_written(place: Path, monkeypatch: Any) -> None:
    (place.parent / "sub").mkdir()
    (link := place.parent / "link.db").symlink_to(place)
    (folder := place.parent / "linked").symlink_to(place.parent, target_is_directory=True)
    monkeypatch.chdir(place.parent / "sub")
    driver = FunctionDriver(answer, prices=RATES)
    spellings = [place, str(place), f"../{place.name}", link, folder / place.name]
    with ledger(place) as book:
        assert all(ledger(where) is book for where in spellings)
        driver.generate("x")
    for where in spellings:
        assert [found.calls for found in LedgerReader(where).sums("model")] == [1], where


def test_threads_lose_nothing(place: Path) -> None:
    driver = FunctionDriver(answer)
    with ledger(place) as writing:
        threads = [
            threading.Thread(target=lambda: [driver.complete(REQUEST) for _ in range(100)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert writing.lost == 0
    assert LedgerReader(place).sums()[0].calls == 800


def test_forked_children_write_their_own(place: Path) -> None:
    code = (
        "import os, sys\n"
        "from prompture import ledger\n"
        "from prompture.testing import FunctionDriver\n"
        "driver = FunctionDriver(lambda r: 'x')\n"
        "ledger(sys.argv[1])\n"
        "driver.generate('a')\n"
        "for _ in range(3):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        driver.generate('b'); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "driver.generate('c')\n"
    )
    quiet = [sys.executable, "-W", "ignore", "-c", code, str(place)]
    subprocess.run(quiet, cwd=ROOT, check=True)
    assert LedgerReader(place).sums()[0].calls == 5
    assert not list(place.parent.glob("*.journal"))


def killed(place: Path, after: int) -> int:
    """Kill -9 a process that writes, once it has said that so many calls returned; how many it
    said in all."""
    words = [sys.executable, "-m", "tests.spend.worker", "ledger", str(place), "1000000"]
    worker = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT)
    assert worker.stdout is not None
    said = 0
    for line in worker.stdout:
        said = int(line)
        if said == after:
            worker.kill()
    worker.wait()
    worker.stdout.close()
    return said


@pytest.mark.parametrize("round_", range(8))
def test_a_killed_process_loses_at_most_the_call_in_flight(place: Path, round_: int) -> None:
    returned = killed(place, [1, 7, 50, 300, 800, 1500, 2500, 4000][round_])
    noted = LedgerReader(place).sums()[0].calls
    assert returned <= noted <= returned + 1
    connection = sqlite3.connect(place)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert not list(place.parent.glob("*.journal"))


def test_a_full_journal_counts_its_losses(place: Path, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(journal, "LIMIT", 1500)
    driver = FunctionDriver(answer)
    opened = ledger(place)
    with opened._writing:  # the database is busy
        for _ in range(20):
            driver.complete(REQUEST)
        lost = opened.lost
    opened.close()
    assert 0 < lost < 20
    assert "missing from the ledger" in caplog.text
    book = LedgerReader(place)
    assert (book.lost, book.sums()[0].calls) == (lost, 20 - lost)


def test_a_ledger_that_cannot_be_written_breaks_no_call(
    place: Path, monkeypatch: Any, caplog: Any
) -> None:
    opened = ledger(place)

    def refuse(*words: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr(opened._database, "insert", refuse)
    FunctionDriver(answer).complete(REQUEST)
    opened.close()
    assert "wait in a journal" in caplog.text
    monkeypatch.undo()
    assert LedgerReader(place).sums()[0].calls == 1  # taken over from the journal
    blocked = Ledger(place)
    monkeypatch.setattr("prompture.spend.ledger.Journal", refuse)
    blocked.after(None, CHARGE)
    assert blocked.lost == 1
    blocked.close()
    with pytest.raises(ConfigurationError, match="cannot open"):
        ledger(place / "below" / "a-file")


CHARGE = Charge(
    provider="openai",
    model="gpt-5-nano",
    usage=Usage(
        input_tokens=1000,
        output_tokens=100,
        cache_writes={"1h": 3},
        service_tier="flex",
        stated_cost=None,
        reported=True,
        raw={"speed": "fast", "text": SECRET},
    ),
    cost=Cost(usd=Decimal("1E-7"), source="live", as_of="2027-01-01", reason="a\tb\nc"),
    request_id="x\ty",
)


def test_lines_and_rows() -> None:
    line = f"id-1\t{line_of(CHARGE, '{}')}"
    assert "\n" not in line and SECRET not in line
    row = dict(zip(WRITTEN, row_of(line) or (), strict=True))
    assert (row["usd"], row["reason"], row["request_id"]) == ("0.0000001", "a b c", "x y")
    usage = usage_of(row)
    assert (usage.cache_writes, usage.service_tier, usage.raw) == (
        {"1h": 3},
        "flex",
        {"speed": "fast"},
    )
    assert all(row_of(line[:cut]) is None for cut in range(line.rindex("\t")))


@pytest.mark.parametrize("name", ["mysql", "oracle", "postgresql"])
def test_columns_are_no_reserved_words(name: str) -> None:
    pytest.importorskip("sqlalchemy")
    dialect = import_module(f"sqlalchemy.dialects.{name}").dialect
    words = dialect.preparer.reserved_words
    assert len(words) > 30
    assert not words & {*COLUMNS, "name", "version", "state", "calls", "losses", "budgets"}


def test_a_new_ledger_takes_over_what_a_killed_process_left(place: Path) -> None:
    Ledger(place).close()
    left = place.parent / "ledger.db.abc.journal"
    left.write_text(f"k-1\t{line_of(CHARGE, '{}')}\n")
    with ledger(place):
        FunctionDriver(answer).complete(REQUEST)
    assert not left.exists()
    rows = sqlite3.connect(place)
    assert rows.execute("SELECT COUNT(*) FROM calls").fetchone() == (2,)
    rows.close()


def test_torn_and_repeated_lines_are_left_out(place: Path) -> None:
    line = line_of(CHARGE, "{}")
    lines = [f"k-1\t{line}\n", "k-2\t12", "\n", f"k-1\t{line}\n", f"k-3\t{line}\n", f"k-4\t{line}"]
    Ledger(place).close()
    (place.parent / "ledger.db.abc.journal").write_text("".join(lines))
    assert [r["id"] for r in LedgerReader(place).rows()] == ["k-1", "k-3"]


@pytest.fixture
def _own_prices() -> Iterator[None]:
    yield
    catalog.clear_prices()


@pytest.mark.usefixtures("_own_prices")
def test_reprice_keeps_both_figures(where: str, place: Path) -> None:
    stated = Usage(input_tokens=5, output_tokens=5, stated_cost=Decimal("0.5"), reported=True)
    plain = Usage(input_tokens=1000, output_tokens=100, reported=True)
    entry = catalog.find("openai/gpt-5-nano")
    writing = Ledger(where)
    for usage in (plain, stated):
        cost = catalog.cost_of(usage, entry)
        charge = Charge(provider="openai", model="gpt-5-nano", usage=usage, cost=cost)
        writing.after(None, charge)
    unread = Charge(provider="openai", model="gpt-5-nano", usage=Usage(), cost=Cost(usd=None))
    writing.after(None, unread)
    for status in ("cancelled", "error"):  # the part that arrived is not what it cost
        cut = Cost(usd=None, reason="cut off; at least $0.00009")
        writing.after(None, replace(unread, usage=plain, cost=cut, status=status))
    writing.close()
    book = LedgerReader(where)
    assert book.reprice().corrected == 0
    catalog.set_price("openai/gpt-5-nano", input=1, output=2)
    done = book.reprice()
    before, after = Decimal("0.00009"), Decimal("0.0012")
    assert (done.calls, done.corrected, done.before, done.after) == (5, 1, before, after)
    assert book.reprice().corrected == 0
    row = next(book.rows())
    assert (Decimal(row["usd"]), row["source"]) == (before, "snapshot")
    assert (Decimal(row["repriced_usd"]), row["repriced_source"]) == (after, "user")
    (total,) = book.sums("provider")
    assert (total.usd, total.repriced_usd) == (before + Decimal("0.5"), after + Decimal("0.5"))
    assert total.unknown == 3
    book.close()


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("7d", timedelta(days=7)),
        ("24h", timedelta(hours=24)),
        ("2w", timedelta(weeks=2)),
        ("90m", timedelta(minutes=90)),
        ("2027-01-01", timedelta(days=30)),
        ("2027-01-01T00:00+00:00", timedelta(days=30)),
    ],
)
def test_since(text: str, back: timedelta) -> None:
    now = datetime(2027, 1, 31, tzinfo=UTC)
    assert since_of(text, now=now) == now - back


def test_wrong_questions(place: Path, monkeypatch: Any) -> None:
    Ledger(place).close()
    with pytest.raises(ConfigurationError, match="label:NAME"):
        LedgerReader(place).sums("colour")
    with pytest.raises(ConfigurationError, match="no time"):
        since_of("yesterday")
    with pytest.raises(ConfigurationError, match="does not work"):
        ledger("no-such-dialect://host/db")
    monkeypatch.setattr("sqlalchemy.create_engine", _without_its_package)
    with pytest.raises(ConfigurationError, match="pip install nowhere_db"):
        ledger("postgresql+nowhere_db://user:pass@host/db")
    assert "pass" not in repr(Ledger.__repr__(_Shown("postgresql://user:pass@host/db")))


def _without_its_package(url: str) -> None:
    raise ModuleNotFoundError("No module named 'nowhere_db'", name="nowhere_db")


class _Shown:
    def __init__(self, where: str) -> None:
        self.where = where


def test_exports() -> None:
    assert prompture.ledger is ledger
    assert prompture.Ledger is Ledger
