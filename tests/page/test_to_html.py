"""The page of evidence as text: what stands in it, whatever the document holds."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

import prompture
from prompture import extract_result, extract_stream
from prompture.errors import ConfigurationError, Invalid
from prompture.extraction.chunks import Claim
from prompture.json_values import escape
from prompture.money import Bill, Charge, Cost, Usage
from prompture.page import to_html
from prompture.page.marks import LONGEST_LINE, column_width
from prompture.types import DocumentPage, FileDocument, Span, Text
from tests.page.results import HOSTILE, NAMES, Reader, pointers_in, result_of

ROOT = Path(__file__).resolve().parents[2]
INVOICE = (ROOT / "examples" / "documents" / "invoice.txt").read_text(encoding="utf-8")


def shown(text: str) -> str:
    """The text as HTML can hold it."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def test_leaves_and_marks_name_each_other() -> None:
    value = {
        "seller": {"name": "Brückner Messtechnik GmbH"},
        "items": [{"total": 756.0}],
        "no": None,
    }
    page = Reader(result_of(value, INVOICE).to_html())
    assert page.texts == [INVOICE]
    assert set(page.leaves) == {"/seller/name", "/items/0/total", "/no"}
    assert page.marked("/seller/name") == "Brückner Messtechnik GmbH"
    assert page.marked("/items/0/total") == "756,00"
    states = {pointer: leaf["data-state"] for pointer, leaf in page.leaves.items()}
    assert states == {"/seller/name": "exact", "/items/0/total": "normalised", "/no": "empty"}


def test_what_has_no_place_is_marked_so() -> None:
    page = Reader(result_of({"a": "Nobody Inc", "b": 17, "c": True}, INVOICE).to_html())
    assert [leaf["data-state"] for leaf in page.leaves.values()] == [
        *("absent", "absent", "inferred")
    ]
    assert page.marks == []


def test_what_the_text_need_not_print_is_marked_so() -> None:
    class Paper(BaseModel):
        name: str
        kind: Literal["invoice", "receipt"]
        language: str = "English"

    plain = {"name": "Brückner", "kind": "invoice"}
    found = result_of(plain, INVOICE, schema=Paper.model_json_schema())
    html = prompture.Extraction(**{**vars(found), "value": Paper(**plain)}).to_html()
    states = {pointer: leaf["data-state"] for pointer, leaf in Reader(html).leaves.items()}
    assert states == {"/name": "exact", "/kind": "inferred", "/language": "inferred"}
    assert "<b>1 of 1</b> value found in the text" in html


def test_a_value_that_is_no_object() -> None:
    page = Reader(result_of("RE-2024-0917", INVOICE).to_html())
    assert page.marked("") == "RE-2024-0917"
    assert set(page.leaves) == {""}


places = st.lists(st.tuples(st.integers(-3, 60), st.integers(0, 40)), max_size=12)
texts = st.text(st.characters(exclude_categories=()), max_size=60)


@settings(max_examples=150, deadline=None)
@given(texts, places)
def test_marks_hold_what_their_spans_do(text: str, found: list[tuple[int, int]]) -> None:
    """Whatever overlaps, and whatever the text is made of."""
    sources = {f"/{i}": (Span(start, start + length),) for i, (start, length) in enumerate(found)}
    page = Reader(result_of([text] * len(found), text, sources).to_html())
    assert "".join(page.texts) == shown(text)
    for pointer, (span,) in sources.items():
        assert page.marked(pointer) == shown(text[max(0, span.start) : max(0, span.end)])
    named = {pointer for names, _, _ in page.marks for pointer in names}
    assert named <= set(sources)


def test_marks_that_overlap_name_the_innermost_first() -> None:
    sources = {"/whole": (Span(0, 20),), "/part": (Span(5, 10),)}
    page = Reader(result_of({"whole": "x", "part": "y"}, "0123456789" * 3, sources).to_html())
    assert [names for names, _, _ in page.marks] == [["/whole"], ["/part", "/whole"], ["/whole"]]


def test_other_places_of_a_value_are_set_apart() -> None:
    page = Reader(
        to_html(result_of({"a": "ACME"}, "ACME x ACME", {"/a": (Span(7, 11), Span(0, 4))}))
    )
    assert [attrs.get("class") for _, _, attrs in page.marks] == ["alt", None]
    assert [attrs["data-at"] for _, _, attrs in page.marks] == ["0", "7"]
    assert page.leaves["/a"]["data-start"] == "7"


def test_long_lines_and_long_texts_are_cut_into_blocks() -> None:
    """The browser lays out what is in sight; nothing is lost at a cut."""
    for text in (
        "x" * 100_000,
        "word " * 20_000,
        "line\n" * 20_000,
        "y" * 5_000 + "\n" + "z" * 50_000,
    ):
        span = Span(2_990, 40_000)
        page = result_of("x", text, {"": (span,)}).to_html()
        assert Reader(page).texts == [text]
        assert Reader(page).marked("") == text[span.start : span.end]
        blocks = page.count("<div class=c ")
        assert len(text) / LONGEST_LINE < blocks < 5 + len(text) / 1_000


