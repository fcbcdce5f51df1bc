"""Provider rows and the drivers made of them.

The driver classes of built-in providers (``GroqDriver``, ``AsyncGroqDriver``, ...) are made of
their rows when they are first asked for; ``__init__.pyi`` lists them for type checkers and
editors, and a test holds the two together.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "AsyncDriver": "base",
    "AsyncInProcessDriver": "inprocess",
    "AsyncOpenAICompatible": "openai_compatible",
    "BaseDriver": "core",
    "CostMixin": "cost",
    "Driver": "base",
    "Features": "provider",
    "InProcessDriver": "inprocess",
    "OpenAICompatible": "openai_compatible",
    "Provider": "provider",
    "async_driver_for": "classes",
    "driver_for": "classes",
    "register": "registry",
    "resolve": "registry",
    "unregister": "registry",
}


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        found = getattr(import_module(f"{__name__}.{home}"), name)
    elif not name.endswith("Driver"):  # nothing is imported for what cannot be there
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    else:
        from prompture.drivers.classes import builtin_class

        found = builtin_class(name)
        if found is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from prompture.drivers.registry import BUILTIN

    stems = [stem for _, _, stem in BUILTIN.values() if stem]
    made = [f"{colour}{stem}Driver" for stem in stems for colour in ("", "Async")]
    return sorted({*globals(), *_HOMES, *made})
