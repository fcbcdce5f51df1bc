"""Cohere. Docs: https://docs.cohere.com/reference/chat"""

from __future__ import annotations

from dataclasses import replace

from prompture.codecs.cohere import Cohere, can_be_forced, sees
from prompture.codecs.cohere_answer import billed
from prompture.drivers.provider import Features, Provider


def narrow(model: str, features: Features) -> Features:
    """Vision came with the vision models and Command A+, tool_choice with Command R7B."""
    return replace(features, vision=sees(model), forced_tool=can_be_forced(model))


ROW = Provider(
    name="cohere",
    title="Cohere",
    codec=Cohere(),
    base_url="https://api.cohere.com",
    key_env=("CO_API_KEY", "COHERE_API_KEY"),
    url_env=("CO_API_URL",),
    default_model="command-a-03-2025",
    docs="https://docs.cohere.com/reference/chat",
    catalog="cohere",
    # ``response_format`` is refused beside tools.
    features=Features(vision=True, schema_with_tools=False, schema_dialect="cohere"),
    narrow=narrow,
    billed=billed,
)
