"""Leaves without a place: ``result.ungrounded``, ``require_grounding``, quotations."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    computed_field,
    field_validator,
    model_validator,
)

import prompture
from prompture import (
    Cascade,
    Completion,
    Extraction,
    Extractor,
    Invalid,
    NotGrounded,
    Text,
    Usage,
    extract,
    extract_result,
    ground,
    image,
)
from prompture.catalog import Rates
from prompture.errors import ConfigurationError
from prompture.extraction.grounding import ReadText
from prompture.extraction.ungrounded import ungrounded
from prompture.testing import AsyncScriptedDriver, FunctionDriver, ScriptedDriver
from tests.extraction.streaming import Async, Colour, Sync

TEXT = "ACME Ltd, 3 May 2024. Total: 12.50"


class Kind(Enum):
    INVOICE = "invoice"
    RECEIPT = "receipt"


class Party(BaseModel):
    name: str
    country: str = "DE"


class Bill(BaseModel):
    company: str
    total: Decimal | None = None
    paid: bool = False
    kind: Kind = Kind.RECEIPT
    currency: Literal["EUR", "USD"] | None = None
    summary: str | None = Field(None, json_schema_extra={"x-inferred": True})
    seller: Party = Party(name="(none)")
    note: str | None = None

    @computed_field
    @property
    def words(self) -> int:
        return len(self.company.split()) + 40


GOOD = {"company": "ACME Ltd", "total": "12.50"}
BAD = {"company": "Umbrella Corp", "total": "12.50"}


def answered(value: Any, schema: Any = Bill, text: Any = TEXT, **options: Any) -> Extraction[Any]:
    return extract_result(schema, text, model=ScriptedDriver([value]), **options)


# result.ungrounded


def test_each_leaf_without_a_place_and_why() -> None:
    value = {
        **BAD,
        "paid": True,
        "kind": "invoice",
        "currency": "EUR",
        "summary": "A bill of a few lines",
        "seller": {"name": "Nobody"},
        "note": "",
    }
    # As the class has it; of a rewritten schema, as the model gave it.
    assert answered(value, strategy="prompt").ungrounded == {
        "/company": "absent",
        "/paid": "inferred",
        "/kind": "inferred",
        "/currency": "inferred",
        "/summary": "inferred",
        "/seller/name": "absent",
        "/seller/country": "inferred",  # the default of the class
        "/note": "inferred",  # nothing that could be printed
        "/words": "inferred",  # computed by the class
    }


def test_a_default_as_a_whole_and_null_have_no_absent_leaf() -> None:
    found = answered(GOOD, strategy="prompt").ungrounded
    assert "absent" not in found.values()
    assert not {"/currency", "/summary", "/note"} & found.keys()
    assert found["/seller/name"] == "inferred"


@pytest.mark.parametrize(
    ("schema", "value", "why"),
    [
        ({"type": "string"}, "nowhere", {"": "absent"}),
        ({"enum": ["a1", "b2"]}, "a1", {"": "inferred"}),
        ({"anyOf": [{"const": "n/a"}, {"type": "string"}]}, "n/a", {"": "inferred"}),
        ({"anyOf": [{"const": "n/a"}, {"type": "string"}]}, "none", {"": "absent"}),
        ({"type": "array", "items": {"$ref": "#/$defs/k"}, "$defs": {"k": {"enum": ["x9"]}}},
         ["x9", "x9"], {"/0": "inferred", "/1": "inferred"}),
        ({"prefixItems": [{"enum": ["x9"]}, {"type": "string"}]}, ["x9", "x9"],
         {"/0": "inferred", "/1": "absent"}),
        ({"additionalProperties": {"enum": [7]}}, {"k": 7, "l": 8},
         {"/k": "inferred", "/l": "absent"}),
        ({"patternProperties": {"^a": {"const": 7}}}, {"a": 7}, {"/a": "inferred"}),
        ({"type": "object"}, {"a~/b": "zzz", "n": None, "t": True},
         {"/a~0~1b": "absent", "/t": "inferred"}),
        ({"$ref": "#/$defs/t", "$defs": {"t": {"properties": {
            "name": {"type": "string"}, "sub": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}}},
         {"name": "q", "sub": [{"name": "qq"}]}, {"/name": "absent", "/sub/0/name": "absent"}),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, {"a": "zz"}, {"/a": "absent"}),
    ],
)  # fmt: skip
def test_what_a_schema_gives_is_inferred(schema: Any, value: Any, why: Any) -> None:
    assert ungrounded(value, {}, schema) == why


def test_of_plain_json_and_of_rules() -> None:
    schema = {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}
    assert answered({"who": "Bo Nobody"}, schema).ungrounded == {"/who": "absent"}
    found = extract_result(Bill, "company: ACME Ltd\ntotal: 12.50", model="local/rules")
    assert "absent" not in found.ungrounded.values()


def test_a_serialization_alias_is_no_computed_field() -> None:
    class Named(BaseModel):
        who: str = Field(serialization_alias="Who")

    assert answered({"who": "Bo Nobody"}, Named).ungrounded == {"/Who": "absent"}


def test_a_result_keeps_its_reasons_when_pickled() -> None:
    found = answered(BAD)
    again = pickle.loads(pickle.dumps(found))
    assert again.ungrounded == found.ungrounded


# require_grounding


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Any:
    def asked(answers: list[Any], *, text: Any = TEXT, schema: Any = Bill, **options: Any) -> Any:
        if request.param:
            asked.driver = AsyncScriptedDriver(answers, prices=RATES)  # type: ignore[attr-defined]
            made = Extractor(schema, model=asked.driver, **options)  # type: ignore[attr-defined]
            return asyncio.run(made.aextract_result(text))
        asked.driver = ScriptedDriver(answers, prices=RATES)  # type: ignore[attr-defined]
        made = Extractor(schema, model=asked.driver, **options)  # type: ignore[attr-defined]
        return made.extract_result(text)

    return asked


RATES = Rates(input=Decimal(1), output=Decimal(1))


def priced(value: Any) -> Completion:
    usage = Usage(input_tokens=100, output_tokens=10, requests=1, reported=True)
    return Completion(text=json.dumps(value), usage=usage)


def test_what_has_no_place_is_asked_for_again(ask: Any) -> None:
    found = ask([priced(BAD), priced(GOOD)], require_grounding=True)
    assert found.value.company == "ACME Ltd"
    assert len(found.attempts) == 2
    assert [p.kind for p in found.attempts[0].problems] == ["ungrounded"]
    complaint = ask.driver.requests[1].messages[-1].text
    assert "/company" in complaint
    assert "stands in the text" in complaint
    assert found.cost.total == Decimal("0.00022")


def test_at_the_end_it_is_refused_with_the_bill(ask: Any) -> None:
    with pytest.raises(NotGrounded) as caught:
        ask([priced(BAD)] * 2, require_grounding=True, max_retries=1)
    error = caught.value
    assert error.pointers == ("/company",)
    assert error.value["company"] == "Umbrella Corp"
    assert error.bill is not None and error.bill.total == Decimal("0.00022")
    assert len(error.attempts) == 2
    assert isinstance(error, Invalid)
    assert "Umbrella" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert again.pointers == error.pointers


def test_null_is_offered_where_the_schema_takes_it(ask: Any) -> None:
    found = ask([{**GOOD, "total": "99.99"}, {**GOOD, "total": None}], require_grounding=True)
    assert found.value.total is None
    assert "null if the document does not state it" in ask.driver.requests[1].messages[-1].text


@pytest.mark.parametrize(
    ("wanted", "value", "pointers"),
    [
        (["/lines/*/price"], {"lines": [{"what": "tea", "price": 12.5}]}, ()),
        (["/lines/*/price"], {"lines": [{"what": "tea", "price": 12.5},
                                        {"what": "tea", "price": 13.5}]}, ("/lines/1/price",)),
        (["/lines"], {"lines": [{"what": "tea", "price": 13.5}]},
         ("/lines/0/what", "/lines/0/price")),
        (["/lines/1"], {"lines": [{"what": "tea", "price": 13.5}]}, ()),
        (["lines"], {"lines": [{"what": "tea", "price": 12.5}]}, ("/lines/0/what",)),
        ([""], {"lines": [{"what": "tea", "price": 12.5}]}, ("/lines/0/what",)),
        (["/unit"], {"lines": [], "unit": "kg"}, ("/unit",)),  # named itself, though an enum
        (["/unit"], {"lines": []}, ()),  # null has no place, and is no claim
        (True, {"lines": [], "unit": "kg"}, ()),
        ([], {"lines": [{"what": "tea", "price": 13.5}]}, ()),
        (False, {"lines": [{"what": "tea", "price": 13.5}]}, ()),
        ("/unit", {"lines": [], "unit": "kg"}, ("/unit",)),
    ],
)  # fmt: skip
def test_which_leaves_must_have_a_place(wanted: Any, value: Any, pointers: Any, ask: Any) -> None:
    class Line(BaseModel):
        what: str
        price: float

    class Order(BaseModel):
        lines: list[Line]
        unit: Literal["kg", "lb"] | None = None
        is_paid: bool | None = None

    options = {"schema": Order, "require_grounding": wanted, "max_retries": 0}
    if pointers:
        with pytest.raises(NotGrounded) as caught:
            ask([value], **options)
        assert caught.value.pointers == pointers
    else:
        assert ask([value], **options).value.lines is not None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["/lines/*/prize"], "prize"),
        (["/nothing"], "nothing"),
        (["/paid"], "true or false"),
        (["/lines/*/is_new"], "true or false"),
        (3, "require_grounding"),
        ([3], "require_grounding"),
    ],
)
def test_what_no_answer_can_meet_is_refused_at_once(wanted: Any, message: str) -> None:
    class Line(BaseModel):
        price: float
        is_new: bool | None = None

    class Order(BaseModel):
        lines: list[Line]
        paid: bool = False

    with pytest.raises(ConfigurationError, match=message):
        Extractor(Order, model=ScriptedDriver([]), require_grounding=wanted)


@pytest.mark.parametrize("option", [{"require_grounding": True}, {"quotes": True}])
def test_a_document_without_text_is_refused_before_anything_is_sent(option: Any, ask: Any) -> None:
    picture = image(b"\x89PNG\r\n\x1a\n" + b"\x00" * 30)
    with pytest.raises(ConfigurationError, match="needs a text"):
        ask([BAD], text=[picture], **option)
    assert ask.driver.requests == []
    # Beside words, what only a picture shows has no place.
    with pytest.raises((NotGrounded, ConfigurationError)):
        ask([BAD], text=[Text(TEXT), picture], require_grounding=True, max_retries=0)


def test_only_the_failing_parts_are_asked_for_where_the_answer_is_long(ask: Any) -> None:
    class Words(BaseModel):
        words: list[str]
        company: str

    text = " ".join(f"word{i}" for i in range(200)) + " ACME Ltd"
    words = [f"word{i}" for i in range(120)]
    answers = [{"words": words, "company": "Umbrella"}, {"company": "ACME Ltd"}]
    found = ask(answers, text=text, schema=Words, require_grounding=True)
    assert found.attempts[1].asked_for == ("company",)
    assert found.value.company == "ACME Ltd"
    assert found.ungrounded == {}


def test_the_next_model_is_asked_and_for_the_rest_only() -> None:
    first, second = ScriptedDriver([BAD]), ScriptedDriver([{"company": "ACME Ltd"}])
    model = Cascade([first, second])
    made = Extractor(Bill, model=model, require_grounding=True, max_retries=0)
    found = made.extract_result(TEXT)
    assert found.value.company == "ACME Ltd"
    assert found.value.total == Decimal("12.50")
    third = ScriptedDriver([GOOD])
    plain = Extractor(Bill, model=[ScriptedDriver([BAD]), third], require_grounding=True,
                      max_retries=0)  # fmt: skip
    assert plain.extract_result(TEXT).value.company == "ACME Ltd"
    with pytest.raises(NotGrounded) as caught:
        Extractor(Bill, model=[ScriptedDriver([BAD]), ScriptedDriver([BAD])],
                  require_grounding=True, max_retries=0).extract(TEXT)  # fmt: skip
    assert len(caught.value.attempts) == 2


@pytest.mark.parametrize("strategy", ["json_schema", "tool", "json_object", "prompt"])
def test_what_the_model_wrote_must_stand_there_not_what_a_validator_made_of_it(
    strategy: Any, ask: Any
) -> None:
    class Phone(BaseModel):
        phone: str
        kind: str = "mobile"

        @field_validator("phone")
        @classmethod
        def as_international(cls, value: str) -> str:
            return "+49" + value.removeprefix("0").replace(" ", "")

    text = "Call me: 0170 123 45 67"
    options = {"text": text, "schema": Phone, "require_grounding": True, "strategy": strategy}
    found = ask([{"phone": "0170 123 45 67"}], **options)
    assert found.value.phone == "+491701234567"
    assert found.sources["/phone"][0].start == 9
    assert "absent" not in found.ungrounded.values()
    with pytest.raises(NotGrounded):
        ask([{"phone": "0170 123 45 68"}], max_retries=0, **options)


def test_a_policy_and_the_call_may_both_want_evidence() -> None:
    model = Cascade([ScriptedDriver([BAD])], evidence=("total",))
    with pytest.raises(NotGrounded) as caught:
        Extractor(Bill, model=model, require_grounding=True, max_retries=0).extract(TEXT)
    assert caught.value.pointers == ("/company",)
    lacking = Cascade([ScriptedDriver([{"company": "ACME Ltd"}])], evidence=("total",))
    with pytest.raises(NotGrounded) as caught:
        Extractor(Bill, model=lacking, max_retries=0).extract(TEXT)
    assert caught.value.pointers == ("/total",)


def test_rules_know_their_places() -> None:
    text = "company: ACME Ltd\ntotal: 12.50"
    found = extract_result(Bill, text, model="local/rules", require_grounding=True, quotes=True)
    assert found.value.company == "ACME Ltd"
    assert found.quotes == {}


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return request.param()  # type: ignore[no-any-return]


def test_the_last_value_of_a_stream_is_looked_at(colour: Colour) -> None:
    seen = colour.stream(Bill, colour.script([BAD, GOOD]), require_grounding=True)
    assert seen[-1].result.value.company == "ACME Ltd"
    assert seen[-1].attempt == 2
    with pytest.raises(NotGrounded):
        colour.stream(Bill, colour.script([BAD]), require_grounding=True, max_retries=0)


def test_items_are_looked_at_one_by_one(colour: Colour) -> None:
    class Who(BaseModel):
        name: str

    answer = {"items": [{"name": "ACME Ltd"}, {"name": "Umbrella"}, {"name": "Total"}]}
    options: Any = {"require_grounding": ["/name"]}
    got = colour.items(Who, colour.script([answer]), on_error="skip", **options)
    assert [item.value.name for item in got] == ["ACME Ltd", "Total"]
    got = colour.items(Who, colour.script([answer]), on_error="collect", **options)
    assert [p.kind for p in got[1].problems] == ["ungrounded"]
    assert got[1].problems[0].pointer == "/name"
    with pytest.raises(NotGrounded) as caught:
        colour.items(Who, colour.script([answer]), **options)
    assert caught.value.pointers == ("/1/name",)
    assert len(colour.so_far) == 1
    with pytest.raises(ConfigurationError, match="quotes=True"):
        colour.items(Who, colour.script([answer]), quotes=True)


def test_a_cached_answer_is_looked_at_too() -> None:
    cache = prompture.Cache()
    driver = ScriptedDriver([BAD, GOOD, GOOD])
    extract(Bill, TEXT, model=driver, cache=cache)
    assert (
        extract(Bill, TEXT, model=driver, cache=cache, require_grounding=True).company == "ACME Ltd"
    )


# quotes

TWICE = "Subtotal 30\nShipping 2\nTotal 30\n"


class Sum(BaseModel):
    total: float
    lines: list[float] = []


def wrapped(value: Any, *quotes: tuple[str, str]) -> dict[str, Any]:
    return {"value": value, "quotes": [{"at": at, "quote": quote} for at, quote in quotes]}


STRATEGIES = ["json_schema", "tool", "json_object", "prompt"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_quotation_chooses_the_place(strategy: Any, ask: Any) -> None:
    answer = wrapped({"total": 30}, ("/total", "Subtotal 30"))
    found = ask([answer], text=TWICE, schema=Sum, quotes=True, strategy=strategy)
    assert found.value == Sum(total=30)
    assert found.quotes == {"/total": ("Subtotal 30",)}
    (span,) = found.sources["/total"]
    assert TWICE[span.start - 9 : span.end] == "Subtotal 30"
    assert not span.ambiguous
    # Without it, the name of the field speaks for the other place.
    assert answered({"total": 30}, Sum, TWICE).sources["/total"][0].start > span.start


@pytest.mark.parametrize(
    "quote",
    ["Grand total 30", "", "   ", "Total  31", "Tot", "\ud800"],
)
def test_a_quotation_that_does_not_stand_there_gives_nothing(quote: str, ask: Any) -> None:
    plain = answered({"total": 30}, Sum, TWICE).sources
    found = ask([json.dumps(wrapped({"total": 30}, ("/total", quote)))], text=TWICE, schema=Sum,
                quotes=True)  # fmt: skip
    assert found.sources == plain
    # And it makes no place for a value that the text does not hold.
    found = ask([json.dumps(wrapped({"total": 31}, ("/total", "Total 30")))], text=TWICE,
                schema=Sum, quotes=True)  # fmt: skip
    assert found.ungrounded == {"/total": "absent"}


@pytest.mark.parametrize(
    "answer",
    [
        {"total": 30},
        {"value": {"total": 30}},
        {"value": {"total": 30}, "quotes": []},
        {"quotes": [], "value": {"total": 30}},
        {"value": {"total": 30}, "quotes": None},
        {"value": {"total": 30}, "quotes": ["Total 30"]},
        {"value": {"total": 30}, "quotes": [{"at": 3, "quote": "Total 30"}, {"quote": "x"}, 7]},
        {"value": {"total": 30}, "quotes": {"/total": "Total 30"}},
        'Here it is:\n```json\n{"value": {"total": 30}, "quotes": []}\n```',
        "{'value': {'total': 30,}, 'quotes': [],}",
    ],
)
def test_a_model_that_quotes_badly_is_understood(answer: Any, ask: Any) -> None:
    for strategy in ("json_schema", "prompt"):
        found = ask([answer], text=TWICE, schema=Sum, quotes=True, strategy=strategy)
        assert found.value.total == 30
        assert found.quotes == {}


OPEN: list[Any] = [
    dict[str, Any],
    {"type": "object"},
    {"type": "object", "properties": {"total": {}}},
]


@pytest.mark.parametrize("schema", OPEN)
def test_quotations_are_no_part_of_an_open_value(schema: Any, ask: Any) -> None:
    quotes = [{"at": "/total", "quote": "Total 30"}]
    found = ask([{"total": 30, "quotes": quotes}], text=TWICE, schema=schema, quotes=True)
    assert (found.value, found.quotes) == ({"total": 30}, {"/total": ("Total 30",)})
    for alone in ({"quotes": quotes}, [{"quotes": quotes}]):
        found = ask([alone, wrapped({"total": 30})], text=TWICE, schema=schema, quotes=True)
        assert (found.value, len(found.attempts)) == ({"total": 30}, 2)


def test_a_value_may_have_quotes_of_its_own(ask: Any) -> None:
    schema, own = dict[str, Any], [{"at": "noon", "quote": "Hello"}]
    for answer in (wrapped({"quotes": own}), {"quotes": 3, "orders": 5}):
        found = ask([answer], text=TWICE, schema=schema, quotes=True)
        assert found.value == answer.get("value", answer)


@pytest.mark.parametrize("at", ["/total", "total", "$.total", "/value/total", "#/total", "", "."])
def test_places_are_understood_however_they_are_written(at: str) -> None:
    found = answered(wrapped({"total": 30}, (at, "Total 30")), Sum, TWICE, quotes=True)
    assert found.quotes == {"/total": ("Total 30",)}


def test_a_quotation_may_serve_an_object() -> None:
    text = "Ann 30 Rome\nBob 30 Rome\nCid 30 Rome\n"
    rows = {"rows": [{"age": 30, "town": "Rome"}]}
    schema = {"type": "object", "properties": {"rows": {"type": "array", "items": {
        "type": "object", "properties": {"age": {"type": "integer"}, "town": {"type": "string"}}}}},
        "required": ["rows"]}  # fmt: skip
    for at in ("/rows/0", "rows[0]", "/rows/0/"):
        found = answered(wrapped(rows, (at, "Bob 30 Rome")), schema, text, quotes=True)
        places = {p: (s[0].start, len(s)) for p, s in found.sources.items()}
        assert places == {"/rows/0/age": (16, 1), "/rows/0/town": (19, 1)}


def test_validators_and_snapshots_see_the_value_alone(colour: Colour) -> None:
    answer = wrapped({"total": 30, "lines": [30, 2]}, ("/total", "Total 30"))
    for answered_as in (answer, dict(reversed(answer.items()))):
        seen = colour.stream(Sum, colour.script([answered_as]), quotes=True)
        for each in seen[:-1]:
            assert each.plain is None or each.plain.keys() <= {"total", "lines"}
        assert seen[-1].result.value == Sum(total=30, lines=[30, 2])
        assert any(each.plain == {"total": 30.0, "lines": [30.0, 2.0]} for each in seen)


def test_quotations_outlive_the_asking_for_parts(ask: Any) -> None:
    class Words(BaseModel):
        words: list[str]
        total: float
        company: str

    text = TWICE + " ".join(f"word{i}" for i in range(200)) + " ACME Ltd"
    value = {"words": [f"word{i}" for i in range(120)], "total": 30, "company": "Umbrella"}
    answers = [wrapped(value, ("/total", "Total 30")), {"company": "ACME Ltd"}]
    found = ask(answers, text=text, schema=Words, quotes=True, require_grounding=True)
    assert found.attempts[1].asked_for == ("company",)
    assert len(found.sources["/total"]) == 1
    assert "quotes" not in json.dumps(ask.driver.requests[1].schema)
    # The model is shown its slip at the place that it wrote.
    assert "/value/company" in ask.driver.requests[1].messages[-1].text


def test_an_answer_that_was_cut_off_is_asked_for_whole(ask: Any) -> None:
    whole = json.dumps(wrapped({"total": 30, "lines": [30, 2]}, ("/total", "Total 30")))
    cut = Completion(text=whole[:40], stop_reason="length")
    found = ask([cut, whole], text=TWICE, schema=Sum, quotes=True, max_tokens=500)
    assert found.value.lines == [30, 2]
    assert found.quotes


def test_a_call_without_the_options_asks_as_before() -> None:
    bare, other = ScriptedDriver([GOOD]), ScriptedDriver([GOOD])
    extract(Bill, TEXT, model=bare)
    extract(Bill, TEXT, model=other, quotes=False, require_grounding=False, examples=[])
    assert bare.requests == other.requests
    required = ScriptedDriver([GOOD])
    extract(Bill, TEXT, model=required, require_grounding=True)
    assert bare.requests == required.requests


def test_quotations_are_foreseen_and_cost() -> None:
    def price(**options: Any) -> Any:
        return prompture.estimate(Bill, TEXT * 20, model="openai/gpt-5-mini", **options)

    plain, quoted = price(), price(quotes=True)
    assert quoted.input.tokens > plain.input.tokens
    assert quoted.output.tokens > plain.output.tokens


def test_grounding_takes_quotations_from_anyone() -> None:
    assert len(ground({"a": 30}, TWICE)["/a"]) == 2
    assert len(ground({"a": 30}, TWICE, quotes={"/a": ["total 30"]})["/a"]) == 1
    assert ground({"a": 30}, TWICE, quotes={"/b": ["Total 30"]}) == ground({"a": 30}, TWICE)
    # Over the end of a line, and with a word that it breaks.
    text = "the sum is thir-\nty 30 and 30"
    assert ground({"a": 30}, text, quotes={"/a": ["thirty 30"]})["/a"][0].start == 20


def test_a_driver_that_knows_its_places_is_not_asked_for_quotations() -> None:
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return {"total": 30}

    extract(Sum, TWICE, model=FunctionDriver(answer), quotes=True)
    assert "quotes" in json.dumps(seen[0].schema)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(["ACME", "12.50", "1.299,50", "5 March 2024", "Ltd-", "二", "\n", "9%"])
    ),
    st.sampled_from(["acme", "ACME Ltd", "12.5", 12.5, 1299.5, "2024-03-05", 0.09, 9, "nowhere"]),
)
def test_one_by_one_the_same_stands_there(words: list[str], leaf: Any) -> None:
    text = " ".join(words)
    assert ReadText(text).holds(leaf) is bool(ground({"a": leaf}, text))


# What the model wrote, however it wrote it.

ASKED = ["json_schema", "tool", "json_object", "prompt"]


class Billed(BaseModel):
    company: str = Field(validation_alias=AliasChoices("company", "firm"))
    total: Decimal


@pytest.mark.parametrize("strategy", ASKED)
@pytest.mark.parametrize(
    "shape",
    [
        '{{"result": {{"company": "{0}", "total": 12.5}}}}',
        '```json\n{{"company": "{0}", "total": 12.5}}\n```',
        "Here: {{'company': '{0}', 'total': 12.5,}}",
        '{{"firm": "{0}", "total": 12.5}}',
        '{{"company": "{0}", "total": 12.5, "sure": "quite"}}',
    ],
)
@pytest.mark.parametrize("wanted", [True, ["/company"], ["company", "total"]])
def test_what_is_wrong_passes_in_no_shape(strategy: Any, shape: str, wanted: Any, ask: Any) -> None:
    options = {
        "schema": Billed,
        "require_grounding": wanted,
        "strategy": strategy,
        "max_retries": 0,
    }
    found = ask([shape.format("ACME Ltd")], **options)
    assert found.sources.keys() == {"/company", "/total"} and not found.ungrounded
    with pytest.raises(NotGrounded) as caught:
        ask([shape.format("Umbrella Corp")], **options)
    assert caught.value.pointers == ("/company",)


@pytest.mark.parametrize("strategy", ["json_schema", "prompt"])
def test_a_key_that_the_schema_does_not_know_is_no_part_of_the_value(strategy: Any) -> None:
    found = answered({**GOOD, "sure": "quite"}, strategy=strategy)
    assert "/sure" not in found.ungrounded
    assert found.plain is None or "sure" not in found.plain


def test_what_a_validator_puts_at_a_named_place_must_stand_there(ask: Any) -> None:
    class Moved(BaseModel):
        company: str

        @model_validator(mode="before")
        @classmethod
        def german(cls, value: Any) -> Any:
            return {"company": value.get("Firma", value.get("company"))}

    options = {"schema": Moved, "require_grounding": ["company"], "max_retries": 0}
    assert ask([{"Firma": "ACME Ltd"}], **options).value.company == "ACME Ltd"
    with pytest.raises(NotGrounded) as caught:
        ask([{"Firma": "Umbrella Corp"}], **options)
    assert caught.value.pointers == ("/company",)


def test_a_repaired_answer_is_read_before_its_validators(ask: Any) -> None:
    class Shout(BaseModel):
        company: str

        @field_validator("company")
        @classmethod
        def backwards(cls, value: str) -> str:
            return value[::-1]

    found = ask(['```json\n{"company": "ACME Ltd"}\n```'], schema=Shout, require_grounding=True)
    assert found.value.company == "dtL EMCA" and found.sources["/company"][0].start == 0
    # The policy of a cascade asks for no other thing.
    model = Cascade([ScriptedDriver([{"company": "ACME Ltd"}]), ScriptedDriver([])])
    assert extract_result(Shout, TEXT, model=model).value.company == "dtL EMCA"


class Leaf(BaseModel):
    who: str
    made: str = Field(default_factory=lambda: "made by nobody", serialization_alias="Made")

    @computed_field
    @property
    def twice(self) -> str:
        return self.who * 2


@dataclass
class Tree:
    leaves: list[Leaf]


def test_what_classes_give_is_inferred_wherever_it_stands() -> None:
    found = answered({"leaves": [{"who": "ACME"}]}, Tree, strategy="prompt")
    assert found.ungrounded == {"/leaves/0/Made": "inferred", "/leaves/0/twice": "inferred"}
    given_one = answered({"leaves": [{"who": "ACME", "made": "by Bo"}]}, Tree, strategy="prompt")
    assert given_one.ungrounded["/leaves/0/Made"] == "absent"


def test_of_long_unions_and_many_fields_all_are_looked_at() -> None:
    union = {"anyOf": [{"const": f"kind {i}"} for i in range(100)]}
    assert ungrounded("kind 80", {}, union) == {"": "inferred"}
    names = {
        f"p{i}": {"type": "object", "properties": {"y": {"type": "string"}}} for i in range(70)
    }
    names["p65"] = {"type": "object", "properties": {"x": {"type": "string"}}}
    schema = {"type": "object", "properties": names}
    with pytest.raises(NotGrounded) as caught:
        answered({"p65": {"x": "nowhere"}}, schema, require_grounding=["/*/x"], max_retries=0)
    assert caught.value.pointers == ("/p65/x",)
    with pytest.raises(ConfigurationError, match=r"unknown field 'z'; there are y, x$"):
        Extractor(schema, require_grounding=["/*/z"])


# One grammar for both.


class Lines(BaseModel):
    class Line(BaseModel):
        price: float | None = None
        paid: bool = False

    lines: list[Line] | None = None
    total: float = 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["/lines/x"], "/lines is a list: name its items by their numbers or by *, not 'x'"),
        (["/lines/\u00b2/price"], "/lines is a list"),
        (["/lines/*/prise"], "unknown field 'prise'; did you mean price"),
        (["/lines/*/paid"], "/lines/*/paid is true or false, which stands in no text"),
        (["/total/net"], "/total has no parts: it is of the type number"),
        (["/lines/0/price/net"], "/lines/0/price has no parts: it is of the type number"),
    ],
)
def test_patterns_that_no_value_has(wanted: Any, message: str) -> None:
    for option in ("require_grounding", "Cascade.evidence"):
        with pytest.raises(ConfigurationError, match=re.escape(f"{option}: {message}")):
            if option == "require_grounding":
                Extractor(Lines, model=ScriptedDriver([]), require_grounding=wanted)
            else:
                Extractor(Lines, model=Cascade([ScriptedDriver([])], evidence=wanted))


@pytest.mark.parametrize("wanted", [{1, "total"}, 0, b"/total", {"/total": 1}])
def test_what_is_no_list_of_pointers(wanted: Any) -> None:
    with pytest.raises(ConfigurationError, match="require_grounding must be"):
        Extractor(Lines, model=ScriptedDriver([]), require_grounding=wanted)


def test_the_root_may_be_named_by_itself(ask: Any) -> None:
    with pytest.raises(NotGrounded):
        ask([BAD], require_grounding="", max_retries=0)


@pytest.mark.parametrize(
    ("lines", "pointers"),
    [
        ([{"price": 12.5}, {"price": 9}], ("/lines/1/price",)),
        ([{"price": 12.5}, {}], ("/lines/1/price",)),
        ([{"price": 12.5}], ()),
        ([], ()),
        (None, ()),
    ],
)
def test_the_policy_of_a_cascade_knows_all_items(lines: Any, pointers: Any) -> None:
    model = Cascade([ScriptedDriver([{"lines": lines}])], evidence=["/lines/*/price"])
    made = Extractor(Lines, model=model, max_retries=0)
    if not pointers:
        assert made.extract(TEXT).lines == (lines and [Lines.Line(**line) for line in lines])
        return
    with pytest.raises(NotGrounded) as caught:
        made.extract(TEXT)
    assert caught.value.pointers == pointers


def test_what_the_schema_gives_is_no_evidence_against_a_model() -> None:
    class Sorted(BaseModel):
        company: str
        kind: Literal["meal", "travel"] | None = None
        how: Kind | None = None
        summary: str = Field("", json_schema_extra={"x-inferred": True})
        note: str = "nothing to add"

    answer = {"company": "ACME Ltd", "kind": "meal", "how": "invoice", "summary": "A short one",
              "note": "nothing to add"}  # fmt: skip
    model = Cascade([ScriptedDriver([answer]), ScriptedDriver([])])
    found = extract_result(Sorted, TEXT, model=model, max_retries=0)
    assert len(found.attempts) == 1 and not found.notes


@pytest.mark.parametrize("strategy", ASKED)
def test_of_items_too_what_the_model_wrote_must_stand_there(strategy: Any, colour: Colour) -> None:
    class Owed(BaseModel):
        firm: str = Field(validation_alias=AliasChoices("Firma", "firm"))
        day: str

        @field_validator("day")
        @classmethod
        def backwards(cls, value: str) -> str:
            return value[::-1]

    answer = {"items": [{"firm": "ACME Ltd", "day": "3 May 2024"},
                        {"firm": "Umbrella", "day": "3 May 2024", "sure": "quite"}]}  # fmt: skip
    for wanted in (True, ["/Firma"]):
        options: Any = {"strategy": strategy, "require_grounding": wanted, "on_error": "collect"}
        for script in (answer, f"Here it is: {json.dumps(answer)}"):
            found = colour.items(Owed, colour.script([script]), **options)
            assert [p.pointer for each in found for p in each.problems] == ["/Firma"]
            assert found[0].value.day == "4202 yaM 3"


@pytest.mark.parametrize("strategy", ASKED)
def test_what_a_validator_changed_has_the_place_of_what_was_written(
    strategy: Any, ask: Any
) -> None:
    class Party(BaseModel):
        phones: list[str]
        total: Decimal
        who: str

        @field_validator("phones")
        @classmethod
        def as_international(cls, value: list[str]) -> list[str]:
            return ["+49" + each.removeprefix("0").replace(" ", "") for each in value]

        @field_validator("total")
        @classmethod
        def net(cls, value: Decimal) -> Decimal:
            return value / 4

    text = "ACME: 0170 123 45 67, 0171 765 43 21. Total: 500"
    answer = {"phones": ["0170 123 45 67", "0171 765 43 21"], "total": 500, "who": "Nobody"}
    found = ask([answer], schema=Party, text=text, strategy=strategy)
    assert found.value.total == 125 and found.value.phones[1] == "+491717654321"
    assert {at: spans[0].start for at, spans in found.sources.items()} == {
        "/phones/0": 6, "/phones/1": 22, "/total": 45}  # fmt: skip
    assert found.ungrounded == {"/who": "absent"}
    # Of an answer that has no such pointer nothing is known.
    wrapped = ask([json.dumps({"result": answer})], schema=Party, text=text, strategy=strategy)
    assert "/total" not in wrapped.sources or wrapped.sources["/total"][0].start == 45


@pytest.mark.parametrize("strategy", ASKED)
def test_null_as_a_whole_has_no_place_whatever_is_quoted_beside_it(strategy: Any) -> None:
    answer = {"value": None, "quotes": [{"at": "", "quote": "ACME Ltd"}]}
    options: Any = {"quotes": True, "require_grounding": True, "strategy": strategy}
    found = answered(answer, str | None, **options)
    assert found.value is None and not found.sources and not found.ungrounded
    fenced = answered("```json\nnull\n```", str | None, require_grounding=True, strategy="prompt")
    assert fenced.value is None and not fenced.sources


@pytest.mark.parametrize("shape", ['{{"result": {0}}}', "```\n{0}\n```", '{{"a": {{"b": {0}}}}}'])
def test_quotations_are_read_in_a_wrapping_too(shape: str) -> None:
    text = "Deposit 30\nShipping 2\nBalance 30"
    answer = json.dumps(
        {"value": {"total": 30}, "quotes": [{"at": "/total", "quote": "Balance 30"}]}
    )
    schema = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    found = answered(shape.format(answer), schema, text, quotes=True)
    assert found.sources["/total"][0].start == 30
