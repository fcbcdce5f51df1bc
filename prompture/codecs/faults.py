"""Errors of providers: read out of any body, and put into one class each.

The tables follow the providers' documents and recorded errors; a dialect with rules of its own
looks at those first and falls back on ``provider_error``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from prompture import errors
from prompture.codecs.base import Endpoint, request_id
from prompture.errors import ProviderError
from prompture.types import JSON
from prompture.wire.http import HTTPResponse

BODY_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error body says. ``error`` is its inner object, empty where it has none."""

    message: str
    codes: tuple[str, ...]
    error: JSON

    @property
    def code(self) -> str | None:
        return self.codes[0] if self.codes else None


_CONTEXT = re.compile(
    r"maximum context length|prompt is too long|exceeds? (?:the )?context limit"
    r"|exceeds the maximum number of tokens|input is too long|too many input tokens"
    r"|longer than the model's context length|exceeds the available context size"
    r"|too large for model with|exceeded model token limit|maximum prompt length"
    r"|`max_new_tokens` must be|tokens to keep from the initial prompt"
    r"|context length of only|input token count .{0,40}exceeds|model_max_prompt_tokens_exceeded"
    r"|exceeds? the (?:model's )?(?:maximum )?context (?:window|length)|context size has been exceeded"
    r"|trying to keep the first \d+ tokens",
    re.IGNORECASE,
)
_BY_CODE: Mapping[type[ProviderError], str] = {
    errors.AuthenticationError: (
        "invalid_api_key authentication_error invalid_authentication_error"
        " incorrect_api_key_error unauthenticated expiredtokenexception invalidapikey"
        " unrecognizedclientexception 1000 1001 1002 1003 1004"
    ),
    errors.PermissionDenied: (
        "permission_error permission_denied permission_denied_error accessdeniedexception 1220 434"
    ),
    errors.ModelNotFound: (
        "model_not_found deploymentnotfound not_found_error resource_not_found_error"
        " unknown_model invalid_model 1211"
    ),
    errors.QuotaExhausted: (
        "insufficient_quota credit_balance_exhausted exceeded_current_quota_error billing_error"
        " billing_hard_limit_reached arrearage 1113 1112 1308 1309"
    ),
    errors.Overloaded: (
        "overloaded_error overloaded slow_down server_is_overloaded engine_overloaded_error"
        " insufficient_system_resource capacity_exceeded"
    ),
    errors.ContextWindowExceeded: "context_length_exceeded exceed_context_size_error 1261",
    errors.ContentFiltered: (
        "content_filter content_policy_violation invalid_prompt bio_policy"
        " misalignment_policy_violation responsibleaipolicyviolation 1301 sensitive"
        " datainspectionfailed data_inspection_failed"
    ),
    errors.ToolArgumentsInvalid: "tool_use_failed json_validate_failed",
    errors.RateLimitError: (
        "rate_limit_exceeded rate_limit_error rate_limit_reached_error throttlingexception"
        " resource_exhausted throttling throttling.ratequota 1302 1303 1305"
    ),
    errors.ServerError: (
        "server_error internal_error internal_server_error api_error internalservererror 1230 1234"
    ),
    errors.InvalidRequest: "invalid_request_error invalid_request invalid_parameter_error",
}
_CLASS_OF: Mapping[str, type[ProviderError]] = {
    code: cls for cls, codes in _BY_CODE.items() for code in codes.split()
}
_BY_STATUS: Mapping[int, type[ProviderError]] = {
    401: errors.AuthenticationError,
    402: errors.QuotaExhausted,
    403: errors.PermissionDenied,
    404: errors.ModelNotFound,
    408: errors.ServerError,
    499: errors.ServerError,
    424: errors.ServerError,
    425: errors.ServerError,
    429: errors.RateLimitError,
    498: errors.RateLimitError,
    503: errors.Overloaded,
    529: errors.Overloaded,
}


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
        body = json.loads(response.body)
    except ValueError:
        kind = response.headers.get("content-type", "no content type")
        start = response.body[:300].decode(errors="replace").strip()
        return Fault(f"answered with {kind}: {start!r}" if start else "empty answer", (), {})
    return fault_of(body)


def error_class(status: int, fault: Fault) -> type[ProviderError]:
    """The class of an error with this HTTP status (200 for one inside a good response)."""
    for code in fault.codes:
        cls = _class_of(code, fault)
        if cls is errors.RateLimitError and _is_quota(fault):
            return errors.QuotaExhausted
        if cls in _SPECIFIC or (cls and status < 400):
            return cls
    if status in (200, 400, 413, 422, 429, 500) and _CONTEXT.search(fault.message):
        return errors.ContextWindowExceeded
    if status == 400 and _KEY.search(fault.message):
        return errors.AuthenticationError
    if status == 429 and _CAPACITY.search(fault.message):
        return errors.Overloaded
    if cls := _BY_STATUS.get(status):
        return _by_details(cls, fault)
    if status >= 500:
        return errors.ServerError
    if status < 400:
        return errors.ServerError
    named = (_class_of(code, fault) for code in fault.codes)
    return next((cls for cls in named if cls), errors.InvalidRequest)


def _class_of(code: str, fault: Fault) -> type[ProviderError] | None:
    """By the tables. Z.ai's business codes are numbers, as other providers' with other meanings
    are; those name a ``type`` beside them."""
    if code.isdigit() and fault.error.get("type"):
        return None
    if code.endswith("_spend_limit_reached"):
        return errors.QuotaExhausted
    return _CLASS_OF.get(code.lower())


_SPECIFIC = (
    errors.ModelNotFound,
    errors.QuotaExhausted,
    errors.Overloaded,
    errors.ContextWindowExceeded,
    errors.ContentFiltered,
    errors.ToolArgumentsInvalid,
    errors.AuthenticationError,
    errors.RateLimitError,
)
_KEY = re.compile(r"api[ _]key not valid|incorrect api key|invalid api[ _]key", re.IGNORECASE)
_CAPACITY = re.compile(r"capacity exceeded|overloaded", re.IGNORECASE)
_QUOTA = re.compile(
    r"PerDay|insufficient balance|exceeded your current quota, please check your plan"
)


def _by_details(cls: type[ProviderError], fault: Fault) -> type[ProviderError]:
    """What a status means where the body says more (OpenRouter's metadata, Google's details)."""
    metadata = fault.error.get("metadata")
    said = metadata if isinstance(metadata, Mapping) else {}
    if cls is errors.PermissionDenied and ("flagged_input" in said or "reasons" in said):
        return errors.ContentFiltered
    if cls is errors.QuotaExhausted and said.get("limit_source") == "openrouter_in_flight_budget":
        return errors.RateLimitError
    if cls is errors.RateLimitError and _is_quota(fault):
        return errors.QuotaExhausted
    return cls


def _is_quota(fault: Fault) -> bool:
    return bool(_QUOTA.search(json.dumps(fault.error.get("details", "")) + fault.message))


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
        found.message[:500],
        provider=endpoint.provider,
        status=response.status,
        code=found.code,
        request_id=request_id(response.headers),
        retry_after=retry_after(response.headers, found.error),
        body=response.body[:BODY_CHARS].decode(errors="replace"),
        retryable=hint == "true" if hint in ("true", "false") else bool(retryable),
        details={
            key: found.error[key]
            for key in ("failed_generation", "metadata", "param", "innererror", "details")
            if found.error.get(key)
        },
    )


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
    for detail in error.get("details") or ():
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
