"""Gemini's streams: chunks of one answer, framed as events or as a JSON array."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.folding import Folding
from prompture.codecs.gemini_answer import (
    call_id,
    calls_of,
    candidate_of,
    finish_of,
    raise_error,
    read_answer,
    words_of,
)
from prompture.codecs.tool_calls import named
from prompture.codecs.values import last_stop, merged, objects
from prompture.errors import ProtocolError
from prompture.types import JSON, Completion, Delta
from prompture.wire.framing import LineDecoder, parse_line
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

_MARKS = re.compile(r'["\\{}]')
_MAX_HELD_CHARS = 32 * 1024 * 1024


@dataclass(slots=True)
class Frames:
    """The JSON values of a stream: the data of server-sent events, and bare objects.

    Without ``alt=sse`` the answer is one array of chunks, pretty-printed over many lines; and
    an error in the middle of an event stream comes as an object that no ``data:`` precedes.
    """

    _lines: LineDecoder = field(default_factory=LineDecoder)
    _data: list[str] = field(default_factory=list)
    _bare: list[str] = field(default_factory=list)
    _held: int = 0
    _depth: int = 0
    _quoted: bool = False

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """One by one, so that what precedes a broken event is not lost."""
        for line in self._lines.feed(chunk):
            yield from self._line(line)

    def close(self) -> Iterator[Any]:
        """The event that only the closing blank line is missing of. Raises ProtocolError where
        it is cut off."""
        for line in (self._lines.close(), ""):
            yield from self._line(line)
        if self._depth:
            yield parse_line("".join(self._bare))

    def _line(self, line: str) -> Iterator[Any]:
        if self._depth or line.lstrip()[:1] in ("{", "[", ","):
            yield from self._objects(line + "\n")
        elif line.startswith("data:"):
            self._hold(self._data, line[5:].removeprefix(" "))
        elif not line and self._data:
            data, self._data, self._held = "\n".join(self._data), [], 0
            # A frame with nothing in it only keeps the connection alive.
            if data.strip() not in ("", "null") and not data.startswith("[DONE]"):
                yield parse_line(data)

    def _objects(self, line: str) -> Iterator[Any]:
        """The objects that the line completes; brackets and commas between them are dropped."""
        start = at = 0
        while mark := _MARKS.search(line, at):
            at = mark.end()
            sign = mark.group()
            if sign == "\\" and self._quoted:
                at += 1
            # Between the objects there are no strings.
            elif sign == '"' and self._depth:
                self._quoted = not self._quoted
            elif self._quoted:
                continue
            elif sign == "{":
                if not self._depth:
                    start = mark.start()
                self._depth += 1
            elif sign == "}" and self._depth:
                self._depth -= 1
                if not self._depth:
                    whole = "".join(self._bare) + line[start:at]
                    self._bare, self._held = [], 0
                    yield parse_line(whole)
        if self._depth:
            self._hold(self._bare, line[start:])

    def _hold(self, pieces: list[str], text: str) -> None:
        self._held += len(text)
        if self._held > _MAX_HELD_CHARS:
            raise ProtocolError(f"an event of the stream passes {_MAX_HELD_CHARS} characters")
        pieces.append(text)


class Fold:
    """Chunks added up to the body that the whole answer would have had.

    Of usage and the other fields the last value that is not null wins: they are running totals,
    and may be missing from a chunk. Runs of plain text become one part; a part with a signature
    stays by itself, as it must be echoed so.
    """

    def __init__(self) -> None:
        self._body: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._candidate: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []
        self._run: list[str] = []
        self._ids: list[str] = []
        self._logprobs: dict[str, list[Any]] = {}

    def add(self, chunk: JSON) -> list[Delta]:
        for key, value in chunk.items():
            if value is None or key == "candidates":
                continue
            if key == "usageMetadata" and isinstance(value, dict):
                self._usage = merged(self._usage, value)
            else:
                self._body[key] = value
        candidate = candidate_of(chunk)
        for key, value in candidate.items():
            if key == "logprobsResult" and isinstance(value, dict):
                self._add_logprobs(value)
            # The last chunk has the reason; grounding comes there or before it.
            elif key == "finishReason" and isinstance(value, str):
                self._candidate[key] = last_stop(self._candidate.get(key), value)
            elif value is not None and key != "content":
                self._candidate[key] = value
        content = candidate.get("content")
        parts = objects(content.get("parts")) if isinstance(content, dict) else []
        return [d for part in parts for d in self._part(part)]

    def _add_logprobs(self, result: JSON) -> None:
        for key, value in result.items():
            if isinstance(value, list):
                self._logprobs.setdefault(key, []).extend(value)

    def _part(self, part: JSON) -> Iterator[Delta]:
        call = part.get("functionCall")
        if isinstance(call, dict) and not call.keys().isdisjoint(("partialArgs", "willContinue")):
            # Vertex AI's, only where it is asked for: its pieces name places within the arguments.
            raise ProtocolError("arguments in pieces are not read: no streamFunctionCallArguments")
        text, thought = words_of(part)
        plain = part.keys() <= {"text", "thought"}
        # The last chunk often has an empty text, beside the finish reason (recorded).
        if plain and not text:
            return
        last = self._parts[-1] if self._parts else {}
        # Hundreds of pieces of one part are joined once, at the end of their run.
        if plain and self._run and (last.get("thought") is True) == thought:
            self._run.append(text)
        else:
            self._end_run()
            self._parts.append(dict(part))
            self._run = [text] if plain else []
        if text:
            yield Delta(reasoning=text) if thought else Delta(text=text)
        if isinstance(call, dict):
            index = len(self._ids)
            # Fixed now: the completion must have the id that goes out.
            self._ids.append(call_id(call, self._body.get("responseId"), index))
            made = calls_of([part], None, self._ids[-1:])[0]
            yield Delta(
                tool_index=index,
                tool_id=made.id,
                tool_name=made.name,
                tool_arguments=made.raw_arguments,
            )

    def _end_run(self) -> None:
        if len(self._run) > 1:
            self._parts[-1]["text"] = "".join(self._run)
        self._run = self._run and ["".join(self._run)]

    def body(self) -> dict[str, Any]:
        """The body so far."""
        self._end_run()
        whole = dict(self._body)
        if self._candidate or self._parts:
            content = {"content": {"role": "model", "parts": list(map(dict, self._parts))}}
            logprobs = {"logprobsResult": self._logprobs} if self._logprobs else {}
            whole["candidates"] = [{**content, **self._candidate, **logprobs}]
        if self._usage:
            whole["usageMetadata"] = dict(self._usage)
        return whole

    def completion(self) -> Completion:
        return read_answer(self.body(), self._ids)

    @property
    def ended(self) -> bool:
        """A finish reason has come, or the news that the prompt was blocked."""
        feedback = self._body.get("promptFeedback")
        blocked = isinstance(feedback, dict) and feedback.get("blockReason")
        return bool(finish_of(self._candidate) or blocked)


def read_body(response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """The Completion of a whole response. Raises ProviderError where it is an error."""
    body = response.json(endpoint.secrets())
    if isinstance(body, list):
        # A stream without alt=sse that was read whole.
        fold = Fold()
        for chunk in objects(body):
            raise_error(chunk, endpoint, response)
            fold.add(chunk)
        body = fold.body()
    if not isinstance(body, Mapping):
        raise ProtocolError(f"expected an object, got {shape(body)}")
    raise_error(body, endpoint, response)
    if not any(key in body for key in ("candidates", "promptFeedback", "usageMetadata")):
        raise ProtocolError(f"no candidates in an answer with {shape(body)}")
    return named(read_answer(body))


class GeminiStream(Folding):
    """Folds a stream. There is no last event: it has ended well once a chunk has a finish reason."""

    last = "a finish reason"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._frames = Frames()
        self._fold = Fold()

    def _reads_objects(self) -> bool:
        return not self._head.startswith(b"<")

    def _read(self, chunk: bytes, deltas: list[Delta]) -> None:
        for value in self._frames.feed(chunk):
            self._chunk(value, deltas)

    def _flush(self) -> None:
        for value in self._frames.close():
            self._chunk(value, [])

    def _chunk(self, value: Any, deltas: list[Delta]) -> None:
        if not isinstance(value, dict):
            raise ProtocolError(f"expected an object in the stream, got {shape(value)}")
        # What was counted until then is on the bill.
        if value.get("error"):
            self._fold.add({"usageMetadata": value.get("usageMetadata")})
        raise_error(value, self.endpoint)
        deltas += self._fold.add(value)

    def _terminated(self) -> bool:
        return False

    def _stopped(self) -> bool:
        return self._fold.ended

    def _so_far(self) -> Completion:
        return self._fold.completion()

    def _finished(self) -> Completion:
        return named(self._so_far())
