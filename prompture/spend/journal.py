"""A file that calls are appended to before they return, until they are in the database.

One line is one row. What was written to a file outlives a killed process, so no call that has
returned is lost; and it takes a few microseconds, whatever the database is doing.

Two locks. ``Journal._lock`` guards the file and the counts of its bytes among the threads of this
process; it is held for one write. ``flock`` on the file tells other processes that its own is
alive: held from before the file has its name until the process ends, however that happens.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from types import ModuleType
from uuid import uuid4

try:
    import fcntl as _fcntl
except ImportError:  # Windows, where an open file cannot be deleted by others anyway
    fcntl: ModuleType | None = None
else:
    fcntl = _fcntl

SUFFIX = ".journal"
_OPENING = ".opening"
_REST = re.compile(r"[0-9a-f]+(\.journal|\.journal\.opening)")
_MINUTE = 60.0
LIMIT = 64_000_000
"""Bytes that may wait for the database; what comes then is lost, and counted."""


class Journal:
    """The journal of this process for one ledger: ``<stem>.<id>.journal`` in ``folder``.

    It is locked (``flock``) while the process lives, so that others know which ones are left over.
    It gets its name only when it is locked. ``id`` is unique; the rows' ids begin with it.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self.id = uuid4().hex[:16]
        self.path = folder / f"{stem}.{self.id}{SUFFIX}"
        self.lost = 0
        self._torn = ""
        self._lock = Lock()
        # Bytes in the file, bytes of these that are in the database, rows so far.
        self._size = self._taken = self._rows = 0
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        if fcntl is None:  # an open file can neither be renamed nor be taken from its process
            self._file = os.open(self.path, flags, 0o600)
            return
        opening = self.path.with_name(self.path.name + _OPENING)
        self._file = os.open(opening, flags, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            opening.rename(self.path)
        except BaseException:  # a journal that is not locked must have no name
            os.close(self._file)
            opening.unlink(missing_ok=True)
            raise

    def append(self, line: str) -> bool:
        """Write a line, with its id and a tab before it; False where it is lost.

        The line must have no line break.
        """
        with self._lock:
            self._rows += 1
            # After a line that a full disk cut off: end that one first.
            numbered = f"{self._torn}{self.id}-{self._rows}\t{line}\n"
            data = numbered.encode("utf-8", "replace")  # half a surrogate pair is a "?"
            if self._size - self._taken + len(data) > LIMIT:
                self.lost += 1
                return False
            try:
                written = os.write(self._file, data)
            except OSError:
                self.lost += 1
                return False
            self._size += written
            # A line that lacks only its end is still read as a row.
            self._torn = "" if written == len(data) else "\n"
            return written == len(data)

    @property
    def pending(self) -> bool:
        """Whether it holds rows that are not in the database yet."""
        return self._size > self._taken

    def take(self, limit: int = 1_000_000) -> tuple[list[str], int]:
        """Lines that are not in the database yet, and the mark to give ``taken``."""
        # The file is read outside the lock: up to ``end`` it only changes in ``taken``, which
        # the caller calls afterwards. Calls may append meanwhile.
        with self._lock:
            start, end = self._taken, min(self._size, self._taken + limit)
            more = end < self._size
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and more:  # one line is longer than that
            return self.take(limit * 8)
        whole = whole or data
        return whole.decode(errors="replace").rstrip("\n").split("\n"), start + len(whole)

    def taken(self, mark: int) -> None:
        """Everything up to the mark is in the database."""
        with self._lock:
            self._taken = mark
            # Under the lock, or a line that comes between the check and the cut would be lost.
            if self._taken == self._size:
                os.ftruncate(self._file, 0)
                self._taken = self._size = 0

    def abandon(self) -> None:
        """Close a journal that belongs to the parent of a forked process, and leave its file."""
        os.close(self._file)

    def close(self) -> None:
        """Delete it where all of it was taken over; else leave it to be found."""
        os.close(self._file)
        if not self.pending:
            self.path.unlink(missing_ok=True)


def left_over(folder: Path, stem: str) -> Iterator[tuple[list[str], Path]]:
    """Lines of each journal whose process is gone, and its path.

    The caller deletes the file when the lines are saved; until it asks for the next one the file
    stays locked. A torn last line is left out.
    """
    for path in _journals(folder, stem):
        try:
            file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except OSError:
            continue
        try:
            if fcntl:  # raises OSError while its own process is alive
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the opening and the lock another process may have taken it over.
            if os.fstat(file).st_nlink == 0:
                continue
            with os.fdopen(os.dup(file), "rb") as stream:
                lines = [x.decode(errors="replace") for x in stream if x.endswith(b"\n")]
            yield [x.rstrip("\n") for x in lines], path
        except OSError:
            continue
        finally:
            os.close(file)


def _journals(folder: Path, stem: str) -> Iterator[Path]:
    """The journals of this very ledger: another ledger's name may begin with this one's.

    Files whose process was killed before it could name them are deleted.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        found = _REST.fullmatch(name.removeprefix(f"{stem}."))
        if found is None or not name.startswith(f"{stem}."):
            continue
        if found[1] == SUFFIX:
            yield folder / name
        else:
            _forget(folder / name)


def _forget(opening: Path) -> None:
    try:
        if time.time() - opening.stat().st_mtime > _MINUTE:
            opening.unlink()
    except OSError:
        return
