"""OpenAI's Responses API: real recordings of five providers, the SDK's own types, the families."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.openai_models import efforts, reasons
from prompture.codecs.openai_responses import OpenAIResponses, needs_responses
from prompture.errors import ConfigurationError, ProtocolError, UnsupportedError
from prompture.types import (
    Completion,
    File,
    Image,
    Message,
    Native,
    Request,
    Text,
    user,
)
from prompture.wire.http import HTTPResponse
from tests.codecs import replay
from tests.codecs.replay import check_cut_off, check_stream, fold, response_of, sse_events
from tests.codecs.sdk_types import check
from tests.recordings import Case, cases

CODEC = OpenAIResponses()
ENDPOINT = Endpoint("openai", "https://api.openai.com/v1", "sk-key")
CASES = cases(endpoint="/responses")
MODELS = [
    "gpt-4o",
    "gpt-4.1-mini",
    "o3",
    "gpt-5",
    "gpt-5-pro",
    "gpt-5.1",
    "gpt-5.4",
    "gpt-5.6-luna",
    "gpt-6-sol",
    "gpt-6-astra",
    "grok-4.3",
    "my-deployment",
]


def said_by(body: bytes, streamed: bool) -> dict[str, Any]:
    """The response that a recorded body says, read independently of the codec."""
    if not streamed:
        return dict(json.loads(body))
    ends = [json.loads(d) for d in sse_events(body) if not d.startswith("[DONE]")]
    (last,) = [e for e in ends if e["type"] in ("response.completed", "response.incomplete")]
    return dict(last["response"])


def compare(found: Completion, said: dict[str, Any]) -> None:
    output, usage = said["output"], said["usage"]
    parts = [p for item in output if item["type"] == "message" for p in item["content"]]
    assert found.text == "".join(p["text"] for p in parts if p["type"] == "output_text")
    refusals = [p["refusal"] for p in parts if p["type"] == "refusal"]
    assert (found.refusal or "") == "".join(refusals)
    called = [item for item in output if item["type"] == "function_call"]
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == [
        (item["call_id"], item["name"], json.loads(item["arguments"])) for item in called
    ]
    if said["status"] == "incomplete":
        expected = {"max_output_tokens": "length", "content_filter": "content_filter"}[
            said["incomplete_details"]["reason"]
        ]
    else:
        expected = "refusal" if refusals else "tool_calls" if called else "stop"
    assert found.stop_reason == expected
    given = usage.get("input_tokens_details") or {}
    assert found.usage.input_tokens == usage["input_tokens"]
    assert found.usage.output_tokens == usage["output_tokens"]
    assert found.usage.total_tokens == usage["total_tokens"]
    assert found.usage.cache_read_tokens == given.get("cached_tokens", 0)
    assert found.usage.cache_write_tokens == (given.get("cache_write_tokens") or 0)
    details = usage.get("output_tokens_details") or {}
    assert found.usage.reasoning_tokens == details.get("reasoning_tokens", 0)
    assert (found.usage.stated_cost is not None) == bool(
        {"cost", "cost_in_usd_ticks"} & usage.keys()
    )
    assert found.usage.reported
    assert found.model == said["model"]
    assert found.native is not None and list(found.native.payload) == output


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recording(case: Case) -> None:
    for interaction in case.interactions:
        got = interaction.response
        if got.status >= 400:
            check_error(response_of(got))
            continue
        streamed = "event-stream" in got.headers.get("content-type", "")
        if streamed:
            # One source shortened a path in the whole items, but not in the deltas cut through it.
            scrubbed = "flue-instrumentation" in case.file
            found = check_stream(CODEC, ENDPOINT, got.body, calls_add_up=not scrubbed)
            for error in check_cut_off(CODEC, ENDPOINT, got.body):
                assert isinstance(error, errors.ConnectionLost)
        else:
            found = CODEC.decode(response_of(got), ENDPOINT)
        compare(found, said_by(got.body, streamed))
        check_echo(found)


def check_echo(found: Completion) -> None:
    """The items go back as they came, where the provider stores them or they are encrypted."""
    turn = Message(role="assistant", native=found.native)
    request = Request(model="m", messages=(user("q"), turn), extra={"store": True})
    assert found.native is not None
    assert encode(request)["input"][1:] == list(found.native.payload)
    stateless = encode(Request(model="m", messages=(user("q"), turn)))["input"]
    for item in stateless:
        assert item.get("type") != "reasoning" or item["encrypted_content"]


def check_error(response: HTTPResponse) -> None:
    error = CODEC.read_error(response, ENDPOINT)
    body = response.json()
    said = body["error"] if isinstance(body["error"], dict) else {"message": body["error"]}
    code = said.get("code")
    expected: type[Exception] = errors.InvalidRequest
    if response.status == 401:
        expected = errors.AuthenticationError
    elif code == "model_not_found" or said["message"].startswith("Model not found"):
        expected = errors.ModelNotFound
    elif code == "context_length_exceeded":
        expected = errors.ContextWindowExceeded
    elif code == "invalid_prompt":
        expected = errors.ContentFiltered
    elif response.status == 429:
        quota = code == "insufficient_quota"
        expected = errors.QuotaExhausted if quota else errors.RateLimitError
    elif response.status >= 500:
        expected = errors.ServerError
    assert type(error) is expected


def encode(request: Request, codec: OpenAIResponses = CODEC) -> dict[str, Any]:
    return dict(json.loads(codec.encode(request, ENDPOINT).body))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_sdk_accepts(model: str, stream: bool) -> None:
    from openai.types.responses import response_create_params as params

    kind = (
        params.ResponseCreateParamsStreaming if stream else params.ResponseCreateParamsNonStreaming
    )
    refused = 0
    for name, request in replay.requests(model):
        try:
            sent = CODEC.encode(request, ENDPOINT, stream=stream)
        except UnsupportedError:
            refused += 1
            continue
        assert not check(json.loads(sent.body), kind), name
    assert refused < 30


def test_sdk_accepts_echoes() -> None:
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    items = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz"},
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c1",
            "name": "f",
            "arguments": "{}",
            "status": "completed",
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}],
        },
    ]
    turn = Message(role="assistant", native=Native("openai_responses", items))
    result = Message(role="tool", call_id="c1", content="ok")
    body = encode(Request(model="gpt-5", messages=(user("q"), turn, result)))
    assert body["input"][1:4] == items
    assert body["include"] == ["reasoning.encrypted_content"]
    assert not check(body, ResponseCreateParamsNonStreaming)
    bare = [{**items[0], "encrypted_content": None}, items[1], items[2]]
    turn = Message(role="assistant", native=Native("openai_responses", bare))
    body = encode(Request(model="gpt-5", messages=(user("q"), turn, result)))
    assert body["input"][1] == {k: v for k, v in items[1].items() if k != "id"}
    assert body["input"][2] == {"role": "assistant", "content": "hi"}
    assert not check(body, ResponseCreateParamsNonStreaming)
    foreign = Message(role="assistant", content="hi", native=Native("anthropic", [{"x": 1}]))
    body = encode(Request(model="gpt-5", messages=(user("q"), foreign)))
    assert body["input"][1] == {"role": "assistant", "content": "hi"}


TOOLS = {"tools": (replay.WEATHER,)}
PDF_URL = user([File(url="https://e.com/a.pdf")])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_tokens": 9}, {"max_output_tokens": 9, "store": False, "include": None}),
        ({"model": "gpt-5", "temperature": 1}, {"temperature": None}),
        ({"model": "gpt-5.1", "temperature": 0.3}, {"temperature": 0.3, "include": None}),
        ({"model": "gpt-5.1", "reasoning": "low"}, {"reasoning": {"effort": "low"}}),
        ({"model": "gpt-4o", "reasoning": "none"}, {"reasoning": None}),
        ({"model": "gpt-5.6", "reasoning": 0}, {"reasoning": {"effort": "none"}}),
        ({**TOOLS, "tool_choice": "required"}, {"tool_choice": "required"}),
        (
            {**TOOLS, "tool_choice": "get_weather", "parallel_tools": False},
            {
                "tool_choice": {"type": "function", "name": "get_weather"},
                "parallel_tool_calls": False,
            },
        ),
        ({"json_mode": True}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"schema": replay.SCHEMA, "schema_name": "a b"},
            {
                "text": {
                    "format": {
                        "type": "json_schema",
                        "name": "a_b",
                        "schema": replay.SCHEMA,
                        "strict": True,
                    }
                }
            },
        ),
        ({"logprobs": 2}, {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}),
        ({"metadata": {"n": 1}}, {"metadata": {"n": "1"}}),
        ({"prompt_cache": True}, {"prompt_cache_retention": None}),
        ({"prompt_cache": "24h"}, {"prompt_cache_retention": "24h"}),
        ({"model": "gpt-5.6", "prompt_cache": "12h"}, {"prompt_cache_options": {"ttl": "12h"}}),
        ({"extra": {"truncation": "auto"}}, {"truncation": "auto"}),
    ],
)
def test_encode(options: dict[str, Any], expected: dict[str, Any]) -> None:
    body = encode(Request(messages=(user("hi"),), **{"model": "gpt-4o", **options}))
    assert {key: body.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 1},
        {"stop": ("x",)},
        {"model": "gpt-5", "temperature": 0.0},
        {"model": "o3", "logprobs": 0},
        {"model": "gpt-4o", "reasoning": "low"},
        {"model": "gpt-5", "reasoning": "none"},
        {"model": "gpt-5.5", "reasoning": "minimal"},
        {"model": "gpt-5", "reasoning": 2000},
        {"model": "o3", "reasoning": "xhigh"},
        {"prompt_cache": "12h"},
        {"prompt_cache": "3d"},
        {"tool_choice": "required"},
        {**TOOLS, "tool_choice": "other"},
    ],
)
def test_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        encode(Request(messages=(user("hi"),), **{"model": "gpt-4o", **options}))


def test_items() -> None:
    talk = replay.conversations()["parallel results"]
    items = encode(Request(model="gpt-4o", messages=talk))["input"]
    assert [i.get("type", i.get("role")) for i in items] == [
        "user",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
        "user",
    ]
    assert items[1] == {
        "type": "function_call",
        "call_id": "c1",
        "name": "get_weather",
        "arguments": '{"city": "Rom"}',
    }
    picture = replay.conversations()["picture result"]
    output = encode(Request(model="gpt-4o", messages=picture))["input"][-1]["output"]
    assert [part["type"] for part in output] == ["input_text", "input_image"]
    with pytest.raises(ConfigurationError):
        encode(Request(model="m", messages=(Message(role="tool", content="x"),)))
    with pytest.raises(UnsupportedError):
        encode(Request(model="m", messages=(user([File(data=b"x", media_type="audio/wav")]),)))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            Image(data=b"a", media_type="image/gif", detail="low"),
            {"type": "input_image", "image_url": "data:image/gif;base64,YQ==", "detail": "low"},
        ),
        (
            File(data=b"a", name="n.pdf"),
            {
                "type": "input_file",
                "filename": "n.pdf",
                "file_data": "data:application/pdf;base64,YQ==",
            },
        ),
        (
            File(url="https://e.com/a.pdf"),
            {"type": "input_file", "file_url": "https://e.com/a.pdf"},
        ),
        (File(id="file-1"), {"type": "input_file", "file_id": "file-1"}),
        (
            File(data=b"a", media_type="image/png"),
            {"type": "input_image", "image_url": "data:image/png;base64,YQ==", "detail": "auto"},
        ),
    ],
)
def test_parts(part: Any, expected: dict[str, Any]) -> None:
    body = encode(Request(model="m", messages=(user([Text("t"), part]),)))
    assert body["input"][0]["content"] == [{"type": "input_text", "text": "t"}, expected]


@pytest.mark.parametrize(
    ("base", "header", "url"),
    [
        ("https://api.openai.com/v1", "authorization", "https://api.openai.com/v1/responses"),
        ("http://localhost:1234", "authorization", "http://localhost:1234/v1/responses"),
        (
            "https://r.openai.azure.com/openai/v1/responses?api-version=x",
            "api-key",
            "https://r.openai.azure.com/openai/v1/responses?api-version=x",
        ),
    ],
)
def test_address(base: str, header: str, url: str) -> None:
    codec = OpenAIResponses(key_header=header)
    endpoint = Endpoint("openai", base, "k")
    sent = codec.encode(Request(model="m", messages=(user("hi"),)), endpoint, stream=True)
    assert (sent.url, header in sent.headers, json.loads(sent.body)["stream"]) == (url, True, True)
    assert CODEC.models_request(ENDPOINT).url == "https://api.openai.com/v1/models"


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({"model": "gpt-4o", **TOOLS}, False),
        ({"model": "gpt-5", **TOOLS}, False),
        ({"model": "gpt-5.4", **TOOLS}, False),
        ({"model": "gpt-5.4", **TOOLS, "reasoning": "low"}, True),
        ({"model": "gpt-5.5", **TOOLS}, True),
        ({"model": "gpt-5.5", **TOOLS, "reasoning": "none"}, False),
        ({"model": "gpt-5.5"}, False),
        ({"model": "gpt-6-sol", **TOOLS}, True),
        ({"model": "gpt-6-sol", "reasoning": "max"}, True),
        ({"model": "gpt-5-pro"}, True),
        ({"model": "o3-pro-2025-06-10"}, True),
        ({"model": "gpt-5.1-codex-max"}, True),
        ({"model": "codex-mini-latest"}, True),
        ({"model": "o4-mini-deep-research"}, True),
        ({"model": "gpt-4o", "messages": (PDF_URL,)}, True),
        ({"model": "gpt-4o", "messages": (user([File(data=b"x")]),)}, False),
        ({"model": "gpt-4o", "extra": {"previous_response_id": "r"}}, True),
        ({"model": "gpt-4o", "extra": {"tools": [{"type": "web_search"}]}}, True),
        ({"model": "gpt-4o", "extra": {"user": "u"}}, False),
        (
            {
                "model": "gpt-5",
                "messages": (Message(role="assistant", native=Native("openai_responses", [])),),
            },
            True,
        ),
    ],
)
def test_routing(options: dict[str, Any], needed: bool) -> None:
    assert needs_responses(Request(**{"messages": (user("hi"),), **options})) is needed


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", ""),
        ("o4-mini", "low medium high"),
        ("gpt-5-mini", "minimal low medium high"),
        ("gpt-5-codex", "low medium high"),
        ("gpt-5-pro", "high"),
        ("gpt-5.1", "none low medium high"),
        ("gpt-5.1-codex-max", "low medium high xhigh"),
        ("gpt-5.2-pro", "medium high xhigh"),
        ("gpt-5.3-codex", "none low medium high xhigh"),
        ("gpt-5.2-chat-latest", "medium"),
        ("openai/gpt-5.5", "none low medium high xhigh"),
        ("gpt-6-sol", "none low medium high xhigh max"),
        ("gpt-6-astra", "low medium high xhigh max"),
    ],
)
def test_efforts(model: str, expected: str) -> None:
    assert efforts(model) == tuple(expected.split())
    assert efforts("llama") is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5", "always"),
        ("gpt-5.1", "asked"),
        ("gpt-5.4-mini", "asked"),
        ("gpt-5.1-codex-max", "unless"),
        ("openai/gpt-5.2-pro", "unless"),
        ("gpt-5.3-codex", "unless"),
        ("gpt-5.5", "unless"),
        ("gpt-5-chat-latest", "never"),
        ("gpt-5.3-chat-latest", "unless"),
        ("gpt-4.1", "never"),
    ],
)
def test_who_reasons(model: str, expected: str) -> None:
    found = tuple(reasons(model, effort) for effort in (None, "none", "high"))
    known = {
        "always": (True, True, True),
        "asked": (False, False, True),
        "unless": (True, False, True),
        "never": (False, False, False),
    }
    assert found == known[expected]
    # A history goes on with what the model thought, where it is asked for.
    body = encode(Request(model=model, messages=[user("hi")]))
    assert ("include" in body) is found[0]


def events(*given: dict[str, Any]) -> bytes:
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in given)


def ended(output: list[Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    response = {"object": "response", "model": "m", "status": status, "output": output, **more}
    return {"type": f"response.{status}", "response": response}


CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "g", "arguments": '{"a":1}'}
SPEECH = {"type": "message", "content": [{"type": "output_text", "text": "hello"}]}


@pytest.mark.parametrize(
    "before",
    [
        [],
        [{"type": "response.output_item.done", "output_index": 1, "item": CALL}],
        [
            {"type": "response.output_text.delta", "output_index": 0, "delta": "he"},
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {**CALL, "arguments": ""},
            },
            {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"a"'},
            {"type": "response.who_knows", "output_index": 1, "delta": {"x": 1}},
        ],
    ],
)
def test_what_no_delta_told(before: list[dict[str, Any]]) -> None:
    found = check_stream(CODEC, ENDPOINT, events(*before, ended([SPEECH, CALL])))
    assert (found.text, found.stop_reason) == ("hello", "tool_calls")
    assert found.tool_calls[0].arguments == {"a": 1}


def test_output_only_in_items() -> None:
    """llama.cpp and some proxies leave the terminal response's output empty."""
    done = {"type": "response.output_item.done", "output_index": 0, "item": SPEECH}
    assert check_stream(CODEC, ENDPOINT, events(done, ended([]))).text == "hello"


