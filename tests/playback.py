"""Recorded answers, served to real drivers without a socket.

A recording goes through requests' and httpx2's own response classes, so all of the package runs
but the connection. What the driver sends is kept, and its URL compared with the recorded one.
"""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import httpx2
import requests
import urllib3
from requests.adapters import BaseAdapter

from prompture.drivers.classes import async_driver_for, driver_for
from prompture.errors import PromptureError
from prompture.types import Completion, Delta, Request, user
from prompture.wire.retry import Retry
from tests.readers import Said, chat, others
from tests.recordings import Got, Interaction, Sent

KEY = "not-a-real-key"


@dataclass(frozen=True, slots=True)
class Speech:
    """How an endpoint is reached: the reader of its answers, and whether this call streamed."""

    dialect: str
    base_url: str
    model: str
    settings: dict[str, str]
    streamed: bool


# Ends of paths, the dialect spoken there, and what of the path belongs to the dialect.
_ENDS = (
    (r"/chat/completions$", "chat"),
    (r"/responses$", "responses"),
    (r"/v1/messages$", "anthropic"),
    (r"(?P<path>/models/(?P<model>[^/]+)):(?:streamG|g)enerateContent$", "gemini"),
    (r"/v2/chat$", "cohere"),
    (r"/api/chat$", "ollama"),
    (r"/model/(?P<model>[^/]+)/converse(?:-stream)?$", "converse"),
)


_BY_ENDPOINT = ("anthropic", "openai", "xai", "openrouter")


def speech_of(provider: str, exchange: Interaction) -> Speech | None:
    """What is needed to repeat a recorded call, or None where no driver speaks its endpoint."""
    url = urlsplit(exchange.request.url)
    if "/api/v0/" in url.path:
        return None
    for pattern, dialect in _ENDS:
        if found := re.search(pattern, url.path):
            model = unquote(found.groupdict().get("model") or _model(exchange.request))
            base = f"{url.scheme}://{url.netloc}{url.path[: found.start()]}"
            settings: dict[str, str] = {}
            if provider in ("azure", "ollama", "google", "llamacpp", *_BY_ENDPOINT):
                # The whole endpoint says which of the row's dialects is meant.
                base += "" if dialect in ("gemini", "ollama") else found.group()
            if provider == "bedrock":
                settings = {"region": url.netloc.split(".")[1]}
            if provider == "cloudflare":
                settings = {"account": url.path.split("/")[4]}
            query = {k: v for k, v in parse_qsl(url.query) if k in ("api-version", "beta")}
            base += "?" + urlencode(query) if query else ""
            return Speech(dialect, base, model, settings, _streamed(exchange))
    return None


def _model(sent: Sent) -> str:
    try:
        body = sent.json()
    except ValueError:
        body = {}
    return str(body.get("model") or "") or "a-model"


def _streamed(exchange: Interaction) -> bool:
    url = exchange.request.url
    if ":streamGenerateContent" in url or url.endswith("/converse-stream"):
        return True
    if ":generateContent" in url or url.endswith("/converse"):
        return False
    if "event-stream" in exchange.response.headers.get("content-type", ""):
        return True
    try:
        asked = exchange.request.json()
    except ValueError:
        return False
    return bool(asked.get("stream", "/api/chat" in url)) if isinstance(asked, dict) else False


def said_by(provider: str, speech: Speech, got: Got) -> Said:
    """What the recorded answer says."""
    if speech.dialect == "chat":
        # An answer to a streamed request may still be a whole body, where it is an error.
        folded = speech.streamed and not got.body.lstrip().startswith(b"{")
        return chat.read(got.body, provider=provider, streamed=folded)
    found: Said = getattr(others, speech.dialect)(got.body, streamed=speech.streamed)
    return found


class _Recorded(BaseAdapter):
    """A requests adapter that answers with one recorded response."""

    def __init__(self, got: Got) -> None:
        super().__init__()
        self.got = got
        self.sent: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.sent.append(str(request.url))
        headers = self.got.headers
        response = requests.Response()
        response.status_code = self.got.status
        response.headers.update(headers)
        response.request = request
        response.url = str(request.url)
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(self.got.body),
            headers=headers,
            status=self.got.status,
            preload_content=False,
        )
        return response

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a driver made of an answer: its deltas, the completion (whose ``seconds`` are 0) or
    the error, and the URLs it sent to."""

    deltas: tuple[Delta, ...]
    completion: Completion | None
    error: PromptureError | None
    sent: tuple[str, ...] = ()

    @property
    def answer(self) -> tuple[Any, ...]:
        """What two outcomes must have in common."""
        return self.deltas, self.completion, type(self.error), str(self.error)


def play(provider: str, speech: Speech, got: Got) -> tuple[Outcome, Outcome]:
    """One recorded answer through both colours of the provider's driver."""
    return _sync(provider, speech, got), asyncio.run(_async(provider, speech, got))


def request_for(speech: Speech) -> Request:
    return Request(model=speech.model, messages=(user("hi"),), max_tokens=64)


def settings_for(speech: Speech) -> dict[str, Any]:
    return {
        "api_key": KEY,
        "base_url": speech.base_url,
        "retry": Retry(attempts=1),
        **speech.settings,
    }


def _sync(provider: str, speech: Speech, got: Got) -> Outcome:
    adapter = _Recorded(got)
    session = requests.Session()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    driver = driver_for(f"{provider}/{speech.model}", session=session, **settings_for(speech))
    return replace(ask(driver, speech), sent=tuple(adapter.sent))


def ask(driver: Any, speech: Speech) -> Outcome:
    """The call again, over a driver of the sync colour."""
    deltas: list[Delta] = []
    completion, error = None, None
    try:
        if not speech.streamed:
            completion = driver.complete(request_for(speech))
        for piece in driver.stream(request_for(speech)) if speech.streamed else ():
            if isinstance(piece, Delta):
                deltas.append(piece)
            else:
                completion = piece
    except PromptureError as exc:
        error = exc
    return Outcome(tuple(deltas), completion and replace(completion, seconds=0.0), error)


async def _async(provider: str, speech: Speech, got: Got) -> Outcome:
    sent: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(str(request.url))
        return httpx2.Response(got.status, headers=dict(got.headers), content=got.body)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        driver = async_driver_for(
            f"{provider}/{speech.model}", client=client, **settings_for(speech)
        )
        return replace(await aask(driver, speech), sent=tuple(sent))


async def aask(driver: Any, speech: Speech) -> Outcome:
    """The call again, over a driver of the async colour."""
    deltas: list[Delta] = []
    completion, error = None, None
    try:
        if speech.streamed:
            async for piece in driver.stream(request_for(speech)):
                if isinstance(piece, Delta):
                    deltas.append(piece)
                else:
                    completion = piece
        else:
            completion = await driver.complete(request_for(speech))
    except PromptureError as exc:
        error = exc
    return Outcome(tuple(deltas), completion and replace(completion, seconds=0.0), error)


def address(url: str) -> tuple[str, str, str | None]:
    """What of a URL must be as it was recorded. Keys and the framing of Google's streams
    (``alt``) are the client's own affair."""
    parts = urlsplit(url)
    version = dict(parse_qsl(parts.query)).get("api-version")
    return f"{parts.scheme}://{parts.netloc}", unquote(parts.path).replace("//", "/"), version
