"""What is measured. Each case prints its table and returns figures by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from math import log
from statistics import median
from typing import Any

from bench.clients import CLIENTS, PEERS
from bench.lab import ENV, Rounds, Stub, Worker, cpu_ms, in_turn, middle, ratio, table

Figures = dict[str, Any]
OURS = "prompture"


def imports(rounds: int) -> Figures:
    """CPU of fresh processes; the bare interpreter is subtracted."""
    cases = {
        "python": "pass",
        "pydantic": "from pydantic import BaseModel",
        "requests, pydantic": "import requests, pydantic",
        "prompture": "import prompture",
        "pydantic, prompture": "from pydantic import BaseModel; import prompture",
        "prompture, extract": "from prompture import extract",
        "prompture, extract and a driver": (
            "from prompture import extract, OpenAIDriver; OpenAIDriver(api_key='k')"
        ),
        "openai": "import openai",
        "instructor": "import instructor; instructor.from_openai",
        "pydantic-ai": "import pydantic_ai",
        "litellm": "import litellm",
    }
    installed = {k: v for k, v in cases.items() if k not in PEERS or _has(k)}
    commands = {k: [sys.executable, "-c", v] for k, v in installed.items()}
    commands["prompture --help"] = [sys.executable, "-m", "prompture", "--help"]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(cpu_ms(command))
    bare = median(times["python"])
    found = {name: median(taken) - bare for name, taken in times.items() if name != "python"}
    found["prompture --help"] = median(times["prompture --help"])
    over = [a - b for a, b in zip(times["pydantic, prompture"], times["pydantic"], strict=True)]
    dists, size = installed_size("prompture")
    figures: Figures = {"ms": found, "over_pydantic_ms": median(over)}
    figures |= {"distributions": dists, "mb": size}
    rows = [[name, f"{ms:.0f}"] for name, ms in found.items()]
    table("Import: CPU ms over the bare interpreter (--help: the whole process)", ["", "ms"], rows)
    print(f"  the core with its CLI: {dists} distributions, {size:.1f} MB installed")
    return figures


def installed_size(name: str) -> tuple[int, float]:
    """Distributions that a package needs without extras, itself included, and their megabytes
    of files (without compiled bytecode)."""
    todo, seen, total = [name], set(), 0
    while todo:
        key = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if key in seen:
            continue
        try:
            found = distribution(key)
        except PackageNotFoundError:
            continue
        seen.add(key)
        for wanted in found.requires or ():
            requirement, _, marker = wanted.partition(";")
            if "extra" not in marker and _applies(marker):
                todo.append(re.split(r"[\s\[<>=!~(]", requirement.strip(), maxsplit=1)[0])
        files = found.files or () if key != "prompture" else _own_files()
        for file in files:
            path = str(found.locate_file(file)) if key != "prompture" else str(file)
            if "__pycache__" not in path and os.path.isfile(path):
                total += os.path.getsize(path)
    return len(seen), total / 1e6


def _own_files() -> list[str]:
    """This package's files where it is installed in place, which has no list of them."""
    import prompture

    root = os.path.dirname(prompture.__file__)
    return [os.path.join(at, name) for at, _, names in os.walk(root) for name in names]


def _applies(marker: str) -> bool:
    """Whether an environment marker holds, as far as a glance tells."""
    marker = marker.strip().replace("'", '"')
    if not marker:
        return True
    found = re.fullmatch(r'python_(?:full_)?version\s*(<|>=)\s*"3\.(\d+)(?:\.\d+)?"', marker)
    if found:
        newer = sys.version_info[1] >= int(found[2])
        return newer if found[1] == ">=" else not newer
    return not (
        "win32" in marker or "Windows" in marker or "PyPy" in marker or "emscripten" in marker
    )


def _has(name: str) -> bool:
    try:
        distribution({"pydantic-ai": "pydantic-ai-slim"}.get(name, name))
    except PackageNotFoundError:
        return False
    return True


def cold(rounds: int) -> Figures:
    """A fresh process up to its first extraction."""
    code = (
        "import sys; from bench.clients import CLIENTS; from bench.documents import DOCUMENT, check;"
        "client = CLIENTS[sys.argv[1]](f'http://127.0.0.1:{sys.argv[2]}/doc=invoice');"
        "check(client.call(DOCUMENT))"
    )
    names = [
        "requests",
        OURS,
        *(name for name in ("openai", "instructor", "litellm") if _has(name)),
    ]
    times: dict[str, list[float]] = {name: [] for name in names}
    with Stub() as stub:
        for _ in range(rounds):
            for name in names:
                times[name].append(cpu_ms([sys.executable, "-c", code, name, str(stub.port)]))
    found = {name: median(taken) for name, taken in times.items()}
    rows = [[n, f"{ms:.0f}", f"{ms / found['requests']:.2f}"] for n, ms in found.items()]
    table("Cold start: CPU ms of a process with one extraction", ["", "ms", "x requests"], rows)
    return {"ms": found}


