"""What an endpoint is sent at most: ``Limits``, which the caller sets. ``gate`` holds to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from prompture import given
from prompture.errors import ConfigurationError

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
    shared: str | os.PathLike[str] | None = None
    per: Literal["model", "key"] | None = None
    learn: bool = True
    when_unreachable: Literal["refuse", "allow"] = "refuse"

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            given.number(getattr(self, name), f"Limits.{name}", above=0, wanted="a number above 0")
        if self.concurrency != "adaptive":
            given.count(self.concurrency, "Limits.concurrency")
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
        """Whether a limit per minute is set: what headers say of theirs is then not needed."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None


NO_LIMITS = Limits()


@contextmanager
def priority(which: Priority) -> Iterator[None]:
    """Calls inside are ``"bulk"``: where calls must wait, live ones go before them."""
    token = _priority.set(cast(str, given.one_of(which, "priority", PRIORITIES)))
    try:
        yield
    finally:
        _priority.reset(token)


def is_bulk(stated: str | None) -> bool:
    """Whether a call gives way to live ones: by its own option, else by where it is made."""
    return (stated or _priority.get()) == "bulk"
