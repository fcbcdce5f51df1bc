"""What a request holds is on the wire of every row and codec, or refused: never left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from prompture.codecs.base import Codec, Endpoint
from prompture.drivers import registry
from prompture.errors import UnsupportedError
from prompture.types import (
    Document,
    File,
    Image,
    Message,
    Part,
    Request,
    Text,
    Tool,
    ToolCall,
    system,
    user,
)

TOOL = Tool(
    name="look_up",
    description="Looks a word up.",
    parameters={
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    },
)
OTHER = Tool(name="other", description="Does nothing.")
CALL = ToolCall(id="c1", name="look_up", arguments={"word": "w"}, raw_arguments='{"word": "w"}')
PNG = b"\x89PNG\r\n\x1a\n-pixels"
PIXELS = "iVBORw0KGgotcGl4ZWxz"
MORE_MODELS = {
    "claude": ("claude-sonnet-4-5", "claude-3-5-haiku-20241022"),
    "openai": ("gpt-4o", "gpt-5.1", "gpt-6"),
    "google": ("gemini-2.5-flash",),
    "grok": ("grok-4.5",),
    "moonshot": ("kimi-k3", "moonshot-v1-8k"),
    "zai": ("glm-5.3", "glm-5.2"),
    "cohere": ("command-a-plus-05-2026", "command-r"),
    "groq": ("qwen/qwen3-32b", "llama-3.3-70b"),
}
OPTIONS: tuple[dict[str, Any], ...] = (
    {"max_tokens": 4321},
    {"temperature": 0.25},
    {"top_p": 0.35},
    {"stop": ("HALT",)},
    {"seed": 4321},
    {"reasoning": "high"},
    {"reasoning": 4321},
    {"logprobs": 0},
    {"logprobs": 1},
    {"metadata": {"user_id": "u-1"}},
    {"metadata": {"department": "d-1"}},
    {"tools": (TOOL,), "parallel_tools": False},
    {"tools": (TOOL, OTHER), "tool_choice": "required"},
    {"tools": (TOOL, OTHER), "tool_choice": "look_up"},
    {"tools": (TOOL, OTHER), "tool_choice": "none"},
    {"schema": TOOL.parameters},
    {"json_mode": True},
    {"extra": {"some_key": "some value"}},
)
"""Each must change the body, or be refused."""
NEEDS_TOOLS: tuple[dict[str, Any], ...] = (
    {"tool_choice": "required"},
    {"tool_choice": "look_up"},
    {"tools": (OTHER,), "tool_choice": "look_up"},
)
"""Each must be refused everywhere."""


def ways() -> Iterator[tuple[str, Codec, Endpoint, str]]:
    for name in registry.BUILTIN:
        row = registry.find(name)
        if row.codec.__class__.__name__ == "_NoCodec":
            continue
        endpoint = Endpoint(row.name, "https://h.example/v1", "k", {}, {"project": "p"})
        models = (row.default_model or "some-model", *MORE_MODELS.get(name, ()))
        for api, codec in {"": row.codec, **row.codecs}.items():
            for model in models:
                yield f"{name}-{api}-{model}", codec, endpoint, model


WAYS = list(ways())


def body(codec: Codec, endpoint: Endpoint, request: Request) -> str | None:
    """The body as text; None where it is refused."""
    try:
        return codec.encode(request, endpoint).body.decode()
    except UnsupportedError as refusal:
        assert len(str(refusal)) > 15
        return None


@pytest.mark.parametrize(("name", "codec", "endpoint", "model"), WAYS, ids=[w[0] for w in WAYS])
def test_options(name: str, codec: Codec, endpoint: Endpoint, model: str) -> None:
    def sent(**options: Any) -> str | None:
        turns = (system("Be brief."), user("Which word?"))
        return body(codec, endpoint, Request(model=model, messages=turns, **options))

    said = 0
    for options in OPTIONS:
        got = sent(**options)
        assert got is None or got != sent(tools=options.get("tools", ())), options
        said += got is not None
    assert said >= 5
    for options in NEEDS_TOOLS:
        assert sent(**options) is None, options


def talk(*parts: Part, role: str = "user", **more: Any) -> tuple[Message, ...]:
    turn = Message(role=role, content=parts, **more)  # type: ignore[arg-type]
    match role:
        case "tool":
            asked = Message(role="assistant", calls=(CALL,))
            return (user("Which word?"), asked, turn)
        case "user":
            return (system("Be brief."), turn)
        case "system":
            return (turn, user("Which word?"))
        case _:
            return (user("Which word?"), turn, user("And?"))


TURNS: tuple[tuple[str, tuple[Message, ...], tuple[str, ...]], ...] = (
    ("document", talk(Text("one"), Document("two", name="three.txt")), ("one", "two", "three.txt")),
    ("lone document", talk(Document("two", name="three.txt")), ("two", "three.txt")),
    ("image", talk(Text("one"), Image(data=PNG)), ("one", PIXELS)),
    ("linked image", talk(Text("one"), Image(url="https://h.example/i.png")), ("one", "/i.png")),
    (
        "image as a file",
        talk(File(data=PNG, media_type="image/png", name="i.png")),
        (PIXELS,),
    ),
    ("pdf", talk(Text("one"), File(data=b"%PDF-1.7")), ("one", "JVBERi0xLjc=")),
    ("linked pdf", talk(Text("one"), File(url="https://h.example/f.pdf")), ("one", "/f.pdf")),
    ("uploaded file", talk(Text("one"), File(id="file-123")), ("one", "file-123")),
    ("system image", talk(Text("one"), Image(data=PNG), role="system"), ("one", PIXELS)),
    ("system document", talk(Document("two", name="three"), role="system"), ("two", "three")),
    ("assistant image", talk(Text("one"), Image(data=PNG), role="assistant"), ("one", PIXELS)),
    (
        "result",
        talk(Text("one"), Document("two", name="three"), role="tool", call_id="c1", name="look_up"),
        ("one", "two", "three"),
    ),
    (
        "image in a result",
        talk(Text("one"), Image(data=PNG), role="tool", call_id="c1", name="look_up"),
        ("one", PIXELS),
    ),
    (
        "failed result",
        talk(Text("one"), role="tool", call_id="c1", name="look_up", is_error=True),
        ("one", "rror"),
    ),
)


@pytest.mark.parametrize(("name", "codec", "endpoint", "model"), WAYS, ids=[w[0] for w in WAYS])
def test_turns(name: str, codec: Codec, endpoint: Endpoint, model: str) -> None:
    for turn, messages, wanted in TURNS:
        tools = (TOOL,) if "result" in turn else ()
        got = body(codec, endpoint, Request(model=model, messages=messages, tools=tools))
        if got is not None:
            text = json.dumps(json.loads(got), ensure_ascii=False)
            assert all(word in text for word in wanted), (turn, got)


def test_no_part_is_refused_by_all() -> None:
    for turn, messages, _ in TURNS:
        tools = (TOOL,) if "result" in turn else ()
        taken = [
            name
            for name, codec, endpoint, model in WAYS
            if body(codec, endpoint, Request(model=model, messages=messages, tools=tools))
        ]
        assert taken or turn in ("system image", "assistant image"), turn
