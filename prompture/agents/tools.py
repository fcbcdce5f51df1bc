"""``tool``: a function made into something a model can call."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from threading import Thread
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, Unpack, get_args, overload

from prompture import given
from prompture.agents.signatures import Context, Signature, schema_of_function
from prompture.errors import ConfigurationError
from prompture.schema.source import safe_name
from prompture.types import JSON, ToolCall

Function: TypeAlias = Callable[..., Any]
"""What a tool is made of; it may be a coroutine function."""


class Later(Enum):
    """The type of ``LATER``."""

    LATER = "later"

    def __repr__(self) -> str:
        return "LATER"


LATER = Later.LATER
"""The verdict that a call must wait for its approval: the run ends with WaitingForApproval."""
Verdict: TypeAlias = "bool | str | Later"
"""True lets a call pass; False stops it, and so does a string: the reason, which the model gets.
LATER ends the run, which goes on with ``Agent.resume``."""
Approve: TypeAlias = Callable[[ToolCall, Context[Any]], "Verdict | Awaitable[Verdict]"] | Later
"""A function that gives the Verdict, sync or async; or LATER, for each call."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What was decided on a call that waited: the verdict, and other arguments than the model's
    (None: those)."""

    verdict: Verdict
    arguments: JSON | None = None


OnError: TypeAlias = Literal["tell", "hide", "raise"]
MAX_RESULT_CHARS = 40_000


class ToolRetry(Exception):
    """Raise it in a tool, with a message for the model, which may then call again."""


@dataclass(slots=True, eq=False)
class BackgroundCall:
    """A call of a tool's function under way. ``is_over`` is True once it has returned; ``thread``
    is None where it runs in none of its own."""

    thread: Thread | None
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FunctionTool:
    """A function that a model can call; made by ``tool``.

    ``name`` is ``[A-Za-z0-9_-]{1,64}``. Where there is an ``afunction``, async runs call it instead
    of ``function``. ``timeout`` is seconds, None for the agent's; other settings: see ``tool``.
    """

    name: str
    description: str
    signature: Signature
    function: Function
    afunction: Function | None = None
    timeout: float | None = None
    retries: int = 3
    approve: Approve | None = None
    strict: bool = False
    max_chars: int = MAX_RESULT_CHARS
    on_error: OnError = "tell"
    hung: list[BackgroundCall] = field(default_factory=list, repr=False)
    """Calls that timed out and had not returned by then."""

    def __call__(self, *args: object, **named: object) -> Any:
        """The plain function."""
        return self.function(*args, **named)

    @property
    def parameters(self) -> JSON:
        """The JSON Schema of the arguments, before any provider's rewriting."""
        return self.signature.source.json_schema

    def validate(self, arguments: JSON) -> dict[str, Any]:
        """Typed arguments by parameter. Raises InvalidValue."""
        return self.signature.source.validate(arguments)

    def __repr__(self) -> str:
        return f"FunctionTool({self.name!r})"


class ToolOptions(TypedDict, total=False):
    """The options of ``tool``."""

    name: str | None
    description: str | None
    context: str | None
    timeout: float | None
    retries: int
    approve: Approve | None
    strict: bool
    max_chars: int
    on_error: OnError


class HasTools(Protocol):
    """An object that has tools, as an MCPServer."""

    def tools(self) -> Sequence[FunctionTool]: ...


Tools: TypeAlias = Iterable[Function | FunctionTool | HasTools] | Function | HasTools
"""What ``tools=`` takes: functions (made into tools), FunctionTools, MCP servers; or one of them."""


