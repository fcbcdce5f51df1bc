"""``rewrite(schema, dialect)``: a JSON Schema in the words of a provider, and an exact way back.

Nothing is lost. What the dialect cannot express is expressed otherwise (``changes`` lists how) or described in words, and
is checked locally: validate ``restore(answer)`` against the *original* schema.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from prompture import given
from prompture.forks import fork_lock
from prompture.json_values import pointer as written
from prompture.json_values import segments_of
from prompture.schema.rewriting.codec import SAME, ValueCodec, is_identity
from prompture.schema.rewriting.dialects import Dialect, dialect_named
from prompture.schema.rewriting.notes import Change
from prompture.types import JSONValue

if TYPE_CHECKING:
    from prompture.schema.rewriting.fit_limits import Excess

__all__ = ["Change", "Dialect", "Rewrite", "preflight", "rewrite"]

_MOST_CACHED = 256


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A schema for a dialect.

    Attributes:
        schema: the rewritten JSON Schema; not to be changed, for it is shared.
        dialect: the dialect's name.
        changes: what was rewritten, where, why, and what is only checked locally.
        identity: values are the same on both sides: ``restore`` may be skipped, and raw JSON checked directly.
    """

    schema: dict[str, Any] | bool
    dialect: str
    changes: tuple[Change, ...]
    identity: bool
    _codec: ValueCodec = field(default=SAME, repr=False)

    def forward(self, value: Any) -> Any:
        """A value of the original schema as one of the rewritten schema. Total."""
        return value if self.identity else _through(self._codec.forward, value)

    def restore(self, value: Any) -> Any:
        """The inverse. Total: what does not fit is carried as it is, for the check to refuse."""
        return value if self.identity else _through(self._codec.restore, value)

    @property
    def codec(self) -> ValueCodec:
        """How values travel, part by part."""
        return SAME if self.identity else self._codec

    def forward_pointer(self, pointer: str, answer: Any) -> str:
        """Where the place ``pointer`` of the original stands in ``answer``, a value of the rewritten schema.

        A place inside JSON text, or one that the answer lacks, gives the nearest place around it.
        """
        return written(self.places(answer).of(segments_of(pointer)))

    def places(self, answer: Any) -> AnswerPlaces:
        """``forward_pointer`` for many places of one answer."""
        return AnswerPlaces(self._codec, answer)

    @property
    def unenforced(self) -> tuple[Change, ...]:
        """What the model is not made to obey."""
        return tuple(change for change in self.changes if change.unenforced)


class AnswerPlaces:
    """Where the places of a value stand in one answer.

    What leads to several of them is entered once: which branch of a union it is, all that is in it decides.
    """

    def __init__(self, codec: ValueCodec, answer: JSONValue) -> None:
        self._known: dict[tuple[str, ...], _Entered] = {(): _entered((), codec, answer, None)}

    def of(self, tokens: tuple[str, ...]) -> Sequence[str]:
        """The steps to a place, given by its steps in the value."""
        at = self._known[()]
        for depth in range(1, len(tokens) + 1):
            key = tokens[:depth]
            inner = self._known.get(key)
            if inner is None:
                inner = self._known[key] = _entered(*at, key[-1])
            at = inner
        return at[0]


_Entered: TypeAlias = tuple[tuple[str, ...], ValueCodec | None, JSONValue]


def _entered(
    steps: tuple[str, ...], codec: ValueCodec | None, wire: JSONValue, token: str | None
) -> _Entered:
    """The steps to a part, its codec, and what the answer has there; without a codec where nothing leads on."""
    if codec is None:
        return steps, None, wire
    try:
        if token is not None:
            more, codec, wire = codec.enter(token, wire)
            steps = (*steps, *more)
        more, codec, wire = codec.opened(wire)
    except RecursionError:
        return steps, None, wire  # a schema that leads to nothing but itself
    return (*steps, *more), codec, wire


def _through(codec: Callable[[Any], Any], value: Any) -> Any:
    """The value through a codec; one that nests too deep for Python stays as it is, and no check takes it."""
    try:
        return codec(value)
    except RecursionError:
        return value


_cache: OrderedDict[tuple[bytes, Dialect, bool], Rewrite] = OrderedDict()
_lock = fork_lock()


def rewrite(
    json_schema: Any,
    dialect: str | Dialect = "openai",
    *,
    exact: bool = False,
) -> Rewrite:
    """Rewrite a schema for a dialect; cached by the schema's text.

    Args:
        json_schema: any draft from 4 on; not changed.
        dialect: a name of :data:`~prompture.schema.rewriting.dialects.DIALECTS` or an alias, or a Dialect.
        exact: read the schema by the letter: an object that does not forbid other keys may have them, null and
            absent differ, a schema without a type takes any kind. False reads it as its author most likely meant
            it: objects hold what they name, and null stands for absent where the default is null.

    Where the schema is beyond a limit of the dialect, parts of it become JSON text; ``changes`` names them.

    Raises:
        SchemaError: it is no schema, has remote references, is hostile in size, or too large for the dialect even so.
        UnsupportedError: no such dialect.
    """
    row = dialect if isinstance(dialect, Dialect) else dialect_named(dialect)
    given.flag(exact, "exact")
    # Keyed by the text, not by identity: callers build equal dicts anew for every call.
    key = (_canonical(json_schema), row, exact)
    with _lock:
        found = _cache.get(key)
        if found is not None:
            _cache.move_to_end(key)
            return found
    found = _rewrite(json_schema, row, exact=exact)
    with _lock:
        _cache[key] = found
        while len(_cache) > _MOST_CACHED:
            _cache.popitem(last=False)
    return found


def preflight(
    json_schema: Any, dialect: str | Dialect = "openai", *, exact: bool = False
) -> tuple[Excess, ...]:
    """The limits of the dialect that the schema exceeds; empty if it fits as it is.

    Raises:
        SchemaError: as :func:`rewrite`.
    """
    from prompture.schema.rewriting.fit_limits import natural_excess

    row = dialect if isinstance(dialect, Dialect) else dialect_named(dialect)
    return () if row.untouched else tuple(natural_excess(json_schema, row, exact=exact))


def _canonical(schema: Any) -> bytes:
    """A digest of the schema's text, order kept: models write keys in the order of the schema."""
    from prompture.errors import SchemaError

    try:
        text = json.dumps(schema, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"the schema is not JSON: {type(error).__name__}") from None
    return sha256(text.encode()).digest()


def _rewrite(schema: Any, dialect: Dialect, *, exact: bool) -> Rewrite:
    from prompture.schema.rewriting.fit_limits import fit

    if dialect.untouched:
        return Rewrite(schema, dialect.name, (), True)
    rewritten, codec, changes = fit(schema, dialect, exact=exact)
    return Rewrite(
        rewritten, dialect.name, tuple(dict.fromkeys(changes)), is_identity(codec), codec
    )
