"""Events of the Responses API, folded into the response that a plain answer would be."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.codecs.base import Endpoint, section
from prompture.codecs.faults import stream_error
from prompture.codecs.openai_responses_answer import completion, failure, thoughts
from prompture.codecs.usage import merged
from prompture.errors import ConnectionLost, ProtocolError
from prompture.types import JSON, Completion, Delta
from prompture.wire.http import HTTPResponse
from prompture.wire.ndjson import parse_object
from prompture.wire.sse import SSEDecoder

_GOOD = ("response.completed", "response.incomplete", "response.cancelled")
_THOUGHT = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


@dataclass(slots=True)
class _Item:
    """What came of one output item: the item itself, and the pieces told as deltas."""

    item: JSON = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    thoughts: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    call: int | None = None
    done: bool = False


@dataclass(slots=True)
class ResponsesStream:
    """The terminal event holds the whole response; what came before it makes the deltas.

    Whatever a provider did not send as a delta (some send an item only when it is done) is
    told when the item, or the response, is complete.
    """

    endpoint: Endpoint
    _sse: SSEDecoder = field(default_factory=SSEDecoder)
    _items: dict[int, _Item] = field(default_factory=dict)
    _response: dict[str, Any] = field(default_factory=dict)
    _calls: int = 0
    _thinking: tuple[int, str, int] | None = None
    _ended: bool = False

    def feed(self, chunk: bytes) -> list[Delta]:
        return [d for event in self._sse.feed(chunk) for d in self._event(event.data)]

    def close(self) -> Completion:
        with suppress(ProtocolError):  # half an event is what a cut leaves
            for event in self._sse.close():
                self._event(event.data)
        if not self._ended:
            lost = ConnectionLost(
                f"{self.endpoint.provider}: the stream ended before its last event"
            )
            lost.partial = self.partial()
            raise lost
        return completion(self._whole(), {})

    def partial(self) -> Completion:
        """What came so far; its stop reason is unknown until the provider states one."""
        found = completion(self._whole(), {})
        return found if self._ended else replace(found, stop_reason="unknown", raw_stop=None)

    def _event(self, data: str) -> list[Delta]:
        if data.startswith("[DONE]"):
            return []
        event = parse_object(data)
        kind = str(event.get("type"))
        response = event.get("response")
        if kind == "error" or (event.get("error") and not isinstance(response, dict)):
            raise stream_error(event, self.endpoint)
        if isinstance(response, dict):
            return self._state(kind, response)
        return self._progress(kind, event)

    def _state(self, kind: str, response: dict[str, Any]) -> list[Delta]:
        known, usage = self._response.get("usage"), section(response, "usage")
        if isinstance(known, Mapping):
            response = {**response, "usage": merged(known, usage)}
        self._response = response
        if kind == "response.failed" or response.get("status") == "failed":
            # With its usage it is the provider's last word: the price is that of all of it.
            self._ended = bool(section(response, "usage"))
            raise failure(response, HTTPResponse(200, {}), self.endpoint)
        if kind not in _GOOD:
            return []
        self._ended = True
        output = response.get("output")
        deltas: list[Delta] = []
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if isinstance(item, Mapping) and not self._slot(index).done:
                deltas += self._done(index, item)
        return deltas

    def _progress(self, kind: str, event: JSON) -> list[Delta]:
        index = event.get("output_index")
        if not isinstance(index, int):
            return []
        slot = self._slot(index)
        item = event.get("item")
        if isinstance(item, Mapping):
            if kind == "response.output_item.added":
                return self._added(index, item)
            return self._done(index, item) if kind == "response.output_item.done" else []
        piece = event.get("delta")
        if not isinstance(piece, str) or not piece:
            return []
        if kind == "response.output_text.delta":
            return _told(slot.text, Delta(text=piece), piece)
        if kind == "response.refusal.delta":
            return _told(slot.refusal, Delta(refusal=piece), piece)
        if kind == "response.function_call_arguments.delta" and slot.call is not None:
            delta = Delta(tool_index=slot.call, tool_arguments=piece)
            return _told(slot.arguments, delta, piece)
        if kind in _THOUGHT:
            key = "content" if kind == _THOUGHT[1] else "summary"
            part = event.get("content_index" if key == "content" else "summary_index")
            return self._thought(index, key, part if isinstance(part, int) else 0, piece)
        return []

    def _slot(self, index: int) -> _Item:
        return self._items.setdefault(index, _Item())

    def _added(self, index: int, item: JSON) -> list[Delta]:
        slot = self._slot(index)
        slot.item = item
        if item.get("type") != "function_call" or slot.call is not None:
            return []
        slot.call = self._calls
        self._calls += 1
        return [
            Delta(
                tool_index=slot.call,
                tool_id=str(item.get("call_id") or item.get("id") or ""),
                tool_name=str(item.get("name") or ""),
            )
        ]

    def _thought(self, index: int, key: str, part: int, piece: str) -> list[Delta]:
        """Parts of reasoning stand apart by a blank line, as in the completion."""
        place = (index, key, part)
        self._slot(index).thoughts.setdefault((key, part), []).append(piece)
        gap = "" if self._thinking in (None, place) else "\n\n"
        self._thinking = place
        return [Delta(reasoning=gap + piece)]

    def _done(self, index: int, item: JSON) -> list[Delta]:
        """The item is whole: tell what no delta told."""
        deltas = self._added(index, item)
        slot = self._slot(index)
        slot.item, slot.done = item, True
        if item.get("type") == "function_call" and slot.call is not None:
            rest = _rest(str(item.get("arguments") or ""), slot.arguments)
            if rest:
                deltas.append(Delta(tool_index=slot.call, tool_arguments=rest))
        if item.get("type") == "reasoning" and not slot.thoughts:
            for part, thought in enumerate(filter(None, thoughts(item))):
                deltas += self._thought(index, "done", part, thought)
        if item.get("type") == "message":
            deltas += self._spoken(slot, item)
        return deltas

    def _spoken(self, slot: _Item, item: JSON) -> list[Delta]:
        whole = completion({"output": [item]}, {})
        deltas = []
        if rest := _rest(whole.text, slot.text):
            deltas.append(Delta(text=rest))
        if rest := _rest(whole.refusal or "", slot.refusal):
            deltas.append(Delta(refusal=rest))
        return deltas

    def _whole(self) -> dict[str, Any]:
        """The response; where it lists no output (yet), the items that came make it."""
        output = self._response.get("output")
        if self._ended and isinstance(output, list) and output:
            return self._response
        items = [_so_far(slot) for _, slot in sorted(self._items.items())]
        return {**self._response, "output": [item for item in items if item]}


def _told(pieces: list[str], delta: Delta, piece: str) -> list[Delta]:
    pieces.append(piece)
    return [delta]


def _rest(whole: str, pieces: list[str]) -> str:
    """What of ``whole`` the pieces have not told."""
    told = "".join(pieces)
    if not whole.startswith(told) or len(whole) == len(told):
        return ""
    pieces.append(whole[len(told) :])
    return pieces[-1]


def _so_far(slot: _Item) -> JSON:
    """An item that is not done, made of its pieces."""
    if slot.done:
        return slot.item
    kind = slot.item.get("type") or ("reasoning" if slot.thoughts else "message")
    if kind == "function_call":
        return {**slot.item, "type": kind, "arguments": "".join(slot.arguments)}
    if kind == "reasoning":
        texts = ["".join(pieces) for _, pieces in sorted(slot.thoughts.items())]
        summary = [{"type": "summary_text", "text": text} for text in texts]
        return {**slot.item, "type": kind, "summary": summary}
    if kind != "message":
        return slot.item
    content = []
    if slot.text:
        content.append({"type": "output_text", "text": "".join(slot.text), "annotations": []})
    if slot.refusal:
        content.append({"type": "refusal", "refusal": "".join(slot.refusal)})
    return {**slot.item, "type": kind, "content": content}
