"""A provider as data: the row from which both of its drivers are made, and its keys out of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from prompture import given as given_by
from prompture.codecs.base import Codec, Endpoint, with_knobs
from prompture.errors import ConfigurationError, MissingKey
from prompture.types import Completion, Request, Usage
from prompture.wire.http import bad_header, check_url, checked_headers, filled, is_url, printable
from prompture.wire.retry import Breaker, RetryQuota

if TYPE_CHECKING:
    from prompture.drivers.limits import Limits

COMMON = (
    "api_key", "base_url", "api", "timeout", "retry", "limits", "headers", "hooks", "features",
    "cache",
    "stream_usage", "echo", "reasoning_field", "retry_quota", "breaker", "hedge",
)  # fmt: skip
"""Settings of every driver; ``session`` (sync) and ``client`` (async) come on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a provider's API can do, before a model narrows it.

    The first six become ``supports_*`` flags of the drivers. ``files`` says that PDFs can be
    sent, ``forced_tool`` that one tool can be demanded by name, ``schema_with_tools`` that a
    schema and tools may be combined, ``schema_dialect`` which rules a strict schema obeys
    (a name of ``prompture.schema``'s dialects), ``reasks`` that asking again may help,
    ``one_call`` that the API can be asked to call one tool at a time.
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
    one_call: bool = False

    def __post_init__(self) -> None:
        for name in _FLAGS:
            if type(value := getattr(self, name)) is not bool:
                raise given_by.wrong(f"Features.{name}", "True or False", value)
        if type(self.schema_dialect) is not str:
            raise given_by.wrong("Features.schema_dialect", "a text", self.schema_dialect)


_FLAGS = tuple(f.name for f in fields(Features) if f.name != "schema_dialect")


class Engine(Protocol):
    """An in-process model: one method, and ``close`` where it holds something."""

    def answer(self, request: Request) -> Completion: ...


# Compared by identity: rows are keys of caches, and hold dicts, which have no hash.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Provider:
    """One row.

    ``key_env`` and ``url_env`` name variables, read when a driver is built; the first that is
    set wins. ``shared_env`` are those of ``key_env`` whose credentials serve other ends as well
    (a hub, a cloud): they serve a model that is named, and choose none. ``bare_hosts`` says that
    a base URL may lack its scheme, as the provider's own programs take it.
    ``catalog`` is the provider's key in models.dev ("" where it has none).
    ``narrow`` adjusts the features for a model. ``route`` names the
    codec in ``codecs`` that a request needs instead of ``codec`` (None for the usual one), and
    ``endings`` which ends of a base URL ask for one (beyond the usual ``/responses`` and such).
    ``options`` are settings with their defaults, read from ``option_env``; a None is required.
    ``base_url`` may hold them as ``{name}``.
    ``key_check`` is where a key is tried, for providers that list their models to anybody: a
    path behind the base URL, or a whole URL, which is asked only where the base URL is the row's.
    ``max_tokens_required`` says that the API demands a limit. ``json_word`` says that the API
    refuses JSON mode where no message holds the word JSON. ``local`` rows cost nothing.
    ``billed`` turns the usage that was counted into that which is charged for, where they differ.
    ``engine`` makes the in-process model that answers instead of HTTP; ``in_process`` says for
    which models (all, where it is None). ``limits`` are those of its drivers, where they are given
    none. ``retry_quota`` and ``breaker`` take the place of each endpoint's own.
    ``idempotency_header`` is the header by which a server knows the tries of one call, where it
    documents one: all of them have one key in it.
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
    shared_env: tuple[str, ...] = ()
    bare_hosts: bool = False
    key_required: bool = True
    catalog: str = ""
    features: Features = Features()
    narrow: Callable[[str, Features], Features] | None = None
    codecs: Mapping[str, Codec] = field(default_factory=dict)
    endings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    route: Callable[[Request], str | None] | None = None
    # In no repr: a header may be a key.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str | None] = field(default_factory=dict)
    option_env: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key_check: str = ""
    max_tokens_required: bool = False
    json_word: bool = False
    local: bool = False
    billed: Callable[[Usage], Usage] | None = None
    engine: Callable[..., Engine] | None = None
    in_process: Callable[[str], bool] | None = None
    retry_quota: RetryQuota | None = None
    breaker: Breaker | None = None
    idempotency_header: str = ""
    limits: Limits | None = None

    def __post_init__(self) -> None:
        """Raises ConfigurationError where a field is of the wrong kind (of a plugin, for one)."""
        for kind, names in _KINDS.items():
            for name in names:
                if not _is(getattr(self, name), kind):
                    raise given_by.wrong(f"Provider.{name}", kind, getattr(self, name))
        if not self.name.strip() or set(self.name) & set("/:"):
            raise ConfigurationError(
                f"Provider.name must be a name without '/' and ':', not {self.name!r}"
            )
        if not hasattr(self.codec, "dialect"):
            raise given_by.wrong("Provider.codec", "a codec", self.codec)

    def endpoint(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Endpoint:
        """Arguments, then environment, then the row; what is given and empty is not looked up
        elsewhere. Raises MissingKey and ConfigurationError."""
        key, settings = self.checked_key(api_key), self._settings(options or {})
        url = self._url(base_url, settings)
        own = checked_headers(headers, f"{self.name}: headers")
        # In one case: what the caller sets takes the place of ours, however it is written.
        merged = {n.lower(): value for n, value in (*self.headers.items(), *own.items())}
        return Endpoint(self.name, url, key, merged, settings)

    def endpoints(
        self,
        api_key: str | Sequence[str] | None,
        base_url: str | None,
        *,
        headers: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> tuple[Endpoint, ...]:
        """One for each key: those given, else those of the environment."""
        keys = keys_given(self.name, self.key_env, api_key)
        first = self.endpoint(keys[0], base_url, headers=headers, options=options)
        rest = [replace(first, api_key=self.checked_key(key)) for key in keys[1:]]
        # One that is given twice would be tried twice.
        return tuple({each.api_key: each for each in (first, *rest)}.values())

    def checked_key(self, given: str | None) -> str:
        """The key as it is sent. Raises MissingKey and ConfigurationError, which do not quote it."""
        if given is not None and not isinstance(given, str):
            raise ConfigurationError(
                f"{self.name}: api_key must be a text, not {type(given).__name__}"
            )
        # An empty key of one customer must not be replaced by the house's own. Keys are pasted,
        # and read from files that end in a line break.
        key = ((first_set(self.key_env) or "") if given is None else given).strip()
        if not key and self.key_required:
            where = " or ".join(self.key_env) or "nothing (this provider reads no variable)"
            if given is None:
                raise MissingKey(f"{self.name}: no API key; set {where}, or pass api_key=...")
            raise MissingKey(
                f"{self.name}: api_key is empty; leave it out (None) to use the key in {where}"
            )
        if bad_header({"key": key}):
            raise ConfigurationError(
                f"{self.name}: the API key holds a character that no header can carry"
            )
        return key

    def _settings(self, given: Mapping[str, Any]) -> dict[str, str]:
        if unknown := sorted(str(n) for n in given.keys() - self.options.keys()):
            raise ConfigurationError(self.unknown_setting(unknown[0], self.options))
        settings = {}
        for name, default in self.options.items():
            value = given.get(name)
            # ``num_ctx=8192`` is what one writes; True is a mistake.
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if value is not None and not isinstance(value, str):
                # Some of these are secrets: the value is not shown.
                raise ConfigurationError(
                    f"{self.name}: {name} must be a text, not {type(value).__name__}"
                )
            if value is None:
                value = first_set(self.option_env.get(name, ())) or default
            if value is None or (default is None and not value):
                where = " or ".join(self.option_env.get(name, ()))
                raise ConfigurationError(f"{self.name}: pass {name}=... or set {where}")
            settings[name] = printable(value, f"{self.name}: {name}")
        return settings

    def unknown_setting(self, name: str, own: Iterable[str]) -> str:
        """The words for a setting that neither this provider nor any driver knows."""
        if name in ("session", "client", "transport"):
            return (
                f"{self.name}: {name} means nothing here; session=... is for a Driver "
                f"(driver_for) and client=... for an AsyncDriver (async_driver_for)"
            )
        return f"{self.name}: {given_by.unknown('setting', name, [*own, *COMMON])}"

    def _url(self, given: str | None, settings: Mapping[str, str]) -> str:
        label, url = f"{self.name}: base_url", given
        if given is None and "{endpoint}" in self.base_url:
            label = f"{self.name}: endpoint"
        if given is None:
            url = self.base_url
            for variable in self.url_env:
                if found := first_set((variable,)):
                    label, url = f"{self.name}: {variable}", found
                    break
        elif not isinstance(given, str):
            raise given_by.wrong(label, "a text", given)
        elif not given.strip():
            raise ConfigurationError(f"{label} is empty; leave it out (None) for the usual one")
        url = filled((url or "").strip(), settings, label)
        if "{base_url}" in url or (not url and self.codec.dialect != "none"):
            names = (*self.url_env, *self.option_env.get("endpoint", ()))
            raise ConfigurationError(f"{self.name}: pass base_url=... or set {' or '.join(names)}")
        if url and not (self.bare_hosts and "://" not in url and is_url(f"http://{url}")):
            check_url(url, label)
        return url.rstrip("/")

    def key_is_set(self) -> bool:
        """Whether one of the key variables is set."""
        return bool(first_set((*self.key_env, *map(plural, self.key_env))))

    def chosen_by(self) -> str | None:
        """The variable whose key lets this provider be chosen where no model is named."""
        if not self.key_required or not self.default_model:
            return None
        mine = (name for name in self.key_env if name not in self.shared_env)
        return next((n for name in mine for n in (name, plural(name)) if first_set((n,))), None)

    def features_of(self, model: str) -> Features:
        """The row's features, narrowed by its own rule for the model."""
        return self.narrow(model, self.features) if self.narrow else self.features

    def codec_of(self, request: Request) -> Codec:
        """The codec that this request needs."""
        name = self.route(request) if self.route else None
        return self.codecs[name] if name else self.codec

    def wired(
        self,
        *,
        stream_usage: bool | None = None,
        echo: str | Iterable[str] | None = None,
        reasoning_field: str | None = None,
    ) -> Provider:
        """The same row with knobs of its Chat Completions codec turned; see BaseDriver."""
        changes: dict[str, Any] = {}
        if (value := given_by.flag(stream_usage, f"{self.name}: stream_usage")) is not None:
            changes["stream_usage"] = value
        if echo is not None:
            changes["echo"] = given_by.strings(tuple(_listed(echo)), f"{self.name}: echo")
        field = given_by.words(reasoning_field, f"{self.name}: reasoning_field")
        if not changes and field is None:
            return self
        try:
            codecs = {
                name: with_knobs(codec, changes, field) for name, codec in self.codecs.items()
            }
            codec = with_knobs(self.codec, changes, field)
        except ConfigurationError as exc:
            raise ConfigurationError(f"{self.name}: {exc}") from exc
        if codec is self.codec:
            knob = next(iter(changes), "reasoning_field")
            raise ConfigurationError(f"{self.name}: {knob} means nothing to this wire format")
        return replace(self, codec=codec, codecs=codecs)

    def for_endpoint(self, base_url: str, api: str | None = None) -> Provider:
        """The row as this endpoint wants it: by ``api``, else by what its URL ends in."""
        if api:
            return self.using(api)
        # Azure's URLs end in a query (api-version).
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


_KINDS: Mapping[str, tuple[str, ...]] = {
    "a text": ("name", "base_url", "default_model", "docs", "title", "catalog", "key_check", "idempotency_header"),
    "a tuple of texts": ("aliases", "key_env", "url_env", "shared_env"),
    "a mapping": ("codecs", "endings", "headers", "options", "option_env"),
    "True or False": ("bare_hosts", "key_required", "max_tokens_required", "json_word", "local"),
    "Features": ("features",),
    "a function": ("narrow", "route", "billed", "engine", "in_process"),
}  # fmt: skip


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "a text":
            return isinstance(value, str)
        case "a tuple of texts":
            return isinstance(value, tuple) and all(isinstance(v, str) for v in value)
        case "a mapping":
            return isinstance(value, Mapping)
        case "True or False":
            return isinstance(value, bool)
        case "Features":
            return isinstance(value, Features)
    return value is None or callable(value)


def _listed(value: object) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


# Out of the environment.

keys_of_files: dict[str, tuple[str, ...]] = {}
"""By provider, the variables of which each holds one of its keys; out of a configuration file."""


def keys_given(
    name: str, key_env: tuple[str, ...], given: str | Sequence[str] | None
) -> Sequence[str | None]:
    """The keys of a provider: those given, else a file's, else those of the first variable that is
    set; (None,) where that is one key, which is looked up later. Raises MissingKey."""
    if isinstance(given, (list, tuple)):
        if not given:
            raise MissingKey(f"{name}: api_key is an empty list")
        return given
    if given is not None:
        return (cast(str, given),)
    if variables := keys_of_files.get(name):
        found = [value for variable in variables if (value := first_set((variable,)))]
        if not found:
            raise MissingKey(f"{name}: no API key; set {' or '.join(variables)}")
        return found
    for variable in key_env:
        if several := first_set((plural(variable),)):
            return [key for key in re.split(r"[,\s]+", several) if key] or (None,)
        if first_set((variable,)):
            break
    return (None,)


def plural(variable: str) -> str:
    """The variable that holds several keys, separated by commas or blanks."""
    return f"{variable}S"


def first_set(names: tuple[str, ...]) -> str | None:
    """The value of the first of these environment variables that is set and not blank."""
    # A blank one counts as unset: shells and .env files leave them so. Quotes are those of a .env
    # file: ``docker run --env-file`` and the like keep them, and no key has any.
    found = (re.sub(r"""^(["'])(.*)\1$""", r"\2", os.environ.get(n, "").strip()) for n in names)
    return next((value for value in found if value and not value.isspace()), None)
