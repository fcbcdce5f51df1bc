"""Hooks: look at, or replace, what goes through a driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from prompture.errors import ConfigurationError, PromptureError
from prompture.types import Completion, Delta, Request

GROUP = "prompture.hooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions called in order, in both colours. Each gets the value and may return another
    in its place; None leaves it as it is. An exception they raise ends the call."""

    before_request: Callable[[Request], Request | None] | None = None
    after_response: Callable[[Request, Completion], Completion | None] | None = None
    on_error: Callable[[Request, PromptureError], None] | None = None
    on_delta: Callable[[Delta], Delta | None] | None = None


@cache
def plugin_hooks() -> tuple[Hooks, ...]:
    """Hooks of installed plugins (entry points of the group ``prompture.hooks``)."""
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        hooks = point.load()
        if not isinstance(hooks, Hooks):
            raise ConfigurationError(
                f"entry point {point.value!r} is a {type(hooks).__name__}, not prompture.Hooks"
            )
        found.append(hooks)
    return tuple(found)


def before(hooks: Iterable[Hooks], request: Request) -> Request:
    for hook in hooks:
        if hook.before_request:
            request = hook.before_request(request) or request
    return request


def after(hooks: Iterable[Hooks], request: Request, completion: Completion) -> Completion:
    for hook in hooks:
        if hook.after_response:
            completion = hook.after_response(request, completion) or completion
    return completion


def failed(hooks: Iterable[Hooks], request: Request, error: PromptureError) -> None:
    for hook in hooks:
        if hook.on_error:
            hook.on_error(request, error)


def delta(hooks: Iterable[Hooks], piece: Delta) -> Delta:
    for hook in hooks:
        if hook.on_delta:
            piece = hook.on_delta(piece) or piece
    return piece
