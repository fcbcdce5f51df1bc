"""Spans and metrics as OpenTelemetry's own SDK sees them, in both colours.

What must hold: one span for each extraction, call, try, agent's run and tool, each the child of the
right one; each ends once, with its stream or with whoever leaves it; tokens and dollars on calls
alone; no content and no error's message unless asked for; nothing at all before ``instrument``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

pytest.importorskip("opentelemetry.sdk")
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import prompture
from prompture import observe
from prompture.agents.agent import Agent
from prompture.agents.resumption import WaitingForApproval
from prompture.agents.tools import LATER, tool
from prompture.drivers.telemetry import Telemetry, instrument, uninstrument
from prompture.errors import (
    AuthenticationError,
    ConfigurationError,
    Invalid,
    MissingExtra,
    ServerError,
)
from prompture.extraction.extractor import Extractor
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import Completion, ToolCall, Usage
from tests import server as on
from tests.drivers.colours import COLOURS, KEY, Colour
from tests.server import event, fails, good, raw, serving, streams

SECRET = "Ada Lovelace"
TEXT = f"{SECRET}, 36 years old"


class Person(BaseModel):
    name: str
    age: int


PERSON = json.dumps({"name": SECRET, "age": 36})
colours = pytest.mark.parametrize("kind", COLOURS, ids=lambda c: c.name)


class Seen:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(self.exporter.get_finished_spans(), key=lambda s: s.start_time or 0)

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(start)]

    def one(self, start: str) -> ReadableSpan:
        (span,) = self.named(start)
        return span

    def tree(self) -> list[tuple[str, str]]:
        """Each span's name with its parent's."""
        names = {s.context.span_id: s.name for s in self.spans if s.context}
        return [(s.name, names[s.parent.span_id] if s.parent else "") for s in self.spans]

    def points(self, name: str) -> list[Any]:
        data: Any = self.reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return [point for m in metrics if m.name == name for point in m.data.data_points]

    def text(self) -> str:
        return " ".join(span.to_json() for span in self.spans)


@pytest.fixture
def seen() -> Iterator[Seen]:
    made = Seen()
    before = trace.get_current_span()
    instrument(tracer_provider=made.provider, meter_provider=made.meters)
    try:
        yield made
        assert trace.get_current_span() is before, "a context was left behind"
    finally:
        uninstrument()


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def extracted(colour: Colour, driver: Any, **options: Any) -> Any:
    extractor = Extractor(Person, model=driver, **options)
    if colour.name == "sync":
        return extractor.extract_result(TEXT)
    return colour.run(extractor.aextract_result(TEXT))


@colours
def test_an_extraction_has_a_span_with_a_call_with_a_try(kind: type[Colour], seen: Seen) -> None:
    with serving(good(PERSON)) as server, kind() as colour:
        result = extracted(colour, colour.driver(server.url))
    assert seen.tree() == [
        ("extract Person", ""),
        ("chat m", "extract Person"),
        ("POST", "chat m"),
    ]
    extraction, call, attempt = map(about, seen.spans)
    assert extraction["gen_ai.operation.name"] == "invoke_workflow"
    assert extraction["gen_ai.workflow.name"] == "Person"
    assert extraction["prompture.strategy"] == result.strategy
    assert extraction["prompture.attempts"] == 1
    usage = result.raw.usage
    assert call["gen_ai.operation.name"] == "chat"
    assert call["gen_ai.provider.name"] == "openai-compatible"
    assert (call["gen_ai.request.model"], call["gen_ai.response.model"]) == ("m", "m")
    assert call["gen_ai.usage.input_tokens"] == usage.input_tokens > 0
    assert call["gen_ai.usage.output_tokens"] == usage.output_tokens > 0
    assert call["gen_ai.response.finish_reasons"] == ("stop",)
    assert call["server.address"] == "127.0.0.1" and call["server.port"] > 0
    assert attempt["http.response.status_code"] == 200
    assert "http.request.resend_count" not in attempt
    assert [s.kind for s in seen.spans] == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.CLIENT]
    assert not any(s.status.status_code is StatusCode.ERROR for s in seen.spans)
    for other in (extraction, attempt):
        assert not any("usage" in key or "cost" in key for key in other)


@colours
def test_no_content_no_key(kind: type[Colour], seen: Seen) -> None:
    body = json.dumps({"error": {"message": f"{SECRET} {KEY} is bad"}}).encode()
    with serving(good(PERSON), raw(body, 401)) as server, kind() as colour:
        driver = colour.driver(server.url)
        extracted(colour, driver)
        with pytest.raises(AuthenticationError):
            extracted(colour, driver)
    assert len(seen.spans) == 6
    assert SECRET not in seen.text() and KEY not in seen.text()
    assert "Traceback" not in seen.text()


@colours
def test_content_where_it_is_asked_for(kind: type[Colour], seen: Seen) -> None:
    instrument(tracer_provider=seen.provider, content=True)
    with serving(good(PERSON)) as server, kind() as colour:
        extracted(colour, colour.driver(server.url))
    call = about(seen.one("chat"))
    asked, answered = (
        json.loads(call[f"gen_ai.{which}.messages"]) for which in ("input", "output")
    )
    assert [turn["role"] for turn in asked][-1] == "user"
    assert SECRET in asked[-1]["parts"][-1]["content"]
    assert json.loads(answered[0]["parts"][0]["content"]) == json.loads(PERSON)


@colours
def test_the_key_of_a_call_is_in_no_content(kind: type[Colour], seen: Seen) -> None:
    instrument(tracer_provider=seen.provider, content=True)
    own = "tenant-" + "7" * 20
    with serving(good(json.dumps({"name": own, "age": 3}))) as server, kind() as colour:
        extracted(colour, colour.driver(server.url), api_key=own)
    assert own not in seen.text() and "gen_ai.output.messages" in about(seen.one("chat"))


def test_content_by_the_usual_variable(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    instrument(tracer_provider=seen.provider)
    Extractor(Person, model=ScriptedDriver([PERSON])).extract(TEXT)
    assert SECRET in about(seen.one("chat"))["gen_ai.input.messages"]


def test_whether_content_is_wanted_is_no_word() -> None:
    with pytest.raises(ConfigurationError, match="content must be True or False"):
        instrument(content="no")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "wanted", "problem"),
    [("SPAN_ONLY", True, 0), ("event_only", False, 0), ("1", True, 0), ("maybe", False, 1)],
)
def test_words_of_the_usual_variable(
    word: str,
    wanted: bool,
    problem: int,
    monkeypatch: pytest.MonkeyPatch,
    seen: Seen,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", word)
    instrument(tracer_provider=seen.provider)
    Extractor(Person, model=ScriptedDriver([PERSON])).extract(TEXT)
    assert ("gen_ai.input.messages" in about(seen.one("chat"))) is wanted
    assert sum("expected 1 or 0" in each.getMessage() for each in caplog.records) == problem


@colours
def test_each_try_has_a_span_and_what_failed_says_so(kind: type[Colour], seen: Seen) -> None:
    with serving(fails(503, SECRET), fails(500, SECRET), good(PERSON)) as server, kind() as colour:
        extracted(colour, colour.driver(server.url))
    tries = seen.named("POST")
    assert [about(s)["http.response.status_code"] for s in tries] == [503, 500, 200]
    assert [about(s).get("error.type") for s in tries] == ["Overloaded", "ServerError", None]
    assert [about(s).get("http.request.resend_count") for s in tries] == [None, 1, 2]
    call = seen.one("chat")
    assert call.status.status_code is StatusCode.UNSET
    assert [e.name for e in call.events] == ["prompture.retry"] * 2
    assert [(e.attributes or {})["error.type"] for e in call.events] == [
        "Overloaded",
        "ServerError",
    ]
    assert {s.parent.span_id for s in tries if s.parent} == {call.context.span_id}  # type: ignore[union-attr]
    assert SECRET not in seen.text()


@colours
def test_a_call_that_fails_for_good(kind: type[Colour], seen: Seen) -> None:
    with serving(*[fails(500)] * 3) as server, kind() as colour, pytest.raises(ServerError):
        extracted(colour, colour.driver(server.url))
    assert Counter(s.name for s in seen.spans) == {"extract Person": 1, "chat m": 1, "POST": 3}
    for span in seen.spans:
        assert span.status.status_code is StatusCode.ERROR and span.status.description is None
        assert about(span)["error.type"] == "ServerError"
    (point,) = seen.points("gen_ai.client.operation.duration")
    assert point.attributes["error.type"] == "ServerError"
    assert not seen.points("gen_ai.client.token.usage")


@colours
def test_asking_again_makes_another_call_in_the_same_extraction(
    kind: type[Colour], seen: Seen
) -> None:
    with serving(good('{"name": 1}'), good(PERSON)) as server, kind() as colour:
        extracted(colour, colour.driver(server.url))
    assert seen.tree().count(("chat m", "extract Person")) == 2
    assert about(seen.one("extract"))["prompture.attempts"] == 2


@colours
def test_an_answer_that_stays_invalid_fails_the_extraction_and_no_call(
    kind: type[Colour], seen: Seen
) -> None:
    with serving(good("{}"), good("{}")) as server, kind() as colour, pytest.raises(Invalid):
        extracted(colour, colour.driver(server.url), max_retries=1)
    assert about(seen.one("extract"))["error.type"] == "Invalid"
    assert not any("error.type" in about(s) for s in seen.named("chat"))


def pieces_of(colour: Colour, driver: Any, leave: int | None) -> list[Any]:
    extractor = Extractor(Person, model=driver)
    found: list[Any] = []

    async def consume() -> None:
        async with extractor.aextract_stream(TEXT) as pieces:
            async for piece in pieces:
                found.append(piece)
                assert not trace.get_current_span().is_recording()
                if len(found) == leave:
                    return

    if colour.name == "async":
        colour.run(consume())
        return found
    with extractor.extract_stream(TEXT) as pieces:
        for piece in pieces:
            found.append(piece)
            # What the caller does in between is no part of the extraction.
            assert not trace.get_current_span().is_recording()
            if len(found) == leave:
                break
    return found


HALF = len(PERSON) // 2


@colours
def test_a_stream_ends_its_spans_at_its_end(kind: type[Colour], seen: Seen) -> None:
    steps = streams(event(PERSON[:HALF]), event(PERSON[HALF:]), event(finish="stop"))
    with serving(steps) as server, kind() as colour:
        pieces_of(colour, colour.driver(server.url), None)
    assert seen.tree() == [
        ("extract Person", ""),
        ("chat m", "extract Person"),
        ("POST", "chat m"),
    ]
    call = about(seen.one("chat"))
    assert call["gen_ai.request.stream"] is True
    assert 0 < call["gen_ai.response.time_to_first_chunk"] < 60
    assert len(seen.points("gen_ai.client.operation.time_to_first_chunk")) == 1


@colours
def test_a_stream_that_is_left_ends_its_spans_without_an_error(
    kind: type[Colour], seen: Seen
) -> None:
    steps = streams(event(PERSON[:HALF]), ended=False, then=on.waits_to_be_left)
    with serving(steps) as server, kind() as colour:
        pieces_of(colour, colour.driver(server.url), 1)
    assert len(seen.spans) == 3
    for span in seen.spans:
        assert about(span).get("prompture.left") is True, span.name
        assert span.status.status_code is StatusCode.UNSET


@colours
def test_a_stream_that_is_asked_for_again_says_so_on_its_call(
    kind: type[Colour], seen: Seen
) -> None:
    early = event(error={"message": SECRET, "code": "server_error"})
    whole = streams(event(PERSON), event(finish="stop"))
    with serving(streams(early), whole) as server, kind() as colour:
        pieces_of(colour, colour.driver(server.url), None)
    assert [e.name for e in seen.one("chat").events] == ["prompture.retry"]
    assert [about(s).get("error.type") for s in seen.named("POST")] == ["ServerError", None]
    assert SECRET not in seen.text()


@colours
def test_a_stream_that_breaks_off(kind: type[Colour], seen: Seen) -> None:
    steps = streams(event(PERSON[:HALF]), ended=False)
    with serving(steps) as server, kind() as colour, pytest.raises(prompture.TransportError):
        pieces_of(colour, colour.driver(server.url), None)
    assert [about(s).get("error.type") for s in seen.spans] == ["ConnectionLost"] * 3


def test_a_cancelled_task_ends_its_spans(seen: Seen) -> None:
    from tests.drivers.colours import Async

    async def main(driver: Any, reached: threading.Event) -> None:
        extractor = Extractor(Person, model=driver)
        task = asyncio.ensure_future(extractor.aextract(TEXT))
        await asyncio.to_thread(reached.wait, on.WAIT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    reached = threading.Event()

    def waits(x: Any) -> None:
        reached.set()
        on.waits_to_be_left(x)

    with serving(waits) as server, Async() as colour:
        colour.run(main(colour.driver(server.url), reached))
    assert [s.name for s in seen.spans] == ["extract Person", "chat m", "POST"]
    assert all(about(s).get("prompture.left") is True for s in seen.spans)


def test_tasks_side_by_side_have_their_own_children(seen: Seen) -> None:
    from tests.drivers.colours import Async

    async def main(driver: Any) -> None:
        extractor = Extractor(Person, model=driver)
        await asyncio.gather(*(extractor.aextract(TEXT) for _ in range(8)))

    with serving(*[good(PERSON)] * 8) as server, Async() as colour:
        colour.run(main(colour.driver(server.url)))
    assert len({s.context.trace_id for s in seen.spans if s.context}) == 8
    assert Counter(seen.tree()) == {
        ("extract Person", ""): 8,
        ("chat m", "extract Person"): 8,
        ("POST", "chat m"): 8,
    }


@colours
def test_the_users_own_span_is_the_parent(kind: type[Colour], seen: Seen) -> None:
    tracer = seen.provider.get_tracer("user")
    with serving(good(PERSON)) as server, kind() as colour:
        driver = colour.driver(server.url)
        with tracer.start_as_current_span("request"):
            extracted(colour, driver)
    assert ("extract Person", "request") in seen.tree()


def add(a: int, b: int) -> int:
    """Add."""
    with trace.get_tracer("tool").start_as_current_span("inside"):
        return a + b


async def aadd(a: int, b: int) -> int:
    """Add."""
    await asyncio.sleep(0)
    return add(a, b)


def asks(name: str, arguments: str) -> Completion:
    call = ToolCall(id="c1", name=name, arguments=json.loads(arguments), raw_arguments=arguments)
    return Completion(tool_calls=(call,), stop_reason="tool_calls")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_agent_has_a_span_with_its_calls_and_tools(
    asynchronous: bool, streamed: bool, seen: Seen
) -> None:
    script = [asks("add" if not asynchronous else "aadd", '{"a": 1, "b": 41}'), "42"]
    make: Any = AsyncScriptedDriver if asynchronous else ScriptedDriver
    agent = Agent(make(script), tools=[aadd if asynchronous else add])

    async def consume() -> None:
        if streamed:
            async for _ in agent.astream("1 + 41?"):
                assert not trace.get_current_span().is_recording()
        else:
            await agent.arun("1 + 41?")

    if asynchronous:
        asyncio.run(consume())
    elif streamed:
        for _ in agent.stream("1 + 41?"):
            assert not trace.get_current_span().is_recording()
    else:
        agent.run("1 + 41?")
    tool_name = f"execute_tool {script[0].tool_calls[0].name}"  # type: ignore[union-attr]
    assert Counter(seen.tree()) == {
        ("invoke_agent", ""): 1,
        ("chat scripted", "invoke_agent"): 2,
        (tool_name, "invoke_agent"): 1,
    }
    tool = about(seen.one("execute_tool"))
    assert tool["gen_ai.tool.call.id"] == "c1" and tool["gen_ai.tool.type"] == "function"
    assert "41" not in json.dumps({k: str(v) for k, v in tool.items()})
    assert about(seen.one("invoke_agent"))["prompture.steps"] == 2


def test_a_tool_that_raises(seen: Seen) -> None:
    def broken(a: int, b: int) -> int:
        """Add."""
        raise ValueError(SECRET)

    agent = Agent(ScriptedDriver([asks("broken", '{"a": 1, "b": 2}'), "no"]), tools=[broken])
    agent.run("1 + 2?")
    assert about(seen.one("execute_tool"))["error.type"] == "ValueError"
    assert "error.type" not in about(seen.one("invoke_agent"))
    assert SECRET not in seen.text()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_tool_that_takes_too_long(asynchronous: bool, seen: Seen) -> None:
    released, left = threading.Event(), threading.Event()

    def slow(a: int) -> int:
        """Wait."""
        released.wait()
        left.set()
        return a

    async def aslow(a: int) -> int:
        """Wait."""
        await asyncio.Event().wait()
        return a

    script = [asks("aslow" if asynchronous else "slow", '{"a": 1}'), "no"]
    if asynchronous:
        agent = Agent(AsyncScriptedDriver(script), tools=[aslow], tool_timeout=0.01)
        done = asyncio.run(agent.arun("go"))
    else:
        agent = Agent(ScriptedDriver(script), tools=[slow], tool_timeout=0.01)
        done = agent.run("go")
    assert done.steps[0].tools[0].status == "timeout"
    found = about(seen.one("execute_tool"))
    assert found["error.type"] == "TimeoutError" and "prompture.left" not in found
    released.set()
    assert asynchronous or left.wait(10)


@tool(approve=LATER)
def pay(amount: object) -> str:
    """Pay."""
    return f"paid {amount}"


def test_a_run_that_waits_is_no_failure(seen: Seen) -> None:
    instrument(tracer_provider=seen.provider, content=True)
    asked = asks("pay", '{"amount": 5}')
    with pytest.raises(WaitingForApproval) as caught:
        Agent(ScriptedDriver([asked]), tools=[pay]).run("hi")
    span = seen.one("invoke_agent")
    assert span.status.status_code is StatusCode.UNSET
    assert about(span)["prompture.waiting"] is True
    assert not {"error.type", "prompture.left"} & about(span).keys()
    assert about(span)["gen_ai.provider.name"] == "scripted"
    approved = {"c1": {"amount": [3, "\u00e9"]}}
    Agent(ScriptedDriver(["done"]), tools=[pay]).resume(caught.value, approved)
    found = about(seen.one("execute_tool"))
    # What the tool was given, not what the model had asked for.
    assert json.loads(found["gen_ai.tool.call.arguments"]) == {"amount": [3, "\u00e9"]}
    assert found["gen_ai.tool.call.result"].startswith("paid [3, ")


class Unshown(str):
    """A text that cannot be made into one."""

    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("result", "shown"),
    [(Unshown("fine"), "fine"), (b"\x89PNG\r\n\x1a\n" + b"0" * 40, "[image/png]")],
)
def test_results_are_shown_as_the_model_is_shown_them(
    result: object, shown: str, seen: Seen
) -> None:
    instrument(tracer_provider=seen.provider, content=True)

    def look() -> object:
        return result

    run = Agent(ScriptedDriver([asks("look", "{}"), "done"]), tools=[look]).run("hi")
    assert run.steps[0].tools[0].status == "ok"
    found = about(seen.one("execute_tool"))
    assert found["gen_ai.tool.call.arguments"] == "{}"
    assert str.__str__(found["gen_ai.tool.call.result"]) == shown


def test_an_answer_on_a_span_has_its_reason(seen: Seen) -> None:
    instrument(tracer_provider=seen.provider, content=True)
    call = ToolCall(id="c1", name="pay", arguments=None, raw_arguments="{")
    broken = Completion(tool_calls=(call,), stop_reason="tool_calls")
    Agent(ScriptedDriver([broken, "half \ud800"]), tools=[pay]).run("hi")
    first, second = (json.loads(about(s)["gen_ai.output.messages"])[0] for s in seen.named("chat"))
    assert (first["finish_reason"], second["finish_reason"]) == ("tool_call", "stop")
    assert first["parts"][0]["arguments"] == "{"  # what is no JSON stands as it came
    # Half of a surrogate pair has no UTF-8: an exporter would drop the whole batch.
    assert second["parts"][0]["content"] == "half ?"


class Broken(SpanProcessor):
    """A user's processor with a fault."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("start")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("end")


