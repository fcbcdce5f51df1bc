"""Cohere's events, folded into the body that the whole answer would have had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.cohere_answer import raise_error, read_answer, read_body
from prompture.codecs.folding import EventFolding
from prompture.codecs.tool_calls import CallAssembler, answered
from prompture.codecs.usage import merged
from prompture.codecs.values import objects, section, string
from prompture.types import JSON, Completion, Delta


class CohereStream(EventFolding):
    """Folds a stream; ``message-end`` is its last event. Events of other types are passed over.

    Usage stands in the last event only, and is empty where the answer failed.
    """

    last = "message-end"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._body: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, list[str]]] = {}
        self._plan: list[str] = []
        self._calls = CallAssembler()
        self._citations: list[Any] = []
        self._logprobs: list[Any] = []
        self._ended = False

    def _event(self, event: dict[str, Any], deltas: list[Delta]) -> None:
        delta = section(event, "delta")
        # An error may be in the event or in its delta.
        for source in (event, delta):
            raise_error(source, self.endpoint)
        message = section(delta, "message")
        index = event.get("index")
        match event.get("type"):
            case "message-start":
                self._body["id"] = event.get("id")
            case "content-start" | "content-delta":
                if event.get("logprobs"):
                    self._logprobs.append(event["logprobs"])
                deltas.extend(self._content(section(message, "content"), index))
            case "tool-plan-delta":
                if plan := string(message, "tool_plan"):
                    self._plan.append(plan)
                    deltas.append(Delta(reasoning=plan))
            case "tool-call-start" | "tool-call-delta":
                for call in _one_or_many(message.get("tool_calls")):
                    self._call(call, index, deltas)
            case "citation-start":
                self._citations += _one_or_many(message.get("citations"))
            case "message-end":
                self._ended = True
                self._calls.flush(deltas, final=True)
                self._body["finish_reason"] = delta.get("finish_reason")
                if usage := section(delta, "usage"):
                    self._body["usage"] = merged(section(self._body, "usage"), usage)

    def _content(self, block: JSON, index: Any) -> Iterator[Delta]:
        place = index if isinstance(index, int) else max(self._blocks, default=0)
        for kind in ("text", "thinking"):
            piece = string(block, kind)
            if not piece and block.get("type") != kind:
                continue
            self._blocks.setdefault(place, {}).setdefault(kind, []).append(piece)
            if piece:
                yield Delta(text=piece) if kind == "text" else Delta(reasoning=piece)

    def _call(self, call: JSON, index: Any, deltas: list[Delta]) -> None:
        function = section(call, "function")
        self._calls.add(
            deltas,
            place=index,
            id=string(call, "id"),
            name=string(function, "name"),
            arguments=function.get("arguments"),
        )

    def _terminated(self) -> bool:
        return self._ended

    def _so_far(self) -> Completion:
        return read_answer(self._whole())

    def _finished(self) -> Completion:
        self._calls.check()
        return answered(self._so_far(), self.endpoint.provider)

    def _whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        content = [
            {"type": kind, kind: "".join(pieces)}
            for _, block in sorted(self._blocks.items())
            for kind, pieces in block.items()
        ]
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.raw_arguments},
            }
            for call in self._calls.so_far()
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


def _one_or_many(value: Any) -> list[JSON]:
    """An event holds one call or citation as an object; the first event holds empty lists."""
    return [value] if isinstance(value, Mapping) else objects(value)
