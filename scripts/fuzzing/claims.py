"""The promises of the README as properties: each takes a source of random numbers, and asserts."""

from __future__ import annotations

import copy
import dataclasses
import json
import keyword
import pickle
import unicodedata
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from decimal import Decimal
from random import Random
from typing import Any, TypedDict

from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter

from fuzzing import dialects, draw, models
from prompture import (
    Budget,
    BudgetExceeded,
    Extraction,
    Invalid,
    PromptureError,
    driver_for,
    extract_items,
    extract_result,
    extract_stream,
    ground,
    track,
)
from prompture.catalog import Rates
from prompture.cli.console import plain
from prompture.drivers import routes
from prompture.drivers.base import Driver
from prompture.drivers.provider import Features
from prompture.errors import ExtractionError, ProviderError, SchemaError
from prompture.schema import rewrite
from prompture.testing import FunctionDriver, ScriptedDriver
from prompture.types import Completion, Delta, Request, Usage, user
from prompture.wire.http import HTTPResponse, Sleep
from prompture.wire.retry import Retry
from prompture.wire.steps import Done, advance

Claim = Callable[[Random], None]
CLAIMS: dict[str, Claim] = {}
KEY = "-".join(("sk", "test", "Ab3dEf9hIjKlMn0p"))  # whole, scanners of secrets would find it
COUNTS: Counter[str] = Counter()
"""What became of answers with one slip: right, refused, wrong."""
MOST_WRONG = 0.03
"""The share of one-character slips that may be read as another value."""


def claim(function: Claim) -> Claim:
    CLAIMS[function.__name__] = function
    return function


class Replies:
    """A transport that answers from a script, without sockets or waits."""

    def __init__(self, *replies: HTTPResponse) -> None:
        self.left = list(replies)
        self.sent = 0

    def run(self, exchange: Generator[Any, Any, Any]) -> Any:
        step = advance(exchange)
        while not isinstance(step, Done):
            if isinstance(step, Sleep):
                step = advance(exchange)
                continue
            self.sent += 1
            step = advance(exchange, self.left.pop(0) if len(self.left) > 1 else self.left[0])
        return step.value

    def close(self) -> None:
        """Nothing is open."""


def driver(dialect: str, *replies: HTTPResponse, **settings: Any) -> Driver:
    # Each case is a day of its own: retries used up, and pauses, of the case before are forgotten.
    routes._routes.clear()
    routes._held.clear()
    if dialect != "ollama":
        settings["api_key"] = KEY
    if dialect == "bedrock":
        settings["region"] = "us-east-1"
    made = driver_for(dialects.MODELS[dialect], transport=Replies(*replies), **settings)
    assert isinstance(made, Driver)
    return made


def response(
    written: dialects.Written, rng: Random | None = None, status: int = 200
) -> HTTPResponse:
    """Whole, or with ``rng`` as chunks cut anywhere."""
    if rng is None:
        return HTTPResponse(status, written.headers, written.body)
    return HTTPResponse(status, written.headers, chunks=_chunks(draw.pieces(rng, written.body)))


def _chunks(pieces: list[bytes]) -> Iterator[bytes]:
    yield from pieces


def asked() -> Request:
    return Request(model="", messages=(user("hi"),))


def same(a: Any, b: Any) -> bool:
    """JSON's equality: 1 is 1.0, and True is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


# Schemas and values


@claim
def what_the_model_says_is_what_comes_back(rng: Random) -> None:
    """Any schema, any names, each way of asking: the value is the answer's, or it is refused."""
    schema, value = draw.pair(rng)
    assert Draft202012Validator(schema).is_valid(value), "the generator is wrong"
    given = draw.wrapped(rng, draw.dumped(rng, value)) if isinstance(value, (dict, list)) else None
    answer = given if given is not None else json.dumps(value)
    model = ScriptedDriver([answer])
    try:
        found = extract_result(schema, "text", model=model, strategy="prompt", max_retries=0)
    except Invalid as exc:
        raise AssertionError(f"refused {answer!r} of {schema}: {exc}") from exc
    assert same(found.value, value), f"{schema}: {answer!r} became {found.value!r}"


