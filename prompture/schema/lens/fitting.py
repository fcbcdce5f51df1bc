"""Compile, measure, and compile again with less until the dialect's limits hold."""

from __future__ import annotations

from typing import Any

from prompture.schema.lens.change import Change
from prompture.schema.lens.codec import Codec
from prompture.schema.lens.compiler import Compiler
from prompture.schema.lens.dialects import Dialect
from prompture.schema.lens.guard import survey


def fit(root: Any, dialect: Dialect, *, exact: bool) -> tuple[dict[str, Any], Codec, list[Change]]:
    """The rewritten schema, the codec, the changes."""
    found = survey(root)
    compiler = Compiler(root, found, dialect, exact=exact)
    schema, codec = compiler.compile()
    return schema, codec, compiler.changes
