"""What the figures mean: the goals, the page for the docs, the plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Found = dict[str, Any]
Goal = tuple[str, Callable[[Found], float | None], str, float]
OURS = "prompture"


def _stream(kind: str) -> Callable[[Found], float | None]:
    """The worst ratio over the sizes from 10 KB to 1 MB."""

    def worst(found: Found) -> float | None:
        ratios = found["streaming"][f"{OURS} {kind}"]["ratio"]
        return max((r for size, r in ratios.items() if int(size) >= 10_000), default=None)

    return worst


def _exponent(found: Found) -> float | None:
    ours = [each for name, each in found["streaming"].items() if name.startswith(OURS)]
    return max((each["exponent"] for each in ours if each["exponent"] is not None), default=None)


GOALS: tuple[Goal, ...] = (
    ("import, CPU ms over pydantic", lambda f: f["imports"]["over_pydantic_ms"], "<=", 25),
    ("prompture --help, CPU ms", lambda f: f["imports"]["ms"]["prompture --help"], "<=", 150),
    ("distributions of the core with its CLI", lambda f: f["imports"]["distributions"], "<=", 32),
    ("MB installed of the core with its CLI", lambda f: f["imports"]["mb"], "<=", 32),
    ("one extraction, sync, x requests", lambda f: f["calls"]["sync"][OURS]["ratio"], "<=", 0.8),
    ("one extraction, async, x httpx", lambda f: f["calls"]["async"][OURS]["ratio"], "<=", 0.75),
    ("items, sync, x floor", _stream("items"), "<=", 1.3),
    ("items, async, x floor", _stream("aitems"), "<=", 1.3),
    ("a snapshot at every delta, sync, x floor", _stream("partial"), "<=", 2.5),
    ("a snapshot at every delta, async, x floor", _stream("apartial"), "<=", 2.5),
    ("growth of streams, exponent from 10 KB on", _exponent, "<=", 1.1),
    (
        "100 tasks, x httpx2 in 10 pools",
        lambda f: f["concurrency"]["conc 100"][OURS]["ratio"],
        ">=",
        0.85,
    ),
    (
        "connections of 100 tasks",
        lambda f: f["concurrency"]["conc 100"][OURS]["connections"],
        "<=",
        100,
    ),
    ("MB grown by 100 tasks", lambda f: f["concurrency"]["conc 100"][OURS]["grown_mb"], "<=", 15),
    (
        "1000 tasks, x 100 tasks",
        lambda f: (
            f["concurrency"]["conc 1000"][OURS]["per_second"]
            / f["concurrency"]["conc 100"][OURS]["per_second"]
        ),
        ">=",
        0.5,
    ),
    ("32 threads, x requests", lambda f: f["concurrency"]["threads 32"][OURS]["ratio"], ">=", 0.9),
    ("pricing one call, microseconds", lambda f: f["costs"][OURS]["us"], "<=", 5),
    ("schema generations a repeated call", lambda f: f["repeats"]["schemas_per_call"], "<=", 0),
    ("MB grown over repeated calls", lambda f: f["repeats"]["grown_mb"], "<=", 2),
)


def goals(found: Found) -> Iterator[tuple[str, float, str, bool]]:
    """Name, figure, goal, and whether it is met, for each goal that was measured."""
    for name, figure, sign, limit in GOALS:
        try:
            value = figure(found)
        except KeyError:
            continue
        if value is not None:
            met = value <= limit if sign == "<=" else value >= limit
            yield name, value, f"{sign} {limit:g}", met


def goals_text(found: Found) -> str:
    lines = ["Goals"]
    for name, value, goal, met in goals(found):
        lines.append(f"  {name:<45} {value:>8.2f}  {goal:>8}  {'met' if met else 'NOT MET'}")
    return "\n".join(lines)


def page(found: Found) -> str:
    """docs/bench.md."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    load = ", ".join(f"{each:.1f}" for each in machine["load"])
    unmet = [name for name, _, _, met in goals(found) if not met]
    said = f"Not met: {'; '.join(unmet)}." if unmet else "All goals were met in this run."
    lines = [
        "# How fast it is",
        "",
        "Written by `make bench` (`scripts/bench.py --docs`), which you can run yourself: it needs",
        "no network. Every client asks a stub server on the same machine; CPU is the client's own,",
        "user and system. A *floor* is the same work done by hand over the bare HTTP client, measured",
        "in the same rounds; figures are medians.",
        "",
        f"Measured on {machine['date']}: {machine['cpu']}, {machine['cores']} cores,",
        f"{machine['system']}, Python {machine['python']}; load at the start {load}.",
        f"{versions}.",
        "",
        "## Goals",
        "",
        said,
        "",
        "The async floor is httpx with sniffio installed, as most programs have it; without sniffio",
        "httpx itself takes about 40 % longer. `import prompture` loads nothing but names; what",
        "`extract` needs comes with its first use, as the table of imports shows. Looking at the",
        "typed value of every snapshot (`values`) costs three to four times the floor.",
        "",
        "| | measured | goal | |",
        "| --- | ---: | ---: | --- |",
    ]
    for name, value, goal, met in goals(found):
        lines.append(f"| {name} | {value:.2f} | {goal} | {'met' if met else '**not met**'} |")
    for part in (_imports, _calls, _streams, _concurrency, _rest):
        lines += ["", *part(found)]
    return "\n".join(lines) + "\n"


