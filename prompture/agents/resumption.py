"""Runs that wait for approval: the error that they end with, how they are saved, and taking one up.

Taking up asks: is it this agent's, what was decided on its calls, and was it taken up before?
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from prompture.agents import storage
from prompture.agents.run_file import (
    RunIdentity,
    SavedRun,
    SavedStep,
    dump_run,
    read_run,
    signed,
)
from prompture.agents.run_record import Batch, OpenStep
from prompture.agents.run_state import RunState
from prompture.agents.setup import Output
from prompture.agents.tool_call import ToolSelection
from prompture.agents.tools import LATER, Approval, FunctionTool, Later
from prompture.codecs.histories import portable
from prompture.drivers.registry import default_model
from prompture.errors import AgentError, ConfigurationError, ToolFailed
from prompture.extraction.model_drivers import listed
from prompture.forks import fork_lock
from prompture.schema.problems import InvalidValue
from prompture.types import JSON, ToolCall

Saved: TypeAlias = "WaitingForApproval | str | bytes | os.PathLike[str]"
"""A run that waits: the error it ended with, its JSON text, or the path of its file."""
Approvals: TypeAlias = Mapping[str, "bool | str | Later | JSON"]
"""By the id of a call: True, False, the reason against it, other arguments to run it with, LATER."""
MAX_TAKEN = 10_000
"""Runs that this process remembers to have taken up."""
_TAKEN = ".resumed"
"""What is added to the name of a file whose run was taken up."""

_taken: OrderedDict[tuple[str, int], None] = OrderedDict()
_lock = fork_lock()


class WaitingForApproval(AgentError):
    """An agent's run ended because tool calls wait for approval; ``Agent.resume`` goes on.

    Attributes:
        run_id: of the run, the same each time it waits.
        pending: the calls with their arguments, by the ids that ``approvals=`` takes.
        saved: the run as JSON text.
    """

    is_pause = True
    """For traces: that a run waits is no failure of it."""

    def __init__(
        self,
        message: str,
        *,
        run_id: str = "",
        pending: Mapping[str, ToolCall] | None = None,
        saved: str = "",
    ) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.pending = dict(pending or {})
        self.saved = saved

    def to_json(self, *, key: bytes | None = None) -> str:
        """The run as JSON text; with a ``key`` it is signed, so that nobody without the key can
        change it."""
        return self.saved if key is None else signed(self.saved, key)

    def save(self, path: str | os.PathLike[str], *, key: bytes | None = None) -> None:
        """Write ``to_json`` to a file that its owner alone may read."""
        storage.write_whole(path, self.to_json(key=key))


def in_tool(name: str) -> ToolFailed:
    """The error of a run in whose tool another one waits."""
    return ToolFailed(
        f"tool {name!r} waits for approval, and is not resumed with this run: resume it by itself (the"
        " cause of this error), then go on here with run(messages=error.trace.messages), its output"
        " in the place of the call's result",
        tool=name,
    )


# A run as it is saved, and how a new run goes on from there.


def waiting(
    state: RunState[Any],
    selection: ToolSelection,
    step: OpenStep,
    positions: Sequence[int],
    identity: RunIdentity,
    *,
    now: float,
    began: float,
) -> WaitingForApproval:
    """The error of a run whose calls at these positions of the answer wait."""
    ids = step.approval_ids()
    saved = _saved(
        state,
        selection,
        step,
        identity=identity,
        pending={ids[position]: position for position in positions},
        now=now,
        began=began,
    )
    pending = {ids[position]: selection.pending[position] for position in positions}
    many, names = len(pending) > 1, ", ".join(call.name for call in pending.values())
    return WaitingForApproval(
        f"{len(pending)} tool call{'s wait' if many else ' waits'} for approval: {names};"
        f" go on with agent.resume(saved, approvals={{...}})",
        run_id=identity.run_id,
        pending=pending,
        saved=dump_run(saved),
    )


def _saved(
    state: RunState[Any],
    selection: ToolSelection,
    step: OpenStep,
    *,
    identity: RunIdentity,
    pending: dict[str, int],
    now: float,
    began: float,
) -> SavedRun:
    """The run as it stands now."""
    record, output = state.record, state.setup.output
    assert step.completion is not None
    return SavedRun(
        identity=identity,
        model=state.setup.name,
        model_at=state.models.at,
        strategy=output.plan.strategy if output else "",
        messages=tuple(record.messages),
        new_from=record.new_from,
        others_from=record.others_from,
        foreign=state.foreign,
        drops_files=state.drops_files,
        steps=tuple(record.done),
        step=SavedStep(
            number=step.number,
            seconds=now - step.started,
            charges=tuple(step.charges),
            completion=step.completion,
            uses=step.uses(),
            results=dict(step.results),
            attempts=tuple(step.attempts),
        ),
        pending=pending,
        calls_made=selection.calls_made,
        failures=dict(selection.failures),
        retries_left=state.retries_left,
        text_so_far=state.text_so_far,
        forced_tool=state.forced_tool,
        seconds=now - began,
    )


def restore(run: SavedRun, state: RunState[Any], selection: ToolSelection, now: float) -> OpenStep:
    """Bring a new run to where this one stood; return the step whose calls waited."""
    saved, record = run.step, state.record
    step = OpenStep(
        number=saved.number,
        started=now - saved.seconds,
        charges=list(saved.charges),
        completion=saved.completion,
        is_in_history=True,
        results=dict(saved.results),
        attempts=list(saved.attempts),
        is_restored=True,
    )
    if saved.uses:
        uses = list(saved.uses.values())
        # What these cost is on the results' own bills.
        step.tools = list(saved.uses)
        step.batches = [Batch(list(saved.uses), [*uses], tuple([] for _ in uses))]
    record.restore(run.steps, step)
    record.others_from = run.others_from
    state.retries_left, state.forced_tool = run.retries_left, run.forced_tool
    state.text_so_far = run.text_so_far
    state.foreign, state.drops_files = run.foreign, run.drops_files
    if state.setup.name != run.model:  # another agent goes on, as the caller allowed
        state.foreign, state.drops_files = len(run.messages), True
    state.plain = portable(run.messages[: state.foreign], files=state.drops_files).messages
    selection.calls_made, selection.failures = run.calls_made, dict(run.failures)
    return step


@dataclass(frozen=True, slots=True)
class ReadRun:
    """A saved run. ``take`` takes it up: it is called with whether it may be one that was taken up
    before, and raises ConfigurationError."""

    run: SavedRun
    take: Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """A saved run with what was decided on its calls, by position. ``take`` takes it up."""

    run: SavedRun
    approvals: Mapping[int, Approval]
    take: Callable[[], None]


# Is it this agent's?


def identity_of(
    model: Any, instructions: str, tools: Mapping[str, FunctionTool], output: Output[Any]
) -> JSON:
    """What an agent is recognised by. Names and digests only."""
    models = [default_model()] if model is None else listed(model)
    return {
        "models": [each if isinstance(each, str) else str(each.name) for each in models],
        "instructions": _digest(instructions),
        "tools": {name: _digest(tool.parameters) for name, tool in tools.items()},
        "output": _digest(output.source.json_schema) if output.source else "text",
        "output functions": {name: _digest(f.parameters) for name, f in output.functions.items()},
    }


def _digest(value: object) -> str:
    data = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(data.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check_identity(saved: JSON, mine: JSON) -> None:
    """Raise ConfigurationError, which says what differs, where the run is of another agent."""
    found: list[str] = []
    for part, now in mine.items():
        before = saved.get(part)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            found += [f"{part}: {name!r} is missing" for name in sorted(before.keys() - now.keys())]
            found += [f"{part}: {name!r} is new" for name in sorted(now.keys() - before.keys())]
            both = sorted(before.keys() & now.keys())
            found += [
                f"{part}: {name!r} has other arguments"
                for name in both
                if before[name] != now[name]
            ]
        elif part == "models":
            found.append(f"models: {_names(before)} before, {_names(now)} now")
        else:
            found.append(f"{part}: not the same as before")
    if found:
        raise ConfigurationError(
            f"the saved run is of another agent ({'; '.join(found)}); allow_changes=True goes on"
            f" all the same"
        )


def _names(models: object) -> str:
    return ", ".join(map(str, models)) if isinstance(models, list) else "none"


# Taking it up, once.


def read_saved(saved: Saved, key: bytes | None) -> ReadRun:
    """What was saved. Raises ConfigurationError."""
    if isinstance(saved, WaitingForApproval):
        saved = saved.to_json(key=key)
    is_text = isinstance(saved, bytes) or (isinstance(saved, str) and saved.lstrip()[:1] == "{")
    if is_text:
        assert isinstance(saved, (str, bytes))
        run = read_run(saved, key)
        return ReadRun(run, lambda again: _take(run, again))
    if not isinstance(saved, (str, os.PathLike)):
        kind = type(saved).__name__
        raise ConfigurationError(f"a saved run is JSON text, a path or the error, not a {kind}")
    path = Path(saved)
    if path.is_symlink():
        # The link would be renamed, and the file under its own name be taken up once more.
        path = path.resolve()
    try:
        data = storage.read_whole(path)
    except ConfigurationError:
        if not _taken_name(path).exists():
            raise
        raise _twice(f"its file is now {str(_taken_name(path))!r}", "for that file, ") from None
    run = read_run(data, key)
    return ReadRun(run, lambda again: _take_file(path, data, run, again))


def _take(run: SavedRun, again: bool) -> None:
    identity = (run.identity.run_id, run.identity.part)
    with _lock:
        if identity in _taken and not again:
            raise _twice("by this process")
        _taken[identity] = None
        while len(_taken) > MAX_TAKEN:
            _taken.popitem(last=False)


def _take_file(path: Path, data: bytes, run: SavedRun, again: bool) -> None:
    """Rename the file: of several processes only one can, and after a crash the run is not lost."""
    if path.name.endswith(_TAKEN) and not again:
        raise _twice(f"as the name of its file says: {str(path)!r}")
    name = _taken_name(path)
    try:
        os.replace(path, name)
    except FileNotFoundError:
        raise _twice(f"its file is now {str(name)!r}", "for that file, ") from None
    # Between reading and renaming, another process may have taken it up and saved its next part
    # under the same name.
    if storage.read_whole(name) != data:
        os.replace(name, path)
        raise _twice("and waits again, in the same file")
    try:
        _take(run, again)
    except ConfigurationError:
        os.replace(name, path)
        raise


def _taken_name(path: Path) -> Path:
    return path.with_name(f"{path.name}{_TAKEN}")


def _twice(how: str, which: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"the saved run was resumed already ({how}), and its tools may have run; {which}again=True"
        f" resumes it once more"
    )


def decided(
    found: ReadRun, approvals: Approvals, tools: Mapping[str, FunctionTool], *, again: bool
) -> ResumedRun:
    """What was decided on the calls that wait. Those without a verdict go on waiting.

    Raises ConfigurationError for ids of no call, and for arguments that the tool does not take.
    """
    given_as: object = approvals
    if not isinstance(given_as, Mapping):
        kind = type(approvals).__name__
        raise ConfigurationError(f"approvals must be a dict by the ids of the calls, not a {kind}")
    run = found.run
    waiting = ", ".join(map(repr, run.pending))
    if unknown := [each for each in approvals if each not in run.pending]:
        raise ConfigurationError(
            f"no call {unknown[0]!r} waits for approval; there wait: {waiting}"
        )
    verdicts: dict[int, Approval] = {}
    for id, position in run.pending.items():
        name = run.step.completion.tool_calls[position].name
        verdicts[position] = _approval(id, approvals.get(id, LATER), tools.get(name))
    if all(each.verdict is LATER for each in verdicts.values()):
        raise ConfigurationError(f"approvals decide on no call; there wait: {waiting}")
    return ResumedRun(run, verdicts, lambda: found.take(again))


def _approval(id: str, verdict: object, tool: FunctionTool | None) -> Approval:
    if isinstance(verdict, (bool, str, Later)):
        return Approval(verdict)
    if not isinstance(verdict, Mapping):
        raise ConfigurationError(
            f"approvals[{id!r}] must be True, False, a reason, arguments or LATER,"
            f" not a {type(verdict).__name__}"
        )
    if tool is None:
        raise ConfigurationError(f"approvals[{id!r}]: this agent has no such tool")
    try:
        tool.validate(verdict)
    except InvalidValue as exc:
        problems = "; ".join(map(str, exc.problems[:5]))
        raise ConfigurationError(
            f"approvals[{id!r}]: arguments that are not valid: {problems}"
        ) from exc
    return Approval(True, verdict)