@claim
def rewriting_has_an_inverse(rng: Random) -> None:
    """In each dialect, what is written in the rewritten schema restores to what it was."""
    schema, value = draw.pair(rng)
    dialect = rng.choice(["openai", "anthropic", "gemini", "moonshot", "plain"])
    made = rewrite(schema, dialect, exact=True)
    there = made.forward(value)
    assert Draft202012Validator(made.schema).is_valid(there), f"{dialect}: {schema}: {there!r}"
    back = made.restore(json.loads(json.dumps(there)))
    assert same(back, value), f"{dialect}: {schema}: {value!r} became {back!r}"


@claim
def names_of_fields_are_data(rng: Random) -> None:
    """TypedDicts and dataclasses with fields of any name, in each way of asking."""
    kinds = {
        str: lambda: draw.plain_text(rng),
        int: lambda: draw.integer(rng),
        bool: lambda: rng.random() < 0.5,
    }
    named = draw.names(rng)
    types = {n: rng.choice(list(kinds)) for n in named}
    value = {n: kinds[t]() for n, t in types.items()}
    made: Any = TypedDict("Made", types)  # type: ignore[misc]
    if rng.random() < 0.5 and all(_is_plain(n) for n in named):
        made = dataclasses.make_dataclass("Made", list(types.items()))
    strategy = rng.choice(["prompt", "json_object", "tool", "json_schema"])
    features = Features(json_mode=True, json_schema=True, tool_use=True)
    model = ScriptedDriver([value], features=features)
    found = extract_result(made, "text", model=model, strategy=strategy, max_retries=0)
    got = dataclasses.asdict(found.value) if dataclasses.is_dataclass(found.value) else found.value
    assert got == value, f"{strategy} {types}: {value!r} became {got!r}"


def _is_plain(name: str) -> bool:
    """A name that Python's own dataclasses take and leave as it is."""
    return name.isascii() and name.isidentifier() and name not in _KEYWORDS


_KEYWORDS = set(keyword.kwlist) | set(dir(object)) | {"self"}


@claim
def a_slip_is_right_or_refused(rng: Random) -> None:
    """One structural character is wrong: the value, or a question; seldom another value."""
    schema, value = draw.record(rng)
    schema = {**schema, "required": []}
    answer = draw.dumped(rng, value)
    if not value:
        return
    slipped = draw.slip(rng, answer)
    try:
        found = extract_result(
            schema, "text", model=ScriptedDriver([slipped]), strategy="prompt", max_retries=0
        ).value
    except ExtractionError:
        COUNTS["refused"] += 1
        return
    COUNTS["right" if same(found, value) else "wrong"] += 1


def slips_are_seldom_wrong() -> str:
    """The sum of all slips. Raises AssertionError past the share that is promised."""
    total = sum(COUNTS.values())
    if not total:
        return "no slips were tried"
    shares = {kind: COUNTS[kind] / total for kind in ("right", "refused", "wrong")}
    said = f"{total} slips: " + ", ".join(f"{k} {v:.1%}" for k, v in shares.items())
    assert total < 300 or shares["wrong"] <= MOST_WRONG, said
    return said


@claim
def any_text_is_a_value_or_refused(rng: Random) -> None:
    """Whatever a model writes, the value obeys the schema that was sent."""
    schema, value = draw.record(rng)
    base = draw.dumped(rng, rng.choice([value, draw.value(rng)]))
    answer = draw.wrapped(rng, base)
    for _ in range(rng.randint(0, 4)):
        answer = draw.slip(rng, answer) if draw.structure(answer) else answer
    if rng.random() < 0.2:
        answer = answer.replace(
            rng.choice(["0", "1", "true", "null"]),
            rng.choice(["NaN", "1e999", "[" * 3000, "9" * 5000]),
        )
    with track() as spent:
        try:
            found = extract_result(
                schema, "text", model=ScriptedDriver([answer]), strategy="prompt", max_retries=0
            )
        except PromptureError as exc:
            assert exc.bill is not None and len(exc.bill.charges) == 1
            pickle.loads(pickle.dumps(exc))
            return
    assert Draft202012Validator(schema).is_valid(found.value), f"{schema}: {found.value!r}"
    assert len(spent.bill.charges) == 1


@claim
def snapshots_do_not_change_and_end_as_the_value(rng: Random) -> None:
    schema, value = draw.record(rng)
    answer = draw.dumped(rng, value)
    model = FunctionDriver(lambda _: answer, chunk_chars=rng.randint(1, 9))
    held = []
    for partial in extract_stream(schema, "text", model=model, strategy="prompt"):
        held.append((partial.plain, copy.deepcopy(partial.plain)))
        last = partial
    for kept, copied in held:
        assert same(kept, copied), "a value changed after it had been handed out"
    assert last.result is not None and same(last.result.value, value)


