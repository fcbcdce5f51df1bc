"""What every stream decoder does alike: errors, what came before them, and how a stream ends."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import stream_error
from prompture.errors import ConnectionLost, PromptureError, ProtocolError
from prompture.types import Completion, Delta, Native
from prompture.wire.framing import ServerEvent, SSEDecoder, parse_line, parse_object
from prompture.wire.http import HTTPResponse

_FIELDS = (b":", b"data", b"event", b"id", b"retry")
"""What a line of an event stream begins with."""
_HEAD_BYTES = 4096
_BLANK = b"\xef\xbb\xbf \t\r\n"


class Folding(ABC):
    """The base of every stream decoder. A subclass reads its dialect's bytes.

    However the bytes are cut: what came before an error is returned first, and the error is
    then raised, with ``partial`` where anything came. A body that is no stream at all (an
    answer in one piece, an error, a page) is read as what it is, by ``whole``. A stream that
    ends before its last event is a ConnectionLost.
    """

    last = "its last event"
    """What a stream that was cut off lacks."""

    def __init__(
        self, endpoint: Endpoint, whole: Callable[[HTTPResponse, Endpoint], Completion]
    ) -> None:
        self.endpoint = endpoint
        self._read_whole = whole
        self._error: PromptureError | None = None
        self._unframed: list[bytes] | None = None
        self._head = b""
        self._began = False
        self._is_odd = False
        self._pairs: SurrogatePairs | None = None

    def feed(self, chunk: bytes) -> list[Delta]:
        if self._error is not None:
            raise self._error
        # An odd beginning may yet be a page of which only the first bytes came: its head is kept for the
        # error.
        if not self._began or self._is_odd:
            self._begin(chunk)
        # No stream: kept whole, and read in close as the answer, error or page that it is.
        if self._unframed is not None:
            self._unframed.append(chunk)
            return []
        deltas: list[Delta] = []
        try:
            self._read(chunk, deltas)
        except PromptureError as exc:
            self._error = self._with_partial(exc)
            # The deltas before it go out now, and the error with the next call: whether the
            # caller sees them must not depend on where the network cut the bytes.
            if not deltas:
                raise
        if self._pairs is None:
            # Without an escape there is no half of a character.
            # Checked by bytes first: nearly no chunk has an escape, and each delta would be looked at.
            if b"\\u" not in chunk and chunk[-1:] != b"\\":
                return deltas
            self._pairs = SurrogatePairs()
        return self._pairs.joined(deltas)

    def close(self) -> Completion:
        """The answer. Raises ConnectionLost where the stream was cut off, ProtocolError where
        it ended without one."""
        if self._error is not None:
            raise self._error
        try:
            return self._ended_well()
        except PromptureError as exc:
            self._error = exc
            raise

    def _ended_well(self) -> Completion:
        # Servers that cannot stream answer in one piece, and proxies with a page: with HTTP 200 both.
        if self._unframed is not None:
            body = b"".join(self._unframed).lstrip(_BLANK)
            return self._read_whole(HTTPResponse(200, {}, body), self.endpoint)
        try:
            # Half an event at the end is a lost connection, and not the provider's fault.
            cut = not self._rest()
            # A finish reason is enough where no last event comes: some copies of OpenAI leave [DONE] out. But
            # half an event behind it may have been the usage.
            if not self._terminated() and (cut or not self._stopped()):
                raise self._lost()
            return self._paired(self._finished())
        except PromptureError as exc:
            raise self._with_partial(exc) from None

    def partial(self) -> Completion:
        """What came so far; its stop reason is unknown until the provider states one."""
        found = self._paired(self._so_far())
        # A caller that breaks off has no answer that ended well, whatever the default reason says.
        is_over = self._terminated() or (found.raw_stop is not None and self._stopped())
        return found if is_over else replace(found, stop_reason="unknown")

    def _paired(self, completion: Completion) -> Completion:
        return completion if self._pairs is None else paired_completion(completion)

    @abstractmethod
    def _read(self, chunk: bytes, deltas: list[Delta]) -> None:
        """Read bytes, and append to ``deltas`` one by one: those before an error must not be lost."""

    @abstractmethod
    def _flush(self) -> None:
        """Read what is held back at the end. Raises ProtocolError for half an event."""

    @abstractmethod
    def _so_far(self) -> Completion:
        """The completion so far; asking for it changes nothing, and never raises."""

    def _finished(self) -> Completion:
        """The completion of a stream that ended well."""
        return self._so_far()

    @abstractmethod
    def _terminated(self) -> bool:
        """Whether the last event came, after which nothing can be missing."""

    def _stopped(self) -> bool:
        """Whether the provider has stated why it stopped: enough where no last event comes."""
        return self._terminated()

    def _reads_objects(self) -> bool:
        """Whether bare JSON is the dialect's own framing."""
        return False

    def _is_framed(self, head: bytes) -> bool:
        """Whether a body that begins so may be a stream, cut off."""
        return True

    def _begin(self, chunk: bytes) -> None:
        self._head = (self._head + chunk)[:_HEAD_BYTES].lstrip(_BLANK)
        if not self._head or self._began:
            return
        self._began = True
        self._is_odd = not self._is_framed(self._head)
        # No line of an event stream starts so.
        if self._head[:1] in (b"{", b"[", b"<") and not self._reads_objects():
            self._unframed = []

    def _rest(self) -> bool:
        """Read what is left; False where it is half an event, as a cut leaves it."""
        try:
            self._flush()
        except ProtocolError:
            return False
        return True

    def _lost(self) -> PromptureError:
        provider = self.endpoint.provider
        if not self._is_framed(self._head):
            kind = HTTPResponse(200, {}, self._head).kind(self.endpoint.secrets())
            return ProtocolError(f"{provider}: expected a stream of events, got {kind}")
        return ConnectionLost(f"{provider}: the stream ended before {self.last}")

    def _with_partial(self, error: PromptureError) -> PromptureError:
        if error.partial is None:
            partial = self.partial()
            has_content = partial.text or partial.reasoning or partial.refusal or partial.tool_calls
            # A lost stream always has a partial answer, be it empty: callers count on it.
            # Usage alone counts too: it was billed.
            if has_content or partial.usage.reported or isinstance(error, ConnectionLost):
                error.partial = partial
        return error


