"""Which key a call is sent with: one of several of the driver's, or one of its own.

A call takes the first key that is free now. One that is refused, or out of credit, is set aside for
a while; one at its limit gives way to the next. No message shows a key, only its place in the list.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from prompture.drivers.routes import Route, Visit, route_of
from prompture.errors import (
    AuthenticationError,
    KeysExhausted,
    PromptureError,
    ProviderError,
    QuotaExhausted,
    RateLimitError,
)
from prompture.observe import note
from prompture.provider_names import own_name
from prompture.wire.http import Exchange, HTTPRequest, HTTPResponse
from prompture.wire.retry import Retry

if TYPE_CHECKING:
    from prompture.codecs.base import Endpoint
    from prompture.drivers.provider import Provider
    from prompture.types import Request

REFUSED_SECONDS = 600.0
"""How long a refused key is set aside: a provider that refuses all keys for a minute by mistake must
not end a service for good."""
SPENT_SECONDS = 300.0
"""How long a key without credit is, where the provider does not state it."""
LONGEST_SPENT = 3600.0
"""And at most, for what the provider states may be a slip."""
_OF_KEYS = (RateLimitError, QuotaExhausted, AuthenticationError)


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One of several keys. ``place`` counts from 1."""

    place: int
    endpoint: Endpoint = field(repr=False)
    route: Route = field(repr=False)


