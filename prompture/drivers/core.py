"""What both colours of a driver share: the row, the flags, and everything that does no I/O."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias, TypeVar, cast

from prompture import given
from prompture.codecs.base import Endpoint
from prompture.compat import cached_property
from prompture.drivers import hooks as hooking
from prompture.drivers.limits import Limits, configured_limits
from prompture.drivers.provider import Features, Provider
from prompture.errors import ConfigurationError, UnsupportedError
from prompture.money import Cost
from prompture.types import AnswerCache, Request, Usage
from prompture.wire.retry import Breaker, Retry, RetryQuota

if TYPE_CHECKING:
    from prompture.catalog.models import Entry
    from prompture.drivers.hooks import Hooks
    from prompture.drivers.keys import Keyring
    from prompture.drivers.routes import Route

T = TypeVar("T")
DEFAULT_TIMEOUT = 600.0
caches_of_files: dict[str, AnswerCache] = {}
"""Out of a configuration file, under ``""``: the cache of drivers that are given none."""
ClassReference: TypeAlias = "tuple[Callable[..., Any], tuple[Any, ...]]"


@dataclass(frozen=True, slots=True)
class _Given:
    """What a driver was made with; its repr shows no key."""

    api_key: str | tuple[str, ...] | None = field(repr=False)
    base_url: str | None = field(repr=False)
    headers: Mapping[str, str] | None = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)

    def endpoints(self, row: Provider) -> tuple[Endpoint, ...]:
        return row.endpoints(
            self.api_key, self.base_url, headers=self.headers, options=self.settings
        )


def _a(kind: type[T], value: T | None, name: str) -> T | None:
    if value is not None and not isinstance(value, kind):
        raise given.wrong(name, f"a prompture.{kind.__name__}(...)", value)
    return value


def _cache(value: Any, provider: str) -> AnswerCache | Literal[False] | None:
    if value is None or value is False or hasattr(value, "lookup"):
        return cast("AnswerCache | Literal[False] | None", value)
    raise given.wrong(f"{provider}: cache", "a prompture.Cache(...) or False", value)


_REMADE = frozenset(
    {
        "provider",
        "features",
        "plans",
        "engine",
        "_hooks",
        "_lock",
        "_loaded",
        "_closed",
        "_closed_in",
        "route",
        "keyring",
        "own_quota",
        "own_breaker",
        "limits",
    }
)
"""What a driver has besides its settings."""


class Flag:
    """A ``supports_*`` flag: the row's on a class, narrowed to the model on an instance."""

    def __init__(self, feature: str) -> None:
        self._feature = feature

    def __get__(self, driver: BaseDriver | None, cls: type[BaseDriver]) -> bool:
        features = cls.provider.features if driver is None else driver.features
        value: bool = getattr(features, self._feature)
        return value


