"""Fixtures of a real llama.cpp server, one a session; ``tests/conftest.py`` makes them known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KEY = "llama-test-key"


@dataclass(frozen=True, slots=True)
class Llama:
    """A running server. ``root`` has no ``/v1``."""

    root: str
    model: str = "tiny"
    key: str = ""

    @property
    def base_url(self) -> str:
        return self.root + "/v1"


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's file; the test is skipped where it cannot be made or run."""
    missing = [name for name in ("xllamacpp", "gguf", "numpy") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install 'prompture[test]'")
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    subprocess.run([sys.executable, HERE / "tiny_model.py", path], check=True, timeout=60)
    return path


@pytest.fixture(scope="session")
def llama_server(tiny_gguf: Path) -> Iterator[Llama]:
    """A server that asks for no key."""
    with _running(tiny_gguf) as server:
        yield server


@pytest.fixture(scope="session")
def llama_server_with_key(tiny_gguf: Path) -> Iterator[Llama]:
    """A server that wants ``llama_server_with_key.key``."""
    with _running(tiny_gguf, KEY) as server:
        yield server


@contextmanager
def _running(model: Path, key: str = "") -> Iterator[Llama]:
    command = [sys.executable, str(HERE / "server.py"), str(model), key]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout and process.stdin
        try:
            line = next((line for line in process.stdout if line.startswith("READY")), None)
            if line is None:
                pytest.fail("the llama.cpp server did not start")
            yield Llama(line.split()[1], key=key)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