def _imports(found: Found) -> Iterator[str]:
    if "imports" not in found:
        return
    yield from ("## Import and cold start", "", "CPU milliseconds over the bare interpreter.", "")
    yield from ("| | import | cold start to the first extraction |", "| --- | ---: | ---: |")
    cold = found.get("cold", {}).get("ms", {})
    names = dict.fromkeys([*found["imports"]["ms"], *cold])
    for name in names:
        first = found["imports"]["ms"].get(name)
        whole = cold.get(name)
        cells = [f"{each:.0f}" if each is not None else "" for each in (first, whole)]
        yield f"| {name} | {cells[0]} | {cells[1]} |"


def _calls(found: Found) -> Iterator[str]:
    for what, floor in (("sync", "requests"), ("async", "httpx")):
        if "calls" in found:
            yield from (f"## One extraction, {what}", "")
            yield from (f"| | CPU us | x {floor} |", "| --- | ---: | ---: |")
            rows = sorted(found["calls"][what].items(), key=lambda pair: pair[1]["value"])
            for name, each in rows:
                yield f"| {name} | {each['value']:.0f} | {each['ratio']:.2f} |"
            yield ""


def _streams(found: Found) -> Iterator[str]:
    streams = found.get("streaming")
    if not streams:
        return
    sizes = list(streams["requests final"]["seconds"])
    yield from ("## Streaming, in deltas of 8 characters", "")
    yield "CPU milliseconds (x the floor of the same transport) by characters of the answer. `items`"
    yield "hands out each item of a list, `partial` a snapshot at every delta, `values` looks at the"
    yield "typed value of each of them; a leading `a` is the async colour, `final` the floor."
    yield ""
    yield f"| | {' | '.join(f'{int(size):,}' for size in sizes)} | exponent |"
    yield f"| --- | {' | '.join('---:' for _ in sizes)} | ---: |"
    for name, each in streams.items():
        cells = [
            f"{each['seconds'][s] * 1e3:.1f} ({each['ratio'][s]:.2f})"
            if s in each["seconds"]
            else ""
            for s in sizes
        ]
        grows = f"{each['exponent']:.2f}" if each["exponent"] is not None else ""
        yield f"| {name} | {' | '.join(cells)} | {grows} |"


def _concurrency(found: Found) -> Iterator[str]:
    for label, clients in found.get("concurrency", {}).items():
        what, _, count = label.partition(" ")
        kind = "tasks" if what == "conc" else "threads"
        yield from (f"## {count} {kind}, 50 ms latency", "")
        yield "| | docs/s | x floor | CPU us | MB grown | connections |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        for name, each in clients.items():
            yield (
                f"| {name} | {each['per_second']:.0f} | {each['ratio']:.2f} | {each['us']:.0f} "
                f"| {each['grown_mb']:.0f} | {each['connections']:.0f} |"
            )
        yield ""


def _rest(found: Found) -> Iterator[str]:
    if "costs" in found:
        yield from ("## Pricing one call", "", "| | CPU us | USD |", "| --- | ---: | ---: |")
        for name, each in found["costs"].items():
            yield f"| {name} | {each['us']:.2f} | {each['usd']:.8f} |"
        yield ""
    if "repeats" in found:
        each = found["repeats"]
        yield f"{each['schemas_per_call']:g} JSON Schemas are made in a repeated call;"
        yield f"the process grew by {each['grown_mb']:.1f} MB over {each['calls']:,} calls."


def plot(found: Found, path: Path) -> Path | None:
    """CPU against size for every stream; None where matplotlib is not installed."""
    if "streaming" not in found:
        return None
    try:
        import matplotlib

        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        return None
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, each in found["streaming"].items():
        sizes = sorted(map(int, each["seconds"]))
        times = [each["seconds"][str(size)] for size in sizes]
        style = "k--" if "final" in name else "-o" if name.startswith(OURS) else ":s"
        axes.loglog(sizes, times, style, label=name, markersize=4)
    axes.set_xlabel("characters of the answer, in deltas of 8")
    axes.set_ylabel("CPU seconds")
    axes.grid(which="both", alpha=0.2)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    return path
