"""Awaited calls on whatever keeps asyncio's contract; a clear refusal elsewhere."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import prompture
from prompture.agents import Agent
from prompture.agents.mcp import MCPServer
from prompture.drivers import asyncio_network as network
from prompture.drivers.classes import async_driver_for
from prompture.drivers.openai_compatible import AsyncOpenAICompatible
from prompture.errors import ConfigurationError
from prompture.testing import AsyncScriptedDriver
from tests import server as served
from tests.drivers.colours import ASK

Awaited = Callable[[], Coroutine[Any, Any, Any]]


class Narrow(asyncio.SelectorEventLoop):
    """``create_connection`` as uvloop and winloop have it."""

    async def create_connection(  # type: ignore[override]
        self,
        factory: Any,
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: Any = None,
        local_addr: Any = None,
        server_hostname: Any = None,
        ssl_handshake_timeout: Any = None,
        ssl_shutdown_timeout: Any = None,
    ) -> Any:
        return await super().create_connection(factory, host, port, ssl=ssl, sock=sock)


def _uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    Narrow,
    _uvloop,
    asyncio.SelectorEventLoop,
]


async def _both(driver: AsyncOpenAICompatible) -> tuple[str, str]:
    whole = await driver.complete(ASK)
    pieces = [piece async for piece in driver.stream(ASK)]
    last = pieces[-1]
    assert isinstance(last, prompture.Completion)
    return whole.text, last.text


@pytest.mark.parametrize("make", LOOPS)
def test_a_driver_serves_loops_of_many_kinds_one_after_another(
    make: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    stream = served.streams(*served.EVENTS)
    with served.serving(*[served.good(), stream] * 3) as server:
        driver = AsyncOpenAICompatible("m", base_url=server.url)
        for kind in (make, asyncio.SelectorEventLoop, make):
            with asyncio.Runner(loop_factory=kind) as runner:
                assert runner.run(_both(driver)) == ("hello", "hello")


@pytest.mark.parametrize("make", LOOPS)
def test_a_driver_serves_loops_in_threads_at_once(
    make: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    found: list[str] = []

    def run(driver: AsyncOpenAICompatible) -> None:
        with asyncio.Runner(loop_factory=make) as runner:
            found.append(runner.run(driver.complete(ASK)).text)

    with served.serving(served.good()) as server:
        driver = AsyncOpenAICompatible("m", base_url=server.url)
        threads = [threading.Thread(target=run, args=(driver,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == ["hello"] * 4


def test_anyio_on_asyncio() -> None:
    anyio = pytest.importorskip("anyio")
    with served.serving(served.good()) as server:
        driver = AsyncOpenAICompatible("m", base_url=server.url)
        assert anyio.run(driver.complete, ASK, backend="asyncio").text == "hello"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks() -> None:
    async def run(driver: AsyncOpenAICompatible) -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
        return [each.text for each in await asyncio.gather(*[driver.complete(ASK)] * 1)]

    with served.serving(served.good()) as server:
        assert asyncio.run(run(AsyncOpenAICompatible("m", base_url=server.url))) == ["hello"]


AWAITED: dict[str, Awaited] = {
    "complete": lambda: async_driver_for("ollama/m").complete(ASK),
    "stream": lambda: anext(async_driver_for("ollama/m").stream(ASK)),  # type: ignore[arg-type]
    "list_models": lambda: async_driver_for("ollama/m").list_models(),
    "health": lambda: async_driver_for("ollama/m").health(),
    "close": lambda: async_driver_for("ollama/m").close(),
    "in process": lambda: async_driver_for("local/rules").complete(ASK),
    "in process, health": lambda: async_driver_for("local/rules").health(),
    "aextract": lambda: prompture.aextract(int, "12", model="local/rules"),
    "aextract_stream": lambda: anext(prompture.aextract_stream(int, "12", model="local/rules")),
    "an agent": lambda: Agent(AsyncScriptedDriver(["yes"])).arun("hi"),
    "MCP": lambda: MCPServer(["nothing"]).atools(),
}


@pytest.mark.parametrize("face", AWAITED)
def test_trio_is_told(face: str) -> None:
    trio = pytest.importorskip("trio")
    with pytest.raises(ConfigurationError, match="asyncio only"):
        trio.run(AWAITED[face])


@pytest.mark.parametrize("face", AWAITED)
def test_no_loop_is_told(face: str) -> None:
    work = AWAITED[face]()
    with pytest.raises(ConfigurationError, match="asyncio only"):
        work.send(None)


# The race of a host's addresses.


def _connect(monkeypatch: pytest.MonkeyPatch, addresses: list[str], port: int) -> str:
    found = [
        (socket.AF_INET6 if ":" in each else socket.AF_INET, None, None, "", (each, port))
        for each in addresses
    ]

    async def run() -> str:
        loop = asyncio.get_running_loop()

        async def getaddrinfo(*_: Any, **__: Any) -> Any:
            return found

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
        stream = await network.LoopBackend().connect_tcp("host.test", port, timeout=5)
        try:
            return str(stream.get_extra_info("server_addr")[0])
        finally:
            await stream.aclose()

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(run())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["127.0.0.2", "127.0.0.1"],  # the first refuses
        ["::1", "127.0.0.1"],
        ["127.0.0.2", "127.0.0.3", "::1", "127.0.0.1"],
    ],
)
def test_the_address_that_answers_is_taken(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.serving(served.good()) as server:
        port = int(server.url.split(":")[2].partition("/")[0])
        assert _connect(monkeypatch, addresses, port) == "127.0.0.1"


def test_addresses_take_turns_by_family(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[str]:
        async def getaddrinfo(*_: Any, **__: Any) -> Any:
            given = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::1"]
            return [(10 if ":" in each else 2, 0, 0, "", (each, 1)) for each in given]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
        return await network._addresses("host.test", 1)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(run()) == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]


def test_an_address_that_says_nothing_does_not_hold_up_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []

    async def connected(host: str, port: int) -> Any:
        begun.append(host)
        if host == "192.0.2.1":
            await asyncio.Event().wait()
        return host

    monkeypatch.setattr(network, "_EYEBALLS", 0.001)
    monkeypatch.setattr(network, "_connected", connected)
    won: Any = asyncio.run(network._first(["192.0.2.1", "127.0.0.1"], 1))
    assert won == "127.0.0.1"
    assert begun == ["192.0.2.1", "127.0.0.1"]


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(host: str, port: int) -> Any:
        raise ConnectionRefusedError(host)

    monkeypatch.setattr(network, "_connected", connected)
    with pytest.raises(ConnectionRefusedError, match="first"):
        asyncio.run(network._first(["first", "second"], 1))
