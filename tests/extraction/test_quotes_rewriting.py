"""The rewriting of ``quotes=True`` on real schemas, in every dialect: rules, there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from prompture.errors import SchemaError
from prompture.extraction.quotes import QuotedCodec, by_pointer, quoted
from prompture.extraction.ungrounded import leaves_of
from prompture.json_values import pointer, same
from prompture.schema import rewrite
from prompture.schema.rewriting.dialects import DIALECTS
from prompture.schema.rewriting.unions import UnionCodec
from tests.schema.dialect_rules import RULES, broken, native
from tests.schema.test_rewriting_corpus import corpus

THIRDS = 3
"""Each dialect sees one schema of three, and each schema is seen by every third dialect: all of them
in all dialects take half a minute (set it to 1)."""
QUOTED = [("", "the whole"), ("/a", "a part")]


def _some(shared: Path, first: int) -> list[Any]:
    return corpus(shared / "schemas")[first % THIRDS :: THIRDS]


@pytest.mark.parametrize("dialect", [*RULES, "plain"])
def test_of_all_schemas(dialect: str, shared: Path) -> None:
    """What the plain rewriting gives back, this gives back: with quotations, without them, and where
    the model forgot the wrapping. Every rule of the dialect holds."""
    wrong: list[Any] = []
    refused = count = 0
    for name, schema, _, tests in _some(shared, [*RULES, "plain"].index(dialect)):
        if not isinstance(schema, dict):
            continue
        try:
            plain, rewritten = rewrite(schema, dialect), quoted(schema, dialect)
        except SchemaError:
            refused += 1
            continue
        codec = rewritten.codec
        assert isinstance(codec, QuotedCodec)
        if dialect in RULES and (faults := broken(rewritten.schema, dialect)):
            wrong.append((name, faults[:2]))
        check = Draft202012Validator(native(rewritten.schema))
        for value, is_valid in tests:
            count += 1
            there = json.loads(json.dumps(codec.with_quotes(value, QUOTED)))
            bare = json.loads(json.dumps(rewritten.forward(value)))
            back = plain.restore(plain.forward(value))
            if not all(same(rewritten.restore(each), back) for each in (there, bare)):
                wrong.append((name, value, rewritten.restore(there)))
            if codec.quotations(there) != QUOTED or codec.quotations(bare):
                wrong.append((name, "quotations", there))
            # The plain dialect keeps drafts that this validator does not read.
            obeys = dialect in RULES and is_valid and check.is_valid(bare)
            if obeys and not check.is_valid(there):
                wrong.append((name, "the schema refuses its quotations", there))
            if isinstance(there, dict) and codec.name in there:
                forgot = there[codec.name]
                # Where any key may stand, one that is called like the wrapping is taken for it.
                is_alike = isinstance(forgot, dict) and forgot.keys() == {codec.name}
                if not is_alike and not same(rewritten.restore(forgot), back):
                    wrong.append((name, "forgot the wrapping", forgot))
    assert not wrong[:3], len(wrong)
    assert count > 400
    assert refused < 10


@pytest.mark.parametrize("dialect", ["openai", "gemini-openapi", "plain"])
def test_places_are_those_that_the_model_saw(dialect: str, shared: Path) -> None:
    """A quotation for each leaf, at the place that it has in the rewritten schema, comes back at the
    leaf's own."""
    wrong, count = [], 0
    for name, schema, _, tests in _some(shared, len(dialect)):
        if not isinstance(schema, dict):
            continue
        try:
            rewritten = quoted(schema, dialect)
        except SchemaError:
            continue
        codec = rewritten.codec
        assert isinstance(codec, QuotedCodec)
        for value, is_valid in tests:
            plain = rewritten.restore(rewritten.forward(value))
            leaves = [pointer(path) for path, _ in leaves_of(plain)]
            if not is_valid or not 0 < len(leaves) < 40:
                continue
            answer = rewritten.forward(plain)
            places = {p: rewritten.forward_pointer(p, answer) for p in leaves}
            # In JSON text there are no places of their own: such leaves share one.
            quotes = [(places[p].removeprefix(f"/{codec.name}"), p) for p in leaves]
            found = by_pointer(quotes, plain, answer, rewritten)
            for p in leaves:
                count += 1
                if p not in found.get(p, ()):
                    wrong.append((name, p, found.get(p)))
    assert not wrong[:3], len(wrong)
    assert count > 400


def test_the_names_are_free() -> None:
    schema = {
        "type": "object",
        "properties": {"value": {"type": "number"}, "quotes": {"type": "string"}},
        "required": ["value", "quotes"],
    }
    for dialect in DIALECTS:
        rewritten = quoted(schema, dialect)
        forgot = {"value": 3, "quotes": "x"}
        assert rewritten.restore(forgot) == forgot
        assert rewritten.restore(rewritten.forward(forgot)) == forgot


def test_a_branch_is_looked_for_once_however_many_leaves_are_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names, opened = ("a", "b"), UnionCodec.opened
    rows: list[Any] = [
        {"type": "object", "properties": {"m": {"type": "array", "items": {"type": "object",
         "properties": {name: {"type": "string"}, "n": {"type": "number"}}, "required": [name]}}}, "required": ["m"],
         "additionalProperties": False}
        for name in names
    ]  # fmt: skip
    rewritten = quoted({"anyOf": rows}, "openai")
    value = {"m": [{"b": str(i)} for i in range(200)]}
    looked: list[Any] = []

    def counted(codec: UnionCodec, wire: Any) -> Any:
        looked.append(wire)
        return opened(codec, wire)

    monkeypatch.setattr(UnionCodec, "opened", counted)
    found = by_pointer([("", "all")], value, rewritten.forward(value), rewritten)
    assert len(found) == 200 and 0 < len(looked) < 10
