"""Tables for people: rich on a terminal, tab-separated when piped."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence

import click

from prompture.cli.terminal import echo, plain

FOLDED = 24
"""Characters that a text which may be folded is given at least."""
GAP = 3
"""Blanks between two columns."""
NAME = 12
"""Characters of a name on a line, however narrow the terminal is."""


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    folded: Collection[int] = (),
    least: Sequence[int] = (),
) -> None:
    """Print rows under columns.

    ``right`` are the columns of numbers, ``folded`` those of texts that may go on below. Where a
    terminal is too narrow, columns are left out in the order of ``least``, and it is said.
    """
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(re.sub(r"[\t\r\n]+", " ", cell) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    shown = [[plain(cell) for cell in row] for row in rows]
    widths = _widths([columns, *shown], folded)
    kept = _fitting(widths, console.width, least)
    # One blank less: older versions of Rich count one behind the last column, too.
    left = console.width - 1 - sum(widths[k] + GAP for k in kept[1:])
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for i in kept:
        # A number or a name that is cut is another one; only texts are folded, names last of all.
        first = i == kept[0]
        table.add_column(
            columns[i],
            justify="right" if i in right else "left",
            no_wrap=i not in folded and not first,
            overflow="fold",
            min_width=min(widths[i], max(NAME, left)) if first else None,
        )
    for row in shown:
        table.add_row(*(escape(row[i]) for i in kept))
    console.print(table)
    if left_out := [columns[i] for i in range(len(columns)) if i not in kept]:
        echo(f"left out, for want of width: {', '.join(left_out)}", err=True, dim=True)


def _widths(rows: Sequence[Sequence[str]], folded: Collection[int]) -> list[int]:
    from rich.cells import cell_len

    widest = [max(cell_len(c) for c in column) for column in zip(*rows, strict=True)]
    return [min(w, FOLDED) if i in folded else w for i, w in enumerate(widest)]


def _fitting(widths: Sequence[int], room: int, least: Sequence[int]) -> list[int]:
    """The columns that are shown: the first always, for rows without a name say nothing."""
    kept = list(range(len(widths)))
    for i in least:
        if sum(widths[k] + GAP for k in kept) - GAP <= room:
            return kept
        kept.remove(i)
    while len(kept) > 1 and min(widths[0], NAME) + sum(widths[k] + GAP for k in kept[1:]) > room:
        kept.pop()
    return kept