def test_reasoning_parts_stand_apart() -> None:
    def thought(part: int, text: str) -> dict[str, Any]:
        kind = "response.reasoning_summary_text.delta"
        return {"type": kind, "output_index": 0, "summary_index": part, "delta": text}

    summary = [{"type": "summary_text", "text": t} for t in ("one", "two")]
    body = events(
        thought(0, "o"),
        thought(0, "ne"),
        thought(1, "two"),
        ended([{"type": "reasoning", "id": "r", "summary": summary}]),
    )
    assert check_stream(CODEC, ENDPOINT, body).reasoning == "one\n\ntwo"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {"type": "error", "code": "server_error", "message": "x", "param": None},
            errors.ServerError,
        ),
        (
            {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "x"}},
            errors.RateLimitError,
        ),
        (
            {"type": "error", "code": "context_length_exceeded", "message": "x"},
            errors.ContextWindowExceeded,
        ),
        (ended([], "failed", error={"code": "server_error", "message": "x"}), errors.ServerError),
        (ended([], "failed", error=None), errors.ServerError),
        (
            ended([], "failed", error={"code": "invalid_image_format", "message": "x"}),
            errors.InvalidRequest,
        ),
        (
            ended([], "failed", error={"code": "invalid_prompt", "message": "x"}),
            errors.ContentFiltered,
        ),
    ],
)
def test_errors_inside(event: dict[str, Any], expected: type[Exception]) -> None:
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(
        events(
            {"type": "response.created", "response": {"status": "in_progress", "output": []}},
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {**CALL, "arguments": ""},
            },
            {"type": "response.output_text.delta", "output_index": 0, "delta": "hel"},
            {"type": "response.refusal.delta", "output_index": 2, "delta": "no"},
            {
                "type": "response.reasoning_text.delta",
                "output_index": 3,
                "content_index": 0,
                "delta": "hm",
            },
        )
    )
    with pytest.raises(expected) as raised:
        decoder.feed(events(event))
    assert type(raised.value) is expected
    partial = decoder.partial()
    assert (partial.text, partial.refusal, partial.reasoning) == ("hel", "no", "hm")
    assert partial.tool_calls[0].name == "g"
    assert partial.stop_reason == "unknown"
    if event["type"] == "response.failed":
        body = json.dumps(event["response"]).encode()
        with pytest.raises(expected):
            CODEC.decode(HTTPResponse(200, {}, body), ENDPOINT)


