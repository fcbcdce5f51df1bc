"""Numbers of more digits than a float keeps, for types that have Decimals in them.

A raw JSON float reaches a Decimal field by way of a binary double (pydantic-core), which keeps 15
significant digits for certain. An answer with longer numbers is therefore read a second time: each
of them is written as a text that begins with a mark, and the schema reads marks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from prompture.schema.core_schemas import Core, parts_of
from prompture.schema.exact_json import Doubtful, ExactDecoder, with_floats
from prompture.schema.strictness import OBJECTS, OWN_VALIDATORS, Strictness, before, is_pydantics

MARK = "\ue000number:"
"""Stands before the digits of a number in the JSON for ``reading_marks``."""
_ESCAPED_MARK = json.dumps(MARK[0])[1:-1]


def with_all_digits(value: Any, text: str) -> Any:
    """An object with Decimals for those numbers of its text that a float has not room for; as it is
    where the text is that of another value (a hook may have changed the value alone)."""
    try:
        found = ExactDecoder().decode(text)
    except (ValueError, Doubtful):
        return value
    return found if isinstance(found, dict) and with_floats(found) == value else value


def marked(text: str) -> str | None:
    """The JSON text with its long numbers as marked texts; None where it has what looks like
    a mark."""
    if MARK[0] in text or _ESCAPED_MARK in text:
        return None
    return json.dumps(json.loads(text, parse_float=_long_as_text))


def _long_as_text(digits: str) -> float | str:
    return float(digits) if len(digits) < 16 else MARK + digits


def reading_marks(core: Core) -> Core:
    """The full schema for JSON whose long numbers are marked texts (``MARK`` and the digits): a
    Decimal is read from the digits, and anything else sees the float that it would have seen."""
    return _ExactNumbers(quick=False).changed(core)


class _ExactNumbers(Strictness):
    """A walk that also reads marks."""

    def changed(self, core: Core) -> Core:
        kind = core.get("type")
        if kind == "decimal":
            read = {**super().changed(core), "strict": False}
            return before(read, _float_of if self._own else _digits_of)
        held = super().changed(core)
        is_users = kind in OWN_VALIDATORS and not is_pydantics(core["function"])
        is_leaf = kind != "definition-ref" and next(parts_of(core), None) is None
        if isinstance(kind, str) and (is_users or is_leaf) and kind not in OBJECTS:
            return before(held, _float_of)
        return held

    @staticmethod
    def given_to_init(value: object, validate: Callable[[Any], Any]) -> Any:
        """A Decimal where the fields read one, a float elsewhere: the ``__init__`` reads its
        fields from Python values and would keep a Decimal in a field of type ``Any``."""
        digits = _unmarked(value, _Digits)
        validate(digits)
        return _unmarked(digits, _read)

    def but(self, **changes: bool) -> _ExactNumbers:
        now = {name[1:]: value for name, value in vars(self).items()}
        return _ExactNumbers(**{**now, **changes})


class _Digits(str):
    """The digits of a number, and whether a Decimal was read from them."""

    __slots__ = ("is_decimal",)

    def __init__(self, digits: str) -> None:
        self.is_decimal = False


def _read(digits: str) -> Decimal | float:
    return Decimal(digits) if getattr(digits, "is_decimal", False) else float(digits)


def _digits_of(value: Any) -> Any:
    if isinstance(value, _Digits):
        value.is_decimal = True
        return str(value)
    is_marked = isinstance(value, str) and value.startswith(MARK)
    return value[len(MARK) :] if is_marked else value


def _float_of(value: object) -> Any:
    """The value with floats for marks, in what it holds too."""
    return _unmarked(value, float)


def _unmarked(value: object, number: Callable[[str], Any]) -> Any:
    if isinstance(value, _Digits):
        return value if number is _Digits else number(value)
    if isinstance(value, str):
        return number(value[len(MARK) :]) if value.startswith(MARK) else value
    if isinstance(value, dict):
        return {key: _unmarked(inner, number) for key, inner in value.items()}
    return [_unmarked(inner, number) for inner in value] if isinstance(value, list) else value
