"""Asking a provider how many tokens a request's input is, where it has an endpoint for that.

Sources, as condensed in the project's wire digests: Anthropic ``/v1/messages/count_tokens``,
Gemini and Vertex ``:countTokens``, OpenAI ``/responses/input_tokens``, Cohere ``/v1/tokenize``
(the words alone, without what its chat template adds).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from prompture.codecs.base import Codec, Endpoint
from prompture.errors import ProtocolError, UnsupportedError
from prompture.types import Request
from prompture.wire.http import HTTPRequest, HTTPResponse, dump

_ANTHROPIC = (
    "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config",
    "output_format",
)  # fmt: skip
_RESPONSES = (
    "model", "input", "instructions", "tools", "tool_choice", "text", "reasoning",
    "parallel_tool_calls", "truncation", "conversation", "previous_response_id",
)  # fmt: skip
_COHERE_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class Counter:
    """``request`` makes the count's request out of that of the call, ``read`` reads the answer.
    ``codec`` names the codec of the row's ``codecs`` that encodes the call, None for the usual.
    """

    request: Callable[[HTTPRequest, Request], HTTPRequest]
    read: Callable[[Mapping[str, Any]], Any]
    codec: str | None = None


def count_request(
    counter: Counter, codec: Codec, request: Request, endpoint: Endpoint
) -> HTTPRequest:
    """Ask how many tokens the input is. Raises UnsupportedError as ``encode`` does."""
    return counter.request(codec.encode(request, endpoint), request)


def read_count(counter: Counter, response: HTTPResponse) -> int:
    """The number. Raises ProtocolError where the answer has none."""
    body = response.json()
    number = counter.read(body) if isinstance(body, Mapping) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise ProtocolError("the answer to a count of tokens has no number")
    return number


def counter_of(provider: str) -> Counter | None:
    """How to count at a provider (the name of its row); None where it has no endpoint."""
    return _COUNTERS.get(provider)


def _anthropic(http: HTTPRequest, request: Request) -> HTTPRequest:
    return replace(_kept(http, _ANTHROPIC), url=_beneath(http.url, "/count_tokens"))


def _responses(http: HTTPRequest, request: Request) -> HTTPRequest:
    return replace(_kept(http, _RESPONSES), url=_beneath(http.url, "/input_tokens"))


def _gemini(http: HTTPRequest, request: Request) -> HTTPRequest:
    url = http.url.replace(":generateContent", ":countTokens")
    path = urlsplit(http.url).path.rpartition(":")[0]
    model = path[path.index("/models/") + 1 :] if "/models/" in path else request.model
    # The plain form counts contents alone; this one counts system text and tools too, and wants the
    # model's resource name.
    body = {"generateContentRequest": {"model": model, **json.loads(http.body)}}
    return replace(http, url=url, body=dump(body))


def _vertex(http: HTTPRequest, request: Request) -> HTTPRequest:
    url = http.url.replace(":generateContent", ":countTokens")
    # Vertex takes these fields and no others.
    kept = _kept(http, ("contents", "systemInstruction", "tools", "generationConfig"))
    return replace(kept, url=url)


def _cohere(http: HTTPRequest, request: Request) -> HTTPRequest:
    texts = [m.text for m in request.messages]
    text = "\n".join([*texts, *([json.dumps(request.schema)] if request.schema else [])])
    if len(text) > _COHERE_CHARACTERS:
        raise UnsupportedError(
            f"Cohere counts at most {_COHERE_CHARACTERS} characters, and these are {len(text)}"
        )
    url = urlsplit(http.url)
    place = url._replace(path=url.path.replace("/v2/chat", "/v1/tokenize"))
    return replace(http, url=urlunsplit(place), body=dump({"model": request.model, "text": text}))


def _kept(http: HTTPRequest, names: tuple[str, ...]) -> HTTPRequest:
    body = json.loads(http.body)
    return replace(http, body=dump({n: body[n] for n in names if n in body}))


def _beneath(url: str, path: str) -> str:
    split = urlsplit(url)
    return urlunsplit(split._replace(path=split.path + path))


_COUNTERS: Mapping[str, Counter] = {
    "claude": Counter(_anthropic, lambda body: body.get("input_tokens")),
    "google": Counter(_gemini, lambda body: body.get("totalTokens")),
    "vertex": Counter(_vertex, lambda body: body.get("totalTokens")),
    "openai": Counter(_responses, lambda body: body.get("input_tokens"), codec="responses"),
    "cohere": Counter(_cohere, lambda body: len(body.get("tokens") or ())),
}
