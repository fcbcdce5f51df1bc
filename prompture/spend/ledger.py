"""The ledger: one row for each call of the process, kept in a database.

It is off until ``ledger(path)`` is called or ``PROMPTURE_LEDGER`` names a path or URL. A call
appends its row to a journal (see ``journal``) and goes on. A thread moves rows from the journal
into the database, a few times a second and at the end of the process. What a killed process left
in its journal is taken over by the next process that opens the ledger.

Which lock guards what:

* ``_opening`` (of the module): the table ``_open`` of ledgers that are being written.
* ``Ledger._lock``: the start of the journal and of the thread, once each.
* ``Ledger._writing``: one ``flush`` at a time (the thread's, or a caller's), from taking rows out
  of the journal until they are committed. It is held during database I/O; calls never take it.
* ``Journal._lock``: see there. After the first call it is the only lock that a call takes.

``_writing`` may be held when ``Journal._lock`` is taken, never the other way round.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Self

from prompture.drivers.meter import Meter, install, uninstall
from prompture.errors import ConfigurationError
from prompture.forks import fork_lock, renewed_at_fork
from prompture.given import half_made, table
from prompture.spend.database import Database, database, database_errors, is_url, place_of
from prompture.spend.journal import (
    LOSSES,
    TABLE,
    WRITTEN,
    Journal,
    clean,
    labels_of,
    left_over,
    line_of,
    row_of,
)
from prompture.spend.scope import labels_now
from prompture.wire.secrets import shown_place

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.money import Charge
    from prompture.types import Request

PAUSE = 0.2
"""Seconds that the database may lag behind the journal."""
log = logging.getLogger("prompture.ledger")


class Ledger(Meter):
    """A ledger that is being written. ``ledger()`` makes one; leaving its ``with`` closes it."""

    def __init__(
        self,
        where: str | os.PathLike[str],
        *,
        labels: Mapping[str, object] | None = None,
    ) -> None:
        self.where = where
        self.labels: dict[str, str] = {}
        self.label(labels or {})
        self._folder, self._stem = journals_of(where)
        self._database: Database = opened(where)
        self._journal: Journal | None = None
        self._closed = False
        self._lost = 0
        self._thread: Thread | None = None
        self._renew()
        renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        # In a forked child the journal and the thread are the parent's, and so are the rows in
        # it: the parent writes them. Locks are made anew, since one may be held for ever there.
        if self._journal is not None:
            self._journal.abandon()
        self._journal, self._thread, self._lost = None, None, 0
        self._lock, self._writing = Lock(), Lock()
        self._stirred, self._over = Event(), Event()

    def label(self, values: Mapping[str, object]) -> None:
        """Put more labels on every row from now on."""
        named = table(values, "ledger: labels") or {}
        self.labels |= {clean(str(name)): clean(str(value)) for name, value in named.items()}
        self._labels = labels_of(self.labels)

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Let every call pass."""
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        """Note a call. Never raises."""
        if self._closed:
            return
        try:
            own = labels_now()
            line = line_of(charge, labels_of({**self.labels, **own}) if own else self._labels)
            journal = self._journal or self._begin()
            journal.append(line)
            # Asking costs a tenth of setting, and most calls find it set.
            if not self._stirred.is_set():
                self._stirred.set()
        except Exception as exc:  # the ledger must never break a call
            # Threads may lose one here: without a lock, as this is for a warning alone.
            self._lost += 1
            if self._lost == 1:
                log.warning("a call is missing from the ledger: %s", type(exc).__name__)

    def again(self, token: object, charge: Charge) -> None:
        """Note a failed try."""
        self.after(token, charge)

    def hit(self, charge: Charge) -> None:
        """Note what a cache has answered: it cost nothing, and what it saved is in the row."""
        self.after(None, charge)

    @property
    def lost(self) -> int:
        """Calls of this process that could not be noted (the journal or the disk is full)."""
        return self._lost + (self._journal.lost if self._journal else 0)

    def flush(self) -> None:
        """Move everything noted so far into the database. Raises ConfigurationError where that
        cannot be written now; the rows then wait."""
        with self._writing, ledger_errors(self.where):
            while (journal := self._journal) is not None and journal.pending:
                lines, mark = journal.take()
                saved = save(self._database, lines)
                # Only now, after the commit. A process that is killed between the two leaves
                # rows in both places; their ids are the same, so they are inserted once.
                journal.taken(mark)
                self._lose(saved.torn + saved.refused)

    def close(self) -> None:
        """Write what is left, and note no more calls. What the database does not take stays in
        the journal, for whoever opens the ledger next."""
        if self._closed:
            return
        self._closed = True  # first: a call that ends now is not noted in a closed journal
        uninstall(self)
        atexit.unregister(self.close)
        self._over.set()
        self._stirred.set()  # the thread may be waiting for it
        if self._thread is not None:
            self._thread.join()
        try:
            self.flush()
            self._note_losses()
        except Exception as exc:  # the program is over; it must not fail for its ledger
            log.warning("the ledger's last rows wait in a journal: %s", _named(exc))
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @half_made
    def __repr__(self) -> str:
        return f"Ledger({shown_place(self.where)!r})"

    def _begin(self) -> Journal:
        with self._lock:
            if self._journal is None:  # another thread may have been faster
                self._journal = Journal(self._folder, self._stem)
                self._thread = Thread(target=self._write, name="prompture-ledger", daemon=True)
                self._thread.start()
            return self._journal

    def _write(self) -> None:
        """Move rows from the journal into the database until the ledger is closed: the thread."""
        warned = False
        with contextlib.suppress(Exception):
            take_over(self._database, self._folder, self._stem)
        while not self._over.is_set():
            self._stirred.wait()
            self._over.wait(PAUSE)  # for others to come: they are written together
            self._stirred.clear()  # before the flush: what comes during it stirs again
            try:
                self.flush()
                warned = False
            except Exception as exc:  # it may be locked or away for a while; the rows are kept
                if not warned:
                    log.warning("the ledger cannot be written now: %s", _named(exc))
                warned = True

    def _lose(self, rows: int) -> None:
        if rows:
            self._lost += rows
            log.warning("%d rows of the ledger are torn or wrong; they are left out", rows)

    def _note_losses(self) -> None:
        if self.lost:
            log.warning("%d calls are missing from the ledger", self.lost)
            key = self._journal.id if self._journal else os.urandom(8).hex()
            self._database.insert("losses", ("id", "calls"), [(key, self.lost)])


