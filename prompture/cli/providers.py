"""``prompture providers``: the rows."""

from __future__ import annotations

import sys
from textwrap import fill

import click

from prompture.cli.console import echo, print_table, write_json
from prompture.drivers import registry
from prompture.drivers.provider import Provider
from prompture.types import JSON


@click.command("providers")
@click.option("-f", "--format", "style", type=click.Choice(["table", "json"]), default="table")
def command(style: str) -> None:
    """List providers: their key variables, what they can do, the default model."""
    records = [_record(row) for row in registry.rows()]
    if style == "json":
        write_json(sys.stdout, records, indent=2)
        return
    columns = ("provider", "key", "variable", "default model", "can", "docs")
    print_table(columns, [_cells(r) for r in records], folded=(4,), least=(5, 4, 2))
    if sys.stdout.isatty():  # a note for people; programs have default_model in the JSON
        model, why, _ = registry.default_choice()
        echo(fill(f"Where no model is named, {model} is used, {why}.", 80), err=True)


def _record(row: Provider) -> JSON:
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


def _cells(record: JSON) -> tuple[str, ...]:
    key = {True: "set", False: "not set", None: "not needed"}[record["key"]]
    return (
        record["provider"],
        key,
        (record["variables"] or [""])[0],
        record["default_model"],
        " ".join(record["can"]),
        record["docs"],
    )
