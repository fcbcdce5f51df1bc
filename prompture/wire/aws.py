"""AWS Signature Version 4, as a pure function of the request, the keys and the time.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from prompture.wire.http import HTTPRequest

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an AWS identity; ``session_token`` belongs to temporary ones."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def sign(
    request: HTTPRequest, credentials: Credentials, *, region: str, service: str, now: datetime
) -> HTTPRequest:
    """The request with its Authorization header. ``now`` must bear a time zone."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    headers = {**request.headers, "host": urlsplit(request.url).netloc, "x-amz-date": stamp}
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(headers))
    digest = hashlib.sha256(_canonical(request, headers).encode()).hexdigest()
    text = "\n".join((_ALGORITHM, stamp, scope, digest))
    key = _signing_key(credentials.secret_access_key, scope)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope},"
        f" SignedHeaders={names}, Signature={signature}"
    )
    # The transport sets the host itself, out of the same URL.
    del headers["host"]
    return replace(request, headers=headers)


def _canonical(request: HTTPRequest, headers: Mapping[str, str]) -> str:
    url = urlsplit(request.url)
    pairs = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~"))
        for k, v in parse_qsl(url.query, keep_blank_values=True)
    )
    return "\n".join(
        (
            request.method,
            # Every service but S3 encodes the path once more than it stands in the URL.
            quote(url.path or "/", safe="/-_.~"),
            "&".join(f"{k}={v}" for k, v in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)),
            "",
            ";".join(sorted(headers)),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
