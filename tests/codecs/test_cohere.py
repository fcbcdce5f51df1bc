"""Cohere's v2 chat: real recordings, the SDK's own types, and the rules by model."""

from __future__ import annotations

import base64
import contextlib
import inspect
import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.cohere import Cohere
from prompture.codecs.cohere_answer import billed
from prompture.errors import ProtocolError, UnsupportedError
from prompture.types import (
    Completion,
    Document,
    File,
    Image,
    Message,
    Native,
    Request,
    Text,
    Tool,
    Usage,
    system,
    user,
)
from prompture.wire.http import HTTPResponse
from tests.codecs import replay
from tests.codecs.replay import check_cut_off, check_stream, fold, response_of, sse_events
from tests.codecs.sdk_types import check
from tests.recordings import Case, Sent, cases

CODEC = Cohere()
ENDPOINT = Endpoint("cohere", "https://api.cohere.com", "co-key")
CASES = cases(provider="cohere", endpoint="/v2/chat")
MODELS = [
    "command",
    "command-r",
    "command-r-plus-08-2024",
    "command-r7b-12-2024",
    "command-a-03-2025",
    "command-a-vision-07-2025",
    "command-a-reasoning-08-2025",
    "command-a-plus-05-2026",
    "north-mini-code-1-0",
    "my-tuned-model",
]


def whole_body(body: bytes, *, streamed: bool) -> dict[str, Any]:
    """The answer that a recorded body says, read independently of the codec."""
    if not streamed:
        return dict(json.loads(body))
    said: dict[str, Any] = {"content": "", "thinking": "", "plan": "", "calls": {}, "cited": []}
    for data in sse_events(body):
        if data == "[DONE]":
            continue
        event = json.loads(data)
        message = event.get("delta", {}).get("message", {})
        if event["type"] == "message-start":
            said["id"] = event["id"]
        elif event["type"] in ("content-start", "content-delta"):
            said["content"] += message["content"].get("text", "")
            said["thinking"] += message["content"].get("thinking", "")
        elif event["type"] == "tool-plan-delta":
            said["plan"] += message["tool_plan"]
        elif event["type"] == "tool-call-start":
            said["calls"][event["index"]] = message["tool_calls"]
        elif event["type"] == "tool-call-delta":
            piece = message["tool_calls"]["function"]["arguments"]
            said["calls"][event["index"]]["function"]["arguments"] += piece
        elif event["type"] == "citation-start":
            said["cited"].append(message["citations"])
        elif event["type"] == "message-end":
            said |= event["delta"]
    found = {
        "content": [{"text": said["content"]}, {"thinking": said["thinking"]}],
        "tool_plan": said["plan"],
        "tool_calls": list(said["calls"].values()),
        "citations": said["cited"],
    }
    return {**said, "message": found}


STOPS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
}


