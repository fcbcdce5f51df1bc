"""Questions to a provider that are no completions: its models, the key, its health."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from prompture import given
from prompture.codecs.base import Codec, Endpoint
from prompture.drivers.provider import Provider
from prompture.drivers.ratelimit_headers import rate_limits
from prompture.drivers.worker_threads import finish_in_thread
from prompture.errors import AuthenticationError, PermissionDenied, PromptureError, TransportError
from prompture.types import ModelInfo, RateLimits
from prompture.wire.deadline import within
from prompture.wire.http import Exchange, HTTPRequest, HTTPResponse
from prompture.wire.retry import Retry, send

if TYPE_CHECKING:
    from prompture.catalog.synced import ModelSync

T = TypeVar("T")
MAX_PAGES = 100
PROBE_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """``reachable``: it answered at all; ``authorised``: it took the key (None: not tried);
    ``seconds``: how long the answer took; ``problem``: what went wrong, "" where nothing did."""

    reachable: bool
    authorised: bool | None
    seconds: float
    models: int | None = None
    rate_limits: RateLimits | None = None
    problem: str = ""


def models_exchange(codec: Codec, endpoint: Endpoint, retry: Retry) -> Exchange[list[ModelInfo]]:
    """Every page of the provider's list of models."""
    found: list[ModelInfo] = []
    page: str | None = None
    # Bounded: a server may name a next page for ever.
    for _ in range(MAX_PAGES):
        request = codec.models_request(endpoint, page)
        response = yield from _ask(codec, endpoint, retry, request)
        models, page = codec.read_models(response)
        found += models
        if page is None:
            break
    return found


def _ask(
    codec: Codec, endpoint: Endpoint, retry: Retry, request: HTTPRequest
) -> Exchange[HTTPResponse]:
    request = replace(request, timeout=PROBE_SECONDS)
    if sign := getattr(codec, "sign", None):
        request = sign(request, endpoint, datetime.now(UTC))
    response = yield from send(request, lambda r: codec.read_error(r, endpoint), retry)
    return response


def _key_request(row: Provider, endpoint: Endpoint) -> HTTPRequest | None:
    """What only a good key may ask, where the list of models is for anybody."""
    where = row.key_check
    # A whole URL is the provider's own host: the key of another endpoint must not go there.
    if not where or ("://" in where and endpoint.base_url != row.base_url):
        return None
    listing = row.codec.models_request(endpoint)
    url = where if "://" in where else listing.url.replace("/models", where, 1)
    return replace(listing, url=url)


def credentials_exchange(row: Provider, endpoint: Endpoint, retry: Retry) -> Exchange[bool]:
    """Whether the provider takes the key. Raises what else may go wrong."""
    request = _key_request(row, endpoint) or row.codec.models_request(endpoint)
    try:
        yield from _ask(row.codec, endpoint, retry, request)
    except (AuthenticationError, PermissionDenied):
        return False
    return True


def health_exchange(row: Provider, endpoint: Endpoint) -> Exchange[Health]:
    """One try, never an error: what is wrong stands in the answer."""
    started, codec, once = time.perf_counter(), row.codec, Retry(attempts=1)

    def took() -> float:
        return time.perf_counter() - started

    try:
        response = yield from _ask(codec, endpoint, once, codec.models_request(endpoint))
        seconds = took()
        models, _ = codec.read_models(response)
        if request := _key_request(row, endpoint):
            yield from _ask(codec, endpoint, once, request)
    except TransportError as exc:
        return Health(reachable=False, authorised=None, seconds=took(), problem=str(exc))
    except (AuthenticationError, PermissionDenied) as exc:
        return Health(reachable=True, authorised=False, seconds=took(), problem=str(exc))
    except PromptureError as exc:
        return Health(reachable=True, authorised=None, seconds=took(), problem=str(exc))
    return Health(
        reachable=True,
        authorised=True,
        seconds=seconds,
        models=len(models),
        rate_limits=rate_limits(response.headers),
    )


class _Probed(Protocol):
    provider: Any
    endpoint: Endpoint
    retry: Retry

    def _run(self, exchange: Exchange[Any]) -> Any: ...


def held_against_catalog(row: Provider, models: list[ModelInfo], *, keep: bool) -> ModelSync:
    """What is new, gone or unpriced of a provider's own list; see ``catalog.sync``."""
    from prompture import catalog

    return catalog.sync(row.catalog or row.name, models, free=row.local, keep=keep)


def _within(seconds: float | None) -> AbstractContextManager[None]:
    return within(given.seconds(seconds, "deadline"))


class SyncProbes:
    """What a driver can be asked besides completions."""

    def list_models(self: _Probed, *, deadline: float | None = None) -> list[ModelInfo]:
        """The provider's models, within ``deadline`` seconds. Raises as ``complete`` does."""
        with _within(deadline):
            found: list[ModelInfo] = self._run(
                models_exchange(self.provider.codec, self.endpoint, self.retry)
            )
        return found

    def check_credentials(self: _Probed, *, deadline: float | None = None) -> bool:
        """Whether the provider takes the key; nothing is billed."""
        with _within(deadline):
            return bool(self._run(credentials_exchange(self.provider, self.endpoint, self.retry)))

    def sync_models(
        self: _Probed, *, keep: bool = True, deadline: float | None = None
    ) -> ModelSync:
        """Fetch the provider's models and hold them against the catalog: which are new, gone or
        without a price. ``keep`` puts them into the user's file (``PROMPTURE_MODELS``), so that
        they are known from then on. ``deadline``: see ``list_models``. Raises as ``complete`` does."""
        models = SyncProbes.list_models(self, deadline=deadline)
        return held_against_catalog(self.provider, models, keep=keep)

    def health(self: _Probed, *, deadline: float | None = None) -> Health:
        """Reachable, authorised, how fast, what is left of the limits. What goes wrong stands in
        it; only a ``deadline`` that is none is raised."""
        with _within(deadline):
            found: Health = self._run(health_exchange(self.provider, self.endpoint))
        return found


class AsyncProbes:
    """The probes of SyncProbes, awaited."""

    async def list_models(self: _Probed, *, deadline: float | None = None) -> list[ModelInfo]:
        """The provider's models, within ``deadline`` seconds. Raises as ``complete`` does."""
        with _within(deadline):
            found: list[ModelInfo] = await self._run(
                models_exchange(self.provider.codec, self.endpoint, self.retry)
            )
        return found

    async def check_credentials(self: _Probed, *, deadline: float | None = None) -> bool:
        """Whether the provider takes the key; nothing is billed."""
        asking = credentials_exchange(self.provider, self.endpoint, self.retry)
        with _within(deadline):
            return bool(await self._run(asking))

    async def sync_models(
        self: _Probed, *, keep: bool = True, deadline: float | None = None
    ) -> ModelSync:
        """Fetch the provider's models and hold them against the catalog: which are new, gone or
        without a price. ``keep`` puts them into the user's file (``PROMPTURE_MODELS``), so that
        they are known from then on. ``deadline``: see ``list_models``. Raises as ``complete`` does."""
        models = await AsyncProbes.list_models(self, deadline=deadline)
        # In a thread: it reads the catalog and writes a file.
        return await finish_in_thread(
            partial(held_against_catalog, self.provider, models, keep=keep)
        )

    async def health(self: _Probed, *, deadline: float | None = None) -> Health:
        """Reachable, authorised, how fast, what is left of the limits. What goes wrong stands in
        it; only a ``deadline`` that is none is raised."""
        with _within(deadline):
            found: Health = await self._run(health_exchange(self.provider, self.endpoint))
        return found
