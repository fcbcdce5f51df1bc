"""Few-shot examples as data: read, checked, chosen, laid out, and never copied into a result."""

from __future__ import annotations

import copy
import json
import os
import pickle
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    computed_field,
    field_validator,
)

import prompture
from prompture import Examples, Extractor, NotGrounded, Text, extract, extract_result
from prompture.errors import ConfigurationError
from prompture.extraction.examples import Example, Pool
from prompture.testing import ScriptedDriver
from tests.extraction.streaming import Async, Colour, Sync

TEXT = "ACME Ltd, 3 May 2024. Total: 12.50"


class Bill(BaseModel):
    company: str
    total: float


GOOD = {"company": "ACME Ltd", "total": 12.5}
KINDS = {
    "taxi": "Ride from the airport, driver Ann, fare 20, tip 2, total 22",
    "hotel": "Room for two nights, breakfast included, city tax 5, total 240",
    "food": "Two pizzas, one salad, mineral water, service charge, total 41",
    "phone": "Monthly plan, data volume 20 GB, roaming, total 19",
}


def rows(count: int = 1) -> list[dict[str, Any]]:
    return [
        {"text": f"{text} no {n}", "value": {"company": f"{kind} {n} Inc", "total": n}}
        for n in range(count)
        for kind, text in KINDS.items()
    ]


def written(path: Path, lines: list[Any]) -> Path:
    texts = (each if isinstance(each, str) else json.dumps(each) for each in lines)
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def shown(examples: Any, text: str = TEXT, **options: Any) -> list[str]:
    """The texts of the examples in the request, in order."""
    driver = ScriptedDriver([GOOD])
    extract(Bill, text, model=driver, examples=examples, **options)
    turns = driver.requests[0].messages
    assert [t.role for t in turns[1::2]] == ["user"] * len(turns[1::2])
    assert turns[-1].text == text
    return [turn.text for turn in turns[1:-1:2]]


# Where they come from


def test_a_file_and_a_list_show_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "some.jsonl", ["\ufeff", *rows(1)[:2], "", "  "])
    texts = [row["text"] for row in rows(1)[:2]]
    assert shown(path) == shown(rows(1)[:2]) == shown(Examples(path)) == texts
    assert shown([(row["text"], row["value"]) for row in rows(1)[:2]]) == texts
    assert shown(Examples(iter(rows(1)[:2]))) == texts
    assert len(Examples(path)) == 2 and "2 documents" in repr(Examples(path))


def test_a_line_separator_within_a_text_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    row = {"text": "a\u2028b\x85c", "value": GOOD}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert shown(path) == ["a\u2028b\x85c"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "value": {"company": "b", "total": "much"}}', r"x\.jsonl line 2.*/total"),
        ('{"text": "a", "value": {"company": "b"}}', r"line 2.*/total"),
        ('{"text": "a"}', "line 2 must have the keys text and value"),
        ('{"text": "a", "value": {}, "id": 3}', "line 2 must have the keys text and value; it has"),
        ('{"text": "a", "value": ', r"line 2 is no JSON: .* at character 24"),
        ('["a", {"company": "b", "total": 1}]', "line 2 must be an object"),
        ('{"text": "", "value": {"company": "b", "total": 1}}', "line 2: text is empty"),
        ('{"text": 3, "value": {"company": "b", "total": 1}}', "line 2: text must be"),
        ('{"text": "a", "value": {"company": "b", "total": NaN}}', "line 2 is no JSON"),
        ("[" * 100_000, "line 2 (is no JSON|is nested)"),
    ],
)
def test_a_slip_is_named_with_its_line_before_anything_is_sent(
    line: str, message: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "x.jsonl", [rows()[0], line])
    with pytest.raises(ConfigurationError, match=message):
        Extractor(Bill, model=ScriptedDriver([]), examples=path)
    with pytest.raises(ConfigurationError, match=message):
        Extractor(Bill, model=ScriptedDriver([]), examples=Examples([], fixed=path))


