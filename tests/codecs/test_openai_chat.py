"""OpenAI Chat Completions and its copies: recordings, the SDKs' own types, the rows' rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_chat_stream import OpenAIChatStream
from prompture.codecs.think import ThinkSplitter, split_thinking
from prompture.drivers import registry
from prompture.errors import ConfigurationError, ProtocolError, UnsupportedError
from prompture.types import Completion, File, Image, Message, Native, Request, Text, user
from prompture.wire.http import HTTPResponse
from tests.codecs import replay
from tests.codecs.replay import WEATHER, check_cut_off, check_stream, response_of
from tests.codecs.sdk_types import check
from tests.readers import chat
from tests.recordings import Case, Got, cases

HERE = Endpoint("openai", "https://api.openai.com/v1", "sk-key")
PLAIN = OpenAIChat()
CASES = [c for c in cases(endpoint="/chat/completions") if "/api/v0" not in c.endpoint]


def codec_of(name: str, model: str = "m") -> OpenAIChat:
    """The chat codec of a row, be it its first or another."""
    row = registry.find(name)
    codec = row.codec if isinstance(row.codec, OpenAIChat) else row.codecs["openai"]
    assert isinstance(codec, OpenAIChat)
    return codec


def rows() -> Iterator[str]:
    for name in registry.BUILTIN:
        row = registry.find(name)
        if isinstance(row.codec, OpenAIChat) or "openai" in row.codecs:
            yield name


def is_stream(got: Got) -> bool:
    return "event-stream" in got.headers.get("content-type", "") or got.body.startswith(b"data:")


@pytest.mark.parametrize("provider", sorted({c.provider for c in CASES}))
def test_streams_cut_anywhere(provider: str) -> None:
    """Whole and byte by byte alike, deltas that add up, and no good end for one cut early."""
    codec, endpoint = codec_of(provider), Endpoint(provider, "https://example.com")
    for case in (c for c in CASES if c.provider == provider):
        for exchange in case.interactions:
            got = exchange.response
            if got.status < 400 and is_stream(got):
                check_one(case, codec, endpoint, got)


def check_one(case: Case, codec: OpenAIChat, endpoint: Endpoint, got: Got) -> None:
    said = chat.read(got.body, provider=case.provider, streamed=True)
    found = check_stream(codec, endpoint, got.body)
    if said.error is not None:
        assert isinstance(found, tuple), case
        return
    if not isinstance(found, Completion) and not said.text and not said.reasoning:
        assert found[0] is errors.ProtocolError, case  # an end without an answer
        return
    assert isinstance(found, Completion), (case, found)
    assert (found.text, found.reasoning) == (said.text, said.reasoning), case
    for error in check_cut_off(codec, endpoint, got.body):
        assert isinstance(error, errors.ConnectionLost), case
        assert isinstance(error.partial, Completion)


@pytest.mark.parametrize("case", [c for c in CASES if "tool_call" in c.features][:60], ids=str)
def test_turns_go_back(case: Case) -> None:
    """An answer put into the history keeps its calls, and what its provider wants echoed."""
    codec, endpoint = codec_of(case.provider), Endpoint(case.provider, "https://example.com")
    for exchange in case.interactions:
        got = exchange.response
        if got.status >= 400:
            continue
        if is_stream(got):
            decoder = codec.stream_decoder(endpoint)
            try:
                decoder.feed(got.body)
                found = decoder.close()
            except errors.ProviderError:
                continue
        else:
            found = codec.decode(response_of(got), endpoint)
        turns = (user("q"), found.message(), *results(found))
        request = Request(model=case.model or "m", messages=turns, tools=(WEATHER,))
        sent = json.loads(codec.encode(request, endpoint).body)["messages"][1]
        assert sent["role"] == "assistant"
        wired = [
            (c["function"]["name"], c["function"]["arguments"]) for c in sent.get("tool_calls", ())
        ]
        assert [name for name, _ in wired] == [c.name for c in found.tool_calls]
        for (_, text), call in zip(wired, found.tool_calls, strict=True):
            assert json.loads(text) == (call.arguments or {})
        for name in codec.echo:
            if found.native and found.native.payload.get(name):
                assert sent[name] == found.native.payload[name]


def results(found: Completion) -> list[Message]:
    return [Message(role="tool", content="ok", call_id=c.id, name=c.name) for c in found.tool_calls]


MODELS = {
    "openai": ("gpt-4o", "gpt-5-mini", "gpt-5.1", "gpt-5.6", "gpt-6-sol", "o3", "ft:gpt-4.1:me"),
    "azure": ("gpt-4o", "my-deployment"),
    "groq": ("openai/gpt-oss-20b", "qwen/qwen3-32b", "qwen/qwen3.8-27b", "llama-3.3-70b"),
    "mistral": ("mistral-small-latest", "magistral-medium-latest"),
    "grok": ("grok-4.3", "grok-4.5", "grok-3-mini", "grok-code-fast-1"),
    "moonshot": ("kimi-k2.5", "kimi-k2.6", "kimi-k3", "moonshot-v1-8k"),
    "zai": ("glm-4.5", "glm-5", "glm-5.2", "glm-5.3"),
    "deepseek": ("deepseek-flash", "deepseek-v4-pro"),
    "modelscope": ("Qwen/Qwen3-32B", "Qwen/Qwen3-235B-A22B-Instruct-2507"),
    "dashscope": ("qwen-plus", "qwen3-vl-flash", "qwen3.6-flash"),
}
# What a provider has beyond OpenAI's SDK; with it, it goes into extra_body.
OWN: dict[str, set[str]] = {
    "moonshot": {"/thinking", "/messages/*/reasoning_content"},
    "zai": {"/thinking", "/tool_stream", "/do_sample"},
    "deepseek": {"/thinking", "/messages/*/reasoning_content"},
    "volcengine": {"/thinking"},
    "modelscope": {"/enable_thinking"},
    "dashscope": {"/enable_thinking", "/messages/*/content/*/cache_control"},
    "openrouter": {
        "/transforms",
        "/provider",
        "/reasoning",
        "/messages/*/content/*/cache_control",
    },
    "llamacpp": {"/chat_template_kwargs"},
}


def sdk_type(name: str, *, stream: bool) -> Any:
    if name == "groq":
        from groq.types.chat import completion_create_params as groq

        return groq.CompletionCreateParams
    if name == "mistral":
        from mistralai.client import models

        return models.ChatCompletionStreamRequest if stream else models.ChatCompletionRequest
    from openai.types.chat import completion_create_params as openai

    if stream:
        return openai.CompletionCreateParamsStreaming
    return openai.CompletionCreateParamsNonStreaming


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", list(rows()))
def test_sdk_accepts(name: str, stream: bool) -> None:
    row, kind = registry.find(name), sdk_type(name, stream=stream)
    endpoint = Endpoint(name, "https://example.com/openai/v1", "k")
    sent = 0
    for model in MODELS.get(name, (row.default_model or "m",)):
        for title, request in replay.requests(model):
            codec = row.codec_of(request)
            if not isinstance(codec, OpenAIChat):
                if "openai" not in row.codecs:
                    continue  # the Responses API, which has a test of its own
                codec = codec_of(name)
            try:
                body = json.loads(codec.encode(request, endpoint, stream=stream).body)
            except UnsupportedError:
                continue
            problems = [p for p in check(body, kind) if place(p) not in OWN.get(name, ())]
            assert not problems, (model, title, problems)
            sent += 1
    assert sent > 20


def place(problem: str) -> str:
    path = problem.partition(":")[0]
    return "/".join("*" if part.isdigit() else part for part in path.split("/"))


def encode(name: str, request: Request, **options: Any) -> dict[str, Any]:
    endpoint = Endpoint(name, "https://example.com/openai/v1", "k")
    return dict(json.loads(codec_of(name).encode(request, endpoint, **options).body))


TOOLS = {"tools": (WEATHER, replay.CLOCK)}
NAMED = {**TOOLS, "tool_choice": "get_weather"}
ONLY = {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.parametrize(
    ("name", "model", "options", "expected"),
    [
        ("openai", "gpt-4o", {"max_tokens": 5}, {"max_completion_tokens": 5, "max_tokens": None}),
        ("together", "m", {"max_tokens": 5}, {"max_tokens": 5}),
        ("groq", "m", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("minimax", "m", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("zai", "glm-5", {"temperature": 0.0}, {"temperature": None, "do_sample": False}),
        ("zai", "glm-5", {"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
        ("zai", "glm-5.3", {"reasoning": "medium"}, {"reasoning_effort": "high"}),
        ("zai", "glm-5.2", {"reasoning": "medium"}, {"reasoning_effort": "medium"}),
        ("zai", "glm-5", NAMED, UnsupportedError),
        ("zai", "glm-5", {**TOOLS, "tool_choice": "required"}, UnsupportedError),
        ("zai", "glm-5", {**TOOLS, "parallel_tools": False}, UnsupportedError),
        ("openai", "gpt-4o", {"tool_choice": "required"}, UnsupportedError),
        ("openai", "gpt-5.1", {"reasoning": 0, "temperature": 0.5}, {"reasoning_effort": "none"}),
        ("openrouter", "m", {"reasoning": 0}, {"reasoning": {"effort": "none"}}),
        ("mistral", "m", {"seed": 3}, {"random_seed": 3, "seed": None}),
        ("mistral", "m", {**TOOLS, "tool_choice": "none"}, {"tools": None, "tool_choice": None}),
        ("openai", "gpt-4o", {**TOOLS, "tool_choice": "none"}, {"tool_choice": "none"}),
        ("deepseek", "m", {**TOOLS, "tool_choice": "none"}, {"tools": None, "tool_choice": None}),
        ("deepseek", "m", NAMED, UnsupportedError),
        ("deepseek", "m", {"reasoning": "xhigh"}, {"reasoning_effort": "high"}),
        ("openai", "gpt-4o", NAMED, {"tool_choice": ONLY}),
        ("groq", "m", NAMED, {"tool_choice": ONLY}),
        ("lmstudio", "m", NAMED, {"tool_choice": "required"}),
        ("openrouter", "m", {"reasoning": 2000}, {"reasoning": {"max_tokens": 2000}}),
        ("openrouter", "m", {"reasoning": "max"}, {"reasoning": {"effort": "xhigh"}}),
        ("openrouter", "m", {"json_mode": True}, {"provider": {"require_parameters": True}}),
        (
            "openrouter",
            "m",
            {"json_mode": True, "extra": {"provider": {"only": ["x"]}}},
            {"provider": {"require_parameters": True, "only": ["x"]}},
        ),
        ("openrouter", "m", {}, {"transforms": [], "provider": None}),
        ("groq", "qwen/qwen3-32b", {"reasoning": "high"}, {"reasoning_effort": "default"}),
        ("groq", "qwen/qwen3-32b", TOOLS, {"reasoning_format": "parsed"}),
        ("groq", "openai/gpt-oss-20b", {"reasoning": "minimal"}, {"reasoning_effort": "low"}),
        ("grok", "grok-4.5", {"reasoning": "minimal"}, {"reasoning_effort": "low"}),
        ("moonshot", "kimi-k3", {"reasoning": "xhigh"}, {"reasoning_effort": "max"}),
        ("moonshot", "kimi-k2.6", {"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
        ("modelscope", "Qwen/Qwen3-32B", {}, {"enable_thinking": False}),
        ("modelscope", "Qwen/Qwen3-32B-Instruct", {}, {"enable_thinking": None}),
        ("dashscope", "qwen3.6-flash", {"reasoning": "low"}, {"enable_thinking": True}),
        ("openai", "gpt-5.1", {"reasoning": "low"}, {"reasoning_effort": "low"}),
        ("openai", "gpt-4o", {"reasoning": "none"}, {"reasoning_effort": None}),
        ("openai", "gpt-5.1", {"temperature": 0.5}, {"temperature": 0.5}),
        ("openai", "o3", {"temperature": 0.5, "extra": {"n": 2}}, UnsupportedError),
        ("openai", "o3", {"stop": ("a",)}, UnsupportedError),
        ("openai", "gpt-5", {"logprobs": 2}, UnsupportedError),
        ("openai", "gpt-4o", {"logprobs": 0}, {"logprobs": True, "top_logprobs": None}),
        ("openai", "gpt-4o", {"stop": tuple("abcde")}, UnsupportedError),
        ("openai", "gpt-4o", {"metadata": {"a": 1}}, {"metadata": {"a": "1"}}),
        ("openai", "gpt-4o", {**TOOLS, "tool_choice": "other"}, UnsupportedError),
        ("openai", "gpt-4o", {"reasoning": 100}, UnsupportedError),
        ("openai", "gpt-4o", {"reasoning": "low"}, UnsupportedError),
        ("groq", "m", {"metadata": {"a": 1}}, UnsupportedError),
        ("groq", "m", {"logprobs": 1}, UnsupportedError),
        ("groq", "llama-3.3", {"reasoning": "low"}, UnsupportedError),
        ("grok", "grok-4.5", {"reasoning": "none"}, UnsupportedError),
        ("grok", "grok-4.3", {"stop": ("a",)}, UnsupportedError),
        ("moonshot", "kimi-k2.6", {"temperature": 0.5}, UnsupportedError),
        ("moonshot", "kimi-k2.6", {"top_p": 0.5}, UnsupportedError),
        ("moonshot", "kimi-k3", {"reasoning": "none"}, UnsupportedError),
        ("moonshot", "moonshot-v1-8k", {"reasoning": "low"}, UnsupportedError),
        ("zai", "glm-5.3", {"reasoning": "none"}, UnsupportedError),
        ("zai", "glm-5", {"stop": ("a", "b")}, UnsupportedError),
        ("lmstudio", "m", {"json_mode": True}, UnsupportedError),
        ("minimax", "m", {"reasoning": "low"}, UnsupportedError),
        ("modelscope", "Qwen/Qwen3-32B", {"reasoning": "low"}, UnsupportedError),
    ],
)
def test_encode(name: str, model: str, options: dict[str, Any], expected: Any) -> None:
    request = Request(model=model, messages=(user("hi"),), **options)
    if expected is UnsupportedError:
        with pytest.raises(UnsupportedError):
            encode(name, request)
        return
    body = encode(name, request)
    assert {key: body.get(key) for key in expected} == expected


def test_stream_options() -> None:
    ask = Request(model="glm-5", messages=(user("hi"),), **TOOLS)
    assert encode("zai", ask, stream=True)["tool_stream"] is True
    assert encode("openai", ask, stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encode("mistral", ask, stream=True)
    assert "stream" not in encode("openai", ask)


def test_mistrals_turns() -> None:
    talk = replay.conversations()["foreign ids"]
    turns = encode("mistral", Request(model="m", messages=(*talk, user("and?"))))["messages"]
    assert [t["role"] for t in turns] == ["user", "assistant", "tool", "assistant", "user"]
    id = turns[1]["tool_calls"][0]["id"]
    assert turns[2]["tool_call_id"] == id and len(id) == 9 and id.isalnum()


def test_what_a_tool_shows_follows_it() -> None:
    talk = (*replay.conversations()["picture result"], user("well?"))
    turns = encode("openai", Request(model="gpt-4o", messages=talk))["messages"]
    assert [t["role"] for t in turns] == ["user", "assistant", "tool", "user", "user"]
    assert turns[2]["content"] == "here"
    assert turns[3]["content"][0]["type"] == "image_url"


def test_an_echo_of_a_field_that_no_turn_keeps() -> None:
    with pytest.raises(
        ConfigurationError, match="unknown field 'reasonin'; did you mean reasoning"
    ):
        OpenAIChat(echo=("reasonin",))


@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_in_a_field_of_its_own(streamed: bool) -> None:
    field = "inner_monologue"
    codec = OpenAIChat(echo=(field,), quirks=Quirks(reasoning_field=field))
    call = {"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": "{}"}}
    if streamed:
        decoder = codec.stream_decoder(HERE)
        for delta in ({field: "Hm. "}, {field: "So."}, {"tool_calls": [call]}):
            event = {"choices": [{"index": 0, "delta": delta}]}
            decoder.feed(f"data: {json.dumps(event)}\n\n".encode())
        decoder.feed(b"data: [DONE]\n\n")
        found = decoder.close()
    else:
        message = {"role": "assistant", field: "Hm. So.", "tool_calls": [call]}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
        found = codec.decode(HTTPResponse(200, {}, json.dumps(body).encode()), HERE)
    assert found.reasoning == "Hm. So."
    turns = (user("q"), found.message(), *results(found))
    sent = json.loads(codec.encode(Request(model="m", messages=turns), HERE).body)["messages"]
    assert sent[1][field] == "Hm. So."


def test_reasoning_that_must_not_be_missing() -> None:
    talk = replay.conversations()["parallel results"]
    turns = encode("deepseek", Request(model="m", messages=talk))["messages"]
    assert turns[1]["reasoning_content"] == " "
    thought = Message(role="assistant", content="b", reasoning="why")
    turns = encode("moonshot", Request(model="m", messages=(user("a"), thought)))["messages"]
    assert turns[1]["reasoning_content"] == "why"
    foreign = Message(role="assistant", content="b", native=Native("anthropic", [{"type": "x"}]))
    assert encode("cerebras", Request(model="m", messages=(foreign,)))["messages"] == [
        {"role": "assistant", "content": "b"}
    ]


@pytest.mark.parametrize(
    ("name", "part", "expected"),
    [
        ("openai", File(data=b"a,b", media_type="text/csv"), {"type": "text", "text": "a,b"}),
        ("openai", File(id="f"), {"type": "file", "file": {"file_id": "f"}}),
        ("openai", File(url="https://e.com/a.pdf"), UnsupportedError),
        ("groq", File(data=b"%PDF-"), UnsupportedError),
        ("mistral", File(id="f"), {"type": "file", "file_id": "f"}),
        (
            "mistral",
            File(url="https://e.com/a.pdf", name="a.pdf"),
            {
                "type": "document_url",
                "document_url": "https://e.com/a.pdf",
                "document_name": "a.pdf",
            },
        ),
        (
            "openrouter",
            File(url="https://e.com/a.pdf", name="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://e.com/a.pdf"}},
        ),
        (
            "openai",
            File(data=b"%PDF-", name="a.pdf"),
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            },
        ),
        ("moonshot", Image(url="https://e.com/a.png"), UnsupportedError),
        (
            "moonshot",
            Image(url="data:image/png;base64,YQ=="),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,YQ=="}},
        ),
    ],
)
def test_parts(name: str, part: Any, expected: Any) -> None:
    request = Request(model="gpt-4o", messages=(user([part, Text("q")]),))
    if expected is UnsupportedError:
        with pytest.raises(UnsupportedError):
            encode(name, request)
        return
    assert encode(name, request)["messages"][0]["content"][0] == expected


def test_pictures_only_from_the_user() -> None:
    for role in ("system", "assistant"):
        turn = Message(role=role, content=(Image(data=b"x"),))
        with pytest.raises(UnsupportedError, match="text only"):
            encode("openai", Request(model="gpt-4o", messages=(turn,)))


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
        ("http://localhost:1234", "http://localhost:1234/v1/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("http://h/v1/chat/completions?a=b", "http://h/v1/chat/completions?a=b"),
        ("https://h/proxy/v1?x=1", "https://h/proxy/v1/chat/completions?x=1"),
    ],
)
def test_address(base: str, url: str) -> None:
    sent = PLAIN.encode(Request(model="m", messages=(user("hi"),)), Endpoint("x", base, "k"))
    assert sent.url == url
    assert sent.headers["authorization"] == "Bearer k"
    models = PLAIN.models_request(Endpoint("x", base, ""))
    assert (
        models.url.partition("?")[0]
        == url.partition("?")[0].removesuffix("/chat/completions") + "/models"
    )
    assert "authorization" not in models.headers


def test_cache_marks() -> None:
    talk = replay.conversations()["system"]
    turns = encode("openrouter", Request(model="m", messages=talk, prompt_cache="1h"))["messages"]
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert turns[1]["content"] == [{"type": "text", "text": "Be kind.", "cache_control": mark}]
    assert "cache_control" not in json.dumps([turns[0], turns[2]])
    turns = encode("openai", Request(model="gpt-4o", messages=talk, prompt_cache=True))["messages"]
    assert "cache_control" not in json.dumps(turns)


# Answers.


def answer(message: Any, **top: Any) -> HTTPResponse:
    choice = {"message": message, "finish_reason": top.pop("finish", "stop")}
    return HTTPResponse(200, {}, json.dumps({"choices": [choice], **top}).encode())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": None}, {"text": ""}),
        ({"content": {"a": 1}}, {"text": '{"a": 1}'}),
        ({"content": "<think>x</think>y"}, {"text": "<think>x</think>y", "reasoning": ""}),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"text": "w"}]},
                    {"type": "text", "text": "t"},
                ]
            },
            {"text": "t", "reasoning": "w"},
        ),
        ({"content": "", "refusal": "no"}, {"refusal": "no", "stop_reason": "refusal"}),
        ({"content": "a", "reasoning": "r"}, {"reasoning": "r"}),
    ],
)
def test_decode(message: Any, expected: dict[str, Any]) -> None:
    found = PLAIN.decode(answer(message), HERE)
    assert {key: getattr(found, key) for key in expected} == expected


def test_decode_calls() -> None:
    def called(arguments: Any) -> Any:
        message = {"tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
        return PLAIN.decode(answer(message), HERE).tool_calls[0]

    assert called('{"a": 1}').arguments == {"a": 1}
    assert called({"a": 1}).arguments == {"a": 1}
    for nothing in ("", None, "null", "{}"):
        assert called(nothing).arguments == {}
        assert called(nothing).id == "call_0"
    broken = called('{"a": ')
    assert (broken.arguments, broken.raw_arguments) == (None, '{"a": ')
    assert "JSON" in broken.problem
    assert "object" in called("[1]").problem
    beside = {"tool_calls": [None, {"id": "c", "name": "g", "arguments": {"a": 1}}]}
    (flat,) = PLAIN.decode(answer(beside), HERE).tool_calls  # Cloudflare's own form
    assert (flat.id, flat.name, flat.arguments) == ("c", "g", {"a": 1})
    legacy = {"function_call": {"name": "g", "arguments": "{}"}}
    assert PLAIN.decode(answer(legacy), HERE).stop_reason == "tool_calls"


@pytest.mark.parametrize(
    ("quirks", "usage", "expected"),
    [
        (Quirks(), None, {"reported": False, "requests": 1}),
        (Quirks(), {}, {"reported": False}),
        (
            Quirks(),
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4},
            {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 4},
        ),
        (Quirks(), {"prompt_tokens": 10, "cached_tokens": 3}, {"cache_read_tokens": 3}),
        (Quirks(), {"prompt_tokens": 10, "num_cached_tokens": 3}, {"cache_read_tokens": 3}),
        (Quirks(), {"prompt_tokens": 1, "prompt_tokens_details": None}, {"input_tokens": 1}),
        (
            Quirks(reasoning_apart=True),
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "total_tokens": 8,
                "completion_tokens_details": {"reasoning_tokens": 5},
                "cost_in_usd_ticks": 12345,
            },
            {"output_tokens": 7, "reasoning_tokens": 5, "stated_cost": "0.0000012345"},
        ),
        (
            Quirks(reasoning_apart=True),
            {
                "prompt_tokens": 1,
                "completion_tokens": 7,
                "total_tokens": 8,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            {"output_tokens": 7},
        ),
        (
            Quirks(),
            {
                "prompt_tokens": 1,
                "cost": 0.25,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 0.5},
            },
            {"stated_cost": "0.75"},
        ),
        (Quirks(), {"prompt_tokens": 1, "cost": {"total_cost": 0.006}}, {"stated_cost": "0.006"}),
    ],
)
def test_usage(quirks: Quirks, usage: Any, expected: dict[str, Any]) -> None:
    found = OpenAIChat(quirks=quirks).decode(answer({"content": ""}, usage=usage), HERE).usage
    for key, value in expected.items():
        given_ = getattr(found, key)
        assert (str(given_) if key == "stated_cost" else given_) == value


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": "no"}',
        b'{"choices": [{"message": "no"}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"tool_calls": ["x"]}}]}',
    ],
)
def test_no_answer(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        PLAIN.decode(HTTPResponse(200, {}, body), HERE)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "m", "code": 429}}, errors.RateLimitError),
        ({"error": {"message": "m", "code": 502}}, errors.ServerError),
        ({"error": "Unexpected endpoint or method"}, errors.InvalidRequest),
        ({"error": {"message": "m", "type": "invalid_request_error"}}, errors.InvalidRequest),
        (
            {"error": {"message": "m", "code": "context_length_exceeded"}},
            errors.ContextWindowExceeded,
        ),
        (
            {"choices": [{"error": {"code": 502, "message": "m"}, "message": {}}]},
            errors.ServerError,
        ),
    ],
)
def test_an_error_in_a_good_answer(body: Any, expected: type[Exception]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        PLAIN.decode(HTTPResponse(200, {}, json.dumps(body).encode()), HERE)
    assert type(caught.value) is expected
    assert caught.value.status == 200


# Streams.


def stream(*chunks: Any, codec: OpenAIChat = PLAIN, end: bool = True) -> tuple[list[Any], Any]:
    body = b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks)
    return replay.fold(codec, HERE, body + (b"data: [DONE]\n\n" if end else b""))


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def part(arguments: str, name: str = "", **fields: Any) -> dict[str, Any]:
    return {**fields, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("fragments", "expected"),
    [
        # Interleaved by index, the name only in the first fragment.
        (
            [
                [part("", "f", index=0, id="a"), part("", "g", index=1, id="b")],
                [part('{"x"', index=0)],
                [part("{}", index=1)],
                [part(": 1}", index=0)],
            ],
            [("a", "f", {"x": 1}), ("b", "g", {})],
        ),
        # A name that every fragment repeats.
        (
            [[part("{", "f", index=0, id="a")], [part("}", "f", index=0, id="a")]],
            [("a", "f", {})],
        ),
        # One index for every call; fragments without an id continue the last.
        (
            [
                [part("{", "f", index=0, id="a")],
                [part("}", index=0)],
                [part("{", "g", index=0, id="b")],
                [part("}", index=0)],
            ],
            [("a", "f", {}), ("b", "g", {})],
        ),
        # No index at all, with ids, and without either.
        ([[part("{}", "f", id="a")], [part("{}", "g", id="b")]], [("a", "f", {}), ("b", "g", {})]),
        ([[part("{}", "f"), part("{}", "g")]], [("call_0", "f", {}), ("call_1", "g", {})]),
        # Arguments that come parsed.
        (
            [[{"index": 0, "function": {"name": "f", "arguments": {"x": 1}}}]],
            [("call_0", "f", {"x": 1})],
        ),
    ],
)
def test_stream_calls(fragments: list[Any], expected: list[Any]) -> None:
    _, found = stream(*(delta(tool_calls=f) for f in fragments), delta("tool_calls"))
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == expected
    assert found.stop_reason == "tool_calls"


def test_stream_keeps_what_is_echoed() -> None:
    thought = {"type": "reasoning.text", "index": 0}
    chunks = [
        delta(reasoning="a", reasoning_details=[{**thought, "text": "a"}]),
        delta(reasoning="b", reasoning_details=[{**thought, "text": "b", "signature": "s"}]),
        delta(reasoning_details=[{"type": "reasoning.encrypted", "index": 1, "data": "x"}]),
        delta("stop", content="t"),
    ]
    _, found = stream(*chunks, codec=codec_of("openrouter"))
    assert found.native.payload == {
        "reasoning": "ab",
        "reasoning_details": [
            {**thought, "text": "ab", "signature": "s"},
            {"type": "reasoning.encrypted", "index": 1, "data": "x"},
        ],
    }
    pieces = [[{"type": "thinking", "thinking": [{"type": "text", "text": t}]}] for t in "ab"]
    chunks = [*(delta(content=p) for p in pieces), delta(content="c"), delta("stop", content="d")]
    _, found = stream(*chunks, codec=codec_of("mistral"))
    assert (found.reasoning, found.text) == ("ab", "cd")
    assert found.native.payload["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]},
        {"type": "text", "text": "cd"},
    ]


def test_a_second_choice_is_not_read() -> None:
    """``extra={"n": 2}``: the answer is the choice that began, be its events like the other's."""
    other = [{"choices": [{"index": 0, "delta": {"content": t}}]} for t in "xyz"]
    ours = [{"choices": [{"index": 1, "delta": {"content": t}}]} for t in "abc"]
    mixed = [each for pair in zip(ours, other, strict=True) for each in pair]
    assert stream(*mixed, delta("stop"))[1].text == "abc"


