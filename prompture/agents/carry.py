"""What both runners of an agent's flow share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prompture.agents.events import AgentEvent, ReasoningDelta, TextDelta
from prompture.agents.steps import AskModel, Recorder
from prompture.codecs.prompted_scan import CallScanner
from prompture.drivers import meter
from prompture.money import Charge
from prompture.types import Completion, Delta


@contextmanager
def watched(budget: meter.Meter | None, charges: list[Charge]) -> Iterator[None]:
    """Let the budget see the calls made inside, where it does not yet, and note their charges."""
    recorder = Recorder(charges)
    if budget is None or budget in meter.active():
        with meter.metering(recorder):
            yield
        return
    with meter.metering(budget), meter.metering(recorder):
        yield


class Teller:
    """Makes events of a stream's deltas; calls that are written as text are left out."""

    def __init__(self, step: AskModel) -> None:
        self._number = step.number
        self._scanner = CallScanner() if step.calls_in_text else None

    def delta(self, delta: Delta) -> Iterator[AgentEvent]:
        if delta.reasoning:
            yield ReasoningDelta(delta.reasoning, self._number)
        if delta.text:
            yield from self._words(delta.text)

    def whole(self, completion: Completion) -> Iterator[AgentEvent]:
        """An answer that came in one piece."""
        yield from self.delta(Delta(text=completion.text, reasoning=completion.reasoning))
        yield from self.end()

    def end(self) -> Iterator[AgentEvent]:
        """What was held back because it might have become a call."""
        if self._scanner is not None:
            for piece in self._scanner.close():
                if isinstance(piece, str):
                    yield TextDelta(piece, self._number)

    def _words(self, text: str) -> Iterator[AgentEvent]:
        if self._scanner is None:
            yield TextDelta(text, self._number)
            return
        for piece in self._scanner.feed(text):
            if isinstance(piece, str):
                yield TextDelta(piece, self._number)


def allowed(timeout: float | None, left: float | None) -> float | None:
    """Seconds that a job may take: its own limit and what is left of the run."""
    if left is None:
        return timeout
    return max(left if timeout is None else min(timeout, left), 0.0)
