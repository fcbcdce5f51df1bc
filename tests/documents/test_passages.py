"""Cutting: no passage is too long, none of the text is lost, and seams stand where the text ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.documents.passages import Passage, passages

TEXTS = st.text(
    alphabet="ab  \n\n\r\t.|#,;漢字。é\u0301\U0001f468\u200d\U0001f469\f1", max_size=1500
) | st.lists(
    st.sampled_from(
        [
            *("# Head\n", "## Sub\n\n", "a | b | c\n", "1\t2\t3\n", "\n", "One. Another one!\n"),
            *("word " * 30, "第三条 总则\n", "```\n# no heading\n```\n", "ARTICLE IV\n\n"),
            "x" * 300,
        ]
    ),
    max_size=60,
).map("".join)


def words(text: str) -> float:
    """A tokenizer: a token is three characters."""
    return (len(text) + 2) // 3


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, tokens=st.integers(5, 200), share=st.integers(0, 2), first=st.booleans())
def test_the_passages_cover_the_text(text: str, tokens: int, share: int, first: bool) -> None:
    overlap = tokens * share // 5
    found = passages(
        text, tokens=tokens, overlap=overlap, count=words, first=tokens // 2 + 1 if first else None
    )
    assert "".join(text[a.end if a else 0 : b.end] for a, b in zip([None, *found], found)) == text  # noqa: B905
    before = Passage(0, 0)
    for passage in found:
        assert before.start <= passage.start <= before.end < passage.end
        shown = passage.text_of(text)
        # A single character may be more than a passage holds.
        assert words(shown) <= tokens or passage.end == before.end + 1
        assert shown.endswith(text[passage.start : passage.end])
        before = passage


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, tokens=st.integers(20, 100))
def test_each_character_has_its_place(text: str, tokens: int) -> None:
    for passage in passages(text, tokens=tokens, overlap=tokens // 5, count=words):
        shown = passage.text_of(text)
        for at, char in enumerate(shown):
            place = passage.place(at, at + 1)
            if place is not None:
                assert text[slice(*place)] == char
        body = len(shown) - (passage.end - passage.start)
        assert passage.place(body, len(shown)) == (passage.start, passage.end)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, tokens=st.integers(20, 100))
def test_the_overlap_is_as_long_as_was_asked(text: str, tokens: int) -> None:
    overlap = tokens // 4
    found = passages(text, tokens=tokens, overlap=overlap, count=words)
    for one, other in pairwise(found):
        shared = words(text[other.start : one.end])
        # Less only where the whole passage is: a long line without any place to cut.
        assert shared >= overlap - 2 or other.start <= one.start + 2


def ends(text: str, tokens: int = 30, overlap: int = 0) -> list[str]:
    return [
        text[p.start : p.end] for p in passages(text, tokens=tokens, overlap=overlap, count=words)
    ]


def test_a_heading_begins_a_passage() -> None:
    text = (
        "one two three four\nfive six seven\n\n" + "# Part\n\nseven eight nine ten eleven\n\n" * 3
    )
    assert [part[:6] for part in ends(text, tokens=22)] == ["one tw", "# Part", "# Part", "# Part"]


def test_a_paragraph_is_better_than_a_line_and_that_than_a_sentence() -> None:
    assert ends("a" * 60 + "\n\n" + "b. c\n" * 3 + "d" * 60)[0] == "a" * 60 + "\n\n"
    assert ends("a" * 70 + "\n" + "b. c " + "d" * 60)[0] == "a" * 70 + "\n"
    assert ends("a" * 70 + ". " + "d" * 60)[0] == "a" * 70 + "."
    assert ends("甲" * 70 + "。" + "乙" * 60)[0] == "甲" * 70 + "。"


def test_no_character_is_parted_from_its_marks() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    for text in ("e\u0301" * 100, family * 30, "\r\n".join("ab" for _ in range(50))):
        for part in ends(text, tokens=7)[1:]:
            assert part[0] not in "\u0301\u200d\n"
            assert not part.startswith("\U0001f469\u200d\U0001f467")


def test_headings_and_the_head_of_a_table_are_repeated() -> None:
    rows = "".join(f"| item {i} | {i} |\n" for i in range(120))
    text = f"# Order\n\n## Lines\n\n| name | count |\n|---|---|\n{rows}"
    found = passages(text, tokens=150, overlap=10, count=words)
    assert len(found) > 3
    for passage in found[1:]:
        shown = passage.text_of(text)
        assert shown.startswith("# Order\n\n## Lines\n\n| name | count |\n|---|---|\n| item")
        assert passage.shown_heading(text) == "## Lines"


def test_a_table_of_tabs_keeps_its_head_and_one_of_numbers_has_none() -> None:
    rows = "".join(f"item\t{i}\n" for i in range(40))
    first, second, *_ = passages("name\tcount\n" + rows, tokens=60, overlap=0, count=words)
    assert second.head == (0, 10)
    assert first.head is None
    assert passages(rows, tokens=60, overlap=0, count=words)[1].head is None


def test_a_comment_in_a_fence_is_no_heading() -> None:
    text = "# Real\n\n```sh\n# not one\nrun\n```\n\n" + "words and words\n" * 30
    assert passages(text, tokens=60, overlap=0, count=words)[-1].shown_heading(text) == "# Real"


@pytest.mark.parametrize(
    ("heading", "is_one"),
    [
        ("ARTICLE IV", True),
        ("Section 3.2 Payment", True),
        ("第三条 付款", True),
        ("2.1 Scope", True),
        ("GENERAL PROVISIONS", True),
        ("# Markdown", True),
        ("The parties agree.", False),
        ("1. Apples, 3 kg", True),
        ("1. It ends with a full stop.", False),
        ("Total 12.50", False),
    ],
)
def test_what_is_a_heading(heading: str, is_one: bool) -> None:
    text = f"begin\n\n{heading}\n\n" + "words and words\n" * 30
    found = passages(text, tokens=60, overlap=0, count=words)[-1]
    assert found.shown_heading(text) == (heading if is_one else "")


def test_headings_that_are_too_long_are_left_out() -> None:
    text = "# " + "long " * 20 + "\n\n# Short\n\n" + "words and words\n" * 30
    for passage in passages(text, tokens=30, overlap=0, count=words):
        assert words(passage.text_of(text)) <= 30


def test_pages_are_better_than_paragraphs() -> None:
    text = "one.\n\n" * 10 + "two.\n\n" * 10
    page = len("one.\n\n" * 10)
    found = passages(text, tokens=26, overlap=0, count=words, pages=[0, page])
    assert page in [passage.end for passage in found]


def test_an_empty_text_has_no_passages() -> None:
    assert passages("", tokens=10, overlap=0, count=words) == []


def test_a_megabyte_takes_a_moment_and_a_long_line_too() -> None:
    import time

    started = time.process_time()
    for text in ("word " * 200_000, "x" * 1_000_000, "a\tb\tc\n" * 160_000):
        assert passages(text, tokens=8000, overlap=400, count=words)
    assert time.process_time() - started < 20


def rows(first: int, mark: str) -> str:
    return "".join(f"A-{i}{mark}{i}{mark}{i}.50\n" for i in range(first, first + 12))


@pytest.mark.parametrize("mark", [",", "\t", "   "])
@pytest.mark.parametrize("page", ["\f", "\n\f\n", "\n\n"])
def test_the_head_of_a_table_is_repeated_behind_a_break_of_pages(mark: str, page: str) -> None:
    head = mark.join(("sku", "qty", "price")) + "\n"
    text = f"{head}{rows(0, mark)}{page}{rows(20, mark)}"
    starts = [0, text.index("A-20")]
    found = passages(text, tokens=150, overlap=0, count=len, pages=starts)
    assert len(found) > 2
    for passage in found[1:]:
        assert passage.text_of(text).startswith(f"{head}A-")
        assert passage.is_blank(text) is False


@pytest.mark.parametrize(
    "other",
    [
        "name,role,since\n" + rows(20, ","),  # a head of its own
        rows(20, ";"),  # of another kind
        "A,B\n" + rows(20, ","),
        "Words.\n" + rows(20, ","),
    ],
)
def test_another_table_behind_a_break_of_pages_has_another_head(other: str) -> None:
    text = f"sku,qty,price\n{rows(0, ',')}\f{other}"
    found = passages(text, tokens=150, overlap=0, count=len)
    last = found[-1].text_of(text)
    assert "sku" not in last
