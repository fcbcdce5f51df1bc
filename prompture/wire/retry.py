"""When to send a request: how long to wait before it is tried again, and client-side rate limits."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from threading import Lock
from typing import Protocol

from prompture import forks, given
from prompture.errors import (
    ConnectTimeout,
    Overloaded,
    PromptureError,
    ProviderError,
    ReadTimeout,
    TransportError,
)
from prompture.given import number
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


class RetryQuota:
    """How many retries an endpoint is given, over all calls: an outage must not multiply them.

    A retry takes ``cost`` out of ``capacity``, after a timeout ``timeout_cost``; an answer gives
    ``refund`` back. With nothing left, calls fail at their first try. Costs of 0 never end it.

    Whoever is given the same object shares it, in one process: a copy in another begins full.
    """

    def __init__(
        self,
        capacity: float = 500,
        *,
        cost: float = 5,
        timeout_cost: float = 10,
        refund: float = 1,
    ) -> None:
        settings = {"capacity": capacity, "cost": cost, "timeout_cost": timeout_cost}
        for name, value in {**settings, "refund": refund}.items():
            given.number(value, f"RetryQuota.{name}", least=0, wanted="a number from 0 on")
        self.capacity, self.cost = capacity, cost
        self.timeout_cost, self.refund = timeout_cost, refund
        self._left = capacity
        self._lock = forks.fork_lock()

    def __reduce__(self) -> tuple[object, ...]:
        return RetryQuota.of, (self.capacity, self.cost, self.timeout_cost, self.refund)

    @staticmethod
    def of(capacity: float, cost: float, timeout_cost: float, refund: float) -> RetryQuota:
        return RetryQuota(capacity, cost=cost, timeout_cost=timeout_cost, refund=refund)

    def __repr__(self) -> str:
        return f"RetryQuota({self.capacity:g}, left={self._left:g})"

    @property
    def left(self) -> float:
        """What is left of the capacity."""
        return self._left

    def take(self, error: PromptureError) -> bool:
        """Take what a retry after this error costs; False where that much is not left."""
        is_timeout = isinstance(error, (ConnectTimeout, ReadTimeout))
        cost = self.timeout_cost if is_timeout else self.cost
        with self._lock:
            if self._left < cost:
                return False
            self._left -= cost
            return True

    def succeeded(self) -> None:
        """An answer came."""
        # Without the lock where there is nothing to give back: that is nearly every call.
        if self._left < self.capacity:
            with self._lock:
                self._left = min(self.capacity, self._left + self.refund)


class Latencies:
    """How long calls of one model took lately, and whether one more may be hedged: sent a second
    time, because it takes longer than usual."""

    LEAST, KEPT = 20, 200
    # A tail that is longer than most is no reason to wait for it.
    MEDIANS = 2.0
    # More than the share that is slower by definition, for chance gives runs of slow ones.
    MARGIN, BURST = 1.4, 8.0

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=self.KEPT)
        self._allowed = self.BURST
        self._lock = forks.fork_lock()

    def add(self, seconds: float, share: float) -> None:
        """A call took so long, or was left after so long."""
        with self._lock:
            self._seconds.append(seconds)
            self._allowed = min(self.BURST, self._allowed + self.MARGIN * (1 - share))

    def patience(self, share: float) -> float | None:
        """Seconds that this share of calls took at most, but no more than twice the median;
        None where too few calls are known."""
        with self._lock:
            found = sorted(self._seconds)
        if len(found) < self.LEAST:
            return None
        at = min(int(share * len(found)), len(found) - 1)
        return min(found[at], self.MEDIANS * found[len(found) // 2])

    def take(self) -> bool:
        """Whether a call may be sent a second time: 1.4 times as many as the share leaves."""
        with self._lock:
            if self._allowed < 1:
                return False
            self._allowed -= 1
            return True


class Gate(Protocol):
    """What stands between a call and its endpoint. See ``drivers.routes.Visit``."""

    def enter(self) -> Exchange[None] | None: ...
    def may_retry(self, error: PromptureError, delay: float) -> bool: ...


def send(
    request: HTTPRequest,
    read_error: Callable[[HTTPResponse], ProviderError],
    retry: Retry,
    *,
    on_retry: Callable[[PromptureError], Work | None] | None = None,
    made: int = 0,
    within: Callable[[HTTPResponse], ProviderError | None] | None = None,
    gate: Gate | None = None,
    instead: Callable[[PromptureError], Callable[[], HTTPRequest] | None] | None = None,
) -> Exchange[HTTPResponse]:
    """Send ``request`` until it succeeds or ``retry`` gives up; return the good response.

    ``on_retry`` is called with each error that another try follows; it may return work to be
    done first. ``made`` tries came before. ``within`` finds an error in a good response, which is
    tried again like any other. ``gate`` is entered before each try, and asked before each retry. ``instead`` makes the
    request that is sent at once in its place after an error (with another key), if there is one.
    """
    attempt = made
    while True:
        attempt += 1
        if gate and (entry := gate.enter()) is not None:
            yield from entry
        error: ProviderError | TransportError
        try:
            response = yield request
            # A transport of somebody else's.
            if response is None:
                raise TypeError("a transport answered a request with nothing")
            if response.status >= 300:  # a redirect is not followed
                error = read_error(_dated(response))
            elif within is None or (inner := within(response)) is None:
                return response
            else:
                error = inner
        except TransportError as exc:
            error = exc
        if instead and (another := instead(error)) is not None:
            if on_retry and (work := on_retry(error)):
                yield work
            # With another key, and at once: it is no second try of this one.
            request, attempt = another(), attempt - 1
            continue
        delay = retry.delay(attempt, error)
        if delay is None or (gate and not gate.may_retry(error, delay)):
            raise tried(error, attempt)
        if on_retry and (work := on_retry(error)):
            yield work
        yield Sleep(delay)


def _dated(response: HTTPResponse) -> HTTPResponse:
    """The response with a date: who reads its error reads no clock, and may have to hold a date
    to wait for against it."""
    if "retry-after" not in response.headers or "date" in response.headers:
        return response
    return replace(response, headers={**response.headers, "date": formatdate(usegmt=True)})


def due(free_at: float, now: float, burst_seconds: float) -> float:
    """Seconds until the next may be sent, where the allowance is used up to ``free_at``."""
    return max(0.0, free_at - now - burst_seconds)


def used_up(free_at: float, now: float, amount: float, per_minute: float) -> float:
    """Until when the allowance is used up, once this amount more is taken of it."""
    return max(free_at, now) + amount * 60.0 / per_minute


@dataclass(slots=True)
class Throttle:
    """Spreads requests, and tokens, evenly over the minute; shared by threads and tasks.

    Short bursts pass: up to ``burst_seconds`` worth of the allowance at once. ``clock`` gives
    seconds that only grow.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _free_at: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _lock: Lock = field(default_factory=forks.fork_lock)

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            number(getattr(self, name), f"Throttle.{name}", above=0, wanted="a number above 0")

    def reserve(self, tokens: int = 0) -> float:
        """Take a place for one request of so many tokens; the seconds to wait before sending."""
        now = self.clock()
        with self._lock:
            wait = self._wait(tokens, now)
            # Taken at once, before the wait: those who come later line up behind it.
            self._take(0, 1, now)
            self._take(1, tokens, now)
        return wait

    def wait(self, tokens: int = 0) -> float:
        """Seconds until a request of so many tokens may be sent; nothing is taken."""
        with self._lock:
            return self._wait(tokens, self.clock())

    def settle(self, tokens: int) -> None:
        """A request took so many tokens more than were reserved for it (below 0: fewer)."""
        if self.tokens_per_minute is not None:
            with self._lock:
                self._free_at[1] += tokens * 60.0 / self.tokens_per_minute

    def _wait(self, tokens: int, now: float) -> float:
        wait = 0.0
        if self.requests_per_minute is not None:
            wait = due(self._free_at[0], now, self.burst_seconds)
        if self.tokens_per_minute is not None and tokens > 0:
            wait = max(wait, due(self._free_at[1], now, self.burst_seconds))
        return wait

    def _take(self, which: int, amount: int, now: float) -> None:
        rate = self.tokens_per_minute if which else self.requests_per_minute
        if rate is not None and amount > 0:
            self._free_at[which] = used_up(self._free_at[which], now, amount, rate)
