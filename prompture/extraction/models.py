"""From what users give as model to drivers, kept and used again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from prompture.drivers.core import BaseDriver
from prompture.drivers.registry import async_driver_for, default_model, driver_for, resolve
from prompture.errors import ConfigurationError

_kept: dict[tuple[str, bool], Any] = {}
_lock = Lock()
KEPT = 64


def makers(model: Any, *, asynchronous: bool) -> list[Callable[[], Any]]:
    """One function for each model of a cascade, which gives its driver of the colour.

    Raises ConfigurationError for what names no model and is no driver.
    """
    given: Sequence[Any]
    if model is None:
        given = [default_model()]
    elif isinstance(model, (list, tuple)):
        given = model
    else:
        given = [model]
    if not given:
        raise ConfigurationError("model is an empty sequence: name at least one model")
    return [_maker(each, asynchronous) for each in given]


def _maker(model: Any, asynchronous: bool) -> Callable[[], Any]:
    if isinstance(model, str):
        return lambda: kept_driver(model, asynchronous=asynchronous)
    if not hasattr(model, "complete") or not hasattr(model, "provider"):
        raise ConfigurationError(
            f"model must be 'provider/model', a driver, or a sequence of these, "
            f"not {type(model).__name__}"
        )
    if is_async(model) is not asynchronous:
        right = "AsyncDriver (async_driver_for)" if asynchronous else "Driver (driver_for)"
        raise ConfigurationError(f"this call needs an {right}, not {type(model).__name__}")
    return lambda: model


def is_async(driver: Any) -> bool:
    """Whether a driver is of the async colour."""
    return hasattr(driver, "__aenter__")


def kept_driver(model: str, *, asynchronous: bool) -> BaseDriver:
    """The driver for a model, made once and kept with its connections.

    It is made anew when the environment names another key or URL than it was made with.
    """
    key = (model, asynchronous)
    found: BaseDriver | None = _kept.get(key)
    if found is not None and found.is_current():
        return found
    resolve(model)
    make: Any = async_driver_for if asynchronous else driver_for
    made: BaseDriver = make(model)
    with _lock:
        if len(_kept) >= KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[key] = made
    return made
