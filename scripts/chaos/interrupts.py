"""Calls that are left at random moments: cancelled tasks, Ctrl-C in both colours, and an interrupt
before a random line of ours, which no clock hits often enough."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from chaos.client import DIALECTS, Books, Server, leaving_nothing, new_run
from chaos.documents import Order, case, document, value_of
from chaos.random_calls import FACES, Case, Drivers, Report, async_one, sync_one
from prompture import Budget, aextract, extract
from prompture.drivers.meter import metering

FAULTS = ("slow.4", "slow.4", "ok", "split-bytes", "status.500.x1", "drop.5", "silent")
LONGEST = 0.03
"""Seconds after which the interrupt comes at the latest; a call takes 5 to 20 ms."""
CHECKED = 50
"""After so many interrupts, plain calls must be answered."""


def _drawn(rng: random.Random, run: str, number: int, *, is_async: bool) -> Case:
    face = rng.choice(FACES)
    faults = FAULTS if face != "result" else tuple(f for f in FAULTS if f != "split-bytes")
    models = ((rng.choice(faults), rng.choice(DIALECTS)), ("slow.4", "openai"))
    return Case(case(run, number), models, face, is_async, 30.0, rng.choice(("auto", "tool")))


class Proof:
    """What the four ways share: the drivers, the charges, a budget that must end with nothing
    reserved."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server, self.rng = server, random.Random(seed)
        self.run = new_run()
        self.report, self.drivers = Report(), Drivers(server)
        self.budget = Budget(tokens=10**12, calls=10**9)
        self.number = 0
        self.interrupted: Counter[str] = Counter()
        self.wrong: list[str] = []

    def case(self, *, is_async: bool) -> Case:
        self.number += 1
        return _drawn(self.rng, self.run, self.number, is_async=is_async)

    def note(self, way: str, one: Case) -> None:
        """An interrupt is the end that was wanted: only its bill counts."""
        outcome = self.report.outcomes
        for name in ("untyped KeyboardInterrupt", "untyped CancelledError"):
            if outcome.pop(name, 0):
                self.interrupted[way] += 1
                self.report.wrong = [
                    w for w in self.report.wrong if not w.startswith(f"{one}: untyped")
                ]

    def check_sync(self) -> None:
        for dialect in DIALECTS:
            name = case(f"{self.run}x", self.number)
            driver = self.drivers("ok", dialect, False)
            found = extract(Order, document(name), model=driver, max_retries=0, deadline=10)
            if found.model_dump() != value_of(name):
                self.wrong.append(f"after an interrupt {dialect} answers {found}")

    async def check_async(self) -> None:
        for dialect in DIALECTS:
            name = case(f"{self.run}x", self.number)
            driver = self.drivers("ok", dialect, True)
            found = await aextract(Order, document(name), model=driver, max_retries=0, deadline=10)
            if found.model_dump() != value_of(name):
                self.wrong.append(f"after an interrupt {dialect} answers {found}")


async def cancelled(proof: Proof, count: int) -> None:
    """Tasks, cancelled."""
    for number in range(count):
        one = proof.case(is_async=True)
        with metering(proof.budget):
            task = asyncio.create_task(async_one(one, proof.drivers, proof.report))
        await asyncio.sleep(proof.rng.uniform(0, LONGEST))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        proof.note("cancelled tasks", one)
        if number % CHECKED == 0:
            await proof.check_async()


