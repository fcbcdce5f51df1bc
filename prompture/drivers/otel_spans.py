"""The spans of OpenTelemetry that work has, and what those of calls state, by the names of its
conventions for generative AI.

Nothing is ever detached from a context: a stream may end in another task than it began in. What was
current before is made current again, where ours still is.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from prompture.drivers.core import BaseDriver
from prompture.money import Bill
from prompture.types import Completion, Document, Message, Request, Text
from prompture.wire.secrets import scrub
from prompture.wire.steps import Done, advance

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, TracerProvider

Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")
log = logging.getLogger("prompture.telemetry")
Attributes: TypeAlias = dict[str, Any]
NAMES = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "claude": "anthropic",
    "google": "gcp.gemini",
    "grok": "x_ai",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
}
"""Providers that the conventions call otherwise than we do."""
_USUAL_PORTS = {"http": 80, "https": 443}


def provider_name(name: str) -> str:
    """A provider's name in the words of the conventions."""
    return NAMES.get(name, name)


def version() -> str:
    """This package's. It is looked up here, for no module imports the package itself."""
    return str(sys.modules["prompture"].__version__)


class Tracer:
    """What spans are made with: OpenTelemetry's modules, which are imported here."""

    def __init__(self, provider: TracerProvider | None) -> None:
        from opentelemetry import context, trace

        self.trace: Any = trace
        self.context: Any = context
        self.tracer = trace.get_tracer("prompture", version(), provider)
        self.durations: dict[str, Any] = {}
        """The histogram of each operation that has one."""


@contextmanager
def quietly() -> Iterator[None]:
    """A block that reports. What fails in it (a user's processor, a text that is none) ends no
    work: an answer that was paid for must not be lost over its trace."""
    try:
        yield
    except Exception as exc:  # a processor may raise anything
        log.warning("a span or a metric could not be reported (%s)", type(exc).__name__)


class TimedSpan:
    """A span with a beginning, an end that comes once, and what is current inside of it."""

    def __init__(self, telemetry: Tracer, kind: str, name: str, about: Mapping[str, Any]) -> None:
        self.telemetry = telemetry
        self.started = time.perf_counter()
        self.span: Span = telemetry.trace.INVALID_SPAN
        with quietly():
            self.span = telemetry.tracer.start_span(
                name, kind=getattr(telemetry.trace.SpanKind, kind), attributes=about
            )
        self.within: Context = telemetry.trace.set_span_in_context(self.span)
        self.is_over = False

    @contextmanager
    def active(self) -> Iterator[None]:
        """Spans that begin inside the block are children of this one."""
        context = self.telemetry.context
        before = context.get_current()
        context.attach(self.within)
        try:
            yield
        finally:
            if context.get_current() is self.within:
                context.attach(before)

    def end(self, error: BaseException | None, about: Mapping[str, Any] | None = None) -> bool:
        """End the span; False where it has ended before. Of an error, only its class is noted."""
        if self.is_over:
            return False
        self.is_over = True
        with quietly():
            if about:
                self.span.set_attributes(about)
            if is_failure(error):
                self.span.set_attribute("error.type", type(error).__name__)
                self.span.set_status(self.telemetry.trace.StatusCode.ERROR)
            elif error is not None:
                how = "waiting" if isinstance(error, Exception) else "left"
                self.span.set_attribute(f"prompture.{how}", True)
            self.span.end()
        return True


def is_failure(error: BaseException | None) -> bool:
    """Whether something went wrong: a caller who leaves, cancels or interrupts is none, nor is a
    run that waits for approval."""
    return isinstance(error, Exception) and not getattr(error, "is_pause", False)


class OperationSpan:
    """The span of an extraction, an agent's run or a tool call. See ``observe.WorkSpan``."""

    def __init__(self, telemetry: Tracer, operation: str, name: str, about: dict[str, Any]) -> None:
        self.telemetry, self.operation, self.name = telemetry, operation, name
        self.about = {"gen_ai.operation.name": operation, **about}
        self._lasting: TimedSpan | None = None
        self._in_block = False

    @contextmanager
    def active(self) -> Iterator[None]:
        """Spans that begin inside the block are children of this one."""
        with self._begun().active():
            yield

    @contextmanager
    def whole(self) -> Iterator[None]:
        """``active``, at the end of which the span ends, if nothing has ended it."""
        self._in_block = True
        try:
            with self._begun().active():
                yield
        except BaseException as exc:  # whatever ends it, its span ends; it is raised again
            self.end(exc)
            raise
        self.end(None)

    def followed(self, steps: Generator[Y, S, R]) -> Generator[Y, S, R]:
        """The same generator; the span lasts until it returns, raises or is closed."""
        lasting = self._begun()
        reply: S | BaseException | None = None
        try:
            while True:
                # Only while a step is made: in between, the caller's code runs.
                with lasting.active():
                    step = advance(steps, reply)
                if isinstance(step, Done):
                    self._results(step.value)
                    self.end(None)
                    return cast(R, step.value)
                try:
                    reply = yield step
                except GeneratorExit:
                    raise
                except BaseException as exc:  # thrown on into the steps, whatever it is
                    reply = exc
        except BaseException as exc:  # whatever ends it, its span ends; it is raised again
            # In a block, where others may go on with the work: that ends the span.
            if not self._in_block:
                self.end(exc)
            raise
        finally:
            with lasting.active():
                steps.close()

    def end(self, error: BaseException | None) -> None:
        """End the span, once."""
        lasting = self._begun()
        if not lasting.end(error, self.about):
            return
        if duration := self.telemetry.durations.get(self.operation):
            named = ("gen_ai.tool.name", "gen_ai.workflow.name", "gen_ai.agent.name")
            about = {key: self.about[key] for key in named if key in self.about}
            if is_failure(error):
                about["error.type"] = type(error).__name__
            with quietly():
                duration.record(time.perf_counter() - lasting.started, about)

    def _begun(self) -> TimedSpan:
        if self._lasting is None:
            self._lasting = TimedSpan(self.telemetry, "INTERNAL", self.name, self.about)
        return self._lasting

    def _results(self, result: object) -> None:
        """What an Extraction or an AgentResult says of itself, without its value."""
        for name in ("model", "strategy", "cache_hit"):
            value = getattr(result, name, None)
            if isinstance(value, (str, bool)):
                self.about[f"prompture.{name}"] = value
        for name in ("attempts", "steps"):
            made = getattr(result, name, None)
            if isinstance(made, tuple):
                self.about[f"prompture.{name}"] = len(made)


