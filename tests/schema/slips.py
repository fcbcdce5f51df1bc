"""Answers with one slip of the pen in them: a character left out, doubled, replaced or swapped.

``slips(answer)`` yields every such text of a JSON answer once. What is still JSON is no slip that
anybody could see, and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel

from prompture.schema.repair import NotJSON, parse

MARKS = '{}[],:"'
LIKE_IT = {"{": "[(", "}": "])", "[": "{(", "]": "})", ",": ";.", ":": ";=", '"': "'`"}
"""What a mark is mistaken for."""
Verdict = Literal["right", "wrong", "refused"]


class Address(BaseModel):
    street: str | None = None
    town: str | None = None


class Person(BaseModel):
    name: str | None = None
    age: int | None = None
    married: bool | None = None
    town: str | None = None
    tags: list[str] | None = None
    address: Address | None = None


class Line(BaseModel):
    article: str | None = None
    price: float | None = None
    note: str | None = None


class Receipt(BaseModel):
    shop: str | None = None
    total: float | None = None
    paid: bool | None = None
    lines: list[Line] | None = None
    remark: str | None = None


class Event(BaseModel):
    title: str | None = None
    day: str | None = None
    guests: dict[str, int] | None = None
    quotes: list[str] | None = None


ANSWERS: tuple[tuple[type[BaseModel], Any, int | None], ...] = (
    (
        Person,
        {
            "name": "Ada Byron",
            "age": 36,
            "married": True,
            "town": "Turin, Italy",
            "tags": ["maths", "poetry"],
            "address": {"street": "Via Po 7", "town": "Turin"},
        },
        None,
    ),
    (
        Receipt,
        {
            "shop": "Baker & Sons",
            "total": 12.5,
            "paid": False,
            "lines": [
                {"article": "rye bread", "price": 4.25, "note": None},
                {"article": "milk (1 l)", "price": 1.1, "note": "cold: keep so"},
            ],
            "remark": "",
        },
        2,
    ),
    (
        Event,
        {
            "title": 'The "old" mill',
            "day": "2026-05-04",
            "guests": {"adults": 12, "children": 3},
            "quotes": ["Well, well", "Why not?", "x = {y}"],
        },
        None,
    ),
)
"""Schemas whose every field may be left out, answers, and how these are indented."""


def written(value: Any, indent: int | None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)


def slips(answer: str) -> Iterator[str]:
    """Every text that is one slip away from a JSON answer, and no JSON."""
    seen = {answer}
    for at, mark in enumerate(answer):
        if mark not in MARKS:
            continue
        before, after = answer[:at], answer[at + 1 :]
        texts = [before + after, before + mark + mark + after]
        texts += [before + other + after for other in LIKE_IT[mark]]
        if after:
            texts.append(before + after[0] + mark + after[1:])
        for text in texts:
            if text not in seen and not is_json(text):
                seen.add(text)
                yield text


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def judged(schema: type[BaseModel], text: str, wanted: BaseModel) -> Verdict:
    """What comes of reading a text for a schema: that value, another one, or a refusal."""
    try:
        found = [schema.model_validate_json(parse(text).text)]
    except (NotJSON, ValueError):
        return "refused"
    return "right" if found == [wanted] else "wrong"
