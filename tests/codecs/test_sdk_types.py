"""The checker itself: what it must let through and what it must catch."""

from typing import Any, Literal, NotRequired, Required

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from tests.codecs.sdk_types import check


class Inner(TypedDict, total=False):
    type: Required[Literal["inner"]]
    n: int


class Other(TypedDict):
    type: Literal["other"]
    blob: NotRequired[bytes]


class Outer(Inner):
    items: list[Inner | Other]
    free: dict[str, object]


class Model(BaseModel):
    count: int
    some_thing: str | None = Field(default=None, alias="someThing")


GOOD = {"type": "inner", "items": [{"type": "other", "blob": "YQ=="}], "free": {"a": [1]}}


@pytest.mark.parametrize(
    ("value", "annotation", "problems"),
    [
        (GOOD, Outer, []),
        ({**GOOD, "x": 1}, Outer, ["/x: unknown key of Outer"]),
        ({"type": "inner", "free": {}}, Outer, ["/items: missing in Outer"]),
        ({**GOOD, "n": True}, Outer, ["/n: True is not int"]),
        ({**GOOD, "items": [{"type": "inner", "m": 1}]}, Outer, ["/items/0/m: unknown key"]),
        ({**GOOD, "items": [{"type": "other", "blob": "!"}]}, Outer, ["/items/0/blob: '!' is not"]),
        ({"count": 1, "someThing": "a"}, Model, []),
        ({"someThing": 3}, Model, ["/count: missing", "/someThing: 3 is not"]),
        ({"count": 1, "z": 1}, Model, ["/z: unknown key of Model"]),
        (1.5, float | None, []),
        ("1", float | None, ["/: '1' is not"]),
    ],
)
def test_check(value: Any, annotation: Any, problems: list[str]) -> None:
    found = check(value, annotation)
    assert len(found) == len(problems)
    assert all(f.startswith(p) for f, p in zip(found, problems, strict=True)), found
