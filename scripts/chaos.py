"""Hold what is promised of failing providers against a server that fails (scripts/chaos/).

    chaos.py [--quick] [--minutes N] [--seed N] [--only NAME]

Each proof prints its figures, and what broke. ``--quick`` is the short form, a minute or two for
all; ``--minutes`` repeats the random ones with new seeds for so long. Exits with 1 where one broke.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["PROMPTURE_OFFLINE"] = "1"
os.environ["PROMPTURE_CATALOG"] = "snapshot"
for name in list(os.environ):
    if name.lower().endswith(("_proxy", "_api_key", "_base_url")):
        del os.environ[name]

from chaos import deadlines, fallbacks, interrupts, outages, random_calls, rates  # noqa: E402
from chaos.client import Server  # noqa: E402

Found = tuple[list[str], str]
PROOFS: dict[str, Callable[[Server, int, bool], Found]] = {
    "random": lambda s, seed, quick: random_calls.run(s, 400 if quick else 10_000, seed),
    "interrupts": lambda s, seed, quick: interrupts.run(s, 120 if quick else 1_000, seed),
    "deadlines": lambda s, _, quick: deadlines.run(s, 1.0 if quick else 5.0),
    "fallbacks": lambda s, *_: fallbacks.run(s),
    "storm": lambda s, _, quick: outages.storm(s, 6.0 if quick else 60.0),
    "cascade": lambda s, _, quick: outages.cascade(s, *((20.0, 8.0) if quick else (120.0, 30.0))),
    "shared": lambda s, _, quick: rates.shared(
        s, *((22.0, 600, 10.0) if quick else (60.0, 600, 30.0))
    ),
    "knee": lambda s, _, quick: rates.knee(s, 20.0 if quick else 60.0),
    "hedged": lambda s, _, quick: rates.hedged(s, 300 if quick else 1_000),
}
RANDOM = ("random", "interrupts")
STUCK_SECONDS = 1800
SHOWN = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--only", choices=sorted(PROOFS))
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # that a provider is down is what all of this is about
    print(f"seed {given.seed}", flush=True)
    names = [given.only] if given.only else list(PROOFS)
    end = time.monotonic() + given.minutes * 60
    seed, failed = given.seed, 0
    while True:
        for name in names:
            failed += not _holds(name, seed, given.quick)
        names = [name for name in names if name in RANDOM]
        seed += 1
        if not names or time.monotonic() > end:
            break
        print(f"seed {seed}", flush=True)
    return 1 if failed else 0


def _holds(name: str, seed: int, quick: bool) -> bool:
    # A proof that hangs says where.
    faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
    with Server() as server:
        wrong, figures = PROOFS[name](server, seed, quick)
    faulthandler.cancel_dump_traceback_later()
    print(f"{name}: {'FAILED' if wrong else 'holds'}: {figures}", flush=True)
    for line in wrong[:SHOWN]:
        print(f"  {line[:1000]}", flush=True)
    if len(wrong) > SHOWN:
        print(f"  and {len(wrong) - SHOWN} more", flush=True)
    return not wrong


if __name__ == "__main__":
    sys.exit(main())
