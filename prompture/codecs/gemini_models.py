"""What each family of Gemini models takes, read off the model's name.

Sources: https://ai.google.dev/gemini-api/docs/thinking and
https://ai.google.dev/gemini-api/docs/structured-output
"""

from __future__ import annotations

import re
from typing import Any

from prompture.codecs.model_families import Families
from prompture.errors import UnsupportedError

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_ANY_LEVEL = ("minimal", "low", "medium", "high", "xhigh")
_LEVELS: Families[tuple[str, ...]] = Families(
    # 3.1's image model is listed first: the patterns after it would take it for its sibling.
    (r"gemini-3\.1-flash-image", ("minimal", "high")),
    (r"gemini-3-pro", ("low", "high")),
    (r"gemini-3\.1-pro|gemini-3\.[78]-flash(?!-lite)", ("low", "medium", "high")),
    (
        r"gemini-3-flash|gemini-3\.1-flash|gemini-3\.[56]-flash",
        ("minimal", "low", "medium", "high"),
    ),
    otherwise=_ANY_LEVEL,
)
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}
_EFFORTS = ("none", *_ANY_LEVEL, "max")
_DYNAMIC = -1


def version(model: str) -> tuple[int, int] | None:
    """``(2, 5)`` for ``gemini-2.5-pro``; None for an alias such as ``gemini-flash-latest``."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def older_than_3(model: str) -> bool:
    """Whether the name has a version below 3; an alias points to a newer model."""
    known = version(model)
    return known is not None and known < (3, 0)


def thinking_config(model: str, reasoning: str | int) -> dict[str, Any] | None:
    """``thinkingConfig`` for an effort or a budget in tokens; None where there is nothing to say.

    From version 3 an effort is a ``thinkingLevel``; a number stays a ``thinkingBudget``, which
    those models still take (never both). 2.5 knows budgets only: efforts get the numbers that
    Google's OpenAI-compatible endpoint gives them.
    """
    known = version(model)
    if (known is not None and known < (2, 5)) or model.startswith(("gemma-3", "learnlm")):
        if reasoning in ("none", 0):
            return None
        raise UnsupportedError(f"{model} does not think: leave reasoning out")
    if isinstance(reasoning, str) and reasoning not in _EFFORTS:
        raise UnsupportedError(
            f"{model}: no reasoning effort {reasoning!r}; there are {', '.join(_EFFORTS)}"
        )
    if known is not None and known < (3, 0):
        return _budget(model, reasoning)
    if isinstance(reasoning, int):
        return {"thinkingBudget": reasoning, "includeThoughts": reasoning != 0}
    return _level(model, reasoning)


def _budget(model: str, reasoning: str | int) -> dict[str, Any]:
    pro = "-pro" in model
    if isinstance(reasoning, int):
        tokens = reasoning
    elif reasoning == "none":
        tokens = 0
    elif reasoning in ("xhigh", "max") and pro:
        tokens = 32768
    else:
        tokens = _BUDGETS.get(reasoning, 24576)
    if pro and tokens < 128 and tokens != _DYNAMIC:
        raise UnsupportedError(
            f"{model} cannot think with less than 128 tokens, nor not at all: use reasoning=128"
        )
    return {"thinkingBudget": tokens, "includeThoughts": tokens != 0}


def _level(model: str, effort: str) -> dict[str, Any]:
    allowed = _LEVELS.of(model)
    if effort == "max":
        effort = "high"
    if effort not in allowed:
        advice = f"the least is {allowed[0]!r}" if effort == "none" else f"it has {list(allowed)}"
        raise UnsupportedError(f"{model}: no reasoning effort {effort!r}; {advice}")
    return {"thinkingLevel": effort.upper(), "includeThoughts": True}
