"""Write prompture/extraction/functions.py: ``extract`` and its kin, with their overloads.

    python scripts/write_functions.py [--check]

Each function is a method of ``Extractor`` with the schema as first argument, typed three times
(class, TypeAdapter, anything else). ``--check`` writes nothing and fails where the file differs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "prompture" / "extraction" / "functions.py"
LINE = 100

HEAD = '''"""``extract`` and its kin: an Extractor for one call.

Written by scripts/write_functions.py. Change that file, not this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from pydantic import TypeAdapter

from prompture.extraction.extractor import Extractor
from prompture.extraction.inputs import (
    Content,
    EstimateOptions,
    ItemsOptions,
    Options,
    Schema,
    StreamOptions,
    refuse_unknown,
    spelled,
)
from prompture.extraction.result import Extraction

if TYPE_CHECKING:
    from prompture.extraction.estimate import Estimate
    from prompture.extraction.items import AsyncItemStream, ItemStream
    from prompture.extraction.partial import AsyncPartialStream, PartialStream

T = TypeVar("T")


def _extractor(schema: Schema, options: Any) -> Extractor[Any]:
    """An Extractor of a function's options. Raises UnknownOption."""
    return Extractor(schema, **_taken(options))


def _taken(options: dict[str, Any]) -> dict[str, Any]:
    # Out of the caller's frame, too, which a traceback may show: one may be a key.
    taken = dict(options)
    options.clear()
    return taken


def _own(options: Any, name: str) -> dict[str, Any]:
    """The option that the method takes itself, out of ``options``. Raises UnknownOption."""
    refuse_unknown(options, (name,))
    return {name: options.pop(name)} if name in options else {}
'''


@dataclass(frozen=True)
class Function:
    """``result`` has ``{T}`` in the place of the value's type. ``own`` is the one option that is
    the method's and not the Extractor's."""

    name: str
    result: str
    doc: str
    options: str = "Options"
    own: str = ""
    awaited: bool = False

    def signature(self, schema: str, value: str, ending: str = "") -> str:
        start = "async def" if self.awaited else "def"
        arguments = f"schema: {schema}, text: Content, **options: Unpack[{self.options}]"
        end = f") -> {self.result.format(T=value)}:{ending}"
        line = f"{start} {self.name}({arguments}{end}"
        if len(line) > LINE:
            return f"{start} {self.name}(\n    {arguments}\n{end}"
        return line

    def overloads(self) -> str:
        kinds = (("type[T]", "T"), ("TypeAdapter[T]", "T"), ("Schema", "Any"))
        return "".join(f"@overload\n{self.signature(*kind, ' ...')}\n" for kind in kinds)

    def body(self) -> str:
        call = f"_extractor(schema, options).{self.name}(text"
        wait = "await " if self.awaited else ""
        if not self.own:
            return f"    return {wait}{call})\n"
        return f'    own = _own(options, "{self.own}")\n    return {wait}{call}, **own)\n'

    def code(self) -> str:
        overloads = self.overloads() if "{T}" in self.result else ""
        doc = self.doc.strip()
        closing = '"""' if "\n" not in doc else '\n    """'
        return (
            f"{overloads}@spelled({self.options})\n{self.signature('Schema', 'Any')}\n"
            f'    """{doc}{closing}\n{self.body()}'
        )


FUNCTIONS = (
    Function(
        "extract",
        "{T}",
        """The value that ``text`` holds for ``schema``, validated.

    ``text`` is a string or a sequence of parts. Options, and what is raised: see Extractor.""",
    ),
    Function("aextract", "{T}", "``extract``, awaited.", awaited=True),
    Function(
        "extract_result",
        "Extraction[{T}]",
        "The value with its bill, attempts, sources and changes. Options: see Extractor.",
    ),
    Function("aextract_result", "Extraction[{T}]", "``extract_result``, awaited.", awaited=True),
    Function(
        "extract_stream",
        "PartialStream[{T}]",
        """Snapshots of the value while the model writes it; the last has the ``result``.

        for partial in extract_stream(Receipt, text):
            show(partial.value.company)

    Options: see Extractor, and ``min_interval`` (seconds between snapshots).""",
        options="StreamOptions",
        own="min_interval",
    ),
    Function(
        "aextract_stream",
        "AsyncPartialStream[{T}]",
        "``extract_stream``, to be iterated with ``async for``.",
        options="StreamOptions",
        own="min_interval",
    ),
    Function(
        "extract_items",
        "ItemStream[{T}]",
        """Every value of the schema that ``text`` holds, each as soon as it is complete.

        for item in extract_items(Line, text):
            store(item.value)

    Options: see Extractor, and ``on_error``: ``"raise"``, ``"skip"`` or ``"collect"``.""",
        options="ItemsOptions",
        own="on_error",
    ),
    Function(
        "aextract_items",
        "AsyncItemStream[{T}]",
        "``extract_items``, to be iterated with ``async for``.",
        options="ItemsOptions",
        own="on_error",
    ),
    Function(
        "estimate",
        "Estimate",
        """What extracting ``schema`` from ``text`` would cost; nothing is sent and no key is needed.

    ``options`` are those of ``extract``. ``count="provider"`` asks the provider to count the
    input, which sends it there (Anthropic, Google, OpenAI and Cohere can; that is free, but
    needs the key).""",
        options="EstimateOptions",
        own="count",
    ),
    Function(
        "aestimate",
        "Estimate",
        "``estimate``, awaited.",
        options="EstimateOptions",
        own="count",
        awaited=True,
    ),
)


def written() -> str:
    """The text of the file."""
    return "\n\n".join([HEAD, *(f"{each.code()}" for each in FUNCTIONS)])


def main() -> None:
    text = written()
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is not what scripts/write_functions.py writes: run it")


if __name__ == "__main__":
    main()
