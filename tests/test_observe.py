"""The one helper of the log: its lines, its fields, and what is never in them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from prompture import observe
from prompture.errors import RateLimitError
from prompture.observe import note

SECRET = "the patient's name"
WAITS = "%(provider)s: again in %(seconds).1f s (%(error)s)"


def refused() -> RateLimitError:
    return RateLimitError(SECRET, provider="openai", status=429)


def test_the_fields_are_attributes_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="prompture")
    note("retry", WAITS, error=refused(), provider="openai", model="m", seconds=1.25, attempt=1)
    record: Any = caplog.records[0]
    assert record.getMessage() == "openai: again in 1.2 s (RateLimitError)"
    assert (record.name, record.levelname) == ("prompture", "INFO")
    assert (record.event, record.provider, record.model) == ("retry", "openai", "m")
    assert (record.seconds, record.attempt, record.error, record.status) == (
        *(1.25, 1),
        *("RateLimitError", 429),
    )
    assert record.filename == "test_observe.py"
    assert SECRET not in str(vars(record))


def test_every_field_may_be_given(caplog: pytest.LogCaptureFixture) -> None:
    """None is a name that ``logging`` keeps for itself: those raise KeyError."""
    caplog.set_level(logging.INFO, logger="prompture")
    fields: Any = dict.fromkeys(observe.Fields.__annotations__, 1)
    note("call", "all", **fields)
    assert all(getattr(caplog.records[0], name) == 1 for name in fields)


def test_nothing_is_made_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nobody looks")

    monkeypatch.setattr(observe.log, "log", never)
    monkeypatch.setattr(observe.log, "isEnabledFor", lambda level: False)
    note("wait", "%(why)s", why="a limit")


def test_a_span_gets_the_event_also_without_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    class Span:
        def __init__(self) -> None:
            self.events: list[tuple[str, dict[str, Any]]] = []

        def event(self, name: str, fields: dict[str, Any]) -> None:
            self.events.append((name, fields))

    one, other = Span(), Span()
    note("wait", "%(why)s", why="a limit", span=one)
    monkeypatch.setattr(observe, "current", other)
    note("cache_hit", "%(model)s", model="m")
    assert one.events == [("wait", {"why": "a limit"})]
    assert other.events == [("cache_hit", {"model": "m"})]
