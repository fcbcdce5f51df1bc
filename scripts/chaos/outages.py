"""Providers that are down for a while: how many calls they get, and how soon all is as before."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chaos.client import Server, new_run
from chaos.documents import Order, case, document
from prompture import Cascade, aextract
from prompture.errors import PromptureError
from prompture.wire.retry import Retry

QUOTA = 100
"""Retries that a full ``RetryQuota`` pays for: 500 at 5 each."""
RECOVERY = 8.0
PROBE = 2.0


@dataclass(slots=True)
class Crowd:
    """Callers that call, wait, and call again, until they are told to stop."""

    model: Any
    run: str
    think: float
    began: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def calling(self, callers: int, stop: asyncio.Event) -> None:
        await asyncio.gather(*(self._caller(n, callers, stop) for n in range(callers)))

    async def _caller(self, number: int, callers: int, stop: asyncio.Event) -> None:
        await asyncio.sleep(self.think * number / callers)
        while not stop.is_set():
            name = case(self.run, len(self.began))
            self.began.append(time.monotonic())
            try:
                await aextract(Order, document(name), model=self.model, max_retries=0)
                self.answered.append(time.monotonic())
            except PromptureError:
                self.failed.append(time.monotonic())
            except Exception as exc:  # a proof looks at whatever ends a call
                self.wrong.append(repr(exc))
            await asyncio.sleep(self.think)


def _within(times: list[float], begin: float, end: float) -> int:
    return sum(begin <= t < end for t in times)


def storm(
    server: Server, down: float, callers: int = 200, *, before: float = 6.0, after: float = 12.0
) -> tuple[list[str], str]:
    """One provider, all of it down for so many seconds; the seconds before and after it."""
    name = new_run()
    server.gates(storm="slow.20")
    driver = server.async_driver("gate.storm", retry=Retry(), timeout=10)
    crowd = Crowd(driver, name, think=1.0)

    async def go() -> tuple[float, float]:
        stop = asyncio.Event()
        task = asyncio.create_task(crowd.calling(callers, stop))
        await asyncio.sleep(before)
        begin = time.monotonic()
        await asyncio.to_thread(server.gates, storm="status.503")
        await asyncio.sleep(down)
        await asyncio.to_thread(server.gates, storm="slow.20")
        end = time.monotonic()
        await asyncio.sleep(after)
        stop.set()
        await task
        await driver.close()
        return begin, end

    begin, end = asyncio.run(go())
    # The server's clock is this machine's monotonic one, too.
    sent = sum(begin <= e["at"] < end for e in server.ledger(name))
    first = _within(crowd.began, begin, end)
    usual = _within(crowd.answered, begin - before / 2, begin) / (before / 2)
    back = next(
        (s / 2 for s in range(40) if _within(crowd.answered, end + s / 2 - 1, end + s / 2) >= 0.9 * usual),
        99.0,
    )  # fmt: skip
    wrong = crowd.wrong
    if sent > 1.1 * first + QUOTA:
        wrong.append(f"{sent} calls sent for {first} first tries")
    if back > RECOVERY:
        wrong.append(f"the rate was back after {back:.1f} s")
    figures = (
        f"down for {down:g} s, {callers} callers: {sent} calls sent for {first} first tries"
        f" ({sent / max(first, 1):.2f} x; allowed 1.1 x + {QUOTA}); {usual:.0f} answers a second"
        f" before, 90 % of that again {back:.1f} s after the end"
    )
    return wrong, figures


def cascade(server: Server, whole: float, down: float, callers: int = 40) -> tuple[list[str], str]:
    """Two models; the first one's provider is down for a part of the time."""
    name = new_run()
    server.gates(first="slow.20")
    models = [server.async_driver("gate.first", retry=Retry()), server.async_driver("slow.20")]
    crowd = Crowd(Cascade(models), name, think=0.4)

    async def go() -> tuple[float, float]:
        stop = asyncio.Event()
        task = asyncio.create_task(crowd.calling(callers, stop))
        await asyncio.sleep((whole - down) / 2)
        begin = time.monotonic()
        await asyncio.to_thread(server.gates, first="status.503")
        await asyncio.sleep(down)
        await asyncio.to_thread(server.gates, first="slow.20")
        end = time.monotonic()
        await asyncio.sleep((whole - down) / 2)
        stop.set()
        await task
        for driver in models:
            await driver.close()
        return begin, end

    begin, end = asyncio.run(go())
    ledger = [e for e in server.ledger(name) if e["model"] == "chaos-gate.first"]
    dead = sorted(e["at"] for e in ledger if e["status"] == 503)
    # Those that were under way when it opened are let go.
    opened = begin + 1.5
    probes = [at for at in dead if opened <= at < end]
    gaps = [b - a for a, b in pairwise(probes)]
    good = len(crowd.answered) / max(1, len(crowd.began))
    again = next((e["at"] - end for e in ledger if e["at"] > end and e["status"] == 200), 99.0)
    wrong = crowd.wrong
    if good < 0.95:
        wrong.append(f"goodput {good:.1%}")
    if gaps and min(gaps) < PROBE * 0.95:
        wrong.append(f"two probes within {min(gaps):.2f} s")
    if len(probes) > (end - opened) / PROBE + 1:
        wrong.append(f"{len(probes)} calls to the dead one in {end - opened:.0f} s")
    if again > RECOVERY:
        wrong.append(f"the first model was asked again after {again:.1f} s")
    figures = (
        f"down for {down:g} of {whole:g} s: {good:.2%} of {len(crowd.began)} extractions answered;"
        f" {len(dead)} calls to the dead one, {len(probes)} of them while its breaker was open"
        f" (shortest gap {min(gaps, default=0):.2f} s); asked again {again:.1f} s after its end"
    )
    return wrong, figures
