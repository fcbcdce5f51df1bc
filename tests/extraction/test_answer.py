"""How the text of an answer becomes the value: by the schema, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import (
    Context,
    Decimal,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Rounded,
    Subnormal,
    localcontext,
)
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypedDict

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    model_validator,
)
from pydantic_core import to_jsonable_python

from prompture import extract, extract_items, extract_result, extract_stream
from prompture.errors import Invalid, Truncated
from prompture.extraction.answer import Rejected, read_text
from prompture.schema.rewriting import rewrite
from prompture.schema.source import source
from prompture.testing import ScriptedDriver
from prompture.types import Completion, ToolCall

STRATEGIES = ("prompt", "json_object", "json_schema", "tool")


class Person(BaseModel):
    name: str | None = None
    age: int | None = None


@dataclass
class Record:
    name: str | None = None
    age: int | None = None


class Entry(TypedDict, total=False):
    name: str | None
    age: int | None


PLAIN = {
    "type": "object",
    "properties": {"name": {"type": ["string", "null"]}, "age": {"type": ["integer", "null"]}},
}
ANN = {"name": "Ann", "age": 30}


def read(schema: Any, *answers: Any, **options: Any) -> Any:
    options = {"strategy": "prompt", "max_retries": len(answers) - 1, **options}
    return extract(schema, "A document.", model=ScriptedDriver(list(answers)), **options)


def as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump()
    return dict(value if isinstance(value, dict) else vars(value))


@pytest.mark.parametrize("schema", [Person, Record, Entry, PLAIN])
@pytest.mark.parametrize(
    "wrapped",
    [
        {"Person": ANN},
        {"result": {"data": ANN}},
        {"properties": ANN},
        {"type": "object", "title": "Person", "properties": ANN},
        {"name": "Person", "arguments": ANN},
        {"name": "Person", "parameters": json.dumps(ANN)},
        {"tool_calls": [{"type": "function", "function": {"name": "Person", "arguments": ANN}}]},
        json.dumps(ANN),
        [ANN],
        {"people": [ANN]},
        [{"name": "Person", "arguments": ANN}],
        {"recipient_name": "functions.Person", "parameters": ANN},
    ],
)
def test_what_is_put_around_a_value_is_taken_off(schema: Any, wrapped: Any) -> None:
    found = extract_result(
        schema,
        "A document.",
        model=ScriptedDriver([json.dumps(wrapped)]),
        strategy="prompt",
        max_retries=0,
    )
    assert as_dict(found.value) == ANN
    assert "a wrapping around it" in found.attempts[-1].repairs


@pytest.mark.parametrize("schema", [Person, Record, Entry, PLAIN])
@pytest.mark.parametrize(
    "foreign",
    [
        {"Name": "Ann", "Age": 30},
        {"result": ANN, "status": "ok"},
        {"properties": {"name": {"type": "string"}}},
        {"name": "Person", "arguments": {"text": "A document."}},
    ],
)
def test_keys_that_are_all_foreign_are_no_answer(schema: Any, foreign: Any) -> None:
    assert as_dict(read(schema, json.dumps(foreign), json.dumps(ANN))) == ANN
    with pytest.raises(Invalid):
        read(schema, json.dumps(foreign))


@pytest.mark.parametrize("schema", [Person, Record, Entry, PLAIN])
def test_an_empty_object_is_an_empty_value(schema: Any) -> None:
    assert not any(as_dict(read(schema, "{}")).values())


@pytest.mark.parametrize("schema", [Person, Record, Entry, PLAIN])
def test_unknown_keys_are_noted(schema: Any) -> None:
    answer = json.dumps({**ANN, "born": 1990})
    found = extract_result(schema, "A document.", model=ScriptedDriver([answer]), strategy="prompt")
    assert found.attempts[-1].repairs == ("unknown keys: /born",)


@pytest.mark.parametrize("schema", [Person, Record, Entry])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("key", ["Age", "AGE", " age", "a-g_e", "age:"])
def test_a_field_by_another_spelling_is_not_lost(schema: Any, strategy: str, key: str) -> None:
    right = {"name": "a", "age": 3}
    found = read(schema, {"name": "a", key: 3}, right, strategy=strategy)
    assert as_dict(found) == right
    doubled = read(schema, {"name": "a", "age": 3, key: 4}, strategy=strategy)
    empty = read(schema, {"name": "a", "age": 3, "x": 4}, strategy=strategy)
    assert as_dict(doubled) == as_dict(empty) == right


class Shipment(BaseModel):
    items: list[str] = []
    address: str | None = None
    age: int | None = None
    line1: str | None = None


@pytest.mark.parametrize(
    "slip",
    [
        {"item": ["a"]},
        {"adress": "x"},
        {"addres": "x"},
        {"adrdess": "x"},
        {"addrass": "x"},
        {"agee": 3},
        {"data": {"address": "x", "age": 3}},
    ],
)
def test_a_field_whose_name_is_misspelt_or_that_stands_deeper_is_not_lost(
    slip: dict[str, Any],
) -> None:
    right = {"line1": "1 High St", "items": ["a"], "address": "x", "age": 3}
    given = {"line1": "1 High St", **slip}
    assert read(Shipment, json.dumps(given), json.dumps(right)).model_dump() == right
    with pytest.raises(Invalid) as caught:
        read(Shipment, json.dumps(given))
    assert [p.pointer for p in caught.value.problems] == [f"/{next(iter(slip))}"]


@pytest.mark.parametrize(
    "more", [{"page": 3}, {"line2": "x"}, {"x": {"y": 1}}, {"x": {}}, {"item": None}, {"lin1": {}}]
)
def test_another_field_is_no_misspelt_one(more: dict[str, Any]) -> None:
    given = {"line1": "1 High St", "items": ["a"], "address": "x", **more}
    given.pop("items") if "item" in more else None
    assert read(Shipment, json.dumps(given)).line1 == "1 High St"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str | None = None


class Aliased(BaseModel):
    name: str | None = Field(None, validation_alias=AliasChoices("fullName", "nm"))


class ByKey(RootModel[dict[str, int]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    says: str | None = None


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    barks: int | None = None


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Lowered(BaseModel):
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def lower(cls, data: Any) -> Any:
        return {key.lower(): value for key, value in data.items()}


class Tree(BaseModel):
    value: int | None = None
    children: list[Tree] = []


@pytest.mark.parametrize(
    ("schema", "answer", "expected"),
    [
        (Open, {"other": 1}, {"name": None, "other": 1}),
        (Aliased, {"nm": "A"}, {"name": "A"}),
        (Aliased, {"name": "A"}, {"name": "A"}),
        (ByKey, {"any": 1}, {"any": 1}),
        (Owner, {"pet": {"kind": "dog", "barks": 2}}, {"pet": {"kind": "dog", "barks": 2}}),
        (Lowered, {"NAME": "A"}, {"name": "A"}),
        (Tree, {"children": [{}]}, {"value": None, "children": [{"value": None, "children": []}]}),
    ],
)
def test_keys_that_a_schema_takes_are_not_foreign(schema: Any, answer: Any, expected: Any) -> None:
    assert read(schema, json.dumps(answer)).model_dump() == expected


@pytest.mark.parametrize(
    ("schema", "answer", "where"),
    [
        (Tree, {"value": 1, "children": [{"value": 2}, {"val": 3}]}, "/children/1"),
        (list[Person], [{"name": "a"}, {"nme": "b"}], "/1"),
        (dict[str, Person], {"k": {"z": 1}}, "/k"),
        (Lowered, {"zz": 1}, ""),
    ],
)
def test_foreign_keys_are_found_wherever_they_stand(schema: Any, answer: Any, where: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(schema, json.dumps(answer))
    assert [p.pointer for p in caught.value.problems] == [where]


class Spelt(BaseModel):
    total: int | None = Field(None, validation_alias=AliasChoices("total", "amount"))
    shop: str | None = Field(None, alias="store")
    first: int | None = Field(None, validation_alias=AliasChoices("one", AliasPath("all", 0)))
    second: int | None = Field(None, validation_alias=AliasPath("all", 1))


class Amount(BaseModel):
    amount: int
    total: int


@dataclass
class SpeltData:
    total: int = Field(validation_alias=AliasChoices("total", "amount"))


SPELT_ONCE = [
    (Spelt, {"amount": 3}),
    (Spelt, {"total": 3, "amount": 3}),
    (Spelt, {"total": 3, "amount": None}),
    (Spelt, {"store": "a", "shop": "a"}),
    (Spelt, {"one": 1, "all": [1, 2]}),
    (Spelt | Amount, {"total": 3, "amount": 4}),
    (SpeltData, {"total": 3, "amount": 3.0}),
]


@pytest.mark.parametrize(("schema", "answer"), SPELT_ONCE)
def test_a_field_under_two_names_with_one_value(schema: Any, answer: Any) -> None:
    read(schema, json.dumps(answer))


SPELT_TWICE = [
    (Spelt, {"total": 3, "amount": 4}, "/amount"),
    (Spelt, {"amount": 4, "total": 3}, "/amount"),
    (Spelt, {"total": None, "amount": 4}, "/amount"),
    (Spelt, {"shop": "a", "store": "b"}, "/shop"),
    (Spelt, {"one": 1, "all": [2]}, "/all/0"),
    (SpeltData, {"total": 3, "amount": 4}, "/amount"),
    (list[Spelt], [{}, {"total": 3, "amount": 4}], "/1/amount"),
]


@pytest.mark.parametrize(("schema", "answer", "where"), SPELT_TWICE)
def test_a_field_under_two_names_with_unlike_values(schema: Any, answer: Any, where: str) -> None:
    """Pydantic takes one of them, and the other would be lost without a word."""
    with pytest.raises(Invalid, match="with an unlike value") as caught:
        read(schema, json.dumps(answer))
    assert [(p.pointer, p.kind) for p in caught.value.problems] == [(where, "unlike_keys")]


def test_a_model_that_keeps_unknown_keys_loses_no_second_spelling() -> None:
    class Keeps(Aliased):
        model_config = ConfigDict(extra="allow")

    text = '{"fullName": "A", "nm": "B"}'
    if pydantic.VERSION.startswith("2.13."):  # it would lose it, from JSON
        with pytest.raises(Invalid, match="with an unlike value"):
            read(Keeps, text)
    else:
        assert read(Keeps, text).model_dump() == {"name": "A", "nm": "B"}


JSON_SCHEMAS_THAT_TAKE_ANY_KEY = [
    {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
    {"type": "object", "properties": {"a": {}}, "patternProperties": {"^z": {"type": "integer"}}},
    {"type": "object"},
    {"anyOf": [{"type": "object", "properties": {"z": {}}}, {"type": "null"}]},
    {"$ref": "#/$defs/z", "$defs": {"z": {"properties": {"z": {"type": "integer"}}}}},
]


@pytest.mark.parametrize("schema", JSON_SCHEMAS_THAT_TAKE_ANY_KEY)
def test_json_schemas_that_take_the_key(schema: Any) -> None:
    assert read(schema, '{"z": 1}') == {"z": 1}


class Priced(BaseModel):
    price: Decimal


LONG = "12345678901234567890.123456789"


@pytest.mark.parametrize("wrap", [json.dumps, lambda text: json.dumps({"arguments": text})])
def test_json_that_was_encoded_twice_is_read_by_the_same_rules(wrap: Any) -> None:
    assert read(Priced, wrap(f'{{"price": {LONG}}}')).price == Decimal(LONG)
    assert read(Priced, wrap('{"price": 1, "price": 1.0}')).price == 1
    for doubtful in ('{"price": 1, "price": 2}', '{"price": 1e999}', '{"price": 1, "x": NaN}'):
        with pytest.raises(Invalid):
            read(Priced, wrap(doubtful))


ADA = '{"name": "Ada", "age": 3}'


@pytest.mark.parametrize(
    "text",
    [
        ADA + '\n\nUsage:\n```python\np = P(**{"name": "example"})\n```',
        '```python\nitem = {"name": "example"}\n```\n' + ADA,
        'Schema: {"type": "object", "properties": {"name": {"type": "string"}}}\nAnswer: ' + ADA,
        f"{ADA}\nthat is: {ADA}",
        "[1, 2]\n" + ADA,
        '{"step": 1}\n' + ADA,
        'The log begins with [" and a date.\n\n' + ADA,
        f"<answer>{ADA}</answer>",
        f"```\r\n{ADA}\r\n```",
        f"\ufeff{ADA}",
        f"<think>maybe {{}}</think>{ADA}",
        ADA.replace('"', "“"),
    ],
)
def test_the_one_value_that_fits(text: str) -> None:
    assert read(Person, text) == Person(name="Ada", age=3)


@pytest.mark.parametrize(
    "text",
    [
        'Format:\n```json\n{"name": "string", "age": 0}\n```\nResult:\n' + ADA,
        ADA + '\nI considered {"name": "Bob", "age": 40} but rejected it.',
        f'{ADA}\n{{"name": "Bob"}}',
    ],
)
def test_several_that_fit_and_differ_are_a_question(text: str) -> None:
    assert read(Person, text, ADA) == Person(name="Ada", age=3)
    with pytest.raises(Invalid, match="several"):
        read(Person, text)
    with pytest.raises(Invalid, match="several"):
        list(
            extract_stream(
                Person,
                "A document.",
                model=ScriptedDriver([text], chunk_chars=4),
                strategy="prompt",
                max_retries=0,
            )
        )


def test_an_answer_that_is_cut_off_is_not_replaced_by_its_example() -> None:
    with pytest.raises(Truncated):
        read(Person, 'Example: {"name": "x"}\nAnswer: {"name": "Ada", "age"')


def test_a_broken_answer_is_not_replaced_by_a_remark() -> None:
    with pytest.raises(Invalid):
        read(Person, '{"name": "Ada", "age": $5}\n\nNot: {"name": "x"}')


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fenced", [False, True])
@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("NaN", None),
        ("1e999", Invalid),
        ("-Infinity", Invalid),
        ('1, "age": 1', 1),
        ('1, "age": 2', Invalid),
        ("9" * 5000, Invalid),
    ],
)
def test_one_set_of_rules(strategy: str, fenced: bool, age: str, expected: Any) -> None:
    text = f'{{"name": "a", "age": {age}}}'
    text = f"```json\n{text}\n```" if fenced else text
    if expected is Invalid:
        with pytest.raises(Invalid):
            read(Person, text, strategy=strategy)
    else:
        assert read(Person, text, strategy=strategy) == Person(name="a", age=expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("answer", [[ANN, {"name": "Bob"}], [[ANN]], [1], []])
def test_a_list_is_one_object_only_where_it_holds_one(strategy: str, answer: Any) -> None:
    with pytest.raises(Invalid):
        read(Person, json.dumps(answer), strategy=strategy)


class Tagged(BaseModel):
    tags: list[str]


@pytest.mark.parametrize(
    "answer", [{"tags": []}, [{"tags": 1}], [{"tags": {"a": []}}], {"tags": "[]"}]
)
def test_one_item_is_no_wrapping_of_an_empty_list(answer: Any) -> None:
    with pytest.raises(Invalid):
        read(list[Tagged], json.dumps(answer))
    assert read(list[Tagged], '{"found": [{"tags": []}]}') == [Tagged(tags=[])]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "text",
    [
        '```json\n[{"amount": 12345678901234567.125}]\n```',
        "[{'amount': 12345678901234567.125}]",
        '[{"amount": 12345678901234567.125}, {"amount": NaN}]',
        '[{"amount": 12345678901234567.125,, }]',
    ],
)
def test_digits_are_kept_in_items_that_are_mended(strategy: str, text: str) -> None:
    for found in (
        read(list[Measured], text, strategy=strategy),
        items(text, one=Measured, strategy=strategy),
    ):
        assert found[0] == Measured(amount=Decimal("12345678901234567.125"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_plain_value_of_the_last_snapshot_is_json(strategy: str) -> None:
    model = ScriptedDriver(['{"amount": 12345678901234567.125}'])
    stream = extract_stream(Measured, "A document.", model=model, strategy=strategy)
    *_, last = stream
    assert json.loads(json.dumps(last.plain))
    assert last.value == Measured(amount=Decimal("12345678901234567.125"))
    with pytest.raises(Invalid) as caught:
        read(Strict, '{"amount": 12345678901234567.125, "count": true}', strategy=strategy)
    assert json.dumps(caught.value.value)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_items_with_slips_are_judged_by_the_schema(strategy: str) -> None:
    two = [Tagged(tags=["a"])] * 2
    text = '[{"tags": ["a"]}, {"tags": ["a"]]}]'
    assert read(list[Tagged], text, strategy=strategy) == two
    assert items(text, one=Tagged, strategy=strategy) == two


class Strict(BaseModel):
    amount: Decimal | None = None
    count: int


class Measured(BaseModel):
    amount: Decimal | None = None


NUMBER = {"type": "object", "properties": {"amount": {"type": ["number", "null"]}}}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fenced", [False, True])
@pytest.mark.parametrize(
    ("digits", "exact"),
    [
        ("12345678901234567.125", "12345678901234567.125"),
        ("1.2345678901234567e-300", "1.2345678901234567e-300"),
        ("1e-99999999999999999999", "0"),
        ("0.00000000000000000000e99999999999999999999", "0"),
        ("-0.000000000000000000000", "0"),
        ("1e99999999999999999999", None),
        ("1.2345678901234567890e400", None),
    ],
)
def test_numbers_of_any_size(strategy: str, fenced: bool, digits: str, exact: str | None) -> None:
    """Whatever decimal context the caller has. A dict schema gives floats, by every way."""
    text = f'{{"amount": {digits}}}'
    text = f"```json\n{text}\n```" if fenced else text
    every = [Inexact, Rounded, Subnormal, FloatOperation, InvalidOperation]
    for context in (Context(), Context(prec=3, traps=every), Context(traps=[])):
        with localcontext(context):
            if exact is None:
                for schema in (Measured, list[Measured], NUMBER):
                    with pytest.raises(Invalid):
                        read(schema, text, strategy=strategy)
                continue
            found = read(Measured, text, strategy=strategy)
            plain = read(NUMBER, text, strategy=strategy)
        assert found == Measured(amount=Decimal(exact))
        assert type(plain["amount"]) is float and plain == {"amount": float(exact)}


@pytest.mark.parametrize(
    ("inner", "meant"),
    [
        (r"\alpha + \frac{1}{2}", True),
        (r"\gamma \boldsymbol{x} \rho \nu", True),
        (r"C:\Users\new\temp", True),
        (r"^\d{3}\b\s\w+$", True),
        (r"100\% sure", True),
        (r"\d+\n\d", False),
        (r"line\nSecond \alpha", False),
        (r"\\alpha \cdot", False),
        (r"\frac{1}{2}", False),
        (r"C:\temp", False),
        (r"d:\reports", False),
        (r"\text{if } x", False),
        (r"\bar{x}", False),
        (r"\begin{array}", False),
        (r"x \neq y", False),
    ],
)
def test_stray_backslashes(inner: str, meant: bool) -> None:
    text = f'{{"name": "{inner}", "age": 1}}'
    if meant:
        assert read(Person, text).name == inner
    else:
        with pytest.raises(Invalid):
            read(Person, text)


@pytest.mark.parametrize(
    "text",
    [
        "\neq Abkhaz",
        "see\neq (3)",
        'the "s:\tthe solder"',
        "N:\tcmdline.txt\t/*N:*",
        "Q:\twhat\nA:\tthat",
        "a\x0cnew page",
        "x \\neq y, \\frac{1}{2}, C:\\temp",
        "tab\text and\rreturn",
    ],
)
def test_texts_that_have_control_characters(text: str) -> None:
    assert read(Person, json.dumps({"name": text, "age": 1})) == Person(name=text, age=1)


class Lines(BaseModel):
    lines: list[Person]


class Order(BaseModel):
    number: str
    lines: list[Person]


def called(*calls: tuple[str, Any]) -> Completion:
    made = [
        ToolCall(id=f"c{i}", name=name, arguments=None, raw_arguments=json.dumps(arguments))
        for i, (name, arguments) in enumerate(calls)
    ]
    return Completion(text="", tool_calls=tuple(made), stop_reason="tool_calls", model="m")


A, B = {"name": "a", "age": 1}, {"name": "b", "age": 2}
BOTH = [Person(**A), Person(**B)]


@pytest.mark.parametrize(
    ("schema", "calls", "value"),
    [
        (list[Person], [("list_of_Person", {"items": [each]}) for each in (A, B)], BOTH),
        (Lines, [("Lines", {"lines": [each]}) for each in (A, B)], Lines(lines=BOTH)),
        (Person, [("Person", A), ("Person", A)], Person(**A)),
        (Person, [("other", B), ("Person", A)], Person(**A)),
        (Person, [("person", A)], Person(**A)),
        (Person, [("Person", json.dumps(A))], Person(**A)),
        (Person, [("Person", A), ("Person", B)], Invalid),
        (Person, [("x", A), ("y", B)], Invalid),
        (Order, [("Order", {"number": "1", "lines": [each]}) for each in (A, B)], Invalid),
    ],
)
def test_several_calls(schema: Any, calls: Any, value: Any) -> None:
    if value is Invalid:
        with pytest.raises(Invalid):
            read(schema, called(*calls), strategy="tool")
    else:
        assert read(schema, called(*calls), strategy="tool") == value


def items(text: str, *, one: Any = Person, **options: Any) -> list[Any]:
    options = {"strategy": "prompt", "max_retries": 0, **options}
    model = ScriptedDriver([text], chunk_chars=6)
    found = extract_items(one, "A document.", model=model, **options)
    return [each.value for each in found]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_items_of_any_number(strategy: str) -> None:
    text = '{"items": [{"name": "a", "age": NaN}, {"name": "b", "age": 1e-9999999999999999999}]}'
    assert items(text, strategy=strategy) == [Person(name="a"), Person(name="b", age=0)]
    text = '{"items": [{"name": "a", "age": 1e9999999999999999999}, {"name": "b"}]}'
    assert items(text, strategy=strategy, on_error="skip") == [Person(name="b")]


def test_items_hold_to_the_same_rules() -> None:
    assert items('[{"name": "a"}, {"name": "b"}]\nSee [1].') == [Person(name="a"), Person(name="b")]
    assert items("[{'name': 'a'}]") == [Person(name="a")]
    assert items('{"items": [{"nme": "a"}, {"name": "b"}]}', on_error="skip") == [Person(name="b")]
    for text in (
        'Format:\n[{"name": "string"}]\nResult:\n[{"name": "a"}]',
        '{"items": [{"name": "a", "name": "b"}]}',
    ):
        with pytest.raises(Invalid):
            items(text)


class Money(BaseModel):
    amount: float
    currency: str | None = "USD"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_explicit_null_stays_null(strategy: str) -> None:
    assert read(Money, '{"amount": 1, "currency": null}', strategy=strategy).currency is None


PIECES = (
    *'{}[]":,',
    *(
        "name",
        "age",
        " ",
        "\n\n",
        "```json\n",
        "```",
        "```py\n",
        "<think>",
        "</think>",
        "null",
        "NaN",
    ),
    *("1e999", "12", '"name": "x"', "\\", "\\alpha", "'", "“", "//", "#", "...", "\ud800", "\x00"),
    *('{"name":"Ann","age":3}', '{"properties":', '{"name":"P","arguments":'),
)


@given(
    st.lists(st.sampled_from(PIECES), max_size=25),
    st.sampled_from([Person, list[Person], PLAIN, int, Any]),
)
@settings(deadline=None, max_examples=150)
def test_any_text_is_a_value_or_a_problem(pieces: list[str], schema: Any) -> None:
    made = source(schema)
    plan = SimpleNamespace(rewrite=rewrite(made.json_schema, "plain", exact=False))
    try:
        found = read_text(made, plan, "".join(pieces))  # type: ignore[arg-type]
    except Rejected as refusal:
        assert refusal.problems
    else:
        made.validate_json(json.dumps(to_jsonable_python(found.value)))


@pytest.mark.parametrize("space", ["", " ", "\n", "\t", "\r\n  "])
@pytest.mark.parametrize("kind", [Person, Record, Entry])
def test_a_key_counts_however_it_stands_before_its_colon(kind: Any, space: str) -> None:
    with pytest.raises(Invalid):
        read(kind, f'{{"name":"Ann","age":30,"age"{space}:31}}')
    found = extract_result(
        kind,
        "A document.",
        model=ScriptedDriver([f'{{"name"{space}:"Ann","age":30,"colour":"a:b"}}']),
        strategy="prompt",
    )
    assert as_dict(found.value) == ANN
    assert any("/colour" in each for each in found.attempts[0].repairs)
