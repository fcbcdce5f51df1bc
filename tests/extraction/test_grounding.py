"""ground(): values back to the places they stand in."""

from __future__ import annotations

import runpy
import time
import unicodedata
from decimal import Context, Decimal, FloatOperation, Inexact, Rounded, Subnormal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from prompture import ground
from prompture.extraction.grounding.placing import Placing
from prompture.types import Span

TEXT = (
    "ACME  Ltd\nInvoice No: A-7\nDate: 3 May 2024, 14:05\n"
    "Widget  2  1.250,00\nGadget  2  99,50\nTotal: EUR 1.349,50 (19 %)\n"
    "The “quick” brown—fox. Total due in 30 days.\n"
)
CASES: list[tuple[Any, str, str | None, str]] = [
    ({"no": "A-7"}, "/no", "A-7", "exact"),
    ({"name": "acme ltd"}, "/name", "ACME  Ltd", "normalised"),
    ({"total": 1349.5}, "/total", "1.349,50", "normalised"),
    ({"total": "1349.50"}, "/total", "1.349,50", "normalised"),
    ({"days": 30}, "/days", "30", "exact"),
    ({"rate": 0.19}, "/rate", "19", "normalised"),
    ({"date": "2024-05-03"}, "/date", "3 May 2024", "normalised"),
    ({"at": "2024-05-03T14:05:00"}, "/at", "3 May 2024, 14:05", "normalised"),
    ({"time": "14:05:00"}, "/time", "14:05", "normalised"),
    ({"quote": 'the "quick" brown-fox'}, "/quote", "The “quick” brown—fox", "normalised"),
    ({"a/b": {"~": "A-7"}}, "/a~1b/~0", "A-7", "exact"),
    ("A-7", "", "A-7", "exact"),
    ({"none": None, "yes": True}, "/none", None, ""),
    ({"name": "Nobody GmbH"}, "/name", None, ""),
    ({"n": 7777}, "/n", None, ""),
    ({"part": "Widg"}, "/part", None, ""),
]


@pytest.mark.parametrize(("value", "pointer", "words", "kind"), CASES)
def test_values_are_found(value: Any, pointer: str, words: str | None, kind: str) -> None:
    found = ground(value, TEXT)
    if words is None:
        assert pointer not in found
        return
    best = found[pointer][0]
    assert (TEXT[best.start : best.end], best.kind) == (words, kind)


def first(value: Any, text: str) -> tuple[str, str] | None:
    """The words and the kind of the best place of a lone value."""
    spans = ground(value, text).get("")
    return (text[spans[0].start : spans[0].end], spans[0].kind) if spans else None


