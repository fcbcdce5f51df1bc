"""Pictures as documents: what is read, what is sent, and what is refused."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from prompture import DocumentEmpty, DocumentTooLarge, MissingExtra
from prompture.documents import document, ocr
from prompture.documents.layout import regions_of
from prompture.types import FileDocument
from tests.documents.pictures import drawn, encoded

pytest.importorskip("rapidocr")
ROOT = Path(__file__).resolve().parents[2]
WORDS: list[str | tuple[str, ...]] = ["INVOICE No. 2024-0815", ("Blue widget", "2", "10.00")]
TEXT = "INVOICE No. 2024-0815\nBlue widget  2  10.00"


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return drawn(WORDS, width=800)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra ``ocr`` were not installed."""
    monkeypatch.setattr(ocr, "is_installed", lambda: False)


def red_box(read: FileDocument, words: str) -> tuple[float, float, float, float]:
    start = read.text.index(words)
    (region,) = regions_of(read, start, start + len(words))
    (box,) = region.boxes
    return box


KINDS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"]
Image.init()
if "AVIF" in Image.SAVE:
    KINDS.append("AVIF")


@pytest.mark.parametrize("kind", KINDS)
def test_every_common_kind_is_read(picture: Image.Image, kind: str) -> None:
    read = document(encoded(picture, kind), name="photo")
    assert read.text == TEXT
    (page,) = read.pages
    assert (page.number, page.start, page.end, page.unit) == (1, 0, len(TEXT), "px")
    assert (page.width, page.height, page.by_ocr) == (*picture.size, True)
    assert read.media_type == f"image/{kind.lower()}"
    assert read.notes == ("page 1 was read by OCR",)
    assert read.is_read_off
    (sent,) = read.images
    assert sent.media_type == (
        "image/jpeg" if kind in ("TIFF", "BMP", "AVIF") else f"image/{kind.lower()}"
    )
    if kind not in ("TIFF", "BMP", "AVIF"):
        assert sent.data == read.data


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_boxes_fit_what_is_shown_of_a_picture_that_a_camera_laid_on_its_side(
    picture: Image.Image, orientation: int, kind: str
) -> None:
    marked = picture.copy()
    marked.paste("red", (780, 0, 800, marked.height))
    lying = marked.rotate({3: 180, 6: 90, 8: 270}[orientation], expand=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = document(encoded(lying, kind, exif=exif))
    assert read.text == TEXT
    page = read.pages[0]
    assert (page.width, page.height) == picture.size
    left, top, right, bottom = red_box(read, "2024-0815")
    assert 180 < left < 230 < 300 < right < 350
    assert 35 < top < bottom < 75
    # Not every provider turns it, so it is sent turned.
    sent = Image.open(io.BytesIO(read.images[0].data or b""))
    assert sent.size == picture.size
    assert sent.getexif().get(0x0112, 1) == 1
    red, green, _ = sent.convert("RGB").getpixel((792, 40))
    assert red > 200 > 100 > green


def test_the_pages_of_a_fax_follow_each_other(picture: Image.Image) -> None:
    black = picture.convert("1")
    blank = Image.new("1", (400, 300), 1)
    second = drawn(["Page two"], width=300).convert("1")
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": [blank, second], "compression": "group4"}
    black.save(buffer, "TIFF", **options)
    read = document(buffer.getvalue(), name="fax.tif")
    assert read.text == f"{TEXT}\n\nPage two"
    assert [(p.number, p.start, p.end) for p in read.pages] == [
        (1, 0, len(TEXT)),
        (2, len(TEXT), len(TEXT)),
        (3, len(TEXT), len(read.text)),
    ]
    assert [(p.width, p.height) for p in read.pages] == [black.size, (400, 300), second.size]
    assert [
        regions.page for regions in regions_of(read, read.text.index("two"), len(read.text))
    ] == [3]
    assert [image.media_type for image in read.images] == ["image/png"] * 3
    with pytest.raises(DocumentTooLarge, match="max_pages=2"):
        document(buffer.getvalue(), max_pages=2)


def test_a_fax_of_many_pages_is_sent_as_its_text(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Image.new("1", (40, 40), 1)
    buffer = io.BytesIO()
    picture.convert("1").save(buffer, "TIFF", save_all=True, append_images=[small] * 24)
    read = document(buffer.getvalue())
    assert (read.text, len(read.pages), read.images) == (TEXT, 25, ())
    unread = document(buffer.getvalue(), ocr="never")
    assert (unread.text, len(unread.images)) == ("", 20)
    assert "the first 20 of 25 pages are sent" in unread.notes


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_shades_palettes_transparence_and_sixteen_bits(picture: Image.Image, mode: str) -> None:
    grey = picture.convert("L")
    if mode == "I;16":
        made = Image.new("I;16", grey.size)
        made.putdata([v * 16 for v in grey.tobytes()])  # twelve bits, as scanners have them
    else:
        made = grey.convert(mode)
    assert document(encoded(made)).text == TEXT


def test_white_letters_on_no_paper_and_on_black_and_faint_ones() -> None:
    black = drawn(WORDS, width=800, paper="black", letters="white")
    assert document(encoded(black)).text == TEXT
    clear = Image.new("RGBA", black.size, "white")
    clear.putalpha(black.convert("L"))
    assert document(encoded(clear)).text == TEXT
    faint = drawn(WORDS, width=800, paper="#c8c8c8", letters="#a8a8a8")
    assert document(encoded(faint)).text == TEXT


def test_a_large_photo_is_read_and_its_boxes_are_in_its_own_pixels() -> None:
    photo = drawn(WORDS, size=110, width=3600, columns=(200, 2000, 2800))
    photo = photo.crop((0, -500, 3600, 1900))
    read = document(encoded(photo, "JPEG", quality=85))
    assert read.text == TEXT
    assert (read.pages[0].width, read.pages[0].height) == (3600, 2400)
    left, top, right, bottom = red_box(read, "10.00")
    assert 2790 < left < 2830 < 3050 < right < 3250
    assert 700 < top < bottom < 900


def test_small_letters_are_read_in_the_picture_enlarged() -> None:
    small = drawn(WORDS, size=11, width=380, columns=(20, 200, 280))
    assert document(encoded(small)).text == TEXT


def test_ocr_never_and_always(picture: Image.Image) -> None:
    data = encoded(picture)
    never = document(data, ocr="never")
    assert (never.text, len(never.images), never.is_read_off) == ("", 1, False)
    assert never.notes == ("the picture was not read here (ocr='never')",)
    always = document(data, ocr="always")
    assert (always.text, always.images) == (TEXT, ())
    blank = encoded(Image.new("RGB", (200, 100), "white"))
    with pytest.raises(DocumentEmpty, match=r"a\.png: no text was found"):
        document(blank, name="a.png", ocr="always")
    seen = document(blank)
    assert (seen.text, len(seen.images)) == ("", 1)
    assert seen.notes == ("no text was found in the picture",)


def test_what_nobody_can_read_is_left_out_and_counted(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "_LEGIBLE", 2.0)
    read = document(encoded(picture))
    assert (read.text, len(read.images), read.is_read_off) == ("", 1, False)
    assert read.notes == (
        "page 1 was read by OCR",
        "page 1: 4 pieces of text were not legible, and left out",
    )


def test_without_the_extra_the_picture_is_there_to_be_sent(
    picture: Image.Image, unread: None
) -> None:
    read = document(encoded(picture))
    assert (read.text, len(read.images)) == ("", 1)
    assert (read.pages[0].width, read.pages[0].by_ocr) == (800, False)
    assert 'pip install "prompture[ocr]"' in read.notes[0]


def test_without_pillow_the_common_kinds_can_still_be_sent(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(picture)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert document(data).images[0].data == data
    with pytest.raises(MissingExtra, match=r"prompture\[ocr\]"):
        document(data, ocr="always")
    with pytest.raises(MissingExtra, match=r"prompture\[images\]"):
        document(b"II*\0" + bytes(100))


def test_a_moving_picture_gives_its_first_frame(picture: Image.Image) -> None:
    buffer = io.BytesIO()
    other = drawn(["Other words"], width=800)
    picture.convert("L").save(buffer, "GIF", save_all=True, append_images=[other.convert("L")])
    read = document(buffer.getvalue())
    assert read.text == TEXT
    assert "the first was taken" in read.notes[0]
    assert read.images[0].media_type in ("image/png", "image/jpeg")


def test_what_a_phone_puts_behind_a_photo_is_no_second_picture(
    picture: Image.Image, unread: None
) -> None:
    """A JPEG with a small picture or a map of brightness behind it is sent as it is."""
    buffer = io.BytesIO()
    picture.save(buffer, "MPO", save_all=True, append_images=[picture.resize((80, 16))])
    read = document(buffer.getvalue())
    assert read.images[0].data == read.data
    assert not any("several pictures" in note for note in read.notes)


@pytest.mark.parametrize("hot", [float("inf"), float("nan"), 1e30, 65535.0])
def test_a_few_hot_pixels_do_not_make_the_rest_black(picture: Image.Image, hot: float) -> None:
    made = picture.convert("F").point(lambda v: v * 0.5 + 1)
    made.putpixel((3, 3), hot)
    shades = ocr.in_eight_bits(made).histogram()
    assert shades[0] > 500 and shades[255] > 50_000


def test_sixteen_bits_without_numpy(monkeypatch: pytest.MonkeyPatch, unread: None) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingExtra, match="numpy is not installed"):
        document(encoded(Image.new("I;16", (40, 40))))


def test_photos_of_phones_as_heic() -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    read = document(encoded(drawn(WORDS, width=800), "HEIF"), name="IMG_1.HEIC")
    assert (read.text, read.media_type) == (TEXT, "image/heic")
    assert read.images[0].media_type == "image/jpeg"


def test_what_is_too_large_to_be_sent_is_sent_smaller(unread: None) -> None:
    wide = Image.new("RGB", (9000, 40), "white")
    (sent,) = document(encoded(wide)).images
    assert Image.open(io.BytesIO(sent.data or b"")).size == (3000, 13)


# Hostile files.


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


def tiff(width: int, height: int, *, next_at: int = 0, **tags: int) -> bytes:
    fields = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 9}
    fields |= {int(name[1:]): value for name, value in tags.items()}
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + rows + struct.pack("<I", next_at)


def bomb() -> bytes:
    """A hundred megapixels in a hundred kilobytes, whole and well made."""
    packer = zlib.compressobj(9)
    row = bytes(10_001)
    packed = b"".join(packer.compress(row) for _ in range(10_000)) + packer.flush()
    return png(10_000, 10_000, chunk(b"IDAT", packed))


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def hostile() -> dict[str, bytes]:
    good = encoded(Image.effect_noise((200, 200), 60))
    jpeg = encoded(Image.effect_noise((200, 200), 60), "JPEG")
    webp = encoded(Image.effect_noise((200, 200), 60).convert("RGB"), "WEBP")
    gif = encoded(Image.effect_noise((200, 200), 60), "GIF")
    bmp = encoded(Image.effect_noise((200, 200), 60), "BMP")
    size = jpeg.index(b"\xff\xc0") + 5
    return {
        "claims.png": png(60_000, 60_000, chunk(b"IDAT", zlib.compress(b"\0"))),
        "bomb.png": bomb(),
        "half.png": good[: len(good) // 2],
        "head.png": good[:33],
        "noise.png": good[:60] + noise(400) + good[460:],
        "checksum.png": good[:29] + b"\0\0\0\0" + good[33:],
        "words.png": b"\x89PNG\r\n\x1a\n" + b"no picture at all " * 20,
        "text-bomb.png": png(
            9,
            9,
            chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9)),
            chunk(b"IDAT", b""),
        ),
        "none.png": png(0, 0, chunk(b"IDAT", b"")),
        "half.jpg": jpeg[: len(jpeg) // 2],
        "start.jpg": b"\xff\xd8\xff",
        "noise.jpg": b"\xff\xd8\xff\xe0" + noise(2000),
        "claims.jpg": jpeg[:size] + b"\xff\xdc\xff\xdc" + jpeg[size + 4 :],
        "half.webp": webp[: len(webp) // 2],
        "noise.webp": webp[:30] + noise(500),
        "claims.gif": gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        "half.gif": gif[: len(gif) // 2],
        "claims.bmp": bmp[:18] + struct.pack("<ii", 2_000_000, -2_000_000) + bmp[26:],
        "half.bmp": bmp[: len(bmp) // 2],
        "claims.tif": tiff(2**31 - 1, 2**31 - 1),
        "far.tif": tiff(3000, 3000, t273=2**31),
        "packed.tif": tiff(3000, 3000, t259=8),
        "half.tif": b"II*\0" + struct.pack("<I", 8),
        "noise.avif": b"\0\0\0\x20ftypavif" + noise(300),
        "noise.heic": b"\0\0\0\x20ftypheic" + noise(300),
    }


REFUSED = """
import re, resource, sys, time, warnings
from pathlib import Path
warnings.simplefilter("error")
from prompture.document_errors import DocumentError
from prompture.documents import document
for path in sorted(Path(sys.argv[1]).iterdir()):
    start = time.process_time()
    try:
        read = document(path, ocr=sys.argv[2])
        print(path.name, "read", len(read.text), read.pages)
    except DocumentError as exc:
        assert str(exc).startswith(path.name + ": "), exc
        print(path.name, type(exc).__name__, round(time.process_time() - start) > 5)
status = Path("/proc/self/status")  # what getrusage has is the parent's, too
text = status.read_text() if status.exists() else "VmHWM: 0 kB"
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", text)[1]) // 1024 > 500)
"""


def test_hostile_pictures_end_in_an_error_that_says_which_in_little_time_and_memory(
    tmp_path: Path,
) -> None:
    files = hostile()
    assert len(files) > 20
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, str(tmp_path), "never"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    # A line of libtiff's own may be there, which no Python program can turn off.
    assert ("Traceback" in done.stderr, "Warning" in done.stderr, done.returncode) == (
        False,
        False,
        0,
    )
    *lines, took_much = done.stdout.splitlines()
    found = {name: (error, slow) for name, error, slow in map(str.split, lines)}
    assert found.keys() == files.keys()
    assert {slow for _, slow in found.values()} == {"False"}
    assert took_much == "False"
    too_large = {name for name, (error, _) in found.items() if error == "DocumentTooLarge"}
    assert too_large >= {f"claims.{kind}" for kind in ("png", "jpg", "gif", "bmp", "tif")} | {
        "bomb.png"
    }
    rest = {error for name, (error, _) in found.items() if name not in too_large}
    assert rest <= {"DocumentUnreadable", "DocumentEmpty", "DocumentUnsupported"}


def test_a_chain_of_pages_that_bites_its_tail_has_an_end(unread: None) -> None:
    assert len(document(tiff(3, 3, next_at=8)).pages) == 1


def test_limits_on_pixels(picture: Image.Image) -> None:
    with pytest.raises(DocumentTooLarge, match=r"big\.png: a picture of more than 1000 pixels"):
        document(encoded(picture), name="big.png", max_pixels=1000)


def test_a_fault_of_the_ocr_is_not_called_a_broken_picture(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> list[object]:
        raise RuntimeError("the engine")

    monkeypatch.setattr(ocr, "lines_of", fails)
    with pytest.raises(RuntimeError, match="the engine"):
        document(encoded(picture))
