"""Long documents: what becomes of chunks that fail, of what chunks do not agree on, of the bill."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

import prompture
from prompture import (
    Budget,
    Chunks,
    Completion,
    ContextWindowExceeded,
    DeadlineExceeded,
    Document,
    Extractor,
    Invalid,
    Request,
    ServerError,
    Text,
    Truncated,
    Usage,
    aextract,
    aextract_result,
    estimate,
    extract,
    extract_items,
    extract_result,
    extract_stream,
    track,
)
from prompture.catalog import Rates
from prompture.testing import AsyncFunctionDriver, FunctionDriver

RATES = Rates(input=Decimal(1), output=Decimal(1))
CHUNKS = Chunks(tokens=60, overlap=10)


class Party(BaseModel):
    name: str
    role: str | None = None


class Contract(BaseModel):
    title: str
    value: int | None = None
    parties: list[Party]


def paragraphs(*lines: str) -> str:
    """Each line in a chunk of its own."""
    filler = "words of no use\n" * 6
    return "\n\n".join(f"# {i}\n\n{line}\n{filler}" for i, line in enumerate(lines))


def reads(request: Request) -> dict[str, Any]:
    """A model that reads ``Title: x``, ``Value: 1`` and ``Party: x (y)`` of what it is given."""
    text = request.messages[-1].text
    title, value = re.search(r"Title: (.+)", text), re.search(r"Value: (\d+)", text)
    parties = [
        {"name": n, "role": r or None} for n, r in re.findall(r"Party: (\w+)(?: \((\w+)\))?", text)
    ]
    return {"title": title and title[1], "value": value and int(value[1]), "parties": parties}


def billed(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Each answer costs a dollar."""

    def function(request: Request) -> Any:
        found = answer(request)
        if isinstance(found, BaseException):
            return found
        usage = Usage(input_tokens=1_000_000, output_tokens=0, reported=True)
        return Completion(text=json.dumps(found), usage=usage)

    return function


TEXT = paragraphs("Title: Lease", "Party: Ann (owner)", "Value: 7", "Party: Bob", "Party: Cy")
Result = Any


def both(schema: Any, text: Any, answer: Callable[[Request], Any], **options: Any) -> list[Result]:
    """The result, or the error, in both colours."""
    options = {"long": CHUNKS, **options}
    found: list[Result] = []
    try:
        found.append(
            extract_result(schema, text, model=FunctionDriver(answer, prices=RATES), **options)
        )
    except prompture.PromptureError as exc:
        found.append(exc)
    try:
        driver = AsyncFunctionDriver(answer, prices=RATES)
        found.append(asyncio.run(aextract_result(schema, text, model=driver, **options)))
    except prompture.PromptureError as exc:
        found.append(exc)
    return found


def test_the_chunks_are_merged() -> None:
    for result in both(Contract, TEXT, billed(reads)):
        assert result.value.title == "Lease"
        assert result.value.value == 7
        assert [(p.name, p.role) for p in result.value.parties] == [
            ("Ann", "owner"),
            ("Bob", None),
            ("Cy", None),
        ]
        for where, spans in result.sources.items():
            leaf = result.plain
            for key in where.split("/")[1:]:
                leaf = leaf[int(key) if key.isdigit() else key]
            assert TEXT[spans[0].start : spans[0].end] == str(leaf)
        assert result.conflicts == {}
        assert len(result.chunks) == 5 == len(result.attempts) == len(result.cost.charges)
        assert result.cost.total == 5
        assert [chunk.cost.total for chunk in result.chunks] == [1] * 5
        assert result.chunks[0].start == 0
        assert result.chunks[-1].end == len(TEXT)
        assert pickle.loads(pickle.dumps(result)).chunks == result.chunks


def test_values_that_differ_are_listed_with_their_places() -> None:
    text = paragraphs("Title: Lease", "Value: 7", "Title: Rent", "Value: 8", "Title: Rent")
    for result in both(Contract, text, reads):
        assert result.value.title == "Rent"  # at two places of the text
        assert result.value.value == 7
        first, second = result.conflicts["/title"]
        assert (first.value, second.value) == ("Rent", "Lease")
        assert [text[s.start : s.end] for s in first.spans] == ["Rent", "Rent"]
        assert [text[s.start : s.end] for s in second.spans] == ["Lease"]
        assert second.chunks == (0,)
        assert {claim.value for claim in result.conflicts["/value"]} == {7, 8}


