"""The first page of a scientific article: title, authors, affiliations, keywords, date."""

from prompture.rules.fields import Field
from prompture.rules.page import Candidate, Page, Scope

CONCEPTS = frozenset({"title", "keywords", "abstract"})


def weigh(name: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    """Candidates of the parts of an article that have no label."""
    return found


def read_authors(page: Page, scope: Scope) -> list[Candidate]:
    """The authors of an article."""
    return []


def read_affiliations(page: Page, scope: Scope) -> list[Candidate]:
    """Their institutions."""
    return []
