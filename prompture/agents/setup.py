"""An agent made ready for one driver.

Ready means: the tools in the driver's schema dialect, the way to ask for the output, and the
request without the conversation. The strategies for the output, the rewriting of its schema and
the reading of it are those of ``extract``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from prompture.agents.tools import FunctionTool, by_name
from prompture.codecs.histories import has_calls
from prompture.codecs.options import ToolParameters
from prompture.codecs.prompted import prompted_request, read_calls
from prompture.drivers.core import BaseDriver
from prompture.drivers.provider import Features
from prompture.errors import ConfigurationError, SchemaError
from prompture.extraction.answer import ParsedAnswer, Rejected, read
from prompture.extraction.strategy import Plan, plan, strategies
from prompture.schema.problems import InvalidValue
from prompture.schema.rewriting import Rewrite, rewrite
from prompture.schema.source import Source
from prompture.schema.source import source as make_source
from prompture.types import Completion, Message, Native, Request, Tool, ToolCall

T = TypeVar("T")
B = TypeVar("B", bound=BaseDriver)
_LOOSE = "openai-compatible"
_IN_TEXT = "calls_in_text"
"""The dialect of prompted calls: its native items must not go to the provider's own codec."""
_ALWAYS = frozenset({"gemini", "gemini-openapi", "moonshot", "ollama", "llamacpp", "xai"})
"""Dialects whose rules the parameters of a tool must obey even where the tool is not strict."""
_BY_TOOL = "When you have all that you need, give the final answer by calling {name}."
_BY_TEXT = (
    "When you have all that you need{unless}, give the final answer as one JSON value that"
    " satisfies this JSON Schema, with no words around it:\n{schema}"
)
_UNLESS = " and call no tool"


@dataclass(frozen=True, slots=True)
class Output(Generic[T]):
    """What a run may end with: a value of ``source``, the value of one of ``functions``, or, where
    there are functions and ``text`` is True, a text. With none of them it is a text."""

    source: Source[T] | None = None
    functions: Mapping[str, FunctionTool] = field(default_factory=dict)
    text: bool = False


def output_of(given: object, tools: Mapping[str, FunctionTool]) -> Output[Any]:
    """What ``output=`` means: a schema, a function, or several of both.

    Raises SchemaError and ConfigurationError.
    """
    several = isinstance(given, (list, tuple)) and len(given) > 0
    items: list[object] = list(given) if several else [given]  # type: ignore[call-overload]
    functions = [each for each in items if _is_function(each)]
    if not functions:
        return Output(None if given is None else make_source(given))
    schemas = [each for each in items if not _is_function(each) and each is not str]
    if len(schemas) > 1:
        raise ConfigurationError(
            "output has several schemas beside its functions: write them as one union, A | B"
        )
    found = by_name(functions)
    if twice := sorted(found.keys() & tools.keys()):
        raise ConfigurationError(f"{twice[0]!r} is both a tool and an output function")
    return Output(make_source(schemas[0]) if schemas else None, found, text=str in items)


def _is_function(given: object) -> bool:
    # Not whatever can be called: a type is a schema.
    return isinstance(given, (FunctionTool, partial)) or inspect.isroutine(given)


