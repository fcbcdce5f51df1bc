"""Measure `prompture.rules` on the labelled corpus, per field.

    python scripts/eval_rules.py [--set NAME] [--half dev|check] [--show-wrong N] [--schema file|models]
    python scripts/eval_rules.py --sroie DATA

Finds the corpus in `../shared/corpus` beside the repository, or under `PROMPTURE_SHARED`. `--schema models` (the
default) uses the Pydantic models below, written as a user would write them; `--schema file` uses the corpus's own
JSON Schemas; `--schema synonyms` uses other names for the same fields.

`--sroie` takes the folder `data` of github.com/zzzDavid/ICDAR-2019-SROIE and measures its receipts that are not in the
corpus. No rule was written on them and none of their failures is shown.

Columns: n fields compared, right (the label's value), wrong (another value, or a value where the label states none),
missed (null where the label states a value), precision = right / (right + wrong), recall = right / (right + wrong +
missed), and wrong of all n. What is left of n is null on both sides.
Lists are compared item by item: a surplus item is wrong, except where the corpus says that its labels are incomplete.
"""

import argparse
import json
import os
import re
import sys
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from prompture.rules import extract

SETS = (
    "receipts_sroie",
    "invoices_zugferd",
    "court_notices_nef",
    "papers_grobid",
    "citations_anystyle",
)
INFORMATION = ("contracts_cuad", "resumes_dotin", "extract_bench")
NOT_ANNOTATED = frozenset({"papers_grobid", "resumes_dotin"})


class Receipt(BaseModel):
    company: str | None = Field(description="Name of the shop or company")
    date: str | None = Field(description="Date of the receipt as printed")
    address: str | None = Field(description="Address of the company")
    total: str | None = Field(description="Total amount paid")


class ReceiptSynonyms(BaseModel):
    merchant: str | None
    purchase_date: str | None
    merchant_address: str | None
    amount_due: float | None


class Party(BaseModel):
    name: str | None
    vat_id: str | None = Field(description="VAT identification number")
    postcode: str | None
    city: str | None


class InvoiceItem(BaseModel):
    description: str | None
    quantity: float | None
    line_total: float | None = Field(description="Net amount of the line")


class Invoice(BaseModel):
    invoice_number: str | None
    issue_date: str | None = Field(description="YYYY-MM-DD")
    due_date: str | None = Field(description="YYYY-MM-DD")
    currency: str | None = Field(description="ISO 4217 code")
    seller: Party
    buyer: Party
    iban: str | None
    line_items: list[InvoiceItem]
    net_total: float | None = Field(description="Total without tax")
    tax_total: float | None = Field(description="Total tax")
    grand_total: float | None = Field(description="Total with tax")


class VendorParty(BaseModel):
    company_name: str | None
    vat_number: str | None
    zip_code: str | None
    town: str | None


class BilledItem(BaseModel):
    product: str | None
    qty: Decimal | None
    amount: Decimal | None


class InvoiceSynonyms(BaseModel):
    invoice_no: str | None
    invoice_date: str | None = Field(description="ISO 8601 date")
    payment_due: str | None = Field(description="ISO 8601 date")
    currency_code: str | None
    vendor: VendorParty
    customer: VendorParty
    bank_account_iban: str | None
    items: list[BilledItem]
    subtotal: Decimal | None
    vat_amount: Decimal | None
    total_amount: Decimal | None


class DocketEntry(BaseModel):
    date_filed: str | None = Field(description="Date of filing, YYYY-MM-DD")
    document_number: str | None
    description: str | None = Field(description="Docket text")


class Docket(BaseModel):
    case_name: str | None
    docket_number: str | None = Field(description="Docket number without judge initials")
    entries: list[DocketEntry]


class CourtNotice(BaseModel):
    court_id: str | None = Field(description="Identifier of the court as in its domain name")
    dockets: list[Docket]


class Paper(BaseModel):
    title: str | None
    authors: list[str]
    affiliations: list[str]
    emails: list[str]
    keywords: str | None
    date: str | None = Field(description="Publication date as printed")
    doi: str | None


