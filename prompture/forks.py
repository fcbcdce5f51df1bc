"""What must be made anew in a forked child: locks, threads, connections.

A child has one thread, and copies of everything. A lock that another thread held stays held for
ever there; a socket is the parent's, too, and what is read from it the parent misses.
"""

from __future__ import annotations

import os
import weakref
from threading import Lock
from typing import Any

# Weak, so that being listed here keeps nothing alive.
_kept: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()
_locks: weakref.WeakSet[Lock] = weakref.WeakSet()
_of_parents: list[object] = []
_count = 0


def renewed_at_fork(thing: object, method: str) -> None:
    """Call ``thing.method()`` in every child that is forked while the thing lives."""
    _kept[thing] = method


def fork_lock() -> Lock:
    """A lock that every forked child finds free. Nothing may fork while it holds one."""
    made = Lock()
    _locks.add(made)
    return made


def left_to_parent(thing: object) -> None:
    """In a forked child: keep a thing of the parent's for good. To let go of it could close what the
    parent uses (a socket, a database), or wait for threads that are not here."""
    _of_parents.append(thing)


def count() -> int:
    """How many forks lie between this process and the first.

    Who keeps the number and finds another one later is in a forked child.
    """
    return _count


def free_lock(lock: Any) -> None:
    """Free a lock in a forked child. Only its thread is left: whoever held the lock is gone.

    What ``locked()`` says is not to be asked: a thread that had waited for the lock may have got
    it, and not yet returned with it, for it waited for the interpreter, too.
    """
    if renew := getattr(lock, "_at_fork_reinit", None):
        renew()
    elif lock.locked():
        lock.release()


def _renew() -> None:
    global _count
    _count += 1
    for lock in list(_locks):  # first, for what is renewed below may take them
        free_lock(lock)
    # A list: what is made anew may enter itself again.
    for thing, method in list(_kept.items()):
        getattr(thing, method)()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
