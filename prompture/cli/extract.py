"""``prompture extract``: files in, validated objects out, the bill on stderr; ``prompture estimate``,
what that would cost."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prompture.cli.console import (
    OK,
    SOME_FAILED,
    code_of,
    echo,
    for_a_shell,
    print_table,
    write_json,
)
from prompture.cli.given_files import (
    GivenFiles,
    ReadHow,
    chunk_options,
    file_options,
    given_files,
)
from prompture.cli.output import AnswerWriter, PageWriter, Row
from prompture.cli.schema import schema_of
from prompture.document_errors import DocumentUnsupported
from prompture.documents import OCR
from prompture.drivers.caching import Cache
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
from prompture.extraction.inputs import Content
from prompture.money import Bill, add_usd, format_usd, short_usd
from prompture.spend.scope import track
from prompture.types import JSON

if TYPE_CHECKING:
    from prompture.extraction.estimate import Counting, Estimate

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
    help="Default: jsonl for -o FILE.jsonl, table for several files on a terminal, else json.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write here, not to stdout.")
@click.option(
    "--sources/--no-sources",
    default=False,
    help="Add where each value stood, and which stand nowhere.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False),
    help="Write a page, too: the documents with the places of all values marked.",
)
@click.option("--instructions", default="", help="Words of yours to the model.")
@click.option(
    "--examples",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSONL with text and value: the four most like a file are shown with it.",
)
@click.option(
    "--require-grounding", is_flag=True, help="Ask again for what does not stand in the text."
)
@click.option("--quotes", is_flag=True, help="The model quotes, to choose between places.")
@click.option(
    "--strategy",
    default="auto",
    type=click.Choice(["auto", "json_schema", "tool", "json_object", "prompt"]),
)
@click.option("--max-retries", default=2, show_default=True, type=click.IntRange(0))
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=click.IntRange(1))
@click.option("--timeout", type=float, help="Seconds to connect and between bytes.")
@click.option("--deadline", type=float, help="Seconds for each file: models, tries, waits, bytes.")
@click.option("--budget", help="US dollars that all files together may cost.")
@click.option("--cache", type=click.Path(), help="Keep answers in this file, and give them again.")
@chunk_options
@file_options
@click.option("--quiet", is_flag=True, help="No bill, no progress.")
def command(
    files: tuple[str, ...],
    schema: str,
    model: str | None,
    style: str | None,
    output: str | None,
    sources: bool,
    page: str | None,
    quiet: bool,
    cache: str | None,
    urls: tuple[str, ...],
    ocr: OCR,
    password: str | None,
    **options: Any,
) -> int:
    """Extract the data that a SCHEMA describes from FILES: documents of all kinds, folders and
    patterns of them (stdin without any, or with -).

    \b
    prompture extract receipt.txt --schema examples/receipt.py:Receipt
    prompture extract *.txt --schema "company, date: date, total: number" --format table
    prompture extract invoices/ 'mail/*.eml' --schema "company, total: number" --html page.html
    """
    if cache is not None:
        options["cache"] = Cache(cache)
    extractor: Extractor[Any] = Extractor(schema_of(schema), model=_models(model), **options)
    # Before the first call: nothing is paid for that has no place to go.
    _refuse_to_overwrite(output, files, "-o")
    _refuse_to_overwrite(page, [*files, *([output] if output else [])], "--html")
    how = ReadHow(ocr, password, quiet)
    given = given_files(files or ([] if urls else ["-"]), urls, how, own=(output, page, cache))
    alone = len(given) == 1 and not given.files[0].from_folder
    if style == "table" and sources:
        raise click.UsageError("a table has no place for --sources; take -f json or jsonl")
    style = style or _default_style(len(given), output, sources=sources)
    rows: list[Row] = []
    page_writer = PageWriter(page) if page is not None else None
    # The whole bill, the call included that Ctrl-C breaks off: an interrupt has no row.
    with track() as spent, AnswerWriter(output, style, sources=sources, alone=alone) as out:
        try:
            for row in _progress(_rows(extractor, given), len(given), shown=not quiet and out.bar):
                rows.append(row)
                for words in [for_a_shell(row.error)] if row.error else row.lost:
                    # Errors of files begin with a name of their own: the path says more.
                    for known in (row.name, Path(row.name).name):
                        words = words.removeprefix(f"{known}: ")
                    echo(f"prompture: {row.name}: {words}", err=True)
                out.add(row)
        finally:  # what was paid for is written, though the rest is given up, and the bill in any case
            with ExitStack() as last:
                if not quiet:
                    last.callback(lambda: echo(_bill_line(rows, given, spent.bill), err=True))
                if page_writer:
                    last.callback(page_writer.write, rows)
                out.finish()
    return _exit_code(rows, len(given))


def _refuse_to_overwrite(output: str | None, files: Iterable[str], option: str) -> None:
    """Raise where what is written would take the place of another file of the call, or has none."""
    if output is None:
        return
    if not output:
        raise ConfigurationError(f"{option} is empty: name a file")
    written = Path(output)
    for name in files:
        # Two that are not there yet are the same by their names.
        is_there = written.is_file() and Path(name).exists()
        is_same = is_there and Path(name).samefile(written)
        if is_same or (not written.exists() and Path(name).resolve() == written.resolve()):
            raise ConfigurationError(f"{option} {output!r} is one of the files of this call")


def _models(model: str | None) -> str | list[str] | None:
    # A wish may have commas of its own: "cheapest?provider=openai,google".
    if model is None or "," not in model or model.startswith("cheapest?"):
        return model
    return [m.strip() for m in model.split(",") if m.strip()]


def _default_style(count: int, output: str | None, *, sources: bool) -> str:
    if output is not None:
        return "jsonl" if output.lower().endswith((".jsonl", ".ndjson")) else "json"
    return "table" if count > 1 and sys.stdout.isatty() and not sources else "json"


def _rows(extractor: Extractor[Any], given: GivenFiles) -> Iterator[Row]:
    for each in list(given):
        try:
            read = given.read(each)
        except DocumentUnsupported as exc:
            if each.from_folder:  # a folder holds what it holds
                given.files.remove(each)
                given.skipped += 1
            else:
                yield Row(each.name, None, exc)
            continue
        except PromptureError as exc:  # other kinds of files may need no such extra
            yield Row(each.name, None, exc)
            continue
        try:
            yield Row(each.name, extractor.extract_result(read), None)
        except PromptureError as exc:
            yield Row(each.name, None, exc)
            # Each further file would only repeat the message.
            if isinstance(exc, _FOR_ALL):
                return


def _progress(rows: Iterator[Row], total: int, *, shown: bool) -> Iterator[Row]:
    if not shown or total < 2 or not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console
    from rich.progress import Progress

    # Answers go where the user sends them: Rich would take stdout over, and print to stderr.
    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("extracting", total=total)
        for row in rows:
            bar.advance(task)
            yield row


def _bill_line(rows: list[Row], given: GivenFiles, bill: Bill) -> str:
    asked = len(given)
    models = sorted({row.found.model for row in rows if row.found})
    by = f" by {', '.join(models)}" if models else ""
    failed = sum(row.error is not None for row in rows)
    lost = f", {failed} failed" if failed else ""
    parts = sum(bool(row.lost) for row in rows)
    lost += f", {parts} in part" if parts else ""
    lost += f", {asked - len(rows)} not done" if asked > len(rows) else ""
    lost += f", {given.skipped} skipped (no kind that is read)" if given.skipped else ""
    return f"{asked} file{'s' * (asked != 1)}{lost}{by}: {bill}"


def _exit_code(rows: list[Row], asked: int) -> int:
    errors = [row.error for row in rows if row.error]
    if not errors:
        return SOME_FAILED if any(row.lost for row in rows) else OK
    if len(rows) < asked:  # the last one ended the run
        return code_of(errors[-1])
    return code_of(errors[0]) if len(errors) == len(rows) else SOME_FAILED


# ``prompture estimate``: what files would cost, before anything is sent.

# In the order in which the eye reads; a narrow terminal leaves some out (see ``least``).
_COLUMNS = ("model", "files", "input", "output", "low $", "likely $", "high $", "price from")


@click.command("estimate")
@click.argument("files", nargs=-1, type=click.Path())
@click.option("-s", "--schema", required=True, help="models.py:Class, schema.json, or fields.")
@click.option("-m", "--model", "models", multiple=True, help="Repeat it to compare models.")
@click.option("--instructions", default="", help="Words of yours to the model.")
@click.option("--examples", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--quotes", is_flag=True, help="As of extract.")
@click.option("--max-tokens", type=click.IntRange(1))
@click.option(
    "--count",
    type=click.Choice(["local", "provider"]),
    default="local",
    show_default=True,
    help="provider: let it count, which sends it the files (free, needs the key).",
)
@click.option("--deadline", type=float, help="Seconds that a provider may take to count a file.")
@click.option("-f", "--format", "style", type=click.Choice(["table", "json"]), default="table")
@chunk_options
@file_options
def estimate(
    files: tuple[str, ...],
    schema: str,
    models: tuple[str, ...],
    count: Counting,
    style: str,
    urls: tuple[str, ...],
    ocr: OCR,
    password: str | None,
    **options: Any,
) -> None:
    """Estimate what extracting a SCHEMA from FILES would cost with each model.

    \b
    prompture estimate *.txt -s examples/receipt.py:Receipt -m openai/gpt-5-mini -m cheapest
    """
    made = schema_of(schema)
    if not files and not urls:
        raise click.UsageError("name the files to estimate, or a --url")
    texts = _texts(given_files(files, urls, ReadHow(ocr, password)))
    sums = [_sums_of(made, texts, model, count, options) for model in models or (None,)]
    # Unknown prices last: unknown is not cheap.
    sums.sort(key=lambda r: (r["likely"] is None, r["likely"] or 0))
    if style == "json":
        write_json(sys.stdout, [_written(r) for r in sums], indent=2)
        return
    print_table(
        _COLUMNS, [_estimate_cells(r) for r in sums], right=range(1, 7), least=(7, 3, 2, 1, 4, 6)
    )
    for reason in sorted({r["reason"] for r in sums if r["reason"]}):
        echo(reason, err=True)


def _texts(given: GivenFiles) -> list[Content]:
    """What the files hold; those of folders that nothing reads are left out."""
    texts: list[Content] = []
    for each in given:
        try:
            texts.append(given.read(each))
        except DocumentUnsupported:
            if not each.from_folder:
                raise
            given.skipped += 1
    if given.skipped:
        echo(f"{given.skipped} skipped (no kind that is read)", err=True)
    if not texts:
        raise ConfigurationError("there is no file to estimate")
    return texts


def _sums_of(
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
    # One unknown price makes the sum unknown, never smaller.
    return None if None in amounts else add_usd(amounts)


def _written(record: JSON) -> JSON:
    return {k: format_usd(v) if isinstance(v, Decimal) else v for k, v in record.items()}


def _estimate_cells(record: JSON) -> tuple[str, ...]:
    amounts = [record[end] for end in ("low", "likely", "high")]
    return (
        record["model"],
        str(record["files"]),
        str(record["input_tokens"]),
        str(record["output_tokens"]),
        *("?" if usd is None else short_usd(usd) for usd in amounts),
        record["source"],
    )
