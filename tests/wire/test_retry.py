"""The retry exchange: when to send again, and how long to wait."""

from __future__ import annotations

import time
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

import pytest

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import provider_error
from prompture.errors import (
    AuthenticationError,
    ConnectionLost,
    Overloaded,
    PromptureError,
    ProviderError,
    QuotaExhausted,
    RateLimitError,
    ServerError,
)
from prompture.wire.http import HTTPRequest, HTTPResponse, Sleep
from prompture.wire.retry import Retry, send
from prompture.wire.steps import Done, advance

REQUEST = HTTPRequest("POST", "https://x.example", {})


def _error(cls: type[ProviderError], **more: Any) -> ProviderError:
    return cls("no", provider="x", status=500, **more)


DELAYS: list[tuple[PromptureError, int, float | None]] = [
    (_error(ServerError), 1, 0.5),
    (_error(ServerError), 2, 1.0),
    (_error(ServerError), 3, None),
    (_error(Overloaded), 1, 1.0),
    (_error(RateLimitError, retry_after=7.0), 1, 7.0),
    (_error(RateLimitError, retry_after=500.0), 1, None),
    (_error(RateLimitError, retry_after=0.0), 2, 1.0),  # of a date that has passed
    (_error(AuthenticationError), 1, None),
    (_error(QuotaExhausted), 1, None),
    (_error(AuthenticationError, retryable=True), 1, 0.5),
    (ConnectionLost("gone"), 1, 0.5),
]


@pytest.mark.parametrize(("error", "attempt", "delay"), DELAYS)
def test_delays(error: PromptureError, attempt: int, delay: float | None) -> None:
    assert Retry(jitter=lambda low, high: high).delay(attempt, error) == delay


def _drive(replies: list[Any], retry: Retry) -> tuple[list[float], list[PromptureError], Any]:
    """Waits, noted errors, and the response or the error that came out."""
    noted: list[PromptureError] = []
    exchange = send(
        REQUEST,
        lambda r: ServerError("no", provider="x", status=r.status),
        retry,
        on_retry=noted.append,
    )
    waits: list[float] = []
    left = iter(replies)
    try:
        step = advance(exchange)
        while not isinstance(step, Done):
            if isinstance(step, Sleep):
                waits.append(step.seconds)
                step = advance(exchange)
            else:
                step = advance(exchange, next(left))
        return waits, noted, step.value
    except PromptureError as exc:
        return waits, noted, exc


def test_it_sends_until_it_succeeds() -> None:
    good = HTTPResponse(200, {})
    replies = [HTTPResponse(503, {}), ConnectionLost("gone"), good]
    waits, noted, out = _drive(replies, Retry(jitter=lambda low, high: high))
    assert (waits, out) == ([0.5, 1.0], good)
    assert [type(e) for e in noted] == [ServerError, ConnectionLost]


def test_it_gives_up_with_the_last_error() -> None:
    waits, noted, out = _drive([HTTPResponse(500, {}), HTTPResponse(502, {})], Retry(attempts=2))
    assert (len(waits), len(noted)) == (1, 1)
    assert isinstance(out, ServerError)
    assert out.status == 502


@pytest.mark.parametrize("date", [None, "Sat, 28 Nov 2026 10:00:00 GMT"])
def test_a_date_to_wait_for_is_held_against_the_answers_or_ours(date: str | None) -> None:
    now = parsedate_to_datetime(date).timestamp() if date else time.time()
    headers = {"retry-after": formatdate(now + 30, usegmt=True)} | ({"date": date} if date else {})
    endpoint = Endpoint("x", "https://x.example", "", {}, {})
    retry = Retry(attempts=2)
    exchange = send(REQUEST, lambda response: provider_error(response, endpoint), retry)
    assert advance(exchange) is REQUEST
    step = advance(exchange, HTTPResponse(429, headers))
    assert isinstance(step, Sleep)
    assert step.seconds == pytest.approx(30, abs=2)
