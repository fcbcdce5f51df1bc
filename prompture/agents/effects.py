"""What an agent's flow asks of its runner (``sync_runner`` or ``async_runner``)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from prompture.agents.events import StepFinished
from prompture.agents.run_record import ToolUse
from prompture.agents.tool_call import PendingToolCall
from prompture.drivers.meter import Meter
from prompture.flows.run import D, D_co
from prompture.money import Charge
from prompture.types import Completion, Request

T = TypeVar("T")


class OutOfTime(Exception):
    """Thrown into the flow where a step took longer than the run had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel(Generic[D_co]):
    """Call the driver, which is of the runner's kind (sync or async). The flow is sent the Completion, or thrown what the call raised.

    The runner appends every charge to ``charges``. ``budget`` watches the call. ``calls_in_text``:
    the answer's text may hold tool calls, which are not shown as text. ``seconds`` are left of the
    run. A ``quiet`` call makes no events.
    """

    driver: D_co
    request: Request
    number: int
    charges: list[Charge]
    budget: Meter | None = None
    calls_in_text: bool = False
    seconds: float | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run the calls side by side, at most ``parallel`` at a time. The flow is sent None.

    The runner puts the results into ``uses``, and the charges of the model calls that the tools
    make into ``charges``: both in the order of ``calls``, and also for calls that are broken off.
    """

    calls: tuple[PendingToolCall, ...]
    number: int
    parallel: int
    budget: Meter | None = None
    seconds: float | None = None
    uses: list[ToolUse | None]
    charges: tuple[list[Charge], ...]


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Yield an event to the caller. The flow is sent None."""

    event: StepFinished


AgentFlow: TypeAlias = Generator[CallModel[D] | RunTools | EmitEvent, Completion | None, T]
"""``AgentFlow[Generates, T]`` for sync drivers, ``AgentFlow[GeneratesAsync, T]`` for async ones."""
