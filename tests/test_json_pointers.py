"""JSON pointers: written, read, followed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.json_values import pointer, referenced, segments_of, value_at

ROOT: dict[str, Any] = {
    "a/b": {"m~n": [1, {"": 2}]},
    "a b": 3,
    "0": "a key",
    "none": None,
}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", ROOT),
        ("/a~1b/m~0n/0", 1),
        ("/a~1b/m~0n/1/", 2),
        ("/a~1b/m~0n/2", "absent"),
        ("/a~1b/m~0n/-", "absent"),
        ("/a~1b/m~0n/²", "absent"),
        ("/0", "a key"),
        ("/none", None),
        ("/none/x", "absent"),
    ],
)
def test_a_pointer_names_a_value(where: str, found: Any) -> None:
    assert value_at(ROOT, segments_of(where), "absent") == found


@given(st.lists(st.text()))
def test_a_path_written_and_read_is_the_same(path: list[str]) -> None:
    assert segments_of(pointer(path)) == tuple(path)


def test_a_reference_is_percent_encoded_and_names_no_anchor() -> None:
    assert referenced(ROOT, "#/a%20b") == 3
    assert referenced(ROOT, "#") is ROOT
    assert referenced(ROOT, "#anchor", "absent") == "absent"
    assert referenced(ROOT, "other.json#/a", "absent") == "absent"
