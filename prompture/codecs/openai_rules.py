"""What OpenAI's model families refuse. Source: the families' notes in OpenAI's model pages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from prompture.errors import UnsupportedError
from prompture.types import Request

if TYPE_CHECKING:
    from prompture.drivers.provider import Features

F = TypeVar("F", bound="Features")
_ALWAYS = re.compile(
    r"o[134](?:-|$)|gpt-5(?:-(?:mini|nano|pro|codex|\d{4}))?(?:-|$)|gpt-5\.[5-9]|gpt-[6-9]|codex"
)
_OPTIONAL = re.compile(r"gpt-5\.[1-4](?!\d)")
_CHAT = re.compile(r"gpt-5-chat")
_ONE_BY_ONE = re.compile(r"(?:ft:)?o\d")


def openai_narrow(model: str, features: F) -> F:
    """The o-series refuses ``parallel_tool_calls``; it calls one tool at a time anyway."""
    return replace(features, one_call=not _ONE_BY_ONE.match(model))


def reasons(model: str, effort: str | int | None) -> bool:
    """Whether the model reasons for this request, and so takes no sampling parameters.

    o-series and gpt-5 always do; gpt-5.1 to 5.4 only when an effort is asked for; later ones
    unless the effort is ``"none"``.
    """
    name = model.rpartition("/")[2].removeprefix("ft:")
    effort = "none" if effort == 0 else effort
    if _CHAT.match(name):
        return False
    if _OPTIONAL.match(name) and not re.search(r"-(?:pro|codex|chat)", name):
        return effort not in (None, "none")
    if _ALWAYS.match(name):
        return effort != "none" or not re.match(r"gpt-(?:5\.[5-9]|[6-9])", name)
    return False


def chat_rule(request: Request, body: dict[str, Any]) -> None:
    """Refuse what the model's family refuses, before it is sent."""
    if request.reasoning is not None:
        from prompture.codecs.openai_responses_rules import effort

        body.pop("reasoning_effort", None)
        if level := effort(request):
            body["reasoning_effort"] = level
    if not reasons(request.model, request.reasoning):
        return
    given = {
        "temperature": request.temperature not in (None, 1),
        "top_p": request.top_p not in (None, 1),
        "logprobs": request.logprobs is not None,
        "stop": bool(request.stop),
    }
    refused = [name for name, is_set in given.items() if is_set]
    if refused:
        raise UnsupportedError(
            f"{request.model} reasons and takes no {' or '.join(refused)}; leave it out"
            f" (or pass it in extra={{...}} to send it all the same)"
        )
