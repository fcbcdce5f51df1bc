"""Writes docs/providers.md, the table of provider and capability, from the rows."""

from __future__ import annotations

import sys
from pathlib import Path

from prompture.drivers import registry

PAGE = Path(__file__).resolve().parents[1] / "docs" / "providers.md"
COLUMNS = ("json_schema", "json_mode", "tool_use", "forced_tool", "vision", "files", "streaming")
HEADS = ("schema", "JSON mode", "tools", "forced tool", "images", "PDFs", "stream")


def page() -> str:
    """The whole page."""
    lines = [
        "# Providers",
        "",
        "Made from the rows in `prompture/drivers` by `make docs`; a test holds the two together. A flag is the API's; a",
        "model may have less, which the row's own rule and the catalog then say (`driver.supports_vision`, ...).",
        "",
        "| provider | names | key variables | "
        + " | ".join(HEADS)
        + " | wire formats | schema dialect |",
        "| --- | --- | --- | " + "--- | " * (len(HEADS) + 1) + "--- |",
    ]
    for name in registry.BUILTIN:
        row = registry.find(name)
        aliases = sorted(a for a, n in registry.ALIASES.items() if n == name)
        flags = ["yes" if getattr(row.features, c) else "" for c in COLUMNS]
        keys = ", ".join(f"`{k}`" for k in row.key_env) or "none"
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
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
