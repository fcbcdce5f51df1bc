"""Objects whose locks and threads must be made anew in a forked child."""

from __future__ import annotations

import os
import weakref
from typing import Any

_kept: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def renewed_at_fork(thing: Any, method: str) -> None:
    """Call ``thing.method()`` in every child that is forked while the thing lives."""
    _kept[thing] = method


def _renew() -> None:
    for thing, method in list(_kept.items()):
        getattr(thing, method)()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
