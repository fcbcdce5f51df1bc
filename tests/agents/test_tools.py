"""From functions to tools: schemas, descriptions, arguments, results."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from prompture.agents.agent import Agent
from prompture.agents.signatures import Context, describe
from prompture.agents.tool_call import UnserializableResult, tool_content
from prompture.agents.tools import FunctionTool, by_name, is_async, tool
from prompture.errors import ConfigurationError
from prompture.schema.problems import InvalidValue
from prompture.testing import ScriptedDriver
from prompture.types import Document, Image, Text, ToolCall

PNG = b"\x89PNG\r\n\x1a\nrest"
GOOGLE = """Look a thing up.

    More words.

    Args:
        name: what it is
            called
        limit (int): how many

    Returns:
        nothing much
    """
NUMPY = """Look a thing up.

    More words.

    Parameters
    ----------
    name : str
        what it is
        called
    limit : int, optional
        how many
    """
SPHINX = """Look a thing up.

    More words.

    :param name: what it is
        called
    :param int limit: how many
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_docstrings_describe_the_tool_and_its_parameters(text: str) -> None:
    found = describe(text)
    assert found.text == "Look a thing up.\n\nMore words."
    assert found.parameters == {"name": "what it is called", "limit": "how many"}


def test_without_the_parser_the_first_paragraph_is_the_description(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "docstring_parser", None)
    found = describe(GOOGLE)
    assert (found.text, found.parameters) == ("Look a thing up.", {})


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_no_docstring_breaks_it(text: str) -> None:
    assert isinstance(describe(text).text, str)


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    street: str
    number: int = 1


class Row(TypedDict):
    key: str


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


def every(
    city: Annotated[str, "Name of the city"],
    days: Annotated[int, Field(ge=1, le=7)] = 3,
    size: Size = Size.SMALL,
    unit: Literal["c", "f"] = "c",
    address: Address | None = None,
    rows: list[Row] | None = None,
    point: Point | None = None,
    when: datetime.date | None = None,
    *,
    schema: str = "",
    _hidden: bool = False,
) -> str:
    """Weather.

    Args:
        city: not this
        days: ahead
    """
    return ""


