"""Answers of Ollama, whole or line by line, as Completions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from prompture import errors
from prompture.codecs.base import Endpoint
from prompture.codecs.faults import raise_if_error, stream_error
from prompture.codecs.folding import Folding
from prompture.codecs.values import Counts, merged, request_id, stop_reason, tool_call
from prompture.errors import ProtocolError, ProviderError
from prompture.types import JSON, Completion, Delta, Native, ToolCall, Usage
from prompture.wire.framing import LineDecoder, parse_line
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape, with_digits

DIALECT = "ollama"
_COUNTS = (
    "prompt_eval_count",
    "eval_count",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
)
_HOPELESS = re.compile(r"requires more system memory|failed to process inputs|unknown format")
_IN_STREAM: tuple[tuple[re.Pattern[str], type[ProviderError]], ...] = (
    (re.compile(r"model .*not found|pull.*model", re.IGNORECASE), errors.ModelNotFound),
    (re.compile(r"does not support|invalid", re.IGNORECASE), errors.InvalidRequest),
    (re.compile(r"unauthorized", re.IGNORECASE), errors.AuthenticationError),
    (re.compile(r"server busy", re.IGNORECASE), errors.Overloaded),
)


def read_body(response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """The Completion of a whole response, of ``/api/chat`` or ``/api/generate``."""
    body = response.json(endpoint.secrets())
    try:
        raise_if_error(body, response, endpoint)
    except ProviderError as error:
        raise mend(error) from None
    message = _message(body)
    if message is None:
        raise ProtocolError(f"{endpoint.provider}: no message in {shape(body)}")
    calls = _calls(message, body, 0)
    return _completion(
        body,
        text=_words(message, "content"),
        reasoning=_words(message, "thinking"),
        calls=calls,
        headers=response.headers,
        logprobs=body.get("logprobs"),
    )


def _words(message: JSON, key: str) -> str:
    """A text of the message; the JSON that a schema asked for may come already parsed."""
    value = message.get(key)
    if isinstance(value, str) or value is None:
        return value or ""
    if isinstance(value, (Mapping, list)):
        return with_digits(value)
    raise ProtocolError(f"the {key} of the message is {shape(value)}, not a text")


def mend(error: ProviderError) -> ProviderError:
    """The error with what Ollama's message adds: a class for one that came with status 200, and
    no second try where that must fail the same way."""
    words = error.args[0]
    if error.status == 200 and type(error) is errors.ServerError:
        for pattern, cls in _IN_STREAM:
            if pattern.search(words):
                error = cls(
                    words,
                    provider=error.provider,
                    status=200,
                    code=error.code,
                    request_id=error.request_id,
                    body=error.body,
                )
                break
    if _HOPELESS.search(words):
        error.retryable = False
    return error


def _message(body: Any) -> JSON | None:
    """The message of a line. ``/api/generate`` has ``response`` and ``thinking`` instead."""
    if not isinstance(body, Mapping):
        return None
    if isinstance(message := body.get("message"), Mapping):
        return message
    if isinstance(text := body.get("response"), str):
        return {"role": "assistant", "content": text, "thinking": body.get("thinking")}
    return {} if body.get("done") else None


def _calls(message: JSON, body: JSON, start: int) -> list[ToolCall]:
    found = message.get("tool_calls") or ()
    if not isinstance(found, Sequence) or not all(isinstance(c, Mapping) for c in found):
        raise ProtocolError(f"tool_calls are not a list of objects: {shape(found)}")
    return [_call(c, body, start + i) for i, c in enumerate(found)]


def _call(wire: JSON, body: JSON, position: int) -> ToolCall:
    """A call with the server's id; older servers give none, and it is then made out of the
    call's own words and the answer's date, so that the same answer gives the same id."""
    function = wire.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ProtocolError(f"a tool call without a function's name: {shape(wire)}")
    id = wire.get("id")
    if not id:
        seed = json.dumps([function, body.get("created_at"), position], sort_keys=True)
        id = f"call_{hashlib.sha256(seed.encode()).hexdigest()[:12]}"
    return tool_call(id=str(id), name=function["name"], arguments=function.get("arguments"))


def _completion(
    body: JSON,
    *,
    text: str,
    reasoning: str,
    calls: Sequence[ToolCall],
    headers: Mapping[str, str],
    logprobs: Any,
) -> Completion:
    raw_stop = body.get("done_reason")
    return Completion(
        text=text,
        reasoning=reasoning,
        tool_calls=tuple(calls),
        # Calls end with "stop" here too (recorded).
        stop_reason=stop_reason(raw_stop, called=bool(calls)),
        raw_stop=raw_stop,
        usage=usage_of(body),
        model=str(body.get("model") or ""),
        request_id=request_id(headers),
        logprobs=logprobs,
        native=Native(DIALECT, _turn(text, reasoning, calls)),
        raw=body,
    )


def usage_of(body: JSON) -> Usage:
    """``prompt_eval_count`` is left out where the whole prompt was in the server's cache."""
    raw = {name: body[name] for name in _COUNTS if name in body}
    if not raw.keys() & {"prompt_eval_count", "eval_count"}:
        return Usage(requests=1, raw=raw)
    counts = Counts()
    return Usage(
        input_tokens=counts.needed(body, "prompt_eval_count"),
        output_tokens=counts.total(body, "eval_count"),
        requests=1,
        reported=counts.readable,
        problem=counts.problem,
        raw=raw,
    )


