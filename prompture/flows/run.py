"""The two runners of flows."""

from __future__ import annotations

from typing import TypeVar

from prompture.errors import PromptureError
from prompture.flows.base import Flow
from prompture.types import Completion
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


async def arun(flow: Flow[T]) -> T:
    """Carry a flow to its end with async drivers."""
    step = advance(flow)
    while not isinstance(step, Done):
        reply: Completion | PromptureError
        try:
            reply = await step.driver.complete(step.request)
        except PromptureError as exc:
            reply = exc
        step = advance(flow, reply)
    return step.value