WAYS = ("prompt", "json_object", "json_schema", "tool")
FEATURES = Features(json_mode=True, json_schema=True, tool_use=True)


@claim
def typed_values_are_what_pydantic_reads(rng: Random) -> None:
    """A right answer is the value that Pydantic reads in it; a wrong one is refused, or that too."""
    of, text = models.model(rng)
    strategy = rng.choice(WAYS)
    right = TypeAdapter(of).validate_json(text, by_name=True)
    if strategy in ("prompt", "json_object"):
        found = _asked(of, text, strategy)
        assert _alike(found, right), f"{strategy}: {text} became {found!r}"
    spoiled = models.spoiled(rng, text)
    found = _asked(of, spoiled, strategy)
    if isinstance(found, ExtractionError):
        return
    if strategy in ("prompt", "json_object"):
        mended = json.dumps(json.loads(spoiled, parse_constant=lambda _: None))
        read = TypeAdapter(of).validate_json(mended, by_name=True)
        assert _alike(found, read), f"{strategy}: {spoiled} became {found!r}, not {read!r}"


def _asked(of: Any, text: str, strategy: str, **options: Any) -> Any:
    """The value, or the error."""
    model = ScriptedDriver([text], features=FEATURES)
    try:
        return extract_result(
            of, "text", model=model, strategy=strategy, max_retries=0, **options
        ).value
    except ExtractionError as exc:
        return exc


