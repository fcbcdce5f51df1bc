from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.catalog import Entry, ModelLimits, tokenizers
from prompture.catalog.live import FetchFailed
from prompture.catalog.tokenizers import (
    CLASSES,
    FAMILIES,
    WEIGHTS,
    classes,
    estimate,
    family_of,
)
from prompture.catalog.tokens import UNSEEN, count, count_request, fits, image_tokens, pixel_size
from prompture.types import File, Image, Message, Request, Text, Tool, ToolCall, user
from tests.catalog.usages import usage_of
from tests.recordings import cases


@pytest.fixture(autouse=True)
def no_vocabulary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("PROMPTURE_TIKTOKEN_DOWNLOAD", raising=False)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("openai/gpt-5-mini", "o200k"),
        ("openai/o4-mini", "o200k"),
        ("openai/o1", "o200k"),
        ("gpt-4o-2024-08-06", "o200k"),
        ("gpt-4.1", "o200k"),
        ("groq/openai/gpt-oss-20b", "o200k"),
        ("openai/gpt-4-turbo", "cl100k"),
        ("openai/gpt-3.5-turbo", "cl100k"),
        ("anthropic/claude-sonnet-4-5", "claude"),
        ("anthropic/claude-opus-4-7", "claude-5"),
        ("anthropic/claude-opus-5", "claude-5"),
        ("amazon-bedrock/us.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude"),
        ("google/gemini-2.5-flash", "gemini"),
        ("groq/llama-3.3-70b-versatile", "llama"),
        ("mistral/ministral-3b-latest", "mistral"),
        ("zai/glm-4.6", "unknown"),
        ("local/rules", "unknown"),
        ("", "unknown"),
    ],
)
def test_family(model: str, family: str) -> None:
    assert family_of(model) == family


def test_weights_match_classes() -> None:
    assert all(len(w) == len(CLASSES) for w in WEIGHTS.values())
    assert len(classes("a")) == len(classes("ä")) == len(CLASSES)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=300), family=st.sampled_from(sorted(FAMILIES)))
def test_an_estimate_is_a_sane_number(text: str, family: str) -> None:
    tokens = estimate(text, family)
    assert (tokens == 0) is (text == "")
    assert tokens <= 6 * len(text) * FAMILIES[family].factor + 2
    counted = count(text, {"claude-5": "claude-opus-5"}.get(family, family))
    assert 0 <= counted.low <= counted.tokens <= counted.high


def test_a_long_text_is_sampled_to_about_the_same() -> None:
    text = "".join(f"Line {i} of the contract, worth {i * 7}.50 dollars.\n" for i in range(4000))
    parts = [text[i : i + 50_000] for i in range(0, len(text), 50_000)]
    whole = sum(estimate(p, "o200k") for p in parts)
    assert estimate(text, "o200k") == pytest.approx(whole, rel=0.02)


def test_recorded_answers_lie_in_the_range_nine_times_in_ten(shared: Path) -> None:
    inside = outside = 0
    for case in cases(provider="google"):
        for turn in case.interactions:
            if turn.response.status != 200 or not turn.response.body.startswith(b"{"):
                continue
            match turn.response.json():
                case {
                    "candidates": [{"content": {"parts": [{"text": str(text), **rest}]}}],
                    "usageMetadata": {"candidatesTokenCount": int(tokens)},
                } if tokens >= 30 and not rest:
                    counted = count(text, "gemini-2.5-flash")
                    held = counted.low <= tokens <= counted.high
                    inside, outside = inside + held, outside + (not held)
    assert inside + outside > 40
    assert inside / (inside + outside) > 0.85


