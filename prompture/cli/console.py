"""What every command does with its streams: safe text, JSON, tables, errors and exit codes.

Values, errors of providers, names of models and labels come from outside. On a terminal an escape
sequence in them could set the title, clear the screen or fill the clipboard, and a bidirectional
mark could show a text in another order than it has. So control characters are shown, not obeyed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, TextIO

import click

from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    ExtractionError,
    MissingKey,
    PromptureError,
    ProtocolError,
    ProviderError,
    TransportError,
)
from prompture.given import why

# C0 but tab and line feed, DEL, C1, line separators, bidirectional marks, isolates and overrides.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def plain(text: str) -> str:
    r"""The text with control characters written out: ``\x1b``, ``\u202e``. Line ends stay."""
    return _OBEYED.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def echo(text: str = "", *, err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print: on a terminal with control characters written out, elsewhere as it is.

    ``style`` is click's: fg, bold, dim, ...
    """
    if (sys.stderr if err else sys.stdout).isatty():
        text = plain(text)
    click.echo(click.style(text, **style) if style else text, err=err, nl=nl)


def json_text(value: object, *, indent: int | None = None) -> str:
    r"""JSON for people and programs: other scripts as they are, control characters as ``\u``."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _OBEYED.sub(lambda c: c[0] if c[0] == "\n" else f"\\u{ord(c[0]):04x}", text)


def write_json(stream: TextIO, value: object, *, indent: int | None = None) -> None:
    """Write JSON and a line end; in ASCII where the stream's encoding lacks a character."""
    text = json_text(value, indent=indent) + "\n"
    if not writable(stream, text):  # a Windows code page, or half a surrogate pair
        text = json.dumps(value, indent=indent) + "\n"
    stream.write(text)


def writable(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has all characters of the text."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def prepare_streams() -> None:
    """Let no character that a terminal's encoding lacks end the program, nor a closed stream.

    A shell closes one with ``>&-``. What stands for a closed stdout cannot be written: an answer
    must not vanish.
    """
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stand_in = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - till the end
            setattr(sys, name, stand_in)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


class _LogLines(logging.Handler):
    """Writes the log to stderr as this command line writes all else."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            echo(self.format(record), err=True)
        except (OSError, ValueError):  # a closed stderr ends no work
            self.handleError(record)


def show_log(level: int) -> None:
    """Show the log of ``prompture`` on stderr from this level on, until ``hide_log``."""
    hide_log()
    log, handler = logging.getLogger("prompture"), _LogLines()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(level)


def hide_log() -> None:
    """Take back ``show_log``: a program may run several commands."""
    log = logging.getLogger("prompture")
    for handler in log.handlers[:]:
        if isinstance(handler, _LogLines):
            log.removeHandler(handler)
            log.setLevel(logging.NOTSET)


OK, SOME_FAILED, USAGE, CONFIGURATION, PROVIDER, EXTRACTION, BUDGET = range(7)
INTERRUPTED = 130
EPILOG = (
    "Exit codes: 0 all well; 1 some files failed; 2 wrong usage; 3 configuration (key, model, "
    "schema, file); 4 provider or network; 5 no valid value; 6 budget; 130 interrupted."
)


class ReaderGone(Exception):
    """The reader of stdout has closed it. (For a BrokenPipeError click would exit with 1.)"""


def code_of(error: PromptureError) -> int:
    """The exit code of an error."""
    if isinstance(error, ConfigurationError):
        return CONFIGURATION
    if isinstance(error, (ProviderError, TransportError, ProtocolError)):
        return PROVIDER
    if isinstance(error, ExtractionError):
        return EXTRACTION
    return BUDGET if isinstance(error, BudgetExceeded) else SOME_FAILED


def for_a_shell(error: PromptureError) -> str:
    """The error's message in the words of a command line: there are no arguments in Python."""
    text = str(error)
    # The two messages that end with an argument of a function.
    if isinstance(error, MissingKey):
        return text.removesuffix(", or pass api_key=...")
    return text.removesuffix("; if you know better, pass features=... to the driver")


def run(app: click.Command) -> int:
    """Run the command line; errors become a line on stderr and a code."""
    prepare_streams()
    try:
        # Not click's own way out: the codes and the words of errors are ours.
        result = app.main(standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else OK
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except ReaderGone:
        _drop_stdout()
        return OK
    except PromptureError as exc:
        echo(f"prompture: {for_a_shell(exc)}", err=True)
        # What was spent is shown where nothing came of it, too.
        if exc.bill is not None:
            echo(f"spent: {exc.bill}", err=True)
        return code_of(exc)
    except OSError as exc:  # a full disk, mostly: files that commands open have errors of their own
        _drop_stdout()
        where = repr(exc.filename) if exc.filename else "stdout"
        echo(f"prompture: cannot write {where}: {why(exc)}", err=True)
        return CONFIGURATION
    finally:
        hide_log()
        # What a full disk did not take is still in the buffer, and Python's own flush at exit
        # would fail again: the exit code would be 120, whatever is returned here.
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            _drop_stdout()


def _drop_stdout() -> None:
    """Send stdout to nowhere: Python flushes it at exit, which must not fail a second time."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    terminal is too narrow, columns are left out in the order of ``least``, and stderr names them.
    """
    if not sys.stdout.isatty():  # for cut and awk: one row a line, whole cells
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


def _fitting(widths: Sequence[int], width: int, least: Sequence[int]) -> list[int]:
    """The columns that fit. The first is always shown: it names the row."""
    kept = list(range(len(widths)))
    for i in least:
        if sum(widths[k] + GAP for k in kept) - GAP <= width:
            return kept
        kept.remove(i)
    while len(kept) > 1 and min(widths[0], NAME) + sum(widths[k] + GAP for k in kept[1:]) > width:
        # Still too wide: from the right, where the less telling columns stand.
        kept.pop()
    return kept
