"""Long documents: how they are cut (``Chunks``), and what each chunk gave (``Chunk``, ``Claim``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prompture import given
from prompture.errors import ConfigurationError, PromptureError, UnsupportedError
from prompture.json_values import segments_of
from prompture.money import Bill
from prompture.traces import Attempt
from prompture.types import JSON, JSONValue, Span

TOKENS = 8_000
"""Of a chunk, where the caller sets nothing: models overlook things in much longer texts."""
LEAST_TOKENS = 20
OVERLAP = 20
"""A chunk shares one part in so many with the one before it, where the caller sets nothing."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """How a long document is read in chunks.

    Arguments:
        tokens: of a chunk, at most. None: 8,000, or less where a model's window is small.
        overlap: tokens that a chunk shares with the one before it, so that what stands across the
            seam is whole in one of them. None: a twentieth of ``tokens``.
        passes: how often the whole document is read, each time with seams at other places. What
            one pass overlooks the next may find; each costs as much as the first.
        parallel: chunks that are asked for at the same time. None: 8, and one after the other of
            models that run in this process.
        identity: by which fields the items of a list are known, by the list's JSON pointer (``*``
            for any item): ``{"/items": ["sku"]}``. Items with the same key become one, wherever
            they stand. An empty list of fields is the whole item. Without it, two items are one
            where they stand at the same place in the text.
    """

    tokens: int | None = None
    overlap: int | None = None
    passes: int = 1
    parallel: int | None = None
    identity: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tokens = given.count(self.tokens, "Chunks.tokens", least=LEAST_TOKENS)
        overlap = given.count(self.overlap, "Chunks.overlap", least=0)
        if overlap is not None and 2 * overlap > (tokens or TOKENS):
            raise ConfigurationError(
                f"Chunks.overlap must be at most half of tokens ({(tokens or TOKENS) // 2}),"
                f" not {overlap}"
            )
        given.count(self.passes, "Chunks.passes", most=10)
        given.count(self.parallel, "Chunks.parallel")
        if not isinstance(self.identity, Mapping):
            raise given.wrong("Chunks.identity", "a dict of pointers to fields", self.identity)
        object.__setattr__(self, "identity", dict(map(_identity, self.identity.items())))

    def check(self, schema: JSON) -> None:
        """Raise ConfigurationError for an identity that no value of the schema has: it would make
        one of nothing, in silence."""
        from prompture.extraction.ungrounded import kinds_at

        for where, names in self.identity.items():
            part = segments_of(where)
            problem, kinds = kinds_at(part, schema)
            is_list = "array" in kinds
            if part and kinds and not is_list:
                problem = f"{where} is no list: give the pointer of a list"
            # At the root it may be for the items of ``extract_items``.
            items = (*part, "*") if is_list else part
            for name in names if not problem else ():
                steps = segments_of(name) if name.startswith("/") else (name,)
                problem = problem or kinds_at((*items, *steps), schema)[0]
            if problem:
                raise ConfigurationError(f"Chunks.identity[{where!r}]: {problem}")

    def check_passes(self) -> None:
        """Raise UnsupportedError for several passes, of which a stream of items knows nothing."""
        if self.passes > 1:
            raise UnsupportedError(
                "Chunks.passes: extract_items reads the document once, as its items are given out"
                " at once; use extract_result(list[...]) for several passes, or leave passes out"
            )

    def sizes(self, most: int | None) -> tuple[int, int]:
        """Tokens and overlap of a chunk, for models that can read so many."""
        tokens = self.tokens or min(TOKENS, most or TOKENS)
        tokens = max(LEAST_TOKENS, tokens)
        overlap = tokens // OVERLAP if self.overlap is None else min(self.overlap, tokens // 2)
        return tokens, overlap


def _identity(entry: tuple[object, object]) -> tuple[str, tuple[str, ...]]:
    where, names = entry
    if not isinstance(where, str) or (where and not where.startswith("/")):
        raise given.wrong("Chunks.identity", 'JSON pointers ("/items", "" for the root)', where)
    return where, given.strings(names, f"Chunks.identity[{where!r}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One chunk of a long document, ``[start, end)`` of its text, and what came of it.

    ``pages`` are the numbers of the pages that it holds a part of, where pages are known;
    ``heading`` is the one that stands above it. ``error`` is why it gave no value (None: it gave
    one), ``value`` the plain JSON that it gave. ``cost`` and ``attempts`` are its own.
    ``number`` counts the passes from 1.
    """

    start: int
    end: int
    pages: tuple[int, ...] = ()
    heading: str = ""
    error: PromptureError | None = None
    cost: Bill = Bill()
    attempts: tuple[Attempt, ...] = ()
    number: int = 1
    value: JSONValue = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """One of several unlike values that chunks gave for the same place of the schema: where it
    stands in the text, and the indexes of the chunks (``result.chunks``) that gave it."""

    value: JSONValue = field(repr=False)
    spans: tuple[Span, ...] = ()
    chunks: tuple[int, ...] = ()
