"""What a provider's module is made of: the row's type, and a driver in two colours.

The transports are imported when a driver is made, so that a sync program never loads httpx2,
nor an async one requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Self, TypeVar

from prompture.drivers.core import BaseDriver, Call, is_long, with_partial
from prompture.drivers.cost import CostMixin
from prompture.drivers.faces import AsyncFaces, SyncFaces
from prompture.drivers.probe import AsyncProbes, SyncProbes
from prompture.drivers.provider import Features, Provider
from prompture.errors import PromptureError
from prompture.types import Completion, Delta, Request
from prompture.wire.http import LARGE_CHARS, Exchange
from prompture.wire.loops import require_asyncio

if TYPE_CHECKING:
    import requests  # noqa: TID251 - a name for the type checker only

    from prompture.drivers.aio import HttpxTransport
    from prompture.drivers.sync import RequestsTransport

__all__ = ["AsyncDriver", "CostMixin", "Driver", "Features", "Provider"]

T = TypeVar("T")


def _requests_transport(session: requests.Session | None) -> RequestsTransport:
    from prompture.drivers.sync import RequestsTransport

    return RequestsTransport(session)


def _httpx_transport(client: Any) -> HttpxTransport:
    from prompture.drivers.aio import HttpxTransport

    return HttpxTransport(client)


class Driver(SyncFaces, SyncProbes, BaseDriver):
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

    def complete(self, request: Request) -> Completion:
        """Ask once and wait for the whole answer.

        Raises ProviderError, TransportError, ProtocolError and ConfigurationError.
        """
        call = Call(self, request)
        try:
            return call.decoded(self._transport.run(call.exchange()))
        except PromptureError as exc:
            call.failed(exc)
            raise
        except BaseException:
            call.abandoned()
            raise

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        """Yield each delta as it arrives, then the completion they add up to.

        Closing the iterator closes the connection and settles the bill. A stream that fails
        before its first delta is tried again; later, the error carries ``partial``.
        """
        self.require("streaming")
        call = Call(self, request, stream=True)
        attempt = 0
        while True:
            attempt += 1
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
                delay = None if emitted or not response else self.retry.delay(attempt, exc)
                if delay is None:
                    call.failed(with_partial(exc, decoder))
                    raise
                call.note_try(exc)
            except (GeneratorExit, KeyboardInterrupt):
                call.cancelled(decoder.partial())
                raise
            except BaseException:
                call.abandoned()
                raise
            finally:
                if response and response.chunks:
                    response.chunks.close()  # type: ignore[attr-defined]
            time.sleep(delay)
        yield done

    def _run(self, exchange: Exchange[T]) -> T:
        return self._transport.run(exchange)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncDriver(AsyncFaces, AsyncProbes, BaseDriver):
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

    async def complete(self, request: Request) -> Completion:
        """Ask once and wait for the whole answer.

        Raises ProviderError, TransportError, ProtocolError and ConfigurationError.
        """
        require_asyncio()
        call = await _call(self, request)
        try:
            response = await self._transport.run(call.exchange())
            if len(response.body) > LARGE_CHARS:
                return await asyncio.to_thread(call.decoded, response)
            return call.decoded(response)
        except PromptureError as exc:
            call.failed(exc)
            raise
        except BaseException:
            call.abandoned()
            raise

    async def stream(self, request: Request) -> AsyncIterator[Delta | Completion]:
        """Yield each delta as it arrives, then the completion they add up to.

        Closing the iterator closes the connection and settles the bill. A stream that fails
        before its first delta is tried again; later, the error carries ``partial``.
        """
        require_asyncio()
        self.require("streaming")
        call = await _call(self, request, stream=True)
        attempt = 0
        while True:
            attempt += 1
            decoder, emitted, response = call.decoder(), False, None
            try:
                response = await self._transport.run(call.exchange())
                async for chunk in response.achunks or _none():
                    for delta in decoder.feed(chunk):
                        emitted = True
                        yield call.delta(delta)
                done = call.finished(decoder.close(), response)
                break
            except PromptureError as exc:
                delay = None if emitted or not response else self.retry.delay(attempt, exc)
                if delay is None:
                    call.failed(with_partial(exc, decoder))
                    raise
                call.note_try(exc)
            except (GeneratorExit, KeyboardInterrupt, asyncio.CancelledError):
                call.cancelled(decoder.partial())
                raise
            except BaseException:
                call.abandoned()
                raise
            finally:
                if response and response.achunks:
                    await response.achunks.aclose()  # type: ignore[attr-defined]
            await asyncio.sleep(delay)
        yield done

    async def _run(self, exchange: Exchange[T]) -> T:
        require_asyncio()
        return await self._transport.run(exchange)

    async def close(self) -> None:
        """Close the running loop's connections."""
        require_asyncio()
        await self._transport.close()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


async def _none() -> AsyncIterator[bytes]:
    for _ in ():
        yield b""


async def _call(driver: BaseDriver, request: Request, *, stream: bool = False) -> Call:
    """The call, begun. A long document is encoded in a thread, where it holds up no event loop."""
    if not is_long(request):
        return Call(driver, request, stream=stream)
    made = asyncio.ensure_future(asyncio.to_thread(Call, driver, request, stream=stream))
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        made.add_done_callback(_abandon)
        raise


def _abandon(made: asyncio.Future[Call]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().withdrawn()
