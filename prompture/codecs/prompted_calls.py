"""Tool calls in plain text: how they are written, and read again from what a model makes of it.

The format asked for is one block per call::

    <tool_call>{"name": "save", "arguments": {"id": 3}}</tool_call>

Read as well: the same without its closing tag at the end of the answer; a list of calls in one
block; ``parameters``, ``args`` or ``input`` for ``arguments``, and the call wrapped in
``function``; ``<tool_calls>`` and ``<function_call>``; a fenced block (``json``, ``tool_call`` or
nothing after the fence) that holds nothing but a call; and a bare call that the answer begins with.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prompture.codecs.values import arguments_text, tool_call
from prompture.types import ToolCall
from prompture.wire.loading import load_json

_ARGUMENTS = ("arguments", "parameters", "args", "input")
_CALL_KEYS = {"name", "id", "type", *_ARGUMENTS}
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]{1,200})"')
_ARGUMENTS_START = re.compile(r'"(?:arguments|parameters|args|input)"\s*:\s*')
HEAD_CHARS = 1000
"""By then an object must have shown that it is a call."""


def write_call(call: ToolCall) -> str:
    """A call as the model is asked to write it."""
    if call.arguments is None and call.raw_arguments:
        arguments = call.raw_arguments
    else:
        arguments = arguments_text(call)
    name = json.dumps(call.name, ensure_ascii=False)
    return f'<tool_call>{{"name": {name}, "arguments": {arguments}}}</tool_call>'


def read_block(text: str, position: int) -> list[ToolCall] | None:
    """The calls that a tagged block holds, the first of them the ``position``-th of the answer.

    JSON that does not parse still gives a call where its name can be seen: its arguments are
    then kept raw, and reported. None where no call can be made out.
    """
    text = _unfenced(text.strip())
    try:
        found = load_json(text, strict=False)
    except ValueError:
        return _broken(text, position)
    rows = found if isinstance(found, list) else [found]
    calls = [_call(row, position + i) for i, row in enumerate(rows)]
    return [c for c in calls if c] if calls and all(calls) else None


def read_object(text: str, position: int) -> list[ToolCall] | None:
    """The calls of an untagged object or list: only what has a call's keys and no others."""
    try:
        found = load_json(text, strict=False)
    except ValueError:
        return None
    rows = found if isinstance(found, list) else [found]
    if not rows or not all(_is_bare_call(row) for row in rows):
        return None
    return read_block(text, position)


def _is_bare_call(row: Any) -> bool:
    # Untagged JSON may be the answer itself: only a call's own keys make it one.
    if isinstance(row, Mapping) and row.keys() <= {"function", "id", "type"}:
        row = row.get("function")
    return (
        isinstance(row, Mapping)
        and row.keys() <= _CALL_KEYS
        and isinstance(row.get("name"), str)
        and any(isinstance(row.get(key), Mapping) for key in _ARGUMENTS)
    )


def _unfenced(text: str) -> str:
    if not text.startswith("```"):
        return text
    return text.strip("`").partition("\n")[2].strip() if "\n" in text else text.strip("`")


def _call(row: Any, position: int) -> ToolCall | None:
    if isinstance(row, Mapping) and isinstance(row.get("function"), Mapping):
        row = {**row["function"], **{k: v for k, v in row.items() if k == "id"}}
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str) or not row["name"]:
        return None
    arguments = next((row[key] for key in _ARGUMENTS if key in row), None)
    id = row.get("id")
    return tool_call(
        id=id if isinstance(id, str) and id else _id(row["name"], arguments, position),
        name=row["name"],
        arguments=arguments,
    )


def _broken(text: str, position: int) -> list[ToolCall] | None:
    name = _NAME.search(text[:HEAD_CHARS])
    start = _ARGUMENTS_START.search(text)
    if not name or not start:
        return None
    raw = text[start.end() :].strip()
    # The last brace closes the call, not the arguments.
    arguments = raw[:-1].rstrip() if raw.endswith("}") else raw
    call = tool_call(id=_id(name[1], arguments, position), name=name[1], arguments=arguments)
    return [call]


def _id(name: str, arguments: Any, position: int) -> str:
    seed = json.dumps([name, arguments, position], sort_keys=True)
    return f"call_{hashlib.sha256(seed.encode()).hexdigest()[:12]}"


_KEY = re.compile(r'"(\w*)"\s*:\s*')
_PART_OF_KEY = re.compile(r'"(\w*)"?\s*$')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_OPENING = re.compile(r"\s*(?:\[\s*)?")
_BLANK = re.compile(r"\s*")


def call_head(text: str) -> str:
    """Whether a JSON text may be a call, judged by its first keys: ``"yes"`` once its arguments
    have begun, ``"maybe"`` while more text is needed, else ``"no"``."""
    at = _OPENING.match(text).end()  # type: ignore[union-attr]
    while True:
        if at >= len(text):
            return "maybe" if len(text) < HEAD_CHARS else "no"
        if text[at] not in "{,":
            return "no"
        at = _BLANK.match(text, at + 1).end()  # type: ignore[union-attr]
        key = _KEY.match(text, at)
        if key is None:
            return _maybe_key(text[at:])
        rest = text[key.end() :]
        if key[1] in _ARGUMENTS or key[1] == "function":
            if not rest or rest[0] != "{":
                return "no" if rest else "maybe"
            if key[1] in _ARGUMENTS:
                return "yes"
            at = key.end()
            continue
        if key[1] not in _CALL_KEYS:
            return "no"
        value = _STRING.match(rest)
        if value is None:
            unfinished = not rest or (rest[0] == '"' and len(rest) < HEAD_CHARS // 2)
            return "maybe" if unfinished else "no"
        at = _BLANK.match(text, key.end() + value.end()).end()  # type: ignore[union-attr]


def _maybe_key(text: str) -> str:
    part = _PART_OF_KEY.match(text)
    known = (*_CALL_KEYS, "function")
    if not text or (part and any(key.startswith(part[1]) for key in known)):
        return "maybe"
    return "no"


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
    """``feed`` and ``close`` give texts and calls, in order.

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
                self._emit(text[done:at], out)
                out += seen.calls
                self.calls += seen.calls
                done = seen.end
            elif isinstance(seen, _Wait):
                self._emit(text[done:at], out)
                self._held = [text[at:]]
                self._closing = seen.closing
                self._edge = text[-len(seen.closing) :] if seen.closing else ""
                return out
        self._emit(text[done:], out)
        self._held = []
        return out

    def _emit(self, words: str, out: list[str | ToolCall]) -> None:
        # Blanks wait for what follows: beside a call they are dropped, between words they are text.
        whole = self._gap + words
        if not self._spoken and self.calls:
            whole = whole.lstrip()
        visible = whole.rstrip()
        self._gap = whole[len(visible) :]
        if visible:
            self._spoken = True
            out.append(visible)

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
        # A call whose arguments broke off must not be run with what came.
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
