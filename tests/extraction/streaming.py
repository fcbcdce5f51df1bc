"""Both colours of extract_stream and extract_items behind one face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

from prompture import Extractor
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.testing import AsyncScriptedDriver, ScriptedDriver

TEXT = "ACME Ltd, 3 May 2024. Total: 12.50"


class Colour:
    """``take`` gives what an extraction hands out, and the iterator itself, which has the bill.

    An error is raised on, after what came before it went to ``so_far``.
    """

    name: str
    scripted: type
    compatible: type

    def __init__(self) -> None:
        self.so_far: list[Any] = []
        self.live: Any = None

    def script(self, answers: list[Any], **settings: Any) -> Any:
        return self.scripted(answers, **settings)

    @contextmanager
    def driver(self, url: str, **settings: Any) -> Iterator[Any]:
        raise NotImplementedError

    def stream(self, schema: Any, driver: Any, *, leave: int = -1, **options: Any) -> list[Any]:
        own = {k: options.pop(k) for k in ("min_interval", "clock") if k in options}
        made = Extractor(schema, model=driver, **options)
        return self._take(lambda: self._of(made, "extract_stream")(TEXT, **own), leave)

    def items(self, schema: Any, driver: Any, *, leave: int = -1, **options: Any) -> list[Any]:
        own = {k: options.pop(k) for k in ("on_error",) if k in options}
        made = Extractor(schema, model=driver, **options)
        return self._take(lambda: self._of(made, "extract_items")(TEXT, **own), leave)

    def _of(self, made: Any, name: str) -> Any:
        raise NotImplementedError

    def _take(self, start: Callable[[], Any], leave: int) -> list[Any]:
        raise NotImplementedError


class Sync(Colour):
    name = "sync"
    scripted = ScriptedDriver

    @contextmanager
    def driver(self, url: str, **settings: Any) -> Iterator[Any]:
        with OpenAICompatible("m", base_url=url, api_key="k", **settings) as made:
            yield made

    def _of(self, made: Any, name: str) -> Any:
        return getattr(made, name)

    def _take(self, start: Callable[[], Any], leave: int) -> list[Any]:
        self.so_far = []
        self.live = start()
        for each in self.live:
            self.so_far.append(each)
            if len(self.so_far) == leave:
                break
        return self.so_far


class Async(Colour):
    name = "async"
    scripted = AsyncScriptedDriver

    def __init__(self) -> None:
        super().__init__()
        self.runner: asyncio.Runner | None = None

    @contextmanager
    def driver(self, url: str, **settings: Any) -> Iterator[Any]:
        with asyncio.Runner() as self.runner:
            made = AsyncOpenAICompatible("m", base_url=url, api_key="k", **settings)
            yield made
            self.runner.run(made.close())

    def _of(self, made: Any, name: str) -> Any:
        return getattr(made, f"a{name}")

    def _take(self, start: Callable[[], Any], leave: int) -> list[Any]:
        taken = self._taken(start, leave)
        if self.runner:
            self.runner.run(taken, context=copy_context())
        else:
            asyncio.run(taken)
        return self.so_far

    async def _taken(self, start: Callable[[], Any], leave: int) -> None:
        self.so_far = []
        self.live = start()
        async for each in self.live:
            self.so_far.append(each)
            if len(self.so_far) == leave:
                break
        # What a loop leaves behind is closed when the event loop runs again.
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks)


COLOURS: tuple[type[Colour], ...] = (Sync, Async)
