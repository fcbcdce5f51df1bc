"""CallAssembler that are put together out of fragments, in every way that servers cut them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.codecs.tool_calls import CallAssembler, distinct
from prompture.errors import ProtocolError
from prompture.types import Delta, ToolCall

Fragment = dict[str, Any]
NAMES = st.sampled_from(["get_weather", "look.up", "clock", "a"])
ARGUMENTS = st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers(), max_size=3)
WANTED = st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=4)


def fold(fragments: list[Fragment]) -> tuple[list[Delta], CallAssembler]:
    calls, deltas = CallAssembler(), list[Delta]()
    for fragment in fragments:
        calls.add(deltas, **{"place": None, **fragment})
    calls.flush(deltas, final=True)
    return deltas, calls


def check(fragments: list[Fragment], wanted: list[tuple[str, Any]], ids: list[str]) -> None:
    deltas, calls = fold(fragments)
    calls.check()
    found = calls.so_far()
    assert [(c.name, c.arguments) for c in found] == wanted, fragments
    assert [c.id for c in found] == ids, fragments
    for index, call in enumerate(found):
        mine = [d for d in deltas if d.tool_index == index]
        assert (mine[0].tool_id, mine[0].tool_name) == (call.id, call.name)
        assert [d.tool_name for d in mine[1:]] == [""] * (len(mine) - 1)
        assert "".join(d.tool_arguments for d in mine) == call.raw_arguments


PLACES = ("counted", "from one", "missing", "all 0", "moves")
ID_WAYS = ("first", "each", "anew", "none", "same")
NAME_WAYS = ("first", "each", "pieces", "late")
FORMS = ("pieces", "whole", "object")


@given(
    WANTED,
    st.sampled_from(PLACES),
    st.sampled_from(ID_WAYS),
    st.sampled_from(NAME_WAYS),
    st.sampled_from(FORMS),
    st.data(),
)
def test_any_way_of_cutting(
    wanted: list[tuple[str, Any]], places: str, ids: str, names: str, form: str, data: st.DataObject
) -> None:
    # Without an id a call's place must tell it from the next; one id for all needs places too.
    if ids in ("none", "same", "anew") and places in ("moves", "all 0"):
        return
    if ids in ("anew", "none", "same") and (places == "missing" or names != "first"):
        names, form = "first", "whole"
    if names in ("late", "pieces") and places == "moves":
        return
    fragments: list[Fragment] = []
    for n, (name, arguments) in enumerate(wanted):
        text = json.dumps(arguments)
        if form == "pieces":
            at = data.draw(st.integers(1, len(text) - 1))
            pieces: list[Any] = [text[:at], text[at:]]
        else:
            pieces = [arguments if form == "object" else text]
        if names == "pieces" and len(name) > 2:
            made: list[Fragment] = [
                {"name": name[:2], "arguments": ""},
                {"name": name[2:], "arguments": pieces[0]},
                *({"arguments": piece} for piece in pieces[1:]),
            ]
        elif names == "late" and len(pieces) > 1:
            made = [{"arguments": pieces[0]}, {"name": name, "arguments": pieces[1]}]
        else:
            made = [
                {"name": name if k == 0 or names == "each" else None, "arguments": piece}
                for k, piece in enumerate(pieces)
            ]
        for k, fragment in enumerate(made):
            last = k == len(made) - 1 and k > 0
            place: dict[str, Any] = {
                "counted": n,
                "from one": n + 1,
                "missing": None,
                "all 0": 0,
                "moves": 0 if not last else n,
            }
            said = {
                "first": f"c{n}" if k == 0 else None,
                "each": f"c{n}",
                "none": None,
                "anew": f"c{n}" if k == 0 else f"new{n}{k}",
                "same": "c",
            }
            fragments.append({**fragment, "place": place[places], "id": said[ids]})
    kept = {"none": "call_{}", "same": "c_{}"}.get(ids, "c{}")
    expected = [kept.format(n) for n in range(len(wanted))]
    if ids == "same":
        expected[0] = "c"
    check(fragments, wanted, expected)


F = "get_weather"


@pytest.mark.parametrize(
    ("fragments", "wanted"),
    [
        # The second call's head under the first one's index, its tail under an index of its own.
        (
            [
                {"place": 0, "id": "a", "name": F, "arguments": '{"x"'},
                {"place": 0, "arguments": ": 1}"},
                {"place": 0, "id": "b", "name": F, "arguments": '{"x"'},
                {"place": 1, "arguments": ": 2}"},
            ],
            [(F, {"x": 1}), (F, {"x": 2})],
        ),
        # The whole name twice before the arguments, and once more behind them.
        (
            [
                {"place": 0, "id": "a", "name": F},
                {"place": 0, "id": "a", "name": F, "arguments": '{"x": 1}'},
                {"place": 0, "id": "a", "name": F, "arguments": ""},
            ],
            [(F, {"x": 1})],
        ),
        # What began is said again as a whole.
        ([{"place": 0, "name": "get"}, {"place": 0, "name": F, "arguments": "{}"}], [(F, {})]),
        # Empty fragments open nothing.
        (
            [
                {"place": 0, "id": "a", "name": F, "arguments": "{}"},
                {"place": 1, "arguments": ""},
                {"place": None, "arguments": None},
            ],
            [(F, {})],
        ),
        # A call without arguments, then another.
        (
            [
                {"place": 0, "id": "a", "name": "clock", "arguments": ""},
                {"place": 1, "id": "b", "name": F, "arguments": '{"x": 1}'},
            ],
            [("clock", {}), (F, {"x": 1})],
        ),
        ([{"id": "a", "name": "clock"}, {"id": "b", "name": "clock"}], [("clock", {})] * 2),
        # The object itself, and once more.
        (
            [
                {"place": 0, "id": "a", "name": F, "arguments": {"x": 1}},
                {"place": 0, "arguments": {"x": 1}},
            ],
            [(F, {"x": 1})],
        ),
        # The whole arguments once more, in the end (vLLM's xlam parser).
        (
            [
                {"place": 0, "id": "a", "name": F, "arguments": '{"x":'},
                {"place": 0, "arguments": " 1}"},
                {"place": 0, "arguments": '{"x": 1}'},
                {"place": 0, "arguments": '{"x":1}'},
            ],
            [(F, {"x": 1})],
        ),
        # The head under one index, all arguments under another (LibreChat with Bedrock).
        (
            [
                {"place": 0, "id": "a", "name": F},
                {"place": 1, "arguments": '{"x":'},
                {"place": 1, "arguments": " 1}"},
            ],
            [(F, {"x": 1})],
        ),
        # Two calls in turns.
        (
            [
                {"place": 0, "id": "a", "name": F, "arguments": ""},
                {"place": 1, "id": "b", "name": F, "arguments": ""},
                {"place": 0, "arguments": '{"x":'},
                {"place": 1, "arguments": '{"x":'},
                {"place": 0, "arguments": "1}"},
                {"place": 1, "arguments": "2}"},
            ],
            [(F, {"x": 1}), (F, {"x": 2})],
        ),
    ],
)
def test_seen_in_the_field(fragments: list[Fragment], wanted: list[Any]) -> None:
    _, calls = fold(fragments)
    calls.check()
    assert [(c.name, c.arguments) for c in calls.so_far()] == wanted


def test_a_call_without_a_name_is_none() -> None:
    _, calls = fold([{"place": 0, "id": "a", "arguments": '{"x": 1}'}])
    assert calls.so_far() == ()
    with pytest.raises(ProtocolError, match="name"):
        calls.check()
    _, calls = fold([{"place": 0, "id": "a"}])
    with pytest.raises(ProtocolError, match="name"):
        calls.check()


def test_free_text_is_the_field_input() -> None:
    fragments = [
        {"place": 0, "id": "a", "name": "code", "arguments": "print(", "free": True},
        {"place": 0, "arguments": '"{}")', "free": True},
    ]
    check(fragments, [("code", {"input": 'print("{}")'})], ["a"])
    assert fold(fragments)[1].free() == ["a"]


def test_ids_of_a_whole_answer_are_told_apart() -> None:
    call = ToolCall(id="a", name="f", arguments={})
    assert [c.id for c in distinct([call, call])] == ["a", "a_1"]
    with pytest.raises(ProtocolError):
        distinct([ToolCall(id="a", name="", arguments={})])


A = {"place": 0, "id": "a", "name": "f"}


@pytest.mark.parametrize(
    ("fragments", "wanted"),
    [
        # Gateways before Anthropic: its empty input, then the real one.
        ([{**A, "arguments": "{}"}, {"place": 0, "arguments": '{"x": 1}'}], [("f", {"x": 1})]),
        ([{**A, "arguments": {}}, {**A, "arguments": '{"x": 1}'}], [("f", {"x": 1})]),
        ([{**A, "arguments": {}}, {"place": 0, "arguments": ""}], [("f", {})]),
        # The whole call once more in the end, under its own id and index.
        ([{**A, "arguments": '{"x": 1}'}, {**A, "arguments": '{"x":1}'}], [("f", {"x": 1})]),
        # Another id is another call.
        (
            [{**A, "arguments": '{"x": 1}'}, {**A, "id": "b", "arguments": '{"x": 1}'}],
            [("f", {"x": 1}), ("f", {"x": 1})],
        ),
        # Indexes as text or as a number with a point.
        (
            [
                {**A, "place": "0"},
                {"place": "1", "id": "b", "name": "g"},
                {"place": "0", "arguments": '{"x": 1}'},
                {"place": "1", "arguments": '{"y": 2}'},
            ],
            [("f", {"x": 1}), ("g", {"y": 2})],
        ),
        (
            [
                {**A, "place": 0.0},
                {"place": 1.0, "id": "b", "name": "g"},
                {"place": 0.0, "arguments": '{"x": 1}'},
                {"place": 1.0, "arguments": '{"y": 2}'},
            ],
            [("f", {"x": 1}), ("g", {"y": 2})],
        ),
    ],
)
def test_empty_objects_repetitions_and_odd_indexes(
    fragments: list[Fragment], wanted: list[tuple[str, Any]]
) -> None:
    check(fragments, wanted, ["a", "b"][: len(wanted)])


def test_a_name_again_under_an_index_that_moved() -> None:
    fragments: list[Fragment] = []
    for n, id in enumerate("ab"):
        fragments.append({"place": 0, "id": id, "name": "now", "arguments": "{"})
        fragments.append({"place": n, "name": "now", "arguments": "}"})
    check(fragments, [("now", {}), ("now", {})], ["a", "b"])
