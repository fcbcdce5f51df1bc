"""Drivers that cross processes and are copied: by their settings, never by their connections.

The settings hold the key: a pickle of a driver is a secret.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any

from prompture.errors import ConfigurationError

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver

_NAMES = {"_transport": "session or client", "_own_hooks": "hooks", "retry": "retry"}
Known = tuple[str, ...]


def reduced(driver: BaseDriver) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """What pickle makes the driver anew from. Raises ConfigurationError, which names what the
    caller gave it that cannot be pickled."""
    state = driver.__getstate__()
    for name, value in state.items():
        try:
            pickle.dumps(value)
        except Exception as exc:  # foreign objects raise what they like
            raise ConfigurationError(
                f"{driver.name}: the driver cannot be pickled, for its "
                f"{_NAMES.get(name, name.strip('_'))} cannot ({type(exc).__name__}); make the "
                f"driver in the process that uses it"
            ) from exc
    return _blank, (_known(type(driver)),), state


def copied(driver: BaseDriver, memo: dict[int, Any]) -> BaseDriver:
    """The same driver with connections of its own; hooks, and a session or client that the
    caller gave, are shared."""
    made = object.__new__(type(driver))
    memo[id(driver)] = made
    state = driver.__getstate__()
    for shared in ("_own_hooks", "retry", "endpoint", "_given", "_features"):
        if shared in state:
            memo[id(state[shared])] = state[shared]
    transport = state.pop("_transport", None)
    made.__setstate__(
        {**deepcopy(state, memo), **({"_transport": copy(transport)} if transport else {})}
    )
    return made


def _known(kind: type[BaseDriver]) -> Known:
    """How another process finds a driver's class: by its module, or by its provider's row."""
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is kind:
        return (kind.__module__, kind.__qualname__)
    from prompture.drivers import registry

    row = kind.provider
    for name in ("engines_of", "drivers_of") if row.engine else ("drivers_of",):
        both: tuple[Any, ...] = getattr(registry, name)(row)
        if kind in both:
            return (row.name, name, str(both.index(kind)))
    raise ConfigurationError(
        f"{row.name}: a driver of class {kind.__qualname__} cannot be pickled: no module has the "
        f"class by that name"
    )


def _blank(known: Known) -> BaseDriver:
    if len(known) == 2:
        __import__(known[0])
        kind: Any = sys.modules[known[0]]
        for part in known[1].split("."):
            kind = getattr(kind, part)
    else:
        from prompture.drivers import registry

        kind = getattr(registry, known[1])(registry.find(known[0]))[int(known[2])]
    made: BaseDriver = object.__new__(kind)
    return made
