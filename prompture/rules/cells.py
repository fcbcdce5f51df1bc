"""What a cell of a table looks like."""

import re

_MONEY = re.compile(
    r"[^\w-]{0,2}(?:[A-Z]{3}|RM)? ?-?[\d.,' ]*\d[.,]\d{2,4} ?(?:[€$£]|[A-Z]{1,3}|[A-Z]{3})?"
)
_COUNT = re.compile(r"-?\d[\d.,]* ?[^\W\d_]{0,10}[².³)(\w]{0,6}\.?")
_DAY = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}")


def cell_kind(text: str) -> str:
    """What a cell looks like: "date", "percent", "money", "number" (a unit may follow) or "text"."""
    if _DAY.fullmatch(text):
        return "date"
    if text.endswith("%") and len(text) < 10:
        return "percent"
    if _MONEY.fullmatch(text):
        return "money"
    if _COUNT.fullmatch(text) or re.match(r"\d[\d.,]* \w{1,6}\.? +\d", text):
        return "number"
    return "text"
