"""Bodies as JSON, large texts in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.errors import ProtocolError
from prompture.types import LARGE_CHARS
from prompture.wire import http
from prompture.wire.http import HTTPResponse, bad_url, dump, stated_length

TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}), max_size=3)
TURNS = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": TEXTS | PARTS}))
BODIES = st.fixed_dictionaries({"messages": TURNS, "model": TEXTS, "extra": st.just({"a": [1.5]})})


def plainly(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", errors="replace"
    )


@settings(max_examples=60)
@given(BODIES, st.integers(1, 8))
def test_pieces_make_the_same_body(body: Any, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "LARGE_CHARS", size)
        assert dump(body) == plainly(body)


def test_a_long_text_is_never_encoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0
    real = json.dumps

    def watched(value: Any, **options: Any) -> str:
        nonlocal longest
        text = real(value, **options)
        longest = max(longest, len(text))
        return text

    body = {"messages": [{"role": "user", "content": "Ä\n" * 2_000_000}]}
    monkeypatch.setattr(http.json, "dumps", watched)
    assert dump(body) == real(body, ensure_ascii=False, separators=(",", ":")).encode()
    assert longest < 2 * LARGE_CHARS


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump({"messages": [], "temperature": number})


def test_a_body_in_the_character_set_that_it_states() -> None:
    stated = {"content-type": "application/json; charset=ISO-8859-1"}
    assert HTTPResponse(200, stated, '{"a": "\xe9"}'.encode("latin-1")).json() == {"a": "\xe9"}
    assert HTTPResponse(200, stated, '{"a": "\xe9"}'.encode()).json() == {"a": "\xe9"}
    for kind in ("application/json", "application/json; charset=nonsense", "x; charset=utf-8"):
        with pytest.raises(ProtocolError, match="expected JSON"):
            HTTPResponse(200, {"content-type": kind}, b'{"a": "\xe9"}').json()


def test_a_body_that_is_none() -> None:
    for status in (200, 204, 205, 302):
        with pytest.raises(ProtocolError, match="0 bytes"):
            HTTPResponse(status, {}, b"").json(())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://api.example.test/v1?key=k", None),
        ("http://[::1]:8080/v1", None),
        ("HTTP://localhost", None),
        ("http://münchen.example/v1", None),
        ("127.0.0.1:8080/v1", "in front"),
        ("ftp://h/v1", "begin with"),
        ("http://", "no host"),
        ("http://h..x/v1", "no host"),
        (f"http://{'a' * 64}.test/v1", "no host"),
        ("http://h:99999/v1", "65535"),
        ("http://h:0/v1", "65535"),
        ("http://h:port/v1", "65535"),
        ("http://[::1/v1", "65535"),
        ("http://{x}/v1", "no host has"),
        ("http://h h/v1", "blank"),
        ("http://h/v1\n", "blank"),
    ],
)
def test_what_is_wrong_with_a_url(url: str, said: str | None) -> None:
    found = bad_url(url)
    assert found is None if said is None else said in str(found)


@pytest.mark.parametrize(
    ("value", "length"),
    [("12", 12), ("0", 0), (None, None), ("", None), ("-1", None), ("²", None), ("1" * 99, None)],
)
def test_stated_length(value: str | None, length: int | None) -> None:
    assert stated_length(value) == length
