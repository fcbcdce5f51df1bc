from __future__ import annotations

from decimal import Decimal

import pytest

from prompture import catalog
from prompture.catalog import Entry, ModelFeatures, ModelLimits, Rates
from prompture.catalog.needs import TYPICAL, Needs, cheapest_of, parse_needs
from prompture.errors import UnknownOption

ALL = ModelFeatures(tools=True, json_schema=True, vision=True, outputs=("text",))


def entry(model: str, price: int | None, **changes: object) -> Entry:
    rates = None if price is None else Rates(input=Decimal(price), output=Decimal(price))
    given = {"features": ALL, "limits": ModelLimits(context=200_000, output=8_000), **changes}
    return Entry(provider="acme", id=model, rates=rates, **given)  # type: ignore[arg-type]


OFFER = [
    entry("dear", 9),
    entry("cheap", 1),
    entry("cheap-newer", 1, released="2026-05-01"),
    entry("free", 0, features=ModelFeatures(tools=True, outputs=("text",))),
    entry("price-unknown", None),
    entry("painter", 0, features=ModelFeatures(outputs=("image",))),
    entry("embedder", 0, limits=ModelLimits(context=8_000)),
    entry("old", 0, status="deprecated"),
    entry("small", 0, limits=ModelLimits(context=8_000, output=1_000)),
]


def names(wish: str) -> list[str]:
    found = cheapest_of(lambda _: (), lambda _: None, parse_needs(wish), among=OFFER)
    return [e.id for e in found]


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ("cheapest", ["small", "free", "cheap-newer", "cheap", "dear"]),
        ("cheapest?json_schema", ["small", "cheap-newer", "cheap", "dear"]),
        ("cheapest?context>=200k&json_schema", ["cheap-newer", "cheap", "dear"]),
        ("cheapest?context>=200001", []),
        ("cheapest?output>=2K", ["free", "cheap-newer", "cheap", "dear"]),
        ("cheapest?deprecated&json_schema", ["small", "old", "cheap-newer", "cheap", "dear"]),
        ("cheapest?pdf", []),
        ("cheapest?provider=openai", []),
    ],
)
def test_cheapest(wish: str, found: list[str]) -> None:
    assert names(wish) == found


def test_parse() -> None:
    wish = "cheapest?json_schema&tools&context>=1M&input>=2k&output>=5&provider=openai,gemini"
    assert parse_needs(wish) == Needs(
        abilities=frozenset({"json_schema", "tools"}),
        context=1_000_000,
        input=2_000,
        output=5,
        providers=("openai", "google"),
    )
    assert parse_needs("cheapest?") == parse_needs("cheapest") == Needs()


@pytest.mark.parametrize(
    "wish",
    ["", "dearest", "cheapest?jsonschema", "cheapest?context>200k", "cheapest?context>=many"],
)
def test_a_foreign_word_is_refused(wish: str) -> None:
    with pytest.raises(UnknownOption):
        parse_needs(wish)


def test_over_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTURE_CATALOG", "snapshot")
    catalog.reset()
    found = catalog.cheapest("cheapest?json_schema&context>=200k&provider=openai,google")
    prices = [catalog.cost_of(TYPICAL, e).usd for e in found]
    assert prices == sorted(p for p in prices if p is not None)
    assert {e.provider for e in found} == {"openai", "google"}
    assert all(e.features.json_schema and (e.limits.context or 0) >= 200_000 for e in found)
    pair = catalog.cheapest(among=["openai/gpt-5", "openai/gpt-5-mini", "openai/nothing"])
    assert [e.id for e in pair] == ["gpt-5-mini", "gpt-5"]
    assert catalog.search("GPT-5 mini", provider="openai")[0].id.startswith("gpt-5")
    catalog.reset()
