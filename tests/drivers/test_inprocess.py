"""Models inside this process: one method, and a driver in both colours around it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import errors
from prompture.drivers import meter, registry
from prompture.drivers.hooks import Hooks
from prompture.drivers.inprocess import NO_CODEC
from prompture.drivers.provider import Features, Provider
from prompture.money import Charge
from prompture.types import Completion, Delta, Request, Usage, user

ASK = Request(model="", messages=(user("hi"),))
USED = Usage(input_tokens=3, output_tokens=2, requests=1, reported=True)


class Echo:
    """An engine that says what it was asked."""

    made = 0

    def __init__(self, model: str, *, loud: bool = False) -> None:
        type(self).made += 1
        if model == "none":
            raise errors.MissingExtra(extra="echo", package="echo")
        self.loud, self.closed = loud, False
        self.threads: list[threading.Thread] = []

    def answer(self, request: Request) -> Completion:
        self.threads.append(threading.current_thread())
        said = request.messages[-1].text
        if said == "cannot":
            raise errors.UnsupportedError("this engine cannot")
        if said == "fail":
            raise errors.ServerError("out of memory", provider="echo", status=0)
        if said == "break":
            raise ZeroDivisionError
        return Completion(text=said.upper() if self.loud else said, usage=USED)

    def close(self) -> None:
        self.closed = True


class Streamer(Echo):
    """One that streams as well."""

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        whole = self.answer(request)
        for letter in whole.text:
            yield Delta(text=letter)
        yield whole


def row(name: str, engine: type[Echo]) -> Provider:
    return Provider(
        name=name,
        codec=NO_CODEC,
        engine=engine,
        base_url="",
        key_required=False,
        local=True,
        default_model="small",
        features=Features(schema_dialect="plain"),
        docs="tests",
    )


@pytest.fixture(autouse=True)
def rows() -> Iterator[None]:
    for made in (row("echo", Echo), row("streamer", Streamer)):
        registry.register(made)
    yield
    for name in ("echo", "streamer"):
        registry.unregister(name)


class Book(meter.Meter):
    def __init__(self) -> None:
        self.charges: list[Charge] = []

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        self.charges.append(charge)


class Colour:
    def __init__(self, name: str) -> None:
        self.sync = name == "sync"

    def driver(self, model: str, **settings: Any) -> Any:
        return (prompture.driver_for if self.sync else prompture.async_driver_for)(
            model, **settings
        )

    def run(self, value: Any) -> Any:
        return value if self.sync else asyncio.run(value)

    def stream(self, driver: Any, request: Request = ASK) -> list[Any]:
        if self.sync:
            return list(driver.stream(request))

        async def pieces() -> list[Any]:
            return [piece async for piece in driver.stream(request)]

        return asyncio.run(pieces())


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


def test_it_answers_and_costs_nothing(colour: Colour) -> None:
    driver = colour.driver("echo/small", loud=True)
    done = colour.run(driver.complete(ASK))
    assert (done.text, done.model, done.usage) == ("HI", "small", USED)
    assert (done.cost.usd, done.cost.source) == (0, "local")
    assert done.seconds > 0
    assert driver.name == "echo/small"


def test_the_faces_are_those_of_every_driver(colour: Colour) -> None:
    driver = colour.driver("echo")
    assert colour.run(driver.generate("hello"))["text"] == "hello"
    turn = [{"role": "user", "content": "hello"}]
    assert colour.run(driver.generate_messages(turn)).text == "hello"
    assert [m.id for m in colour.run(driver.list_models())] == ["small"]
    assert colour.run(driver.check_credentials()) is True
    assert colour.run(driver.health()).reachable
    for ask in (driver.list_models, driver.sync_models, driver.check_credentials, driver.health):
        with pytest.raises(errors.ConfigurationError, match="deadline"):
            colour.run(ask(deadline=-1))


def test_the_engine_is_made_at_first_use_and_once(colour: Colour) -> None:
    before = Echo.made
    driver = colour.driver("echo/small")
    assert Echo.made == before
    colour.run(driver.complete(ASK))
    colour.run(driver.complete(ASK))
    assert Echo.made == before + 1


def test_close_lets_go_and_the_next_call_loads_again(colour: Colour) -> None:
    driver = colour.driver("echo/small")
    colour.run(driver.close())  # nothing was loaded yet
    colour.run(driver.complete(ASK))
    first = driver.engine
    colour.run(driver.close())
    assert first.closed
    colour.run(driver.complete(ASK))
    assert driver.engine is not first


def test_the_async_colour_runs_it_in_a_thread(colour: Colour) -> None:
    driver = colour.driver("echo/small")
    colour.run(driver.complete(ASK))
    (thread,) = driver.engine.threads
    assert (thread is threading.main_thread()) is colour.sync


def test_streams(colour: Colour) -> None:
    whole = colour.stream(colour.driver("echo/small"))
    assert [getattr(p, "text", "") for p in whole] == ["hi", "hi"]
    *deltas, done = colour.stream(colour.driver("streamer/small"))
    assert [d.text for d in deltas] == ["h", "i"]
    assert isinstance(done, Completion)
    assert done.cost is not None
    assert done.cost.usd == 0


def test_hooks_and_meters(colour: Colour) -> None:
    hooks = Hooks(
        before_request=lambda r: replace(r, messages=(user("changed"),)),
        after_response=lambda _, c: replace(c, text=c.text + "!"),
        on_delta=lambda d: replace(d, text=d.text.upper()),
    )
    book = Book()
    with meter.metering(book):
        assert colour.run(colour.driver("echo", hooks=hooks).complete(ASK)).text == "changed!"
        *deltas, done = colour.stream(colour.driver("streamer", hooks=hooks))
    assert "".join(d.text for d in deltas) == "CHANGED"
    assert done.text == "changed!"
    assert [(c.status, c.usage) for c in book.charges] == [("ok", USED)] * 2


ENDS = [
    ("cannot", errors.UnsupportedError, []),  # nothing was run
    ("fail", errors.ServerError, ["error"]),
    ("break", ZeroDivisionError, ["cancelled"]),
]


@pytest.mark.parametrize("model", ["echo", "streamer"])
@pytest.mark.parametrize(("said", "error", "statuses"), ENDS)
def test_failures_are_settled(
    colour: Colour, model: str, said: str, error: type[Exception], statuses: list[str]
) -> None:
    asked = replace(ASK, messages=(user(said),))
    book = Book()
    driver = colour.driver(model)
    with meter.metering(book):
        with pytest.raises(error):
            colour.run(driver.complete(asked))
        with pytest.raises(error):
            colour.stream(driver, asked)
    assert [c.status for c in book.charges] == statuses * 2


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("echo/small", {"api_key": "k"}, "api_key means nothing"),
    ("echo/small", {"base_url": "http://x"}, "base_url means nothing"),
]


@pytest.mark.parametrize(("model", "settings", "words"), BAD)
def test_settings_of_http_are_refused(
    colour: Colour, model: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.ConfigurationError, match=words):
        colour.driver(model, **settings)


def test_a_setting_that_the_engine_does_not_know(colour: Colour) -> None:
    with pytest.raises(
        errors.ConfigurationError, match="unknown setting 'loudd'; did you mean loud"
    ):
        colour.driver("echo/small", loudd=11)


def test_a_model_that_cannot_be_loaded(colour: Colour) -> None:
    driver = colour.driver("echo/none")
    with pytest.raises(errors.MissingExtra, match=r"prompture\[echo\]"):
        colour.run(driver.complete(ASK))
    health = colour.run(driver.health())
    assert not health.reachable
    assert "echo" in health.problem


class Word(BaseModel):
    word: str


def test_extract_over_it(colour: Colour) -> None:
    driver = colour.driver("echo/small")
    text = '{"word": "hi"}'
    if colour.sync:
        assert prompture.extract(Word, text, model=driver).word == "hi"
    else:
        assert asyncio.run(prompture.aextract(Word, text, model=driver)).word == "hi"


def test_leaving_an_async_stream_early_ends_it() -> None:
    async def run() -> None:
        driver: Any = prompture.async_driver_for("streamer/small")
        stream = driver.stream(ASK)
        assert (await anext(stream)).text == "h"
        await stream.aclose()

    book = Book()
    with meter.metering(book):
        asyncio.run(run())
    assert [c.status for c in book.charges] == ["cancelled"]


class Unfinished(Echo):
    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        yield Delta(text="hal")


@pytest.mark.parametrize("name", ["sync", "async"])
def test_a_stream_of_an_engine_that_ends_without_its_completion(name: str) -> None:
    colour, book = Colour(name), Book()
    registry.register(row("unfinished", Unfinished))
    try:
        with (
            meter.metering(book),
            pytest.raises(errors.ProtocolError, match="without a completion"),
        ):
            colour.stream(colour.driver("unfinished/small"))
    finally:
        registry.unregister("unfinished")
    assert [charge.status for charge in book.charges] == ["error"]


def test_a_call_does_not_wait_for_a_stream_of_its_own_task_in_another_thread() -> None:
    """The budget tells callers apart by the task, not by the thread that the model runs in."""
    asked, go = Request(model="", messages=(user("hi"),), max_tokens=550), threading.Event()

    async def calls() -> None:
        driver = prompture.async_driver_for("streamer/small")
        stream = driver.stream(asked)
        await anext(stream)
        busy = asyncio.ensure_future(asyncio.to_thread(go.wait))
        await asyncio.sleep(0)  # the thread of the stream waits: the call is given another
        try:
            async with asyncio.timeout(60):
                with pytest.raises(errors.BudgetExceeded):
                    await driver.complete(asked)
        finally:
            go.set()
        await busy
        await stream.aclose()

    with prompture.Budget(tokens=600):
        asyncio.run(calls())
