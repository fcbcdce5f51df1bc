"""What is given to extract and its kin is checked when it is given, with one kind of error."""

from __future__ import annotations

import asyncio
import copy
import io
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import Document, Extractor, Text
from prompture.errors import ConfigurationError, Invalid, UnknownOption
from prompture.testing import AsyncScriptedDriver, ScriptedDriver


class Receipt(BaseModel):
    company: str
    total: float


VALUE = {"company": "ACME", "total": 1.5}
NAN, INF = float("nan"), float("inf")
BAD: list[tuple[dict[str, Any], str]] = [
    ({"temperature": "hot"}, "temperature must be a number"),
    ({"temperature": True}, "temperature"),
    ({"temperature": NAN}, "temperature"),
    ({"temperature": -1}, "temperature"),
    ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1"),
    ({"max_tokens": -5}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_tokens": "20"}, "max_tokens"),
    ({"timeout": 0}, "timeout must be a number of seconds above 0"),
    ({"timeout": -1}, "timeout"),
    ({"timeout": NAN}, "timeout"),
    ({"timeout": INF}, "timeout"),
    ({"timeout": "3"}, "timeout"),
    ({"max_retries": -1}, "max_retries must be a whole number of at least 0"),
    ({"max_retries": True}, "max_retries"),
    ({"max_retries": 1.0}, "max_retries"),
    ({"max_retries": "2"}, "max_retries"),
    ({"strategy": "jsonschema"}, "strategy 'jsonschema'; did you mean json_schema"),
    ({"strategy": 3}, "strategy 3"),
    ({"prompt_cache": "3d"}, "cache must be"),
    ({"prompt_cache": 5}, "cache"),
    ({"reasoning": "a lot!"}, "reasoning"),
    ({"reasoning": True}, "reasoning"),
    ({"reasoning": -1}, "reasoning"),
    ({"budget": "lots"}, "dollars"),
    ({"budget": NAN}, "dollars"),
    ({"budget": -1}, "dollars"),
    ({"budget": True}, "budget"),
    ({"budget": [1]}, "budget"),
    ({"instructions": 3}, "instructions must be a text"),
    ({"instructions": ["a"]}, "instructions"),
    ({"extra": "x"}, "extra must be a dict"),
    ({"extra": {1: 2}}, "key of extra"),
    ({"extra": {"a": object()}}, r"extra\['a'\] cannot be sent"),
    ({"extra": {"a": NAN}}, "extra"),
    ({"extra": {"api_key": "k"}}, r"extra .*driver_for\('provider/model', api_key="),
    ({"extra": {"API-Key": "k"}}, "driver_for"),
    ({"extra": {"Authorization": "Bearer k"}}, "driver_for.*api_key="),
    ({"extra": {"base_url": "u"}}, "driver_for.*base_url="),
    ({"extra": {"extra_headers": {}}}, "driver_for.*headers="),
    ({"extra": {"extra_body": {}}}, "extra is itself"),
    ({"examples": "x"}, "examples must be a list of"),
    ({"examples": {"text": "a", "value": 1}}, "examples must be a list of"),
    ({"examples": ["ab"]}, r"examples\[0\] must be a \(text, value\) pair"),
    ({"examples": [("a", VALUE), ("a",)]}, r"examples\[1\] must be"),
    ({"examples": [{"text": "a", "answer": 1}]}, r"examples\[0\] .*text and value; .*answer"),
    ({"examples": [("", VALUE)]}, r"examples\[0\]: text is empty"),
    ({"examples": [(Path("a.txt"), VALUE)]}, r"examples\[0\]: cannot read .a.txt."),
    ({"examples": [("a", VALUE), ("b", {"company": 1})]}, r"examples\[1\] is not valid.*/total"),
    ({"model": []}, "model is an empty sequence"),
    ({"model": ""}, "model is empty"),
    ({"model": [None]}, r"model\[0\] must be .*NoneType"),
    ({"model": ["openai/x", 3]}, r"model\[1\] must be"),
    ({"model": [["openai/x"]]}, r"model\[0\]"),
    ({"model": ["openai/x", "openai/y", "openai/x"]}, r"model\[2\] is the same as model\[0\]"),
    ({"model": {"openai/x"}}, "model must be"),
    ({"model": ScriptedDriver}, "is the class ScriptedDriver: give a driver"),
    ({"model": object()}, "model must be 'provider/model', a driver"),
]
UNKNOWN: list[tuple[str, str]] = [
    ("base_url", r"driver's.*driver_for\('provider/model', base_url=\.\.\.\)"),
    ("headers", "driver's.*headers="),
    ("retry", "driver's.*retry="),
    ("hooks", "driver's.*hooks="),
    ("temprature", "did you mean temperature"),
    ("max_token", "did you mean max_tokens"),
    ("system_prompt", "called instructions"),
    ("retries", "called max_retries"),
    ("validation_context", "called context"),
    ("Model", "did you mean model"),
    ("fnord", "there are .*model.*extra="),
]


def refused(options: dict[str, Any]) -> list[BaseException]:
    """The error of every face, and of an Extractor; nothing is sent by any."""
    driver, other = ScriptedDriver([VALUE]), AsyncScriptedDriver([VALUE])
    calls: list[Any] = [
        lambda: Extractor(Receipt, **{"model": driver, **options}).extract("t"),
        lambda: prompture.extract(Receipt, "t", **{"model": driver, **options}),
        lambda: prompture.extract_result(Receipt, "t", **{"model": driver, **options}),
        lambda: list(prompture.extract_stream(Receipt, "t", **{"model": driver, **options})),
        lambda: prompture.estimate(Receipt, "t", **{"model": "openai/gpt-5-mini", **options}),
        lambda: asyncio.run(prompture.aextract(Receipt, "t", **{"model": other, **options})),
    ]
    found = []
    for call in calls:
        with pytest.raises(ConfigurationError) as caught:
            call()
        found.append(caught.value)
    assert not driver.requests and not other.requests
    return found


@pytest.mark.parametrize(("options", "said"), BAD)
def test_wrong_values_are_refused_before_sending(options: dict[str, Any], said: str) -> None:
    import re

    assert all(re.search(said, str(error), re.DOTALL) for error in refused(options))


@pytest.mark.parametrize(("name", "said"), UNKNOWN)
def test_unknown_names_say_what_to_write(name: str, said: str) -> None:
    import re

    found = refused({name: "secret"})
    assert all(type(error) is UnknownOption for error in found)
    assert all(re.search(said, str(error)) for error in found)
    assert "secret" not in "".join(map(str, found))


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0, "max_tokens": 1, "timeout": 0.5, "max_retries": 0},
        {"temperature": Decimal("0.5"), "prompt_cache": "1h", "reasoning": "low", "budget": "0.5"},
        {"prompt_cache": True, "reasoning": 0, "extra": {}, "instructions": "", "examples": []},
        {name: None for name in ("temperature", "max_tokens", "timeout", "prompt_cache", "extra")},
        {name: None for name in ("instructions", "max_retries", "strategy", "examples", "budget")},
        {"examples": [{"text": "a", "value": VALUE}, ("b", Receipt(**VALUE))]},
        {"examples": iter([("a", VALUE)])},
        {"examples": [([Text("a"), Document("b")], VALUE)]},
    ],
)
def test_right_values_pass(options: dict[str, Any]) -> None:
    driver = ScriptedDriver([VALUE])
    assert prompture.extract(Receipt, "t", model=driver, **options) == Receipt(**VALUE)


