"""The errors of both transports: what failed on the way, in the same plain words."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator

from prompture.drivers.proxies import Proxy
from prompture.errors import ConnectionLost, ConnectTimeout, ReadTimeout
from prompture.wire.http import host_of


def connect_timeout(url: str, proxy: Proxy | None, seconds: float | None) -> ConnectTimeout:
    return ConnectTimeout(f"no connection to {_way(url, proxy)} within {_told(seconds)}")


def read_timeout(url: str, seconds: float | None, *, moment: float | None) -> ReadTimeout:
    """``seconds`` is the limit between bytes; ``moment`` the end of the whole call."""
    host = host_of(url)
    if moment is not None and time.monotonic() >= moment - 0.01:
        return ReadTimeout(f"{host}: the time for the whole call was over before its answer was")
    return ReadTimeout(f"{host} sent nothing for {_told(seconds)} (timeout={seconds or 0:g})")


def connection_lost(
    url: str, proxy: Proxy | None, exc: BaseException, *, unsent: bool
) -> ConnectionLost:
    error = ConnectionLost(f"connection to {_way(url, proxy)} failed: {reason_of(exc)}")
    error.unsent = unsent
    return error


def _way(url: str, proxy: Proxy | None) -> str:
    return f"{host_of(url)} through {proxy.shown}" if proxy else host_of(url)


def _told(seconds: float | None) -> str:
    return "the time that was given" if seconds is None else f"{seconds:.3g} seconds"


def reason_of(exc: BaseException) -> str:
    """The words of the cause beneath all others."""
    chain = list(causes(exc))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {each.verify_message}"
        if isinstance(each, socket.gaierror):
            return f"its name is not known: {each.strerror}"
        if isinstance(each, ssl.SSLError) and each.reason:
            return f"no TLS with it: {str(each.reason).replace('_', ' ').lower()}"
    for each in reversed(chain):
        if isinstance(each, OSError) and isinstance(each.errno, int) and each.errno > 0:
            return os.strerror(each.errno)
    words = [text for each in chain if (text := str(each).strip())]
    return words[-1][:200] if words else type(exc).__name__


def causes(exc: BaseException) -> Iterator[BaseException]:
    """An exception and all that it stands for: causes, contexts, reasons, arguments."""
    seen: list[BaseException] = []
    left: list[object] = [exc]
    while left and len(seen) < 50:
        each = left.pop(0)
        if not isinstance(each, BaseException) or any(each is other for other in seen):
            continue
        seen.append(each)
        left += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
    yield from seen


def stripped(exc: BaseException) -> BaseException:
    """The exception, and those beneath it, without their frames.

    The frames of requests, urllib3 and httpcore2 hold the key (traceback viewers show locals),
    and their connections, which would stay open as long as somebody keeps the error.
    """
    for each in causes(exc):
        each.__traceback__ = None
        for name in ("request", "_request", "response", "pool", "conn"):
            if name in getattr(each, "__dict__", {}):
                setattr(each, name, None)
    return exc