def calls(rounds: int, n: int) -> Figures:
    """CPU of one extraction, in both colours."""
    figures: Figures = {}
    for op, floor, what in (("calls", "requests", "sync"), ("acalls", "httpx", "async")):
        with Stub() as stub:
            workers = [w for w in _workers(stub) if op[:-1] in w.can]
            found = in_turn(workers, rounds, op, n=n)
            for worker in workers:
                worker.close()
        figures[what] = _compared(found, floor, "us")
        rows = [
            [name, f"{each['value']:.0f}", f"{each['ratio']:.2f}"]
            for name, each in sorted(figures[what].items(), key=lambda pair: pair[1]["value"])
        ]
        head = ["", "us", f"x {floor}"]
        table(f"One extraction, {what}: CPU microseconds, no latency", head, rows)
    return figures


def _workers(stub: Stub) -> list[Worker]:
    found = [Worker(name, stub) for name in CLIENTS]
    for worker in found:
        if not worker.can:
            worker.close()
    return [worker for worker in found if worker.can]


def _compared(found: Rounds, floor: str, field: str) -> Figures:
    return {
        name: {"value": middle(found, name, field), "ratio": ratio(found, name, floor, field)}
        for name in found
        if found[name]
    }


def concurrency(rounds: int, quick: bool) -> Figures:
    """Throughput against a server that takes 50 ms."""
    figures: Figures = {}
    cases = [("conc", 1, 40), ("conc", 10, 400), ("conc", 100, 2000), ("conc", 1000, 4000)]
    cases += [("threads", 32, 1000)]
    names = {
        "conc": ("httpx2 in 10 pools", "httpx2", OURS, "openai", "instructor", "pydantic-ai"),
        "threads": ("requests", OURS, "openai", "instructor"),
    }
    for op, c, n in cases:
        n = n // 4 if quick else n
        found: Rounds = {}
        for _ in range(rounds):
            for name in names[op]:
                answer = _measured(name, op, c, n)
                if answer:
                    found.setdefault(name, []).append(answer)
        floor = names[op][0]
        label = f"{op} {c}"
        figures[label] = {
            name: {k: median(a[k] for a in answers) for k in answers[0]}
            | {"ratio": ratio(found, name, floor, "per_second")}
            for name, answers in found.items()
        }
        rows = [
            [
                name,
                f"{each['per_second']:.0f}",
                f"{each['ratio']:.2f}",
                f"{each['us']:.0f}",
                f"{each['grown_mb']:+.0f}",
                f"{each['connections']:.0f}",
            ]
            for name, each in figures[label].items()
        ]
        what = "tasks" if op == "conc" else "threads"
        head = ["", "docs/s", f"x {floor}", "CPU us", "grown MB", "connections"]
        table(f"{n} extractions by {c} {what}, 50 ms latency", head, rows)
    return figures


def _measured(name: str, op: str, c: int, n: int) -> dict[str, float] | None:
    """In a fresh process, so that its memory is its own."""
    if name in PEERS and not _has(name):
        return None
    with Stub() as stub, Worker(name, stub) as worker:
        if ("acall" if op == "conc" else "call") not in worker.can:
            return None
        before = stub.connections()
        answer = worker.ask(op, n=n, c=c, latency=50)
        if "error" in answer:
            print(f"  {name}: {op}: {answer['error']}", file=sys.stderr)
            return None
        # The look at the count is a connection, too.
        return {**answer, "connections": stub.connections() - before - 1}


STREAMS = (
    ("requests", "final", "requests"),
    ("prompture", "items", "requests"),
    ("prompture", "partial", "requests"),
    ("prompture", "values", "requests"),
    ("httpx2", "afinal", "httpx2"),
    ("prompture", "aitems", "httpx2"),
    ("prompture", "apartial", "httpx2"),
    ("openai", "partial", "requests"),
    ("instructor", "items", "requests"),
    ("instructor", "apartial", "httpx2"),
    ("pydantic-ai", "apartial", "httpx2"),
)
PEER_CHARS = 50_000
"""Peers take minutes beyond this."""


def streaming(rounds: int, sizes: list[int]) -> Figures:
    """CPU of an answer in deltas of eight characters."""
    taken: dict[str, dict[int, list[float]]] = {}
    for size in sizes:
        with Stub() as stub:
            workers = {w.name: w for w in _workers(stub)}
            _stream_rounds(workers, size, rounds, taken)
            for worker in workers.values():
                worker.close()
    figures: Figures = {}
    for name, kind, floor in STREAMS:
        by_size = taken.get(f"{name} {kind}", {})
        floors = taken["requests final" if floor == "requests" else "httpx2 afinal"]
        if not by_size:
            continue
        ratios = {
            size: median(a / b for a, b in zip(times, floors[size], strict=True))
            for size, times in by_size.items()
        }
        middles = {size: median(times) for size, times in by_size.items()}
        figures[f"{name} {kind}"] = {
            "seconds": middles,
            "ratio": ratios,
            "floor": floor,
            "exponent": exponent(middles),
        }
    _stream_table(figures, sizes)
    return figures


