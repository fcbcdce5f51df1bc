"""Numbers as a spreadsheet shows them: its format codes, in their English form."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: '"$"#,##0;\\-"$"#,##0',
    6: '"$"#,##0;\\-"$"#,##0', 7: '"$"#,##0.00;\\-"$"#,##0.00', 8: '"$"#,##0.00;\\-"$"#,##0.00',
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: "yyyy-mm-dd",
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 37: "#,##0;-#,##0", 38: "#,##0;-#,##0",
    39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00", 41: "#,##0;-#,##0", 42: '"$"#,##0;-"$"#,##0',
    43: "#,##0.00;-#,##0.00", 44: '"$"#,##0.00;-"$"#,##0.00', 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mm:ss.0", 48: "##0.0E+0", 49: "@", **dict.fromkeys((*range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd"),
}  # fmt: skip
"""Formats that a file names by number. 14 and 22 follow the reader's country: here they are ISO."""
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|\[(?P<bracket>[^\]]*)\]|_(?P<pad>.)|\*(?P<fill>.)'
    r"|(?P<ampm>AM/PM|A/P)|(?P<exp>[eE][+-])|(?P<general>General)"
    r"|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?)|(?P<digits>[0#?.,]+)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[\d.]+)")
_CURRENCY = re.compile(r"\$([^-\]]*)")
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]  # fmt: skip
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_TESTS = {"<": float.__lt__, ">": float.__gt__, "<=": float.__le__, ">=": float.__ge__,
          "=": float.__eq__, "<>": float.__ne__}  # fmt: skip
_LONGEST_CODE = 1000


@dataclass(frozen=True, slots=True)
class _Section:
    tokens: tuple[tuple[str, str], ...]
    condition: tuple[str, float] | None
    is_date: bool

    def has(self, kind: str) -> bool:
        return any(token[0] == kind for token in self.tokens)


def shown(value: float, code: str, *, since_1904: bool = False) -> str:
    """A number as its cell shows it."""
    value = float(value)
    if not math.isfinite(value):
        return str(value)
    section, is_signed = _section_for(value, _sections(code[:_LONGEST_CODE]))
    if section.is_date:
        moment = moment_of(value, since_1904=since_1904)
        if moment is not None or section.has("elapsed"):
            return _date_text(section, moment, value).strip()
        return general(value)
    if not section.tokens and code.strip():
        return ""  # such a section hides the number: ;;;
    if section.has("general") or not (section.has("digits") or section.has("text")):
        words = "".join(
            general(abs(value) if is_signed else value) if kind == "general" else text
            for kind, text in section.tokens
        )
        return words.strip() if section.tokens else general(value)
    if section.has("text") and not section.has("digits"):
        return "".join(general(value) if k == "text" else t for k, t in section.tokens).strip()
    return _number_text(section, value, is_signed=is_signed).strip()


def is_date(code: str) -> bool:
    """Whether a format shows days or times."""
    return _sections(code[:_LONGEST_CODE])[0].is_date


