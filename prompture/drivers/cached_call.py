"""A call that asks a cache first: what stands around ``Call`` where there is one.

It makes the lookup before the meters are asked, so that an answer that is there takes nothing of a
budget and no place of a limit.
"""

from __future__ import annotations

import functools
import json
import logging
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields, replace
from typing import Any, cast

from prompture.codecs.base import StreamDecoder
from prompture.codecs.values import tool_call
from prompture.drivers import hooks as hooking
from prompture.drivers import meter
from prompture.drivers.bounded import pieces_of
from prompture.drivers.cache_stores import CallCache, KeptLater, Lease, StoredAnswer, is_whole
from prompture.drivers.call import Call
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import charge_of
from prompture.drivers.inprocess import EngineCall
from prompture.errors import PromptureError
from prompture.money import COUNTS, ZERO, Cost, Usage, format_usd
from prompture.observe import log, note
from prompture.types import Completion, Delta, Request
from prompture.wire.deadline import is_over
from prompture.wire.http import Exchange, HTTPResponse, Sleep, Work
from prompture.wire.secrets import shown

_SECRET_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie")
_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.25
_WHOLE, _STREAM, _ENGINE = b"w", b"s", b"e"
"""What a kept value is made of: the body of an answer, that of a stream, or what an engine gave."""


@functools.cache
def cached(kind: type[Any]) -> type[Any]:
    """The class of calls that ask a cache first, made of ``kind``."""
    return cast("type[Any]", type(f"Cached{kind.__name__}", (CachedCall, kind), {}))


