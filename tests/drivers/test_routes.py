"""What a process knows of an endpoint is shared by all drivers that call it with one key."""

from __future__ import annotations

import asyncio
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from prompture import Breaker, OpenAICompatible, OpenAIDriver, RetryQuota
from prompture.drivers.classes import drivers_of
from prompture.drivers.routes import Route, Visit, with_next
from prompture.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLost,
    InvalidRequest,
    Overloaded,
    ProtocolError,
    RateLimitError,
    ReadTimeout,
    ServerError,
    Unavailable,
)
from tests import server as on
from tests.drivers.colours import ASK, COLOURS, Sync, quick

DOWN = ServerError("down", provider="openai", status=500)


def test_drivers_of_one_endpoint_and_key_share_a_route():
    one = OpenAIDriver("gpt-4o", api_key="a", base_url="http://127.0.0.1:9/v1")
    same = OpenAIDriver("gpt-4o-mini", api_key="a", base_url="http://127.0.0.1:9/v1")
    other_key = OpenAIDriver("gpt-4o", api_key="b", base_url="http://127.0.0.1:9/v1")
    elsewhere = OpenAIDriver("gpt-4o", api_key="a", base_url="http://127.0.0.1:10/v1")
    assert one.route is same.route
    assert len({id(driver.route) for driver in (one, other_key, elsewhere)}) == 3


def test_a_quota_of_retries_is_used_up_and_given_back_by_answers():
    quota = RetryQuota(20, cost=5, timeout_cost=10, refund=2)
    assert quota.take(DOWN)
    assert quota.take(ReadTimeout("silent"))
    assert quota.take(DOWN)
    assert not quota.take(DOWN)
    for _ in range(3):
        quota.succeeded()
    assert quota.left == 6
    assert not quota.take(ReadTimeout("silent"))
    assert quota.take(DOWN)
    for _ in range(100):
        quota.succeeded()
    assert quota.left == 20


def test_a_quota_below_zero_is_refused():
    with pytest.raises(ConfigurationError, match=r"RetryQuota.cost"):
        RetryQuota(cost=-1)


def test_a_setting_of_a_driver_takes_the_place_of_the_routes_own():
    quota, breaker = RetryQuota(10), Breaker(3)
    driver = OpenAIDriver("m", api_key="a", retry_quota=quota, breaker=breaker)
    assert (driver.own_quota, driver.own_breaker) == (quota, breaker)
    twin = copy(driver)
    assert (twin.own_quota, twin.own_breaker) == (quota, breaker)
    quota.take(DOWN)
    other = pickle.loads(pickle.dumps(driver))
    assert (other.own_quota.capacity, other.own_quota.left) == (10, 10)
    assert other.own_breaker.failures == 3
    for wrong in ({"retry_quota": 5}, {"breaker": True}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            OpenAIDriver("m", api_key="a", **wrong)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_outage_is_not_multiplied(colour: Any, streamed: bool) -> None:
    """200 calls of three tries each: the first tries, and as many more as the quota pays for."""
    with colour() as on_colour, on.serving(on.fails(500)) as server:
        quota = RetryQuota(100, cost=5)
        driver = on_colour.driver(server.url, retry_quota=quota)
        errors = []
        for _ in range(200):
            with pytest.raises(ServerError) as caught:
                (on_colour.stream if streamed else on_colour.complete)(driver)
            errors.append(caught.value)
        assert len(server.asked) == 200 + 20
        assert quota.left == 0
        assert sum(len(e.bill.charges) for e in errors) == 220


@pytest.mark.parametrize("colour", COLOURS)
def test_callers_at_once_share_the_quota(colour: Any) -> None:
    with colour() as on_colour, on.serving(on.fails(503)) as server:
        driver = on_colour.driver(server.url, retry_quota=RetryQuota(50, cost=5))
        if on_colour.name == "async":

            async def all_at_once() -> list[Any]:
                calls = (driver.complete(ASK) for _ in range(50))
                return await asyncio.gather(*calls, return_exceptions=True)

            found = on_colour.run(all_at_once())
        else:
            with ThreadPoolExecutor(20) as pool:
                calls = [pool.submit(driver.complete, ASK) for _ in range(50)]
                found = [call.exception() for call in calls]
        assert {type(each) for each in found} == {Overloaded}
        assert len(server.asked) == 50 + 10


def test_used_up_retries_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="prompture")
    with Sync() as colour, on.serving(on.fails(500)) as server:
        driver = colour.driver(server.url, retry_quota=RetryQuota(5, cost=5))
        with pytest.raises(ServerError):
            colour.complete(driver)
    events = [record.event for record in caplog.records]
    assert events == ["retry", "retries_used_up"]


