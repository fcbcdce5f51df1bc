"""Files of saved conversations, as commit 41810d5 wrote them, load equal and are written alike.

``python -m tests.agents.test_saved`` writes the files anew: only for a new version of the format.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from prompture.agents import storage
from prompture.agents.conversation import Conversation
from prompture.agents.storage import SavedConversation
from prompture.money import Bill, Charge, Cost, Price
from prompture.types import (
    Completion,
    Document,
    File,
    Image,
    Message,
    Native,
    Text,
    ToolCall,
    Usage,
    system,
    user,
)

SAVED = Path(__file__).parent / "saved"
USAGE = Usage(
    input_tokens=1200,
    output_tokens=80,
    cache_read_tokens=1000,
    cache_write_tokens=64,
    reasoning_tokens=33,
    requests=1,
    reported=True,
)
STATE: dict[str, Any] = {
    "model": "anthropic/claude-sonnet-4-5",
    "system": "Be brief.",
    "summary": "They spoke of cats.",
    "notes": ["2 old turns summed up by openai/gpt-5-nano", "é 漢字 \U0001f600"],
}
PARTS = (
    user("plain text, é 漢字 \U0001f600"),
    user(""),
    user([Text("look"), Text("")]),
    user([Document("a text"), Document("another", name="letter.txt")]),
    user([Image(data=b"\x89PNG\r\n\x00\xff"), Image(data=b"", media_type="image/gif")]),
    user([Image(url="https://x.test/y.png", media_type="image/jpeg", detail="low")]),
    user([File(data=b"%PDF-1.7\x00"), File(url="https://x.test/a.pdf", name="a.pdf")]),
    user([File(id="file-1", media_type="text/plain", name="b.txt")]),
    system("a system turn"),
)
NESTED = [
    {"type": "thinking", "thinking": "hm", "signature": "s=="},
    {"redacted": b"\x00\x01\xfe", "deep": [{"n": [1, 2.5, -0.0, None, True, False]}]},
    {"$bytes": "a key of theirs"},
    {"$object": {"$native": 1}},
    {"inner": Native("other", {"x": b"y"}), "long": 2**70},
]
CALLS = (
    user("go"),
    Message(
        role="assistant",
        content="I look.",
        reasoning="hm",
        calls=(
            ToolCall(id="c1", name="note", arguments={"text": "é"}, raw_arguments='{"text": "é"}'),
            ToolCall(id="c2", name="note", arguments={}),
            ToolCall(
                id="c3",
                name="note",
                arguments=None,
                raw_arguments='{"text": ',
                problem="no JSON: it breaks off",
            ),
            ToolCall(
                id="c4",
                name="count",
                arguments={"n": 1, "f": 2.5, "on": True, "none": None, "list": [{"a": [1]}]},
            ),
        ),
        native=Native("anthropic", NESTED),
    ),
    Message(role="tool", call_id="c1", name="note", content="noted é"),
    Message(
        role="tool",
        call_id="c2",
        name="note",
        content="The arguments are not valid:\n- text: missing",
        is_error=True,
    ),
    Message(role="tool", call_id="c3", content=(Text("see"), Image(data=b"\x89PNG"))),
    Message(role="tool", call_id="c4", name="count", content=""),
    Message(role="assistant", content="Done.", native=Native("calls_in_text", Native("x", None))),
    Message(role="assistant", native=Native("anthropic", "text alone")),
)
CHARGES = (
    Charge(
        provider="anthropic",
        model="claude-sonnet-4-5",
        usage=USAGE,
        cost=Cost(
            usd=Decimal("0.004512"),
            source="live",
            as_of="2026-01-31",
            saving=Decimal("-0.0001"),
            computed=Decimal("0.004512"),
            counted=(("input", 200, Price(Decimal("3"))),),
        ),
        request_id="req_1",
        seconds=1.25,
    ),
    Charge(
        provider="openai",
        model="gpt-5-nano",
        usage=Usage(requests=1),
        cost=Cost(usd=None, reason="the provider stated no usage"),
        status="error",
        note="503 Overloaded",
    ),
    Charge(provider="local", model="rules", usage=USAGE, cost=Cost(usd=Decimal(0), source="local")),
)
FILES: dict[str, tuple[dict[str, Any], tuple[Message, ...], Bill]] = {
    "empty": ({"model": "openai/gpt-5", "system": "", "summary": "", "notes": []}, (), Bill()),
    "parts": (STATE, PARTS, Bill()),
    "calls": (STATE, CALLS, Bill(CHARGES)),
}


def path_of(name: str) -> Path:
    return SAVED / f"version_1_{name}.json"


def saved(name: str) -> SavedConversation:
    state, messages, bill = FILES[name]
    return SavedConversation(**state, messages=messages, bill=bill)


def as_loaded(bill: Bill) -> Bill:
    """A charge's lines by bucket, and our own figure beside a stated one, are not restored."""
    return Bill(
        tuple(replace(c, cost=replace(c.cost, counted=(), computed=None)) for c in bill.charges)
    )


@pytest.mark.parametrize("name", FILES)
def test_a_saved_file_loads_equal(name: str) -> None:
    found, wanted = storage.load(path_of(name).read_bytes()), saved(name)
    assert found == replace(wanted, bill=as_loaded(wanted.bill))
    assert repr(found.messages) == repr(wanted.messages)  # -0.0 and 1.0 are equal to others


@pytest.mark.parametrize("name", FILES)
def test_what_was_loaded_is_written_as_it_was(name: str) -> None:
    text = path_of(name).read_text(encoding="utf-8")
    written = json.loads(text)
    assert json.loads(storage.dump(saved(name))) == written
    again = json.loads(storage.dump(storage.load(text)))
    for row in (*written["charges"], *again["charges"]):
        for name in ("lines", "computed_usd"):
            del row["cost"][name]
    assert again == written


@pytest.mark.parametrize("name", FILES)
def test_a_conversation_is_made_of_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    state, messages, bill = FILES[name]
    talk = Conversation.load(path_of(name))
    assert talk.messages == messages
    assert talk.bill == as_loaded(bill)
    assert (talk.model, talk.system, talk.summary) == (
        state["model"],
        state["system"],
        state["summary"],
    )
    assert talk.notes == state["notes"]


def test_every_field_of_a_message_is_in_the_files() -> None:
    """A field that is added to a message is saved, too, or this fails."""
    every = [message for _, messages, _ in FILES.values() for message in messages]
    plain = Message(role="user")
    for name in Message.__dataclass_fields__:
        assert any(getattr(m, name) != getattr(plain, name) for m in every), name
    assert Completion().message() == Message(role="assistant")


def write() -> None:
    SAVED.mkdir(exist_ok=True)
    for name in FILES:
        path_of(name).write_text(storage.dump(saved(name)), encoding="utf-8")


if __name__ == "__main__":
    write()
