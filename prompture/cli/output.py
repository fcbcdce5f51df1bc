"""Where ``prompture extract`` puts what it found: the terminal, a pipe, or a file."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copymode
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from prompture.cli.console import plain, writable, write_json
from prompture.errors import ConfigurationError, PromptureError
from prompture.extraction.result import Extraction
from prompture.given import why
from prompture.schema.exact_json import to_plain
from prompture.types import JSON

if TYPE_CHECKING:
    from rich.console import Console

_LINES = "┏┃└"
CELL_CHARS = 60
"""Characters of a value in a table on a terminal; the whole value is in the JSON."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file's outcome: an extraction or an error."""

    name: str
    found: Extraction[Any] | None
    error: PromptureError | None

    @property
    def value(self) -> Any:
        if self.found is None:
            return None
        return to_plain(self.found.value)

    @property
    def lost(self) -> list[str]:
        """What the value lacks of a long document: the chunks that gave nothing."""
        chunks = self.found.chunks if self.found else ()
        return [
            f"nothing came of the characters {chunk.start} to {chunk.end}:"
            f" {type(chunk.error).__name__}: {chunk.error}"
            for chunk in chunks
            if chunk.error
        ]


class AnswerWriter:
    """Takes rows as they come, writes them as soon as its format allows it.

    A file is opened before anything is paid for. JSON Lines go into it one by one. JSON and tables
    are whole documents: until the end, the rows wait as JSON Lines in ``FILE.part``, which takes
    the file's place when it is finished, and stays where the program is killed.
    Raises ConfigurationError where it cannot be written.
    """

    def __init__(self, path: str | None, style: str, *, sources: bool, alone: bool) -> None:
        self._path = Path(path) if path is not None else None
        self._style = style
        self._sources = sources
        self._alone = alone
        self._rows: list[Row] = []
        self._closing = ExitStack()
        self._part: Path | None = None
        self._stream: TextIO = sys.stdout
        if self._path is not None:
            try:
                self._stream = self._opened(self._path)
            except OSError as exc:
                raise self._unwritable(exc) from exc
        elif not sys.stdout.writable():
            raise ConfigurationError("stdout is closed: write into a file with -o")

    @property
    def bar(self) -> bool:
        """Whether a progress bar may be shown: not among rows on the same terminal."""
        live = self._style == "jsonl" and self._path is None
        return not (live and sys.stdout.isatty())

    def __enter__(self) -> AnswerWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._closing.close()
        except OSError as exc:
            if value is None:  # else it is the second complaint about the same full disk
                raise self._unwritable(exc) from exc

    def add(self, row: Row) -> None:
        """Write a row, or keep it for the end."""
        self._rows.append(row)
        try:
            if self._style == "jsonl" or self._part:
                write_json(self._stream, _record(row, self._sources))
                # At once: a row that was paid for outlives a program that is killed.
                self._stream.flush()
        except BrokenPipeError:  # the reader of a pipe has enough: no fault of the file
            raise
        except OSError as exc:
            raise self._unwritable(exc) from exc

    def finish(self) -> None:
        """Write what waited."""
        if self._style == "jsonl":
            return
        try:
            if self._part and self._path:
                self._replace(self._path, self._part)
            else:
                self._whole(self._stream)
                self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise self._unwritable(exc) from exc

    def _opened(self, path: Path) -> TextIO:
        target = path.resolve()  # a link stays a link: its target is replaced
        regular = target.is_file() or not target.exists()
        if self._style != "jsonl" and regular:
            # Asked here, because a replacement of the file would not mind that it is read-only.
            if target.exists() and not os.access(target, os.W_OK):
                raise PermissionError(13, "Permission denied")
            self._path = target
            self._part = target.with_name(f"{target.name}.part")
            for other in (self._part, _fresh(target)):
                if other.exists():
                    raise ConfigurationError(
                        f"{str(other)!r} holds the rows of a run that was killed, or that is "
                        f"under way; rename or delete it first"
                    )
            target = self._part
        stream = open(target, "w", encoding="utf-8")  # noqa: SIM115 - closed by the exit stack
        return self._closing.enter_context(stream)

    def _replace(self, path: Path, part: Path) -> None:
        """Put the document in the file's place; until then the rows stay in ``part``."""
        # In one step, so that a killed program leaves the old file or the new one, never a part.
        fresh = _fresh(path)
        with open(fresh, "w", encoding="utf-8") as stream:
            self._whole(stream)
        if path.exists():
            copymode(path, fresh)  # a new file would have the default rights
        fresh.replace(path)
        self._closing.close()
        part.unlink()

    def _unwritable(self, exc: OSError) -> ConfigurationError:
        where = "stdout" if self._path is None else repr(str(self._path))
        return ConfigurationError(f"cannot write {where}: {why(exc)}")

    def _whole(self, stream: TextIO) -> None:
        if self._style == "table":
            plain_lines = not writable(stream, _LINES)
            terminal = self._path is None and stream.isatty()
            stream.write(_table(self._rows, terminal=terminal, ascii_lines=plain_lines))
            return
        if self._alone and not self._sources:
            if self._rows and self._rows[0].found:
                write_json(stream, self._rows[0].value, indent=2)
            return
        records = [_record(row, self._sources) for row in self._rows]
        write_json(stream, records[0] if self._alone and records else records, indent=2)