@dataclass(frozen=True, slots=True)
class FinalOutput(Generic[T]):
    """How one model is asked for the final value of a run, and how that is read.

    ``instructions`` are added to the agent's. ``tool`` is the one to call with the value, where the
    strategy is ``"tool"``. ``others`` are less strict strategies, for a provider that refuses this
    one.
    """

    source: Source[T]
    plan: Plan
    instructions: str
    tool: Tool | None
    others: tuple[str, ...] = ()

    def calls(self, completion: Completion) -> tuple[ToolCall | None, tuple[ToolCall, ...]]:
        """Return the call that gives the value, and the calls of tools."""
        own = self.tool
        if own is None:
            return None, completion.tool_calls
        final = next((c for c in completion.tool_calls if c.name == own.name), None)
        return final, tuple(c for c in completion.tool_calls if c.name != own.name)

    def read(self, completion: Completion, call: ToolCall | None) -> ParsedAnswer:
        """Read the value of an answer, or of the call that gives it. Raises InvalidValue.

        Further calls of the same tool are read, too, so that a second value is not lost.
        """
        own = [c for c in completion.tool_calls if call is not None and c.name == call.name]
        alone = replace(completion, tool_calls=tuple(own))
        try:
            return read(self.source, self.plan, alone)
        except Rejected as exc:
            raise InvalidValue(exc.problems) from exc

    def ask(self, request: Request, *, tools: bool) -> Request:
        """Add to a request what lets the model answer with the value."""
        template = self.plan.template
        if own := self.tool:
            # Beside other tools the model must be free to call those first.
            choice = request.tool_choice if tools else template.tool_choice
            return replace(request, tools=(*request.tools, own), tool_choice=choice)
        return replace(
            request,
            schema=template.schema,
            schema_name=template.schema_name,
            json_mode=template.json_mode,
        )


def final_output(
    source: Source[T],
    driver: BaseDriver,
    *,
    strategy: str,
    base: Request,
    tools: bool,
    taken: Sequence[str] = (),
) -> FinalOutput[T]:
    """The strictest way that the model and the schema allow, beside tools where there are any.

    ``taken`` are names of tools, which the output's own tool must not have.
    Raises UnsupportedError, SchemaError and ConfigurationError as ``extract`` does.
    """
    names = (
        list(strategies(driver.features, beside_tools=tools)) if strategy == "auto" else [strategy]
    )
    # Two tools of one name are refused by every provider.
    while source.name in taken:
        source = replace(source, name=f"final_{source.name}"[:64])
    for at, name in enumerate(names):
        try:
            made = plan(source, driver, strategy=name, base=base)
        except SchemaError:
            # The dialect of this way cannot express the schema; a looser way may.
            if at + 1 == len(names):
                raise
            continue
        return FinalOutput(
            source=source,
            plan=made,
            instructions=_output_instructions(source, made, tools),
            tool=_output_tool(source, made),
            others=tuple(names[at + 1 :]),
        )
    raise AssertionError("a way to ask by prompt is always there")


def _output_tool(source: Source[T], made: Plan) -> Tool | None:
    if made.strategy != "tool":
        return None
    description = source.description or "Give the final answer."
    return replace(made.template.tools[0], description=description)


