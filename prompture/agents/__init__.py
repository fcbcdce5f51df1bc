"""Tool-calling loops: ``Agent``, ``Conversation``, ``tool``; see ``docs/agents.md``."""
