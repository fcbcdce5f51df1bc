"""What an endpoint is sent at most: ``Limits``, which the caller sets, and ``Adaptive``, which is found
out. ``gate`` holds to both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, TypeAlias, cast

from prompture import forks, given
from prompture.errors import ConfigurationError
from prompture.wire.steps import in_context

Priority: TypeAlias = Literal["live", "bulk"]
PRIORITIES = ("live", "bulk")
BY_MODEL = frozenset(
    {"openai", "azure", "claude", "google", "vertex", "bedrock", "groq", "cerebras", "mistral"}
)
"""Providers whose limits are of each model. Those of others are of the key."""
_priority: ContextVar[str] = ContextVar("prompture_priority", default="live")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an endpoint is sent at most. Calls beyond it wait, in the order in which they came.

    ``concurrency`` is how many calls run at once; ``"adaptive"`` finds it out. ``shared`` is a file
    (SQLite) or a ``redis://`` URL through which several processes keep the two limits per minute
    together; ``concurrency`` is of each process. ``per`` is what they count: ``"model"`` or
    ``"key"`` (all models together); left out, what the provider counts. Without limits per minute
    the provider's headers are heeded; ``learn=False`` turns that, and its pauses, off.
    ``when_unreachable`` is what happens while the shared store cannot be reached: calls are refused
    with StoreUnavailable, or allowed within the limits in each process alone.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | Literal["adaptive"] | None = None
    # In no repr: a URL may hold a password.
    shared: str | os.PathLike[str] | None = field(default=None, repr=False)
    per: Literal["model", "key"] | None = None
    learn: bool = True
    when_unreachable: Literal["refuse", "allow"] = "refuse"

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            given.number(getattr(self, name), f"Limits.{name}", above=0, wanted="a number above 0")
        many: object = self.concurrency
        if isinstance(many, str) and many != "adaptive":
            wanted = "a whole number of at least 1, or 'adaptive'"
            raise given.wrong("Limits.concurrency", wanted, many)
        if many != "adaptive":
            given.count(many, "Limits.concurrency")
        given.one_of(self.per, "Limits.per", ("model", "key"))
        given.one_of(self.when_unreachable, "Limits.when_unreachable", ("refuse", "allow"))
        given.flag(self.learn, "Limits.learn")
        if self.shared is not None:
            if not isinstance(self.shared, (str, os.PathLike)) or not str(self.shared).strip():
                raise given.wrong("Limits.shared", "a path or a redis:// URL", self.shared)
            if not self.is_rated:
                raise ConfigurationError(
                    "Limits.shared needs requests_per_minute or tokens_per_minute: these are "
                    "what processes share"
                )

    @property
    def is_rated(self) -> bool:
        """Whether a limit per minute is set: those that headers state are then not needed."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None


NO_LIMITS = Limits()
limits_of_files: dict[str, Limits] = {}
"""Those of a configuration file, by ``"provider"`` or ``"provider/model"``."""


def configured_limits(provider: str, model: str) -> Limits | None:
    """The limits that a file sets for a model, or for all of a provider's."""
    if not limits_of_files:
        return None
    return limits_of_files.get(f"{provider}/{model}") or limits_of_files.get(provider)


def priority(which: Priority) -> AbstractContextManager[None]:
    """Calls inside are ``"bulk"``: where calls must wait, live ones go before them."""
    return in_context(_priority, cast(str, given.one_of(which, "priority", PRIORITIES)))


def is_bulk(stated: str | None) -> bool:
    """Whether a call gives way to live ones: by its own option, else by where it is made."""
    return (stated or _priority.get()) == "bulk"


def due(free_at: float, now: float, burst_seconds: float) -> float:
    """Seconds until the next may be sent, where the allowance is used up to ``free_at``."""
    return max(0.0, free_at - now - burst_seconds)


