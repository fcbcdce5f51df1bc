"""Lists of references: each entry taken apart into author, title, date and the rest."""

from prompture.rules.fields import Field
from prompture.rules.page import Candidate, Page, Scope


def is_reference(name: Field, fields: list[Field]) -> bool:
    """Whether a list's items are bibliographic records."""
    return False


def read_references(fields: list[Field], page: Page, scope: Scope) -> list[dict[str, Candidate]]:
    """One record per reference, in order."""
    return []
