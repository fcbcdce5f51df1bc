"""estimate(), the provider's own counts, and model="cheapest"."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import Estimate, Image, estimate
from prompture.catalog import Rates
from prompture.drivers import classes, registry
from prompture.errors import (
    ConfigurationError,
    DeadlineExceeded,
    MissingKey,
    UnknownModel,
    UnsupportedError,
)
from prompture.extraction.document_turn import document_turn
from prompture.extraction.estimate import answer_size
from prompture.extraction.model_drivers import named
from prompture.testing import FunctionDriver
from tests import server as on
from tests.loopback import json_reply, serving

TEXT = "ACME Ltd\nTotal: 12.50\n" * 20


class Receipt(BaseModel):
    company: str
    total: float
    date: str | None = None


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(
    ("model", "priced"),
    [
        ("openai/gpt-5-mini", True),
        ("claude/claude-haiku-4-5", True),
        ("local/rules", True),
        ("ollama/llama3.1:8b", True),
        ("perplexity/sonar", True),
        ("azure/gpt-4o", True),
        ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("cloudflare/@cf/unheard-of", False),
        ("openai-compatible/anything", False),
    ],
)
def test_of_any_model_without_a_key(colour: str, model: str, priced: bool) -> None:
    found = (
        estimate(Receipt, TEXT, model=model)
        if colour == "sync"
        else asyncio.run(prompture.aestimate(Receipt, TEXT, model=model))
    )
    assert found.model == model
    assert 100 < found.input.low <= found.input.tokens <= found.input.high < 3000
    assert 3 < found.output.low <= found.output.tokens <= found.output.high
    if not priced:
        assert (found.low, found.likely, found.high) == (None, None, None)
        assert "price" in found.reason and "price unknown" in str(found)
        return
    assert found.low is not None and found.likely is not None and found.high is not None
    assert found.low <= found.likely <= found.high
    assert bool(found.high) is not model.startswith(("local", "ollama"))
    assert model in str(found)


def test_arithmetic_and_limits() -> None:
    driver = FunctionDriver(lambda request: "", prices=Rates(input=Decimal(1), output=Decimal(2)))
    found = estimate(Receipt, TEXT, model=driver, max_tokens=10)
    assert found.output.high == 10
    assert found.high == Decimal(found.input.high + 2 * 10) / 1_000_000
    assert not driver.requests


def test_a_cascade_lists_its_models() -> None:
    found = estimate(Receipt, TEXT, model=["openai/gpt-5-mini", "google/gemini-2.5-flash"])
    assert isinstance(found, Estimate)
    assert [found.model, *(o.model for o in found.others)] == [
        "openai/gpt-5-mini",
        "google/gemini-2.5-flash",
    ]


def test_pictures_count() -> None:
    picture = Image(url="https://example.org/a.png")
    with_one = estimate(Receipt, [TEXT, picture], model="openai/gpt-5-mini")
    assert with_one.input.tokens > estimate(Receipt, TEXT, model="openai/gpt-5-mini").input.tokens


@pytest.mark.parametrize(
    ("provider", "model", "path", "answer"),
    [
        ("claude", "claude-haiku-4-5", "/v1/messages/count_tokens", {"input_tokens": 321}),
        (
            "google",
            "gemini-2.5-flash",
            "/models/gemini-2.5-flash:countTokens",
            {"totalTokens": 321},
        ),
        ("openai", "gpt-5-mini", "/responses/input_tokens", {"input_tokens": 321}),
        ("cohere", "command-a-03-2025", "/v1/tokenize", {"tokens": list(range(321))}),
    ],
)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_counts_of_the_provider(
    provider: str, model: str, path: str, answer: Any, colour: str
) -> None:
    async def later(url: str) -> Estimate:
        name = f"{provider}/{model}"
        async with classes.async_driver_for(name, api_key="k", base_url=url) as driver:
            return await prompture.aestimate(Receipt, TEXT, model=driver, count="provider")

    with serving([json_reply(answer)]) as server:
        if colour == "sync":
            driver = classes.driver_for(f"{provider}/{model}", api_key="k", base_url=server.url)
            found = estimate(Receipt, TEXT, model=driver, count="provider")
        else:
            found = asyncio.run(later(server.url))
        (asked,) = server.asked
    assert asked.path.endswith(path)
    body = asked.json()
    assert "ACME Ltd" in json.dumps(body)
    assert not {"stream", "max_tokens", "max_output_tokens", "store", "metadata"} & set(body)
    assert (found.input.low, found.input.tokens, found.input.high) == (321, 321, 321)
    assert found.input.exact
    assert found.likely is not None


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_count_has_the_call_s_key_and_deadline(colour: str) -> None:
    options: dict[str, Any] = {"count": "provider", "api_key": "sk-of-the-tenant", "deadline": 0.2}

    async def later(url: str) -> Estimate:
        async with classes.async_driver_for(
            "openai/gpt-5", api_key="house", base_url=url
        ) as driver:
            return await prompture.aestimate(Receipt, TEXT, model=driver, **options)

    with on.serving(on.hangs) as server, pytest.raises(DeadlineExceeded):
        if colour == "sync":
            driver = classes.driver_for("openai/gpt-5", api_key="house", base_url=server.url)
            estimate(Receipt, TEXT, model=driver, **options)
        else:
            asyncio.run(later(server.url))
    assert server.asked[0][1]["authorization"] == "Bearer sk-of-the-tenant"


def test_wrong_counting() -> None:
    with pytest.raises(ConfigurationError, match="count must be"):
        estimate(Receipt, TEXT, model="openai/gpt-5", count="guess")  # type: ignore[arg-type]
    with pytest.raises(MissingKey):
        estimate(Receipt, TEXT, model="openai/gpt-5", count="provider")
    driver = classes.driver_for("groq/openai/gpt-oss-20b", api_key="k")
    with pytest.raises(UnsupportedError, match="counts tokens"):
        estimate(Receipt, TEXT, model=driver, count="provider")


@pytest.mark.parametrize(
    ("schema", "shortest", "longest"),
    [
        ({"type": "boolean"}, 1, 6),
        ({"enum": ["a", "b"]}, 2, 10),
        ({"type": "string", "maxLength": 3}, 1, 8),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 5, "maxItems": 5}, 9, 40),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, 1, 70),
        ({}, 1, 70),
        (True, 1, 70),
    ],
)
def test_sizes(schema: Any, shortest: float, longest: float) -> None:
    size = answer_size(schema, 1000)
    assert shortest <= size.low <= size.likely <= size.high <= longest


def test_a_richer_document_has_longer_lists() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    assert answer_size(schema, 10_000).likely > answer_size(schema, 100).likely


KEYS = ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "k")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("wish", "prefix"),
    [
        ("cheapest", "openai/gpt-5-nano"),
        ("cheapest?provider=claude", "claude/claude-"),
        ("cheapest?json_schema&context>=200k&provider=google", "google/gemini-"),
        ("openai/gpt-5", "openai/gpt-5"),
    ],
)
def test_cheapest(wish: str, prefix: str) -> None:
    assert named(wish).startswith(prefix)
    resolved = registry.resolve(named(wish))
    assert resolved[0].name == prefix.partition("/")[0]


@pytest.mark.usefixtures("keys")
def test_cheapest_can_read_the_document() -> None:
    short = document_turn("a few words")
    long = document_turn("word " * 300_000)
    picture = document_turn([Image(url="https://example.org/a.png")])
    for document, need in ((short, 0), (long, 300_000), (picture, 0)):
        entry = prompture.catalog.find(named("cheapest", document))
        assert entry is not None
        assert (entry.limits.context or 0) > need
    assert prompture.catalog.find(named("cheapest", picture)).features.vision  # type: ignore[union-attr]
    with pytest.raises(UnknownModel, match="read this document"):
        named("cheapest", document_turn("word " * 3_000_000))


def test_cheapest_needs_a_key() -> None:
    with pytest.raises(UnknownModel, match="no key of any provider"):
        prompture.extract(Receipt, TEXT, model="cheapest")
    with pytest.raises(UnknownModel, match="no key of openai"):
        prompture.extract(Receipt, TEXT, model="cheapest?provider=openai")
