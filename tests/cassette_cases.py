"""What is asked in each cassette, in both colours, when it is recorded and when it is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from prompture import aextract_result, extract_result
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.drivers.registry import BUILTIN, find
from prompture.errors import PromptureError
from prompture.extraction.result import Extraction
from prompture.types import Completion, Delta, Request, Tool, user
from prompture.wire.retry import Retry

KEY = "not-a-real-key"
WRONG_KEY = "wrong-key"
NO_MODEL = "no-such-model"


class Receipt(BaseModel):
    company: str
    date: str
    total: float
    note: str | None = None


DOCUMENT = "ACME Ltd\n2024-05-03\nTotal: 12.50"
VALUE = {"company": "ACME Ltd", "date": "2024-05-03", "total": 12.5, "note": None}
WEATHER = Tool(
    name="weather",
    description="The weather of a city.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a provider is reached. ``model`` is the row's default where it is empty."""

    model: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    keyless: bool = False
    more: tuple[str, ...] = ()
    """Cases besides those that every provider has."""


SETUPS: Mapping[str, Setup] = {
    "openai": Setup(more=("tools", "responses", "responses_stream")),
    "claude": Setup(model="claude-haiku-4-5", more=("tools",)),
    "google": Setup(model="gemini-2.5-flash", more=("tools",)),
    "vertex": Setup(model="gemini-2.5-flash", settings={"project": "acme", "location": "global"}),
    "cohere": Setup(more=("tools",)),
    "mistral": Setup(more=("tools",)),
    "bedrock": Setup(settings={"region": "us-east-1"}, more=("tools",)),
    "cloudflare": Setup(settings={"account": "acme"}),
    "azure": Setup(model="gpt-4.1-mini", settings={"endpoint": "https://acme.openai.azure.com"}),
    "ollama": Setup(keyless=True, more=("tools",)),
    "lmstudio": Setup(model="qwen3-4b", keyless=True),
    "llamacpp": Setup(model="tiny", keyless=True),
    "openai-compatible": Setup(model="acme-1", settings={"base_url": "https://llm.example/v1"}),
}
LLAMA = ("plain", "stream", "extract", "tools", "bad_request", "wrong_key", "overflow")
COMMON = ("plain", "stream", "extract", "error")


def providers() -> list[str]:
    """Built-in rows that have a wire."""
    return [name for name in BUILTIN if find(name).base_url]


def cases_of(provider: str) -> tuple[str, ...]:
    if provider == "llamacpp":
        return LLAMA
    return (*COMMON, *SETUPS.get(provider, Setup()).more)


def request_of(case: str) -> Request:
    """What is asked. The overflow is of the 4,096 tokens that the tiny model reads."""
    words = "Name one primary colour. Answer with the word only."
    asked = Request(model="", messages=(user(words),), max_tokens=1000)
    match case:
        case "tools":
            question = user("What is the weather in Oslo? Use the tool.")
            return replace(asked, messages=(question,), tools=(WEATHER,))
        case "bad_request":
            return replace(asked, extra={"temperature": "hot"})
        case "overflow":
            return replace(asked, messages=(user("too long " * 500),))
        case _:
            return asked


def settings_of(provider: str, case: str) -> dict[str, Any]:
    """Arguments of the driver, its model included. Nothing is tried twice."""
    setup = SETUPS.get(provider, Setup())
    name = setup.model or find(provider).default_model
    if case == "error" and setup.keyless:
        name = NO_MODEL
    settings: dict[str, Any] = {"model": f"{provider}/{name}", "retry": Retry(attempts=1)}
    if case.startswith("responses"):
        settings["api"] = "responses"
    wrong = case in ("error", "wrong_key")
    key = {} if setup.keyless and not wrong else {"api_key": WRONG_KEY if wrong else KEY}
    return {**settings, **key, **setup.settings}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case. Seconds are 0, so that two colours can be compared."""

    completion: Completion | None = None
    deltas: tuple[Delta, ...] = ()
    result: Extraction[Any] | None = None
    error: PromptureError | None = None

    @property
    def seen(self) -> tuple[Any, ...]:
        """What two outcomes must have in common."""
        found = self.result
        extraction = found and (
            found.value,
            found.strategy,
            found.model,
            dict(found.sources),
            [(c.status, c.usage, c.cost) for c in found.cost.charges],
        )
        done = self.completion and replace(self.completion, seconds=0.0, retries=())
        return done, self.deltas, extraction, type(self.error), str(self.error)


def ask(provider: str, case: str, **settings: Any) -> Outcome:
    """The case over the sync driver."""
    with driver_for(**{**settings_of(provider, case), **settings}) as driver:
        try:
            if case == "extract":
                found = extract_result(Receipt, DOCUMENT, model=driver, max_retries=0)
                return Outcome(result=found)
            if case.endswith("stream"):
                return _gathered(list(driver.stream(request_of(case))))
            return Outcome(driver.complete(request_of(case)))
        except PromptureError as exc:
            return Outcome(error=exc)


async def aask(provider: str, case: str, **settings: Any) -> Outcome:
    """The case over the async driver."""
    async with async_driver_for(**{**settings_of(provider, case), **settings}) as driver:
        try:
            if case == "extract":
                found = await aextract_result(Receipt, DOCUMENT, model=driver, max_retries=0)
                return Outcome(result=found)
            if case.endswith("stream"):
                return _gathered([piece async for piece in driver.stream(request_of(case))])
            return Outcome(await driver.complete(request_of(case)))
        except PromptureError as exc:
            return Outcome(error=exc)


def _gathered(pieces: list[Delta | Completion]) -> Outcome:
    done = pieces[-1]
    deltas = tuple(piece for piece in pieces if isinstance(piece, Delta))
    return Outcome(done if isinstance(done, Completion) else None, deltas)
