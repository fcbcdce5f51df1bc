"""`make demo`: three documents through the command line, as a user would run it.

Without a key the embedded rules answer; with one (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...) the
same commands use that provider's default model.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JOBS = [
    ["extract", "examples/documents/receipt.txt", "--schema", "examples/receipt.py:Receipt"],
    ["extract", "examples/documents/invoice.txt", "--schema", "examples/invoice.py:Invoice"],
    [
        "extract",
        "examples/documents/notice.txt",
        "--schema",
        "case_name, case_number, document_number: integer, date_filed: date",
        "--sources",
    ],
]


def main() -> int:
    failed = 0
    for job in JOBS:
        shown = " ".join(f'"{word}"' if " " in word else word for word in job)
        print(f"\n$ prompture {shown}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", "prompture", *job], cwd=ROOT).returncode
    print("\nEach --sources entry is [start, end) in the document: where the value was read.")
    print("Set a key (OPENAI_API_KEY=...) and run it again: the same commands then ask a model.")
    return failed


if __name__ == "__main__":
    sys.exit(main())
