"""Pictures that were read as files: what is sent to models that see, and to those that do not."""

from __future__ import annotations

from array import array
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from prompture import Cascade, estimate, extract, extract_result
from prompture.document_errors import DocumentWithoutText
from prompture.documents import document
from prompture.drivers.provider import Features
from prompture.testing import FunctionDriver, ScriptedDriver
from prompture.types import DocumentPage, FileDocument, Image, Request
from tests.documents.pictures import drawn, encoded

TEXT = "Total 9.00"
PNG = encoded(drawn([TEXT], width=300))
SEES, BLIND = Features(vision=True, json_mode=False), Features(vision=False)


class Receipt(BaseModel):
    total: Decimal


def photo(
    text: str = TEXT, *, notes: tuple[str, ...] = ("page 1 was read by OCR",)
) -> FileDocument:
    boxes = array("f", [v for at in range(len(text)) for v in (at * 10, 5, at * 10 + 9, 20)])
    page = DocumentPage(
        number=1, start=0, end=len(text), width=300, height=100, unit="px", by_ocr=True, boxes=boxes
    )
    return FileDocument(
        text,
        "photo.png",
        pages=(page,),
        media_type="image/png",
        images=(Image(data=PNG),),
        notes=notes,
        data=PNG,
    )


def shown(request: Request) -> tuple[str, int]:
    """The words of the document's turn as it is sent, and how many pictures are with it."""
    turn = request.messages[1]
    parts = turn.parts
    texts = [part.text for part in parts if not isinstance(part, Image)]  # type: ignore[union-attr]
    return "".join(texts), sum(isinstance(part, Image) for part in parts)


FENCED = f"<document>\n{TEXT}\n</document>"


def test_a_model_that_sees_gets_the_picture_alone_and_its_values_have_their_place() -> None:
    driver = ScriptedDriver([{"total": "9.00"}], features=SEES)
    result = extract_result(Receipt, photo(), model=driver)
    assert shown(driver.requests[0]) == ("", 1)
    (span,) = result.sources["/total"]
    assert (span.document, span.page, result.text[span.start : span.end]) == (
        "photo.png",
        1,
        "9.00",
    )
    assert span.boxes == ((60, 5, 99, 20),)
    assert result.notes == ("page 1 was read by OCR",)
    assert [each.name for each in result.documents if isinstance(each, FileDocument)] == [
        "photo.png"
    ]


def test_a_model_that_does_not_see_gets_the_text() -> None:
    driver = ScriptedDriver([{"total": "9.00"}], features=BLIND)
    result = extract_result(Receipt, photo(), model=driver)
    assert shown(driver.requests[0]) == (FENCED, 0)
    assert result.sources["/total"][0].boxes == ((60, 5, 99, 20),)


def test_a_model_of_which_it_is_not_known_gets_the_text() -> None:
    driver = ScriptedDriver([{"total": "9.00"}])
    assert driver.features.vision
    extract(Receipt, photo(), model=driver)
    assert shown(driver.requests[0]) == (FENCED, 0)


def test_the_picture_stays_when_it_is_asked_again() -> None:
    driver = ScriptedDriver([{"total": "much"}, {"total": "9.00"}], features=SEES)
    assert extract(Receipt, photo(), model=driver) == Receipt(total=Decimal("9.00"))
    assert [shown(request) for request in driver.requests] == [("", 1)] * 2


def test_each_model_of_a_cascade_gets_what_it_can_read() -> None:
    class Two(BaseModel):
        total: Decimal
        shop: str

    first = ScriptedDriver([{"total": "much", "shop": "A"}], features=BLIND)
    second = ScriptedDriver([{"total": "9.00"}], features=SEES, model="other")
    result = extract_result(Two, photo(), model=Cascade([first, second]), max_retries=0)
    assert result.value == Two(total=Decimal("9.00"), shop="A")
    assert shown(first.requests[0]) == (FENCED, 0)
    assert shown(second.requests[0]) == ("", 1)


def test_pictures_and_words_of_the_callers_own_are_sent_together() -> None:
    driver = ScriptedDriver([{"total": "9.00"}] * 2, features=SEES)
    extract(Receipt, ["Seen at the till:", photo()], model=driver)
    text, pictures = shown(driver.requests[0])
    assert ("Seen at the till:" in text, TEXT in text, pictures) == (True, False, 1)
    # A file with text of its own is sent with the pictures that are in it.
    own = FileDocument(TEXT, images=(Image(data=PNG),))
    extract(Receipt, own, model=driver)
    assert shown(driver.requests[1]) == (FENCED, 1)


def test_a_picture_without_text_is_refused_for_a_model_that_does_not_see() -> None:
    driver = ScriptedDriver([], features=BLIND)
    why = r"photo\.png: a picture without text, and scripted/scripted sees no pictures \(why\)"
    with pytest.raises(DocumentWithoutText, match=why):
        extract(Receipt, photo("", notes=("why",)), model=driver)
    with pytest.raises(DocumentWithoutText, match="local/rules sees no pictures"):
        extract(Receipt, photo(""), model="local/rules")
    sees = ScriptedDriver([{"total": "9.00"}], features=SEES, model="other")
    result = extract_result(Receipt, photo(""), model=[driver, sees])
    assert (result.value.total, shown(sees.requests[0])) == (Decimal("9.00"), ("", 1))
    assert "/total" not in result.sources


def test_the_estimate_is_of_the_one_that_is_sent() -> None:
    def never(_: Request) -> object:
        raise AssertionError("nothing is sent")

    def tokens(features: Features) -> int:
        driver = FunctionDriver(never, features=features)
        return estimate(Receipt, photo("word " * 3000), model=driver).input.tokens

    assert tokens(BLIND) > 2500 > tokens(SEES)


def test_a_photo_by_its_path(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr")
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    result = extract_result(Receipt, path, model="local/rules")
    assert result.value == Receipt(total=Decimal("9.00"))
    (span,) = result.sources["/total"]
    assert (span.document, span.page) == ("photo.png", 1)
    driver = ScriptedDriver([{"total": "9.00"}] * 3, features=SEES)
    result = extract_result(Receipt, path, model=driver)
    assert (shown(driver.requests[0]), result.sources["/total"][0].page) == (("", 1), 1)
    extract(Receipt, document(path, ocr="always"), model=driver)
    assert shown(driver.requests[1]) == (FENCED, 0)
    result = extract_result(Receipt, document(path, ocr="never"), model=driver)
    assert (shown(driver.requests[2]), "/total" in result.sources) == (("", 1), False)