def _named(exc: Exception) -> str:
    return type(exc.__cause__ or exc).__name__


_open: dict[str, Ledger] = {}
_opening = fork_lock()


def ledger(
    where: str | os.PathLike[str] | None = None, *, labels: Mapping[str, object] | None = None
) -> Ledger:
    """Note every call of this process from now on; the Ledger, to close or use in ``with``.

    ``where`` is a path (SQLite) or an SQLAlchemy URL (extra ``ledger``), by default what
    ``PROMPTURE_LEDGER`` names, else ``ledger.db`` in the user's data folder. ``labels`` go on
    every row. Raises ConfigurationError where it cannot be opened.
    """
    place = where if where is not None else default_place()
    key = place_of(place)
    with _opening:
        found = _open.get(key)
        if found is not None and not found._closed:
            found.label(labels or {})
            return found
        made = _open[key] = Ledger(place, labels=labels)
    install(made)
    atexit.register(made.close)
    return made


def flush_open(where: str | os.PathLike[str]) -> None:
    """Move what this process has noted for a ledger into its database, before that is read.

    Rows that cannot be moved now wait, as the thread would let them.
    """
    found = _open.get(place_of(where))
    if found is not None and not found._closed:
        with contextlib.suppress(ConfigurationError):
            found.flush()


def from_environment() -> None:
    """Turn on the ledger that ``PROMPTURE_LEDGER`` names."""
    ledger()


def default_place() -> str | Path:
    """Where the ledger lies if no place is given."""
    if place := os.environ.get("PROMPTURE_LEDGER"):
        return place
    from platformdirs import user_data_path

    return user_data_path("prompture", appauthor=False) / "ledger.db"


def opened(where: str | os.PathLike[str]) -> Database:
    """The database of a ledger, with its tables. Raises ConfigurationError."""
    found = database(where)
    with ledger_errors(where, "open"):
        found.run(TABLE)
        found.run(LOSSES)
    return found


def ledger_errors(
    where: str | os.PathLike[str], what: str = "write"
) -> AbstractContextManager[None]:
    """Raise errors of the ledger's database as ConfigurationError."""
    return database_errors(f"cannot {what} the ledger {shown_place(where)}")


def journals_of(where: str | os.PathLike[str]) -> tuple[Path, str]:
    """The folder of a ledger's journals, and how their names begin.

    They lie beside a file; for a URL in the user's state folder, under a digest of it, since a
    URL may hold a password.
    """
    if not is_url(where):
        path = Path(where).expanduser().resolve()  # beside the file itself, not beside a link
        return path.parent, path.name
    from platformdirs import user_state_path

    digest = sha256(str(where).encode()).hexdigest()[:16]
    return user_state_path("prompture", appauthor=False), f"ledger-{digest}"


@dataclass(frozen=True, slots=True)
class Saved:
    """What ``save`` left out: ``torn`` lines that are no rows, rows the database ``refused``."""

    torn: int
    refused: int


def save(into: Database, lines: list[str]) -> Saved:
    """Insert journal lines into the database, except those that are there already.

    One wrong row does not keep the others back. Raises the database's own errors where it cannot
    be written.
    """
    rows = [row_of(line) for line in lines if line]
    good = [row for row in rows if row is not None]
    refused = 0
    try:
        into.insert("calls", WRITTEN, good)
    except Exception as failed:  # raised again unless it is a row's fault
        _raise_unless_of_a_row(failed, into)
        for row in good:
            try:
                into.insert("calls", WRITTEN, [row])
            except Exception as exc:  # raised again unless it is a row's fault, which is counted
                _raise_unless_of_a_row(exc, into)
                refused += 1
    return Saved(torn=len(rows) - len(good), refused=refused)


def _raise_unless_of_a_row(exc: Exception, into: Database) -> None:
    """Raise ``exc`` unless one row is at fault and the database takes other statements.

    Drivers of databases share the names of their errors, not the classes. A missing table gives
    the same names as a wrong row, so the database must prove that it takes a statement.
    """
    if not isinstance(exc, (ValueError, TypeError, OverflowError)) and (
        type(exc).__name__ not in _OF_A_ROW
    ):
        raise exc
    into.run(_TOUCH)


_OF_A_ROW = (
    "DataError",
    "IntegrityError",
    "InterfaceError",
    "ProgrammingError",
    "StatementError",
)
_TOUCH = "DELETE FROM losses WHERE id = ''"


def take_over(into: Database, folder: Path, stem: str) -> int:
    """Save what killed processes left in their journals; the number of lines.

    Lines that cannot be saved are counted as lost.
    """
    found = 0
    # Two processes may do this at once: each journal is locked while its lines are read here.
    for lines, path in left_over(folder, stem):
        saved = save(into, lines)
        if lost := saved.torn + saved.refused:
            into.insert("losses", ("id", "calls"), [(f"{path.suffixes[-2][1:]}+", lost)])
        with contextlib.suppress(OSError):  # on Windows its process may be there still
            path.unlink(missing_ok=True)
        found += len(lines)
    return found
