"""A key planted wherever a key can come from is found nowhere that people or files get to see.

Sources: the argument, the environment, headers, the URL's query and password, a proxy's password, and
a server that repeats all it was sent, in bodies, headers, redirects, streams and lists of models.
Places: messages, reprs, tracebacks with locals, log lines and their fields at DEBUG, spans, metrics,
bills, ledgers, kept lists of models, cassettes, hooks' view, the command line.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import prompture
from prompture import catalog
from prompture.catalog.synced import VARIABLE
from prompture.cli import app, console
from prompture.drivers.telemetry import instrument, uninstrument
from prompture.spend.ledger import Ledger
from tests.cassette import recording
from tests.drivers.colours import COLOURS, Colour, quick
from tests.loopback import Asked, Reply, json_reply, serving

CANARY = "cnry+Z7q/9xT2-wq0_LmB4vKd8Rs6Yp1"
FORMS = (CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode()[:36])
DOCUMENT = "Total: 12.50"
ANSWER = {
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": '{"total": 12.5}'},
         "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}  # fmt: skip


class Seen:
    """All that was shown, by its place."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, place: str, value: object) -> None:
        text = value if isinstance(value, str) else f"{value!s} {value!r}"
        self.texts[place] = self.texts.get(place, "") + text

    def error(self, place: str, error: BaseException) -> None:
        self.add(place, error)
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        # Locals of the test's own frames and of the transports' packages are not ours.
        shown.stack = traceback.StackSummary.from_list(
            [f for f in shown.stack if "/prompture/" in f.filename and "/tests/" not in f.filename]
        )
        self.add(place, "".join(shown.format()))
        self.add(place, repr({k: v for k, v in vars(error).items() if k != "__cause__"}))
        if error.__cause__ is not None:
            self.add(place, error.__cause__)

    def check(self) -> None:
        found = {
            place: text[max(0, at - 60) : at + 60]
            for place, text in self.texts.items()
            for form in FORMS
            if (at := text.find(form)) >= 0
        }
        assert not found
        assert len(self.texts) > 10


def repeating(asked: Asked) -> Reply:
    """A server that says all it was sent, in one way after the other."""
    said = f"{asked.method} {asked.path} {dict(asked.headers)}"
    body = asked.json() if asked.body else {}
    way = str(body.get("user", ""))
    key = asked.headers.get("authorization", "")
    marked = {"x_request_id": key[:60], "set_cookie": f"k={CANARY}"}
    if asked.method == "GET":
        return json_reply({"data": [{"id": "m", "owned_by": said}]}, **marked)
    if way == "401":
        return json_reply({"error": {"message": said, "code": key}}, status=401, **marked)
    if way == "html":
        return Reply(status=502, body=f"<html>{said}".encode(), headers={"content-type": key[:40]})
    if way == "broken":
        return Reply(body=f"{said}".encode())
    if way == "redirect":
        return Reply(status=307, headers={"location": f"http://127.0.0.1:9/?key={CANARY}"})
    if way == "within":
        return json_reply({"error": {"message": said, "code": "server_error"}})
    if way == "cut":
        return Reply(body=b'{"a": "' + said.encode(), cut=20)
    if way == "stop":
        choice = {**ANSWER["choices"][0], "finish_reason": key}  # type: ignore[index]
        return json_reply({**ANSWER, "choices": [choice]}, **marked)
    if body.get("stream"):
        event = json.dumps({"error": {"message": said}})
        start = json.dumps({"choices": [{"index": 0, "delta": {"content": "{"}}]})
        text = f"data: {start}\n\ndata: {event}\n\n"
        return Reply(body=text.encode(), headers={"content-type": "text/event-stream"})
    return json_reply(ANSWER, **marked)


WAYS = ("", "401", "html", "broken", "redirect", "within", "cut", "stop")


def planted(colour: Colour, url: str, source: str) -> Any:
    """A driver that has the canary from one source."""
    plain = {"api_key": "another-key-0123456789", "retry": quick(2)}
    if source == "argument":
        return colour.driver(url, **{**plain, "api_key": CANARY})
    if source == "header":
        return colour.driver(url, **plain, headers={"x-secret": CANARY})
    if source == "query":
        return colour.driver(f"{url}?key={quote(CANARY, safe='')}", **plain)
    if source == "password":
        at = url.replace("://", f"://user:{quote(CANARY, safe='')}@")
        return colour.driver(at, **plain)
    assert source == "environment"
    return colour.driver(url, **{**plain, "api_key": None})


SOURCES = ("argument", "header", "query", "password", "environment")


@pytest.fixture
def places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[tuple[Seen, Path]]:
    """Logs, spans, metrics, a ledger: all that looks on, and what it saw at the end."""
    seen, exporter, reader = Seen(), InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models.json"))
    catalog.reset()
    instrument(
        tracer_provider=provider,
        meter_provider=MeterProvider(metric_readers=[reader]),
        content=True,
    )
    try:
        with Ledger(tmp_path / "ledger.db"):
            yield seen, tmp_path
    finally:
        uninstrument()
        monkeypatch.delenv(VARIABLE)
        catalog.reset()
    seen.add("log", caplog.text)
    seen.add(
        "fields of the log", repr([vars(r) for r in caplog.records if r.name[:9] == "prompture"])
    )
    seen.add("spans", " ".join(span.to_json() for span in exporter.get_finished_spans()))
    metrics: Any = reader.get_metrics_data()
    seen.add("metrics", metrics.to_json())
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            seen.add(f"the file {path.name}", path.read_bytes().decode("latin-1"))
    seen.check()


