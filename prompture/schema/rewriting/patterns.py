"""Regular expressions of a schema: whether they can be run at all, and whether a dialect can."""

from __future__ import annotations

import re
from functools import lru_cache

from prompture.errors import SchemaError

_LOOK = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]|\(\?P[=>]")
_PLAIN = re.compile(
    r"\^(?:[A-Za-z0-9 _:@,;=/-]|\[[A-Za-z0-9 _:@,;=/.+-]+\]|\\[.()\[\]{}|?*+^$]"
    r"|[()|?*+]|\{\d{1,2}(?:,\d{1,2})?\})*\$"
)
_WRITTEN_OUT = (
    ("(?:", "("),
    ("[\\w", "[A-Za-z0-9_"),
    ("[\\d", "[0-9"),
    ("\\d", "[0-9]"),
    ("\\w", "[A-Za-z0-9_]"),
    ("\\/", "/"),
    ("\\-]", "-]"),
)


def finds(pattern: str, text: str) -> bool | None:
    """The pattern is found in the text, in linear time; None where the pattern cannot be run."""
    from prompture.schema.patterns import BadPattern, matcher

    try:
        return matcher(pattern)(text)
    except BadPattern:
        return None


@lru_cache(maxsize=4096)
def is_usable(pattern: str) -> bool:
    """It is a regular expression, here and in Python, that cannot be made to hang."""
    from prompture.schema.patterns import BadPattern, matcher

    try:
        matcher(pattern)
    except BadPattern:
        return False
    return True


def looks_around(pattern: str) -> bool:
    """It has a lookahead, a lookbehind or a back-reference, which no provider takes."""
    return bool(_LOOK.search(pattern))


def plain(pattern: str) -> str | None:
    """The pattern in what every grammar converter understands: anchored, characters, classes, groups, counts.

    None where it needs more. ``\\d`` and ``\\w`` are written out as ECMA-262 means them.
    """
    for escape, written in _WRITTEN_OUT:
        pattern = pattern.replace(escape, written)
    return (
        pattern
        if _PLAIN.fullmatch(pattern) and "(?" not in pattern and "(|" not in pattern
        else None
    )


@lru_cache(maxsize=4096)
def check_pattern(pattern: str) -> None:
    """Refuse a pattern that is large, or becomes so when its repeats are written out.

    Patterns that hang other engines do no harm: they are matched in linear time.

    Raises:
        SchemaError: it is too large.
    """
    from prompture.schema.patterns import PATTERN_LENGTH, WEIGHT_LIMIT, weight

    if len(pattern) > PATTERN_LENGTH:
        raise SchemaError(
            f"a pattern has {len(pattern):,} characters; the most is {PATTERN_LENGTH:,}"
        )
    if "{" in pattern and weight(pattern) > WEIGHT_LIMIT:
        raise SchemaError("a pattern multiplies its counted repeats beyond measure")
