"""Measures one client in a process of its own; asked over stdin and stdout in lines of JSON."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.clients import CLIENTS, Client
from bench.documents import DOCUMENT, check, items_of

ANSWERS = os.fdopen(os.dup(1), "w")
KINDS = ("call", "acall", "final", "afinal", "partial", "apartial", "values", "items", "aitems")


class Worker:
    def __init__(self, name: str, port: int) -> None:
        self.kind = CLIENTS[name]
        self.port = port
        self.clients: dict[tuple[str, bool], Client] = {}
        self.runner = asyncio.Runner()
        self.client()

    def client(self, scenario: str = "doc=invoice", *, asynchronous: bool = False) -> Any:
        key = (scenario, asynchronous)
        if key not in self.clients:
            made = self.clients[key] = self.kind(f"http://127.0.0.1:{self.port}/{scenario}")
            if asynchronous:
                self.runner.run(made.aopen())
        return self.clients[key]

    def can(self) -> list[str]:
        return [name for name in KINDS if hasattr(self.kind, name)]

    def calls(self, n: int) -> dict[str, float]:
        client = self.client()
        started = time.process_time()
        for _ in range(n):
            found = client.call(DOCUMENT)
        spent = time.process_time() - started
        check(found)
        return {"us": spent / n * 1e6}

    def acalls(self, n: int) -> dict[str, float]:
        client = self.client(asynchronous=True)

        async def ask() -> Any:
            for _ in range(n):
                found = await client.acall(DOCUMENT)
            return found

        started = time.process_time()
        found = self.runner.run(ask())
        spent = time.process_time() - started
        check(found)
        return {"us": spent / n * 1e6}

    def conc(self, n: int, c: int, latency: int) -> dict[str, float]:
        """``n`` extractions, at most ``c`` at once."""
        client = self.client(f"doc=invoice,latency={latency}", asynchronous=True)

        async def ask(total: int) -> None:
            left = iter(range(total))

            async def work() -> None:
                for number in left:
                    check(await client.acall(f"{number}\n{DOCUMENT}"))

            await asyncio.gather(*(work() for _ in range(min(c, total))))

        self.runner.run(ask(1))
        return self._timed(n, lambda: self.runner.run(ask(n)))

    def memory(self, n: int) -> dict[str, float]:
        """How much the process grows from the first tenth of ``n`` calls to the last."""
        client = self.client()
        sizes = []
        for number in range(n):
            client.call(DOCUMENT)
            if number in (n // 10, n - 1):
                gc.collect()
                sizes.append(_resident())
        return {"grown_mb": sizes[1] - sizes[0]}

    def schemas(self, n: int) -> dict[str, float]:
        """JSON Schemas that Pydantic makes in each of ``n`` repeated calls."""
        from pydantic.json_schema import GenerateJsonSchema

        client = self.client()
        client.call(DOCUMENT)
        made, real = 0, GenerateJsonSchema.generate

        def counted(*args: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            return real(*args, **options)

        GenerateJsonSchema.generate = counted  # type: ignore[method-assign]
        try:
            for _ in range(n):
                client.call(DOCUMENT)
        finally:
            GenerateJsonSchema.generate = real  # type: ignore[method-assign]
        return {"per_call": made / n}

    def threads(self, n: int, c: int, latency: int) -> dict[str, float]:
        client = self.client(f"doc=invoice,latency={latency}")
        client.call(DOCUMENT)

        def ask() -> None:
            with ThreadPoolExecutor(c) as pool:
                for found in pool.map(client.call, [f"{i}\n{DOCUMENT}" for i in range(n)]):
                    check(found)

        return self._timed(n, ask)

    def _timed(self, n: int, ask: Any) -> dict[str, float]:
        gc.collect()
        before = _resident()
        cpu, wall = time.process_time(), time.perf_counter()
        ask()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        return {"per_second": n / wall, "us": cpu / n * 1e6, "grown_mb": peak - before}

    def stream(self, kind: str, chars: int) -> dict[str, float]:
        """One answer of ``chars`` characters, in deltas of eight."""
        count = items_of(chars)
        key = self.kind.key if "items" in kind else "items"
        scenario = f"doc=list,items={count},chars=8,key={key}"
        if kind in ("apartial", "aitems", "afinal"):
            client = self.client(scenario, asynchronous=True)
            started = time.process_time()
            last, handed = self.runner.run(_alast(getattr(client, kind)("list all")))
        else:
            client = self.client(scenario)
            started = time.process_time()
            last, handed = _last(getattr(client, kind)("list all"))
        spent = time.process_time() - started
        found = handed if "items" in kind else len(_items(last))
        assert found == count, (found, count)
        return {"s": spent, "handed": handed}


def _last(given: Any) -> tuple[Any, int]:
    if not hasattr(given, "__next__"):
        return given, 1
    last, count = None, 0
    for each in given:
        last, count = each, count + 1
    return last, count


async def _alast(given: Any) -> tuple[Any, int]:
    if not hasattr(given, "__anext__"):
        return await given, 1
    last, count = None, 0
    async for each in given:
        last, count = each, count + 1
    return last, count


def _items(listing: Any) -> Any:
    return listing["items"] if isinstance(listing, dict) else listing.items


def _resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _reply(answer: Any) -> None:
    ANSWERS.write(json.dumps(answer) + "\n")
    ANSWERS.flush()


def main() -> None:
    warnings.simplefilter("ignore")
    os.dup2(2, 1)  # what a library prints goes to stderr
    try:
        worker = Worker(sys.argv[1], int(sys.argv[2]))
    except ImportError as error:
        _reply({"missing": str(error)})
        return
    _reply({"can": worker.can()})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            _reply(getattr(worker, asked.pop("op"))(**asked))
        except Exception as error:
            traceback.print_exc()
            _reply({"error": f"{type(error).__name__}: {error}"[:300]})


if __name__ == "__main__":
    main()
