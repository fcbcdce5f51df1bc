"""Wrong values for the arguments of public functions and classes: a ConfigurationError that names
the argument, where it is given. Those of ``extract`` are in test_bad_input, of drivers in drivers/."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prompture
import prompture.agents
from prompture import catalog, errors, schema
from prompture.testing import ScriptedDriver
from prompture.types import ToolCall


def add(a: int, b: int) -> int:
    return a + b


def ask(**options: Any) -> Any:
    return ScriptedDriver(["x"]).generate("Hello", **options)


def _waiting() -> prompture.agents.WaitingForApproval:
    agent = prompture.Agent(
        ScriptedDriver([[ToolCall(id="c", name="add", arguments={"a": 1, "b": 2})]]),
        tools=[add],
        approve=prompture.agents.LATER,
    )
    with pytest.raises(prompture.agents.WaitingForApproval) as caught:
        agent.run("hi")
    return caught.value


WAITING = _waiting()
NO_TEXT = [0, 1.5, True, b"x", Path("x"), object(), ["x"], {"a": 1}]
NO_FUNCTION = ["", "x", 0, True, [print], {"a": 1}, object()]
NO_COUNT = ["", "x", -1, 1.5, True, float("nan"), [], {}, object()]
Row = tuple[Callable[..., Any], str, list[Any]]
ROWS: list[Row] = [
    (lambda text: prompture.ground({"a": "x"}, text), "text", [None, *NO_TEXT]),
    (lambda dialect: schema.rewrite({}, dialect), "dialect", [None, *NO_TEXT]),
    (lambda exact: schema.rewrite({}, exact=exact), "exact", ["yes", 1, [], {}]),
    (catalog.search, "query", NO_TEXT),
    (lambda keep: ScriptedDriver([]).sync_models(keep=keep), "keep", ["no", 1, []]),
    (lambda labels: prompture.ledger("never.db", labels=labels), "labels", [1, "x", ["a"], {1: 2}]),
    (lambda many: prompture.Limits(concurrency=many), "concurrency", ["auto", 0, 1.5, True, []]),
    (lambda again: prompture.Agent().resume(WAITING, {}, again=again), "again", ["no", 1]),
    (lambda allow_changes: prompture.Agent().resume(WAITING, {}, allow_changes=allow_changes),
     "allow_changes", ["no", 0]),
    (catalog.cheapest, "needs", [None, *NO_TEXT]),
    (lambda among: catalog.cheapest(among=among), "among", [0, True, object(), print, [1]]),
    (lambda usage: catalog.cheapest(usage=usage), "usage", ["x", 1, 0, {}, object()]),
    (prompture.bind, "bound", [None, *NO_FUNCTION]),
    (lambda usd: prompture.Budget(usd=usd), "usd", ["x", -1, float("nan"), True, b"1", [], 10**5000]),
    (lambda name: prompture.tool(add, name=name), "name", ["", " ", *NO_TEXT]),
    (lambda description: prompture.tool(add, description=description), "description", NO_TEXT),
    (lambda context: prompture.tool(add, context=context), "context", ["", "c", *NO_TEXT]),
    (lambda timeout: prompture.tool(add, timeout=timeout), "timeout", [0, *NO_COUNT[:3], True, []]),
    (lambda retries: prompture.tool(add, retries=retries), "retries", [None, *NO_COUNT]),
    (lambda max_chars: prompture.tool(add, max_chars=max_chars), "max_chars", [None, 0, *NO_COUNT]),
    (lambda strict: prompture.tool(add, strict=strict), "strict", [None, "yes", 1, []]),
    (lambda on_error: prompture.tool(add, on_error=on_error), "on_error", [None, "", "x", 1, []]),
    (lambda approve: prompture.tool(add, approve=approve), "approve", NO_FUNCTION),
    (lambda approve: prompture.Agent(approve=approve), "approve", NO_FUNCTION),
    (lambda strategy: prompture.Agent(strategy=strategy), "strategy", ["", "x", 1, [], {}]),
    (lambda max_steps: prompture.Agent(max_steps=max_steps), "max_steps", [None, 0, *NO_COUNT]),
    (lambda max_usd: prompture.Agent(max_usd=max_usd), "max_usd", ["x", -1, True, b"1", []]),
    (lambda tools: prompture.Conversation(tools=tools), "tools", [None, "", "x", 0, b"x", {"a": 1}]),
    (lambda summary_model: prompture.Conversation(summary_model=summary_model), "summary_model",
     ["", 0, True, b"x", [], ["openai/gpt-5-mini"], object()]),
    (prompture.MCPServer, "server", [None, 0, True, b"x", Path("x"), [1], {"a": 1}, object()]),
    (lambda max_tokens: ask(max_tokens=max_tokens), "max_tokens", [0, *NO_COUNT]),
    (lambda seed: ask(seed=seed), "seed", ["1", 1.5, True, [], {}]),
    (lambda json_mode: ask(json_mode=json_mode), "json_mode", ["yes", 1, [], {}]),
    (lambda cache: ask(prompt_cache=cache), "prompt_cache", ["", "soon", 1, [], {}]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("give", "name", "value"),
    [(give, name, value) for give, name, values in ROWS for value in values],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_a_wrong_value_is_refused_by_name(give: Callable[..., Any], name: str, value: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=name.replace("_", "[_ ]")):
        give(value)


def test_one_provider_alone_is_among_them() -> None:
    """Not each of its letters."""
    found = catalog.cheapest("cheapest", among="openai")
    assert found and {entry.provider for entry in found} == {"openai"}


@pytest.mark.parametrize(
    "kind",
    [
        prompture.Agent,
        prompture.Budget,
        prompture.Conversation,
        prompture.Extractor,
        prompture.Ledger,
        prompture.MCPServer,
    ],
)
def test_what_was_refused_can_be_shown(kind: type[Any]) -> None:
    """By a traceback with locals, in which it stands as ``self``."""
    assert "half made" in repr(kind.__new__(kind))


def test_a_traceback_with_locals_of_a_refused_option() -> None:
    with pytest.raises(errors.UnknownOption) as caught:
        prompture.extract(dict[str, str], "x", modle="openai/gpt-5-mini")  # type: ignore[call-arg]
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "half made" in "".join(told.format())
