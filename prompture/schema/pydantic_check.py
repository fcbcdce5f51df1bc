"""Check JSON against a Python type with Pydantic; errors become problems with JSON pointers.

pydantic-core keeps the interpreter's lock for as long as one call takes, half a second for ten
megabytes. A validator that calls a Python function after each item of a list lets go of it
whenever another thread, such as one that runs an event loop, waits for its turn.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from prompture.compat import adapter_config, plugged_validator, schema_validator
from prompture.errors import SchemaError
from prompture.forks import fork_lock
from prompture.schema.core_schemas import Core, nodes_of, rebuilt
from prompture.schema.exact_json import has_long_number, refuse_infinite, to_json
from prompture.schema.long_numbers import marked, reading_marks
from prompture.schema.problems import problems_of, validator_problem
from prompture.schema.strictness import MENDABLE, full, quick
from prompture.types import LARGE_CHARS

if TYPE_CHECKING:
    from prompture.schema.partial_typed import Shape

_BRANCHING = ("union", "tagged-union")
_INNER = {"list": "items_schema", "dict": "values_schema"}


def yielding(core: Core) -> Core:
    """A core schema that gives the same values and errors."""
    return _paused(core)


def _pause(value: object) -> Any:
    """Do nothing. The interpreter lets waiting threads run when a Python function is entered."""
    return value


def _paused(node: Core) -> Core:
    if node.get("type") in _BRANCHING:
        return node  # a union weighs its branches by how they validate
    copy = rebuilt(node, _paused)
    inner = _INNER.get(str(copy.get("type")), "")
    if inner in copy:
        function = {"type": "no-info", "function": _pause}
        copy[inner] = {"type": "function-after", "function": function, "schema": copy[inner]}
    return copy


_lock = fork_lock()
_quiet = 0
_was_enabled = False


@contextmanager
def no_collection() -> Iterator[None]:
    """Switch the cycle collector off while many objects are made, none of which is garbage.

    It would look at all of them time and again: three quarters of the time that ten megabytes
    take.
    """
    global _quiet, _was_enabled
    with _lock:
        if not _quiet:
            _was_enabled = gc.isenabled()
            gc.disable()
        _quiet += 1
    try:
        yield
    finally:
        with _lock:
            _quiet = max(0, _quiet - 1)
            if not _quiet and _was_enabled:
                _make_old()
                gc.enable()


def _renew() -> None:
    """A forked child does not have the thread that switched the collector off: switch it on."""
    global _quiet
    if _quiet:
        _quiet = 0
        if _was_enabled:
            gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def _make_old() -> None:
    """Put the new objects to the old ones, or the collector would look at all of them at once."""
    if not gc.get_freeze_count():  # else what the program itself has frozen would thaw
        gc.freeze()
        gc.unfreeze()


_OPAQUE = frozenset({"any", "function-plain", "function-before", "function-wrap", "json"})


class _Validators:
    """The validators of one type, each made when first needed; ``config`` is that of the type."""

    __slots__ = ("_adapter", "_config", "_made")

    def __init__(self, adapter: TypeAdapter[Any], config: object) -> None:
        self._adapter = adapter
        self._config = config
        self._made: dict[tuple[str, bool], Any] = {}

    def get(self, name: str, *, yields: bool = False) -> Any:
        """The quick, the full, or the exact one (see ``strictness`` and ``long_numbers``).

        ``yields``: it lets other threads run, for a long answer."""
        made = self._made.get((name, yields))
        if made is None:
            core = {"quick": quick, "full": full, "exact": reading_marks}[name](
                self._adapter.core_schema
            )
            made = self._compiled(yielding(core) if yields else core)
            self._made[name, yields] = made
        return made

    def _compiled(self, core: Core) -> Any:
        if isinstance(self._adapter.validator, SchemaValidator):
            return schema_validator(core, self._config)
        return plugged_validator(core, self._adapter, self._config)


class TypedChecker:
    """Validates JSON for one type: one call of pydantic-core, two where something is mended."""

    __slots__ = (
        "_by_name",
        "_config",
        "_context",
        "_core",
        "_exact",
        "_open",
        "_shape",
        "_validators",
        "_withhold",
    )

    def __init__(self, adapter: TypeAdapter[Any], json_schema: Mapping[str, Any]) -> None:
        traits = _Traits(adapter.core_schema)
        self._core = adapter.core_schema
        self._config = config = adapter_config(adapter)
        self._context: Any = None
        self._shape: Shape | None = None
        self._validators = _Validators(adapter, config)
        # Models often write a field's name where the schema has its alias, so both are read; not
        # where the name of one field is the alias of another, whose value it would then take.
        self._by_name = None if traits.names_clash else True
        self._exact = traits.decimals
        # Where any value may stand, Pydantic lets NaN and Infinity through.
        self._open = traits.opaque or traits.takes_more
        hides = bool(config and config.get("hide_input_in_errors"))
        self._withhold = hides or traits.hides_input or _mentions_secret(json_schema)

    def bound(self, context: object) -> TypedChecker:
        """The same, for validators that are to see this context."""
        other = copy(self)
        other._context, other._shape = context, None
        return other

    @property
    def core(self) -> Core:
        """The type's core schema."""
        return self._core

    @property
    def shape(self) -> Shape:
        """What unfinished values look like; its validators are made when first needed."""
        if self._shape is None:
            from prompture.schema.partial_typed import shape_of

            self._shape = shape_of(
                full(self._core),
                config=self._config,
                by_name=self._by_name,
                context=self._context,
            )
        return self._shape

    def validate_json(self, text: str | bytes) -> Any:
        if len(text) > LARGE_CHARS:
            with no_collection():
                return self._checked(text, yields=True)
        return self._checked(text, yields=False)

    def validate(self, value: object) -> Any:
        return self.validate_json(to_json(value))

    def _checked(self, text: str | bytes, *, yields: bool) -> Any:
        try:
            # Right answers, nearly all, pay for the quick schema alone.
            found = self._read("quick", text, yields=yields)
        except ValidationError as error:
            found = self._mended(text, error, yields=yields)
        if self._open:
            refuse_infinite(text)
        return self._exactly(text, found) if self._exact else found

    def _read(self, name: str, text: str | bytes, *, yields: bool) -> Any:
        """Raises ValidationError, and InvalidValue for whatever else a validator raised."""
        validator = self._validators.get(name, yields=yields)
        try:
            return validator.validate_json(
                text, by_alias=True, by_name=self._by_name, context=self._context
            )
        except (ValidationError, MemoryError):
            raise
        except Exception as error:  # a user's validator may raise anything
            raise validator_problem(error, withhold=self._withhold) from error

    def _mended(self, text: str | bytes, refusal: ValidationError, *, yields: bool) -> Any:
        """What the answer is once mended, if mending may help. Raises InvalidValue."""
        kinds = {line["type"] for line in refusal.errors(include_url=False, include_input=False)}
        if kinds & MENDABLE:
            try:
                return self._read("full", text, yields=yields)
            except ValidationError as error:
                refusal = error
        # `from None`: Pydantic's error prints the document.
        raise problems_of(refusal, lambda: _loaded(text), withhold=self._withhold) from None

    def _exactly(self, text: str | bytes, found: object) -> Any:
        plain = text.decode() if isinstance(text, bytes) else text
        text_with_marks = marked(plain) if has_long_number(plain) else None
        if text_with_marks is None:
            return found
        try:
            return self._validators.get("exact").validate_json(
                text_with_marks, by_alias=True, by_name=self._by_name, context=self._context
            )
        except Exception:  # a user's validator that took the first reading alone
            return found


