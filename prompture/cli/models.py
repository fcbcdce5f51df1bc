"""``prompture models``: what the catalog knows."""

from __future__ import annotations

import sys
from decimal import Decimal

import click

from prompture import catalog
from prompture.cli.console import echo, print_table, write_json
from prompture.drivers import registry
from prompture.drivers.classes import driver_for
from prompture.drivers.provider import Provider
from prompture.money import format_usd
from prompture.types import JSON


@click.command("models")
@click.argument("query", default="")
@click.option("--provider", help="Only this provider's.")
@click.option("--all", "everything", is_flag=True, help="Providers without a driver here, too.")
@click.option("--cheapest", is_flag=True, help="Cheapest first, for a page in and a form out.")
@click.option("--needs", default="", help="With --cheapest: json_schema&context>=200k, ...")
@click.option("--ready", is_flag=True, help="Only of providers whose key is set.")
@click.option("--refresh", is_flag=True, help="Fetch the catalog from models.dev first.")
@click.option("--sync", metavar="PROVIDER", help="Fetch this provider's own list, and keep it.")
@click.option("-f", "--format", "style", type=click.Choice(["table", "json"]), default="table")
def command(
    query: str,
    provider: str | None,
    everything: bool,
    cheapest: bool,
    needs: str,
    ready: bool,
    refresh: bool,
    sync: str | None,
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
        _sync(sync, style)
        return
    rows = {r.catalog or r.name: r for r in registry.rows()}
    wanted = None
    if provider is not None:
        row = registry.find(provider)
        wanted = row.catalog or row.name
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
    records = [_record(e, rows.get(e.provider)) for e in found]
    if style == "json":
        write_json(sys.stdout, records, indent=2)
        return
    columns = ("model", "in $/M", "out $/M", "context", "can", "key", "price from")
    cells = [_cells(r) for r in records]
    print_table(columns, cells, right=(1, 2, 3), folded=(4,), least=(6, 5, 4, 3))
    if not records:
        wished = [repr(query) if query else "", needs or "", "a key that is set" if ready else ""]
        echo(f"no model matches {', '.join(filter(None, wished))}", err=True)


def _sync(name: str, style: str) -> None:
    provider, _, model = name.partition("/")
    row = registry.find(provider)
    # A driver needs a model's name; the list that is asked for is the same for all.
    with driver_for(f"{row.name}/{model or row.default_model or 'any'}") as driver:
        found = driver.sync_models()
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


def _record(entry: catalog.Entry, row: Provider | None) -> JSON:
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


def _cells(record: JSON) -> tuple[str, ...]:
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
