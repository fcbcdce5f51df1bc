"""The typed end of a run: how it is asked for, and how it is read from an answer.

The strategies, the rewriting of the schema and the reading are those of ``extract``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from prompture.drivers.core import BaseDriver
from prompture.errors import SchemaError
from prompture.extraction.answer import Reading, Rejected, read
from prompture.extraction.strategy import Plan, plan, strategies
from prompture.schema.check import InvalidValue
from prompture.schema.source import Source
from prompture.types import Completion, Request, Tool, ToolCall

T = TypeVar("T")
_BY_TOOL = "When you have all that you need, give the final answer by calling {name}."
_BY_TEXT = (
    "When you have all that you need{unless}, give the final answer as one JSON value that"
    " satisfies this JSON Schema, with no words around it:\n{schema}"
)
_UNLESS = " and call no tool"


@dataclass(frozen=True, slots=True)
class Output(Generic[T]):
    """How one model is asked for a final value.

    ``instructions`` are added to the agent's. ``tool`` is the one to call with the value, where the
    strategy is ``"tool"``. ``others`` are less strict strategies, for a provider that refuses this one.
    """

    source: Source[T]
    plan: Plan
    instructions: str
    others: tuple[str, ...] = ()

    @property
    def tool(self) -> Tool | None:
        if self.plan.strategy != "tool":
            return None
        description = self.source.description or "Give the final answer."
        return replace(self.plan.template.tools[0], description=description)

    def calls(self, completion: Completion) -> tuple[ToolCall | None, tuple[ToolCall, ...]]:
        """The call that gives the value, and the calls of tools."""
        own = self.tool
        if own is None:
            return None, completion.tool_calls
        final = next((c for c in completion.tool_calls if c.name == own.name), None)
        return final, tuple(c for c in completion.tool_calls if c.name != own.name)

    def read(self, completion: Completion, call: ToolCall | None) -> Reading:
        """The value of an answer, or of the call that gives it (and of its like, so that a second
        value is not lost). Raises InvalidValue."""
        own = [c for c in completion.tool_calls if call is not None and c.name == call.name]
        alone = replace(completion, tool_calls=tuple(own))
        try:
            return read(self.source, self.plan, alone)
        except Rejected as exc:
            raise InvalidValue(exc.problems) from exc

    def ask(self, request: Request, *, tools: bool) -> Request:
        """The request that may be answered with the value."""
        template = self.plan.template
        if own := self.tool:
            choice = request.tool_choice if tools else template.tool_choice
            return replace(request, tools=(*request.tools, own), tool_choice=choice)
        return replace(
            request,
            schema=template.schema,
            schema_name=template.schema_name,
            json_mode=template.json_mode,
        )


def outputs(
    source: Source[T],
    driver: BaseDriver,
    *,
    strategy: str,
    base: Request,
    tools: bool,
    taken: Sequence[str] = (),
) -> Output[T]:
    """The strictest way that the model and the schema allow, beside tools where there are any.

    Raises UnsupportedError, SchemaError and ConfigurationError as ``extract`` does.
    """
    names = (
        list(strategies(driver.features, beside_tools=tools)) if strategy == "auto" else [strategy]
    )
    while source.name in taken:
        source = replace(source, name=f"final_{source.name}"[:64])
    for at, name in enumerate(names):
        try:
            made = plan(source, driver, strategy=name, base=base)
        except SchemaError:
            if at + 1 == len(names):
                raise
            continue
        return Output(source, made, _request_text(source, made, tools), tuple(names[at + 1 :]))
    raise AssertionError("a way to ask by prompt is always there")


def _request_text(source: Source[Any], made: Plan, tools: bool) -> str:
    if made.strategy == "tool":
        return _BY_TOOL.format(name=source.name)
    if made.strategy == "json_schema":
        return ""
    schema = json.dumps(made.rewrite.schema, ensure_ascii=False, separators=(",", ":"))
    return _BY_TEXT.format(unless=_UNLESS if tools else "", schema=schema)
