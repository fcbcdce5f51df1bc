"""Values that are still being written, in the shape of their own schema: restored and typed.

A ``PartialReader`` reads the snapshots of one answer. What is complete was restored and validated once;
what is open is put around it anew for each look.
"""

from .reader import PartialReader
from .shape_compiler import shape_of
from .shapes import PLAIN, Shape

__all__ = ["PLAIN", "PartialReader", "Shape", "shape_of"]
