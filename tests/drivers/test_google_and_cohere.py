"""Google's and Cohere's rows: where they point, what they narrow, what they charge for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from prompture import CohereDriver
from prompture.codecs.base import Endpoint
from prompture.drivers.own_rows import cohere, google, vertex
from prompture.drivers.provider import Provider
from prompture.errors import MissingKey
from prompture.types import Request, Usage, user

ASK = Request(model="gemini-3-flash", messages=(user("hi"),))


def url(row: Provider, endpoint: Endpoint) -> str:
    return row.codec.encode(ASK, endpoint).url


def test_google(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingKey, match="GEMINI_API_KEY"):
        google().endpoint()
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-gemini")
    assert google().endpoint().api_key == "AIza-gemini"
    monkeypatch.setenv("GOOGLE_API_KEY", "AIza-google")
    assert google().endpoint().api_key == "AIza-google"
    assert url(google(), google().endpoint()).startswith(
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash:"
    )


def test_vertex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west4")
    endpoint = vertex().endpoint("token")
    assert url(vertex(), endpoint) == (
        "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/p/locations/europe-west4"
        "/publishers/google/models/gemini-3-flash:generateContent"
    )
    own = "https://aiplatform.googleapis.com/v1/projects/q/locations/global/publishers/google"
    for row in (google(), vertex()):
        endpoint = row.endpoint("token", own)
        assert url(row, endpoint) == own + "/models/gemini-3-flash:generateContent"
        sent = row.codec.encode(ASK, endpoint)
        assert sent.headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("row", "model", "expected"),
    [
        (google(), "gemini-2.5-flash", {"schema_with_tools": False, "files": True}),
        (vertex(), "gemini-3.5-flash", {"schema_with_tools": True, "vision": True}),
        (google(), "gemini-flash-latest", {"schema_with_tools": True}),
        (cohere(), "command-r", {"vision": False, "forced_tool": False}),
        (cohere(), "command-a-03-2025", {"vision": False, "forced_tool": True}),
        (cohere(), "command-a-vision-07-2025", {"vision": True, "schema_with_tools": False}),
    ],
)
def test_narrow(row: Provider, model: str, expected: dict[str, Any]) -> None:
    features = row.features_of(model)
    assert {name: getattr(features, name) for name in expected} == expected


def test_cohere_charges_for_billed_units() -> None:
    driver = CohereDriver("command-r-08-2024", api_key="k")
    entry = driver.entry()
    assert entry is not None and entry.rates is not None
    counted = Usage(
        input_tokens=496,
        output_tokens=20,
        cache_read_tokens=480,
        reported=True,
        raw={"billed_units": {"input_tokens": 1, "output_tokens": 10}},
    )
    plain = Usage(input_tokens=1, output_tokens=10, reported=True)
    cost = driver.price(counted)
    assert cost.usd == driver.price(plain).usd
    assert cost.usd is not None and Decimal(0) < cost.usd < Decimal("0.001")
