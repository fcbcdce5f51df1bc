"""Measure `local/rules` on pictures of receipts, read by OCR here.

    python scripts/eval_scans.py [--receipts 20] [--half dev|check] [--worn] [--show-wrong]

Receipts of `../shared/corpus/receipts_sroie` are drawn as a printer for paper of 80 mm would at 150 dpi, read by
`prompture.documents`, and their date and total extracted. `--worn` turns them a little, blurs and spots them.
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from datetime import date

from eval_rules import Receipt, Tally, corpus, report, rows, same
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from prompture.documents import ocr
from prompture.rules import extract
from prompture.rules.dates import find_dates, settle

MARGIN = 28


def drawn(text: str, *, size: int = 20) -> Image.Image:
    """A receipt on paper: the last cell of a line of several stands at the right edge."""
    font = ImageFont.load_default(size)
    lines = [line.rsplit("  ", 1) for line in text.split("\n")]
    widest = max(font.getlength("  ".join(line)) for line in lines)
    width, step = max(472, int(widest) + 2 * MARGIN), int(size * 1.4)
    paper = Image.new("RGB", (width, step * len(lines) + 2 * MARGIN), "white")
    pen = ImageDraw.Draw(paper)
    for number, line in enumerate(lines):
        top = MARGIN + number * step
        pen.text((MARGIN, top), line[0], font=font, fill="black")
        if len(line) > 1:
            right = width - MARGIN - font.getlength(line[1])
            pen.text((right, top), line[1], font=font, fill="black")
    return paper


def worn(paper: Image.Image, seed: int) -> Image.Image:
    """A picture as a scanner in use gives it: askew by up to 0.6 degrees, out of focus, with spots."""
    chance = random.Random(seed)
    askew = paper.rotate(chance.uniform(-0.6, 0.6), fillcolor="white", expand=True)
    spotted = askew.filter(ImageFilter.GaussianBlur(0.6)).convert("L")
    for _ in range(spotted.width * spotted.height // 200):
        place = (chance.randrange(spotted.width), chance.randrange(spotted.height))
        spotted.putpixel(place, chance.randrange(90, 255))
    return spotted.convert("RGB")


def read_back(paper: Image.Image) -> str:
    """The text of a picture."""
    return "\n".join(line.text for line in ocr.lines_of(paper))


def same_day(got: str | None, want: str) -> bool:
    """Whether two printed dates are one day, however they are written."""
    return got is not None and (_days(got) & _days(want) != set() or same("date", got, want))


def _days(printed: str) -> set[date | None]:
    return {settle(found, True) for found in find_dates(printed)}


def main() -> int:
    """Draw, read, extract, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--receipts", type=int, default=20)
    parser.add_argument("--half", choices=["dev", "check"], default="check")
    parser.add_argument("--worn", action="store_true")
    parser.add_argument("--show-wrong", action="store_true")
    options = parser.parse_args()
    folder = corpus() / "receipts_sroie"
    if not folder.is_dir():
        print(f"no receipts at {folder}; set PROMPTURE_SHARED", file=sys.stderr)
        return 2
    tallies: dict[str, Tally] = defaultdict(Tally)
    chosen = list(rows(folder, options.half))[: options.receipts]
    began = time.perf_counter()
    for number, row in enumerate(chosen):
        paper = drawn((folder / row["doc"]).read_text(encoding="utf-8"), size=18 + number % 5)
        text = read_back(worn(paper, number) if options.worn else paper)
        found = extract(Receipt.model_json_schema(), text).value
        for name in ("date", "total"):
            tally, got, want = tallies[name], found[name], row["labels"][name]
            right = same_day(got, want) if name == "date" else got and same(name, got, want)
            tally.n += 1
            tally.right += bool(right)
            tally.missed += got is None
            tally.wrong += got is not None and not right
            if options.show_wrong and not right:
                print(f"{row['id']} {name}: got {got!r} want {want!r}\n{text}\n")
    seconds = time.perf_counter() - began
    report(f"receipts by OCR ({options.half} half)", dict(tallies), len(chosen), seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
