"""How much Claude shall think: our one ``reasoning`` option in Anthropic's two forms.

Source: https://platform.claude.com/docs/en/build-with-claude/thinking
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prompture.codecs.anthropic_models import Claude
from prompture.errors import UnsupportedError
from prompture.types import Request

MIN_BUDGET = 1024
DEFAULT_MAX_TOKENS = 4096
"""Sent where neither the caller nor the catalog names a limit: every Claude model allows it."""
_BUDGETS = {"minimal": 1024, "low": 4096, "medium": 8192, "high": 16384, "max": 32000}
"""Tokens for an effort, for families that know budgets only; at most 3/4 of ``max_tokens``."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """``block`` is the body's ``thinking`` (None to leave it out)."""

    max_tokens: int
    block: dict[str, Any] | None = None
    effort: str | None = None
    on: bool = field(default=False)


def thinking(request: Request, rules: Claude) -> Thinking:
    """Raises UnsupportedError where the model cannot think so, or not that little or much."""
    limit = request.max_tokens if request.max_tokens is not None else DEFAULT_MAX_TOKENS
    asked = request.reasoning
    if asked is None:
        return Thinking(limit, on=rules.must_think)
    if asked in ("none", 0):
        return Thinking(limit, _off(request, rules))
    if isinstance(asked, int):
        return _with_budget(request, rules, asked)
    if rules.efforts and not rules.adaptive:  # Opus 4.5: a budget, and an effort beside it
        budget = _budget(request, rules, asked, limit)
        return Thinking(limit, _enabled(budget), _effort(request, rules, asked), on=True)
    if rules.adaptive:
        block: dict[str, Any] = {"type": "adaptive"}
        if not rules.budget:  # families whose thinking is hidden unless it is asked for
            block["display"] = "summarized"
        return Thinking(limit, block, _effort(request, rules, asked), on=True)
    return Thinking(limit, _enabled(_budget(request, rules, asked, limit)), on=True)


def _off(request: Request, rules: Claude) -> dict[str, Any] | None:
    if rules.must_think:
        raise UnsupportedError(f"{request.model} always thinks; reasoning='low' is the least")
    return {"type": "disabled"} if rules.budget or rules.adaptive else None


def _with_budget(request: Request, rules: Claude, budget: int) -> Thinking:
    if not rules.budget:
        hint = f"an effort ({', '.join(rules.efforts)}) instead" if rules.efforts else "none"
        raise UnsupportedError(f"{request.model} takes no budget of thinking tokens; give {hint}")
    limit = request.max_tokens if request.max_tokens is not None else budget + DEFAULT_MAX_TOKENS
    if budget < MIN_BUDGET or budget >= limit:
        raise UnsupportedError(
            f"{request.model}: a thinking budget is at least {MIN_BUDGET} tokens and less than"
            f" max_tokens ({limit}), not {budget}"
        )
    return Thinking(limit, _enabled(budget), on=True)


def _enabled(budget: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": budget}


def _effort(request: Request, rules: Claude, asked: str) -> str:
    # Anthropic has no "minimal"; "low" is its least.
    effort = "low" if asked == "minimal" else asked
    if effort not in rules.efforts:
        known = ", ".join(rules.efforts)
        raise UnsupportedError(
            f"reasoning: {request.model} has no effort {asked!r}; it knows {known}"
        )
    return effort


def _budget(request: Request, rules: Claude, asked: str, limit: int) -> int:
    if not rules.budget:
        raise UnsupportedError(f"{request.model} cannot think; leave reasoning out")
    if asked not in _BUDGETS:
        known = ", ".join(_BUDGETS)
        raise UnsupportedError(
            f"reasoning: {request.model} has no effort {asked!r}; it knows {known}"
        )
    budget = min(_BUDGETS[asked], limit * 3 // 4)
    if budget < MIN_BUDGET:
        raise UnsupportedError(
            f"{request.model}: thinking needs max_tokens of at least"
            f" {MIN_BUDGET * 4 // 3 + 1}, not {limit}"
        )
    return budget
