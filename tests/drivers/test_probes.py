"""What every HTTP driver can be asked besides completions, in both colours, over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prompture.drivers import classes, registry
from prompture.drivers.probe import Health
from prompture.errors import AuthenticationError, PromptureError
from prompture.wire.http import HTTPResponse
from prompture.wire.retry import Retry
from tests.loopback import Asked, Loopback, Reply, json_reply, serving

GOOD, BAD = "a-key-that-is-good", "a-key-that-is-bad"
SETTINGS = {"account": "acc", "project": "p", "region": "us-east-1"}
LISTS: dict[str, Any] = {
    "gemini": {"models": [{"name": "models/m1"}]},
    "cohere_v2": {"models": [{"name": "m1"}]},
    "bedrock_converse": {"modelSummaries": [{"modelId": "m1"}]},
    "ollama": {"models": [{"name": "m1", "model": "m1"}]},
}
LEFT = {"x_ratelimit_limit_requests": "9", "x_ratelimit_remaining_requests": "8"}


def ways() -> Iterator[tuple[str, str | None]]:
    for name in registry.BUILTIN:
        row = registry.find(name)
        if row.codec.__class__.__name__ != "_NoCodec":
            yield from ((name, api) for api in (None, *row.codecs))


def replies(name: str, api: str | None, public: bool = False) -> Callable[[Asked], Reply]:
    row = registry.find(name)
    codec = row.codecs[api] if api else row.codec
    listed = LISTS.get(codec.dialect, {"data": [{"id": "m1"}], "has_more": False})

    def reply(asked: Asked) -> Reply:
        is_list = "models" in asked.path or asked.path.endswith("/api/tags")
        if BAD in str(dict(asked.headers)) and not (public and is_list):
            return json_reply({"error": {"message": "no such key"}}, status=401)
        return json_reply(listed if is_list else {"data": {}}, **LEFT)

    return reply


def ask(name: str, api: str | None, key: str, server: Loopback) -> list[tuple[Any, Any, Any]]:
    """(models, whether the key is taken, health) in each colour; an error stands for itself."""
    row = registry.find(name)
    settings: dict[str, Any] = {k: v for k, v in SETTINGS.items() if k in row.options}
    settings |= {"api_key": key, "base_url": f"{server.url}/v1", "api": api}
    settings["retry"] = Retry(attempts=1)
    model = f"{name}/{row.default_model or 'm'}"

    def sync() -> tuple[Any, Any, Any]:
        with classes.driver_for(model, **settings) as driver:
            try:
                listed: Any = [m.id for m in driver.list_models()]
            except AuthenticationError as error:
                listed = type(error)
            return listed, driver.check_credentials(), driver.health()

    async def aio() -> tuple[Any, Any, Any]:
        async with classes.async_driver_for(model, **settings) as driver:
            try:
                listed: Any = [m.id for m in await driver.list_models()]
            except AuthenticationError as error:
                listed = type(error)
            return listed, await driver.check_credentials(), await driver.health()

    return [sync(), asyncio.run(aio())]


@pytest.mark.parametrize(("name", "api"), list(ways()))
def test_a_key(name: str, api: str | None) -> None:
    with serving(replies(name, api)) as server:
        for listed, taken, health in ask(name, api, GOOD, server):
            assert listed == ["m1"]
            assert taken is True
            assert (health.reachable, health.authorised, health.models) == (True, True, 1)
            assert health.rate_limits.requests_remaining == 8
            assert 0 < health.seconds < 10 and not health.problem
        for listed, taken, health in ask(name, api, BAD, server):
            assert listed is AuthenticationError
            assert taken is False
            assert isinstance(health, Health) and health.reachable
            assert health.authorised is False and "no such key" in health.problem


@pytest.mark.parametrize("api", [None, "responses"])
def test_a_list_for_anybody_says_nothing_of_the_key(api: str | None) -> None:
    with serving(replies("openrouter", api, public=True)) as server:
        for listed, taken, health in ask("openrouter", api, BAD, server):
            assert (listed, taken) == (["m1"], False)
            assert health.reachable and health.authorised is False
        assert {a.path for a in server.asked} == {"/v1/models", "/v1/key"}


def test_a_whole_address_is_asked_only_of_the_provider_itself() -> None:
    from prompture.drivers.probe import _key_request

    row = registry.find("huggingface")
    asked = _key_request(row, row.endpoint(GOOD))
    assert asked and asked.url == "https://huggingface.co/api/whoami-v2"
    assert GOOD in asked.headers["authorization"]
    assert _key_request(row, row.endpoint(GOOD, "https://mine.example/v1")) is None
    assert _key_request(registry.find("openai"), registry.find("openai").endpoint(GOOD)) is None


SHAPES: list[Any] = [
    None, [], {}, 3, "x", {"data": None}, {"data": [None, 3, "x", {}]}, {"data": [{"id": 3}]},
    {"data": {"a": 1}}, {"models": [None, {"name": 3}, {}]}, {"models": "x"},
    {"models": [{"name": "a", "context_length": "x", "inputTokenLimit": "x"}]},
    {"result": [None, {}]}, {"modelSummaries": [None, 3, {}]}, {"modelSummaries": {}},
    {"data": [{"id": "a", "created": "x", "owned_by": 3, "context_length": "big"}]},
]  # fmt: skip


@pytest.mark.parametrize("name", registry.BUILTIN)
def test_a_list_of_models_of_any_shape_is_read_or_refused(name: str) -> None:
    row = registry.find(name)
    for codec in (row.codec, *row.codecs.values()):
        for body in SHAPES if codec.dialect != "none" else ():
            response = HTTPResponse(200, {}, json.dumps(body).encode())
            with contextlib.suppress(PromptureError):
                models, _ = codec.read_models(response)
                assert all(isinstance(m.id, str) for m in models)
