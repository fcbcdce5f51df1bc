"""SSE, NDJSON and lines: the same out of bytes cut anywhere."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.errors import ProtocolError
from prompture.wire import framing
from prompture.wire.framing import LineDecoder, ServerEvent, SSEDecoder, parse_line


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({p % (len(data) + 1) for p in places} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


CUTS = st.lists(st.integers(0, 10_000), max_size=20)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(st.tuples(st.text(), ENDS)), st.text(), CUTS)
def test_lines_are_the_same_however_they_are_cut(
    pieces: list[tuple[str, str]], rest: str, places: list[int]
) -> None:
    text = "".join(a + b for a, b in pieces) + rest
    data = text.encode("utf-8", errors="replace")
    plain = data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    expected = plain.split("\n")
    decoder = LineDecoder()
    got = [line for chunk in _cut(data, places) for line in decoder.feed(chunk)]
    assert [*got, decoder.close()] == expected


EVENTS: list[tuple[bytes, list[tuple[str, str]]]] = [
    (b"data: a\n\n", [("message", "a")]),
    (b"data:a\n\n", [("message", "a")]),
    (b"data: a\r\n\r\n", [("message", "a")]),
    (b"data: a\r\rdata: b\r\r", [("message", "a"), ("message", "b")]),
    (b"event: x\ndata: a\ndata: b\n\ndata: c\n\n", [("x", "a\nb"), ("message", "c")]),
    (b": comment\n\ndata: a\nid: 1\nretry: 5\n\n", [("message", "a")]),
    (b"event: lost\n\ndata: a\n\n", [("message", "a")]),
    (b"data\n\ndata: a\n\n", [("message", "a")]),
    (b"\xef\xbb\xbfdata: \xc3\xa4\n\n", [("message", "ä")]),
    (b"data:  two\n\n", [("message", " two")]),
]


@pytest.mark.parametrize(("data", "expected"), EVENTS)
def test_events_at_every_cut(data: bytes, expected: list[tuple[str, str]]) -> None:
    for cut in range(len(data) + 1):
        decoder = SSEDecoder()
        got = decoder.feed(data[:cut]) + decoder.feed(data[cut:])
        assert [(e.name, e.data) for e in got] == expected


def test_an_event_without_its_blank_line_comes_at_the_close() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.close() == [ServerEvent("message", "a")]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON_VALUES), CUTS, st.booleans())
def test_the_values_of_json_lines_are_the_same(
    values: list[Any], places: list[int], ended: bool
) -> None:
    data = "\n".join(map(json.dumps, values)).encode() + (b"\n" if ended else b"")
    decoder = LineDecoder()
    lines = [line for chunk in _cut(data, places) for line in decoder.feed(chunk)]
    assert [parse_line(line) for line in [*lines, decoder.close()] if line] == values


@pytest.mark.parametrize("line", ["<html>secret", "[" * 5000, '{"secret": NaN}', '{"secret'])
def test_what_is_no_json_is_said_but_not_quoted(line: str) -> None:
    with pytest.raises(ProtocolError, match="expected JSON") as caught:
        parse_line(line)
    assert "secret" not in str(caught.value)
    assert ("HTML" in str(caught.value)) == line.startswith("<")


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_LINE_CHARS", 100)
    decoder = LineDecoder()
    with pytest.raises(ProtocolError, match="passes 100"):
        for _ in range(20):
            decoder.feed(b"x" * 10)


@pytest.mark.parametrize("damage", [b"\xff", b"\xc3(", b"\xed\xa0\x80"])
def test_invalid_utf8_is_no_line(damage: bytes) -> None:
    """U+FFFD in its place would look like something that the model wrote."""
    with pytest.raises(ProtocolError, match="UTF-8"):
        SSEDecoder().feed(b'data: {"text": "a' + damage + b'b"}\n\n')


def test_a_character_that_is_cut_off_leaves_no_line() -> None:
    lines = LineDecoder()
    assert lines.feed("ä\nö".encode()[:-1]) == ["ä"]
    assert lines.close() == ""
