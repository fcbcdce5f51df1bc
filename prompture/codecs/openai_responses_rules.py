"""Which OpenAI models need the Responses API, and the reasoning efforts of each family.

Source: OpenAI's model pages, https://platform.openai.com/docs/models, and recorded 400s.
"""

from __future__ import annotations

import re
from functools import lru_cache

from prompture.codecs.openai_rules import reasons
from prompture.errors import UnsupportedError
from prompture.types import File, Request

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
    asked = request.reasoning
    if asked is None:
        return None
    if isinstance(asked, int) and asked:
        raise UnsupportedError(
            f"{request.model}: reasoning takes an effort here, not a number of tokens"
        )
    wanted = str(asked or "none")
    known = efforts(request.model)
    if known is None or wanted in known:
        return wanted
    if not known and wanted == "none":
        return None
    listed = ", ".join(known) or "no effort: it does not reason"
    raise UnsupportedError(
        f"reasoning: {request.model} has no effort {wanted!r}; it takes {listed}"
    )
