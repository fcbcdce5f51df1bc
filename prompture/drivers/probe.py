"""Questions to a driver that are no completions: what its model would refuse, which models there are,
whether the key is good, how the provider is.

A call stops at the first thing that is wrong with it. ``validate`` tries each option by itself against
the same checks, the same codec and the catalog's limits, so that all of it is found at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from prompture import given
from prompture.codecs.base import Codec, Endpoint
from prompture.codecs.faults import rate_limits
from prompture.codecs.histories import check_calls, renaming
from prompture.drivers import request_checks
from prompture.drivers.bounded import finish_in_thread
from prompture.drivers.generate import OPTIONS, content_of, request_of
from prompture.drivers.provider import Provider
from prompture.errors import (
    AuthenticationError,
    ConfigurationError,
    PermissionDenied,
    PromptureError,
    TransportError,
    UnsupportedError,
)
from prompture.traces import Problem
from prompture.types import Message, ModelInfo, RateLimits, Request
from prompture.wire.deadline import within
from prompture.wire.http import Exchange, HTTPRequest, HTTPResponse
from prompture.wire.retry import Retry, send

if TYPE_CHECKING:
    from prompture.catalog.synced import ModelSync
    from prompture.drivers.core import BaseDriver

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
    return (yield from send(request, lambda r: codec.read_error(r, endpoint), retry))


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
        asked = credentials_exchange(self.provider, self.endpoint, self.retry)
        with _within(deadline):
            return bool(await self._run(asked))

    async def sync_models(
        self: _Probed, *, keep: bool = True, deadline: float | None = None
    ) -> ModelSync:
        """Fetch the provider's models and hold them against the catalog; see SyncProbes."""
        models = await AsyncProbes.list_models(self, deadline=deadline)
        # In a thread: it reads the catalog and writes a file.
        work = partial(held_against_catalog, self.provider, models, keep=keep)
        return await finish_in_thread(work)

    async def health(self: _Probed, *, deadline: float | None = None) -> Health:
        """Reachable, authorised, how fast, what is left of the limits; see SyncProbes."""
        with _within(deadline):
            found: Health = await self._run(health_exchange(self.provider, self.endpoint))
        return found


# What would be refused; nothing is sent.

_ALONE: Mapping[str, tuple[str, ...]] = {
    "tools": ("tools",),
    "tool_choice": ("tools", "tool_choice"),
    "parallel_tools": ("tools", "parallel_tools"),
    "schema": ("schema", "schema_name", "strict"),
    "reasoning": ("reasoning", "max_tokens"),
    **{
        name: (name,)
        for name in ("json_mode", "max_tokens", "temperature", "top_p", "stop", "seed", "logprobs",
                     "prompt_cache", "metadata", "extra")
    },
}  # fmt: skip
"""Each option with those that it means nothing without."""
_BARE = Request(model="", messages=(Message(role="user", content="json"),))
UNLISTED = "unlisted"


class RequestProblems(tuple[Problem, ...]):
    """What would be refused, each with a pointer into the request (``/temperature``) and what to do.

    ``kind`` is ``"request"`` (of the wrong kind), ``"option"`` (unknown), ``"feature"``, ``"schema"``
    (it is none), ``"refused"`` (by the API or the model), ``"limit"``, ``"context"`` or ``"unlisted"``:
    the last is a guess, for a catalog does not know every model.
    """

    __slots__ = ()

    def raise_if(self, *, unlisted: bool = False) -> None:
        """Raise UnsupportedError with all of them, if there are any. With ``unlisted`` also where
        the only problem is that the catalog does not know the model."""
        found = [p for p in self if given.flag(unlisted, "unlisted") or p.kind != UNLISTED]
        if found:
            raise UnsupportedError("; ".join(map(str, found)))

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "nothing is wrong"


class Validates:
    """``validate`` of every driver, in both colours: it does no I/O, so neither is awaited."""

    def validate(
        self,
        request: Request | str | Sequence[Any],
        options: Mapping[str, Any] | None = None,
        *,
        tools: Sequence[Any] = (),
        stream: bool = False,
        **more: Any,
    ) -> RequestProblems:
        """Everything that the provider or the model would refuse in this request; nothing is sent.

        ``request`` is a Request, a prompt or messages, as ``generate_messages`` takes them with
        its options. Tokens are counted as far as that is possible without the provider. Hooks are
        not called.
        """
        driver = cast("BaseDriver", self)
        if isinstance(request, Request):
            return RequestProblems(_problems(driver, request, stream=stream))
        wanted = {**(options or {}), **more}
        found = [
            Problem(f"/{name}", given.unknown("option", name, OPTIONS), "option")
            for name in wanted
            if name not in OPTIONS
        ]
        known = {name: value for name, value in wanted.items() if name in OPTIONS}
        try:
            if isinstance(request, str):
                request = [Message(role="user", content=content_of(request, "prompt"))]
            asked = request_of(driver.model, cast(Any, request), known, tools)
        except ConfigurationError as exc:
            return RequestProblems((*found, Problem("", str(exc), "request")))
        return RequestProblems((*found, *_problems(driver, asked, stream=stream)))


