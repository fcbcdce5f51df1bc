"""For tests of your own code: drivers that answer from a script or a function.

    driver = ScriptedDriver(['{"total": 12.5}'])
    extract(Receipt, text, model=driver)
    assert driver.requests[0].messages[-1].text == text

Each has an async twin (``AsyncScriptedDriver``, ``AsyncFunctionDriver``) and all that a driver has:
features, ``generate`` methods, hooks, a bill. An answer costs nothing unless it is a Completion with
a usage, and the driver is given ``prices``.
"""

from __future__ import annotations

from prompture.testing.drivers import (
    AsyncFunctionDriver,
    AsyncScriptedDriver,
    FunctionDriver,
    ScriptedDriver,
)

__all__ = ["AsyncFunctionDriver", "AsyncScriptedDriver", "FunctionDriver", "ScriptedDriver"]
