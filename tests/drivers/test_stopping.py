"""Models in this process stop writing when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

import prompture
from prompture.drivers import bounded, registry
from prompture.drivers.airllm import AirLLM
from prompture.drivers.bounded import stop_signal, usual_threads, usual_tokens
from prompture.drivers.inprocess import NO_CODEC
from prompture.drivers.provider import Features, Provider
from prompture.errors import DeadlineExceeded
from prompture.types import Completion, Delta, Request, Tool, Usage, user

SECONDS, LATE = 0.3, 10.0
ASK = Request(model="", messages=(user("hi"),))


class Endless:
    """Writes a letter every few milliseconds until it is asked to stop."""

    def __init__(self, model: str) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()

    def answer(self, request: Request) -> Completion:
        *_, done = self.stream(request)
        assert isinstance(done, Completion)
        return done

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        stop, written = stop_signal(), ""
        wait = threading.Event().wait
        try:
            while not stop():
                wait(0.005)
                written += "a"
                self.begun.set()
                yield Delta(text="a")
            usage = Usage(output_tokens=len(written), requests=1, reported=True)
            yield Completion(text=written, stop_reason="cancelled", usage=usage)
        finally:
            self.ended.set()


class Deaf(Endless):
    """Never looks at the signal; ``over`` ends it all the same."""

    over = threading.Event()

    def answer(self, request: Request) -> Completion:
        self.begun.set()
        self.over.wait(20)
        return Completion(text="late")

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        yield Delta(text="a")
        yield self.answer(request)


@pytest.fixture(autouse=True)
def rows() -> Iterator[None]:
    Deaf.over.clear()
    for name, engine in (("endless", Endless), ("deaf", Deaf)):
        registry.register(
            Provider(
                name=name,
                codec=NO_CODEC,
                engine=engine,
                base_url="",
                key_required=False,
                local=True,
                default_model="m",
                features=Features(schema_dialect="plain"),
                docs="tests",
            )
        )
    yield
    Deaf.over.set()
    for name in ("endless", "deaf"):
        registry.unregister(name)


def ended(act: Callable[[], object]) -> DeadlineExceeded:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        act()
    assert SECONDS - 0.02 <= time.monotonic() - begun <= SECONDS + LATE
    return caught.value


def asked(driver: Any) -> Any:
    return driver.generate("hi", deadline=SECONDS)


def streamed(driver: Any) -> Any:
    return list(driver.generate_messages_stream([user("hi")], deadline=SECONDS))


def awaited(driver: Any) -> Any:
    return asyncio.run(driver.generate("hi", deadline=SECONDS))


def awaited_as_a_stream(driver: Any) -> Any:
    async def go() -> None:
        async for _ in driver.generate_messages_stream([user("hi")], deadline=SECONDS):
            pass

    return asyncio.run(go())


WAYS = [asked, streamed, awaited, awaited_as_a_stream]


def made(way: Any, model: str, **settings: Any) -> Any:
    make: Any = prompture.async_driver_for if way.__name__[0:2] == "aw" else prompture.driver_for
    return make(model, **settings)


@pytest.mark.parametrize("way", WAYS)
def test_at_the_deadline_it_gives_what_it_has_written(
    way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "GRACE", LATE)  # a busy machine may take longer than usual
    driver = made(way, "endless/m")
    error = ended(lambda: way(driver))
    assert driver.engine.ended.wait(60)
    assert error.partial is not None and error.partial.text.startswith("a")
    assert error.bill is not None and error.bill.total == 0 and "still writing" in error.during


@pytest.mark.parametrize("way", [asked, streamed])
def test_one_that_does_not_listen_is_left_behind(way: Any) -> None:
    error = ended(lambda: way(made(way, "deaf/m")))
    assert error.bill is not None and error.bill.total == 0


def test_a_task_that_is_cancelled() -> None:
    async def go() -> None:
        driver: Any = prompture.async_driver_for("endless/m")
        task = asyncio.create_task(driver.generate("hi"))
        await asyncio.to_thread(driver.engine.begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(driver.engine.ended.wait, 5)

    asyncio.run(go())


def test_a_stream_that_is_left() -> None:
    driver: Any = prompture.driver_for("endless/m")
    pieces = driver.stream(ASK)
    next(pieces)
    pieces.close()
    assert driver.engine.ended.is_set()


def test_loading_has_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    class Slow(Endless):
        def __init__(self, model: str) -> None:
            over.wait(20)
            super().__init__(model)

    registry.unregister("endless")
    row = registry.find("deaf")
    from dataclasses import replace

    registry.register(replace(row, name="endless", engine=Slow))
    driver: Any = prompture.driver_for("endless/m")
    error = ended(lambda: asked(driver))
    over.set()
    assert error.unsent and error.bill is None
    assert "loaded" in error.during
    health = driver.health(deadline=5)
    assert health.reachable


def test_the_usual_limit_of_an_answer() -> None:
    def most(text: str, **settings: Any) -> int:
        return usual_tokens(Request(model="", messages=(user(text),), **settings))

    assert most("") == 2048 and most("x" * 3000) == 2048 + 2000
    assert most("", reasoning="high") == 2048 + 8192 and most("", reasoning=100) == 2148
    assert most("", reasoning="none") == 2048
    assert most("", schema={"type": "object"}) > 2048
    assert most("", tools=(Tool(name="t", parameters={"type": "object"}),)) > 2048
    assert usual_threads() >= 1


class _Tokens:
    """As much of a tensor as is looked at."""

    def __init__(self, found: list[int]) -> None:
        self._found, self.shape = found, (1, len(found))

    def __getitem__(self, key: Any) -> Any:
        return _Tokens(self._found[key]) if isinstance(key, slice) else self

    def tolist(self) -> list[int]:
        return self._found


class _Model:
    """transformers' ``generate``, which asks its criteria after every token."""

    generation_config = type("Config", (), {"eos_token_id": 0})()

    def __init__(self) -> None:
        self.most = 0

    def generate(
        self, input_ids: Any, max_new_tokens: int, stopping_criteria: Any, **_: Any
    ) -> Any:
        self.most, ids = max_new_tokens, [1, 2]
        while len(ids) - 2 < max_new_tokens:
            threading.Event().wait(0.005)
            ids.append(3)
            if any(asks(ids, None) for asks in stopping_criteria):
                break
        return _Tokens(ids)