def compare(found: Completion, said: dict[str, Any]) -> None:
    message, usage = said["message"], said.get("usage") or {}
    blocks = message.get("content") or []
    assert found.text == "".join(b.get("text", "") for b in blocks)
    thoughts = "".join(b.get("thinking", "") for b in blocks)
    assert found.reasoning == thoughts + (message.get("tool_plan") or "")
    called = [(c["id"], c["function"]) for c in message.get("tool_calls") or ()]
    assert [(c.id, c.name, c.raw_arguments) for c in found.tool_calls] == [
        (id, f["name"], f["arguments"]) for id, f in called
    ]
    for call, (_, function) in zip(found.tool_calls, called, strict=True):
        assert call.arguments == json.loads(function["arguments"] or "{}")
    assert (found.stop_reason, found.raw_stop) == (
        STOPS[said["finish_reason"]],
        said["finish_reason"],
    )
    assert found.citations == (message.get("citations") or None)
    assert found.request_id == said["id"]
    tokens = usage.get("tokens", {})
    assert found.usage.input_tokens == tokens.get("input_tokens", 0)
    assert found.usage.output_tokens == tokens.get("output_tokens", 0)
    assert found.usage.cache_read_tokens == usage.get("cached_tokens", 0)
    assert found.usage.reasoning_tokens == tokens.get("reasoning_tokens", 0)
    assert (found.usage.reported, found.usage.requests) == (bool(tokens), 1)
    charged, units = billed(found.usage), usage.get("billed_units", tokens)
    assert charged.input_tokens == units.get("input_tokens", 0)
    assert charged.output_tokens == units.get("output_tokens", 0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recording(case: Case) -> None:
    for interaction in case.interactions:
        got = interaction.response
        if got.status >= 400:
            check_error(got.status, response_of(got))
            continue
        streamed = "event-stream" in got.headers.get("content-type", "")
        said = whole_body(got.body, streamed=streamed)
        if streamed:
            found = check_stream(CODEC, ENDPOINT, got.body)
            for error in check_cut_off(CODEC, ENDPOINT, got.body):
                assert isinstance(error, errors.ConnectionLost)
                assert isinstance(error.partial, Completion)
        else:
            found = CODEC.decode(response_of(got), ENDPOINT)
        if said.get("error"):
            assert found == (errors.ToolArgumentsInvalid, found[1])
            assert said["error"] in found[1]
            continue
        compare(found, said)
        check_echo(found, said)
        check_same_turns(interaction.request)


def check_echo(found: Completion, said: dict[str, Any]) -> None:
    """The turn goes back as it came."""
    sent = encode(Request(model="command-a", messages=(user("q"), found.message())))
    turn = sent["messages"][1]
    message = said["message"]
    for key in ("tool_plan", "tool_calls", "citations"):
        assert turn.get(key) == (message.get(key) or None)
    words = "".join(b.get("text", "") for b in turn.get("content") or ())
    assert words == found.text


def check_same_turns(sent: Sent) -> None:
    """Recorded turns of the model, wrapped as ours, are sent as they were recorded."""
    recorded = [m for m in json.loads(sent.body)["messages"] if m["role"] == "assistant"]
    history = [Message(role="assistant", native=Native("cohere_v2", turn)) for turn in recorded]
    turns = encode(Request(model="command-a", messages=(user("q"), *history)))["messages"][1:]
    assert turns == [{k: v for k, v in turn.items() if v} for turn in recorded]


def check_error(status: int, response: HTTPResponse) -> None:
    error = CODEC.read_error(response, ENDPOINT)
    said = response.json()
    expected: type[Exception] = {
        401: errors.AuthenticationError,
        403: errors.PermissionDenied,
        404: errors.ModelNotFound,
        429: errors.RateLimitError,
        503: errors.Overloaded,
    }.get(status, errors.InvalidRequest if status < 500 else errors.ServerError)
    if status == 400 and said["message"].startswith("too many tokens"):
        expected = errors.ContextWindowExceeded
    assert type(error) is expected
    assert error.request_id in (said.get("id"), response.headers.get("x-debug-trace-id"))
    assert error.request_id or "id" not in said
    assert said["message"][:100] in str(error)


def encode(request: Request, *, stream: bool = False) -> dict[str, Any]:
    return dict(json.loads(CODEC.encode(request, ENDPOINT, stream=stream).body))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_sdk_accepts(model: str, stream: bool) -> None:
    raw_client = pytest.importorskip("cohere.v2.raw_client")
    call = raw_client.RawV2Client.chat_stream if stream else raw_client.RawV2Client.chat
    kinds = get_type_hints(call, vars(raw_client))
    required = {"model", "messages"}
    assert required <= inspect.signature(call).parameters.keys()
    accepted = 0
    for name, request in replay.requests(model):
        try:
            body = encode(request, stream=stream)
        except UnsupportedError:
            continue
        accepted += 1
        assert body.pop("stream", False) is stream
        assert required <= body.keys()
        assert not [
            problem
            for key, value in body.items()
            for problem in check(value, kinds[key], path=f"/{key}")
        ], name
    assert accepted > 25


FORCED = {"tools": (replay.WEATHER, replay.CLOCK)}
WEATHER_ONLY = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": dict(replay.WEATHER.parameters),
        },
    }
]


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("command-r", {}, {"stream": None, "tools": None, "response_format": None}),
        (
            "command-r",
            {"max_tokens": 9, "temperature": 0, "top_p": 0.5, "stop": ("a",), "seed": 3},
            {"max_tokens": 9, "temperature": 0, "p": 0.5, "stop_sequences": ["a"], "seed": 3},
        ),
        (
            "command-r",
            {"schema": replay.SCHEMA},
            {"response_format": {"type": "json_object", "json_schema": replay.SCHEMA}},
        ),
        ("command-r", {"json_mode": True}, {"response_format": {"type": "json_object"}}),
        ("command-r", {"logprobs": 0}, {"logprobs": True}),
        ("command-r", {"logprobs": 1}, {"logprobs": True}),
        ("command-r", {**FORCED, "tool_choice": "auto"}, {"tool_choice": None}),
        ("command-r", {**FORCED, "parallel_tools": True}, {"strict_tools": None}),
        (
            "command-a-03-2025",
            {"tools": (replay.WEATHER,)},
            {"tools": WEATHER_ONLY, "strict_tools": True},
        ),
        ("command-a-03-2025", {**FORCED, "tool_choice": "none"}, {"tool_choice": "NONE"}),
        ("command-a-03-2025", {**FORCED, "tool_choice": "required"}, {"tool_choice": "REQUIRED"}),
        (
            "command-r7b-12-2024",
            {**FORCED, "tool_choice": "get_weather"},
            {"tool_choice": "REQUIRED", "tools": WEATHER_ONLY},
        ),
        (
            "command-a-03-2025",
            {"tools": (Tool(name="t"),)},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "t",
                            "parameters": {"type": "object", "properties": {}},
                        },
                    }
                ]
            },
        ),
        ("command-a-03-2025", {"reasoning": "none"}, {"thinking": None}),
        ("command-a-reasoning-08-2025", {"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
        ("command-a-reasoning-08-2025", {"reasoning": 0}, {"thinking": {"type": "disabled"}}),
        ("command-a-reasoning-08-2025", {"reasoning": "low"}, {"thinking": {"type": "enabled"}}),
        (
            "command-a-plus-05-2026",
            {"reasoning": 512},
            {"thinking": {"type": "enabled", "token_budget": 512}},
        ),
        ("command-r", {"prompt_cache": "1h"}, {"messages": [{"role": "user", "content": "hi"}]}),
        ("command-r", {"tool_choice": "none"}, {"tool_choice": None}),
        ("command-r", {"extra": {"k": 3, "safety_mode": "STRICT"}}, {"k": 3}),
    ],
)
def test_encode(model: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    body = encode(Request(model=model, messages=(user("hi"),), **options))
    assert {key: body.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("command-r", {"reasoning": "low"}),
        ("command-a-03-2025", {"reasoning": 100}),
        ("command-r", {**FORCED, "tool_choice": "required"}),
        ("command-r-plus-08-2024", {**FORCED, "tool_choice": "clock"}),
        ("command-a-03-2025", {**FORCED, "tool_choice": "other"}),
        ("command-a-03-2025", {"tool_choice": "required"}),
        ("command-a-03-2025", {**FORCED, "parallel_tools": False}),
        ("command-a-03-2025", {"schema": replay.SCHEMA, **FORCED}),
        ("command-a-03-2025", {"json_mode": True, "extra": {"documents": ["d"]}}),
        ("command-a-03-2025", {"logprobs": 2}),
        ("command-a-03-2025", {"metadata": {"team": "a"}}),
    ],
)
def test_refused(model: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        encode(Request(model=model, messages=(user("hi"),), **options))


PNG_URL = "data:image/png;base64," + base64.b64encode(replay.PNG).decode()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([Text("t")], "t"),
        ([Document("t", name="n")], "n\n\nt"),
        ([File(data=b"words", media_type="text/plain")], "words"),
        (
            [Text("a"), Document("b")],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        ),
        (
            [Image(data=replay.PNG, detail="low")],
            [{"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}}],
        ),
        (
            [Image(url="https://e.com/a.png")],
            [{"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}],
        ),
    ],
)
def test_parts(parts: list[Any], expected: Any) -> None:
    body = encode(Request(model="command-a-vision-07-2025", messages=(user(parts),)))
    assert body["messages"] == [{"role": "user", "content": expected}]


@pytest.mark.parametrize(
    ("model", "messages"),
    [
        ("command-a-03-2025", (user([Image(data=b"x")]),)),
        ("command-a-reasoning-08-2025", (user([Image(url="https://e.com/a.png")]),)),
        ("command-a-plus-05-2026", (Message(role="system", content=(Image(data=b"x"),)),)),
        ("command-a-plus-05-2026", (Message(role="tool", content=(Image(data=b"x"),)),)),
        ("command-a-plus-05-2026", (user([File(data=b"%PDF")]),)),
        ("command-a-plus-05-2026", (user([File(id="f")]),)),
        ("command-a-plus-05-2026", (user([File(data=b"\xff", media_type="text/plain")]),)),
    ],
)
def test_unsendable(model: str, messages: tuple[Message, ...]) -> None:
    with pytest.raises(UnsupportedError):
        encode(Request(model=model, messages=messages))


def test_turns() -> None:
    talk = (system("Be brief."), *replay.conversations()["parallel results"])
    turns = encode(Request(model="command-r", messages=talk))["messages"]
    assert [t["role"] for t in turns] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert turns[2].keys() == {"role", "tool_calls"}
    assert turns[2]["tool_calls"][0] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Rom"}'},
    }
    assert turns[3] == {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
    failed = [{"type": "document", "document": {"data": {"error": "no such city"}}}]
    assert turns[4] == {"role": "tool", "tool_call_id": "c2", "content": failed}
    planned = replay.conversations()["foreign ids"]
    turns = encode(Request(model="command-r", messages=planned))["messages"]
    assert turns[1]["tool_plan"] == "Let me see."
    assert "content" not in turns[1]


def test_turns_of_others_are_rebuilt() -> None:
    foreign = Message(role="assistant", content="words", native=Native("anthropic", [{}]))
    empty = Message(role="assistant", native=Native("cohere_v2", {"role": "assistant"}))
    body = encode(Request(model="command-r", messages=(user("hi"), foreign, empty, user("go"))))
    assert body["messages"][1:] == [
        {"role": "assistant", "content": "words"},
        {"role": "user", "content": "go"},
    ]


@pytest.mark.parametrize(
    ("base", "chat"),
    [
        ("https://api.cohere.com", "https://api.cohere.com/v2/chat"),
        ("https://api.cohere.com/v2", "https://api.cohere.com/v2/chat"),
        ("https://api.cohere.com/v2/chat", "https://api.cohere.com/v2/chat"),
        ("https://api.cohere.com/v1", "https://api.cohere.com/v2/chat"),
        ("http://localhost:1/proxy/cohere", "http://localhost:1/proxy/cohere/v2/chat"),
    ],
)
def test_urls(base: str, chat: str) -> None:
    endpoint = Endpoint("cohere", base, "key", {"x-client-name": "us"})
    sent = CODEC.encode(Request(model="command-r", messages=(user("hi"),)), endpoint)
    assert (sent.method, sent.url) == ("POST", chat)
    assert sent.headers["authorization"] == "Bearer key"
    assert sent.headers["x-client-name"] == "us"
    listed = CODEC.models_request(endpoint)
    root = chat.removesuffix("/v2/chat")
    assert listed.url == f"{root}/v1/models?endpoint=chat&page_size=1000"
    assert CODEC.models_request(endpoint, "p=1").url == listed.url + "&page_token=p%3D1"
    assert "authorization" not in CODEC.models_request(Endpoint("cohere", base)).headers


def answer(body: Any, status: int = 200) -> HTTPResponse:
    return HTTPResponse(status, {"content-type": "application/json"}, json.dumps(body).encode())


def test_models() -> None:
    page = {
        "models": [
            {"name": "command-r", "endpoints": ["generate", "chat"], "context_length": 128000.0},
            {"name": "embed-v4", "endpoints": ["embed"]},
            {"name": "plain"},
        ],
        "next_page_token": "n",
    }
    found, following = CODEC.read_models(answer(page))
    assert [(m.id, m.context_tokens) for m in found] == [("command-r", 128000), ("plain", None)]
    assert following == "n"
    assert CODEC.read_models(answer({"models": []})) == ([], None)


def test_decode_everything() -> None:
    message = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "one "},
            {"type": "text", "text": "two"},
            {"type": "new", "new": 1},
        ],
        "tool_plan": " so",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "t", "arguments": '{"x": 1}'}},
            {"type": "function", "function": {"name": "u", "arguments": ""}},
            {"id": "c", "function": {"name": "v", "arguments": "{broken"}},
        ],
        "citations": [{"start": 0}],
    }
    usage = {
        "billed_units": {"input_tokens": 3.0, "output_tokens": 5.0, "search_units": 1},
        "tokens": {"input_tokens": 500.0, "output_tokens": 9.0, "reasoning_tokens": 6.0},
        "cached_tokens": 480.0,
    }
    body = {"id": "r", "message": message, "finish_reason": "TOOL_CALL", "usage": usage}
    found = CODEC.decode(answer({**body, "logprobs": [{"text": "o"}]}), ENDPOINT)
    assert (found.text, found.reasoning, found.request_id) == ("one two", "hm so", "r")
    assert [(c.id, c.arguments) for c in found.tool_calls] == [
        ("a", {"x": 1}),
        ("call_1", {}),
        ("c", None),
    ]
    assert found.tool_calls[2].problem
    assert found.citations == [{"start": 0}]
    assert found.logprobs == [{"text": "o"}]
    assert found.usage == Usage(
        input_tokens=500,
        output_tokens=9,
        cache_read_tokens=480,
        reasoning_tokens=6,
        requests=1,
        reported=True,
    )
    assert found.usage.raw == usage
    assert billed(found.usage) == Usage(
        input_tokens=3, output_tokens=5, reasoning_tokens=5, requests=1, reported=True
    )
    assert found.native is not None and found.native.payload == message


