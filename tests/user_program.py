"""What a program of a user's says to a type checker. Checked by ``make types``, not run.

A line with an ignore comment must be an error: mypy refuses a comment that ignores nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypedDict, assert_type

from pydantic import BaseModel, TypeAdapter

import prompture
from prompture import (
    Agent,
    AgentResult,
    Completion,
    Delta,
    Estimate,
    Extraction,
    Extractor,
    Health,
    Invalid,
    Item,
    ModelInfo,
    Partial,
    RateLimitError,
    aextract,
    aextract_items,
    aextract_result,
    aextract_stream,
    async_driver_for,
    driver_for,
    estimate,
    extract,
    extract_items,
    extract_result,
    extract_stream,
    track,
)
from prompture.extraction.result import Attempt
from prompture.money import Bill
from prompture.schema.problems import Problem


class Receipt(BaseModel):
    company: str
    total: Decimal


@dataclass
class Point:
    x: int


class Row(TypedDict):
    x: int


def schemas(text: str) -> None:
    assert_type(extract(Receipt, text), Receipt)
    assert_type(extract(list[Receipt], text), list[Receipt])
    assert_type(extract(dict[str, int], text), dict[str, int])
    assert_type(extract(Point, text), Point)
    assert_type(extract(Row, text), Row)
    assert_type(extract(int, text), int)
    assert_type(extract(TypeAdapter(list[Receipt]), text), list[Receipt])
    assert_type(extract({"type": "object"}, text), Any)
    assert_type(extract(Literal["a", "b"], text), Any)
    found = extract_result(Receipt, text, model=["groq/x", "openai/y"], max_retries=1)
    assert_type(found, Extraction[Receipt])
    assert_type(found.cost, Bill)
    assert_type(found.cost.total, Decimal | None)
    assert_type(found.attempts, tuple[Attempt, ...])
    assert_type(estimate(Receipt, text, model="openai/gpt-5-mini", count="local"), Estimate)


def extractors(text: str) -> None:
    one = Extractor(Receipt, model="openai/gpt-5-mini", budget="0.10")
    assert_type(one, Extractor[Receipt])
    assert_type(one.extract(text), Receipt)
    assert_type(Extractor(list[Receipt]).extract(text), list[Receipt])
    assert_type(Extractor(TypeAdapter(list[int])), Extractor[list[int]])
    assert_type(Extractor({"type": "object"}), Extractor[Any])


def streams(text: str) -> Iterator[Any]:
    for partial in extract_stream(Receipt, text, min_interval=0.1):
        assert_type(partial, Partial[Receipt])
    for item in extract_items(Receipt, text, on_error="skip"):
        assert_type(item, Item[Receipt])
        yield item.value


def drivers() -> None:
    with driver_for("openai/gpt-5-mini") as driver:
        answer = driver.generate("x", {"max_tokens": 3})
        assert_type(answer, Completion)
        for piece in driver.generate_messages_stream([{"role": "user", "content": "x"}]):
            assert_type(piece, Delta | Completion)
        assert_type(driver.list_models(), list[ModelInfo])
        assert_type(driver.health(), Health)
        extract(Receipt, "x", model=driver)
    assert_type(prompture.GroqDriver("m"), prompture.GroqDriver)


async def awaited(text: str) -> None:
    assert_type(await aextract(Receipt, text), Receipt)
    assert_type(await aextract_result(list[Receipt], text), Extraction[list[Receipt]])
    async for partial in aextract_stream(Receipt, text):
        assert_type(partial, Partial[Receipt])
    async for item in aextract_items(Receipt, text):
        assert_type(item.value, Receipt)
    async with async_driver_for("openai/gpt-5-mini") as driver:
        assert_type(await driver.generate("x"), Completion)
        async for piece in driver.generate_messages_stream([]):
            assert_type(piece, Delta | Completion)


def errors(text: str) -> None:
    try:
        extract(Receipt, text)
    except RateLimitError as limited:
        assert_type(limited.retry_after, float | None)
        assert_type(limited.bill, Bill | None)
    except Invalid as invalid:
        assert_type(invalid.problems, tuple[Problem, ...])


def agents() -> None:
    with track() as spent:
        assert_type(Agent("openai/gpt-5-mini", output=Receipt).run("x"), AgentResult[Receipt])
    assert_type(spent.cost, Decimal | None)


def mistakes(text: str) -> None:
    extract(Receipt, text, temprature=0)  # type: ignore[call-overload]
    extract(Receipt, text, strategy="tools")  # type: ignore[call-overload]
    extract(Receipt, 12)  # type: ignore[call-overload]
    Extractor(Receipt, modl="x")  # type: ignore[call-overload]
    prompture.extrct(Receipt, text)  # type: ignore[attr-defined]
