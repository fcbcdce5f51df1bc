"""Errors of providers: read out of any body, and put into one class each. And rate limits, out of
headers.

A dialect with rules of its own looks at those first and falls back on ``provider_error``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.fault_classes import Fault, error_class, is_wrong_address
from prompture.codecs.values import request_id
from prompture.errors import ProviderError
from prompture.types import JSON, RateLimits
from prompture.wire.http import PAGE_BYTES, HTTPResponse
from prompture.wire.loading import UnreadableJSON, load_json, shape
from prompture.wire.secrets import excerpt, scrub, scrub_value, shown

BODY_CHARS = 2000
MESSAGE_CHARS = 500
CODE_CHARS = 100
_WRAPPED = 3
"""Errors within errors that are looked into: a gateway puts the upstream's body into its own
message, as text."""


def fault_of(body: Any) -> Fault:
    """Read an error body: ``error`` may be an object, a string or a list, or the body may have
    ``detail``, ``message`` or ``errors`` instead; any of them may be JSON in a string."""
    fault = _fault_of(body)
    # Bounded: a message that holds itself as JSON must not keep us here.
    for _ in range(_WRAPPED):
        inner = _wrapped(fault.message)
        if inner is None:
            break
        fault = replace(inner, codes=(*inner.codes, *fault.codes), error=inner.error or fault.error)
    return fault


def _wrapped(message: str) -> Fault | None:
    """The fault that a message holds as JSON."""
    if message.lstrip()[:1] not in ("{", "["):
        return None
    try:
        body = load_json(message)
    except UnreadableJSON:
        return None
    found = _fault_of(body)
    return found if found.message and found.message != message and found.is_stated else None


def _fault_of(body: Any) -> Fault:
    inner = body
    if isinstance(inner, list) and inner:
        inner = inner[0]
    outer = inner if isinstance(inner, Mapping) else {}
    if isinstance(inner, Mapping):
        inner = next((inner[k] for k in ("error", "errors", "detail") if inner.get(k)), inner)
        inner = _base(inner) or inner
    if isinstance(inner, list) and inner:
        # Lists of validation errors (FastAPI, Mistral's 422): each names its place in ``loc``.
        if all(isinstance(each, Mapping) for each in inner) and (
            len(inner) > 1 or inner[0].get("loc")
        ):
            text = "; ".join(_one_of_many(each) for each in inner)
            return Fault(text, tuple(_codes(inner[0], outer)), inner[0])
        inner = inner[0] if isinstance(inner[0], Mapping) else str(inner[0])
    if isinstance(inner, Mapping):
        message = _message(inner, outer)
        text = message if message is not None else f"the body is {shape(body)}"
        return Fault(text, tuple(_codes(inner, outer)), inner, is_stated=message is not None)
    return Fault(str(inner), tuple(_codes({}, outer)), {})


_MESSAGES = (
    "message", "msg", "detail", "Message", "title", "reason", "description", "status_msg",
)  # fmt: skip


def _base(body: JSON) -> JSON | None:
    """MiniMax's error, which is in an answer of HTTP 200: a status other than 0."""
    base = body.get("base_resp") if isinstance(body, Mapping) else None
    return base if isinstance(base, Mapping) and base.get("status_code") else None


def _message(inner: JSON, outer: JSON) -> str | None:
    for source in (inner, outer):
        for key in _MESSAGES:
            if value := source.get(key):
                return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return None


def _one_of_many(each: JSON) -> str:
    """One of a list of errors, with its place where it names one (FastAPI, Mistral)."""
    words = _message(each, {}) or shape(each)
    place = each.get("loc")
    where = ".".join(map(str, place)) + ": " if isinstance(place, list) else ""
    return where + words


def _codes(inner: JSON, outer: JSON) -> Iterator[str]:
    for source in (inner, outer):
        for key in ("code", "type", "status", "__type", "status_code"):
            value = source.get(key)
            if isinstance(value, str) and value:
                yield value[:CODE_CHARS]
            elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
                yield str(value)
    nested = inner.get("innererror") or inner.get("inner_error")
    if isinstance(nested, Mapping) and isinstance(nested.get("code"), str):
        yield nested["code"][:CODE_CHARS]


