"""Answers of Anthropic's Messages API as Completions, whole and streamed.

A stream's events are folded into the message that a plain answer would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import is_error, raise_if_error, stream_error
from prompture.codecs.folding import EventFolding
from prompture.codecs.tool_calls import CallAssembler, answered, arguments_of, named
from prompture.codecs.values import (
    Counts,
    merged,
    objects,
    read_arguments,
    request_id,
    section,
    stop_reason,
    tool_call,
)
from prompture.errors import ProtocolError
from prompture.types import JSON, Completion, Delta, Native, ToolCall, Usage
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

DIALECT = "anthropic"


def read_body(response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """The Completion of a whole response. Raises ProviderError where it is an error."""
    body = response.json(endpoint.secrets())
    raise_if_error(body, response, endpoint)
    return named(read_message(body, response.headers))


def read_message(body: Any, headers: Mapping[str, str]) -> Completion:
    """Raises ProtocolError where the body is no message."""
    blocks = body.get("content") if isinstance(body, Mapping) else None
    if not isinstance(blocks, list) or not all(isinstance(b, Mapping) for b in blocks):
        raise ProtocolError(f"anthropic: expected a message with content, got {shape(body)}")
    blocks = list(_with_unique_ids(blocks))
    calls = tuple(_call(b) for b in blocks if b.get("type") == "tool_use")
    raw_stop = body.get("stop_reason")
    text = "".join(_texts(blocks, "text"))
    return Completion(
        text=text,
        reasoning="".join(_texts(blocks, "thinking")),
        # A classifier's refusal may come in the middle: the text is then what was cut off.
        refusal=_refusal(body, text) if raw_stop == "refusal" else None,
        tool_calls=calls,
        stop_reason=stop_reason(raw_stop, called=bool(calls)),
        raw_stop=raw_stop,
        usage=read_usage(body.get("usage")),
        model=str(body.get("model") or ""),
        request_id=request_id(headers),
        citations=[c for b in blocks for c in _citations(b)] or None,
        # All of them, also of kinds that we do not know: signatures, calls of server tools and the marks
        # of fallbacks must go back where they stood, else the turn is refused.
        native=Native(DIALECT, [_echo(b) for b in blocks]) if blocks else None,
        raw=body,
    )


def _with_unique_ids(blocks: list[Any]) -> Iterator[JSON]:
    """The blocks, with an id for a call that has none, or that of another call: each must be
    answered by its id."""
    taken: set[str] = set()
    for block in blocks:
        if block.get("type") != "tool_use":
            yield block
            continue
        id = str(block.get("id") or f"call_{len(taken)}")
        # Servers that copy the API repeat ids; results could not be matched.
        id = f"{id}_{len(taken)}" if id in taken else id
        taken.add(id)
        yield block if block.get("id") == id else {**block, "id": id}


UNPARSED = "_unparsed"
"""Where a stream's tool block keeps input that was no JSON object."""


def _texts(blocks: list[Any], kind: str) -> Iterator[str]:
    return (str(b.get(kind) or "") for b in blocks if b.get("type") == kind)


def _citations(block: JSON) -> list[Any]:
    found = block.get("citations") if block.get("type") == "text" else None
    return found if isinstance(found, list) else []


def _call(block: JSON) -> ToolCall:
    arguments = block.get(UNPARSED, block.get("input"))
    return tool_call(
        id=str(block.get("id") or ""), name=str(block.get("name") or ""), arguments=arguments
    )


def _echo(block: JSON) -> JSON:
    return {k: v for k, v in block.items() if k != UNPARSED} if UNPARSED in block else block


def _refusal(body: JSON, text: str) -> str:
    details = section(body, "stop_details")
    return str(details.get("explanation") or details.get("category") or text)


def read_usage(usage: Any) -> Usage:
    """Anthropic counts fresh, read and written input apart; we add them up.

    ``iterations`` (compaction, advisors, models that declined) are not in these totals: see
    ``nested_usage``.
    """
    if not isinstance(usage, Mapping) or not usage:
        return Usage(requests=1)
    counts = Counts()
    part = counts.part
    # input_tokens leaves cached tokens out; our input_tokens includes them.
    fresh = counts.total(usage, "input_tokens")
    output = counts.total(usage, "output_tokens")
    read = part(usage, "cache_read_input_tokens")
    writes = _writes(usage, counts)
    # Where the total is missing, its parts by time to live make it.
    written = part(usage, "cache_creation_input_tokens") or sum(writes.values())
    reasoning = part(section(usage, "output_tokens_details"), "thinking_tokens")
    searches = part(section(usage, "server_tool_use"), "web_search_requests")
    stated_cost = counts.dollars(usage)
    tier = usage.get("service_tier")
    return Usage(
        input_tokens=fresh + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_writes=writes,
        reasoning_tokens=reasoning,
        requests=1,
        searches=searches,
        service_tier=tier if isinstance(tier, str) else None,
        stated_cost=stated_cost,
        reported=counts.readable,
        problem=counts.problem,
        raw=usage,
    )


