"""Whatever a model does, the record of the run is whole, and both colours agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from prompture.agents.agent import Agent
from prompture.agents.resumption import WaitingForApproval
from prompture.agents.tools import LATER, FunctionTool, ToolRetry, tool
from prompture.catalog import Rates
from prompture.drivers.provider import Features
from prompture.errors import PromptureError, RateLimitError
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import Completion, Message, ToolCall, Usage

RATES = Rates(input=Decimal(1), output=Decimal(2))
PAID = Usage(input_tokens=1000, output_tokens=500, requests=1, reported=True)


class End(BaseModel):
    n: int


def double(n: int) -> int:
    return 2 * n


async def adouble(n: int) -> int:
    return 2 * n


def fails(n: int) -> int:
    raise ToolRetry(str(n))


TOOLS = [double, adouble, tool(fails, retries=1)]
calls = st.builds(
    ToolCall,
    id=st.sampled_from(["a", "b", "c", ""]),
    name=st.sampled_from(["double", "adouble", "fails", "nope", "End"]),
    arguments=st.none()
    | st.dictionaries(st.sampled_from(["n", "m"]), st.integers() | st.text(max_size=3), max_size=2),
)
answers = st.builds(
    Completion,
    text=st.sampled_from(["", "text", '{"n": 1}', '{"n": "x"}']),
    reasoning=st.sampled_from(["", "hm"]),
    tool_calls=st.lists(calls, max_size=3).map(tuple),
    stop_reason=st.sampled_from(
        [
            "stop",
            "stop",
            "tool_calls",
            "tool_calls",
            "pause",
            "length",
            "refusal",
            "error",
            "unknown",
        ]
    ),
    usage=st.just(PAID),
)
busy = st.builds(lambda: RateLimitError("busy", provider="scripted", status=429))
scripts = st.lists(st.one_of(answers, answers, answers, busy), max_size=6)
options = st.fixed_dictionaries(
    {
        "output": st.sampled_from([None, End]),
        "strategy": st.sampled_from(["auto", "tool", "prompt"]),
        "max_steps": st.integers(1, 6),
        "max_parallel": st.integers(1, 3),
        "max_retries": st.integers(0, 2),
        "max_tool_calls": st.none() | st.integers(0, 4),
        "max_usd": st.none() | st.sampled_from(["0.003", "0.1"]),
    }
)
FEATURES = Features(schema_dialect="openai-compatible")


def is_whole(messages: tuple[Message, ...]) -> bool:
    """Every call is answered once, in order, right after its turn; no turn is empty."""
    waiting: list[str] = []
    for turn in messages:
        if turn.role == "tool":
            if not waiting or waiting.pop(0) != turn.call_id:
                return False
            continue
        if waiting or not (turn.text or turn.calls or turn.reasoning):
            return False
        waiting = [call.id for call in turn.calls]
    return not waiting


def outcome(run: Any) -> tuple[Any, Any]:
    try:
        result = run()
    except PromptureError as exc:
        return (type(exc), str(exc)), exc.trace
    return result.output, result


def ends(trace: Any) -> list[Any]:
    return [(step.number, [(u.status, u.content) for u in step.tools]) for step in trace.steps]


@given(scripts, options)
@settings(max_examples=150, deadline=None)
def test_any_script(script: list[Any], chosen: dict[str, Any]) -> None:
    script = [*script, *["over"] * 10]
    common: dict[str, Any] = {"prices": RATES, "features": FEATURES}
    driver = ScriptedDriver(script, **common)
    value, trace = outcome(lambda: Agent(driver, tools=TOOLS, **chosen).run("hi"))
    assert is_whole(trace.messages)
    assert len(trace.steps) <= chosen["max_steps"]
    assert [step.number for step in trace.steps] == list(range(1, len(trace.steps) + 1))
    answered = sum(isinstance(a, Completion) for a in script[: len(driver.requests)])
    assert trace.bill.known == Decimal("0.002") * answered
    for request in driver.requests:
        assert is_whole(request.messages)
    other = AsyncScriptedDriver(script, **common)
    avalue, atrace = outcome(lambda: asyncio.run(Agent(other, tools=TOOLS, **chosen).arun("hi")))
    assert avalue == value
    assert atrace.messages == trace.messages
    assert ends(atrace) == ends(trace)
    assert other.requests == driver.requests


class Report(BaseModel):
    total: int


def shop(*, later: bool) -> list[FunctionTool]:
    """Tools that do well, fail and ask for another try; two of them wait for approval."""
    approve: Any = LATER if later else lambda call, context: True

    def look(n: int) -> str:
        return f"seen {n}"

    def again(n: int) -> str:
        raise ToolRetry("try")

    def pay(n: int) -> str:
        return f"paid {n}"

    def fail(n: int) -> str:
        raise RuntimeError("no")

    return [
        tool(look),
        tool(again),
        tool(pay, approve=approve),
        tool(fail, approve=approve, retries=1),
    ]


def end(n: int) -> int:
    if n % 3 == 0:
        raise ToolRetry("another")
    return n


def answers(random: Random, kind: str) -> list[Completion]:
    more = {"function": ["end"], "tool": ["Report"]}.get(kind, [])
    script = []
    for _ in range(random.randint(1, 5)):
        calls = []
        for _ in range(random.randint(1, 4)):
            name = random.choice(["look", "again", "pay", "pay", "fail", "unknown", *more])
            value = random.choice([1, 2, 3, "x"])
            given = {"total" if name == "Report" else "n": value}
            calls.append(
                ToolCall(id=random.choice(["a", "b", "c", ""]), name=name, arguments=given)
            )
        used = Usage(input_tokens=random.randint(1, 99), requests=1, reported=True)
        made = Completion(tool_calls=tuple(calls), stop_reason="tool_calls", usage=used)
        script.append(made)
    last = Completion(text='{"total": 9}', usage=Usage(input_tokens=7, requests=1, reported=True))
    return [*script, *[last] * 9]


def seen(run: Callable[[], Any]) -> tuple[Any, ...]:
    """What is seen of a run, however it ended."""
    try:
        done: Any = run()
        how = repr(done.output)
    except WaitingForApproval:
        raise
    except PromptureError as exc:
        done, how = exc.trace, f"{type(exc).__name__}: {exc}"
    uses = [[(u.call, u.status, u.content) for u in step.tools] for step in done.steps]
    return how, done.messages, done.bill.total, uses, [s.number for s in done.steps], done.new_from


@pytest.mark.parametrize("seed", range(60))
def test_a_run_that_waits_is_the_run_that_does_not(seed: int) -> None:
    """Saved and resumed at each wait, some of the calls at a time."""
    random = Random(seed)
    kind = random.choice(["text", "schema", "tool", "function"])
    script = answers(random, kind)
    options: dict[str, Any] = {
        "max_steps": random.randint(2, 8),
        "max_retries": random.randint(0, 2),
        "max_tool_calls": random.choice([None, random.randint(1, 9)]),
        "max_usd": random.choice([None, "0.0002"]),
        "output": {"schema": Report, "tool": Report, "function": [end]}.get(kind),
        "strategy": "tool" if kind == "tool" else "auto",
    }

    def agent(*, later: bool, after: int = 0) -> Agent[Any]:
        driver = ScriptedDriver(script[after:], prices=Rates(input=Decimal(1), output=Decimal(2)))
        return Agent(driver, tools=shop(later=later), **options)

    wanted = seen(lambda: agent(later=False).run("hi"))
    made, error = 0, None
    while True:
        mine = agent(later=True, after=made)
        try:
            found = seen(
                partial(mine.run, "hi") if error is None else partial(_resume, mine, error, random)
            )
            break
        except WaitingForApproval as exc:
            made, error = made + len(mine.model.requests), exc
    assert found == wanted


def _resume(agent: Agent[Any], error: WaitingForApproval, random: Random) -> Any:
    some = random.sample(list(error.pending), random.randint(1, len(error.pending)))
    return agent.resume(error.saved, dict.fromkeys(some, True))
