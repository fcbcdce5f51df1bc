"""Anthropic's Messages API: real recordings, the SDK's own types, and the rules by family."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prompture import errors
from prompture.codecs.anthropic import SAMPLING_VERSION, VERSION, Anthropic, encode_body
from prompture.codecs.anthropic_answer import nested_usage, read_usage
from prompture.codecs.anthropic_models import claude
from prompture.codecs.base import Endpoint
from prompture.errors import ConfigurationError, ProtocolError, UnsupportedError
from prompture.types import (
    Completion,
    Document,
    File,
    Image,
    Message,
    Native,
    Request,
    Text,
    ToolCall,
    user,
)
from prompture.wire.http import HTTPResponse
from tests.codecs import replay
from tests.codecs.replay import check_cut_off, check_stream, fold, response_of, sse_events
from tests.codecs.sdk_types import check
from tests.recordings import Case, cases

CODEC = Anthropic()
ENDPOINT = Endpoint("claude", "https://api.anthropic.com", "sk-ant-key")
CASES = [c for p in ("anthropic", "azure") for c in cases(provider=p, endpoint="/messages")]
MODELS = [
    "claude-3-haiku-20240307",
    "claude-3-7-sonnet-latest",
    "claude-sonnet-4-20250514",
    "claude-haiku-4-5",
    "claude-sonnet-4-5-20250929",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-sonnet-4-6",
    "claude-opus-4-8",
    "claude-sonnet-5",
    "claude-opus-5-5",
    "claude-haiku-5-5",
    "claude-fable-5-2",
    "claude-mythos-preview",
    "my-deployment",
]


def whole_message(body: bytes, streamed: bool) -> dict[str, Any]:
    """The message that a recorded body says, read independently of the codec."""
    if not streamed:
        return dict(json.loads(body))
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for data in sse_events(body):
        event = json.loads(data)
        if event["type"] == "message_start":
            message = event["message"]
        elif event["type"] == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "json": ""}
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            elif delta["type"] == "input_json_delta":
                block["json"] += delta["partial_json"]
        elif event["type"] == "message_delta":
            message["stop_reason"] = event["delta"]["stop_reason"]
            for key, value in event["usage"].items():
                if value is not None:
                    message["usage"][key] = value
    for block in blocks.values():
        if text := block.pop("json"):
            block["input"] = json.loads(text)
    return {**message, "content": list(blocks.values())}


STOPS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "stop_sequence": "stop_sequence",
    "refusal": "refusal",
    "pause_turn": "pause",
    "model_context_window_exceeded": "context_window",
}


def compare(found: Completion, said: dict[str, Any]) -> None:
    blocks, usage = said["content"], said["usage"]
    assert found.text == "".join(b["text"] for b in blocks if b["type"] == "text")
    called = [(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == called
    assert found.stop_reason == STOPS[said["stop_reason"]]
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    assert found.usage.input_tokens == usage["input_tokens"] + read + written
    assert found.usage.output_tokens == usage["output_tokens"]
    assert (found.usage.cache_read_tokens, found.usage.cache_write_tokens) == (read, written)
    assert sum(found.usage.cache_writes.values()) in (0, written)
    assert found.usage.reported and found.usage.requests == 1
    assert found.model == said["model"]
    assert found.native is not None or not blocks


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recording(case: Case) -> None:
    for interaction in case.interactions:
        got = interaction.response
        if got.status >= 400:
            check_error(got.status, response_of(got))
            continue
        streamed = "event-stream" in got.headers.get("content-type", "")
        if streamed:
            found = check_stream(CODEC, ENDPOINT, got.body)
            for error in check_cut_off(CODEC, ENDPOINT, got.body):
                assert isinstance(error, errors.ConnectionLost)
        else:
            found = CODEC.decode(response_of(got), ENDPOINT)
            assert found.request_id in (*got.headers.values(), None)
        compare(found, whole_message(got.body, streamed))
        check_echo(found)


def check_echo(found: Completion) -> None:
    """The turn goes back as it came."""
    turn = Message(role="assistant", native=found.native)
    sent = encode(Request(model="claude-x", messages=(user("q"), turn, user("go on"))))
    assistants = [m for m in sent["messages"] if m["role"] == "assistant"]
    kept = [b for b in found.raw["content"] if b["type"] != "text" or b["text"].strip()]
    for message in assistants:
        if isinstance(message["content"], str):
            assert message["content"] == found.text
        else:
            assert message["content"] == kept
    assert bool(assistants) == bool(kept)


def check_error(status: int, response: HTTPResponse) -> None:
    error = CODEC.read_error(response, ENDPOINT)
    said = response.json()["error"]
    expected: type[Exception] = {
        401: errors.AuthenticationError,
        403: errors.PermissionDenied,
        404: errors.ModelNotFound,
        429: errors.RateLimitError,
        529: errors.Overloaded,
    }.get(status, errors.InvalidRequest if status < 500 else errors.ServerError)
    if "credit balance" in said["message"]:
        expected = errors.QuotaExhausted
    assert type(error) is expected
    assert error.code == said["type"]
    assert said["message"][:100] in str(error)


def encode(request: Request, **options: Any) -> dict[str, Any]:
    return dict(json.loads(CODEC.encode(request, ENDPOINT, **options).body))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_sdk_accepts(model: str, stream: bool) -> None:
    from anthropic.types import message_create_params as params

    kind = params.MessageCreateParamsStreaming if stream else params.MessageCreateParamsNonStreaming
    refused = 0
    for name, request in replay.requests(model):
        try:
            sent = CODEC.encode(request, ENDPOINT, stream=stream)
        except UnsupportedError:
            refused += 1
            continue
        body = json.loads(sent.body)
        # The SDK's types are those of the version that dropped the sampling parameters.
        sampled = [body.pop(key) for key in ("temperature", "top_p") if key in body]
        assert sent.headers["anthropic-version"] == (SAMPLING_VERSION if sampled else VERSION)
        assert not check(body, kind), name
    assert refused < 30


WEATHER = {"tools": (replay.WEATHER,)}
DISABLED = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("claude-sonnet-4-5", {"max_tokens": None}, {"max_tokens": 4096}),
        ("claude-sonnet-4-5", {"reasoning": 3000}, {"max_tokens": 7096}),
        (
            "claude-sonnet-4-5",
            {"reasoning": "high", "max_tokens": 64000},
            {"thinking": {"type": "enabled", "budget_tokens": 16384}},
        ),
        (
            "claude-sonnet-4-5",
            {"reasoning": "high", "max_tokens": 8000},
            {"thinking": {"type": "enabled", "budget_tokens": 6000}},
        ),
        ("claude-sonnet-4-5", {"reasoning": "none"}, DISABLED),
        ("claude-3-opus-20240229", {"reasoning": "none"}, {"thinking": None}),
        (
            "claude-sonnet-5",
            {"reasoning": "minimal"},
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "low"},
            },
        ),
        ("claude-opus-4-6", {"reasoning": "max"}, {"thinking": {"type": "adaptive"}}),
        (
            "claude-sonnet-5",
            {"schema": replay.SCHEMA},
            {"output_config": {"format": {"type": "json_schema", "schema": replay.SCHEMA}}},
        ),
        ("claude-sonnet-4", {"temperature": 0, "top_p": 0.5}, {"temperature": 0, "top_p": 0.5}),
        # Of two, the one that says nothing is left out.
        ("claude-haiku-4-5", {"temperature": 0, "top_p": 1}, {"temperature": 0, "top_p": None}),
        (
            "claude-sonnet-4-6",
            {"temperature": 1, "top_p": 0.5},
            {"top_p": 0.5, "temperature": None},
        ),
        ("claude-opus-5", {"temperature": 1}, {"temperature": None}),
        ("claude-opus-5", {**WEATHER, "tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        ("claude-opus-5", {**WEATHER, "tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        (
            "claude-opus-5",
            {**WEATHER, "tool_choice": "get_weather", "parallel_tools": False},
            {
                "tool_choice": {
                    "type": "tool",
                    "name": "get_weather",
                    "disable_parallel_tool_use": True,
                }
            },
        ),
        ("claude-opus-5", WEATHER, {"tool_choice": None}),
        ("claude-opus-5", {"extra": {"service_tier": "auto"}}, {"service_tier": "auto"}),
        ("claude-opus-5", {"metadata": {"user_id": 7}}, {"metadata": {"user_id": "7"}}),
    ],
)
def test_encode(model: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    body = encode(Request(model=model, messages=(user("hi"),), **options))
    assert {key: body.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("claude-sonnet-5", {"reasoning": 4096}),
        ("claude-sonnet-5", {"temperature": 0.0}),
        ("claude-sonnet-4-5", {"reasoning": "xhigh"}),
        ("claude-sonnet-4-5", {"reasoning": 4096, "max_tokens": 4096}),
        ("claude-sonnet-4-5", {"reasoning": 512, "max_tokens": 4096}),
        ("claude-sonnet-4-5", {"reasoning": "low", "max_tokens": 1000}),
        ("claude-sonnet-4-5", {"reasoning": "low", "temperature": 0.0}),
        ("claude-sonnet-4-5", {"reasoning": "low", **WEATHER, "tool_choice": "required"}),
        ("claude-opus-4-6", {"reasoning": "xhigh"}),
        ("claude-3-opus-20240229", {"reasoning": "low"}),
        ("claude-3-opus-20240229", {"reasoning": 2000}),
        ("claude-opus-5-5", {"reasoning": "none"}),
        ("claude-opus-5-5", {**WEATHER, "tool_choice": "required"}),
        ("claude-fable-5", {**WEATHER, "tool_choice": "get_weather"}),
        ("claude-opus-5", {**WEATHER, "tool_choice": "other"}),
        ("claude-opus-5", {"tool_choice": "required"}),
        ("claude-sonnet-4", {"schema": replay.SCHEMA}),
        ("claude-sonnet-5", {"json_mode": True}),
        ("claude-sonnet-5", {"seed": 1}),
        ("claude-sonnet-5", {"logprobs": 0}),
        ("claude-sonnet-5", {"prompt_cache": "2h"}),
        ("claude-sonnet-5", {"metadata": {"team": "a"}}),
    ],
)
def test_refused(model: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        encode(Request(model=model, messages=(user("hi"),), **options))


def test_prefill() -> None:
    prefill = (user("hi"), Message(role="assistant", content="{"))
    assert encode(Request(model="claude-haiku-4-5", messages=prefill))["messages"][-1] == {
        "role": "assistant",
        "content": "{",
    }
    with pytest.raises(UnsupportedError):
        encode(Request(model="claude-sonnet-4-6", messages=prefill))
    paused = Message(role="assistant", native=Native("anthropic", [{"type": "x"}]))
    body = encode(Request(model="claude-sonnet-5", messages=(user("hi"), paused)))
    assert body["messages"][-1]["content"] == [{"type": "x"}]


def test_turns_are_merged() -> None:
    talk = replay.conversations()["parallel results"]
    turns = encode(Request(model="claude-sonnet-5", messages=talk))["messages"]
    assert [t["role"] for t in turns] == ["user", "assistant", "user"]
    assert [b["type"] for b in turns[2]["content"]] == ["tool_result", "tool_result", "text"]
    assert turns[2]["content"][1]["is_error"] is True
    foreign = replay.conversations()["foreign ids"]
    turns = encode(Request(model="claude-sonnet-5", messages=foreign))["messages"]
    assert turns[1]["content"][1]["id"] == "functions_x_0"
    assert turns[2]["content"] == [{"type": "tool_result", "tool_use_id": "functions_x_0"}]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Document("t", name="n"), {"title": "n"}),
        (Image(url="https://e.com/a"), {"source": {"type": "url", "url": "https://e.com/a"}}),
        (
            Image(url="data:image/gif;base64,YQ=="),
            {"source": {"type": "base64", "media_type": "image/gif", "data": "YQ=="}},
        ),
        (File(id="f1"), {"type": "document", "source": {"type": "file", "file_id": "f1"}}),
        (File(data=b"x", media_type="image/png"), {"type": "image"}),
        (File(data=b"a", media_type="text/csv", name="b.csv"), {"title": "b.csv"}),
        (
            File(url="data:application/pdf;base64,YQ=="),
            {"source": {"type": "base64", "media_type": "application/pdf", "data": "YQ=="}},
        ),
    ],
)
def test_parts(part: Any, expected: dict[str, Any]) -> None:
    (block,) = encode(Request(model="m", messages=(user([part]),)))["messages"][0]["content"]
    assert {key: block.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ((user([Image(data=b"x", media_type="image/tiff")]),), UnsupportedError),
        ((user([File(data=b"x", media_type="application/zip")]),), UnsupportedError),
        ((user([Image(url="data:image/png,raw")]),), ConfigurationError),
        ((user([Image(url="data:image/png;base64,?")]),), ConfigurationError),
        ((user("  "),), ConfigurationError),
        ((user("q"), Message(role="tool", content="a")), ConfigurationError),
    ],
)
def test_bad_messages(messages: tuple[Message, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(Request(model="m", messages=messages))


def test_cache_marks() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    talks = replay.conversations()
    request = Request(model="m", messages=talks["document"], prompt_cache="1h")
    body = encode(request)
    assert body["system"] == [{"type": "text", "text": "Extract.", "cache_control": mark}]
    assert "cache_control" not in json.dumps(body["messages"])
    body = encode(Request(model="m", messages=talks["plain"], prompt_cache=True))
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    body = encode(
        Request(model="m", messages=talks["turns"], tools=(replay.CLOCK,), prompt_cache="1h")
    )
    assert body["tools"][0]["cache_control"] == mark
    assert body["messages"][-1]["content"][-1]["cache_control"] == mark
    # What is the same before another last turn: few-shot examples.
    shots = [Message(role=r, content=t) for r, t in (("user", "a"), ("assistant", "1"))] * 2  # type: ignore[arg-type]
    system, document = Message(role="system", content="s"), Message(role="user", content="d")
    turns = (system, *shots, document)
    body = encode(Request(model="m", messages=turns, prompt_cache="1h"))
    marked = [at for at, turn in enumerate(body["messages"]) if "cache_control" in json.dumps(turn)]
    assert marked == [3, 4]


@pytest.mark.parametrize(
    ("base", "key", "url", "auth"),
    [
        ("https://api.anthropic.com", "k", "https://api.anthropic.com/v1/messages", "x-api-key"),
        ("http://host:1/v1", "", "http://host:1/v1/messages", None),
        (
            "https://r.services.ai.azure.com/anthropic",
            "sk-ant-oat01-x",
            "https://r.services.ai.azure.com/anthropic/v1/messages",
            "authorization",
        ),
    ],
)
def test_address(base: str, key: str, url: str, auth: str | None) -> None:
    sent = CODEC.encode(Request(model="m", messages=(user("hi"),)), Endpoint("claude", base, key))
    assert sent.url == url
    assert {"x-api-key", "authorization"} & sent.headers.keys() == ({auth} if auth else set())


@pytest.mark.parametrize(
    ("name", "structured", "must_think", "sampling", "prefill"),
    [
        ("claude-2.1", False, False, True, True),
        ("claude-3-5-sonnet-20241022", False, False, True, True),
        ("claude-sonnet-4-20250514", False, False, True, True),
        ("claude-opus-4-1@20250805", True, False, True, True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True, False, True, True),
        ("anthropic/claude-opus-4.6", True, False, True, False),
        ("claude-opus-4-7", True, False, False, False),
        ("claude-haiku-5-5", True, False, False, False),
        ("claude-sonnet-5-5", True, True, False, False),
        ("claude-mythos-preview", True, True, False, False),
        ("gpt-whatever", True, False, True, True),
    ],
)
def test_families(
    name: str, structured: bool, must_think: bool, sampling: bool, prefill: bool
) -> None:
    rules = claude(name)
    assert (rules.structured, rules.must_think) == (structured, must_think)
    assert (rules.sampling, rules.prefill) == (sampling, prefill)


def events(*given: dict[str, Any]) -> bytes:
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in given)


START = {
    "type": "message_start",
    "message": {
        "id": "m",
        "model": "c",
        "content": [],
        "usage": {"input_tokens": 9, "output_tokens": 1},
    },
}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


def delta(index: int, **given: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": given}


def stop(reason: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    given = {
        "type": "message_delta",
        "delta": {"stop_reason": reason, **more},
        "usage": {"output_tokens": 5},
    }
    return given, {"type": "message_stop"}


def test_stream_error_keeps_what_came() -> None:
    body = events(START, TEXT, delta(0, type="text_delta", text="Hel"))
    wrong = events({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(body)
    with pytest.raises(errors.Overloaded) as raised:
        decoder.feed(wrong)
    assert raised.value.status == 200 and raised.value.retryable
    partial = decoder.partial()
    assert (partial.text, partial.stop_reason) == ("Hel", "unknown")
    assert partial.usage.input_tokens == 9


def test_broken_arguments_are_kept() -> None:
    tool = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    body = events(
        START,
        {"type": "content_block_start", "index": 0, "content_block": tool},
        delta(0, type="input_json_delta", partial_json='{"a": '),
        *stop("max_tokens"),
    )
    completion = check_stream(CODEC, ENDPOINT, body)
    (call,) = completion.tool_calls
    assert (call.arguments, call.raw_arguments) == (None, '{"a": ')
    assert call.problem and call.problem.startswith("not JSON")
    assert completion.native.payload == [tool]


@pytest.mark.parametrize("pieces", [["{}", '{"x": 1}'], ["", "{}", '{"x"', ": 1}"], ['{"x": 1}']])
def test_an_empty_object_before_the_real_arguments(pieces: list[str]) -> None:
    tool = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    body = events(
        START,
        {"type": "content_block_start", "index": 0, "content_block": tool},
        *(delta(0, type="input_json_delta", partial_json=piece) for piece in pieces),
        {"type": "content_block_stop", "index": 0},
        *stop("tool_use"),
    )
    completion = check_stream(CODEC, ENDPOINT, body)
    assert [call.arguments for call in completion.tool_calls] == [{"x": 1}]
    assert completion.native.payload == [{**tool, "input": {"x": 1}}]


def test_unknown_things_are_passed_over() -> None:
    odd = {"type": "hologram", "shape": [1]}
    body = events(
        START,
        {"type": "content_block_start", "index": 0, "content_block": odd},
        delta(0, type="hologram_delta", more=2),
        delta(3, type="text_delta", text="lost block"),
        {"type": "weather_report"},
        {"type": "content_block_stop", "index": 9},
        *stop("bored"),
    )
    completion = check_stream_loosely(body)
    assert (completion.stop_reason, completion.raw_stop) == ("unknown", "bored")
    assert completion.native.payload[0] == odd


def check_stream_loosely(body: bytes) -> Completion:
    _, completion = fold(CODEC, ENDPOINT, body)
    assert isinstance(completion, Completion)
    return completion


@pytest.mark.parametrize(
    "body",
    [b"data: {nope\n\n", b"data: [1]\n\n", events({"type": "message_start"})],
)
def test_malformed_stream(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        CODEC.stream_decoder(ENDPOINT).feed(body)


def test_refusal() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    body = events(START, *stop("refusal", stop_details=details))
    completion = check_stream(CODEC, ENDPOINT, body)
    assert (completion.stop_reason, completion.refusal) == ("refusal", "No.")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
            errors.Overloaded,
        ),
        ({"type": "message"}, ProtocolError),
        ({"content": ["text"]}, ProtocolError),
        ([], ProtocolError),
    ],
)
def test_bad_answers(body: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        CODEC.decode(HTTPResponse(200, {}, json.dumps(body).encode()), ENDPOINT)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (
            400,
            {"type": "invalid_request_error", "message": "prompt is too long: 9 > 1"},
            errors.ContextWindowExceeded,
        ),
        (402, {"type": "billing_error", "message": "pay"}, errors.QuotaExhausted),
        (403, {"type": "permission_error", "message": "no"}, errors.PermissionDenied),
        (413, {"type": "request_too_large", "message": "big"}, errors.InvalidRequest),
        (429, {"type": "rate_limit_error", "message": "slow"}, errors.RateLimitError),
        (
            429,
            {
                "type": "rate_limit_error",
                "message": "x",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
            errors.QuotaExhausted,
        ),
        (500, {"type": "api_error", "message": "x"}, errors.ServerError),
        (504, {"type": "timeout_error", "message": "x"}, errors.ServerError),
        (529, {"type": "overloaded_error", "message": "x"}, errors.Overloaded),
    ],
)
def test_errors(status: int, error: dict[str, Any], expected: type[Exception]) -> None:
    body = json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()
    found = CODEC.read_error(HTTPResponse(status, {"retry-after": "3"}, body), ENDPOINT)
    assert type(found) is expected
    assert found.retryable is (status in (429, 500, 504, 529) and "details" not in error)


def test_nested_usage_is_apart() -> None:
    raw = {
        "input_tokens": 220,
        "output_tokens": 7,
        "iterations": [
            {"type": "compaction", "input_tokens": 55196, "output_tokens": 300},
            {
                "type": "advisor_message",
                "model": "claude-opus-5",
                "input_tokens": 10,
                "output_tokens": 2,
            },
            {"type": "message", "input_tokens": 220, "output_tokens": 7},
        ],
    }
    assert read_usage(raw).total_tokens == 227
    assert [(m, u.total_tokens) for m, u in nested_usage(raw)] == [
        (None, 55496),
        ("claude-opus-5", 12),
    ]
    assert not read_usage(None).reported


def test_models() -> None:
    sent = CODEC.models_request(ENDPOINT, "claude-a")
    assert sent.url == "https://api.anthropic.com/v1/models?limit=1000&after_id=claude-a"
    row = {
        "id": "claude-b",
        "created_at": "2026-01-02T00:00:00Z",
        "max_input_tokens": 5,
        "max_tokens": 2,
    }
    page = {"data": [row], "has_more": True, "last_id": "claude-b"}
    models, following = CODEC.read_models(HTTPResponse(200, {}, json.dumps(page).encode()))
    assert (models[0].created, models[0].context_tokens, following) == (1767312000, 5, "claude-b")
    with pytest.raises(ProtocolError):
        CODEC.read_models(HTTPResponse(200, {}, b"[]"))


def test_call_without_arguments() -> None:
    call = ToolCall(id="t", name="f", arguments=None, raw_arguments="{oops")
    turn = Message(role="assistant", content=(Text("x"),), calls=(call,), reasoning="hm")
    body = encode(Request(model="m", messages=(user("q"), turn, user("r"))))
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "x"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    ]


def test_thinking_on_a_budget_waits_where_another_models_tool_calls_are_answered() -> None:
    made = ToolCall(id="c1", name="look", arguments={})
    result = Message(role="tool", call_id="c1", name="look", content="ok")
    for native, thinks in (
        (None, False),
        (Native("anthropic", [{"type": "text", "text": "x"}]), True),
    ):
        turn = Message(role="assistant", calls=(made,), native=native)
        turns = (Message(role="user", content="hi"), turn, result)
        body = encode_body(Request(model="claude-sonnet-4-5", messages=turns, reasoning=2000))
        assert ("thinking" in body) is thinks
        again = (*turns, Message(role="user", content="and?"))
        assert "thinking" in encode_body(
            Request(model="claude-sonnet-4-5", messages=again, reasoning=2000)
        )