class Reference(BaseModel):
    author: str | None = Field(description="All authors as printed")
    title: str | None
    date: str | None = Field(description="Date or year as printed")
    journal: str | None
    container_title: str | None = Field(description="Title of the containing book or proceedings")
    volume: str | None
    pages: str | None
    publisher: str | None
    location: str | None = Field(description="Place of publication")
    editor: str | None
    doi: str | None
    url: str | None
    edition: str | None


class Bibliography(BaseModel):
    references: list[Reference]


MODELS: dict[str, type[BaseModel]] = {
    "receipts_sroie": Receipt,
    "invoices_zugferd": Invoice,
    "court_notices_nef": CourtNotice,
    "papers_grobid": Paper,
    "citations_anystyle": Bibliography,
}
# The same things by other names; each name says which label it answers.
SYNONYMS: dict[str, tuple[type[BaseModel], dict[str, str]]] = {
    "receipts_sroie": (
        ReceiptSynonyms,
        {
            "merchant": "company",
            "purchase_date": "date",
            "merchant_address": "address",
            "amount_due": "total",
        },
    ),
    "invoices_zugferd": (
        InvoiceSynonyms,
        {
            "invoice_no": "invoice_number",
            "invoice_date": "issue_date",
            "payment_due": "due_date",
            "currency_code": "currency",
            "vendor": "seller",
            "customer": "buyer",
            "bank_account_iban": "iban",
            "items": "line_items",
            "subtotal": "net_total",
            "vat_amount": "tax_total",
            "total_amount": "grand_total",
            "company_name": "name",
            "vat_number": "vat_id",
            "zip_code": "postcode",
            "town": "city",
            "product": "description",
            "qty": "quantity",
            "amount": "line_total",
        },
    ),
}


@dataclass
class Tally:
    """What became of one field over all documents."""

    n: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0
    examples: list[tuple[str, Any, Any]] = field(default_factory=list)


def corpus() -> Path:
    """The folder of the labelled corpus."""
    root = os.environ.get("PROMPTURE_SHARED")
    shared = Path(root) if root else Path(__file__).resolve().parents[1].parent / "shared"
    return shared / "corpus"


def words(value: Any) -> str:
    """Letters and digits only, in lower case: punctuation and spacing are a matter of transcription."""
    folded = unicodedata.normalize("NFKD", str(value).casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in folded if not unicodedata.combining(c)))


def number(value: Any) -> Decimal | None:
    """The value as a number, when it is one."""
    if isinstance(value, bool):
        return None
    text = re.sub(r"[^\d.,-]", "", str(value)).replace(",", "")
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def same(name: str, got: Any, want: Any) -> bool:
    """Whether two values agree after normalisation."""
    if isinstance(want, int | float) or name == "total":
        return number(got) is not None and number(got) == number(want)
    if name == "case_name":
        got, want = re.sub(r"\bet al\b\.?", "", str(got)), re.sub(r"\bet al\b\.?", "", str(want))
    return words(got) == words(want)


def compare(
    path: str, got: Any, want: Any, tallies: dict[str, Tally], *, doc: str, complete: bool
) -> None:
    """Count every leaf of a label."""
    if isinstance(want, dict):
        for name, part in want.items():
            compare(
                f"{path}.{name}".lstrip("."),
                got.get(name) if isinstance(got, dict) else None,
                part,
                tallies,
                doc=doc,
                complete=complete,
            )
    elif isinstance(want, list):
        _compare_lists(path, got if isinstance(got, list) else [], want, tallies, doc, complete)
    else:
        _count(tallies[path], path, got, want, doc, complete)


def _compare_lists(
    path: str, got: list[Any], want: list[Any], tallies: dict[str, Tally], doc: str, complete: bool
) -> None:
    if want and isinstance(want[0], dict):
        shape = {key: [] if isinstance(value, list) else None for key, value in want[0].items()}
        for place in range(max(len(got), len(want))):
            item = got[place] if place < len(got) else None
            label = want[place] if place < len(want) else shape
            compare(f"{path}[]", item, label, tallies, doc=doc, complete=complete)
        return
    if any(isinstance(item, dict) for item in got):
        return
    tally = tallies[f"{path}[]"]
    left = [words(item) for item in want]
    for item in got:
        key = words(item)
        if key in left:
            left.remove(key)
            tally.right += 1
        else:
            tally.wrong += 1
            tally.examples.append((doc, item, want))
    tally.missed += len(left)
    tally.n += max(len(want), len(got))


