"""Text of others on a terminal: control characters are shown, not obeyed.

Values, errors of providers, names of models and labels come from outside. On a terminal an escape
sequence in them could set the title, clear the screen or fill the clipboard, and a bidirectional
mark could show a text in another order than it has.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any, TextIO

import click

# C0 but tab and line feed, DEL, C1, line separators, bidirectional marks, isolates and overrides.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def plain(text: str) -> str:
    r"""The text with control characters written out: ``\x1b``, ``\u202e``. Line ends stay."""
    return _OBEYED.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def echo(text: str = "", *, err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print: on a terminal with control characters written out, elsewhere as it is.

    ``style`` is click's: fg, bold, dim, ...
    """
    if (sys.stderr if err else sys.stdout).isatty():
        text = plain(text)
    click.echo(click.style(text, **style) if style else text, err=err, nl=nl)


def json_text(value: Any, *, indent: int | None = None) -> str:
    r"""JSON for people and programs: other scripts as they are, control characters as ``\u``."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _OBEYED.sub(lambda c: c[0] if c[0] == "\n" else f"\\u{ord(c[0]):04x}", text)


def write_json(stream: TextIO, value: Any, *, indent: int | None = None) -> None:
    """Write JSON and a line end; in ASCII where the stream's encoding lacks a character."""
    text = json_text(value, indent=indent) + "\n"
    if not writable(stream, text):  # a Windows code page, or half a surrogate pair
        text = json.dumps(value, indent=indent) + "\n"
    stream.write(text)


def writable(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has all characters of the text."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def prepare_streams() -> None:
    """Let no character that a terminal's encoding lacks end the program, nor a closed stream.

    A shell closes one with ``>&-``. What stands for a closed stdout cannot be written: an answer
    must not vanish.
    """
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stand_in = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - till the end
            setattr(sys, name, stand_in)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
