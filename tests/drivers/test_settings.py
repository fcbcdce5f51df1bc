"""What a driver is given is checked when it is made, alike in both colours."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests

from prompture import Features, Hooks, Retry, async_driver_for, driver_for
from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers import registry
from prompture.drivers.provider import Provider
from prompture.errors import ConfigurationError, MissingKey, UnknownModel
from tests.loopback import Reply, json_reply, serving

KEY = "never-shown-0123456789abcdef"
MAKERS: list[Callable[..., Any]] = [driver_for, async_driver_for]
NAN, INF = float("nan"), float("inf")

BAD: list[tuple[dict[str, Any], str]] = [
    *[({"timeout": t}, "openai: timeout must be a number of seconds above 0")
      for t in (0, -1, NAN, INF, True, "3", 10**400, [])],
    *[({"retry": r}, r"openai: retry must be a prompture\.Retry\(\.\.\.\)")
      for r in (3, 0, "3", True, {"attempts": 3}, Retry)],
    *[({"features": f}, r"openai: features must be a prompture\.Features")
      for f in ({"vision": True}, 1, [], Features)],
    *[({"headers": h}, "openai: headers must be a dict") for h in (3, "a: b", [("a", "b")])],
    ({"headers": {"x-a": b"b"}}, "'x-a' must be a text, not bytes"),
    ({"headers": {"x-a": 1}}, "'x-a' must be a text, not int"),
    ({"headers": {"x-a": None}}, "'x-a' must be a text, not NoneType"),
    ({"headers": {b"x-a": "1"}}, "no header is called b'x-a'"),
    ({"headers": {"x a": "1"}}, "no header is called 'x a'"),
    ({"headers": {"": "1"}}, "no header is called ''"),
    ({"headers": {"Transfer-Encoding": "chunked"}}, "'Transfer-Encoding' is set for each request"),
    ({"headers": {"content-length": "3"}}, "'content-length' is set for each request"),
    *[({"hooks": h}, "openai: hooks must be a prompture.Hooks")
      for h in (3, None, [3], {"before_request": print}, Hooks, print)],
    ({"api": 3}, "openai: api must be a text"),
    ({"api": "chatt"}, "no API 'chatt'"),
    ({"api_key": 3}, "openai: api_key must be a text, not int"),
    ({"api_key": KEY.encode()}, "openai: api_key must be a text, not bytes"),
    ({"stream_usage": 0}, "stream_usage must be True or False"),
    ({"echo": 3}, "echo must be a text or a list"),
    ({"echo": "reasonning"}, "echo: unknown field 'reasonning'; did you mean reasoning"),
    ({"retries": 3}, "unknown setting 'retries'; did you mean retry"),
    ({"bas_url": "x"}, "unknown setting 'bas_url'; did you mean base_url"),
    ({"max_retries": 3}, "unknown setting 'max_retries'; did you mean retry.* there are api_key, base_url, api, timeout"),
    ({"key": "k"}, "did you mean .*api_key"),
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("settings", "words"), BAD, ids=lambda v: repr(v)[:40])
def test_what_is_wrong_is_refused(
    make: Callable[..., Any], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        make("openai/gpt-5-mini", **{"api_key": KEY, **settings})
    assert KEY not in str(caught.value)


def test_the_other_colours_setting_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"client=\.\.\. for an AsyncDriver"):
        driver_for("openai/m", api_key=KEY, client=object())
    with pytest.raises(ConfigurationError, match=r"session=\.\.\. is for a Driver"):
        async_driver_for("openai/m", api_key=KEY, session=object())


def test_sessions_and_clients_that_are_none() -> None:
    for session in (3, "x", httpx2.Client(), httpx2.AsyncClient()):
        with pytest.raises(ConfigurationError, match=r"session must be a requests\.Session"):
            driver_for("openai/m", api_key=KEY, session=session)
    for client in (3, "x", httpx2.Client(), requests.Session()):
        with pytest.raises(ConfigurationError, match="client must be an AsyncClient"):
            async_driver_for("openai/m", api_key=KEY, client=client)


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_right_is_taken(make: Callable[..., Any]) -> None:
    hook = Hooks()
    driver = make("openai/m", api_key=f"{KEY}\n", timeout=3, hooks=[hook], headers={"x-a": "b"})
    assert (driver.timeout, driver._hooks[-1]) == (3, hook)
    assert driver.endpoint.api_key == KEY
    assert make("ollama/m", num_ctx=4096).endpoint.options == {"num_ctx": "4096"}


@pytest.mark.parametrize(
    "name", ["Host", "User-Agent", "ACCEPT", "Accept-Encoding", "Content-Type", "Authorization"]
)
@pytest.mark.parametrize("make", MAKERS)
def test_a_header_of_the_callers_takes_the_place_of_ours(
    make: Callable[..., Any], name: str
) -> None:
    reply = json_reply({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
    with serving([reply]) as server:
        settings = {"api_key": "k", "base_url": server.url, "headers": {name: "mine"}}
        if make is driver_for:
            with driver_for("openai/gpt-4o", **settings) as driver:
                driver.generate("x")
        else:

            async def run() -> None:
                async with async_driver_for("openai/gpt-4o", **settings) as driver:
                    await driver.generate("x")

            asyncio.run(run())
    assert server.asked[0].headers[name.lower()] == "mine"


@pytest.mark.parametrize("model", [None, 3, b"openai/m", ["openai/m"]])
def test_a_model_that_is_no_text(model: Any) -> None:
    with pytest.raises(ConfigurationError, match="model must be a text"):
        driver_for(model)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_an_empty_key_is_never_replaced(
    make: Callable[..., Any], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-key-of-the-house")
    monkeypatch.setenv("OLLAMA_API_KEY", "the-key-of-the-house")
    with pytest.raises(MissingKey, match="api_key is empty"):
        make("openai/m", api_key=key)
    assert make("ollama/m", api_key=key).endpoint.api_key == ""
    assert make("openai/m").endpoint.api_key == "the-key-of-the-house"


def test_an_empty_setting_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "the-house")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://the-house.example")
    with pytest.raises(ConfigurationError, match=r"pass account=\.\.\."):
        driver_for("cloudflare/m", api_key=KEY, account="")
    with pytest.raises(ConfigurationError, match="base_url is empty"):
        driver_for("openai/m", api_key=KEY, base_url="")


def test_a_blank_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", " ")
    monkeypatch.setenv("CLAUDE_API_KEY", "second")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", " ")
    endpoint = driver_for("claude/m").endpoint
    assert (endpoint.api_key, endpoint.base_url) == ("second", "https://api.anthropic.com")


URLS = [
    (
        "127.0.0.1:18555/v1",
        "openai: base_url needs http:// or https:// .* 'https://127.0.0.1:18555/v1'",
    ),
    ("api.openai.com", "did you mean 'https://api.openai.com'"),
    ("localhost", "needs http:// or https://"),
    ("ftp://x.example", "needs http:// or https:// before 'ftp://x.example'$"),
    ("file:///etc/passwd", "needs http"),
    ("http://", "must be http"),
    ("http://h:99999/v1", "must be http"),
    ("http://h:port/v1", "must be http"),
    ("http://h:0", "must be http"),
    ("http://[::1", "must be http"),
    ("http://h/{x}", "must be http"),
    ("http://h/a b", "must be http"),
    ("http://h/v1#here", "must be http"),
    ("http://h/\nv1", "must be http"),
    ("  ", "base_url is empty"),
    (3, "base_url must be a text"),
    (b"http://h", "base_url must be a text"),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("url", "words"), URLS)
def test_base_urls_that_are_none(make: Callable[..., Any], url: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make("openai/m", api_key=KEY, base_url=url)


def test_a_base_url_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"user:{KEY}@h/v1?key={KEY}")
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL needs") as caught:
        driver_for("openai/m", api_key="k")
    assert KEY not in str(caught.value)
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:11434")
    assert driver_for("ollama/m").endpoint.base_url == "0.0.0.0:11434"
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:port")
    with pytest.raises(ConfigurationError, match="OLLAMA_HOST"):
        driver_for("ollama/m")


def test_settings_that_are_part_of_a_url() -> None:
    url = "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1"
    driver = driver_for("cloudflare/m", api_key=KEY, account="a1", base_url=url)
    assert driver.endpoint.base_url.endswith("/accounts/a1/ai/v1")
    for region in ("evil.example/", "x@y", "a?b", "a b"):
        with pytest.raises(ConfigurationError, match="region is part of the host"):
            driver_for("bedrock/m", api_key=KEY, region=region)
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        driver_for("azure/m", api_key=KEY)


def test_settings_of_a_model_in_this_process() -> None:
    for name in ("bas_url", "temperature"):
        with pytest.raises(ConfigurationError, match=f"unknown setting '{name}'; .*hooks"):
            driver_for("local/rules", **{name: "x"})
    for name in ("api_key", "base_url", "echo"):
        with pytest.raises(ConfigurationError, match="means nothing"):
            driver_for("local/rules", **{name: "x"})
    with pytest.raises(ConfigurationError, match="timeout must be"):
        driver_for("local/rules", timeout="3")


def test_no_secret_in_what_is_printed() -> None:
    secrets = {"access_key_id": KEY, "secret_access_key": KEY, "headers": {"x-key": KEY}}
    driver = driver_for("bedrock/m", base_url=f"https://u:{KEY}@h", api_key=KEY, **secrets)
    assert KEY not in f"{driver!r}{vars(driver)!r}{driver.endpoint!r}"


# --- knobs of the wire -----------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, True, False])
def test_stream_options_can_be_left_out(given: bool | None) -> None:
    chunk = {
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}],
    }
    body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
    with serving(
        lambda _: Reply(body=body, headers={"content-type": "text/event-stream"})
    ) as server:
        url = f"{server.url}/v1"
        with driver_for("openai-compatible/m", base_url=url, stream_usage=given) as driver:
            *_, done = driver.generate_messages_stream([{"role": "user", "content": "hi"}])
    assert done.text == "ok"
    assert ("stream_options" in server.asked[0].json()) is (given is not False)


@pytest.mark.parametrize(
    ("given", "field"), [(None, "reasoning_content"), ((), ""), ("reasoning", "reasoning")]
)
def test_reasoning_goes_back_to_the_server_that_gave_it(given: Any, field: str) -> None:
    said = {
        "role": "assistant",
        "content": "yes",
        "reasoning_content": "I see.",
        "reasoning": "Hm.",
    }
    body = {"model": "m", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    turns: list[Any] = [{"role": "user", "content": "hi"}]
    with (
        serving(lambda _: json_reply(body)) as server,
        driver_for("openai-compatible/m", base_url=server.url, echo=given) as driver,
    ):
        turns += [driver.generate_messages(turns).message(), {"role": "user", "content": "so?"}]
        driver.generate_messages(turns)
    sent = server.asked[1].json()["messages"][1]
    assert set(sent) - {"role", "content"} == ({field} if field else set())


def test_a_knob_that_the_wire_does_not_have() -> None:
    with pytest.raises(ConfigurationError, match="google: stream_usage means nothing"):
        driver_for("google/m", api_key=KEY, stream_usage=False)


# --- rows ------------------------------------------------------------------------------------

ROW = Provider(
    name="mine", codec=OpenAIChat(), base_url="https://h/v1", default_model="m", docs="d"
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3), ("name", ""), ("name", "a/b"), ("name", "a:b"), ("codec", None), ("codec", 3),
        ("base_url", None), ("default_model", None), ("key_env", "MINE_KEY"), ("key_env", ["MINE"]),
        ("aliases", "m"), ("features", {"vision": True}), ("options", ["a"]), ("local", 1),
        ("narrow", "x"), ("key_required", "yes"), ("headers", ("a", "b")), ("url_env", None),
    ],
)  # fmt: skip
def test_a_row_with_a_field_of_the_wrong_kind(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"Provider\.{field} must be"):
        replace(ROW, **{field: value})


@pytest.mark.parametrize("row", [3, None, "openai", Provider, {"name": "x"}])
def test_what_is_registered_is_a_row(row: Any) -> None:
    with pytest.raises(ConfigurationError, match="register: the row must be"):
        registry.register(row)


def test_a_hook_that_is_no_function() -> None:
    with pytest.raises(ConfigurationError, match=r"Hooks\.on_delta must be a plain function"):
        Hooks(on_delta=3)  # type: ignore[arg-type]


# --- the default model -----------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No key at all."""
    monkeypatch.delenv("PROMPTURE_MODEL", raising=False)
    for row in map(registry.find, registry.BUILTIN):
        for name in (*row.key_env, *(n for names in row.option_env.values() for n in names)):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(registry, "_logged", set())
    return monkeypatch


