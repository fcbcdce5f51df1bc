"""The two runners of flows."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from prompture.errors import PromptureError
from prompture.flows.base import Ask, Flow
from prompture.types import Completion
from prompture.wire.loops import require_asyncio
from prompture.wire.steps import Done, advance

T = TypeVar("T")


def run(flow: Flow[T]) -> T:
    """Carry a flow to its end with sync drivers."""
    step = advance(flow)
    while not isinstance(step, Done):
        reply: Completion | PromptureError
        try:
            reply = step.driver.complete(step.request)
        except PromptureError as exc:
            reply = exc
        step = advance(flow, reply)
    return step.value


LARGE_CHARS = 1_000_000
"""A longer answer is read in a thread of its own, where it holds up no event loop."""


async def answered(flow: Flow[T], reply: Completion | PromptureError) -> Ask | Done[T]:
    """``advance``, away from the event loop where it may take long."""
    if isinstance(reply, Completion) and chars_of(reply) > LARGE_CHARS:
        return await asyncio.to_thread(advance, flow, reply)
    return advance(flow, reply)


def chars_of(completion: Completion) -> int:
    """How long an answer is."""
    return len(completion.text) + sum(len(call.raw_arguments) for call in completion.tool_calls)


async def arun(flow: Flow[T]) -> T:
    """Carry a flow to its end with async drivers."""
    require_asyncio()
    step = advance(flow)
    while not isinstance(step, Done):
        reply: Completion | PromptureError
        try:
            reply = await step.driver.complete(step.request)
        except PromptureError as exc:
            reply = exc
        step = await answered(flow, reply)
    return step.value
