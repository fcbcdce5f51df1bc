"""What a block sets for the calls inside is gone after an interrupt, at whatever step it came."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

import pytest

import prompture
from prompture.drivers import limits, meter, routes
from prompture.spend import scope
from prompture.wire import deadline, steps

BLOCKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "deadline": lambda: deadline.within(60),
    "metering": lambda: meter.metering(meter.ChargeRecorder()),
    "track": prompture.track,
    "budget": lambda: prompture.Budget(calls=5),
    "labels": lambda: prompture.labels(customer="acme"),
    "priority": lambda: limits.priority("bulk"),
    "cascade": routes.with_next,
}
BEFORE_IT_CAN_HELP = {"track": 8, "budget": 8}
"""Instructions at the start of an ``__exit__`` in Python, before its ``try``."""
FILES = (contextlib.__file__, steps.__file__, scope.__file__, meter.__file__, deadline.__file__)


def state() -> list[object]:
    return [
        deadline.until(),
        meter.active(),
        scope.labels_now(),
        scope._entered.get(),
        limits.is_bulk(None),
        routes._has_next.get(),
    ]


def interrupted(block: Callable[[], AbstractContextManager[Any]], at: int) -> int:
    """Enter and leave the block, with an interrupt before instruction number ``at``; how many there
    were."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == at:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    made = block()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 else shows no instruction the first time
    sys.settrace(trace)
    try:
        with made:
            pass
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", BLOCKS)
def test_an_interrupt_at_any_step_leaves_nothing_set(name: str) -> None:
    def run(at: int) -> tuple[bool, bool]:
        usual = state()
        is_over = interrupted(BLOCKS[name], at) < at
        gc.collect(0)
        return is_over, state() == usual

    at, left_set = 1, []
    while True:
        is_over, is_usual = contextvars.copy_context().run(run, at)
        if is_over:
            break
        left_set += [] if is_usual else [at]
        at += 1
    assert at > 10
    assert len(left_set) <= BEFORE_IT_CAN_HELP.get(name, 0), left_set


def test_a_block_that_is_collected_elsewhere_changes_nothing_there() -> None:
    left = contextvars.copy_context()
    block: Any = left.run(lambda: _entered(deadline.within(60)))
    with deadline.within(30):
        mine = deadline.until()
        del block
        gc.collect()
        assert deadline.until() is mine


def _entered(block: Any) -> Any:
    block.__enter__()
    return block