def _count(tally: Tally, path: str, got: Any, want: Any, doc: str, complete: bool) -> None:
    if want is None:
        if not complete:
            return
        tally.n += 1
        if got is not None:
            tally.wrong += 1
            tally.examples.append((doc, got, None))
        return
    tally.n += 1
    if got is None:
        tally.missed += 1
        tally.examples.append((doc, None, want))
    elif same(path.split(".")[-1], got, want):
        tally.right += 1
    else:
        tally.wrong += 1
        tally.examples.append((doc, got, want))


def renamed(value: Any, names: dict[str, str]) -> Any:
    """A value with the keys of the label."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(part, names) for key, part in value.items()}
    return [renamed(part, names) for part in value] if isinstance(value, list) else value


def schema_of(
    folder: Path, name: str, kind: str, row: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The JSON Schema to extract with, and how its names map to the label's."""
    if kind == "synonyms" and name in SYNONYMS:
        model, names = SYNONYMS[name]
        return model.model_json_schema(), names
    if kind != "file" and name in MODELS:
        return MODELS[name].model_json_schema(), {}
    file = folder / "schema.json"
    if name == "extract_bench":
        file = folder / "schemas" / f"{row['schema'].split('/')[-1].removesuffix('.json')}.json"
    return json.loads(file.read_text()), {}


def rows(folder: Path, half: str | None) -> Iterator[dict[str, Any]]:
    """The labelled documents of a set, all of them or the first or second half by id."""
    listed = [
        json.loads(line)
        for line in (folder / "labels.jsonl").read_text().splitlines()
        if line.strip()
    ]
    listed.sort(key=lambda row: row["id"])
    middle = (len(listed) + 1) // 2
    yield from {"dev": listed[:middle], "check": listed[middle:]}.get(half or "", listed)


def measure(
    name: str, *, kind: str = "models", half: str | None = None
) -> tuple[dict[str, Tally], int, float]:
    """Run a set: tallies by field, the number of documents, seconds spent extracting."""
    folder = corpus() / name
    tallies: dict[str, Tally] = defaultdict(Tally)
    count, seconds = 0, 0.0
    for row in rows(folder, half):
        with (folder / row["doc"]).open(newline="", encoding="utf-8") as file:
            text = file.read()
        schema, names = schema_of(folder, name, kind, row)
        began = time.perf_counter()
        found = extract(schema, text)
        seconds += time.perf_counter() - began
        compare(
            "",
            renamed(found.value, names),
            row["labels"],
            tallies,
            doc=row["id"],
            complete=name not in NOT_ANNOTATED,
        )
        count += 1
    return dict(tallies), count, seconds


