"""Tools of a Model Context Protocol server, over stdio or HTTP, by the official ``mcp`` package.

The connection lives in an event loop of its own, in a daemon thread, so that sync code and several
event loops can share it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from prompture import forks, given
from prompture.agents.signatures import Signature
from prompture.agents.tools import FunctionTool, ToolRetry, tool_name
from prompture.errors import (
    ConfigurationError,
    ConnectionLost,
    MissingExtra,
    PromptureError,
    ReadTimeout,
    SchemaError,
)
from prompture.given import half_made
from prompture.schema.source import source
from prompture.types import JSON, Document, Image, Part, Text
from prompture.wire.steps import require_asyncio

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult, ContentBlock
    from mcp.types import Tool as ServerTool

T = TypeVar("T")
Connect: TypeAlias = "Callable[[], AbstractAsyncContextManager[Client]]"
_CLOSED = "the connection to the MCP server is closed"
MAX_TOOLS = 1000
METHOD_NOT_FOUND = -32601  # JSON-RPC 2.0, section 5.1
CLOSE_SECONDS = 10.0
CONNECT_SECONDS = 30.0
READ_SECONDS = 300.0
"""As the ``mcp`` package's own HTTP client: a server may hold a response open for long."""


class MCPServer:
    """An MCP server; ``tools=[server]`` gives an agent its tools. Threads and tasks may share one.

    Arguments:
        server: an http(s) URL (streamable HTTP), or a command with its arguments (stdio).
        env, cwd: of the command; the environment holds little else (see the ``mcp`` package).
        headers: sent with every HTTP request.
        prefix: put before the names of the tools.
        only: names of the tools to offer, without the prefix; all where None.
        timeout: seconds to connect, and for each call.

    It connects when its tools are first asked for. Close it, or use it as a context manager.
    Raises MissingExtra, ConfigurationError; ConnectionLost and ReadTimeout when it connects.
    """

    def __init__(
        self,
        server: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        headers: Mapping[str, str] | None = None,
        prefix: str = "",
        only: Collection[str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        if isinstance(server, str) and not server.startswith(("http://", "https://")):
            raise ConfigurationError(
                "an MCP server is an http(s) URL, or a command as a list: ['python', 'server.py']"
            )
        if not isinstance(server, (str, list, tuple)) or not all(
            isinstance(word, str) for word in server
        ):
            raise given.wrong("server", "an http(s) URL, or a command as a list of texts", server)
        if not server:
            raise ConfigurationError("the command of an MCP server is empty")
        given.words(prefix, "prefix", empty=True)
        given.seconds(timeout)
        # A text is a collection, too: of its parts, among which a tool's name is easily found.
        if isinstance(only, Collection) and not isinstance(only, str):
            only = list(only)
        only = None if only is None else given.strings(only, "only")
        self.name = server if isinstance(server, str) else str(server[0])
        self._server = server if isinstance(server, str) else tuple(server)
        self._env, self._cwd, self._headers = env, cwd, headers
        self._prefix, self._only, self._timeout = prefix, only, timeout
        # Held while the server is asked for its tools, so that it is asked once.
        self._lock = threading.Lock()
        self._connection: _Connection | None = None
        self._tools: tuple[FunctionTool, ...] | None = None
        forks.renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        """Called in a forked child: forget the connection, whose thread exists in the parent alone.
        It is kept as it is, for closing it would reach into the parent's loop."""
        self._lock = threading.Lock()
        if self._connection is not None:
            forks.left_to_parent(self._connection)
        self._connection = self._tools = None

    def tools(self) -> tuple[FunctionTool, ...]:
        """The server's tools; it is asked once."""
        with self._lock:
            if self._tools is None:
                connection = self._connected()
                listed = self._wait(connection.submit(_list_tools(connection)))
                # A name that the server lacks would leave the agent without the tool, silently.
                given.only_known(self._only or (), [row.name for row in listed], what="tool")
                self._tools = tuple(
                    self._tool(connection, row)
                    for row in listed
                    if self._only is None or row.name in self._only
                )
            return self._tools

    async def atools(self) -> tuple[FunctionTool, ...]:
        """``tools``, without holding up the event loop."""
        require_asyncio()
        return await asyncio.to_thread(self.tools)

    def _connected(self) -> _Connection:
        if self._connection is None:
            connect = self._connect()
            connection = _Connection(connect, self.name, self._timeout)
            # The thread holds the connection, not this object: so it can be collected, and the
            # command ends with it.
            weakref.finalize(self, connection.close)
            self._connection = connection
        return self._connection

    def _connect(self) -> Connect:
        """A function that makes the client, to be called in the loop that the client lives in."""
        try:
            from mcp import Client, StdioServerParameters
            from mcp.client.streamable_http import streamable_http_client
        except ImportError as exc:
            raise MissingExtra(extra="mcp", package="mcp") from exc
        server, timeout = self._server, self._timeout
        if isinstance(server, str):
            headers = dict(self._headers or {})

            @asynccontextmanager
            async def over_http() -> AsyncIterator[Client]:
                # The package asks for a client of its own library, and takes headers in no other
                # way; the function that makes its own client is private.
                import httpx2  # noqa: TID251

                limits = httpx2.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
                async with httpx2.AsyncClient(headers=headers, timeout=limits) as http:
                    transport = streamable_http_client(server, http_client=http)
                    async with Client(transport, read_timeout_seconds=timeout) as client:
                        yield client

            return over_http
        path = (self._env or {}).get("PATH")
        if not shutil.which(os.path.join(self._cwd or "", server[0]), path=path) and not (
            shutil.which(server[0], path=path)
        ):
            raise ConfigurationError(f"MCP server: there is no command {server[0]!r}")
        parameters = StdioServerParameters(
            command=server[0],
            args=list(server[1:]),
            env=dict(self._env) if self._env is not None else None,
            cwd=self._cwd,
        )
        return lambda: Client(parameters, read_timeout_seconds=timeout)

    def _wait(self, future: Future[T]) -> T:
        try:
            return future.result(self._timeout)
        except TimeoutError as exc:
            future.cancel()
            raise ReadTimeout(f"MCP server {self.name!r} gave no answer in time") from exc
        except PromptureError:
            raise
        except Exception as exc:  # the package and its transports have errors of many kinds
            raise ConnectionLost(f"MCP server {self.name!r}: {_innermost(exc)}") from exc

    def _tool(self, connection: _Connection, row: ServerTool) -> FunctionTool:
        name = tool_name(self._prefix + row.name)
        try:
            arguments = source(row.input_schema)
        except SchemaError as exc:
            raise SchemaError(f"MCP server {self.name!r}, tool {row.name!r}: {exc}") from exc

        def call(**given: object) -> Any:
            return connection.submit(_call_tool(connection, row.name, given)).result()

        async def acall(**given: object) -> Any:
            # Cancelling this future cancels the call in the connection's loop, too.
            work = connection.submit(_call_tool(connection, row.name, given))
            return await asyncio.wrap_future(work)

        return FunctionTool(
            name=name,
            description=row.description or row.title or "",
            signature=Signature(source=arguments, description=row.description or ""),
            function=call,
            afunction=acall,
        )

    def close(self) -> None:
        """Close the connection, and end the command."""
        with self._lock:
            connection, self._connection, self._tools = self._connection, None, None
        if connection is not None:
            connection.close()

    async def aclose(self) -> None:
        """``close``, without holding up the event loop."""
        require_asyncio()
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        self.tools()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self.atools()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @half_made
    def __repr__(self) -> str:
        return f"MCPServer({self.name!r})"


class _Connection:
    """A client in a thread with an event loop. ``client`` is None before and after its life."""

    # anyio demands that the task which enters a context leaves it, too: so one task, in _live,
    # does both, and ``close`` only asks it to.

    def __init__(self, connect: Connect, name: str, timeout: float) -> None:
        self.client: Client | None = None
        self._ready: Future[None] = Future()
        self._forks = forks.count()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(
            target=self._serve, args=(connect,), name="prompture-mcp", daemon=True
        )
        self._thread.start()
        try:
            self._ready.result(timeout)
        except TimeoutError as exc:
            self.close()
            raise ReadTimeout(f"no connection to MCP server {name!r} in time") from exc
        except Exception as exc:  # a command or server may fail in any way; it is the cause
            self.close()
            why = _innermost(exc)
            raise ConnectionLost(f"no connection to MCP server {name!r}: {why}") from exc

    def _serve(self, connect: Connect) -> None:
        try:
            self._loop.run_until_complete(self._live(connect))
            # Calls that still wait for the server are cancelled, so that their callers get an
            # answer.
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    async def _live(self, connect: Connect) -> None:
        try:
            async with connect() as self.client:
                self._ready.set_result(None)
                await self._over.wait()
        except BaseException as exc:
            # Once connected, the caller of a tool gets the error; here nobody waits for one.
            if not self._ready.done():
                self._ready.set_exception(exc)
        finally:
            self.client = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the client's loop. Raises ConnectionLost where that is closed."""
        if not self._thread.is_alive():
            work.close()
            if forks.count() != self._forks:
                raise ConnectionLost(
                    "the connection to the MCP server belongs to the process that was forked: "
                    "ask the server for its tools again in the child"
                )
            raise ConnectionLost(_CLOSED)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop was closed just now
            work.close()
            raise ConnectionLost(_CLOSED) from None

    def close(self) -> None:
        if self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._over.set)
            except RuntimeError:
                return  # it ended by itself just now
            self._thread.join(CLOSE_SECONDS)


def _client_of(connection: _Connection) -> Client:
    if connection.client is None:
        raise ConnectionLost(_CLOSED)
    return connection.client


async def _list_tools(connection: _Connection) -> list[ServerTool]:
    """All tools, page by page."""
    client = _client_of(connection)
    rows: list[ServerTool] = []
    cursor: str | None = None
    while True:
        try:
            page = await client.list_tools(cursor=cursor)
        except Exception as exc:  # the package's class of it differs between versions
            if getattr(getattr(exc, "error", exc), "code", None) == METHOD_NOT_FOUND:
                return rows  # a server of resources or prompts alone has no tools
            raise
        rows += page.tools
        cursor = page.next_cursor
        if not cursor:
            return rows
        # A server may page for ever.
        if len(rows) > MAX_TOOLS:
            raise ConfigurationError(f"the MCP server lists more than {MAX_TOOLS} tools")


async def _call_tool(connection: _Connection, name: str, arguments: JSON) -> object:
    result: CallToolResult = await _client_of(connection).call_tool(name, dict(arguments))
    parts = [_part(block) for block in result.content]
    is_text = all(isinstance(part, Text) for part in parts)
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    if result.is_error:
        raise ToolRetry(text or "The tool failed.")
    if not parts:
        return result.structured_content
    return text if is_text else parts


def _part(block: ContentBlock) -> Part:
    if block.type == "text":
        return Text(block.text)
    if block.type == "image":
        return Image(data=base64.b64decode(block.data), media_type=block.mime_type)
    if block.type == "resource":
        inner = block.resource
        if hasattr(inner, "text"):
            return Document(inner.text, name=str(inner.uri))
        return Text(f"[a resource of type {inner.mime_type or 'unknown'}: {inner.uri}]")
    if block.type == "resource_link":
        return Text(f"[a resource: {block.uri}]")
    return Text(f"[{block.type} that cannot be shown]")


def _innermost(exc: BaseException) -> str:
    """The first real cause in a group of a group."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return f"{type(exc).__name__}: {str(exc)[:300]}".rstrip(": ")