@pytest.mark.parametrize("body", [b"data: {nope\n\n", b"data: [1]\n\n"])
def test_malformed_stream(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        CODEC.stream_decoder(ENDPOINT).feed(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "cancelled", "output": []}, ("cancelled", "cancelled")),
        ({"status": "in_progress", "output": []}, ("pause", "in_progress")),
        (
            {
                "status": "incomplete",
                "incomplete_details": {"reason": "content_filter"},
                "output": [],
            },
            ("content_filter", "content_filter"),
        ),
        (
            {"status": "incomplete", "incomplete_details": None, "output": []},
            ("unknown", "incomplete"),
        ),
    ],
)
def test_stops(body: dict[str, Any], expected: tuple[str, str]) -> None:
    found = CODEC.decode(HTTPResponse(200, {}, json.dumps(body).encode()), ENDPOINT)
    assert (found.stop_reason, found.raw_stop) == expected
    assert not found.usage.reported


@pytest.mark.parametrize("body", [{}, [], {"output": ["x"]}, {"output": None}])
def test_bad_answers(body: Any) -> None:
    with pytest.raises(ProtocolError):
        CODEC.decode(HTTPResponse(200, {}, json.dumps(body).encode()), ENDPOINT)


def test_broken_arguments_are_kept() -> None:
    body = {"status": "completed", "output": [{**CALL, "arguments": "{oops"}]}
    (call,) = CODEC.decode(HTTPResponse(200, {}, json.dumps(body).encode()), ENDPOINT).tool_calls
    assert (call.arguments, call.raw_arguments) == (None, "{oops")
    _, cut = fold(CODEC, ENDPOINT, events(ended(body["output"])), size=7)
    assert cut.tool_calls == (call,)
