"""Bedrock's Converse: real recordings, botocore's own model of the API, and the families."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.bedrock import BedrockConverse
from prompture.errors import ConfigurationError, MissingKey, ProtocolError, UnsupportedError
from prompture.types import Completion, File, Image, Message, Native, Request, ToolCall, user
from prompture.wire.aws import encode_message
from prompture.wire.http import HTTPResponse
from tests.codecs import replay
from tests.codecs.replay import check_cut_off, check_stream, response_of
from tests.recordings import Case, cases

CODEC = BedrockConverse()
BASE = "https://bedrock-runtime.us-east-1.amazonaws.com"
ENDPOINT = Endpoint("bedrock", BASE, "token")
CASES = [
    case
    for path in ("/converse", "/converse-stream")
    for case in cases(provider="bedrock", endpoint=path)
]
MODELS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "global.anthropic.claude-opus-4-8",
    "us.anthropic.claude-fable-5",
    "amazon.nova-2-lite-v1:0",
    "openai.gpt-oss-120b-1:0",
    "mistral.mistral-large-3-675b-instruct",
]


def said_by(body: bytes, streamed: bool) -> dict[str, Any]:
    """The answer that a recorded body says, read independently of the codec."""
    if not streamed:
        return dict(json.loads(body))
    said: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    while body:
        total, headers = struct.unpack(">II", body[:8])
        kind = body[12 : 12 + headers].split(b":event-type\x07", 1)[1]
        name = kind[2 : 2 + int.from_bytes(kind[:2], "big")].decode()
        event = json.loads(body[12 + headers : total - 4])
        body = body[total:]
        if name in ("messageStop", "metadata"):
            said |= event
        block = blocks.setdefault(event.get("contentBlockIndex", 0), {"text": "", "input": ""})
        if name == "contentBlockStart":
            block.update(event["start"])
        if name == "contentBlockDelta":
            block["text"] += event["delta"].get("text", "")
            block["input"] += event["delta"].get("toolUse", {}).get("input", "")
    for block in blocks.values():
        raw = block.pop("input")
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(raw or "{}")
    return {**said, "output": {"message": {"content": list(blocks.values())}}}


STOPS = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def compare(found: Completion, said: dict[str, Any]) -> None:
    blocks, usage = said["output"]["message"]["content"], said["usage"]
    assert found.text == "".join(b.get("text", "") for b in blocks)
    uses = [b["toolUse"] for b in blocks if "toolUse" in b]
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == [
        (u["toolUseId"], u["name"], u["input"]) for u in uses if u.get("type") != "server_tool_use"
    ]
    assert found.stop_reason == STOPS[said["stopReason"]]
    assert found.usage.output_tokens == usage["outputTokens"]
    assert found.usage.total_tokens == usage["totalTokens"]
    read = usage.get("cacheReadInputTokens") or 0
    written = usage.get("cacheWriteInputTokens") or 0
    assert (found.usage.cache_read_tokens, found.usage.cache_write_tokens) == (read, written)
    assert found.usage.input_tokens == usage["inputTokens"] + read + written


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recording(case: Case) -> None:
    for interaction in case.interactions:
        got = interaction.response
        if got.status >= 400:
            check_error(response_of(got))
            continue
        streamed = "eventstream" in got.headers.get("content-type", "")
        if streamed:
            found = check_stream(CODEC, ENDPOINT, got.body)
            for error in check_cut_off(CODEC, ENDPOINT, got.body):
                assert isinstance(error, errors.ConnectionLost)
        else:
            found = CODEC.decode(response_of(got), ENDPOINT)
            assert found.request_id in (*got.headers.values(), None)
        compare(found, said_by(got.body, streamed))
        turn = Message(role="assistant", native=found.native)
        echoed = encode(Request(model="m", messages=(user("q"), turn, user("r"))))["messages"][1]
        kept = found.raw["output"]["message"]["content"]
        assert echoed["content"] == [b for b in kept if b.get("text", "x").strip()]


def check_error(response: HTTPResponse) -> None:
    name = response.headers.get("x-amzn-errortype", "").partition(":")[0]
    expected: type[Exception] = {
        "ExpiredTokenException": errors.AuthenticationError,
        "UnrecognizedClientException": errors.AuthenticationError,
        "InvalidSignatureException": errors.AuthenticationError,
        "AccessDeniedException": errors.PermissionDenied,
        "ResourceNotFoundException": errors.ModelNotFound,
        "ThrottlingException": errors.RateLimitError,
        "ServiceUnavailableException": errors.Overloaded,
    }.get(name, errors.InvalidRequest)
    if b"model identifier is invalid" in response.body:
        expected = errors.ModelNotFound
    assert type(CODEC.read_error(response, ENDPOINT)) is expected


def encode(request: Request, **options: Any) -> dict[str, Any]:
    return dict(json.loads(CODEC.encode(request, ENDPOINT, **options).body))


def as_boto(value: Any, shape: Any) -> Any:
    """A JSON body as botocore wants it: blobs as bytes, anything goes in documents."""
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return {
            k: as_boto(v, shape.members[k]) if k in shape.members else v for k, v in value.items()
        }
    if shape.type_name == "list":
        return [as_boto(v, shape.member) for v in value]
    return value


@pytest.mark.parametrize("model", MODELS)
def test_botocore_accepts(model: str) -> None:
    session = pytest.importorskip("botocore.session").Session()
    from botocore.validate import ParamValidator

    shape = session.get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    refused = 0
    for name, request in replay.requests(model):
        try:
            body = {**encode(request), "modelId": model}
        except UnsupportedError:
            refused += 1
            continue
        report = ParamValidator().validate(as_boto(body, shape), shape)
        assert not report.has_errors(), (name, report.generate_report())
    assert refused < 45


TOOLS = {"tools": (replay.WEATHER,)}
SONNET, NOVA = MODELS[0], "amazon.nova-2-lite-v1:0"


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        (SONNET, {}, {"inferenceConfig": None, "toolConfig": None}),
        (
            SONNET,
            {"max_tokens": 9, "temperature": 0.0, "top_p": 1, "stop": ("x",)},
            {
                "inferenceConfig": {
                    "maxTokens": 9,
                    "temperature": 0.0,
                    "stopSequences": ["x"],
                }
            },
        ),
        (
            SONNET,
            {"reasoning": 2048},
            {
                "inferenceConfig": {"maxTokens": 6144},
                "additionalModelRequestFields": {
                    "thinking": {"type": "enabled", "budget_tokens": 2048}
                },
            },
        ),
        (
            "global.anthropic.claude-opus-4-8",
            {"reasoning": "xhigh"},
            {
                "outputConfig": {"effort": "xhigh"},
                "additionalModelRequestFields": {
                    "thinking": {"type": "adaptive", "display": "summarized"}
                },
            },
        ),
        (
            NOVA,
            {"reasoning": "low"},
            {
                "additionalModelRequestFields": {
                    "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}
                }
            },
        ),
        (
            SONNET,
            {"schema": {"type": "object"}},
            {
                "outputConfig": {
                    "textFormat": {
                        "type": "json_schema",
                        "structure": {
                            "jsonSchema": {"name": "answer", "schema": '{"type": "object"}'}
                        },
                    }
                }
            },
        ),
        (SONNET, {**TOOLS, "tool_choice": "none"}, {"toolConfig": None}),
        (SONNET, {"metadata": {"n": 1}}, {"requestMetadata": {"n": "1"}}),
        (SONNET, {"extra": {"serviceTier": {"type": "flex"}}}, {"serviceTier": {"type": "flex"}}),
    ],
)
def test_encode(model: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    body = encode(Request(model=model, messages=(user("hi"),), **options))
    assert {key: body.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("auto", None), ("required", {"any": {}}), ("get_weather", {"tool": {"name": "get_weather"}})],
)
def test_tool_choice(choice: str, expected: Any) -> None:
    request = Request(model=SONNET, messages=(user("hi"),), tool_choice=choice, **TOOLS)
    config = encode(request)["toolConfig"]
    assert config.get("toolChoice") == expected
    assert config["tools"][0]["toolSpec"]["strict"] is True


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (SONNET, {"seed": 1}),
        (SONNET, {"logprobs": 1}),
        (SONNET, {"json_mode": True}),
        (SONNET, {**TOOLS, "parallel_tools": False}),
        (SONNET, {"tool_choice": "required"}),
        (SONNET, {**TOOLS, "tool_choice": "other"}),
        (SONNET, {**TOOLS, "tool_choice": "required", "reasoning": 2048}),
        (SONNET, {"prompt_cache": "2h"}),
        (NOVA, {"reasoning": 2048}),
        ("mistral.x", {"prompt_cache": True}),
        ("mistral.x", {"reasoning": "low"}),
        ("us.anthropic.claude-opus-4-8", {"temperature": 0.5}),
        ("us.anthropic.claude-fable-5", {**TOOLS, "tool_choice": "required"}),
        ("anthropic.claude-3-haiku-20240307-v1:0", {"schema": {}}),
    ],
)
def test_refused(model: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        encode(Request(model=model, messages=(user("hi"),), **options))


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ((user([Image(url="https://e.com/a.png")]),), UnsupportedError),
        ((user([Image(data=b"x", media_type="image/tiff")]),), UnsupportedError),
        ((user([File(id="f")]),), UnsupportedError),
        ((user(" "),), ConfigurationError),
        ((Message(role="assistant", content="x"),), ConfigurationError),
        ((user("q"), Message(role="tool", content="x")), ConfigurationError),
    ],
)
def test_bad_messages(messages: tuple[Message, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(Request(model="m", messages=messages, **TOOLS))


def test_turns_and_parts() -> None:
    talk = replay.conversations()["parallel results"]
    turns = encode(Request(model="m", messages=talk, **TOOLS))["messages"]
    assert [t["role"] for t in turns] == ["user", "assistant", "user"]
    assert [next(iter(b)) for b in turns[2]["content"]] == ["toolResult", "toolResult", "text"]
    assert turns[2]["content"][1]["toolResult"]["status"] == "error"
    alone = user([File(data=b"x", name="my_file (1).pdf"), Image(url="s3://bucket/a.png")])
    (turn,) = encode(Request(model="m", messages=(alone,)))["messages"]
    assert turn["content"] == [
        {"document": {"format": "pdf", "name": "my file (1)", "source": {"bytes": "eA=="}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}}},
        {"text": "Attached: my file (1)"},
    ]


def test_cache_points() -> None:
    point = {"cachePoint": {"type": "default", "ttl": "5m"}}
    talks = replay.conversations()
    body = encode(Request(model=SONNET, messages=talks["document"], prompt_cache="5m"))
    assert body["system"] == [{"text": "Extract."}, point]
    assert point not in body["messages"][0]["content"]
    body = encode(Request(model=SONNET, messages=talks["turns"], prompt_cache="5m", **TOOLS))
    assert body["toolConfig"]["tools"][-1] == body["messages"][-1]["content"][-1] == point
    body = encode(Request(model=NOVA, messages=talks["plain"], prompt_cache="5m", **TOOLS))
    assert len(body["toolConfig"]["tools"]) == 1
    assert body["messages"][0]["content"][-1] == point


def test_address_and_signature() -> None:
    request = Request(model=SONNET, messages=(user("hi"),))
    sent = CODEC.encode(request, ENDPOINT, stream=True)
    assert (
        sent.url == f"{BASE}/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
    )
    whole = Endpoint("bedrock", f"{BASE}/model/a:b/converse", "token")
    assert CODEC.encode(request, whole, stream=True).url == f"{BASE}/model/a:b/converse-stream"
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert CODEC.sign(sent, ENDPOINT, now) is sent
    assert sent.headers["authorization"] == "Bearer token"
    options = {"access_key_id": "AKID", "secret_access_key": "secret", "region": "eu-west-1"}
    keyed = Endpoint("bedrock", BASE, options=options)
    signed = CODEC.sign(CODEC.encode(request, keyed), keyed, now)
    assert (
        "Credential=AKID/20261120/eu-west-1/bedrock/aws4_request" in signed.headers["authorization"]
    )
    assert "secret" not in repr(keyed)
    with pytest.raises(MissingKey):
        CODEC.sign(CODEC.encode(request, Endpoint("bedrock", BASE)), Endpoint("bedrock", BASE), now)


def event(kind: str, **payload: Any) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps(payload).encode())


def raised(name: str, message: str) -> bytes:
    headers = {":exception-type": name, ":message-type": "exception"}
    return encode_message(headers, json.dumps({"message": message}).encode())


def delta(index: int, **given: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=given, p="abcd")


STREAM = b"".join(
    (
        event("messageStart", role="assistant"),
        delta(0, reasoningContent={"text": "hm"}),
        delta(0, reasoningContent={"signature": "sig"}),
        delta(1, reasoningContent={"redactedContent": "eHg="}),
        delta(2, text="Hel"),
        delta(2, text="lo"),
        event(
            "contentBlockStart",
            contentBlockIndex=3,
            start={"toolUse": {"toolUseId": "t", "name": "f"}},
        ),
        delta(3, toolUse={"input": '{"a":'}),
        delta(3, toolUse={"input": "1}"}),
        event("contentBlockStop", contentBlockIndex=3),
        event("unheardOf", contentBlockIndex=4),
        event(
            "contentBlockStart",
            contentBlockIndex=5,
            start={"toolUse": {"toolUseId": "u", "name": "g"}},
        ),
        delta(5, toolUse={"input": "{oops"}),
        event("messageStop", stopReason="tool_use"),
        event(
            "metadata",
            usage={
                "inputTokens": 3,
                "outputTokens": 8,
                "totalTokens": 20,
                "cacheReadInputTokens": 4,
                "cacheWriteInputTokens": 5,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 5}],
            },
            serviceTier={"type": "flex"},
        ),
    )
)


def test_stream() -> None:
    found = check_stream(CODEC, ENDPOINT, STREAM)
    assert (found.text, found.reasoning, found.stop_reason) == ("Hello", "hm", "tool_calls")
    assert [(c.id, c.arguments) for c in found.tool_calls] == [("t", {"a": 1}), ("u", None)]
    assert found.tool_calls[1].raw_arguments == "{oops"
    assert found.native.payload == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "eHg="}},
        {"text": "Hello"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "u", "name": "g", "input": {}}},
    ]
    assert (found.usage.input_tokens, found.usage.total_tokens) == (12, 20)
    assert (found.usage.cache_writes, found.usage.service_tier) == ({"1h": 5}, "flex")
    assert all(isinstance(e, errors.ConnectionLost) for e in check_cut_off(CODEC, ENDPOINT, STREAM))


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("throttlingException", "slow", errors.RateLimitError),
        ("modelStreamErrorException", "x", errors.ServerError),
        ("internalServerException", "x", errors.ServerError),
        ("serviceUnavailableException", "x", errors.Overloaded),
        (
            "validationException",
            "Input is too long for requested model.",
            errors.ContextWindowExceeded,
        ),
        ("validationException", "bad", errors.InvalidRequest),
        ("somethingNewException", "x", errors.ServerError),
    ],
)
def test_errors_inside(name: str, message: str, expected: type[Exception]) -> None:
    decoder = CODEC.stream_decoder(ENDPOINT)
    decoder.feed(delta(0, text="Hel"))
    with pytest.raises(expected) as caught:
        decoder.feed(raised(name, message))
    assert type(caught.value) is expected
    assert (decoder.partial().text, decoder.partial().stop_reason) == ("Hel", "unknown")


@pytest.mark.parametrize("payload", [b"{nope", b"[1]"])
def test_malformed_event(payload: bytes) -> None:
    frame = encode_message({":event-type": "metadata"}, payload)
    with pytest.raises(ProtocolError):
        CODEC.stream_decoder(ENDPOINT).feed(frame)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"message": "odd"}, errors.ServerError),
        ({"output": {}}, ProtocolError),
        ({"output": {"message": {"content": ["x"]}}}, ProtocolError),
        ([], ProtocolError),
    ],
)
def test_bad_answers(body: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        CODEC.decode(HTTPResponse(200, {}, json.dumps(body).encode()), ENDPOINT)


def test_citations_and_models() -> None:
    cited = {"content": [{"text": "So."}], "citations": [{"title": "t"}]}
    body = {
        "output": {"message": {"content": [{"citationsContent": cited}]}},
        "stopReason": "end_turn",
    }
    found = CODEC.decode(HTTPResponse(200, {}, json.dumps(body).encode()), ENDPOINT)
    assert (found.text, found.citations, found.usage.reported) == ("So.", [{"title": "t"}], False)
    assert (
        CODEC.models_request(ENDPOINT).url
        == "https://bedrock.us-east-1.amazonaws.com/foundation-models"
    )
    page = {"modelSummaries": [{"modelId": "a.b", "providerName": "A"}]}
    models, following = CODEC.read_models(HTTPResponse(200, {}, json.dumps(page).encode()))
    assert (models[0].id, models[0].owner, following) == ("a.b", "A", None)
    with pytest.raises(ProtocolError):
        CODEC.read_models(HTTPResponse(200, {}, b"{}"))


@pytest.mark.parametrize("options", [{}, {**TOOLS, "tool_choice": "none"}])
def test_earlier_calls_are_words_where_no_tool_may_be_called(options: Any) -> None:
    """Converse refuses their blocks where no tools are declared, and knows no "none"."""
    call = ToolCall(id="c1", name="look_up", arguments={"q": "Rome"})
    thought = Native("bedrock", [{"reasoningContent": {}}, {"toolUse": {"toolUseId": "c1"}}])
    turns = (
        user("Where is it?"),
        Message(role="assistant", content="I look.", calls=(call,), native=thought),
        Message(role="tool", call_id="c1", content="In Italy."),
        user("Thanks. And Bari?"),
    )
    request = Request(model=SONNET, messages=turns, **options)
    body = json.loads(CODEC.encode(request, ENDPOINT).body)
    assert "toolConfig" not in body
    kinds = {kind for turn in body["messages"] for block in turn["content"] for kind in block}
    assert kinds == {"text"}
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert all(word in json.dumps(body) for word in ("I look.", "look_up", "Rome", "In Italy."))
    declared = Request(model=SONNET, messages=turns, **TOOLS)
    assert "toolResult" in str(CODEC.encode(declared, ENDPOINT).body)
