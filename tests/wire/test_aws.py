"""Signatures against botocore's, and event streams against every cut and damage."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.errors import ProtocolError
from prompture.wire.aws import Credentials, EventStreamDecoder, encode_message, sign
from prompture.wire.http import HTTPRequest

NOW = datetime(2026, 11, 20, 12, 30, 5, tzinfo=UTC)
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "token"),
    [
        (
            "POST",
            f"{HOST}/model/a.b-v1%3A0/converse",
            {"content-type": "application/json"},
            b"{}",
            "",
        ),
        (
            "POST",
            f"{HOST}/model/arn%3Aaws%3Abedrock%2Fx/converse",
            {"x-a": "  two   words "},
            b"x",
            "tok",
        ),
        ("GET", f"{HOST}/foundation-models?byProvider=a%20b&a=%2F&b=", {}, b"", "tok"),
        ("GET", "http://localhost:8080", {}, b"", ""),
    ],
)
def test_signature_is_botocores(
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    token: str,
) -> None:
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Boto

    clock = "get_current_datetime" if hasattr(auth, "get_current_datetime") else "datetime"
    assert clock == "get_current_datetime"
    monkeypatch.setattr(auth, clock, lambda *_: NOW.replace(tzinfo=None))
    theirs = AWSRequest(method=method, url=url, headers=headers, data=body)
    auth.SigV4Auth(Boto("AKID", "sekrit/+", token or None), "bedrock", "us-east-1").add_auth(theirs)
    ours = sign(
        HTTPRequest(method, url, headers, body),
        Credentials("AKID", "sekrit/+", token),
        region="us-east-1",
        service="bedrock",
        now=NOW,
    )
    assert ours.headers["authorization"] == theirs.headers["Authorization"]
    assert ours.headers["x-amz-date"] == theirs.headers["X-Amz-Date"] == "20261120T123005Z"
    assert ours.headers.get("x-amz-security-token", "") == token
    assert "sekrit" not in repr(Credentials("AKID", "sekrit/+", "tok"))


FRAMES = [
    encode_message({":event-type": "a"}, b"one"),
    encode_message({}, b""),
    encode_message({"x": "ä" * 300}, b"\x00" * 1000),
]


@given(st.lists(st.integers(0, sum(map(len, FRAMES))), max_size=8))
@settings(max_examples=60)
def test_cut_anywhere(cuts: list[int]) -> None:
    stream = b"".join(FRAMES)
    edges = [0, *sorted(cuts), len(stream)]
    decoder = EventStreamDecoder()
    found = [m for a, b in itertools.pairwise(edges) for m in decoder.feed(stream[a:b])]
    assert [m.payload for m in found] == [b"one", b"", b"\x00" * 1000]
    assert [dict(m.headers) for m in found] == [{":event-type": "a"}, {}, {"x": "ä" * 300}]
    assert decoder.pending() == 0


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50)), st.binary())
@settings(max_examples=60)
def test_round_trip(headers: dict[str, str], payload: bytes) -> None:
    (message,) = EventStreamDecoder().feed(encode_message(headers, payload))
    assert (dict(message.headers), message.payload) == (headers, payload)


@given(st.integers(0, len(FRAMES[0]) - 1), st.integers(1, 255))
@settings(max_examples=60)
def test_damage_is_seen(at: int, flip: int) -> None:
    frame = bytearray(FRAMES[0])
    frame[at] ^= flip
    with pytest.raises(ProtocolError):
        EventStreamDecoder().feed(bytes(frame))


def test_other_header_types_are_passed_over() -> None:
    import struct
    from zlib import crc32

    block = (
        b"\x01a\x00"
        + b"\x01b\x04\x00\x00\x00\x07"
        + b"\x01c\x06\x00\x02xy"
        + b"\x01d\x07\x00\x02ok"
    )
    prelude = struct.pack(">II", 16 + len(block), len(block))
    frame = prelude + struct.pack(">I", crc32(prelude)) + block
    frame += struct.pack(">I", crc32(frame))
    (message,) = EventStreamDecoder().feed(frame)
    assert message.headers == {"d": "ok"}
