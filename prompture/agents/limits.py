"""The limits of a run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from prompture import given
from prompture.errors import (
    CallLimitExceeded,
    ConfigurationError,
    CostLimitExceeded,
    StepLimitExceeded,
    TimeLimitExceeded,
    TokenLimitExceeded,
)
from prompture.money import Charge, add_usd, format_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may use: calls of the model, of tools, tokens, US dollars, seconds.

    Tokens and dollars are those of all calls, also inside tools. They are looked at before each
    question, so that the last one may pass the limit; a ``Budget`` reserves beforehand.
    """

    steps: int = 25
    tool_calls: int | None = None
    tokens: int | None = None
    usd: Decimal | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if given.count(self.steps, "max_steps") is None:
            raise ConfigurationError("max_steps is None: a run without a limit may never end")
        given.count(self.tool_calls, "max_tool_calls", least=0)
        given.count(self.tokens, "max_total_tokens", least=0)
        given.number(self.usd, "max_usd", least=0, wanted="US dollars, 0 or more")
        given.number(self.seconds, "max_seconds", least=0, wanted="seconds, 0 or more")

    def check_steps(self, taken: int) -> None:
        """Raise where no step is left."""
        if taken >= self.steps:
            raise StepLimitExceeded(
                f"no final answer after {taken} steps; raise max_steps={self.steps}, or see what"
                f" the trace shows",
                limit=self.steps,
            )

    def check_calls(self, made: int, asked: int) -> None:
        """Raise where the calls asked for would pass the limit."""
        if self.tool_calls is not None and made + asked > self.tool_calls:
            raise CallLimitExceeded(
                f"the model asks for {asked} tool calls after {made}, and max_tool_calls is"
                f" {self.tool_calls}",
                limit=self.tool_calls,
            )

    def check_spent(self, charges: list[Charge]) -> None:
        """Raise where tokens or dollars are used up, or a price is unknown."""
        if self.tokens is not None:
            used = sum(c.usage.total_tokens for c in charges)
            if used >= self.tokens:
                raise TokenLimitExceeded(
                    f"{used} tokens are used, and max_total_tokens is {self.tokens}",
                    limit=self.tokens,
                )
        if self.usd is None:
            return
        unknown = next((c.cost.reason for c in charges if c.cost.usd is None), None)
        if unknown is not None:
            raise CostLimitExceeded(
                f"max_usd is set, but the price of a call is unknown ({unknown})", limit=self.usd
            )
        spent = add_usd(c.cost.usd for c in charges if c.cost.usd is not None)
        if spent >= self.usd:
            raise CostLimitExceeded(
                f"${format_usd(spent)} is spent, and max_usd is {format_usd(self.usd)}",
                limit=self.usd,
            )

    def out_of_time(self) -> TimeLimitExceeded:
        """The error of a run whose time is up."""
        return TimeLimitExceeded(
            f"no final answer within max_seconds={self.seconds:g}", limit=self.seconds
        )
