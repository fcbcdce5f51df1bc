"""No key and no document in what an error says, in its traceback, in a repr or in a log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import requests

from prompture import Agent, Extractor, Limits, async_driver_for, driver_for, errors, extract, track
from prompture.codecs.base import Endpoint
from prompture.drivers import registry
from prompture.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLost,
    PromptureError,
    ProtocolError,
    ServerError,
)
from prompture.types import Request, user
from prompture.wire.http import HTTPRequest, HTTPResponse, bad_header
from prompture.wire.secrets import host_of, is_plain, shown
from tests import server as on
from tests.drivers.colours import COLOURS, KEY, Colour, quick
from tests.loopback import Reply, json_reply, serving

DOCUMENT = "the words of the document"
ASK = Request(model="m", messages=(user(DOCUMENT),))
CLOSED = "http://127.0.0.1:1/v1"


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with request.param() as found:
        yield found


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        (f"http://user:{KEY}@127.0.0.1:1/v1", {}, ConnectionLost),
        (f"{CLOSED}?key={KEY}", {}, ConnectionLost),
        (CLOSED, {"headers": {"x-extra": f"{KEY}\n"}}, ConfigurationError),
        (CLOSED, {"headers": {"x-extra": f"{KEY}\r\nx-other: 1"}}, ConfigurationError),
        (CLOSED, {"headers": {"x-extra": f"{KEY}\u20ac"}}, ConfigurationError),
    ],
)
def test_what_cannot_be_sent(
    colour: Colour,
    url: str,
    settings: Any,
    expected: type[Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(expected) as caught:
        colour.complete(colour.driver(url, **settings, retry=quick(1)), ASK)
    driver = colour.driver(url)
    shown = (repr(driver), repr(driver.endpoint), repr(vars(driver)))
    for words in (told(caught.value), caplog.text, *shown):
        assert KEY not in words and DOCUMENT not in words


def echo(asked: Any) -> Reply:
    return json_reply({"error": {"message": f"no: {dict(asked.headers)}"}}, status=401)


@pytest.mark.parametrize("name", ["openai", "claude", "google", "cohere", "ollama", "azure"])
def test_a_server_that_repeats_the_key(name: str) -> None:
    with (
        serving(echo) as server,
        driver_for(f"{name}/m", api_key=KEY, base_url=server.url, retry=quick(1)) as driver,
        pytest.raises(AuthenticationError, match=r"\*\*\*") as caught,
    ):
        driver.complete(ASK)
    assert KEY not in told(caught.value) + caught.value.body


def test_a_server_that_calls_its_model_by_the_key() -> None:
    body = {"model": KEY, "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1}}  # fmt: skip
    with (
        serving([json_reply(body)]) as server,
        driver_for("openai-compatible/m", api_key=KEY, base_url=server.url) as driver,
        track() as spent,
    ):
        found = driver.complete(ASK)
    assert KEY not in f"{found.model}{found.cost}{spent.bill!r}{spent.bill.table()}"


def test_secrets_beside_the_key() -> None:
    codec, said = registry.find("openai").codec, HTTPResponse(500, {}, f'"{KEY}"'.encode())
    for endpoint in (
        Endpoint("p", "http://h", "", {"x-key": KEY}),
        Endpoint("p", "http://h", "", {}, {"ad_token": KEY, "region": "us"}),
    ):
        error = codec.read_error(said, endpoint)
        assert isinstance(error, ServerError) and KEY not in error.body + str(error)


@pytest.mark.parametrize("name", ["openai", "google", "bedrock"])
def test_keys_are_taken_as_they_are_pasted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"region": "us-east-1"} if name == "bedrock" else {}
    row = registry.find(name)
    assert row.endpoint(f" {KEY}\r\n", options=settings).api_key == KEY
    monkeypatch.setenv(row.key_env[0], f"{KEY}\n")
    assert row.endpoint(options=settings).api_key == KEY
    for key in (f"{KEY}\n{KEY}", f"{KEY}\u2026", f"{KEY}\x00"):
        with pytest.raises(ConfigurationError, match="character") as caught:
            row.endpoint(key, options=settings)
        assert KEY not in told(caught.value)


def test_reprs() -> None:
    endpoint = Endpoint("openai", f"http://u:{KEY}@h/v1?key={KEY}", KEY, {"k": KEY}, {"k": KEY})
    sent = registry.find("openai").codec.encode(ASK, endpoint)
    got = HTTPResponse(200, {"set-cookie": KEY}, DOCUMENT.encode())
    assert KEY in str(dict(sent.headers)) and DOCUMENT in sent.body.decode()
    for value in (endpoint, sent, got, ASK, ASK.messages[0]):
        assert KEY not in repr(value) and DOCUMENT not in repr(value)
    assert repr(HTTPRequest("GET", "http://h/x", {})) == "HTTPRequest(GET http://h/x, 0 bytes)"


def test_reprs_of_what_may_hold_a_password() -> None:
    limits = Limits(requests_per_minute=60, shared=f"redis://user:{KEY}@host/0")
    row = replace(registry.find("openai"), headers={"x-auth": KEY}, limits=limits)
    assert KEY not in repr(limits) and KEY not in repr(row)


def test_half_an_answer_is_not_quoted() -> None:
    cut = HTTPResponse(200, {"content-type": "application/json"}, f'{{"text": "{DOCUMENT}'.encode())
    with pytest.raises(
        ProtocolError, match=r"got application/json, \d+ bytes \(Unterminated [^{]*\)$"
    ):
        cut.json()
    page = HTTPResponse(200, {"content-type": "text/html"}, b"<html>Sign in</html>")
    with pytest.raises(ProtocolError, match="starting '<html>Sign in"):
        page.json(())


@pytest.mark.parametrize(
    ("url", "safe", "host"),
    [
        ("https://h:8/v1/x", "https://h:8/v1/x", "h:8"),
        ("https://u:p@h/v1?key=k", "https://h/v1", "h"),
        ("https://u:p@h", "https://h", "h"),
        ("https://h/a@b", "https://h/a@b", "h"),
        ("nowhere", "nowhere", "nowhere"),
        ("", "", ""),
    ],
)
def test_urls(url: str, safe: str, host: str) -> None:
    assert (shown(url), host_of(url), is_plain(url)) == (safe, host, safe == url)


def test_headers() -> None:
    assert bad_header({"a": "x y", "b": "tab\there", "c": "caf\u00e9", "d": ""}) is None
    for value in ("x\n", " x", "a\rb", "\x00", "\u20ac", "\x7f"):
        assert bad_header({"a": "fine", "b": value}) == "b"


def locals_with(secret: str, error: BaseException) -> set[str]:
    """Where a secret is in a local of a frame, as viewers of tracebacks show them."""
    found: set[str] = set()
    at: traceback.TracebackException | None
    at = traceback.TracebackException.from_exception(error, capture_locals=True)
    while at is not None:
        for frame in at.stack:
            if frame.filename != __file__ and "asyncio" not in frame.filename:
                names = [name for name, text in (frame.locals or {}).items() if secret in text]
                found |= {f"{frame.filename}:{frame.name}:{name}" for name in names}
        at = at.__cause__ or at.__context__
    return found


def refuses(x: on.Exchange) -> None:
    x.drop()


CUT = on.cut(on.answer(), 20)
CUT_STREAM = on.streams(on.EVENTS[0], ended=False)


def repeats(line: bytes) -> on.Step:
    """Sends back what it was sent, in no HTTP."""

    def step(x: on.Exchange) -> None:
        x.wfile.write(line % x.headers["authorization"].encode())
        x.close_connection = True

    return step


PAGE = on.raw(b"<html>Sign in</html>", content_type="text/html")
NO_STATUS = repeats(b"HTTP/1.1 odd %s\r\n\r\n")
NO_HEADER = repeats(b"HTTP/1.1 200 OK\r\n\x00%s\r\n\r\n")
NO_HTTP = repeats(b"%s\r\n\r\n")
STEPS = [None, refuses, CUT, CUT_STREAM, on.fails(500), PAGE, NO_STATUS, NO_HEADER, NO_HTTP]


@pytest.mark.parametrize("kind", COLOURS)
@pytest.mark.parametrize("step", STEPS)
def test_no_local_of_a_traceback_holds_the_key(kind: type[Colour], step: on.Step | None) -> None:
    with on.serving(step or refuses) as server, kind() as colour:
        url = server.url if step else "http://127.0.0.1:9/v1"
        driver = colour.driver(url, retry=quick(1))
        with pytest.raises(PromptureError) as caught:
            colour.stream(driver) if step is CUT_STREAM else colour.complete(driver)
        assert locals_with(KEY, caught.value) == set()
        assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", COLOURS)
def test_no_log_line_holds_a_key_in_a_query(
    kind: type[Colour], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "canary-key-in-a-query"
    with caplog.at_level(logging.DEBUG), on.serving(on.good()) as server, kind() as colour:
        colour.complete(colour.driver(f"{server.url}?key={secret}"))
        if kind.name == "sync":
            with requests.Session() as session:
                driver = colour.driver(f"{server.url}?key={secret}", session=session)
                colour.complete(driver)
        assert all(f"key={secret}" in path for path, _, _ in server.asked)
    assert caplog.records
    assert secret not in "".join(record.getMessage() for record in caplog.records)


MISTAKES: list[Callable[[Any], Any]] = [
    lambda hold: driver_for("openai/gpt-5", api_key=hold(), tiemout=3),
    lambda hold: driver_for("opnai/gpt-5", api_key=hold()),
    lambda hold: driver_for("openai/gpt-5", api_key=hold(), base_url="ftp://x"),
    lambda hold: async_driver_for("claude/claude-haiku-4-5", api_key=hold(), retry=3),
    lambda hold: extract(int, "3", model="openai/gpt-5", api_key=hold()),
    lambda hold: Extractor(int, model="openai/gpt-5", headers={"authorization": hold()}),
    lambda hold: Agent("openai/gpt-5", api_key=hold()),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_beside_a_key_leaves_it_in_no_frame_of_ours(mistake: Any) -> None:
    """As error trackers do: the message, and the locals of every frame."""
    with pytest.raises(errors.ConfigurationError) as caught:
        mistake(lambda: "".join(["hidden", "-in-", "a-frame-0123456789"]))
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "hidden-in-a-frame-0123456789" not in "".join(told.format())


@pytest.mark.parametrize("bad", ["\0", "\r\nx-other: 1", "\n"])
@pytest.mark.parametrize("where", ["headers", "cookies"])
def test_a_header_of_a_given_session_that_cannot_be_sent(
    colour: Colour, where: str, bad: str
) -> None:
    secret = f"never-shown{bad}never-shown"
    session: Any = requests.Session() if colour.name == "sync" else httpx2.AsyncClient()
    if where == "headers":
        session.headers["x-own"] = secret
    else:
        session.cookies.set("c", secret)
    with on.serving(on.good(), on.good()) as server:
        own = {"session": session} if colour.name == "sync" else {"client": session}
        driver = colour.driver(server.url, **own)
        with pytest.raises(ConfigurationError, match="of the session or client that was") as caught:
            colour.complete(driver)
        assert not server.asked
    assert "never-shown" not in told(caught.value)
    assert caught.value.bill is None
    if colour.name == "sync":
        session.close()
    else:
        colour.run(session.aclose())


def test_a_setting_that_cannot_be_sent() -> None:
    secret = f"{KEY}\0"
    with pytest.raises(ConfigurationError, match="api_version holds a character") as caught:
        driver_for("azure/m", api_key=KEY, base_url=CLOSED, api_version=secret)
    assert KEY not in told(caught.value)