def used_up(free_at: float, now: float, amount: float, per_minute: float) -> float:
    """Until when the allowance is used up, once this amount more is taken of it."""
    return max(free_at, now) + amount * 60.0 / per_minute


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
    _lock: Lock = field(default_factory=forks.fork_lock)

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            given.number(
                getattr(self, name), f"Throttle.{name}", above=0, wanted="a number above 0"
            )

    def reserve(self, tokens: int = 0) -> float:
        """Take a place for one request of so many tokens; the seconds to wait before sending."""
        now = self.clock()
        with self._lock:
            wait = self._wait(tokens, now)
            # Taken at once, before the wait: those who come later line up behind it.
            self._take(0, 1, now)
            self._take(1, tokens, now)
        return wait

    def wait(self, tokens: int = 0) -> float:
        """Seconds until a request of so many tokens may be sent; nothing is taken."""
        with self._lock:
            return self._wait(tokens, self.clock())

    def settle(self, tokens: int) -> None:
        """A request took so many tokens more than were reserved for it (below 0: fewer)."""
        if self.tokens_per_minute is not None:
            with self._lock:
                self._free_at[1] += tokens * 60.0 / self.tokens_per_minute

    def follow(self, before: Throttle) -> None:
        """Take the place of other limits: as much as was used of them is used of these."""
        now = self.clock()
        for which, (old, new) in enumerate(zip(before._rates, self._rates, strict=True)):
            ahead = before._free_at[which] - now
            if old is not None and new is not None and ahead > 0:
                self._free_at[which] = now + ahead * old / new

    @property
    def _rates(self) -> tuple[float | None, float | None]:
        return self.requests_per_minute, self.tokens_per_minute

    def _wait(self, tokens: int, now: float) -> float:
        wait = 0.0
        if self.requests_per_minute is not None:
            wait = due(self._free_at[0], now, self.burst_seconds)
        if self.tokens_per_minute is not None and tokens > 0:
            wait = max(wait, due(self._free_at[1], now, self.burst_seconds))
        return wait

    def _take(self, which: int, amount: int, now: float) -> None:
        rate = self._rates[which]
        if rate is not None and amount > 0:
            self._free_at[which] = used_up(self._free_at[which], now, amount, rate)


START = 4.0
MOST = 512.0
BACK = 0.9
"""What is left of the limit after a refusal. A refusal costs nothing but its try, and comes at once:
TCP's half would leave a quarter of the throughput unused."""
PROBE = 60
"""Answers at the last good limit before one more call is tried at once; twice as many after each
such try that fails, up to ``PROBE_MOST``. So refusals stay below 2 or 3 in 100 calls."""
PROBE_MOST = 480
PROBE_LEAST = 8
"""Where one more was borne, the next is tried after half as many answers."""
SLOW = 2.0
"""A first byte that takes so many times the usual is a queue at the other end."""
_SMOOTH = 0.1
_FORGET = 1.002
"""The usual first byte grows so much with each answer: one lucky answer is not held for ever."""


class Adaptive:
    """How many calls at once an endpoint bears, found out by trying: ``concurrency="adaptive"``.

    Additive increase, multiplicative decrease (AIMD), as TCP does it. What counts is what an
    endpoint refuses (429, overloaded) and how long a stream's first byte takes. The time of a whole
    answer does not: it goes by the answer's length, which the load has no part in, so that a
    gradient over it (Vegas, Gradient2) would shrink the limit for a batch of long answers.

    The gate of the endpoint calls it, under the gate's lock.
    """

    def __init__(self) -> None:
        self._limit = START
        self._good = MOST
        """What was borne before the last refusal."""
        self._probe = PROBE
        self._answers = 0
        """Since the limit reached what was good."""
        self._shrunk_at = float("-inf")
        self._usual: float | None = None
        self._recent: float | None = None

    @property
    def limit(self) -> int:
        return int(self._limit)

    def answered(self, inside: int) -> None:
        """An answer came; so many calls were inside with it."""
        # A limit that nobody reaches says nothing about the endpoint.
        if inside * 1.5 < self._limit:
            return
        if self._good >= MOST:
            # Never refused yet: half as many again with each round of answers.
            self._limit = min(self._limit + 0.5, MOST)
        elif self._limit < self._good:
            self._limit = min(self._limit + 1 / self._limit, self._good)
        elif (answers := self._answers + 1) < self._probe:
            self._answers = answers
        else:
            # One more than was good. Where it is borne, that is good; the next is tried sooner.
            self._answers, self._probe = 0, max(PROBE_LEAST, self._probe // 2)
            self._good = self._limit = self._limit + 1

    def refused(self, began: float, now: float) -> None:
        """A call that began at that moment was refused for the load."""
        # Those that were sent before the limit shrank do not count against the new one.
        if began <= self._shrunk_at:
            return
        first = self._good >= MOST
        self._probe = PROBE if first else min(max(PROBE, self._probe * 2), PROBE_MOST)
        self._good = max(1.0, float(self.limit - 1))
        self._shrink(now)

    def first_byte(self, seconds: float, began: float, now: float) -> None:
        """A stream's first byte came after so many seconds."""
        usual = self._usual
        self._usual = seconds if usual is None else min(usual * _FORGET, seconds)
        recent = self._recent
        self._recent = seconds if recent is None else recent + _SMOOTH * (seconds - recent)
        if self._recent > SLOW * self._usual and began > self._shrunk_at:
            self._good = max(1.0, self._limit * BACK)
            self._shrink(now)
            # The slow ones of now must not shrink the limit again.
            self._recent = None

    def _shrink(self, now: float) -> None:
        self._limit = max(1.0, min(self._limit * BACK, self._good))
        self._answers, self._shrunk_at = 0, now
