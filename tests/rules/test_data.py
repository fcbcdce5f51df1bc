"""The words as data: each list has its source, and is what the code reads."""

import re
from importlib.resources import files

import pytest

from prompture.rules import data
from prompture.rules.concepts import concept_labels, normalise

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


@pytest.mark.parametrize("name", FILES)
def test_no_list_holds_a_word_twice(name: str) -> None:
    for section, values in data.load(name).items():
        for key, text in values.items():
            for group in text if isinstance(text, list) else [text]:
                lines = group.splitlines() if key == "patterns" else data.split(group)
                words = [word for word in lines if word]
                assert len(words) == len(set(words)), f"{section}.{key}"


def test_a_group_may_be_a_list_that_concepts_share() -> None:
    for concept in ("grand_total", "total", "amount_due"):
        assert {"totaal", "итого", "合計"} <= concept_labels(concept).keys()
        assert not any(label.startswith("totals abroad") for label in concept_labels(concept))
