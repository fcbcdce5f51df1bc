"""The one reader of the tokens and costs that providers state.

What is absent or null is not stated; what is stated and cannot be read (negative, fractional, a
word, past any answer's length) is noted, and makes the price unknown with that as the reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from prompture.money import EXACT, ZERO
from prompture.types import JSON

MOST = 10**12
"""Tokens that no single call has: a greater count is nonsense, and would overflow databases."""
DEAREST = Decimal(10) ** 9
"""Dollars that no single call costs."""
_FINEST = -40
_DIGITS = re.compile(r"\+?[0-9]{1,18}(?:\.0{1,9})?", re.ASCII)
_AMOUNT = re.compile(r"\+?(?:[0-9]{1,20}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")
_TICKS = -10
"""xAI states ten-thousand-millionths of a dollar."""


class Counts:
    """Reads the counts of one answer. ``problem`` is what could not be read, ``""`` if all was.

    ``readable`` is False once a count that the price needs is missing or could not be read.
    """

    __slots__ = ("problem", "readable")

    def __init__(self) -> None:
        self.problem = ""
        self.readable = True

    def part(self, source: JSON, *names: str) -> int:
        """A count that may be left out: 0 then. Of several names the first that is not 0 counts."""
        if not source:
            return 0
        for name in names:
            value = source.get(name)
            if not value:
                continue
            # The usual case first: this is read for each answer, several times.
            if type(value) is int and 0 < value <= MOST:
                return value
            found = whole(value)
            if found is None:
                self.note(f"{name} is {_fault(value)}")
            elif found:
                return found
        return 0

    def needed(self, source: JSON, name: str) -> int:
        """A count of the price that is left out where it is 0; a null is not left out."""
        return self.total(source, name) if name in source else 0

    def total(self, source: JSON, *names: str) -> int:
        """A count without which there is no price: one of the names must state it."""
        stated, problem = None, f"{names[0]} is missing"
        for name in names:
            if name not in source:
                continue
            value = source[name]
            if type(value) is int and 0 < value <= MOST:
                return value
            found = whole(value)
            if found:
                return found
            if found is None:
                problem = f"{name} is {_fault(value)}"
            else:
                stated = found
        if stated is None:
            self.readable = False
            self.note(problem)
        return stated or 0

    def rest(self, source: JSON, name: str, counted: int) -> int:
        """How many tokens a stated total has beyond those counted; 0 where none is stated."""
        total = self.part(source, name)
        return max(0, total - counted) if self.readable else 0

    def unexplained(self, rest: int, name: str) -> None:
        """Tokens that only the total knows (thoughts, as a rule) were billed as something."""
        if rest:
            self.note(f"{name} has {rest} tokens more than its parts")

    def dollars(self, source: JSON) -> Decimal | None:
        """US dollars that the provider states: OpenRouter's ``cost`` (plus the upstream's where
        the user's own key paid there), xAI's ticks, Perplexity's ``cost.total_cost``."""
        # The two names first: most answers state no cost, and this is read for each.
        if "cost" not in source and "cost_in_usd_ticks" not in source:
            return None
        if (ticks := source.get("cost_in_usd_ticks")) is not None:
            found = whole(ticks, most=10**19)
            if found is None:
                self.note(f"the stated cost is {_fault(ticks)}")
            return None if found is None else EXACT.scaleb(Decimal(found), _TICKS)
        cost = source.get("cost")
        if isinstance(cost, Mapping):
            cost = cost.get("total_cost")
        total = self._amount(cost)
        if total is not None and source.get("is_byok"):
            # With a key of the user's own, ``cost`` is the router's fee alone (OpenRouter's docs on BYOK).
            details = source.get("cost_details")
            paid = details.get("upstream_inference_cost") if isinstance(details, Mapping) else None
            # Without it the router's own fee, often 0, is stated, and the price is not.
            upstream = self._amount(paid)
            return None if upstream is None else EXACT.add(total, upstream)
        return total

    def _amount(self, value: Any) -> Decimal | None:
        if value is None:
            return None
        found = amount(value)
        if found is None:
            self.note(f"the stated cost is {_fault(value)}")
        return found

    def note(self, problem: str) -> None:
        """Keep the first problem; the others are as a rule its like."""
        self.problem = self.problem or f"the provider's usage cannot be read: {problem}"


def whole(value: Any, *, most: int = MOST) -> int | None:
    """A count, None where the value is none: a whole number from 0 on, or one in digits."""
    # Google's JSON has 64-bit numbers as strings; Cohere's counts are all floats (recorded).
    if isinstance(value, str):
        text = value.strip()
        value = int(text.partition(".")[0]) if _DIGITS.fullmatch(text) else None
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value == int(value) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        return None
    return int(value)


def amount(value: Any) -> Decimal | None:
    """US dollars, exactly as stated (a float as the decimal it prints as); None where the value
    is no such amount: negative, not finite, a word, or more than any call costs."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    # Before the pattern, which takes no sign.
    if isinstance(value, (int, float)) and value == 0:  # a negative zero too
        return ZERO
    if isinstance(value, int) and not 0 <= value <= DEAREST:
        return None
    # By the shortest text of a float: Decimal(0.1) would state 55 digits that nobody charged.
    text = str(value).strip().removeprefix("$")
    if not _AMOUNT.fullmatch(text):
        return None
    found = Decimal(text)
    exponent = found.as_tuple().exponent
    if found > DEAREST or not isinstance(exponent, int) or exponent < _FINEST:
        return None
    return found


def merged(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Running totals of a stream, field by field: the last one that is stated wins. A null is
    not stated, nor is a zero that follows a count: some servers end a stream with zeros."""
    both = dict(known)
    for name, value in more.items():
        before = both.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            both[name] = merged(before, value)
        # Gemini leaves fields out of later events (recorded), some copies of OpenAI end with zeros.
        elif not before or (value and whole(value) != 0):
            both[name] = before if value is None else value
    return both


def _fault(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "no number"
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    if value < 0:
        return "negative"
    return "fractional" if isinstance(value, float) and value < MOST else "too large"
