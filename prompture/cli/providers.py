"""What there is to call: ``prompture providers``, ``prompture models`` out of the catalog, and
``prompture check``: do they answer?"""

from __future__ import annotations

import asyncio
import sys
import time
from decimal import Decimal
from textwrap import fill

import click

from prompture import catalog, given
from prompture.cli.console import (
    INTERRUPTED,
    OK,
    PROVIDER,
    echo,
    for_a_shell,
    print_table,
    write_json,
)
from prompture.drivers import classes, registry
from prompture.drivers.probe import Health
from prompture.drivers.provider import Provider
from prompture.errors import PromptureError
from prompture.money import format_usd
from prompture.types import JSON

WATCH_SECONDS = 30.0
pause = time.sleep
"""Waits between two rounds; a test puts something else here."""


@click.command("providers")
@click.option("-f", "--format", "style", type=click.Choice(["table", "json"]), default="table")
def command(style: str) -> None:
    """List providers: their key variables, what they can do, the default model."""
    records = [_provider_record(row) for row in registry.rows()]
    if style == "json":
        write_json(sys.stdout, records, indent=2)
        return
    columns = ("provider", "key", "variable", "default model", "can", "docs")
    print_table(columns, [_provider_cells(r) for r in records], folded=(4,), least=(5, 4, 2))
    if sys.stdout.isatty():  # a note for people; programs have default_model in the JSON
        model, why, _ = registry.default_choice()
        echo(fill(f"Where no model is named, {model} is used, {why}.", 80), err=True)


def _provider_record(row: Provider) -> JSON:
    can = ("json_schema", "tool_use", "json_mode", "vision", "files", "streaming")
    return {
        "provider": row.name,
        "title": row.title or row.name,
        "key": row.key_is_set() if row.key_required else None,
        "variables": list(row.key_env),
        "default_model": row.default_model,
        "can": [c for c in can if getattr(row.features, c)],
        "docs": row.docs,
    }


def _provider_cells(record: JSON) -> tuple[str, ...]:
    key = {True: "set", False: "not set", None: "not needed"}[record["key"]]
    return (
        record["provider"],
        key,
        (record["variables"] or [""])[0],
        record["default_model"],
        " ".join(record["can"]),
        record["docs"],
    )


def _asked(name: str) -> tuple[Provider, str]:
    """The row of a provider that is named, and a model of it to make a driver for."""
    provider, _, model = name.partition("/")
    row = registry.find(provider)
    # A driver needs a model's name; the list of models is asked for, which no model changes.
    return row, f"{row.name}/{model or row.default_model or 'any'}"


# ``prompture models``: what the catalog knows.


@click.command("models")
@click.argument("query", default="")
@click.option("--provider", help="Only this provider's.")
@click.option("--all", "everything", is_flag=True, help="Providers without a driver here, too.")
@click.option("--cheapest", is_flag=True, help="Cheapest first, for a page in and a form out.")
@click.option("--needs", default="", help="With --cheapest: json_schema&context>=200k, ...")
@click.option("--ready", is_flag=True, help="Only of providers whose key is set.")
@click.option("--refresh", is_flag=True, help="Fetch the catalog from models.dev first.")
@click.option("--sync", metavar="PROVIDER", help="Fetch this provider's own list, and keep it.")
@click.option("--deadline", type=float, help="With --sync: seconds that it may take.")
@click.option("-f", "--format", "style", type=click.Choice(["table", "json"]), default="table")
def models(
    query: str,
    provider: str | None,
    everything: bool,
    cheapest: bool,
    needs: str,
    ready: bool,
    refresh: bool,
    sync: str | None,
    deadline: float | None,
    style: str,
) -> None:
    """List models whose name holds QUERY: dollars per million tokens, context, capabilities.

    With --sync, ask PROVIDER for its own list instead, and hold it against the catalog: models that
    are new, gone or without a price. Its models are known from then on (PROMPTURE_MODELS names the
    file).
    """
    if refresh:
        catalog.refresh()
    if sync is not None:
        _sync(sync, style, deadline)
        return
    rows = {r.catalog or r.name: r for r in registry.rows()}
    wanted = None
    if provider is not None:
        row = registry.find(provider)
        wanted = row.catalog or row.name
    if deadline is not None:
        raise click.UsageError("--deadline is of use only with --sync")
    if needs and not cheapest:
        raise click.UsageError("--needs is of use only with --cheapest")
    listed = catalog.search(query)
    # Among the models that were found: the query holds for the cheapest, too.
    if cheapest:
        listed = catalog.cheapest(f"cheapest?{needs}", among=listed)
    found = [
        e
        for e in listed
        if (everything or e.provider in rows)
        and wanted in (None, e.provider)
        and (not ready or _is_ready(rows.get(e.provider)))
    ]
    records = [_model_record(e, rows.get(e.provider)) for e in found]
    if style == "json":
        write_json(sys.stdout, records, indent=2)
        return
    columns = ("model", "in $/M", "out $/M", "context", "can", "key", "price from")
    cells = [_model_cells(r) for r in records]
    print_table(columns, cells, right=(1, 2, 3), folded=(4,), least=(6, 5, 4, 3))
    if not records:
        wished = [repr(query) if query else "", needs or "", "a key that is set" if ready else ""]
        echo(f"no model matches {', '.join(filter(None, wished))}", err=True)


