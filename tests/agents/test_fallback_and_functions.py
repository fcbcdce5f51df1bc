"""Fallback models, output functions, and that each tool call starts and finishes once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from prompture.agents.agent import Agent
from prompture.agents.conversation import Conversation
from prompture.agents.events import (
    ApprovalNeeded,
    Final,
    ModelFallback,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from prompture.agents.signatures import Context
from prompture.agents.tools import ToolRetry, tool
from prompture.catalog import Rates
from prompture.drivers.provider import Features
from prompture.errors import (
    AuthenticationError,
    BudgetExceeded,
    ConfigurationError,
    ConnectionLost,
    ContentFiltered,
    CostLimitExceeded,
    Invalid,
    Overloaded,
    PromptureError,
    QuotaExhausted,
    RateLimitError,
    ReadTimeout,
    Refused,
    TimeLimitExceeded,
    ToolFailed,
    Truncated,
)
from prompture.extraction.model_drivers import Cascade
from prompture.testing import (
    AsyncFunctionDriver,
    AsyncScriptedDriver,
    FunctionDriver,
    ScriptedDriver,
)
from prompture.types import Completion, File, Message, Native, Request, ToolCall, Usage
from tests.agents.both import Colour, call, colours

RATES = Rates(input=Decimal(1), output=Decimal(2))
PAID = Usage(input_tokens=1000, output_tokens=500, requests=1, reported=True)
ONE = Decimal("0.002")


def paid(*calls: ToolCall, text: str = "", **more: Any) -> Completion:
    stop: Any = "tool_calls" if calls else "stop"
    return Completion(text=text, tool_calls=calls, **{"stop_reason": stop, "usage": PAID, **more})


def driver(colour: Colour, answers: Any, model: str = "scripted", **settings: Any) -> Any:
    settings = {"prices": RATES, **settings}
    if callable(answers):
        kind: Any = AsyncFunctionDriver if colour.is_async else FunctionDriver
    else:
        kind = AsyncScriptedDriver if colour.is_async else ScriptedDriver
    made = kind(answers, **settings)
    made.model = model
    return made


def provider_error(kind: Any) -> PromptureError:
    error: PromptureError = kind("no", provider="scripted", status=503)
    return error


def double(n: int) -> int:
    """Twice as much."""
    return 2 * n


DOWN: list[PromptureError] = [
    provider_error(Overloaded),
    provider_error(RateLimitError),
    provider_error(QuotaExhausted),
    provider_error(AuthenticationError),
    provider_error(ContentFiltered),
    ConnectionLost("reset"),
    ReadTimeout("silent"),
]


@colours
@pytest.mark.parametrize("error", DOWN, ids=lambda e: str(type(e).__name__))
def test_the_next_model_goes_on(colour: Colour, error: PromptureError) -> None:
    native = Native("first", {"signature": "s"})
    first = driver(colour, [paid(call("double", n=2), native=native), error], "one")
    second = driver(colour, [paid(call("double", "c9", n=4)), paid(text="8")], "two")
    result = colour.go(Agent([first, second], tools=[double]), "go")
    assert result.output == "8" and result.model == "scripted/two"
    assert [s.model for s in result.steps] == ["scripted/one", "scripted/two", "scripted/two"]
    (attempt,) = result.steps[1].attempts
    assert attempt.model == "scripted/one" and attempt.error.startswith(type(error).__name__)
    assert len(first.requests) == 2 and len(second.requests) == 2  # it stays with the second
    turns = second.requests[0].messages
    assert [m.role for m in turns] == ["user", "assistant", "tool"]
    assert turns[1].native is None and turns[1].calls[0].name == "double"
    assert result.messages[1].native == native  # of use to the next run, which begins with it
    assert result.bill.known == 3 * ONE and len(result.bill.charges) in (3, 4)


@colours
def test_natives_of_the_second_model_go_back_to_it_alone(colour: Colour) -> None:
    mine = Native("second", {"signature": "t"})
    first = driver(colour, [provider_error(Overloaded)], "one")
    second = driver(
        colour,
        [paid(call("double", n=4), native=mine), provider_error(Overloaded)],
        "two",
    )
    third = driver(colour, [paid(text="8")], "three")
    result = colour.go(Agent([first, second, third], tools=[double]), "go")
    assert third.requests[0].messages[1].native is None
    assert all(m.native is None for m in result.messages)
    second = driver(colour, [paid(call("double", n=4), native=mine), paid(text="8")], "two")
    first = driver(colour, [provider_error(Overloaded)], "one")
    result = colour.go(Agent([first, second], tools=[double]), "go")
    assert second.requests[1].messages[1].native == mine
    assert all(m.native is None for m in result.messages)


@colours
def test_files_uploaded_to_one_provider(colour: Colour) -> None:
    turn = Message(role="user", content=(File(id="file-1", name="a.pdf"),))
    first = driver(colour, [provider_error(Overloaded)], "one")
    second = driver(colour, [paid(text="ok")], "two")
    result = colour.go(Agent([first, second]), "read it", messages=[turn])
    # Both are models of one provider, which has the file.
    assert second.requests[0].messages[0].content == turn.content
    assert result.messages[0].content == turn.content


@colours
def test_the_next_run_begins_with_the_first(colour: Colour) -> None:
    first = driver(colour, [provider_error(Overloaded), paid(text="back")], "one")
    second = driver(colour, [paid(text="ok")], "two")
    agent = Agent([first, second])
    assert colour.go(agent).output == "ok"
    assert colour.go(agent).output == "back"


@colours
def test_all_fail(colour: Colour) -> None:
    first = driver(colour, [paid(call("double", n=1)), provider_error(Overloaded)], "one")
    second = driver(colour, [ConnectionLost("reset")], "two")
    with pytest.raises(ConnectionLost) as caught:
        colour.go(Agent([first, second], tools=[double]))
    exc = caught.value
    assert exc.trace is not None and exc.bill is not None
    assert [a.model for a in exc.trace.steps[1].attempts] == ["scripted/one"]
    assert exc.__notes__ == ["tried before: scripted/one: Overloaded: scripted: HTTP 503: no"]
    assert exc.bill.known == ONE and exc.bill.charges[-1].note == "ConnectionLost"


@colours
def test_a_model_that_cannot_be_asked_at_all_is_passed_over(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    result = colour.go(Agent(["openai/gpt-5", driver(colour, [paid(text="ok")], "two")]))
    assert result.output == "ok"
    assert result.steps[0].attempts[0].error.startswith("MissingKey")
    with pytest.raises(ConfigurationError) as caught:
        colour.go(Agent(["openai/gpt-5", "nobody/x"]))
    assert "MissingKey" in caught.value.__notes__[0]


@colours
def test_refusals_and_answers_that_stay_invalid(colour: Colour) -> None:
    refused = paid(text="", stop_reason="refusal", refusal="I will not")
    first = driver(colour, [refused], "one")
    second = driver(colour, [paid(text="x"), paid(text="y")], "two")
    third = driver(colour, [paid(text="7")], "three")
    agent = Agent([first, second, third], output=int, max_retries=1, strategy="prompt")
    result = colour.go(agent)
    assert result.output == 7
    assert result.bill.total == 4 * ONE and len(result.bill.charges) == 4
    errors = [a.error.split(":")[0] for s in result.steps for a in s.attempts]
    assert errors == ["Refused", "Invalid"]
    assert result.steps[1].attempts[0].problems


@colours
def test_what_no_other_model_helps_against(colour: Colour) -> None:
    error = BudgetExceeded("no", spent=ONE, asked=ONE)
    first, second = driver(colour, [error], "one"), driver(colour, [], "two")
    with pytest.raises(BudgetExceeded):
        colour.go(Agent([first, second]))
    assert second.requests == []


@colours
@pytest.mark.parametrize(
    ("kind", "answer", "error"),
    [
        ("invalid", paid(text="x", stop_reason="length"), Truncated),
        ("refused", paid(text="", refusal="no", stop_reason="refusal"), Refused),
        ("unavailable", provider_error(Overloaded), Overloaded),
    ],
)
def test_a_cascade_says_when(colour: Colour, kind: str, answer: Any, error: Any) -> None:
    first, second = driver(colour, [answer], "one"), driver(colour, [paid(text="ok")], "two")
    assert colour.go(Agent(Cascade([first, second], escalate_on=[kind]))).output == "ok"
    others = [each for each in ("invalid", "refused", "unavailable") if each != kind]
    first, second = driver(colour, [answer], "one"), driver(colour, [], "two")
    with pytest.raises(error):
        colour.go(Agent(Cascade([first, second], escalate_on=others)))
    assert second.requests == []


@colours
def test_no_time_is_left(colour: Colour) -> None:
    first, second = driver(colour, [ReadTimeout("silent")], "one"), driver(colour, [], "two")
    agent = Agent([first, second], max_seconds=0.0)
    with pytest.raises(TimeLimitExceeded):
        colour.go(agent)
    assert second.requests == []


@colours
def test_a_lost_call_and_a_limit_in_dollars(colour: Colour) -> None:
    """What it cost is unknown: ``max_usd`` cannot be kept then, a Budget counts the most."""

    def models() -> Any:
        return [
            driver(colour, [ConnectionLost("reset")], "one"),
            driver(colour, [paid(text="fine")], "two"),
        ]

    made = models()
    with pytest.raises(CostLimitExceeded, match=r"no answer arrived.*; budget=\.\.\.,") as caught:
        colour.go(Agent(made, max_usd=1))
    assert caught.value.__notes__ == ["tried before: scripted/one: ConnectionLost: reset"]
    assert made[1].requests == []
    assert colour.go(Agent(models(), budget=1)).output == "fine"


def broken(colour: Colour, before: str) -> Any:
    """A driver whose stream breaks after this text."""
    made = driver(colour, [], "one")

    async def astream(request: Request) -> Any:
        if before:
            from prompture.types import Delta

            yield Delta(text=before)
        raise ConnectionLost("cut off")

    def stream(request: Request) -> Any:
        if before:
            from prompture.types import Delta

            yield Delta(text=before)
        raise ConnectionLost("cut off")

    made.stream = astream if colour.is_async else stream
    return made


@colours
def test_streams_fall_back_before_content_only(colour: Colour) -> None:
    second = driver(colour, [paid(text="whole")], "two", chunk_chars=2)
    events = colour.look(Agent([broken(colour, ""), second]), "hi")
    assert isinstance(events[0], ModelFallback) and events[0].to == "scripted/two"
    assert events[0].attempt.error == "ConnectionLost: cut off"
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "whole"
    assert isinstance(events[-1], Final)
    second = driver(colour, [], "two")
    with pytest.raises(ConnectionLost):
        colour.look(Agent([broken(colour, "ha"), second]), "hi")
    assert second.requests == []


@colours
def test_a_conversation_falls_back(colour: Colour) -> None:
    first = driver(colour, [provider_error(Overloaded), paid(text="me again")], "one")
    talk = Conversation([first, driver(colour, [paid(text="hello")], "two")])
    assert colour.say(talk, "hi") == "hello"
    assert colour.say(talk, "and?") == "me again"
    assert [m.text for m in first.requests[1].messages] == ["hi", "hello", "and?"]


# Output functions


class Report(BaseModel):
    total: int


def file_report(report: Report, title: str = "none") -> str:
    """File the report."""
    if report.total < 0:
        raise ToolRetry("the total must not be negative")
    return f"{title}: {report.total}"


@colours
def test_the_value_of_the_function_is_the_output(colour: Colour) -> None:
    answers = [
        [call("double", n=1)],
        [call("file_report", report={"total": 5}, title="May")],
    ]
    agent = colour.agent(answers, tools=[double], output=file_report)
    result = colour.go(agent)
    assert result.output == "May: 5"
    (use,) = result.steps[-1].tools
    assert (use.status, use.content, use.result) == ("ok", "Accepted.", "May: 5")
    assert result.messages[-1].role == "tool"
    first = colour.driver.requests[0]
    assert [t.name for t in first.tools] == ["double", "file_report"]
    assert first.tool_choice is None
    assert "calling file_report" in first.messages[0].text


@colours
def test_any_object_may_be_the_output(colour: Colour) -> None:
    thing = object()

    async def give(n: int, context: Context[str]) -> object:
        return (thing, n, context.value)

    agent = colour.agent([[call("give", n=3)]], output=[give], context="ctx")
    assert colour.go(agent).output == (thing, 3, "ctx")
    assert colour.driver.requests[0].tool_choice == "give"


@colours
def test_retries_of_output_functions(colour: Colour) -> None:
    answers: list[Any] = [
        "I think it is 5.",
        [call("file_report", report={"total": "many"})],
        [call("file_report", report={"total": -1})],
        [call("file_report", report={"total": 5})],
    ]
    result = colour.run(answers, output=file_report, max_retries=3)
    assert result.output == "none: 5"
    assert [u.status for u in result.tool_calls] == ["invalid", "retry", "ok"]
    assert colour.driver.requests[1].tool_choice == "file_report"
    assert "give it by calling file_report" in colour.driver.requests[1].messages[-1].text
    with pytest.raises(Invalid) as caught:
        colour.run(answers, output=file_report, max_retries=1)
    assert caught.value.problems[0].pointer == "/report/total"
    assert caught.value.trace is not None and len(caught.value.trace.steps) == 2
    with pytest.raises(Invalid, match="must not be negative"):
        colour.run(answers, output=file_report, max_retries=2)
    with pytest.raises(Invalid, match="given by a call of file_report"):
        colour.run(answers, output=file_report, max_retries=0)


@colours
def test_an_output_function_that_raises(colour: Colour) -> None:
    def end(n: int) -> int:
        raise KeyError(n)

    with pytest.raises(ToolFailed, match="output function 'end' raised KeyError") as caught:
        colour.run([[call("end", n=1)]] * 2, output=end, max_retries=1)
    assert isinstance(caught.value.__cause__, KeyError)


@colours
def test_beside_a_schema_and_text(colour: Colour) -> None:
    given: dict[str, Any] = {"output": [file_report, Report], "strategy": "tool"}
    agent = colour.agent([], **given)
    name = agent.setup_for(colour.driver).output.tool.name
    assert colour.run([[call(name, total=3)]], **given).output == Report(total=3)
    answers = [[call("file_report", report={"total": 5})]]
    assert colour.run(answers, **given).output == "none: 5"
    assert colour.run(["just text"], output=[file_report, str]).output == "just text"
    assert colour.run(answers, output=[file_report, str]).output == "none: 5"


@colours
def test_other_calls_come_first_and_one_output_counts(colour: Colour) -> None:
    ran: list[int] = []

    def end(n: int) -> int:
        ran.append(n)
        return n

    def fails() -> None:
        raise ToolRetry("not yet")

    answers = [
        [call("end", "a", n=1), call("fails", "b")],
        [call("end", "c", n=2), call("end", "d", n=3), call("double", "e", n=1)],
    ]
    result = colour.run(answers, tools=[fails, double], output=end)
    assert result.output == 2 and ran == [2]
    statuses = [[u.status for u in s.tools] for s in result.steps]
    assert statuses == [["not_run", "retry"], ["ok", "not_run", "ok"]]


def test_bad_outputs() -> None:
    with pytest.raises(ConfigurationError, match="both a tool and an output function"):
        Agent("openai/gpt-5", tools=[double], output=[double])
    with pytest.raises(ConfigurationError, match="as one union"):
        Agent("openai/gpt-5", output=[double, int, Report])
    with pytest.raises(ConfigurationError, match="two tools"):
        Agent("openai/gpt-5", output=[double, double])


def test_models_without_tools_call_output_functions_too() -> None:
    colour = Colour("sync")
    text = '<tool_call>{"name": "double", "arguments": {"n": 4}}</tool_call>'
    result = colour.run([text], output=double, features=Features(tool_use=False))
    assert result.output == 8


# Events


@colours
def test_each_call_starts_and_finishes_once(colour: Colour) -> None:
    @tool(approve=lambda *_: "no")
    def denied() -> None: ...

    def boom() -> None:
        raise KeyError

    def again() -> None:
        raise ToolRetry("again")

    @tool(timeout=0.001)
    async def slow() -> None:
        await asyncio.sleep(10)

    def end(n: int) -> int:
        if n < 0:
            raise ToolRetry("more")
        return n

    names = ["double", "denied", "boom", "again", "slow", "nobody"]
    first = [
        call(name, f"c{i}", **({"n": 1} if name == "double" else {}))
        for i, name in enumerate(names)
    ]
    broken_call = ToolCall(id="c7", name="double", arguments=None, raw_arguments="{", problem="cut")
    answers = [
        [*first, call("double", "c6", n="x"), broken_call, call("end", "c8", n=1)],
        [call("end", "c9", n=-1)],
        [call("end", "c10", n=1), call("end", "c11", n=2)],
    ]
    tools = [double, denied, boom, again, slow]
    events = colour.events(answers, tools=tools, output=end)
    assert isinstance(events[-1], Final) and events[-1].result.output == 1
    started = [e.call.id for e in events if isinstance(e, ToolStarted)]
    ended = [e.use.call.id for e in events if isinstance(e, ToolFinished)]
    assert sorted(started) == sorted(ended) == sorted(f"c{i}" for i in range(12))
    open_: Counter[str] = Counter()
    for event in events:
        if isinstance(event, ToolStarted):
            open_[event.call.id] += 1
        elif isinstance(event, ToolFinished):
            assert open_[event.use.call.id] == 1
            open_[event.use.call.id] -= 1
    assert not any(isinstance(e, ApprovalNeeded) for e in events)


@colours
def test_an_interrupted_tool_ends_all_that_run(colour: Colour) -> None:
    begun = threading.Event()
    let = threading.Event()

    def interrupted() -> None:
        assert begun.wait(10)
        raise KeyboardInterrupt

    def waits() -> None:
        begun.set()
        let.wait(10)

    agent = colour.agent(
        [[call("interrupted", "a"), call("waits", "b")]], tools=[interrupted, waits]
    )
    seen: list[Any] = []

    async def collect() -> None:
        async for event in agent.astream("hi"):
            seen.append(event)

    with pytest.raises(KeyboardInterrupt):
        if colour.is_async:
            asyncio.run(collect())
        else:
            for event in agent.stream("hi"):
                seen.append(event)
    let.set()
    assert [type(e).__name__ for e in seen] == ["ToolStarted"] * 2 + ["ToolFinished"] * 2
    assert [e.use.status for e in seen[2:]] == ["cancelled"] * 2


# Leftovers


def test_an_async_approver_is_refused_before_anything_is_paid_for() -> None:
    colour = Colour("sync")

    async def approve(*_: Any) -> bool:
        return True

    for options in (
        {"tools": [double], "approve": approve},
        {"tools": [tool(double, approve=approve)]},
        {"output": [tool(double, approve=approve)]},
    ):
        agent = colour.agent([], **options)
        for use in (agent.run, agent.stream):
            with pytest.raises(ConfigurationError, match="coroutine function"):
                use("hi")
        assert colour.driver.requests == []
    talk = Conversation(ScriptedDriver([]), tools=[double], approve=approve)
    with pytest.raises(ConfigurationError, match="coroutine function"):
        talk.stream("hi")


@pytest.mark.parametrize("prompt", ["", None, b"x"])
def test_a_conversation_refuses_a_prompt_at_the_call(prompt: Any) -> None:
    with pytest.raises(ConfigurationError):
        Conversation(ScriptedDriver([])).stream(prompt)
    with pytest.raises(ConfigurationError):
        Conversation(AsyncScriptedDriver([])).astream(prompt)


def test_what_a_hanging_tool_spends_is_on_the_bill_until_the_run_ends() -> None:
    late, over = threading.Event(), threading.Event()

    def answer(request: Request) -> Completion:
        assert late.wait(10)
        return paid(text="late")

    inner = FunctionDriver(answer, prices=RATES)

    @tool(timeout=0.05)
    def hangs() -> None:
        try:
            inner.complete(Request(model="", messages=(Message(role="user", content="x"),)))
        finally:
            over.set()

    def waits() -> str:
        late.set()
        assert over.wait(10)
        return "ok"

    outer = ScriptedDriver([[call("hangs", "a")], [call("waits", "b")], "done"], prices=RATES)
    result = Agent(outer, tools=[hangs, waits]).run("hi")
    assert result.tool_calls[0].status == "timeout" and not result.tool_calls[0].bill.charges
    assert [len(s.bill.charges) for s in result.steps] == [1, 2, 1]


def test_refused_text_that_was_shown_is_not_taken_back() -> None:
    colour = Colour("sync")
    refused = paid(text="I cannot", stop_reason="content_filter")
    first, second = driver(colour, [refused], "one", chunk_chars=3), driver(colour, [], "two")
    with pytest.raises(Refused):
        list(Agent([first, second]).stream("hi"))
    assert second.requests == []
