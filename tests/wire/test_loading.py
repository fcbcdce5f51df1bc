"""The one loader of foreign JSON: what json.loads reads is read alike, within bounds."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.json_values import DEPTH_LIMIT
from prompture.wire.loading import DIGIT_LIMIT, UnreadableJSON, load_json, with_digits

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_values, st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_it_reads_what_json_writes(value: object, ascii_only: bool, encoding: str) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert load_json(text) == value
    assert load_json("\ufeff" + text) == value
    assert load_json(text.encode(encoding)) == value
    assert load_json(text, unique=True, halves=True) == value


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        '{"a": 1} x',
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 3000 + "1" + "}" * 3000,
        "[" * (DEPTH_LIMIT + 1) + "]" * (DEPTH_LIMIT + 1),
        "NaN",
        '{"a": Infinity}',
        "[-Infinity]",
        "1e999",
        "[-1e999]",
        "1" + "0" * DIGIT_LIMIT,
        "[" + "9" * 5000 + "]",
        "9" * 400 + ".0",
        b'"\xff"',
        b'{"a": "\xc3"}',
        b"\xff\xfe{",
        b"\x00\x01",
    ],
)
def test_what_cannot_be_read_is_one_kind_of_error(data: str | bytes) -> None:
    with pytest.raises(UnreadableJSON) as caught:
        load_json(data)
    assert len(str(caught.value)) < 100


def test_the_bounds_are_inclusive() -> None:
    deep = "[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT
    assert json.dumps(load_json(deep), separators=(",", ":")) == deep
    assert load_json('{"a": "' + "[" * 5000 + '"}')["a"] == "[" * 5000
    assert load_json("9" * DIGIT_LIMIT) == int("9" * DIGIT_LIMIT)


def test_numbers_may_be_read_in_another_way() -> None:
    assert load_json("[0.1, 1e2, 3]", number=Decimal) == [Decimal("0.1"), Decimal("1e2"), 3]
    with pytest.raises(UnreadableJSON):
        load_json("1e99999999999999999999", number=Decimal)


def test_halves_of_pairs_become_the_sign_for_the_unreadable() -> None:
    text = r'{"a\ud83d": ["\udE00x", "\ud83d\ude00"]}'
    assert load_json(text) == {"a\ufffd": ["\ufffdx", "\U0001f600"]}
    assert load_json('"\ud83d"') == "\ufffd"
    assert load_json(r'"\ud83d"', halves=True) == "\ud83d"
    assert load_json(r'"\\ud83d"') == r"\ud83d"


def test_keys_that_come_twice() -> None:
    assert load_json('{"a": 1, "a": 2}') == {"a": 2}
    assert load_json('{"a": 1, "a": 1}', unique=True) == {"a": 1}
    for text in ('{"a": 1, "a": 2}', '{"a": 1, "a": true}', '[{"b": {"a": [], "a": {}}}]'):
        with pytest.raises(UnreadableJSON, match="twice"):
            load_json(text, unique=True)


def test_a_long_number_keeps_its_digits() -> None:
    text = '{"a": [0.1234567890123456789, 1.5, {"b": 1.000000000000000001}], "c": "0.12345678901234567890"}'
    value = load_json(text)
    assert with_digits(value) == text
    # In every other way it is a float.
    assert value == json.loads(text) and json.dumps(value) == json.dumps(json.loads(text))
    assert (
        with_digits(pickle.loads(pickle.dumps(value))) == with_digits(copy.deepcopy(value)) == text
    )
    assert with_digits({"mark": "\ue000", **value}).startswith('{"mark": "\ue000", "a": [0.12')


@given(_values)
def test_with_digits_writes_what_can_be_read(value: object) -> None:
    assert load_json(with_digits(load_json(json.dumps(value)))) == value