def test_stream_usage_wherever_it_stands() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    places = [
        [delta("stop"), {"choices": [], "usage": usage}],
        [{**delta("stop"), "usage": usage}],
        [{**delta("stop"), "x_groq": {"usage": usage}}],
        [{"choices": [{"delta": {}, "finish_reason": "stop", "usage": usage}]}],
        [{**delta(content="a"), "usage": {"prompt_tokens": 3}}, {**delta("stop"), "usage": usage}],
    ]
    for chunks in places:
        _, found = stream(*chunks)
        assert (found.usage.input_tokens, found.usage.output_tokens) == (3, 2)


def test_an_error_inside_a_stream() -> None:
    failed = {**delta(), "error": {"message": "m", "code": 502}, "usage": {"prompt_tokens": 9}}
    decoder = OpenAIChatStream(HERE, Quirks())
    body = b"".join(
        b"data: " + json.dumps(c).encode() + b"\n\n" for c in (delta(content="a"), failed)
    )
    assert [d.text for d in decoder.feed(body)] == ["a"]
    for again in (lambda: decoder.feed(b""), decoder.close):
        with pytest.raises(errors.ServerError, match="502"):
            again()
    assert decoder.partial().text == "a"
    assert decoder.partial().usage.input_tokens == 9


@pytest.mark.parametrize(
    "line",
    [
        "data: {no",
        "data: []",
        'data: {"choices": [7]}',
        'data: {"choices": [{"delta": 7}]}',
        'data: {"choices": [{"delta": {"tool_calls": ["x"]}}]}',
        'data: {"choices": [{"delta": {"content": 7}}]}',
        'data: {"choices": 7}',
    ],
)
def test_no_stream(line: str) -> None:
    with pytest.raises(ProtocolError):
        PLAIN.stream_decoder(HERE).feed(line.encode() + b"\n\n")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": "Unexpected endpoint or method"}', errors.InvalidRequest),
        (b'\n {"error": {"message": "m", "code": 402}}', errors.QuotaExhausted),
        (b"<html>Sign in</html>", ProtocolError),
        (b"{", ProtocolError),
        (b"", errors.ConnectionLost),
        (b": keep-alive\n\n", errors.ConnectionLost),
    ],
)
def test_what_is_no_stream(body: bytes, expected: type[Exception]) -> None:
    for size in (0, 1):
        deltas, (kind, _) = replay.fold(PLAIN, HERE, body, size)
        assert (deltas, kind) == ([], expected)