def _problems(driver: BaseDriver, request: Request, *, stream: bool) -> Iterator[Problem]:
    if not request.model:
        request = replace(request, model=driver.model)
    try:
        request = request_checks.checked(request)
        check_calls(request.messages)
    except PromptureError as exc:
        # What comes after takes a request of the right shape for granted.
        yield Problem("", str(exc), "request")
        return
    lacking = list(_lacking(driver, request, stream=stream))
    yield from (*lacking, *request_checks.wrong_schemas(driver, request))
    if not driver.runs_here:
        known = {problem.pointer for problem in lacking if problem.kind == "feature"}
        for problem in _refused(driver, request, stream=stream):
            # Of what the model has not, one reason is enough; messages have many parts.
            if problem.pointer not in known or problem.pointer == "/messages":
                yield problem
    yield from _past_limits(driver, request)


def _lacking(driver: BaseDriver, request: Request, *, stream: bool) -> Iterator[Problem]:
    features = request_checks.features_for(driver, request)
    places = {"json_schema": "/schema", "tool_use": "/tools", "vision": "/messages"}
    for feature in request_checks.wanted(request):
        if not getattr(features, feature):
            words = request_checks.lacks(driver, request, feature)
            yield Problem(places.get(feature, f"/{feature}"), words, "feature")
    if stream and not features.streaming:
        yield Problem("/stream", f"{driver.name} does not stream; call complete", "feature")
    if driver.entry(request.model) is None and (near := driver.near(request.model)):
        words = f"{request.model!r} is not listed; there are {', '.join(near)}"
        words += " (sync_models asks the provider)"
        yield Problem("/model", words, UNLISTED)


def _refused(driver: BaseDriver, request: Request, *, stream: bool) -> Iterator[Problem]:
    """What the codec refuses: each option by itself, the messages, then all of it together."""
    bare, seen = replace(_BARE, model=request.model), set[str]()
    for option, names in _ALONE.items():
        value = getattr(request, option)
        if value == getattr(_BARE, option):
            continue
        alone = replace(bare, **{name: getattr(request, name) for name in names})
        if (words := _encoding(driver, alone, stream=stream)) and words not in seen:
            seen.add(words)
            yield Problem(f"/{option}", words, "refused")
    plain = replace(bare, messages=request.messages, tools=request.tools)
    for asked, place in ((plain, "/messages"), (request, "")):
        if (words := _encoding(driver, asked, stream=stream)) and words not in seen:
            seen.add(words)
            # A request of several faults names one of them, which may be known by now.
            if place or len(seen) == 1:
                yield Problem(place, words, "refused")


def _encoding(driver: BaseDriver, request: Request, *, stream: bool) -> str:
    """Why the request cannot be written; "" where it can."""
    has_tools = bool(request.tools) or any(m.calls or m.role == "tool" for m in request.messages)
    codec = driver.provider.codec_of(request)
    try:
        codec = renaming(codec, request) if has_tools else codec
        http = codec.encode(request, driver.endpoint, stream=stream)
        if sign := getattr(codec, "sign", None):
            sign(http, driver.endpoint, datetime.now(UTC))
    except PromptureError as exc:
        return str(exc)
    except (TypeError, ValueError, RecursionError):
        try:
            request_checks.refuse_unwritable(request)
        except ConfigurationError as exc:
            return str(exc)
        raise
    return ""


def _past_limits(driver: BaseDriver, request: Request) -> Iterator[Problem]:
    entry = driver.entry(request.model)
    if entry is None:
        return
    limits, asked = entry.limits, request.max_tokens
    if asked is not None and limits.output and asked > limits.output:
        yield Problem(
            "/max_tokens",
            f"{asked:,} is more than the {limits.output:,} tokens that {entry.key} writes: ask for "
            f"{limits.output:,} at most",
            "limit",
        )
    if not (limits.context or limits.input):
        return
    from prompture.catalog.tokens import count_request, fits

    if problem := fits(request, entry):
        yield Problem("/messages", f"{problem}; shorten or divide the document", "context")
        return
    counted = count_request(request, model=entry.key)
    written = min(asked, limits.output or asked) if asked is not None else 0
    if limits.context and written and counted.low + written > limits.context:
        yield Problem(
            "/max_tokens",
            f"at least {counted.low:,} tokens of input and {written:,} of output are more than the "
            f"{limits.context:,} of {entry.key}: ask for {max(limits.context - counted.high, 0):,} "
            f"at most, or shorten the document",
            "context",
        )
