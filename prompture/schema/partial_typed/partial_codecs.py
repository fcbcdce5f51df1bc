"""Places of an answer: how each is restored, and what it is to become."""

from __future__ import annotations

from prompture.schema.partial_typed.shapes import Branched, Shape
from prompture.schema.rewriting.codec import ABSENT, ValueCodec, is_same
from prompture.types import JSONValue


class ContainerCodec:
    """The codec and shape of a container that has begun, as far as they are certain.

    ``kind`` is the codec's ``partial``. ``certain`` is False where more of the container may show another codec
    or shape.
    """

    __slots__ = ("certain", "codec", "kind", "shape")

    def __init__(self, codec: ValueCodec, shape: Shape, node: JSONValue) -> None:
        self.codec = codec.begun(node)
        self.kind = self.codec.partial
        self.shape = shape
        self.certain = True
        if self.kind == "wrapper":
            self.certain = bool(node)
        elif self.kind == "pairs":
            self.shape = shape.settle({})
        elif self.kind == "open":
            self.shape = shape.settle(node)
            self.certain = not isinstance(self.shape, Branched)
        else:
            self.certain = False

    def inside(self, key: str | int) -> tuple[ValueCodec, Shape]:
        """Codec and shape of what stands under a key of the answer."""
        if self.kind == "wrapper":
            return self.codec.inside(key), self.shape
        name = "" if self.kind == "pairs" else self.codec.name_of(key)
        return self.codec.inside(key), self.shape.inside(key if name is None else name)


def growing(codec: ValueCodec, shape: Shape, text: str) -> JSONValue:
    """The value of an unfinished string; ABSENT where only the whole string can be restored."""
    return shape.growing(text) if is_same(codec) else ABSENT
