"""The examples of docs/streaming.md run as they are printed, with a scripted model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture.testing import ScriptedDriver

PAGE = Path(__file__).resolve().parents[2] / "docs" / "streaming.md"


class Line(BaseModel):
    name: str
    price: float


class Receipt(BaseModel):
    company: str
    lines: list[Line] = []


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "bolt", "price": 1.5}, {"name": "nut", "price": "?"}]
    whole = {"company": "ACME Ltd", "lines": rows[:1]}
    driver = ScriptedDriver([whole, {"items": rows}, {"items": rows}])
    names: dict[str, Any] = {name: getattr(prompture, name) for name in prompture.__all__}
    names |= {"Receipt": Receipt, "Line": Line, "text": "a text", "driver": driver}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for block in blocks:
        code = block.replace('model="openai/gpt-5-mini"', "model=driver")
        exec(compile(code, PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    assert "ACME Ltd /lines" in said or "ACME Ltd None" in said
    assert "1 (Problem(pointer='/price'" in said
    assert "left before its end" in said
    assert len(blocks) == 3
