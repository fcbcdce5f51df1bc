"""Long answers: the same values and errors, and no thread held up."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from prompture.compat import schema_validator
from prompture.schema import pydantic_check
from prompture.schema.problems import InvalidValue
from prompture.schema.pydantic_check import no_collection, yielding
from prompture.schema.source import source


class Row(BaseModel):
    name: str
    size: int | str = 0
    inner: list[Row] = []


class Table(BaseModel):
    rows: list[Row]
    sizes: dict[str, list[int]] = {}
    either: list[int] | list[str] = []


GOOD = {
    "rows": [{"name": "a", "size": "1", "inner": [{"name": "b", "size": 2}]}],
    "sizes": {"x": [1, 2]},
    "either": ["1", "2"],
}
BAD = {"rows": [{"name": "a"}, {"name": 1, "inner": [{}]}], "sizes": {"x": ["y"]}}
LISTS: list[tuple[Any, Any]] = [(list[int], [1, "x"]), (dict[str, Row], {"a": {}}), (int, "x")]


def test_values_and_errors_are_the_same() -> None:
    plain, made = source(Table), schema_validator(yielding(TypeAdapter(Table).core_schema))
    assert made.validate_json(json.dumps(GOOD)) == plain.validate(GOOD)
    for schema, value in [(Table, BAD), *LISTS]:
        adapter = TypeAdapter(schema)
        found = []
        for validate in (
            adapter.validate_json,
            schema_validator(yielding(adapter.core_schema)).validate_json,
        ):
            with pytest.raises(ValueError, match="validation error") as caught:
                validate(json.dumps(value))
            found.append(caught.value.errors(include_url=False))  # type: ignore[attr-defined]
        assert found[0] == found[1]


def test_it_lets_others_run_after_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []
    monkeypatch.setattr(pydantic_check, "_pause", lambda value: pauses.append(1) or value)
    schema_validator(yielding(TypeAdapter(Table).core_schema)).validate_json(json.dumps(GOOD))
    assert len(pauses) == 5  # two rows, two sizes, the list of them; a union is left alone


def test_a_long_answer_is_validated_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompture.schema.pydantic_check.LARGE_CHARS", 10)
    one = source(Table)
    assert one.validate(GOOD) == Table.model_validate(GOOD)
    with pytest.raises(InvalidValue) as caught:
        one.validate(BAD)
    assert {p.pointer for p in caught.value.problems} >= {"/rows/1/name", "/sizes/x/0"}
    assert gc.isenabled()


def test_the_collector_is_as_it_was() -> None:
    with no_collection():
        with no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
