"""Routes: what this process knows of an endpoint, shared by every driver that calls it with one key.

A call passes a ``Visit`` of its route before each try and after it. So limits, the quota of
retries and the breaker count calls of all drivers, colours, threads and tasks alike.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from contextvars import ContextVar
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol, TypeAlias
from weakref import WeakValueDictionary

from prompture import forks
from prompture.errors import (
    ConnectTimeout,
    Overloaded,
    PromptureError,
    ProtocolError,
    ProviderError,
    RateLimitError,
    ReadTimeout,
    ServerError,
    TransportError,
    Unavailable,
)
from prompture.observe import note
from prompture.wire import deadline
from prompture.wire.http import Exchange
from prompture.wire.retry import Breaker, Latencies, Retry, RetryQuota
from prompture.wire.steps import in_context

if TYPE_CHECKING:
    from prompture.codecs.base import Endpoint
    from prompture.drivers.gate import Place, RouteGate
    from prompture.drivers.limits import Limits
    from prompture.types import Completion, RateLimits, Request

RouteKey: TypeAlias = tuple[str, str, int]
_routes: dict[RouteKey, Route] = {}
_lock = forks.fork_lock()
# A route that some driver holds is found all the same: a second one beside it would be limits twice.
_held: WeakValueDictionary[RouteKey, Route] = WeakValueDictionary()
KEPT = 4096
"""Routes that are remembered, besides those that drivers hold. Of more keys than that (of tenants) the
one used least lately goes."""
NEXT_PATIENCE = 5.0
"""Seconds that a provider may ask to wait for, where another model stands behind it."""
_has_next: ContextVar[bool] = ContextVar("prompture_has_next", default=False)
_TIMEOUTS = (ReadTimeout, ConnectTimeout)
# Statuses of a server, or of a gateway before it, that did not wait any longer.
_GAVE_UP = frozenset({408, 499})


def with_next() -> AbstractContextManager[None]:
    """Calls inside have a model behind them, which is asked where theirs is down: a breaker may
    refuse them, and a route that was silent is not tried again."""
    return in_context(_has_next, True)


class Route:
    """One endpoint of one provider, with one key. Threads, tasks and drivers share it."""

    def __init__(self, name: str, id: str = "") -> None:
        self.name = name
        """The provider's, for messages."""
        self.id = id
        """Of the endpoint and its key, alike in all processes; the key cannot be found from it."""
        self.quota = RetryQuota()
        self.breaker = Breaker()
        self.aside_until = 0.0
        """Until when (``time.monotonic``) its key is not used, where there are others."""
        self.is_refused = False
        self.latencies: dict[str, Latencies] = {}
        """By model; of calls that may be hedged."""
        self.gates: dict[str, RouteGate] = {}
        """Where calls wait, by model ("" for all models). Empty until a limit is set or learned."""

    def gate(self, model: str, limits: Limits | None, *, adopt: bool = False) -> RouteGate:
        """The gate of a model, made where there is none; ``adopt``: it is held to these limits."""
        from prompture.drivers.gate import RouteGate
        from prompture.drivers.limits import BY_MODEL, NO_LIMITS

        limits = limits or NO_LIMITS
        per = limits.per or ("model" if self.name in BY_MODEL else "key")
        scope = model if per == "model" else ""
        with _lock:
            found = self.gates.get(scope)
            if found is None:
                name = f"{self.name}/{scope}" if scope else self.name
                found = self.gates[scope] = RouteGate(name, limits, scope=f"{self.id}/{scope}")
        if adopt:
            found.adopt(limits)
        return found

    def found_gate(self, model: str) -> RouteGate | None:
        """The gate that a call of this model passes, where there is one."""
        return self.gates.get(model) or self.gates.get("")


def route_of(provider: str, endpoint: Endpoint) -> Route:
    """The route of an endpoint. One with another key is another route: limits go by key."""
    # The hash is of this process alone: the key cannot be read from it.
    key = (provider, endpoint.base_url, hash(tuple(endpoint.secrets())))
    with _lock:
        # Taken out and put in again: the first is the one that was used least lately.
        found = _routes.pop(key, None) or _held.get(key)
        if found is None:
            found = _held[key] = Route(provider, _id(key[:2], endpoint.secrets()))
        _routes[key] = found
        if len(_routes) > KEPT:
            del _routes[next(iter(_routes))]
        return found


def _id(where: tuple[str, str], keys: tuple[str, ...]) -> str:
    text = "\0".join((*where, *keys)).encode("utf-8", "replace")
    return blake2b(text, digest_size=12, person=b"prompture route").hexdigest()


def is_silence(error: BaseException) -> bool:
    """Whether a route was silent until a timeout."""
    return isinstance(error, _TIMEOUTS)


def asks_to_wait(error: BaseException) -> bool:
    """Whether a route asks for a wait that is not made where another model stands behind it."""
    return isinstance(error, ProviderError) and (error.retry_after or 0.0) > NEXT_PATIENCE


