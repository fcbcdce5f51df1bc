"""Loops with a real llama.cpp server: call, result, final text; natively and as text."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from prompture.agents.agent import Agent
from prompture.agents.conversation import Conversation
from prompture.agents.events import Final, TextDelta, ToolFinished, ToolStarted
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.drivers.hooks import Hooks
from prompture.drivers.provider import Features
from prompture.types import Request
from tests.llama.fixtures import Llama

pytestmark = pytest.mark.server


class Person(BaseModel):
    name: str
    kind: Literal["a", "b"]


saved: list[Person] = []


def save(person: Person) -> str:
    """Save a person."""
    saved.append(person)
    return "saved"


@pytest.fixture(params=["sync", "sync stream", "async", "async stream"])
def way(request: pytest.FixtureRequest) -> str:
    saved.clear()
    return str(request.param)


def run(
    way: str, server: Llama, prompt: str, *, features: Any = None, hooks: Any = (), **options: Any
) -> Any:
    """The result, and the events where it streams."""
    settings = {"base_url": server.base_url, "features": features, "hooks": hooks}
    options = {"max_tokens": 300, "seed": 1, "tools": [save], **options}

    async def go() -> Any:
        async with async_driver_for("llamacpp/tiny", **settings) as driver:
            agent: Any = Agent(driver, **options)
            if "stream" not in way:
                return await agent.arun(prompt), []
            events = [event async for event in agent.astream(prompt)]
            return events[-1].result, events

    if way.startswith("async"):
        return asyncio.run(go())
    with driver_for("llamacpp/tiny", **settings) as driver:
        agent: Any = Agent(driver, **options)
        if "stream" not in way:
            return agent.run(prompt), []
        events = list(agent.stream(prompt))
        return events[-1].result, events


def test_a_whole_loop(way: str, llama_server: Llama) -> None:
    result, events = run(way, llama_server, "Save Ann.")
    assert [use.status for use in result.tool_calls] == ["ok"]
    assert saved == [result.tool_calls[0].arguments["person"]]
    assert len(result.steps) == 2
    assert result.output and result.messages[-1].text == result.output
    assert [m.role for m in result.messages] == ["user", "assistant", "tool", "assistant"]
    assert result.usage.input_tokens > 100 and result.bill.total == 0
    if events:
        assert any(isinstance(e, ToolStarted) for e in events)
        assert any(isinstance(e, ToolFinished) and e.use.ok for e in events)
        assert isinstance(events[-1], Final)
        shown = "".join(e.text for e in events if isinstance(e, TextDelta) and e.step == 2)
        assert shown == result.output


def test_a_typed_end(way: str, llama_server: Llama) -> None:
    """Without tools the grammar holds the answer; with them it ends by a call."""
    result, _ = run(way, llama_server, "Who?", tools=[], output=Person)
    assert isinstance(result.output, Person)


# One call, as a model that can write would make it of the words that it is told.
CALL = (
    'root ::= "<tool_call>{\\"name\\": \\"save\\", \\"arguments\\": {\\"person\\": {\\"name\\": \\""'
    ' [a-z]{1,8} "\\", \\"kind\\": \\"" [ab] "\\"}}}</tool_call>"'
)


def guided(request: Request) -> Request:
    """The tiny model cannot write JSON of its own accord: a grammar holds its first answer."""
    if "<tool_response>" in request.messages[-1].text:
        return request
    return replace(request, extra={"grammar": CALL})


def test_a_loop_without_native_tools(way: str, llama_server: Llama) -> None:
    hooks = Hooks(before_request=guided)
    features = Features(tool_use=False, schema_dialect="llamacpp")
    result, events = run(way, llama_server, "Save Ann.", features=features, hooks=hooks)
    assert [use.status for use in result.tool_calls] == ["ok"]
    assert saved == [result.tool_calls[0].arguments["person"]]
    assert result.output and len(result.steps) == 2
    if events:
        shown = "".join(e.text for e in events if isinstance(e, TextDelta))
        assert "<tool_call>" not in shown and result.output in shown


def test_a_conversation(llama_server: Llama) -> None:
    with driver_for("llamacpp/tiny", base_url=llama_server.base_url) as driver:
        talk = Conversation(driver, system="Be brief.", max_tokens=300, tools=[save])
        assert talk.say("Save Ann.")
        assert [m.role for m in talk.messages] == ["user", "assistant", "tool", "assistant"]
        again = Conversation.from_json(talk.to_json(), model=driver, max_tokens=300)
        assert again.messages == talk.messages
        assert again.say("And now?")
        assert len(again.messages) == 6


def forgetful(request: Request) -> Request:
    """The tiny model calls a tool only where it has seen no result; a named tool it must call."""
    return replace(request, messages=request.messages[:2]) if request.tool_choice else request


def test_tools_and_a_typed_end(way: str, llama_server: Llama) -> None:
    """llama.cpp's grammar of a schema leaves no room for calls: the end is a call of its own.
    The model answers in text first, and is then held to it."""
    hooks = Hooks(before_request=forgetful)
    result, _ = run(way, llama_server, "Save Ann.", output=Person, hooks=hooks)
    assert isinstance(result.output, Person)
    assert [use.status for use in result.tool_calls] == ["ok"]
    assert [s.number for s in result.steps] == [1, 2, 3]
