"""Repair: valid JSON is never touched, prose never becomes a value, and the time is bounded."""

from __future__ import annotations

import json
import pickle
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from prompture.schema.repair import NotJSON, parse, read_exactly

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
KEYS = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.text(min_size=1, alphabet="abcxyz_ é"), VALUES, min_size=1, max_size=4)
# Words that cannot themselves hold a bracket, a quote or a fence.
PROSE = st.text("abc xyzÄ.,!?'-()\n0123456789:", max_size=60)


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
@RELAXED
def test_valid_json_is_never_touched(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    parsed = parse(text)
    assert parsed.text == text
    assert parsed.repairs == ()
    assert parsed.value == json.loads(text)


@given(RECORDS, PROSE, PROSE, st.booleans())
@RELAXED
def test_a_record_in_prose_or_a_fence_is_found(
    value: Any, before: str, after: str, fenced: bool
) -> None:
    assume("':" not in after)  # a key behind the record says that it was not whole
    text = json.dumps(value, ensure_ascii=False)
    wrapped = f"```json\n{text}\n```" if fenced else text
    parsed = parse(f"{before}\n{wrapped}\n{after}")
    assert parsed.value == value
    assert parsed.text.strip() == text


@given(RECORDS)
@RELAXED
def test_python_reprs_are_read(value: Any) -> None:
    assert parse(repr(value)).value == value


@given(st.lists(VALUES, max_size=4) | RECORDS)
@RELAXED
def test_trailing_commas_and_comments_are_dropped(value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    end = text[-1]
    sloppy = f"{text[:-1].rstrip()}{',' if value else ''} // done, isn't it?\n/* {{ */ {end}"
    assert parse(sloppy).value == value


@given(PROSE)
@RELAXED
def test_prose_is_never_a_value(text: str) -> None:
    try:
        value = parse(text).value
    except NotJSON:
        return
    if text.strip()[0] != "'":  # a number, and what is between quotes, is a value
        assert value == json.loads(text)


@given(RECORDS, st.data())
@RELAXED
def test_every_cut_is_seen(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    with pytest.raises(NotJSON) as caught:
        parse(cut)
    if len(cut) > 2:  # `{` and a quote: the beginning of anything
        assert caught.value.truncated
        closed = parse(cut, allow_truncated=True)
        assert closed.truncated
        assert isinstance(closed.value, dict)
        assert list(closed.value) == list(value)[: len(closed.value)]
        for key in list(closed.value)[:-1]:
            assert closed.value[key] == value[key]


@pytest.mark.parametrize(
    "cut", ['{"a": "0", "\\""', '{"a": "0", "x\\"y', '{"a": "0", "x\\"', '{"a": "0", "it\'s']
)
def test_a_key_with_quotes_in_it_is_cut(cut: str) -> None:
    with pytest.raises(NotJSON) as caught:
        parse(cut)
    assert caught.value.truncated
    assert parse(cut, allow_truncated=True).value == {"a": "0"}


@given(st.text(st.characters(codec="utf-8"), max_size=200))
@RELAXED
def test_any_text_gives_a_value_or_not_json(text: str) -> None:
    try:
        parsed = parse(text, allow_truncated=True)
    except NotJSON:
        return
    assert json.loads(parsed.text) == parsed.value


@given(st.text("{}[]\"',:\\ \n`ab1-.#/*tN", max_size=80))
@RELAXED
def test_almost_json_gives_a_value_or_not_json(text: str) -> None:
    try:
        parsed = parse(text, allow_truncated=True)
    except NotJSON:
        return
    assert json.dumps(json.loads(parsed.text)) == json.dumps(parsed.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("```\n42\n```", 42),
        ("'abc'", "abc"),
        ("None", None),
        ("\ufeff{}", {}),
        ('Sure! {"a": 1} ok?', {"a": 1}),
        ('<think>{"x": 1} hm</think>\n{"a": 1}', {"a": 1}),
        ('hm</think>{"a": 1}', {"a": 1}),
        ('{"a": "</think>"}', {"a": "</think>"}),
        ('x = {"a": 1}', {"a": 1}),
        ('First {"a":1}. Corrected: {"a":2}', {"a": 2}),
        ('```json\n{"a":1}\n```\nor\n```json\n{"a":2}\n```', {"a": 2}),
        (
            '{"long": "enough to be the answer"} as [{"n": 1}] says',
            {"long": "enough to be the answer"},
        ),
        ('{"draft": "longer than the fenced"}\n```json\n{"a":1}\n```', {"a": 1}),
        ('```json\n{"a": "``` x"}\n```', {"a": "``` x"}),
        ("Answer: [1, 2]", [1, 2]),
        ('[note] {"a": 1}', {"a": 1}),
        ('{"a": 1, "b": $5, "c": {"d": 2}}\n\nOr rather:\n{"a": 1}', {"a": 1}),
        ("[\n1,2\n]\nthanks", [1, 2]),
        ("{'a': 'it\\'s', 'b': None, 'c': True}", {"a": "it's", "b": None, "c": True}),
        ("{'a': 'it's'}", {"a": "it's"}),
        ('{"a": "x\ny\tz"}', {"a": "x\ny\tz"}),
        ('{"a": "C:\\dir \\u00e9"}', {"a": "C:\\dir é"}),
        ('{"a": "he said "hi" to me", "b": 1}', {"a": 'he said "hi" to me', "b": 1}),
        ('{"a": """x "y" z"""}', {"a": 'x "y" z'}),
        ("{“a”: “b”}", {"a": "b"}),
        ("{a: 1, b: hello world}", {"a": 1, "b": "hello world"}),
        (
            '{"a": 12.50 EUR, "b": 50%, "c": 2024-01-01}',
            {"a": "12.50 EUR", "b": "50%", "c": "2024-01-01"},
        ),
        ('{"a": 007, "b": .5, "c": +3, "d": 5.}', {"a": "007", "b": 0.5, "c": 3, "d": 5}),
        ('{"a": 1\n "b": 2}', {"a": 1, "b": 2}),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
        ('{"a": 1,, "b": 2}', {"a": 1, "b": 2}),
        ('{"a": [1, 2, "b": 3}', {"a": [1, 2], "b": 3}),
        ('{"a": NaN, "b": 1}', {"a": None, "b": 1}),
        ('{"a": 1, "a": 1}', {"a": 1}),
        ('{"a" 1}', {"a": 1}),
        ('{"a": 1}}', {"a": 1}),
    ],
)
def test_reads(text: str, value: Any) -> None:
    parsed = parse(text)
    assert parsed.value == value
    assert json.loads(parsed.text) == value


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ('{"a": 1, "a": 1}', "a key that came twice with one value"),
        ('{"a": NaN}', "NaN became null"),
        ('{"a": 1,}', "trailing commas"),
        ('```\n{"a": 1}\n```', "a code fence around it"),
        ('So: {"a": 1}', "text around it"),
        ('<think>x</think>{"a": 1}', "reasoning before the answer"),
        ('{"a": 1 "b": 2}', "missing commas"),
        ('{"a": 1; "b": 2}', "one slip of the pen"),
    ],
)
def test_says_what_it_mended(text: str, repair: str) -> None:
    assert repair in parse(text).repairs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing here",
        "42 is the answer",
        "As in [1], nothing.",
        "The numbers are [1, 2].",
        "hello {world}, {name: string} is a form; use {} here",
        "body { color: red }",
        '{"total": 1,234.50}',  # one number to its writer
        '{"total": 1,234.50, "b": 2}',
        '{"a": $5}',
        '{"a": ...}',
        '{"a": <number>}',
        '{"a":}',
        "[1,,2]",
        '{"a": 1, "a": 2}',
        "{'a': 1, 'a': true}",
        '{"a": Infinity}',
        '{"a": [1e999]}',
        '{"a": 1 "b [1, 2], "c": 3',  # broken and cut
        '{"a": $5, "b": {"c": 2}}',  # a part of a broken value is not the answer
    ],
)
def test_refuses_to_guess(text: str) -> None:
    with pytest.raises(NotJSON) as caught:
        parse(text)
    assert not caught.value.truncated


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ('{"a": [1, 2', {"a": [1]}),  # the 2 may be a 25
        ('{"a": 1 "b": [1, 2], "c": 3', {"a": 1, "b": [1, 2]}),
        ('{"a": "cut', {"a": "cut"}),
        ('{"a": "cut\\u00', {"a": "cut"}),
        ('{"a": tr', {}),
        ('{"a": {"b": "x", "c', {"a": {"b": "x"}}),
        ('{"a": {"b": "x", "c":', {"a": {"b": "x"}}),
        ('```json\n{"a": 1, "b": [1,', {"a": 1, "b": [1]}),
        (
            'Example: {"a": 1}\nAnswer: {"items": [{"a": "x"}, {"a": "y"',
            {"items": [{"a": "x"}, {"a": "y"}]},
        ),
    ],
)
def test_a_cut_tail_is_an_error_of_its_own(text: str, closed: Any) -> None:
    with pytest.raises(NotJSON) as caught:
        parse(text)
    assert caught.value.truncated
    parsed = parse(text, allow_truncated=True)
    assert parsed.truncated
    assert parsed.value == closed


