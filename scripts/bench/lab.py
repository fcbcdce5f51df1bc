"""The stub and the workers as processes; rounds, medians, tables."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Self

SCRIPTS = Path(__file__).resolve().parents[1]
ENV = {
    **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
    "PYTHONPATH": str(SCRIPTS),
    "PROMPTURE_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


class Stub:
    def __enter__(self) -> Self:
        python = os.environ.get("BENCH_STUB_PYTHON") or sys.executable
        command = [python, "-m", "bench.stub"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENV)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.terminate()
        self.process.communicate()

    def connections(self) -> int:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/stats") as answer:
            return int(json.load(answer)["connections"])


class Worker:
    """A client in its process. ``can`` is empty where its package is not installed."""

    def __init__(self, name: str, stub: Stub) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", name, str(stub.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=ENV,
        )
        self.can: list[str] = self._line().get("can", [])

    def ask(self, op: str, **options: Any) -> dict[str, Any]:
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps({"op": op, **options}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": "the worker has died"}
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {"error": "the worker has died"}
        return found

    def close(self) -> None:
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


Rounds = dict[str, list[dict[str, Any]]]


def in_turn(workers: Iterable[Worker], rounds: int, op: str, **options: Any) -> Rounds:
    """Ask each worker in each round, in shuffled order, so that noise hits all alike."""
    active = list(workers)
    found: Rounds = {worker.name: [] for worker in active}
    for number in range(rounds + 1):
        random.shuffle(active)
        for worker in list(active):
            answer = worker.ask(op, **options)
            if "error" in answer:
                print(f"  {worker.name}: {op}: {answer['error']}", file=sys.stderr)
                active.remove(worker)
                found.pop(worker.name)
            elif number:  # the first round warms up
                found[worker.name].append(answer)
    return found


def ratio(found: Rounds, name: str, floor: str, field: str) -> float | None:
    """The median over the rounds of the ratio within each."""
    if not found.get(name) or not found.get(floor):
        return None
    pairs = zip(found[name], found[floor], strict=True)
    return median(a[field] / b[field] for a, b in pairs)


def middle(found: Rounds, name: str, field: str) -> float:
    return median(each[field] for each in found[name])


def cpu_ms(command: list[str]) -> float:
    """CPU milliseconds, user and system, of a whole process."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENV
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, command
    return (used.ru_utime + used.ru_stime) * 1e3


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}")
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())
