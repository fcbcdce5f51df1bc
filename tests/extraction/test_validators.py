"""Validators of the user's: whatever they raise, what they see, and what is left of the answer."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

import prompture
from prompture import Completion, Extractor, Usage
from prompture.catalog import Rates
from prompture.errors import ConfigurationError, Invalid, PromptureError, Refused, Truncated
from prompture.testing import AsyncScriptedDriver, ScriptedDriver

RATES = Rates(input=Decimal(1), output=Decimal(2))
USAGE = Usage(input_tokens=10, output_tokens=5, requests=1, reported=True)
TABLE = {"A1": "first"}


class OwnError(Exception):
    pass


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("secret-B2")

    __repr__ = __str__


def mute(code: str) -> str:
    if code != "A1":
        raise MuteError
    return code


def divide(code: str) -> str:
    return str(1 // (code == "A1"))


def look_up(code: str) -> str:
    return TABLE[code]


def own(code: str) -> str:
    if code != "A1":
        raise OwnError("only A1 will do")
    return code


def bare(code: str) -> str:
    if code != "A1":
        raise Exception("only A1 will do")
    return code


def stop(code: str) -> str:
    if code != "A1":
        raise StopIteration(code)
    return code


def attribute(code: str) -> str:
    return {"A1": code}.get(code).upper()  # type: ignore[union-attr]


FAULTS: list[tuple[Any, type[Exception], str]] = [
    (divide, ZeroDivisionError, "validator divide() raised ZeroDivisionError"),
    (look_up, KeyError, "validator look_up() raised KeyError"),
    (own, OwnError, "validator own() raised OwnError: only A1 will do"),
    (bare, Exception, "validator bare() raised Exception: only A1 will do"),
    (stop, StopIteration, "validator stop() raised StopIteration"),
    (mute, MuteError, "MuteError: (its message cannot be read: ValueError)"),
    (attribute, AttributeError, "validator attribute() raised AttributeError"),
]
BAD, GOOD = '{"code": "secret-B2"}', '{"code": "A1"}'


def schema(validator: Any) -> Any:
    class Coded(BaseModel):
        code: Annotated[str, AfterValidator(validator)]

    return Coded


def paid(text: str) -> Completion:
    return Completion(text=text, usage=USAGE)


def by_extract(model: Any, answers: list[Any], **options: Any) -> Any:
    return prompture.extract(model, "t", model=ScriptedDriver(answers, prices=RATES), **options)


def by_aextract(model: Any, answers: list[Any], **options: Any) -> Any:
    driver = AsyncScriptedDriver(answers, prices=RATES)
    return asyncio.run(prompture.aextract(model, "t", model=driver, **options))


def by_stream(model: Any, answers: list[Any], **options: Any) -> Any:
    driver = ScriptedDriver(answers, prices=RATES)
    seen = list(prompture.extract_stream(model, "t", model=driver, **options))
    assert [p.value for p in seen]
    return seen[-1].value


def by_astream(model: Any, answers: list[Any], **options: Any) -> Any:
    async def run() -> Any:
        driver = AsyncScriptedDriver(answers, prices=RATES)
        stream = prompture.aextract_stream(model, "t", model=driver, **options)
        return [p.value async for p in stream][-1]

    return asyncio.run(run())


WAYS = [by_extract, by_aextract, by_stream, by_astream]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("validator", "kind", "said"), FAULTS)
def test_whatever_a_validator_raises_is_a_problem(
    way: Any, validator: Any, kind: type[Exception], said: str
) -> None:
    model = schema(validator)
    assert way(model, [paid(BAD), paid(GOOD)], max_retries=1).code
    with pytest.raises(Invalid) as caught:
        way(model, [paid(BAD)], max_retries=0)
    error = caught.value
    assert said in str(error) and "secret" not in str(error) + repr(error)
    assert type(error.__cause__) is kind
    assert error.bill is not None and error.bill.total == Decimal("0.00002")
    assert [p.kind for p in error.problems] == ["validator"]
    assert error.value == {"code": "secret-B2"} and error.raw == BAD


@pytest.mark.parametrize(("validator", "kind", "said"), FAULTS)
def test_the_model_is_told_and_the_next_is_asked(validator: Any, kind: Any, said: str) -> None:
    first, second = ScriptedDriver([BAD, BAD]), ScriptedDriver([GOOD])
    found = prompture.extract_result(
        schema(validator), "t", model=[first, second], max_retries=1, strategy="prompt"
    )
    assert said in first.requests[1].messages[-1].text
    assert len(found.attempts) == 3 and found.attempts[0].raw == BAD
    assert BAD not in repr(found.attempts)


@pytest.mark.parametrize("on_error", ["skip", "collect", "raise"])
@pytest.mark.parametrize(("validator", "kind", "said"), FAULTS)
def test_one_bad_item_ends_nothing(
    on_error: Any, validator: Any, kind: type[Exception], said: str
) -> None:
    text = f'{{"items": [{GOOD}, {BAD}, {GOOD}]}}'
    stream = prompture.extract_items(
        schema(validator), "t", model=ScriptedDriver([text]), on_error=on_error
    )
    if on_error == "raise":
        with pytest.raises(Invalid) as caught:
            list(stream)
        assert type(caught.value.__cause__) is kind and caught.value.raw == BAD
        return
    items = list(stream)
    assert [i.index for i in items] == ([0, 2] if on_error == "skip" else [0, 1, 2])
    if on_error == "collect":
        assert said in items[1].problems[0].message


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_interrupt_is_no_problem_and_keeps_the_bill(kind: type[BaseException]) -> None:
    def interrupt(code: str) -> str:
        raise kind

    with pytest.raises(kind) as caught:
        by_extract(schema(interrupt), [paid(GOOD)])
    assert caught.value.bill.total == Decimal("0.00002")  # type: ignore[attr-defined]


def test_a_validator_that_must_be_awaited_is_refused() -> None:
    async def later(code: str) -> str:
        return code

    with pytest.raises(prompture.SchemaError, match=r"later is async, and nobody awaits it"):
        prompture.extract(schema(later), "t", model=ScriptedDriver([]))


def test_an_example_of_items_may_be_one_of_them() -> None:
    for value in ({"page": 1, "words": "a"}, [{"page": 1, "words": "a"}]):
        driver = ScriptedDriver(['{"items": [{"words": "b"}]}'])
        found = prompture.extract_items(Title, "t", model=driver, examples=[("d", value)])
        assert [i.value.words for i in found] == ["b"]
        assert json.loads(driver.requests[0].messages[2].text)["items"][0]["words"] == "a"


class Quote(BaseModel):
    words: str

    @field_validator("words")
    @classmethod
    def stands_there(cls, value: str, info: ValidationInfo) -> str:
        if value not in info.context["text"]:  # type: ignore[index]
            raise ValueError("these words are not in the text")
        return value


TEXT = "To be or not to be."
WRONG, RIGHT = '{"words": "to see or not"}', '{"words": "not to be"}'


@pytest.mark.parametrize("way", WAYS)
def test_a_context_reaches_the_validators(way: Any) -> None:
    found = way(Quote, [WRONG, RIGHT], context={"text": TEXT}, max_retries=1)
    assert found == Quote.model_construct(words="not to be")


def test_each_call_has_its_own_context() -> None:
    for word in ("one", "two", "one"):
        made = Extractor(Quote, model=ScriptedDriver([f'{{"words": "{word}"}}']), max_retries=0)
        with pytest.raises(Invalid, match="context="):
            made.extract("t")
        fit = Extractor(
            Quote, model=ScriptedDriver([f'{{"words": "{word}"}}']), context={"text": word}
        )
        assert fit.extract("t").words == word


def test_a_context_reaches_snapshots_and_items() -> None:
    driver = ScriptedDriver([RIGHT], chunk_chars=3)
    stream = prompture.extract_stream(Quote, "t", model=driver, context={"text": TEXT})
    assert all(not p.problems for p in stream)
    driver = ScriptedDriver([f'{{"items": [{RIGHT}, {WRONG}]}}'])
    found = list(
        prompture.extract_items(
            Quote, "t", model=driver, context={"text": TEXT}, on_error="collect"
        )
    )
    assert [bool(i.problems) for i in found] == [False, True]


def test_a_json_schema_has_no_validators() -> None:
    assert by_extract({"type": "integer"}, ["7"], context={"a": 1}) == 7


def test_without_a_context_nobody_is_asked_twice() -> None:
    driver = ScriptedDriver([paid(WRONG)], prices=RATES)
    with pytest.raises(Invalid, match=r"asked once.*info\.context.*context=") as caught:
        prompture.extract(Quote, "t", model=driver)
    assert isinstance(caught.value.__cause__, TypeError) and caught.value.bill


class Title(BaseModel):
    words: str = Field(max_length=10)
    page: int = 0


LAST = '{"words": "eleven chars", "page": 3}'
ENDS: list[tuple[Completion, type[PromptureError], Any]] = [
    (paid(LAST), Invalid, {"words": "eleven chars", "page": 3}),
    (paid('{"words": "eleven cha'), Truncated, {"words": "eleven cha"}),
    (Completion(text='{"words": "ab", "pa', stop_reason="length"), Truncated, {"words": "ab"}),
    (Completion(text='{"words": "ab"', stop_reason="content_filter"), Refused, {"words": "ab"}),
    (Completion(text="I would rather not.", stop_reason="refusal"), Refused, None),
    (paid("no JSON at all"), Invalid, None),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("answer", "kind", "value"), ENDS)
def test_the_last_answer_is_at_hand(way: Any, answer: Completion, kind: Any, value: Any) -> None:
    with pytest.raises(kind) as caught:
        way(Title, [paid('{"words": "much too long a text"}'), answer], max_retries=1)
    error = caught.value
    assert error.partial is not None and error.raw == error.partial.text == answer.text
    assert error.value == value
    assert [a.raw for a in error.attempts] == ['{"words": "much too long a text"}', answer.text]
    assert answer.text not in str(error) + repr(error) + repr(error.attempts)
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (again.raw, again.value, again.attempts) == (error.raw, value, error.attempts)


def test_the_last_answer_of_parts_is_merged_into_the_whole() -> None:
    class Row(BaseModel):
        name: str
        price: float

    rows = [{"name": f"row number {i}", "price": i + 0.5} for i in range(30)]
    first = [*rows[:7], {"name": "seven", "price": "free"}, *rows[8:]]
    parts = '{"7_price": "gratis"}'
    with pytest.raises(Invalid) as caught:
        prompture.extract(
            list[Row],
            "t",
            model=ScriptedDriver([json.dumps(first), parts]),
            strategy="prompt",
            max_retries=1,
        )
    assert caught.value.raw == parts
    assert caught.value.value[:7] == rows[:7] and caught.value.value[7]["name"] == "seven"


def test_a_schema_that_raises_when_it_is_looked_at() -> None:
    class Broken:
        @classmethod
        def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
            raise KeyError("no")

    class Mute:
        def __repr__(self) -> str:
            raise KeyError("no")

    for schema in (Broken, Mute()):
        with pytest.raises(prompture.SchemaError):
            prompture.extract(schema, "t", model=ScriptedDriver([]))


def test_a_value_of_an_example_that_cannot_be_written() -> None:
    with pytest.raises(ConfigurationError, match=r"examples\[0\].*JSON"):
        by_extract(int, ["1"], examples=[("t", object())])


def test_a_class_that_cannot_be_made_unfinished_ends_no_stream() -> None:
    made: list[int] = []

    class Odd(BaseModel):
        name: str

        def __new__(cls, *_: Any, **__: Any) -> Any:
            made.append(1)
            raise LookupError("no")

    driver = ScriptedDriver(['{"name": "Anna"}'], chunk_chars=5)
    seen: list[Any] = []
    with pytest.raises(Invalid, match="raised LookupError"):
        for partial in prompture.extract_stream(Odd, "t", model=driver, max_retries=0):
            seen.append((partial.value, partial.problems))
    assert made and seen and all(value is None for value, _ in seen)
    assert any("raised LookupError" in str(found) for _, found in seen)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "text", ['{"code": "\ud83d', '{"code": "A1\ud83d"}', "\ud83d", '{"code": "A1\\ud83d"}']
)
def test_half_a_character_is_asked_for_again(way: Any, text: str) -> None:
    model = schema(own)
    assert way(model, [paid(text), paid(GOOD)], max_retries=1).code == "A1"
