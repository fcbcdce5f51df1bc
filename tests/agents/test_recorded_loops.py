"""Every recorded tool call through an agent: what providers want echoed goes back verbatim.

The answers of a recording are given in turn. What the agent sends next is searched for the
signatures, encrypted items and reasoning of the answer before (``shared/wire``: "Must echo"),
which are read out of the recorded bodies here, not by the package.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter

from prompture.agents import storage
from prompture.agents.agent import Agent
from prompture.agents.signatures import Signature
from prompture.agents.tools import FunctionTool
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.errors import ExtractionError, PromptureError
from prompture.schema.source import source
from prompture.traces import Trace
from tests.playback import Speech, said_by, settings_for, speech_of
from tests.readers import events
from tests.recordings import Case, Got, cases

ANYTHING = source({"type": "object"})
SECRET_KEYS = {"signature", "thoughtSignature", "thought_signature", "encrypted_content"}
"""Where providers put what must come back; ``data`` of redacted thinking is added below."""
LAST = "response.completed"
REASONING_BACK = ("deepseek", "moonshot", "zai")
"""Providers that want the words of their reasoning back in a tool loop."""


class OutOfScript(Exception):
    """The recording has no more answers; whatever else happens is not recorded."""


@dataclass(slots=True)
class Replay:
    """Gives the answers in turn and keeps what was sent."""

    answers: list[Got]
    sent: list[bytes] = field(default_factory=list)

    def next(self, body: bytes | None) -> Got:
        self.sent.append(body or b"")
        if len(self.sent) > len(self.answers):
            raise OutOfScript
        return self.answers[len(self.sent) - 1]


class _Adapter(BaseAdapter):
    def __init__(self, replay: Replay) -> None:
        super().__init__()
        self.replay = replay

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        got = self.replay.next(request.body)  # type: ignore[arg-type]
        response = requests.Response()
        response.status_code = got.status
        response.headers.update(got.headers)
        response.request = request
        response.url = str(request.url)
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(got.body), headers=got.headers, status=got.status, preload_content=False
        )
        return response

    def close(self) -> None:
        pass


def anything(name: str) -> FunctionTool:
    """A tool that takes whatever the model gives."""

    def answer(**arguments: Any) -> str:
        return f"{name} says so"

    return FunctionTool(
        name=name, description="", signature=Signature(ANYTHING, ""), function=answer
    )


@dataclass(slots=True)
class Ran:
    trace: Trace | None
    sent: list[bytes]
    error: BaseException | None = None


def run_sync(provider: str, speech: Speech, answers: list[Got], names: set[str]) -> Ran:
    replay = Replay(answers)
    session = requests.Session()
    session.mount("https://", _Adapter(replay))
    session.mount("http://", _Adapter(replay))
    driver: Any = driver_for(f"{provider}/{speech.model}", session=session, **settings_for(speech))
    agent = Agent(driver, tools=map(anything, sorted(names)), max_steps=20)
    trace: Trace | None
    error: BaseException | None = None
    try:
        if speech.streamed:
            *_, last = agent.stream("go")
            trace = last.result  # type: ignore[union-attr]
        else:
            trace = agent.run("go")
    except (PromptureError, OutOfScript) as exc:
        trace, error = exc.trace, exc  # type: ignore[union-attr]
    return Ran(trace, replay.sent, error)


async def run_async(provider: str, speech: Speech, answers: list[Got], names: set[str]) -> Ran:
    replay = Replay(answers)

    async def answer(request: httpx2.Request) -> httpx2.Response:
        got = replay.next(request.content)
        return httpx2.Response(got.status, headers=dict(got.headers), content=got.body)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        driver: Any = async_driver_for(
            f"{provider}/{speech.model}", client=client, **settings_for(speech)
        )
        agent = Agent(driver, tools=map(anything, sorted(names)), max_steps=20)
        trace: Trace | None
        error: BaseException | None = None
        try:
            if speech.streamed:
                last: Any = None
                async for event in agent.astream("go"):
                    last = event
                trace = last.result
            else:
                trace = await agent.arun("go")
        except (PromptureError, OutOfScript) as exc:
            trace, error = exc.trace, exc  # type: ignore[union-attr]
    return Ran(trace, replay.sent, error)


def documents(got: Got, streamed: bool) -> list[Any]:
    """The JSON values of a body: one, or an event each."""
    body = got.body
    if streamed and b"data:" in body[:2000]:
        return [event for event in events(body) if not isinstance(event, str)]
    try:
        return [json.loads(body)]
    except ValueError:
        return [json.loads(line) for line in body.splitlines() if line.strip()]


def secrets(value: Any, *, at_index: Any = None) -> Iterator[tuple[Any, str]]:
    """(index of the block, text) of everything that is signed or encrypted in a document."""
    if isinstance(value, list):
        for item in value:
            yield from secrets(item, at_index=at_index)
        return
    if not isinstance(value, dict):
        return
    at_index = value.get("index", at_index)
    if str(value.get("type", "")).startswith("response.") and value["type"] != LAST:
        return  # an item that is not finished is signed otherwise than in the end
    for key, inner in value.items():
        redacted = key == "data" and value.get("type") in (
            "redacted_thinking",
            "reasoning.encrypted",
        )
        if (key in SECRET_KEYS or redacted) and isinstance(inner, str) and inner:
            yield (at_index, value.get("type")), inner
        else:
            yield from secrets(inner, at_index=at_index)


def to_echo(provider: str, dialect: str, got: Got, streamed: bool) -> set[str]:
    """What must be found in the next request."""
    found: set[str] = set()
    pieces: dict[Any, str] = {}
    for document in documents(got, streamed):
        for where, text in secrets(document):
            if dialect == "anthropic" and streamed and where[1] == "signature_delta":
                pieces[where] = pieces.get(where, "") + text
            else:
                found.add(text)
    return found | set(pieces.values())


def is_call(said: Any) -> bool:
    return bool(said.calls) and said.error is None


CASES = cases(feature="tool_call")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_recorded_loop(case: Case) -> None:
    exchanges = [e for e in case.interactions if e.response.status == 200]
    speeches = [speech_of(case.provider, e) for e in exchanges]
    rounds = [(s, e.response) for s, e in zip(speeches, exchanges, strict=True) if s is not None]
    if not rounds:
        pytest.skip("no driver speaks its endpoint")
    checked = 0
    while rounds:
        speech = rounds[0][0]
        answers = [got for s, got in rounds if s.streamed == speech.streamed]
        said = [said_by(case.provider, speech, got) for got in answers]
        if not is_call(said[0]):
            rounds = rounds[1:]
            continue
        names = {name for one in said for name, _ in one.calls}
        ran = run_sync(case.provider, speech, answers, names)
        twin = asyncio.run(run_async(case.provider, speech, answers, names))
        assert [json.loads(b) for b in ran.sent] == [json.loads(b) for b in twin.sent]
        assert ran.trace is not None and twin.trace is not None
        assert [s.completion and s.completion.text for s in ran.trace.steps] == [
            s.completion and s.completion.text for s in twin.trace.steps
        ]
        if len(ran.sent) == 1:
            # Cut off in the middle of its call: an error, and nothing is called.
            assert said[0].stop in ("length", "content_filter"), ran.error
            assert isinstance(ran.error, ExtractionError)
            checked += 1
        saved = storage.SavedConversation(messages=ran.trace.messages)
        assert storage.load(storage.dump(saved)) == saved
        used = 0
        for number, body in enumerate(ran.sent[1:]):
            used = number + 1
            check_echo(case.provider, speech, answers[number], said[number], body.decode())
            checked += 1
        rounds = rounds[max(used, 1) :]
    if not checked:
        pytest.skip("its calls come in an answer that ends in an error")


def check_echo(provider: str, speech: Speech, got: Got, said: Any, body: str) -> None:
    sent = json.loads(body)
    texts = set(strings(sent))
    for secret in to_echo(provider, speech.dialect, got, speech.streamed):
        assert secret in texts, f"not echoed: {secret[:60]}"
    if provider in REASONING_BACK and said.reasoning and speech.dialect == "chat":
        assert said.reasoning in texts
    for name, _ in said.calls:
        assert f"{name} says so" in texts or any(f"{name} says so" in t for t in texts)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


SIGNED = [
    "anthropic/fantasy__testanthropicthinkingwithcachecontrol_claude-sonnet-4_thinking-streaming",
    "anthropic/rig__anthropic_opus_4_7_messages_adaptive_thinking_tool_roundtrip_smoke",
    "google/adk-go__llminternal_testparallelfunctioncalls_test_parallel_function_calls_gemini-3-flash-preview",
    "openai/rig__openai_responses_sessions_reasoning_session_two_tool_calls_streaming",
]


@pytest.mark.parametrize("name", SIGNED)
def test_the_search_finds_what_is_signed(name: str) -> None:
    case = next((case for case in CASES if str(case) == name), None)
    if case is None:
        pytest.skip("needs ../shared/recordings")
    exchange = case.interactions[0]
    speech = speech_of(case.provider, exchange)
    assert speech is not None
    assert to_echo(case.provider, speech.dialect, exchange.response, speech.streamed)
