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
from typing import Any

from prompture.codecs.base import arguments_text, tool_call
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
