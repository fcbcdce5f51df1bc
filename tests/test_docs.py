"""The pages say what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_provider_table_is_that_of_the_rows() -> None:
    path = ROOT / "scripts" / "provider_table.py"
    spec = importlib.util.spec_from_file_location("provider_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert module.BEGIN in written
    assert written == module.page(written), "run: make docs"


PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith("https://"):
            assert (page.parent / link).exists(), link


BLOCKS = [
    block
    for page in ("extraction.md", "evidence.md")
    for block in re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL
    )
]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_blocks_on_extraction_can_be_pasted(
    block: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("rapidfuzz")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/extraction.md", "exec"), {"__name__": "pasted"})
    assert capsys.readouterr().out


ON_LONG = re.findall(
    r"```python\n(.*?)```",
    (ROOT / "docs" / "long-documents.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


def test_the_blocks_on_long_documents_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rapidfuzz")
    exec(compile("\n".join(ON_LONG), "docs/long-documents.md", "exec"), {"__name__": "pasted"})
    shown = capsys.readouterr().out
    assert "invoice_number='A-17' total=12.5" in shown
    assert "1 of " in shown
    assert "it is down" in shown


ON_DOCUMENTS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "documents.md").read_text(encoding="utf-8"), re.DOTALL
)


def test_the_blocks_on_documents_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pypdfium2")
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    monkeypatch.chdir(tmp_path)
    page = canvas.Canvas("invoice.pdf", pagesize=(612, 792))
    for y, label, value in ((700, "ACME GmbH", "INVOICE"), (600, "Total", "1,190.00")):
        page.drawString(60, y, label)
        page.drawRightString(400, y, value)
    page.save()
    exec(compile("\n".join(ON_DOCUMENTS), "docs/documents.md", "exec"), {"__name__": "pasted"})
    shown = capsys.readouterr().out
    assert "invoice.pdf 1 ((353." in shown
    assert "[(1, 612.0, 792.0)] ()" in shown
    assert "True [1]" in shown


def test_every_option_is_on_the_page() -> None:
    from prompture.extraction.inputs import Options

    page = (ROOT / "docs" / "extraction.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in Options.__annotations__)


ON_CONNECTIONS = re.findall(
    r"```python\n(.*?)```",
    (ROOT / "docs" / "connections.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


@pytest.mark.parametrize("block", ON_CONNECTIONS, ids=range(len(ON_CONNECTIONS)))
def test_the_blocks_on_connections_can_be_pasted(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/connections.md", "exec"), {"__name__": "pasted"})
    assert "sk-" not in capsys.readouterr().out
