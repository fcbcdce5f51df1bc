"""Providers of your own out of a file: ``prompture.toml`` (or YAML, or JSON).

    [providers.acme]
    base_url = "https://llm.acme.example/v1"
    key_env = ["ACME_API_KEY"]            # the variables to look for; [] where no key is needed
    like = "openai-compatible"            # the built-in provider whose wire it speaks
    default_model = "acme-large"
    aliases = ["ac"]
    headers = { x-team = "documents" }
    stream_usage = false                  # leaves stream_options out, where a server refuses it
    reasoning_field = "inner_monologue"   # where reasoning stands, if in no usual field
    idempotency_header = "x-call-id"      # one key for all tries of a call, if it documents one
    echo = ["inner_monologue"]            # fields of an answer to send back in the next request

    [providers.acme.capabilities]         # of every model; see Features
    vision = false

    [providers.acme.rate_limits]
    requests_per_minute = 60
    tokens_per_minute = 100_000
    concurrency = 8                       # all that Limits takes

    [providers.acme.retry_quota]          # of all its calls in a process; see RetryQuota
    capacity = 500

    [providers.acme.breaker]              # see Breaker
    refuse = "always"

    [providers.acme.models.acme-large]
    capabilities = { json_schema = true }
    pricing = { input = "0.50", output = "1.50" }    # dollars per million tokens

    [limits.openai]                       # limits of any provider, or of "provider/model"
    requests_per_minute = 500
    shared = "/var/lib/app/limits.db"

    [keys]                                # the variables that hold a provider's several keys
    openai = ["OPENAI_KEY_OF_SALES", "OPENAI_KEY_OF_SUPPORT"]

    [cache]                               # of all drivers that are given none; see Cache
    where = "/var/lib/app/answers.db"
    ttl = "7d"

    [pricing."openai/gpt-5-mini"]         # prices of your own for any model
    input = "0.20"
    output = "1.80"

The file is read when it is named: ``configure(path)``, ``PROMPTURE_CONFIG``, or ``--config`` on
the command line. A file that merely lies in the working directory is not read: it could send
your keys to another host.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prompture.drivers import registry
from prompture.drivers.core import caches_of_files
from prompture.drivers.limits import Limits, limits_of_files
from prompture.drivers.provider import Features, Provider, keys_of_files
from prompture.errors import ConfigurationError, MissingExtra
from prompture.given import unknown, why, wrong
from prompture.types import AnswerCache
from prompture.wire.http import check_url, checked_headers
from prompture.wire.loading import load_json
from prompture.wire.retry import Breaker, RetryQuota

T = TypeVar("T")
_FLAGS = tuple(f.name for f in fields(Features))


@contextmanager
def _in_entry(entry: str) -> Iterator[None]:
    """Errors of the block name the entry of the file that is at fault."""
    try:
        yield
    except ConfigurationError as exc:
        raise ConfigurationError(f"{entry}: {exc}") from exc


class _Table(BaseModel):
    # A key that somebody wrote into the file is in no error; what may hold one is in no repr.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Limits(_Table):
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    concurrency: int | str | None = None
    shared: str | None = Field(default=None, repr=False)
    per: str | None = None
    learn: bool = True
    when_unreachable: str = "refuse"

    def made(self, entry: str) -> Limits | None:
        """The limits that the table sets, None for an empty one."""
        if not self.model_fields_set:
            return None
        with _in_entry(entry):
            return Limits(**self.model_dump())


class _Quota(_Table):
    capacity: float = Field(default=500, ge=0)
    cost: float = Field(default=5, ge=0)
    timeout_cost: float = Field(default=10, ge=0)
    refund: float = Field(default=1, ge=0)


class _Breaker(_Table):
    failures: int = Field(default=5, ge=1)
    share: float = Field(default=0.5, ge=0, le=1)
    of: int = Field(default=20, ge=1)
    probe_seconds: float = Field(default=2.0, gt=0)
    refuse: Literal["cascade", "always", "never"] = "cascade"


class _Model(_Table):
    capabilities: dict[str, bool | str] = {}
    pricing: dict[str, Any] | None = None


class _Provider(_Table):
    base_url: str
    key_env: list[str] = []
    like: str = "openai-compatible"
    title: str = ""
    default_model: str = ""
    aliases: list[str] = []
    headers: dict[str, str] = Field(default={}, repr=False)
    capabilities: dict[str, bool | str] = {}
    rate_limits: _Limits = _Limits()
    retry_quota: _Quota | None = None
    breaker: _Breaker | None = None
    idempotency_header: str = ""
    models: dict[str, _Model] = {}
    stream_usage: bool | None = None
    echo: list[str] | None = None
    reasoning_field: str | None = None
    docs: str = ""


class _File(_Table):
    providers: dict[str, _Provider] = {}
    limits: dict[str, _Limits] = {}
    keys: dict[str, list[str]] = {}
    pricing: dict[str, Any] = {}
    cache: dict[Literal["where", "ttl", "max_mb", "namespace"], Any] = Field(default={}, repr=False)


def configure(path: str | os.PathLike[str]) -> list[str]:
    """Register the providers of a file and take its prices; the providers' names.

    Nothing is registered unless all of it is right. A file that is read again replaces what it
    registered before. Raises ConfigurationError, which names the
    file and the faulty entry, and MissingExtra for YAML without PyYAML.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise wrong("configure: the file", "a path", path)
    where = Path(path)
    # All of it is checked before any of it is registered.
    file = _checked(_read(where), where.name)
    from prompture import catalog

    before = _taken_back(key := where.expanduser().resolve())
    done = _Content()
    try:
        for row in file.rows:
            with _in_entry(f"{where.name}: providers.{row.name}"):
                registry.register(row)
            done.rows.append(row)
        # By now the names of the file's own providers are known.
        done.limits = _named(file.limits, f"{where.name}: limits")
        done.keys = _named(file.keys, f"{where.name}: keys")
        if file.prices:
            catalog.load_prices(file.prices, where=where.name)
    except ConfigurationError:
        for row in done.rows:
            registry.unregister(row.name)
        for row in before.rows:
            registry.register(row)
        _set(before)
        raise
    done.cache = file.cache
    _set(done)
    _of_file[key] = done
    return [row.name for row in done.rows]


