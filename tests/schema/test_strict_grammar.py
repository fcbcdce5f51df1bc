"""llama.cpp's own opinion of schemas rewritten for it, and of answers made under its grammar."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from prompture.schema import rewrite
from tests.llama.fixtures import Llama

# One process for all: the converter is native code, and a fault in it must not end the tests.
CONVERT = """
import json, sys
from xllamacpp import json_schema_to_grammar
for line in sys.stdin:
    try:
        print(len(json_schema_to_grammar(json.loads(line))))
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[:1])
"""


def schemas(folder: Path, step: int = 1) -> dict[str, Any]:
    paths = sorted(folder.glob("*/*.json"))[::step]
    return {
        f"{path.parent.name}/{path.name}": json.loads(path.read_text())["schema"] for path in paths
    }


def test_every_schema_becomes_a_grammar(shared: Path) -> None:
    pytest.importorskip("xllamacpp")
    found = schemas(shared / "schemas")
    lines = "\n".join(json.dumps(rewrite(schema, "ollama").schema) for schema in found.values())
    done = subprocess.run(
        [sys.executable, "-c", CONVERT],
        input=lines,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    sizes = done.stdout.splitlines()
    assert len(sizes) == len(found)
    assert [row for row in zip(found, sizes, strict=True) if not row[1].isdigit()] == []


def test_constrained_answers_restore_to_valid_values(llama_server: Llama, shared: Path) -> None:
    """Whatever is invalid is so for a reason that the report of changes told beforehand."""
    valid = unexplained = 0
    for name, schema in schemas(shared / "schemas", step=19).items():
        found = rewrite(schema, "ollama")
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
    found = rewrite(OPENAI, dialect)
    text = _ask(llama_server, found.schema)
    assert text is not None
    back = found.restore(json.loads(text))
    errors = [error.validator for error in Draft202012Validator(OPENAI).iter_errors(back)]
    assert set(errors) <= {"maxProperties"}


def _ask(server: Llama, schema: Any) -> str | None:
    """One answer under the grammar of the schema; None if it was cut off."""
    asked = {"name": "answer", "strict": True, "schema": schema}
    body = {
        "model": server.model,
        "messages": [{"role": "user", "content": "go"}],
        "max_tokens": 700,
        "seed": 1,
        "temperature": 0.6,
        "response_format": {"type": "json_schema", "json_schema": asked},
    }
    answer = requests.post(f"{server.base_url}/chat/completions", json=body, timeout=60).json()
    assert "error" not in answer, answer["error"]
    choice = answer["choices"][0]
    return choice["message"]["content"] if choice["finish_reason"] == "stop" else None
