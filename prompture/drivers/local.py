"""``local/rules``: extraction without a model, without a key, without a network.

It answers requests that carry a schema; the text it reads is the last user turn.
"""

from __future__ import annotations

import json

from prompture.codecs.turn_parts import is_plain
from prompture.drivers.inprocess import NO_CODEC
from prompture.drivers.provider import Features, Provider
from prompture.errors import ConfigurationError, MissingExtra, UnsupportedError
from prompture.types import Completion, Request, Usage

_OTHERWISE = (
    ", which local/rules, the default without an API key, needs; "
    "or set a provider's key (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...) to use its model"
)


class Rules:
    """The engine: reads labelled lines and tables. See ``prompture.rules``."""

    def __init__(self, model: str) -> None:
        if model != "rules":
            raise ConfigurationError(f"local/{model}: there is only local/rules")

    def answer(self, request: Request) -> Completion:
        """Raises UnsupportedError for a request without a schema or with pictures, and
        MissingExtra."""
        if request.schema is None:
            raise UnsupportedError(
                "local/rules extracts to a schema and does nothing else; name a model, "
                "such as openai/gpt-5-mini, for chat and tools"
            )
        from prompture.rules import extract

        turn = next((m for m in reversed(request.messages) if m.role == "user"), None)
        if turn and not is_plain(turn):
            raise UnsupportedError("local/rules reads text only: no images, no files")
        try:
            found = extract(request.schema, turn.text if turn else "")
        except MissingExtra as exc:
            raise MissingExtra(extra=exc.extra, package=exc.package, otherwise=_OTHERWISE) from exc
        return Completion(
            text=json.dumps(found.value, ensure_ascii=False, default=str),
            usage=Usage(requests=1, reported=True),
            model="rules",
            spans=found.spans,
        )


ROW = Provider(
    name="local",
    title="Local rules",
    codec=NO_CODEC,
    engine=Rules,
    base_url="",
    key_required=False,
    local=True,
    default_model="rules",
    features=Features(json_mode=False, tool_use=False, reasks=False, schema_dialect="plain"),
    docs="docs/rules.md",
)
