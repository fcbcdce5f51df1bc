"""Providers out of a file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from prompture import catalog, configure, driver_for
from prompture.catalog.overrides import Overrides
from prompture.codecs.base import Endpoint
from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers import registry
from prompture.errors import ConfigurationError, MissingKey
from prompture.extraction.model_drivers import kept_driver
from prompture.types import Request, Usage
from prompture.wire.http import HTTPResponse

TOML = """
[providers.acme-x]
base_url = "https://llm.acme.example/v1"
key_env = ["ACME_X_API_KEY"]
default_model = "large"
aliases = ["ax"]
headers = { x-team = "documents" }
[providers.acme-x.capabilities]
vision = false
[providers.acme-x.rate_limits]
requests_per_minute = 60
[providers.acme-x.models.large]
capabilities = { json_schema = false }
pricing = { input = "0.50", output = "1.50" }
[pricing."openai/gpt-5-mini"]
input = 7
output = 9
"""
YAML = """
providers:
  acme-x:
    base_url: https://llm.acme.example/v1
    models:
      large: {pricing: {input: 0.5, output: 1.5}}
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    if "acme-x" in registry.names():
        registry.unregister("acme-x")
    catalog.clear_prices()


def _file(folder: Path, text: str, name: str = "prompture.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_makes_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configure(_file(tmp_path, TOML)) == ["acme-x"]
    with pytest.raises(MissingKey, match="ACME_X_API_KEY"):
        driver_for("acme-x/large")
    monkeypatch.setenv("ACME_X_API_KEY", "k")
    driver = driver_for("ax")
    assert (driver.model, driver.endpoint.headers["x-team"]) == ("large", "documents")
    assert (driver.supports_vision, driver.supports_json_schema) == (False, False)
    assert driver_for("acme-x/other").supports_json_schema
    cost = driver.price(Usage(input_tokens=10**6, output_tokens=0, requests=1, reported=True))
    assert (cost.usd, cost.source) == (Decimal("0.50"), "user")
    found = catalog.find("openai/gpt-5-mini")
    assert found is not None
    assert found.rates is not None
    assert found.rates.input == 7


def test_retries_and_breaker_of_a_provider(tmp_path: Path) -> None:
    text = """
[providers.acme-x]
base_url = "https://x.example"
idempotency_header = "Idempotency-Key"
[providers.acme-x.retry_quota]
capacity = 50
cost = 2.5
[providers.acme-x.breaker]
failures = 3
refuse = "always"
"""
    configure(_file(tmp_path, text))
    one, other = driver_for("acme-x/a", api_key="1"), driver_for("acme-x/b", api_key="2")
    assert one.own_quota is other.own_quota
    assert one.own_quota is not None
    assert (one.own_quota.capacity, one.own_quota.cost) == (50, 2.5)
    assert one.own_breaker is not None
    assert (one.own_breaker.failures, one.own_breaker.refuse) == (3, "always")
    assert one.provider.idempotency_header == "Idempotency-Key"


def test_yaml_is_read_too(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    configure(_file(tmp_path, YAML, "prompture.yaml"))
    assert driver_for("acme-x/large").endpoint.base_url == "https://llm.acme.example/v1"


BAD = [
    ("[providers.acme-x]\n", "base_url"),
    ('[providers.acme-x]\nbase_url = "ftp://x"\n', "base_url"),
    ('[providers.acme-x]\nbase_url = "https://x"\nbase_ulr = 1\n', "base_ulr"),
    ('[providers.acme-x]\nbase_url = "https://x"\nlike = "nobody"\n', "nobody"),
    ('[providers.acme-x]\nbase_url = "https://x"\nlike = "local"\n', "wire"),
    ('[providers.acme-x]\nbase_url = "https://x"\ncapabilities = {magic = true}\n', "magic"),
    ('[providers.acme-x]\nbase_url = "https://x"\ncapabilities = {vision = "yes"}\n', "vision"),
    ('[providers.openai]\nbase_url = "https://x"\n', "openai"),
    (
        '[providers.acme-x]\nbase_url = "https://x"\n[providers.acme-x.rate_limits]\n'
        "requests_per_minute = 0\n",
        "requests_per_minute",
    ),
    ('[pricing."openai/x"]\ninput = "cheap"\noutput = 1\n', "input"),
    (
        '[providers.acme-x]\nbase_url = "https://x"\nidempotency_header = "a b"\n',
        "idempotency_header",
    ),
    (
        '[providers.acme-x]\nbase_url = "https://x"\n[providers.acme-x.breaker]\nrefuse = "x"\n',
        "breaker",
    ),
    (
        '[providers.acme-x]\nbase_url = "https://x"\n[providers.acme-x.retry_quota]\ncost = -1\n',
        "retry_quota",
    ),
    ("not toml", "prompture.toml"),
    ("providrs = {}", "unknown key 'providrs'; did you mean providers"),
    ('[providers.acme-x]\nbase_ur = "https://x"\n', r"providers\.acme-x: unknown key 'base_ur'; did"),
    ('[providers.acme-x]\nbase_url = "https://x"\nlike = "opnai"\n', "did you mean openai"),
    ('[providers.acme-x]\nbase_url = "x.example/v1"\n', "base_url needs http:// or https://"),
    ('[providers.acme-x]\nbase_url = "https://x:99999"\n', "base_url must be"),
    ('[providers.acme-x]\nbase_url = "https://x"\nheaders = {"a b" = "c"}\n', "headers"),
    ('[providers.acme-x]\nbase_url = "https://x"\ncapabilities = {visin = true}\n', "mean vision"),
    (
        '[providers.acme-x]\nbase_url = "https://x"\n[providers.acme-x.rate_limits]\nper_minute = 1\n',
        "acme-x.rate_limits: unknown key 'per_minute'; did you mean .*requests_per_minute",
    ),
    (
        '[providers.acme-x]\nbase_url = "https://x"\n[providers.acme-x.models.m]\nprice = 1\n',
        "models.m: unknown key 'price'; .*there are capabilities, pricing",
    ),
    ('[providers.acme-x]\nbase_url = "https://x"\nlike = "google"\nstream_usage = false\n',
     "stream_usage means nothing"),
    ('[providers.acme-x]\nbase_url = "https://x"\necho = ["inner"]\n',
     "providers.acme-x: openai-compatible: echo: unknown field 'inner'; .*reasoning_field='inner'"),
    ('[providers.acme-x]\nbase_url = "https://x"\nlike = "google"\nreasoning_field = "inner"\n',
     "reasoning_field means nothing"),
    ('[providers."acme/x"]\nbase_url = "https://x"\n', r"prompture.toml: providers.acme/x: Provider.name"),
    ('[providers.acme-x]\nbase_url = "https://x"\naliases = ["kimi"]\n',
     "prompture.toml: providers.acme-x: a provider called 'kimi' is already there"),
    (f"a = {'[' * 10_000}{']' * 10_000}", "nested too deep"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BAD)
def test_what_is_wrong_is_named_and_nothing_registered(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        configure(_file(tmp_path, text))
    assert "acme-x" not in registry.names()


def test_the_environment_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTURE_CONFIG", str(_file(tmp_path, TOML)))
    assert registry.find("acme-x").default_model == "large"


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"cannot read '{tmp_path}/nothing.")):
        configure(tmp_path / "nothing.toml")


def test_a_file_that_is_read_again_replaces_its_providers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a notebook's cell does, or a program beside ``PROMPTURE_CONFIG``."""
    path = _file(tmp_path, TOML)
    monkeypatch.setenv("PROMPTURE_CONFIG", str(path))
    monkeypatch.setenv("ACME_X_API_KEY", "k")
    monkeypatch.chdir(tmp_path)
    first = kept_driver("acme-x/large", asynchronous=False)
    assert configure(path.name) == configure(path) == ["acme-x"]
    _file(tmp_path, TOML.replace('.example/v1"', '.example/v2"'))
    configure(path)
    again = kept_driver("acme-x/large", asynchronous=False)
    assert again is kept_driver("acme-x/large", asynchronous=False)
    assert [d.endpoint.base_url[-2:] for d in (first, again)] == ["v1", "v2"]


def test_a_file_that_is_read_again_with_a_fault_changes_nothing(tmp_path: Path) -> None:
    path = _file(tmp_path, TOML)
    configure(path)
    row = registry.find("acme-x")
    for text in (
        "[",
        TOML.replace('input = "0.50"', 'input = "cheap"'),
        TOML.replace("ax", "kimi"),
    ):
        _file(tmp_path, text)
        with pytest.raises(ConfigurationError):
            configure(path)
        assert registry.find("acme-x") is row
    (other := tmp_path / "other").mkdir()
    with pytest.raises(ConfigurationError, match="already there"):
        configure(_file(other, TOML))


@pytest.mark.parametrize("name", ["prompture.toml", "prompture.json"])
def test_the_mark_of_windows_editors_is_no_fault(tmp_path: Path, name: str) -> None:
    text = TOML
    if name.endswith("json"):
        text = json.dumps(tomllib.loads(TOML), default=str)
    assert configure(_file(tmp_path, "\ufeff" + text, name)) == ["acme-x"]
    prices = _file(tmp_path, '\ufeff["a/b"]\ninput = 1\noutput = 2\n', "prices.toml")
    assert Overrides.from_file(prices).find("a", "b") is not None


DEEP = [
    ("prompture.json", "[" * 100_000),
    ("prompture.json", '{"a":' * 100_000),
    ("prompture.yaml", "[" * 3_000),
    ("prompture.yaml", "a: [}"),
    ("prompture.yaml", "!!python/object:os.system {}"),
    ("prompture.json", "{"),
    ("prompture.json", ""),
    ("prompture.yaml", ""),
    ("prompture.toml", "\x00"),
]


@pytest.mark.parametrize(("name", "text"), DEEP)
def test_damaged_files_are_errors_of_ours(tmp_path: Path, name: str, text: str) -> None:
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    with pytest.raises(ConfigurationError, match=name):
        configure(_file(tmp_path, text, name))


def test_a_file_that_fails_fails_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTURE_CONFIG", str(_file(tmp_path, "providrs = {}", "bad.toml")))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="providrs"):
            registry.find("openai")


def test_what_a_server_refuses_is_left_out(tmp_path: Path) -> None:
    text = (
        '[providers.acme-x]\nbase_url = "https://x"\nstream_usage = false\necho = ["reasoning"]\n'
    )
    configure(_file(tmp_path, text))
    codec = registry.find("acme-x").codec
    assert (codec.stream_usage, codec.echo) == (False, ("reasoning",))


def test_a_reasoning_field_of_its_own(tmp_path: Path) -> None:
    text = (
        '[providers.acme-x]\nbase_url = "https://x"\nreasoning_field = "inner"\necho = ["inner"]\n'
    )
    configure(_file(tmp_path, text))
    codec = driver_for("acme-x/m").provider.codec
    assert isinstance(codec, OpenAIChat)
    assert (codec.quirks.reasoning_field, codec.echo) == ("inner", ("inner",))
    message = {"role": "assistant", "content": "a", "inner": "Hm."}
    body = json.dumps({"choices": [{"message": message}]}).encode()
    turn = codec.decode(HTTPResponse(200, {}, body), Endpoint("x", "https://x")).message()
    sent = codec.encode(Request(model="m", messages=(turn,)), Endpoint("x", "https://x"))
    assert json.loads(sent.body)["messages"][0]["inner"] == "Hm."


def test_nothing_of_a_file_with_a_fault_is_kept(tmp_path: Path) -> None:
    prices = '[pricing."openai/gpt-5-mini"]\ninput = {}\noutput = 9\n'
    taken = '[providers.openai]\nbase_url = "https://x"\n'
    for text in (taken + prices.format(7), TOML.split("[pricing.")[0] + prices.format('"cheap"')):
        with pytest.raises(ConfigurationError, match=r"prompture\.toml"):
            configure(_file(tmp_path, text))
        found = catalog.find("openai/gpt-5-mini")
        assert found is not None
        assert found.rates is not None
        assert found.rates.input != 7
        assert "acme-x" not in registry.names()


LIMITED = """
[providers.acme-limited]
base_url = "https://llm.acme.example/v1"

[providers.acme-limited.rate_limits]
requests_per_minute = 60
concurrency = "adaptive"

[limits.openai]
requests_per_minute = 500

[limits."anthropic/claude-opus-5"]
concurrency = 2

[keys]
openai = ["ACME_KEY_A", "ACME_KEY_B"]
"""


def test_limits_and_keys_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prompture import Limits, driver_for
    from prompture.drivers.limits import limits_of_files
    from prompture.drivers.provider import keys_of_files

    file = tmp_path / "prompture.toml"
    file.write_text(LIMITED)
    monkeypatch.setenv("ACME_KEY_A", "a" * 20)
    monkeypatch.setenv("ACME_KEY_B", "b" * 20)
    configure(file)
    try:
        own = driver_for("acme-limited/x")
        assert own.limits == Limits(requests_per_minute=60, concurrency="adaptive")
        driver = driver_for("openai/gpt-5-mini")
        assert driver.limits == Limits(requests_per_minute=500)
        assert driver.keyring is not None
        claude = driver_for("claude/claude-opus-5", api_key="k")
        assert claude.limits == Limits(concurrency=2)
        assert driver_for("claude/claude-sonnet-5", api_key="k").limits is None
        # Read again, it replaces what it set.
        file.write_text("[limits.groq]\nconcurrency = 1\n")
        configure(file)
        assert set(limits_of_files) == {"groq"}
        assert not keys_of_files
        assert not driver.is_current()
    finally:
        file.write_text("")
        configure(file)
    assert not limits_of_files


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[limits.openai]\nrequests_per_minute = -1", "requests_per_minute"),
        ('[limits.openai]\nconcurrency = "some"', r"limits\.openai: Limits\.concurrency"),
        ("[limits.nobody]\nconcurrency = 1", r"limits\.nobody: no provider"),
        ("[keys]\nopenai = 3", r"keys\.openai"),
        ("[keys]\nnobody = []", r"keys\.nobody"),
    ],
)
def test_limits_and_keys_of_a_file_are_checked(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "prompture.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=match):
        configure(file)
