"""Limits that processes keep together: a SQLite file, Redis, and what happens without them."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prompture import Cache, Limits
from prompture.drivers import shared_limits
from prompture.drivers.cache_stores import Lease
from prompture.drivers.gate import Place, RouteGate
from prompture.drivers.shared_limits import PATIENCE, Redis, SharedStore, SQLiteFile, store_at
from prompture.drivers.sync import RequestsTransport
from prompture.errors import ConfigurationError, StoreUnavailable
from prompture.wire import deadline
from tests import server as on
from tests.drivers.colours import COLOURS, Colour
from tests.drivers.test_forks import in_child
from tests.server import serving


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with request.param() as found:
        yield found


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def starts(stores: list[SQLiteFile], clock: Clock, rate: float, seconds: float) -> list[float]:
    """When processes that always have something to send start it, each with one request ahead."""
    begun = clock.now
    due = dict.fromkeys(range(len(stores)), 0.0)
    found: list[float] = []
    while clock.now < begun + seconds:
        who = min(due, key=lambda n: due[n])
        clock.now = max(clock.now, begun + due[who])
        wait, _ = stores[who].reserve("s", 0, 0, (rate, None), 0.5)
        found.append(clock.now - begun + wait)
        due[who] = found[-1]
    return sorted(found)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pair(tmp_path: Path, clock: Clock) -> Iterator[list[SQLiteFile]]:
    """Two processes' views of one file."""
    found = [SQLiteFile(tmp_path / "limits.db", clock) for _ in range(2)]
    yield found
    for each in found:
        each.close()


def test_two_processes_stay_within_their_limit_and_use_it(
    pair: list[SQLiteFile], clock: Clock
) -> None:
    at = starts(pair, clock, 600, 120)
    for begin in range(5, 90):
        inside = sum(1 for moment in at if begin <= moment < begin + 30)
        assert 0.95 * 300 <= inside <= 1.02 * 300
    assert sum(1 for moment in at if moment < 60) <= 1.02 * 600


def test_tokens_are_shared_and_settled(pair: list[SQLiteFile], clock: Clock) -> None:
    one, other = pair
    rates = (None, 6000.0)
    assert one.reserve("s", 1000, 0, rates, 0.0) == (0.0, 0.0)
    assert other.reserve("s", 1000, 0, rates, 0.0)[0] == pytest.approx(10)
    # The first took 900 fewer than it had reserved.
    assert one.reserve("s", 1000, -900, rates, 0.0)[0] == pytest.approx(11)
    assert one.reserve("another", 1000, 0, rates, 0.0)[0] == 0


def test_a_pause_is_shared(pair: list[SQLiteFile], clock: Clock) -> None:
    one, other = pair
    one.pause("s", 30.0)
    one.pause("s", 5.0)
    assert other.reserve("s", 0, 0, (60, None), 0.0)[1] == pytest.approx(30)


def test_what_a_killed_process_had_reserved_passes(pair: list[SQLiteFile], clock: Clock) -> None:
    one, other = pair
    for _ in range(3):
        one.reserve("s", 0, 0, (60, None), 0.0)
    one.close()
    assert other.reserve("s", 0, 0, (60, None), 0.0)[0] == pytest.approx(3)
    clock.now += 10
    assert other.reserve("s", 0, 0, (60, None), 0.0)[0] == 0


def test_a_clock_that_was_set_back_stops_nobody(pair: list[SQLiteFile], clock: Clock) -> None:
    pair[0].reserve("s", 0, 0, (60, None), 0.0)
    pair[0].pause("s", 30.0)
    clock.now -= 86_400
    # As if no time had passed.
    assert pair[1].reserve("s", 0, 0, (60, None), 0.0) == (1.0, 30.0)
    clock.now += 86_400
    assert pair[1].reserve("s", 0, 0, (60, None), 0.0) == (0.0, 0.0)


def test_tokens_of_more_than_an_hour_are_not_forgotten(
    pair: list[SQLiteFile], clock: Clock
) -> None:
    pair[0].reserve("s", 100_000, 0, (None, 1000), 0.0)
    clock.now += 1.5
    assert pair[1].reserve("s", 10, 0, (None, 1000), 0.0)[0] == pytest.approx(6000 - 1.5)


def test_a_forked_child_opens_the_file_anew(pair: list[SQLiteFile]) -> None:
    pair[0].reserve("s", 0, 0, (60, None), 0.0)
    assert in_child(lambda: pair[0].reserve("s", 0, 0, (60, None), 0.0)[0]) == pytest.approx(1)
    assert pair[0].reserve("s", 0, 0, (60, None), 0.0)[0] == pytest.approx(2)


def test_a_gate_reserves_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    limits = Limits(requests_per_minute=6000, shared=path)
    gates = [RouteGate("acme", limits, scope="s") for _ in range(2)]
    transport = RequestsTransport()

    def call(gate: RouteGate) -> None:
        place = Place(0, None, is_again=False)
        if (waiting := gate.enter(place, 120.0)) is not None:
            transport.run(waiting)
        gate.leave(place, outcome="ok")

    for n in range(60):
        call(gates[n % 2])
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT scope FROM limits").fetchall()
    db.close()
    assert rows == [("",), ("s",)]
    assert gates[0].waiting == gates[1].waiting == 0


def test_one_who_gives_up_leaves_its_place_to_the_next(tmp_path: Path) -> None:
    gate = RouteGate("a", Limits(requests_per_minute=60, shared=tmp_path / "l.db"), scope="s")
    first = Place(0, None, is_again=False)
    waiting = gate.enter(first, 120.0)
    assert waiting is not None
    RequestsTransport().run(waiting)
    second, third = Place(0, None, is_again=False), Place(0, None, is_again=False)
    step = gate.enter(second, 120.0)
    assert step is not None
    next(step).do()  # type: ignore[union-attr]
    next(step)
    slot = second.slot
    gate.enter(third, 120.0)
    gate.leave(second)
    gate._look(third)
    assert third.slot == slot


