"""What happens on the way to an answer, for those who look: the logger ``prompture``, and traces.

``note`` is the one way to report an event. It writes a line of the log, whose fields are also
attributes of the record (``logging``'s ``extra``), and puts the event on the span of the call where
traces are on. Fields are names and numbers: no text of a document or an answer, and no key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict, TypeVar, Unpack

if TYPE_CHECKING:
    from prompture.types import ToolCall

K = TypeVar("K")
Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")

log = logging.getLogger("prompture")

Event: TypeAlias = Literal[
    "model_chosen",
    "call",
    "wait",
    "retry",
    "retries_used_up",
    "hedge",
    "breaker_open",
    "breaker_closed",
    "key_set_aside",
    "reask",
    "looser",
    "fallback",
    "deadline",
    "truncated",
    "resumed",
    "cache_hit",
    "cache_wait",
    "chunked",
    "chunk_failed",
    "approval",
]
"""What is reported. ``looser``: the provider refused the schema, another way of asking follows."""


class Fields(TypedDict, total=False):
    """What is known of an event. None of these names is one of ``logging``'s own."""

    provider: str
    model: str
    to: str
    """Who is asked next, ``provider/model``."""
    why: str
    """In a few words of ours, without anything that a provider or a user wrote."""
    seconds: float
    """How long it takes, or took."""
    attempt: int
    """The number of the try or the question, from 1."""
    status: int
    tokens: int
    input_tokens: int
    output_tokens: int
    usd: str
    chunks: int
    problems: int
    """How many problems an answer had."""
    tool: str
    limit: float
    stop_reason: str


class Notes(Protocol):
    """Where events go besides the log: a span."""

    def event(self, name: str, fields: dict[str, Any]) -> None: ...


class WorkSpan(Protocol):
    """The span of work that makes calls: an extraction, a run of an agent, a tool.

    It begins with the first block or with the first step of a ``followed`` generator, and ends with
    the generator, or with a ``whole`` block.
    """

    def active(self) -> AbstractContextManager[None]:
        """Spans that begin inside the block are children of this one."""
        ...

    def whole(self) -> AbstractContextManager[None]:
        """``active``, and the span ends with the block."""
        ...

    def followed(self, steps: Generator[Y, S, R]) -> Generator[Y, S, R]:
        """The same generator; the span lasts until it returns, raises or is closed."""
        ...


class ToolSpan(Protocol):
    """The span of one tool call, inside its block."""

    def note(self, result: object) -> None:
        """Note the result, where content is wanted."""
        ...

    def end(self, error: BaseException | None) -> None:
        """End it before its block does: nobody waits for the call any more."""
        ...


class Tracing(Notes, Protocol):
    """What makes spans. See ``drivers.telemetry``."""

    def traced(self, kind: type[K]) -> type[K]:
        """The class of calls that have spans, for the one that has none."""
        ...

    def extraction(self, schema: str) -> WorkSpan: ...

    def agent(self, provider: str, model: str, output: str) -> WorkSpan: ...

    def tool(
        self, call: ToolCall, arguments: Callable[[], str], shown: Callable[[object], str]
    ) -> AbstractContextManager[ToolSpan]:
        """A block with the span of one tool call. ``arguments`` and ``shown`` make texts of what the tool is given and what it returns, where they are wanted."""
        ...


current: Tracing | None = None
"""Set while traces are on (``prompture.instrument``). Every test of it is one look at a global."""


def note(
    event: Event,
    text: str,
    /,
    *,
    level: int = logging.INFO,
    error: BaseException | None = None,
    span: Notes | None = None,
    **fields: Unpack[Fields],
) -> None:
    """Report an event.

    ``text`` is written with the fields: ``"%(provider)s: again in %(seconds).1f s (%(error)s)"``.
    Of ``error`` the class and the HTTP status are reported; its message may quote what was sent.
    """
    shown = log.isEnabledFor(level)
    place = span or current
    if not shown and place is None:
        return
    found: dict[str, Any] = {**fields}
    if error is not None:
        found["error"] = type(error).__name__
        status = getattr(error, "status", None)
        if isinstance(status, int):
            found["status"] = status
    if place is not None:
        place.event(event, found)
    if shown:
        # A single dict of arguments fills names: "%(model)s".
        log.log(level, text, found, extra={"event": event, **found}, stacklevel=2)