def _output_instructions(source: Source[Any], made: Plan, tools: bool) -> str:
    if made.strategy == "tool":
        return _BY_TOOL.format(name=source.name)
    if made.strategy == "json_schema":
        return ""
    schema = json.dumps(made.rewrite.schema, ensure_ascii=False, separators=(",", ":"))
    return _BY_TEXT.format(unless=_UNLESS if tools else "", schema=schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(Generic[B, T]):
    """An agent ready for one driver.

    ``name`` is ``"provider/model"``. ``template`` is the request without the conversation; its
    messages are the instructions. ``rewrites`` are those of the tools' schemas, by name, that are
    to be undone in the arguments. ``tools`` are all that can be called, also ``enders``: the output
    functions, whose value is the output. ``text_ends``: beside these, a text may be the output.
    ``calls_in_text``: the model has no native tools, so that calls
    are asked for and read in the prompted format. ``looser`` makes the setup with a less strict
    way to ask for the output.
    """

    driver: B
    name: str
    tools: Mapping[str, FunctionTool]
    template: Request
    output: FinalOutput[T] | None
    calls_in_text: bool
    rewrites: Mapping[str, Rewrite] = field(default_factory=dict)
    enders: Mapping[str, FunctionTool] = field(default_factory=dict)
    text_ends: bool = False
    looser: Callable[[], Setup[B, T]] | None = None

    def prompted(self, request: Request) -> Request:
        """The request to a model that has no tools of its own: with its calls as text."""
        if self.calls_in_text or has_calls(request.messages):
            return prompted_request(request, dialect=_IN_TEXT)
        return request

    def read_prompted(self, completion: Completion) -> Completion:
        """The answer, where ``calls_in_text``, with the calls that its text holds."""
        if completion.native is not None:
            # The provider's item holds the calls as text; beside the calls that are read from it
            # they would be there twice. Wrapped, no codec echoes it.
            completion = replace(completion, native=Native(_IN_TEXT, completion.native))
        return completion if completion.tool_calls else read_calls(completion)

    def ender_names(self) -> str:
        """The output functions, for the model."""
        return " or ".join(self.enders)


def set_up(
    driver: B,
    *,
    tools: Mapping[str, FunctionTool],
    output: Output[T],
    strategy: str,
    instructions: str,
    base: Request,
) -> Setup[B, T]:
    """Make an agent ready for a driver. Raises UnsupportedError, SchemaError, ConfigurationError."""
    features, enders = driver.features, output.functions
    every = {**tools, **enders}
    final = None
    if output.source is not None:
        taken = tuple(every)
        final = final_output(
            output.source, driver, strategy=strategy, base=base, tools=bool(every), taken=taken
        )
    rewrites = {name: _rewritten(tool, features) for name, tool in every.items()}
    request = replace(
        base,
        model=base.model or driver.model,
        messages=_instructions(instructions, final, output, features),
        tools=tuple(_wire_tool(tool, rewrites[name]) for name, tool in every.items()),
    )
    if final is not None:
        request = final.ask(request, tools=bool(every))
    elif (
        len(every) == len(enders) == 1
        and not (output.text or base.reasoning)
        and features.tool_use
        and features.forced_tool
    ):
        # Nothing else can be done: one call, and the run is over.
        request = replace(request, tool_choice=next(iter(enders)))
    looser = None
    if final is not None and final.others:
        # Made only when a provider has refused this way, so that strictness is not given up for
        # nothing.
        looser = partial(
            set_up,
            driver,
            tools=tools,
            output=output,
            strategy=final.others[0],
            instructions=instructions,
            base=base,
        )
    return Setup(
        driver=driver,
        name=f"{driver.provider.name}/{request.model}",
        tools=every,
        template=request,
        output=final,
        calls_in_text=bool(every) and not features.tool_use,
        rewrites={name: each for name, each in rewrites.items() if not each.identity},
        enders=enders,
        text_ends=output.text,
        looser=looser,
    )


def _rewritten(tool: FunctionTool, features: Features) -> Rewrite:
    own = features.schema_dialect
    try:
        # A loose schema is sent nearly as it is: the arguments are checked here in any case.
        if tool.strict or own in _ALWAYS:
            return rewrite(tool.parameters, own)
        return rewrite(tool.parameters, _LOOSE)
    except SchemaError as exc:
        raise SchemaError(f"the arguments of tool {tool.name!r}: {exc}") from exc


def _wire_tool(tool: FunctionTool, rewritten: Rewrite) -> Tool:
    schema = rewritten.schema
    if isinstance(schema, bool):
        raise SchemaError(f"the arguments of tool {tool.name!r}: its schema must be an object's")
    # The title is the tool's name, which is sent beside the schema.
    # Each step sends it again.
    plain = ToolParameters((key, value) for key, value in schema.items() if key != "title")
    strict = tool.strict and rewritten.dialect != _LOOSE
    return Tool(name=tool.name, description=tool.description, parameters=plain, strict=strict)


def _instructions(
    instructions: str, final: FinalOutput[Any] | None, output: Output[Any], features: Features
) -> tuple[Message, ...]:
    words = [instructions, final.instructions if final else ""]
    if output.functions and not output.text:
        either = "Or give" if final else "When you have all that you need, give"
        words.append(f"{either} the final answer by calling {' or '.join(output.functions)}.")
    text = "\n\n".join(w for w in words if w)
    # Some models know no system turn: the instructions are then the first user's turn.
    role: Literal["system", "user"] = "system" if features.messages else "user"
    return (Message(role=role, content=text),) if text else ()
