"""The turns of a conversation, read alike for every dialect: their parts (texts, pictures, files), and
turns of content blocks, as Anthropic and Bedrock's Converse want them.

Nothing that a turn holds is left out silently.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, overload

from prompture.codecs.histories import wire_ids
from prompture.errors import ConfigurationError, UnsupportedError
from prompture.media import settled
from prompture.types import JSON, Document, File, Image, Message, Part, Request, Text, ToolCall


def part_text(part: Text | Document) -> str:
    """A text as the model is shown it: a document under its name, where it has one."""
    name = part.name if isinstance(part, Document) else ""
    return f"{name}\n\n{part.text}" if name else part.text


def text_of(message: Message) -> str:
    """The texts of a turn, joined by blank lines. What is no text is left to the caller."""
    if isinstance(message.content, str):
        return message.content
    return "\n\n".join(part_text(p) for p in message.content if isinstance(p, (Text, Document)))


def text_only(message: Message) -> str:
    """The texts of a turn that may hold nothing else. Raises UnsupportedError for an image or a
    file in it, which would otherwise be lost."""
    if is_plain(message):
        return text_of(message)
    article = "an" if message.role == "assistant" else "a"
    raise UnsupportedError(
        f"{article} {message.role} turn holds text only here; put images and files into a user's"
    )


def is_plain(message: Message) -> bool:
    """Whether the turn is text and nothing else."""
    return isinstance(message.content, str) or all(
        isinstance(part, (Text, Document)) for part in message.content
    )


def result_text(message: Message) -> str:
    """A tool's result as text, for APIs that cannot mark a failed one."""
    text = text_of(message)
    return f"Error: {text}" if message.is_error else text


@overload
def media(part: Image, pictures: tuple[str, ...] = ...) -> Image: ...
@overload
def media(part: Image | File, pictures: tuple[str, ...] = ...) -> Image | File: ...
def media(part: Image | File, pictures: tuple[str, ...] = ("image/",)) -> Image | File:
    """The part as it goes out: bytes out of a data URL, with the type that they show; a file
    that is a picture (its type begins with one of ``pictures``) as an Image.

    Raises ConfigurationError where it is empty, or a data URL is broken.
    """
    part = settled(part)
    if isinstance(part, File) and part.id is None and part.media_type.startswith(pictures):
        return Image(data=part.data, url=part.url, media_type=part.media_type)
    return part


def base64_of(data: bytes | None) -> str:
    """Bytes as text for a JSON body."""
    return base64.b64encode(data or b"").decode()


def data_url(part: Image | File) -> str:
    """``data:<type>;base64,<bytes>``."""
    return f"data:{part.media_type};base64,{base64_of(part.data)}"


# Content blocks. Both APIs refuse two neighbours of one role, blank text, and anything before the results of
# tools. How a block is spelled is all that differs: a dialect has a ``BlockWriter`` of its own.

Block: TypeAlias = dict[str, Any]
CALL_ID_CHARS, CALL_ID_LETTERS = 64, "a-zA-Z0-9_-"
"""Ids of calls, as both take them; those of other providers have more."""


class BlockWriter(ABC):
    """Writes a conversation. ``name`` is the provider's, for errors, ``dialect`` that of the
    native turns which are echoed."""

    name: str
    dialect: str

    @abstractmethod
    def text(self, text: str) -> Block: ...

    @abstractmethod
    def part(self, part: Part) -> Block | None:
        """One part as a block; None for blank text."""

    @abstractmethod
    def call(self, call: ToolCall, id: str) -> Block: ...

    @abstractmethod
    def result(self, message: Message, id: str, content: list[Block]) -> Block: ...

    @abstractmethod
    def is_result(self, block: JSON) -> bool: ...

    @abstractmethod
    def echoed(self, blocks: Iterable[JSON], ids: Mapping[str, str]) -> Iterator[Block]:
        """The blocks of an earlier answer, with the ids of its calls as they go out; without
        blank text."""

    def system(self, messages: Iterable[Message]) -> list[Block]:
        """Every system turn, in order."""
        texts = [text_only(m) for m in messages if m.role == "system"]
        return [self.text(text) for text in texts if text.strip()]

    def turns(self, messages: Iterable[Message]) -> list[Block]:
        """User and assistant turns; neighbours of one role are merged, empty turns left out."""
        given = list(messages)
        ids = wire_ids(given, limit=CALL_ID_CHARS, allowed=CALL_ID_LETTERS)
        turns: list[Block] = []
        for message, known in zip(given, ids, strict=True):
            # System text has a field of its own in both; an empty turn is a 400.
            if message.role == "system" or not (blocks := self._blocks(message, known)):
                continue
            role = "assistant" if message.role == "assistant" else "user"
            # Both APIs demand that roles alternate.
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
        for turn in turns:
            # Results must come before anything else the user says. The sort is stable.
            if turn["role"] == "user":
                turn["content"].sort(key=lambda block: not self.is_result(block))
        return turns

    def _blocks(self, message: Message, ids: Mapping[str, str]) -> list[Block]:
        if message.role == "tool":
            if not message.call_id:
                raise ConfigurationError(
                    f"{self.name}: a tool turn needs the call_id of the call it answers"
                )
            return [self.result(message, ids[message.call_id], self._parts(message))]
        if message.role == "user":
            return self._parts(message)
        native = message.native
        # Whole, with its signatures: a call without the thought before it is refused while Claude thinks.
        if native is not None and native.dialect == self.dialect:
            return list(self.echoed(native.payload, ids))
        text = text_only(message)
        blocks = [self.text(text)] if text.strip() else []
        return blocks + [self.call(call, ids[call.id]) for call in message.calls]

    def _parts(self, message: Message) -> list[Block]:
        return [block for part in message.parts if (block := self.part(part))]


def cache_ttl(request: Request, name: str) -> str | None:
    """How long the request's prefix shall be cached; None for the provider's default. Raises
    UnsupportedError for a time that neither of the two has."""
    if isinstance(request.prompt_cache, bool):
        return None
    if request.prompt_cache not in ("5m", "1h"):
        raise UnsupportedError(f"{name} caches for '5m' or '1h', not {request.prompt_cache!r}")
    return request.prompt_cache


def cached_prefixes(stable: list[Block] | None, turns: list[Block]) -> Iterator[list[Block]]:
    """The lists of blocks behind whose last one a mark goes: what stays the same from call to
    call (tools or system text).

    The messages follow only where the conversation goes on (or where there is nothing else):
    marking a single document would pay for writing a cache that nobody reads.
    """
    if stable:
        yield stable
    if len(turns) > 2 and turns[-2]["role"] == "assistant":
        # Examples, or the conversation before: the same for another last turn.
        yield turns[-2]["content"]
    if not stable or len(turns) > 1:
        yield turns[-1]["content"]
