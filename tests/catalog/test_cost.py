from __future__ import annotations

import decimal
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.catalog import FREE, Entry, Rates, Tier, Window, cost_of
from prompture.catalog.price_rules import times, with_rules
from prompture.catalog.sources import rates_from
from prompture.types import Usage

D = Decimal
PLAIN = Rates(input=D("2.5"), output=D(10), cache_read=D("1.25"))
CLAUDE = with_rules(
    Rates(input=D(3), output=D(15), cache_read=D("0.3"), cache_write=D("3.75")),
    provider="anthropic",
    model="claude-sonnet-4-5",
)
BARE_CLAUDE = with_rules(
    Rates(input=D(3), output=D(15)), provider="openrouter", model="anthropic/claude-x"
)
LONG = Rates(
    input=D(1),
    output=D(2),
    tiers=(
        Tier(200_000, Rates(input=D(2), output=D(3))),
        Tier(400_000, Rates(input=D(4), output=D(5))),
    ),
)
RICH = Rates(
    input=D(1),
    output=D(4),
    reasoning=D(8),
    input_audio=D(10),
    output_audio=D(20),
    output_image=D(30),
    request=D("0.005"),
)


def usage(**counts: object) -> Usage:
    return Usage(reported=True, **counts)  # type: ignore[arg-type]


CASES = [
    (PLAIN, usage(input_tokens=1000, output_tokens=200), "0.0045"),
    (PLAIN, usage(input_tokens=1000, cache_read_tokens=400), "0.002"),
    (PLAIN, usage(input_tokens=1000, cache_write_tokens=400), "0.0025"),
    (LONG, usage(input_tokens=200_000), "0.2"),
    (LONG, usage(input_tokens=200_001), "0.400002"),
    (LONG, usage(input_tokens=400_001, output_tokens=1_000_000), "6.600004"),
    (CLAUDE, usage(input_tokens=30, cache_write_tokens=30), "0.0001125"),
    (
        CLAUDE,
        usage(input_tokens=30, cache_write_tokens=30, cache_writes={"5m": 10, "1h": 20}),
        "0.0001575",
    ),
    (BARE_CLAUDE, usage(input_tokens=30, cache_write_tokens=30), "0.0001125"),
    (BARE_CLAUDE, usage(input_tokens=30, cache_read_tokens=30), "0.00009"),
    (RICH, usage(output_tokens=100, reasoning_tokens=60), "0.00564"),
    (RICH, usage(input_tokens=100, input_audio_tokens=60), "0.00564"),
    (RICH, usage(output_tokens=100, output_audio_tokens=10, output_image_tokens=20), "0.00608"),
    (RICH, usage(requests=3), "0.015"),
    (
        PLAIN,
        usage(input_tokens=2168, cache_read_tokens=2161, cache_write_tokens=2161),
        "0.00810375",
    ),
    (FREE, usage(input_tokens=10**9, output_tokens=10**9), "0"),
    (FREE, Usage(), "0"),
]


@pytest.mark.parametrize(("rates", "used", "usd"), CASES)
def test_price(rates: Rates, used: Usage, usd: str) -> None:
    cost = cost_of(used, rates)
    assert cost.usd == D(usd)
    assert sum((line.usd for line in cost.lines), D()) == D(usd)


def test_a_rate_that_the_catalogue_lacks_is_named_in_the_line() -> None:
    cost = cost_of(usage(input_tokens=5, cache_read_tokens=5), Rates(input=D(1), output=D(1)))
    (read,) = [line for line in cost.lines if line.bucket == "cache_read"]
    assert "as plain input" in read.rule
    lines = cost_of(usage(cache_write_tokens=9, cache_writes={"1h": 9}), CLAUDE).lines
    assert "2 x input (Anthropic)" in [line.rule for line in lines]


def test_saving_is_reads_less_the_surcharge_of_writes() -> None:
    assert cost_of(usage(input_tokens=100, cache_read_tokens=100), CLAUDE).saving == D("0.00027")
    assert cost_of(usage(input_tokens=100, cache_write_tokens=100), CLAUDE).saving == D("-0.000075")


def test_unknown_is_none_with_a_reason_that_names_the_model() -> None:
    entry = Entry(provider="acme", id="m-1")
    used = usage(input_tokens=1)
    for priced, model in ((entry, ""), (None, "acme/m-1")):
        cost = cost_of(used, priced, model=model)
        assert cost.usd is None
        assert "acme/m-1" in cost.reason
    silent = cost_of(Usage(), Entry(provider="acme", id="m-2", rates=PLAIN))
    assert silent.usd is None
    assert "acme/m-2" in silent.reason
    assert "no usage" in silent.reason


