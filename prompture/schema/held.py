"""Core schemas that hold an answer to the JSON Schema that was sent.

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
from functools import partial
from typing import Any

from pydantic_core import PydanticCustomError, PydanticKnownError, SchemaValidator

from prompture.schema.cores import Core, parts_of, rebuilt

_DIGITS = re.compile(r"\s*[-+]?\d+(?:\.\d*)?\s*", re.ASCII)
_FORMS = {
    "date": r"^\d{4}-\d\d-\d\d$",
    "datetime": r"^\d{4}-\d\d-\d\d[Tt _]\d",
}
_TAKES_OVER = ("function-before", "function-wrap")
_OBJECTS = frozenset(
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
    "date": ("date_type", "a date as YYYY-MM-DD"),
    "datetime": ("datetime_type", "a date and time as YYYY-MM-DDTHH:MM:SS"),
    "time": ("time_type", "a time as HH:MM:SS"),
    "timedelta": ("time_delta_type", "a duration as P1DT2H"),
}
_NOT_A_MOMENT = "not_a_moment"

MENDABLE = frozenset(
    {
        "int_type",
        "float_type",
        "bool_type",
        "date_from_datetime_parsing",
        "datetime_from_date_parsing",
        "time_type",
        "time_delta_type",
        _NOT_A_MOMENT,
    }
)
"""Kinds of errors of the quick schema after which the full one may yet take the answer."""


def quick(core: Core) -> Core:
    """The schema that takes only what the JSON Schema allows."""
    return _Holding(quick=True).hold(core)


def full(core: Core) -> Core:
    """The schema that also mends what has one reading."""
    return _Holding(quick=False).hold(core)


def exact(core: Core) -> Core:
    """The full schema for JSON whose long numbers are marked texts (``MARK`` and the digits): a
    Decimal is read from the digits, and anything else sees the float that it would have seen."""
    return _Exact(quick=False).hold(core)


def compiled(core: Core, config: Any = None) -> SchemaValidator:
    """A validator of the schema as it stands here, also where a class has one of its own."""
    make: Any = SchemaValidator
    try:
        return make(core, config, _use_prebuilt=False)  # type: ignore[no-any-return]
    except TypeError:  # a pydantic-core that uses those of classes never, and has no such switch
        return make(core, config)  # type: ignore[no-any-return]


class _Holding:
    """One walk down a core schema.

    ``own`` is True below a validator of the user's that sees the raw value of the field, ``key``
    below the keys of a dict, ``strict`` and ``seconds`` are what the model around has set.
    """

    def __init__(
        self,
        *,
        quick: bool,
        own: bool = False,
        key: bool = False,
        strict: bool = False,
        seconds: bool = False,
    ) -> None:
        self._quick = quick
        self._own = own
        self._key = key
        self._strict = strict
        self._seconds = seconds

    def hold(self, core: Core) -> Core:
        kind = core["type"] if isinstance(core.get("type"), str) else ""
        leaf = _LEAVES.get(kind)
        if leaf is not None:
            return leaf(self, core)
        if kind == "function-plain" and _is_address(core["function"]):
            return core if self._own else _guarded(core, _refuse_any_number)
        inner = self._inside(core, kind)
        copy = rebuilt(core, inner.hold)
        if kind == "generator":
            copy["type"] = "list"
        elif kind in ("dict", "frozendict", "ordered-dict", "counter") and "keys_schema" in core:
            copy["keys_schema"] = inner._but(key=True).hold(core["keys_schema"])
        return copy

    def _inside(self, core: Core, kind: str) -> _Holding:
        """What holds for the schemas right inside one of this kind."""
        if kind in _OBJECTS:
            config = core.get("config") or {}
            return self._but(
                own=False,
                key=False,
                strict=bool(config.get("strict", self._strict)),
                seconds=config.get("ser_json_timedelta", self._seconds) in ("float", True),
            )
        if kind in _TAKES_OVER and not _is_pydantics(core["function"]):
            return self._but(own=True)
        if kind == "union" and core.get("mode") == "left_to_right":
            return self._but(quick=False)  # the first that takes it, however it is mended
        return self

    def _but(self, **changes: bool) -> _Holding:
        now = {name[1:]: value for name, value in vars(self).items()}
        return _Holding(**{**now, **changes})

    def number(self, core: Core) -> Core:
        kind = core["type"]
        held = dict(core)
        if kind != "int" and not (self._own and core.get("allow_inf_nan")):
            held["allow_inf_nan"] = False
        if self._own or self._key or kind == "decimal":
            return held
        if self._quick:
            return {**held, "strict": True}
        return _guarded(held, _refuse_boolean(f"{kind}_type"))

    def boolean(self, core: Core) -> Core:
        if self._own:
            return core
        if self._quick and not self._key:
            return {**core, "strict": True}
        return core if core.get("strict") else _guarded(core, _refuse_number)

    def moment(self, core: Core) -> Core:
        kind = core["type"]
        if self._own or (kind == "timedelta" and self._seconds):
            return core
        strict = bool(core.get("strict", self._strict))
        if self._quick and kind in _FORMS:  # strict mode takes digits all the same
            text = {"type": "str", "pattern": _FORMS[kind], "strict": True}
            named = {"type": "custom-error", "schema": text, "custom_error_type": _NOT_A_MOMENT}
            named["custom_error_message"] = f"Input should be {_TIMES[kind][1]}"
            read = {**_without_ref(core), "strict": False}
            return {"type": "chain", "steps": [named, read], **_ref(core)}
        if self._quick:
            return {**core, "strict": True}
        # After the guard a text is Python's, which strict mode would not read.
        return _guarded({**core, "strict": False}, _refuse_digits(kind, strict=strict))

    def choice(self, core: Core) -> Core:
        members = core["expected"] if core["type"] == "literal" else core["members"]
        values = [getattr(member, "value", member) for member in members]
        if self._own or not any(isinstance(value, (int, float)) for value in values):
            return core
        held = core if core["type"] == "literal" else {**core, "strict": False}
        return _guarded(held, _refuse_other_kind(values))

    def complex(self, core: Core) -> Core:
        function = {"type": "no-info", "function": _finite}
        inner = _without_ref(core)
        return {"type": "function-after", "function": function, "schema": inner, **_ref(core)}


class _Exact(_Holding):
    """A walk that also reads marks."""

    def hold(self, core: Core) -> Core:
        kind = core.get("type")
        if kind == "decimal":
            read = {**super().hold(core), "strict": False}
            return _guarded(read, float_of if self._own else digits_of)
        held = super().hold(core)
        is_users = kind in _TAKES_OVER and not _is_pydantics(core["function"])
        is_leaf = kind != "definition-ref" and next(parts_of(core), None) is None
        if isinstance(kind, str) and (is_users or is_leaf) and kind not in _OBJECTS:
            return _guarded(held, float_of)
        return held

    def _but(self, **changes: bool) -> _Exact:
        now = {name[1:]: value for name, value in vars(self).items()}
        return _Exact(**{**now, **changes})


MARK = "\ue000number:"
"""Stands before the digits of a number in the JSON for ``exact``."""


def digits_of(value: Any) -> Any:
    marked = isinstance(value, str) and value.startswith(MARK)
    return value[len(MARK) :] if marked else value


def float_of(value: Any) -> Any:
    """The value with floats for marks, in what it holds too."""
    if isinstance(value, str):
        return float(value[len(MARK) :]) if value.startswith(MARK) else value
    if isinstance(value, dict):
        return {key: float_of(inner) for key, inner in value.items()}
    return [float_of(inner) for inner in value] if isinstance(value, list) else value


_LEAVES: dict[str, Callable[[_Holding, Core], Core]] = {
    **dict.fromkeys(("int", "float", "decimal"), _Holding.number),
    "bool": _Holding.boolean,
    **dict.fromkeys(_TIMES, _Holding.moment),
    **dict.fromkeys(("literal", "enum"), _Holding.choice),
    "complex": _Holding.complex,
}


def _ref(core: Core) -> dict[str, Any]:
    """The name by which other places refer to the schema, which goes to what stands around it."""
    return {"ref": core["ref"]} if "ref" in core else {}


def _without_ref(core: Core) -> Core:
    return {key: value for key, value in core.items() if key != "ref"}


def _guarded(core: Core, guard: Callable[[Any], Any]) -> Core:
    function = {"type": "no-info", "function": guard}
    inner = _without_ref(core)
    return {"type": "function-before", "function": function, "schema": inner, **_ref(core)}


def _is_pydantics(function: Mapping[str, Any]) -> bool:
    """Whether a function is a part of Pydantic: how it reads a type, not what a user wrote."""
    called = function["function"]
    while isinstance(called, partial):
        called = called.func
    home = getattr(called, "__module__", None) or ""
    return home.partition(".")[0] in ("pydantic", "pydantic_core")


def _is_address(function: Mapping[str, Any]) -> bool:
    """Whether it reads an IP address or network; 5 would be 0.0.0.5."""
    return _is_pydantics(function) and str(
        getattr(function["function"], "__name__", "")
    ).startswith("ip_v")


def _refuse_any_number(value: Any) -> Any:
    if isinstance(value, (int, float)):
        raise PydanticKnownError("string_type")
    return value


def _refuse_boolean(kind: Any) -> Callable[[Any], Any]:
    def guard(value: Any) -> Any:
        if isinstance(value, bool):
            raise PydanticKnownError(kind)
        return value

    return guard


def _refuse_number(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise PydanticKnownError("bool_type")
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        raise PydanticKnownError("bool_parsing")
    return value


def _refuse_digits(kind: str, *, strict: bool) -> Callable[[Any], Any]:
    name: Any
    name, form = _TIMES[kind]
    wanted = re.compile(_FORMS.get(kind, "") if strict else "")

    def guard(value: Any) -> Any:
        if isinstance(value, (int, float)):
            raise PydanticKnownError(name)
        if isinstance(value, str) and (_DIGITS.fullmatch(value) or not wanted.match(value)):
            raise PydanticCustomError(f"{kind}_parsing", f"Input should be {form}")
        return value

    return guard


def _refuse_other_kind(values: list[Any]) -> Callable[[Any], Any]:
    """No ``true`` for 1, no 1 for ``true``."""
    shown = " or ".join(repr(value) for value in values[:12])

    def guard(value: Any) -> Any:
        if isinstance(value, (int, float)):
            truth = isinstance(value, bool)
            equal = [isinstance(each, bool) for each in values if each == value]
            if equal and truth not in equal:
                raise PydanticKnownError("literal_error", {"expected": shown})
        return value

    return guard


def _finite(value: complex) -> complex:
    if not (math.isfinite(value.real) and math.isfinite(value.imag)):
        raise PydanticKnownError("finite_number")
    return value
