"""Agents in one colour over a script."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from prompture.agents.agent import Agent
from prompture.agents.conversation import Conversation
from prompture.testing import (
    AsyncFunctionDriver,
    AsyncScriptedDriver,
    FunctionDriver,
    ScriptedDriver,
)
from prompture.types import ToolCall

SETTINGS = ("features", "prices", "chunk_chars", "hooks")


def call(name: str, id: str = "c1", **arguments: Any) -> ToolCall:
    return ToolCall(id=id, name=name, arguments=arguments)


class Colour:
    """``run``, ``events`` and ``talk`` in one colour; ``driver`` is the last one made."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.driver: Any = None

    @property
    def is_async(self) -> bool:
        return self.name == "async"

    def drive(self, answers: Any, **settings: Any) -> Any:
        """A driver that answers with the items of a list, or what a function gives."""
        if callable(answers):
            kind: Any = AsyncFunctionDriver if self.is_async else FunctionDriver
        else:
            kind = AsyncScriptedDriver if self.is_async else ScriptedDriver
        self.driver = kind(answers, **settings)
        return self.driver

    def agent(self, answers: Any, **options: Any) -> Agent[Any]:
        settings = {k: options.pop(k) for k in SETTINGS if k in options}
        return Agent(self.drive(answers, **settings), **options)

    def run(self, answers: Any, prompt: Any = "hi", *, messages: Any = (), **options: Any) -> Any:
        return self.go(self.agent(answers, **options), prompt, messages=messages)

    def go(self, agent: Agent[Any], prompt: Any = "hi", **given: Any) -> Any:
        if self.is_async:
            return asyncio.run(agent.arun(prompt, **given))
        return agent.run(prompt, **given)

    def events(self, answers: Any, prompt: Any = "hi", **options: Any) -> list[Any]:
        return self.look(self.agent(answers, **options), prompt)

    def look(self, talker: Any, prompt: Any) -> list[Any]:
        """The events of an agent or a conversation."""

        async def collect() -> list[Any]:
            return [event async for event in talker.astream(prompt)]

        return asyncio.run(collect()) if self.is_async else list(talker.stream(prompt))

    def say(self, talk: Conversation, prompt: Any) -> str:
        return asyncio.run(talk.asay(prompt)) if self.is_async else talk.say(prompt)


colours = pytest.mark.parametrize(
    "colour", [Colour("sync"), Colour("async")], ids=lambda c: str(c.name)
)
