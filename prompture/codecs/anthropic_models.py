"""What each family of Claude models takes and refuses.

Sources: https://platform.claude.com/docs/en/about-claude/models, .../build-with-claude/thinking,
.../structured-outputs, and recorded 400s. A name that tells no family is held to nothing: the
provider then says what it does not like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claude:
    """Rules of one family.

    ``structured``: output_config.format and strict tools. ``budget`` and ``adaptive``: the forms
    of thinking it takes. ``efforts``: what output_config.effort may be. ``must_think``: thinking
    cannot be turned off, and no tool can be forced. ``sampling``: temperature and top_p, under
    the API version of 2023. ``prefill``: the last message may be the assistant's.
    """

    structured: bool = True
    budget: bool = True
    adaptive: bool = True
    efforts: tuple[str, ...] = EFFORTS
    must_think: bool = False
    sampling: bool = True
    prefill: bool = True


_LINE = r"(opus|sonnet|haiku|fable|mythos)"
_NEW = re.compile(rf"claude-{_LINE}-(\d)(?:[-.](\d{{1,2}}))?(?!\d)")
_OLD = re.compile(rf"claude-(\d)(?:[-.](\d))?-{_LINE}")
_OLDEST = re.compile(r"claude-(?:instant|v?[12](?!\d))")


@lru_cache(maxsize=256)
def claude(model: str) -> Claude:
    """The rules for a model name, also one with a region, a vendor or a date around it."""
    name = model.lower()
    if found := _NEW.search(name):
        return _rules(found[1], (int(found[2]), int(found[3] or 0)))
    if found := _OLD.search(name):
        return _rules(found[3], (int(found[1]), int(found[2] or 0)))
    if _OLDEST.search(name):
        return _rules("", (2, 0))
    if "claude-mythos" in name or "claude-fable" in name:
        return _rules("mythos", (5, 0))
    return Claude()


def _rules(line: str, version: tuple[int, int]) -> Claude:
    top = line in ("fable", "mythos")
    return Claude(
        structured=version >= ((4, 1) if line == "opus" else (4, 5)),
        budget=version >= (3, 7) and not top and (version < (4, 7) or line == "haiku"),
        adaptive=version >= (4, 6),
        efforts=_efforts(line, version),
        must_think=top or (version >= (5, 5) and line in ("opus", "sonnet")),
        sampling=version <= (4, 6) and not top,
        prefill=version < (4, 6) and not top,
    )


def _efforts(line: str, version: tuple[int, int]) -> tuple[str, ...]:
    if version >= (4, 7):
        return EFFORTS
    if version == (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if (line, version) == ("opus", (4, 5)) else ()
