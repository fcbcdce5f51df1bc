"""The command line: ``main`` is the entry point, ``app`` the group of commands.

A command's module is imported when it is called.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

import click

from prompture.cli.console import EPILOG, ReaderGone, run, show_log
from prompture.given import unknown

COMMANDS = {
    "extract": ("extract", "Extract data from files to a schema."),
    "models": ("providers:models", "List models: price, context, capabilities."),
    "providers": ("providers", "List providers: key variables, capabilities."),
    "check": ("providers:check", "Ask providers whether they answer and take the key."),
    "chat": ("chat", "Talk with a model in the terminal; it may call your tools."),
    "cache": ("costs:cache", "What a cache of answers holds; forget it."),
    "costs": ("costs", "What the calls in the ledger cost, by model, day, label, ..."),
    "estimate": ("extract:estimate", "What extracting files would cost, by model; sends nothing."),
    "schema": ("schema", "Show what a provider would be sent for a schema."),
}
"""Module (with the name in it, where that is not ``command``) and one-line help of each command, so
that --help imports none of them."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        home = import_module(f"prompture.cli.{module}")
        command: click.Command = getattr(home, attribute or "command")
        if not any(param.name == "verbose" for param in command.params):
            command.params.append(verbose())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(unknown("command", args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        # click itself would end with the code 1, as for a failure.
        except BrokenPipeError as exc:
            raise ReaderGone from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def verbose() -> click.Option:
    """``-v`` and ``-vv``, which may stand before a command and after it."""
    return click.Option(
        ["-v", "--verbose"],
        count=True,
        expose_value=False,
        callback=_show_log,
        help="Show the log on stderr: waits, retries, models chosen; -vv shows every call.",
    )


def _show_log(ctx: click.Context, param: click.Parameter, count: int) -> None:
    if count:
        show_log(logging.INFO if count == 1 else logging.DEBUG)


@click.group(cls=_Lazy, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="prompture")
@click.option("--config", type=click.Path(), help="Providers of your own: prompture.toml or .yaml.")
def app(config: str | None) -> None:
    """Typed extraction from any model: a validated object, where each value stood, what it cost."""
    if config:
        from prompture.drivers.config import configure

        configure(config)


app.params.append(verbose())


def main() -> None:
    """Run ``prompture``; never returns. Exit codes: see ``prompture --help``."""
    sys.exit(run(app))