def _writes(usage: JSON, counts: Counts) -> dict[str, int]:
    by_ttl = section(usage, "cache_creation")
    found = {ttl: counts.part(by_ttl, f"ephemeral_{ttl}_input_tokens") for ttl in ("5m", "1h")}
    return {ttl: tokens for ttl, tokens in found.items() if tokens}


def nested_usage(raw: JSON) -> list[tuple[str | None, Usage]]:
    """What ``Usage.raw`` lists besides the totals: calls of a compaction or an advisor, and the
    attempts of models that declined, each with its own model where it names one. They are billed
    on top."""
    iterations = objects(raw.get("iterations"))
    # The totals are those of the attempt that wrote the answer: the last one.
    attempts = [one for one in iterations if one.get("type") in ("message", "fallback_message")]
    served = attempts[-1].get("model") if attempts else None
    return [(one.get("model"), read_usage(one)) for one in iterations if _is_apart(one, served)]


def _is_apart(iteration: JSON, served: Any) -> bool:
    kind, model = iteration.get("type"), iteration.get("model")
    if kind == "message":
        # A model that declined before it wrote anything is not billed
        # (platform.claude.com/docs, "Refusals and fallback").
        return None not in (served, model) and model != served and bool(iteration["output_tokens"])
    return kind not in (None, "fallback_message")


_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "compaction_delta": "content"}


