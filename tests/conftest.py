"""What every test shares: no network, no keys, and where ../shared lies."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import signal
import tempfile
from itertools import chain
from pathlib import Path

import pytest

from prompture.drivers import routes
from prompture.drivers.registry import BUILTIN, find
from tests.llama.fixtures import llama_server, llama_server_with_key, tiny_gguf  # noqa: F401

os.environ["PROMPTURE_OFFLINE"] = "1"
os.environ["PROMPTURE_CATALOG"] = "snapshot"  # not what happens to lie in this machine's cache
for name in (
    "PROMPTURE_PRICES",
    "PROMPTURE_MODEL",
    "PROMPTURE_MODELS",
    "PROMPTURE_CONFIG",
    "PROMPTURE_LEDGER",
):
    os.environ.pop(name, None)
# Nor what this machine's user has set for a provider or for the way to it.
for row in map(find, BUILTIN):
    for name in (*row.key_env, *row.url_env, *chain.from_iterable(row.option_env.values())):
        os.environ.pop(name, None)
for name in [n for n in os.environ if n.lower().endswith(("_api_key", "_api_token", "_proxy"))]:
    del os.environ[name]

# Where bytecode is not kept, each of the hundred programs that the tests start would compile the package anew.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ["PYTHONPYCACHEPREFIX"] = bytecode = tempfile.mkdtemp(prefix="prompture-tests-")
    atexit.register(shutil.rmtree, bytecode, ignore_errors=True)

# A shell starts what runs in its background with interrupts ignored, and the programs that the tests
# interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# `PROMPTURE_TEST_LOOP=uvloop pytest ...` runs every async test on uvloop's loop.
if (loop := os.environ.get("PROMPTURE_TEST_LOOP", "")) == "uvloop":
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
elif loop not in ("", "asyncio"):
    raise pytest.UsageError(f"PROMPTURE_TEST_LOOP is {loop!r}: it may be asyncio or uvloop")

SHARED = Path(
    os.environ.get("PROMPTURE_SHARED") or Path(__file__).resolve().parents[1].parent / "shared"
)
ABSENT = "needs the folder ../shared (or PROMPTURE_SHARED), which is not here"


@pytest.fixture(autouse=True)
def new_routes() -> None:
    """No test waits for a pause that another's provider has asked for."""
    routes._routes.clear()
    routes._held.clear()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings, schemas and documents; the test is skipped where it is absent."""
    if not (SHARED / "README.md").is_file():
        pytest.skip(ABSENT)
    return SHARED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tables out of ``../shared`` are empty where it is absent: say so, in pytest's stead."""
    for item in items:
        for number, mark in enumerate(item.own_markers):
            if mark.kwargs.get("reason", "").startswith("got empty parameter set"):
                item.own_markers[number] = pytest.mark.skip(reason=ABSENT).mark