def _alike(a: Any, b: Any) -> bool:
    """Equal, where a long number may be a float for one and have all its digits for the other."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Decimal):
        return abs(a - b) <= abs(b) * Decimal("1e-15")
    if isinstance(a, BaseModel):
        return _alike(vars(a), vars(b)) and _alike(a.model_extra, b.model_extra)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_alike, a, b))
    return bool(a == b)


@claim
def every_way_of_asking_reads_alike(rng: Random) -> None:
    """Whole, streamed and by item; an answer that is right, dressed, slipped or wrong."""
    of, text = models.model(rng)
    many = rng.random() < 0.5
    answer = f"[{', '.join([text] * rng.randint(0, 3))}]" if many else text
    how = rng.choice(["right", "slipped", "dressed", "spoiled"])
    if how == "slipped":
        answer = draw.slip(rng, answer)
    elif how == "dressed":
        answer = draw.wrapped(rng, answer)
    elif how == "spoiled":
        answer = models.spoiled(rng, answer)
    strategy = rng.choice(["prompt", "json_object"])
    whole = _asked(list[of] if many else of, answer, strategy)
    chunked = ScriptedDriver([answer], features=FEATURES, chunk_chars=rng.randint(1, 20))
    streamed: Any = None
    try:
        ways = {"model": chunked, "strategy": strategy, "max_retries": 0}
        if many and rng.random() < 0.5:
            streamed = [item.value for item in extract_items(of, "text", **ways)]
        else:
            for partial in extract_stream(list[of] if many else of, "text", **ways):
                pickle.dumps(partial.plain)
                streamed = partial.value
    except ExtractionError as exc:
        streamed = exc
    if isinstance(whole, ExtractionError):
        assert isinstance(streamed, ExtractionError), f"{answer}: {whole}, but {streamed!r}"
    else:
        assert _alike(streamed, whole), f"{answer}: {whole!r}, but {streamed!r}"


# Wire, money, errors


@claim
def streams_cut_anywhere_are_one_answer(rng: Random) -> None:
    dialect = rng.choice(list(dialects.MODELS))
    text = draw.plain_text(rng, 60) or "x"
    used = dialects.usage(dialect, rng.randint(1, 9999), rng.randint(1, 9999))
    *deltas, done = driver(
        dialect, response(dialects.streamed(rng, dialect, text, used), rng)
    ).stream(asked())
    plainly = driver(dialect, response(dialects.whole(dialect, text, used))).complete(asked())
    assert isinstance(done, Completion)
    assert done.text == plainly.text == text, (
        f"{dialect}: {text!r}, {done.text!r}, {plainly.text!r}"
    )
    assert "".join(d.text for d in deltas if isinstance(d, Delta)) == text
    assert _counts(done.usage) == _counts(plainly.usage), dialect
    assert done.cost == plainly.cost, dialect
    assert done.stop_reason == plainly.stop_reason == "stop"


@claim
def tries_are_requests_are_charges(rng: Random) -> None:
    """Statuses and errors within good answers, in any order: each request is on the bill, once."""
    dialect, attempts = rng.choice(["chat", "anthropic"]), rng.randint(1, 4)
    stream = rng.random() < 0.5
    used = dialects.usage(dialect, 10, 5)
    error = json.dumps({"type": "error", "error": {"code": 503, "message": "full"}}).encode()
    replies = [
        rng.choice([_failed(rng.choice([429, 500, 503, 504]), error), _failed(200, error)])
        for _ in range(rng.randint(0, 4))
    ]
    made = (
        dialects.streamed(rng, dialect, "answer", used)
        if stream
        else dialects.whole(dialect, "answer", used)
    )
    replies.append(response(made, rng if stream else None))
    asking = driver(dialect, *replies, retry=Retry(attempts=attempts, base=0))
    wanted = min(attempts, len(replies))
    with track() as spent:
        try:
            done = list(asking.stream(asked()))[-1] if stream else asking.complete(asked())
        except PromptureError as exc:
            assert attempts < len(replies) and exc.bill is not None
            assert len(exc.bill.charges) == wanted, f"{dialect}: {exc.bill}"
        else:
            assert isinstance(done, Completion) and len(done.retries) == wanted - 1
    assert asking._transport.sent == len(spent.bill.charges) == wanted  # type: ignore[attr-defined]


def _failed(status: int, body: bytes) -> HTTPResponse:
    return HTTPResponse(status, {"content-type": "application/json"}, body)


def _counts(usage: Usage) -> tuple[int, int]:
    return usage.input_tokens, usage.output_tokens


@claim
def a_stream_that_breaks_off_is_an_error(rng: Random) -> None:
    """Cut, or with an error event in it: a PromptureError that holds what came, and its bill."""
    dialect = rng.choice(list(dialects.MODELS))
    text = draw.plain_text(rng, 60) + "end"
    written = dialects.streamed(rng, dialect, text, dialects.usage(dialect, 100, 10))
    # The last byte that matters: blank ends of lines may be missing.
    end = rng.randint(0, len(written.body.rstrip()) - 20)
    cut = dialects.Written(written.headers, written.body[:end])
    shown: list[str] = []
    asking = driver(dialect, response(cut, rng), retry=Retry(attempts=1))
    with track() as spent:
        try:
            for piece in asking.stream(asked()):
                if isinstance(piece, Completion):
                    assert dialect in _ENDS_EARLY and piece.text == text, f"{dialect}: a success"
                    return
                shown.append(piece.text)
        except PromptureError as exc:
            assert text.startswith("".join(shown))
            assert exc.bill is not None and len(exc.bill.charges) == 1
            assert KEY not in str(exc) + repr(exc)
        else:
            raise AssertionError("neither a completion nor an error")
    assert len(spent.bill.charges) == 1


_ENDS_EARLY = {"chat", "gemini", "cohere", "ollama", "bedrock", "anthropic", "responses"}
"""All of the text and the stop reason may have come before the cut."""


@claim
def usage_is_read_or_unknown(rng: Random) -> None:
    """Whatever stands in a usage block: never a negative, endless or silently free bill."""
    dialect = rng.choice(list(dialects.MODELS))
    used: Any = dialects.usage(dialect, _count(rng), _count(rng))
    if rng.random() < 0.2:
        used = rng.choice([None, [], {}, "12", 7, draw.value(rng)])
    stream = rng.random() < 0.5
    written = (
        dialects.streamed(rng, dialect, "answer", used)
        if stream
        else dialects.whole(dialect, "answer", used)
    )
    asking = driver(dialect, response(written, rng if stream else None))
    with track() as spent:
        try:
            done = list(asking.stream(asked()))[-1] if stream else asking.complete(asked())
        except PromptureError as exc:
            assert exc.bill is not None
            return
    assert isinstance(done, Completion) and done.cost is not None
    usage = done.usage
    assert all(isinstance(c, int) and 0 <= c < 2**63 for c in _counts(usage)), f"{dialect} {used}"
    usd = done.cost.usd
    assert usd is None or (usd.is_finite() and usd >= 0), f"{dialect} {used}: {usd}"
    if usd is None:
        assert done.cost.reason
    elif dialect != "ollama":
        assert usd > 0, f"{dialect} {used}: an answer that is not empty for nothing"
    assert spent.bill.charges[0].cost.usd == usd


def _count(rng: Random) -> Any:
    return rng.choice(
        [
            rng.randint(0, 10**6),
            0,
            None,
            -1,
            "12",
            "x",
            "",
            1.5,
            1e300,
            2**63,
            10**30,
            True,
            [],
            {},
            [1],
            float("inf"),
            float("nan"),
        ]
    )


@claim
def errors_are_typed_and_hold_no_key(rng: Random) -> None:
    """Any status with any body: a PromptureError with its bill, short, without the key."""
    dialect = rng.choice(list(dialects.MODELS))
    status = rng.choice(
        [
            200,
            200,
            204,
            301,
            400,
            401,
            402,
            403,
            404,
            408,
            409,
            413,
            422,
            429,
            498,
            500,
            502,
            503,
            504,
            524,
            529,
            599,
        ]
    )
    kind = rng.choice(
        ["application/json", "text/html", "text/plain", "", f"x/{KEY}", "text/event-stream"]
    )
    headers = {
        "content-type": kind,
        "retry-after": rng.choice(["1", "x", "-1", "1e9", "nan", ""]),
        "x-request-id": rng.choice(["r1", KEY]),
    }
    reply = HTTPResponse(status, headers, _error_body(rng))
    stream = rng.random() < 0.3 and status < 400
    if stream:
        reply = HTTPResponse(status, headers, chunks=_chunks(draw.pieces(rng, reply.body)))
    asking = driver(dialect, reply, retry=Retry(attempts=rng.randint(1, 3)))
    try:
        list(asking.stream(asked())) if stream else asking.complete(asked())
    except PromptureError as exc:
        shown = str(exc) + repr(exc) + repr(vars(exc)) + str(exc.bill)
        assert dialect == "ollama" or KEY not in shown, shown  # Ollama was given none
        assert len(str(exc)) < 4000
        assert exc.bill is not None, type(exc)
        again = pickle.loads(pickle.dumps(exc))
        assert type(again) is type(exc) and str(again) == str(exc)
        if isinstance(exc, ProviderError):
            assert exc.bill.total is None or exc.bill.total >= 0


def _error_body(rng: Random) -> bytes:
    message = rng.choice(
        [
            f"bad key {KEY}",
            draw.text(rng),
            "",
            "x" * 10_000,
            f"{'y' * 490}{KEY}",
            7,
            None,
            [],
            {"message": KEY},
        ]
    )
    body = rng.choice(
        [
            {
                "error": {
                    "message": message,
                    "code": rng.choice([KEY, 400, "9" * 5000, None, "²"]),
                    "type": message,
                }
            },
            {"error": message},
            {"message": message, "detail": [{"msg": message}]},
            [{"error": {"message": message}}],
            {"choices": []},
            {
                "choices": [{"error": {"message": message, "code": 502}, "message": {}}],
                "usage": {"cost": 0.05},
            },
            {"type": "error", "error": {"type": "overloaded_error", "message": message}},
            draw.value(rng),
        ]
    )
    text = json.dumps(body)
    return rng.choice(
        [
            text.encode(),
            f"data: {text}\n\n".encode(),
            f"<html><title>{message}</title>".encode(errors="replace"),
            b"",
            b"[" * 100_000,
            b'{"usage": {"prompt_tokens": Infinity}, "a": 1e999}',
            bytes(rng.randrange(256) for _ in range(50)),
            text.encode()[: rng.randint(0, len(text))],
        ]
    )


@claim
def a_budget_holds(rng: Random) -> None:
    """However calls end, settled money never passes the limit where prices are known."""
    rates = Rates(input=Decimal("1"), output=Decimal("2"))
    limit = Decimal(rng.randint(1, 50)) / 10_000

    def answer(_: Request) -> Any:
        used = Usage(
            input_tokens=rng.randint(1, 30),
            output_tokens=rng.randint(1, 20),
            requests=1,
            reported=True,
        )
        return Completion(text="x" * rng.randint(0, 5), usage=used)

    model = FunctionDriver(answer, prices=rates)
    budget = Budget(usd=str(limit))
    with track() as spent, budget:
        for _ in range(rng.randint(1, 40)):
            try:
                model.generate("hi " * 40, {"max_tokens": 20})
            except BudgetExceeded:
                break
    total = spent.cost
    assert total is not None and total <= limit, f"{total} of {limit}"


# Evidence, rules, terminal


@claim
def evidence_is_within_the_text(rng: Random) -> None:
    text = draw.sentence(rng)
    _, value = draw.record(rng)
    if rng.random() < 0.7 and text.split():
        value = {**value, "stated": rng.choice(text.split())}
    found = ground(value, text)
    for pointer, spans in found.items():
        for span in spans:
            assert 0 <= span.start < span.end <= len(text), (pointer, span)
            assert 0 <= span.score <= 1
            if span.kind == "fuzzy":
                shown = text[span.start : span.end]
                leaf = _at(value, pointer)
                digits = [c for c in str(leaf) if c.isdigit()]
                assert [c for c in shown if c.isdigit()] == digits, (leaf, shown)


SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyzäéñøł", "абвгдежзиклмнопрстуя", "αβγδεζηθικλμνξοπρστυφω",
    "אבגדהוזחטיכלמנסעפצקרשת", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", "東京都大阪府名古屋市株式会社",
    "あいうえおかきくけこ", "가나다라마바사아자차카타파하", "กขคงจฉชซญดตถทนบปผฝพฟมยรลวสหอ", "कखगघचछजझटठडढतथदधनपफबभमयरलवशसह",
)  # fmt: skip


@claim
def what_is_planted_is_found(rng: Random) -> None:
    """A word of any script, in any of Unicode's forms and in any case, stands where it was put."""
    letters = rng.choice(SCRIPTS)
    word = "".join(rng.choice(letters) for _ in range(rng.randint(4, 9)))
    others = [
        "".join(rng.choice(rng.choice(SCRIPTS)) for _ in range(rng.randint(2, 7)))
        for _ in range(rng.randint(0, 20))
    ]
    printed = unicodedata.normalize(rng.choice(["NFC", "NFD"]), rng.choice([word, word.upper()]))
    if any(word in other for other in others) or word in word[1:]:
        return
    gap = rng.choice([" ", "\n", ", ", " | ", "  ", "\t", "\r\n"])
    at = rng.randint(0, len(others))
    text = gap.join([*others[:at], printed, *others[at:]])
    start = len(gap.join([*others[:at], ""])) if at else 0
    value = unicodedata.normalize(rng.choice(["NFC", "NFD"]), word)
    spans = ground({"v": value}, text).get("/v", ())
    assert spans, f"{value!r} has no place in {text!r}"
    places = [(span.start, span.end) for span in spans]
    assert (start, start + len(printed)) in places, f"{value!r} in {text!r}: {places}"
    for span in spans:
        shown = text[span.start : span.end]
        assert span.kind != "exact" or shown == value, (value, shown)
        if span.kind != "fuzzy":
            assert _folded(shown) == _folded(value), (value, shown)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", plain).replace("ς", "σ")


