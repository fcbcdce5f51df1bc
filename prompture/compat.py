"""What differs between versions: of Python, of this package, of the private names of others.

Each such name has a fallback, so that a release without it takes away no more than it must.
Every part of the package imports this module: it imports what few need only where they need it.
"""

from __future__ import annotations

import json.decoder
import sys
import warnings
from collections.abc import Callable, Mapping
from operator import attrgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property:
        """functools' own of Python 3.12: 3.11's holds one lock for all instances of a class,
        which a forked child may find taken for ever."""

        def __init__(self, function: Callable[[Any], Any]) -> None:
            self.function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            found = instance.__dict__[self.name] = self.function(instance)
            return found


__all__ = [
    "Untouched",
    "adapter_config",
    "adapter_type",
    "cached_property",
    "chunked_reader",
    "client_functions",
    "free_queues",
    "has_model_slots",
    "has_unread",
    "is_own",
    "keeps_pool",
    "plugged_validator",
    "rebuild",
    "renamed",
    "scan_string",
    "schema_validator",
]


def is_own(function: Any, package: str) -> bool:
    """Whether a function is the package's, and no recorder's, mock's or tracer's in its place.

    Wrappers copy names and modules, and pass on attributes; the type and the globals they
    cannot.
    """
    return type(function) is FunctionType and function.__globals__.get("__name__", "").startswith(
        f"{package}."
    )


class Untouched:
    """Whether a package's own functions stand where recorders, mocks and tracers put theirs.

    It is asked at each call, for they come and go; what was found in order once is remembered.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self.known: tuple[Any, ...] = ()
        """The functions that were found in order."""

    def __call__(self, functions: tuple[Any, ...]) -> bool:
        if functions and functions == self.known:
            return True
        if not functions or not all(is_own(function, self._package) for function in functions):
            return False
        self.known = functions
        return True


_client_functions = attrgetter(
    "send", "build_request", "_send_handling_auth", "_send_single_request"
)


def client_functions(client: type) -> tuple[Any, ...]:
    """The functions of httpx2's AsyncClient that tracers replace; none where it has others, and
    calls then go through a client, which all of them hear."""
    try:
        found: tuple[Any, ...] = _client_functions(client)
    except AttributeError:
        return ()
    return found


def keeps_pool(transport: type) -> bool:
    """Whether httpx2's AsyncHTTPTransport keeps its connections in ``_pool``, where another pool
    may take their place; else it has to make its own."""
    code = getattr(vars(transport).get("__init__"), "__code__", None)
    return "_pool" in getattr(code, "co_names", ())


def has_unread(connection: Any) -> bool:
    """Whether bytes lie behind the last response on a connection of httpcore2, in h11's buffer."""
    inner = connection
    while inner is not None:
        if (state := getattr(inner, "_h11_state", None)) is not None:
            return bool(state.trailing_data[0])
        inner = getattr(inner, "_connection", None)
    return False


def chunked_reader(raw: Any) -> tuple[Any, Any] | None:
    """The standard library's response beneath one of urllib3, and the file it reads a chunked
    body from; None for other bodies, or where they are not found: urllib3 then reads it itself."""
    from http.client import HTTPResponse

    original: Any = getattr(raw, "_original_response", None)
    # A recorder's class gives what it recorded by a ``read`` of its own.
    if getattr(type(original), "read", None) is not HTTPResponse.read or not original.chunked:
        return None
    reader = getattr(original, "fp", None)
    return (original, reader) if hasattr(reader, "read1") else None


def free_queues(manager: Any) -> None:
    """Free the locks of the queues in a PoolManager of urllib3; for a forked child, where the
    thread that held one is gone. Their connections can then be closed."""
    from queue import Queue

    from prompture.forks import free_lock

    for pool in list(getattr(manager.pools, "_container", {}).values()):
        queue = pool.pool
        if isinstance(queue, Queue):
            free_lock(queue.mutex)


def renamed(module: str, name: str, names: Mapping[str, str]) -> Any:
    """For a module's ``__getattr__``: what an old name of it stands for, with a warning.

    ``names`` are old names and their new ones. Raises AttributeError for any other.
    """
    new = names.get(name)
    if new is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    warnings.warn(f"{module}.{name} is now {module}.{new}", DeprecationWarning, stacklevel=3)
    return getattr(sys.modules[module], new)


