"""Whether the keys of an answer are those of its schema.

Where every field may be left out, ``{"Person": {...}}`` satisfies the schema, and nothing of it
is read. So an object that has keys, none of which is known where it stands, is no answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from prompture.json_values import Segment, pointer, same, value_at
from prompture.schema.exact_json import Doubtful, ExactDecoder, is_plain
from prompture.schema.known_keys import ANY, AllowedKeys, Later, keys_of_core, keys_of_json_schema
from prompture.schema.problems import InvalidValue, Problem
from prompture.schema.source import Source
from prompture.types import JSON, JSONValue

Path: TypeAlias = tuple[Segment, ...]
_ABSENT: Any = object()
_FEW = 200
"""Of more fields each unknown key is not compared with each."""

FOREIGN = "foreign_keys"
"""Kind of the problem of an object that has no key of the schema's."""
DOUBLED = "unlike_keys"
"""Kind of the problem of an object that gives one field twice, with unlike values."""
LISTED = 5
"""Ignored keys that are named, at most."""


@dataclass(slots=True)
class KeyReport:
    """What an answer's keys say: ``foreign`` is the path to the first object that has only
    unknown ones, ``misnamed`` that to the first key which is a missing field's in another
    spelling, or holds missing fields, and what to say of it, ``doubled`` that to the first key that gives a field anew with another
    value, and the key that gave it, ``ignored`` are the paths of the others that are unknown."""

    foreign: Path | None = None
    misnamed: tuple[Path, str] | None = None
    doubled: tuple[Path, Path] | None = None
    ignored: list[Path] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """What to note on the attempt: names of keys, none of their values."""
        if not self.ignored:
            return ()
        shown = ", ".join(pointer(path)[:80] for path in islice(self.ignored, LISTED))
        more = len(self.ignored) - LISTED
        return (f"unknown keys: {shown}{f' and {more} more' if more > 0 else ''}",)


class SchemaKeys:
    """The keys of one schema."""

    def __init__(self, source: Source[Any]) -> None:
        checker: Any = source._checker
        self._root: Later
        if hasattr(checker, "allowed_keys"):
            self._root = checker.allowed_keys
        elif hasattr(checker, "core"):
            self._root = keys_of_core(checker.core)
        else:
            self._root = keys_of_json_schema(source.json_schema)

    @cached_property
    def root(self) -> AllowedKeys:
        return self._root()

    def compare(self, plain: object) -> KeyReport:
        """The keys of a JSON value, compared with the schema's."""
        found = KeyReport()
        _compare(plain, self.root, (), found)
        return found

    def check(self, plain: object, value: object) -> KeyReport:
        """What the keys of an answer say that was validated to ``value``. Raises InvalidValue
        where the answer is none: an object in it has keys, and all of them are foreign, or one
        is a missing field's, spelt otherwise, or two give unlike values of one field."""
        found = self.compare(plain)
        foreign = found.foreign
        # Where a validator runs before, any key may be right: then the value tells.
        if foreign is None and plain and isinstance(plain, dict) and _has_no_field(value):
            foreign = ()
        if foreign is not None:
            message = "must have keys of the schema; all of its keys are others"
            raise InvalidValue([Problem(pointer(foreign), message, FOREIGN)])
        if found.misnamed is not None:
            path, fault = found.misnamed
            message = f"is no key of the schema; {fault}"
            raise InvalidValue([Problem(pointer(path), message, FOREIGN)])
        if found.doubled is not None:
            second, first = map(pointer, found.doubled)
            message = f"is another name of {first}, with an unlike value: give one of them"
            raise InvalidValue([Problem(second, message, DOUBLED)])
        return found

    def knows(self, key: str) -> bool:
        """Whether the root has a field of that name, or takes any key; or, where it is a list,
        an item has one."""
        place = self.root
        item = place.items() if place.items is not None else None
        return (
            place.open or key in (place.fields or ()) or bool(item and key in (item.fields or ()))
        )

    @property
    def takes_lists(self) -> bool:
        """Whether the value may be a list."""
        return self.root.items is not None


# Weak: keys go with the Source that they are of, of which only some are kept (``source.CACHE_SIZE``).
_known: WeakKeyDictionary[Source[Any], SchemaKeys] = WeakKeyDictionary()


def keys_of(source: Source[Any]) -> SchemaKeys:
    """The keys of a schema, made when first needed."""
    found = _known.get(source)
    if found is None:
        found = _known[source] = SchemaKeys(source)
    return found


def check_keys(source: Source[Any], plain: object, value: object) -> KeyReport:
    """``SchemaKeys.check`` of the source's keys."""
    return keys_of(source).check(plain, value)


def in_own_shape(source: Source[Any], plain: JSONValue) -> JSONValue:
    """A JSON answer without keys that the schema does not know, each field under the first of its
    names: the pointers are then those of the schema."""
    return _spelt(plain, keys_of(source).root)


def _spelt(value: JSONValue, place: AllowedKeys) -> JSONValue:
    if isinstance(value, list):
        inner = place.items() if place.items is not None else ANY
        return [_spelt(each, inner) for each in value]
    if not isinstance(value, dict):
        return value
    fields, named = place.fields or {}, dict(value)
    for paths in place.spellings:
        (first, *_), *others = paths
        if len(paths[0]) > 1 or first in value:
            continue
        for path in others:
            if (found := value_at(value, path, _ABSENT)) is not _ABSENT:
                named.pop(path[0], None)
                named[first] = found
                break
    rest = place.rest() if place.open and place.rest is not None else ANY
    return {
        key: _spelt(each, fields[key]() if key in fields else rest)
        for key, each in named.items()
        if key in fields or place.open or not fields
    }


