"""AirLLM: ``airllm/<folder>`` runs a Hugging Face model inside this process, layer by layer."""

from __future__ import annotations

from typing import Any

from prompture.drivers.inprocess import NO_CODEC
from prompture.drivers.provider import Engine, Features, Provider


def _engine(model: str, **settings: Any) -> Engine:
    from prompture.drivers.engines.airllm import AirLLM

    return AirLLM(model, **settings)


ROW = Provider(
    name="airllm",
    title="AirLLM",
    codec=NO_CODEC,
    engine=_engine,
    base_url="",
    key_required=False,
    local=True,
    default_model="",
    features=Features(schema_with_tools=False, schema_dialect="llamacpp"),
    docs="https://github.com/lyogavin/airllm",
)
