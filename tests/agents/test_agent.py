"""The loop in both colours: calls, results, failures, limits, events, output."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator

import prompture
from prompture.agents import tool_call
from prompture.agents.agent import Agent
from prompture.agents.events import (
    Final,
    ReasoningDelta,
    StepFinished,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from prompture.agents.signatures import Context
from prompture.agents.tools import ToolRetry, tool
from prompture.catalog import Rates
from prompture.drivers.meter import Meter, active, metering
from prompture.drivers.provider import Features
from prompture.errors import (
    AgentError,
    BudgetExceeded,
    CallLimitExceeded,
    ConfigurationError,
    CostLimitExceeded,
    Invalid,
    InvalidRequest,
    LimitExceeded,
    PromptureError,
    ProtocolError,
    RateLimitError,
    Refused,
    StepLimitExceeded,
    TimeLimitExceeded,
    TokenLimitExceeded,
    ToolArgumentsInvalid,
    ToolFailed,
    Truncated,
    UnknownOption,
)
from prompture.money import Charge
from prompture.spend.budget import Budget
from prompture.spend.scope import track
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import Completion, Image, Message, Native, Request, Tool, ToolCall, Usage
from tests.agents.both import Colour, call, colours

PNG = b"\x89PNG\r\n\x1a\nrest"
RATES = Rates(input=Decimal(1), output=Decimal(2))
PAID = Usage(input_tokens=1000, output_tokens=500, requests=1, reported=True)


def paid(answer: Any) -> Completion:
    """An answer that costs $0.002 at RATES."""
    if isinstance(answer, str):
        return Completion(text=answer, usage=PAID)
    return Completion(tool_calls=tuple(answer), stop_reason="tool_calls", usage=PAID)


@tool
def double(n: int) -> int:
    """Twice as much."""
    return 2 * n


@tool
async def adouble(n: int) -> int:
    """Twice as much, awaited."""
    return 2 * n


def statuses(result: Any) -> list[str]:
    return [use.status for use in result.tool_calls]


def told(colour: Colour) -> list[str]:
    """What the last request's tool turns say."""
    return [m.text for m in colour.driver.requests[-1].messages if m.role == "tool"]


@colours
@pytest.mark.parametrize("used", [double, adouble], ids=["def", "async def"])
def test_call_result_answer(colour: Colour, used: Any) -> None:
    result = colour.run([[call(used.name, n=4)], "8"], "twice 4?", tools=[used])
    assert result.output == "8"
    assert [m.role for m in result.messages] == ["user", "assistant", "tool", "assistant"]
    (use,) = result.tool_calls
    assert (use.status, use.result, use.content, use.arguments) == ("ok", 8, "8", {"n": 4})
    assert use.seconds > 0
    assert [s.number for s in result.steps] == [1, 2]
    first, second = colour.driver.requests
    assert [t.name for t in first.tools] == [used.name]
    turn = second.messages[-1]
    assert (turn.role, turn.call_id, turn.name, turn.is_error) == ("tool", "c1", used.name, False)
    assert result.bill.total == 0 and len(result.bill.charges) == 2


@colours
def test_calls_run_side_by_side_and_results_keep_their_order(colour: Colour) -> None:
    """Each of two tools waits for the other to have begun; the second ends first."""
    begun = [threading.Event(), threading.Event()]
    second_over = threading.Event()

    def first() -> str:
        begun[0].set()
        assert begun[1].wait(10) and second_over.wait(10)
        return "one"

    def second() -> str:
        begun[1].set()
        assert begun[0].wait(10)
        second_over.set()
        return "two"

    result = colour.run([[call("first"), call("second", "c2")], "ok"], tools=[first, second])
    assert [u.content for u in result.tool_calls] == ["one", "two"]
    assert told(colour) == ["one", "two"]


def test_async_tools_run_side_by_side() -> None:
    async def go() -> Any:
        begun = [asyncio.Event(), asyncio.Event()]

        async def first() -> str:
            begun[0].set()
            await begun[1].wait()
            return "one"

        async def second() -> str:
            begun[1].set()
            await begun[0].wait()
            return "two"

        driver = AsyncScriptedDriver([[call("first"), call("second", "c2")], "ok"])
        return await Agent(driver, tools=[first, second]).arun("hi")

    assert [u.content for u in asyncio.run(go()).tool_calls] == ["one", "two"]


