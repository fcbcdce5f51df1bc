"""Count the functions and files of the package that a call crosses, warm, over a loopback stub.

    python scripts/hops.py [-v]      -v lists the files in order of first use
    python scripts/hops.py --check   fails where a walk crosses more files than LIMITS has

An event is counted as the mean over the events of a stream. Only ``prompture`` counts.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PROMPTURE_OFFLINE"] = "1"

from pydantic import BaseModel  # noqa: E402

import prompture  # noqa: E402

LIMITS = {"extract_result": 36, "one stream event": 10, "one agent step": 42}
"""Files at most, as measured: tests/test_house.py keeps them from growing. The goal is 18, 10, 20."""
PACKAGE = str(ROOT / "prompture")


class Receipt(BaseModel):
    shop: str
    total: Decimal
    lines: list[str]


ANSWER = json.dumps({"shop": "Corner", "total": 12.5, "lines": ["bread", "milk", "eggs"]})


def _completion(**message: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {"id": "1", "model": "gpt-4o-mini", "choices": [choice], "usage": usage}


class _Stub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None: ...

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind = "text/event-stream" if asked.get("stream") else "application/json"
        body = _events() if asked.get("stream") else json.dumps(_answer(asked)).encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    if asked.get("tools") and asked["messages"][-1]["role"] != "tool":
        function = {"name": "rate", "arguments": '{"currency": "EUR"}'}
        return _completion(
            content=None, tool_calls=[{"id": "c1", "type": "function", "function": function}]
        )
    return _completion(content=ANSWER)


def _events() -> bytes:
    pieces = [ANSWER[i : i + 6] for i in range(0, len(ANSWER), 6)]
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces
    ]
    usage = {"prompt_tokens": 20, "completion_tokens": len(pieces), "total_tokens": 40}
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": usage})
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


class Walk:
    """Functions and files of the package, in the order in which a piece of work enters them."""

    def __init__(self) -> None:
        self.calls = 0
        self.changes = 0
        self.functions: dict[tuple[str, str], None] = {}
        self.files: dict[str, None] = {}
        self._stack: list[str] = []

    def _note(self, frame: Any, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(PACKAGE):
            return
        name = file[len(PACKAGE) + 1 :]
        caller = frame.f_back.f_code.co_filename if frame.f_back else ""
        self.calls += 1
        self.changes += caller != file
        self.functions[name, frame.f_code.co_qualname] = None
        self.files[name] = None

    def of(self, work: Callable[[], object]) -> Walk:
        sys.setprofile(self._note)
        try:
            work()
        finally:
            sys.setprofile(None)
        return self


@prompture.tool
def rate(currency: str) -> float:
    """The exchange rate of a currency."""
    return 1.1


def walks() -> dict[str, Walk]:
    """One walk of each kind."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}/v1"
    driver = prompture.OpenAIDriver("gpt-4o-mini", api_key="none", base_url=base)
    agent = prompture.Agent(driver, tools=[rate])
    found: dict[str, Walk] = {}
    try:
        for _ in range(2):  # the first is to warm up
            extract = Walk().of(
                lambda: prompture.extract_result(Receipt, "Corner, 12.50", model=driver)
            )
            found = {"extract_result": extract, "one stream event": _event(driver)}
            run = Walk().of(lambda: agent.run("What is the rate of the euro?"))
            found["one agent step"] = run
            found["driver.generate"] = Walk().of(lambda: driver.generate("Hello"))
        return found
    finally:
        server.shutdown()
        server.server_close()


def _event(driver: prompture.OpenAIDriver) -> Walk:
    """From one snapshot to the next, in the middle of a stream."""
    snapshots = prompture.extract_stream(Receipt, "Corner, 12.50", model=driver)

    def one() -> None:
        _ = next(snapshots).value

    for _ in range(4):
        one()
    walk = Walk().of(one)
    for _ in snapshots:
        pass
    return walk


def main() -> None:
    print(f"{'walk':<18}{'calls':>7}{'functions':>11}{'files':>7}{'changes':>9}{'limit':>7}")
    too_many = False
    for name, walk in walks().items():
        too_many |= len(walk.files) > LIMITS.get(name, len(walk.files))
        row = (walk.calls, len(walk.functions), len(walk.files), walk.changes)
        limit = LIMITS.get(name, "")
        print("{:<18}{:>7}{:>11}{:>7}{:>9}{:>7}".format(name, *row, limit))
        if "-v" in sys.argv:
            for file in walk.files:
                used = [function for at, function in walk.functions if at == file]
                print(f"    {file}: {', '.join(used)}")
    if "--check" in sys.argv:
        sys.exit(too_many)


if __name__ == "__main__":
    main()
