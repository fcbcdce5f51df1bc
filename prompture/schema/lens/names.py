"""Names of definitions."""

from __future__ import annotations

import re

from prompture.schema.lens.alts import Conj


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
        count = self._taken.get(base, 0) + 1
        self._taken[base] = count
        if count == 1:
            return base
        return self.take(f"{base}_{count}", ())
