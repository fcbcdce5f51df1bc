"""Core schemas that accept no more than the JSON Schema that was sent, and what has one reading.

Pydantic reads ``true`` as 1, 0 as False, "2023" as seconds since 1970 and NaN as a number; the
JSON Schema that it writes of the same type allows none of it. Its lax mode also mends what has one
reading (``"12"`` for 12), which is kept. So there are two schemas of one type: a *quick* one that
takes what is right as it stands, at no cost, and a *full* one that mends as well and refuses what
would have to be guessed. A field with a before or wrap validator of its own is left to it.

Lazy types (``Iterable[T]``, generators) are read as lists, each item checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any

from pydantic_core import PydanticKnownError

from prompture.schema.core_schemas import Core, nodes_of, rebuilt

_DIGITS = re.compile(r"\s*[-+]?\d+(?:\.\d*)?\s*", re.ASCII)
OWN_VALIDATORS = ("function-before", "function-wrap")
OBJECTS = frozenset(
    {
        "model",
        "model-fields",
        "dataclass",
        "dataclass-args",
        "typed-dict",
        "named-tuple",
        "arguments",
        "arguments-v3",
    }
)
_TIMES = {
    "date": "a date as YYYY-MM-DD",
    "datetime": "a date and time as YYYY-MM-DDTHH:MM:SS",
    "time": "a time as HH:MM:SS",
    "timedelta": "a duration as P1DT2H",
}
GUARD = "\0"
"""The one tag of a guard: a tagged union of one branch, whose discriminator says no.

