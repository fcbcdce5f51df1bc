"""llama.cpp's own opinion of schemas rewritten for it, and of answers made under its grammar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from prompture.schema import rewrite
from tests.llama.fixtures import Llama


def schemas(folder: Path, step: int = 1) -> dict[str, Any]:
    paths = sorted(folder.glob("*/*.json"))[::step]
    return {
        f"{path.parent.name}/{path.name}": json.loads(path.read_text())["schema"] for path in paths
    }


def test_schemas_become_grammars(llama_server: Llama, shared: Path) -> None:
    """The server compiles the grammar before the first token, and refuses what it does not understand."""
    refused = {}
    found = schemas(shared / "schemas", step=5)
    for name, schema in found.items():
        answer = _answer(llama_server, rewrite(schema, "ollama", exact=True).schema, tokens=1)
        if "error" in answer:
            refused[name] = answer["error"]
    assert len(found) > 80
    assert refused == {}


def test_the_server_refuses_what_is_no_grammar(llama_server: Llama) -> None:
    """So that the test above can fail."""
    assert "error" in _answer(llama_server, {"type": "nonsense"}, tokens=1)


def test_constrained_answers_restore_to_valid_values(llama_server: Llama, shared: Path) -> None:
    """Whatever is invalid is so for a reason that the report of changes told beforehand."""
    valid = unexplained = 0
    for name, schema in schemas(shared / "schemas", step=19).items():
        found = rewrite(schema, "ollama", exact=True)
        text = _ask(llama_server, found.schema)
        if text is None:
            continue  # the tiny model did not come to an end
        answer = json.loads(text)
        check = validator_for(schema, default=Draft202012Validator)(schema)
        if check.is_valid(found.restore(answer)):
            valid += 1
        elif not found.unenforced:
            unexplained += 1
            print(name, answer)
    assert valid >= 8
    assert unexplained == 0


OPENAI = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "who"},
        "scores": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "maxProperties": 2,
        },
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "boolean"}, {"enum": ["a", 1]}],
            "minItems": 2,
            "items": False,
        },
        "note": {"type": "string"},
    },
    "required": ["name", "scores", "pair"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "moonshot", "gemini"])
def test_answers_in_other_dialects_restore_too(llama_server: Llama, dialect: str) -> None:
    """The grammar stands in for a provider that enforces its strict mode."""
    found = rewrite(OPENAI, dialect, exact=True)
    text = _ask(llama_server, found.schema)
    assert text is not None
    back = found.restore(json.loads(text))
    errors = [error.validator for error in Draft202012Validator(OPENAI).iter_errors(back)]
    assert set(errors) <= {"maxProperties"}


def _ask(server: Llama, schema: Any) -> str | None:
    """One answer under the grammar of the schema; None if it was cut off."""
    answer = _answer(server, schema, tokens=700)
    assert "error" not in answer, answer["error"]
    choice = answer["choices"][0]
    return choice["message"]["content"] if choice["finish_reason"] == "stop" else None


def _answer(server: Llama, schema: Any, *, tokens: int) -> Any:
    asked = {"name": "answer", "strict": True, "schema": schema}
    body = {
        "model": server.model,
        "messages": [{"role": "user", "content": "go"}],
        "max_tokens": tokens,
        "seed": 1,
        "temperature": 0.6,
        "response_format": {"type": "json_schema", "json_schema": asked},
    }
    return requests.post(f"{server.base_url}/chat/completions", json=body, timeout=60).json()