def general(value: float) -> str:
    """A number without a format: every digit of a whole one, ten of another."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.15g}"
    whole, _, rest = text.partition(".")
    if "e" not in text and len(whole.lstrip("-")) + len(rest) > 10:
        # What sums leave behind (19.990000000000002) is not shown.
        text = f"{value:.{max(0, 10 - len(whole.lstrip('-')))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if float(text) == 0:
            text = f"{value:.6g}"
    return text.upper()


def moment_of(value: float, *, since_1904: bool = False) -> datetime | None:
    """The day and time of a serial number, None for one that is none."""
    if not 0 <= value < 2_958_466:
        return None
    # The program's calendar has a 29 February 1900, so that the first days are one off.
    start = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 31 if value < 60 else 30)
    try:
        # To the millisecond: a float has no more of a time.
        return start + timedelta(milliseconds=round(value * 86_400_000))
    except OverflowError:
        return None


@lru_cache(maxsize=1000)
def _sections(code: str) -> tuple[_Section, ...]:
    found: list[_Section] = []
    tokens: list[tuple[str, str]] = []
    condition: tuple[str, float] | None = None

    def close() -> None:
        kinds = {kind for kind, _ in tokens}
        is_date = bool(kinds & {"date", "elapsed", "ampm"}) and "general" not in kinds
        found.append(_Section(_settled(tokens, is_date), condition, is_date))

    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "", match[match.lastgroup or 0]
        if kind == "other" and text == ";":
            close()
            tokens, condition = [], None
        elif kind == "bracket":
            if test := _CONDITION.fullmatch(text):
                condition = (test[1], float(test[2]) if _is_number(test[2]) else 0.0)
            elif money := _CURRENCY.match(text):
                tokens.append(("literal", money[1]))
            elif _ELAPSED.fullmatch(text):
                tokens.append(("elapsed", text.lower()))
        elif kind in ("quoted", "escaped"):
            tokens.append(("literal", text))
        elif kind == "pad":
            tokens.append(("literal", " "))
        elif kind == "other":
            tokens.append(("text", "") if text == "@" else ("literal", text))
        elif kind != "fill":
            tokens.append((kind, text if kind == "ampm" else text.lower()))
    close()
    return tuple(found)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+\.?\d*|-?\.\d+", text) is not None


def _settled(tokens: list[tuple[str, str]], is_date: bool) -> tuple[tuple[str, str], ...]:
    """The tokens, with m of minutes told from m of months, and marks between dates as words."""
    if not is_date:
        return tuple(tokens)
    made: list[tuple[str, str]] = []
    dates = [at for at, (kind, _) in enumerate(tokens) if kind in ("date", "elapsed")]
    for at, (kind, text) in enumerate(tokens):
        if kind == "date" and text[0] == "m" and len(text) < 3:
            where = dates.index(at)
            before = tokens[dates[where - 1]][1] if where else ""
            after = tokens[dates[where + 1]][1] if where + 1 < len(dates) else ""
            if before[:1] == "h" or after[:1] == "s":
                text = "n" * len(text)
        made.append(("literal", text) if kind in ("digits", "exp") else (kind, text))
    return tuple(made)


def _section_for(value: float, sections: tuple[_Section, ...]) -> tuple[_Section, bool]:
    """The section that a number falls into, and whether its sign is in the section's words."""
    for section in sections[:2]:
        if section.condition is not None:
            for at, each in enumerate(sections[:3]):
                test = each.condition
                if test is None or _TESTS[test[0]](value, test[1]):
                    return each, at > 0 and value < 0 and test is None
            return sections[0], False
    if len(sections) >= 3 and value == 0:
        return sections[2], False
    if len(sections) >= 2 and value < 0:
        return sections[1], True
    return sections[0], False


def _number_text(section: _Section, value: float, *, is_signed: bool) -> str:
    words = [text for kind, text in section.tokens if kind == "literal"]
    if "/" in words and sum(kind == "digits" for kind, _ in section.tokens) >= 2:
        return _fraction(section, value, is_signed=is_signed)
    pattern = "".join(text for kind, text in section.tokens if kind == "digits")
    percent = sum(text.count("%") for kind, text in section.tokens if kind == "literal")
    number = Decimal(repr(abs(value))) * 100**percent
    exponent = None
    mantissa = pattern
    if section.has("exp"):
        mantissa = next(text for kind, text in section.tokens if kind == "digits")
        exponent = number.adjusted() if number else 0
        number = number.scaleb(-exponent)
    digits = _digits(number, mantissa)
    minus = "-" if value < 0 and not is_signed and digits.strip("0.,") else ""
    made, is_written, in_exponent = [], False, False
    for kind, text in section.tokens:
        if kind == "exp" and exponent is not None:
            sign = "-" if exponent < 0 else "+" if text[1] == "+" else ""
            made.append(f"E{sign}")
            in_exponent = True
        elif kind == "digits" and in_exponent:
            made.append(str(abs(exponent or 0)).rjust(text.count("0"), "0"))
        elif kind == "digits":
            # Of a pattern in pieces (000-00) the digits stand in the last place but one of them.
            made.append("" if is_written else digits)
            is_written = True
        elif kind != "text":
            made.append(text)
    if sum(kind == "digits" for kind, _ in section.tokens) > 1 and exponent is None:
        return minus + _in_pieces(section, number)
    return minus + "".join(made)


