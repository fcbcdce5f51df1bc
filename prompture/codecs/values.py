"""Values out of what providers send: inner objects, texts, dates, tool calls; why an answer stopped; the
tokens and dollars that it states.

A provider's new word for a stop reason goes into a row of ``_RAW``. A new reason of ours goes into
``types.StopReason`` and ``flows/attempts.py`` as well; ARCHITECTURE.md has the whole list.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from prompture.money import EXACT, ZERO
from prompture.types import JSON, StopReason, ToolCall
from prompture.wire.loading import UnreadableJSON, load_json, with_digits


def section(source: JSON, key: str) -> JSON:
    """An inner object, empty where it is absent or null."""
    value = source.get(key)
    # The exact type first: nearly all are dicts, and a check against Mapping costs more.
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def objects(value: object) -> list[JSON]:
    """The objects of a list; nothing where it is none."""
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def string(source: JSON, key: str) -> str:
    """A text of an object, ``""`` where there is none."""
    value = source.get(key)
    return value if isinstance(value, str) else ""


def tokens(value: object) -> int | None:
    """A number of tokens in a list of models; None where none is stated."""
    return (
        int(value) if isinstance(value, (int, float)) and value > 0 and value is not True else None
    )


def timestamp(text: object) -> int | None:
    """Seconds since 1970 of an ISO date; None where it is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def tool_call(*, id: str, name: str, arguments: Any) -> ToolCall:
    """A ToolCall out of what the wire has: JSON text, or an object already parsed."""
    if isinstance(arguments, Mapping):
        return ToolCall(
            id=id,
            name=name,
            arguments=dict(arguments),
            raw_arguments=with_digits(arguments),
        )
    if arguments is None:
        return ToolCall(id=id, name=name, arguments={}, raw_arguments="")
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    parsed, raw, problem = read_arguments(raw)
    return ToolCall(id=id, name=name, arguments=parsed, raw_arguments=raw, problem=problem)


def read_arguments(raw: str) -> tuple[dict[str, Any] | None, str, str | None]:
    """The object that a call's arguments are, their text, and what is wrong with them.

    An object that was encoded twice is unwrapped, which is its one reading. Nothing at all, or
    the word null, is what models write that call a tool without parameters.
    """
    if not raw.strip():
        return {}, "", None
    try:
        # Two unlike values under one key: which one the model meant is not known, so the call is not run.
        parsed = load_json(raw, unique=True)
        if isinstance(parsed, str) and parsed.lstrip().startswith("{"):
            raw, parsed = parsed, load_json(parsed, unique=True)
    except UnreadableJSON as exc:
        return None, raw, f"not JSON: {exc}"
    if parsed is None:
        return {}, raw, None
    if isinstance(parsed, dict):
        return parsed, raw, None
    return None, raw, f"expected a JSON object, got {type(parsed).__name__}"


def arguments_text(call: ToolCall) -> str:
    """The call's arguments as JSON text, as the model wrote them where that is known.

    Arguments that were not JSON are echoed as an empty object: providers refuse anything else.
    """
    # Also where they could not be read: an echo that is no JSON is a 400 at every provider.
    if not call.arguments:
        return "{}"
    return call.raw_arguments or json.dumps(call.arguments, ensure_ascii=False)


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of the request, out of its response headers."""
    for name in _REQUEST_ID_HEADERS:
        if value := headers.get(name):
            # It goes into errors and the ledger, and a server may send anything.
            return value[:ID_CHARS]
    return None


ID_CHARS = 200
"""Characters of an id that are kept."""


_REQUEST_ID_HEADERS = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "mistral-correlation-id",
    "x-generation-id",
    "x-debug-trace-id",
)


# Stop reasons: every provider's names for them, and ours.

_RAW: Mapping[StopReason, str] = {
    "stop": "stop end_turn complete completed eos eos_token endoftext",
    "stop_sequence": "stop_sequence",
    "length": "length max_tokens max_output_tokens max_completion_tokens token_limit",
    # "model_length" is Mistral's, the other Claude's, both with HTTP 200.
    "context_window": "model_context_window_exceeded model_length",
    "tool_calls": "tool_calls tool_use tool_call function_call",
    "content_filter": (
        "content_filter content_filtered guardrail_intervened sensitive safety recitation"
        " blocklist prohibited_content spii image_safety image_prohibited_content"
        " image_recitation model_armor escalation pup_limited_disabled"
    ),
    "refusal": "refusal",
    # "compaction": Claude stopped to sum up (spec, BetaStopReason). "continuation": Gemini's cap for
    # one request. "queued" and "in_progress": a response in the background. In all, more may come.
    "pause": "pause_turn compaction continuation steered queued in_progress",
    "cancelled": "cancelled canceled abort aborted",
    "error": (
        "error timeout failed network_error insufficient_system_resource unexpected_tool_call"
        " too_many_tool_calls missing_thought_signature language other no_image image_other"
    ),
}
_BY_RAW: Mapping[str, StopReason] = {
    word: reason for reason, words in _RAW.items() for word in words.split()
}


def stop_reason(raw: str | None, *, called: bool = False, refused: bool = False) -> StopReason:
    """The canonical reason. ``called``: the answer holds tool calls; ``refused``: it
    holds a refusal: several providers then still report an ordinary stop. An empty or absent
    reason is a stop; an unknown one is ``"unknown"``, never an error.
    """
    # Nearly always the exact name; the slow reading is for the others.
    reason = _BY_RAW.get(raw) if type(raw) is str else None
    reason = reason or _read_stop(raw)
    # OpenAI ends a refusal with "stop": its spec has no word for one. A cut-off one stays cut off.
    if refused and reason in ("stop", "tool_calls"):
        return "refusal"
    # Gemini, Ollama and many copies of OpenAI end with an ordinary stop where a call came (recorded).
    if called and reason == "stop":
        return "tool_calls"
    return reason


_BROKEN_OFF = ("length", "context_window", "content_filter", "error")


def last_stop(known: str | None, raw: str) -> str:
    """What a stream stopped for, of two reasons that it states one after the other: a plain stop
    does not take back that the answer was cut off or filtered."""
    if known and _read_stop(raw) == "stop" and _read_stop(known) in _BROKEN_OFF:
        return known
    return raw


def _read_stop(raw: str | None) -> StopReason:
    word = str(raw or "stop").lower()
    if word in ("null", "none"):  # DashScope's own dialect, as proxies pass it on
        word = "stop"
    # Gemini's compatible endpoint: "content_filter: RECITATION", "function_call_filter: ...".
    kind = word.partition(":")[0]
    is_broken = word.startswith("malformed_") or kind == "function_call_filter"
    return _BY_RAW.get(word) or _BY_RAW.get(kind) or ("error" if is_broken else "unknown")


# Tokens and costs. What is absent or null is not stated; what is stated and cannot be read (negative,
# fractional, a word, past any answer's length) is noted, and makes the price unknown with that as the reason.

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
