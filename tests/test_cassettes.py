"""Every cassette in both colours, the provider's own driver over its own transport; and what a
cassette may and may not hold."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from vcr.errors import CannotOverwriteExistingCassetteException

from prompture import errors
from prompture.drivers.registry import find
from tests.cassette import (
    FOLDER,
    KEPT_OF_REQUESTS,
    KEPT_OF_RESPONSES,
    SECRETS,
    how_made,
    playing,
    recording,
    scrubbed_body,
    scrubbed_text,
    scrubbed_url,
    tape,
)
from tests.cassette_cases import DOCUMENT, VALUE, Outcome, aask, ask, cases_of, providers
from tests.loopback import Reply, json_reply, serving
from tests.recordings import load

CASSETTES = sorted(FOLDER.glob("*/*.yaml"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in CASSETTES]
ERRORS = {
    ("llamacpp", "bad_request"): errors.InvalidRequest,
    ("llamacpp", "overflow"): errors.ContextWindowExceeded,
    ("ollama", "error"): errors.ModelNotFound,
    ("lmstudio", "error"): errors.ModelNotFound,
}


@pytest.mark.parametrize("path", CASSETTES, ids=NAMES)
def test_a_cassette(path: Path) -> None:
    provider, case = path.parent.name, path.stem
    with playing(path):
        sync = ask(provider, case)
    with playing(path):
        other = asyncio.run(aask(provider, case))
    assert sync.seen == other.seen
    _check(provider, case, sync, synthetic=how_made(path).startswith("synthetic"))


def _check(provider: str, case: str, outcome: Outcome, *, synthetic: bool) -> None:
    if case in ("error", "wrong_key", "bad_request", "overflow"):
        assert type(outcome.error) is ERRORS.get((provider, case), errors.AuthenticationError)
        return
    assert outcome.error is None
    if case == "extract":
        assert outcome.result is not None
        value = outcome.result.value.model_dump()
        assert set(value) == set(VALUE)
        if synthetic:
            assert value == VALUE
            start, end = (spans := outcome.result.sources["/company"])[0].start, spans[0].end
            assert DOCUMENT[start:end] == "ACME Ltd"
        assert len(outcome.result.cost.charges) == 1
        return
    done = outcome.completion
    assert done is not None
    assert done.usage.reported
    assert done.usage.output_tokens > 0
    assert done.cost is not None
    if find(provider).local:
        assert done.cost.usd == 0
    assert isinstance(done.cost.usd, Decimal) or done.cost.reason
    if case == "tools":
        assert [call.name for call in done.tool_calls] == ["weather"]
        assert done.stop_reason == "tool_calls"
        if synthetic:
            assert done.tool_calls[0].arguments == {"city": "Oslo"}
        return
    assert done.stop_reason in ("stop", "stop_sequence")
    assert done.text == "Red." if synthetic else done.text
    if case.endswith("stream"):
        assert "".join(delta.text for delta in outcome.deltas) == done.text
        assert "".join(delta.reasoning for delta in outcome.deltas) == done.reasoning


@pytest.mark.parametrize("provider", providers())
def test_every_provider_with_a_wire_has_its_cassettes(provider: str) -> None:
    assert {path.stem for path in CASSETTES if path.parent.name == provider} == set(
        cases_of(provider)
    )


@pytest.mark.parametrize("path", CASSETTES, ids=NAMES)
def test_a_cassette_holds_no_secret_and_says_how_it_was_made(path: Path) -> None:
    assert how_made(path).partition(":")[0] in ("recorded", "synthetic")
    text = path.read_text(encoding="utf-8")
    assert SECRETS.search(text) is None
    assert "not-a-real-key" not in text
    assert "wrong-key" not in text
    for exchange in load(path):
        assert set(exchange.request.headers) <= set(KEPT_OF_REQUESTS)
        assert set(exchange.response.headers) <= set(KEPT_OF_RESPONSES)
        for body in (exchange.request.body, exchange.response.body):
            assert scrubbed_body(body) == body
        assert scrubbed_url(exchange.request.url) == exchange.request.url


def test_the_readme_says_which_are_real() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    recorded = {path.parent.name for path in CASSETTES if how_made(path).startswith("recorded")}
    stated = next(line for line in text.splitlines() if line.startswith("Recorded:"))
    assert {name.strip(" .") for name in stated.partition(":")[2].split(",")} == recorded


# Assembled here, so that no scanner takes this file for a leak.
FAKES = [
    "sk-" + "proj-" + "a1B2" * 10,
    "sk-ant-" + "api03-" + "x9Y8" * 8,
    "gsk_" + "q" * 40,
    "AI" + "za" + "SyD" * 10,
    "AK" + "IA" + "ABCDEFGHIJKLMNOP",
    "hf_" + "t0K3n" * 6,
    "xai-" + "k3Y" * 10,
    "Bearer " + "abcdefghijklmnopqrstuvwx",
    "ey" + "JhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    "org-" + "Ab12" * 6,
    "req_" + "0123456789abcdef" * 2,
]


@pytest.mark.parametrize("secret", FAKES)
def test_what_looks_like_a_secret_is_scrubbed(secret: str) -> None:
    body = json.dumps({"error": f"key {secret} is wrong"})
    assert secret not in scrubbed_text(body)
    assert secret.encode() not in (scrubbed_body(body.encode()) or b"")
    with pytest.raises(ValueError, match="binary"):
        scrubbed_body(b"\xff\xfe\x00" + secret.encode())


@pytest.mark.parametrize("text", ["sk-", "task-list-of-all-things", "Bearer scrubbed", "org-chart"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrubbed_text(text) == text


def test_recording_leaves_every_secret_out(tmp_path: Path) -> None:
    path, key = tmp_path / "one.yaml", "a-key-of-no-known-shape"
    answer = json_reply({"id": "1", "said": f"{key} {FAKES[0]} {FAKES[9]}"})
    headers = {
        **answer.headers,
        "set-cookie": "session=1",
        "openai-organization": "acme",
        "x-request-id": "r1",
    }
    sent = {
        "authorization": f"Bearer {key}",
        "x-api-key": key,
        "api-key": key,
        "x-goog-api-key": key,
        "cookie": "session=1",
        "openai-organization": "acme",
        "openai-project": "p1",
        "content-type": "application/json",
    }
    with serving([Reply(body=answer.body, headers=headers)]) as server:
        moved = {server.url: "https://api.example"}
        with recording(path, how="synthetic: a test", moved=moved, secrets=(key,)):
            url = f"{server.url}/v1?key={key}&alt=sse"
            requests.post(url, headers=sent, json={"prompt": FAKES[1]}, timeout=5)
    text = path.read_text(encoding="utf-8")
    for secret in (key, *FAKES, "session=1", "acme", "x-request-id", "127.0.0.1", "openai-project"):
        assert secret not in text, secret
    assert "https://api.example/v1?key=scrubbed&alt=sse" in text
    assert how_made(path) == "synthetic: a test"


def _play(colour: str, path: Path, case: str, **settings: Any) -> Outcome:
    with tape().use_cassette(str(path)):
        if colour == "async":
            return asyncio.run(aask("openai", case, **settings))
        return ask("openai", case, **settings)


UNKNOWN = [
    ("another model", "plain", {"model": "openai/gpt-4.1"}),
    ("another host", "plain", {"base_url": "https://elsewhere.example/v1"}),
    ("another path", "plain", {"base_url": "https://api.openai.com/v2"}),
    ("another body", "tools", {}),
]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(
    ("case", "settings"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN]
)
def test_an_unknown_request_is_refused(colour: str, case: str, settings: dict[str, Any]) -> None:
    with pytest.raises(CannotOverwriteExistingCassetteException):
        _play(colour, FOLDER / "openai" / "plain.yaml", case, **settings)


def test_a_cassette_is_played_once_and_whole() -> None:
    path = FOLDER / "openai" / "plain.yaml"
    with pytest.raises(AssertionError, match="not every exchange"), playing(path):
        pass


def test_equal_json_matches_however_it_is_written() -> None:
    cassette = yaml.safe_load((FOLDER / "openai" / "plain.yaml").read_text(encoding="utf-8"))
    request = cassette["interactions"][0]["request"]
    with playing(FOLDER / "openai" / "plain.yaml"):
        body = json.dumps(json.loads(request["body"]), indent=2, sort_keys=True)
        headers = {"content-type": "application/json"}
        found = requests.post(request["uri"], data=body, headers=headers, timeout=5)
    assert found.json()["choices"][0]["message"]["content"] == "Red."