Pydantic then gives the branch the JSON itself, in its own mode, and weighs the branches of a union
around it as ever. A function-before schema would get Python objects, and pass them on.
"""

_NO_DIGITS = r"[^0-9\s.+-]|[0-9]-"
_NO_TEXT_OF_IT = "no_text_of_it"
MENDABLE = frozenset(
    {"int_type", "float_type", "bool_type", "time_type", "time_delta_type", _NO_TEXT_OF_IT}
)
"""Kinds of errors of the quick schema after which the full one may yet take the answer."""


def quick(core: Core) -> Core:
    """The schema that takes only what the JSON Schema allows."""
    return Strictness(quick=True).changed(core)


def full(core: Core) -> Core:
    """The schema that also mends what has one reading."""
    return Strictness(quick=False).changed(core)


class Strictness:
    """One walk down a core schema.

    ``own`` is True below a validator of the user's that sees the raw value of the field, ``key``
    below the keys of a dict, ``seconds`` is what the model around has set for durations.
    ``weighed`` is True where it matters how well a value fits: in a union, under strict mode.
    """

    def __init__(
        self,
        *,
        quick: bool,
        own: bool = False,
        key: bool = False,
        seconds: bool = False,
        weighed: bool = False,
    ) -> None:
        self._quick = quick
        self._own = own
        self._key = key
        self._seconds = seconds
        self._weighed = weighed

    def changed(self, core: Core) -> Core:
        kind = core["type"] if isinstance(core.get("type"), str) else ""
        leaf = _LEAVES.get(kind)
        if leaf is not None:
            return leaf(self, core)
        if kind == "function-plain" and _is_address(core["function"]):
            return core if self._own else _guarded(core, _is_no_number, "string_type")
        if kind == "model" and core.get("custom_init") and not core.get("root_model"):
            return self.own_init(core)
        inner = self._inside(core, kind)
        copy = rebuilt(core, inner.changed)
        if kind == "union":
            copy["choices"] = [_labelled(each) for each in copy["choices"]]
        elif kind == "tagged-union":
            copy["choices"] = _by_values(copy["choices"])
        elif kind == "generator":
            copy["type"] = "list"
        elif kind in ("dict", "frozendict", "ordered-dict", "counter") and "keys_schema" in core:
            copy["keys_schema"] = inner.but(key=True).changed(core["keys_schema"])
        return copy

    def _inside(self, core: Core, kind: str) -> Strictness:
        """What holds for the schemas right inside one of this kind."""
        if kind in OBJECTS:
            config = core.get("config") or {}
            return self.but(
                own=False,
                key=False,
                weighed=self._weighed or bool(config.get("strict")),
                seconds=config.get("ser_json_timedelta", self._seconds) in ("float", True),
            )
        if kind in OWN_VALIDATORS and not is_pydantics(core["function"]):
            return self.but(own=True)
        # Quick schemas may only refuse what the full one then takes: under these two a refusal
        # would choose another branch, so the branches are those of the full schema, or weighed.
        if kind == "union" and core.get("mode") == "left_to_right":
            return self.but(quick=False)  # the first that takes it, however it is mended
        if kind == "union" or (kind == "definitions" and _has_union(core)):
            return self.but(weighed=True)
        return self

    def but(self, **changes: bool) -> Strictness:
        now = {name[1:]: value for name, value in vars(self).items()}
        return Strictness(**{**now, **changes})

    def own_init(self, core: Core) -> Core:
        """A model with an ``__init__`` of its own validates by itself, whatever this schema has for
        its fields. So they are validated first, as those of any model."""
        inner = self._inside(core, "model").but(quick=False)
        bare = {k: v for k, v in core.items() if k not in ("ref", "custom_init", "post_init")}
        checked = {"type": "no-info", "function": self.given_to_init}
        fields = {
            "type": "function-wrap",
            "function": checked,
            "schema": rebuilt(bare, inner.changed),
        }
        made = {**_without_ref(core), "schema": {"type": "any"}}
        return {"type": "chain", "steps": [fields, made], **_ref(core)}

    @staticmethod
    def given_to_init(value: object, validate: Callable[[Any], Any]) -> Any:
        validate(value)
        return value

    def number(self, core: Core) -> Core:
        kind = core["type"]
        held = dict(core)
        if kind != "int" and not (self._own and core.get("allow_inf_nan")):
            held["allow_inf_nan"] = False
        if self._own or self._key or kind == "decimal":
            return held
        if self._quick:
            return {**held, "strict": True}
        return _guarded(held, _is_no_boolean, f"{kind}_type")

    def boolean(self, core: Core) -> Core:
        if self._own:
            return core
        if self._quick and not self._key:
            return {**core, "strict": True}
        return _guarded(core, _is_truth_or_words, "bool_type")

    def moment(self, core: Core) -> Core:
        kind = core["type"]
        if self._own or (kind == "timedelta" and self._seconds):
            return core
        if self._quick and kind in ("time", "timedelta"):
            return {**core, "strict": True}  # which takes no digits
        if self._quick and not self._weighed and not core.get("strict"):
            return _unguarded(core)
        return _guarded(core, _is_no_number_nor_digits, f"{kind}_form", wanted=_TIMES[kind])

    def choice(self, core: Core) -> Core:
        members = core["expected"] if core["type"] == "literal" else core["members"]
        values = [getattr(member, "value", member) for member in members]
        if core["type"] == "literal" and any(isinstance(member, Enum) for member in members):
            return before(core, _as_member(members))
        if self._own or not any(isinstance(value, (int, float)) for value in values):
            return core
        shown = " or ".join(repr(value) for value in values[:12])
        return _guarded(core, _is_of_the_kind(values), "value_kind", wanted=shown)

    def complex(self, core: Core) -> Core:
        function = {"type": "no-info", "function": _finite}
        inner = _without_ref(core)
        return {"type": "function-after", "function": function, "schema": inner, **_ref(core)}


_LEAVES: dict[str, Callable[[Strictness, Core], Core]] = {
    **dict.fromkeys(("int", "float", "decimal"), Strictness.number),
    "bool": Strictness.boolean,
    **dict.fromkeys(_TIMES, Strictness.moment),
    **dict.fromkeys(("literal", "enum"), Strictness.choice),
    "complex": Strictness.complex,
}


def _ref(core: Core) -> dict[str, Any]:
    """The name by which other places refer to the schema, which goes to what stands around it."""
    return {"ref": core["ref"]} if "ref" in core else {}


def _without_ref(core: Core) -> Core:
    return {key: value for key, value in core.items() if key != "ref"}


def _guarded(core: Core, passes: Callable[[object], bool], kind: str, *, wanted: str = "") -> Core:
    """``kind`` is that of the error; Pydantic has words for its own."""
    words = {"custom_error_message": f"Input should be {wanted}"} if wanted else {}
    return {
        "type": "tagged-union",
        "discriminator": lambda value: GUARD if passes(value) else None,
        "choices": {GUARD: _without_ref(core)},
        "custom_error_type": kind,
        **words,
        **_ref(core),
    }


def _unguarded(core: Core) -> Core:
    """A date that is no bare digits, for less than a guard costs; it weighs less in a union."""
    text = {"type": "str", "pattern": _NO_DIGITS, "strict": True}
    message = f"Input should be {_TIMES[core['type']]}"
    named = {
        "type": "custom-error",
        "schema": text,
        "custom_error_type": _NO_TEXT_OF_IT,
        "custom_error_message": message,
    }
    return {
        "type": "chain",
        "steps": [named, {**_without_ref(core), "strict": False}],
        **_ref(core),
    }


def before(core: Core, function: Callable[[object], object]) -> Core:
    before = {"type": "no-info", "function": function}
    inner = _without_ref(core)
    return {"type": "function-before", "function": before, "schema": inner, **_ref(core)}


def _labelled(choice: Any) -> Any:
    """A guarded branch of a union, called in errors what it is without its guard."""
    if isinstance(choice, tuple) or not is_guard(choice):
        return choice
    return choice, choice["choices"][GUARD]["type"]


def fields_of_own_init(core: Core) -> Core | None:
    """The model whose fields are validated before its own ``__init__`` makes it, if it has one."""
    if core["type"] != "chain" or not core["steps"][-1].get("custom_init"):
        return None
    fields: Core = core["steps"][0]["schema"]
    return fields


def _has_union(core: Core) -> bool:
    return any(node.get("type") == "union" for node in nodes_of(core))


def is_guard(core: Core) -> bool:
    return core["type"] == "tagged-union" and GUARD in core["choices"]


def _by_values(choices: Mapping[Any, Any]) -> dict[Any, Any]:
    """Under the values of Enum members, which are what JSON has."""
    return {tag.value if isinstance(tag, Enum) else tag: each for tag, each in choices.items()}


def _as_member(members: list[object]) -> Callable[[object], object]:
    """Pydantic takes JSON for no Literal of Enum members, though its JSON Schema names them."""

    def convert(value: object) -> object:
        for member in members:
            held = member.value if isinstance(member, Enum) else member
            if held == value and isinstance(held, bool) is isinstance(value, bool):
                return member
        return value

    return convert


def is_pydantics(function: Core) -> bool:
    """Whether a function is a part of Pydantic: how it reads a type, not what a user wrote."""
    called = function["function"]
    while isinstance(called, partial):
        called = called.func
    home = getattr(called, "__module__", None) or ""
    return home.partition(".")[0] in ("pydantic", "pydantic_core")


def _is_address(function: Core) -> bool:
    """Whether it reads an IP address or network; 5 would be 0.0.0.5."""
    name = str(getattr(function["function"], "__qualname__", ""))
    return is_pydantics(function) and name.startswith(("ip_v", "IPv"))


def _is_no_number(value: object) -> bool:
    return not isinstance(value, (int, float))


def _is_no_boolean(value: object) -> bool:
    return not isinstance(value, bool)


def _is_no_number_nor_digits(value: object) -> bool:
    if isinstance(value, str):
        return not _DIGITS.fullmatch(value)
    return not isinstance(value, (int, float))


def _is_truth_or_words(value: object) -> bool:
    return isinstance(value, bool) or _is_no_number_nor_digits(value)


def _is_of_the_kind(values: list[object]) -> Callable[[object], bool]:
    """No ``true`` for 1, no 1 for ``true``."""

    def passes(value: object) -> bool:
        if not isinstance(value, (int, float)):
            return True
        equal = [isinstance(each, bool) for each in values if each == value]
        return not equal or isinstance(value, bool) in equal

    return passes


def _finite(value: complex) -> complex:
    if not (math.isfinite(value.real) and math.isfinite(value.imag)):
        raise PydanticKnownError("finite_number")
    return value
