"""``extract`` and its kin are what their script writes, with every keyword shown."""

from __future__ import annotations

import inspect

import pytest

import prompture
from prompture.extraction.inputs import Options
from scripts import write_functions


def test_the_file_is_what_the_script_writes() -> None:
    assert write_functions.TARGET.read_text(encoding="utf-8") == write_functions.written()


@pytest.mark.parametrize("function", write_functions.FUNCTIONS, ids=lambda each: each.name)
def test_help_and_editors_show_every_keyword(function: write_functions.Function) -> None:
    shown = inspect.signature(getattr(prompture, function.name)).parameters
    own = [function.own] if function.own else []
    assert sorted(shown) == sorted(["schema", "text", *Options.__annotations__, *own])
    assert all(each.kind is not each.VAR_KEYWORD for each in shown.values())
