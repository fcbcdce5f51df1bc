"""Gemini's generateContent: real recordings, the SDK's own types, and the rules by family."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.gemini import Gemini
from prompture.codecs.gemini_stream import Frames
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
    system,
    user,
)
from prompture.wire.http import HTTPResponse
from tests.codecs import replay
from tests.codecs.replay import check_cut_off, check_stream, fold, response_of
from tests.codecs.sdk_types import check
from tests.recordings import Case, Sent, cases

CODEC = Gemini()
ENDPOINT = Endpoint("google", "https://generativelanguage.googleapis.com/v1beta", "AIza-key")
VERTEX = Endpoint(
    "vertex",
    "https://aiplatform.googleapis.com/v1beta1",
    "ya29.token",
    options={"project": "my-project", "location": "global"},
)
CASES = [
    case
    for provider in ("google", "google_vertex")
    for case in cases(provider=provider)
    if case.endpoint.lower().endswith("generatecontent")
]
MODELS = [
    "gemini-1.5-pro",
    "gemini-2.0-flash",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3-flash-preview",
    "gemini-3-pro-preview",
    "gemini-3.1-pro-preview",
    "gemini-3.7-flash",
    "gemini-flash-latest",
    "gemini-4-ultra",
    "gemma-4-31b-it",
    "tunedModels/mine",
]


def chunks(body: bytes) -> list[dict[str, Any]]:
    """The responses that a recorded body holds, in any of its three framings; read apart from
    the codec."""
    text = body.decode().strip()
    if text.startswith("{"):
        return [json.loads(text)]
    if text.startswith("["):
        return list(json.loads(text))
    return [json.loads(event) for event in replay.sse_events(body)]


FINISH = {
    "STOP": "stop",
    1: "stop",
    "MAX_TOKENS": "length",
    2: "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "BLOCKLIST": "content_filter",
    "SPII": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "OTHER": "error",
}


def compare(found: Completion, said: list[dict[str, Any]]) -> None:
    candidates = [c for body in said for c in body.get("candidates") or ()]
    parts = [p for c in candidates for p in (c.get("content") or {}).get("parts") or ()]
    texts = [p for p in parts if "text" in p]
    assert found.text == "".join(p["text"] for p in texts if not p.get("thought"))
    assert found.reasoning == "".join(p["text"] for p in texts if p.get("thought"))
    called = [p["functionCall"] for p in parts if "functionCall" in p]
    assert [(c.name, c.arguments) for c in found.tool_calls] == [
        (f["name"], f.get("args", {})) for f in called
    ]
    for call, function in zip(found.tool_calls, called, strict=True):
        assert call.id == function["id"] if "id" in function else call.id
    assert len({c.id for c in found.tool_calls}) == len(called)
    compare_stop(found, candidates, said)
    compare_usage(found, said)
    assert found.model == said[-1].get("modelVersion", "").removeprefix("models/")
    assert found.request_id == said[-1].get("responseId")
    assert [p for p in parts if p.get("thoughtSignature")] == [
        p
        for p in (found.native.payload["parts"] if found.native else ())
        if "thoughtSignature" in p
    ]


def compare_stop(
    found: Completion, candidates: list[dict[str, Any]], said: list[dict[str, Any]]
) -> None:
    reasons = [c["finishReason"] for c in candidates if c.get("finishReason")]
    if not candidates:
        assert found.stop_reason == "content_filter"
        assert found.raw_stop == said[-1]["promptFeedback"]["blockReason"]
        return
    expected = FINISH[reasons[-1]]
    if expected == "stop" and found.tool_calls:
        expected = "tool_calls"
    assert found.stop_reason == expected


def compare_usage(found: Completion, said: list[dict[str, Any]]) -> None:
    usage: dict[str, Any] = {}
    for body in said:
        usage.update(body.get("usageMetadata") or {})
    thoughts = usage.get("thoughtsTokenCount", 0)
    assert found.usage.input_tokens == (
        usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    )
    assert found.usage.output_tokens == usage.get("candidatesTokenCount", 0) + thoughts
    assert found.usage.total_tokens == usage.get("totalTokenCount", 0)
    assert found.usage.reasoning_tokens == thoughts
    assert found.usage.cache_read_tokens == usage.get("cachedContentTokenCount", 0)
    audio = [d for d in usage.get("promptTokensDetails", ()) if d["modality"] == "AUDIO"]
    assert found.usage.input_audio_tokens == sum(d["tokenCount"] for d in audio)
    assert found.usage.reported == ("totalTokenCount" in usage)
    assert found.usage.requests == 1


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recording(case: Case) -> None:
    for interaction in case.interactions:
        got = interaction.response
        if got.status >= 400:
            check_error(got.status, response_of(got))
            continue
        if "streamGenerateContent" in interaction.request.url:
            found = check_stream(CODEC, ENDPOINT, got.body)
            for error in check_cut_off(CODEC, ENDPOINT, got.body):
                assert isinstance(error, errors.ConnectionLost)
                assert isinstance(error.partial, Completion)
        else:
            found = CODEC.decode(response_of(got), ENDPOINT)
        compare(found, chunks(got.body))
        check_echo(found)
        check_same_turns(interaction.request)


def check_echo(found: Completion) -> None:
    """The turn goes back as it came, the results of its calls with the ids that it gave."""
    results = tuple(
        Message(role="tool", content="ok", call_id=c.id, name=c.name) for c in found.tool_calls
    )
    sent = encode(Request(model="gemini-3-pro", messages=(user("q"), found.message(), *results)))
    turn = next((c for c in sent["contents"] if c["role"] == "model"), None)
    if found.native is None:
        assert turn is None
        return
    assert turn == {"role": "model", "parts": found.native.payload["parts"]}
    given = [p["functionCall"].get("id") for p in turn["parts"] if "functionCall" in p]
    if given:
        answered = [p["functionResponse"].get("id") for p in sent["contents"][-1]["parts"]]
        assert answered == given


def check_same_turns(sent: Sent) -> None:
    """Recorded turns of the model, wrapped as ours, are sent as they were recorded."""
    recorded = json.loads(sent.body).get("contents") or []
    turns = [c for c in recorded if c.get("role") == "model"]
    history = [Message(role="assistant", native=Native("gemini", turn)) for turn in turns]
    body = encode(Request(model="gemini-3-pro", messages=(user("q"), *history)))
    assert body["contents"][1:] == [t for t in turns if t["parts"]]


def check_error(status: int, response: HTTPResponse) -> None:
    error = CODEC.read_error(response, ENDPOINT)
    body = response.json()
    said = (body[0] if isinstance(body, list) else body)["error"]
    words = said["message"]
    expected: type[Exception] = {
        401: errors.AuthenticationError,
        403: errors.PermissionDenied,
        404: errors.ModelNotFound,
        429: errors.RateLimitError,
        503: errors.Overloaded,
    }.get(status, errors.InvalidRequest if status < 500 else errors.ServerError)
    if "API key not valid" in words:
        expected = errors.AuthenticationError
    if "exceeds the maximum number of tokens" in words:
        expected = errors.ContextWindowExceeded
    if status == 429 and "PerDay" in json.dumps(said):
        expected = errors.QuotaExhausted
    assert type(error) is expected
    assert error.code == said["status"]
    assert words[:100] in str(error)


def encode(
    request: Request, endpoint: Endpoint = ENDPOINT, *, stream: bool = False
) -> dict[str, Any]:
    return dict(json.loads(CODEC.encode(request, endpoint, stream=stream).body))


# What encode writes, against Google's own types.


def as_sdk_config(body: Mapping[str, Any]) -> dict[str, Any]:
    """The SDK keeps in one config what the wire has at the top and in generationConfig."""
    config = {**body, **body.get("generationConfig", {})}
    for key in ("contents", "generationConfig"):
        config.pop(key, None)
    return config


def problems(body: dict[str, Any]) -> list[str]:
    from google.genai import types

    return [
        *check(body["contents"], list[types.Content]),
        *check(as_sdk_config(body), types.GenerateContentConfig),
        *check(body.get("generationConfig", {}), types.GenerationConfig),
    ]


@pytest.mark.parametrize("endpoint", [ENDPOINT, VERTEX], ids=["google", "vertex"])
@pytest.mark.parametrize("model", MODELS)
def test_sdk_accepts(model: str, endpoint: Endpoint) -> None:
    pytest.importorskip("google.genai")
    refused = []
    for name, request in replay.requests(model):
        for stream in (False, True):
            try:
                body = encode(request, endpoint, stream=stream)
            except UnsupportedError:
                refused.append(name)
                continue
            assert not problems(body), name
    assert len(set(refused)) < 36


@pytest.mark.parametrize("model", MODELS)
def test_discovery_accepts(model: str, shared: Path) -> None:
    """The REST API's own schema of a request, strict on unknown keys at every depth."""
    path = shared / "specs" / "google_generativelanguage_discovery.json"
    if not path.is_file():
        pytest.skip("needs specs/google_generativelanguage_discovery.json")
    schemas = json.loads(path.read_text())["schemas"]
    checked = 0
    for name, request in replay.requests(model):
        try:
            body = encode(request)
        except UnsupportedError:
            continue
        found = list(misfits(body, {"$ref": "GenerateContentRequest"}, schemas))
        assert not [p for p in found if not p.endswith("XHIGH")], name
        checked += 1
    assert checked > 30


