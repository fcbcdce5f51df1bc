"""The faults, each a function of an exchange. The arguments come from the model's name, as text.

``WHOLE``, ``STREAM`` and ``ENDLESS`` list models for the proofs, drawn at random there.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from email.utils import formatdate
from functools import cache
from typing import TYPE_CHECKING

from chaos import dialects
from chaos.dialects import Event, dumps

if TYPE_CHECKING:
    from chaos.server import Exchange, Fault

FAULTS: dict[str, Fault] = {}
SHORT = 0.02
"""Seconds that a provider asks to wait."""


def fault(function: Fault) -> Fault:
    FAULTS[function.__name__.replace("_", "-").strip("-")] = function  # type: ignore[attr-defined]
    return function


@fault
async def ok(x: Exchange) -> None:
    await x.ok()


@fault
async def slow(x: Exchange, milliseconds: str = "100") -> None:
    answer = x.answer()
    await asyncio.sleep(int(milliseconds) / 1000)
    await x.ok(tokens=answer.tokens)


@fault
async def tail(x: Exchange, percent: str, milliseconds: str, factor: str) -> None:
    """So many answers of a hundred take ``factor`` times as long. A client that leaves is billed
    all the same."""
    x.bill()
    is_slow = x.connection.state.draws.random() * 100 < float(percent)
    seconds = int(milliseconds) / 1000 * (float(factor) if is_slow else 1)
    await asyncio.sleep(seconds)
    await x.ok()


@fault
async def knee(x: Exchange, places: str, milliseconds: str, queue: str) -> None:
    """As many at once as there are places; some more wait in a queue, the rest is refused."""
    state, model = x.connection.state, x.entry.model
    if state.busy[model] > int(places) + int(queue):
        await _refuse(x, 429)
        return
    gate = _gates.setdefault(model, asyncio.Semaphore(int(places)))
    async with gate:
        await asyncio.sleep(int(milliseconds) / 1000)
    await x.ok()


_gates: dict[str, asyncio.Semaphore] = {}


# Errors as they should be.


async def _refuse(x: Exchange, status: int, *, more: str = "", message: str = "no") -> None:
    body = dialects.error(x.dialect, status, message, dialects.code_of(x.dialect, status))
    await x.reply(dumps(body), status, more=more)


@fault
async def status(x: Exchange, code: str, after: str = "") -> None:
    """An error by its status; ``after`` is the form of its Retry-After."""
    if code in ("408", "504"):  # who gave up was a gateway: the model went on
        x.bill()
    forms = {
        "": "",
        "zero": "retry-after: 0\r\n",
        "decimal": f"retry-after: {SHORT}\r\n",
        "ms": f"retry-after-ms: {SHORT * 1000:.0f}\r\n",
        "date": f"retry-after: {formatdate(time.time(), usegmt=True)}\r\n",
        "past": "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n",
        "words": "retry-after: soon\r\n",
        "negative": "retry-after: -5\r\n",
        "hours": "retry-after: 7200\r\n",
        "nan": "retry-after: nan\r\n",
        "reset": "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 20ms\r\n",
        "no": "x-should-retry: false\r\n",
        "yes": "x-should-retry: true\r\n",
    }
    if after == "info":
        await _retry_info(x, int(code))
        return
    await _refuse(x, int(code), more=forms[after])


async def _retry_info(x: Exchange, code: int) -> None:
    """Google's way to ask for a wait."""
    body = dialects.error(x.dialect, code, "slowly", dialects.code_of(x.dialect, code))
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    body["error"]["details"] = [{"@type": kind, "retryDelay": f"{SHORT}s"}]
    await x.reply(dumps(body), code)


@fault
async def quota(x: Exchange) -> None:
    """Nothing left: a wait does not help."""
    if x.dialect == "openai":
        body = dialects.error("openai", 429, "you exceeded your quota", "insufficient_quota")
        await x.reply(dumps(body), 429)
    else:
        await _refuse(x, 402, message="your credit is used up")


@fault
async def unknown_model(x: Exchange) -> None:
    await _refuse(x, 404, message=f"no model {x.entry.model}")


@fault
async def redirect(x: Exchange) -> None:
    await x.reply(b"", 302, more="location: http://127.0.0.1:9/elsewhere\r\n")


