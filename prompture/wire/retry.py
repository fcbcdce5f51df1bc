"""When to send a request: how long to wait before it is tried again, how many retries an endpoint is
given, and what keeps calls away from one that is down."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
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
        # A wait of nothing (a date that has passed) would send everybody again at one moment.
        if not wait:
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


REFUSE = ("cascade", "always", "never")
"""Which calls a Breaker keeps away."""


class Breaker:
    """Keeps calls away from an endpoint that is down, until a probe finds it up again.

    It opens after ``failures`` tries in a row that failed for want of a service (5xx, overloaded,
    timeouts, lost connections, streams that broke off, pages in the place of JSON), or where
    ``share`` of the last ``of`` tries did. While it is open, one call in ``probe_seconds`` is let
    through as a probe; the first answer closes it. What the caller did wrong (4xx) and limits
    (429) are answers. ``refuse`` says which calls are kept away: those of a ``"cascade"`` that
    have another model behind them (the default), ``"always"`` those of one model too, or
    ``"never"`` any.

    Whoever is given the same object shares it, in one process. A forked child's is closed.
    """

    def __init__(
        self,
        failures: int = 5,
        *,
        share: float = 0.5,
        of: int = 20,
        probe_seconds: float = 2.0,
        refuse: str = "cascade",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given.count(failures, "Breaker.failures")
        given.share(share, "Breaker.share")
        given.count(of, "Breaker.of")
        given.number(probe_seconds, "Breaker.probe_seconds", above=0, wanted="seconds above 0")
        given.one_of(refuse, "Breaker.refuse", REFUSE)
        self.failures, self.share, self.of = failures, share, of
        self.probe_seconds, self.refuse = probe_seconds, refuse
        self._clock = clock
        self._lock = forks.fork_lock()
        self._renew()
        forks.renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        # Appending to a full deque drops the oldest, and needs no lock.
        self._recent: deque[bool] = deque(maxlen=self.of)
        self._in_a_row = 0
        self._next_probe: float | None = None

    def __reduce__(self) -> tuple[object, ...]:
        settings = (self.failures, self.share, self.of, self.probe_seconds, self.refuse)
        return _breaker, settings

    def __repr__(self) -> str:
        return f"Breaker({self.state})"

    @property
    def state(self) -> str:
        """``"closed"`` (calls pass), ``"open"``, or ``"half-open"``: the next call is a probe."""
        if (probe := self._next_probe) is None:
            return "closed"
        return "open" if self._clock() < probe else "half-open"

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is taken to be down."""
        return self._next_probe is not None

    def refuses(self, has_next: bool) -> bool:
        """Whether a call must not be sent now. Where it may be, as a probe, that one is taken."""
        if self._next_probe is None or self.refuse == "never":
            return False
        if not has_next and self.refuse != "always":
            return False
        with self._lock:
            now, probe = self._clock(), self._next_probe
            # Another thread's answer may have closed it meanwhile.
            if probe is not None and now < probe:
                return True
            if probe is not None:
                self._next_probe = now + self.probe_seconds
            return False

    def answered(self) -> bool:
        """The endpoint answered; whether that closed the breaker."""
        self._recent.append(True)
        # Without the lock where nothing is amiss: that is nearly every call.
        if not self._in_a_row and self._next_probe is None:
            return False
        with self._lock:
            was_open = self._next_probe is not None
            self._in_a_row, self._next_probe = 0, None
            if was_open:  # the failures of the outage say nothing about what follows it
                self._recent.clear()
            return was_open

    def failed(self) -> bool:
        """A try failed for want of a service; whether that opened the breaker."""
        with self._lock:
            self._recent.append(False)
            self._in_a_row += 1
            if self._next_probe is not None:
                return False
            bad = self._recent.count(False)
            is_down = self._in_a_row >= self.failures or (
                len(self._recent) == self.of and bad >= self.share * self.of
            )
            if is_down:
                self._next_probe = self._clock() + self.probe_seconds
            return is_down


def _breaker(failures: int, share: float, of: int, probe_seconds: float, refuse: str) -> Breaker:
    return Breaker(failures, share=share, of=of, probe_seconds=probe_seconds, refuse=refuse)


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
