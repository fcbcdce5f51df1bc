"""Base URLs and headers as callers spell them, checked before anything is sent.

Messages name what was given and where; of a URL they show no user, password or query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from prompture.errors import ConfigurationError
from prompture.wire.http import bad_header, bad_url, shown

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A name of a header (RFC 9110, token)."""
_BAD_IN_URL = re.compile(r"[\x00-\x20\x7f#{}<>\"\\^`|]")


def filled(url: str, settings: Mapping[str, str], label: str) -> str:
    """The URL with the settings that it names; other braces stay as they are."""
    for name, value in settings.items():
        if f"{{{name}}}" not in url:
            continue
        if "://" not in value and set(value) & set("/?#@ \\"):
            raise ConfigurationError(
                f"{label}: {name} is part of the host or path, and {value!r} cannot be"
            )
        url = url.replace(f"{{{name}}}", value)
    return url


def check_url(url: str, label: str) -> None:
    """Raise ConfigurationError where this is no http(s) URL with a host."""
    if not url.lower().startswith(("http://", "https://")):
        bare = shown(url if "://" in url else f"https://{url}").removeprefix("https://")
        near = "" if "://" in url else f"; did you mean 'https://{bare}'?"
        raise ConfigurationError(f"{label} needs http:// or https:// before {bare!r}{near}")
    if not is_url(url):
        raise ConfigurationError(f"{label} must be http(s)://host..., not {shown(url)!r}")


@lru_cache(64)
def is_url(url: str) -> bool:
    """Whether this is an http(s) URL with a host, and nothing in it that a URL cannot hold."""
    return bad_url(url) is None and not _BAD_IN_URL.search(url)


def checked_headers(given: object, label: str) -> Mapping[str, str]:
    """Headers of the caller's own; None gives none. Their values are not quoted."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{label} must be a dict of texts, not {type(given).__name__}")
    for name, value in given.items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            raise ConfigurationError(f"{label}: no header is called {name!r}")
        if not isinstance(value, str):
            raise ConfigurationError(
                f"{label}: {name!r} must be a text, not {type(value).__name__}"
            )
    if name := bad_header(given):
        raise ConfigurationError(f"{label}: {name!r} holds a character that cannot be sent")
    return given