def _is_down(error: PromptureError) -> bool | None:
    """Whether an error shows that an endpoint has no service, or that it has; None for what says
    neither."""
    if isinstance(error, Unavailable):
        return None
    if isinstance(error, TransportError):
        # The caller's own deadline may be too short for the best of servers.
        return None if deadline.is_over() else True
    if isinstance(error, ProviderError):
        return isinstance(error, ServerError) or error.status >= 500 or error.status in _GAVE_UP
    return True if isinstance(error, ProtocolError) else None


class RoutedDriver(Protocol):
    """What a visit asks of a driver."""

    own_quota: RetryQuota | None
    own_breaker: Breaker | None
    limits: Limits | None
    retry: Retry


class Visit:
    """One call's way through its route: ``enter`` before each try, ``leave`` after it."""

    __slots__ = (
        "_breaker", "_counted", "_driver", "_has_next", "_is_inside", "_limits", "_quota", "_route",
        "_turn", "is_left", "is_stream", "request", "since",
    )  # fmt: skip

    def __init__(
        self, route: Route, driver: RoutedDriver | None = None, *, is_stream: bool = False
    ) -> None:
        self._driver, self.is_stream = driver, is_stream
        self._has_next = _has_next.get()
        self._is_inside = self._counted = self.is_left = False
        self.since = 0.0
        """When the present try began, by ``time.monotonic``."""
        self.request: Request | None = None
        """As it is sent: limits go by its model and its tokens."""
        self.move(route)

    def move(self, route: Route) -> None:
        """Go on by this route: the same endpoint, with another key perhaps."""
        self._route = route
        driver = self._driver
        self._quota = (driver and driver.own_quota) or route.quota
        self._breaker = (driver and driver.own_breaker) or route.breaker
        self._limits = driver.limits if driver else None
        self._turn: Turn | None = None

    def enter(self) -> Exchange[None] | None:
        """What must be waited for before a try is sent; None where nothing is. Raises what
        forbids the try."""
        if self._breaker.is_open and self._breaker.refuses(self._has_next):
            raise Unavailable(
                f"{self._route.name}: not asked: its last calls failed, and the next one to try"
                f" it again (one in {self._breaker.probe_seconds:g} s) is not due yet"
            )
        # Most calls have no limit, and most endpoints have asked for no pause yet.
        if self._limits is not None or self._turn is not None or self._route.gates:
            waiting = self._found_turn().enter()
            if waiting is not None:
                return self._after(waiting)
        self._begin()
        return None

    def _after(self, waiting: Exchange[None]) -> Exchange[None]:
        yield from waiting
        self._begin()

    def _begin(self) -> None:
        if self.is_left:  # while it waited: another call has answered (``hedging``)
            raise Unavailable(f"{self._route.name}: not asked: another call has the answer")
        self._is_inside, self._counted = True, False
        self.since = time.monotonic()

    def _found_turn(self) -> Turn:
        if self._turn is None:
            self._turn = Turn(self)
        return self._turn

    def first_byte(self) -> None:
        """The first byte of a stream has come."""
        if self._turn is not None:
            self._turn.first_byte()

    def leave(self, error: BaseException | None, answer: Completion | None = None) -> None:
        """A try has ended: with an answer (None), an error of ours, or because its caller left
        it (any other exception), which says nothing about the route. Later calls do nothing."""
        if self._turn is not None:  # also of one who waits, and has not got in
            self._turn.leave(error, answer)
        if not self._is_inside:
            return
        self._is_inside = False
        if error is None:
            self._quota.succeeded()
            if self._breaker.answered():
                self._closed()
            # Most providers state limits with each answer; only a zero teaches anything.
            stated = answer.rate_limits if answer is not None else None
            if stated and 0 in (stated.requests_remaining, stated.tokens_remaining):
                self._found_turn().learn(stated)
        elif isinstance(error, PromptureError):
            self._count(error)
            if isinstance(error, ProviderError) and error.retryable and error.retry_after:
                self._found_turn().pause(error.retry_after)

    @property
    def is_under_way(self) -> bool:
        """Whether a try was let in and has not ended: its request may be out."""
        return self._is_inside

    def may_retry(self, error: PromptureError, delay: float = 0.0) -> bool:
        """Whether the route still bears another try after this error, in ``delay`` seconds."""
        if self.is_left:
            return False
        # Before the breaker is asked: this failure may be the one that opens it.
        self._count(error)
        if self._has_next and (is_silence(error) or asks_to_wait(error) or self._is_kept_away()):
            return False
        if self._quota.take(error):
            again = "%(provider)s: again in %(seconds).1f s (%(error)s)"
            note("retry", again, error=error, provider=self._route.name, seconds=delay)
            return True
        note(
            "retries_used_up",
            "%(provider)s: not tried again (%(error)s): too many calls had to be, lately",
            level=logging.WARNING,
            error=error,
            provider=self._route.name,
        )
        return False

    def _is_kept_away(self) -> bool:
        return self._breaker.is_open and self._breaker.refuse != "never"

    def _count(self, error: PromptureError) -> None:
        if self._counted:
            return
        self._counted = True
        is_down = _is_down(error)
        if is_down is False and self._breaker.answered():
            self._closed()
        elif is_down and self._breaker.failed():
            note(
                "breaker_open",
                "%(provider)s is down (%(error)s): a cascade goes on to its next model, and one"
                " call in %(seconds)g s tries this one again",
                level=logging.WARNING,
                error=error,
                provider=self._route.name,
                seconds=self._breaker.probe_seconds,
            )

    def _closed(self) -> None:
        note("breaker_closed", "%(provider)s answers again", provider=self._route.name)


