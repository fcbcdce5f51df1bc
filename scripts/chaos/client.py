"""The server as a process, drivers for it, and what is checked after each proof."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from chaos import dialects
from prompture import async_driver_for, driver_for
from prompture.money import Bill, Charge
from prompture.wire.retry import Retry

SCRIPTS = Path(__file__).resolve().parents[1]
DIALECTS = ("openai", "claude", "google")
PATHS = {"openai": "/v1", "claude": "", "google": "/v1beta"}
KEY = "chaos-key-0123456789abcdef"
QUICK = Retry(attempts=3, base=0.01, cap=0.05, patience=1.0)
"""Retries as usual, but for their waits."""


class Server:
    """The fault server, in a process of its own."""

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chaos.server"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout
        port, refusing = self.process.stdout.readline().split()
        self.url, self.refusing = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{refusing}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.terminate()
        self.process.communicate()

    def control(self, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with self._opener.open(f"{self.url}/control/{what}", data, timeout=30) as answer:
            return json.load(answer)

    def ledger(self, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control(f"ledger?run={run}")
        return found

    def gates(self, **faults: str) -> None:
        self.control("gates", faults)

    def settled(self, seconds: float = 10.0) -> dict[str, int]:
        """Its counts, as soon as no client's connection is open any more."""
        end = time.monotonic() + seconds
        while (found := self.control("stats"))["open"] and time.monotonic() < end:
            time.sleep(0.02)
        counts: dict[str, int] = found
        return counts

    def driver(self, fault: str, dialect: str = "openai", **settings: Any) -> Any:
        return driver_for(f"{dialect}/chaos-{fault}", **self._settings(fault, dialect, settings))

    def async_driver(self, fault: str, dialect: str = "openai", **settings: Any) -> Any:
        return async_driver_for(
            f"{dialect}/chaos-{fault}", **self._settings(fault, dialect, settings)
        )

    def _settings(self, fault: str, dialect: str, settings: dict[str, Any]) -> dict[str, Any]:
        # A path of its own: what this process learns of one fault's endpoint (its breaker, its
        # quota of retries) is not about another's.
        url = f"{settings.pop('url', self.url)}/{fault.replace('.', '-')}{PATHS[dialect]}"
        return {"api_key": KEY, "base_url": url, "retry": QUICK, "timeout": 5.0, **settings}


def new_run() -> str:
    return f"{random.SystemRandom().randrange(36**6):x}"


# The bill.


def rates() -> dict[str, tuple[Decimal, Decimal]]:
    """Dollars per token, in and out, of the models that the answers name."""
    from prompture import catalog

    found = {}
    for dialect, model in dialects.ANSWERS_AS.items():
        provider = {"claude": "anthropic"}.get(dialect, dialect)
        entry = catalog.find(provider, model)
        assert entry and entry.rates, model
        found[dialect] = (entry.rates.input / 1_000_000, entry.rates.output / 1_000_000)
    return found


