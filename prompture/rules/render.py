"""A value that was read, written as the JSON the schema asks for, or refused when it cannot be."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from prompture.rules.choices import choices
from prompture.rules.dates import PrintedDate, settle
from prompture.rules.fields import Field
from prompture.rules.page import Page
from prompture.rules.values import Reading
from prompture.types import Span

_DURATION_UNITS = (
    ("year", "P{}Y"), ("jahr", "P{}Y"), ("an", "P{}Y"), ("mon", "P{}M"), ("mois", "P{}M"), ("week", "P{}W"), ("day", "P{}D"),
    ("tag", "P{}D"), ("jour", "P{}D"), ("h", "PT{}H"), ("m", "PT{}M"), ("s", "PT{}S"),
)  # fmt: skip


def render(name: Field, reading: Reading, page: Page) -> tuple[Any, Span] | None:
    """The JSON value of a reading and its span; None when the schema refuses it."""
    printed = page.text[reading.start : reading.end]
    value = _json(name, reading.value, printed, page)
    if value is None or not accepts(name.schema, value):
        return None
    kind = "exact" if value == printed else "normalised"
    return value, Span(reading.start, reading.end, kind)


def _json(name: Field, value: Any, printed: str, page: Page) -> Any:
    if isinstance(value, PrintedDate | datetime | date):
        return _day(name, value, printed, page)
    if isinstance(value, bool):
        return value if "boolean" in name.types else printed
    if isinstance(value, Decimal):
        return _number(name, value, printed)
    if isinstance(value, time):
        return value.isoformat() if name.schema.get("format") == "time" else printed
    if isinstance(value, tuple):
        return _duration(name, value, printed)
    if name.kind == "enum":
        return value
    if "string" in name.types:
        return _string(name, str(value), printed)
    return None


def _string(name: Field, value: str, printed: str) -> str | None:
    if name.schema.get("format") in {"email", "idn-email"} and not _valid_email(value):
        return None
    if name.schema.get("format") in {"uri", "url"} and "://" not in value:
        return None
    pattern = name.schema.get("pattern")
    if isinstance(pattern, str) and len(value) <= 200 and not _fits(pattern, value):
        close = re.sub(r"\s+", "", value)
        return close if _fits(pattern, close) else None
    return value


def _fits(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def _valid_email(value: str) -> bool:
    try:
        from email_validator import EmailNotValidError, validate_email
    except ImportError as missing:
        from prompture.errors import MissingExtra

        raise MissingExtra(extra="local", package="email-validator") from missing
    try:
        validate_email(value, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def wants_iso(name: Field) -> bool:
    """Whether a field asks for YYYY-MM-DD rather than the date as printed."""
    if name.schema.get("format") in {"date", "date-time"}:
        return True
    return (
        "yyyy-mm-dd" in name.hint
        or re.search(r"\biso\b|\biso[- ]?8601\b|\d{4}-\d{2}-\d{2}", name.hint) is not None
    )


def _day(name: Field, value: PrintedDate | datetime | date, printed: str, page: Page) -> str | None:
    if "string" not in name.types:
        return None
    if not wants_iso(name):
        return printed
    if isinstance(value, PrintedDate):
        meant = settle(value, page.day_first)
        return meant.isoformat() if meant else None
    if name.schema.get("format") != "date-time" and isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat()


def _number(name: Field, value: Decimal, printed: str) -> Any:
    if "number" in name.types and "string" in name.types:
        return f"{value:f}"
    if "number" in name.types:
        return (
            int(value)
            if value == value.to_integral_value() and "." not in printed and "," not in printed
            else float(value)
        )
    if "integer" in name.types:
        return int(value) if value == value.to_integral_value() else None
    return printed if "string" in name.types else None


def _duration(name: Field, value: tuple[int, str], printed: str) -> str | None:
    if name.schema.get("format") != "duration":
        return printed
    count, unit = value
    return next(
        (form.format(count) for word, form in _DURATION_UNITS if unit.lower().startswith(word)),
        None,
    )


def conforms(name: Field, value: Any) -> bool:
    """Whether a field may hold a value: its JSON type, and its enumeration if it has one."""
    if name.kind == "enum":
        return value in choices(name)
    if isinstance(value, bool):
        return "boolean" in name.types
    if isinstance(value, str):
        return "string" in name.types
    if isinstance(value, int | float):
        whole = isinstance(value, int) or value.is_integer()
        return "number" in name.types or ("integer" in name.types and whole)
    return "array" in name.types


def accepts(schema: Mapping[str, Any], value: Any) -> bool:
    """The bounds that are cheap to check here: lengths and ranges. The caller validates the rest."""
    if isinstance(value, str):
        return _over(len(value), schema.get("minLength")) and _under(
            len(value), schema.get("maxLength")
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        strict = value != above and value != below and _over(value, above) and _under(value, below)
        return (
            strict and _over(value, schema.get("minimum")) and _under(value, schema.get("maximum"))
        )
    return True


def _over(value: float, low: Any) -> bool:
    return not isinstance(low, int | float) or value >= low


def _under(value: float, high: Any) -> bool:
    return not isinstance(high, int | float) or value <= high