SHARED = [
    "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY",
    "GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_API_KEY",
    "MODELSCOPE_API_TOKEN", "MODELSCOPE_SDK_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK",
    "AZURE_API_KEY",
]  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_a_key_for_other_ends_chooses_no_model(bare: pytest.MonkeyPatch, name: str) -> None:
    bare.setenv("CLOUDFLARE_ACCOUNT_ID", "a")
    bare.setenv(name, "x")
    assert registry.default_model() == "local/rules"
    bare.setenv("MISTRAL_API_KEY", "k")
    assert registry.default_model().startswith("mistral/")


@pytest.mark.parametrize(
    ("name", "model"),
    [("HUGGINGFACE_API_KEY", "huggingface/"), ("GEMINI_API_KEY", "google/"),
     ("GOOGLE_VERTEX_API_KEY", "vertex/"), ("MODELSCOPE_API_KEY", "modelscope/")],
)  # fmt: skip
def test_a_key_for_a_model_chooses_one(bare: pytest.MonkeyPatch, name: str, model: str) -> None:
    bare.setenv(name, "k")
    assert registry.default_model().startswith(model)


def test_a_shared_key_still_serves_a_model_that_is_named(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("HF_TOKEN", "hf-1")
    assert driver_for("huggingface/m").endpoint.api_key == "hf-1"


def test_every_shared_variable_is_one_of_the_rows() -> None:
    for row in map(registry.find, registry.BUILTIN):
        assert set(row.shared_env) <= set(row.key_env), row.name


def test_the_choice_is_told_once(
    bare: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="prompture")
    bare.setenv("OPENAI_API_KEY", KEY)
    for _ in range(3):
        model = registry.default_model()
    bare.setenv("PROMPTURE_MODEL", "mistral/x")
    registry.default_model()
    bare.delenv("PROMPTURE_MODEL")
    bare.delenv("OPENAI_API_KEY")
    registry.default_model()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", f"no model is named: {model} is used, since OPENAI_API_KEY is set; name "
                    f"another with model=... or PROMPTURE_MODEL"),
        ("INFO", "no model is named: mistral/x is used, which PROMPTURE_MODEL names"),
        ("INFO", "no model is named: local/rules is used, since no provider's key is set; "
                 "nothing leaves this machine"),
    ]  # fmt: skip