def test_a_text_that_would_be_more_is_text() -> None:
    value = dict(NAMES)
    page = result_of(value, HOSTILE).to_html(title="</title><script>window.owned = 3</script>")
    page.encode("utf-8")  # it can be written
    read = Reader(page)
    assert read.texts == [shown(HOSTILE)]
    assert page.count("<script") == page.count("</script>") == 1
    assert "img" not in read.tags
    assert page.count("<style>") == 1
    assert set(read.leaves) == {f"/{escape(name)}" for name in value}
    assert {p for names, _, _ in read.marks for p in names} >= {"/~01", "/a~1b", "/__proto__", "/"}


def test_controls_show_themselves() -> None:
    page = result_of("x", "a\u202eb\x00").to_html()
    assert '<bdi class=ctl title="U+202E">\u202e</bdi>' in page
    assert '<bdi class=ctl title="U+0000">\ufffd</bdi>' in page


def test_letters_that_nobody_sees_are_shown() -> None:
    """Words to a model are hidden in tags; joiners and marks of direction are of languages."""
    page = result_of(
        "x", "Pay\U000e0048\U000e0049 a\u2062b\ufeff \u200d\u200c\u00ad\u200f"
    ).to_html()
    assert re.findall(r"ctl title=\"U\+(\w+)", page) == ["E0048", "E0049", "2062", "FEFF"]


def test_no_name_reverses_the_order_of_letters() -> None:
    documents = tuple(FileDocument("one", f"\u202e{i}\"<b>", pages=(DocumentPage(number=1, start=0, end=3),))
                      for i in range(2))  # fmt: skip
    page = result_of({"\u202ea": {"b": "x"}}, "one\n\none", documents=documents).to_html()
    for words in re.findall(r'(?:aria-label|data-label|alt)="([^"]*)"', page):
        assert "\u202e" not in words and "<" not in words
    assert re.findall(r'data-label="([^"]*)"', page) == [
        f"\ufffd{i}&quot;&lt;b&gt;" for i in (0, 1)
    ]
    assert 'data-pointer="/\u202ea/b"' in page  # to be read by programs


def test_pages_without_text_are_named_with_the_next() -> None:
    pages = tuple(DocumentPage(number=n, start=a, end=b) for n, (a, b) in
                  enumerate(((0, 0), (0, 3), (3, 3), (3, 6)), 1))  # fmt: skip
    other = FileDocument("abcdef", "scan", pages=pages)
    page = result_of({}, "x\n\nabcdef", documents=(Text("x"), other)).to_html()
    assert re.findall(r'data-label="([^"]*)"', page) == [
        "scan · Page 1 · Page 2",
        "Page 3 · Page 4",
    ]


def test_what_has_no_picture_is_named_among_the_pictures() -> None:
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.new("RGB", (9, 9)).save(buffer, "PNG")
    pages = (DocumentPage(number=1, start=0, end=3, width=9, height=9),)
    one = FileDocument("one", "a.png", pages=pages, media_type="image/png", data=buffer.getvalue())
    others = (Text("two"), FileDocument("three", "<b>.txt"))
    page = result_of({}, "one\n\ntwo\n\nthree", documents=(one, *others)).to_html()
    words = re.findall(r"class='quiet left'><bdi>(.*?)</p>", page)
    assert words == [
        "A text</bdi> is shown as text only.",
        "“&lt;b&gt;.txt”</bdi> is shown as text only.",
    ]
    assert "shown as text only" not in result_of({}, "two", documents=others).to_html()


@pytest.mark.parametrize("value", [False, 0, 0.0, True, "0", " "])
def test_no_value_is_empty_but_null_and_what_holds_nothing(value: object) -> None:
    page = Reader(result_of({"a": value, "b": None, "c": "", "d": [], "e": {}}, "text").to_html())
    states = [leaf["data-state"] for leaf in page.leaves.values()]
    assert states[0] != "empty" and states[1:] == ["empty"] * 4


def test_a_branch_in_conflict_is_counted() -> None:
    claims = (Claim(["ACME", "Bolt"], ()), Claim("ACME and Bolt", ()))
    found = result_of({"a": ["ACME", "Bolt"], "ab": 1}, "ACME Bolt 1", conflicts={"/a": claims})
    states = {
        pointer: leaf["data-state"] for pointer, leaf in Reader(found.to_html()).leaves.items()
    }
    assert states == {"/a/0": "conflict", "/a/1": "conflict", "/ab": "exact"}
    assert "2 conflict" in to_html([found, found])


@pytest.mark.parametrize("names", ["one.txt", ["a", "b"], [Path("a")], [None], b"x"])
def test_names_that_are_none_are_refused(names: object) -> None:
    with pytest.raises(ConfigurationError, match="names must be a list of texts"):
        to_html(result_of("x", "x"), names=names)  # type: ignore[arg-type]


