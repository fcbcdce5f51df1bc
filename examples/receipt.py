"""What a shop's receipt says."""

import datetime

from pydantic import BaseModel, Field


class Item(BaseModel):
    description: str
    quantity: float | None = Field(default=None, description="Qty")
    amount: float


class Receipt(BaseModel):
    """A receipt of a shop."""

    company: str = Field(description="name of the shop or company that sold")
    address: str | None = None
    date: datetime.date | None = Field(default=None, description="date of the sale")
    total: float = Field(description="total amount paid, tax included")
    items: list[Item] = []
