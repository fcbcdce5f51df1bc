"""What a tool may know of the run that called it; the model never sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from prompture.money import Bill
from prompture.types import Message, ToolCall

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Generic[C]):
    """Given to a tool's parameter that is annotated ``Context`` or ``Context[YourType]``.

    ``value`` is the ``context=`` of the agent or of the run. ``messages`` are the turns up to and
    with the one that holds ``call``, ``bill`` what the run has cost by then.
    """

    value: C
    call: ToolCall
    step: int = 0
    messages: tuple[Message, ...] = field(default=(), repr=False)
    bill: Bill = field(default=Bill(), repr=False)
