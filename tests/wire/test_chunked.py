"""Chunked bodies, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.errors import ProtocolError
from prompture.wire.framing import MAX_LINE_BYTES, MAX_TRAILER_BYTES, ChunkedDecoder

CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
CUTS = st.lists(st.integers(0, 400), max_size=12)
EXTENSION = st.sampled_from([b"", b";a=b", b" ; name"])
TRAILERS = st.sampled_from([b"", b"x-checksum: 1\r\n", b"a: b\r\nc: d\r\n"])


def fed(decoder: ChunkedDecoder, wire: bytes, cuts: list[int]) -> bytes:
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    return b"".join(decoder.feed(wire[a:b]) for a, b in pairwise(places) if a < b)


@settings(max_examples=60)
@given(CHUNKS, CUTS, EXTENSION, TRAILERS)
def test_a_body_comes_back_however_it_is_cut(
    chunks: list[bytes], cuts: list[int], extension: bytes, trailers: bytes
) -> None:
    wire = b"".join(b"%x%s\r\n%s\r\n" % (len(c), extension, c) for c in chunks)
    wire += b"0\r\n" + trailers + b"\r\n"
    decoder = ChunkedDecoder()
    assert fed(decoder, wire, cuts) == b"".join(chunks)
    assert decoder.done


@settings(max_examples=30)
@given(CHUNKS, st.integers(1, 400))
def test_a_body_without_its_end_is_not_done(chunks: list[bytes], short: int) -> None:
    wire = b"".join(b"%X\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    decoder = ChunkedDecoder()
    decoder.feed(wire[: max(0, len(wire) - short)])
    assert not decoder.done


BAD = [b"zz\r\n", b"-1\r\n", b"+5\r\n", b"1_0\r\n", b"0x5\r\n", b"1" * 17 + b"\r\n"]


@pytest.mark.parametrize("wire", BAD)
def test_what_is_no_size_is_refused(wire: bytes) -> None:
    with pytest.raises(ProtocolError, match="chunk's size"):
        ChunkedDecoder().feed(wire)


@pytest.mark.parametrize("wire", [b"5\r\nhello0\r\n\r\n", b"5\r\nhello7\r\n", b"3\nabc \n"])
def test_data_that_is_longer_than_its_size_is_refused(wire: bytes) -> None:
    for at in range(len(wire)):
        decoder = ChunkedDecoder()
        with pytest.raises(ProtocolError, match="longer than its size"):
            decoder.feed(wire[:at])
            decoder.feed(wire[at:])


def test_an_endless_size_line_is_refused() -> None:
    with pytest.raises(ProtocolError, match="never ends"):
        ChunkedDecoder().feed(b"1" * (MAX_LINE_BYTES + 1))


@pytest.mark.parametrize("wire", [b"1\r\nab\r\n", b"1\r\na5\r\n", b"1\r\na\n", b"1\r\na\rb"])
def test_a_chunk_that_is_longer_than_stated_is_refused(wire: bytes) -> None:
    for cuts in ([], [4], [4, 5], list(range(len(wire)))):
        with pytest.raises(ProtocolError, match="longer than its size"):
            fed(ChunkedDecoder(), wire, cuts)


def test_an_empty_line_is_no_size_and_no_error_quotes_a_body() -> None:
    for wire in (b"\r\n", b"1\r\na\r\n\r\n", b"1\r\na\r\nsk-secret\r\n"):
        with pytest.raises(ProtocolError, match=r"expected a chunk's size$"):
            ChunkedDecoder().feed(wire)


@pytest.mark.parametrize("wire", [b"HTTP/1.1 200 OK\r\n", b" folded\r\n", b"\xe9: x\r\n"])
def test_what_is_no_trailer_is_refused(wire: bytes) -> None:
    with pytest.raises(ProtocolError, match="expected a trailer"):
        ChunkedDecoder().feed(b"0\r\n" + wire)


def test_endless_trailers_are_refused() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"0\r\n")
    with pytest.raises(ProtocolError, match="never end"):
        for _ in range(MAX_TRAILER_BYTES):
            decoder.feed(b"a: b\r\n")


def test_what_follows_the_end_is_dropped() -> None:
    assert ChunkedDecoder().feed(b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200") == b"a"