def _loaded(text: str | bytes) -> Any:
    return json.loads(text)


def _mentions_secret(node: object) -> bool:
    if isinstance(node, Mapping):
        return node.get("format") == "password" or any(map(_mentions_secret, node.values()))
    return isinstance(node, list) and any(map(_mentions_secret, node))


class _Traits:
    """What a core schema holds that changes how values are read."""

    def __init__(self, core_schema: Any) -> None:
        self.names_clash = False
        self.decimals = False
        self.opaque = False
        self.hides_input = False
        self.takes_more = False
        for node in nodes_of(core_schema):
            self._note(node)

    def _note(self, node: Core) -> None:
        kind = node.get("type")
        function = node.get("function")
        if isinstance(function, Mapping):
            _refuse_awaitable(function.get("function"))
        if kind == "decimal":
            self.decimals = True
        elif kind in _OPAQUE:
            self.opaque = True
        elif kind in _NAMED:
            self.names_clash |= _names_clash(node["fields"])
        config = node.get("config") or {}
        self.hides_input |= bool(config.get("hide_input_in_errors"))
        extra = node.get("extra_behavior", config.get("extra_fields_behavior"))
        self.takes_more |= extra == "allow"


_NAMED = frozenset({"model-fields", "typed-dict", "dataclass-args"})


def _refuse_awaitable(validator: object) -> None:
    """Nobody awaits a validator: its coroutine would stand in the place of the value."""
    if iscoroutinefunction(validator) or isasyncgenfunction(validator):
        name = getattr(validator, "__qualname__", repr(validator))
        raise SchemaError(f"the validator {name} is async, and nobody awaits it: make it a def")


def _names_clash(fields: Any) -> bool:
    """Whether some field's alias is the name of another field.

    Reading by name as well as by alias would then put a value into the wrong field.
    """
    keyed = isinstance(fields, dict)  # else a dataclass's arguments
    named = fields.items() if keyed else ((f["name"], f) for f in fields)
    pairs = [(name, field.get("validation_alias")) for name, field in named]
    names = {name for name, _ in pairs}
    return any(alias != name and alias in names for name, a in pairs for alias in _first_keys(a))


def _first_keys(alias: Any) -> list[str]:
    """The top-level keys that an alias (a name, a path, or several paths) may be found under."""
    if alias is None:
        return []
    if isinstance(alias, str):
        return [alias]
    paths = alias if alias and isinstance(alias[0], list) else [alias]
    return [path[0] for path in paths if path]