FORMS: list[tuple[Any, str, str | None, str]] = [
    # Scripts without spaces between words.
    ("张三", "姓名张三，男", "张三", "exact"),
    ("東京", "明日東京へ行く", "東京", "exact"),
    ("서울", "서울에서 만났다", "서울", "exact"),
    ("เชียงใหม่", "อยู่เชียงใหม่มานาน", "เชียงใหม่", "exact"),
    ("ຫຼວງພະບາງ", "ຢູ່ຫຼວງພະບາງແລ້ວ", "ຫຼວງພະບາງ", "exact"),
    ("ភ្នំពេញ", "នៅភ្នំពេញថ្ងៃនេះ", "ភ្នំពេញ", "exact"),
    ("ရန်ကုန်", "သူရန်ကုန်မှာ", "ရန်ကုန်", "exact"),
    ("Google", "彼はGoogleで働く", "Google", "exact"),
    ("東京", "東\n京都", "東\n京", "normalised"),
    ("山田太郎", "氏名 山田　太郎 様", "山田　太郎", "normalised"),
    ("1,200円", "合計1,200円です", "1,200円", "exact"),
    ("の", "東京のほう", "の", "exact"),
    # Words of the others end where letters end, accents included.
    ("Ana", "Anaïs and Bo met Ana.", "Ana", "exact"),
    ("Jose", "Jose\u0301 only", "Jose\u0301", "fuzzy"),
    ("Jos", "Jose\u0301 José", None, ""),
    ("Öl", "Ölberg only", None, ""),
    ("Мир", "Мираж", None, ""),
    ("can", "I can't", None, ""),
    ("name", "first_name: x", None, ""),
    ("name", "_name_ is", "name", "exact"),
    ("ACME", "at ACME's", "ACME", "exact"),
    ("C", "C++ and C#", None, ""),
    ("C#", "C++ and C#", "C#", "exact"),
    ("-5", "5-5", None, ""),
    ("世界", "Hello世界！", "世界", "exact"),
    ("Nguyễn Văn A", unicodedata.normalize("NFD", "Ông Nguyễn Văn A."), unicodedata.normalize("NFD", "Nguyễn Văn A"), "normalised"),
    ("👨\u200d👩 x", "ab 👨\u200d👩 x", "👨\u200d👩 x", "exact"),
    # Composed, decomposed, full width, ligatures, marks that are not printed.
    ("José García", "Sr. Jose\u0301 Garci\u0301a", "Jose\u0301 Garci\u0301a", "normalised"),
    ("Jose\u0301", "xx José", "José", "normalised"),
    ("한국", unicodedata.normalize("NFD", "한국에"), unicodedata.normalize("NFD", "한국"), "normalised"),
    ("ệ o", "e\u0302\u0323 o", "e\u0302\u0323 o", "normalised"),
    ("ACME Ltd", "ＡＣＭＥ　Ｌｔｄ", "ＡＣＭＥ　Ｌｔｄ", "normalised"),
    ("coffee", "co\ufb00ee", "co\ufb00ee", "normalised"),
    ("Strasse", "die Straße", "Straße", "normalised"),
    ("Istanbul", "İSTANBUL", "İSTANBUL", "normalised"),
    ("example", "an exam-\nple of", "exam-\nple", "normalised"),
    ("example", "an exam\u00ad\nple of", "exam\u00ad\nple", "normalised"),
    ("multi-line", "a multi-\n  line text", "multi-\n  line", "normalised"),
    ("e-mail", "your email", "email", "normalised"),
    ("New York", "New\u00a0York", "New\u00a0York", "normalised"),
    ("zero width", "ze\u200bro\u200d width", "ze\u200bro\u200d width", "normalised"),
    ("Αθήνα", "ΑΘΗΝΑ", "ΑΘΗΝΑ", "fuzzy"),
    ("102", "10² units", None, ""),
    ("“Hello”", "Hello there", "Hello", "normalised"),
    # Numbers.
    (1234.56, "1.234,56 EUR", "1.234,56", "normalised"),
    (1234.56, "sum 1 234,56 EUR", "1 234,56", "normalised"),
    (1234.56, "1'234.56", "1'234.56", "normalised"),
    (123456.78, "Rs. 1,23,456.78", "1,23,456.78", "normalised"),
    (123, "١٢٣", "١٢٣", "normalised"),
    (1234.5, "١٬٢٣٤٫٥", "١٬٢٣٤٫٥", "normalised"),
    (123, "数量１２３個", "１２３", "normalised"),
    (1200, "合計1,200円です", "1,200", "normalised"),
    (-5, "total (5)", "(5)", "normalised"),
    (-5.25, "€ -5,25", "-5,25", "normalised"),
    (2_500_000, "$2.5 million", "2.5 million", "normalised"),
    (25_000, "約2.5万円", "2.5万", "normalised"),
    ("19%", "19 % tax", "19 %", "normalised"),
    ("$1,349.50", "1349.50 USD", "1349.50 USD", "normalised"),
    ("$1,349.50", "1.349,50 EUR", None, ""),
    ("1.10", "section 1.1", None, ""),
    (5, "2015-05-01", None, ""),
    (2015, "2015-05-01", "2015", "exact"),
    (float("nan"), "nan", None, ""),
    (10**500, "0", None, ""),
    # Dates and times.
    ("1996-01-01", "as of the 1st day of January, 1996 by", "1st day of January, 1996", "normalised"),
    ("1999-10-13", "this 13th day\nof October 1999", "13th day\nof October 1999", "normalised"),
    ("2000-01-01", "on January\n1, 2000", "January\n1, 2000", "normalised"),
    ("2024-01-02", "于2024年1月2日签", "2024年1月2日", "normalised"),
    ("2024-01-02", "令和6年1月2日", "令和6年1月2日", "normalised"),
    ("2024-01-02", "２０２４年１月２日", "２０２４年１月２日", "normalised"),
    ("2024-01-02", "ngày 2 tháng 1 năm 2024", "2 tháng 1 năm 2024", "normalised"),
    ("2024-01-02", "วันที่ 2 มกราคม 2567", "2 มกราคม 2567", "normalised"),
    ("2024-01-02", "วันที่ 2 มกราคม ค.ศ. 2024", "2 มกราคม ค.ศ. 2024", "normalised"),
    ("2024-01-02", "ביום 2 בינואר 2024", "2 בינואר 2024", "normalised"),
    ("b@c.de", "a.b@c.de", None, ""),
    ("a@b.co", "a@b.co.uk, x-a@b.co", None, ""),
    ("a@b.co", "<a@b.co>.", "a@b.co", "exact"),
    ("2024-01-02", "2024년 1월 2일", "2024년 1월 2일", "normalised"),
    ("2024-01-02", "am 2.1.2024", "2.1.2024", "normalised"),
    ("2024-01-02", "dne 2. 1. 2024", "2. 1. 2024", "normalised"),
    ("2024-01-02", "2 января 2024 г.", "2 января 2024", "normalised"),
    ("2024-01-02", "2024. január 2.", "2024. január 2", "normalised"),
    ("2024-01-02", "el 2 de enero del 2024", "2 de enero del 2024", "normalised"),
    ("2024-05", "in May 2024", "May 2024", "normalised"),
    ("3 May 2024", "am 03.05.2024", "03.05.2024", "normalised"),
    ("2024-05-03", "at 2024-05-03T14:05:00Z", "2024-05-03", "exact"),
    ("2024-05-03T14:05:30", "3 May 2024 14:05:30", "3 May 2024 14:05:30", "normalised"),
    ("2024-05-03T14:05:30", "3 May 2024 14:05:31", None, ""),
    ("2024-05-03T14:05:30", "3 May 2024 14:05", None, ""),
    ("2024-05-03T00:00:00", "3 May 2024", "3 May 2024", "normalised"),
    ("2024-05-03T14:05", "2024-05-03 14:05", "2024-05-03 14:05", "normalised"),
    ("3 May 2024", "on 2024-05-03", "2024-05-03", "normalised"),
    # A time belongs to one date: that before it, or that of its line.
    ("2024-01-06T10:00", "2024-01-05 10:00, 2024-01-06 11:00", None, ""),
    ("2024-01-06T11:00", "2024-01-05 10:00, 2024-01-06 11:00", "2024-01-06 11:00", "normalised"),
    ("2024-01-05T12:00", "5 Jan 2024 10:00 to 12:00, 6 Jan 2024", "5 Jan 2024 10:00 to 12:00", "normalised"),
    ("2024-01-06T12:00", "5 Jan 2024 10:00 to 12:00, 6 Jan 2024", None, ""),
    ("2024-01-05T10:00", "5.1.2024\n10:00", "5.1.2024\n10:00", "normalised"),
    ("2024-01-06T11:00", "10:00 5.1.2024\n11:00 6.1.2024", "11:00 6.1.2024", "normalised"),
    ("2024-01-05T11:00", "10:00 5.1.2024, 11:00 6.1.2024", None, ""),
    ("14:05:00", "午後2時5分", "午後2時5分", "normalised"),
    # Words with digits are exact.
    ("INV-2024-0918", "No INV-2024-0917", None, ""),
    ("INV-2024", "No INV-2024-0917", None, ""),
    ("AB12", "AB123 AB12C XAB12", None, ""),
    ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00.", "DE89 3704 0044 0532 0130 00", "normalised"),
    ("DE89370400440532013001", "DE89 3704 0044 0532 0130 00.", None, ""),
    ("0170 1234567", "tel (0170) 123-4567", "0170) 123-4567", "normalised"),
    ("0170 1234568", "tel (0170) 123-4567", None, ""),
    ("metformin 850 mg daily", "metformin 500 mg daily", None, ""),
    ("1", "item 1.5, A-1", None, ""),
    # Negations are not dropped; other words not changed.
    ("no evidence of malignancy", "there's evidence of malignancy", None, ""),
    ("there is evidence of malignancy", "there is no evidence of malignancy", None, ""),
    ("chronic kidney failure", "chronic liver failure", None, ""),
    ("payment by the employee here", "payment by the employer here, employee", None, ""),
    ("asymptomatic patients seen", "symptomatic patients seen", None, ""),
    ("ACME Corporation International", "ACME", None, ""),
    ("the quick brwn fox jumps", "The quick, brown fox jumps", "The quick, brown fox jumps", "fuzzy"),
    ("recieved by the board", "It was received by the board.", "received by the board", "fuzzy"),
    ("Bank of the Ozarks plc", "at Bank of Ozarks plc today", "Bank of Ozarks plc", "fuzzy"),
    # A comma before digits parts words; a number behind it is whole.
    (46, "张伟，男，46岁。", "46", "exact"),
    (34, "John,34 years", "34", "exact"),
    (19, "Nr.19 of it", "19", "exact"),
    (0.46, "rate ,46 here", ",46", "normalised"),
    # In scripts without spaces one letter may be the "not", or another person.
    ("乙方不可以申请远程办公", "乙方可以申请远程办公。", None, ""),
    ("乙方可以申请远程办公", "乙方不可以申请远程办公。", None, ""),
    ("東京都千代田区丸の内一丁目", "東京都千代田区丸の内二丁目", None, ""),
    ("四年", "二〇二四年三月", None, ""),
    ("四年", "期限四年。", "四年", "exact"),
    ("não pago pelo cliente", "pago pelo cliente aqui", None, ""),
    # Parts of addresses and codes; the digits of a day are those of a code.
    ("gomez@kestrel.io", "<rita.gomez@kestrel.io>", None, ""),
    ("CL-4410", "claim CL-4410-B of", None, ""),
    ("2024-0612", "2024-0612-03", None, ""),
    ("COVID-19", "a COVID-19-PCR", "COVID-19", "exact"),
    ("2024-05", "on 2024-05-01", "2024-05", "exact"),
    ("2024-08-15", "Nr. 2024/0815", None, ""),
    # Where thousands are parted by spaces, a part is found, but not as surely.
    (850.5, "brute : 2 850,50 € par mois", "850,50", "normalised"),
    (2850.5, "brute : 2 850,50 € par mois", "2 850,50", "normalised"),
    (250, "Stuhl 4 250,00 und 1.250,00", "250,00", "normalised"),
    # Brackets behind a number in words are no minus.
    (30, "within thirty (30) days", "30", "exact"),
    (30, "binnen dreißig (30) Tagen", "30", "exact"),
    # Powers of ten in other languages, the longest first.
    (50_000_000, "人民币5千万元", "5千万", "normalised"),
    (5000, "人民币5千万元", None, ""),
    (50_000_000, "보증금 5천만원", "5천만", "normalised"),
    (2_500_000, "2.5 مليون ريال", "2.5 مليون", "normalised"),
    # Day and month in a language that puts the day first.
    ("2024-09-12", "Compte rendu. M. Perrin, vu le 12/09/2024 pour une douleur dans le dos.", "12/09/2024", "normalised"),
    ("2024-12-09", "Compte rendu. M. Perrin, vu le 12/09/2024 pour une douleur dans le dos.", None, ""),
    ("2024-04-06", "לתשלום עד 04/06/2024", None, ""),
    ("2024-04-06", "due 04/06/2024", "04/06/2024", "normalised"),
    ("19:30", "Beginn 19.30 Uhr", "19.30", "normalised"),
    ("6 Wochen", "Kontrolle beim Arzt in sechs Wochen", "sechs Wochen", "normalised"),
    # Halves of characters, nothing.
    ("\ud800", "a \ud800 b", "\ud800", "exact"),
    ("", "a", None, ""),
    ("a", "", None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text", "words", "kind"), FORMS)
def test_forms(value: Any, text: str, words: str | None, kind: str) -> None:
    assert first(value, text) == (None if words is None else (words, kind))


def places(value: Any, text: str) -> dict[str, int]:
    """Where each leaf begins."""
    return {pointer: spans[0].start for pointer, spans in ground(value, text).items()}


@pytest.mark.parametrize(
    ("items", "text", "starts"),
    [
        (["bell", "bell"], "the bell and the bell", [4, 17]),
        (["Ann", "Bo", "Ann", "Ann"], "Ann saw Bo. Later Ann left. In the end Ann came.", [0, 8, 18, 39]),
        (["Ann Lee", "Bob Ray"], "Ann Lee, Bob Ray\nThe work of Bob Ray and Ann Lee", [0, 9]),
        ([1, 1, 2], "1 and 1 and 2", [0, 6, 12]),
        (["b", "a"], "a word, b word", [8, 0]),
        (["x one", "X ONE"], "X ONE, then x one", [12, 0]),
    ],
)  # fmt: skip
def test_items_stand_in_order_and_apart(items: list[Any], text: str, starts: list[int]) -> None:
    found = places(items, text)
    if sorted(map(str, items)) == ["X ONE", "x one"]:
        assert sorted(found.values()) == sorted(starts)
    else:
        assert list(found.values()) == starts


def test_rows_keep_their_values_together() -> None:
    text = "Pear 2 3.00\nApple 1 1.50\nPear 2 2.00\nApple 1 1.50\n"
    rows = [
        {"item": "Pear", "qty": 2, "price": 3.0, "tags": ["Pear"]},
        {"item": "Apple", "qty": 1, "price": 1.5, "tags": []},
        {"item": "Pear", "qty": 2, "price": 2.0, "tags": []},
        {"item": "Apple", "qty": 1, "price": 1.5, "tags": []},
    ]
    for pointer, spans in ground({"rows": rows}, text).items():
        row = int(pointer.split("/")[2])
        assert text.count("\n", 0, spans[0].start) == row, pointer


def test_many_equal_rows_have_places_of_their_own() -> None:
    text = "".join(f"Widget 1 {i}.00\n" for i in range(100, 400))
    rows = [{"name": "Widget", "qty": 1, "price": float(i)} for i in range(100, 400)]
    for pointer, spans in ground(rows, text).items():
        assert text.count("\n", 0, spans[0].start) == int(pointer.split("/")[1]), pointer


def test_a_repeated_value_is_taken_next_to_its_siblings() -> None:
    rows = {"rows": [{"name": "Widget", "qty": 2}, {"name": "Gadget", "qty": 2}]}
    found = ground(rows, TEXT)
    assert TEXT.rfind("2", 0, found["/rows/0/qty"][0].end) < TEXT.find("Gadget")
    assert found["/rows/1/qty"][0].start > TEXT.find("Gadget")


@pytest.mark.parametrize(
    ("value", "text", "pointer", "ambiguous"),
    [
        ("ACME", "ACME and ACME", "", True),
        ("ACME", "ACME and Bolt", "", False),
        ({"a": "ACME", "b": "Rome"}, "ACME of Rome. " + "x " * 300 + "ACME", "/a", False),
        ({"a": "ACME", "b": "Rome"}, "ACME Rome ACME", "/a", True),
        (["ACME", "ACME"], "ACME and ACME", "/0", False),
        (["ACME", "ACME"], "ACME and ACME and ACME", "/1", True),
    ],
)
def test_a_place_that_nothing_decides_says_so(
    value: Any, text: str, pointer: str, ambiguous: bool
) -> None:
    spans = ground(value, text)[pointer]
    assert spans[0].ambiguous is ambiguous
    assert spans[0] == Span(spans[0].start, spans[0].end, spans[0].kind, spans[0].score)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([f"12345678{i}" for i in range(50)], "1 " * 100_000),
        ([1] * 100, "1 " * 100_000),
        (["a"] * 100, "a " * 100_000),
        (["2024-01-02", "2024-01"], "1. " * 70_000),
        (["a b c d e f g"], "a" + "\u0301" * 200_000),
        ([f"same word here again zebra{i}" for i in range(50)], "same word here again " * 10_000),
        ([{"a": "a", "n": 1, "b": "b"}] * 200, "a 1 b\n" * 30_000),
        ([1.5], "1." * 100_000),
        (["x" * 3000, "-" * 100], "-" * 200_000),
        ([f"张三{i}" for i in range(50)], "姓名张三，男" * 30_000),
        (["2024-05"], "May 2024 " * 100_000),
    ],
)
def test_hostile_texts_take_bounded_time(value: Any, text: str) -> None:
    began = time.process_time()
    ground(value, text)
    assert time.process_time() - began < 20