def results_of(seen: Seen, colour: Colour, driver: Any, way: str, cache: Any = None) -> None:
    """An extraction and a stream; whatever comes of them is shown."""
    extractor = prompture.Extractor(
        dict[str, float], model=driver, extra={"user": way} if way else {}, cache=cache
    )

    async def stream() -> None:
        async for _ in extractor.aextract_stream(DOCUMENT):
            pass

    for asked_for in ("value", "stream"):
        try:
            if colour.name == "async":
                work = extractor.aextract_result(DOCUMENT) if asked_for == "value" else stream()
                result = colour.run(work)
            elif asked_for == "value":
                result = extractor.extract_result(DOCUMENT)
            else:
                result = list(extractor.extract_stream(DOCUMENT))
        except prompture.PromptureError as exc:
            seen.error(f"error {way} {asked_for}", exc)
            if exc.bill is not None:
                seen.add("bill", exc.bill.to_json())
            for attempt in getattr(exc, "attempts", ()):
                seen.add("attempts", attempt)
        else:
            seen.add("result", result)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", COLOURS, ids=lambda c: c.name)
def test_a_key_is_found_nowhere(
    kind: type[Colour], source: str, places: tuple[Seen, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    seen, folder = places
    with serving(repeating) as server, kind() as colour:
        driver = planted(colour, f"{server.url}/v1", source)
        for value in (driver, vars(driver), driver.endpoint, driver.route, driver.provider):
            seen.add("reprs", repr(value))
        seen.add("validate", driver.validate("hi", temprature=1, metadata={"a": "b"}))
        for way in WAYS:
            results_of(seen, colour, driver, way)
        cache = prompture.Cache(folder / "answers.db")
        for _ in range(2):
            results_of(seen, colour, driver, "", cache)
        seen.add("cache", cache)
        seen.add("health", colour.run(driver.health()))
        listed = colour.run(driver.sync_models())
        seen.add("models", listed)
        with recording(folder / "cassette.yaml", how="recorded: here", secrets=(CANARY,)):
            results_of(seen, colour, driver, "")
    # Nobody is there any more.
    with kind() as colour:
        results_of(seen, colour, planted(colour, f"{server.url}/v1", source), "")
        seen.add("health", colour.run(planted(colour, f"{server.url}/v1", source).health()))
    printed = capsys.readouterr()
    seen.add("printed", printed.out + printed.err)


def test_the_command_line(
    places: tuple[Seen, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, folder = places
    (folder / "a.txt").write_text(DOCUMENT)
    commands = (
        ["check", "openai"],
        ["models", "--sync", "openai"],
        ["extract", str(folder / "a.txt"), "-s", "total: number", "-m", "openai/gpt-4o-mini"],
        ["providers"],
        ["providers", "-f", "json"],
    )
    with serving(repeating) as server:
        for url in (f"{server.url}/v1", f"{server.url}/v1?key={quote(CANARY, safe='')}"):
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            for words in commands:
                monkeypatch.setattr(sys, "argv", ["prompture", "-vv", *words])
                console.run(app)
                printed = capsys.readouterr()
                seen.add(f"prompture {words[0]}", printed.out + printed.err)
    for extra in range(8):  # the check wants many places; here they are few
        seen.add(f"nothing {extra}", "")


@pytest.mark.parametrize("kind", COLOURS, ids=lambda c: c.name)
def test_a_proxys_password(
    kind: type[Colour], places: tuple[Seen, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, _ = places
    monkeypatch.setenv("http_proxy", f"http://user:{quote(CANARY, safe='')}@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with kind() as colour:
        driver = colour.driver("http://example.invalid/v1", api_key="k", retry=quick(1))
        results_of(seen, colour, driver, "")
        seen.add("health", colour.run(driver.health()))
    for extra in range(8):
        seen.add(f"nothing {extra}", "")


def test_a_config_file(tmp_path: Path) -> None:
    """A key does not belong into it: the error that says so does not repeat it."""
    file = tmp_path / "prompture.toml"
    for line in (
        f'api_key = "{CANARY}"',
        f'key_env = ["{CANARY}", 3]',
        f'headers = {{ x = "{CANARY}\\n" }}',
    ):
        file.write_text(f'[providers.own]\nbase_url = "http://127.0.0.1:9"\n{line}\n')
        try:
            prompture.configure(file)
        except prompture.ConfigurationError as exc:
            # Without locals: the file's own text is among those.
            assert CANARY not in "".join(traceback.format_exception(exc))


def test_the_check_finds_one() -> None:
    seen = Seen()
    for place in range(12):
        seen.add(str(place), "")
    for form in FORMS:
        seen.texts["here"] = io.StringIO(f"x {form} y").getvalue()
        with pytest.raises(AssertionError):
            seen.check()