def test_the_page_shows_what_was_not_agreed_on() -> None:
    text = paragraphs("Title: Lease", "Title: Rent", "Title: Rent", "Party: Ann")
    page = both(Contract, text, reads)[0].to_html()
    assert re.search(r"<span class=tag[^>]*><span>conflict</span>", page)
    tree = page.split("<span>conflict</span>")[1][:400]
    assert "Lease" in tree


def test_a_value_in_other_letters_is_no_conflict() -> None:
    text = paragraphs("Title: Lease of land", "Title: LEASE OF LAND.", "Party: Ann")
    for result in both(Contract, text, reads):
        assert result.value.title == "Lease of land"
        assert result.conflicts == {}


def fails(at: str, error: Callable[[], Exception]) -> Callable[[Request], Any]:
    return lambda request: error() if at in request.messages[-1].text else reads(request)


def down() -> ServerError:
    return ServerError("it is down", provider="x", status=500, retryable=False)


def test_a_chunk_that_fails_is_kept_with_its_error_and_the_rest_stands() -> None:
    for result in both(Contract, TEXT, billed(fails("Bob", down))):
        assert [p.name for p in result.value.parties] == ["Ann", "Cy"]
        assert [type(c.error) for c in result.chunks].count(ServerError) == 1
        assert isinstance(result.chunks[3].error, ServerError)
        assert result.chunks[3].attempts[0].error
        assert "1 of 5 chunks gave nothing" in result.notes
        assert result.cost.total == 4


def test_extract_shows_no_chunks_and_raises_their_error() -> None:
    answer = billed(fails("Bob", down))
    with pytest.raises(ServerError) as caught:
        extract(Contract, TEXT, model=FunctionDriver(answer, prices=RATES), long=CHUNKS)
    assert caught.value.bill is not None
    assert caught.value.bill.total == 4
    assert "1 of 5 chunks" in caught.value.__notes__[0]
    with pytest.raises(ServerError):
        model = AsyncFunctionDriver(answer, prices=RATES)
        asyncio.run(aextract(Contract, TEXT, model=model, long=CHUNKS))


def test_where_all_fail_the_first_error_is_raised_with_the_whole_bill() -> None:
    def answer(request: Request) -> Any:
        return {"title": "x", "parties": 5}  # never valid

    for error in both(Contract, TEXT, billed(answer), max_retries=1):
        assert isinstance(error, Invalid)
        assert error.bill is not None
        assert error.bill.total == 10  # five chunks, each asked twice
        assert len(error.attempts) == 10


def test_what_no_other_chunk_would_change_is_asked_once() -> None:
    error = prompture.AuthenticationError("no", provider="x", status=401)
    for found in both(Contract, TEXT, lambda request: error, long=Chunks(tokens=60, parallel=1)):
        assert isinstance(found, prompture.AuthenticationError)
        assert len(found.attempts) == 1


def test_a_required_value_that_no_chunk_has_is_asked_for_once_more() -> None:
    text = paragraphs("Party: Ann", "Value: 7", "Party: Bob")
    asked: list[Request] = []

    def answer(request: Request) -> Any:
        assert request.schema is not None
        if request.schema.get("title") == "Corrections" or "title" in str(
            request.schema.get("required")
        ):
            names = list(request.schema["properties"])
            if names == ["title"]:
                asked.append(request)
                return {"title": "Lease"}
        return reads(request)

    for result in both(Contract, text, billed(answer)):
        assert result.value.title == "Lease"
        assert [p.name for p in result.value.parties] == ["Ann", "Bob"]
        assert result.cost.total == len(result.attempts) == len(result.chunks) + 1
        assert "Bob" not in asked[-1].messages[-1].text  # one part of it


def test_what_is_missing_after_all_is_invalid_with_the_merged_value() -> None:
    text = paragraphs("Party: Ann", "Value: 7", "Party: Bob")
    for error in both(Contract, text, billed(reads), max_retries=0):
        assert isinstance(error, Invalid)
        assert [p.pointer for p in error.problems] == ["/title"]
        assert error.value["parties"][1]["name"] == "Bob"
        assert error.bill is not None
        assert error.bill.total == 3


def test_validators_see_the_whole_and_not_the_chunks() -> None:
    from pydantic import model_validator

    class Whole(Contract):
        @model_validator(mode="after")
        def at_least_three(self) -> Whole:
            if len(self.parties) < 3:
                raise ValueError("too few parties")
            return self

    for result in both(Whole, TEXT, reads):
        assert len(result.value.parties) == 3


