"""What each provider's structured output accepts, as data.

Sources: the providers' documentation of structured outputs as of November 2026; the Anthropic and OpenAI SDKs'
own transforms; for Moonshot the rules of its validator ``walle``; for grammars llama.cpp's converter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from prompture import given
from prompture.errors import UnsupportedError
from prompture.json_values import JSONValue
from prompture.provider_names import own_name

_NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_STRING = frozenset({"minLength", "maxLength", "pattern", "format"})
_ARRAY = frozenset({"minItems", "maxItems", "uniqueItems"})
_OBJECT = frozenset({"minProperties", "maxProperties"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)


@dataclass(frozen=True, slots=True)
class DialectLimits:
    """What a provider counts; None is no limit. ``depth`` counts nested objects and arrays, the root included."""

    properties: int | None = None
    depth: int | None = None
    enum_values: int | None = None
    long_enum: int | None = None  # an enum of more values than this ...
    long_enum_chars: int | None = None  # ... has at most this many characters
    chars: int | None = None  # names, definitions, enum and const values together
    optionals: int | None = None
    unions: int | None = None
    branches: int | None = None  # of one anyOf
    repeats: int | None = None  # counted repetitions that a grammar can afford


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider's subset of JSON Schema.

    Attributes:
        words: the assertions it takes beyond type, properties, items, enum and anyOf, of those in
            ``alternatives.WORDS``; any other has no effect here.
        closed: ``"stated"``: every object states ``additionalProperties: false``; ``"nature"``: an object holds
            only what is named, without a keyword for it; ``"open"``: dictionaries can be expressed.
        all_required: every property must be required.
        some_required: the root needs at least one required property.
        any: ``{}`` may stand for any value.
        ref_note: how a description gets beside a ``$ref``.
        null: how a value is made nullable.
        enums: kinds of value that an enum may hold.
        prefix: ``prefixItems`` may be used.
        names: a pattern that property names must match; ``taken`` are refused outright.
        min_items: the greatest ``minItems`` it takes.
        plain_patterns: only anchored patterns of plain characters, classes, groups and counts.
        integer_bounds: the bounds of integers are enforced, those of other numbers are not.
        self_ref: ``{"$ref": "#"}`` may be used.
    """

    name: str
    words: frozenset[str] = frozenset()
    formats: frozenset[str] | None = None
    closed: Literal["stated", "nature", "open"] = "stated"
    all_required: bool = False
    some_required: bool = False
    root_object: bool = True
    refs: bool = True
    recursion: bool = True
    any: bool = False
    const: bool = True
    ref_note: Literal["beside", "anyOf", "allOf"] = "anyOf"
    null: Literal["anyOf", "nullable"] = "anyOf"
    enums: frozenset[str] = frozenset({"string", "number", "boolean", "null"})
    prefix: bool = False
    title: bool = True
    names: str | None = None
    taken: frozenset[str] = frozenset()
    min_items: int | None = None
    plain_patterns: bool = False
    integer_bounds: bool = False
    self_ref: bool = False
    limits: DialectLimits = field(default=DialectLimits())
    untouched: bool = False


_OPENAI = Dialect(
    name="openai",
    words=_NUMBER | {"pattern", "format", "minItems", "maxItems"},
    formats=_FORMATS,
    all_required=True,
    self_ref=True,
    limits=DialectLimits(
        properties=5000,
        depth=10,
        enum_values=1000,
        long_enum=250,
        long_enum_chars=15_000,
        chars=120_000,
    ),
)
_LOOSE = Dialect(
    name="openai-compatible",
    words=_NUMBER | _STRING | _ARRAY | _OBJECT,
    closed="open",
    any=True,
    ref_note="beside",
    prefix=True,
)
_GEMINI = Dialect(
    name="gemini",
    words=frozenset({"minItems", "maxItems", "minimum", "maximum"}),
    closed="open",
    recursion=False,
    root_object=False,
    const=False,
    enums=frozenset({"string", "number"}),
    prefix=True,
    title=False,
)

