"""The keywords of ``extract`` and its kin, said once for type checkers, editors and ``help``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar

from prompture.types import Document, File, Image, Text

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.drivers.meter import Meter

F = TypeVar("F", bound=Callable[..., Any])
Strategy: TypeAlias = Literal["auto", "json_schema", "tool", "json_object", "prompt"]
Content: TypeAlias = (
    str | Text | Document | Image | File | Sequence[str | Text | Document | Image | File]
)
"""What can be extracted from: a string, a part, or several of both."""
Models: TypeAlias = "str | BaseDriver | Sequence[str | BaseDriver] | None"
"""``"provider/model"``, a driver, a cascade of these, or None for the default."""


class Options(TypedDict, total=False):
    """Keywords of an Extractor, which explains them."""

    model: Models
    instructions: str
    examples: Sequence[tuple[str, Any]]
    strategy: Strategy
    max_retries: int
    budget: Meter | Decimal | str | float | None
    temperature: float | None
    max_tokens: int | None
    reasoning: str | int | None
    timeout: float | None
    cache: bool | str
    extra: Mapping[str, Any] | None


class StreamOptions(Options, total=False):
    """``min_interval``: seconds between snapshots, at least."""

    min_interval: float


class ItemsOptions(Options, total=False):
    """``on_error``: what becomes of an item that is not valid."""

    on_error: Literal["raise", "skip", "collect"]


class EstimateOptions(Options, total=False):
    """``count``: who counts the tokens of the input."""

    count: Literal["local", "provider"]


_DEFAULTS: Mapping[str, Any] = {
    "model": None,
    "instructions": "",
    "examples": (),
    "strategy": "auto",
    "max_retries": 2,
    "budget": None,
    "temperature": None,
    "max_tokens": None,
    "reasoning": None,
    "timeout": None,
    "cache": False,
    "extra": None,
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
            name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=said
        )
        for name, said in _annotations(options).items()
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
