"""The ledger: one row for each call of the process, kept in a database.

It is off until ``ledger(path)`` is called or ``PROMPTURE_LEDGER`` names a path or URL. A call
appends its row to a journal (see there) and goes on; a thread of its own moves rows from the
journal into the database, a few times a second and at the end of the process. What a killed
process left in its journal is taken over by whoever opens the ledger next.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from prompture.drivers.meter import Meter, install, uninstall
from prompture.errors import ConfigurationError
from prompture.spend.database import Database, database, is_url
from prompture.spend.forks import renewed_at_fork
from prompture.spend.journal import Journal, left_over
from prompture.spend.rows import LOSSES, TABLE, WRITTEN, labels_of, line_of, row_of

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.money import Charge
    from prompture.types import Request

PAUSE = 0.2
"""Seconds that the database may lag behind the journal."""
_NO_LABELS: Mapping[str, str] = MappingProxyType({})
_labels: ContextVar[Mapping[str, str]] = ContextVar("prompture_labels", default=_NO_LABELS)
log = logging.getLogger("prompture.ledger")


@contextmanager
def labels(**values: object) -> Iterator[None]:
    """Names to put on the ledger's rows of the calls made inside the block; blocks add up.

    with labels(customer="acme", job="invoices"): ...
    """
    merged = {**_labels.get(), **{name: str(value) for name, value in values.items()}}
    token = _labels.set(merged)
    try:
        yield
    finally:
        _labels.reset(token)


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
        # In a forked child the journal and the thread are the parent's.
        if self._journal is not None:
            self._journal.abandon()
        self._journal, self._thread, self._lost = None, None, 0
        self._lock, self._writing = Lock(), Lock()
        self._stirred, self._over = Event(), Event()

    def label(self, values: Mapping[str, object]) -> None:
        """Put more labels on every row from now on."""
        self.labels |= {name: str(value) for name, value in values.items()}
        self._labels = labels_of(self.labels)

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Let every call pass."""
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        """Note a call. Never raises."""
        if self._closed:
            return
        try:
            own = _labels.get()
            line = line_of(charge, labels_of({**self.labels, **own}) if own else self._labels)
            journal = self._journal or self._begin()
            journal.append(line)
            if not self._stirred.is_set():
                self._stirred.set()
        except Exception as exc:  # the ledger must never break a call
            self._lost += 1
            if self._lost == 1:
                log.warning("a call is missing from the ledger: %s", type(exc).__name__)

    def again(self, token: object, charge: Charge) -> None:
        """Note a failed try."""
        self.after(token, charge)

    @property
    def lost(self) -> int:
        """Calls of this process that could not be noted (the journal or the disk is full)."""
        return self._lost + (self._journal.lost if self._journal else 0)

    def flush(self) -> None:
        """Move everything noted so far into the database. Raises the database's errors."""
        with self._writing:
            while (journal := self._journal) is not None and journal.pending:
                lines, mark = journal.take()
                save(self._database, lines)
                journal.taken(mark)

    def close(self) -> None:
        """Write what is left, and note no more calls. What the database does not take stays in
        the journal, for whoever opens the ledger next."""
        if self._closed:
            return
        self._closed = True
        uninstall(self)
        atexit.unregister(self.close)
        self._over.set()
        self._stirred.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.flush()
            self._note_losses()
        except Exception as exc:  # the program is over; it must not fail for its ledger
            log.warning("the ledger's last rows wait in a journal: %s", type(exc).__name__)
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({_shown(self.where)!r})"

    def _begin(self) -> Journal:
        with self._lock:
            if self._journal is None:
                self._journal = Journal(self._folder, self._stem)
                self._thread = Thread(target=self._write, name="prompture-ledger", daemon=True)
                self._thread.start()
            return self._journal

    def _write(self) -> None:
        """The thread: from the journal into the database, until the ledger is closed."""
        warned = False
        with contextlib.suppress(Exception):
            take_over(self._database, self._folder, self._stem)
        while not self._over.is_set():
            self._stirred.wait()
            self._over.wait(PAUSE)  # for others to come: they are written together
            self._stirred.clear()
            try:
                self.flush()
                warned = False
            except Exception as exc:  # it may be locked or away for a while; the rows are kept
                if not warned:
                    log.warning("the ledger cannot be written now: %s", type(exc).__name__)
                warned = True

    def _note_losses(self) -> None:
        if self.lost:
            log.warning("%d calls are missing from the ledger", self.lost)
            key = self._journal.id if self._journal else os.urandom(8).hex()
            self._database.insert("losses", ("id", "calls"), [(key, self.lost)])


_open: dict[str, Ledger] = {}
_opening = Lock()


def ledger(
    where: str | os.PathLike[str] | None = None, *, labels: Mapping[str, object] | None = None
) -> Ledger:
    """Note every call of this process from now on; the Ledger, to close or use in ``with``.

    ``where`` is a path (SQLite) or an SQLAlchemy URL (extra ``ledger``), by default what
    ``PROMPTURE_LEDGER`` names, else ``ledger.db`` in the user's data folder. ``labels`` go on
    every row. Raises ConfigurationError where it cannot be opened.
    """
    place = where if where is not None else default_place()
    key = str(place)
    with _opening:
        found = _open.get(key)
        if found is not None and not found._closed:
            found.label(labels or {})
            return found
        made = _open[key] = Ledger(place, labels=labels)
    install(made)
    atexit.register(made.close)
    return made


def from_environment() -> None:
    """Turn on the ledger that ``PROMPTURE_LEDGER`` names."""
    ledger()


def default_place() -> str | Path:
    """Where the ledger lies if nobody says."""
    if place := os.environ.get("PROMPTURE_LEDGER"):
        return place
    from platformdirs import user_data_path

    return user_data_path("prompture", appauthor=False) / "ledger.db"


def opened(where: str | os.PathLike[str]) -> Database:
    """The database of a ledger, with its tables. Raises ConfigurationError."""
    found = database(where)
    try:
        found.run(TABLE)
        found.run(LOSSES)
    except ConfigurationError:
        raise
    except Exception as exc:  # each database has errors of its own
        raise ConfigurationError(
            f"cannot open the ledger {_shown(where)}: {type(exc).__name__}"
        ) from exc
    return found


def journals_of(where: str | os.PathLike[str]) -> tuple[Path, str]:
    """The folder of a ledger's journals, and how their names begin: beside a file, or in the
    user's state folder for a URL, which is not to be seen there."""
    if not is_url(where):
        path = Path(where).expanduser().absolute()
        return path.parent, path.name
    from platformdirs import user_state_path

    digest = sha256(str(where).encode()).hexdigest()[:16]
    return user_state_path("prompture", appauthor=False), f"ledger-{digest}"


def save(into: Database, lines: list[str]) -> None:
    """Write journal lines; those that are in the database already, or torn, are left out."""
    rows = [row for row in map(row_of, lines) if row is not None]
    into.insert("calls", WRITTEN, rows)


def take_over(into: Database, folder: Path, stem: str) -> int:
    """Save what killed processes left in their journals; how many lines that was."""
    found = 0
    for lines, path in left_over(folder, stem):
        save(into, lines)
        path.unlink(missing_ok=True)
        found += len(lines)
    return found


def _shown(where: Any) -> str:
    """The place without what may be a password."""
    text = str(where)
    if not is_url(text):
        return text
    scheme, _, rest = text.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
