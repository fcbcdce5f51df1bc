"""Runs that wait for approval, as values and as versioned JSON.

Version 1::

    {"format": "prompture.run", "version": 1, "signed": false, "digest": "9f...", "run_id": "c0...",
     "part": 0, "agent": {...}, "messages": [...], "steps": [...], "step": {...}, "pending": {...}}

``step`` is the one whose calls wait. Rows of turns and charges are those of saved conversations.
Of a tool's result what the model was sent is kept, not the Python value. No key is in the file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any, Required, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from prompture.agents import storage
from prompture.agents.storage import ChargeRow, ContentRow, Count, MessageRow, UsageRow, into
from prompture.errors import ConfigurationError
from prompture.money import Bill, Charge, Usage
from prompture.traces import Attempt, Problem, Status, Step, ToolUse
from prompture.types import JSON, Completion, Message, StopReason, ToolCall
from prompture.wire.loading import UnreadableJSON, load_json

FORMAT = "prompture.run"
VERSION = 1
_KIND = "run"
Seconds: TypeAlias = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """``agent`` is what the agent is recognised by, ``part`` counts how often the run was resumed."""

    run_id: str
    agent: JSON
    part: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedStep:
    """The step whose calls wait. ``uses`` are the results of its tools, ``results`` those of calls
    that no tool runs, both by position."""

    number: int
    seconds: float
    charges: tuple[Charge, ...]
    completion: Completion
    uses: dict[int, ToolUse]
    results: dict[int, ToolUse]
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A run as far as it came. ``model_at`` is the index of the model that answers, and
    ``strategy`` how it is asked for the output; ``pending`` are positions of calls by their ids."""

    identity: RunIdentity
    model: str
    model_at: int
    strategy: str
    messages: tuple[Message, ...]
    new_from: int
    others_from: int | None
    foreign: int
    drops_files: bool
    steps: tuple[Step, ...]
    step: SavedStep
    pending: dict[str, int]
    calls_made: int
    failures: dict[str, int]
    retries_left: int
    text_so_far: str
    forced_tool: str
    seconds: float

    def charges(self) -> list[Charge]:
        """What the run has cost so far."""
        made = [charge for step in self.steps for charge in step.bill.charges]
        uses = (*self.step.uses.values(), *self.step.results.values())
        return [*made, *self.step.charges, *(c for use in uses for c in use.bill.charges)]


# Writing


_PLAIN = [
    "model",
    "model_at",
    "strategy",
    "new_from",
    "others_from",
    "foreign",
    "drops_files",
    "pending",
    "calls_made",
    "failures",
    "retries_left",
    "text_so_far",
    "forced_tool",
    "seconds",
]


def dump_run(saved: SavedRun) -> str:
    """The run as JSON text. Raises ConfigurationError for what JSON cannot hold."""
    body = {
        **{name: getattr(saved, name) for name in _PLAIN},
        "run_id": saved.identity.run_id,
        "part": saved.identity.part,
        "agent": saved.identity.agent,
        "messages": [storage.message_row(m) for m in saved.messages],
        "steps": [_step_row(step) for step in saved.steps],
        "step": {
            "number": saved.step.number,
            "seconds": saved.step.seconds,
            "charges": [c.as_dict() for c in saved.step.charges],
            "completion": _completion_row(saved.step.completion),
            "uses": {at: _use_row(use) for at, use in saved.step.uses.items()},
            "results": {at: _use_row(use) for at, use in saved.step.results.items()},
            "attempts": [_attempt_row(a) for a in saved.step.attempts],
        },
    }
    return _sealed(body, None)


def signed(text: str, key: bytes) -> str:
    """The text of a run that is not signed, signed."""
    return _sealed(_read_body(text, None), _checked(key))


def _sealed(body: JSON, key: bytes | None) -> str:
    plain = {k: v for k, v in body.items() if k not in _SEAL}
    seal = {"format": FORMAT, "version": VERSION, "signed": key is not None}
    try:
        # Read back first, as the file will be: a tuple, a key that is a number and half a surrogate
        # pair are other values then, and the digest is over those.
        plain = load_json(storage.json_text({**plain, **seal}))
    except UnreadableJSON as exc:
        raise ConfigurationError(f"the run cannot be saved: {exc}") from None
    digest = _digest(plain, key)
    return storage.json_text({**seal, "digest": digest, **plain})


_SEAL = ("format", "version", "signed", "digest")


def _checked(key: bytes) -> bytes:
    """A key that signs. Raises ConfigurationError; an empty one (of a variable that is not set)
    would be everybody's."""
    if not isinstance(key, (bytes, bytearray)) or not key:
        kind = "empty" if isinstance(key, (bytes, bytearray)) else f"a {type(key).__name__}"
        raise ConfigurationError(f"key must be bytes, one at least; it is {kind}")
    return key


def _digest(body: JSON, key: bytes | None) -> str:
    """Over all but the digest itself, in an order that does not depend on the file's."""
    row = {k: v for k, v in body.items() if k != "digest"}
    data = json.dumps(row, sort_keys=True, separators=(",", ":")).encode()
    if key is None:
        return hashlib.sha256(data).hexdigest()
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def _step_row(step: Step) -> JSON:
    return {
        "number": step.number,
        "completion": None if step.completion is None else _completion_row(step.completion),
        "tools": [_use_row(use) for use in step.tools],
        "charges": [c.as_dict() for c in step.bill.charges],
        "seconds": step.seconds,
        "error": step.error,
        "model": step.model,
        "attempts": [_attempt_row(a) for a in step.attempts],
    }


def _completion_row(completion: Completion) -> JSON:
    row = {name: getattr(completion, name) for name in _COMPLETION}
    row["usage"] = {name: getattr(completion.usage, name) for name in _USAGE}
    row["tool_calls"] = [asdict(call) for call in completion.tool_calls]
    return row