def misfits(value: Any, schema: Mapping[str, Any], schemas: Any, at: str = "") -> Iterator[str]:
    """Where a value is none of Google's discovery schema."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "any" or (kind == "object" and "additionalProperties" in schema):
        return
    if kind == "object":
        for key, inner in value.items():
            if key in schema["properties"]:
                yield from misfits(inner, schema["properties"][key], schemas, f"{at}/{key}")
            else:
                yield f"{at}/{key} is unknown"
    elif kind == "array":
        for position, inner in enumerate(value):
            yield from misfits(inner, schema["items"], schemas, f"{at}/{position}")
    elif not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{at}: {value!r} is no {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{at}: not {value}"


_KINDS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}

TOOLS = {"tools": (replay.WEATHER, replay.CLOCK)}
JSON_CONFIG = {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("gemini-2.5-flash", {}, {"generationConfig": None, "tools": None, "toolConfig": None}),
        (
            "gemini-2.5-flash",
            {"max_tokens": 9, "temperature": 0, "top_p": 0.5, "stop": ("a", "b"), "seed": 3},
            {
                "generationConfig": {
                    "maxOutputTokens": 9,
                    "temperature": 0,
                    "topP": 0.5,
                    "stopSequences": ["a", "b"],
                    "seed": 3,
                }
            },
        ),
        (
            "gemini-2.0-flash",
            {"schema": replay.SCHEMA},
            {"generationConfig": {**JSON_CONFIG, "responseJsonSchema": replay.SCHEMA}},
        ),
        ("gemini-2.0-flash", {"json_mode": True}, {"generationConfig": JSON_CONFIG}),
        (
            "gemini-3-flash",
            {"schema": replay.SCHEMA, **TOOLS},
            {"generationConfig": {**JSON_CONFIG, "responseJsonSchema": replay.SCHEMA}},
        ),
        (
            "gemini-2.5-pro",
            {"logprobs": 2},
            {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
        ),
        ("gemini-2.5-pro", {"logprobs": 0}, {"generationConfig": {"responseLogprobs": True}}),
        (
            "gemini-2.5-flash",
            TOOLS,
            {"toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}},
        ),
        ("gemini-2.0-flash", TOOLS, {"toolConfig": None}),
        ("gemini-2.5-flash", {"tools": (replay.CLOCK,)}, {"toolConfig": None}),
        (
            "gemini-2.0-flash",
            {**TOOLS, "tool_choice": "auto", "parallel_tools": True},
            {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}},
        ),
        (
            "gemini-3-pro",
            {**TOOLS, "tool_choice": "none"},
            {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
        ),
        (
            "gemini-3-pro",
            {**TOOLS, "tool_choice": "required"},
            {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        ),
        (
            "gemini-3-pro",
            {**TOOLS, "tool_choice": "clock"},
            {
                "toolConfig": {
                    "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["clock"]}
                }
            },
        ),
        (
            "gemini-3-pro",
            {"tools": (replay.CLOCK,)},
            {
                "tools": [
                    {
                        "functionDeclarations": [
                            {
                                "name": "clock",
                                "parametersJsonSchema": {"type": "object", "properties": {}},
                            }
                        ]
                    }
                ]
            },
        ),
        ("gemini-3-pro", {"tool_choice": "none"}, {"toolConfig": None}),
        ("gemini-3-pro", {"prompt_cache": "1h"}, {"cachedContent": None}),
        (
            "gemini-3-pro",
            {**TOOLS, "extra": {"cachedContent": "cachedContents/x"}},
            {"cachedContent": "cachedContents/x", "tools": None, "toolConfig": None},
        ),
        (
            "gemini-3-pro",
            {"max_tokens": 5, "extra": {"generationConfig": {"topK": 3}, "serviceTier": "flex"}},
            {"generationConfig": {"maxOutputTokens": 5, "topK": 3}, "serviceTier": "flex"},
        ),
    ],
)
def test_encode(model: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    body = encode(Request(model=model, messages=(user("hi"),), **options))
    assert {key: body.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("model", "reasoning", "expected"),
    [
        ("gemini-2.0-flash", "none", None),
        ("gemini-1.5-pro", 0, None),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-flash", -1, {"thinkingBudget": -1, "includeThoughts": True}),
        ("gemini-2.5-flash", "minimal", {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "max", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-2.5-pro", -1, {"thinkingBudget": -1, "includeThoughts": True}),
        ("gemini-2.5-pro", 128, {"thinkingBudget": 128, "includeThoughts": True}),
        (
            "gemini-3-flash-preview",
            "minimal",
            {"thinkingLevel": "MINIMAL", "includeThoughts": True},
        ),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3.6-flash", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3-pro-preview", "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-pro-preview", 512, {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-flash-latest", "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-4-ultra", "xhigh", {"thinkingLevel": "XHIGH", "includeThoughts": True}),
    ],
)
def test_reasoning(model: str, reasoning: Any, expected: dict[str, Any] | None) -> None:
    body = encode(Request(model=model, messages=(user("hi"),), reasoning=reasoning))
    assert body.get("generationConfig", {}).get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gemini-2.0-flash", {"reasoning": "low"}),
        ("gemini-2.0-flash", {"reasoning": 100}),
        ("gemini-2.5-pro", {"reasoning": "none"}),
        ("gemini-2.5-pro", {"reasoning": 64}),
        ("gemini-3-pro-preview", {"reasoning": "none"}),
        ("gemini-3-pro-preview", {"reasoning": "minimal"}),
        ("gemini-3-pro-preview", {"reasoning": "medium"}),
        ("gemini-3.1-pro-preview", {"reasoning": "minimal"}),
        ("gemini-3.7-flash", {"reasoning": "minimal"}),
        ("gemini-3-flash", {"reasoning": "xhigh"}),
        ("gemini-3-flash", {"reasoning": "enormous"}),
        ("gemini-2.5-flash", {"schema": replay.SCHEMA, **TOOLS}),
        ("gemini-2.5-flash", {"json_mode": True, **TOOLS}),
        ("gemini-3-pro", {**TOOLS, "parallel_tools": False}),
        ("gemini-3-pro", {**TOOLS, "tool_choice": "other"}),
        ("gemini-3-pro", {"tool_choice": "required"}),
        ("gemini-3-pro", {"metadata": {"team": "a"}}),
    ],
)
def test_refused(model: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        encode(Request(model=model, messages=(user("hi"),), **options))


def test_no_logprobs_in_streams() -> None:
    request = Request(model="gemini-2.5-flash", messages=(user("hi"),), logprobs=1)
    with pytest.raises(UnsupportedError):
        encode(request, stream=True)


PNG64 = base64.b64encode(replay.PNG).decode()
FILES = "https://generativelanguage.googleapis.com/v1beta/files"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Text("t"), {"text": "t"}),
        (Document("t"), {"text": "t"}),
        (Document("t", name="n"), {"text": "n\n\nt"}),
        (Image(data=replay.PNG), {"inlineData": {"mimeType": "image/png", "data": PNG64}}),
        (
            Image(url="data:image/gif;base64,YQ=="),
            {"inlineData": {"mimeType": "image/gif", "data": "YQ=="}},
        ),
        (
            Image(url="https://e.com/a.JPG?x=1.b"),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://e.com/a.JPG?x=1.b"}},
        ),
        (
            Image(url="gs://b/a", media_type="image/webp"),
            {"fileData": {"mimeType": "image/webp", "fileUri": "gs://b/a"}},
        ),
        (File(data=b"a"), {"inlineData": {"mimeType": "application/pdf", "data": "YQ=="}}),
        (
            File(url="https://e.com/a"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://e.com/a"}},
        ),
        (
            File(id="files/x"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": f"{FILES}/x"}},
        ),
        (
            File(id=f"{FILES}/y"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": f"{FILES}/y"}},
        ),
    ],
)
def test_parts(part: Any, expected: dict[str, Any]) -> None:
    body = encode(Request(model="gemini-3-flash", messages=(user([part]),)))
    assert body["contents"] == [{"role": "user", "parts": [expected]}]


@pytest.mark.parametrize(
    ("messages", "endpoint"),
    [
        ((), ENDPOINT),
        ((system("only"),), ENDPOINT),
        ((user(""),), ENDPOINT),
        ((Message(role="system", content=(Image(data=b"x"),)), user("hi")), ENDPOINT),
        ((user([File(id="files/x")]),), VERTEX),
        ((user("hi"), Message(role="tool", content="x", call_id="c9")), ENDPOINT),
        (
            (
                user("hi"),
                Message(
                    role="tool",
                    name="t",
                    call_id="c",
                    content=(Image(url="https://e.com/a.png"),),
                ),
            ),
            ENDPOINT,
        ),
    ],
)
def test_unsendable(messages: tuple[Message, ...], endpoint: Endpoint) -> None:
    with pytest.raises(UnsupportedError):
        encode(Request(model="gemini-3-flash", messages=messages), endpoint)


def test_system_turns_are_one() -> None:
    body = encode(Request(model="m", messages=(system("a"), user("hi"), system("b"))))
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_results_have_contents_of_their_own() -> None:
    talk = replay.conversations()["parallel results"]
    turns = encode(Request(model="gemini-3-flash", messages=talk))["contents"]
    assert [t["role"] for t in turns] == ["user", "model", "user", "user"]
    first, second = turns[2]["parts"]
    assert first == {
        "functionResponse": {"id": "c1", "name": "get_weather", "response": {"output": "sunny"}}
    }
    assert second["functionResponse"]["response"] == {"error": "no such city"}
    assert second["functionResponse"]["name"] == "get_weather"
    # Of calls that Gemini did not make, version 3 wants the first to bear a stand-in signature.
    assert [p.get("thoughtSignature") for p in turns[1]["parts"]] == [
        "skip_thought_signature_validator",
        None,
    ]
    older = encode(Request(model="gemini-2.5-flash", messages=talk))["contents"]
    assert "thoughtSignature" not in json.dumps(older)


def test_images_in_results() -> None:
    talk = replay.conversations()["picture result"]
    turns = encode(Request(model="gemini-3-flash", messages=talk))["contents"]
    result = turns[2]["parts"][0]["functionResponse"]
    assert result["response"] == {"output": "here"}
    assert result["parts"] == [{"inlineData": {"mimeType": "image/png", "data": PNG64}}]
    with pytest.raises(UnsupportedError):
        encode(Request(model="gemini-2.5-flash", messages=talk))


def test_turns_of_others_are_rebuilt() -> None:
    foreign = Message(
        role="assistant", content="words", native=Native("anthropic", [{"type": "thinking"}])
    )
    body = encode(Request(model="m", messages=(user("hi"), foreign, user("go"))))
    assert body["contents"][1] == {"role": "model", "parts": [{"text": "words"}]}


def test_broken_arguments_are_echoed_as_none() -> None:
    broken = ToolCall(id="c", name="t", arguments=None, raw_arguments="{")
    turn = Message(role="assistant", calls=(broken,))
    body = encode(Request(model="gemini-2.5-pro", messages=(user("hi"), turn)))
    call = body["contents"][1]["parts"][0]["functionCall"]
    assert call == {"id": "c", "name": "t", "args": {}}


def test_metadata_is_labels_on_vertex() -> None:
    request = Request(model="m", messages=(user("hi"),), metadata={"team": 7})
    assert encode(request, VERTEX)["labels"] == {"team": "7"}


# Where requests go, and as whom.

HOST = "https://generativelanguage.googleapis.com"
VHOST = "https://aiplatform.googleapis.com/v1beta1"
PLACE = "projects/p/locations/global/publishers/google"


@pytest.mark.parametrize(
    ("base", "key", "options", "model", "url"),
    [
        (HOST + "/v1beta", "AIza", {}, "g", HOST + "/v1beta/models/g"),
        (HOST, "AIza", {}, "g", HOST + "/v1beta/models/g"),
        (HOST + "/v1beta", "", {}, "models/g", HOST + "/v1beta/models/g"),
        (HOST + "/v1beta/models", "", {}, "g", HOST + "/v1beta/models/g"),
        (HOST + "/v1beta/models/x:generateContent", "", {}, "g", HOST + "/v1beta/models/g"),
        (HOST + "/v1beta", "k", {}, "tunedModels/t", HOST + "/v1beta/tunedModels/t"),
        (HOST + "/v1beta", "k", {}, "bad model", HOST + "/v1beta/models/bad%20model"),
        ("http://localhost:8080", "k", {}, "g", "http://localhost:8080/v1beta/models/g"),
        (VHOST, "ya29.x", {"project": "p"}, "g", f"{VHOST}/{PLACE}/models/g"),
        (VHOST, "AIza", {}, "g", f"{VHOST}/publishers/google/models/g"),
        (f"{VHOST}/{PLACE}", "token", {}, "g", f"{VHOST}/{PLACE}/models/g"),
        (
            f"{VHOST}/projects/p/locations/global",
            "token",
            {"project": "other"},
            "publishers/meta/models/l",
            f"{VHOST}/projects/p/locations/global/publishers/meta/models/l",
        ),
        (
            VHOST,
            "token",
            {"project": "p"},
            "endpoints/7",
            f"{VHOST}/projects/p/locations/global/endpoints/7",
        ),
        (
            VHOST,
            "token",
            {"project": "p"},
            "projects/q/locations/l/endpoints/7",
            f"{VHOST}/projects/q/locations/l/endpoints/7",
        ),
        (
            VHOST,
            "token",
            {"project": "p", "location": "us-east5"},
            "g@001",
            "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-east5"
            "/publishers/google/models/g@001",
        ),
        (
            VHOST,
            "token",
            {"project": "p", "location": "eu"},
            "g",
            "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu"
            "/publishers/google/models/g",
        ),
    ],
)
def test_url_and_key(base: str, key: str, options: dict[str, str], model: str, url: str) -> None:
    endpoint = Endpoint("g", base, key, {"x-a": "b"}, options)
    request = Request(model=model, messages=(user("hi"),))
    sent = CODEC.encode(request, endpoint)
    assert sent.url == url + ":generateContent"
    streamed = CODEC.encode(request, endpoint, stream=True)
    assert streamed.url == url + ":streamGenerateContent?alt=sse"
    assert streamed.body == sent.body
    keys = {
        name: sent.headers[name]
        for name in ("x-goog-api-key", "authorization")
        if name in sent.headers
    }
    if not key:
        assert keys == {}
    elif "aiplatform" in base and not key.startswith("AIza"):
        assert keys == {"authorization": f"Bearer {key}"}
    else:
        assert keys == {"x-goog-api-key": key}
    assert sent.headers["x-a"] == "b"


def test_vertex_needs_a_project() -> None:
    endpoint = Endpoint("vertex", VHOST, "token", options={"project": "", "location": "global"})
    with pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        encode(Request(model="g", messages=(user("hi"),)), endpoint)


def test_models() -> None:
    first = CODEC.models_request(ENDPOINT)
    assert first.url == ENDPOINT.base_url + "/models?pageSize=1000"
    assert "pageToken=a%2Fb" in CODEC.models_request(ENDPOINT, "a/b").url
    page = {
        "models": [
            {"name": "models/g", "inputTokenLimit": 9, "outputTokenLimit": 4},
            {"name": "tunedModels/t"},
            {"displayName": "nameless"},
        ],
        "nextPageToken": "n",
    }
    found, following = CODEC.read_models(answer(page))
    assert [(m.id, m.context_tokens, m.output_tokens) for m in found] == [
        ("g", 9, 4),
        ("tunedModels/t", None, None),
    ]
    assert following == "n"
    assert CODEC.read_models(answer({})) == ([], None)


@pytest.mark.parametrize("base", [VHOST, VHOST.replace("v1beta1", "v1"), f"{VHOST}/{PLACE}"])
def test_models_of_vertex(base: str) -> None:
    endpoint = Endpoint("vertex", base, "token", options={"project": "p"})
    sent = CODEC.models_request(endpoint)
    assert sent.url == f"{VHOST}/publishers/google/models?pageSize=100"
    page = {"publisherModels": [{"name": "publishers/google/models/g"}]}
    found, following = CODEC.read_models(answer(page))
    assert (found[0].id, found[0].owner, following) == ("g", "google", None)


# What answers say that no recording does.


def answer(body: Any, status: int = 200) -> HTTPResponse:
    return HTTPResponse(status, {"content-type": "application/json"}, json.dumps(body).encode())


def says(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    content = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"candidates": [{**content, **candidate}], "responseId": "r"}


@pytest.mark.parametrize(
    ("body", "stop", "raw"),
    [
        (says({"text": "x"}, finishReason="STOP"), "stop", "STOP"),
        (says({"text": "x"}), "stop", None),
        (says(finishReason="SAFETY"), "content_filter", "SAFETY"),
        (says(finishReason="MODEL_ARMOR"), "content_filter", "MODEL_ARMOR"),
        (says(finishReason="MISSING_THOUGHT_SIGNATURE"), "error", "MISSING_THOUGHT_SIGNATURE"),
        (says(finishReason="IMAGE_OTHER"), "error", "IMAGE_OTHER"),
        (says(finishReason="MALFORMED_RESPONSE"), "error", "MALFORMED_RESPONSE"),
        (says(finishReason="CONTINUATION"), "pause", "CONTINUATION"),
        (says(finishReason="SOMETHING_NEW"), "unknown", "SOMETHING_NEW"),
        (says(finishReason=99), "unknown", "99"),
        (says(finishReason=3), "content_filter", "SAFETY"),
        (says({"functionCall": {"name": "t"}}, finishReason="STOP"), "tool_calls", "STOP"),
        (says({"functionCall": {"name": "t"}}, finishReason="MAX_TOKENS"), "length", "MAX_TOKENS"),
        ({"promptFeedback": {"blockReason": "JAILBREAK"}}, "content_filter", "JAILBREAK"),
        ({"usageMetadata": {"promptTokenCount": 3}}, "unknown", None),
    ],
)
def test_stop_reasons(body: dict[str, Any], stop: str, raw: str | None) -> None:
    found = CODEC.decode(answer(body), ENDPOINT)
    assert (found.stop_reason, found.raw_stop) == (stop, raw)


def test_decode_everything() -> None:
    signed = {"functionCall": {"name": "a", "args": {"x": 1}}, "thoughtSignature": "c2ln"}
    body = {
        **says(
            {"text": "think", "thought": True},
            {"text": "one "},
            {"text": "two", "thoughtSignature": "c2ln"},
            {"executableCode": {"language": "PYTHON", "code": "1"}},
            {"somethingNew": {}},
            signed,
            {"functionCall": {"id": "given", "name": "b"}},
            finishReason="STOP",
            citationMetadata={"citations": [1]},
            logprobsResult={"chosenCandidates": []},
        ),
        "modelVersion": "models/gemini-9",
        "usageMetadata": {
            "promptTokenCount": 10,
            "cachedContentTokenCount": 4,
            "toolUsePromptTokenCount": 5,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 2,
            "totalTokenCount": 24,
            "promptTokensDetails": [
                {"modality": "IMAGE", "tokenCount": 3},
                {"modality": "AUDIO", "tokenCount": 2},
            ],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1}],
            "trafficType": "ON_DEMAND_FLEX",
        },
    }
    found = CODEC.decode(answer(body), ENDPOINT)
    assert (found.text, found.reasoning, found.model) == ("one two", "think", "gemini-9")
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == [
        ("call_r_0", "a", {"x": 1}),
        ("given", "b", {}),
    ]
    assert found.citations == {"citationMetadata": {"citations": [1]}}
    assert found.logprobs == {"chosenCandidates": []}
    usage = found.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (15, 9, 4)
    assert (usage.input_audio_tokens, usage.input_image_tokens) == (2, 3)
    assert (usage.output_image_tokens, usage.service_tier) == (1, "on_demand_flex")
    assert usage.raw == body["usageMetadata"]
    # Sent back, the call without an id keeps having none, and so has its result.
    results = [Message(role="tool", content="ok", call_id=c.id) for c in found.tool_calls]
    sent = encode(Request(model="gemini-3", messages=(user("q"), found.message(), *results)))
    assert sent["contents"][1]["parts"] == body["candidates"][0]["content"]["parts"]
    assert [p["functionResponse"] for p in sent["contents"][2]["parts"]] == [
        {"name": "a", "response": {"output": "ok"}},
        {"id": "given", "name": "b", "response": {"output": "ok"}},
    ]


@pytest.mark.parametrize("body", ["text", 7, None, [], {}, {"foo": 1}])
def test_no_answer_is_a_protocol_error(body: Any) -> None:
    with pytest.raises(ProtocolError):
        CODEC.decode(answer(body), ENDPOINT)
    with pytest.raises(ProtocolError):
        CODEC.decode(HTTPResponse(200, {}, b"<html>"), ENDPOINT)


def quota(*ids: str) -> dict[str, Any]:
    return {
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": i} for i in ids],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"},
        ],
        "message": "You exceeded your current quota, please check your plan and billing details.",
    }


@pytest.mark.parametrize(
    ("status", "error", "expected", "retryable"),
    [
        (429, {"status": "RESOURCE_EXHAUSTED"}, errors.RateLimitError, True),
        (
            429,
            {"status": "RESOURCE_EXHAUSTED", **quota("RequestsPerMinute-FreeTier")},
            errors.RateLimitError,
            True,
        ),
        (
            429,
            {"status": "RESOURCE_EXHAUSTED", **quota("PerMinute", "RequestsPerDayPerModel")},
            errors.QuotaExhausted,
            False,
        ),
        (503, {"status": "UNAVAILABLE", "message": "overloaded"}, errors.Overloaded, True),
        (500, {"status": "INTERNAL"}, errors.ServerError, True),
        (504, {"status": "DEADLINE_EXCEEDED"}, errors.ServerError, True),
        (
            404,
            {"status": "NOT_FOUND", "message": "models/x is not found"},
            errors.ModelNotFound,
            False,
        ),
        (404, {"status": "NOT_FOUND", "message": "File x"}, errors.InvalidRequest, False),
        (
            400,
            {"status": "FAILED_PRECONDITION", "message": "User location is not supported"},
            errors.PermissionDenied,
            False,
        ),
        (
            400,
            {
                "status": "INVALID_ARGUMENT",
                "message": "The input token count (9) exceeds the maximum number of tokens allowed",
            },
            errors.ContextWindowExceeded,
            False,
        ),
    ],
)
def test_errors(
    status: int, error: dict[str, Any], expected: type[Exception], retryable: bool
) -> None:
    body = {"error": {"code": status, "message": "no", **error}}
    made = [
        CODEC.read_error(answer(body, status), ENDPOINT),
        CODEC.read_error(answer([body], status), ENDPOINT),
    ]
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(b'data: {"candidates": [{"content": {"parts": [{"text": "so far"}]}}]}\r\n\r\n')
    with pytest.raises(errors.ProviderError) as caught:
        decoder.feed(json.dumps(body, indent=1).encode() + b"\r\n")
    assert caught.value.partial == decoder.partial()
    assert decoder.partial().text == "so far"
    assert decoder.partial().stop_reason == "unknown"
    with pytest.raises(errors.ProviderError) as good:
        CODEC.decode(answer(body), ENDPOINT)
    made += [caught.value, good.value]
    for found in made:
        assert type(found) is expected
        assert (found.retryable, found.code) == (retryable, error["status"])
        assert found.retry_after == (12.5 if "details" in error else None)


# Streams.


def event(body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\r\n\r\n"


LAST = says({"text": ""}, finishReason="STOP")


@pytest.mark.parametrize(
    "stream",
    [
        event(says({"text": "a"})) + event(says({"text": "b"}, finishReason="STOP")),
        event(says({"text": "a"})) + event(says({"text": "b"})) + event(LAST),
        (event(says({"text": "ab"})) + event(LAST)).replace(b"\r\n", b"\n"),
        event(says({"text": "ab"})) + event(LAST) + b"data: [DONE]\r\n\r\n",
        b": hello\r\nevent: x\r\nid: 7\r\n" + event(says({"text": "ab"})) + event(LAST),
        json.dumps([says({"text": "ab"}), LAST], indent=2).encode(),
        b"[" + json.dumps(says({"text": "ab"})).encode() + b"\n,\r\n" + json.dumps(LAST).encode(),
    ],
)
def test_framings(stream: bytes) -> None:
    found = check_stream(CODEC, ENDPOINT, stream)
    assert (found.text, found.stop_reason) == ("ab", "stop")


@pytest.mark.parametrize(
    "stream",
    [
        event(says({"text": "ab"}, finishReason="STOP")).rstrip(),
        json.dumps([says({"text": "ab"}), LAST]).encode(),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_last_line_end_missing(stream: bytes, size: int) -> None:
    """The completion is whole; what came after the last line end is not among the deltas."""
    _, found = fold(CODEC, ENDPOINT, stream, size)
    assert (found.text, found.stop_reason) == ("ab", "stop")


def test_stream_everything() -> None:
    stream = b"".join(
        event(body)
        for body in (
            {**says({"text": "th", "thought": True}), "usageMetadata": {"promptTokenCount": 9}},
            says({"text": "ink", "thought": True}),
            says({"text": "a"}, index=0),
            says({"text": "b"}),
            says({"text": "c", "thoughtSignature": "s1"}),
            says({"text": "d"}, logprobsResult={"chosenCandidates": [1]}),
            says({"functionCall": {"name": "t", "args": {"x": "é"}}, "thoughtSignature": "s2"}),
            says(
                {"functionCall": {"name": "u", "id": "i"}}, logprobsResult={"chosenCandidates": [2]}
            ),
            {
                **says({"text": "", "thoughtSignature": "s3"}, finishReason="STOP"),
                "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": None},
            },
            {"usageMetadata": {"candidatesTokenCount": 4}, "candidates": []},
            {"candidates": [{"index": 1, "content": {"parts": [{"text": "other"}]}}]},
        )
    )
    found = check_stream(CODEC, ENDPOINT, stream)
    assert (found.text, found.reasoning, found.stop_reason) == ("abcd", "think", "tool_calls")
    assert [(c.id, c.arguments) for c in found.tool_calls] == [("call_r_0", {"x": "é"}), ("i", {})]
    assert found.logprobs == {"chosenCandidates": [1, 2]}
    assert (found.usage.input_tokens, found.usage.output_tokens) == (8, 4)
    assert found.native.payload["parts"] == [
        {"text": "think", "thought": True},
        {"text": "ab"},
        {"text": "c", "thoughtSignature": "s1"},
        {"text": "d"},
        {"functionCall": {"name": "t", "args": {"x": "é"}}, "thoughtSignature": "s2"},
        {"functionCall": {"name": "u", "id": "i"}},
        {"text": "", "thoughtSignature": "s3"},
    ]


def test_blocked_stream() -> None:
    stream = event(
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 2}}
    )
    found = check_stream(CODEC, ENDPOINT, stream)
    assert (found.stop_reason, found.raw_stop, found.usage.input_tokens) == (
        "content_filter",
        "SAFETY",
        2,
    )


@pytest.mark.parametrize("body", [b"data: {nope}\r\n\r\n", b"data: [1]\r\n\r\n", b'{"a": nope}\n'])
def test_malformed_events(body: bytes) -> None:
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(event(says({"text": "so far"})))
    with pytest.raises(ProtocolError):
        decoder.feed(body)
    assert decoder.partial().text == "so far"


def test_error_in_the_same_chunk() -> None:
    failed = event({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})
    deltas, found = fold(CODEC, ENDPOINT, event(says({"text": "so far"})) + failed)
    assert [d.text for d in deltas] == ["so far"]
    assert found[0] is errors.Overloaded
    assert check_stream(CODEC, ENDPOINT, event(says({"text": "so far"})) + failed) == found


def test_every_cut_is_noticed() -> None:
    whole = event(says({"text": "ab"})) + event(says({"text": "c"}, finishReason="STOP"))
    complete = len(whole.rstrip())
    for end in range(len(whole)):
        _, found = fold(CODEC, ENDPOINT, whole[:end])
        assert (found[0] is errors.ConnectionLost) if end < complete else found.text == "abc"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(['"', "}\\"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), max_size=4),
    indent=st.sampled_from([None, 1]),
    ascii=st.booleans(),
    size=st.integers(1, 40),
)
def test_frames_of_an_array(bodies: list[Any], indent: int | None, ascii: bool, size: int) -> None:
    text = json.dumps(bodies, indent=indent, ensure_ascii=ascii)
    wire = text.encode("utf-8", errors="replace")
    frames = Frames()
    found = [v for at in range(0, len(wire), size) for v in frames.feed(wire[at : at + size])]
    assert [*found, *frames.close()] == json.loads(wire)


KEYS = [
    "candidates", "content", "parts", "text", "thought", "functionCall", "args", "name", "id",
    "finishReason", "index", "usageMetadata", "promptTokenCount", "promptTokensDetails",
    "promptFeedback", "blockReason", "responseId", "modelVersion", "logprobsResult",
]  # fmt: skip
nonsense = st.recursive(
    st.none() | st.integers(-3, 9) | st.text(max_size=3) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(body=st.dictionaries(st.sampled_from(KEYS), nonsense, max_size=6))
def test_nonsense_never_crashes(body: dict[str, Any]) -> None:
    with contextlib.suppress(ProtocolError):
        CODEC.decode(answer(body), ENDPOINT)
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(event(body) + event(body))
    assert isinstance(decoder.partial(), Completion)
