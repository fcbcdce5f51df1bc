"""Office files that need a password."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from prompture.document_errors import DocumentEncrypted, DocumentTooLarge, DocumentUnreadable
from prompture.documents import ReadOptions, read_bytes
from prompture.errors import MissingExtra
from prompture.types import FileDocument

_SPINS = re.compile(rb'spinCount="(\d{1,12})"')
_MOST_SPINS = 1_000_000
"""Rounds of hashing that a file may ask for; office programs take 100,000."""


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """An encrypted office file, opened. Raises DocumentEncrypted, and MissingExtra."""
    if options.password is None:
        raise DocumentEncrypted("it needs a password: password=...", name=options.name)
    try:
        import msoffcrypto
    except ImportError as missing:
        raise MissingExtra(extra="documents", package="msoffcrypto-tool") from missing
    if any(int(count) > _MOST_SPINS for count in _SPINS.findall(data)):
        raise DocumentTooLarge("its password takes too long to check", name=options.name)
    plain = io.BytesIO()
    try:
        opened = msoffcrypto.OfficeFile(io.BytesIO(data))
        opened.load_key(password=options.password, verify_password=True)
        opened.decrypt(plain)
    except msoffcrypto.exceptions.InvalidKeyError:
        raise DocumentEncrypted("the password is wrong", name=options.name) from None
    except Exception as exc:  # its parsers let through whatever a broken file brings up
        raise DocumentUnreadable(
            f"it is encrypted, and broken ({type(exc).__name__})", name=options.name
        ) from None
    return replace(read_bytes(plain.getvalue(), replace(options, media_type="")), data=data)