def test_the_tries_of_a_call_have_one_key_where_a_server_wants_one() -> None:
    with Sync() as colour, on.serving(on.fails(500), on.good()) as server:
        row = replace(OpenAICompatible.provider, idempotency_header="x-call-id")
        driver = drivers_of(row)[0]("m", base_url=server.url, api_key="a", retry=quick())
        colour.complete(driver)
        colour.complete(driver)
        keys = [headers.get("x-call-id") for _, headers, _ in server.asked]
        assert keys[0] == keys[1] != keys[2]
        driver.close()
        plain = colour.driver(server.url)
        colour.complete(plain)
        assert "x-call-id" not in server.asked[-1][1]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_lets_one_probe_through_and_closes():
    clock = Clock()
    breaker = Breaker(3, probe_seconds=2, clock=clock)
    assert [breaker.failed() for _ in range(2)] == [False, False]
    breaker.answered()
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    assert (breaker.state, breaker.refuses(True), breaker.refuses(False)) == ("open", True, False)
    clock.now += 2
    assert breaker.state == "half-open"
    assert [breaker.refuses(True) for _ in range(5)] == [False, True, True, True, True]
    assert not breaker.failed()  # the probe's
    clock.now += 1.9
    assert breaker.refuses(True)
    clock.now += 0.1
    assert not breaker.refuses(True)
    assert breaker.answered()
    assert (breaker.state, breaker.refuses(True)) == ("closed", False)
    assert [breaker.failed() for _ in range(3)] == [False, False, True]


def test_a_breaker_opens_where_half_of_the_last_calls_failed():
    breaker = Breaker(10, share=0.5, of=8)
    for _ in range(4):
        breaker.answered()
    assert [breaker.failed() for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("refuse", "kept_away"),
    [("cascade", [True, False]), ("always", [True, True]), ("never", [False, False])],
)
def test_who_is_kept_away(refuse: str, kept_away: list[bool]) -> None:
    breaker = Breaker(1, refuse=refuse)
    breaker.failed()
    assert [breaker.refuses(has_next) for has_next in (True, False)] == kept_away


def test_probes_of_threads_are_one_in_two_seconds():
    clock = Clock()
    breaker = Breaker(1, clock=clock)
    breaker.failed()
    sent = 0
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            clock.now += 2
            sent += sum(not refused for refused in pool.map(breaker.refuses, [True] * 50))
    assert sent == 10


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (DOWN, "open"),
        (Overloaded("full", provider="x", status=529), "open"),
        (ReadTimeout("silent"), "open"),
        (ConnectionLost("cut off"), "open"),
        (ProtocolError("a page"), "open"),
        (InvalidRequest("wrong", provider="x", status=400), "closed"),
        (RateLimitError("slow down", provider="x", status=429), "closed"),
        (AuthenticationError("who", provider="x", status=401), "closed"),
        (KeyboardInterrupt(), "closed"),
    ],
)
def test_what_counts_as_a_failure_of_the_route(error: BaseException, state: str) -> None:
    route = Route("x")
    for _ in range(5):
        visit = Visit(route)
        visit.enter()
        visit.leave(error)
        visit.leave(error)
    assert route.breaker.state == state


def test_a_try_that_a_retry_follows_counts_once():
    route = Route("x")
    visit = Visit(route)
    for _ in range(4):
        visit.enter()
        assert visit.may_retry(DOWN)
        visit.leave(DOWN)
    assert route.breaker.state == "closed"
    visit.enter()
    assert visit.may_retry(DOWN)
    assert route.breaker.state == "open"


def test_with_a_model_behind_it_silence_is_not_tried_again():
    alone = Visit(Route("x"))
    alone.enter()
    assert alone.may_retry(ReadTimeout("silent"))
    with with_next():
        visit = Visit(Route("x"))
    visit.enter()
    assert not visit.may_retry(ReadTimeout("silent"))
    assert visit.may_retry(DOWN)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("streamed", [False, True])
def test_one_model_alone_is_refused_only_where_it_was_set_so(colour: Any, streamed: bool) -> None:
    with colour() as on_colour, on.serving(on.fails(500)) as server:
        ask = on_colour.stream if streamed else on_colour.complete
        for refuse, calls in (("cascade", 6), ("always", 2)):
            before = len(server.asked)
            breaker = Breaker(2, refuse=refuse)
            driver = on_colour.driver(server.url, retry=quick(1), breaker=breaker)
            kinds = []
            for _ in range(6):
                with pytest.raises((ServerError, Unavailable)) as caught:
                    ask(driver)
                kinds.append(type(caught.value))
                assert (caught.value.bill is None) is (kinds[-1] is Unavailable)
            assert len(server.asked) - before == calls
            assert kinds.count(Unavailable) == 6 - calls


@pytest.mark.parametrize("colour", COLOURS)
def test_streams_that_break_off_open_the_breaker(colour: Any) -> None:
    broken = on.streams(on.event("hel"), ended=False)
    with colour() as on_colour, on.serving(broken) as server:
        driver = on_colour.driver(server.url, retry=quick(1))
        for _ in range(5):
            with pytest.raises(ConnectionLost):
                on_colour.stream(driver)
        assert driver.route.breaker.is_open


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_childs_breaker_is_closed():
    breaker = Breaker(1)
    breaker.failed()
    pid = os.fork()
    if not pid:
        os._exit(0 if breaker.state == "closed" else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert breaker.is_open
