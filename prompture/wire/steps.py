"""Generators that do work by asking for it: how to carry one step of them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

Y = TypeVar("Y")
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The generator returned ``value``."""

    value: T


def advance(steps: Generator[Y, S, T], reply: S | BaseException | None = None) -> Y | Done[T]:
    """Send ``reply`` in (an exception is thrown in) and return the next step, or Done.

    The only place that catches StopIteration, so that one raised by a tool or a transport is
    never taken for the end.
    """
    try:
        if isinstance(reply, BaseException):
            return steps.throw(reply)
        return next(steps) if reply is None else steps.send(reply)
    except StopIteration as stop:
        return Done(stop.value)
