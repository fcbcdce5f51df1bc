"""Documents of all kinds, folders and patterns on the command line."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from prompture import ServerError
from prompture.cli import console as exits
from prompture.extraction.extractor import Extractor
from prompture.testing import FunctionDriver
from prompture.types import Request
from tests.cli.test_cli import run  # noqa: F401 - the fixture

pytest.importorskip("rapidfuzz")
SCHEMA = ("-s", "total: number")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docx = pytest.importorskip("docx")
    made = tmp_path / "in"
    (made / "deep").mkdir(parents=True)
    (made / ".git").mkdir()
    (made / ".git" / "a.txt").write_text("Total: 99.00")
    (made / "a.txt").write_text("Total: 1.50")
    (made / "b.csv").write_text("item,total\nx,2.50\n")
    (made / "program.exe").write_bytes(b"MZ\x90\0")
    (made / "no_ending").write_bytes(b"MZ\x90\0")
    (made / "~$c.docx").write_bytes(b"x")
    document = docx.Document()
    document.add_paragraph("Total: 3.50")
    stream = io.BytesIO()
    document.save(stream)
    (made / "deep" / "c.docx").write_bytes(stream.getvalue())
    return made


def rows(done: Any) -> dict[str, Any]:
    return {
        Path(r["file"]).name: r.get("value") or r["error"]
        for r in map(json.loads, done.out.splitlines())
    }


def test_a_folder_is_all_that_is_read_in_it(run: Any, folder: Path) -> None:  # noqa: F811
    done = run("extract", str(folder), *SCHEMA, "-f", "jsonl")
    assert done.code == exits.OK, done.err
    assert rows(done) == {
        "a.txt": {"total": 1.5},
        "b.csv": {"total": 2.5},
        "c.docx": {"total": 3.5},
    }
    assert "3 files" in done.err
    assert "2 skipped" in done.err


def test_what_is_named_is_not_skipped(run: Any, folder: Path) -> None:  # noqa: F811
    done = run(
        "extract", str(folder / "program.exe"), str(folder / "a.txt"), *SCHEMA, "-f", "jsonl"
    )
    assert done.code == exits.SOME_FAILED
    assert rows(done)["program.exe"] == "DocumentUnsupported: program.exe: a program"


def test_patterns_are_matched_here(run: Any, folder: Path) -> None:  # noqa: F811
    done = run(
        "extract",
        f"{folder}/**/*.docx",
        f"{folder}/*.csv",
        f"{folder}/*.none",
        *SCHEMA,
        "-f",
        "jsonl",
    )
    found = rows(done)
    assert (found["c.docx"], found["b.csv"]) == ({"total": 3.5}, {"total": 2.5})
    assert "no file matches" in found["*.none"]


def test_a_name_with_brackets_is_a_name(run: Any, folder: Path) -> None:  # noqa: F811
    (folder / "a[1].txt").write_text("Total: 4.50")
    done = run("extract", f"{folder}/a[1].txt", *SCHEMA)
    assert json.loads(done.out) == {"total": 4.5}


def test_what_the_command_writes_is_none_of_its_files(run: Any, folder: Path) -> None:  # noqa: F811
    for _ in range(2):
        done = run("extract", str(folder), *SCHEMA, "-o", str(folder / "out.json"))
        assert done.code == exits.OK, done.err
    found = json.loads((folder / "out.json").read_text())
    assert [Path(row["file"]).name for row in found] == ["a.txt", "b.csv", "c.docx"]


def test_a_url_needs_its_option(run: Any) -> None:  # noqa: F811
    done = run("extract", "http://127.0.0.1:9/x.txt", *SCHEMA)
    assert "only fetched by --url" in done.err
    done = run("extract", "--url", "http://u:secret@127.0.0.1:9/x.txt?key=secret", *SCHEMA)
    assert done.code == exits.CONFIGURATION
    assert "address of this network" in done.err
    assert "secret" not in done.err + done.out


def test_files_are_estimated(run: Any, folder: Path) -> None:  # noqa: F811
    done = run("estimate", str(folder), *SCHEMA, "-m", "openai/gpt-5-mini", "-f", "json")
    assert json.loads(done.out)[0]["files"] == 3
    assert "2 skipped" in done.err
    assert run("estimate", *SCHEMA).code == exits.USAGE


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_pipes_and_circles_of_links_in_a_folder_are_no_files(run: Any, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "a.txt").write_text("Total: 1.50")
    (tmp_path / "circle").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.txt")  # no one writes to it: to open it would wait for ever
    for given in (str(tmp_path), f"{tmp_path}/*.txt"):
        done = run("extract", given, *SCHEMA, "-f", "jsonl")
        assert (done.code, rows(done)) == (exits.OK, {"a.txt": {"total": 1.5}})


def test_a_folder_that_cannot_be_opened_is_an_error_of_its_own(
    run: Any,  # noqa: F811
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path)

    monkeypatch.setattr(os, "scandir", scandir)
    done = run("extract", str(folder), *SCHEMA, "-f", "jsonl")
    assert done.code == exits.SOME_FAILED
    assert "Permission denied" in rows(done)["deep"]
    assert "a.txt" in rows(done)


def test_a_message_names_its_file_once(run: Any, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "broken.docx"
    path.write_bytes(b"PK\x03\x04garbage")
    done = run("extract", str(path), *SCHEMA)
    assert f"prompture: {path}: the file is broken" in done.err


def test_an_empty_folder_is_nothing_to_read(run: Any, tmp_path: Path) -> None:  # noqa: F811
    done = run("extract", str(tmp_path), *SCHEMA)
    assert done.code == exits.CONFIGURATION
    assert "no file to read" in done.err


@pytest.fixture
def long_file(tmp_path: Path) -> str:
    path = tmp_path / "long.txt"
    path.write_text("Number: A-17\n\n" + "Nothing of use.\n\n" * 200 + "Total: 12.50\n")
    return str(path)


def test_chunks_have_options(run: Any, long_file: str) -> None:  # noqa: F811
    schema = ("-s", "number, total: number", "-m", "local/rules")
    done = run("extract", long_file, *schema, "--chunk-tokens", "300", "--overlap", "20")
    assert json.loads(done.out) == {"number": "A-17", "total": 12.5}
    assert "(1 call" not in done.err
    done = run("extract", long_file, *schema, "--no-long")
    assert "(1 call" in done.err
    done = run("estimate", long_file, *schema[:2], "-m", "openai/gpt-4o", "--chunk-tokens", "300")
    assert done.code == exits.OK, done.err
    for wrong in (
        ("--no-long", "--chunk-tokens", "300"),
        ("--chunk-tokens", "3"),
        ("--identity", "items"),
        ("--identity", "/items=sku"),
    ):
        assert run("extract", long_file, *schema, *wrong).code not in (exits.OK, exits.SOME_FAILED)


def test_a_chunk_that_failed_is_shown_and_is_no_success(
    run: Any,  # noqa: F811
    long_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(request: Request) -> Any:
        if "Total" in request.messages[1].text:
            return ServerError("it is down", provider="example", status=500)
        return {"total": 1}

    real = Extractor.extract_result

    def asked(self: Any, text: Any) -> Any:
        return real(
            Extractor(self.source.json_schema, model=FunctionDriver(answer), long=self.long), text
        )

    monkeypatch.setattr(Extractor, "extract_result", asked)
    done = run("extract", long_file, *SCHEMA, "-f", "jsonl", "--chunk-tokens", "300")
    assert done.code == exits.SOME_FAILED
    row = json.loads(done.out)
    assert row["value"] == {"total": 1}
    (lost,) = row["lost"]
    assert lost.startswith("nothing came of the characters ")
    assert "it is down" in lost
    assert lost in done.err
    assert "1 file, 1 in part" in done.err
