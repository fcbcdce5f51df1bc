"""The head of an invoice."""

import datetime
from decimal import Decimal

from pydantic import BaseModel, Field


class Invoice(BaseModel):
    """An invoice, in whatever language."""

    invoice_number: str
    issue_date: datetime.date
    due_date: datetime.date | None = None
    seller_name: str | None = None
    buyer_name: str | None = None
    currency: str | None = Field(default=None, description="ISO 4217 code")
    net_total: Decimal | None = None
    tax_total: Decimal | None = None
    grand_total: Decimal = Field(description="total amount due, tax included")
