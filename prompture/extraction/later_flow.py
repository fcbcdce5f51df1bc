"""Files are read before the first call of a stream, within its deadline: in a thread, if awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from prompture.extraction.document_turn import Content, files_read, has_files
from prompture.flows.run import Flow, LaterFlow

if TYPE_CHECKING:
    from prompture.flows.stream import RunningBill

T = TypeVar("T")


def read_within(text: Content, running: RunningBill) -> Any:
    """The text with its files read."""
    if type(text) is str or not has_files(text):
        return text
    with running.reading():
        return files_read(text)


def flow_of(
    text: Content, make: Callable[[Any], Flow[Any, T]], running: RunningBill
) -> LaterFlow[Any, T]:
    """The flow for a text; where files are to be read first, an awaitable's maker of it."""
    if type(text) is str or not has_files(text):
        return make(text)

    async def later() -> Flow[Any, T]:
        return make(await asyncio.to_thread(read_within, text, running))

    return later
