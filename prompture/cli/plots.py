"""Bar charts of dollars: HTML (nothing else needed) or whatever matplotlib writes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from decimal import Decimal
from html import escape
from pathlib import Path

import click

from prompture.errors import ConfigurationError, MissingExtra
from prompture.money import ZERO, format_usd, short_usd

MOST = 40
"""Bars; the cheapest of more than that are left out of a chart, and it says so."""
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
        kept = kept[-MOST:] if upright else kept[:MOST]
        title += f" ({len(kept)} of {len(bars)})"
    try:
        if path.suffix.lower() in (".html", ".htm"):
            path.write_text(page(kept, title), encoding="utf-8", errors="backslashreplace")
        else:
            _picture(kept, title, path, upright=upright)
    except OSError as exc:
        raise ConfigurationError(f"cannot write {str(path)!r}: {exc.strerror or exc}") from exc
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
    said = [short_usd(usd) for _, usd in bars]
    axes.bar_label(drawn, labels=said, padding=3, fontsize=8, rotation=90 if upright else 0)
    axes.margins(x=None if upright else 0.15, y=0.15 if upright else None)
    axes.set_title(title, parse_math=False)
    with warnings.catch_warnings(record=True) as missing:
        warnings.filterwarnings("always", message="Glyph")
        figure.savefig(path, dpi=150)
    if any("Glyph" in str(warned.message) for warned in missing):
        click.echo(
            "the font lacks some of the names' characters; an .html chart shows them", err=True
        )
