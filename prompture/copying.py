"""How an error is copied, pickled, and read back in another process.

An exception is rebuilt by calling its class with ``args``, which fails for every class that wants
keywords; a pool of processes then breaks, and the error is lost. Here the class is
not called at all. Each attribute is packed by itself, so that one which cannot travel (a lock, a
class that the other side has not got) is left behind with a note, and never hides the error.
"""

from __future__ import annotations

import copy
import pickle
from contextvars import ContextVar
from typing import Any, ClassVar, Self, TypeVar

E = TypeVar("E", bound=BaseException)
T = TypeVar("T")
State = dict[str, Any]

_packing: ContextVar[frozenset[int]] = ContextVar("packing", default=frozenset())
"""Errors being packed: one that leads back to itself is packed once."""


class PicklableError(Exception):
    """An exception that is copied and pickled whole. As a base it stands first."""

    _keeps_cause: ClassVar[bool] = True

    def __reduce__(self) -> tuple[object, ...]:
        arguments, state = packed(self, with_cause=self._keeps_cause)
        return (blank, arguments, state)

    def __setstate__(self, state: State | None) -> None:
        unpack(self, state or {})

    def __copy__(self) -> Self:
        return copied(self)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return deeply_copied(self, memo)


def blank(cls: type[E], args: tuple[object, ...]) -> E:
    """An error of the class without a call of its ``__init__``."""
    error = cls.__new__(cls)
    error.args = args
    return error


def packed(error: BaseException, *, with_cause: bool) -> tuple[tuple[object, ...], State]:
    """The arguments of ``blank`` and the state for ``unpack``; raises nothing."""
    cls = _importable(type(error))
    if id(error) in _packing.get():  # it leads back to itself: the outer call has its state
        return (cls, _args(error)), {}
    token = _packing.set(_packing.get() | {id(error)})
    try:
        state = _state(error, with_cause=with_cause)
        if cls is not type(error):
            state["notes"].append(_left_behind("its class", error))
        return (cls, _args(error)), state
    finally:
        _packing.reset(token)


def _importable(cls: type[BaseException]) -> type[BaseException]:
    """The class, or the nearest of its bases that another process can import."""
    return next((c for c in cls.__mro__ if _dumped(c) is not None), Exception)


def _state(error: BaseException, *, with_cause: bool) -> State:
    parts, notes = {}, list(getattr(error, "__notes__", ()))
    for name, value in vars(error).items():
        if name == "__notes__":
            continue
        data = _dumped(value)
        if data is None:
            notes.append(_left_behind(name, value))
        else:
            parts[name] = data
    state: State = {"parts": parts, "notes": notes, "silent": error.__suppress_context__}
    for name in ("__cause__", "__context__"):
        linked = getattr(error, name)
        # What a cause hides is not shown, and need not travel.
        if linked is None or (name == "__context__" and error.__suppress_context__):
            continue
        data = _dumped(linked) if with_cause else None
        if data is None:
            notes.append(_left_behind(name.strip("_"), linked))
        else:
            state[name] = data
    return state


def _args(error: BaseException) -> tuple[object, ...]:
    return tuple(a if _dumped(a) is not None else _words(a) for a in error.args)


def _dumped(value: object) -> bytes | None:
    """The value as bytes that can be read back, or None."""
    # Most attributes: nothing in them can refuse.
    if isinstance(value, (str, int, float, type(None))):
        return pickle.dumps(value)
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        if isinstance(value, BaseException):
            # A foreign exception may be written well and not read back.
            pickle.loads(data)  # noqa: S301 - our own bytes
    except Exception:  # foreign objects raise what they like when they are pickled
        return None
    return data


def _left_behind(name: str, value: object) -> str:
    return f"left behind where it was raised: {name}, {type(value).__name__}"


def _words(value: object) -> str:
    try:
        return str(value)
    except Exception:  # a foreign __str__ may raise anything
        return type(value).__name__


def unpack(error: BaseException, state: State) -> None:
    """Give an error from ``blank`` what ``packed`` made of the first one."""
    notes = list(state.get("notes", ()))
    for name, data in state.get("parts", {}).items():
        try:
            error.__dict__[name] = pickle.loads(data)  # noqa: S301 - inside a pickle already
        except Exception as exc:  # the class may be missing here, or of another version
            notes.append(f"not read back: {name} ({type(exc).__name__})")
    for name in ("__cause__", "__context__"):
        if name not in state:
            continue
        try:
            setattr(error, name, pickle.loads(state[name]))  # noqa: S301 - as above
        except Exception as exc:  # as above
            notes.append(f"not read back: {name.strip('_')} ({type(exc).__name__})")
    error.__suppress_context__ = bool(state.get("silent"))
    for note in notes:
        error.add_note(note)


def copied(error: E) -> E:
    """A copy that shares every attribute, with the cause."""
    made = blank(type(error), error.args)
    made.__dict__.update(vars(error))
    return _linked(made, error)


def deeply_copied(error: E, memo: dict[int, object]) -> E:
    """A copy with attributes of its own; what cannot be copied is shared."""
    made = blank(type(error), ())
    # Before its parts, which may lead back to it.
    memo[id(error)] = made
    made.args = tuple(_deep(a, memo) for a in error.args)
    for name, value in vars(error).items():
        made.__dict__[name] = _deep(value, memo)
    return _linked(made, error)


def _deep(value: T, memo: dict[int, Any]) -> T:
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # foreign objects raise what they like when they are copied
        return value


def _linked(made: E, error: E) -> E:
    made.__cause__ = error.__cause__
    made.__context__ = error.__context__
    made.__suppress_context__ = error.__suppress_context__
    return made
