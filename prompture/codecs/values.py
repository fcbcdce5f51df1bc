"""Values out of what providers send: inner objects, texts, counts, dates, and tool calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prompture.types import JSON, ToolCall
from prompture.wire.loading import UnreadableJSON, load_json


def section(source: JSON, key: str) -> JSON:
    """An inner object, empty where it is absent or null."""
    value = source.get(key)
    # The exact type first: nearly all are dicts, and a check against Mapping costs more.
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def objects(value: object) -> list[JSON]:
    """The objects of a list; nothing where it is none."""
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def string(source: JSON, key: str) -> str:
    """A text of an object, ``""`` where there is none."""
    value = source.get(key)
    return value if isinstance(value, str) else ""


def tokens(value: object) -> int | None:
    """A number of tokens in a list of models; None where none is stated."""
    return (
        int(value) if isinstance(value, (int, float)) and value > 0 and value is not True else None
    )


def timestamp(text: object) -> int | None:
    """Seconds since 1970 of an ISO date; None where it is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def tool_call(*, id: str, name: str, arguments: Any) -> ToolCall:
    """A ToolCall out of what the wire has: JSON text, or an object already parsed."""
    if isinstance(arguments, Mapping):
        return ToolCall(
            id=id,
            name=name,
            arguments=dict(arguments),
            raw_arguments=json.dumps(arguments, ensure_ascii=False),
        )
    if arguments is None:
        return ToolCall(id=id, name=name, arguments={}, raw_arguments="")
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    parsed, raw, problem = read_arguments(raw)
    return ToolCall(id=id, name=name, arguments=parsed, raw_arguments=raw, problem=problem)


def read_arguments(raw: str) -> tuple[dict[str, Any] | None, str, str | None]:
    """The object that a call's arguments are, their text, and what is wrong with them.

    An object that was encoded twice is unwrapped, which is its one reading. Nothing at all, or
    the word null, is what models write that call a tool without parameters.
    """
    if not raw.strip():
        return {}, "", None
    try:
        # Two unlike values under one key: which one the model meant is not known, so the call is not run.
        parsed = load_json(raw, unique=True)
        if isinstance(parsed, str) and parsed.lstrip().startswith("{"):
            raw, parsed = parsed, load_json(parsed, unique=True)
    except UnreadableJSON as exc:
        return None, raw, f"not JSON: {exc}"
    if parsed is None:
        return {}, raw, None
    if isinstance(parsed, dict):
        return parsed, raw, None
    return None, raw, f"expected a JSON object, got {type(parsed).__name__}"


def arguments_text(call: ToolCall) -> str:
    """The call's arguments as JSON text, as the model wrote them where that is known.

    Arguments that were not JSON are echoed as an empty object: providers refuse anything else.
    """
    # Also where they could not be read: an echo that is no JSON is a 400 at every provider.
    if not call.arguments:
        return "{}"
    return call.raw_arguments or json.dumps(call.arguments, ensure_ascii=False)


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of the request, out of its response headers."""
    for name in _REQUEST_ID_HEADERS:
        if value := headers.get(name):
            # It goes into errors and the ledger, and a server may send anything.
            return value[:ID_CHARS]
    return None


ID_CHARS = 200
"""Characters of an id that are kept."""


_REQUEST_ID_HEADERS = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "mistral-correlation-id",
    "x-generation-id",
    "x-debug-trace-id",
)
