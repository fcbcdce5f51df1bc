"""A flow: work that takes model calls, as a generator that asks for them.

It is written once and knows neither colour nor I/O: it yields an ``Ask``, is sent the
Completion, and returns its result. An error of the call is thrown in, where the flow may
catch it and go on with another call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from prompture.types import Completion, Delta, Request

if TYPE_CHECKING:
    from prompture.drivers.provider import Features, Provider

T = TypeVar("T")


class HasModel(Protocol):
    """What a flow knows of a driver, whatever its colour."""

    @property
    def name(self) -> str:
        """``"provider/model"``."""
        ...

    @property
    def model(self) -> str: ...

    @property
    def provider(self) -> Provider: ...

    @property
    def features(self) -> Features: ...


class Generates(HasModel, Protocol):
    """What a flow asks of a sync driver."""

    def complete(self, request: Request) -> Completion: ...

    def stream(self, request: Request) -> Generator[Delta | Completion, None, None]: ...


class GeneratesAsync(HasModel, Protocol):
    """What a flow asks of an async driver."""

    def complete(self, request: Request) -> Awaitable[Completion]: ...

    def stream(self, request: Request) -> AsyncGenerator[Delta | Completion, None]: ...


D = TypeVar("D", bound=HasModel)
D_co = TypeVar("D_co", bound=HasModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Ask(Generic[D_co]):
    """Call this driver with this request. The driver is of the runner's colour.

    ``part`` says that only parts of an earlier answer are asked for again. ``plan`` is how the
    answer is to be read, for those who read it while it comes.
    """

    driver: D_co
    request: Request
    part: bool = False
    plan: Any = None


Flow: TypeAlias = Generator[Ask[D], Completion, T]
"""``Flow[Generates, T]`` for sync drivers, ``Flow[GeneratesAsync, T]`` for async ones."""
