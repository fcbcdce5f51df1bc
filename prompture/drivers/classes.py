"""From a row to its driver classes, and from ``"provider/model"`` to a driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

from prompture.drivers.base import AsyncDriver, Driver
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import CostMixin
from prompture.drivers.inprocess import AsyncInProcessDriver, InProcessDriver
from prompture.drivers.provider import Provider
from prompture.drivers.registry import BUILTIN, builtin_row, find, resolve
from prompture.errors import ConfigurationError

D = TypeVar("D", bound=BaseDriver)


_over_http: dict[Provider, tuple[type[Driver], type[AsyncDriver]]] = {}
_in_process: dict[Provider, tuple[type[InProcessDriver], type[AsyncInProcessDriver]]] = {}


def drivers_of(provider: Provider) -> tuple[type[Driver], type[AsyncDriver]]:
    """Both classes of a row's drivers over HTTP: those of its module, or classes made for it."""
    # setdefault, not a cache: of two threads that come here first, both must get the same class,
    # or ``isinstance(driver, GroqDriver)`` is False for one of them.
    found = _over_http.get(provider)
    return found or _over_http.setdefault(provider, _found_or_made(provider))


def _found_or_made(provider: Provider) -> tuple[type[Driver], type[AsyncDriver]]:
    module, _, stem = BUILTIN.get(provider.name, ("", "", ""))
    if module and builtin_row(provider.name) is provider:
        own = vars(import_module(f"prompture.drivers.{module}")).values()
        # Subclasses of a module's first class (OpenAICompatible) stand behind it.
        mine = [c for c in own if isinstance(c, type) and getattr(c, "provider", None) is provider]
        sync = next((c for c in mine if issubclass(c, Driver)), None)
        twin = next((c for c in mine if issubclass(c, AsyncDriver)), None)
        if sync and twin:
            return sync, twin
    stem = stem or _stem(provider)
    return (
        _class(f"{stem}Driver", Driver, provider, (class_of, (provider.name, "http", 0))),
        _class(f"Async{stem}Driver", AsyncDriver, provider, (class_of, (provider.name, "http", 1))),
    )


def engines_of(provider: Provider) -> tuple[type[InProcessDriver], type[AsyncInProcessDriver]]:
    """Both driver classes of a row whose models run in this process."""
    found = _in_process.get(provider)
    return found or _in_process.setdefault(provider, _made_of_engine(provider))


def _made_of_engine(
    provider: Provider,
) -> tuple[type[InProcessDriver], type[AsyncInProcessDriver]]:
    stem, name = _stem(provider), provider.name
    return (
        _class(f"{stem}Driver", InProcessDriver, provider, (class_of, (name, "engine", 0))),
        _class(
            f"Async{stem}Driver", AsyncInProcessDriver, provider, (class_of, (name, "engine", 1))
        ),
    )


def _class(
    name: str,
    base: type[D],
    provider: Provider,
    found_by: tuple[Callable[..., Any], tuple[Any, ...]],
) -> type[D]:
    doc = f"{provider.title or provider.name}: a {base.__name__}, which see."
    made = type(
        name, (CostMixin, base), {"provider": provider, "found_by": found_by, "__doc__": doc}
    )
    # Where pickle looks for it: built-in ones are found there by name.
    made.__module__ = "prompture.drivers"
    return made


def class_of(name: str, kind: str, colour: int) -> type[BaseDriver]:
    """The class that was made for the row of this name, in whichever process: see ``found_by``."""
    both = engines_of(find(name)) if kind == "engine" else drivers_of(find(name))
    return both[colour]


def builtin_class(name: str) -> type[BaseDriver] | None:
    """``GroqDriver``, ``AsyncGroqDriver`` and the like; None where no built-in row has it."""
    for provider, (_, _, stem) in BUILTIN.items():
        if stem and name in (f"{stem}Driver", f"Async{stem}Driver"):
            return drivers_of(builtin_row(provider))[name.startswith("Async")]
    return None


def _stem(provider: Provider) -> str:
    return provider.name.replace("-", " ").replace("_", " ").title().replace(" ", "")


def _runs_here(row: Provider, model: str, settings: Mapping[str, Any]) -> bool:
    if row.engine is None:
        return False
    # A server may well call its model by a file's name.
    if row.in_process is not None and settings.get("base_url"):
        return False
    return row.in_process is None or row.in_process(model)


def driver_for(model: str, **settings: Any) -> Driver | InProcessDriver:
    """The sync driver for ``"provider/model"``; settings are those of ``Driver``.

    Raises UnknownModel (with near names), MissingKey, ConfigurationError.
    """
    made: Driver | InProcessDriver = _made(model, settings, colour=0)
    return made


def async_driver_for(model: str, **settings: Any) -> AsyncDriver | AsyncInProcessDriver:
    """The async driver for ``"provider/model"``; settings are those of ``AsyncDriver``."""
    made: AsyncDriver | AsyncInProcessDriver = _made(model, settings, colour=1)
    return made


def _made(model: str, settings: dict[str, Any], *, colour: int) -> Any:
    try:
        row, rest = resolve(model)
        classes = engines_of(row) if _runs_here(row, rest, settings) else drivers_of(row)
        return classes[colour](rest, **settings)
    except ConfigurationError as exc:
        # The frames that looked at the settings hold the key, and a traceback may show them.
        settings.clear()
        raise exc.with_traceback(None) from exc.__cause__
