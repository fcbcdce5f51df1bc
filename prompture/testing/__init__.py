"""For tests of your own code: drivers that answer from a script or a function.

    driver = ScriptedDriver(['{"total": 12.5}'])
    extract(Receipt, text, model=driver)
    assert driver.requests[0].messages[-1].text == text

Each has both colours (``AsyncScriptedDriver``, ``AsyncFunctionDriver``) and all that a driver has:
flags, faces, hooks, bill. What they answer costs nothing unless a Completion states a usage and
the driver is given ``prices``.
"""

from __future__ import annotations

from prompture.testing.drivers import (
    AsyncFunctionDriver,
    AsyncScriptedDriver,
    FunctionDriver,
    ScriptedDriver,
)

__all__ = ["AsyncFunctionDriver", "AsyncScriptedDriver", "FunctionDriver", "ScriptedDriver"]
