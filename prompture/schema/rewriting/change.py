"""What a rewrite did, told to the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One thing the rewritten schema says differently.

    Attributes:
        pointer: JSON Pointer into the *original schema*.
        rewrite: which rewrite, such as ``"optional"``, ``"pairs"``, ``"text"``, ``"constraint"``.
        reason: what was done and which rule of the dialect asked for it.
        unenforced: the model is no longer made to obey something; only the local check sees to it.
    """

    pointer: str
    rewrite: str
    reason: str
    unenforced: bool = False

    def __str__(self) -> str:
        mark = " (only checked locally)" if self.unenforced else ""
        return f"{self.pointer or '/'}: {self.reason}{mark}"
