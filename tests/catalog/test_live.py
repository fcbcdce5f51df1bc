"""The live source against a real HTTP server on loopback."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from prompture.catalog import Catalog, live
from prompture.catalog.live import Answer, Copy, DiskCache, FetchFailed, fetch


def catalogue(price: float = 7) -> bytes:
    model = {"name": "X", "limit": {"context": 9}, "cost": {"input": price, "output": 1}}
    return json.dumps({"acme": {"id": "acme", "models": {"x-1": model}}}).encode()


@dataclass
class Site:
    """What the server says, and what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = field(default_factory=catalogue)
    etag: str = '"one"'
    packed: bool = False
    hold: threading.Event | None = None
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append({name.lower(): value for name, value in self.headers.items()})
            if site.hold is not None:
                site.hold.wait(30)
            same = self.headers.get("If-None-Match") == site.etag and site.status == 200
            self.send_response(304 if same else site.status)
            self.send_header("ETag", site.etag)
            body = b"" if same else site.body
            if site.packed:
                self.send_header("Content-Encoding", "gzip")
                body = gzip.compress(body)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/api.json"
    yield site
    if site.hold is not None:
        site.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(site: Site, folder: Path, clock: Clock) -> Catalog:
    environ = {"PROMPTURE_CATALOG_URL": site.url, "PROMPTURE_CACHE_DIR": str(folder)}
    return Catalog(environ=environ, wall=clock, steady=clock)


def price_of(catalog: Catalog) -> object:
    entry = catalog.find("acme/x-1")
    return None if entry is None or entry.rates is None else entry.rates.input


def settle(catalog: Catalog) -> None:
    """Wait for the background refresh that a lookup started."""
    for thread in threading.enumerate():
        if thread.name == "prompture-catalog":
            thread.join(10)


def test_a_lookup_answers_at_once_and_the_refresh_follows(
    site: Site, tmp_path: Path, clock: Clock
) -> None:
    site.hold = threading.Event()
    catalog = make(site, tmp_path, clock)
    assert price_of(catalog) is None
    entry = catalog.find("openai/gpt-5-mini")
    assert entry is not None
    assert entry.source == "snapshot"
    site.hold.set()
    settle(catalog)
    assert price_of(catalog) == 7
    live_entry = catalog.find("acme/x-1")
    assert live_entry is not None
    assert (live_entry.source, live_entry.as_of) == ("live", "2027-01-15")
    still = catalog.find("openai/gpt-5-mini")
    assert still is not None
    assert still.source == "snapshot"


def test_the_next_process_reads_the_copy_and_asks_nobody(
    site: Site, tmp_path: Path, clock: Clock
) -> None:
    assert make(site, tmp_path, clock).refresh()
    second = make(site, tmp_path, clock)
    assert price_of(second) == 7
    settle(second)
    assert len(site.asked) == 1


def test_after_a_day_it_asks_with_the_etag_and_keeps_the_copy(
    site: Site, tmp_path: Path, clock: Clock
) -> None:
    first = make(site, tmp_path, clock)
    assert first.refresh()
    clock.now += live.FRESH_SECONDS - 1
    assert price_of(first) == 7
    settle(first)
    assert len(site.asked) == 1
    clock.now += 2
    assert price_of(first) == 7
    settle(first)
    assert [a.get("if-none-match") for a in site.asked] == [None, '"one"']
    assert DiskCache(tmp_path).checked_at(site.url) == clock.now
    assert price_of(make(site, tmp_path, clock)) == 7
    assert len(site.asked) == 2


def test_a_new_catalogue_replaces_the_old(site: Site, tmp_path: Path, clock: Clock) -> None:
    catalog = make(site, tmp_path, clock)
    assert catalog.refresh()
    site.body, site.etag = catalogue(8.5), '"two"'
    assert price_of(catalog) == 7
    assert catalog.refresh()
    assert str(price_of(catalog)) == "8.5"
    assert str(price_of(make(site, tmp_path, clock))) == "8.5"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b"", "HTTP 500"),
        (404, b"", "HTTP 404"),
        (304, b"", "HTTP 304"),
        (200, b"<html>not today</html>", "Expecting value"),
        (200, b"{}", "no provider"),
        (200, b"x" * 5000, "more than 4000 bytes"),
        (200, catalogue()[:-5], "delimiter"),
    ],
)
def test_a_bad_answer_changes_nothing(
    site: Site, tmp_path: Path, clock: Clock, status: int, body: bytes, error: str
) -> None:
    assert make(site, tmp_path, clock).refresh()
    before = DiskCache(tmp_path).path.read_bytes()
    site.status, site.body, site.etag = status, body, '"two"'
    catalog = Catalog(
        environ={"PROMPTURE_CATALOG_URL": site.url, "PROMPTURE_CACHE_DIR": str(tmp_path)},
        wall=clock,
        steady=clock,
        fetch=lambda url, etag: fetch(url, etag="" if status == 304 else etag, max_bytes=4000),
    )
    assert not catalog.refresh()
    assert error in catalog.status().error
    assert price_of(catalog) == 7
    assert DiskCache(tmp_path).path.read_bytes() == before


def test_one_try_in_five_minutes_after_a_failure(site: Site, tmp_path: Path, clock: Clock) -> None:
    site.status = 500
    catalog = make(site, tmp_path, clock)
    for _ in range(5):
        assert price_of(catalog) is None
        settle(catalog)
        clock.now += 59
    assert len(site.asked) == 1
    assert price_of(make(site, tmp_path, clock)) is None  # another process knows it too
    assert len(site.asked) == 1
    clock.now += 6
    site.status = 200
    price_of(catalog)
    settle(catalog)
    assert len(site.asked) == 2
    assert price_of(catalog) == 7
    assert not DiskCache(tmp_path).stamp.exists()


