"""The errors of files that cannot be read as asked: a branch of the tree in ``prompture.errors``.

* DocumentError           a ConfigurationError: another file, or other options
    * DocumentUnreadable      broken, or not what it is called
    * DocumentEncrypted       it needs a password, or another one
    * DocumentEmpty           there is nothing in it
    * DocumentWithoutText     pictures of text that were not read, for a model that sees none
    * DocumentTooLarge        more than a limit allows, packed or unpacked
    * DocumentUnsupported     a kind of file that nothing here reads
    * DocumentUnavailable     a URL that gives no file, or that may not be asked
"""

from __future__ import annotations

from prompture.errors import ConfigurationError


class DocumentError(ConfigurationError):
    """A file cannot be read as asked. Nothing was sent.

    Attributes:
        name: the name of the file, without its folders; "" where it has none.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.name = name


class DocumentUnreadable(DocumentError):
    """The file is broken, or not what it is called."""


class DocumentEncrypted(DocumentError):
    """The file needs a password (``document(path, password=...)``), or another one."""


class DocumentEmpty(DocumentError):
    """There is nothing in the file: no byte, no page, or no text and no picture."""


class DocumentWithoutText(DocumentError):
    """The file has pictures of text only, which were not read, and the model sees no pictures."""


class DocumentTooLarge(DocumentError):
    """The file has more bytes, pages or pixels than a limit allows, packed or unpacked."""


class DocumentUnsupported(DocumentError):
    """A kind of file that nothing here reads."""


class DocumentUnavailable(DocumentError):
    """A URL gives no file: no answer, another answer, or an address that may not be asked."""
