"""Taking up a saved run: is it this agent's, what was decided on its calls, and that only once."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from prompture.agents import storage
from prompture.agents.events import AgentFlow
from prompture.agents.loop import agent_flow
from prompture.agents.run_file import WaitingForApproval, read_run
from prompture.agents.run_record import RunSettings
from prompture.agents.run_state import Models
from prompture.agents.saved_run import ResumedRun, SavedRun
from prompture.agents.setup import Output
from prompture.agents.tools import LATER, Approval, FunctionTool, Later
from prompture.errors import ConfigurationError
from prompture.forks import fork_lock
from prompture.schema.problems import InvalidValue
from prompture.traces import AgentResult
from prompture.types import JSON

Saved: TypeAlias = "WaitingForApproval | str | bytes | os.PathLike[str]"
"""A run that waits: the error it ended with, its JSON text, or the path of its file."""
Approvals: TypeAlias = Mapping[str, "bool | str | Later | JSON"]
"""By the id of a call: True, False, the reason against it, other arguments to run it with, LATER."""
ReadRun: TypeAlias = tuple[SavedRun, Callable[[bool], None]]
"""A run, and what takes it up: called with whether it may be one that was taken up before."""
MAX_TAKEN = 10_000
"""Runs that this process remembers to have taken up."""
_TAKEN = ".resumed"
"""What is added to the name of a file whose run was taken up."""

_taken: OrderedDict[tuple[str, int], None] = OrderedDict()
_lock = fork_lock()


def identity_of(
    models: list[str], instructions: str, tools: Mapping[str, FunctionTool], output: Output[Any]
) -> JSON:
    """What an agent is recognised by. Names and digests only."""
    return {
        "models": models,
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
            if before.keys() == now.keys() and not found:
                continue
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


def read_saved(saved: Saved, key: bytes | None) -> ReadRun:
    """The run, and what takes it up. Raises ConfigurationError, and so does the latter."""
    if isinstance(saved, WaitingForApproval):
        saved = saved.to_json(key=key)
    is_text = isinstance(saved, bytes) or (isinstance(saved, str) and saved.lstrip()[:1] == "{")
    if is_text:
        assert isinstance(saved, (str, bytes))
        run = read_run(saved, key)
        return run, lambda again: _take(run, again)
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
        raise _twice(f"its file is now {str(_taken_name(path))!r}") from None
    run = read_run(data, key)
    return run, lambda again: _take_file(path, data, run, again)


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
        raise _twice(f"its file is now {str(name)!r}") from None
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


def _twice(how: str) -> ConfigurationError:
    return ConfigurationError(
        f"the saved run was resumed already ({how}), and its tools may have run; again=True resumes"
        f" it once more"
    )


def decided(run: SavedRun, approvals: Approvals, tools: Mapping[str, FunctionTool]) -> ResumedRun:
    """What was decided on the calls that wait. Those without a verdict go on waiting.

    Raises ConfigurationError for ids of no call, and for arguments that the tool does not take.
    """
    given_as: object = approvals
    if not isinstance(given_as, Mapping):
        kind = type(approvals).__name__
        raise ConfigurationError(f"approvals must be a dict by the ids of the calls, not a {kind}")
    waiting = ", ".join(map(repr, run.pending))
    if unknown := [each for each in approvals if each not in run.pending]:
        raise ConfigurationError(
            f"no call {unknown[0]!r} waits for approval; there wait: {waiting}"
        )
    found: dict[int, Approval] = {}
    for id, position in run.pending.items():
        name = run.step.completion.tool_calls[position].name
        found[position] = _approval(id, approvals.get(id, LATER), tools.get(name))
    if all(each.verdict is LATER for each in found.values()):
        raise ConfigurationError(f"approvals decide on no call; there wait: {waiting}")
    return ResumedRun(run, found)


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


def taken_up(
    models: Models[Any], settings: RunSettings, resumed: ResumedRun, take: Callable[[], None]
) -> AgentFlow[Any, AgentResult[Any]]:
    """The rest of a saved run, which its first step takes up."""
    take()  # here: a stream that nobody reads has not taken the run up
    return (yield from agent_flow(models, settings, resumed=resumed))
