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
BEFORE_IT_CAN_HELP = {"track": 6, "budget": 6}
"""Instructions at the start of an ``__exit__`` in Python, before its ``try``, and at the end of an
``__enter__``, behind it."""
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


def interrupted(
    block: Callable[[], AbstractContextManager[Any]],
    at: int,
    kept: list[BaseException],
    fails: bool,
) -> int:
    """Enter and leave the block, with an interrupt before instruction number ``at``; how many there
    were. The interrupt is ``kept``, as notebooks do, with its frames and what these hold."""
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
            if fails:
                raise ValueError
    except (KeyboardInterrupt, ValueError) as exc:
        kept.append(exc)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("is_kept", [False, True], ids=["", "kept"])
@pytest.mark.parametrize("fails", [False, True], ids=["", "after an error"])
@pytest.mark.parametrize("name", BLOCKS)
def test_an_interrupt_at_any_step_leaves_nothing_set(name: str, fails: bool, is_kept: bool) -> None:
    def run(at: int) -> tuple[bool, bool]:
        usual, kept = state(), list[BaseException]()
        is_over = interrupted(BLOCKS[name], at, kept, fails) < at
        if not is_kept:
            kept.clear()
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
    assert len(left_set) <= BEFORE_IT_CAN_HELP.get(name, 0) + (3 if is_kept else 0), left_set


def test_a_block_that_was_not_entered_or_was_left_is_left_without_effect() -> None:
    block = deadline.within(60)
    with deadline.within(30):
        mine = deadline.until()
        block.__exit__(None, None, None)
        assert deadline.until() is mine
    with block:
        pass
    with deadline.within(30):
        mine = deadline.until()
        block.__exit__(None, None, None)
        assert deadline.until() is mine


def test_no_finalizer_runs_for_a_block_that_was_left() -> None:
    # An interrupt that comes in one is lost.
    block = deadline.within(60)
    with block:
        assert hasattr(block, "__del__")
    assert not hasattr(block, "__del__")


def test_the_same_value_set_elsewhere_stays_when_a_block_is_collected() -> None:
    left = contextvars.copy_context()
    block: Any = left.run(lambda: _entered(routes.with_next()))
    with routes.with_next():
        del block
        gc.collect()
        assert routes._has_next.get()


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
