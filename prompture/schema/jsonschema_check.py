"""Values of a JSON Schema: plain JSON, checked with ``jsonschema``.

Some of its keywords are done anew: patterns run in linear time, ``multipleOf`` counts in
decimals (19.99 is a multiple of 0.01), ``uniqueItems`` does not compare every pair, formats are
asserted, and an error names the property it is about.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from decimal import Decimal, localcontext
from functools import cache
from itertools import islice
from math import isfinite
from typing import Any

from prompture.errors import SchemaError
from prompture.json_values import DEPTH_LIMIT
from prompture.schema.exact_json import refuse_infinite_in, with_floats
from prompture.schema.problems import PROBLEM_LIMIT, InvalidValue, Problem
from prompture.schema.schema_check import understand
from prompture.types import EXACT, JSON, JSONValue

STEPS = 50_000
STEPS_PER_NODE = 100
"""Keywords that may be applied to a value, at most, and as many more for each of its members."""


_steps_left: ContextVar[list[int]] = ContextVar("steps_left")


def plain_copy(schema: JSON) -> dict[str, JSONValue]:
    """A copy of the schema made of dicts, lists, strings, numbers, booleans and None alone."""
    try:
        text = json.dumps(schema, default=_as_dict, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"the JSON Schema is not made of JSON values: {error}") from None
    copy: dict[str, JSONValue] = json.loads(text)
    return copy


def _as_dict(found: object) -> dict[str, JSONValue]:
    if isinstance(found, Mapping):
        return dict(found)
    if isinstance(found, type):
        raise TypeError(
            f"it holds the type {found.__name__}; for fields of such types give a TypedDict or a "
            "Pydantic model"
        )
    raise TypeError(f"it holds a {type(found).__name__}")


class JSONSchemaChecker:
    """Checks plain JSON against one JSON Schema. Raises SchemaError where that is none."""

    __slots__ = ("_draft", "_schema", "_validator", "misspelt")

    def __init__(self, schema: dict[str, JSONValue]) -> None:
        understood = understand(schema)
        self._draft = understood.draft
        self.misspelt = understood.misspelt
        # jsonschema would go over to its own, unmetered class where it meets a $schema.
        self._schema = _undeclared(schema, understood.declaring)
        self._validator: Any = None  # made when first needed, for the sake of the import

    def validate(self, value: object) -> JSONValue:
        """The value itself, with floats where it has Decimals."""
        nodes, exact = _count_nodes(value)
        allowance = [STEPS + STEPS_PER_NODE * nodes]
        token = _steps_left.set(allowance)
        try:
            with localcontext(EXACT):  # the caller's own may refuse to compare Decimals
                problems = list(islice(self._problems(value), PROBLEM_LIMIT))
        except _Exhausted:
            raise SchemaError(
                f"checking a value of {nodes:,} members takes more than "
                f"{STEPS + STEPS_PER_NODE * nodes:,} steps: the references or unions of the JSON "
                "Schema multiply; simplify them"
            ) from None
        except RecursionError:
            raise InvalidValue([Problem("", "is nested too deeply", "depth")]) from None
        except TypeError as exc:
            # A keyword has a form that jsonschema does not know from this draft.
            raise SchemaError(
                "the JSON Schema mixes the keywords of different drafts: write it for one, "
                f"and name that one in $schema ({exc})"
            ) from exc
        finally:
            _steps_left.reset(token)
        if problems:
            raise InvalidValue(dict.fromkeys(problems))
        return with_floats(value) if exact else value

    def validate_json(self, text: str | bytes) -> JSONValue:
        try:
            is_bare = type(text) is str and text[:1] != "\ufeff"
            value = _decode(text) if is_bare else json.loads(text, parse_constant=_refuse_constant)
        except RecursionError:
            message = "is not JSON: it is nested too deeply"
            raise InvalidValue([Problem("", message, "json_invalid")]) from None
        except json.JSONDecodeError as error:
            message = f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
            raise InvalidValue([Problem("", message, "json_invalid")]) from None
        except ValueError as error:  # bytes that are no text, a constant, or too many digits
            reason = "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)
            message = f"is not JSON: {reason[:100]}"
            raise InvalidValue([Problem("", message, "json_invalid")]) from None
        return self.validate(value)

    def _problems(self, value: object) -> Iterator[Problem]:
        from prompture.schema.jsonschema_keywords import problems_of

        if self._validator is None:
            from prompture.schema.schema_check import registry

            self._validator = _validator_class(self._draft)(self._schema, registry=registry())
        for error in self._validator.iter_errors(value):
            yield from problems_of(error)


def _undeclared(node: object, declaring: frozenset[int]) -> JSONValue:
    """The schema without ``$schema`` in the subschemas that declare one."""
    if isinstance(node, list):
        return [_undeclared(inner, declaring) for inner in node]
    if not isinstance(node, dict):
        return node
    dropped = "$schema" if id(node) in declaring else None
    return {key: _undeclared(one, declaring) for key, one in node.items() if key != dropped}


def _refuse_constant(name: str) -> JSONValue:
    raise ValueError(f"{name} is no JSON number")


_decode: Callable[[Any], JSONValue] = json.JSONDecoder(parse_constant=_refuse_constant).decode


class _Exhausted(Exception):
    pass


def _count_nodes(value: object) -> tuple[int, bool]:
    """How many members a value has, and whether some are Decimals. Raises InvalidValue where it
    is nested too deeply, or holds a number or a text that is none."""
    count, exact = 0, False
    level = [value]
    for _ in range(DEPTH_LIMIT + 1):
        count += len(level)
        inner: list[JSONValue] = []
        for node in level:
            if isinstance(node, str):
                _refuse_half(node)
            elif isinstance(node, dict):
                for key in node:
                    _refuse_half(key)
                inner += node.values()
            elif isinstance(node, list):
                inner += node
            elif type(node) is float and not isfinite(node):
                refuse_infinite_in(value)
            elif type(node) is Decimal:
                exact = True
        if not inner:
            return count, exact
        level = inner
    raise InvalidValue([Problem("", f"is nested more than {DEPTH_LIMIT} deep", "depth")])


def _refuse_half(text: str) -> None:
    if not text.isascii() and _is_broken(text):
        message = "holds a string with half a character (a surrogate without its other half)"
        raise InvalidValue([Problem("", message, "surrogate")])


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


@cache
def _validator_class(draft: int) -> Any:
    """jsonschema's validator of a draft, its keywords metered and some replaced."""
    import jsonschema
    from jsonschema import validators

    from prompture.schema.jsonschema_keywords import KEYWORDS

    base: Any = {
        4: jsonschema.Draft4Validator,
        6: jsonschema.Draft6Validator,
        7: jsonschema.Draft7Validator,
        2019: jsonschema.Draft201909Validator,
        2020: jsonschema.Draft202012Validator,
    }[draft]
    known = base.VALIDATORS
    ours = {word: function for word, function in KEYWORDS.items() if word in known}
    metered = {word: _metered(ours.get(word, known[word])) for word in known}
    make: Any = validators.extend
    return make(base, metered)


def _need_frames() -> None:
    """Raise RecursionError while there are frames left: where they end in rpds, jsonschema's maps,
    that panics, which is no Exception."""
    try:
        sys._getframe(sys.getrecursionlimit() - _SPARE_FRAMES)
    except ValueError:  # the stack is not that deep
        return
    raise RecursionError


_SPARE_FRAMES = 60
"""What a keyword needs for itself, and more."""


def _metered(function: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    """The keyword, each use of which is counted, and its errors by the length of their text
    (jsonschema prints the value into it)."""

    def keyword(validator: Any, *arguments: JSONValue) -> Iterator[Any]:
        left = _steps_left.get()
        left[0] -= 1
        if left[0] < 0:
            raise _Exhausted
        _need_frames()
        for error in function(validator, *arguments) or ():
            # A union of many branches prints a large value into the message of each.
            left[0] -= len(error.message) >> 4
            error.message, error.args = "", ()
            yield error

    return keyword
