"""Work of a higher part of the package that a lower part starts, so that none imports upwards.

``prompture/__init__`` runs before any other module of the package and puts the functions in here.
They import what they need when they are called.
"""

from __future__ import annotations

from collections.abc import Callable


# Until it is replaced: a module may be imported without the package's own __init__ having ended.
def _nothing(*_: object) -> None:
    return


open_ledger: Callable[[], object] = _nothing
"""Opens the ledger that ``PROMPTURE_LEDGER`` names, at the first call of the process."""
read_config: Callable[[str], object] = _nothing
"""Registers the providers of the file that ``PROMPTURE_CONFIG`` names, at the first look-up."""
