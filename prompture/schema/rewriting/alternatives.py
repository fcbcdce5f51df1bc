"""A schema as alternatives of one kind each: what every rewrite works on.

An alternative may allow *more* than the schema it comes from, never less: the answer is checked against the
original afterwards. What was left out is in ``notes``, in words that go into the description.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from prompture.json_values import EVERY, JSONObject, JSONValue, family, kind_of, same
from prompture.schema.patterns import finds

Conj = tuple[JSONValue, ...]
"""Raw schemas that hold together; the empty one allows anything."""

_NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
WORDS: dict[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": _NUMERIC,
    "integer": _NUMERIC,
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties"),
    "boolean": (),
    "null": (),
}
"""The assertions about values of a type, but for what they hold. ``expand.words_of`` knows which of them
have a text as their value; the others have a number."""

NOTHING: Conj = (False,)
ANYTHING: Conj = ()


@dataclass(slots=True)
class ObjectShape:
    """What an object holds: only named properties, patterns and the rest. ``rest`` None: it is not stated."""

    properties: dict[str, Conj] = field(default_factory=dict)
    patterns: list[tuple[str, Conj]] = field(default_factory=list)
    rest: Conj | None = None
    required: tuple[str, ...] = ()
    names: Conj = ANYTHING

    def schema_of(self, name: str) -> Conj:
        """What a property must satisfy, named or not."""
        if name in self.properties:
            return self.properties[name]
        found: Conj = ()
        for pattern, conj in self.patterns:
            if finds(pattern, name):
                found += conj
        return found or (self.rest if self.rest is not None else ANYTHING)


@dataclass(slots=True)
class ArrayShape:
    """What an array holds: the first few by position, then the rest; ``rest_stated``: the schema says
    something of the rest."""

    prefix: list[Conj] = field(default_factory=list)
    rest: Conj = ANYTHING
    rest_stated: bool = True


@dataclass(slots=True)
class Alt:
    """Values of one kind. ``any`` is every kind but those in ``but``; ``values`` are the only ones, where known.

    The words of ``any`` hold for the kinds that they are about.
    """

    kind: str
    words: JSONObject = field(default_factory=dict)
    values: list[JSONValue] | None = None
    shape: ObjectShape | None = None
    items: ArrayShape | None = None
    but: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def kinds(self) -> frozenset[str]:
        return EVERY - self.but if self.kind == "any" else frozenset({family(self.kind)})


def meet_all(left: list[Alt], right: list[Alt], *, most: int = 24) -> list[Alt]:
    """Alternatives that satisfy both; where that would be too many, the left ones with a note."""
    if len(left) == 1 and _is_free(left[0]):
        return right if not left[0].notes else [noted(alt, left[0].notes) for alt in right]
    if len(right) == 1 and _is_free(right[0]):
        return left if not right[0].notes else [noted(alt, right[0].notes) for alt in left]
    # Products of alternatives grow exponentially. Allowing more is sound: the answer is checked afterwards.
    if len(left) * len(right) > most and len(right) > 1:
        return left if len(left) <= len(right) else right
    found = []
    for a in left:
        for b in right:
            both = meet(a, b)
            if both is not None:
                found.append(both)
    return found


def noted(alt: Alt, notes: tuple[str, ...]) -> Alt:
    return replace(alt, notes=(*alt.notes, *(note for note in notes if note not in alt.notes)))


def _is_free(alt: Alt) -> bool:
    return alt.kind == "any" and not alt.but and not alt.words


def meet(a: Alt, b: Alt) -> Alt | None:
    """Values of both; None where there are none."""
    notes = (*a.notes, *(note for note in b.notes if note not in a.notes))
    if a.kind == "any" and b.kind == "any":
        words, extra = _meet_words(a.words, b.words)
        return Alt("any", words, but=a.but | b.but, notes=notes + extra)
    if a.kind == "any":
        return _narrowed(b, a, notes)
    if b.kind == "any":
        return _narrowed(a, b, notes)
    if family(a.kind) != family(b.kind):
        return None
    if a.values is not None or b.values is not None:
        return _meet_values(a, b, notes=notes)
    found = Alt(a.kind if a.kind == "integer" else b.kind, notes=notes)
    found.words, extra = _meet_words(a.words, b.words)
    found.notes += extra
    if a.kind == "object":
        found.shape = _meet_shapes(a.shape or ObjectShape(), b.shape or ObjectShape())
        # A required property that nothing is valid for.
        if any(found.shape.schema_of(name) == NOTHING for name in found.shape.required):
            return None
    if a.kind == "array":
        found.items = _meet_arrays(a.items or ArrayShape(), b.items or ArrayShape())
    return found


def _narrowed(alt: Alt, free: Alt, notes: tuple[str, ...]) -> Alt | None:
    """An alternative under the words that a schema without a type has for its kind."""
    if family(alt.kind) in free.but:
        return None
    own = {word: free.words[word] for word in WORDS[alt.kind] if word in free.words}
    if not own or alt.values is not None:
        return replace(alt, notes=notes)
    words, extra = _meet_words(alt.words, own)
    return replace(alt, words=words, notes=notes + extra)


def _meet_values(a: Alt, b: Alt, *, notes: tuple[str, ...]) -> Alt | None:
    one, other = (a, b) if a.values is not None else (b, a)
    kept = one.values or []
    if other.values is not None:
        allowed = other.values
        kept = [value for value in kept if any(same(value, x) for x in allowed)]
    return Alt(one.kind, values=kept, notes=notes) if kept else None


_LARGER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_SMALLER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


def _meet_words(a: JSONObject, b: JSONObject) -> tuple[JSONObject, tuple[str, ...]]:
    found, notes = dict(a), []
    for word, value in b.items():
        if word not in found:
            found[word] = value
        elif word in _LARGER:
            found[word] = max(found[word], value)
        elif word in _SMALLER:
            found[word] = min(found[word], value)
        elif word == "uniqueItems":
            found[word] = found[word] or value
        elif not same(found[word], value):
            notes.append(f"{word}: {value}")
    return found, tuple(notes)


def _meet_shapes(a: ObjectShape, b: ObjectShape) -> ObjectShape:
    found = ObjectShape(
        required=tuple(dict.fromkeys((*a.required, *b.required))), names=a.names + b.names
    )
    for name in dict.fromkeys((*a.properties, *b.properties)):
        conj = _join(a.schema_of(name), b.schema_of(name))
        if (
            conj != NOTHING
            or name in found.required
            or (name in a.properties and name in b.properties)
        ):
            found.properties[name] = conj
    found.patterns = _meet_patterns(a, b)
    found.rest = b.rest if a.rest is None else a.rest if b.rest is None else _join(a.rest, b.rest)
    return found


def _meet_patterns(a: ObjectShape, b: ObjectShape) -> list[tuple[str, Conj]]:
    """A patternProperties entry of one side alone is intersected with the other side's additionalProperties."""
    there = {pattern for pattern, _ in b.patterns}
    here = {pattern for pattern, _ in a.patterns}
    found = []
    for pattern, conj in a.patterns:
        alone = pattern not in there and not b.patterns
        found.append((pattern, _join(conj, b.rest) if alone and b.rest is not None else conj))
    for pattern, conj in b.patterns:
        alone = pattern not in here and not a.patterns
        found.append((pattern, _join(conj, a.rest) if alone and a.rest is not None else conj))
    return found


