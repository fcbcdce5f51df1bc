"""A provider on loopback that adds up what it would charge, and always writes as much as it may."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from tests.loopback import Asked, Reply, json_reply, serving

MODEL = "gpt-5-nano"
INPUT, OUTPUT = Fraction(5, 100_000_000), Fraction(40, 100_000_000)
"""Dollars per token of MODEL in the packaged snapshot."""
UNBOUNDED = 3000
"""Tokens that it writes where no limit is sent."""
SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}


class Till:
    """What was charged. ``url`` is the provider's base URL."""

    def __init__(self) -> None:
        self.charged = Fraction(0)
        self.calls = 0
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        body = asked.json()
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or UNBOUNDED
        # A token in three characters is more than any of these words have.
        prompt, written = len(asked.body) // 3, min(limit, UNBOUNDED)
        with self._lock:
            self.calls += 1
            self.charged += prompt * INPUT + written * OUTPUT
        return json_reply(completion_body(prompt, written))


def completion_body(prompt: int, written: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": json.dumps({"total": 1})}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
        },
    }


@contextmanager
def till() -> Iterator[Till]:
    """A running till."""
    made = Till()
    with serving(made.answer) as server:
        made.url = f"{server.url}/v1"
        yield made
