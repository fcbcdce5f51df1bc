"""What the environment says about the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prompture.catalog import live


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says: whether to use the network, from where, and where to cache.

    ``PROMPTURE_OFFLINE=1`` or ``PROMPTURE_CATALOG=offline`` keep off the network (what lies in
    the cache is still used); ``PROMPTURE_CATALOG=snapshot`` also leaves the cache alone, which
    makes prices reproducible. ``PROMPTURE_CATALOG_URL`` and ``PROMPTURE_CACHE_DIR`` replace the
    address and the folder.
    """

    online: bool
    cached: bool
    url: str
    folder: Path

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Settings of an environment."""
        mode = environ.get("PROMPTURE_CATALOG", "").strip().lower()
        offline = environ.get("PROMPTURE_OFFLINE", "").strip().lower() not in (
            "",
            "0",
            "false",
            "no",
        )
        return cls(
            online=not offline and mode not in ("offline", "snapshot"),
            cached=mode != "snapshot",
            url=environ.get("PROMPTURE_CATALOG_URL", "") or live.URL,
            folder=_folder(environ),
        )


def _folder(environ: Mapping[str, str]) -> Path:
    chosen = environ.get("PROMPTURE_CACHE_DIR", "")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("prompture", appauthor=False)
