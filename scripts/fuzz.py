"""Hold the README's promises against random schemas, answers, streams, usage and errors.

    fuzz.py [MINUTES] [--seed N] [--only CLAIM] [--case SEED]

Prints the seed of the run; a failure prints the case that shows it again: `--only CLAIM --case S`.
Exits with 1 where a promise broke. The promises are the functions of scripts/fuzzing/claims.py.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["PROMPTURE_OFFLINE"] = "1"
os.environ["PROMPTURE_CATALOG"] = "snapshot"
for name in list(os.environ):
    if name.lower().endswith(("_proxy", "_api_key", "_base_url")):
        del os.environ[name]

from fuzzing.claims import CLAIMS, slips_are_seldom_wrong  # noqa: E402

MOST_FAILURES = 3
"""Of one claim; it is not tried further."""
SLOW_SECONDS = 20.0
"""CPU time after which one case is a failure: nothing drawn here is large."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("minutes", nargs="?", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--only", choices=sorted(CLAIMS))
    parser.add_argument("--case", help="one case, as a failure names it")
    given = parser.parse_args()
    claims = [given.only] if given.only else list(CLAIMS)
    if given.case:
        return _once(claims[0], given.case)
    print(f"seed {given.seed}, {given.minutes:g} minutes, {len(claims)} claims", flush=True)
    return _run(claims, given.seed, given.minutes * 60)


def _once(name: str, case: str) -> int:
    CLAIMS[name](random.Random(case))
    print("it holds")
    return 0


def _run(claims: list[str], seed: int, seconds: float) -> int:
    tried: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end and claims:
        number += 1
        for name in list(claims):
            case = f"{seed}:{number}"
            tried[name] += 1
            if not _holds(name, case):
                failed[name] += 1
                if failed[name] == MOST_FAILURES:
                    claims.remove(name)
        if number % 200 == 0:
            gc.collect()
    for name, count in tried.items():
        print(f"{name}: {count} cases, {failed[name]} failed")
    try:
        print(slips_are_seldom_wrong())
    except AssertionError as exc:
        print(f"FAILED: too many slips were read as another value: {exc}")
        return 1
    return 1 if failed else 0


def _holds(name: str, case: str) -> bool:
    started = time.process_time()
    try:
        CLAIMS[name](random.Random(case))
    except Exception as exc:
        print(f"FAILED: --only {name} --case {case}\n  {type(exc).__name__}: {exc}"[:2000])
        if not isinstance(exc, AssertionError):
            print("".join(traceback.format_exception(exc)[-6:]), flush=True)
        return False
    if (spent := time.process_time() - started) > SLOW_SECONDS:
        print(f"FAILED: --only {name} --case {case}\n  took {spent:.0f} s", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