def test_no_text_of_an_example_is_in_the_message(tmp_path: Path) -> None:
    line = {"text": "secret words", "value": {"company": ["hidden"], "total": 1}}
    with pytest.raises(ConfigurationError) as caught:
        Extractor(Bill, examples=written(tmp_path / "x.jsonl", [line]), model=ScriptedDriver([]))
    assert "secret" not in str(caught.value) and "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ("x.jsonl", "give a Path"),
        (b"x", "examples must be"),
        ({"text": "a", "value": 1}, "examples must be"),
        (3, "examples must be"),
        ([("a", {"company": "b"})], r"examples\[0\].*/total"),
        ([("a", {"company": "b", "total": object()})], r"examples\[0\] is none that JSON"),
        ([("a",)], r"examples\[0\] must be"),
        ([{"text": "a", "value": GOOD}, 7], r"examples\[1\] must be"),
        (Path("nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_what_is_no_example_is_refused(examples: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Extractor(Bill, examples=examples, model=ScriptedDriver([]))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "caf\xe9"}')
    with pytest.raises(ConfigurationError, match=r"not UTF-8 \(byte 13\)"):
        Examples(path)
    with pytest.raises(ConfigurationError, match="k"):
        Examples([], k=-1)


def test_validators_see_the_context() -> None:
    class Known(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def is_known(cls, value: str, info: ValidationInfo) -> str:
            assert value in info.context["known"]
            return value

    driver = ScriptedDriver([{"name": "Ann"}])
    examples = [("Ann here", {"name": "Ann"})]
    extract(Known, "Ann", model=driver, examples=examples, context={"known": ["Ann"]})
    with pytest.raises(ConfigurationError, match=r"examples\[0\]"):
        extract(Known, "Ann", model=driver, examples=examples, context={"known": ["Bob"]})


# Which are chosen, and in which order


def test_those_most_alike_are_shown_in_their_own_order() -> None:
    many = rows(5)
    examples = Examples(many, k=3)
    found = shown(examples, "Ride with driver Bob to the airport, fare 31, tip 3")
    assert found == [row["text"] for row in many if "Ride" in row["text"]][:3]
    assert shown(examples, "Breakfast and a room for one night, city tax")[0].startswith("Room")


def test_the_same_choice_makes_the_same_prompt() -> None:
    driver = ScriptedDriver([GOOD] * 3)
    examples = Examples(rows(3), k=3, fixed=[("Fixed: ACME", GOOD)])
    made = Extractor(Bill, model=driver, examples=examples)
    for text in ("driver airport fare tip 7", "tip, driver! fare airport 9", "pizzas salad water"):
        made.extract(text)
    first, second, third = ([*r.messages[:-1]] for r in driver.requests)
    assert first == second != third
    # What every document has comes first, so that the cache of a provider finds as much as it can.
    assert first[:3] == third[:3]
    assert first[1].text == "Fixed: ACME"


def test_an_example_of_the_document_itself_is_not_chosen() -> None:
    row = {"text": TEXT, "value": GOOD}
    assert TEXT not in shown(Examples([*rows(2), row], k=2))
    assert shown(Examples([row], k=2)) == []
    assert shown(Examples([], fixed=[row])) == [TEXT]


@pytest.mark.parametrize("k", [0, 1, 4, 100])
def test_never_more_than_k(k: int) -> None:
    assert len(shown(Examples(rows(3), k=k))) == min(k, 12)


def test_a_picture_is_shown_examples_too() -> None:
    picture = prompture.image(b"\x89PNG\r\n\x1a\n" + b"\x00" * 30)
    driver = ScriptedDriver([GOOD], features=prompture.Features(vision=True))
    found = extract_result(Bill, picture, model=driver, examples=Examples(rows(3), k=2))
    assert len(driver.requests[0].messages) == 6
    assert found.notes == ()  # nobody knows what the picture shows
    assert found.ungrounded == {"/company": "absent", "/total": "absent"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=12),
    st.text(max_size=60),
    st.integers(0, 5),
)
def test_any_texts_are_chosen_from_alike(texts: list[str], text: str, k: int) -> None:
    examples = [Example(each, i, "") for i, each in enumerate(texts)]
    found = [each.value for each in Pool(examples, k).chosen(text)]
    assert found == sorted(found)
    # The document itself is no example, however it is spaced.
    others = sum(each.split() != text.split() for each in texts)
    assert len(found) == min(k, others)
    assert found == [each.value for each in Pool(examples, k).chosen(text)]


@pytest.mark.parametrize(
    ("near", "far", "text"),
    [
        ("請求書 合計金額 三千円", "旅行 日記 東京 山", "請求書の合計金額は五千円です"),
        ("ใบเสร็จรับเงิน จำนวนเงิน", "สวัสดีตอนเช้า", "ใบเสร็จรับเงินของร้าน"),
        ("Rechnung 4711 Summe", "Lebenslauf Schule", "RECHNUNG 99 SUMME"),
    ],
)
def test_alike_in_any_script(near: str, far: str, text: str) -> None:
    pool = Pool([Example(far, 0, ""), Example(near, 1, "")], 1)
    assert [each.content for each in pool.chosen(text)] == [near]


def test_a_file_is_read_and_checked_once(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", rows(3))
    examples = Examples(path)
    path.unlink()
    first = Extractor(Bill, model=ScriptedDriver([]), examples=examples)
    second = Extractor(Bill, model=ScriptedDriver([]), examples=examples)
    assert first._wishes.pool is second._wishes.pool  # type: ignore[union-attr]


def test_they_are_copied_and_pickled_with_an_extractor() -> None:
    made = Extractor(Bill, model=ScriptedDriver([GOOD]), examples=Examples(rows(3), k=2))
    for other in (copy.copy(made), copy.deepcopy(made)):
        assert other._wishes.pool.chosen(TEXT) == made._wishes.pool.chosen(TEXT)  # type: ignore[union-attr]
    bare = Extractor(Bill, model="local/rules", examples=Examples(rows(3), k=2))
    again = pickle.loads(pickle.dumps(bare))
    assert again.extract("company: ACME Ltd\ntotal: 3").total == 3
    examples = pickle.loads(pickle.dumps(Examples(rows(3), k=2)))
    assert shown(examples) == shown(Examples(rows(3), k=2))


@pytest.mark.parametrize("strategy", ["json_schema", "tool", "json_object", "prompt"])
def test_examples_quote_as_the_model_shall(strategy: Any) -> None:
    driver = ScriptedDriver([{"value": GOOD, "quotes": []}])
    text = "Bill of the day\nfrom Umbrella Corp\nin all 41,50 EUR"
    examples = [(text, {"company": "Umbrella Corp", "total": 41.5})]
    extract(Bill, TEXT, model=driver, examples=examples, quotes=True, strategy=strategy)
    assert json.loads(driver.requests[0].messages[2].text) == {
        "value": {"company": "Umbrella Corp", "total": 41.5},
        "quotes": [
            {"at": "/company", "quote": "from Umbrella Corp"},
            {"at": "/total", "quote": "in all 41,50 EUR"},
        ],
    }


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return request.param()  # type: ignore[no-any-return]


def test_streams_and_items_show_them(colour: Colour) -> None:
    examples = Examples(rows(3), k=2, fixed=[("Two: A and B", [GOOD, GOOD])])
    driver = colour.script([{"items": [GOOD]}])
    colour.items(Bill, driver, examples=examples)
    turns = driver.requests[0].messages
    assert len(turns) == 1 + 2 + 4 + 1
    assert json.loads(turns[2].text) == {"items": [GOOD, GOOD]}
    assert len(json.loads(turns[4].text)["items"]) == 1
    with pytest.raises(ConfigurationError, match="extract_items"):
        colour.stream(Bill, colour.script([GOOD]), examples=examples)
    driver = colour.script([GOOD])
    colour.stream(Bill, driver, examples=Examples(rows(3), k=2))
    assert len(driver.requests[0].messages) == 1 + 4 + 1


def test_an_estimate_counts_them() -> None:
    def tokens(**options: Any) -> int:
        return prompture.estimate(Bill, TEXT, model="openai/gpt-5-mini", **options).input.tokens

    assert tokens() < tokens(examples=Examples(rows(9), k=1)) < tokens(examples=Examples(rows(9)))
    assert tokens(examples=Examples(rows(1)[:2])) == tokens(examples=rows(1)[:2])


def test_the_cache_knows_them() -> None:
    driver, cache = ScriptedDriver([GOOD] * 3), prompture.Cache()
    for examples in ([], Examples(rows(3), k=1), Examples(rows(3), k=2), Examples(rows(3), k=2)):
        extract(Bill, TEXT, model=driver, cache=cache, examples=examples)
    assert len(driver.requests) == 3


# Never in a result


def test_a_copied_value_is_noted(colour: Colour) -> None:
    driver = colour.script([{"company": "Taxi 1  inc", "total": 12.5}])
    result = colour.stream(Bill, driver, examples=rows(3))[-1].result
    assert result.notes == ("1 value stands in an example and not in the text: /company",)
    assert result.ungrounded == {"/company": "absent"}


def test_a_value_out_of_an_examples_text_is_noted() -> None:
    answer = {"company": "mineral water", "total": 12.5}
    found = extract_result(Bill, TEXT, model=ScriptedDriver([answer]), examples=rows(1))
    assert found.notes == ("1 value stands in an example and not in the text: /company",)


def test_what_the_document_holds_too_is_not_noted() -> None:
    examples = [("ACME Ltd, total 12.50", GOOD), *rows(1)]
    found = extract_result(Bill, TEXT, model=ScriptedDriver([GOOD]), examples=examples)
    assert found.notes == ()


def test_it_is_complained_of_and_refused_where_grounding_is_required() -> None:
    copied = {"company": "Hotel Rose", "total": 12.5}
    own = [("Hotel Rose, 240", {"company": "Hotel Rose", "total": 240})]
    driver = ScriptedDriver([copied, GOOD])
    made = Extractor(Bill, model=driver, examples=own, require_grounding=True)
    assert made.extract_result(TEXT).notes == ()
    assert "it is one of an example's" in driver.requests[1].messages[-1].text
    with pytest.raises(NotGrounded) as caught:
        extract(Bill, TEXT, model=ScriptedDriver([copied]), examples=own,
                require_grounding=True, max_retries=0)  # fmt: skip
    assert caught.value.pointers == ("/company",)
    assert "example" in caught.value.problems[0].message


def test_of_those_that_were_not_shown_nothing_is_noted() -> None:
    text = "Ride, driver, airport, fare, tip. ACME Ltd 12.50"
    examples = Examples(rows(1), k=1)
    answer = {"company": "hotel 0 Inc", "total": 12.5}
    found = extract_result(Bill, text, model=ScriptedDriver([answer]), examples=examples)
    assert found.notes == ()
    assert found.ungrounded == {"/company": "absent"}


def test_a_looser_way_and_the_next_model_are_shown_the_same() -> None:
    refusal = prompture.InvalidRequest("response_format is not supported", provider="scripted",
                                       status=400)  # fmt: skip
    first, second = ScriptedDriver([refusal, {"company": "x"}]), ScriptedDriver([GOOD])
    made = Extractor(Bill, model=[first, second], examples=Examples(rows(3), k=2), max_retries=0)
    assert made.extract(TEXT) == Bill(**GOOD)
    texts = {tuple(m.text for m in r.messages[1:]) for r in (*first.requests, *second.requests)}
    assert len(first.requests) == 2 and len(texts) == 1


# Where providers' caches begin, and what the model is told of examples


def test_the_system_turn_speaks_of_examples_only_where_there_are_some() -> None:
    texts = []
    for examples in ([], rows(1)[:1], Examples(rows(1)[:1]), Examples(rows(3), k=1)):
        driver = ScriptedDriver([GOOD])
        extract(Bill, TEXT, model=driver, examples=examples)
        texts.append(driver.requests[0].messages[0].text)
    assert "take no value from them" not in texts[0]
    assert texts[1].startswith(texts[0]) and "take no value from them" in texts[1]
    assert texts[1] == texts[2] == texts[3]


def test_an_example_that_breaks_the_rule_is_refused_where_grounding_is_required() -> None:
    good = ("Umbrella, total 3", {"company": "Umbrella", "total": 3})
    bad = ("Umbrella, total 3", {"company": "Invented", "total": 3})
    Extractor(Bill, model=ScriptedDriver([]), examples=[good, bad])
    for examples in ([good, bad], Examples([good, bad], k=1), Examples([], fixed=[bad])):
        with pytest.raises(ConfigurationError, match="no place in its own text for /company"):
            Extractor(Bill, model=ScriptedDriver([]), examples=examples, require_grounding=True)
    Extractor(Bill, model=ScriptedDriver([]), examples=[good, bad], require_grounding=["/total"])


# The document's own example, however it is spaced; pictures.


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  \n\n"])
def test_a_files_line_break_makes_no_other_document(end: str, tmp_path: Path) -> None:
    (tmp_path / "doc.txt").write_bytes(TEXT.encode() + end.encode())
    rows = [
        (TEXT, {"company": "Leaked", "total": 1}),
        ("Other 2", {"company": "Other", "total": 2}),
    ]
    for document in (TEXT + end, tmp_path / "doc.txt", Text(TEXT + end)):
        driver = ScriptedDriver([{"company": "A", "total": 9}])
        Extractor(Bill, model=driver, examples=Examples(rows)).extract(document)
        assert [m.text for m in driver.requests[0].messages if "Leaked" in m.text] == []
        assert len(driver.requests[0].messages) == 4


def test_pictures_are_shown_with_pictures_but_for_the_same_one() -> None:
    def picture(red: int) -> Any:
        return prompture.image(b"\x89PNG\r\n\x1a\n" + bytes([red] * 30))

    for words in ("", "Read this receipt."):
        rows = [
            (_with(words, picture(red)), {"company": f"Firm {red}", "total": red})
            for red in (0, 40, 80)
        ]
        driver = ScriptedDriver(
            [{"company": "A", "total": 9}], features=prompture.Features(vision=True)
        )
        Extractor(Bill, model=driver, examples=Examples(rows)).extract(_with(words, picture(40)))
        answers = [m.text for m in driver.requests[0].messages if m.role == "assistant"]
        assert [json.loads(each)["company"] for each in answers] == ["Firm 0", "Firm 80"]


def _with(words: str, picture: Any) -> Any:
    return [Text(words), picture] if words else picture


# Values that are instances, and keys that the schema does not know.


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")
    who: str = Field(serialization_alias="Who")
    firm: str = Field("none", validation_alias=AliasChoices("Firm", "firm_name"))
    when: date | None = Field(None, alias="on")

    @computed_field
    @property
    def letters(self) -> int:
        return len(self.who)


class Outer(BaseModel):
    all_of_them: list[Named]


def test_an_instance_is_shown_as_a_model_would_answer() -> None:
    one = Named.model_validate({"who": "Bo", "Firm": "ACME", "on": "2024-05-03"})
    value = Outer(all_of_them=[one])
    driver = ScriptedDriver([{"all_of_them": []}])
    Extractor(Outer, model=driver, examples=[("Bo of ACME", value)], strategy="prompt").extract("x")
    shown = json.loads(driver.requests[0].messages[2].text)
    assert shown == {"all_of_them": [{"who": "Bo", "Firm": "ACME", "on": "2024-05-03"}]}


def test_keys_that_the_schema_does_not_know_are_not_shown() -> None:
    row = ("Taxi 3", {"company": "Taxi", "total": 3, "labelled_by": "Bo"})
    driver = ScriptedDriver([{"company": "A", "total": 9}])
    Extractor(Bill, model=driver, examples=[row]).extract(TEXT)
    assert json.loads(driver.requests[0].messages[2].text) == {"company": "Taxi", "total": 3}

    class Lax(BaseModel):
        company: str
        total: float = 0

    with pytest.raises(ConfigurationError, match="the field is called 'total'"):
        Extractor(Lax, examples=[("Taxi 3", {"company": "Taxi", "totall": 3})])


def test_paths_that_no_file_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no file has the name"):
        Examples(Path("a\0b"))
    (tmp_path / "e.jsonl").write_text(
        '{"text": "Taxi 3", "value": {"company": "Taxi", "total": 3}}'
    )

    class Bytes:
        def __fspath__(self) -> bytes:
            return os.fsencode(tmp_path / "e.jsonl")

    assert len(Examples(Bytes())) == 1