def test_usage_as_far_as_it_is_stated() -> None:
    body: dict[str, Any] = {"message": {"content": "words"}, "finish_reason": "COMPLETE"}
    found = CODEC.decode(answer(body), ENDPOINT)
    assert found.text == "words"
    assert found.usage == billed(found.usage) == Usage(requests=1)
    only = {**body, "usage": {"billed_units": {"input_tokens": 3, "output_tokens": 5}}}
    found = CODEC.decode(answer(only), ENDPOINT)
    assert (found.usage.input_tokens, found.usage.reported) == (3, True)


@pytest.mark.parametrize(
    ("finish", "stop"),
    [*STOPS.items(), ("NEW", "unknown"), (None, "stop"), ("ERROR_TOXIC", "unknown")],
)
def test_stop_reasons(finish: str | None, stop: str) -> None:
    body = {"message": {"content": [{"type": "text", "text": "x"}]}, "finish_reason": finish}
    assert CODEC.decode(answer(body), ENDPOINT).stop_reason == stop


@pytest.mark.parametrize("body", ["text", None, [], {}, {"foo": 1}, {"message": None}])
def test_no_answer_is_a_protocol_error(body: Any) -> None:
    with pytest.raises(ProtocolError):
        CODEC.decode(answer(body), ENDPOINT)
    with pytest.raises(ProtocolError):
        CODEC.decode(HTTPResponse(200, {}, b"<html>"), ENDPOINT)


