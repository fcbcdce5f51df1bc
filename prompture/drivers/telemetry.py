"""Spans and metrics by OpenTelemetry, in the words of its conventions for generative AI.

One span for each extraction, run of an agent, call, try and tool. Tokens and dollars stand on the
call's alone, so that nothing is added up twice. ``instrument`` puts a ``Telemetry`` into
``prompture.observe``; without it, nothing of this module is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from prompture import given, observe
from prompture.drivers.call import Call
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import charge_of
from prompture.drivers.otel_spans import (
    OperationSpan,
    TimedSpan,
    Tracer,
    answer_json,
    answered,
    asked,
    clean,
    dollars,
    is_failure,
    messages_json,
    options,
    provider_name,
    quietly,
    server,
    version,
)
from prompture.errors import MissingExtra, PromptureError, ProviderError
from prompture.money import Bill, Charge
from prompture.observe import ToolSpan, log
from prompture.types import Completion, Delta, Request, ToolCall
from prompture.wire.http import Exchange, HTTPRequest, HTTPResponse
from prompture.wire.secrets import scrub, shown
from prompture.wire.steps import Done, advance

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

K = TypeVar("K")
Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**n for n in range(14))
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
LATEST = "gen_ai_latest_experimental"


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool | None = None,
) -> None:
    """Report spans and metrics from now on, to the global providers or to those given.

    ``content`` puts what is sent and answered on the spans, which may be anybody's secrets; None
    asks ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``, and is no where that is not set.
    Metrics have the names of the conventions 1.41, or, where ``OTEL_SEMCONV_STABILITY_OPT_IN``
    has ``gen_ai_latest_experimental``, those that came after. Raises MissingExtra.
    """
    try:
        import opentelemetry.metrics  # noqa: F401 - whether it is there
    except ImportError as exc:
        raise MissingExtra(extra="otel", package="opentelemetry-api") from exc
    if (wanted := given.flag(content, "content")) is None:
        wanted = _content_is_wanted(os.environ.get(CONTENT, ""))
    observe.current = Telemetry(tracer_provider, meter_provider, content=wanted)


def _content_is_wanted(word: str) -> bool:
    # The conventions' own words; events of theirs there are none.
    if (kind := word.strip().lower()) in (
        "span_only",
        "span_and_event",
        "event_only",
        "no_content",
    ):
        return kind.startswith("span")
    found, problem = given.switch(word, CONTENT, otherwise=False)
    if problem:
        log.warning("%s", problem)
    return found


def uninstrument() -> None:
    """Report no more spans and metrics. Spans that have begun still end."""
    observe.current = None


class Telemetry(Tracer):
    """Makes spans and records metrics. Threads and tasks share it."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        *,
        content: bool,
    ) -> None:
        from opentelemetry import metrics

        super().__init__(tracer_provider)
        self.content = content
        meter = metrics.get_meter("prompture", version(), meter_provider)
        wanted = os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").replace(" ", "").split(",")
        self.latest = LATEST in wanted

        def histogram(name: str, unit: str, bounds: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=bounds)

        if self.latest:
            chat = "gen_ai.client.inference"
            self.durations = {
                "chat": histogram(f"{chat}.duration", "s", SECONDS),
                "execute_tool": histogram("gen_ai.execute_tool.duration", "s", SECONDS),
                "invoke_agent": histogram("gen_ai.invoke_agent.duration", "s", SECONDS),
                "invoke_workflow": histogram("gen_ai.invoke_workflow.duration", "s", SECONDS),
            }
            self.first_chunk = histogram(f"{chat}.time_to_first_chunk", "s", SECONDS)
            self.tokens = {
                which: histogram(f"{chat}.operation.{which}_tokens", "{token}", TOKENS)
                for which in ("input", "output")
            }
        else:
            self.durations = {"chat": histogram("gen_ai.client.operation.duration", "s", SECONDS)}
            self.first_chunk = histogram(
                "gen_ai.client.operation.time_to_first_chunk", "s", SECONDS
            )
            both = histogram("gen_ai.client.token.usage", "{token}", TOKENS)
            self.tokens = {"input": both, "output": both}
        self.cost = meter.create_counter("prompture.cost", "{USD}", "What calls cost.")
        self._classes: dict[type, type] = {}

    def event(self, name: str, fields: dict[str, Any]) -> None:
        """Put an event on the span that is current."""
        span = self.trace.get_current_span()
        if not span.is_recording():
            return
        about = {("error.type" if key == "error" else key): value for key, value in fields.items()}
        with quietly():
            span.add_event(f"prompture.{name}", about)

    def traced(self, kind: type[K]) -> type[K]:
        """The class of calls that have spans, made of ``kind``."""
        found = self._classes.get(kind)
        if found is None:
            bases = (TracedCall,) if kind is Call else (TracedCall, kind)
            about = {"telemetry": self}
            found = self._classes[kind] = type(f"Traced{kind.__name__}", bases, about)
        return found

    def extraction(self, schema: str) -> OperationSpan:
        """The span of an extraction."""
        about = {"gen_ai.workflow.name": schema}
        return OperationSpan(self, "invoke_workflow", f"extract {schema}", about)

    def agent(self, provider: str, model: str, output: str) -> OperationSpan:
        """The span of a run of an agent, with the model that it begins with."""
        about = {
            "gen_ai.provider.name": provider_name(provider),
            "gen_ai.request.model": model,
            "gen_ai.output.type": output,
        }
        return OperationSpan(self, "invoke_agent", "invoke_agent", about)

    @contextmanager
    def tool(
        self, call: ToolCall, arguments: Callable[[], str], shown: Callable[[object], str]
    ) -> Iterator[ToolSpan]:
        """The span of one tool call."""
        about = {
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.type": "function",
            **({"gen_ai.tool.call.id": call.id} if call.id else {}),
        }
        work = _ToolWork(self, "execute_tool", f"execute_tool {call.name}", about)
        if self.content:
            work.shown = shown
            with quietly():
                work.about["gen_ai.tool.call.arguments"] = clean(arguments(), ())
        with work.whole():
            yield work