def test_deep_values_end_and_do_not_raise() -> None:
    value: Any = "v"
    for _ in range(100_000):
        value = [value]
    assert ground(value, "a v") == {}
    value = "v"
    for _ in range(300):
        value = [value]
    assert len(ground(value, "a v")) == 1
    value = [{"name": "v"}, {"name": "v"}]
    for _ in range(3000):
        value = [{"name": "v", "below": one} for one in value]
    assert len(ground(value, "a v, v")) == 998


class Odd(BaseModel):
    name: str
    code: bytes
    held: Any = None


@pytest.mark.parametrize(
    "value",
    [
        Odd(name="A-7", code=b"\xff\xfe", held=object()),
        [Odd(name="\ud800", code=b"A-7")],
        {"a": b"\xff", "b": object(), "c": {1: "A-7"}},
    ],
)
def test_values_that_have_no_json(value: Any) -> None:
    assert any(
        "A-7" in TEXT[s.start : s.end] for spans in ground(value, TEXT).values() for s in spans
    )


def test_a_value_that_contains_itself() -> None:
    loop: list[Any] = ["A-7"]
    loop.append(loop)
    with pytest.raises(ValueError, match=r"(?i)circular"):
        ground(loop, TEXT)
    shared = ["A-7"]
    assert set(ground([shared, shared], TEXT)) == {"/0/0", "/1/0"}