class BaseDriver:
    """A provider's row with a model and an endpoint; subclasses add the sending.

    Arguments:
        api_key: a key, or a list of them: a call takes the first that is neither at its limit nor
            refused.
        api: another of the row's wire formats (``"responses"``).
        timeout: seconds to connect, and between bytes.
        limits: what the endpoint is sent at most (``Limits``), by all drivers together that call it
            with this key.
        features: what the model can do, in the place of what the row and the catalog state.
        cache: keeps answers and gives them again (``prompture.Cache``); False: none, not that of a
            configuration file either.
        stream_usage: False leaves ``stream_options`` out of streams, for servers of Chat
            Completions that refuse it; their tokens are then unknown.
        echo: fields of such an answer that are sent back in the next request
            (``"reasoning_content"``; ``()`` for none).
        reasoning_field: where its reasoning stands, if in no usual field.
        retry_quota: in the place of the endpoint's own, which all drivers of an endpoint and key
            share; ``breaker`` likewise.
        hedge: 0.95 sends a second request where the first is slower than that share of recent ones
            (not for streams).

    Other keywords are the provider's own settings (``api_version``, ...). Raises MissingKey, and
    ConfigurationError for a setting that the row does not know.
    """

    provider: Provider
    found_by: ClassVar[ClassReference | None] = None
    """Of a class that was made for a row: a function and its arguments that find it again."""
    runs_here: ClassVar[bool] = False
    """Whether the model answers inside this process, and nothing is sent."""
    if TYPE_CHECKING:  # a driver's class adds CostMixin, which has these

        def entry(self, model: str | None = None) -> Entry | None: ...

        def price(
            self, usage: Usage, *, answered: str = "", asked: str = "", at: float | None = None
        ) -> Cost: ...

    supports_json_mode: ClassVar[Flag] = Flag("json_mode")
    supports_json_schema: ClassVar[Flag] = Flag("json_schema")
    supports_tool_use: ClassVar[Flag] = Flag("tool_use")
    supports_streaming: ClassVar[Flag] = Flag("streaming")
    supports_vision: ClassVar[Flag] = Flag("vision")
    supports_messages: ClassVar[Flag] = Flag("messages")

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | Sequence[str] | None = None,
        base_url: str | None = None,
        api: str | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        limits: Limits | None = None,
        headers: Mapping[str, str] | None = None,
        hooks: Hooks | Sequence[Hooks] = (),
        features: Features | None = None,
        cache: AnswerCache | Literal[False] | None = None,
        stream_usage: bool | None = None,
        echo: str | Sequence[str] | None = None,
        reasoning_field: str | None = None,
        retry_quota: RetryQuota | None = None,
        breaker: Breaker | None = None,
        hedge: float | None = None,
        **settings: Any,
    ) -> None:
        row = type(self).provider
        # A copy: the caller may go on with its list.
        keys = tuple(api_key) if isinstance(api_key, list) else api_key
        self._given = _Given(cast(Any, keys), base_url, headers, settings)
        self._endpoints = self._given.endpoints(row)
        self.endpoint: Endpoint = self._endpoints[0]
        self._api = given.words(api, f"{row.name}: api", empty=True)
        self._wire: dict[str, Any] = {
            "stream_usage": stream_usage, "echo": echo, "reasoning_field": reasoning_field
        }  # fmt: skip
        self.model = given.words(model, f"{row.name}: model", empty=True) or row.default_model
        self.timeout = given.seconds(timeout, f"{row.name}: timeout") or DEFAULT_TIMEOUT
        self.retry = _a(Retry, retry, f"{row.name}: retry") or Retry()
        self.retry_quota = _a(RetryQuota, retry_quota, f"{row.name}: retry_quota")
        self.hedge = given.hedge(hedge, f"{row.name}: hedge")
        self.breaker = _a(Breaker, breaker, f"{row.name}: breaker")
        self._own_limits = _a(Limits, limits, f"{row.name}: limits")
        self._own_hooks = hooking.given_hooks(hooks, f"{row.name}: hooks")
        self._features = _a(Features, features, f"{row.name}: features")
        self._own_cache = _cache(cache, row.name)
        own = self._own_cache
        self.cache = caches_of_files.get("") if own is None else own or None
        self._remake()

    def _remake(self) -> None:
        """Make what follows from the settings, which is not copied and not pickled."""
        row = type(self).provider.for_endpoint(self.endpoint.base_url, self._api)
        self.provider = row.wired(**self._wire)
        # Plugins' first: they may be there to keep something from being sent.
        self._hooks: tuple[Hooks, ...] = (*hooking.plugin_hooks(), *self._own_hooks)
        self.plans: dict[Hashable, Any] = {}
        self.own_quota = self.retry_quota or self.provider.retry_quota
        self.own_breaker = self.breaker or self.provider.breaker
        self.limits: Limits | None = (
            self._own_limits or configured_limits(row.name, self.model) or row.limits
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _REMADE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._remake()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduced(self)

    def __copy__(self) -> Self:
        return cast(Self, _copied(self, {}))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return cast(Self, _copied(self, memo))

    def cache_for(self, request: Request) -> AnswerCache | None:
        """The cache of answers that a request asks first: its own, else the driver's."""
        own = getattr(request, "cache", None)
        if own is None:
            return self.cache
        # True and "5m" are the old spelling of ``prompt_cache``.
        return cast(AnswerCache, own) if hasattr(own, "lookup") else None

    def is_current(self) -> bool:
        """Whether the environment is still what it was when this driver was made."""
        limits = self._own_limits or configured_limits(self.provider.name, self.model)
        if self._own_cache is None and self.cache is not caches_of_files.get(""):
            return False
        return (limits or self.provider.limits) == self.limits and self._given.endpoints(
            type(self).provider
        ) == self._endpoints

    def __repr__(self) -> str:
        # One that could not be made is shown in tracebacks, too.
        return f"{type(self).__name__}({getattr(self, 'model', None)!r})"

    @property
    def name(self) -> str:
        """``"provider/model"``."""
        return f"{self.provider.name}/{self.model}"

    @cached_property
    def route(self) -> Route:
        """What this process knows of the endpoint: shared with the drivers that call it, too."""
        return self._route_of(self.endpoint)

    @cached_property
    def keyring(self) -> Keyring | None:
        """The keys, where there are several."""
        if len(self._endpoints) == 1:
            return None
        from prompture.drivers.keys import Key, Keyring

        keys = [Key(n, each, self._route_of(each)) for n, each in enumerate(self._endpoints, 1)]
        return Keyring(self.provider.name, keys)

    def _route_of(self, endpoint: Endpoint) -> Route:
        from prompture.drivers.routes import route_of

        route = route_of(self.provider.name, endpoint)
        if self.limits is not None:
            route.gate(self.model, self.limits, adopt=True)
        return route

    @cached_property
    def features(self) -> Features:
        """What can be asked of this model: the row, its own rule, then the catalog, which
        takes away what it says the model lacks; what it does not mention stays."""
        return self._features or self.features_of(self.model)

    def features_of(self, model: str) -> Features:
        found = self.provider.features_of(model)
        # The catalog only takes away: its lists lag behind what providers add.
        entry = self.entry(model)
        if entry is None:
            return found
        known = entry.features
        return replace(
            found,
            tool_use=found.tool_use and known.tools is not False,
            json_schema=found.json_schema and known.json_schema is not False,
            vision=found.vision and known.vision is not False,
        )

    def near(self, model: str) -> list[str]:
        """Listed models of this provider whose names look like this one, as they are typed."""
        listed = self.provider.catalog
        if not listed or self.entry(model) is not None:
            return []
        from prompture import catalog

        found = (name.partition("/") for name in catalog.near(f"{listed}/{model}"))
        return [f"{self.provider.name}/{id}" for key, _, id in found if key == listed]

    def require(self, feature: str) -> None:
        """Raise UnsupportedError where the model lacks a feature."""
        if not getattr(self.features, feature):
            raise UnsupportedError(
                f"{self.name} does not support {feature.replace('_', ' ')}; "
                f"if you know better, pass features=... to the driver"
            )


# Copies and pickles: a driver goes by its settings, never by its connections. The settings hold
# the key: a pickle of a driver is a secret.

_SHARED = (
    "_own_hooks",
    "retry",
    "retry_quota",
    "breaker",
    "endpoint",
    "_endpoints",
    "_given",
    "_features",
    "cache",
    "_own_cache",
)
_GIVEN_AS = {"_transport": "session or client", "_own_hooks": "hooks", "retry": "retry"}


def _reduced(driver: BaseDriver) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """What pickle makes the driver anew from. Raises ConfigurationError, which names what the
    caller gave it that cannot be pickled."""
    state = driver.__getstate__()
    # One by one, so that the error can name the one that cannot be.
    for name, value in state.items():
        try:
            pickle.dumps(value)
        except Exception as exc:  # foreign objects raise what they like
            raise ConfigurationError(
                f"{driver.name}: the driver cannot be pickled, for its "
                f"{_GIVEN_AS.get(name, name.strip('_'))} cannot ({type(exc).__name__}); make the "
                f"driver in the process that uses it"
            ) from exc
    return _blank, _class_reference(type(driver)), state


def _copied(driver: BaseDriver, memo: dict[int, Any]) -> BaseDriver:
    """The same driver with connections of its own; hooks, and a session or client that the
    caller gave, are shared."""
    made = object.__new__(type(driver))
    # Before its parts, which may refer back to it.
    memo[id(driver)] = made
    state = driver.__getstate__()
    # Frozen, or the caller's own: both drivers keep the very same.
    for shared in _SHARED:
        if shared in state:
            memo[id(state[shared])] = state[shared]
    transport = state.pop("_transport", None)
    made.__setstate__(
        {**deepcopy(state, memo), **({"_transport": copy(transport)} if transport else {})}
    )
    return made


def _class_reference(kind: type[BaseDriver]) -> ClassReference:
    """How another process finds a driver's class: by its module, or by its provider's row."""
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is kind:
        return _class_named, (kind.__module__, kind.__qualname__)
    if "found_by" in vars(kind) and kind.found_by is not None:
        return kind.found_by
    raise ConfigurationError(
        f"{kind.provider.name}: a driver of class {kind.__qualname__} cannot be pickled: no module has the "
        f"class by that name"
    )


def _class_named(module: str, qualname: str) -> Any:
    __import__(module)
    kind: Any = sys.modules[module]
    for part in qualname.split("."):
        kind = getattr(kind, part)
    return kind


def _blank(find: Callable[..., Any], args: tuple[Any, ...]) -> BaseDriver:
    made: BaseDriver = object.__new__(find(*args))
    return made
