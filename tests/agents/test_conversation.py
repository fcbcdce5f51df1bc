"""Conversations: history, its limits, switching, forks, files."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.agents import storage
from prompture.agents.agent_options import (
    TRANSCRIPT_CHARS,
    drop_oldest,
    exchanges,
    size,
    transcript,
)
from prompture.agents.conversation import Conversation
from prompture.agents.events import Final, TextDelta, ToolStarted
from prompture.agents.resumption import WaitingForApproval
from prompture.agents.storage import SavedConversation
from prompture.agents.tools import LATER, tool
from prompture.catalog import Rates
from prompture.codecs.histories import portable
from prompture.drivers.meter import Meter
from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    RateLimitError,
    StepLimitExceeded,
    TimeLimitExceeded,
)
from prompture.money import Bill, Charge, Cost
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import (
    Completion,
    Document,
    File,
    Image,
    Message,
    Native,
    Request,
    Text,
    ToolCall,
    Usage,
    user,
)
from tests.agents.both import Colour, call, colours

RATES = Rates(input=Decimal(1), output=Decimal(2))
PAID = Usage(input_tokens=1000, output_tokens=500, requests=1, reported=True)


def paid(text: str, stop: Any = "stop") -> Completion:
    return Completion(text=text, usage=PAID, stop_reason=stop)


def note(text: str) -> str:
    """Note it down."""
    return f"noted {text}"


def talk(colour: Colour, answers: Any, **options: Any) -> Conversation:
    given = {k: options.pop(k) for k in ("prices", "model_name") if k in options}
    settings = {"prices": given.get("prices"), "model": given.get("model_name", "scripted")}
    return Conversation(colour.drive(answers, **settings), **options)


def said(colour: Colour) -> list[tuple[str, str]]:
    return [(m.role, m.text) for m in colour.driver.requests[-1].messages]


@colours
def test_it_remembers(colour: Colour) -> None:
    conversation = talk(
        colour,
        [paid("one"), [call("note", text="x")], paid("two")],
        system="Be brief.",
        tools=[note],
        prices=RATES,
    )
    assert colour.say(conversation, "first") == "one"
    assert colour.say(conversation, "second") == "two"
    assert said(colour) == [
        ("system", "Be brief."),
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
        ("assistant", ""),
        ("tool", "noted x"),
    ]
    assert [m.role for m in conversation.messages][-1] == "assistant"
    assert conversation.bill.total == Decimal("0.004")
    assert conversation.last is not None and conversation.last.output == "two"
    assert len(conversation.last.steps) == 2
    assert conversation.usage.total_tokens == 3000


@colours
def test_it_streams(colour: Colour) -> None:
    conversation = talk(colour, ["a longer answer"])
    events = colour.look(conversation, "hi")
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "a longer answer"
    assert isinstance(events[-1], Final)
    assert [m.text for m in conversation.messages] == ["hi", "a longer answer"]


@colours
def test_parts_may_be_said(colour: Colour) -> None:
    conversation = talk(colour, ["a cat"])
    colour.say(conversation, ["What is it?", Image(url="https://x/y.png")])
    assert conversation.messages[0].content == (Text("What is it?"), Image(url="https://x/y.png"))


@colours
def test_a_turn_that_fails_leaves_it_as_it_was(colour: Colour) -> None:
    busy = RateLimitError("busy", provider="scripted", status=429)
    calls = Completion(tool_calls=(call("note", text="x"),), stop_reason="tool_calls", usage=PAID)
    conversation = talk(colour, [paid("one"), calls, busy, paid("two")], tools=[note], prices=RATES)
    colour.say(conversation, "first")
    before = conversation.messages
    with pytest.raises(RateLimitError):
        colour.say(conversation, "second")
    assert conversation.messages == before
    assert conversation.bill.known == Decimal("0.004")
    assert colour.say(conversation, "again") == "two"
    assert [m.text for m in conversation.messages] == ["first", "one", "again", "two"]


@colours
def test_limits_are_the_agents(colour: Colour) -> None:
    def endless(request: Request) -> Any:
        return [call("note", str(len(request.messages)), text="x")]

    conversation = talk(colour, endless, tools=[note], max_steps=2)
    with pytest.raises(StepLimitExceeded):
        colour.say(conversation, "go")
    assert conversation.messages == ()


def turn(n: int) -> list[Message]:
    made = ToolCall(id=f"c{n}", name="note", arguments={"text": "x"})
    return [
        user(f"question {n} " + "word " * 50),
        Message(role="assistant", calls=(made,)),
        Message(role="tool", call_id=f"c{n}", name="note", content="noted " * 50),
        Message(role="assistant", content=f"answer {n}"),
    ]


@pytest.mark.parametrize("keep", [1, 100, 250, 10_000])
def test_the_oldest_go_first_and_calls_keep_their_results(keep: int) -> None:
    messages = [m for n in range(5) for m in turn(n)]
    found = drop_oldest(messages, tokens=keep, model="openai/gpt-5")
    assert [*found.dropped, *found.kept] == messages
    assert found.kept[0].role == "user"
    assert len(found.kept) % 4 == 0
    kept = sum(size(m, "openai/gpt-5") for m in found.kept)
    assert kept <= keep or len(found.kept) == 4
    if found.dropped:
        one_more = found.dropped[-4:]
        assert kept + sum(size(m, "openai/gpt-5") for m in one_more) > keep


roles = st.lists(st.sampled_from(["user", "assistant", "tool"]), max_size=20)


@given(roles, st.integers(1, 200))
@settings(max_examples=50)
def test_cutting_loses_nothing(kinds: list[Any], tokens: int) -> None:
    messages = [Message(role=k, content=f"{i} words") for i, k in enumerate(kinds)]
    found = drop_oldest(messages, tokens=tokens, model="m")
    assert [*found.dropped, *found.kept] == messages
    assert [m for group in exchanges(messages) for m in group] == messages


@colours
def test_history_is_limited_by_tokens(colour: Colour) -> None:
    conversation = talk(
        colour, [f"answer {n} " + "word " * 40 for n in range(6)], max_history_tokens=150
    )
    for n in range(6):
        colour.say(conversation, f"question {n}")
    sent = [text for role, text in said(colour) if role == "user"]
    assert sent[-1] == "question 5"
    assert 1 < len(sent) < 5
    assert conversation.messages[0].role == "user"
    assert "old turns dropped" in conversation.notes[0]
    assert len(conversation.messages) < 12


@colours
def test_what_is_dropped_may_be_summed_up(colour: Colour) -> None:
    cheap = Colour(colour.name)
    helper = cheap.drive([paid("They spoke of cats."), paid("Of cats and dogs.")], prices=RATES)
    conversation = talk(
        colour,
        [f"answer {n} " + "word " * 60 for n in range(4)],
        system="Be brief.",
        max_history_tokens=120,
        summary_model=helper,
    )
    for n in range(4):
        colour.say(conversation, f"question {n}")
    assert conversation.summary == "Of cats and dogs."
    roles_and_texts = said(colour)
    assert roles_and_texts[0] == ("system", "Be brief.")
    assert "Of cats and dogs." in roles_and_texts[1][1]
    first, second = cheap.driver.requests[:2]
    assert "question 0" in first.messages[-1].text
    assert "They spoke of cats." in second.messages[-1].text
    assert conversation.bill.known == Decimal("0.004")
    assert all(m.role != "system" for m in conversation.messages)


@colours
def test_a_summary_that_fails_is_noted(colour: Colour) -> None:
    busy = RateLimitError("busy", provider="scripted", status=429)
    helper = Colour(colour.name).drive([busy, busy, busy])
    conversation = talk(colour, ["word " * 90] * 3, max_history_tokens=50, summary_model=helper)
    for n in range(3):
        colour.say(conversation, f"question {n}")
    assert "without a summary (RateLimitError)" in conversation.notes[0]
    assert conversation.summary == ""


class Stop(Meter):
    def __init__(self, calls: int) -> None:
        self.left = calls

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        if not self.left:
            raise BudgetExceeded("no more", spent=Decimal(0), asked=None)
        self.left -= 1
        return request, None


@colours
def test_the_budget_watches_summaries_too(colour: Colour) -> None:
    helper = Colour(colour.name).drive(["short"])
    conversation = talk(
        colour, ["word " * 90] * 3, max_history_tokens=50, summary_model=helper, budget=Stop(1)
    )
    colour.say(conversation, "question")
    with pytest.raises(BudgetExceeded):
        colour.say(conversation, "question")
    assert helper.requests == [] or len(conversation.messages) == 2


@colours
def test_an_amount_of_dollars_outlives_a_switch(colour: Colour) -> None:
    conversation = talk(colour, ["one", "two"], budget="0.5")
    assert conversation._agent._settings.budget is conversation._options["budget"]
    budget = conversation._agent._settings.budget
    conversation.switch(colour.drive(["three"]))
    assert conversation._agent._settings.budget is budget
    assert conversation.fork()._agent._settings.budget is budget


def test_a_transcript_is_bounded() -> None:
    text = transcript([user("x" * 150_000), user("y" * 150_000), *turn(1)])
    assert len(text) < TRANSCRIPT_CHARS + 100
    assert "the middle is left out" in text
    short = transcript([*turn(1), user([Text("look"), Image(url="u")])])
    assert "Assistant calls note(" in short and "Result of note: noted" in short
    assert "[1 picture" in short


NATIVE = Native("scripted", {"signature": "s=="})
SIGNED = Completion(text="one", native=NATIVE)


@colours
def test_switching_drops_what_only_the_old_provider_understands(colour: Colour) -> None:
    conversation = talk(colour, [SIGNED, SIGNED], model_name="old")
    colour.say(conversation, [Text("read"), File(id="file-1", name="a.pdf")])
    colour.say(conversation, "again")
    assert colour.driver.requests[-1].messages[1].native == NATIVE
    same = colour.drive([], model="old")
    assert conversation.switch(same) == []
    assert conversation.messages[1].native == NATIVE
    notes = conversation.switch(colour.drive(["two"], model="new"))
    assert "scripted/old -> scripted/new: 2 turns" in notes[0]
    assert "1 turns lost files" in notes[1]
    assert conversation.notes == notes
    assert colour.say(conversation, "go on") == "two"
    messages = colour.driver.requests[-1].messages
    assert all(m.native is None for m in messages)
    assert "'a.pdf' was uploaded to another provider" in messages[0].text


def test_a_portable_turn_is_left_alone() -> None:
    plain = (user("a"), Message(role="assistant", content="b", reasoning="c"))
    found = portable(plain)
    assert (found.messages, found.natives, found.files) == (plain, 0, 0)


@colours
def test_a_fork_goes_its_own_way(colour: Colour) -> None:
    conversation = talk(colour, ["one", "two", "three"], system="s")
    colour.say(conversation, "first")
    other = conversation.fork()
    colour.say(other, "second")
    colour.say(conversation, "third")
    assert [m.text for m in conversation.messages] == ["first", "one", "third", "three"]
    assert [m.text for m in other.messages] == ["first", "one", "second", "two"]
    assert (other.system, len(other.bill.charges)) == ("s", 1)


@colours
def test_clearing(colour: Colour) -> None:
    conversation = talk(colour, ["one", "two"])
    colour.say(conversation, "first")
    conversation.clear()
    colour.say(conversation, "second")
    assert said(colour) == [("user", "second")]
    assert len(conversation.bill.charges) == 2


# Files


@colours
def test_saving_and_loading(colour: Colour, tmp_path: Path) -> None:
    signed = Completion(
        text="",
        reasoning="hm",
        native=Native("scripted", [{"type": "thinking", "signature": "s=="}]),
        tool_calls=(call("note", text="é"),),
        stop_reason="tool_calls",
        usage=PAID,
    )
    conversation = talk(
        colour, [signed, paid("one")], system="Be brief.", tools=[note], prices=RATES
    )
    colour.say(conversation, ["look", Image(data=b"\x89PNG", media_type="image/png")])
    path = tmp_path / "talk.json"
    conversation.save(path)
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert (saved["format"], saved["version"]) == ("prompture.conversation", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["talk.json"]
    again = Conversation.load(path, model=colour.drive(["two"]), tools=[note])
    assert again.messages == conversation.messages
    assert again.system == "Be brief."
    assert again.bill.total == conversation.bill.total == Decimal("0.004")
    assert again.usage.total_tokens == 3000
    kept = json.loads(again.to_json())
    assert kept.pop("charges")[0]["seconds"] == saved.pop("charges")[0]["seconds"]
    assert {**kept, "model": ""} == {**saved, "model": ""}
    assert colour.say(again, "go on") == "two"
    assert colour.driver.requests[-1].messages[2].native == signed.native


def test_loading_for_another_model_switches() -> None:
    conversation = Conversation(ScriptedDriver([SIGNED], model="old"))
    conversation.say("hi")
    again = Conversation.from_json(conversation.to_json(), model=ScriptedDriver([], model="new"))
    assert [m.native for m in again.messages] == [None, None]
    assert "scripted/old -> scripted/new" in again.notes[0]


def test_a_saved_name_is_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    conversation = Conversation("openai/gpt-5", system="s")
    text = conversation.to_json()
    assert "sk-secret" not in text
    assert Conversation.from_json(text).model == "openai/gpt-5"


payloads = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.binary(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "$bytes", "$native", "$object"]), inner, max_size=3
        )
        | st.builds(Native, st.just("inner"), inner)
    ),
    max_leaves=10,
)
parts = st.one_of(
    st.builds(Text, st.text(max_size=10)),
    st.builds(Document, st.text(max_size=10), st.text(max_size=5)),
    st.builds(Image, data=st.binary(max_size=5), detail=st.sampled_from([None, "low"])),
    st.builds(Image, url=st.just("https://x/y.png")),
    st.builds(File, id=st.just("file-1")),
    st.builds(File, data=st.binary(max_size=5), name=st.sampled_from(["a.pdf", ""])),
)
tool_calls = st.builds(
    ToolCall,
    id=st.text(max_size=5),
    name=st.sampled_from(["a", "b"]),
    arguments=st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    raw_arguments=st.text(max_size=5),
    problem=st.none() | st.text(max_size=5),
)
messages = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "tool", "system"]),
    content=st.text(max_size=10) | st.lists(parts, max_size=3).map(tuple),
    calls=st.lists(tool_calls, max_size=2).map(tuple),
    call_id=st.none() | st.text(max_size=5),
    name=st.none() | st.text(max_size=5),
    is_error=st.booleans(),
    reasoning=st.text(max_size=5),
    native=st.none() | st.builds(Native, st.just("d"), payloads),
)


@given(st.lists(messages, max_size=3))
@settings(max_examples=100)
def test_every_message_survives(rows: list[Message]) -> None:
    saved = SavedConversation(model="m", messages=tuple(rows))
    assert storage.load(storage.dump(saved)) == saved


def dumped(*messages: Message) -> str:
    return storage.dump(SavedConversation(messages=messages))


def test_what_json_cannot_say_is_told_when_it_is_saved() -> None:
    native = Native("odd", {"n": float("inf")})
    with pytest.raises(ConfigurationError, match="cannot be saved"):
        dumped(Message(role="assistant", content="a", native=native))


def test_charges_survive() -> None:
    unknown = Charge(
        provider="p", model="m", usage=PAID, cost=Cost(usd=None, reason="no price"), status="error"
    )
    known = Charge(
        provider="p",
        model="m",
        usage=PAID,
        cost=Cost(usd=Decimal("0.000123"), source="live", saving=Decimal("-0.1")),
        request_id="r",
    )
    bill = storage.load(storage.dump(SavedConversation(bill=Bill((unknown, known))))).bill
    assert [c.cost.usd for c in bill.charges] == [None, Decimal("0.000123")]
    assert [c.cost.reason for c in bill.charges] == ["no price", ""]
    assert bill.charges[1].cost.saving == Decimal("-0.1")
    assert bill.usage.input_tokens == 2000
    assert [line.bucket for line in bill.lines] == ["unknown", "whole call"]


def test_what_no_json_can_hold_is_refused() -> None:
    odd = Message(role="assistant", native=Native("d", {"x": object()}))
    with pytest.raises(ConfigurationError, match="object"):
        dumped(odd)


def _changed(change: Callable[[Any], Any]) -> str:
    body = {
        "format": "prompture.conversation",
        "version": 1,
        "model": "openai/gpt-5",
        "system": "",
        "summary": "",
        "notes": [],
        "messages": [{"role": "user", "content": "hi"}],
        "charges": [],
    }
    change(body)
    return json.dumps(body)


def _set(*path: Any) -> Callable[[Any], Any]:
    def change(body: Any) -> None:
        *keys, last, value = path
        for key in keys:
            body = body[key]
        body[last] = value

    return change


def _charged(*, usd: str = "0.1", tokens: int = 1) -> dict[str, Any]:
    named = {"provider": "openai", "model": "gpt-5", "status": "ok", "seconds": 1.0}
    return {**named, "usage": {"input_tokens": tokens}, "cost": {"usd": usd}}


BAD_FILES: list[tuple[Any, str]] = [
    ("", "not JSON"),
    ("[]", "no saved conversation"),
    ("{}", "no saved conversation"),
    ("[" * 100_000, "not JSON"),
    (b"\x80\x04K\x01.", "not JSON"),
    (_changed(_set("version", 2)), "version 2"),
    (_changed(_set("messages", {})), "/messages: must be a valid array"),
    (_changed(_set("messages", [5])), "/messages/0: must be an object"),
    (_changed(_set("messages", 0, "role", "robot")), "/messages/0/role"),
    (_changed(_set("messages", 0, "content", 5)), "/messages/0/content"),
    (
        _changed(_set("messages", 0, "content", [{"type": "sound"}])),
        "/messages/0/content/0: must have a type: text",
    ),
    (
        _changed(_set("messages", 0, "content", [{"type": "image", "media_type": "i"}])),
        "exactly one",
    ),
    (
        _changed(
            _set("messages", 0, "content", [{"type": "image", "media_type": "i", "data": "?"}])
        ),
        "base64",
    ),
    (_changed(_set("messages", 0, "calls", [{"id": 1}])), "/messages/0/calls/0/id"),
    (_changed(_set("messages", 0, "native", [])), "/messages/0/native"),
    (_changed(_set("charges", [{"provider": "p", "model": "m"}])), "/charges/0/usage"),
    (_changed(_set("charges", [_charged(usd="NaN")])), "/charges/0/cost/usd"),
    (_changed(_set("charges", [_charged(usd="-5")])), "/charges/0/cost/usd"),
    (_changed(_set("charges", [_charged(usd="1E+999")])), "/charges/0/cost/usd"),
    (_changed(_set("charges", [_charged(tokens=-1)])), "/charges/0/usage/input_tokens"),
    ('{"format": "prompture.conversation", "version": 1, "notes": NaN}', "not JSON"),
    (_changed(_set("model", 5)), "/model: must be a valid string"),
    (_changed(_set("notes", [5])), "/notes"),
]


@pytest.mark.parametrize(("text", "words"), BAD_FILES)
def test_bad_files_say_where(text: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Conversation.from_json(text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json"):
        Conversation.load(tmp_path / "none.json")


def test_bad_arguments() -> None:
    with pytest.raises(ConfigurationError, match="Agent"):
        Conversation(ScriptedDriver([]), output=int)
    with pytest.raises(ConfigurationError, match="max_history_tokens"):
        Conversation(ScriptedDriver([]), max_history_tokens=0)


def test_cancelling_leaves_it_as_it_was() -> None:
    async def go() -> Conversation:
        begun = asyncio.Event()

        async def slow() -> None:
            begun.set()
            await asyncio.get_running_loop().create_future()

        script = [Completion(tool_calls=(call("slow"),), stop_reason="tool_calls", usage=PAID)]
        conversation = Conversation(AsyncScriptedDriver(script, prices=RATES), tools=[slow])
        task = asyncio.create_task(conversation.asay("hi"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return conversation

    conversation = asyncio.run(go())
    assert conversation.messages == ()
    assert conversation.bill.total == Decimal("0.002")


@colours
def test_a_turn_that_is_left_in_its_middle_stays_on_the_bill(colour: Colour) -> None:
    calls = Completion(tool_calls=(call("note", text="x"),), stop_reason="tool_calls", usage=PAID)
    conversation = talk(colour, [calls, "never read"], tools=[note], prices=RATES)

    def leave() -> None:
        events = conversation.stream("first")
        assert isinstance(next(events), ToolStarted)
        events.close()  # type: ignore[attr-defined]

    async def aleave() -> None:
        events = conversation.astream("first")
        assert isinstance(await anext(events), ToolStarted)
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(aleave()) if colour.is_async else leave()
    assert conversation.bill.known == Decimal("0.002")
    assert conversation.messages == ()


@colours
def test_a_turn_that_fails_leaves_no_note_of_what_it_dropped(colour: Colour) -> None:
    busy = RateLimitError("busy", provider="scripted", status=429)
    conversation = talk(colour, ["word " * 90, busy, "three"], max_history_tokens=50)
    colour.say(conversation, "first")
    with pytest.raises(RateLimitError):
        colour.say(conversation, "second")
    assert conversation.notes == []
    colour.say(conversation, "again")
    assert len(conversation.notes) == 1


def test_half_a_character_is_saved(tmp_path: Path) -> None:
    odd = Message(role="assistant", content="a file named \udcff")
    conversation = Conversation(ScriptedDriver([]))
    conversation._messages = (user("hi"), odd)
    conversation.save(tmp_path / "talk.json")
    loaded = Conversation.load(tmp_path / "talk.json", model=ScriptedDriver([]))
    assert loaded.messages[1].text == "a file named \ufffd"


def test_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    """As root, to put a file in the place of /dev/null would succeed."""
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    Conversation(ScriptedDriver([])).save(pipe)
    reader.join(10)
    assert json.loads(read[0])["format"] == "prompture.conversation"
    assert pipe.is_fifo() and [*tmp_path.iterdir()] == [pipe]


def test_a_file_is_closed_before_it_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def temporary(*args: Any, **options: Any) -> Any:
        made.append(NamedTemporaryFile(*args, **options))  # noqa: SIM115 - the caller closes it
        return made[-1]

    def move(source: str, target: Path) -> None:
        assert made[-1].file.closed  # else Windows would refuse
        Path(source).rename(target)

    monkeypatch.setattr("prompture.agents.storage.NamedTemporaryFile", temporary)
    monkeypatch.setattr("os.replace", move)
    Conversation(ScriptedDriver([])).save(tmp_path / "talk.json")
    assert [p.name for p in tmp_path.iterdir()] == ["talk.json"]


@colours
def test_a_summary_model_that_raises_or_declines_leaves_the_earlier_summary(colour: Colour) -> None:
    bad = [
        RuntimeError("a driver of somebody else's"),
        paid("I cannot help with that.", "content_filter"),
        Completion(text="", refusal="No."),
        paid("  "),
    ]
    helper = Colour(colour.name).drive(["They spoke of cats.", *bad, paid("cut", "length")])
    conversation = talk(colour, ["word " * 90] * 7, max_history_tokens=50, summary_model=helper)
    for n in range(6):
        colour.say(conversation, f"question {n}")
        assert conversation.summary == ("They spoke of cats." if n else "")
    reasons = ("ProtocolError", "Refused", "Refused", "an empty answer")
    assert [note.partition("(")[2] for note in conversation.notes[1:]] == [f"{r})" for r in reasons]
    colour.say(conversation, "question 6")
    assert conversation.summary == "cut"


@colours
def test_a_summary_is_made_in_the_time_of_the_turn(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    fake = SimpleNamespace(monotonic=lambda: clock[0])
    for module in ("agent", "conversation"):
        monkeypatch.setattr(f"prompture.agents.{module}.time", fake)
    takes = [6.0]

    def sum_up(request: Request) -> str:
        clock[0] += takes[0]
        return "Of cats."

    helper = Colour(colour.name).drive(sum_up)
    conversation = talk(
        colour, ["word " * 90] * 3, max_history_tokens=50, summary_model=helper, deadline=10
    )
    colour.say(conversation, "one")
    colour.say(conversation, "two")
    assert [r.timeout for r in colour.driver.requests] == [10, 4]
    takes[0] = 11.0
    with pytest.raises(TimeLimitExceeded, match="deadline=10"):
        colour.say(conversation, "three")
    assert conversation.summary == "Of cats." and len(conversation.messages) == 2


def test_a_system_turn_of_none_is_none_at_all() -> None:
    conversation = Conversation(ScriptedDriver(["yes"]), system=None)  # type: ignore[arg-type]
    conversation.say("hi")
    again = Conversation.from_json(conversation.to_json(), model=ScriptedDriver([]))
    assert again.system == "" and again.messages == conversation.messages


# Turns whose calls wait for approval


ONE = Decimal("0.002")
"""What an answer costs."""
ran: list[str] = []


@tool(approve=LATER)
def pay(amount: int) -> str:
    """Pay."""
    ran.append(f"pay {amount}")
    return f"paid {amount}"


def asks_to_pay(*amounts: int) -> Completion:
    calls = tuple(call("pay", f"c{n}", amount=n) for n in amounts)
    return Completion(tool_calls=calls, stop_reason="tool_calls", usage=PAID)


def resumed(colour: Colour, talk: Conversation, saved: Any, approvals: Any, **given: Any) -> str:
    if colour.is_async:
        return asyncio.run(talk.aresume(saved, approvals, **given))
    return talk.resume(saved, approvals, **given)


@pytest.fixture
def buying(colour: Colour) -> Conversation:
    ran.clear()
    script = [paid("hello"), asks_to_pay(5, 6), asks_to_pay(7), paid("done"), paid("bye")]
    talk = Conversation(colour.drive(script, prices=RATES), tools=[pay], system="Be brief.")
    assert colour.say(talk, "hi") == "hello"
    return talk


def wait(colour: Colour, work: Any) -> WaitingForApproval:
    with pytest.raises(WaitingForApproval) as caught:
        work()
    return caught.value


@colours
@pytest.mark.parametrize("loaded", [False, True])
def test_a_turn_that_waits_goes_on(
    loaded: bool, colour: Colour, buying: Conversation, tmp_path: Path
) -> None:
    """In parts, here or where both files are read, with each call once on the bill."""
    talk, before = buying, buying.messages

    def moved() -> Conversation:
        if not loaded:
            return talk
        talk.save(tmp_path / "talk.json")
        return Conversation.load(tmp_path / "talk.json", model=colour.driver, tools=[pay])

    error = wait(colour, lambda: colour.say(talk, "buy"))
    assert talk.messages == before and talk.bill.total == 2 * ONE and ran == []
    error.save(tmp_path / "run.json")
    talk = moved()
    error = wait(
        colour, lambda: resumed(colour, talk, tmp_path / "run.json", {"c5": True, "c6": "no"})
    )
    assert talk.messages == before and talk.bill.total == 3 * ONE and ran == ["pay 5"]
    error.save(tmp_path / "run.json")
    talk = moved()
    assert resumed(colour, talk, tmp_path / "run.json", {"c7": {"amount": 8}}) == "done"
    assert ran == ["pay 5", "pay 8"] and talk.bill.total == 4 * ONE
    assert [m.role for m in talk.messages] == [
        *("user", "assistant"),
        *("user", "assistant", "tool", "tool", "assistant", "tool", "assistant"),
    ]
    assert colour.say(talk, "bye") == "bye" and talk.bill.total == 5 * ONE
    with pytest.raises(ConfigurationError, match="resumed already"):
        resumed(colour, talk, tmp_path / "run.json", {"c7": True})


@colours
def test_a_turn_that_waits_is_of_its_conversation(colour: Colour, buying: Conversation) -> None:
    talk = buying
    error = wait(colour, lambda: colour.say(talk, "buy"))
    other = talk.fork()
    again = wait(colour, lambda: colour.say(talk, "buy more"))
    assert talk.bill.total == 3 * ONE
    assert resumed(colour, talk, again, {"c7": True}) == "done"
    with pytest.raises(ConfigurationError, match="other turns followed"):
        resumed(colour, talk, error, {"c5": True, "c6": False})
    assert ran == ["pay 7"]
    stranger = Conversation(colour.driver, tools=[pay], system="Be brief.")
    with pytest.raises(ConfigurationError, match="another conversation"):
        resumed(colour, stranger, error, {"c5": True, "c6": False})
    assert resumed(colour, other, error, {"c5": True, "c6": False}) == "bye"
    assert other.bill.total == ONE and len(other.messages) == 7  # the fork pays what is new


@colours
def test_a_turn_that_waits_can_be_put_behind_others(colour: Colour, buying: Conversation) -> None:
    talk = buying
    error = wait(colour, lambda: colour.say(talk, "buy"))
    wait(colour, lambda: colour.say(talk, "buy more"))
    assert colour.say(talk, "how are you?") == "done"
    verdicts = {"c5": False, "c6": False}
    assert resumed(colour, talk, error, verdicts, allow_changes=True) == "bye"
    assert talk.bill.total == 5 * ONE and ran == []
    assert [m.text for m in talk.messages if m.role == "user"] == ["hi", "how are you?", "buy"]


@colours
def test_what_was_forgotten_does_not_come_back(colour: Colour, buying: Conversation) -> None:
    talk = buying
    error = wait(colour, lambda: colour.say(talk, "buy"))
    talk.clear()
    verdicts = {"c5": False, "c6": False}
    with pytest.raises(ConfigurationError, match="other turns followed"):
        resumed(colour, talk, error, verdicts)
    wait(colour, lambda: resumed(colour, talk, error, verdicts, allow_changes=True))
    assert talk.messages == () and ran == []


@colours
def test_a_turn_that_waits_keeps_the_summary_it_was_sent(colour: Colour) -> None:
    ran.clear()
    script = [paid("hello " * 200), asks_to_pay(5), paid("done")]
    summary = colour.drive([paid("They met.")], prices=RATES)
    talk = Conversation(
        colour.drive(script, prices=RATES),
        tools=[pay],
        max_history_tokens=100,
        summary_model=summary,
    )
    colour.say(talk, "hi")
    error = wait(colour, lambda: colour.say(talk, "buy"))
    assert talk.summary == "" and len(talk.messages) == 2
    assert resumed(colour, talk, error.to_json(), {"c5": True}) == "done"
    assert talk.summary == "They met." and len(talk.messages) == 4
    assert "2 old turns were left out" in talk.notes[-1] and talk.bill.total == 4 * ONE


@colours
def test_events_of_a_turn_that_waited(colour: Colour, buying: Conversation) -> None:
    error = wait(colour, lambda: colour.look(buying, "buy"))
    verdicts = {"c5": True, "c6": True}
    seen: list[Any] = []

    async def collect() -> None:
        async for event in buying.aresume_stream(error, verdicts):
            seen.append(event)

    def look() -> None:
        if colour.is_async:
            asyncio.run(collect())
        else:
            for event in buying.resume_stream(error, verdicts):
                seen.append(event)

    wait(colour, look)
    assert sorted(ran) == ["pay 5", "pay 6"]
    assert sum(isinstance(event, ToolStarted) for event in seen) == 2
