"""Faults of streams with a healthy model behind: its whole answer or a typed error, never half."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from chaos.client import DIALECTS, Books, Server, leaving_nothing, new_run
from chaos.documents import Line, Order, case, document, value_of
from prompture import aextract_items, aextract_stream, extract_items, extract_stream, track
from prompture.errors import PromptureError

FAULTS = (
    # Before any content.
    "drop.0", "eof.1", "error-at.1", "garbage-at.1", "reset-at.1", "no-events", "pings-only",
    "html.200", "error-in-200", "closed", "silent",
    # After some.
    "drop.5", "eof.5", "error-at.5", "garbage-at.5", "half-event.5", "utf8-at.5", "silent-at.5",
    "length-at.4",
    # When all of it is there, but its end.
    "drop.99", "eof.99",
)  # fmt: skip
FACES = ("stream", "items")


def run(server: Server, faults: tuple[str, ...] = FAULTS) -> tuple[list[str], str]:
    name, wrong = new_run(), []
    outcomes: Counter[str] = Counter()
    charges: dict[str, list[Any]] = {}
    jobs = [
        (case(name, number), fault, dialect, face, colour)
        for number, (fault, dialect, face, colour) in enumerate(
            (f, d, face, colour)
            for f in faults
            for d in DIALECTS
            for face in FACES
            for colour in ("sync", "async")
        )
    ]
    seen: dict[str, Any] = {}
    drivers: list[Any] = []
    with leaving_nothing() as left:
        for job in jobs:
            if job[4] == "sync":
                seen[job[0]] = _sync(server, job, charges, drivers)
        for driver in drivers:
            driver.close()
        asyncio.run(_all_async(server, [j for j in jobs if j[4] == "async"], seen, charges))
    calls: Counter[str] = Counter()
    for entry in server.ledger(name):
        calls[entry["case"]] += entry["model"] == "chaos-ok"
    for job in jobs:
        outcome = _judge(job, seen[job[0]], calls[job[0]])
        outcomes[outcome.partition(":")[0]] += 1
        if outcome.startswith("WRONG"):
            wrong.append(f"{job}: {outcome}")
    books = Books()
    books.compare(server.ledger(name), charges)
    if server.settled()["open"]:
        wrong.append("connections are left open")
    wrong += [*books.wrong, *left.faults()]
    figures = (
        f"{len(faults)} faults x {len(DIALECTS)} dialects x {len(FACES)} faces x 2 colours:"
        f" {', '.join(f'{n} {what}' for what, n in outcomes.most_common())}"
    )
    return wrong, figures


Job = tuple[str, str, str, str, str]
Found = tuple[list[Any], Any]
"""What was given out, and the error or None."""


def _options(server: Server, job: Job, make: Any) -> dict[str, Any]:
    # Both in the fault's dialect: the healthy one is another endpoint.
    models = [make(job[1], job[2], timeout=0.3), make("ok", job[2])]
    return {"model": models, "deadline": 20.0}


def _sync(server: Server, job: Job, charges: dict[str, Any], drivers: list[Any]) -> Found:
    options = _options(server, job, server.driver)
    drivers += options["model"]
    given: list[Any] = []
    spent = track()
    charges[job[0]] = spent.charges
    try:
        with spent:
            if job[3] == "stream":
                given.extend(extract_stream(Order, document(job[0]), **options))
            else:
                given.extend(extract_items(Line, document(job[0]), **options))
    except BaseException as exc:  # a proof looks at whatever ends a call
        return given, exc
    return given, None


async def _all_async(
    server: Server, jobs: list[Job], seen: dict[str, Any], charges: dict[str, Any]
) -> None:
    gate = asyncio.Semaphore(16)
    drivers: list[Any] = []

    async def one(job: Job) -> None:
        options = _options(server, job, server.async_driver)
        drivers.extend(options["model"])
        given: list[Any] = []
        spent = track()
        charges[job[0]] = spent.charges
        face, schema = (aextract_stream, Order) if job[3] == "stream" else (aextract_items, Line)
        async with gate:
            try:
                with spent:
                    async for each in face(schema, document(job[0]), **options):  # type: ignore[arg-type,operator]
                        given.append(each)
                seen[job[0]] = (given, None)
            except BaseException as exc:  # a proof looks at whatever ends a call
                seen[job[0]] = (given, exc)

    await asyncio.gather(*map(one, jobs))
    for driver in drivers:
        await driver.close()


def _judge(job: Job, found: Found, calls: int) -> str:
    """What came of it; ``calls`` is how many the healthy model got."""
    given, error = found
    expected = value_of(job[0])
    if error is not None:
        if not isinstance(error, PromptureError):
            return f"WRONG: untyped {error!r}"
        # Only what has been given out already forbids another model.
        if not calls and not given:
            return f"WRONG: {type(error).__name__} and no call to the healthy model"
        return f"typed errors after {'items' if job[3] == 'items' else 'snapshots'}"
    if job[3] == "items":
        whole = [_plain(each) for each in given] == expected["lines"]
    else:
        whole = bool(given) and given[-1].result.value.model_dump() == expected
    if not whole:
        return f"WRONG: a clean end with {given[-1:]}"
    return "whole answers of the fallback" if calls else "whole answers of the first"


def _plain(item: Any) -> Any:
    return getattr(item, "value", item).model_dump()
