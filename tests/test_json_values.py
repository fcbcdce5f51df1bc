"""Equality of JSON values, and the rule of a key that comes twice, which two readers share."""

from __future__ import annotations

from typing import Any

import pytest

from prompture.json_values import same
from prompture.schema.repair import NotJSON, parse
from prompture.wire.loading import UnreadableJSON, load_json

PAIRS: list[tuple[Any, Any, bool]] = [
    (1, 1.0, True),
    (1, True, False),
    (0, False, False),
    ([1], [1, 2], False),
    ({"a": 1, "b": [None]}, {"b": [None], "a": 1}, True),
    ({"a": 1}, {"a": 1, "b": None}, False),
    ("1", 1, False),
]


@pytest.mark.parametrize(("one", "other", "equal"), PAIRS)
def test_equal_as_json(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal and same(other, one) is equal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "a": 1.0}', {"a": 1.0}),
        ('{"a": {"x": 1, "y": 2}, "a": {"y": 2, "x": 1}}', {"a": {"y": 2, "x": 1}}),
        ('{"a": 1, "a": true}', None),
        ('{"a": 1, "a": 2, "a": 1}', None),
    ],
)
def test_a_key_that_comes_twice(text: str, value: Any) -> None:
    if value is not None:
        assert parse(text).value == value == load_json(text, unique=True)
        return
    with pytest.raises(NotJSON, match="twice, with unlike values"):
        parse(text)
    with pytest.raises(UnreadableJSON, match="twice, with unlike values"):
        load_json(text, unique=True)