TOO_MANY = "too many tokens: total number of tokens in the prompt cannot exceed 4081"
TOO_LONG = "too many tokens: max tokens must be less than or equal to 4096, the maximum output"


@pytest.mark.parametrize(
    ("status", "message", "expected", "retryable"),
    [
        (400, "invalid request: no", errors.InvalidRequest, False),
        (400, TOO_MANY, errors.ContextWindowExceeded, False),
        (400, TOO_LONG, errors.InvalidRequest, False),
        (422, TOO_MANY, errors.ContextWindowExceeded, False),
        (401, "invalid api token", errors.AuthenticationError, False),
        (402, "Please add or update your payment method", errors.QuotaExhausted, False),
        (403, "forbidden", errors.PermissionDenied, False),
        (404, "model 'x' not found", errors.ModelNotFound, False),
        (
            429,
            "You are using a Trial key, limited to 20 API calls / minute",
            errors.RateLimitError,
            True,
        ),
        (
            429,
            "You are using a Trial key, limited to 1000 API calls / month",
            errors.QuotaExhausted,
            False,
        ),
        (498, "invalid token", errors.ContentFiltered, False),
        (499, "request cancelled", errors.ServerError, True),
        (500, "internal server error", errors.ServerError, True),
        (501, "not implemented", errors.ServerError, False),
        (503, "unavailable", errors.Overloaded, True),
        (504, "timeout", errors.ServerError, True),
    ],
)
def test_errors(status: int, message: str, expected: type[Exception], retryable: bool) -> None:
    found = CODEC.read_error(answer({"id": "r-1", "message": message}, status), ENDPOINT)
    assert type(found) is expected
    assert (found.retryable, found.request_id, found.status) == (retryable, "r-1", status)
    assert message[:100] in str(found)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "r", "message": "it failed"},
        {"error": "it failed"},
        {"error": {"message": "it failed"}},
    ],
)
def test_error_in_a_good_answer(body: dict[str, Any]) -> None:
    with pytest.raises(errors.ServerError, match="it failed"):
        CODEC.decode(answer(body), ENDPOINT)
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(stream(text("so far")))
    with pytest.raises(errors.ServerError, match="it failed") as caught:
        decoder.feed(stream(body))
    assert caught.value.partial is not None and caught.value.partial.text == "so far"


