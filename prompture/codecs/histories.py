"""A history as the next provider takes it: without items that only another one understands; each
call of a tool with its result, under an id and a name that it does not refuse. Names are read back
in the answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from types import MappingProxyType
from typing import Any

from prompture.codecs.base import Codec, Endpoint, StreamDecoder
from prompture.errors import ConfigurationError, PromptureError
from prompture.types import (
    Completion,
    Delta,
    Document,
    File,
    Image,
    Message,
    Part,
    Request,
    Text,
    ToolCall,
)
from prompture.wire.http import HTTPRequest, HTTPResponse

_REMEDY = "prompture.agents.close_calls(messages) makes a history whole"


def check_calls(messages: Sequence[Message]) -> None:
    """Raise ConfigurationError where a call has no result, or a result no call before it:
    providers refuse such a history, in every later request too."""
    if not has_calls(messages):
        return
    open_: dict[str, int] = {}
    for position, message in enumerate(messages):
        if message.role == "tool":
            id = message.call_id or ""
            if id not in open_:
                raise ConfigurationError(
                    f"messages[{position}] is the result of the call {id!r}, and no turn right"
                    f" before it makes that call; {_REMEDY}"
                )
            open_[id] -= 1
            if not open_[id]:
                del open_[id]
        # System turns may stand between (OpenAI's developer messages); Anthropic's go elsewhere.
        elif open_ and message.role != "system":
            raise _unanswered(next(iter(open_)), f"before messages[{position}]")
        for call in message.calls:
            open_[call.id] = open_.get(call.id, 0) + 1
    if open_:
        raise _unanswered(next(iter(open_)), "at the end of the messages")


def has_calls(messages: Sequence[Message]) -> bool:
    """Whether a turn calls tools, or answers a call."""
    for message in messages:  # noqa: SIM110 - every call comes here, and a generator costs more
        if message.calls or message.role == "tool":
            return True
    return False


def close_calls(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The history with a result behind each of its calls, as every provider wants it.

    A call without a result gets an error result (it was not run); a result that stands further
    on is moved up to its call; one whose call is not there is left out.
    """
    given = list(messages)
    results: dict[str, list[Message]] = {}
    for message in given:
        if message.role == "tool":
            results.setdefault(message.call_id or "", []).append(message)
    whole: list[Message] = []
    for message in given:
        if message.role == "tool":
            continue
        whole.append(message)
        for call in message.calls:
            found = results.get(call.id)
            whole.append(found.pop(0) if found else _not_run(call))
    return tuple(whole)


def _not_run(call: ToolCall) -> Message:
    words = "This call was not run: the conversation was interrupted."
    return Message(role="tool", content=words, call_id=call.id, name=call.name, is_error=True)


def _unanswered(id: str, place: str) -> ConfigurationError:
    return ConfigurationError(
        f"the tool call {id!r} has no result {place}: add a turn with role 'tool' and"
        f" call_id={id!r}; {_REMEDY}"
    )


@dataclass(frozen=True, slots=True)
class PortableHistory:
    """Turns that any provider understands.

    ``natives`` and ``files`` count the turns that were changed for that: those that had items of
    one provider (reasoning, signatures), and those with files uploaded to it.
    """

    messages: tuple[Message, ...]
    natives: int
    files: int


def portable(messages: Sequence[Message], *, files: bool = True) -> PortableHistory:
    """Remove what only the provider that made the turns understands: thinking blocks, signatures
    and other items of its own, and ``files`` that were uploaded to it."""
    made: list[Message] = []
    natives = uploaded = 0
    for turn in messages:
        if turn.native is not None:
            natives += 1
            turn = replace(turn, native=None)
        if files and any(isinstance(part, File) and part.id for part in turn.parts):
            uploaded += 1
            turn = replace(turn, content=tuple(map(_portable_part, turn.parts)))
        made.append(turn)
    return PortableHistory(tuple(made), natives, uploaded)


def _portable_part(part: Part) -> Part:
    if isinstance(part, File) and part.id:
        return Text(f"[the file {part.name!r} was uploaded to another provider]")
    if isinstance(part, (Text, Document, Image, File)):
        return part
    raise TypeError(f"no part: {type(part).__name__}")


_NO_IDS: Mapping[str, str] = MappingProxyType({})


def wire_ids(
    messages: Sequence[Message], *, limit: int, allowed: str = ""
) -> list[Mapping[str, str]]:
    """For each turn, the ids of its calls (or of the call it answers) as they go out.

    ``limit`` is in characters, ``allowed`` the inside of a regular expression's brackets. Two
    calls never go out under one id, not even calls of different turns; a call and its result
    always do.
    """
    if not has_calls(messages):
        return [_NO_IDS] * len(messages)
    bad = re.compile(f"[^{allowed}]") if allowed else None
    given = {call.id for m in messages for call in m.calls}
    # Ids that fit stay as they are, so that a cached prefix stays the same.
    kept = {id for id in given if _fits(id, limit, bad)}
    used: set[str] = set()
    current: dict[str, str] = {}
    turns: list[Mapping[str, str]] = []
    for message in messages:
        for call in message.calls:
            # Two turns may use one id again: the later call gets a fresh one, with its result.
            fits = call.id in kept and call.id not in used
            current[call.id] = call.id if fits else _fresh(call.id, limit, bad, used, kept)
            used.add(current[call.id])
        if message.role == "tool":
            id = message.call_id or ""
            turns.append({id: current.get(id) or _clean(id, bad)[:limit]})
        else:
            turns.append({call.id: current[call.id] for call in message.calls})
    return turns


