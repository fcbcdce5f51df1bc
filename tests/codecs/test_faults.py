"""Errors of every shape, and the class, wait and words read out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.faults import duration, provider_error, retry_after, stream_error
from prompture.codecs.stops import stop_reason
from prompture.errors import ProviderError
from prompture.wire.http import HTTPResponse

HERE = Endpoint("zai", "https://example.com", "sk-secret")


def read(status: int, body: Any, **headers: str) -> ProviderError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return provider_error(HTTPResponse(status, named, raw), HERE)


def coded(code: Any, message: str = "m", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, coded("model_not_found"), errors.ModelNotFound),
        (400, coded("context_length_exceeded"), errors.ContextWindowExceeded),
        (
            400,
            coded(None, "This model's maximum context length is 4"),
            errors.ContextWindowExceeded,
        ),
        (413, {"message": "prompt is too long"}, errors.ContextWindowExceeded),
        (
            422,
            {"error": "`inputs` tokens + `max_new_tokens` must be <= 5"},
            errors.ContextWindowExceeded,
        ),
        (400, coded("string_above_max_length", "string too long"), errors.InvalidRequest),
        (400, coded("content_filter", innererror={"code": "x"}), errors.ContentFiltered),
        (
            400,
            coded("x", inner_error={"code": "ResponsibleAIPolicyViolation"}),
            errors.ContentFiltered,
        ),
        (400, coded("tool_use_failed", failed_generation="{"), errors.ToolArgumentsInvalid),
        (400, coded(400, "API key not valid. Please"), errors.AuthenticationError),
        (400, {"code": "x", "error": "Incorrect API key provided"}, errors.AuthenticationError),
        (401, b"<html>401</html>", errors.AuthenticationError),
        (402, {}, errors.QuotaExhausted),
        (
            402,
            coded(402, metadata={"limit_source": "openrouter_in_flight_budget"}),
            errors.RateLimitError,
        ),
        (403, {}, errors.PermissionDenied),
        (
            403,
            coded(403, metadata={"reasons": ["x"], "flagged_input": "y"}),
            errors.ContentFiltered,
        ),
        (404, {"detail": "Not Found"}, errors.ModelNotFound),
        (422, {"detail": [{"loc": ["a"], "msg": "field required"}]}, errors.InvalidRequest),
        (429, coded("rate_limit_exceeded"), errors.RateLimitError),
        (429, coded("x", type="insufficient_quota"), errors.QuotaExhausted),
        (429, coded("credit_balance_exhausted"), errors.QuotaExhausted),
        (429, {"error": {"type": "exceeded_current_quota_error"}}, errors.QuotaExhausted),
        (429, {"error": {"type": "engine_overloaded_error"}}, errors.Overloaded),
        (429, coded("slow_down"), errors.Overloaded),
        (429, {"message": "Service tier capacity exceeded for this model."}, errors.Overloaded),
        (429, {"error": {"type": "workspace_spend_limit_reached"}}, errors.QuotaExhausted),
        (
            429,
            coded(429, status="RESOURCE_EXHAUSTED", details=[{"quotaId": "RequestsPerDayPerUser"}]),
            errors.QuotaExhausted,
        ),
        (429, coded("1302"), errors.RateLimitError),
        (429, coded("1113"), errors.QuotaExhausted),
        (400, coded("1261"), errors.ContextWindowExceeded),
        (400, coded("1301"), errors.ContentFiltered),
        (400, coded("1211"), errors.ModelNotFound),
        # Mistral's numbers mean other things, and stand beside a type.
        (400, coded("1301", type="invalid_request"), errors.InvalidRequest),
        (498, {}, errors.RateLimitError),
        (499, {}, errors.ServerError),
        (408, {}, errors.ServerError),
        (424, {}, errors.ServerError),
        (500, {"errors": {"message": "x"}, "request_id": "1"}, errors.ServerError),
        (503, {"error": "Model is loading", "estimated_time": 20}, errors.Overloaded),
        (529, {"error": {"type": "overloaded_error"}}, errors.Overloaded),
        (418, [], errors.InvalidRequest),
    ],
)
def test_classes(status: int, body: Any, expected: type[Exception]) -> None:
    error = read(status, body)
    assert type(error) is expected
    assert error.status == status
    assert error.provider == "zai"
    assert str(error).startswith(f"zai: HTTP {status}")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (coded(429), errors.RateLimitError),
        (coded("503"), errors.Overloaded),
        (coded("server_error"), errors.ServerError),
        (coded("x", type="invalid_request_error"), errors.InvalidRequest),
        (coded("tool_use_failed", status_code=400), errors.ToolArgumentsInvalid),
        ({"error": "nobody knows"}, errors.ServerError),
    ],
)
def test_classes_inside_a_stream(body: Any, expected: type[Exception]) -> None:
    error = stream_error(body, HERE)
    assert type(error) is expected
    assert error.status == 200


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({}, {}, None),
        ({"retry-after": "7"}, {}, 7.0),
        ({"retry-after": "0.5", "retry-after-ms": "250"}, {}, 0.25),
        ({"retry-after": "-3"}, {}, None),
        ({"retry-after": "soon"}, {}, None),
        ({"retry-after": "1e999"}, {}, None),
        (
            {
                "retry-after": "Fri, 20 Nov 2026 10:00:30 GMT",
                "date": "Fri, 20 Nov 2026 10:00:00 GMT",
            },
            {},
            30.0,
        ),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT"}, {}, None),
        ({}, {"details": [{"retryDelay": "12.5s"}]}, 12.5),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1m2.5s",
                "x-ratelimit-remaining-tokens": "9",
                "x-ratelimit-reset-tokens": "9h",
            },
            {},
            62.5,
        ),
    ],
)
def test_retry_after(headers: dict[str, str], error: dict[str, Any], seconds: float | None) -> None:
    assert retry_after(headers, error) == seconds


@given(st.text(max_size=30))
def test_any_duration(text: str) -> None:
    found = duration(text)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("status", "headers", "retryable"),
    [
        (400, {}, False),
        (409, {}, True),
        (429, {}, True),
        (402, {}, False),
        (500, {}, True),
        (500, {"x_should_retry": "false"}, False),
        (400, {"x_should_retry": "true"}, True),
        (429, {"modelscope_ratelimit_requests_remaining": "0"}, False),
        (429, {"modelscope_ratelimit_model_requests_remaining": "0"}, False),
        (429, {"modelscope_ratelimit_requests_remaining": "5"}, True),
    ],
)
def test_retryable(status: int, headers: dict[str, str], retryable: bool) -> None:
    assert read(status, {}, **headers).retryable is retryable


def test_what_it_tells() -> None:
    error = read(400, coded("c", "x" * 9000, param="temperature"), x_request_id="r-1")
    assert (error.code, error.request_id) == ("c", "r-1")
    assert error.details == {"param": "temperature"}
    assert len(str(error)) < 600
    assert len(error.body) == 2000
    page = read(502, b"<html>Bad gateway</html>", content_type="text/html")
    assert "text/html" in str(page) and "Bad gateway" in str(page)
    assert "empty" in str(read(502, b""))


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "detail", "message", "code", "type", "details"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.integers(400, 599), JSONISH)
def test_any_body_gives_an_error(status: int, body: Any) -> None:
    error = read(status, body)
    assert isinstance(error, ProviderError)
    assert isinstance(str(error), str)


@given(st.binary(max_size=60))
def test_any_bytes_give_an_error(body: bytes) -> None:
    assert isinstance(read(500, body), errors.ServerError)


@pytest.mark.parametrize(
    ("raw", "options", "expected"),
    [
        (None, {}, "stop"),
        ("", {"called": True}, "tool_calls"),
        ("STOP", {}, "stop"),
        ("stop", {"refused": True}, "refusal"),
        ("stop", {"called": True}, "tool_calls"),
        ("length", {"called": True}, "length"),
        ("sensitive", {}, "content_filter"),
        ("network_error", {}, "error"),
        ("model_length", {}, "context_window"),
        ("malformed_tool_use", {}, "error"),
        ("a word of tomorrow", {}, "unknown"),
    ],
)
def test_stops(raw: str | None, options: dict[str, bool], expected: str) -> None:
    assert stop_reason(raw, **options) == expected
