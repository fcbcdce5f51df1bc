"""Broken and hostile files: each is a typed error, in little time and memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEGABYTES = 5, 500
READ = (
    "many-tags.docx", "wide.xlsx", "rows.xlsx", "headers.eml", "empty-column.html", "ends.html", "letters.rtf",
)  # fmt: skip
"""What is only odd, and is read."""


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
    resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a child as Linux has them")
def test_hostile_files_are_typed_errors() -> None:
    pytest.importorskip("selectolax")
    pytest.importorskip("olefile")
    # Not by this process itself: what it had in memory would count as its child's.
    start = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    done = subprocess.run(
        [sys.executable, "-c", start, sys.executable, "-m", "tests.documents.hostile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        preexec_fn=_limits,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 45
    wrong = [each for each in found if not _is_typed(*each[:2])]
    assert wrong == []
    assert [each for each in found if each[2] > SECONDS] == []
    assert max(each[3] for each in found) < MEGABYTES


def _is_typed(name: str, outcome: str) -> bool:
    if name in READ:
        return outcome.startswith("read ")
    return outcome.startswith("Document") and "without" not in outcome
