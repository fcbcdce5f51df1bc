"""What a function's docstring says of it and of its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Description:
    """``text`` is all but the sections; ``parameters`` are descriptions by name."""

    text: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def describe(docstring: str | None) -> Description:
    """A docstring in Google's, NumPy's, Sphinx's or Epydoc's form, read.

    Without ``docstring-parser`` (extra ``agents``) the first paragraph is the whole description.
    """
    if not docstring or not docstring.strip():
        return Description()
    clean = inspect.cleandoc(docstring)
    try:
        import docstring_parser
    except ImportError:
        return Description(_first_paragraph(clean))
    try:
        parsed = docstring_parser.parse(clean)
    except docstring_parser.ParseError:
        return Description(_first_paragraph(clean))
    text = "\n\n".join(p for p in (parsed.short_description, parsed.long_description) if p)
    parameters = {
        p.arg_name.lstrip("*"): " ".join(p.description.split())
        for p in parsed.params
        if p.description
    }
    return Description(text or _first_paragraph(clean), parameters)


def _first_paragraph(text: str) -> str:
    return text.partition("\n\n")[0].strip()
