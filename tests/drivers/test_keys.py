"""Several keys of a driver, and keys of a call's own."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from prompture import Extractor, aextract, driver_for, extract
from prompture.drivers import provider as rows_of
from prompture.drivers import registry
from prompture.errors import (
    AuthenticationError,
    ConfigurationError,
    KeysExhausted,
    MissingKey,
    RateLimitError,
    UnknownModel,
    UnknownOption,
)
from prompture.types import Request, user
from tests import server as on
from tests.drivers.colours import COLOURS, Colour, quick
from tests.server import serving

ONE, TWO, THREE = (f"key-{n}-0123456789abcdef" for n in ("one", "two", "three"))


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with request.param() as found:
        yield found


def by_key(**replies: tuple[int, str, dict[str, str]]) -> on.Step:
    """Answers that go by the key: those that are named fail, others are good."""

    def step(x: on.Exchange) -> None:
        key = x.headers["authorization"].partition("-")[2].partition("-")[0]
        if key not in replies:
            is_stream = x.state.asked[-1][2].get("stream")
            (on.streams(*on.EVENTS) if is_stream else on.good(key))(x)
            return
        status, code, headers = replies[key]
        body = json.dumps({"error": {"message": f"no, {key}", "code": code}}).encode()
        x.reply(body, status, **on.JSON, **headers)

    return step


def keys_of(server: on.Server) -> list[str]:
    return [headers["authorization"].split("-")[1] for _, headers, _ in server.asked]


LIMITED = (429, "rate_limit_exceeded", {"retry_after": "30"})
SPENT = (429, "insufficient_quota", {})
REFUSED = (401, "invalid_api_key", {})


@pytest.mark.parametrize("failure", [LIMITED, SPENT, REFUSED])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_next_key_takes_over(
    colour: Colour, failure: tuple[int, str, dict[str, str]], streamed: bool
) -> None:
    with serving(by_key(one=failure)) as server:
        driver = colour.driver(server.url, api_key=[ONE, TWO], retry=quick(1))
        for _ in range(2):
            if streamed:
                done = colour.stream(driver)[-1]
            else:
                done = colour.complete(driver)
                assert done.text == "two"
        # The second call does not try the first key again.
        assert keys_of(server) == ["one", "two", "two"]


def test_failed_tries_with_other_keys_are_on_the_bill(colour: Colour) -> None:
    with serving(by_key(one=LIMITED, two=LIMITED)) as server:
        driver = colour.driver(server.url, api_key=[ONE, TWO, THREE])
        done = colour.complete(driver)
        assert done.text == "three"
        assert len(done.retries) == 2


def test_all_keys_at_their_limits_is_an_error_that_says_for_how_long(colour: Colour) -> None:
    longer = (429, "rate_limit_exceeded", {"retry_after": "50"})
    with serving(by_key(one=longer, two=LIMITED)) as server:
        driver = colour.driver(server.url, api_key=[ONE, TWO], retry=quick(1))
        with pytest.raises(KeysExhausted, match=r"each of the 2 keys.*in (30|31) s") as caught:
            colour.complete(driver)
        assert isinstance(caught.value, RateLimitError)
        assert not caught.value.retryable
        assert caught.value.retry_after == pytest.approx(30, abs=1)
        assert len(caught.value.bill.charges) == 2
        assert not any(key in repr(caught.value) for key in (ONE, TWO))


def test_spent_keys_are_not_asked_again_for_a_while(colour: Colour) -> None:
    with serving(by_key(one=SPENT, two=SPENT)) as server:
        driver = colour.driver(server.url, api_key=[ONE, TWO])
        with pytest.raises(KeysExhausted):
            colour.complete(driver)
        with pytest.raises(KeysExhausted, match="may be used again in 300 s") as caught:
            colour.complete(driver)
        assert caught.value.bill is None
        assert caught.value.unsent
        assert len(server.asked) == 2


def test_refused_keys_are_set_aside_and_reported_once_by_their_place(
    colour: Colour, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(by_key(one=REFUSED, two=REFUSED)) as server:
        driver = colour.driver(server.url, api_key=[ONE, TWO])
        for _ in range(2):
            with pytest.raises(AuthenticationError, match="each of the 2 keys was refused"):
                colour.complete(driver)
        lines = [r.getMessage() for r in caplog.records if "set aside" in r.getMessage()]
        assert [line.split(" is ")[0] for line in lines] == [
            "openai-compatible: key 1 of 2",
            "openai-compatible: key 2 of 2",
        ]
        assert not any(key[4:] in caplog.text for key in (ONE, TWO))
        # After a while it is tried again.
        later = driver.keyring.keys[1].route.aside_until + 1
        driver.keyring._clock = lambda: later
        with pytest.raises(AuthenticationError):
            colour.complete(driver)
        assert len(server.asked) == 4


def test_another_error_changes_no_key(colour: Colour) -> None:
    with serving(by_key(one=(500, "", {}))) as server:
        driver = colour.driver(server.url, api_key=[ONE, TWO])
        with pytest.raises(Exception, match="tried 3 times"):
            colour.complete(driver)
        assert keys_of(server) == ["one"] * 3


def test_a_call_may_have_a_key_of_its_own(colour: Colour) -> None:
    with serving(by_key(three=LIMITED)) as server:
        driver = colour.driver(server.url, api_key=[ONE, TWO], retry=quick(1))
        request = Request(model="m", messages=(user("hi"),), api_key=THREE)
        assert THREE not in repr(request)
        with pytest.raises(RateLimitError) as caught:
            colour.complete(driver, request)
        assert not isinstance(caught.value, KeysExhausted)
        # Its pause is its own.
        assert colour.complete(driver).text == "one"
        done = colour.run(driver.generate("hi", {"api_key": TWO}))
        assert done.text == "two"
        assert colour.run(driver.generate("hi", api_key=ONE)).text == "one"
        by_provider = {"openai-compatible": TWO, "groq": THREE}
        assert colour.run(driver.generate("hi", api_key=by_provider)).text == "two"
        assert colour.run(driver.generate("hi", api_key={"groq": THREE})).text == "one"


def test_a_key_that_a_server_repeats_is_not_in_the_error(colour: Colour) -> None:
    body = json.dumps({"error": {"message": f"bad key {THREE}"}}).encode()
    with serving(on.raw(body, 401, **on.JSON)) as server:
        driver = colour.driver(server.url)
        with pytest.raises(AuthenticationError) as caught:
            colour.run(driver.generate("hi", api_key=THREE))
        assert THREE not in str(caught.value) + caught.value.body


@pytest.mark.parametrize("wrong", ["", "  ", 3, [ONE], {"openai": 1}])
def test_a_call_s_key_is_checked_and_not_quoted(colour: Colour, wrong: Any) -> None:
    driver = colour.driver("http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="api_key of a call") as caught:
        colour.run(driver.generate("hi", api_key=wrong))
    assert ONE not in str(caught.value)


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEYS", f"{ONE}, {TWO}\n{THREE}")
    driver = driver_for("openai/gpt-5-mini")
    assert driver.keyring is not None
    assert [key.endpoint.api_key for key in driver.keyring.keys] == [ONE, TWO, THREE]
    assert driver.is_current()
    monkeypatch.setenv("OPENAI_API_KEYS", ONE)
    assert not driver.is_current()
    assert driver_for("openai/gpt-5-mini").keyring is None
    assert driver_for("openai/gpt-5-mini", api_key=TWO).endpoint.api_key == TWO


def test_keys_come_from_variables_that_a_file_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rows_of.keys_of_files, "openai", ("KEY_A", "KEY_B"))
    with pytest.raises(MissingKey, match="KEY_A or KEY_B"):
        driver_for("openai/gpt-5-mini")
    monkeypatch.setenv("KEY_A", ONE)
    monkeypatch.setenv("KEY_B", TWO)
    driver = driver_for("openai/gpt-5-mini")
    assert driver.keyring is not None
    assert len(driver.keyring.keys) == 2


def test_a_list_of_keys_is_checked() -> None:
    with pytest.raises(MissingKey, match="empty list"):
        driver_for("openai/gpt-5-mini", api_key=[])
    with pytest.raises(ConfigurationError, match="api_key must be a text"):
        driver_for("openai/gpt-5-mini", api_key=[ONE, 3])
    with pytest.raises(MissingKey, match="empty"):
        driver_for("openai/gpt-5-mini", api_key=[ONE, " "])
    assert driver_for("openai/gpt-5-mini", api_key=[ONE, ONE]).keyring is None


def test_drivers_with_several_keys_are_pickled_and_copied() -> None:
    driver = driver_for("openai/gpt-5-mini", api_key=[ONE, TWO])
    for again in (pickle.loads(pickle.dumps(driver)), copy.deepcopy(driver), copy.copy(driver)):
        assert [key.endpoint.api_key for key in again.keyring.keys] == [ONE, TWO]
        assert ONE not in repr(again) + repr(again.keyring) + repr(again.keyring.keys)


def test_extract_takes_a_key_of_a_tenant(colour: Colour) -> None:
    with serving(by_key()) as server:
        driver = colour.driver(server.url)
        seen: list[str] = []
        for key in (ONE, TWO):
            with pytest.raises(Exception, match=r"."):  # the server answers no JSON
                if colour.name == "sync":
                    extract(int, "7", model=driver, api_key=key, max_retries=0)
                else:
                    colour.run(aextract(int, "7", model=driver, api_key=key, max_retries=0))
            seen.append(keys_of(server)[-1])
        assert seen == ["one", "two"]


def test_a_key_goes_to_one_provider() -> None:
    for models in (["openai/gpt-5-mini", "groq/x"], "cheapest"):
        with pytest.raises(ConfigurationError, match="a key for each") as caught:
            extract(int, "7", model=models, api_key=ONE)
        assert ONE not in str(caught.value)
    Extractor(int, model=["local/rules", "openai/gpt-5-mini"], api_key=ONE)
    Extractor(int, model=["groq/x", "openai/gpt-5-mini"], api_key={"openai": ONE})
    with pytest.raises(UnknownModel, match="openai") as caught:
        Extractor(int, model="openai/gpt-5-mini", api_key={"opnai": ONE})
    assert ONE not in str(caught.value)


def test_a_key_of_a_dict_may_have_another_name_of_the_provider(colour: Colour) -> None:
    with serving(by_key()) as server:
        driver = colour.driver(server.url, api_key=ONE)
        done = colour.run(driver.generate("hi", api_key={"OpenAI_Compatible": TWO}))
        assert done.text == "two"


def test_no_frame_of_a_refused_call_holds_the_key() -> None:
    with pytest.raises(UnknownOption) as caught:
        extract(int, "7", api_key=ONE, temprature=1)  # type: ignore[call-overload]
    frames, trace = [], caught.tb
    while trace is not None:
        frames.append(trace.tb_frame.f_locals)
        trace = trace.tb_next
    assert not any(ONE in repr(value) for frame in frames[1:] for value in frame.values())


def test_a_model_in_this_process_is_shown_no_key() -> None:
    schema = {"type": "object", "properties": {"email": {"type": "string"}}}
    found = extract(schema, "Email: ada@example.org", model="local/rules", api_key=ONE)
    assert found == {"email": "ada@example.org"}


@pytest.mark.parametrize("written", ['"sk-1"', "'sk-1'", ' "sk-1"\n', "sk-1"])
def test_quotes_of_a_file_of_variables_are_no_part_of_a_key(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", written)
    assert registry.find("openai").checked_key(None) == "sk-1"
    monkeypatch.setenv("OPENAI_API_KEY", '""')
    with pytest.raises(MissingKey):
        registry.find("openai").checked_key(None)