class EventFolding(Folding):
    """A stream of server-sent events whose data are JSON objects."""

    def __init__(
        self, endpoint: Endpoint, whole: Callable[[HTTPResponse, Endpoint], Completion]
    ) -> None:
        super().__init__(endpoint, whole)
        self._sse = SSEDecoder()
        self._done = False

    @abstractmethod
    def _event(self, event: dict[str, Any], deltas: list[Delta]) -> None:
        """Fold one event."""

    def _is_framed(self, head: bytes) -> bool:
        return any(head.startswith(field) or field.startswith(head) for field in _FIELDS)

    def _read(self, chunk: bytes, deltas: list[Delta]) -> None:
        for event in self._sse.feed(chunk):
            self._data(event, deltas)

    def _flush(self) -> None:
        for event in self._sse.close():
            self._data(event, [])

    def _data(self, event: ServerEvent, deltas: list[Delta]) -> None:
        for data in _pieces(event.data):
            if data.startswith("[DONE]"):
                self._end(deltas)
                self._done = True
            # Groq names the event so, and sends no [DONE] after it (recorded).
            elif event.name == "error":
                raise self._failure(data)
            # LiteLLM's sign of life.
            elif data != "null":
                self._fold(_alone(data) if data[0] == "[" else data, deltas)

    def _fold(self, data: str, deltas: list[Delta]) -> None:
        self._event(parse_object(data), deltas)

    def _end(self, deltas: list[Delta]) -> None:
        """``[DONE]`` came: emit what was held back."""

    def _failure(self, data: str) -> PromptureError:
        """The error in an event that is named so."""
        body: Any = data
        with suppress(ProtocolError):
            body = parse_object(data)
        if isinstance(body, dict) and not body.get("error"):
            body = {"error": body}
        return stream_error(body if isinstance(body, dict) else {"error": data}, self.endpoint)


def _alone(data: str) -> str:
    """The object that is alone in a list: so Google's compatible endpoint sends its errors."""
    values = parse_line(data)
    is_alone = isinstance(values, list) and len(values) == 1
    return json.dumps(values[0]) if is_alone else data


def _pieces(data: str) -> Iterator[str]:
    """The values of an event: some servers leave the blank line between two of them out."""
    while data.startswith("data:"):
        data = data[5:].lstrip()  # a proxy framed what was framed
    if "\n" not in data:
        if data:
            yield data
        return
    # Only where each line is whole by itself: JSON may be pretty-printed over the lines of one event.
    lines = [line for line in data.split("\n") if line.strip()]
    apart = all((line[0] == "{" and line.rstrip()[-1] == "}") or line[0] == "[" for line in lines)
    yield from lines if apart and len(lines) > 1 else [data]


_FIRST, _SECOND, _END = "\ud800", "\udc00", "\ue000"


def paired(text: str) -> str:
    """The text with pairs of halves as the characters they are, and U+FFFD for lone ones."""
    try:
        # The cheapest test for a lone half: encoding refuses exactly those.
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class SurrogatePairs:
    """Holds the first half of a character back until its second comes."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[tuple[str, int | None], str] = {}

    def joined(self, deltas: list[Delta]) -> list[Delta]:
        """The deltas without half a character; one that holds nothing else is left out."""
        return [kept for delta in deltas if (kept := self._one(delta)) is not None]

    def _one(self, delta: Delta) -> Delta | None:
        changed: dict[str, Any] = {}
        for name in ("text", "reasoning", "refusal", "tool_arguments"):
            piece: str = getattr(delta, name)
            if not piece or (piece.isascii() and not self._held):
                continue
            # By field and call: another's piece may come between the two halves.
            place = (name, delta.tool_index)
            whole = self._held.pop(place, "") + piece
            if _FIRST <= whole[-1] < _SECOND:
                whole, self._held[place] = whole[:-1], whole[-1]
            whole = paired(whole)
            if whole != piece:
                changed[name] = whole
        if not changed:
            return delta
        delta = replace(delta, **changed)
        return delta if delta != _nothing(delta.tool_index) else None


def _nothing(index: int | None) -> Delta:
    return Delta(tool_index=index)


def paired_completion(completion: Completion) -> Completion:
    """The completion with whole characters in all that is read or sent back."""
    calls = tuple(
        replace(call, raw_arguments=paired(call.raw_arguments), arguments=_deep(call.arguments))
        for call in completion.tool_calls
    )
    native = completion.native
    return replace(
        completion,
        text=paired(completion.text),
        reasoning=paired(completion.reasoning),
        refusal=None if completion.refusal is None else paired(completion.refusal),
        tool_calls=calls,
        native=native and Native(native.dialect, _deep(native.payload)),
    )


def _deep(value: Any) -> Any:
    if isinstance(value, str):
        return paired(value)
    if isinstance(value, dict):
        return {paired(key): _deep(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_deep(each) for each in value]
    return value