# Answers that are none.

_PAGE = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@fault
async def html(x: Exchange, code: str = "200") -> None:
    if code == "200":  # a page in the place of an answer: who knows what was billed
        x.bill()
    await x.reply(_PAGE, int(code), kind="text/html")


@fault
async def empty(x: Exchange) -> None:
    x.bill()
    await x.reply(b"")


@fault
async def no_content(x: Exchange) -> None:
    x.bill()
    x.entry.status = 204
    await x.raw(b"HTTP/1.1 204 No Content\r\n\r\n")


@fault
async def words(x: Exchange) -> None:
    x.bill()
    await x.reply(b"The service is being looked after.", kind="text/plain")


@fault
async def error_in_200(x: Exchange, usage: str = "") -> None:
    """``usage``: the error states what was used."""
    body = dialects.error(x.dialect, 500, "it broke", dialects.code_of(x.dialect, 500))
    x.bill()
    if usage:
        name = "usageMetadata" if x.dialect == "google" else "usage"
        body[name] = dialects.usage(x.dialect, x.tokens)
        body["model"] = dialects.ANSWERS_AS[x.dialect]
        body["modelVersion"] = dialects.ANSWERS_AS[x.dialect]
    await x.reply(dumps(body))


@fault
async def odd_json(x: Exchange, what: str) -> None:
    """JSON that is no answer."""
    x.bill()
    bodies = {
        "null": b"null",
        "list": b"[]",
        "text": b'"ok"',
        "nothing": b"{}",
        "deep": b"[" * 100_000,
        "number": b"1" * 100_000,
        "nan": b'{"choices": NaN, "content": Infinity, "candidates": -Infinity}',
        "types": b'{"choices": 5, "content": 7, "candidates": "x", "usage": [], "error": null}',
    }
    await x.reply(bodies[what])


@fault
async def no_usage(x: Exchange) -> None:
    await x.ok(has_usage=False)


