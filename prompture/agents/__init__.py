"""Tool-calling loops: ``Agent``, ``Conversation``, ``tool``; see ``docs/agents.md``.

Nothing is imported until one of its names is used (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompture.agents.agent import Agent as Agent
    from prompture.agents.conversation import Conversation as Conversation
    from prompture.agents.events import AgentEvent as AgentEvent
    from prompture.agents.events import ApprovalNeeded as ApprovalNeeded
    from prompture.agents.events import Final as Final
    from prompture.agents.events import ModelFallback as ModelFallback
    from prompture.agents.events import ReasoningDelta as ReasoningDelta
    from prompture.agents.events import StepFinished as StepFinished
    from prompture.agents.events import TextDelta as TextDelta
    from prompture.agents.events import ToolFinished as ToolFinished
    from prompture.agents.events import ToolStarted as ToolStarted
    from prompture.agents.mcp import MCPServer as MCPServer
    from prompture.agents.resumption import WaitingForApproval as WaitingForApproval
    from prompture.agents.signatures import Context as Context
    from prompture.agents.tools import LATER as LATER
    from prompture.agents.tools import FunctionTool as FunctionTool
    from prompture.agents.tools import ToolRetry as ToolRetry
    from prompture.agents.tools import tool as tool
    from prompture.codecs.histories import close_calls as close_calls
    from prompture.traces import AgentResult as AgentResult
    from prompture.traces import Step as Step
    from prompture.traces import ToolUse as ToolUse
    from prompture.traces import Trace as Trace

_HOMES = {
    "prompture.agents.agent": "Agent",
    "prompture.agents.conversation": "Conversation",
    "prompture.agents.events": (
        "ApprovalNeeded AgentEvent Final ModelFallback ReasoningDelta StepFinished TextDelta"
        " ToolFinished ToolStarted"
    ),
    "prompture.agents.mcp": "MCPServer",
    "prompture.agents.resumption": "WaitingForApproval",
    "prompture.agents.signatures": "Context",
    "prompture.agents.tools": "FunctionTool LATER ToolRetry tool",
    "prompture.codecs.histories": "close_calls",
    "prompture.traces": "AgentResult Step ToolUse Trace",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
