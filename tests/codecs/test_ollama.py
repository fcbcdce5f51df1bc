"""Ollama's native dialect: what is sent, what is read, and the real recordings."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ollama._types import ChatRequest, Options
from ollama._types import Message as SDKMessage

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.ollama import Ollama
from prompture.types import (
    Completion,
    Delta,
    Document,
    File,
    Image,
    Message,
    Native,
    Request,
    Text,
    Tool,
    ToolCall,
    system,
    user,
)
from prompture.wire.http import HTTPResponse
from tests.codecs.sdk_types import check
from tests.recordings import Case, Interaction, cases

CODEC = Ollama()
HERE = Endpoint("ollama", "http://127.0.0.1:11434")
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
SAVE = Tool(name="save", description="Save a person.", parameters=PERSON)
PNG = b"\x89PNG\r\n\x1a\n123"
CALL = ToolCall(id="c1", name="save", arguments={"name": "Ann", "age": 3})
HISTORY = (
    system("Be brief."),
    user("Save Ann, 3."),
    Message(role="assistant", calls=(CALL,), reasoning="I should save her."),
    Message(role="tool", content="saved", call_id="c1"),
    Message(role="tool", content="no disk", call_id="c1", is_error=True),
)


def ask(text: str = "hi", **settings: Any) -> Request:
    return Request(model="qwen3:4b", messages=(user(text),), **settings)


def body(request: Request, *, stream: bool = False, endpoint: Endpoint = HERE) -> Any:
    return json.loads(CODEC.encode(request, endpoint, stream=stream).body)


@pytest.mark.parametrize(
    ("settings", "key", "value"),
    [
        ({"schema": PERSON}, "format", PERSON),
        ({"json_mode": True}, "format", "json"),
        ({"reasoning": "none"}, "think", False),
        ({"reasoning": 0}, "think", False),
        ({"reasoning": "minimal"}, "think", "low"),
        ({"reasoning": "high"}, "think", "high"),
        ({"reasoning": "max"}, "think", "max"),
        ({"logprobs": 0}, "logprobs", True),
        ({"logprobs": 3}, "top_logprobs", 3),
        ({"prompt_cache": "1h"}, "keep_alive", "1h"),
        ({"extra": {"keep_alive": "-1"}}, "keep_alive", "-1"),
    ],
)
def test_what_is_asked_for_is_sent(settings: dict[str, Any], key: str, value: Any) -> None:
    assert body(ask(**settings))[key] == value


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"max_tokens": 7}, "num_predict", 7),
        ({"temperature": 0.0}, "temperature", 0.0),
        ({"top_p": 0.5}, "top_p", 0.5),
        ({"seed": 4}, "seed", 4),
        ({"stop": ("x", "y")}, "stop", ["x", "y"]),
        ({"extra": {"options": {"top_k": 3}}, "seed": 1}, "top_k", 3),
        ({"extra": {"options": {"top_k": 3}}, "seed": 1}, "seed", 1),
        ({"extra": {"options": {"num_ctx": 9}}}, "num_ctx", 9),
    ],
)
def test_options(settings: dict[str, Any], name: str, value: Any) -> None:
    assert body(ask(**settings))["options"][name] == value


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert body(ask()) == {
        "model": "qwen3:4b",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
        "options": {"num_ctx": 4096},
    }


@pytest.mark.parametrize(
    ("chars", "settings", "context"),
    [
        (10, {}, 4096),
        (6000, {}, 4096),
        (6200, {}, 8192),
        (10, {"max_tokens": 4000}, 4096),
        (10, {"max_tokens": 5000}, 8192),
        (10, {"reasoning": "high"}, 16384),
        (10, {"reasoning": "none"}, 4096),
        (90_000, {}, 32768),
        (93_000, {}, 65536),
        (300_000, {}, 131072),
        (3_000_000, {}, 1_015_808),
    ],
)
def test_the_context_holds_prompt_and_answer(
    chars: int, settings: dict[str, Any], context: int
) -> None:
    assert body(ask("x" * chars, **settings))["options"]["num_ctx"] == context


def test_everything_sent_counts_for_the_context() -> None:
    picture = Request(model="m", messages=(user([Image(data=PNG)] * 4),))
    assert body(picture)["options"]["num_ctx"] == 16384
    tools = ask(tools=(replace(SAVE, description="x" * 30_000),))
    assert body(tools)["options"]["num_ctx"] == 16384
    history = Message(role="assistant", calls=(replace(CALL, arguments={"name": "x" * 30_000}),))
    assert body(Request(model="m", messages=(history,)))["options"]["num_ctx"] == 16384


def test_the_least_context_is_a_setting() -> None:
    set_to = Endpoint("ollama", HERE.base_url, options={"num_ctx": "20000"})
    assert body(ask(), endpoint=set_to)["options"]["num_ctx"] == 20000
    assert body(ask("x" * 90_000), endpoint=set_to)["options"]["num_ctx"] == 32768
    bad = Endpoint("ollama", HERE.base_url, options={"num_ctx": "8k"})
    with pytest.raises(errors.ConfigurationError, match="num_ctx"):
        body(ask(), endpoint=bad)


@pytest.mark.parametrize(
    "settings",
    [
        {"tools": (SAVE,), "tool_choice": "required"},
        {"tools": (SAVE,), "tool_choice": "save"},
        {"tools": (SAVE,), "parallel_tools": False},
        {"tools": (SAVE,), "schema": PERSON},
        {"tools": (SAVE,), "json_mode": True},
        {"metadata": {"a": "b"}},
        {"reasoning": 2000},
        {"reasoning": "much"},
    ],
)
def test_what_cannot_be_done_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(errors.UnsupportedError, match=r"ollama|qwen3:4b"):
        body(ask(**settings))


@pytest.mark.parametrize(
    "part", [Image(url="https://example.org/a.png"), File(data=b"%PDF"), File(id="f")]
)
def test_parts_it_cannot_take(part: Any) -> None:
    with pytest.raises(errors.UnsupportedError):
        body(Request(model="m", messages=(user([Text("see"), part]),)))


def test_what_the_bytes_show_counts() -> None:
    """As in every other dialect: a picture that is called a PDF is a picture, and the other way."""
    picture = File(data=b"\x89PNG\r\n\x1a\n-pixels", media_type="application/pdf")
    sent = body(Request(model="m", messages=(user([Text("see"), picture]),)))
    assert sent["messages"][0]["images"] == [base64.b64encode(picture.data or b"").decode()]
    with pytest.raises(errors.UnsupportedError, match="takes no files"):
        body(Request(model="m", messages=(user([File(data=b"%PDF-", media_type="image/png")]),)))


def test_a_history_of_turns() -> None:
    sent = body(Request(model="m", messages=HISTORY, tools=(SAVE,)))["messages"]
    assert sent == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Save Ann, 3."},
        {
            "role": "assistant",
            "content": "",
            "thinking": "I should save her.",
            "tool_calls": [{"function": {"name": "save", "arguments": {"name": "Ann", "age": 3}}}],
        },
        {"role": "tool", "content": "saved", "tool_name": "save"},
        {"role": "tool", "content": "Error: no disk", "tool_name": "save"},
    ]


def test_images_go_beside_the_text() -> None:
    encoded = base64.b64encode(PNG).decode()
    parts = [
        Text("What is it?"),
        Image(data=PNG),
        Document("A page."),
        Image(url=f"data:image/png;base64,{encoded}"),
    ]
    sent = body(Request(model="m", messages=(user(parts),)))["messages"][0]
    assert sent["content"] == "What is it?\n\nA page."
    assert sent["images"] == [encoded, encoded]


def test_no_tools_where_none_may_be_called() -> None:
    assert "tools" not in body(ask(tools=(SAVE,), tool_choice="none"))
    assert "format" in body(ask(tools=(SAVE,), tool_choice="none", schema=PERSON))


def test_another_providers_thoughts_are_not_sent() -> None:
    turn = Message(role="assistant", content="x", reasoning="y", native=Native("gemini", {}))
    assert body(Request(model="m", messages=(turn,)))["messages"] == [
        {"role": "assistant", "content": "x"}
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"schema": PERSON}, "valid under this JSON Schema"),
        ({"json_mode": True}, "JSON object"),
    ],
)
def test_a_format_is_said_in_words_too(settings: dict[str, Any], told: str) -> None:
    for messages in ((user("hi"),), (system("Be brief."), user("hi"))):
        request = Request(model="m", messages=messages, **settings)
        first, *rest = body(request)["messages"]
        assert first["role"] == "system" and told in first["content"]
        assert first["content"].startswith("Be brief.") is (messages[0].role == "system")
        assert [m["role"] for m in rest] == ["user"]


def test_json_that_is_talked_of_already_is_not_again() -> None:
    assert len(body(ask("Give me JSON.", json_mode=True))["messages"]) == 1


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/api/chat"),
        ("127.0.0.1", "http://127.0.0.1:11434/api/chat"),
        ("box:8080", "http://box:8080/api/chat"),
        ("0.0.0.0", "http://127.0.0.1:11434/api/chat"),
        ("http://0.0.0.0:1234/v1", "http://127.0.0.1:1234/api/chat"),
        ("[::1]", "http://[::1]:11434/api/chat"),
        ("[::1]:99", "http://[::1]:99/api/chat"),
        ("https://ollama.com/api", "https://ollama.com/api/chat"),
        ("https://proxy.example/ollama", "https://proxy.example/ollama/api/chat"),
        ("http://h:1/api/chat", "http://h:1/api/chat"),
    ],
)
def test_base_urls_as_people_write_them(base: str, url: str) -> None:
    endpoint = Endpoint("ollama", base, "k", {"x-a": "b"})
    sent = CODEC.encode(ask(), endpoint)
    assert sent.url == url
    assert sent.headers["authorization"] == "Bearer k" and sent.headers["x-a"] == "b"
    assert CODEC.models_request(endpoint).url == url.removesuffix("chat") + "tags"


NODE = {"properties": {"next": {"$ref": "#/$defs/Node"}}, "type": "object"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"type": "string", "title": "A"}, {"type": "string"}),
        ({"const": "x"}, {"enum": ["x"]}),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
            {"type": ["string", "null"], "description": "d"},
        ),
        (
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"type": "integer", "minimum": 3, "description": "Years."},
            {"type": "integer", "description": 'Years. (JSON Schema: {"minimum": 3})'},
        ),
        ({"$ref": "#/$defs/Size", "description": "d"}, {"enum": ["S", "L"], "description": "d"}),
        (
            {"type": "array", "items": {"$ref": "#/$defs/Size"}},
            {"type": "array", "items": {"enum": ["S", "L"]}},
        ),
        (
            {"$ref": "#/$defs/Node"},
            {
                "type": "object",
                "description": '(JSON Schema: {"properties": {"next": {"type": "object",'
                ' "description": "another Node"}}})',
            },
        ),
        (True, {}),
    ],
)
def test_tool_parameters_in_the_servers_words(given: Any, sent: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"p": given},
        "required": ["p"],
        "$defs": {"Size": {"enum": ["S", "L"]}, "Node": NODE},
    }
    function = body(ask(tools=(Tool(name="t", parameters=schema),)))["tools"][0]["function"]
    assert function == {
        "name": "t",
        "parameters": {"type": "object", "properties": {"p": sent}, "required": ["p"]},
    }


def test_what_a_tools_root_says_goes_to_its_description() -> None:
    tool = Tool(
        name="t", description="Do.", parameters={**PERSON, "description": "A.", "minProperties": 1}
    )
    function = body(ask(tools=(tool,)))["tools"][0]["function"]
    assert function["description"] == 'Do.\nA. (JSON Schema: {"minProperties": 1})'


GRID: list[Request] = [
    ask(**settings)
    for settings in (
        {},
        {"schema": PERSON},
        {"json_mode": True},
        {"tools": (SAVE,), "tool_choice": "auto", "parallel_tools": True},
        {"max_tokens": 5, "temperature": 0.1, "top_p": 0.9, "seed": 1, "stop": ("x",)},
        {"reasoning": "none", "logprobs": 2, "prompt_cache": "5m"},
        {"reasoning": "max", "logprobs": 0, "prompt_cache": True},
    )
] + [
    Request(model="m", messages=HISTORY, tools=(SAVE,)),
    Request(model="m", messages=(user([Text("a"), Image(data=PNG)]),)),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("request_", GRID)
def test_the_sdks_own_types_take_it(request_: Request, stream: bool) -> None:
    sent = body(request_, stream=stream)
    assert sent["stream"] is stream
    problems = check(sent | {"messages": []}, ChatRequest)
    problems += [p for m in sent["messages"] for p in check(_sdk(m), SDKMessage)]
    assert problems + check(sent["options"], Options) == []
    assert ChatRequest.model_validate(sent).model_dump(exclude_none=True)["model"]


def _sdk(message: dict[str, Any]) -> dict[str, Any]:
    """The SDK wraps each image in an object that it writes as the plain base64 text."""
    if "images" not in message:
        return message
    return {**message, "images": [{"value": image} for image in message["images"]]}


def answer(content: Any, status: int = 200) -> HTTPResponse:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HTTPResponse(status, {"content-type": "application/json"}, raw)


WHOLE = {
    "model": "m",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": "Hello", "thinking": "Hm."},
    "done": True,
    "done_reason": "stop",
    "total_duration": 9,
    "prompt_eval_count": 12,
    "eval_count": 4,
}
CALLING = {"function": {"name": "save", "arguments": {"name": "Ann"}}}


def test_a_whole_answer() -> None:
    got = CODEC.decode(answer({**WHOLE, "logprobs": [{"token": "H", "logprob": -0.1}]}), HERE)
    assert (got.text, got.reasoning, got.stop_reason, got.model) == ("Hello", "Hm.", "stop", "m")
    usage = got.usage
    assert (usage.input_tokens, usage.output_tokens, usage.requests) == (12, 4, 1)
    assert usage.reported and usage.raw["total_duration"] == 9
    assert got.logprobs[0]["token"] == "H"
    again = body(Request(model="m", messages=(got.message(),)))["messages"][0]
    assert again == {"role": "assistant", "content": "Hello", "thinking": "Hm."}


@pytest.mark.parametrize(
    ("reason", "calls", "stop"),
    [
        ("stop", [], "stop"),
        ("stop", [CALLING], "tool_calls"),
        (None, [CALLING], "tool_calls"),
        ("length", [], "length"),
        ("length", [CALLING], "length"),
        (None, [], "stop"),
        ("load", [], "unknown"),
    ],
)
def test_stop_reasons(reason: str | None, calls: list[Any], stop: str) -> None:
    message = {"role": "assistant", "content": "", "tool_calls": calls}
    got = CODEC.decode(answer({**WHOLE, "message": message, "done_reason": reason}), HERE)
    assert got.stop_reason == stop and got.raw_stop == reason


def test_tool_calls_get_ids_that_are_their_own_and_stay_the_same() -> None:
    with_id = {**CALLING, "id": "call_x"}
    message = {"role": "assistant", "content": "", "tool_calls": [CALLING, CALLING, with_id]}
    first, second = (CODEC.decode(answer({**WHOLE, "message": message}), HERE) for _ in "ab")
    ids = [c.id for c in first.tool_calls]
    assert ids == [c.id for c in second.tool_calls]
    assert len(set(ids)) == 3 and ids[2] == "call_x"
    assert first.tool_calls[0].arguments == {"name": "Ann"}
    later = {**WHOLE, "message": message, "created_at": "2026-01-01T00:00:01Z"}
    assert CODEC.decode(answer(later), HERE).tool_calls[0].id != ids[0]


def test_usage_that_is_not_there_is_not_reported() -> None:
    bare = {k: v for k, v in WHOLE.items() if not k.endswith("count")}
    assert not CODEC.decode(answer(bare), HERE).usage.reported
    cached = {k: v for k, v in WHOLE.items() if k != "prompt_eval_count"}
    usage = CODEC.decode(answer(cached), HERE).usage
    assert usage.reported and (usage.input_tokens, usage.output_tokens) == (0, 4)


@pytest.mark.parametrize(
    ("status", "message", "cls", "retryable"),
    [
        (404, "model 'x' not found", errors.ModelNotFound, False),
        (400, "registry.ollama.ai/library/x does not support tools", errors.InvalidRequest, False),
        (400, '"x" does not support thinking', errors.InvalidRequest, False),
        (401, "unauthorized", errors.AuthenticationError, False),
        (429, "too many concurrent requests", errors.RateLimitError, True),
        (500, "llama runner process has terminated", errors.ServerError, True),
        (500, "model requires more system memory (9 GiB) than", errors.ServerError, False),
        (500, "failed to process inputs: image: unknown format", errors.ServerError, False),
        (503, "server busy, please try again", errors.Overloaded, True),
        (200, "an error was encountered while running the model", errors.ServerError, True),
        (200, "model 'x' not found, try pulling it first", errors.ModelNotFound, False),
        (200, "server busy", errors.Overloaded, True),
        (400, "the input length exceeds the context length", errors.ContextWindowExceeded, False),
    ],
)
def test_errors(status: int, message: str, cls: type[Exception], retryable: bool) -> None:
    response = answer({"error": message}, status)
    if status == 200:
        with pytest.raises(errors.ProviderError) as caught:
            CODEC.decode(response, HERE)
        error = caught.value
        with pytest.raises(cls):
            CODEC.stream_decoder(HERE).feed(response.body + b"\n")
    else:
        error = CODEC.read_error(response, HERE)
    assert type(error) is cls and error.retryable is retryable
    assert message in str(error) and error.status == status


@pytest.mark.parametrize(
    "content", [b"<html>", [], {"done": False}, {**WHOLE, "message": {"tool_calls": ["x"]}}]
)
def test_what_is_no_answer(content: Any) -> None:
    with pytest.raises(errors.ProtocolError):
        CODEC.decode(answer(content), HERE)


def lines(*bodies: Any) -> bytes:
    return b"".join(json.dumps(b).encode() + b"\n" for b in bodies)


@pytest.mark.parametrize("bad", [{"error": "boom"}, ["x"]])
def test_an_error_inside_a_stream_has_what_came_before(bad: Any) -> None:
    first = {"model": "m", "message": {"role": "assistant", "content": "Hel"}, "done": False}
    cls = errors.ServerError if isinstance(bad, dict) else errors.ProtocolError
    together = CODEC.stream_decoder(HERE)
    assert together.feed(lines(first, bad)) == [Delta(text="Hel")]
    apart = CODEC.stream_decoder(HERE)
    apart.feed(lines(first))
    for again in (lambda: together.feed(b""), together.close, lambda: apart.feed(lines(bad))):
        with pytest.raises(cls) as caught:
            again()
        assert caught.value.partial and caught.value.partial.text == "Hel"


def test_a_stream_cut_anywhere_says_so() -> None:
    first = {"model": "m", "message": {"role": "assistant", "content": "Hel"}, "done": False}
    raw = lines(first, {**WHOLE, "message": {"role": "assistant", "content": "lo"}})
    for end in range(len(raw) - 1):
        decoder = CODEC.stream_decoder(HERE)
        decoder.feed(raw[:end])
        with pytest.raises(errors.ConnectionLost):
            decoder.close()
    complete = CODEC.stream_decoder(HERE)
    complete.feed(raw[:-1])
    assert complete.close().text == "Hello"


@pytest.mark.parametrize("cut", [0, 1])
def test_a_stream_that_ends_early(cut: int) -> None:
    decoder = CODEC.stream_decoder(HERE)
    first = {"model": "m", "message": {"role": "assistant", "content": "Hel"}, "done": False}
    decoder.feed(lines(first)[: None if cut else 0])
    with pytest.raises(errors.ConnectionLost) as caught:
        decoder.close()
    partial = caught.value.partial
    assert partial and (partial.text, partial.stop_reason) == ("Hel" * cut, "unknown")


def test_models() -> None:
    rows = [
        {"name": "a", "model": "a:1b", "modified_at": "2026-01-01T00:00:00.123456789+02:00"},
        {"name": "b", "modified_at": "long ago", "details": {"context_length": 99}},
    ]
    models, page = CODEC.read_models(answer({"models": rows}))
    assert [(m.id, m.created, m.context_tokens) for m in models] == [
        ("a:1b", 1767218400, None),
        ("b", None, 99),
    ]
    assert page is None
    with pytest.raises(errors.ProtocolError):
        CODEC.read_models(answer({"data": []}))


# The recordings: an independent reader says what the raw bodies hold.

NATIVE = [c for c in cases(provider="ollama") if c.endpoint.startswith("/api/")]


def expected(raw: bytes) -> dict[str, Any]:
    """Text, thoughts, calls and counts of a body, whole or in lines, by plain addition."""
    text = thinking = ""
    calls: list[Any] = []
    counts: dict[str, Any] = {}
    rows = [json.loads(line) for line in raw.decode().split("\n") if line.strip()]
    for row in rows:
        message = row.get("message") or {"content": row.get("response") or ""}
        text += message["content"]
        thinking += message.get("thinking") or ""
        for call in message.get("tool_calls") or []:
            calls.append((call["function"]["name"], call["function"]["arguments"]))
        counts = row
    return {
        "text": text,
        "reasoning": thinking,
        "calls": calls,
        "in": counts.get("prompt_eval_count", 0),
        "out": counts["eval_count"],
        "raw_stop": counts["done_reason"],
        "stop": "tool_calls" if calls else counts["done_reason"],
        "model": counts["model"],
    }


def seen(got: Completion) -> dict[str, Any]:
    return {
        "text": got.text,
        "reasoning": got.reasoning,
        "calls": [(c.name, c.arguments) for c in got.tool_calls],
        "in": got.usage.input_tokens,
        "out": got.usage.output_tokens,
        "raw_stop": got.raw_stop,
        "stop": got.stop_reason,
        "model": got.model,
    }


def fold(deltas: list[Delta]) -> dict[str, Any]:
    calls: dict[int, list[str]] = {}
    for d in deltas:
        if d.tool_index is not None:
            call = calls.setdefault(d.tool_index, [d.tool_name, ""])
            call[1] += d.tool_arguments
    return {
        "text": "".join(d.text for d in deltas),
        "reasoning": "".join(d.reasoning for d in deltas),
        "calls": [(name, json.loads(raw)) for name, raw in calls.values()],
    }


def play(raw: bytes, size: int) -> tuple[list[Delta], Completion]:
    decoder = CODEC.stream_decoder(HERE)
    deltas = [d for i in range(0, len(raw), size) for d in decoder.feed(raw[i : i + size])]
    return deltas, decoder.close()


def check_recorded(case: Case, exchange: Interaction) -> None:
    response = exchange.response
    if response.status >= 400:
        error = CODEC.read_error(
            HTTPResponse(response.status, response.headers, response.body), HERE
        )
        assert type(error) is errors.ServerError and not error.retryable
        return
    want = expected(response.body)
    if not exchange.request.json().get("stream", True):
        whole = HTTPResponse(response.status, response.headers, response.body)
        assert seen(CODEC.decode(whole, HERE)) == want
        return
    for size in (1, 1 << 30):
        deltas, got = play(response.body, size)
        assert seen(got) == want
        assert fold(deltas) == {k: want[k] for k in ("text", "reasoning", "calls")}


@pytest.mark.skipif(not NATIVE, reason="needs ../shared/recordings")
def test_enough_recordings_are_there() -> None:
    assert len(NATIVE) >= 80


@pytest.mark.parametrize("case", NATIVE, ids=str)
def test_recording(case: Case) -> None:
    for exchange in case.interactions:
        check_recorded(case, exchange)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(max_size=5), st.text(max_size=5), st.booleans()), min_size=1, max_size=6
    ),
    st.integers(1, 9),
)
def test_any_stream_is_folded_the_same_wherever_it_is_cut(
    pieces: list[tuple[str, str, bool]], size: int
) -> None:
    rows: list[dict[str, Any]] = []
    for text, thinking, call in pieces:
        message: dict[str, Any] = {"role": "assistant", "content": text, "thinking": thinking}
        if call:
            message["tool_calls"] = [CALLING]
        rows.append({"model": "m", "message": message, "done": False})
    rows.append({**WHOLE, "message": {"role": "assistant", "content": ""}})
    raw = json.dumps(rows[0], ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    raw += lines(*rows[1:])
    want = expected(raw)
    deltas, got = play(raw, size)
    assert seen(got) == want
    assert fold(deltas) == {k: want[k] for k in ("text", "reasoning", "calls")}


def test_a_text_that_is_none() -> None:
    def read(content: Any) -> str:
        body = json.dumps({"message": {"content": content}, "done": True}).encode()
        endpoint = Endpoint("ollama", "http://localhost:11434")
        return Ollama().decode(HTTPResponse(200, {}, body), endpoint).text

    assert (read(None), read({"a": 1})) == ("", '{"a": 1}')
    with pytest.raises(errors.ProtocolError, match="a number"):
        read(5)
