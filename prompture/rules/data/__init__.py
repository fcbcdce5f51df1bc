"""The words of the rules as data: TOML files beside this module, each list with its source.

`words` are parted by "|"; `patterns` hold one regular expression a line, the alternatives of one larger one.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import cast

Section = dict[str, str | list[str]]


@cache
def load(name: str) -> dict[str, Section]:
    """The sections of a file by name, in the order of the file. Read once a process; do not change it."""
    text = files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return cast("dict[str, Section]", tomllib.loads(text))


def split(text: str | list[str]) -> tuple[str, ...]:
    """The phrases of a list whose parts a "|" divides."""
    pieces = text.split("|") if isinstance(text, str) else text
    return tuple(phrase for piece in pieces if (phrase := " ".join(piece.split())))


def words(name: str, section: str, key: str = "words") -> tuple[str, ...]:
    """The words of one section of a file."""
    return split(load(name)[section][key])


def by_word(name: str, section: str) -> dict[str, str]:
    """A section whose keys are meanings and whose values are words, turned round: the meaning of each word."""
    meanings = load(name)[section].items()
    return {word: key for key, text in meanings if key != "source" for word in split(text)}


def alternatives(name: str, section: str, key: str = "patterns") -> str:
    """The patterns of one section as one regular expression: "a|b|c", without a group around it."""
    text = load(name)[section][key]
    lines = text.splitlines() if isinstance(text, str) else text
    return "|".join(line for line in lines if line)
