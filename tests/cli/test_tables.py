"""Tables on a terminal."""

from __future__ import annotations

import pytest

from prompture.cli.console import print_table


def test_the_first_column_stays_however_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(["name", "usd", "text"], [["openai/gpt-5", "0.5", "x" * 40]], least=[1])
    found = capsys.readouterr()
    assert "openai/gpt-5" in found.out
    assert "left out, for want of width: usd, text" in found.err


def test_names_and_numbers_are_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    name = "openrouter/meta-llama/llama-3.3-70b-instruct"
    print_table(["model", "usd", "calls"], [[name, "14.63950716", "3000"]], right=[1, 2])
    shown = capsys.readouterr().out
    lines = shown.splitlines()[2:]  # below the headings
    assert all(len(line.rstrip()) <= 44 for line in lines)
    first, *below = map(str.split, lines)
    assert first[1:] == ["14.63950716", "3000"]
    assert "".join([first[0], *(word for line in below for word in line)]) == name
