"""From a string to a driver: names, separators, defaults, rows of one's own, plugins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from prompture.codecs.anthropic import Anthropic
from prompture.codecs.gemini import Gemini
from prompture.codecs.ollama import Ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers import classes, registry
from prompture.drivers.provider import Provider
from prompture.errors import ConfigurationError, UnknownModel
from prompture.types import Request, user

MINE = Provider(
    name="acme",
    aliases=("ac",),
    codec=OpenAIChat(),
    base_url="https://llm.acme.example/v1",
    key_env=("ACME_API_KEY",),
    default_model="acme-1",
    docs="https://acme.example",
)


@pytest.fixture
def mine() -> Iterator[Provider]:
    registry.register(MINE)
    yield MINE
    registry.unregister("acme")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("openai/gpt-4o", ("openai", "gpt-4o")),
        ("openai:gpt-4o", ("openai", "gpt-4o")),
        ("openrouter/openai/gpt-4o:free", ("openrouter", "openai/gpt-4o:free")),
        ("ollama/llama3.1:8b", ("ollama", "llama3.1:8b")),
        ("ollama:llama3.1:8b", ("ollama", "llama3.1:8b")),
        ("modelscope/Qwen/Qwen3-32B", ("modelscope", "Qwen/Qwen3-32B")),
        ("openai:ft/x", ("openai", "ft/x")),
        ("OpenAI/gpt-4o", ("OpenAI", "gpt-4o")),
        ("groq", ("groq", "")),
        (" openai / gpt-4o\n", ("openai", "gpt-4o")),
        ("ollama : llama3.1:8b ", ("ollama", "llama3.1:8b")),
        ("unknown/x", ("unknown", "x")),
        ("openai-compatible/a/b", ("openai-compatible", "a/b")),
    ],
)
def test_split(model: str, expected: tuple[str, str]) -> None:
    assert registry.split(model) == expected


@pytest.mark.parametrize("model", ["gpt-4o", "llama3.1:8b", "", "what ever"])
def test_no_provider_named(model: str) -> None:
    with pytest.raises(UnknownModel, match="provider/model"):
        registry.split(model)


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPTURE_MODEL", raising=False)
    for row in map(registry.find, registry.BUILTIN):
        for name in row.key_env:
            monkeypatch.delenv(name, raising=False)
    assert registry.default_model() == "local/rules"
    monkeypatch.setenv("MINE_OWN_KEY", "k")
    registry.register(
        replace(registry.find("groq"), name="mine-own", key_env=("MINE_OWN_KEY",), aliases=())
    )
    assert registry.default_model().startswith("mine-own/")
    registry.unregister("mine-own")
    monkeypatch.setenv("GROQ_API_KEY", "k")
    assert registry.default_model().startswith("groq/")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert registry.default_model().startswith("openai/")
    monkeypatch.setenv("PROMPTURE_MODEL", "mistral/x")
    assert registry.default_model() == "mistral/x"
    assert registry.resolve("groq")[1] == registry.find("groq").default_model
    with pytest.raises(UnknownModel, match="lmstudio/<model>"):
        registry.resolve("lmstudio")


def test_a_row_of_ones_own(mine: Provider) -> None:
    for name in ("acme", "ac"):
        driver: Any = classes.driver_for(f"{name}/m", api_key="k")
        assert driver.name == "acme/m"
        assert type(driver).__name__ == "AcmeDriver"
    assert registry.resolve("acme") == (mine, "acme-1")
    assert "acme" in registry.names()
    assert type(classes.async_driver_for("acme/m", api_key="k")).__name__ == "AsyncAcmeDriver"


@pytest.mark.parametrize("name", ["openai", "anthropic", "acme", "ac", "kimi", "OpenAI"])
def test_a_name_that_is_taken(mine: Provider, name: str) -> None:
    with pytest.raises(ConfigurationError, match="already there"):
        registry.register(replace(MINE, name=name, aliases=()))
    with pytest.raises(ConfigurationError, match="already there"):
        registry.register(replace(MINE, name="other", aliases=(name,)))


def test_a_row_has_one_class_also_for_threads_that_come_first_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, make, others = replace(MINE), classes._found_or_made, []

    def slowly(row: Provider) -> Any:
        monkeypatch.setattr(classes, "_found_or_made", make)
        others.append(classes.drivers_of(row))  # the other thread is faster
        return make(row)

    monkeypatch.setattr(classes, "_found_or_made", slowly)
    assert [classes.drivers_of(mine)] == others


def test_taking_back() -> None:
    with pytest.raises(UnknownModel):
        registry.unregister("acme")
    registry.register(MINE)
    registry.unregister("acme")
    with pytest.raises(UnknownModel):
        registry.find("acme")


def codec(model: str, base_url: str | None = None, **settings: Any) -> Any:
    driver: Any = classes.driver_for(model, api_key="k", base_url=base_url, **settings)
    return driver.provider.codec_of(Request(model=driver.model, messages=(user("hi"),)))


@pytest.mark.parametrize(
    ("model", "base_url", "expected"),
    [
        ("openai/gpt-4o", None, OpenAIChat),
        ("openai/gpt-5-pro", None, OpenAIResponses),
        ("openai/gpt-4o", "https://api.openai.com/v1/responses", OpenAIResponses),
        ("openai/gpt-4o", "https://h/v1/responses?x=1", OpenAIResponses),
        ("openai/gpt-5-pro", "https://h/v1/chat/completions", OpenAIChat),
        ("xai/grok-4.3", "https://api.x.ai/v1/responses", OpenAIResponses),
        ("azure/d", "https://r.services.ai.azure.com/anthropic", Anthropic),
        ("azure/d", "https://r.services.ai.azure.com/anthropic/v1/messages", Anthropic),
        ("azure/d", "https://r.openai.azure.com", OpenAIChat),
        ("azure/d", "https://r.openai.azure.com/openai/responses", OpenAIResponses),
        ("ollama/m", None, Ollama),
        ("ollama/m", "http://h:11434/v1", OpenAIChat),
        ("ollama/m", "http://h:11434/v1/chat/completions", OpenAIChat),
        ("google/m", None, Gemini),
        ("google/m", "https://generativelanguage.googleapis.com/v1beta/openai", OpenAIChat),
        ("claude/m", "https://api.anthropic.com/v1", Anthropic),
        ("claude/m", "https://api.anthropic.com/v1/chat/completions", OpenAIChat),
        ("llamacpp/m", "http://h:8080/v1/responses", OpenAIResponses),
    ],
)
def test_the_url_says_which_dialect(model: str, base_url: str | None, expected: type) -> None:
    assert isinstance(codec(model, base_url), expected)


def test_the_api_says_which_dialect() -> None:
    assert isinstance(codec("openai/gpt-4o", api="responses"), OpenAIResponses)
    assert isinstance(codec("openai/gpt-5-pro", api="chat"), OpenAIChat)
    assert isinstance(codec("google/m", api="openai"), OpenAIChat)
    with pytest.raises(ConfigurationError, match="no API 'nope'; it has chat, responses"):
        codec("openai/gpt-4o", api="nope")


@pytest.mark.parametrize(
    ("base", "settings", "url"),
    [
        ("https://r.openai.azure.com", {}, "/openai/v1/chat/completions"),
        ("https://r.openai.azure.com/openai", {}, "/openai/v1/chat/completions"),
        ("https://r.openai.azure.com/openai/v1", {}, "/openai/v1/chat/completions"),
        (
            "https://r.openai.azure.com",
            {"api_version": "2024-10-21"},
            "/openai/deployments/my%20d/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://r.openai.azure.com/openai/deployments/x",
            {},
            "/openai/deployments/x/chat/completions?api-version=2024-12-01-preview",
        ),
        (
            "https://r.openai.azure.com/openai/deployments/x/chat/completions?api-version=1",
            {},
            "/openai/deployments/x/chat/completions?api-version=1",
        ),
        (
            "https://r.openai.azure.com/openai/deployments/x/chat/completions",
            {},
            "/openai/deployments/x/chat/completions",
        ),
        (
            "https://r.services.ai.azure.com/models",
            {},
            "/models/chat/completions?api-version=2024-05-01-preview",
        ),
    ],
)
def test_azures_addresses(base: str, settings: dict[str, str], url: str) -> None:
    driver: Any = classes.driver_for("azure/my d", api_key="k", base_url=base, **settings)
    request = Request(model="my d", messages=(user("hi"),))
    sent = driver.provider.codec.encode(request, driver.endpoint)
    assert sent.url == "/".join(base.split("/")[:3]) + url
    assert sent.headers["api-key"] == "k"
    models = driver.provider.codec.models_request(driver.endpoint)
    assert models.url == "/".join(base.split("/")[:3]) + "/openai/v1/models"


def test_azures_token_wins() -> None:
    driver: Any = classes.driver_for(
        "azure/d", api_key="k", base_url="https://r.openai.azure.com", ad_token="t"
    )
    sent = driver.provider.codec.encode(Request(model="d", messages=(user("x"),)), driver.endpoint)
    assert sent.headers["authorization"] == "Bearer t"
    assert "api-key" not in sent.headers
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        classes.driver_for("azure/d", api_key="k").generate("x")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("openai/gpt-5-mnii", "no such model; listed there: openai/gpt-5-mini"),
        ("anthropic/claude-haiku-4.5x", "listed there: claude/claude-haiku-4-5"),
        ("openai/gpt-5-mini", "no such model$"),
        ("ollama/lama3", "no such model$"),
    ],
)
def test_a_model_that_the_provider_does_not_have(model: str, said: str) -> None:
    from prompture.errors import ModelNotFound
    from tests.loopback import json_reply, serving

    gone = json_reply({"error": {"message": "no such model"}}, status=404)
    with (
        serving([gone]) as server,
        classes.driver_for(model, api_key="k", base_url=f"{server.url}/v1") as driver,
        pytest.raises(ModelNotFound, match=said),
    ):
        driver.generate("hi")
