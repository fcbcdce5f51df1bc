"""``prompture cache``: what a cache of answers holds, and forgetting it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from prompture.cli.console import OK, echo, print_table, write_json
from prompture.drivers.caching import Cache
from prompture.errors import ConfigurationError
from prompture.money import format_usd


@click.group("cache")
def command() -> None:
    """Look after a cache of answers: FILE is what --cache or Cache(...) was given."""


@command.command("stats")
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


@command.command("clear")
@click.argument("where", metavar="FILE")
@click.option("--older-than", help="Only answers of before: 30m, 12h, 7d.")
def clear(where: str, older_than: str | None) -> int:
    """Forget the answers in FILE."""
    count = _opened(where).clear(older_than=older_than)
    echo(f"{count} answer{'s' * (count != 1)} forgotten", err=True)
    return OK


def _opened(where: str) -> Cache:
    # A name that was mistyped must make no new file.
    if "://" not in where and not Path(where).expanduser().is_file():
        raise ConfigurationError(f"there is no file {where!r}")
    return Cache(where)
