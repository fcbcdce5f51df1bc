"""Limits shared by processes, concurrency that finds a knee by itself, and hedged calls.

python -m chaos.rates URL SECONDS PER_MINUTE FILE RUN    one of the processes
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

from chaos.client import SCRIPTS, Books, Server, new_run
from chaos.documents import Order, case, document
from prompture import Limits, aextract, track
from prompture.errors import PromptureError
from prompture.wire.retry import Retry

ROOT = SCRIPTS.parent


class _There(Server):
    """A server that another process has started."""

    def __init__(self, url: str) -> None:
        self.url = url


async def _loop(driver: Any, run: str, tasks: int, seconds: float) -> dict[str, int]:
    """Call as fast as the driver lets us; the answers and the errors by their names."""
    found: dict[str, int] = {}
    end, number = time.monotonic() + seconds, iter(range(10**9))

    async def one() -> None:
        while (left := end - time.monotonic()) > 0:
            try:
                await aextract(
                    Order, document(case(run, next(number))), model=driver, deadline=left + 1
                )
                name = "answered"
            except PromptureError as exc:
                name = type(exc).__name__
            found[name] = found.get(name, 0) + 1

    await asyncio.gather(*(one() for _ in range(tasks)))
    await driver.close()
    return found


def shared(server: Server, seconds: float, per_minute: int, window: float) -> tuple[list[str], str]:
    """Two processes with one limit."""
    run, wrong = new_run(), []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SCRIPTS), str(ROOT)))}
    with tempfile.TemporaryDirectory() as folder:
        arguments = [server.url, str(seconds), str(per_minute), str(Path(folder) / "limits.db")]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "chaos.rates", *arguments, f"{run}{n}"], env=environment
            )
            for n in range(2)
        ]
        if any([p.wait() for p in processes]):
            wrong.append("a process failed")
    entries = [e["at"] for n in range(2) for e in server.ledger(f"{run}{n}")]
    entries.sort()
    if not entries:
        return ["nothing was sent"], ""
    each = [len(server.ledger(f"{run}{n}")) for n in range(2)]
    allowed = per_minute * window / 60
    begin, end = entries[0] + 5, entries[-1] - 1.5
    counts = []
    at = begin
    while at + window <= end:
        counts.append(sum(at <= t < at + window for t in entries))
        at += 0.25
    if not counts:
        return ["the run is too short"], ""
    share = [count / allowed for count in counts]
    if max(share) > 1.02:
        wrong.append(f"{max(share):.1%} of the limit in {window:g} s")
    if min(share) < 0.95:
        wrong.append(f"only {min(share):.1%} of the limit used in {window:g} s")
    figures = (
        f"two processes, {per_minute} requests a minute together, {seconds:g} s: in any {window:g} s"
        f" after the first 5 between {min(share):.1%} and {max(share):.1%} of the limit"
        f" ({each[0]} and {each[1]} requests)"
    )
    return wrong, figures


def knee(server: Server, seconds: float, places: int = 12) -> tuple[list[str], str]:
    """A server that answers so many at once, and refuses what its short queue cannot hold."""
    run = new_run()
    fault = f"knee.{places}.100.{places // 4}"
    driver = server.async_driver(
        fault, limits=Limits(concurrency="adaptive"), retry=Retry(), timeout=30
    )
    found = asyncio.run(_loop(driver, run, 64, seconds))
    entries = server.ledger(run)
    begin = min(e["at"] for e in entries) + seconds / 4
    last = max(e["at"] for e in entries)
    later = [e for e in entries if begin <= e["at"] <= last]
    refused = sum(e["status"] == 429 for e in later) / len(later)
    rate = sum(e["status"] == 200 and begin <= e["ended"] <= last for e in entries) / (last - begin)
    best = places / 0.1
    wrong = []
    if rate < 0.9 * best:
        wrong.append(f"{rate:.0f} answers a second of {best:.0f}")
    if refused >= 0.05:
        wrong.append(f"{refused:.1%} were refused")
    figures = (
        f"a knee at {places} calls at once ({best:.0f} a second), {seconds:g} s: {rate:.0f} answers a"
        f" second ({rate / best:.0%}), {refused:.1%} of the calls got 429; {found}"
    )
    return wrong, figures


def hedged(server: Server, count: int) -> tuple[list[str], str]:
    """Five answers of a hundred take 20 times as long."""

    async def times(driver: Any, run: str, charges: dict[str, Any]) -> list[float]:
        gate, took = asyncio.Semaphore(6), []

        async def one(number: int) -> None:
            name = case(run, number)
            async with gate:
                begun = time.monotonic()
                spent = track()
                charges[name] = spent.charges
                with spent:
                    await aextract(Order, document(name), model=driver)
                took.append(time.monotonic() - begun)

        await asyncio.gather(*map(one, range(count)))
        await driver.close()
        return took

    p99, calls, books, all_wrong = [], [], Books(), []
    for hedge in (None, 0.95):
        run, charges = new_run(), {}
        settings = {} if hedge is None else {"hedge": hedge}
        driver = server.async_driver("tail.5.30.20", timeout=30, **settings)
        took = asyncio.run(times(driver, run, charges))
        p99.append(quantiles(took, n=100)[98])
        ledger = server.ledger(run)
        calls.append(len(ledger))
        books.compare(ledger, charges)
    down, more = 1 - p99[1] / p99[0], calls[1] / calls[0] - 1
    if down < 0.8:
        all_wrong.append(f"p99 is down by {down:.0%} only")
    if more > 0.08:
        all_wrong.append(f"{more:.1%} more calls")
    figures = (
        f"{count} calls: p99 {p99[0] * 1000:.0f} ms without, {p99[1] * 1000:.0f} ms with hedge=0.95"
        f" (down by {down:.0%}) for {more:.1%} more calls; ${books.known} on both sides,"
        f" {books.doubtful} in doubt (billed: {books.unclaimed})"
    )
    return all_wrong + books.wrong, figures


if __name__ == "__main__":
    url, seconds, per_minute, file, run = sys.argv[1:]
    limits = Limits(requests_per_minute=float(per_minute), shared=file)
    there = _There(url)
    asyncio.run(_loop(there.async_driver("ok", limits=limits), run, 20, float(seconds)))
