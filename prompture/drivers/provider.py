"""A provider as data: the row from which both of its drivers are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

from prompture.codecs.base import Codec, Endpoint
from prompture.errors import ConfigurationError, MissingKey
from prompture.types import Completion, Request, Usage
from prompture.wire.http import bad_header, shown
from prompture.wire.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a provider's API can do, before a model narrows it.

    The first six become ``supports_*`` flags of the drivers. ``files`` says that PDFs can be
    sent, ``forced_tool`` that one tool can be demanded by name, ``schema_with_tools`` that a
    schema and tools may be combined, ``schema_dialect`` which rules a strict schema obeys
    (a name of ``prompture.schema``'s dialects), ``reasks`` that asking again may help.
    """

    json_mode: bool = True
    json_schema: bool = True
    tool_use: bool = True
    streaming: bool = True
    vision: bool = False
    messages: bool = True
    files: bool = False
    forced_tool: bool = True
    schema_with_tools: bool = True
    schema_dialect: str = "openai"
    reasks: bool = True


class Engine(Protocol):
    """An in-process model: one method, and ``close`` where it holds something."""

    def answer(self, request: Request) -> Completion: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Provider:
    """One row.

    ``key_env`` and ``url_env`` name variables, read when a driver is built; the first that is
    set wins. ``catalog`` is the provider's key in models.dev ("" where it has none).
    ``narrow`` adjusts the features for a model. ``route`` names the
    codec in ``codecs`` that a request needs instead of ``codec`` (None for the usual one), and
    ``endings`` which ends of a base URL ask for one (beyond the usual ``/responses`` and such).
    ``options`` are settings with their defaults, read from ``option_env``; a None is required.
    ``base_url`` may hold them as ``{name}``.
    ``key_check`` is where a key is tried, for providers that list their models to anybody: a
    path behind the base URL, or a whole URL, which is asked only where the base URL is the row's.
    ``max_tokens_required`` says that the API demands a limit. ``local`` rows cost nothing.
    ``billed`` turns the usage that was counted into that which is charged for, where they differ.
    ``engine`` makes the in-process model that answers instead of HTTP; ``in_process`` says for
    which models (all, where it is None). ``throttle`` holds requests back on this side.
    """

    name: str
    codec: Codec
    base_url: str
    default_model: str
    docs: str
    title: str = ""
    aliases: tuple[str, ...] = ()
    key_env: tuple[str, ...] = ()
    url_env: tuple[str, ...] = ()
    key_required: bool = True
    catalog: str = ""
    features: Features = Features()
    narrow: Callable[[str, Features], Features] | None = None
    codecs: Mapping[str, Codec] = field(default_factory=dict)
    endings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    route: Callable[[Request], str | None] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str | None] = field(default_factory=dict)
    option_env: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key_check: str = ""
    max_tokens_required: bool = False
    local: bool = False
    billed: Callable[[Usage], Usage] | None = None
    engine: Callable[..., Engine] | None = None
    in_process: Callable[[str], bool] | None = None
    throttle: Throttle | None = None

    def endpoint(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Endpoint:
        """Arguments, then environment, then the row. Raises MissingKey."""
        # Keys are pasted, and read from files that end in a line break.
        key = (api_key or first_set(self.key_env) or "").strip()
        if not key and self.key_required:
            raise MissingKey(self._missing_key())
        if bad_header({"key": key}):
            raise ConfigurationError(
                f"{self.name}: the API key holds a character that no header can carry"
            )
        settings = self._settings(options or {})
        url = base_url or first_set(self.url_env) or self.base_url
        if "{base_url}" in url:
            raise ConfigurationError(f"{self.name}: pass base_url=... or set {self.url_env[0]}")
        if "{" in url:
            url = url.format(**settings)
        if "://" in url and not _is_url(url):
            raise ConfigurationError(
                f"{self.name}: the base URL must be http(s)://host..., not {shown(url)!r}"
            )
        return Endpoint(
            self.name, url.rstrip("/"), key, {**self.headers, **(headers or {})}, settings
        )

    def _missing_key(self) -> str:
        where = " or ".join(self.key_env) or "nothing (this provider reads no variable)"
        return f"{self.name}: no API key; pass api_key=... or set {where}"

    def _settings(self, given: Mapping[str, str]) -> dict[str, str]:
        if unknown := given.keys() - self.options.keys():
            known = ", ".join(sorted(self.options)) or "none"
            raise ConfigurationError(
                f"{self.name}: unknown setting {sorted(unknown)[0]!r}; it knows {known}"
            )
        settings = {}
        for name, default in self.options.items():
            value = given.get(name) or first_set(self.option_env.get(name, ())) or default
            if value is None:
                where = " or ".join(self.option_env.get(name, ()))
                raise ConfigurationError(f"{self.name}: pass {name}=... or set {where}")
            settings[name] = value
        return settings

    def key_is_set(self) -> bool:
        """Whether one of the key variables is set."""
        return bool(first_set(self.key_env))

    def features_of(self, model: str) -> Features:
        """The row's features, narrowed by its own rule for the model."""
        return self.narrow(model, self.features) if self.narrow else self.features

    def codec_of(self, request: Request) -> Codec:
        """The codec that this request needs."""
        name = self.route(request) if self.route else None
        return self.codecs[name] if name else self.codec

    def for_endpoint(self, base_url: str, api: str | None = None) -> Provider:
        """The row as this endpoint wants it: by ``api``, else by what its URL ends in."""
        if api:
            return self.using(api)
        path = base_url.partition("?")[0].rstrip("/")
        for name in self.codecs:
            if path.endswith((*_ENDINGS.get(name, ()), *self.endings.get(name, ()))):
                return self.using(name)
        return self.using("chat") if self.codecs and path.endswith("/chat/completions") else self

    def using(self, api: str) -> Provider:
        """The same row with another of its codecs for everything (``"responses"``)."""
        if api in ("", "chat", "default"):
            return replace(self, route=None)
        if api not in self.codecs:
            known = ", ".join(["chat", *self.codecs])
            raise ConfigurationError(f"{self.name}: no API {api!r}; it has {known}")
        return replace(self, codec=self.codecs[api], route=None)


_ENDINGS = {
    "responses": ("/responses",),
    "messages": ("/messages", "/anthropic", "/anthropic/v1"),
    "openai": ("/chat/completions", "/openai"),
}
"""Ends of base URLs that ask for another of a row's codecs, by its name."""


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def first_set(names: tuple[str, ...]) -> str | None:
    """The value of the first of these environment variables that is set and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)