def test_airllm_looks_after_every_token(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = object.__new__(AirLLM)
    engine.name, engine._lock, engine._model = "m", threading.Lock(), _Model()
    engine._window = 10**6
    engine._tokenizer = type(
        "Words",
        (),
        {
            "get_added_vocab": lambda self: {},
            "decode": lambda self, ids, **_: "a" * len(ids),
        },
    )()
    monkeypatch.setattr(AirLLM, "_prompt", lambda self, request: {"input_ids": _Tokens([1, 2])})
    driver: Any = prompture.driver_for("deaf/m")
    vars(driver)["engine"] = engine
    error = ended(lambda: asked(driver))
    assert error.partial is not None and error.partial.text.startswith("a")
    assert engine._model.most == usual_tokens(ASK)


# A real model.


@pytest.fixture(scope="module")
def gguf(tiny_gguf: Path) -> str:
    return f"llamacpp/{tiny_gguf}"


ENDLESS: dict[str, Any] = {"max_tokens": 3900, "extra": {"ignore_eos": True}}


@pytest.mark.server
@pytest.mark.parametrize("way", WAYS)
def test_llamacpp_at_its_deadline(way: Any, gguf: str) -> None:
    driver = made(way, gguf, context_tokens=4096, threads=1)
    make = asyncio.run if way.__name__.startswith("aw") else (lambda value: value)
    make(driver.generate("hi", max_tokens=1))  # loads it
    real = driver.engine.stream
    driver.engine.stream = lambda request: real(_unending(request))
    error = ended(lambda: way(driver))
    assert error.partial is not None and len(error.partial.text) > 10
    # Its one place is free again.
    driver.engine.stream = real
    begun = time.monotonic()
    assert make(driver.generate("hi", max_tokens=3)).text
    assert time.monotonic() - begun < 2
    closed = driver.close()
    if closed is not None:
        asyncio.run(closed)


def _unending(request: Request) -> Request:
    from dataclasses import replace

    return replace(request, **ENDLESS)


@pytest.mark.server
def test_llamacpp_stops_while_it_reads_the_prompt(gguf: str) -> None:
    with prompture.driver_for(gguf, context_tokens=4096, threads=1) as driver:
        driver.generate("hi", max_tokens=1)
        with pytest.raises(DeadlineExceeded) as caught:
            driver.generate("x " * 1900, deadline=0.1)
        assert caught.value.partial is None or not caught.value.partial.text
        begun = time.monotonic()
        assert driver.generate("hi", max_tokens=3).text
        assert time.monotonic() - begun < 5


LEFT_RUNNING = """
import sys, prompture
driver = prompture.driver_for(sys.argv[1], context_tokens=4096, threads=1)
stream = driver.generate_messages_stream([{"role": "user", "content": "hi"}], max_tokens=3900, extra={"ignore_eos": True})
next(stream)
print("ends")
"""


@pytest.mark.server
def test_a_program_may_end_while_the_model_writes(gguf: str) -> None:
    """Python would end the thread inside of C++, which aborts the process."""
    for _ in range(3):
        found = subprocess.run(
            [sys.executable, "-c", LEFT_RUNNING, gguf], capture_output=True, text=True, timeout=60
        )
        assert (found.returncode, found.stdout) == (0, "ends\n"), found.stderr[-500:]


PROGRAM = """
import sys, prompture
driver = prompture.driver_for(sys.argv[1], context_tokens=4096, threads=1)
driver.generate("hi", max_tokens=1)
try:
    # Inside: the interrupt may come as soon as this is read, before the next line is run.
    print("ready", flush=True)
    while True:
        driver.generate("hi", max_tokens=3900, extra={"ignore_eos": True})
except KeyboardInterrupt:
    print("left", driver.generate("hi", max_tokens=3).usage.output_tokens, flush=True)
"""


@pytest.mark.server
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_llamacpp_is_left_by_an_interrupt(gguf: str) -> None:
    command = [sys.executable, "-c", PROGRAM, gguf]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        stop = Timer(30, process.kill)  # whatever fails, the program does not run on
        stop.start()
        try:
            assert process.stdout.readline().startswith("left")
            assert process.wait(20) == 0
        finally:
            stop.cancel()
            stop.join()


@pytest.mark.server
def test_llamacpp_ends_by_itself_without_a_limit(gguf: str) -> None:
    with prompture.driver_for(gguf, context_tokens=8192, threads=1) as driver:
        done = driver.generate("hi", extra={"ignore_eos": True})
    assert done.stop_reason == "length"
    assert done.usage.output_tokens == usual_tokens(ASK)
