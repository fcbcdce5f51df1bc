"""What every dialect's recordings are put through."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from prompture.codecs.base import Codec, Endpoint
from prompture.errors import PromptureError
from prompture.types import (
    Completion,
    Delta,
    Document,
    File,
    Image,
    Message,
    Request,
    Text,
    Tool,
    ToolCall,
    system,
    user,
)
from prompture.wire.http import HTTPResponse
from tests.recordings import Got

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def response_of(got: Got) -> HTTPResponse:
    return HTTPResponse(got.status, got.headers, got.body)


def fold(codec: Codec, endpoint: Endpoint, body: bytes, size: int = 0) -> Any:
    """The deltas and the completion (or the error's class and message) of a streamed body, fed
    whole or in pieces of ``size`` bytes."""
    decoder = codec.stream_decoder(endpoint)
    pieces = [body[i : i + size] for i in range(0, len(body), size)] if size else [body]
    deltas: list[Delta] = []
    try:
        for piece in pieces:
            deltas += decoder.feed(piece)
        completion = decoder.close()
    except PromptureError as error:
        return deltas, (type(error), str(error))
    return deltas, completion


def check_stream(
    codec: Codec, endpoint: Endpoint, body: bytes, *, calls_add_up: bool = True
) -> Any:
    """Fold the body whole and cut at every byte: both must agree, and the deltas must add up to
    the completion. Gives the completion, or what was raised."""
    deltas, whole = fold(codec, endpoint, body)
    cut_deltas, cut = fold(codec, endpoint, body, size=1)
    assert cut_deltas == deltas
    assert cut == whole
    if isinstance(whole, Completion):
        assert whole.raw == cut.raw
        assert "".join(d.text for d in deltas) == whole.text
        assert "".join(d.reasoning for d in deltas) == whole.reasoning
        if calls_add_up:
            check_calls(deltas, whole)
    return whole


def check_calls(deltas: list[Delta], whole: Completion) -> None:
    for index, call in enumerate(whole.tool_calls):
        mine = [d for d in deltas if d.tool_index == index]
        assert (mine[0].tool_id, mine[0].tool_name) == (call.id, call.name)
        arguments = "".join(d.tool_arguments for d in mine)
        if call.arguments is None:
            assert arguments == call.raw_arguments
        else:
            assert (json.loads(arguments or "{}") or {}) == call.arguments


def check_cut_off(codec: Codec, endpoint: Endpoint, body: bytes) -> Iterator[PromptureError]:
    """Streams that stop early at a few places: ``partial`` holds, ``close`` must raise."""
    for end in sorted({0, 1, len(body) // 3, len(body) // 2}):
        decoder = codec.stream_decoder(endpoint)
        try:
            decoder.feed(body[:end])
            assert isinstance(decoder.partial(), Completion)
            decoder.close()
        except PromptureError as error:
            yield error
        else:
            raise AssertionError(f"no error for a stream cut at {end} of {len(body)}")


def sse_events(body: bytes) -> Iterator[str]:
    """The data of each event: a reader of its own, so that ours is not checked with itself."""
    for block in re.split(rb"\r\n\r\n|\n\n", body):
        lines = [line[5:].strip() for line in block.splitlines() if line.startswith(b"data:")]
        if lines:
            yield b"\n".join(lines).decode()


WEATHER = Tool(
    name="get_weather",
    description="Weather of a city",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    strict=True,
)
CLOCK = Tool(name="clock")
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "tags"],
    "additionalProperties": False,
}


def call(id: str, city: str) -> ToolCall:
    return ToolCall(id=id, name="get_weather", arguments={"city": city})


def conversations() -> dict[str, tuple[Message, ...]]:
    """Every kind of turn and part."""
    pdf = b"%PDF-1.4 tiny"
    return {
        "plain": (user("hi"),),
        "system": (system("Be brief."), system("Be kind."), user("hi")),
        "turns": (user("a"), Message(role="assistant", content="b"), user("c")),
        "image": (user([Text("what?"), Image(data=PNG, detail="low")]),),
        "image url": (user([Image(url="https://example.com/a.png"), Text("what?")]),),
        "image data url": (
            user([Image(url="data:image/png;base64," + base64.b64encode(PNG).decode())]),
        ),
        "pdf": (user([File(data=pdf, name="a.pdf"), Text("sum up")]),),
        "pdf url": (user([File(url="https://example.com/a.pdf"), Text("sum up")]),),
        "file id": (user([File(id="file-1"), Text("sum up")]),),
        "text file": (user([File(data=b"words", media_type="text/plain", name="a.txt")]),),
        "document": (system("Extract."), user([Document("Ada was born in 1815.", name="bio")])),
        "parallel results": (
            user("weather?"),
            Message(role="assistant", content="", calls=(call("c1", "Rom"), call("c2", "Oslo"))),
            Message(role="tool", content="sunny", call_id="c1", name="get_weather"),
            Message(role="tool", content="no such city", call_id="c2", is_error=True),
            user("and?"),
        ),
        "foreign ids": (
            user("weather?"),
            Message(role="assistant", content="Let me see.", calls=(call("functions.x:0", "Rom"),)),
            Message(role="tool", content="", call_id="functions.x:0", name="get_weather"),
        ),
        "picture result": (
            user("look"),
            Message(role="assistant", calls=(call("c1", "Rom"),)),
            Message(role="tool", content=(Text("here"), Image(data=PNG)), call_id="c1"),
        ),
    }


def options() -> dict[str, dict[str, Any]]:
    """Every option that a request has, alone and in common combinations."""
    both = (WEATHER, CLOCK)
    return {
        "none": {},
        "tools": {"tools": both},
        "tools none": {"tools": both, "tool_choice": "none"},
        "tools required": {"tools": both, "tool_choice": "required"},
        "tools named": {"tools": both, "tool_choice": "get_weather", "parallel_tools": False},
        "tools one by one": {"tools": both, "parallel_tools": False},
        "tools at once": {"tools": both, "parallel_tools": True, "tool_choice": "auto"},
        "schema": {"schema": SCHEMA, "schema_name": "person"},
        "schema loose": {"schema": SCHEMA, "strict": False},
        "schema and tools": {"schema": SCHEMA, "tools": both},
        "json": {"json_mode": True},
        "limits": {"max_tokens": 9000, "stop": ("END", "STOP")},
        "sampling": {"temperature": 0.2},
        "default sampling": {"temperature": 1.0, "top_p": 1.0},
        "seed": {"seed": 7},
        "logprobs": {"logprobs": 3},
        "user": {"metadata": {"user_id": "u-1"}},
        "cache": {"prompt_cache": True, "tools": both},
        "cache 1h": {"prompt_cache": "1h"},
        **{
            f"reasoning {effort}": {"reasoning": effort, "max_tokens": 20000}
            for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max", 2048)
        },
        "reasoning forced": {"reasoning": "high", "tools": both, "tool_choice": "required"},
    }


def requests(model: str) -> Iterator[tuple[str, Request]]:
    """The grid for one model: each conversation bare, and each option with two of them."""
    talks = conversations()
    for name, messages in talks.items():
        tools = (WEATHER,) if "result" in name or "ids" in name else ()
        yield name, Request(model=model, messages=messages, tools=tools)
    for name, kept in options().items():
        for talk in ("document", "parallel results"):
            if talk == "parallel results" and "tools" not in kept:
                kept = {**kept, "tools": (WEATHER,)}
            yield f"{name} / {talk}", Request(model=model, messages=talks[talk], **kept)
