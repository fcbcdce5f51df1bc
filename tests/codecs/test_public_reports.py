"""Answers of providers that other projects misread, by their public reports of 2025 and 2026.

Each is named as repository#number, on GitHub. What came of it is asked of our own reader.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from prompture.codecs.anthropic import Anthropic
from prompture.codecs.anthropic_answer import nested_usage
from prompture.codecs.base import Codec, Endpoint
from prompture.codecs.bedrock import BedrockConverse
from prompture.codecs.cohere import Cohere
from prompture.codecs.gemini import Gemini
from prompture.codecs.ollama import Ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.errors import ProtocolError, ServerError
from prompture.types import Completion, Message, Request, Tool, user
from prompture.wire.http import HTTPResponse
from tests.codecs.replay import check_stream, fold
from tests.codecs.test_folding import frame

HERE = Endpoint("box", "http://box/v1", "key-of-the-box")
ECHOING = OpenAIChat(echo=("reasoning_content", "extra_content"))


def decoded(codec: Codec, body: Any) -> Completion:
    return codec.decode(HTTPResponse(200, {}, json.dumps(body).encode()), HERE)


def events(*given: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in given)


def chunk(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def chat(*chunks: Any) -> Completion:
    found = check_stream(OpenAIChat(), HERE, events(*chunks) + b"data: [DONE]\n\n")
    assert isinstance(found, Completion)
    return found


def responses(*given: dict[str, Any], output: list[Any]) -> Completion:
    last = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    found = check_stream(OpenAIResponses(), HERE, events(*given, last))
    assert isinstance(found, Completion)
    return found


def message(phase: str | None, text: str, id: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "id": id, "role": "assistant", "phase": phase, "content": content}


# langchain4j#6399, openai-python#3861, langchain#36290: a commentary in front of the answer was
# read as its beginning, and broke its JSON.


@pytest.mark.parametrize("streamed", [True, False])
def test_a_commentary_is_no_part_of_the_answer(streamed: bool) -> None:
    output = [message("commentary", "Let me see.", "a"), message("final_answer", '{"x": 1}', "b")]
    if streamed:
        given: list[dict[str, Any]] = []
        for place, item in enumerate(output):
            begun = {**item, "content": []}
            added = {"type": "response.output_item.added", "output_index": place, "item": begun}
            given.append(added)
            for piece in item["content"][0]["text"]:
                kind = "response.output_text.delta"
                given.append({"type": kind, "item_id": item["id"], "delta": piece})
        half = fold(OpenAIResponses(), HERE, events(*given[:6]))[0]
        assert {delta.text for delta in half} == {""}
        found = responses(*given, output=output)
        done = {"type": "response.output_item.done", "output_index": 0, "item": output[0]}
        assert responses(done, output=output) == found
    else:
        found = decoded(OpenAIResponses(), {"status": "completed", "output": output})
    assert (found.text, found.reasoning) == ('{"x": 1}', "Let me see.")


def test_the_phase_goes_back() -> None:
    kept = {"type": "reasoning", "id": "r", "summary": []}
    output = [kept, message("final_answer", "ok", "b")]
    turn = decoded(OpenAIResponses(), {"status": "completed", "output": output}).message()
    sent = OpenAIResponses().encode(
        Request(model="gpt-5", messages=[user("hi"), turn, user("and?")]), HERE
    )
    assert json.loads(sent.body)["input"][1] == {
        "role": "assistant",
        "content": "ok",
        "phase": "final_answer",
    }


def added(**item: Any) -> dict[str, Any]:
    call = {"type": "function_call", "name": "f", "arguments": "", **item}
    return {"type": "response.output_item.added", "output_index": 0, "item": call}


def arguments(kind: str, **fields: Any) -> dict[str, Any]:
    kind = f"response.function_call_arguments.{kind}"
    return {"type": kind, "item_id": "fc", "output_index": 0, **fields}


@pytest.mark.parametrize(
    ("between", "output"),
    [
        # sglang#12652: the last event has an empty message in place of the call.
        (
            [arguments("delta", delta='{"a"'), arguments("delta", delta=": 1}")],
            [{"type": "message", "id": "m", "content": [{"type": "text", "text": ""}]}],
        ),
        # vllm#47916: the last event has the call under ids of its own.
        (
            [arguments("delta", delta='{"a": 1}')],
            [
                {
                    "type": "function_call",
                    "id": "fc_2",
                    "call_id": "c2",
                    "name": "f",
                    "arguments": '{"a": 1}',
                }
            ],
        ),
        # opencodex#4652: arguments only come whole.
        ([arguments("done", arguments='{"a": 1}')], []),
    ],
)
def test_calls_of_copies_of_the_responses_api(
    between: list[dict[str, Any]], output: list[Any]
) -> None:
    found = responses(added(id="fc", call_id="c"), *between, output=output)
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == [("c", "f", {"a": 1})]
    assert found.stop_reason == "tool_calls"


# pi#6733, ruby_llm#591, securo#884: Gemini 3 behind a compatible endpoint refuses a call that
# comes back without its signature.

SIGNED = {"google": {"thought_signature": "AY89"}}
TOOL = Tool(name="f", parameters={"type": "object"})


@pytest.mark.parametrize("streamed", [True, False])
def test_signatures_of_calls_go_back(streamed: bool) -> None:
    calls = [
        {"index": n, "id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for n, id in enumerate("ab")
    ]
    calls[0]["extra_content"] = SIGNED
    if streamed:
        found = chat(chunk(tool_calls=calls), chunk("tool_calls"))
    else:
        choice = {"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}
        found = decoded(OpenAIChat(), {"choices": [choice]})
    results = [Message(role="tool", content="ok", call_id=c.id) for c in found.tool_calls]
    request = Request(model="m", messages=[user("hi"), found.message(), *results], tools=(TOOL,))
    for codec, expected in ((ECHOING, [SIGNED, None]), (OpenAIChat(), [None, None])):
        turn = json.loads(codec.encode(request, HERE).body)["messages"][1]
        assert [call.get("extra_content") for call in turn["tool_calls"]] == expected
        assert "extra_content" not in turn


# pydantic-ai#3994 (OpenRouter), cline#13348: the answer is in an object of the answer.


@pytest.mark.parametrize("key", ["provider", "data"])
def test_an_answer_within_an_object(key: str) -> None:
    inner = {
        "id": "gen-1",
        "model": "m",
        "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    found = decoded(OpenAIChat(), {"id": None, "choices": None, "model": None, key: inner})
    assert (found.text, found.model, found.usage.total_tokens) == ("hello", "m", 5)
    with pytest.raises(ProtocolError):
        decoded(OpenAIChat(), {"choices": None, key: {"choices": []}})
    with pytest.raises(ServerError):
        decoded(OpenAIChat(), {"choices": None, key: inner, "error": {"message": "no"}})


# Anthropic's fallback models: litellm#39294, new-api#7162. The totals are those of the model that
# answered; one that declined in the middle is billed as well, one that wrote nothing is not.


def attempt(kind: str, model: str, output: int) -> dict[str, Any]:
    return {"type": kind, "model": model, "input_tokens": 100, "output_tokens": output}


@pytest.mark.parametrize(
    ("iterations", "billed"),
    [
        (
            [attempt("message", "fable", 9), attempt("fallback_message", "opus", 5)],
            [("fable", 109)],
        ),
        ([attempt("message", "fable", 0), attempt("fallback_message", "opus", 5)], []),
        ([attempt("message", "fable", 9), attempt("message", "opus", 0)], [("fable", 109)]),
        ([attempt("message", "opus", 9), attempt("message", "opus", 5)], []),
        ([attempt("fallback_message", "opus", 5), "?", {}], []),
    ],
)
def test_models_that_declined(iterations: list[Any], billed: list[Any]) -> None:
    found = [(m, u.total_tokens) for m, u in nested_usage({"iterations": iterations})]
    assert found == billed


def claude(*given: dict[str, Any]) -> Completion:
    found = check_stream(Anthropic(), HERE, events(*given))
    assert isinstance(found, Completion)
    return found


def test_a_fallback_block_has_no_deltas() -> None:
    """LiveBench#467; oh-my-pi#4182: it stands where it stood when the turn goes back."""
    hop = {"type": "fallback", "from": {"model": "fable"}, "to": {"model": "opus"}}
    text = {"type": "text_delta", "text": "yes"}
    found = claude(
        {"type": "message_start", "message": {"model": "opus", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": hop},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": text},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    )
    assert (found.text, found.model) == ("yes", "opus")
    assert found.native is not None
    assert [block["type"] for block in found.native.payload] == ["fallback", "text"]


def test_a_compaction_is_a_pause() -> None:
    """openclaw#65288: taken for an end, it was an answer without a word."""
    block = {"type": "compaction", "content": "so far"}
    found = decoded(Anthropic(), {"content": [block], "stop_reason": "compaction"})
    assert found.stop_reason == "pause"


def test_running_totals_are_not_added_up() -> None:
    """langchainjs#10249, symfony/ai#2178: both events state all that was read and written."""
    counts = {"input_tokens": 2, "cache_creation_input_tokens": 47119, "cache_read_input_tokens": 5}
    found = claude(
        {"type": "message_start", "message": {"usage": {**counts, "output_tokens": 4}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {**counts, "output_tokens": 64},
        },
        {"type": "message_stop"},
    )
    usage = found.usage
    assert (usage.input_tokens, usage.cache_write_tokens, usage.output_tokens) == (47126, 47119, 64)


def test_arguments_that_only_stand_in_a_blocks_start() -> None:
    """pi#2593: Kimi's copy of the API sends no pieces behind it."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    found = claude(
        {"type": "message_start", "message": {}},
        {"type": "content_block_start", "index": 0, "content_block": use},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    assert found.tool_calls[0].arguments == {"a": 1}


def gemini(*given: dict[str, Any]) -> Any:
    return check_stream(Gemini(), HERE, events(*given))


def test_arguments_in_pieces_are_refused() -> None:
    """langchain-google#1752, litellm#23815: each piece was a call without arguments."""
    pieces = [
        {"name": "f", "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": True},
        {},
    ]
    given = [{"candidates": [{"content": {"parts": [{"functionCall": p}]}}]} for p in pieces]
    kind, words = gemini(*given)
    assert kind is ProtocolError
    assert "streamFunctionCallArguments" in words


def test_a_call_that_gemini_marks_as_malformed() -> None:
    """hermes-agent#83886: it was an ordinary stop, and the call was run."""
    part = {"functionCall": {"name": "f", "args": {}}}
    found = gemini(
        {"candidates": [{"content": {"parts": [part]}, "finishReason": "MALFORMED_FUNCTION_CALL"}]}
    )
    assert found.stop_reason == "error"
    found = gemini({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]})
    assert (found.stop_reason, found.text) == ("error", "")


def test_thoughts_alone_are_output() -> None:
    """any-llm#1290 by Gemini's own counts, CLIProxyAPI#5733 by a copy of OpenAI's."""
    counts = {"promptTokenCount": 21, "thoughtsTokenCount": 60, "totalTokenCount": 81}
    found = gemini({"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": counts})
    usage = {
        "completion_tokens": 0,
        "prompt_tokens": 21,
        "total_tokens": 81,
        "completion_tokens_details": {"reasoning_tokens": 60},
    }
    copy = chat(chunk("length", content="a"), {"choices": [], "usage": usage})
    for one in (found.usage, copy.usage):
        assert (one.input_tokens, one.output_tokens, one.problem) == (21, 60, "")


# Chat Completions.


def test_two_fragments_of_one_index_in_one_event() -> None:
    """openai-python#3241."""
    calls = [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": ": 1}"}},
    ]
    found = chat(chunk(tool_calls=calls), chunk("tool_calls"))
    assert [(c.id, c.arguments) for c in found.tool_calls] == [("a", {"x": 1})]


