"""The examples of docs/money.md, docs/agents.md, docs/page.md and others run as they are printed.

Each page in one namespace, in a folder of its own, with stubs of the providers on loopback (see
``test_readme``). What stands for something of the reader's own is filled in below.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import prompture
import prompture.agents
from prompture import catalog, observe, testing
from prompture.spend import ledger as ledgers
from scripts import handwritten_answers
from tests.loopback import Asked, Reply, json_reply, serving
from tests.test_readme import ROOT, STUBBED, TEXT, answer, run

SERVER = ROOT / "tests" / "agents" / "mcp_server.py"
FILLED_IN = [
    ("model=...", 'model="openai/gpt-5-mini"'),
    ('["npx", "some-mcp-server"]', repr([sys.executable, str(SERVER)])),
    ("npx some-mcp-server", f"{sys.executable} {SERVER}"),
]


ARGUMENTS: dict[str, Any] = {
    "weather": {"city": "Rome"},
    "file_claim": {"amount": 12.0, "reason": "The train was late."},
    "refund": {"order": "A7", "euros": 20},
    "clerk": {"task": "Refund 20 euros for order A7."},
}


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for printed, filled_in in FILLED_IN:
        text = text.replace(printed, filled_in)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def provider(asked: Asked) -> Reply:
    """``answer``, which also counts tokens, and calls the first tool of an agent once."""
    if asked.path.endswith("/input_tokens"):
        return json_reply({"input_tokens": 598})
    body = asked.json() if asked.body else {}
    tools, turns = body.get("tools"), body.get("messages", [])
    is_new = len(turns) < 3 and not body.get("stream")
    if tools and is_new and asked.path.endswith("/chat/completions"):
        offered = [each["function"]["name"] for each in tools]
        return json_reply(_called("refund" if "refund" in offered else offered[0]))
    if tools and "response_format" not in body:
        return handwritten_answers.answer("openai", asked, said="Red.")
    return answer(asked)


def _called(name: str) -> dict[str, Any]:
    arguments = json.dumps(ARGUMENTS.get(name, {"a": 1, "b": 2}))
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 90, "completion_tokens": 12, "total_tokens": 102},
    }


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Asked]]:
    """What the providers were asked."""
    monkeypatch.chdir(tmp_path)
    with serving(provider) as server:
        for name, (key, url, path) in STUBBED.items():
            monkeypatch.setenv(f"{key}_API_KEY", f"{name}-key")
            monkeypatch.setenv(url, f"{server.url}/{name}{path}")
        monkeypatch.setattr("prompture.extraction.model_drivers._kept", {})
        yield server.asked
    catalog.clear_prices()
    for opened in list(ledgers._open.values()):
        opened.close()


def names() -> dict[str, Any]:
    found = {name: getattr(prompture, name) for name in prompture.__all__}
    found |= {name: getattr(prompture.agents, name) for name in prompture.agents.__all__}
    found |= {name: getattr(testing, name) for name in testing.__all__}
    filled: dict[str, Any] = {"prompture": prompture, "text": TEXT}
    code = (ROOT / "examples" / "receipt.py").read_text(encoding="utf-8")
    exec(compile(code, "receipt.py", "exec"), filled)
    filled["Report"] = filled["Receipt"]
    return {**found, **filled}


def test_money(asked: list[Asked], capsys: pytest.CaptureFixture[str]) -> None:
    given = names()
    for block in blocks("money.md", "python"):
        run(block, given)
        catalog.clear_prices()  # those of the reader's own
    said = capsys.readouterr().out
    assert "attempt" in said
    (estimated,) = re.findall("^# (.*: about .*)$", "".join(blocks("money.md", "python")), re.M)
    assert estimated in said
    assert any(a.path.endswith("/input_tokens") for a in asked)
    assert isinstance(given["budget"], prompture.Budget)


def test_agents(asked: list[Asked]) -> None:
    pytest.importorskip("mcp")
    given = names()
    first, *others = blocks("agents.md", "python")
    assert len(others) == 8
    run(first, given)
    assert [use.status for use in given["result"].tool_calls] == ["ok"]
    output = given["result"].output
    for block in others:
        run(block, given)
    assert isinstance(output, given["Report"])
    assert [use.content for use in given["done"].tool_calls] == ["20 euros are on their way"]
    assert given["messages"][given["at"]].text == given["done"].output
    assert given["talk"].messages
    assert Path("talk.json").is_file()


def test_observing(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("opentelemetry.sdk")
    root, ours = logging.getLogger(), logging.getLogger("prompture")
    handlers, level = root.handlers[:], root.level
    given: dict[str, Any] = {}
    try:
        for block in blocks("observing.md", "python"):
            run(block, given)
    finally:
        prompture.uninstrument()
        root.handlers[:] = handlers
        root.setLevel(level)
        ours.setLevel(logging.NOTSET)
    (stated,) = re.findall(r"   # (\[.*\])$", "".join(blocks("observing.md", "python")), re.M)
    assert capsys.readouterr().out == f"{stated}\nscripted 0 $0.00\n"  # traces, and a hook's line


def test_each_event_is_on_the_page() -> None:
    page = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    assert [event for event in get_args(observe.Event) if f"`{event}`" not in page] == []


def test_providers(capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks("providers.md", "python"):
        run(block, {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["/temperature refused", "/max_tokens limit"] and len(printed) == 3


def test_reliability() -> None:
    given = names()
    for block in blocks("reliability.md", "python"):
        run(block, given)


def commands() -> list[str]:
    lines = "\n".join([*blocks("money.md", "sh"), *blocks("page.md", "sh")]).splitlines()
    text = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    chat = re.findall(r"`(prompture chat .*?)`", text)
    assert chat
    return [*(line.partition("#")[0].strip() for line in lines if line.strip()), *chat]


@pytest.mark.parametrize("command", commands())
def test_a_command_line_runs(command: str) -> None:
    """In a folder with a document, the schema, a tool and a ledger."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("mcp")
    Path("scan.txt").write_text(TEXT, encoding="utf-8")
    Path("models.py").symlink_to(ROOT / "examples" / "receipt.py")
    Path("mine.py").write_text("def weather(city: str) -> str:\n    return 'clear'\n", "utf-8")
    ledgers.Ledger("costs.db").close()
    for printed, filled_in in FILLED_IN:
        command = command.replace(printed, filled_in)
    assert command.split()[0] == "prompture"
    done = subprocess.run(
        ["sh", "-c", command.replace("prompture", '"$PYTHON" -m prompture', 1)],
        env={
            **os.environ,
            "PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
            "PROMPTURE_LEDGER": "costs.db",
        },
        input="Hello.\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_page() -> None:
    pytest.importorskip("rapidfuzz")
    given: dict[str, Any] = {}
    for block in blocks("page.md", "python"):
        run(block, given)
    assert 'data-pointer="/total"' in Path("page.html").read_text(encoding="utf-8")
    assert Path("pages.html").read_text(encoding="utf-8").count("<article") == 2
