"""Starts the process that reads one PDF file, asks it, and ends it: at the latest when its time is over.

Measured: of a file of three kilobytes (a stream deflated twice) pdfium makes 2.5 GB, of another
one of 35 kilobytes 2.4 GB in five seconds. It has no limits of its own, and no call of it can be stopped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Timer
from typing import IO, Any, NoReturn

from prompture.document_errors import (
    DocumentEncrypted,
    DocumentError,
    DocumentTooLarge,
    DocumentUnreadable,
)
from prompture.errors import ConfigurationError, MissingExtra
from prompture.wire import deadline

CPU = 4.0
"""Seconds of computing that opening the file may take, and one page."""
CPU_A_PAGE = 0.25
"""Seconds a page, of many pages together."""
MEMORY = 400_000_000
"""Bytes that the process may take, and twice the file's own on top."""
_WAIT = 60.0
"""Seconds on the wall for one page, where the system knows no limit of computing or does not
give the process its turn."""
# Ctrl-C goes to all processes of a terminal: what it means is for the one that asked to decide.
_CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    "import sys, json; sys.path[:] = json.loads(sys.stdin.buffer.readline());"
    "from prompture.pdfium.worker import main; main()"
)
_MADE_BY_US = {"encrypted": DocumentEncrypted, "large": DocumentTooLarge}
_OUT_OF_MEMORY = (77, -signal.SIGABRT)
_KILLED = -getattr(signal, "SIGKILL", 9)
_OUT_OF_TIME = -getattr(signal, "SIGXCPU", 24)
# What the system and its loader need. The rest may hold keys, and the file is a stranger's.
_ENVIRONMENT = ("SYSTEMROOT", "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TEMP", "TMPDIR")


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What the process has found: a line of JSON, and the bytes that follow it."""

    head: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()


def answers(data: bytes, name: str, **job: Any) -> Iterator[FileAnswer]:
    """What the process finds in the file, one after another. Raises DocumentError,
    DeadlineExceeded, MissingExtra and ConfigurationError."""
    if find_spec("pypdfium2") is None:
        raise MissingExtra(extra="documents", package="pypdfium2")
    deadline.check("before a file was read")
    with _started() as process:
        try:
            if (work := deadline.thread_work()) is not None:
                work.ended_by(process.kill)
            yield from _asked(process, data, name, job)
        finally:
            process.kill()
            # It may have ended before it had read all: what is left in our buffer goes nowhere.
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()


def _started() -> subprocess.Popen[bytes]:
    command = [_python(), "-I", "-c", _CODE]
    environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
    try:
        return subprocess.Popen(  # noqa: S603 - our own code, by this Python
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as exc:
        raise ConfigurationError(
            f"a PDF is read in a process of its own, which cannot be started: {exc.strerror}"
        ) from exc


def _python() -> str:
    """The interpreter: the one that multiprocessing would start, which a program can set."""
    spawn = sys.modules.get("multiprocessing.spawn")
    found = os.fsdecode((spawn.get_executable() if spawn else None) or sys.executable or "")
    # A program that is frozen, or has Python in it, would be started a second time.
    if getattr(sys, "frozen", False) or "py" not in os.path.basename(found).lower():
        raise ConfigurationError(
            "a PDF is read in a process of its own, and no Python is known to start it with:"
            " name one by multiprocessing.set_executable(path)"
        )
    return found


def _asked(
    process: subprocess.Popen[bytes], data: bytes, name: str, job: Mapping[str, Any]
) -> Iterator[FileAnswer]:
    limits = {"cpu": CPU, "cpu_page": CPU_A_PAGE, "memory": MEMORY + 2 * len(data)}
    path = [os.path.abspath(each) for each in sys.path if isinstance(each, str)]
    asked = {"password": None, "only": None, **job, **limits, "size": len(data)}
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None and stdout is not None
    timer = _Killer(process)
    # A process that has ended at once is asked below what it died of.
    with timer, suppress(BrokenPipeError, OSError):
        stdin.write(json.dumps(path).encode() + b"\n" + json.dumps(asked).encode() + b"\n")
        stdin.write(data)
        stdin.close()
    while True:
        with timer:
            answer = _next(stdout)
            if answer is None:
                process.wait()
        if answer is None:
            _raise_end(process, name, is_late=timer.is_over)
        if "end" in answer.head:
            return
        if (kind := answer.head.get("error")) and "page" not in answer.head:
            raise error_of(kind, answer.head["message"], name)
        yield answer


class _Killer:
    """Ends the process when what is done inside takes too long."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._timer: Timer | None = None
        self.is_over = False

    def _end(self) -> None:
        self.is_over = True
        self._process.kill()

    def __enter__(self) -> None:
        self._timer = Timer(deadline.sooner(_WAIT, deadline.until()) or _WAIT, self._end)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _next(stdout: IO[bytes]) -> FileAnswer | None:
    """The next answer, None where the process has ended before it was whole."""
    line = stdout.readline()
    if not line.endswith(b"\n"):
        return None
    head = json.loads(line)
    blobs = tuple(stdout.read(size) for size in head["sizes"])
    if any(len(blob) != size for blob, size in zip(blobs, head["sizes"], strict=True)):
        return None
    return FileAnswer(head, blobs)


def _raise_end(process: subprocess.Popen[bytes], name: str, *, is_late: bool) -> NoReturn:
    """The error of a process that ended early: what did it die of?"""
    moment = deadline.until()
    if moment is not None and deadline.has_passed(moment):
        raise deadline.exceeded(moment, "reading a file", unsent=True)
    deadline.check("reading a file")
    status = process.wait()
    if is_late:
        raise DocumentTooLarge(f"a page takes more than {_WAIT:g} seconds to read", name=name)
    if status == _KILLED:  # not by us
        raise DocumentUnreadable(
            "its reader was killed by the system (SIGKILL), as happens where memory is short:"
            " read it again",
            name=name,
        )
    if status == _OUT_OF_TIME:
        raise DocumentTooLarge(f"a page takes more than {CPU:g} seconds to read", name=name)
    if status in _OUT_OF_MEMORY:
        raise error_of("memory", "", name)
    raise DocumentUnreadable(f"its reader failed on it (exit status {status})", name=name)


def error_of(kind: str, message: str, name: str) -> DocumentError:
    """The error that the process has named."""
    if kind == "memory":
        message = "it unpacks to more than what may be used to read it"
        return DocumentTooLarge(message, name=name)
    return _MADE_BY_US.get(kind, DocumentUnreadable)(message, name=name)
