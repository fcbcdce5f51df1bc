"""Problems: pointers, what is shown, and what is not."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from prompture.json_values import pointer
from prompture.schema.problems import InvalidValue, Problem, excerpt, kind_in_words


@pytest.mark.parametrize(
    ("path", "expected"),
    [([], ""), (["items", 0, "qty"], "/items/0/qty"), (["a/b", "c~d", ""], "/a~1b/c~0d/")],
)
def test_pointers(path: list[Any], expected: str) -> None:
    assert pointer(path) == expected


def test_a_problem_reads_as_a_line_and_hides_its_value() -> None:
    problem = Problem("/items/0/qty", "must be an integer", "type", "'secret'")
    assert str(problem) == "/items/0/qty: must be an integer"
    assert str(Problem("", "is wrong")) == "(root): is wrong"
    assert "secret" not in repr(problem)
    assert len(str(Problem("/" + "x" * 10_000, "is wrong"))) < 300


@pytest.mark.parametrize(
    "value", ["x" * 10**6, list(range(10**6)), {"a": {"b": {"c": {"d": [1]}}}}, 10**3000, None]
)
def test_excerpts_are_short(value: Any) -> None:
    assert 0 < len(excerpt(value)) <= 60


def test_kinds() -> None:
    values = [None, True, 1, 1.5, "a", [], {}]
    kinds = ["null", "a boolean", "an integer", "a number", "a string", "an array", "an object"]
    assert [kind_in_words(value) for value in values] == kinds


def test_the_error_sums_up_and_survives_pickling() -> None:
    problems = [Problem(f"/{index}", "is wrong", "x", "1") for index in range(5)]
    error = InvalidValue(problems, total=70)
    assert str(error) == "/0: is wrong; /1: is wrong; /2: is wrong; and 67 more"
    again = pickle.loads(pickle.dumps(error))
    assert (again.problems, again.total, str(again)) == (error.problems, 70, str(error))
    assert not error.not_json
    assert InvalidValue([Problem("", "is not JSON", "json_invalid")]).not_json
