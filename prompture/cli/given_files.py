"""The files that a command is given: paths, folders, patterns, URLs, and stdin."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce, wraps
from pathlib import Path
from typing import Any

import click

from prompture.cli.console import echo
from prompture.documents import OCR, document, is_read_by_name
from prompture.errors import ConfigurationError, PromptureError
from prompture.extraction.chunks import Chunks
from prompture.given import why
from prompture.types import FileDocument
from prompture.wire.secrets import shown

_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file to read: ``name`` is shown and written into its row."""

    name: str
    url: str | None = field(default=None, repr=False)
    from_folder: bool = False
    problem: PromptureError | None = None


@dataclass(frozen=True, slots=True)
class ReadHow:
    """How files are read, and whether what is noted of them is shown."""

    ocr: OCR = "auto"
    password: str | None = field(default=None, repr=False)
    quiet: bool = False


@dataclass(slots=True)
class GivenFiles:
    """Files in the order in which they were named, and how they are read."""

    files: list[GivenFile]
    how: ReadHow
    skipped: int = 0
    """Files of folders that nothing reads."""

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[GivenFile]:
        return iter(self.files)

    def read(self, given: GivenFile) -> FileDocument:
        """What a file holds. Raises DocumentError and ConfigurationError."""
        if given.problem is not None:
            raise given.problem
        how: dict[str, Any] = {"ocr": self.how.ocr, "password": self.how.password}
        if given.url is not None:
            found = document(url=given.url, **how)
        elif given.name == "-":
            found = document(_stdin(), **how)
        else:
            try:
                with open(given.name, "rb") as opened:
                    found = document(opened, name=Path(given.name).name, **how)
            except OSError as exc:
                raise ConfigurationError(f"cannot read {given.name!r}: {why(exc)}") from exc
        for note in () if self.how.quiet else found.notes:
            echo(f"{given.name}: {note}", err=True)
        return found


def _stdin() -> bytes:
    if sys.stdin.isatty():
        echo("reading from the terminal; end with Ctrl-D", err=True)
    # As bytes: the terminal's encoding need not be the document's.
    data: bytes = sys.stdin.buffer.read()
    return data


def file_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that reads files."""
    options = (
        click.option("--url", "urls", multiple=True, help="A file on the web; repeat it for more."),
        click.option("--password", help="Opens encrypted files."),
        click.option(
            "--ocr",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Read pictures of text: where a page has no text, always, never.",
        ),
    )
    return reduce(lambda decorated, option: option(decorated), options, function)


def chunk_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that reads long documents in chunks; the command is given ``long``."""
    options = (
        click.option(
            "--long/--no-long",
            "is_cut",
            default=True,
            help="Read what is too long for the model in chunks (as it does), or refuse it.",
        ),
        click.option(
            "--chunk-tokens",
            "tokens",
            type=int,
            help="Of a chunk, at most: shorter ones find more.",
        ),
        click.option("--overlap", type=int, help="Tokens that a chunk shares with the one before."),
        click.option("--passes", type=int, help="How often the whole is read."),
        click.option("--parallel", type=int, help="Chunks that are asked for at the same time."),
        click.option(
            "--identity",
            multiple=True,
            help="/items=sku,date: the fields that say which item of a list it is; repeat it.",
        ),
    )

    @wraps(function)
    def decorated(
        *args: Any,
        is_cut: bool,
        tokens: int | None,
        overlap: int | None,
        passes: int | None,
        parallel: int | None,
        identity: tuple[str, ...],
        **others: Any,
    ) -> Any:
        keys: dict[str, list[str]] = {}
        for each in identity:
            where, sign, names = each.partition("=")
            if not sign:
                raise click.BadParameter(f"{each!r} is not LIST=FIELD,FIELD (/items=sku)")
            keys[where] = [name.strip() for name in names.split(",") if name.strip()]
        given: dict[str, Any] = dict(
            tokens=tokens, overlap=overlap, passes=passes, parallel=parallel, identity=keys or None
        )
        how = {name: value for name, value in given.items() if value is not None}
        if how and not is_cut:
            raise click.UsageError("--no-long reads no chunks: leave it out, or how they are read")
        long = Chunks(**how) if how else "auto" if is_cut else None
        return function(*args, long=long, **others)

    return reduce(lambda made, option: option(made), options, decorated)


def given_files(
    names: Sequence[str],
    urls: Sequence[str] = (),
    how: ReadHow | None = None,
    *,
    own: Iterable[str | None] = (),
) -> GivenFiles:
    """The files that names stand for: a folder for what is in it, a pattern for what it matches.

    ``own`` are files that the command itself writes: no folder has them to read.
    """
    made = GivenFiles([], how or ReadHow())
    written = {os.path.abspath(name + end) for name in own if name for end in ("", ".part", ".new")}
    seen: set[str] = set()

    def add(path: str, *, from_folder: bool) -> None:
        whole = os.path.abspath(path)
        if from_folder and (whole in seen or whole in written):
            return
        seen.add(whole)
        if from_folder and not is_read_by_name(path):
            made.skipped += 1
        else:
            made.files.append(GivenFile(path, from_folder=from_folder))

    for name in names:
        if name == "-":
            made.files.append(GivenFile(name))
        elif os.path.isdir(name):
            for path in _in_folder(name, made):
                add(path, from_folder=True)
        elif not _PATTERN & set(name) or os.path.lexists(name):
            made.files.append(GivenFile(name, problem=_if_url(name)))
            seen.add(os.path.abspath(name))
        else:
            _add_matches(name, made, add)
    made.files += [GivenFile(shown(url), url=url) for url in urls]
    if not made.files and (names or urls):
        raise ConfigurationError(f"there is no file to read in {', '.join(names)}")
    return made


def _if_url(name: str) -> PromptureError | None:
    if name.lower().startswith(("http://", "https://")) and not os.path.exists(name):
        return ConfigurationError("a URL is only fetched by --url URL")
    return None


def _in_folder(folder: str, made: GivenFiles) -> Iterator[str]:
    """All files below a folder, by their names; hidden ones are none. What cannot be opened is a
    file with its problem, not one fewer."""

    def refused(exc: OSError) -> None:
        path = str(exc.filename or folder)
        problem = ConfigurationError(f"cannot read {path!r}: {why(exc)}")
        made.files.append(GivenFile(path, problem=problem))

    for root, folders, names in os.walk(folder, onerror=refused):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            path = os.path.join(root, name)
            # Office programs leave such a file beside each that is open.
            if not name.startswith((".", "~$")) and not _is_endless(path):
                yield path


def _is_endless(path: str) -> bool:
    """A pipe, a socket or a device: who reads one may wait for ever. A link to nowhere is none."""
    return os.path.exists(path) and not os.path.isfile(path)


def _add_matches(pattern: str, made: GivenFiles, add: Callable[..., None]) -> None:
    matched = sorted(glob.glob(pattern, recursive=True))
    for path in matched:
        if os.path.isdir(path) or _is_endless(path):
            continue
        add(path, from_folder="**" in pattern)
    if not any(map(os.path.isfile, matched)):
        problem = ConfigurationError(f"no file matches {pattern!r}")
        made.files.append(GivenFile(pattern, problem=problem))
