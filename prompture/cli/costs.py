"""``prompture costs``: what the calls in the ledger cost, as a table, CSV or chart; and ``prompture
cache``: what a cache of answers has saved, and forgetting it."""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prompture.cli.console import OK, echo, print_table, write_json
from prompture.errors import ConfigurationError, MissingExtra
from prompture.given import why
from prompture.money import ZERO, format_usd, short_usd
from prompture.spend.ledger_query import LedgerReader, Sum, since_of

if TYPE_CHECKING:
    from prompture.drivers.caching import Cache

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
    with closing(LedgerReader(ledger)) as reader:
        start = since_of(since) if since is not None else None
        if reprice:
            _reprice(reader, start)
        sums = reader.sums(by, since=start)
        missing = reader.lost
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
    if missing:
        click.echo(f"{missing} calls could not be noted and are missing", err=True)


def _as_data(rows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Rows of which a spreadsheet computes nothing: a label may begin like a formula."""
    for row in rows:
        yield [
            f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
            for cell in row
        ]


def _reprice(reader: LedgerReader, since: datetime | None) -> None:
    done = reader.reprice(since=since)
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


MOST = 40
"""Bars of a chart; the cheapest of more than that are left out, and its title says how many."""
LONGEST = 60
"""Characters of a name in a picture."""
_STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2rem;max-width:60rem}"
    "table{border-collapse:collapse;width:100%}td{padding:.2rem .5rem;white-space:nowrap}"
    "td.bar{width:70%}td.usd{text-align:right;font-variant-numeric:tabular-nums}"
    "div{background:#3b6ea8;height:1.1rem;border-radius:2px;min-width:1px}"
)


def draw(
    bars: Sequence[tuple[str, Decimal]], *, title: str, path: Path, upright: bool = False
) -> None:
    """Write a chart to ``path``. Raises MissingExtra for pictures without matplotlib."""
    if path.suffix.lower() not in (".html", ".htm", ".png", ".svg", ".pdf"):
        raise click.UsageError(f"--plot writes .html, .png, .svg or .pdf, not {path.suffix!r}")
    kept = list(bars)
    if len(kept) > MOST:
        # Of days the last ones; names come with the dearest first.
        kept = kept[-MOST:] if upright else kept[:MOST]
        title += f" ({len(kept)} of {len(bars)})"
    try:
        if path.suffix.lower() in (".html", ".htm"):
            path.write_text(page(kept, title), encoding="utf-8", errors="backslashreplace")
        else:
            _picture(kept, title, path, upright=upright)
    except OSError as exc:
        raise ConfigurationError(f"cannot write {str(path)!r}: {why(exc)}") from exc
    click.echo(f"wrote {path}", err=True)


def page(bars: Sequence[tuple[str, Decimal]], title: str) -> str:
    """A page of its own with the bars as a table."""
    most = max((usd for _, usd in bars), default=ZERO)
    rows = "\n".join(
        f"<tr><td>{escape(name)}</td><td class=bar>"
        f"<div style='width:{float(usd) / float(most) * 100 if most else 0:.2f}%'></div></td>"
        f"<td class=usd>${format_usd(usd)}</td></tr>"
        for name, usd in bars
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>\n<table>\n{rows}\n</table></html>\n"
    )


def _picture(bars: Sequence[tuple[str, Decimal]], title: str, path: Path, *, upright: bool) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra(
            extra="plot", package="matplotlib", otherwise="; an .html chart needs nothing"
        ) from exc
    names = [name if len(name) <= LONGEST else f"{name[:LONGEST]}..." for name, _ in bars]
    # Lengths of bars, not money: the labels are made of the exact amounts.
    amounts = [float(usd) for _, usd in bars]
    length = max(4.0, 0.35 * len(bars) + 1.5)
    figure = Figure(figsize=(length, 4.5) if upright else (9.0, length), layout="constrained")
    axes = figure.subplots()
    places = list(range(len(bars)))
    if upright:
        drawn = axes.bar(places, amounts, color="#3b6ea8")
        axes.set_xticks(places, names, rotation=60, ha="right", parse_math=False)
        axes.set_ylabel("US dollars")
    else:
        drawn = axes.barh(places, amounts, color="#3b6ea8")
        axes.set_yticks(places, names, parse_math=False)  # a $ is a dollar
        axes.invert_yaxis()
        axes.set_xlabel("US dollars")
    labels = [short_usd(usd) for _, usd in bars]
    axes.bar_label(drawn, labels=labels, padding=3, fontsize=8, rotation=90 if upright else 0)
    axes.margins(x=None if upright else 0.15, y=0.15 if upright else None)
    axes.set_title(title, parse_math=False)
    with warnings.catch_warnings(record=True) as missing:
        warnings.filterwarnings("always", message="Glyph")
        figure.savefig(path, dpi=150)
    if any("Glyph" in str(warned.message) for warned in missing):
        click.echo(
            "the font lacks some of the names' characters; an .html chart shows them", err=True
        )


# ``prompture cache``


@click.group("cache")
def cache() -> None:
    """Look after a cache of answers: FILE is what --cache or Cache(...) was given."""


@cache.command("stats")
@click.argument("where", metavar="FILE")
@click.option("-f", "--format", "style", type=click.Choice(["table", "json"]), default="table")
def stats(where: str, style: str) -> int:
    """How many answers FILE holds, of which models, and what they have saved."""
    found = _opened(where).stats()
    oldest = None if found.oldest is None else datetime.fromtimestamp(found.oldest, UTC)
    since = "" if oldest is None else oldest.isoformat(timespec="seconds")
    if style == "json":
        record = {
            "answers": found.answers,
            "bytes": found.size,
            "hits": found.hits,
            "saved_usd": format_usd(found.saved),
            "oldest": since or None,
            "models": dict(found.models),
        }
        write_json(sys.stdout, [record], indent=2)
        return OK
    rows = [(name, str(count)) for name, count in sorted(found.models.items())]
    print_table(("model", "answers"), [*rows, ("all", str(found.answers))])
    old = f", the oldest of {since}" if since else ""
    echo(
        f"{found.size:,} bytes{old}; {found.hits} hits, which saved ${format_usd(found.saved)}",
        err=True,
    )
    return OK


@cache.command("clear")
@click.argument("where", metavar="FILE")
@click.option("--older-than", help="Only answers of before: 30m, 12h, 7d.")
def clear(where: str, older_than: str | None) -> int:
    """Forget the answers in FILE."""
    count = _opened(where).clear(older_than=older_than)
    echo(f"{count} answer{'s' * (count != 1)} forgotten", err=True)
    return OK


def _opened(where: str) -> Cache:
    from prompture.drivers.caching import Cache

    # A name that was mistyped must make no new file.
    if "://" not in where and not Path(where).expanduser().is_file():
        raise ConfigurationError(f"there is no file {where!r}")
    return Cache(where)
