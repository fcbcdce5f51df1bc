"""The main job: a schema and a text in, a validated object out. Needs no key."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel

from prompture import extract

HERE = Path(__file__).parent


class Receipt(BaseModel):
    company: str
    date: date
    total: float


receipt = extract(Receipt, (HERE / "documents" / "receipt.txt").read_text(encoding="utf-8"))
print(receipt.company, receipt.date, receipt.total)
