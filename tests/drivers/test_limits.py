"""Limits over real sockets: threads, tasks and loops together, both colours, streams, pauses."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prompture import Limits, Request, async_driver_for, driver_for
from prompture.drivers import routes
from prompture.drivers.gate import LONGEST_PAUSE
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.errors import ConfigurationError, DeadlineExceeded, RateLimitError
from prompture.types import user
from prompture.wire import deadline
from tests import server as on
from tests.drivers.colours import ASK, COLOURS, Colour, quick
from tests.drivers.test_forks import in_child
from tests.server import serving


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with request.param() as found:
        yield found


ANSWER = on.answer("fine")


class Counting:
    """Answers after a moment; how many requests were inside at once, and when each came."""

    def __init__(self, hold: float = 0.02) -> None:
        self.hold = hold
        self.lock = threading.Lock()
        self.inside = self.most = self.count = 0

    def __call__(self, x: on.Exchange) -> None:
        with self.lock:
            self.inside += 1
            self.count += 1
            self.most = max(self.most, self.inside)
        threading.Event().wait(self.hold)
        with self.lock:
            self.inside -= 1
        x.reply(ANSWER, **on.JSON)


def sync_driver(url: str, **settings: Any) -> OpenAICompatible:
    return OpenAICompatible("m", base_url=url, api_key="k" * 20, retry=quick(), **settings)


def twin(url: str, **settings: Any) -> AsyncOpenAICompatible:
    return AsyncOpenAICompatible("m", base_url=url, api_key="k" * 20, retry=quick(), **settings)


def test_threads_tasks_and_loops_share_one_limit() -> None:
    counting = Counting()
    with serving(counting) as server:
        limits = Limits(concurrency=3)
        one, other = sync_driver(server.url, limits=limits), twin(server.url, limits=limits)

        def loop() -> None:
            async def run() -> None:
                await asyncio.gather(*(other.complete(ASK) for _ in range(8)))

            asyncio.run(run())

        with ThreadPoolExecutor(10) as pool:
            work = [pool.submit(one.complete, ASK) for _ in range(8)]
            work += [pool.submit(loop), pool.submit(loop)]
            for each in work:
                each.result(20)
        one.close()
        assert counting.count == 24
        assert counting.most <= 3
        gate = one.route.found_gate("m")
        assert gate is not None
        assert gate.inside == gate.waiting == 0


def test_a_driver_without_limits_is_held_to_those_of_its_endpoint(colour: Colour) -> None:
    with serving(Counting(0)) as server:
        limited = colour.driver(server.url, limits=Limits(concurrency=1))
        assert limited.route.found_gate("m") is not None
        plain = colour.driver(server.url)
        assert plain.route.found_gate("m") is limited.route.found_gate("m")
        colour.complete(plain)


def test_streams_keep_their_place_until_their_end(colour: Colour) -> None:
    with serving(on.streams(*on.EVENTS), on.streams(*on.EVENTS)) as server:
        driver = colour.driver(server.url, limits=Limits(concurrency=1))
        gate = driver.route.found_gate("m")
        colour.stream(driver, leave=1)
        assert gate.inside == 0
        assert colour.stream(driver)
        assert gate.inside == gate.waiting == 0


def test_a_pause_that_a_provider_asks_for_holds_for_the_whole_route(colour: Colour) -> None:
    limited = on.raw(b"{}", 429, retry_after="0.3")
    with serving(limited, on.good("a")) as server:
        driver = colour.driver(server.url, retry=quick(1))
        with pytest.raises(RateLimitError):
            colour.complete(driver)
        gate = driver.route.found_gate("m")
        assert gate is not None
        assert 0 < gate.paused() <= 0.31
        colour.complete(driver)
        assert gate.paused() == 0
        assert len(server.asked) == 2


def test_a_long_pause_is_an_error_and_nothing_is_sent(colour: Colour) -> None:
    limited = on.raw(b"{}", 429, retry_after="3600")
    with serving(limited, on.good("a")) as server:
        driver = colour.driver(server.url)
        with pytest.raises(RateLimitError):
            colour.complete(driver)
        with pytest.raises(RateLimitError, match="not sent") as caught:
            colour.complete(driver)
        assert LONGEST_PAUSE <= caught.value.retry_after + 1 < 1.1 * LONGEST_PAUSE
        assert caught.value.bill is None
        assert len(server.asked) == 1
        # Learned limits are turned off by a setting.
        other = colour.driver(server.url, api_key="another", limits=Limits(learn=False))
        colour.complete(other)
        assert not other.route.found_gate("m").paused()


def test_no_requests_left_pauses_until_the_reset(colour: Colour) -> None:
    headers = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "250ms"}
    with serving(on.good("a", **headers), on.good("a"), on.good("a", **headers)) as s:
        driver = colour.driver(s.url)
        colour.complete(driver)
        gate = driver.route.found_gate("m")
        assert 0 < gate.paused() <= 0.26
        colour.complete(driver)
        # Who sets a limit is held to that one.
        limited = colour.driver(s.url, limits=Limits(requests_per_minute=6000))
        colour.complete(limited)
        assert gate is limited.route.found_gate("m")
        assert gate.paused() == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ratelimit_limit_requests": "0", "x_ratelimit_reset_requests": "60s"},  # no limit
        {"x_ratelimit_reset_requests": "-60s"},
    ],
)
def test_headers_that_are_none(colour: Colour, headers: dict[str, str]) -> None:
    headers = {"x_ratelimit_remaining_requests": "0", **headers}
    with serving(on.good("a", **headers)) as server:
        driver = colour.driver(server.url)
        colour.complete(driver)
        gate = driver.route.found_gate("m")
        assert gate is None or not gate.paused()


def test_a_cancelled_task_gives_its_place_back() -> None:
    counting = Counting(0.1)
    with serving(counting) as server:
        driver = twin(server.url, limits=Limits(concurrency=1))

        async def run() -> None:
            first = asyncio.create_task(driver.complete(ASK))
            waiting = [asyncio.create_task(driver.complete(ASK)) for _ in range(5)]
            await asyncio.sleep(0.03)
            for task in waiting[:3]:
                task.cancel()
            done = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(d).__name__ for d in done] == ["CancelledError"] * 3 + ["Completion"] * 2
            await first
            task = asyncio.create_task(driver.complete(ASK))  # one that is under way
            await asyncio.sleep(0.03)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await driver.complete(ASK)
            await driver.close()

        asyncio.run(run())
        gate = driver.route.found_gate("m")
        assert gate is not None
        assert gate.inside == gate.waiting == 0


def test_a_deadline_ends_the_wait(colour: Colour) -> None:
    with serving(on.good("a")) as server:
        driver = colour.driver(server.url, limits=Limits(requests_per_minute=1))
        colour.complete(driver)

        def late() -> Any:
            with deadline.within(0.1):
                return colour.complete(driver)

        # Known at once, and so raised at once: the place is a minute away.
        with pytest.raises(DeadlineExceeded, match="before the call may be sent") as caught:
            late()
        assert caught.value.bill is None
        assert len(server.asked) == 1
        assert driver.route.found_gate("m").waiting == 0


def test_waiting_is_in_the_log(colour: Colour, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "prompture")
    with serving(Counting(0)) as server:
        driver = colour.driver(server.url, limits=Limits(requests_per_minute=600))
        for _ in range(8):
            colour.complete(driver)
    lines = [r for r in caplog.records if getattr(r, "event", "") == "wait"]
    assert lines
    assert "requests or tokens a minute" in lines[0].getMessage()
    assert all("hi" not in line.getMessage().split() for line in lines)


def test_tokens_are_settled_by_the_real_usage(colour: Colour) -> None:
    with serving(Counting(0)) as server:
        driver = colour.driver(server.url, limits=Limits(tokens_per_minute=600_000))
        gate = driver.route.found_gate("m")
        # Reserved: a minute's. Used: 1,100 tokens.
        colour.complete(driver, Request(model="m", messages=(user("hi"),), max_tokens=600_000))
        colour.complete(driver)
        assert gate._throttle.wait(1) < 1


def test_limits_go_by_model_where_the_provider_counts_so() -> None:
    url = "http://127.0.0.1:9/v1"
    limits = Limits(requests_per_minute=60)
    one = driver_for("openai/gpt-5-mini", api_key="a", base_url=url, limits=limits)
    other = async_driver_for("openai/gpt-5-nano", api_key="a", base_url=url, limits=limits)
    assert one.route is other.route
    assert set(one.route.gates) == {"gpt-5-mini", "gpt-5-nano"}
    together = Limits(requests_per_minute=60, per="key")
    both = driver_for("openai/gpt-5-mini", api_key="b", base_url=url, limits=together)
    assert set(both.route.gates) == {""}


def test_limits_outlive_pickles_and_copies() -> None:
    limits = Limits(requests_per_minute=60, concurrency=2)
    driver = OpenAICompatible("m", base_url="http://127.0.0.1:9", api_key="p", limits=limits)
    for again in (pickle.loads(pickle.dumps(driver)), copy.deepcopy(driver), copy.copy(driver)):
        assert again.limits == limits
        assert again.route is driver.route
        again.close()
    driver.close()


def test_a_forked_child_finds_nobody_in_the_queue() -> None:
    driver = sync_driver("http://127.0.0.1:9", limits=Limits(concurrency=1))
    gate = driver.route.gate("m", driver.limits)
    from prompture.drivers.gate import Place

    assert gate.enter(Place(0, None, is_again=False), 1.0) is None
    assert gate.enter(Place(0, None, is_again=False), 1.0) is not None
    assert in_child(lambda: (gate.inside, gate.waiting)) == (0, 0)
    driver.close()


def test_models_in_this_process_have_no_limits() -> None:
    with pytest.raises(ConfigurationError, match="limits means nothing"):
        driver_for("local/rules", limits=Limits(concurrency=1))
    with pytest.raises(ConfigurationError, match="limits must be"):
        sync_driver("http://127.0.0.1:9", limits=5)


def test_routes_of_many_keys_are_forgotten() -> None:
    known = len(routes._routes)
    for n in range(routes.KEPT + 10 - known):
        driver = sync_driver("http://127.0.0.1:9")
        driver.endpoint.headers["x"] = f"tenant-{n:020}"  # type: ignore[index]
        routes.route_of("openai-compatible", driver.endpoint)
    assert len(routes._routes) == routes.KEPT


def test_a_route_that_a_driver_holds_is_never_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "KEPT", 2)
    held = sync_driver("http://127.0.0.1:9").route
    others = [sync_driver(f"http://127.0.0.1:{port}").route for port in (1, 2, 3)]
    assert len(routes._routes) == 2 and len(others) == 3
    assert sync_driver("http://127.0.0.1:9").route is held
