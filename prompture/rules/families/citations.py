"""Lists of references, for schemas whose items have an author, a title and other parts of a reference."""

from collections.abc import Sequence

from prompture.rules import data
from prompture.rules.concepts import normalise
from prompture.rules.families import DocumentFamily
from prompture.rules.fields import SchemaField
from prompture.rules.page import FieldCandidate, Page, TextRange

_PART_OF = data.by_word("citations", "parts")
_FURTHER = frozenset({"date", "journal", "pages", "volume", "publisher", "doi"})


class Citations(DocumentFamily):
    """Lists of bibliographic records: an author, a title, and two more of their parts."""

    def rows(
        self, field: SchemaField, fields: Sequence[SchemaField], page: Page, scope: TextRange
    ) -> list[dict[str, FieldCandidate]] | None:
        """One record for each reference, in order."""
        wanted = [(part, one) for one in fields if (part := _PART_OF.get(normalise(one.name)))]
        parts = {part for part, _ in wanted}
        if not {"author", "title"} <= parts or len(parts & _FURTHER) < 2:
            return None
        # Compiled at first need: it takes 20 ms, and most lists are of no references.
        from prompture.rules.families.references import read_references

        return read_references(wanted, page, scope)


FAMILY = Citations()
