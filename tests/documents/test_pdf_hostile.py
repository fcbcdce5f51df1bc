"""Files that are broken, locked, endless or made to explode: each is a typed error, soon, and small."""

from __future__ import annotations

import resource
import sys
import zlib
from collections.abc import Callable
from functools import cache

import pytest

from prompture import (
    DocumentEmpty,
    DocumentEncrypted,
    DocumentError,
    DocumentTooLarge,
    DocumentUnreadable,
    document,
)
from prompture.documents.pdf import pictures
from tests.documents.pdf_files import FONT, built, made, one_page, stream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits of that kind")

FLATE = b"/Filter/FlateDecode"
CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
HELLO = stream(b"BT /F1 10 Tf 10 700 Td (hello) Tj ET")


@cache
def deflated(size: int, byte: bytes = b" ") -> bytes:
    packer = zlib.compressobj(9)
    piece = byte * 5_000_000
    return b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()


def packed(data: bytes, times: int = 1, entries: bytes = b"") -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 9)
    filters = b"/Filter[" + b"/FlateDecode" * times + b"]"
    return stream(data, filters + entries)


def bomb(times: int) -> bytes:
    """A stream that is deflated so many times, 450 MB at the end."""
    data = deflated(450_000_000)
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return stream(data, b"/Filter[" + b"/FlateDecode" * times + b"]")


