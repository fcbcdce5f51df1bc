from __future__ import annotations

import decimal
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.money import Bill, Charge, Cost, Price, add_usd, format_usd, short_usd
from prompture.types import Usage

D = Decimal
RATE = Price(D(2))


def charge(usd: str | None, *, tokens: int = 1000, **more: object) -> Charge:
    used = Usage(input_tokens=tokens, output_tokens=1, reported=True)
    counted = (("input", tokens, RATE),) if usd is not None else ()
    cost = Cost(
        usd=None if usd is None else D(usd),
        reason="no price is known for acme/m" if usd is None else "",
        counted=counted,
        computed=None if usd is None else RATE.of(tokens),
        **more,  # type: ignore[arg-type]
    )
    return Charge(provider="acme", model="m", usage=used, cost=cost)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("0E-12", "0.00"),
        ("1.5", "1.50"),
        ("1E+2", "100.00"),
        ("0.000000125", "0.000000125"),
        ("12.3450", "12.345"),
        ("-0.1", "-0.10"),
        ("1250E-9", "0.00000125"),
    ],
)
def test_format_usd(amount: str, text: str) -> None:
    assert format_usd(D(amount)) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ("0", "0.00"),
        ("1234.567", "1,234.57"),
        ("9.16437", "9.16"),
        ("0.2738", "0.27"),
        ("0.996", "1.00"),
        ("-0.000519", "-0.00052"),
        ("0.012345", "0.012"),
        ("0.0000004567", "0.00000046"),
    ],
)
def test_short_amounts(usd: str, text: str) -> None:
    assert short_usd(D(usd)) == text


@settings(max_examples=200, deadline=None)
@given(st.decimals(-(10**9), 10**9, places=12, allow_nan=False))
def test_format_usd_is_exact(amount: Decimal) -> None:
    with decimal.localcontext(prec=4):
        assert D(format_usd(amount)) == amount


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(10**18), 10**18)))
def test_sums_are_exact_in_any_context(wholes: list[int]) -> None:
    with decimal.localcontext(prec=2):
        total = add_usd(D(w).scaleb(-12, decimal.Context(prec=60)) for w in wholes)
    assert total == D(sum(wholes)).scaleb(-12, decimal.Context(prec=60))


def test_total_known_and_unknown() -> None:
    bill = Bill((charge("0.002"), charge("0.004", tokens=2000)))
    assert bill.total == bill.known == D("0.006")
    assert bill.unknown == ()
    worse = bill + Bill((charge(None),))
    assert worse.total is None
    assert worse.known == D("0.006")
    assert worse.unknown == ("no price is known for acme/m",)
    assert worse.usage.input_tokens == 4000
    assert not Bill()
    assert Bill().total == 0


@pytest.mark.parametrize(
    ("bill", "text"),
    [
        (Bill(), "$0.00 (0 calls, 0 in, 0 out)"),
        (Bill((charge("0.002"),)), "$0.002 (1 call, 1000 in, 1 out)"),
        (
            Bill((charge("0.002"), charge(None))),
            "at least $0.002 (2 calls, 2000 in, 2 out; no price is known for acme/m)",
        ),
        (
            Bill((charge(None),) * 2),
            "unknown (2 calls, 2000 in, 2 out; no price is known for acme/m)",
        ),
    ],
)
def test_one_line(bill: Bill, text: str) -> None:
    assert str(bill) == text


def test_lines_add_up_even_where_the_provider_states_another_price() -> None:
    bill = Bill((charge("0.002"), charge("0.0025", source="provider")))
    assert [line.bucket for line in bill.lines] == ["input", "input", "stated by provider"]
    assert [line.attempt for line in bill.lines] == [1, 2, 2]
    assert add_usd(line.usd for line in bill.lines if line.usd is not None) == bill.total


def test_json_has_amounts_as_text_and_no_floats() -> None:
    bill = Bill((charge("0.002", saving=D("0.001")), charge(None)))
    data = json.loads(bill.to_json())
    assert data["total_usd"] is None
    assert data["known_usd"] == "0.002"
    assert data["saving_usd"] == "0.001"
    assert data["unknown"] == ["no price is known for acme/m"]
    first, second = data["charges"]
    assert first["cost"]["lines"] == [
        {"bucket": "input", "quantity": 1000, "rate": "2.00", "usd": "0.002", "rule": ""}
    ]
    assert second["cost"]["usd"] is None
    assert second["usage"]["input_tokens"] == 1000


def test_table() -> None:
    bill = Bill((charge("0.002", saving=D("0.001")), charge(None)))
    lines = bill.table().splitlines()
    assert lines[0].split() == [
        "attempt",
        "model",
        "status",
        "bucket",
        "quantity",
        "rate",
        "$",
        "usd",
        "$",
        "rule",
    ]
    assert lines[1].split() == ["1", "acme/m", "ok", "input", "1000", "2.00", "0.002"]
    assert lines[3].split() == ["total", "unknown"]
    assert lines[4] == "prompt cache saved $0.001"
    assert lines[5] == "unknown: no price is known for acme/m"


def test_str_of_a_cost() -> None:
    assert str(Cost(usd=D("1E-7"))) == "$0.0000001"
    assert str(Cost(usd=None, reason="why")) == "unknown (why)"


def test_an_attempt_that_cost_nothing_has_a_line_too() -> None:
    local = Cost(usd=D(0), source="local", reason="on your own machine")
    bill = Bill((Charge(provider="a", model="m", usage=Usage(), cost=local, status="error"),))
    (line,) = bill.lines
    assert (line.bucket, line.usd, line.rule) == ("free", 0, "on your own machine")
    assert "a/m" in bill.table().splitlines()[1]
