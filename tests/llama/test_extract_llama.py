"""``extract`` and ``aextract`` against llama.cpp's real server, with a model of letter soup.

Under a grammar its answers fit the schema, whatever they say; without one they do not, and
that must be found out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from pydantic import BaseModel

import prompture
from prompture import errors
from prompture.types import Completion, Delta, Tool, user
from prompture.wire.retry import Retry
from tests.llama.fixtures import Llama

pytestmark = pytest.mark.server
TEXT = "ACME Ltd, 3 May 2024. Total: 12.50"


class Item(BaseModel):
    name: str
    count: int


class Order(BaseModel):
    company: str
    paid: bool
    item: Item
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    result: Any = None
    error: errors.PromptureError | None = None


Ask: TypeAlias = Callable[..., Said]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, llama_server: Llama) -> Ask:
    """One extraction in one colour."""

    def settings_of(options: dict[str, Any]) -> dict[str, Any]:
        server = options.pop("server", llama_server)
        settings = {"model": "llamacpp/tiny", "base_url": server.base_url}
        if key := options.pop("key", ""):
            settings["api_key"] = key
        return {**settings, "retry": Retry(attempts=1)}

    def sync(schema: Any, text: Any = TEXT, **options: Any) -> Said:
        with prompture.driver_for(**settings_of(options)) as driver:
            try:
                return Said(prompture.extract_result(schema, text, model=driver, **options))
            except errors.PromptureError as exc:
                return Said(error=exc)

    async def awaited(schema: Any, text: Any = TEXT, **options: Any) -> Said:
        async with prompture.async_driver_for(**settings_of(options)) as driver:
            try:
                return Said(await prompture.aextract_result(schema, text, model=driver, **options))
            except errors.PromptureError as exc:
                return Said(error=exc)

    if request.param == "sync":
        return sync
    return lambda *args, **options: asyncio.run(awaited(*args, **options))


@pytest.mark.parametrize("strategy", ["auto", "json_schema", "tool"])
def test_a_grammar_makes_the_answer_fit(ask: Ask, strategy: str) -> None:
    said = ask(Order, strategy=strategy, max_retries=0)
    assert said.error is None
    assert isinstance(said.result.value, Order)
    assert isinstance(said.result.value.item, Item)
    assert said.result.strategy == ("json_schema" if strategy == "auto" else strategy)
    assert said.result.model == "llamacpp/tiny"
    (charge,) = said.result.cost.charges
    assert (charge.status, charge.cost.usd, charge.cost.source) == ("ok", 0, "local")
    assert charge.usage.input_tokens > len(TEXT)
    assert charge.usage.output_tokens > 0


@pytest.mark.parametrize("schema", [list[Item], dict[str, int], bool, Item | None])
def test_schemas_that_are_no_object_come_back_as_themselves(ask: Ask, schema: Any) -> None:
    from pydantic import TypeAdapter

    said = ask(schema, strategy="json_schema", max_tokens=400)
    assert said.error is None, said.error
    TypeAdapter(schema).validate_python(said.result.value, strict=True)


@pytest.mark.parametrize("strategy", ["json_object", "prompt"])
def test_without_a_grammar_of_the_schema_letter_soup_is_found_out(ask: Ask, strategy: str) -> None:
    said = ask(Order, strategy=strategy, max_retries=1, max_tokens=300)
    assert isinstance(said.error, errors.ExtractionError), said.result
    attempts = said.error.attempts
    assert attempts
    assert all(a.strategy == strategy for a in attempts)
    assert said.error.bill is not None
    assert len(said.error.bill.charges) == len(attempts)
    assert said.error.bill.total == 0
    if isinstance(said.error, errors.Invalid):
        assert len(attempts) == 2
        assert said.error.problems
    if strategy == "json_object" and isinstance(said.error, errors.Invalid):
        # It was JSON, so that what is wrong are the fields.
        assert {p.pointer.split("/")[1] for p in said.error.problems} <= {*Order.model_fields, ""}


@pytest.mark.parametrize(("on_truncation", "tokens"), [("raise", [8]), ("resume", [8, 32])])
@pytest.mark.parametrize("strategy", ["json_schema", "tool"])
def test_an_answer_cut_off_is_truncated_and_not_invalid(
    ask: Ask, strategy: str, on_truncation: str, tokens: list[int]
) -> None:
    """It is asked for once more with four times as many tokens, which are too few as well."""
    said = ask(Order, strategy=strategy, max_tokens=8, on_truncation=on_truncation)
    assert type(said.error) is errors.Truncated
    assert "max_tokens" in str(said.error)
    assert said.error.bill is not None
    charges = said.error.bill.charges
    assert [(c.status, c.usage.output_tokens) for c in charges] == [
        ("truncated", most) for most in tokens
    ]


def test_a_wrong_key(ask: Ask, llama_server_with_key: Llama) -> None:
    key = "a-wrong-key-of-mine"
    said = ask(Order, server=llama_server_with_key, key=key)
    assert type(said.error) is errors.AuthenticationError
    assert said.error.status == 401
    assert key not in f"{said.error} {said.error!r}"
    right = ask(Order, server=llama_server_with_key, key=llama_server_with_key.key)
    assert isinstance(right.result.value, Order)


def test_a_text_longer_than_the_context(ask: Ask) -> None:
    said = ask(Order, text="too long " * 1000, long=None)
    assert type(said.error) is errors.ContextWindowExceeded
    assert said.error.status == 400
    assert "4096" in str(said.error)
    assert "too long too long" not in str(said.error)


def test_a_bad_request(ask: Ask) -> None:
    said = ask(Order, extra={"temperature": "hot"})
    assert type(said.error) is errors.InvalidRequest


def test_a_server_that_is_not_there(ask: Ask) -> None:
    said = ask(Order, server=Llama("http://127.0.0.1:9"))  # the discard port
    assert isinstance(said.error, errors.ConnectionLost)
    assert said.error.unsent


def test_a_cascade_goes_on_from_a_server_that_is_down(llama_server: Llama) -> None:
    down = prompture.driver_for(
        "llamacpp/tiny", base_url="http://127.0.0.1:9/v1", retry=Retry(attempts=1)
    )
    with down, prompture.driver_for("llamacpp/tiny", base_url=llama_server.base_url) as up:
        result = prompture.extract_result(Order, TEXT, model=[down, up])
    assert isinstance(result.value, Order)
    assert [bool(a.error) for a in result.attempts] == [True, False]


def test_one_extractor_for_many_texts_at_once(llama_server: Llama) -> None:
    async def run() -> list[Order]:
        driver = prompture.async_driver_for("llamacpp/tiny", base_url=llama_server.base_url)
        async with driver:
            extractor: prompture.Extractor[Order] = prompture.Extractor(Order, model=driver)
            return await asyncio.gather(*(extractor.aextract(f"{TEXT} {n}") for n in range(6)))

    found = asyncio.run(run())
    assert len(found) == 6
    assert all(isinstance(order, Order) for order in found)


WEATHER = Tool(
    name="weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
)


def test_faces_over_the_real_server(llama_server: Llama) -> None:
    turn = [user("hello")]
    with prompture.driver_for("llamacpp/tiny", base_url=llama_server.base_url) as driver:
        assert driver.generate("hello", {"max_tokens": 30})["text"]
        called = driver.generate_messages_with_tools(turn, [WEATHER], {"max_tokens": 200})
        assert [c.name for c in called.tool_calls] == ["weather"]
        assert called.tool_calls[0].arguments is not None
        *deltas, done = driver.generate_messages_stream(turn, {"max_tokens": 30})
        assert isinstance(done, Completion)
        assert "".join(d.text for d in deltas if isinstance(d, Delta)) == done.text
        assert done.usage.output_tokens > 0
        assert [m.id for m in driver.list_models()] == ["tiny"]
        assert driver.health().reachable
