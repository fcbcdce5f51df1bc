"""Situations of public bug reports about quotations, citations and few-shot examples that leak."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from prompture import Examples, NotGrounded, extract, extract_result, ground
from prompture.errors import ConfigurationError
from prompture.testing import ScriptedDriver


class Fact(BaseModel):
    what: str
    who: str | None = None
    when: str | None = None


WEDDING = (
    "Emily married Sarah in a rooftop garden on 9 June 2024",
    [{"what": "Emily married Sarah", "who": "Emily", "when": "2024-06-09"}],
)


class Facts(BaseModel):
    facts: list[Fact]


SHOTS = [(WEDDING[0], {"facts": WEDDING[1]})]


def test_the_output_of_an_example_beside_that_of_the_text() -> None:
    """google/langextract#209, #243: extractions of the examples come with those of the input."""
    text = "Bob moved to Rome in May 2019"
    own = {"what": "Bob moved to Rome", "who": "Bob", "when": "May 2019"}
    answer = {"facts": [own, *WEDDING[1]]}
    found = extract_result(Facts, text, model=ScriptedDriver([answer]), examples=SHOTS)
    (note,) = found.notes
    assert note.startswith("3 values stand in an example and not in the text: /facts/1/what")
    assert set(found.ungrounded.values()) == {"absent"}
    model = ScriptedDriver([answer, {"facts": [own]}])
    found = extract_result(Facts, text, model=model, examples=SHOTS, require_grounding=True)
    assert [each.who for each in found.value.facts] == ["Bob"]


@pytest.mark.parametrize("text", ["ok", "Thanks, see you tomorrow!", "2024", "..."])
def test_an_example_is_copied_where_the_text_says_little(text: str) -> None:
    """vectorize-io/hindsight#4280: small models emit the worked example on weak chunks."""
    model = ScriptedDriver([{"facts": WEDDING[1]}] * 3)
    with pytest.raises(NotGrounded) as caught:
        extract(Facts, text, model=model, examples=SHOTS, require_grounding=True)
    assert caught.value.pointers == ("/facts/0/what", "/facts/0/who", "/facts/0/when")
    assert all("example" in problem.message for problem in caught.value.problems)


def test_the_model_is_told_that_examples_are_no_source() -> None:
    """HKUDS/LightRAG#3231: built-in examples were taken for source content."""
    model = ScriptedDriver([{"facts": []}])
    extract(Facts, "ok", model=model, examples=SHOTS)
    system, shot, _, document = model.requests[0].messages
    assert "take no value from them" in system.text
    # Each text has a fence of its own.
    assert all(str(turn.content).startswith("<document>") for turn in (shot, document))


def test_the_examples_words_are_no_values() -> None:
    """google/langextract#151: the names of the fields came back as if they were extracted."""
    answer = {"facts": [{"what": "what", "who": "articles about Tesla", "when": "when"}]}
    text = "search articles about Tesla"
    with pytest.raises(NotGrounded) as caught:
        extract(Facts, text, model=ScriptedDriver([answer]), require_grounding=True, max_retries=0)
    assert caught.value.pointers == ("/facts/0/what", "/facts/0/when")


def test_an_example_that_does_not_hold_its_own_values() -> None:
    """google/langextract#215: examples whose values are not in their own text."""
    slip = [("Emily married Sarha", {"facts": [{"what": "wedding"}]})]
    with pytest.raises(ConfigurationError, match=r"examples\[0\] has no place .*/facts/0/what"):
        extract(Facts, "x", model=ScriptedDriver([]), examples=slip, require_grounding=True)


def test_a_document_is_not_its_own_example() -> None:
    """google-research/FLAN#19: exemplars drawn from the set that is evaluated."""
    model = ScriptedDriver([{"facts": []}])
    extract(Facts, WEDDING[0], model=model, examples=Examples(SHOTS))
    assert len(model.requests[0].messages) == 2


