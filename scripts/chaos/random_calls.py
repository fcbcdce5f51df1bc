"""Random extractions against random faults: a right value or a typed error, in time, paid exactly."""

from __future__ import annotations

import asyncio
import pickle
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from chaos import faults
from chaos.client import DIALECTS, Books, Server, bill_of, leaving_nothing, memory, new_run
from chaos.documents import Line, Order, case, document, value_of
from prompture import (
    aextract_items,
    aextract_result,
    aextract_stream,
    extract_items,
    extract_result,
    extract_stream,
    track,
)
from prompture.errors import PromptureError

FACES = ("result", "stream", "items")
LATE = 0.5
THREADS, TASKS = 8, 24


@dataclass(slots=True)
class Case:
    """One extraction: ``models`` are (fault, dialect) in order."""

    name: str
    models: tuple[tuple[str, str], ...]
    face: str
    is_async: bool
    deadline: float
    strategy: str

    def __str__(self) -> str:
        colour = "async" if self.is_async else "sync"
        return (
            f"{self.name} {self.models} {self.face} {colour} {self.strategy} {self.deadline:.2f} s"
        )


@dataclass(slots=True)
class Report:
    """What came of the cases; ``wrong`` is what broke a promise."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    most_late: float = LATE
    latest: float = 0.0
    """Seconds past the deadline, at the most."""
    charges: dict[str, list[Any]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)


def drawn(rng: random.Random, run: str, number: int, *, heavy: bool) -> Case:
    """A case: nearly every one has a fault, a third of them a second model behind it."""
    face = rng.choice(FACES)
    streamed = face != "result"
    models = [(_fault(rng, streamed, heavy), rng.choice(DIALECTS))]
    while rng.random() < 0.3 and len(models) < 3:
        fault = _fault(rng, streamed, heavy) if rng.random() < 0.5 else "ok"
        models.append((fault, rng.choice(DIALECTS)))
    # Most faults are over at once: a long deadline shows that nothing waits for it.
    endless = any(f.split(".")[0] in _ENDLESS for f, _ in models)
    deadline = rng.uniform(0.2, 0.8) if endless else rng.choice((0.3, 1.0, 3.0, 10.0))
    strategy = rng.choice(("auto", "auto", "tool", "prompt"))
    return Case(case(run, number), tuple(models), face, rng.random() < 0.5, deadline, strategy)


_ENDLESS = {f.split(".")[0] for f in (*faults.ENDLESS, *faults.ENDLESS_STREAMS)}


def _fault(rng: random.Random, streamed: bool, heavy: bool) -> str:
    if heavy and rng.random() < 0.005:
        return rng.choice(faults.HEAVY if streamed else faults.HEAVY[:1])
    if rng.random() < 0.04:
        return rng.choice((*faults.ENDLESS, *(faults.ENDLESS_STREAMS if streamed else ())))
    if rng.random() < 0.15:
        return rng.choice((*faults.RIGHT, *(faults.RIGHT_STREAMS if streamed else ())))
    if streamed and rng.random() < 0.6:
        fault = rng.choice((*faults.STREAMS, *faults.OTHER_STREAMS))
        fault = f"{fault}.{rng.randrange(12)}" if fault in faults.STREAMS else fault
    else:
        fault = rng.choice((*faults.STATUSES, *faults.BODIES))
    return f"{fault}.x{rng.randint(1, 2)}" if rng.random() < 0.3 else fault


class Drivers:
    """One driver for each model and colour, shared by all cases, as programs do it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._made: dict[tuple[str, str, bool], Any] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, fault: str, dialect: str, is_async: bool) -> Any:
        key = (fault, dialect, is_async)
        with self._lock:
            if key not in self._made:
                make = self._server.async_driver if is_async else self._server.driver
                self._made[key] = make(fault, dialect, timeout=1.0)
            return self._made[key]

    def close(self) -> None:
        for (_, _, is_async), driver in self._made.items():
            if not is_async:
                driver.close()


def sync_one(one: Case, drivers: Drivers, report: Report) -> None:
    options = _options(one, drivers)
    begun = time.monotonic()
    spent = track()
    # At once: an interrupt may come while it is judged.
    report.charges[one.name] = spent.charges
    try:
        with spent:
            found: Any
            if one.face == "result":
                found = extract_result(Order, document(one.name), **options)
            elif one.face == "stream":
                with extract_stream(Order, document(one.name), **options) as stream:
                    *_, last = stream
                found = last.result
            else:
                with extract_items(Line, document(one.name), **options) as items:
                    values = list(items)
                found = (values, items.cost)
    except BaseException as exc:  # a proof looks at whatever ends a call
        found = exc
    judge(one, found, time.monotonic() - begun, list(spent.charges), report)


async def async_one(one: Case, drivers: Drivers, report: Report) -> None:
    options = _options(one, drivers)
    begun = time.monotonic()
    spent = track()
    # At once: an interrupt may come while it is judged.
    report.charges[one.name] = spent.charges
    try:
        with spent:
            found: Any
            if one.face == "result":
                found = await aextract_result(Order, document(one.name), **options)
            elif one.face == "stream":
                async with aextract_stream(Order, document(one.name), **options) as stream:
                    seen = [each async for each in stream]
                found = seen[-1].result
            else:
                async with aextract_items(Line, document(one.name), **options) as items:
                    values = [each async for each in items]
                found = (values, items.cost)
    except BaseException as exc:  # a proof looks at whatever ends a call
        found = exc
    judge(one, found, time.monotonic() - begun, list(spent.charges), report)


def _options(one: Case, drivers: Drivers) -> dict[str, Any]:
    models = [drivers(fault, dialect, one.is_async) for fault, dialect in one.models]
    return {
        "model": models,
        "deadline": one.deadline,
        "strategy": one.strategy,
        "max_retries": 1,
    }


