"""A provider and a hook of a package of their own, found by entry points.

The package of ``examples/provider_plugin`` is built and installed into a folder, which a fresh
process then has on its path. Others are made up of a module and a ``dist-info``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.loopback import json_reply, serving

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "provider_plugin"
ROOT = EXAMPLE.parents[1]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example was installed into."""
    if find_spec("hatchling") is None or find_spec("pip") is None:
        pytest.skip("needs pip and hatchling: pip install 'prompture[test]'")
    target = tmp_path_factory.mktemp("plugin")
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [sys.executable, "-m", "pip", *words, "--target", str(target), str(EXAMPLE)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return target


def made_up(
    folder: Path, *, provider: str = "", hooks: str = "", name: str = "made-up", **modules: str
) -> Path:
    """A folder with a distribution that has these entry points and modules."""
    info = folder / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    points = [("prompture.providers", provider), ("prompture.hooks", hooks)]
    text = "".join(f"[{group}]\n{point}\n" for group, point in points if point)
    (info / "entry_points.txt").write_text(text)
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)
    return folder


def run(code: str, path: Path, **env: str) -> str:
    """What ``code`` prints in a process that finds the plugin."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ASK = """
import asyncio, json, acme_prompture, prompture
with prompture.driver_for("acme/acme-large") as driver:
    sync = driver.generate("hi")
async def other():
    async with prompture.async_driver_for("acme") as driver:
        return driver.model, (await driver.generate("hi")).text
print(json.dumps([type(driver).__name__, sync.text, asyncio.run(other()), acme_prompture.SEEN]))
"""


def test_the_example_answers_in_both_colours_and_its_hook_sees_it(installed: Path) -> None:
    message = {"role": "assistant", "content": "hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"model": "acme-large", "choices": [choice]}
    with serving(lambda _: json_reply(body)) as server:
        out = run(ASK, installed, ACME_API_KEY="acme-key", ACME_BASE_URL=server.url + "/v1")
        assert [a.path for a in server.asked] == ["/v1/chat/completions"] * 2
        assert {a.headers["authorization"] for a in server.asked} == {"Bearer acme-key"}
    name, sync, other, seen = json.loads(out)
    assert (name, sync, other) == ("AcmeDriver", "hello", ["acme-large", "hello"])
    assert seen == [["acme-large", "stop"]] * 2


def test_the_example_is_listed_and_asks_for_its_key(installed: Path) -> None:
    code = """
import prompture
from prompture.drivers import registry
print("acme" in registry.names(), registry.split("acme:x"))
try:
    prompture.driver_for("acme/acme-large")
except prompture.MissingKey as exc:
    print(exc)
"""
    out = run(code, installed, ACME_API_KEY="")
    assert out.splitlines()[0] == "True ('acme', 'x')"
    assert "ACME_API_KEY" in out


def test_the_command_line_knows_it(installed: Path) -> None:
    out = run(
        "import sys; sys.argv = ['prompture', 'providers', '-f', 'json'];"
        "from prompture.cli import main; main()",
        installed,
    )
    assert "acme" in [row["provider"] for row in json.loads(out)]


def test_a_plugin_is_not_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    path = made_up(tmp_path, provider="boom = boom:ROW", boom="raise RuntimeError('loaded')")
    code = "from prompture.drivers import registry; print(registry.find('openai').name)"
    assert run(code, path) == "openai"


ROW = """
from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.provider import Provider
ROW = Provider(name="openai", codec=OpenAIChat(), base_url="https://x.example", default_model="x",
               docs="https://x.example")
"""
PRINT_ERROR = """
import prompture
try:
    prompture.driver_for({model!r}, api_key="k")
    print("made")
except prompture.ConfigurationError as exc:
    print(exc)