def test_a_slow_server_is_left_behind(site: Site) -> None:
    site.hold = threading.Event()
    with pytest.raises(FetchFailed, match="no answer within"):
        fetch(site.url, seconds=0.05)


def test_packed_bodies_are_bounded_after_unpacking(site: Site) -> None:
    site.packed = True
    assert fetch(site.url) == Answer(catalogue(), '"one"')
    site.body = b" " * 1_000_000
    with pytest.raises(FetchFailed, match="more than 10000 bytes"):
        fetch(site.url, max_bytes=10_000)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://127.0.0.1/x", "127.0.0.1/x", ""])
def test_only_http(url: str) -> None:
    with pytest.raises(FetchFailed, match="not an HTTP address"):
        fetch(url)


def test_nobody_listens() -> None:
    with pytest.raises(FetchFailed, match="URLError"):
        fetch("http://127.0.0.1:9/api.json")


@pytest.mark.parametrize(
    "environ",
    [
        {"PROMPTURE_OFFLINE": "1"},
        {"PROMPTURE_CATALOG": "offline"},
        {"PROMPTURE_CATALOG": "snapshot"},
        {"PROMPTURE_CATALOG": "ofline"},
    ],
)
def test_offline(site: Site, tmp_path: Path, clock: Clock, environ: dict[str, str]) -> None:
    assert make(site, tmp_path, clock).refresh()
    clock.now += 10 * live.FRESH_SECONDS
    where = {"PROMPTURE_CATALOG_URL": site.url, "PROMPTURE_CACHE_DIR": str(tmp_path)}
    catalog = Catalog(environ={**where, **environ}, wall=clock, steady=clock)
    expected = None if environ.get("PROMPTURE_CATALOG") == "snapshot" else 7
    assert price_of(catalog) == expected
    settle(catalog)
    assert not catalog.refresh()
    assert "offline" in catalog.status().error
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("word", "online", "problem"),
    [
        ("", True, ""),
        ("0", True, ""),
        (" No ", True, ""),
        ("off", True, ""),
        ("TRUE", False, ""),
        ("on", False, ""),
        ("maybe", False, "PROMPTURE_OFFLINE='maybe': expected 1 or 0; it counts as 1"),
    ],
)
def test_the_words_of_a_switch(word: str, online: bool, problem: str) -> None:
    found = live.CatalogSettings.read({"PROMPTURE_OFFLINE": word})
    assert (found.online, found.problem) == (online, problem)


def test_a_mode_that_nobody_knows_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(environ={"PROMPTURE_CATALOG": "snapshots"})
    for _ in range(2):
        catalog.find("openai", "gpt-5")
    assert [r.getMessage() for r in caplog.records] == [
        "PROMPTURE_CATALOG='snapshots': expected live, offline or snapshot; the network is not used"
    ]


def test_live_is_a_mode(tmp_path: Path) -> None:
    assert live.CatalogSettings.read({"PROMPTURE_CATALOG": "Live"}).online


def test_a_folder_that_cannot_be_written_costs_only_the_copy(
    site: Site, tmp_path: Path, clock: Clock
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    catalog = make(site, blocked / "sub", clock)
    assert catalog.refresh()
    assert price_of(catalog) == 7
    assert "could not be kept" in catalog.status().error


def test_a_broken_copy_is_passed_over(site: Site, tmp_path: Path, clock: Clock) -> None:
    cache = DiskCache(tmp_path)
    for content in (b"", b"{", b"[]\n{}", b'{"url": "u", "etag": "", "bytes": 3}\nab'):
        tmp_path.mkdir(exist_ok=True)
        cache.path.write_bytes(content)
        assert cache.read("u") is None
    cache.write(Copy(b"[1]", "", site.url, clock.now))
    site.status = 500
    assert price_of(make(site, tmp_path, clock)) is None


def test_a_copy_of_another_address_is_not_used(site: Site, tmp_path: Path, clock: Clock) -> None:
    DiskCache(tmp_path).write(Copy(catalogue(), "", "http://127.0.0.1:1/other", clock.now))
    site.status = 500
    assert price_of(make(site, tmp_path, clock)) is None


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path)
    cache.write(Copy(b"old", "a", "u", 5.0))

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        cache.write(Copy(b"new", "b", "u", 6.0))
    assert cache.read("u") == Copy(b"old", "a", "u", 5.0)
    assert [p.name for p in tmp_path.iterdir()] == [cache.path.name]


def test_threads_share_one_refresh(site: Site, tmp_path: Path, clock: Clock) -> None:
    site.hold = threading.Event()
    catalog = make(site, tmp_path, clock)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(catalog.find("openai/gpt-5-mini")))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.hold.set()
    settle(catalog)
    assert len(found) == 16
    assert None not in found
    assert len(site.asked) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_locks_are_held(tmp_path: Path) -> None:
    """In its own process: forking this one, with its threads, would test pytest."""
    import subprocess
    import sys

    script = (
        "import os, sys\n"
        "from prompture import catalog\n"
        "catalog._catalog._lock.acquire()\n"
        "catalog._catalog._refreshing.acquire()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0 if catalog.find('openai/gpt-5-mini') else 3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    environ = {**os.environ, "PROMPTURE_OFFLINE": "1", "PROMPTURE_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, timeout=60, check=False)
    assert done.returncode == 0