def test_the_demo_names_its_model() -> None:
    """No key that happens to be set may send its documents anywhere."""
    script = Path(__file__).resolve().parents[2] / "scripts" / "demo.py"
    code = (
        "import runpy, subprocess, types\n"
        "seen = []\n"
        "subprocess.run = lambda words, **how: seen.append((words, how['env'])) "
        "or types.SimpleNamespace(returncode=0)\n"
        f"runpy.run_path({str(script)!r}, run_name='demo')['main']()\n"
        "assert len(seen) == 3\n"
        "for words, env in seen:\n"
        "    assert words[words.index('--model') + 1] == 'local/rules', words\n"
        "    assert env['PROMPTURE_OFFLINE'] == '1'\n"
        "    assert 'PROMPTURE_CONFIG' not in env\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        *[({"attempts": n}, "Retry.attempts must be") for n in (0, -1, "3", 1.5, True)],
        *[({"base": n}, "Retry.base must be") for n in (-1, NAN, INF, "1")],
        *[({"cap": n}, "Retry.cap must be") for n in (-1, NAN)],
        ({"patience": "long"}, "Retry.patience must be"),
        ({"jitter": 1}, "Retry.jitter must be"),
    ],
)
def test_a_retry_that_is_none(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Retry(**fields)


@pytest.mark.parametrize("fields", [{"vision": "yes"}, {"json_mode": None}, {"schema_dialect": 3}])
def test_features_that_are_none(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"Features.{next(iter(fields))} must be"):
        Features(**fields)


def test_a_token_that_was_passed_over_is_told(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("HF_TOKEN", "x")
    assert "HF_TOKEN serves other ends too" in registry.default_choice()[1]


def test_the_endpoint_of_azure_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "mine.openai.azure.com")
    with pytest.raises(ConfigurationError, match="azure: endpoint needs http"):
        driver_for("azure/m", api_key=KEY)


def test_a_variable_that_names_no_model_is_told(bare: pytest.MonkeyPatch) -> None:
    for model in ("gpt-5", "opnai/gpt-5"):
        bare.setenv("PROMPTURE_MODEL", model)
        with pytest.raises(UnknownModel, match=r"PROMPTURE_MODEL: .*openai"):
            registry.default_model()
    bare.setenv("PROMPTURE_MODEL", "cheapest?vision")
    assert registry.default_model() == "cheapest?vision"


def test_a_faulty_file_of_the_environment_is_no_plugin_to_leave_out(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare.setenv("PROMPTURE_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        registry.default_model()
