"""models.dev over the network, and the copy of it on disk.

Standard library only: one conditional GET a day does not deserve a client. The copy is one
file (a line of JSON about it, then the body), so that body and ETag are always of one piece;
its modification time says when it was last known to be current.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from prompture import given
from prompture.wire.loading import load_json

URL = "https://models.dev/api.json"
MAX_BYTES = 32 * 1024 * 1024
LIMIT_SECONDS = 2.0
FRESH_SECONDS = 24 * 3600.0
# After a failure. The time is on disk, too: many short programs must not each wait for a server
# that is down.
RETRY_SECONDS = 300.0
_CHUNK = 64 * 1024


class FetchFailed(Exception):
    """The catalogue could not be fetched; the message says why."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The catalogue as it lies on disk. ``checked_at`` is seconds since the epoch."""

    body: bytes
    etag: str
    url: str
    checked_at: float

    @property
    def as_of(self) -> str:
        """ISO date (UTC) on which it was last known to be current."""
        return datetime.fromtimestamp(self.checked_at, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer: a body, or None where our copy is still current (HTTP 304)."""

    body: bytes | None
    etag: str


@dataclass(frozen=True, slots=True)
class DiskCache:
    """The copy on disk, and beside it a file whose time is that of the last failure.

    No lock among processes: a copy is replaced in one step, and the last one wins.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """The copy's file."""
        return self.folder / "models-dev.json"

    @property
    def stamp(self) -> Path:
        """The file of the last failure; it is empty."""
        return self.folder / "models-dev.failed"

    def read(self, url: str) -> Copy | None:
        """The copy of this URL; None where there is none, or it cannot be read."""
        try:
            raw = self.path.read_bytes()
            checked_at = self.path.stat().st_mtime
            head, _, body = raw.partition(b"\n")
            about = load_json(head)
            # A file that was cut short is no copy.
            if about["url"] != url or about["bytes"] != len(body):
                return None
            return Copy(body, str(about["etag"]), url, checked_at)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def checked_at(self, url: str) -> float | None:
        """When the copy of this URL was last known to be current, None where there is none."""
        try:
            with self.path.open("rb") as file:
                # The head alone: the body is large, and this is asked in every process.
                about = load_json(file.readline(4096))
            return self.path.stat().st_mtime if about["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, copy: Copy) -> None:
        """Replace the copy in one step. Raises OSError."""
        import tempfile

        about = {"url": copy.url, "etag": copy.etag, "bytes": len(copy.body)}
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix="models-dev.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as part:
                part.write(json.dumps(about).encode() + b"\n" + copy.body)
            # Before the move: no process sees the copy with the time of its writing.
            os.utime(name, (copy.checked_at, copy.checked_at))
            os.replace(name, self.path)
        except BaseException:  # no half-written file is left behind
            os.unlink(name)
            raise
        self.stamp.unlink(missing_ok=True)

    def still_current(self, now: float) -> None:
        """Note that the server confirmed the copy. Raises OSError."""
        os.utime(self.path, (now, now))
        self.stamp.unlink(missing_ok=True)

    def failed(self, now: float) -> None:
        """Note a failure, for this process and the others. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stamp.touch()
        os.utime(self.stamp, (now, now))

    def last_failure(self) -> float | None:
        """Seconds since the epoch, None where there was none since the last success."""
        try:
            return self.stamp.stat().st_mtime
        except OSError:
            return None


def fetch(
    url: str,
    *,
    etag: str = "",
    seconds: float = LIMIT_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> Answer:
    """One conditional GET, over in ``seconds`` whatever the server does. Raises FetchFailed.

    A socket's own timeout is for each read, so a server that sends a byte now and then could take
    for ever. The work is therefore done in a daemon thread, which is left behind when the time is
    up.
    """
    if not url.startswith(("https://", "http://")):
        raise FetchFailed(f"not an HTTP address: {url!r}")
    done = Event()
    outcome: list[Answer | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_get(url, etag=etag, seconds=seconds, max_bytes=max_bytes))
        except BaseException as error:  # raised again by the thread that waits
            outcome.append(error)
        finally:
            done.set()

    Thread(target=work, name="prompture-catalog-get", daemon=True).start()
    late = FetchFailed(f"no answer within {seconds:g} s")
    if not done.wait(seconds):
        raise late
    # The socket's own limit may come first, at the same moment.
    if isinstance(outcome[0], TimeoutError):
        raise late from outcome[0]
    if isinstance(outcome[0], BaseException):
        raise FetchFailed(_words(outcome[0])) from outcome[0]
    return outcome[0]


def _get(url: str, *, etag: str, seconds: float, max_bytes: int) -> Answer:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "prompture"}
    if etag:
        headers["If-None-Match"] = etag
    deadline = time.monotonic() + seconds
    try:
        asked = Request(url, headers=headers)  # noqa: S310  (fetch lets only HTTP through)
        with urlopen(asked, timeout=seconds) as response:  # noqa: S310
            if response.status != 200:
                raise FetchFailed(f"HTTP {response.status}")
            packed = response.headers.get("Content-Encoding", "") == "gzip"
            late = lambda: time.monotonic() > deadline  # noqa: E731
            body = _read(response.read1, packed=packed, late=late, max_bytes=max_bytes)
            return Answer(body, response.headers.get("ETag", ""))
    except HTTPError as error:
        # An HTTPError is a response as well, with an open connection.
        with error:
            if error.code == 304 and etag:
                return Answer(None, etag)
            raise FetchFailed(f"HTTP {error.code}") from None


def _read(
    read: Callable[[int], bytes], *, packed: bool, late: Callable[[], bool], max_bytes: int
) -> bytes:
    """The body, unpacked, refusing more than ``max_bytes`` of it."""
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if packed else None
    chunks: list[bytes] = []
    size = 0
    while chunk := read(_CHUNK):
        if inflate is not None:
            # One byte more than is allowed shows that there is too much; no further one is
            # unpacked.
            chunk = inflate.decompress(chunk, max_bytes - size + 1)
        size += len(chunk)
        chunks.append(chunk)
        if size > max_bytes:
            raise FetchFailed(f"more than {max_bytes} bytes")
        if late():
            raise FetchFailed("too slow")
    if inflate is not None and not inflate.eof:
        raise FetchFailed("the answer was cut off")
    return b"".join(chunks)


def _words(error: BaseException) -> str:
    if isinstance(error, FetchFailed):
        return str(error)
    return f"{type(error).__name__}: {error}"


MODES = ("", "live", "offline", "snapshot")
_EXPECTED = "expected live, offline or snapshot; the network is not used"


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """What the environment sets: whether to use the network, from where, and where to cache.

    ``PROMPTURE_OFFLINE=1`` or ``PROMPTURE_CATALOG=offline`` keep off the network (what lies in
    the cache is still used); ``PROMPTURE_CATALOG=snapshot`` also leaves the cache alone, which
    makes prices reproducible; ``live`` is the default. Another word of either counts as offline: who
    sets it wants to keep something off. ``PROMPTURE_CATALOG_URL`` and ``PROMPTURE_CACHE_DIR`` replace
    the address and the folder.
    """

    online: bool
    cached: bool
    url: str
    folder: Path
    problem: str = ""
    """What is wrong with the environment."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> CatalogSettings:
        """CatalogSettings of an environment."""
        mode = environ.get("PROMPTURE_CATALOG", "").strip().lower()
        # Who writes something there wants to keep off the network.
        word = environ.get("PROMPTURE_OFFLINE", "")
        offline, problem = given.switch(word, "PROMPTURE_OFFLINE", otherwise=True)
        if mode not in MODES:
            problem = f"PROMPTURE_CATALOG={mode!r:.50}: {_EXPECTED}"
        return cls(
            online=not offline and mode in ("", "live"),
            cached=mode != "snapshot",
            url=environ.get("PROMPTURE_CATALOG_URL", "") or URL,
            folder=_folder(environ),
            problem=problem,
        )


def _folder(environ: Mapping[str, str]) -> Path:
    chosen = environ.get("PROMPTURE_CACHE_DIR", "")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("prompture", appauthor=False)
