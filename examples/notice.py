"""A court's notice of electronic filing."""

import datetime

from pydantic import BaseModel


class Notice(BaseModel):
    """A notice that something was filed in a case."""

    court: str | None = None
    case_name: str
    case_number: str
    document_number: int | None = None
    date_filed: datetime.date | None = None
    docket_text: str | None = None
