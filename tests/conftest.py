"""What every test shares: no network, no keys, and where ../shared lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.llama.fixtures import llama_server, llama_server_with_key, tiny_gguf  # noqa: F401

os.environ["PROMPTURE_OFFLINE"] = "1"
os.environ["PROMPTURE_CATALOG"] = "snapshot"  # not what happens to lie in this machine's cache
os.environ.pop("PROMPTURE_PRICES", None)
for name in [n for n in os.environ if n.endswith(("_API_KEY", "_API_TOKEN")) or n == "HF_TOKEN"]:
    del os.environ[name]

SHARED = Path(
    os.environ.get("PROMPTURE_SHARED") or Path(__file__).resolve().parents[1].parent / "shared"
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings, schemas and documents; the test is skipped where it is absent."""
    if not (SHARED / "README.md").is_file():
        pytest.skip("needs the folder ../shared (or PROMPTURE_SHARED), which is not here")
    return SHARED
