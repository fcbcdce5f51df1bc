"""What is asked of a driver is checked before anything is sent: every face, both colours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prompture import async_driver_for, driver_for, tool
from prompture.drivers.hooks import Hooks
from prompture.drivers.provider import Features
from prompture.errors import ConfigurationError, PromptureError, UnknownOption, UnsupportedError
from prompture.types import Image, Message, Request, Text, Tool, ToolCall, system, user
from tests.loopback import Loopback, json_reply, serving

HELLO = {
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
}
KEY = "never-shown-0123456789abcdef"
NAN = float("nan")
FILE = str(Path(__file__).resolve())
TURN = {"role": "user", "content": "hi"}
WEATHER = {"name": "weather", "description": "d", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def sync(model: str, **settings: Any) -> Callable[..., Any]:
    """Call a face of the sync driver by its name; streams are listed."""

    def ask(face: str, *words: Any, **options: Any) -> Any:
        with driver_for(model, **settings) as driver:
            found = getattr(driver, face)(*words, **options)
            return list(found) if "stream" in face else found

    return ask


def awaited(model: str, **settings: Any) -> Callable[..., Any]:
    async def ask(face: str, *words: Any, **options: Any) -> Any:
        async with async_driver_for(model, **settings) as driver:
            found = getattr(driver, face)(*words, **options)
            return [piece async for piece in found] if "stream" in face else await found

    return lambda *words, **options: asyncio.run(ask(*words, **options))


@pytest.fixture(params=[sync, awaited], ids=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def server() -> Any:
    with serving(lambda _: json_reply(HELLO)) as found:
        yield found


def refused(
    make: Any,
    server: Loopback,
    words: str,
    *call: Any,
    kind: Any = ConfigurationError,
    **options: Any,
) -> str:
    """The message of a call that is refused before anything is sent."""
    ask = make("openai-compatible/m", base_url=server.url, api_key=KEY)
    with pytest.raises(kind, match=words) as caught:
        ask(*call, **options)
    assert server.asked == []
    assert KEY not in str(caught.value)
    return str(caught.value)


OPTIONS: list[tuple[dict[str, Any], str]] = [
    *[({"temperature": t}, "temperature must be a number") for t in ("hot", -1, NAN, True, [])],
    *[({"max_tokens": n}, "max_tokens must be a whole number") for n in (0, -5, 1.5, "20", True)],
    *[({"timeout": t}, "timeout must be") for t in (0, -1, NAN, float("inf"), "3", True, 10**400)],
    *[({"top_p": p}, "top_p must be") for p in (1.1, -1, "1")],
    *[({"prompt_cache": c}, "cache must be") for c in ("3d", "x", 3, 1.0)],
    *[({"reasoning": r}, "reasoning must be") for r in (-1, 1.5, True, [], "very high")],
    ({"seed": 1.5}, "seed must be"),
    ({"seed": "1"}, "seed must be"),
    ({"logprobs": True}, "logprobs must be"),
    ({"json_mode": "yes"}, "json_mode must be True or False"),
    ({"strict": 1}, "strict must be"),
    ({"parallel_tools": "no"}, "parallel_tools must be"),
    *[({"json_schema": s}, "json_schema .*must be a dict") for s in ("{}", [1], 3, dict)],
    ({"json_schema": {"type": {object()}}}, r"json_schema\['type'\] cannot be sent"),
    ({"schema_name": 3}, "schema_name must be"),
    ({"model": 3}, "model must be"),
    ({"stop": 3}, "stop must be a text or a list of texts"),
    ({"stop": [3]}, "stop must be"),
    ({"system": 3}, "system must be"),
    ({"system": [TURN]}, "system must be"),
    ({"metadata": "a"}, "metadata must be a dict"),
    *[({"extra": e}, "extra must be a dict") for e in ("a", [1], 3)],
    ({"extra": {"n": NAN}}, r"extra\['n'\] cannot be sent as JSON"),
    ({"extra": {"n": [{1}]}}, r"extra\['n'\]\[0\] cannot be sent as JSON"),
    ({"extra": {"n": b"x"}}, r"extra\['n'\] cannot be sent as JSON"),
    *[({"extra": {name: KEY}}, "driver_for") for name in ("api_key", "API-KEY", "base_url", "headers")],
    ({"tool_choice": 3}, "tool_choice must be"),
    ({"tool_choice": {"type": "function"}}, "tool_choice must be"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=lambda v: repr(v)[:40])
def test_an_option_that_is_wrong(
    make: Any, server: Loopback, options: dict[str, Any], words: str
) -> None:
    refused(make, server, words, "generate", "hi", options)
    refused(make, server, words, "generate", "hi", **options)


UNKNOWN = [
    ("max_token", "did you mean max_tokens"),
    ("temprature", "did you mean temperature"),
    ("tokens", "did you mean max_tokens"),
    ("maxOutputTokens", "there are model, temperature"),
    ("response_format", "goes into extra"),
    ("base_url", "driver_for"),
    ("base_url", "driver_for"),
]


@pytest.mark.parametrize(("name", "words"), UNKNOWN)
def test_an_option_that_nobody_knows(make: Any, server: Loopback, name: str, words: str) -> None:
    refused(make, server, words, "generate", "hi", {name: "x"}, kind=UnknownOption)
    refused(make, server, words, "generate_messages", [TURN], **{name: "x"}, kind=UnknownOption)


def test_options_that_are_no_dict(make: Any, server: Loopback) -> None:
    for options in ("hot", 3, [("temperature", 1)]):
        refused(make, server, "options must be a dict", "generate", "hi", options)
    refused(make, server, "key of options must be a text", "generate", "hi", {3: 1})


def test_options_by_keyword_are_options(make: Any, server: Loopback) -> None:
    ask = make("openai-compatible/m", base_url=server.url)
    ask("generate", "hi", max_tokens=20)
    ask("generate_messages", [TURN], {"seed": 1}, max_tokens=20, temperature=None)
    ask("generate_messages_with_tools", [TURN], [WEATHER], tool_choice="weather", max_tokens=20)
    bodies = [asked.json() for asked in server.asked]
    assert [body["max_tokens"] for body in bodies] == [20] * 3
    assert bodies[1]["seed"] == 1
    assert "temperature" not in bodies[1]
    with pytest.raises(ConfigurationError, match="'seed' is given twice"):
        ask("generate", "hi", {"seed": 1}, seed=2)


MESSAGES: list[tuple[Any, str]] = [
    ("hi", r"messages must be a list.*generate\(prompt\) takes a text"),
    (b"hi", "messages must be a list"),
    (TURN, "messages must be a list"),
    (user("hi"), "messages must be a list"),
    (None, "messages must be a list"),
    (3, "messages must be a list"),
    ([], "messages is empty"),
    ((), "messages is empty"),
    (["hi"], r"messages\[0\] must be a dict.*not str"),
    ([TURN, None], r"messages\[1\] must be a dict.*not NoneType"),
    ([("user", "hi")], r"messages\[0\] must be a dict.*not tuple"),
    ([{"role": "user", "text": "hi"}], "unknown key 'text'; did you mean content"),
    ([{"role": "user", "content": "hi", "text": "hi"}], "unknown key 'text'"),
    ([{"role": "user", "contents": "hi"}], "unknown key 'contents'; did you mean content"),
    ([{"role": "user", "content": "hi", "cache_control": {"type": "x"}}], "'cache_control'"),
    ([{"role": "user", "content": "hi", 3: 4}], "unknown key 3"),
    ([{"content": "hi"}], r"messages\[0\] needs a role"),
    ([{"role": "human", "content": "hi"}], "did you mean user"),
    ([{"role": "ai", "content": "hi"}], "did you mean assistant"),
    ([{"role": "function", "content": "hi"}], "did you mean tool"),
    ([{"role": ["user"], "content": "hi"}], "needs a role"),
    ([{"role": "user"}], r"messages\[0\] has no content"),
    ([{"role": "user", "content": None}], "has no content"),
    ([{"role": "tool", "content": None, "tool_call_id": "a"}], "has no content"),
    *[([{"role": "user", "content": c}], "content must be a text or a list")
      for c in (3, b"hi", [], {"type": "text", "text": "hi"}, 1.5)],
    ([{"role": "user", "content": [{"type": "text"}]}], "the text of a part must be a text"),
    ([{"role": "user", "content": [{"type": "text", "text": 3}]}], "the text of a part"),
    ([{"role": "user", "content": [{"type": "txt", "text": "hi"}]}], "got 'txt'"),
    ([{"role": "user", "content": [{"text": "hi"}]}], "got dict"),
    ([{"role": "user", "content": [3]}], "got int"),
    ([{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"a": 1}}]}],
     "cache=True"),
    ([{"role": "assistant", "tool_calls": [{"id": "a"}]}], "a tool call must be"),
    ([{"role": "assistant", "tool_calls": ["a"]}], "a tool call must be"),
    ([{"role": "assistant", "tool_calls": {"id": "a"}}], "tool_calls must be a list"),
    ([{"role": "tool", "content": "a", "tool_call_id": 3}], "tool_call_id must be"),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "words"), MESSAGES, ids=lambda v: repr(v)[:40])
def test_messages_that_are_wrong(make: Any, server: Loopback, messages: Any, words: str) -> None:
    refused(make, server, words, "generate_messages", messages)
    refused(make, server, words, "generate_messages_stream", messages)
    refused(make, server, words, "generate_messages_with_tools", messages, [WEATHER])


def test_what_an_sdk_writes_of_an_answer_may_come_back(make: Any, server: Loopback) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    empty = {"refusal": None, "annotations": [], "audio": None, "function_call": None}
    turns = (
        {"role": "developer", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, "b", Text("c")], "name": "me"},
        {"role": "assistant", "content": None, "tool_calls": [call], **empty},
        {"role": "tool", "content": "sun", "tool_call_id": "a"},
        {"role": "assistant", "content": "sun", "tool_calls": None, **empty},
        {"role": "assistant", "content": None, "refusal": "I will not."},
    )
    make("openai-compatible/m", base_url=server.url)("generate_messages", iter(turns))
    sent = server.asked[0].json()["messages"]
    assert [m["role"] for m in sent] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "assistant",
    ]
    assert [p["text"] for p in sent[1]["content"]] == ["a", "b", "c"]
    assert sent[2]["tool_calls"] == [call]
    assert sent[5]["content"] == "I will not."


URLS: list[Any] = [
    FILE, "private.png", "/dev/zero", f"file://{FILE}", "FILE:///etc/passwd", "", 3, None, b"http://x",
    {"path": FILE}, {}, "C:\\a.png",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS, ids=repr)
def test_image_url_is_never_a_path(make: Any, server: Loopback, url: Any) -> None:
    wrapped = url if isinstance(url, dict) else {"url": url}
    for given in (url, wrapped):
        part = {"type": "image_url", "image_url": given}
        said = refused(
            make, server, "image_url", "generate_messages", [{"role": "user", "content": [part]}]
        )
        assert FILE not in said
    if isinstance(url, str) and url:
        asked = Request(model="", messages=(user([Image(url=url)]),))
        refused(make, server, "a URL must begin", "complete", asked)
        refused(make, server, "a URL must begin", "stream", asked)


def test_urls_of_images_are_sent_as_they_are(make: Any, server: Loopback) -> None:
    ask = make("openai-compatible/m", base_url=server.url)
    for url in (
        "https://h/a.png",
        "HTTP://h/a.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "gs://b/a.png",
    ):
        part = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
        ask("generate_messages", [{"role": "user", "content": [part]}])
        sent = server.asked[-1].json()["messages"][0]["content"][0]["image_url"]
        assert sent["url"].lower() == url.lower()


TOOLS: list[tuple[Any, str]] = [
    (WEATHER, "tools must be a list"),
    (Tool(name="a"), "tools must be a list"),
    ("weather", "tools must be a list"),
    (3, "tools must be a list"),
    ([3], "a tool must be a dict"),
    ([print], "a tool must be a dict"),
    (["weather"], "a tool must be a dict"),
    ([{}], "a tool needs a name"),
    ([{"description": "x"}], "a tool needs a name"),
    ([{"name": 3}], "the name of a tool must be a text"),
    ([{"name": "a", "parameter": {}}], "unknown key 'parameter'; did you mean parameters"),
    ([{"type": "function", "function": {"name": "a", "params": {}}}], "unknown key 'params'"),
    ([{"type": "web_search"}], r"extra=\{'tools': \[\.\.\.\]\}"),
    ([{"name": "a", "parameters": "x"}], "parameters of 'a' must be a dict"),
    ([{"name": "a", "parameters": {"x": {1, 2}}}], r"tool 'a'\['x'\] cannot be sent"),
    ([{"name": "a", "description": 3}], "description of 'a' must be"),
    ([{"name": "a"}, {"name": "a"}], "two tools are called 'a'"),
]


@pytest.mark.parametrize(("tools", "words"), TOOLS, ids=lambda v: repr(v)[:40])
def test_tools_that_are_wrong(make: Any, server: Loopback, tools: Any, words: str) -> None:
    refused(make, server, words, "generate_messages_with_tools", [TURN], tools)


def test_tools_in_every_shape(make: Any, server: Loopback) -> None:
    @tool
    def weather(city: str) -> str:
        """Weather."""
        return city

    shapes = [
        WEATHER,
        {"type": "function", "function": {**WEATHER, "name": "b", "strict": None}},
        {"name": "c", "input_schema": {"type": "object"}},
        {"name": "d", "inputSchema": {"type": "object"}},
        Tool(name="e"),
        replace(weather, name="f"),
    ]
    ask = make("openai-compatible/m", base_url=server.url)
    ask("generate_messages_with_tools", [TURN], shapes)
    sent = [t["function"]["name"] for t in server.asked[0].json()["tools"]]
    assert sent == ["weather", "b", "c", "d", "e", "f"]


def test_the_choice_of_a_tool_that_is_not_there(make: Any, server: Loopback) -> None:
    for choice, near in (("wether", "did you mean weather"), ("requird", "did you mean required")):
        refused(
            make,
            server,
            near,
            "generate_messages_with_tools",
            [TURN],
            [WEATHER],
            tool_choice=choice,
        )


REQUESTS: list[tuple[Any, str]] = [
    ("hi", r"asked with a prompture.Request, not str"),
    ({"messages": []}, "asked with a prompture.Request, not dict"),
    (None, "not NoneType"),
    (Request(model="", messages="hi"), "messages must be"),  # type: ignore[arg-type]
    (Request(model="", messages=({"role": "user"},)), "generate_messages takes dicts"),  # type: ignore[arg-type]
    (Request(model="", messages=()), "messages is empty"),
    (Request(model="", messages=(Message(role="usr"),)), "unknown role 'usr'; did you mean user"),  # type: ignore[arg-type]
    (Request(model="", messages=(Message(role="user", content=[Text("a")]),)), "tuple of parts"),  # type: ignore[arg-type]
    (Request(model="", messages=(user(["a"]),)), "content holds a str"),  # type: ignore[list-item]
    (Request(model="", messages=(user([Text(3)]),)), "text of a part"),  # type: ignore[arg-type]
    (Request(model="", messages=(user("a"),), tools=(WEATHER,)), "tools must be prompture.Tool"),  # type: ignore[arg-type]
    (Request(model="", messages=(user("a"),), tools=(Tool(name=" "),)), "name of a tool"),
    (Request(model="", messages=(user("a"),), stop="END"), "stop must be a tuple"),  # type: ignore[arg-type]
    (Request(model="", messages=(user("a"),), temperature="hot"), "temperature must be"),  # type: ignore[arg-type]
    (Request(model="", messages=(user("a"),), max_tokens=0), "max_tokens must be"),
    (Request(model="", messages=(user("a"),), timeout=-1), "timeout must be"),
    (Request(model="", messages=(Message(role="assistant", calls=(
        ToolCall(id="a", name="b", arguments={"x": object()}),)),
        Message(role="tool", call_id="a"))), r"call of 'b'\['x'\]"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "words"), REQUESTS, ids=lambda v: repr(v)[-40:])
@pytest.mark.parametrize("face", ["complete", "stream"])
def test_a_request_that_is_none(
    make: Any, server: Loopback, face: str, request_: Any, words: str
) -> None:
    refused(make, server, words, face, request_)


def test_a_request_with_lists_is_taken(make: Any, server: Loopback) -> None:
    asked = Request(model="", messages=[user("a")], tools=[Tool(name="b")])  # type: ignore[arg-type]
    make("openai-compatible/m", base_url=server.url)("complete", asked)
    assert len(server.asked[0].json()["tools"]) == 1


# --- flags -----------------------------------------------------------------------------------

WANTS: list[tuple[str, dict[str, Any], str]] = [
    ("json_schema", {"schema": SCHEMA}, "does not support JSON schemas"),
    ("json_mode", {"json_mode": True}, "does not support JSON mode"),
    ("tool_use", {"tools": (Tool(name="a"),)}, "does not support tools"),
    ("vision", {"messages": (user([Image(url="https://h/a.png")]),)}, "does not support images"),
]


@pytest.mark.parametrize(("flag", "fields", "words"), WANTS)
@pytest.mark.parametrize("face", ["complete", "stream"])
def test_a_flag_holds_at_every_face(
    make: Any, server: Loopback, face: str, flag: str, fields: dict[str, Any], words: str
) -> None:
    told: list[PromptureError] = []
    asked = Request(**{"model": "", "messages": (user("json"),), **fields})
    able = Features(vision=True)
    ask = make(
        "openai-compatible/m",
        base_url=server.url,
        features=replace(able, **{flag: False}),
        hooks=Hooks(on_error=lambda request, error: told.append(error)),
    )
    with pytest.raises(UnsupportedError, match=f"openai-compatible/m {words}.*features="):
        ask(face, asked)
    assert server.asked == []
    assert [type(error) for error in told] == [UnsupportedError]
    if face == "complete":
        make("openai-compatible/m", base_url=server.url, features=able)(face, asked)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "model", ["deepseek/deepseek-chat", "groq/llama-3.3-70b-versatile", "zai/glm-4.6"]
)
def test_a_schema_does_not_go_to_a_model_without_them(
    make: Any, server: Loopback, model: str
) -> None:
    """DeepSeek answers 400 "This response_format type is unavailable now"."""
    ask = make(model, base_url=server.url, api_key=KEY)
    with pytest.raises(UnsupportedError, match=f"{model} does not support JSON schemas"):
        ask("generate", "hi", {"json_schema": SCHEMA})
    assert server.asked == []


def test_the_model_of_the_request_is_the_one_that_counts(make: Any, server: Loopback) -> None:
    ask = make("groq/openai/gpt-oss-20b", base_url=server.url, api_key=KEY)
    ask("generate", "hi", json_schema=SCHEMA)
    with pytest.raises(UnsupportedError, match=r"llama-3\.3-70b-versatile does not support"):
        ask("generate", "hi", json_schema=SCHEMA, model="llama-3.3-70b-versatile")


@pytest.mark.parametrize(
    "name", ["openai/gpt-4.1-mini", "azure/m", "groq/m", "deepseek/m", "dashscope/m"]
)
def test_json_mode_says_the_word(
    make: Any, server: Loopback, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """These answer 400 where no message holds the word."""
    caplog.set_level(logging.INFO, logger="prompture")
    ask = make(name, base_url=server.url, api_key=KEY, api="chat")
    ask("generate", "hi", {"json_mode": True, "system": "Be brief."})
    assert [m["content"] for m in server.asked[-1].json()["messages"]] == [
        "Be brief.", "Answer in JSON.", "hi"]  # fmt: skip
    assert "was added" in caplog.text
    for prompt, options in (("as Json", {"json_mode": True}), ("hi", {})):
        ask("generate", prompt, options)
        assert len(server.asked[-1].json()["messages"]) == 1


def test_json_mode_elsewhere_is_left_alone(make: Any, server: Loopback) -> None:
    make("mistral/m", base_url=server.url, api_key=KEY)("generate", "hi", json_mode=True)
    assert len(server.asked[0].json()["messages"]) == 1


def test_a_hook_may_not_make_nonsense_of_a_request(make: Any, server: Loopback) -> None:
    hooks = Hooks(before_request=lambda request: replace(request, max_tokens=-1))
    ask = make("openai-compatible/m", base_url=server.url, hooks=hooks)
    with pytest.raises(ConfigurationError, match="max_tokens"):
        ask("generate", "hi")
    strange = Hooks(before_request=lambda request: "hi")  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigurationError, match="returned a str"):
        make("openai-compatible/m", base_url=server.url, hooks=strange)("generate", "hi")
    assert server.asked == []


def test_a_model_in_this_process_is_asked_alike(make: Any) -> None:
    ask = make("local/rules")
    for options, words in (
        ({"temperature": "hot"}, "temperature"),
        ({"json_mode": True}, "JSON mode"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            ask("generate", "a: x", options)
    with pytest.raises(UnsupportedError, match="local/rules does not support tools"):
        ask(
            "complete",
            Request(model="", messages=(system("a"), user("b")), tools=(Tool(name="a"),)),
        )


def test_messages_for_a_prompt_are_told_where_they_go(make: Any, server: Loopback) -> None:
    for prompt in ([TURN], [user("hi")]):
        refused(make, server, "generate_messages takes messages", "generate", prompt)
    for prompt in (None, 3, [], {}, b"hi"):
        refused(make, server, "prompt", "generate", prompt)
    refused(make, server, "part must be of type", "generate", [3])
