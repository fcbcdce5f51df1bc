"""How to ask a model for a value: by schema, by tool, by JSON mode, or by prompt alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from prompture.drivers.core import BaseDriver
from prompture.drivers.provider import Features
from prompture.errors import ConfigurationError, SchemaError, UnsupportedError
from prompture.extraction.prompts import system_text
from prompture.schema.source import Source
from prompture.schema.strict import Rewrite
from prompture.types import Message, Request, Tool

Strategy = Literal["auto", "json_schema", "tool", "json_object", "prompt"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
_LOOSE = "openai-compatible"


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
    looser: Callable[[], Plan | None]
    """The plan to fall back on where the provider refuses this one; None where there is none."""
    for_parts: Callable[[Source[Any]], Plan]
    """The plan, by the same strategy, for a source made of parts of this one's."""

    def request(self, document: Message) -> Request:
        return replace(self.template, messages=(*self.turns, document))


def choose(features: Features) -> str:
    """The strictest strategy that the model has."""
    if features.json_schema:
        return "json_schema"
    if features.tool_use and features.forced_tool:
        return "tool"
    if features.json_mode:
        return "json_object"
    return "tool" if features.tool_use else "prompt"


def plan(
    source: Source[Any],
    driver: BaseDriver,
    *,
    strategy: str = "auto",
    instructions: str = "",
    examples: Sequence[tuple[str, Any]] = (),
    base: Request,
) -> Plan:
    """A Plan for this driver. ``base`` holds the options of the call.

    Under ``"auto"``, a schema that the provider's strict mode cannot carry is asked for in the
    next looser way. Raises UnsupportedError where the named strategy is not to be had,
    SchemaError where the schema is beyond it, ConfigurationError for an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise ConfigurationError(
            f"unknown strategy {strategy!r}; there are {', '.join(STRATEGIES)}"
        )
    features = driver.features_of(base.model) if base.model else driver.features
    chosen = choose(features) if strategy == "auto" else strategy
    _check(chosen, features, driver)
    try:
        rewritten = _rewritten(source, chosen, features)
    except SchemaError:
        if strategy != "auto" or chosen not in ("json_schema", "tool"):
            raise
        chosen = "json_object" if features.json_mode else "prompt"
        rewritten = _rewritten(source, chosen, features)
    turns = _turns(source, chosen, rewritten, instructions, examples, features)
    template = _template(source, chosen, rewritten, base, features)

    def looser() -> Plan | None:
        if strategy != "auto" or chosen != "json_schema":
            return None
        without = replace(features, json_schema=False)
        return plan(
            source,
            driver,
            strategy=choose(without),
            instructions=instructions,
            examples=examples,
            base=base,
        )

    def for_parts(parts: Source[Any]) -> Plan:
        return plan(parts, driver, strategy=chosen, base=base)

    return Plan(
        strategy=chosen,
        rewrite=rewritten,
        template=template,
        turns=turns,
        looser=looser,
        for_parts=for_parts,
    )


def _check(strategy: str, features: Features, driver: BaseDriver) -> None:
    needs = {"json_schema": "json_schema", "tool": "tool_use", "json_object": "json_mode"}
    feature = needs.get(strategy)
    if feature and not getattr(features, feature):
        raise UnsupportedError(
            f"{driver.name} has no {feature.replace('_', ' ')}; "
            f"strategy='auto' would use {choose(features)!r}"
        )


def _rewritten(source: Source[Any], strategy: str, features: Features) -> Rewrite:
    from prompture.schema.strict import rewrite

    dialect = features.schema_dialect if strategy in ("json_schema", "tool") else "plain"
    if strategy == "tool" and dialect == "plain":
        dialect = _LOOSE
    return rewrite(source.json_schema, dialect, exact=False)


def _sendable(rewritten: Rewrite) -> dict[str, Any]:
    if isinstance(rewritten.schema, bool):
        raise SchemaError("the schema allows anything or nothing: say what is wanted")
    return rewritten.schema


def _turns(
    source: Source[Any],
    strategy: str,
    rewritten: Rewrite,
    instructions: str,
    examples: Sequence[tuple[str, Any]],
    features: Features,
) -> tuple[Message, ...]:
    text = system_text(
        strategy=strategy,
        schema=rewritten.schema,
        name=source.name,
        description=source.description,
        instructions=instructions,
    )
    role: Literal["system", "user"] = "system" if features.messages else "user"
    turns = [Message(role=role, content=text)]
    for document, value in examples:
        turns.append(Message(role="user", content=document))
        turns.append(Message(role="assistant", content=_example(source, rewritten, value)))
    return tuple(turns)


def _example(source: Source[Any], rewritten: Rewrite, value: Any) -> str:
    import json

    from pydantic_core import to_jsonable_python

    plain = to_jsonable_python(value, by_alias=True)
    source.validate(plain)
    return json.dumps(rewritten.forward(plain), ensure_ascii=False)


def _template(
    source: Source[Any], strategy: str, rewritten: Rewrite, base: Request, features: Features
) -> Request:
    if strategy == "json_schema":
        return replace(base, schema=_sendable(rewritten), schema_name=source.name)
    if strategy == "json_object":
        return replace(base, json_mode=True)
    if strategy == "prompt":
        return base
    tool = Tool(
        name=source.name,
        description=source.description or "Give the extracted data.",
        parameters=_sendable(rewritten),
        strict=features.schema_dialect != _LOOSE,
    )
    choice = source.name if features.forced_tool else "auto"
    return replace(base, tools=(tool,), tool_choice=choice)
