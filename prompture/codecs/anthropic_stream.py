"""Anthropic's server-sent events, folded into the message that a plain answer would be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.codecs.anthropic_answer import UNPARSED, read_message
from prompture.codecs.base import Endpoint, read_arguments
from prompture.codecs.faults import stream_error
from prompture.codecs.usage import merged
from prompture.errors import ConnectionLost, ProtocolError
from prompture.types import JSON, Completion, Delta
from prompture.wire.ndjson import parse_object
from prompture.wire.sse import SSEDecoder

_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "compaction_delta": "content"}


@dataclass(slots=True)
class AnthropicStream:
    """Unknown events, blocks and deltas are passed over; ``usage`` values overwrite earlier ones
    (they are running totals)."""

    endpoint: Endpoint
    _sse: SSEDecoder = field(default_factory=SSEDecoder)
    _message: dict[str, Any] = field(default_factory=dict)
    _blocks: dict[int, dict[str, Any]] = field(default_factory=dict)
    _pieces: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    _calls: dict[int, int] = field(default_factory=dict)
    _ended: bool = False

    def feed(self, chunk: bytes) -> list[Delta]:
        return [d for event in self._sse.feed(chunk) for d in self._event(event.data)]

    def close(self) -> Completion:
        with suppress(ProtocolError):  # half an event is what a cut leaves
            for event in self._sse.close():
                self._event(event.data)
        if not self._ended:
            lost = ConnectionLost(
                f"{self.endpoint.provider}: the stream ended before its last event, message_stop"
            )
            lost.partial = self.partial()
            raise lost
        return read_message(self._whole(), {})

    def partial(self) -> Completion:
        """What came so far; its stop reason is unknown until the provider states one."""
        found = read_message(self._whole(), {})
        return found if found.raw_stop else replace(found, stop_reason="unknown")

    def _event(self, data: str) -> list[Delta]:
        event = parse_object(data)
        match event.get("type"):
            case "message_start":
                self._message = dict(_object(event, "message"))
            case "content_block_start":
                return self._start(_index(event), dict(_object(event, "content_block")))
            case "content_block_delta":
                return self._delta(_index(event), _object(event, "delta"))
            case "content_block_stop":
                self._stop(_index(event))
            case "message_delta":
                self._amend(event)
            case "message_stop":
                self._ended = True
            case kind if kind == "error" or event.get("error"):
                raise stream_error(event, self.endpoint)
        return []

    def _start(self, index: int, block: dict[str, Any]) -> list[Delta]:
        self._blocks[index] = block
        kind = block.get("type")
        if kind == "tool_use":
            call = self._calls.setdefault(index, len(self._calls))
            whole = block.get("input")
            return [
                Delta(
                    tool_index=call,
                    tool_id=str(block.get("id") or ""),
                    tool_name=str(block.get("name") or ""),
                    tool_arguments=json.dumps(whole, ensure_ascii=False) if whole else "",
                )
            ]
        if kind == "text" and block.get("text"):
            return [Delta(text=str(block["text"]))]
        if kind == "thinking" and block.get("thinking"):
            return [Delta(reasoning=str(block["thinking"]))]
        return []

    def _delta(self, index: int, delta: JSON) -> list[Delta]:
        kind = str(delta.get("type"))
        if key := _TEXTS.get(kind):
            piece = str(delta.get(key) or "")
            self._pieces.setdefault((index, key), []).append(piece)
            if not piece or key == "content":
                return []
            return [Delta(text=piece) if key == "text" else Delta(reasoning=piece)]
        if kind == "input_json_delta":
            piece = str(delta.get("partial_json") or "")
            self._pieces.setdefault((index, "input"), []).append(piece)
            call = self._calls.get(index)
            return [] if call is None or not piece else [_arguments(call, piece)]
        block = self._blocks.get(index, {})
        if kind == "signature_delta":
            block["signature"] = (block.get("signature") or "") + str(delta.get("signature") or "")
        elif kind == "citations_delta" and "citation" in delta:
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        return []

    def _stop(self, index: int) -> None:
        if block := self._blocks.get(index):
            self._fill(index, block)

    def _fill(self, index: int, block: dict[str, Any]) -> None:
        """Put the pieces that came for a block into it."""
        for key in ("text", "thinking", "content"):
            if pieces := self._pieces.pop((index, key), None):
                block[key] = (block.get(key) or "") + "".join(pieces)
        raw = "".join(self._pieces.pop((index, "input"), ()))
        if not raw.strip():
            return
        parsed, raw, _ = read_arguments(raw)
        block["input"] = parsed or {}
        if parsed is None:
            block[UNPARSED] = raw

    def _amend(self, event: JSON) -> None:
        for key, value in _object(event, "delta").items():
            if value is not None or key not in self._message:
                self._message[key] = value
        usage = event.get("usage")
        if isinstance(usage, Mapping):
            known = self._message.get("usage")
            known = known if isinstance(known, Mapping) else {}
            # After a compaction the totals are those of its last call: they may well fall to 0.
            restated = {k: v for k, v in usage.items() if v is not None}
            both = {**known, **restated} if usage.get("iterations") else merged(known, usage)
            self._message["usage"] = both

    def _whole(self) -> dict[str, Any]:
        """The message so far; asking for it changes nothing."""
        blocks = []
        for index, block in sorted(self._blocks.items()):
            copy = dict(block)
            pieces = dict(self._pieces)
            self._fill(index, copy)
            self._pieces = pieces
            blocks.append(copy)
        return {**self._message, "content": blocks}


def _index(event: JSON) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _object(event: JSON, key: str) -> JSON:
    value = event.get(key)
    if isinstance(value, Mapping):
        return value
    raise ProtocolError(f"anthropic: a {event.get('type')} event has no {key}")


def _arguments(call: int, piece: str) -> Delta:
    return Delta(tool_index=call, tool_arguments=piece)
