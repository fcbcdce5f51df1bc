"""The account of a budget: what is spent, and what calls in flight have reserved.

An ``Account`` is plain data. It lies in an ``AccountStore``: ``InMemory`` for one process,
``InDatabase`` where processes share it. Only a store changes an account, under its lock.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from threading import Lock, RLock
from typing import Any, Protocol, TypeAlias

from prompture import given
from prompture.errors import BudgetExceeded, ConfigurationError
from prompture.forks import renewed_at_fork
from prompture.money import EXACT, ZERO, Charge, add_usd, format_usd
from prompture.spend.database import Database, Rows, database_errors
from prompture.wire.loading import load_json

log = logging.getLogger("prompture")
STALE = 3600.0
"""Seconds after which a reservation made on another machine counts as spent."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The reservation of one call.

    ``owner`` is the process (``host:pid``), ``since`` seconds since the epoch.
    """

    usd: Decimal
    tokens: int
    owner: str
    since: float

    @property
    def orphaned(self) -> bool:
        """Whether the process that made it is surely gone."""
        host, _, pid = self.owner.rpartition(":")
        if host == platform.node():
            return not _is_alive(int(pid))
        return time.time() - self.since > STALE


@dataclass(slots=True)
class Account:
    """What a budget has spent and reserved. ``spent`` is US dollars.

    ``unknown`` counts the calls whose price is not known; their reservation is in ``spent``.
    ``holds`` are the reservations of calls in flight, by a key of their own.
    """

    spent: Decimal = ZERO
    tokens: int = 0
    calls: int = 0
    unknown: int = 0
    holds: dict[str, Hold] = field(default_factory=dict)

    @property
    def reserved(self) -> Decimal:
        """US dollars that calls in flight may cost at most."""
        return add_usd(hold.usd for hold in self.holds.values())

    @property
    def reserved_tokens(self) -> int:
        """Tokens that calls in flight may use at most."""
        return sum(hold.tokens for hold in self.holds.values())

    def spend(self, usd: Decimal, tokens: int) -> None:
        """Count one call."""
        self.spent = add_usd((self.spent, usd))
        self.tokens += tokens
        self.calls += 1

    def settle(self, key: str, charge: Charge | None, *, over: bool) -> Hold | None:
        """Spend the cost of a call, or of a failed try (``over`` is False: the call goes on).

        Without a charge the reservation is given back. Returns the reservation; None where
        another process took this one for dead and has counted it already.
        """
        hold = self.holds.get(key)
        if hold is not None and charge is not None:
            usd = charge.cost.usd
            self.spend(hold.usd if usd is None else usd, tokens_of(charge, hold))
            self.unknown += usd is None
        # Last: an interrupt before it leaves the hold, and the call is settled again. What is counted
        # twice then is on the safe side; what is not counted at all would be lost.
        if over:
            self.holds.pop(key, None)
        return hold

    def adopt_orphans(self) -> bool:
        """Count what killed processes had reserved as spent; whether there was any.

        Nobody knows whether their calls were billed. To count them is the safe side.
        """
        gone = [key for key, hold in self.holds.items() if hold.orphaned]
        for key in gone:
            hold = self.holds.pop(key)
            self.spend(hold.usd, hold.tokens)
            self.unknown += 1
        return bool(gone)

    def to_json(self) -> str:
        """The account as the text of its row."""
        holds = {k: [str(h.usd), h.tokens, h.owner, h.since] for k, h in self.holds.items()}
        return json.dumps([str(self.spent), self.tokens, self.calls, self.unknown, holds])

    @classmethod
    def from_json(cls, text: str) -> Account:
        """Read what ``to_json`` wrote. Raises ValueError for any other text."""
        try:
            spent, tokens, calls, unknown, holds = load_json(text)
            read = {k: _hold(*parts) for k, parts in holds.items()}
        except (TypeError, ValueError, AttributeError) as exc:
            raise ValueError("not an account") from exc
        return cls(_usd(spent), _count(tokens), _count(calls), _count(unknown), read)


def _hold(usd: object, tokens: object, owner: str, since: float) -> Hold:
    _host, colon, pid = owner.rpartition(":")
    if not colon or not pid.isdecimal():  # ``orphaned`` reads a number there
        raise ValueError("no owner")
    return Hold(_usd(usd), _count(tokens), owner, float(since))


def _usd(text: object) -> Decimal:
    try:
        found = Decimal(text) if isinstance(text, str) and len(text) < 300 else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or found < 0:
        raise ValueError("not an amount")
    return found


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a count")
    return value


class AccountStore(Protocol):
    """Where an account lies.

    ``change`` gives the account to one thread of one process at a time, and keeps what the block
    makes of it. ``look`` returns a copy. ``settle`` is ``Account.settle``; where the account is
    out of reach it is done later. ``shared``: other processes use it, and asking it may wait.
    """

    shared: bool

    def change(self) -> AbstractContextManager[Account]: ...

    def look(self) -> Account: ...

    def settle(self, key: str, charge: Charge | None, *, over: bool = True) -> None: ...


class InMemory:
    """The account of one process.

    ``_lock`` guards ``_account``. It is held for a few microseconds and never during I/O.
    """

    shared = False

    def __init__(self) -> None:
        self._account = Account()
        self._lock = Lock()
        renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        self._lock = Lock()
        # A forked child: calls in flight are the parent's, and settled there.
        self._account.holds.clear()

    @contextmanager
    def change(self) -> Iterator[Account]:
        with self._lock:
            yield self._account

    def look(self) -> Account:
        with self._lock:
            return replace(self._account, holds=dict(self._account.holds))

    def settle(self, key: str, charge: Charge | None, *, over: bool = True) -> None:
        with self._lock:
            self._account.settle(key, charge, over=over)


class InDatabase:
    """An account in a database, which other processes use under the same name.

    Where the cost of a call cannot be written (the disk is full, the database locked), it waits
    in ``_late`` and is written with the next change; until then its reservation stands. Raises
    ConfigurationError, never the database's own errors.

    Two locks, always in this order: ``_lock`` lets one thread of this process change the account
    at a time and guards ``_late``; the row's lock in the database (see ``_changed``) does the
    same among processes. ``look`` takes neither: it reads a committed row, which may be old by
    the time it is used, so only ``change`` may decide on it.
    """

    shared = True
    _TABLE = (
        "CREATE TABLE IF NOT EXISTS budgets"
        " (name VARCHAR(200) PRIMARY KEY, version BIGINT NOT NULL, state TEXT NOT NULL)"
    )
    _LOCK = "UPDATE budgets SET version = version + 1 WHERE name = :name"
    _READ = "SELECT state FROM budgets WHERE name = :name"
    _WRITE = "UPDATE budgets SET state = :state WHERE name = :name"
    _OPEN = "INSERT INTO budgets (name, version, state) VALUES (:name, 0, :state)"

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name: dict[str, Any] = {"name": name}
        self._late: list[tuple[str, Charge | None, bool]] = []
        self._warned = False
        self._lock = RLock()  # re-entrant: ``settle`` may be called inside a ``change``
        renewed_at_fork(self, "_renew")
        with self._errors():
            database.run(self._TABLE)
            if not database.read(self._READ, self._name):
                # Another process may be faster: the first one's row stays.
                opened = {**self._name, "state": Account().to_json()}
                database.run(self._OPEN, opened, taken_is_fine=True)

    def _renew(self) -> None:
        self._lock, self._late = RLock(), []  # the parent writes its own

    @contextmanager
    def change(self) -> Iterator[Account]:
        with self._lock:
            # Those that come while this waits for the database stay for the next change.
            late = len(self._late)
            with self._changed() as account:
                for key, charge, over in self._late[:late]:
                    account.settle(key, charge, over=over)
                yield account
            del self._late[:late]

    @contextmanager
    def _changed(self) -> Iterator[Account]:
        callers = False
        with self._errors(lambda: callers), self._database.transaction() as execute:
            # Written before it is read: a write locks the row in every database, and the
            # transaction keeps it locked until the new state is committed.
            execute(self._LOCK, self._name)
            account = self._read(execute(self._READ, self._name))
            try:
                yield account
            except BaseException:  # the caller's own, BudgetExceeded mostly: rolls back, raised
                callers = True
                raise
            execute(self._WRITE, {**self._name, "state": account.to_json()})

    def look(self) -> Account:
        with self._errors():
            account = self._read(self._database.read(self._READ, self._name))
        for key, charge, over in [*self._late]:
            account.settle(key, charge, over=over)
        return account

    def settle(self, key: str, charge: Charge | None, *, over: bool = True) -> None:
        try:
            with self.change() as account:
                account.settle(key, charge, over=over)
        except ConfigurationError as exc:
            # The call was answered and paid for: its caller must not lose the answer for this.
            self._late.append((key, charge, over))
            if not self._warned:
                log.warning("%s; what a call cost is written when that works again", exc)
            self._warned = True
        else:
            self._warned = False

    def _read(self, rows: Rows) -> Account:
        try:
            return Account.from_json(rows[0][0])
        except (ValueError, IndexError) as exc:
            raise ConfigurationError(
                f"{self._label} cannot be read: its row is damaged or gone; delete the row of"
                f" the table budgets, and the budget begins at 0"
            ) from exc

    @property
    def _label(self) -> str:
        return f"the budget {self._name['name']!r}"

    def _errors(self, callers: Callable[[], bool] = lambda: False) -> AbstractContextManager[None]:
        return database_errors(f"{self._label} cannot be kept, its database fails", callers)


def process_key() -> str:
    """This process as the owner of reservations: ``host:pid``."""
    return f"{platform.node()}:{os.getpid()}"


def tokens_of(charge: Charge, hold: Hold) -> int:
    """Tokens that a call used; all that it had reserved where that is not known."""
    if charge.cost.usd is not None and (charge.usage.reported or charge.status == "error"):
        return charge.usage.total_tokens
    if charge.usage.reported:
        return max(charge.usage.total_tokens, hold.tokens)
    return hold.tokens


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)  # signal 0 only asks whether it is there
    except ProcessLookupError:
        return False
    except PermissionError:  # there, and another user's
        return True
    return True


Amount: TypeAlias = "Decimal | str | int | float"


def dollars_of(amount: Amount, name: str = "usd") -> Decimal:
    """US dollars; a float counts as the decimal it prints as. Raises ConfigurationError."""
    try:
        usd = Decimal(str(amount).strip().removeprefix("$"))
    except (InvalidOperation, ValueError):  # a ValueError: an int of too many digits
        usd = Decimal("NaN")
    if (
        not isinstance(amount, (Decimal, str, int, float))
        or isinstance(amount, bool)
        or not usd.is_finite()
        or usd < 0
    ):
        raise ConfigurationError(f"{name}: {given.shown(amount)} is not an amount of dollars")
    return usd


def refusal(
    account: Account,
    asked: Decimal | None,
    why: str,
    *,
    usd: Decimal | None,
    tokens: int | None,
    calls: int | None,
) -> BudgetExceeded:
    """The error of a budget with these limits: what is gone, and what was asked for.

    ``asked`` is US dollars, None where the price is not known. ``why`` ends before that amount.
    """
    spent = EXACT.add(account.spent, account.reserved)
    limits = [f"${format_usd(usd)}"] if usd is not None else []
    limits += [f"{tokens} tokens"] if tokens is not None else []
    limits += [_counted(calls)] if calls is not None else []
    amount = "" if asked is None else f" ${format_usd(asked)}"
    return BudgetExceeded(
        f"budget of {', '.join(limits)}: ${format_usd(spent)},"
        f" {account.tokens + account.reserved_tokens} tokens and"
        f" {_counted(account.calls + len(account.holds))} are spent or reserved; {why}{amount}",
        spent=spent,
        asked=asked,
        limit=usd,
    )


def _counted(calls: int) -> str:
    return f"{calls} call{'s' * (calls != 1)}"