def _chosen(text: str, value: Any, quote: str) -> Any:
    schema = {"type": "object", "properties": {"a": {"type": ["number", "string"]}}}
    answer = {"value": {"a": value}, "quotes": [{"at": "/a", "quote": quote}]}
    found = extract_result(schema, text, model=ScriptedDriver([answer]), quotes=True)
    spans = found.sources.get("/a", ())
    return [text[span.start - 8 : span.end + 8] for span in spans]


@pytest.mark.parametrize(
    "quote",
    [
        "is 50% (approx",
        "is 50% (approx) this * quarter",
        "[50",
        "50)",
        "a|b",
        "\\d+ 50",
        "(?P<x>50)",
    ],
)
def test_marks_of_patterns_in_a_quotation(quote: str) -> None:
    """567-labs/instructor#2430: a quotation is no regular expression."""
    text = "In May it was 50 units. The margin is 50% (approx) this * quarter, then 50 again."
    places = _chosen(text, 50, quote)
    assert len(places) == (1 if quote.startswith("is 50") else 3)


@pytest.mark.parametrize(
    "quote",
    ["ratio 1.50; 95% CI [1.3-1.7], P=0.001", "by Grillet et al. [13] revealed 1.50 and [18]"],
)
def test_square_brackets_in_a_quotation(quote: str) -> None:
    """monarch-initiative/dismech#9832, #10192: verbatim brackets were stripped, and not found."""
    text = (
        "A dose of 1.50 was given. The odds ratio 1.50; 95% CI [1.3-1.7], P=0.001.\n"
        "Work by Grillet et al. [13] revealed 1.50 and [18] others."
    )
    assert len(_chosen(text, 1.5, quote)) == 1
    assert len(_chosen(text, 1.5, "a dose of 1.50 [x]")) == 3


@pytest.mark.parametrize(
    ("quote", "places"),
    [
        ("The sum of 30 EUR ... is due in May", 1),
        ("The sum of 30 EUR […] is due in May", 1),
        ("The sum of 30 EUR … is due in June", 2),  # one piece stands nowhere
        ("30 ... is due in May", 2),  # too short to be meant
        ("...", 2),
    ],
)
def test_a_quotation_that_leaves_something_out(quote: str, places: int) -> None:
    """open-legal-products/mike#392, defog-ai/factiq-plugin#100: marks of omission."""
    text = "A fee of 30 EUR.\nThe sum of 30 EUR, paid in full by cheque or in cash, is due in May."
    assert len(_chosen(text, 30, quote)) == places


@pytest.mark.parametrize(
    "quote",
    ["The sum for goods was 30 EUR", "The total of 30 EUR is owed", "It was not 30 EUR in all"],
)
def test_a_paraphrase_is_no_quotation(quote: str) -> None:
    """garrytan/gbrain#4706, OpenContracts#2189, xr843/fojin#901: reworded, negated or invented."""
    text = "The sum for goods is 30 EUR. It was 30 EUR in all."
    assert len(_chosen(text, 30, quote)) == 2


@pytest.mark.parametrize(
    ("text", "quote", "start"),
    [
        ("小计 30 元。运费 2 元。合计 30 元。", "合计 30 元", 18),
        ("🙂 30\n🙃🙃 total: 30", "🙃🙃 total: 30", 15),
        ("Summe\u00a030 €\nGesamt-\nsumme 30 €", "Gesamtsumme 30 €", 25),
        ("“Net” 30 and ‘gross’ 30", "'gross' 30", 21),
        ("a 30\nThe   total\n  is 30", "the total is 30", 22),
    ],
)
def test_places_in_any_script(text: str, quote: str, start: int) -> None:
    """google/langextract#201, #334: places of Chinese text and of emoji, in code points."""
    (span,) = ground({"a": 30}, text, quotes={"/a": [quote]})["/a"]
    assert (span.start, text[span.start : span.end]) == (start, "30")


def test_a_source_that_is_not_there() -> None:
    """567-labs/instructor#2459: a check of quotations without a text to check them by."""
    from prompture import image

    picture = image(b"\x89PNG\r\n\x1a\n" + b"\x00" * 30)
    with pytest.raises(ConfigurationError, match="needs a text"):
        extract(Facts, picture, model=ScriptedDriver([]), quotes=True)
