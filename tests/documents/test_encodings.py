"""Text files in the encodings that they come in, and tables in CSV."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture import DocumentUnreadable, DocumentUnsupported, document
from prompture.documents.blocks import cells_of, pipe_table

TEXTS = {
    "cp1252": ["Preis 12,50 € “ja”", "Müller Straße 5, Köln. Grüße", "café à la crème — très bon",
               "Año nuevo, señor Núñez paga 12,50 €", "Größe", "50 °C ± 2", "5 € – 7 €", "Þetta er það",
               "Société Générale, très élevé", "Tallinn, õunapuu, šokolaad", "città è perché più", "12 m³, 5 m²"],
    "cp1254": ["Fatura tutarı: 100 TL, İstanbul, Şişli", "müşteri adı: Ağaoğlu"],
    "cp1257": ["Sąskaita faktūra Nr. 5, suma žodžiais", "Rēķins Nr. 5, summa kopā"],
    "iso8859_2": ["Faktura č. 2024001\nOdběratel: Jan Novák, částka k úhradě"],
    "cp932": ["請求書 合計金額 12,500円 株式会社山田商店", "領収書", "東京都千代田区丸の内 1-2-3 カタカナ"],
    "euc_jp": ["請求書 合計金額 12,500円 株式会社山田商店 様"],
    "gb18030": ["发票 金额 总计 100 元 北京市朝阳区", "合同编号：2024-001 甲方：北京科技有限公司"],
    "big5": ["發票 金額 總計 100 元 臺北市大安區"],
    "cp949": ["영수증 합계 12,500원 서울특별시 강남구"],
    "koi8_r": ["Счёт на оплату номер 25 от 12 марта. Итого: 1500 рублей", "Привет мир, это письмо"],
    "cp1251": ["Счёт на оплату № 25 от 12 марта. Итого: 1500 рублей"],
    "cp1250": ["Příliš žluťoučký kůň úpěl ďábelské ódy. Faktura číslo 12, částka celkem",
               "Zażółć gęślą jaźń, faktura na kwotę 100 złotych", "Dodavatel: Novak\nCastka: 1 250,00 Kč",
               "Faktura č. 2024001\nOdběratel: Jan Novák\nCelkem 12 500,00 Kč", "Částka: 100 Kč", "DIČ CZ1, DPH",
               "Účet č. 5, datum: 12. března", "Kwota: 100 zł", "Łódź", "Razem do zapłaty: 100,00, Zakład Usługowy",
               "Végösszeg: 12 500 Ft, fizetési határidő: március 5", "Žluťoučký kůň"],
    "cp1253": ["Τιμολόγιο συνολικό ποσό 100 ευρώ"],
    "cp1255": ["חשבונית מס סכום כולל"],
    "utf-16-le": ["Total 12.50 €"],
    "utf-16-be": ["Total 12.50 €"],
    "utf-32-le": ["Total 1"],
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "text"), [(e, t) for e, ts in TEXTS.items() for t in ts])
def test_an_encoding_is_guessed_and_noted(encoding: str, text: str) -> None:
    read = document(text.encode(encoding), name="a.txt")
    assert read.text == text
    [note] = read.notes
    assert "guess" in note


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "iso2022_jp_ext", "gb18030"]
)
def test_a_mark_leaves_nothing_to_guess(encoding: str) -> None:
    mark = b"\x84\x31\x95\x33" if encoding == "gb18030" else b""
    read = document(mark + "請求書 合計 12".encode(encoding), name="a.txt")
    assert (read.text, read.notes) == ("請求書 合計 12", ())


def test_the_callers_encoding_is_obeyed() -> None:
    assert document("ä".encode("cp437"), encoding="cp437").text == "ä"
    with pytest.raises(DocumentUnreadable, match=r"a\.txt: it is not ascii"):
        document("ä".encode(), name="a.txt", encoding="ascii")
    with pytest.raises(DocumentUnreadable, match="no-such"):
        document(b"a", encoding="no-such")


def test_a_few_faults_make_no_other_encoding() -> None:
    read = document(("é" * 60).encode() + b"\xff end")
    assert read.text == "é" * 60 + "\ufffd end"
    assert "UTF-8 with faults" in read.notes[0]


def test_binary_is_no_text() -> None:
    with pytest.raises(DocumentUnsupported):
        document(bytes(range(256)) * 20)
    with pytest.raises(DocumentUnsupported, match="binary"):
        document(bytes(range(256)) * 20, name="a.txt")


def test_a_text_has_a_page_for_each_form_feed() -> None:
    read = document(b"one\n\ftwo\n\fthree")
    assert [read.text[p.start : p.end] for p in read.pages] == ["one\n\f", "two\n\f", "three"]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a;b\n1,5;2\n", [["a", "b"], ["1,5", "2"]]),
        (b"sep=;\r\na;b,c\r\n1;2\r\n", [["a", "b,c"], ["1", "2"]]),
        (b'"sep=|"\na|b\n1|2\n', [["a", "b"], ["1", "2"]]),
        (b'a,b\n"x, ""y""\nz",2\n', [["a", "b"], ['x, "y" z', "2"]]),
        (b"a\tb\n1\t2\n", [["a", "b"], ["1", "2"]]),
        (b"a,b,c\n1,2\n\n4,5,6\n", [["a", "b", "c"], ["1", "2", ""], ["4", "5", "6"]]),
        (b"Export of 1.1.2024\nname;sum\nA;1,5\nB;2,5\n",
         [["Export of 1.1.2024", ""], ["name", "sum"], ["A", "1,5"], ["B", "2,5"]]),
        (b"only\none\ncolumn\n", [["only"], ["one"], ["column"]]),
        ("name;größe\nä;1\n".encode("cp1252"), [["name", "größe"], ["ä", "1"]]),
        ("name\tgröße\nä\t1\n".encode("utf-16"), [["name", "größe"], ["ä", "1"]]),
    ],
)  # fmt: skip
def test_csv_becomes_a_table(data: bytes, rows: list[list[str]]) -> None:
    assert table_of(document(data, name="x.csv").text) == rows


def table_of(text: str) -> list[list[str]]:
    lines = text.split("\n")
    assert set(lines[1]) == {"|", "-"}
    return [cells_of(line) for line in (lines[0], *lines[2:])]


def test_csv_that_is_none_is_text() -> None:
    read = document(b'a,b\n"' + b"x" * 200_000, name="a.csv")
    assert "read as text" in read.notes[0]
    assert read.text.startswith("a,b")


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=2, max_size=6)
)


@given(TABLES)
def test_any_table_comes_out_of_csv(rows: list[list[str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(rows)
    read = document(stream.getvalue().encode("utf-8-sig"), name="x.csv")
    assert table_of(read.text) == rows


@given(st.lists(st.lists(st.text("a|\\ b", max_size=6), min_size=3, max_size=3), min_size=1))
def test_the_cells_of_a_table_come_back(rows: list[list[str]]) -> None:
    table = pipe_table(rows)
    wanted = [[cell.strip() for cell in row] for row in rows]
    if table:
        lines = table.split("\n")
        assert [cells_of(line) for line in (lines[0], *lines[2:])] == wanted
    else:
        assert not any(cell for row in wanted for cell in row)
