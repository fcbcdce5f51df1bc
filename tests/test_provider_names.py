"""One table of other names; whoever else keeps one is found."""

from __future__ import annotations

import ast
from pathlib import Path

import prompture
from prompture.drivers import registry
from prompture.provider_names import ALIASES, catalog_key, own_name
from prompture.schema.rewriting.dialects import dialect_named

PACKAGE = Path(prompture.__file__).parent


def tables_of_aliases(path: Path) -> list[str]:
    """Dicts that give three or more aliases another name: keys that are none of ours themselves."""
    others = set(ALIASES) - set(registry.BUILTIN)
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            texts = [
                k.value
                for k, v in pairs
                if isinstance(k, ast.Constant) and isinstance(v, ast.Constant) and k.value in others
            ]
            if len(texts) >= 3:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {texts}")
    return found


def test_there_is_no_other_table() -> None:
    tables = [found for path in PACKAGE.rglob("*.py") for found in tables_of_aliases(path)]
    assert [each.partition(":")[0] for each in tables] == ["provider_names.py"]


def test_each_alias_leads_to_a_row() -> None:
    for alias, name in ALIASES.items():
        assert alias == alias.lower() and name in registry.BUILTIN and name not in ALIASES
        assert (
            registry.find(alias).name
            == registry.find(alias.upper()).name
            == own_name(alias)
            == name
        )


def test_the_catalog_has_the_key_of_the_row() -> None:
    for name in registry.BUILTIN:
        row = registry.find(name)
        if row.catalog:
            assert catalog_key(name) == row.catalog == catalog_key(row.catalog)
    assert catalog_key("llama.cpp") == catalog_key("airllm") == "local"
    assert catalog_key("zhipuai") == "zhipuai"  # a provider of its own in models.dev
    assert catalog_key("no-such") == "no-such"


def test_a_providers_name_is_that_of_its_dialect() -> None:
    for name, wanted in (("kimi", "moonshot"), ("x-ai", "xai"), ("llama_cpp", "ollama"),
                         ("Azure", "openai"), ("aws", "anthropic"), ("gemini", "gemini")):  # fmt: skip
        assert dialect_named(name).name == wanted
