"""The moment by which a call must be over."""

from __future__ import annotations

import time

from prompture.errors import Overloaded
from prompture.wire import deadline
from prompture.wire.retry import Retry


def test_the_sooner_end_wins_and_ends_with_its_block() -> None:
    assert deadline.until() is None
    with deadline.within(100):
        outer = deadline.until()
        with deadline.within(1000):
            assert deadline.until() == outer
        with deadline.within(None):
            assert deadline.until() == outer
        with deadline.within(1):
            inner = deadline.until()
            assert inner is not None and outer is not None and inner < outer
        assert deadline.until() == outer
    assert deadline.until() is None


def test_seconds_that_are_left() -> None:
    assert deadline.left(None) is None
    assert deadline.left(time.monotonic() - 1) == 0.0
    assert deadline.sooner(5.0, None) == 5.0
    assert deadline.sooner(5.0, time.monotonic() - 1) == 0.001  # 0 is "do not wait" to a socket
    assert deadline.sooner(5.0, time.monotonic() + 100) == 5.0
    rest = deadline.sooner(None, time.monotonic() + 100)
    assert rest is not None and 99 < rest <= 100


def test_no_wait_goes_past_the_end() -> None:
    retry = Retry(jitter=lambda low, high: high)
    error = Overloaded("full", provider="p", status=503)
    assert retry.delay(1, error) == 1.0
    with deadline.within(0.5):
        assert retry.delay(1, error) is None
    asked = Overloaded("full", provider="p", status=503, retry_after=30)
    with deadline.within(10):
        assert retry.delay(1, asked) is None