# Streams.


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {e.get('type')}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def text(piece: str, index: int = 0) -> dict[str, Any]:
    delta = {"message": {"content": {"text": piece}}}
    return {"type": "content-delta", "index": index, "delta": delta}


def tool(kind: str, index: int, **function: str) -> dict[str, Any]:
    id = {"id": f"id{index}"} if kind == "start" else {}
    delta = {"message": {"tool_calls": {**id, "type": "function", "function": function}}}
    return {"type": f"tool-call-{kind}", "index": index, "delta": delta}


END: dict[str, Any] = {
    "type": "message-end",
    "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 2}}},
}


def test_stream_everything() -> None:
    empty = {"message": {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}}
    thinking = {"message": {"content": {"type": "thinking", "thinking": "h"}}}
    plan = {"message": {"tool_plan": " so"}}
    body = (
        stream(
            {"type": "message-start", "id": "r", "delta": empty},
            {"type": "content-start", "index": 0, "delta": thinking},
            {
                "type": "content-delta",
                "index": 0,
                "delta": {"message": {"content": {"thinking": "m"}}},
            },
            {"type": "content-end", "index": 0},
            {
                "type": "content-start",
                "index": 1,
                "delta": {"message": {"content": {"type": "text", "text": ""}}},
            },
            text("a", 1),
            {**text("é", 1), "logprobs": {"text": "é"}},
            {"type": "tool-plan-delta", "delta": plan},
            tool("start", 3, name="t", arguments=""),
            tool("delta", 3, arguments='{"x":'),
            tool("start", 5, name="u", arguments=""),
            tool("delta", 5, arguments="{broken"),
            tool("delta", 3, arguments=" 1}"),
            {"type": "tool-call-end", "index": 3},
            {
                "type": "citation-start",
                "index": 0,
                "delta": {"message": {"citations": {"start": 1}}},
            },
            {"type": "something-new", "delta": {"message": {"content": 7}}},
            {"type": "debug"},
            {**END, "delta": {**END["delta"], "finish_reason": "TOOL_CALL"}},
        )
        + b"data: [DONE]\n\n"
    )
    found = check_stream(CODEC, ENDPOINT, body)
    assert (found.text, found.reasoning, found.request_id) == ("aé", "hm so", "r")
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == [
        ("id3", "t", {"x": 1}),
        ("id5", "u", None),
    ]
    assert (found.stop_reason, found.usage.input_tokens) == ("tool_calls", 2)
    assert (found.citations, found.logprobs) == ([{"start": 1}], [{"text": "é"}])
    assert found.native.payload["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "aé"},
    ]


