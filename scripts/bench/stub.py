"""A chat-completions server on loopback, plain and streamed, that costs little itself.

    python -m bench.stub            prints the port it listens on

A scenario is a prefix of the path, so that a client picks it by its base URL:
``/doc=list,items=200,chars=8,latency=50/v1``. ``chars`` is the length of a streamed delta,
``latency`` the milliseconds before the first byte, ``key`` the name of the list. A request
with tools is answered by a call of the first. ``GET /stats`` counts requests and connections.
"""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

from bench.documents import answer

HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Tue, 10 Nov 2026 10:00:00 GMT\r\nContent-Type: %s\r\n"
    b"Connection: keep-alive\r\nopenai-organization: bench\r\nopenai-processing-ms: 412\r\n"
    b"openai-version: 2020-10-01\r\nx-ratelimit-limit-requests: 10000\r\n"
    b"x-ratelimit-limit-tokens: 2000000\r\nx-ratelimit-remaining-requests: 9999\r\n"
    b"x-ratelimit-remaining-tokens: 1999712\r\nx-ratelimit-reset-requests: 6ms\r\n"
    b"x-ratelimit-reset-tokens: 8ms\r\nx-request-id: req_0123456789abcdef0123456789abcdef\r\n"
)
USAGE = {"prompt_tokens": 412, "completion_tokens": 187, "total_tokens": 599}
TOP = {"id": "chatcmpl-bench0123456789", "created": 1790000000, "system_fingerprint": "fp_bench"}
BATCH = 200
"""Events that are written at once."""
stats = {"requests": 0, "connections": 0}


@cache
def scenario(path: str) -> dict[str, Any]:
    found: dict[str, Any] = {"doc": "invoice", "items": 200, "chars": 8, "latency": 0.0}
    found["key"] = "items"
    first = path.lstrip("/").split("/", 1)[0]
    for pair in first.split(",") if "=" in first else ():
        name, _, value = pair.partition("=")
        found[name] = value if name in ("doc", "key") else float(value)
    found["text"] = answer(found["doc"], int(found["items"]), found["key"])
    return found


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@cache
def whole(path: str, tool: str | None, model: str) -> bytes:
    text = scenario(path)["text"]
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if tool:
        call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": text}}
        message |= {"content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "logprobs": None}
    choice["finish_reason"] = "tool_calls" if tool else "stop"
    body = dumps(
        {**TOP, "object": "chat.completion", "model": model, "choices": [choice], "usage": USAGE}
    )
    return HEAD % b"application/json" + b"Content-Length: %d\r\n\r\n" % len(body) + body


@cache
def events(path: str, tool: str | None, model: str, usage: bool) -> list[bytes]:
    found = scenario(path)
    size, text = int(found["chars"]), found["text"]
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    top = {**TOP, "object": "chat.completion.chunk", "model": model}

    def event(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**top, "choices": [choice], **({"usage": None} if usage else {})}

    if tool:
        named = {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": tool, "arguments": ""},
        }
        deltas: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [named]}]
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in pieces]
    else:
        deltas = [{"role": "assistant", "content": ""}, *({"content": p} for p in pieces)]
    made = [*map(event, deltas), event({}, "tool_calls" if tool else "stop")]
    made += [{**top, "choices": [], "usage": USAGE}] if usage else []
    lines = [b"data: " + dumps(each) + b"\n\n" for each in made] + [b"data: [DONE]\n\n"]
    return [b"%x\r\n%s\r\n" % (len(line), line) for line in lines]


class Connection(asyncio.Protocol):
    """Reads requests with a Content-Length, one after the other."""

    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = bytearray()
        self.writable = asyncio.Event()
        self.writable.set()
        stats["connections"] += 1

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end])
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self.handle(head, body)

    def handle(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        if method == "GET":
            text = dumps(stats)
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text
            )
            return
        stats["requests"] += 1
        asked = json.loads(body)
        tools = asked.get("tools")
        tool = tools[0]["function"]["name"] if tools else None
        loop, latency = asyncio.get_running_loop(), scenario(path)["latency"] / 1000
        if asked.get("stream"):
            usage = bool((asked.get("stream_options") or {}).get("include_usage"))
            lines = events(path, tool, asked["model"], usage)
            loop.call_later(latency, lambda: loop.create_task(self.stream(lines)))
        else:
            loop.call_later(latency, self.transport.write, whole(path, tool, asked["model"]))

    async def stream(self, lines: list[bytes]) -> None:
        self.transport.write(HEAD % b"text/event-stream" + b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(lines), BATCH):
            await self.writable.wait()
            if self.transport.is_closing():
                return
            self.transport.write(b"".join(lines[at : at + BATCH]))
        self.transport.write(b"0\r\n\r\n")


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(main())
