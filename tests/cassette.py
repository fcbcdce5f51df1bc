"""Cassettes: HTTP exchanges in files, without secrets, played back without a network.

``playing(path)`` answers from a cassette and refuses every request that is not in it, by method,
host, path, query and body. ``recording(path)`` writes one; what is secret never reaches the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import vcr
from vcr.cassette import Cassette
from vcr.request import Request as Sent

FOLDER = Path(__file__).parent / "cassettes"
SCRUBBED = "scrubbed"
KEPT_OF_REQUESTS = ("content-type", "accept", "anthropic-version", "anthropic-beta")
KEPT_OF_RESPONSES = ("content-type", "retry-after", "retry-after-ms", "x-amzn-errortype")
"""Headers that get into a cassette. A list of what may stay cannot forget a new secret, as one
of what must go can: keys, cookies, organisations, projects and ids are all left out."""
SECRET_QUERIES = frozenset({"key", "api_key", "api-key", "apikey", "access_token", "token", "sig"})
SECRETS = re.compile(
    r"""(?x)
      \b(?:sk|pk|rk|gsk|xai|fw|pplx|csk|nvapi|r8|tgp_v1)[-_][A-Za-z0-9_-]{16,}   # keys by prefix
    | \bhf_[A-Za-z0-9]{16,} | \bms-[0-9a-f]{8}-[0-9a-f-]{20,}
    | \bAIza[A-Za-z0-9_-]{20,} | \bya29\.[A-Za-z0-9_-]{10,}                      # Google
    | \b(?:AKIA|ASIA|ABSK)[A-Za-z0-9+/=]{12,}                                    # AWS
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}                                # JSON web tokens
    | \b(?i:bearer)\s+(?!scrubbed)[A-Za-z0-9._~+/=-]{12,}
    | \borg-[A-Za-z0-9]{16,} | \bproj_[A-Za-z0-9]{16,} | \buser-[A-Za-z0-9]{20,}
    | \breq_[A-Za-z0-9]{16,} | \breq-[0-9a-f-]{16,}
    """
)
MATCHED = ("method", "scheme", "host", "port", "path", "query", "json")
Body = str | bytes | None


def scrubbed_text(text: str, secrets: tuple[str, ...] = ()) -> str:
    """The text without the given secrets and without whatever looks like one."""
    for secret in filter(None, secrets):
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, SCRUBBED)
    return SECRETS.sub(SCRUBBED, text)


def scrubbed_body(body: Body, secrets: tuple[str, ...] = ()) -> Body:
    """A body without secrets. Raises ValueError for one inside a binary body, which cannot be
    changed without breaking it."""
    if not isinstance(body, bytes):
        return scrubbed_text(body, secrets) if isinstance(body, str) else body
    try:
        return scrubbed_text(body.decode(), secrets).encode()
    except UnicodeDecodeError:
        text = body.decode("latin-1")
        if scrubbed_text(text, secrets) != text:
            raise ValueError("a binary body holds what looks like a secret") from None
        return body


def scrubbed_url(url: str, moved: Mapping[str, str] | None = None) -> str:
    """The URL without secret queries, and what ``moved`` names as what it maps that to."""
    for here, there in (moved or {}).items():
        url = url.replace(here, there)
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(k, SCRUBBED if k.lower() in SECRET_QUERIES else v) for k, v in pairs]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(kept), ""))


def tape(
    *, record: bool = False, moved: Mapping[str, str] | None = None, secrets: tuple[str, ...] = ()
) -> vcr.VCR:
    """VCR as the project uses it. ``moved`` maps parts of the URLs that were called (origins,
    accounts) to those that the cassette shall name."""

    def sent(request: Sent) -> Sent:
        headers = {k: v for k, v in request.headers.items() if k.lower() in KEPT_OF_REQUESTS}
        url = scrubbed_url(request.uri, moved)
        return Sent(request.method, url, scrubbed_body(request.body, secrets), headers)

    def got(response: dict[str, Any]) -> dict[str, Any]:
        headers = response["headers"]
        kept = {k.lower(): v for k, v in headers.items() if k.lower() in KEPT_OF_RESPONSES}
        body = {**response["body"], "string": scrubbed_body(response["body"]["string"], secrets)}
        return {**response, "headers": kept, "body": body}

    made = vcr.VCR(
        record_mode="all" if record else "none",
        match_on=MATCHED,
        before_record_request=sent,
        before_record_response=got,
        decode_compressed_response=True,
    )
    made.register_matcher("json", same_body)
    return made


def same_body(ours: Any, recorded: Any) -> None:
    """Equal as JSON, or as bytes where either is none. What they say is in no message."""
    if _plain(ours.body) != _plain(recorded.body):
        raise AssertionError("the bodies differ: record the cassette again if that is intended")


def _plain(body: Any) -> Any:
    raw = body if isinstance(body, bytes) else (body or "").encode()
    try:
        return json.loads(raw)
    except ValueError:
        return raw


@contextmanager
def playing(path: Path) -> Iterator[Cassette]:
    """Play a cassette, each exchange once and all of them."""
    with tape().use_cassette(str(path)) as cassette:
        yield cassette
    if not cassette.all_played:
        raise AssertionError(f"{path.name}: not every exchange of the cassette was asked for")


@contextmanager
def recording(
    path: Path, *, how: str, moved: Mapping[str, str] | None = None, secrets: tuple[str, ...] = ()
) -> Iterator[None]:
    """Record anew. ``how`` becomes the first line: where the answers came from."""
    path.unlink(missing_ok=True)
    with tape(record=True, moved=moved, secrets=secrets).use_cassette(str(path)):
        yield
    text = path.read_text(encoding="utf-8")
    path.write_text(f"# {how}\n{text}", encoding="utf-8")


def how_made(path: Path) -> str:
    """The first line of a cassette, which says how it was made."""
    with path.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("# ").strip()
