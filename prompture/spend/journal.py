"""A call as one row of the ledger, and the journal that rows are appended to before calls return.

A row is figures and names, without the text of the call; in the journal it is one line. What was
written to a file outlives a killed process, so no call that has returned is lost; and it takes a few
microseconds, whatever the database is doing.

Two locks. ``Journal._lock`` guards the file and the counts of its bytes among the threads of this
process; it is held for one write. ``flock`` on the file shows other processes that its own is
alive: held from before the file has its name until the process ends, however that happens.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any
from uuid import uuid4

from prompture.money import COUNTS, TOKEN_COUNTS, Charge, Usage

try:
    import fcntl as _fcntl
except ImportError:  # Windows, where an open file cannot be deleted by others anyway
    fcntl: ModuleType | None = None
else:
    fcntl = _fcntl

COLUMNS: Mapping[str, str] = {
    "id": "VARCHAR(64) PRIMARY KEY",
    "at": "VARCHAR(32) NOT NULL",
    "provider": "VARCHAR(100) NOT NULL",
    "model": "VARCHAR(300) NOT NULL",
    "status": "VARCHAR(20) NOT NULL",
    "usd": "VARCHAR(60)",
    "computed_usd": "VARCHAR(60)",
    "saving_usd": "VARCHAR(60)",
    "source": "VARCHAR(20) NOT NULL",
    "as_of": "VARCHAR(40) NOT NULL",
    "reason": "TEXT NOT NULL",
    "input_tokens": "BIGINT NOT NULL",
    "output_tokens": "BIGINT NOT NULL",
    "cache_read_tokens": "BIGINT NOT NULL",
    "cache_write_tokens": "BIGINT NOT NULL",
    "reasoning_tokens": "BIGINT NOT NULL",
    "reported": "INTEGER NOT NULL",
    "buckets": "TEXT NOT NULL",
    "more_usage": "TEXT NOT NULL",
    "seconds": "DOUBLE PRECISION NOT NULL",
    "request_id": "VARCHAR(200)",
    "note": "VARCHAR(200) NOT NULL",
    "labels": "TEXT NOT NULL",
    "repriced_usd": "VARCHAR(60)",
    "repriced_source": "VARCHAR(20)",
    "repriced_as_of": "VARCHAR(40)",
    "repriced_at": "VARCHAR(32)",
}
"""``at`` is the UTC time at which the call ended; amounts are decimal text; ``buckets`` (lists of name,
quantity, rate for so many units, these units, rule), ``more_usage`` (what the columns lack) and
``labels`` are JSON. No name is a reserved word of the databases that SQLAlchemy reaches."""
TABLE = f"CREATE TABLE IF NOT EXISTS calls ({', '.join(f'{n} {t}' for n, t in COLUMNS.items())})"
LOSSES = "CREATE TABLE IF NOT EXISTS losses (id VARCHAR(64) PRIMARY KEY, calls BIGINT NOT NULL)"
WRITTEN = tuple(name for name in COLUMNS if not name.startswith("repriced"))
"""The columns that a call fills."""
_DUMP = json.JSONEncoder(separators=(",", ":")).encode
_MORE = tuple(name for name in COUNTS if name not in TOKEN_COUNTS)
_RAW = ("speed", "inference_geo", "search_context_size", "iterations", "billed_units")
"""Parts of a provider's usage that a price depends on; counts and names only."""


def line_of(charge: Charge, labels: str) -> str:
    """A call as a line of the journal: fields with tabs between them. ``labels`` is JSON.

    It is made while the call waits, so nothing is done here that can be done later.
    """
    cost, usage = charge.cost, charge.usage
    return "\t".join(
        (
            repr(time.time()),
            clean(charge.provider),
            clean(charge.model),
            clean(charge.status),
            "" if cost.usd is None else f"{cost.usd:f}",
            "" if cost.computed is None else f"{cost.computed:f}",
            "" if cost.saving is None else f"{cost.saving:f}",
            clean(cost.source),
            clean(cost.as_of),
            clean(cost.reason),
            str(usage.input_tokens),
            str(usage.output_tokens),
            str(usage.cache_read_tokens),
            str(usage.cache_write_tokens),
            str(usage.reasoning_tokens),
            "1" if usage.reported else "0",
            _DUMP([(bucket, n, str(p.rate), p.per, p.rule) for bucket, n, p in cost.counted]),
            _DUMP(_more(usage)),
            f"{charge.seconds:.6f}",
            clean(charge.request_id or ""),
            clean(charge.note),
            labels,
        )
    )


