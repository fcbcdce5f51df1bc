"""``Driver`` and ``AsyncDriver``: the two colours of a driver, of which the classes of each row are made.

The transports are imported when a driver is made, so that a sync program never loads httpx2,
nor an async one requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from prompture.drivers import meter
from prompture.drivers.bounded import (
    abounded_stream,
    bounded,
    bounded_stream,
    finish_in_thread,
    start_in_thread,
)
from prompture.drivers.call import Call
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import CostMixin
from prompture.drivers.generate import AsyncGenerate, SyncGenerate
from prompture.drivers.probe import AsyncProbes, SyncProbes, Validates
from prompture.drivers.provider import Features, Provider
from prompture.drivers.request_checks import is_long
from prompture.errors import ConfigurationError
from prompture.given import wrong
from prompture.types import LARGE_CHARS, Completion, Delta, Request
from prompture.wire.http import Exchange
from prompture.wire.steps import require_asyncio

if TYPE_CHECKING:
    import requests  # noqa: TID251 - a name for the type checker only

    from prompture.drivers.aio import HttpxTransport
    from prompture.drivers.sync import RequestsTransport

__all__ = ["AsyncDriver", "CostMixin", "Driver", "Features", "Provider"]

T = TypeVar("T")


def _requests_transport(session: requests.Session | None) -> RequestsTransport:
    from prompture.drivers.sync import RequestsTransport

    if session is not None and (
        not hasattr(session, "request") or hasattr(session, "build_request")
    ):
        raise wrong("session", "a requests.Session (client=... is for an AsyncDriver)", session)
    return RequestsTransport(session)


def _httpx_transport(client: Any) -> HttpxTransport:
    from prompture.drivers.aio import HttpxTransport

    if client is not None and not (
        hasattr(client, "build_request") and hasattr(client, "__aenter__")
    ):
        raise wrong("client", "an AsyncClient of httpx2 or httpx", client)
    return HttpxTransport(client)


class Driver(SyncGenerate, SyncProbes, Validates, BaseDriver):
    """A provider, called synchronously over requests. Threads may share one.

    ``session`` is a requests.Session of the caller's own. Other arguments: see BaseDriver.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        session: requests.Session | None = None,
        transport: RequestsTransport | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, **settings)
        self._transport = transport or _requests_transport(session)

    def _remake(self) -> None:
        super()._remake()
        self._closed = False

    def _require_open(self) -> None:
        if self._closed:
            raise _closed(self)

    def complete(self, request: Request) -> Completion:
        """Ask once and wait for the whole answer.

        Raises ProviderError, TransportError, ProtocolError and ConfigurationError.
        """
        if getattr(request, "deadline", None) is not None:
            with bounded(request) as bare:
                return self.complete(bare)
        self._require_open()
        call = Call(self, request)
        if (share := request.hedge or self.hedge) is not None:
            from prompture.drivers.hedging import hedged

            return hedged(self, call, share, partial(Call, self, replace(request, cache=False)))
        return self._answer(call)

    def _answer(self, call: Call) -> Completion:
        try:
            return call.decoded(self._transport.run(call.exchange()))
        except BaseException as exc:  # whatever ended the call, its cost is settled
            call.settling().settle(exc)
            raise

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        """Yield each delta as it arrives, then the completion they add up to.

        Closing the iterator closes the connection and settles the bill. A stream that fails
        before its first content (text, reasoning, arguments of a call) is tried again, and what
        came before is held back as long; later, the error carries ``partial``.
        """
        if getattr(request, "deadline", None) is not None:
            yield from bounded_stream(self.stream, request)
            return
        self._require_open()
        self.require("streaming")
        call = Call(self, request, stream=True)
        try:
            while True:
                decoder = call.decoder()
                with call.trying(decoder) as attempt:
                    attempt.response = response = self._transport.run(call.exchange())
                    for chunk in response.chunks or ():
                        for delta in attempt.ready(decoder.feed(chunk)):
                            yield call.delta(delta)
                    whole = decoder.close()
                    for delta in attempt.rest(whole):
                        yield call.delta(delta)
                    done = call.finished(whole, response)
                if attempt.delay is None:
                    break
                time.sleep(attempt.delay)
        except BaseException as exc:  # left between two tries, or before a try could settle
            call.settling().settle(exc)
            raise
        yield done

    def _run(self, exchange: Exchange[T]) -> T:
        self._require_open()
        return self._transport.run(exchange)

    def close(self) -> None:
        """Close the connections. The driver takes no more calls until it is entered (``with``)
        again."""
        # First, so that no other thread opens connections behind it.
        self._closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        self._closed = False
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncDriver(AsyncGenerate, AsyncProbes, Validates, BaseDriver):
    """A provider, called asynchronously over httpx2. Tasks and event loops may share one.

    ``client`` is an AsyncClient of the caller's own, httpx2's or httpx's. Other arguments: see
    BaseDriver.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        client: Any = None,
        transport: HttpxTransport | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, **settings)
        self._transport = transport or _httpx_transport(client)

    def _remake(self) -> None:
        super()._remake()
        # Loops share a driver: each has its own connections, and closes them for itself.
        self._closed_in: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    def _require_open(self) -> None:
        require_asyncio()
        if self._closed_in and asyncio.get_running_loop() in self._closed_in:
            raise _closed(self)

    async def complete(self, request: Request) -> Completion:
        """Ask once and wait for the whole answer.

        Raises ProviderError, TransportError, ProtocolError and ConfigurationError.
        """
        if getattr(request, "deadline", None) is not None:
            with bounded(request) as bare:
                return await self.complete(bare)
        self._require_open()
        call = await _call(self, request)
        if (share := request.hedge or self.hedge) is not None:
            from prompture.drivers.hedging import ahedged

            return await ahedged(
                self, call, share, partial(_call, self, replace(request, cache=False))
            )
        return await self._answer(call)

    async def _answer(self, call: Call) -> Completion:
        try:
            response = await self._transport.run(call.exchange())
            # Neither a long body nor a meter that waits for a disk may hold up the event loop.
            if not call.blocks and len(response.body) <= LARGE_CHARS:
                return call.decoded(response)
        except BaseException as exc:  # whatever ended the call, its cost is settled
            await call.settling().asettle(exc)
            raise
        # The thread settles what fails in it.
        return await call.settling().finish_in_thread(call.decoded, response)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Completion]:
        """Yield each delta as it arrives, then the completion they add up to.

        Closing the iterator closes the connection and settles the bill. A stream that fails
        before its first content (text, reasoning, arguments of a call) is tried again, and what
        came before is held back as long; later, the error carries ``partial``.
        """
        if getattr(request, "deadline", None) is not None:
            async with aclosing(abounded_stream(self.stream, request)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        self._require_open()
        self.require("streaming")
        call = await _call(self, request, stream=True)
        try:
            while True:
                decoder = call.decoder()
                async with call.trying(decoder) as attempt:
                    attempt.response = response = await self._transport.run(call.exchange())
                    async for chunk in response.achunks or _none():
                        for delta in attempt.ready(decoder.feed(chunk)):
                            yield call.delta(delta)
                    whole = decoder.close()
                    for delta in attempt.rest(whole):
                        yield call.delta(delta)
                    if call.blocks:
                        done = await attempt.finish_in_thread(call.finished, whole, response)
                    else:
                        done = call.finished(whole, response)
                if attempt.delay is None:
                    break
                await asyncio.sleep(attempt.delay)
        except BaseException as exc:  # left between two tries, or before a try could settle
            await call.settling().asettle(exc)
            raise
        yield done

    async def _run(self, exchange: Exchange[T]) -> T:
        self._require_open()
        return await self._transport.run(exchange)

    async def close(self) -> None:
        """Close the running loop's connections. The driver takes no more calls in this loop
        until it is entered (``async with``) again."""
        require_asyncio()
        self._closed_in.add(asyncio.get_running_loop())
        await self._transport.close()

    aclose = close

    async def __aenter__(self) -> Self:
        require_asyncio()
        self._closed_in.discard(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _closed(driver: BaseDriver) -> ConfigurationError:
    return ConfigurationError(
        f"{driver.name}: this driver was closed; make another, or use it in a `with` block"
    )


async def _none() -> AsyncIterator[bytes]:
    for _ in ():
        yield b""


async def _call(driver: BaseDriver, request: Request, *, stream: bool = False) -> Call:
    """The call, begun: in a thread where a long document is encoded, or a meter may wait for a
    disk, as neither may hold up the event loop."""
    own = getattr(request, "cache", None)
    cache = driver.cache if own is None else own
    may_wait = meter.blocks() or getattr(cache, "blocks", False)
    if not may_wait and not is_long(request):
        return Call(driver, request, stream=stream)
    begun = partial(Call, driver, request, stream=stream)
    # The thread cannot be stopped: what it reserves after a cancellation is given back then.
    made = asyncio.ensure_future(finish_in_thread(begun))
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        made.add_done_callback(_abandon)
        raise


def _abandon(made: asyncio.Future[Call]) -> None:
    if made.cancelled() or made.exception() is not None:
        return
    call = made.result()
    if call.blocks:
        start_in_thread(call.withdraw)
    else:
        call.withdraw()