def _join(a: Conj, b: Conj) -> Conj:
    if a == NOTHING or b == NOTHING:
        return NOTHING
    known = {id(part) for part in a}
    return a + tuple(part for part in b if id(part) not in known and part is not True)


def _meet_arrays(a: ArrayShape, b: ArrayShape) -> ArrayShape:
    longest = max(len(a.prefix), len(b.prefix))
    prefix = [_join(_item(a, i), _item(b, i)) for i in range(longest)]
    return ArrayShape(prefix, _join(a.rest, b.rest), a.rest_stated or b.rest_stated)


def _item(array: ArrayShape, position: int) -> Conj:
    return array.prefix[position] if position < len(array.prefix) else array.rest


def by_kind(values: list[JSONValue]) -> dict[str, list[JSONValue]]:
    """Values grouped by kind, in the order of first appearance."""
    found: dict[str, list[JSONValue]] = {}
    for value in values:
        found.setdefault(kind_of(value), []).append(value)
    return found


_MOST_MERGED = 300


def merged(alts: list[Alt]) -> list[Alt]:
    """Literals of one kind in one list; objects that differ in ``required`` alone in one; scalars once."""
    # Merging compares every pair.
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
        merged = ObjectShape(
            a.shape.properties, a.shape.patterns, a.shape.rest, common, a.shape.names
        )
        options = [
            " and ".join(x.required) for x in (a.shape, b.shape) if set(x.required) - set(common)
        ]
        extra = (f"present together: {' or '.join(options)}",) if len(options) > 1 else ()
        return Alt("object", _common(a, b), shape=merged, notes=_shared_notes(a, b) + extra)
    if a.words == b.words and _array_ids(a) == _array_ids(b) and a.but == b.but:
        return a
    return None


def _alike(a: ObjectShape, b: ObjectShape) -> bool:
    """The same schemas, not merely equal ones: ``1`` and ``true`` are equal in Python."""
    return _identity(a) == _identity(b)


def _identity(shape: ObjectShape) -> tuple[JSONValue, ...]:
    rest = None if shape.rest is None else _ids(shape.rest)
    return (
        [(name, _ids(conj)) for name, conj in shape.properties.items()],
        [(pattern, _ids(conj)) for pattern, conj in shape.patterns],
        rest,
        _ids(shape.names),
    )


def _ids(conj: Conj) -> tuple[int, ...]:
    return tuple(id(part) for part in conj)


def _array_ids(alt: Alt) -> JSONValue:
    return alt.items and ([_ids(conj) for conj in alt.items.prefix], _ids(alt.items.rest))


def _common(a: Alt, b: Alt) -> JSONObject:
    return {word: value for word, value in a.words.items() if b.words.get(word) == value}


def _shared_notes(a: Alt, b: Alt) -> tuple[str, ...]:
    return tuple(note for note in a.notes if note in b.notes)


def distinct(values: list[JSONValue]) -> list[JSONValue]:
    seen: dict[JSONValue, None] = {}
    kept = []
    for value in values:
        try:
            # In Python 1 == True; in JSON they differ.
            key = (type(value) is bool, value)
            if key in seen:
                continue
            seen[key] = None
        except TypeError:
            pass  # lists and objects are kept as they are
        kept.append(value)
    return kept