@dataclass(slots=True)
class Books:
    """Holds bills against the server's ledger. ``wrong`` says what does not agree."""

    wrong: list[str] = field(default_factory=list)
    known: Decimal = Decimal(0)
    served: Decimal = Decimal(0)
    """Dollars that the server billed for what stands on the bills with a price."""
    doubtful: int = 0
    """Calls whose price the client says that it cannot know."""
    unclaimed: int = 0
    """Of these, calls that the server billed."""
    requests: int = 0

    def compare(self, ledger: Iterable[dict[str, Any]], charges: dict[str, list[Charge]]) -> None:
        """``charges`` are those of each document."""
        prices = rates()
        entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in ledger:
            entries[entry["case"]].append(entry)
        for case in entries.keys() | charges.keys():
            self._compare(case, entries[case], charges.get(case, []), prices)

    def _compare(
        self, case: str, entries: list[dict[str, Any]], charges: list[Charge],
        prices: dict[str, tuple[Decimal, Decimal]],
    ) -> None:  # fmt: skip
        billed = {e["billed"][0]: e for e in entries if e["billed"]}
        free = sum(1 for e in entries if not e["billed"])
        self.requests += len(entries)
        zeros = doubtful = 0
        # A try that reached nobody is a line of 0, of which the server knows nothing.
        charges = [c for c in charges if not c.cost.reason.endswith("nothing was sent")]
        for charge in charges:
            usd = charge.cost.usd
            if usd is None:
                doubtful += 1
            elif not usd:
                zeros += 1
            elif (entry := billed.pop(charge.usage.input_tokens, None)) is None:
                self._note(
                    case, f"a charge of ${usd} that the server did not bill", entries, charges
                )
            else:
                taken, given = entry["billed"]
                rate_in, rate_out = prices[entry["dialect"]]
                due = taken * rate_in + given * rate_out
                self.known, self.served = self.known + usd, self.served + due
                if usd != due:
                    self._note(
                        case, f"${usd} on the bill, ${due} on the server's", entries, charges
                    )
        self.doubtful += doubtful
        self.unclaimed += len(billed)
        if zeros > free:
            self._note(case, f"{zeros} calls billed as free, {free} were", entries, charges)
        if len(billed) > doubtful:
            words = f"{len(billed)} calls are on no bill, {doubtful} are in doubt"
            self._note(case, words, entries, charges)
        if len(charges) < len(entries):
            self._note(case, f"{len(entries)} requests, {len(charges)} charges", entries, charges)

    def _note(
        self, case: str, what: str, entries: list[dict[str, Any]], charges: list[Charge]
    ) -> None:
        served = [(e["fault"], e["dialect"], e["status"], e["billed"]) for e in entries]
        claimed = [
            (c.status, c.note, str(c.cost.usd), c.cost.reason[:60], c.usage.input_tokens)
            for c in charges
        ]
        self.wrong.append(f"{case}: {what}; server: {served}; bill: {claimed}")


def bill_of(found: object) -> list[Charge]:
    """The charges of a result or an error."""
    bill = getattr(found, "bill", None) or getattr(found, "cost", None)
    return list(bill.charges) if isinstance(bill, Bill) else []


# What must not be left behind.


def memory() -> float:
    """Megabytes that the process holds now."""
    gc.collect()
    # glibc keeps what was freed, by thread: a few answers of 64 MB would look like a leak.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def sockets() -> int:
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue
    return found


@dataclass(slots=True)
class Left:
    """Threads, sockets and complaints (unraisable exceptions, warnings) that a block leaves."""

    threads: list[str] = field(default_factory=list)
    sockets: int = 0
    complaints: Counter[str] = field(default_factory=Counter)

    def faults(self) -> list[str]:
        found = [f"the thread {name} is left" for name in self.threads]
        if self.sockets > 0:
            found.append(f"{self.sockets} sockets are left open")
        return found + [f"{count} x {what}" for what, count in self.complaints.most_common(5)]


@contextmanager
def leaving_nothing() -> Iterator[Left]:
    """Notes what the block leaves behind in this process."""
    import warnings

    found = Left()
    gc.collect()
    before, had = {t.ident for t in threading.enumerate()}, sockets()
    hook, shown = sys.unraisablehook, warnings.showwarning

    def unraisable(what: Any) -> None:
        # Python itself drops an interrupt that falls into a callback of its own weak dictionaries
        # (asyncio's loop has one); the next Ctrl-C is heard.
        where = getattr(what.object, "__module__", "")
        if isinstance(what.exc_value, KeyboardInterrupt) and where in ("weakref", "_weakrefset"):
            return
        found.complaints[f"unraisable {what.exc_value!r} in {what.object!r}"[:300]] += 1

    def warned(message: Any, category: Any, *rest: Any, **more: Any) -> None:
        found.complaints[f"{category.__name__}: {message}"[:300]] += 1

    sys.unraisablehook, warnings.showwarning = unraisable, warned
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", ResourceWarning)
            warnings.simplefilter("always", RuntimeWarning)
            warnings.showwarning = warned
            yield found
            gc.collect()
    finally:
        sys.unraisablehook, warnings.showwarning = hook, shown
    end = time.monotonic() + 5
    while time.monotonic() < end:
        found.threads = [t.name for t in threading.enumerate() if t.ident not in before]
        found.sockets = sockets() - had
        if not found.threads and found.sockets <= 0:
            break
        time.sleep(0.02)
