"""Budgets that hold: reserve the worst case before a call is sent, settle when it is over."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import uuid4

from prompture.drivers.meter import Busy, Meter
from prompture.errors import BudgetExceeded, ConfigurationError
from prompture.given import count, half_made
from prompture.money import EXACT, ZERO, Charge
from prompture.spend.account import (
    Account,
    AccountStore,
    Amount,
    Hold,
    InDatabase,
    InMemory,
    dollars_of,
    process_key,
    refusal,
)
from prompture.spend.database import database, place_of
from prompture.spend.reservation import (
    UNLIMITED,
    ObservedOutput,
    WorstCase,
    unpriced,
    worst_case_of,
)
from prompture.spend.scope import ScopedMeter
from prompture.wire.steps import who

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.types import Request

OnUnknown = Literal["refuse", "allow"]
SMALLEST_ANSWER = 16
"""Output tokens below which asking is of no use; some providers take no lower limit either."""
MOST_NAME = 200
_WAIT = (0.05, 0.25)
_MEASURED = 4096
_FREE = WorstCase(0, ZERO, ZERO, None)
"""The worst case of a call that no limit is about."""


@dataclass(frozen=True, slots=True)
class _Token:
    """A reservation under way, for the calls of the meter that follow."""

    key: str
    model: str
    input_tokens: int


class Budget(ScopedMeter):
    """A limit on dollars, tokens (input and output) or calls; several may be given at once.

        with Budget(usd="0.50") as budget:
            ...                                # every call made here, and in tasks begun here
            pool.map(bind(read), documents)    # a thread begins with nothing: see prompture.bind
        extract(Receipt, text, budget=budget)  # or: the calls of one extraction

    Before a call, its worst case is reserved: a ceiling of its input, and ``max_tokens`` (or
    what the model can write at most) of output. What is left does not cover that: the call
    waits for others in flight to settle; where there are none, its ``max_tokens`` is lowered to
    what is left, and it is refused where not even a short answer fits. So a low ``max_tokens``
    lets more calls run at once. After it, its real price is spent and the rest given back. Where
    the price is not known (no answer arrived, a stream was cut), the whole reservation is spent.

    ``on_unknown`` says what to do with a model whose price is not known, under a limit in
    dollars: ``"refuse"`` it, or ``"allow"`` it and count what the provider states, if anything.
    Free and local models pass a limit in dollars whatever is left.

    With ``ledger`` (a path, or an SQLAlchemy URL) and ``name``, all processes that give the same
    two share what is spent; what a killed process had reserved counts as spent. Each call then
    writes to the database before and after, async ones in a thread. Where that cannot be
    read, calls raise ConfigurationError before they are sent; what one that was answered has cost
    is written as soon as it can be. Raises ConfigurationError for a limit that is none; calls
    raise BudgetExceeded.
    """

    def __init__(
        self,
        usd: Amount | None = None,
        *,
        tokens: int | None = None,
        calls: int | None = None,
        on_unknown: OnUnknown = "refuse",
        ledger: str | os.PathLike[str] | None = None,
        name: str = "",
    ) -> None:
        if usd is None and tokens is None and calls is None:
            raise ConfigurationError("a Budget needs a limit: usd=, tokens= or calls=")
        if on_unknown not in get_args(OnUnknown):
            raise ConfigurationError(f"on_unknown must be 'refuse' or 'allow', not {on_unknown!r}")
        if (ledger is None) is not (name == ""):
            raise ConfigurationError("a Budget shared by processes needs both ledger= and name=")
        if len(name) > MOST_NAME or not name.isprintable():
            raise ConfigurationError(
                f"the name of a Budget has at most {MOST_NAME} characters, printable ones"
            )
        self._given = (ledger, name)
        self._place = None if ledger is None else (place_of(ledger), name)
        self.usd = None if usd is None else dollars_of(usd)
        self.tokens = count(tokens, "tokens", least=0)
        self.calls = count(calls, "calls", least=0)
        self.on_unknown = on_unknown
        self.name = name
        self._accounts: AccountStore = InMemory() if ledger is None else _shared(ledger, name)
        self._measured: dict[int, tuple[Request, WorstCase | None]] = {}
        self._observed: defaultdict[str, ObservedOutput] = defaultdict(ObservedOutput)
        # The thread and task of each reservation of this process. Like ``_measured`` and
        # ``_observed`` without a lock: single operations on a dict are atomic, and a race costs
        # one estimate that is measured twice.
        self._callers: dict[str, tuple[int, int]] = {}

    @property
    def blocks(self) -> bool:  # type: ignore[override]
        """Whether asking it may wait for a database; async calls then ask in a thread."""
        return self._accounts.shared

    @property
    def spent(self) -> Decimal:
        """US dollars of the calls that are over."""
        return self._accounts.look().spent

    @property
    def reserved(self) -> Decimal:
        """US dollars that calls in flight may cost at most."""
        return self._accounts.look().reserved

    @property
    def left(self) -> Decimal | None:
        """US dollars that are neither spent nor reserved; None without a limit in dollars."""
        return None if self.usd is None else self._free_usd(self._accounts.look(), self.usd)

    @property
    def tokens_spent(self) -> int:
        """Tokens, input and output, of the calls that are over."""
        return self._accounts.look().tokens

    @property
    def calls_made(self) -> int:
        """Calls that are over, with the failed tries that may have been billed."""
        return self._accounts.look().calls

    @property
    def unknown_calls(self) -> int:
        """Calls whose price is not known; their reservation, if there was one, is in ``spent``."""
        return self._accounts.look().unknown

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Reserve the worst case. Raises BudgetExceeded and, while others are in flight, Busy."""
        model = request.model or driver.model
        worst = self._worst(request, driver)
        if worst is None:
            if self.on_unknown == "refuse":
                raise self._refusal(
                    self._accounts.look(), None, f"the price of {driver.provider.name}/{model}"
                    f" is not known; give one with prompture.catalog.set_price, or pass"
                    f" on_unknown='allow'"
                )  # fmt: skip
            worst = unpriced(request, driver)
        token = _Token(uuid4().hex, model, worst.input_tokens)
        try:
            return self._reserved(request, worst, token), token
        except KeyboardInterrupt:  # it may be reserved by now, and nobody else has its token
            self.withdraw(token)
            raise

    def _reserved(self, request: Request, worst: WorstCase, token: _Token) -> Request:
        """The request as far as the reservation goes, which is made."""
        observed = self._observed[token.model]
        # Checked and reserved under the store's lock: calls that begin at once in other threads
        # or processes cannot both take what is left.
        with self._accounts.change() as account:
            sure = observed.corrected(worst, alone=not account.holds)
            left = self._tokens_left(account, sure)
            if self._accounts.shared and not self._fits(left, sure) and account.adopt_orphans():
                sure = observed.corrected(worst, alone=not account.holds)
                left = self._tokens_left(account, sure)
            worst = sure
            answer = self._answer(account, request, worst, left, observed)
            usd = _add(worst.usd, worst.rate, answer)
            held = worst.input_tokens + answer * worst.answers
            account.holds[token.key] = Hold(usd, held, process_key(), time.time())
            self._callers[token.key] = who()
        self._measured.pop(id(request), None)
        # On the wire, too: the provider stops where the reservation ends.
        if answer < (worst.output_tokens or UNLIMITED + 1) and self._limits(worst):
            request = replace(request, max_tokens=answer)
        return request

    def after(self, token: object, charge: Charge) -> None:
        """Spend what the call cost and give back the rest."""
        assert isinstance(token, _Token)
        self._callers.pop(token.key, None)
        # Only whole answers that are counted show anything of the next ones.
        if charge.status == "ok" and charge.usage.reported:
            self._observed[token.model].learn(charge.usage, token.input_tokens)
        self._accounts.settle(token.key, charge)

    def again(self, token: object, charge: Charge) -> None:
        """Count a failed try. Raises BudgetExceeded where the next one is not covered."""
        assert isinstance(token, _Token)
        # Refused before the model began, so the reservation still covers the next try.
        if charge.cost.usd == 0:
            return
        self._accounts.settle(token.key, charge, over=False)
        account = self._accounts.look()
        hold = account.holds.get(token.key)
        if hold is None:
            return
        over_usd = self.usd is not None and hold.usd and self._free_usd(account, self.usd) < 0
        over_tokens = self.tokens is not None and self._free_tokens(account, self.tokens) < 0
        over_calls = self.calls is not None and account.calls >= self.calls
        if over_usd or over_tokens or over_calls:
            raise self._refusal(
                account, hold.usd, f"no answer came from {token.model}, which may have been"
                f" billed, and trying again might cost"
            )  # fmt: skip

    def withdraw(self, token: object) -> None:
        """Give a reservation back."""
        assert isinstance(token, _Token)
        self._callers.pop(token.key, None)
        self._accounts.settle(token.key, None)

    def joined(self, other: Meter) -> Meter | None:
        """Of two budgets of one ledger and name, one with the lower limits of both."""
        if not isinstance(other, Budget) or self._place is None or self._place != other._place:
            return None
        both = object.__new__(Budget)
        both.__dict__.update(vars(self))
        for limit in ("usd", "tokens", "calls"):
            given = (getattr(self, limit), getattr(other, limit))
            setattr(both, limit, min((n for n in given if n is not None), default=None))
        in_dollars = {each.on_unknown for each in (self, other) if each.usd is not None}
        both.on_unknown = "allow" if in_dollars == {"allow"} else "refuse"
        return both

    def _worst(self, request: Request, driver: BaseDriver) -> WorstCase | None:
        """The worst case of a call; None where the price is not known.

        It is kept while the call waits for others, as measuring a long text takes a while.
        """
        if self.tokens is None and (self.usd is None or driver.provider.local):
            return _FREE
        if self.usd is None:
            return unpriced(request, driver)
        # By id, since a Request holds dicts and has no hash; the request is kept with it, so
        # that no other can get its id meanwhile.
        found = self._measured.get(id(request))
        if found is not None and found[0] is request:
            return found[1]
        worst = worst_case_of(request, driver)
        if len(self._measured) >= _MEASURED:
            self._measured.clear()
        self._measured[id(request)] = (request, worst)
        return worst

    def _limits(self, worst: WorstCase) -> bool:
        """Whether the length of the answer matters to any of the limits."""
        return self.tokens is not None or (self.usd is not None and worst.rate > 0)

    def _tokens_left(self, account: Account, worst: WorstCase) -> int | None:
        """Output tokens that are left: below 0 where the input alone is too much, None for no limit."""
        left = []
        if self.usd is not None and not worst.free:
            free = EXACT.subtract(self._free_usd(account, self.usd), worst.usd)
            if worst.rate:
                left.append(int(EXACT.divide_int(free, worst.rate)) if free >= 0 else -1)
            elif free < 0:
                left.append(-1)
        if self.tokens is not None:
            free_tokens = self._free_tokens(account, self.tokens) - worst.input_tokens
            left.append(free_tokens // worst.answers)
        if self._calls_are_up(account):
            left.append(-1)
        return min(left, default=None)

    @staticmethod
    def _fits(left: int | None, worst: WorstCase) -> bool:
        wanted = worst.output_tokens
        return left is None or left >= (UNLIMITED if wanted is None else wanted)

    def _answer(
        self,
        account: Account,
        request: Request,
        worst: WorstCase,
        left: int | None,
        observed: ObservedOutput,
    ) -> int:
        """Output tokens to reserve. Raises BudgetExceeded, and Busy while waiting may help."""
        wanted = UNLIMITED if worst.output_tokens is None else worst.output_tokens
        if left is None or left >= wanted:
            return wanted
        if self._others(account) and not self._calls_are_up(account):
            # At random, or all that wait would ask again at the same moment.
            raise Busy(random.uniform(*_WAIT))
        thinking = request.reasoning if isinstance(request.reasoning, int) else 0
        shortest = max(SMALLEST_ANSWER + thinking, observed.shortest or 0)
        if left >= min(wanted, shortest) and not worst.fixed:
            return left
        self._measured.pop(id(request), None)
        if self._calls_are_up(account):
            raise self._refusal(account, None, "no call is left")
        least = _add(worst.usd, worst.rate, wanted if worst.fixed else min(wanted, shortest))
        words = f"{worst.input_tokens} tokens of input and the shortest answer cost up to"
        if worst.fixed:
            words = f"{worst.input_tokens} tokens of input and {wanted} of output cost up to"
        raise self._refusal(account, least, words)

    def _others(self, account: Account) -> bool:
        """Whether calls are in flight that can end while this one waits.

        A stream that the same thread or task has open cannot: nobody reads it meanwhile. To wait
        for it would be a deadlock.
        """
        own = who()
        return any(self._callers.get(key) != own for key in account.holds)

    def _calls_are_up(self, account: Account) -> bool:
        return self.calls is not None and account.calls + len(account.holds) >= self.calls

    @staticmethod
    def _free_usd(account: Account, limit: Decimal) -> Decimal:
        return EXACT.subtract(EXACT.subtract(limit, account.spent), account.reserved)

    @staticmethod
    def _free_tokens(account: Account, limit: int) -> int:
        return limit - account.tokens - account.reserved_tokens

    def _refusal(self, account: Account, asked: Decimal | None, why: str) -> BudgetExceeded:
        return refusal(account, asked, why, usd=self.usd, tokens=self.tokens, calls=self.calls)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a shared budget by its ledger and name. Raises ConfigurationError for others:
        a copy in another process would be spent a second time there."""
        ledger, name = self._given
        if ledger is None:
            raise ConfigurationError(
                "a Budget of one process cannot be copied to another: give it ledger= and name="
            )
        return _budget, (self.usd, self.tokens, self.calls, self.on_unknown, ledger, name)

    @half_made
    def __repr__(self) -> str:
        given = {"usd": self.usd, "tokens": self.tokens, "calls": self.calls}
        limits = ", ".join(f"{k}={v}" for k, v in given.items() if v is not None)
        return f"Budget({limits}{f', name={self.name!r}' if self.name else ''})"


def _budget(
    usd: Decimal | None,
    tokens: int | None,
    calls: int | None,
    on_unknown: OnUnknown,
    ledger: str | os.PathLike[str],
    name: str,
) -> Budget:
    return Budget(usd, tokens=tokens, calls=calls, on_unknown=on_unknown, ledger=ledger, name=name)


def budget_of(given: Any) -> Meter:
    """A meter as it is, an amount of dollars as a Budget of it."""
    if isinstance(given, (Decimal, str, int, float)) and not isinstance(given, bool):
        return Budget(usd=dollars_of(given, "budget"))
    if hasattr(given, "before") and hasattr(given, "after"):
        meter: Meter = given
        return meter
    raise ConfigurationError(
        f"budget must be a Budget or an amount of dollars, not {type(given).__name__}"
    )


def _shared(ledger: str | os.PathLike[str], name: str) -> InDatabase:
    return InDatabase(database(ledger), name)


def _add(base: Decimal, rate: Decimal, tokens: int) -> Decimal:
    return EXACT.add(base, EXACT.multiply(rate, Decimal(tokens))) if rate else base