def test_the_decimal_context_of_the_caller_changes_nothing() -> None:
    value = {"total": 1349.5, "rate": 0.19, "price": Decimal("1250.00"), "days": 30}
    every = [Inexact, Rounded, Subnormal, FloatOperation]
    with localcontext(Context(prec=2, traps=every)):
        found = ground(value, TEXT)
    assert found == ground(value, TEXT)
    assert set(found) == {"/total", "/rate", "/price", "/days"}


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(min_size=1, max_size=20), st.text(max_size=60))
def test_exact_spans_hold_the_value(before: str, value: str, after: str) -> None:
    text = f"{before} {value} {after}"
    for spans in ground({"v": value}, text).values():
        assert 1 <= len(spans) <= 5
        for span in spans:
            assert 0 <= span.start < span.end <= len(text)
            if span.kind == "exact":
                assert text[span.start : span.end] == value.strip()


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150)
@given(_ANY, st.text(max_size=200))
def test_any_value_and_any_text(value: Any, text: str) -> None:
    for spans in ground(value, text).values():
        assert all(0 <= s.start < s.end <= len(text) for s in spans)


@given(st.lists(st.sampled_from(["Ann", "Bo", "Cy"]), min_size=1, max_size=12))
def test_mentions_in_the_order_of_the_text_are_each_found(names: list[str]) -> None:
    text = ", ".join(names)
    starts = [spans[0].start for spans in ground(names, text).values()]
    assert starts == [len(", ".join([*names[:i], ""])) for i in range(len(names))]


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_numbers_are_found_as_printed(number: Decimal) -> None:
    text = f"Total: {number:,.2f} EUR"
    assert "/n" in ground({"n": float(number)}, text)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("papers_grobid", 0.985, 12),
        ("resumes_dotin", 0.975, 12),
        ("citations_anystyle", 0.99, 12),
        ("contracts_cuad", 0.94, 0),
    ],
)
def test_the_corpus_is_grounded_and_false_values_are_not(
    shared: Path, name: str, least: float, most: int
) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "eval_grounding.py"
    assert (shared / "corpus" / name).is_dir()
    measured = runpy.run_path(str(script))["measure"](
        name, folder=shared / "corpus" / name, most=most
    )
    assert measured["share"] >= least
    assert measured["false_share"] <= 0.005
    assert measured["ambiguous"] >= measured["misses"] / 2


