"""Chat Completions streams: chunks folded into deltas and one completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prompture.codecs.base import Endpoint, tool_call
from prompture.codecs.faults import stream_error
from prompture.codecs.fragments import append_fragment
from prompture.codecs.openai_chat_answer import (
    DIALECT,
    Quirks,
    completion,
    read_body,
    reasoning_of,
    split_content,
    usage_of,
)
from prompture.codecs.openai_chat_fast import TextTemplate
from prompture.codecs.think import ThinkSplitter
from prompture.codecs.usage import merged
from prompture.errors import ConnectionLost, PromptureError, ProtocolError
from prompture.types import JSON, Completion, Delta, Native
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape
from prompture.wire.ndjson import parse_object
from prompture.wire.sse import SSEDecoder


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class OpenAIChatStream:
    """Folds ``chat.completion.chunk`` events.

    The stream has ended well once ``[DONE]`` or a finish reason came. Usage is the last one
    seen, wherever it stands: in a chunk of its own, in the last choice, or under ``x_groq``. A
    body that is no stream at all is read as a whole answer, or as the error that it holds.
    """

    def __init__(self, endpoint: Endpoint, quirks: Quirks) -> None:
        self._endpoint = endpoint
        self._quirks = quirks
        self._sse = SSEDecoder()
        self._body: dict[str, Any] = {}
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._reasoning_key = "reasoning_content"
        self._thoughts: list[str] = []
        self._think = ThinkSplitter() if quirks.think_tags else None
        self._calls: dict[int, _Call] = {}
        self._current: dict[int, int] = {}
        self._kept: dict[str, list[Any]] = {}
        self._chunks: list[Any] = []
        self._content: list[str] = []
        self._template = TextTemplate()
        self._is_usual = not quirks.think_tags and not quirks.strip_leading
        self._logprobs: list[Any] = []
        self._finish: str | None = None
        self._done = False
        self._error: PromptureError | None = None
        self._started = False
        self._whole: list[bytes] | None = None

    def feed(self, chunk: bytes) -> list[Delta]:
        if self._error:
            raise self._error
        if not self._started and (start := chunk.lstrip()):
            self._started = True
            # No line of an event stream starts so: an error, a page, or an answer in one piece.
            self._whole = [] if start[:1] in (b"{", b"<") else None
        if self._whole is not None:
            self._whole.append(chunk)
            return []
        deltas: list[Delta] = []
        text_of, is_usual = self._template.text_of, self._is_usual
        try:
            for event in self._sse.feed(chunk):
                text = text_of(event.data)
                if not text:
                    self._event(event.data, deltas)
                elif is_usual and not self._chunks:
                    self._content.append(text)
                    self._text.append(text)
                    deltas.append(Delta(text=text))
                else:
                    self._keep(text)
                    self._add(text, "", deltas)
        except PromptureError as exc:
            # What came before the error, in the same bytes, is not lost with it.
            if not deltas:
                raise
            self._error = exc
        return deltas

    def _event(self, data: str, deltas: list[Delta]) -> None:
        if data.startswith("[DONE]"):
            self._done = True
            return
        body = parse_object(data)
        try:
            self._template.learn(data, body)
            self._top(body)
            if body.get("error"):
                self._ended_by(body)
                raise stream_error(body, self._endpoint)
            for choice in body.get("choices") or ():
                if not choice.get("index"):
                    self._choice(choice, deltas)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise ProtocolError(f"an event that is no chunk of a chat: {shape(body)}") from exc

    def _top(self, body: JSON) -> None:
        for key in ("id", "model", "created", "service_tier", "system_fingerprint", "provider"):
            if body.get(key):
                self._body[key] = body[key]
        if usage := body.get("usage"):
            self._count(usage)
        elif isinstance(groq := body.get("x_groq"), Mapping):
            if groq.get("usage"):
                self._count(groq["usage"])
            if groq.get("error"):
                raise stream_error({"error": groq["error"]}, self._endpoint)
        for key in ("citations", "search_results"):
            if body.get(key):
                self._body[key] = body[key]

    def _ended_by(self, body: JSON) -> None:
        """An error ends the stream; the usage that it states is then the whole of it."""
        stops = (c.get("finish_reason") for c in body.get("choices") or ())
        told = "error" if body.get("usage") else None
        self._finish = self._finish or next(filter(None, stops), told)

    def _count(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            self._body["usage"] = merged(self._body.get("usage") or {}, usage)

    def _choice(self, choice: JSON, deltas: list[Delta]) -> None:
        if choice.get("usage"):
            self._count(choice["usage"])
        if logprobs := choice.get("logprobs"):
            self._logprobs.extend(logprobs.get("content") or ())
        # A few providers send a whole message in a chunk of a stream.
        self._delta(choice.get("delta") or choice.get("message") or {}, deltas)
        if reason := choice.get("finish_reason"):
            self._finish = reason
            if self._think:
                self._emit(*self._think.close(), deltas)

    def _delta(self, delta: JSON, deltas: list[Delta]) -> None:
        key, thought = reasoning_of(delta)
        if key:
            self._reasoning_key = key
            self._thoughts.append(thought)
        text = ""
        if content := delta.get("content"):
            text, chunk_thought = split_content(content)
            thought = thought or chunk_thought
            self._keep(content)
        self._add(text, thought, deltas)
        if refusal := delta.get("refusal"):
            self._refusal.append(refusal)
            deltas.append(Delta(refusal=refusal))
        for key in ("reasoning_details", "annotations"):
            if isinstance(found := delta.get(key), list):
                for item in found:
                    append_fragment(self._kept.setdefault(key, []), item)
        deltas.extend(self._tool(part) for part in delta.get("tool_calls") or ())
        if isinstance(legacy := delta.get("function_call"), Mapping):
            deltas.append(self._tool({"index": 0, "function": legacy}))

    def _add(self, text: str, thought: str, deltas: list[Delta]) -> None:
        if text and self._quirks.strip_leading and not self._text:
            text = text.lstrip("\n")
        if text and self._think:
            tagged, text = self._think.feed(text)
            thought = thought or tagged
        self._emit(thought, text, deltas)

    def _emit(self, thought: str, text: str, deltas: list[Delta]) -> None:
        if thought:
            self._reasoning.append(thought)
            deltas.append(Delta(reasoning=thought))
        if text:
            self._text.append(text)
            deltas.append(Delta(text=text))

    def _keep(self, content: Any) -> None:
        """Content as a list of chunks, to be echoed as such where it ever came as one."""
        if isinstance(content, str):
            if "content" not in self._kept:
                self._content.append(content)
                return
            content = [{"type": "text", "text": content}]
        elif isinstance(content, list) and "content" not in self._kept:
            before = "".join(self._content)
            self._chunks += [{"type": "text", "text": before}] if before else []
            self._kept["content"] = self._chunks
        for chunk in content if isinstance(content, list) else ():
            append_fragment(self._chunks, chunk)

    def _tool(self, part: JSON) -> Delta:
        index = self._index(part)
        call = self._calls.setdefault(index, _Call())
        function = part.get("function") or {}
        first = not call.name
        if part.get("id"):
            call.id = part["id"]
        # A name comes whole and once; a provider that repeats it does not mean to append it.
        if function.get("name") and first:
            call.name = function["name"]
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = tool_call(id="", name="", arguments=arguments).raw_arguments
        call.arguments.append(arguments)
        return Delta(
            tool_index=index,
            tool_id=call.id if first else "",
            tool_name=call.name if first else "",
            tool_arguments=arguments,
        )

    def _index(self, part: JSON) -> int:
        """The call a fragment belongs to. Where ``index`` is missing, or is used again for a
        call with another id, a new id starts a new call, which later fragments continue."""
        said, id = part.get("index"), part.get("id")
        known = next((i for i, c in self._calls.items() if id and c.id == id), None)
        if known is not None:
            return known
        place = said if isinstance(said, int) else -1
        current = self._current.get(place)
        if current is not None and not self._is_another(self._calls[current], part):
            return current
        free = said if isinstance(said, int) and said not in self._calls else None
        index = free if free is not None else max(self._calls, default=-1) + 1
        self._current[place] = index
        return index

    @staticmethod
    def _is_another(call: _Call, part: JSON) -> bool:
        """Whether a fragment without a known id opens a call of its own."""
        if part.get("id"):
            return bool(call.id)
        named = isinstance(part.get("function"), Mapping) and part["function"].get("name")
        return bool(named and call.name and not isinstance(part.get("index"), int))

    def partial(self) -> Completion:
        calls = tuple(
            tool_call(id=c.id or f"call_{i}", name=c.name, arguments="".join(c.arguments))
            for i, c in sorted(self._calls.items())
        )
        return completion(
            body=self._body,
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            refusal="".join(self._refusal) or None,
            calls=calls,
            finish=self._finish,
            usage=usage_of(self._body, self._quirks),
            native=self._native(),
            logprobs={"content": self._logprobs} if self._logprobs else None,
            citations=self._kept.get("annotations") or self._body.get("citations"),
        )

    def _native(self) -> Native | None:
        payload: dict[str, Any] = {key: list(items) for key, items in self._kept.items()}
        # What stood in tags is no field, and does not go back as one.
        if self._thoughts and "content" not in payload:
            payload[self._reasoning_key] = "".join(self._thoughts)
        return Native(DIALECT, payload) if payload else None

    def close(self) -> Completion:
        if self._error:
            raise self._error
        if self._whole is not None:
            body = HTTPResponse(200, {}, b"".join(self._whole))
            return read_body(body, self._endpoint, self._quirks)
        cut = False
        try:
            for event in self._sse.close():
                self._event(event.data, [])
        except ProtocolError:
            cut = True  # half an event
        if cut or (not self._done and self._finish is None):
            error = ConnectionLost(
                f"{self._endpoint.provider}: the stream ended before its last event"
            )
            error.partial = self.partial()
            raise error
        return self.partial()
