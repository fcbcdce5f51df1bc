"""``validate``: what would be refused is listed whole, by the same rules that refuse it, and nothing
is sent."""

from __future__ import annotations

from typing import Any

import pytest

from prompture.drivers.classes import async_driver_for, driver_for
from prompture.drivers.probe import RequestProblems
from prompture.errors import SchemaError, UnsupportedError
from prompture.extraction.functions import extract
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import File, Image, Message, Request, Text, Tool, ToolCall, user

MAKERS = pytest.mark.parametrize("make", [driver_for, async_driver_for])
PDF = File(data=b"%PDF-1.4")
PICTURE = Image(url="https://example.org/a.png")


def ask(*parts: Any, **options: Any) -> Request:
    return Request(model="", messages=(user(parts or [Text("hi")]),), **options)


def problems(model: str, request: Any, make: Any = driver_for, **more: Any) -> RequestProblems:
    found: RequestProblems = make(model, api_key="k" * 20).validate(request, **more)
    return found


def places(found: RequestProblems) -> list[tuple[str, str]]:
    return [(p.pointer, p.kind) for p in found]


@MAKERS
def test_a_good_request_has_none_in_both_colours(make: Any) -> None:
    found = problems("openai/gpt-5-mini", ask(max_tokens=100), make)
    assert found == () and str(found) == "nothing is wrong"
    found.raise_if()


@MAKERS
@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "strin"}, "no type"),
        ({"typ": "object"}, "no JSON Schema"),
        ({"type": "object", "properties": {"a": {"$ref": "#/no"}}}, "not in the schema"),
        ({"type": "object", "properties": {"a": {"minimum": "3"}}}, "must be a number"),
        ({"type": "object", "properties": {"a": {"pattern": "["}}}, "no regular expression"),
        ({"type": "object", "properties": {"a": {"$ref": "http://x/y"}}}, "never fetched"),
    ],
)
def test_a_schema_that_is_none(make: Any, schema: Any, words: str) -> None:
    tool = Tool(name="t", parameters=schema)
    found = problems("openai/gpt-5-mini", ask(schema=schema, tools=(tool,)), make)
    assert places(found) == [("/schema", "schema"), ("/tools/0/parameters", "schema")]
    assert words in found[0].message
    # The same words as extract has for it.
    with pytest.raises(SchemaError) as refused:
        extract(schema, "x", model=ScriptedDriver([]))
    assert str(refused.value) == found[0].message


@MAKERS
def test_all_that_is_wrong_is_listed_at_once(make: Any) -> None:
    request = ask(
        Text("x"),
        PDF,
        PICTURE,
        metadata={"a": "b"},
        reasoning=1000,
        max_tokens=10_000_000,
        tools=(Tool(name="t"),),
        tool_choice="t",
    )
    found = problems("deepseek/deepseek-chat", request, make)
    assert places(found) == [
        ("/messages", "feature"),
        ("/tool_choice", "refused"),
        ("/reasoning", "refused"),
        ("/metadata", "refused"),
        ("/messages", "refused"),
        ("/max_tokens", "limit"),
    ]
    with pytest.raises(UnsupportedError) as caught:
        found.raise_if()
    for each in found:
        assert str(each) in str(caught.value)


def test_what_to_do_is_said() -> None:
    found = problems("openai/gpt-5-mini", ask(temperature=0.3, max_tokens=10_000_000))
    assert "leave it out" in found[0].message and "ask for 128,000 at most" in found[1].message
    (feature,) = problems("claude/claude-sonnet-4-5", ask(json_mode=True))
    assert "features=" in feature.message


def test_each_refusal_is_one_that_the_call_itself_would_raise() -> None:
    driver = driver_for("claude/claude-sonnet-4-5", api_key="k")
    for option in ({"seed": 3}, {"logprobs": 2}, {"json_mode": True}, {"metadata": {"a": "b"}}):
        (found,) = driver.validate(ask(**option))
        with pytest.raises(UnsupportedError) as caught:
            driver.complete(ask(**option))
        assert found.message == str(caught.value)