@dataclass
class _Content:
    """What a file holds."""

    rows: list[Provider] = field(default_factory=list)
    limits: dict[str, Limits] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    prices: dict[str, Any] = field(default_factory=dict)
    cache: dict[str, AnswerCache] = field(default_factory=dict)


_of_file: dict[Path, _Content] = {}


def _taken_back(file: Path) -> _Content:
    """Unregister what a file registered before, as far as it is still there; what that was."""
    known = _of_file.get(file, _Content())
    found = _Content([row for row in known.rows if registry.is_present(row)])
    for row in found.rows:
        registry.unregister(row.name)
    for name, limits in known.limits.items():
        if limits_of_files.get(name) is limits:
            found.limits[name] = limits_of_files.pop(name)
    for name, keys in known.keys.items():
        if keys_of_files.get(name) is keys:
            found.keys[name] = keys_of_files.pop(name)
    if known.cache and caches_of_files.get("") is known.cache[""]:
        found.cache[""] = caches_of_files.pop("")
    return found


def _set(content: _Content) -> None:
    """All but the rows."""
    limits_of_files.update(content.limits)
    keys_of_files.update(content.keys)
    caches_of_files.update(content.cache)


def _named(table: Mapping[str, T], entry: str) -> dict[str, T]:
    """The table by the providers' own names; those of models stay behind them."""
    found: dict[str, T] = {}
    for name, value in table.items():
        provider, slash, model = name.partition("/")
        with _in_entry(f"{entry}.{name}"):
            found[registry.find(provider).name + slash + model] = value
    return found


def _read(path: Path) -> Any:
    try:
        # Editors of Windows put a mark at its beginning.
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"cannot read {str(path)!r}: {why(exc)}") from exc
    try:
        if path.suffix in (".yaml", ".yml"):
            return _yaml(text)
        if path.suffix == ".json":
            return load_json(text, number=Decimal)
        # Prices are money: no float on the way.
        return tomllib.loads(text, parse_float=Decimal)
    except ValueError as exc:
        raise ConfigurationError(f"{path.name}: {exc}") from exc
    except RecursionError as exc:
        raise ConfigurationError(f"{path.name}: nested too deep to be read") from exc


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError as exc:
        raise MissingExtra(extra="config", package="pyyaml") from exc
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