def judge(one: Case, found: Any, seconds: float, charges: list[Any], report: Report) -> None:
    value = value_of(one.name)
    items = one.face == "items"
    bill = bill_of(found)
    if isinstance(found, PromptureError):
        outcome = type(found).__name__
        wrong = ""
    elif isinstance(found, BaseException):
        outcome = f"untyped {type(found).__name__}"
        wrong = f"{found!r}"
    else:
        plain = (
            {
                "lines": [
                    v.value.model_dump() if hasattr(v, "value") else v.model_dump()
                    for v in found[0]
                ]
            }
            if items
            else found.value.model_dump()
        )
        bill = list(found[1].charges) if items else bill
        expected = {"lines": value["lines"]} if items else value
        outcome = "right" if plain == expected else "WRONG VALUE"
        wrong = "" if plain == expected else f"{plain}"
    late = seconds - one.deadline
    with report.lock:
        report.outcomes[outcome] += 1
        report.latest = max(report.latest, late)
        if wrong:
            report.wrong.append(f"{one}: {outcome} {wrong}"[:600])
        if late > report.most_late:
            report.wrong.append(f"{one}: {late:.2f} s late ({outcome})")
        if sorted(map(_paid, bill)) != sorted(map(_paid, charges)):
            report.wrong.append(
                f"{one}: {outcome}: its bill is {[*map(_paid, bill)]},"
                f" track() has {[*map(_paid, charges)]}"
            )


def _paid(charge: Any) -> tuple[int, str]:
    return charge.usage.input_tokens, str(charge.cost)


def run(
    server: Server, count: int, seed: int, *, heavy: bool = True, most_late: float = LATE
) -> tuple[list[str], str]:
    """Faults found, and the figures; ``most_late`` is for machines that do other things, too."""
    rng = random.Random(seed)
    name = new_run()
    cases = [drawn(rng, name, number, heavy=heavy) for number in range(count)]
    report, drivers = Report(most_late=most_late), Drivers(server)
    ended: list[str] = []
    held: list[float] = []
    packed: dict[str, bytes] = {}
    made: list[int] = []
    warm(server)
    with leaving_nothing() as left:
        sync = [c for c in cases if not c.is_async]
        others = [c for c in cases if c.is_async]
        rounds = 8 if count >= 2000 else 1
        begun = time.monotonic()
        with asyncio.Runner() as runner, ThreadPoolExecutor(THREADS) as pool:
            for number in range(rounds):
                list(pool.map(lambda c: sync_one(c, drivers, report), sync[number::rounds]))
                runner.run(_gathered(others[number::rounds], drivers, report, ended))
                packed |= {name: pickle.dumps(list(c)) for name, c in report.charges.items()}
                report.charges.clear()  # what the proof itself keeps must not look like a leak
                held.append(memory())
                made.append(len(drivers))
        seconds = time.monotonic() - begun
        drivers.close()
        open_left = server.settled()["open"]
    wrong = [*report.wrong, *ended, *left.faults()]
    if open_left:
        wrong.append(f"the server has {open_left} connections open")
    # The first rounds fill caches and pools; after them nothing may grow but with the drivers, of
    # which there is one for each spelling of a fault: plans and pools are about 15 KB of each.
    half = rounds // 2 - 1
    grown = held[-1] - held[half] if rounds > 1 else 0.0
    if rounds > 1 and grown > 12 + 0.02 * (made[-1] - made[half]):
        wrong.append(f"memory grew by {grown:.0f} MB over the second half: {held}, drivers {made}")
    books = Books()
    charges = {name: pickle.loads(c) for name, c in packed.items()}
    books.compare(server.ledger(name), charges)
    wrong += books.wrong
    if books.known != books.served:
        wrong.append(f"${books.known} on the bills, ${books.served} on the server's")
    figures = (
        f"{count} extractions in {seconds:.0f} s: {report.outcomes['right']} right,"
        f" {count - report.outcomes['right']} typed errors"
        f" ({', '.join(f'{n} {k}' for k, n in report.outcomes.most_common(8) if k != 'right')});"
        f" latest {max(report.latest, 0):.2f} s past its deadline; {books.requests} requests,"
        f" ${books.known} on both sides, {books.doubtful} in doubt (billed: {books.unclaimed});"
        f" memory {held[0]:.0f} to {held[-1]:.0f} MB"
    )
    return wrong, figures


def warm(server: Server) -> None:
    """What the first calls of a process import and compile is no part of what is measured."""
    drivers, report = Drivers(server), Report()
    for number in range(len(FACES) * len(DIALECTS)):
        for is_async in (False, True):
            models = (("ok", DIALECTS[number // len(FACES)]),)
            one = Case(case("warm", number), models, FACES[number % 3], is_async, 30.0, "auto")
            if is_async:
                asyncio.run(async_one(one, drivers, report))
            else:
                sync_one(one, drivers, report)
    drivers.close()
    assert report.outcomes["right"] == report.outcomes.total(), report.wrong


async def _gathered(cases: list[Case], drivers: Drivers, report: Report, ended: list[str]) -> None:
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: ended.append(
            f"the loop: {context.get('message')} {context.get('exception')!r}"
        )
    )
    gate = asyncio.Semaphore(TASKS)

    async def one(each: Case) -> None:
        async with gate:
            await async_one(each, drivers, report)

    before = len(asyncio.all_tasks())
    await asyncio.gather(*(one(each) for each in cases))
    for _ in range(100):
        if (more := len(asyncio.all_tasks()) - before) <= 0:
            break
        await asyncio.sleep(0.02)
    if more > 0:
        ended.append(f"{more} tasks are left")


Claim = Callable[..., tuple[list[str], str]]
