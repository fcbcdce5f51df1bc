"""A process of its own that spends: ``python -m tests.spend.worker budget|ledger ...``.

``budget URL LEDGER NAME USD CALLS THREADS`` makes calls under a shared budget and prints how
many were answered. ``ledger PATH CALLS`` makes local calls and prints the number of each when
it has returned.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

os.environ["PROMPTURE_OFFLINE"] = "1"
os.environ["PROMPTURE_CATALOG"] = "snapshot"

from prompture.errors import BudgetExceeded


def spend(url: str, ledger: str, name: str, usd: str, calls: str, threads: str) -> None:
    from prompture import Budget, Extractor, driver_for
    from tests.spend.till import MODEL, SCHEMA

    driver = driver_for(f"openai/{MODEL}", api_key="k", base_url=url)
    budget = Budget(usd, ledger=ledger, name=name)
    extractor = Extractor(SCHEMA, model=driver, max_tokens=100, budget=budget)

    def one(_: int) -> int:
        try:
            extractor.extract("Total: 1")
        except BudgetExceeded:
            return 0
        return 1

    with ThreadPoolExecutor(int(threads)) as pool:
        print(sum(pool.map(one, range(int(calls)))))


def note(path: str, calls: str) -> None:
    from prompture import Completion, Usage, ledger
    from prompture.testing import FunctionDriver
    from prompture.types import Request, user

    usage = Usage(input_tokens=10, output_tokens=5, reported=True)
    driver = FunctionDriver(lambda request: Completion(text="a secret", usage=usage))
    request = Request(model="m", messages=(user("a secret"),))
    ledger(path)
    for number in range(int(calls)):
        driver.complete(request)
        os.write(1, f"{number + 1}\n".encode())


if __name__ == "__main__":
    {"budget": spend, "ledger": note}[sys.argv[1]](*sys.argv[2:])
