"""The books of a budget: what is spent, and what calls in flight have reserved."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import Any, Protocol

from prompture.money import ZERO, Charge, add_usd
from prompture.spend.database import Database
from prompture.spend.forks import renewed_at_fork

STALE = 3600.0
"""Seconds after which a reservation made on another machine counts as spent."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The reservation of one call. ``owner`` is the process (``host:pid``), ``since`` a time."""

    usd: Decimal
    tokens: int
    owner: str
    since: float

    @property
    def orphaned(self) -> bool:
        """Whether the process that holds it is surely gone."""
        host, _, pid = self.owner.rpartition(":")
        if host == platform.node():
            return not _is_alive(int(pid))
        return time.time() - self.since > STALE


@dataclass(slots=True)
class Account:
    """``unknown`` counts the calls whose price nobody told: their reservation is in ``spent``."""

    spent: Decimal = ZERO
    tokens: int = 0
    calls: int = 0
    unknown: int = 0
    holds: dict[str, Hold] = field(default_factory=dict)

    @property
    def reserved(self) -> Decimal:
        return add_usd(hold.usd for hold in self.holds.values())

    @property
    def reserved_tokens(self) -> int:
        return sum(hold.tokens for hold in self.holds.values())

    def spend(self, usd: Decimal, tokens: int) -> None:
        self.spent = add_usd((self.spent, usd))
        self.tokens += tokens
        self.calls += 1

    def adopt_orphans(self) -> bool:
        """Count what killed processes had reserved as spent, and say whether there was any."""
        gone = [key for key, hold in self.holds.items() if hold.orphaned]
        for key in gone:
            hold = self.holds.pop(key)
            self.spend(hold.usd, hold.tokens)
            self.unknown += 1
        return bool(gone)

    def to_json(self) -> str:
        holds = {k: [str(h.usd), h.tokens, h.owner, h.since] for k, h in self.holds.items()}
        return json.dumps([str(self.spent), self.tokens, self.calls, self.unknown, holds])

    @classmethod
    def from_json(cls, text: str) -> Account:
        spent, tokens, calls, unknown, holds = json.loads(text)
        kept = {k: Hold(Decimal(usd), n, owner, at) for k, (usd, n, owner, at) in holds.items()}
        return cls(Decimal(spent), tokens, calls, unknown, kept)


class Keeper(Protocol):
    """Where an account lies. ``change`` gives it to one thread of one process at a time."""

    shared: bool

    def change(self) -> AbstractContextManager[Account]: ...

    def look(self) -> Account: ...


class Private:
    """An account of this process."""

    shared = False

    def __init__(self) -> None:
        self._account = Account()
        self._renew_lock()
        renewed_at_fork(self, "_renew_lock")

    def _renew_lock(self) -> None:
        self._lock = Lock()

    @contextmanager
    def change(self) -> Iterator[Account]:
        with self._lock:
            yield self._account

    def look(self) -> Account:
        with self._lock:
            return Account.from_json(self._account.to_json())


class Shared:
    """An account in a database, which other processes use under the same name."""

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
        database.run(self._TABLE)
        if not database.read(self._READ, self._name):
            # Another process may be faster: the first one's row stays.
            database.run(
                self._OPEN, {**self._name, "state": Account().to_json()}, taken_is_fine=True
            )

    @contextmanager
    def change(self) -> Iterator[Account]:
        with self._database.transaction() as execute:
            # The row is locked by writing to it, which every database understands.
            execute(self._LOCK, self._name)
            account = Account.from_json(execute(self._READ, self._name)[0][0])
            yield account
            execute(self._WRITE, {**self._name, "state": account.to_json()})

    def look(self) -> Account:
        return Account.from_json(self._database.read(self._READ, self._name)[0][0])


def me() -> str:
    """This process, as the owner of reservations."""
    return f"{platform.node()}:{os.getpid()}"


def tokens_of(charge: Charge, hold: Hold) -> int:
    """What a call used; all that it had reserved where nobody knows."""
    if charge.cost.usd is not None and (charge.usage.reported or charge.status == "error"):
        return charge.usage.total_tokens
    if charge.usage.reported:
        return max(charge.usage.total_tokens, hold.tokens)
    return hold.tokens


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
