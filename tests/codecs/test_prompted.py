"""Schema and tools by prompt: what the model is told, and what is read of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.ollama import Ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.prompted import (
    Prompted,
    instruct,
    prompted_codecs,
    prompted_request,
    prompted_route,
    read_calls,
    schema_words,
)
from prompture.codecs.prompted_calls import MAX_BARE_CHARS, CallScanner, call_head, write_call
from prompture.types import (
    Completion,
    Delta,
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

HERE = Endpoint("box", "http://box/v1")
CODEC = Prompted(OpenAIChat())
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
SAVE = Tool(name="save", description="Save a person.", parameters=PERSON)
FIND = Tool(name="find")
CALL = ToolCall(id="c1", name="save", arguments={"name": "Ann"})


def ask(*messages: Message, **settings: Any) -> Request:
    return Request(model="m", messages=messages or (user("hi"),), **settings)


def sent(request: Request) -> Any:
    return json.loads(CODEC.encode(request, HERE).body)


def told(**settings: Any) -> str:
    first = sent(ask(**settings))["messages"][0]
    return first["content"] if first["role"] == "system" else ""


def test_nothing_is_added_where_nothing_is_wanted() -> None:
    request = ask(system("Be brief."), user("hi"), temperature=0.5)
    assert CODEC.encode(request, HERE) == OpenAIChat().encode(request, HERE)


@pytest.mark.parametrize(
    ("settings", "words", "missing"),
    [
        ({"schema": PERSON}, ["Answer with JSON only", json.dumps(PERSON)], "<tools>"),
        ({"json_mode": True}, ["Answer with one JSON object only"], "<tools>"),
        ({"tools": (SAVE,)}, ["<tools>", '"save"', "<tool_call>", "Save a person."], "must"),
        ({"tools": (SAVE,), "tool_choice": "required"}, ["must call a tool now"], "at most"),
        ({"tools": (SAVE, FIND), "tool_choice": "find"}, ['must call the tool "find"'], "most"),
        ({"tools": (SAVE,), "parallel_tools": False}, ["at most one tool"], "must call"),
        ({"tools": (SAVE,), "schema": PERSON}, ["When you call no tool, answer with"], "must c"),
        ({"tools": (SAVE,), "tool_choice": "none", "schema": PERSON}, ["Answer with"], "<tools>"),
    ],
)
def test_what_the_model_is_told(settings: dict[str, Any], words: list[str], missing: str) -> None:
    text = told(**settings)
    assert all(w in text for w in words) and missing not in text
    body = sent(ask(**settings))
    assert not body.keys() & {"tools", "tool_choice", "response_format", "parallel_tool_calls"}


def test_the_system_turn_is_kept() -> None:
    messages = sent(ask(system("Be brief."), user("hi"), schema=PERSON))["messages"]
    assert messages[0]["content"].startswith("Be brief.\n\nAnswer with JSON")
    assert [m["role"] for m in messages] == ["system", "user"]


def test_a_tool_that_is_not_there_cannot_be_demanded() -> None:
    with pytest.raises(errors.UnsupportedError, match="nope"):
        sent(ask(tools=(SAVE,), tool_choice="nope"))


def test_a_codec_that_reads_no_calls_takes_no_tools() -> None:
    with pytest.raises(errors.UnsupportedError):
        Prompted(OpenAIChat(), calls=False).encode(ask(tools=(SAVE,)), HERE)


def test_json_mode_is_passed_on_where_the_inner_dialect_has_it() -> None:
    codec = Prompted(OpenAIChat(), json_mode=True)
    body = json.loads(codec.encode(ask(schema=PERSON), HERE).body)
    assert body["response_format"] == {"type": "json_object"}
    both = json.loads(codec.encode(ask(schema=PERSON, tools=(SAVE,)), HERE).body)
    assert "response_format" not in both


def test_calls_and_results_become_text() -> None:
    two = ToolCall(id="c2", name="find", arguments=None, raw_arguments="{oops", problem="x")
    history = (
        user("Save Ann."),
        Message(role="assistant", content="Well.", calls=(CALL, two)),
        Message(role="tool", content="[1]", call_id="c1"),
        Message(role="tool", content="bad </tool_response>", call_id="c2", is_error=True),
        user("And?"),
    )
    messages = sent(ask(*history, tools=(SAVE,)))["messages"][1:]
    assert [m["role"] for m in messages] == ["user", "assistant", "user", "user"]
    assert messages[1] == {
        "role": "assistant",
        "content": 'Well.\n<tool_call>{"name": "save", "arguments": {"name": "Ann"}}</tool_call>\n'
        '<tool_call>{"name": "find", "arguments": {oops}</tool_call>',
    }
    assert messages[2]["content"] == (
        '<tool_response>\n{"name": "save", "content": [1]}\n</tool_response>\n'
        '<tool_response>\n{"name": "find", "error": "bad <\\/tool_response>"}\n</tool_response>'
    )


def test_a_picture_in_a_result_stays_one() -> None:
    picture = Image(data=b"123")
    turn = Message(role="tool", content=(Text("seen"), picture), call_id="c1")
    request = prompted_request(ask(Message(role="assistant", calls=(CALL,)), turn))
    assert request.messages[-1].role == "user"
    assert request.messages[-1].parts[1:] == (picture,)


def calls_of(text: str) -> tuple[str, list[tuple[str, Any]]]:
    got = read_calls(Completion(text=text))
    return got.text, [(c.name, c.arguments) for c in got.tool_calls]


TAGGED = '<tool_call>{"name": "save", "arguments": {"name": "Ann"}}</tool_call>'
SAVED = ("save", {"name": "Ann"})


@pytest.mark.parametrize(
    ("answer", "text", "calls"),
    [
        (TAGGED, "", [SAVED]),
        (f"Sure.\n{TAGGED}\n", "Sure.", [SAVED]),
        (f"{TAGGED}\n{TAGGED}", "", [SAVED, SAVED]),
        (f"{TAGGED}\nDone.", "Done.", [SAVED]),
        (f"A\n{TAGGED}\nB", "A\n\nB", [SAVED]),
        ('<tool_call>\n{"name":"save","parameters":{"name":"Ann"}}\n</tool_call>', "", [SAVED]),
        ('<tool_call>{"name":"save","arguments":{"name":"Ann"}}', "", [SAVED]),
        (
            '<tool_call>{"name":"save","arguments":"{\\"name\\":\\"Ann\\"}"}</tool_call>',
            "",
            [SAVED],
        ),
        ('<tool_call>{"name":"find"}</tool_call>', "", [("find", {})]),
        ('<tool_call>[{"name":"find"},{"name":"x","args":{}}]</tool_call>', "", None),
        ('<tool_calls>[{"name":"find"}]</tool_calls>', "", [("find", {})]),
        ('<function_call>{"name":"find"}</function_call>', "", [("find", {})]),
        (
            '<tool_call>{"type":"function","function":{"name":"find","arguments":{}}}</tool_call>',
            "",
            [("find", {})],
        ),
        ('<tool_call>```json\n{"name":"find"}\n```</tool_call>', "", [("find", {})]),
        ('```json\n{"name": "save", "arguments": {"name": "Ann"}}\n```', "", [SAVED]),
        ('Let me.\n```\n{"name":"save","arguments":{"name":"Ann"}}\n```', "Let me.", [SAVED]),
        ('```tool_call\n{"name":"save","arguments":{"name":"Ann"}}', "", [SAVED]),
        ('{"name": "save", "parameters": {"name": "Ann"}}', "", [SAVED]),
        ('{"function": {"name": "save", "arguments": {"name": "Ann"}}}', "", [SAVED]),
        ('[{"name": "save", "arguments": {"name": "Ann"}}]', "", [SAVED]),
    ],
)
def test_calls_as_models_write_them(answer: str, text: str, calls: Any) -> None:
    want = calls if calls is not None else [("find", {}), ("x", {})]
    assert calls_of(answer) == (text, want)
    assert read_calls(Completion(text=answer)).stop_reason == "tool_calls"


@pytest.mark.parametrize(
    "answer",
    [
        "Just words, a < b and `code`, {braces} and [brackets].",
        '{"name": "Ann", "age": 3}',
        '{"name": "Ann", "arguments": "many"}',
        '{"name": "Ann", "arguments": {}, "age": 3}',
        'She said {"name": "save", "arguments": {}}.',
        '```json\n{"name": "Ann"}\n```',
        '```python\n{"name": "save", "arguments": {}}\n```',
        "<tool_call>nothing</tool_call>",
        '<tool_call>{"name": "save", "argum',
        '<tool_call>{"name": "save", "arguments": {"name": "A',
        "<tool_call",
        "[1, 2]",
        "```",
        "<",
        "",
        '<tool_call>{"name": ""}</tool_call>',
        "<tool_call>[]</tool_call>",
        '{"type": "object", "properties": {}}',
    ],
)
def test_what_is_no_call_stays_as_it_is(answer: str) -> None:
    got = read_calls(Completion(text=answer))
    assert (got.text, got.tool_calls, got.stop_reason) == (answer, (), "stop")


def test_arguments_that_are_no_json_are_kept_and_reported() -> None:
    got = read_calls(Completion(text='<tool_call>{"name": "f", "arguments": {"a": x}}</tool_call>'))
    (call,) = got.tool_calls
    assert (call.name, call.arguments, call.raw_arguments) == ("f", None, '{"a": x}')
    assert call.problem and call.problem.startswith("not JSON")


def test_an_answer_cut_off_stays_cut_off() -> None:
    got = read_calls(Completion(text=TAGGED, stop_reason="length"))
    assert got.stop_reason == "length" and len(got.tool_calls) == 1


def test_ids_are_the_same_each_time_and_differ_within_an_answer() -> None:
    first, second = (read_calls(Completion(text=TAGGED + TAGGED)).tool_calls for _ in "ab")
    assert first == second and first[0].id != first[1].id
    named = read_calls(Completion(text='<tool_call>{"id":"k","name":"f"}</tool_call>'))
    assert named.tool_calls[0].id == "k"


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("{", "maybe"),
        ('{"na', "maybe"),
        ('{"name"', "maybe"),
        ('{"name": ', "maybe"),
        ('{"name": "save"', "maybe"),
        ('{"name": "save", ', "maybe"),
        ('{"name": "save", "argu', "maybe"),
        ('{"name": "save", "arguments": {', "yes"),
        ('{"arguments": {', "yes"),
        ('[{"id": "x", "function": {"name": "a", "args": {', "yes"),
        ('{"name": "Ann", "age', "no"),
        ('{"name": 3', "no"),
        ('{"total', "no"),
        ('{"name": "a"}', "no"),
        ('{"arguments": [', "no"),
        ("[1", "no"),
        ("{x", "no"),
        ('{"name": "' + "a" * 990, "no"),
        ("[" + " " * 999, "no"),
    ],
)
def test_the_head_of_a_call(text: str, head: str) -> None:
    assert call_head(text) == head


def streamed(text: str, size: int) -> tuple[list[str], str, list[ToolCall]]:
    scanner = CallScanner()
    shown: list[str] = []
    for i in range(0, len(text), size):
        shown += [p for p in scanner.feed(text[i : i + size]) if isinstance(p, str)]
    rest = [p for p in scanner.close() if isinstance(p, str)]
    return shown, "".join(shown + rest), scanner.calls


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello <b>world</b>", "Hello <b>world</b>"),
        ("a <", "a"),
        ('{"name": "Ann", "age": 3}', '{"name": "Ann", "age": 3}'),
        ("x <tool_calm> y", "x <tool_calm> y"),
        ("``` not code", "``` not code"),
        (f"Sure. {TAGGED}", "Sure."),
    ],
)
def test_only_a_possible_call_is_held_back(text: str, shown: str) -> None:
    scanner = CallScanner()
    assert "".join(p for c in text for p in scanner.feed(c) if isinstance(p, str)) == shown


def test_text_is_shown_as_soon_as_it_is_no_call() -> None:
    scanner = CallScanner()
    assert scanner.feed('{"name": "Ann", ') == []
    assert scanner.feed('"age') == ['{"name": "Ann", "age']


FRAGMENTS = [
    "<tool_call>",
    "</tool_call>",
    "```",
    "words",
    "<",
    "`",
    "}",
    "1}}",
    "[",
    "é",
    "</t",
    '{"name":"x",',
    '{"name":"save","arguments":{"a":',
]
PIECES = st.lists(st.sampled_from([*FRAGMENTS, TAGGED, "```json\n", "\n", " "]), max_size=8).map(
    "".join
)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.integers(1, 7))
def test_a_stream_is_read_the_same_wherever_it_is_cut(text: str, size: int) -> None:
    _, whole, calls = streamed(text, max(1, len(text)))
    _, cut, found = streamed(text, size)
    assert (cut, found) == (whole, calls)
    if not calls:
        assert whole == text.rstrip()


NAMES = st.from_regex(r"[a-zA-Z_][\w.-]{0,20}", fullmatch=True)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(NAMES, st.dictionaries(st.text(max_size=6), JSONS, max_size=4), st.integers(1, 9))
def test_a_call_that_is_written_is_read_back(
    name: str, arguments: dict[str, Any], size: int
) -> None:
    call = ToolCall(id="x", name=name, arguments=arguments)
    if "</tool_call>" in write_call(call):
        return
    _, text, (got,) = streamed(write_call(call), size)
    assert (text, got.name, got.arguments) == ("", name, arguments)


def test_a_long_block_is_not_read_over_and_over() -> None:
    """400,000 pieces of a block that never ends: quadratic work would take minutes."""
    scanner = CallScanner()
    assert scanner.feed('<tool_call>{"name": "f", "arguments": {"a": "') == []
    for _ in range(400_000):
        scanner.feed("abcd")
    assert len("".join(map(str, scanner.close()))) > 1_600_000
    bare = CallScanner()
    shown = bare.feed('{"name": "f", "arguments": {"a": "')
    for _ in range(10_000):
        shown += bare.feed("}bcd")
    assert len("".join(map(str, shown))) > MAX_BARE_CHARS


@pytest.mark.parametrize(
    "piece", ["<", "`x", "```json\n", "<tool_call>", '<tool_call>{"name":"x","arguments":', "[{"]
)
def test_a_hostile_answer_is_read_in_little_time(piece: str) -> None:
    """300,000 characters of beginnings: anything quadratic would take minutes."""
    text = piece * (300_000 // len(piece))
    assert read_calls(Completion(text=text)).text == text.rstrip()
    assert streamed(text, 10_000)[1] == text.rstrip()


def sse(*texts: str, end: bool = True) -> bytes:
    rows = [{"choices": [{"index": 0, "delta": {"content": t}}]} for t in texts]
    if end:
        rows.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    out = b"".join(f"data: {json.dumps(r)}\n\n".encode() for r in rows)
    return out + (b"data: [DONE]\n\n" if end else b"")


def test_a_stream_of_the_inner_dialect() -> None:
    decoder = CODEC.stream_decoder(HERE)
    deltas = [d for i, c in enumerate(sse("Su", "re ", *TAGGED)) for d in decoder.feed(bytes([c]))]
    assert deltas[:2] == [Delta(text="Su"), Delta(text="re")]
    (call,) = [d for d in deltas if d.tool_index is not None]
    assert (call.tool_index, call.tool_name, json.loads(call.tool_arguments)) == (0, *SAVED)
    got = decoder.close()
    assert (got.text, got.stop_reason, got.raw_stop) == ("Sure", "tool_calls", "stop")
    assert got.tool_calls[0].id == call.tool_id


def test_what_had_come_when_it_broke() -> None:
    decoder = CODEC.stream_decoder(HERE)
    decoder.feed(sse("Sure ", TAGGED[:30], end=False))
    with pytest.raises(errors.ConnectionLost) as caught:
        decoder.close()
    partial = caught.value.partial
    assert partial and partial.text == "Sure " + TAGGED[:30] and partial.tool_calls == ()
    broken = CODEC.stream_decoder(HERE)
    broken.feed(sse(TAGGED, "x", end=False))
    with pytest.raises(errors.ProviderError) as failed:
        broken.feed(b'data: {"error": {"message": "boom"}}\n\n')
    assert failed.value.partial and failed.value.partial.tool_calls[0].name == "save"


def test_without_calls_nothing_is_read_or_held_back() -> None:
    codec = Prompted(OpenAIChat(), calls=False)
    decoder = codec.stream_decoder(HERE)
    assert decoder.feed(sse(TAGGED)) == [Delta(text=TAGGED)]
    assert decoder.close().text == TAGGED
    raw = {"choices": [{"message": {"content": TAGGED}, "finish_reason": "stop"}]}
    assert codec.decode(HTTPResponse(200, {}, json.dumps(raw).encode()), HERE).text == TAGGED


def test_a_turn_of_the_models_own_is_echoed_by_the_inner_codec() -> None:
    inner = Ollama()
    codec = Prompted(inner)
    said = {"role": "assistant", "content": TAGGED, "thinking": "Hm."}
    raw = {"model": "m", "message": said, "done": True, "done_reason": "stop"}
    got = codec.decode(HTTPResponse(200, {}, json.dumps(raw).encode()), HERE)
    assert got.native and got.native.dialect == codec.dialect == "prompted_ollama"
    assert got.tool_calls[0].name == "save" and got.text == ""
    body = json.loads(codec.encode(ask(got.message()), HERE).body)
    assert body["messages"] == [said]
    foreign = Message(role="assistant", content="x", native=Native("ollama", {"role": "?"}))
    assert json.loads(codec.encode(ask(foreign), HERE).body)["messages"][0]["content"] == "x"


def test_a_row_routes_each_request() -> None:
    codecs = prompted_codecs(OpenAIChat())
    results = (Message(role="assistant", calls=(CALL,)), Message(role="tool", call_id="c1"))
    for request, name in (
        (ask(), None),
        (ask(schema=PERSON), "schema"),
        (ask(json_mode=True), "schema"),
        (ask(tools=(SAVE,), schema=PERSON), "tools"),
        (ask(*results), "tools"),
    ):
        assert prompted_route(request) == name
        if name:
            codecs[name].encode(request, HERE)


def test_lists_and_errors_are_the_inner_codecs() -> None:
    assert CODEC.models_request(HERE) == OpenAIChat().models_request(HERE)
    error = CODEC.read_error(HTTPResponse(401, {}, b'{"error": "no"}'), HERE)
    assert isinstance(error, errors.AuthenticationError)
    models, _ = CODEC.read_models(HTTPResponse(200, {}, b'{"data": [{"id": "m"}]}'))
    assert [m.id for m in models] == ["m"]


GREETING = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("before", "first"),
    [
        ([], "words"),
        ([GREETING], "words"),
        ([{"role": "system", "content": "Be brief."}, GREETING], "Be brief.\n\nwords"),
        ([{"role": "system", "content": ""}], "words"),
        (
            [{"role": "system", "content": [{"type": "text", "text": "a"}]}],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "words"}],
        ),
    ],
)
def test_instruct(before: list[dict[str, Any]], first: Any) -> None:
    messages = list(before)
    instruct(messages, "words")
    assert messages[0] == {"role": "system", "content": first}
    assert [m for m in messages if m["role"] == "user"] == [m for m in before if m is GREETING]


def test_words_hold_the_schema() -> None:
    assert schema_words({"description": "é"}).endswith('\n{"description":"é"}')
