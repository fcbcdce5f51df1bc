"""Writes docs/providers.md, the table of provider and capability, from the rows."""

from __future__ import annotations

import sys
from pathlib import Path

from prompture.drivers import registry
from prompture.provider_names import ALIASES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "providers.md"
COLUMNS = ("json_schema", "json_mode", "tool_use", "forced_tool", "vision", "files", "streaming")
HEADS = ("schema", "JSON mode", "tools", "forced tool", "images", "PDFs", "stream")

NOTES = """
\\* serves other ends as well: it is used where the provider is named, and chooses no default model.

## What a driver is given

`driver_for("provider/model", ...)` and its async twin check each setting when the driver is made, and name the near one:
`api_key`, `base_url`, `api`, `timeout`, `retry`, `headers`, `hooks`, `features`, `stream_usage`, `echo`, and the
provider's own (`api_version`, `region`, ...). Only None is looked up elsewhere: an empty key or URL is refused, never
replaced by the environment's.

- `stream_usage=False` leaves `stream_options` out of streams, for servers that refuse it; their tokens are then unknown.
- `echo=("reasoning_content",)` names what of an answer goes back in the next request, `()` nothing. `openai-compatible`
  sends `reasoning_content` back to the server that gave it. Both also as keys of a provider in `prompture.toml`.

Recorders and mocks (vcrpy, responses, requests-mock, pytest-httpx2) see each request as it is sent, key included. Tell vcrpy:
`filter_headers=["authorization", "x-api-key", "x-goog-api-key", "api-key", "x-amz-security-token"]`. What it raises for a request that
is not on its cassette is the cause (`__cause__`) of a ProtocolError. respx mocks httpx, not httpx2.

The options of `generate`, `generate_messages` and the like come as a dict or as keywords, the messages in OpenAI's shape;
a key that we do not know is refused, so that nothing of it is lost. `image_url` holds a URL (http, https, data, gs, s3) and
never reads a file: for one of yours there are `prompture.image(path)` and `prompture.file(path)`. What a model's flags say
it cannot do (a schema, JSON mode, tools, images) raises UnsupportedError before anything is sent; `features=` overrides
the flags. Where an API refuses JSON mode without the word JSON in a message (OpenAI, Azure, Groq, DeepSeek, DashScope), a
system turn "Answer in JSON." is added and logged.
"""


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
    return "\n".join(lines) + "\n" + NOTES


def _link(docs: str) -> str:
    return docs if docs.startswith("https://") else docs.removeprefix("docs/")


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
