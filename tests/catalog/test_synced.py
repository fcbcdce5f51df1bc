"""Providers' own lists of models: what is new, gone and unpriced, and the user's file of them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prompture import catalog
from prompture.catalog.synced import VARIABLE, held_against, keep
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.errors import AuthenticationError, ConfigurationError
from prompture.types import ModelInfo
from tests.loopback import json_reply, serving

LISTED = [
    {"id": "gpt-5-mini"},
    {"id": "gpt-5-mini-2025-08-07"},
    {"id": "gpt-9-nova", "created": 1_790_000_000, "context_length": 500_000},
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "kept" / "models.json"
    monkeypatch.setenv(VARIABLE, str(path))
    catalog.reset()
    yield path
    monkeypatch.delenv(VARIABLE)
    catalog.reset()


def synced(colour: str, url: str, **options: Any) -> catalog.ModelSync:
    settings: dict[str, Any] = {"api_key": "k" * 20, "base_url": f"{url}/v1"}
    if colour == "sync":
        with driver_for("openai/gpt-5-mini", **settings) as driver:
            return driver.sync_models(**options)

    async def ask() -> catalog.ModelSync:
        async with async_driver_for("openai/gpt-5-mini", **settings) as other:
            return await other.sync_models(**options)

    return asyncio.run(ask())


colours = pytest.mark.parametrize("colour", ["sync", "async"])


@colours
def test_new_gone_and_unpriced_and_known_from_then_on(colour: str, file: Path) -> None:
    assert catalog.find("openai/gpt-9-nova") is None
    with serving([json_reply({"data": LISTED})]) as server:
        found = synced(colour, server.url)
    assert found.new == ("gpt-9-nova",) and found.unpriced == ("gpt-9-nova",)
    assert "gpt-5-mini" not in found.gone and "gpt-4o" in found.gone
    assert found.path == file and len(found.models) == 3
    assert str(found).startswith("openai: 3 models, 1 new, ")
    entry = catalog.find("openai/gpt-9-nova")
    assert entry is not None and entry.source == "synced" and entry.rates is None
    assert [e.id for e in catalog.search("gpt-9-nova")] == ["gpt-9-nova"]
    assert "synced" in catalog.status().sources
    # Another process reads the same file.
    catalog.reset()
    assert catalog.find("openai/gpt-9-nova") == entry
    assert driver_for("openai/gpt-9-nova", api_key="k").validate("hi") == ()


def test_a_dated_name_keeps_its_price_and_is_listed_once(file: Path) -> None:
    before = catalog.find("openai/gpt-5-mini-2025-08-07")
    count = len(list(catalog.entries("openai")))
    with serving([json_reply({"data": LISTED})]) as server:
        synced("sync", server.url)
    assert catalog.find("openai/gpt-5-mini-2025-08-07") == before
    assert len(list(catalog.entries("openai"))) == count + 1


def test_one_provider_takes_no_other_away(file: Path) -> None:
    catalog.sync("openai", [ModelInfo(id="gpt-9-nova")])
    catalog.sync("groq", [ModelInfo(id="fast-1", context_tokens=8000)])
    catalog.sync("openai", [ModelInfo(id="gpt-9-vega")])
    data = json.loads(file.read_text())
    assert list(data["providers"]["openai"]["models"]) == ["gpt-9-vega"]
    found = catalog.find("groq/fast-1")
    assert found is not None and found.limits.context == 8000
    assert catalog.find("openai/gpt-9-nova") is None
    assert [p.name for p in file.parent.iterdir()] == ["models.json"]


def test_nothing_is_kept_unless_wanted(file: Path) -> None:
    found = catalog.sync("openai", [ModelInfo(id="gpt-9-nova")], keep=False)
    assert found.new == ("gpt-9-nova",) and found.path is None and not file.exists()
    assert catalog.find("openai/gpt-9-nova") is None


def test_models_of_ones_own_machine_lack_no_price(file: Path) -> None:
    assert catalog.sync("ollama", [ModelInfo(id="my-own:1b")], free=True).unpriced == ()


def test_a_refused_key_keeps_nothing(file: Path) -> None:
    refused = json_reply({"error": {"message": "no"}}, status=401)
    with serving([refused]) as server, pytest.raises(AuthenticationError):
        synced("sync", server.url)
    assert not file.exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 9, "providers": {}}'])
def test_a_file_that_is_none_is_logged_and_not_written_over(
    text: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert catalog.find("openai/gpt-5-mini") is not None
    assert VARIABLE in caplog.text
    with pytest.raises(ConfigurationError):
        catalog.sync("openai", [ModelInfo(id="m")])
    assert file.read_text() == text


def test_a_price_of_ones_own_joins_what_was_synced(file: Path) -> None:
    catalog.sync("openai", [ModelInfo(id="gpt-9-nova", context_tokens=500_000)])
    catalog.set_price("openai/gpt-9-nova", input=1, output=2)
    try:
        entry = catalog.find("openai/gpt-9-nova")
        assert entry is not None and entry.rates is not None and entry.limits.context == 500_000
    finally:
        catalog.clear_prices()


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_of_several_at_once_none_is_lost(file: Path) -> None:
    """``prompture models --sync A & prompture models --sync B``."""
    barrier = threading.Barrier(8)

    def work(name: str) -> None:
        barrier.wait()
        for round in range(5):
            keep(file, f"{name}{round}", [ModelInfo(id="m")])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads(file.read_text())["providers"]) == 40


def test_a_model_without_a_name_is_not_kept(file: Path) -> None:
    found = held_against("acme", [ModelInfo(id=""), ModelInfo(id="m")], find=lambda _: None, ids=())
    assert [model.id for model in found.models] == ["m"] and found.new == ("m",)
