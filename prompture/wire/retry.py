"""When to try a request again, and how long to wait first."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from prompture import given
from prompture.errors import Overloaded, PromptureError, ProviderError, TransportError
from prompture.wire import deadline
from prompture.wire.http import Exchange, HTTPRequest, HTTPResponse, Sleep, Work


def full_jitter(low: float, high: float) -> float:
    """A number between both, by this process's own random state. (``random.uniform`` itself is
    a method, which pickle sends with its state: copies would wait alike.)"""
    return random.uniform(low, high)


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with full jitter; the provider's Retry-After wins.

    ``attempts`` counts the first try; 1 never retries. ``base`` and ``cap`` are seconds. A
    provider that asks to wait longer than ``patience`` seconds is not waited for.
    """

    attempts: int = 3
    base: float = 0.5
    cap: float = 20.0
    patience: float = 120.0
    jitter: Callable[[float, float], float] = full_jitter

    def __post_init__(self) -> None:
        given.count(self.attempts, "Retry.attempts")
        for name in ("base", "cap", "patience"):
            given.number(getattr(self, name), f"Retry.{name}", least=0, wanted="seconds from 0 on")
        if not callable(self.jitter):
            raise given.wrong("Retry.jitter", "a function of two numbers", self.jitter)

    def delay(self, attempt: int, error: PromptureError) -> float | None:
        """Seconds to wait after failed attempt number ``attempt`` (from 1); None to give up,
        also where the whole call must be over before (``wire.deadline``)."""
        if attempt >= self.attempts or not error.retryable:
            return None
        wait = error.retry_after if isinstance(error, ProviderError) else None
        if wait is None:
            # An overloaded server is given twice the time from the first.
            steps = attempt if isinstance(error, Overloaded) else attempt - 1
            wait = self.jitter(0, min(self.cap, self.base * 2.0**steps))
        elif wait > self.patience:
            return None
        # A wait past the deadline would only delay the error.
        left = deadline.left(deadline.until())
        return wait if left is None or wait < left else None


def tried(error: PromptureError, attempts: int) -> PromptureError:
    """The error, with the number of tries in its message where it is more than one."""
    if attempts > 1 and error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]} (tried {attempts} times)", *error.args[1:])
    return error


def send(
    request: HTTPRequest,
    read_error: Callable[[HTTPResponse], ProviderError],
    retry: Retry,
    *,
    on_retry: Callable[[PromptureError], Work | None] | None = None,
    made: int = 0,
    within: Callable[[HTTPResponse], ProviderError | None] | None = None,
) -> Exchange[HTTPResponse]:
    """Send ``request`` until it succeeds or ``retry`` gives up; return the good response.

    ``on_retry`` is called with each error that another try follows; it may return work to be
    done first. ``made`` tries came before. ``within`` finds an error in a good response, which is
    tried again like any other.
    """
    attempt = made
    while True:
        attempt += 1
        error: ProviderError | TransportError
        try:
            response = yield request
            if response is None:
                raise TypeError("a transport answered a request with nothing")
            if response.status >= 300:  # a redirect is not followed
                error = read_error(response)
            elif within is None or (inner := within(response)) is None:
                return response
            else:
                error = inner
        except TransportError as exc:
            error = exc
        delay = retry.delay(attempt, error)
        if delay is None:
            raise tried(error, attempt)
        if on_retry and (work := on_retry(error)):
            yield work
        yield Sleep(delay)
