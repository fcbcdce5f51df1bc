"""Warnings of other packages that are of no use to the user, silenced while they work."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from prompture import forks

_lock = forks.fork_lock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Nothing warns inside. Threads take turns: of two that overlap, the one that came first ends
    first, and the other would put back what it found, a silence for the whole program."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
