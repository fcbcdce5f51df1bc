"""What parts the cells of a file: comma, semicolon, tab or bar."""

from __future__ import annotations

import csv
from collections import Counter

DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 50
"""Lines by which the delimiter is chosen."""


def whole_lines(text: str) -> list[str]:
    """The lines, each with its end."""
    # Not splitlines: it also breaks at marks that may stand inside a cell.
    return [f"{line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def delimiter_of(text: str, usual: str = ",") -> str:
    """The mark that parts most lines of a table into as many cells as each other."""
    best, most = usual, 0.0
    start = text[:200_000]
    for mark in (usual, *(m for m in DELIMITERS if m != usual)):
        if mark not in start:
            continue
        widths = _widths(start, mark)
        if not widths:
            continue
        width, lines = Counter(widths).most_common(1)[0]
        if width < 2:
            # A preamble may be longer than the table.
            width, lines = max(
                ((w, n) for w, n in Counter(widths).items() if w > 1), default=(1, 0)
            )
        # Commas inside numbers give rows of unlike width; the mark of the table does not.
        score = lines / len(widths) + min(width, 50) / 1000
        if width > 1 and score > most:
            best, most = mark, score
    return best


def _widths(text: str, mark: str) -> list[int]:
    found: list[int] = []
    try:
        for row in csv.reader(whole_lines(text)[: 20 * _LOOKED_AT], delimiter=mark):
            if row:
                found.append(len(row))
            if len(found) == _LOOKED_AT:
                break
    except csv.Error:
        return []
    return found


def is_table(text: str) -> bool:
    """Whether a text without a name is CSV for certain: three lines or more of as many cells."""
    lines = text.strip().split("\n")
    if len(lines) < 3:
        return False
    start = "\n".join(lines[:_LOOKED_AT])
    mark = delimiter_of(start)
    widths = _widths(start, mark)
    # Two columns with commas may as well be sentences.
    least = 2 if mark == "\t" else 3
    return len(widths) >= 3 and min(widths) == max(widths) >= least and ", " not in lines[0]
