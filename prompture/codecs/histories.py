"""Calls in a history: each has its result, and an id that the next provider takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from prompture.errors import ConfigurationError
from prompture.types import Message, ToolCall

_REMEDY = "prompture.agents.close_calls(messages) makes a history whole"


def check_calls(messages: Sequence[Message]) -> None:
    """Raise ConfigurationError where a call has no result, or a result no call before it:
    providers refuse such a history, in every later request too."""
    if not _has_calls(messages):
        return
    open_: dict[str, int] = {}
    for position, message in enumerate(messages):
        if message.role == "tool":
            id = message.call_id or ""
            if id not in open_:
                raise ConfigurationError(
                    f"messages[{position}] is the result of the call {id!r}, and no turn right"
                    f" before it makes that call; {_REMEDY}"
                )
            open_[id] -= 1
            if not open_[id]:
                del open_[id]
        elif open_ and message.role != "system":
            raise _unanswered(next(iter(open_)), f"before messages[{position}]")
        for call in message.calls:
            open_[call.id] = open_.get(call.id, 0) + 1
    if open_:
        raise _unanswered(next(iter(open_)), "at the end of the messages")


def _has_calls(messages: Sequence[Message]) -> bool:
    for message in messages:  # noqa: SIM110 - every call comes here, and a generator costs more
        if message.calls or message.role == "tool":
            return True
    return False


def close_calls(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The history with a result behind each of its calls, as every provider wants it.

    A call without a result is given one that says it was not run; a result that stands further
    on is moved up to its call; one whose call is not there is left out.
    """
    given = list(messages)
    results: dict[str, list[Message]] = {}
    for message in given:
        if message.role == "tool":
            results.setdefault(message.call_id or "", []).append(message)
    whole: list[Message] = []
    for message in given:
        if message.role == "tool":
            continue
        whole.append(message)
        for call in message.calls:
            found = results.get(call.id)
            whole.append(found.pop(0) if found else _not_run(call))
    return tuple(whole)


def _not_run(call: ToolCall) -> Message:
    words = "This call was not run: the conversation was interrupted."
    return Message(role="tool", content=words, call_id=call.id, name=call.name, is_error=True)


def _unanswered(id: str, place: str) -> ConfigurationError:
    return ConfigurationError(
        f"the tool call {id!r} has no result {place}: add a turn with role 'tool' and"
        f" call_id={id!r}; {_REMEDY}"
    )


_NO_IDS: Mapping[str, str] = MappingProxyType({})


def wire_ids(
    messages: Sequence[Message], *, limit: int, allowed: str = ""
) -> list[Mapping[str, str]]:
    """For each turn, the ids of its calls (or of the call it answers) as they go out.

    ``limit`` is in characters, ``allowed`` the inside of a regular expression's brackets. Two
    calls never go out under one id, not even calls of different turns; a call and its result
    always do.
    """
    if not _has_calls(messages):
        return [_NO_IDS] * len(messages)
    bad = re.compile(f"[^{allowed}]") if allowed else None
    given = {call.id for m in messages for call in m.calls}
    kept = {id for id in given if _fits(id, limit, bad)}
    used: set[str] = set()
    current: dict[str, str] = {}
    turns: list[Mapping[str, str]] = []
    for message in messages:
        for call in message.calls:
            fits = call.id in kept and call.id not in used
            current[call.id] = call.id if fits else _fresh(call.id, limit, bad, taken=used | kept)
            used.add(current[call.id])
        if message.role == "tool":
            id = message.call_id or ""
            turns.append({id: current.get(id) or _clean(id, bad)[:limit]})
        else:
            turns.append({call.id: current[call.id] for call in message.calls})
    return turns


def _fits(id: str, limit: int, bad: re.Pattern[str] | None) -> bool:
    return 0 < len(id) <= limit and not (bad and bad.search(id))


def _clean(id: str, bad: re.Pattern[str] | None) -> str:
    return bad.sub("_", id) if bad else id


def _fresh(id: str, limit: int, bad: re.Pattern[str] | None, *, taken: set[str]) -> str:
    """An id that fits and is not taken; the same for the same history."""
    clean = _clean(id, bad)
    if _fits(clean, limit, None) and clean not in taken:
        return clean
    for salt in range(len(taken) + 1):
        mark = hashlib.sha256(f"{salt}:{id}".encode("utf-8", "replace")).hexdigest()[:8]
        found = f"{clean[: limit - 9]}_{mark}" if clean else f"call_{mark}"
        if found not in taken:
            return found
    raise AssertionError("unreachable")
