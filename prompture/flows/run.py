"""The two runners of flows."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TypeVar

from prompture.drivers import hooks
from prompture.errors import PromptureError, ProtocolError
from prompture.flows.ask import Ask, D, Flow, Generates, GeneratesAsync, HasModel
from prompture.types import LARGE_CHARS, Completion
from prompture.wire.steps import Done, advance, require_asyncio

T = TypeVar("T")


def run(flow: Flow[Generates, T]) -> T:
    """Run a flow to its end with sync drivers."""
    step = advance(flow)
    while not isinstance(step, Done):
        reply: Completion | BaseException
        try:
            reply = step.driver.complete(step.request)
        except BaseException as exc:  # whatever it is, the flow adds its bill
            reply = driver_error(exc, step.driver)
        step = advance(flow, reply)
    return step.value


def driver_error(exc: BaseException, driver: HasModel) -> BaseException:
    """What a driver raised, as an error of ours.

    A driver may be somebody else's and raise anything; its exception is then the cause of a
    ProtocolError, so that another model may be asked. What ends a program (an interrupt, a
    cancelled task), an assertion, and what a hook raised to end the call stay what they are.
    """
    is_final = not isinstance(exc, Exception) or isinstance(exc, (AssertionError, MemoryError))
    if is_final or isinstance(exc, PromptureError) or _is_of_a_hook(exc.__traceback__):
        return exc
    name = getattr(driver, "name", type(driver).__name__)
    error = ProtocolError(
        f"{name}: the driver raised {type(exc).__name__} (the cause of this error), which no"
        " driver should"
    )
    error.__cause__ = exc
    error.bill = getattr(exc, "bill", None)
    return error


def _is_of_a_hook(tb: TracebackType | None) -> bool:
    while tb is not None:
        if tb.tb_frame.f_globals.get("__name__") == hooks.__name__ and tb.tb_next is not None:
            return True
        tb = tb.tb_next
    return False


async def answered(flow: Flow[D, T], reply: Completion | BaseException) -> Ask[D] | Done[T]:
    """``advance``, away from the event loop where it may take long."""
    if isinstance(reply, Completion) and chars_of(reply) > LARGE_CHARS:
        return await asyncio.to_thread(advance, flow, reply)
    return advance(flow, reply)


def chars_of(completion: Completion) -> int:
    """How long an answer is."""
    return len(completion.text) + sum(len(call.raw_arguments) for call in completion.tool_calls)


async def arun(flow: Flow[GeneratesAsync, T]) -> T:
    """Run a flow to its end with async drivers."""
    require_asyncio()
    step = advance(flow)
    while not isinstance(step, Done):
        reply: Completion | BaseException
        try:
            reply = await step.driver.complete(step.request)
        except GeneratorExit:
            raise
        except BaseException as exc:  # whatever it is, the flow adds its bill
            reply = driver_error(exc, step.driver)
        step = await answered(flow, reply)
    return step.value
