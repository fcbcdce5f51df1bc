"""Patterns are ECMA-262's, searched in linear time; formats are their RFCs'."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.schema.formats import FORMATS
from prompture.schema.patterns import BadPattern, backtracks, matcher


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        (r"^\d+$", ["12"], ["", "1a", "12\n"]),  # `$` is the very end
        (r"b", ["abc"], ["x"]),  # it is a search
        (r"[[]a", ["[a"], ["a"]),
        (r"^[\[\]]$", ["[", "]"], ["a"]),
        (r"[]", [], ["a", "]"]),
        (r"^[^]$", ["a", "\n"], ["ab"]),
        (r"^a{$", ["a{"], ["a"]),
        (r"^[a-z&&[x]$", ["a", "&", "["], ["A"]),
        (r"^[\w-.]+$", ["a-b.c"], ["a b", "é"]),
        (r"^\d+$", ["12"], ["১২", "1২"]),
        (r"^[^\D]+$", ["12"], ["১২"]),
        (r"^\W\S$", ["éé", "\xa0\x85"], ["aé", "é\ufeff"]),
        (r"^\s+$", ["\u2003\ufeff\xa0"], ["\x85"]),
        (r"\bfoo\b", ["éfoo", "a foo"], ["afoo"]),
        (r"^(?=.*\d)\w+$", ["ab1"], ["abé1", "ab১"]),
        (r"^[+--]$", [",", "-"], ["a"]),
        (r"\/x", ["/x"], ["x"]),
        (r"^\p{L}+$", ["é"], ["1"]),
        (r"^\u00e9\u{1F600}\uD83D\uDE00$", ["é😀😀"], ["é😀"]),
        (r"^(?<y>\d{4})$", ["2024"], ["24"]),
        (r"^\cJ\0$", ["\n\0"], [""]),
        (r"^(?=.*[A-Z])(?=.*\d).{8,}$", ["Abcdefg1"], ["abcdefg1", "Abc1"]),
        (r"(?=.*[A-Z])(?=.*\d).{8,}", ["Abcdefg1"], ["abcdefg1"]),
        (r"^(?!x|y).+$", ["a"], ["x", "ya", ""]),
        (r"^(?!a)b|c", ["b", "ac"], ["a"]),
        (r"a(?=b|c)", ["ab"], ["ad", "a"]),
        (r"^\w+(?<!x)$", ["ab"], ["ax"]),
        (r"^(a|b)\1$", ["aa"], ["ab"]),
        (r"^a\Z", ["a"], ["ab"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], not_fits: list[str]) -> None:
    found = matcher(pattern)
    assert [text for text in fits if not found(text)] == []
    assert [text for text in not_fits if found(text)] == []


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "no regular expression"),
        ("[a", "no regular expression"),
        ("a{2,1}", "no regular expression"),
        ("x" * 10_000, "longer"),
        ("((a{100}){100}){100}", "too large"),
        (r"(?!x)(a+)+y", "exponential"),
        (r"(?!x)(a|a)*y", "exponential"),
        (r"(?=x)?(\w|\d)+y", "exponential"),
    ],
)
def test_patterns_refused(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern, match=why):
        matcher(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["^(a+)+$", "^(a|a)*$", r"(.*)*x", r"(?!x).*.*.*.*y", r"(.+)\1(.+)\2y", r"(?=.*a.*a.*a).*b"],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    started = time.process_time()
    matcher(pattern)("a" * 50_000)
    assert time.process_time() - started < 5  # milliseconds alone


def test_nested_repeats_are_seen() -> None:
    assert backtracks("^(a+)+$")
    assert backtracks("(a|b)*")
    assert not backtracks("^[a+]+(bc)?(d{3}){2}(?:e)$")


@given(st.text("ab01[]()^$.*+?{},|\\dw-&/ ", max_size=12), st.text("ab01[](-/ ", max_size=8))
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    try:
        found = matcher(pattern)(text)
    except BadPattern:
        return
    assert isinstance(found, bool)


def test_real_patterns_mean_what_they_mean_to_python(shared: Path) -> None:
    probes = [
        "",
        "a",
        "A",
        "abc",
        "1",
        "0",
        "a1",
        "a b",
        "a-b",
        "a_b",
        "a.b",
        "/a/b",
        "$",
        "-",
        "é",
    ]
    probes += [
        "http://a.b/c",
        "2020-01-01",
        "a@b.c",
        "#fff",
        "v1.2.3",
        "[a]",
        "{a}",
        "*",
        "a,b",
        "a\\b",
    ]
    patterns: set[str] = set()
    for file in sorted((shared / "schemas").glob("*/*.json")):
        collect(json.loads(file.read_text("utf-8"))["schema"], patterns)
    assert len(patterns) > 200
    refused = []
    for pattern in sorted(patterns):
        try:
            found = matcher(pattern)
        except BadPattern:
            refused.append(pattern)
            continue
        python = re.compile(pattern, re.ASCII)
        assert [p for p in probes if found(p) is not bool(python.search(p))] == [], pattern
    assert len(refused) == 1


def collect(node: Any, patterns: set[str]) -> None:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            patterns.add(node["pattern"])
        if isinstance(node.get("patternProperties"), dict):
            patterns.update(node["patternProperties"])
    for inner in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        collect(inner, patterns)


@pytest.mark.parametrize(
    ("name", "fits", "not_fits"),
    [
        (
            "date",
            ["2024-02-29"],
            ["2023-02-29", "2024-2-9", "20240229", "2024-W01-1", "٢٠٢٤-٠١-٠١"],
        ),
        (
            "time",
            ["13:45:00Z", "13:45:00.5+02:00", "23:59:60Z", "00:59:60+01:00"],
            ["13:45:00", "25:00:00Z", "12:00:60Z", "1:2:3Z"],
        ),
        (
            "date-time",
            ["2024-05-31T13:45:00Z", "2024-05-31t13:45:00z"],
            ["2024-05-31T13:45:00", "2024-05-31 13:45:00Z", "2024-05-31"],
        ),
        (
            "duration",
            ["P1D", "PT1H", "P1Y2M3DT4H5M6S", "P2W"],
            ["P", "PT", "1D", "P1S", "P1D2W", "P1Y2D", "PT1H2S", "P1DT", "P1W2D"],
        ),
        (
            "email",
            ["a@b.c", "a.b+c@example", '"a b"@c.de', "a@[127.0.0.1]", "a@[IPv6:::1]"],
            ["a", "a@", "@b", "a b@c", "a@b c", "a..b@c"],
        ),
        ("idn-email", ["ü@ö.de"], ["ü"]),
        ("hostname", ["a.b-c.de", "localhost"], ["-a.b", "a b", "a_b", "a:80", "x" * 64, ""]),
        ("idn-hostname", ["bücher.de"], ["", "a b"]),
        ("ipv4", ["127.0.0.1"], ["256.0.0.1", "1.2.3", "01.2.3.4"]),
        ("ipv6", ["::1", "1::2:3.4.5.6"], ["1", "::1%eth0", "12345::"]),
        (
            "uri",
            [
                "https://a.b/c?d#e",
                "urn:x:y",
                "http://[::1]:8080/",
                "http://u:p@a:80/",
                "http://a:/",
                "tel:1",
            ],
            [
                "http://a:8x/",
                "http://[::1]x",
                "http://[1]/",
                "http://a:1:2/",
                "a/b",
                "//a",
                "http://a b",
                "http://a/{",
                "http://a/%zz",
                "http://a/[x]",
            ],
        ),
        (
            "uri-reference",
            ["a/b", "#x", "", "//a", "./1:b", "a?b:c", "/1:b", "#:"],
            ["a b", "\\x", "a#b#c", "1:b", ":a", "//a:x"],
        ),
        ("iri", ["https://ä.de/ö"], ["ä", "https://a b"]),
        ("iri-reference", ["ä/ö"], ["a b"]),
        ("uri-template", ["http://a/{b}/{?c,d*}"], ["http://a/{b", "a b"]),
        (
            "uuid",
            ["123e4567-E89B-12d3-a456-426614174000"],
            ["123e4567e89b12d3a456426614174000", "x"],
        ),
        ("json-pointer", ["", "/a~0b/~1"], ["a", "/~2"]),
        ("relative-json-pointer", ["0", "1/a", "2#"], ["/a", "01", "-1"]),
        ("regex", ["^a+$"], ["("]),
    ],
)
def test_formats(name: str, fits: list[str], not_fits: list[str]) -> None:
    test = FORMATS[name]
    assert [text for text in fits if not test(text)] == []
    assert [text for text in not_fits if test(text)] == []


@given(st.sampled_from(sorted(FORMATS)), st.text(max_size=30))
def test_a_format_answers_for_any_text(name: str, text: str) -> None:
    assert FORMATS[name](text) in (True, False)


@given(st.datetimes(timezones=st.timezones()))
def test_dates_of_python_are_dates(moment: Any) -> None:
    text = moment.isoformat()
    if re.search(r"[+-]\d\d:\d\d$", text):  # old zones have an offset with seconds
        assert FORMATS["date-time"](text) is (len(text.rpartition("T")[0]) == 10)
    assert FORMATS["date"](moment.date().isoformat())
