"""What becomes of the bill when a call is left by an exception: one rule for every driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial as bound
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar, cast

from prompture.codecs.base import StreamDecoder
from prompture.drivers.bounded import deltas_of, finish_in_thread
from prompture.errors import PromptureError
from prompture.money import Bill, Cost
from prompture.types import Completion, Delta
from prompture.wire.http import HTTPResponse

Kind: TypeAlias = type[BaseException] | None
Trace: TypeAlias = TracebackType | None
_LEFT = (GeneratorExit, KeyboardInterrupt, asyncio.CancelledError)
"""How a caller leaves a stream in its middle."""
_UNREAD = Cost(
    usd=None, reason="left while its answer was read; budgets and the ledger are given its price"
)


E = TypeVar("E", bound=BaseException)


def without_frames(error: E) -> E:
    """The error without the codec's frames, which hold what the server sent as it came: the answer,
    or a key that it repeats. Viewers of tracebacks show them."""
    error.__traceback__ = None
    return error


class SettledCall(Protocol):
    """What is asked of a call: see ``Call``."""

    @property
    def blocks(self) -> bool: ...
    def delay(self, error: PromptureError) -> float | None: ...
    def note_try(self, error: PromptureError) -> None: ...
    def failed(self, error: PromptureError) -> None: ...
    def cancelled(self, partial: Completion, cause: BaseException) -> None: ...
    def abandoned(self, cause: BaseException) -> None: ...


class Settling:
    """Settles the bill of a call whose block is left by an exception.

    An error of ours is put on the bill, and has the bill. A stream that its caller leaves, or that
    is interrupted or cancelled, costs what had come by then (``partial``). Anything else is no
    error of ours (a bug, a cancelled task): what the call cost is unknown.
    """

    __slots__ = ("_call", "_in_thread", "_partial")

    def __init__(self, call: SettledCall, partial: Callable[[], Completion] | None = None) -> None:
        self._call = call
        self._partial = partial
        self._in_thread = False

    def __enter__(self) -> Self:
        return self

    # mypy: ``bool | None`` is that of a block which hides no exception.
    def __exit__(self, kind: Kind, exc: BaseException | None, traceback: Trace) -> bool | None:
        if exc is not None:
            self.settle(exc)
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Kind, exc: BaseException | None, traceback: Trace
    ) -> bool | None:
        if exc is not None and not self._in_thread:
            await self.asettle(exc)
        return None

    def settle(self, exc: BaseException) -> None:
        """Settle the bill after this exception."""
        try:
            work, argument = self._settlement(exc)
            work(argument)
        except _LEFT as interrupt:  # Ctrl-C while it is settled: the rest of it is made up
            self._call.abandoned(interrupt)
            raise

    async def asettle(self, exc: BaseException) -> None:
        """``settle``, in a thread where a meter may wait."""
        if not self._call.blocks:
            self.settle(exc)
            return
        work, argument = self._settlement(exc)
        await finish_in_thread(work, argument)

    async def finish_in_thread(self, work: Callable[..., Completion], *args: Any) -> Completion:
        """``work(*args)`` in a thread, which settles its own failure: the task may be cancelled
        meanwhile, and the work goes on to its end all the same."""
        self._in_thread = True
        try:
            return await finish_in_thread(self._settled, work, *args)
        except asyncio.CancelledError as exc:
            call: Any = self._call
            read = call._paid() or call._charge(Completion(), status="cancelled", cost=_UNREAD)
            put_on(exc, Bill((*call.tries, read)))
            raise

    def _settled(self, work: Callable[..., Completion], *args: Any) -> Completion:
        with Settling(self._call):
            return work(*args)

    def _settlement(self, exc: BaseException) -> tuple[Callable[[Any], None], Any]:
        """What settles the bill after this exception, and its argument."""
        if isinstance(exc, PromptureError):
            return self._call.failed, exc
        if self._partial is not None and isinstance(exc, _LEFT):
            return bound(self._call.cancelled, self._partial()), exc
        return self._call.abandoned, exc


class StreamTry(Settling):
    """One try of a stream.

    One that fails before its first content may be asked for again: its failed try is then on the
    bill, the error ends with the block, and ``delay`` is how many seconds to wait.
    """

    __slots__ = ("_decoder", "_held", "delay", "emitted", "response")

    def __init__(self, call: SettledCall, decoder: StreamDecoder) -> None:
        super().__init__(call, decoder.partial)
        self._decoder = decoder
        self.response: HTTPResponse | None = None
        """The answer to the request; it is closed with the block."""
        self.emitted = False
        """Whether the caller has got content: the stream cannot begin again."""
        self._held: list[Delta] = []
        self.delay: float | None = None

    def ready(self, deltas: list[Delta]) -> list[Delta]:
        """What may go to the caller: nothing before the first content, then all of it."""
        if self.emitted:
            return deltas
        self._held += deltas
        if not any(d.text or d.reasoning or d.tool_arguments for d in deltas):
            return []
        self.emitted = True
        return self._held

    def rest(self, whole: Completion) -> list[Delta]:
        """What is left for the caller of a stream that ended without content. That of a server
        which cannot stream is all in ``whole``."""
        if self.emitted:
            return []
        self.emitted = True
        has_calls = any(delta.tool_index is not None for delta in self._held)
        new = (d for d in deltas_of(whole) if not (has_calls and d.tool_index is not None))
        return [*self._held, *new]

    def __exit__(self, kind: Kind, exc: BaseException | None, traceback: Trace) -> bool:
        try:
            super().__exit__(kind, exc, traceback)
        finally:  # whatever settling raises: an open stream keeps its connection
            if self.response and self.response.chunks:
                cast(Any, self.response.chunks).close()
        return self.delay is not None

    async def __aexit__(self, kind: Kind, exc: BaseException | None, traceback: Trace) -> bool:
        try:
            await super().__aexit__(kind, exc, traceback)
        finally:
            if self.response and self.response.achunks:
                await cast(Any, self.response.achunks).aclose()
        return self.delay is not None

    def _settled(self, work: Callable[..., Completion], *args: Any) -> Completion:
        try:
            return super()._settled(work, *args)
        except PromptureError as exc:
            exc.partial = exc.partial or self._decoder.partial()
            raise

    def _settlement(self, exc: BaseException) -> tuple[Callable[[Any], None], Any]:
        # Without a response the exchange has failed, and has tried again by itself.
        if not isinstance(exc, PromptureError) or self.response is None:
            return super()._settlement(exc)
        if exc.partial is None:
            exc.partial = self._decoder.partial()
        without_frames(exc)
        # What a caller has read cannot be taken back.
        if not self.emitted:
            self.delay = self._call.delay(exc)
        return (self._call.failed if self.delay is None else self._call.note_try), exc


def put_on(cause: BaseException, bill: Bill) -> None:
    """Give an exception the bill."""
    with suppress(AttributeError):  # a class with slots takes none
        cast(Any, cause).bill = bill