@pytest.mark.parametrize(
    "fragments",
    [
        # AstrBot#6692: no index at all.
        [{"id": "a", "function": {"name": "f", "arguments": '{"x"'}}, {"function": {"arguments": ": 1}"}}],
        # openai-agents-js#712, ai-gateway#1466: an empty object first, and then the index 1.
        [
            {"index": 1, "id": "a", "function": {"name": "f", "arguments": "{}"}},
            {"index": 1, "id": None, "function": {"name": "", "arguments": '{"x": 1}'}},
        ],
    ],
)  # fmt: skip
def test_fragments(fragments: list[dict[str, Any]]) -> None:
    found = chat(*(chunk(tool_calls=[each]) for each in fragments), chunk("tool_calls"))
    assert [(c.id, c.arguments) for c in found.tool_calls] == [("a", {"x": 1})]


def test_a_call_without_arguments() -> None:
    """Kilo-Org/cloud#4753: Bedrock's Claude sends one fragment, and it is empty."""
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}
    found = chat(chunk(tool_calls=[call]), chunk("tool_calls"))
    assert found.tool_calls[0].arguments == {}


def test_events_of_azures_filter() -> None:
    """bagofwords#742: no choice in the first event, no delta, or null, in the others."""
    filtered = {"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 4}}
    found = chat(
        {"id": "", "object": "", "model": "", "created": 0, "choices": [], "usage": None},
        chunk(content="hello"),
        {"id": "", "object": "", "model": "", "choices": [filtered], "usage": None},
        chunk("stop"),
        {"id": "", "object": "", "choices": [{**filtered, "delta": None}]},
    )
    assert (found.text, found.stop_reason) == ("hello", "stop")


def test_reasoning_that_changed_its_field() -> None:
    """strands-agents/harness-sdk#2182: vLLM renamed it, and some servers send both."""
    pieces = [{"reasoning": "a"}, {"reasoning": "b", "reasoning_content": "b"}]
    found = chat(*(chunk(**piece) for piece in pieces), chunk("stop", content="t"))
    assert (found.reasoning, found.text) == ("ab", "t")


def test_an_empty_word_for_the_end() -> None:
    """litellm#20732."""
    body = {"choices": [{"message": {"content": "a"}, "finish_reason": ""}]}
    assert decoded(OpenAIChat(), body).stop_reason == "stop"


# Bedrock, Cohere, Ollama.


def test_blocks_that_bedrock_leaves_empty() -> None:
    """laravel/ai#785, rig#1684: an empty text in front of a call is not sent back, a signature
    without a thought is, and a thought without a signature goes without one."""

    def piece(index: int, **delta: Any) -> bytes:
        return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})

    body = (
        piece(0, reasoningContent={"signature": "s"})
        + piece(1, text="")
        + piece(2, reasoningContent={"text": "hm"})
        + frame("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}})
        + frame("messageStop", {"stopReason": "tool_use"})
        + frame("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}})
        # opencode#38712: figures without usage come behind it.
        + frame("metadata", {"metrics": {"latencyMs": 9}})
    )  # fmt: skip
    found = check_stream(BedrockConverse(), HERE, body)
    assert found.usage.total_tokens == 5
    turns = [user("hi"), found.message(), Message(role="tool", content="ok", call_id="t")]
    sent = BedrockConverse().encode(Request(model="m", messages=turns, tools=(TOOL,)), HERE)
    assert json.loads(sent.body)["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "s"}}},
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}},
    ]


