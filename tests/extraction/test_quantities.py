"""Numbers in words, quantities, currencies by their marks, dates in other scripts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture import ground
from prompture.extraction.grounding.spelled import languages, spelled_number, spellings


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        (12, "for a period of twelve months", "twelve"),
        (12, "nach zwölf Monaten", "zwölf"),
        (12, "après douze mois", "douze"),
        (25, "twenty-five of them", "twenty-five"),
        (25, "fünfundzwanzig Stück", "fünfundzwanzig"),
        (502, "five hundred and two", "five hundred and two"),
        (2_500_000, "some 2.5 million people", "2.5 million"),
        (2_000_000, "two million", "two million"),
        (2.5, "two and a half years", "two and a half"),
        (0.15, "a rate of fifteen percent", "fifteen"),
        (0.15, "a rate of 15 per cent", "15"),
        (0.15, "ein Satz von 15 Prozent", "15"),
        (1, "one item", "one"),
        ("twelve", "12 items", "12"),
        # Not a part of another number, nor a word of another language.
        (5, "five hundred and two", None),
        (20, "twenty-one", None),
        (1, "twenty-one", None),
        (5, "son treinta y cinco de los del", None),
        (5, "quarenta e cinco partes da em um", None),
        (45, "quarenta e cinco partes da em um", "quarenta e cinco"),
        (1, "one of the parties", None),
        (2, "The payment is due at once.", None),
        (11, "The payment is due at once.", None),
        (7, "for twelve months", None),
        (0.25, "a rate of fifteen percent", None),
    ],
)
def test_numbers_in_words(value: Any, text: str, words: str | None) -> None:
    assert first(value, text) == words


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        ("5 years", "a term of five (5) years from now", "five (5) years"),
        ("5 year", "for five years", "five years"),
        ("90 days", "ninety (90) calendar days", "ninety (90) calendar days"),
        ("twelve months", "a 12-month term", "12-month"),
        ("1 year", "a one-year term", "one-year"),
        ("30 min", "after 30 minutes", "30 minutes"),
        ("2 million", "two million dollars", "two million"),
        ("90 days", "ninety (90) business days", None),
        ("90 days", "ninety weeks", None),
        ("9 days", "ninety (90) days", None),
        ("90 days", "190 days", None),
        ("EUR", "12,50 €", "€"),
        ("USD", "US$ 5", "US$"),
        ("€", "EUR 5", "EUR"),
        ("CHF", "12,50 €", None),
        ("usable", "a usable thing: $5", "usable"),
    ],
)
def test_quantities_and_currencies(value: str, text: str, words: str | None) -> None:
    assert first(value, text) == words


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        ("2024-03-05", "5 March 2024", "5 March 2024"),
        ("2024-03-05", "am 5. März 2024", "5. März 2024"),
        ("2024-03-05", "le 5 mars 2024", "5 mars 2024"),
        ("2024-03-05", "2024年3月5日", "2024年3月5日"),
        ("2024-12-25", "二〇二四年十二月二十五日", "二〇二四年十二月二十五日"),
        ("2024-03-05", "signed on March\n5, 2024", "March\n5, 2024"),
        ("2024-03-05", "on 05/03/2024", "05/03/2024"),
        ("2024-05-03", "on 05/03/2024", "05/03/2024"),
        # Another date of the text shows that the day comes first.
        ("2024-03-05", "25/03/2024, then 05/03/2024", "05/03/2024"),
        ("2024-05-03", "25/03/2024, then 05/03/2024", None),
        ("2024-05-03", "03/25/2024, then 05/03/2024", "05/03/2024"),
        ("2024-03-05", "03/25/2024, then 05/03/2024", None),
        ("2024-03-06", "5 March 2024", None),
        ("2024-13-05", "二〇二四年十三月五日", None),
    ],
)
def test_dates(value: str, text: str, words: str | None) -> None:
    assert first(value, text) == words


@given(st.integers(0, 999_999))
def test_a_number_in_words_is_found_and_no_other(number: int) -> None:
    for language, word in spellings(number):
        text = f"x {word} y"
        found = ground({"v": number, "w": number + 1}, text)
        assert "/w" not in found
        if word not in ("dos", "um", "uno"):  # articles and the like of another language
            assert "/v" in found, (language, word)
            assert text[found["/v"][0].start : found["/v"][0].end] == word


@pytest.mark.parametrize(
    ("number", "language", "word"),
    [
        (101, "de", "hunderteins"),
        (1001, "de", "eintausendeins"),
        (80_000, "fr", "quatre-vingt mille"),
        (200_300, "fr", "deux cent mille trois cents"),
        (80_000_000, "fr", "quatre-vingts millions"),
        (21_000, "es", "veintiún mil"),
        (31_000_000, "es", "treinta y un millones"),
        (100_101, "es", "cien mil ciento uno"),
        (23_000, "it", "ventitremila"),
        (123, "pt", "cento e vinte e três"),
        (1005, "pt", "mil e cinco"),
        (2_200, "pt", "dois mil e duzentos"),
        (2_250, "pt", "dois mil duzentos e cinquenta"),
        (100_000, "pt", "cem mil"),
    ],
)
def test_words_as_the_language_has_them(number: int, language: str, word: str) -> None:
    assert (language, word) in spellings(number)


def test_a_word_spells_one_number() -> None:
    seen: dict[str, int] = {}
    for number in range(3000):
        for _, word in spellings(number):
            assert seen.setdefault(word, number) == number
    assert spelled_number("Zwölf") == 12
    assert spelled_number("hello") is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The payment of the sum is due", {"en"}),
        ("Die Zahlung und der Betrag sind fällig", {"de"}),
        ("zwölf", {"en", "de", "nl", "fr", "es", "it", "pt"}),
    ],
)
def test_languages(text: str, wanted: set[str]) -> None:
    assert languages(text) == wanted


@given(st.integers(1, 999), st.sampled_from(["day", "Tage", "months", "mètre"]))
def test_quantities_in_figures_are_found_with_their_unit(count: int, unit: str) -> None:
    text = f"within {count} {unit} of it"
    assert first(f"{count} {unit}", text) == f"{count} {unit}"
    assert first(f"{count + 1} {unit}", text) is None


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_numbers_with_a_digit_changed_are_not_found(number: Decimal) -> None:
    text = f"The total is {number:,} EUR."
    printed = f"{number}"
    for at, digit in enumerate(printed):
        if digit.isdigit():
            other = float(f"{printed[:at]}{(int(digit) + 5) % 10}{printed[at + 1 :]}")
            if Decimal(str(other)) != number and not re.fullmatch(r"0*\d?\.?0*", str(other)):
                assert not ground(other, text), (number, other)


def first(value: Any, text: str) -> str | None:
    spans = ground({"v": value}, text).get("/v", ())
    return text[spans[0].start : spans[0].end] if spans else None


@pytest.mark.parametrize(
    ("value", "text", "places"),
    [
        (0, "IBAN DE89 3704 0044 0532 0130 00", []),
        (19, "GB29 NWBK 6016 1331 9268 19", []),
        (44, "IBAN DE89 3704 0044 0532 0130 00, Nr. 44", [38]),
        (2021, "FY20 2019 2020 2021", [15]),  # its check digits are wrong
    ],
)
def test_a_group_of_an_account_number_is_no_number(
    value: int, text: str, places: list[int]
) -> None:
    assert [span.start for span in ground(value, text).get("", ())] == places
