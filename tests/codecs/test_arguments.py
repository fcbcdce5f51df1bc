"""Arguments of tool calls: one object, an understood nothing, or a problem."""

from __future__ import annotations

from typing import Any

import pytest

from prompture.codecs.values import arguments_text, tool_call


@pytest.mark.parametrize(
    ("wire", "arguments"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ("", {}),
        ("  ", {}),
        (None, {}),
        ("null", {}),
        ("{}", {}),
        ('{"a": 1, "a": 1}', {"a": 1}),
    ],
)
def test_arguments_with_one_reading(wire: Any, arguments: dict[str, Any]) -> None:
    call = tool_call(id="c", name="f", arguments=wire)
    assert (call.arguments, call.problem) == (arguments, None)
    assert tool_call(id="c", name="f", arguments=arguments_text(call)).arguments == arguments


@pytest.mark.parametrize(
    "wire",
    [
        "[1]",
        "1",
        '"words"',
        '"{\\"a\\": "',
        "{",
        "[" * 3000,
        '{"a":' * 3000 + "1" + "}" * 3000,
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1, "a": 2}',
        [1],
    ],
)
def test_arguments_without_one_are_a_problem(wire: Any) -> None:
    call = tool_call(id="c", name="f", arguments=wire)
    assert call.arguments is None
    assert call.problem
    assert arguments_text(call) == "{}"