def test_defaults_and_lists_without_items_need_nothing_of_the_chunks() -> None:
    class Loose(BaseModel):
        title: str = "untitled"
        currency: str = Field(default="EUR")
        parties: list[Party]
        tags: list[str]

    for result in both(Loose, paragraphs("Party: Ann", "Value: 2", "x"), reads):
        assert result.value == Loose(parties=[Party(name="Ann")], tags=[])


def test_what_must_stand_in_the_text_must_stand_in_the_chunk() -> None:
    def invents(request: Request) -> Any:
        found = reads(request)
        if "Cy" in request.messages[-1].text:
            found["parties"].append({"name": "Nobody"})
        return found

    for result in both(Contract, TEXT, invents, require_grounding=True, max_retries=0):
        assert [p.name for p in result.value.parties] == ["Ann", "Bob", "Cy"]
        assert result.ungrounded == {}
        start = result.chunks[4].start
        assert result.notes == (
            f"left out of the chunk at {start}, as not in its text: 1 value (/parties/*/name)",
        )
        assert [len(attempt.problems) for attempt in result.chunks[4].attempts] == [1]
    for result in both(Contract, TEXT, invents):
        assert result.ungrounded == {"/parties/3/name": "absent"}


class Line(BaseModel):
    sku: str
    qty: int | None = None
    paid: bool = False


class Order(BaseModel):
    note: str | None = None
    names: list[str] = []
    pair: tuple[str, int] | None = None
    weights: dict[str, float] = {}
    exact: Decimal | None = None
    lines: list[Line]


def test_only_what_is_not_in_the_text_is_left_out_of_a_chunk() -> None:
    digits = "12345678901234567890.12"

    def invents(request: Request) -> Any:
        if "SKU-2" not in request.messages[1].text:
            return {"lines": []}
        answer = {
            "note": "made up",
            "names": ["Nobody", "SKU-2"],
            "pair": ["SKU-2", 99],
            "weights": {"a": 7, "b": 88},
            "exact": 0,
            "lines": [
                {"sku": "SKU-2", "qty": 77, "paid": True},
                {"sku": "SKU-9", "qty": 55, "paid": True},
                {"sku": "SKU-3", "qty": 4, "paid": True},
            ],
        }
        text = json.dumps(answer).replace('"exact": 0', f'"exact": {digits}')
        return Completion(text=text)

    text = paragraphs("one", f"SKU-2 and SKU-3 x 4, a 7, {digits}", "three")
    for result in both(Order, text, invents, require_grounding=True, max_retries=0):
        assert result.value == Order(
            names=["SKU-2"],
            weights={"a": 7},
            exact=Decimal(digits),
            lines=[Line(sku="SKU-2", paid=True), Line(sku="SKU-3", qty=4, paid=True)],
        )
        assert "7 values" in result.notes[0]
        assert set(result.ungrounded.values()) == {"inferred"}
        assert result.sources["/lines/1/sku"][0].start == text.index("SKU-3")


def test_a_required_value_that_no_chunk_can_show_is_refused() -> None:
    def invents(request: Request) -> Any:
        return {"title": "Made up", "parties": []}

    for error in both(Contract, TEXT, invents, require_grounding=True):
        assert isinstance(error, Invalid)
        assert error.bill is not None


def test_an_example_is_no_part_of_the_document() -> None:
    example = ("Title: Zed\nParty: Zoe", {"title": "Zed", "parties": [{"name": "Zoe"}]})
    for result in both(Contract, TEXT, reads, examples=[example]):
        assert result.value.title == "Lease"
        assert [p.name for p in result.value.parties] == ["Ann", "Bob", "Cy"]


# Budgets, deadlines, interrupts.


def test_a_budget_bounds_the_chunks_together() -> None:
    def answer(request: Request) -> Any:
        usage = Usage(input_tokens=100, output_tokens=10, reported=True)
        return Completion(text=json.dumps(reads(request)), usage=usage)

    rates = Rates(input=Decimal(1000), output=Decimal(1000))
    budget = Budget(calls=3)
    result = extract_result(
        Contract,
        TEXT,
        model=FunctionDriver(answer, prices=rates),
        long=Chunks(tokens=60, parallel=4),
        budget=budget,
    )
    assert budget.calls_made == 3
    errors = [chunk.error for chunk in result.chunks]
    assert sum(isinstance(e, prompture.BudgetExceeded) for e in errors) == 2
    with track() as spent:
        extract_result(Contract, TEXT, model=FunctionDriver(answer, prices=rates), long=CHUNKS)
    assert spent.calls == 5


