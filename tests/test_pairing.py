"""Every face has both colours, with the same names and parameters.

The pairs are found, not listed: ``AsyncX`` beside ``X``, ``aname`` beside ``name``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import prompture

RENAMED = {"session": "client"}
"""The transports' own words for a connection of the caller's."""


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(prompture.__path__, "prompture."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def made_when_asked_for(module: Any) -> dict[str, Any]:
    """Driver classes that are made of rows (PEP 562)."""
    names = dir(module) if module.__name__ == "prompture.drivers" else ()
    return {name: getattr(module, name) for name in names if name.endswith("Driver")}


def classes() -> dict[str, type]:
    """Public classes by name, those of drivers and their like included."""
    return {
        name: value
        for module in modules()
        for name, value in {**vars(module), **made_when_asked_for(module)}.items()
        if inspect.isclass(value)
        and value.__module__.startswith("prompture")
        and not name.startswith("_")
    }


CLASSES = classes()
PAIRS = [(name.removeprefix("Async"), name) for name in sorted(CLASSES) if name.startswith("Async")]


def test_some_were_found() -> None:
    names = {twin for _, twin in PAIRS}
    assert {"AsyncDriver", "AsyncInProcessDriver", "AsyncOpenAICompatible"} <= names
    assert {"AsyncOpenAIDriver", "AsyncClaudeDriver", "AsyncGoogleDriver"} <= names
    assert len(FUNCTIONS) >= 4


@pytest.mark.parametrize(("name", "twin"), PAIRS)
def test_classes(name: str, twin: str) -> None:
    plain = CLASSES.get(name) or CLASSES.get(f"Sync{name}")
    assert plain, f"{twin} has no {name}"
    ours, theirs = public(plain), public(CLASSES[twin])
    # Async code closes with aclose(); a few twins have close() too.
    if closing := theirs.pop("aclose", None):
        theirs.setdefault("close", closing)
    assert ours.keys() == theirs.keys()
    for method, function in ours.items():
        assert parameters(function) == parameters(theirs[method]), method
        assert returns(function) == returns(theirs[method]) or method == "__init__", method


def public(cls: type) -> dict[str, Callable[..., Any]]:
    found = {
        name: value
        for name, value in inspect.getmembers(cls, callable)
        if not name.startswith("_") and inspect.isfunction(inspect.unwrap(value))
    }
    return {"__init__": cls.__init__, **found}  # type: ignore[misc]


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    return [
        (RENAMED.get(p.name, p.name), p.kind, p.default)
        for p in inspect.signature(function).parameters.values()
    ]


def returns(function: Callable[..., Any]) -> str:
    """The annotation, without the colour of its words."""
    said = str(inspect.signature(function).return_annotation)
    for word in ("Async", "Awaitable", "Iterator", "Generator", "Coroutine"):
        said = said.replace(word, "")
    return said


def functions() -> list[tuple[Any, str]]:
    """(where it lives, name) of each function or method that has a twin with an ``a`` before it."""
    found = []
    for home in (*modules(), *CLASSES.values()):
        names = {n for n, v in vars(home).items() if inspect.isfunction(v) and n[0] != "_"}
        names.discard("close")
        found += [(home, name) for name in sorted(names) if f"a{name}" in names]
    return found


FUNCTIONS = functions()


@pytest.mark.parametrize(
    ("home", "name"), FUNCTIONS, ids=[f"{h.__name__}.{n}" for h, n in FUNCTIONS]
)
def test_functions(home: Any, name: str) -> None:
    plain, twin = getattr(home, name), getattr(home, f"a{name}")
    assert parameters(plain) == parameters(twin)
    assert not inspect.iscoroutinefunction(plain)


def test_public_names() -> None:
    """What the package offers in one colour it offers in the other."""
    names = set(prompture.__all__)
    for name in names:
        if name.startswith("extract") and name != "extraction":
            assert f"a{name}" in names
        if name.endswith("Driver") and not name.startswith("Async"):
            assert f"Async{name}" in names
    assert {"driver_for", "async_driver_for"} <= names
    assert parameters(prompture.driver_for) == parameters(prompture.async_driver_for)


def test_extractor_methods() -> None:
    plain = {n for n in vars(prompture.Extractor) if n.startswith("extract")}
    assert plain and all(hasattr(prompture.Extractor, f"a{n}") for n in plain)