def with_object_stream(size: bytes = b"/Size 10") -> bytes:
    """The tree of pages is in a stream of objects that explodes."""
    out, offsets = b"%PDF-1.7\n", []
    inner = stream(
        zlib.compress(deflated(450_000_000), 9),
        b"/Filter[/FlateDecode/FlateDecode]/Type/ObjStm/N 1/First 4",
    )
    for number, each in enumerate((b"<</Type/Catalog/Pages 9 0 R>>", inner), 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(out)
    rows = [bytes(5), *(b"\1" + at.to_bytes(3, "big") + b"\0" for at in (*offsets, start))]
    rows += [bytes(5)] * 5 + [b"\2" + (2).to_bytes(3, "big") + b"\0"]
    entries = FLATE + b"/Type/XRef/W[1 3 1]/Root 1 0 R" + size
    table = stream(zlib.compress(b"".join(rows)), entries)
    return out + b"3 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF" % (table, start)


def form(draws: bytes, entries: bytes = b"") -> bytes:
    return stream(draws, b"/Type/XObject/Subtype/Form/BBox[0 0 600 700]" + entries)


def laughs() -> bytes:
    """A form that draws the next one ten times, and so on: a hundred million words."""
    inner = [
        form(b"/X Do " * 10, b"/Resources<</XObject<</X %d 0 R>>>>" % (6 + level))
        for level in range(8)
    ]
    words = form(b"BT /F1 9 Tf (lol) Tj ET", b"/Resources<</Font<</F1 %s>>>>" % FONT)
    return one_page(stream(b"/X Do"), *inner, words)


def image(data: bytes, entries: bytes) -> bytes:
    head = b"/Type/XObject/Subtype/Image/BitsPerComponent 8/ColorSpace/DeviceGray"
    return one_page(stream(b"600 0 0 700 0 0 cm /X Do"), stream(data, head + entries))


GOOD = one_page(HELLO)
TEXT = b"BT /F1 10 Tf 10 700 Td " + b"(AB) Tj " * 2_000_000 + b"ET"
HOSTILE: dict[str, tuple[type[DocumentError], Callable[[], bytes]]] = {
    "deflated once": (DocumentTooLarge, lambda: one_page(bomb(1))),
    "deflated twice": (DocumentTooLarge, lambda: one_page(bomb(2))),
    "deflated three times": (DocumentTooLarge, lambda: one_page(bomb(3))),
    "millions of words": (DocumentTooLarge, lambda: one_page(packed(TEXT, 2))),
    "millions of paths": (
        DocumentTooLarge,
        lambda: one_page(packed(b"0 0 m 1 1 l S " * 2_000_000, 2)),
    ),
    "states in states": (DocumentTooLarge, lambda: one_page(packed(b"q " * 4_000_000, 2))),
    "a billion laughs": (DocumentTooLarge, laughs),
    "a stream of objects": (DocumentTooLarge, with_object_stream),
    "a table of two billion objects": (
        DocumentTooLarge,
        lambda: with_object_stream(b"/Size 2147483647/Index[0 2147483647]"),
    ),
    "a million pages that are one": (
        DocumentTooLarge,
        lambda: built([CATALOG, b"<</Type/Pages/Kids[2 0 R]/Count 1000000>>"]),
    ),
    "a hundred thousand pages": (
        DocumentTooLarge,
        lambda: built(
            [
                CATALOG,
                b"<</Type/Pages/Kids[" + b"3 0 R " * 100_000 + b"]/Count 100000>>",
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
            ]
        ),
    ),
    "pages in a circle": (
        DocumentUnreadable,
        lambda: built(
            [
                CATALOG,
                b"<</Type/Pages/Kids[3 0 R]/Count 5>>",
                b"<</Type/Pages/Kids[2 0 R]/Parent 2 0 R/Count 5>>",
            ]
        ),
    ),
    "no pages": (
        DocumentEmpty,
        lambda: built([CATALOG, b"<</Type/Pages/Kids[]/Count 0>>"]),
    ),
    "no tree of pages": (DocumentEmpty, lambda: built([b"<</Type/Catalog>>"])),
    "an empty page": (DocumentEmpty, lambda: one_page(stream(b""))),
    "lists in lists": (
        DocumentEmpty,
        lambda: built(
            [
                b"<</Type/Catalog/Pages 2 0 R/A " + b"[" * 100_000 + b"]" * 100_000 + b">>",
                b"<</Type/Pages/Kids[]/Count 0>>",
            ]
        ),
    ),
    "a map of letters without end": (
        DocumentEmpty,
        lambda: one_page(
            stream(b"BT /F2 10 Tf 10 700 Td <0001> Tj ET"),
            b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/ToUnicode 6 0 R"
            b"/DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/A>>]>>",
            packed(b"begincmap " + b"1 beginbfrange <0000> <FFFF> <0000> endbfrange " * 50_000),
            entries=b"/Resources<</Font<</F2 5 0 R>>>>",
        ),
    ),
    "cut in the middle": (DocumentUnreadable, lambda: GOOD[: len(GOOD) // 2]),
    "cut at the end": (DocumentUnreadable, lambda: GOOD[:-30]),
    "only a head": (DocumentUnreadable, lambda: b"%PDF-1.7"),
    "noise": (DocumentUnreadable, lambda: b"%PDF-1.7\n" + bytes(range(256)) * 50),
    "noise with an end": (
        DocumentUnreadable,
        lambda: b"%PDF-1.7\n" + bytes(range(256)) * 50 + b"startxref\n9\n%%EOF",
    ),
    "without a password": (
        DocumentEncrypted,
        lambda: made(lambda c: c.drawString(60, 700, "x"), encrypt="geheim"),
    ),
    "an unknown encryption": (
        DocumentEncrypted,
        lambda: one_page(HELLO).replace(
            b"/Root 1 0 R", b"/Root 1 0 R/Encrypt<</Filter/Own/V 9/R 9>>/ID[<00><00>]"
        ),
    ),
}


@pytest.mark.parametrize("which", HOSTILE)
def test_a_hostile_file_is_a_typed_error(which: str) -> None:
    kind, make = HOSTILE[which]
    data = make()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(kind, match=r"^evil\.pdf: .{10}"):
        document(data, name="evil.pdf", ocr="never", media_type="application/pdf")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5
    unit = 1 if sys.platform == "darwin" else 1024
    # A child begins with what this process had at most.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after.ru_maxrss * unit < 500_000_000 or after.ru_maxrss <= own


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        (lambda: deflated(450_000_000), FLATE + b"/Width 20000/Height 20000"),
        (lambda: b"x", b"/Filter/DCTDecode/Width 65000/Height 65000"),
    ],
)
def test_a_hostile_picture_is_drawn_in_little_time_and_sent(
    data: Callable[[], bytes], entries: bytes
) -> None:
    file = image(data(), entries)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    (sent,) = document(file, ocr="never", media_type="application/pdf").images
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(sent.data or b"") < 50_000
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5


HARMLESS: dict[str, Callable[[], bytes]] = {
    "a page as large as a country": lambda: one_page(HELLO, box=b"0 0 1e12 1e12"),
    "a page without a size": lambda: one_page(HELLO, box=b"0 0 0 0"),
    "tables in a circle": lambda: GOOD.replace(
        b"/Root 1", b"/Prev %d/Root 1" % GOOD.rfind(b"xref\n0")
    ),
    "a table of a billion objects": lambda: GOOD.replace(b"xref\n0 5", b"xref\n0 999999999"),
    "a script without end": lambda: GOOD.replace(
        CATALOG,
        b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(while(true){})>>>>",
    ),
    "something before its head": lambda: b"X-Sent-By: me\r\n\r\n" + GOOD,
    "something behind its end": lambda: GOOD + b"\n" + b"<html>" * 1000,
}


@pytest.mark.parametrize("which", HARMLESS)
def test_what_is_odd_but_readable_is_read(which: str) -> None:
    assert document(HARMLESS[which]()).text == "hello"


def test_pictures_have_limits_too() -> None:
    with pytest.raises(DocumentTooLarge):
        list(pictures(one_page(bomb(2))))
    [page] = pictures(one_page(HELLO, box=b"0 0 14400 14400"), dpi=600, max_pixels=10_000)
    assert (page.width, page.height) == (14400, 14400)
    assert len(page.png) < 40_000


def test_a_page_that_is_broken_is_left_out_and_noted() -> None:
    data = built(
        [
            CATALOG,
            b"<</Type/Pages/Kids[3 0 R 9 0 R]/Count 2>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
            b"/Resources<</Font<</F1 %s>>>>>>" % FONT,
            HELLO,
        ]
    )
    found = document(data)
    assert found.text.strip() == "hello"
    assert [page.number for page in found.pages] == [1, 2]
    assert found.notes == ("page 2 could not be read, and left out",)


def test_a_file_that_was_cut_off_after_a_whole_part() -> None:
    found = document(GOOD + b"\n9 0 obj\n<</Type/Page")
    assert found.text == "hello"
    assert "cut off" in found.notes[0]


def test_max_pages_and_max_unpacked() -> None:
    data = made(*[lambda c: c.drawString(60, 700, "a page")] * 3)
    with pytest.raises(DocumentTooLarge, match="3 pages are more than max_pages=2"):
        document(data, max_pages=2)
    with pytest.raises(DocumentTooLarge, match="max_unpacked=50"):
        document(data, max_unpacked=50)