def test_a_deadline_ends_the_chunks_that_are_left() -> None:
    async def answer(request: Request) -> Any:
        if "Bob" in request.messages[-1].text:
            await asyncio.Event().wait()  # for ever
        return reads(request)

    async def main() -> Any:
        driver = AsyncFunctionDriver(answer)
        return await aextract_result(Contract, TEXT, model=driver, long=CHUNKS, deadline=0.5)

    result = asyncio.run(main())
    assert isinstance(result.chunks[3].error, DeadlineExceeded)
    assert result.value.parties[0].name == "Ann"


def test_a_task_that_is_cancelled_has_the_bill_and_leaves_nothing_behind() -> None:
    started = asyncio.Event()
    ended: list[str] = []

    async def answer(request: Request) -> Any:
        if "Bob" not in request.messages[-1].text:
            return billed(reads)(request)
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("Bob")

    async def main() -> BaseException:
        driver = AsyncFunctionDriver(answer, prices=RATES)
        chunks = Chunks(tokens=60, overlap=10, parallel=2)
        task = asyncio.create_task(aextract_result(Contract, TEXT, model=driver, long=chunks))
        await started.wait()
        while len(driver.requests) < 5:  # the others have been asked beside it
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as exc:
            return exc
        raise AssertionError("it was not cancelled")

    exc: Any = asyncio.run(main())
    assert ended == ["Bob"]
    known = [c for c in exc.bill.charges if c.cost.usd is not None]
    assert sum(c.cost.usd for c in known) == 4
    assert exc.bill.total is None  # of the one that was left, nobody knows


def test_an_interrupt_has_the_bill_and_nothing_more_is_asked() -> None:
    asked: list[str] = []
    lock = threading.Lock()

    def answer(request: Request) -> Any:
        with lock:
            asked.append(request.messages[-1].text)
            if len(asked) == 3:
                raise KeyboardInterrupt
        return billed(reads)(request)

    for parallel in (1, 2):
        asked.clear()
        chunks = Chunks(tokens=60, overlap=10, parallel=parallel)
        with pytest.raises(KeyboardInterrupt) as caught:
            model = FunctionDriver(answer, prices=RATES)
            extract_result(Contract, TEXT, model=model, long=chunks)
        bill = caught.value.bill  # type: ignore[attr-defined]
        assert sum(c.cost.usd or 0 for c in bill.charges) >= 2
        assert len(asked) <= 2 + parallel


def test_an_interrupt_among_the_halves_has_the_bill_of_the_whole_one() -> None:
    def answer(request: Request) -> Any:
        text = request.messages[-1].text
        if len(text) <= 700 and "Bob" not in text:  # the second half
            raise KeyboardInterrupt
        usage = Usage(input_tokens=1_000_000, output_tokens=0, reported=True)
        is_cut = len(text) > 700
        reason: Any = "length" if is_cut else "stop"
        return Completion(text="{" if is_cut else "{}", stop_reason=reason, usage=usage)

    model = FunctionDriver(answer, prices=RATES)
    chunks = Chunks(tokens=300, overlap=20, parallel=1)
    with pytest.raises(KeyboardInterrupt) as caught:
        extract_result(Contract, TEXT * 2, model=model, long=chunks, on_truncation="raise")
    assert [len(r.messages[-1].text) > 700 for r in model.requests] == [True, False, False, False]
    bill = caught.value.bill  # type: ignore[attr-defined]
    assert sum(c.cost.usd or 0 for c in bill.charges) == 3


def test_chunks_run_side_by_side_in_both_colours() -> None:
    barrier = threading.Barrier(3, timeout=30)

    def answer(request: Request) -> Any:
        barrier.wait()
        return reads(request)

    text = paragraphs("Title: Lease", "Party: Ann", "Party: Bob")
    chunks = Chunks(tokens=60, overlap=10, parallel=3)
    result = extract_result(Contract, text, model=FunctionDriver(answer), long=chunks)
    assert len(result.chunks) == len(result.value.parties) + 1 == 3

    waiting: list[asyncio.Event] = []

    async def aanswer(request: Request) -> Any:
        event = asyncio.Event()
        waiting.append(event)
        if len(waiting) == 3:
            for each in waiting:
                each.set()
        await event.wait()
        return reads(request)

    driver = AsyncFunctionDriver(aanswer)
    assert (
        asyncio.run(aextract_result(Contract, text, model=driver, long=chunks)).value
        == result.value
    )


