"""Whose price a call has: the model that answered, where it ran, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from prompture import catalog
from prompture.catalog import Catalog, Rates, cost_of
from prompture.catalog.lookup import is_same_model, place_of
from prompture.catalog.sources import built_in, entry_from
from prompture.drivers import registry
from prompture.drivers.cost import price_of
from prompture.money import Cost
from prompture.types import Usage

MILLION = Usage(input_tokens=10**6, requests=1, reported=True)
CATALOG = Catalog(environ={"PROMPTURE_OFFLINE": "1", "PROMPTURE_CATALOG": "snapshot"})


def price(provider: str, asked: str, answered: str = "", usage: Usage = MILLION) -> Cost:
    return price_of(registry.find(provider), usage, answered=answered, asked=asked)


@pytest.mark.parametrize(
    ("provider", "asked", "answered", "usd"),
    [
        ("google", "gemini-flash-latest", "gemini-3.6-flash", None),
        ("google", "gemini-flash-latest", "gemini-2.5-flash", "0.3"),
        ("google", "gemini-2.5-flash", "models/gemini-2.5-flash-001", "0.3"),
        ("mistral", "pixtral-12b", "ministral-999b-latest", None),
        ("openai", "gpt-4o-mini", "gpt-5-mini-2025-08-07", "0.25"),
        ("openai", "gpt-4o-mini", "some-new-model", None),
        ("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07", "0.25"),
        ("openai", "gpt-5-mini", "", "0.25"),
        ("openai", "gpt-5-mini", "gpt-5-mini", "0.25"),
        ("openrouter", "anthropic/claude-haiku-4.5", "anthropic/claude-4.5-haiku-20251001", "1"),
        ("zai", "GLM-4.7", "glm-4.7-jd", "0.6"),
    ],
)
def test_the_model_that_answered_is_priced_or_none(
    provider: str, asked: str, answered: str, usd: str | None
) -> None:
    cost = price(provider, asked, answered)
    assert cost.usd == (None if usd is None else Decimal(usd))
    assert usd is not None or answered in cost.reason


def test_ones_own_price_of_the_alias_holds() -> None:
    catalog.set_price("google/gemini-flash-latest", input="7", output="8")
    try:
        assert price("google", "gemini-flash-latest", "gemini-3.6-flash").usd == 7
    finally:
        catalog.clear_prices()


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("meta-llama/Llama-3.3-70B", "llama-3.3-70b", True),
        ("x/model:free", "model", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4", "gpt-4-1", False),
        ("claude-sonnet-4", "claude-sonnet-4-5", False),
        ("gemini-flash-latest", "gemini-flash-latest", False),
        ("model-7b", "model-70b", False),
        ("", "", False),
    ],
)
def test_the_same_model_under_another_name(asked: str, answered: str, same: bool) -> None:
    assert is_same_model(asked, answered) is same


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", ""),
        ("us.anthropic.claude-opus-4-6-v1", "us"),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-gov"),
        ("global.anthropic.claude-opus-5-v1", "global"),
        ("us.anthropic.claude-fable-5", "us"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", None),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", None),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", None),
        ("us.amazon.nova-pro-v1:0", None),
    ],
)
def test_where_the_price_depends_on_the_place(model: str, place: str | None) -> None:
    assert place_of(model) == place


SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        (f"global.{SONNET}", "3"),
        (SONNET, "3.3"),
        *((f"{place}.{SONNET}", "3.3") for place in ("us", "eu", "au", "jp", "apac", "ca")),
        (f"us-gov.{SONNET}", None),
        (f"arn:aws:bedrock:us-east-1:1:inference-profile/us.{SONNET}", "3.3"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}", "3.3"),
        (f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{SONNET}", None),
        ("au.anthropic.claude-opus-4-6-v1", "5.5"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "15"),
        ("eu.anthropic.claude-3-7-sonnet-20250219-v1:0", "3"),
    ],
)
def test_bedrock_costs_by_where_it_runs(model: str, usd: str | None) -> None:
    cost = price("bedrock", model)
    assert cost.usd == (None if usd is None else Decimal(usd))
    assert usd is not None or "GovCloud" in cost.reason
    if usd == "3.3":
        assert "1.1 x the global price" in cost.lines[0].rule


def test_bedrocks_surcharge_is_on_every_bucket_and_mode() -> None:
    usage = Usage(
        input_tokens=3 * 10**6, output_tokens=10**6, cache_read_tokens=10**6,
        cache_write_tokens=10**6, reported=True,
    )  # fmt: skip
    for tier in (None, "batch"):
        used = Usage(**{**{f: getattr(usage, f) for f in usage.__slots__}, "service_tier": tier})
        plain = price("bedrock", f"global.{SONNET}", usage=used).usd
        here = price("bedrock", f"us.{SONNET}", usage=used).usd
        assert plain is not None and here == plain * Decimal("1.1")


@pytest.mark.parametrize("model", ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-3.1-pro-preview"])
def test_geminis_priority_raises_cache_reads_too(model: str) -> None:
    entry = CATALOG.find("google", model)
    assert entry is not None and entry.rates is not None and entry.rates.cache_read
    modes = entry.rates.modes
    assert modes["priority"].cache_read == entry.rates.cache_read * Decimal("1.8")
    assert modes["flex"].cache_read == modes["batch"].cache_read == entry.rates.cache_read


def test_xais_searches_are_in_the_own_figure() -> None:
    usage = Usage(input_tokens=10**6, requests=1, reported=True, searches=2)
    plain, searched = price("grok", "grok-4.3"), price("grok", "grok-4.3", usage=usage)
    assert plain.usd is not None and searched.usd == plain.usd + Decimal("0.01")


@pytest.mark.parametrize(
    ("when", "usd"),
    [
        (datetime(2026, 8, 16, 12, tzinfo=UTC), "0.14"),
        (datetime(2026, 8, 19, 2, tzinfo=UTC), "0.3"),  # a Wednesday, peak
        (datetime(2026, 8, 19, 12, tzinfo=UTC), "0.15"),
        (datetime(2026, 8, 23, 2, tzinfo=UTC), "0.15"),  # a Sunday
    ],
)
def test_deepseek_by_its_own_dates_where_the_record_is_older(when: datetime, usd: str) -> None:
    entry = CATALOG.find("deepseek/deepseek-v4-flash")
    assert entry is not None and cost_of(MILLION, entry, when=when).usd == Decimal(usd)
    newer = entry_from(
        "deepseek", "deepseek-v4-flash", raw={"cost": {"input": "9", "output": "9"}},
        source="live", as_of="2027-01-01",
    )  # fmt: skip
    assert cost_of(MILLION, newer, when=when).usd == 9
    catalog.set_price("deepseek/deepseek-v4-flash", input="2", output="3")
    try:
        mine = catalog.find("deepseek/deepseek-v4-flash")
        assert cost_of(MILLION, mine, when=when).usd == 2
    finally:
        catalog.clear_prices()


@pytest.mark.parametrize("model", ["groq/compound", "groq/compound-mini"])
def test_a_zero_that_is_no_price_is_unknown(model: str) -> None:
    cost = price("groq", model)
    assert cost.usd is None and "states none" in cost.reason


def test_no_zero_comes_of_a_deleted_record() -> None:
    source = built_in()
    free = [
        (provider, entry.id)
        for provider in source.providers
        for entry in source.entries(provider)
        if entry.rates == Rates(input=Decimal(0), output=Decimal(0)) and entry.status
    ]
    assert all("gemma" in model or ":free" in model or "alpha" in model for _, model in free), free
    assert price("zai", "glm-5.2").usd == Decimal("1.4")
