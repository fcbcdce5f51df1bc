"""Characters that a stream cuts in two: a server that escapes UTF-16 may send an emoji's first
half in one event and its second in the next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prompture.types import Completion, Delta, Native

_FIRST, _SECOND, _END = "\ud800", "\udc00", "\ue000"


def paired(text: str) -> str:
    """The text with pairs of halves as the characters they are, and U+FFFD for lone ones."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Pairs:
    """Holds the first half of a character back until its second comes."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[tuple[str, int | None], str] = {}

    def joined(self, deltas: list[Delta]) -> list[Delta]:
        """The deltas without half a character; one that holds nothing else is left out."""
        return [kept for delta in deltas if (kept := self._one(delta)) is not None]

    def _one(self, delta: Delta) -> Delta | None:
        changed: dict[str, Any] = {}
        for name in ("text", "reasoning", "refusal", "tool_arguments"):
            said: str = getattr(delta, name)
            if not said or (said.isascii() and not self._held):
                continue
            place = (name, delta.tool_index)
            whole = self._held.pop(place, "") + said
            if _FIRST <= whole[-1] < _SECOND:
                whole, self._held[place] = whole[:-1], whole[-1]
            whole = paired(whole)
            if whole != said:
                changed[name] = whole
        if not changed:
            return delta
        delta = replace(delta, **changed)
        return delta if delta != _nothing(delta.tool_index) else None


def _nothing(index: int | None) -> Delta:
    return Delta(tool_index=index)


def paired_completion(completion: Completion) -> Completion:
    """The completion with whole characters in all that is read or sent back."""
    calls = tuple(
        replace(call, raw_arguments=paired(call.raw_arguments), arguments=_deep(call.arguments))
        for call in completion.tool_calls
    )
    native = completion.native
    return replace(
        completion,
        text=paired(completion.text),
        reasoning=paired(completion.reasoning),
        refusal=None if completion.refusal is None else paired(completion.refusal),
        tool_calls=calls,
        native=native and Native(native.dialect, _deep(native.payload)),
    )


def _deep(value: Any) -> Any:
    if isinstance(value, str):
        return paired(value)
    if isinstance(value, dict):
        return {paired(key): _deep(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_deep(each) for each in value]
    return value