def test_the_wrong_colour_is_told_in_words() -> None:
    with pytest.raises(ConfigurationError, match="not awaited needs a Driver"):
        prompture.extract(Receipt, "t", model=AsyncScriptedDriver([]))
    with pytest.raises(ConfigurationError, match="an awaited call needs an AsyncDriver"):
        asyncio.run(prompture.aextract(Receipt, "t", model=ScriptedDriver([])))


def test_streams_name_their_own_options() -> None:
    with pytest.raises(UnknownOption, match="did you mean on_error"):
        prompture.extract_items(Receipt, "t", on_eror="skip")  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="'skipp'; did you mean skip"):
        prompture.extract_items(Receipt, "t", model=ScriptedDriver([]), on_error="skipp")  # type: ignore[call-overload]
    for wrong in (-1, NAN, "1"):
        with pytest.raises(ConfigurationError, match="min_interval"):
            prompture.extract_stream(
                Receipt,
                "t",
                model=ScriptedDriver([]),
                min_interval=wrong,  # type: ignore[call-overload]
            )
    with pytest.raises(ConfigurationError, match="count must be"):
        prompture.estimate(Receipt, "t", model="openai/x", count="localy")  # type: ignore[arg-type]


# Texts

TEXTS: list[tuple[Any, str]] = [
    (Path("invoice.pdf"), "cannot read 'invoice.pdf': it is no file"),
    (b"", r"the file is empty \(0 bytes\)"),
    (io.StringIO(" "), "nothing but white space"),
    (None, "not NoneType"),
    (12, "not int"),
    (Receipt, r"class Receipt: the schema comes first, extract\(schema, text\)"),
    ({"type": "object"}, "text is a dict"),
    (iter(["a"]), "must be a string or a sequence"),
    ([], "text is empty"),
    ("", "text is empty"),
    (" \n", "text is empty"),
    ([Path("a")], "cannot read 'a'"),
    (Path(__file__).parent, "it is a folder"),
    ([Text(b"x")], "text of a part is a bytes"),  # type: ignore[arg-type]
    ([3], "not int"),
    ("%PDF-1.7\n%\xe2\xe3", "binary"),
    ("PK\x03\x04\x14", "binary"),
    ("\x00\x01\x02\x7fELF" * 300, "binary"),
    ("a\x00b\x00c\x00d\x00", "binary"),
]


