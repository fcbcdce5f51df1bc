"""tiktoken's vocabularies, only where they lie on disk already: never a silent download.

``tiktoken.get_encoding`` fetches what its cache lacks, without a time limit, and drops a cached
file whose hash is wrong to fetch it anew. So the file is looked at first, hash and all, and
tiktoken is asked only when it will find it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from prompture.forks import fork_lock

if TYPE_CHECKING:
    from tiktoken import Encoding

log = logging.getLogger("prompture.catalog")

_SITE = "https://openaipublic.blob.core.windows.net/encodings/"
FILES = {
    "o200k_base": (
        _SITE + "o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    "cl100k_base": (
        _SITE + "cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
}
"""Where tiktoken has each vocabulary from, and its SHA-256."""
DOWNLOAD_SECONDS = 20.0
MAX_BYTES = 8 * 1024 * 1024
_lock = fork_lock()


def encoding(name: str) -> Encoding | None:
    """The encoding if its vocabulary is on disk (in TIKTOKEN_CACHE_DIR or tiktoken's default).

    ``PROMPTURE_TIKTOKEN_DOWNLOAD=1`` allows one download a process, of at most 20 seconds.
    """
    folder = cache_folder()
    if folder is None or name not in FILES:
        return None
    with _lock:
        return _loaded(name, str(folder), _may_download())


def cache_folder() -> Path | None:
    """The folder in which tiktoken keeps its vocabularies, None where caching is switched off."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable]) if os.environ[variable] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


@cache
def _loaded(name: str, folder: str, download: bool) -> Encoding | None:
    try:
        import tiktoken
    except ImportError:
        return None
    url, digest = FILES[name]
    path = Path(folder) / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    if not _intact(path, digest) and not (download and _fetched(path, url, digest)):
        return None
    return tiktoken.get_encoding(name)


def _intact(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _fetched(path: Path, url: str, digest: str) -> bool:
    from prompture.catalog.live import FetchFailed, fetch

    try:
        body = fetch(url, seconds=DOWNLOAD_SECONDS, max_bytes=MAX_BYTES).body or b""
        if hashlib.sha256(body).hexdigest() != digest:
            raise FetchFailed("not the vocabulary that was expected")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        os.replace(part, path)
    except (FetchFailed, OSError) as error:
        log.warning("the vocabulary %s could not be downloaded, estimating: %s", path.name, error)
        return False
    return True


def _may_download() -> bool:
    allowed = os.environ.get("PROMPTURE_TIKTOKEN_DOWNLOAD", "").strip().lower()
    return allowed in ("1", "true", "yes")
