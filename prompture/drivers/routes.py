"""Routes: what this process knows of an endpoint, shared by every driver that calls it with one key.

A call passes a ``Visit`` of its route before each try and after it. So limits, the quota of
retries and the breaker count calls of all drivers, colours, threads and tasks alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prompture import forks
from prompture.errors import PromptureError
from prompture.wire.http import Exchange
from prompture.wire.retry import RetryQuota

if TYPE_CHECKING:
    from prompture.codecs.base import Endpoint

RouteKey: TypeAlias = tuple[str, str, int]
_routes: dict[RouteKey, Route] = {}
_lock = forks.fork_lock()


class Route:
    """One endpoint of one provider, with one key. Threads, tasks and drivers share it."""

    def __init__(self, name: str) -> None:
        self.name = name
        """The provider's, for messages."""
        self.quota = RetryQuota()


def route_of(provider: str, endpoint: Endpoint) -> Route:
    """The route of an endpoint. One with another key is another route: limits go by key."""
    # The hash is of this process alone: nothing here tells the key.
    key = (provider, endpoint.base_url, hash(tuple(endpoint.secrets())))
    with _lock:
        found = _routes.get(key)
        if found is None:
            found = _routes[key] = Route(provider)
        return found


class Visit:
    """One call's way through its route: ``enter`` before each try, ``leave`` after it."""

    __slots__ = ("_is_inside", "_route", "tokens")

    def __init__(self, route: Route) -> None:
        self._route = route
        self._is_inside = False
        self.tokens = 0
        """Tokens that a try may take, input and output, as far as they are known before."""

    def enter(self) -> Exchange[None] | None:
        """What must be waited for before a try is sent; None where nothing is. Raises what
        forbids the try."""
        self._is_inside = True
        return None

    def leave(self, error: BaseException | None) -> None:
        """A try has ended: with an answer (None), an error of ours, or because its caller left
        it (any other exception), which says nothing about the route. Later calls do nothing."""
        if not self._is_inside:
            return
        self._is_inside = False
        if error is None:
            self._route.quota.succeeded()

    @property
    def is_under_way(self) -> bool:
        """Whether a try was let in and has not ended: its request may be out."""
        return self._is_inside

    def may_retry(self, error: PromptureError) -> bool:
        """Whether the route still bears another try after this error."""
        return self._route.quota.take(error)
