"""What a call costs beyond its tokens, when it is sent, and when it was cut off."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from prompture import catalog
from prompture.catalog import Rates, Window, find
from prompture.codecs.anthropic_answer import read_usage
from prompture.codecs.openai_responses_answer import read_usage as read_responses_usage
from prompture.drivers import registry
from prompture.drivers.cost import at_least, price_of
from prompture.money import Cost
from prompture.types import Usage

PLAIN = {"input_tokens": 1000, "output_tokens": 100}
"""At Claude Opus 4.6: $5 and $25 per million: 0.005 + 0.0025."""


def claude(raw: dict[str, Any], model: str = "claude-opus-4-6") -> Cost:
    usage = read_usage({**PLAIN, **raw})
    return price_of(registry.find("claude"), usage, answered=model, asked=model)


@pytest.mark.parametrize(
    ("raw", "usd"),
    [
        ({}, "0.0075"),
        ({"inference_geo": "global"}, "0.0075"),
        ({"inference_geo": "us"}, "0.00825"),
        ({"speed": "standard"}, "0.0075"),
        ({"speed": "fast"}, "0.045"),
        ({"speed": "fast", "inference_geo": "us"}, "0.0495"),
        ({"service_tier": "batch", "inference_geo": "us"}, "0.004125"),
        ({"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 9}}, "0.0375"),
        ({"iterations": [{"type": "message", **PLAIN}]}, "0.0075"),
        ({"iterations": [{"type": "compaction", **PLAIN}]}, "0.015"),
        (
            {
                "iterations": [
                    {"type": "message", **PLAIN},
                    {"type": "advisor_message", "model": "claude-haiku-4-5", **PLAIN},
                ]
            },
            "0.009",
        ),
        (
            # A model declined in the middle; the totals are those of the one that answered.
            {
                "iterations": [
                    {"type": "message", "model": "claude-haiku-4-5", **PLAIN},
                    {"type": "fallback_message", "model": "claude-opus-4-6", **PLAIN},
                ]
            },
            "0.009",
        ),
    ],
)
def test_claude(raw: dict[str, Any], usd: str) -> None:
    cost = claude(raw)
    assert cost.usd == Decimal(usd)
    assert sum(line.usd for line in cost.lines) == cost.usd == cost.computed


def test_parts_of_unknown_price_make_the_whole_unknown() -> None:
    nested = {"iterations": [{"type": "advisor_message", "model": "claude-unheard-of", **PLAIN}]}
    assert claude(nested).usd is None
    assert "claude-unheard-of" in claude(nested).reason
    assert claude({"speed": "fast"}, "claude-haiku-4-5").usd is None


@pytest.mark.parametrize(
    ("provider", "model", "usage", "usd"),
    [
        ("openai", "gpt-5", {"searches": 2}, "0.02225"),
        ("openai", "gpt-4o", {"searches": 2}, None),
        ("google", "gemini-2.5-flash", {"searches": 1}, None),
        ("perplexity", "sonar", {"raw": {"search_context_size": "high"}}, "0.0131"),
        ("perplexity", "sonar", {}, None),
        ("perplexity", "sonar", {"stated_cost": Decimal("0.006")}, "0.006"),
        ("grok", "grok-3", {"searches": 1, "stated_cost": Decimal("0.5")}, "0.5"),
        ("grok", "grok-3", {"stated_cost": Decimal(0)}, "0"),
        ("openai", "gpt-5", {"stated_cost": Decimal(0)}, "0.00225"),
    ],
)
def test_fees(provider: str, model: str, usage: dict[str, Any], usd: str | None) -> None:
    counted = Usage(input_tokens=1000, output_tokens=100, reported=True, **usage)
    cost = price_of(registry.find(provider), counted, answered=model, asked=model)
    assert cost.usd == (None if usd is None else Decimal(usd))
    assert usd is not None or cost.reason


@pytest.mark.parametrize(
    ("body", "searches"),
    [
        ({"output": [{"type": "web_search_call", "action": {"type": "search"}}] * 2}, 2),
        ({"output": [{"type": "web_search_call", "action": {"type": "open_page"}}]}, 0),
        ({"output": [{"type": "web_search_call"}, {"type": "message"}]}, 1),
        ({"tool_usage": {"web_search": {"num_requests": 4}}, "output": []}, 4),
    ],
)
def test_searches_of_responses(body: dict[str, Any], searches: int) -> None:
    usage = read_responses_usage({"usage": {"input_tokens": 1, "output_tokens": 1}, **body})
    assert usage.searches == searches


def test_the_moment_of_sending_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = find("deepseek/deepseek-v4-flash")
    assert entry is not None
    noon = datetime(2027, 1, 4, 12, tzinfo=UTC)
    from dataclasses import replace
    from datetime import time

    quiet = Window(
        weekdays=frozenset({1}),
        start=time(11),
        end=time(13),
        rates=Rates(input=Decimal(1), output=Decimal(1)),
    )
    made = Rates(input=Decimal(2), output=Decimal(2), windows=(quiet,))
    monkeypatch.setattr(catalog, "find", lambda *_: replace(entry, rates=made))
    usage = Usage(input_tokens=10**6, reported=True)
    row = registry.find("deepseek")
    for hour, usd in ((12, 1), (13, 2)):
        at = noon.replace(hour=hour).timestamp()
        assert price_of(row, usage, answered="m", asked="m", at=at).usd == usd


def test_what_was_cut_off_costs_at_least_that() -> None:
    cost = at_least(Cost(usd=Decimal("0.5"), source="live", computed=Decimal("0.5")))
    assert cost.usd is None
    assert "at least $0.50" in cost.reason
    for sure in (Cost(usd=Decimal(0)), Cost(usd=Decimal(1), source="provider"), Cost(usd=None)):
        assert at_least(sure) is sure
