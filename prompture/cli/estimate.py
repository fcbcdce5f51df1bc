"""``prompture estimate``: what files would cost, before anything is sent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import click

from prompture.cli.console import echo, print_table, write_json
from prompture.cli.extract import text_of
from prompture.cli.schema import schema_of
from prompture.extraction.estimate import Counting, Estimate
from prompture.extraction.extractor import Extractor
from prompture.extraction.inputs import Content
from prompture.money import add_usd, format_usd, short_usd
from prompture.types import JSON

_COLUMNS = ("model", "files", "input", "output", "low $", "likely $", "high $", "price from")


@click.command("estimate")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("-s", "--schema", required=True, help="models.py:Class, schema.json, or fields.")
@click.option("-m", "--model", "models", multiple=True, help="Repeat it to compare models.")
@click.option("--instructions", default="", help="Words of yours to the model.")
@click.option("--max-tokens", type=click.IntRange(1))
@click.option(
    "--count",
    type=click.Choice(["local", "provider"]),
    default="local",
    show_default=True,
    help="provider: let it count, which sends it the files (free, needs the key).",
)
@click.option("-f", "--format", "style", type=click.Choice(["table", "json"]), default="table")
def command(
    files: tuple[str, ...],
    schema: str,
    models: tuple[str, ...],
    count: Counting,
    style: str,
    **options: Any,
) -> None:
    """Estimate what extracting a SCHEMA from FILES would cost with each model.

    \b
    prompture estimate *.txt -s examples/receipt.py:Receipt -m openai/gpt-5-mini -m cheapest
    """
    made = schema_of(schema)
    texts = [text_of(name) for name in files]
    sums = [_estimate_all(made, texts, model, count, options) for model in models or (None,)]
    sums.sort(key=lambda r: (r["likely"] is None, r["likely"] or 0))
    if style == "json":
        write_json(sys.stdout, [_plain(r) for r in sums], indent=2)
        return
    print_table(_COLUMNS, [_cells(r) for r in sums], right=range(1, 7), least=(7, 3, 2, 1, 4, 6))
    for reason in sorted({r["reason"] for r in sums if r["reason"]}):
        echo(reason, err=True)


def _estimate_all(
    schema: Any,
    texts: Sequence[Content],
    model: str | None,
    count: Counting,
    options: dict[str, Any],
) -> JSON:
    extractor: Extractor[Any] = Extractor(schema, model=model, **options)
    found = [extractor.estimate(text, count=count) for text in texts]
    return {
        "model": found[0].model,
        "files": len(found),
        "input_tokens": sum(e.input.tokens for e in found),
        "output_tokens": sum(e.output.tokens for e in found),
        **{end: _sum(found, end) for end in ("low", "likely", "high")},
        "source": f"{found[0].source} {found[0].as_of}".strip(),
        "reason": next((e.reason for e in found if e.reason), ""),
    }


def _sum(estimates: Sequence[Estimate], end: str) -> Decimal | None:
    amounts = [getattr(e, end) for e in estimates]
    return None if None in amounts else add_usd(amounts)


def _plain(record: JSON) -> JSON:
    return {k: format_usd(v) if isinstance(v, Decimal) else v for k, v in record.items()}


def _cells(record: JSON) -> tuple[str, ...]:
    amounts = [record[end] for end in ("low", "likely", "high")]
    return (
        record["model"],
        str(record["files"]),
        str(record["input_tokens"]),
        str(record["output_tokens"]),
        *("?" if usd is None else short_usd(usd) for usd in amounts),
        record["source"],
    )
