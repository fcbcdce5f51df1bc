"""The tiny model is what its makers in ``tests/llama`` say it is."""

from pathlib import Path

from tests.llama.fixtures import Llama


def test_the_file_is_small(tiny_gguf: Path) -> None:
    assert 1_000_000 < tiny_gguf.stat().st_size < 4_000_000


def test_the_server_is_on_loopback(llama_server: Llama) -> None:
    assert llama_server.root.startswith("http://127.0.0.1:")
