"""What a file holds, and ``extract`` on files."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import DocumentEmpty, DocumentTooLarge, FileDocument, UnknownOption, document
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import Text

TEXT = "ACME Ltd\nTotal: 12.50\n"
VALUE = {"company": "ACME Ltd", "total": 12.5}


class Receipt(BaseModel):
    company: str
    total: float


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "receipt.txt"
    found.write_text(TEXT)
    return found


def given_as(path: Path) -> list[Any]:
    data = path.read_bytes()
    return [
        path,
        data,
        bytearray(data),
        io.BytesIO(data),
        io.StringIO(TEXT),
        document(path),
        [Text("Read this."), path],
    ]


@pytest.mark.parametrize("which", range(7))
def test_files_are_read(path: Path, which: int) -> None:
    driver = ScriptedDriver([VALUE])
    result = prompture.extract_result(Receipt, given_as(path)[which], model=driver)
    assert result.text.endswith(TEXT)
    [span] = result.sources["/total"]
    assert (result.text[span.start : span.end], span.page, span.boxes) == ("12.50", 1, ())
    assert TEXT in driver.requests[0].messages[-1].content[-1].text  # type: ignore[union-attr]


@pytest.mark.parametrize("which", range(7))
def test_files_are_read_by_awaited_calls(path: Path, which: int) -> None:
    async def all_three() -> None:
        model = AsyncScriptedDriver([VALUE, VALUE, [VALUE]])
        given = given_as(path)[which]
        assert (await prompture.aextract(Receipt, given, model=model)).company == "ACME Ltd"
        given = given_as(path)[which]
        last = [p async for p in prompture.aextract_stream(Receipt, given, model=model)][-1]
        assert last.result is not None
        assert last.result.text.endswith(TEXT)
        given = given_as(path)[which]
        items = [i async for i in prompture.aextract_items(Receipt, given, model=model)]
        assert [item.value.total for item in items] == [12.5]
        given = given_as(path)[which]
        assert (await prompture.aestimate(Receipt, given, model="openai/gpt-4o-mini")).input.tokens

    asyncio.run(all_three())


def test_a_string_is_text(path: Path) -> None:
    driver = ScriptedDriver([VALUE])
    assert prompture.extract_result(Receipt, str(path), model=driver).text == str(path)


def test_document_has_the_text_and_the_name(path: Path) -> None:
    read = document(str(path))
    assert (read.text, read.name, read.media_type) == (TEXT, "receipt.txt", "text/plain")
    assert [(page.number, page.start, page.end) for page in read.pages] == [(1, 0, len(TEXT))]
    assert document(path, name="other").name == "other"
    assert asyncio.run(prompture.adocument(path)) == read
    assert isinstance(read, FileDocument)
    assert "ACME" not in repr(read)


def test_what_is_wrong_has_a_type(path: Path) -> None:
    with pytest.raises(DocumentEmpty, match="0 bytes"):
        document(b"")
    with pytest.raises(DocumentEmpty, match="white space") as caught:
        document(b" \n", name="a.txt")
    assert caught.value.name == "a.txt"
    with pytest.raises(DocumentTooLarge, match=r"receipt.txt: more than max_bytes=3"):
        document(path, max_bytes=3)
    with pytest.raises(UnknownOption, match="did you mean password"):
        document(path, pasword="x")


def test_a_pipe_is_read_to_its_end() -> None:
    class Pipe(io.RawIOBase):
        """Gives three bytes at a time."""

        def __init__(self) -> None:
            self._left = io.BytesIO(TEXT.encode())

        def read(self, size: int = -1) -> bytes:
            return self._left.read(min(size, 3))

    assert document(Pipe()).text == TEXT
    with pytest.raises(DocumentTooLarge, match="max_bytes=10"):
        document(Pipe(), max_bytes=10)