def _sync(name: str, style: str, deadline: float | None) -> None:
    row, model = _asked(name)
    with classes.driver_for(model) as driver:
        found = driver.sync_models(deadline=deadline)
    states = {"new": found.new, "gone": found.gone, "no price": found.unpriced}
    if style == "json":
        about = {key.replace(" ", "_"): list(ids) for key, ids in states.items()}
        kept = {"provider": row.name, "listed": [m.id for m in found.models], **about}
        write_json(sys.stdout, {**kept, "file": str(found.path or "")}, indent=2)
        return
    changed = sorted({model for ids in states.values() for model in ids})
    cells = [
        (f"{row.name}/{id}", ", ".join(key for key, ids in states.items() if id in ids))
        for id in changed
    ]
    if cells:
        print_table(("model", "is"), cells)
    echo(str(found) + (f"; kept in {found.path}" if found.path else "; not kept"), err=True)


def _is_ready(row: Provider | None) -> bool:
    return row is not None and row.key_is_set()


def _model_record(entry: catalog.Entry, row: Provider | None) -> JSON:
    rates, features = entry.rates, entry.features
    can = {
        "tools": features.tools,
        "schema": features.json_schema,
        "vision": features.vision,
        "pdf": features.pdf,
        "reasoning": features.reasoning,
    }
    return {
        "model": f"{row.name if row else entry.provider}/{entry.id}",
        "input": _dollars(rates.input if rates else None),
        "output": _dollars(rates.output if rates else None),
        "context": entry.limits.context,
        "can": [name for name, has in can.items() if has],
        "key": None if row is None or not row.key_required else row.key_is_set(),
        "source": f"{entry.source} {entry.as_of}".strip(),
    }


def _dollars(rate: Decimal | None) -> str | None:
    return None if rate is None else format_usd(rate)


def _model_cells(record: JSON) -> tuple[str, ...]:
    context = record["context"]
    key = {True: "set", False: "not set", None: ""}[record["key"]]
    return (
        record["model"],
        record["input"] or "?",
        record["output"] or "?",
        f"{context:,}" if context else "?",
        " ".join(record["can"]),
        key,
        record["source"],
    )


# ``prompture check``: do the providers answer, and take the key?


@click.command("check")
@click.argument("names", metavar="[PROVIDER]...", nargs=-1)
@click.option(
    "--watch",
    is_flag=False,
    flag_value=str(WATCH_SECONDS),
    metavar="[SECONDS]",
    help="Ask again every so many seconds (30), until Ctrl-C.",
)
@click.option("--deadline", type=float, help="Seconds that each may take.")
@click.option("--times", type=click.IntRange(1), help="With --watch: stop after so many rounds.")
def check(
    names: tuple[str, ...], watch: str | None, deadline: float | None, times: int | None
) -> int:
    """Ask each PROVIDER for its list of models; without any, those whose key is set.

    Nothing is billed. The exit code is 4 where one does not answer or refuses the key; with --watch,
    where that is so in the last round. Ctrl-C ends --watch with a summary.
    """
    if times is not None and watch is None:
        raise click.UsageError("--times is of use only with --watch")
    given.seconds(deadline, "--deadline")
    seconds, names = _seconds(watch, names)
    chosen = list(names) or [n for n in registry.BUILTIN if _has_key(n)]
    # Not all of them: those without a key would only be refused.
    if not chosen:
        click.echo("no provider's key is set; name one, or see: prompture providers", err=True)
        return OK
    if watch is not None:
        return _watch(chosen, seconds, times, deadline)
    found = asyncio.run(_ask_all(chosen, deadline))
    print_table(
        ("provider", "reachable", "key", "ms", "models", "requests left", "problem"),
        [_health_cells(n, h) for n, h in zip(chosen, found, strict=True)],
        right=(3, 4, 5),
        folded=(6,),
        least=(5, 4, 3),
    )
    return OK if all(map(_is_well, found)) else PROVIDER


