"""Events of the Responses API, folded into the response that a plain answer would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import is_error, stream_error
from prompture.codecs.folding import EventFolding
from prompture.codecs.openai_responses_answer import (
    CALLS,
    completion,
    failure,
    is_commentary,
    made_of,
    read_body,
    thoughts,
)
from prompture.codecs.tool_calls import answered, arguments_of
from prompture.codecs.values import merged, section
from prompture.types import JSON, Completion, Delta
from prompture.wire.http import HTTPResponse

_GOOD = ("response.completed", "response.incomplete", "response.cancelled")
_THOUGHT = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


@dataclass(slots=True)
class _Item:
    """What came of one output item: the item itself, and the pieces emitted as deltas."""

    item: JSON = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    thoughts: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    call: int | None = None
    call_id: Any = None
    done: bool = False


class ResponsesStream(EventFolding):
    """The terminal event holds the whole response; what came before it makes the deltas.

    Whatever a provider did not send as a delta (some send an item only when it is done) is
    emitted when the item, or the response, is complete.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._items: dict[int, _Item] = {}
        self._by_id: dict[str, int] = {}
        self._response: dict[str, Any] = {}
        self._calls = 0
        self._thinking: tuple[int, str, int] | None = None
        self._ended = False

    def _event(self, event: dict[str, Any], deltas: list[Delta]) -> None:
        kind = str(event.get("type"))
        response = event.get("response")
        # A failed response holds an ``error`` as well, and its usage: it goes the other way.
        if not isinstance(response, dict) and (kind == "error" or is_error(event)):
            raise stream_error(event, self.endpoint)
        if isinstance(response, dict):
            self._state(kind, response, deltas)
        else:
            self._progress(kind, event, deltas)

    def _state(self, kind: str, response: dict[str, Any], deltas: list[Delta]) -> None:
        known, usage = self._response.get("usage"), section(response, "usage")
        # The last event may leave counts out that an earlier one had.
        if isinstance(known, Mapping):
            response = {**response, "usage": merged(known, usage)}
        self._response = response
        if kind == "response.failed" or response.get("status") == "failed":
            # With its usage it is the provider's last word: the price is that of all of it.
            self._ended = bool(section(response, "usage"))
            raise failure(response, HTTPResponse(200, {}), self.endpoint)
        if kind not in _GOOD:
            return
        self._ended = True
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if isinstance(item, Mapping) and not self._slot(self._place(index, item)).done:
                deltas += self._done_item(self._place(index, item), item)

    def _place(self, index: Any, item: JSON) -> int:
        """Where an item belongs: where its id was, else at its index, unless another is there."""
        id = item.get("id")
        if isinstance(id, str) and id in self._by_id:
            return self._by_id[id]
        place = index if isinstance(index, int) else max(self._items, default=-1) + 1
        there = self._items.get(place)
        if there is not None and there.item and id and there.item.get("id") not in (None, id):
            # In the last event vLLM gives the same items other ids (vllm#47916), and SGLang's
            # router another item in their place (sglang#12652).
            is_same = self._ended and there.item.get("type") == item.get("type")
            place = place if is_same else max(self._items) + 1
        if isinstance(id, str):
            self._by_id[id] = place
        return place

    def _progress(self, kind: str, event: JSON, deltas: list[Delta]) -> None:
        item = event.get("item")
        if isinstance(item, Mapping):
            index = self._place(event.get("output_index"), item)
            if kind == "response.output_item.added":
                deltas += self._added(index, item)
            elif kind == "response.output_item.done":
                deltas += self._done_item(index, item)
            return
        is_whole = kind == "response.function_call_arguments.done"
        piece = event.get("arguments" if is_whole else "delta")
        if not isinstance(piece, str) or not piece:
            return
        place = event.get("output_index")
        index = place if isinstance(place, int) else max(self._items, default=0)
        index = self._by_id.get(str(event.get("item_id")), index)
        slot = self._slot(index)
        if is_whole:
            deltas += self._arguments(slot, piece)
        elif kind == "response.output_text.delta" and is_commentary(slot.item):
            part = event.get("content_index")
            deltas += self._thought(index, "content", part if isinstance(part, int) else 0, piece)
        elif kind == "response.output_text.delta":
            deltas += _append(slot.text, Delta(text=piece), piece)
        elif kind == "response.refusal.delta":
            deltas += _append(slot.refusal, Delta(refusal=piece), piece)
        elif kind == "response.function_call_arguments.delta" and slot.call is not None:
            delta = Delta(tool_index=slot.call, tool_arguments=piece)
            deltas += _append(slot.arguments, delta, piece)
        elif kind in _THOUGHT:
            key = "content" if kind == _THOUGHT[1] else "summary"
            part = event.get("content_index" if key == "content" else "summary_index")
            deltas += self._thought(index, key, part if isinstance(part, int) else 0, piece)

    def _slot(self, index: int) -> _Item:
        return self._items.setdefault(index, _Item())

    def _added(self, index: int, item: JSON) -> list[Delta]:
        # Again with each state of the item: the last has most.
        slot = self._slot(index)
        slot.item = item
        if item.get("type") not in CALLS or slot.call is not None:
            return []
        call = made_of(item)
        slot.call, slot.call_id = self._calls, _call_id(item)
        self._calls += 1
        return [
            Delta(
                tool_index=slot.call,
                tool_id=call.id,
                tool_name=call.name,
            )
        ]

    def _thought(self, index: int, key: str, part: int, piece: str) -> list[Delta]:
        """Parts of reasoning stand apart by a blank line, as in the completion."""
        place = (index, key, part)
        self._slot(index).thoughts.setdefault((key, part), []).append(piece)
        gap = "" if self._thinking in (None, place) else "\n\n"
        self._thinking = place
        return [Delta(reasoning=gap + piece)]

    def _done_item(self, index: int, item: JSON) -> list[Delta]:
        """The item is whole: emit what no delta has brought."""
        deltas = self._added(index, item)
        slot = self._slot(index)
        if slot.call is not None and _call_id(item) != slot.call_id:
            item = {**item, "call_id": slot.call_id}  # the id that went out
        slot.item, slot.done = item, True
        if item.get("type") in CALLS and slot.call is not None:
            free = item.get("type") != "function_call"
            whole = made_of(item).raw_arguments if free else arguments_of(item.get("arguments"))
            deltas += self._arguments(slot, whole)
        if not slot.thoughts:
            for part, thought in enumerate(filter(None, thoughts(item))):
                deltas += self._thought(index, "done", part, thought)
        if item.get("type") == "message":
            deltas += self._spoken(slot, item)
        return deltas

    def _arguments(self, slot: _Item, whole: str) -> list[Delta]:
        """What of a call's arguments no delta has brought."""
        rest = _rest(whole, slot.arguments) if slot.call is not None else ""
        return [Delta(tool_index=slot.call, tool_arguments=rest)] if rest else []

    def _spoken(self, slot: _Item, item: JSON) -> list[Delta]:
        whole = completion({"output": [item]}, {})
        deltas = []
        if rest := _rest(whole.text, slot.text):
            deltas.append(Delta(text=rest))
        if rest := _rest(whole.refusal or "", slot.refusal):
            deltas.append(Delta(refusal=rest))
        return deltas

    def _terminated(self) -> bool:
        return self._ended

    def _so_far(self) -> Completion:
        found = completion(self._whole(), {})
        # The status is "in_progress" until then, which is no reason.
        return found if self._ended else replace(found, raw_stop=None)

    def _finished(self) -> Completion:
        return answered(self._so_far(), self.endpoint.provider)

    def _whole(self) -> dict[str, Any]:
        """The response; where it lists no output (yet), or not all, the items that came make it."""
        output = self._response.get("output")
        if self._ended and isinstance(output, list) and output and self._lists_calls(output):
            return self._response
        items = [_so_far(slot) for _, slot in sorted(self._items.items())]
        return {**self._response, "output": [item for item in items if item]}

    def _lists_calls(self, output: list[Any]) -> bool:
        """Whether each call that went out is there, under the id that it went out with."""
        listed = {_call_id(item) for item in output if isinstance(item, Mapping)}
        return all(s.call_id in listed for s in self._items.values() if s.call is not None)


