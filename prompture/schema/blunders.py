"""What code of the user's raised while a value was validated, told as a problem of the value.

Pydantic turns ValueError and AssertionError of a validator into an error with a place. Anything
else ends the validation where it stands: the place is lost, and which of the two it was (a wrong
value, or a fault of the validator) nobody can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompture.schema.check import InvalidValue, Problem

KIND = "validator"
"""Kind of a problem that stands for an exception."""
NO_CONTEXT = "validator_context"
"""Kind of one that no other answer cures: the validator reads a context that nobody gave."""
_OWN = ("prompture", "pydantic", "pydantic_core")
_MESSAGE_LENGTH = 300


def blunder(error: Exception, *, withhold: bool = False) -> InvalidValue:
    """The error as the one problem of the whole value; chain it as the cause.

    The exception's words are given only where they were written for this: by a bare Exception,
    or a class of the package that the validator is in. Others (a KeyError) quote the value.
    """
    name, home, is_lost = _raiser(error)
    kind = type(error).__name__
    where = f"the validator {name}()" if name else "a validator"
    if is_lost:
        advice = "it reads info.context, which is None; give context=..."
        return InvalidValue([Problem("", f"{where} raised {kind}: {advice}", NO_CONTEXT)])
    meant = type(error) is Exception or type(error).__module__.partition(".")[0] == home
    words = " ".join(str(error).split())[:_MESSAGE_LENGTH] if meant and not withhold else ""
    said = f": {words}" if words else ""
    return InvalidValue([Problem("", f"{where} raised {kind}{said}", KIND)])


def _raiser(error: Exception) -> tuple[str, str, bool]:
    """The outermost function outside these packages, the package that it is in, and whether it
    is lost without a context."""
    tb = error.__traceback__
    while tb is not None:
        frame = tb.tb_frame
        home = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if home not in _OWN:
            lacks = isinstance(error, (TypeError, AttributeError)) and "NoneType" in str(error)
            return frame.f_code.co_name, home, lacks and _has_no_context(frame.f_locals)
        tb = tb.tb_next
    return "", "", False


def _has_no_context(names: Mapping[str, Any]) -> bool:
    infos = [each for each in names.values() if type(each).__name__ == "ValidationInfo"]
    return any(info.context is None for info in infos)