@pytest.mark.parametrize(("text", "said"), TEXTS)
def test_what_is_no_text_says_what_to_give(text: Any, said: str) -> None:
    driver = ScriptedDriver([VALUE])
    with pytest.raises(ConfigurationError, match=said):
        prompture.extract(Receipt, text, model=driver)
    assert not driver.requests


def test_a_text_in_the_schemas_place() -> None:
    with pytest.raises(ConfigurationError, match=r"extract\(schema, text\)"):
        prompture.extract("ACME 1.5", Receipt, model=ScriptedDriver([]))  # type: ignore[arg-type]


@pytest.mark.parametrize("where", [0, 10, 3000, 5000])
@pytest.mark.parametrize("kind", [str, Text, Document])
def test_a_stray_nul_is_text_cleaned_and_noted(where: int, kind: Any) -> None:
    words = "Plain words of ACME. " * 300
    text = words[:where] + "\x00" + words[where:]
    driver = ScriptedDriver([VALUE])
    found = prompture.extract_result(Receipt, kind(text), model=driver)
    assert found.notes == ("1 NUL character of the text became U+FFFD",)
    assert len(found.text) == len(text) and "\x00" not in driver.requests[0].messages[-1].text
    (span,) = found.sources["/company"][:1]
    assert text[span.start : span.end] == "ACME"


def test_a_clean_text_is_the_very_text() -> None:
    text = "ACME \x07 1.5"
    found = prompture.extract_result(Receipt, text, model=ScriptedDriver([VALUE]))
    assert found.text is text and found.notes == ()
    stream = prompture.extract_stream(Receipt, "ACME\x00 1.5", model=ScriptedDriver([VALUE]))
    list(stream)
    assert stream.notes


def test_a_path_for_a_text_is_suspected_once_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.txt").write_text("ACME 1.5")
    monkeypatch.chdir(tmp_path)
    for text, said in (("1.txt", "name of a file"), ("https://h.example/1.pdf", "is a URL")):
        with pytest.raises(Invalid, match=f"{said}.*give what"):
            prompture.extract(Receipt, text, model=ScriptedDriver(["{}"]), max_retries=0)
        fine = ScriptedDriver([VALUE])
        assert prompture.extract(Receipt, text, model=fine) == Receipt(**VALUE)
    with pytest.raises(Invalid) as caught:
        prompture.extract(Receipt, "2.txt", model=ScriptedDriver(["{}"]), max_retries=0)
    assert "file" not in str(caught.value)


# Copies


def test_an_extractor_is_copied_and_pickled() -> None:
    made = Extractor(Receipt, model="openai/gpt-5-mini", examples=[("a", VALUE)], max_retries=1)
    made.estimate("t")
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again.source is made.source and again.model == made.model
        assert again.estimate("t") == made.estimate("t")


def test_a_plan_is_data() -> None:
    import dataclasses

    driver = ScriptedDriver([])
    plan = Extractor(Receipt, model=driver).plan_for(driver)
    assert not [f.name for f in dataclasses.fields(plan) if callable(getattr(plan, f.name))]
    looser = plan.looser()
    assert looser is not None and looser.strategy == "tool" and looser.looser() is None


def test_a_budget_is_shared_by_copies_and_stays_in_its_process() -> None:
    made = Extractor(Receipt, model="openai/gpt-5-mini", budget="1")
    assert copy.deepcopy(made).budget is made.budget is copy.copy(made).budget
    with pytest.raises(ConfigurationError, match="budget of its own"):
        pickle.dumps(made)


def test_several_strings_are_one_document_and_that_is_noted() -> None:
    driver = ScriptedDriver([VALUE])
    found = prompture.extract_result(Receipt, ["ACME", "1.5"], model=driver)
    assert found.notes[0].startswith("the 2 strings were read as one document")
    assert found.text == "ACME\n\n1.5"


def test_snapshots_and_items_are_pickled_as_they_are_seen() -> None:
    driver = ScriptedDriver(['{"company": "ACME", "total": 1.5}'], chunk_chars=9)
    for partial in prompture.extract_stream(Receipt, "t", model=driver):
        for again in (pickle.loads(pickle.dumps(partial)), copy.deepcopy(partial)):
            for name in ("value", "problems", "plain", "open_path", "final", "is_last", "attempt"):
                assert getattr(again, name) == getattr(partial, name)
            assert again.is_final("/company") == partial.is_final("/company")
            assert again.get("/total") == partial.get("/total")
    text = '{"items": [{"company": "A", "total": 1}, {"company": 2}]}'
    items = list(
        prompture.extract_items(Receipt, "t", model=ScriptedDriver([text]), on_error="collect")
    )
    assert pickle.loads(pickle.dumps(items)) == items


def test_a_plan_of_a_scripted_driver_is_copied() -> None:
    driver = ScriptedDriver([])
    plan = Extractor(Receipt, model=driver).plan_for(driver)
    assert copy.copy(plan).strategy == plan.strategy
