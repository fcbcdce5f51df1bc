"""Every real recording through the real drivers, in both colours.

The expected text, calls, stop reason and usage come from readers of the tests' own
(``tests/readers``). Bodies are served through requests' and httpx2's own response classes; a
sample goes through vcrpy as well. ``make recordings`` prints the same check as a table.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import cache
from typing import Any

import pytest
import vcr

from prompture.drivers.classes import async_driver_for, driver_for
from tests import playback
from tests.playback import Speech
from tests.recordings import FOLDER, Case, Interaction, cases
from tests.verdicts import verdicts

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("shared")]
PROVIDERS = sorted({case.provider for case in cases()})
NOT_SPOKEN = {
    "bedrock": "/model/{model}/invoke",
    "cohere": "/v1/chat",
    "dashscope": "/api/v1/services/aigc/",
    "lmstudio": "/api/v0/chat/completions",
    "ollama": "/api/generate",
}
"""Endpoints that no driver of ours speaks, by provider: older or native dialects beside the ones
that are spoken."""


@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider(provider: str) -> None:
    wrong, spoken = [], 0
    for verdict in verdicts(cases(provider=provider)):
        if verdict.problems is None:
            assert verdict.case.endpoint.startswith(NOT_SPOKEN[provider]), verdict.case
            continue
        spoken += 1
        if verdict.problems:
            wrong.append(f"{verdict.case} [{verdict.number}]: {'; '.join(verdict.problems)}")
    assert spoken
    assert not wrong, "\n".join(wrong)


def test_enough_is_there() -> None:
    counts = Counter(case.provider for case in cases())
    assert len(counts) >= 25
    assert sum(counts.values()) > 2000


@cache
def sample() -> list[tuple[Case, Interaction, Speech]]:
    """Cases of one call each: one a provider, dialect and outcome, where VCR can match it."""
    found: dict[tuple[Any, ...], tuple[Case, Interaction, Speech]] = {}
    for case in cases():
        if case.row["n_interactions"] != 1:
            continue
        (exchange,) = case.interactions
        speech = playback.speech_of(case.provider, exchange)
        if speech is None or "%24alt" in exchange.request.url:
            continue
        outcome = "error" if exchange.response.status >= 400 else speech.streamed
        found.setdefault((case.provider, speech.dialect, outcome), (case, exchange, speech))
    return list(found.values())


@pytest.mark.parametrize(
    ("case", "exchange", "speech"), sample(), ids=lambda v: str(v) if isinstance(v, Case) else ""
)
def test_through_vcr(case: Case, exchange: Interaction, speech: Speech) -> None:
    """The same outcome as without it, over the drivers' own sessions and pools."""
    plain = playback.play(case.provider, speech, exchange.response)
    tape = vcr.VCR(record_mode="none", match_on=["method", "scheme", "host", "port", "place"])
    tape.register_matcher("place", _same_place)
    name = f"{case.provider}/{speech.model}"
    with tape.use_cassette(str(FOLDER / case.file)):
        driver: Any = driver_for(name, **playback.settings_for(speech))
        assert playback.ask(driver, speech).answer == plain[0].answer
    with tape.use_cassette(str(FOLDER / case.file)):
        adriver: Any = async_driver_for(name, **playback.settings_for(speech))
        assert asyncio.run(playback.aask(adriver, speech)).answer == plain[1].answer


def _same_place(ours: Any, recorded: Any) -> None:
    """As VCR's path and query, but for what a client may write otherwise (see ``address``)."""
    assert playback.address(ours.uri) == playback.address(recorded.uri)
