"""A call that is slower than most is sent again; both colours."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import Cache, Extractor
from prompture.drivers import meter
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.errors import BudgetExceeded, ConfigurationError, ServerError
from prompture.types import Request
from prompture.wire.retry import Latencies
from tests import server as on
from tests.drivers.colours import ASK, COLOURS, Colour, quick


@pytest.fixture(params=COLOURS, ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with request.param() as made:
        yield made


def learned(driver: Any, seconds: float = 0.02) -> Latencies:
    """The driver, knowing 100 calls that took so long."""
    known = driver.route.latencies.setdefault("m", Latencies())
    for _ in range(100):
        known.add(seconds, 0.95)
    return known


def hedging(colour: Colour, url: str, **settings: Any) -> Any:
    driver = colour.driver(url, hedge=0.95, **settings)
    learned(driver)
    return driver


def test_the_second_answers_and_the_first_is_cut_off(colour: Colour) -> None:
    recorder = meter.ChargeRecorder()
    with on.serving(on.waits_to_be_left, on.good("second")) as server, meter.metering(recorder):
        driver = hedging(colour, server.url)
        found = colour.complete(driver)
        assert found.text == "second"
        assert len(server.asked) == 2
        assert server.left.wait(on.WAIT)  # its connection was closed
    (loser,) = found.retries
    assert (loser.status, loser.note, loser.cost.usd) == ("cancelled", "hedge", None)
    assert "may have billed" in loser.cost.reason
    assert sorted(c.status for c in recorder.charges) == ["cancelled", "ok"]
    assert not driver.route.breaker.is_open
    assert driver.route.quota.left == driver.route.quota.capacity


def test_the_first_answers_after_all(colour: Colour) -> None:
    second_is_out = threading.Event()

    def slow(x: on.Exchange) -> None:
        second_is_out.wait(on.WAIT)
        x.reply(on.answer("first"), **on.JSON)

    def second(x: on.Exchange) -> None:
        second_is_out.set()
        x.wait_until_left()

    with on.serving(slow, second) as server:
        found = colour.complete(hedging(colour, server.url))
    assert found.text == "first"
    assert [c.note for c in found.retries] == ["hedge"]


def test_a_second_does_not_wait_for_the_first_in_a_cache(colour: Colour) -> None:
    with on.serving(on.waits_to_be_left, on.good("second")) as server:
        driver = hedging(colour, server.url, cache=Cache())
        assert colour.complete(driver).text == "second"


def test_answers_of_a_cache_say_nothing_about_the_provider(colour: Colour) -> None:
    with on.serving(on.good()) as server:
        driver = colour.driver(server.url, hedge=0.95, cache=Cache())
        for _ in range(25):
            colour.complete(driver)
        assert len(server.asked) == 1
        assert driver.route.latencies["m"].patience(0.95) is None
        known = learned(driver)
        for _ in range(25):
            colour.complete(driver)
        assert known.patience(0.95) == 0.02


def test_a_quick_call_is_sent_once(colour: Colour) -> None:
    with on.serving(on.good()) as server:
        driver = colour.driver(server.url, hedge=0.95)
        learned(driver, seconds=5.0)
        assert colour.complete(driver).retries == ()
        assert len(server.asked) == 1


def test_it_needs_twenty_calls_to_know_what_is_slow(colour: Colour) -> None:
    with on.serving(on.good()) as server:
        driver = colour.driver(server.url, hedge=0.9)
        for _ in range(19):
            colour.complete(driver)
        known = driver.route.latencies["m"]
        assert known.patience(0.9) is None
        colour.complete(driver)
        assert known.patience(0.9) is not None
        plain = colour.driver(server.url)
        colour.complete(plain)
        assert len(known._seconds) == 20


def test_where_both_fail_the_first_error_has_both_on_its_bill(colour: Colour) -> None:
    both = threading.Barrier(2)

    def failing(x: on.Exchange) -> None:
        both.wait(on.WAIT)
        x.reply(b'{"error": {"message": "no"}}', 500, **on.JSON)

    with on.serving(failing) as server:
        driver = hedging(colour, server.url, retry=quick(1))
        with pytest.raises(ServerError) as caught:
            colour.complete(driver)
        assert len(server.asked) == 2
    assert caught.value.bill is not None
    assert [c.status for c in caught.value.bill.charges] == ["error", "error"]


def test_one_that_fails_leaves_it_to_the_other(colour: Colour) -> None:
    failed = threading.Event()

    class Recorder(meter.ChargeRecorder):
        def after(self, token: object, charge: Any) -> None:
            super().after(token, charge)
            failed.set()  # its caller knows of it; the first answers only now

    def first(x: on.Exchange) -> None:
        failed.wait(on.WAIT)
        x.reply(on.answer("first"), **on.JSON)

    second = on.fails(400)
    with on.serving(first, second) as server, meter.metering(Recorder()):
        found = colour.complete(hedging(colour, server.url))
    assert found.text == "first"
    assert [c.status for c in found.retries] == ["error"]


def test_a_budget_may_have_no_money_for_a_second(colour: Colour) -> None:
    class Once(meter.Meter):
        calls = 0

        def before(self, request: Request, driver: Any) -> tuple[Request, object]:
            self.calls += 1
            if self.calls > 1:
                raise BudgetExceeded("no", spent=Decimal(0), asked=None)
            return request, None

        def after(self, token: object, charge: Any) -> None:
            done.append(charge)

    done: list[Any] = []
    asked_twice = threading.Event()

    class Watch(Once):
        def before(self, request: Request, driver: Any) -> tuple[Request, object]:
            try:
                return super().before(request, driver)
            finally:
                if self.calls > 1:
                    asked_twice.set()

    def slow(x: on.Exchange) -> None:
        asked_twice.wait(on.WAIT)
        x.reply(on.answer("first"), **on.JSON)

    with on.serving(slow) as server, meter.metering(Watch()):
        found = colour.complete(hedging(colour, server.url))
        assert (found.text, found.retries, len(server.asked)) == ("first", (), 1)
    assert len(done) == 1


def test_the_share_is_kept_whatever_the_latencies() -> None:
    known = Latencies()
    for _ in range(100):
        known.add(0.01, 0.95)
    assert [known.take() for _ in range(10)] == [True] * 8 + [False] * 2
    sent = 0
    for _ in range(1000):
        known.add(0.01, 0.95)
        sent += known.take()
    assert 65 <= sent <= 75


def test_how_long_a_call_is_waited_for() -> None:
    known = Latencies()
    for i in range(100):
        known.add(1 + i / 100, 0.95)
    assert known.patience(0.95) == pytest.approx(1.95)
    for _ in range(8):
        known.add(60.0, 0.95)
    assert known.patience(0.95) == pytest.approx(2 * 1.54, abs=0.1)


def test_a_cancelled_task_leaves_neither_call() -> None:
    with on.serving(on.waits_to_be_left) as server:
        driver = AsyncOpenAICompatible("m", base_url=server.url, api_key="k", hedge=0.95)
        learned(driver)

        async def left() -> BaseException:
            task = asyncio.create_task(driver.complete(ASK))
            while len(server.asked) < 2:
                await asyncio.sleep(0.005)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as exc:
                assert len(asyncio.all_tasks()) == 1
                return exc
            raise AssertionError

        exc: Any = asyncio.run(left())
    assert [c.status for c in exc.bill.charges] == ["cancelled", "cancelled"]


def test_threads_end_with_the_call() -> None:
    with on.serving(on.waits_to_be_left, on.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key="k", hedge=0.95)
        learned(driver)
        driver.complete(ASK)
        ours = [t for t in threading.enumerate() if t.name == "prompture-hedge"]
        for thread in ours:
            thread.join(on.WAIT)
        assert not any(t.is_alive() for t in ours)
        driver.close()


class Word(BaseModel):
    word: str


def test_as_an_option_of_extract_and_of_generate() -> None:
    good = on.good(json.dumps({"word": "a"}))
    with on.serving(on.waits_to_be_left, good) as server:
        driver = OpenAICompatible("m", base_url=server.url, api_key="k")
        learned(driver)
        result = prompture.extract_result(Word, "a", model=driver, hedge=0.95)
        assert result.value.word == "a"
        assert [c.note for c in result.cost.charges] == ["hedge", ""]
        assert result.cost.total is None
        assert len(result.attempts) == 1
        driver.generate("hi", {"hedge": 0.9})
        driver.close()


@pytest.mark.parametrize("wrong", [True, 0, 1, 0.2, 95, "0.95"])
def test_what_is_no_share(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="hedge"):
        OpenAICompatible("m", base_url="http://127.0.0.1:9/v1", api_key="k", hedge=wrong)
    with pytest.raises(ConfigurationError, match="hedge"):
        Extractor(Word, hedge=wrong)
    with pytest.raises(ConfigurationError, match="hedge"):
        prompture.driver_for("local/rules", hedge=0.95)
