"""A few of each claim's random cases, always the same; `make fuzz` tries new ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from fuzzing.claims import CLAIMS, COUNTS, slips_are_seldom_wrong  # noqa: E402

CASES = 60


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_holds(name: str) -> None:
    for number in range(CASES):
        CLAIMS[name](Random(f"tests:{number}"))


def test_few_slips_are_read_as_another_value() -> None:
    COUNTS.clear()
    for number in range(400):
        CLAIMS["a_slip_is_right_or_refused"](Random(f"slips:{number}"))
    assert sum(COUNTS.values()) > 300
    slips_are_seldom_wrong()


def test_the_script_names_its_seed_and_the_case_that_failed() -> None:
    words = [sys.executable, "scripts/fuzz.py", "0.01", "--seed", "5"]
    claim = ["--only", "no_control_character_reaches_a_terminal"]
    done = subprocess.run([*words, *claim], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 5, 0.01 minutes, 1 claims")
    assert "0 failed" in done.stdout
