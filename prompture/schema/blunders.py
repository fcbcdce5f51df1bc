"""What code of the user's raised while a value was validated, told as a problem of the value.

Pydantic turns ValueError and AssertionError of a validator into an error with a place. Anything
else ends the validation where it stands: the place is lost, and which of the two it was (a wrong
value, or a fault of the validator) nobody can tell.
"""

from __future__ import annotations

from types import TracebackType

from prompture.schema.check import InvalidValue, Problem

KIND = "validator"
"""Kind of a problem that stands for an exception."""
_OWN = ("prompture", "pydantic", "pydantic_core")
_MESSAGE_LENGTH = 300


def blunder(error: Exception, *, withhold: bool = False) -> InvalidValue:
    """The error as the one problem of the whole value; chain it as the cause.

    The exception's words are given only where they were written for this: by a bare Exception,
    or a class of the package that the validator is in. Others (a KeyError) quote the value.
    """
    name, home = _raiser(error.__traceback__)
    kind = type(error).__name__
    where = f"the validator {name}() " if name else "a validator "
    meant = type(error) is Exception or type(error).__module__.partition(".")[0] == home
    words = " ".join(str(error).split())[:_MESSAGE_LENGTH] if meant and not withhold else ""
    said = f": {words}" if words else ""
    return InvalidValue([Problem("", f"{where}raised {kind}{said}", KIND)])


def _raiser(tb: TracebackType | None) -> tuple[str, str]:
    """The outermost function outside these packages, and the package that it is in."""
    while tb is not None:
        home = str(tb.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if home not in _OWN:
            return tb.tb_frame.f_code.co_name, home
        tb = tb.tb_next
    return "", ""
