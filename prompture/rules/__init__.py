"""Extraction by rules: labels, layout and typed parsers, without a model and without a network.

`extract(schema, text)` fills a JSON Schema from a text. What the text does not state stays null, and every value
carries the places it was read from. Needs the extra "local".
"""

from prompture.rules.engine import Found, extract

__all__ = ["Found", "extract"]
