"""One call of a driver, whole or streamed: its checks, meters, tries and bill; not the sending."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeVar
from uuid import uuid4

from prompture import observe
from prompture.codecs.base import Codec, StreamDecoder
from prompture.codecs.faults import rate_limits
from prompture.codecs.histories import renaming
from prompture.codecs.values import request_id
from prompture.drivers import hooks as hooking
from prompture.drivers import meter, request_checks
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import (
    LOCAL,
    UNANSWERED,
    at_least,
    believed,
    charge_of,
    cost_of_failure,
    costs_something,
    note_charge,
    note_deadline,
    stated_usage,
)
from prompture.drivers.keys import KeyedCall
from prompture.drivers.routes import Visit
from prompture.drivers.settling import Settling, StreamTry, put_on, without_frames
from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    DeadlineExceeded,
    ModelNotFound,
    PromptureError,
    ProtocolError,
    ProviderError,
    Unavailable,
)
from prompture.money import Bill, Charge, Cost
from prompture.observe import log
from prompture.types import Completion, Delta, Request, Usage
from prompture.wire.http import Exchange, HTTPRequest, HTTPResponse, Sleep, Work, may_hold_error
from prompture.wire.retry import send, tried

E = TypeVar("E", bound=PromptureError)
_UNASKED = (ConfigurationError, BudgetExceeded, Unavailable)


class Call(KeyedCall):
    """One call of a driver: all of it but the sending. Not shared between threads.

    Making one checks the request, asks the meters and encodes it. A failure in there is on the
    bill already; what is done with the call afterwards belongs into a block of ``settling``.
    """

    driver: BaseDriver

    def __new__(cls, driver: BaseDriver, request: Request, **_: object) -> Self:
        # A cache and traces are classes of their own: a call without has no more to do than this.
        own, tracing = getattr(request, "cache", None), observe.current
        if (own or driver.cache) and (cache := driver.cache_for(request)):
            cls = cache.call_class(cls)
        return object.__new__(cls if tracing is None else tracing.traced(cls))

    def __init__(self, driver: BaseDriver, request: Request, *, stream: bool = False) -> None:
        self.driver, self.endpoint, self.request = driver, driver.endpoint, request
        self.tries: list[Charge] = []
        """The charges of failed tries, and the one counter of them, wherever they failed."""
        self.http: HTTPRequest
        self.wait = 0.0
        self._over = self._has_tools = False
        self._answer: Completion | None = None
        self._lowered: int | None = None
        self._streamed = stream
        self._meters = meter.CallMeters()
        self._visit = Visit(driver.route, driver, is_stream=stream)
        self.started, self.at = time.perf_counter(), time.time()
        try:
            self.request, self._has_tools = request_checks.prepared(driver, request)
            if self.request.api_key is not None or driver.keyring is not None:
                self._take_key()
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
            # A meter may lower max_tokens: ``lowered_to`` of the answer is what is left of it.
            self.request = self._meters.ask(self.request, self.driver)
            left = self.request.max_tokens
            self._lowered = None if left == wanted else left
            self.http = self._encoded(self._streamed)
        except meter.Busy as busy:
            self._meters.withdraw()
            self.wait = busy.seconds
        except BaseException as exc:  # what a meter has reserved is given back
            self._meters.withdraw()
            if isinstance(exc, PromptureError):
                self.failed(exc)
            raise

    @property
    def in_flight(self) -> bool:
        """Whether a request is out, or was answered: between two tries none is."""
        return self._visit.is_under_way or self._answer is not None

    @property
    def blocks(self) -> bool:
        """Whether calling its meters may wait: an event loop must not do that itself."""
        return self._meters.blocks

    def kept(self) -> Completion | None:
        """An answer that is there already; see ``cached_call``."""
        return None

    def settling(self, partial: Callable[[], Completion] | None = None) -> Settling:
        """A ``with`` block, or an ``async with`` one, that settles the bill if it fails."""
        return Settling(self, partial)

    def trying(self, decoder: StreamDecoder) -> StreamTry:
        """The same around one try of a stream, which may be followed by another."""
        return StreamTry(self, decoder)

    def _codec(self) -> Codec:
        codec = self.driver.provider.codec_of(self.request)
        return renaming(codec, self.request) if self._has_tools else codec

    def _encoded(self, stream: bool) -> HTTPRequest:
        driver = self.driver
        try:
            http = self.codec.encode(self.request, self.endpoint, stream=stream)
        except (TypeError, ValueError, RecursionError):
            request_checks.refuse_unwritable(self.request)
            raise
        # A signature covers the moment of sending, which a codec must not look up itself.
        if sign := getattr(self.codec, "sign", None):
            http = sign(http, self.endpoint, datetime.now(UTC))
        timeout = self.request.timeout or driver.timeout
        if name := driver.provider.idempotency_header:
            http = replace(http, headers={**http.headers, name: str(uuid4())})
        # The driver decides whether it streams and how long it may take, not the codec.
        return HTTPRequest(http.method, http.url, http.headers, http.body, stream, timeout)

    def exchange(self) -> Exchange[HTTPResponse]:
        """Send, and send again where that may help; the good response."""
        while self.wait:
            yield Sleep(self.wait)
            # Not ``self.blocks``: the tokens were given back, and with them the meters.
            if meter.blocks():
                yield Work(self.begin)
            else:
                self.begin()
        self._visit.request = self.request
        if self._next_key is not None:
            self._with(self._next_key)
        sending = send(
            self.http,
            self._read_error,
            self.driver.retry,
            on_retry=self._to_note,
            made=len(self.tries) - len(self._tried),
            within=self._error_within,
            gate=self._visit,
            instead=self._instead if self._key else None,
        )
        response = yield from sending if self._key is None else self._of_all_keys(sending)
        if self._streamed:
            self._visit.first_byte()
        return response

    def _error_within(self, response: HTTPResponse) -> ProviderError | None:
        """The error that a good whole response holds, where another try may help: one that says
        what it is, and that nothing was paid for. A stream's is found later, and tried again
        there."""
        if not may_hold_error(response):
            return None
        try:
            self.codec.decode(response, self.endpoint)
        except ProviderError as exc:
            error = without_frames(self._stating(exc, response))
            fits = error.retryable and error.code and not costs_something(error.partial)
            return error if fits else None
        except ProtocolError:
            return None
        return None

    def _read_error(self, response: HTTPResponse) -> ProviderError:
        error = self._stating(self.codec.read_error(response, self.endpoint), response)
        if isinstance(error, ModelNotFound) and (near := self.driver.near(self.request.model)):
            error.args = (f"{error.args[0]}; listed there: {', '.join(near)}",)
        return error

    def decoder(self) -> StreamDecoder:
        return self.codec.stream_decoder(self.endpoint)

    def decoded(self, response: HTTPResponse) -> Completion:
        try:
            completion = self.codec.decode(response, self.endpoint)
        except (ProviderError, ProtocolError) as exc:
            without_frames(self._stating(exc, response))
            raise
        return self.finished(completion, response)

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
        """Seconds until a stream that gave nothing is asked for again; None to give up."""
        if self._goes_on_with_another(error):
            return 0.0
        made = len(self.tries) - len(self._tried) + 1  # the one counter, wherever they failed
        wait = self.driver.retry.delay(made, error)
        if wait is None or not self._visit.may_retry(error, wait):
            tried(error, made)
            return None
        return wait

    def note_try(self, error: PromptureError) -> None:
        """Put a failed try, which another will follow, on the bill."""
        charge = self._charge_of(error)
        self.tries.append(charge)
        try:
            self._meters.again(charge)
        except PromptureError as stop:
            self._visit.leave(error)
            self.failed(stop)
            raise
        self._visit.leave(error)  # last: an interrupt before it settles what was sent

    def finished(self, completion: Completion, response: HTTPResponse | None) -> Completion:
        """Price the completion, call meters and hooks, and return it."""
        driver = self.driver
        # A model in this process is its own master: what it counts is so.
        usage = completion.usage if response is None else believed(completion)
        asked, headers = self.request.model, response.headers if response else {}
        model = self.endpoint.without_keys(completion.model) or ""
        found: dict[str, Any] = {
            "usage": usage,
            "cost": driver.price(usage, answered=model, asked=asked, at=self.at),
            "model": model or asked,
            "request_id": self.endpoint.without_keys(request_id(headers) or completion.request_id),
            "raw_stop": self.endpoint.without_keys(completion.raw_stop),
            # One look at all names is less than one at each.
            "rate_limits": rate_limits(headers) if "ratelimit" in " ".join(headers) else None,
            "retries": tuple(self.tries),
            "seconds": time.perf_counter() - self.started,
            "lowered_to": self._lowered,
        }
        if response is None:  # an engine's, which may be given again
            completion = replace(completion, **found)
        else:
            # The codec made it just now: a copy of its 19 fields is 3 % of a whole call.
            for name, value in found.items():
                object.__setattr__(completion, name, value)
        # From here on the answer is paid for, whatever a meter or a hook raises.
        self._answer = completion
        self._visit.leave(None, completion)
        if log.isEnabledFor(logging.DEBUG):
            note_charge(charge_of(completion, driver.provider.name))
        try:
            if self._meters:
                self._meters.after(charge_of(completion, driver.provider.name))
        except PromptureError as exc:
            exc.partial = exc.partial or completion
            raise
        if driver._hooks:
            completion = hooking.after(driver._hooks, self.request, completion)
        return completion

    def cancelled(self, partial: Completion, cause: BaseException) -> None:
        """The caller left a stream in its middle: what came by then is on the bill."""
        if not self.in_flight:
            self.abandoned(cause)
        elif not self._over:
            self._settle_quietly(self._charge(partial, status="cancelled"))
            self._end(cause)

    def failed(self, error: PromptureError) -> None:
        """Put the last try, if it was sent, on the bill, and the bill on the error."""
        if self._over:
            return
        if isinstance(error, DeadlineExceeded):
            note_deadline(error, self.driver.provider.name, self.request)
        if (held := error.partial) is not None and held.request_id:
            error.partial = replace(held, request_id=self.endpoint.without_keys(held.request_id))
        charge = self._paid() or self._charge_of(error)
        # A hook may raise one of these in the middle of an answer.
        is_unasked = isinstance(error, _UNASKED) and not costs_something(error.partial)
        sent = self._answer is not None or not (is_unasked or getattr(error, "unsent", False))
        # Nothing left this machine, and it was tried all the same, as those before it were.
        counts = sent or (bool(self.tries) and self._visit.is_under_way and not is_unasked)
        if not sent:
            self._meters.withdraw(charge if counts else None)
        self._settle_quietly(charge)
        if error.bill is None and (self.tries or sent):
            error.bill = Bill((*self.tries, charge) if counts else tuple(self.tries))
        self._end(error)
        hooking.failed(self.driver._hooks, self.request, error)

    def abandoned(self, cause: BaseException) -> None:
        """The call ended without an error of ours (a cancelled task, a bug): that gets the bill."""
        if self._over:
            return
        if not self.in_flight:
            # Before it was sent, or between two tries: no request is out that could cost.
            self.withdraw()
            if self.tries:
                put_on(cause, Bill(tuple(self.tries)))
            self._end(cause)
            return
        cost = LOCAL if self.driver.provider.local else UNANSWERED
        charge = self._paid() or self._charge(Completion(), status="cancelled", cost=cost)
        put_on(cause, Bill((*self.tries, charge)))
        self._settle_quietly(charge)
        self._end(cause)

    def _end(self, cause: BaseException) -> None:
        """Called last: a settlement that an interrupt ends is made again."""
        self._over = True
        self._visit.leave(cause)

    def withdraw(self) -> None:
        """It was not sent, or not again, and will not be."""
        self._meters.withdraw()

    def delta(self, piece: Delta) -> Delta:
        hooks = self.driver._hooks
        return hooking.delta(hooks, piece) if hooks else piece

    def _settle_quietly(self, charge: Charge) -> None:
        """Settle where an exception is on its way already: what a meter raises is logged."""
        if log.isEnabledFor(logging.DEBUG) and self._answer is None:
            note_charge(charge)
        try:
            self._meters.after(charge)
        except PromptureError as exc:
            log.warning("a meter could not note a failed call: %s", exc)

    def _paid(self) -> Charge | None:
        """What an answer cost that came, where a meter or a hook raised afterwards."""
        return charge_of(self._answer, self.driver.provider.name) if self._answer else None

    def _charge_of(self, error: PromptureError) -> Charge:
        """What a failed try costs: what it states or had given; nothing where the provider
        refused it before the model began; else nobody knows."""
        kind, provider = type(error).__name__, self.driver.provider
        if costs_something(error.partial):
            return self._charge(error.partial, status="error", note=kind)
        cost = self.driver.price(Usage()) if provider.local else cost_of_failure(error, provider)
        nothing = Completion(request_id=getattr(error, "request_id", None))
        return self._charge(nothing, status="error", note=kind, cost=cost)

    def _charge(
        self, completion: Completion, *, status: str, note: str = "", cost: Cost | None = None
    ) -> Charge:
        usage, model = completion.usage, self.endpoint.without_keys(completion.model) or ""
        if cost is None:
            usage, asked = believed(completion), self.request.model
            cost = self.driver.price(usage, answered=model, asked=asked, at=self.at)
            # Usage that is counted as a stream goes on is not the whole of it.
            cost = cost if completion.raw_stop else at_least(cost)
        return Charge(
            provider=self.driver.provider.name,
            model=model or self.request.model,
            usage=usage,
            cost=cost,
            status=status,
            request_id=self.endpoint.without_keys(completion.request_id),
            seconds=time.perf_counter() - self.started,
            note=note,
        )
