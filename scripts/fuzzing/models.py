"""Random Pydantic models, and JSON for them, right and nearly right."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Callable
from decimal import Decimal
from ipaddress import IPv4Address
from random import Random
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, create_model

from fuzzing import draw


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    type: Literal["cat"]
    lives: int | None = None


class Dog(BaseModel):
    type: Literal["dog"]
    born: dt.date | None = None


Made = tuple[Any, str]
"""A type and the JSON text of a value of it."""

WRONG = (
    "null", "true", "0", "1", "2023", '"2023"', "NaN", "Infinity", "1e999", '"1"', '""', "[]", "{}",
    '"x"', "1.5", "-1", "1e-99999999999999999999", '["a"]', '{"type": "cat"}', "12345678901234567.125",
    '"\\ud800"', '"2024-01-02"', '"20240102"', "1e3", '"true"', '"NaN"', '{"a": 1, "a": 2}',
)  # fmt: skip


def _date(rng: Random) -> str:
    return f"20{rng.randint(10, 29)}-0{rng.randint(1, 9)}-{rng.randint(10, 28)}"


def _text(rng: Random) -> str:
    return json.dumps(draw.plain_text(rng), ensure_ascii=rng.random() < 0.5)


def _number(rng: Random) -> str:
    return rng.choice(["12.50", "0.1", "1e-7", "-3", "12345678901234567.125", "99999999.99"])


LEAVES: list[tuple[Any, Callable[[Random], str]]] = [
    (str, _text),
    (int, lambda rng: str(draw.integer(rng))),
    (float, _number),
    (Decimal, _number),
    (Decimal, lambda rng: json.dumps(_number(rng))),
    (bool, lambda rng: rng.choice(["true", "false"])),
    (dt.date, lambda rng: json.dumps(_date(rng))),
    (dt.datetime, lambda rng: json.dumps(f"{_date(rng)}T03:04:05{rng.choice(['', 'Z'])}")),
    (dt.time, lambda rng: json.dumps("03:04:05")),
    (dt.timedelta, lambda rng: json.dumps("PT2H")),
    (UUID, lambda rng: json.dumps(str(UUID(int=rng.getrandbits(128))))),
    (IPv4Address, lambda rng: '"10.0.0.1"'),
    (Level, lambda rng: rng.choice("12")),
    (Colour, lambda rng: rng.choice(['"red"', '"blue"'])),
    (Literal["a", 1, True], lambda rng: rng.choice(['"a"', "1", "true"])),
    (Annotated[int, Field(ge=0, le=100)], lambda rng: str(rng.randint(0, 100))),
    (Annotated[str, Field(max_length=5)], lambda rng: json.dumps(draw.word(rng)[:5])),
    (Any, lambda rng: json.dumps(draw.value(rng, 1))),
]


def made(rng: Random, depth: int = 2) -> Made:
    """A type and a right value of it."""
    kind = rng.choice(["leaf"] * 4 + ["model", "list", "tuple", "set", "dict", "union", "tagged"])
    if depth == 0 or kind == "leaf":
        of, write = rng.choice(LEAVES)
        return of, write(rng)
    if kind == "model":
        return model(rng, depth - 1)
    if kind == "tagged":
        text = rng.choice(['{"type": "cat", "lives": 9}', '{"type": "dog", "born": "2020-01-02"}'])
        return Annotated[Cat | Dog, Field(discriminator="type")], text
    of, text = made(rng, depth - 1)
    if kind == "list":
        return list[of], f"[{', '.join([text] * rng.randint(0, 3))}]"
    if kind == "tuple":
        return tuple[of, str], f'[{text}, "a"]'
    if kind == "set":
        return frozenset[int], "[1, 2]"
    if kind == "dict":
        return dict[str, of], json.dumps({n: None for n in draw.names(rng, 2)}).replace(
            "null", text
        )
    return (of | None), rng.choice([text, "null"])


def model(rng: Random, depth: int = 2) -> Made:
    """A model: any fields, some optional, some with aliases, some models with an own __init__."""
    fields: dict[str, Any] = {}
    parts: list[str] = []
    for n in dict.fromkeys(draw.word(rng) for _ in range(rng.randint(1, 4))):
        of, text = made(rng, depth)
        key, options = _named(rng, n)
        if rng.random() < 0.4:
            of, options["default"] = of | None, None
        fields[f"f_{n}"] = (of, Field(**options))
        if "default" not in options or rng.random() < 0.6:
            parts.append(f"{json.dumps(key)}: {text}")
    config = ConfigDict(extra=rng.choice(["ignore", "forbid", "allow"]))
    of = create_model("Made", __config__=config, **fields)
    return (_with_init(of) if rng.random() < 0.2 else of), "{" + ", ".join(parts) + "}"


def _named(rng: Random, n: str) -> tuple[str, dict[str, Any]]:
    kind = rng.random()
    if kind < 0.6:
        return f"f_{n}", {}
    if kind < 0.8:
        return f"a {n}", {"alias": f"a {n}"}
    return f"b-{n}", {"validation_alias": AliasChoices(f"c-{n}", f"b-{n}")}


def _with_init(of: type[BaseModel]) -> type[BaseModel]:
    def init(self: BaseModel, **values: Any) -> None:
        of.__init__(self, **values)

    return type("Own", (of,), {"__init__": init})


def spoiled(rng: Random, text: str) -> str:
    """The JSON with one of its scalars replaced."""
    decoded = json.loads(text)
    places = [place for place in _scalars(decoded, ())]
    if not places:
        return rng.choice(WRONG)
    path = rng.choice(places)
    return _written(decoded, path, rng.choice(WRONG))


def _scalars(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    if not isinstance(value, (dict, list)):
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [place for key, one in inner for place in _scalars(one, (*path, key))]


def _written(value: Any, path: tuple[Any, ...], text: str) -> str:
    if not path:
        return text
    head, rest = path[0], path[1:]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    parts = [(k, _written(v, rest, text) if k == head else json.dumps(v)) for k, v in inner]
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)}: {v}' for k, v in parts)}}}"
    return f"[{', '.join(v for _, v in parts)}]"
