"""Alternatives that are one: literals of a kind, objects that differ in ``required`` alone, equal scalars."""

from __future__ import annotations

from typing import Any

from prompture.schema.rewriting.alts import Alt, Conj, Shape
from prompture.schema.rewriting.typed import distinct

_MOST_MERGED = 300


def merged(alts: list[Alt]) -> list[Alt]:
    """Literals of one kind in one list; objects that differ in ``required`` alone in one; scalars once."""
    if len(alts) > _MOST_MERGED:
        return alts
    found: list[Alt] = []
    for alt in alts:
        for i, other in enumerate(found):
            both = _merge(other, alt)
            if both is not None:
                found[i] = both
                break
        else:
            found.append(alt)
    return found


def _merge(a: Alt, b: Alt) -> Alt | None:
    if a.kind != b.kind:
        return None
    if a.values is not None and b.values is not None:
        return Alt(a.kind, values=distinct([*a.values, *b.values]), notes=_shared_notes(a, b))
    if a.values is not None or b.values is not None:
        return None
    if a.kind == "object" and a.shape and b.shape:
        if not _alike(a.shape, b.shape):
            return None
        common = tuple(name for name in a.shape.required if name in b.shape.required)
        merged = Shape(a.shape.properties, a.shape.patterns, a.shape.rest, common, a.shape.names)
        options = [
            " and ".join(x.required) for x in (a.shape, b.shape) if set(x.required) - set(common)
        ]
        extra = (f"present together: {' or '.join(options)}",) if len(options) > 1 else ()
        return Alt("object", _common(a, b), shape=merged, notes=_shared_notes(a, b) + extra)
    if a.words == b.words and _rows_ids(a) == _rows_ids(b) and a.but == b.but:
        return a
    return None


def _alike(a: Shape, b: Shape) -> bool:
    """The same schemas, not merely equal ones: ``1`` and ``true`` are equal in Python."""
    return _identity(a) == _identity(b)


def _identity(shape: Shape) -> tuple[Any, ...]:
    rest = None if shape.rest is None else _ids(shape.rest)
    return (
        [(name, _ids(conj)) for name, conj in shape.properties.items()],
        [(pattern, _ids(conj)) for pattern, conj in shape.patterns],
        rest,
        _ids(shape.names),
    )


def _ids(conj: Conj) -> tuple[int, ...]:
    return tuple(id(part) for part in conj)


def _rows_ids(alt: Alt) -> Any:
    return alt.rows and ([_ids(conj) for conj in alt.rows.prefix], _ids(alt.rows.rest))


def _common(a: Alt, b: Alt) -> dict[str, Any]:
    return {word: value for word, value in a.words.items() if b.words.get(word) == value}


def _shared_notes(a: Alt, b: Alt) -> tuple[str, ...]:
    return tuple(note for note in a.notes if note in b.notes)
