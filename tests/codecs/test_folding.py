"""What every stream decoder does alike, in all seven dialects, however the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from prompture.codecs.anthropic import Anthropic
from prompture.codecs.base import Codec, Endpoint
from prompture.codecs.bedrock import BedrockConverse
from prompture.codecs.cohere import Cohere
from prompture.codecs.gemini import Gemini
from prompture.codecs.ollama import Ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.errors import ConnectionLost, PromptureError, ProtocolError, ProviderError
from prompture.types import Completion, Delta, Message, Request, user
from prompture.wire.aws import encode_message
from prompture.wire.http import HTTPResponse

HERE = Endpoint("here", "https://example.com/v1", "sk-Zq7xv9PL2mN4abcdef")


def sse(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def line(event: Any) -> bytes:
    return json.dumps(event).encode() + b"\n"


def frame(kind: str, event: Any, message: str = "event") -> bytes:
    names = {":message-type": message, f":{message}-type": kind}
    return encode_message(names, json.dumps(event).encode())


def claude(text: str) -> bytes:
    return sse(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    ) + sse(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text},
        }
    )


def response(status: str, text: str) -> dict[str, Any]:
    said = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "role": "assistant", "content": [said]}
    return {"id": "r", "object": "response", "status": status, "model": "m", "output": [item]}


CHAT_STOP = {"choices": [{"index": 0, "finish_reason": "stop", "delta": {}}]}
ERROR = {"error": {"message": "Overloaded", "type": "overloaded_error"}}


class Dialect:
    """How a dialect says a text, an error and its end, streamed and in one piece."""

    def __init__(
        self, codec: Codec, text: Callable[[str], bytes], error: bytes, end: bytes, whole: Any
    ) -> None:
        self.codec, self.text, self.error, self.end, self.whole = codec, text, error, end, whole


DIALECTS = {
    "chat": Dialect(
        OpenAIChat(),
        lambda t: sse({"choices": [{"index": 0, "delta": {"content": t}}]}),
        sse(ERROR),
        sse(CHAT_STOP) + b"data: [DONE]\n\n",
        {"choices": [{"finish_reason": "stop", "message": {"content": "ok"}}]},
    ),
    "anthropic": Dialect(
        Anthropic(),
        claude,
        sse({"type": "error", **ERROR}),
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
        + sse({"type": "message_stop"}),
        {"type": "message", "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"},
    ),
    "responses": Dialect(
        OpenAIResponses(),
        lambda t: sse({"type": "response.output_text.delta", "output_index": 0, "delta": t}),
        sse({"type": "error", **ERROR}),
        sse({"type": "response.completed", "response": response("completed", "ok")}),
        response("completed", "ok"),
    ),
    "gemini": Dialect(
        Gemini(),
        lambda t: sse({"candidates": [{"content": {"parts": [{"text": t}]}}]}),
        sse({"error": {"message": "Overloaded", "status": "UNAVAILABLE", "code": 503}}),
        sse({"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]}),
        {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]},
    ),
    "cohere": Dialect(
        Cohere(),
        lambda t: sse(
            {
                "type": "content-delta",
                "index": 0,
                "delta": {"message": {"content": {"text": t}}},
            }
        ),
        sse({"message": "Overloaded"}),
        sse({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
        {"message": {"content": [{"type": "text", "text": "ok"}]}, "finish_reason": "COMPLETE"},
    ),
    "ollama": Dialect(
        Ollama(),
        lambda t: line({"message": {"content": t}, "done": False}),
        line({"error": "Overloaded"}),
        line({"message": {"content": ""}, "done": True, "done_reason": "stop"}),
        {"message": {"content": "ok"}, "done": True, "done_reason": "stop"},
    ),
    "bedrock": Dialect(
        BedrockConverse(),
        lambda t: frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": t}}),
        frame("modelStreamErrorException", {"message": "Overloaded"}, "exception"),
        frame("messageStop", {"stopReason": "end_turn"}),
        {"output": {"message": {"content": [{"text": "ok"}]}}, "stopReason": "end_turn"},
    ),
}
ALL = pytest.mark.parametrize("name", DIALECTS)
Folded = tuple[list[Delta], Completion | PromptureError]


def fold(codec: Codec, body: bytes, size: int) -> Folded:
    decoder = codec.stream_decoder(HERE)
    deltas: list[Delta] = []
    try:
        for at in range(0, len(body), size):
            deltas += decoder.feed(body[at : at + size])
        return deltas, decoder.close()
    except PromptureError as error:
        with pytest.raises(type(error)):  # it stays so
            decoder.close()
        return deltas, error


def cuts(codec: Codec, body: bytes) -> list[Folded]:
    return [fold(codec, body, size) for size in (1, 7, 64, len(body) or 1)]


@ALL
def test_what_came_before_an_error_is_told(name: str) -> None:
    case = DIALECTS[name]
    for deltas, error in cuts(case.codec, case.text("a") + case.text("b") + case.error + case.end):
        assert "".join(d.text for d in deltas) == "ab"
        assert isinstance(error, ProviderError)
        assert "Overloaded" in str(error)
        assert error.partial is not None
        assert error.partial.text == "ab"
        assert error.partial.stop_reason == "unknown"


@ALL
def test_an_error_alone_has_no_partial_answer(name: str) -> None:
    case = DIALECTS[name]
    for deltas, error in cuts(case.codec, case.error):
        assert deltas == []
        assert isinstance(error, ProviderError)
        assert error.partial is None


@ALL
def test_a_stream_that_is_cut_off_is_lost(name: str) -> None:
    case = DIALECTS[name]
    body = case.text("a") + case.text("b")
    for size in (1, len(body)):
        for end in (len(body), len(body) - 3):
            _, error = fold(case.codec, body[:end], size)
            assert isinstance(error, ConnectionLost)
            assert error.partial is not None
            assert error.partial.text == ("ab" if end == len(body) else "a")
    _, error = fold(case.codec, b"", 1)
    assert isinstance(error, ConnectionLost)


@ALL
def test_a_good_end(name: str) -> None:
    case = DIALECTS[name]
    for deltas, found in cuts(case.codec, case.text("o") + case.text("k") + case.end):
        assert isinstance(found, Completion)
        assert (found.text, found.stop_reason) == ("ok", "stop")
        assert "".join(d.text for d in deltas) == "ok"


@ALL
def test_an_answer_or_an_error_in_one_piece(name: str) -> None:
    case = DIALECTS[name]
    for before in (b"", b"\n ", b"\xef\xbb\xbf"):
        for _, found in cuts(case.codec, before + json.dumps(case.whole).encode()):
            assert isinstance(found, Completion)
            assert (found.text, found.stop_reason) == ("ok", "stop")
    bad = {"error": "Overloaded"} if name != "bedrock" else {"message": "Overloaded"}
    for _, error in cuts(case.codec, json.dumps(bad).encode()):
        assert isinstance(error, ProviderError)
        assert "Overloaded" in str(error)


@ALL
def test_a_page_for_a_stream_is_said_to_be_one(name: str) -> None:
    key = HERE.api_key
    for _, error in cuts(DIALECTS[name].codec, f"<html>Sign in, {key}</html>".encode()):
        assert isinstance(error, ProtocolError)
        assert "Sign in" in str(error)
        assert key not in str(error)


@pytest.mark.parametrize("name", ["chat", "anthropic", "responses", "cohere"])
def test_words_for_a_stream_are_said(name: str) -> None:
    for _, error in cuts(DIALECTS[name].codec, b"upstream connect error or disconnect"):
        assert isinstance(error, ProtocolError)
        assert "upstream connect error" in str(error)


@pytest.mark.parametrize("name", ["chat", "anthropic", "responses", "gemini", "cohere"])
@pytest.mark.parametrize(
    "odd",
    [
        b"data:\n\n",
        b"data: \n\n",
        b": keep-alive\n\n",
        b"event: ping\n\n",
        b"id: 1\n\n",
        b"\n\n\n",
        b"data: null\n\n",
    ],
)
def test_frames_with_nothing_in_them(name: str, odd: bytes) -> None:
    case = DIALECTS[name]
    body = odd + case.text("o") + odd + case.text("k") + odd + case.end + odd
    for ends in (b"\n", b"\r\n", b"\r"):
        for _, found in cuts(case.codec, body.replace(b"\n", ends)):
            assert isinstance(found, Completion), found
            assert found.text == "ok"


@pytest.mark.parametrize("name", ["chat", "anthropic", "responses", "cohere"])
def test_events_without_a_blank_line_between_them(name: str) -> None:
    case = DIALECTS[name]
    body = (case.text("o") + case.text("k") + case.end).replace(b"\n\n", b"\n")
    for _, found in cuts(case.codec, body + b"\n"):
        assert isinstance(found, Completion), found
        assert found.text == "ok"


@ALL
def test_half_a_character_waits_for_its_other_half(name: str) -> None:
    case = DIALECTS[name]
    for deltas, found in cuts(
        case.codec, case.text("o") + case.text("\ud83d") + case.text("\ude00\ud83d") + case.end
    ):
        assert isinstance(found, Completion)
        if name != "responses":  # its last event says the text again
            assert found.text == "o\U0001f600\ufffd"
        told = "".join(d.text for d in deltas)
        assert told == "o\U0001f600"
        found.text.encode()
        json.dumps(found.native.payload if found.native else "", ensure_ascii=False).encode()


def test_an_error_that_only_the_events_name_tells() -> None:
    for said in (b'{"message": "Overloaded"}', b"Overloaded"):
        body = DIALECTS["chat"].text("a") + b"event: error\ndata: " + said + b"\n\n"
        for deltas, error in cuts(OpenAIChat(), body):
            assert [d.text for d in deltas] == ["a"]
            assert isinstance(error, ProviderError)
            assert "Overloaded" in str(error)
    vllm = sse({"object": "error", "message": "Overloaded", "type": "X", "code": 400})
    for _, error in cuts(OpenAIChat(), vllm):
        assert isinstance(error, ProviderError)


def test_an_end_without_an_answer_is_none() -> None:
    role = sse({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    for body in (b"data: [DONE]\n\n", role + b"data: [DONE]\n\n"):
        for _, error in cuts(OpenAIChat(), body):
            assert isinstance(error, ProtocolError)
            assert "without an answer" in str(error)


def test_thoughts_without_their_opening_tag() -> None:
    codec = OpenAIChat(quirks=Quirks(think_tags=True))
    case = DIALECTS["chat"]
    body = case.text("why\n</thi") + case.text("nk>\n\n{}") + case.end
    for _, found in cuts(codec, body):
        assert isinstance(found, Completion)
        assert (found.reasoning, found.text) == ("why", "{}")
    quoted = '{"tag": "</think>"}'
    _, found = fold(codec, case.text(quoted) + case.end, 64)
    assert isinstance(found, Completion)
    assert found.text == quoted


def test_the_one_choice_has_whatever_index() -> None:
    chunks = [
        {"choices": [{"index": 1, "delta": {"content": "o"}, "finish_reason": "stop"}]},
        {"choices": [{"index": 1, "delta": {"content": "k"}, "finish_reason": "stop"}]},
    ]
    for deltas, found in cuts(OpenAIChat(), b"".join(map(sse, chunks))):
        assert isinstance(found, Completion)
        assert found.text == "".join(d.text for d in deltas) == "ok"


def test_custom_tools() -> None:
    """Their free text is the field ``input``, and they go back as what they are."""
    piece = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": "select"}}
    chunks = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]},
        {
            "choices": [
                {"index": 0, "delta": {"tool_calls": [{"index": 0, "custom": {"input": " 1"}}]}}
            ]
        },
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    custom = {"name": "sql", "input": "select 1"}
    call = {"id": "c", "type": "custom", "custom": custom}
    whole = {"choices": [{"finish_reason": "tool_calls", "message": {"tool_calls": [call]}}]}
    streamed = [found for _, found in cuts(OpenAIChat(), b"".join(map(sse, chunks)))]
    for found in (*streamed, OpenAIChat().decode(answer(whole), HERE)):
        assert isinstance(found, Completion)
        made = found.tool_calls[0]
        assert (made.id, made.name, made.arguments) == ("c", "sql", {"input": "select 1"})
        sent = sent_back(OpenAIChat(), found)["messages"]
        assert sent[1]["tool_calls"] == [call]
        assert sent[2]["tool_call_id"] == "c"
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", **custom}
    body = {**response("completed", ""), "output": [item]}
    events = sse({"type": "response.completed", "response": body})
    streamed = [found for _, found in cuts(OpenAIResponses(), events)]
    for found in (*streamed, OpenAIResponses().decode(answer(body), HERE)):
        assert isinstance(found, Completion)
        assert found.stop_reason == "tool_calls"
        assert found.tool_calls[0].arguments == {"input": "select 1"}
        items = sent_back(OpenAIResponses(), found)["input"]
        assert items[1] == item
        assert (items[2]["type"], items[2]["call_id"]) == ("custom_tool_call_output", "c")


def answer(body: Any) -> HTTPResponse:
    return HTTPResponse(200, {"content-type": "application/json"}, json.dumps(body).encode())


def sent_back(codec: Codec, found: Completion) -> Any:
    call = found.tool_calls[0]
    result = Message(role="tool", call_id=call.id, name=call.name, content="1")
    request = Request(model="m", messages=(user("q"), found.message(), result))
    return json.loads(codec.encode(request, HERE).body)


def test_frames_that_a_proxy_made_of_frames() -> None:
    case = DIALECTS["chat"]
    body = (case.text("o") + case.text("k") + case.end).replace(b"data: ", b"data: data: ")
    for _, found in cuts(OpenAIChat(), body):
        assert isinstance(found, Completion), found
        assert found.text == "ok"


def test_an_error_in_a_list() -> None:
    for body in (case := DIALECTS["chat"]).text("a") + sse([ERROR]), json.dumps([ERROR]).encode():
        for _, error in cuts(case.codec, body):
            assert isinstance(error, ProviderError)
            assert "Overloaded" in str(error)


def test_progress_is_no_error() -> None:
    case = DIALECTS["chat"]
    for odd in ({"type": "ping", "message": "alive"}, {"status": "queued", "message": "wait"}):
        for _, found in cuts(OpenAIChat(), sse(odd) + case.text("ok") + case.end):
            assert isinstance(found, Completion), found
