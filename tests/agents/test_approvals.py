"""Runs that wait for approval, are saved, and go on: once, with the whole bill."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from prompture.agents import resumption, run_file
from prompture.agents.agent import Agent
from prompture.agents.events import ApprovalNeeded, Final, ToolFinished, ToolStarted
from prompture.agents.resumption import WaitingForApproval
from prompture.agents.tools import LATER, tool
from prompture.catalog import Rates
from prompture.errors import (
    ConfigurationError,
    ServerError,
    StepLimitExceeded,
    TimeLimitExceeded,
    ToolFailed,
)
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import Completion, Message, Native, ToolCall, Usage
from tests.agents.both import Colour, call, colours

RATES = Rates(input=Decimal(1), output=Decimal(2))
PAID = Usage(input_tokens=1000, output_tokens=500, requests=1, reported=True)
ONE = Decimal("0.002")
"""What an answer costs."""


class Shop:
    """Tools that count how often they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.look = tool(self._look, name="look")
        self.pay = tool(self._pay, name="pay", approve=LATER)

    def _look(self, item: str) -> str:
        self.ran.append(f"look {item}")
        return f"{item}: 5"

    def _pay(self, amount: int) -> str:
        self.ran.append(f"pay {amount}")
        return f"paid {amount}"

    def tools(self) -> list[Any]:
        return [self.look, self.pay]


def paid(*calls: ToolCall, text: str = "") -> Completion:
    stop: Any = "tool_calls" if calls else "stop"
    return Completion(text=text, tool_calls=calls, stop_reason=stop, usage=PAID)


def asked() -> Completion:
    return paid(call("look", "c1", item="tea"), call("pay", "c2", amount=5))


def waiting(colour: Colour, shop: Shop, answers: Any = None, **options: Any) -> WaitingForApproval:
    options = {"tools": shop.tools(), "prices": RATES, **options}
    with pytest.raises(WaitingForApproval) as caught:
        colour.run(answers or [asked()], **options)
    return caught.value


def resume(
    colour: Colour, shop: Shop, saved: Any, approvals: Any, answers: Any = None, **given: Any
) -> Any:
    """Resume with an agent and tools of their own, as another process would."""
    kept = ("context", "key", "again", "allow_changes")
    options = {k: given.pop(k) for k in kept if k in given}
    if "own_deadline" in given:  # the resumption's, not the agent's
        options["deadline"] = given.pop("own_deadline")
    given = {"tools": shop.tools(), "prices": RATES, **given}
    agent = colour.agent([paid(text="done")] if answers is None else answers, **given)
    if colour.is_async:
        return asyncio.run(agent.aresume(saved, approvals, **options))
    return agent.resume(saved, approvals, **options)


