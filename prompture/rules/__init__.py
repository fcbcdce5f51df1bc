"""Extraction by rules: labels, layout and typed parsers, without a model and without a network.

`extract(schema, text)` fills a JSON Schema from a text. What the text does not state stays null, and every value
carries the places it was read from. Needs the extra "local".
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompture.rules.engine import Found, extract

__all__ = ["Found", "extract"]


def __getattr__(name: str) -> object:
    """Load the engine at first use: grounding needs only the readers of numbers and dates."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from prompture.rules import engine

    found: object = getattr(engine, name)
    globals()[name] = found
    return found
