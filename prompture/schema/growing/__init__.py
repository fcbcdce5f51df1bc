"""Values that are still being written, in the shape of their own schema: restored and typed.

A ``View`` reads the snapshots of one answer. What is complete was restored and validated once;
what is open is put around it anew for each look.
"""

from .core import shape_of
from .shapes import PLAIN, Shape
from .view import View

__all__ = ["PLAIN", "Shape", "View", "shape_of"]