def _call_id(item: JSON) -> Any:
    return item.get("call_id") or item.get("id")


def _append(pieces: list[str], delta: Delta, piece: str) -> list[Delta]:
    pieces.append(piece)
    return [delta]


def _rest(whole: str, pieces: list[str]) -> str:
    """What of ``whole`` the pieces have not emitted."""
    emitted = "".join(pieces)
    if not whole.startswith(emitted) or len(whole) == len(emitted):
        return ""
    pieces.append(whole[len(emitted) :])
    return pieces[-1]


def _so_far(slot: _Item) -> JSON:
    """An item that is not done, made of its pieces."""
    if slot.done:
        return slot.item
    kind = slot.item.get("type") or ("reasoning" if slot.thoughts else "message")
    if kind == "function_call" or (kind in CALLS and slot.arguments):
        return {**slot.item, "type": kind, "arguments": "".join(slot.arguments)}
    if kind == "reasoning":
        texts = ["".join(pieces) for _, pieces in sorted(slot.thoughts.items())]
        summary = [{"type": "summary_text", "text": text} for text in texts]
        return {**slot.item, "type": kind, "summary": summary}
    if kind != "message":
        return slot.item
    content: list[Any] = []
    if is_commentary(slot.item):
        texts = ["".join(pieces) for _, pieces in sorted(slot.thoughts.items())]
        content = [{"type": "output_text", "text": text} for text in texts]
    if slot.text:
        content.append({"type": "output_text", "text": "".join(slot.text), "annotations": []})
    if slot.refusal:
        content.append({"type": "refusal", "refusal": "".join(slot.refusal)})
    return {**slot.item, "type": kind, "content": content}
