"""No form of a key that a server may repeat is left in a text."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.wire.secrets import (
    excerpt,
    keys_of_url,
    scrub,
    scrub_value,
    shown_place,
    words_of,
)

KEY = "sk-test-Zq7xv9PL2mN4+/abcdef=wxyz"


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        KEY.upper(),
        quote(KEY, safe=""),
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(b"user:" + KEY.encode()).decode(),
        base64.urlsafe_b64encode(b"Bearer " + KEY.encode()).decode(),
        KEY.encode().hex(),
        KEY[:20],
        KEY[-15:],
        KEY[:7] + "..." + KEY[-4:],
        KEY[:7] + "…" + KEY[-4:],
        KEY[:3] + "*" * 20 + KEY[-4:],
        "*" * 8 + KEY[-4:],
        KEY[:10] + "xxxx",
    ],
)
def test_no_form_is_left(said: str) -> None:
    clean = scrub(f"Incorrect API key provided: {said} (see your page)", [KEY])
    assert clean.startswith("Incorrect API key provided: ")
    assert clean.endswith(" (see your page)")
    middle = clean[len("Incorrect API key provided: ") : -len(" (see your page)")]
    assert "***" in middle
    assert len(middle) <= 16
    assert KEY[:3] not in middle
    assert "wxyz" not in middle


@pytest.mark.parametrize("key", ["k", "test", "EMPTY", "no-key"])
def test_a_short_key_is_one_where_it_stands_alone(key: str) -> None:
    assert scrub(f"bad {key}, '{key}'", [key]) == "bad ***, '***'"
    assert scrub(f"the la{key}er x{key}x", [key]) == f"the la{key}er x{key}x"


def test_what_is_no_key_stays() -> None:
    text = "Invalid sk-test key... xxx *** see https://example.com/keys; max_tokens"
    assert scrub(text, [KEY]) == text
    assert scrub(text, []) == text
    assert scrub("", [KEY]) == ""


@given(st.integers(0, 600), st.integers(1, 700), st.text("abc .*", max_size=30))
def test_a_cut_leaves_no_piece(before: int, limit: int, after: str) -> None:
    short = excerpt("x " * (before // 2) + KEY + after, [KEY], limit)
    assert len(short) <= limit
    assert KEY[:4] not in short


def test_values_are_scrubbed_through_and_through() -> None:
    given = {"a": [KEY, {"b": f"x{KEY}"}, 1, None, True], KEY: 2.5}
    assert scrub_value(given, [KEY]) == {"a": ["***", {"b": "x***"}, 1, None, True], "***": 2.5}


def test_where_keys_stand() -> None:
    assert list(words_of("Bearer abc")) == ["abc"]
    assert list(words_of("abc")) == ["abc"]
    login = base64.b64encode(b"me:pass").decode()
    assert list(words_of(f"Basic {login}")) == [login, "pass"]
    url = "https://me:p%40ss@host/v1?key=abc&model=m&api-version=2"
    assert list(keys_of_url(url)) == ["p%40ss", "p@ss", "abc"]
    assert list(keys_of_url("http://[")) == []


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("data/ledger.db", "data/ledger.db"),
        ("postgresql://host/db", "postgresql://host/db"),
        ("postgresql://u:PW@host:1/db", "postgresql://host:1/db"),
        ("postgresql://u:P/W@host/db", "postgresql://host/db"),
        ("postgresql://u:P@W@host/db", "postgresql://host/db"),
        ("postgresql://host/db?user=u&password=PW", "postgresql://host/db"),
        ("postgresql://host/db?user=u@x&password=PW", "postgresql://..."),
        ("postgresql://u:P?W@host/db", "postgresql://..."),
        ("redis://:PW@host/0?db=1", "redis://host/0"),
        ("redis://host?password=PW", "redis://host"),
    ],
)
def test_the_place_of_a_database_is_shown_without_what_is_secret(place: str, expected: str) -> None:
    assert shown_place(place) == expected
