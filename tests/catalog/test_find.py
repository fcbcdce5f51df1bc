"""Names in, entries out: by each provider's own rules, and never another model's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from prompture.catalog import Catalog, canonical, lookup
from prompture.catalog.lookup import near_names, place_of
from prompture.catalog.sources import built_in, dollars, entry_from, parse, snapshot

CATALOG = Catalog(environ={"PROMPTURE_CATALOG": "snapshot"})


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("openai/gpt-5-mini", "openai/gpt-5-mini"),
        ("openai/GPT-5-Mini", "openai/gpt-5-mini"),
        ("openai/gpt-5-mini-2025-08-07", "openai/gpt-5-mini"),
        ("openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
        ("openai/gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("openai/gpt-4-turbo-2024-04-09", "openai/gpt-4-turbo"),
        ("anthropic/claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5-20251001"),
        ("anthropic/claude-3-opus-latest", "anthropic/claude-3-opus-20240229"),
        ("google/models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gemini/gemini-2.5-flash-001", "google/gemini-2.5-flash"),
        ("google-vertex/publishers/google/models/gemini-2.5-pro", "google-vertex/gemini-2.5-pro"),
        (
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
            "amazon-bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        (
            "amazon-bedrock/arn:aws:bedrock:us-east-1:000000000000:inference-profile/"
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            "amazon-bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        ("amazon-bedrock/apac.amazon.nova-2-lite-v1:0", "amazon-bedrock/amazon.nova-2-lite-v1:0"),
        ("azure/gpt-4o-2024-11-20", "openai/gpt-4o-2024-11-20"),
        ("azure/gpt-5-mini-2025-08-07", "azure/gpt-5-mini"),
        ("openrouter/openai/gpt-5-mini:nitro", "openrouter/openai/gpt-5-mini"),
        ("openrouter/openai/gpt-oss-20b:free", "openrouter/openai/gpt-oss-20b:free"),
        ("huggingface/openai/gpt-oss-120b:cerebras", "cerebras/gpt-oss-120b"),
        ("huggingface/openai/gpt-oss-120b:groq", "groq/openai/gpt-oss-120b"),
        ("huggingface/moonshotai/Kimi-K2.5:fastest", "huggingface/moonshotai/Kimi-K2.5"),
        ("cloudflare/openai/gpt-oss-20b", "cloudflare-workers-ai/@cf/openai/gpt-oss-20b"),
        ("moonshot/kimi-k2.5", "moonshotai/kimi-k2.5"),
        ("ollama/gpt-oss:120b-cloud", "ollama-cloud/gpt-oss:120b"),
        ("ollama/llama3.1:8b", "ollama/llama3.1:8b"),
        ("lmstudio/anything/at-all", "lmstudio/anything/at-all"),
        ("groq/openai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
    ],
)
def test_found(name: str, key: str) -> None:
    entry = CATALOG.find(name)
    assert entry is not None
    assert entry.key == key
    provider, _, model = name.partition("/")
    assert CATALOG.find(provider, model) == entry


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-5-mini",
        "openai/",
        "/gpt-5-mini",
        "nobody/gpt-5-mini",
        "openai/gpt-5-min",
        "openai/gpt-5-mini-x",
        "openai/gpt-4o-realtime-preview",
        "openai/gpt-4o-realtime-preview-2024-12-17",
        "openai/gpt-4o-audio-preview",
        "openai/gpt-4-vision-preview",
        "openai/gpt-3.5-turbo-0613",
        "openai/o1-2024-12-17-x",
        "openai/ft:gpt-4o-mini-2024-07-18:org::id",
        "azure/my-deployment",
        "amazon-bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
        "mistral/mistral-large-2402",
        "google/tunedModels/gemini-2.5-flash",
        "openrouter/openai/gpt-5-mini:extended",
        "openrouter/nobody/nothing:free",
        "anthropic/claude-sonnet",
        "openai/gpt",
        "xai/grok-3-mini",
    ],
)
def test_not_found(name: str) -> None:
    assert CATALOG.find(name) is None


def test_every_listed_name_finds_itself_with_its_own_price() -> None:
    source = snapshot()
    assert source is not None
    for provider in source.providers:
        if provider in lookup.LOCAL:
            continue
        assert canonical(provider) == provider
        for entry in source.entries(provider):
            found = CATALOG.find(provider, entry.id)
            assert found is not None
            # Bedrock's are made of the global price: see places.
            if provider == "amazon-bedrock" and place_of(entry.id) not in (None, "global"):
                continue
            assert (found.key, found.rates) == (entry.key, entry.rates)


def test_local_models_cost_nothing_and_keep_their_limits() -> None:
    for name in ("ollama/llama3.1:8b", "lmstudio/openai/gpt-oss-20b", "llamacpp/x", "local/rules"):
        entry = CATALOG.find(name)
        assert entry is not None
        assert entry.source == "local"
        assert entry.rates is not None
        assert entry.rates.free
    known = CATALOG.find("lmstudio/openai/gpt-oss-20b")
    assert known is not None
    assert known.limits.context == 131072


def test_a_price_of_zero_is_zero_and_a_missing_one_is_unknown() -> None:
    free = CATALOG.find("openrouter/openai/gpt-oss-20b:free")
    unknown = CATALOG.find("openrouter/openrouter/auto")
    assert free is not None
    assert free.rates is not None
    assert free.rates.free
    assert unknown is not None
    assert unknown.rates is None


def test_a_missing_flag_is_unknown() -> None:
    entry = CATALOG.find("ollama-cloud/gpt-oss:120b")
    assert entry is not None
    assert entry.features.json_schema is None
    assert entry.features.tools is True
    assert entry.features.vision is False


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("openai/gpt5-mini", "openai/gpt-5-mini"),
        ("opnai/gpt-5-mini", "openai/gpt-5-mini"),
        ("gpt-5-mini", "openai/gpt-5-mini"),
        ("anthropic/claude-sonet-4-5", "anthropic/claude-sonnet-4-5"),
    ],
)
def test_near(name: str, first: str) -> None:
    assert near_names(name, CATALOG.providers(), CATALOG.ids, count=3)[0] == first


def test_near_of_nonsense() -> None:
    for name in ("zzz/@@@@@@@@@@@@", "x" * 10_000):
        assert near_names(name, CATALOG.providers(), CATALOG.ids, count=3) == []


RECORD: Mapping[str, Any] = {
    "name": 3,
    "tool_call": "yes",
    "limit": {"context": -1, "output": True, "input": "9"},
    "modalities": {"input": ["text", 4], "output": "text"},
    "cost": {"input": "NaN", "output": "-1"},
    "reasoning_options": [{"type": "effort", "values": ["low", None]}, 3],
    "experimental": {"modes": {"fast": {"cost": 3}, "slow": 2}},
}


def test_a_record_of_the_wrong_types_is_read_as_unknown() -> None:
    entry = entry_from("p", "m", raw=RECORD, source="live", as_of="")
    assert entry.name == "m"
    assert entry.rates is None
    assert entry.limits.context is entry.limits.output is entry.limits.input is None
    assert entry.features.tools is None
    assert entry.features.inputs == ("text",)
    assert entry.features.efforts == ("low",)
    assert entry_from("p", "m", raw=None, source="live", as_of="").rates is None


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("0.1", "0.1"),
        (0.1, "0.1"),
        (2, "2"),
        (0, "0"),
        (True, None),
        ("x", None),
        ("inf", None),
        ("NaN", None),
        ("-1", None),
        ("1e-300", None),
        ("1e300", None),
        (None, None),
    ],
)
def test_dollars(value: object, amount: str | None) -> None:
    assert dollars(value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"a": 1}',
        b'{"a": {"models": {}}}',
        b'{"a": {"models": {"m": 1}}}',
        b'{"a": {"models": {"m": {"cost": {"input": NaN}}}}}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_catalogue_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        parse(body)


def test_the_built_in_table_agrees_with_the_snapshot() -> None:
    """Within a factor of ten: a slip of the decimal point, not a price change."""
    source = snapshot()
    assert source is not None
    table = built_in()
    compared = 0
    for provider in table.providers:
        for entry in table.entries(provider):
            other = source.get(provider, entry.id)
            if other is None or other.rates is None or entry.rates is None:
                continue
            for ours, theirs in (
                (entry.rates.input, other.rates.input),
                (entry.rates.output, other.rates.output),
            ):
                assert ours <= 10 * theirs, entry.key
                assert theirs <= 10 * ours, entry.key
                compared += 1
    assert compared > 300


def test_the_built_in_table_has_every_provider_with_a_driver() -> None:
    from prompture.catalog.lookup import MAIN

    table = built_in()
    assert set(MAIN) == set(table.providers)
    assert date.fromisoformat(table.as_of)


def test_it_works_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompture.catalog.store.snapshot", lambda: None)
    catalog = Catalog(environ={"PROMPTURE_CATALOG": "snapshot"})
    entry = catalog.find("openai/gpt-5.4")
    assert entry is not None
    assert entry.source == "built-in"
    assert catalog.status().sources == ("built-in",)