def _stream_rounds(
    workers: dict[str, Worker], size: int, rounds: int, taken: dict[str, dict[int, list[float]]]
) -> None:
    for number in range(rounds + 1):
        for name, kind, _ in STREAMS:
            worker = workers.get(name)
            if worker is None or kind not in worker.can or (name in PEERS and size > PEER_CHARS):
                continue
            answer = worker.ask("stream", kind=kind, chars=size)
            if "error" in answer:
                print(f"  {name} {kind}: {answer['error']}", file=sys.stderr)
            elif number:
                taken.setdefault(f"{name} {kind}", {}).setdefault(size, []).append(answer["s"])


def exponent(seconds: dict[int, float]) -> float | None:
    """How the time grows with the size, between the smallest of at least 10 KB and the largest."""
    sizes = sorted(size for size in seconds if size >= 10_000)
    if len(sizes) < 2:
        return None
    first, last = sizes[0], sizes[-1]
    return log(seconds[last] / seconds[first]) / log(last / first)


def _stream_table(figures: Figures, sizes: list[int]) -> None:
    head = ["", *(f"{size:,}" for size in sizes), *(f"x at {size:,}" for size in sizes), "exponent"]
    rows = []
    for name, each in figures.items():
        seconds = [
            f"{each['seconds'][s] * 1e3:.1f}" if s in each["seconds"] else "-" for s in sizes
        ]
        ratios = [f"{each['ratio'][s]:.2f}" if s in each["ratio"] else "-" for s in sizes]
        grows = f"{each['exponent']:.2f}" if each["exponent"] is not None else "-"
        rows.append([name, *seconds, *ratios, grows])
    table(
        "Streaming in deltas of 8 characters: CPU ms, and x the same transport's floor", head, rows
    )


COSTS = {
    "dict and Decimal": (
        "from decimal import Decimal as D\n"
        "P = {'gpt-4o-mini': (D('0.15e-6'), D('0.60e-6'))}\n"
        "def f():\n    a, b = P['gpt-4o-mini']\n    return 412 * a + 187 * b\n"
    ),
    "prompture": (
        "from prompture import OpenAIDriver, Usage\n"
        "d = OpenAIDriver('gpt-4o-mini', api_key='k')\n"
        "u = Usage(input_tokens=412, output_tokens=187, requests=1, reported=True)\n"
        "def f(): return d.price(u).usd\n"
    ),
    "genai-prices": (
        "from genai_prices import Usage, calc_price\n"
        "u = Usage(input_tokens=412, output_tokens=187)\n"
        "def f(): return calc_price(u, model_ref='gpt-4o-mini', provider_id='openai').total_price\n"
    ),
    "litellm": (
        "import litellm\n"
        "def f(): return sum(litellm.cost_per_token(model='gpt-4o-mini', prompt_tokens=412,"
        " completion_tokens=187))\n"
    ),
}
_TIMED = (
    "import time\nvalue = f()\nbest = 9e9\n"
    "for _ in range(7):\n    t = time.process_time()\n    for _ in range(2000): f()\n"
    "    best = min(best, (time.process_time() - t) / 2000 * 1e6)\nprint(best, float(value))\n"
)


def costs() -> Figures:
    """Microseconds to price one call of 412 and 187 tokens."""
    found: Figures = {}
    for name, code in COSTS.items():
        if name in ("genai-prices", "litellm") and not _has(name):
            continue
        command = [sys.executable, "-c", code + _TIMED]
        done = subprocess.run(command, capture_output=True, text=True, env=ENV, check=False)
        if done.returncode:
            print(f"  {name}: {done.stderr.strip()[-200:]}", file=sys.stderr)
            continue
        us, value = done.stdout.split()[-2:]
        found[name] = {"us": float(us), "usd": float(value)}
    rows = [[name, f"{each['us']:.2f}", f"{each['usd']:.8f}"] for name, each in found.items()]
    table("Pricing one call: CPU microseconds, best of 7", ["", "us", "USD"], rows)
    return found


def repeats(n: int) -> Figures:
    """What must not happen on repeated calls: schema generation, and growth."""
    with Stub() as stub, Worker(OURS, stub) as worker:
        schemas = worker.ask("schemas", n=50)["per_call"]
        grown = worker.ask("memory", n=n)["grown_mb"]
    print(
        f"\nRepeated calls: {schemas:g} schema generations a call; {grown:+.1f} MB over {n} calls"
    )
    return {"schemas_per_call": schemas, "grown_mb": grown, "calls": n}