class _ToolWork(OperationSpan):
    shown: Callable[[object], str] | None = None

    def note(self, result: object) -> None:
        if self.shown is not None:
            # The tool has run: that its result cannot be shown is no failure of it.
            with quietly():
                self.about["gen_ai.tool.call.result"] = clean(self.shown(result), ())


class TracedCall(Call):
    """A call with a span of its own, and one for each of its tries over HTTP.

    ``telemetry`` is that of its class: traces may end while calls are under way.
    """

    telemetry: Telemetry

    def __init__(self, driver: BaseDriver, request: Request, *, stream: bool = False) -> None:
        telemetry = self.telemetry
        self._attempt: TimedSpan | None = None
        self._sent = 0
        self._first_chunk: float | None = None
        self._last: Charge | None = None
        self._about = asked(driver, request, stream=stream)
        kind = "INTERNAL" if driver.runs_here else "CLIENT"
        model = self._about.get("gen_ai.request.model", "")
        self._span = TimedSpan(telemetry, kind, f"chat {model}".strip(), self._about)
        try:
            with self._span.active():
                super().__init__(driver, request, stream=stream)
        except BaseException as exc:  # whatever ends it, its span ends; it is raised again
            self._end(exc)
            raise
        with quietly():
            self._span.span.set_attributes(options(self.request))
            if telemetry.content:
                asked_with = clean(messages_json(self.request), self._secrets())
                self._span.span.set_attribute("gen_ai.input.messages", asked_with)

    def exchange(self) -> Exchange[HTTPResponse]:
        """The steps of the call, each request of which is a try."""
        steps, reply = super().exchange(), None
        around: TimedSpan = self._span
        try:
            while True:
                # Only while a step is made: in between, the transport and the caller's code run.
                with around.active():
                    step = advance(steps, reply)
                if isinstance(step, Done):
                    return step.value
                if isinstance(step, HTTPRequest):
                    self._begin_try(step)
                around = self._attempt or self._span
                try:
                    with around.active():
                        reply = yield step
                except GeneratorExit:
                    raise
                except BaseException as exc:  # thrown on into the steps, whatever it is
                    reply = cast(Any, exc)
                if isinstance(reply, HTTPResponse) and self._attempt:
                    self._attempt.span.set_attribute("http.response.status_code", reply.status)
                around = self._span
        finally:
            steps.close()

    def _begin_try(self, request: HTTPRequest) -> None:
        self._end_try(None)
        self._sent += 1
        url = scrub(shown(request.url), self._secrets())
        about = {"http.request.method": request.method, "url.full": url, **server(request.url)}
        if self._sent > 1:
            about["http.request.resend_count"] = self._sent - 1
        with self._span.active():
            self._attempt = TimedSpan(self.telemetry, "CLIENT", request.method, about)

    def _secrets(self) -> tuple[str, ...]:
        """The driver's key, and the call's own or the one of several that it is sent with."""
        return (*self.driver.endpoint.secrets(), *self.endpoint.secrets())

    def _end_try(self, error: BaseException | None) -> None:
        if self._attempt is not None:
            status = getattr(error, "status", 0) if isinstance(error, ProviderError) else 0
            self._attempt.end(error, {"http.response.status_code": status} if status else None)
            self._attempt = None

    def note_try(self, error: PromptureError) -> None:
        self._end_try(error)
        with self._span.active():
            super().note_try(error)

    def delay(self, error: PromptureError) -> float | None:
        with self._span.active():
            return super().delay(error)

    def delta(self, piece: Delta) -> Delta:
        if self._first_chunk is None:
            self._first_chunk = time.perf_counter() - self._span.started
        return super().delta(piece)

    def finished(self, completion: Completion, response: HTTPResponse | None) -> Completion:
        with self._span.active():
            done = super().finished(completion, response)
        self._end(None, done)
        return done

    def failed(self, error: PromptureError) -> None:
        with self._span.active():
            super().failed(error)
        self._end(error, self._answer or error.partial)

    def cancelled(self, partial: Completion, cause: BaseException) -> None:
        super().cancelled(partial, cause)
        self._end(cause, partial)

    def abandoned(self, cause: BaseException) -> None:
        super().abandoned(cause)
        self._end(cause)

    def withdraw(self) -> None:
        super().withdraw()
        self._end(GeneratorExit())

    def _settle_quietly(self, charge: Charge) -> None:
        self._last = charge
        super()._settle_quietly(charge)

    def _end(self, error: BaseException | None, completion: Completion | None = None) -> None:
        if self._span.is_over:
            return
        self._end_try(error)
        charges = [*self.tries] if hasattr(self, "tries") else []
        if error is None and completion is not None:
            charges.append(charge_of(completion, self.driver.provider.name))
        elif self._last is not None:
            charges.append(self._last)
        bill = Bill(tuple(charges))
        about = {**answered(completion, bill), **dollars(bill)}
        if self._first_chunk is not None:
            about["gen_ai.response.time_to_first_chunk"] = self._first_chunk
        if self.telemetry.content and completion is not None:
            with quietly():
                shown_answer = clean(answer_json(completion), self._secrets())
                about["gen_ai.output.messages"] = shown_answer
        if (id := about.get("gen_ai.response.id")) is not None:
            about["gen_ai.response.id"] = scrub(id, self._secrets())
        cost = completion.cost if completion is not None else None
        if cost is not None and cost.source == "cache":
            about["prompture.cache_hit"] = True
            if cost.saving is not None:
                about["prompture.cost.saving_usd"] = float(cost.saving)
        self._span.end(error, about)
        # No model was asked: a hit would make models look fast and calls free.
        if "prompture.cache_hit" not in about:
            with quietly():
                self._record(error, about, bill)

    def _record(self, error: BaseException | None, about: Mapping[str, Any], bill: Bill) -> None:
        telemetry = self.telemetry
        known = {**self._about, **about}
        kept = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
        labels = {
            key: known[key]
            for key in (*kept, "gen_ai.response.model", "server.address", "server.port")
            if key in known
        }
        for which in ("input", "output"):
            count = about.get(f"gen_ai.usage.{which}_tokens")
            if count is not None:
                kind = {} if telemetry.latest else {"gen_ai.token.type": which}
                telemetry.tokens[which].record(count, {**labels, **kind})
        if bill.known:
            telemetry.cost.add(float(bill.known), labels)
        if is_failure(error):
            labels["error.type"] = type(error).__name__
        telemetry.durations["chat"].record(time.perf_counter() - self._span.started, labels)
        if self._first_chunk is not None:
            telemetry.first_chunk.record(self._first_chunk, labels)
