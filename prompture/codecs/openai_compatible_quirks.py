"""Rules of the providers that copy OpenAI's dialect: what each refuses or wants otherwise.

A rule mends a request's body, or raises UnsupportedError for what the user asked and the
provider cannot do. Sources: the providers' own pages, named in their rows.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from prompture.codecs.options import Efforts, Families
from prompture.errors import UnsupportedError
from prompture.types import Request

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Body = dict[str, Any]
Features = TypeVar("Features", bound="DataclassInstance")

_GROQ_SCHEMA = re.compile(r"gpt-oss|qwen3\.8|llama-4|kimi-k2")


def groq_narrow(model: str, features: Features) -> Features:
    """Only some models take a schema; the others are given one forced tool."""
    return replace(features, json_schema=bool(_GROQ_SCHEMA.search(model)))


_GROQ_EFFORTS = Families(
    (r"gpt-oss", Efforts("low medium high", {"minimal": "low"})),
    (r"qwen3\.8", Efforts("none low medium high", {"minimal": "low"})),
    (
        r"qwen3",
        Efforts(
            "none default",
            dict.fromkeys(("minimal", "low", "medium", "high", "xhigh", "max"), "default"),
        ),
    ),
    otherwise=Efforts(""),
)


def groq_rule(request: Request, body: Body) -> None:
    """Each family has its own efforts. Reasoning in the text is refused together with JSON or
    tools: it goes apart there."""
    if request.reasoning is not None:
        body["reasoning_effort"] = _GROQ_EFFORTS.of(request.model).name(request)
    # "raw", reasoning within the text, is a 400 together with JSON or tools (Groq's docs).
    if "qwen" in request.model and (body.get("tools") or body.get("response_format")):
        body.setdefault("reasoning_format", "parsed")


_XAI_EFFORTS = Families(
    (r"3-mini", Efforts("low high", {"minimal": "low"})),
    (r"4\.5", Efforts("low medium high", {"minimal": "low"})),
    # An effort is a 400 at the others (xAI's docs on reasoning).
    (r"code|non-reasoning", Efforts("")),
    otherwise=Efforts("none low medium high", {"minimal": "low"}),
)
_XAI_PLAIN = re.compile(r"grok-(?:[4-9]|code|build)")


def xai_rule(request: Request, body: Body) -> None:
    """grok-4 and the code models take no stop strings; efforts differ by model, and grok-4.5
    cannot be kept from reasoning."""
    if request.stop and (_XAI_PLAIN.match(request.model) or "mini" in request.model):
        raise UnsupportedError(f"{request.model} takes no stop strings; leave stop out")
    if request.reasoning is not None:
        body["reasoning_effort"] = _XAI_EFFORTS.of(request.model).name(request)


_KIMI_FIXED = re.compile(r"kimi-k(?:2\.[5-9]|[3-9])")


def moonshot_rule(request: Request, body: Body) -> None:
    """The reasoning models fix their sampling; k3 takes an effort, k2.5 and k2.6 a switch."""
    name = request.model.rpartition("/")[2]
    # Refused else: "not a valid moonshot flavored json schema" (HTTP 400).
    for tool in body.get("tools", ()):
        _walle(tool["function"])
    if _KIMI_FIXED.match(name):
        # "invalid temperature: only 1 is allowed for this model" (HTTP 400).
        if request.temperature not in (None, 1):
            raise UnsupportedError(f"{name} takes a temperature of 1 only; leave it out")
        if request.top_p is not None:
            raise UnsupportedError(f"{name} takes no top_p; leave it out")
    thinking = body.pop("thinking", None)
    if thinking is None:
        return
    if name.startswith("kimi-k3"):
        # It ignores values that it does not know, and thinks on: that must not pass for a no.
        if request.reasoning == "none":
            raise UnsupportedError(f"{name} always reasons; ask for low, high or max")
        body["reasoning_effort"] = _at_least("low", {"medium": "high", "xhigh": "max"}, request)
    elif name.startswith(("kimi-k2.5", "kimi-k2.6")):
        body["thinking"] = thinking
    else:
        raise UnsupportedError(f"{name} takes no reasoning effort; leave it out")


def _walle(function: Body) -> None:
    """Moonshot's validator wants a description, and no ``required`` that is empty."""
    function.setdefault("description", function["name"])
    if function["parameters"].get("required") == []:
        rest = function["parameters"].items()
        function["parameters"] = {key: value for key, value in rest if key != "required"}


def _at_least(lowest: str, renamed: dict[str, str], request: Request) -> str:
    effort = str(request.reasoning)
    return lowest if effort in ("minimal", lowest) else renamed.get(effort, effort)


_GLM_SCHEMA = re.compile(r"glm-5\.3")