def test_calls_are_refused_where_the_store_cannot_be_reached(
    colour: Colour, tmp_path: Path
) -> None:
    broken = tmp_path / "is-a-folder"
    broken.mkdir()
    with serving(on.good("fine")) as server:
        closed = Limits(requests_per_minute=600, shared=broken)
        driver = colour.driver(server.url, limits=closed)
        with pytest.raises(StoreUnavailable, match="is-a-folder") as caught:
            colour.complete(driver)
        assert caught.value.bill is None
        assert not server.asked
        gate = driver.route.found_gate("m")
        assert gate.inside == gate.waiting == 0
        opened = Limits(requests_per_minute=600, shared=broken, when_unreachable="allow")
        other = colour.driver(server.url, limits=opened)
        assert colour.complete(other).text == "fine"


def test_a_file_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    store = SQLiteFile(tmp_path / "l.db")
    store.reserve("s", 0, 0, (60, None), 0.0)
    other = sqlite3.connect(tmp_path / "l.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.1, other.execute, ["COMMIT"]).start()
    assert store.reserve("s", 0, 0, (60, None), 0.0)[0] > 0
    other.close()
    store.close()


_PROCESS = """
import json, sys, threading, time
from prompture import Limits
from prompture.drivers.gate import Place, RouteGate
from prompture.drivers.sync import RequestsTransport
gate = RouteGate("acme", Limits(requests_per_minute=6000, shared=sys.argv[1]), scope="s")
transport, started = RequestsTransport(), []
print("ready", flush=True)
until = float(sys.stdin.readline())
def work():
    while time.time() < until:
        place = Place(0, None, is_again=False)
        waiting = gate.enter(place, 120.0)
        if waiting is not None:
            transport.run(waiting)
        started.append(time.time())
        gate.leave(place, outcome="ok")
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(started))
"""


def test_a_deadline_ends_the_wait_for_another_process(tmp_path: Path) -> None:
    file = SQLiteFile(tmp_path / "limits.db")
    file.reserve("s", 0, 0, (60, None), 0.0)
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with deadline.within(0.1), pytest.raises(StoreUnavailable, match="locked"):
        file.reserve("s", 0, 0, (60, None), 0.0)
    assert time.monotonic() - began < PATIENCE
    other.close()
    assert file.reserve("s", 0, 0, (60, None), 0.0)[0] > 0
    file.close()


def test_two_real_processes_share_a_limit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PROCESS, str(tmp_path / "l.db")]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running: list[Any] = [subprocess.Popen(command, **pipes) for _ in range(2)]
    assert [each.stdout.readline() for each in running] == ["ready\n"] * 2
    until = f"{time.time() + 2.5}\n"
    for each in running:
        each.stdin.write(until)
        each.stdin.flush()
    found = [json.loads(each.communicate(timeout=60)[0]) for each in running]
    at = sorted(moment for one in found for moment in one)
    assert all(found)
    # From where both were there, without the burst at the beginning.
    begin = max(one[0] for one in found) + 0.7
    inside = sum(1 for moment in at if begin <= moment < begin + 1.5)
    assert inside <= 1.02 * 150 + 1, inside


# Redis.


def test_the_url_of_a_store_is_checked() -> None:
    for where in ("http://127.0.0.1", "postgres://x"):
        with pytest.raises(ConfigurationError, match="redis"):
            store_at(where)


def redis_server(folder: Path) -> Iterator[str]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("no Redis server is installed here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--save", "", "--dir", str(folder)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        for line in running.stdout:
            if "ready to accept" in line.lower():
                break
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        running.terminate()
        running.communicate(timeout=10)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("redis")
    yield from redis_server(tmp_path)


def test_redis_keeps_the_same_rules(redis_url: str) -> None:
    one, other = Redis(redis_url), Redis(redis_url)
    rates = (600.0, 6000.0)
    waits = [each.reserve("s", 100, 0, rates, 0.0)[0] for each in (one, other, one)]
    assert waits == [pytest.approx(n, abs=0.2) for n in (0, 1, 2)]
    assert one.reserve("s", 100, -100, rates, 0.0)[0] == pytest.approx(2, abs=0.2)
    other.pause("s", 30.0)
    other.pause("s", 3.0)
    assert one.reserve("s", 0, 0, rates, 0.0)[1] == pytest.approx(30, abs=0.2)
    for each in (one, other):
        each.close()


def test_redis_that_is_gone_is_an_error_without_the_password() -> None:
    pytest.importorskip("redis")
    store: Any = Redis("redis://:secret-word@127.0.0.1:9/0")
    with pytest.raises(StoreUnavailable) as caught:
        store.reserve("s", 0, 0, (60, None), 0.0)
    assert "secret-word" not in str(caught.value)
    store.close()


def test_a_deadline_ends_the_wait_for_a_redis_that_is_silent() -> None:
    pytest.importorskip("redis")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        store, cache = Redis(url), Cache(url)
        began = time.monotonic()
        with deadline.within(0.2):
            with pytest.raises(StoreUnavailable, match="TimeoutError"):
                store.reserve("s", 0, 0, (60, None), 0.0)
            lease = cache.lookup("id")
        assert isinstance(lease, Lease)  # the model is asked
        lease.done()
        assert time.monotonic() - began < PATIENCE
        store.close()
        cache.close()


def test_a_store_is_made_once_in_a_process(tmp_path: Path) -> None:
    one: SharedStore = store_at(tmp_path / "l.db")
    assert store_at(str(tmp_path / "l.db")) is one
    shared_limits._stores.clear()
