"""Ledgers and budgets among poison rows, odd names, other processes, full and locked disks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from prompture import Budget, LedgerReader, async_driver_for, driver_for, ledger, track
from prompture.drivers import meter
from prompture.drivers.meter import metering
from prompture.errors import ConfigurationError
from prompture.money import Charge, Cost
from prompture.spend import journal as journals
from prompture.spend.account import Account
from prompture.spend.database import SQLite
from prompture.spend.journal import WRITTEN, Journal, left_over, line_of, row_of
from prompture.spend.ledger import Ledger, opened, save, take_over
from prompture.spend.scope import labels
from prompture.testing import FunctionDriver
from prompture.types import Completion, Request, Usage, user
from tests.loopback import json_reply, serving
from tests.spend.till import MODEL, completion_body

USED = Usage(input_tokens=1, output_tokens=1, reported=True)
CHARGE = Charge(provider="p", model="m", usage=USED, cost=Cost(usd=Decimal("0.1"), source="user"))
REQUEST = Request(model="m", messages=(user("x"),))
ASK = Request(model="", messages=(user("x"),))
POSIX = pytest.mark.skipif(os.name == "nt", reason="modes and forks of POSIX")


def charged(**fields: Any) -> Charge:
    used = {n: fields.pop(n) for n in ("input_tokens", "output_tokens", "raw") if n in fields}
    usage = Usage(reported=True, **used)
    return Charge(**{"provider": "p", "model": "m", "usage": usage, "cost": CHARGE.cost, **fields})


POISON = {
    "a count past 64 bits": charged(input_tokens=2**70),
    "a count of 10,000 digits": charged(output_tokens=10**4000),
    "seconds that are none": charged(seconds=float("nan")),
    "endless seconds": charged(seconds=float("inf")),
    "half a character": charged(model="m\ud800"),
    "breaks and tabs": charged(model="a\tb\nc\x85d\u2028e\x00f\x1b[2J", note="x\r\ny"),
    "a long name": charged(provider="p" * 500, status="s" * 50, note="n" * 500),
    "an amount of 300 digits": charged(cost=Cost(usd=Decimal(10) ** 300, source="user")),
    "a usage that is no JSON": charged(raw={"speed": object()}),
}


@pytest.mark.parametrize("name", POISON)
def test_one_bad_row_does_not_keep_the_others_back(name: str, tmp_path: Path) -> None:
    place = tmp_path / "l.db"
    book = ledger(place)
    for charge in (CHARGE, POISON[name], CHARGE):
        book.after(None, charge)
    book.close()
    read = LedgerReader(place)
    rows = list(read.rows())
    assert len(rows) + read.lost == 3 and len(rows) >= 2
    for row in rows:
        assert all(not isinstance(v, str) or v.isprintable() for v in row.values())
        json.dumps(row).encode()
    assert not list(tmp_path.glob("*.journal*"))


@pytest.mark.parametrize("where", ["own", "taken over"])
def test_a_row_that_the_database_refuses_is_counted(where: str, tmp_path: Path) -> None:
    into = opened(tmp_path / "l.db")
    into.run("CREATE TRIGGER no BEFORE INSERT ON calls WHEN NEW.model = 'bad'"
             " BEGIN SELECT RAISE(ABORT, 'no'); END")  # fmt: skip
    if where == "own":
        book = Ledger(tmp_path / "l.db")
        for model in ("m", "bad", "m"):
            book.after(None, charged(model=model))
        book.close()
    else:
        lines = [f"k-{n}\t{line_of(charged(model=m), '{}')}" for n, m in enumerate(("bad", "m"))]
        (tmp_path / "l.db.abc.journal").write_text("\n".join([*lines, "rubbish", ""]))
        assert take_over(into, tmp_path, "l.db") == 3
    read = LedgerReader(tmp_path / "l.db")
    assert [row["model"] for row in read.rows()] == (["m", "m"] if where == "own" else ["m"])
    assert read.lost == (1 if where == "own" else 2)


def test_a_database_that_is_away_loses_nothing(tmp_path: Path) -> None:
    into = opened(tmp_path / "l.db")
    into.run("DROP TABLE calls")
    with pytest.raises(sqlite3.OperationalError):
        save(into, [f"k-1\t{line_of(CHARGE, '{}')}"])


def test_rows_fit_their_columns() -> None:
    row = row_of(f"k-1\t{line_of(POISON['a long name'], '{}')}")
    assert row is not None
    fields = dict(zip(WRITTEN, row, strict=True))
    assert [len(fields[n]) for n in ("provider", "status", "note")] == [100, 20, 200]


KILLED = """
import os, sys
from decimal import Decimal
from prompture.money import Charge, Cost
from prompture.spend.ledger import ledger
from prompture.types import Usage
book = ledger(sys.argv[1])
usage = Usage(input_tokens=1, output_tokens=1, reported=True)
charge = Charge(provider="p", model="m", usage=usage, cost=Cost(usd=Decimal("0.1"), source="user"))
for _ in range(20):
    book.after(None, charge)