def fault_of_response(response: HTTPResponse) -> Fault:
    """Read an error response; where its body is not JSON (a proxy's page), its start is all."""
    try:
        body = load_json(response.body)
    except UnreadableJSON:
        start = response.body[:PAGE_BYTES].decode(errors="replace").strip()
        kind = response.headers.get("content-type", "no content type")
        text = f"answered with {kind}: {start!r}" if start else "empty answer"
        return Fault(text, (), {}, is_stated=False)
    return fault_of(body)


def provider_error(
    response: HTTPResponse,
    endpoint: Endpoint,
    fault: Fault | None = None,
    *,
    kind: type[ProviderError] | None = None,
) -> ProviderError:
    """The error of a response, classified. ``fault`` is given where it came inside a stream,
    ``kind`` where the dialect knows the class better. No key of the endpoint is left in it."""
    found = fault or fault_of_response(response)
    # An error in a good answer or in a stream: OpenRouter, Groq and vLLM put the status they would have
    # answered with into the body.
    status = response.status
    if status < 400 and (stated := _stated_status(found)):
        status = stated
    cls = kind or error_class(status, found)
    # The status is that of a hasty client; only the header shows an empty allowance.
    # ModelScope answers both with 429, and only for the daily one is waiting useless.
    if cls is errors.RateLimitError and _used_up(response.headers):
        cls = errors.QuotaExhausted
    keys = endpoint.secrets()
    message = excerpt(found.message, keys, MESSAGE_CHARS)
    if kind is None and is_wrong_address(status, found):
        cls, message = errors.InvalidRequest, _address(message, response, endpoint)
    # OpenAI's and Anthropic's own word, which their SDKs obey too.
    hint = response.headers.get("x-should-retry")
    # A timeout and a conflict pass, whatever the class of their body is (both SDKs try again).
    retryable = cls.retryable or status in (408, 409)
    # Google and OpenRouter repeat the status as the code, which tells nothing more.
    code = next((c for c in found.codes if c != str(response.status)), None)
    id = request_id(response.headers)
    return cls(
        message,
        provider=endpoint.provider,
        status=response.status,
        code=code and excerpt(code, keys, CODE_CHARS),
        request_id=id and scrub(id, keys),
        retry_after=retry_after(response.headers, found.error),
        body=excerpt(response.body[:PAGE_BYTES].decode(errors="replace"), keys, BODY_CHARS),
        retryable=hint == "true" if hint in ("true", "false") else bool(retryable),
        details={
            key: scrub_value(found.error[key], keys)
            for key in ("failed_generation", "metadata", "param", "innererror", "details")
            if found.error.get(key)
        },
    )


def _address(message: str, response: HTTPResponse, endpoint: Endpoint) -> str:
    """What to do about a path that the server does not have, or has elsewhere."""
    keys = endpoint.secrets()
    base = scrub(shown(endpoint.base_url), keys)
    if response.status in range(300, 400):
        place = excerpt(shown(response.headers.get("location", "")), keys, MESSAGE_CHARS)
        return (
            f"the server sends us on to {place!r}, where the key must not follow: is base_url"
            f" {base!r} right (http or https, the host, the path)?"
        )
    return (
        f"there is nothing at this address under base_url {base!r}: is a path missing or one too"
        f" many (often /v1)? The server said: {message[:200]}"
    )


def _used_up(headers: Mapping[str, str]) -> bool:
    """ModelScope's allowance is a day's: none left means none until tomorrow."""
    remaining = ("requests-remaining", "model-requests-remaining")
    return any(headers.get(f"modelscope-ratelimit-{name}") == "0" for name in remaining)


_STATUS = re.compile(r"[45][0-9][0-9]")


def _stated_status(fault: Fault) -> int | None:
    for code in (fault.error.get("status_code"), fault.error.get("http_code"), *fault.codes):
        if isinstance(code, (str, int)) and _STATUS.fullmatch(str(code)[:4]):
            return int(code)
    return None


_WELL = frozenset({"0", "200", "ok", "success"})


