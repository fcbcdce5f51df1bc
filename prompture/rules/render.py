"""A value that was read, written as the JSON the schema asks for, or refused when it cannot be."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from prompture.rules.dates import PrintedDate, PrintedMonth, settle
from prompture.rules.fields import SchemaField
from prompture.rules.page import FieldCandidate, Page, ParsedValue
from prompture.types import Span

# The first that a unit begins with: "mon" stands before "m".
_DURATION_UNITS = (
    ("year", "P{}Y"), ("jahr", "P{}Y"), ("an", "P{}Y"), ("mon", "P{}M"), ("mois", "P{}M"), ("week", "P{}W"), ("day", "P{}D"),
    ("tag", "P{}D"), ("jour", "P{}D"), ("h", "PT{}H"), ("m", "PT{}M"), ("s", "PT{}S"),
)  # fmt: skip


def render(field: SchemaField, reading: ParsedValue, page: Page) -> tuple[Any, Span] | None:
    """The JSON value of a reading and its span; None when the schema refuses it."""
    printed = page.text[reading.start : reading.end]
    value = _json(field, reading.value, printed, page)
    if value is None or not accepts(field.schema, value):
        return None
    kind = "exact" if value == printed else "normalised"
    return value, Span(reading.start, reading.end, kind)


def candidates_of(
    field: SchemaField, reading: ParsedValue | None, page: Page, score: float
) -> list[FieldCandidate]:
    """A reading as the only candidate; none when there is no reading, or when the schema refuses it."""
    written = render(field, reading, page) if reading is not None else None
    return [] if written is None else [FieldCandidate(written[0], (written[1],), score)]


def _json(field: SchemaField, value: Any, printed: str, page: Page) -> Any:
    if isinstance(value, PrintedMonth):
        return _month(field, value, printed)
    if isinstance(value, PrintedDate | datetime | date):
        return _day(field, value, printed, page)
    if isinstance(value, bool):
        return value if "boolean" in field.types else printed
    if isinstance(value, Decimal):
        return _number(field, value, printed)
    if isinstance(value, time):
        return value.isoformat() if field.schema.get("format") == "time" else printed
    if isinstance(value, tuple):
        return _duration(field, value, printed)
    if field.kind == "enum":
        return value
    if "string" in field.types:
        return _string(field, str(value), printed)
    return None


def _string(field: SchemaField, value: str, printed: str) -> str | None:
    if field.schema.get("format") in {"email", "idn-email"} and not _valid_email(value):
        return None
    if field.schema.get("format") in {"uri", "url"} and "://" not in value:
        return None
    pattern = field.schema.get("pattern")
    if isinstance(pattern, str) and len(value) <= 200 and not _fits(pattern, value):
        # Codes are printed in groups: a pattern means them without blanks.
        close = re.sub(r"\s+", "", value)
        return close if _fits(pattern, close) else None
    return value


def _fits(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # ECMA syntax that Python does not read: the caller validates
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


def wants_iso(field: SchemaField) -> bool:
    """Whether a field asks for YYYY-MM-DD rather than the date as printed."""
    if field.schema.get("format") in {"date", "date-time"}:
        return True
    return (
        "yyyy-mm-dd" in field.hint
        or re.search(r"\biso\b|\biso[- ]?8601\b|\d{4}-\d{2}-\d{2}", field.hint) is not None
    )


def _wants_month(field: SchemaField) -> bool:
    """Whether a field asks for YYYY-MM."""
    return re.search(r"yyyy-mm(?!-)", field.hint) is not None


def _month(field: SchemaField, value: PrintedMonth, printed: str) -> str | None:
    # A day that is not stated is not made up: a field that wants one stays null.
    if "string" not in field.types or wants_iso(field):
        return None
    return f"{value.year}-{value.month:02}" if _wants_month(field) else printed


def _day(
    field: SchemaField, value: PrintedDate | datetime | date, printed: str, page: Page
) -> str | None:
    if "string" not in field.types:
        return None
    if _wants_month(field) and not wants_iso(field):
        day = settle(value, page.day_first) if isinstance(value, PrintedDate) else value
        return f"{day.year}-{day.month:02}" if day else None
    if not wants_iso(field):
        return printed
    if isinstance(value, PrintedDate):
        # None where two readings are left: a wrong date is worse than none.
        meant = settle(value, page.day_first)
        midnight = "T00:00:00" if field.schema.get("format") == "date-time" else ""
        return f"{meant.isoformat()}{midnight}" if meant else None
    if field.schema.get("format") != "date-time" and isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat()


def _number(field: SchemaField, value: Decimal, printed: str) -> Any:
    # What Pydantic makes of a Decimal: as text, so that no digit is lost.
    if "number" in field.types and "string" in field.types:
        return f"{value:f}"
    if "number" in field.types:
        return (
            int(value)
            if value == value.to_integral_value() and "." not in printed and "," not in printed
            else float(value)
        )
    if "integer" in field.types:
        return int(value) if value == value.to_integral_value() else None
    return printed if "string" in field.types else None


def _duration(field: SchemaField, value: tuple[int, str], printed: str) -> str | None:
    if field.schema.get("format") != "duration":
        return printed
    count, unit = value
    return next(
        (form.format(count) for word, form in _DURATION_UNITS if unit.lower().startswith(word)),
        None,
    )


def conforms(field: SchemaField, value: Any) -> bool:
    """Whether a field may hold a value: its JSON type, and its enumeration if it has one."""
    if field.kind == "enum":
        return value in field.choices
    if isinstance(value, bool):
        return "boolean" in field.types
    if isinstance(value, str):
        return "string" in field.types
    if isinstance(value, int | float):
        whole = isinstance(value, int) or value.is_integer()
        return "number" in field.types or ("integer" in field.types and whole)
    return "array" in field.types


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
