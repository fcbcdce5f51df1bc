"""Shortening a conversation and moving it to another provider.

The oldest exchanges are dropped first, tool calls with their results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from prompture.codecs.histories import close_calls
from prompture.types import Document, File, Image, Message, Part, Request, Text

__all__ = [
    "SplitHistory",
    "close_calls",
    "drop_oldest",
    "exchanges",
    "portable",
    "size",
    "transcript",
]

# Some 50,000 tokens, which cheap models can read too.
TRANSCRIPT_CHARS = 200_000
RESULT_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class SplitHistory:
    """A history in two: ``dropped`` came before ``kept``."""

    dropped: tuple[Message, ...]
    kept: tuple[Message, ...]


def drop_oldest(messages: Sequence[Message], *, tokens: int, model: str) -> SplitHistory:
    """Drop the oldest exchanges until the rest has at most ``tokens`` (estimated).

    An exchange is a user's turn with all that follows it, so that no call is separated from its
    result. The last one always stays.
    """
    # Whole exchanges: a result without its call is refused by every provider.
    groups = list(exchanges(messages))
    sizes = [sum(size(turn, model) for turn in group) for group in groups]
    total, first = sum(sizes), 0
    while total > tokens and first < len(groups) - 1:
        total -= sizes[first]
        first += 1
    flat = [turn for group in groups for turn in group]
    at = sum(len(group) for group in groups[:first])
    return SplitHistory(tuple(flat[:at]), tuple(flat[at:]))


def exchanges(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Group the turns: each group begins with a user's turn (the first may not)."""
    group: list[Message] = []
    for turn in messages:
        if turn.role == "user" and group:
            yield group
            group = []
        group.append(turn)
    if group:
        yield group


def size(turn: Message, model: str) -> int:
    """Tokens of a turn, estimated."""
    from prompture.catalog.tokens import count_request

    return count_request(Request(model=model, messages=(turn,)), model=model, exact=False).tokens


def transcript(messages: Sequence[Message]) -> str:
    """A conversation as text, for a model that is to sum it up.

    Tool results are cut after 2,000 characters. Of a conversation that is longer than 200,000
    characters the middle is left out.
    """
    lines = [line for turn in messages for line in _lines(turn)]
    text = "\n\n".join(lines)
    if len(text) <= TRANSCRIPT_CHARS:
        return text
    # The beginning has what was asked for, the end where it stands.
    half = TRANSCRIPT_CHARS // 2
    return f"{text[:half]}\n\n[the middle is left out]\n\n{text[-half:]}"


def _lines(turn: Message) -> Iterator[str]:
    text = turn.text
    others = sum(isinstance(part, (Image, File)) for part in turn.parts)
    if others:
        text = f"{text} [{others} picture{'s' * (others > 1)} or files]"
    if turn.role == "tool":
        yield f"Result of {turn.name or 'a tool'}: {text[:RESULT_CHARS]}"
        return
    if text.strip():
        yield f"{turn.role.capitalize()}: {text}"
    for call in turn.calls:
        yield f"Assistant calls {call.name}({(call.raw_arguments or call.arguments)!s:.500})"


@dataclass(frozen=True, slots=True)
class PortableHistory:
    """Turns that any provider understands.

    ``natives`` and ``files`` count the turns that were changed for that: those that had items of
    one provider (reasoning, signatures), and those with files uploaded to it.
    """

    messages: tuple[Message, ...]
    natives: int
    files: int


def portable(messages: Sequence[Message], *, files: bool = True) -> PortableHistory:
    """Remove what only the provider that made the turns understands: thinking blocks, signatures
    and other items of its own, and ``files`` that were uploaded to it."""
    made: list[Message] = []
    natives = uploaded = 0
    for turn in messages:
        if turn.native is not None:
            natives += 1
            turn = replace(turn, native=None)
        if files and any(isinstance(part, File) and part.id for part in turn.parts):
            uploaded += 1
            turn = replace(turn, content=tuple(map(_portable_part, turn.parts)))
        made.append(turn)
    return PortableHistory(tuple(made), natives, uploaded)


def _portable_part(part: Part) -> Part:
    if isinstance(part, File) and part.id:
        return Text(f"[the file {part.name!r} was uploaded to another provider]")
    if isinstance(part, (Text, Document, Image, File)):
        return part
    raise TypeError(f"no part: {type(part).__name__}")
