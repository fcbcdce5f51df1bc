"""Tables on a terminal."""

from __future__ import annotations

import pytest

from prompture.cli.tables import print_table


def test_names_and_numbers_are_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    name = "openrouter/meta-llama/llama-3.3-70b-instruct"
    print_table(["model", "usd", "calls"], [[name, "14.63950716", "3000"]], right=[1, 2])
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if line.startswith("│")]
    assert all(len(line) <= 44 for line in lines)
    cells = [line.split("│") for line in lines]
    assert "".join(cell[1].strip() for cell in cells) == name
    assert (cells[0][2].strip(), cells[0][3].strip()) == ("14.63950716", "3000")
