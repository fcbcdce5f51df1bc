"""Tools of real MCP servers, started here, over stdio and HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from prompture.agents.agent import Agent
from prompture.agents.mcp import MCPServer
from prompture.errors import ConfigurationError, ConnectionLost, MissingExtra, UnknownOption
from prompture.types import Image
from tests.agents.both import Colour, call, colours

pytest.importorskip("mcp", reason="needs the extra mcp")
PROGRAM = str(Path(__file__).with_name("mcp_server.py"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, PROGRAM, str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "running on" in line:
                    break
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


@pytest.fixture(scope="module", params=["stdio", "http"])
def server(request: pytest.FixtureRequest) -> Iterator[MCPServer]:
    where: Any = [sys.executable, PROGRAM]
    if request.param == "http":
        where = request.getfixturevalue("url")
    with MCPServer(where, timeout=30) as found:
        yield found


@colours
def test_its_tools_are_an_agents_tools(colour: Colour, server: MCPServer) -> None:
    script = [
        [
            call("add", "c1", a=1, b=2),
            call("fail", "c2", why="no luck"),
            call("picture", "c3"),
            call("add", "c4", a="one", b=2),
        ],
        "done",
    ]
    result = colour.run(script, tools=[server])
    assert result.output == "done"
    added, failed, picture, invalid = result.tool_calls
    assert (added.status, added.content) == ("ok", "3")
    assert (failed.status, "no luck" in str(failed.content)) == ("retry", True)
    (image,) = picture.content
    assert isinstance(image, Image) and image.data and image.data.startswith(b"\x89PNG")
    assert (invalid.status, "/a" in str(invalid.content)) == ("invalid", True)
    tools = {t.name: t for t in colour.driver.requests[0].tools}
    assert tools["add"].description == "Add two numbers."
    assert tools["add"].parameters["required"] == ["a", "b"]


def test_names_may_be_chosen_and_prefixed(server: MCPServer) -> None:
    where = server._server
    given: Any = where if isinstance(where, str) else list(where)
    with MCPServer(given, prefix="sum_", only=["add"]) as found:
        assert [t.name for t in found.tools()] == ["sum_add"]


def test_a_server_used_from_several_loops() -> None:
    async def add(server: MCPServer) -> Any:
        (tool,) = [t for t in await server.atools() if t.name == "add"]
        assert tool.afunction is not None
        return await tool.afunction(a=2, b=2)

    async def go() -> Any:
        async with MCPServer([sys.executable, PROGRAM]) as server:
            return await add(server)

    assert asyncio.run(go()) == "4"
    with MCPServer([sys.executable, PROGRAM]) as server:
        assert asyncio.run(add(server)) == asyncio.run(add(server)) == "4"


@colours
def test_a_call_after_the_end_is_told_to_the_model(colour: Colour) -> None:
    server = MCPServer([sys.executable, PROGRAM])
    agent = colour.agent([[call("add", a=1, b=2)], "ok"], tools=[server])
    server.close()
    result = colour.go(agent)
    assert [u.status for u in result.tool_calls] == ["failed"]
    assert "closed" in str(result.tool_calls[0].content)
    server.close()  # a second time is nothing


def test_servers_that_are_not_there() -> None:
    for command in ("/no/such/command", "no-such-command"):
        with pytest.raises(ConfigurationError, match=f"there is no command '{command}'"):
            MCPServer([command]).tools()
    with pytest.raises(ConnectionLost, match="no connection to MCP server"):
        MCPServer("http://127.0.0.1:9/mcp", timeout=10).tools()
    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        MCPServer([sys.executable, "-c", "pass"], timeout=10).tools()
    assert time.monotonic() - began < 15


class Refuses(BaseHTTPRequestHandler):
    asked: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.asked.append(self.headers)
        self.send_error(403)

    def log_message(self, *args: Any) -> None: ...


def test_headers_go_with_every_request() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as stub:
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        server = MCPServer(
            f"http://127.0.0.1:{stub.server_port}/mcp", headers={"X-Key": "7"}, timeout=10
        )
        with pytest.raises(ConnectionLost):
            server.tools()
        stub.shutdown()
    assert Refuses.asked
    assert all(headers["x-key"] == "7" for headers in Refuses.asked)


def test_bad_arguments() -> None:
    with pytest.raises(ConfigurationError, match="as a list"):
        MCPServer("python server.py")
    with pytest.raises(ConfigurationError, match="empty"):
        MCPServer([])
    with pytest.raises(ConfigurationError, match="timeout"):
        MCPServer(["x"], timeout=0)
    with pytest.raises(ConfigurationError, match="prefix"):
        MCPServer(["x"], prefix=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="only"):
        MCPServer(["x"], only=3)  # type: ignore[arg-type]


def test_a_tool_that_is_not_there_is_named() -> None:
    with MCPServer([sys.executable, PROGRAM], only="add") as found:
        assert [t.name for t in found.tools()] == ["add"]
    server = MCPServer([sys.executable, PROGRAM], only="ad")  # a part of a name is none
    with pytest.raises(UnknownOption, match="did you mean add"):
        server.tools()
    server.close()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(MissingExtra, match=r"prompture\[mcp\]"):
        Agent("openai/gpt-5", tools=[MCPServer(["x"])])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not for this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_connects_anew() -> None:
    with MCPServer([sys.executable, PROGRAM], timeout=30, only=["add"]) as server:
        (add,) = server.tools()
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                add.function(a=1, b=2)
            except ConnectionLost as exc:
                os.write(writer, f"{exc}; ".encode())
            with server:
                (again,) = server.tools()
                os.write(writer, str(again.function(a=1, b=2)).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as said:
            found = said.read()
        os.waitpid(pid, 0)
        assert "again in the child; " in found
        assert found.endswith("3")
        assert str(add.function(a=2, b=2)) == "4"  # the parent's goes on


def test_a_call_in_the_moment_in_which_the_connection_closes_is_lost() -> None:
    server = MCPServer([sys.executable, PROGRAM], timeout=30, only=["add"])
    (add,) = server.tools()
    connection = server._connection
    assert connection is not None
    server.close()
    # The thread still runs in the moment in which its loop has closed.
    connection._thread = threading.current_thread()
    with pytest.raises(ConnectionLost, match="is closed"):
        add.function(a=1, b=2)
