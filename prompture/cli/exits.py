"""Exit codes, and errors as one line on stderr."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from prompture.cli.terminal import echo, prepare_streams
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

OK, SOME_FAILED, USAGE, CONFIGURATION, PROVIDER, EXTRACTION, BUDGET = range(7)
INTERRUPTED = 130
EPILOG = (
    "Exit codes: 0 all well; 1 some files failed; 2 wrong usage; 3 configuration (key, model, "
    "schema, file); 4 provider or network; 5 no valid value; 6 budget; 130 interrupted."
)


class ReaderGone(Exception):
    """Nobody reads stdout any more. (Click would end the program with 1 for a BrokenPipeError.)"""


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
    if isinstance(error, MissingKey):
        return text.removesuffix(", or pass api_key=...")
    return text.removesuffix("; if you know better, pass features=... to the driver")


def run(app: click.Command) -> int:
    """Run the command line; errors become a line on stderr and a code."""
    prepare_streams()
    try:
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
        if exc.bill is not None:
            echo(f"spent: {exc.bill}", err=True)
        return code_of(exc)
    except OSError as exc:  # a full disk, mostly: files that commands open have errors of their own
        _drop_stdout()
        where = repr(exc.filename) if exc.filename else "stdout"
        echo(f"prompture: cannot write {where}: {why(exc)}", err=True)
        return CONFIGURATION


def _drop_stdout() -> None:
    """What Python flushes at exit must not complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
