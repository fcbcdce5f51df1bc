"""The schema in the prompt, for servers that hold a model to a schema without showing it.

A grammar keeps an answer within the schema, but the model never reads the schema, nor the
descriptions in it: both must be in the prompt too (llama.cpp, Ollama, LM Studio).
"""

from __future__ import annotations

import json
from typing import Any

from prompture.types import JSON


def schema_words(schema: JSON) -> str:
    """The instruction to answer with JSON that is valid under a schema."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with JSON only, valid under this JSON Schema:\n{text}"


def instruct(messages: list[dict[str, Any]], words: str) -> None:
    """Put ``words`` at the end of the first system turn of wire messages, or make one."""
    first = messages[0] if messages else {}
    if first.get("role") != "system":
        messages.insert(0, {"role": "system", "content": words})
    elif isinstance(first["content"], str):
        messages[0] = {**first, "content": f"{first['content']}\n\n{words}".lstrip()}
    else:
        messages[0] = {**first, "content": [*first["content"], {"type": "text", "text": words}]}
