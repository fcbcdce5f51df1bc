"""Errors and answers are copied, pickled and handed on by other processes whole."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import threading
import traceback
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

import pytest

import prompture
from prompture.copying import PicklableError
from prompture.errors import (
    AgentError,
    BudgetExceeded,
    ConnectionLost,
    Invalid,
    MissingKey,
    PromptureError,
    RateLimitError,
    ToolFailed,
)
from prompture.money import Bill, Charge, Cost
from prompture.schema.partial import PartialJSONError
from prompture.schema.problems import InvalidValue, Problem
from prompture.schema.repair import NotJSON
from prompture.types import Completion, Delta, Usage

_GIVEN: dict[str, Any] = {
    "message": "no such thing",
    "extra": "mcp",
    "package": "mcp",
    "provider": "openai",
    "status": 429,
    "tool": "look_up",
    "limit": Decimal(3),
    "spent": Decimal("1.50"),
    "asked": Decimal("0.10"),
    "code": "x",
    "request_id": "r-1",
    "retry_after": 2.0,
    "body": "b",
    "details": {"failed_generation": "{"},
    "problems": ("one",),
    "attempts": ("first",),
}


def _walked() -> list[type[PromptureError]]:
    """Every class of error in the package, also one that a module keeps to itself."""
    for module in pkgutil.walk_packages(prompture.__path__, "prompture."):
        if module.name.rpartition(".")[2] == "__main__":
            continue
        try:
            importlib.import_module(module.name)
        except ImportError:
            continue  # an optional package is not installed
    found, left = [], [PromptureError]
    while left:
        cls = left.pop()
        left += cls.__subclasses__()
        if cls.__module__.startswith("prompture."):
            found.append(cls)
    return sorted(set(found), key=lambda c: c.__name__)


def _made(cls: type[PromptureError]) -> PromptureError:
    arguments, keywords = [], {}
    if "__init__" in {
        name for c in cls.__mro__[: cls.__mro__.index(Exception)] for name in vars(c)
    }:
        for name, parameter in inspect.signature(cls).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY:
                keywords[name] = _GIVEN.get(name, parameter.default)
            else:
                arguments.append(_GIVEN[name])
    else:
        arguments = ["no such thing"]
    error = cls(
        *arguments, **{k: v for k, v in keywords.items() if v is not inspect.Parameter.empty}
    )
    error.bill = _bill()
    error.partial = Completion(text="so far", usage=Usage(input_tokens=3, reported=True))
    error.__cause__ = ValueError("what was below")
    error.add_note("seen by a test")
    return error


def _bill() -> Bill:
    return Bill(
        (Charge(provider="openai", model="m", usage=Usage(), cost=Cost(usd=Decimal("0.1"))),)
    )


def _by_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


CLASSES = _walked()
COPIES = [_by_pickle, copy.copy, copy.deepcopy]


def _same(got: BaseException, made: BaseException) -> None:
    assert type(got) is type(made)
    assert got is not made
    assert str(got) == str(made)
    assert got.args == made.args
    for name, value in vars(made).items():
        if name != "__notes__":
            assert repr(getattr(got, name)) == repr(value), name


def test_every_class_was_found() -> None:
    assert len(CLASSES) > 35


@pytest.mark.parametrize("how", COPIES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_each_error_is_copied_whole(cls: type[PromptureError], how: Any) -> None:
    made = _made(cls)
    got = how(made)
    _same(got, made)
    assert got.__notes__[0] == "seen by a test"
    if how is _by_pickle and not cls._keeps_cause:
        assert got.__cause__ is None
        assert "cause, ValueError" in got.__notes__[1]
    else:
        assert repr(got.__cause__) == repr(made.__cause__)
        assert got.__notes__ == ["seen by a test"]


def _raise(error: BaseException) -> None:
    raise error


def _raise_made(name: str) -> None:
    raise _made(next(c for c in _walked() if c.__name__ == name)) from KeyError("below")


def test_each_error_comes_out_of_a_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for cls in CLASSES:
            made = _made(cls)
            with pytest.raises(PromptureError) as caught:
                pool.submit(_raise, made).result(60)
            _same(caught.value, made)
            with pytest.raises(cls) as caught:
                pool.submit(_raise_made, cls.__name__).result(60)
            _same(caught.value, made)
        group = ExceptionGroup("several", [_made(RateLimitError), _made(Invalid), ValueError("x")])
        with pytest.raises(ExceptionGroup) as grouped:
            pool.submit(_raise, group).result(60)
    for got, made in zip(grouped.value.exceptions, group.exceptions, strict=True):
        assert type(got) is type(made)
        assert str(got) == str(made)


class Awkward(Exception):
    """Is pickled well and cannot be read back: as many foreign exceptions."""

    def __init__(self, *, why: str) -> None:
        super().__init__(why)


@pytest.mark.parametrize("cause", [Awkward(why="x"), ValueError(threading.Lock())])
def test_a_cause_that_cannot_travel_is_noted(cause: Exception) -> None:
    error = MissingKey("no key")
    error.__cause__ = cause
    got = _by_pickle(error)
    assert got.__cause__ is None
    assert got.__notes__ == [f"left behind where it was raised: cause, {type(cause).__name__}"]
    assert copy.deepcopy(error).__cause__ is cause


def test_an_attribute_that_cannot_travel_is_noted() -> None:
    error = Invalid("bad", problems=[], attempts=[])
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    got = _by_pickle(error)
    assert (str(got), got.problems, got.attempts) == ("bad", (), ())
    assert not hasattr(got, "lock")
    assert "lock, lock" in got.__notes__[0]
    assert copy.deepcopy(error).lock is error.lock  # type: ignore[attr-defined]


def test_a_class_that_cannot_be_imported_becomes_its_base() -> None:
    class Local(RateLimitError):
        pass

    got = _by_pickle(Local("slow", provider="openai", status=429, retry_after=2.0))
    assert (type(got), got.retry_after, str(got)) == (RateLimitError, 2.0, "openai: HTTP 429: slow")
    assert got.__notes__ == ["left behind where it was raised: its class, Local"]


def test_an_argument_that_cannot_travel_becomes_words() -> None:
    thing = threading.Lock()
    assert str(_by_pickle(PromptureError(thing))) == str(thing)


def test_an_attribute_of_a_class_that_is_gone_is_noted() -> None:
    module = type(threading)("for_a_while")
    exec("class Gone: pass", vars(module))
    module.Gone.__module__ = "for_a_while"
    import sys

    error = AgentError("over")
    error.trace = module.Gone()
    sys.modules["for_a_while"] = module
    try:
        data = pickle.dumps(error)
    finally:
        del sys.modules["for_a_while"]
    got = pickle.loads(data)
    assert str(got) == "over"
    assert got.trace is None
    assert got.__notes__ == ["not read back: trace (ModuleNotFoundError)"]


def test_chains_and_circles_of_errors() -> None:
    low, high = ConnectionLost("gone"), ToolFailed("broke", tool="t")
    high.__cause__, low.other = low, high  # type: ignore[attr-defined]
    got = _by_pickle(high)
    assert isinstance(got.__cause__, ConnectionLost)
    assert str(got.__cause__.other) == "broke"
    both = copy.deepcopy(high)
    assert both.tool == "t"
    last: BaseException = ValueError("at the root")
    for number in range(5_000):
        error = PromptureError(str(number))
        error.__cause__ = last
        last = error
    assert str(_by_pickle(last)) == "4999"


def test_the_context_travels_where_it_would_be_shown() -> None:
    def fail(*, quietly: bool) -> PromptureError:
        try:
            try:
                {}["x"]
            except KeyError:
                if quietly:
                    raise PromptureError("no") from None
                raise PromptureError("no")  # noqa: B904 - the context is what is tested
        except PromptureError as exc:
            return exc

    assert "KeyError: 'x'" in "".join(traceback.format_exception(_by_pickle(fail(quietly=False))))
    assert "KeyError" not in "".join(traceback.format_exception(_by_pickle(fail(quietly=True))))


def test_every_other_exception_with_an_init_of_its_own_is_portable() -> None:
    """One of them may be the cause of an error that travels."""
    found, left = set(), [Exception]
    while left:
        below = left.pop().__subclasses__()
        left += below
        found |= {c for c in below if c.__module__.startswith("prompture.")}
    made = {c for c in found if "__init__" in vars(c) and not issubclass(c, PromptureError)}
    assert {"PartialJSONError", "InvalidValue"} <= {c.__name__ for c in made}
    # These never get out: of a lock, and of the process that reads PDF files.
    inner = {c.__name__ for c in made if not issubclass(c, PicklableError)}
    assert inner <= {"Busy", "NotRead"}
    error = PartialJSONError("a comma is missing", 7, line=2)
    # What ends a call has the bill, whatever it is (``AttemptLog.attach_bill``).
    others = [InvalidValue([Problem("/a", "is wrong", "x")], 3), NotJSON("no", truncated=True)]
    for each in (error, *others):
        each.bill = _bill()  # type: ignore[attr-defined]
        each.add_note("seen")
        for how in COPIES:
            got = how(each)
            assert type(got) is type(each) and str(got) == str(each)
            assert vars(got) == vars(each) and got.bill == _bill() and got.__notes__ == ["seen"]
    outer = Invalid("bad")
    outer.__cause__ = error
    assert isinstance(_by_pickle(outer).__cause__, PartialJSONError)


def test_a_class_of_a_users_own_needs_nothing() -> None:
    got = _by_pickle(OwnError("a", where="b"))
    assert (str(got), got.where, got.bill) == ("a", "b", None)


class OwnError(PromptureError):
    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where


def test_instance_flags_travel() -> None:
    lost = ConnectionLost("gone")
    lost.unsent = True
    limit = RateLimitError("slow", provider="openai", status=429, retryable=False)
    for how in COPIES:
        assert how(lost).unsent is True
        assert how(limit).retryable is False


@pytest.mark.parametrize(
    "value",
    [
        Completion(text="x", usage=Usage(input_tokens=1, raw={"a": 1}), cost=Cost(usd=Decimal(1))),
        Usage(input_tokens=1, cache_writes={"5m": 2}, stated_cost=Decimal("0.1")),
        Delta(text="a", tool_index=0),
        _bill(),
        BudgetExceeded("no", spent=Decimal(1), asked=None),
    ],
    ids=lambda v: type(v).__name__,
)
def test_values_are_copied_whole(value: Any) -> None:
    for how in COPIES:
        assert repr(how(value)) == repr(value)
