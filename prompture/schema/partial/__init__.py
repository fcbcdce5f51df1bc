"""JSON that is still being written: live values, snapshots, and list items as they complete.

`PartialParser` builds the value and tells what happens in it; `ItemScanner` hands out the raw
text of each item of one list, and builds only the rest.
"""

from .events import (
    Completed,
    Event,
    Expect,
    Grown,
    ItemCompleted,
    Opened,
    PartialJSONError,
    Path,
    pointer,
)
from .items import ItemScanner
from .parser import PartialParser
from .snapshot import Snapshot

__all__ = [
    "Completed",
    "Event",
    "Expect",
    "Grown",
    "ItemCompleted",
    "ItemScanner",
    "Opened",
    "PartialJSONError",
    "PartialParser",
    "Path",
    "Snapshot",
    "pointer",
]
