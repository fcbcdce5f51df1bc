"""Models that answer inside this process: one method, ``answer(request)``, and no HTTP.

The async colour runs it in a worker thread. Everything else of a driver (methods, flags, bill,
hooks, meters) is as over HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from inspect import signature
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, cast

from prompture import forks, given
from prompture.codecs.base import NO_CODEC as NO_CODEC
from prompture.codecs.base import Codec
from prompture.compat import cached_property
from prompture.drivers.bounded import (
    Stop,
    StoppableStream,
    abounded_stream,
    begun_in_thread,
    bounded,
    bounded_stream,
    finish_in_thread,
    heard,
    in_time,
    pieces_of,
    start_in_thread,
)
from prompture.drivers.call import Call
from prompture.drivers.core import BaseDriver
from prompture.drivers.generate import AsyncGenerate, SyncGenerate
from prompture.drivers.hooks import Hooks
from prompture.drivers.probe import Health, Validates, held_against_catalog
from prompture.drivers.provider import COMMON, Engine, Features, Provider
from prompture.errors import ConfigurationError, PromptureError, ProtocolError
from prompture.given import unknown
from prompture.types import AnswerCache, Completion, Delta, ModelInfo, Request
from prompture.wire import deadline
from prompture.wire.deadline import within
from prompture.wire.http import HTTPRequest
from prompture.wire.steps import require_asyncio

if TYPE_CHECKING:
    from prompture.catalog.synced import ModelSync

_HERE = ("hooks", "features", "timeout", "cache")
_OVER_HTTP = tuple(name for name in COMMON if name not in _HERE)


def _settings_of(row: Provider) -> list[str]:
    """The settings that the row's engine names, and those of every driver in this process;
    none where the engine takes any."""
    parameters = list(signature(row.engine).parameters.values())[1:] if row.engine else []
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return []
    return [*(p.name for p in parameters), *_HERE]


class InProcessBase(Validates, BaseDriver):
    """A driver whose row has an ``engine``. Settings go to the engine as keywords."""

    runs_here = True

    def __init__(
        self,
        model: str | None = None,
        *,
        hooks: Hooks | Sequence[Hooks] = (),
        features: Features | None = None,
        timeout: float | None = None,
        cache: AnswerCache | None = None,
        **settings: Any,
    ) -> None:
        row = type(self).provider
        for name in _OVER_HTTP:
            if settings.pop(name, None) is not None:
                raise ConfigurationError(
                    f"{row.name}/{model}: {name} means nothing to a model that runs in this process"
                )
        if known := _settings_of(row):
            for name in settings:
                if name not in known:
                    raise ConfigurationError(
                        f"{row.name}/{model}: {unknown('setting', name, known)}"
                    )
        self._settings: Mapping[str, Any] = settings
        super().__init__(model, hooks=hooks, features=features, timeout=timeout, cache=cache)

    def _remake(self) -> None:
        super()._remake()
        self._lock = Lock()
        self._loaded = False
        forks.renewed_at_fork(self, "_renew")

    @cached_property
    def engine(self) -> Engine:
        """The model, loaded at first use. Raises MissingExtra and ConfigurationError."""
        # Loading may take minutes and gigabytes: threads that come together load it once.
        make = self.provider.engine
        if make is None:
            raise ConfigurationError(f"{self.name} has no in-process engine")
        with self._lock:
            # Two threads may both have come here for the first time.
            if (made := self.__dict__.get("engine")) is not None:
                return cast(Engine, made)
            try:
                self.__dict__["engine"] = made = make(self.model, **self._settings)
                self._loaded = True
                return made
            except TypeError as exc:
                raise ConfigurationError(f"{self.name}: {exc}") from exc

    def _renew(self) -> None:
        """In a forked child: its threads are gone, so it loads a model of its own. The parent's
        is kept, for to let go of it may wait for its threads."""
        self._lock = Lock()
        if self._loaded and (engine := self.__dict__.pop("engine", None)) is not None:
            self._loaded = False
            forks.left_to_parent(engine)
            if forked := getattr(engine, "forked", None):
                forked()

    def _answer(self, request: Request, stop: Stop | None = None) -> Completion:
        stop = stop or Stop()
        # Loaded before the call, whose time it is not, unless the answer is there already.
        if self.cache_for(request) is None:
            self._engine_in_time()
        deadline.check(f"before {self.name} began")
        call = EngineCall(self, request)
        with call.settling():
            call.wait_for_meters()
            return call.finished(call.kept() or self._whole(call.request, stop), None)

    def _whole(self, request: Request, stop: Stop) -> Completion:
        work = partial(self._engine_in_time().answer, request)
        return self._not_stopped(stop.run(self.name, work, late=lambda _: None), stop)

    def _engine_in_time(self) -> Engine:
        """The engine, loaded before the deadline. Raises DeadlineExceeded; the next call finds it
        loaded, or still being loaded."""
        until = deadline.until()
        if until is None or self._loaded:
            return self.engine
        deadline.check(f"before {self.name} was loaded")
        try:
            return in_time(lambda: self.engine, until, late=lambda _: None)
        except TimeoutError:
            during = f"{self.name} was being loaded"
            raise deadline.exceeded(until, during, unsent=True) from None

    def _not_stopped(self, done: Completion, stop: Stop) -> Completion:
        """A whole answer. Raises the reason of one that the model was asked to end."""
        if done.stop_reason != "cancelled" or not stop():
            return done
        raise stop.error(self.name, done)

    def _streamed(
        self, request: Request, stop: Stop | None = None
    ) -> Generator[Delta | Completion, None, None]:
        """What the engine streams, where it does; else its whole answer as deltas."""
        # Here, with the first piece: later ones may be taken in another context.
        stop = stop or Stop()
        if self.cache_for(request) is None:
            self._engine_in_time()
        deadline.check(f"before {self.name} began")
        call = EngineCall(self, request)
        with call.settling():
            call.wait_for_meters()
            stream = None if call.kept() else getattr(self._engine_in_time(), "stream", None)
            if stream is None:
                done = call.finished(call.kept() or self._whole(call.request, stop), None)
        if stream is None:
            yield from pieces_of(done)
            return
        texts: list[str] = []
        with call.settling(lambda: Completion(text="".join(texts))):
            end: Completion | None = None
            with StoppableStream(self.name, stream(call.request), stop) as pieces:
                for piece in pieces:
                    if isinstance(piece, Completion):
                        end = call.finished(self._not_stopped(piece, stop), None)
                        break
                    texts.append(piece.text)
                    yield call.delta(piece)
                    if stop():
                        raise stop.error(self.name, Completion(text="".join(texts)))
            if end is None:
                raise ProtocolError(f"{self.name}: the engine's stream ended without a completion")
        yield end

    def _models(self, deadline: float | None) -> list[ModelInfo]:
        given.seconds(
            deadline, "deadline"
        )  # nothing here takes time, and a wrong one is still wrong
        return [ModelInfo(id=self.model, owner=self.provider.name)]

    def _health(self) -> Health:
        started = time.perf_counter()
        try:
            self._engine_in_time()
        except PromptureError as exc:
            return Health(reachable=False, authorised=None, seconds=0.0, problem=str(exc))
        return Health(
            reachable=True, authorised=True, seconds=time.perf_counter() - started, models=1
        )

    def _close(self) -> None:
        engine = self.__dict__.pop("engine", None)
        if close := getattr(engine, "close", None):
            close()


def _end(pieces: Generator[Any, None, None], step: asyncio.Future[Any]) -> None:
    heard(step)
    if not step.cancelled():  # else the loop is ending, and the thread is still inside
        start_in_thread(pieces.close)


class EngineCall(Call):
    """A call with nothing to encode."""

    @property
    def in_flight(self) -> bool:
        """What an engine does is known only to itself: it counts as sent once it may begin."""
        return not self.wait

    def wait_for_meters(self) -> None:
        """Wait as long as the meters want, in a thread that may be held up. Raises
        DeadlineExceeded where that is too long."""
        while self.wait:
            if late := deadline.too_long(self.wait):
                raise late
            time.sleep(self.wait)
            self.begin()

    def _codec(self) -> Codec:
        return NO_CODEC

    def _encoded(self, stream: bool) -> HTTPRequest:
        return HTTPRequest("POST", "", {})


class InProcessDriver(SyncGenerate, InProcessBase):
    """An in-process model, called synchronously."""

    def complete(self, request: Request) -> Completion:
        """Ask once and wait for the whole answer."""
        if getattr(request, "deadline", None) is not None:
            with bounded(request) as bare:
                return self.complete(bare)
        return self._answer(request)

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        """Deltas, then the completion; one delta where the engine gives its answer whole."""
        if getattr(request, "deadline", None) is not None:
            yield from bounded_stream(self.stream, request)
            return
        yield from self._streamed(request)

    def list_models(self, *, deadline: float | None = None) -> list[ModelInfo]:
        """The one model that it is."""
        return self._models(deadline)

    def sync_models(self, *, keep: bool = True, deadline: float | None = None) -> ModelSync:
        """The one model that it is, held against the catalog."""
        return held_against_catalog(self.provider, self._models(deadline), keep=keep)

    def check_credentials(self, *, deadline: float | None = None) -> bool:
        """There is no key to refuse."""
        return bool(self._models(deadline))

    def health(self, *, deadline: float | None = None) -> Health:
        """Whether the model can be loaded, and how long that took. What is not loaded within
        ``deadline`` seconds goes on in the background."""
        with within(given.seconds(deadline, "deadline")):
            return self._health()

    def close(self) -> None:
        """Let go of the model; the next call loads it again."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncInProcessDriver(AsyncGenerate, InProcessBase):
    """An in-process model, called asynchronously: it runs in a worker thread."""

    async def complete(self, request: Request) -> Completion:
        """Ask once and wait for the whole answer."""
        require_asyncio()
        if getattr(request, "deadline", None) is not None:
            with bounded(request) as bare:
                return await self.complete(bare)
        stop = Stop()
        # Shielded: a thread cannot be stopped, but the model in it can be asked to.
        work = begun_in_thread(self._answer, request, stop)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            work.add_done_callback(heard)
            raise

    async def stream(self, request: Request) -> AsyncIterator[Delta | Completion]:
        """Deltas, then the completion; one delta where the engine gives its answer whole."""
        require_asyncio()
        if getattr(request, "deadline", None) is not None:
            async with aclosing(abounded_stream(self.stream, request)) as bare:
                async for each in bare:
                    yield each
            return
        stop = Stop()
        pieces = self._streamed(request, stop)
        step: asyncio.Future[Delta | Completion | None] | None = None
        try:
            while True:
                # Shielded: a thread cannot be stopped, and a generator that runs cannot be closed.
                step = begun_in_thread(next, pieces, None)
                piece = await asyncio.shield(step)
                if piece is None:
                    return
                yield piece
        finally:
            stop.set()
            if step is None or step.done():
                # In a thread: a model may take a while to stop, and a meter waits for a disk.
                await finish_in_thread(pieces.close)
            else:
                # The thread is still inside: end the stream as soon as it comes out.
                step.add_done_callback(partial(_end, pieces))

    async def list_models(self, *, deadline: float | None = None) -> list[ModelInfo]:
        """The one model that it is."""
        return self._models(deadline)

    async def sync_models(self, *, keep: bool = True, deadline: float | None = None) -> ModelSync:
        """The one model that it is, held against the catalog."""
        require_asyncio()
        work = partial(held_against_catalog, self.provider, self._models(deadline), keep=keep)
        return await asyncio.to_thread(work)

    async def check_credentials(self, *, deadline: float | None = None) -> bool:
        """There is no key to refuse."""
        return bool(self._models(deadline))

    async def health(self, *, deadline: float | None = None) -> Health:
        """Whether the model can be loaded, and how long that took. What is not loaded within
        ``deadline`` seconds goes on in the background."""
        require_asyncio()
        with within(given.seconds(deadline, "deadline")):
            return await asyncio.to_thread(self._health)

    async def close(self) -> None:
        """Let go of the model; the next call loads it again."""
        self._close()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
