"""Every row: complete, reachable by each of its names, and priced where it can be."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from prompture import catalog, drivers
from prompture.drivers import classes, registry
from prompture.drivers.base import AsyncDriver, Driver
from prompture.drivers.inprocess import AsyncInProcessDriver, InProcessDriver
from prompture.drivers.provider import Provider
from prompture.errors import ConfigurationError, MissingKey, UnknownModel
from prompture.provider_names import ALIASES
from prompture.schema.rewriting.dialects import dialect_named
from prompture.types import Request, user
from tests.recordings import cases

ROWS = [registry.find(name) for name in registry.BUILTIN]
HTTP = [row for row in ROWS if row.codec.__class__.__name__ != "_NoCodec"]
FOLDER = Path(registry.__file__).parent
SETTINGS = {
    "account": "acc",
    "endpoint": "https://r.openai.azure.com",
    "project": "p",
    "region": "us-east-1",
    "base_url": "https://example.com/v1",
}


def ids(value: Any) -> str | None:
    return value.name if isinstance(value, Provider) else None


def settings(row: Provider) -> dict[str, Any]:
    """What a row needs to be made."""
    given: dict[str, Any] = {k: v for k, v in SETTINGS.items() if k in row.options}
    if row.codec.__class__.__name__ == "_NoCodec":
        return given
    given["api_key"] = "k"
    if "{base_url}" in row.base_url:
        given["base_url"] = SETTINGS["base_url"]
    return given


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_row(row: Provider) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", row.name)
    assert row.title and row.docs
    assert row.docs.startswith(("https://", "docs/"))
    assert row.key_env or not row.key_required
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in (*row.key_env, *row.url_env))
    assert dialect_named(row.features.schema_dialect)
    assert row.base_url.startswith(("https://", "http://127.0.0.1", "{")) or row.local
    assert not row.base_url.endswith("/")
    assert set(row.option_env) <= set(row.options)
    if row.route:
        asked = [Request(model=m, messages=(user("x"),)) for m in ("gpt-4o", "gpt-5-pro", "m")]
        assert {row.route(r) for r in asked} <= {None, *row.codecs}


@pytest.mark.parametrize("row", [r for r in ROWS if r.catalog and r.default_model], ids=ids)
def test_default_model_is_known(row: Provider) -> None:
    entry = catalog.find(row.catalog, row.default_model)
    assert entry is not None, f"{row.catalog} has no {row.default_model}"


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_both_colours(row: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    model = row.default_model or "some-model"
    others = [alias for alias, own in ALIASES.items() if own == row.name]
    for name in (row.name, row.name.upper(), *others):
        for separator in "/:":
            sync = classes.driver_for(f"{name}{separator}{model}", **settings(row))
            aio = classes.async_driver_for(f"{name}{separator}{model}", **settings(row))
            assert isinstance(sync, (Driver, InProcessDriver))
            assert isinstance(aio, (AsyncDriver, AsyncInProcessDriver))
            assert sync.name == aio.name == f"{row.name}/{model}"
            assert sync.supports_messages and aio.supports_json_schema == sync.supports_json_schema


@pytest.mark.parametrize("row", HTTP, ids=ids)
def test_its_classes_are_found_by_name(row: Provider) -> None:
    sync, aio = classes.drivers_of(row)
    stem = registry.BUILTIN[row.name][2]
    assert sync is getattr(drivers, f"{stem}Driver")
    assert aio is getattr(drivers, f"Async{stem}Driver")
    assert (sync.__name__, aio.__name__) == (f"{stem}Driver", f"Async{stem}Driver")
    assert type(classes.driver_for(f"{row.name}/m", **settings(row))) is sync
    assert pickle.loads(pickle.dumps(sync)) is sync


def test_type_checkers_see_the_same_classes() -> None:
    stub = ast.parse(Path(drivers.__file__).with_suffix(".pyi").read_text("utf-8"))
    listed = {node.name for node in stub.body if isinstance(node, ast.ClassDef)}
    for node in stub.body:
        listed |= {each.name for each in node.names} if isinstance(node, ast.ImportFrom) else set()
    assert all(getattr(drivers, name) for name in listed)
    assert {name for name in dir(drivers) if name.endswith("Driver")} <= listed


@pytest.mark.parametrize("row", [r for r in ROWS if r.key_required], ids=ids)
def test_missing_key_names_the_variables(row: Provider) -> None:
    given = {k: v for k, v in settings(row).items() if k != "api_key"}
    with pytest.raises(MissingKey) as caught:
        classes.driver_for(f"{row.name}/m", **given)
    assert all(name in str(caught.value) for name in row.key_env)


@pytest.mark.parametrize("row", [r for r in HTTP if r.key_env], ids=ids)
def test_the_first_variable_that_is_set_wins(
    row: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {k: v for k, v in settings(row).items() if k != "api_key"}
    for number, name in reversed(list(enumerate(row.key_env))):
        monkeypatch.setenv(name, f"key-{number}")
        assert classes.driver_for(f"{row.name}/m", **given).endpoint.api_key == f"key-{number}"
    monkeypatch.setenv(row.key_env[0], "")
    if len(row.key_env) > 1:
        assert classes.driver_for(f"{row.name}/m", **given).endpoint.api_key == "key-1"


@pytest.mark.parametrize("row", [r for r in HTTP if r.url_env], ids=ids)
def test_base_url_from_the_environment(row: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(row.url_env[0], "http://proxy.example/x/")
    given = {k: v for k, v in settings(row).items() if k != "base_url"}
    assert (
        classes.driver_for(f"{row.name}/m", **given).endpoint.base_url == "http://proxy.example/x"
    )
    given["base_url"] = "http://mine.example"
    assert classes.driver_for(f"{row.name}/m", **given).endpoint.base_url == "http://mine.example"


def test_required_options() -> None:
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_ACCOUNT_ID"):
        classes.driver_for("cloudflare/m", api_key="k")
    with pytest.raises(ConfigurationError, match="unknown setting 'nope'"):
        classes.driver_for("openai/m", api_key="k", nope="x")
    with pytest.raises(ConfigurationError, match="OPENAI_COMPATIBLE_BASE_URL"):
        classes.driver_for("openai-compatible/m")


def test_unknown_names() -> None:
    for name, near in {"opnai": "openai", "grog": "groq", "mistal": "mistral"}.items():
        with pytest.raises(UnknownModel, match=near):
            classes.driver_for(f"{name}/m")
    with pytest.raises(UnknownModel, match="openai, claude"):
        classes.driver_for("zzzzzzzz/m")


def test_every_recorded_provider_is_a_name() -> None:
    recorded = {case.provider for case in cases()}
    if not recorded:
        pytest.skip("needs the folder ../shared (or PROMPTURE_SHARED), which is not here")
    for name in sorted(recorded):
        assert registry.find(name)


@pytest.mark.parametrize("name", [n for n, where in registry.BUILTIN.items() if where[0] == "rows"])
def test_a_compatible_provider_is_short(name: str) -> None:
    """One whose wire is OpenAI's is a row of at most 26 lines."""
    text = (FOLDER / "rows.py").read_text("utf-8")
    row = text.partition(f"\n{registry.BUILTIN[name][1]} = Provider(")[2].partition("\n)\n")[0]
    assert 8 <= len(row.splitlines()) <= 26


@pytest.mark.parametrize("row", HTTP, ids=ids)
def test_no_key_in_sight(row: Provider) -> None:
    driver = classes.driver_for(f"{row.name}/m", **{**settings(row), "api_key": "sk-secret-1"})
    assert "sk-secret" not in f"{driver!r}{driver.endpoint!r}{driver.name}"
