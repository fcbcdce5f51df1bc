"""Whatever a model does, the record of the run is whole, and both colours agree."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from prompture.agents.agent import Agent
from prompture.agents.tools import ToolRetry, tool
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
