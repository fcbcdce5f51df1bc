"""Recorders, mocks and tracers see every call, in whatever order things are imported.

Each case is a process of its own: what is imported first is the point.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import server as served

ORDERS = {"first": "BEFORE", "inside": "", "used": "BEFORE; CALL"}
"""When our transport is first imported: before the tool begins, within it, or used before."""

PROGRAM = """
import asyncio, os, sys
os.environ["PROMPTURE_OFFLINE"] = "1"
from prompture import async_driver_for, driver_for
from prompture.errors import PromptureError
from prompture.types import Completion, Request, user
from prompture.wire.retry import Retry

URL = sys.argv[1]
SETTINGS = {"base_url": URL, "retry": Retry(attempts=1)}
ASK = Request(model="m", messages=(user("hi"),))
seen = []

KEPT = []  # a driver that was used before the tool began has a connection open

def one(streamed):
    KEPT or KEPT.append(driver_for("openai-compatible/m", **SETTINGS))
    driver = KEPT[0]
    return list(driver.stream(ASK))[-1].text if streamed else driver.complete(ASK).text

async def aone(streamed):
    async with async_driver_for("openai-compatible/m", **SETTINGS) as driver:
        if streamed:
            return [p async for p in driver.stream(ASK)][-1].text
        return (await driver.complete(ASK)).text

def call(colour, streamed):
    return one(streamed) if colour == "sync" else asyncio.run(aone(streamed))
"""


def run(
    tool: str, url: str, *, order: str, colour: str = "sync", streamed: bool = False,
    folder: Path | None = None,
) -> str:  # fmt: skip
    """What a program prints that uses a tool of TOOLS."""
    module = "sync" if colour == "sync" else "aio"
    before = ORDERS[order]
    before = before.replace("BEFORE", f"import prompture.drivers.{module}")
    before = before.replace("CALL", f"call({colour!r}, False)")
    text = f"{PROGRAM}\n{before}\nCOLOUR, STREAMED = {colour!r}, {streamed}\n{TOOLS[tool]}"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text, url],
        capture_output=True, text=True, timeout=60, cwd=folder or root,
        env={"PYTHONPATH": f"{root}:{':'.join(sys.path)}", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


STREAM = (
    r"data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"mocked\"}, "
    r"\"finish_reason\": \"stop\"}]}\n\ndata: [DONE]\n\n"
)
BODY = f"""
BODY = "{STREAM}" if STREAMED else (
    '{{"choices": [{{"index": 0, "message": {{"content": "mocked"}}, "finish_reason": "stop"}}]}}')
KIND = "text/event-stream" if STREAMED else "application/json"
"""
TOOLS = {
    "vcr, none": """
import vcr
with vcr.use_cassette("absent.yaml", record_mode="none"):
    try:
        print(call(COLOUR, STREAMED))
    except Exception as exc:
        names = {type(e).__name__ for e in (exc, exc.__cause__, exc.__context__) if e}
        print("refused" if "CannotOverwriteExistingCassetteException" in names else repr(exc))
""",
    "vcr, once": """
import vcr
for turn in range(2):
    with vcr.use_cassette("once.yaml", record_mode="once") as cassette:
        print(call(COLOUR, STREAMED), cassette.play_count)
""",
    "responses": BODY
    + """
import responses
with responses.RequestsMock() as mock:
    mock.post(URL + "/chat/completions", body=BODY, content_type=KIND)
    print(call(COLOUR, STREAMED))
""",
    "requests-mock": BODY
    + """
import requests_mock
with requests_mock.Mocker() as mock:
    mock.post(URL + "/chat/completions", text=BODY, headers={"content-type": KIND})
    print(call(COLOUR, STREAMED))
""",
    "Session.send": """
import functools, requests
real = requests.Session.send
@functools.wraps(real)
def send(self, request, **given):
    seen.append(request.url)
    return real(self, request, **given)
requests.Session.send = send
print(call(COLOUR, STREAMED), len(seen))
""",
    "Session.request": """
import requests
real = requests.Session.request
def request(self, method, url, **given):
    seen.append(url)
    return real(self, method, url, **given)
requests.Session.request = request
print(call(COLOUR, STREAMED), len(seen))
""",
    "wrapt": """
