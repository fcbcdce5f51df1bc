"""Histories that providers take: calls with results, ids and names that fit, parameters whole."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.codecs.anthropic import Anthropic
from prompture.codecs.base import Codec, Endpoint
from prompture.codecs.bedrock import BedrockConverse
from prompture.codecs.cohere import Cohere
from prompture.codecs.gemini import Gemini
from prompture.codecs.histories import check_calls, close_calls, renaming, safe_names, wire_ids
from prompture.codecs.ollama import Ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.codecs.options import full_parameters
from prompture.errors import ConfigurationError
from prompture.types import Message, Request, Tool, ToolCall, system, user
from prompture.wire.http import HTTPResponse

HERE = Endpoint("here", "https://example.com/v1", "k" * 20)
CODECS: dict[str, Codec] = {
    "chat": OpenAIChat(),
    "anthropic": Anthropic(),
    "responses": OpenAIResponses(),
    "gemini": Gemini(),
    "cohere": Cohere(),
    "ollama": Ollama(),
    "bedrock": BedrockConverse(),
}
ALL = pytest.mark.parametrize("name", CODECS)


def calls(*ids: str, name: str = "f") -> Message:
    made = tuple(ToolCall(id=id, name=name, arguments={}) for id in ids)
    return Message(role="assistant", calls=made)


def result(id: str, name: str = "f") -> Message:
    return Message(role="tool", call_id=id, name=name, content="ok")


GOOD = [
    (),
    (user("a"),),
    (user("a"), calls("x", "y"), result("y"), result("x"), user("b")),
    (user("a"), calls("x"), system("s"), result("x"), calls("x"), result("x")),
    (user("a"), calls("x", "x"), result("x"), result("x")),
]
BAD = [
    ((user("a"), calls("x")), "'x'"),
    ((user("a"), calls("x", "y"), result("x")), "'y'"),
    ((user("a"), calls("x"), user("b"), result("x")), "'x'"),
    ((user("a"), calls("x"), calls("y"), result("y")), "'x'"),
    ((result("z"),), "'z'"),
    ((user("a"), calls("x"), result("x"), result("x")), "'x'"),
    ((user("a"), calls("x"), result("x"), user("b"), result("x")), "'x'"),
]


@pytest.mark.parametrize("messages", GOOD)
def test_whole_histories_pass(messages: tuple[Message, ...]) -> None:
    check_calls(messages)
    assert [m.role for m in close_calls(messages)].count("tool") == [
        m.role for m in messages
    ].count("tool")


@pytest.mark.parametrize(("messages", "id"), BAD)
def test_others_are_refused_and_can_be_closed(messages: tuple[Message, ...], id: str) -> None:
    with pytest.raises(ConfigurationError, match="close_calls") as caught:
        check_calls(messages)
    assert id in str(caught.value)
    closed = close_calls(messages)
    check_calls(closed)
    assert close_calls(closed) == closed
    assert [m for m in closed if m.role != "tool"] == [m for m in messages if m.role != "tool"]


IDS = st.lists(
    st.text(st.sampled_from("ab:_-.é"), min_size=0, max_size=50),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(st.lists(IDS, min_size=1, max_size=3), st.sampled_from(["", "a-zA-Z0-9_-"]))
def test_ids_fit_and_stay_apart(turns: list[list[str]], allowed: str) -> None:
    messages: list[Message] = []
    for ids in turns:
        messages += [calls(*ids), *(result(id) for id in reversed(ids))]
    wire = wire_ids(messages, limit=40, allowed=allowed)
    made = [known[c.id] for m, known in zip(messages, wire, strict=True) for c in m.calls]
    assert len(set(made)) == len(made)
    assert all(0 < len(id) <= 40 for id in made)
    assert not allowed or all(re.fullmatch(f"[{allowed}]+", id) for id in made)
    open_: dict[str, str] = {}
    for message, known in zip(messages, wire, strict=True):
        open_ |= {c.id: known[c.id] for c in message.calls}
        if message.role == "tool":
            assert known[message.call_id or ""] == open_[message.call_id or ""]
    fits = [id for ids in turns for id in ids]
    for id in fits:
        good = 0 < len(id) <= 40 and (not allowed or re.fullmatch(f"[{allowed}]+", id))
        assert not good or id in made


ODD = ("calendar.respond", "a b", "GET:/x", "x" * 90, "9lives", "a_b", "Wetter für", "")


def test_names_are_safe_and_stay_apart() -> None:
    request = Request(model="m", messages=(user("a"),), tools=tuple(Tool(name=n) for n in ODD))
    wire = safe_names(request)
    assert "a_b" not in wire
    sent = [wire.get(name, name) for name in ODD]
    assert len(set(sent)) == len(ODD)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name) for name in sent)


@ALL
def test_odd_names_go_out_and_come_back(name: str) -> None:
    request = Request(
        model="m",
        messages=(user("a"), calls("x", name="look.up"), result("x", "look.up")),
        tools=(Tool(name="look.up"), Tool(name="fine")),
    )
    codec = renaming(CODECS[name], request)
    sent = codec.encode(request, HERE).body.decode()
    assert "look.up" not in sent
    assert sent.count("look_up") >= 2
    assert "fine" in sent
    assert renaming(CODECS[name], Request(model="m", messages=(user("a"),))) is CODECS[name]


def test_a_call_by_the_wires_name_is_ours() -> None:
    request = Request(model="m", messages=(user("a"),), tools=(Tool(name="look.up"),))
    codec = renaming(OpenAIChat(), request)
    call: Any = {"id": "c", "function": {"name": "look_up", "arguments": "{}"}}
    whole = {"choices": [{"finish_reason": "tool_calls", "message": {"tool_calls": [call]}}]}
    found = codec.decode(HTTPResponse(200, {}, json.dumps(whole).encode()), HERE)
    assert [c.name for c in found.tool_calls] == ["look.up"]
    decoder = codec.stream_decoder(HERE)
    call["function"]["arguments"] = '{"a": 1}'
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}}]}
    deltas = decoder.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    assert [d.tool_name for d in deltas] == ["look.up"]
    assert [c.name for c in decoder.partial().tool_calls] == ["look.up"]
    decoder.feed(b"data: [DONE]\n\n")
    assert [c.name for c in decoder.close().tool_calls] == ["look.up"]


SHAPES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"type": "object", "properties": {}}),
    ({"type": "object"}, {"type": "object", "properties": {}}),
    ({"type": "object", "properties": None}, {"type": "object", "properties": {}}),
    (
        {"properties": {"type": {"type": "array"}, "items": {"type": "object"}}},
        {
            "type": "object",
            "properties": {
                "type": {"type": "array", "items": {}},
                "items": {"type": "object", "properties": {}},
            },
        },
    ),
    (
        {"type": "object", "properties": {"a": {"anyOf": [{"type": ["array", "null"]}]}}},
        {
            "type": "object",
            "properties": {"a": {"anyOf": [{"type": ["array", "null"], "items": {}}]}},
        },
    ),
    (
        {"type": "object", "properties": {"a": {"enum": [{"type": "array"}]}}},
        {"type": "object", "properties": {"a": {"enum": [{"type": "array"}]}}},
    ),
]


@pytest.mark.parametrize(("given_", "wanted"), SHAPES)
def test_parameters_are_full_parameters(given_: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert full_parameters(given_) == wanted
    assert full_parameters(wanted) == wanted


@ALL
def test_a_tool_without_parameters(name: str) -> None:
    request = Request(model="m", messages=(user("a"),), tools=(Tool(name="now", parameters={}),))
    sent = json.loads(CODECS[name].encode(request, HERE).body)
    assert '"properties": {}' in json.dumps(sent)
