"""Measures Prompture against floors and peers, on this machine, without a network.

    python scripts/bench.py                all of it, about 15 minutes
    python scripts/bench.py --quick        fewer rounds
    python scripts/bench.py --only calls,streaming

A floor is the same work done by hand over the bare HTTP client; every figure is also a ratio to
one measured in the same run, in interleaved rounds, and medians are given. Peers are measured
where they are installed (pip install "prompture[bench]"). Writes bench-results/latest.json, a plot
beside it where matplotlib is installed, and, with --docs, docs/bench.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import cases, report

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("imports", "cold", "calls", "streaming", "concurrency", "costs", "repeats")
SIZES = [1_000, 10_000, 100_000, 1_000_000]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by comma")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes")
    parser.add_argument("--out", type=Path, default=ROOT / "bench-results")
    parser.add_argument("--docs", action="store_true", help="write docs/bench.md")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    found = {"machine": machine(), **measured(wanted, quick=options.quick)}
    found["load_after"] = os.getloadavg()
    options.out.mkdir(exist_ok=True)
    latest = options.out / "latest.json"
    if latest.exists() and wanted != list(SECTIONS):
        found = {**json.loads(latest.read_text()), **json.loads(json.dumps(found))}
    latest.write_text(json.dumps(found, indent=1) + "\n")
    found = json.loads(latest.read_text())
    plotted = report.plot(found, options.out / "streaming.svg")
    print(f"\n{report.goals_text(found)}")
    print(f"\nwritten: {latest}" + (f", {plotted}" if plotted else ""))
    if options.docs:
        (ROOT / "docs" / "bench.md").write_text(report.page(found))
    return 0


def measured(wanted: list[str], *, quick: bool) -> dict[str, Any]:
    rounds = 3 if quick else 9
    run = {
        "imports": lambda: cases.imports(rounds),
        "cold": lambda: cases.cold(3 if quick else 7),
        "calls": lambda: cases.calls(rounds, 30 if quick else 100),
        "streaming": lambda: cases.streaming(2 if quick else 5, SIZES[:3] if quick else SIZES),
        "concurrency": lambda: cases.concurrency(1 if quick else 3, quick),
        "costs": cases.costs,
        "repeats": lambda: cases.repeats(2_000 if quick else 20_000),
    }
    return {name: run[name]() for name in SECTIONS if name in wanted}


def machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": os.getloadavg(),
        "versions": _versions(),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (
        "prompture",
        "pydantic",
        "requests",
        "httpx",
        "httpx2",
        "openai",
        "instructor",
        "pydantic-ai-slim",
        "litellm",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
