"""What each family of Claude models takes and refuses.

Sources: https://platform.claude.com/docs/en/about-claude/models, .../build-with-claude/thinking,
.../structured-outputs, and recorded 400s. A name that tells no family is held to nothing: the
provider then says what it does not like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from prompture.codecs.options import check_temperature, unknown_effort
from prompture.errors import UnsupportedError
from prompture.types import Request

EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claude:
    """Rules of one family.

    ``structured``: output_config.format and strict tools. ``budget`` and ``adaptive``: the forms
    of thinking it takes. ``efforts``: what output_config.effort may be. ``must_think``: thinking
    cannot be turned off, and no tool can be forced. ``sampling``: temperature and top_p, under
    the API version of 2023. ``one_sampler``: of these two one at a time. ``prefill``: the last
    message may be the assistant's.
    """

    structured: bool = True
    budget: bool = True
    adaptive: bool = True
    efforts: tuple[str, ...] = EFFORTS
    must_think: bool = False
    sampling: bool = True
    one_sampler: bool = False
    prefill: bool = True


_LINE = r"(opus|sonnet|haiku|fable|mythos)"
_NEW = re.compile(rf"claude-{_LINE}-(\d)(?:[-.](\d{{1,2}}))?(?!\d)")
_OLD = re.compile(rf"claude-(\d)(?:[-.](\d))?-{_LINE}")
_OLDEST = re.compile(r"claude-(?:instant|v?[12](?!\d))")


@lru_cache(maxsize=256)
def claude(model: str) -> Claude:
    """The rules for a model name, also one with a region, a vendor or a date around it."""
    name = model.lower()
    # claude-sonnet-4-5, then claude-3-5-sonnet, then names without a line.
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
        # "`temperature` and `top_p` cannot both be specified for this model" (HTTP 400).
        one_sampler=version >= (4, 1) and line != "",
        prefill=version < (4, 6) and not top,
    )


def _efforts(line: str, version: tuple[int, int]) -> tuple[str, ...]:
    if version >= (4, 7):
        return EFFORTS
    if version == (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if (line, version) == ("opus", (4, 5)) else ()


def check_samplers(request: Request, rules: Claude, sent: dict[str, Any], top_p: str) -> None:
    """Leave the one out that says nothing (1 is the default of both), where a model takes only one
    of temperature and top_p. Raises UnsupportedError."""
    check_temperature(request, 1)
    if not rules.one_sampler or not {"temperature", top_p} <= sent.keys():
        return
    usual = next((name for name in (top_p, "temperature") if sent[name] == 1), None)
    if usual is None:
        raise UnsupportedError(
            f"{request.model} takes temperature or top_p, not both; leave one of them out"
        )
    del sent[usual]


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
    on: bool = False

    @property
    def budgeted(self) -> bool:
        """Whether it thinks on a budget of tokens."""
        return self.block is not None and "budget_tokens" in self.block


def thinking(request: Request, rules: Claude) -> Thinking:
    """Raises UnsupportedError where the model cannot think so, or not that little or much."""
    limit = request.max_tokens if request.max_tokens is not None else DEFAULT_MAX_TOKENS
    asked = request.reasoning
    # Where thinking cannot be turned off it counts as on, whose rules are stricter.
    if asked is None:
        return Thinking(limit, on=rules.must_think)
    # 0 tokens of thinking is no thinking.
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


def refuse_forcing(request: Request, rules: Claude, plan: Thinking) -> None:
    """Raise UnsupportedError where thinking forbids that a tool is demanded."""
    if rules.must_think or plan.budgeted:
        why = "always thinks" if rules.must_think else "thinks on a budget here"
        raise UnsupportedError(
            f"{request.model} {why} and cannot be made to call a tool; use a schema or 'auto'"
        )


def _off(request: Request, rules: Claude) -> dict[str, Any] | None:
    if rules.must_think:
        raise UnsupportedError(f"{request.model} always thinks; reasoning='low' is the least")
    return {"type": "disabled"} if rules.budget or rules.adaptive else None


def _with_budget(request: Request, rules: Claude, budget: int) -> Thinking:
    if not rules.budget:
        hint = f"an effort ({', '.join(rules.efforts)}) instead" if rules.efforts else "none"
        raise UnsupportedError(f"{request.model} takes no budget of thinking tokens; give {hint}")
    # The caller's budget is for thinking alone: the tokens for the answer comes on top.
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
        raise unknown_effort(request, rules.efforts)
    return effort


def _budget(request: Request, rules: Claude, asked: str, limit: int) -> int:
    if not rules.budget:
        raise UnsupportedError(f"{request.model} cannot think; leave reasoning out")
    if asked not in _BUDGETS:
        raise unknown_effort(request, _BUDGETS)
    # A budget counts within max_tokens: a quarter is left for the answer.
    budget = min(_BUDGETS[asked], limit * 3 // 4)
    if budget < MIN_BUDGET:
        raise UnsupportedError(
            f"{request.model}: thinking needs max_tokens of at least"
            f" {MIN_BUDGET * 4 // 3 + 1}, not {limit}"
        )
    return budget
