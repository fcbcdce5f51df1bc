"""What callers give, checked: the options of ``extract`` and its kin, and what is extracted from.

The options are written down once, in ``Options``, for type checkers, editors and ``help``.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar, get_args

from prompture import given
from prompture.compat import is_old_cache
from prompture.errors import ConfigurationError, UnknownOption
from prompture.extraction.model_drivers import Cascade, listed
from prompture.types import JSON, Document, File, FileDocument, Image, JSONValue, Part, Text

if TYPE_CHECKING:
    from prompture.drivers.caching import Cache
    from prompture.drivers.core import BaseDriver
    from prompture.drivers.meter import Meter
    from prompture.extraction.chunks import Chunks

F = TypeVar("F", bound=Callable[..., Any])
Strategy: TypeAlias = Literal["auto", "json_schema", "tool", "json_object", "prompt"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
Schema: TypeAlias = Any
"""A type, or a JSON Schema: whatever an Extractor takes."""
Models: TypeAlias = "str | BaseDriver | Sequence[str | BaseDriver] | Cascade | None"
"""``"provider/model"``, a driver, a cascade of these, or None for the default."""


class Options(TypedDict, total=False):
    """Keywords of an Extractor, which explains them."""

    model: Models
    instructions: str
    examples: Iterable[tuple[str, JSONValue] | JSON] | os.PathLike[str]
    strategy: Strategy
    max_retries: int
    on_truncation: Literal["resume", "raise"]
    long: Literal["auto"] | Chunks | None
    budget: Meter | Decimal | str | float | None
    temperature: float | None
    max_tokens: int | None
    reasoning: str | int | None
    timeout: float | None
    hedge: float | None
    deadline: float | None
    prompt_cache: bool | str
    cache: Cache | Literal[False] | None
    extra: JSON | None
    priority: Literal["live", "bulk"] | None
    api_key: str | Mapping[str, str] | None
    context: Any
    require_grounding: bool | Sequence[str]
    quotes: bool


class StreamOptions(Options, total=False):
    """``min_interval``: seconds between snapshots, at least."""

    min_interval: float


class ItemsOptions(Options, total=False):
    """``on_error``: what becomes of an item that is not valid."""

    on_error: Literal["raise", "skip", "collect"]


class EstimateOptions(Options, total=False):
    """``count``: who counts the tokens of the input."""

    count: Literal["local", "provider"]


_DEFAULTS: JSON = {
    "model": None,
    "instructions": "",
    "examples": (),
    "strategy": "auto",
    "max_retries": 2,
    "on_truncation": "resume",
    "long": "auto",
    "budget": None,
    "temperature": None,
    "max_tokens": None,
    "reasoning": None,
    "timeout": None,
    "hedge": None,
    "deadline": None,
    "prompt_cache": False,
    "cache": None,
    "extra": None,
    "priority": None,
    "api_key": None,
    "context": None,
    "require_grounding": False,
    "quotes": False,
    "min_interval": 0.0,
    "on_error": "raise",
    "count": "local",
}


def spelled(options: type[Options]) -> Callable[[F], F]:
    """Show a function's ``**options`` to ``help`` and ``inspect`` as the keywords they are.

    Calls are not touched: what is passed on stays what the caller gave.
    """
    keywords = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=shown
        )
        for name, shown in _annotations(options).items()
    ]

    def mark(function: F) -> F:
        bare = inspect.signature(function)
        own = [p for p in bare.parameters.values() if p.kind is not p.VAR_KEYWORD]
        function.__signature__ = bare.replace(  # type: ignore[attr-defined]
            parameters=[*own, *keywords]
        )
        return function

    return mark


def _annotations(options: type[Options]) -> dict[str, Any]:
    """What is written behind each keyword."""
    return {k: getattr(v, "__forward_arg__", v) for k, v in options.__annotations__.items()}


_OPTIONS = tuple(Options.__annotations__)
_KNOWN = frozenset(_OPTIONS)
_REQUEST = (
    "temperature",
    "max_tokens",
    "reasoning",
    "timeout",
    "hedge",
    "prompt_cache",
    "cache",
    "extra",
    "priority",
    "api_key",
)
"""Those that go into the request."""
PLAN_KEY = attrgetter(*(name for name in _REQUEST if name not in ("extra", "api_key")))
"""A driver keeps a plan for each of these values of a request; with the other two it keeps none."""
_MEANT = {
    "system": "instructions",
    "system_prompt": "instructions",
    "prompt": "instructions",
    "response_model": "schema",
    "retries": "max_retries",
    "models": "model",
    "fallbacks": "model",
    "mode": "strategy",
    "method": "strategy",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "validation_context": "context",
    "few_shot": "examples",
}
"""What other libraries call it."""


def checked(options: JSON) -> dict[str, Any]:
    """All options of an Extractor, those that were not given (or are None) by their defaults;
    those of the request under ``"request"``.

    Raises UnknownOption and ConfigurationError, before anything is sent.
    """
    if not options.keys() <= _KNOWN:
        refuse_unknown(options)
    found = {**_OWN_DEFAULTS, "request": {}}
    for name, value in options.items():
        # None is "not given", so that a wrapper may pass on what it was not given either.
        if value is None and name != "long":
            continue
        if name == "cache" and is_old_cache(given.request_options({name: value})[name]):
            found["request"]["prompt_cache"] = value
        elif name in _REQUEST:
            found["request"] |= given.request_options({name: value})
        else:
            check = _CHECKS.get(name)
            found[name] = value if check is None else check(value)
    return found


def check_strategy(strategy: Any) -> Any:
    """The strategy. Raises ConfigurationError for one there is not."""
    return given.one_of(strategy, "strategy", STRATEGIES)


def refuse_unknown(options: JSON, own: Sequence[str] = ()) -> None:
    """Raise UnknownOption for what is none of an Extractor's options, nor of the call's own."""
    names = [name for name in options if name not in _KNOWN and name not in own]
    for name in names:
        if name in _MEANT:
            raise UnknownOption(f"unknown option {name!r}; here it is called {_MEANT[name]}")
    if names and isinstance(options, dict):  # refused: a key that stands here is for no traceback
        given.hide_keys(options)
    given.refuse_settings(names)
    try:
        given.only_known(names, (*own, *_OPTIONS))
    except UnknownOption as exc:
        advice = "What only the provider knows goes into extra={...}"
        raise UnknownOption(f"{exc}. {advice}") from None


def _long(value: Any) -> Any:
    if value is None or (isinstance(value, str) and value == "auto"):
        return value
    from prompture.extraction.chunks import Chunks

    if not isinstance(value, Chunks):
        raise given.wrong("long", '"auto", prompture.Chunks(...) or None', value)
    return value


def _models(model: Any) -> Any:
    listed(model)
    return model


_OWN_DEFAULTS = {name: _DEFAULTS[name] for name in _OPTIONS if name not in _REQUEST}
_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "model": _models,
    "instructions": lambda value: given.words(value, "instructions", empty=True),
    "strategy": check_strategy,
    "deadline": lambda value: given.seconds(value, "deadline"),
    "long": lambda value: _long(value),
    "on_truncation": lambda value: given.one_of(value, "on_truncation", ("resume", "raise")),
    "max_retries": lambda value: given.count(value, "max_retries", least=0),
    "quotes": lambda value: given.flag(value, "quotes"),
}


# What is extracted from: checked, and read where it is a file.

OnePart: TypeAlias = (
    str | Text | Document | Image | File | os.PathLike[str] | bytes | bytearray | IO[bytes]
)
Content: TypeAlias = OnePart | Sequence[OnePart]
"""What can be extracted from: a string, a part, a file (a path, its bytes, or it open), or several
of these. A string is always text."""
_FILES = (os.PathLike, bytes, bytearray, memoryview)
_BINARY = bytes(byte for byte in range(32) if byte not in b"\t\n\x0b\x0c\r\x1b")
_STRAY = 2
"""As many such characters are no sign of a binary file, in however short a text."""
# PDF, ZIP (and so .docx, .xlsx), PNG, JPEG, GIF.
_MAGIC = ("%PDF-", "PK\x03\x04", "\x89PNG", "\xff\xd8\xff", "GIF8")
NUL = "\x00"
UNREADABLE = "\ufffd"
"""Stands in the place of a NUL, one for one, so that places in the text stay what they are."""


def has_files(text: Any) -> bool:
    """Whether a file is to be read before anything is sent."""
    if isinstance(text, (str, Text, Document, Image, File)):
        return False
    each = text if isinstance(text, (list, tuple)) else (text,)
    return any(isinstance(e, _FILES) or _is_open(e) for e in each)


def _is_open(value: object) -> bool:
    return callable(getattr(value, "read", None)) and not isinstance(value, type)


def files_read(text: Any) -> Any:
    """The same, each file in it read. Raises DocumentError and ConfigurationError."""
    if not has_files(text):
        return text
    from prompture.documents import document

    if isinstance(text, (list, tuple)):
        return [document(each) if has_files(each) else each for each in text]
    return document(text)


def content(text: Any) -> str | tuple[Part, ...]:
    """The content of the document's turn, without NULs.

    Raises ConfigurationError for empty or binary text, and for what is no text and no part.
    """
    if isinstance(text, str):
        return _clean(text)
    if isinstance(text, (Text, Document, Image, File)):
        return content((text,))
    if advice := _advice(text):
        raise ConfigurationError(advice)
    parts = tuple(Text(p) if isinstance(p, str) else p for p in text)
    if any(isinstance(part, FileDocument) for part in parts):
        from prompture.documents import shown

        parts = tuple(
            each
            for part in parts
            for each in (shown(part) if isinstance(part, FileDocument) else (part,))
        )
    for at, part in enumerate(parts):
        if not isinstance(part, (Text, Document, Image, File)):
            what = _advice(part) or f"text[{at}] is a {type(part).__name__}"
            raise ConfigurationError(
                f"a part must be a string, Text, Document, Image or File: {what}"
            )
    if not parts:
        raise ConfigurationError("text is empty: there is nothing to extract from")
    return tuple(_clean_part(part, alone=len(parts) == 1) for part in parts)


def _advice(text: object) -> str:
    """What to give instead of this, "" for a sequence."""
    if isinstance(text, (bytes, bytearray, memoryview)):
        return "text is bytes: give prompture.document(data), prompture.file or prompture.image"
    if isinstance(text, os.PathLike):
        return (
            "text is a path, and no file is opened by it here: give prompture.document(path),"
            " prompture.file(path) for a PDF or prompture.image(path) for a picture"
        )
    if hasattr(text, "read"):
        return "text is an open file: give prompture.document(file), or what it holds, text.read()"
    if isinstance(text, type):
        return f"text is the class {text.__name__}: the schema comes first, extract(schema, text)"
    if isinstance(text, Mapping):
        return (
            "text is a dict: give a document's text (json.dumps makes one of data); the schema"
            " comes first, extract(schema, text)"
        )
    if isinstance(text, Sequence) and not isinstance(text, str):
        return ""
    return f"text must be a string or a sequence of parts, not {type(text).__name__}"


def is_text(read: str | tuple[Part, ...]) -> bool:
    """Whether a content is words alone."""
    return isinstance(read, str) or all(isinstance(part, (Text, Document)) for part in read)


def notes_of(text: Any) -> tuple[str, ...]:
    """What ``content`` changes in a text that it takes, and what the caller may not have meant."""
    is_one = isinstance(text, (str, Text, Document, Image, File))
    parts = (text,) if is_one else tuple(text)
    notes = [note for part in parts if isinstance(part, FileDocument) for note in part.notes]
    if len(parts) > 1 and all(isinstance(part, str) for part in parts):
        notes.append(
            f"the {len(parts)} strings were read as one document;"
            " for one answer each, extract from each of them"
        )
    if found := sum(_text_of(part).count(NUL) for part in parts):
        notes.append(f"{found} NUL character{'s' * (found > 1)} of the text became U+FFFD")
    return tuple(notes)


def _text_of(part: object) -> str:
    return part if isinstance(part, str) else getattr(part, "text", "")


def _clean_part(part: Part, *, alone: bool) -> Part:
    if not isinstance(part, (Text, Document)):
        return part
    cleaned = _clean(part.text, allow_empty=not alone)
    return part if cleaned is part.text else replace(part, text=cleaned)


def _clean(text: str, *, allow_empty: bool = False) -> str:
    if not isinstance(text, str):
        raise ConfigurationError(f"the text of a part is a {type(text).__name__}, not a string")
    if (not text or text.isspace()) and not allow_empty:
        raise ConfigurationError("text is empty: there is nothing to extract from")
    # A look at the start is enough to tell a binary file read as text from a document. Bytes below
    # 32 are in no other UTF-8 sequence.
    start = text[:4096]
    data = start.encode("utf-8", "replace")
    stray = len(data) - len(data.translate(None, _BINARY))
    if start.startswith(_MAGIC) or stray > max(_STRAY, len(start) // 20):
        raise ConfigurationError(
            "text is binary, not words: extract its text first, or send it as prompture.File"
        )
    return text.replace(NUL, UNREADABLE) if NUL in text else text
