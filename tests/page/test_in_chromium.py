"""The page of evidence in a real browser: a headless Chromium of the system."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prompture.documents import document
from prompture.documents.layout import LayoutWriter
from prompture.extraction.chunks import Claim
from prompture.json_values import escape
from prompture.page import to_html
from prompture.types import FileDocument, Span
from tests.page.results import HOSTILE, NAMES, pointers_in, result_of

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium: apt-get install chromium (or Google Chrome)"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).resolve().parents[2]
INVOICE = (ROOT / "examples" / "documents" / "invoice.txt").read_text(encoding="utf-8")
VALUE = {
    "seller": {"name": "Brückner Messtechnik GmbH", "vat_id": "DE811907980", "country": "DE"},
    "items": [{"name": "Drucksensor PS-40", "total": 756.0}, {"name": "Versand", "total": 24.9}],
    "contact": "Nobody",
    "paid": None,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


Show = Callable[..., Any]


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Show]:
    """Opens a page from a file; whatever it asks for, logs or raises fails the test."""
    contexts, faults = [], []

    def opened(
        html: str, *, width: int = 1280, height: int = 800, address: str = "", **options: Any
    ) -> Any:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: _count(request.url, faults))
        page.goto(path.as_uri() + address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def _count(url: str, faults: list[str]) -> None:
    if not url.startswith(("file:", "data:")):
        faults.append(f"request: {url}")


def leaf(page: Any, pointer: str) -> Any:
    return page.locator(f'.leaf[data-pointer="{pointer}"]')


def lit(page: Any, name: str) -> list[str]:
    """The text of the marks, and the pointers of the leaves, that are lit."""
    return page.evaluate(
        "name => [...document.querySelectorAll(`mark.${name}, .leaf.${name}`)]"
        ".map((e) => e.matches('mark') ? e.textContent : e.dataset.pointer)",
        name,
    )


def test_hover_links_both(show: Show) -> None:
    page = show(result_of(VALUE, INVOICE).to_html())
    leaf(page, "/items/0/name").hover()
    assert lit(page, "hot") == ["Drucksensor PS-40", "/items/0/name"]
    page.locator("mark", has_text="756,00").hover()
    assert lit(page, "hot") == ["756,00", "/items/0/total"]
    page.locator("h1").hover()
    assert lit(page, "hot") == []


def test_a_click_goes_to_the_other_side(show: Show) -> None:
    page = show(result_of(VALUE, "\n" * 500 + INVOICE).to_html())
    leaf(page, "/items/1/name").click()
    assert lit(page, "on") == ["Versand", "/items/1/name"]
    mark = page.locator("mark.cur")
    playwright.expect(mark).to_be_in_viewport()
    assert "exact" in page.locator(".card").inner_text()
    page.locator("mark", has_text="Brückner").click()
    assert lit(page, "on") == ["Brückner Messtechnik GmbH", "/seller/name"]
    assert leaf(page, "/seller/name").get_attribute("aria-selected") == "true"


def test_overlapping_marks_lead_to_each_value(show: Show) -> None:
    sources = {"/whole": (Span(0, 20),), "/part": (Span(5, 10),)}
    page = show(result_of({"whole": "x", "part": "y"}, "0123456789" * 3, sources).to_html())
    inner = page.get_by_text("56789", exact=True)
    assert pointers_in(inner.get_attribute("data-pointer")) == ["/part", "/whole"]
    inner.hover()
    assert lit(page, "hot") == ["01234", "56789", "0123456789", "/whole", "/part"]
    inner.click()
    assert lit(page, "on") == ["56789", "/part"]
    inner.click()
    assert lit(page, "on") == ["01234", "56789", "0123456789", "/whole"]
    page.locator(".card .also button").first.click()
    assert lit(page, "on") == ["56789", "/part"]


def test_a_value_in_fragments_is_one_place(show: Show) -> None:
    text = "Acme   12\nHold-  13\nings Ltd\n Acme\n"
    span = Span(0, 28, "normalised", fragments=((0, 4), (20, 28)))
    other = Span(30, 34)
    page = show(result_of({"a": "Acme ings Ltd"}, text, {"/a": (span, other)}).to_html())
    leaf(page, "/a").click()
    assert page.locator("mark.cur").all_inner_texts() == ["Acme", "ings Ltd"]
    assert "place 1 of 2" in page.locator(".card").inner_text()


def test_keys(show: Show) -> None:
    text = "ACME here. " + "filler\n" * 300 + "ACME there. Bob."
    found = {"/a": (Span(text.rindex("ACME"), text.rindex("ACME") + 4), Span(0, 4)),
             "/b": (Span(len(text) - 4, len(text) - 1),)}  # fmt: skip
    page = show(result_of({"a": "ACME", "b": "Bob"}, text, found).to_html())
    page.keyboard.press("j")
    assert lit(page, "on") == ["ACME", "ACME", "/a"]
    assert "place 2 of 2" in page.locator(".card").inner_text()  # the best one, which stands last
    page.keyboard.press("n")
    assert "place 1 of 2" in page.locator(".card").inner_text()
    playwright.expect(page.locator("mark").first).to_be_in_viewport()
    page.keyboard.press("j")
    assert lit(page, "on") == ["Bob", "/b"]
    page.keyboard.press("k")
    assert lit(page, "on") == ["ACME", "ACME", "/a"]
    page.keyboard.press("Escape")
    assert lit(page, "on") == []
    page.keyboard.press("?")
    page.locator("#letters").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert lit(page, "on") == []


def test_the_tree_is_walked_by_arrows(show: Show) -> None:
    page = show(result_of(VALUE, INVOICE).to_html())

    def at() -> str:
        return page.evaluate(
            "document.activeElement.dataset.pointer ?? document.activeElement.dataset.path"
        )

    page.locator("[role=treeitem]").first.focus()
    assert at() == "/seller"
    seen = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowDown", "End", "Home"):
        page.keyboard.press(key)
        seen.append(at())
    assert seen == [
        "/seller/name",
        "/seller/vat_id",
        "/seller",
        "/seller",
        "/items",
        "/paid",
        "/seller",
    ]
    assert not leaf(page, "/seller/name").is_visible()  # it was closed by the second ArrowLeft
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Brückner Messtechnik GmbH"
    page.keyboard.press("ArrowRight")
    assert lit(page, "on")[-1] in ("/seller/vat_id", "/seller/country")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.matches('.leaf')")
    assert page.locator("[role=treeitem][tabindex='0']").count() == 1


def test_the_address_names_the_value(show: Show) -> None:
    page = show(result_of(VALUE, INVOICE).to_html(), address="#%2Fitems%2F1%2Fname")
    assert lit(page, "on") == ["Versand", "/items/1/name"]
    leaf(page, "/contact").click()
    assert page.url.endswith("#%2Fcontact")


def test_filter_and_search(show: Show) -> None:
    page = show(result_of(VALUE, INVOICE).to_html())
    page.locator(".chip[data-state=absent]").click()
    assert page.locator(".leaf:visible").evaluate_all("l => l.map((e) => e.dataset.pointer)") == [
        "/contact"
    ]
    assert page.locator("mark:not(.dim)").count() == 0
    page.locator(".chip[data-state=absent]").click()
    page.locator("#find").fill("drucksensor  PS")
    playwright.expect(page.locator(".find output")).to_have_text("1 value · 1 in text")
    assert page.locator(".leaf:visible").count() == 1
    assert page.evaluate("CSS.highlights.get('find').size") == 1
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".find output")).to_have_text("1 of 1 in text")
    page.locator("#find").fill("(no such [words")
    playwright.expect(page.locator(".none")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.locator(".leaf:visible").count() == 9


def test_hostile_documents(show: Show) -> None:
    page = show(to_html(result_of(NAMES, HOSTILE), title=HOSTILE, names=[HOSTILE]))
    assert page.evaluate("window.owned") is None
    shown = page.evaluate("document.querySelector('.text').textContent")
    expected = HOSTILE.encode("utf-8", "replace").decode()
    assert [c for c in shown if c not in "?\ufffd"] == [c for c in expected if c not in "?\0"]
    for name in NAMES:
        pointer = f"/{escape(name)}"
        found = page.evaluate(
            "p => { const e = [...document.querySelectorAll('.leaf')].find((l) => l.dataset.pointer === p);"
            " e.click(); return [...document.querySelectorAll('mark.on')].map((m) => m.textContent).join(''); }",
            pointer,
        )
        assert found.startswith(NAMES[name]), pointer
    # Letters behind an override stand in the order in which they are written.
    xs = page.evaluate(
        """() => {
          const block = [...document.querySelectorAll('.c')].find((e) => e.textContent.includes('gnp.exe'));
          const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf('gnp.exe');
            if (at < 0) continue;
            return [0, 1, 2, 3].map((i) => {
              const range = new Range();
              range.setStart(walker.currentNode, at + i); range.setEnd(walker.currentNode, at + i + 1);
              return range.getBoundingClientRect().left;
            });
          }
        }"""
    )
    assert xs == sorted(xs)
    assert page.evaluate("({}).polluted") is None


def test_what_is_chosen_begins_in_sight_and_not_behind_the_card(show: Show) -> None:
    text = "filler\n" * 300 + "clause " * 3_000 + "\n" * 20 + "End\n"
    start = text.index("clause")
    spans = {"/long": (Span(start, start + 20_000),), "/end": (Span(len(text) - 4, len(text) - 1),)}
    page = show(
        result_of({"long": "clause " * 60, "end": "End"}, text, spans).to_html(),
        reduced_motion="reduce",
    )
    edges = "e => [e.getBoundingClientRect().top, document.querySelector('.card').getBoundingClientRect().top]"
    for pointer in ("/long", "/end"):
        leaf(page, pointer).click()
        page.wait_for_function(
            "() => { const [m, c] = ['mark.cur', '.card'].map((e) => document.querySelector(e).getBoundingClientRect());"
            " return m.top > 90 && m.top + 20 < c.top; }"
        )
        top, card = page.locator("mark.cur").first.evaluate(edges)
        assert 90 < top < card - 20


def test_a_line_of_a_million_characters(show: Show) -> None:
    text = "abcdefghi " * 100_000
    span = Span(900_000, 900_009)
    page = show(result_of({"a": "abcdefghi"}, text, {"/a": (span,)}).to_html())
    leaf(page, "/a").click()
    playwright.expect(page.locator("mark")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_long_contract_with_many_spans_is_light(show: Show) -> None:
    """Elements and bytes, not time: docs/page.md has the time."""
    text = "The Supplier shall deliver the Goods. " * 8_000
    spans = {f"/{i}": (Span(i * 550, i * 550 + 20 + 700 * (i % 4)),) for i in range(500)}
    html = result_of(["clause"] * 500, text, spans).to_html()
    assert len(html) < 1_000_000
    page = show(html)
    assert page.evaluate("document.querySelectorAll('*').length") < 6_000
    assert page.locator(".leaf").count() == 500
    # What is out of sight is not laid out.
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.c')).contentVisibility") == "auto"
    )


def test_light_and_dark(show: Show) -> None:
    html = result_of(VALUE, INVOICE).to_html()
    paper = "getComputedStyle(document.querySelector('.text')).backgroundColor"
    light, dark = (show(html, color_scheme=scheme) for scheme in ("light", "dark"))
    assert light.evaluate(paper) != dark.evaluate(paper)
    light.locator("#theme").click()
    assert light.evaluate(paper) == dark.evaluate(paper)
    light.reload()
    assert light.evaluate(paper) == dark.evaluate(paper)  # it is remembered


CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const painted = (...colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const contrast = (element) => {
    const under = [];
    for (let e = element; e; e = e.parentElement) under.unshift(getComputedStyle(e).backgroundColor);
    const ground = painted('#fff', ...under);
    const [a, b] = [light(painted(getComputedStyle(element).color)), light(ground)].sort((x, y) => y - x);
    return (a + .05) / (b + .05);
  };
  return [...document.querySelectorAll('h1, h2, p, .quiet, .key, .value, .tag, .count, .chip, .b, .text, mark, summary, .where, .how, .other small')]
    .filter((e) => e.checkVisibility()).map((e) => [e.className || e.tagName, contrast(e)]).filter(([, c]) => c < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(show: Show, scheme: str) -> None:
    """4.5 to 1 for all text, on marks too (WCAG 2.2, 1.4.3)."""
    sources = {
        f"/{kind}": (Span(i * 5, i * 5 + 12, kind),)
        for i, kind in enumerate(("exact", "normalised", "fuzzy"))
    }
    page = show(result_of(dict.fromkeys(("exact", "normalised", "fuzzy", "none"), "x"), "word " * 20, sources).to_html(),
                color_scheme=scheme, reduced_motion="reduce")  # fmt: skip
    leaf(page, "/fuzzy").click()
    assert page.evaluate(CONTRAST) == []


def test_names_for_those_who_do_not_see(show: Show) -> None:
    page = show(to_html([result_of(VALUE, INVOICE)] * 2))
    named = "button, input, a, nav, [role=region], [role=tree]"
    nameless = (
        "l => l.filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim()"
        " || e.labels?.length)).length"
    )
    assert page.locator(named).evaluate_all(nameless) == 0
    assert page.locator("[role=tree]").first.get_attribute("aria-label")
    assert page.locator("html").get_attribute("lang") == "en"
    levels = page.locator(".sheet:visible [role=treeitem]").evaluate_all(
        "l => l.map((e) => e.ariaLevel)"
    )
    assert set(levels) == {"1", "2", "3"}
    page.keyboard.press("j")
    assert page.locator(".sheet:visible [role=status]").inner_text() == (
        "/seller/name, Brückner Messtechnik GmbH, exact"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_reduced_motion(show: Show) -> None:
    page = show(result_of(VALUE, INVOICE).to_html(), reduced_motion="reduce")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('mark')).transitionDuration") == "0s"
    )


def test_a_telephone_shows_one_side_at_a_time(show: Show) -> None:
    page = show(
        to_html([result_of(VALUE, INVOICE)] * 5, names=["a long name of a document.txt"] * 5),
        width=390,
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert not page.locator(".values").first.is_visible()
    page.locator(".tabs button", has_text="Values").click()
    leaf(page, "/items/1/name").first.click()
    playwright.expect(page.locator("mark.cur")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_several_documents(show: Show) -> None:
    other = result_of({"seller": {"name": "ACME"}}, "ACME Ltd")
    page = show(to_html([result_of(VALUE, INVOICE), ValueError("broken"), other]))
    assert page.locator(".sheet:visible").count() == 1
    page.locator(".index a").nth(2).click()
    leaf(page, "/seller/name").nth(1).click()
    assert lit(page, "on") == ["ACME", "/seller/name"]
    assert page.url.endswith("#document-3:%2Fseller%2Fname")
    page.keyboard.press("[")
    assert "ValueError: broken" in page.locator(".sheet:visible").inner_text()


def test_paper_has_all(show: Show) -> None:
    page = show(to_html([result_of(VALUE, INVOICE)] * 2))
    page.emulate_media(media="print")
    assert page.locator(".sheet:visible").count() == 2
    assert not page.locator(".tools").is_visible()
    number = "e => getComputedStyle(e, '::after').content"
    assert page.locator("mark", has_text="Brückner").first.evaluate(number) == '"1"'
    assert page.locator(".leaf .key").first.evaluate(number) == '"1"'
    assert page.pdf()[:5] == b"%PDF-"


def test_without_script_all_is_there(show: Show) -> None:
    page = show(to_html([result_of(VALUE, INVOICE)] * 2), java_script_enabled=False)
    assert page.locator(".text:visible").count() == 2
    assert page.locator(".leaf:visible").count() == 18
    assert page.locator("button:visible").count() == 0


def test_lines_from_right_to_left(show: Show) -> None:
    text = "סכום: 1,234.50 ₪\ntotal: 1\n合計：1,200円\n"
    page = show(result_of({"a": 1234.5, "b": 1200}, text).to_html())
    sides = page.locator("mark:not(.alt)").evaluate_all(
        "l => l.map((e) => { const p = e.closest('.text').getBoundingClientRect(), m = e.getBoundingClientRect();"
        " return (m.left - p.left) / p.width; })"
    )
    assert sides[0] > 0.5 > sides[1]


# Pictures of pages


def scan(
    words: str = "ACME", box: tuple[int, int, int, int] = (200, 300, 400, 340)
) -> FileDocument:
    """A picture of 800 by 1000 pixels, white, of which a reader read words in a box."""
    image = pytest.importorskip("PIL.Image")
    writer = LayoutWriter()
    left, top, right, bottom = box
    each = (right - left) / len(words)
    writer.add(
        words, [(left + i * each, top, left + (i + 1) * each, bottom) for i in range(len(words))]
    )
    writer.end_page(width=800, height=1000, unit="px", by_ocr=True)
    buffer = io.BytesIO()
    image.new("RGB", (800, 1000), "white").save(buffer, "PNG")
    return FileDocument(
        writer.text(),
        "scan.png",
        pages=tuple(writer.pages),
        media_type="image/png",
        data=buffer.getvalue(),
    )


def pixels(page: Any, at: int = 0) -> Any:
    image = pytest.importorskip("PIL.Image")
    return image.open(io.BytesIO(page.locator(".pic").nth(at).screenshot())).convert("RGB")


def test_spans_are_marked_at_their_place_of_the_picture(show: Show) -> None:
    """Read off the screen: white outside of the box, coloured inside."""
    document = scan()
    result = result_of({"name": "ACME"}, document.text, documents=(document,))
    page = show(result.to_html(), height=1400, reduced_motion="reduce")
    assert_marked(pixels(page), (800, 1000), (200, 300, 400, 340))


def assert_marked(picture: Any, page: tuple[float, float], box: tuple[float, ...]) -> None:
    """White around the box, another colour in it."""
    across, down = picture.width / page[0], picture.height / page[1]
    assert across == pytest.approx(down, rel=0.01)
    left, top, right, bottom = box
    for x, y in ((left - 4, top), (right + 4, bottom), (left, top - 4), (right, bottom + 4)):
        assert min(picture.getpixel((round(x * across), round(y * down)))) > 245, (x, y)
    for x, y in ((left + 1, top + 1), (right - 1, top + 1), (left + 1, bottom - 2)):
        assert min(picture.getpixel((round(x * across), round(y * down)))) < 235, (x, y)


@pytest.mark.parametrize("number", [1, 2])
def test_a_page_of_a_pdf_is_a_picture(show: Show, number: int) -> None:
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    pytest.importorskip("pypdfium2")
    out, writer, box = io.BytesIO(), LayoutWriter(), (100.0, 182.0, 148.0, 200.0)
    drawn = canvas.Canvas(out, pagesize=(400, 500))
    for each in (1, 2):
        drawn.setFont("Courier", 10)
        word = f"number {each}"
        drawn.drawString(100, 300 + 3, word)
        drawn.showPage()
        writer.add(word, [(100.0 + 6 * i, box[1], 106.0 + 6 * i, box[3]) for i in range(len(word))])
        writer.end_page(width=400, height=500, unit="pt")
    drawn.save()
    document = FileDocument(
        writer.text(),
        "two.pdf",
        pages=tuple(writer.pages),
        media_type="application/pdf",
        data=out.getvalue(),
    )
    result = result_of({"n": f"number {number}"}, document.text, documents=(document,))
    page = show(result.to_html(), height=2200, reduced_motion="reduce")
    assert page.locator(".pic").count() == 2
    assert_marked(pixels(page, number - 1), (400, 500), box)
    assert page.locator(".pic").nth(2 - number).locator("mark").count() == 0


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_pdf_that_was_read_is_marked_where_its_letters_are(show: Show, turned: int) -> None:
    """The page has one word, and nothing else: its letters must lie in what is coloured."""
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    pytest.importorskip("pypdfium2")
    out = io.BytesIO()
    drawn = canvas.Canvas(out, pagesize=(300, 200))
    drawn.setPageRotation(turned)
    drawn.setFont("Helvetica-Bold", 18)
    drawn.drawString(60, 130, "CS-0048213")
    drawn.save()
    read = document(out.getvalue(), name="one.pdf")
    result = result_of({"number": "CS-0048213"}, read.text, documents=(read,))
    page = show(result.to_html(), height=1600, reduced_motion="reduce")
    chops = pytest.importorskip("PIL.ImageChops")
    picture = pixels(page)
    picture = picture.crop((3, 3, picture.width - 3, picture.height - 3))  # without its frame
    letters = picture.convert("L").point(lambda value: 255 * (value < 90)).getbbox()
    red, _, blue = picture.split()
    colour = chops.subtract(red, blue).point(lambda value: 255 * (value > 40)).getbbox()
    for at, (inner, outer) in enumerate(zip(letters, colour, strict=True)):
        beyond = outer - inner if at < 2 else inner - outer
        assert -25 < beyond <= 3, (letters, colour)


def test_boxes_over_each_other_lead_to_each_value(show: Show) -> None:
    document = scan("ACME Ltd", (200, 300, 400, 340))
    result = result_of({"whole": "ACME Ltd", "part": "Ltd"}, document.text, documents=(document,))
    page = show(result.to_html())
    page.locator('.pic mark[data-pointer="/part"]').hover()
    assert sorted(e for e in lit(page, "hot") if e) == ["/part", "/whole"]
    page.locator('.pic mark[data-pointer="/part"]').click()
    assert [e for e in lit(page, "on") if e] == ["/part"]
    assert "page 1" in page.locator(".card").inner_text()
    page.keyboard.press("v")
    assert page.locator(".text").is_visible()
    assert lit(page, "on") == ["Ltd", "/part"]


def test_pages_of_a_fax_are_pictures_that_browsers_know(show: Show) -> None:
    image = pytest.importorskip("PIL.Image")
    one, writer, buffer = scan(), LayoutWriter(), io.BytesIO()
    for _ in range(2):
        writer.add("ACME", [(200 + 50 * i, 300, 250 + 50 * i, 340) for i in range(4)])
        writer.end_page(width=800, height=1000, unit="px")
    first = image.open(io.BytesIO(one.data))
    first.save(buffer, "TIFF", save_all=True, append_images=[image.new("L", (800, 1000), 128)])
    document = FileDocument(
        writer.text(), pages=tuple(writer.pages), media_type="image/tiff", data=buffer.getvalue()
    )
    spans = {"/1": (Span(4, 8),)}
    result = result_of([None, "ACME"], document.text, spans, documents=(document,))
    page = show(result.to_html(), height=2400)
    assert page.locator(".pic img").evaluate_all("l => l.map((e) => e.naturalWidth)") == [800, 800]
    grey = pixels(page, 1).getpixel((5, 5))
    assert grey == pytest.approx((128, 128, 128), abs=3)
    assert page.locator(".pic").nth(1).locator("mark").count() == 1


def test_a_picture_that_cannot_be_shown_leaves_the_text(show: Show) -> None:
    document = scan()
    for changes in ({"data": b"not a picture", "media_type": "image/tiff"}, {"data": None}):
        other = FileDocument(
            document.text, "x", pages=document.pages, **{"media_type": "image/png", **changes}
        )
        page = show(result_of({"name": "ACME"}, other.text, documents=(other,)).to_html())
        assert page.locator(".text").is_visible()


# Long documents


def test_conflicts_are_listed_and_marked(show: Show) -> None:
    text = "Total: 12.50\nLater.\nTotal: 13.00\n"
    claims = (Claim(13, (Span(27, 32, "normalised"),)), Claim(12.5, (Span(7, 12, "normalised"),)))
    sources = {"/total": (Span(27, 32, "normalised"),)}
    result = result_of({"total": 13}, text, sources, conflicts={"/total": claims})
    page = show(result.to_html())
    assert leaf(page, "/total").get_attribute("data-state") == "conflict"
    assert "or 12.5 1 place" in " ".join(leaf(page, "/total").inner_text().split())
    kinds = page.locator("mark").evaluate_all("l => l.map((e) => [e.textContent, e.dataset.kind])")
    assert kinds == [["12.50", "conflict"], ["13.00", "conflict"]]
    leaf(page, "/total").click()
    assert lit(page, "on") == ["12.50", "13.00", "/total"]
    assert lit(page, "cur") == ["13.00"]
    assert "place 2 of 2" in page.locator(".card").inner_text()
    page.locator(".chip[data-state=conflict]").click()
    assert page.locator(".leaf:visible").count() == 1


def two_lines() -> FileDocument:
    """A picture with an address in two lines, and a third line that stands nowhere."""
    image = pytest.importorskip("PIL.Image")
    writer, buffer = LayoutWriter(), io.BytesIO()
    for at, line in enumerate(("Quay 14", "Bristol")):
        top = 200 + 100 * at
        writer.add(line, [(100 + 40 * i, top, 140 + 40 * i, top + 50) for i in range(7)])
        writer.add("\n")
    writer.add("left out: Bristol, Leeds")
    writer.end_page(width=800, height=1000, unit="px")
    image.new("RGB", (800, 1000), "white").save(buffer, "PNG")
    pages = tuple(writer.pages)
    data = buffer.getvalue()
    return FileDocument(writer.text(), "a.png", pages=pages, media_type="image/png", data=data)


def test_a_value_of_two_lines_is_one_place_though_one_of_them_is_another_value(show: Show) -> None:
    document = two_lines()
    spans = {"/address": (Span(0, 15),), "/city": (Span(8, 15), Span(26, 33))}
    value = {"address": "Quay 14 Bristol", "city": "Bristol"}
    page = show(result_of(value, document.text, spans, documents=(document,)).to_html())
    leaf(page, "/address").click()
    assert page.locator(".pic mark.cur").count() == 2
    assert "place" not in page.locator(".card .how").inner_text()


def test_a_place_without_a_picture_is_shown_in_the_text(show: Show) -> None:
    """Never another place of the value in its stead, which would look like the proof."""
    document = two_lines()
    spans = {"/city": (Span(26, 33), Span(8, 15)), "/town": (Span(35, 40),)}
    value = {"city": "Bristol", "town": "Leeds"}
    page = show(result_of(value, document.text, spans, documents=(document,)).to_html())
    pressed = page.locator("[data-toggle=layout]")
    for pointer, word in (("/city", "Bristol"), ("/town", "Leeds")):
        assert pressed.get_attribute("aria-pressed") == "true"
        leaf(page, pointer).click()
        assert lit(page, "cur") == [word]
        assert page.locator(".text mark.cur").is_visible()
        assert pressed.get_attribute("aria-pressed") == "false"
        page.keyboard.press("v")
        assert lit(page, "cur") == []
    page.keyboard.press("v")
    leaf(page, "/city").click()
    page.keyboard.press("n")
    page.keyboard.press("v")  # this one has a picture
    assert page.locator(".pic mark.cur").is_visible()


def test_search_finds_words_of_pictures_and_goes_to_them(show: Show) -> None:
    document = two_lines()
    page = show(result_of({"a": None}, document.text, documents=(document,)).to_html())
    page.locator("#find").fill("left out")
    playwright.expect(page.locator(".find output")).to_have_text("0 values · 1 in text")
    page.keyboard.press("Enter")
    assert page.locator(".text").is_visible()
    playwright.expect(page.locator(".find output")).to_have_text("1 of 1 in text")


def test_search_finds_words_at_the_seam_of_blocks(show: Show) -> None:
    text = "0123456 89\n" * 1_000
    page = show(result_of("x", text).to_html())
    page.locator("#find").fill("89 0123456")
    playwright.expect(page.locator(".find output")).to_have_text("0 values · 999 in text")


def test_a_place_goes_on_over_the_end_of_a_page(show: Show) -> None:
    writer = LayoutWriter()
    for words in ("ends here, ", "goes on", ""):
        writer.add(words)
        writer.end_page()
    document = FileDocument(writer.text(), "x", pages=tuple(writer.pages))
    span = Span(5, len(document.text))
    page = show(result_of("x", document.text, {"": (span,)}, documents=(document,)).to_html())
    page.keyboard.press("j")
    assert lit(page, "cur") == ["here, ", "goes on"]
    assert "place" not in page.locator(".card .how").inner_text()


def test_ticks_stand_beside_their_lines(show: Show) -> None:
    """Of a short document; in a long one, in proportion to it."""
    tops = "l => l.map((e) => e.getBoundingClientRect().top)"
    for more in ("", "filler\n" * 3000):
        text = f"ACME\n\n\nBolt\n{more}\nEnd\n"
        page = show(result_of({"a": "ACME", "b": "Bolt", "c": "End"}, text).to_html())
        page.wait_for_function("document.querySelector('.ruler i')?.style.top")
        page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        ticks = page.locator(".ruler i").evaluate_all(tops)
        lines = page.locator("mark").evaluate_all(tops)
        if not more:
            assert ticks == pytest.approx(lines, abs=3)
            assert ticks[2] < 400
        else:
            assert ticks[1] - ticks[0] < 5 and ticks[2] > 700
        assert ticks == sorted(ticks)


def test_each_kind_of_mark_has_a_line_of_its_own(show: Show) -> None:
    """For those who see no colours."""
    kinds = ("exact", "normalised", "fuzzy", "ambiguous", "conflict")
    spans = {f"/{k}": (Span(i * 6, i * 6 + 4, k if i < 3 else "exact", ambiguous=i == 3),)
             for i, k in enumerate(kinds)}  # fmt: skip
    claims = {"/conflict": (Claim("x", spans["/conflict"]), Claim("y", ()))}
    value = {**dict.fromkeys(kinds, "x"), "no": "nowhere", "true": True, "null": None}
    html = result_of(value, "words " * 9, spans, conflicts=claims).to_html()
    for options in ({}, {"forced_colors": "active"}):
        page = show(html, **options)
        marks, chips = page.locator("mark"), page.locator(".chip")
        line = "(l, part) => l.map((e) => { const s = getComputedStyle(e, part); return [s.borderBottomStyle, s.textDecorationStyle, s.borderRadius, s.width].join(' '); })"
        assert len({each.rsplit(" ", 2)[0] for each in marks.evaluate_all(line)}) == 5
        assert len(set(chips.evaluate_all(line, "::before"))) == 7


def test_forced_colours_hide_no_letter_of_a_picture(show: Show) -> None:
    document = two_lines()
    spans = {"/city": (Span(8, 15),)}
    result = result_of({"city": "Bristol"}, document.text, spans, documents=(document,))
    page = show(result.to_html(), height=1400, forced_colors="active", color_scheme="dark")
    page.keyboard.press("j")
    picture = pixels(page)
    middle = (round(picture.width * 200 / 800), round(picture.height * 325 / 1000))
    assert picture.getpixel(middle) == (255, 255, 255)


def test_skipping_to_the_values_stays_in_the_document(show: Show) -> None:
    page = show(to_html([result_of(VALUE, INVOICE), result_of({"a": "ACME"}, "ACME")]))
    page.keyboard.press("Alt+]")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#values-2")
    assert page.locator(".sheet:visible").get_attribute("id") == "document-2"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.values').id") == "values-2"


def test_the_arrows_walk_the_marks_from_where_one_is(show: Show) -> None:
    text = "a1 b2 c3 a1"
    spans = {"/a": (Span(0, 2), Span(9, 11)), "/b": (Span(3, 5),), "/c": (Span(6, 8),)}
    page = show(result_of({"a": "a1", "b": "b2", "c": "c3"}, text, spans).to_html())
    page.locator(".view").focus()
    seen = []
    for key in (
        "ArrowLeft",
        "ArrowLeft",
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "n",
        "ArrowLeft",
    ):
        page.keyboard.press(key)
        seen.append(lit(page, "cur")[0])
    assert seen == ["c3", "b2", "c3", "a1", "b2", "b2", "a1"]


def test_a_branch_is_named_by_itself(show: Show) -> None:
    page = show(result_of(VALUE, INVOICE).to_html())
    assert page.get_by_role("treeitem", name="items, 2 items", exact=True).count() == 1


def test_what_reverses_letters_reverses_none_of_the_card(show: Show) -> None:
    name, text = "a\u202eb", "user \u202egnp.exe here"
    page = show(result_of({name: "user \u202egnp.exe"}, text).to_html(name=f"x\u202e{text}"))
    page.locator(".leaf").click()
    assert page.locator(".card .what .ctl").count() == 1
    assert page.locator(".card .where").inner_text() == "/a\ufffdb"
    assert "\u202e" not in page.title()


def test_paper_shows_what_was_folded_and_the_values_first(show: Show) -> None:
    page = show(to_html([result_of(VALUE, INVOICE), result_of({"a": ["ACME"]}, "ACME")]))
    page.locator("[role=treeitem]").first.focus()
    page.keyboard.press("ArrowLeft")
    assert not leaf(page, "/seller/name").is_visible()
    page.emulate_media(media="print")
    assert leaf(page, "/seller/name").is_visible()
    assert page.locator(".chip:visible").count() > 2  # the legend
    for at in (0, 1):
        values, paper = (
            page.locator(each).nth(at).bounding_box() for each in (".values", ".paper")
        )
        assert values["y"] < paper["y"]


def test_without_script_pictures_have_their_text(show: Show) -> None:
    document = two_lines()
    result = result_of({"city": "Bristol"}, document.text, documents=(document,))
    page = show(result.to_html(), java_script_enabled=False)
    assert page.locator(".pic").is_visible() and page.locator(".text").is_visible()
