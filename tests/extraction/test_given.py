"""What is given is accounted for: named documents, pictures, models that could not be asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from prompture import Document, File, Image, Text, extract_result
from prompture.drivers.provider import Features
from prompture.errors import MissingKey, UnknownModel, UnsupportedError
from prompture.testing import ScriptedDriver
from prompture.types import Request

TEXT = "ACME Ltd\nTotal: 12.50"


class Receipt(BaseModel):
    company: str
    total: float


ANSWER = json.dumps({"company": "ACME Ltd", "total": 12.5})


@pytest.mark.parametrize(
    "given", [TEXT, [Document(TEXT, name="a.txt")], [Document(TEXT)], Document(TEXT, name="a.txt")]
)
@pytest.mark.parametrize("rules", [True, False])
def test_places_are_those_of_the_text_that_was_given(given: Any, rules: bool) -> None:
    if rules:
        pytest.importorskip("rapidfuzz")
    model: Any = "local/rules" if rules else ScriptedDriver([ANSWER])
    found = extract_result(Receipt, given, model=model)
    assert found.text == TEXT
    spans = {pointer: TEXT[s[0].start : s[0].end] for pointer, s in found.sources.items()}
    assert spans == {"/company": "ACME Ltd", "/total": "12.50"}


def test_a_document_keeps_its_name_on_the_way() -> None:
    asked: list[Request] = []

    class Listening(ScriptedDriver):
        def complete(self, request: Request) -> Any:
            asked.append(request)
            return super().complete(request)

    document = Document(TEXT, name="a.txt")
    extract_result(Receipt, ["Read this:", document], model=Listening([ANSWER]))
    fenced = Document(f"<document>\n{TEXT}\n</document>", name="a.txt")
    assert asked[0].messages[-1].content == (Text("Read this:"), fenced)


def test_rules_read_no_pictures() -> None:
    with pytest.raises(UnsupportedError, match="does not support vision"):
        extract_result(Receipt, [Text(TEXT), Image(data=b"x")], model="local/rules")
    with pytest.raises(UnsupportedError, match="text only"):
        extract_result(Receipt, [Text(TEXT), File(data=b"%PDF")], model="local/rules")


def test_models_that_could_not_be_asked_are_among_the_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    models: list[Any] = ["openai/gpt-5-mini", "nobody/x", ScriptedDriver([ANSWER])]
    found = extract_result(Receipt, TEXT, model=models)
    skipped, unknown, asked = found.attempts
    assert skipped.error.startswith(MissingKey.__name__) and skipped.charge is None
    assert unknown.error.startswith(UnknownModel.__name__)
    assert not asked.error and found.cost.charges == (asked.charge,)


@pytest.mark.parametrize(
    "content", [Image(data=b"x"), [Text("look"), Image(url="https://h/i.png")]]
)
def test_no_picture_goes_to_a_model_that_sees_none(content: Any) -> None:
    blind = ScriptedDriver([ANSWER], features=Features(vision=False))
    with pytest.raises(UnsupportedError, match=r"does not support vision.*features="):
        extract_result(Receipt, content, model=blind)
    seeing = ScriptedDriver([ANSWER], features=Features(vision=True))
    found = extract_result(Receipt, content, model=[blind, seeing])
    assert found.value.total == 12.5 and "vision" in found.attempts[0].error
