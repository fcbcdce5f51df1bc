"""OpenAI's models: how they are listed, what each family takes, and which API answers for it.

Source: OpenAI's model pages, https://platform.openai.com/docs/models, and recorded 400s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from prompture.codecs.options import check_temperature, effort_of, unknown_effort
from prompture.codecs.values import objects, tokens
from prompture.errors import ProtocolError, UnsupportedError
from prompture.types import JSON, File, ModelInfo, Request
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_CONTEXT = ("context_length", "context_window", "max_context_length", "max_model_len")
_OUTPUT = ("max_completion_tokens", "max_output_tokens")


def read_models(response: HTTPResponse) -> list[ModelInfo]:
    """``{"data": [...]}`` or a bare list. Raises ProtocolError for anything else."""
    body = response.json()
    rows = body.get("data", body.get("models")) if isinstance(body, Mapping) else body
    if not isinstance(rows, list):
        raise ProtocolError(f"no list of models in {shape(body)}")
    return [_model(row) for row in objects(rows)]


def _model(row: JSON) -> ModelInfo:
    return ModelInfo(
        id=str(row.get("id") or row.get("name") or ""),
        created=tokens(row.get("created")),
        owner=row.get("owned_by") if isinstance(row.get("owned_by"), str) else None,
        context_tokens=_first(row, _CONTEXT),
        output_tokens=_first(row, _OUTPUT),
        raw=row,
    )


def _first(row: JSON, names: tuple[str, ...]) -> int | None:
    return next((n for name in names if (n := tokens(row.get(name))) is not None), None)


Features = TypeVar("Features", bound="DataclassInstance")
_ALWAYS = re.compile(
    r"o[134](?:-|$)|gpt-5(?:-(?:mini|nano|pro|codex|\d{4}))?(?:-|$)|gpt-5\.[5-9]|gpt-[6-9]|codex"
)
_OPTIONAL = re.compile(r"gpt-5\.[1-4](?!\d)")
_CHAT = re.compile(r"gpt-5-chat")
_ONE_BY_ONE = re.compile(r"(?:ft:)?o\d")


def openai_narrow(model: str, features: Features) -> Features:
    """The o-series refuses ``parallel_tool_calls``; it calls one tool at a time anyway."""
    return replace(features, one_call=not _ONE_BY_ONE.match(model))


@lru_cache(256)
def reasons(model: str, effort: str | int | None) -> bool:
    """Whether the model reasons for this request, and so takes no sampling parameters.

    o-series and gpt-5 always do; gpt-5.1 to 5.4 only when an effort is asked for; later ones, and
    the pro, codex and chat models, unless the effort is ``"none"``.
    """
    # A router's prefix and that of a fine-tuned model.
    name = model.rpartition("/")[2].removeprefix("ft:")
    effort = "none" if effort == 0 else effort
    if _CHAT.match(name):
        return False
    if _OPTIONAL.match(name):
        # The others' default is "none", that of these "medium" (recorded at Azure of
        # gpt-5.1-codex-mini and gpt-5.2-chat, which were asked for no effort).
        by_default = re.search(r"-(?:pro|codex|chat)", name)
        return effort != "none" if by_default else effort not in (None, "none")
    if _ALWAYS.match(name):
        return effort != "none" or not re.match(r"gpt-(?:5\.[5-9]|[6-9])", name)
    return False


def chat_rule(request: Request, body: dict[str, Any]) -> None:
    """Refuse what the model's family refuses, before it is sent."""
    if request.temperature is not None:
        check_temperature(request, 2)
    if request.reasoning is not None:
        body.pop("reasoning_effort", None)
        if level := effort(request):
            body["reasoning_effort"] = level
    if not reasons(request.model, request.reasoning):
        return
    # 1 is the default, and the one value that they take.
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


DIALECT = "openai_responses"
_RESPONSES_ONLY = re.compile(r"-pro(?:-|$)|codex|deep-research|computer-use")
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?![\d.])")
_ONLY_HERE = {
    "background",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "reasoning",
    "text",
    "truncation",
}
"""Keys of ``extra`` that Chat Completions does not know."""


def needs_responses(request: Request) -> bool:
    """Whether OpenAI answers this request on ``/responses`` only.

    That is: the pro, codex and deep-research models; function tools on gpt-5.4 and later while
    the model reasons; the effort ``"max"``; files by URL; a history that holds this API's own
    items (encrypted reasoning); and options that only this API has.
    """
    # The model is judged once per name; the request costs a look at each turn.
    if _is_only_here(request.model) or request.reasoning == "max":
        return True
    if request.tools:
        name = _bare(request.model)
        if _version(name) >= (5, 4) and reasons(name, request.reasoning):
            return True
    if request.extra and (_ONLY_HERE & request.extra.keys() or _hosted_tools(request)):
        return True
    for message in request.messages:
        if message.native is not None and message.native.dialect == DIALECT:
            return True
        if type(message.content) is not str and any(
            isinstance(part, File) and part.url is not None for part in message.parts
        ):
            return True
    return False


def needed_api(request: Request) -> str | None:
    """The route of OpenAI's row: the codec that a request needs, None for the usual one."""
    return "responses" if needs_responses(request) else None


@lru_cache(256)
def _is_only_here(model: str) -> bool:
    return bool(_RESPONSES_ONLY.search(_bare(model)))


def _hosted_tools(request: Request) -> bool:
    tools = request.extra.get("tools")
    return isinstance(tools, (list, tuple)) and any(
        isinstance(tool, dict) and tool.get("type") != "function" for tool in tools
    )


def _bare(model: str) -> str:
    return model.lower().rpartition("/")[2].removeprefix("ft:")


def _version(name: str) -> tuple[int, int]:
    found = _GPT.match(name)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def efforts(model: str) -> tuple[str, ...] | None:
    """The efforts a model takes: none at all for one that cannot reason, None if unknown."""
    name = _bare(model)
    version = _version(name)
    if re.match(r"o\d(?:-|$)", name):
        return ("medium",) if "deep-research" in name else ("low", "medium", "high")
    if re.match(r"gpt-(?:3|4)|chatgpt-4o|gpt-5-chat", name):
        return ()
    if version < (5, 0):
        return None
    if "-chat-latest" in name:
        return ("medium",)
    known = ["low", "medium", "high"]
    if re.search(r"-pro(?:-|$)", name):
        top = ("max",) if version >= (6, 0) else ()
        return ("high",) if version < (5, 1) else ("medium", "high", "xhigh", *top)
    if version >= (5, 2) or "codex-max" in name:
        known.append("xhigh")
    if version >= (6, 0):
        known.append("max")
    # gpt-5 itself has "minimal" in the place of "none".
    if version == (5, 0):
        return tuple(known) if "codex" in name else ("minimal", *known)
    always = re.match(r"gpt-6-astra|gpt-6\.1-sol", name) or ("codex" in name and version < (5, 3))
    return tuple(known) if always else ("none", *known)


def takes_cache_options(model: str) -> bool:
    """Whether prompts can be kept for a stated time: gpt-5.6 and later, and unknown names."""
    version = _version(_bare(model))
    return version == (0, 0) or version >= (5, 6)


def effort(request: Request) -> str | None:
    """The effort to send. Raises UnsupportedError for one that the model's family has not."""
    wanted = effort_of(request)
    if wanted is None:
        return None
    known = efforts(request.model)
    if known is None or wanted in known:
        return wanted
    if not known and wanted == "none":
        return None
    raise unknown_effort(request, known, wanted)
