"""The cache of answers: hits, who asks while others wait, what is never kept, files, processes."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

import prompture
from prompture import Budget, Cache, Completion, LedgerReader, errors, track
from prompture.drivers.cost import CostMixin
from prompture.drivers.meter import ChargeRecorder
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.drivers.request_checks import prepared
from prompture.drivers.shared_cache import PATIENCE, SQLiteStore
from prompture.money import Cost
from prompture.types import Delta, Tool, user
from tests import server as on
from tests.drivers.colours import ASK, COLOURS, KEY, Colour, quick, text_of
from tests.server import WAIT, Exchange, serving

TOOL = Tool(name="t", description="d")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with request.param() as found:
        yield found


@pytest.fixture(params=["memory", "file"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path / "c.db" if request.param == "file" else None)
    yield made
    made.close()


def test_an_equal_call_is_answered_by_the_cache(colour: Colour, cache: Cache) -> None:
    with serving(on.good("one"), on.good("two")) as server:
        driver = colour.driver(server.url, cache=cache)
        first, again = colour.complete(driver), colour.complete(driver)
        other = colour.driver(server.url)  # one without
        fresh = colour.complete(other)
    assert (first.text, again.text, fresh.text) == ("one", "one", "two")
    assert (first.cache_hit, again.cache_hit) == (False, True)
    assert len(server.asked) == 2
    assert again.raw == first.raw and again.stop_reason == first.stop_reason
    assert again.cost is not None and again.cost.usd == 0
    assert again.usage.total_tokens == 0
    assert cache.stats().hits == 1


def test_what_a_hit_saves_is_on_the_bill_once(
    colour: Colour, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = Cost(usd=Decimal("0.002"), source="user")
    monkeypatch.setattr(CostMixin, "price", lambda *_, **__: price)
    with serving(on.good()) as server, track() as spent:
        driver = colour.driver(server.url, cache=cache)
        first, again = colour.complete(driver), colour.complete(driver)
    assert first.cost is not None and again.cost is not None
    assert first.cost.usd == Decimal("0.002") == again.cost.saving
    assert [charge.cost.usd for charge in spent.bill.charges] == [Decimal("0.002"), 0]
    assert spent.bill.saving == Decimal("0.002")
    assert "answers from the cache saved $0.002" in spent.bill.table()
    assert str(spent.bill).startswith("$0.002 (1 call, 1 from the cache, ")
    assert spent.calls == 1
    assert cache.stats().saved == Decimal("0.002")


def test_what_a_hit_saves_is_unknown_where_the_price_is(
    colour: Colour, cache: Cache, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    with serving(on.good()) as server, track() as spent, prompture.ledger(path):
        driver = colour.driver(server.url, cache=cache)
        colour.complete(driver)
        again = colour.complete(driver)
    assert again.cost is not None and again.cost.usd == 0 and again.cost.saving is None
    assert "what that saved is unknown" in again.cost.reason
    assert spent.bill.saving is None and spent.bill.as_dict()["saving_usd"] is None
    assert "the cache saved an unknown amount, at least $0" in spent.bill.table()
    reader = LedgerReader(path)
    assert [row["saving_usd"] for row in reader.rows()] == ["0", None]
    assert [each.saving for each in reader.sums()] == [0]
    reader.close()


def test_a_hit_takes_nothing_of_a_budget(colour: Colour, cache: Cache) -> None:
    with serving(on.good()) as server:
        driver = colour.driver(server.url, cache=cache)
        colour.complete(driver)
        with Budget(calls=1, on_unknown="allow") as budget:
            for _ in range(3):
                assert colour.complete(driver).cache_hit
            assert budget.calls_made == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "n"},
        {"messages": (user("ho"),)},
        {"temperature": 0.5},
        {"max_tokens": 7},
        {"seed": 3},
        {"tools": (TOOL,)},
        {"schema": {"type": "object"}},
        {"json_mode": True},
        {"extra": {"x": 1}},
    ],
    ids=str,
)
def test_another_request_is_another_answer(changes: dict[str, Any]) -> None:
    with serving(on.good("one"), on.good("two")) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=Cache())
        assert driver.complete(ASK).text == "one"
        assert driver.complete(replace(ASK, **changes)).text == "two"
        assert driver.complete(ASK).cache_hit
        driver.close()


def test_what_changes_no_answer_changes_no_key() -> None:
    cache = Cache()
    with serving(on.good()) as server:
        one = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        two = OpenAICompatible(
            "m", base_url=server.url, api_key="other" * 5, cache=cache, timeout=9
        )
        one.complete(ASK)
        assert two.complete(replace(ASK, timeout=3.0)).cache_hit
        three = OpenAICompatible("m", base_url=server.url, headers={"x-team": "b"}, cache=cache)
        assert not three.complete(ASK).cache_hit
        apart = Cache()
        apart.leases, apart.namespace = cache.leases, "tenant"
        assert not one.complete(replace(ASK, cache=apart)).cache_hit
        for each in (one, two, three):
            each.close()


def test_options_of_a_call(colour: Colour) -> None:
    cache = Cache()
    with serving(on.good()) as server:
        driver = colour.driver(server.url)
        assert not colour.run(driver.generate("hi", cache=cache)).cache_hit
        assert colour.run(driver.generate("hi", {"cache": cache})).cache_hit
        cached = colour.driver(server.url, cache=cache)
        assert colour.run(cached.generate("hi")).cache_hit
        assert not colour.run(cached.generate("hi", cache=False)).cache_hit


def test_streams_are_kept_and_given_again(colour: Colour, cache: Cache) -> None:
    with serving(on.streams(*on.EVENTS)) as server:
        driver = colour.driver(server.url, cache=cache)
        first, again = colour.stream(driver), colour.stream(driver)
        whole = colour.complete(driver)
    assert text_of(first) == text_of(again) == whole.text == "hello"
    assert isinstance(again[0], Delta) and isinstance(again[-1], Completion)
    assert (first[-1].cache_hit, again[-1].cache_hit, whole.cache_hit) == (False, True, True)
    assert len(server.asked) == 1


def test_a_whole_answer_is_given_as_a_stream(colour: Colour, cache: Cache) -> None:
    with serving(on.good("all of it")) as server:
        driver = colour.driver(server.url, cache=cache)
        colour.complete(driver)
        pieces = colour.stream(driver)
    assert text_of(pieces) == "all of it" and pieces[-1].cache_hit


def _ended(reason: str, text: str = "half") -> on.Step:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    body = {"model": "m", "choices": [{**choice, "finish_reason": reason}], "usage": on.USAGE}
    return on.raw(json.dumps(body).encode(), content_type="application/json")


@pytest.mark.parametrize(
    "bad",
    [
        _ended("length"),
        _ended("content_filter"),
        _ended("odd"),
        _ended("stop", ""),
        on.fails(400),
        on.raw(b"<html>"),
        on.good(f"your key is {KEY}"),
    ],
)
def test_what_is_never_kept(colour: Colour, cache: Cache, bad: on.Step) -> None:
    with serving(bad, on.good()) as server:
        driver = colour.driver(server.url, cache=cache)
        with suppress(errors.PromptureError):
            colour.complete(driver)
        assert not colour.complete(driver).cache_hit
        assert colour.complete(driver).text == "hello"
    assert len(server.asked) == 2
    assert cache.stats().answers == 1


def test_a_stream_that_is_left_is_not_kept(colour: Colour, cache: Cache) -> None:
    with serving(on.streams(*on.EVENTS)) as server:
        driver = colour.driver(server.url, cache=cache)
        colour.stream(driver, leave=1)
        assert cache.stats().answers == 0
        assert text_of(colour.stream(driver)) == "hello"
    assert len(server.asked) == 2


def _held(ready: threading.Event, go: threading.Event, then: on.Step) -> on.Step:
    def step(x: Exchange) -> None:
        ready.set()
        assert go.wait(WAIT)
        then(x)

    return step


def test_of_many_threads_one_asks(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    ready, go = threading.Event(), threading.Event()
    found: list[Completion] = []
    with serving(_held(ready, go, on.good())) as server, caplog.at_level(logging.INFO, "prompture"):
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        threads = [
            threading.Thread(target=lambda: found.append(driver.complete(ASK))) for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        assert ready.wait(WAIT)
        until = time.monotonic() + WAIT
        while caplog.text.count("waits for the same") < 11 and time.monotonic() < until:
            go.wait(0.01)
        go.set()
        for thread in threads:
            thread.join(WAIT)
        driver.close()
    assert len(server.asked) == 1
    assert sorted(each.cache_hit for each in found) == [False] + [True] * 11


def test_of_many_tasks_one_asks(cache: Cache) -> None:
    async def all_of_them() -> list[Completion]:
        async with AsyncOpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache) as d:
            return await asyncio.gather(*(d.complete(ASK) for _ in range(20)))

    with serving(on.good()) as server:
        found = asyncio.run(all_of_them())
    assert len(server.asked) == 1
    assert sum(each.cache_hit for each in found) == 19


def test_those_whose_leader_failed_ask_for_themselves(cache: Cache) -> None:
    async def all_of_them() -> list[Any]:
        async with AsyncOpenAICompatible(
            "m", base_url=server.url, api_key=KEY, cache=cache, retry=quick(1)
        ) as driver:
            calls = (driver.complete(ASK) for _ in range(6))
            return await asyncio.gather(*calls, return_exceptions=True)

    with serving(on.fails(500), on.good()) as server:
        found = asyncio.run(all_of_them())
    assert sum(isinstance(each, errors.ServerError) for each in found) == 1
    assert sum(isinstance(each, Completion) for each in found) == 5


def test_a_cancelled_leader_lets_the_others_go_on(cache: Cache) -> None:
    ready, go = threading.Event(), threading.Event()

    async def both() -> Completion:
        async with AsyncOpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache) as d:
            leader = asyncio.create_task(d.complete(ASK))
            await asyncio.to_thread(ready.wait, WAIT)
            other = asyncio.create_task(d.complete(ASK))
            await asyncio.sleep(0)
            leader.cancel()
            done = await asyncio.wait_for(other, WAIT)
            go.set()
            return done

    with serving(_held(ready, go, on.good()), on.good("second")) as server:
        assert asyncio.run(both()).text == "second"


def test_what_can_be_neither_read_nor_forgotten_is_asked_for(colour: Colour) -> None:
    cache = Cache()
    with serving(on.good("one"), on.good("two")) as server:
        driver = colour.driver(server.url, cache=cache)
        colour.complete(driver)
        store = cache.leases.store
        ((id, kept),) = store._answers.items()  # type: ignore[attr-defined]
        store.put(id, replace(kept, value=b"wrong"))
        store.drop = lambda id: None  # type: ignore[method-assign]
        assert colour.complete(driver).text == "two"


def test_a_killed_process_holds_nobody_for_long(tmp_path: Path) -> None:
    ready, go = threading.Event(), threading.Event()
    path = tmp_path / "c.db"
    program = (
        "import sys; from prompture import Cache; from prompture.types import *;"
        "from prompture.drivers.openai_compatible import OpenAICompatible as D;"
        "d = D('m', base_url=sys.argv[1], api_key='k' * 20, cache=Cache(sys.argv[2]));"
        "d.complete(Request(model='m', messages=(user('hi'),)))"
    )
    with serving(_held(ready, go, on.good()), on.good("second")) as server:
        child = subprocess.Popen([sys.executable, "-c", program, server.url, str(path)])
        assert ready.wait(WAIT)
        child.send_signal(signal.SIGKILL)
        child.wait(WAIT)
        began = time.monotonic()
        with OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=Cache(path)) as driver:
            assert driver.complete(ASK).text == "second"
        took = time.monotonic() - began
        go.set()
    assert took < 6.0


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    program = (
        "import sys; from prompture import Cache; from prompture.types import *;"
        "from prompture.drivers.openai_compatible import OpenAICompatible as D;"
        "d = D('m', base_url=sys.argv[1], api_key='k' * 20, cache=Cache(sys.argv[2]));"
        "print(d.complete(Request(model='m', messages=(user('hi'),))).text)"
    )
    with serving(on.good()) as server:
        children = [
            subprocess.Popen(
                [sys.executable, "-c", program, server.url, str(path)], stdout=subprocess.PIPE
            )
            for _ in range(4)
        ]
        texts = [child.communicate(timeout=60)[0] for child in children]
    assert texts == [b"hello\n"] * 4
    assert len(server.asked) == 1


def test_a_file_is_for_its_owner_alone_and_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.db"
    cache = Cache(path)
    with serving(on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        driver.complete(ASK)
        driver.close()
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert KEY.encode() not in each.read_bytes()
    cache.close()


def test_an_answer_that_repeats_a_calls_own_key_is_not_kept(colour: Colour, cache: Cache) -> None:
    own = "a-tenant-s-own-key-0123456789"
    request = replace(ASK, api_key=own)
    with serving(on.good(f"your key is {own}"), on.good("two")) as server:
        driver = colour.driver(server.url, cache=cache)
        colour.complete(driver, request)
        assert colour.complete(driver, request).text == "two"
    assert len(server.asked) == 2


@pytest.mark.parametrize("damage", [b"no database at all" * 100, None])
def test_a_damaged_file_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes | None
) -> None:
    path = tmp_path / "c.db"
    with serving(on.good()) as server:
        first = Cache(path)
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=first)
        driver.complete(ASK)
        first.close()
        whole = path.read_bytes()
        # Either all of it, or the pages after the first.
        path.write_bytes(damage or whole[:4096] + b"\x5a" * (len(whole) - 4096))
        assert not driver.complete(ASK).cache_hit
        assert driver.complete(ASK).cache_hit
        driver.close()
        first.close()
    assert "is damaged" in caplog.text
    assert [p.name for p in tmp_path.glob("c.db.damaged-*")]


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with serving(on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=Cache(path))
        with pytest.raises(errors.ConfigurationError, match="of something else"):
            driver.complete(ASK)
        driver.close()


@pytest.mark.parametrize("content", [b"a user's notes", b"SQLite format 3\0" + b"\5" * 200])
def test_a_file_that_was_never_a_cache_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    cache = Cache(path)
    with pytest.raises(errors.ConfigurationError, match="of something else"):
        cache.clear()
    with serving(on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        with pytest.raises(errors.ConfigurationError, match="of something else"):
            driver.complete(ASK)
        driver.close()
    assert not server.asked and path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_cache_that_another_process_makes_at_this_moment(tmp_path: Path) -> None:
    path = tmp_path / "c.db"

    class Racing:
        """A connection that another process overtakes before this one has looked at the file."""

        def __init__(self, sql: sqlite3.Connection) -> None:
            self.sql, self.first = sql, True

        def execute(self, statement: str, *values: Any) -> Any:
            if self.first:
                self.first = False
                Cache(path).clear()
            return self.sql.execute(statement, *values)

    store = SQLiteStore(path, 10**6)
    sql = sqlite3.connect(path, isolation_level=None)
    store._prepare(Racing(sql))  # type: ignore[arg-type]
    sql.close()


def test_what_a_power_cut_left_of_a_cache_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    Cache(path).clear()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x5a" * 8192)
    assert Cache(path).clear() == 0
    path.write_bytes(bytes(8192))
    assert Cache(path).clear() == 0
    assert len(list(tmp_path.glob("c.db.damaged-*"))) >= 1


def test_a_cache_that_does_not_work_keeps_no_answer_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "c.db")  # no folder can be made there
    with serving(on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        assert [driver.complete(ASK).text for _ in range(3)] == ["hello"] * 3
        driver.close()
    assert caplog.text.count("the cache does not work") == 1
    with pytest.raises(errors.ConfigurationError, match="cannot read the cache"):
        cache.stats()


@pytest.mark.parametrize("where", ["memory", "file"])
def test_answers_grow_old(tmp_path: Path, where: str) -> None:
    clock = Clock()
    cache = Cache(tmp_path / "c.db" if where == "file" else None, ttl="1h", clock=clock)
    with serving(on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        driver.complete(ASK)
        clock.now += 3599
        assert driver.complete(ASK).cache_hit
        clock.now += 2
        assert not driver.complete(ASK).cache_hit
        assert driver.complete(ASK).cache_hit
        clock.now += 60
        assert cache.clear(older_than="2m") == 0
        assert cache.clear(older_than=30) == 1
        # Made while the clock was years ahead.
        clock.now += 1e8
        driver.complete(ASK)
        clock.now -= 1e8
        assert not driver.complete(ASK).cache_hit
        driver.close()
    cache.close()


@pytest.mark.parametrize("where", ["memory", "file"])
def test_a_clock_that_was_set_back_ends_the_lease_of_a_dead_process(
    tmp_path: Path, where: str
) -> None:
    clock = Clock()
    cache = Cache(tmp_path / "c.db" if where == "file" else None, clock=clock)
    store = cache.leases.store
    assert store.take("id", "dead", 4.0) is None
    assert store.take("id", "b", 4.0) == "dead"
    clock.now -= 3600
    assert store.take("id", "b", 4.0) is None
    cache.close()


def test_a_file_that_another_process_holds_is_not_waited_for_past_a_deadline(
    tmp_path: Path,
) -> None:
    cache = Cache(path := tmp_path / "c.db")
    with serving(on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        driver.complete(ASK)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        try:
            for text in ("one", "two"):  # and the next call does not wait for it at all
                ask = replace(ASK, messages=(user(text),), deadline=2.0)
                assert not driver.complete(ask).cache_hit
            assert time.monotonic() - began < PATIENCE
        finally:
            other.close()
            driver.close()
    cache.close()


def test_a_file_of_which_bytes_were_changed_is_still_a_cache(tmp_path: Path) -> None:
    cache = Cache(path := tmp_path / "c.db")
    with serving(on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache)
        driver.complete(ASK)
        driver.complete(ASK)
        cache.close()
        whole = path.read_bytes()
        name, price = b"openai-compatible/m", whole.find(b"openai-compatible/m")
        assert price > 0
        path.write_bytes(whole.replace(name, b"\xff" + name[1:]))
        assert driver.complete(ASK).cache_hit
        assert next(iter(cache.stats().models)).endswith("/m")
        cache.close()
        # The names of its tables: what SQLite says of that is no text.
        path.write_bytes(whole.replace(b"CREATE TABLE answers", b"CREATE TABLE ans\xff\xffrs"))
        assert not driver.complete(ASK).cache_hit
        assert driver.complete(ASK).cache_hit
        driver.close()
    cache.close()


@pytest.mark.parametrize("where", ["memory", "file"])
def test_what_was_used_longest_ago_makes_room(tmp_path: Path, where: str) -> None:
    clock = Clock()
    cache = Cache(tmp_path / "c.db" if where == "file" else None, max_mb=0.2, clock=clock)
    first = bytes(1000)
    for number in range(400):
        clock.now += 1
        cache.put(f"k{number}", os.urandom(1000) if number else first, model="p/m", usd=None)
        assert cache._get(cache.leases.store, "k0") is not None  # used all the time
    stats = cache.stats()
    assert 100 < stats.answers <= 200 and stats.size <= 200_000
    assert cache._get(cache.leases.store, "k1") is None
    assert cache._get(cache.leases.store, "k399") is not None
    cache.close()


def test_copies_and_pickles_share_a_file(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.db", ttl=60, max_mb=5, namespace="n")
    cache.put("k", b"v", model="p/m", usd=Decimal("0.5"))
    other = pickle.loads(pickle.dumps(cache.checked()))
    assert (other.ttl, other.max_mb, other.namespace, other.checks) == (60, 5, "n", True)
    assert other.stats().models == {"p/m": 1}
    for each in (cache, other):
        each.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"where": 3}, "where"),
        ({"where": ""}, "where"),
        ({"where": "http://x"}, "redis"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": "soon"}, "ttl"),
        ({"max_mb": -1}, "max_mb"),
        ({"where": "."}, "folder"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=words):
        Cache(**settings)


def test_the_old_spelling_asks_for_a_prompt_cache() -> None:
    with OpenAICompatible("m", base_url="http://127.0.0.1:9/v1", api_key=KEY) as driver:
        with pytest.warns(DeprecationWarning, match="prompt_cache") as seen:
            request, _ = prepared(driver, replace(ASK, cache="1h"))
        assert seen[0].filename == __file__
        assert (request.prompt_cache, request.cache) == ("1h", None)
    with pytest.warns(DeprecationWarning):
        assert prompture.Extractor(int, cache=True)._base.prompt_cache is True
    with pytest.raises(errors.ConfigurationError, match="cache must be"):
        prompture.Extractor(int, cache=5)


def test_a_waiting_store_is_asked_by_no_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[int] = []
    inner = SQLiteStore._do

    def noted(store: SQLiteStore, work: Any) -> Any:
        places.append(threading.get_ident())
        return inner(store, work)

    monkeypatch.setattr(SQLiteStore, "_do", noted)

    async def calls() -> int:
        cache = Cache(tmp_path / "c.db")
        async with AsyncOpenAICompatible("m", base_url=server.url, api_key=KEY, cache=cache) as d:
            await d.complete(ASK)
            await asyncio.gather(*(d.complete(ASK) for _ in range(3)))
            with pytest.raises(errors.InvalidRequest):
                await d.complete(replace(ASK, seed=1))
            result = await prompture.aextract_result(dict[str, int], "a: 1", model=d)
            assert result.value == {"a": 1}
        return threading.get_ident()

    good = on.good('{"a": 1}')
    with serving(on.good(), on.fails(400), good) as server:
        loop = asyncio.run(calls())
    assert places and loop not in places


def test_a_file_of_settings_names_a_cache(tmp_path: Path) -> None:
    settings, path = tmp_path / "prompture.toml", tmp_path / "c.db"
    settings.write_text(f'[cache]\nwhere = "{path.as_posix()}"\nttl = "2h"\nmax_mb = 1.5\n')
    prompture.configure(settings)
    try:
        with serving(on.good()) as server:
            made = OpenAICompatible("m", base_url=server.url, api_key=KEY)
            assert not made.complete(ASK).cache_hit
            assert made.complete(ASK).cache_hit and made.is_current()
            assert not made.complete(replace(ASK, cache=False)).cache_hit
            made.close()
            without = OpenAICompatible("m", base_url=server.url, api_key=KEY, cache=False)
            assert not without.complete(ASK).cache_hit
            assert copy.copy(without).cache is None and without.is_current()
            without.close()
    finally:
        settings.write_text("")
        prompture.configure(settings)
    assert not made.is_current()
    assert OpenAICompatible("m", base_url=server.url, api_key=KEY).cache is None
    settings.write_text('[cache]\nwhere = "x.db"\nttl = "soon"\n')
    with pytest.raises(errors.ConfigurationError, match="toml: cache: Cache: ttl"):
        prompture.configure(settings)
    with pytest.raises(errors.ConfigurationError, match="older_than"):
        Cache().clear(older_than="soon")


class FakeRedis:
    """As much of redis.Redis as is called, without its times to live."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.counts: dict[bytes, bytes] = {}

    def get(self, key: str | bytes) -> bytes | None:
        return self.values.get(key.decode() if isinstance(key, bytes) else key)

    def set(self, key: str, value: Any, *, px: int | None, nx: bool = False) -> bool | None:
        if nx and key in self.values:
            return None
        self.values[key] = value if isinstance(value, bytes) else value.encode()
        return True

    def delete(self, key: str | bytes) -> int:
        name = key.decode() if isinstance(key, bytes) else key
        return int(self.values.pop(name, None) is not None)

    def eval(self, script: str, _: int, key: str, owner: str, *_more: Any) -> None:
        if "del" in script and self.values.get(key) == owner.encode():
            del self.values[key]

    def hincrby(self, _: str, id: str, by: int) -> None:
        self.counts[id.encode()] = b"%d" % (int(self.counts.get(id.encode(), 0)) + by)

    def hgetall(self, _: str) -> dict[bytes, bytes]:
        return self.counts

    def hdel(self, _: str, id: str) -> None:
        self.counts.pop(id.encode(), None)

    def scan_iter(self, *, match: str, count: int) -> Iterator[bytes]:
        return iter([k.encode() for k in self.values if k.startswith(match[:-1])])

    def close(self) -> None:
        """Nothing is open."""