os.kill(os.getpid(), 9)
"""
NAMES = ["a[1].db", "a b.db", "100%.db", "what?.db", "#1.db", "*.db", "a\nb.db", "ü.db", "{x}.db"]


@POSIX
@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_and_any_name(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False)
    assert sum(1 for _ in LedgerReader(place).rows()) == 20
    assert sorted(p.name for p in tmp_path.iterdir() if "journal" in p.name) == []
    budget = Budget(usd=1, ledger=place, name="%_[x]'\"")
    assert budget.spent == 0


def test_another_ledger_whose_name_begins_alike_is_left_alone(tmp_path: Path) -> None:
    other = Journal(tmp_path, "costs.db.old")
    other.append(line_of(CHARGE, "{}"))
    os.close(other._file)
    assert list(left_over(tmp_path, "costs.db")) == []
    assert [len(lines) for lines, _ in left_over(tmp_path, "costs.db.old")] == [1]


@POSIX
def test_a_journal_has_its_name_only_when_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = journals.fcntl
    assert real is not None

    class Between:
        """Another process opens the ledger between the making of the journal and its lock."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def flock(self, file: int, how: int) -> None:
            if how == real.LOCK_EX:
                monkeypatch.setattr(journals, "fcntl", real)
                take_over(opened(tmp_path / "l.db"), tmp_path, "l.db")
                monkeypatch.setattr(journals, "fcntl", self)
            real.flock(file, how)

    monkeypatch.setattr(journals, "fcntl", Between())
    book = Ledger(tmp_path / "l.db")
    for _ in range(5):
        book.after(None, CHARGE)
    book.close()
    assert sum(1 for _ in LedgerReader(tmp_path / "l.db").rows()) == 5


@POSIX
def test_what_was_never_named_is_swept_when_it_is_old(tmp_path: Path) -> None:
    fresh, old = (tmp_path / f"l.db.{'ab' * 7}{n}.journal.opening" for n in ("00", "01"))
    fresh.touch()
    old.touch()
    os.utime(old, (1, 1))
    assert list(left_over(tmp_path, "l.db")) == []
    assert (fresh.exists(), old.exists()) == (True, False)


@POSIX
def test_two_processes_that_open_it_at_once_lose_nothing(tmp_path: Path) -> None:
    program = KILLED.replace("os.kill(os.getpid(), 9)", "book.close()")
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "l.db")]) for _ in range(3)
    ]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert sum(1 for _ in LedgerReader(tmp_path / "l.db").rows()) == 60


@POSIX
def test_its_files_are_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        book = Ledger(tmp_path / "l.db")
        book.after(None, CHARGE)
        book.flush()
        Budget(usd=1, ledger=tmp_path / "b.db", name="x")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
        book.close()
    finally:
        os.umask(before)
    assert len(modes) >= 4 and set(modes.values()) == {0o600}