def test_a_picture_whose_reader_breaks_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    image = pytest.importorskip("PIL.Image")

    def broken(*_: object, **__: object) -> None:
        raise struct.error("unpack requires a buffer of 8 bytes")

    monkeypatch.setattr(image, "open", broken)
    pages = (DocumentPage(number=1, start=0, end=1, width=9, height=9),)
    for kind in ("image/tiff", 'image/svg+xml" onload="x'):
        document = FileDocument("x", "x", pages=pages, media_type=kind, data=b"II*\0")
        page = result_of("x", "x", documents=(document,)).to_html()
        assert "img" not in Reader(page).tags and "onload" not in page


def test_the_policy_of_the_page_allows_its_own_script_alone() -> None:
    page = result_of("x", "x").to_html()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[\w+/=]{44}'", policy)
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", page)
    assert "url(" not in page


def test_several_documents_have_an_index() -> None:
    good, bad = result_of({"a": "ACME"}, "ACME"), Invalid("it <b>was</b> refused")
    page = to_html([good, bad, good], names=["one.txt", "<two>"])
    assert page.count("<article") == 3
    index = page[page.index("<nav class=index") : page.index("</nav>")]
    assert re.findall(r"<bdi>(.*?)</bdi>", index) == ["one.txt", "&lt;two&gt;", "Document 3"]
    assert "Invalid: it &lt;b&gt;was&lt;/b&gt; refused" in page


@pytest.mark.parametrize("wrong", ["text", [], ["text"], {"a": 1}, None, 3])
def test_what_is_no_result_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="results"):
        to_html(wrong)  # type: ignore[arg-type]


def test_values_that_the_schema_made_other_are_shown_with_the_answer() -> None:
    class Party(BaseModel):
        name: str
        note: str = "none"

        @field_validator("name")
        @classmethod
        def _capital(cls, value: str) -> str:
            return value.upper()

    plain = {"name": "Acme"}
    found = result_of(plain, "Acme Ltd")
    made = prompture.Extraction(**{**vars(found), "value": Party(**plain), "plain": plain})
    page = made.to_html()
    assert set(Reader(page).leaves) == {"/name", "/note"}
    assert '<bdi class="value s">ACME</bdi>' in page
    assert "the answer: <bdi>Acme</bdi>" in page


def test_values_of_every_kind_and_size() -> None:
    value = {
        "int": 10**5000,
        "float": 1e300,
        "empty": "",
        "list": [],
        "object": {},
        "deep": {"a": {"b": [[["c"]]]}},
        "long": "x" * 100_000,
    }
    page = result_of(value, "text").to_html()
    assert "(100,000 characters)" in page
    assert len(page) < 200_000
    assert "/deep/a/b/0/0/0" in Reader(page).leaves


def test_text_in_columns_is_set_in_letters_of_one_width() -> None:
    assert column_width(INVOICE) > 50
    assert column_width("A contract.\n\nIt has paragraphs, and no columns.\n") == 0
    assert column_width("") == 0


class Head(BaseModel):
    invoice_number: str
    grand_total: float


def test_local_rules() -> None:
    pytest.importorskip("rapidfuzz")
    result = extract_result(Head, INVOICE, model="local/rules")
    page = Reader(result.to_html())
    assert page.marked("/invoice_number") == "RE-2024-0917"


# Notebooks


def test_a_notebook_shows_a_result() -> None:
    shown = result_of({"a": "Brückner", "<b>": "Nobody"}, INVOICE)._repr_html_()
    assert re.search(r"<mark [^>]+>Brückner</mark> Messtechnik GmbH", shown)
    assert "1 of 2 values found in the text" in shown
    assert "/&lt;b&gt;" in shown
    assert "<script" not in shown


def test_a_notebook_reverses_no_letters() -> None:
    shown = result_of({"a\u202eb": "user \u202egnp.exe"}, "user \u202egnp.exe")._repr_html_()
    # <bdi> keeps the effect in itself, without any style.
    assert shown.count("\u202e") == shown.count(">\u202e</bdi>") == 3


def test_a_notebook_shows_the_beginning_of_a_long_result() -> None:
    shown = result_of(["x"] * 1000, "x")._repr_html_()
    assert shown.count("<tr>") == 101
    assert "900 more" in shown


def test_a_notebook_shows_a_bill() -> None:
    charge = Charge(
        provider="openai",
        model="<m>",
        usage=Usage(input_tokens=3),
        cost=Cost(usd=None, reason="no <price>"),
    )
    shown = Bill((charge,))._repr_html_()
    assert "openai/&lt;m&gt;" in shown
    assert "unknown: no &lt;price&gt;" in shown
    assert "<table" in Bill()._repr_html_()


def test_a_notebook_shows_a_partial() -> None:
    pytest.importorskip("rapidfuzz")
    partials = list(extract_stream(Head, INVOICE, model="local/rules"))
    assert "<table" in partials[0]._repr_html_()
    assert "RE-2024-0917" in partials[-1]._repr_html_()
    assert "found in the text" in partials[-1]._repr_html_()


def test_pointers_are_read_back() -> None:
    assert pointers_in("/a") == ["/a"]
    assert pointers_in('["/a","/b"]') == ["/a", "/b"]