def zai_narrow(model: str, features: Features) -> Features:
    """glm-5.3 takes a schema; the models with a v in their number see pictures."""
    return replace(
        features,
        json_schema=bool(_GLM_SCHEMA.search(model)),
        vision=bool(re.search(r"\dv|5\.3-flash", model)),
    )


def zai_rule(request: Request, body: Body) -> None:
    """Temperature lies strictly between 0 and 1 (0 means no sampling at all); tool arguments
    come in pieces only when asked for; glm-5.3 cannot stop thinking."""
    # Its docs: between 0 and 1, both left out; greedy decoding has a switch of its own.
    if request.temperature == 0:
        del body["temperature"]
        body["do_sample"] = False
    if (
        body.get("stream")
        and body.get("tools")
        and re.search(r"glm-(?:4\.[6-9]|[5-9])", request.model)
    ):
        # Without it the arguments come whole, at the end: no deltas for a long call.
        body["tool_stream"] = True
    effort = request.reasoning
    if "glm-5.3" in request.model and effort is not None:
        if effort == "none":
            raise UnsupportedError(f"{request.model} always thinks; ask for low, high or max")
        body["reasoning_effort"] = _at_least("low", {"medium": "high", "xhigh": "max"}, request)
    elif "glm-5.2" in request.model and effort not in (None, "none"):
        body["reasoning_effort"] = effort


def modelscope_rule(request: Request, body: Body) -> None:
    """Thinking is a switch, of Qwen3's hybrids and their like; those must not think in a call
    that does not stream."""
    hybrid = re.search(r"Qwen3-(?!.*(?:Instruct|Thinking|Coder))", request.model)
    effort = body.pop("reasoning_effort", None)
    if effort is not None:
        if effort != "none" and hybrid and not body.get("stream"):
            raise UnsupportedError(f"{request.model} reasons only in calls that stream")
        body["enable_thinking"] = effort != "none"
    elif hybrid and not body.get("stream"):
        body.setdefault("enable_thinking", False)


def openrouter_rule(request: Request, body: Body) -> None:
    """Providers that would ignore the schema or the tools are left out of the routing; the
    prompt is never trimmed behind the user's back."""
    # OpenRouter's greatest effort has this name.
    if request.reasoning == "max":
        body["reasoning"] = {"effort": "xhigh"}
    if body.get("response_format") or body.get("tools"):
        # Else it may route to one that takes no schema, and answers in prose.
        body["provider"] = {"require_parameters": True}
    # Models of up to 8k tokens have "middle-out" on by default, which cuts the prompt's middle.
    body.setdefault("transforms", [])


_NINE = re.compile(r"[A-Za-z0-9]{9}")


def mistral_rule(request: Request, body: Body) -> None:
    """Tool ids are nine letters and digits; tools are left out where none may be called; a
    user turn may not follow a tool turn."""
    # With tools and "none" the models garble their answers (pydantic-ai's Mistral model).
    if body.get("tool_choice") == "none":
        body.pop("tools", None)
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
    mended: list[Body] = []
    for message in body["messages"]:
        # "Unexpected role 'user' after role 'tool'" (HTTP 400), of some models.
        if mended and mended[-1]["role"] == "tool" and message["role"] == "user":
            mended.append({"role": "assistant", "content": "OK."})
        mended.append(_nine_letter_ids(message))
    body["messages"] = mended


def _nine_letter_ids(message: Body) -> Body:
    if "tool_call_id" in message:
        return {**message, "tool_call_id": _nine(message["tool_call_id"])}
    if "tool_calls" in message:
        calls = [{**c, "id": _nine(c["id"])} for c in message["tool_calls"]]
        return {**message, "tool_calls": calls}
    return message


def _nine(id: str) -> str:
    """The id itself where it fits, else nine characters that follow from it."""
    return id if _NINE.fullmatch(id) else hashlib.sha256(id.encode()).hexdigest()[:9]


def deepseek_rule(request: Request, body: Body) -> None:
    """Efforts are low, high and max; others go to the one that DeepSeek itself takes them for."""
    effort = request.reasoning
    if effort not in (None, "none"):
        named = {"medium": "high", "xhigh": "high", "minimal": "low"}
        body["reasoning_effort"] = named.get(str(effort), effort)


def dashscope_rule(request: Request, body: Body) -> None:
    """Thinking is a switch here, and calls that do not stream must leave it off."""
    effort = body.pop("reasoning_effort", None)
    if effort is not None:
        body["enable_thinking"] = effort != "none"
    # These think by default, and answer 400 to a call that thinks and does not stream.
    elif re.match(r"qwen(?:3-|-plus|-turbo|-flash)", request.model) and not body.get("stream"):
        body["enable_thinking"] = False
