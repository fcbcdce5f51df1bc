"""Hooks: look at, or replace, what goes through a driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import iscoroutinefunction
from typing import TypeVar

from prompture.drivers.settling import put_on
from prompture.errors import ConfigurationError, PromptureError
from prompture.given import wrong
from prompture.types import Completion, Delta, Request

GROUP = "prompture.hooks"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions called in order, in both colours. Each gets the value and may return another
    in its place; None leaves it as it is. An exception they raise ends the call."""

    before_request: Callable[[Request], Request | None] | None = None
    after_response: Callable[[Request, Completion], Completion | None] | None = None
    on_error: Callable[[Request, PromptureError], None] | None = None
    on_delta: Callable[[Delta], Delta | None] | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and (not callable(value) or iscoroutinefunction(value)):
                # Nobody would await one.
                raise wrong(f"Hooks.{each.name}", "a plain function", value)


@cache
def plugin_hooks() -> tuple[Hooks, ...]:
    """Hooks of installed plugins (entry points of the group ``prompture.hooks``).

    Raises ConfigurationError for one that cannot be loaded: it may be there to keep something
    from being sent, so that going on without it is not ours to choose.
    """
    # By name: the order must not hang on that of the installation.
    return tuple(
        loaded(point, Hooks) for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)
    )


def loaded(point: EntryPoint, kind: type[T]) -> T:
    """What an entry point names. Raises ConfigurationError, naming the package, whatever the
    package raises."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package"
    label = f"the plugin {point.name!r} of {package} ({point.group}: {point.value})"
    try:
        found = point.load()
    except (Exception, SystemExit) as exc:  # a plugin runs its own code, which may raise anything
        raise ConfigurationError(
            f"{label} cannot be loaded: {type(exc).__name__}: {exc}; repair or uninstall it"
        ) from exc
    if not isinstance(found, kind):
        raise ConfigurationError(
            f"{label} is a {type(found).__name__}, not a prompture.{kind.__name__}"
        )
    return found


def given_hooks(hooks: object, name: str) -> tuple[Hooks, ...]:
    """One Hooks or a sequence of them, as a tuple. Raises ConfigurationError."""
    found = tuple(hooks) if isinstance(hooks, (tuple, list)) else (hooks,)
    for each in found:
        if not isinstance(each, Hooks):
            raise wrong(name, "a prompture.Hooks(...) or a list of them", each)
    return found


def before(hooks: Iterable[Hooks], request: Request) -> Request:
    for hook in hooks:
        if hook.before_request:
            request = _or(request, hook.before_request(request), "before_request", Request)
    return request


def after(hooks: Iterable[Hooks], request: Request, completion: Completion) -> Completion:
    for hook in hooks:
        if hook.after_response:
            found = hook.after_response(request, completion)
            completion = _or(completion, found, "after_response", Completion)
    return completion


def failed(hooks: Iterable[Hooks], request: Request, error: PromptureError) -> None:
    """Call the hooks of an error. What they raise instead carries its bill."""
    for hook in hooks:
        if hook.on_error:
            try:
                hook.on_error(request, error)
            except Exception as exc:  # a user's function may raise anything
                if error.bill is not None:
                    put_on(exc, error.bill)
                raise


def delta(hooks: Iterable[Hooks], piece: Delta) -> Delta:
    for hook in hooks:
        if hook.on_delta:
            piece = _or(piece, hook.on_delta(piece), "on_delta", Delta)
    return piece


def _or(value: T, found: object, name: str, kind: type[T]) -> T:
    """What a hook returned, or the value that it left as it is. Raises ConfigurationError."""
    if found is None:
        return value
    # Else it would be the caller's answer, without a word.
    if not isinstance(found, kind):
        raise ConfigurationError(
            f"Hooks.{name} returned a {type(found).__name__}; it may return a {kind.__name__}, or"
            f" None to leave all as it is"
        )
    return found
