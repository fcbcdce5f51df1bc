"""Who sees a call: the meters of the context, and those of the whole process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import replace
from typing import Any

import pytest

from prompture import Budget, track
from prompture.drivers import meter
from prompture.drivers.hooks import Hooks
from prompture.drivers.meter import Busy, active, install, metering, uninstall
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.errors import ConfigurationError
from prompture.money import Charge
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import LARGE_CHARS, Delta, Request, user
from tests import server as on
from tests.server import EVENTS, serving

ASK = Request(model="", messages=(user("hi"),))


class Book(meter.Meter):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.before_calls = 0
        self.after_calls = 0

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        self.before_calls += 1
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        self.after_calls += 1

    @property
    def calls(self) -> tuple[int, int]:
        return self.before_calls, self.after_calls


@pytest.fixture
def installed() -> Iterator[Book]:
    book = Book()
    install(book)
    yield book
    uninstall(book)


def call() -> None:
    ScriptedDriver(["ok"]).complete(ASK)


def test_a_block_and_blocks_within() -> None:
    outer, inner = Book(), Book()
    call()
    with metering(outer):
        call()
        with metering(inner):
            call()
            assert active()[-2:] == (outer, inner)
        call()
    call()
    assert (outer.calls, inner.calls) == ((3, 3), (1, 1))


def test_one_that_is_there_already_is_not_told_twice() -> None:
    book = Book()
    with metering(book), metering(book):
        call()
    assert book.calls == (1, 1)
    assert book not in active()


def test_a_block_that_raises_is_left(installed: Book) -> None:
    book = Book()
    with pytest.raises(ZeroDivisionError), metering(book):
        raise ZeroDivisionError
    assert book not in active()


def test_installed_meters_see_threads_and_blocks_do_not(installed: Book) -> None:
    book = Book()
    with metering(book):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        assert (installed.calls, book.calls) == ((1, 1), (0, 0))
        thread = threading.Thread(target=copy_context().run, args=(call,))
        thread.start()
        thread.join()
    assert (installed.calls, book.calls) == ((2, 2), (1, 1))


def test_tasks_started_in_a_block_are_seen_and_others_are_not() -> None:
    one, two = Book(), Book()

    async def under(book: Book, times: int) -> None:
        driver = AsyncScriptedDriver(["ok"] * times)
        with metering(book):
            await asyncio.gather(*(driver.complete(ASK) for _ in range(times)))

    async def run() -> None:
        await asyncio.gather(under(one, 3), under(two, 2))

    asyncio.run(run())
    assert (one.calls, two.calls) == ((3, 3), (2, 2))


def test_installing_twice_is_once() -> None:
    book = Book()
    install(book)
    install(book)
    try:
        call()
    finally:
        uninstall(book)
        uninstall(book)
    call()
    assert book.calls == (1, 1)


def test_the_first_that_says_no_undoes_those_before() -> None:
    class Withdrawn(Book):
        withdrawn = 0

        def withdraw(self, token: object) -> None:
            self.withdrawn += 1

    class No(Book):
        def before(self, request: Request, driver: Any) -> tuple[Request, object]:
            raise ValueError("no")

    first = Withdrawn()
    driver = ScriptedDriver(["ok"])
    with metering(first), metering(No()), pytest.raises(ValueError, match="no"):
        driver.complete(ASK)
    assert (first.calls, first.withdrawn) == ((1, 0), 1)
    assert driver.requests == []


def test_busy_says_for_how_long() -> None:
    assert Busy(1.5).seconds == 1.5
    assert "1.5" in str(Busy(1.5))


def test_an_interrupted_stream_keeps_what_had_come() -> None:
    """Ctrl-C in its middle: an answer was arriving, and what it says of itself is on the bill."""

    def interrupt(piece: Delta) -> Delta:
        raise KeyboardInterrupt

    with serving(on.streams(*EVENTS)) as server, track() as spent:
        driver = OpenAICompatible("m", base_url=server.url, hooks=Hooks(on_delta=interrupt))
        with driver, pytest.raises(KeyboardInterrupt):
            list(driver.stream(ASK))
    (charge,) = spent.bill.charges
    assert (charge.status, charge.cost.usd) == ("cancelled", None)
    assert "no answer arrived" not in charge.cost.reason


def test_a_call_that_is_cancelled_before_it_is_sent_costs_nothing() -> None:
    """Long documents are encoded in a thread, which goes on when its task is cancelled."""
    budget = Budget(tokens=10_000_000, calls=5)
    long = replace(ASK, messages=(user("x " * LARGE_CHARS),))

    async def go() -> None:
        with serving(on.good()) as server, budget:
            driver = AsyncOpenAICompatible("m", base_url=server.url)
            async with driver:
                task = asyncio.create_task(driver.complete(long))
                while not budget._accounts.look().holds:
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                while budget._accounts.look().holds:
                    await asyncio.sleep(0.01)
            assert not server.asked

    asyncio.run(asyncio.wait_for(go(), 30))
    assert (budget.calls_made, budget.tokens_spent) == (0, 0)


def test_one_that_fails_does_not_keep_the_bill_from_the_others() -> None:
    class Broken(Book):
        def after(self, token: object, charge: Charge) -> None:
            raise ConfigurationError("the books are gone")

    outer = Book()
    charges: list[Charge] = []
    outer.after = lambda token, charge: charges.append(charge)  # type: ignore[method-assign]
    with metering(outer), metering(Broken()), pytest.raises(ConfigurationError, match="gone"):
        call()
    assert [c.status for c in charges] == ["ok"]