def row_of(line: str) -> tuple[Any, ...] | None:
    """Read a line of the journal: a row in the order of ``WRITTEN``; None where it is torn."""
    fields = line.split("\t")
    if len(fields) != len(WRITTEN):
        return None
    try:
        return tuple(read(text) for read, text in zip(_READERS, fields, strict=True))
    except (ValueError, OverflowError, OSError):
        return None


def _moment(text: str) -> str:
    return datetime.fromtimestamp(float(text), UTC).isoformat(timespec="milliseconds")


def _count(text: str) -> int:
    """A whole number that fits BIGINT."""
    return max(-_LARGEST, min(int(text), _LARGEST))


def _seconds(text: str) -> float:
    seconds = float(text)
    return seconds if math.isfinite(seconds) else 0.0


def _money(text: str) -> str | None:
    """Dollars as text. Raises ValueError where it is too long: cut off it would be another."""
    if len(text) > _AMOUNT_CHARS:
        raise ValueError("an amount that is too long")
    return text or None


def _up_to(most: int) -> Callable[[str], str]:
    return lambda text: text[:most]


def _reader(name: str, kind: str) -> Callable[[str], Any]:
    """The reader of a column's text, which makes it fit the column in every database.

    SQLite takes any length and size; others refuse the row.
    """
    if name == "at":
        return _moment
    if name.endswith("usd"):
        return _money
    if kind.startswith(("BIGINT", "INTEGER")):
        return _count
    if kind.startswith("DOUBLE"):
        return _seconds
    width = re.search(r"VARCHAR\((\d+)\)", kind)
    cut = _up_to(int(width[1]) if width else _LONGEST)
    return cut if "NOT NULL" in kind or "KEY" in kind else lambda text: cut(text) or None


_LARGEST = 2**63 - 1
_AMOUNT_CHARS = 60
_LONGEST = 100_000
_READERS = tuple(_reader(name, COLUMNS[name]) for name in WRITTEN)


def labels_of(values: Mapping[str, str]) -> str:
    """Labels as the JSON of a row."""
    return json.dumps(values, sort_keys=True)


def usage_of(row: Mapping[str, Any]) -> Usage:
    """The usage that a row holds, as far as its price depends on it."""
    more = json.loads(row["more_usage"])
    stated = more.pop("stated_cost", None)
    return Usage(
        **{name: row[name] for name in TOKEN_COUNTS},
        **more,
        stated_cost=None if stated is None else Decimal(stated),
        reported=bool(row["reported"]),
    )


def _more(usage: Usage) -> dict[str, Any]:
    found: dict[str, Any] = {n: v for n in _MORE if (v := getattr(usage, n))}
    if usage.cache_writes:
        found["cache_writes"] = dict(usage.cache_writes)
    if usage.service_tier is not None:
        found["service_tier"] = usage.service_tier
    if usage.stated_cost is not None:
        found["stated_cost"] = str(usage.stated_cost)
    if usage.problem:
        found["problem"] = usage.problem
    if raw := usage.raw:
        kept = {name: raw[name] for name in _RAW if name in raw}
        if kept:
            found["raw"] = kept
    return found


def clean(text: str) -> str:
    """A text without tabs, line breaks, control characters and half surrogate pairs.

    A tab would end a field of the journal, a break a line; some databases refuse the others.
    """
    if text.isprintable():
        return text
    plain = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in " ".join(plain.split()))


# The journal.

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
