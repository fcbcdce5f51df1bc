"""An agent made ready for one driver: tools in its dialect, the output's plan, the template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from prompture.agents.output import Output, outputs
from prompture.agents.tools import FunctionTool
from prompture.drivers.core import BaseDriver
from prompture.drivers.provider import Features
from prompture.errors import SchemaError
from prompture.schema.rewriting import Rewrite, rewrite
from prompture.schema.source import Source
from prompture.types import Message, Request, Tool

T = TypeVar("T")
_LOOSE = "openai-compatible"
_ALWAYS = frozenset({"gemini", "gemini-openapi", "moonshot", "ollama", "llamacpp", "xai"})
"""Dialects whose rules a tool's parameters must obey even where they are not held to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(Generic[T]):
    """``template`` is the request without the conversation; its messages are the instructions.

    ``calls_in_text`` says that the model has no tools of its own, so that calls are asked for
    and read by the prompted format. ``looser`` is the same with a less strict output.
    """

    driver: BaseDriver
    tools: Mapping[str, FunctionTool]
    template: Request
    output: Output[T] | None
    calls_in_text: bool
    rewrites: Mapping[str, Rewrite] = field(default_factory=dict)
    looser: Callable[[], Setup[T]] | None = None

    @property
    def name(self) -> str:
        return f"{self.driver.provider.name}/{self.template.model or self.driver.model}"

    def restore(self, name: str, arguments: Any) -> Any:
        """Arguments as the tool's own schema has them."""
        return self.rewrites[name].restore(arguments)


def set_up(
    driver: BaseDriver,
    *,
    tools: Mapping[str, FunctionTool],
    source: Source[T] | None,
    strategy: str,
    instructions: str,
    base: Request,
) -> Setup[T]:
    """Raises UnsupportedError, SchemaError and ConfigurationError."""
    features = driver.features
    output = None
    if source is not None:
        output = outputs(
            source, driver, strategy=strategy, base=base, tools=bool(tools), taken=tuple(tools)
        )
    rewrites = {name: _rewritten(tool, features) for name, tool in tools.items()}
    request = replace(
        base,
        messages=_instructions(instructions, output, features),
        tools=tuple(_wire_tool(tool, rewrites[name]) for name, tool in tools.items()),
    )
    if output is not None:
        request = output.ask(request, tools=bool(tools))

    def looser() -> Setup[T]:
        assert output is not None
        return set_up(
            driver,
            tools=tools,
            source=source,
            strategy=output.others[0],
            instructions=instructions,
            base=base,
        )

    return Setup(
        driver=driver,
        tools=tools,
        template=request,
        output=output,
        calls_in_text=bool(tools) and not features.tool_use,
        rewrites=rewrites,
        looser=looser if output is not None and output.others else None,
    )


def _rewritten(tool: FunctionTool, features: Features) -> Rewrite:
    own = features.schema_dialect
    try:
        if tool.strict or own in _ALWAYS:
            return rewrite(tool.parameters, own)
        return rewrite(tool.parameters, _LOOSE)
    except SchemaError as exc:
        raise SchemaError(f"the arguments of tool {tool.name!r}: {exc}") from exc


def _wire_tool(tool: FunctionTool, rewritten: Rewrite) -> Tool:
    schema = rewritten.schema
    if isinstance(schema, bool):
        raise SchemaError(f"the arguments of tool {tool.name!r}: its schema must be an object's")
    plain = {key: value for key, value in schema.items() if key != "title"}
    strict = tool.strict and rewritten.dialect != _LOOSE
    return Tool(name=tool.name, description=tool.description, parameters=plain, strict=strict)


def _instructions(
    instructions: str, output: Output[Any] | None, features: Features
) -> tuple[Message, ...]:
    words = "\n\n".join(w for w in (instructions, output.words if output else "") if w)
    role: Literal["system", "user"] = "system" if features.messages else "user"
    return (Message(role=role, content=words),) if words else ()
