"""Asking again for the wrong parts only."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel, Field, model_validator

import prompture
from prompture import Completion, Usage
from prompture.errors import Invalid
from prompture.extraction.patch import patch_for
from prompture.schema.problems import Problem
from prompture.schema.source import source
from prompture.testing import AsyncScriptedDriver, ScriptedDriver


class Row(BaseModel):
    name: str
    qty: int = Field(description="how many")
    note: str | None = None


class Table(BaseModel):
    title: str
    rows: list[Row]

    @model_validator(mode="after")
    def not_empty(self) -> Table:
        if self.title == "empty":
            raise ValueError("the title may not be 'empty'")
        return self


def _table(**changes: Any) -> dict[str, Any]:
    rows = [{"name": f"thing number {i} of the list", "qty": i, "note": None} for i in range(20)]
    return {"title": "Things", "rows": rows, **changes}


def _bad() -> dict[str, Any]:
    table = _table()
    table["rows"][3]["qty"] = "three"
    del table["rows"][5]["name"]
    return table


def _whole(value: Any, tokens: int = 400) -> Completion:
    usage = Usage(input_tokens=100, output_tokens=tokens, requests=1, reported=True)
    return Completion(text=json.dumps(value), usage=usage)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("strategy", ["json_schema", "json_object", "prompt"])
def test_only_the_failing_parts_are_asked_for(asynchronous: bool, strategy: str) -> None:
    fix = _whole({"rows_3_qty": 3, "rows_5_name": "five"}, 20)
    answers = [_whole(_bad()), fix]
    if asynchronous:
        driver: Any = AsyncScriptedDriver(answers)
        call = prompture.aextract_result(Table, "things", model=driver, strategy=strategy)
        result = asyncio.run(call)
    else:
        driver = ScriptedDriver(answers)
        result = prompture.extract_result(Table, "things", model=driver, strategy=strategy)
    assert result.value.rows[3].qty == 3
    assert result.value.rows[5].name == "five"
    assert result.value.rows[19].name.startswith("thing number 19")
    assert result.output_tokens_saved == 380
    assert result.attempts[1].asked_for == ("rows_3_qty", "rows_5_name")
    asked = driver.requests[1]
    shown = json.dumps(asked.schema) if asked.schema else asked.messages[-1].text
    assert "rows_3_qty" in shown
    assert "how many" in shown
    assert "rows_4" not in shown


def test_tools_are_asked_for_parts_too() -> None:
    driver = ScriptedDriver([_bad(), {"rows_3_qty": 3, "rows_5_name": "five"}])
    result = prompture.extract_result(Table, "things", model=driver, strategy="tool")
    assert result.value.rows[3].qty == 3
    assert driver.requests[1].tools[0].name == "Corrections"


def test_parts_that_are_wrong_again_are_asked_for_again() -> None:
    answers = [_bad(), {"rows_3_qty": "x", "rows_5_name": "five"}, _table()]
    result = prompture.extract_result(Table, "things", model=ScriptedDriver(answers))
    assert len(result.attempts) == 3
    assert result.value.rows[3].qty == 3


def test_a_problem_of_the_whole_asks_for_the_whole() -> None:
    driver = ScriptedDriver([_table(title="empty"), _table()])
    result = prompture.extract_result(Table, "things", model=driver)
    assert result.value.title == "Things"
    assert result.attempts[1].asked_for == ()
    assert driver.requests[1].schema == driver.requests[0].schema


def test_a_whole_that_fails_after_its_parts_is_asked_for_whole() -> None:
    bad = _bad() | {"title": "x"}
    bad["title"] = 5
    answers = [bad, {"title": "empty", "rows_3_qty": 3, "rows_5_name": "five"}, _table()]
    driver = ScriptedDriver(answers)
    result = prompture.extract_result(Table, "things", model=driver)
    assert driver.requests[2].schema == driver.requests[0].schema
    assert result.value.title == "Things"


def test_what_stays_wrong_is_said_with_the_paths_of_the_whole() -> None:
    answers = [_bad(), {"rows_3_qty": "x", "rows_5_name": "five"}]
    with pytest.raises(Invalid):
        prompture.extract(Table, "things", model=ScriptedDriver(answers), max_retries=1)


WHOLE = source(Table).json_schema
REFUSED: list[tuple[list[Problem], Any, int]] = [
    ([Problem("", "whole")], _table(), 5000),
    ([Problem("/title", "short")], _table(), 10),
    ([Problem("/nothing/here", "unknown")], _table(), 5000),
    ([Problem("/title", "x")], "text", 5000),
    ([Problem(f"/rows/{i}/qty", "x") for i in range(15)], _table(), 5000),
]


@pytest.mark.parametrize(("problems", "plain", "chars"), REFUSED)
def test_when_the_whole_is_asked_for(problems: list[Problem], plain: Any, chars: int) -> None:
    assert patch_for(problems, plain, WHOLE, chars=chars) is None


def test_what_lies_inside_another_part_is_asked_for_once() -> None:
    problems = [Problem("/rows/3", "x"), Problem("/rows/3/qty", "x")]
    made = patch_for(problems, _table(), WHOLE, chars=5000)
    assert made is not None
    assert list(made.paths.values()) == [("rows", 3)]


def test_a_missing_object_is_made_on_the_way() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}},
    }
    plain = {"x": list(range(40))}
    made = patch_for([Problem("/a/b", "missing")], plain, schema, chars=5000)
    assert made is not None
    assert made.merged({"a_b": 1}) == {**plain, "a": {"b": 1}}
    assert "a" not in plain
