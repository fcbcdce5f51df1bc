"""``prompture check --watch`` and ``prompture models --sync``, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prompture import catalog
from prompture.catalog.synced import VARIABLE
from prompture.cli import console as exits
from prompture.cli import providers
from prompture.drivers.probe import Health
from tests import server as on
from tests.cli.test_cli import run  # noqa: F401 - the fixture
from tests.loopback import json_reply, serving

WELL = Health(reachable=True, authorised=True, seconds=0.25, models=3)
DOWN = Health(reachable=False, authorised=None, seconds=1.0, problem="nobody is there")
REFUSED = Health(reachable=True, authorised=False, seconds=0.1, problem="bad key")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Rounds of healths; the pauses between them; at the end of the rounds, Ctrl-C."""

    def given(*rounds: list[Health]) -> list[float]:
        left, pauses = list(rounds), list[float]()

        async def ask_all(names: list[str], deadline: float | None) -> list[Health]:
            if not left:
                raise KeyboardInterrupt
            return left.pop(0)

        monkeypatch.setattr(providers, "_ask_all", ask_all)
        monkeypatch.setattr(providers, "pause", pauses.append)
        return pauses

    return given


def test_watching_ends_on_ctrl_c_with_a_summary(run: Any, watched: Any) -> None:  # noqa: F811
    pauses = watched([WELL, DOWN], [WELL, WELL])
    done = run("check", "--watch", "5", "openai", "groq")
    assert done.code == exits.OK and pauses == [5.0, 5.0]
    lines = done.out.splitlines()
    assert "openai  ok  250 ms" in lines[0] and "groq  down  nobody is there" in lines[1]
    assert lines[3].endswith("groq  ok  250 ms  <- changed")
    assert lines[-2:] == ["openai\t2\t2\t250\t250\t250", "groq\t2\t1\t250\t250\t250"]


def test_only_a_key_is_refused(run: Any, watched: Any) -> None:  # noqa: F811
    """An answer of 500 or 429 says nothing of the key."""
    failing = Health(reachable=True, authorised=None, seconds=0.1, problem="HTTP 500")
    watched([failing, REFUSED])
    lines = run("check", "--watch", "5", "openai", "groq").out.splitlines()
    assert "openai  failing  HTTP 500" in lines[0] and "groq  refused" in lines[1]


def test_a_missing_key_is_named_in_the_words_of_a_shell(
    run: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = run("check", "openai")
    assert done.code == exits.PROVIDER
    assert "set OPENAI_API_KEY" in done.out and "api_key=" not in done.out


@pytest.mark.parametrize(("last", "code"), [(WELL, 0), (DOWN, 4), (REFUSED, 4)])
def test_the_last_round_decides(run: Any, watched: Any, last: Health, code: int) -> None:  # noqa: F811
    watched([DOWN], [last])
    assert run("check", "openai", "--watch", "1", "--times", "2").code == code


def test_a_provider_may_stand_behind_watch(run: Any, watched: Any) -> None:  # noqa: F811
    pauses = watched([WELL], [WELL])
    done = run("check", "--watch", "openai")
    assert "openai  ok" in done.out and pauses == [30.0, 30.0]


def test_ctrl_c_before_the_first_answer(run: Any, watched: Any) -> None:  # noqa: F811
    watched()
    assert run("check", "openai", "--watch").code == exits.INTERRUPTED


@pytest.mark.parametrize("words", [("--watch", "0"), ("--watch", "-1"), ("--times", "3")])
def test_wrong_usage(run: Any, words: tuple[str, ...]) -> None:  # noqa: F811
    assert run("check", "openai", *words).code == exits.USAGE


def test_sync(
    run: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "models.json"
    monkeypatch.setenv(VARIABLE, str(file))
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    catalog.reset()
    listed = {"data": [{"id": "gpt-5-mini"}, {"id": "gpt-9-nova"}]}
    try:
        with serving(lambda asked: json_reply(listed)) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
            done = run("models", "--sync", "openai")
            assert done.code == exits.OK
            assert "openai/gpt-9-nova\tnew, no price" in done.out
            assert f"kept in {file}" in done.err
            told = json.loads(run("models", "--sync", "openai", "-f", "json").out)
        assert told["new"] == ["gpt-9-nova"] and told["file"] == str(file)
        assert "openai/gpt-9-nova" in run("models", "nova").out
    finally:
        monkeypatch.delenv(VARIABLE)
        catalog.reset()


def test_sync_with_a_key_that_is_refused(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    refused = json_reply({"error": {"message": "no"}}, status=401)
    with serving([refused]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        assert run("models", "--sync", "openai").code == exits.PROVIDER


def test_the_deadline_of_a_sync(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    with on.serving(on.hangs) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        done = run("models", "--sync", "openai", "--deadline", "0.1")
        assert done.code == exits.PROVIDER and "deadline=0.1" in done.err
    assert run("models", "--deadline", "1").code == exits.USAGE
