"""Answers that were cut off: lists are gone on with, others are asked for once more."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import prompture
from prompture import Budget, Cache, errors
from prompture.extraction.cut_off import joined, list_path
from prompture.testing import AsyncFunctionDriver, FunctionDriver
from prompture.types import Completion, Request, ToolCall, Usage


class Line(BaseModel):
    name: str
    amount: int


class Order(BaseModel):
    company: str
    lines: list[Line]


LINES = [{"name": f"n{i}", "amount": i} for i in range(9)]


def _writer(
    value: dict[str, Any] | list[Any], key: str | None, cut: int, after: int = 10**9, **more: Any
) -> Callable[[Request], Completion]:
    """A model that writes a value, is cut off after so many characters, and goes on as it is asked
    to; each rest is cut off after ``after`` characters."""

    def answer(request: Request) -> Completion:
        items = value if key is None else value[key]  # type: ignore[call-overload]
        asked = request.messages[-1].text
        start, limit = 0, cut
        if asked.startswith("Your answer was cut off. It had "):
            again = re.search(r"the last (\d+) of them", asked)
            start, limit = int(asked.split()[7]) - int(again[1] if again else 1), after
        rest = items[start:]
        text = json.dumps(rest if key is None else {**value, key: rest})  # type: ignore[dict-item]
        reason: Any = "stop" if len(text) <= limit else "length"
        return Completion(
            text=text[:limit],
            stop_reason=reason,
            usage=Usage(output_tokens=len(text[:limit]), reported=True),
            **more,
        )

    return answer


def _result(schema: Any, answer: Callable[[Request], Any], **options: Any) -> Any:
    return prompture.extract_result(schema, "a document", model=FunctionDriver(answer), **options)


ORDER = {"company": "ACME", "lines": LINES}


def test_the_rest_of_a_list_is_asked_for() -> None:
    driver = FunctionDriver(_writer(ORDER, "lines", 100))
    result = prompture.extract_result(Order, "a document", model=driver)
    assert result.value == Order.model_validate(ORDER)
    assert [a.charge.status for a in result.attempts] == ["truncated", "ok"]
    assert len(result.cost.charges) == len(driver.requests) == 2
    words = driver.requests[1].messages[-1].text
    assert "It had 2 complete items" in words and '"n1"' in words


def test_it_is_asked_for_as_often_as_it_brings_something() -> None:
    result = _result(Order, _writer(ORDER, "lines", 100, 110), max_retries=0)
    assert result.value == Order.model_validate(ORDER)
    assert len(result.attempts) > 3


def test_a_rest_that_brings_nothing_ends() -> None:
    with pytest.raises(errors.Truncated) as caught:
        _result(Order, _writer(ORDER, "lines", 100, 60))
    assert [a.charge.status for a in caught.value.attempts if a.charge] == ["truncated"] * 2
    assert caught.value.value == {"company": "ACME", "lines": LINES[:2]}


def test_both_colours_and_streams() -> None:
    answer = _writer(ORDER, "lines", 100, 150)
    whole = Order.model_validate(ORDER)

    async def awaited() -> None:
        driver = AsyncFunctionDriver(answer)
        assert await prompture.aextract(Order, "a document", model=driver) == whole
        last = [p async for p in prompture.aextract_stream(Order, "a document", model=driver)][-1]
        assert last.value == whole

    asyncio.run(awaited())
    *_, last = prompture.extract_stream(Order, "a document", model=FunctionDriver(answer))
    assert last.value == whole and last.result is not None
    assert len(last.result.attempts) > 1


@pytest.mark.parametrize("cut", [60, 80, 130])
def test_items_go_on_without_repetition(cut: int) -> None:
    def answer(request: Request) -> Completion:
        key = next(iter(request.schema["properties"])) if request.schema else "items"
        return _writer({key: LINES}, key, cut, 90)(request)

    driver = FunctionDriver(answer)
    found = list(prompture.extract_items(Line, "a document", model=driver))
    assert [(i.index, i.value.amount) for i in found] == [(n, n) for n in range(9)]

    async def awaited() -> list[int]:
        stream = prompture.aextract_items(Line, "a document", model=AsyncFunctionDriver(answer))
        return [item.value.amount async for item in stream]

    assert asyncio.run(awaited()) == list(range(9))


class Person(BaseModel):
    name: str
    story: str


ANN = '{"name": "Ann", "story": "x"}'


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_met_its_limit_at_its_end_is_taken(stream: bool) -> None:
    driver = FunctionDriver(lambda _: Completion(text=f"{ANN}\n\n  ", stop_reason="length"))
    if stream:
        *_, last = prompture.extract_stream(Person, "a document", model=driver)
        result = last.result
        assert result is not None
    else:
        result = prompture.extract_result(Person, "a document", model=driver)
    assert result.value == Person(name="Ann", story="x")
    assert result.notes == ("the answer met its limit of tokens, and was whole",)
    assert [a.charge.status for a in result.attempts if a.charge] == ["ok"]
    assert len(driver.requests) == 1


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (Person, f"{ANN}\nNo, wait:"),
        (Person, f"```json\n{ANN}\n"),
        (Person, f"{ANN}{ANN}"),
        (Person, '{"name": "Ann"}'),
        (int, "12"),
        (Order, '{"company": "ACME", "lines": []}'),
        (list[int], "[1, 2]"),
    ],
)
def test_what_may_lack_its_end_is_not_taken(schema: Any, text: str) -> None:
    driver = FunctionDriver(lambda _: Completion(text=text, stop_reason="length"))
    with pytest.raises(errors.Truncated):
        prompture.extract(schema, "a document", model=driver, max_tokens=9)
    assert len(driver.requests) == 2


def test_the_arguments_of_a_call_may_have_been_closed() -> None:
    call = ToolCall(id="c", name="person", arguments=json.loads(ANN), raw_arguments=ANN)
    driver = FunctionDriver(lambda _: Completion(tool_calls=(call,), stop_reason="length"))
    with pytest.raises(errors.Truncated):
        prompture.extract(Person, "a document", model=driver, strategy="tool")


def test_what_is_no_list_is_asked_for_once_more() -> None:
    text = json.dumps({"name": "Ann", "story": "x" * 50})

    def answer(request: Request) -> Completion:
        most = request.max_tokens or 0
        reason: Any = "stop" if most >= len(text) else "length"
        return Completion(text=text[:most], stop_reason=reason)

    driver = FunctionDriver(answer)
    person = prompture.extract(Person, "t", model=driver, max_tokens=30, max_retries=0)
    assert person.name == "Ann"
    assert [r.max_tokens for r in driver.requests] == [30, 120]
    again = FunctionDriver(answer)
    with pytest.raises(errors.Truncated) as caught:
        prompture.extract(Person, "t", model=again, max_tokens=12)
    assert [r.max_tokens for r in again.requests] == [12, 48]
    assert caught.value.value["name"] == "Ann"


def test_it_may_be_left_to_the_caller() -> None:
    driver = FunctionDriver(_writer(ORDER, "lines", 100))
    with pytest.raises(errors.Truncated):
        prompture.extract(Order, "a document", model=driver, on_truncation="raise")
    assert len(driver.requests) == 1
    with pytest.raises(errors.ConfigurationError, match="on_truncation"):
        prompture.Extractor(Order, on_truncation="never")  # type: ignore[arg-type]


def test_a_budget_that_has_no_more_leaves_what_came() -> None:
    budget = Budget(calls=1, on_unknown="allow")
    with pytest.raises(errors.Truncated) as caught:
        _result(Order, _writer(ORDER, "lines", 100), budget=budget)
    assert len(caught.value.value["lines"]) >= 2
    assert isinstance(caught.value.__cause__, errors.BudgetExceeded)


def test_what_came_is_on_the_error_of_its_rest() -> None:
    write = _writer(ORDER, "lines", 100)
    failing = FunctionDriver(
        lambda request: (
            write(request)
            if len(request.messages) < 3
            else errors.ServerError("down", provider="function", status=500)
        )
    )
    with pytest.raises(errors.ServerError) as caught:
        prompture.extract(Order, "a document", model=failing)
    assert caught.value.partial is not None and '"n1"' in caught.value.partial.text
    assert caught.value.bill is not None and len(caught.value.bill.charges) >= 2


def test_what_came_of_a_rest_that_broke_off_is_with_what_came_before() -> None:
    write = _writer(ORDER, "lines", 100, 120)

    def answer(request: Request) -> Any:
        came = write(request)
        if len(request.messages) < 3:
            return came
        error = errors.ConnectionLost("broke off")
        error.partial = came
        return error

    with pytest.raises(errors.ConnectionLost) as caught:
        prompture.extract(Order, "a document", model=FunctionDriver(answer))
    partial = caught.value.partial
    assert partial is not None and partial.stop_reason == "length"
    assert json.loads(partial.text) == {"company": "ACME", "lines": LINES[:4]}


def test_a_cut_answer_is_in_no_cache() -> None:
    cache = Cache()
    answer = _writer({"company": "ACME", "lines": LINES[:1]}, "lines", 20)
    for _ in range(2):
        with pytest.raises(errors.Truncated):
            _result(Order, answer, cache=cache)
    assert cache.stats().answers == 0


def test_an_invalid_answer_is_in_no_cache() -> None:
    cache, answers = Cache(), iter(["{}", '{"name": "Ann", "story": ""}'])
    driver = FunctionDriver(lambda _: next(answers))
    options: Any = {"model": driver, "cache": cache}
    assert prompture.extract_result(Person, "t", **options).cache_hit is False
    assert cache.stats().answers == 1  # the second one alone
    answers = iter(['{"name": "Bob", "story": ""}'])
    first = prompture.extract_result(Person, "t", **options)
    again = prompture.extract_result(Person, "t", **options)
    assert (first.value.name, again.value.name) == ("Bob", "Bob")
    assert (first.cache_hit, again.cache_hit) == (False, True)
    assert again.cost.total == 0 and len(driver.requests) == 3


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "array"}, ()),
        ({"type": "object", "properties": {"a": {"type": "array"}, "b": {}}}, ("a",)),
        ({"properties": {"a": {"type": "array"}, "b": {"type": "array"}}}, None),
        ({"properties": {"a": {"anyOf": [{"type": "array"}, {"type": "null"}]}}}, ("a",)),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "array"}}}, ("a",)),
        ({"type": "string"}, None),
        ({"type": "array", "prefixItems": []}, None),
    ],
)
def test_where_the_list_stands(schema: Any, path: Any) -> None:
    assert list_path(schema) == path


@pytest.mark.parametrize(
    ("known", "more", "whole"),
    [
        ("abc", "cde", "abcde"),  # as it was asked for
        ("abc", "de", "abcde"),
        ("abc", "bcd", "abcd"),  # more than was asked for
        ("abc", "abcd", "abcd"),  # all of it
        ("abc", "abx", "abcabx"),  # something else that begins like it
        ("aa", "aab", "aaab"),
        ("abc", "", "abc"),
        ("aba", "bacd", "abacd"),  # two are asked for, as the last is like the first
        ("aba", "abacd", "abacd"),
        ("aba", "acd", "abacd"),
        ("aba", "cd", "abacd"),
        ("abba", "abbx", "abbabbx"),
    ],
)
def test_lists_are_joined(known: str, more: str, whole: str) -> None:
    assert joined(list(known), list(more)) == list(whole)


@pytest.mark.parametrize(("known", "more"), [("abc", "ab"), ("abac", "b"), ("aba", "ab")])
def test_a_rest_that_may_be_either_is_not_joined(known: str, more: str) -> None:
    assert joined(list(known), list(more)) is None
    cut = Completion(text=json.dumps(list(known))[:-1] + ', "', stop_reason="length")
    for extract in (_whole_list, _each_item):
        answers = iter([_in_items(cut), _in_items(Completion(text=json.dumps(list(more))))])
        with pytest.raises(errors.Truncated) as caught:
            extract(FunctionDriver(lambda _, given=answers: next(given)))
        assert caught.value.bill is not None and len(caught.value.attempts) == 2


def _in_items(completion: Completion) -> Completion:
    end = "" if completion.stop_reason == "length" else "}"
    return replace(completion, text=f'{{"items": {completion.text}{end}')


def _whole_list(driver: Any) -> list[str]:
    return prompture.extract(list[str], "a document", model=driver, max_retries=0)


def _each_item(driver: Any) -> list[str]:
    found = prompture.extract_items(str, "a document", model=driver, max_retries=0)
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("rest", "whole"),
    [
        ("[2, 3, 4]", [1, 2, 3, 4]),  # not in the envelope that was asked for
        ('Here it is:\n```json\n{"items": [2, 3]}\n```', [1, 2, 3]),
        ("{'items': [2, 3,]}", [1, 2, 3]),
        ('{"items": [2, 3]}\n{"items": [2, 3]}', [1, 2, 3]),
        ('{"items": [2, 3]}\n{"items": [5, 6]}', None),
        ('{"items": [2, 3], "items": [2, 4]}', None),
        ('{"items": [2, 3, "x}', None),  # it broke off, whatever the provider states
        ("3, 4]}", None),
    ],
)
def test_a_rest_is_read_as_any_answer(rest: str, whole: list[int] | None) -> None:
    first = Completion(text='{"items": [1, 2, 3', stop_reason="length")
    answers = iter([first, rest, rest])
    driver = FunctionDriver(lambda _: next(answers))
    if whole is not None:
        assert prompture.extract(list[int], "a document", model=driver) == whole
        return
    with pytest.raises((errors.Truncated, errors.Invalid)):
        prompture.extract(list[int | str], "a document", model=driver, max_retries=0)


def test_every_digit_is_kept() -> None:
    first = '{"items": [0.12345678901234567890, 2.50, 3'
    for extract in (_decimals, _each_decimal):
        answers = iter([Completion(text=first, stop_reason="length"), '{"items": [2.50, 7]}'])
        found = extract(FunctionDriver(lambda _, given=answers: next(given)))
        assert found == [Decimal("0.12345678901234567890"), Decimal("2.50"), 7]


def _decimals(driver: Any) -> list[Decimal]:
    return prompture.extract(list[Decimal], "a document", model=driver)


def _each_decimal(driver: Any) -> list[Decimal]:
    return [i.value for i in prompture.extract_items(Decimal, "a document", model=driver)]


def test_what_a_model_repeats_may_lack_a_null_or_a_blank() -> None:
    first = '{"items": [{"name": "a", "of": null}, {"name": "b  c", "of": null}, {"na'
    answers = iter([Completion(text=first, stop_reason="length"), '{"items": [{"name": "b c"}]}'])
    found = prompture.extract(
        list[dict[str, str | None]], "t", model=FunctionDriver(lambda _: next(answers))
    )
    assert [each["name"] for each in found] == ["a", "b  c"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2) | st.floats(-9, 9) | st.text(max_size=3), min_size=1, max_size=12),
    st.data(),
)
def test_a_list_that_is_cut_anywhere_and_resumed_is_the_whole(
    items: list[Any], data: st.DataObject
) -> None:
    text = json.dumps({"items": items})
    cut = data.draw(st.integers(1, len(text)))
    schema = {
        "type": "object",
        "properties": {"items": {"type": "array"}},
        "required": ["items"],
    }
    answer = _writer({"items": items}, "items", cut)
    # Before its first item is complete there is nothing to go on with.
    grown = FunctionDriver(lambda r: answer(r) if r.max_tokens is None else _whole(text))
    options: Any = {"max_retries": 0, "strategy": "prompt"}
    result = prompture.extract_result(schema, "t", model=grown, **options)
    assert _same(result.value["items"], items)


def _whole(text: str) -> Completion:
    return Completion(text=text)


def _same(found: Sequence[Any], items: Sequence[Any]) -> bool:
    return json.dumps(found) == json.dumps(items)
