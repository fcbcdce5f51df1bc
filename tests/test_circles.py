"""Imports: no circles, lazy ones and those of the type checker included, and none by hidden ways.

The floors are in pyproject.toml (import-linter); it sees imports within functions, too.
"""

from __future__ import annotations

import ast

from scripts import house

NAMED = {
    "prompture.agents": "its own modules, on first use",
    "prompture.cli": "the module of a command, when it is called",
    "prompture.cli.schema": "the module that a user names",
    "prompture.drivers": "what it exports, on first use",
    "prompture.drivers.classes": "the module of a provider's own class, when it is asked for",
    "prompture.drivers.registry": "the module of a provider, when it is asked for",
    "prompture.rules.families": "a family of documents, when it is there",
    "prompture.schema": "its own modules, on first use",
    "prompture": "what it exports, on first use",
}
"""Modules that import by name, which no linter sees, and what for."""


def test_no_circle() -> None:
    assert house.circles() == []


def test_no_import_by_name_that_is_not_listed() -> None:
    found = {module.name for module in house.modules() if _imports_by_name(module.tree)}
    assert found == set(NAMED)


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
