"""The two runners of flows that hear each answer piece by piece.

The flow is the same as for ``run``: it asks, and is sent whole Completions. What comes in
between goes to a listener, and what the listener makes of it is handed out at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, aclosing, closing
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from prompture.errors import ProtocolError
from prompture.flows.base import Ask, Flow, Generates, GeneratesAsync, HasModel
from prompture.flows.run import answered, driver_error
from prompture.types import Completion, Delta
from prompture.wire.steps import Done, advance, require_asyncio

T = TypeVar("T")
Y = TypeVar("Y")
Y_co = TypeVar("Y_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

PIECE_CHARS = 65_536
"""The most that a listener is given at a time where it shares its thread with an event loop."""


class Listener(Protocol[Y_co]):
    """Hears one answer."""

    def hear(self, delta: Delta) -> Iterable[Y_co]:
        """What a piece makes ready."""
        ...

    def end(self, completion: Completion) -> Iterable[Y_co]:
        """What the end makes ready. An answer that did not stream is an end alone."""
        ...


class Audience(Protocol[Y_co, T_contra]):
    """Gives each answer its listener.

    ``metered`` is entered while a call starts, and left before anything is handed out, so that
    what the caller does in between is not taken for a part of it.
    """

    def listen(self, ask: Ask[HasModel]) -> Listener[Y_co]: ...

    def metered(self) -> AbstractContextManager[None]: ...

    def result(self, value: T_contra) -> Iterable[Y_co]:
        """What the flow's own result makes ready."""
        ...


def stream(flow: Flow[Generates, T], audience: Audience[Y, T]) -> Generator[Y, None, None]:
    """Run a flow to its end with sync drivers. Closing it closes the connection."""
    with closing(flow):
        step = advance(flow)
        while not isinstance(step, Done):
            reply: Completion | BaseException
            try:
                reply = yield from _heard(step, audience)
            except Exception as exc:  # a driver may raise anything
                reply = driver_error(exc, step.driver)
            step = advance(flow, reply)
        yield from audience.result(step.value)


def _heard(ask: Ask[Generates], audience: Audience[Y, Any]) -> Generator[Y, None, Completion]:
    listener = audience.listen(ask)
    if not ask.driver.features.streaming:
        with audience.metered():
            whole = ask.driver.complete(ask.request)
        yield from listener.end(whole)
        return whole
    hear = listener.hear
    piece: Delta | Completion | None
    with closing(ask.driver.stream(ask.request)) as pieces:
        with audience.metered():
            piece = next(pieces, None)
        while isinstance(piece, Delta):
            yield from hear(piece)
            piece = next(pieces, None)
    if not isinstance(piece, Completion):
        raise _unfinished(ask)
    yield from listener.end(piece)
    return piece


async def astream(
    flow: Flow[GeneratesAsync, T], audience: Audience[Y, T]
) -> AsyncGenerator[Y, None]:
    """Run a flow to its end with async drivers. Closing it closes the connection."""
    require_asyncio()
    with closing(flow):
        step = advance(flow)
        while not isinstance(step, Done):
            listener = audience.listen(step)
            reply: Completion | BaseException | None = None
            try:
                async with aclosing(_pieces(step)) as pieces:
                    with audience.metered():
                        piece = await anext(pieces, None)
                    # Not `async for`: its first step is the one that is metered.
                    following = pieces.__anext__
                    while isinstance(piece, Delta):
                        for part in (piece,) if _is_small(piece) else _cut(piece):
                            for out in listener.hear(part):
                                yield out
                            if part is not piece:
                                await asyncio.sleep(0)
                        piece = await following()
                if piece is not None:
                    for out in listener.end(piece):
                        yield out
                reply = piece
            except StopAsyncIteration:
                reply = None
            except Exception as exc:  # a driver may raise anything
                reply = driver_error(exc, step.driver)
            step = await answered(flow, reply or _unfinished(step))
        for out in audience.result(step.value):
            yield out


def _pieces(ask: Ask[GeneratesAsync]) -> AsyncGenerator[Delta | Completion, None]:
    if not ask.driver.features.streaming:
        return _whole(ask)
    return ask.driver.stream(ask.request)


async def _whole(ask: Ask[GeneratesAsync]) -> AsyncGenerator[Delta | Completion, None]:
    yield await ask.driver.complete(ask.request)


def _is_small(delta: Delta) -> bool:
    return len(delta.text) <= PIECE_CHARS and len(delta.tool_arguments) <= PIECE_CHARS


def _cut(delta: Delta) -> Iterator[Delta]:
    """A large piece as several."""
    text, arguments = delta.text, delta.tool_arguments
    for at in range(0, max(len(text), len(arguments)), PIECE_CHARS):
        part = slice(at, at + PIECE_CHARS)
        yield replace(delta, text=text[part], tool_arguments=arguments[part])


def _unfinished(ask: Ask[HasModel]) -> ProtocolError:
    return ProtocolError(f"{ask.driver.name}: its stream ended without a Completion")
