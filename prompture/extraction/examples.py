"""Few-shot examples as data: out of lists and JSONL files, checked against the schema; where there are
many, those most like the document are shown.

Alike is what shares words, rare ones above all (TF-IDF, cosine). Digits count as alike, so that
documents of one form are, whatever their numbers; scripts without spaces are read by pairs of characters.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from prompture import given
from prompture.compat import cached_property
from prompture.errors import ConfigurationError
from prompture.extraction.inputs import content, files_read
from prompture.schema.key_check import check_keys, in_own_shape
from prompture.schema.problems import InvalidValue
from prompture.schema.source import Source
from prompture.types import JSON, Document, JSONValue, Message, Part, Text

_WANTED = (
    "a list of (text, value) pairs, or of dicts {'text': ..., 'value': ...}, or the path of a file"
)
_MOST_CHARS = 50_000
"""So much of a text is compared: a document's kind is known by its beginning."""
_TERM = re.compile(r"[^\W\d_]+|\d+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]{2,}")
Vector = dict[str, float]
Identity: TypeAlias = tuple[str, tuple[Part, ...]]


@dataclass(frozen=True, slots=True)
class Example:
    """A document with its value, as plain JSON. ``place`` is where it was given; ``is_list``: the
    value is a list of what the schema describes, which only ``extract_items`` may be shown."""

    content: str | tuple[Part, ...]
    value: JSONValue
    place: str
    is_list: bool = False

    @property
    def text(self) -> str:
        """The words of the document."""
        return Message(role="user", content=self.content).text


class Examples:
    """Documents with their values, of which those most like a document are shown with it.

    Arguments:
        source: the path of a JSONL file (each line an object with ``text`` and ``value``), or a list
            of (text, value) pairs or of such dicts.
        k: how many are shown at most, the most alike; always in the order of ``source``, so that
            equal choices make equal prompts, which providers' caches know.
        fixed: examples that are always shown, before the others; as ``source``.

    An example whose text is the document's own is not chosen: its value would be copied. Make this
    once: a file is read, and words are counted, once.
    """

    def __init__(self, source: Any, k: int = 4, *, fixed: Any = ()) -> None:
        self.k = given.count(k, "k", least=0) or 0
        self._fixed = _all_of(fixed, "fixed")
        self._pool = _all_of(source, "examples")
        self._checked: WeakKeyDictionary[Source[Any], tuple[Sequence[Example], Pool]] = (
            WeakKeyDictionary()
        )

    def __len__(self) -> int:
        return len(self._fixed) + len(self._pool)

    def __iter__(self) -> Iterator[tuple[Any, JSONValue]]:
        return ((each.content, each.value) for each in (*self._fixed, *self._pool))

    def __repr__(self) -> str:
        return f"Examples({len(self)} documents, k={self.k})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_checked"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _checked=WeakKeyDictionary())

    def checked(self, source: Source[Any]) -> tuple[Sequence[Example], Pool]:
        """The fixed ones and the others, their values valid under a schema.

        Raises ConfigurationError for the first that is not.
        """
        found = self._checked.get(source)
        if found is None:
            fixed = [_checked(each, source) for each in self._fixed]
            pool = Pool([_checked(each, source) for each in self._pool], self.k)
            found = self._checked[source] = (fixed, pool)
        return found


class Pool:
    """Examples that are chosen from."""

    def __init__(self, examples: Sequence[Example], k: int) -> None:
        self.examples = examples
        self.k = k
        self.grounded_for: set[object] = set()
        """What their values are known to have places for, in their own texts."""
        self._last: tuple[Identity | None, Sequence[Example]] = (None, ())

    def chosen(self, document: str | tuple[Part, ...]) -> Sequence[Example]:
        """Those to show with a document, in their own order."""
        if not self.k:
            return ()
        last, wanted = self._last, _identity(document)
        # A call asks for the plan, and for what was shown.
        if last[0] != wanted:
            self._last = last = (wanted, [self.examples[i] for i in self._nearest(wanted)])
        return last[1]

    def mapped(self, function: Any) -> Pool:
        """The pool of other examples with the same texts."""
        other = Pool([function(each) for each in self.examples], self.k)
        other.__dict__.update(_index=self._index, _identities=self._identities)
        return other

    def _nearest(self, wanted: Identity) -> list[int]:
        free = [i for i, each in enumerate(self._identities) if each != wanted]
        if len(free) <= self.k:
            return free
        near = self._index.scores(wanted[0])
        # Of equally alike ones the first, so that the choice is always the same.
        return sorted(sorted(free, key=lambda i: (-near.get(i, 0.0), i))[: self.k])

    @cached_property
    def _identities(self) -> list[Identity]:
        return [_identity(each.content) for each in self.examples]

    @cached_property
    def _index(self) -> _Index:
        return _Index([each.text for each in self.examples])


def _identity(document: str | tuple[Part, ...]) -> Identity:
    """What two copies of one document share: their words, however they are spaced (a file ends in a
    line break, a row of JSONL does not), and their pictures."""
    text = Message(role="user", content=document).text
    parts = () if isinstance(document, str) else document
    return " ".join(text.split()), tuple(p for p in parts if not isinstance(p, (Text, Document)))


