"""Every example runs, offline and without a key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("[0-9]*.py")), ids=lambda p: p.stem)
def test_an_example_runs(path: Path) -> None:
    keys = ("_API_KEY", "_TOKEN")
    clean = {k: v for k, v in os.environ.items() if not k.endswith(keys)}
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        env={**clean, "PROMPTURE_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
