"""The command line. ``main`` is the entry point; each command is a module of its own."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``prompture``; never returns. Exit codes: see ``prompture --help``."""
    from prompture.cli.app import app
    from prompture.cli.console import run

    sys.exit(run(app))
