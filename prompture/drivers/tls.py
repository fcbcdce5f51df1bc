"""One TLS context for the process, made when first needed: making one costs about 20 ms."""

from __future__ import annotations

import os
import ssl
from functools import cache

from prompture.errors import ConfigurationError

_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@cache
def context() -> ssl.SSLContext:
    """Verifies against ``SSL_CERT_FILE`` (or requests' and curl's variables), else certifi.

    Raises ConfigurationError where the variable names no readable bundle.
    """
    for name in _BUNDLES:
        if path := os.environ.get(name):
            try:
                if os.path.isdir(path):
                    return ssl.create_default_context(capath=path)
                return ssl.create_default_context(cafile=path)
            except (OSError, ssl.SSLError) as exc:
                raise ConfigurationError(f"{name} names no readable CA bundle: {exc}") from exc
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def bare() -> ssl.SSLContext:
    """A context with no certificates, for plain http: cheap, and it verifies nothing away."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
