"""A forked child opens connections of its own, whatever the driver and whoever made it."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import requests

from prompture import forks
from prompture.drivers import registry
from prompture.drivers.classes import engines_of
from prompture.drivers.inprocess import NO_CODEC
from prompture.drivers.limits import Throttle
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.drivers.provider import Provider
from prompture.errors import ConfigurationError, ConnectionLost
from prompture.extraction.model_drivers import kept_driver
from prompture.types import Completion
from tests import server as served
from tests.drivers.colours import ASK, COLOURS, Colour

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not for this system"),
    # The test server is a thread, which Python 3.12 warns of at a fork.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]


def in_child(work: Callable[[], Any]) -> Any:
    """What ``work`` gives in a forked process; an error is raised here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        try:
            found: Any = work()
        except BaseException as exc:
            found = exc
        with os.fdopen(writer, "wb") as out:
            out.write(pickle.dumps(found))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        found = pickle.loads(said.read())
    os.waitpid(pid, 0)
    if isinstance(found, BaseException):
        raise found
    return found


def port_of(x: served.Exchange) -> None:
    """Answers with the port that the client's connection comes from."""
    x.reply(served.answer(str(x.client_address[1])), **served.JSON)


@pytest.fixture
def url() -> Iterator[str]:
    with served.serving(port_of) as server:
        yield server.url


def _port_by(driver: OpenAICompatible) -> str:
    return driver.complete(ASK).text


async def _aport_by(driver: AsyncOpenAICompatible) -> str:
    return (await driver.complete(ASK)).text


def test_a_child_has_a_connection_of_its_own(url: str) -> None:
    with OpenAICompatible("m", base_url=url) as driver:
        mine = _port_by(driver)
        theirs = [in_child(lambda: (_port_by(driver), _port_by(driver))) for _ in range(2)]
        assert _port_by(driver) == mine  # the parent's is as it was
    for first, second in theirs:
        assert first == second != mine


def test_a_session_of_ones_own_opens_new_ones_too(url: str) -> None:
    with requests.Session() as session:
        driver = OpenAICompatible("m", base_url=url, session=session)
        mine = _port_by(driver)
        assert in_child(lambda: _port_by(driver)) != mine == _port_by(driver)


def test_a_session_that_cannot_is_told(url: str) -> None:
    class Odd(requests.adapters.HTTPAdapter):
        def __setstate__(self, state: Any) -> None:
            raise RuntimeError("not this one")

    with requests.Session() as session:
        session.mount("http://", Odd())
        driver = OpenAICompatible("m", base_url=url, session=session)
        _port_by(driver)
        with pytest.raises(ConfigurationError, match="in the child"):
            in_child(lambda: _port_by(driver))


def test_a_kept_driver_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", url)
    driver: Any = kept_driver("openai-compatible/m", asynchronous=False)
    mine = _port_by(driver)
    again: Any = kept_driver("openai-compatible/m", asynchronous=False)
    assert again is driver
    assert in_child(lambda: _port_by(again)) != mine
    driver.close()


@pytest.mark.parametrize("same_loop", [True, False])
def test_an_async_driver_too(same_loop: bool, url: str) -> None:
    # asyncio's own loop bears to be run on in a child; uvloop's does not.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        driver = AsyncOpenAICompatible("m", base_url=url)
        mine = runner.run(_aport_by(driver))
        run: Any = runner.run if same_loop else asyncio.run
        assert in_child(lambda: run(_aport_by(driver))) != mine
        assert runner.run(_aport_by(driver)) == mine


def test_a_client_of_ones_own_is_refused_once_it_was_used(url: str) -> None:
    with asyncio.Runner() as runner:
        client = httpx2.AsyncClient(trust_env=False)
        driver = AsyncOpenAICompatible("m", base_url=url, client=client)

        async def once() -> str:
            async with client:
                return await _aport_by(driver)

        assert in_child(lambda: asyncio.run(once())).isdigit()  # not used so far
        runner.run(_aport_by(driver))
        with pytest.raises(ConfigurationError, match="in the child"):
            in_child(lambda: asyncio.run(_aport_by(driver)))
        runner.run(client.aclose())


