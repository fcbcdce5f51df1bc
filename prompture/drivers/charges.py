"""What a call that failed is charged, and which usage is believed. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from prompture.drivers.provider import Provider
from prompture.errors import (
    ContentFiltered,
    ContextWindowExceeded,
    PromptureError,
    ProtocolError,
    ProviderError,
    ToolArgumentsInvalid,
    TransportError,
)
from prompture.money import ZERO, Cost
from prompture.types import JSON, Completion, Usage
from prompture.wire.loading import UnreadableJSON, load_json

_UNBILLED = Cost(usd=ZERO, reason="not billed: the provider refused it")
_UNREADABLE = Cost(usd=None, reason="the answer could not be read; it may have been billed")
UNANSWERED = Cost(usd=None, reason="no answer arrived; the provider may have billed it")
_BEGUN = Cost(usd=None, reason="it failed after it had begun, and states no usage")
_TIMED_OUT = Cost(usd=None, reason="a gateway gave up waiting; the model may have gone on")
_WRITTEN = Cost(usd=None, reason="what the model wrote was refused; it may have been billed")
_TIMEOUTS = frozenset({408, 499, 504, 522, 524, 598, 599})
"""Statuses by which a server or a gateway says that it did not wait any longer: what stands behind
it may have answered, and billed."""
_CHARGES_REFUSALS = frozenset({"azure"})
"""Providers that bill what was read before it was refused, by their own words: Azure's page on
costs names "a 400 error due to a content filter or input limit, or a 408 error due to a timeout"."""


def cost_of_failure(error: PromptureError, provider: Provider) -> Cost:
    """What a failed try costs that states no usage: nothing where the provider refused it before
    the model began, else nobody knows."""
    if isinstance(error, TransportError):
        return _UNBILLED if error.unsent else UNANSWERED
    if isinstance(error, ProtocolError):
        return _UNREADABLE
    if not isinstance(error, ProviderError):
        return _UNBILLED
    if error.status in _TIMEOUTS:
        return _TIMED_OUT
    if isinstance(error, ToolArgumentsInvalid) or "failed_generation" in error.details:
        return _WRITTEN
    late = isinstance(error, (ContentFiltered, ContextWindowExceeded))
    if late and provider.catalog in _CHARGES_REFUSALS:
        return _BEGUN
    return _UNBILLED if error.status is not None and error.status >= 300 else _BEGUN


_LONG = 100
"""Characters that no model writes in 0 tokens. A shorter text of none is believed: price lists are
tried out with such."""


def believed(completion: Completion) -> Usage:
    """The usage, unless its zeros cannot be: a call of 0 tokens, or a long answer of none. Then it
    is unknown, with what is left of it as the least. Where the provider states a price, its
    counts are its own affair."""
    usage = completion.usage
    if not usage.reported or usage.stated_cost or usage.output_tokens:
        return usage
    if usage.input_tokens and len(completion.text) + len(completion.reasoning) <= _LONG:
        return usage
    which = "output" if usage.input_tokens else "input and of output"
    problem = f"the provider's usage says 0 tokens of {which}, which cannot be"
    return replace(usage, reported=False, problem=problem)


_MAY_COUNT = re.compile(rb'"(?:usage|usageMetadata|\w*eval_count)"')


def stated_usage(body: bytes, read: Callable[[JSON], Usage]) -> tuple[Usage | None, str]:
    """The usage that the body of an error states, beside the error or in it, and the model."""
    if not _MAY_COUNT.search(body):
        return None, ""
    try:
        whole = load_json(body)
    except UnreadableJSON:
        return None, ""
    for source in _sources(whole):
        usage = read(source)
        if usage.reported or usage.problem or usage.stated_cost is not None:
            return usage, str(whole.get("model") or "") if isinstance(whole, Mapping) else ""
    return None, ""


def _sources(body: Any) -> Iterator[JSON]:
    """Where an error may state its usage."""
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, Mapping):
        return
    yield body
    choices = body.get("choices")
    inner = [
        body.get("error"),
        body.get("response"),
        *(choices if isinstance(choices, list) else ()),
    ]
    yield from (one for one in inner if isinstance(one, Mapping))


def has_come(partial: Completion) -> bool:
    """Whether it holds anything that costs: an answer's beginning, or its usage."""
    usage = partial.usage
    counted = usage.reported or usage.problem or usage.stated_cost is not None
    return bool(counted or partial.text or partial.reasoning or partial.tool_calls)
