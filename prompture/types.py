"""What is asked of a model and what comes back, the same for every provider.

Frozen values only: no I/O, no behaviour beyond small conversions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from prompture.money import EXACT as EXACT
from prompture.money import Charge, Cost
from prompture.money import Usage as Usage
from prompture.parts import Box as Box
from prompture.parts import Document as Document
from prompture.parts import DocumentPage as DocumentPage
from prompture.parts import File as File
from prompture.parts import FileDocument as FileDocument
from prompture.parts import Image as Image
from prompture.parts import Part as Part
from prompture.parts import Text as Text

K = TypeVar("K")
V = TypeVar("V")
JSON: TypeAlias = Mapping[str, Any]
"""A JSON object."""
JSONValue: TypeAlias = Any
"""What ``json.loads`` gives: an object, list, text, number, boolean or None."""
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
StopReason: TypeAlias = Literal[
    "stop",
    "stop_sequence",
    "length",
    "context_window",
    "tool_calls",
    "content_filter",
    "refusal",
    "pause",
    "cancelled",
    "error",
    "unknown",
]
COMPLETE = frozenset({"stop", "stop_sequence", "tool_calls"})
"""Stop reasons of a whole answer. Any other is a failure, and so is one that is not known yet."""
LARGE_CHARS = 1_000_000
"""Characters above which a text is encoded, read and checked in pieces, or in a thread: below, it
takes a few milliseconds, for which an event loop can wait."""
ToolChoice: TypeAlias = str
"""``"auto"``, ``"none"``, ``"required"``, or the name of the one tool to call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's wish to call a tool.

    ``arguments`` is the parsed JSON object, or None where ``raw_arguments`` is not one
    (``problem`` then says why). An empty ``raw_arguments`` means no arguments: ``{}``.
    """

    id: str
    name: str
    arguments: dict[str, JSONValue] | None
    raw_arguments: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool on offer. ``parameters`` is a JSON Schema of type object.

    ``strict`` asks for arguments that are held to the schema where the dialect can promise it.
    """

    name: str
    description: str = ""
    parameters: JSON = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Native:
    """An assistant turn exactly as its provider gave it (thinking blocks, signatures, items).

    Echoed verbatim to a codec of the same ``dialect`` and dropped for any other.
    """

    dialect: str
    payload: Any = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn.

    ``calls`` and ``reasoning`` only on assistant turns; ``call_id`` (and the tool's ``name``)
    only on tool turns, whose ``is_error`` says that the tool failed.
    """

    role: Role
    content: str | tuple[Part, ...] = field(default="", repr=False)
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    name: str | None = None
    is_error: bool = False
    reasoning: str = ""
    native: Native | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The turn's words: its text and document parts, joined by blank lines."""
        if isinstance(self.content, str):
            return self.content
        return "\n\n".join(p.text for p in self.content if isinstance(p, (Text, Document)))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts; empty text gives none."""
        if isinstance(self.content, str):
            return (Text(self.content),) if self.content else ()
        return self.content


class AnswerCache(Protocol):
    """Keeps answers: ``prompture.Cache``, to those who know no more of it."""

    @property
    def blocks(self) -> bool: ...

    def checked(self) -> AnswerCache: ...

    def call_class(self, kind: type[K]) -> type[K]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of one model.

    ``schema`` is the JSON Schema that the answer's text must satisfy, already in the dialect of
    the provider, ``strict`` whether the provider shall enforce it; ``json_mode`` asks for any
    JSON object. ``reasoning`` is an effort (``"none"``, ``"minimal"``, ``"low"``, ``"medium"``,
    ``"high"``, ``"xhigh"``, ``"max"``) or a budget in tokens. ``prompt_cache`` asks the provider
    to cache the prompt's stable prefix: True, or a time to live such as ``"5m"`` or ``"1h"``.
    ``cache`` is a ``prompture.Cache`` that keeps answers, None for the driver's, False for none.
    ``logprobs`` is how many alternatives a token to report. ``timeout`` is seconds to connect and
    between bytes, ``deadline`` seconds for all of the call, its tries and waits included.
    ``extra`` goes into the wire body as it stands, over everything else. ``priority="bulk"`` lets
    others go before it where calls must wait. ``api_key`` takes the place of the driver's;
    a mapping has one for each provider.
    ``hedge`` is the share of recent calls than which a slower one is sent a second time.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    schema: JSON | None = None
    schema_name: str = "answer"
    strict: bool = True
    json_mode: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning: str | int | None = None
    logprobs: int | None = None
    prompt_cache: bool | str = False
    cache: AnswerCache | bool | str | None = field(default=None, compare=False, repr=False)
    metadata: JSON = field(default_factory=dict)
    timeout: float | None = None
    extra: JSON = field(default_factory=dict)
    hedge: float | None = None
    priority: str | None = None
    api_key: str | Mapping[str, str] | None = field(default=None, repr=False)
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class PageRegion:
    """A part of a page. ``boxes`` are empty where only the page is known."""

    page: int
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text: ``[start, end)`` in code points.

    ``kind`` says how the text there supports the value: ``"exact"`` (verbatim), ``"normalised"``
    (the same after case, white space, or number and date format), ``"fuzzy"``. ``score`` is
    between 0 and 1. ``ambiguous``: the value stands in several places that are equally good, and
    nothing in the text or in the other values says which is meant. ``fragments`` are the pieces of a
    value that stands in several, wrapped in a column of a table or cut by a break of pages: each
    ``(start, end)``, in the order of the value, all within the span. ``document`` and ``regions``
    say where it is in a file that was read: its name, and the boxes on each page, one a line. Two
    spans of one place are equal with and without these.
    """

    start: int
    end: int
    kind: str = "exact"
    score: float = 1.0
    ambiguous: bool = field(default=False, compare=False, kw_only=True)
    fragments: tuple[tuple[int, int], ...] = field(default=(), compare=False, kw_only=True)
    document: str = field(default="", compare=False, kw_only=True)
    regions: tuple[PageRegion, ...] = field(default=(), compare=False, kw_only=True)

    @property
    def page(self) -> int | None:
        """The page on which it begins, from 1; None where the text has no pages."""
        return self.regions[0].page if self.regions else None

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Its boxes on that page, one a line."""
        return self.regions[0].boxes if self.regions else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """What is left by the provider's headers: counts, and seconds until a count is reset."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: float | None = None


class Storing(Protocol):
    """What becomes of an answer in a cache, once its reader has judged it."""

    blocks: bool

    def judged(self, *, valid: bool) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole answer.

    ``raw_stop`` is the provider's own word for ``stop_reason``. ``raw`` is its body (for a
    stream, what the decoder kept). ``native`` is the turn to echo; ``message()`` has it.
    ``spans`` is given by drivers that know where in the text they read each value
    (JSON pointer to spans). ``lowered_to`` is the ``max_tokens`` that a budget put in the place of
    the request's (None: it did not). ``retries`` are the failed tries before this answer, ``seconds`` the
    wall time from the first to the end. ``storing`` is what becomes of it in a cache that waits for a
    judgement. It answers ``["text"]``, ``["meta"]``, ``["tool_calls"]`` and
    ``["stop_reason"]`` like the dict of a ``generate`` call.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    stop_reason: StopReason = "stop"
    raw_stop: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Cost | None = None
    model: str = ""
    request_id: str | None = None
    rate_limits: RateLimits | None = None
    logprobs: JSONValue = field(default=None, repr=False)
    citations: JSONValue = field(default=None, repr=False)
    spans: Mapping[str, tuple[Span, ...]] | None = field(default=None, repr=False)
    native: Native | None = field(default=None, repr=False)
    raw: JSON = field(default_factory=dict, repr=False)
    retries: tuple[Charge, ...] = ()
    seconds: float = 0.0
    lowered_to: int | None = None
    storing: Storing | None = field(default=None, repr=False, compare=False)

    @property
    def cache_hit(self) -> bool:
        """Whether it is an answer of before, out of a ``Cache``."""
        return self.cost is not None and self.cost.source == "cache"

    def message(self) -> Message:
        """The assistant turn to put into the history."""
        return Message(
            role="assistant",
            content=self.text,
            calls=self.tool_calls,
            reasoning=self.reasoning,
            native=self.native,
        )

    @property
    def meta(self) -> dict[str, Any]:
        """Tokens, cost, raw body and model. ``cost`` is Decimal US dollars, None if unknown."""
        return {
            "prompt_tokens": self.usage.input_tokens,
            "completion_tokens": self.usage.output_tokens,
            "total_tokens": self.usage.total_tokens,
            "cost": self.cost.usd if self.cost else None,
            "raw_response": self.raw,
            "model_name": self.model,
        }

    def __getitem__(self, key: str) -> Any:
        match key:
            case "text" | "stop_reason":
                return getattr(self, key)
            case "meta":
                return self.meta
            case "tool_calls":
                return [
                    {"id": c.id, "name": c.name, "arguments": c.arguments} for c in self.tool_calls
                ]
            case _:
                raise KeyError(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a streamed answer: text, reasoning, refusal, or part of a tool call.

    A tool call's first delta has its ``tool_name`` (and ``tool_id`` where there is one);
    ``tool_arguments`` are fragments of JSON text. ``tool_index`` counts calls from 0.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_index: int | None = None
    tool_id: str = ""
    tool_name: str = ""
    tool_arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that a provider lists. Token counts and flags are None where it does not say."""

    id: str
    created: int | None = None
    owner: str | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None
    raw: JSON = field(default_factory=dict, repr=False)


def user(content: str | Sequence[Part]) -> Message:
    """A user turn."""
    return Message(role="user", content=content if isinstance(content, str) else tuple(content))


def system(text: str) -> Message:
    """A system turn."""
    return Message(role="system", content=text)


def changed(value: V, **changes: Any) -> V:
    """What ``dataclasses.replace`` gives, in a fifth of its time: for what is done at each call.
    The class takes all of its fields, of which there are several, when it is made."""
    kind: Any = type(value)
    names, read = _fields_of(kind)
    made: V = kind(**{**dict(zip(names, read(value), strict=True)), **changes})
    return made


@cache
def _fields_of(kind: Any) -> tuple[tuple[str, ...], Callable[[object], tuple[Any, ...]]]:
    names = tuple(each.name for each in fields(kind) if each.init)
    return names, attrgetter(*names)