def is_error(body: JSON) -> bool:
    """Whether an object is an error: it has an ``error`` (object or text), is marked as one
    (vLLM, Mistral), or is nothing but a message with a code."""
    if body.get("error") or body.get("object") == "error":
        return True
    if body.get("choices"):
        return False
    if _base(body):
        return True
    # An answer may have a message too: Cohere's and Ollama's is an object.
    if "choices" in body or not isinstance(body.get("message") or body.get("msg"), str):
        return False
    status, kind = body.get("status"), str(body.get("type") or "").lower()
    failed = isinstance(status, int) and status >= 400
    # Gateways say that all is well in the same fields: {"code": 200, "msg": "ok", "data": {...}}.
    coded = str(body.get("code") or 0).lower() not in _WELL
    return coded or failed or "error" in kind or "exception" in kind


def raise_if_error(body: Any, response: HTTPResponse, endpoint: Endpoint) -> None:
    """Raise where a good response holds an error all the same."""
    if isinstance(body, list) and body:
        body = body[0]  # as Google's compatible endpoint sends its errors
    if isinstance(body, Mapping) and is_error(body):
        raise provider_error(response, endpoint, fault_of(body))


def stream_error(body: Any, endpoint: Endpoint) -> ProviderError:
    """The error that a stream's event holds; its status is 200, as the HTTP answer had."""
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return provider_error(HTTPResponse(200, {}, text), endpoint, fault_of(body))


def retry_after(headers: Mapping[str, str], error: JSON) -> float | None:
    """Seconds to wait: ``retry-after-ms``, ``retry-after`` (seconds or a date), Google's
    RetryInfo, then the ``x-ratelimit-reset-*`` headers of what has run out."""
    # Azure sends both; the milliseconds are the finer.
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    if (after := headers.get("retry-after")) is not None:
        return _seconds_or_date(after, headers.get("date"))
    # Gemini has no Retry-After as a rule, only this in its body.
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and "retryDelay" in detail:
            return duration(str(detail["retryDelay"]))
    waits = [
        duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        # Resets stand there in every answer: only that of what is used up is a wait.
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
    ]
    return max((w for w in waits if w is not None), default=None)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    # One that is too long to be waited for is no word to try again at once.
    return min(value, 1e9) if value is not None and value >= 0 else None


def _seconds_or_date(text: str, now: str | None) -> float | None:
    seconds = _number(text)
    if seconds is not None or now is None:
        return seconds
    # A codec reads no clock: the response's own Date header is its time.
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(now)
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_DURATIONS = re.compile(rf"(?:\s*{_DURATION.pattern})+\s*")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float | None:
    """Seconds of a duration such as ``1m2.5s``, ``20ms`` or ``12``; None where it is none."""
    # Of a text with units nobody asks whether it is a number: the answer is an exception.
    if text[-1:] not in "smhd" and (plain := _number(text)) is not None:
        return plain
    # All of it: of "-5s" a part would be one, too.
    if not _DURATIONS.fullmatch(text):
        return None
    return sum(float(n) * _UNIT[unit] for n, unit in _DURATION.findall(text))


# Rate limits.


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """What the headers say, their names in lower case; None where they say nothing."""
    # Most headers are about something else: each answer is looked at.
    names = _LIMIT_HEADERS.keys() & headers.keys()
    if not names:
        return None
    found: dict[str, Any] = {}
    # Of several spellings of a field the first comes last, and stays.
    for name in sorted(names, key=_LATEST_FIRST):
        field, read = _LIMIT_HEADERS[name]
        found[field] = read(headers[name], headers)
    return RateLimits(**found)


def _whole(text: str, _: object) -> int | None:
    if text.isdecimal() and len(text) < 18:
        return int(text)
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _until_reset(text: str, headers: Mapping[str, str]) -> float | None:
    if (wait := duration(text)) is not None and "T" not in text:
        return wait
    # Anthropic gives a time; the response's own Date header says what time it was.
    try:
        then = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return max(0.0, (then - parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, KeyError, TypeError):
        return None


_LIMIT_HEADERS: dict[str, tuple[str, Callable[[str, Mapping[str, str]], float | None]]] = {
    name.format(what=what, field=field): (
        f"{what}_{field}",
        _until_reset if field == "reset" else _whole,
    )
    for name in (
        "x-ratelimit-{field}-{what}",
        "anthropic-ratelimit-{what}-{field}",
        "modelscope-ratelimit-{what}-{field}",
    )
    for what in ("requests", "tokens")
    for field in ("limit", "remaining", "reset")
}
_LATEST_FIRST = {name: -number for number, name in enumerate(_LIMIT_HEADERS)}.__getitem__
