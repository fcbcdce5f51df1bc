"""The process that reads one PDF file: what is asked comes on standard input, what is found goes out
page by page, each as a line of JSON that says how many bytes follow it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

from prompture.pdfium.layout_page import page_of
from prompture.pdfium.opened import NotRead, OpenedFile

_WATCH_EVERY = 0.02


def main() -> None:
    """Do what is asked, and end. ``sys.argv`` is of no use: others may read it."""
    # What the library prints must not come between our answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    job: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    limits = ProcessLimits(job["cpu"], job["cpu_page"], job["memory"])
    data = sys.stdin.buffer.read(job["size"])
    try:
        opened = OpenedFile(data, job["password"])
        limits.one_more()
        clear = [opened.decrypted()] if job["password"] and job["task"] == "read" else []
        send(out, {"pages": opened.count, "attached": opened.attached}, *clear)
        if opened.count <= job["max_pages"]:
            for index in job["only"] or range(opened.count):
                answer(out, opened, index, job)
                limits.one_more()
        send(out, {"end": True})
    except NotRead as exc:
        send(out, {"error": exc.kind, "message": str(exc)})
    except MemoryError:
        send(out, {"error": "memory", "message": ""})
    # Without the library's own tidying, which has nothing to keep.
    out.flush()
    os._exit(0)


def answer(out: BinaryIO, opened: OpenedFile, index: int, job: Mapping[str, Any]) -> None:
    """One page. One that cannot be read is no reason not to go on."""
    try:
        if job["task"] == "render":
            picture, width, height = opened.picture(index, job["dpi"], job["max_pixels"])
            send(out, {"page": index, "width": width, "height": height}, picture)
        else:
            page = page_of(opened, index)
            send(out, page.head, page.text.encode("utf-8", "surrogatepass"), page.boxes.tobytes())
    except NotRead as exc:
        send(out, {"page": index, "error": exc.kind, "message": str(exc)})


def send(out: BinaryIO, head: Mapping[str, Any], *blobs: bytes) -> None:
    out.write(json.dumps({**head, "sizes": [len(blob) for blob in blobs]}).encode() + b"\n")
    out.writelines(blobs)
    out.flush()


class ProcessLimits:
    """Time and memory that the process may take. Beyond them the system ends it."""

    def __init__(self, cpu: float, cpu_page: float, memory: int) -> None:
        self._cpu, self._cpu_page, self._pages = cpu, cpu_page, 0
        self._limit_cpu()
        if not _limited("RLIMIT_AS", memory) or sys.platform == "darwin":
            # There the system takes note of the limit, and does nothing.
            threading.Thread(target=_watch, args=(memory,), daemon=True).start()
        _limited("RLIMIT_CORE", 0)

    def one_more(self) -> None:
        """A page is done: there is time for the next one."""
        self._pages += 1
        self._limit_cpu()

    def _limit_cpu(self) -> None:
        # The whole grows with the pages; one page has no more than what the first has.
        used = time.process_time()
        most = min(used + self._cpu, self._cpu + self._pages * self._cpu_page)
        _limited("RLIMIT_CPU", max(int(most + 0.99), int(used) + 1))


def _limited(name: str, value: int) -> bool:
    """Whether there is such a limit here, now set."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    which: int | None = getattr(resource, name, None)
    if which is None:
        return False
    hard = resource.getrlimit(which)[1]
    try:
        resource.setrlimit(which, (value if hard < 0 else min(value, hard), hard))
    except (ValueError, OSError):
        return False
    return True


def _watch(memory: int) -> None:
    """End the process when it has taken more than this."""
    try:
        import resource
    except ImportError:
        return
    unit = 1 if sys.platform == "darwin" else 1024
    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit < memory:
        time.sleep(_WATCH_EVERY)
    os._exit(OUT_OF_MEMORY)


OUT_OF_MEMORY = 77
"""The exit status of a process that has taken too much."""