import requests.adapters
class Wrapper:  # as wrapt's FunctionWrapper: it passes everything on, also what it is
    def __init__(self, wrapped): self.__dict__["wrapped"] = wrapped
    def __getattr__(self, name): return getattr(self.wrapped, name)
    @property
    def __class__(self): return self.wrapped.__class__
    def __get__(self, instance, owner):
        if instance is None: return self
        def bound(*args, **given):
            seen.append(1)
            return self.wrapped(instance, *args, **given)
        return bound
requests.adapters.HTTPAdapter.send = Wrapper(requests.adapters.HTTPAdapter.send)
print(call(COLOUR, STREAMED), len(seen))
""",
    "urlopen": """
import urllib3
real = urllib3.HTTPConnectionPool.urlopen
def urlopen(self, *args, **given):
    seen.append(1)
    return real(self, *args, **given)
urllib3.HTTPConnectionPool.urlopen = urlopen
print(call(COLOUR, STREAMED), len(seen))
""",
    "handle_async_request": BODY
    + """
import httpx2
async def handle(self, request):
    seen.append(str(request.url))
    return httpx2.Response(200, content=BODY.encode(), headers={"content-type": KIND})
httpx2.AsyncHTTPTransport.handle_async_request = handle
print(call(COLOUR, STREAMED))
""",
    "AsyncClient.send": """
import functools, httpx2
real = httpx2.AsyncClient.send
@functools.wraps(real)
async def send(self, request, **given):
    seen.append(str(request.url))
    return await real(self, request, **given)
httpx2.AsyncClient.send = send
print(call(COLOUR, STREAMED), len(seen))
""",
    "httpcore2": """
import httpcore2
real = httpcore2.AsyncConnectionPool.handle_async_request
async def handle(self, request):
    seen.append(1)
    return await real(self, request)
httpcore2.AsyncConnectionPool.handle_async_request = handle
print(call(COLOUR, STREAMED), len(seen))
""",
}
SYNC = ["responses", "requests-mock", "Session.send", "Session.request", "wrapt", "urlopen"]
ASYNC = ["handle_async_request", "AsyncClient.send", "httpcore2"]
MOCKS = {"responses", "requests-mock", "handle_async_request"}
PACKAGES = {"responses": "responses", "requests-mock": "requests_mock"}
TURNS = [("first", False), ("inside", False), ("inside", True), ("used", True)]
CASES = [(tool, "sync") for tool in SYNC] + [(tool, "async") for tool in ASYNC]


@pytest.mark.parametrize(("order", "streamed"), TURNS)
@pytest.mark.parametrize(("tool", "colour"), CASES)
def test_tools_see_the_call(tool: str, colour: str, order: str, streamed: bool) -> None:
    if tool in PACKAGES:
        pytest.importorskip(PACKAGES[tool])
    step = served.streams(*served.EVENTS) if streamed else served.good()
    steps = [served.good(), step] if order == "used" else [step]
    with served.serving(*steps) as server:
        said = run(tool, server.url, order=order, colour=colour, streamed=streamed)
        assert said == ("mocked" if tool in MOCKS else "hello 1")
        assert len(server.asked) == (order == "used") + (tool not in MOCKS)


@pytest.mark.parametrize(("order", "streamed"), TURNS)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_recorder_that_may_not_record_refuses(
    colour: str, order: str, streamed: bool, tmp_path: Path
) -> None:
    with served.serving(served.good()) as server:
        said = run(
            "vcr, none", server.url, order=order, colour=colour, streamed=streamed, folder=tmp_path
        )
        assert said == "refused"
        assert len(server.asked) == (order == "used")


@pytest.mark.parametrize(("order", "streamed"), TURNS)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_recorder_records_and_plays(
    colour: str, order: str, streamed: bool, tmp_path: Path
) -> None:
    step = served.streams(*served.EVENTS) if streamed else served.good()
    steps = [served.good(), step] if order == "used" else [step]
    with served.serving(*steps) as server:
        said = run(
            "vcr, once", server.url, order=order, colour=colour, streamed=streamed, folder=tmp_path
        )
        assert said.splitlines() == ["hello 0", "hello 1"]
        assert len(server.asked) == (order == "used") + 1
