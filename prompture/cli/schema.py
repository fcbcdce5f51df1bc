"""``prompture schema``: what a provider would be sent, and what that changes."""

from __future__ import annotations

import sys

import click

from prompture.cli.schemas import schema_of
from prompture.cli.terminal import echo, write_json


@click.command("schema")
@click.argument("schema")
@click.option("-d", "--dialect", default="openai", show_default=True, help="Or a provider's name.")
@click.option("--changes-only", is_flag=True, help="The report without the schema.")
def command(schema: str, dialect: str, changes_only: bool) -> None:
    """Rewrite SCHEMA (models.py:Class, schema.json, or fields) for a provider's dialect.

    The schema goes to stdout, the changes to stderr: what was rewritten, where, and what the
    model is no longer forced to obey and is only checked afterwards.
    """
    from prompture.schema import preflight, rewrite
    from prompture.schema.source import source

    given, name = source(schema_of(schema)).json_schema, _dialect(dialect)
    made = rewrite(given, name)
    if not changes_only:
        write_json(sys.stdout, made.schema, indent=2)
    for change in made.changes:
        echo(str(change), err=True)
    for excess in preflight(given, name):
        click.echo(f"too large: {name} {excess}; the rest becomes JSON text", err=True)
    if not made.changes:
        click.echo("nothing was changed", err=True)


def _dialect(name: str) -> str:
    from prompture.drivers import registry
    from prompture.errors import UnknownModel

    try:
        return registry.find(name).features.schema_dialect
    except UnknownModel:
        return name