class _Index:
    """Texts by their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [_terms(text) for text in texts]
        spread = Counter(term for each in counts for term in each)
        # A word that all have tells nothing apart, and yet must not make a text unlike itself.
        self._rarity = {t: math.log((1 + len(texts)) / (1 + n)) + 0.1 for t, n in spread.items()}
        self._holders: dict[str, list[tuple[int, float]]] = {}
        for at, each in enumerate(counts):
            for term, weight in self._weighed(each).items():
                self._holders.setdefault(term, []).append((at, weight))

    def scores(self, text: str) -> dict[int, float]:
        """How alike each text is, from 0 to 1; those that share no word are left out."""
        found: dict[int, float] = {}
        for term, weight in self._weighed(_terms(text)).items():
            for at, other in self._holders.get(term, ()):
                found[at] = found.get(at, 0.0) + weight * other
        # Sums in another order differ in their last digits, and would choose otherwise.
        return {at: round(score, 9) for at, score in found.items()}

    def _weighed(self, counts: Counter[str]) -> Vector:
        """Each word by how often it stands there and how rare it is, of length 1 together."""
        rare = self._rarity
        weighed = {t: (1 + math.log(n)) * rare[t] for t, n in counts.items() if t in rare}
        length = math.sqrt(sum(w * w for w in weighed.values())) or 1.0
        return {term: weight / length for term, weight in weighed.items()}


def _terms(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    text = text[:_MOST_CHARS].casefold()
    for term in _TERM.findall(text):
        found["0" * min(len(term), 8) if term.isdigit() else term] += 1
    for run in _UNSPACED.findall(text):
        found.update(run[i : i + 2] for i in range(len(run) - 1))
    return found


def given_examples(examples: object, source: Source[Any]) -> tuple[Sequence[Example], Pool | None]:
    """The examples that are always shown, and those that are chosen from.

    Raises ConfigurationError for what is no example, or not valid under the schema.
    """
    if isinstance(examples, os.PathLike):
        examples = Examples(examples)
    if isinstance(examples, Examples):
        fixed, pool = examples.checked(source)
        return fixed, pool if pool.examples and pool.k else None
    return [_checked(each, source) for each in _all_of(examples, "examples")], None


def _all_of(examples: Any, name: str) -> list[Example]:
    if isinstance(examples, os.PathLike):
        return list(_lines(Path(os.fsdecode(examples)), name))
    if isinstance(examples, (str, bytes, Mapping)) or not isinstance(examples, Iterable):
        advice = " (of a file, give a Path)" if isinstance(examples, str) else ""
        raise given.wrong(name, f"{_WANTED}{advice}", examples)
    return [_example(each, f"{name}[{i}]") for i, each in enumerate(examples)]


def _lines(path: Path, name: str) -> Iterator[Example]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ConfigurationError(f"{name}: cannot read {path.name!r}: {given.why(exc)}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{name}: {path.name!r} is not UTF-8 (byte {exc.start})") from None
    except ValueError:
        raise ConfigurationError(f"{name}: no file has the name {path.name!r}") from None
    # Not by splitlines: U+2028 may stand in a JSON string as it is.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{path.name} line {number}"
            yield _example(_object(line, place), place)


def _object(line: str, place: str) -> JSON:
    try:
        found = json.loads(line, parse_constant=_no_constant)
    except RecursionError:
        raise ConfigurationError(f"{place} is nested too deep") from None
    except ValueError as exc:
        why = (
            f"{exc.msg} at character {exc.pos + 1}"
            if isinstance(exc, json.JSONDecodeError)
            else exc
        )
        raise ConfigurationError(f"{place} is no JSON: {why}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{place} must be an object with text and value")
    return found


def _no_constant(word: str) -> JSONValue:
    raise ValueError(f"{word} is not JSON")


def _example(example: object, place: str) -> Example:
    if isinstance(example, Mapping):
        if example.keys() != {"text", "value"}:
            keys = ", ".join(map(str, example))
            raise ConfigurationError(f"{place} must have the keys text and value; it has {keys}")
        example = (example["text"], example["value"])
    if not isinstance(example, (tuple, list)) or len(example) != 2:
        raise ConfigurationError(
            f"{place} must be a (text, value) pair or a dict with text and value,"
            f" not {type(example).__name__}"
        )
    text, value = example
    try:
        return Example(content(files_read(text)), value, place)
    except ConfigurationError as exc:
        raise ConfigurationError(f"{place}: {exc}") from None


def _checked(example: Example, source: Source[Any]) -> Example:
    """The example with its value as plain JSON, valid under the schema, or a list of such values."""
    place = example.place
    try:
        plain = to_jsonable_python(_as_answered(example.value), by_alias=True)
    except (ValueError, RecursionError) as exc:  # a type, bytes that are no text, a list in itself
        raise ConfigurationError(f"the value of {place} is none that JSON can carry") from exc
    try:
        return replace(example, value=_valid(plain, source))
    except InvalidValue as exc:
        if isinstance(plain, list):
            with suppress(InvalidValue):
                values = [_valid(each, source) for each in plain]
                return replace(example, value=values, is_list=True)
        raise ConfigurationError(
            f"the value of {place} is not valid under the schema: {exc}"
        ) from exc.__cause__


def _valid(plain: JSONValue, source: Source[Any]) -> JSONValue:
    """The value as a model should write it: keys that the schema does not know would teach it to give
    some. Raises InvalidValue."""
    value = source.validate(plain)
    if not source.typed:
        return plain
    check_keys(source, plain, value)
    return in_own_shape(source, plain)


def _as_answered(value: Any) -> Any:
    """A value with its models as dicts that a model would answer: by the names that they are read
    by, without what their classes compute."""
    if isinstance(value, Mapping):
        return {key: _as_answered(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_answered(each) for each in value]
    if not isinstance(value, BaseModel):
        return value
    if isinstance(value, RootModel):
        return _as_answered(value.root)
    fields = type(value).__pydantic_fields__.items()
    own = {_name_read(n, field): _as_answered(getattr(value, n)) for n, field in fields}
    return {**own, **_as_answered(value.__pydantic_extra__ or {})}


def _name_read(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias or field.alias
    if isinstance(alias, AliasChoices):
        alias = next((each for each in alias.choices if isinstance(each, str)), None)
    return alias if isinstance(alias, str) else name
