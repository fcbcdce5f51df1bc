"""Proxies by the environment: one table of rules, and both colours through it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from prompture.drivers import connections
from prompture.drivers.connections import proxy_for
from prompture.errors import ConfigurationError, ConnectionLost
from tests import server as served
from tests.drivers.colours import COLOURS, Colour

SECRET = "canary-password-0123"
VARIABLES = [
    name for key in ("http", "https", "all", "no") for name in (f"{key}_proxy", f"{key}_PROXY".upper())
]  # fmt: skip


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=COLOURS, ids=lambda kind: kind.name)
def colour(request: pytest.FixtureRequest) -> Any:
    with request.param() as made:
        yield made


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("proxy.test:3128", "http://proxy.test:3128"),
        ("proxy.test", "http://proxy.test:80"),
        (" http://proxy.test:3128/ ", "http://proxy.test:3128"),
        ("HTTPS://proxy.test", "https://proxy.test:443"),
        ("socks5://proxy.test", "socks5://proxy.test:1080"),
        ("socks5h://proxy.test:9", "socks5h://proxy.test:9"),
        ("socks://proxy.test:9/", "socks5://proxy.test:9"),
        ("[::1]:3128", "http://[::1]:3128"),
        ("user:pass@proxy.test:1", "http://user:pass@proxy.test:1"),
        ("http://user@proxy.test:1", "http://user@proxy.test:1"),
        ("http://user:p%40ss@proxy.test:1", "http://user:p%40ss@proxy.test:1"),
        ("http://user:p@s/s?#@proxy.test:1", "http://user:p%40s%2Fs%3F%23@proxy.test:1"),
    ],
)
def test_spellings(value: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", value)
    found = proxy_for("https://api.example.test/v1")
    assert found is not None
    assert found.url == url
    assert "pass" not in repr(found) and "ss@" not in repr(found)
    assert "(https_proxy)" in found.shown


@pytest.mark.parametrize(
    "value",
    [
        f"ftp://user:{SECRET}@proxy.test",
        f"http://user:{SECRET}@proxy.test:port",
        f"http://user:{SECRET}@proxy.test:99999",
        f"user:{SECRET}@",
        f"http://user:{SECRET}@a b:1",
        f"http://user:{SECRET}@[::1",
        "http://",
        "socks4://proxy.test",
    ],
)
def test_no_proxies(value: str, colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(ConfigurationError, match="HTTP_PROXY") as caught:
        colour.complete(colour.driver("http://api.example.test/v1"))
    assert SECRET not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(
    ("variables", "used"),
    [
        ({"http_proxy": "a:1"}, "a"),
        ({"HTTP_PROXY": "a:1"}, "a"),
        ({"http_proxy": "a:1", "HTTP_PROXY": "b:1"}, "a"),
        ({"all_proxy": "c:1"}, "c"),
        ({"ALL_PROXY": "c:1", "http_proxy": "a:1"}, "a"),
        ({"https_proxy": "d:1"}, None),
        ({"http_proxy": ""}, None),
        ({}, None),
    ],
)
def test_variables(
    variables: dict[str, str], used: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "getproxies", dict)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = proxy_for("http://api.example.test/v1")
    assert (found and found.url) == (used and f"http://{used}:1")


HOSTS = {
    "name": "http://api.example.test:8080/v1",
    "four": "http://10.1.2.3/v1",
    "six": "http://[fd00::5]:8080/v1",
    "loop": "http://[::1]:8080/v1",
    "local": "http://localhost:11434",
}


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    ("value", "excepted"),
    [
        ("*", "name four six loop local"),
        ("other.test, *", "name four six loop local"),
        ("example.test", "name"),
        (".example.test", "name"),
        ("*.example.test", "name"),
        ("API.Example.TEST", "name"),
        ("api.example.test:8080", "name"),
        ("api.example.test:80", ""),
        ("ample.test", ""),
        ("http://api.example.test", "name"),
        ("10.1.2.3", "four"),
        ("10.0.0.0/8", "four"),
        ("10.1.2.3:80", "four"),
        ("10.1.2.3:81", ""),
        ("fd00::5", "six"),
        ("[fd00::5]", "six"),
        ("[fd00::5]:8080", "six"),
        ("[fd00::5]:80", ""),
        ("fd00:0:0::5", "six"),
        ("fd00::/8", "six"),
        ("::1", "loop"),
        ("[::1]", "loop"),
        ("localhost,127.0.0.1,::1", "loop local"),
        ("localhost 10.1.2.3", "local four"),
        ("localhost; ::1", "local loop"),
        ("localhost\n10.1.2.3\r\n", "local four"),
        ("", ""),
        (" , ,", ""),
        ("10.0.0.0/99, ::/zz, [", ""),
    ],
)
def test_exceptions(name: str, value: str, excepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "proxy.test:1")
    monkeypatch.setenv(name, value)
    found = {host for host, url in HOSTS.items() if proxy_for(url) is None}
    assert found == set(excepted.split())


def test_a_proxy_without_a_scheme_is_used(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    with served.serving(served.good()) as server:
        where = server.url.removeprefix("http://").removesuffix("/v1")
        monkeypatch.setenv("http_proxy", f"user:{SECRET}@{where}")
        driver = colour.driver("http://api.example.test/v1")
        assert colour.complete(driver).text == "hello"
        assert colour.complete(driver).text == "hello"
        path, headers, _ = server.asked[0]
        assert path == "http://api.example.test/v1/chat/completions"
        assert headers["proxy-authorization"].startswith("Basic ")
        assert server.accepted == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_down_is_named(
    scheme: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:{SECRET}@127.0.0.1:{port}")
    with pytest.raises(ConnectionLost) as caught:
        colour.complete(colour.driver(f"{scheme}://api.example.test/v1"))
    assert str(caught.value) == (
        f"connection to api.example.test through the proxy 127.0.0.1:{port} ({scheme}_proxy) "
        f"failed: Connection refused (tried 3 times)"
    )
    assert caught.value.unsent


def test_a_proxy_that_refuses_to_tunnel(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses(served.Exchange):
        pass

    def refuse(x: served.Exchange) -> None:
        x.reply(b"", 407)

    monkeypatch.setattr(served.Exchange, "do_CONNECT", served.Exchange.do_POST, raising=False)
    with served.serving(refuse) as server:
        where = server.url.removeprefix("http://").removesuffix("/v1")
        monkeypatch.setenv("https_proxy", where)
        with pytest.raises(ConnectionLost, match=r"through the proxy .*failed: .*407") as caught:
            colour.complete(colour.driver("https://api.example.test/v1"))
        assert caught.value.unsent


def test_a_socks_proxy_without_its_package(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:{SECRET}@127.0.0.1:1080")
    with pytest.raises(ConfigurationError, match=r"\(ALL_PROXY\).*pip install") as caught:
        colour.complete(colour.driver("http://api.example.test/v1"))
    assert SECRET not in str(caught.value)