def _has_no_field(value: object) -> bool:
    """Whether a model was made of nothing."""
    given = getattr(value, "__pydantic_fields_set__", None)
    return given is not None and not given and not getattr(value, "__pydantic_extra__", None)


def validated(source: Source[Any], text: str) -> Any:
    """``source.validate_json``, and the rules of keys and numbers on top. Raises InvalidValue."""
    value = source.validate_json(text)
    # Counting keys is far cheaper than to read the text again.
    if not (source.typed and is_plain(text, value)):
        try:
            check_keys(source, ExactDecoder().decode(text), value)
        except Doubtful as doubt:
            raise InvalidValue(
                [Problem("", f"is no answer: {doubt.reason}", "json_doubtful")]
            ) from None
    return value


def _compare(value: object, place: AllowedKeys, path: Path, found: KeyReport) -> None:
    if isinstance(value, list):
        if place.items is not None:
            inner = place.items()
            for index, each in enumerate(value):
                if isinstance(each, (dict, list)):
                    _compare(each, inner, (*path, index), found)
    elif isinstance(value, dict):
        _compare_object(value, place, path, found)


def _compare_object(
    value: dict[str, Any], place: AllowedKeys, path: Path, found: KeyReport
) -> None:
    fields = place.fields
    if fields is not None:
        for key, inner in place.deep:
            each = value.get(key)
            if isinstance(each, (dict, list)):
                _compare(each, inner, (*path, key), found)
        # Measured shortcut: as many fields as keys, so none has two. Looking at each field's
        # spellings takes four times as long as it takes to validate the object.
        if place.spellings and len(set(map(place.numbers.get, value))) < len(value):
            for paths in place.spellings:
                # Pydantic takes the first and drops the others without a word.
                found.doubled = found.doubled or _doubled(value, paths, path)
        if value.keys() <= fields.keys():
            return
    known = fields or {}
    others = [key for key in value if key not in known]
    if place.open:
        inner = place.rest() if place.rest is not None else ANY
        for key in others:
            _compare(value[key], inner, (*path, key), found)
    elif fields:
        if len(others) == len(value) and found.foreign is None:
            found.foreign = path
        elif others and found.misnamed is None:
            found.misnamed = _misnamed(others, fields, value, path)
        found.ignored += [(*path, key) for key in others]


def _doubled(value: JSON, paths: tuple[Path, ...], at: Path) -> tuple[Path, Path] | None:
    """The second place at which an object has one field, and the first; None where the values are
    equal."""
    there = [
        (path, found) for path in paths if (found := value_at(value, path, _ABSENT)) is not _ABSENT
    ]
    for path, other in there[1:]:
        # Null behind a value adds nothing; a value behind null would be lost.
        if other is not None and not same(there[0][1], other):
            return (*at, *path), (*at, *there[0][0])
    return None


def _misnamed(
    others: list[str], fields: Mapping[str, Later], value: JSON, path: Path
) -> tuple[Path, str] | None:
    """``firstName`` where ``first_name`` is missing: its value would be lost."""
    # Only a field that has no value is meant by another key: else the key is one too many.
    missing = {_letters(key): key for key in fields if key not in value}
    present = {_letters(key) for key in fields if key in value}
    for key in others:
        name, inside = _letters(key), value[key]
        if inside is None or name in present:
            continue
        if isinstance(inside, dict) and inside and inside.keys() <= set(missing.values()):
            return (*path, key), f"{_listed(inside)} must stand beside it, not in it"
        meant = [missing[name]] if name in missing else []
        if not meant and len(fields) <= _FEW and not any(_slipped(name, one) for one in present):
            meant = [field for other, field in missing.items() if _slipped(name, other)]
        if len(meant) == 1:
            return (*path, key), f"the field is called {meant[0]!r}"
    return None


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(repr(key[:80]) for key in islice(keys, LISTED))


def _slipped(name: str, field: str) -> bool:
    """Whether a name is a field's with one slip: ``item`` for ``items``, ``adress`` for ``address``.

    A digit makes another field (``line2``), and of short names one letter does (``page``, ``age``).
    """
    short, long = sorted((name, field), key=len)
    if len(short) < 3 or len(long) - len(short) > 1:
        return False
    at = next((i for i, c in enumerate(short) if c != long[i]), len(short))
    if len(short) < len(long):
        # An s at the end; a letter that is doubled; any letter within a longer name.
        is_letter = long[at].isalpha() and short[at:] == long[at + 1 :]
        ends = at == len(short) and long[at] == "s"
        return is_letter and (
            ends or (at > 0 and (long[at] == long[at - 1] or 5 <= len(short) > at))
        )
    if len(short) < 6 or at == 0 or at >= len(short) - 1 or not (short[at] + long[at]).isalpha():
        return False
    swapped = long[at + 1] + long[at] + long[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or short[at:] == swapped


def _letters(key: str) -> str:
    """What is left of a name without case, blanks and marks; all of it, where that is nothing."""
    folded = unicodedata.normalize("NFKC", key).casefold()
    return "".join(filter(str.isalnum, folded)) or key
