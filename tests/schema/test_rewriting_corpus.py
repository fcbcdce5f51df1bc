"""The rewriting on 418 real schemas: every rule of every dialect, every instance there and back."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError as NoSchema
from jsonschema.validators import validator_for

from prompture.errors import SchemaError
from prompture.schema import rewrite
from prompture.schema.json_values import same
from tests.schema.dialect_rules import RULES, broken, native


@lru_cache
def corpus(folder: Path) -> list[tuple[str, Any, Any, list[tuple[Any, bool]]]]:
    """(name, schema, validator, [(instance, valid)]) of the schemas that are themselves valid."""
    found = []
    for path in sorted(folder.glob("*/*.json")):
        entry = json.loads(path.read_text())
        schema = entry["schema"]
        cls = validator_for(schema, default=Draft202012Validator)
        try:
            cls.check_schema(schema)
        except NoSchema:
            continue
        validator = cls(schema)
        tests = [(test["data"], validator.is_valid(test["data"])) for test in entry["tests"]]
        found.append((f"{path.parent.name}/{path.name}", schema, validator, tests))
    return found


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "intended"])
@pytest.mark.parametrize("dialect", RULES)
def test_schemas_obey_the_rules(dialect: str, exact: bool, shared: Path) -> None:
    refused, wrong = {}, {}
    schemas = corpus(shared / "schemas")
    for name, schema, _, _ in schemas:
        try:
            rewritten = rewrite(schema, dialect, exact=exact)
        except SchemaError as error:
            refused[name] = str(error)
            continue
        if found := broken(rewritten.schema, dialect):
            wrong[name] = found[:3]
    assert len(schemas) > 380
    assert not wrong
    assert len(refused) <= 0.02 * len(schemas), refused


@pytest.mark.parametrize("dialect", RULES)
def test_instances_travel_there_and_back(dialect: str, shared: Path) -> None:
    wrong, count = [], 0
    for name, schema, validator, tests in corpus(shared / "schemas"):
        try:
            rewritten = rewrite(schema, dialect, exact=True)
        except SchemaError:
            continue
        check = Draft202012Validator(native(rewritten.schema))
        for value, is_valid in tests:
            count += 1
            moved = json.loads(json.dumps(rewritten.forward(value)))
            back = rewritten.restore(moved)
            if is_valid and not same(back, value):
                wrong.append((name, "is not the same", value, back))
            elif is_valid and not check.is_valid(moved):
                wrong.append((name, "is refused by the rewritten schema", value, moved))
            elif not is_valid and validator.is_valid(back):
                wrong.append((name, "was invalid and became valid", value, back))
            elif rewritten.identity and not same(moved, value):
                wrong.append((name, "is no identity", value, moved))
    assert not wrong
    assert count > 1500


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "moonshot"])
def test_answers_of_the_intended_reading_are_never_lost(dialect: str, shared: Path) -> None:
    """With ``exact=False`` valid instances come back valid, though null may stand for absent."""
    wrong = []
    for name, schema, validator, tests in corpus(shared / "schemas"):
        rewritten = rewrite(schema, dialect, exact=False)
        for value, is_valid in tests:
            back = rewritten.restore(rewritten.forward(value))
            if validator.is_valid(back) != is_valid:
                wrong.append((name, value, back))
    assert not wrong[:3], len(wrong)