def _at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


@claim
def the_rules_state_what_is_stated(rng: Random) -> None:
    """local/rules: numbers that it gives stand in the text, digit for digit."""
    schema = {
        "type": "object",
        "properties": {
            n: {"type": rng.choice(["number", "string", "integer"])}
            for n in ("total", "date", "number", "name")
        },
        "required": [],
        "additionalProperties": False,
    }
    text = f"x {draw.sentence(rng)}"
    try:
        found: Extraction[Any] = extract_result(schema, text, model="local/rules", max_retries=0)
    except ExtractionError:
        return
    kept = [c for c in text if c.isdigit()]
    for value in (found.value or {}).values():
        if isinstance(value, int) and not isinstance(value, bool):
            assert all(c in kept for c in str(abs(value))), (text, value)


@claim
def no_control_character_reaches_a_terminal(rng: Random) -> None:
    shown = plain(draw.text(rng, 30, odd=0.9))
    assert not any((ord(c) < 32 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0 for c in shown)


@claim
def a_schema_that_is_none_is_refused_in_words(rng: Random) -> None:
    """Any JSON as a schema: it works, or SchemaError, before anything is asked."""
    schema = draw.value(rng)
    model = ScriptedDriver([json.dumps(draw.value(rng))])
    try:
        extract_result(
            schema if isinstance(schema, dict) else {"items": schema},
            "text",
            model=model,
            max_retries=0,
        )
    except SchemaError:
        assert not model.requests
    except PromptureError:
        pass
