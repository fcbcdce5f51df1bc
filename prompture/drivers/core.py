"""What both colours of a driver share: the row, the flags, and everything that does no I/O."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from prompture import given
from prompture.codecs.base import Codec, Endpoint, StreamDecoder, request_id
from prompture.codecs.histories import check_calls
from prompture.codecs.names import renaming
from prompture.compat import cached_property
from prompture.drivers import copies, meter, request_checks
from prompture.drivers import hooks as hooking
from prompture.drivers.charges import (
    UNANSWERED,
    believed,
    cost_of_failure,
    has_come,
    stated_usage,
)
from prompture.drivers.cost import LOCAL, at_least
from prompture.drivers.provider import Features, Provider
from prompture.drivers.ratelimit_headers import rate_limits
from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    ModelNotFound,
    PromptureError,
    ProtocolError,
    ProviderError,
    UnsupportedError,
)
from prompture.money import Bill, Charge, Cost
from prompture.types import Completion, Delta, Document, Part, Request, Text, Usage
from prompture.wire.http import LARGE_CHARS, Exchange, HTTPRequest, HTTPResponse, Sleep, Work
from prompture.wire.retry import Retry, send, tried
from prompture.wire.secrets import scrub

if TYPE_CHECKING:
    from prompture.catalog.models import Entry
    from prompture.drivers.hooks import Hooks

T = TypeVar("T")
E = TypeVar("E", bound=PromptureError)
DEFAULT_TIMEOUT = 600.0
_MAY_FAIL = re.compile(rb'"(?:error|code)"\s*:\s*["\[{0-9]')
"""What every error in a body of HTTP 200 has, and hardly any answer."""
log = logging.getLogger("prompture")


@dataclass(frozen=True, slots=True)
class _Given:
    """What a driver was made with; its repr tells no key."""

    api_key: str | None = field(repr=False)
    base_url: str | None = field(repr=False)
    headers: Mapping[str, str] | None = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)

    def endpoint(self, row: Provider) -> Endpoint:
        return row.endpoint(
            self.api_key, self.base_url, headers=self.headers, options=self.settings
        )


def _a(kind: type[T], value: T | None, name: str) -> T | None:
    if value is not None and not isinstance(value, kind):
        raise given.wrong(name, f"a prompture.{kind.__name__}(...)", value)
    return value


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

    ``timeout`` is seconds to connect and between bytes. ``api`` picks another of the row's
    wire formats (``"responses"``). ``features`` replaces what the row and the catalog say the
    model can do. ``stream_usage=False`` leaves ``stream_options`` out of streams, for servers
    that refuse it (their tokens are then unknown); ``echo`` names the fields of an answer that
    are sent back in the next request (``"reasoning_content"``; ``()`` for none); both are of
    Chat Completions. Other keywords are the provider's own settings (``api_version``, ...).
    Raises MissingKey, and ConfigurationError for a setting that the row does not know.
    """

    provider: Provider
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
        api_key: str | None = None,
        base_url: str | None = None,
        api: str | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        hooks: Hooks | Sequence[Hooks] = (),
        features: Features | None = None,
        stream_usage: bool | None = None,
        echo: str | Sequence[str] | None = None,
        **settings: Any,
    ) -> None:
        row = type(self).provider
        self._given = _Given(api_key, base_url, headers, settings)
        self.endpoint: Endpoint = self._given.endpoint(row)
        self._wire = (given.words(api, f"{row.name}: api", empty=True), stream_usage, echo)
        self.model = given.words(model, f"{row.name}: model", empty=True) or row.default_model
        self.timeout = given.seconds(timeout, f"{row.name}: timeout") or DEFAULT_TIMEOUT
        self.retry = _a(Retry, retry, f"{row.name}: retry") or Retry()
        self._own_hooks = hooking.given_hooks(hooks, f"{row.name}: hooks")
        self._features = _a(Features, features, f"{row.name}: features")
        self._remake()

    def _remake(self) -> None:
        """Make what follows from the settings, which is not copied and not pickled."""
        api, stream_usage, echo = self._wire
        row = type(self).provider.for_endpoint(self.endpoint.base_url, api)
        self.provider = row.wired(stream_usage=stream_usage, echo=echo)
        self._hooks: tuple[Hooks, ...] = (*hooking.plugin_hooks(), *self._own_hooks)
        self.plans: dict[Hashable, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _REMADE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._remake()

    def __reduce__(self) -> tuple[Any, ...]:
        return copies.reduced(self)

    def __copy__(self) -> Self:
        return cast(Self, copies.copied(self, {}))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return cast(Self, copies.copied(self, memo))

    def is_current(self) -> bool:
        """Whether the environment still says what it said when this driver was made."""
        return self._given.endpoint(type(self).provider) == self.endpoint

    def __repr__(self) -> str:
        # One that could not be made is shown in tracebacks, too.
        return f"{type(self).__name__}({getattr(self, 'model', None)!r})"

    @property
    def name(self) -> str:
        """``"provider/model"``."""
        return f"{self.provider.name}/{self.model}"

    @cached_property
    def features(self) -> Features:
        """What can be asked of this model: the row, its own rule, then the catalog, which
        takes away what it says the model lacks; what it does not mention stays."""
        return self._features or self.features_of(self.model)

    def features_of(self, model: str) -> Features:
        found = self.provider.features_of(model)
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


class Call:
    """One call of a driver, whole or streamed: all of it but the sending."""

    def __init__(self, driver: BaseDriver, request: Request, *, stream: bool = False) -> None:
        self.driver = driver
        self.tries: list[Charge] = []
        self.http: HTTPRequest
        self.wait = 0.0
        self._over = False
        self._paid: Charge | None = None
        self._lowered: int | None = None
        self._streamed = stream
        self._tokens: list[tuple[meter.Meter, object]] = []
        self.started, self.at = time.perf_counter(), time.time()
        self.request = request
        try:
            self.request = self._prepared(request)
        except PromptureError as exc:
            if isinstance(request, Request):
                self.failed(exc)
            raise
        self.codec: Codec = self._codec()
        self.begin()

    def begin(self) -> None:
        """Ask the meters and encode the request. ``wait`` is then 0, or the seconds after which
        a meter wants to be asked again: the call may not be sent before."""
        self.started, self.at = time.perf_counter(), time.time()
        try:
            wanted, self.wait = self.request.max_tokens, 0.0
            self.request = self._metered(self.request)
            left = self.request.max_tokens
            self._lowered = None if left == wanted else left
            self.http = self._encoded(self._streamed)
        except meter.Busy as busy:
            self._withdraw()
            self.wait = busy.seconds
        except BaseException as exc:  # what a meter has reserved is given back
            self._withdraw()
            if isinstance(exc, PromptureError):
                self.failed(exc)
            raise

    @property
    def blocks(self) -> bool:
        """Whether telling its meters may wait: an event loop must not do that itself."""
        return any(getattr(each, "blocks", False) for each, _ in self._tokens)

    def _codec(self) -> Codec:
        return renaming(self.driver.provider.codec_of(self.request), self.request)

    def _prepared(self, request: Request) -> Request:
        driver = self.driver
        if not getattr(request, "model", "?"):
            request = replace(request, model=driver.model)
        if driver._hooks:
            request = hooking.before(driver._hooks, request)
        request = request_checks.fitted(driver, request_checks.checked(request))
        check_calls(request.messages)
        if request.max_tokens is None and driver.provider.max_tokens_required:
            entry = driver.entry(request.model)
            if entry and entry.limits.output:
                request = replace(request, max_tokens=entry.limits.output)
        return request

    def _metered(self, request: Request) -> Request:
        for each in meter.active():
            request, token = each.before(request, self.driver)
            self._tokens.append((each, token))
        return request

    def _encoded(self, stream: bool) -> HTTPRequest:
        driver = self.driver
        try:
            http = self.codec.encode(self.request, driver.endpoint, stream=stream)
        except (TypeError, ValueError, RecursionError):
            request_checks.refuse_unwritable(self.request)
            raise
        # A signature covers the moment of sending, which a codec must not look up itself.
        if sign := getattr(self.codec, "sign", None):
            http = sign(http, driver.endpoint, datetime.now(UTC))
        timeout = self.request.timeout or driver.timeout
        return HTTPRequest(http.method, http.url, http.headers, http.body, stream, timeout)

    def exchange(self) -> Exchange[HTTPResponse]:
        """Send, and send again where that may help; the good response."""
        while self.wait:
            yield Sleep(self.wait)
            # By now the tokens were given back, so that nothing tells whose meters they were.
            if meter.blocks():
                yield Work(self.begin)
            else:
                self.begin()
        if throttle := self.driver.provider.throttle:
            wait = throttle.reserve(len(self.http.body) // 4 + (self.request.max_tokens or 0))
            if wait > 0:
                yield Sleep(wait)
        response = yield from send(
            self.http,
            self._read_error,
            self.driver.retry,
            on_retry=self._to_note,
            made=len(self.tries),
            within=self._error_within,
        )
        return response

    def _error_within(self, response: HTTPResponse) -> ProviderError | None:
        """The error that a good whole response holds, where another try may help: one that says
        what it is, and that nothing was paid for. A stream's is found later, and tried again
        there."""
        body = response.body
        if response.chunks is not None or len(body) > LARGE_CHARS or not _MAY_FAIL.search(body):
            return None
        try:
            self.codec.decode(response, self.driver.endpoint)
        except ProviderError as exc:
            error = self._stating(exc, response)
            paid = error.partial is not None and has_come(error.partial)
            return error if error.retryable and error.code and not paid else None
        except ProtocolError:
            return None
        return None

    def _read_error(self, response: HTTPResponse) -> ProviderError:
        error = self._stating(self.codec.read_error(response, self.driver.endpoint), response)
        if isinstance(error, ModelNotFound):
            near = self.driver.near(self.request.model)
            error.args = (
                (f"{error.args[0]}; listed there: {', '.join(near)}",) if near else error.args
            )
        return error

    def decoder(self) -> StreamDecoder:
        return self.codec.stream_decoder(self.driver.endpoint)

    def decoded(self, response: HTTPResponse) -> Completion:
        try:
            completion = self.codec.decode(response, self.driver.endpoint)
        except (ProviderError, ProtocolError) as exc:
            self._stating(exc, response)
            raise
        return self.finished(completion, response)

    def answered(self, response: HTTPResponse) -> Completion:
        """``decoded``, where nobody may be left to settle a failure: it settles its own."""
        return self._settling(self.decoded, response)

    def concluded(self, completion: Completion, response: HTTPResponse | None) -> Completion:
        """``finished``, in the same way."""
        return self._settling(self.finished, completion, response)

    def _settling(self, work: Callable[..., Completion], *args: Any) -> Completion:
        try:
            return work(*args)
        except PromptureError as exc:
            self.failed(exc)
            raise
        except BaseException:  # an interrupt or a bug: the call is billed as unknown
            self.abandoned()
            raise

    def _stating(self, error: E, response: HTTPResponse) -> E:
        """The error with the usage that its body states, if it does."""
        read = getattr(self.codec, "read_usage", None)
        if error.partial is None and read is not None:
            usage, model = stated_usage(response.body, read)
            if usage is not None:
                error.partial = Completion(
                    usage=usage, model=model, stop_reason="error", raw_stop="error"
                )
        return error

    def _to_note(self, error: PromptureError) -> Work | None:
        if self.blocks:
            return Work(partial(self.note_try, error))
        self.note_try(error)
        return None

    def delay(self, error: PromptureError) -> float | None:
        """Seconds after which a stream that gave nothing is asked for again; None to give up.
        ``tries`` is the one counter of attempts, wherever they failed."""
        made = len(self.tries) + 1
        wait = self.driver.retry.delay(made, error)
        if wait is None:
            tried(error, made)
        return wait

    def note_try(self, error: PromptureError) -> None:
        """Put a failed try, which another will follow, on the bill."""
        charge = self._charge_of(error)
        self.tries.append(charge)
        try:
            for each, token in self._tokens:
                try:
                    each.again(token, charge)
                except PromptureError:
                    raise
                except Exception as exc:  # a meter of somebody else's; logged, the answer goes on
                    _not_told(each, exc)
        except PromptureError as stop:
            self.failed(stop)
            raise

    def finished(self, completion: Completion, response: HTTPResponse | None) -> Completion:
        """Price the completion, tell hooks and meters, and hand it over."""
        driver = self.driver
        # A model in this process is its own master: what it counts is so.
        usage = completion.usage if response is None else believed(completion)
        cost = driver.price(usage, answered=completion.model, asked=self.request.model, at=self.at)
        headers = response.headers if response else {}
        completion = replace(
            completion,
            usage=usage,
            cost=cost,
            model=completion.model or self.request.model,
            request_id=self._known_id(request_id(headers) or completion.request_id),
            rate_limits=rate_limits(headers),
            retries=tuple(self.tries),
            seconds=time.perf_counter() - self.started,
            lowered_to=self._lowered,
        )
        self._paid = charge_of(completion, driver.provider.name)
        try:
            self._settle(self._paid)
        except PromptureError as exc:
            exc.partial = exc.partial or completion
            raise
        if driver._hooks:
            completion = hooking.after(driver._hooks, self.request, completion)
        return completion

    def _known_id(self, id: str | None) -> str | None:
        """The request's id, which goes to the ledger, without a key that a server put there."""
        if id:
            for key in (keys := self.driver.endpoint.secrets()):
                if key in id:
                    return scrub(id, keys)
        return id

    def cancelled(self, partial: Completion) -> None:
        """The caller left a stream in its middle: what came by then is on the bill."""
        self._settle_quietly(self._charge(partial, status="cancelled"))

    def failed(self, error: PromptureError) -> None:
        """Put the last try on the bill, which the error then carries; what was never sent
        leaves no line."""
        if self._over:
            return
        self._over = True
        if (held := error.partial) is not None and held.request_id:
            error.partial = replace(held, request_id=self._known_id(held.request_id))
        # A hook may raise after the answer has been paid for.
        charge = self._paid or self._charge_of(error)
        sent = self._paid is not None or not (
            isinstance(error, (ConfigurationError, BudgetExceeded))
            or getattr(error, "unsent", False)
        )
        if isinstance(error, (ConfigurationError, BudgetExceeded)):
            self._withdraw()
        self._settle_quietly(charge)
        if error.bill is None and (self.tries or sent):
            error.bill = Bill((*self.tries, charge) if sent else tuple(self.tries))
        hooking.failed(self.driver._hooks, self.request, error)

    def abandoned(self, cause: BaseException | None = None) -> None:
        """Something that is no error of ours ended the call (a cancelled task, a bug). The
        exception being handled carries the bill, where it takes an attribute."""
        cost = LOCAL if self.driver.provider.local else UNANSWERED
        # A hook may raise after the answer has been paid for.
        charge = self._paid or self._charge(Completion(), status="cancelled", cost=cost)
        exc: Any = cause or sys.exception()
        if exc is not None:
            with suppress(AttributeError):
                exc.bill = Bill((*self.tries, charge))
        self._settle_quietly(charge)

    def withdrawn(self) -> None:
        """It was not sent, and will not be."""
        self._withdraw()

    def delta(self, piece: Delta) -> Delta:
        hooks = self.driver._hooks
        return hooking.delta(hooks, piece) if hooks else piece

    def _settle_quietly(self, charge: Charge) -> None:
        """``_settle`` where an exception is on its way already, which tells more."""
        try:
            self._settle(charge)
        except PromptureError as exc:
            log.warning("a meter could not be told of a failed call: %s", exc)

    def _settle(self, charge: Charge) -> None:
        """Tell every meter, also where telling one of them fails. The first failure of ours is
        raised; others (a full disk, a fault of the meter) are logged: the answer was paid for,
        and is not lost for them."""
        failure: PromptureError | None = None
        while self._tokens:
            each, token = self._tokens.pop()
            try:
                each.after(token, charge)
            except PromptureError as exc:
                failure = failure or exc
            except Exception as exc:  # a meter of somebody else's; logged, the answer goes on
                _not_told(each, exc)
        if failure is not None:
            raise failure

    def _withdraw(self) -> None:
        while self._tokens:
            each, token = self._tokens.pop()
            try:
                each.withdraw(token)
            except Exception as exc:  # a meter of somebody else's; logged, the others are told
                _not_told(each, exc)

    def _charge_of(self, error: PromptureError) -> Charge:
        """What a failed try costs: what it states or had given; nothing where the provider
        refused it before the model began; else nobody knows."""
        if error.partial is not None and has_come(error.partial):
            return self._charge(error.partial, status="error", note=type(error).__name__)
        cost = cost_of_failure(error, self.driver.provider)
        return self._charge(
            Completion(request_id=getattr(error, "request_id", None)),
            status="error",
            note=type(error).__name__,
            cost=self.driver.price(Usage()) if self.driver.provider.local else cost,
        )

    def _charge(
        self, completion: Completion, *, status: str, note: str = "", cost: Cost | None = None
    ) -> Charge:
        asked, usage = self.request.model, completion.usage
        if cost is None:
            usage = believed(completion)
            cost = self.driver.price(usage, answered=completion.model, asked=asked, at=self.at)
            # Usage that is counted as a stream goes on is not the whole of it.
            cost = cost if completion.raw_stop else at_least(cost)
        return Charge(
            provider=self.driver.provider.name,
            model=completion.model or asked,
            usage=usage,
            cost=cost,
            status=status,
            request_id=self._known_id(completion.request_id),
            seconds=time.perf_counter() - self.started,
            note=note,
        )


def _not_told(each: meter.Meter, error: Exception) -> None:
    log.warning(
        "%s could not be told of a call and its price: %s",
        type(each).__name__,
        type(error).__name__,
    )


def charge_of(completion: Completion, provider: str, *, status: str = "ok") -> Charge:
    """The line that a finished call puts on the bill."""
    return Charge(
        provider=provider,
        model=completion.model,
        usage=completion.usage,
        cost=completion.cost or Cost(usd=None, reason="the driver put no price on it"),
        status=status,
        request_id=completion.request_id,
        seconds=completion.seconds,
    )


def with_partial(error: PromptureError, decoder: StreamDecoder | None) -> PromptureError:
    """The error, carrying what the stream had given by then."""
    if error.partial is None and decoder is not None:
        error.partial = decoder.partial()
    return error


def is_long(request: Request) -> bool:
    """Whether encoding the request takes long enough to be felt. One that is no request is not:
    ``Call`` says what is wrong with it."""
    try:
        return _is_long(request)
    except (AttributeError, TypeError):
        return False


def _is_long(request: Request) -> bool:
    for message in request.messages:
        content = message.content
        if isinstance(content, str):
            if len(content) > LARGE_CHARS:
                return True
        elif any(_size(part) > LARGE_CHARS for part in content):
            return True
    return False


def _size(part: Part) -> int:
    return len(part.text if isinstance(part, (Text, Document)) else part.data or b"")
