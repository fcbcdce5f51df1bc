"""What the environment and a configuration file set for a provider: its keys and its limits."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from prompture.errors import MissingKey

if TYPE_CHECKING:
    from prompture.drivers.limits import Limits
    from prompture.types import AnswerCache

caches_of_files: dict[str, AnswerCache] = {}
"""The cache of drivers that are given none, under ``""``."""
limits_of_files: dict[str, Limits] = {}
"""Those of a configuration file, by ``"provider"`` or ``"provider/model"``."""


keys_of_files: dict[str, tuple[str, ...]] = {}
"""By provider, the variables of which each holds one of its keys; out of a configuration file."""


def configured_limits(provider: str, model: str) -> Limits | None:
    """The limits that a file sets for a model, or for all of a provider's."""
    if not limits_of_files:
        return None
    return limits_of_files.get(f"{provider}/{model}") or limits_of_files.get(provider)


def keys_given(
    name: str, key_env: tuple[str, ...], given: str | Sequence[str] | None
) -> Sequence[str | None]:
    """The keys of a provider: those given, else a file's, else those of the first variable that is
    set; (None,) where that is one key, which is looked up later. Raises MissingKey."""
    if isinstance(given, (list, tuple)):
        if not given:
            raise MissingKey(f"{name}: api_key is an empty list")
        return given
    if given is not None:
        return (cast(str, given),)
    if variables := keys_of_files.get(name):
        found = [value for variable in variables if (value := first_set((variable,)))]
        if not found:
            raise MissingKey(f"{name}: no API key; set {' or '.join(variables)}")
        return found
    for variable in key_env:
        if several := first_set((plural(variable),)):
            return [key for key in re.split(r"[,\s]+", several) if key] or (None,)
        if first_set((variable,)):
            break
    return (None,)


def plural(variable: str) -> str:
    """The variable that holds several keys, separated by commas or blanks."""
    return f"{variable}S"


def first_set(names: tuple[str, ...]) -> str | None:
    """The value of the first of these environment variables that is set and not blank."""
    # A blank one counts as unset: shells and .env files leave them so.
    found = (os.environ.get(name) for name in names)
    return next((value for value in found if value and not value.isspace()), None)