def is_old_cache(value: object) -> bool:
    """Whether a ``cache=`` is the old spelling of ``prompt_cache=``, with a warning at the line of
    the caller's, however deep in this package it is found."""
    if value is not True and not isinstance(value, str):
        return False
    frame, depth = sys._getframe(), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("prompture"):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(
        "cache=True, '5m', ... asks the provider to cache the prompt: that is prompt_cache= now; "
        "cache= takes a prompture.Cache, which keeps answers",
        DeprecationWarning,
        stacklevel=depth,
    )
    return True


def _decoded_string(text: str, start: int) -> tuple[str, int]:
    return json.JSONDecoder().raw_decode(text, start - 1)


# The C function itself: it reads each event of a chat stream, where a wrapper would be felt.
scan_string: Callable[[str, int], tuple[str, int]] = getattr(
    json.decoder, "scanstring", _decoded_string
)
"""``scan_string(text, start)`` reads a JSON string whose opening quote stands just before
``start``: its value, and the place behind its closing quote. Raises ValueError."""


# Pydantic and pydantic-core


def schema_validator(core: Any, config: Any = None) -> Any:
    """A SchemaValidator of a core schema as it stands, also where a class in it has a validator of
    its own: pydantic-core would take that one, unless ``_use_prebuilt`` forbids it."""
    from pydantic_core import SchemaValidator

    make: Any = SchemaValidator
    try:
        return make(core, config, _use_prebuilt=False)
    except TypeError:  # a pydantic-core that never takes those of classes has no such switch
        return make(core, config)


def plugged_validator(core: Any, adapter: Any, config: Any) -> Any:
    """``schema_validator`` under the plugins of Pydantic (a tracer's), which see what is validated
    with it. ``adapter`` is the TypeAdapter that the schema is of."""
    try:
        from pydantic.plugin._schema_validator import create_schema_validator
    except ImportError:  # a Pydantic that keeps it elsewhere: plugins see nothing
        return schema_validator(core, config)
    kind: Any = adapter_type(adapter, object)
    home, name = getattr(kind, "__module__", ""), getattr(kind, "__qualname__", str(kind))
    make: Any = create_schema_validator
    own = {"_use_prebuilt": False} if _takes(make, "_use_prebuilt") else {}
    return make(core, kind, home, name, "TypeAdapter", config=config, **own)


def adapter_type(adapter: Any, default: Any) -> Any:
    """The type that a TypeAdapter was made for."""
    return getattr(adapter, "_type", default)


def adapter_config(adapter: Any) -> Any:
    """The core configuration that was given with the type (``TypeAdapter(..., config=...)``)."""
    given = getattr(adapter, "_config", None)
    if not given:
        return None
    try:
        from pydantic._internal._config import ConfigWrapper
    except ImportError:  # a Pydantic that keeps it elsewhere
        return None
    return ConfigWrapper(given).core_config(title=None)


def rebuild(thing: Any, names: Mapping[str, Any]) -> None:
    """Complete a model class or a TypeAdapter whose annotations mention ``names``. Raises what
    Pydantic raises where one is missing all the same."""
    make: Any = getattr(thing, "model_rebuild" if isinstance(thing, type) else "rebuild")
    # A Pydantic without this argument looks names up where it is called from, and not in ``names``.
    known = {"_types_namespace": names} if _takes(make, "_types_namespace") else {}
    make(force=True, raise_errors=True, **known)


def _takes(function: Callable[..., Any], name: str) -> bool:
    from inspect import signature

    return name in signature(function).parameters


def has_model_slots(cls: type) -> bool:
    """Whether instances of a Pydantic model keep what they hold under the names that
    ``BaseModel`` documents, so that one can be made without validation and without defaults."""
    return all(
        hasattr(cls, name)
        for name in (
            "__pydantic_fields_set__",
            "__pydantic_extra__",
            "__pydantic_private__",
            "__private_attributes__",
        )
    )
