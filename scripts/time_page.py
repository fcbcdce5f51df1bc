"""How long a page of evidence takes until it is on screen: a long contract with many spans that overlap.

    python scripts/time_page.py [--chars 300000] [--spans 500] [--runs 7]

Needs Chromium (apt-get install chromium) and the package playwright. The browser's own clock
counts from the beginning of the navigation; a new context each time, so that nothing is cached.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from prompture.extraction.result import Extraction
from prompture.money import Bill
from prompture.types import Completion, Span

LINE = "the Supplier shall deliver Goods under this Agreement and any party may terminate on notice"
WORDS = LINE.split()
PAINTED = """() => new Promise((done) => {
  const read = () => done({
    parsed: performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd,
    loaded: performance.getEntriesByType('navigation')[0].loadEventEnd,
    painted: performance.getEntriesByName('first-contentful-paint')[0].startTime,
    elements: document.querySelectorAll('*').length,
    marks: document.querySelectorAll('mark').length,
  });
  if (performance.getEntriesByName('first-contentful-paint').length) read();
  else new PerformanceObserver(read).observe({ type: 'paint' });
})"""


def contract(chars: int, spans: int) -> Extraction[dict[str, str]]:
    chance = random.Random(1)  # the same contract each time
    text, length = [], 0
    while length < chars:
        paragraph = " ".join(chance.choices(WORDS, k=chance.randint(20, 160))) + ".\n\n"
        text.append(paragraph)
        length += len(paragraph)
    whole = "".join(text)[:chars]
    value, sources = {}, {}
    for i in range(spans):
        start = chance.randrange(chars - 3000)
        end = start + chance.choice((15, 80, 500, 2500))
        value[f"clause_{i}"] = whole[start:end]
        sources[f"/clause_{i}"] = (Span(start, end, chance.choice(("exact", "normalised"))),)
    return Extraction(
        value=value,
        plain=value,
        text=whole,
        cost=Bill(),
        attempts=(),
        model="by hand",
        strategy="",
        raw=Completion(spans=sources),
    )


def main() -> None:
    from playwright.sync_api import sync_playwright

    options = argparse.ArgumentParser()
    for name, default in (("chars", 300_000), ("spans", 500), ("runs", 7)):
        options.add_argument(f"--{name}", type=int, default=default)
    chosen = options.parse_args()
    result = contract(chosen.chars, chosen.spans)
    began = time.perf_counter()
    html = result.to_html()
    print(f"to_html: {1000 * (time.perf_counter() - began):.0f} ms, {len(html):,} characters")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(chosen.runs):
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.goto(path.as_uri())
            rows.append(page.evaluate(PAINTED))
            page.context.close()
        print(
            f"Chromium {browser.version}, {rows[0]['elements']:,} elements, {rows[0]['marks']:,} marks"
        )
        browser.close()
    for name in ("parsed", "painted", "loaded"):
        times = [row[name] for row in rows]
        print(f"{name}: median {statistics.median(times):.0f} ms, most {max(times):.0f} ms")


if __name__ == "__main__":
    main()
