"""``prompture chat``, called as a user calls it, with a model of the test's own."""

from __future__ import annotations

import builtins
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from prompture.cli import app
from prompture.cli import console as exits
from prompture.drivers import registry
from prompture.drivers.inprocess import NO_CODEC
from prompture.drivers.provider import Features, Provider
from prompture.errors import RateLimitError
from prompture.types import Completion, Request, ToolCall, Usage

TOOLS = '''
def double(n: int) -> int:
    """Twice as much."""
    return 2 * n
'''


class Parrot:
    """Says what it hears; calls ``double`` where it hears a number."""

    def answer(self, request: Request) -> Completion:
        turn = request.messages[-1]
        usage = Usage(input_tokens=10, output_tokens=5, requests=1, reported=True)
        if turn.text == "fail":
            raise RateLimitError("busy", provider="parrot", status=429)
        if turn.text == "stop":
            raise KeyboardInterrupt
        if turn.role == "user" and turn.text.isdigit() and request.tools:
            call = ToolCall(id="1", name="double", arguments={"n": int(turn.text)})
            return Completion(
                tool_calls=(call,), stop_reason="tool_calls", usage=usage, reasoning="hm"
            )
        return Completion(text=f"{request.model}: {turn.text}", usage=usage)


@pytest.fixture(autouse=True)
def parrot() -> Iterator[None]:
    row = Provider(
        name="parrot",
        codec=NO_CODEC,
        base_url="",
        default_model="grey",
        docs="",
        key_required=False,
        local=True,
        engine=lambda model, **_: Parrot(),
        features=Features(),
    )
    registry.register(row)
    yield
    registry.unregister("parrot")


Chat = Callable[..., tuple[int, str, str]]


@pytest.fixture
def chat(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Chat:
    def call(lines: list[str], *words: str, terminal: bool = False) -> tuple[int, str, str]:
        stdin = io.StringIO("".join(f"{line}\n" for line in lines))
        stdin.isatty = lambda: terminal  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", stdin)
        left = iter(lines)

        def ask(prompt: str = "") -> str:
            try:
                line = next(left)
            except StopIteration:
                raise EOFError from None
            if line == "^C":
                raise KeyboardInterrupt
            return line

        monkeypatch.setattr(builtins, "input", ask)
        monkeypatch.setattr(sys, "argv", ["prompture", "chat", "-m", "parrot/grey", *words])
        code = exits.run(app)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_each_line_is_a_turn(chat: Chat) -> None:
    code, out, err = chat(["hello", "", "again"])
    assert (code, out) == (exits.OK, "grey: hello\ngrey: again\n")
    assert err.count("$0.00 (1 call, 10 in, 5 out)") == 2
    assert "in all: $0.00 (2 calls, 20 in, 10 out)" in err


def test_tools_of_a_file_are_called_and_shown(chat: Chat, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TOOLS)
    code, out, err = chat(["21"], "--tools", f"{path}:double", "--reasoning")
    assert (code, out) == (exits.OK, "grey: 42\n")
    assert '→ double({"n": 21})' in err
    assert "← double: 42" in err
    assert "hm" in err
    assert "(2 calls" in err


def test_tools_of_a_module(chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_for_chat.py").write_text(TOOLS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    _, out, _ = chat(["4"], "-t", "mine_for_chat:double")
    assert out == "grey: 8\n"


def test_calls_may_be_asked_about(chat: Chat, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TOOLS)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr("click.confirm", lambda *_, **__: False)
        _, out, err = chat(["4"], "--tools", f"{path}:double", "--ask", terminal=True)
    assert "the user said no" in out
    assert "✗ double" in err


def test_nobody_is_asked_who_is_not_there(chat: Chat, tmp_path: Path) -> None:
    """Not a line of the input: "y" would run the tool."""
    path = tmp_path / "mine.py"
    path.write_text(TOOLS)
    code, out, err = chat(["4", "y"], "--tools", f"{path}:double", "--ask")
    assert (code, out) == (exits.CONFIGURATION, "")
    assert "--ask needs a terminal" in err


LATER_TOOLS = """
from prompture import tool
from prompture.agents import LATER

@tool(approve=LATER)
def double(n: int) -> int:
    return 2 * n
"""


@pytest.mark.parametrize(("verdict", "shown"), [(True, "grey: 8"), (False, "the user said no")])
def test_a_tool_that_waits_is_asked_about(
    verdict: bool, shown: str, chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(LATER_TOOLS)
    monkeypatch.setattr("click.confirm", lambda *_, **__: verdict)
    _, out, err = chat(["4", "hello"], "--tools", f"{path}:double", terminal=True)
    assert shown in out and "grey: hello" in out and 'double({"n": 4})' in err
    assert "in all: $0.00 (3 calls" in err

    def interrupt(*_: Any, **__: Any) -> bool:
        raise click.Abort

    monkeypatch.setattr("click.confirm", interrupt)
    _, out, err = chat(["4", "hello"], "--tools", f"{path}:double", terminal=True)
    assert out == "grey: hello\n" and "(broken off)" in err
    _, out, err = chat(["4", "hello"], "--tools", f"{path}:double", "--ask", terminal=True)
    assert out == "grey: hello\n" and "(broken off)" in err
    code, out, err = chat(["4"], "--tools", f"{path}:double")  # nobody is there to ask
    assert code != exits.OK and out == "" and "waits for approval" in err


def test_commands(chat: Chat, tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    lines = [
        "hello",
        "/model parrot/green",
        "hello",
        f"/save {path}",
        "/clear",
        f"/load {path}",
        "/cost",
        "/system",
        "/help",
        "/quit",
        "never",
    ]
    code, out, err = chat(lines, "-s", "Be brief.")
    assert (code, out) == (exits.OK, "grey: hello\ngreen: hello\n")
    assert f"saved to {path}" in err and "Be brief." in err and "/model PROVIDER/MODEL" in err
    assert "attempt  model" in err
    saved = json.loads(path.read_text())
    assert [m["content"] for m in saved["messages"]] == [
        "hello",
        "grey: hello",
        "hello",
        "green: hello",
    ]
    before = err[err.index("before: ") :].splitlines()[0]  # of the conversation that was left
    assert "(2 calls" in before
    code, out, _ = chat(["more"], "--load", str(path))
    assert (code, out) == (exits.OK, "grey: more\n")


def test_errors_do_not_end_it(chat: Chat) -> None:
    code, out, err = chat(["fail", "/nonsense", "/model nope/x", "hello"])
    assert out == "grey: hello\n"
    assert "parrot: HTTP 429" in err
    assert "no command '/nonsense'" in err
    assert "no provider 'nope'" in err
    assert code == exits.CONFIGURATION  # of the last one, for scripts


def test_at_a_terminal(chat: Chat) -> None:
    code, out, err = chat(["hello", "^C", "stop", "fail", "again"], terminal=True)
    assert (code, out) == (exits.OK, "grey: hello\ngrey: again\n")
    assert "parrot/grey; /help lists the commands" in err
    assert "(broken off)" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tools", "nothing"], "module:function"),
        (["--tools", "no_such_module_here:f"], "cannot import"),
        (["--tools", "json:nope"], "no function 'nope'"),
        (["--load", "/no/such/file.json"], "cannot read"),
        (["-m", "nope/x"], "no provider 'nope'"),
        (["--max-usd", "much"], "max_usd"),
    ],
)
def test_bad_words(chat: Chat, words: list[str], said: str) -> None:
    code, out, err = chat(["hello"], *words)
    assert (code, out) == (exits.CONFIGURATION, "")
    assert said in err