@colours
def test_one_at_a_time(colour: Colour) -> None:
    running, most = 0, 0

    def busy(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        running -= 1
        return n

    calls = [call("busy", str(i), n=i) for i in range(6)]
    result = colour.run([calls, "ok"], tools=[busy], max_parallel=1)
    assert most == 1
    assert [u.result for u in result.tool_calls] == list(range(6))


def test_alone_and_without_a_timeout_a_sync_tool_runs_in_the_callers_thread() -> None:
    def where() -> int:
        return threading.get_ident()

    driver = ScriptedDriver([[call("where")], "ok"])
    result = Agent(driver, tools=[where], max_parallel=1, tool_timeout=None).run("hi")
    assert result.tool_calls[0].result == threading.get_ident()


@colours
def test_what_is_wrong_goes_back_to_the_model(colour: Colour) -> None:
    broken = ToolCall(
        id="c3", name="double", arguments=None, raw_arguments="{n: 1", problem="not JSON: x"
    )
    bad = [call("double", "c1", n="lots"), call("nope", "c2"), broken, call("double", "c4", n=1)]
    result = colour.run([bad, "ok"], tools=[double])
    assert statuses(result) == ["invalid", "unknown", "invalid", "ok"]
    invalid, unknown, unread, good = told(colour)
    assert "/n: must be a valid integer" in invalid
    assert "There is no tool 'nope'. There are: double." in unknown
    assert "not JSON" in unread
    assert good == "2"
    turns = [m for m in colour.driver.requests[-1].messages if m.role == "tool"]
    assert [t.is_error for t in turns] == [True, True, True, False]


class Odd(Exception):
    pass


class Mute(Exception):
    def __str__(self) -> str:
        raise Odd("no words")


class MuteRetry(ToolRetry):
    def __str__(self) -> str:
        raise Odd("no words")


def _boom(value: Any) -> Any:
    raise Odd("in a validator")


def _raise(error: BaseException) -> Any:
    raise error


class _Strange(BaseModel):
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise Odd("no dict")


FAILING: list[tuple[Callable[..., Any], str, str]] = [
    (lambda: _raise(ToolRetry("say more")), "retry", "say more"),
    (lambda: 1 / 0, "failed", "ZeroDivisionError: division by zero"),
    (lambda: _raise(KeyError("k")), "failed", "KeyError"),
    (lambda: _raise(Odd("x" * 5000)), "failed", "Odd: xxx"),
    (lambda: _raise(Mute()), "failed", "Mute: (its message cannot be read: Odd)"),
    (lambda: _raise(MuteRetry()), "retry", "cannot be read"),
    (lambda: _raise(StopIteration(5)), "failed", "StopIteration"),
    (lambda: _raise(StopAsyncIteration()), "failed", "StopAsyncIteration"),
    (lambda: _raise(TimeoutError("own")), "failed", "TimeoutError: own"),
    (lambda: _raise(SystemExit(3)), "failed", "SystemExit"),
    (lambda: _raise(GeneratorExit()), "failed", "GeneratorExit"),
    (lambda: _raise(asyncio.CancelledError()), "failed", "CancelledError"),
    (lambda: _raise(RecursionError("deep")), "failed", "RecursionError"),
    (lambda: object(), "failed", "no JSON"),
    (lambda: b"\xff\xfe", "failed", "2 bytes"),
    (lambda: (n for n in ()), "failed", "generator"),
]


@colours
@pytest.mark.parametrize("made", ["def", "async def"])
@pytest.mark.parametrize(("function", "status", "words"), FAILING)
def test_a_tool_that_fails_never_breaks_the_loop(
    colour: Colour, made: str, function: Callable[[], Any], status: str, words: str
) -> None:
    async def fails() -> Any:
        return function()

    used = tool(fails) if made == "async def" else tool(function, name="fails")
    result = colour.run([[call("fails")], "ok"], tools=[used])
    (use,) = result.tool_calls
    assert (result.output, use.status) == ("ok", status)
    (said,) = told(colour)
    assert words in said
    assert len(said) < 1200
    assert isinstance(use.error, BaseException)
    assert use.result is None or words in ("no JSON", "2 bytes", "generator")


@colours
def test_a_validator_that_raises_is_bad_arguments(colour: Colour) -> None:
    def odd(a: Annotated[int, BeforeValidator(_boom)]) -> int:
        return a

    result = colour.run([[call("odd", a=1)], "ok"], tools=[odd])
    assert statuses(result) == ["invalid"]
    assert "in a validator" in told(colour)[0]


@colours
def test_what_the_model_is_told_of_an_exception(colour: Colour) -> None:
    def secret() -> None:
        raise ValueError("password=hunter2")

    hidden = tool(secret, on_error="hide")
    result = colour.run([[call("secret")], "ok"], tools=[hidden])
    assert told(colour) == ["secret failed (ValueError)."]
    assert "hunter2" in str(result.tool_calls[0].error)
    with pytest.raises(ToolFailed, match="'secret' raised ValueError") as caught:
        colour.run([[call("secret")], "ok"], tools=[tool(secret, on_error="raise")])
    assert "hunter2" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.trace is not None
    assert statuses(caught.value.trace) == ["failed"]


@colours
def test_a_tool_that_keeps_failing_is_taken_out_of_use(colour: Colour) -> None:
    ran = 0

    def flaky() -> None:
        nonlocal ran
        ran += 1
        raise ToolRetry("again")

    script = [[call("flaky", f"a{i}"), call("flaky", f"b{i}")] for i in range(5)]
    result = colour.run([*script, "gave up"], tools=[tool(flaky, retries=2)])
    assert ran == 6  # three steps of two
    assert statuses(result) == ["retry"] * 6 + ["not_run"] * 4
    assert "Go on without it" in told(colour)[-1]


@colours
def test_calls_that_were_not_approved_are_no_failures(colour: Colour) -> None:
    script: list[Any] = [[call("double", str(i), n=1)] for i in range(6)]
    asked: list[str] = []

    def approve(wanted: ToolCall, context: Context[Any]) -> bool:
        asked.append(wanted.id)
        return False

    result = colour.run([*script, "end"], tools=[double], approve=approve)
    assert statuses(result) == ["denied"] * 6
    assert len(asked) == 6


@colours
def test_a_success_forgives(colour: Colour) -> None:
    outcomes = iter([False, True, False, True])

    def flaky() -> str:
        if not next(outcomes):
            raise ToolRetry("again")
        return "ok"

    script: list[Any] = [[call("flaky", str(i))] for i in range(4)]
    result = colour.run([*script, "end"], tools=[tool(flaky, retries=1)])
    assert statuses(result) == ["retry", "ok", "retry", "ok"]


@colours
@pytest.mark.parametrize("made", ["def", "async def"])
def test_a_tool_that_hangs_is_left_behind(colour: Colour, made: str) -> None:
    release = threading.Event()
    stopped: list[str] = []

    def hangs() -> None:
        release.wait(30)

    async def ahangs() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            stopped.append("cancelled")
            raise

    used = tool(hangs if made == "def" else ahangs, name="hangs", timeout=0.05)
    began = time.monotonic()
    result = colour.run([[call("hangs"), call("double", "c2", n=2)], "ok"], tools=[used, double])
    assert time.monotonic() - began < 10
    assert statuses(result) == ["timeout", "ok"]
    assert told(colour)[0] == "hangs gave no result within 0.05 seconds."
    if made == "async def" and colour.is_async:
        assert stopped == ["cancelled"]
    release.set()


@colours
def test_hanging_threads_are_bounded(colour: Colour) -> None:
    release = threading.Event()
    begun = 0

    def hangs() -> None:
        nonlocal begun
        begun += 1
        release.wait(30)

    used = tool(hangs, timeout=0.02, retries=100)
    result = colour.run([*[[call("hangs", str(i))] for i in range(8)], "ok"], tools=[used])
    release.set()
    assert begun == tool_call.MAX_HUNG
    assert statuses(result) == ["timeout"] * tool_call.MAX_HUNG + ["failed"] * (
        8 - tool_call.MAX_HUNG
    )
    assert "still busy" in told(colour)[-1]


def test_an_async_tool_that_will_not_be_cancelled_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("prompture.agents.async_runner.GRACE_SECONDS", 0.05)

    async def go() -> Any:
        end = asyncio.Event()

        async def stubborn() -> None:
            while not end.is_set():
                try:
                    await end.wait()
                except asyncio.CancelledError:
                    continue

        driver = AsyncScriptedDriver([[call("stubborn")], "ok"])
        result = await Agent(driver, tools=[tool(stubborn, timeout=0.02)]).arun("hi")
        end.set()
        return result

    assert statuses(asyncio.run(go())) == ["timeout"]


HANGING_PROGRAM = """
import asyncio, threading
from prompture import Agent, tool
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import ToolCall
def hangs():
    threading.Event().wait()
script = [[ToolCall(id="1", name="hangs", arguments={})], "bye"]
options = {"tools": [tool(hangs, timeout=0.05)]}
"""
RUNS = {
    "sync": 'print(Agent(ScriptedDriver(script), **options).run("hi").output)',
    "async": 'print(asyncio.run(Agent(AsyncScriptedDriver(script), **options).arun("hi")).output)',
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_hanging_tool_does_not_hold_up_the_exit(run: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING_PROGRAM + run], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("bye\n", "")


@colours
def test_ten_megabytes_are_cut(colour: Colour) -> None:
    def big() -> str:
        return "x" * 10_000_000

    result = colour.run([[call("big")], "ok"], tools=[tool(big, max_chars=500)])
    (use,) = result.tool_calls
    assert (use.cut, use.result) == (10_000_000, None)
    assert len(told(colour)[0]) < 600


@colours
def test_an_answer_with_thousands_of_calls(colour: Colour) -> None:
    calls = [call("double", str(i), n=i) for i in range(3000)]
    result = colour.run([calls, "ok"], tools=[double])
    assert statuses(result).count("ok") == 128
    assert statuses(result).count("not_run") == 3000 - 128


def _deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"n": made}
    return made


@colours
def test_arguments_nested_without_end(colour: Colour) -> None:
    def takes(n: Any) -> str:
        return "took it"

    deep = ToolCall(id="1", name="takes", arguments=_deep(200_000))
    strict = ToolCall(id="2", name="double", arguments=_deep(5_000))
    result = colour.run([[deep, strict], "ok"], tools=[takes, tool(double.function, strict=True)])
    assert statuses(result) == ["invalid", "invalid"]
    # Such a dict is taken apart level by level, not by the stack.
    for use in result.tool_calls:
        inner: Any = use.call.arguments
        while inner:
            inner = inner.pop("n")


@colours
def test_pictures_go_to_the_model(colour: Colour) -> None:
    def look() -> Image:
        return Image(data=PNG)

    colour.run([[call("look")], "ok"], tools=[look])
    assert colour.driver.requests[-1].messages[-1].parts == (Image(data=PNG),)


@colours
def test_the_context_reaches_tools_and_not_the_model(colour: Colour) -> None:
    seen: list[Context[str]] = []

    def peek(ctx: Context[str]) -> str:
        seen.append(ctx)
        return "seen"

    agent = colour.agent([[call("peek")], "ok"], tools=[peek], context="deep")
    colour.go(agent)
    (ctx,) = seen
    assert (ctx.value, ctx.step, ctx.call.name) == ("deep", 1, "peek")
    assert [m.role for m in ctx.messages] == ["user", "assistant"]
    assert "deep" not in repr(colour.driver.requests)
    other = colour.agent([[call("peek")], "ok"], tools=[peek], context="deep")
    colour.go(other, context="deeper")
    assert seen[-1].value == "deeper"


VERDICTS = [
    (True, "ok", "2"),
    (False, "denied", "The call was not approved."),
    ("too dear", "denied", "The call was not approved: too dear"),
    (None, "denied", "The call was not approved."),
    (1, "denied", "The call was not approved."),
]


@colours
@pytest.mark.parametrize(("verdict", "status", "said"), VERDICTS)
@pytest.mark.parametrize("where", ["agent", "tool"])
def test_approval(colour: Colour, where: str, verdict: Any, status: str, said: str) -> None:
    asked: list[Any] = []

    def approve(asked_for: ToolCall, ctx: Context[Any]) -> Any:
        asked.append((asked_for.name, ctx.value))
        return verdict

    own = tool(lambda n: 2 * n, name="double", approve=approve if where == "tool" else None)
    options: dict[str, Any] = {"approve": approve} if where == "agent" else {}
    result = colour.run([[call("double", n=1)], "ok"], tools=[own], context="c", **options)
    assert asked == [("double", "c")]
    assert statuses(result) == [status]
    assert told(colour) == [said]


def test_an_async_approval() -> None:
    async def approve(asked: ToolCall, ctx: Context[Any]) -> bool:
        return False

    driver = AsyncScriptedDriver([[call("double", n=1)], "ok"])
    agent = Agent(driver, tools=[double], approve=approve)
    assert statuses(asyncio.run(agent.arun("hi"))) == ["denied"]
    sync = Agent(ScriptedDriver([[call("double", n=1)], "ok"]), tools=[double], approve=approve)
    with pytest.raises(ConfigurationError, match="arun"):
        sync.run("hi")


# Limits


def endless(colour: Colour) -> Callable[[Request], Any]:
    return lambda request: paid([call("double", str(len(request.messages)), n=1)])


def _is_whole(messages: tuple[Message, ...]) -> bool:
    """Every call is answered once, right after its turn."""
    waiting: list[str] = []
    for turn in messages:
        if turn.role == "tool":
            if not waiting or waiting.pop(0) != turn.call_id:
                return False
            continue
        if waiting:
            return False
        waiting = [c.id for c in turn.calls]
    return not waiting


LIMITS: list[tuple[dict[str, Any], type[LimitExceeded], int]] = [
    ({"max_steps": 3}, StepLimitExceeded, 3),
    ({"max_steps": 1}, StepLimitExceeded, 1),
    ({"max_tool_calls": 2}, CallLimitExceeded, 3),
    ({"max_tool_calls": 0}, CallLimitExceeded, 1),
    ({"max_total_tokens": 2000}, TokenLimitExceeded, 2),
    ({"max_usd": "0.005"}, CostLimitExceeded, 3),
    ({"max_usd": 0.004}, CostLimitExceeded, 2),
    ({"max_usd": Decimal("0.001")}, CostLimitExceeded, 1),
    ({"max_usd": 0}, CostLimitExceeded, 0),
    ({"max_seconds": 0}, TimeLimitExceeded, 0),
]


@colours
@pytest.mark.parametrize(("options", "error", "steps"), LIMITS)
def test_limits_carry_the_trace(
    colour: Colour, options: Any, error: type[LimitExceeded], steps: int
) -> None:
    with pytest.raises(error) as caught:
        colour.run(endless(colour), tools=[double], prices=RATES, **options)
    exc = caught.value
    assert isinstance(exc, AgentError) and exc.trace is not None
    assert exc.bill is not None
    assert len(exc.trace.steps) == steps == len(colour.driver.requests)
    assert exc.bill.total == Decimal("0.002") * steps
    assert _is_whole(exc.trace.messages)
    if steps:
        assert exc.trace.steps[-1].tools[0].status == "not_run"
        assert exc.trace.steps[-1].error == error.__name__


@colours
def test_a_final_answer_at_the_last_step_is_an_answer(colour: Colour) -> None:
    script = [paid([call("double", n=1)]), paid("2")]
    limits: dict[str, Any] = {"max_steps": 2, "max_total_tokens": 2500, "max_usd": "0.003"}
    assert colour.run(script, tools=[double], prices=RATES, **limits).output == "2"


@colours
def test_an_unknown_usage_ends_a_run_with_a_limit_in_tokens(colour: Colour) -> None:
    script = [Completion(tool_calls=(call("double", n=1),), stop_reason="tool_calls"), "2"]
    assert colour.run(script, tools=[double]).output == "2"
    with pytest.raises(TokenLimitExceeded, match="states no usage"):
        colour.run(script, tools=[double], max_total_tokens=1000)
    # The last answer is paid for: nothing is left to be limited.
    assert colour.run([Completion(text="2")], max_total_tokens=1000).output == "2"


@colours
def test_an_unknown_price_ends_a_run_with_a_limit_in_dollars(colour: Colour) -> None:
    usage = Usage(requests=1)  # the provider reported none
    script = [
        Completion(tool_calls=(call("double", n=1),), stop_reason="tool_calls", usage=usage),
        "2",
    ]
    with pytest.raises(CostLimitExceeded, match="price of a call is unknown"):
        colour.run(script, tools=[double], prices=RATES, max_usd=1)


@colours
@pytest.mark.parametrize("where", ["model", "tool"])
def test_the_wall_clock(colour: Colour, where: str) -> None:
    release = threading.Event()

    def slow(request: Request | None = None) -> Any:
        if where == "model" and colour.is_async:
            return asyncio.get_running_loop().create_future()  # never
        release.wait(0.3)
        return paid([call("hang", str(len(request.messages)))]) if request else "late"

    def hang() -> str:
        release.wait(30)
        return "late"

    answers: Any = slow if where == "model" else [[call("hang"), call("double", "c2", n=1)], "x"]
    began = time.monotonic()
    with pytest.raises(TimeLimitExceeded) as caught:
        colour.run(answers, tools=[hang, double], max_seconds=0.2, tool_timeout=None)
    release.set()
    assert time.monotonic() - began < 10
    trace = caught.value.trace
    assert trace is not None and len(trace.steps) == 1
    assert _is_whole(trace.messages)
    if where == "tool":
        assert statuses(trace) == ["timeout", "ok"]


@colours
def test_a_request_gets_no_more_seconds_than_are_left(colour: Colour) -> None:
    colour.run(["ok"], max_seconds=5, timeout=60)
    assert 0 < colour.driver.requests[0].timeout <= 5
    colour.run(["ok"], timeout=60)
    assert colour.driver.requests[0].timeout == 60


class Stop(Meter):
    """Refuses calls after the first few, and counts those that it let pass."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.charges: list[Charge] = []

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        if not self.left:
            raise BudgetExceeded("no more", spent=Decimal(0), asked=None)
        self.left -= 1
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        self.charges.append(charge)


@colours
def test_a_budget_stops_the_run_and_the_error_has_the_trace(colour: Colour) -> None:
    budget = Stop(2)
    with pytest.raises(BudgetExceeded) as caught:
        colour.run(endless(colour), tools=[double], prices=RATES, budget=budget)
    trace = caught.value.trace
    assert trace is not None and len(trace.steps) == 3
    assert trace.bill.total == Decimal("0.004")
    assert caught.value.bill == trace.bill
    assert len(budget.charges) == 2
    assert _is_whole(trace.messages)


@colours
def test_calls_inside_tools_are_on_the_bill_and_seen_by_meters(colour: Colour) -> None:
    inner_budget, outer = Stop(100), Stop(100)

    def ask() -> str:
        inner = ScriptedDriver([paid("inner")], prices=RATES)
        assert inner_budget in active() and outer in active()
        return inner.generate("q").text

    script = [[call("ask"), call("ask", "c2")], paid("end")]
    with metering(outer):
        result = colour.run(script, tools=[ask], prices=RATES, budget=inner_budget)
    assert [u.bill.total for u in result.tool_calls] == [Decimal("0.002")] * 2
    assert result.steps[0].bill.total == Decimal("0.004")
    assert result.bill.total == Decimal("0.006")
    assert result.usage.total_tokens == 3 * 1500
    assert len(inner_budget.charges) == len(outer.charges) == 4


@colours
def test_a_budget_that_is_used_up_inside_a_tool_ends_the_run(colour: Colour) -> None:
    def ask() -> str:
        return ScriptedDriver(["inner"]).generate("q").text

    class StopSecond(Stop):
        """What is left does not do for the second call, but would for the third."""

        asked = 0

        def before(self, request: Request, driver: Any) -> tuple[Request, object]:
            self.asked += 1
            self.left = self.asked != 2
            return super().before(request, driver)

    with pytest.raises(BudgetExceeded) as caught:
        colour.run([[call("ask")], "end"], tools=[ask], budget=StopSecond(9))
    assert caught.value.trace is not None
    assert statuses(caught.value.trace) == ["failed"]
    assert len(colour.driver.requests) == 1


@colours
def test_what_a_hanging_tool_spent_is_on_the_bill(colour: Colour) -> None:
    release = threading.Event()

    def hangs() -> None:
        ScriptedDriver([paid("inner")], prices=RATES).generate("q")
        release.wait(30)

    script = [[call("hangs")], paid("end")]
    result = colour.run(script, tools=[tool(hangs, timeout=0.2)], prices=RATES)
    release.set()
    assert statuses(result) == ["timeout"]
    assert result.bill.total == Decimal("0.004")


def test_what_a_cancelled_tool_spent_is_on_the_bill() -> None:
    async def go() -> Any:
        begun = asyncio.Event()

        async def slow() -> None:
            await AsyncScriptedDriver([paid("inner")], prices=RATES).generate("q")
            begun.set()
            await asyncio.get_running_loop().create_future()

        agent = Agent(AsyncScriptedDriver([[call("slow")]], prices=RATES), tools=[slow])
        task = asyncio.create_task(agent.arun("hi"))
        await begun.wait()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as exc:
            return exc.trace  # type: ignore[attr-defined]

    assert asyncio.run(go()).bill.total == Decimal("0.002")


@colours
def test_a_budget_in_dollars_holds(colour: Colour) -> None:
    """Calls inside tools are reserved and counted too."""

    def ask() -> str:
        return ScriptedDriver([paid("inner")], prices=RATES).generate("q").text

    def answer(request: Request) -> Any:
        return paid([call("ask", str(len(request.messages)))])

    with track() as tracked, pytest.raises(BudgetExceeded) as caught:
        colour.run(answer, tools=[ask], prices=RATES, budget=Budget(usd="0.0085"), max_tokens=500)
    trace = caught.value.trace
    assert trace is not None
    assert trace.bill.total == tracked.cost
    assert Decimal("0.004") <= trace.bill.known <= Decimal("0.0085")
    assert _is_whole(trace.messages)


@colours
@pytest.mark.parametrize("amount", [Decimal("0.005"), "0.005", "$0.005", 0.005])
def test_an_amount_is_a_budget_of_all_runs(colour: Colour, amount: Any) -> None:
    agent = colour.agent(
        [paid("one"), paid("two"), paid("three")], prices=RATES, budget=amount, max_tokens=500
    )
    colour.go(agent)
    colour.go(agent)
    with pytest.raises(BudgetExceeded):
        colour.go(agent)
    assert len(colour.driver.requests) == 2


@colours
def test_an_agent_as_a_tool(colour: Colour) -> None:
    inner = colour.agent([paid("forty-two")], prices=RATES)
    helper = inner.as_tool(name="helper", description="Knows things.")
    budget = Stop(10)
    outer = colour.agent(
        [[call("helper", task="q")], paid("42")], tools=[helper], prices=RATES, budget=budget
    )
    result = colour.go(outer)
    assert result.tool_calls[0].content == "forty-two"
    assert result.bill.total == Decimal("0.004")
    assert len(budget.charges) == 3


# Ends that are no answer

ENDS: list[tuple[Completion, type[PromptureError], str]] = [
    (Completion(stop_reason="refusal", refusal="no"), Refused, "declined to answer: no"),
    (Completion(text="x", stop_reason="content_filter"), Refused, "content filter"),
    (Completion(text="x", stop_reason="length"), Truncated, "cut off after 0 tokens"),
    (Completion(text="x", stop_reason="context_window"), Truncated, "context window"),
    (Completion(stop_reason="error", raw_stop="OTHER"), ProtocolError, "OTHER"),
    (Completion(stop_reason="cancelled"), ProtocolError, "cancelled"),
]


@colours
@pytest.mark.parametrize(("end", "error", "words"), ENDS)
def test_ends_that_are_no_answer(
    colour: Colour, end: Completion, error: type[PromptureError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        colour.run([[call("double", n=1)], end], tools=[double])
    trace = caught.value.trace
    assert trace is not None and caught.value.partial is not None
    assert [s.number for s in trace.steps] == [1, 2]
    assert statuses(trace) == ["ok"]
    assert [m.role for m in trace.messages] == ["user", "assistant", "tool"]


@colours
def test_a_pause_goes_on(colour: Colour) -> None:
    """As Anthropic's ``pause_turn``: the turn goes back as it came, without a user's turn."""
    native = Native("scripted", [{"type": "server_tool_use"}])
    script = [
        Completion(text="Let me look. ", stop_reason="pause", native=native),
        Completion(text="Found.", stop_reason="stop"),
    ]
    result = colour.run(script)
    assert result.output == "Let me look. Found."
    turn = colour.driver.requests[1].messages[-1]
    assert (turn.role, turn.native) == ("assistant", native)


@colours
def test_errors_of_the_provider_carry_the_trace(colour: Colour) -> None:
    error = RateLimitError("busy", provider="scripted", status=429)
    with pytest.raises(RateLimitError) as caught:
        colour.run([paid([call("double", n=1)]), error], tools=[double], prices=RATES)
    assert caught.value is error
    assert error.trace is not None and statuses(error.trace) == ["ok"]
    assert error.bill is not None and error.bill.total == Decimal("0.002")


@colours
def test_a_run_goes_on_from_the_trace_of_an_error(colour: Colour) -> None:
    with pytest.raises(StepLimitExceeded) as caught:
        colour.run(endless(colour), tools=[double], max_steps=2)
    trace = caught.value.trace
    assert trace is not None
    again = colour.run(["done"], None, messages=trace.messages, tools=[double])
    assert again.output == "done"
    assert again.messages[: len(trace.messages)] == trace.messages
    assert [m.text for m in again.new_messages] == ["done"]


@colours
def test_what_the_provider_rejects_of_the_model_is_asked_for_again(colour: Colour) -> None:
    rejected = ToolArgumentsInvalid("bad call", provider="scripted", status=400)
    assert colour.run([rejected, rejected, "ok"], tools=[double]).output == "ok"
    with pytest.raises(ToolArgumentsInvalid):
        colour.run([rejected] * 3, tools=[double])


@colours
def test_what_the_provider_rejects_counts_for_the_limits(colour: Colour) -> None:
    rejected = ToolArgumentsInvalid("bad call", provider="scripted", status=400)
    rejected.partial = Completion(text="x", raw_stop="stop", usage=PAID)
    with pytest.raises(TokenLimitExceeded) as caught:
        colour.run([rejected] * 3, tools=[double], max_total_tokens=1000, max_steps=1)
    assert len(colour.driver.requests) == 1
    assert caught.value.bill is not None and caught.value.bill.usage.total_tokens == 1500


def test_cancelling_stops_async_tools_and_carries_the_trace() -> None:
    async def go() -> asyncio.CancelledError:
        begun, ended = asyncio.Event(), []

        async def slow() -> None:
            begun.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append("stopped")

        script = [[call("double", n=1)], [call("slow", "c2"), call("double", "c3", n=2)], "never"]
        agent = Agent(AsyncScriptedDriver(script), tools=[slow, double])
        task = asyncio.create_task(agent.arun("hi"))
        await begun.wait()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as exc:
            # Here, as the end of the loop would stop what was left over.
            assert ended == ["stopped"]
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return exc
        raise AssertionError("it was not cancelled")

    error = asyncio.run(go())
    trace = error.trace  # type: ignore[attr-defined]
    assert statuses(trace)[:2] == ["ok", "cancelled"]
    assert _is_whole(trace.messages)
    assert trace.steps[-1].error == "CancelledError"


def test_cancelling_while_the_model_thinks() -> None:
    async def go() -> Any:
        asked = asyncio.Event()

        async def forever(request: Request) -> Any:
            asked.set()
            await asyncio.get_running_loop().create_future()

        from prompture.testing import AsyncFunctionDriver

        task = asyncio.create_task(Agent(AsyncFunctionDriver(forever)).arun("hi"))
        await asked.wait()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as exc:
            return exc.trace  # type: ignore[attr-defined]

    trace = asyncio.run(go())
    assert [s.error for s in trace.steps] == ["CancelledError"]


def test_an_interrupt_carries_the_trace() -> None:
    def interrupt(request: Request) -> Any:
        raise KeyboardInterrupt

    from prompture.testing import FunctionDriver

    with pytest.raises(KeyboardInterrupt) as caught:
        Agent(FunctionDriver(interrupt)).run("hi")
    assert caught.value.trace.steps[0].error == "KeyboardInterrupt"  # type: ignore[attr-defined]
    assert caught.value.bill == caught.value.trace.bill  # type: ignore[attr-defined]


# Events


def kinds(events: list[Any]) -> list[str]:
    """The events' names, one for a run of the same."""
    names = [type(e).__name__ for e in events]
    return [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n]


SHAPE = ["ReasoningDelta", "TextDelta", "ToolStarted", "ToolFinished", "StepFinished"]


@colours
@pytest.mark.parametrize("streaming", [True, False], ids=["streams", "whole"])
def test_events_tell_what_happens(colour: Colour, streaming: bool) -> None:
    first = Completion(
        text="Let me compute that.",
        reasoning="I should use the tool.",
        tool_calls=(call("double", n=4),),
        stop_reason="tool_calls",
    )
    features = Features(streaming=streaming)
    events = colour.events([first, "It is 8."], tools=[double], features=features)
    assert kinds(events) == [*SHAPE, "TextDelta", "StepFinished", "Final"]
    texts = "".join(e.text for e in events if isinstance(e, TextDelta))
    assert texts == "Let me compute that.It is 8."
    reasons = [e for e in events if isinstance(e, ReasoningDelta)]
    assert "".join(e.text for e in reasons) == "I should use the tool."
    assert len(reasons) > 1 or not streaming
    started = next(e for e in events if isinstance(e, ToolStarted))
    finished = next(e for e in events if isinstance(e, ToolFinished))
    assert (started.call.name, finished.use.result, finished.step) == ("double", 8, 1)
    steps = [e.step for e in events if isinstance(e, StepFinished)]
    assert isinstance(events[-1], Final)
    assert events[-1].result.steps == tuple(steps)
    assert events[-1].result.output == "It is 8."


def test_leaving_the_events_ends_the_run() -> None:
    script = [Completion(text="word " * 50, usage=PAID), "never"]
    budget = Stop(5)
    events = Agent(ScriptedDriver(script), budget=budget).stream("hi")
    assert isinstance(next(iter(events)), TextDelta)
    assert active() == ()  # the caller's own calls in between are not this run's
    events.close()  # type: ignore[attr-defined]
    assert len(budget.charges) == 1

    async def go() -> list[str]:
        ended: list[str] = []
        begun = asyncio.Event()

        async def slow() -> None:
            begun.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append("stopped")

        agent = Agent(AsyncScriptedDriver([[call("slow")], "never"]), tools=[slow])
        told = agent.astream("hi")
        async for event in told:
            if isinstance(event, ToolStarted):
                await begun.wait()
                break
        await told.aclose()  # type: ignore[attr-defined]
        return ended

    assert asyncio.run(go()) == ["stopped"]


# Typed output


class Answer(BaseModel):
    n: int
    tags: dict[str, int] = {}


GOOD = '{"n": 8, "tags": {"a": 1}}'
VALUE = Answer(n=8, tags={"a": 1})


def final(text: str = GOOD) -> ToolCall:
    import json

    return ToolCall(id="f", name="Answer", arguments=json.loads(text), raw_arguments=text)


OUTPUTS: list[tuple[Features, str, bool, Any, str]] = [
    # features, strategy, tools, the right answer, the strategy that is used
    (Features(schema_dialect="openai-compatible"), "auto", True, GOOD, "json_schema"),
    (Features(schema_dialect="openai-compatible"), "auto", False, GOOD, "json_schema"),
    (
        Features(schema_with_tools=False, schema_dialect="openai-compatible"),
        "auto",
        True,
        [final()],
        "tool",
    ),
    (
        Features(json_schema=False, schema_dialect="openai-compatible"),
        "auto",
        False,
        [final()],
        "tool",
    ),
    (Features(json_schema=False, forced_tool=False), "auto", False, GOOD, "json_object"),
    (Features(tool_use=False), "auto", True, GOOD, "prompt"),
    (Features(schema_dialect="openai-compatible"), "prompt", True, f"Here: {GOOD}", "prompt"),
]


@colours
@pytest.mark.parametrize(("features", "strategy", "tools", "answer", "used"), OUTPUTS)
def test_typed_output_by_every_strategy(
    colour: Colour, features: Features, strategy: str, tools: bool, answer: Any, used: str
) -> None:
    agent = colour.agent(
        [answer],
        features=features,
        strategy=strategy,
        tools=[double] if tools else [],
        output=Answer,
    )
    setup = agent.setup_for(colour.driver)
    assert setup.output is not None and setup.output.plan.strategy == used
    result = colour.go(agent)
    assert result.output == VALUE
    assert _is_whole(result.messages)
    assert statuses(result) == []


@colours
@pytest.mark.parametrize("strategy", ["json_schema", "tool"])
def test_an_invalid_output_is_asked_for_again(colour: Colour, strategy: str) -> None:
    bad: Any = '{"n": "lots"}' if strategy == "json_schema" else [final('{"n": "lots"}')]
    good: Any = GOOD if strategy == "json_schema" else [final()]
    features = Features(schema_dialect="openai-compatible")
    options: dict[str, Any] = {"output": Answer, "strategy": strategy, "features": features}
    result = colour.run([[call("double", n=4)], bad, good], tools=[double], **options)
    assert result.output == VALUE
    complaint = colour.driver.requests[-1].messages[-1]
    assert complaint.role == ("user" if strategy == "json_schema" else "tool")
    assert "/n: must be" in complaint.text
    assert _is_whole(result.messages)
    with pytest.raises(Invalid, match="/n") as caught:
        colour.run([bad] * 3, tools=[double], **options)
    assert len(colour.driver.requests) == 3
    assert caught.value.trace is not None and _is_whole(caught.value.trace.messages)


@colours
def test_text_instead_of_the_final_call_is_asked_for_by_name(colour: Colour) -> None:
    features = Features(schema_dialect="openai-compatible")
    result = colour.run(
        ["It is eight.", [final()]],
        tools=[double],
        output=Answer,
        strategy="tool",
        features=features,
    )
    assert result.output == VALUE
    first, second = colour.driver.requests
    assert (first.tool_choice, second.tool_choice) == (None, "Answer")


@colours
def test_the_final_call_beside_others(colour: Colour) -> None:
    features = Features(schema_dialect="openai-compatible")
    options: dict[str, Any] = {"output": Answer, "strategy": "tool", "features": features}
    ran: list[int] = []

    def note(n: int) -> str:
        if n == 0:
            raise ToolRetry("not 0")
        ran.append(n)
        return "noted"

    both = [call("note", n=1), final()]
    result = colour.run([both], tools=[note], **options)
    assert (result.output, ran, statuses(result)) == (VALUE, [1], ["ok"])
    assert _is_whole(result.messages)
    failing = [call("note", n=0), final()]
    result = colour.run([failing, [final()]], tools=[note], **options)
    assert statuses(result) == ["retry"]
    assert "Other calls failed" in result.messages[3].text
    twice = [final(), ToolCall(id="g", name="Answer", arguments={"n": 1})]
    result = colour.run([twice, [final()]], tools=[note], **options)
    assert (result.output, len(result.steps)) == (VALUE, 2)
    assert _is_whole(result.messages)


@colours
def test_a_tool_may_have_the_name_of_the_output(colour: Colour) -> None:
    own = tool(lambda n: n, name="Answer")
    features = Features(schema_dialect="openai-compatible")
    last = ToolCall(id="f", name="final_Answer", arguments={"n": 8}, raw_arguments=GOOD)
    result = colour.run(
        [[call("Answer", n=1)], [last]],
        tools=[own],
        output=Answer,
        strategy="tool",
        features=features,
    )
    assert (result.output, statuses(result)) == (VALUE, ["ok"])


@colours
def test_schemas_are_rewritten_and_restored(colour: Colour) -> None:
    """OpenAI's strict dialect has no open dicts: they travel as lists of pairs."""
    seen: list[Any] = []

    def keep(tags: dict[str, int]) -> str:
        seen.append(tags)
        return "kept"

    agent = colour.agent(
        [],
        tools=[tool(keep, strict=True)],
        output=Answer,
        features=Features(schema_dialect="openai"),
    )
    setup = agent.setup_for(colour.driver)
    (wire,) = setup.template.tools
    assert wire.strict and wire.parameters["additionalProperties"] is False
    sent = setup.rewrites["keep"].forward({"tags": {"a": 1}})
    assert sent != {"tags": {"a": 1}}
    assert setup.output is not None
    answer = setup.output.plan.rewrite.forward({"n": 8, "tags": {"a": 1}})
    result = colour.run(
        [[call("keep", **sent)], answer],
        tools=[tool(keep, strict=True)],
        output=Answer,
        features=Features(schema_dialect="openai"),
    )
    assert seen == [{"a": 1}]
    assert result.output == VALUE


@colours
@pytest.mark.parametrize(
    ("dialect", "kept"), [("gemini-openapi", False), ("moonshot", False), ("openai", True)]
)
def test_some_dialects_rules_hold_for_loose_tools_too(
    colour: Colour, dialect: str, kept: bool
) -> None:
    def keep(pair: tuple[int, str]) -> None:
        pass

    colour.run(["ok"], tools=[keep], features=Features(schema_dialect=dialect))
    (sent,) = colour.driver.requests[0].tools
    assert ("prefixItems" in str(sent.parameters)) is kept
    assert sent.strict is False


@colours
def test_a_provider_that_refuses_the_format_is_asked_in_a_looser_way(colour: Colour) -> None:
    refused = InvalidRequest("response_format is not supported", provider="scripted", status=400)
    features = Features(schema_dialect="openai-compatible")
    result = colour.run([refused, [final()]], tools=[double], output=Answer, features=features)
    assert result.output == VALUE
    first, second = colour.driver.requests
    assert first.schema is not None
    assert second.schema is None
    assert [t.name for t in second.tools] == ["double", "Answer"]


# Models without tools of their own

WROTE = 'Sure.\n<tool_call>{"name": "double", "arguments": {"n": 4}}</tool_call>'


@colours
def test_calls_in_text(colour: Colour) -> None:
    """The prompted format does the loop; what was written goes back as it was."""
    features = Features(tool_use=False)
    native = Native("inner", {"reasoning": "signed"})
    script = [Completion(text=WROTE, native=native), "It is 8."]
    result = colour.run(script, tools=[double], instructions="Be brief.", features=features)
    assert result.output == "It is 8."
    assert statuses(result) == ["ok"]
    first, second = colour.driver.requests
    assert first.tools == () and "<tools>" in first.messages[0].text
    assert first.messages[0].text.startswith("Be brief.")
    assistant, reply = second.messages[-2:]
    assert "<tool_call>" in assistant.text and assistant.native == native
    assert reply.role == "user" and '"content": 8' in reply.text
    assert result.messages[1].calls[0].arguments == {"n": 4}


@colours
def test_calls_in_text_are_not_shown_as_text(colour: Colour) -> None:
    events = colour.events([WROTE, "It is 8."], tools=[double], features=Features(tool_use=False))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Sure.It is 8."
    assert [e.use.result for e in events if isinstance(e, ToolFinished)] == [8]


@colours
def test_earlier_calls_are_words_to_a_model_without_tools(colour: Colour) -> None:
    earlier = colour.run([[call("double", n=4)], "8"], tools=[double]).messages
    result = colour.run(["ok"], messages=earlier, features=Features(tool_use=False))
    assert result.output == "ok"
    sent = colour.driver.requests[0].messages
    assert [m.role for m in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert "<tool_call>" in sent[1].text and "<tool_response>" in sent[2].text


@colours
def test_calls_in_text_with_a_typed_end(colour: Colour) -> None:
    features = Features(tool_use=False)
    result = colour.run([WROTE, GOOD], tools=[double], output=Answer, features=features)
    assert result.output == VALUE


# The rest


@colours
def test_reasoning_and_provider_items_go_back_verbatim(colour: Colour) -> None:
    native = Native("scripted", [{"type": "thinking", "signature": "s=="}, {"odd": [1, None]}])
    first = Completion(
        text="",
        reasoning="hm",
        native=native,
        tool_calls=(call("double", n=1),),
        stop_reason="tool_calls",
    )
    colour.run([first, "ok"], tools=[double])
    turn = colour.driver.requests[1].messages[1]
    assert turn.native is native
    assert turn.reasoning == "hm"


@colours
def test_history_and_instructions(colour: Colour) -> None:
    first = colour.run(["one"], "first", instructions="Be brief.")
    second = colour.run(["two"], "second", messages=first.messages, instructions="Be kind.")
    assert [(m.role, m.text) for m in colour.driver.requests[0].messages] == [
        ("system", "Be kind."),
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
    ]
    assert [m.text for m in second.new_messages] == ["second", "two"]


@colours
def test_options_reach_the_model_only_where_given(colour: Colour) -> None:
    colour.run(["ok"])
    request = colour.driver.requests[0]
    assert (request.temperature, request.max_tokens, request.tool_choice) == (None, None, None)
    assert request.messages[0].role == "user"
    colour.run(["ok"], temperature=0.5, max_tokens=9, extra={"a": 1})
    request = colour.driver.requests[0]
    assert (request.temperature, request.max_tokens, request.extra) == (0.5, 9, {"a": 1})


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"temprature": 1}, UnknownOption, "temprature"),
    ({"max_steps": 0}, ConfigurationError, "steps"),
    ({"max_usd": -1}, ConfigurationError, "usd"),
    ({"max_usd": "much"}, ConfigurationError, "max_usd"),
    ({"budget": "much"}, ConfigurationError, "dollars"),
    ({"budget": [1]}, ConfigurationError, "budget"),
    ({"max_usd": float("nan")}, ConfigurationError, "max_usd"),
    ({"max_retries": -1}, ConfigurationError, "max_retries"),
    ({"max_parallel": 0}, ConfigurationError, "max_parallel"),
    ({"tools": [double, double]}, ConfigurationError, "two tools"),
    ({"tools": [5]}, ConfigurationError, "int"),
    ({"model": ["openai/gpt-5", "openai/gpt-5"]}, ConfigurationError, "same as"),
    ({"output": 5}, prompture.SchemaError, "int"),
]