@overload
def tool(
    function: None = None, /, **options: Unpack[ToolOptions]
) -> Callable[[Function], FunctionTool]: ...
@overload
def tool(function: Function, /, **options: Unpack[ToolOptions]) -> FunctionTool: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    context: str | None = None,
    timeout: float | None = None,
    retries: int = 3,
    approve: Approve | None = None,
    strict: bool = False,
    max_chars: int = MAX_RESULT_CHARS,
    on_error: OnError = "tell",
) -> FunctionTool | Callable[[Function], FunctionTool]:
    """A FunctionTool of a function, sync or async; a decorator, with options or without.

    Arguments:
        name, description: instead of the function's own.
        context: the parameter that gets the ``context=`` of the run; the model never sees it. A
            parameter annotated ``Context`` gets that value and more about the run.
        timeout: seconds that a call may take; None for the agent's ``tool_timeout``.
        retries: how often in a run the tool may fail in a row (invalid arguments, ToolRetry, an
            exception, a timeout) and be called again; after that it is not called any more.
        approve: called before each call; see Verdict. LATER: each call waits for its approval.
        strict: ask the provider to hold the arguments to the schema, where it can.
        max_chars: characters of a result that the model is sent; the rest is cut, with a note.
        on_error: what the model is sent when the function raises: the exception's type and
            message (``"tell"``), its type alone (``"hide"``); ``"raise"`` ends the run with
            ToolFailed.

    Raises ConfigurationError for a signature that a model could not call.
    """
    made = partial(
        _made,
        name=name,
        description=description,
        context=context,
        timeout=timeout,
        retries=retries,
        approve=approve,
        strict=strict,
        max_chars=max_chars,
        on_error=on_error,
    )
    return made if function is None else made(function)


def _made(
    function: Any,
    *,
    name: str | None,
    description: str | None,
    context: str | None,
    **settings: Any,
) -> FunctionTool:
    # ``@tool`` above ``@staticmethod`` gets the descriptor, not the function.
    if isinstance(function, (classmethod, staticmethod)):
        function = function.__func__
    if not callable(function):
        raise ConfigurationError(f"a tool is made of a function, not of {type(function).__name__}")
    called = tool_name(given.words(name, "a tool's name") or _name_of(function))
    _check(called, description, settings)
    given.words(context, f"tool {called!r}: context")
    signature = schema_of_function(function, name=called, context=context)
    return FunctionTool(
        name=called,
        description=signature.description if description is None else description,
        signature=signature,
        function=function,
        **settings,
    )


def _check(name: str, description: object, settings: JSON) -> None:
    """Raise ConfigurationError for an invalid setting."""
    of = f"tool {name!r}: "
    given.words(description, f"{of}description", empty=True)
    given.seconds(settings["timeout"], f"{of}timeout")
    check_approve(settings["approve"], f"{of}approve")
    for key, check in _NEEDED.items():
        if check(settings[key], f"{of}{key}") is None:
            raise ConfigurationError(f"{of}{key} is None")


def check_approve(approve: object, name: str) -> None:
    """Raise ConfigurationError for what cannot approve."""
    if approve is not LATER:
        given.function(approve, name, wanted="a function or LATER")


_NEEDED: dict[str, Callable[[object, str], object]] = {
    "retries": lambda value, name: given.count(value, name, least=0),
    "max_chars": given.count,
    "strict": given.flag,
    "on_error": lambda value, name: given.one_of(value, name, get_args(OnError)),
}
"""The settings that have a default other than None, so that None is a mistake."""


def as_tool(found: Function | FunctionTool) -> FunctionTool:
    """An item of ``tools=``, a FunctionTool or a function, as a FunctionTool."""
    return found if isinstance(found, FunctionTool) else tool(found)


def by_name(offered: object) -> dict[str, FunctionTool]:
    """Tools by name. An object with a method ``tools`` (an MCP server) gives all of its own.

    Raises ConfigurationError where two have the same name.
    """
    found: dict[str, FunctionTool] = {}
    if isinstance(offered, FunctionTool) or callable(offered) or hasattr(offered, "tools"):
        offered = (offered,)  # one alone, without a list around it
    if isinstance(offered, (str, bytes, Mapping)) or not isinstance(offered, Iterable):
        raise ConfigurationError(
            f"tools must be functions, FunctionTools or MCP servers, not a {type(offered).__name__}"
        )
    for each in offered:
        holds = getattr(each, "tools", None)
        # A function may have an attribute ``tools`` of its own.
        for one in holds() if callable(holds) and not callable(each) else (as_tool(each),):
            if one.name in found:
                raise ConfigurationError(f"two tools are called {one.name!r}: give one a name=")
            found[one.name] = one
    return found


def is_async(function: object) -> bool:
    """Whether calling it gives a coroutine."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - the class's own, not whether it has one
    )


def tool_name(name: str) -> str:
    """The name as every provider takes it. Raises ConfigurationError where nothing is left."""
    safe = safe_name(name)
    if not safe:
        raise ConfigurationError(f"a tool needs a name (of {name!r} nothing is left): name=...")
    return safe


def _name_of(function: object) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
