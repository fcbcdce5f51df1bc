"""Converse's binary events, folded into the body that a plain answer would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompture.codecs.anthropic_answer import UNPARSED
from prompture.codecs.base import Endpoint
from prompture.codecs.bedrock_answer import is_call, read_answer, read_body, read_failure
from prompture.codecs.folding import Folding
from prompture.codecs.tool_calls import CallAssembler, answered, arguments_of
from prompture.codecs.usage import merged
from prompture.codecs.values import read_arguments, section
from prompture.errors import ProtocolError
from prompture.types import JSON, Completion, Delta
from prompture.wire.aws import EventMessage, EventStreamDecoder
from prompture.wire.http import HTTPResponse
from prompture.wire.lines import parse_object


class ConverseStream(Folding):
    """Unknown events, blocks and deltas are passed over. The answer has ended well once
    ``messageStop`` came."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._frames = EventStreamDecoder()
        self._body: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._calls = CallAssembler()

    def _read(self, chunk: bytes, deltas: list[Delta]) -> None:
        for message in self._frames.feed(chunk):
            self._event(message, deltas)

    def _flush(self) -> None:
        if self._frames.pending():
            raise ProtocolError("bedrock: the stream ended within an event")

    def _event(self, message: EventMessage, deltas: list[Delta]) -> None:
        kind = message.headers.get(":event-type", "")
        if message.headers.get(":message-type") in ("exception", "error"):
            name = message.headers.get(":exception-type") or message.headers.get(":error-code")
            stated = message.headers.get(":error-message", "").encode()
            raise read_failure(
                HTTPResponse(200, {}, message.payload or stated), self.endpoint, name or "error"
            )
        event = parse_object(message.payload.decode("utf-8", "replace") or "{}")
        index = event.get("contentBlockIndex")
        index = index if isinstance(index, int) else 0
        match kind:
            case "contentBlockStart":
                self._start(index, section(event, "start"), deltas)
            case "contentBlockDelta":
                self._delta(index, section(event, "delta"), deltas)
            case "messageStop" | "metadata":
                known, usage = self._body.get("usage"), section(event, "usage")
                # "p" is padding that hides an event's length.
                self._body.update({k: v for k, v in event.items() if k != "p"})
                if known or usage:
                    self._body["usage"] = merged(known or {}, usage)
                self._calls.flush(deltas, final=True)

    def _start(self, index: int, start: JSON, deltas: list[Delta]) -> None:
        block = {k: dict(v) for k, v in start.items() if isinstance(v, Mapping)}
        self._blocks[index] = block
        use = block.get("toolUse", {})
        # Calls of the provider's own tools are echoed, not ours to answer.
        if is_call(use):
            made = sum(is_call(b.get("toolUse", {})) for b in self._blocks.values())
            use["toolUseId"] = str(use.get("toolUseId") or f"call_{made - 1}")
            name = str(use.get("name") or "")
            self._calls.begin(deltas, place=index, id=use["toolUseId"], name=name)

    def _delta(self, index: int, delta: JSON, deltas: list[Delta]) -> None:
        block = self._blocks.setdefault(index, {})
        if isinstance(text := delta.get("text"), str):
            self._add(index, "text", text)
            if text:
                deltas.append(Delta(text=text))
            return
        if "input" in (use := section(delta, "toolUse")):
            piece = arguments_of(use["input"])
            self._add(index, "toolUse", piece)
            if is_call(block.get("toolUse", {"name": ""})):
                self._calls.add(deltas, place=index, arguments=piece)
            return
        if isinstance(results := delta.get("toolResult"), list):
            result = block.setdefault("toolResult", {})
            result["content"] = [*result.get("content", ()), *results]
        if isinstance(delta.get("citation"), Mapping):
            cited = block.setdefault("citationsContent", {"citations": []})
            cited["citations"].append(delta["citation"])
        self._thought(index, section(delta, "reasoningContent"), deltas)

    def _thought(self, index: int, thought: JSON, deltas: list[Delta]) -> None:
        for key in ("signature", "redactedContent"):
            if isinstance(value := thought.get(key), str):
                self._add(index, key, value)
        text = thought.get("text")
        if isinstance(text, str) and text:
            self._add(index, "thought", text)
            deltas.append(Delta(reasoning=text))

    def _add(self, index: int, key: str, piece: str) -> None:
        self._pieces.setdefault((index, key), []).append(piece)

    def _terminated(self) -> bool:
        return "stopReason" in self._body

    def _so_far(self) -> Completion:
        return read_answer(self._whole(), {})

    def _finished(self) -> Completion:
        return answered(self._so_far(), self.endpoint.provider)

    def _whole(self) -> dict[str, Any]:
        blocks = [self._block(index, block) for index, block in sorted(self._blocks.items())]
        message = {"role": "assistant", "content": [b for b in blocks if b]}
        return {**self._body, "output": {"message": message}}

    def _block(self, index: int, started: JSON) -> dict[str, Any]:
        """A block with the pieces that came for it."""
        joined = {key: "".join(pieces) for (i, key), pieces in self._pieces.items() if i == index}
        block = dict(started)
        if "toolUse" in started or "toolUse" in joined:
            block["toolUse"] = {**started.get("toolUse", {}), **_input(joined.get("toolUse", ""))}
        elif "citationsContent" in started:
            content = [{"text": joined.get("text", "")}]
            block["citationsContent"] = {**started["citationsContent"], "content": content}
        elif "text" in joined:
            block["text"] = joined["text"]
        elif "redactedContent" in joined:
            block["reasoningContent"] = {"redactedContent": joined["redactedContent"]}
        elif "thought" in joined or "signature" in joined:
            thought = {"text": joined.get("thought", "")}
            if "signature" in joined:
                thought["signature"] = joined["signature"]
            block["reasoningContent"] = {"reasoningText": thought}
        return block


def _input(raw: str) -> dict[str, Any]:
    parsed, raw, _ = read_arguments(raw)
    return {"input": {}, UNPARSED: raw} if parsed is None else {"input": parsed}
