"""The command line as a person has it: on a terminal, 80 columns wide, answers into a file."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture.cli import app
from prompture.cli import console as exits
from prompture.cli.console import json_text, plain, print_table
from tests import server as stub

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
ROOT = Path(__file__).resolve().parents[2]
RECEIPT = str(ROOT / "examples" / "documents" / "receipt.txt")
INVOICE = str(ROOT / "examples" / "documents" / "invoice.txt")
EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egpj.exe\r"
PROMPTURE = [sys.executable, "-m", "prompture"]


def on_terminal(*words: str, stdout: Any = None, columns: int = 80, **env: str) -> str:
    """Run the command line with a terminal for stdin, stderr and, unless given, stdout."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **env}
    process = subprocess.Popen(
        [*PROMPTURE, *words],
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        env=environment,
        cwd=ROOT,
    )
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    process.wait(60)
    return shown.decode("utf-8", "replace")


@pytest.mark.parametrize("style", ["json", "jsonl", "table"])
def test_answers_go_into_the_file_though_a_bar_is_on_the_terminal(
    tmp_path: Path, style: str
) -> None:
    pytest.importorskip("rapidfuzz")
    with open(tmp_path / "out", "wb") as out:
        shown = on_terminal(
            "extract", RECEIPT, INVOICE, "-s", "total: number", "-f", style, stdout=out
        )
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert "25.1" in text and "1145.85" in text
    assert "25.1" not in shown and "2 files by local/rules" in shown


@pytest.mark.parametrize(
    "words",
    [
        ("models", "gpt-5-mini"),
        ("providers",),
        (
            "estimate",
            RECEIPT,
            "-s",
            "a",
            "-m",
            "openai/gpt-5-mini",
            "-m",
            "groq/openai/gpt-oss-20b",
        ),
        ("extract", RECEIPT, INVOICE, "-s", f"{ROOT}/examples/invoice.py:Invoice"),
    ],
)
def test_tables_fit_80_columns_and_names_stay_whole(words: tuple[str, ...]) -> None:
    pytest.importorskip("rapidfuzz")
    import re

    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_terminal(*words))
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    names = {
        "models": "openrouter/openai/gpt-5-mini",
        "providers": "openai-compatible",
        "estimate": "groq/openai/gpt-oss-20b",
        "extract": "Brückner Messtechnik GmbH",
    }
    assert names[words[0]] in shown


def test_columns_that_matter_least_are_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(["model", "calls", "source"], [["m" * 20, "12", "s" * 20]], right=[1], least=[2, 1])
    captured = capsys.readouterr()
    assert "m" * 20 in captured.out and "12" in captured.out and "sss" not in captured.out
    assert "left out, for want of width: source" in captured.err


@given(st.text() | st.text(EVIL))
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    shown = plain(text)
    assert not any((c < " " and c not in "\t\n") or "\x7f" <= c <= "\x9f" for c in shown)
    assert not set(shown) & set("\u202e\u202d\u2066\u2067\u2068\u2069\u200e\u200f")
    assert plain(shown) == shown


@given(st.recursive(st.text() | st.text(EVIL) | st.integers(), lambda s: st.lists(s)))
def test_json_on_a_terminal_holds_the_same_value(value: Any) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert plain(text) == text


def test_what_others_wrote_does_not_command_the_terminal() -> None:
    answer = stub.raw(
        json.dumps(
            {
                "model": f"m{EVIL}",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": json.dumps({"a": EVIL})},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1},
            }
        ).encode()
    )
    refused = stub.fails(400, f"bad {EVIL}")
    with stub.serving(answer, refused) as server:
        env = {"OPENAI_COMPATIBLE_BASE_URL": server.url, "OPENAI_BASE_URL": server.url}
        env["OPENAI_API_KEY"] = "test-key-0123456789"
        words = ("extract", RECEIPT, "-s", "a", "-m", "openai/gpt-4.1-nano", "--max-retries", "0")
        shown = on_terminal(*words, **env) + on_terminal(*words, **env)
    assert r"\u001b]0;title" in shown and r"bad \x1b]0;title" in shown
    assert "\x1b]" not in shown and "\x1b[2J" not in shown and "\u202e" not in shown


