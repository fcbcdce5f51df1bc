"""A flow: work that takes model calls, as a generator that asks for them.

It is written once and knows neither colour nor I/O: it yields an ``Ask``, is sent the
Completion, and returns its result. An error of the call is thrown in, where the flow may
catch it and go on with another call.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from prompture.types import Completion, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Call this driver with this request. The driver is of the runner's colour.

    ``part`` says that only parts of an earlier answer are asked for again. ``plan`` is how the
    answer is to be read, for those who read it while it comes.
    """

    driver: Any
    request: Request
    part: bool = False
    plan: Any = None


Flow: TypeAlias = Generator[Ask, Completion, T]