@pytest.mark.parametrize(
    ("value", "text", "found"),
    [("4", "Paper size A4", False), ("3", "in Q3 2024", True), ("12", "EUR12 a month", True)],
)
def test_digits_of_a_code_are_no_figure(value: str, text: str, found: bool) -> None:
    assert bool(ground(value, text)) is found


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        (2, "add 2½ cups", None),
        ("2", "add 2½ cups", None),
        (2, "add 2 ½ cups", None),
        (45, "area 45m² in all", "45"),
        (0.5, "a dose of .5 mg", ".5"),
        (5, "a dose of .5 mg", None),
        (5, "the end.5 more", "5"),
        (Decimal("1E+3"), "1000 units", "1000"),
        (Decimal("-1.5E+3"), "-1,500 units", "-1,500"),
        ("\U0001f44d", "ok \U0001f44d\U0001f3fd", None),
        ("\U0001f44d\U0001f3fd", "ok \U0001f44d\U0001f3fd", "\U0001f44d\U0001f3fd"),
    ],
)
def test_parts_of_figures_and_of_signs(value: Any, text: str, words: str | None) -> None:
    found = first(value, text)
    assert (found and found[0]) == words


@pytest.mark.parametrize("value", ["12", 12])
def test_digits_behind_letters_are_not_exact(value: str | int) -> None:
    (there,) = ground(value, "Size S12 only")[""]
    assert (there.kind, there.score) == ("normalised", 0.7)
    assert ground(value, "S12, and 12 of it")[""][0].start == 9
    assert first(value, "EUR12 a month") == ("12", "exact")


