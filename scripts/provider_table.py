"""Writes docs/providers.md, the table of provider and capability, from the rows."""

from __future__ import annotations

import sys
from pathlib import Path

from prompture.drivers import registry
from prompture.provider_names import ALIASES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "providers.md"
COLUMNS = ("json_schema", "json_mode", "tool_use", "forced_tool", "vision", "files", "streaming")
HEADS = ("schema", "JSON mode", "tools", "forced tool", "images", "PDFs", "stream")

BEGIN, END = "<!-- table: made by `make docs` -->\n", "<!-- end -->\n"


def page(written: str) -> str:
    """The page with the table as the rows are now."""
    before, _, rest = written.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def table() -> str:
    """A line for each provider."""
    lines = [
        "| provider | names | key variables | "
        + " | ".join(HEADS)
        + " | wire formats | schema dialect |",
        "| --- | --- | --- | " + "--- | " * (len(HEADS) + 1) + "--- |",
    ]
    for name in registry.BUILTIN:
        row = registry.find(name)
        aliases = sorted(a for a, n in ALIASES.items() if n == name)
        flags = ["yes" if getattr(row.features, c) else "" for c in COLUMNS]
        marks = {k: " *" for k in row.shared_env}
        keys = ", ".join(f"`{k}`{marks.get(k, '')}" for k in row.key_env) or "none"
        wires = (
            "in process"
            if row.codec.dialect == "none"
            else ", ".join(dict.fromkeys(c.dialect for c in (row.codec, *row.codecs.values())))
        )
        names = ", ".join(f"`{n}`" for n in (name, *aliases))
        lines.append(
            f"| [{row.title or name}]({_link(row.docs)}) | {names} | {keys} | "
            + " | ".join(flags)
            + f" | {wires} | {row.features.schema_dialect} |"
        )
    return "\n".join(lines) + "\n"


def _link(docs: str) -> str:
    return docs if docs.startswith("https://") else docs.removeprefix("docs/")


if __name__ == "__main__":
    written = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        sys.exit(written != page(written))
    PAGE.write_text(page(written), encoding="utf-8")