class Keyring:
    """A driver's several keys. What happened to one is with its route: all drivers know it."""

    def __init__(
        self, provider: str, keys: Sequence[Key], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.provider, self.keys = provider, tuple(keys)
        self._clock = clock

    def __repr__(self) -> str:
        return f"Keyring({len(self.keys)} keys)"

    def pick(self, model: str, tried: frozenset[Key] = frozenset()) -> Key | None:
        """The first key that is free now, else the one that is free first; None where all were
        tried or are set aside."""
        now = self._clock()
        # The one whose pause ends first, for where none is free: its gate lets the call wait.
        found: Key | None = None
        least = float("inf")
        for key in self.keys:
            if key in tried or key.route.aside_until > now:
                continue
            gate = key.route.found_gate(model)
            if gate is None or gate.is_free():
                return key
            if (wait := gate.paused()) < least:
                found, least = key, wait
        return found

    def failed(self, key: Key, error: ProviderError) -> None:
        """Set a key aside that was refused or has no credit left. It is reported once."""
        if isinstance(error, AuthenticationError):
            seconds, why = REFUSED_SECONDS, "the provider refuses it"
        elif isinstance(error, QuotaExhausted):
            seconds = min(error.retry_after or SPENT_SECONDS, LONGEST_SPENT)
            why = "its credit is used up"
        else:
            return
        now, route = self._clock(), key.route
        is_new = route.aside_until <= now
        route.aside_until, route.is_refused = now + seconds, isinstance(error, AuthenticationError)
        if is_new:
            note(
                "key_set_aside",
                "%(provider)s: key %(attempt)d of %(limit)d is set aside for %(seconds).0f s: %(why)s",
                level=logging.WARNING,
                provider=self.provider,
                attempt=key.place,
                limit=len(self.keys),
                seconds=seconds,
                why=why,
            )

    def soonest(self, model: str) -> float:
        """Seconds until the first key may be used again."""
        now, waits = self._clock(), []
        for key in self.keys:
            gate = key.route.found_gate(model)
            waits.append(max(key.route.aside_until - now, gate.paused() if gate else 0.0, 0.0))
        return min(waits)

    def exhausted(self, model: str, last: ProviderError | None = None) -> ProviderError:
        """The error of a call that no key is left for, after the last one's error."""
        now, seconds, count = self._clock(), self.soonest(model), len(self.keys)
        aside = [key.route for key in self.keys if key.route.aside_until > now]
        if len(aside) == count and all(route.is_refused for route in aside):
            kind: type[ProviderError] = AuthenticationError
            text = f"each of the {count} keys was refused"
        else:
            kind = KeysExhausted
            text = f"each of the {count} keys is at its limit, out of credit or refused"
        if last is not None:
            text += f"; the last one: {last.args[0]}"
        made = kind(
            f"{text}; the first may be used again in {seconds:.0f} s",
            provider=self.provider,
            status=last.status if last else 0,
            code=last.code if last else None,
            request_id=last.request_id if last else None,
            retry_after=seconds,
            body=last.body if last else "",
            details=last.details if last else None,
        )
        made.unsent = last is None or last.unsent
        made.partial = last.partial if last else None
        return made


class KeyedDriver(Protocol):
    """What a call asks of its driver for that."""

    endpoint: Endpoint
    provider: Provider
    retry: Retry

    @property
    def keyring(self) -> Keyring | None: ...


def endpoint_for(driver: KeyedDriver, own: str | Mapping[str, str] | None) -> Endpoint | None:
    """The driver's endpoint with a call's own key; None where the call has none for its provider."""
    if own is not None and not isinstance(own, str):  # of a cascade: a key for each provider
        own = {own_name(name): key for name, key in own.items()}.get(driver.provider.name)
    if own is None:
        return None
    return replace(driver.endpoint, api_key=driver.provider.checked_key(own))


class KeyedCall:
    """The part of a call that knows which key it is sent with."""

    driver: KeyedDriver
    request: Request
    http: HTTPRequest
    endpoint: Endpoint
    _visit: Visit
    _streamed: bool
    _key: Key | None = None
    _tried: frozenset[Key] = frozenset()
    _next_key: Key | None = None
    """The key for the next try of a stream."""

    def _encoded(self, stream: bool) -> HTTPRequest:
        raise NotImplementedError

    def _take_key(self) -> None:
        """Take the request's own key, else one of the driver's several. Raises KeysExhausted."""
        driver = self.driver
        if not driver.endpoint.base_url:  # a model in this process: there is nobody to show it to
            return
        if (found := endpoint_for(driver, self.request.api_key)) is not None:
            self.endpoint = found
            # A tenant's key has limits of its own, and another's pause is not for it.
            self._visit.move(route_of(driver.provider.name, self.endpoint))
        elif (ring := driver.keyring) is not None:
            key = ring.pick(self.request.model)
            if key is None:
                raise ring.exhausted(self.request.model)
            self._use(key)

    def _use(self, key: Key) -> None:
        self._key, self._next_key, self.endpoint = key, None, key.endpoint
        # Limits, breaker and quota are of the endpoint with this key.
        self._visit.move(key.route)

    def _other_key(self, error: PromptureError) -> Key | None:
        """The key to try at once after this error, where it is one of the key's."""
        ring, key = self.driver.keyring, self._key
        if ring is None or key is None or not isinstance(error, _OF_KEYS):
            return None
        ring.failed(key, error)
        self._tried |= {key}
        other = ring.pick(self.request.model, self._tried)
        if other is None:
            return None
        gate = other.route.found_gate(self.request.model)
        # One that must pause for long is no better than this one.
        is_far = gate is not None and gate.paused() > self.driver.retry.patience
        return None if is_far else other

    def _instead(self, error: PromptureError) -> Callable[[], HTTPRequest] | None:
        """What makes the same request with another key, where that may help."""
        other = self._other_key(error)
        return None if other is None else partial(self._with, other)

    def _with(self, key: Key) -> HTTPRequest:
        self._use(key)
        # Anew: the key may be in the URL, in a header or in a signature.
        self.http = self._encoded(self._streamed)
        self._visit.request = self.request
        return self.http

    def _goes_on_with_another(self, error: PromptureError) -> bool:
        """Whether a stream that gave nothing is asked for again with another key."""
        if self._key is not None:
            self._next_key = self._other_key(error)
        return self._next_key is not None

    def _of_all_keys(self, sending: Exchange[HTTPResponse]) -> Exchange[HTTPResponse]:
        """The same; an error after which no other key is left is one of all keys."""
        try:
            return (yield from sending)
        except _OF_KEYS as exc:
            if self.driver.keyring is None:
                raise
            # First, for the pause that this one asks for counts, too.
            self._visit.leave(exc)
            raise self.driver.keyring.exhausted(self.request.model, exc) from exc