def test_labels_are_clean(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db"), labels(**{"customer": "a\ud800\x1b[31m\tb", "k\n": 5}):
        FunctionDriver(lambda r: Completion(text="x", usage=USED)).complete(REQUEST)
    sums = LedgerReader(tmp_path / "l.db").sums("label:customer")
    assert [s.key for s in sums] == ["a? [31m b"]


@POSIX
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anything")
def test_a_ledger_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    _read_only(tmp_path)


def _read_only(folder: Path) -> None:
    book = Ledger(folder / "l.db")
    book.after(None, CHARGE)
    book.close()
    (folder / "l.db").chmod(0o400)
    folder.chmod(0o500)
    try:
        assert sum(1 for _ in LedgerReader(folder / "l.db").rows()) == 1
        with pytest.raises(ConfigurationError, match="cannot be kept"):
            Budget(usd=1, ledger=folder / "l.db", name="x")
    finally:
        folder.chmod(0o700)


def test_a_file_that_may_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, for a root that runs the tests."""
    book = Ledger(tmp_path / "l.db")
    book.after(None, CHARGE)
    book.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert sum(1 for _ in LedgerReader(tmp_path / "l.db").rows()) == 1
    with pytest.raises(ConfigurationError, match="readonly"):
        Budget(usd=1, ledger=tmp_path / "l.db", name="x")


@pytest.mark.parametrize("_", [1, 2, 3])
def test_a_ledger_that_cannot_be_opened_fails_alike_each_time(
    _: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "l.db"
    monkeypatch.setenv("PROMPTURE_LEDGER", str(place))
    monkeypatch.setattr(meter, "_started", False)
    for _again in range(2):
        with pytest.raises(ConfigurationError, match="cannot open the ledger"):
            FunctionDriver(lambda r: Completion(text="x")).complete(REQUEST)
        with pytest.raises(ConfigurationError, match="cannot open the ledger"):
            ledger(place)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_bytes(b"this is no database at all, and long enough" * 50)
    for make in (lambda: LedgerReader(tmp_path / "l.db"), lambda: ledger(tmp_path / "l.db")):
        with pytest.raises(ConfigurationError, match="cannot open the ledger"):
            make()


@contextmanager
def provider() -> Iterator[dict[str, Any]]:
    with serving(lambda asked: json_reply(completion_body(100, 10))) as server:
        yield {"api_key": "k" * 20, "base_url": f"{server.url}/v1"}


COST = Decimal("0.000009")


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, *turns: int) -> Iterator[None]:
    """The numbered transactions find the disk full; without numbers all of them do."""
    real, made = SQLite.transaction, [0]

    @contextmanager
    def full(self: SQLite) -> Iterator[Any]:
        made[0] += 1
        if not turns or made[0] in turns:
            raise sqlite3.OperationalError("database or disk is full")
        with real(self) as execute:
            yield execute

    with monkeypatch.context() as patch:
        patch.setattr(SQLite, "transaction", full)
        yield


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_budget_that_cannot_be_settled_loses_neither_answer_nor_bill(
    colour: str, stream: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    shared, other = Budget(usd=5, ledger=tmp_path / "b.db", name="run"), Budget(usd=5)
    with provider() as given, other, track() as spent, shared:
        with failing(monkeypatch, 2), caplog.at_level(logging.WARNING, logger="prompture"):
            texts = ask(colour, given, stream=stream)
        assert texts == ['{"total": 1}']
        assert spent.cost == other.spent == shared.spent == COST
        assert shared.reserved == 0 and "disk is full" in caplog.text
        ask(colour, given, stream=stream)
    # Another process sees both: the second call wrote what the first could not.
    assert Budget(usd=5, ledger=tmp_path / "b.db", name="run").spent == 2 * COST
    assert not shared._accounts._late  # type: ignore[attr-defined]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_budget_that_cannot_be_asked_stops_the_call(
    colour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Budget(usd=5, ledger=tmp_path / "b.db", name="run")
    with provider() as given, track() as spent, shared, failing(monkeypatch):
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"'run' cannot be kept.*disk is full"):
                ask(colour, given)
    assert spent.calls == 0


def ask(colour: str, given: dict[str, Any], *, stream: bool = False) -> list[str]:
    request = Request(model="", messages=(user("x"),), max_tokens=50)
    if colour == "sync":
        with driver_for(f"openai/{MODEL}", **given) as driver:
            return [([*driver.stream(request)][-1] if stream else driver.complete(request)).text]  # type: ignore[union-attr]

    async def go() -> list[str]:
        async with async_driver_for(f"openai/{MODEL}", **given) as driver:
            if stream:
                return [[p async for p in driver.stream(request)][-1].text]
            return [(await driver.complete(request)).text]

    return asyncio.run(go())


def test_a_locked_budget_does_not_stop_the_loop(tmp_path: Path) -> None:
    """Ten calls wait for another process's lock, and the loop goes on; all are counted."""
    shared = Budget(usd=5, ledger=tmp_path / "b.db", name="run")
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            longest = max(longest, time.perf_counter() - before)

    async def go(given: dict[str, Any]) -> None:
        async with async_driver_for(f"openai/{MODEL}", **given) as driver:
            await driver.complete(ASK)
            other = sqlite3.connect(
                tmp_path / "b.db", isolation_level=None, check_same_thread=False
            )
            other.execute("BEGIN IMMEDIATE")
            threading.Timer(1, lambda: (other.execute("COMMIT"), other.close())).start()
            heart = asyncio.create_task(beat())
            await asyncio.gather(*(driver.complete(ASK) for _ in range(5)))
            heart.cancel()

    with provider() as given, metering(shared):
        asyncio.run(go({**given, "timeout": 30}))
    assert longest < 0.5
    assert (shared.spent, shared.calls_made) == (6 * COST, 6)


def test_a_call_that_is_cancelled_while_it_settles_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Budget(usd=5, ledger=tmp_path / "b.db", name="run")
    settling, go_on = threading.Event(), threading.Event()
    real = shared._accounts.settle

    def slow(*args: Any, **kwargs: Any) -> None:
        settling.set()
        assert go_on.wait(20)
        real(*args, **kwargs)

    monkeypatch.setattr(shared._accounts, "settle", slow)

    async def go(given: dict[str, Any]) -> None:
        async with async_driver_for(f"openai/{MODEL}", **given) as driver:
            task = asyncio.create_task(driver.complete(ASK))
            assert await asyncio.to_thread(settling.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()

    with provider() as given, metering(shared), track() as spent:
        asyncio.run(go(given))
    assert (shared.spent, shared.reserved, shared.calls_made) == (COST, 0, 1)
    assert [c.status for c in spent.bill.charges] == ["ok"]


DAMAGED = [
    "", "{}", "null", "[1]", "not json", "[" * 100_000, '["NaN", 0, 0, 0, {}]',
    '["-5", 0, 0, 0, {}]', '["Infinity", 0, 0, 0, {}]', '["1", -1, 0, 0, {}]',
    '["1", true, 0, 0, {}]', "[1, 0, 0, 0, {}]", '["1", 0, 0, 0, {"k": []}]',
    '["1", 0, 0, 0, {"k": ["1", 0, "nobody", 0]}]', '["x", 0, 0, 0, {}]', '["1", 0, 0, 0, []]',
]  # fmt: skip


@pytest.mark.parametrize("state", DAMAGED, ids=lambda s: s[:30])
def test_a_damaged_row_of_a_budget_is_said_plainly(state: str, tmp_path: Path) -> None:
    budget = Budget(usd=5, ledger=tmp_path / "b.db", name="run")
    with sqlite3.connect(tmp_path / "b.db") as other:
        other.execute("UPDATE budgets SET state = ?", (state,))
    other.close()
    for look in (lambda: budget.spent, lambda: budget.before(REQUEST, None)):  # type: ignore[arg-type]
        with pytest.raises((ConfigurationError, AttributeError)) as raised:
            look()
        if isinstance(raised.value, ConfigurationError):
            assert "'run' cannot be read" in str(raised.value)


def test_accounts_are_written_and_read_whole() -> None:
    account = Account(spent=Decimal("0E-9"), tokens=5, calls=2, unknown=1)
    assert Account.from_json(account.to_json()) == account


@pytest.mark.parametrize("name", ["x" * 300, "a\ud800", "a\x00b"])
def test_a_name_that_no_database_takes(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        Budget(usd=5, ledger=tmp_path / "b.db", name=name)


def test_a_shared_budget_goes_to_other_processes_and_a_private_one_says_no(tmp_path: Path) -> None:
    shared = Budget("5", ledger=tmp_path / "b.db", name="run", on_unknown="allow")
    twin = pickle.loads(pickle.dumps(shared))
    assert (twin.usd, twin.on_unknown, twin.name) == (5, "allow", "run")
    with pytest.raises(ConfigurationError, match="ledger= and name="):
        pickle.dumps(Budget(usd=1))


@POSIX
def test_a_forked_child_does_not_hold_what_its_parent_has_reserved() -> None:
    budget = Budget(calls=2)
    _, token = budget.before(REQUEST, FunctionDriver(lambda r: Completion(text="x")))
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, str(len(budget._accounts.look().holds)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"0"
    assert len(budget._accounts.look().holds) == 1
    budget.withdraw(token)
    os.close(read)
    os.close(write)


def test_a_price_that_was_unknown_for_its_usage_stays_so(tmp_path: Path) -> None:
    usage = Usage(input_tokens=10, output_tokens=5, reported=True, problem="a cost that is none")
    cost = Cost(usd=None, reason="a cost that is none")
    with Ledger(tmp_path / "l.db") as book:
        book.after(None, Charge(provider="openai", model="gpt-5-nano", usage=usage, cost=cost))
    done = LedgerReader(tmp_path / "l.db").reprice()
    assert (done.calls, done.corrected) == (1, 0)
