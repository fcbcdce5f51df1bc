"""Keys out of text that others wrote: servers repeat them in their complaints, whole, masked,
encoded, or cut off.

Scrub before cutting: of a key that a cut goes through, most stays. ``excerpt`` does both.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
LEAST_PIECE = 12
"""Characters in a row of a key that are taken for a piece of it: shorter ones stand in words."""
_MARGIN = 8192
"""Characters behind a cut that are looked at too: a key may begin before it."""
_ELISION = re.compile(r"[*•·●∙#]{2,}|\.{2,}|…|[xX]{3,}")
"""What servers write in the place of a key's middle."""
_LOWER = str.maketrans({chr(65 + n): chr(97 + n) for n in range(26)})
_NAMED = re.compile(r"key|token|secret|passw|auth|credential|cookie|signature|sig$", re.IGNORECASE)
_SCHEME = re.compile(r"(?:bearer|basic|key|token|apikey|api-key)", re.IGNORECASE)


class Secrets(tuple[str, ...]):
    """Keys, whose repr is their number: they are locals of frames that viewers of tracebacks
    show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Secrets({len(self)})"


def shown_place(where: object) -> str:
    """A path, or the URL of a database, for a message: without user, password and query, any of which
    may be a secret."""
    text = str(where)
    scheme, mark, rest = text.partition("://")
    if not mark:
        return text
    # A password may hold what would end it, a query an @: which of the two it is, nobody knows.
    place, _, query = rest.partition("?")
    return f"{scheme}://..." if "@" in query else f"{scheme}://{place.rpartition('@')[2]}"


def shown(url: str) -> str:
    """A URL as it may be shown: without user, password and query, any of which may be a key."""
    scheme, mark, rest = url.partition("?")[0].partition("://")
    if not mark:
        return scheme
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def host_of(url: str) -> str:
    """Host and port of a URL."""
    return shown(url).partition("://")[2].partition("/")[0] or shown(url)


def is_plain(url: str) -> bool:
    """Whether a URL may stand in a traceback as it is."""
    return shown(url) == url


def is_secret_name(name: str) -> bool:
    """Whether a header, an option or a query's parameter of this name holds a key."""
    return bool(_NAMED.search(name))


def words_of(value: str) -> Iterator[str]:
    """The keys in a header's value: what follows its scheme, and a Basic login's password."""
    for word in value.split():
        if _SCHEME.fullmatch(word):
            continue
        yield word
    scheme, _, login = value.partition(" ")
    if scheme.lower() == "basic":
        try:
            yield base64.b64decode(login, validate=True).decode().partition(":")[2]
        except ValueError:
            return


def keys_of_url(url: str) -> Iterator[str]:
    """The password of a URL, and the parameters of its query that hold keys."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
    for name, value in parse_qsl(parts.query):
        if is_secret_name(name):
            yield value


def scrub(text: str, keys: Iterable[str]) -> str:
    """The text with ``***`` for each of the keys, for what a server writes for one (encoded,
    or with its middle left out), and for pieces of it."""
    if not text:
        return text
    # Longest first: a key may hold a shorter one.
    for key in sorted(filter(None, map(str.strip, keys)), key=len, reverse=True):
        for form in dict.fromkeys(_forms(key)):
            text = _without(text, form)
        text = _unmasked(text, key)
    return text


def excerpt(text: str, keys: Iterable[str], limit: int) -> str:
    """The first ``limit`` characters, scrubbed before they are cut."""
    return scrub(text[: limit + _MARGIN], keys)[:limit]


def scrub_value(value: Any, keys: Iterable[str]) -> Any:
    """The same for JSON: its texts and the names in it."""
    known = tuple(keys)
    if isinstance(value, str):
        return scrub(value, known)
    if isinstance(value, Mapping):
        return {scrub(str(k), known): scrub_value(each, known) for k, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrub_value(each, known) for each in value]
    return value


def _forms(key: str) -> Iterator[str]:
    """A key as it stands, and as it may be written elsewhere."""
    yield key
    # Other spellings of so short a key would be found in any text.
    if len(key) < 4:
        return
    yield quote(key, safe="")
    yield quote(key)
    yield quote_plus(key)
    yield json.dumps(key)[1:-1]
    yield json.dumps(key, ensure_ascii=False)[1:-1].replace("/", "\\/")
    from html import escape  # it brings tables of entities, which few need

    yield escape(key)
    raw = key.encode("utf-8", "replace")
    yield raw.hex()
    # Base64 reads three bytes at a time, so that a key begins in one of three places.
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode()
        # The first and the last characters also hold bits of what stands beside the key.
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        if last - first >= LEAST_PIECE:
            yield whole[first:last]
            yield whole[first:last].replace("+", "-").replace("/", "_")


def _without(text: str, form: str) -> str:
    if len(form) < LEAST_PIECE:
        # A short key is only taken for one where it stands by itself: "test" is in "latest".
        edge = r"(?<![A-Za-z0-9]){}(?![A-Za-z0-9])"
        return re.sub(edge.format(re.escape(form)), MASK, text, flags=re.IGNORECASE)
    low, key = text.translate(_LOWER), form.translate(_LOWER)
    size = LEAST_PIECE
    pieces = {key[n : n + size] for n in range(len(key) - size + 1)}
    kept: list[str] = []
    at = done = 0
    while at + size <= len(low):
        if low[at : at + size] not in pieces:
            at += 1
            continue
        end = at + size
        while low[end - size + 1 : end + 1] in pieces and end < len(low):
            end += 1
        kept += [text[done:at], MASK]
        at = done = end
    return "".join([*kept, text[done:]]) if kept else text


def _unmasked(text: str, key: str) -> str:
    """The text without the ends of a key whose middle the server has masked."""
    if len(key) < 8:
        return text
    low = key.translate(_LOWER)
    kept: list[str] = []
    done = 0
    for found in _ELISION.finditer(text):
        if found.start() < done:
            continue
        start = found.start() - _common_end(text[done : found.start()], low)
        end = found.end() + _common_start(text[found.end() :], low)
        if end - start > found.end() - found.start():
            kept += [text[done:start], MASK]
            done = end
    return "".join([*kept, text[done:]]) if kept else text


def _common_end(text: str, key: str) -> int:
    """How many of the text's last characters are the key's first; at least 3, or none."""
    tail = text[-len(key) :].translate(_LOWER)
    return next((n for n in range(len(tail), 2, -1) if tail.endswith(key[:n])), 0)


def _common_start(text: str, key: str) -> int:
    """How many of the text's first characters are the key's last; at least 3, or none."""
    head = text[: len(key)].translate(_LOWER)
    return next((n for n in range(len(head), 2, -1) if head.startswith(key[-n:])), 0)


class _Queries(logging.Filter):
    """Takes the queries of our URLs, which may hold a key, out of urllib3's lines."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, None] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._without(arg) for arg in record.args)
        return True

    def _without(self, value: object) -> object:
        if isinstance(value, str):
            for query in list(self.known):
                value = value.replace(query, "?...")
        return value


_queries = _Queries()
for _name in ("connectionpool", "poolmanager", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_queries)


def keep_query_out_of_logs(url: str) -> None:
    """The query of a URL of ours may hold a key, and urllib3 logs URLs."""
    mark = url.find("?")
    if mark < 0 or (query := url[mark:]) in _queries.known or len(query) < 2:
        return
    if len(_queries.known) > 100:
        # A list at once, and no error where it is gone: other threads add and drop some meanwhile.
        oldest, *_ = list(_queries.known)
        _queries.known.pop(oldest, None)
    _queries.known[query] = None