@contextmanager
def _alarm(handler: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ctrl_c(proof: Proof, count: int) -> None:
    """KeyboardInterrupt in the main thread, where the clock's signal meets it."""
    with _alarm(signal.default_int_handler):
        for number in range(count):
            one = proof.case(is_async=False)
            try:
                signal.setitimer(signal.ITIMER_REAL, proof.rng.uniform(1e-4, LONGEST))
                with metering(proof.budget):
                    sync_one(one, proof.drivers, proof.report)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                # In the proof's own code around the call: the call is over, or was not begun.
                proof.interrupted["outside of the call"] += 1
            proof.note("Ctrl-C, sync", one)
            if number % CHECKED == 0:
                proof.check_sync()


def ctrl_c_in_a_loop(proof: Proof, count: int) -> None:
    """A real SIGINT under ``asyncio.run``, which cancels the main task. Every loop is a new one
    for the same drivers."""

    def press(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    async def called(one: Case) -> None:
        try:
            signal.setitimer(signal.ITIMER_REAL, proof.rng.uniform(1e-4, LONGEST))
            with metering(proof.budget):
                await async_one(one, proof.drivers, proof.report)
        finally:  # not while the loop ends, where it would meet asyncio's own clearing up
            signal.setitimer(signal.ITIMER_REAL, 0)

    with _alarm(press):
        for number in range(count):
            one = proof.case(is_async=True)
            with suppress(KeyboardInterrupt):
                asyncio.run(called(one))
            proof.note("Ctrl-C, asyncio.run", one)
            if number % CHECKED == 0:
                asyncio.run(proof.check_async())


class _AtLine:
    """Raises KeyboardInterrupt before the n-th line that runs of ``prompture``."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.where = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if f"{os.sep}prompture{os.sep}" not in frame.f_code.co_filename:
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                self.where = (
                    f"{frame.f_code.co_filename.rpartition('prompture/')[2]}:{frame.f_lineno}"
                )
                raise KeyboardInterrupt
        return self._line


def at_lines(proof: Proof, count: int) -> None:
    """An interrupt before a random line, each as likely as another."""
    lines = 4000
    for number in range(count):
        one = proof.case(is_async=False)
        if one.models[0][0] == "silent":
            one.models = one.models[1:]
        tracer = _AtLine(proof.rng.randrange(1, lines))
        try:
            with metering(proof.budget):
                sys.settrace(tracer)
                try:
                    sync_one(one, proof.drivers, proof.report)
                finally:
                    sys.settrace(None)
        except KeyboardInterrupt:
            proof.interrupted["outside of the call"] += 1
        if tracer.where:
            _where[one.name] = tracer.where
        proof.note("before a line", one)
        if number % CHECKED == 0:
            proof.check_sync()


_where: dict[str, str] = {}


def run(server: Server, count: int, seed: int) -> tuple[list[str], str]:
    """``count`` interrupts, a quarter of each way."""
    proof = Proof(server, seed)
    begun = time.monotonic()
    ended: list[str] = []

    async def tasks() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, c: ended.append(f"the loop: {c.get('message')} {c.get('exception')!r}")
        )
        await cancelled(proof, count // 4)

    with leaving_nothing() as left:
        asyncio.run(tasks())
        ctrl_c(proof, count // 4)
        ctrl_c_in_a_loop(proof, count // 4)
        # By lines, one in a thousand meets the few between a reservation and who gives it back.
        held = proof.budget._accounts.look().holds.copy()
        at_lines(proof, count // 4)
        proof.drivers.close()
        gc.collect()
        open_left = server.settled()["open"]
    # An interrupt between socket() and its first use leaves the socket to the garbage collector,
    # which closes it and says so. What counts is that none stays open.
    for what in [w for w in left.complaints if "unclosed <socket" in w]:
        del left.complaints[what]
    wrong = [*proof.wrong, *proof.report.wrong, *ended, *left.faults()]
    if open_left:
        wrong.append(f"the server has {open_left} connections open")
    books = Books()
    books.compare(server.ledger(proof.run), proof.report.charges)
    wrong += [f"{w} {_where.get(w.partition(':')[0], '')}" for w in books.wrong]
    if books.known != books.served:
        wrong.append(f"${books.known} on the bills, ${books.served} on the server's")
    if held:
        wrong.append(f"the budget still has reserved: {held}")
    ways = ", ".join(f"{n} {way}" for way, n in proof.interrupted.items())
    figures = (
        f"{count} calls in {time.monotonic() - begun:.0f} s, left in their middle: {ways};"
        f" {books.requests} requests, ${books.known} on both sides, {books.doubtful} in doubt"
        f" (billed: {books.unclaimed})"
    )
    return wrong, figures