@pytest.mark.parametrize(("options", "error", "words"), BAD)
def test_bad_arguments_say_what_to_do(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Agent(**{"model": ScriptedDriver([]), **options})


@colours
def test_bad_prompts(colour: Colour) -> None:
    for prompt in ("", [], None, 5):
        with pytest.raises(ConfigurationError):
            colour.run(["ok"], prompt)
    answered = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    with pytest.raises(ConfigurationError, match="nothing to answer"):
        colour.run(["ok"], None, messages=answered)


def test_the_wrong_colour_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="driver_for"):
        Agent(AsyncScriptedDriver([])).run("hi")


def test_an_agent_may_be_shared_by_threads() -> None:
    from prompture.testing import FunctionDriver

    def answer(request: Request) -> Any:
        question = request.messages[0].text
        if request.messages[-1].role == "tool":
            return f"{question}: {request.messages[-1].text}"
        return [call("double", n=int(question))]

    agent = Agent(FunctionDriver(answer), tools=[double])
    outputs: dict[int, str] = {}

    def one(n: int) -> None:
        outputs[n] = agent.run(str(n)).output

    threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {n: f"{n}: {2 * n}" for n in range(16)}


def test_wire_tools_have_no_title_and_the_description() -> None:
    driver = ScriptedDriver(["ok"])
    Agent(driver, tools=[double]).run("hi")
    (sent,) = driver.requests[0].tools
    assert isinstance(sent, Tool)
    assert (sent.name, sent.description, sent.strict) == ("double", "Twice as much.", False)
    assert "title" not in sent.parameters


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tools_run_in_a_forked_child() -> None:
    Agent(ScriptedDriver([[call("double", n=1)], "ok"]), tools=[double]).run("hi")
    program = """
import os, warnings
from prompture import Agent
from prompture.testing import ScriptedDriver
from prompture.types import ToolCall
def run():
    driver = ScriptedDriver([[ToolCall(id="1", name="f", arguments={})], "ok"])
    return Agent(driver, tools=[f]).run("hi").output
def f(): return 1
assert run() == "ok"
warnings.simplefilter("ignore")
if (child := os.fork()) == 0:
    os._exit(0 if run() == "ok" else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
