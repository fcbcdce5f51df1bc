"""Values of an answer that is still being written, restored and typed in the shape of its schema."""

from .reader import PartialReader
from .shape_compiler import shape_of
from .shapes import PLAIN, Shape

__all__ = ["PLAIN", "PartialReader", "Shape", "shape_of"]
