"""Values that stand in pieces, glued together or torn apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture import ground

TABLE = """\
 1            Trennblätter         9,9000        20 Stk      19 %       198,00
    TB100A4     A4
     4012345001235
 2            Joghurt: Banane,     5,5000        50 Stk       7 %       275,00
     ARNR2    im Becher
     4000050986428 (GTIN)
 3            Mischpalette        29,10            2 Stk      7 %        58,20
      MP107   Joghurt
      41234   Karton 3 x 20
"""


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ("Trennblätter A4", ["Trennblätter", "A4"]),
        ("Joghurt: Banane, im Becher", ["Joghurt: Banane", "im Becher"]),
        ("Mischpalette Joghurt Karton 3 x 20", ["Mischpalette", "Joghurt", "Karton 3 x 20"]),
        ("Mischpalette Karton 3 x 20", None),  # it leaves a line of its cell out
        ("Trennblätter Joghurt", None),  # the next row
        ("Trennblätter 4012345001235", None),
        ("Trennblätter A5", None),
        ("TB100A4 A4 Trennblätter", None),
    ],
)
def test_a_cell_that_wraps(value: str, pieces: list[str] | None) -> None:
    spans = ground({"v": value}, TABLE).get("/v")
    if pieces is None:
        assert spans is None
        return
    assert spans is not None
    (span,) = spans
    assert [TABLE[a:b] for a, b in span.fragments] == pieces
    assert span.kind == "normalised"
    assert (span.start, span.end) == (span.fragments[0][0], span.fragments[-1][1])


def test_the_rows_of_a_dense_table_are_no_pieces_of_one_value() -> None:
    text = "Ann     Lee     12\nBob     Ray     13\nCid     May     14\n"
    for value in ("Ann Bob", "Lee Ray", "Ann Ray", "Lee May", "Bob Cid May"):
        assert not ground(value, text), value


BREAK = """\
The Seller shall deliver the goods without undue delay
and bear the cost of transport
                                Page 3 of 12
\fPurchase agreement 2024
to the agreed place of delivery in Hamburg.
"""


def test_a_clause_across_a_break_of_pages() -> None:
    clause = (
        "shall deliver the goods without undue delay and bear the cost of transport to the agreed"
        " place of delivery"
    )
    (span,) = ground(clause, BREAK)[""]
    assert len(span.fragments) == 2
    assert [BREAK[a:b].split()[-1] for a, b in span.fragments] == ["transport", "delivery"]
    # Other lines than those of a page's foot and head are none to leave out.
    assert not ground(
        clause, BREAK.replace("Page 3 of 12", "if it can").replace("\f", "").replace("2024", "")
    )
    assert not ground(clause, BREAK.replace("Page 3", "not page 3"))


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        ("SMBC Nikko Securities", "by SMBCNikko Securities, Inc.", "SMBCNikko Securities"),
        ("Kunden AG Frankreich", "Kunden AG Fr ankreich", "Kunden AG Fr ankreich"),
        ("81750 Johor Bahru", "81750.JOHOR BAHRU", "81750.JOHOR BAHRU"),
        ("NO. 1, Taman Sri", "NO.1, TAMAN SRI DENGKIL", "NO.1, TAMAN SRI"),
        ("A Survey of Models", "ASurvey of Models", "ASurvey of Models"),
        # Digits stay parted, signs stay, words stay whole, and so does what is denied.
        ("Building 12 34 North", "Building 1234 North", None),
        ("offset -5 percent there", "offset 5 percent there", None),
        ("about .5 percent there", "about 5 percent there", None),
        ("SMBC Nikko Securities", "SMBCNikko Securitiesx", None),
        ("this is not able to run", "this is notable to run", None),
        ("Al Lee", "AlLee", None),  # too short
    ],
)
def test_words_parted_otherwise(value: str, text: str, words: str | None) -> None:
    spans = ground({"v": value}, text).get("/v")
    assert (text[spans[0].start : spans[0].end] if spans else None) == words


_WORD = st.text("abcdefghij", min_size=3, max_size=8)


@given(st.lists(_WORD, min_size=2, max_size=4, unique=True), st.integers(2, 20))
def test_a_wrapped_cell_is_found_wherever_it_breaks(words: list[str], gap: int) -> None:
    blank = " " * gap
    lines = [f"{words[0]}{blank}  12,00{blank}  13,00", *words[1:]]
    text = "\n".join(lines) + "\n"
    (span, *_) = ground(" ".join(words), text)[""]
    assert len(span.fragments) > 1
    assert " ".join(text[a:b] for a, b in span.fragments).split() == words
