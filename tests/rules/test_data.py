"""The words as data: each list has its source, and is what the code reads."""

import re
from importlib.resources import files

import pytest

from prompture.rules import data
from prompture.rules.concepts import normalise

FILES = sorted(
    path.name.removesuffix(".toml") for path in files(data).iterdir() if path.name.endswith(".toml")
)


@pytest.mark.parametrize("name", FILES)
def test_every_list_names_its_source(name: str) -> None:
    sections = data.load(name)
    sources = sections.get("sources", {})
    for section, values in sections.items():
        if section == "sources":
            continue
        source = str(values["source"])
        assert len(source) > 5, section
        if sources:  # a short name for each
            assert set(source.split(", ")) <= sources.keys(), section


@pytest.mark.parametrize("name", FILES)
def test_every_pattern_compiles_alone(name: str) -> None:
    for section, values in data.load(name).items():
        for line in str(values.get("patterns", "")).splitlines():
            re.compile(line)
            assert line == line.strip(), f"{section}: white space at an end is easily lost"


@pytest.mark.parametrize("name", ["concepts", "labels"])
def test_words_are_in_normal_form_or_come_to_one(name: str) -> None:
    for section, values in data.load(name).items():
        if section == "sources":
            continue
        for key, text in values.items():
            if key not in {"kind", "source"}:
                groups = text if isinstance(text, list) else [text]
                for word in (word for group in groups for word in data.split(group)):
                    assert normalise(word), f"{section}.{key}: {word!r} is nothing"
                    assert word == word.casefold(), f"{section}.{key}: {word!r}"
