"""Converse's binary events, folded into the body that a plain answer would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.codecs.anthropic_answer import UNPARSED
from prompture.codecs.base import Endpoint, read_arguments, section
from prompture.codecs.bedrock_answer import is_call, read_answer, read_failure
from prompture.codecs.usage import merged
from prompture.errors import ConnectionLost, ProtocolError
from prompture.types import JSON, Completion, Delta
from prompture.wire.eventstream import EventMessage, EventStreamDecoder
from prompture.wire.http import HTTPResponse
from prompture.wire.ndjson import parse_line


@dataclass(slots=True)
class ConverseStream:
    """Unknown events, blocks and deltas are passed over. The answer has ended well once
    ``messageStop`` came."""

    endpoint: Endpoint
    _frames: EventStreamDecoder = field(default_factory=EventStreamDecoder)
    _body: dict[str, Any] = field(default_factory=dict)
    _blocks: dict[int, dict[str, Any]] = field(default_factory=dict)
    _pieces: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    _calls: dict[int, int] = field(default_factory=dict)

    def feed(self, chunk: bytes) -> list[Delta]:
        return [d for message in self._frames.feed(chunk) for d in self._event(message)]

    def close(self) -> Completion:
        if "stopReason" not in self._body or self._frames.pending():
            lost = ConnectionLost(
                f"{self.endpoint.provider}: the stream ended before its last event"
            )
            lost.partial = self.partial()
            raise lost
        return read_answer(self._whole(), {})

    def partial(self) -> Completion:
        """What came so far; its stop reason is unknown until the provider states one."""
        found = read_answer(self._whole(), {})
        return found if found.raw_stop else replace(found, stop_reason="unknown")

    def _event(self, message: EventMessage) -> list[Delta]:
        kind = message.headers.get(":event-type", "")
        if message.headers.get(":message-type") in ("exception", "error"):
            name = message.headers.get(":exception-type") or message.headers.get(":error-code")
            told = message.headers.get(":error-message", "").encode()
            raise read_failure(
                HTTPResponse(200, {}, message.payload or told), self.endpoint, name or "error"
            )
        event = parse_line(message.payload.decode("utf-8", "replace") or "{}")
        if not isinstance(event, dict):
            raise ProtocolError(f"bedrock: expected an object in a {kind} event")
        index = event.get("contentBlockIndex")
        index = index if isinstance(index, int) else 0
        match kind:
            case "contentBlockStart":
                return self._start(index, section(event, "start"))
            case "contentBlockDelta":
                return self._delta(index, section(event, "delta"))
            case "messageStop" | "metadata":
                known, usage = self._body.get("usage"), section(event, "usage")
                self._body.update({k: v for k, v in event.items() if k != "p"})
                if known or usage:
                    self._body["usage"] = merged(known or {}, usage)
        return []

    def _start(self, index: int, start: JSON) -> list[Delta]:
        self._blocks[index] = {k: dict(v) for k, v in start.items() if isinstance(v, Mapping)}
        use = section(start, "toolUse")
        if not is_call(use):
            return []
        call = self._calls.setdefault(index, len(self._calls))
        id, name = str(use.get("toolUseId") or ""), str(use.get("name") or "")
        return [Delta(tool_index=call, tool_id=id, tool_name=name)]

    def _delta(self, index: int, delta: JSON) -> list[Delta]:
        block = self._blocks.setdefault(index, {})
        if isinstance(text := delta.get("text"), str):
            self._add(index, "text", text)
            return [Delta(text=text)] if text else []
        if isinstance(piece := section(delta, "toolUse").get("input"), str):
            self._add(index, "toolUse", piece)
            call = self._calls.get(index)
            told = call is not None and piece
            return [Delta(tool_index=call, tool_arguments=piece)] if told else []
        if isinstance(results := delta.get("toolResult"), list):
            result = block.setdefault("toolResult", {})
            result["content"] = [*result.get("content", ()), *results]
        if isinstance(delta.get("citation"), Mapping):
            cited = block.setdefault("citationsContent", {"citations": []})
            cited["citations"].append(delta["citation"])
        return self._thought(index, section(delta, "reasoningContent"))

    def _thought(self, index: int, thought: JSON) -> list[Delta]:
        for key in ("signature", "redactedContent"):
            if isinstance(value := thought.get(key), str):
                self._add(index, key, value)
        text = thought.get("text")
        if not isinstance(text, str) or not text:
            return []
        self._add(index, "thought", text)
        return [Delta(reasoning=text)]

    def _add(self, index: int, key: str, piece: str) -> None:
        self._pieces.setdefault((index, key), []).append(piece)

    def _whole(self) -> dict[str, Any]:
        blocks = [self._block(index, block) for index, block in sorted(self._blocks.items())]
        message = {"role": "assistant", "content": [b for b in blocks if b]}
        return {**self._body, "output": {"message": message}}

    def _block(self, index: int, started: JSON) -> dict[str, Any]:
        """A block with the pieces that came for it."""
        said = {key: "".join(pieces) for (i, key), pieces in self._pieces.items() if i == index}
        block = dict(started)
        if "toolUse" in started:
            block["toolUse"] = {**started["toolUse"], **_input(said.get("toolUse", ""))}
        elif "citationsContent" in started:
            content = [{"text": said.get("text", "")}]
            block["citationsContent"] = {**started["citationsContent"], "content": content}
        elif "text" in said:
            block["text"] = said["text"]
        elif "redactedContent" in said:
            block["reasoningContent"] = {"redactedContent": said["redactedContent"]}
        elif "thought" in said or "signature" in said:
            thought = {"text": said.get("thought", "")}
            if "signature" in said:
                thought["signature"] = said["signature"]
            block["reasoningContent"] = {"reasoningText": thought}
        return block


def _input(raw: str) -> dict[str, Any]:
    parsed, raw, _ = read_arguments(raw)
    return {"input": {}, UNPARSED: raw} if parsed is None else {"input": parsed}
