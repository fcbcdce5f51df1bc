"""What a provider or a model would refuse, listed without sending anything.

A call stops at the first thing that is wrong. Here each option is tried by itself against the same
checks, the same codec and the catalog's limits, so that all of it is found at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from prompture import given
from prompture.codecs.histories import check_calls, renaming
from prompture.drivers import request_checks
from prompture.drivers.generate import OPTIONS, content_of, request_of
from prompture.errors import ConfigurationError, PromptureError, UnsupportedError
from prompture.traces import Problem
from prompture.types import Message, Request

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver

_ALONE: Mapping[str, tuple[str, ...]] = {
    "tools": ("tools",),
    "tool_choice": ("tools", "tool_choice"),
    "parallel_tools": ("tools", "parallel_tools"),
    "schema": ("schema", "schema_name", "strict"),
    "json_mode": ("json_mode",),
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "stop": ("stop",),
    "seed": ("seed",),
    "reasoning": ("reasoning", "max_tokens"),
    "logprobs": ("logprobs",),
    "cache": ("cache",),
    "metadata": ("metadata",),
    "extra": ("extra",),
}
"""Each option with those that it means nothing without."""
_BARE = Request(model="", messages=(Message(role="user", content="json"),))
UNLISTED = "unlisted"


class RequestProblems(tuple[Problem, ...]):
    """What would be refused, each with a pointer into the request (``/temperature``) and what to do.

    ``kind`` is ``"request"`` (of the wrong kind), ``"option"`` (unknown), ``"feature"``,
    ``"refused"`` (by the API or the model), ``"limit"``, ``"context"`` or ``"unlisted"``: the last
    is a guess, for a catalog does not know every model.
    """

    __slots__ = ()

    def raise_if(self, *, unlisted: bool = False) -> None:
        """Raise UnsupportedError with all of them, if there are any. With ``unlisted`` also where
        the only problem is that the catalog does not know the model."""
        found = [p for p in self if unlisted or p.kind != UNLISTED]
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
            Problem(f"/{name}", f"{given.unknown('option', name, OPTIONS)}", "option")
            for name in wanted
            if name not in OPTIONS
        ]
        known = {name: value for name, value in wanted.items() if name in OPTIONS}
        try:
            turns: Sequence[Any] = (
                [Message(role="user", content=content_of(request, "prompt"))]
                if isinstance(request, str)
                else request
            )
            asked = request_of(driver.model, turns, known, tools)
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
    yield from lacking
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
        words = (
            f"{request.model!r} is not listed; there are {', '.join(near)} "
            f"(sync_models asks the provider)"
        )
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
