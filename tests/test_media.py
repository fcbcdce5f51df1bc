"""Images and files out of paths, bytes, URLs and PIL images."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest

from prompture.errors import ConfigurationError
from prompture.media import file, image, media_type_of, settled
from prompture.types import File, Image

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 8
GIF = b"GIF89a" + b"\0" * 8
WEBP = b"RIFF\x10\0\0\0WEBPVP8 "
PDF = b"%PDF-1.7\n"
SIGNED = [
    (PNG, "image/png"),
    (JPEG, "image/jpeg"),
    (GIF, "image/gif"),
    (b"GIF87a", "image/gif"),
    (WEBP, "image/webp"),
    (PDF, "application/pdf"),
    (b"RIFF\x10\0\0\0WAVE", None),
    (b"BM\x46\0\0\0\0\0\0\0\x36", "image/bmp"),
    (b"BMW and others", None),
    (b"II*\0\x08", "image/tiff"),
    (b"\0\0\0\x18ftypheic", "image/heic"),
    (b"\0\0\0\x18ftypavif", "image/avif"),
    (b"\0\0\0\x18ftypmp42", None),
    (b"\xef\xbb\xbf%PDF-1.4", "application/pdf"),
    (b"plain words", None),
    (b"", None),
]


@pytest.mark.parametrize(("data", "kind"), SIGNED)
def test_media_type_of(data: bytes, kind: str | None) -> None:
    assert media_type_of(data) == kind


def data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def test_an_image_of_bytes_and_of_a_path_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "scan.jpg"
    path.write_bytes(PNG)  # the bytes know better than the name
    made = [
        image(PNG),
        image(bytearray(PNG)),
        image(memoryview(PNG)),
        image(path),
        image(str(path)),
    ]
    assert made == [Image(data=PNG, media_type="image/png")] * 5
    assert image(data_url(JPEG, "image/jpeg")) == Image(data=JPEG, media_type="image/jpeg")


def test_what_is_given_stays() -> None:
    picture = Image(url="https://example.org/a.png")
    assert image(picture) is picture
    assert image("https://example.org/a.png", detail="low").detail == "low"
    assert image("HTTPS://example.org/a".lower()).url == "https://example.org/a"
    document = File(id="file-1")
    assert file(document) is document


def test_the_name_says_what_bytes_do_not(tmp_path: Path) -> None:
    path = tmp_path / "drawing.svg"
    path.write_text("<svg/>", encoding="utf-8")
    assert image(path).media_type == "image/svg+xml"
    assert image(b"raw", media_type="image/tiff").media_type == "image/tiff"


def test_a_pil_image() -> None:
    pil = pytest.importorskip("PIL.Image")
    made = image(pil.new("RGB", (2, 3), "red"), detail="high")
    assert (made.media_type, made.detail) == ("image/png", "high")
    assert pil.open(io.BytesIO(made.data or b"")).size == (2, 3)
    printed = image(pil.new("CMYK", (2, 3)))  # which PNG has not
    assert pil.open(io.BytesIO(printed.data or b"")).mode == "RGB"


FILES: list[tuple[Any, dict[str, Any], str, str]] = [
    (PDF, {}, "application/pdf", "document"),
    (PDF, {"name": "a.pdf"}, "application/pdf", "a.pdf"),
    (b"a,b", {"media_type": "text/csv"}, "text/csv", "document"),
    (data_url(PDF, "application/pdf"), {}, "application/pdf", "document"),
    ("https://example.org/in/report.pdf?sig=1", {}, "application/pdf", "report.pdf"),
    ("https://example.org/notes.txt", {}, "text/plain", "notes.txt"),
    ("https://example.org/", {}, "application/pdf", "document"),
]


@pytest.mark.parametrize(("source", "options", "kind", "name"), FILES)
def test_files(source: Any, options: dict[str, Any], kind: str, name: str) -> None:
    made = file(source, **options)
    assert (made.media_type, made.name) == (kind, name)


def test_a_file_of_a_path_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "facture.pdf"
    path.write_bytes(PDF)
    assert file(path) == File(data=PDF, media_type="application/pdf", name="facture.pdf")


BAD: list[tuple[Any, str]] = [
    ("no/such/scan.png", "scan.png"),
    (Path("no-such.png"), "no-such.png"),
    (b"words", "unknown type"),
    (PDF, "application/pdf"),
    (5, "int"),
    (None, "NoneType"),
    ("data:image/png,raw", "base64"),
    (b"", "empty"),
    ("data:image/png;base64,", "empty"),
    (data_url(b"<html>", "image/png"), "unknown type"),
    (data_url(PDF, "image/png"), "application/pdf"),
    ("data:image/png;base64,!!!", "base64"),
    ("a\0b.png", "a"),
    ("x" * 5000, "x"),
]


@pytest.mark.parametrize(("source", "words"), BAD)
def test_what_is_no_image_is_refused(source: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        image(source)


def test_a_file_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="media_type"):
        file(b"words")


@pytest.mark.parametrize(
    ("kind", "given"),
    [(Image, {}), (Image, {"data": b"", "url": "u"}), (File, {}), (File, {"id": "1", "url": "u"})],
)
def test_exactly_one_source(kind: type, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        kind(**given)


def test_no_bytes_in_a_repr() -> None:
    assert "PNG" not in repr(image(PNG)).replace("image/png", "")
    assert "%PDF" not in repr(file(PDF))


def test_a_name_that_the_bytes_do_not_bear_out(tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    for held, words in ((b"", "empty"), (b"<html>Sign in</html>", "unknown type"), (PDF, "pdf")):
        path.write_bytes(held)
        with pytest.raises(ConfigurationError, match=words):
            image(path)
    path.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="empty"):
        file(path)


def test_data_urls_as_they_are_written() -> None:
    body = base64.b64encode(JPEG).decode()
    for url in (
        f"data:image/png;base64,{body}",
        f"DATA:image/jpeg;charset=utf-8;name=a.jpg;BASE64,{body}",
        f"data:;base64,{body.rstrip('=')}",
        f"data:image/jpeg;base64,{body[:6]}\r\n {body[6:]}",
    ):
        assert image(url) == Image(data=JPEG, media_type="image/jpeg"), url
        assert settled(Image(url=url)) == Image(data=JPEG, media_type="image/jpeg")


def test_what_is_sent_is_what_the_bytes_are() -> None:
    assert settled(Image(data=JPEG)).media_type == "image/jpeg"
    assert settled(File(data=PNG)).media_type == "image/png"
    remote = Image(url="https://example.org/a.png")
    assert settled(remote) is remote
    assert settled(file(PDF)).data == PDF
    for empty in (Image(data=b""), File(data=b""), Image(url="data:image/png;base64,")):
        with pytest.raises(ConfigurationError, match="empty"):
            settled(empty)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
@pytest.mark.parametrize("make", [image, file])
def test_a_device_is_not_read(make: Any) -> None:
    with pytest.raises(ConfigurationError, match="device"):
        make("/dev/zero")