def test_failed_tool_generation() -> None:
    delta = {
        "finish_reason": "ERROR",
        "usage": {},
        "error": "your request resulted in an invalid tool generation.",
        "error_type": "INVALID_TOOL_GENERATION",
    }
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(stream(text("so far")))
    with pytest.raises(errors.ToolArgumentsInvalid) as caught:
        decoder.feed(stream({"type": "message-end", "delta": delta}))
    assert (caught.value.code, caught.value.status) == ("INVALID_TOOL_GENERATION", 200)
    assert caught.value.partial is not None and caught.value.partial.text == "so far"


@pytest.mark.parametrize("body", [b"data: {nope}\n\n", b"data: [1]\n\n"])
def test_malformed_events(body: bytes) -> None:
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(stream(text("so far")))
    with pytest.raises(ProtocolError):
        decoder.feed(body)
    assert decoder.partial().text == "so far"
    assert decoder.partial().stop_reason == "unknown"


def test_every_cut_is_noticed() -> None:
    whole = stream(text("ab"), END)
    complete = len(whole.rstrip())
    for end in range(len(whole)):
        _, found = fold(CODEC, ENDPOINT, whole[:end])
        assert (found[0] is errors.ConnectionLost) if end < complete else found.text == "ab"


KEYS = [
    "type", "index", "id", "delta", "message", "content", "text", "thinking", "tool_plan",
    "tool_calls", "function", "name", "arguments", "citations", "finish_reason", "usage",
    "tokens", "billed_units", "input_tokens", "cached_tokens", "logprobs",
]  # fmt: skip
KINDS = [
    "message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start",
    "tool-call-delta", "citation-start", "message-end", "other",
]  # fmt: skip
nonsense = st.recursive(
    st.none() | st.integers(-3, 9) | st.text(max_size=3) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(
    body=st.dictionaries(st.sampled_from(KEYS), nonsense, max_size=6),
    kind=st.sampled_from(KINDS),
)
def test_nonsense_never_crashes(body: dict[str, Any], kind: str) -> None:
    with contextlib.suppress(ProtocolError, errors.ProviderError):
        CODEC.decode(answer(body), ENDPOINT)
    decoder = CODEC.stream_decoder(ENDPOINT)
    with contextlib.suppress(errors.ProviderError):
        decoder.feed(stream({**body, "type": kind}))
    assert isinstance(decoder.partial(), Completion)
