"""What a recorded body says, read without any of the package's code.

One reader a dialect, each written from ``shared/wire`` and the bodies themselves, so that a codec
is never checked against itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Said:
    """An answer. ``calls`` are (name, JSON text of the arguments); ``stop`` is in the canonical
    words; ``error`` holds the message where the body is an error in a good response."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    stop: str = "stop"
    input: int = 0
    output: int = 0
    read: int = 0
    written: int = 0
    thought: int = 0
    cost: float | None = None
    model: str = ""
    error: Any = None
    ended: bool = True


STOPS: Mapping[str, str] = {
    word: reason
    for reason, words in {
        "stop": "stop end_turn complete STOP COMPLETE completed eos",
        "stop_sequence": "stop_sequence STOP_SEQUENCE",
        "length": "length max_tokens MAX_TOKENS max_output_tokens",
        "context_window": "model_context_window_exceeded model_length",
        "tool_calls": "tool_calls tool_use TOOL_CALL function_call",
        "content_filter": (
            "content_filter content_filtered guardrail_intervened sensitive SAFETY RECITATION"
            " BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY"
        ),
        "refusal": "refusal",
        "pause": "pause_turn",
        "error": "error ERROR network_error MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL OTHER",
    }.items()
    for word in words.split()
}


def stop_of(raw: str | None, said: Said) -> str:
    """Several providers report an ordinary stop with tool calls or a refusal."""
    reason = STOPS.get(raw or "stop", "unknown")
    if said.refusal and reason in ("stop", "tool_calls"):
        return "refusal"
    return "tool_calls" if said.calls and reason == "stop" else reason


def events(body: bytes) -> Iterator[Any]:
    """Each JSON event of an SSE body; the terminal ``[DONE]`` as the string."""
    for block in re.split(rb"\r?\n\r?\n|\r\r", body):
        data = [line[5:].strip() for line in block.splitlines() if line.startswith(b"data:")]
        if data:
            text = b"\n".join(data).decode()
            yield text if text.startswith("[DONE]") else json.loads(text)


def number(source: Any, *path: str) -> int:
    """A count at a path; 0 where anything on the way is missing."""
    for key in path:
        source = source.get(key) if isinstance(source, Mapping) else None
    return int(source or 0)


def arguments(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value if value is not None else {})
