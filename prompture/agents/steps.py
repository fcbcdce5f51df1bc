"""What an agent's flow asks of its runner."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from prompture.agents.events import StepFinished
from prompture.agents.jobs import Job
from prompture.agents.trace import ToolUse
from prompture.drivers.meter import Meter
from prompture.money import Charge
from prompture.types import Completion, Request

T = TypeVar("T")


class OutOfTime(Exception):
    """Thrown into the flow where a step took longer than it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskModel:
    """Call the driver; the flow is sent the Completion, or thrown what the call raised.

    The runner notes every charge in ``charges``. ``calls_in_text`` says that the answer's text
    may hold tool calls, which are not to be shown as text. ``seconds`` are left of the run. A ``quiet`` call makes no events.
    """

    driver: Any
    request: Request
    number: int
    charges: list[Charge]
    budget: Meter | None = None
    calls_in_text: bool = False
    seconds: float | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run the jobs side by side, at most ``parallel`` at a time. The flow is sent None.

    ``uses`` gets the jobs' ends and ``charges`` those of the model calls that they make, in the
    place of each: also for jobs that are broken off.
    """

    jobs: tuple[Job, ...]
    number: int
    parallel: int
    budget: Meter | None = None
    seconds: float | None = None
    uses: list[ToolUse | None]
    charges: tuple[list[Charge], ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """An event for who looks on; the flow is sent None."""

    event: StepFinished


AgentFlow: TypeAlias = Generator[AskModel | RunTools | Tell, Completion | None, T]


class Recorder(Meter):
    """A Meter that keeps the charges of the calls it sees."""

    def __init__(self, charges: list[Charge]) -> None:
        self._charges = charges

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        return request, self

    def after(self, token: object, charge: Charge) -> None:
        self._charges.append(charge)

    again = after

    def withdraw(self, token: object) -> None:
        return