def _fits(id: str, limit: int, bad: re.Pattern[str] | None) -> bool:
    return 0 < len(id) <= limit and not (bad and bad.search(id))


def _clean(id: str, bad: re.Pattern[str] | None) -> str:
    return bad.sub("_", id) if bad else id


def _fresh(id: str, limit: int, bad: re.Pattern[str] | None, used: set[str], kept: set[str]) -> str:
    """An id that fits and is in neither of the sets; the same for the same history."""
    clean = _clean(id, bad)
    if _fits(clean, limit, None) and clean not in used and clean not in kept:
        return clean
    for salt in count():
        mark = _mark(salt, id)
        found = f"{clean[: limit - 9]}_{mark}" if clean else f"call_{mark}"
        if found not in used and found not in kept:
            return found
    raise AssertionError("unreachable")


@lru_cache(maxsize=1024)
def _mark(salt: int, id: str) -> str:
    # By the id's hash: the same history must give the same bytes, for the provider's cache.
    return hashlib.sha256(f"{salt}:{id}".encode("utf-8", "replace")).hexdigest()[:8]


_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}").fullmatch
"""What every provider takes (Gemini and Cohere want a letter first)."""
_BAD = re.compile(r"[^A-Za-z0-9_-]+")
LENGTH = 64


def safe_names(request: Request) -> Mapping[str, str]:
    """Our name to the wire's, for the names that are not sent as they are. No two become one."""
    names = dict.fromkeys([tool.name for tool in request.tools])
    # Also of calls whose tool is on offer no more: providers check the whole history.
    names.update(dict.fromkeys([call.name for m in request.messages for call in m.calls]))
    if not names:
        return {}
    odd = [name for name in names if not _SAFE(name)]
    if not odd:
        return {}
    # Names that are sent as they are must not be taken by a renamed one.
    taken = {name for name in names if _SAFE(name)}
    found: dict[str, str] = {}
    for name in odd:
        plain = _BAD.sub("_", name).strip("_")
        plain = plain if _SAFE(plain[:1]) else f"tool_{plain}"
        mark = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
        safe = plain if len(plain) <= LENGTH and plain not in taken else f"{plain[:55]}_{mark}"
        found[name] = safe
        taken.add(safe)
    return found


def renaming(codec: Codec, request: Request) -> Codec:
    """The codec; where the request's names need it, one that sends others and reads ours."""
    names = safe_names(request) if request.tools or request.messages else {}
    return Renaming(codec, names) if names else codec


class Renaming:
    """A codec for one request whose tools go out under other names."""

    def __init__(self, inner: Codec, names: Mapping[str, str]) -> None:
        self._inner = inner
        self._names = names
        self._ours = {safe: name for name, safe in names.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        wire = self._names
        choice = request.tool_choice
        renamed = replace(
            request,
            tools=tuple(replace(t, name=wire.get(t.name, t.name)) for t in request.tools),
            tool_choice=choice and wire.get(choice, choice),
            messages=tuple(self._sent(message) for message in request.messages),
        )
        return self._inner.encode(renamed, endpoint, stream=stream)

    def _sent(self, message: Message) -> Message:
        wire = self._names
        if not message.calls and message.name not in wire:
            return message
        calls = tuple(replace(call, name=wire.get(call.name, call.name)) for call in message.calls)
        name = message.name and wire.get(message.name, message.name)
        return replace(message, calls=calls, name=name)

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return self.ours(self._inner.decode(response, endpoint))

    def ours(self, completion: Completion) -> Completion:
        calls = completion.tool_calls
        known = tuple(replace(c, name=self._ours.get(c.name, c.name)) for c in calls)
        return replace(completion, tool_calls=known)

    def our_delta(self, delta: Delta) -> Delta:
        ours = self._ours.get(delta.tool_name) if delta.tool_name else None
        return delta if ours is None else replace(delta, tool_name=ours)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        return _RenamingStream(self, self._inner.stream_decoder(endpoint))


class _RenamingStream:
    def __init__(self, codec: Renaming, inner: StreamDecoder) -> None:
        self._codec = codec
        self._inner = inner

    def feed(self, chunk: bytes) -> list[Delta]:
        try:
            return [self._codec.our_delta(delta) for delta in self._inner.feed(chunk)]
        except PromptureError as exc:
            raise self._ours(exc) from exc.__cause__

    def close(self) -> Completion:
        try:
            return self._codec.ours(self._inner.close())
        except PromptureError as exc:
            raise self._ours(exc) from exc.__cause__

    def partial(self) -> Completion:
        return self._codec.ours(self._inner.partial())

    def _ours(self, error: PromptureError) -> PromptureError:
        if error.partial is not None:
            error.partial = self._codec.ours(error.partial)
        return error