def test_reasoning_that_never_ends_is_cut() -> None:
    with pytest.raises(NotJSON) as caught:
        parse('<think>{"a": 1}', allow_truncated=True)
    assert caught.value.truncated


def test_every_digit_is_kept() -> None:
    digits = "12345678901234567890.123456789"
    assert parse(f"{{'a': {digits}, 'b': 1.10}}").text == f'{{"a":{digits},"b":1.10}}'
    assert read_exactly(f'{{"a": {digits}, "b": 1.10}}') == {"a": Decimal(digits), "b": 1.1}


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(NotJSON("why", truncated=True)))
    assert (error.reason, error.truncated, str(error)) == ("why", True, "why")


@pytest.mark.parametrize(
    "unit",
    [
        '{"a":',
        "[",
        '{"a": "x" ',
        '"x" ',
        "{'a' ",
        "[1,",
        "[ /* ",
        '[{"a":1} x ',
        "[1] x ",
        "```\n[1,\n```\n",
        "{'a': 'b",
        "{a: b, ",
        '{"a": "\\',
        "{        ",
        "{#",
        '{"a": "b" c"',
        "</think>{",
        "<think>",
    ],
)
@pytest.mark.parametrize("frame", ["{}", '{{"x": [{}]}}!'])
def test_hostile_text_ends_in_bounded_time(unit: str, frame: str) -> None:
    text = frame.format(unit * (200_000 // len(unit)))
    started = time.process_time()
    try:
        parse(text)
    except NotJSON as error:
        assert len(error.reason) < 120
    assert time.process_time() - started < 5  # 0.1 s alone on the machine it was written on


def test_an_object_without_its_head_that_is_nested_without_end() -> None:
    for answer in ('"a": ' + "[" * 100_000 + "]" * 100_000 + "}", '"a": ' + "[" * 100_000):
        with pytest.raises(NotJSON):
            parse(answer)
