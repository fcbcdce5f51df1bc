"""Validating a long answer without holding up the other threads.

pydantic-core keeps the interpreter's lock for as long as one call takes, half a second for ten
megabytes. A validator that calls a Python function after each item of a list lets go of it
whenever another thread, such as one that runs an event loop, waits for its turn.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prompture.forks import fork_lock
from prompture.schema.core_schemas import Core, rebuilt

_BRANCHING = ("union", "tagged-union")
_INNER = {"list": "items_schema", "dict": "values_schema"}


def yielding(core: Core) -> Core:
    """A core schema that gives the same values and errors."""
    return _paused(core)


def _pause(value: object) -> Any:
    """Do nothing. The interpreter lets waiting threads run when a Python function is entered."""
    return value


def _paused(node: Core) -> Core:
    if node.get("type") in _BRANCHING:
        return node  # a union weighs its branches by how they validate
    copy = rebuilt(node, _paused)
    inner = _INNER.get(str(copy.get("type")), "")
    if inner in copy:
        function = {"type": "no-info", "function": _pause}
        copy[inner] = {"type": "function-after", "function": function, "schema": copy[inner]}
    return copy


_lock = fork_lock()
_quiet = 0
_was_enabled = False


@contextmanager
def no_collection() -> Iterator[None]:
    """Switch the cycle collector off while many objects are made, none of which is garbage.

    It would look at all of them time and again: three quarters of the time that ten megabytes
    take.
    """
    global _quiet, _was_enabled
    with _lock:
        if not _quiet:
            _was_enabled = gc.isenabled()
            gc.disable()
        _quiet += 1
    try:
        yield
    finally:
        with _lock:
            _quiet = max(0, _quiet - 1)
            if not _quiet and _was_enabled:
                _make_old()
                gc.enable()


def _renew() -> None:
    """A forked child does not have the thread that switched the collector off: switch it on."""
    global _quiet
    if _quiet:
        _quiet = 0
        if _was_enabled:
            gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def _make_old() -> None:
    """Put the new objects to the old ones, or the collector would look at all of them at once."""
    if not gc.get_freeze_count():  # else what the program itself has frozen would thaw
        gc.freeze()
        gc.unfreeze()
