"""Reasoning that stands in the text itself, between ``<think>`` tags at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)
# Templates of DeepSeek R1 and of Qwen's thinking models end with the opening tag: the answer then
# begins within the block. Each step looks ahead, so that a second block's tag is never passed.
_UNOPENED = re.compile(r"((?:(?!<think>).)*?)</think>\s*", re.DOTALL)
_VALUE = re.compile(r"\s*(?:```|[\[{\"])")
"""How an answer begins that may only speak of the tag."""
_OPEN, _CLOSE = "<think>", "</think>"


def split_thinking(text: str) -> tuple[str, str]:
    """Reasoning and text of a whole answer that opens with a ``<think>`` block.

    The opening tag may have stood in the server's prompt: then only the closing one comes. A
    block that never closes stays in the text: what of it was meant is not known.
    """
    found = _BLOCK.match(text) or (None if _VALUE.match(text) else _UNOPENED.match(text))
    if not found:
        return "", text
    return found.group(1).strip("\n"), text[found.end() :]


@dataclass(slots=True)
class ThinkSplitter:
    """The same for a stream, whose pieces may cut a tag anywhere.

    ``feed`` and ``close`` give (reasoning, text). What follows the opening tag goes out as
    reasoning at once, so a block that never closes ends as such.
    """

    _place: str = "start"
    _held: str = ""
    _begun: bool = False

    def feed(self, text: str) -> tuple[str, str]:
        if self._place == "text":
            return "", text
        self._held += text
        if self._place == "start":
            self._open()
        thought = self._thought() if self._place == "thought" else ""
        # The blank lines behind the block are its own, however they are cut.
        if self._place == "after":
            self._held = self._held.lstrip()
            self._place = "text" if self._held else "after"
        return thought, self._release() if self._place == "text" else ""

    def close(self) -> tuple[str, str]:
        """What was held back in case a tag should follow."""
        held, place = self._release(), self._place
        self._place = "text"
        if place == "thought":
            return held.rstrip("\n"), ""
        return "", held if place == "start" else ""

    def _open(self) -> None:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._place, self._held = "thought", start[len(_OPEN) :]
        # Not even the beginning of the tag: from here on all is text, and nothing is looked at again.
        elif not _OPEN.startswith(start):
            self._place = "text"

    def _thought(self) -> str:
        if not self._begun:
            self._held = self._held.lstrip("\n")
        head, closed, rest = self._held.partition(_CLOSE)
        if closed:
            self._place, self._held = "after", rest
            return head.rstrip("\n")
        # Blank lines and the beginning of a tag wait for what follows them.
        cut = next((n for n in range(len(_CLOSE) - 1, 0, -1) if head.endswith(_CLOSE[:n])), 0)
        safe = head[: len(head) - cut].rstrip("\n")
        self._held = head[len(safe) :]
        self._begun = self._begun or bool(safe)
        return safe

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held
