"""``prompture chat``: talk with a model in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from prompture.agents.conversation import Conversation
from prompture.agents.events import (
    AgentEvent,
    Final,
    ReasoningDelta,
    StepFinished,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from prompture.agents.mcp import MCPServer
from prompture.agents.resumption import WaitingForApproval
from prompture.agents.signatures import Context
from prompture.cli.console import OK, code_of, echo
from prompture.errors import ConfigurationError, PromptureError
from prompture.given import why
from prompture.money import Bill
from prompture.types import ToolCall

SHOWN_CHARS = 200
HELP = """\
/model PROVIDER/MODEL   go on with another model
/system                 show the system turn
/cost                   what the conversation has cost, by call
/save FILE, /load FILE  write or read the conversation as JSON
/clear                  forget what was said
/quit                   leave (so does Ctrl-D; Ctrl-C breaks off an answer)"""


@click.command("chat")
@click.option("-m", "--model", help="provider/model; default as for extract.")
@click.option("-s", "--system", default="", help="The system turn.")
@click.option(
    "-t", "--tools", multiple=True, help="module:function or file.py:function; may be repeated."
)
@click.option("--mcp", multiple=True, help="URL or command of an MCP server; may be repeated.")
@click.option("--ask", is_flag=True, help="Ask before each tool call.")
@click.option("--load", "path", type=click.Path(dir_okay=False), help="Go on with a saved one.")
@click.option("--reasoning/--no-reasoning", default=False, help="Show what the model thinks.")
@click.option("--max-usd", help="Dollars that one turn may cost.")
@click.option("--deadline", type=float, help="Seconds that one turn may take, tools included.")
@click.option("--max-steps", default=25, show_default=True, type=click.IntRange(1))
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=click.IntRange(1))
def command(
    model: str | None,
    system: str,
    tools: tuple[str, ...],
    mcp: tuple[str, ...],
    ask: bool,
    path: str | None,
    reasoning: bool,
    **options: Any,
) -> int:
    """Talk with a model; it may call your tools. Each turn's cost is shown on stderr.

    Without a terminal, each line of stdin is a turn. /help lists the commands.
    """
    if ask and not sys.stdin.isatty():  # a line of the input would be taken for the user's yes
        raise ConfigurationError("--ask needs a terminal: there is nobody to ask")
    servers = [MCPServer(_server(each)) for each in mcp]
    options["tools"] = [*map(_function, tools), *servers]
    options["approve"] = _approve if ask else None
    try:
        if path is not None:
            # Without --system the saved turn stays.
            given = {"system": system} if system else {}
            conversation = Conversation.load(path, model=model, **given, **options)
        else:
            conversation = Conversation(model, system=system, **options)
        return _Chat(conversation, options, reasoning).run()
    finally:
        # The commands of the servers end with the chat, however that ends.
        for server in servers:
            server.close()


def _server(text: str) -> str | list[str]:
    import shlex

    return text if text.startswith(("http://", "https://")) else shlex.split(text)


def _function(text: str) -> Callable[..., Any]:
    """The function that ``module:name`` or ``file.py:name`` names."""
    from prompture.cli.schema import file_module, imported

    home, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier():
        raise ConfigurationError(f"write a tool as module:function or file.py:function: {text!r}")
    if home.endswith(".py"):
        module = file_module(home)
    else:
        module = imported(home)
    found = getattr(module, name, None)
    if not callable(found):
        raise ConfigurationError(f"{home} has no function {name!r}")
    function: Callable[..., Any] = found
    return function


def _approve(call: ToolCall, context: Context[Any] | None = None) -> bool | str:
    # All of it: an attack would stand in what is cut off.
    echo(f"  {_written(call)}", err=True, fg="yellow")
    return click.confirm("  run it?", default=False, err=True) or "the user said no"


def _written(call: ToolCall) -> str:
    arguments = call.raw_arguments or json.dumps(call.arguments, ensure_ascii=False)
    return f"{call.name}({arguments})"


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_CHARS else f"{flat[:SHOWN_CHARS]}…"


class _Chat:
    """The loop: a line in, an answer out."""

    def __init__(
        self, conversation: Conversation, options: dict[str, Any], reasoning: bool
    ) -> None:
        self._talk = conversation
        self._options = options
        self._reasoning = reasoning
        self._terminal = sys.stdin.isatty()
        self._failed = OK

    def run(self) -> int:
        if self._terminal:
            echo(f"{self._talk._name()}; /help lists the commands", err=True)
        while (line := self._line()) is not None:
            text = line.strip()
            if text in ("/quit", "/exit"):
                break
            if text:
                self._do(text)
        if self._talk.bill:
            echo(f"in all: {self._talk.bill}", err=True)
        return OK if self._terminal else self._failed

    def _line(self) -> str | None:
        """The next line; None at the end."""
        if not self._terminal:
            return sys.stdin.readline() or None
        try:
            return input("> ")
        except EOFError:
            click.echo(err=True)
            return None
        except KeyboardInterrupt:
            click.echo(err=True)
            return ""

    def _do(self, text: str) -> None:
        before = len(self._talk.bill.charges)
        try:
            if text.startswith("/"):
                self._command(text)
                return
            self._answer(text)
        except PromptureError as exc:
            echo(f"prompture: {exc}", err=True, fg="red")
            # A script ends with the code of its last turn that failed.
            self._failed = code_of(exc)
        except (KeyboardInterrupt, click.Abort):  # Abort: at the question whether a call may run
            if not self._terminal:  # a script is ended by Ctrl-C, a person only stops the answer
                raise
            click.echo("\n(broken off)", err=True)
        spent = Bill(self._talk.bill.charges[before:])
        if spent:
            echo(f"  {spent}", err=True, dim=True)

    def _answer(self, text: str) -> None:
        events = self._talk.stream(text)
        while True:
            try:
                return self._show(events)
            except WaitingForApproval as exc:  # the tool's own approve=LATER: it is later now
                if not self._terminal:
                    raise
                verdicts = {id: _approve(call) for id, call in exc.pending.items()}
                events = self._talk.resume_stream(exc, verdicts)

    def _show(self, events: Iterator[AgentEvent]) -> None:
        printed = False
        for event in events:
            if isinstance(event, TextDelta):
                echo(event.text, nl=False)
                printed = True
                continue
            # The text ends with no line break of its own.
            if printed and isinstance(event, (ToolStarted, ToolFinished, StepFinished, Final)):
                click.echo()
                printed = False
            self._note(event)

    def _note(self, event: AgentEvent) -> None:
        if isinstance(event, ReasoningDelta) and self._reasoning:
            echo(event.text, nl=False, err=True, dim=True)
        elif isinstance(event, ToolStarted):
            echo(f"  → {_one_line(_written(event.call))}", err=True, fg="cyan")
        elif isinstance(event, ToolFinished):
            use = event.use
            mark, colour = ("←", "cyan") if use.ok else ("✗", "red")
            line = (
                f"  {mark} {use.call.name}: {_one_line(use.message().text)} ({use.seconds:.1f} s)"
            )
            echo(line, err=True, fg=colour)

    def _command(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        rest = rest.strip()
        if name == "/model" and rest:
            for note in self._talk.switch(rest):
                echo(note, err=True)
        elif name == "/system":
            echo(self._talk.system or "(none)", err=True)
        elif name == "/cost":
            echo(self._talk.bill.table(), err=True)
        elif name == "/save" and rest:
            try:
                self._talk.save(rest)
            except OSError as exc:
                raise ConfigurationError(f"cannot write {rest!r}: {why(exc)}") from exc
            click.echo(f"saved to {rest}", err=True)
        elif name == "/load" and rest:
            loaded = Conversation.load(rest, **self._options)
            if self._talk.bill:  # the line at the end is of the loaded conversation
                echo(f"before: {self._talk.bill}", err=True)
            self._talk = loaded
        elif name == "/clear":
            self._talk.clear()
        elif name == "/help":
            click.echo(HELP, err=True)
        else:
            raise ConfigurationError(f"no command {text!r}; /help lists them")