def _digits(number: Decimal, pattern: str) -> str:
    """The digits of a number in a pattern such as ``#,##0.00``."""
    whole, dot, places = pattern.partition(".")
    scale = len(whole) - len(whole.rstrip(",")) if not dot else 0
    if dot:
        scale = len(places) - len(places.rstrip(","))
        scale += len(whole) - len(whole.rstrip(","))
    places = re.sub(r"[^0#?]", "", places)
    with localcontext() as context:
        context.prec = 400
        number = number / (Decimal(1000) ** scale)
        rounded = number.quantize(Decimal(1).scaleb(-len(places)), ROUND_HALF_UP)
    before, _, after = f"{rounded:f}".partition(".")
    least = whole.count("0")
    before = before.lstrip("0").rjust(least, "0")
    if "," in whole.rstrip(","):
        before = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", before)
    while after and places[len(after) - 1] == "#" and after.endswith("0"):
        after = after[:-1]
    return f"{before}.{after}" if after or dot else before


def _in_pieces(section: _Section, number: Decimal) -> str:
    """Digits with marks between them: 00-00-00, (000) 000-0000."""
    pattern = "".join(text for kind, text in section.tokens if kind == "digits")
    if "." in pattern:
        return _digits(number, pattern)
    digits = list(_digits(number, pattern.replace(",", "")))
    made: list[str] = []
    slots = [text for kind, text in section.tokens if kind == "digits"]
    first = True
    for kind, text in reversed(section.tokens):
        if kind == "digits":
            slots.pop()
            count = len(text) if slots else len(digits)
            made.append("".join(digits[-count:] if count else []))
            del digits[max(0, len(digits) - count) :]
            first = False
        elif kind == "literal" and (digits or first or not slots):
            made.append(text)
    return "".join(reversed(made))


def _fraction(section: _Section, value: float, *, is_signed: bool) -> str:
    from fractions import Fraction

    slots = [text for kind, text in section.tokens if kind == "digits"]
    size = min(6, len(slots[-1].strip(".,"))) or 1
    fraction = Fraction(abs(value)).limit_denominator(10**size - 1)
    minus = "-" if value < 0 and not is_signed else ""
    whole, rest = divmod(fraction, 1)
    if len(slots) < 3:
        return f"{minus}{fraction.numerator}/{fraction.denominator}"
    if not rest:
        return f"{minus}{whole}"
    tail = f"{rest.numerator}/{rest.denominator}"
    return f"{minus}{whole} {tail}" if whole else f"{minus}{tail}"


def _date_text(section: _Section, moment: datetime | None, value: float) -> str:
    made = []
    half_day = section.has("ampm")
    shows_parts = any(k == "date" and "." in t for k, t in section.tokens)
    if moment is not None and not shows_parts:  # seconds are rounded, not cut
        moment = (moment + timedelta(milliseconds=500)).replace(microsecond=0)
    for kind, text in section.tokens:
        if kind == "elapsed":
            made.append(_elapsed(text, value))
        elif kind == "ampm":
            mark = "AM" if moment is None or moment.hour < 12 else "PM"
            made.append(mark if len(text) > 3 else mark[0])
        elif kind == "date" and moment is not None:
            made.append(_date_part(text, moment, half_day=half_day))
        elif kind == "literal":
            made.append(text)
    return "".join(made)


def _elapsed(text: str, value: float) -> str:
    seconds = round(value * 86_400)
    units = {"h": 3600, "m": 60, "s": 1}[text[0]]
    whole = abs(seconds) // units
    return ("-" if seconds < 0 else "") + str(whole).rjust(len(text), "0")


def _date_part(text: str, moment: datetime, *, half_day: bool) -> str:
    letter, size = text[0], len(text)
    if letter == "y":
        return str(moment.year) if size > 2 else f"{moment.year % 100:02d}"
    if letter == "m":
        return _named(moment.month, _MONTHS[moment.month - 1], size, letters=size == 5)
    if letter == "d":
        return _named(
            moment.day, _DAYS[date(moment.year, moment.month, moment.day).weekday()], size
        )
    if letter == "s":
        whole, dot, places = text.partition(".")
        seconds = str(moment.second).rjust(min(len(whole), 2), "0")
        return seconds + (dot + f"{moment.microsecond:06d}"[: len(places)] if dot else "")
    number = moment.minute if letter == "n" else moment.hour
    if letter == "h" and half_day:
        number = number % 12 or 12
    return str(number).rjust(min(size, 2), "0")


def _named(number: int, name: str, size: int, *, letters: bool = False) -> str:
    if size < 3:
        return str(number).rjust(size, "0")
    return name[0] if letters else name[:3] if size == 3 else name
