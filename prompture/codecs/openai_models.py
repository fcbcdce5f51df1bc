"""The list of models as OpenAI and its copies give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompture.errors import ProtocolError
from prompture.types import JSON, ModelInfo
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

_CONTEXT = ("context_length", "context_window", "max_context_length", "max_model_len")
_OUTPUT = ("max_completion_tokens", "max_output_tokens")


def read_models(response: HTTPResponse) -> list[ModelInfo]:
    """``{"data": [...]}`` or a bare list. Raises ProtocolError for anything else."""
    body = response.json()
    rows = body.get("data", body.get("models")) if isinstance(body, Mapping) else body
    if not isinstance(rows, list):
        raise ProtocolError(f"no list of models in {shape(body)}")
    return [_model(row) for row in rows if isinstance(row, Mapping)]


def _model(row: JSON) -> ModelInfo:
    return ModelInfo(
        id=str(row.get("id") or row.get("name") or ""),
        created=_whole(row.get("created")),
        owner=row.get("owned_by") if isinstance(row.get("owned_by"), str) else None,
        context_tokens=_first(row, _CONTEXT),
        output_tokens=_first(row, _OUTPUT),
        raw=row,
    )


def _first(row: JSON, names: tuple[str, ...]) -> int | None:
    return next((n for name in names if (n := _whole(row.get(name))) is not None), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    return None