def test_no_more_run_than_are_asked_for() -> None:
    running: list[int] = []
    most: list[int] = []

    async def answer(request: Request) -> Any:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0)
        running.pop()
        return reads(request)

    driver = AsyncFunctionDriver(answer)
    chunks = Chunks(tokens=60, overlap=10, parallel=2)
    asyncio.run(aextract_result(Contract, TEXT, model=driver, long=chunks))
    assert max(most) == 2


# What is long.


def test_a_short_text_is_asked_for_as_ever() -> None:
    for long in ("auto", None, Chunks()):
        driver = FunctionDriver(reads)
        result = extract_result(Contract, "Title: Lease", model=driver, long=long)
        assert len(driver.requests) == 1
        assert "one part of a longer one" not in driver.requests[0].messages[0].text
        assert len(result.chunks) == isinstance(long, Chunks)


def too_long(request: Request) -> Any:
    """A model whose window nobody knows."""
    if len(request.messages[-1].text) > 700:
        raise ContextWindowExceeded("too long", provider="x", status=400)
    return reads(request)


def test_what_a_provider_refuses_for_its_length_is_read_in_chunks() -> None:
    text = TEXT * 6
    for result in both(Contract, text, too_long, long="auto"):
        assert [p.name for p in result.value.parties] == ["Ann", "Bob", "Cy"] * 6
        assert all(chunk.error is None for chunk in result.chunks)
        assert "ContextWindowExceeded" in result.attempts[0].error
    for error in both(Contract, text, too_long, long=None):
        assert isinstance(error, ContextWindowExceeded)


def test_a_chunk_whose_answer_is_cut_off_is_halved() -> None:
    def answer(request: Request) -> Any:
        if len(request.messages[-1].text) > 700:
            usage = Usage(input_tokens=1_000_000, output_tokens=0, reported=True)
            return Completion(text='{"title": "Lea', stop_reason="length", usage=usage)
        return billed(reads)(request)

    options = {"long": Chunks(tokens=300, overlap=20), "on_truncation": "raise"}
    for result in both(Contract, TEXT * 2, answer, **options):
        assert [p.name for p in result.value.parties] == ["Ann", "Bob", "Cy"] * 2
        assert result.cost.total == len(result.attempts) > len(result.chunks)
    for error in both(
        Contract,
        "Title: x\n\n" + "y" * 60,
        lambda request: Completion(text="{", stop_reason="length"),
        on_truncation="raise",
    ):
        assert isinstance(error, Truncated)


def test_the_catalogue_knows_what_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window less what is left for the answer; nothing is sent to find that out."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    text = "word " * 131_500  # of a window of 128,000: too little is left for an answer
    found = estimate(Contract, text, model="openai/gpt-4o")
    assert found.chunks > 10
    assert "chunks" in str(found)
    assert estimate(Contract, "word " * 100_000, model="openai/gpt-4o").chunks == 1
    assert estimate(Contract, text, model="openai/gpt-4o", long=None).chunks == 1
    whole = estimate(Contract, text, model="openai/gpt-4o", long=None)
    assert found.input.tokens > whole.input.tokens
    assert found.likely is not None
    assert whole.likely is not None
    assert found.likely > whole.likely


def test_local_rules_read_what_is_above_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from prompture.rules import engine

    class Invoice(BaseModel):
        invoice_number: str
        total: Decimal

    monkeypatch.setattr(engine, "MOST_CHARS", 3_000)
    filler = "\n\n".join(["These are words that mean nothing to anybody."] * 200)
    text = f"Invoice number: A-17\n\n{filler}\n\nTotal: 12.50\n"
    result = extract_result(Invoice, text, model="local/rules", long=Chunks(tokens=500))
    assert result.value == Invoice(invoice_number="A-17", total=Decimal("12.50"))
    assert len(result.chunks) > 3
    auto = asyncio.run(aextract_result(Invoice, text, model="local/rules"))
    assert auto.value == result.value
    assert text[slice(*_range(auto, "/total"))] == "12.50"
    with pytest.raises(prompture.UnsupportedError, match="at most"):
        extract(Invoice, text, model="local/rules", long=None)


