"""A driver is pickled and copied by its settings, in every state and of every kind."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import requests

from prompture.drivers.classes import async_driver_for, driver_for
from prompture.drivers.hooks import Hooks
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.errors import ConfigurationError
from prompture.testing import AsyncScriptedDriver, FunctionDriver
from prompture.wire.retry import Retry
from tests import server as served
from tests.drivers.colours import ASK, COLOURS, KEY, Colour

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda driver: pickle.loads(pickle.dumps(driver)),
}


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", COLOURS)
def test_a_copy_has_the_settings_and_its_own_connections(
    kind: type[Colour], how: str, used: bool
) -> None:
    with served.serving(served.good()) as server, kind() as colour:
        driver = colour.driver(
            server.url, headers={"x-mine": "yes"}, timeout=3.0, retry=Retry(attempts=2)
        )
        if used:
            colour.complete(driver)
        made = COPIES[how](driver)
        assert (made.model, made.timeout, made.retry) == (driver.model, 3.0, Retry(attempts=2))
        assert (made.endpoint, made.provider, made.name) == (
            driver.endpoint, driver.provider, driver.name,
        )  # fmt: skip
        colour.run(driver.close())
        assert colour.complete(made).text == "hello"
        assert server.asked[-1][1]["x-mine"] == "yes"
        assert server.asked[-1][1]["authorization"] == f"Bearer {KEY}"
        assert server.accepted == 1 + used
        colour.run(made.close())


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    "made",
    [
        lambda: driver_for("ollama/llama3.1:8b"),
        lambda: driver_for("openai/gpt-5-mini", api_key=KEY, api="responses"),
        lambda: driver_for("azure/gpt", api_key=KEY, base_url="https://me.example.test"),
        lambda: async_driver_for("anthropic/claude-sonnet-4-5", api_key=KEY),
        lambda: driver_for("local/rules"),
        lambda: async_driver_for("local/rules"),
    ],
)
def test_kinds(made: Callable[[], Any], how: str) -> None:
    driver = made()
    again = COPIES[how](driver)
    assert type(again) is type(driver)
    assert (again.name, again.endpoint) == (driver.name, driver.endpoint)
    assert again.provider.codec == driver.provider.codec
    assert again.features == driver.features


def test_a_driver_goes_to_a_spawned_process() -> None:
    with served.serving(served.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url)
        assert driver.complete(ASK).text == "hello"
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(driver.complete, (ASK,)).text == "hello"
        driver.close()
        assert server.accepted == 2


def test_a_closed_driver_is_copied_open() -> None:
    with served.serving(served.good()) as server:
        driver = OpenAICompatible("m", base_url=server.url)
        driver.close()
        with pickle.loads(pickle.dumps(driver)) as made:
            assert made.complete(ASK).text == "hello"


def test_a_session_goes_with_it() -> None:
    with served.serving(served.good()) as server, requests.Session() as session:
        session.headers["x-mine"] = "yes"
        driver = OpenAICompatible("m", base_url=server.url, session=session)
        assert copy.deepcopy(driver)._transport.given is session
        made = pickle.loads(pickle.dumps(driver))
        assert made.complete(ASK).text == "hello"
        assert server.asked[0][1]["x-mine"] == "yes"
        made._transport.given.close()


def test_what_cannot_be_pickled_is_named() -> None:
    async def run() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: None)) as client:  # type: ignore[arg-type,return-value]
            driver = AsyncOpenAICompatible("m", base_url="http://h.test", client=client)
            with pytest.raises(ConfigurationError, match="session or client"):
                pickle.dumps(driver)
            assert copy.deepcopy(driver)._transport.given is client

    asyncio.run(run())
    hooks = Hooks(before_request=lambda request: request)
    driver = OpenAICompatible("m", base_url="http://h.test", hooks=hooks)
    with pytest.raises(ConfigurationError, match="hooks"):
        pickle.dumps(driver)
    assert copy.deepcopy(driver)._hooks == driver._hooks
    retry = Retry(jitter=lambda low, high: low)
    with pytest.raises(ConfigurationError, match="its retry"):
        pickle.dumps(OpenAICompatible("m", base_url="http://h.test", retry=retry))
    with pytest.raises(ConfigurationError, match="function"):
        pickle.dumps(FunctionDriver(lambda request: "yes"))


def test_scripted_drivers_are_copied() -> None:
    driver = FunctionDriver(lambda request: "yes")
    driver.complete(ASK)
    made = copy.deepcopy(driver)
    assert made.complete(ASK).text == "yes"
    assert (len(made.requests), len(driver.requests)) == (2, 1)
    awaited = copy.deepcopy(AsyncScriptedDriver(["yes"]))
    assert asyncio.run(awaited.complete(ASK)).text == "yes"