def _seconds(watch: str | None, names: tuple[str, ...]) -> tuple[float, tuple[str, ...]]:
    """The seconds of ``--watch``, and the providers: one may stand where the seconds would."""
    if watch is None:
        return WATCH_SECONDS, names
    try:
        seconds = float(watch)
    except ValueError:
        return WATCH_SECONDS, (watch, *names)
    if not 0 < seconds < float("inf"):
        raise click.UsageError(f"--watch takes a number of seconds above 0, not {watch}")
    return seconds, names


def _is_well(health: Health) -> bool:
    return bool(health.reachable and health.authorised)


def _watch(names: list[str], seconds: float, times: int | None, deadline: float | None) -> int:
    """A line for each provider in each round, and a summary at the end."""
    rounds: list[list[Health]] = []
    try:
        while times is None or len(rounds) < times:
            if rounds:
                pause(seconds)
            found = asyncio.run(_ask_all(names, deadline))
            before = rounds[-1] if rounds else found
            rounds.append(found)
            now = time.strftime("%H:%M:%S")
            for name, health, last in zip(names, found, before, strict=True):
                turned = "" if _is_well(health) == _is_well(last) else "  <- changed"
                echo(f"{now}  {_line(name, health)}{turned}")
    except KeyboardInterrupt:  # how it is meant to end
        echo("", err=True)
    if not rounds:
        return INTERRUPTED
    _print_summary(names, rounds)
    return OK if all(map(_is_well, rounds[-1])) else PROVIDER


def _line(name: str, health: Health) -> str:
    if _is_well(health):
        return f"{name}  ok  {health.seconds * 1000:.0f} ms"
    # An answer that is an error says nothing of the key.
    answered = "refused" if health.authorised is False else "failing"
    return f"{name}  {answered if health.reachable else 'down'}  {health.problem}"


def _print_summary(names: list[str], rounds: list[list[Health]]) -> None:
    rows = []
    for position, name in enumerate(names):
        asked = [each[position] for each in rounds]
        took = sorted(h.seconds * 1000 for h in asked if _is_well(h))
        figures = (took[0], took[len(took) // 2], took[-1]) if took else None
        shown = [f"{figure:.0f}" for figure in figures] if figures else ["", "", ""]
        rows.append((name, str(len(asked)), str(len(took)), *shown))
    columns = ("provider", "asked", "well", "least ms", "median ms", "most ms")
    print_table(columns, rows, right=(1, 2, 3, 4, 5))


def _has_key(name: str) -> bool:
    row = registry.find(name)
    return row.key_required and row.key_is_set()


async def _ask_all(names: list[str], deadline: float | None = None) -> list[Health]:
    # All at once: one that does not answer takes the whole of its timeout.
    return list(await asyncio.gather(*(_ask(n, deadline) for n in names)))


async def _ask(name: str, deadline: float | None = None) -> Health:
    _, model = _asked(name)
    try:
        async with classes.async_driver_for(model) as driver:
            return await driver.health(deadline=deadline)
    except PromptureError as exc:
        return Health(reachable=False, authorised=None, seconds=0.0, problem=for_a_shell(exc))


def _health_cells(name: str, health: Health) -> tuple[str, ...]:
    left = health.rate_limits.requests_remaining if health.rate_limits else None
    key = {True: "accepted", False: "refused", None: "?"}[health.authorised]
    return (
        name,
        "yes" if health.reachable else "no",
        key,
        f"{health.seconds * 1000:.0f}",
        str(health.models if health.models is not None else ""),
        str(left if left is not None else ""),
        health.problem,
    )
