"""What each of Cohere's models takes, read off its name.

Sources: https://docs.cohere.com/docs/models, https://docs.cohere.com/docs/reasoning and
https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

import re
from typing import Any

from prompture.errors import UnsupportedError

_BLIND = re.compile(
    r"command($|-light|-nightly|-r|-a-03|-a-reasoning|-a-translate)|c4ai-(aya-expanse|command)"
)
_UNTHINKING = re.compile(
    r"command($|-light|-nightly|-r|-a-03|-a-vision|-a-translate)|c4ai-(aya|command)"
)
_UNFORCED = re.compile(r"command($|-light|-nightly|-r($|-0\d-2024)|-r-plus)")


def sees(model: str) -> bool:
    """Whether the model may see images; one that nobody knows may."""
    return not _BLIND.match(model)


def can_be_forced(model: str) -> bool:
    """Whether ``tool_choice`` is understood: from command-r7b on."""
    return not _UNFORCED.match(model)


def thinking(model: str, reasoning: str | int) -> dict[str, Any] | None:
    """``thinking`` for an effort or a budget in tokens; None where there is nothing to say.

    It is on or off here, with or without a budget: every effort but ``"none"`` turns it on.
    """
    off = reasoning in ("none", 0)
    if _UNTHINKING.match(model):
        if off:
            return None
        raise UnsupportedError(f"{model} does not think: leave reasoning out")
    if off:
        return {"type": "disabled"}
    if isinstance(reasoning, int):
        return {"type": "enabled", "token_budget": reasoning}
    return {"type": "enabled"}
