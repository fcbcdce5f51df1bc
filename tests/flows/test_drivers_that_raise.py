"""Drivers, hooks and interrupts that raise in the middle of a flow: the kind of the error, the
bill, and whether the next model is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel

import prompture
from prompture import Agent, Completion, Delta, Hooks, Request, Usage
from prompture.catalog import Rates
from prompture.errors import (
    ConfigurationError,
    MissingKey,
    PromptureError,
    ProtocolError,
    ServerError,
)
from prompture.testing import (
    AsyncFunctionDriver,
    AsyncScriptedDriver,
    FunctionDriver,
    ScriptedDriver,
)

RATES = Rates(input=Decimal(1), output=Decimal(2))
USAGE = Usage(input_tokens=10, output_tokens=5, requests=1, reported=True)


class Line(BaseModel):
    name: str


def raising(error: BaseException, after: list[Any] | None = None) -> Any:
    """A function that answers from a list and then raises."""
    left = iter(after or [])

    def answer(request: Request) -> Any:
        for each in left:
            return each
        raise error

    return answer


def extracted(first: Any, second: Any, **options: Any) -> Any:
    models = [FunctionDriver(first, prices=RATES), *([second] if second else [])]
    return prompture.extract_result(Line, "Ann", model=models, **options)


def streamed(first: Any, second: Any, **options: Any) -> Any:
    models = [FunctionDriver(first, prices=RATES), *([second] if second else [])]
    *_, last = prompture.extract_stream(Line, "Ann", model=models, **options)
    return last.result


def aextracted(first: Any, second: Any, **options: Any) -> Any:
    models = [AsyncFunctionDriver(first, prices=RATES), *([second] if second else [])]
    return asyncio.run(prompture.aextract_result(Line, "Ann", model=models, **options))


def astreamed(first: Any, second: Any, **options: Any) -> Any:
    async def run() -> Any:
        models = [AsyncFunctionDriver(first, prices=RATES), *([second] if second else [])]
        found = prompture.aextract_stream(Line, "Ann", model=models, **options)
        return [p async for p in found][-1].result

    return asyncio.run(run())


WAYS: list[tuple[Any, Any]] = [
    (extracted, ScriptedDriver),
    (streamed, ScriptedDriver),
    (aextracted, AsyncScriptedDriver),
    (astreamed, AsyncScriptedDriver),
]
FAULTS = [
    KeyError("k"),
    RuntimeError("r"),
    TypeError("t"),
    OSError("o"),
    StopIteration(),
    Exception(),
]
INVALID = Completion(text='{"name": 1}', usage=USAGE)


@pytest.mark.parametrize(("way", "scripted"), WAYS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: type(f).__name__)
def test_a_driver_that_raises_is_a_typed_error(way: Any, scripted: Any, fault: Exception) -> None:
    found = way(raising(fault, [INVALID]), scripted([{"name": "Ann"}]), max_retries=1)
    assert found.value == Line(name="Ann") and len(found.attempts) == 3
    assert found.attempts[1].error.startswith("ProtocolError: scripted/scripted: the driver raised")
    assert [c.status for c in found.cost.charges] == ["invalid", "cancelled", "ok"]
    with pytest.raises(ProtocolError, match="scripted/scripted: the driver raised") as caught:
        way(raising(fault, [INVALID]), None, max_retries=1)
    error = caught.value
    cause: Any = error.__cause__
    assert cause is fault or cause.__cause__ is fault  # a generator's StopIteration is wrapped
    assert error.bill is not None and len(error.bill.charges) == 2 and len(error.attempts) == 2
    assert error.bill.total is None


@pytest.mark.parametrize(("way", "scripted"), WAYS)
@pytest.mark.parametrize(
    "fault", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), AssertionError("a")]
)
def test_what_ends_a_program_ends_it_with_the_bill(
    way: Any, scripted: Any, fault: BaseException
) -> None:
    second = scripted([{"name": "Ann"}])
    with pytest.raises(type(fault)) as caught:
        way(raising(fault, [INVALID]), second, max_retries=1)
    assert not second.requests
    if isinstance(fault, AssertionError) or way in (extracted, aextracted):
        bill: Any = caught.value.bill  # type: ignore[attr-defined]
        assert [c.status for c in bill.charges] == ["invalid", "cancelled"]


@pytest.mark.parametrize("where", ["before_request", "after_response"])
def test_what_a_hook_raises_ends_the_call_as_it_is(where: str) -> None:
    def stop(*_: Any) -> Any:
        raise PermissionError("not this document")

    second = ScriptedDriver([{"name": "Ann"}])
    answer = Completion(text='{"name": "Ann"}', usage=USAGE)
    hooked = ScriptedDriver([answer], hooks=Hooks(**{where: stop}), prices=RATES)
    with pytest.raises(PermissionError) as caught:
        prompture.extract(Line, "Ann", model=[hooked, second])
    assert not second.requests
    if where == "after_response":
        assert caught.value.bill.total == Decimal("0.00002")  # type: ignore[attr-defined]


class Foreign:
    """A driver of somebody else's: the bare protocol, no base of ours."""

    name = "foreign/m"
    model = "m"
    provider = type("Row", (), {"name": "foreign"})
    features = prompture.Features()
    plans: dict[Any, Any]

    def __init__(self) -> None:
        self.plans = {}

    def entry(self, model: str) -> None:
        return None

    def complete(self, request: Request) -> Completion:
        raise LookupError("a fault of mine")

    def stream(self, request: Request) -> Iterator[Any]:
        yield prompture.Delta(text='{"na')
        raise LookupError("a fault of mine")


