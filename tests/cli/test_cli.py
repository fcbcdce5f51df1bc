"""The command line, called as a user calls it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from prompture.cli import COMMANDS, app
from prompture.cli import console as exits
from prompture.cli.schema import fields_of, schema_of
from prompture.drivers import registry
from prompture.errors import ConfigurationError, SchemaError

ROOT = Path(__file__).resolve().parents[2]
RECEIPT = str(ROOT / "examples" / "documents" / "receipt.txt")
FIELDS = "company, date: date, total: number"


class Outcome:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("PROMPTURE_MODEL", raising=False)

    def call(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["prompture", *words])
        code = exits.run(app)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


def test_a_receipt_becomes_json_and_the_bill_goes_to_stderr(run: Any) -> None:
    pytest.importorskip("rapidfuzz")
    done = run("extract", RECEIPT, "--schema", FIELDS)
    assert done.code == exits.OK
    assert json.loads(done.out)["total"] == 25.1
    assert "local/rules: $0.00" in done.err


def test_a_class_in_a_file_is_a_schema(run: Any) -> None:
    pytest.importorskip("rapidfuzz")
    done = run("extract", RECEIPT, "-s", f"{ROOT}/examples/receipt.py:Receipt", "--sources")
    found = json.loads(done.out)
    assert found["value"]["date"] == "2017-11-24"
    text = Path(RECEIPT).read_text(encoding="utf-8")
    start, end = found["sources"]["/total"][0]
    assert text[start:end] == "25.10"
    assert "absent" not in found["ungrounded"].values()


def test_grounding_is_required_and_examples_are_read(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    examples = tmp_path / "examples.jsonl"
    examples.write_text('{"text": "a total of 3", "value": {"total": 3}}', encoding="utf-8")
    own = ["--examples", str(examples)]
    words = ["extract", RECEIPT, "-s", "total: number", "--require-grounding", "--quotes", *own]
    done = run(*words)
    assert done.code == exits.OK
    assert json.loads(done.out) == {"total": 25.1}
    examples.write_text('{"text": "a total of 3", "value": {"total": "x"}}', encoding="utf-8")
    assert "examples.jsonl line 1" in run(*words).err
    examples.write_text('{"text": "a total of 3", "value": {"total": 3}}', encoding="utf-8")
    asked = ["estimate", RECEIPT, "-s", "total: number", "-m", "openai/gpt-5-mini", "-f", "json"]
    tokens = [json.loads(run(*asked, *more).out)[0] for more in ([], own, ["--quotes"])]
    assert tokens[0]["input_tokens"] < tokens[1]["input_tokens"]
    assert tokens[0]["output_tokens"] < tokens[2]["output_tokens"]


def test_several_files_as_lines_and_one_that_fails(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    empty = tmp_path / "empty.txt"
    empty.write_text("", encoding="utf-8")
    done = run("extract", RECEIPT, str(empty), "-s", "total: number", "-f", "jsonl")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == exits.SOME_FAILED
    assert rows[0]["value"] == {"total": 25.1}
    assert "empty" in rows[1]["error"]
    assert "1 failed" in done.err


def test_what_fails_every_file_is_tried_once(run: Any) -> None:
    done = run("extract", RECEIPT, RECEIPT, RECEIPT, "-s", "a", "-m", "openai/gpt-5-mini")
    assert done.code == exits.CONFIGURATION
    assert done.err.count("OPENAI_API_KEY") == 1
    assert "3 files, 1 failed, 2 not done" in done.err


@pytest.mark.parametrize("style", ["json", "jsonl"])
def test_an_interrupted_run_keeps_what_it_has(
    run: Any, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    pytest.importorskip("rapidfuzz")
    from prompture.cli.given_files import GivenFile, GivenFiles

    real = GivenFiles.read

    def read(self: GivenFiles, given: GivenFile) -> Any:
        if given.name == "later.txt":
            raise KeyboardInterrupt
        return real(self, given)

    monkeypatch.setattr(GivenFiles, "read", read)
    done = run("extract", RECEIPT, "later.txt", "last.txt", "-s", "total: number", "-f", style)
    assert done.code == exits.INTERRUPTED
    found = json.loads(done.out)
    assert (found[0] if style == "json" else found)["value"] == {"total": 25.1}
    assert "2 not done" in done.err


def test_a_table(run: Any) -> None:
    pytest.importorskip("rapidfuzz")
    done = run("extract", RECEIPT, RECEIPT, "-s", FIELDS, "--format", "table")
    assert done.out.count("25.1") == 2


def test_stdin_is_read(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidfuzz")
    import io

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Total: 12.50")))
    assert json.loads(run("extract", "-s", "total: number").out) == {"total": 12.5}


def test_a_file_of_the_users_is_not_written_over(run: Any, tmp_path: Path) -> None:
    mine = tmp_path / "out.json.new"
    mine.write_text("mine", encoding="utf-8")
    done = run("extract", RECEIPT, "-s", "total: number", "-o", str(tmp_path / "out.json"))
    assert done.code == exits.CONFIGURATION and "out.json.new" in done.err
    assert mine.read_text("utf-8") == "mine" and list(tmp_path.iterdir()) == [mine]


def test_the_output_file_is_whole_or_not_there(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    target = tmp_path / "out.json"
    assert run("extract", RECEIPT, "-s", "total: number", "-o", str(target)).code == exits.OK
    assert json.loads(target.read_text(encoding="utf-8")) == {"total": 25.1}
    missing = tmp_path / "no" / "out.json"
    done = run("extract", RECEIPT, "-s", "total: number", "-o", str(missing))
    assert done.code == exits.CONFIGURATION
    assert list(tmp_path.iterdir()) == [target]


def test_a_page_is_written_beside_the_answers(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    page, broken = tmp_path / "page.html", tmp_path / "empty.txt"
    broken.write_text("", encoding="utf-8")
    done = run("extract", RECEIPT, str(broken), "-s", FIELDS, "--html", str(page))
    assert done.code == exits.SOME_FAILED
    assert len(json.loads(done.out)) == 2
    html = page.read_text(encoding="utf-8")
    assert 'data-pointer="/total"' in html
    assert "<bdi>empty.txt</bdi>" in html
    assert set(tmp_path.iterdir()) == {page, broken}


def test_a_pipe_is_written_into_and_stays(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert run("extract", RECEIPT, "-s", FIELDS, "--html", str(pipe)).code == exits.OK
    reader.join(10)
    assert 'data-pointer="/total"' in read[0]
    assert pipe.is_fifo() and [*tmp_path.iterdir()] == [pipe]


def test_a_page_that_fails_at_the_end_costs_no_bill(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rapidfuzz")
    page, mine = tmp_path / "page.html", tmp_path / "page.html.new"
    mine.write_text("mine", encoding="utf-8")
    ask = ("extract", RECEIPT, "-s", FIELDS, "--html", str(page))
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_text", Mock(side_effect=full))
    done = run(*ask)
    assert done.code == exits.CONFIGURATION
    assert "No space left" in done.err
    assert "local/rules: $0.00" in done.err
    assert json.loads(done.out)
    assert [*tmp_path.iterdir()] == [mine]
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_paid(
    run: Any, tmp_path: Path
) -> None:
    for page in (RECEIPT, str(tmp_path / "no" / "page.html"), ""):
        done = run("extract", RECEIPT, "-s", "a", "-m", "openai/gpt-5-mini", "--html", page)
        assert done.code == exits.CONFIGURATION
    same = str(tmp_path / "one")
    done = run("extract", RECEIPT, "-s", "a", "-o", same, "--html", same)
    assert "--html" in done.err
    assert "one of the files" in done.err


FAILURES = [
    (["extract", "nothing.txt", "-s", "a"], exits.CONFIGURATION, "nothing.txt"),
    (["extract", RECEIPT, "-s", "a: magic"], exits.CONFIGURATION, "magic"),
    (["extract", RECEIPT, "-s", "nothing.json"], exits.CONFIGURATION, "nothing.json"),
    (["extract", RECEIPT, "-s", "a", "-m", "nobody/x"], exits.CONFIGURATION, "nobody"),
    (["extract", RECEIPT, "-s", "a", "-m", "openai/gpt-5-mini"], exits.CONFIGURATION, "OPENAI_API"),
    (["extract", RECEIPT], exits.USAGE, "--schema"),
    (["nonsense"], exits.USAGE, "nonsense"),
    (["--config", "none.toml", "providers"], exits.CONFIGURATION, "none.toml"),
    (["check", "nobody"], exits.CONFIGURATION, "no provider 'nobody'"),
    (["check", ""], exits.CONFIGURATION, "no provider ''"),
    (["extarct", RECEIPT], exits.USAGE, "did you mean extract?"),
    (["--config", "none.toml", "providers"], exits.CONFIGURATION, "'none.toml': No such file"),
    (["extract", RECEIPT, "-s", "a: nubmer"], exits.CONFIGURATION, "did you mean number?"),
    (["extract", RECEIPT, "-s", "a, b, a"], exits.CONFIGURATION, "'a' is named twice"),
    (["extract", RECEIPT, "-s", "a", "-o", ""], exits.CONFIGURATION, "-o is empty"),
    (["extract", RECEIPT, "-s", "a", "-o", RECEIPT], exits.CONFIGURATION, "one of the files"),
    (["extract", RECEIPT, "-s", "a", "--budget", "x"], exits.CONFIGURATION, "budget: 'x' is not"),
    (["models", "--provider", ""], exits.CONFIGURATION, "no provider ''"),
    (["costs", "--since", ""], exits.CONFIGURATION, "there is no ledger"),
]


@pytest.mark.parametrize(("words", "code", "said"), FAILURES)
def test_failures_have_codes_and_say_what(run: Any, words: list[str], code: int, said: str) -> None:
    done = run(*words)
    assert done.code == code
    assert said in done.err
    assert "=..." not in done.err  # an argument of Python is of no use on a command line


def test_no_valid_value_has_a_code_of_its_own(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Sir, nothing here.", encoding="utf-8")
    assert run("extract", str(letter), "-s", "total: number").code == exits.EXTRACTION


def test_models_and_providers(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    models = json.loads(run("models", "gpt-5-mini", "-f", "json").out)
    mine = next(m for m in models if m["model"] == "openai/gpt-5-mini")
    assert (mine["input"], mine["key"]) == ("0.25", True)
    rows = json.loads(run("providers", "-f", "json").out)
    assert [r["provider"] for r in rows] == registry.names()
    assert "\t" in run("providers").out


def test_check_says_who_does_not_answer(run: Any) -> None:
    done = run("check", "ollama")
    assert done.code in (exits.OK, exits.PROVIDER)
    assert "ollama" in done.out


@pytest.mark.parametrize("body", ["import sys; sys.exit(3)", "raise RuntimeError('no')"])
def test_a_file_that_raises_or_ends_the_program_is_named(body: str, tmp_path: Path) -> None:
    path = tmp_path / "shapes.py"
    path.write_text(body)
    with pytest.raises(
        ConfigurationError, match=r"shapes\.py raised (SystemExit: 3|RuntimeError: no)"
    ):
        schema_of(f"{path}:Shape")


def test_schema_shows_what_is_sent_and_changed(run: Any) -> None:
    done = run("schema", '{"type": "object", "additionalProperties": {"type": "integer"}}')
    assert json.loads(done.out)["additionalProperties"] is False
    assert done.err.strip()


def test_help_lists_every_command(run: Any) -> None:
    done = run("--help")
    assert done.code == exits.OK
    assert all(name in done.out for name in COMMANDS)


FIELD_CASES: list[tuple[str, dict[str, Any]]] = [
    ("a", {"a": {"type": "string"}}),
    ("a: number, b: date", {"a": {"type": "number"}, "b": {"type": "string", "format": "date"}}),
    ("a?: int", {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}),
    ("a: x|y", {"a": {"type": "string", "enum": ["x", "y"]}}),
    ("a: string[]", {"a": {"type": "array", "items": {"type": "string"}}}),
    ('a "with, comma"', {"a": {"type": "string", "description": "with, comma"}}),
]


@pytest.mark.parametrize(("text", "properties"), FIELD_CASES)
def test_fields(text: str, properties: dict[str, Any]) -> None:
    assert fields_of(text)["properties"] == properties


@pytest.mark.parametrize("text", ["a b c", "1a", "a:", "", "a: number number", "a, a"])
def test_fields_that_cannot_be_read(text: str) -> None:
    with pytest.raises(SchemaError):
        fields_of(text)


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "my_schemas.py"
    path.write_text("class Thing:\n    pass\nraise_now = 1 / 1\n", encoding="utf-8")
    yield path
    sys.modules.pop("_prompture_schema_my_schemas", None)


def test_a_missing_class_lists_those_there_are(module: Path) -> None:
    assert schema_of(f"{module}:Thing").__name__ == "Thing"
    with pytest.raises(ConfigurationError, match="Thing"):
        schema_of(f"{module}:Nothing")


def test_python_dash_m_works() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prompture", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "version" in done.stdout


@pytest.mark.parametrize(
    "words", [("-v", "extract"), ("extract", "-v"), ("-vv", "extract"), ("extract", "--verbose")]
)
def test_v_shows_the_log_on_stderr(
    run: Any, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rapidfuzz")
    monkeypatch.setattr(registry, "_logged", set())
    monkeypatch.setenv("PROMPTURE_MODEL", "local/rules")
    monkeypatch.setattr(registry, "first_set", lambda names: "local/rules")
    done = run(*words, RECEIPT, "--schema", FIELDS)
    assert "INFO no model is named: local/rules is used, which PROMPTURE_MODEL names" in done.err
    assert json.loads(done.out)["total"] == 25.1
    assert not logging.getLogger("prompture").handlers


def test_without_v_there_is_no_log(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidfuzz")
    monkeypatch.setattr(registry, "_logged", set())
    monkeypatch.setattr(registry, "first_set", lambda names: "local/rules")
    assert "INFO" not in run("extract", RECEIPT, "--schema", FIELDS).err
