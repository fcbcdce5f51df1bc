"""Families: what is known of one kind of document (invoices, articles, ...), each a part that can be left out.

The core (`prompture.rules`) reads labels, tables and lists of any document. A family knows where its kind
puts what no label names: the shop on the first lines of a receipt, the authors of an article. A package adds
a family by an entry point of the group "prompture.rules" that names an instance of `DocumentFamily`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from prompture.errors import ConfigurationError
from prompture.rules.concepts import Concept
from prompture.rules.fields import SchemaField
from prompture.rules.labelled import Index
from prompture.rules.page import FieldCandidate, Page, TextRange

GROUP = "prompture.rules"
# Modules beside this one, in the order in which they are asked.
BUILTIN = ("parties", "invoices", "papers", "citations", "goods")

Row = Mapping[str, FieldCandidate]
"""One object of a list: candidates by the names of its fields."""


class DocumentFamily:
    """What one kind of document adds. Override what it needs: each method as it stands here adds nothing.

    None means "not mine": the next family is asked, then the core. An empty list is an answer: the text
    states nothing. Offsets count code points of `page.text`; nothing outside of `scope` may be read as a value.
    """

    concepts: tuple[Concept, ...] = ()
    """Words of its own: what schemas call the things that it knows, and the labels that documents print."""

    def labels(self, field: SchemaField) -> Iterable[str]:
        """Further labels, in normal form, that must be found in the text when the schema has this field."""
        return ()

    def side(self, field: SchemaField) -> str | None:
        """The side of an object that is one of the parties ("seller"): its fields are then read from all of the text."""
        return None

    def candidates(
        self,
        field: SchemaField,
        page: Page,
        scope: TextRange,
        found: list[FieldCandidate],
        index: Index,
    ) -> list[FieldCandidate] | None:
        """The candidates of a field with one value. `found` are those that stand by its labels."""
        return None

    def values(
        self, field: SchemaField, page: Page, scope: TextRange
    ) -> list[FieldCandidate] | None:
        """The items of a list of strings or numbers; `field` is one item."""
        return None

    def rows(
        self, field: SchemaField, fields: Sequence[SchemaField], page: Page, scope: TextRange
    ) -> Sequence[Row] | None:
        """The items of a list of objects; `fields` are those of one item."""
        return None


def find_families(names: Iterable[str] | None = None) -> tuple[DocumentFamily, ...]:
    """The families to ask, in order: those of installed packages by name, then the built-in ones.

    `names` leaves out all others. A built-in module that is not installed is skipped.
    Raises ConfigurationError for a name that no family has, and for a package's family that cannot be loaded.
    """
    known = _known()
    if names is None:
        return tuple(known.values())
    wanted = frozenset(names)
    if unknown := sorted(wanted - known.keys()):
        raise ConfigurationError(
            f"families: there is no {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    return tuple(family for name, family in known.items() if name in wanted)


@cache
def _known() -> dict[str, DocumentFamily]:
    found: dict[str, DocumentFamily] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name in BUILTIN or point.name in found:
            raise ConfigurationError(
                f"{_described(point)}: a family {point.name!r} is there already; uninstall one"
            )
        found[point.name] = _loaded(point)
    for name in BUILTIN:
        module = f"{__name__}.{name}"
        try:
            found[name] = import_module(module).FAMILY
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
    return found


def _loaded(point: EntryPoint) -> DocumentFamily:
    try:
        family = point.load()
    except (Exception, SystemExit) as exc:  # a package runs its own code, which may raise anything
        raise ConfigurationError(
            f"{_described(point)} cannot be loaded: {type(exc).__name__}: {exc}; repair or uninstall it"
        ) from exc
    if not isinstance(family, DocumentFamily):
        raise ConfigurationError(
            f"{_described(point)} is a {type(family).__name__}, not an instance of {__name__}.DocumentFamily"
        )
    return family


def _described(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package"
    return f"the family {point.name!r} of {package} ({point.group}: {point.value})"