@pytest.mark.parametrize("priced", [None, PLAIN, Entry(provider="acme", id="m")])
@pytest.mark.parametrize("reported", [True, False])
def test_a_stated_price_wins(priced: Entry | Rates | None, reported: bool) -> None:
    cost = cost_of(Usage(input_tokens=4, reported=reported, stated_cost=D("0.7")), priced)
    assert (cost.usd, cost.source) == (D("0.7"), "provider")
    assert cost.computed == (D("0.00001") if priced is PLAIN and reported else None)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "factor"),
    [
        ("openai", "gpt-5-mini", "flex", "0.5"),
        ("openai", "gpt-5-mini", "priority", "1.8"),
        ("openai", "gpt-5-mini", "fast", "1.8"),
        ("openai", "gpt-5-mini", "default", "1"),
        ("openai", "gpt-5-mini", None, "1"),
        ("anthropic", "claude-x", "batch", "0.5"),
        ("anthropic", "claude-x", "standard", "1"),
        ("google", "gemini-3-flash-preview", "ON_DEMAND_PRIORITY", "1.8"),
        ("xai", "grok-4.3", "batch", "0.8"),
        ("openai", "gpt-unheard-of", "priority", None),
        ("anthropic", "claude-x", "priority", None),
        ("groq", "llama", "on_demand", "1"),
    ],
)
def test_service_tiers(provider: str, model: str, tier: str | None, factor: str | None) -> None:
    rates = with_rules(Rates(input=D(2), output=D(3)), provider=provider, model=model)
    cost = cost_of(usage(input_tokens=10, output_tokens=10, service_tier=tier), rates)
    if factor is None:
        assert cost.usd is None
        assert str(tier) in cost.reason
    else:
        assert cost.usd == D("0.00005") * D(factor)


@pytest.mark.parametrize(
    ("provider", "model", "lives"),
    [
        ("openai", "gpt-5.6", {"30m": D("5"), "12h": D("10")}),
        ("moonshotai", "kimi-k3", {"5m": D("5"), "1h": D("8")}),
        ("openrouter", "anthropic/claude-x", {"5m": D("5"), "1h": D("8")}),
        ("mistral", "m", {}),
    ],
)
def test_cache_writes_by_time_to_live(provider: str, model: str, lives: dict[str, Decimal]) -> None:
    rates = Rates(input=D(4), output=D(20), cache_write=D(5))
    assert with_rules(rates, provider=provider, model=model).cache_writes == lives


def test_gemini_cache_reads_are_full_price_in_flex() -> None:
    rates = with_rules(
        Rates(input=D(2), output=D(3), cache_read=D(1)), provider="google", model="gemini-2.5-pro"
    )
    used = usage(input_tokens=20, cache_read_tokens=10, service_tier="flex")
    assert cost_of(used, rates).usd == D("0.00002")


def test_a_mode_of_the_catalogue_counts_under_its_service_tier_and_above_the_threshold() -> None:
    rates = rates_from(
        {
            "input": "2.5",
            "output": 15,
            "tiers": [{"input": 5, "output": "22.5", "tier": {"type": "context", "size": 272000}}],
        },
        experimental={
            "modes": {
                "fast": {
                    "cost": {"input": 4, "output": 30},
                    "provider": {"body": {"service_tier": "priority"}},
                }
            }
        },
    )
    short = usage(input_tokens=10, output_tokens=10, service_tier="priority")
    long = usage(input_tokens=300_000, output_tokens=10, service_tier="fast")
    assert cost_of(short, rates).usd == D("0.00034")
    assert cost_of(long, rates).usd == D("1.5003")


DEEPSEEK = with_rules(
    Rates(input=D("0.3"), output=D("1.2"), cache_read=D("0.006")),
    provider="deepseek",
    model="deepseek-v4-flash",
)


@pytest.mark.parametrize(
    ("moment", "usd"),
    [
        (datetime(2026, 11, 20, 0, 59, tzinfo=UTC), "0.15"),  # a Friday
        (datetime(2026, 11, 20, 1, 0, tzinfo=UTC), "0.3"),
        (datetime(2026, 11, 20, 4, 0, tzinfo=UTC), "0.15"),
        (datetime(2026, 11, 20, 9, 59, tzinfo=UTC), "0.3"),
        (datetime(2026, 11, 20, 23, 59, tzinfo=UTC), "0.15"),
        (datetime(2026, 11, 21, 8, 0), "0.15"),  # a naive Saturday
        (datetime.fromisoformat("2026-11-20T09:30:00+08:00"), "0.3"),
    ],
)
def test_off_peak_hours(moment: datetime, usd: str) -> None:
    assert cost_of(usage(input_tokens=10**6), DEEPSEEK, when=moment).usd == D(usd)