# A call's turns at the gate of its route, and what its answers teach the gate.

ANSWER_TOKENS = 1000
"""What is reserved for an answer without ``max_tokens``, until it has come."""
LONGEST_LEARNED = 120.0
"""Seconds of a ``reset`` header that are waited for. A longer one is a day's allowance, of which a
part may be free before: the provider refuses by itself."""


class Turn:
    """Made for a call where its driver has limits, its route has a gate, or one is to be made."""

    __slots__ = (
        "_gate", "_is_again", "_is_stream", "_is_sync", "_limits", "_model", "_patience", "_place",
        "_request", "_route",
    )  # fmt: skip

    def __init__(self, visit: Visit) -> None:
        self._route, self._limits, self._request = visit._route, visit._limits, visit.request
        self._model = self._request.model if self._request else ""
        driver = visit._driver
        patience = driver.retry.patience if driver else float("inf")
        self._patience = min(patience, NEXT_PATIENCE) if visit._has_next else patience
        self._is_stream, self._is_sync = visit.is_stream, not hasattr(driver, "__aenter__")
        self._gate: RouteGate | None = None
        self._place: Place | None = None
        self._is_again = False

    def enter(self) -> Exchange[None] | None:
        """What must be waited for. Raises RateLimitError where that would be too long."""
        gate, request = self._gate or self._route.found_gate(self._model), self._request
        if gate is None and self._limits is not None:
            gate = self._route.gate(self._model, self._limits)
        self._gate = gate
        if gate is None:
            return None
        tokens = _tokens(request) if request and gate.limits.tokens_per_minute else 0
        from prompture.drivers.gate import Place

        # First of all: whatever interrupts this call, ``leave`` finds the place and gives it back.
        self._place = Place(
            tokens,
            request.priority if request else None,
            is_again=self._is_again,
            is_stream=self._is_stream,
            is_sync=self._is_sync,
        )
        self._is_again = True
        return gate.enter(self._place, self._patience)

    def first_byte(self) -> None:
        if self._gate is not None and self._place is not None:
            self._gate.first_byte(self._place)

    def leave(self, error: BaseException | None, answer: Completion | None) -> None:
        """The try has ended, or its caller waits no longer. Later calls do nothing."""
        gate, place = self._gate, self._place
        if gate is None or place is None:
            return
        used: int | None = None
        if answer is None and isinstance(error, ProviderError):
            answer = error.partial
            # Refused before the model began: what was reserved is given back.
            used = 0
        if answer is not None and answer.usage.total_tokens:
            used = answer.usage.total_tokens
        refused = isinstance(error, (RateLimitError, Overloaded))
        gate.leave(place, used=used, outcome="refused" if refused else "" if error else "ok")
        # Last: an interrupt before it finds the place still here.
        self._place = None

    def pause(self, seconds: float) -> None:
        """The provider asks for a pause: the whole route keeps it."""
        if (gate := self._learning()) is not None:
            gate.pause(seconds)

    def learn(self, stated: RateLimits) -> None:
        """Pause until the reset, where headers state that nothing is left."""
        wait = 0.0
        # A limit of 0 is none: some gateways fill the header so.
        if stated.requests_remaining == 0 and stated.requests_limit != 0:
            wait = stated.requests_reset or 0.0
        if stated.tokens_remaining == 0 and stated.tokens_limit != 0:
            wait = max(wait, stated.tokens_reset or 0.0)
        # A limit that the caller has set is kept by that.
        gate = self._learning() if 0 < wait <= LONGEST_LEARNED else None
        if gate is not None and not gate.limits.is_rated:
            gate.pause(wait)

    def _learning(self) -> RouteGate | None:
        """The gate, made where there is none yet; None where nothing is to be learned."""
        if self._gate is None:
            if self._limits is not None and not self._limits.learn:
                return None
            self._gate = self._route.gate(self._model, self._limits)
        return self._gate if self._gate.limits.learn else None


def _tokens(request: Request) -> int:
    """What a request will take of a limit on tokens, as far as that is known before."""
    from prompture.catalog.tokens import count_request

    return count_request(request, exact=False).tokens + (request.max_tokens or ANSWER_TOKENS)
