"""Schema and tools by prompt, for models and endpoints that have neither.

``Prompted(inner)`` wraps another codec. What the inner dialect has no field for goes into the
system turn, earlier calls and their results become text, and the answer is read for calls (see
``prompted_calls`` for the format). A schema is only asked for: nothing enforces it, so the
answer's text may come in a fence or with prose around it and goes through ``schema.repair``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from prompture.codecs.base import Codec, Endpoint, StreamDecoder
from prompture.codecs.options import tool_choice
from prompture.codecs.prompted_calls import CallScanner, write_call
from prompture.codecs.turns import text_of, text_only
from prompture.errors import PromptureError, ProviderError, UnsupportedError
from prompture.types import (
    JSON,
    Completion,
    Delta,
    Document,
    Message,
    ModelInfo,
    Native,
    Part,
    Request,
    Text,
    Tool,
    ToolCall,
    Usage,
)
from prompture.wire.http import HTTPRequest, HTTPResponse
from prompture.wire.loading import load_json

_FORMAT = '<tool_call>{"name": "...", "arguments": {...}}</tool_call>'


@dataclass(frozen=True, slots=True)
class Prompted:
    """The wrapper.

    ``calls``: answers are read for tool calls; without it, tools are refused and
    no answer is ever taken for a call (a codec does not see the request when it decodes:
    ``prompted_codecs`` and ``prompted_route`` give a row one codec for each kind).
    ``json_mode`` passes the wish for JSON on to an inner dialect that knows it.
    """

    inner: Codec
    calls: bool = True
    json_mode: bool = False

    @property
    def dialect(self) -> str:
        return f"prompted_{self.inner.dialect}"

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        if request.tools and not self.calls:
            raise UnsupportedError(f"{endpoint.provider}: this codec reads no tool calls")
        plain = prompted_request(request, dialect=self.dialect, json_mode=self.json_mode)
        return self.inner.encode(plain, endpoint, stream=stream)

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        completion = self.inner.decode(response, endpoint)
        if self.calls:
            completion = read_calls(completion)
        return self._wrapped(completion)

    def _wrapped(self, completion: Completion) -> Completion:
        if completion.native is None:
            return completion
        return replace(completion, native=Native(self.dialect, completion.native))

    def stream_decoder(self, endpoint: Endpoint) -> PromptedStream:
        scanner = CallScanner() if self.calls else None
        return PromptedStream(self, self.inner.stream_decoder(endpoint), scanner)

    def read_usage(self, body: JSON) -> Usage:
        read = getattr(self.inner, "read_usage", None)
        return read(body) if read else Usage()

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        return self.inner.read_error(response, endpoint)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        return self.inner.models_request(endpoint, page)

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        return self.inner.read_models(response)


def prompted_codecs(inner: Codec, *, json_mode: bool = False) -> Mapping[str, Codec]:
    """A row's ``codecs`` for a provider without tools and schemas."""
    return {
        "tools": Prompted(inner, json_mode=json_mode),
        "schema": Prompted(inner, calls=False, json_mode=json_mode),
    }


def prompted_route(request: Request) -> str | None:
    """A row's ``route``: which of ``prompted_codecs`` a request needs, None for the plain one."""
    if request.tools or any(m.calls or m.role == "tool" for m in request.messages):
        return "tools"
    return "schema" if request.schema is not None or request.json_mode else None


def prompted_request(request: Request, *, dialect: str = "", json_mode: bool = False) -> Request:
    """The same request with its schema, tools, calls and results as text."""
    words = "\n\n".join(_instructions(request))
    messages = list(_turns(request.messages, dialect))
    if words:
        messages = _instructed(messages, words)
    wants_json = request.schema is not None or request.json_mode
    return replace(
        request,
        messages=tuple(messages),
        tools=(),
        tool_choice=None,
        parallel_tools=None,
        schema=None,
        json_mode=json_mode and wants_json and not request.tools,
    )