def test_a_file_that_cannot_be_written_is_known_before_anything_is_asked(tmp_path: Path) -> None:
    with stub.serving(stub.good('{"a": "x"}')) as server:
        env = {**os.environ, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "test-key-0123456789"}
        for target in (tmp_path / "no" / "out.json", tmp_path):
            for style in ("json", "jsonl"):
                words = ["extract", RECEIPT, "-s", "a", "-m", "openai/gpt-4.1-nano"]
                done = subprocess.run(
                    [*PROMPTURE, *words, "-f", style, "-o", str(target)],
                    env=env,
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                )
                assert done.returncode in (exits.CONFIGURATION, exits.USAGE), done.stderr
        assert not server.asked


def shell(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which ``$P`` is the command line."""
    python = f"{sys.executable} -m prompture"
    environment = {**os.environ, "P": python, "R": RECEIPT, "I": INVOICE, **env}
    environment.pop("PYTHONUNBUFFERED", None)  # a user's stdout has a buffer
    return subprocess.run(["bash", "-c", line], env=environment, cwd=ROOT, capture_output=True)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("$P models > /dev/full", exits.CONFIGURATION, "cannot write stdout: No space left"),
        ("$P providers > /dev/full", exits.CONFIGURATION, "cannot write stdout: No space left"),
        ("$P --help > /dev/full", exits.CONFIGURATION, "cannot write stdout: No space left"),
        ("$P extract $R -s a? > /dev/full", exits.CONFIGURATION, "cannot write stdout: No space"),
        ("$P extract $R -s a? -o /dev/full", exits.CONFIGURATION, "'/dev/full': No space left"),
        ("$P extract $R -s a? -f jsonl -o /dev/full", exits.CONFIGURATION, "'/dev/full': No space"),
        ("$P extract $R -s a? >&-", exits.CONFIGURATION, "stdout is closed"),
        ("$P extract -s a? <&-", exits.CONFIGURATION, "the file is empty"),
        ("$P models >&-", exits.CONFIGURATION, "cannot write stdout"),
        ("$P extract $R -s a? 2>&-", exits.OK, ""),
        ("$P models | head -1; exit ${PIPESTATUS[0]}", exits.OK, ""),
        ("$P models -f json | head -1; exit ${PIPESTATUS[0]}", exits.OK, ""),
    ],
)
def test_where_answers_cannot_go_is_said_in_one_line(line: str, code: int, said: str) -> None:
    pytest.importorskip("rapidfuzz")
    if "/dev/full" in line and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    done = shell(line)
    told = done.stderr.decode()
    assert (done.returncode, said in told, "Traceback" in told) == (code, True, False), told


def test_a_file_gets_json_also_from_a_terminal(tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    target = tmp_path / "out.json"
    on_terminal("extract", RECEIPT, INVOICE, "-s", "total?: number", "-o", str(target))
    assert [row["file"] for row in json.loads(target.read_text("utf-8"))] == [RECEIPT, INVOICE]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_the_lines_of_a_table_suit_the_encoding(encoding: str) -> None:
    pytest.importorskip("rapidfuzz")
    done = shell("$P extract $R $I -s total?:number -f table", PYTHONIOENCODING=encoding)
    lines = done.stdout.decode(encoding).splitlines()
    assert lines[0].startswith("+---") and "\\u25" not in done.stdout.decode(encoding)


def waiting_for(fifo: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a run whose last document is a pipe that nobody writes to."""
    os.mkfifo(fifo)
    command = [*PROMPTURE, "extract", RECEIPT, str(fifo), "-s", "total: number", "--quiet", *words]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(("style", "place"), [("jsonl", "out"), ("json", "out.part")])
def test_rows_are_on_disk_when_the_run_is_killed(tmp_path: Path, style: str, place: str) -> None:
    pytest.importorskip("rapidfuzz")
    (tmp_path / "out").write_text("old\n", encoding="utf-8")
    process = waiting_for(tmp_path / "fifo", "-f", style, "-o", str(tmp_path / "out"))
    target = tmp_path / place
    limit = time.monotonic() + 60
    while "25.1" not in (target.read_text(encoding="utf-8") if target.exists() else ""):
        assert time.monotonic() < limit and process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    (row,) = map(json.loads, target.read_text(encoding="utf-8").splitlines())
    assert row["value"] == {"total": 25.1}
    if style == "json":
        assert (tmp_path / "out").read_text(encoding="utf-8") == "old\n"
        again = subprocess.run(
            [*PROMPTURE, "extract", RECEIPT, "-s", "a", "-o", str(tmp_path / "out")],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert again.returncode == exits.CONFIGURATION
        assert "out.part" in again.stderr and "killed" in again.stderr


def test_the_bill_counts_the_call_that_ctrl_c_broke_off() -> None:
    with stub.serving(lambda x: x.hang()) as server:
        env = {**os.environ, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "test-key-0123456789"}
        process = subprocess.Popen(
            [*PROMPTURE, "extract", RECEIPT, "-s", "a", "-m", "openai/gpt-4.1-nano"],
            env=env,
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        limit = time.monotonic() + 60
        while not server.asked:
            assert time.monotonic() < limit and process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == exits.INTERRUPTED
    assert b"1 file, 1 not done" in err and b"(1 call" in err and b"(0 calls)" not in err


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Preis 12,50 €".encode(), "12,50 €"),
        ("\ufeffPreis 12,50 €".encode(), "12,50 €"),
        ("Preis 12,50 € “ja”".encode("cp1252"), "12,50 € “ja”"),
        ("Preis 12,50 €".encode("utf-16"), "12,50 €"),
        ("Preis 12,50 €".encode("utf-32"), "12,50 €"),
        (b"Preis \x81 12,50", "12,50"),
    ],
)
def test_texts_are_read_in_their_own_encoding(tmp_path: Path, data: bytes, text: str) -> None:
    from prompture.cli.given_files import given_files

    path = tmp_path / "document.txt"
    path.write_bytes(data)
    given = given_files([str(path)])
    found = given.read(given.files[0]).text
    assert text in found and not found.startswith("\ufeff")


def test_a_text_that_is_not_utf8_is_said_to_be_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prompture.cli.given_files import given_files

    for data, note in (("é".encode(), ""), ("株".encode("shift-jis"), "read as Shift_JIS")):
        path = tmp_path / "d.txt"
        path.write_bytes(data)
        given = given_files([str(path)])
        given.read(given.files[0])
        assert note in capsys.readouterr().err or not note


def test_a_terminal_with_few_characters_loses_none(tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    document = tmp_path / "d.txt"
    document.write_text("Company: Łódź 東京 GmbH\n", encoding="utf-8")
    for style in ("json", "jsonl"):
        done = subprocess.run(
            [*PROMPTURE, "extract", str(document), "-s", "company", "-f", style],
            env={**os.environ, "PYTHONIOENCODING": "cp1252"},
            cwd=ROOT,
            capture_output=True,
        )
        found = json.loads(done.stdout.decode("cp1252"))
        assert found.get("value", found) == {"company": "Łódź 東京 GmbH"}


def test_a_budget_that_ends_a_run_is_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with stub.serving(stub.good('{"a": "x"}'), stub.good('{"a": "x"}')) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "test-key-0123456789")
        words = ["extract", *[RECEIPT] * 5, "-s", "a", "-m", "openai/gpt-4.1-nano"]
        monkeypatch.setattr(sys, "argv", ["prompture", *words, "--budget", "0.0000001"])
        assert exits.run(app) == exits.BUDGET
    assert "4 not done" in capsys.readouterr().err


def test_sources_have_no_place_in_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["extract", RECEIPT, "-s", "a", "--sources", "-f", "table"]
    monkeypatch.setattr(sys, "argv", ["prompture", *words])
    assert exits.run(app) == exits.USAGE
    assert "--sources" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("examples/receipt.py", "examples/receipt.py:NAME (Item, Receipt)"),
        ("examples/receipt.py:Nope", "it has Item, Receipt"),
        ("examples.receipt:Nope", "it has Item, Receipt"),
    ],
)
def test_a_class_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    schema: str,
    message: str,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["prompture", "extract", RECEIPT, "-s", schema])
    assert exits.run(app) == exits.CONFIGURATION
    assert message in capsys.readouterr().err


def test_the_name_of_the_file_says_the_format(tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    for name, rows in (("out.jsonl", 2), ("out.json", 1)):
        words = ["extract", RECEIPT, INVOICE, "-s", "total?: number", "-o", str(tmp_path / name)]
        subprocess.run([*PROMPTURE, *words], cwd=ROOT, check=True, capture_output=True)
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert len(list(map(json.loads, text.splitlines() if rows == 2 else [text]))) == rows