@colours
def test_a_processor_that_fails_ends_no_call(kind: type[Colour]) -> None:
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    instrument(tracer_provider=provider)
    with serving(good(PERSON)) as server, kind() as colour:
        result = extracted(colour, colour.driver(server.url))
    assert result.value == Person(name=SECRET, age=36)


def test_traces_may_end_while_a_call_begins(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may call ``uninstrument`` at any moment."""
    instrument(tracer_provider=seen.provider)
    traced = Telemetry.traced

    def and_ends(self: Telemetry, kind: Any) -> Any:
        uninstrument()
        return traced(self, kind)

    monkeypatch.setattr(Telemetry, "traced", and_ends)
    assert ScriptedDriver(["12"]).generate("hi").text == "12"
    assert [span.name for span in seen.spans] == ["chat scripted"]


def test_a_tools_own_extraction_is_its_child(seen: Seen) -> None:
    inner = ScriptedDriver([PERSON])

    def read(text: str) -> str:
        """Read."""
        return Extractor(Person, model=inner).extract(text).name

    agent = Agent(ScriptedDriver([asks("read", '{"text": "x"}'), "done"]), tools=[read])
    agent.run("read")
    assert ("extract Person", "execute_tool read") in seen.tree()


def test_metrics(seen: Seen) -> None:
    with serving(good(PERSON)) as server, COLOURS[0]() as colour:
        result = extracted(colour, colour.driver(server.url))
    (duration,) = seen.points("gen_ai.client.operation.duration")
    assert duration.count == 1 and duration.explicit_bounds[0] == 0.01
    assert dict(duration.attributes)["gen_ai.operation.name"] == "chat"
    tokens = {
        p.attributes["gen_ai.token.type"]: p for p in seen.points("gen_ai.client.token.usage")
    }
    assert tokens["input"].sum == result.raw.usage.input_tokens
    assert tokens["output"].sum == result.raw.usage.output_tokens
    assert tokens["input"].explicit_bounds[1] == 4


def test_the_names_of_the_latest_conventions(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http, gen_ai_latest_experimental")
    instrument(tracer_provider=seen.provider, meter_provider=seen.meters)
    with serving(good(PERSON)) as server, COLOURS[0]() as colour:
        extracted(colour, colour.driver(server.url))
    assert len(seen.points("gen_ai.client.inference.duration")) == 1
    assert len(seen.points("gen_ai.invoke_workflow.duration")) == 1
    (point,) = seen.points("gen_ai.client.inference.operation.input_tokens")
    assert "gen_ai.token.type" not in point.attributes
    assert not seen.points("gen_ai.client.token.usage")


def test_dollars_stand_on_the_call_with_all_its_tries(seen: Seen) -> None:
    from prompture.catalog import Rates

    rates = Rates(input=Decimal(1), output=Decimal(2))
    usage = Usage(input_tokens=1000, output_tokens=500, reported=True)
    priced = ScriptedDriver([Completion(text=PERSON, usage=usage)], prices=rates)
    result = Extractor(Person, model=priced).extract_result(TEXT)
    assert result.cost.total is not None
    call = about(seen.one("chat"))
    assert "server.address" not in call and seen.one("chat").kind is SpanKind.INTERNAL
    assert call["prompture.cost.usd"] == float(result.cost.total) == 0.002
    (point,) = seen.points("prompture.cost")
    assert point.value == float(result.cost.total)


@colours
def test_a_call_that_the_cache_answers_has_no_try_and_no_metric(
    kind: type[Colour], seen: Seen
) -> None:
    cache = prompture.Cache()
    with serving(good(PERSON)) as server, kind() as colour:
        driver = colour.driver(server.url)
        for _ in range(2):
            extracted(colour, driver, cache=cache)
    first, second = seen.named("chat")
    assert about(second)["prompture.cache_hit"] is True and "prompture.cache_hit" not in about(
        first
    )
    assert about(second)["prompture.cost.usd"] == 0
    assert [e.name for e in second.events] == ["prompture.cache_hit"]
    assert len(seen.named("POST")) == 1
    (point,) = seen.points("gen_ai.client.operation.duration")
    assert point.count == 1
    assert about(seen.named("extract")[1])["prompture.cache_hit"] is True


def test_before_instrument_and_after_uninstrument_there_is_nothing(seen: Seen) -> None:
    uninstrument()
    Extractor(Person, model=ScriptedDriver([PERSON])).extract(TEXT)
    assert seen.spans == [] and observe.current is None


def test_nothing_of_opentelemetry_is_imported_without_it() -> None:
    code = (
        "import sys; from prompture import Extractor\n"
        "from prompture.testing import ScriptedDriver\n"
        "print(Extractor(int, model=ScriptedDriver(['3'])).extract('x'))\n"
        "assert not [m for m in sys.modules if 'opentelemetry' in m or 'telemetry' in m]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(MissingExtra, match=r"prompture\[otel\]"):
        prompture.instrument()


@colours
def test_what_is_noted_becomes_an_event_of_the_span(kind: type[Colour], seen: Seen) -> None:
    class Noting(BaseModel):
        name: str
        age: int

        def model_post_init(self, _: object) -> None:
            observe.note("reask", "%(model)s", model="m", error=ValueError(SECRET), attempt=2)

    with serving(good(PERSON)) as server, kind() as colour:
        extractor = Extractor(Noting, model=colour.driver(server.url))
        if kind.name == "sync":
            extractor.extract(TEXT)
        else:
            colour.run(extractor.aextract(TEXT))
    (found,) = seen.one("extract").events
    assert found.name == "prompture.reask"
    assert dict(found.attributes or {}) == {"model": "m", "error.type": "ValueError", "attempt": 2}


@colours
def test_a_call_that_its_deadline_ends_is_said(
    kind: type[Colour], seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="prompture")
    with serving(on.waits_to_be_left) as server, kind() as colour:
        driver = colour.driver(server.url)
        with pytest.raises(prompture.TransportError) as caught:
            extracted(colour, driver, deadline=0.2)
    assert type(caught.value).__name__ == "DeadlineExceeded"
    (record,) = [r for r in caplog.records if getattr(r, "event", "") == "deadline"]
    assert "openai-compatible/m: ended after 0." in record.getMessage()
    assert "prompture.deadline" in [e.name for e in seen.one("chat").events]
    assert about(seen.one("chat"))["error.type"] == "DeadlineExceeded"


@colours
def test_every_call_stands_in_the_log_at_debug(
    kind: type[Colour], caplog: pytest.LogCaptureFixture
) -> None:
    """Also without traces."""
    caplog.set_level(logging.DEBUG, logger="prompture")
    with serving(fails(500), good(PERSON), fails(400, SECRET)) as server, kind() as colour:
        driver = colour.driver(server.url)
        extracted(colour, driver)
        with pytest.raises(prompture.InvalidRequest):
            extracted(colour, driver, strategy="prompt")
    calls: list[Any] = [r for r in caplog.records if getattr(r, "event", "") == "call"]
    assert [r.levelname for r in calls] == ["DEBUG"] * 2
    first, second = calls
    assert (first.provider, first.model, first.why) == ("openai-compatible", "m", "ok")
    assert (first.input_tokens, first.output_tokens) == (1000, 100)
    assert "openai-compatible/m: ok in " in first.getMessage()
    assert second.why == "InvalidRequest"
    assert SECRET not in caplog.text


@colours
def test_the_chunks_of_a_long_document_are_spans_of_one_extraction(
    kind: type[Colour], seen: Seen
) -> None:
    from prompture import Chunks
    from prompture.testing import AsyncFunctionDriver, FunctionDriver

    def answer(request: Any) -> dict[str, Any]:
        return {"name": "Ann", "age": 36}

    text = "\n\n".join(f"# {i}\n\n" + "words of no use\n" * 6 for i in range(3))
    options: dict[str, Any] = {"long": Chunks(tokens=60, overlap=10, parallel=2)}
    with kind() as colour:
        if colour.name == "sync":
            Extractor(Person, model=FunctionDriver(answer), **options).extract_result(text)
        else:
            asked = Extractor(Person, model=AsyncFunctionDriver(answer), **options)
            colour.run(asked.aextract_result(text))
    names = [name for name, _ in seen.tree()]
    assert names.count("extract Person") == 1
    assert names.count("extract Person chunk") == 3
    for name, parent in seen.tree():
        if name == "extract Person chunk":
            assert parent == "extract Person"
        elif name != "extract Person":
            assert parent == "extract Person chunk"
    assert (
        about(next(s for s in seen.spans if s.name == "extract Person"))["prompture.attempts"] == 3
    )
