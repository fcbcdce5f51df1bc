"""Client-side rate limits."""

from __future__ import annotations

from typing import Any

import pytest

from prompture.drivers.limits import Throttle
from prompture.errors import ConfigurationError


def test_requests_are_spread_over_the_minute() -> None:
    now = [0.0]
    throttle = Throttle(requests_per_minute=60, burst_seconds=0, clock=lambda: now[0])
    assert [throttle.reserve() for _ in range(3)] == [0.0, 1.0, 2.0]
    now[0] = 10.0
    assert throttle.reserve() == 0.0


def test_tokens_count_apart_and_the_longer_wait_holds() -> None:
    throttle = Throttle(600, 60_000, burst_seconds=0, clock=lambda: 0.0)
    throttle.reserve(30_000)
    assert throttle.reserve(10) == pytest.approx(30.0)


def test_a_burst_passes() -> None:
    throttle = Throttle(requests_per_minute=60, burst_seconds=2, clock=lambda: 0.0)
    assert [throttle.reserve() for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "60", True])
def test_a_rate_must_be_above_zero(rate: Any) -> None:
    with pytest.raises(ConfigurationError, match="requests_per_minute"):
        Throttle(requests_per_minute=rate)