class AnthropicStream(EventFolding):
    """Unknown events, blocks and deltas are passed over; ``usage`` values overwrite earlier ones
    (they are running totals). Servers that copy the API number their blocks anew, or not at
    all: a block begins where its start comes."""

    last = "its last event, message_stop"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._message: dict[str, Any] = {}
        self._blocks: list[dict[str, Any]] = []
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._slots: dict[int, int] = {}
        self._calls = CallAssembler()
        self._ended = False

    def _event(self, event: dict[str, Any], deltas: list[Delta]) -> None:
        match event.get("type"):
            case "message_start":
                self._message = dict(_object(event, "message"))
            case "content_block_start":
                self._start(event, dict(_object(event, "content_block")), deltas)
            case "content_block_delta":
                self._delta(event, _object(event, "delta"), deltas)
            case "content_block_stop":
                self._stop(event, deltas)
            case "message_delta":
                self._amend(event)
            case "message_stop":
                self._ended = True
                self._end(deltas)
            # "ping" and whatever is new fall through: Anthropic's docs ask clients to pass unknown events over.
            case kind if kind == "error" or is_error(event):
                raise stream_error(event, self.endpoint)

    def _start(self, event: JSON, block: dict[str, Any], deltas: list[Delta]) -> None:
        # Our own number: a copy's indexes may repeat or be missing.
        slot = len(self._blocks)
        self._blocks.append(block)
        self._slots[_index(event, slot)] = slot
        kind = block.get("type")
        if kind == "tool_use":
            made = sum(one.get("type") == "tool_use" for one in self._blocks)
            block["id"] = str(block.get("id") or f"call_{made - 1}")
            name = str(block.get("name") or "")
            self._calls.begin(deltas, place=slot, id=block["id"], name=name)
        elif kind == "text" and block.get("text"):
            deltas.append(Delta(text=str(block["text"])))
        elif kind == "thinking" and block.get("thinking"):
            deltas.append(Delta(reasoning=str(block["thinking"])))

    def _slot(self, event: JSON, kind: str) -> int:
        """The block that a delta belongs to; one that never began, begins here."""
        latest = len(self._blocks) - 1
        slot = self._slots.get(_index(event, latest))
        if slot is not None:
            return slot
        if latest >= 0 and self._blocks[latest].get("type") == kind:
            return latest
        # Some copies of the API leave the starts of blocks out.
        self._blocks.append({"type": kind})
        self._slots[_index(event, latest + 1)] = latest + 1
        return latest + 1

    def _delta(self, event: JSON, delta: JSON, deltas: list[Delta]) -> None:
        kind = str(delta.get("type"))
        if key := _TEXTS.get(kind):
            piece = str(delta.get(key) or "")
            slot = self._slot(event, key if key != "content" else "compaction")
            self._pieces.setdefault((slot, key), []).append(piece)
            if piece and key != "content":
                deltas.append(Delta(text=piece) if key == "text" else Delta(reasoning=piece))
        elif kind == "input_json_delta":
            self._input(self._slot(event, "tool_use"), delta.get("partial_json"), deltas)
        elif kind == "signature_delta":
            block = self._blocks[self._slot(event, "thinking")]
            # Whole, at the end of the block, at Anthropic; added up in case a gateway cuts it.
            block["signature"] = (block.get("signature") or "") + str(delta.get("signature") or "")
        elif kind == "citations_delta" and "citation" in delta:
            block = self._blocks[self._slot(event, "text")]
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]

    def _input(self, slot: int, fragment: Any, deltas: list[Delta]) -> None:
        piece = arguments_of(fragment)
        self._pieces.setdefault((slot, "input"), []).append(piece)
        if self._blocks[slot].get("type") == "tool_use":
            self._calls.add(deltas, place=slot, arguments=piece)

    def _stop(self, event: JSON, deltas: list[Delta]) -> None:
        slot = self._slots.get(_index(event, len(self._blocks) - 1))
        if slot is None:
            return
        self._emit_input(slot, deltas)
        self._blocks[slot] = self._filled(slot)
        for key in (*_TEXTS.values(), "input"):
            self._pieces.pop((slot, key), None)

    def _emit_input(self, slot: int, deltas: list[Delta]) -> None:
        """Emit the input that stood in the block's start, where no piece of it came."""
        block = self._blocks[slot]
        whole = block.get("input") if block.get("type") == "tool_use" else None
        if whole and not block.get(UNPARSED) and not any(self._pieces.get((slot, "input"), ())):
            self._calls.add(deltas, place=slot, arguments=whole)

    def _end(self, deltas: list[Delta]) -> None:
        for slot in self._slots.values():
            self._emit_input(slot, deltas)
        self._calls.flush(deltas, final=True)

    def _filled(self, slot: int) -> dict[str, Any]:
        """A block with the pieces that came for it."""
        block = dict(self._blocks[slot])
        for key in _TEXTS.values():
            if pieces := self._pieces.get((slot, key)):
                block[key] = (block.get(key) or "") + "".join(pieces)
        pieces = self._pieces.get((slot, "input"), [])
        # Some servers begin with an empty object, and send the real one behind it.
        first = next((n for n, piece in enumerate(pieces) if piece.strip()), 0)
        rest = "".join(pieces[first + 1 :])
        # An object behind an empty one is the real input; see above.
        raw = rest if rest.strip() and pieces[first].strip() == "{}" else "".join(pieces)
        if not raw.strip():
            return block
        parsed, raw, _ = read_arguments(raw)
        block["input"] = parsed or {}
        if parsed is None:
            block[UNPARSED] = raw
        return block

    def _amend(self, event: JSON) -> None:
        usage = event.get("usage")
        if isinstance(usage, Mapping):
            known = self._message.get("usage")
            known = known if isinstance(known, Mapping) else {}
            # After a compaction the totals are those of its last call: they may well fall to 0.
            restated = {k: v for k, v in usage.items() if v is not None}
            both = {**known, **restated} if usage.get("iterations") else merged(known, usage)
            self._message["usage"] = both
        # The usage first: whoever is interrupted in between has an answer without an end, whose
        # price is not known.
        for key, value in section(event, "delta").items():
            # A null in message_delta states nothing: the start may have had the value.
            if value is not None or key not in self._message:
                self._message[key] = value

    def _whole(self) -> dict[str, Any]:
        """The message so far; asking for it changes nothing."""
        blocks = [self._filled(slot) for slot in range(len(self._blocks))]
        return {**self._message, "content": blocks}

    def _so_far(self) -> Completion:
        return read_message(self._whole(), {})

    def _finished(self) -> Completion:
        return answered(self._so_far(), self.endpoint.provider)

    def _terminated(self) -> bool:
        # A gateway's [DONE] is an end too, where the reason came before it.
        return self._ended or (self._done and bool(self._message.get("stop_reason")))


def _index(event: JSON, otherwise: int) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else otherwise


def _object(event: JSON, key: str) -> JSON:
    value = event.get(key)
    if isinstance(value, Mapping):
        return value
    raise ProtocolError(f"anthropic: a {event.get('type')} event has no {key}")