def test_redis(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeRedis()
    module = type(sys)("redis")
    module.Redis = type("Redis", (), {"from_url": staticmethod(lambda *_, **__: client)})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "redis", module)
    cache = Cache("redis://user:secret@host/0", ttl=60)
    assert repr(cache) == "Cache('redis://host/0')"
    assert repr(Cache("redis://host/0?password=secret")) == "Cache('redis://host/0')"
    with serving(on.good()) as server:
        driver = colour.driver(server.url, cache=cache)
        assert not colour.complete(driver).cache_hit
        assert colour.complete(driver).cache_hit
    assert cache.stats().hits == 1 and cache.stats().answers == 1
    assert not [key for key in client.values if "lease" in key]
    (key,) = client.values
    kept = client.values.pop(key)  # Redis has forgotten it, and it is asked for again
    id = key.rpartition(":")[2]
    cache.put(id, kept.partition(b"\n")[2], model="m", usd=Decimal(1))
    assert (cache.stats().hits, cache.stats().saved) == (0, 0)
    assert cache.clear(older_than=60) == 0 and cache.clear() == 1
    with pytest.raises(errors.ConfigurationError, match="maxmemory"):
        Cache("redis://host", max_mb=3)


def test_redis_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(errors.MissingExtra, match="redis"):
        Cache("redis://host")


@pytest.mark.parametrize("held", ["cache", "meter"])
def test_a_task_that_is_cancelled_while_its_answer_is_read_has_the_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    monkeypatch.setattr("prompture.flows.run.GRACE", WAIT)
    entered, release = threading.Event(), threading.Event()

    class Slow(Cache):
        def put(self, *args: Any, **more: Any) -> None:
            entered.set()
            release.wait(WAIT)

    class Late(ChargeRecorder):
        blocks = True

        def after(self, token: object, charge: Any) -> None:
            entered.set()
            release.wait(WAIT)

    async def main() -> BaseException:
        made: Any = Slow(tmp_path / "c.db") if held == "cache" else None
        meter: Any = Late() if held == "meter" else None
        with serving(on.good('{"n": 1}')) as server:
            driver = AsyncOpenAICompatible("m", base_url=server.url, api_key=KEY)
            schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
            task = asyncio.ensure_future(
                prompture.aextract(schema, "1", model=driver, cache=made, budget=meter)
            )
            assert await asyncio.to_thread(entered.wait, WAIT)
            task.cancel()
            await asyncio.sleep(0)
            release.set()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            await driver.close()
            return caught.value

    assert len(cast(Any, asyncio.run(main())).bill.charges) == 1
