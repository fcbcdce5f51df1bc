"""Run the tests in the ways that one run in the usual order does not show.

    suites.py alone            each test file in a process of its own
    suites.py random           all, in random order: a fixed set of seeds, printed
    suites.py uvloop           the tests that await something, on uvloop's event loop
    suites.py floor            all, at the lowest versions that pyproject.toml allows
    suites.py newest           all, at the newest versions that the package index has
    suites.py pythons          all, on each other Python from 3.11 to 3.13 that is here, in random
                               order by a seed of its own; on those of PROMPTURE_TEST_PYTHONS
                               ("3.13 3.12") alone, where that is set

`floor`, `newest` and `pythons` install into environments of their own under build/.
Exits with 1 where a run failed, after all runs; each failure is named.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / "build" / "environments"
SEEDS = (1,)
PYTHONS = {"3.11": 2, "3.12": 3, "3.13": 4}
"""Each with the seed of its random order."""
JOBS = 3  # on two cores: some tests wait, for a process or a server
# What users install; the floors of tools for tests and of vendors' SDKs promise nothing to anyone.
PROMISED = (
    "local",
    "config",
    "documents",
    "images",
    "ocr",
    "ledger",
    "plot",
    "agents",
    "mcp",
    "llamacpp",
)
# Tests that compare with a vendor's SDK or with another price list are for today's versions.
NOT_AT_THE_FLOOR = ("tests/codecs/test_sdk_types.py", "tests/test_costs_of_recordings.py")


def pytest(*arguments: str, python: str = sys.executable, **env: str) -> int:
    """Run pytest in the repository; return its exit status (5, no tests, counts as 0)."""
    command = [python, "-m", "pytest", *arguments]
    status = subprocess.run(command, cwd=ROOT, env=os.environ | env, check=False).returncode
    return 0 if status == 5 else status


def test_files() -> list[str]:
    return sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("test_*.py"))


def alone() -> list[str]:
    """Each file in a process of its own: what it needs, it brings itself."""

    def run(file: str) -> tuple[str, int, str]:
        command = [sys.executable, "-m", "pytest", "-p", "no:xdist", file]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return file, done.returncode, done.stdout + done.stderr

    failed = []
    with ThreadPoolExecutor(JOBS) as pool:
        for file, status, output in pool.map(run, test_files()):
            if status not in (0, 5):
                failed.append(f"alone: {file}")
                print(output[-6000:], flush=True)
    return failed


def random() -> list[str]:
    failed = []
    for seed in SEEDS:
        print(f"random order, seed {seed}", flush=True)
        if pytest("-n", str(JOBS), "--dist", "loadfile", *order(seed)):
            failed.append(f"random order, seed {seed}")
    return failed


def order(seed: int) -> tuple[str, str]:
    return "--random-order-bucket=module", f"--random-order-seed={seed}"


def uvloop() -> list[str]:
    """The files that await something, on uvloop (tests/conftest.py reads the variable)."""
    waiting = [f for f in test_files() if re.search(r"\basync(io)?\b", (ROOT / f).read_text())]
    loop = {"PROMPTURE_TEST_LOOP": "uvloop"}
    status = pytest("-n", str(JOBS), "--dist", "loadfile", *waiting, **loop)
    return ["on uvloop"] if status else []


def floor() -> list[str]:
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    constraints = ENVIRONMENTS / "floor.txt"
    constraints.write_text("\n".join(floors()) + "\n")
    python = environment("floor", "-c", str(constraints))
    ignored = [f"--ignore={name}" for name in NOT_AT_THE_FLOOR]
    status = pytest("-n", str(JOBS), "--dist", "loadfile", *ignored, python=python)
    return ["at the lowest versions"] if status else []


def floors() -> Iterator[str]:
    """``name==lowest`` of each package that users are told to install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for requirement in (*project["dependencies"], *(r for e in PROMISED for r in extras[e])):
        if at_least := re.match(r"([A-Za-z0-9_.-]+)(?:\[.*\])?>=([^,;\s]+)", requirement):
            yield f"{at_least[1]}=={at_least[2]}"


def newest() -> list[str]:
    python = environment("newest", "--upgrade", "--upgrade-strategy", "eager")
    status = pytest("-n", str(JOBS), "--dist", "loadfile", python=python)
    return ["at the newest versions"] if status else []


def pythons() -> list[str]:
    """Other Pythons than the one that runs this; those that are not here are named."""
    failed = []
    chosen = os.environ.get("PROMPTURE_TEST_PYTHONS", "").split() or PYTHONS
    for version, seed in PYTHONS.items():
        if version not in chosen:
            continue
        if version == f"{sys.version_info.major}.{sys.version_info.minor}":
            continue
        if not (found := interpreter(version)):
            print(f"Python {version} is not here: not tried", flush=True)
            continue
        python = environment(f"py{version}", interpreter=found)
        if pytest("-n", str(JOBS), "--dist", "loadfile", *order(seed), python=python):
            failed.append(f"on Python {version}, random order, seed {seed}")
    return failed


def interpreter(version: str) -> str | None:
    """A Python of this version that starts, else None (a shim may stand for one that does not)."""
    shims = Path(shutil.which("pyenv") or "/nowhere/bin/pyenv").resolve().parents[1]
    candidates = [shutil.which(f"python{version}"), *shims.glob(f"versions/{version}.*/bin/python")]
    for candidate in filter(None, candidates):
        command = [str(candidate), "-c", "import venv, ensurepip"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return str(candidate)
    return None


def environment(name: str, *options: str, interpreter: str = sys.executable) -> str:
    """Make a virtual environment with the project and its tests in it; return its Python."""
    place = ENVIRONMENTS / name
    python = place / "bin" / "python"
    print(f"environment {name} ...", flush=True)
    subprocess.run([interpreter, "-m", "venv", "--clear", str(place)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", *options, "-e", f"{ROOT}[test]"]
    subprocess.run(install, check=True)
    return str(python)


RUNS: dict[str, Callable[[], list[str]]] = {
    run.__name__: run for run in (alone, random, uvloop, floor, newest, pythons)
}


def main(names: list[str]) -> int:
    if not names or (unknown := [n for n in names if n not in RUNS]):
        print(__doc__, file=sys.stderr)
        if names:
            print(f"unknown: {', '.join(unknown)}", file=sys.stderr)
        return 2
    failed = []
    for name in names:
        started = time.monotonic()
        failed += RUNS[name]()
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    print("failed: " + "; ".join(failed) if failed else "no failure", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
