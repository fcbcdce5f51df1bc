"""The private names of other packages: a release without one fails here by its name, and nowhere
else, for each has a fallback."""

from __future__ import annotations

import inspect
import json.decoder
import pkgutil
import sys
from typing import Any

import pydantic_core
import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, TypeAdapter

from prompture import compat
from prompture.schema.source import source


def test_pydantic_core_takes_use_prebuilt() -> None:
    make: Any = pydantic_core.SchemaValidator
    assert make({"type": "int"}, None, _use_prebuilt=False).validate_python(1) == 1


def test_pydantic_has_create_schema_validator() -> None:
    from pydantic.plugin._schema_validator import create_schema_validator

    assert "_use_prebuilt" in inspect.signature(create_schema_validator).parameters


def test_a_type_adapter_has_type_and_config() -> None:
    adapter = TypeAdapter(list[int], config=ConfigDict(strict=True))
    assert adapter._type == list[int]  # type: ignore[attr-defined]
    assert adapter._config == {"strict": True}  # type: ignore[attr-defined]
    assert compat.adapter_config(adapter) == {"strict": True}


def test_pydantic_has_the_config_wrapper() -> None:
    assert pkgutil.resolve_name("pydantic._internal._config:ConfigWrapper").core_config


@pytest.mark.parametrize("method", [BaseModel.model_rebuild, TypeAdapter(int).rebuild])
def test_rebuilding_takes_types_namespace(method: Any) -> None:
    assert "_types_namespace" in inspect.signature(method).parameters


class Kept(BaseModel):
    name: str = "x"
    _note: int = PrivateAttr(default=3)


def test_a_model_has_the_slots_that_it_documents() -> None:
    assert compat.has_model_slots(Kept)


def test_references_are_counted() -> None:
    assert callable(sys.getrefcount)


def test_json_has_scanstring() -> None:
    assert compat.scan_string is json.decoder.scanstring  # type: ignore[attr-defined]


@pytest.mark.parametrize("scan", [compat.scan_string, compat._decoded_string])
def test_a_string_is_scanned(scan: Any) -> None:
    text = '{"a": "b\\n\\u00e9\\"", "c": 1}'
    assert scan(text, 7) == ('b\né"', 19)
    with pytest.raises(ValueError):
        scan('"cut', 1)


def test_without_use_prebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Any = pydantic_core.SchemaValidator
    monkeypatch.setattr(pydantic_core, "SchemaValidator", lambda core, config: real(core, config))
    assert compat.schema_validator({"type": "int"}).validate_python("1") == 1


def test_without_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = TypeAdapter(list[int], config=ConfigDict(strict=True))
    for module in ("pydantic.plugin._schema_validator", "pydantic._internal._config"):
        monkeypatch.setitem(sys.modules, module, None)
    assert compat.adapter_config(adapter) is None
    validator = compat.plugged_validator({"type": "int"}, adapter, None)
    assert validator.validate_python("1") == 1


def test_without_types_namespace() -> None:
    calls: list[dict[str, Any]] = []

    class Adapter:
        def rebuild(self, *, force: bool, raise_errors: bool) -> None:
            calls.append({"force": force, "raise_errors": raise_errors})

    compat.rebuild(Adapter(), {"name": int})
    assert calls == [{"force": True, "raise_errors": True}]


def test_without_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unfinished model is then made by Pydantic itself."""
    from prompture.schema.partial_typed import shapes

    monkeypatch.setattr(shapes, "has_model_slots", lambda cls: False)
    shape = source(Kept).bound({}).shape
    made = shape.begun({"name": "a"})
    assert made == Kept(name="a") and made._note == 3
    assert shape.begun({}).name is None and not shape.begun({}).model_fields_set


def test_a_type_adapter_without_its_type_has_a_name() -> None:
    assert compat.adapter_type(object(), "value") == "value"