def test_a_document_past_the_context_window_by_counted_tokens() -> None:
    long = ask(Text("word " * 200_000))
    (found,) = problems("groq/openai/gpt-oss-20b", long)
    assert (found.pointer, found.kind) == ("/messages", "context")
    assert "131,072" in found.message and "shorten or divide" in found.message


def test_input_and_output_together() -> None:
    nearly = ask(Text("word " * 100_000), max_tokens=60_000)
    (found,) = problems("groq/openai/gpt-oss-20b", nearly)
    assert (found.pointer, found.kind) == ("/max_tokens", "context")


def test_unknown_options_are_all_named_with_near_ones() -> None:
    found = problems("openai/gpt-4o-mini", "hi", temprature=1, max_token=3)
    assert places(found) == [("/temprature", "option"), ("/max_token", "option")]
    assert "did you mean temperature?" in found[0].message


def test_messages_and_tools_as_dicts() -> None:
    turns = [{"role": "user", "content": "hi"}]
    tools = [{"name": "t", "description": "", "parameters": {"type": "object"}}]
    assert problems("openai/gpt-4o-mini", turns, tools=tools, tool_choice="t") == ()
    (found,) = problems("openai/gpt-4o-mini", [{"role": "human", "content": "hi"}])
    assert found.kind == "request" and "did you mean user" in found.message


def test_a_model_that_is_not_listed_is_a_guess_and_raises_only_if_asked() -> None:
    found = problems("openai/gpt-4o-minni", ask())
    assert places(found) == [("/model", "unlisted")]
    found.raise_if()
    with pytest.raises(UnsupportedError, match="gpt-4o-mini"):
        found.raise_if(unlisted=True)


def test_what_is_no_request_has_one_problem() -> None:
    call = ToolCall(id="1", name="t", arguments={})
    open_call = Request(model="m", messages=(Message(role="assistant", calls=(call,)),))
    for request in (Request(model="m", messages=()), open_call):
        assert [p.kind for p in problems("openai/gpt-4o-mini", request)] == ["request"]


@pytest.mark.parametrize("kind", [ScriptedDriver, AsyncScriptedDriver])
def test_models_in_this_process(kind: Any) -> None:
    driver = kind(["x"])
    assert driver.validate(ask()) == () and driver.validate("hi", nonsense=1)[0].kind == "option"


def test_streams() -> None:
    from prompture.drivers.provider import Features

    driver = driver_for("openai/gpt-4o-mini", api_key="k", features=Features(streaming=False))
    assert places(driver.validate(ask(), stream=True)) == [("/stream", "feature")]
    assert driver.validate(ask()) == ()


def test_a_time_to_live_of_the_prompt_that_the_provider_has_not() -> None:
    found = problems("claude/claude-sonnet-4-5", ask(max_tokens=100, prompt_cache="2h"))
    assert places(found) == [("/prompt_cache", "refused")]


@pytest.mark.parametrize(
    ("model", "options", "place"),
    [
        ("claude/claude-sonnet-4-5", {"temperature": 1.5}, "/temperature"),
        ("claude/claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.5}, ""),
        ("claude/claude-opus-4-1", {"temperature": 0.5, "top_p": 0.5}, ""),
        ("openai/gpt-4o", {"temperature": 2.5}, "/temperature"),
        ("google/gemini-2.5-flash", {"temperature": 2.5}, "/temperature"),
    ],
)
def test_what_every_call_would_get_a_400_for(model: str, options: Any, place: str) -> None:
    (problem,) = problems(model, "hi", **options)
    assert (problem.pointer, problem.kind) == (place, "refused")


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("claude/claude-sonnet-4-5", {"temperature": 1, "top_p": 0.5}),
        ("claude/claude-sonnet-4-20250514", {"temperature": 0.5, "top_p": 0.5}),
        ("openai/gpt-4o", {"temperature": 2, "top_p": 0.5}),
        ("google/gemini-2.5-flash", {"temperature": 2}),
    ],
)
def test_what_stands_at_the_limit_is_taken(model: str, options: Any) -> None:
    assert problems(model, "hi", **options) == ()
