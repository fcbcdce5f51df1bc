from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from prompture import catalog
from prompture.catalog import Catalog, Overrides, cost_of
from prompture.errors import ConfigurationError
from prompture.types import Usage

D = Decimal
USED = Usage(input_tokens=10**6, output_tokens=10**6, reported=True)
TOML = """
[pricing."openai/gpt-5-mini"]
input = 0.1
output = 0.7
cache_writes = { "1h" = 9 }
request = 0.5
modes = { batch = 0.25, priority = { input = 3, output = 4 } }
tiers = [{ above = 2_000_000, input = 1, output = 1 }]
later = [{ since = 2027-01-01, input = 5 }]

[pricing."my-gateway/*"]
input = 1
output = 1
"""


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PROMPTURE_CATALOG", "snapshot")
    catalog.reset()
    yield
    monkeypatch.undo()
    catalog.reset()


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_price_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"prices{suffix}"
    if suffix == ".toml":
        path.write_text(TOML, "utf-8")
    else:
        plain = {"openai/gpt-5-mini": {"input": 0.1, "output": 0.7, "request": 0.5}}
        path.write_text(json.dumps(plain), "utf-8")
    environ = {"PROMPTURE_CATALOG": "snapshot", "PROMPTURE_PRICES": str(path)}
    entry = Catalog(environ=environ).find("openai/gpt-5-mini-2025-08-07")
    assert entry is not None
    assert entry.source == "user"
    assert entry.limits.context == 400_000
    cost = cost_of(USED, entry, when=datetime(2026, 12, 1, tzinfo=UTC))
    assert cost.usd == D("1.3")
    assert cost.source == "user"


def test_modes_tiers_and_dates() -> None:
    import tomllib

    mine = Overrides.from_table(tomllib.loads(TOML)["pricing"])
    rates = mine.find("openai", "gpt-5-mini")
    assert rates is not None
    now, then = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1)

    def usd(moment: datetime = now, **counts: Any) -> Decimal | None:
        return cost_of(Usage(reported=True, **counts), rates, when=moment).usd

    assert usd(input_tokens=10**6, service_tier="batch") == D("0.525")
    assert usd(input_tokens=10**6, service_tier="priority") == D("3.5")
    assert usd(input_tokens=3 * 10**6) == D("3.5")
    assert usd(input_tokens=10**6, moment=then) == D("5.5")
    assert usd(cache_write_tokens=10**6, cache_writes={"1h": 10**6}) == D("9.5")
    assert mine.find("my-gateway", "whatever") is not None
    assert mine.find("other", "whatever") is None


@pytest.mark.usefixtures("fresh")
def test_set_price() -> None:
    before = catalog.find("acme/m-1")
    catalog.set_price(
        "acme/m-1", input=0.1, output="0.2", cache_read=D("0.01"), since=date(2026, 1, 2)
    )
    entry = catalog.find("acme/m-1")
    assert before is None
    assert entry is not None
    assert (entry.source, entry.as_of) == ("user", "2026-01-02")
    assert cost_of(USED, entry).usd == D("0.3")
    assert "acme" in catalog.providers()
    assert [e.key for e in catalog.entries("acme")] == ["acme/m-1"]
    catalog.set_price("acme/m-1", input=1, output=1)
    assert cost_of(USED, catalog.find("acme/m-1")).usd == 2
    catalog.clear_prices()
    assert catalog.find("acme/m-1") is None


@pytest.mark.usefixtures("fresh")
def test_load_prices_of_a_parsed_table() -> None:
    catalog.load_prices({"gemini/gemini-2.5-flash": {"input": 1, "output": 1}})
    entry = catalog.find("google/models/gemini-2.5-flash")
    assert entry is not None
    assert cost_of(USED, entry).usd == 2


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"gpt-5": {"input": 1, "output": 1}}, "provider/model"),
        ({"a/b": {"input": 1}}, "both input and output"),
        ({"a/b": {"input": -1, "output": 1}}, 'pricing."a/b".input'),
        ({"a/b": {"input": "dear", "output": 1}}, "not an amount"),
        ({"a/b": {"input": 1, "output": 1, "inptu": 1}}, "unknown inptu"),
        ({"a/b": 3}, "expected a table"),
        ({"a/b": {"input": 1, "output": 1, "tiers": [{"input": 1}]}}, "above"),
        ({"a/b": {"input": 1, "output": 1, "tiers": {"above": 1}}}, "list of tables"),
        ({"a/b": {"input": 1, "output": 1, "later": [{"input": 1}]}}, "since"),
        ({"a/b": {"input": 1, "output": 1, "since": "soon"}}, "not a date"),
        ({"a/b": {"input": 1, "output": 1, "modes": {"batch": "half"}}}, "modes.batch"),
        ([], "table of model names"),
    ],
)
def test_a_faulty_table_is_named(table: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words.replace(".", r"\.")):
        Overrides.from_table(table)


@pytest.mark.parametrize("content", ["[", None])
def test_a_price_file_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "prices.toml"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=r"prices\.toml cannot be read"):
        Overrides.from_environ({"PROMPTURE_PRICES": str(path)})


def price_at_the_same_time(monkeypatch: pytest.MonkeyPatch, where: str) -> set[str]:
    """Names with a price of one's own, where a second thread sets one in the middle of a first."""
    shop = Catalog(environ={"PROMPTURE_CATALOG": "snapshot"})
    plain = getattr(Overrides, where)
    second: list[Thread] = []

    def in_the_middle(*args: Any) -> Overrides:
        if not second:
            second.append(Thread(target=shop.override, args=(priced("p/second"),)))
            second[0].start()
            second[0].join(0.2)  # it may have to wait for the first
        made: Overrides = plain(*args)
        return made

    monkeypatch.setattr(Overrides, where, in_the_middle)
    shop.override(priced("p/first"))
    second[0].join()
    return {model for _, model in shop.overrides}


def priced(name: str) -> Overrides:
    return Overrides.from_table({name: {"input": 1, "output": 1}})


@pytest.mark.parametrize("where", ["joined", "from_environ"])
def test_two_threads_may_set_a_price_each(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    assert price_at_the_same_time(monkeypatch, where) == {"first", "second"}
