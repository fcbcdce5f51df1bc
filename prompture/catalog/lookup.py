"""Finding a model in the books under any of its names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from prompture.catalog import names
from prompture.catalog.books import Book
from prompture.catalog.models import FREE, Entry


def listed(books: Iterable[Book], provider: str, model: str) -> Entry | None:
    for owner, name in names.candidates(provider, model):
        entry = _exact(books, owner, name)
        if entry is not None:
            return entry if provider not in names.LOCAL else _local(entry)
    dated = _dated(books, provider, model)
    if dated is not None:
        return dated
    if provider == "openrouter" and model.endswith(":free"):
        base = listed(books, provider, model.removesuffix(":free"))
        return None if base is None else replace(base, id=model, rates=FREE)
    if provider in names.LOCAL and not model.endswith("-cloud"):
        return _local(Entry(provider=provider, id=model, name=model))
    return None


def _exact(books: Iterable[Book], provider: str, model: str) -> Entry | None:
    entries = (book.get(provider, model) for book in books)
    return next((entry for entry in entries if entry is not None), None)


def _dated(books: Iterable[Book], provider: str, model: str) -> Entry | None:
    """An undated name or ``-latest``, where all dated ones cost the same: the newest of them."""
    for book in books:
        entries = [
            book.get(provider, i) for i in names.newest_of(model, list(book.models(provider)))
        ]
        known = [entry for entry in entries if entry is not None]
        if known and all(entry.rates == known[0].rates for entry in known):
            return known[0]
    return None


def _local(entry: Entry) -> Entry:
    if entry.provider == "ollama-cloud":
        return entry
    return replace(entry, rates=FREE, source="local")
