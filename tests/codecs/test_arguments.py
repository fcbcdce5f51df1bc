"""Arguments of tool calls: one object, an understood nothing, or a problem."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from prompture import driver_for, extract
from prompture.codecs.values import arguments_text, tool_call
from tests.loopback import Reply, serving


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


DIGITS = "0.1234567890123456789"
OBJECTS = {
    "claude": '{"type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "content":'
    ' [{"type": "tool_use", "id": "t", "name": "Price", "input": {"usd": %s}}],'
    ' "usage": {"input_tokens": 1, "output_tokens": 1}}',
    "google": '{"candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts":'
    ' [{"functionCall": {"name": "Price", "args": {"usd": %s}}}]}}]}',
    "ollama": '{"model": "m", "done": true, "done_reason": "stop", "message": {"role": "assistant",'
    ' "content": "", "tool_calls": [{"function": {"name": "Price", "arguments": {"usd": %s}}}]}}',
    "openai-compatible": '{"choices": [{"finish_reason": "tool_calls", "message": {"tool_calls":'
    ' [{"id": "t", "function": {"name": "Price", "arguments": {"usd": %s}}}]}}]}',
}


class Price(BaseModel):
    usd: Decimal


@pytest.mark.parametrize("provider", OBJECTS)
def test_arguments_that_come_as_an_object_keep_every_digit(provider: str) -> None:
    body = (OBJECTS[provider] % DIGITS).encode()
    with (
        serving([Reply(body=body, headers={"content-type": "application/json"})]) as server,
        driver_for(f"{provider}/m", api_key="k" * 20, base_url=server.url) as driver,
    ):
        found = extract(Price, "a price", model=driver, strategy="tool", max_retries=0)
    assert found.usd == Decimal(DIGITS)