@colours
def test_the_others_run_at_once_and_the_rest_after_approval(colour: Colour) -> None:
    first, second = Shop(), Shop()
    error = waiting(colour, first)
    assert first.ran == ["look tea"]
    assert error.pending == {"c2": call("pay", "c2", amount=5)}
    assert error.bill is not None and error.bill.total == ONE
    assert error.trace is not None
    assert [u.status for u in error.trace.tool_calls] == ["ok", "waiting"]
    result = resume(colour, second, error.to_json(), {"c2": True})
    assert second.ran == ["pay 5"]
    assert result.output == "done" and result.bill.total == 2 * ONE
    assert [s.number for s in result.steps] == [1, 2]
    assert [u.content for u in result.steps[0].tools] == ["tea: 5", "paid 5"]
    assert [m.role for m in result.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    (request,) = colour.driver.requests
    assert [m.text for m in request.messages if m.role == "tool"] == ["tea: 5", "paid 5"]


@colours
@pytest.mark.parametrize(
    ("verdict", "status", "content"),
    [
        (False, "denied", "The call was not approved."),
        ("too dear", "denied", "The call was not approved: too dear"),
        (
            {"amount": 3},
            "ok",
            '[The call was approved with other arguments: {"amount": 3}]\npaid 3',
        ),
    ],
)
def test_verdicts(colour: Colour, verdict: Any, status: str, content: str) -> None:
    shop = Shop()
    result = resume(colour, shop, waiting(colour, Shop()), {"c2": verdict})
    use = result.steps[0].tools[1]
    assert (use.status, use.content) == (status, content)
    assert shop.ran == (["pay 3"] if status == "ok" else [])
    assert use.call.arguments == {"amount": 5}  # as the model wrote it


@colours
def test_calls_without_a_verdict_go_on_waiting(colour: Colour) -> None:
    two = paid(call("pay", "a", amount=1), call("pay", "b", amount=2))
    error = waiting(colour, Shop(), [two])
    shop = Shop()
    with pytest.raises(WaitingForApproval) as caught:
        resume(colour, shop, error.saved, {"b": True}, [])
    again = caught.value
    assert shop.ran == ["pay 2"] and list(again.pending) == ["a"]
    assert again.run_id == error.run_id and again.saved != error.saved
    result = resume(colour, shop, again.saved, {"a": "no"})
    assert shop.ran == ["pay 2"]
    assert [u.status for u in result.steps[0].tools] == ["denied", "ok"]
    assert result.bill.total == 2 * ONE


@colours
def test_an_approver_that_decides_later(colour: Colour) -> None:
    asked_for: list[int] = []

    def approve(each: ToolCall, context: Any) -> Any:
        asked_for.append(context.call.arguments["amount"])
        return LATER if each.arguments == {"amount": 500} else True

    def pay(amount: int) -> str:
        return f"paid {amount}"

    calls = paid(call("pay", "a", amount=5), call("pay", "b", amount=500))
    error = waiting(colour, Shop(), [calls], tools=[pay], approve=approve)
    assert list(error.pending) == ["b"] and asked_for == [5, 500]
    result = resume(colour, Shop(), error, {"b": True}, tools=[pay], approve=approve)
    assert asked_for == [5, 500]
    assert [u.content for u in result.steps[0].tools] == ["paid 5", "paid 500"]


@colours
def test_events_before_and_after(colour: Colour) -> None:
    agent = colour.agent([asked()], tools=Shop().tools())
    seen: list[Any] = []

    async def collect(stream: Any) -> None:
        async for event in stream:
            seen.append(event)

    with pytest.raises(WaitingForApproval) as caught:
        if colour.is_async:
            asyncio.run(collect(agent.astream("hi")))
        else:
            seen.extend(iter(()))
            for event in agent.stream("hi"):
                seen.append(event)
    kinds = [type(e).__name__ for e in seen]
    assert kinds == ["ApprovalNeeded", "ToolStarted", "ToolFinished"]
    assert isinstance(seen[0], ApprovalNeeded) and seen[0].id == "c2"
    seen.clear()
    agent = colour.agent(["done"], tools=Shop().tools())
    saved = caught.value.saved
    if colour.is_async:
        asyncio.run(collect(agent.aresume_stream(saved, {"c2": True})))
    else:
        seen.extend(agent.resume_stream(saved, {"c2": True}))
    kinds = [type(e).__name__ for e in seen]
    assert kinds == [
        "ToolStarted",
        "ToolFinished",
        "StepFinished",
        "TextDelta",
        "StepFinished",
        "Final",
    ]
    assert isinstance(seen[0], ToolStarted) and seen[0].call.id == "c2"
    assert isinstance(seen[1], ToolFinished) and seen[1].use.content == "paid 5"
    assert isinstance(seen[-1], Final) and seen[-1].result.output == "done"


@colours
def test_resumed_in_the_other_colour(colour: Colour) -> None:
    error = waiting(colour, Shop())
    other = Colour("sync" if colour.is_async else "async")
    assert resume(other, Shop(), error.saved, {"c2": True}).output == "done"


@colours
def test_twice_is_refused(colour: Colour, tmp_path: Path) -> None:
    error, shop = waiting(colour, Shop()), Shop()
    file = tmp_path / "run.json"
    error.save(file)
    assert resume(colour, shop, file, {"c2": True}).output == "done"
    assert not file.exists() and (tmp_path / "run.json.resumed").exists()
    for saved in (file, str(file), error, error.saved, error.saved.encode()):
        with pytest.raises(ConfigurationError, match="resumed already"):
            resume(colour, shop, saved, {"c2": True})
    assert shop.ran == ["pay 5"]
    file = tmp_path / "run.json.resumed"
    with pytest.raises(ConfigurationError, match="resumed already"):
        resume(colour, shop, file, {"c2": True})
    assert file.exists()  # what was refused is where it was
    assert resume(colour, shop, file, {"c2": True}, again=True).output == "done"
    assert shop.ran == ["pay 5", "pay 5"]


def test_a_stream_that_nobody_reads_takes_nothing_up(tmp_path: Path) -> None:
    colour = Colour("sync")
    waiting(colour, Shop()).save(tmp_path / "run.json")
    agent = colour.agent(["done"], tools=Shop().tools())
    unread = agent.resume_stream(tmp_path / "run.json", {"c2": True})
    assert (tmp_path / "run.json").exists()
    *_, last = agent.resume_stream(tmp_path / "run.json", {"c2": True})
    assert isinstance(last, Final)
    with pytest.raises(ConfigurationError, match="resumed already"):
        next(unread)


def test_one_of_many_threads_takes_it_up(tmp_path: Path) -> None:
    colour = Colour("sync")
    error, shop = waiting(colour, Shop()), Shop()
    file = tmp_path / "run.json"
    for saved in (error.saved, file):
        if saved is file:
            again = waiting(colour, Shop())
            again.save(file)
        shop.ran.clear()
        agents = [Agent(ScriptedDriver(["done"]), tools=shop.tools()) for _ in range(16)]
        refused: list[str] = []
        barrier = threading.Barrier(16)

        def work(
            agent: Agent[str], saved: Any = saved, refused: Any = refused, barrier: Any = barrier
        ) -> None:
            barrier.wait()
            try:
                agent.resume(saved, {"c2": True})
            except ConfigurationError as exc:
                refused.append(str(exc))

        threads = [threading.Thread(target=work, args=(each,)) for each in agents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert shop.ran == ["pay 5"]
        assert len(refused) == 15 and all("resumed already" in words for words in refused)


DIFFERENT: list[tuple[Any, str]] = [
    ({"tools": [Shop().look]}, "tools: 'pay' is missing"),
    ({"tools": [*Shop().tools(), tool(lambda n: n, name="more")]}, "tools: 'more' is new"),
    (
        {"tools": [Shop().look, tool(lambda amount, to: to, name="pay")]},
        "tools: 'pay' has other arguments",
    ),
    ({"output": int}, "output: not the same"),
    ({"output": [tool(lambda n: n, name="end"), str]}, "output functions: 'end' is new"),
    ({"instructions": "Be brief."}, "instructions: not the same"),
]


@pytest.mark.parametrize(("options", "words"), DIFFERENT)
def test_a_run_of_another_agent_is_refused(options: Any, words: str) -> None:
    colour, shop = Colour("sync"), Shop()
    error = waiting(colour, Shop())
    with pytest.raises(ConfigurationError, match="another agent") as caught:
        resume(colour, shop, error, {"c2": True}, **options)
    assert words in str(caught.value)
    assert shop.ran == []


def test_other_models_are_named_and_changes_can_be_allowed() -> None:
    colour, shop = Colour("sync"), Shop()
    error = waiting(colour, Shop())
    other = Agent("openai/gpt-5", tools=shop.tools())
    with pytest.raises(ConfigurationError, match="scripted/scripted before, openai/gpt-5 now"):
        other.resume(error, {"c2": True})
    result = resume(colour, shop, error, {"c2": True}, instructions="Be brief.", allow_changes=True)
    assert result.output == "done"
    assert colour.driver.requests[0].messages[0].text == "Be brief."


def test_what_was_changed_is_refused(tmp_path: Path) -> None:
    colour, shop = Colour("sync"), Shop()
    error = waiting(colour, Shop())
    body = json.loads(error.saved)
    changed = json.loads(error.saved)
    changed["step"]["completion"]["tool_calls"][1]["arguments"]["amount"] = 5000
    cases: list[tuple[Any, str]] = [
        (json.dumps(changed), "does not match its digest"),
        (json.dumps({**body, "pending": {}}), "does not match its digest"),
        (error.saved[:-40], "not JSON|digest"),
        ("{}", "no saved run"),
        (json.dumps({**body, "version": 2}), "version 2"),
        (json.dumps({**body, "digest": None}), "digest"),
        ("[1]", "cannot read"),
        (b"\xff\xfe", "not JSON|no saved run"),
        (5, "not a int"),
        (tmp_path / "none.json", "cannot read"),
    ]
    for saved, words in cases:
        with pytest.raises(ConfigurationError, match=words):
            resume(colour, shop, saved, {"c2": True})
    # The order of a JSON object's keys, and white space, mean nothing.
    same = json.dumps(dict(reversed(body.items())))
    assert resume(colour, shop, same, {"c2": True}).output == "done"


def test_a_signed_run_needs_its_key() -> None:
    colour, shop = Colour("sync"), Shop()
    error = waiting(colour, Shop())
    signed = error.to_json(key=b"secret")
    assert "secret" not in signed
    for saved, key in ((signed, None), (signed, b"other"), (error.saved, b"secret")):
        with pytest.raises(ConfigurationError, match=r"signed|key"):
            resume(colour, shop, saved, {"c2": True}, key=key)
    unsigned = json.dumps({**json.loads(signed), "signed": False})
    with pytest.raises(ConfigurationError, match="digest"):
        resume(colour, shop, unsigned, {"c2": True})
    assert resume(colour, shop, signed, {"c2": True}, key=b"secret").output == "done"


@pytest.mark.parametrize("key", ["secret", b"", "", 5])
def test_what_is_no_key_signs_nothing(key: Any, tmp_path: Path) -> None:
    colour, shop = Colour("sync"), Shop()
    error = waiting(colour, Shop())
    for use in (
        lambda: error.to_json(key=key),
        lambda: error.save(tmp_path / "run.json", key=key),
        lambda: resume(colour, shop, error.to_json(key=b"k"), {"c2": True}, key=key),
    ):
        with pytest.raises(ConfigurationError, match="key must be bytes"):
            use()
    assert shop.ran == [] and not list(tmp_path.iterdir())


def test_a_link_to_a_run_is_the_run(tmp_path: Path) -> None:
    colour, shop = Colour("sync"), Shop()
    file, link = tmp_path / "run.json", tmp_path / "latest.json"
    waiting(colour, Shop()).save(file)
    link.symlink_to(file)
    resume(colour, shop, link, {"c2": True})
    resumption._taken.clear()  # as in another process
    for path in (file, link, tmp_path / "run.json.resumed"):
        with pytest.raises(ConfigurationError, match="resumed already"):
            resume(colour, shop, path, {"c2": True})
    assert shop.ran == ["pay 5"]


@colours
def test_a_deadline_of_a_resumption_begins_with_it(colour: Colour) -> None:
    body = json.loads(waiting(colour, Shop()).saved)
    body["seconds"] = 100.0
    body["digest"] = run_file._digest(body, None)
    saved = json.dumps(body)
    shop = Shop()
    with pytest.raises(TimeLimitExceeded, match="max_seconds=90"):
        resume(colour, shop, saved, {"c2": True}, max_seconds=90)
    with pytest.raises(TimeLimitExceeded, match="deadline=90"):
        resume(colour, shop, saved, {"c2": True}, deadline=90, again=True)
    assert resume(colour, shop, saved, {"c2": True}, own_deadline=90, again=True).output == "done"
    with pytest.raises(TimeLimitExceeded, match="deadline=1e-09"):
        resume(colour, shop, saved, {"c2": True}, own_deadline=1e-9, again=True)


@colours
def test_a_run_that_fails_beside_a_call_that_waits(colour: Colour) -> None:
    """What waits has not begun: no result says that it was broken off."""
    boom = tool(lambda n: 1 // n, name="boom", approve=LATER, on_error="raise")
    calls = paid(call("boom", "a", n=0), call("boom", "b", n=1))
    error = waiting(colour, Shop(), [calls], tools=[boom])
    with pytest.raises(ToolFailed) as caught:
        resume(colour, Shop(), error, {"a": True}, [], tools=[boom])
    assert caught.value.trace is not None and caught.value.bill is not None
    assert caught.value.bill.total == ONE
    assert [m.text for m in caught.value.trace.messages if m.role == "tool"] == [
        "boom failed (ZeroDivisionError).",
        "The call was not run: the run ended.",
    ]


@colours
def test_a_provider_that_fails_after_the_tools_ran(colour: Colour) -> None:
    """The approval is used up, and so is the call: what happened is in the trace."""
    error, shop = waiting(colour, Shop()), Shop()
    down = ServerError("down", provider="scripted", status=500)
    with pytest.raises(ServerError) as caught:
        resume(colour, shop, error.saved, {"c2": True}, [down])
    with pytest.raises(ConfigurationError, match="resumed already"):
        resume(colour, shop, error.saved, {"c2": True})
    trace = caught.value.trace  # type: ignore[attr-defined]
    agent = colour.agent([paid(text="done")], tools=shop.tools(), prices=RATES)
    result = colour.go(agent, None, messages=trace.messages)
    assert result.output == "done" and shop.ran == ["pay 5"]
    (request,) = colour.driver.requests
    assert [m.text for m in request.messages if m.role == "tool"] == ["tea: 5", "paid 5"]


BAD: list[tuple[Any, str]] = [
    ({}, "decide on no call"),
    ({"c2": LATER}, "decide on no call"),
    ({"c1": True}, "no call 'c1' waits for approval; there wait: 'c2'"),
    ({"c2": None}, "not a NoneType"),
    ({"c2": 1}, "not a int"),
    ({"c2": {"amount": "much"}}, "arguments that are not valid: /amount"),
    ({"c2": {}}, "arguments that are not valid: /amount"),
    (True, "must be a dict"),
]


@pytest.mark.parametrize(("approvals", "words"), BAD)
def test_bad_approvals_are_refused_before_anything_is_taken_up(approvals: Any, words: str) -> None:
    colour, shop = Colour("sync"), Shop()
    error = waiting(colour, Shop())
    with pytest.raises(ConfigurationError, match=words):
        resume(colour, shop, error, approvals)
    assert resume(colour, shop, error, {"c2": True}).output == "done"


@colours
def test_calls_of_one_id_are_approved_each(colour: Colour) -> None:
    same = paid(call("pay", "x", amount=1), call("pay", "x", amount=2), call("pay", "", amount=3))
    error, shop = waiting(colour, Shop(), [same]), Shop()
    assert list(error.pending) == ["x#1", "x#2", "pay#3"]
    resume(colour, shop, error, {"x#1": False, "x#2": True, "pay#3": False})
    assert shop.ran == ["pay 2"]


@colours
def test_limits_retries_and_typed_output_go_on(colour: Colour) -> None:
    class Report(BaseModel):
        total: int

    error, shop = waiting(colour, Shop(), output=Report, max_steps=2), Shop()
    options: dict[str, Any] = {"output": Report, "max_steps": 2}
    result = resume(colour, shop, error.saved, {"c2": True}, ['{"total": 5}'], **options)
    assert result.output == Report(total=5)
    error = waiting(colour, Shop(), output=Report, max_steps=2)
    with pytest.raises(StepLimitExceeded) as caught:
        resume(colour, shop, error.saved, {"c2": True}, [], output=Report, max_steps=1)
    assert caught.value.bill is not None and caught.value.bill.total == ONE
    assert shop.ran == ["pay 5", "pay 5"]


@colours
def test_a_final_value_beside_a_call_that_waits(colour: Colour) -> None:
    """The answer was whole: after the approval no further call of the model is needed."""
    answer = paid(call("pay", "c1", amount=5), call("int_value", "c2", value=7))

    def strategy(options: Any) -> Any:
        return {**options, "output": int, "strategy": "tool"}

    agent = colour.agent([answer], **strategy({"tools": Shop().tools()}))
    name = agent.setup_for(colour.driver).output.tool.name
    answer = paid(call("pay", "c1", amount=5), call(name, "c2", value=7))
    error, shop = waiting(colour, Shop(), [answer], **strategy({})), Shop()
    result = resume(colour, shop, error, {"c1": True}, [], **strategy({}))
    assert result.output == 7 and shop.ran == ["pay 5"]


@colours
def test_native_items_and_parts_are_kept(colour: Colour) -> None:
    native = Native("scripted", {"signature": b"\x00\x01", "deep": [Native("other", 1)]})
    answer = Completion(
        tool_calls=asked().tool_calls, stop_reason="tool_calls", usage=PAID, native=native
    )
    error = waiting(colour, Shop(), [answer])
    result = resume(colour, Shop(), error.saved, {"c2": True})
    assert colour.driver.requests[0].messages[1].native == native
    assert result.messages[1].native == native


def test_the_error_can_be_pickled_and_says_what_to_do() -> None:
    error = waiting(Colour("sync"), Shop())
    copy = pickle.loads(pickle.dumps(error))
    assert copy.pending == error.pending and copy.saved == error.saved
    assert "1 tool call waits for approval: pay" in str(error)


@colours
def test_an_agent_that_waits_as_a_tool_is_resumed_by_itself(colour: Colour) -> None:
    shop = Shop()
    made = AsyncScriptedDriver if colour.is_async else ScriptedDriver
    inner = Agent(made([asked(), "bought"]), tools=shop.tools())
    model = made([[call("buyer", task="tea")], "all is done"])
    outer = Agent(model, tools=[inner.as_tool(name="buyer", description="Buys.")])
    with pytest.raises(ToolFailed, match="resume it by itself") as caught:
        colour.go(outer, "hi")
    error = pickle.loads(pickle.dumps(caught.value))  # another process may go on
    waiting = error.__cause__
    assert isinstance(waiting, WaitingForApproval)
    (use,) = caught.value.trace.steps[-1].tools
    assert use.status == "waiting" and "Do not call it again" in use.content
    approvals = {id: True for id in waiting.pending}
    if colour.is_async:
        done = asyncio.run(inner.aresume(waiting, approvals))
    else:
        done = inner.resume(waiting, approvals)
    assert done.output == "bought" and shop.ran == ["look tea", "pay 5"]
    *turns, last = caught.value.trace.messages
    turns.append(replace(last, content=done.output, is_error=False))
    result = colour.go(outer, None, messages=turns)
    assert result.output == "all is done"
    assert model.requests[-1].messages[-1].text == "bought"


PROCESS = """
    import os, signal, sys
    from prompture import Agent, tool
    from prompture.agents import LATER, WaitingForApproval
    from prompture.testing import AsyncScriptedDriver, ScriptedDriver
    from prompture.types import ToolCall

    @tool(approve=LATER)
    def pay(amount: int) -> str:
        print("pay", amount, flush=True)
        if "killed" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
        return "paid"

    answers = [[ToolCall(id="c1", name="pay", arguments={"amount": 5})]]
    if sys.argv[1] == "begin":
        try:
            Agent(ScriptedDriver(answers), tools=[pay]).run("buy")
        except WaitingForApproval as exc:
            exc.save(sys.argv[2])
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        agent = Agent(ScriptedDriver(["done"]), tools=[pay])
        print(agent.resume(sys.argv[2], {"c1": True}, again="again" in sys.argv).output)
"""


def test_in_another_process_and_after_a_kill(tmp_path: Path) -> None:
    script = tmp_path / "shop.py"
    script.write_text(textwrap.dedent(PROCESS))
    file = str(tmp_path / "run.json")

    def run(*arguments: str) -> tuple[int, str, str]:
        command = [sys.executable, str(script), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    assert run("begin", file)[0] == -9
    assert run("resume", file, "killed")[:2] == (-9, "pay 5\n")
    code, out, err = run("resume", file)
    assert code == 1 and out == "" and "resumed already" in err
    code, out, err = run("resume", f"{file}.resumed")
    assert code == 1 and out == "" and "resumed already" in err
    assert run("resume", f"{file}.resumed", "again") == (0, "pay 5\ndone\n", "")


def test_a_run_of_two_waits_bills_all(tmp_path: Path) -> None:
    """It waits twice in the same file; the second part is another than the first."""
    colour, shop = Colour("sync"), Shop()
    file = tmp_path / "run.json"
    waiting(colour, shop).save(file)
    with pytest.raises(WaitingForApproval) as caught:
        resume(colour, shop, file, {"c2": True}, [paid(call("pay", "c9", amount=9))])
    caught.value.save(file)
    result = resume(colour, shop, file, {"c9": True})
    assert shop.ran == ["look tea", "pay 5", "pay 9"]
    assert result.bill.total == 3 * ONE and [s.number for s in result.steps] == [1, 2, 3]
    assert result.new_messages[0] == Message(role="user", content="hi")


def test_half_a_surrogate_pair_in_a_result_does_not_lose_the_run() -> None:
    """Names of files have them; no file of JSON in UTF-8 can."""

    @tool
    def look(item: str) -> str:
        return "name\ud800.txt"

    colour, shop = Colour("sync"), Shop()
    tools = [look, shop.pay]
    agent = colour.agent([asked()], tools=tools)
    with pytest.raises(WaitingForApproval) as caught:
        agent.run("hi")
    result = colour.agent(["done"], tools=tools).resume(caught.value, {"c2": True})
    assert result.tool_calls[0].content == "name\ufffd.txt" and shop.ran == ["pay 5"]


@colours
def test_an_answer_whose_calls_fail_before_and_after_the_wait_has_failed_once(
    colour: Colour,
) -> None:
    @tool(approve=LATER, retries=1)
    def send(n: int) -> str:
        raise RuntimeError("no")

    given: Any = {"tools": [send]}
    first = paid(call("send", "c1", n="x"), call("send", "c2", n=1))
    error = waiting(colour, Shop(), [first], **given)
    with pytest.raises(WaitingForApproval) as caught:
        resume(colour, Shop(), error, {"c2": True}, [paid(call("send", "c3", n=1))], **given)
    assert list(caught.value.pending) == ["c3"]
