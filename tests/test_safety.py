"""What a hostile document, URL or server cannot make us do, in both colours.

Fences are in tests/extraction/test_document_turn.py, keys in tests/test_canary.py, bombs of JSON in
tests/wire/test_loading.py, deadlines in tests/extraction/test_deadline.py, authorities in
tests/drivers/test_tls.py.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests

import prompture
from prompture import errors
from prompture.catalog.tokens import count_request
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.types import File, Image, Request, Text, user
from tests import server as on
from tests.drivers.colours import COLOURS, KEY, Colour, Sync, quick
from tests.loopback import Reply, json_reply, serving

KINDS = pytest.mark.parametrize("kind", COLOURS, ids=lambda c: c.name)


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every host that a name or an address is looked up for, or that is connected to."""
    hosts: list[str] = []
    lookup, connect = socket.getaddrinfo, socket.socket.connect

    def looking(host: Any, *args: Any, **more: Any) -> Any:
        hosts.append(str(host))
        return lookup(host, *args, **more)

    def connecting(self: socket.socket, address: Any) -> Any:
        hosts.append(str(address[0] if isinstance(address, tuple) else address))
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", looking)
    monkeypatch.setattr(socket.socket, "connect", connecting)
    yield hosts


PRIVATE = (
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/a.png",
    "http://[fd00::1]/a.png",
    "http://metadata.google.internal/a.png",
    "https://pictures.example/a.png",
)


@KINDS
def test_no_url_of_a_picture_or_a_file_is_ever_fetched_by_us(
    kind: type[Colour], looked_up: list[str]
) -> None:
    """So that there is no private address to keep from, no redirect and no change of a name: the
    URL goes to the provider as it stands, or is refused."""
    with serving([json_reply({}) for _ in range(20)]) as pictures, kind() as colour:
        for url in (*PRIVATE, f"{pictures.url}/a.png"):
            with on.serving(on.good(), on.good()) as server:
                driver = colour.driver(server.url)
                for part in (
                    prompture.image(url),
                    Image(url=url),
                    prompture.file(url),
                    File(url=url),
                ):
                    request = Request(model="m", messages=(user([Text("?"), part]),))
                    count_request(request)
                    driver.validate(request)
                    try:
                        colour.complete(driver, request)
                    except errors.UnsupportedError:
                        continue
                    assert url in str(server.asked[-1][2])
        assert pictures.asked == []
    assert set(looked_up) <= {"127.0.0.1"}


@KINDS
def test_a_text_that_is_a_url_is_not_fetched(kind: type[Colour], looked_up: list[str]) -> None:
    with on.serving(on.good('{"a": 1}')) as server, kind() as colour:
        extractor = prompture.Extractor(dict[str, int], model=colour.driver(server.url))
        if kind is Sync:
            extractor.extract(PRIVATE[0])
        else:
            colour.run(extractor.aextract(PRIVATE[0]))
    assert set(looked_up) <= {"127.0.0.1"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@KINDS
def test_no_key_follows_a_redirect(kind: type[Colour], status: int) -> None:
    """Neither to another host, nor for another request than a call: models, the key's check."""
    with serving(lambda asked: json_reply({"data": []})) as thief, kind() as colour:
        away = Reply(status=status, headers={"location": f"{thief.url}/v1/models"})
        with serving(lambda asked: away) as server:
            driver = colour.driver(f"{server.url}/v1", retry=quick(1))
            for ask in (driver.list_models, driver.check_credentials):
                with pytest.raises(errors.ProviderError):
                    colour.run(ask())
            assert colour.run(driver.health()).authorised is None
            with pytest.raises(errors.ProviderError):
                colour.complete(driver)
        assert thief.asked == []


def test_no_key_follows_a_redirect_of_ones_own_session_either() -> None:
    with serving(lambda asked: json_reply({"data": []})) as thief:
        away = Reply(status=307, headers={"location": f"{thief.url}/v1/chat/completions"})
        with serving(lambda asked: away) as server, requests.Session() as session:
            driver = OpenAICompatible("m", base_url=server.url, api_key=KEY, session=session)
            with pytest.raises(errors.ProviderError):
                driver.generate("hi")

        async def ask(url: str) -> None:
            async with (
                httpx2.AsyncClient(follow_redirects=True) as client,
                AsyncOpenAICompatible("m", base_url=url, api_key=KEY, client=client) as other,
            ):
                with pytest.raises(errors.ProviderError):
                    await other.generate("hi")

        import asyncio

        with serving(lambda asked: away) as server:
            asyncio.run(ask(server.url))
        assert thief.asked == []


@KINDS
def test_a_bomb_of_gzip_is_refused_at_the_limit(kind: type[Colour]) -> None:
    body = b" " * 3_000_000 + on.answer()
    with on.serving(on.zipped(body), on.zipped(body)) as server, kind() as colour:
        driver = colour.driver(server.url, retry=quick(1))
        driver._transport._max_bytes = 1_000_000
        with pytest.raises(errors.ProtocolError, match="passes 1000000 bytes"):
            colour.complete(driver)


@KINDS
def test_nested_answers_and_errors_are_refused_without_running_out_of_stack(
    kind: type[Colour],
) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    steps = [on.raw(deep, **on.JSON), on.raw(b'{"error": ' + deep + b"}", 400, **on.JSON)]
    with on.serving(*steps) as server, kind() as colour:
        driver = colour.driver(server.url, retry=quick(1))
        with pytest.raises(errors.ProtocolError):
            colour.complete(driver)
        with pytest.raises(errors.ProviderError):
            colour.complete(driver)


@KINDS
def test_nested_values_of_an_answer(kind: type[Colour]) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    with on.serving(on.good(deep), on.good(f'{{"a": {deep}}}')) as server, kind() as colour:
        extractor = prompture.Extractor(
            dict[str, Any], model=colour.driver(server.url), max_retries=0
        )
        for _ in range(2):
            with pytest.raises(errors.Invalid):
                if kind is Sync:
                    extractor.extract("x")
                else:
                    colour.run(extractor.aextract("x"))
