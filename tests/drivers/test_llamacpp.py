"""A real llama.cpp, as a server and inside this process, in both colours."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from prompture import errors
from prompture.drivers import llamacpp
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.types import Completion, Delta, Message, Request, Tool, system, user
from tests.llama.fixtures import Llama

pytestmark = pytest.mark.server

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "kind": {"enum": ["a", "b"]},
    },
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
}
SAVE = Tool(name="save", description="Save a person.", parameters=PERSON)
Ask = Callable[[Request], tuple[list[Delta], Completion]]


def ask(text: str = "hi", **settings: Any) -> Request:
    settings.setdefault("max_tokens", 300)
    settings.setdefault("seed", 1)
    return Request(model="", messages=(user(text),), **settings)


def sync_ask(model: str, *, stream: bool, **settings: Any) -> Ask:
    def run(request: Request) -> tuple[list[Delta], Completion]:
        with driver_for(model, **settings) as driver:
            if not stream:
                return [], driver.complete(request)
            *deltas, done = driver.stream(request)
        assert isinstance(done, Completion)
        return [d for d in deltas if isinstance(d, Delta)], done

    return run


def async_ask(model: str, *, stream: bool, **settings: Any) -> Ask:
    async def go(request: Request) -> tuple[list[Delta], Completion]:
        async with async_driver_for(model, **settings) as driver:
            if not stream:
                return [], await driver.complete(request)
            pieces = [piece async for piece in driver.stream(request)]
        assert isinstance(pieces[-1], Completion)
        return [p for p in pieces if isinstance(p, Delta)], pieces[-1]

    return lambda request: asyncio.run(go(request))


@pytest.fixture(params=["sync", "sync stream", "async", "async stream"])
def answer(request: pytest.FixtureRequest, llama_server: Llama) -> Ask:
    """Asks the server in one of the four ways."""
    name, _, stream = request.param.partition(" ")
    make = sync_ask if name == "sync" else async_ask
    return make("llamacpp/tiny", stream=bool(stream), base_url=llama_server.base_url)


@pytest.fixture(scope="module")
def engine(tiny_gguf: Path) -> Any:
    """The same model inside this process, one for all tests of this module."""
    with driver_for(f"llamacpp/{tiny_gguf}", context_tokens=4096, threads=1) as driver:
        yield driver


def test_a_plain_answer(answer: Ask) -> None:
    deltas, got = answer(ask())
    assert got.text and got.stop_reason == "stop" and got.model == "tiny"
    assert got.usage.reported and got.usage.input_tokens > 10 and got.usage.output_tokens > 1
    assert got.cost and got.cost.usd == 0 and got.cost.source == "local"
    if deltas:
        assert len(deltas) > 1 and "".join(d.text for d in deltas) == got.text


def test_a_schema_is_held(answer: Ask) -> None:
    _, got = answer(ask(schema=PERSON))
    jsonschema.validate(json.loads(got.text), PERSON)
    assert got.stop_reason == "stop"


def test_json_mode_is_held(answer: Ask) -> None:
    for seed in range(3):
        _, got = answer(ask(json_mode=True, seed=seed))
        assert isinstance(json.loads(got.text), dict)


@pytest.mark.parametrize("choice", ["required", "save", "auto"])
def test_a_tool_loop(answer: Ask, choice: str) -> None:
    first = ask("Save Ann.", tools=(SAVE,), tool_choice=choice)
    deltas, got = answer(first)
    (call,) = got.tool_calls
    assert got.stop_reason == "tool_calls" and call.name == "save"
    jsonschema.validate(call.arguments, PERSON)
    if deltas:
        raw = "".join(d.tool_arguments for d in deltas if d.tool_index == 0)
        assert json.loads(raw) == call.arguments
    result = Message(role="tool", content="saved", call_id=call.id, name="save")
    history = (*first.messages, got.message(), result)
    _, last = answer(Request(model="", messages=history, tools=(SAVE,), max_tokens=200, seed=2))
    assert last.text and not last.tool_calls and last.stop_reason == "stop"


def test_an_answer_that_is_cut_off_says_so(answer: Ask) -> None:
    _, got = answer(ask(schema=PERSON, max_tokens=6))
    assert got.stop_reason == "length" and got.usage.output_tokens == 6
    with pytest.raises(ValueError, match=r"."):
        json.loads(got.text)


@pytest.mark.parametrize(
    ("request_", "cls"),
    [
        (ask(extra={"temperature": "hot"}), errors.InvalidRequest),
        (ask(schema={"type": "nonsense"}), errors.InvalidRequest),
        (ask("x" * 9000), errors.ContextWindowExceeded),
    ],
)
def test_what_the_server_refuses(answer: Ask, request_: Request, cls: type[Exception]) -> None:
    with pytest.raises(cls) as caught:
        answer(request_)
    error = caught.value
    assert isinstance(error, errors.ProviderError)
    assert (error.provider, error.status, error.retryable) == ("llamacpp", 400, False)


@pytest.mark.parametrize("make", [sync_ask, async_ask])
def test_keys(llama_server_with_key: Llama, make: Callable[..., Ask]) -> None:
    url = llama_server_with_key.base_url
    for key in ("wrong", None):
        with pytest.raises(errors.AuthenticationError):
            make("llamacpp/tiny", stream=False, base_url=url, api_key=key)(ask())
    good = make("llamacpp/tiny", stream=True, base_url=url, api_key=llama_server_with_key.key)
    assert good(ask())[1].text


def test_what_can_be_asked_about_it(llama_server: Llama) -> None:
    with driver_for("llamacpp/tiny", base_url=llama_server.base_url) as driver:
        assert [m.id for m in driver.list_models()] == ["tiny"]
        assert driver.check_credentials()
        assert driver.health().reachable


def test_a_server_that_is_not_there() -> None:
    make = sync_ask("llamacpp/tiny", stream=False, base_url="http://127.0.0.1:9", retry=None)
    with pytest.raises(errors.ConnectionLost):
        make(ask())


@pytest.mark.parametrize(
    ("reasoning", "kwargs"),
    [
        ("none", {"enable_thinking": False}),
        ("high", {"enable_thinking": True, "reasoning_effort": "high"}),
    ],
)
def test_thinking_is_steered_through_the_template(reasoning: str, kwargs: Any) -> None:
    endpoint = llamacpp.ROW.endpoint()
    body = json.loads(llamacpp.CODEC.encode(ask(reasoning=reasoning), endpoint).body)
    assert body["chat_template_kwargs"] == kwargs and "reasoning_effort" not in body


def test_the_schema_is_shown_to_the_model() -> None:
    endpoint = llamacpp.ROW.endpoint()
    request = Request(model="m", messages=(system("Be brief."), user("hi")), schema=PERSON)
    first, *_ = json.loads(llamacpp.CODEC.encode(request, endpoint).body)["messages"]
    assert first["content"].startswith("Be brief.\n\nAnswer with JSON")
    assert '"maxLength":20' in first["content"]


# Inside this process


@pytest.mark.parametrize(
    ("model", "here"),
    [
        ("x/y.gguf", True),
        ("Model.GGUF", True),
        ("tiny", False),
        ("ggml-org/x", False),
        (__file__, True),
    ],
)
def test_which_models_run_here(model: str, here: bool) -> None:
    assert llamacpp.is_file(model) is here


def test_answers_without_a_server(engine: Any) -> None:
    got = engine.complete(ask())
    assert got.text and got.model == "tiny" and got.usage.output_tokens > 1
    assert got.cost.usd == 0
    for seed in range(3):
        held = engine.complete(ask(schema=PERSON, seed=seed))
        jsonschema.validate(json.loads(held.text), PERSON)
    called = engine.complete(ask("Save.", tools=(SAVE,), tool_choice="required"))
    jsonschema.validate(called.tool_calls[0].arguments, PERSON)
    cut = engine.complete(ask(schema=PERSON, max_tokens=4))
    assert cut.stop_reason == "length"
    assert engine.complete(ask(seed=7)).text == engine.complete(ask(seed=7)).text


@pytest.mark.parametrize(
    ("request_", "cls"),
    [
        (ask(extra={"temperature": "hot"}), errors.InvalidRequest),
        (ask(schema={"type": "nonsense"}), errors.InvalidRequest),
        (ask("x" * 9000), errors.ContextWindowExceeded),
    ],
)
def test_what_the_engine_refuses(engine: Any, request_: Request, cls: type[Exception]) -> None:
    with pytest.raises(cls):
        engine.complete(request_)


def test_the_async_colour_leaves_the_loop_free(tiny_gguf: Path) -> None:
    async def go() -> tuple[list[Completion], int]:
        ticks = 0
        model = f"llamacpp/{tiny_gguf}"
        async with async_driver_for(model, context_tokens=2048, threads=1, parallel=2) as driver:
            await driver.complete(ask())
            long = ask("x" * 500, max_tokens=400, extra={"ignore_eos": True})
            tasks = [asyncio.create_task(driver.complete(long)) for _ in range(2)]
            while not all(t.done() for t in tasks):
                ticks += 1
                await asyncio.sleep(0)
            return [t.result() for t in tasks], ticks

    answers, ticks = asyncio.run(go())
    assert [a.usage.output_tokens for a in answers] == [400, 400]
    assert ticks > 10


def test_it_streams_as_the_model_writes(engine: Any) -> None:
    *deltas, done = engine.stream(ask(schema=PERSON))
    assert len(deltas) > 5 and "".join(d.text for d in deltas) == done.text
    jsonschema.validate(json.loads(done.text), PERSON)
    assert done.usage.output_tokens > 5 and done.cost.usd == 0
    *parts, called = engine.stream(ask(tools=(SAVE,), tool_choice="required"))
    raw = "".join(d.tool_arguments for d in parts if d.tool_index == 0)
    assert json.loads(raw) == called.tool_calls[0].arguments
    with pytest.raises(errors.ContextWindowExceeded):
        list(engine.stream(ask("x" * 9000)))
    with pytest.raises(errors.InvalidRequest):
        list(engine.stream(ask(schema={"type": "nonsense"})))


def test_a_stream_that_is_left_stops_the_model(engine: Any) -> None:
    long = ask("x" * 300, max_tokens=1500, extra={"ignore_eos": True})
    started = time.perf_counter()
    engine.complete(long)
    whole = time.perf_counter() - started
    started = time.perf_counter()
    stream = engine.stream(long)
    next(stream)
    stream.close()
    engine.complete(ask(max_tokens=2))
    assert time.perf_counter() - started < whole / 2


def test_an_async_stream_and_one_that_is_cancelled(tiny_gguf: Path) -> None:
    long = ask("x" * 300, max_tokens=1500, extra={"ignore_eos": True})

    async def go() -> None:
        model = f"llamacpp/{tiny_gguf}"
        async with async_driver_for(model, context_tokens=4096, threads=1) as driver:
            pieces = [p async for p in driver.stream(ask())]
            assert isinstance(pieces[-1], Completion) and len(pieces) > 2
            assert "".join(p.text for p in pieces[:-1]) == pieces[-1].text

            async def read() -> None:
                async for _ in driver.stream(long):
                    started.set()

            started = asyncio.Event()
            task = asyncio.create_task(read())
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await driver.complete(ask(max_tokens=2))).text

    asyncio.run(go())


def test_a_base_url_means_the_server(llama_server: Llama) -> None:
    make = sync_ask("llamacpp/tiny.gguf", stream=False, base_url=llama_server.base_url)
    assert make(ask())[1].text


def test_nothing_else_can_reach_it(tiny_gguf: Path) -> None:
    from prompture.drivers.llamacpp import LlamaCpp

    engine = LlamaCpp(str(tiny_gguf), context_tokens=512, threads=1)
    try:
        address = engine._server.listening_address
        folder = Path(address.removeprefix("unix://")).parent
        assert address.startswith("unix://") and folder.stat().st_mode & 0o077 == 0
        assert folder.stat().st_uid == os.getuid()
    finally:
        engine.close()
    assert not folder.exists()


def test_files_that_are_no_models(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_text("hello")
    for model, words in ((broken, "cannot be loaded"), (tmp_path / "none.gguf", "no file")):
        with pytest.raises(errors.ConfigurationError, match=words):
            driver_for(f"llamacpp/{model}").complete(ask())


def test_settings_that_it_does_not_know(tiny_gguf: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="colour"):
        driver_for(f"llamacpp/{tiny_gguf}", colour="red").complete(ask())


def test_it_writes_nothing_to_the_terminal(
    tiny_gguf: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with driver_for(f"llamacpp/{tiny_gguf}", context_tokens=512, threads=1) as driver:
        driver.complete(ask(max_tokens=5))
    assert capfd.readouterr() == ("", "")


def test_a_system_turn_reaches_the_model(engine: Any) -> None:
    short = engine.complete(ask("hi", max_tokens=1)).usage.input_tokens
    turns = (system("Be very brief indeed."), user("hi"))
    longer = engine.complete(Request(model="", messages=turns, max_tokens=1)).usage.input_tokens
    assert longer > short + 20
