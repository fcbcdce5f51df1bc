"""Files by their URL: limits, redirects, and addresses that are not asked."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import prompture
from prompture import DocumentTooLarge, DocumentUnavailable, DocumentUnsupported, document
from prompture.documents import download
from prompture.errors import ConfigurationError

SEEN: list[dict[str, str]] = []
RELEASED = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        SEEN.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        route = urlsplit(self.path).path
        if route == "/moved":
            self.answer(b"", 302, Location="/a.txt")
        elif route == "/away":
            self.answer(b"", 302, Location="http://10.0.0.1/x")
        elif route == "/file":
            self.answer(b"", 302, Location="file:///etc/passwd")
        elif route == "/round":
            self.answer(b"", 302, Location="/round")
        elif route == "/packed.txt":
            self.answer(gzip.compress(b"unpacked"), **{"Content-Encoding": "gzip"})
        elif route == "/pieces.txt":
            packed = gzip.compress(b"un") + gzip.compress(b"packed") + bytes(8)
            self.answer(packed, **{"Content-Encoding": "gzip"})
        elif route == "/cut-piece.txt":
            packed = gzip.compress(b"un") + gzip.compress(b"packed")[:-9]
            self.answer(packed, **{"Content-Encoding": "gzip"})
        elif route == "/bomb.txt":
            self.answer(gzip.compress(bytes(30_000_000)), **{"Content-Encoding": "gzip"})
        elif route == "/misnamed.txt":
            self.answer(b"x", **{"Content-Disposition": "attachment; filename*=idna''abc"})
        elif route == "/named":
            name = 'attachment; filename="b.csv"'
            self.answer(
                b"x;y\n1;2\n", **{"Content-Disposition": name, "Content-Type": "text/plain"}
            )
        elif route == "/cut.txt":
            self.answer(b"abc", **{"Content-Length": "10"})
        elif route == "/slow.txt":
            self.answer(b"a", **{"Content-Length": "10"}, waits=True)
        elif route == "/a.txt":
            self.answer(b"Total: 12.50")
        else:
            self.answer(b"", 404)

    def answer(self, body: bytes, status: int = 200, waits: bool = False, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if waits:
            self.wfile.flush()
            RELEASED.wait(60)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    SEEN.clear()
    RELEASED.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    RELEASED.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("/a.txt?key=secret", "a.txt", "Total: 12.50"),
        ("/moved", "a.txt", "Total: 12.50"),
        ("/packed.txt", "packed.txt", "unpacked"),
        ("/misnamed.txt", "misnamed.txt", "x"),
        ("/pieces.txt", "pieces.txt", "unpacked"),
        ("/named", "b.csv", "| x | y |\n|---|---|\n| 1 | 2 |"),
    ],
)
def test_a_url_is_read_in_both_colours(base: str, path: str, name: str, text: str) -> None:
    read = document(url=base + path, allow_private=True)
    assert (read.name, read.text) == (name, text)
    assert asyncio.run(prompture.adocument(url=base + path, allow_private=True)) == read


def test_through_a_proxy(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", base.replace("http://", "http://me:word@"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert document(url="http://files.example:81/a.txt?q=1").text == "Total: 12.50"
    assert (SEEN[0]["path"], SEEN[0]["host"], SEEN[0]["proxy-authorization"]) == (
        "http://files.example:81/a.txt?q=1",
        "files.example:81",
        "Basic bWU6d29yZA==",
    )
    with pytest.raises(DocumentUnavailable, match="of this network"):
        document(url="http://localhost/a.txt")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_host_is_without_its_usual_port(
    base: str, scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A signed URL's signature holds it."""
    authority = pytest.importorskip("trustme").CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("files.example").configure_cert(context)
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if scheme == "https":
        made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    connect = socket.create_connection
    monkeypatch.setattr(download, "_addresses", lambda *_: ["127.0.0.1"])
    monkeypatch.setattr(
        socket, "create_connection", lambda _, **kw: connect(made.server_address[:2], **kw)
    )
    try:
        assert document(url=f"{scheme}://files.example/a.txt").text == "Total: 12.50"
    finally:
        made.shutdown()
        made.server_close()
        thread.join()
    assert SEEN[0]["host"] == "files.example"


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/none", DocumentUnavailable, "answered 404"),
        ("/round", DocumentUnavailable, "more than 5 redirects"),
        ("/bomb.txt", DocumentTooLarge, "max_bytes=1000"),
        ("/cut.txt", DocumentUnavailable, "cut off"),
        ("/cut-piece.txt", DocumentUnavailable, "cut off"),
        ("/file", DocumentUnavailable, "leads to what is no http"),
    ],
)
def test_what_a_server_does_wrong(base: str, path: str, error: type, words: str) -> None:
    secret = base.replace("://", "://user:secret@")
    with pytest.raises(error, match=words) as caught:
        document(url=f"{secret}{path}?token=secret", allow_private=True, max_bytes=1000)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_time_is_for_the_whole(base: str) -> None:
    with pytest.raises(DocumentUnavailable, match=r"no answer in 0\.5 s"):
        document(url=f"{base}/slow.txt", allow_private=True, timeout=0.5)


def test_this_network_is_not_asked(base: str) -> None:
    with pytest.raises(DocumentUnavailable, match="address of this network"):
        document(url=f"{base}/a.txt")
    assert SEEN == []


def test_a_redirect_is_looked_at_too(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = download.is_private
    monkeypatch.setattr(download, "is_private", lambda a: real(a) and not a.startswith("127."))
    with pytest.raises(DocumentUnavailable, match="address of this network"):
        document(url=f"{base}/away")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert download.is_private(address)
    assert not download.is_private("93.184.216.34")
    assert not download.is_private("2606:4700::1111")


def test_a_login_goes_to_its_own_server_only(base: str) -> None:
    document(url=base.replace("://", "://user:pa%20ss@") + "/moved", allow_private=True)
    assert [each.get("authorization") for each in SEEN] == ["Basic dXNlcjpwYSBzcw=="] * 2
    other = base.replace("127.0.0.1", "localhost")
    assert download._origin(base) != download._origin(other)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "http://", "x", "http://a b/", "http://[1"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ConfigurationError):
        document(url=url)


def test_one_of_the_two() -> None:
    with pytest.raises(ConfigurationError, match="one of the two"):
        document()
    with pytest.raises(ConfigurationError, match="one of the two"):
        document(b"x", url="http://a")
    with pytest.raises(ConfigurationError, match="url must be a text"):
        document(url=3)  # type: ignore[arg-type]
    with pytest.raises(DocumentUnsupported):
        document(b"\x7fELF")
