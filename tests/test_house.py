"""The order of the house: the limits of scripts/house.py and scripts/hops.py, the picture, and the
imports: no circles, lazy ones and those of the type checker included, and none by hidden ways.

The floors are in pyproject.toml (import-linter); it sees imports within functions, too.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import house  # noqa: E402

IMPORTING_BY_NAME = {
    "prompture.agents": "its own modules, on first use",
    "prompture.cli": "the module of a command, when it is called",
    "prompture.cli.schema": "the module that a user names",
    "prompture.documents": "the reader of a kind of file, when one comes",
    "prompture.drivers": "what it exports, on first use",
    "prompture.drivers.classes": "the module of a provider's own class, when it is asked for",
    "prompture.drivers.registry": "the module of a provider, when it is asked for",
    "prompture.rules.families": "a family of documents, when it is there",
    "prompture.schema": "its own modules, on first use",
    "prompture": "what it exports, on first use",
}
"""Modules that import by name, which no linter sees, and what for."""


@pytest.mark.parametrize(
    "rule",
    [
        house.long_modules,
        house.long_functions,
        house.banned_names,
        house.class_names_twice,
        house.file_names_twice,
    ],
)
def test_a_rule_holds(rule: object) -> None:
    assert rule(house.modules()) == []  # type: ignore[operator]


def test_there_are_few_files_and_few_anys() -> None:
    found = house.modules()
    assert len(found) <= house.FILES
    anys = 1000 * sum(m.anys for m in found) / sum(m.code_lines for m in found)
    assert anys <= house.ANY_PER_1000


def test_the_picture_is_that_of_the_imports() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert house.picture() in page, "run: python scripts/house.py --picture"


def test_architecture_names_what_there_is() -> None:
    """Its paths, and in a row of a table the names that it gives beside them."""
    for line in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines():
        code = ""
        for path in re.findall(r"[\w./]+\.(?:py|md)\b", line):
            places = [p for p in (ROOT / path, ROOT / house.PACKAGE / path) if p.is_file()]
            assert places, f"{path}: {line}"
            code += places[0].read_text(encoding="utf-8")
        if line.startswith("|") and code:
            names = re.findall(r"`(\w+)`", line)
            assert [name for name in names if not re.search(rf"\b{name}\b", code)] == [], line


def test_a_call_crosses_few_files() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "hops.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_circle() -> None:
    assert house.circles() == []


def test_no_import_by_name_that_is_not_listed() -> None:
    found = {module.name for module in house.modules() if _imports_by_name(module.tree)}
    assert found == set(IMPORTING_BY_NAME)


def _imports_by_name(tree: ast.Module) -> bool:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}
    return "import_module" in names


def test_relative_imports_are_understood() -> None:
    module = house.Module(house.ROOT / "prompture" / "schema" / "partial" / "items.py")
    package = house.Module(house.ROOT / "prompture" / "schema" / "__init__.py")
    one, two, three = ast.parse(
        "from .grammar import a\nfrom . import b\nfrom ..problems import c"
    ).body
    assert isinstance(one, ast.ImportFrom)
    assert isinstance(two, ast.ImportFrom)
    assert isinstance(three, ast.ImportFrom)
    assert house._absolute(one, module) == "prompture.schema.partial.grammar"
    assert house._absolute(two, module) == "prompture.schema.partial"
    assert house._absolute(three, module) == "prompture.schema.problems"
    assert house._absolute(one, package) == "prompture.schema.grammar"
