"""Tables: a header row whose cells fit the fields of a list's items, and the rows under it."""

from prompture.rules.fields import Field
from prompture.rules.page import Candidate, Page, Scope


def read_rows(fields: list[Field], page: Page, scope: Scope) -> list[dict[str, Candidate]]:
    """The rows of the table that fits the fields best."""
    return []
