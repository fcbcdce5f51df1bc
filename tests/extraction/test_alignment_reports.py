"""Situations from public reports against other tools that align values with a text.

Each is named by the report; the texts are our own.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture import ground


def found(value: Any, text: str) -> str | None:
    spans = ground({"v": value}, text).get("/v", ())
    return text[spans[0].start : spans[0].end] if spans else None


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        # google/langextract#201, #81: words of Chinese and Japanese have no places.
        ("静脉注射", "患者被给予250毫克静脉注射头孢，每日三次。", "静脉注射"),
        ("250毫克", "患者被给予250毫克静脉注射头孢，每日三次。", "250毫克"),
        ("日本航空", "日本の日本航空社は日本にある", "日本航空"),
        # google/langextract#289: of a long value only its first words are marked.
        (
            "每份约200克，含548大卡热量，蛋白质21.56克",
            "总计：每份约200克。\n每份约200克，含548大卡\n热量，蛋白质21.56克，脂肪",
            "每份约200克，含548大卡\n热量，蛋白质21.56克",
        ),
        # google/langextract#334, tdlib/td#2984: offsets shift behind characters that are wide.
        ("$99.99", "测试。😀 Hello 世界！This is 价格 $99.99 and こんにちは", "$99.99"),
        ("qwerty", "😀qwerty", "qwerty"),
        # google/langextract#151: what is no text of the document gets a place.
        ("{'query': 'articles about Tesla'}", "Get articles about Tesla", None),
        ("search_news", "Get articles about Tesla", None),
        # huggingface/tokenizers#1201: syllables of conjoining letters.
        ("마실까해요", unicodedata.normalize("NFD", "나는 마실까해요"), unicodedata.normalize("NFD", "마실까해요")),
        # apache/lucene#11976: one character that stands for two.
        ("日㋀日", "今日日㋀日です", "日㋀日"),
        # spencermountain/compromise#1099: an accent of its own falls off its word.
        ("Poincaré", "by Poincare\u0301, 1905", "Poincare\u0301"),
        # monarch-initiative/dismech#8048: a hyphen and a blank at the line's end.
        ("structural abnormalities", "shows struc -\ntural abnor -\nmalities", "struc -\ntural abnor -\nmalities"),
        # monarch-initiative/dismech#11133: brackets of the source within a quotation.
        ("oligodactyly [missing digits], or", "(oligodactyly [missing\ndigits], or)", "oligodactyly [missing\ndigits], or"),
        # markup-carve/carve#1395: a line's end within a short reference.
        ("PART 11 §10d", "see PART 11\n  §10d.", "PART 11\n  §10d"),
        # sourcegraph#38481: three persons of a family of four.
        ("👨‍👩‍👧", "a 👨‍👩‍👧‍👧 b", None),
        ("👨‍👩‍👧", "a 👨‍👩‍👧‍👧 b 👨‍👩‍👧", "👨‍👩‍👧"),
        # Vowels of Arabic that one of the two leaves out.
        ("محمد علي", "السيد مُحَمَّد علي المحترم", "مُحَمَّد علي"),
    ],
)  # fmt: skip
def test_reports(value: str, text: str, words: str | None) -> None:
    assert found(value, text) == words


def test_mentions_of_one_name_do_not_all_collapse_to_the_first() -> None:
    """google/langextract#485."""
    text = "Aspirin was given. Later aspirin was stopped, then Aspirin resumed."
    spans = ground(["Aspirin", "aspirin", "Aspirin"], text)
    assert [spans[f"/{i}"][0].start for i in range(3)] == [0, 25, 51]


def test_common_values_are_linked_within_their_row() -> None:
    """HazyResearch/fonduer#507: words that are everywhere in a document are linked anywhere."""
    text = "Total 10\n" * 5 + "\nPart  Pieces  Price\nBolt  10  0.50\nNut  10  0.10\n\nTotal 10\n"
    spans = ground({"parts": [{"part": "Bolt", "pieces": 10}, {"part": "Nut", "pieces": 10}]}, text)
    assert spans["/parts/0/pieces"][0].start == text.index("10  0.50")
    assert spans["/parts/1/pieces"][0].start == text.index("10  0.10")


def test_two_readings_of_a_field_are_told_by_their_labels() -> None:
    """Equal values stand each at its own label."""
    text = "Net amount: 10.00\nTax: 10.00\nInsurance: 10.00"
    spans = ground({"insurance": 10.0, "tax": 10.0, "net_amount": 10.0}, text)
    assert {p: text[: s[0].start].count("\n") for p, s in spans.items()} == {
        "/net_amount": 0, "/tax": 1, "/insurance": 2,
    }  # fmt: skip
    schema = {
        "properties": {
            "a": {"type": "number", "description": "the tax"},
            "b": {"type": "number", "title": "Insurance"},
        }
    }
    spans = ground({"a": 10.0, "b": 10.0}, text, schema=schema)
    assert text[: spans["/a"][0].start].count("\n") == 1
    assert text[: spans["/b"][0].start].count("\n") == 2


def test_a_contracts_state_is_that_of_its_law() -> None:
    text = (
        "This agreement is made between Acme Inc., a Delaware corporation, and Bolt LLC.\n"
        + "The parties shall do as they promise in this agreement. " * 60
        + "\nThis agreement shall be governed by the laws of the State of Delaware.\n"
        + "Notices go to 1 Main Street, Dover, Delaware.\n"
    )
    value = {"parties": ["Acme Inc.", "Bolt LLC"], "governing_law": "Delaware"}
    (span, *_) = ground(value, text)["/governing_law"]
    assert text[span.start - 13 : span.end] == "the State of Delaware"


_PIECE = st.sampled_from(
    [
        "Ann",
        "李明",
        "한국",
        "مرحبا",
        "שלום",
        "ไทย",
        "😀",
        "👩🏽",
        "é",
        "e\u0301",
        "ﬁ",
        "Ⅷ",
        "\u200b",
        "\u00ad",
    ]
)


@given(
    st.lists(_PIECE, max_size=12),
    st.lists(_PIECE, max_size=12),
    st.sampled_from(["名古屋市", "ประเทศไทย", "الرياض", "Zürich"]),
)
def test_places_are_code_points_in_any_script(
    before: list[str], after: list[str], value: str
) -> None:
    text = f"{' '.join(before)} {value} {' '.join(after)}"
    (span, *_) = ground({"v": value}, text)["/v"]
    assert text[span.start : span.end] == value
    composed = unicodedata.normalize("NFD", text)
    (span, *_) = ground({"v": value}, composed)["/v"]
    assert unicodedata.normalize("NFC", composed[span.start : span.end]) == unicodedata.normalize(
        "NFC", value
    )


@given(st.lists(st.sampled_from("xyz"), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_a_list_out_of_order_takes_first_mentions(names: list[str], draw: Any) -> None:
    """Whatever the order of a list of different names, each is found at a mention of its own."""
    words = list(dict.fromkeys(f"Name{n * 3}" for n in names))
    text = " said this. ".join(words) + ". " + " and ".join(reversed(words))
    mixed = draw.sample(words, len(words))
    spans = ground(mixed, text)
    for i, word in enumerate(mixed):
        (span, *_) = spans[f"/{i}"]
        assert text[span.start : span.end] == word