def test_a_driver_without_our_base() -> None:
    for call in (prompture.extract, lambda *a, **o: list(prompture.extract_stream(*a, **o))):
        with pytest.raises(ProtocolError, match="foreign/m: the driver raised LookupError"):
            call(Line, "Ann", model=Foreign())


def test_a_key_that_is_missing_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    down = ServerError("down", provider="scripted", status=500)
    fine = ScriptedDriver([{"name": "Ann"}])
    models: list[Any] = [ScriptedDriver([down]), "openai/gpt-5-mini", fine]
    found = prompture.extract_result(Line, "Ann", model=models)
    assert [a.error.partition(":")[0] for a in found.attempts] == ["ServerError", "MissingKey", ""]
    with pytest.raises(MissingKey) as caught:
        prompture.extract(Line, "Ann", model=[ScriptedDriver([down]), "openai/gpt-5-mini"])
    assert len(caught.value.attempts) == 2
    assert "tried before: scripted/scripted: ServerError" in caught.value.__notes__[0]


def test_a_plugin_whose_driver_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from prompture.extraction import model_drivers

    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("a fault of the plugin")

    monkeypatch.setattr(model_drivers, "kept_driver", broken)
    fine = ScriptedDriver([{"name": "Ann"}])
    assert prompture.extract(Line, "Ann", model=["plugin/m", fine]) == Line(name="Ann")
    with pytest.raises(ConfigurationError, match="could not be made: KeyError") as caught:
        prompture.extract(Line, "Ann", model="plugin/m")
    assert isinstance(caught.value.__cause__, KeyError)


def test_retries_count_what_a_model_answered() -> None:
    no = prompture.InvalidRequest("json_schema is not supported", provider="x", status=400)
    bad = Completion(text='{"name": 1}', usage=USAGE)
    driver = ScriptedDriver([bad, no, bad, bad, bad])
    with pytest.raises(PromptureError) as caught:
        prompture.extract(Line, "Ann", model=driver, max_retries=2)
    assert len(driver.requests) == 4  # three answers, and the request that was refused
    assert len(caught.value.attempts) == 4


def test_a_cancelled_task_carries_the_bill() -> None:
    async def slow(request: Request) -> Any:
        if len(driver.requests) == 1:
            return INVALID
        return await asyncio.sleep(60)

    driver = AsyncFunctionDriver(slow, prices=RATES)

    async def run() -> Any:
        task = asyncio.create_task(prompture.aextract(Line, "Ann", model=driver))
        while len(driver.requests) < 2:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    assert [c.status for c in asyncio.run(run()).bill.charges] == ["invalid", "cancelled"]


def test_an_agent_tells_it_in_the_same_way() -> None:
    class Known(BaseModel):
        name: Annotated[str, AfterValidator(lambda name: {"Ann": name}[name])]

    calls: list[Any] = [
        lambda: Agent(FunctionDriver(raising(KeyError("k")))).run("t"),
        lambda: asyncio.run(Agent(AsyncFunctionDriver(raising(KeyError("k")))).arun("t")),
        lambda: list(Agent(FunctionDriver(raising(KeyError("k")))).stream("t")),
    ]
    for call in calls:
        with pytest.raises(ProtocolError, match="the driver raised KeyError") as caught:
            call()
        assert isinstance(caught.value.__cause__, KeyError) and caught.value.trace
    for strategy in ("tool", "prompt"):
        driver = ScriptedDriver([{"name": "Bob"}], prices=RATES)
        with pytest.raises(prompture.Invalid) as invalid:
            Agent(driver, output=Known, strategy=strategy, max_retries=0).run("t")
        assert isinstance(invalid.value.__cause__, KeyError)
        assert invalid.value.value == {"name": "Bob"} and invalid.value.raw == '{"name": "Bob"}'


class Endless(ScriptedDriver):
    """Its streams lack their end."""

    def stream(self, request: Request) -> Any:
        yield Delta(text="hello")


class AsyncEndless(AsyncScriptedDriver):
    async def stream(self, request: Request) -> Any:
        yield Delta(text="hello")


def test_a_stream_without_its_end_is_called_so_in_extractions_and_agents() -> None:
    async def awaited() -> None:
        async for _ in Agent(AsyncEndless([])).astream("hi"):
            pass

    works: list[Any] = [
        lambda: list(prompture.extract_stream(Line, "Ann", model=Endless([]))),
        lambda: list(Agent(Endless([])).stream("hi")),
        lambda: asyncio.run(awaited()),
    ]
    for work in works:
        with pytest.raises(ProtocolError, match="ended without a Completion"):
            work()
