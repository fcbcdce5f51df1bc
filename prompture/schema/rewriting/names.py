"""Names of definitions."""

from __future__ import annotations

import re

from prompture.schema.rewriting.alts import Conj


class Names:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def take(self, hint: str, conj: Conj) -> str:
        """A name after the reference, else after the title."""
        base = hint.rstrip("/").rpartition("/")[2].lstrip("#")
        if not base:
            titles = [part.get("title") for part in conj if isinstance(part, dict)]
            base = next((title for title in titles if isinstance(title, str)), "Node")
        base = re.sub(r"[^A-Za-z0-9_.-]+", "_", base).strip("_")[:60] or "Node"
        name, count = base, self._taken.get(base, 1)
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken[base] = count
        self._taken[name] = max(count, 1)
        return name