def asked(driver: BaseDriver, request: Request, *, stream: bool) -> Attributes:
    """What is known before a call begins, and by what samplers decide."""
    about: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider_name(driver.provider.name),
        "gen_ai.request.model": getattr(request, "model", "") or driver.model or "",
    }
    if stream:
        about["gen_ai.request.stream"] = True
    return about if driver.runs_here else {**about, **server(driver.endpoint.base_url)}


def server(url: str) -> Attributes:
    """Host and port of a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return {}
    if not host:
        return {}
    return {"server.address": host, "server.port": port or _USUAL_PORTS.get(parts.scheme, 443)}


def options(request: Request) -> Attributes:
    """The settings of a request, where they are given."""
    found: Attributes = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop_sequences": list(request.stop) or None,
        "reasoning.level": None if request.reasoning is None else str(request.reasoning),
    }
    about = {f"gen_ai.request.{name}": value for name, value in found.items() if value is not None}
    is_json = request.schema is not None or request.json_mode
    return {**about, "gen_ai.output.type": "json" if is_json else "text"}


def answered(completion: Completion | None, bill: Bill) -> Attributes:
    """The answer without its words, and the tokens of all tries together, as they are paid for."""
    about: Attributes = {}
    usage = bill.usage
    if usage.reported:
        about["gen_ai.usage.input_tokens"] = usage.input_tokens
        about["gen_ai.usage.output_tokens"] = usage.output_tokens
        parts = {
            "cache_read.input_tokens": usage.cache_read_tokens,
            # Called so up to 1.41, and cache_write since.
            "cache_creation.input_tokens": usage.cache_write_tokens,
            "reasoning.output_tokens": usage.reasoning_tokens,
        }
        about |= {f"gen_ai.usage.{name}": count for name, count in parts.items() if count}
    if completion is None:
        return about
    if completion.model:
        about["gen_ai.response.model"] = completion.model
    if completion.raw_stop or completion.cost is not None:
        about["gen_ai.response.finish_reasons"] = [completion.stop_reason]
    if isinstance(id := completion.raw.get("id"), str) and id:
        about["gen_ai.response.id"] = id
    return about


def dollars(bill: Bill) -> Attributes:
    """What the call cost with all of its tries."""
    if not bill:
        return {}
    if bill.total is not None:
        return {"prompture.cost.usd": float(bill.total)}
    return {"prompture.cost.at_least_usd": float(bill.known), "prompture.cost.unknown": True}


def messages_json(request: Request) -> str:
    """The turns, the system's among them, in the conventions' own JSON; no bytes of pictures."""
    return _json([{"role": turn.role, "parts": _parts(turn)} for turn in request.messages])


def answer_json(completion: Completion) -> str:
    """The answer in the conventions' own JSON."""
    reason = completion.stop_reason
    answer = {
        "role": "assistant",
        "parts": _parts(completion.message()),
        "finish_reason": "tool_call" if reason == "tool_calls" else reason,
    }
    return _json([answer])


def _parts(turn: Message) -> list[Attributes]:
    if turn.role == "tool":
        return [{"type": "tool_call_response", "id": turn.call_id, "response": turn.text}]
    parts: list[Attributes] = []
    if turn.reasoning:
        parts.append({"type": "reasoning", "content": turn.reasoning})
    for part in turn.parts:
        if isinstance(part, (Text, Document)):
            parts.append({"type": "text", "content": part.text})
        else:
            parts.append({"type": "file", "mime_type": part.media_type})
    parts += [
        {
            "type": "tool_call",
            "id": c.id,
            "name": c.name,
            "arguments": c.raw_arguments if c.arguments is None else c.arguments,
        }
        for c in turn.calls
    ]
    return parts


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def clean(text: str, secrets: Iterable[str]) -> str:
    """A text for a span: without keys, and without half a surrogate pair, for which an exporter
    would drop the whole batch."""
    return scrub(text, secrets).encode("utf-8", "replace").decode()
