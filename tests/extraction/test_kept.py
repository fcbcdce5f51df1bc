"""Drivers kept by name: what the environment says now, one for all threads, not too many."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from prompture.errors import MissingKey
from prompture.extraction import model_drivers
from prompture.extraction.model_drivers import kept_driver

MODEL = "openai/gpt-5-mini"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_drivers, "_kept", {})
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKey):
        kept_driver(MODEL, asynchronous=False)
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    first = kept_driver(MODEL, asynchronous=False)
    assert kept_driver(MODEL, asynchronous=False) is first
    assert kept_driver(MODEL, asynchronous=True) is not first
    monkeypatch.setenv("OPENAI_API_KEY", "two")
    second = kept_driver(MODEL, asynchronous=False)
    assert second is not first and second.endpoint.api_key == "two"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert kept_driver(MODEL, asynchronous=False).endpoint.base_url == "http://127.0.0.1:9/v1"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(MissingKey):
        kept_driver(MODEL, asynchronous=False)


def test_threads_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    together, make, found = threading.Barrier(8), model_drivers.driver_for, []

    def slowly(*args: Any, **settings: Any) -> Any:
        made = make(*args, **settings)
        together.wait(20)  # all have made one before any is kept
        return made

    monkeypatch.setattr(model_drivers, "driver_for", slowly)
    threads = [
        threading.Thread(target=lambda: found.append(kept_driver(MODEL, asynchronous=False)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 8 and len(set(map(id, found))) == 1


def test_the_oldest_goes_and_only_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_drivers, "KEPT", 2)
    for key, name in (("a", "x"), ("a", "y"), ("b", "x")):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        kept_driver(f"openai/{name}", asynchronous=False)
    assert [model for model, _ in model_drivers._kept] == ["openai/x", "openai/y"]
    kept_driver("openai/z", asynchronous=False)
    assert [model for model, _ in model_drivers._kept] == ["openai/y", "openai/z"]
