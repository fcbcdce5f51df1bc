"""For tests of your own code: drivers that answer from a script or a function.

    driver = ScriptedDriver(['{"total": 12.5}'])
    extract(Receipt, text, model=driver)
    assert driver.requests[0].messages[-1].text == text

Each has an async twin (``AsyncScriptedDriver``, ``AsyncFunctionDriver``) and all that a driver has:
features, ``generate`` methods, hooks, a bill. An answer costs nothing unless it is a Completion with
a usage, and the driver is given ``prices``.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

from prompture import given
from prompture.catalog import Rates, cost_of
from prompture.drivers.bounded import abounded_stream, awaited_in_time, bounded
from prompture.drivers.call import Call
from prompture.drivers.cost import LOCAL, CostMixin
from prompture.drivers.inprocess import (
    NO_CODEC,
    AsyncInProcessDriver,
    EngineCall,
    InProcessBase,
    InProcessDriver,
)
from prompture.drivers.provider import Features, Provider
from prompture.errors import PromptureError
from prompture.money import Cost
from prompture.types import JSON, Completion, Delta, Request, ToolCall, Usage
from prompture.wire import deadline

__all__ = ["AsyncFunctionDriver", "AsyncScriptedDriver", "FunctionDriver", "ScriptedDriver"]

Answer: TypeAlias = str | JSON | ToolCall | Completion | PromptureError
"""Text, a value (becomes JSON), a tool call, a whole Completion, or an error to raise."""
Function: TypeAlias = Callable[[Request], object]
"""Returns an Answer; for an async driver it may be a coroutine function."""

ROW = Provider(
    name="scripted",
    title="Scripted",
    codec=NO_CODEC,
    base_url="",
    key_required=False,
    default_model="scripted",
    features=Features(vision=True, files=True),
    docs="prompture.testing",
)


# An AssertionError, which no flow catches: a fallback must not hide a call too many.
class ScriptExhausted(AssertionError):
    """More calls were made than the script has answers."""


def completion_of(answer: Any, request: Request) -> Completion:
    """Make a Completion of a scripted answer; an error is raised."""
    if isinstance(answer, BaseException):
        raise answer
    if isinstance(answer, Completion):
        return answer
    if isinstance(answer, ToolCall):
        answer = [answer]
    if (
        isinstance(answer, (list, tuple))
        and answer
        and all(isinstance(a, ToolCall) for a in answer)
    ):
        return Completion(tool_calls=tuple(answer), stop_reason="tool_calls", usage=_FREE)
    if isinstance(answer, str):
        text = answer
    else:
        text = json.dumps(answer, ensure_ascii=False)
    # A tool that must be called is called with the value: so scripts need not know the strategy.
    forced = next((t for t in request.tools if t.name == request.tool_choice), None)
    if forced is not None and not isinstance(answer, str):
        if not isinstance(answer, Mapping):
            # A list or a number travels in the one property that its schema was given for that.
            names = list(forced.parameters.get("properties", ()))
            if len(names) != 1:
                raise given.wrong("an answer", f"an object, as {forced.name!r} takes", answer)
            answer = {names[0]: answer}
            text = json.dumps(answer, ensure_ascii=False)
        call = ToolCall(id="call_0", name=forced.name, arguments=dict(answer), raw_arguments=text)
        return Completion(tool_calls=(call,), stop_reason="tool_calls", usage=_FREE)
    return Completion(text=text, usage=_FREE)


# Reported, with no tokens: an answer of a script costs nothing, and that is known.
_FREE = Usage(requests=1, reported=True)


class _Scripted(CostMixin, InProcessBase):
    """What the four drivers share: the function, the requests they got, and the prices."""

    provider = ROW

    def __init__(
        self,
        function: Function,
        *,
        model: str = "scripted",
        prices: Rates | None = None,
        chunk_chars: int = 8,
        **settings: Any,
    ) -> None:
        super().__init__(model, **settings)
        if not callable(function):
            raise given.wrong("function", "a function of a Request", function)
        if prices is not None and not isinstance(prices, Rates):
            raise given.wrong("prices", "catalog.Rates(...)", prices)
        self.requests: list[Request] = []
        self.prices = prices
        self._function = function
        self._chunk_chars = given.count(chunk_chars, "chunk_chars") or 1

    def price(
        self, usage: Usage, *, answered: str = "", asked: str = "", at: float | None = None
    ) -> Cost:
        return LOCAL if self.prices is None else cost_of(usage, self.prices, model=asked)


def _cut(completion: Completion, size: int) -> Generator[Delta | Completion, None, None]:
    """Deltas of ``size`` characters, then the completion."""
    for start in range(0, len(completion.reasoning), size):
        yield Delta(reasoning=completion.reasoning[start : start + size])
    for start in range(0, len(completion.text), size):
        yield Delta(text=completion.text[start : start + size])
    for index, call in enumerate(completion.tool_calls):
        raw = call.raw_arguments or json.dumps(call.arguments)
        yield Delta(tool_index=index, tool_id=call.id, tool_name=call.name)
        for start in range(0, len(raw), size):
            yield Delta(tool_index=index, tool_arguments=raw[start : start + size])
    yield completion


class FunctionDriver(_Scripted, InProcessDriver):
    """Answers with what ``function(request)`` returns: see Answer.

    ``requests`` records every request. ``prices`` (``catalog.Rates``) put a price on the usage
    of the Completions it returns. ``chunk_chars`` is how finely streams are cut.
    """

    def _remake(self) -> None:
        super()._remake()
        self.__dict__["engine"] = _Engine(self)

    def _reply(self, request: Request) -> Completion:
        self.requests.append(request)
        return completion_of(self._function(request), request)

    def close(self) -> None:
        """Do nothing: there is no connection, and it answers calls after this, too."""


class _Engine:
    """The engine of a FunctionDriver: the driver itself."""

    # An InProcessDriver makes its engine of the row and the settings, which know no function.

    def __init__(self, driver: FunctionDriver) -> None:
        self._driver = driver

    def answer(self, request: Request) -> Completion:
        return self._driver._reply(request)

    def stream(self, request: Request) -> Generator[Delta | Completion, None, None]:
        yield from _cut(self._driver._reply(request), self._driver._chunk_chars)


class AsyncFunctionDriver(_Scripted, AsyncInProcessDriver):
    """An async FunctionDriver. The function, which may be a coroutine function, runs in the event
    loop, not in a thread."""

    # Not by an engine as its sync twin: that would run the function in a worker thread, where
    # a coroutine function has no event loop.

    async def complete(self, request: Request) -> Completion:
        """Ask once and wait for the whole answer."""
        if getattr(request, "deadline", None) is not None:
            with bounded(request) as bare:
                return await self.complete(bare)
        deadline.check(f"before {self.name} began")
        call = EngineCall(self, request)
        async with call.settling():
            await _wait_for_meters(call)
            return call.finished(call.kept() or await self._reply(call.request), None)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Completion]:
        """The answer cut into pieces, then the completion."""
        if getattr(request, "deadline", None) is not None:
            async with aclosing(abounded_stream(self.stream, request)) as bare:
                async for each in bare:
                    yield each
            return
        deadline.check(f"before {self.name} began")
        call = EngineCall(self, request)
        texts: list[str] = []
        async with call.settling(lambda: Completion(text="".join(texts))):
            await _wait_for_meters(call)
            whole = call.kept() or await self._reply(call.request)
            for piece in _cut(whole, self._chunk_chars):
                if isinstance(piece, Completion):
                    done = call.finished(piece, None)
                    break
                texts.append(piece.text)
                yield call.delta(piece)
        yield done

    async def _reply(self, request: Request) -> Completion:
        self.requests.append(request)
        answer = self._function(request)
        if inspect.isawaitable(answer):
            answer = await awaited_in_time(answer, f"{self.name} was still writing")
        return completion_of(answer, request)

    async def close(self) -> None:
        """Do nothing: there is no connection, and it answers calls after this, too."""

    aclose = close


async def _wait_for_meters(call: Call) -> None:
    while call.wait:
        if late := deadline.too_long(call.wait):
            raise late
        await asyncio.sleep(call.wait)
        call.begin()


def _script(answers: Iterable[object]) -> Function:
    single = (str, bytes, Mapping, Completion, ToolCall, BaseException)
    if isinstance(answers, single) or not isinstance(answers, Iterable):
        raise given.wrong("answers", "a list of answers, one for each call", answers)
    # An iterator may go on for ever; it is read one call at a time.
    left = iter(answers)
    count = 0

    def next_answer(request: Request) -> object:
        nonlocal count
        count += 1
        try:
            return next(left)
        except StopIteration:
            raise ScriptExhausted(f"call {count} was made; the script has {count - 1}") from None

    return next_answer


class ScriptedDriver(FunctionDriver):
    """Answers with the items of ``answers`` in turn: see Answer. Raises ScriptExhausted."""

    def __init__(self, answers: Iterable[object], **settings: Any) -> None:
        super().__init__(_script(answers), **settings)


class AsyncScriptedDriver(AsyncFunctionDriver):
    """An async ScriptedDriver."""

    def __init__(self, answers: Iterable[object], **settings: Any) -> None:
        super().__init__(_script(answers), **settings)
