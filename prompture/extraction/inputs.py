"""What callers give, checked: the text of a document, and the options of ``extract`` and its kin.

The options are written down once, in ``Options``, for type checkers, editors and ``help``.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar, get_args

from prompture import given
from prompture.compat import is_old_cache
from prompture.errors import UnknownOption
from prompture.extraction.model_drivers import Cascade, listed
from prompture.types import JSON, JSONValue, Message, Part

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


@dataclass(frozen=True, slots=True)
class Example:
    """A document with its value, as plain JSON. ``place`` is where it was given; ``is_list``: the
    value is a list of what the schema describes, which only ``extract_items`` may be shown."""

    content: str | tuple[Part, ...]
    value: JSONValue
    place: str
    is_list: bool = False

    @property
    def text(self) -> str:
        """The words of the document."""
        return Message(role="user", content=self.content).text


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
