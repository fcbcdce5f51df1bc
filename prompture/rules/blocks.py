"""Parts of a document: the section under a heading, and blocks that repeat the same labels."""

from collections.abc import Iterable, Iterator

from prompture.rules.candidates import Index, matching
from prompture.rules.fields import Field
from prompture.rules.labels import normalise, similarity
from prompture.rules.page import Page, Scope

_ANCHOR_FIT = 0.9


def section_scope(name: Field, page: Page, scope: Scope) -> Scope | None:
    """What stands under a heading line that names the object, up to the next heading or two blank lines."""
    lines = page.layout.within(scope.start, scope.end)
    for place, line in enumerate(lines):
        heading = line.words.strip("*#=-_ \t").rstrip(":").strip()
        if not heading or len(heading) > 60 or len(line.cells) > 1:
            continue
        if similarity(normalise(heading), {phrase: 1.0 for phrase in name.phrases}) < _ANCHOR_FIT:
            continue
        end = next(
            (later.start for later in lines[place + 2 :] if _heading(later.words, line.words)),
            scope.end,
        )
        return Scope(line.end, end)
    return None


def _heading(words: str, like: str) -> bool:
    """Whether a line opens a section the way `like` does: the same mark before or after the words."""
    if like.startswith("#"):
        return words.startswith("#")
    if like.endswith(":"):
        return words.endswith(":") and len(words) <= 60
    if like.isupper():
        return words.isupper() and not any(c.isdigit() for c in words) and len(words) <= 60
    return False


def repeated(fields: Iterable[Field], page: Page, scope: Scope, index: Index) -> Iterator[Scope]:
    """The blocks of a list: from each place of the label that comes first to the next such place.

    One block alone counts when it holds the labels of at least two of the fields.
    """
    places: dict[str, list[int]] = {}
    for name in fields:
        found = sorted(_places(name, index, scope))
        if found:
            places[name.name] = found
    if not places:
        return
    anchor = min(places, key=lambda name: (places[name][0], name))
    starts = places[anchor]
    if len(starts) == 1:
        if len(places) >= 2 or scope.start:
            yield Scope(starts[0], scope.end)
        return
    most = max(len(found) for found in places.values())
    if len(places) < 2 and most < 2:
        return
    for start, after in zip(starts, [*starts[1:], scope.end], strict=True):
        yield Scope(start, after)


def _places(name: Field, index: Index, scope: Scope) -> set[int]:
    found: set[int] = set()
    if name.kind in {"object", "array"}:
        return found
    for key, fit in matching(index, name.phrases).items():
        if fit < _ANCHOR_FIT:
            continue
        found.update(
            pair.label_start
            for pair in index.within(key, scope)
            if pair.relation in {"colon", "under", "leader", "markup"}
        )
    return found