@fault
async def length(x: Exchange) -> None:
    """The model was cut off by its limit of tokens."""
    text = x.answer().text
    await x.ok(text=text[: len(text) // 2], tool=None, stop="length")


# Bodies.


def _whole(x: Exchange) -> bytes:
    return dumps(dialects.whole(x.dialect, x.answer()))


@fault
async def cut_body(x: Exchange, percent: str = "50") -> None:
    """A body that ends before its stated length."""
    body = _whole(x)
    await x.head(length=len(body))
    await x.raw(body[: len(body) * int(percent) // 100])
    x.drop()


@fault
async def cut_chunk(x: Exchange, percent: str = "50") -> None:
    """A chunked body without its last chunk."""
    body = _whole(x)
    await x.head()
    await x.piece(body[: len(body) * int(percent) // 100])
    x.drop()


@fault
async def bad_chunk(x: Exchange) -> None:
    body = _whole(x)
    await x.head()
    await x.raw(b"zz\r\n" + body + b"\r\n0\r\n\r\n")
    x.drop()


@fault
async def short_length(x: Exchange) -> None:
    """A stated length that is less than what comes: the rest lies on the connection."""
    body = _whole(x)
    await x.head(length=len(body) // 2)
    await x.raw(body)


@fault
async def long_length(x: Exchange) -> None:
    body = _whole(x)
    await x.head(length=len(body) * 2)
    await x.raw(body)
    await x.until_left(1.0)


@fault
async def odd_length(x: Exchange, what: str = "abc") -> None:
    body = _whole(x)
    x.entry.status = 200
    await x.raw(f"HTTP/1.1 200 OK\r\ncontent-length: {what}\r\n\r\n".encode() + body)
    x.drop()


@fault
async def no_length(x: Exchange) -> None:
    """A right answer that ends with its connection."""
    body = _whole(x)
    x.entry.status = 200
    await x.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + body)
    x.drop()


@fault
async def invalid_utf8(x: Exchange) -> None:
    body = _whole(x)
    at = body.rindex(b"case-") if b"case-" in body else len(body) // 2
    await x.reply(body[:at] + b"\xff\xfe\xc3" + body[at:])


@fault
async def bytewise(x: Exchange) -> None:
    """A right answer, a byte in each chunk."""
    body = _whole(x)
    await x.head()
    for at in range(len(body)):
        await x.piece(body[at : at + 1])
    await x.end()


@fault
async def zipped(x: Exchange) -> None:
    """A right answer, compressed."""
    packer = zlib.compressobj(wbits=31)
    body = packer.compress(_whole(x)) + packer.flush()
    await x.reply(body, more="content-encoding: gzip\r\n")


@fault
async def bad_zip(x: Exchange) -> None:
    await x.reply(_whole(x), more="content-encoding: gzip\r\n")


@cache
def _bomb() -> tuple[bytes, bytes]:
    """The head of a gzip stream, and a part of it that may be repeated: 1 MB of blanks in 1 KB."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b'{"x": "') + packer.flush(zlib.Z_FULL_FLUSH)
    return head, packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)


@fault
async def bomb(x: Exchange) -> None:
    """A few kilobytes that are a gigabyte."""
    x.bill()
    kind = "text/event-stream" if x.streamed else "application/json"
    await x.head(kind=kind, more="content-encoding: gzip\r\n")
    head, part = _bomb()
    await x.piece(head)
    for _ in range(1024):
        await x.piece(part)
    await x.end()


# Connections.


@fault
async def closed(x: Exchange) -> None:
    """The request is read, and the connection closed without a word."""
    x.bill()
    x.drop()


@fault
async def reset(x: Exchange) -> None:
    x.bill()
    x.reset()


@fault
async def half_head(x: Exchange) -> None:
    x.bill()
    await x.raw(b"HTTP/1.1 200 OK\r\ncontent-ty")
    x.drop()


@fault
async def no_http(x: Exchange) -> None:
    x.bill()
    await x.raw(b"SSH-2.0-OpenSSH_9.6\r\n")
    x.drop()


@fault
async def stale(x: Exchange) -> None:
    """A right answer that promises to keep the connection, and closes it."""
    await x.ok()
    x.drop()


@fault
async def stale_later(x: Exchange) -> None:
    """A right answer; the connection is closed when the next request comes, which is not read."""
    x.connection.is_doomed = True
    await x.ok()


@fault
async def trailing(x: Exchange) -> None:
    """A right answer, and bytes behind it that nobody asked for."""
    await x.ok()
    await x.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nboo")


@fault
async def hints(x: Exchange) -> None:
    """Answers before the answer."""
    await x.raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    await x.ok()


@fault
async def big_head(x: Exchange) -> None:
    x.bill()
    await x.raw(b"HTTP/1.1 200 OK\r\n" + b"x-more: " + b"y" * 2_000_000 + b"\r\n\r\n")
    x.drop()


# What does not end. ``Exchange.forever`` bounds it.


@fault
async def silent(x: Exchange) -> None:
    x.bill()
    await x.until_left()


@fault
async def silent_after_head(x: Exchange) -> None:
    x.bill()
    await (x.stream_head() if x.streamed else x.head(length=500))
    await x.until_left()


@fault
async def silent_in_body(x: Exchange) -> None:
    await _first_part(x)
    await x.until_left()


async def _first_part(x: Exchange) -> None:
    answer = x.answer()
    if x.streamed:
        await x.stream_head()
        events = dialects.events(x.dialect, answer)
        await x.events(events[: len(events) // 2])
    else:
        body = dumps(dialects.whole(x.dialect, answer))
        await x.head(length=len(body))
        await x.raw(body[: len(body) // 2])


@fault
async def drip(x: Exchange, milliseconds: str = "20") -> None:
    """Blanks or comments, one after the other, for ever."""
    x.bill()
    await (x.stream_head() if x.streamed else x.head())
    blank = b": wait\n\n" if x.streamed else b" "
    await x.forever(lambda: x.piece(blank), int(milliseconds) / 1000)


@fault
async def drip_head(x: Exchange, milliseconds: str = "20") -> None:
    """A header that has no end."""
    x.bill()
    await x.raw(b"HTTP/1.1 200 OK\r\nx-more: ")
    await x.forever(lambda: x.raw(b"y"), int(milliseconds) / 1000)


@fault
async def drip_headers(x: Exchange, milliseconds: str = "100") -> None:
    x.bill()
    await x.raw(b"HTTP/1.1 200 OK\r\n")
    await x.forever(lambda: x.raw(b"x-more: y\r\n"), int(milliseconds) / 1000)


@fault
async def drip_hints(x: Exchange, milliseconds: str = "20") -> None:
    """ "Continue", for ever."""
    x.bill()
    await x.forever(lambda: x.raw(b"HTTP/1.1 100 Continue\r\n\r\n"), int(milliseconds) / 1000)


@fault
async def drip_pings(x: Exchange, milliseconds: str = "20") -> None:
    """A stream of events that say nothing."""
    x.bill()
    await x.stream_head()
    ping = dialects.PINGS[x.dialect]
    await x.forever(lambda: x.piece(ping), int(milliseconds) / 1000)


@fault
async def drip_answer(x: Exchange, milliseconds: str = "100") -> None:
    """A right answer, a byte at a time: it would take minutes."""
    answer = x.answer()
    await (x.stream_head() if x.streamed else x.head())
    data = dumps(dialects.whole(x.dialect, answer))
    if x.streamed:
        data = b"".join(e.data for e in dialects.events(x.dialect, answer))
    for at in range(len(data)):
        await x.piece(data[at : at + 1])
        await asyncio.sleep(int(milliseconds) / 1000)
    await x.end()


@fault
async def endless(x: Exchange, milliseconds: str = "2") -> None:
    """A model that does not stop writing, or a body of blanks."""
    if not x.streamed:
        x.bill()
        await x.head()
        await x.forever(lambda: x.piece(b" " * 1000), int(milliseconds) / 1000)
    events = dialects.events(x.dialect, x.answer(tool=None))
    await x.stream_head()
    await x.events([e for e in events if e.kind == "start"])
    more = dialects.events(x.dialect, x.answer(text="and so on ", tool=None))
    content = next(e for e in more if e.kind == "content" or x.dialect == "google")
    if x.dialect == "google":  # without the reason to stop
        found = json.loads(content.data.removeprefix(b"data: "))
        found["candidates"][0].pop("finishReason", None)
        content = Event("content", dialects.sse(found, end="\r\n"))
    await x.forever(lambda: x.event(content), int(milliseconds) / 1000)


# Streams. ``at`` counts events; past the end it is the last one.


def _cut(x: Exchange, at: str) -> tuple[list[Event], Event]:
    """The events before a place, and the one that stands there."""
    events = dialects.events(x.dialect, x.answer())
    place = min(int(at), len(events) - 1)
    return events[:place], events[place]


@fault
async def eof(x: Exchange, at: str) -> None:
    """The body ends as it should, before the stream's last event."""
    before, _ = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    await x.end()


@fault
async def drop(x: Exchange, at: str) -> None:
    before, _ = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    x.drop()


@fault
async def reset_at(x: Exchange, at: str) -> None:
    before, _ = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    await asyncio.sleep(0.01)  # a reset throws away what the client has not read
    x.reset()


@fault
async def half_event(x: Exchange, at: str) -> None:
    """An event is cut in its middle, and the body ends."""
    before, event = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    await x.piece(event.data[: len(event.data) // 2])
    await x.end()


@fault
async def error_at(x: Exchange, at: str, code: str = "500") -> None:
    before, _ = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    await x.piece(dialects.error_event(x.dialect, int(code)))
    await x.end()


@fault
async def garbage_at(x: Exchange, at: str) -> None:
    """Data that is no JSON."""
    before, event = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    await x.piece(b"data: {nonsense}\n\n")
    await x.event(event)
    await x.end()


@fault
async def html_at(x: Exchange, at: str) -> None:
    """A gateway's page takes the place of the rest."""
    before, _ = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    await x.piece(_PAGE)
    await x.end()


@fault
async def utf8_at(x: Exchange, at: str) -> None:
    """Bytes within an event that are no text."""
    before, event = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    middle = len(event.data) // 2
    await x.piece(event.data[:middle] + b"\xff\xc3\x28" + event.data[middle:])
    rest = dialects.events(x.dialect, x.answer())[len(before) + 1 :]
    await x.events(rest)
    await x.end()


@fault
async def silent_at(x: Exchange, at: str) -> None:
    before, _ = _cut(x, at)
    await x.stream_head()
    await x.events(before)
    await x.until_left()


@fault
async def json_stream(x: Exchange) -> None:
    """A whole answer where a stream was asked for."""
    await x.reply(_whole(x))


@fault
async def length_at(x: Exchange, at: str) -> None:
    """The model's limit ends it, as it should: half an answer with a clean end."""
    text = x.answer().text
    part = text[: len(text) * min(int(at), 8) // 9]
    await x.ok(text=part, tool=None, stop="length")


@fault
async def no_events(x: Exchange) -> None:
    x.bill()
    await x.stream_head()
    await x.end()


@fault
async def pings_only(x: Exchange) -> None:
    x.bill()
    await x.stream_head()
    for _ in range(3):
        await x.piece(dialects.PINGS[x.dialect])
    await x.end()


@fault
async def huge_event(x: Exchange) -> None:
    """One event without an end, until the client has enough."""
    x.bill()
    await x.stream_head()
    await x.piece(b'data: {"x": "')
    await x.forever(lambda: x.piece(b"y" * 65536), 0)


# Streams that are whole.


@fault
async def unknown_events(x: Exchange) -> None:
    """Events that nobody knows yet, between all others."""
    await x.stream_head()
    for event in dialects.events(x.dialect, x.answer()):
        if event.kind != "start":
            await x.piece(dialects.UNKNOWN[x.dialect])
        await x.event(event)
    await x.end()


@fault
async def duplicated(x: Exchange) -> None:
    """Every event that has no content comes twice."""
    await x.stream_head()
    for event in dialects.events(x.dialect, x.answer()):
        await x.event(event)
        if event.kind != "content" and not (x.dialect == "google" and event.kind == "end"):
            await x.piece(event.data)
    await x.end()


@fault
async def commented(x: Exchange) -> None:
    """Comments, and frames with nothing in them."""
    await x.stream_head()
    for event in dialects.events(x.dialect, x.answer()):
        await x.piece(b": wait\n\n")
        await x.event(event)
    await x.end()


@fault
async def split_bytes(x: Exchange) -> None:
    await x.stream_head()
    whole = b"".join(e.data for e in dialects.events(x.dialect, x.answer()))
    for at in range(0, len(whole), 3):
        await x.piece(whole[at : at + 3])
    await x.end()


RIGHT = ("ok", "slow.20", "zipped", "bytewise", "no-length", "stale", "stale-later", "hints",
         "no-usage", "trailing")  # fmt: skip
"""Answers that are right, however they come."""
RIGHT_STREAMS = ("unknown-events", "duplicated", "commented", "split-bytes")
STATUSES = (
    *(f"status.429{form}" for form in ("", ".zero", ".decimal", ".ms", ".date", ".past", ".words",
      ".negative", ".hours", ".nan", ".reset", ".info", ".no")),
    *(f"status.{code}" for code in (400, 401, 403, 404, 408, 409, 413, 422, 500, 502, 503, 504, 529)),
    "status.500.no", "status.409.yes", "status.503.decimal", "status.529.zero",
    "quota", "redirect", "html.502", "html.200",
)  # fmt: skip
BODIES = (
    "empty", "no-content", "words", "error-in-200", "error-in-200.usage", "length",
    *(f"odd-json.{what}" for what in ("null", "list", "text", "nothing", "deep", "number", "nan", "types")),
    "cut-body.0", "cut-body.50", "cut-body.99", "cut-chunk.0", "cut-chunk.50", "cut-chunk.100",
    "bad-chunk", "short-length", "long-length", "odd-length.abc", "odd-length.-5", "invalid-utf8",
    "bad-zip", "closed", "reset", "half-head", "no-http", "big-head",
)  # fmt: skip
ENDLESS = ("silent", "silent-after-head", "silent-in-body", "drip", "drip-head", "drip-headers",
           "drip-hints", "drip-answer", "endless")  # fmt: skip
ENDLESS_STREAMS = ("silent-at.5", "drip-pings")
STREAMS = (
    "eof", "drop", "reset-at", "half-event", "error-at", "garbage-at", "html-at", "utf8-at",
    "length-at",
)  # fmt: skip
"""Each at any event: ``eof.3``."""
OTHER_STREAMS = ("json-stream", "no-events", "pings-only", "empty", "html.200", "error-in-200",
                 "closed", "half-head")  # fmt: skip
HEAVY = ("bomb", "huge-event")
"""Each costs the client up to its limit of 64 MB."""
