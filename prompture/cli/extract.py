"""``prompture extract``: files in, validated objects out, the bill on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click
from pydantic_core import to_jsonable_python

from prompture.cli.exits import OK, SOME_FAILED, code_of
from prompture.cli.schemas import schema_of
from prompture.errors import (
    AuthenticationError,
    BudgetExceeded,
    ConfigurationError,
    MissingExtra,
    MissingKey,
    PromptureError,
    QuotaExhausted,
    SchemaError,
    UnknownModel,
)
from prompture.extraction.extractor import Extractor
from prompture.extraction.result import Extraction
from prompture.money import Bill

_FOR_ALL = (
    AuthenticationError,
    BudgetExceeded,
    MissingExtra,
    MissingKey,
    QuotaExhausted,
    SchemaError,
    UnknownModel,
)
"""What fails one file for these reasons fails the others too: they are not tried."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file's outcome: an extraction or an error."""

    name: str
    found: Extraction[Any] | None
    error: PromptureError | None

    @property
    def value(self) -> Any:
        return to_jsonable_python(self.found.value, by_alias=True) if self.found else None


@click.command("extract")
@click.argument("files", nargs=-1, type=click.Path())
@click.option(
    "-s", "--schema", "schema", required=True, help="models.py:Class, schema.json, or fields."
)
@click.option("-m", "--model", help="provider/model; several with commas make a cascade.")
@click.option(
    "-f",
    "--format",
    "style",
    type=click.Choice(["json", "jsonl", "table"]),
    help="Default: table on a terminal with several files, else json.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write here, not to stdout.")
@click.option("--sources/--no-sources", default=False, help="Add where each value stood.")
@click.option("--instructions", default="", help="Words of yours to the model.")
@click.option(
    "--strategy",
    default="auto",
    type=click.Choice(["auto", "json_schema", "tool", "json_object", "prompt"]),
)
@click.option("--max-retries", default=2, show_default=True, type=click.IntRange(0))
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=click.IntRange(1))
@click.option("--timeout", type=float, help="Seconds to connect and between bytes.")
@click.option("--budget", help="US dollars that all files together may cost.")
@click.option("--quiet", is_flag=True, help="No bill, no progress.")
def command(
    files: tuple[str, ...],
    schema: str,
    model: str | None,
    style: str | None,
    output: str | None,
    sources: bool,
    quiet: bool,
    **options: Any,
) -> int:
    """Extract the data that a SCHEMA describes from FILES (stdin without any, or with -).

    \b
    prompture extract receipt.txt --schema examples/receipt.py:Receipt
    prompture extract *.txt --schema "company, date: date, total: number" --format table
    """
    extractor: Extractor[Any] = Extractor(schema_of(schema), model=_models(model), **options)
    names = list(files) or ["-"]
    style = style or _default_style(names)
    live = style == "jsonl" and output is None
    rows: list[Row] = []
    try:
        for row in _progress(_rows(extractor, names), len(names), quiet=quiet):
            rows.append(row)
            if row.error:
                click.echo(f"prompture: {row.name}: {row.error}", err=True)
            if live:
                _write(_rendered([row], style, sources=sources), None)
    finally:  # what was paid for is written, though the rest is given up
        if not live:
            alone = len(names) == 1
            _write(_rendered(rows, style, sources=sources, alone=alone), output)
        if not quiet:
            click.echo(_bill_line(rows, len(names)), err=True)
    return _exit_code(rows)


def _models(model: str | None) -> str | list[str] | None:
    if model is None or "," not in model or model.startswith("cheapest?"):
        return model
    return [m.strip() for m in model.split(",") if m.strip()]


def _default_style(names: list[str]) -> str:
    return "table" if len(names) > 1 and sys.stdout.isatty() else "json"