def test_bedrocks_citations_that_are_no_objects() -> None:
    block = {"citationsContent": {"content": ["x", {"text": "y"}], "citations": []}}
    message = {"role": "assistant", "content": [block]}
    assert decoded(BedrockConverse(), {"output": {"message": message}}).text == "y"


def test_cohere_counts_twice() -> None:
    """hydra#859: what was charged for stands beside what was counted."""
    usage = {
        "billed_units": {"input_tokens": 5, "output_tokens": 10},
        "tokens": {"input_tokens": 15, "output_tokens": 10},
    }
    text = {"message": {"content": {"text": "hello"}}}
    body = events(
        {"type": "content-delta", "index": 0, "delta": text},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    )
    found = check_stream(Cohere(), HERE, body)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (15, 10)


def test_ollama_thinks_unasked() -> None:
    """promptfoo#10954: with its tokens spent on thought, the answer is cut off, not empty."""
    line = {
        "message": {"role": "assistant", "content": "", "thinking": "Okay"},
        "done": True,
        "done_reason": "length",
        "eval_count": 32,
    }
    found = check_stream(Ollama(), HERE, json.dumps(line).encode() + b"\n")
    assert (found.stop_reason, found.reasoning, found.text) == ("length", "Okay", "")
    assert decoded(Ollama(), line).stop_reason == "length"


# A gateway closes each stream with a plain stop of its own, after the model's reason.


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("length", "stop"), "length"),
        (("content_filter", "stop"), "content_filter"),
        (("stop", "length"), "length"),
        (("stop", "stop"), "stop"),
        (("novel", "stop"), "stop"),
        (("length", "content_filter"), "content_filter"),
    ],
)
def test_a_plain_stop_takes_back_no_other(given: tuple[str, str], found: str) -> None:
    first, last = given
    assert chat(chunk(content="Ab"), chunk(first), chunk(last)).stop_reason == found
    words = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
    gemini = [
        {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [{"text": "Ab"}]},
                    "finishReason": words.get(reason, reason.upper()),
                }
            ]
        }
        for reason in given
    ]
    assert fold(Gemini(), HERE, events(*gemini))[-1].stop_reason == found