def _turn(text: str, reasoning: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": "assistant", "content": text}
    if reasoning:
        turn["thinking"] = reasoning
    if calls:
        turn["tool_calls"] = [
            {"function": {"name": c.name, "arguments": c.arguments or {}}} for c in calls
        ]
    return turn


class OllamaStream(Folding):
    """Folds the lines of a streamed answer. A tool call comes whole, in one line."""

    last = "its last line"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._lines = LineDecoder()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCall] = []
        self._logprobs: list[Any] = []
        self._final: JSON = {}
        self._usage: JSON = {}
        self._done = False

    def _reads_objects(self) -> bool:
        return not self._head.startswith(b"<")

    def _read(self, chunk: bytes, deltas: list[Delta]) -> None:
        for line in self._lines.feed(chunk):
            if line.strip():
                self._line(parse_line(line), deltas)

    def _flush(self) -> None:
        rest = self._lines.close()
        if rest.strip():
            self._line(parse_line(rest), [])

    def _line(self, line: Any, deltas: list[Delta]) -> None:
        # Lines behind the last one (a proxy's) mean nothing.
        if self._done:
            return
        # The status was 200 by then: only the words of the line are left to class it by.
        if isinstance(line, Mapping) and line.get("error"):
            raise mend(stream_error(line, self.endpoint))
        message = _message(line)
        if message is None:
            raise ProtocolError(f"{self.endpoint.provider}: no message in {shape(line)}")
        self._final = line
        counted = {name: line[name] for name in _COUNTS if name in line}
        self._usage = merged(self._usage, counted) if counted else self._usage
        self._done = bool(line.get("done"))
        self._logprobs += line.get("logprobs") or ()
        if thought := _words(message, "thinking"):
            self._reasoning.append(thought)
            deltas.append(Delta(reasoning=thought))
        if text := _words(message, "content"):
            self._text.append(text)
            deltas.append(Delta(text=text))
        # Before the last line, as a rule, and never in pieces.
        for call in _calls(message, line, len(self._calls)):
            deltas.append(
                Delta(
                    tool_index=len(self._calls),
                    tool_id=call.id,
                    tool_name=call.name,
                    tool_arguments=call.raw_arguments,
                )
            )
            self._calls.append(call)

    def _terminated(self) -> bool:
        return self._done

    def _so_far(self) -> Completion:
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        body = {
            k: v for k, v in self._final.items() if k not in ("response", "thinking", "logprobs")
        }
        body |= self._usage
        body["message"] = _turn(text, reasoning, self._calls)
        return _completion(
            body,
            text=text,
            reasoning=reasoning,
            calls=self._calls,
            headers={},
            logprobs=self._logprobs or None,
        )
