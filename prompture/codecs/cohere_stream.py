"""Cohere's events, folded into the body that the whole answer would have had."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from prompture.codecs.base import Endpoint, section
from prompture.codecs.cohere_answer import objects, raise_error, read_answer, text_of
from prompture.codecs.usage import merged
from prompture.errors import ConnectionLost, PromptureError, ProtocolError, ProviderError
from prompture.types import JSON, Completion, Delta
from prompture.wire.ndjson import parse_object
from prompture.wire.sse import SSEDecoder


class CohereStream:
    """Folds a stream; ``message-end`` is its last event. Events of other types are passed over.

    Usage stands in the last event only, and is empty where the answer failed.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._sse = SSEDecoder()
        self._body: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, list[str]]] = {}
        self._plan: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._citations: list[Any] = []
        self._logprobs: list[Any] = []
        self._ended = False
        self._error: PromptureError | None = None

    def feed(self, chunk: bytes) -> list[Delta]:
        """An error that follows deltas in the same chunk is raised by the next call, so that
        the deltas are not lost."""
        if self._error:
            raise self._error
        deltas: list[Delta] = []
        try:
            for event in self._sse.feed(chunk):
                deltas.extend(self._data(event.data))
        except PromptureError as error:
            if not deltas:
                raise
            self._error = error
        return deltas

    def _data(self, data: str) -> Iterator[Delta]:
        if data.startswith("[DONE]"):
            return
        event = parse_object(data)
        delta = section(event, "delta")
        for source in (event, delta):
            self._check(source)
        yield from self._event(event, delta)

    def _check(self, source: JSON) -> None:
        try:
            raise_error(source, self._endpoint)
        except ProviderError as error:
            error.partial = self.partial()
            raise

    def _event(self, event: JSON, delta: JSON) -> Iterator[Delta]:
        message = section(delta, "message")
        index = event.get("index")
        match event.get("type"):
            case "message-start":
                self._body["id"] = event.get("id")
            case "content-start" | "content-delta":
                if event.get("logprobs"):
                    self._logprobs.append(event["logprobs"])
                yield from self._content(section(message, "content"), index)
            case "tool-plan-delta":
                if plan := text_of(message, "tool_plan"):
                    self._plan.append(plan)
                    yield Delta(reasoning=plan)
            case "tool-call-start" | "tool-call-delta":
                for call in _one_or_many(message.get("tool_calls")):
                    yield self._call(call, index)
            case "citation-start":
                self._citations += _one_or_many(message.get("citations"))
            case "message-end":
                self._ended = True
                self._body["finish_reason"] = delta.get("finish_reason")
                if usage := section(delta, "usage"):
                    self._body["usage"] = merged(self._body.get("usage") or {}, usage)

    def _content(self, block: JSON, index: Any) -> Iterator[Delta]:
        place = index if isinstance(index, int) else max(self._blocks, default=0)
        for kind in ("text", "thinking"):
            piece = text_of(block, kind)
            if not piece and block.get("type") != kind:
                continue
            self._blocks.setdefault(place, {}).setdefault(kind, []).append(piece)
            if piece:
                yield Delta(text=piece) if kind == "text" else Delta(reasoning=piece)

    def _call(self, call: JSON, index: Any) -> Delta:
        place = index if isinstance(index, int) else max(self._calls, default=0)
        known = self._calls.get(place)
        if known is None:
            position = len(self._calls)
            known = {"id": f"call_{position}", "name": "", "arguments": [], "index": position}
            self._calls[place] = known
        function = section(call, "function")
        fresh_id, fresh_name = text_of(call, "id"), text_of(function, "name")
        known["id"] = fresh_id or known["id"]
        known["name"] = fresh_name or known["name"]
        piece = function.get("arguments") or ""
        if not isinstance(piece, str):
            piece = json.dumps(piece, ensure_ascii=False)
        known["arguments"].append(piece)
        return Delta(
            tool_index=known["index"],
            tool_id=known["id"] if fresh_name else fresh_id,
            tool_name=fresh_name,
            tool_arguments=piece,
        )

    def _whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        content = [
            {"type": kind, kind: "".join(pieces)}
            for _, block in sorted(self._blocks.items())
            for kind, pieces in block.items()
        ]
        calls = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": "".join(call["arguments"])},
            }
            for call in self._calls.values()
        ]
        found = {
            "content": content,
            "tool_plan": "".join(self._plan),
            "tool_calls": calls,
            "citations": list(self._citations),
        }
        message.update({key: value for key, value in found.items() if value})
        body = {**self._body, "message": message}
        if self._logprobs:
            body["logprobs"] = list(self._logprobs)
        return body

    def partial(self) -> Completion:
        found = read_answer(self._whole())
        return found if self._ended else replace(found, stop_reason="unknown")

    def close(self) -> Completion:
        if self._error:
            raise self._error
        cut: ProtocolError | None = None
        try:
            for event in self._sse.close():
                for _ in self._data(event.data):
                    pass
        except ProtocolError as exc:
            # What is left at the end and no JSON is an event that was cut off.
            cut = exc
        if not self._ended:
            lost = ConnectionLost(f"{self._endpoint.provider}: the stream ended before message-end")
            lost.partial = self.partial()
            raise lost from cut
        return read_answer(self._whole())


def _one_or_many(value: Any) -> list[JSON]:
    """An event holds one call or citation as an object; the first event holds empty lists."""
    return [value] if isinstance(value, Mapping) else objects(value)
