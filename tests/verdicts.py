"""Each recorded call through both colours of its driver, against what its body says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prompture.errors import PromptureError, ProtocolError
from tests import playback
from tests.playback import Outcome, Speech
from tests.readers import Said, faults
from tests.recordings import Case, Got, Interaction


@dataclass(frozen=True, slots=True)
class Verdict:
    """``problems`` is None where no driver speaks the endpoint, and empty where all is well."""

    case: Case
    number: int
    problems: tuple[str, ...] | None


def verdicts(cases: list[Case]) -> Iterator[Verdict]:
    for case in cases:
        for number, exchange in enumerate(case.interactions):
            yield Verdict(case, number, problems_of(case.provider, exchange))


def problems_of(provider: str, exchange: Interaction) -> tuple[str, ...] | None:
    speech = playback.speech_of(provider, exchange)
    if speech is None:
        return None
    sync, aio = playback.play(provider, speech, exchange.response)
    found = [*_colours(sync, aio), *_sent(sync, aio, exchange)]
    got = exchange.response
    if got.status >= 400:
        wanted = faults.expected(got.status, got.body, got.headers)
        return (*found, *_error(sync.error, wanted, got.status))
    said = playback.said_by(provider, speech, got)
    if said.error is not None:
        return (*found, *_error(sync.error, faults.expected_inside(said.error), got.status))
    if not said.ended:
        return (*found, *([] if sync.error else ["a cut stream raised nothing"]))
    if sync.completion is None:
        if speech.streamed and type(sync.error) is ProtocolError and _is_empty(said):
            return tuple(found)  # an end without an answer, nor a word of why
        return (*found, f"raised {type(sync.error).__name__}: {sync.error}")
    return (*found, *differences(sync, said, speech, got))


def _is_empty(said: Said) -> bool:
    return not (said.text or said.reasoning or said.refusal or said.calls or said.output)


def _colours(sync: Outcome, aio: Outcome) -> Iterator[str]:
    if sync.answer != aio.answer:
        yield f"the colours differ: {str(sync.answer)[:200]} and {str(aio.answer)[:200]}"


def _sent(sync: Outcome, aio: Outcome, exchange: Interaction) -> Iterator[str]:
    wanted = playback.address(exchange.request.url)
    for outcome in (sync, aio):
        if [playback.address(url) for url in outcome.sent] != [wanted]:
            yield f"sent to {outcome.sent}, recorded {exchange.request.url}"


def _error(error: PromptureError | None, wanted: str, status: int) -> Iterator[str]:
    if type(error).__name__ != wanted:
        yield f"raised {error!r}, not {wanted}"
    elif getattr(error, "status", None) != status:
        yield f"status {getattr(error, 'status', None)}, not {status}"
    if playback.KEY in f"{error!r}{error}":
        yield "the key stands in the error"


def differences(outcome: Outcome, said: Said, speech: Speech, got: Got) -> Iterator[str]:
    """Where a completion is not what the body says."""
    found = outcome.completion
    assert found is not None
    usage = found.usage
    pairs: dict[str, tuple[Any, Any]] = {
        "text": (found.text, said.text),
        "refusal": (found.refusal or "", said.refusal),
        "stop": (found.stop_reason, said.stop),
        "model": (found.model, said.model or speech.model),
        "input": (usage.input_tokens, said.input),
        "output": (usage.output_tokens, said.output),
        "cache reads": (usage.cache_read_tokens, said.read),
        "cache writes": (usage.cache_write_tokens, said.written),
        "calls": (
            [
                (c.name, c.raw_arguments if c.arguments is None else c.arguments)
                for c in found.tool_calls
            ],
            [(name, _parsed(text)) for name, text in said.calls],
        ),
    }
    if said.cost is not None:
        pairs["cost"] = (float(usage.stated_cost or 0), said.cost)
    if speech.dialect in ("chat", "anthropic", "ollama"):
        pairs["reasoning"] = (found.reasoning, said.reasoning)
    if speech.streamed:
        pairs["deltas"] = ("".join(d.text for d in outcome.deltas), found.text)
    for name, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield f"{name}: {str(ours)[:100]!r}, the body says {str(theirs)[:100]!r}"


def _parsed(text: str) -> Any:
    try:
        return (json.loads(text) or {}) if text.strip() else {}
    except ValueError:
        return text
