"""Tables for people: rich on a terminal, tab-separated when piped."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    """Print rows under columns; ``right`` are the columns of numbers."""
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for i, column in enumerate(columns):
        # A name that is cut off is no name: it goes on below. Numbers keep their width.
        number = i in right
        table.add_column(
            column, justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