@pytest.mark.usefixtures("shared")
def test_recorded_prompts_are_estimated_within_a_third() -> None:
    """Plain OpenAI chat prompts, against the usage that was billed."""
    errors = []
    for case in cases(provider="openai", endpoint="/v1/chat/completions"):
        for turn in case.interactions:
            asked = turn.request.json() if turn.request.body else {}
            plain = all(isinstance(m.get("content"), str) for m in asked.get("messages", ()))
            if turn.response.status != 200 or not plain or asked.get("tools"):
                continue
            if not asked.get("messages") or asked.get("response_format"):
                continue
            if not turn.response.body.startswith(b"{"):
                continue
            billed = usage_of("openai", turn.response.json().get("usage") or {}).input_tokens
            messages = tuple(Message(role="user", content=m["content"]) for m in asked["messages"])
            if billed >= 30 and messages:
                counted = count_request(Request(model=asked["model"], messages=messages))
                errors.append(abs(counted.tokens / billed - 1))
    assert len(errors) >= 10
    assert sorted(errors)[len(errors) // 2] < 0.12
    assert sorted(errors)[int(len(errors) * 0.9)] < 0.34


def test_without_a_vocabulary_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("tiktoken must not be asked")

    monkeypatch.setattr(tiktoken, "get_encoding", refuse)
    counted = count("hello world", "gpt-5")
    assert not counted.exact
    assert counted.method == "estimate for o200k"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert tokenizers.encoding("o200k_base") is None
    assert tokenizers.encoding("no_such_base") is None


def test_a_broken_vocabulary_is_left_alone(tmp_path: Path) -> None:
    url, _ = tokenizers.FILES["o200k_base"]
    path = tmp_path / hashlib.sha1(url.encode()).hexdigest()
    path.write_bytes(b"cut off")
    assert tokenizers.encoding("o200k_base") is None
    assert path.read_bytes() == b"cut off"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A vocabulary of single bytes under the name of the real one."""
    import base64

    import tiktoken

    body = b"\n".join(base64.b64encode(bytes([b])) + b" %d" % b for b in range(256))
    url, _ = tokenizers.FILES["o200k_base"]
    monkeypatch.setitem(tokenizers.FILES, "o200k_base", (url, hashlib.sha256(body).hexdigest()))
    real = tiktoken.Encoding(
        "tiny",
        pat_str=r"\w+|\W+",
        mergeable_ranks={bytes([b]): b for b in range(256)},
        special_tokens={},
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda _: real)
    tokenizers._loaded.cache_clear()
    return body


def test_a_vocabulary_on_disk_counts_exactly(tmp_path: Path, tiny: bytes) -> None:
    url, _ = tokenizers.FILES["o200k_base"]
    (tmp_path / hashlib.sha1(url.encode()).hexdigest()).write_bytes(tiny)
    counted = count("hello", "gpt-5")
    assert (counted.tokens, counted.low, counted.high, counted.exact) == (5, 5, 5, True)
    assert counted.method == "tiktoken tiny"
    assert count("hello", "gpt-5", exact=False).exact is False
    assert count("x " * 60_000, "gpt-5").tokens == 120_000
    tokenizers._loaded.cache_clear()


@pytest.mark.parametrize("outcome", ["right", "wrong", "failed"])
def test_a_download_is_opt_in_and_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: bytes, outcome: str
) -> None:
    from prompture.catalog import live

    asked: list[dict[str, Any]] = []

    def fetch(url: str, **limits: Any) -> live.Answer:
        asked.append(limits)
        if outcome == "failed":
            raise FetchFailed("no")
        return live.Answer(tiny if outcome == "right" else b"<html>", "")

    monkeypatch.setattr(live, "fetch", fetch)
    assert tokenizers.encoding("o200k_base") is None
    assert asked == []
    monkeypatch.setenv("PROMPTURE_TIKTOKEN_DOWNLOAD", "1")
    for _ in range(3):
        assert (tokenizers.encoding("o200k_base") is not None) is (outcome == "right")
    assert asked == [{"seconds": 20.0, "max_bytes": 8 * 1024 * 1024}]
    assert len(list(tmp_path.iterdir())) == (outcome == "right")
    tokenizers._loaded.cache_clear()


GIF = b"GIF89a" + struct.pack("<HH", 7, 9)
JPEG = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08" + struct.pack(">HH", 480, 640) + b"\3"
WEBP = {
    "VP8X": b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + b"\x63\0\0" + b"\x31\0\0",
    "VP8 ": b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 10 + struct.pack("<HH", 100, 50),
    "VP8L": b"RIFF\0\0\0\0WEBPVP8L" + b"\0" * 4 + b"\x2f" + (99 | 49 << 14).to_bytes(4, "little"),
}


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(640, 480), (640, 480)),
        (png(0, 480), None),
        (GIF, (7, 9)),
        (JPEG, (640, 480)),
        *((webp, (100, 50)) for webp in WEBP.values()),
        (b"", None),
        (b"\xff\xd8", None),
        (b"\xff\xd8\xff\xe0\0\0", None),
        (b"\xff\xd8\xff\xe0\0\0" + b"\0" * 20, None),
        (b"BM123", None),
    ],
)
def test_pixel_size(data: bytes, size: tuple[int, int] | None) -> None:
    assert pixel_size(data) == size


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8X", b"GIF87a", b"\x89PNG\r\n\x1a\n"]),
    st.binary(max_size=80),
)
def test_any_header_is_read_to_an_end(start: bytes, rest: bytes) -> None:
    size = pixel_size(start + rest)
    assert size is None or min(size) > 0


@pytest.mark.parametrize(
    ("model", "width", "height", "tokens"),
    [
        # what recorded calls were billed for the picture, less their few words
        ("gpt-4o-mini", 640, 480, 14167),
        ("o4-mini", 640, 480, 516),
        ("gpt-5", 1, 1, 210),
        ("claude-opus-4-5", 405, 405, 219),
        ("claude-opus-4-5", 1001, 1001, 1336),
        ("gemini-2.5-flash", 400, 301, 258),
        ("gemini-2.0-flash", 1024, 1024, 1290),
        ("gemini-3.5-flash", 300, 346, 1100),
        ("glm-4.6v", 597, 566, 431),
    ],
)
def test_pictures(model: str, width: int, height: int, tokens: int) -> None:
    picture = Image(data=png(width, height))
    likely, low, high = image_tokens(picture, family=family_of(model), model=model)
    assert low <= likely <= high
    assert likely == pytest.approx(tokens, rel=0.01)


def test_a_picture_that_is_not_seen_has_a_wide_range() -> None:
    for model in ("gpt-5", "claude-x", "gemini-2.5-pro", "glm"):
        picture = Image(url="https://example.com/a.png")
        assert image_tokens(picture, family=family_of(model), model=model) == UNSEEN
    low = Image(url="https://example.com/a.png", detail="low")
    assert image_tokens(low, family="o200k", model="gpt-4o")[0] == 85


def test_everything_that_is_sent_is_counted() -> None:
    plain = Request(model="claude-haiku-4-5", messages=(user("Read this."),))
    base = count_request(plain)
    tool = Tool(name="look_up", description="Looks a word up.", parameters={"type": "object"})
    call = ToolCall(id="1", name="look_up", arguments={"word": "cat" * 50})
    richer = [
        Request(model=plain.model, messages=plain.messages, tools=(tool,)),
        Request(
            model=plain.model, messages=plain.messages, schema={"type": "object", "title": "T"}
        ),
        Request(model=plain.model, messages=(*plain.messages, user("And this."))),
        Request(model=plain.model, messages=(user([Text("Read this."), Image(data=png(99, 99))]),)),
        Request(model=plain.model, messages=(user([Text("Read this."), File(data=b"%PDF-1.7")]),)),
        Request(model=plain.model, messages=(user([Text("Read this."), File(id="file-1")]),)),
        Request(
            model=plain.model,
            messages=(*plain.messages, Message(role="assistant", calls=(call,), reasoning="Hm.")),
        ),
    ]
    for request in richer:
        counted = count_request(request)
        assert counted.tokens > base.tokens, request
        assert counted.low <= counted.tokens <= counted.high
    pages = b"%PDF-1.4 /Type /Pages " + b"/Type /Page " * 3
    many = Request(model=plain.model, messages=(user([File(data=pages)]),))
    assert 4500 < count_request(many).tokens < 4600


SMALL = Entry(provider="acme", id="m", limits=ModelLimits(context=1_000, output=100))


@pytest.mark.parametrize(
    ("text", "entry", "refused"),
    [
        ("word " * 100, SMALL, False),
        ("word " * 900, SMALL, False),
        ("word " * 2_000, SMALL, True),
        ("word " * 2_000, None, False),
        ("word " * 2_000, Entry(provider="acme", id="m"), False),
        ("слово " * 800, SMALL, False),
        (
            "word " * 2_000,
            Entry(provider="acme", id="m", limits=ModelLimits(context=9_000, input=1_000)),
            True,
        ),
    ],
)
def test_fits(text: str, entry: Entry | None, refused: bool) -> None:
    request = Request(model="m", messages=(user(text),))
    problem = fits(request, entry)
    assert (problem is not None) is refused
    if problem:
        assert "acme/m" in problem
        assert "1,000" in problem
        assert "word" not in problem


def test_a_schema_that_is_no_json_does_not_stop_the_count() -> None:
    schema = {"default": object()}
    request = Request(model="m", messages=(user("x"),), schema=schema)
    assert count_request(request).tokens > 0
    with pytest.raises(TypeError):
        json.dumps(schema)
