"""``deadline=``: whatever a server does, a call ends at its time, in every face and colour.

The servers are slow without end; each call has 0.3 seconds, and 0.2 more to notice.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import requests
from pydantic import BaseModel

import prompture
from prompture.drivers import connections
from prompture.errors import ConfigurationError, DeadlineExceeded, PromptureError, ServerError
from prompture.types import Request, user
from tests import server as on
from tests.drivers.colours import COLOURS, Colour, Sync, quick
from tests.server import serving

SECONDS, LATE = 0.3, 0.2


class Line(BaseModel):
    name: str


@pytest.fixture(params=COLOURS, ids=lambda kind: kind.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Any]:
    with request.param() as made:
        yield made


def drips(x: on.Exchange) -> None:
    """A byte of its head every few milliseconds, for as long as somebody listens."""
    try:
        x.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while not x.state.ending.wait(0.02):
            x.wfile.write(b"a")
            x.wfile.flush()
    except OSError:
        x.state.left.set()
    x.close_connection = True


def drips_its_body(x: on.Exchange) -> None:
    x.head(**on.SSE)
    try:
        while not x.state.ending.wait(0.02):
            x.chunk(b": still here\n\n")
    except OSError:
        x.state.left.set()
    x.close_connection = True


def never_ends(x: on.Exchange) -> None:
    """Content without end, as fast as it is taken."""
    x.head(**on.SSE)
    piece = on.event("x" * 50)
    try:
        # A moment's rest after so many: the client has the same processor.
        while not x.state.ending.wait(0.001):
            for _ in range(20):
                x.chunk(piece)
    except OSError:
        x.state.left.set()
    x.close_connection = True


SLOW = [on.hangs, drips, drips_its_body, never_ends]


def generated(colour: Colour, driver: Any) -> None:
    colour.run(driver.generate("hi", {"deadline": SECONDS}))


def generated_by_keyword(colour: Colour, driver: Any) -> None:
    messages = [{"role": "user", "content": "hi"}]
    colour.run(driver.generate_messages(messages, deadline=SECONDS))


def asked(colour: Colour, driver: Any) -> None:
    colour.complete(driver, Request(model="m", messages=(user("hi"),), deadline=SECONDS))


def streamed(colour: Colour, driver: Any) -> None:
    colour.stream(driver, Request(model="m", messages=(user("hi"),), deadline=SECONDS))


def extracted(colour: Colour, driver: Any) -> None:
    name = "extract" if colour.name == "sync" else "aextract"
    colour.run(getattr(prompture, name)(Line, "t", model=driver, deadline=SECONDS))


def extracted_with_its_bill(colour: Colour, driver: Any) -> None:
    name = "extract_result" if colour.name == "sync" else "aextract_result"
    made = prompture.Extractor(Line, model=driver, deadline=SECONDS)
    colour.run(getattr(made, name)("t"))


def _pieces(colour: Colour, stem: str, driver: Any) -> None:
    prefix = "" if colour.name == "sync" else "a"
    pieces = getattr(prompture, prefix + stem)(Line, "t", model=driver, deadline=SECONDS)
    if colour.name == "sync":
        list(pieces)
        return

    async def all_of_them() -> None:
        async for _ in pieces:
            pass

    colour.run(all_of_them())


def extracted_as_a_stream(colour: Colour, driver: Any) -> None:
    _pieces(colour, "extract_stream", driver)


def extracted_by_item(colour: Colour, driver: Any) -> None:
    _pieces(colour, "extract_items", driver)


FACES = [
    generated,
    generated_by_keyword,
    asked,
    streamed,
    extracted,
    extracted_with_its_bill,
    extracted_as_a_stream,
    extracted_by_item,
]


class Late(AssertionError):
    """A call ended too late."""


@pytest.fixture(autouse=True)
def three_times(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that ends late is given two more chances: another program may have had the processor
    for a moment. One that is late by itself is late three times."""
    test = request.function

    @functools.wraps(test)
    def repeated(*args: Any, **kwargs: Any) -> None:
        for left in (2, 1, 0):
            try:
                test(*args, **kwargs)
                break
            except Late:
                if not left:
                    raise

    monkeypatch.setattr(request.node, "obj", repeated)