def _range(result: Any, where: str) -> tuple[int, int]:
    span = result.sources[where][0]
    return span.start, span.end


def test_documents_keep_names_pages_and_words_beside_them() -> None:
    from prompture.parts import DocumentPage, FileDocument

    middle = TEXT.index("Value")
    pages = (
        DocumentPage(number=1, start=0, end=middle),
        DocumentPage(number=2, start=middle, end=len(TEXT)),
    )
    document = FileDocument(text=TEXT, name="lease.txt", pages=pages, media_type="text/plain")
    result = extract_result(Contract, document, model=FunctionDriver(reads), long=CHUNKS)
    assert [chunk.pages for chunk in result.chunks] == [(1,), (1,), (2,), (2,), (2,)] or [
        chunk.pages for chunk in result.chunks
    ] == [(1,), (1,), (1, 2), (2,), (2,)]
    span = result.sources["/value"][0]
    assert span.document == "lease.txt"
    assert [region.page for region in span.regions] == [2]

    driver = FunctionDriver(reads)
    parts = [Text("Read this with care."), Document(TEXT, "lease")]
    result = extract_result(Contract, parts, model=driver, long=CHUNKS)
    shown = driver.requests[2].messages[-1].content
    assert isinstance(shown, tuple)
    assert shown[0] == Text("Read this with care.")
    span = result.sources["/value"][0]
    assert result.text[span.start : span.end] == "7"


def test_pictures_are_not_cut() -> None:
    picture = prompture.Image(data=b"\x89PNG", media_type="image/png")
    with pytest.raises(prompture.UnsupportedError, match="pictures"):
        extract(Contract, [TEXT, picture], model=FunctionDriver(reads), long=CHUNKS)


# Lists and their keys.


class Stock(BaseModel):
    lines: list[dict[str, Any]]


def test_items_with_a_key_are_one_wherever_they_stand() -> None:
    text = paragraphs("sku=A1 qty=2", "sku=B2", "sku=A1 price=9", "sku=B2 qty=5", "sku=A1 qty=3")

    def answer(request: Request) -> Any:
        lines = re.findall(r"sku=.*", request.messages[-1].text)
        return {"lines": [dict(pair.split("=") for pair in line.split()) for line in lines]}

    schema = {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {k: {"type": "string"} for k in ("sku", "qty", "price")},
                    "required": ["sku"],
                },
            }
        },
        "required": ["lines"],
    }
    chunks = Chunks(tokens=60, overlap=10, identity={"/lines": ["sku"]})
    for result in both(schema, text, answer, long=chunks):
        assert result.value["lines"] == [
            {"sku": "A1", "qty": "2", "price": "9"},
            {"sku": "B2", "qty": "5"},
        ]
        assert [claim.value for claim in result.conflicts["/lines/0/qty"]] == ["2", "3"]
    for result in both(schema, text, answer):
        assert len(result.value["lines"]) == 5


def test_a_set_has_each_value_once_and_a_list_each_mention() -> None:
    class Names(BaseModel):
        names: list[str]
        known: set[str]

    def answer(request: Request) -> Any:
        found = re.findall(r"Party: (\w+)", request.messages[-1].text)
        return {"names": found, "known": found}

    text = paragraphs("Party: Ann", "Party: Bob", "Party: Ann")
    for result in both(Names, text, answer):
        assert result.value.names == ["Ann", "Bob", "Ann"]
        assert result.value.known == {"Ann", "Bob"}
    whole = Chunks(tokens=60, overlap=10, identity={"/names": []})
    assert both(Names, text, answer, long=whole)[0].value.names == ["Ann", "Bob"]


def test_the_root_may_be_a_list_or_a_single_value() -> None:
    def parties(request: Request) -> Any:
        return reads(request)["parties"]

    for result in both(list[Party], TEXT, parties):
        assert [p.name for p in result.value] == ["Ann", "Bob", "Cy"]
        assert "/2/name" in result.sources
    for result in both(int, TEXT, lambda request: reads(request)["value"]):
        assert result.value == 7


def test_exact_numbers_stay_exact() -> None:
    class Amount(BaseModel):
        amount: Decimal

    def answer(request: Request) -> Any:
        found = re.search(r"Amount (\S+)", request.messages[-1].text)
        return f'{{"amount": {found[1] if found else "null"}}}'

    text = paragraphs("x", "Amount 12345678901234567.89", "y")
    for result in both(Amount, text, answer):
        assert result.value.amount == Decimal("12345678901234567.89")


