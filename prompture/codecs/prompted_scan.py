"""Parts a model's text into words and tool calls, in pieces cut anywhere."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from prompture.codecs.prompted_calls import HEAD_CHARS, call_head, read_block, read_object
from prompture.types import ToolCall

_TAG = re.compile(r"<(tool_calls?|function_call)>")
_TAGS = ("<tool_call>", "<tool_calls>", "<function_call>")
_FENCE = re.compile(r"```[ \t]*(json|tool_call|tool_code|)[ \t]*\r?\n\s*")
_PART_OF_FENCE = re.compile(
    r"`{1,3}$|```[ \t]*[a-z_]{0,9}[ \t]*\r?$|```[ \t]*(?:json|tool_call|tool_code|)[ \t]*\r?\n\s*$"
)
_STARTS = re.compile(r"<(?=[tf]|\Z)|`+|[{\[]")
_JSON = json.JSONDecoder(strict=False)
_CLOSING = {"{": "}", "[": "]"}
MAX_BARE_CHARS = 32_768
"""A bare object that has not ended by then is not waited for."""


MAX_FAILURES = 50
"""An answer with more blocks than that which are no calls is not looked through further."""


@dataclass(frozen=True, slots=True)
class _Block:
    end: int
    calls: list[ToolCall]


@dataclass(frozen=True, slots=True)
class _Wait:
    """More text is needed; ``closing`` is what ends the block, where one is open."""

    closing: str = ""


@dataclass(slots=True)
class CallScanner:
    """``feed`` and ``close`` give words and calls, in order.

    Text is held back only while it may be part of a call, and given out as it was where it turns
    out not to be one. White space beside a call and at the end is dropped.
    """

    calls: list[ToolCall] = field(default_factory=list)
    _held: list[str] = field(default_factory=list)
    _closing: str = ""
    _edge: str = ""
    _gap: str = ""
    _spoken: bool = False
    _failures: int = 0

    @property
    def held(self) -> str:
        """What has not been given out."""
        return self._gap + "".join(self._held)

    def feed(self, text: str) -> list[str | ToolCall]:
        self._held.append(text)
        if self._closing:
            # Look at a long block again only when its end may have come.
            edge = self._edge + text
            self._edge = edge[-len(self._closing) :]
            if self._closing not in edge:
                return []
        return self._scan(last=False)

    def close(self) -> list[str | ToolCall]:
        """White space at the very end is dropped: a stream could not take it back."""
        return self._scan(last=True)

    def _scan(self, *, last: bool) -> list[str | ToolCall]:
        text = "".join(self._held)
        out: list[str | ToolCall] = []
        self._closing = ""
        start = len(text) - len(text.lstrip())
        done = 0
        for match in _STARTS.finditer(text):
            at = match.start()
            if at < done:
                continue
            first = at == start and not self._spoken and not self.calls
            seen = self._look(text, at, last=last, first=first)
            if isinstance(seen, _Block):
                self._say(text[done:at], out)
                out += seen.calls
                self.calls += seen.calls
                done = seen.end
            elif isinstance(seen, _Wait):
                self._say(text[done:at], out)
                self._held = [text[at:]]
                self._closing = seen.closing
                self._edge = text[-len(seen.closing) :] if seen.closing else ""
                return out
        self._say(text[done:], out)
        self._held = []
        return out

    def _say(self, words: str, out: list[str | ToolCall]) -> None:
        whole = self._gap + words
        if not self._spoken and self.calls:
            whole = whole.lstrip()
        said = whole.rstrip()
        self._gap = whole[len(said) :]
        if said:
            self._spoken = True
            out.append(said)

    def _look(self, text: str, at: int, *, last: bool, first: bool) -> _Block | _Wait | None:
        if self._failures > MAX_FAILURES:
            return None
        if text[at] == "<":
            seen = self._tagged(text, at, last=last)
        elif text[at] == "`":
            seen = self._fenced(text, at, last=last)
        else:
            seen = self._bare(text, at) if first else None
        return None if last and isinstance(seen, _Wait) else seen

    def _tagged(self, text: str, at: int, *, last: bool) -> _Block | _Wait | None:
        tag = _TAG.match(text, at)
        if tag is None:
            return _Wait() if any(t.startswith(text[at : at + 16]) for t in _TAGS) else None
        closing = f"</{tag[1]}>"
        end = text.find(closing, tag.end())
        if end >= 0:
            calls = read_block(text[tag.end() : end], len(self.calls))
            return self._block(calls, end + len(closing))
        if not last:
            return _Wait(closing)
        calls = read_block(text[tag.end() :], len(self.calls))
        if calls and any(call.problem for call in calls):
            calls = None  # cut off in the middle
        return self._block(calls, len(text))

    def _fenced(self, text: str, at: int, *, last: bool) -> _Block | _Wait | None:
        opening = _FENCE.match(text, at)
        if opening is None or opening.end() == len(text):
            return _Wait() if _PART_OF_FENCE.match(text, at) else None
        begin = opening.end()
        head = call_head(text[begin : begin + HEAD_CHARS])
        if head != "yes":
            return _Wait() if head == "maybe" else None
        end = text.find("```", begin)
        if end < 0 and not last:
            return _Wait("```")
        calls = read_object(text[begin : end if end >= 0 else None], len(self.calls))
        return self._block(calls, end + 3 if end >= 0 else len(text))

    def _bare(self, text: str, at: int) -> _Block | _Wait | None:
        head = call_head(text[at : at + HEAD_CHARS])
        if head != "yes":
            return _Wait() if head == "maybe" else None
        try:
            _, end = _JSON.raw_decode(text, at)
        except ValueError:
            # Each closing brace is a reason to look again: not for ever.
            return _Wait(_CLOSING[text[at]]) if len(text) - at < MAX_BARE_CHARS else None
        return self._block(read_object(text[at:end], len(self.calls)), end)

    def _block(self, calls: list[ToolCall] | None, end: int) -> _Block | None:
        self._failures += calls is None
        return _Block(end, calls) if calls else None
