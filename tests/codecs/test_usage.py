"""What providers say of tokens and costs: read whole, or unknown with the reason."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.catalog import Rates, cost_of
from prompture.codecs.anthropic_answer import read_usage as anthropic
from prompture.codecs.base import Endpoint
from prompture.codecs.bedrock_answer import read_usage as bedrock
from prompture.codecs.cohere_answer import usage_of as cohere
from prompture.codecs.gemini_answer import usage_of as gemini
from prompture.codecs.ollama_answer import usage_of as ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_chat_answer import usage_of as chat
from prompture.codecs.openai_responses_answer import read_usage as responses
from prompture.codecs.values import MOST, Counts, amount, merged, whole
from prompture.types import Usage

RATES = Rates(input=Decimal(1), output=Decimal(2))


def read(dialect: str, given: Any, made: Any) -> Usage:
    """The usage of an answer whose two counts are stated so; ``...`` leaves one out."""

    def body(first: str, second: str) -> dict[str, Any]:
        stated = {first: given, second: made}
        return {name: value for name, value in stated.items() if value is not ...}

    match dialect:
        case "chat":
            return chat({"usage": body("prompt_tokens", "completion_tokens")}, Quirks())
        case "responses":
            return responses({"usage": body("input_tokens", "output_tokens")})
        case "anthropic":
            return anthropic(body("input_tokens", "output_tokens"))
        case "bedrock":
            return bedrock({"usage": body("inputTokens", "outputTokens")})
        case "cohere":
            return cohere({"usage": {"tokens": body("input_tokens", "output_tokens")}})
        case "gemini":
            return gemini({"usageMetadata": body("promptTokenCount", "candidatesTokenCount")})
        case _:
            return ollama(body("prompt_eval_count", "eval_count"))


DIALECTS = ("chat", "responses", "anthropic", "bedrock", "cohere", "gemini", "ollama")
UNREADABLE = (
    None, -1, -0.5, 10.5, True, False, "", "many", "-3", "1e3", "1,000", math.inf, math.nan,
    2**63, 10**400, 1e300, [], [5], {}, {"a": 1}, "9" * 400, "\u0663",
)  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("value", UNREADABLE, ids=lambda v: str(v)[:20])
def test_what_cannot_be_read_is_unknown(dialect: str, value: Any) -> None:
    for usage in (read(dialect, value, 50), read(dialect, 50, value), read(dialect, value, value)):
        cost = cost_of(usage, RATES)
        assert (usage.reported, cost.usd) == (False, None)
        assert "cannot be read" in cost.reason
    assert read(dialect, 50, value).input_tokens == 50
    assert "at least $0.00005" in cost_of(read(dialect, 50, value), RATES).reason


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("value", [1000, "1000", " 1000 ", 1000.0, "1000.0", "+1000"], ids=repr)
def test_counts_in_other_spellings_are_read(dialect: str, value: Any) -> None:
    usage = read(dialect, value, value)
    assert (usage.input_tokens, usage.output_tokens) == (1000, 1000)
    assert usage.reported and not usage.problem
    assert cost_of(usage, RATES).usd == Decimal("0.003")


@pytest.mark.parametrize("dialect", [d for d in DIALECTS if d != "gemini"])
def test_an_output_that_is_not_stated_is_unknown(dialect: str) -> None:
    usage = read(dialect, 50, ...)
    assert not usage.reported and "is missing" in usage.problem


@pytest.mark.parametrize(
    "usage", [{"total_tokens": 1500}, {"foo": 1}, {"prompt": 5}, {"usage": {"prompt_tokens": 1}}]
)
def test_keys_that_nobody_knows_are_no_usage(usage: dict[str, Any]) -> None:
    for found in (
        chat({"usage": usage}, Quirks()),
        responses({"usage": usage}),
        anthropic(usage),
        bedrock({"usage": usage}),
    ):
        assert not found.reported and cost_of(found, RATES).usd is None


@pytest.mark.parametrize("usage", [None, [], "5", 5, {}, True])
def test_a_usage_that_is_no_object_is_none(usage: Any) -> None:
    for found in (
        chat({"usage": usage}, Quirks()),
        responses({"usage": usage}),
        anthropic(usage),
        bedrock({"usage": usage}),
        cohere({"usage": usage}),
        gemini({"usageMetadata": usage}),
    ):
        assert found.total_tokens == 0 and not found.reported


def test_a_broken_part_makes_the_price_unknown_and_keeps_the_counts() -> None:
    stated = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": -5},
    }
    usage = chat({"usage": stated}, Quirks())
    assert (usage.input_tokens, usage.reported) == (100, True)
    assert "cached_tokens is negative" in str(cost_of(usage, RATES))


def test_other_names_of_the_same_counts_are_read() -> None:
    stated = {"prompt_tokens": 0, "input_tokens": 7, "output_tokens": 3}
    usage = chat({"usage": stated}, Quirks())
    assert (usage.input_tokens, usage.output_tokens, usage.reported) == (7, 3, True)


@pytest.mark.parametrize(
    ("stated", "usd"),
    [
        ({"cost": 0.05}, "0.05"),
        ({"cost": "0.05"}, "0.05"),
        ({"cost": " $1.50 "}, "1.50"),
        ({"cost": 1e-05}, "0.00001"),
        ({"cost": 0}, "0"),
        ({"cost": -0.0}, "0"),
        ({"cost": {"total_cost": 0.006}}, "0.006"),
        ({"cost_in_usd_ticks": 12_345}, "0.0000012345"),
        ({"cost_in_usd_ticks": "12345"}, "0.0000012345"),
        ({"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, "0.3"),
    ],
)
def test_stated_costs_are_read_exactly(stated: dict[str, Any], usd: str) -> None:
    counts = Counts()
    assert counts.dollars(stated) == Decimal(usd)
    assert not counts.problem


@pytest.mark.parametrize(
    "stated",
    [
        {"cost": value}
        for value in (-1, -0.05, math.nan, math.inf, "free", True, [], 10**12, 1e300, "1e99", "")
    ]
    + [
        {"cost": {"total_cost": -1}},
        {"cost_in_usd_ticks": -1},
        {"cost_in_usd_ticks": 10**30},
        {"cost_in_usd_ticks": True},
        {"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": -2}},
    ],
    ids=str,
)
def test_a_stated_cost_that_is_none_is_unknown(stated: dict[str, Any]) -> None:
    body = {"usage": {"prompt_tokens": 1000, "completion_tokens": 10, **stated}}
    cost = cost_of(chat(body, Quirks()), RATES)
    assert cost.usd is None and "the stated cost is" in cost.reason
    assert cost.computed == Decimal("0.00102")


def test_a_routers_fee_is_not_the_price_of_a_call_that_ones_own_key_paid() -> None:
    for details in (
        {},
        {"cost_details": None},
        {"cost_details": {"upstream_inference_cost": None}},
    ):
        stated = {"prompt_tokens": 1000, "completion_tokens": 0, "cost": 0, "is_byok": True}
        usage = chat({"usage": {**stated, **details}}, Quirks())
        assert (usage.stated_cost, usage.problem) == (None, "")
        assert cost_of(usage, RATES).usd == Decimal("0.001")


FOREIGN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(FOREIGN, FOREIGN, st.sampled_from(DIALECTS))
def test_any_usage_is_read_or_unknown(given: Any, made: Any, dialect: str) -> None:
    usage = read(dialect, given, made)
    for count in (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens):
        assert type(count) is int and 0 <= count <= 2 * MOST
    cost = cost_of(usage, RATES)
    if usage.reported and not usage.problem:
        assert cost.usd is not None and cost.usd >= 0
    else:
        assert cost.usd is None and cost.reason


@given(st.integers(0, MOST), st.sampled_from((str, float, int)))
def test_counts_are_the_inverse_of_writing(count: int, spelling: Any) -> None:
    assert whole(spelling(count)) == count


@given(st.decimals(0, 10**6, places=9), st.booleans())
def test_amounts_are_exact(dollars: Decimal, as_text: bool) -> None:
    assert amount(str(dollars) if as_text else dollars) == dollars


@given(st.floats(0, 10**6))
def test_a_float_is_the_decimal_that_it_prints_as(dollars: float) -> None:
    found = amount(dollars)
    assert found is None or found == Decimal(repr(dollars))
    assert found is not None or dollars < 1e-20


STEPS = st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 9)), max_size=6)


@given(STEPS)
def test_of_running_totals_the_last_that_says_something_wins(steps: list[dict[str, Any]]) -> None:
    both: dict[str, Any] = {}
    for step in steps:
        both = merged(both, step)
    for name in {n for step in steps for n in step}:
        said = [s[name] for s in steps if s.get(name) is not None]
        counts = [value for value in said if value]
        assert both[name] == (counts[-1] if counts else said[-1] if said else None)


def test_nested_totals_are_merged_too() -> None:
    first = {"a": 5, "details": {"cached": 3, "other": 1}, "list": [1]}
    later = {"a": 0, "details": {"cached": 0, "other": 2}, "list": [], "b": "0"}
    known = merged(first, later)
    assert known == {"a": 5, "details": {"cached": 3, "other": 2}, "list": [1], "b": "0"}
    assert json.dumps(first) == json.dumps(
        {"a": 5, "details": {"cached": 3, "other": 1}, "list": [1]}
    )


THOUGHT = {"completion_tokens_details": {"reasoning_tokens": 60}}


@pytest.mark.parametrize(
    ("stated", "counts"),
    [
        ({"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81, **THOUGHT}, (21, 60)),
        ({"prompt_tokens": 21, "completion_tokens": 70, "total_tokens": 91, **THOUGHT}, (21, 70)),
        ({"prompt_tokens": 21, "completion_tokens": 70, "total_tokens": 151, **THOUGHT}, (21, 130)),
        ({"prompt_tokens": 21, "completion_tokens": 70, **THOUGHT}, (21, 70)),
        ({"prompt_tokens": 21, "completion_tokens": 70, "total_tokens": 5}, (21, 70)),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 112,
             "prompt_tokens_details": {"cached_tokens": 100}},
            (105, 7),
        ),
        ({"prompt_tokens": 20, "completion_tokens": 424, "total_tokens": 1016}, None),
    ],
)  # fmt: skip
def test_what_a_total_has_beyond_its_parts(stated: Any, counts: tuple[int, int] | None) -> None:
    """Some servers leave thoughts out of the output, or the cache out of the prompt."""
    usage = chat({"usage": stated}, Quirks())
    if counts is None:
        assert "572 tokens more than its parts" in str(cost_of(usage, RATES))
        assert "at least $0.000868" in str(cost_of(usage, RATES))
    else:
        assert (usage.input_tokens, usage.output_tokens, usage.problem) == (*counts, "")


def test_totals_of_other_dialects() -> None:
    stated = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 100}
    assert "88 tokens more" in gemini({"usageMetadata": stated}).problem
    stated = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 100}
    assert "88 tokens more" in bedrock({"usage": stated}).problem
    stated = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 100}
    assert "88 tokens more" in responses({"usage": stated}).problem


def test_a_usage_beside_an_empty_delta_is_the_streams() -> None:
    """As some servers end: the last chunk has a choice and the usage at once."""
    decoder = OpenAIChat().stream_decoder(Endpoint("openai", "http://x"))
    stated = {
        "prompt_tokens": 16111, "completion_tokens": 2, "total_tokens": 16113,
        "prompt_tokens_details": {"cached_tokens": 15872},
    }  # fmt: skip
    early = {"usage": {"prompt_tokens": 1, "completion_tokens": 0}, "choices": []}
    delta = {"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}
    last = {"choices": [{"index": 0, "delta": {}}], "usage": stated}
    for event in (early, delta, last, {"choices": [], "usage": None}, {"usage": {}}):
        decoder.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    decoder.feed(b"data: [DONE]\n\n")
    usage = decoder.close().usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (16111, 15872, 2)
