"""`make demo`: three documents through the command line, as a user would run it.

The embedded rules answer, whatever keys are set: nothing leaves this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOCAL = ["--model", "local/rules"]
ENV = {
    **{k: v for k, v in os.environ.items() if k not in ("PROMPTURE_CONFIG", "PROMPTURE_MODEL")},
    "PROMPTURE_OFFLINE": "1",
}
ROOT = Path(__file__).resolve().parents[1]
JOBS = [
    [
        "extract",
        "examples/documents/receipt.txt",
        "--schema",
        "examples/receipt.py:Receipt",
        *LOCAL,
    ],
    [
        "extract",
        "examples/documents/invoice.txt",
        "--schema",
        "examples/invoice.py:Invoice",
        *LOCAL,
    ],
    [
        "extract",
        "examples/documents/notice.txt",
        "--schema",
        "case_name, case_number, document_number: integer, date_filed: date",
        "--sources",
        *LOCAL,
    ],
]


def main() -> int:
    failed = 0
    for job in JOBS:
        shown = " ".join(f'"{word}"' if " " in word else word for word in job)
        print(f"\n$ prompture {shown}", flush=True)
        done = subprocess.run([sys.executable, "-m", "prompture", *job], cwd=ROOT, env=ENV)
        failed |= done.returncode
    print("\nEach --sources entry is [start, end) in the document: where the value was read.")
    print("To ask a model instead, name it: --model openai/gpt-5-mini (with OPENAI_API_KEY set).")
    return failed


if __name__ == "__main__":
    sys.exit(main())
