"""A document read once: its layout, its dates, and what its numbers and dates mean. Shared by every field."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from prompture.rules.dates import PrintedDate, day_first, find_dates
from prompture.rules.layout import Layout, read_layout
from prompture.rules.numbers import decimal_mark
from prompture.types import Span


@dataclass(frozen=True, slots=True)
class Page:
    """The text with everything that is worth working out once. `memo` keeps derived readings by name."""

    text: str
    layout: Layout
    mark: str | None
    day_first: bool | None
    dates: tuple[PrintedDate, ...]
    today: date | None
    region: str | None
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a text that an object is read from, `[start, end)`."""

    start: int
    end: int

    def holds(self, start: int, end: int) -> bool:
        """Whether `[start, end)` lies inside."""
        return self.start <= start and end <= self.end


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value a field may take: JSON, where it stands, how sure we are (0 to 1), and the label it stands by."""

    value: Any
    spans: tuple[Span, ...]
    score: float
    label: tuple[int, int] | None = None


def read_page(text: str, *, today: date | None = None, region: str | None = None) -> Page:
    """Read what every field needs from a text. `region` is an ISO 3166 code that settles 03/04/2024 and phone numbers."""
    last_year = 2069 if today is None else today.year + 20
    dates = tuple(find_dates(text, last_year=last_year))
    return Page(
        text=text,
        layout=read_layout(text),
        mark=decimal_mark(text),
        day_first=day_first(text, dates, region=region),
        dates=dates,
        today=today,
        region=region,
    )
