"""What a place of a growing value is to become, and how it is restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticUndefined, SchemaValidator, to_json

from prompture.compat import has_model_slots, schema_validator
from prompture.schema.problems import InvalidValue, Problem, problems_of
from prompture.schema.rewriting.codec import ABSENT, SAME, ValueCodec, is_same
from prompture.types import JSONValue

R = TypeVar("R")
Siblings: TypeAlias = Callable[[], Mapping[str, object]]
"""The complete values of the container so far, by their keys in the JSON."""


class Shape:
    """A place of which nothing is known: its values stay plain JSON."""

    __slots__ = ()

    def settle(self, node: object) -> Shape:
        """The same, of what is certain once the container there has begun (a union's branch)."""
        return self

    def inside(self, key: str | int) -> Shape:
        """The shape under a key of the container."""
        return PLAIN

    def whole(self, value: object, siblings: Siblings) -> object:
        """The typed value of a complete one, beside those of its container that were complete
        before it. Raises InvalidValue."""
        return value

    def begun(self, parts: object) -> object:
        """A container that is not complete, of the typed values in it so far; ABSENT where it
        is not certain what it will be."""
        return parts

    def growing(self, text: str) -> object:
        """A string that is not complete; ABSENT where only the whole of it means something."""
        return text


PLAIN = Shape()


class PartValidator:
    """One part of a core schema, as a validator that is made when first needed."""

    __slots__ = ("_by_name", "_config", "_made", "_schema", "context")

    def __init__(
        self, schema: Callable[[], object], config: object, by_name: bool | None, context: object
    ) -> None:
        self._schema = schema
        self.context = context
        self._config = config
        self._by_name = by_name
        self._made: SchemaValidator | None = None

    @property
    def validator(self) -> SchemaValidator:
        if self._made is None:
            self._made = schema_validator(self._schema(), self._config)
        return self._made

    def read(self, value: object) -> object:
        """Read as JSON is: a date is a string. Raises InvalidValue."""
        read, by_name, context = self.validator.validate_json, self._by_name, self.context
        return checked(
            lambda: read(_text(value), by_alias=True, by_name=by_name, context=context), value
        )


def checked(validate: Callable[[], R], value: object) -> R:
    """What ``validate`` returns. Raises InvalidValue, whatever it raised.

    A validator may look at fields that are not there yet, and fail in any way it likes.
    """
    try:
        return validate()
    except ValidationError as error:
        raise problems_of(error, lambda: value) from None
    except Exception as error:  # a user's validator may raise anything on half a value
        message = f"cannot be checked before the rest is there ({type(error).__name__})"
        raise InvalidValue([Problem("", message, "unchecked")]) from error


def _text(value: object) -> bytes:
    return to_json(value, inf_nan_mode="constants")


class Typed(Shape):
    """A place of which only the complete value is typed."""

    __slots__ = ("_reader", "_words")

    def __init__(self, reader: PartValidator, *, words: bool = False) -> None:
        self._reader = reader
        self._words = words

    def whole(self, value: object, siblings: Siblings) -> object:
        return self._reader.read(value)

    def begun(self, parts: object) -> object:
        return ABSENT

    def growing(self, text: str) -> object:
        return text if self._words else ABSENT


class Listed(Typed):
    """A list of one shape."""

    __slots__ = ("_item",)

    def __init__(self, reader: PartValidator, item: Callable[[], Shape]) -> None:
        super().__init__(reader)
        self._item = item

    def inside(self, key: str | int) -> Shape:
        return self._item()

    def begun(self, parts: object) -> object:
        return parts


class Keyed(Listed):
    """A dict of any keys, its values of one shape."""

    __slots__ = ()


class Named(Typed):
    """An object of named fields: a model, a dataclass, a TypedDict.

    ``fields`` are by the keys of the JSON, aliases and names alike. ``build`` makes the object
    out of the values by attribute, and of those under keys that are no field's.
    """

    __slots__ = ("_build", "_plainly_named", "fields")

    def __init__(
        self,
        reader: PartValidator,
        fields: Mapping[str, tuple[str, Shape]],
        build: Callable[[dict[str, object], dict[str, object]], Any],
    ) -> None:
        super().__init__(reader)
        self.fields = fields
        self._build = build
        self._plainly_named = all(key == name for key, (name, _) in fields.items())

    def inside(self, key: str | int) -> Shape:
        found = self.fields.get(str(key))
        return found[1] if found else PLAIN

    def begun(self, parts: object) -> object:
        if not isinstance(parts, dict):
            return ABSENT
        fields = self.fields
        if self._plainly_named and parts.keys() <= fields.keys():
            return self._build(parts, {})
        known, extra = {}, {}
        for key, value in parts.items():
            if key in fields:
                known[fields[key][0]] = value
            else:
                extra[key] = value
        return self._build(known, extra)


class Member(Typed):
    """A field of a model whose validators may look at the fields before it."""

    __slots__ = ("_inner", "_key", "_name", "_names", "_owner")

    def __init__(
        self,
        reader: PartValidator,
        inner: Shape,
        owner: PartValidator,
        name: str,
        names: Mapping[str, tuple[str, Shape]],
    ) -> None:
        super().__init__(reader)
        self._inner = inner
        self._owner = owner
        self._name = name
        self._names = names

    def settle(self, node: object) -> Shape:
        return self._inner.settle(node)

    def inside(self, key: str | int) -> Shape:
        return self._inner.inside(key)

    def begun(self, parts: object) -> object:
        return self._inner.begun(parts)

    def growing(self, text: str) -> object:
        return self._inner.growing(text)

    def whole(self, value: object, siblings: Siblings) -> object:
        names = self._names
        known = {names[key][0]: found for key, found in siblings().items() if key in names}
        assign, context = self._owner.validator.validate_assignment, self._owner.context
        try:
            found: Any = checked(lambda: assign(known, self._name, value, context=context), value)
        except InvalidValue:
            # Assignment takes Python values; a strict field wants to see JSON.
            return self._reader.read(value)
        return found[0][self._name]


class Branched(Typed):
    """A union; ``pick`` knows the branch of a container once it is certain, and until then it
    is not shown."""

    __slots__ = ("_pick",)

    def __init__(
        self, reader: PartValidator, pick: Callable[[object], Shape | None], *, words: bool
    ) -> None:
        super().__init__(reader, words=words)
        self._pick = pick

    def settle(self, node: object) -> Shape:
        found = self._pick(node)
        return self if found is None else found.settle(node)


class Rooted(Typed):
    """A RootModel: what is inside stands for the whole."""

    __slots__ = ("_build", "_inner")

    def __init__(
        self, reader: PartValidator, inner: Shape, build: Callable[[object], object]
    ) -> None:
        super().__init__(reader)
        self._inner = inner
        self._build = build

    def settle(self, node: object) -> Shape:
        settled = self._inner.settle(node)
        return self if settled is self._inner else Rooted(self._reader, settled, self._build)

    def inside(self, key: str | int) -> Shape:
        return self._inner.inside(key)

    def begun(self, parts: object) -> object:
        held = self._inner.begun(parts)
        return held if held is ABSENT else self._build(held)

    def growing(self, text: str) -> object:
        grown = self._inner.growing(text)
        return grown if grown is ABSENT else self._build(grown)


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
            if self.codec.name_of(key) is None:
                return SAME, PLAIN
            return self.codec.inside(key), self.shape
        name = "" if self.kind == "pairs" else self.codec.name_of(key)
        return self.codec.inside(key), self.shape.inside(key if name is None else name)


def growing(codec: ValueCodec, shape: Shape, text: str) -> JSONValue:
    """The value of an unfinished string; ABSENT where only the whole string can be restored."""
    return shape.growing(text) if is_same(codec) else ABSENT


def model_builder(
    cls: Any, names: list[str]
) -> Callable[[dict[str, object], dict[str, object]], Any]:
    """Makes instances that were not validated: None for each field that is not there yet.

    Not ``model_construct``, which would put defaults where the document may yet say otherwise.
    """
    blank = dict.fromkeys(names)
    if not has_model_slots(cls):
        return lambda values, extra: cls.model_construct(
            set(values), **{**blank, **values, **extra}
        )
    takes_more = cls.model_config.get("extra") == "allow"
    has_private = bool(cls.__private_attributes__)
    set_slot = object.__setattr__

    def build(values: dict[str, object], extra: dict[str, object]) -> object:
        made = cls.__new__(cls)
        set_slot(made, "__dict__", {**blank, **values})
        set_slot(made, "__pydantic_fields_set__", set(values))
        set_slot(made, "__pydantic_extra__", extra if takes_more else None)
        set_slot(made, "__pydantic_private__", _private(cls) if has_private else None)
        return made

    return build


def _private(cls: Any) -> dict[str, object]:
    """The private attributes that a new instance has; they are not copied from one another."""
    given = {name: each.get_default() for name, each in cls.__private_attributes__.items()}
    return {name: value for name, value in given.items() if value is not PydanticUndefined}


def dataclass_of(cls: Any, names: list[str], values: dict[str, object]) -> object:
    made = cls.__new__(cls)
    for name in names:
        object.__setattr__(made, name, values.get(name))
    return made
