"""Errors of every shape, and the class, wait and words read out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.faults import duration, is_error, provider_error, retry_after, stream_error
from prompture.codecs.values import stop_reason
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
        (404, coded(404, "The model `m` does not exist"), errors.ModelNotFound),
        (404, {"error": "model 'm' not found"}, errors.ModelNotFound),
        (
            404,
            {"error": {"message": "No endpoints found for m", "code": 404}},
            errors.ModelNotFound,
        ),
        (
            404,
            coded("DeploymentNotFound", "The API deployment does not exist"),
            errors.ModelNotFound,
        ),
        (
            404,
            {"type": "error", "error": {"type": "not_found_error", "message": "model: m"}},
            errors.ModelNotFound,
        ),
        (404, {"detail": "Function 'f': Not found for account 'a'"}, errors.ModelNotFound),
        (404, coded(None, "Previous response with id 'r' not found."), errors.InvalidRequest),
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
    "body",
    [
        b"<html><h1>404 Not Found</h1></html>",
        b"404 page not found",
        b"",
        {},
        {"detail": "Not Found"},
        {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}},
        {"type": "error", "error": {"type": "not_found_error", "message": "Not Found"}},
        {"error": {"code": "404", "message": "Resource not found"}},
        {"message": "no Route matched with those values"},
        {"error": {"message": "Invalid URL (POST /v1/v1/models)", "type": "invalid_request_error"}},
        {"error": "Unknown endpoint: POST /api/chat/completions"},
        {"message": "Cannot POST /api/models", "statusCode": 404},
        {"path": "/x", "error": "Not Found", "status": 404},
    ],
)
def test_a_wrong_address_is_no_missing_model(body: Any) -> None:
    error = read(404, body)
    assert type(error) is errors.InvalidRequest
    assert "https://example.com" in str(error)
    assert "/v1" in str(error)
    assert str(error).count("404 404") == 0
    assert not error.retryable


TOO_LONG = [
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 5 tokens.",
    "The total length of all messages is too long.",
    "The decoder prompt (length 40960) is longer than the maximum model length of 32768.",
    "invalid params, context window exceeds limit (2013)",
    "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
    "prompt too long; exceeded max context length by 300 tokens",
    "Range of input length should be [1, 129024]",
    "This model's maximum context length is 4 tokens",
    "Requested token count exceeds the model's maximum context length of 8192 tokens.",
    "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
    "Please reduce the length of the messages or completion.",
    "the request exceeds the available context size, try increasing it",
    "Your input exceeds the context window of this model. Please adjust your input.",
    "The prompt is too long: 140000, model maximum context length: 131071",
    "request (5000 tokens) exceeds the available context size (4096 tokens)",
    "Total tokens of image and text exceed max message tokens",
    "Input prompt exceeds the model's limit of 8192 tokens",
]
OTHER_LIMITS = [
    "max_tokens is too large: 100000. This model supports at most 32768 completion tokens.",
    "This request would exceed your organization's rate limit of 40,000 input tokens per minute."
    " Please reduce the prompt length or try again later.",
    "Too many tokens, please wait before trying again.",
    "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64",
    "Request exceeds the maximum size of 32 MB",
    "The input image is too large",
    "The messages field is required",
    "context is required",
]


@pytest.mark.parametrize("status", [200, 400, 413, 422])
def test_the_words_for_a_prompt_that_is_too_long(status: int) -> None:
    for words in TOO_LONG:
        assert type(read(status, coded(None, words))) is errors.ContextWindowExceeded, words
    for words in OTHER_LIMITS:
        assert type(read(status, coded(None, words))) is not errors.ContextWindowExceeded, words


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": [{"message": "a", "code": "x"}]}, "a", "x"),
        ([{"error": {"message": "a", "status": "X"}}], "a", "X"),
        ({"error": "a"}, "a", None),
        ({"error": '{"error": {"message": "a", "type": "x"}}'}, "a", "x"),
        (coded(400, '{"message": "a", "type": "x"}'), "a", "x"),
        ({"detail": [{"loc": ["body", "n"], "msg": "a"}, {"msg": "b"}]}, "body.n: a; b", None),
        ({"detail": [{"loc": ["body", "n"], "msg": "a"}]}, "body.n: a", None),
        ({"detail": {"message": "a"}}, "a", None),
        ({"errors": ["a"]}, "a", None),
        (coded("4" * 5000, "a"), "a", "4" * 100),
        (coded(10**400, "a"), "a", None),
        (coded("\u00b2", "a"), "a", "\u00b2"),
        (coded(400, "{not json"), "{not json", None),
        ({"private": "words"}, "the body is an object with private", None),
    ],
)
def test_shapes(body: Any, message: str, code: str | None) -> None:
    error = read(400, body)
    assert (error.args[0], error.code) == (message, code)
    if code != "4" * 100:
        assert stream_error(body, HERE).args[0] == message


@pytest.mark.parametrize(
    "body",
    [
        {"base_resp": {"status_code": 0, "status_msg": ""}, "choices": []},
        {"choices": [{}], "base_resp": {"status_code": 1008}},
        {"code": 200, "msg": "ok", "data": {"choices": []}},
        {"code": "0", "message": "success"},
        {"choices": None, "message": "hello", "code": 5},
        {"type": "response.created", "code": None},
    ],
)
def test_what_is_no_error(body: Any) -> None:
    assert not is_error(body)


def test_no_key_is_left_in_any_field() -> None:
    key = "CANARY-sk-Zq7xv9PL2mN4-abcdef"
    here = Endpoint("zai", "https://example.com", key, {"x-team": "team-secret-0123456789"})
    for said in (key, key.upper(), f"{key[:6]}...{key[-4:]}", "team-secret-0123456789"):
        for before in range(480, 502):
            body = {
                "error": {
                    "message": "x " * (before // 2) + said,
                    "code": said,
                    "metadata": {said: [said]},
                    "param": said,
                }
            }
            raw = json.dumps(body).encode()
            headers = {"x-request-id": said, "content-type": f"text/{said}"}
            error = provider_error(HTTPResponse(401, headers, raw), here)
            told = f"{error} {error!r} {vars(error)}"
            assert said not in told
            assert "CANARY" not in told.upper()
    page = provider_error(HTTPResponse(500, {"content-type": f"x/{key}"}, key.encode()), here)
    assert "CANARY" not in f"{page} {vars(page)}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (coded(429), errors.RateLimitError),
        (coded("503"), errors.Overloaded),
        (coded("server_error"), errors.ServerError),
        (coded("x", type="invalid_request_error"), errors.InvalidRequest),
        (coded("tool_use_failed", status_code=400), errors.ToolArgumentsInvalid),
        ({"error": "nobody knows"}, errors.ServerError),
        ({"base_resp": {"status_code": 1008, "status_msg": "no money"}}, errors.QuotaExhausted),
        ({"base_resp": {"status_code": 1002, "status_msg": "slow"}}, errors.RateLimitError),
        ({"base_resp": {"status_code": 1004, "status_msg": "key"}}, errors.AuthenticationError),
        ({"base_resp": {"status_code": 1027, "status_msg": "x"}}, errors.ContentFiltered),
        ({"code": 1302, "msg": "slow", "success": False}, errors.RateLimitError),
    ],
)
def test_classes_inside_a_stream(body: Any, expected: type[Exception]) -> None:
    assert is_error(body)
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
        ({"retry-after": "1e999"}, {}, 1e9),
        ({"retry-after": "1000000000000"}, {}, 1e9),
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m2.5s", 62.5), ("1h 2m", 3720.0), ("20ms", 0.02), ("-5s", None), ("in 5s", None)],
)
def test_duration(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


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
        ("content_filter: RECITATION", {}, "content_filter"),
        ("function_call_filter: UNEXPECTED_TOOL_CALL", {}, "error"),
        ("eos_token", {}, "stop"),
        ("null", {}, "stop"),
        ("abort", {}, "cancelled"),
        (0, {}, "stop"),
        (7, {}, "unknown"),
        ("a word of tomorrow", {}, "unknown"),
    ],
)
def test_stops(raw: Any, options: dict[str, bool], expected: str) -> None:
    assert stop_reason(raw, **options) == expected
