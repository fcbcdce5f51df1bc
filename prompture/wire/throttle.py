"""Client-side rate limits: how long to wait before a request may go. No I/O, no sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from prompture.given import number


@dataclass(slots=True)
class Throttle:
    """Spreads requests, and tokens, evenly over the minute; shared by threads and tasks.

    Short bursts pass: up to ``burst_seconds`` worth of the allowance at once. ``clock`` gives
    seconds that only grow.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _free_at: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            number(getattr(self, name), f"Throttle.{name}", above=0, wanted="a number above 0")

    def reserve(self, tokens: int = 0) -> float:
        """Take a place for one request of so many tokens; the seconds to wait before sending."""
        now = self.clock()
        with self._lock:
            waits = [
                self._take(0, 1, self.requests_per_minute, now),
                self._take(1, tokens, self.tokens_per_minute, now),
            ]
        return max(waits)

    def _take(self, which: int, amount: int, per_minute: float | None, now: float) -> float:
        if per_minute is None or amount <= 0:
            return 0.0
        start = max(self._free_at[which], now)
        self._free_at[which] = start + amount * 60.0 / per_minute
        return max(0.0, start - now - self.burst_seconds)
