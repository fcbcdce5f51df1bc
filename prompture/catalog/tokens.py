"""How many tokens a text or a request is, before it is sent.

Exact with tiktoken where its vocabulary is on disk (see ``vocabulary``), else an estimate whose
error is stated (see ``estimate``). Estimates are for budgets and for refusing what cannot fit;
what a call cost is reckoned from the usage that the provider reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, floor

from prompture.catalog.estimate import FAMILIES, estimate, family_of
from prompture.catalog.images import Range, image_tokens
from prompture.catalog.models import Entry
from prompture.types import Document, File, Image, Message, Part, Request, Text, Tool

_PIECE = 50_000
"""Characters that are handed to tiktoken at a time; one endless word would otherwise be slow."""
_FOREIGN = (0.45, 0.40)
"""Relative width of the range, down and up, for text in other scripts: a common Russian word is
one token of o200k and half of what the estimate says, a rare one twice that."""
_TOOL_PREAMBLE = {"claude": 350, "claude-5": 350}
"""Tokens of the instructions that a provider adds when there are tools."""
_PDF_PAGE: Range = (1500, 258, 3000)
_OTHER_FILE: Range = (2000, 100, 20_000)


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens: the likely number, and the range that holds it about nine times in ten.

    ``method`` says how they were counted, ``exact`` that no estimate is in it.
    """

    tokens: int
    low: int
    high: int
    exact: bool
    method: str

    def __add__(self, other: Count) -> Count:
        methods = dict.fromkeys((*self.method.split(", "), *other.method.split(", ")))
        return Count(
            self.tokens + other.tokens,
            self.low + other.low,
            self.high + other.high,
            exact=self.exact and other.exact,
            method=", ".join(m for m in methods if m),
        )


NOTHING = Count(0, 0, 0, exact=True, method="")


def count(text: str, model: str, *, exact: bool = True) -> Count:
    """Tokens of a text for ``"provider/model"`` (or the model alone).

    Only OpenAI's tokenizers are published in a form that counts exactly; ``exact=False`` does
    without them, which saves the tenths of a second that loading a vocabulary takes.
    """
    family = family_of(model)
    if not text:
        return NOTHING
    if exact and family in ("o200k", "cl100k"):
        from prompture.catalog.vocabulary import encoding

        vocabulary = encoding(f"{family}_base")
        if vocabulary is not None:
            number = sum(len(vocabulary.encode_ordinary(piece)) for piece in _pieces(text))
            return Count(number, number, number, exact=True, method=f"tiktoken {vocabulary.name}")
    likely = estimate(text, family)
    down = up = FAMILIES[family].spread
    if not text.isascii() and _foreign(text):
        down, up = max(down, _FOREIGN[0]), max(up, _FOREIGN[1])
    low, high = floor(likely * (1 - down)), ceil(likely * (1 + up)) + 1
    return Count(round(likely), low, high, exact=False, method=f"estimate for {family}")


def count_request(request: Request, *, model: str | None = None, exact: bool = True) -> Count:
    """Tokens that a request's input will be billed as: messages, tools, schema, pictures, files.

    ``model`` is for the tokenizer, the request's own if not given. What providers wrap around
    it (roles, tool preambles, a schema's other form) is estimated, so the whole is never exact.
    """
    name = model or request.model
    family = family_of(name)
    wrapping = FAMILIES[family].overhead * len(request.messages) + 3
    if request.tools:
        wrapping += _TOOL_PREAMBLE.get(family, 12)
    total = Count(wrapping, wrapping // 2, wrapping * 2, exact=False, method="")
    for text in _texts(request.messages):
        total += count(text, name, exact=exact)
    for text in _json_texts(request):
        total += _wider(count(text, name, exact=exact))
    for part in _media(request.messages):
        likely, low, high = _media_tokens(part, family, name.rpartition("/")[2])
        total += Count(likely, low, high, exact=False, method="media by rule")
    return total


def fits(request: Request, entry: Entry | None) -> str | None:
    """What is wrong with the request's length, None if nothing is or nobody can tell.

    Speaks up only when even the low estimate is beyond the window, since a provider's own
    refusal costs nothing and a false one here costs an answer.
    """
    if entry is None:
        return None
    room = entry.limits.input or entry.limits.context
    if room is None or _certainly_short(request, room):
        return None
    counted = count_request(request, model=entry.key, exact=False)
    if counted.low <= room:
        return None
    return (
        f"about {counted.tokens:,} tokens (at least {counted.low:,}) for {entry.key}, "
        f"which reads at most {room:,}"
    )


def _certainly_short(request: Request, room: int) -> bool:
    """Whether a glance is enough: no text is more than 1.5 low-estimate tokens a character."""
    if any(True for _ in _media(request.messages)):
        return False
    characters = sum(map(len, _texts(request.messages))) + sum(map(len, _json_texts(request)))
    return 1.5 * characters + 500 < room


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that end before white space where there is some, so that they add up."""
    start = 0
    while len(text) - start > _PIECE:
        end = start + _PIECE
        cut = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
        end = cut if cut > start else end
        yield text[start:end]
        start = end
    yield text[start:]


def _foreign(text: str) -> bool:
    """Whether more than 3 % of the text is beyond ASCII, by a sample."""
    sample = text if len(text) <= 20_000 else text[:: len(text) // 20_000]
    return len(sample.encode("ascii", "ignore")) < 0.97 * len(sample)


def _texts(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        yield message.reasoning
        if isinstance(message.content, str):
            yield message.content
        else:
            yield from (p.text for p in message.content if isinstance(p, (Text, Document)))
        for call in message.calls:
            yield f"{call.name} {call.raw_arguments or _packed(call.arguments)}"


def _json_texts(request: Request) -> Iterator[str]:
    yield from map(_tool_text, request.tools)
    if request.schema is not None:
        yield _packed(request.schema)


def _tool_text(tool: Tool) -> str:
    return f"{tool.name} {tool.description} {_packed(tool.parameters)}"


def _packed(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _wider(counted: Count) -> Count:
    """A schema is rewritten by the provider before the model sees it, mostly to less."""
    low, high = counted.low // 2, ceil(counted.high * 1.3)
    return Count(counted.tokens, low, high, exact=False, method=counted.method)


def _media(messages: Iterable[Message]) -> Iterator[Image | File]:
    for message in messages:
        if not isinstance(message.content, str):
            yield from (p for p in message.content if isinstance(p, (Image, File)))


def _media_tokens(part: Part, family: str, model: str) -> Range:
    if isinstance(part, Image):
        return image_tokens(part, family=family, model=model)
    data = part.data if isinstance(part, File) else None
    if data is None or not data.startswith(b"%PDF"):
        return _OTHER_FILE
    pages = max(1, data.count(b"/Type /Page") + data.count(b"/Type/Page") - _page_trees(data))
    likely, low, high = _PDF_PAGE
    return likely * pages, low, high * pages


def _page_trees(data: bytes) -> int:
    return data.count(b"/Type /Pages") + data.count(b"/Type/Pages")