class CachedCall(Call):
    """A call that gives the answer of an equal one that was made before."""

    _found: Completion | None = None
    _lease: Lease | None = None
    _leader = ""
    """Who is asking for the same, while this call waits."""
    _is_settled = False
    """Whether the cache was asked, and has given an answer or leave to ask."""
    _is_unreadable = False
    """Whether what was kept could not be read, and was dropped."""
    _id = ""
    _body = b""
    _recorder: _RecordingDecoder | None = None

    def __init__(self, driver: BaseDriver, request: Request, *, stream: bool = False) -> None:
        found = driver.cache_for(request)
        assert found is not None  # or this would be no call of this class
        self.cache = cast(CallCache, found)
        super().__init__(driver, request, stream=stream)

    @property
    def blocks(self) -> bool:
        return self.cache.blocks or super().blocks

    def begin(self) -> None:
        """Look for the answer; where there is none, begin as calls do. ``wait`` is also the time
        until an answer that another is asking for is looked for again."""
        if not self._is_settled and not self._looked_up():
            return
        if self._found is None:
            super().begin()

    def _looked_up(self) -> bool:
        """Whether it is known what to do; False while somebody else is asking for the same."""
        if not self._id:
            self._id = self._digest()
        found = self.cache.lookup(self._id) if self._id else "nobody"
        if isinstance(found, StoredAnswer):
            self._found, self.wait = self._read(found.value), 0.0
            if self._found is None and not self._is_unreadable:
                self._is_unreadable = True  # once: a store may not be able to forget it
                return self._looked_up()
        elif isinstance(found, Lease):
            self._lease = found
        elif self._id and self._leader in ("", found) and not is_over():
            if not self._leader:
                self._note("cache_wait", "%(provider)s/%(model)s: waits for the same answer")
            self._leader = found
            self.wait = min(max(_FIRST_WAIT, self.wait * 1.5), _LONGEST_WAIT)
            return False
        # Else who asked has failed: each of those who waited asks for itself, not one by one.
        self._is_settled = True
        return True

    def _digest(self) -> str:
        """What an equal call has, too; "" for one that cannot be encoded, which ``begin`` reports."""
        request, endpoint = self.request, self.driver.endpoint
        parts: dict[str, Any] = {"provider": self.driver.provider.name}
        if isinstance(self, EngineCall):
            settings = getattr(self.driver, "_settings", {})
            return self.cache.key({**parts, "settings": settings}, _request_bytes(request))
        try:
            http = self.codec.encode(request, endpoint, stream=False)
        except (PromptureError, TypeError, ValueError, RecursionError):
            return ""
        secrets = endpoint.secrets()
        query = http.url.partition("?")[2].split("&")
        headers = {
            name: value
            for name, value in http.headers.items()
            if name not in _SECRET_HEADERS and not any(secret in value for secret in secrets)
        }
        parts |= {
            "dialect": self.codec.dialect,
            "url": shown(http.url),
            "query": [each for each in query if not any(secret in each for secret in secrets)],
            "headers": headers,
        }
        return self.cache.key({**parts, "model": request.model}, http.body)

    @property
    def in_flight(self) -> bool:
        return self._found is None and super().in_flight

    def exchange(self) -> Exchange[HTTPResponse]:
        """Wait for the one who asks, if there is one; the kept answer, or ask."""
        while self.wait and not self._is_settled:
            yield Sleep(self.wait)
            if self.cache.blocks or meter.blocks():
                yield Work(self.begin)
            else:
                self.begin()
        if self._found is None:
            return (yield from super().exchange())
        return HTTPResponse(200, {}, chunks=_one(), achunks=_aone())

    def decoder(self) -> StreamDecoder:
        self._recorder = _RecordingDecoder(self, super().decoder())
        return self._recorder

    def decoded(self, response: HTTPResponse) -> Completion:
        if self._found is not None:
            return self.finished(self._found, response)
        self._body = response.body
        return super().decoded(response)

    def kept(self) -> Completion | None:
        """The answer, where it is there already."""
        return self._found

    def _read(self, value: bytes) -> Completion | None:
        """Decode what was kept. What cannot be read is forgotten."""
        try:
            kind, body = value[:1], zlib.decompress(value[1:])
            if kind == _ENGINE:
                return _of_engine(json.loads(body))
            if kind == _STREAM:
                decoder = self.codec.stream_decoder(self.driver.endpoint)
                decoder.feed(body)
                return decoder.close()
            return self.codec.decode(HTTPResponse(200, {}, body), self.driver.endpoint)
        except (PromptureError, zlib.error, ValueError, KeyError, TypeError) as exc:
            log.warning("a kept answer cannot be read (%s); it is asked for", type(exc).__name__)
            self.cache.drop(self._id)
            return None

    def finished(self, completion: Completion, response: HTTPResponse | None) -> Completion:
        if self._found is not None:
            return self._hit(completion)
        done = super().finished(completion, response)
        self._offer(done, _ENGINE if response is None else _WHOLE)
        return done

    def _offer(self, done: Completion, kind: bytes) -> None:
        """Keep an answer, at once or when its reader has found it valid."""
        body = self._body
        if self._recorder is not None:
            kind, body = _STREAM, self._recorder.recorded()
        elif kind == _ENGINE:
            body = _engine_bytes(done)
        # Of the key that it was sent with, which may be the call's own.
        secrets = self.endpoint.secrets()
        # Rules know more of their answers than is kept, and are as fast.
        is_kept = self._id and done.spans is None and is_whole(done)
        if not is_kept or any(key.encode() in body for key in secrets):
            self._let_go()
            return
        lease, self._lease = self._lease, None
        storing = self._storing(done, kind + zlib.compress(body, 1), lease)
        if not self.cache.checks:
            storing.judged(valid=True)
            return
        if lease is not None:
            lease.answered()
        object.__setattr__(done, "storing", storing)

    def _storing(self, done: Completion, value: bytes, lease: Lease | None) -> KeptLater:
        cache, id = self.cache, self._id
        name = f"{self.driver.provider.name}/{done.model}"
        usd = done.cost.usd if done.cost else None

        def release() -> None:
            if lease is not None:
                lease.release()

        def keep() -> None:
            cache.put(id, value, model=name, usd=usd)
            release()

        return KeptLater(keep, release, blocks=cache.blocks)

    def _hit(self, completion: Completion) -> Completion:
        """The kept answer, which costs nothing; what it saved is on its price."""
        driver, asked = self.driver, self.request.model
        price = driver.price(completion.usage, answered=completion.model, asked=asked, at=self.at)
        why = "" if price.usd is not None else f"; what that saved is unknown: {price.reason}"
        cost = Cost(
            usd=ZERO,
            source="cache",
            reason=f"an answer of before, from the cache{why}",
            saving=price.usd,
        )
        cache, id = self.cache, self._id
        drop = functools.partial(cache.drop, id)
        found: dict[str, Any] = {
            "usage": Usage(reported=True),
            "cost": cost,
            "model": completion.model or asked,
            "request_id": None,
            "seconds": time.perf_counter() - self.started,
            "storing": KeptLater(lambda: None, drop, blocks=cache.blocks) if cache.checks else None,
        }
        completion = replace(completion, **found)
        self._answer = completion
        usd = "what it saved is unknown" if price.usd is None else f"${format_usd(price.usd)}"
        self._note("cache_hit", "%(provider)s/%(model)s: answered by the cache, saved %(usd)s", usd)
        meter.note_hit(charge_of(completion, driver.provider.name))
        return hooking.after(driver._hooks, self.request, completion)

    def _note(self, event: Any, text: str, usd: str = "") -> None:
        note(
            event,
            text,
            level=logging.INFO,
            provider=self.driver.provider.name,
            model=self.request.model,
            usd=usd,
        )

    def _let_go(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()

    # However a call ends without an answer, those who wait for it go on.

    def cancelled(self, partial: Completion, cause: BaseException) -> None:
        self._let_go()
        super().cancelled(partial, cause)

    def failed(self, error: PromptureError) -> None:
        self._let_go()
        super().failed(error)

    def abandoned(self, cause: BaseException) -> None:
        self._let_go()
        super().abandoned(cause)

    def withdraw(self) -> None:
        self._let_go()
        super().withdraw()


class _RecordingDecoder:
    """A stream's decoder that records it, or that is given what was recorded."""

    def __init__(self, call: CachedCall, inner: StreamDecoder) -> None:
        self._call, self._inner = call, inner
        self._chunks: list[bytes] = []
        self._kept: Completion | None = None

    def feed(self, chunk: bytes) -> list[Delta]:
        call = self._call
        if call._found is None:
            self._chunks.append(chunk)
            return self._inner.feed(chunk)
        self._kept = call._found
        return [piece for piece in pieces_of(self._kept) if isinstance(piece, Delta)]

    def close(self) -> Completion:
        return self._kept or self._inner.close()

    def partial(self) -> Completion:
        # Of a kept answer nothing was paid for.
        return Completion() if self._kept else self._inner.partial()

    def recorded(self) -> bytes:
        return b"".join(self._chunks)


def _one() -> Iterator[bytes]:
    yield b""  # the decoder knows what was kept


async def _aone() -> AsyncIterator[bytes]:
    yield b""


def _request_bytes(request: Request) -> bytes:
    """What an engine sees of a request. The repr of a value hides texts, so each is written out."""
    # How it is asked, not what: an equal answer is as good.
    skipped = ("cache", "timeout", "deadline", "hedge", "priority", "api_key")
    values = {f.name: getattr(request, f.name) for f in fields(request) if f.name not in skipped}
    return json.dumps(values, sort_keys=True, default=_plain).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    slots = getattr(value, "__dataclass_fields__", None)
    if slots is None:
        return str(value)
    return [type(value).__name__, {name: getattr(value, name) for name in slots}]


def _engine_bytes(done: Completion) -> bytes:
    return json.dumps(
        {
            "text": done.text,
            "reasoning": done.reasoning,
            "calls": [[c.id, c.name, c.raw_arguments] for c in done.tool_calls],
            "stop": done.stop_reason,
            "raw_stop": done.raw_stop,
            "model": done.model,
            "usage": {name: getattr(done.usage, name) for name in COUNTS},
        }
    ).encode("utf-8", "surrogatepass")


def _of_engine(kept: dict[str, Any]) -> Completion:
    return Completion(
        text=kept["text"],
        reasoning=kept["reasoning"],
        tool_calls=tuple(tool_call(id=i, name=n, arguments=a) for i, n, a in kept["calls"]),
        stop_reason=kept["stop"],
        raw_stop=kept["raw_stop"],
        model=kept["model"],
        usage=Usage(**kept["usage"], reported=True),
    )