_COMPLETION = [
    "text",
    "reasoning",
    "refusal",
    "stop_reason",
    "raw_stop",
    "model",
    "request_id",
    "seconds",
]
_USAGE = tuple(name for name in UsageRow.__annotations__)


def _use_row(use: ToolUse) -> JSON:
    turn = storage.message_row(Message(role="tool", content=use.content))
    return {
        "call": asdict(use.call),
        "status": use.status,
        "content": turn["content"],
        "cut": use.cut,
        "seconds": use.seconds,
        "charges": [c.as_dict() for c in use.bill.charges],
    }


def _attempt_row(attempt: Attempt) -> JSON:
    return {
        "model": attempt.model,
        "strategy": attempt.strategy,
        "request_id": attempt.request_id,
        "seconds": attempt.seconds,
        "error": attempt.error,
        "raw": attempt.raw,
        "problems": [
            {"pointer": p.pointer, "message": p.message, "kind": p.kind} for p in attempt.problems
        ],
        "charge": attempt.charge and attempt.charge.as_dict(),
    }


# Reading


def read_run(text: str | bytes, key: bytes | None) -> SavedRun:
    """What ``to_json`` wrote. Raises ConfigurationError for text that was changed, too."""
    key = key if key is None else _checked(key)
    body = {k: v for k, v in _read_body(text, key).items() if k not in _SEAL}
    run = storage.validated(_adapter(), body, _KIND)
    known = range(len(run.step.completion.tool_calls))
    places = [*run.pending.values(), *run.step.uses, *run.step.results]
    if not run.pending or any(at not in known for at in places):
        raise ConfigurationError("the saved run is damaged: its calls do not match its answer")
    return run


def _read_body(text: str | bytes, key: bytes | None) -> dict[str, Any]:
    body = storage.body_of(text, FORMAT, VERSION, _KIND)
    signed = body.get("signed")
    if key is None and signed:
        raise ConfigurationError("the saved run is signed: give the key= it was saved with")
    if key is not None and signed is not True:
        raise ConfigurationError("the saved run is not signed, and a key= was given")
    digest = body.get("digest")
    # In constant time: how long a comparison takes shows how much of a digest is right.
    if not isinstance(digest, str) or not hmac.compare_digest(
        digest.encode("utf-8", "replace"), _digest(body, key).encode()
    ):
        why = "it was changed or cut" if key is None else "it was changed, or the key is another"
        raise ConfigurationError(f"the saved run does not match its digest: {why}")
    return body


@cache
def _adapter() -> TypeAdapter[SavedRun]:
    # The type checker sees the row, not what its validator makes of it.
    of: Any = Annotated[_RunRow, into(_run)]
    return TypeAdapter(of)


class _CompletionRow(TypedDict, total=False):
    text: str
    reasoning: str
    refusal: str | None
    tool_calls: tuple[ToolCall, ...]
    stop_reason: StopReason
    raw_stop: str | None
    model: str
    request_id: str | None
    seconds: Seconds
    usage: Annotated[UsageRow, into(Usage)]


_Charges: TypeAlias = tuple[Annotated[ChargeRow, into(Charge)], ...]
_Completion: TypeAlias = Annotated[_CompletionRow, into(Completion)]


class _UseRow(TypedDict, total=False):
    call: Required[ToolCall]
    status: Required[Status]
    content: ContentRow
    cut: Count
    seconds: Seconds
    charges: _Charges


def _use(*, charges: tuple[Charge, ...] = (), **named: Any) -> ToolUse:
    return ToolUse(bill=Bill(charges), **named)


_Use: TypeAlias = Annotated[_UseRow, into(_use)]


class _ProblemRow(TypedDict):
    pointer: str
    message: str
    kind: str


class _AttemptRow(TypedDict, total=False):
    model: Required[str]
    strategy: Required[str]
    request_id: str | None
    seconds: Seconds
    error: str
    raw: str
    problems: tuple[Annotated[_ProblemRow, into(Problem)], ...]
    charge: Annotated[ChargeRow, into(Charge)] | None


_Attempts: TypeAlias = tuple[Annotated[_AttemptRow, into(Attempt)], ...]


class _StepRow(TypedDict, total=False):
    number: Required[Count]
    completion: _Completion | None
    tools: tuple[_Use, ...]
    charges: _Charges
    seconds: Seconds
    error: str
    model: str
    attempts: _Attempts


def _step(*, charges: tuple[Charge, ...] = (), **named: Any) -> Step:
    return Step(bill=Bill(charges), **named)


class _OpenRow(TypedDict):
    number: Count
    seconds: Seconds
    charges: _Charges
    completion: _Completion
    uses: dict[int, _Use]
    results: dict[int, _Use]
    attempts: _Attempts


@with_config(ConfigDict(val_json_bytes="base64"))
class _RunRow(TypedDict):
    run_id: str
    part: Count
    agent: dict[str, Any]
    model: str
    model_at: Count
    strategy: str
    messages: tuple[Annotated[MessageRow, into(Message)], ...]
    new_from: Count
    others_from: Count | None
    foreign: Count
    drops_files: bool
    steps: tuple[Annotated[_StepRow, into(_step)], ...]
    step: Annotated[_OpenRow, into(SavedStep)]
    pending: dict[str, Count]
    calls_made: Count
    failures: dict[str, Count]
    retries_left: Count
    text_so_far: str
    forced_tool: str
    seconds: Seconds


def _run(*, run_id: str, part: int, agent: JSON, **named: Any) -> SavedRun:
    return SavedRun(identity=RunIdentity(run_id=run_id, part=part, agent=agent), **named)
