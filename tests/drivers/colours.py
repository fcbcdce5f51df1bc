"""Both colours of a driver behind one face, so that one table tests them alike."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self

from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.types import Completion, Delta, Request, user
from prompture.wire.retry import Retry

KEY = "never-shown-0123456789abcdef"
ASK = Request(model="m", messages=(user("hi"),))


def quick(attempts: int = 3) -> Retry:
    """Retries that wait for nothing but what a provider asks for."""
    return Retry(attempts=attempts, jitter=lambda low, high: 0.0)


class Colour:
    """Opens drivers, closes them at the end. ``run`` carries what a driver gives back."""

    name: str

    def __init__(self) -> None:
        self._open: list[Any] = []

    def driver(self, url: str, **settings: Any) -> Any:
        made = self._make(url, {"api_key": KEY, "retry": quick(), "timeout": 5.0, **settings})
        self._open.append(made)
        return made

    def _make(self, url: str, settings: dict[str, Any]) -> Any:
        raise NotImplementedError

    def complete(self, driver: Any, request: Request = ASK) -> Completion:
        found: Completion = self.run(driver.complete(request))
        return found

    def run(self, value: Any) -> Any:
        return value

    def stream(self, driver: Any, request: Request = ASK, *, leave: int | None = None) -> list[Any]:
        """The stream's pieces; after ``leave`` of them the iterator is closed."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for driver in self._open:
            self.run(driver.close())


class Sync(Colour):
    name = "sync"

    def _make(self, url: str, settings: dict[str, Any]) -> Any:
        return OpenAICompatible("m", base_url=url, **settings)

    def stream(self, driver: Any, request: Request = ASK, *, leave: int | None = None) -> list[Any]:
        pieces: list[Any] = []
        iterator = driver.stream(request)
        for piece in iterator:
            pieces.append(piece)
            if len(pieces) == leave:
                iterator.close()
        return pieces


class Async(Colour):
    name = "async"

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()

    def _make(self, url: str, settings: dict[str, Any]) -> Any:
        return AsyncOpenAICompatible("m", base_url=url, **settings)

    def run(self, value: Any) -> Any:
        return self._runner.run(value, context=copy_context())

    def stream(self, driver: Any, request: Request = ASK, *, leave: int | None = None) -> list[Any]:
        return list(self.run(self._pieces(driver, request, leave)))

    async def _pieces(self, driver: Any, request: Request, leave: int | None) -> list[Any]:
        pieces: list[Any] = []
        iterator = driver.stream(request)
        async for piece in iterator:
            pieces.append(piece)
            if len(pieces) == leave:
                await iterator.aclose()
        return pieces

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        self._runner.close()


COLOURS: tuple[type[Colour], ...] = (Sync, Async)


def text_of(pieces: list[Any]) -> str:
    return "".join(p.text for p in pieces if isinstance(p, Delta))
