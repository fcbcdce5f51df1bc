"""The seam: what a provider's dialect must be able to do, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Protocol, cast

from prompture.errors import ConfigurationError, ProviderError
from prompture.types import Completion, Delta, ModelInfo, Request
from prompture.wire.http import HTTPRequest, HTTPResponse
from prompture.wire.secrets import Secrets, is_secret_name, keys_of_url, scrub, words_of


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to reach a provider and as whom.

    ``base_url`` has no slash at its end. ``headers`` go with every request. ``options`` are the
    provider's own settings (``api_version``, ``project``, ``location``, ``region``).
    """

    provider: str
    base_url: str = field(repr=False)
    api_key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    _known: dict[tuple[Any, ...], tuple[str, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def secrets(self) -> tuple[str, ...]:
        """The keys that no error, log or ledger may hold: see ``prompture.wire.secrets``."""
        # Asked several times a call, and slow to work out. The mappings may be the caller's, who
        # may have changed them since: the cache is looked up by what is in them.
        settings = (*self.headers.items(), None, *self.options.items())
        keys = self._known.get(settings)
        if keys is None:
            keys = self._secrets()
            self._known.clear()
            self._known[settings] = keys
        return keys

    def without_keys(self, text: str | None) -> str | None:
        """A text of the server's, a request's id perhaps, without a key that it put there."""
        if text:
            for key in (keys := self.secrets()):
                if key in text:
                    return scrub(text, keys)
        return text

    def _secrets(self) -> Secrets:
        found = [self.api_key, *keys_of_url(self.base_url)]
        # A gateway's key stands under a name of its own; short values are versions and the like.
        for name, value in self.headers.items():
            if is_secret_name(name) or len(value) >= LEAST_SECRET:
                found += words_of(value)
        found += [value for name, value in self.options.items() if is_secret_name(name)]
        return Secrets(dict.fromkeys(filter(None, found)))


LEAST_SECRET = 16
"""Headers of at least so many characters are treated as keys whatever their name is."""


class StreamDecoder(Protocol):
    """Folds a streamed response, bytes as they arrive, into deltas and one completion.

    ``feed`` takes bytes cut anywhere and raises ProviderError for an error inside the stream.
    ``close`` raises ConnectionLost where the stream ended before its terminal event.
    ``partial`` is what has come so far (text, calls, usage), for errors and cancelled streams.
    """

    def feed(self, chunk: bytes) -> list[Delta]: ...

    def close(self) -> Completion: ...

    def partial(self) -> Completion: ...


class Codec(Protocol):
    """One wire dialect: pure functions both ways.

    ``decode`` raises ProviderError for an error inside a good response and ProtocolError where
    the body is none of the dialect's. It leaves ``cost`` None, and sets ``request_id`` where
    the body or its headers have one.

    ``read_usage(body) -> Usage``, where a codec has it, is asked for the usage that the body of an
    error states.
    """

    @property
    def dialect(self) -> str:
        """Name of the wire format, e.g. ``"openai_chat"``; ``Native`` turns are marked with it."""
        ...

    def encode(
        self, request: Request, endpoint: Endpoint, *, stream: bool = False
    ) -> HTTPRequest: ...

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion: ...

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder: ...

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError: ...

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        """Ask for the list of models; ``page`` is what ``read_models`` returned."""
        ...

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        """Models of one page, and what to pass for the next page (None at the end)."""
        ...


def key_headers(endpoint: Endpoint, header: str = "authorization") -> dict[str, str]:
    """The endpoint's headers with its key: a bearer token, or under a ``header`` of the provider's own."""
    key = endpoint.api_key
    if not key:
        return dict(endpoint.headers)
    # The caller's own header wins: a gateway may want another word than Bearer.
    return {header: f"Bearer {key}" if header == "authorization" else key, **endpoint.headers}


@lru_cache(256)
def join_url(base_url: str, path: str, *, root: str = "") -> str:
    """``base_url`` followed by ``path``, as a user would mean it.

    A base that already ends in the path, or in its first segments, is not given them twice
    (``.../v1`` + ``/v1/messages``, or a whole endpoint URL); a query stays at the end. ``root``
    goes between the two where the base is a bare host (``http://localhost:1234``).
    """
    # Azure's api-version stands in a query, which must stay behind the path.
    base, mark, query = base_url.partition("?")
    base = base.rstrip("/")
    host_only = "/" not in base.partition("://")[2]
    wanted = (root + path) if root and host_only else path
    segments = wanted.split("/")
    # The longest overlap first: "/v1/messages" before "/v1".
    for taken in range(len(segments), 1, -1):
        if base.endswith("/".join(segments[:taken])):
            return base + "".join(f"/{s}" for s in segments[taken:]) + mark + query
    return base + wanted + mark + query


class _NoCodec:
    """Stands where a row that is all engine has no wire."""

    dialect = "none"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy and pickle look for
            raise AttributeError(name)
        raise ConfigurationError("this model runs in this process; it has no wire format")


NO_CODEC = cast(Codec, _NoCodec())
"""The codec of rows whose models all run in this process."""


def with_knobs(codec: Codec, changes: Mapping[str, Any], field: str | None) -> Codec:
    """The codec with these of its fields changed; itself where it has not all of them."""
    made: Any = codec
    known = {f.name for f in fields(made)} if is_dataclass(made) else set()
    if not {*changes, *(("quirks",) if field else ())} <= known:
        return codec
    if field:  # together with ``echo``, which may name it
        changes = {**changes, "quirks": replace(made.quirks, reasoning_field=field)}
    turned: Codec = replace(made, **changes)
    return turned
