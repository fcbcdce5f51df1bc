"""Flows side by side: a flow that asks for several others at once, and its two runners.

Sync, each runs in a thread of its own, async in a task. What ends the whole (an interrupt, a cancelled
task) leaves none of them behind: none asks for anything more, and the bill has what each has spent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from prompture.drivers.meter import ChargeRecorder, metering
from prompture.errors import BudgetExceeded, PromptureError
from prompture.flows.run import D, Flow, Generates, GeneratesAsync, arun, billed, run
from prompture.money import ZERO, Charge, Cost, Usage
from prompture.wire.steps import Cut, Done, advance, asking, cutting, require_asyncio

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.observe import WorkSpan
    from prompture.types import Request

T = TypeVar("T")
GRACE = 1.0
"""Seconds in which flows that are broken off settle their bills."""
_IN_DOUBT = Cost(usd=None, reason="left while it was under way; the provider may have billed it")


class _LeftBehind(BudgetExceeded):
    """The whole has ended: nothing more is asked."""

    def __init__(self) -> None:
        super().__init__("the extraction has ended", spent=ZERO, asked=None)


class _Watch(ChargeRecorder):
    """Sees the calls of one flow: what they cost, which are under way. It lets none pass once the
    whole has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over = False
        self._open: dict[object, tuple[str, str]] = {}
        self._lock = Lock()

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Let a call pass, until the end. Raises an error of ours then."""
        if self.is_over:
            raise _LeftBehind()
        token = object()
        with self._lock:
            self._open[token] = (driver.provider.name, request.model or driver.model)
        return request, token

    def after(self, token: object, charge: Charge) -> None:
        """Record a call, which is over."""
        self.withdraw(token)
        super().after(token, charge)

    def again(self, token: object, charge: Charge) -> None:
        """Record a failed try. After the end, none follows."""
        super().again(token, charge)
        if self.is_over:
            raise _LeftBehind()

    def withdraw(self, token: object) -> None:
        """The call is over, or was not made."""
        with self._lock:
            self._open.pop(token, None)

    def spent(self) -> tuple[Charge, ...]:
        """What was charged, and a charge in doubt for what is under way."""
        with self._lock:
            under_way = [*self._open.values()]
        return (*self.charges, *(_doubtful(*names) for names in under_way))


def _doubtful(provider: str, model: str) -> Charge:
    return Charge(provider=provider, model=model, usage=Usage(), cost=_IN_DOUBT, status="cancelled")


@dataclass(slots=True)
class Several(Generic[D]):
    """Run these flows, so many at a time.

    The flow that asks for it is sent ``outcomes``: of each, in order, what it returned, or the
    error of ours that it raised. Any other exception ends the whole; it is thrown in, and what was
    spent until then is in ``spent()``. ``scopes`` are the spans of the flows, where traces are on.
    """

    flows: Sequence[Flow[D, Any]]
    parallel: int
    scopes: Sequence[WorkSpan] = ()
    outcomes: list[Any] = field(default_factory=list)
    watches: list[_Watch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.flows)
        self.watches = [_Watch() for _ in self.flows]

    def spent(self) -> tuple[Charge, ...]:
        """The charges of all flows so far."""
        return tuple(charge for watch in self.watches for charge in watch.spent())

    @contextmanager
    def around(self, job: int) -> Iterator[None]:
        """What a flow runs in: its watch, its span. An error of ours is its outcome."""
        try:
            with (
                self.scopes[job].whole() if self.scopes else nullcontext(),
                metering(self.watches[job]),
            ):
                yield
        except PromptureError as exc:
            self.outcomes[job] = exc

    def end(self) -> None:
        """Nothing more is asked."""
        for watch in self.watches:
            watch.is_over = True


ManyFlow: TypeAlias = Generator[Several[D], list[Any], T]
"""A flow that asks for several at once."""


def run_several(flow: ManyFlow[Generates, T]) -> T:
    """Run it to its end with sync drivers."""
    step = advance(flow)
    while not isinstance(step, Done):
        reply: list[Any] | BaseException
        try:
            _run_all(step)
            reply = step.outcomes
        except BaseException as exc:  # whatever it is, the flow adds its bill
            reply = exc
        step = advance(flow, reply)
    return step.value


def _run_all(several: Several[Generates]) -> None:
    jobs = range(len(several.flows))
    if several.parallel == 1 or len(jobs) == 1:
        try:
            # In the caller's own thread.
            for job in jobs:
                with several.around(job):
                    several.outcomes[job] = run(several.flows[job])
        except BaseException:
            several.end()
            raise
        return
    _Threads(several).run(min(several.parallel, len(jobs)))


class _Threads:
    """Threads that take one flow after the other."""

    def __init__(self, several: Several[Generates]) -> None:
        self._several = several
        self._left = iter(range(len(several.flows)))
        self._lock = Lock()
        self._cuts: dict[int, Cut] = {}
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def run(self, threads: int) -> None:
        running = 0
        try:
            for _ in range(threads):
                # Daemons: a provider that hangs must not keep the program from ending.
                work = Thread(
                    target=copy_context().run,
                    args=(self._work,),
                    name="prompture-chunks",
                    daemon=True,
                )
                # Before it starts: Ctrl-C may come while it does.
                running += 1
                work.start()
            while running:
                error = self._ended.get()
                running -= 1
                if error is not None:
                    raise error
        except BaseException:  # Ctrl-C, or what ended one of the flows
            self._several.end()
            for cut in [*self._cuts.values()]:
                cut.cut()
            self._settle(running)
            raise

    def _settle(self, running: int) -> None:
        from queue import Empty

        until = monotonic() + GRACE
        try:
            while running:
                self._ended.get(timeout=max(until - monotonic(), 0.0))
                running -= 1
        except Empty:
            return

    def _work(self) -> None:
        error: BaseException | None = None
        # Budgets know their callers: each of these threads is one.
        asking.set(None)
        try:
            while (job := self._next()) is not None:
                self._do(job)
        except BaseException as exc:  # raised again in the caller's thread
            self._several.end()
            error = exc
        self._ended.put(error)

    def _next(self) -> int | None:
        with self._lock:
            return next(self._left, None)

    def _do(self, job: int) -> None:
        watch = self._several.watches[job]
        if watch.is_over:
            return
        self._cuts[job] = cut = Cut()
        cutting.set(cut)
        try:
            with self._several.around(job):
                self._several.outcomes[job] = run(self._several.flows[job])
        finally:
            self._cuts.pop(job, None)


async def arun_several(flow: ManyFlow[GeneratesAsync, T]) -> T:
    """Run it to its end with async drivers."""
    require_asyncio()
    step = await _advanced(flow)
    while not isinstance(step, Done):
        reply: list[Any] | BaseException
        try:
            await _arun_all(step)
            reply = step.outcomes
        except GeneratorExit:
            raise
        except BaseException as exc:  # whatever it is, the flow adds its bill
            reply = exc
        step = (
            advance(flow, reply)
            if isinstance(reply, BaseException)
            else await _advanced(flow, reply)
        )
    return step.value


async def _advanced(flow: ManyFlow[D, T], reply: list[Any] | None = None) -> Several[D] | Done[T]:
    """``advance`` in a thread: cutting, and looking for what stands where, takes a while."""
    working = asyncio.ensure_future(asyncio.to_thread(advance, flow, reply))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError as exc:
        await billed(flow, working, exc)
        raise


async def _arun_all(several: Several[GeneratesAsync]) -> None:
    left = iter(range(len(several.flows)))
    running: set[asyncio.Task[None]] = set()

    def fill() -> None:
        while len(running) < several.parallel and (job := next(left, None)) is not None:
            running.add(asyncio.create_task(_adone(several, job)))

    fill()
    try:
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            running -= done
            for task in done:
                task.result()
            fill()
    except BaseException:  # cancelled, or what ended one of the flows
        several.end()
        await _cancelled(running)
        raise


async def _adone(several: Several[GeneratesAsync], job: int) -> None:
    with several.around(job):
        several.outcomes[job] = await arun(several.flows[job])


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel them, and wait a moment until they have settled their bills."""
    tasks = [*tasks]
    for task in tasks:
        task.cancel()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)
