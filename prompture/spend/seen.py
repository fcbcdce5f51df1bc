"""What calls have shown of a model, for the reservations of the next ones."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from prompture.money import EXACT
from prompture.spend.worst import Worst
from prompture.types import Usage


@dataclass(slots=True)
class Seen:
    """What a model's calls have shown: how far its input passed the ceiling at most (1: never),
    and its shortest answer; to lower max_tokens below that would be paying for nothing."""

    excess: Decimal = Decimal(1)
    shortest: int | None = None

    def corrected(self, worst: Worst, *, alone: bool) -> Worst:
        """The worst case by what is known. Of several first calls at once, all but one count
        each byte as a token, as an error of the ceiling would add up."""
        if self.shortest is None and not alone and worst.input_tokens:
            dense = EXACT.divide(Decimal(worst.bound), Decimal(worst.input_tokens))
            return worst.with_input(max(self.excess, dense))
        return worst if self.excess == 1 else worst.with_input(self.excess)

    def learn(self, usage: Usage, ceiling: int) -> None:
        if ceiling and usage.input_tokens > EXACT.multiply(Decimal(ceiling), self.excess):
            self.excess = EXACT.divide(Decimal(usage.input_tokens), Decimal(ceiling))
        if self.shortest is None or usage.output_tokens < self.shortest:
            self.shortest = usage.output_tokens