class PageWriter:
    """Writes the page of evidence, at the end and whole. That it can be written is seen to before
    anything is paid for. Raises ConfigurationError where it cannot."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        # A device or a pipe is written into: to replace it would be to destroy it.
        self._is_file = self._path.is_file() or not self._path.exists()
        if self._is_file:
            self._path = self._path.resolve()  # a link stays a link: its target is replaced
        # Its own name: neither a file of the user's nor the page of another process is written over.
        self._fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            if self._path.exists() and not os.access(self._path, os.W_OK):
                raise PermissionError(13, "Permission denied")
            if self._is_file:
                self._fresh.touch(exist_ok=False)
                self._fresh.unlink()
        except OSError as exc:
            raise self._unwritable(exc) from exc

    def write(self, rows: list[Row]) -> None:
        """Put the page of these rows in the file's place, in one step."""
        from prompture.page import to_html

        shown = [(row.name, row.found or row.error) for row in rows]
        made = [(name, outcome) for name, outcome in shown if outcome is not None]
        if not made:
            return
        names = ["" if name == "-" else Path(name).name for name, _ in made]
        page = to_html([outcome for _, outcome in made], names=names)
        try:
            if self._is_file:
                self._replace(page)
            else:
                self._path.write_text(page, encoding="utf-8")
        except OSError as exc:
            raise self._unwritable(exc) from exc

    def _replace(self, page: str) -> None:
        try:
            self._fresh.write_text(page, encoding="utf-8")
            if self._path.exists():
                copymode(self._path, self._fresh)
            self._fresh.replace(self._path)
        finally:
            self._fresh.unlink(missing_ok=True)

    def _unwritable(self, exc: OSError) -> ConfigurationError:
        return ConfigurationError(f"cannot write {str(self._path)!r}: {why(exc)}")


def _fresh(path: Path) -> Path:
    """Where a whole document is written, before it takes its place."""
    return path.with_name(f"{path.name}.new")


def _record(row: Row, sources: bool) -> JSON:
    record: dict[str, object] = {"file": row.name}
    if row.error:
        return {**record, "error": f"{type(row.error).__name__}: {row.error}"}
    record["value"] = row.value
    if row.lost:
        record["lost"] = row.lost
    if sources and row.found:
        record["sources"] = {
            pointer: [[s.start, s.end] for s in spans]
            for pointer, spans in row.found.sources.items()
        }
        record["ungrounded"] = dict(row.found.ungrounded)
        if row.found.conflicts:
            record["conflicts"] = {
                pointer: [
                    {"value": to_plain(each.value), "spans": [[s.start, s.end] for s in each.spans]}
                    for each in claims
                ]
                for pointer, claims in row.found.conflicts.items()
            }
    return record


def _table(rows: list[Row], *, terminal: bool, ascii_lines: bool) -> str:
    """A table for the eye; where a terminal is too narrow, each file's fields below each other."""
    from io import StringIO

    from rich.cells import cell_len
    from rich.console import Console

    good = [r.value if isinstance(r.value, dict) else {"value": r.value} for r in rows if r.found]
    columns = list(dict.fromkeys(key for value in good for key in value))
    values = iter(good)
    lines = []
    for row in rows:
        value = next(values) if row.found else {}
        cells = [_cell(value.get(c), short=terminal) for c in columns]
        lines.append([plain(Path(row.name).name), *cells])
    titles = [plain(c) for c in ("file", *columns)]
    needed = 1 + sum(3 + max(map(cell_len, c)) for c in zip(titles, *lines, strict=True))
    buffer = StringIO()
    console = Console(
        file=buffer, width=None if terminal else max(160, needed), force_terminal=terminal
    )
    if needed <= console.width:
        failed = [row.error is not None for row in rows]
        _across(console, titles, lines, failed, ascii_lines=ascii_lines)
    else:
        _below(console, titles, lines, [row.error is not None for row in rows])
    return buffer.getvalue()


def _across(
    console: Console,
    titles: list[str],
    lines: list[list[str]],
    failed: list[bool],
    *,
    ascii_lines: bool,
) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.ASCII2 if ascii_lines else box.HEAVY_HEAD)
    for title in titles:
        table.add_column(escape(title), no_wrap=True)
    for line, bad in zip(lines, failed, strict=True):
        table.add_row(*map(escape, line), style="red" if bad else None)
    console.print(table)


def _below(console: Console, titles: list[str], lines: list[list[str]], failed: list[bool]) -> None:
    from rich.table import Table
    from rich.text import Text

    for line, bad in zip(lines, failed, strict=True):
        console.print(Text(line[0], style="bold red" if bad else "bold"))
        fields = Table.grid(padding=(0, 2))
        fields.add_column(no_wrap=True)
        fields.add_column(overflow="fold")
        for title, cell in zip(titles[1:], line[1:], strict=True):
            if cell:
                fields.add_row(Text(f"  {title}"), Text(cell))
        console.print(fields)


def _cell(value: object, *, short: bool) -> str:
    if value is None:
        return ""
    if short and isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return f"{len(value)} item{'s' * (len(value) != 1)}"
    if isinstance(value, list) and not any(isinstance(v, (dict, list)) for v in value):
        text = ", ".join(v if isinstance(v, str) else json.dumps(v) for v in value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = plain(" ".join(text.split()))
    return f"{text[: CELL_CHARS - 1]}…" if short and len(text) > CELL_CHARS else text