"""
BAD = [
    ("mine = mine:ROW", "", "ROW = 5", "mine/x", "int, not a prompture.Provider"),
    ("", "h = mine:HOOKS", "HOOKS = 5", "openai/x", "int, not a prompture.Hooks"),
    ("openai = mine:ROW", "", ROW, "openai/x", "made"),
    ("mine = mine:ROW", "", ROW, "mine/x", "a row called 'openai'"),
    ("mine = mine:ROW", "", "ROW = __import__('none_such')", "mine/x", "ModuleNotFoundError"),
    ("mine = mine:ROW", "", "raise SystemExit(3)", "mine/x", "made-up 1 (prompture.providers"),
    ("mine = mine:NONE", "", "", "mine/x", "AttributeError"),
    ("mine = mine:ROW", "", ROW.replace('"openai"', '"mine", key_env="MINE_KEY"'), "mine/x",
     "Provider.key_env must be a tuple of texts, not 'MINE_KEY'"),
    ("mine = mine:ROW", "", ROW.replace('"openai"', '"mine/one"'), "mine/x", "without '/'"),
    ("", "h = mine:HOOKS", "raise ImportError('needs a package')", "openai/x",
     "the plugin 'h' of made-up 1 (prompture.hooks: mine:HOOKS) cannot be loaded: ImportError"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "hooks", "code", "model", "said"),
    BAD,
)
def test_what_is_no_plugin(
    tmp_path: Path, provider: str, hooks: str, code: str, model: str, said: str
) -> None:
    """A plugin never takes the place of a built-in provider; what is none says so."""
    path = made_up(tmp_path, provider=provider, hooks=hooks, mine=code)
    assert said in run(PRINT_ERROR.format(model=model), path)


HOOKS = """
from dataclasses import replace
from prompture import Hooks
ONE = Hooks(after_response=lambda request, done: replace(done, text=done.text + " one"))
TWO = Hooks(after_response=lambda request, done: replace(done, text=done.text + " two"))
"""


def test_hooks_go_by_name_and_before_the_drivers_own(tmp_path: Path) -> None:
    path = made_up(tmp_path, hooks="b = mine:TWO\na = mine:ONE", mine=HOOKS)
    code = """
from dataclasses import replace
import asyncio
from prompture import Hooks, Request, testing
from prompture.types import user
own = Hooks(after_response=lambda request, done: replace(done, text=done.text + " own"))
ask = Request(model="", messages=(user("hi"),))
print(testing.ScriptedDriver(["said"], hooks=own).complete(ask).text)
print(asyncio.run(testing.AsyncScriptedDriver(["said"], hooks=own).complete(ask)).text)
"""
    assert run(code, path).splitlines() == ["said one two own"] * 2


SURVEY = """
import logging, prompture
from prompture.drivers import registry
logging.basicConfig(format="LOG %(message)s", level="WARNING", stream=__import__("sys").stdout)
print(prompture.extract({"type": "object", "properties": {"a": {"type": "string"}}}, "a: x"))
print([r.name for r in registry.rows()] == [n for n in registry.names() if n != "mine"])
for _ in range(2):
    try: prompture.driver_for("mine/x")
    except prompture.ConfigurationError as exc: print(str(exc)[:60])
prompture.driver_for("openai/x", api_key="k")
"""


@pytest.mark.parametrize("code", ["raise ImportError('none')", "raise SystemExit", "ROW = 3"])
def test_a_broken_provider_stops_nobody_else(tmp_path: Path, code: str) -> None:
    """It is left out of lists, with one line of log, and named where it is asked for."""
    path = made_up(tmp_path, provider="mine = mine:ROW", mine=f"print('loaded')\n{code}")
    out = run(SURVEY, path, PROMPTURE_OFFLINE="1").splitlines()
    assert out[0] == "loaded"
    assert out[1].startswith("LOG left out: the plugin 'mine' of made-up 1")
    assert out[2:] == ["{'a': 'x'}", "True", *[out[1].removeprefix("LOG left out: ")[:60]] * 2]


def test_two_plugins_of_one_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made_up(tmp_path / name, name=name, provider=f"mine = {name}:ROW")
    both = os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "two")])
    said = run(PRINT_ERROR.format(model="mine/x"), Path(both))
    assert "several plugins bring a provider 'mine': one:ROW" in said


def test_the_list_of_providers_survives_a_broken_one(tmp_path: Path) -> None:
    path = made_up(tmp_path, provider="mine = mine:ROW", mine="raise ImportError('none')")
    code = "import sys; sys.argv = ['prompture', 'providers', '-f', 'json'];"
    names = [
        r["provider"]
        for r in json.loads(run(code + "from prompture.cli import main; main()", path))
    ]
    assert "openai" in names
    assert "mine" not in names
