"""Hedging: a call that is slower than most is sent a second time; the first good answer is taken.

The second asks no cache: there it would wait for the first one. The other one is cut off. Both are calls of their own, to budgets and to the ledger, and both are on
the bill. What the one that was cut off cost is unknown, unless it ended by itself.

A sync call and its second run in threads of their own, so that their caller can leave either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import replace
from threading import Event, Thread
from typing import Any, Protocol

from prompture.drivers.call import Call
from prompture.drivers.cost import charge_of
from prompture.drivers.settling import put_on
from prompture.errors import PromptureError
from prompture.money import Bill, Charge, Cost
from prompture.observe import note
from prompture.types import Completion
from prompture.wire.retry import Latencies
from prompture.wire.steps import Cut, asking, cutting, who

GRACE = 0.25
"""Seconds in which a call that was cut off ends, as a rule in one of a thousand."""
_IN_DOUBT = Cost(usd=None, reason="left for another answer; the provider may have billed it")


class HedgedDriver(Protocol):
    """What is asked of a driver."""

    @property
    def name(self) -> str: ...
    @property
    def route(self) -> Any: ...
    @property
    def _transport(self) -> Any: ...
    def _answer(self, call: Call) -> Any: ...


class _Left(Exception):
    """The other call has answered. Not an error of the call, which is settled as cancelled."""


class _Side:
    """One of the two calls: its answer or its error, once it has ended."""

    def __init__(self, call: Call) -> None:
        self.call, self.visit = call, call._visit
        self.answer: Completion | None = None
        self.error: BaseException | None = None
        self.seconds = 0.0

    @property
    def has_ended(self) -> bool:
        return self.answer is not None or self.error is not None

    def charges(self) -> Sequence[Charge]:
        """What it put on the bill: in doubt where it is still under way."""
        if (answer := self.answer) is not None:
            charge = charge_of(answer, self.call.driver.provider.name)
            return (*answer.retries, replace(charge, note="hedge"))
        bill: Bill | None = getattr(self.error, "bill", None)
        if bill is not None:
            *before, last = bill.charges
            return (*before, replace(last, note=last.note or "hedge"))
        if self.error is not None or not self.call.in_flight:
            return tuple(self.call.tries)
        return (*self.call.tries, self._in_doubt())

    def _in_doubt(self) -> Charge:
        return Charge(
            provider=self.call.driver.provider.name,
            model=self.call.request.model,
            usage=Completion().usage,
            cost=_IN_DOUBT,
            status="cancelled",
            seconds=time.monotonic() - self.visit.since,
            note="hedge",
        )

    def late_by(self, patience: float) -> float:
        """How many seconds more it is waited for: a try that waits to be sent is not late."""
        if not self.call.in_flight:
            return patience
        return max(0.0, patience - (time.monotonic() - self.visit.since))


class _ThreadSide(_Side):
    """A call in a thread."""

    def __init__(self, driver: HedgedDriver, call: Call, ended: Event) -> None:
        super().__init__(call)
        self._driver, self._one_ended = driver, ended
        self._ended, self._cut = Event(), Cut()
        context = copy_context()
        context.run(asking.set, who())
        context.run(cutting.set, self._cut)
        # Not one of a pool: it may have to wait as long as its provider does, and a process that
        # ends does not wait for it.
        Thread(target=context.run, args=(self._work,), name="prompture-hedge", daemon=True).start()

    def _work(self) -> None:
        call = self.call
        try:
            self.answer = call.decoded(self._driver._transport.run(call.exchange()))
        except BaseException as exc:  # it is the caller's, who raises it in his own thread
            # What a socket that was shut down raises is no failure of the provider.
            is_left = self.visit.is_left and isinstance(exc, PromptureError)
            self.error = _Left() if is_left else exc
            call.settling().settle(self.error)
        finally:
            self.seconds = time.monotonic() - self.visit.since
            self._ended.set()
            self._one_ended.set()

    def leave(self) -> None:
        """End it, and wait a moment until it has."""
        if not self._ended.is_set():
            self.visit.is_left = True
            self._cut.cut()
            self._ended.wait(GRACE)


class _TaskSide(_Side):
    """A call in a task."""

    def __init__(self, driver: HedgedDriver, call: Call) -> None:
        super().__init__(call)
        self._driver = driver
        self.task = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        try:
            self.answer = await self._driver._answer(self.call)
        except BaseException as exc:  # it is the caller's, who raises it in his own task
            self.error = exc
        self.seconds = time.monotonic() - self.visit.since


def hedged(driver: HedgedDriver, call: Call, share: float, again: Callable[[], Call]) -> Completion:
    """The answer of a call, or of a second one. ``again`` makes that."""
    latencies = _latencies(driver, call)
    patience = latencies.patience(share)
    if patience is None:
        return _learned(driver._answer(call), call, latencies, share)
    ended = Event()
    sides = [_ThreadSide(driver, call, ended)]
    with _billed(sides):
        first, wait = sides[0], patience
        while not ended.wait(wait) and (wait := first.late_by(patience)):
            pass
        if not first.has_ended and latencies.take():
            with suppress(PromptureError):  # a budget's no: the first call goes on
                _note(driver, patience)
                sides.append(_ThreadSide(driver, again(), ended))
        while not (won := _won(sides)):
            ended.wait()
            ended.clear()
    for side in sides:
        side.leave()
    return _result(sides, won, latencies, share)


async def ahedged(
    driver: HedgedDriver, call: Call, share: float, again: Callable[[], Awaitable[Call]]
) -> Completion:
    """``hedged``, awaited."""
    latencies = _latencies(driver, call)
    patience = latencies.patience(share)
    if patience is None:
        return _learned(await driver._answer(call), call, latencies, share)
    sides = [_TaskSide(driver, call)]
    try:
        first, wait = sides[0], patience
        while wait and not first.task.done():
            await asyncio.wait((first.task,), timeout=wait)
            wait = first.late_by(patience)
        if not first.has_ended and latencies.take():
            with suppress(PromptureError):  # a budget's no: the first call goes on
                _note(driver, patience)
                sides.append(_TaskSide(driver, await again()))
        while not (won := _won(sides)):
            running = [side.task for side in sides if not side.task.done()]
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    except BaseException as exc:  # whatever ends it, neither call is left behind
        await _left(sides)
        _put_bill(exc, sides)
        raise
    await _left(sides)
    return _result(sides, won, latencies, share)


async def _left(sides: Sequence[_TaskSide]) -> None:
    """End the calls that are under way, and wait a moment until they have ended."""
    running = [side for side in sides if not side.task.done()]
    for side in running:  # all of them before the wait, which may be cancelled itself
        side.visit.is_left = True
        side.task.cancel()
    if running:
        await asyncio.wait([side.task for side in running], timeout=GRACE)


def _latencies(driver: HedgedDriver, call: Call) -> Latencies:
    found: dict[str, Latencies] = driver.route.latencies
    return found.get(call.request.model) or found.setdefault(call.request.model, Latencies())


def _learned(answer: Completion, call: Call, latencies: Latencies, share: float) -> Completion:
    if call.kept() is None:  # an answer out of a cache says nothing about the provider
        latencies.add(time.monotonic() - call._visit.since, share)
    return answer


def _note(driver: HedgedDriver, patience: float) -> None:
    note(
        "hedge",
        "%(model)s takes longer than %(seconds).2f s: a second request is sent",
        model=driver.name,
        seconds=patience,
    )


def _won(sides: Sequence[_Side]) -> _Side | None:
    """The side whose answer is taken; one that failed where all have."""
    answered = next((side for side in sides if side.answer is not None), None)
    if answered is not None:
        return answered
    return sides[0] if all(side.has_ended for side in sides) else None


@contextmanager
def _billed(sides: Sequence[_ThreadSide]) -> Iterator[None]:
    """What ends the block by an exception (Ctrl-C) leaves no call behind, and has their bill."""
    try:
        yield
    except BaseException as exc:  # an interrupt above all; it is raised again
        for side in sides:
            side.leave()
        _put_bill(exc, sides)
        raise


def _put_bill(exc: BaseException, sides: Sequence[_Side]) -> None:
    charges = tuple(charge for side in sides for charge in side.charges())
    if charges:
        put_on(exc, Bill(charges))


def _result(sides: Sequence[_Side], won: _Side, latencies: Latencies, share: float) -> Completion:
    first = sides[0]
    if (first.error is None or first.visit.is_left) and first.call.kept() is None:
        # One that was left counts as long as it was waited for: it would have taken longer still.
        latencies.add(first.seconds or time.monotonic() - first.visit.since, share)
    if won.answer is None:
        assert won.error is not None
        _put_bill(won.error, sides)
        raise won.error
    others = [charge for side in sides if side is not won for charge in side.charges()]
    if not others:
        return won.answer
    return replace(
        won.answer,
        retries=(*others, *won.answer.retries),
        seconds=time.perf_counter() - first.call.started,
    )