def in_words(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns with their calls and results as text, and without what only a provider
    understands."""
    return tuple(_turns(messages, ""))


def _instructions(request: Request) -> Iterator[str]:
    tools = request.tools if request.tool_choice != "none" else ()
    if tools:
        yield _tool_words(tools, request)
    unless = "When you call no tool, answer" if tools else "Answer"
    if request.schema is not None:
        schema = json.dumps(request.schema, ensure_ascii=False)
        yield (
            f"{unless} with JSON only: no words around it, no code fence. It must be valid under"
            f" this JSON Schema:\n{schema}"
        )
    elif request.json_mode:
        yield f"{unless} with one JSON object only: no words around it, no code fence."


def _tool_words(tools: tuple[Tool, ...], request: Request) -> str:
    choice = tool_choice(request)
    listed = "\n".join(
        json.dumps(
            {"name": t.name, "description": t.description, "parameters": t.parameters},
            ensure_ascii=False,
        )
        for t in tools
    )
    rules = [
        f"To call a tool, write a block of this form, with arguments that are valid under its"
        f" parameters:\n{_FORMAT}",
        "Write nothing after the last block: each result is given to you in the next turn, in a"
        " <tool_response> block.",
    ]
    if request.parallel_tools is False:
        rules.append("Call at most one tool in an answer.")
    if choice == "required":
        rules.append("You must call a tool now.")
    elif choice not in (None, "auto"):
        rules.append(f"You must call the tool {json.dumps(choice)} now.")
    return f"You can call these tools:\n<tools>\n{listed}\n</tools>\n" + "\n".join(rules)


def _instructed(messages: list[Message], words: str) -> list[Message]:
    # Into the first system turn: many templates know only one.
    at = next((i for i, m in enumerate(messages) if m.role == "system"), None)
    if at is None:
        return [Message(role="system", content=words), *messages]
    turn, existing = messages[at], text_only(messages[at])
    messages[at] = replace(turn, content=f"{existing}\n\n{words}" if existing else words)
    return messages


def _turns(messages: tuple[Message, ...], dialect: str) -> Iterator[Message]:
    names = {call.id: call.name for m in messages for call in m.calls}
    # Results of one turn go as one turn; see ``_results``.
    for is_result, turns in groupby(messages, key=lambda m: m.role == "tool"):
        if is_result:
            yield _results(list(turns), names)
        else:
            yield from (_turn(m, dialect) for m in turns)


def _turn(message: Message, dialect: str) -> Message:
    native = message.native
    if native is not None:
        # An inner turn of the model's own is echoed by the inner codec, text and all.
        ours = native.dialect == dialect and isinstance(native.payload, Native)
        native = native.payload if ours else None
    if not message.calls:
        return replace(message, native=native)
    blocks = [write_call(call) for call in message.calls]
    text = text_only(message)
    words = "\n".join([text, *blocks] if text else blocks)
    return replace(message, content=words, calls=(), native=native)


def _results(turns: list[Message], names: Mapping[str, str]) -> Message:
    """Results that follow each other as one user turn: many templates want turns to alternate."""
    words = "\n".join(_result(turn, names) for turn in turns)
    others = [
        part for turn in turns for part in turn.parts if not isinstance(part, (Text, Document))
    ]
    content: str | tuple[Part, ...] = (Text(words), *others) if others else words
    return Message(role="user", content=content)


def _result(turn: Message, names: Mapping[str, str]) -> str:
    text = text_of(turn)
    content: Any = text
    with suppress(ValueError):
        content = load_json(text)
    name = turn.name or names.get(turn.call_id or "", "")
    body = {"name": name, "error" if turn.is_error else "content": content}
    # A result that holds a closing tag must not end the block.
    inner = json.dumps(body, ensure_ascii=False).replace("</", "<\\/")
    return f"<tool_response>\n{inner}\n</tool_response>"


def read_calls(completion: Completion) -> Completion:
    """The completion with the calls in its text taken out of it."""
    scanner = CallScanner()
    pieces = [*scanner.feed(completion.text), *scanner.close()]
    return _with_calls(completion, "".join(p for p in pieces if isinstance(p, str)), scanner)


def _with_calls(completion: Completion, text: str, scanner: CallScanner) -> Completion:
    if not scanner.calls:
        return replace(completion, text=text)
    # A cut-off answer stays one: its last call may be half of what was meant.
    stopped = completion.stop_reason in ("stop", "stop_sequence")
    return replace(
        completion,
        text=text,
        tool_calls=(*completion.tool_calls, *scanner.calls),
        stop_reason="tool_calls" if stopped else completion.stop_reason,
    )


@dataclass(slots=True)
class PromptedStream:
    """The inner decoder's deltas, with calls in the text made into deltas of calls. A call's
    text is held back until it is whole; one whose closing tag never came, and text that was
    held back at the very end, are on the completion only."""

    codec: Prompted
    inner: StreamDecoder
    scanner: CallScanner | None
    _texts: list[str] = field(default_factory=list)
    _call_count: int = 0

    def feed(self, chunk: bytes) -> list[Delta]:
        try:
            deltas = self.inner.feed(chunk)
        except PromptureError as error:
            error.partial = self.partial()
            raise
        return [out for delta in deltas for out in self._delta(delta)]

    def _delta(self, delta: Delta) -> Iterator[Delta]:
        if self.scanner is None or not delta.text:
            yield delta
            return
        rest = replace(delta, text="")
        if rest != Delta():
            yield rest
        yield from self._pieces(self.scanner.feed(delta.text))

    def _pieces(self, pieces: list[str | ToolCall]) -> Iterator[Delta]:
        for piece in pieces:
            if isinstance(piece, str):
                self._texts.append(piece)
                yield Delta(text=piece)
                continue
            yield Delta(
                tool_index=self._call_count,
                tool_id=piece.id,
                tool_name=piece.name,
                tool_arguments=piece.raw_arguments,
            )
            self._call_count += 1

    def close(self) -> Completion:
        try:
            completion = self.inner.close()
        except PromptureError as error:
            error.partial = self.partial()
            raise
        if self.scanner is not None:
            list(self._pieces(self.scanner.close()))
            completion = _with_calls(completion, "".join(self._texts), self.scanner)
        return self.codec._wrapped(completion)

    def partial(self) -> Completion:
        """What has come so far; a call that is not whole is still text."""
        completion = self.inner.partial()
        if self.scanner is not None:
            text = "".join(self._texts) + self.scanner.held
            completion = _with_calls(completion, text, self.scanner)
        return self.codec._wrapped(completion)


def schema_words(schema: JSON) -> str:
    """The instruction to answer with JSON that is valid under a schema."""
    # A grammar keeps an answer within the schema, but the model reads neither the schema nor the
    # descriptions in it (llama.cpp, Ollama, LM Studio): both must be in the prompt too.
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with JSON only, valid under this JSON Schema:\n{text}"


def instruct(messages: list[dict[str, Any]], words: str) -> None:
    """Put ``words`` at the end of the first system turn of wire messages, or make one."""
    first = messages[0] if messages else {}
    if first.get("role") != "system":
        messages.insert(0, {"role": "system", "content": words})
    elif isinstance(first["content"], str):
        messages[0] = {**first, "content": f"{first['content']}\n\n{words}".lstrip()}
    else:
        messages[0] = {**first, "content": [*first["content"], {"type": "text", "text": words}]}
