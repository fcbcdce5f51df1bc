"""``prompture costs``: what the ledger says."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click

from prompture.cli.tables import print_table
from prompture.money import ZERO, format_usd
from prompture.spend.book import Book, Sum, since_of

_COLUMNS = ("calls", "failed", "input", "output", "cached", "seconds", "usd", "unknown")


@click.command("costs")
@click.option(
    "--by",
    default="model",
    show_default=True,
    help="provider, model, day (UTC), status, or label:NAME.",
)
@click.option("--since", help="7d, 24h, 2w, 90m, or a date such as 2027-01-31.")
@click.option("--ledger", help="Path or URL; default: PROMPTURE_LEDGER, else the usual place.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, for a spreadsheet.")
@click.option("--plot", type=click.Path(dir_okay=False), help="A chart: file.html or file.png.")
@click.option("--reprice", is_flag=True, help="First price the calls again by today's catalog.")
def command(
    by: str, since: str | None, ledger: str | None, as_csv: bool, plot: str | None, reprice: bool
) -> None:
    """Show what the calls in the ledger cost.

    The ledger is on in programs that call prompture.ledger(...) or run with PROMPTURE_LEDGER.
    A price that nobody knows counts in the column "unknown", not as 0 dollars.
    """
    book = Book(ledger)
    start = since_of(since) if since is not None else None
    if reprice:
        _reprice(book, start)
    sums = book.sums(by, since=start)
    if plot is not None:
        _plot(sums, by, Path(plot))
    # A spreadsheet adds up by itself; a line with the total would be counted again.
    rows, columns = _table(sums, by, total=not as_csv)
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(_as_data([columns, *rows]))
    else:
        names = ("seconds", "cached", "failed", "output", "input", "calls", "unknown")
        least = [columns.index(name) for name in names]
        print_table(columns, rows, right=range(1, len(columns)), least=least)
    if not sums:
        click.echo("no calls in the ledger" + (f" since {since}" if since else ""), err=True)
    if book.lost:
        click.echo(f"{book.lost} calls could not be noted and are missing", err=True)
    book.close()


def _as_data(rows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Rows of which a spreadsheet computes nothing: a label may begin like a formula."""
    for row in rows:
        yield [
            f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
            for cell in row
        ]


def _reprice(book: Book, since: datetime | None) -> None:
    done = book.reprice(since=since)
    click.echo(
        f"{done.corrected} of {done.calls} calls have a new price: ${format_usd(done.before)}"
        f" then, ${format_usd(done.after)} now; both are kept",
        err=True,
    )


def _table(
    sums: Sequence[Sum], by: str, *, total: bool
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    repriced = any(s.repriced_usd is not None for s in sums)
    columns = (by.removeprefix("label:"), *_COLUMNS, *(("repriced usd",) if repriced else ()))
    rows = [_cells(s, s.key or "(none)", repriced=repriced) for s in sums]
    if total and len(sums) > 1:
        rows.append(_cells(sum(sums[1:], sums[0]), "total", repriced=repriced))
    return rows, columns


def _cells(one: Sum, name: str, *, repriced: bool) -> tuple[str, ...]:
    cells = (
        name,
        str(one.calls),
        str(one.failed),
        str(one.input_tokens),
        str(one.output_tokens),
        str(one.cache_read_tokens),
        f"{one.seconds:.1f}",
        format_usd(one.usd),
        str(one.unknown),
    )
    if not repriced:
        return cells
    return (*cells, format_usd(one.usd if one.repriced_usd is None else one.repriced_usd))


def _plot(sums: Sequence[Sum], by: str, path: Path) -> None:
    from prompture.cli.plots import draw

    bars = [(s.key or "(none)", s.usd if s.repriced_usd is None else s.repriced_usd) for s in sums]
    draw(
        _every_day(bars) if by == "day" else bars,
        title=f"US dollars by {by.removeprefix('label:')}",
        path=path,
        upright=by == "day",
    )


def _every_day(bars: Sequence[tuple[str, Decimal]]) -> list[tuple[str, Decimal]]:
    """With the days on which nothing was called, so that the axis is even."""
    spent = dict(bars)
    if not spent:
        return []
    first, last = date.fromisoformat(min(spent)), date.fromisoformat(max(spent))
    days = ((first + timedelta(n)).isoformat() for n in range((last - first).days + 1))
    return [(day, spent.get(day, ZERO)) for day in days]
