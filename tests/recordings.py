"""The real exchanges in ``../shared/recordings``, as plain values.

``cases()`` is empty where the folder is absent, so a test parametrised over it is then skipped.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = (
    Path(os.environ.get("PROMPTURE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    / "recordings"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A recorded request. Header names are lower case, ``body`` is what went over the wire."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Got:
    """A recorded response. Header names are lower case, ``body`` is decoded of any encoding."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Interaction:
    request: Sent
    response: Got


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the manifest. ``row`` is all of it."""

    file: str
    provider: str
    model: str
    endpoint: str
    features: tuple[str, ...]
    status: int
    statuses: tuple[int, ...]
    usage: Mapping[str, Any]
    row: Mapping[str, Any]

    def __str__(self) -> str:
        return self.file.removesuffix(".yaml")

    @property
    def interactions(self) -> list[Interaction]:
        """Loaded from the cassette, each time anew."""
        return load(FOLDER / self.file)


def cases(
    *, provider: str | None = None, feature: str | None = None, endpoint: str | None = None
) -> list[Case]:
    """Cases of a provider, with a feature, and with an endpoint that ends so; all by default."""
    return [
        case
        for case in manifest()
        if provider in (None, case.provider)
        and (feature is None or feature in case.features)
        and (endpoint is None or case.endpoint.endswith(endpoint))
    ]


@cache
def manifest() -> tuple[Case, ...]:
    """Every case, in the order of the manifest; none where the folder is absent."""
    path = FOLDER / "MANIFEST.jsonl"
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8") as lines:
        return tuple(_case(json.loads(line)) for line in lines if line.strip())


def _case(row: Mapping[str, Any]) -> Case:
    return Case(
        file=row["file"],
        provider=row["provider"],
        model=row.get("model") or "",
        endpoint=row.get("endpoint") or "",
        features=tuple(row.get("features") or ()),
        status=row.get("status") or 0,
        statuses=tuple(row.get("statuses") or ()),
        usage=row.get("usage") or {},
        row=row,
    )


def load(path: Path) -> list[Interaction]:
    """The interactions of one vcrpy cassette."""
    with path.open("rb") as file:
        cassette = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return [_interaction(entry) for entry in cassette["interactions"]]


def _interaction(entry: Mapping[str, Any]) -> Interaction:
    sent, got = entry["request"], entry["response"]
    return Interaction(
        Sent(sent["method"], sent["uri"], _headers(sent), _bytes(sent.get("body"))),
        Got(int(got["status"]["code"]), _headers(got), _bytes(got.get("body"))),
    )


def _headers(message: Mapping[str, Any]) -> dict[str, str]:
    pairs = (message.get("headers") or {}).items()
    return {
        name.lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in pairs
    }


def _bytes(body: Any) -> bytes:
    """A body as vcrpy stores it: text, bytes, or a mapping with ``string`` or ``base64_string``."""
    if isinstance(body, Mapping):
        if "base64_string" in body:
            return base64.b64decode(body["base64_string"])
        body = body.get("string")
    if body is None:
        return b""
    return body if isinstance(body, bytes) else str(body).encode()