def _checked(data: Any, where: str) -> _Content:
    try:
        file = _File.model_validate(data)
    except ValidationError as exc:
        raise ConfigurationError(f"{where}: {_first_fault(exc)}") from exc
    rows = [_row(name, made, where) for name, made in file.providers.items()]
    prices = dict(file.pricing)
    for name, made in file.providers.items():
        for model, facts in made.models.items():
            if facts.pricing is not None:
                prices[f"{name}/{model}"] = facts.pricing
    limits = {name: made.made(f"{where}: limits.{name}") for name, made in file.limits.items()}
    keys = {name: tuple(names) for name, names in file.keys.items()}
    cache = {"": _cache(file.cache, where)} if file.cache else {}
    return _Content(
        rows, {name: each for name, each in limits.items() if each}, keys, prices, cache
    )


def _cache(settings: Mapping[Any, Any], where: str) -> AnswerCache:
    from prompture.drivers.caching import Cache

    with _in_entry(f"{where}: cache"):
        return Cache(**settings)


def _first_fault(error: ValidationError) -> str:
    """The first fault, an unknown key before all others: it may be why another is missing."""
    faults = error.errors(include_url=False, include_input=False)
    first = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
    *parents, last = first["loc"] or ("the file",)
    if first["type"] != "extra_forbidden":
        return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
    inside = f"{'.'.join(map(str, parents))}: " if parents else ""
    return inside + unknown("key", last, _keys_at(parents))


def _keys_at(path: list[int | str]) -> list[str]:
    """The keys of the table at this place."""
    table: type[BaseModel] = _File
    for model in path:
        field = table.model_fields.get(str(model))
        inner = getattr(field and field.annotation, "__args__", None) or (
            field and field.annotation,
        )
        table = next((t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)), table)
    return list(table.model_fields)


def _row(name: str, made: _Provider, where: str) -> Provider:
    like = registry.find(made.like)
    if like.engine is not None and like.in_process is None:
        raise ConfigurationError(f"{where}: providers.{name}.like: {made.like} has no wire format")
    entry = f"{where}: providers.{name}"
    features = _features(like.features, made.capabilities, f"{entry}.capabilities")
    per_model = {
        model: _features(features, facts.capabilities, f"{entry}.models.{model}.capabilities")
        for model, facts in made.models.items()
    }
    # Here and not at the first call, so that the message can name the file and the entry.
    check_url(made.base_url, f"{entry}.base_url")
    checked_headers(made.headers, f"{entry}.headers")
    if header := made.idempotency_header:
        checked_headers({header: ""}, f"{entry}.idempotency_header")
    with _in_entry(entry):
        wired = like.wired(
            stream_usage=made.stream_usage, echo=made.echo, reasoning_field=made.reasoning_field
        )
        return _changed(wired, name, made, features=features, per_model=per_model, where=where)


def _changed(
    like: Provider,
    name: str,
    made: _Provider,
    *,
    features: Features,
    per_model: Mapping[str, Features],
    where: str,
) -> Provider:
    return replace(
        like,
        name=name,
        title=made.title or name,
        aliases=tuple(made.aliases),
        base_url=made.base_url,
        key_env=tuple(made.key_env),
        shared_env=(),
        key_required=bool(made.key_env),
        url_env=(),
        default_model=made.default_model or next(iter(made.models), ""),
        headers={**like.headers, **made.headers},
        # Its prices are its own: those of the provider that it is like are on another's bill.
        catalog=name,
        features=features,
        narrow=_narrowing(per_model),
        docs=made.docs or where,
        # A server with a URL of its own is no longer this machine.
        local=False,
        engine=None,
        in_process=None,
        retry_quota=RetryQuota(**made.retry_quota.model_dump()) if made.retry_quota else None,
        breaker=Breaker(**made.breaker.model_dump()) if made.breaker else None,
        idempotency_header=made.idempotency_header,
        limits=made.rate_limits.made(f"{where}: providers.{name}.rate_limits"),
    )


def _features(base: Features, flags: Mapping[str, bool | str], where: str) -> Features:
    for flag, value in flags.items():
        if flag not in _FLAGS:
            raise ConfigurationError(f"{where}: {unknown('flag', flag, _FLAGS)}")
        if isinstance(value, str) is not (flag == "schema_dialect"):
            raise ConfigurationError(f"{where}.{flag}: must be true or false")
    changes: dict[str, Any] = dict(flags)
    return replace(base, **changes)


def _narrowing(per_model: Mapping[str, Features]) -> Callable[[str, Features], Features] | None:
    if not per_model:
        return None
    return lambda model, features: per_model.get(model, features)
