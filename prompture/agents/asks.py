"""What the loop of an agent asks of its runner, and what a run is given."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from prompture.agents.events import ModelFallback, StepFinished
from prompture.agents.run_record import OpenStep, RunLimits, ToolUse, Trace
from prompture.agents.tool_call import PendingToolCall
from prompture.agents.tools import Approve
from prompture.drivers.meter import Meter
from prompture.flows.run import D, D_co
from prompture.money import Charge
from prompture.observe import WorkSpan
from prompture.types import JSON, Completion, Request

T = TypeVar("T")


class OutOfTime(Exception):
    """Thrown into the flow where a step took longer than the run had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel(Generic[D_co]):
    """Call the driver, which is of the runner's kind (sync or async). The flow is sent the Completion, or thrown what the call raised.

    The runner appends every charge to ``charges``. ``budget`` watches the call. ``calls_in_text``:
    the answer's text may hold tool calls, which are not shown as text. ``seconds`` are left of the
    run. A ``quiet`` call makes no events. The runner notes on ``step`` when it has
    shown some of the answer. ``has_next`` says that another model is asked where this one is down.
    """

    driver: D_co
    request: Request
    number: int
    charges: list[Charge]
    budget: Meter | None = None
    calls_in_text: bool = False
    seconds: float | None = None
    quiet: bool = False
    scope: WorkSpan | None = None
    step: OpenStep | None = None
    has_next: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run the calls side by side, at most ``parallel`` at a time. The flow is sent None.

    The runner puts the results into ``uses``, and the charges of the model calls that the tools
    make into ``charges``: both in the order of ``calls``, and also for calls that are broken off.
    Calls that must wait for approval are not run: it puts their indices into ``deferred``.
    """

    calls: tuple[PendingToolCall, ...]
    number: int
    parallel: int
    budget: Meter | None = None
    seconds: float | None = None
    uses: list[ToolUse | None]
    charges: tuple[list[Charge], ...]
    deferred: list[int] = field(default_factory=list)
    scope: WorkSpan | None = None


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Yield an event to the caller. The flow is sent None."""

    event: StepFinished | ModelFallback


AgentFlow: TypeAlias = Generator[CallModel[D] | RunTools | EmitEvent, Completion | None, T]
"""``AgentFlow[Generates, T]`` for sync drivers, ``AgentFlow[GeneratesAsync, T]`` for async ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run is given besides the driver and the messages.

    ``now`` is the clock, in seconds. ``tool_timeout`` is seconds for one call of a tool.
    ``spent`` are those of the run's seconds that are used up
    before it begins. ``on_close`` is given the trace of a run that the caller leaves. ``scope`` is the run's span.
    ``identity`` gives what a saved run is recognised by.
    """

    limits: RunLimits
    now: Callable[[], float]
    context: object = None
    budget: Meter | None = None
    approve: Approve | None = None
    tool_timeout: float | None = None
    spent: float = 0.0
    parallel: int = 8
    max_retries: int = 2
    on_close: Callable[[Trace], None] | None = None
    scope: WorkSpan | None = None
    identity: Callable[[], JSON] = dict
