"""What a provider's module is made of: the row's type, and a driver in two colours.

The transports are imported when a driver is made, so that a sync program never loads httpx2,
nor an async one requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from prompture.drivers import meter
from prompture.drivers.core import BaseDriver, Call, is_long, with_partial
from prompture.drivers.cost import CostMixin
from prompture.drivers.generate import AsyncGenerate, SyncGenerate
from prompture.drivers.probe import AsyncProbes, SyncProbes
from prompture.drivers.provider import Features, Provider
from prompture.drivers.worker_threads import finish_in_thread, start_in_thread
from prompture.errors import ConfigurationError, PromptureError
from prompture.given import wrong
from prompture.types import Completion, Delta, Request
from prompture.wire.http import LARGE_CHARS, Exchange
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


class Driver(SyncGenerate, SyncProbes, BaseDriver):
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
        self._require_open()
        call = Call(self, request)
        try:
            return call.decoded(self._transport.run(call.exchange()))
        except PromptureError as exc:
            call.failed(exc)
            raise
        except BaseException:  # an interrupt or a bug: the call is billed as unknown
            call.abandoned()
            raise

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        """Yield each delta as it arrives, then the completion they add up to.

        Closing the iterator closes the connection and settles the bill. A stream that fails
        before its first delta is tried again; later, the error carries ``partial``.
        """
        self._require_open()
        self.require("streaming")
        call = Call(self, request, stream=True)
        while True:
            decoder, emitted, response = call.decoder(), False, None
            try:
                response = self._transport.run(call.exchange())
                for chunk in response.chunks or ():
                    for delta in decoder.feed(chunk):
                        emitted = True
                        yield call.delta(delta)
                done = call.finished(decoder.close(), response)
                break
            except PromptureError as exc:
                exc = with_partial(exc, decoder if response else None)
                delay = call.delay(exc) if response and not emitted else None
                if delay is None:
                    call.failed(exc)
                    raise
                call.note_try(exc)
            except (GeneratorExit, KeyboardInterrupt):
                call.cancelled(decoder.partial())
                raise
            except BaseException:  # a bug: the call is billed as unknown
                call.abandoned()
                raise
            finally:
                if response and response.chunks:
                    response.chunks.close()  # type: ignore[attr-defined]
            time.sleep(delay)
        yield done

    def _run(self, exchange: Exchange[T]) -> T:
        self._require_open()
        return self._transport.run(exchange)

    def close(self) -> None:
        """Close the connections. The driver takes no more calls until it is entered (``with``)
        again."""
        self._closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        self._closed = False
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncDriver(AsyncGenerate, AsyncProbes, BaseDriver):
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
        self._require_open()
        call, handed_on = await _call(self, request), False
        try:
            response = await self._transport.run(call.exchange())
            if call.blocks or len(response.body) > LARGE_CHARS:
                handed_on = True
                return await finish_in_thread(call.answered, response)
            return call.decoded(response)
        except PromptureError as exc:
            await _settle(call, call.failed, exc)
            raise
        except BaseException as exc:  # cancelled, or a bug: the call is billed as unknown
            if not handed_on:  # else the thread settles it
                await _settle(call, call.abandoned, exc)
            raise

    async def stream(self, request: Request) -> AsyncIterator[Delta | Completion]:
        """Yield each delta as it arrives, then the completion they add up to.

        Closing the iterator closes the connection and settles the bill. A stream that fails
        before its first delta is tried again; later, the error carries ``partial``.
        """
        self._require_open()
        self.require("streaming")
        call, handed_on = await _call(self, request, stream=True), False
        while True:
            decoder, emitted, response = call.decoder(), False, None
            try:
                response = await self._transport.run(call.exchange())
                async for chunk in response.achunks or _none():
                    for delta in decoder.feed(chunk):
                        emitted = True
                        yield call.delta(delta)
                whole = decoder.close()
                if call.blocks:
                    handed_on = True
                    done = await finish_in_thread(call.concluded, whole, response)
                else:
                    done = call.finished(whole, response)
                break
            except PromptureError as exc:
                exc = with_partial(exc, decoder if response else None)
                delay = call.delay(exc) if response and not emitted else None
                if delay is None:
                    await _settle(call, call.failed, exc)
                    raise
                await _settle(call, call.note_try, exc)
            except (GeneratorExit, KeyboardInterrupt, asyncio.CancelledError):
                if not handed_on:
                    await _settle(call, call.cancelled, decoder.partial())
                raise
            except BaseException as exc:  # a bug: the call is billed as unknown
                if not handed_on:
                    await _settle(call, call.abandoned, exc)
                raise
            finally:
                if response and response.achunks:
                    await response.achunks.aclose()  # type: ignore[attr-defined]
            await asyncio.sleep(delay)
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
    if not is_long(request) and not meter.blocks():
        return Call(driver, request, stream=stream)
    begun = partial(Call, driver, request, stream=stream)
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
    if not call.blocks:
        call.withdrawn()
        return
    start_in_thread(call.withdrawn)


async def _settle(call: Call, work: Callable[..., None], *args: Any) -> None:
    """Tell the call's meters, in a thread where that may wait."""
    if call.blocks:
        await finish_in_thread(work, *args)
    else:
        work(*args)