def ended(act: Callable[[], object], seconds: float = SECONDS) -> DeadlineExceeded:
    """The error of a call, which came in time."""
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        act()
    took = time.monotonic() - begun
    assert took >= seconds - 0.02
    if took > seconds + LATE:
        raise Late(f"{took:.3f} seconds")
    error = caught.value
    assert error.deadline == seconds and error.elapsed and error.elapsed >= seconds - 0.02
    assert error.during and not error.retryable
    return error


@pytest.mark.parametrize("slow", SLOW, ids=lambda step: step.__name__)
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_every_face(face: Callable[..., None], slow: on.Step, colour: Colour) -> None:
    with serving(slow) as server:
        error = ended(lambda: face(colour, colour.driver(server.url)))
        # What the server did by then nobody knows.
        assert error.bill is not None and error.bill.total is None
        assert len(error.bill.charges) == len(server.asked) == 1
        assert bool(error.attempts) is face.__name__.startswith("extracted")


def test_what_a_stream_had_given_is_on_the_error(colour: Colour) -> None:
    with serving(on.streams(on.event("hel"), then=on.hangs)) as server:
        error = ended(lambda: streamed(colour, colour.driver(server.url)))
    assert error.partial is not None and error.partial.text == "hel"


@contextmanager
def listening(then: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose every connection is given to a function, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    made, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=then, args=(made,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            # ``close`` alone does not wake a thread that accepts.
            server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def over() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def test_a_handshake_that_stalls(colour: Colour, over: threading.Event) -> None:
    def silent(made: socket.socket) -> None:
        over.wait(20)
        made.close()

    with listening(silent) as port:
        url = f"https://127.0.0.1:{port}/v1"
        error = ended(lambda: asked(colour, colour.driver(url)))
    # No request has left, so nothing can have been billed.
    assert error.unsent and error.bill is None and "connecting" in error.during


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 Connec"], ids=["silent", "dripping"])
def test_a_proxy_that_stalls(
    part: bytes, colour: Colour, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proxy(made: socket.socket) -> None:
        made.recv(4096)
        try:
            made.sendall(part)
            while part and not over.wait(0.02):
                made.sendall(b"t")
        except OSError:
            pass
        over.wait(20)
        made.close()

    with listening(proxy) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        error = ended(lambda: asked(colour, colour.driver("https://provider.invalid/v1")))
    assert error.unsent and error.bill is None


def test_a_name_that_is_not_found_out(
    colour: Colour, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    if colour.name == "async" and os.environ.get("PROMPTURE_TEST_LOOP") == "uvloop":
        pytest.skip("uvloop looks names up by libuv, not by Python's socket module")

    def look_up(*_: Any, **__: Any) -> Any:
        over.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    error = ended(lambda: asked(colour, colour.driver("http://provider.invalid/v1")))
    assert error.unsent
    over.set()


def test_several_addresses_have_one_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has a timeout of its own in the standard library."""
    # Taken by nobody: its queue is full, and the network drops what comes more.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, Sync() as colour:
        port = server.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for each in filling:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found] * 5)
        error = ended(lambda: asked(colour, colour.driver(f"http://provider.invalid:{port}/v1")))
        assert error.unsent
        for each in filling:
            each.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_large_body_that_is_taken_slowly(
    secure: bool,
    colour: Colour,
    over: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    context = _secured(monkeypatch, tmp_path) if secure else None

    def slow(made: socket.socket) -> None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        taken = made
        try:
            if context:
                taken = context.wrap_socket(made, server_side=True)
            while not over.wait(0.02):
                taken.recv(2048)
        except OSError:
            pass
        taken.close()

    text, seconds = "x" * 8_000_000, 1.5  # it takes its time to be written down, too
    with listening(slow) as port:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{port}/v1"
        driver = colour.driver(url)
        request = Request(model="m", messages=(user(text),), deadline=seconds)
        error = ended(lambda: colour.complete(driver, request), seconds)
    assert not error.unsent and error.bill is not None and error.bill.total is None


def _secured(monkeypatch: pytest.MonkeyPatch, folder: Any) -> ssl.SSLContext:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    connections.tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def _own_context() -> Iterator[None]:
    yield
    connections.tls_context.cache_clear()


@pytest.mark.parametrize("slow", SLOW, ids=lambda step: step.__name__)
def test_a_session_of_the_callers_own(slow: on.Step) -> None:
    with serving(slow) as server, requests.Session() as session, Sync() as colour:
        for face in (asked, streamed):
            ended(lambda face=face: face(colour, colour.driver(server.url, session=session)))


@pytest.mark.parametrize("slow", SLOW, ids=lambda step: step.__name__)
def test_a_client_of_the_callers_own(slow: on.Step) -> None:
    async def go(url: str) -> None:
        async with httpx2.AsyncClient() as client:
            driver = prompture.async_driver_for(
                "openai-compatible/m", base_url=url, api_key="k", client=client
            )
            await driver.generate("hi", deadline=SECONDS)

    with serving(slow) as server:
        ended(lambda: asyncio.run(go(server.url)))


def test_a_server_that_asks_to_wait_longer_than_there_is_time(colour: Colour) -> None:
    """Its own error, at once: it says more than that the time would not do."""
    with serving(on.fails(503, retry_after="5")) as server:
        driver = colour.driver(server.url)
        begun = time.monotonic()
        with pytest.raises(ServerError) as caught:
            generated(colour, driver)
        assert time.monotonic() - begun < SECONDS
        assert len(server.asked) == 1 and caught.value.retry_after == 5


def test_what_is_left_goes_on_to_the_next_try_and_the_next_model(colour: Colour) -> None:
    failing, silent = on.fails(500), on.hangs
    face = "extract" if colour.name == "sync" else "aextract"
    with serving(failing, failing, silent) as first, serving(silent) as second:
        one = colour.driver(first.url, retry=quick(3), timeout=0.4)
        models = [one, colour.driver(second.url)]
        with pytest.raises(DeadlineExceeded) as caught:
            colour.run(getattr(prompture, face)(Line, "t", model=models, deadline=1.5))
        error = caught.value
        assert error.elapsed and error.elapsed >= 1.48
        assert (len(first.asked), len(second.asked)) == (3, 1)
        assert [charge.note for charge in error.bill.charges] == [  # type: ignore[union-attr]
            "ServerError",
            "ServerError",
            "ReadTimeout",
            "DeadlineExceeded",
        ]
        assert len(error.attempts) == 2


def test_a_driver_can_be_used_after_it(colour: Colour) -> None:
    steps = [on.hangs, on.good(), drips_its_body, on.good(), on.good()]
    with serving(*steps) as server:
        driver = colour.driver(server.url)
        for face in (asked, streamed):
            ended(lambda face=face: face(colour, driver))
            assert colour.complete(driver).text == "hello"
        assert colour.complete(driver).text == "hello"
        # A connection that was broken off is not used again.
        assert server.accepted == 3


def test_it_leaves_no_thread_and_no_connection(colour: Colour) -> None:
    with serving(on.hangs) as server:
        driver = colour.driver(server.url)
        before = {thread.name for thread in threading.enumerate()}
        for _ in range(3):
            ended(lambda: asked(colour, driver))
        named = {t.name for t in threading.enumerate() if t.name.startswith("prompture")}
        assert named <= before


def test_probes(colour: Colour) -> None:
    with serving(on.hangs) as server:
        driver = colour.driver(server.url)
        error = ended(lambda: colour.run(driver.list_models(deadline=SECONDS)))
        assert error.bill is None
        ended(lambda: colour.run(driver.check_credentials(deadline=SECONDS)))
        begun = time.monotonic()
        health = colour.run(driver.health(deadline=SECONDS))
        assert time.monotonic() - begun < SECONDS + LATE
        assert not health.reachable and "deadline=0.3" in health.problem


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "5", True])
def test_what_is_no_deadline(seconds: Any, colour: Colour) -> None:
    with serving(on.good()) as server:
        driver = colour.driver(server.url)
        for act in (
            lambda: driver.generate("hi", {"deadline": seconds}),
            lambda: driver.list_models(deadline=seconds),
            lambda: prompture.Extractor(Line, model=driver, deadline=seconds),
            lambda: prompture.Agent(driver, deadline=seconds),
        ):
            with pytest.raises(ConfigurationError, match="deadline must be"):
                colour.run(act())
        with pytest.raises(ConfigurationError, match="deadline must be"):
            asking = Request(model="m", messages=(user("hi"),), deadline=seconds)
            colour.stream(driver, asking)
        assert not server.asked


def test_an_error_can_be_kept(colour: Colour) -> None:
    import pickle

    with serving(on.hangs) as server:
        error = ended(lambda: extracted(colour, colour.driver(server.url)))
    again: PromptureError = pickle.loads(pickle.dumps(error))
    assert isinstance(again, DeadlineExceeded) and isinstance(again, prompture.TransportError)
    assert (again.deadline, again.elapsed, again.during) == (
        error.deadline,
        error.elapsed,
        error.during,
    )
    assert again.bill == error.bill and str(again) == str(error)


def _ran_out(colour: Colour, agent: Any, **own: float) -> prompture.TimeLimitExceeded:
    begun = time.monotonic()
    with pytest.raises(prompture.TimeLimitExceeded) as caught:
        colour.run((agent.run if colour.name == "sync" else agent.arun)("hi", **own))
    if time.monotonic() - begun > SECONDS + LATE:
        raise Late
    return caught.value


@pytest.mark.parametrize("slow", SLOW, ids=lambda step: step.__name__)
def test_a_run_of_an_agent(slow: on.Step, colour: Colour) -> None:
    with serving(slow) as server:
        driver = colour.driver(server.url)
        error = _ran_out(colour, prompture.Agent(driver, deadline=SECONDS))
        assert error.limit == SECONDS and "deadline=0.3" in str(error)
        assert error.bill is not None and error.bill.total is None and error.trace is not None
        # The sooner of all that are set holds.
        limited = prompture.Agent(driver, max_seconds=60, deadline=30)
        assert _ran_out(colour, limited, deadline=SECONDS).limit == SECONDS


def test_a_tool_has_no_more_time_than_its_run(colour: Colour) -> None:
    from prompture.testing import AsyncScriptedDriver, ScriptedDriver
    from prompture.types import ToolCall

    call = ToolCall(id="1", name="look", arguments={})
    scripted: Any = ScriptedDriver if colour.name == "sync" else AsyncScriptedDriver
    with serving(on.hangs) as server, Sync() as other:
        inner = other.driver(server.url)
        left: list[PromptureError] = []

        def look() -> str:
            """Look it up."""
            try:
                return prompture.extract(Line, "t", model=inner).name
            except PromptureError as exc:
                left.append(exc)
                raise

        agent = prompture.Agent(scripted([[call], "done"]), tools=[look], deadline=SECONDS)
        _ran_out(colour, agent)
        end = time.monotonic() + 5
        while not left and time.monotonic() < end:
            threading.Event().wait(0.01)
    assert isinstance(left[0], DeadlineExceeded)


def test_the_command_line(tmp_path: Any) -> None:
    from click.testing import CliRunner

    from prompture.cli.extract import command

    document = tmp_path / "a.txt"
    document.write_text("name: Ann")
    arguments = [str(document), "-s", "name", "-m", "local/rules", "--deadline"]
    found = CliRunner().invoke(command, [*arguments, "5"], standalone_mode=False)
    assert '"Ann"' in found.output
    refused = CliRunner().invoke(command, [*arguments, "0"], standalone_mode=False)
    assert isinstance(refused.exception, ConfigurationError)
    assert "deadline must be" in str(refused.exception)