def test_off_peak_rates_leave_a_catalogue_from_before_them_alone() -> None:
    old = with_rules(
        Rates(input=D("0.14"), output=D("0.28")), provider="deepseek", model="deepseek-v4-flash"
    )
    assert old.windows == ()


def test_rates_of_a_later_date() -> None:
    rates = Rates(
        input=D(4),
        output=D(4),
        later=(
            Rates(input=D(2), output=D(2), since=date(2026, 6, 1)),
            Rates(input=D(1), output=D(1), since=date(2027, 1, 1)),
        ),
    )
    used = usage(input_tokens=10**6)
    for day, usd in ((date(2026, 5, 31), 4), (date(2026, 6, 1), 2), (date(2028, 1, 1), 1)):
        moment = datetime.combine(day, time(12), tzinfo=UTC)
        assert cost_of(used, rates, when=moment).usd == usd
    assert cost_of(used, rates).usd in (1, 2)


def test_a_window_ends_where_it_says() -> None:
    window = Window(weekdays=frozenset({5}), start=time(9), end=time(10), rates=FREE)
    assert window.holds(datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert not window.holds(datetime(2026, 11, 20, 10, tzinfo=UTC))
    assert not window.holds(datetime(2026, 11, 21, 9, tzinfo=UTC))


def test_the_callers_decimal_context_rounds_nothing() -> None:
    used = usage(input_tokens=123_456_789, output_tokens=987_654_321, cache_read_tokens=1)
    expected = cost_of(used, PLAIN)
    with decimal.localcontext(prec=3):
        cost = cost_of(used, PLAIN)
        lines = cost.lines
    assert cost == expected
    assert lines == expected.lines


amounts = st.decimals(0, 1000, places=6, allow_nan=False)
counts = st.integers(0, 10**7)
some = st.none() | amounts


@settings(max_examples=200, deadline=None)
@given(
    rates=st.builds(
        Rates,
        input=amounts,
        output=amounts,
        cache_read=some,
        cache_write=some,
        cache_writes=st.dictionaries(st.sampled_from(["5m", "1h"]), amounts),
        reasoning=some,
        input_audio=some,
        output_audio=some,
        request=amounts,
    ),
    fresh=counts,
    read=counts,
    lives=st.dictionaries(st.sampled_from(["5m", "1h", "12h"]), counts),
    other_write=counts,
    audio=counts,
    plain_out=counts,
    reasoning=counts,
    spoken=counts,
)
def test_arithmetic_is_exact(
    rates: Rates,
    fresh: int,
    read: int,
    lives: dict[str, int],
    other_write: int,
    audio: int,
    plain_out: int,
    reasoning: int,
    spoken: int,
) -> None:
    written = sum(lives.values()) + other_write
    used = usage(
        input_tokens=fresh + audio + read + written,
        output_tokens=plain_out + reasoning + spoken,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_writes=lives,
        reasoning_tokens=reasoning,
        input_audio_tokens=audio,
        output_audio_tokens=spoken,
    )

    def rate(amount: Decimal | None, instead: Decimal) -> Fraction:
        return Fraction(instead if amount is None else amount)

    write = rates.input if rates.cache_write is None else rates.cache_write
    millionths = (
        fresh * Fraction(rates.input)
        + audio * rate(rates.input_audio, rates.input)
        + read * rate(rates.cache_read, rates.input)
        + other_write * Fraction(write)
        + sum(n * rate(rates.cache_writes.get(t), write) for t, n in lives.items())
        + plain_out * Fraction(rates.output)
        + reasoning * rate(rates.reasoning, rates.output)
        + spoken * rate(rates.output_audio, rates.output)
    )
    cost = cost_of(used, rates)
    assert cost.usd is not None
    assert Fraction(cost.usd) == millionths / 1_000_000 + Fraction(rates.request)
    assert sum((Fraction(line.usd) for line in cost.lines), Fraction()) == Fraction(cost.usd)


@settings(max_examples=60, deadline=None)
@given(factor=st.decimals("0.1", 4, places=2), amount=amounts, tokens=counts)
def test_a_factor_scales_the_price(factor: Decimal, amount: Decimal, tokens: int) -> None:
    rates = Rates(
        input=amount, output=amount, tiers=(Tier(100, Rates(input=amount, output=amount)),)
    )
    used = usage(input_tokens=tokens, output_tokens=tokens)
    once, scaled = cost_of(used, rates).usd, cost_of(used, times(rates, factor)).usd
    assert once is not None
    assert scaled == once * factor
