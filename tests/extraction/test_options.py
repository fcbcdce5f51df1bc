"""The keywords of extract and its kin: the same everywhere, and shown by help()."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import prompture
from prompture.extraction import inputs

OWN: dict[str, dict[str, Any]] = {
    "extract": {},
    "extract_result": {},
    "extract_stream": {"min_interval": 0.0},
    "extract_items": {"on_error": "raise"},
    "estimate": {"count": "local"},
}


def keywords(function: Any) -> dict[str, Any]:
    found = inspect.signature(function).parameters.values()
    assert all(p.kind is not p.VAR_KEYWORD for p in found)
    return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}


OF_EXTRACTOR = keywords(prompture.Extractor)


def test_what_is_typed_is_what_an_extractor_takes() -> None:
    assert list(inputs.Options.__annotations__) == list(OF_EXTRACTOR)


@pytest.mark.parametrize("colour", ["", "a"])
@pytest.mark.parametrize(("name", "own"), OWN.items())
def test_every_function_shows_the_keywords(colour: str, name: str, own: dict[str, Any]) -> None:
    function = getattr(prompture, colour + name)
    assert keywords(function) == {**OF_EXTRACTOR, **own}
    method = {k: v for k, v in keywords(getattr(prompture.Extractor, colour + name)).items()}
    method.pop("clock", None)
    assert method == own


@pytest.mark.parametrize("name", OWN)
def test_unknown_ones_are_refused(name: str) -> None:
    with pytest.raises(prompture.UnknownOption, match=r"'temprature'; .*temperature\?.*extra"):
        getattr(prompture, name)(int, "1", model="local/rules", temprature=0)


@pytest.mark.parametrize("name", ["limits", "rpm", "concurrency", "breaker"])
def test_a_setting_of_drivers_names_its_place(name: str) -> None:
    own = name if name == "breaker" else "limits"
    with pytest.raises(
        prompture.errors.UnknownOption, match=rf"driver_for\('provider/model', {own}=...\)"
    ):
        prompture.extract(int, "5", **{name: 5})  # type: ignore[call-overload]
