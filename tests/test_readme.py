"""The README's examples run as they are printed, in order, each file in one namespace.

The first needs nothing. Where an example names a provider, a stub on loopback stands for it and
answers in that provider's dialect with a value that fits the schema: this shows that the calls
are right, not what a model would say.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import prompture
from prompture.extraction import model_drivers
from prompture.spend import ledger as ledgers
from scripts import handwritten_answers
from tests.loopback import Asked, Reply, json_reply, serving

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = (ROOT / "examples" / "documents" / "receipt.txt").read_text(encoding="utf-8")
STUBBED = {
    "openai": ("OPENAI", "OPENAI_BASE_URL", "/v1"),
    "groq": ("GROQ", "GROQ_BASE_URL", "/openai/v1"),
    "claude": ("ANTHROPIC", "ANTHROPIC_BASE_URL", ""),
    "google": ("GOOGLE", "GOOGLE_GEMINI_BASE_URL", "/v1beta"),
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def filled(schema: Any, root: Any) -> Any:
    """A value that fits the schema, as small as can be."""
    if name := schema.get("$ref"):
        return filled(root["$defs"][name.rpartition("/")[2]], root)
    if options := schema.get("anyOf"):
        return filled(options[0], root)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            names = schema.get("required", ())
            return {n: filled(schema["properties"][n], root) for n in names}
        case "array":
            return [filled(schema["items"], root)]
        case "number" | "integer":
            return 12
        case "boolean":
            return True
        case _:
            return "2024-05-03" if schema.get("format") == "date" else "ACME Ltd"


def schema_in(body: Any) -> Any:
    """The schema that a request asks for, wherever the dialect has it; None where there is none."""
    if isinstance(body, dict):
        for key in ("json_schema", "responseJsonSchema", "format"):
            inner = body.get(key)
            if isinstance(inner, dict):
                return inner.get("schema", inner)
        return next((found for v in body.values() if (found := schema_in(v))), None)
    return None


def answer(asked: Asked) -> Reply:
    """A provider, by the first part of the path."""
    provider, _, rest = asked.path.lstrip("/").partition("/")
    if asked.method == "GET":
        return json_reply({"object": "list", "data": [{"id": "gpt-5-mini", "object": "model"}]})
    body = asked.json()
    schema = schema_in(body)
    if schema is None:
        return handwritten_answers.answer(provider, asked, said="Red.")
    value = filled(schema, schema)
    Draft202012Validator(schema).validate(value)
    there = Asked(asked.method, "/" + rest, asked.headers, asked.body)
    return handwritten_answers.answer(provider, there, said=json.dumps(value))


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Asked]]:
    """Every provider that the README names, with a key; gives what they were asked."""
    with serving(answer) as server:
        for name, (key, url, path) in STUBBED.items():
            monkeypatch.setenv(f"{key}_API_KEY", f"{name}-key")
            monkeypatch.setenv(url, f"{server.url}/{name}{path}")
        monkeypatch.setattr(model_drivers, "_kept", {})
        yield server.asked


def run(block: str, names: dict[str, Any]) -> None:
    """Run a block, which may await at its top level."""
    code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)  # what ``exec`` is, for code that awaits
    if inspect.iscoroutine(result):
        asyncio.run(result)


def test_the_first_example_says_what_comes_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key or a stub; the comments beside the expressions are held to them."""
    pytest.importorskip("rapidfuzz")
    block = blocks("python")[0]
    names: dict[str, Any] = {}
    run(block, names)
    stated = dict(re.findall(r"^(result\.\w+)\s+# (.*)$", block, re.MULTILINE))
    assert repr(eval("result.value", names)) == stated["result.value"]
    shown = repr(dict(eval("result.sources", names)))
    for part in re.findall(r"'/\w+'|Span\([^.]*", stated["result.sources"]):
        assert part.rstrip(", ") in shown
    assert names["result"].cost.total == 0
    assert capsys.readouterr().out == ""


@pytest.fixture
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For the ledger that an example opens, which must not go on for the rest of the tests."""
    monkeypatch.chdir(tmp_path)
    yield
    for opened in list(ledgers._open.values()):
        opened.close()


@pytest.mark.usefixtures("_folder_of_its_own")
def test_the_other_examples_run(
    providers: list[Asked], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rapidfuzz")
    pytest.importorskip("pypdfium2")
    from tests.documents.pdf_files import one_page, stream

    first, *others = blocks("python")
    assert others
    names = {name: getattr(prompture, name) for name in prompture.__all__}
    names |= {"text": TEXT, "texts": [TEXT, TEXT], "Path": Path}
    Path("invoice.pdf").write_bytes(one_page(stream(b"BT /F1 9 Tf 60 700 Td (ACME) Tj ET")))
    with monkeypatch.context() as without:
        for key, _, _ in STUBBED.values():
            without.delenv(f"{key}_API_KEY")
        run(first, names)
    for block in others:
        run(block, names)
    assert {asked.path.split("/")[1] for asked in providers} == set(STUBBED)
    assert "Red." in capsys.readouterr().out


def commands() -> list[str]:
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [part.strip() for line in lines for part in line.split(" ; ") if part.strip()]


@pytest.mark.parametrize("command", commands())
def test_a_command_line_runs(command: str, providers: list[Asked], tmp_path: Path) -> None:
    """In a folder that holds the files it names."""
    pytest.importorskip("rapidfuzz")
    (tmp_path / "scan.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "models.py").symlink_to(ROOT / "examples" / "invoice.py")
    assert command.split()[0] == "prompture"
    local = "--model" not in command and " check " not in command
    env = {k: v for k, v in os.environ.items() if not (local and k.endswith("_API_KEY"))}
    done = subprocess.run(
        ["sh", "-c", command.replace("prompture", '"$PYTHON" -m prompture', 1)],
        cwd=tmp_path,
        env={**env, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_extra_and_variable_is_named() -> None:
    import re
    import tomllib

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    code = [p.read_text(encoding="utf-8") for p in (ROOT / "prompture").rglob("*.py")]
    variables = {found for text in code for found in re.findall(r"\bPROMPTURE_[A-Z_]+\b", text)}
    assert len(variables) > 5
    for name in {*project["optional-dependencies"], *variables} - {"test", "dev"}:
        assert f"`{name}`" in readme, name
