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
from prompture.json_values import same
from prompture.schema import Rewrite, rewrite
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


# A schema with what it was rewritten to, or why it was refused.
Case = tuple[str, Any, Any, list[tuple[Any, bool]], Rewrite | str]
BOTH = [
    pytest.param((d, e), id=f"{d}-{'exact' if e else 'intended'}")
    for d in RULES
    for e in (True, False)
]


@pytest.fixture(scope="module", params=BOTH)
def cases(request: pytest.FixtureRequest, shared: Path) -> tuple[str, bool, list[Case]]:
    """All schemas in one dialect, in one of the two readings: rewritten once for all the tests below."""
    dialect, exact = request.param
    found: list[Case] = []
    for name, schema, validator, tests in corpus(shared / "schemas"):
        outcome: Rewrite | str
        try:
            outcome = rewrite(schema, dialect, exact=exact)
        except SchemaError as error:
            outcome = str(error)
        found.append((name, schema, validator, tests, outcome))
    return dialect, exact, found


def test_schemas_obey_the_rules(cases: tuple[str, bool, list[Case]]) -> None:
    dialect, _, found = cases
    refused = {name: outcome for name, _, _, _, outcome in found if isinstance(outcome, str)}
    wrong = {
        name: faults[:3]
        for name, _, _, _, outcome in found
        if not isinstance(outcome, str) and (faults := broken(outcome.schema, dialect))
    }
    assert len(found) > 380
    assert not wrong
    assert len(refused) <= 0.02 * len(found), refused


def test_instances_travel_there_and_back(cases: tuple[str, bool, list[Case]]) -> None:
    """In the exact reading they come back the same. In the intended one valid instances come back valid,
    though null may stand for absent."""
    _, exact, found = cases
    wrong, count = [], 0
    for name, _, validator, tests, rewritten in found:
        if isinstance(rewritten, str):
            continue
        check = Draft202012Validator(native(rewritten.schema)) if exact else None
        for value, is_valid in tests:
            count += 1
            moved = json.loads(json.dumps(rewritten.forward(value)))
            back = rewritten.restore(moved)
            if is_valid and exact and not same(back, value):
                wrong.append((name, "is not the same", value, back))
            elif is_valid and check is not None and not check.is_valid(moved):
                wrong.append((name, "is refused by the rewritten schema", value, moved))
            elif is_valid and not exact and not validator.is_valid(back):
                wrong.append((name, "was valid and became invalid", value, back))
            elif not is_valid and validator.is_valid(back):
                wrong.append((name, "was invalid and became valid", value, back))
            elif exact and rewritten.identity and not same(moved, value):
                wrong.append((name, "is no identity", value, moved))
    assert not wrong[:3], len(wrong)
    assert count > 1500