def receipts_elsewhere(data: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The receipts of the SROIE data set that are not in the corpus: number, text, labels."""
    known = {row["id"].split("_")[1] for row in rows(corpus() / "receipts_sroie", None)}
    for file in sorted((data / "key").glob("*.json")):
        if file.stem not in known:
            stated = json.loads(file.read_text(encoding="utf-8"))
            labels = {name: stated.get(name) for name in ("company", "date", "address", "total")}
            boxes = (data / "box" / f"{file.stem}.csv").read_text("utf-8", errors="replace")
            yield file.stem, "\n".join(_lines_of_boxes(boxes)), labels


def _lines_of_boxes(boxes: str) -> Iterator[str]:
    """The lines of a receipt as the corpus has them: boxes side by side are apart by two blanks."""
    read = []
    for line in boxes.splitlines():
        *corners, words = line.split(",", 8)
        if len(corners) == 8 and all(number.isdigit() for number in corners):
            across, down = [int(x) for x in corners[::2]], [int(y) for y in corners[1::2]]
            read.append((min(down), max(down), min(across), words.strip()))
    lines: list[list[tuple[int, int, int, str]]] = []
    for box in sorted(read):
        middle = (box[0] + box[1]) / 2
        beside = next((one for one in lines[-3:] if one[0][0] <= middle <= one[0][1]), None)
        if beside is None:
            lines.append([box])
        else:
            beside.append(box)
    yield from ("  ".join(box[3] for box in sorted(one, key=lambda b: b[2])) for one in lines)


def measure_elsewhere(data: Path) -> tuple[dict[str, Tally], int, float]:
    """Run the receipts of the SROIE data set that are not in the corpus."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    count, began = 0, time.perf_counter()
    for name, text, labels in receipts_elsewhere(data):
        found = extract(Receipt.model_json_schema(), text)
        compare("", found.value, labels, tallies, doc=name, complete=True)
        count += 1
    return dict(tallies), count, time.perf_counter() - began


def report(name: str, tallies: dict[str, Tally], count: int, seconds: float) -> None:
    """Print the table of a set."""
    print(f"\n{name}: {count} documents, {seconds:.1f} s")
    print(
        f"{'field':<36}{'n':>6}{'right':>7}{'wrong':>7}{'missed':>8}{'precision':>11}{'recall':>8}{'wrong %':>9}"
    )
    whole = Tally()
    for path, tally in tallies.items():
        print(_row(path, tally))
        whole.n += tally.n
        whole.right += tally.right
        whole.wrong += tally.wrong
        whole.missed += tally.missed
    print(_row("all", whole))


def markdown(name: str, tallies: dict[str, Tally], count: int) -> None:
    """Print the table of a set for docs/rules.md."""
    print(f"\n### {name}: {count} documents\n")
    print("| field | n | right | wrong | missed | precision | recall | wrong of all |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    whole = Tally()
    for path, tally in tallies.items():
        if tally.n:
            print("| " + " | ".join(_cells(f"`{path}`", tally)) + " |")
        for part in ("n", "right", "wrong", "missed"):
            setattr(whole, part, getattr(whole, part) + getattr(tally, part))
    print("| " + " | ".join(_cells("all", whole)) + " |")


def _cells(path: str, tally: Tally) -> list[str]:
    answered, stated = tally.right + tally.wrong, tally.right + tally.wrong + tally.missed
    precision = f"{100 * tally.right / answered:.0f} %" if answered else "-"
    recall = f"{100 * tally.right / stated:.0f} %" if stated else "-"
    wrong = f"{100 * tally.wrong / tally.n:.1f} %" if tally.n else "-"
    return [
        path,
        *(str(getattr(tally, part)) for part in ("n", "right", "wrong", "missed")),
        precision,
        recall,
        wrong,
    ]


def _row(path: str, tally: Tally) -> str:
    first, *numbers = _cells(path, tally)
    widths = (6, 7, 7, 8, 11, 8, 9)
    return f"{first:<36}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(numbers, widths, strict=True)
    )


def main() -> int:
    """Read the command line and print a table for each set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=[*SETS, *INFORMATION], action="append")
    parser.add_argument("--half", choices=["dev", "check"])
    parser.add_argument("--schema", choices=["models", "file", "synonyms"], default="models")
    parser.add_argument("--sroie", type=Path, metavar="DATA")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--show-wrong", type=int, default=0, metavar="N")
    parser.add_argument("--show-missed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    if not corpus().is_dir():
        print(f"no corpus at {corpus()}; set PROMPTURE_SHARED", file=sys.stderr)
        return 2
    if options.sroie:
        tallies, count, seconds = measure_elsewhere(options.sroie)
        if options.markdown:
            markdown("receipts elsewhere", tallies, count)
        else:
            report("receipts elsewhere", tallies, count, seconds)
        return 0
    for name in options.set or SETS:
        tallies, count, seconds = measure(name, kind=options.schema, half=options.half)
        if options.markdown:
            markdown(name, tallies, count)
            continue
        report(name, tallies, count, seconds)
        for path, tally in tallies.items():
            wrong = [example for example in tally.examples if example[1] is not None][
                : options.show_wrong
            ]
            missed = [example for example in tally.examples if example[1] is None][
                : options.show_missed
            ]
            for doc, got, want in wrong + missed:
                print(f"  {path} {doc}: got {str(got)[:200]!r} want {str(want)[:200]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
