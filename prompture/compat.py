"""What differs between versions: of Python, of this package, of the private names of others.

Each such name has a fallback, so that a release without it takes away no more than it must.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from queue import Queue
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property:
        """functools' own of Python 3.12: 3.11's holds one lock for all instances of a class,
        which a forked child may find taken for ever."""

        def __init__(self, function: Callable[[Any], Any]) -> None:
            self.function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            found = instance.__dict__[self.name] = self.function(instance)
            return found


__all__ = ["cached_property", "free_queues", "is_own", "renamed"]


def is_own(function: Any, package: str) -> bool:
    """Whether a function is the package's, and no recorder's, mock's or tracer's in its place.

    Wrappers copy names and modules, and pass on attributes; the type and the globals they
    cannot.
    """
    return type(function) is FunctionType and function.__globals__.get("__name__", "").startswith(
        f"{package}."
    )


def free_queues(manager: Any) -> None:
    """Free the locks of the queues in a PoolManager of urllib3; for a forked child, where the
    thread that held one is gone. Their connections can then be closed."""
    for pool in list(getattr(manager.pools, "_container", {}).values()):
        queue = pool.pool
        if isinstance(queue, Queue) and queue.mutex.locked():
            queue.mutex.release()


def renamed(module: str, name: str, names: Mapping[str, str]) -> Any:
    """For a module's ``__getattr__``: what an old name of it stands for, with a warning.

    ``names`` are old names and their new ones. Raises AttributeError for any other.
    """
    new = names.get(name)
    if new is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    warnings.warn(f"{module}.{name} is now {module}.{new}", DeprecationWarning, stacklevel=3)
    return getattr(sys.modules[module], new)