def test_an_answer_in_one_piece() -> None:
    whole = answer({"content": "a"}, usage={"prompt_tokens": 3}).body
    for size in (0, 1):
        _, found = replay.fold(PLAIN, HERE, whole, size)
        assert (found.text, found.usage.input_tokens) == ("a", 3)


def test_moonshots_blank_lines() -> None:
    chunks = [delta(content="\n"), delta(content="\n a\n"), delta("stop", content="\nb")]
    deltas, found = stream(*chunks, codec=codec_of("moonshot"))
    assert found.text == " a\n\nb" == "".join(d.text for d in deltas)
    assert stream(*chunks)[1].text == "\n\n a\n\nb"


# Reasoning in the text.


@pytest.mark.parametrize("name", list(rows()))
def test_who_thinks_in_the_text(name: str) -> None:
    """Everybody else's text stays as it came."""
    tagged = {"openai-compatible", "groq", "huggingface", "lmstudio", "ollama"}
    found = codec_of(name).decode(answer({"content": "<think>\na\n</think>\n\nb"}), HERE)
    assert (found.text == "b" and found.reasoning == "a") is (name in tagged)


TAGGED = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<thi", "nk>", "</", "think", ">", "\n", " ", "a", "<b>"]
    )
).map("".join)


@given(TAGGED, st.lists(st.integers(0, 40)))
@example("<think>\na\n\nb\n</think>\n\nc", [1, 8, 12])
def test_think_tags_cut_anywhere(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(c for c in cuts if c < len(text)), len(text)]
    splitter = ThinkSplitter()
    found = [splitter.feed(text[a:b]) for a, b in pairwise(places)]
    found.append(splitter.close())
    thought, rest = ("".join(parts) for parts in zip(*found, strict=True))
    if text.lstrip().startswith("<think>") and "</think>" not in text.lstrip()[7:]:
        assert rest == "" and thought == text.lstrip()[7:].strip("\n")
    elif not text.lstrip().startswith("<think>"):
        assert (thought, rest) == ("", text)
    else:
        assert (thought, rest) == split_thinking(text)


def test_think_tags_in_a_stream() -> None:
    pieces = ["<th", "ink>\nwhy", "\n\nnot", "\n</thi", "nk>\n", "\nbe", "cause"]
    deltas, found = stream(
        *(delta(content=p) for p in pieces), delta("stop"), codec=codec_of("groq")
    )
    assert (found.reasoning, found.text) == ("why\n\nnot", "because")
    assert "".join(d.text for d in deltas) == "because"
    assert "".join(d.reasoning for d in deltas) == "why\n\nnot"
    _, found = stream(delta(content="<thi"), delta("length"), codec=codec_of("groq"))
    assert (found.reasoning, found.text) == ("", "<thi")


def test_an_answer_of_another_api_is_no_empty_one() -> None:
    choice = {"index": 0, "text": "Once upon a time", "finish_reason": "stop"}
    body = {"object": "text_completion", "choices": [choice]}
    with pytest.raises(ProtocolError, match="text completions API") as caught:
        PLAIN.decode(HTTPResponse(200, {}, json.dumps(body).encode()), HERE)
    assert "Once" not in str(caught.value)
