"""From a function's signature and docstring to the schema of its arguments.

And back: from the arguments that a model gave, and the context of the run, to those of the call.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import getitem
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import typing_extensions
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from prompture.errors import ConfigurationError, SchemaError
from prompture.money import Bill
from prompture.schema.source import Source, source
from prompture.schema.type_adapter import caller_names, pydantic_form
from prompture.types import Message, ToolCall

C = TypeVar("C")
_FORBIDDEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Generic[C]):
    """Given to a tool's parameter that is annotated ``Context`` or ``Context[YourType]``.

    ``value`` is the ``context=`` of the agent or of the run. ``messages`` are the turns up to and
    with the one that holds ``call``, ``bill`` what the run has cost by then.
    """

    value: C
    call: ToolCall
    step: int = 0
    messages: tuple[Message, ...] = field(default=(), repr=False)
    bill: Bill = field(default=Bill(), repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function is called with what a model gives.

    ``source`` validates the arguments into a dict by parameter. ``context`` names the parameter
    that the model does not see, and ``wants_value`` says that it takes the context's value, not
    the Context. ``positional`` are the parameters that cannot be given by name.
    """

    source: Source[dict[str, Any]]
    description: str
    context: str | None = None
    wants_value: bool = False
    positional: tuple[str, ...] = ()

    def bind(
        self, values: Mapping[str, object], context: Context[object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """Positional and named arguments of the call."""
        named: dict[str, object] = dict(values)
        if self.context is not None:
            named[self.context] = context.value if self.wants_value else context
        if not self.positional:
            return (), named
        given = [name for name in self.positional if name in named]
        return tuple(named.pop(name) for name in given), named


def schema_of_function(
    function: Callable[..., object], *, name: str, context: str | None = None
) -> Signature:
    """The signature of a function, a bound method, a partial or a callable object.

    Pydantic makes the schema of the annotations; descriptions come from ``Annotated[...]``, else
    from the docstring. ``context`` names a parameter that takes the context's value. Raises
    ConfigurationError for what a model could not call.
    """
    plain = _underlying(function)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"tool {name!r}: cannot read its signature: {exc}") from exc
    hints = _hints(plain, name)
    described = describe(inspect.getdoc(plain))
    fields: dict[str, Any] = {}
    receiver, wants_value = context, context is not None
    if context is not None and context not in parameters:
        raise ConfigurationError(f"tool {name!r} has no parameter {context!r} for the context")
    for parameter in parameters.values():
        # The annotation itself is a string under ``from __future__ import annotations``.
        hint = hints.get(parameter.name, parameter.annotation)
        _check(parameter, name)
        if parameter.name == context:
            continue
        if _is_context(hint):
            if receiver is not None:
                raise ConfigurationError(f"tool {name!r} takes the context twice")
            receiver = parameter.name
            continue
        fields[parameter.name] = _field(parameter, hint, described)
    return Signature(
        source=_source(name, fields),
        description=described.text,
        context=receiver,
        wants_value=wants_value,
        positional=tuple(
            p.name for p in parameters.values() if p.kind is inspect.Parameter.POSITIONAL_ONLY
        ),
    )


def _check(parameter: inspect.Parameter, name: str) -> None:
    if parameter.kind in _FORBIDDEN:
        raise ConfigurationError(
            f"tool {name!r}: a model cannot fill *{parameter.name}; give it named parameters"
        )
    if parameter.name in ("self", "cls"):
        raise ConfigurationError(
            f"tool {name!r} is a method of no object: give the bound method, tool(thing.method)"
        )


def _underlying(function: Any) -> Any:
    """The function that has the annotations and the docstring."""
    # inspect.unwrap follows ``__wrapped__`` of decorators, but not partials.
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    routine = inspect.isroutine(function) or isinstance(function, type)
    return function if routine else type(function).__call__


def _hints(function: Any, name: str) -> dict[str, Any]:
    of = vars(function).get("__init__", function) if isinstance(function, type) else function
    try:
        return typing_extensions.get_type_hints(of, include_extras=True)
    except NameError:
        # An annotation in quotes may name something local to where the tool is made.
        try:
            return typing_extensions.get_type_hints(of, localns=caller_names(), include_extras=True)
        except NameError as exc:
            raise ConfigurationError(
                f"tool {name!r}: an annotation names {exc.name!r}, which is not defined"
            ) from exc
    except TypeError as exc:
        raise ConfigurationError(f"tool {name!r}: its annotations cannot be read: {exc}") from exc


def _is_context(hint: object) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (typing.Union, types.UnionType):
        return any(map(_is_context, get_args(hint)))
    return hint is Context or get_origin(hint) is Context


def _field(parameter: inspect.Parameter, hint: Any, described: Description) -> Any:
    """The annotation of a TypedDict's key."""
    bare = Any if hint is inspect.Parameter.empty else pydantic_form(hint)
    extras: list[Any] = []
    description = _annotated_description(bare) or described.parameters.get(parameter.name, "")
    required = parameter.default is inspect.Parameter.empty
    shown = {} if required else _shown_default(parameter.default)
    if description or shown:
        extras.append(Field(description=description or None, json_schema_extra=shown or None))
    # Written as a call, for the list of metadata is made here.
    form: Any = Annotated
    made = getitem(form, (bare, *extras)) if extras else bare
    return made if required else typing_extensions.NotRequired[made]


def _annotated_description(hint: object) -> str:
    """The description inside ``Annotated``: a Field's, a Doc's, or a plain string."""
    if get_origin(hint) is not Annotated:
        return ""
    for extra in get_args(hint)[1:]:
        if isinstance(extra, FieldInfo) and extra.description:
            return extra.description
        found = extra if isinstance(extra, str) else getattr(extra, "documentation", None)
        if isinstance(found, str):
            return found
    return ""


def _shown_default(default: object) -> JsonDict:
    """For the model's information: an argument that is left out is filled in by Python."""
    if default is None or isinstance(default, (str, int, float, bool)):
        return {"default": default}
    return {}


def _source(name: str, fields: dict[str, Any]) -> Source[dict[str, Any]]:
    make: Any = typing_extensions.TypedDict
    arguments = make(name, fields)
    # extra="forbid": an argument that the function does not have is a mistake of the model's, which
    # it can correct once it sees it.
    arguments.__pydantic_config__ = ConfigDict(extra="forbid", title=name)
    arguments.__doc__ = None  # else TypedDict's own docstring becomes the schema's description
    try:
        return source(arguments)
    except SchemaError as exc:
        raise ConfigurationError(f"tool {name!r}: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Description:
    """``text`` is all but the sections; ``parameters`` are descriptions by name."""

    text: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def describe(docstring: str | None) -> Description:
    """Read a docstring in Google's, NumPy's, Sphinx's or Epydoc's form.

    Without ``docstring-parser`` (extra ``agents``) the first paragraph is the whole description.
    """
    if not docstring or not docstring.strip():
        return Description()
    clean = inspect.cleandoc(docstring)
    try:
        import docstring_parser
    except ImportError:
        return Description(_first_paragraph(clean))
    try:
        parsed = docstring_parser.parse(clean)
    except docstring_parser.ParseError:
        return Description(_first_paragraph(clean))
    text = "\n\n".join(p for p in (parsed.short_description, parsed.long_description) if p)
    parameters = {
        p.arg_name.lstrip("*"): " ".join(p.description.split())
        for p in parsed.params
        if p.description
    }
    return Description(text or _first_paragraph(clean), parameters)


def _first_paragraph(text: str) -> str:
    return text.partition("\n\n")[0].strip()
