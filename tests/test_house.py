"""The order of the house: the limits of scripts/house.py and scripts/hops.py, and the picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import house  # noqa: E402


@pytest.mark.parametrize(
    "rule",
    [
        house.long_modules,
        house.long_functions,
        house.banned_names,
        house.class_names_twice,
        house.file_names_twice,
    ],
)
def test_a_rule_holds(rule: object) -> None:
    assert rule(house.modules()) == []  # type: ignore[operator]


def test_there_are_few_files_and_few_anys() -> None:
    found = house.modules()
    assert len(found) <= house.FILES
    anys = 1000 * sum(m.anys for m in found) / sum(m.code_lines for m in found)
    assert anys <= house.ANY_PER_1000


def test_the_picture_is_that_of_the_imports() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert house.picture() in page, "run: python scripts/house.py --picture"


def test_a_call_crosses_few_files() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "hops.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
