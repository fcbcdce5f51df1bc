"""What is asked of a driver, checked before a meter is told or a byte is sent.

Every ``generate*`` method, ``complete`` and ``stream`` come through here, and so do extract and agents.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast, get_args

from prompture import given
from prompture.codecs.histories import check_calls
from prompture.compat import is_old_cache
from prompture.drivers import hooks as hooking
from prompture.errors import ConfigurationError, SchemaError, UnsupportedError
from prompture.traces import Problem
from prompture.types import (
    LARGE_CHARS,
    Document,
    File,
    Image,
    Message,
    Part,
    Request,
    Role,
    Text,
    Tool,
    changed,
)

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.drivers.provider import Features

_log = logging.getLogger("prompture")
_ROLES = frozenset(get_args(Role))
_PARTS = (Text, Document, Image, File)
_role_of, _content_of = attrgetter("role"), attrgetter("content")
_CHOICES = ("auto", "none", "required")
JSON_WORDS = "Answer in JSON."
_WORDS = {
    "json_schema": "JSON schemas",
    "json_mode": "JSON mode",
    "tool_use": "tools",
    "vision": "images",
}


def prepared(driver: BaseDriver, request: Request) -> tuple[Request, bool]:
    """The request as it may be sent, and whether it has tools or calls of tools. Raises
    ConfigurationError and UnsupportedError."""
    if not getattr(request, "model", "?"):
        request = changed(request, model=driver.model)
    if driver._hooks:
        request = hooking.before(driver._hooks, request)
    # After the hooks: what they return is checked like what a caller gives.
    request = fitted(driver, checked(request))
    # Names and ids of calls are looked at only where there are any.
    has_tools = bool(request.tools)
    for message in request.messages:
        if message.calls or message.role == "tool":
            check_calls(request.messages)
            has_tools = True
            break
    if request.max_tokens is None and driver.provider.max_tokens_required:
        entry = driver.entry(request.model)
        if entry and entry.limits.output:
            request = replace(request, max_tokens=entry.limits.output)
    return request, has_tools


def checked(asked: Any) -> Request:
    """The request, if all that it holds is what it should be. Raises ConfigurationError."""
    request: Request = asked
    if not isinstance(asked, Request):
        raise ConfigurationError(
            f"a driver is asked with a prompture.Request, not {type(request).__name__}; "
            f"generate(prompt) takes a text, generate_messages(messages) a list"
        )
    given.check_request(request)
    if request.cache is not None and is_old_cache(request.cache):
        request = replace(request, prompt_cache=cast(Any, request.cache), cache=None)
    # Lists are taken and copied: the caller may go on appending to its own.
    if type(request.messages) is not tuple or type(request.tools) is not tuple:
        request = replace(
            request,
            messages=_tuple(request.messages, "messages", Message),
            tools=_tuple(request.tools, "tools", Tool),
        )
    if not request.messages:
        raise ConfigurationError("messages is empty: there is nothing to answer")
    if not _are_texts(request.messages):
        for number, message in enumerate(request.messages):
            _check_message(message, number)
    if request.tools or request.tool_choice:
        _check_tools(request)
    stop = request.stop
    if stop != () and not (isinstance(stop, tuple) and all(isinstance(s, str) for s in stop)):
        raise given.wrong("stop", "a tuple of texts", request.stop)
    return request


def _tuple(value: Any, name: str, kind: type) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise given.wrong(name, f"a tuple of prompture.{kind.__name__}", value)
    return tuple(value)


def _are_texts(messages: Sequence[Message]) -> bool:
    """Whether all are messages with a role and a text, as most are: seen without a line of Python
    for each, for a conversation may be long."""
    return (
        set(map(type, messages)) == {Message}
        and set(map(type, map(_role_of, messages))) == {str}
        and _ROLES.issuperset(map(_role_of, messages))
        and set(map(type, map(_content_of, messages))) == {str}
    )


def _check_message(message: Any, number: int) -> None:
    if type(message) is not Message and not isinstance(message, Message):
        raise ConfigurationError(
            f"messages[{number}] must be a prompture.Message, not {type(message).__name__}; "
            f"generate_messages takes dicts"
        )
    if not isinstance(message.role, str) or message.role not in _ROLES:
        raise ConfigurationError(
            f"messages[{number}]: {given.unknown('role', message.role, _ROLES)}"
        )
    if isinstance(message.content, str):
        return
    if not isinstance(message.content, tuple):
        raise ConfigurationError(
            f"messages[{number}].content must be a text or a tuple of parts, "
            f"not {type(message.content).__name__}"
        )
    for part in message.content:
        _check_part(part, f"messages[{number}].content")


def _check_part(part: Any, place: str) -> None:
    if not isinstance(part, _PARTS):
        raise ConfigurationError(
            f"{place} holds a {type(part).__name__}; a part is a Text, Document, Image or File"
        )
    if isinstance(part, (Text, Document)):
        if not isinstance(part.text, str):
            raise ConfigurationError(f"{place}: the text of a part must be a text")
    elif part.url is not None:
        check_url(part.url, place)


def check_url(url: object, place: str) -> str:
    """A URL of an image or a file. Nothing on this machine is read for it: the provider fetches
    it. Raises ConfigurationError for a path or a ``file:`` URL."""
    scheme = url.partition(":")[0].lower() if isinstance(url, str) and ":" in url else ""
    if not isinstance(url, str) or scheme == "file" or not ("://" in url or scheme == "data"):
        what = f"a {scheme}: URL" if scheme == "file" else f"a {type(url).__name__} that is none"
        raise ConfigurationError(
            f"{place}: a URL must begin with https://, http://, data: or a storage scheme "
            f"(gs://, s3://), and this is {what}; a file of yours is read by "
            f"prompture.image(path) or prompture.file(path)"
        )
    return url


def _check_tools(request: Request) -> None:
    names: set[str] = set()
    for tool in request.tools:
        if not isinstance(tool, Tool):
            raise ConfigurationError(
                f"tools must be prompture.Tool, not {type(tool).__name__}; "
                f"generate_messages_with_tools takes dicts"
            )
        if not isinstance(tool.name, str) or not tool.name.strip():
            raise given.wrong("the name of a tool", "a text", tool.name)
        if tool.name in names:
            raise ConfigurationError(f"two tools are called {tool.name!r}")
        names.add(tool.name)
        given.table(tool.parameters, f"the parameters of the tool {tool.name!r}")
    choice = request.tool_choice
    if request.tools and choice is not None and choice not in _CHOICES and choice not in names:
        raise UnsupportedError(
            f"tool_choice {choice!r} is not among the tools: "
            f"{given.unknown('tool', choice, [*sorted(names), *_CHOICES])}"
        )


def fitted(driver: BaseDriver, request: Request) -> Request:
    """The request, if the model can do what it asks for; where the API refuses JSON mode without
    the word JSON in a message, with that word. Raises UnsupportedError."""
    for feature in wanted(request):
        features = features_for(driver, request)
        if not getattr(features, feature):
            raise UnsupportedError(lacks(driver, request, feature))
    if request.json_mode and request.schema is None and driver.provider.json_word:
        request = _with_word(driver, request)
    return request


def wanted(request: Request) -> list[str]:
    """The features that a request needs."""
    found = []
    if request.schema is not None:
        found.append("json_schema")
    elif request.json_mode:
        found.append("json_mode")
    if request.tools:
        found.append("tool_use")
    if _shows(request.messages):
        found.append("vision")
    return found


def features_for(driver: BaseDriver, request: Request) -> Features:
    """What the model of a request can do."""
    # Features that the caller gave hold for whichever model is asked.
    if request.model != driver.model and driver._features is None:
        return driver.features_of(request.model)
    return driver.features


def lacks(driver: BaseDriver, request: Request, feature: str) -> str:
    """The words for a feature that the model has not."""
    return (
        f"{driver.provider.name}/{request.model} does not support {_WORDS[feature]}"
        f"{_instead(feature)}; if you know better, pass features=... to the driver"
    )


def _instead(feature: str) -> str:
    if feature == "json_schema":
        return " (extract(schema, ...) finds another way; json_mode=True asks for any object)"
    return ""


def _shows(messages: Sequence[Message]) -> bool:
    if set(map(type, map(_content_of, messages))) == {str}:
        return False
    contents = map(_content_of, messages)
    return any(isinstance(p, Image) for c in contents if not isinstance(c, str) for p in c)


def _with_word(driver: BaseDriver, request: Request) -> Request:
    if any("json" in message.text.lower() for message in request.messages):
        return request
    _log.info(
        "%s: JSON mode needs the word JSON in a message; a system turn %r was added",
        driver.provider.name,
        JSON_WORDS,
    )
    first = next((i for i, m in enumerate(request.messages) if m.role != "system"), 0)
    word = Message(role="system", content=JSON_WORDS)
    messages = request.messages
    return replace(request, messages=(*messages[:first], word, *messages[first:]))


def refuse_unwritable(request: Request) -> None:
    """Raise ConfigurationError for the first value of the caller's that JSON cannot say."""
    given.sendable(request.extra, "extra")
    given.sendable(request.metadata, "metadata")
    given.sendable(request.schema, "json_schema")
    for tool in request.tools:
        given.sendable(tool.parameters, f"the parameters of the tool {tool.name!r}")
    for message in request.messages:
        for call in message.calls:
            given.sendable(call.arguments, f"the arguments of the call of {call.name!r}")


def wrong_schemas(driver: BaseDriver, request: Request) -> Iterator[Problem]:
    """What ``extract`` and agents would refuse of the request's schema, and of those of its tools."""
    from prompture.schema.rewriting import rewrite
    from prompture.schema.source import source

    dialect = features_for(driver, request).schema_dialect
    schemas = {f"/tools/{at}/parameters": each.parameters for at, each in enumerate(request.tools)}
    for place, schema in {"/schema": request.schema, **schemas}.items():
        if schema is None:
            continue
        try:
            source(schema)
            rewrite(schema, dialect)
        except SchemaError as exc:
            yield Problem(place, str(exc), "schema")


def is_long(request: Request) -> bool:
    """Whether encoding the request takes long enough to be felt. One that is no request is not:
    ``checked`` says what is wrong with it."""
    try:
        return _is_long(request)
    except (AttributeError, TypeError):
        return False


def _is_long(request: Request) -> bool:
    for message in request.messages:
        content = message.content
        if isinstance(content, str):
            if len(content) > LARGE_CHARS:
                return True
        elif any(_size(part) > LARGE_CHARS for part in content):
            return True
    return False


def _size(part: Part) -> int:
    return len(part.text if isinstance(part, (Text, Document)) else part.data or b"")