class Counted(dict[Any, Any]):
    """A dict that counts how often it is asked."""

    asked = 0

    def __getitem__(self, key: Any) -> Any:
        self.asked += 1
        return super().__getitem__(key)


def test_the_leaves_of_a_large_object_are_placed_in_linear_work() -> None:
    value = {f"k{i}": f"v{i}" for i in range(3000)}
    places = Counted({(key,): (Span(9 * i, 9 * i + 5),) for i, key in enumerate(value)})
    assert len(Placing("", places).settled(value)) == 3000
    assert places.asked < 3000 * 20


TABLE = """
| Day | Debit | Credit | Balance |
|---|---|---|---|
| 1 |  | 500.00 | 500.00 |
| 2 | 250.00 |  | 250.00 |
| 250 | 125.00 |  | 125.00 |

| Name | Sales 2023 | Sales 2024 |
|:--|--:|--:|
| A\\|B | 500 | 250 |
| C | 250 | 250 |
"""


@pytest.mark.parametrize(
    ("pointer", "line", "column"),
    [
        ("/moves/0/credit", 3, 3),
        ("/moves/0/balance", 3, 4),
        ("/moves/1/debit", 4, 2),
        ("/moves/1/balance", 4, 4),
        ("/moves/2/day", 5, 1),
        ("/moves/2/debit", 5, 2),
        ("/sales/0/sales_2023", 9, 2),
        ("/sales/0/sales2024", 9, 3),
        ("/sales/1/sales_2023", 10, 2),
        ("/sales/1/sales2024", 10, 3),
    ],
)
def test_heads_of_columns_are_labels(pointer: str, line: int, column: int) -> None:
    value = {
        "moves": [
            {"balance": 500, "credit": 500},
            {"balance": 250, "debit": 250},
            {"balance": 125, "debit": 125, "day": 250},
        ],
        "sales": [{"sales2024": 250, "sales_2023": 500}, {"sales2024": 250, "sales_2023": 250}],
    }
    span = ground(value, TABLE)[pointer][0]
    row = TABLE.splitlines()[line][: span.start - TABLE.rfind("\n", 0, span.start) - 1]
    assert (TABLE.count("\n", 0, span.start), row.replace("\\|", "").count("|")) == (line, column)
    assert not span.ambiguous


