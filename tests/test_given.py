"""The checks of what callers give: the value, or one kind of error that names it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from prompture import given
from prompture.errors import ConfigurationError, UnknownOption

NAN, INF = float("nan"), float("inf")


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


GOOD: list[tuple[Callable[..., Any], Any, Any]] = [
    (given.seconds, 5, 5),
    (given.seconds, 0.5, 0.5),
    (given.seconds, Decimal("1.5"), 1.5),
    (given.seconds, Fraction(1, 2), 0.5),
    (given.seconds, None, None),
    (given.count, 1, 1),
    (given.temperature, 0, 0),
    (given.temperature, 2, 2),
    (given.share, 1, 1),
    (given.flag, False, False),
    (given.words, "a", "a"),
    (given.strings, "a", ("a",)),
    (given.strings, ["a", "b"], ("a", "b")),
    (given.strings, None, ()),
    (given.table, {"a": 1}, {"a": 1}),
    (given.function, print, print),
    (given.sendable, {"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
]
BAD: list[tuple[Callable[..., Any], list[Any]]] = [
    (given.seconds, [0, -1, NAN, INF, -INF, "3", True, 10**400, 1e9, [], Unshowable(), 3j]),
    (given.count, [0, -5, 1.0, "3", True, NAN, Decimal(3), Unshowable(), {}]),
    (given.temperature, ["hot", -0.1, NAN, INF, True, [], Decimal("NaN"), Decimal("sNaN")]),
    (given.share, [1.1, -0.1, "1", NAN, False]),
    (given.flag, [1, 0, "yes", [], "False"]),
    (given.words, ["", "  ", b"a", 3, ["a"]]),
    (given.strings, [3, b"a", [1], {"a": 1}, [None]]),
    (given.table, [[], "a", 3, {1: 2}, [("a", 1)]]),
    (given.function, [3, "print", [print], Unshowable()]),
    (lambda value, name: given.one_of(value, name, ("a", "b")), ["c", "", 1, ["a"], Unshowable()]),
    (given.sendable, [NAN, {"a": NAN}, {"a": [object()]}, {1: NAN}, {("a",): 1}, {1, 2}, b"a"]),
]


@pytest.mark.parametrize(("check", "value", "want"), GOOD)
def test_what_is_right_is_given_back(check: Callable[..., Any], value: Any, want: Any) -> None:
    assert check(value, "the_name") == want


@pytest.mark.parametrize(("check", "values"), BAD, ids=lambda v: getattr(v, "__name__", ""))
def test_what_is_wrong_is_named(check: Callable[..., Any], values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigurationError, match="the_name") as caught:
            check(value, "the_name")
        assert len(str(caught.value)) < 300


def test_the_place_of_what_json_cannot_say() -> None:
    with pytest.raises(ConfigurationError, match=r"extra\['a'\]\[1\]\['b'\] cannot .* nan is no"):
        given.sendable({"a": [1, {"b": NAN}]}, "extra")
    with pytest.raises(ConfigurationError, match=r"extra\['a'\] cannot .* no form for type object"):
        given.sendable({"a": object()}, "extra")
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(ConfigurationError, match="holds itself"):
        given.sendable(itself, "extra")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("max_token", ["max_tokens"]),
        ("Max-Tokens", ["max_tokens"]),
        ("tokens", ["max_tokens"]),
        ("output_token_limit", ["max_tokens"]),
        ("temprature", ["temperature"]),
        ("zzz", []),
        ("", []),
    ],
)
def test_near_names(name: str, near: list[str]) -> None:
    assert given.near(name, ["max_tokens", "temperature", "seed"]) == near


def test_an_unknown_name_lists_all_there_are() -> None:
    with pytest.raises(UnknownOption, match="unknown option 'sed'; did you mean seed\\? there are"):
        given.only_known(["seed", "sed"], ["seed", "stop"])
    with pytest.raises(UnknownOption, match="unknown setting 3; there are none"):
        given.only_known([3], [], what="setting")
