"""AirLLM: a real one where it is installed, and everything before it where it is not."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from prompture import errors
from prompture.drivers import airllm as engine_module
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.types import Completion, Image, Message, Request, Tool, user

INSTALLED = all(find_spec(name) for name in ("airllm", "torch", "llguidance"))
REPO = Path(__file__).parents[2]
heavy = [
    pytest.mark.heavy,
    pytest.mark.skipif(not INSTALLED, reason="needs pip install 'prompture[airllm]' (gigabytes)"),
    pytest.mark.filterwarnings("default"),
]

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 10},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
SAVE = Tool(name="save", parameters=PERSON)
FIND = Tool(
    name="find", parameters={"type": "object", "properties": {}, "additionalProperties": False}
)


def ask(text: str = "hi", **settings: Any) -> Request:
    settings.setdefault("max_tokens", 60)
    return Request(model="", messages=(user(text),), **settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hf") / "tiny-hf"
    command = [sys.executable, "-m", "tests.llama.tiny_hf", str(path)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, check=True, cwd=REPO, env=env, timeout=120, capture_output=True)
    return path


@pytest.fixture(scope="module")
def driver(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    os.environ["HF_HUB_OFFLINE"] = "1"
    shards = str(tmp_path_factory.mktemp("shards"))
    with driver_for(f"airllm/{folder}", shards=shards, device="cpu") as made:
        yield made


class TestReal:
    pytestmark = heavy

    def test_a_plain_answer(self, driver: Any) -> None:
        got: Completion = driver.complete(ask(max_tokens=20))
        assert got.text and got.model == "tiny-hf" and got.cost and got.cost.usd == 0
        assert got.usage.reported and 0 < got.usage.output_tokens <= 20
        assert got.usage.input_tokens == 21
        assert got.stop_reason in ("stop", "length")
        assert driver.complete(ask(max_tokens=20)).text == got.text

    def test_a_schema_is_held(self, driver: Any) -> None:
        for seed in range(2):
            got = driver.complete(ask(schema=PERSON, temperature=0.9, seed=seed))
            assert got.stop_reason == "stop", got
            jsonschema.validate(json.loads(got.text), PERSON)
        free = driver.complete(ask(json_mode=True, temperature=1, seed=1, max_tokens=400))
        assert free.text.startswith("{")
        assert free.stop_reason == "length" or isinstance(json.loads(free.text), dict)

    def test_a_seed_gives_the_same_answer(self, driver: Any) -> None:
        one, two = (driver.complete(ask(temperature=1.5, seed=3, max_tokens=12)) for _ in "ab")
        other = driver.complete(ask(temperature=1.5, seed=4, max_tokens=12))
        assert one.text == two.text != other.text

    @pytest.mark.parametrize("choice", ["required", "save"])
    def test_a_demanded_call(self, driver: Any, choice: str) -> None:
        request = ask(tools=(SAVE, FIND), tool_choice=choice, parallel_tools=False, max_tokens=120)
        got = driver.complete(request)
        (call,) = got.tool_calls
        assert got.stop_reason == "tool_calls" and call.name in ("save", "find")
        if choice == "save":
            jsonschema.validate(call.arguments, PERSON)

    def test_limits(self, driver: Any) -> None:
        cut = driver.complete(ask(schema=PERSON, max_tokens=3))
        assert (cut.stop_reason, cut.usage.output_tokens) == ("length", 3)
        stop = driver.complete(ask(stop=(":",), max_tokens=40))
        assert stop.stop_reason == "stop_sequence" and ":" not in stop.text
        with pytest.raises(errors.ContextWindowExceeded):
            driver.complete(ask("x" * 5000))
        with pytest.raises(errors.SchemaError):
            driver.complete(ask(schema={"type": "nonsense"}))

    def test_the_terminal_and_the_models_folder_are_left_alone(
        self, folder: Path, tmp_path: Path
    ) -> None:
        before = sorted(p.name for p in folder.iterdir())
        script = (
            "import sys; from prompture.drivers.classes import driver_for\n"
            "from prompture.types import Request, user\n"
            "d = driver_for('airllm/' + sys.argv[1], device='cpu')\n"
            "d.complete(Request(model='', messages=(user('hi'),), max_tokens=2))\n"
        )
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            cwd=REPO,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert done.stdout == ""
        assert sorted(p.name for p in folder.iterdir()) == before
        (shards,) = (tmp_path / "prompture" / "airllm").iterdir()
        assert shards.name.startswith("tiny-hf-") and any(shards.rglob("*.safetensors"))

    def test_the_async_colour_leaves_the_loop_free(self, folder: Path, tmp_path: Path) -> None:
        async def go() -> tuple[Completion, int]:
            ticks = 0
            async with async_driver_for(f"airllm/{folder}", shards=str(tmp_path)) as made:
                task = asyncio.create_task(made.complete(ask(max_tokens=10)))
                while not task.done():
                    ticks += 1
                    await asyncio.sleep(0.001)
                return task.result(), ticks

        got, ticks = asyncio.run(go())
        assert got.text and ticks > 5

    def test_collecting_garbage_costs_little(self, driver: Any) -> None:
        driver.complete(ask(max_tokens=1))
        assert gc.get_freeze_count() > 10_000
        started = time.perf_counter()
        driver.complete(ask(max_tokens=5, extra={"min_new_tokens": 5}))
        assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schema": PERSON, "tools": (SAVE,)}, None),
        ({"logprobs": 1}, None),
        ({"metadata": {"a": "b"}}, None),
        ({"reasoning": 500}, None),
        ({}, Message(role="user", content=(Image(data=b"1"),))),
    ],
)
def test_what_cannot_be_done_is_refused(settings: dict[str, Any], message: Message | None) -> None:
    request = ask(**settings)
    if message:
        request = Request(model="", messages=(message,))
    with pytest.raises(errors.UnsupportedError, match="airllm"):
        engine_module._refuse_what_is_not_there(request)


def model_folder(path: Path, *files: str) -> Path:
    path.mkdir()
    for name in files:
        (path / name).write_text("{}")
    return path


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ((), None, "no folder with a config.json"),
        (("config.json", "pytorch_model.bin"), None, "pickled"),
        (("config.json", "m.safetensors"), "config.json", "Python code"),
        (("config.json", "m.safetensors"), "tokenizer_config.json", "Python code"),
    ],
)
def test_what_could_run_foreign_code_is_refused(
    tmp_path: Path, files: tuple[str, ...], code: str | None, words: str
) -> None:
    path = model_folder(tmp_path / "m", *files)
    if code:
        (path / code).write_text('{"auto_map": {"AutoModel": "modeling.Model"}}')
    with pytest.raises(errors.ConfigurationError, match=words):
        driver_for(f"airllm/{path}").complete(ask())


@pytest.mark.skipif(INSTALLED, reason="airllm is installed")
def test_the_extra_is_named(tmp_path: Path) -> None:
    path = model_folder(tmp_path / "m", "config.json", "m.safetensors")
    with pytest.raises(errors.MissingExtra, match=r"prompture\[airllm\]"):
        driver_for(f"airllm/{path}").complete(ask())


def test_each_version_of_a_model_has_its_own_shards(tmp_path: Path) -> None:
    path = model_folder(tmp_path / "m", "config.json")
    first = engine_module.default_shards(path)
    assert first == engine_module.default_shards(path) and tmp_path not in first.parents
    (path / "config.json").write_text('{"a": 1}')
    assert engine_module.default_shards(path) != first
