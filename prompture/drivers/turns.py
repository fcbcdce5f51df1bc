"""A call's turns at the gate of its route, and what its answers teach the gate."""

from __future__ import annotations

from typing import Protocol

from prompture.drivers.gate import LONGEST_LEARNED, Place, RouteGate
from prompture.drivers.limits import Limits
from prompture.errors import Overloaded, ProviderError, RateLimitError
from prompture.types import Completion, RateLimits, Request
from prompture.wire.http import Exchange

ANSWER_TOKENS = 1000
"""What is reserved for an answer without ``max_tokens``, until it has come."""


class Gated(Protocol):
    """A route, as far as it has gates."""

    def gate(self, model: str, limits: Limits | None) -> RouteGate: ...
    def found_gate(self, model: str) -> RouteGate | None: ...


class Turn:
    """Made for a call where its driver has limits, its route has a gate, or one is to be made."""

    __slots__ = (
        "_gate",
        "_is_again",
        "_limits",
        "_model",
        "_patience",
        "_place",
        "_request",
        "_route",
    )

    def __init__(
        self, route: Gated, limits: Limits | None, request: Request | None, patience: float
    ) -> None:
        self._route, self._limits, self._patience = route, limits, patience
        self._request, self._model = request, request.model if request else ""
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
        # First of all: whatever interrupts this call, ``leave`` finds the place and gives it back.
        self._place = Place(tokens, request.priority if request else None, is_again=self._is_again)
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
        if stated.requests_remaining == 0:
            wait = stated.requests_reset or 0.0
        if stated.tokens_remaining == 0:
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
