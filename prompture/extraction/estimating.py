"""The part of Extractor that foresees costs; what it needs is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompture.extraction.options import Content

if TYPE_CHECKING:
    from prompture.extraction.estimate import Counting, Estimate


class Estimating:
    """``estimate`` and ``aestimate`` of an Extractor."""

    def estimate(self: Any, text: Content, *, count: Counting = "local") -> Estimate:
        """What ``extract(text)`` would cost. See ``prompture.estimate``."""
        from prompture.extraction.estimate import foresee

        return foresee(self, text, count=count)

    async def aestimate(self: Any, text: Content, *, count: Counting = "local") -> Estimate:
        """``estimate``, awaited."""
        from prompture.extraction.estimate import aforesee

        return await aforesee(self, text, count=count)
