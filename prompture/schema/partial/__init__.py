"""JSON that is still being written: live values, snapshots, and list items as they complete.

`PartialParser` builds the value; `ItemScanner` gives the raw text of each item of one list, and
builds only what is around the list.
"""

from .item_scanner import ItemScanner
from .machine import Container, Expect, PartialJSONError, Path
from .parser import PartialParser, Snapshot

__all__ = [
    "Container",
    "Expect",
    "ItemScanner",
    "PartialJSONError",
    "PartialParser",
    "Path",
    "Snapshot",
]
