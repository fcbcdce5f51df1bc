"""The relaxed form of a schema takes whatever a part of a valid value holds."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from prompture.extraction.long_text import relaxed
from prompture.schema.source import source


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Line(BaseModel):
    sku: str
    count: int | None
    parts: list[Line] = []


class Order(BaseModel):
    number: str = Field(description="The order's number", pattern="^[A-Z]")
    pet: Cat | Dog = Field(discriminator="kind")
    lines: list[Line] = Field(min_length=2, max_length=9)
    pair: tuple[int, str]
    tags: set[str]


SCHEMA = relaxed(source(Order).json_schema)
CHECK = Draft202012Validator(SCHEMA)


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"number": None, "pet": None, "lines": None, "pair": None, "tags": None},
        {"number": "A", "lines": []},
        {"lines": [{"sku": "a"}, {"parts": [{}]}, {"sku": None}]},
        {"pet": {"kind": "cat"}},
        {"pet": {"kind": "dog", "name": None}},
    ],
)
def test_parts_are_valid(part: Any) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    CHECK.validate(part)


@pytest.mark.parametrize(
    "wrong",
    [{"number": 1}, {"number": "a"}, {"lines": [{"sku": 3}]}, {"pet": {"kind": "cow"}}, []],
)
def test_what_is_wrong_stays_wrong(wrong: Any) -> None:
    assert not CHECK.is_valid(wrong)


def test_what_is_written_about_a_property_stays_beside_it() -> None:
    assert SCHEMA["properties"]["number"]["description"] == "The order's number"


def test_a_single_value_may_be_missing() -> None:
    assert Draft202012Validator(relaxed(source(int).json_schema)).is_valid(None)
    assert Draft202012Validator(relaxed(source(list[int]).json_schema)).is_valid([])
    assert not Draft202012Validator(relaxed(source(list[int]).json_schema)).is_valid(None)


def test_the_schema_is_left_as_it_is() -> None:
    assert "required" in source(Order).json_schema