@pytest.mark.parametrize("kind", COLOURS)
def test_a_stream_belongs_to_its_process(kind: type[Colour]) -> None:
    with served.serving(served.streams(*served.EVENTS)) as server, kind() as colour:
        driver = colour.driver(server.url)
        if kind is COLOURS[0]:
            pieces = driver.stream(ASK)
            first, rest = next(pieces), lambda: list(pieces)
        else:
            apieces = driver.stream(ASK)
            first, rest = colour.run(anext(apieces)), lambda: colour.run(_rest(apieces))
        # Never on the parent's loop, which shares its queue of events with the parent.
        theirs = rest if kind is COLOURS[0] else lambda: asyncio.run(_rest(apieces))
        with pytest.raises(ConnectionLost, match="process"):
            in_child(theirs)
        assert first.text + "".join(p.text for p in rest()[:-1]) == "hello"


async def _rest(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


def test_a_child_loads_its_own_model() -> None:
    class Model:
        def __init__(self, model: str) -> None:
            self.born = os.getpid()

        def answer(self, request: Any) -> Completion:
            return Completion(text=str(self.born))

    row = Provider(
        name="fork-test", codec=NO_CODEC, base_url="", default_model="m", docs="", engine=Model,
        key_required=False, local=True,
    )  # fmt: skip
    driver = engines_of(row)[0]("m")
    assert driver.complete(ASK).text == str(os.getpid())
    child, said = in_child(lambda: (os.getpid(), driver.complete(ASK).text))
    assert said == str(child)


def test_a_lock_that_another_thread_held_is_free_in_the_child() -> None:
    lock = forks.fork_lock()
    assert in_child_while_held(lock, lambda: lock.acquire(timeout=1)) is True


def in_child_while_held(lock: Any, work: Callable[[], Any]) -> Any:
    """``work`` in a child that was forked while another thread held the lock."""
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(10)
    try:
        return in_child(work)
    finally:
        leave.set()
        thread.join()


def test_a_throttle_is_free_in_the_child() -> None:
    throttle = Throttle(requests_per_minute=60)
    free = in_child_while_held(throttle._lock, lambda: throttle._lock.acquire(timeout=1))
    assert free is True


def test_a_config_file_that_another_thread_was_reading_is_read_by_the_child() -> None:
    lock = registry._config_lock
    free = in_child_while_held(lock, lambda: registry._config_lock.acquire(timeout=1))
    assert free is True


def test_a_lock_that_threads_wait_for_is_free_in_the_child() -> None:
    """A thread may have got it and not yet returned with it: then ``locked()`` is False."""
    lock, ended = forks.fork_lock(), threading.Event()

    def contend() -> None:
        while not ended.is_set():
            with lock:
                len(os.environ)

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        free = [in_child(lambda: lock.acquire(timeout=1)) for _ in range(20)]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert free == [True] * 20


def test_a_pools_queue_that_another_thread_held_is_free_in_the_child(url: str) -> None:
    session = requests.Session()
    with OpenAICompatible("m", base_url=url, session=session) as driver:
        _port_by(driver)
        pool = session.get_adapter(url).poolmanager.connection_from_url(url)
        with pool.pool.mutex:
            assert in_child(lambda: _port_by(driver)).isdigit()


def test_waits_differ_between_children() -> None:
    """Children that fail together should not try again together."""
    from prompture.errors import Overloaded
    from prompture.wire.retry import Retry

    def wait() -> float | None:
        return Retry(base=100, cap=100).delay(1, Overloaded("full", provider="p", status=503))

    assert len({in_child(wait) for _ in range(4)}) == 4
