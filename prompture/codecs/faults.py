"""Errors of providers: read out of any body, and put into one class each.

A dialect with rules of its own looks at those first and falls back on ``provider_error``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from prompture import errors
from prompture.codecs.base import Endpoint, request_id
from prompture.codecs.fault_classes import Fault, error_class
from prompture.errors import ProviderError
from prompture.types import JSON
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import load_json

BODY_CHARS = 2000
LEAST_SECRET = 16
"""Characters of the shortest text that is taken for a key: names and versions are shorter."""


def fault_of(body: Any) -> Fault:
    """Read an error body: ``error`` may be an object, a string or a list, or the body may have
    ``detail``, ``message`` or ``errors`` instead."""
    inner = body
    if isinstance(inner, list) and inner:
        inner = inner[0]
    if isinstance(inner, Mapping):
        inner = next((inner[k] for k in ("error", "errors", "detail") if inner.get(k)), inner)
    if isinstance(inner, list) and inner:
        inner = inner[0] if isinstance(inner[0], Mapping) else str(inner[0])
    outer = body if isinstance(body, Mapping) else {}
    if isinstance(inner, Mapping):
        return Fault(_message(inner, outer), tuple(_codes(inner, outer)), inner)
    return Fault(str(inner), tuple(_codes({}, outer)), {})


def _message(inner: JSON, outer: JSON) -> str:
    for source in (inner, outer):
        for key in ("message", "msg", "detail", "Message"):
            if value := source.get(key):
                return value if isinstance(value, str) else json.dumps(value)
    return json.dumps(inner)[:500]


def _codes(inner: JSON, outer: JSON) -> Iterator[str]:
    for source in (inner, outer):
        for key in ("code", "type", "status", "__type"):
            value = source.get(key)
            if isinstance(value, (str, int)) and not isinstance(value, bool):
                yield str(value)
    nested = inner.get("innererror") or inner.get("inner_error")
    if isinstance(nested, Mapping) and isinstance(nested.get("code"), str):
        yield nested["code"]


def fault_of_response(response: HTTPResponse) -> Fault:
    """Read an error response; where its body is not JSON (a proxy's page), its start is all."""
    try:
        body = load_json(response.body)
    except ValueError:
        kind = response.headers.get("content-type", "no content type")
        start = response.body[:300].decode(errors="replace").strip()
        return Fault(f"answered with {kind}: {start!r}" if start else "empty answer", (), {})
    return fault_of(body)


def provider_error(
    response: HTTPResponse,
    endpoint: Endpoint,
    fault: Fault | None = None,
    *,
    kind: type[ProviderError] | None = None,
) -> ProviderError:
    """The error of a response, classified. ``fault`` is given where it came inside a stream,
    ``kind`` where the dialect knows the class better."""
    found = fault or fault_of_response(response)
    status = response.status
    if status < 400 and (said := _stated_status(found)):
        status = said
    cls = kind or error_class(status, found)
    if cls is errors.RateLimitError and _used_up(response.headers):
        cls = errors.QuotaExhausted
    hint = response.headers.get("x-should-retry")
    retryable = cls.retryable or status in (408, 409)
    return cls(
        _without_key(found.message[:500], endpoint),
        provider=endpoint.provider,
        status=response.status,
        code=found.code,
        request_id=request_id(response.headers),
        retry_after=retry_after(response.headers, found.error),
        body=_without_key(response.body[:BODY_CHARS].decode(errors="replace"), endpoint),
        retryable=hint == "true" if hint in ("true", "false") else bool(retryable),
        details={
            key: found.error[key]
            for key in ("failed_generation", "metadata", "param", "innererror", "details")
            if found.error.get(key)
        },
    )


def _without_key(text: str, endpoint: Endpoint) -> str:
    """The text, without the key that some servers repeat in their complaint."""
    secrets = (endpoint.api_key, *endpoint.headers.values(), *endpoint.options.values())
    for secret in secrets:
        if len(secret) >= LEAST_SECRET and secret in text:
            text = text.replace(secret, "***")
    return text


def _used_up(headers: Mapping[str, str]) -> bool:
    """ModelScope's allowance is a day's: none left means none until tomorrow."""
    remaining = ("requests-remaining", "model-requests-remaining")
    return any(headers.get(f"modelscope-ratelimit-{name}") == "0" for name in remaining)


def _stated_status(fault: Fault) -> int | None:
    for code in (fault.error.get("status_code"), *fault.codes):
        if str(code).isdigit() and 400 <= int(str(code)) < 600:
            return int(str(code))
    return None


def raise_if_error(body: Any, response: HTTPResponse, endpoint: Endpoint) -> None:
    """Raise where a good response holds an ``error`` (object or text) all the same."""
    if isinstance(body, Mapping) and body.get("error"):
        raise provider_error(response, endpoint, fault_of(body))


def stream_error(body: Any, endpoint: Endpoint) -> ProviderError:
    """The error that a stream's event holds; its status is 200, as the HTTP answer had."""
    text = json.dumps(body)[:BODY_CHARS].encode()
    return provider_error(HTTPResponse(200, {}, text), endpoint, fault_of(body))


def retry_after(headers: Mapping[str, str], error: JSON) -> float | None:
    """Seconds to wait: ``retry-after-ms``, ``retry-after`` (seconds or a date), Google's
    RetryInfo, then the ``x-ratelimit-reset-*`` headers of what has run out."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    if (after := headers.get("retry-after")) is not None:
        return _seconds_or_date(after, headers.get("date"))
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and "retryDelay" in detail:
            return duration(str(detail["retryDelay"]))
    waits = [
        duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
    ]
    return max((w for w in waits if w is not None), default=None)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e9 else None


def _seconds_or_date(text: str, now: str | None) -> float | None:
    seconds = _number(text)
    if seconds is not None or now is None:
        return seconds
    # A codec reads no clock: the response's own Date header says what time it is.
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(now)
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float | None:
    """Seconds of a duration such as ``1m2.5s``, ``20ms`` or ``12``; None where it is none."""
    if (plain := _number(text)) is not None:
        return plain
    parts = _DURATION.findall(text)
    return sum(float(n) * _UNIT[unit] for n, unit in parts) if parts else None
