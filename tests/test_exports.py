"""Public names: each is there, and the lazy table and the type checker's imports agree."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

import prompture
from prompture import document_errors


@pytest.mark.parametrize("name", prompture.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(prompture, name) is not None


def test_each_module_has_what_it_exports() -> None:
    names = [m.name for m in walk_packages(prompture.__path__, "prompture.")]
    modules = [import_module(name) for name in names if not name.endswith("__main__")]
    missing = [
        f"{module.__name__}.{name}"
        for module in modules
        for name in getattr(module, "__all__", ())
        if getattr(module, name, None) is None
    ]
    assert missing == []


def test_dir_shows_them_and_others_are_refused() -> None:
    assert set(prompture.__all__) <= set(dir(prompture))
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = prompture.nothing_here  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        (prompture, "Book", "LedgerReader"),
        (prompture.catalog, "Features", "ModelFeatures"),
        (prompture.catalog, "Limits", "ModelLimits"),
    ],
)
def test_an_old_name_still_works_and_warns(module: ModuleType, old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now .*{new}") as warned:
        assert getattr(module, old) is getattr(module, new)
    assert warned[0].filename == __file__
    assert old not in module.__all__
    with pytest.raises(AttributeError, match="nothing_here"):
        getattr(module, "nothing_here")  # noqa: B009 - no name that a checker may refuse


def test_the_type_checker_sees_what_is_exported() -> None:
    tree = ast.parse(Path(prompture.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    missing = set(prompture._HOME_OF) - seen
    assert {n for n in missing if not hasattr(prompture.errors, n)} == set()


def test_every_error_is_exported() -> None:
    errors = prompture.errors
    named = {
        n
        for n, v in vars(errors).items()
        if isinstance(v, type) and issubclass(v, errors.PromptureError)
    }
    assert named <= set(prompture.__all__)


@pytest.mark.parametrize("module", [prompture.errors, document_errors])
def test_the_tree_of_errors_is_drawn_as_it_is(module: ModuleType) -> None:
    drawn = module.__doc__ or ""
    parents: list[tuple[int, str]] = []
    for line in drawn.splitlines():
        if not line.strip().startswith("* "):
            continue
        depth = line.index("*")
        name = line.strip("* ").split()[0]
        parents = [(d, n) for d, n in parents if d < depth]
        if parents:
            parent = getattr(prompture, parents[-1][1])
            assert getattr(prompture, name).__bases__ == (parent,)
        parents.append((depth, name))
