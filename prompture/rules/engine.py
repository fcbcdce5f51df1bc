"""From a schema and a text to a value and the places it was read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import localcontext
from importlib.util import find_spec
from typing import Any

from prompture.errors import MissingExtra, UnsupportedError
from prompture.rules.page import read_page
from prompture.rules.reader import Reader
from prompture.types import EXACT, Span


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules read: a JSON value, and by JSON pointer (RFC 6901) the spans of every value that is not null."""

    value: Any
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)


def extract(
    schema: Mapping[str, Any], text: str, *, today: date | None = None, region: str | None = None
) -> Found:
    """Fill a JSON Schema from a text.

    A value that the text does not state, or states in two ways, is null (a property that is not required is left
    out). `region` is an ISO 3166 code ("US", "DE") for what the text leaves open: the order of 03/04/2024 and the
    country of telephone numbers. `today` only decides the century of a year of two digits.
    Raises UnsupportedError for a text of more than MOST_CHARS characters or MOST_LINES lines, and MissingExtra when the packages of the extra "local" are not installed.
    """
    _require_local()
    _require_short(text)
    with localcontext(EXACT):  # the caller's own may round, or raise
        reader = Reader.of(schema, read_page(text, today=today, region=region))
        value, spans = reader.read()
    return Found(value, spans)


MOST_CHARS = 2_000_000
MOST_LINES = 200_000
"""What is read in well under a minute and within a few hundred megabytes, whatever stands there."""


def _require_short(text: str) -> None:
    lines = text.count("\n")
    if len(text) > MOST_CHARS or lines > MOST_LINES:
        raise UnsupportedError(
            f"local/rules reads texts of at most {MOST_CHARS:,} characters and {MOST_LINES:,} lines, and this one has "
            f"{len(text):,} and {lines:,}; extract from its parts one by one"
        )


def _require_local() -> None:
    """Refuse at once, not at the first document that needs the part that is missing."""
    for module, package in _PACKAGES:
        if module in _FOUND:
            continue
        if find_spec(module) is None:
            raise MissingExtra(extra="local", package=package)
        _FOUND.add(module)


_FOUND: set[str] = set()
_PACKAGES = (
    ("rapidfuzz", "rapidfuzz"),
    ("dateparser", "dateparser"),
    ("price_parser", "price-parser"),
    ("email_validator", "email-validator"),
    ("phonenumbers", "phonenumbers"),
)
