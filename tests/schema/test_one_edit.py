"""One slip of the pen in an answer: read right, or refused; hardly ever read wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import BaseModel

from prompture.schema.repair import NotJSON, parse, search
from tests.schema.slips import ANSWERS, judged, slips, written

RIGHT_AT_LEAST, WRONG_AT_MOST = 0.6, 0.03


def test_slips_are_read_right_or_refused() -> None:
    """Read: 81 % right, 0.6 % wrong, the rest refused (json-repair 0.64: 48 % right, 43 % wrong)."""
    found: Counter[str] = Counter()
    for schema, value, indent in ANSWERS:
        wanted = schema.model_validate(value)
        found.update(judged(schema, text, wanted) for text in slips(written(value, indent)))
    total = sum(found.values())
    assert total > 600
    assert found["wrong"] <= WRONG_AT_MOST * total, found
    assert found["right"] >= RIGHT_AT_LEAST * total, found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"name": "Ada", "city": "Turin, "title": "Dr"}', {"city": "Turin", "title": "Dr"}),
        ('{"name": "Ada"; "city": "Rome"}', {"city": "Rome"}),
        ('{"name": "Ada", "age" 3, "city": "Rome"}', {"age": 3, "city": "Rome"}),
        ('{"name: "Ada", "age": 36}', {"age": 36}),
        ('{"name": "Ada"}, "age": 3}', {"age": 3}),
        ('{""name": "Ada"}', {}),
        ('{"name": "Ada"", "age": 3}', {"age": 3}),
        ('"name": "Ada", "age": 3}', {"age": 3}),
        ('{"name": "Ada", "tags": "x", "y"], "n": 1}', {"tags": ["x", "y"], "n": 1}),
        ('{"name": "Ada", "tags": ["x", "y", "n": 1}', {"tags": ["x", "y"], "n": 1}),
        ('{"name": "Ada", "city": Null}', {"city": None}),
        ('{"name": "Ada", "age": 3}6, "b": "x"}', {"age": 36, "b": "x"}),
        ('{"name": "Ada", "code": """She said "no"""", "n": 2}', {"code": 'She said "no"', "n": 2}),
    ],
)
def test_reads_by_structure(text: str, value: dict[str, Any]) -> None:
    assert parse(text).value == {"name": "Ada", **value}


@pytest.mark.parametrize(
    "text",
    [
        '{"code": "b" "c", "n": 1}',
        '{"parts": {"one": "a""b""c"}, "id": "4"}',
        '{"a": ["x","y" comment],"b": ["z","w"]}',
        '{"title": "The year I li"rating": 4, "slug": "the-year"}',
        '{"age": nul, "name": "Ada"}',
        '{"na"me": "Ada"}',
        '{"a": ["x", "cons" BOGUS"], "b": 1}',
        '{"a": ["he said "x"", "b"]}',
        '{"a": b"x"}',
        "{a: 1 b: 2, c: 3}",
    ],
)
def test_refuses_what_has_no_one_reading(text: str) -> None:
    with pytest.raises(NotJSON):
        parse(text)


def test_several_readings_are_several_candidates() -> None:
    text = '{"a": [["x"], "b": 1}'
    found = search(text)
    assert [one.value for one in found.candidates] == [{"a": ["x"], "b": 1}, {"a": [["x"]], "b": 1}]
    with pytest.raises(NotJSON, match="several ways"):
        parse(text)


class _Tagged(BaseModel):
    tags: list[str] | None = None


def test_a_text_that_is_still_json_is_no_slip() -> None:
    assert all(judged(_Tagged, each, _Tagged()) != "right" for each in slips('{"tags": ["a"]}'))