def test_the_schema_of_a_signature() -> None:
    made = tool(every)
    schema = made.parameters
    assert (made.name, made.description) == ("every", "Weather.")
    assert schema["required"] == ["city"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["city"]["description"] == "Name of the city"
    assert properties["days"]["description"] == "ahead"
    assert (properties["days"]["minimum"], properties["days"]["default"]) == (1, 3)
    assert properties["unit"]["enum"] == ["c", "f"]
    assert set(properties) >= {"schema", "_hidden", "address", "rows", "point", "when"}
    values = made.validate(
        {
            "city": "Rom",
            "size": "large",
            "address": {"street": "Via"},
            "rows": [{"key": "k"}],
            "point": {"x": 1},
            "when": "2024-05-03",
            "_hidden": True,
        }
    )
    assert values == {
        "city": "Rom",
        "size": Size.LARGE,
        "address": Address(street="Via"),
        "rows": [{"key": "k"}],
        "point": Point(1),
        "when": datetime.date(2024, 5, 3),
        "_hidden": True,
    }


HOSTILE: list[Any] = [
    {},
    {"city": 1},
    {"city": None},
    {"city": "Rom", "days": 0},
    {"city": "Rom", "days": 1e400},
    {"city": "Rom", "days": "3; drop table"},
    {"city": "Rom", "nothing": 1},
    {"city": "Rom", "__class__": "x"},
    {"city": "Rom", "self": "x"},
    {"city": {"a": [{}] * 1000}},
    {"city": "Rom", "address": "Via"},
    {"city": "Rom", "when": "yesterday"},
]


@pytest.mark.parametrize("arguments", HOSTILE)
def test_arguments_are_validated(arguments: Any) -> None:
    with pytest.raises(InvalidValue):
        tool(every).validate(arguments)


class Thing:
    def method(self, a: int) -> int:
        """A method."""
        return a

    async def amethod(self, a: int) -> int:
        return a

    def __call__(self, a: int) -> int:
        """A call."""
        return a


def plain(a: int, b: int = 2) -> int:
    return a + b


def only_by_place(a: int, b: int = 2, /, c: int = 3) -> tuple[int, int, int]:
    return a, b, c


KINDS: list[tuple[Callable[..., Any], str, bool]] = [
    (plain, "plain", False),
    (Thing().method, "method", False),
    (Thing().amethod, "amethod", True),
    (Thing(), "Thing", False),
    (functools.partial(plain, b=5), "plain", False),
    (lambda a: a, "lambda", False),
]


@pytest.mark.parametrize(("function", "name", "colour"), KINDS)
def test_what_can_be_a_tool(function: Any, name: str, colour: bool) -> None:
    made = tool(function)
    assert (made.name, is_async(made.function)) == (name, colour)
    assert "a" in made.parameters["properties"]
    assert "self" not in made.parameters["properties"]


def _context(value: Any) -> Context[Any]:
    return Context(value=value, call=ToolCall(id="1", name="t", arguments={}))


def test_parameters_by_place() -> None:
    signature = tool(only_by_place).signature
    args, named = signature.bind({"a": 1, "b": 4, "c": 5}, _context(None))
    assert only_by_place(*args, **named) == (1, 4, 5)
    args, named = signature.bind({"a": 1}, _context(None))
    assert only_by_place(*args, **named) == (1, 2, 3)


def test_the_context_is_hidden() -> None:
    def one(a: int, ctx: Context[str]) -> Any:
        return ctx.value

    def two(db: Any, a: int) -> Any:
        return db

    def three(a: int, ctx: Context[str] | None = None) -> Any:
        return ctx and ctx.value

    for made in (tool(one), tool(two, context="db"), tool(three)):
        assert set(made.parameters["properties"]) == {"a"}
        args, named = made.signature.bind({"a": 1}, _context("deep"))
        assert made(*args, **named) == "deep"


def _many(*names: int) -> None: ...


def _any(**names: int) -> None: ...


def _undefined(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def _no_schema(a: Callable[[int], int]) -> None: ...


def _twice(a: Context[int], b: Context[int]) -> None: ...


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (_many, {}, r"\*names"),
    (_any, {}, r"\*names"),
    (Thing.method, {}, "bound method"),
    (_undefined, {}, "Nowhere"),
    (_no_schema, {}, "JSON"),
    (_twice, {}, "twice"),
    (plain, {"context": "db"}, "no parameter 'db'"),
    (plain, {"timeout": 0}, "timeout"),
    (plain, {"retries": -1}, "retries"),
    (plain, {"name": "?!"}, "name"),
    (5, {}, "int"),
]


@pytest.mark.parametrize(("function", "options", "words"), REFUSED)
def test_what_a_model_could_not_call(function: Any, options: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        tool(function, **options) if options else tool(function)


def test_the_decorator_keeps_the_function() -> None:
    @tool
    def one(a: int) -> int:
        return a + 1

    @tool(name="zwei-ü", description="Two.", timeout=5)
    def two(a: int) -> int:
        return a + 2

    assert (one(1), two(1)) == (2, 3)
    assert isinstance(one, FunctionTool)
    assert (two.name, two.description, two.timeout) == ("zwei-u", "Two.", 5)
    assert list(by_name([one, two, plain])) == ["one", "zwei-u", "plain"]
    with pytest.raises(ConfigurationError, match="two tools"):
        by_name([plain, plain])


def test_annotations_may_name_what_is_local() -> None:
    class Local(BaseModel):
        n: int

    def uses(local: Local) -> int:
        return local.n

    assert tool(uses).validate({"local": {"n": 3}})["local"] == Local(n=3)


SHOWN: list[tuple[Any, Any]] = [
    ("text", "text"),
    ("", ""),
    (None, "null"),
    (0, "0"),
    (False, "false"),
    ([], "[]"),
    ({"a": Decimal("1.50")}, '{"a":"1.50"}'),
    (Address(street="Via"), '{"street":"Via","number":1}'),
    ([Address(street="V")], '[{"street":"V","number":1}]'),
    (Point(1), '{"x":1,"y":0}'),
    (datetime.date(2024, 5, 3), '"2024-05-03"'),
    (Size.LARGE, '"large"'),
    ((1, 2), "[1,2]"),
    (math.nan, '"NaN"'),
    ("é", "é"),
    (Image(url="https://x/y.png"), (Image(url="https://x/y.png"),)),
    (["a", Image(url="u")], (Text("a"), Image(url="u"))),
    ([{"a": 1}, Document("d")], (Text('{"a":1}'), Text("d"))),
    ([Document("d", name="a.txt"), "b"], (Document("d", name="a.txt"), Text("b"))),
    (b"words", (Text("words"),)),
    (PNG, (Image(data=PNG, media_type="image/png"),)),
]


@pytest.mark.parametrize(("value", "content"), SHOWN)
def test_results_of_any_type(value: Any, content: Any) -> None:
    assert tool_content(value, max_chars=1000).content == content


def _cyclic() -> Any:
    loop: list[Any] = []
    loop.append(loop)
    return loop


UNSHOWABLE: list[Any] = [
    object(),
    (n for n in range(3)),
    _cyclic(),
    b"\xff\xfe\x00",
    [Image(data=PNG)] * 50,
    {"f": lambda: 1},
]


@pytest.mark.parametrize("value", UNSHOWABLE, ids=lambda v: type(v).__name__)
def test_results_that_cannot_be_shown(value: Any) -> None:
    with pytest.raises(UnserializableResult):
        tool_content(value, max_chars=1000)


def test_long_results_are_cut_with_a_note() -> None:
    big = "x" * 10_000_000
    for value in (big, {"a": big}, [Text(big), Image(url="u")]):
        found = tool_content(value, max_chars=1000)
        text = found.content if isinstance(found.content, str) else found.content[0].text  # type: ignore[union-attr]
        assert len(text) < 1100
        assert "[cut: the first 1,000 of 10,000,0" in text
        assert found.cut >= 10_000_000
    assert tool_content("x" * 1000, max_chars=1000).cut == 0


def test_pictures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompture.agents.tool_call.MAX_MEDIA_BYTES", 10)
    with pytest.raises(UnserializableResult, match="10 bytes"):
        tool_content(Image(data=PNG), max_chars=10)


def test_texts_between_pictures_are_no_pictures() -> None:
    pages = [part for n in range(20) for part in (Text(f"page {n}"), Image(url="u"))]
    assert len(tool_content(pages, max_chars=1000).content) == 40
    with pytest.raises(UnserializableResult, match="more pictures or files than 20"):
        tool_content([*pages, Image(url="u")], max_chars=1000)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(json_values)
@settings(max_examples=60)
def test_json_is_shown_as_it_is(value: Any) -> None:
    if isinstance(value, str):
        return
    assert json.loads(str(tool_content(value, max_chars=10**6).content)) == value


@pytest.mark.parametrize("digits", ["0.1234567890123456789", "12345678901234567890.5", "1.5"])
def test_a_decimal_parameter_gets_every_digit(digits: str) -> None:
    got: list[Any] = []

    @tool
    def pay(amount: Decimal, rate: float = 1.0, note: str | None = None) -> str:
        """Pay."""
        got.append((amount, rate))
        return "paid"

    raw = f'{{"amount": {digits}, "rate": 0.12345678901234567890, "note": null}}'
    call = ToolCall(id="1", name="pay", arguments=json.loads(raw), raw_arguments=raw)
    Agent(ScriptedDriver([call, "done"]), tools=[pay]).run("hi")
    assert got == [(Decimal(digits), 0.12345678901234567890)]
    # A hook may change the arguments alone: then these count.
    changed = dataclasses.replace(call, arguments={"amount": 2.5, "note": None})
    Agent(ScriptedDriver([changed, "done"]), tools=[pay]).run("hi")
    assert got[1:] == [(Decimal("2.5"), 1.0)]
