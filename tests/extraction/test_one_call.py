"""By tools a model is asked for one call, where its provider knows how to be asked that."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import InvalidRequest, Request
from prompture.drivers.provider import Features
from prompture.drivers.registry import names
from prompture.extraction.document_turn import document_turn
from prompture.extraction.estimate import _offline
from prompture.extraction.strategy import Plan, plan
from prompture.schema.source import source
from prompture.testing import ScriptedDriver


class Item(BaseModel):
    name: str


ASKED = {"claude", "openai", "groq", "grok", "mistral", "fireworks", "openrouter"}
REFUSED = ["openai/o3-mini", "openai/o1", "openai/o4-mini"]


def by_tool(driver: Any) -> Plan:
    return plan(source(Item), driver, strategy="tool", base=Request(model="", messages=()))


def bodies() -> dict[str, dict[str, Any]]:
    """The request body of each provider that has tools."""
    found = {}
    for name in sorted(names()):
        driver: Any = _offline(f"{name}/{'gpt-4.1' if name == 'openai' else 'm'}")
        if not driver.features.tool_use or driver.provider.engine is not None:
            continue
        request = by_tool(driver).request(document_turn("t"))
        endpoint = driver.endpoint
        if name == "vertex":
            endpoint = replace(endpoint, options={**endpoint.options, "project": "p"})
        http = driver.provider.codec_of(request).encode(request, endpoint, stream=False)
        found[driver.provider.name] = json.loads(http.body)
    return found


def test_every_provider_takes_the_request_and_those_that_can_are_asked() -> None:
    found = bodies()
    asked = {
        name
        for name, body in found.items()
        if body.get("parallel_tool_calls") is False
        or (body.get("tool_choice") or {})
        == {
            "type": "tool",
            "name": "Item",
            "disable_parallel_tool_use": True,
        }
    }
    assert asked == ASKED and len(found) > 15


@pytest.mark.parametrize("model", REFUSED)
def test_models_that_refuse_the_parameter_are_not_sent_it(model: str) -> None:
    driver: Any = _offline(model)
    assert by_tool(driver).template.parallel_tools is None


def test_where_it_is_refused_all_the_same_it_is_left_out() -> None:
    said = "Unsupported parameter: 'parallel_tool_calls' is not supported with this model."
    no = InvalidRequest(said, provider="x", status=400)
    driver = ScriptedDriver([no, {"name": "a"}], features=Features(one_call=True))
    found = prompture.extract_result(Item, "t", model=driver, strategy="tool", max_retries=0)
    assert found.value == Item(name="a") and found.strategy == "tool"
    assert [r.parallel_tools for r in driver.requests] == [False, None]
    other = InvalidRequest("no such thing", provider="x", status=400)
    with pytest.raises(InvalidRequest):
        prompture.extract(
            Item,
            "t",
            model=ScriptedDriver([other, {"name": "a"}], features=Features(one_call=True)),
            strategy="tool",
        )
