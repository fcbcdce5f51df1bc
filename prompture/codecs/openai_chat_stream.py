"""Chat Completions streams: chunks folded into deltas and one completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prompture.codecs.base import Endpoint, tool_call
from prompture.codecs.faults import stream_error
from prompture.codecs.openai_chat_answer import (
    DIALECT,
    Quirks,
    completion,
    reasoning_of,
    split_content,
    usage_of,
)
from prompture.errors import ConnectionLost, ProtocolError
from prompture.types import JSON, Completion, Delta, Native
from prompture.wire.ndjson import parse_line
from prompture.wire.sse import SSEDecoder


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class OpenAIChatStream:
    """Folds ``chat.completion.chunk`` events.

    The stream has ended well once ``[DONE]`` or a finish reason came. Usage is the last one
    seen, wherever it stands: in a chunk of its own, in the last choice, or under ``x_groq``.
    """

    def __init__(self, endpoint: Endpoint, quirks: Quirks) -> None:
        self._endpoint = endpoint
        self._quirks = quirks
        self._sse = SSEDecoder()
        self._body: dict[str, Any] = {}
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._kept: dict[str, list[Any]] = {}
        self._logprobs: list[Any] = []
        self._finish: str | None = None
        self._done = False

    def feed(self, chunk: bytes) -> list[Delta]:
        deltas: list[Delta] = []
        for event in self._sse.feed(chunk):
            self._event(event.data, deltas)
        return deltas

    def _event(self, data: str, deltas: list[Delta]) -> None:
        if data.startswith("[DONE]"):
            self._done = True
            return
        body = parse_line(data)
        if not isinstance(body, dict):
            raise ProtocolError(f"expected an object in the stream, got {data[:200]!r}")
        if body.get("error"):
            raise stream_error(body, self._endpoint)
        self._top(body)
        for choice in body.get("choices") or ():
            if not choice.get("index"):
                self._choice(choice, deltas)

    def _top(self, body: JSON) -> None:
        for key in ("id", "model", "created", "service_tier", "system_fingerprint", "provider"):
            if body.get(key):
                self._body[key] = body[key]
        if usage := body.get("usage"):
            self._body["usage"] = usage
        elif isinstance(groq := body.get("x_groq"), Mapping):
            if groq.get("usage"):
                self._body["usage"] = groq["usage"]
            if groq.get("error"):
                raise stream_error({"error": groq["error"]}, self._endpoint)
        for key in ("citations", "search_results"):
            if body.get(key):
                self._body[key] = body[key]

    def _choice(self, choice: JSON, deltas: list[Delta]) -> None:
        if reason := choice.get("finish_reason"):
            self._finish = reason
        if choice.get("usage"):
            self._body["usage"] = choice["usage"]
        if logprobs := choice.get("logprobs"):
            self._logprobs.extend(logprobs.get("content") or ())
        # A few providers send a whole message in a chunk of a stream.
        delta = choice.get("delta") or choice.get("message")
        if not delta:
            return
        content = delta.get("content")
        thought = ""
        if content and not isinstance(content, str):
            self._kept.setdefault("content", []).extend(content)
            content, thought = split_content(content)
        if thought := thought or reasoning_of(delta):
            self._reasoning.append(thought)
            deltas.append(Delta(reasoning=thought))
        if content:
            self._text.append(content)
            deltas.append(Delta(text=content))
        if refusal := delta.get("refusal"):
            self._refusal.append(refusal)
            deltas.append(Delta(refusal=refusal))
        for key in ("reasoning_details", "annotations"):
            if isinstance(found := delta.get(key), list):
                self._kept.setdefault(key, []).extend(found)
        for position, part in enumerate(delta.get("tool_calls") or ()):
            deltas.append(self._tool(part, position))
        if isinstance(legacy := delta.get("function_call"), Mapping):
            deltas.append(self._tool({"index": 0, "function": legacy}, 0))

    def _tool(self, part: JSON, position: int) -> Delta:
        index = self._index(part, position)
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

    def _index(self, part: JSON, position: int) -> int:
        """The call a fragment belongs to. Where ``index`` is missing, or is used again for a
        call with another id, a new id starts a new call."""
        index = part.get("index")
        id = part.get("id")
        if not isinstance(index, int):
            known = [i for i, c in self._calls.items() if id and c.id == id]
            if known:
                return known[0]
            return len(self._calls) if id else max(len(self._calls) - 1, 0)
        call = self._calls.get(index)
        if call and id and call.id and call.id != id:
            known = [i for i, c in self._calls.items() if c.id == id]
            return known[0] if known else max(self._calls) + 1
        return index

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
            quirks=self._quirks,
            logprobs={"content": self._logprobs} if self._logprobs else None,
            citations=self._kept.get("annotations") or self._body.get("citations"),
        )

    def _native(self) -> Native | None:
        payload: dict[str, Any] = dict(self._kept)
        if self._reasoning and "content" not in payload:
            payload["reasoning_content"] = "".join(self._reasoning)
        return Native(DIALECT, payload) if payload else None

    def close(self) -> Completion:
        deltas: list[Delta] = []
        for event in self._sse.close():
            self._event(event.data, deltas)
        if not self._done and self._finish is None:
            error = ConnectionLost(
                f"{self._endpoint.provider}: the stream ended before its last event"
            )
            error.partial = self.partial()
            raise error
        return self.partial()
