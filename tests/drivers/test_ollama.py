"""Ollama's driver in both colours, against a server that gives what a real one gave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from prompture import errors
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.drivers.ollama import ROW, is_cloud
from prompture.types import Completion, Delta, Request, user

LINES = [
    {"model": "qwen3:4b", "message": {"role": "assistant", "content": "", "thinking": "Hm."}},
    {"model": "qwen3:4b", "message": {"role": "assistant", "content": "Hel"}},
    {"model": "qwen3:4b", "message": {"role": "assistant", "content": "lo"}},
]
END = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 5}
WHOLE = {"model": "qwen3:4b", "message": {"role": "assistant", "content": "Hello"}, **END}
LAST = {"model": "qwen3:4b", "message": {"role": "assistant", "content": ""}, **END}


class Handler(BaseHTTPRequestHandler):
    """``/api/chat`` as the model's name says, ``/api/tags``; keeps what it was sent."""

    seen: list[Any] = []

    def do_GET(self) -> None:
        self.answer(200, {"models": [{"name": "qwen3:4b", "model": "qwen3:4b"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.headers.get("authorization"), body))
        if body["model"] == "missing":
            self.answer(404, {"error": "model 'missing' not found"})
        elif not body["stream"]:
            self.answer(200, WHOLE)
        elif body["model"] == "cut":
            self.answer(200, *LINES)
        elif body["model"] == "broken":
            self.answer(200, LINES[1], {"error": "llama runner process has terminated"})
        else:
            self.answer(200, *LINES, LAST)

    def answer(self, status: int, *bodies: Any) -> None:
        raw = b"".join(json.dumps(b).encode() + b"\n" for b in bodies)
        self.send_response(status)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = Thread(target=httpd.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def ask(model: str = "") -> Request:
    return Request(model=model, messages=(user("hi"),))


def pieces(colour: str, url: str, request: Request) -> list[Delta | Completion]:
    if colour == "sync":
        with driver_for("ollama/qwen3:4b", base_url=url, api_key="k") as driver:
            return list(driver.stream(request))

    async def go() -> list[Delta | Completion]:
        async with async_driver_for("ollama/qwen3:4b", base_url=url, api_key="k") as driver:
            return [piece async for piece in driver.stream(request)]

    return asyncio.run(go())


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_stream(server: str, colour: str) -> None:
    *deltas, done = pieces(colour, server, ask())
    assert deltas == [Delta(reasoning="Hm."), Delta(text="Hel"), Delta(text="lo")]
    assert isinstance(done, Completion)
    assert (done.text, done.reasoning, done.stop_reason) == ("Hello", "Hm.", "stop")
    assert (done.usage.input_tokens, done.usage.output_tokens) == (9, 5)
    assert done.cost and done.cost.usd == 0
    key, body = Handler.seen[-1]
    assert key == "Bearer k" and body["options"]["num_ctx"] == 4096


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(
    ("model", "cls", "text"),
    [
        ("missing", errors.ModelNotFound, ""),
        ("cut", errors.ConnectionLost, "Hello"),
        ("broken", errors.ServerError, "Hel"),
    ],
)
def test_streams_that_fail(
    server: str, colour: str, model: str, cls: type[errors.PromptureError], text: str
) -> None:
    with pytest.raises(cls) as caught:
        pieces(colour, server, ask(model))
    partial = caught.value.partial
    assert (partial.text if partial else "") == text


def test_a_whole_answer_and_the_list(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", server)
    monkeypatch.setenv("OLLAMA_CONTEXT_LENGTH", "16384")
    with driver_for("ollama/qwen3:4b") as driver:
        assert driver.complete(ask()).text == "Hello"
        assert [m.id for m in driver.list_models()] == ["qwen3:4b"]
        assert driver.health().reachable
    key, body = Handler.seen[-1]
    assert key is None and body["options"]["num_ctx"] == 16384


@pytest.mark.parametrize(
    ("model", "url", "cloud"),
    [
        ("qwen3:4b", "http://127.0.0.1:11434", False),
        ("gpt-oss:120b-cloud", "http://127.0.0.1:11434", True),
        ("glm-4.6:cloud", "", True),
        ("gpt-oss:120b", "https://ollama.com", True),
    ],
)
def test_the_cloud_is_not_free(model: str, url: str, cloud: bool) -> None:
    assert is_cloud(model, url) is cloud
    with driver_for(f"ollama/{model}", base_url=url or None) as driver:
        cost = driver.price(Completion().usage, answered=model)
        assert (cost.usd is None) is cloud
        assert "subscription" in cost.reason if cloud else cost.source == "local"


@pytest.mark.parametrize(
    ("url", "dialect", "sent_to"),
    [
        ("http://h:1", "ollama", "http://h:1/api/chat"),
        ("http://h:1/api/chat", "ollama", "http://h:1/api/chat"),
        ("http://h:1/v1", "openai_chat", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/chat/completions", "openai_chat", "http://h:1/v1/chat/completions"),
    ],
)
def test_the_url_picks_the_api(url: str, dialect: str, sent_to: str) -> None:
    row, endpoint = ROW.for_endpoint(url), ROW.endpoint(base_url=url)
    codec = row.codec_of(ask("m"))
    assert codec.dialect == dialect and codec.encode(ask("m"), endpoint).url == sent_to


def test_what_it_says_it_can_do() -> None:
    here, there = (ROW.features_of(m) for m in ("qwen3:4b", "qwen3-coder:480b-cloud"))
    assert here.json_schema and not there.json_schema
    assert not here.forced_tool and not here.schema_with_tools
