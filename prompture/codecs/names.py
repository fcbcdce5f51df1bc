"""Names of tools that a provider would refuse: sent under others, and read back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prompture.codecs.base import Codec, Endpoint, StreamDecoder
from prompture.errors import PromptureError
from prompture.types import Completion, Delta, Message, Request
from prompture.wire.http import HTTPRequest, HTTPResponse

_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}").fullmatch
"""What every provider takes (Gemini and Cohere want a letter first)."""
_BAD = re.compile(r"[^A-Za-z0-9_-]+")
LENGTH = 64


def safe_names(request: Request) -> Mapping[str, str]:
    """Our name to the wire's, for the names that are not sent as they are. No two become one."""
    names = dict.fromkeys([tool.name for tool in request.tools])
    names.update(dict.fromkeys([call.name for m in request.messages for call in m.calls]))
    if not names:
        return {}
    odd = [name for name in names if not _SAFE(name)]
    if not odd:
        return {}
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
