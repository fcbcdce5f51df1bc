"""Answers that are nested deeper than Python's stack: a problem of the answer, never an error of the stack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from prompture import aextract, extract, extract_items, extract_stream
from prompture.errors import Invalid
from prompture.schema.jsonschema_check import JSONSchemaChecker
from prompture.schema.problems import InvalidValue
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import ToolCall


class Node(BaseModel):
    inner: Node | None = None


class Record(TypedDict):
    inner: Any


PLAIN = {"type": "object", "properties": {"inner": {"$ref": "#"}}}
BELOW = (203, 300, 500, 700, 900, 960, 5000)
STRATEGIES = ("prompt", "json_schema", "tool")


def nested(depth: int) -> str:
    return '{"inner":' * (depth - 1) + "{}" + "}" * (depth - 1)


def in_prose(depth: int) -> str:
    return f"Here it is:\n```json\n{nested(depth)}\n```"


def wrapped(depth: int) -> str:
    return f'{{"result": {nested(depth)}}}'


def one_call(depth: int) -> ToolCall:
    return ToolCall(id="1", name="Node", arguments={}, raw_arguments=nested(depth))


def two_calls(depth: int) -> list[ToolCall]:
    return [one_call(depth), one_call(depth)]


@pytest.mark.parametrize("schema", [Node, Record, Any, PLAIN, {"type": "object"}])
@pytest.mark.parametrize("written", [nested, in_prose, wrapped, one_call, two_calls])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_is_refused(schema: Any, written: Callable[[int], Any], strategy: str) -> None:
    for depth in BELOW:
        answer = written(depth)
        with pytest.raises(Invalid, match=r"nested|recursion|unlike") as refused:
            extract(
                schema,
                "x",
                model=ScriptedDriver([answer, answer]),
                strategy=strategy,
                max_retries=1,
            )
        assert len(refused.value.attempts) == 2
        with pytest.raises(Invalid):
            model = ScriptedDriver([answer], chunk_chars=500)
            list(extract_stream(schema, "x", model=model, strategy=strategy, max_retries=0))


def test_awaited_and_by_item() -> None:
    for depth in BELOW:
        with pytest.raises(Invalid):
            model = AsyncScriptedDriver([nested(depth)])
            asyncio.run(aextract(Node, "x", model=model, max_retries=0))
        with pytest.raises(Invalid):
            model_of_items = ScriptedDriver([f"[{nested(depth)}]"])
            list(extract_items(Node, "x", model=model_of_items, max_retries=0))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_less_deep_is_taken(strategy: str) -> None:
    value = extract(Node, "x", model=ScriptedDriver([nested(190)]), strategy=strategy)
    depth = 0
    while value is not None:
        depth, value = depth + 1, value.inner  # type: ignore[assignment]
    assert depth == 190


@pytest.mark.parametrize("word", ["$ref", "anyOf", "allOf"])
def test_a_stack_that_is_nearly_used_up(word: str) -> None:
    """jsonschema's maps are in Rust, and panic where the stack ends in them: no Exception."""
    inner = {"$ref": "#"} if word == "$ref" else {word: [{"$ref": "#"}]}
    checker = JSONSchemaChecker({"type": "object", "properties": {"inner": inner}})
    value: dict[str, Any] = {}
    for _ in range(190):
        value = {"inner": value}

    def at(frames: int) -> None:
        if frames:
            at(frames - 1)
        else:
            checker.validate(value)

    for frames in range(40):
        with pytest.raises(InvalidValue, match="nested too deeply"):
            at(frames)