_TABLE = (
    _OPENAI,
    _LOOSE,
    replace(_OPENAI, name="groq"),
    replace(_OPENAI, name="mistral"),
    replace(_OPENAI, name="xai", words=_NUMBER | {"pattern", "format"}),
    replace(
        _OPENAI,
        name="deepseek",
        words=_NUMBER | {"pattern", "format"},
        formats=frozenset({"email", "hostname", "ipv4", "ipv6", "uuid"}),
    ),
    Dialect(
        name="anthropic",
        words=frozenset({"pattern", "format", "minItems"}),
        formats=_FORMATS | {"uri"},
        recursion=False,
        ref_note="allOf",
        names=r"^[a-zA-Z0-9_.-]{1,64}$",
        min_items=1,
        limits=DialectLimits(optionals=24, unions=16),
    ),
    _GEMINI,
    Dialect(
        name="gemini-openapi",
        words=_OBJECT
        | {"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "pattern"},
        closed="nature",
        refs=False,
        recursion=False,
        root_object=False,
        const=False,
        null="nullable",
        enums=frozenset({"string"}),
        title=False,
    ),
    Dialect(
        name="moonshot",
        self_ref=True,
        closed="open",
        const=False,
        ref_note="beside",
        enums=frozenset({"string", "number"}),
        title=False,
        taken=frozenset({"$defs", "$ref", "anyOf", "required", "additionalProperties"}),
        limits=DialectLimits(
            properties=100,
            depth=5,
            enum_values=500,
            long_enum=250,
            long_enum_chars=7_500,
            branches=10,
        ),
    ),
    Dialect(
        name="cohere",
        words=frozenset({"pattern", "format"}),
        formats=frozenset({"date-time", "uuid", "date", "time"}),
        recursion=False,
        some_required=True,
        const=False,
    ),
    replace(
        _LOOSE,
        name="ollama",
        words=frozenset(
            {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "format"}
            | {"minLength", "maxLength", "minItems", "maxItems"}
        ),
        formats=frozenset({"date", "time", "date-time", "uuid"}),
        root_object=False,
        plain_patterns=True,
        integer_bounds=True,
        limits=DialectLimits(repeats=100),
    ),
    Dialect(name="plain", untouched=True),
)
_ALIASES = {
    "openai-strict": "openai",
    "loose": "openai-compatible",
    "openai-loose": "openai-compatible",
    "vllm": "openai-compatible",
    "gemini-json-schema": "gemini",
    "gemini-response-schema": "gemini-openapi",
    "gemini-legacy": "gemini-openapi",
    "grammar": "ollama",
    "none": "plain",
}
"""Other names of a dialect."""
_SPOKEN_BY = {
    "azure": "openai",
    "openrouter": "openai",
    "lmstudio": "openai-compatible",
    "zai": "openai-compatible",
    "claude": "anthropic",
    "bedrock": "anthropic",
    "google": "gemini",
    "grok": "xai",
    "llamacpp": "ollama",
}
"""The dialect of a provider that has none of its own name."""

DIALECTS: Mapping[str, Dialect] = {row.name: row for row in _TABLE}


def dialect_named(name: str) -> Dialect:
    """The dialect of that name, or of the provider of that name; ``_`` and ``-`` are alike.

    Raises:
        UnsupportedError: no dialect or provider has that name.
    """
    if not isinstance(name, str):
        raise given.wrong("dialect", "the name of a schema dialect", name)
    wanted = name.lower().replace("_", "-")
    found = DIALECTS.get(_ALIASES.get(wanted, wanted))
    if found is None:
        provider = own_name(wanted)
        found = DIALECTS.get(_SPOKEN_BY.get(provider, provider))
    if found is None:
        raise UnsupportedError(
            f"no schema dialect {name!r}; there are {', '.join(sorted(DIALECTS))}"
        )
    return found


class Allowance:
    """What is left of a dialect's limits: first come, first served, in the order of the schema.

    The limits of the whole are measured afterwards (:mod:`.fit_limits`).
    """

    def __init__(self, dialect: Dialect) -> None:
        limits = dialect.limits
        self._limits = limits
        self._all_required = dialect.all_required
        self._optionals = limits.optionals
        self._unions = limits.unions
        self._enums = limits.enum_values
        self._chars = limits.chars and limits.chars // 2  # the other half is for names

    def optionals(self, names: list[str]) -> set[str]:
        """Of properties that may be left out, those that the dialect can leave out."""
        if self._all_required:
            return set()
        if self._optionals is None:
            return set(names)
        granted = names[: max(self._optionals, 0)]
        self._optionals -= len(granted)
        return set(granted)

    def union(self) -> bool:
        """Whether one more union is allowed; it is counted."""
        if self._unions is None:
            return True
        self._unions -= 1
        return self._unions >= 0

    def refund_union(self) -> None:
        if self._unions is not None:
            self._unions += 1

    def enum(self, values: list[JSONValue]) -> bool:
        """Whether an enum of these values is allowed; it is counted."""
        limits = self._limits
        size = sum(len(value if isinstance(value, str) else json.dumps(value)) for value in values)
        is_long = limits.long_enum is not None and len(values) > limits.long_enum
        # OpenAI: an enum of more than 250 values may have at most 15,000 characters.
        if is_long and size > (limits.long_enum_chars or 0):
            return False
        if self._enums is not None and self._enums < len(values):
            return False
        if self._chars is not None and self._chars < size:
            return False
        self._enums = None if self._enums is None else self._enums - len(values)
        self._chars = None if self._chars is None else self._chars - size
        return True
