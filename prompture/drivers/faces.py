"""The former name of ``prompture.drivers.generate``. Importing a name from here warns."""

from __future__ import annotations

import warnings
from typing import Any

from prompture.drivers import generate

_RENAMED = {"SyncFaces": "SyncGenerate", "AsyncFaces": "AsyncGenerate"}


def __getattr__(name: str) -> Any:
    found = getattr(generate, _RENAMED.get(name, name))
    if not name.startswith("__"):
        warnings.warn(
            f"prompture.drivers.faces.{name} is now "
            f"prompture.drivers.generate.{_RENAMED.get(name, name)}",
            DeprecationWarning,
            stacklevel=2,
        )
    return found
