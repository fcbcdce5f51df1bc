"""Regular expressions of a schema: can Python compile them, can a grammar, and can they be made to hang."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from prompture.errors import SchemaError

MAX_PATTERN = 4_000
_LOOK = re.compile(r"\(\?(?:[=!]|<[=!])")
_PLAIN = re.compile(
    r"\^(?:[A-Za-z0-9 _:@,;=/-]|\[[A-Za-z0-9 _:@,;=/.+-]+\]|[()|?*+]|\{\d{1,2}(?:,\d{1,2})?\})*\$"
)


@lru_cache(maxsize=4096)
def compiles(pattern: str) -> bool:
    """Python can run it; a pattern of another flavour is left out and not checked by anyone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def looks_around(pattern: str) -> bool:
    """It has a lookahead, a lookbehind or a back-reference, which no provider takes."""
    return bool(_LOOK.search(pattern) or re.search(r"\\[1-9]|\(\?P[=>]", pattern))


def is_plain(pattern: str) -> bool:
    """Anchored, and made of what every grammar converter understands."""
    return bool(_PLAIN.fullmatch(pattern)) and "(?" not in pattern and "(|" not in pattern


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that can be made to run forever.

    Raises:
        SchemaError: too long, or exponential on some input.
    """
    if len(pattern) > MAX_PATTERN:
        raise SchemaError(f"a pattern of {len(pattern):,} characters; the most is {MAX_PATTERN:,}")
