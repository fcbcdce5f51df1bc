"""How to ask a model for a value: by schema, by tool, by JSON mode, or by prompt alone.

What the system turn says is short and the same for every call of a schema, so that providers can
cache it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from prompture.drivers.core import BaseDriver
from prompture.drivers.provider import Features
from prompture.errors import (
    ConfigurationError,
    ContextWindowExceeded,
    SchemaError,
    UnsupportedError,
)
from prompture.extraction.document_turn import RULE, document_turn, for_model, require_vision
from prompture.extraction.inputs import check_strategy
from prompture.schema.rewriting import Rewrite
from prompture.schema.source import Source
from prompture.types import JSON, Image, JSONValue, Message, Request, Tool

if TYPE_CHECKING:
    from prompture.extraction.examples import Example

_LOOSE = "openai-compatible"
ANSWER_TOKENS = 4_096
"""Where neither the caller nor the model states less."""
_TASK = (
    "Extract the requested data from the document that the user gives. "
    "Take every value from the document itself and keep its wording. "
    "Where the document does not state a value, give null, or leave the value out if null is "
    f"not allowed; never guess and never fill in placeholders. {RULE}"
)
_JSON_ONLY = (
    "Answer with one JSON value that satisfies this JSON Schema, and nothing else:\n{schema}"
)
_EXAMPLES = (
    "Before it come other documents with their answers. They show the form only: take no value from"
    " them."
)
_TOOL = "Give the result by calling the function {name}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one model is asked for one schema; made once and used for every document.

    ``template`` is the request without the document. ``turns`` come before it: the system
    turn and the examples.
    """

    strategy: str
    rewrite: Rewrite
    template: Request
    turns: tuple[Message, ...]
    origin: _Origin = field(repr=False)
    quotes: bool = False
    """Whether quotations are asked for beside the value."""
    _values: dict[str, Any] = field(init=False, repr=False, compare=False)
    """The template's: ``replace`` would look at each of them for every document."""

    def __post_init__(self) -> None:
        values = {each.name: getattr(self.template, each.name) for each in fields(self.template)}
        object.__setattr__(self, "_values", values)

    def request(self, document: Message) -> Request:
        """The request for a document."""
        model = self.template.model or self.origin.driver.model
        if type(document.content) is not str:
            document = for_model(document, self.origin.driver, model)
        values = {**self._values, "model": model, "messages": (*self.turns, document)}
        return Request(**values)

    def check_fits(self, request: Request, *, with_answer: bool = False) -> None:
        """Raise ContextWindowExceeded where the request is surely longer than the model can read,
        UnsupportedError where it holds a picture and the model sees none. ``with_answer``: the
        request, by the likely count, must leave the answer its part of the window.
        """
        driver = self.origin.driver
        chars = 0
        for message in request.messages:
            content = message.content
            if type(content) is str:
                chars += len(content)
                continue
            chars += len(message.text)
            # Some servers drop a picture without a word, and the model then makes the answer up.
            if any(isinstance(part, Image) for part in content):
                require_vision(driver, message)
        entry = driver.entry(request.model)
        if entry is None or not (entry.limits.context or entry.limits.input):
            return
        context, input = entry.limits.context, entry.limits.input
        window = min(context or input or 0, input or context or 0)
        kept = answer_tokens(request.max_tokens, entry.limits.output, window) if with_answer else 0
        # Counting takes long. A token is seldom less than half a character.
        if chars * 2 < window - kept:
            return
        from prompture.catalog.tokens import fits

        if problem := fits(request, entry, answer=kept):
            raise ContextWindowExceeded(
                f"{problem}; nothing was sent", provider=driver.provider.name, status=0
            )

    def looser(self) -> Plan | None:
        """The plan to fall back on where the provider refuses this one; None where there is
        none."""
        origin = self.origin
        if origin.strategy != "auto" or self.strategy != "json_schema":
            return None
        features = _features(origin.driver, origin.base)
        return plan(
            origin.source,
            origin.driver,
            strategy=choose(replace(features, json_schema=False)),
            instructions=origin.instructions,
            examples=origin.examples,
            quotes=origin.quotes,
            base=origin.base,
        )

    def showing(self, examples: Sequence[Example]) -> Plan:
        """The plan with these examples, behind those that every document has."""
        origin = self.origin
        more = _example_turns(origin.source, self.rewrite, examples, self.quotes)
        shown = replace(origin, examples=(*origin.examples, *examples))
        turns = self.turns
        if examples and not origin.examples:  # the plan's own system turn does not speak of them
            turns = (replace(turns[0], content=f"{turns[0].text}\n\n{_EXAMPLES}"), *turns[1:])
        return replace(self, turns=(*turns, *more), origin=shown)

    def for_parts(self, parts: Source[Any]) -> Plan:
        """The plan, by the same strategy, for a source made of parts of this one's."""
        return plan(
            parts,
            self.origin.driver,
            strategy=self.strategy,
            instructions=self.origin.instructions,
            base=self.origin.base,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """What a plan was made of."""

    source: Source[Any]
    driver: BaseDriver
    strategy: str
    instructions: str
    examples: Sequence[Example]
    quotes: bool
    base: Request


def strategies(features: Features, *, beside_tools: bool = False) -> Iterator[str]:
    """The ways to ask that the model has, the strictest first; ``"prompt"`` is always the last.

    ``beside_tools`` is for a request that offers tools of the caller's, too.
    """
    if not beside_tools:
        if features.json_schema:
            yield "json_schema"
        if features.tool_use and features.forced_tool:
            yield "tool"
        # A tool that cannot be forced may go uncalled, so JSON mode comes before it.
        if features.json_mode:
            yield "json_object"
        elif features.tool_use and not features.forced_tool:
            yield "tool"
    elif features.tool_use:
        # Without native tools the calls are text, which a schema would forbid.
        if features.json_schema and features.schema_with_tools:
            yield "json_schema"
        yield "tool"
    yield "prompt"


def answer_tokens(asked: int | None, limit: int | None, window: int) -> int:
    """Tokens of a model's window that are left for an answer; ``limit`` is that of its answers."""
    return min(asked or min(limit or ANSWER_TOKENS, ANSWER_TOKENS), window // 2)


def choose(features: Features) -> str:
    """The strictest strategy that the model has."""
    return next(strategies(features))


def plan(
    source: Source[Any],
    driver: BaseDriver,
    *,
    strategy: str = "auto",
    instructions: str = "",
    examples: Sequence[Example] = (),
    quotes: bool = False,
    base: Request,
) -> Plan:
    """A Plan for this driver. ``base`` holds the options of the call.

    ``quotes`` asks for quotations beside the value, but of no driver that knows its places itself.
    Under ``"auto"``, a schema that the provider's strict mode cannot carry is asked for in the
    next looser way. Raises UnsupportedError where the named strategy is not to be had,
    SchemaError where the schema is beyond it, ConfigurationError for an unknown strategy.
    """
    check_strategy(strategy)
    features = _features(driver, base)
    chosen = choose(features) if strategy == "auto" else strategy
    _check(chosen, features, driver)
    quotes = quotes and features.reasks
    try:
        rewritten = _rewritten(source, chosen, features, quotes=quotes)
    # A way that was named is not exchanged for another without a word.
    except SchemaError:
        if strategy != "auto" or chosen not in ("json_schema", "tool"):
            raise
        chosen = "json_object" if features.json_mode else "prompt"
        rewritten = _rewritten(source, chosen, features, quotes=quotes)
    turns = _turns(source, chosen, rewritten, instructions, examples, features, quotes)
    template = _template(source, chosen, rewritten, base, features)
    cache = getattr(driver, "cache", None) if base.cache is None else base.cache
    if cache and not isinstance(cache, (bool, str)):
        # An answer that is refused here must not be given to the next who asks.
        template = replace(template, cache=cache.checked())
    origin = _Origin(
        source=source,
        driver=driver,
        strategy=strategy,
        instructions=instructions,
        examples=examples,
        quotes=quotes,
        base=base,
    )
    return Plan(
        strategy=chosen,
        rewrite=rewritten,
        template=template,
        turns=turns,
        origin=origin,
        quotes=quotes,
    )


def _features(driver: BaseDriver, base: Request) -> Features:
    return driver.features_of(base.model) if base.model else driver.features


def _check(strategy: str, features: Features, driver: BaseDriver) -> None:
    needs = {"json_schema": "json_schema", "tool": "tool_use", "json_object": "json_mode"}
    feature = needs.get(strategy)
    if feature and not getattr(features, feature):
        raise UnsupportedError(
            f"{driver.name} has no {feature.replace('_', ' ')}; "
            f"strategy='auto' would use {choose(features)!r}"
        )


def _rewritten(source: Source[Any], strategy: str, features: Features, *, quotes: bool) -> Rewrite:
    from prompture.schema.rewriting import rewrite

    dialect = features.schema_dialect if strategy in ("json_schema", "tool") else "plain"
    if strategy == "tool" and dialect == "plain":
        dialect = _LOOSE
    if quotes:
        from prompture.extraction.quotes import quoted

        return quoted(source.json_schema, dialect)
    return rewrite(source.json_schema, dialect)


def _sendable(rewritten: Rewrite) -> JSON:
    if isinstance(rewritten.schema, bool):
        raise SchemaError("the schema allows anything or nothing: say what is wanted")
    return rewritten.schema


def _turns(
    source: Source[Any],
    strategy: str,
    rewritten: Rewrite,
    instructions: str,
    examples: Sequence[Example],
    features: Features,
    quotes: bool,
) -> tuple[Message, ...]:
    text = _system_text(
        strategy=strategy,
        schema=rewritten.schema,
        name=source.name,
        description=source.description,
        instructions=instructions,
    )
    if examples:
        text = f"{text}\n\n{_EXAMPLES}"
    role: Literal["system", "user"] = "system" if features.messages else "user"
    return (Message(role=role, content=text), *_example_turns(source, rewritten, examples, quotes))


def _system_text(
    *, strategy: str, schema: JSONValue, name: str, description: str, instructions: str
) -> str:
    """The system turn of an extraction."""
    lines = [_TASK]
    if description:
        lines.append(f"What is wanted: {description}")
    if instructions:
        lines.append(instructions)
    if strategy in ("json_object", "prompt"):
        lines.append(json_only(schema))
    elif strategy == "tool":
        lines.append(_TOOL.format(name=name))
    return "\n\n".join(lines)


def json_only(schema: JSONValue) -> str:
    """The demand for JSON of a schema, for models that take it in words only."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return _JSON_ONLY.format(schema=text)


def _example_turns(
    source: Source[Any], rewritten: Rewrite, examples: Sequence[Example], quotes: bool
) -> Iterator[Message]:
    """A turn with each document, and one with its value."""
    for each in examples:
        if each.is_list:
            raise ConfigurationError(
                f"the value of {each.place} is a list of values, as extract_items gives them; the"
                " schema is of one"
            )
        yield document_turn(each.content)
        answer = rewritten.forward(each.value)
        if quotes:
            from prompture.extraction.quotes import example_quotes

            answer = example_quotes(each.value, each.text, rewritten, source.json_schema)
        yield Message(role="assistant", content=json.dumps(answer, ensure_ascii=False))


def _template(
    source: Source[Any], strategy: str, rewritten: Rewrite, base: Request, features: Features
) -> Request:
    if strategy == "json_schema":
        return replace(base, schema=_sendable(rewritten), schema_name=source.name)
    if strategy == "json_object":
        return replace(base, json_mode=True)
    if strategy == "prompt":
        return base
    # Strict calls are asked only of a provider whose own dialect the schema was rewritten for.
    tool = Tool(
        name=source.name,
        description=source.description or "Give the extracted data.",
        parameters=_sendable(rewritten),
        strict=features.schema_dialect != _LOOSE,
    )
    choice = source.name if features.forced_tool else "auto"
    # None is not sent: some providers refuse a field that they do not know.
    one = False if features.one_call else None
    return replace(base, tools=(tool,), tool_choice=choice, parallel_tools=one)
