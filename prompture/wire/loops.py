"""Which event loops the awaited calls run on."""

from __future__ import annotations

import asyncio

from prompture.errors import ConfigurationError


def require_asyncio() -> None:
    """Raise ConfigurationError where no asyncio task is running (trio, curio, no loop at all).

    A task, not only a loop: trio in guest mode has asyncio's loop beneath it.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        raise ConfigurationError(
            "the awaited calls run on asyncio only (its own loop, uvloop, anyio's asyncio backend); "
            "elsewhere use the sync call in a worker thread, as trio.to_thread.run_sync does"
        )
