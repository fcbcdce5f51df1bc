"""A deadline bounds the whole call: waiting for bytes, tries and pauses, models."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture.errors import PromptureError, ServerError, TransportError
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from tests.loopback import Asked, Reply, json_reply, serving


class Line(BaseModel):
    name: str


def extracted(models: Any, **options: Any) -> Any:
    return prompture.extract(Line, "t", model=models, **options)


def streamed(models: Any, **options: Any) -> Any:
    return list(prompture.extract_stream(Line, "t", model=models, **options))[-1].value


def itemised(models: Any, **options: Any) -> Any:
    return list(prompture.extract_items(Line, "t", model=models, **options))


def aextracted(models: Any, **options: Any) -> Any:
    return asyncio.run(prompture.aextract(Line, "t", model=models, **options))


def astreamed(models: Any, **options: Any) -> Any:
    async def run() -> Any:
        found = prompture.aextract_stream(Line, "t", model=models, **options)
        return [p.value async for p in found][-1]

    return asyncio.run(run())


SYNC = [extracted, streamed, itemised]
ASYNC = [aextracted, astreamed]


def driver(way: Any, url: str) -> Any:
    make: Any = prompture.async_driver_for if way in ASYNC else prompture.driver_for
    return make("openai-compatible/m", base_url=f"{url}/v1")


@pytest.mark.parametrize("way", [*SYNC, *ASYNC])
def test_a_server_that_does_not_answer(way: Any) -> None:
    over = threading.Event()

    def never(asked: Asked) -> Reply:
        over.wait(20)
        return json_reply({})

    second: Any = (AsyncScriptedDriver if way in ASYNC else ScriptedDriver)([{"name": "Ann"}])
    with serving(never) as server:
        began = time.monotonic()
        with pytest.raises(TransportError) as caught:
            way([driver(way, server.url), second], deadline=0.2)
        took = time.monotonic() - began
        over.set()
    assert took < 10 and not second.requests
    assert caught.value.bill is not None and caught.value.attempts


@pytest.mark.parametrize("way", [*SYNC, *ASYNC])
def test_a_server_that_asks_to_wait(way: Any) -> None:
    busy = json_reply({"error": {"message": "busy"}}, status=503, retry_after="60")
    with serving([busy] * 9) as server:
        began = time.monotonic()
        with pytest.raises(PromptureError) as caught:
            way(driver(way, server.url), deadline=0.3)
        assert time.monotonic() - began < 10
    assert isinstance(caught.value, (ServerError, TransportError))


def test_one_that_is_far_changes_nothing() -> None:
    for way in (*SYNC, *ASYNC):
        answer = {"items": [{"name": "Ann"}]} if way is itemised else {"name": "Ann"}
        model: Any = (AsyncScriptedDriver if way in ASYNC else ScriptedDriver)([answer])
        assert way(model, deadline=60)


def test_an_extractor_has_it_for_each_call() -> None:
    made = prompture.Extractor(Line, model=ScriptedDriver([{"name": "Ann"}] * 2), deadline=60)
    assert made.extract("t") == made.extract("t")