def test_a_title_of_the_schema_is_the_head_of_a_column() -> None:
    schema: Any = {"properties": {"v": {"items": {"properties": {"b": {"title": "Credit"}}}}}}
    text = "| Debit | Credit |\n|---|---|\n| 7 | 7 |\n| 8 | 8 |\n"
    starts = [s[0].start for s in ground({"v": [{"b": 7}, {"b": 8}]}, text, schema=schema).values()]
    assert starts == [text.index("7 |\n"), text.index("8 |\n")]


@pytest.mark.parametrize("field", ["net", "gross", "order_date", "ship_date"])
def test_a_table_of_fields_and_values(field: str) -> None:
    rows = {
        "order_date": "01.02.2025",
        "ship_date": "01.02.2025",
        "net": "100,00",
        "gross": "100,00",
    }
    body = "".join(
        f"| {name.replace('_', ' ').title()} | {value} |\n" for name, value in rows.items()
    )
    text = f"| Field | Value |\n|---|---|\n{body}"
    value = {"order_date": "2025-02-01", "ship_date": "2025-02-01", "net": 100, "gross": 100}
    span = ground(value, text)[f"/{field}"][0]
    assert text.count("\n", 0, span.start) == 2 + list(rows).index(field)


def test_equal_cells_of_a_row_have_places_of_their_own() -> None:
    text = "| Poste | x | y |\n|---|---|---|\n| Marge | 30 | 30 |\n"
    found = ground([{"name": "Marge", "a": 30, "b": 30}], text)
    assert found["/0/a"][0].start < found["/0/b"][0].start
