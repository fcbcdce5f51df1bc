"""JSON Schema in, values out: sources of schemas, checks, repairs, rewrites for providers.

Nothing is imported until one of its names is used (PEP 562). The function ``source`` lives in the
module of its name: ``from prompture.schema.source import source``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompture.schema.problems import InvalidValue as InvalidValue
    from prompture.schema.problems import Problem as Problem
    from prompture.schema.repair import NotJSON as NotJSON
    from prompture.schema.repair import Parsed as Parsed
    from prompture.schema.repair import parse as parse
    from prompture.schema.rewriting import Change as Change
    from prompture.schema.rewriting import Rewrite as Rewrite
    from prompture.schema.rewriting import preflight as preflight
    from prompture.schema.rewriting import rewrite as rewrite
    from prompture.schema.source import Source as Source

_HOMES = {
    "InvalidValue": "problems",
    "Problem": "problems",
    "NotJSON": "repair",
    "Parsed": "repair",
    "parse": "repair",
    "Source": "source",
    "Change": "rewriting",
    "Rewrite": "rewriting",
    "preflight": "rewriting",
    "rewrite": "rewriting",
}

__all__ = [
    "Change",
    "InvalidValue",
    "NotJSON",
    "Parsed",
    "Problem",
    "Rewrite",
    "Source",
    "parse",
    "preflight",
    "rewrite",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