def test_several_passes_find_what_one_overlooks() -> None:
    def forgets(request: Request) -> Any:
        """A model that overlooks what stands in the last third of a chunk."""
        lines = request.messages[-1].text.splitlines()
        names = re.findall(r"Party: (\w+)", "\n".join(lines[: 2 * len(lines) // 3]))
        return {"title": "Lease", "parties": [{"name": name} for name in names]}

    text = "\n".join(f"Party: name{i}" for i in range(200))
    once = both(Contract, text, forgets, long=Chunks(tokens=300, overlap=0))
    twice = both(Contract, text, forgets, long=Chunks(tokens=300, overlap=0, passes=2))
    for one, two in zip(once, twice, strict=True):
        assert (
            len(one.value.parties)
            < len(two.value.parties)
            == len({*(p.name for p in two.value.parties)})
        )
        assert [c.number for c in two.chunks] == sorted(c.number for c in two.chunks)
        names = [int(p.name[4:]) for p in two.value.parties]
        assert names == sorted(names)


# Streams.


def test_items_come_chunk_after_chunk() -> None:
    def parties(request: Request) -> Any:
        return {"items": reads(request)["parties"]}

    driver = FunctionDriver(parties, prices=RATES)
    stream = extract_items(Party, TEXT, model=driver, long=CHUNKS)
    first = next(stream)
    assert first.value.name == "Ann"
    assert len(driver.requests) == 2  # no chunk is asked for before its turn
    rest = list(stream)
    assert [(item.index, item.value.name) for item in rest] == [(1, "Bob"), (2, "Cy")]
    assert len(stream.attempts) == 5

    async def main() -> list[str]:
        model = AsyncFunctionDriver(parties)
        found = prompture.aextract_items(Party, TEXT, model=model, long=CHUNKS)
        return [item.value.name async for item in found]

    assert asyncio.run(main()) == ["Ann", "Bob", "Cy"]


def test_items_are_given_once_and_equal_ones_at_other_places_again() -> None:
    text = "\n".join(f"Party: name{i % 7}" for i in range(150))

    def parties(request: Request) -> Any:
        return {"items": reads(request)["parties"]}

    for tokens in (60, 90, 200):
        chunks = Chunks(tokens=tokens, overlap=25)
        found = list(extract_items(Party, text, model=FunctionDriver(parties), long=chunks))
        assert [item.value.name for item in found] == [f"name{i % 7}" for i in range(150)]
    chunks = Chunks(tokens=60, overlap=25, identity={"": ["name"]})
    found = list(extract_items(Party, text, model=FunctionDriver(parties), long=chunks))
    assert len(found) == 7


def test_the_error_of_a_chunk_comes_behind_the_items_of_the_others() -> None:
    def parties(request: Request) -> Any:
        found = fails("Bob", down)(request)
        return found if isinstance(found, Exception) else {"items": found["parties"]}

    stream = extract_items(Party, TEXT, model=FunctionDriver(parties), long=CHUNKS)
    assert [next(stream).value.name, next(stream).value.name] == ["Ann", "Cy"]
    with pytest.raises(ServerError) as caught:
        next(stream)
    assert len(caught.value.attempts) == 5


def test_items_of_what_is_too_long_for_the_model_are_read_in_chunks() -> None:
    def parties(request: Request) -> Any:
        found = too_long(request)
        return {"items": found["parties"]}

    found = extract_items(Party, TEXT * 6, model=FunctionDriver(parties))
    assert [item.value.name for item in found] == ["Ann", "Bob", "Cy"] * 6


def test_a_stream_of_one_value_has_no_chunks() -> None:
    with pytest.raises(prompture.UnsupportedError, match="extract_result or extract_items"):
        extract_stream(Contract, TEXT, model=FunctionDriver(reads), long=CHUNKS)


# Options.


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Chunks(tokens=5),
        lambda: Chunks(overlap=-1),
        lambda: Chunks(tokens=100, overlap=60),
        lambda: Chunks(passes=0),
        lambda: Chunks(parallel=0),
        lambda: Chunks(identity={"lines": ["sku"]}),
        lambda: Chunks(identity={"/lines": 5}),  # type: ignore[dict-item]
        lambda: Extractor(Contract, long=Chunks(identity={"/partys": ["name"]})),
        lambda: Extractor(Contract, long=Chunks(identity={"/parties": ["nme"]})),
        lambda: Extractor(Contract, long=Chunks(identity={"/parties": ["name", "/a/b"]})),
        lambda: Extractor(Contract, long=Chunks(identity={"/title": []})),
        lambda: Extractor(Contract, long=Chunks(identity={"": ["nme"]})),
        lambda: Extractor(list[Party], long=Chunks(identity={"": ["nme"]})),
        lambda: extract_items(Party, TEXT, long=Chunks(passes=2)),
        lambda: Extractor(Contract, long=True),
        lambda: Extractor(Contract, long="always"),
    ],
)
def test_options_are_checked(wrong: Callable[[], object]) -> None:
    with pytest.raises(prompture.ConfigurationError):
        wrong()


def test_an_extractor_with_chunks_is_copied_and_pickled() -> None:
    extractor = Extractor(Contract, model="local/rules", long=CHUNKS)
    assert pickle.loads(pickle.dumps(extractor)).long == CHUNKS


def test_the_models_instructions_are_the_same_for_each_chunk() -> None:
    """So that a provider's cache of prompts is hit."""
    driver = FunctionDriver(reads)
    extract_result(Contract, TEXT, model=driver, long=CHUNKS, instructions="Be exact.")
    systems = {request.messages[0].text for request in driver.requests}
    assert len(systems) == 1
    assert "Be exact." in systems.pop()


class Person(BaseModel):
    name: str
    age: int


class Firm(BaseModel):
    firm: str
    vat: str
    staff: list[Person] = []


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str
    legs: int


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str
    lives: int


class Unions(BaseModel):
    owner: Person | Firm
    pet: Annotated[Dog | Cat, Field(discriminator="kind")]


def scripted(*answers: Any) -> Callable[[Request], Any]:
    """A model that gives these of the chunks with L0, L1 ..."""

    def function(request: Request) -> Any:
        found = re.search(r"L(\d+)", request.messages[1].text)
        return answers[int(found[1])] if found else {}

    return function


def test_an_object_of_a_union_is_merged_as_its_branch() -> None:
    answers = (
        {"owner": {"firm": "Acme", "staff": [{"name": "Ann"}]}, "pet": {"kind": "cat"}},
        {"owner": {"vat": "V1", "staff": None}, "pet": {"kind": "cat", "name": "Tom", "lives": 9}},
    )
    text = paragraphs("L0 Acme Ann", "L1 V1 Tom 9")
    for error in both(Unions, text, scripted(*answers), max_retries=0):
        assert isinstance(error, Invalid)  # the age of Ann stands nowhere
        assert error.value == {
            "owner": {"firm": "Acme", "vat": "V1", "staff": [{"name": "Ann"}]},
            "pet": {"kind": "cat", "name": "Tom", "lives": 9},
        }
    unlike = (answers[0], {"owner": {"name": "Bob", "age": 5}, "pet": {"kind": "dog"}})
    for error in both(Unions, text, scripted(*unlike), max_retries=0):
        assert error.value["owner"]["firm"] == "Acme"
        assert error.value["pet"] == {"kind": "cat"}


def test_the_root_may_be_a_union_of_classes() -> None:
    answers = ({"name": "Ann"}, {"age": 33})
    schema: Any = Person | Firm
    for result in both(schema, paragraphs("L0 Ann", "L1 33"), scripted(*answers)):
        assert result.value == Person(name="Ann", age=33)


def test_an_empty_string_is_no_value_beside_another() -> None:
    answers = ({"title": "Lease", "parties": []}, {"title": "", "parties": []})
    for result in both(Contract, paragraphs("L0 Lease", "L1"), scripted(*answers)):
        assert result.value.title == "Lease"
        assert result.conflicts == {}


@pytest.mark.parametrize("blank", ["\n" * 3000, "\u3000" * 2000])
def test_white_space_is_not_asked_for(blank: str) -> None:
    """Not even a missing text, which ``require_grounding`` refuses, ends the rest."""
    text = f"Title: Lease\n\n{'words ' * 40}{blank}\n\nParty: Ann\n\n{'words ' * 40}"
    for result in both(Contract, text, reads, require_grounding=True):
        assert result.value.title == "Lease"
        assert result.value.parties[0].name == "Ann"
        assert [chunk.error for chunk in result.chunks if chunk.error] == []
        assert all(text[chunk.start : chunk.end].strip() for chunk in result.chunks)