def _rows(extractor: Extractor[Any], names: Iterable[str]) -> Iterator[Row]:
    for name in names:
        try:
            yield Row(name, extractor.extract_result(text_of(name)), None)
        except PromptureError as exc:
            yield Row(name, None, exc)
            if isinstance(exc, _FOR_ALL):
                return


def text_of(name: str) -> Any:
    """The file's text; a PDF or a picture as a part for models that read those."""
    if name == "-":
        return sys.stdin.read()
    try:
        data = Path(name).read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"cannot read {name!r}: {exc.strerror or exc}") from exc
    from prompture.media import file, image, media_type_of

    kind = media_type_of(data)
    if kind == "application/pdf":
        return [file(data, name=Path(name).name)]
    if kind:
        return [image(data)]
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        if b"\x00" in data[:4096]:
            raise ConfigurationError(f"{name!r} is binary, not text") from exc
        return data.decode("latin-1")


def _progress(rows: Iterator[Row], total: int, *, quiet: bool) -> Iterator[Row]:
    if quiet or total < 2 or not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("extracting", total=total)
        for row in rows:
            bar.advance(task)
            yield row


def _record(row: Row, sources: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"file": row.name}
    if row.error:
        return {**record, "error": f"{type(row.error).__name__}: {row.error}"}
    record["value"] = row.value
    if sources and row.found:
        record["sources"] = {
            pointer: [[s.start, s.end] for s in spans]
            for pointer, spans in row.found.sources.items()
        }
    return record


def _rendered(rows: list[Row], style: str, *, sources: bool = False, alone: bool = False) -> str:
    """``alone``: one file was asked for, and its value is the whole document."""
    if style == "jsonl":
        return "".join(json.dumps(_record(r, sources), ensure_ascii=False) + "\n" for r in rows)
    if style == "table":
        return _table(rows)
    if alone and not sources:
        if not rows or rows[0].error:
            return ""
        return json.dumps(rows[0].value, ensure_ascii=False, indent=2) + "\n"
    records = [_record(r, sources) for r in rows]
    shown = records[0] if alone and records else records
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def _table(rows: list[Row]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    good = [r.value if isinstance(r.value, dict) else {"value": r.value} for r in rows if r.found]
    columns = list(dict.fromkeys(key for value in good for key in value))
    table = Table()
    for column in ("file", *columns):
        table.add_column(column)
    values = iter(good)
    for row in rows:
        value = next(values) if row.found else {}
        cells = [_cell(value.get(c)) for c in columns]
        table.add_row(Path(row.name).name, *cells, style="red" if row.error else None)
    buffer = StringIO()
    width = None if sys.stdout.isatty() else 160
    Console(file=buffer, width=width, force_terminal=sys.stdout.isatty()).print(table)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return ""
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _write(text: str, output: str | None) -> None:
    """To stdout, or to a file that is there whole or not at all."""
    if output is None:
        stream: TextIO = sys.stdout
        stream.write(text)
        stream.flush()
        return
    from tempfile import NamedTemporaryFile

    target = Path(output)
    try:
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as part:
            part.write(text)
        Path(part.name).replace(target)
    except OSError as exc:
        raise ConfigurationError(f"cannot write {output!r}: {exc.strerror or exc}") from exc


def _bill_line(rows: list[Row], asked: int) -> str:
    bill = Bill()
    for row in rows:
        paid = row.found.cost if row.found else row.error.bill if row.error else None
        bill += paid or Bill()
    models = sorted({row.found.model for row in rows if row.found})
    by = f" by {', '.join(models)}" if models else ""
    failed = sum(row.error is not None for row in rows)
    lost = f", {failed} failed" if failed else ""
    lost += f", {asked - len(rows)} not tried" if asked > len(rows) else ""
    return f"{asked} file{'s' * (asked != 1)}{lost}{by}: {bill}"


def _exit_code(rows: list[Row]) -> int:
    errors = [row.error for row in rows if row.error]
    if not errors:
        return OK
    return code_of(errors[0]) if len(errors) == len(rows) else SOME_FAILED
