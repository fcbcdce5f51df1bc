"""The benchmark's own parts: its server, a worker, what it says of its figures."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module("bench.lab")
    for name in [n for n in sys.modules if n == "bench" or n.startswith("bench.")]:
        del sys.modules[name]


def test_a_worker_measures_what_it_checks(bench: ModuleType) -> None:
    with bench.Stub() as stub, bench.Worker("prompture", stub) as worker:
        assert {"call", "acall", "items", "aitems", "partial", "apartial"} <= {*worker.can}
        assert worker.ask("calls", n=2)["us"] > 0
        assert worker.ask("acalls", n=2)["us"] > 0
        for kind in ("items", "aitems", "partial", "apartial", "values"):
            answer = worker.ask("stream", kind=kind, chars=500)
            assert answer["handed"] >= 10, (kind, answer)
        assert worker.ask("conc", n=4, c=2, latency=1)["per_second"] > 0
        assert worker.ask("threads", n=4, c=2, latency=1)["per_second"] > 0
        assert worker.ask("schemas", n=2) == {"per_call": 0}
        assert "error" in worker.ask("stream", kind="nothing", chars=1)
        assert stub.connections() > 1


def test_a_client_that_is_not_installed_can_nothing(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "litellm.py").write_text("raise ImportError('not here')")
    path = f"{tmp_path}:{bench.ENV['PYTHONPATH']}"
    monkeypatch.setitem(bench.ENV, "PYTHONPATH", path)
    with bench.Stub() as stub, bench.Worker("litellm", stub) as worker:
        assert worker.can == []


def test_the_floors_count_the_same(bench: ModuleType) -> None:
    with bench.Stub() as stub:
        for name, kinds in {"requests": ["final"], "httpx2": ["afinal"]}.items():
            with bench.Worker(name, stub) as worker:
                for kind in kinds:
                    assert worker.ask("stream", kind=kind, chars=500)["handed"] == 1


def test_what_is_not_met_is_said(bench: ModuleType) -> None:
    report = importlib.import_module("bench.report")
    machine = {"date": "2026-01-01", "cpu": "A", "cores": 2, "python": "3.11", "system": "Linux"}
    found = {
        "machine": {**machine, "load": [0.1, 0.2, 0.3], "versions": {"prompture": "1"}},
        "costs": {"prompture": {"us": 7.0, "usd": 0.1}},
        "calls": {c: {"prompture": {"value": 1.0, "ratio": 0.5}} for c in ("sync", "async")},
        "repeats": {"schemas_per_call": 0, "grown_mb": 0.1, "calls": 10},
    }
    met = {name: ok for name, _, _, ok in report.goals(found)}
    assert met["pricing one call, microseconds"] is False
    assert met["one extraction, sync, x requests"] is True
    page = report.page(found)
    assert "Not met: pricing one call" in page
    assert "| one extraction, async, x httpx | 0.50 | <= 0.75 | met |" in page


def test_growth(bench: ModuleType) -> None:
    cases = importlib.import_module("bench.cases")
    assert cases.exponent({1_000: 9.0, 10_000: 1.0, 100_000: 10.0}) == pytest.approx(1.0)
    assert cases.exponent({10_000: 1.0, 1_000_000: 10_000.0}) == pytest.approx(2.0)
    assert cases.exponent({1_000: 1.0, 10_000: 2.0}) is None


def test_the_size_of_the_core(bench: ModuleType) -> None:
    cases = importlib.import_module("bench.cases")
    count, size = cases.installed_size("prompture")
    assert 10 < count <= 32
    assert 5 < size <= 32
