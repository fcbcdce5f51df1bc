"""The queue before an endpoint, in simulated time: order, limits, pauses, cancellations."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from threading import Thread
from typing import Any

import pytest

from prompture.drivers.gate import BULK_TURN, BURST_SECONDS, LONGEST_PAUSE, WATCH, Place, RouteGate
from prompture.drivers.limits import Limits, priority
from prompture.errors import ConfigurationError, RateLimitError
from prompture.wire.http import Exchange, Work
from prompture.wire.steps import Wait


@dataclass
class Caller:
    """One call that queues, stays inside for a while, and leaves."""

    name: str
    place: Place
    seconds: float = 0.0
    outcome: Any = "ok"
    exchange: Exchange[None] | None = None
    asleep: bool = False
    ended: bool = False


@dataclass
class World:
    """A gate, a clock that stands until it is moved, and callers that run as transports run them."""

    limits: Limits = field(default_factory=Limits)
    now: float = 1000.0
    started: list[tuple[float, str]] = field(default_factory=list)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    number: Iterator[int] = field(default_factory=count)
    judge: Callable[[Caller], str] | None = None

    def __post_init__(self) -> None:
        self.gate = RouteGate("acme", self.limits, scope="s", clock=lambda: self.now)

    def come(self, name: str, *, seconds: float = 0.0, tokens: int = 0, **more: Any) -> Caller:
        kind = {name: more.pop(name) for name in ("is_stream", "is_sync") if name in more}
        place = Place(
            tokens, more.pop("priority", None), is_again=more.pop("is_again", False), **kind
        )
        one = Caller(name, place, seconds, **more)
        self.callers.append(one)
        one.exchange = self.gate.enter(place, 120.0)
        if one.exchange is None:
            self._inside(one)
        else:
            self._advance(one)
        self._wake()
        return one

    def _advance(self, one: Caller) -> None:
        assert one.exchange is not None
        try:
            step = next(one.exchange)
        except StopIteration:
            self._inside(one)
            return
        if isinstance(step, Work):
            step.do()
            self._advance(one)
            return
        assert isinstance(step, Wait)
        one.asleep = True
        if step.seconds is not None:
            self.at(self.now + step.seconds, lambda: self._timer(one))

    def _timer(self, one: Caller) -> None:
        if one.asleep and not one.ended:
            one.asleep = False
            self._advance(one)

    def _wake(self) -> None:
        while woken := [c for c in self.callers if c.asleep and c.place.signal._event.is_set()]:
            for one in woken:
                one.asleep = False
                self._advance(one)

    def _inside(self, one: Caller) -> None:
        self.started.append((round(self.now - 1000.0, 6), one.name))
        outcome = self.judge(one) if self.judge else one.outcome
        self.at(self.now + one.seconds, lambda: self._leave(one, outcome))

    def _leave(self, one: Caller, outcome: Any) -> None:
        if not one.ended:
            one.ended = True
            self.callers.remove(one)
            self.gate.leave(one.place, outcome=outcome)

    def give_up(self, one: Caller) -> None:
        assert one.exchange is not None
        one.ended, one.asleep = True, False
        self.callers.remove(one)
        one.exchange.close()
        self.gate.leave(one.place)
        self._wake()

    def at(self, moment: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.events, (moment, next(self.number), do))

    def run(self, until: float = 1e9) -> list[tuple[float, str]]:
        while self.events and self.events[0][0] <= 1000.0 + until:
            self.now, _, do = heapq.heappop(self.events)
            do()
            self._wake()
        return self.started


def names(world: World) -> str:
    return "".join(name for _, name in world.run())


def test_those_who_wait_go_in_the_order_of_coming() -> None:
    world = World(Limits(concurrency=2))
    for name in "abcdefgh":
        world.come(name, seconds=1.0)
    assert names(world) == "abcdefgh"
    assert [at for at, _ in world.started] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert world.gate.inside == world.gate.waiting == 0


def test_requests_are_spread_over_the_minute() -> None:
    world = World(Limits(requests_per_minute=60))
    for name in "abcd":
        world.come(name)
    assert world.run() == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]


def test_tokens_are_reserved_and_settled() -> None:
    world = World(Limits(tokens_per_minute=6000, requests_per_minute=600))
    first = world.come("a", tokens=1000, seconds=1.0)
    world.come("b", tokens=1000)
    world.run(until=0.5)
    assert [name for _, name in world.started] == ["a"]
    # It took 200 of its 1,000 tokens: 2 of its 10 seconds.
    first.ended = True
    world.callers.remove(first)
    world.gate.leave(first.place, used=200, outcome="ok")
    world._wake()
    assert world.run()[1] == (pytest.approx(1.5, abs=0.01), "b")


def test_one_who_gives_up_keeps_nobody_waiting() -> None:
    world = World(Limits(concurrency=1))
    inside = world.come("a", seconds=5.0)
    second, third = world.come("b", seconds=1.0), world.come("c", seconds=1.0)
    world.give_up(second)
    assert names(world) == "ac"
    assert world.gate.waiting == 0
    del inside, third


def test_the_first_gives_up_its_timer_to_the_next() -> None:
    world = World(Limits(requests_per_minute=60))
    world.come("a")
    head = world.come("b")
    world.come("c")
    world.give_up(head)
    assert world.run() == [(0, "a"), (1, "c")]


def test_one_inside_that_leaves_by_an_exception_makes_room() -> None:
    world = World(Limits(concurrency=1))
    one = world.come("a", seconds=1e6)
    world.come("b")
    world._leave(one, "")
    world._wake()
    assert names(world) == "ab"
    world.gate.leave(one.place)  # twice is no harm
    assert world.gate.inside == 0


def test_live_goes_before_bulk_which_never_starves() -> None:
    world = World(Limits(concurrency=1))
    world.come("x", seconds=1.0)
    for _ in range(2):
        world.come("b", seconds=1.0, priority="bulk")
    for _ in range(2 * BULK_TURN):
        world.come("l", seconds=1.0)
    order = names(world)
    assert order.count("b") == 2
    assert order.index("b") == BULK_TURN
    assert order[order.index("b") + 1] == "l"


def test_bulk_may_be_the_context_s() -> None:
    with priority("bulk"):
        assert Place(0, None, is_again=False).bulk
        assert not Place(0, "live", is_again=False).bulk
    assert not Place(0, None, is_again=False).bulk
    with pytest.raises(ConfigurationError, match="priority"), priority("slow"):  # type: ignore[arg-type]
        pass


def test_one_that_is_sent_again_goes_first() -> None:
    world = World(Limits(concurrency=1))
    world.come("a", seconds=1.0)
    world.come("b", seconds=1.0)
    world.come("c", seconds=1.0, is_again=True)
    assert names(world) == "acb"


def test_a_pause_holds_for_all_and_ends_with_a_slow_start() -> None:
    world = World(Limits())
    world.come("a")
    world.gate.pause(10.0)
    for _ in range(200):
        world.come("b")
    started = [at for at, _ in world.run()][1:]
    begun = started[0]
    assert 10.0 <= begun <= 10.2
    within = [sum(1 for at in started if at < begun + seconds) for seconds in (0.5, 1, 2, 8)]
    assert within[0] <= 4
    assert within[1] <= 10
    assert within[2] <= 50
    assert within[3] == 200
    # Back to full speed: nobody waits any more.
    world.now += 10
    assert world.come("z").exchange is None


def test_a_pause_beyond_the_patience_is_an_error_that_says_how_long() -> None:
    world = World(Limits())
    world.gate.pause(200.0)
    with pytest.raises(RateLimitError, match="not sent") as caught:
        world.come("a")
    assert 200 <= (caught.value.retry_after or 0) <= 204
    assert caught.value.unsent is True  # type: ignore[attr-defined]
    assert not caught.value.retryable


def test_a_short_pause_has_a_short_slow_start() -> None:
    world = World(Limits())
    world.come("a")
    world.gate.pause(0.1)
    for _ in range(200):
        world.come("b")
    assert world.run()[-1][0] <= 0.1 * 1.02 + 0.2 + 0.01


def test_limits_that_are_set_anew_count_what_was_used() -> None:
    world = World(Limits(tokens_per_minute=600))
    world.come("a", tokens=6000)  # of ten minutes
    world.gate.adopt(Limits(tokens_per_minute=60_000))
    world.come("b", tokens=1)
    assert world.run()[-1] == (pytest.approx(6.0 - BURST_SECONDS), "b")


def test_a_pause_of_years_ends_all_the_same() -> None:
    world = World(Limits())
    world.gate.pause(3e9)
    world.now += 1.02 * LONGEST_PAUSE
    assert world.come("a").exchange is None


def test_one_that_is_sent_again_is_woken_though_another_had_the_timer() -> None:
    world = World(Limits(requests_per_minute=60))
    world.come("a")
    world.run(0)  # nobody is inside, who would wake anybody by leaving
    world.come("b")
    world.come("c", is_again=True)
    assert [name for _, name in world.run()] == ["a", "c", "b"]


def test_calls_of_a_closed_loop_hold_up_nobody() -> None:
    loop = asyncio.new_event_loop()

    async def come(name: str) -> None:
        world.come(name, seconds=1e9, is_sync=False)

    world = World(Limits(concurrency=1))
    with ThreadPoolExecutor(1) as other:
        for name in "abc":
            other.submit(loop.run_until_complete, come(name)).result()
    late = world.come("d")
    loop.close()
    assert late.asleep and world.gate.waiting == 3
    world.now += WATCH  # it looks by itself: nobody is left to wake it
    world._timer(late)
    assert [name for _, name in world.started] == ["a", "d"]


@pytest.mark.parametrize("shared", ["stream", "loop"])
def test_a_call_does_not_wait_for_those_who_wait_for_it(shared: str) -> None:
    # What its own thread has open, or a loop that it blocks.
    world = World(Limits(concurrency=1))

    async def both() -> None:
        if shared == "loop":
            await asyncio.ensure_future(come("a", is_sync=False))
        else:
            await come("a", is_stream=True)
        world.gate._live_in_a_row = BULK_TURN  # it is the turn of bulk calls
        Thread(target=world.come, args=("b",), kwargs={"priority": "bulk"}).start()
        while not world.gate.waiting:
            await asyncio.sleep(0)
        world.come("c", priority="bulk")

    async def come(name: str, **more: Any) -> None:
        world.come(name, seconds=5.0, **more)

    asyncio.run(both())
    assert [name for _, name in world.started] == ["a", "c"]


def test_a_forked_child_has_no_moments_that_its_parent_reserved() -> None:
    gate = RouteGate("acme", Limits(), scope="s")
    gate._spare.append((1.0, 0))
    gate._owed = 5
    gate._renew()
    assert not gate._spare and not gate._owed


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    world = World(Limits())
    world.gate.pause(10.0)
    world.gate.pause(1.0)
    assert world.gate.paused() >= 10.0


def test_limits_that_are_set_anew_hold_for_those_who_wait() -> None:
    world = World(Limits(concurrency=1))
    world.come("a", seconds=10.0)
    world.come("b", seconds=1.0)
    world.gate.adopt(Limits(concurrency=2))
    world._wake()
    assert world.run()[1] == (0, "b")


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"tokens_per_minute": "many"}, "tokens_per_minute"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": "some"}, "concurrency"),
        ({"per": "user"}, "per"),
        ({"learn": 1}, "learn"),
        ({"when_unreachable": "hope"}, "when_unreachable"),
        ({"shared": "x.db"}, "needs requests_per_minute"),
        ({"shared": 3, "requests_per_minute": 1}, "shared"),
    ],
)
def test_limits_are_checked(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        Limits(**wrong)


# A hidden knee.


@pytest.mark.parametrize("knee", [6, 20, 60])
def test_adaptive_concurrency_finds_a_hidden_knee(knee: int) -> None:
    world = World(Limits(concurrency="adaptive"))
    refused = served = 0
    seconds = 2.0

    def judge(one: Caller) -> str:
        nonlocal refused, served
        if world.gate.inside > knee:
            refused += 1
            one.seconds = 0.05
            return "refused"
        served += 1
        one.seconds = seconds
        return "ok"

    world.judge = judge

    def feed() -> None:
        while world.gate.waiting < 10:
            world.come("a")
        if world.now < 1000 + 600:
            world.at(world.now + 0.25, feed)

    feed()
    world.run(until=600)
    best = knee * 600 / seconds
    assert served >= 0.9 * best, (served, best, refused)
    assert refused / (served + refused) < 0.05, (refused, served)
